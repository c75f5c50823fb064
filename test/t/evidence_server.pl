# What the check reads of the server and no session can change: pg_hba.conf, the certificate, archiving, a standby, settings that
# need a restart, workers. Each is broken, the check names what and how it is mended, and its remedy, run as printed, mends it.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $good_hba = "local all all peer\nhostssl all all 0.0.0.0/0 scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\nlocal replication all peer\n";
my $node = PostgreSQL::Test::Cluster->new('primary');
my $archive = PostgreSQL::Test::Utils::tempdir();

# Of this machine, not loopback, or undef. No packet is sent.
my $socket = IO::Socket::INET->new(Proto => 'udp', PeerAddr => '192.0.2.1', PeerPort => 9);
my $address = $socket && $socket->sockhost !~ /^127\./ ? $socket->sockhost : undef;

$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "listen_addresses = '*'\nfsync = off\nautovacuum = off\nrestart_after_crash = on\nwal_keep_size = 2GB\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION toms');

sub sql { return $node->safe_psql('postgres', "SET client_min_messages = warning; SET toms.reason = 'test'; $_[0]") }

# What a probe says, a line for each.
sub probe
{
	my ($name, $on) = @_;
	return ($on // $node)->safe_psql('postgres', "SET timezone = 'UTC'; SET datestyle = 'ISO';
		SELECT p.status || ' ' || p.phrase || ': ' || toms.say(p.phrase, p.args, 'en') FROM toms.run_probe('$name') p ORDER BY 1");
}

# psql reads the remedies of a probe, of these phrases.
sub mend
{
	my ($name, $phrases) = @_;
	$node->safe_psql('postgres', $node->safe_psql('postgres', "SELECT DISTINCT remedy FROM toms.run_probe('$name') p WHERE phrase ~ '$phrases' AND remedy IS NOT NULL"));
	usleep(500_000);
	return;
}

# What the remedies of a probe say of pg_hba.conf is written there, and psql reads the rest.
sub write_hba
{
	my ($name, $phrases) = @_;
	my $remedies = $node->safe_psql('postgres', "SELECT DISTINCT remedy FROM toms.run_probe('$name') p WHERE phrase ~ '$phrases'");
	my $file = $node->data_dir . '/pg_hba.conf';
	my @lines = split /\n/, slurp_file($file);
	$lines[$1 - 1] = $2 while $remedies =~ /^-- in \Q$file\E, line (\d+) becomes:\n-- (.*)$/mg;
	unlink $file;
	append_to_file($file, join("\n", @lines) . "\n");
	$node->safe_psql('postgres', $remedies);
	usleep(500_000);
	return;
}

sub fails
{
	my ($name, $expected, $why) = @_;
	return like(probe($name), qr/^fail $expected/m, $why);
}

sub passes
{
	my ($name, $phrase, $why) = @_;
	my $said = probe($name);
	unlike($said, qr/^(fail|partial|overdue) ($phrase)/m, $why);
	return unlike($said, qr/probe_failed/, "$name was looked at");
}

sub hba
{
	my ($lines) = @_;
	my $file = $node->data_dir . '/pg_hba.conf';
	unlink $file;
	append_to_file($file, $lines);
	$node->reload;
	usleep(500_000);
	return;
}

hba($good_hba);

# TLS
fails('tls', 'tls_ssl_off: The server listens on \* and offers no TLS', 'no TLS at all');
fails('transport_encryption', 'cert_off', 'no TLS, no certificate');
sub certificate
{
	my ($with, @more) = @_;
	my $output;
	my $data = $node->data_dir;
	IPC::Run::run([ qw(openssl req -new -x509 -nodes -subj /CN=localhost -keyout), "$data/server.key", '-out', "$data/server.crt", split(' ', $with), @more ], '<', \undef, '>&', \$output);
	chmod 0600, "$data/server.key";
	return $? == 0;
}
SKIP:
{
	skip 'openssl makes no certificate', 11 unless certificate('-newkey rsa:3072 -sha256 -days 100');
	mend('tls', 'tls_ssl_off');
	skip 'this PostgreSQL has no TLS', 11 unless $node->safe_psql('postgres', 'SHOW ssl') eq 'on';
	passes('tls', 'tls_ssl', 'mended as advised: TLS is on');
	like(probe('tls'), qr/^pass tls_ssl_on: .*TLSv1\.2 or newer/m, 'and nothing older');
	passes('transport_encryption', 'cert', 'the certificate will do');
	like(probe('transport_encryption'), qr/^pass cert_is: The certificate server\.crt has a key of RSA 3072, is signed with SHA-256, RSA and is valid until \d{4}-/m, 'what it is');
	for ([ '-newkey rsa:2048 -sha256 -days 100', 'cert_key: .*RSA 2048; RSA 3072', 'too short a key' ], [ '-newkey rsa:3072 -sha1 -days 100', 'cert_signature: .*SHA-1, RSA', 'SHA-1' ],
		[ '-newkey rsa:3072 -sha256 -sigopt rsa_padding_mode:pss -days 100', undef, 'SHA-256, RSA-PSS' ], [ '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha384 -days 100', undef, 'EC 256, is signed with SHA-384, ECDSA' ],
		[ '-newkey ec -pkeyopt ec_paramgen_curve:secp224r1 -sha256 -days 100', 'cert_key: .*EC 224', 'too short a curve' ], [ '-newkey ed25519 -days 100', undef, 'Ed25519, is signed with Ed25519' ])
	{
		my ($with, $fault, $name) = @$_;
		certificate($with) or next;
		$node->reload;
		$fault ? fails('transport_encryption', $fault, $name) : like(probe('transport_encryption'), qr/^pass cert_is: .*\Q$name\E/m, $name);
		passes('transport_encryption', 'cert', "$name will do") if !$fault;
	}
	certificate('-newkey rsa:3072 -sha256 -days 5');
	$node->reload;
	like(probe('transport_encryption'), qr/^partial cert_ends/m, 'a certificate that ends soon');
	my $reload = $node->safe_psql('postgres', q{SELECT remedy FROM toms.run_probe('transport_encryption') WHERE phrase = 'cert_ends'});
	certificate('-newkey rsa:3072 -sha256 -days 100');
	$node->safe_psql('postgres', $reload);
	passes('transport_encryption', 'cert', 'another one in its place');
	utime time + 100, time + 100, $node->data_dir . '/server.crt';
	like(probe('transport_encryption'), qr/^partial cert_unloaded/m, 'one that is not loaded yet');
	utime time - 100, time - 100, $node->data_dir . '/server.crt';
	mend('transport_encryption', 'cert_unloaded');
	passes('transport_encryption', 'cert', 'it is loaded');
	# a fixed one of the past
	append_to_file($node->data_dir . '/old.crt', <<'PEM');
-----BEGIN CERTIFICATE-----
MIIBEDCBtgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwHhcN
MjAwMTAxMDAwMDAwWhcNMjEwMTAxMDAwMDAwWjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARNGQjM711sRPMGJrFKNMUP6jA/
qjAiyqBa43UrqF+4lob4xDAlXUK2YgdNQ7RY/hBMo0rnuR79ZNZThf3PXNuJMAoG
CCqGSM49BAMCA0kAMEYCIQDGzBuoeGwegpkhuqaGnJfnQYS8p3/XkGAEGNccZQwj
wwIhAOSr58zCxeYY0D6wLmGhrYtyYrtRiELeYjlCIt4o2UAU
-----END CERTIFICATE-----
PEM
	sql(q{ALTER SYSTEM SET ssl_cert_file = 'old.crt'});
	is($node->safe_psql('postgres', q{SELECT status || ' ' || phrase FROM toms.certificate_faults('old.crt') WHERE phrase = 'cert_expired'}), 'fail cert_expired', 'one that has ended');
	sql('ALTER SYSTEM RESET ssl_cert_file');
	truncate $node->data_dir . '/old.crt', 300;
	like($node->safe_psql('postgres', q{SELECT status || ' ' || phrase FROM toms.certificate_faults('old.crt')}), qr/^fail cert_unreadable$/, 'one that is broken off');
	certificate('-newkey rsa:3072 -sha256 -days 100');
	$node->reload;
}

# pg_hba.conf
hba($good_hba);
passes('tls', 'tls_line|hba', 'each line for other machines is hostssl');
passes('authentication', 'auth_line|hba', 'each line asks for SCRAM or the operating system');
hba("$good_hba\nhost all app,\"on call\" 10.0.0.0/8 scram-sha-256\n");
fails('tls', 'tls_line: Line 6 of .*pg_hba\.conf lets unencrypted connections in: "host all app,"on call" 10\.0\.0\.0 255\.0\.0\.0 scram-sha-256"', 'a line that is not hostssl is named');
write_hba('tls', 'tls_line');
passes('tls', 'tls_line|hba', 'it becomes what the remedy says');
like(slurp_file($node->data_dir . '/pg_hba.conf'), qr/^hostssl all app,"on call" 10\.0\.0\.0 255\.0\.0\.0 scram-sha-256$/m, 'which is the same but for that');
hba("host all all 127.0.0.1/0 scram-sha-256\n$good_hba");
fails('tls', 'tls_line: Line 1 ', 'also one of all addresses that begins with loopback');
for my $method (qw(trust password md5))
{
	hba("$good_hba\nlocal all app $method\n");
	fails('authentication', "auth_line: Line 6 of .*pg_hba\\.conf lets in by the method $method: \"local all app $method\"", "$method is named");
	fails('idle_sessions', 'auth_line', "$method is no key");
	write_hba('authentication', 'auth_line');
	passes('authentication', 'auth_line|hba', "it becomes what the remedy says");
}
hba("$good_hba\nhostssl all app all ldap ldapserver=ldap.example ldapprefix=cn=\n");
like(probe('authentication'), qr/^partial auth_other: .*ldap/m, 'what cannot be looked into is named');
hba("$good_hba\nhostssl all app nonsense/line scram\n");
fails('authentication', 'hba_error: Line 6 of .*cannot be read', 'so is a line that cannot be read');
unlink $node->data_dir . '/pg_hba.conf';
append_to_file($node->data_dir . '/pg_hba.conf', $good_hba);
utime time + 100, time + 100, $node->data_dir . '/pg_hba.conf';
like(probe('authentication'), qr/^partial hba_unloaded/m, 'a file that is not loaded yet is told');
utime time - 100, time - 100, $node->data_dir . '/pg_hba.conf';
mend('authentication', 'hba_unloaded');
passes('authentication', 'auth_line|hba', 'it is loaded');

# A second factor of administrators
SKIP:
{
	skip 'no TLS, no certificates of clients', 3 unless $node->safe_psql('postgres', 'SHOW ssl') eq 'on';
	my $said = probe('second_factor');
	like($said, qr/^partial mfa_hba: Line 2 of pg_hba\.conf lets administrators in from afar without a client certificate \(hostssl all all 0\.0\.0\.0 0\.0\.0\.0 scram-sha-256\)/m, 'an administrator from afar needs his password alone');
	my $authority = $node->safe_psql('postgres', q{SELECT split_part(replace(remedy, '…', 'server.crt'), '-- in ', 1) FROM toms.run_probe('second_factor') WHERE phrase = 'mfa_hba'});
	$node->safe_psql('postgres', "$authority\nSELECT pg_reload_conf()");
	usleep(500_000);
	write_hba('second_factor', 'mfa_hba');
	passes('second_factor', 'mfa_hba', 'it becomes what the remedy says: a certificate too');
	sql('ALTER SYSTEM RESET ssl_ca_file');
}
hba($good_hba);
passes('authentication', 'auth_line|hba', 'all is well again');

# A session over an unencrypted connection, now
SKIP:
{
	skip 'this machine has no address but loopback', 3 unless $address;
	sql('CREATE ROLE app LOGIN');
	hba("host all app $address/32 trust\n$good_hba");
	my $client = IPC::Run::start([ 'psql', '-XAt', '-d', "host=$address port=" . $node->port . ' user=app dbname=postgres sslmode=disable', '-c', 'SELECT pg_sleep(100)' ], '<', \undef, '>&', \my $output);
	$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'app' AND query ~ 'sleep')}) or BAIL_OUT('no session');
	hba($good_hba);
	fails('tls', 'tls_session: Unencrypted connections of log-in "app" from other machines now: 1', 'a session that came in before');
	mend('tls', 'tls_session');
	passes('tls', 'tls_session', 'it is ended');
	$client->finish;
}

