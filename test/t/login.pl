# Who logs in: what the trail holds of it, and who is locked out after failed attempts.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IO::Select;
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use TomsTest qw(find_program);

my $node = PostgreSQL::Test::Cluster->new('login');
my $port = $node->port;
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', <<'CONF');
listen_addresses = '127.0.0.1'
password_encryption = 'scram-sha-256'
toms.audit_logins = all
toms.login_attempts = 3
toms.login_window = 1h
max_connections = 60
CONF
sub hba
{
	my (@lines) = @_;
	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf('pg_hba.conf', join "\n", 'local all,replication all trust', @lines, 'host all all 127.0.0.0/8 scram-sha-256', '');
	return;
}
hba();
my @openssl = (qw(openssl req -new -x509 -days 2 -nodes -subj /CN=localhost -newkey rsa:2048 -keyout),
	$node->data_dir . '/server.key', '-out', $node->data_dir . '/server.crt');
my $output;
my $has_tls = eval { IPC::Run::run(\@openssl, '<', \undef, '>&', \$output) };
chmod 0600, $node->data_dir . '/server.key';
$node->append_conf('postgresql.conf', 'ssl = on') if $has_tls;
$node->start;

sub sql { return $node->safe_psql('app', $_[0]); }

$node->safe_psql('postgres', <<'SQL');
CREATE DATABASE app;
CREATE DATABASE plain;
CREATE ROLE anna LOGIN PASSWORD 'right';
CREATE ROLE bert LOGIN PASSWORD 'right';
CREATE ROLE pooler LOGIN PASSWORD 'right';
CREATE ROLE closed PASSWORD 'right';
CREATE ROLE officer LOGIN;
CREATE ROLE operator LOGIN;
CREATE ROLE stranger LOGIN;
REVOKE CONNECT ON DATABASE plain FROM PUBLIC;
SQL
sql(<<'SQL');
CREATE EXTENSION toms;
SELECT toms.grant_officer('officer', 'admin'), toms.grant_officer('operator', 'operator');
CREATE VIEW public.session AS
    SELECT e.id, toms.audit_kind(e.kind, e.verb) AS kind, convert_from(e.payload, 'UTF8')::jsonb AS details, convert_from(coalesce(w.payload, e.payload), 'UTF8')::jsonb AS who
    FROM toms.audit_entry e LEFT JOIN toms.audit_entry w ON w.kind = 'w' AND w.id = e.who
    WHERE e.kind = 's';
SQL
# The trail begins with its first entry, which is no log-in's.
$node->psql('app', q{SELECT toms.refuse('toms_enter_not_allowed', 'a test', 'none')});
$node->poll_query_until('app', q{SELECT count(*) > 0 FROM toms.audit_use}) or BAIL_OUT('the trail is not in use');

# A second address: connections to this port come to the server from 127.0.0.2.
my $relay = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', Proto => 'tcp') or die "relay: $!";
my $relay_port = $relay->sockport;
my $relayed = PostgreSQL::Test::Utils::tempdir() . '/relayed';      # what the server has said
my $relay_pid = fork // die "fork: $!";
if ($relay_pid == 0)
{
	my %other;
	my $select = IO::Select->new($relay);
	while (my @ready = $select->can_read)
	{
		for my $socket (@ready)
		{
			if ($socket == $relay)
			{
				my $client = $relay->accept or next;
				my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, LocalAddr => '127.0.0.2', Proto => 'tcp');
				if (!$server) { close $client; next; }
				@other{ $client, $server } = ($server, $client);
				$select->add($client, $server);
				next;
			}
			my $target = delete $other{$socket} // next;
			if (sysread $socket, my $bytes, 65536)
			{
				$other{$socket} = $target;
				append_to_file($relayed, $bytes) if $socket->peerport == $port;
				syswrite $target, $bytes;
				next;
			}
			delete $other{$target};
			$select->remove($socket, $target);
			close $_ for $socket, $target;
		}
	}
	POSIX::_exit(0);
}
close $relay;