# Settings of the server
fails('resilience', 'resilience_off: fsync is off', 'without fsync');
fails('erasure_means', 'erasure_no_vacuum', 'without autovacuum what is deleted stays in its file');
mend('erasure_means', 'erasure_no_vacuum');
passes('erasure_means', 'erasure_no_vacuum', 'it is on, whatever postgresql.conf says');
mend('resilience', 'resilience_off');
passes('resilience', 'resilience', 'fsync is on');
SKIP:
{
	skip 'pages have checksums', 2 if $node->safe_psql('postgres', 'SHOW data_checksums') eq 'on';
	fails('resilience', 'checksums_off', 'without checksums');
	my ($command) = $node->safe_psql('postgres', q{SELECT remedy FROM toms.run_probe('resilience') WHERE phrase = 'checksums_off'}) =~ /^-- with the server stopped: (pg_checksums .*)$/;
	$node->stop;
	system_or_bail(split ' ', $command);
	$node->start;
	passes('resilience', 'checksums', 'with checksums');
}
passes('resilience', 'worker', 'the worker is alive');
# Room for two of three: the one that deletes comes when there is something to delete
sql(q{SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.adopt_agreement('acme', 'DPA', '1', now(), '{}'), toms.end_tenant('acme', ends_at => now() + interval '10 days', notified_at => now(), basis => 'agreement')});
sql(q{ALTER SYSTEM SET max_worker_processes = 3});
sql(q{ALTER SYSTEM SET toms.retention_interval = '1s'});
fails('authentication', 'auth_no_checker', 'nothing checks new passwords');
sql('ALTER SYSTEM SET shared_preload_libraries = toms, passwordcheck');
$node->restart;
like(probe('authentication'), qr/^pass auth_checker: .*passwordcheck/m, 'a module does, after a restart');
$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM toms.run_probe('resilience') WHERE phrase = 'retention_still')});
fails('resilience', 'retention_still', 'nothing deletes');
fails('tenant_end', 'retention_still', 'what is promised of contracts that end is not kept');
mend('tenant_end', 'retention_still');
$node->restart;
$node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM toms.run_probe('resilience') WHERE phrase = 'retention_still')});
passes('tenant_end', 'retention_still', 'with room it comes');
sql(q{SELECT toms.cancel_end_tenant('acme', reason => 'they stay')});
sql(q{ALTER SYSTEM RESET toms.retention_interval});
sql('ALTER SYSTEM SET max_worker_processes = 1');
$node->restart;
fails('resilience', 'worker_gone: .*max_worker_processes is 1', 'no room for workers');
fails('detection', 'worker_gone', 'and nothing is detected');
fails('trail_integrity', 'worker_gone', 'nothing is sealed');
fails('exports', 'writer_gone', 'and nothing is written');
mend('resilience', 'worker_gone');
$node->restart;
$node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM toms.run_probe('resilience') WHERE phrase = 'worker_gone')});
$node->poll_query_until('postgres', q{SELECT writer_pid IS NOT NULL FROM toms.audit_queue}) or BAIL_OUT('no writer');
passes('resilience', 'worker|writer', 'with room they come');
# One that is stuck comes again: two of its intervals are not waited for, a view tells of them
my $stuck = $node->safe_psql('postgres', q{
	BEGIN;
	ALTER VIEW toms.workers RENAME TO workers_away;
	CREATE VIEW toms.workers AS SELECT current_database() AS database, 17 AS pid, now() - interval '4 days' AS started_at, now() - 2.1 * current_setting('toms.seal_interval')::interval AS last_step_at;
	SELECT remedy FROM toms.run_probe('resilience') WHERE phrase = 'worker_stuck';
	ROLLBACK});