END
{
	local $?;
	kill 'KILL', $relay_pid if $relay_pid;
}

# Tries to log in; "in", or what the client is told.
sub attempt
{
	my ($user, $password, %how) = @_;
	local $ENV{PGPASSWORD} = $password;
	my $host = $how{socket} ? $node->host : '127.0.0.1';
	my $to = $how{elsewhere} ? $relay_port : $port;
	my ($out, $err) = ('', '');
	my $tls = $how{tls} // 'disable';
	my $database = $how{database} // 'app';
	my @command = ('psql', '-XAt', '-c', $how{statement} // q{SELECT 'in'}, "host=$host port=$to user='$user' dbname=$database sslmode=$tls gssencmode=disable");
	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	chomp $out;
	my (@said) = $err =~ /(?:FATAL|ERROR):  (.*)/g;
	return @said ? join('; ', @said) : $out;
}
my $locked_out = 'too many failed log-ins of this user from this address';
my $wrong = qr/^password authentication failed for user "\w+"$/;

# What the trail holds, when it does.
sub holds
{
	my ($condition, $count, $what) = @_;
	my $query = "SELECT count(*) FROM public.session WHERE $condition";
	for (1 .. 100)
	{
		last if sql($query) >= $count;
		usleep(100_000);
	}
	return is(sql($query), $count, "in the trail: $what")
	  || diag(sql(q{SELECT string_agg(format('%s %s %s', kind, who, details), E'\n' ORDER BY id) FROM public.session WHERE who ->> 'address' <> 'local'}));
}
sub of
{
	my ($kind, $user, $more) = @_;
	return "kind = '$kind' AND who ->> 'login' = '$user'" . ($more ? " AND $more" : '');
}
sub set
{
	my ($name, $value) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET $name = $value");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT setting <> '-' FROM pg_settings WHERE name = '$name' AND NOT pending_restart") or BAIL_OUT('no reload');
	usleep(200_000);
	return;
}
sub locks { return sql(q{SELECT coalesce(string_agg(coalesce(login, 'hash') || ' ' || abbrev(address), ', ' ORDER BY login, address), 'none') FROM toms.locked_logins}); }

# log-ins and log-outs

is(attempt('anna', 'right'), 'in', 'who has the password gets in');
holds(of('login', 'anna', q{who ->> 'address' = '127.0.0.1' AND who ->> 'database' = 'app' AND who ->> 'method' = 'scram-sha-256' AND who ->> 'tls' = 'none' AND details ->> 'outcome' = 'authenticated'}),
	1, 'a log-in with address, database, method, no TLS');
holds(of('logout', 'anna', q{(details ->> 'microseconds')::bigint BETWEEN 1 AND 60000000 AND who ->> 'address' = '127.0.0.1'}), 1, 'its log-out, with its duration');
is(sql(q{SELECT (SELECT id FROM public.session WHERE kind = 'login' AND who ->> 'login' = 'anna') < (SELECT id FROM public.session WHERE kind = 'logout' AND who ->> 'login' = 'anna')}), 't', 'in this order');
SKIP:
{
	skip 'openssl makes no certificate', 2 unless $has_tls;
	is(attempt('anna', 'right', tls => 'require'), 'in', 'with TLS');
	holds(of('login', 'anna', q{who ->> 'tls' LIKE 'TLSv1%'}), 1, 'the version of TLS');
}
my $before = sql('SELECT max(id) FROM public.session');
attempt('anna', 'right', statement => 'SELECT pg_sleep(0.1); SELECT pg_terminate_backend(pg_backend_pid())');
holds(of('logout', 'anna', "id > $before AND who ->> 'tls' = 'none' AND (details ->> 'microseconds')::bigint >= 100000"), 1, 'the log-out of a session that was terminated');
is(attempt('anna', 'right', database => 'plain'), 'permission denied for database "plain"', 'right password, no privilege on the database');
holds(of('login', 'anna', q{who ->> 'database' = 'plain'}), 1, 'it logged in: PostgreSQL asks for the privilege afterwards');
holds(of('logout', 'anna', q{who ->> 'database' = 'plain'}), 1, '... and out');
is(attempt('anna', 'right', database => 'nowhere'), 'database "nowhere" does not exist', 'a database that does not exist');
holds(of('login', 'anna', q{who ->> 'database' = 'nowhere'}), 1, 'in the trail that there is');
is(attempt('bert', 'right', socket => 1), 'in', 'by a Unix socket');
holds(of('login', 'bert', q{who ->> 'address' = 'local' AND who ->> 'method' = 'trust'}), 1, 'address local');

# failures

like(attempt('anna', 'wrong'), $wrong, 'a wrong password');
holds(of('failed_login', 'anna', q{details ->> 'outcome' = 'failed' AND details ->> 'failures' = '1' AND NOT details ? 'locked_seconds'}), 1, 'a failed log-in');
is(attempt('anna', 'right'), 'in', 'a failure does not lock out');
like(attempt('closed', 'right'), qr/is not permitted to log in/, 'a role without LOGIN');
holds(of('failed_login', 'closed', q{details ->> 'outcome' = 'role is not permitted to log in'}), 1, 'that it may not');

my $typo = 'S3cret-typed-as-name';
like(attempt($typo, 'x'), qr/^password authentication failed/, 'a password as the name');
like(attempt($typo, 'x'), qr/^password authentication failed/, '... twice');
holds(q{kind = 'failed_login' AND who ->> 'login_hash' ~ '^[0-9a-f]{32}$' AND NOT who ? 'login' AND details ->> 'outcome' = 'no such role'}, 2, 'the hash of the name');
is(sql(q{SELECT count(DISTINCT who ->> 'login_hash') FROM public.session WHERE kind = 'failed_login'}), '1', 'the same hash for the same name');
is(sql(qq{SELECT count(*) FROM toms.audit_entry WHERE position('$typo'::bytea IN payload) > 0}), '0', 'nowhere the name');

# who does not try to log in

my $before = sql(q{SELECT count(*) FROM public.session WHERE kind LIKE 'failed%' OR kind LIKE 'locked%'});
sub raw
{
	my (@bytes) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp') or die "socket: $!";
	for my $part (@bytes)
	{
		syswrite $socket, $part;
		sysread $socket, my $answer, 1000;
	}
	close $socket;
	return;
}
my $startup = pack('N', 196608) . "user\0bert\0database\0app\0\0";
for (1 .. 4)
{
	raw(pack('N', 4 + length $startup) . $startup);        # hangs up when it is asked for the password
	raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	raw("\x16\x03\x01" . "\0" x 200);
}
is(attempt('bert', 'right'), 'in', 'hanging up at the prompt locks nobody out');
holds(of('login', 'bert', q{who ->> 'address' = '127.0.0.1'}), 1, 'who came after it');
is(sql(q{SELECT count(*) FROM public.session WHERE kind LIKE 'failed%' OR kind LIKE 'locked%'}), $before, 'in the trail: nothing of who hung up, nor of scanners');
is(locks(), 'none', 'nobody is locked out');

# one attempt of a client that tries with and without TLS

SKIP:
{
	skip 'openssl makes no certificate', 6 unless $has_tls;
	for (1 .. 2)
	{
		like(attempt('bert', 'wrong', tls => 'prefer'), qr/^password authentication failed .*; password authentication failed/, 'a client tries with TLS, and without');
	}
	is(locks(), 'none', 'four failures are two attempts');
	holds(of('failed_login', 'bert', q{who ->> 'tls' = 'none' AND details ->> 'retry' = 'without TLS'}), 2, 'the second tries of each');
	is(attempt('bert', 'right'), 'in', 'who had two of three');
	usleep(2_100_000);
	like(attempt('bert', 'wrong'), $wrong, 'without TLS alone is counted');
	holds(of('failed_login', 'bert', q{NOT details ? 'retry' AND who ->> 'tls' = 'none' AND details ->> 'failures' = '1'}), 1, '... as a first one');
	attempt('bert', 'right');
}