my $started = $node->safe_psql('postgres', 'SELECT started_at FROM toms.workers');
is($node->safe_psql('postgres', $stuck), 't', 'a worker that is stuck is ended');
ok($node->poll_query_until('postgres', "SELECT pid IS NOT NULL AND started_at > '$started' FROM toms.workers"), 'and another one comes');

# Archiving
fails('backups', 'archive_off', 'WAL is not archived');
mend('backups', 'archive_off');
$node->restart;
fails('backups', 'archive_no_means', 'no command that does it');
sql("ALTER SYSTEM SET archive_command = 'cp %p $archive/%f'");
$node->reload;
usleep(500_000);
fails('backups', 'archive_never', 'nothing was archived yet');
sql('CREATE TABLE first ()');
mend('backups', 'archive_never');
$node->poll_query_until('postgres', 'SELECT archived_count > 0 FROM pg_stat_archiver') or BAIL_OUT('archives nothing');
passes('backups', 'archive_never', 'the first file is there');
sql(q{ALTER SYSTEM SET archive_command = 'false'});
$node->reload;
sql('CREATE TABLE written (); SELECT pg_switch_wal()');
$node->poll_query_until('postgres', 'SELECT failed_count > 0 FROM pg_stat_archiver') or BAIL_OUT('archives');
fails('backups', 'archive_fails: .*[0-9A-F]{24} at ', 'one that fails');
my $mended = $node->safe_psql('postgres', q{SELECT remedy FROM toms.run_probe('backups') WHERE phrase = 'archive_fails'});
$mended =~ s/= '…'/= 'cp %p $archive\/%f'/;
$node->safe_psql('postgres', $mended);
$node->poll_query_until('postgres', 'SELECT last_archived_time > last_failed_time FROM pg_stat_archiver') or BAIL_OUT('does not archive');
like(probe('backups'), qr/^partial archive_open/m, 'one that works, but without a limit of time');
mend('backups', 'archive_open');
like(probe('backups'), qr/^pass archive_fresh: .*after 5min/m, 'archiving is fresh');
my $ready = $node->data_dir . '/pg_wal/archive_status/0000000100000000000000FF.ready';
append_to_file($ready, '');
utime time - 7200, time - 7200, $ready;
fails('backups', 'archive_behind: .*0000000100000000000000FF', 'a file that waits is named');
unlink $ready;