# lock-out

like(attempt('anna', 'wrong', elsewhere => 1), $wrong, "failure $_ from another address") for 1 .. 3;
is(attempt('anna', 'wrong', elsewhere => 1), $locked_out, 'locked out');
is(attempt('anna', 'right', elsewhere => 1), $locked_out, 'also with the right password: nothing tells them apart');
is(attempt('anna', 'right'), 'in', 'anna herself gets in from where she is');

# SCRAM's last message tells the client that his password was right
my $signed = qr/R....\0\0\0\x0cv=/s;
my @scram = map { unlink $relayed; attempt(@$_, elsewhere => 1); slurp_file($relayed) } [ 'bert', 'right' ], [ 'anna', 'wrong' ], [ 'anna', 'right' ];
like($scram[0], $signed, 'the server signs what it says to who gets in');
unlike($scram[1], $signed, 'not to a locked-out client whose password is wrong');
unlike($scram[2], $signed, '... nor to one whose password is right');
is(length $scram[1], length $scram[2], 'both are told as much');
is(attempt('bert', 'right', elsewhere => 1), 'in', 'another user gets in from there');
is(attempt('anna', 'right', socket => 1), 'in', 'and anna on the machine itself');
is(locks(), 'anna 127.0.0.2', 'officers see who');
holds(of('failed_login', 'anna', q{details ->> 'failures' = '3' AND (details ->> 'locked_seconds')::integer = 3600}), 1, 'which failure locked him out, and how long');
holds(of('locked_login', 'anna', q{who ->> 'address' = '127.0.0.2' AND details ->> 'outcome' = 'failed'}), 2, 'that he was refused');
holds(of('locked_login', 'anna', q{details ->> 'outcome' = 'authenticated'}), 2, '... and that the password was right twice');
like(attempt($typo, 'x'), qr/^password authentication failed/, 'a name that nobody has');
is(attempt($typo, 'x'), $locked_out, '... is locked out like the others');
is(locks(), 'anna 127.0.0.2, hash 127.0.0.1', 'which tells nobody whether there is such a role');

# nobody is locked out by the socket, nor who is exempt
attempt('bert', 'wrong', socket => 1) for 1 .. 5;
set('toms.login_exempt', q{'pooler, "other one"'});
like(attempt('pooler', 'wrong'), $wrong, "failure $_ of an exempt role") for 1 .. 5;
is(attempt('pooler', 'right'), 'in', 'it gets in');
holds(of('failed_login', 'pooler', q{NOT details ? 'failures'}), 5, 'all of its failures, which are not counted');

# a restart, also a crash

$node->restart;
is(attempt('anna', 'right', elsewhere => 1), $locked_out, 'locked out after a restart') if $node->poll_query_until('app', q{SELECT count(*) = 1 FROM toms.locked_logins});
is(locks(), 'anna 127.0.0.2', 'names that nobody has are forgotten');
$node->stop('immediate');
$node->start;
ok($node->poll_query_until('app', q{SELECT count(*) = 1 FROM toms.locked_logins}), 'after a crash');
is(attempt('anna', 'right', elsewhere => 1), $locked_out, 'locked out still');
is(attempt('anna', 'right'), 'in', 'from there alone');

# officers end it

is(attempt('stranger', 'x', socket => 1, statement => q{SELECT toms.unlock_login('anna')}), 'permission denied for function unlock_login', 'a stranger does not');
is(attempt('operator', 'x', socket => 1, statement => q{SELECT toms.unlock_login('anna', '127.0.0.1')}), '0', 'at another address there is no lock');
is(attempt('operator', 'x', socket => 1, statement => q{SELECT toms.unlock_login('anna', '127.0.0.2')}), '1', 'an operator ends it');
is(attempt('anna', 'right', elsewhere => 1), 'in', 'in again');
holds(of('unlock_login', 'operator', q{details ->> 'login' = 'anna' AND details ->> 'address' = '127.0.0.2'}), 1, 'who ended it');
$node->restart;
attempt('anna', 'right');
holds(of('login', 'anna', q{details ->> 'outcome' = 'authenticated'}) . q{ AND id = (SELECT max(id) FROM public.session WHERE kind = 'login' AND who ->> 'login' = 'anna')}, 1, 'a log-in after the restart');
is(locks(), 'none', 'what was unlocked stays so after a restart');

# it ends by itself

set('toms.login_window', q{'10s'});
attempt('anna', 'wrong') for 1 .. 3;
is(attempt('anna', 'right'), $locked_out, 'locked out for ten seconds');
usleep(6_000_000);
is(attempt('anna', 'wrong'), $locked_out, 'whatever comes meanwhile');
usleep(4_500_000);
is(attempt('anna', 'right'), 'in', '... does not prolong it');
is(sql(q{SELECT count(*) FROM toms.login_lock WHERE until > now()}), '0', 'nothing is left of it');
set('toms.login_attempts', 0);
attempt('anna', 'wrong') for 1 .. 5;
is(attempt('anna', 'right'), 'in', '0 attempts: nobody is ever locked out');

# more counts than there is room for: made-up names displace nothing that protects a role

set('toms.login_attempts', 3);
set('toms.login_window', q{'1h'});
sql(q{SELECT count(toms.begin_login_lock('role' || i, '192.0.2.1', 3, now(), now() + interval '1 hour')) FROM generate_series(1, 2048) i});
attempt($typo, 'x') for 1 .. 5;
is(sql(q{SELECT count(*) || ' ' || count(login) FROM toms.locked_logins}), '2048 2048', 'made-up names find no room');
is(sql('SELECT forgotten FROM toms.login_state()'), '5', '... which is counted');
attempt('anna', 'wrong') for 1 .. 3;
is(attempt('anna', 'right'), $locked_out, 'a role takes the place of the oldest');
is(sql(q{SELECT count(*) FROM toms.locked_logins}), '2048', 'there are as many');
$node->poll_query_until('app', q{SELECT count(*) = 2048 FROM toms.login_lock}) or diag('not written');
is(sql(q{SELECT count(*) FROM (SELECT login, address, until FROM toms.locked_logins EXCEPT SELECT login, address, until FROM toms.login_lock) d}), '0', 'what is kept for a restart is what is in force');
sql(q{SELECT sum(toms.unlock_login(login::name)) FROM toms.locked_logins});
is(locks(), 'none', 'all are unlocked');
set('toms.login_attempts', 0);

# log-ins that belong to one person

my $one = IPC::Run::start([ 'psql', '-XAt', '-d', "host=127.0.0.1 port=$port user=anna password=right dbname=app sslmode=disable", '-c', 'SELECT pg_sleep(600)' ], '<', \undef, '>&', \my $said);
$node->poll_query_until('app', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'anna' AND state = 'active'}) or BAIL_OUT('no session');
is(attempt('anna', 'right', elsewhere => 1), 'in', 'a second session from another address');
holds(of('login', 'anna', q{details ->> 'elsewhere' = '127.0.0.1' AND NOT details ? 'finding'}), 1, 'that there are two; nothing says that it is one person');
is(attempt('officer', 'x', socket => 1, statement => q{SELECT toms.mark_login('anna', owner => 'Anna Smith')}), '', 'an officer says so');
is(attempt('anna', 'right', elsewhere => 1), 'in', 'again');
holds(of('login', 'anna', q{details ->> 'finding' = 'shared_login' AND details ->> 'elsewhere' = '127.0.0.1' AND who ->> 'address' = '127.0.0.2'}), 1, 'a finding');
is(attempt('anna', 'right'), 'in', 'a second session from the same address');
is(attempt('anna', 'right', socket => 1), 'in', 'or on the same machine');
attempt('bert', 'right', statement => q{SELECT 'barrier'});
holds(q{details ? 'finding'}, 1, 'no finding');
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'anna'});
$one->finish;
$node->poll_query_until('app', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'anna'});
is(attempt('anna', 'right', elsewhere => 1), 'in', 'one after the other');
attempt('bert', 'right', statement => q{SELECT 'barrier'});
usleep(500_000);
holds(q{details ? 'finding'}, 1, 'is no finding');