# A standby
fails('standby', 'standby_none', 'no standby');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
chmod 0600, $standby->data_dir . '/server.key';
$standby->start;
$node->wait_for_catchup($standby, 'replay');
passes('standby', 'standby', 'one streams');
like(probe('standby'), qr/^pass standby_streams: Standby "standby" streams/m, 'it is named');
like(probe('standby', $standby), qr/^pass standby_receives/m, 'asked itself, it says that it follows');
unlike(join("\n", map { probe($_, $standby) } qw(tls authentication idle_sessions transport_encryption backups backup_tiers restore_tests resilience software leavers detection export_review access_review reviews)),
	qr/probe_failed/, 'each probe can be asked on a standby');
# Replay that is paused: the standby says so itself, the primary once it is a gigabyte behind
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$standby->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'}) or BAIL_OUT('does not pause');
like(probe('standby', $standby), qr/^fail standby_paused/m, 'a standby that takes nothing over');
sql(q{ALTER SYSTEM SET archive_command = 'true'; SELECT pg_reload_conf()});
sql('CREATE TABLE switched (n integer)');
sql('INSERT INTO switched VALUES (1); SELECT pg_switch_wal()') for 1 .. 66;
$node->wait_for_catchup($standby, 'flush');
fails('standby', 'standby_behind: .*', 'the primary sees how far it is behind');
like($node->safe_psql('postgres', q{SELECT remedy FROM toms.run_probe('standby') WHERE phrase = 'standby_behind'}), qr/^-- on standby standby,.*\n-- SELECT pg_wal_replay_resume\(\);$/, 'and says what to run there');
$standby->safe_psql('postgres', $standby->safe_psql('postgres', q{SELECT remedy FROM toms.run_probe('standby') WHERE phrase = 'standby_paused'}));
$node->wait_for_catchup($standby, 'replay');
passes('standby', 'standby', 'it has taken over all of it');
unlike(probe('standby', $standby), qr/^fail/m, 'and says so itself');
# One that was told another primary
$standby->safe_psql('postgres', q{ALTER SYSTEM SET primary_conninfo = 'host=/nowhere'; SELECT pg_reload_conf()});
$standby->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_wal_receiver WHERE status = 'streaming'});
my $deaf = $standby->safe_psql('postgres', q{SELECT remedy FROM toms.run_probe('standby') WHERE phrase = 'standby_deaf'});
my $primary = $node->connstr . ' application_name=standby';
$primary =~ s/'/''/g;
$deaf =~ s/…/$primary/;
$standby->safe_psql('postgres', $deaf);
ok($standby->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM toms.run_probe('standby') WHERE status = 'fail')}), 'with the right one it follows again');
$node->stop;
$standby->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_wal_receiver');
like(probe('standby', $standby), qr/^fail standby_deaf/m, 'or that nobody is there');
$standby->stop;
$node->start;
fails('standby', 'standby_none', 'without it again');