# more than there is room for, while no writer takes them

my @writers = split /\n/, sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'toms %' AND datname = 'app'});
kill 'STOP', @writers;
{
	my ($out, $err) = ('', '');
	my @bench = ('pgbench', '-n', '-C', '-c', '4', '-t', '150', '-f', '-', '-h', $node->host, '-p', $port, '-U', 'bert', 'app');
	IPC::Run::run(\@bench, '<', \'SELECT 1;', '>', \$out, '2>', \$err, IPC::Run::timeout(120));
	like($out, qr{actually processed: 600/600}, 'without a writer log-ins go on') or diag($err);
	like(attempt('bert', 'wrong'), $wrong, '... and failures');
	like(sql('SELECT waiting, lost > 150 FROM toms.login_state()'), qr/^1024\|t$/, 'what found no room is counted');
	like(sql(q{SELECT status, toms.say(phrase, args, 'en') FROM toms.run_probe('audit_sessions') WHERE phrase = 'audit_sessions_lost'}), qr/^partial\|\d+ log-ins found no room/, '... and the check tells of it');
}
kill 'CONT', @writers;
holds(q{kind = 'lost_events' AND (details ->> 'lost')::integer > 150}, 1, 'how many log-ins are not in it');
like(sql('SELECT waiting < 100, lost FROM toms.login_state()'), qr/^t\|0$/, 'nothing is left');
is(sql(q{SELECT count(*) FROM toms.run_probe('audit_sessions') WHERE phrase = 'audit_sessions_lost'}), '0', 'nor does the check tell of any');
my $last = sql('SELECT max(id) FROM public.session');

# only failures, or nothing

set('toms.login_attempts', 3);
set('toms.audit_logins', 'failed');
$before = sql(q{SELECT count(*) FROM public.session});
attempt('bert', 'right');
attempt('bert', 'wrong');
holds("id > $last AND " . of('failed_login', 'bert'), 1, 'a failure, with audit_logins = failed');
is(sql("SELECT count(*) FROM public.session WHERE id > $last AND kind IN ('login', 'logout') AND who ->> 'login' = 'bert' AND who ->> 'address' <> 'local'"), '0', 'not who got in');
set('toms.audit_logins', 'none');
attempt('bert', 'wrong') for 1 .. 2;
is(attempt('bert', 'right'), $locked_out, 'with audit_logins = none they are counted still');
set('toms.audit_logins', q{'all'});

# a second trail: its log-ins are its own as soon as it is in use, by whatever

$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', 'CREATE EXTENSION toms');
$node->poll_query_until('second', q{SELECT count(*) > 0 FROM toms.audit_queue WHERE writer_pid IS NOT NULL}) or diag('no writer');
usleep(1_000_000);
is(attempt('bert', 'right', socket => 1, database => 'second'), 'in', 'a database whose trail is not in use');
holds("id > $last AND " . of('login', 'bert', q{who ->> 'database' = 'second'}), 1, 'what happens there is told in another');
$node->safe_psql('second', 'INSERT INTO toms.audit_use VALUES (now())');
$node->safe_psql('second', 'SELECT 1');
is(attempt('bert', 'right', socket => 1, database => 'second'), 'in', 'when it is');
my $theirs = q{SELECT count(*) = 1 FROM toms.audit_entry e WHERE e.kind = 's' AND e.verb = 'l' AND convert_from(e.payload, 'UTF8')::jsonb ->> 'login' = 'bert'};
ok($node->poll_query_until('second', $theirs), 'it has its own');
holds("id > $last AND " . of('login', 'bert', q{who ->> 'database' = 'second'}), 1, 'not twice');
sql(q{SELECT toms.unlock_login('bert')});
like(attempt('bert', 'wrong', database => 'second'), $wrong, "failure $_ there") for 1 .. 3;
is(attempt('bert', 'right'), $locked_out, 'locks are of the whole server');
$node->safe_psql('postgres', 'DROP DATABASE second');
sql(q{SELECT toms.unlock_login('bert')});

# through a pooler

SKIP:
{
	skip 'pgbouncer is not installed', 2 unless find_program('pgbouncer');
	my $dir = PostgreSQL::Test::Utils::tempdir_short();
	append_to_file("$dir/users", qq("pooler" "right"\n));
	append_to_file("$dir/pgbouncer.ini", <<"INI");
[databases]
app = host=127.0.0.1 port=$port dbname=app
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = $dir
auth_type = trust
auth_file = $dir/users
INI
	my $bouncer = IPC::Run::start([ find_program('pgbouncer'), "$dir/pgbouncer.ini" ], '<', \undef, '>&', \my $log);
	for (1 .. 100) { last if -S "$dir/.s.PGSQL.6432"; usleep(100_000); }
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'psql', '-XAt', '-c', q{SELECT 'in'}, "host=$dir port=6432 user=pooler dbname=app" ], '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	is($out, "in\n", 'through pgbouncer') or diag("$err $log");
	holds("id > $last AND " . of('login', 'pooler', q{who ->> 'address' = '127.0.0.1'}), 1, 'the address of the pooler');
	$bouncer->kill_kill;
}

# replication, and a standby

is(attempt('anna', 'right', elsewhere => 1), 'in', 'before the standby');
$node->backup('backup');
holds("id > $last AND kind = 'login' AND NOT who ? 'database'", 2, 'connections for replication');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'port = ' . $standby->port);
chmod 0600, $standby->data_dir . '/server.key';
$standby->start;
my $offset = -s $standby->logfile;
($port, my $primary_port) = ($standby->port, $port);
like(attempt('anna', 'wrong'), $wrong, "failure $_ on a standby") for 1 .. 3;
is(attempt('anna', 'right'), $locked_out, 'locked out there');
like(attempt($typo, 'x'), qr/^password authentication failed/, 'a name that nobody has');
my $log = slurp_file($standby->logfile, $offset);
like($log, qr/toms event: kind=s verb=f login=anna database=app address=127\.0\.0\.1 method=scram-sha-256 tls=none/, 'in the server log');
like($log, qr/toms event: kind=s verb=k login=anna/, '... who was refused');
like($log, qr/toms event: kind=s verb=f login_hash=[0-9a-f]{32} /, '... and the hash of the name');
unlike($log, qr/toms event.*\Q$typo\E/, '... not the name');
$port = $primary_port;
is(attempt('anna', 'right'), 'in', 'on the primary, which counts for itself');
$standby->stop;

# a clean shutdown takes the last log-outs into the trail, also of sessions of other databases

$one = IPC::Run::start([ 'psql', '-XAt', '-d', "host=127.0.0.1 port=$port user=anna password=right dbname=postgres sslmode=disable", '-c', 'SELECT pg_sleep(600)' ], '<', \undef, '>&', \$said);
$node->poll_query_until('app', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'anna' AND state = 'active'}) or BAIL_OUT('no session');
my $session = sql(q{SELECT pid FROM pg_stat_activity WHERE usename = 'anna'});
kill 'STOP', $session;      # it is the last to go
my $stopping = IPC::Run::start([ 'pg_ctl', '-w', '-m', 'fast', '-D', $node->data_dir, 'stop' ], '<', \undef, '>&', \$said);
usleep(2_000_000);
kill 'CONT', $session;
ok($stopping->finish, 'a fast shutdown');
$one->finish;
$node->_update_pid(0);
$node->start;
holds("id > $last AND " . of('logout', 'anna', q{(details ->> 'microseconds')::bigint > 2000000 AND who ->> 'database' = 'postgres'}), 1, 'the log-out of a session that a shutdown ended');

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|server process .* was terminated by signal/, 'nothing has crashed');
done_testing();