# Transaction ids that run out: the server is made to have used up a billion, with nothing that would freeze by itself
sql('ALTER SYSTEM RESET autovacuum');
$node->append_conf('postgresql.conf', "autovacuum_freeze_max_age = 2000000000\nautovacuum = off\n");
$node->stop;
my $page = $node->data_dir . sprintf '/pg_xact/%04X', 1100;
append_to_file($page, "\0" x 262144);
system_or_bail('pg_resetwal', '--next-transaction-id', 1100 * 1048576, '--pgdata', $node->data_dir);
$node->start;
my $used = $node->safe_psql('postgres', q{SELECT string_agg(args[1], ' ' ORDER BY args[1]) FROM toms.run_probe('resilience') WHERE phrase = 'ids_used'});
is($used, 'postgres template0 template1', 'each database whose ids run out is named');
for my $database (split ' ', $used)
{
	my ($before, $within, $after) = $node->safe_psql('postgres', "SELECT remedy FROM toms.run_probe('resilience') WHERE phrase = 'ids_used' AND args[1] = '$database'") =~ /^(.*?)-- in database $database\n([^\n]*)(.*)$/s;
	$node->safe_psql('postgres', $before);
	$node->safe_psql($database, $within);
	$node->safe_psql('postgres', $after);
}
like(probe('resilience'), qr/^pass ids_free/m, 'frozen as advised, they are free again');
passes('resilience', 'ids', 'in each database');
is($node->safe_psql('postgres', q{SELECT string_agg(datname, ' ') FROM pg_database WHERE NOT datallowconn}), 'template0', 'and who could not connect cannot');

$node->stop;
done_testing();
