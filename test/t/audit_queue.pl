# Events reach the trail whatever becomes of the writer: sessions wait for it no longer than
# toms.audit_timeout, and what they were told was recorded is there.  Eight of them read for
# TOMS_TEST_SECONDS, 6 by default.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = sealed_server('queue', keyring(), settings => "toms.session_context = on\ntoms.audit_queue_size = 64kB\nmax_worker_processes = 16\nmax_connections = 60\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');
$node->safe_psql('app', q{
	SET client_min_messages = warning;
	CREATE TABLE med.desk (id integer PRIMARY KEY, tenant text NOT NULL);
	INSERT INTO med.desk SELECT n, 'acme' FROM generate_series(1, 20) n;
	GRANT ALL ON med.desk TO hr;
	SELECT toms.protect('med.desk', tenant => 'tenant');
	SELECT toms.permit('hr', 'med.desk', '{select,insert,update,delete}', '{absence_management}', 'tenant')});

sub sql { return $node->safe_psql('app', $_[0]) }

sub set
{
	my ($name, $value) = @_;
	sql("ALTER SYSTEM SET $name = '$value'");
	sql('SELECT pg_reload_conf()');
	return usleep(100_000);
}

sub writer { return sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms writer' AND datname = 'app'}) }

# Entries of reads of a table, "rows" of them aside; and what is said by the writers.
sub reads
{
	my ($table) = @_;
	return sql(qq{SELECT count(*) FROM toms.audit_entry e JOIN toms.audit_entry o ON o.id = e.object AND o.kind = 'o'
		WHERE e.kind = 'r' AND e.verb = 's' AND CASE WHEN o.kind = 'o' THEN convert_from(o.payload, 'UTF8')::jsonb ->> 'relation' END = '$table'});
}

sub words { return sql(q{SELECT coalesce(string_agg(verb::text || ' ' || (convert_from(payload, 'UTF8')::jsonb - '{newest,delay}'::text[])::text, ', ' ORDER BY id), '')
	FROM toms.audit_entry WHERE kind = 'a' AND verb IN ('W', 'X')}) }

my $strict = 'SELECT count(*) FROM med.note';           # health data
my $asynchronous = 'SELECT count(*) FROM med.desk';

sub reader { return as_tenant($node, 'app', 'acme', $_[0]) }

# A session of the application that runs the SQL; returns when it has said "ready".
sub session
{
	my ($sql, $database) = @_;
	my $session = { in => "$sql\nSELECT 'ready';\n", out => '', err => '' };
	local $ENV{PGOPTIONS} = '-c toms.token=' . token('acme');
	$session->{run} = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-d', $database // 'app', '-U', 'app' ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err}, IPC::Run::timeout(180));
	$session->{run}->pump until $session->{out} =~ /ready/;
	return $session;
}

sub end
{
	my ($session) = @_;
	$session->{in} .= "\\q\n";
	eval { $session->{run}->finish };       # it may be gone already
	return $session->{err};
}

# Starts so many clients that repeat a statement; each transaction that pgbench counts was acknowledged.
sub clients
{
	my ($n, $sql, $seconds) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir() . '/script';
	append_to_file($script, "$sql;\n");
	my $clients = { out => '', err => '' };
	local $ENV{PGOPTIONS} = '-c toms.token=' . token('acme');
	$clients->{run} = IPC::Run::start([ 'pgbench', '-n', '-c', $n, '-j', 2, '-T', $seconds, '-f', $script, '-h', $node->host, '-p', $node->port, '-U', 'app', 'app' ],
		'>', \$clients->{out}, '2>', \$clients->{err}, IPC::Run::timeout(180 + $seconds));
	return $clients;
}

sub acknowledged
{
	my ($clients) = @_;
	eval { $clients->{run}->finish };
	return $clients->{out} =~ /number of transactions actually processed: (\d+)/ ? $1 : -1;
}

# Runs it, and says whether it took less than so many seconds.
sub within
{
	my ($seconds, $name, $run) = @_;
	my $begin = time;
	$run->();
	my $took = time - $begin;
	return ok($took < $seconds, "$name in less than $seconds s") || diag "$took s";
}

# The queue as its keepers see it.
ok($node->poll_query_until('app', 'SELECT count(*) = 1 AND bool_and(writer_pid IS NOT NULL) FROM toms.audit_queue'), 'the database has a queue and a writer');
is(reader($strict), '0', 'a strict read');
is(reads('med.note'), '1', 'is in the trail when the reader has his rows');
is(words(), 'W {"first": true}', 'the trail tells since when');
is(sql('SELECT size_bytes, used_bytes < size_bytes, events > 0, written_entries > 0, waits > 0, timeouts, lost_row_counts, last_commit_at > now() - interval \'1 minute\', delay_ms, timeout_ms FROM toms.audit_queue'),
	'65536|t|t|t|t|0|0|t|200|5000', 'what is told of the queue');
is(sql(q{SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname ~ '^(toms_a|toms_op|pg_mon)' AND has_table_privilege(oid, 'toms.audit_queue', 'SELECT')}),
	'pg_monitor,toms_admin,toms_auditor,toms_operator', 'to whom');
is(sql('SET ROLE pg_monitor; SELECT count(*) FROM toms.audit_queue'), '1', 'who can read it');
within(30, 'a reader of the trail sees what waits', sub { reader($asynchronous); sql('SELECT toms.seal_audit()'); is(reads('med.desk'), '1', 'a read of which nobody waits') });

# Two writers are ended under eight readers.
my $seconds = $ENV{TOMS_TEST_SECONDS} // 6;
my $before = reads('med.note');
my $clients = clients(8, $strict, $seconds);
my $pid = writer();
for (1 .. 2)
{
	usleep($seconds / 4 * 1_000_000);
	sql("SELECT pg_terminate_backend($pid)");
	ok($node->poll_query_until('app', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'toms writer' AND pid <> $pid}), 'another writer comes');
	$pid = writer();
}
my $acknowledged = acknowledged($clients);
is($clients->{err} =~ s/^pgbench \(.*\n//r, '', 'no reader notices');
cmp_ok($acknowledged, '>', 100, 'readers went on');
cmp_ok(reads('med.note') - $before, '>=', $acknowledged, 'all that was acknowledged is there');
is(words(), 'W {"first": true}', 'a writer that takes the place of another has lost nothing');

# Sessions and their last events when the server stops.
set('toms.audit_delay', '10s');
$before = reads('med.desk');
my $half = session("BEGIN; DECLARE half CURSOR FOR SELECT id FROM med.desk; FETCH 3 FROM half;");
within(60, 'a fast shutdown', sub { $node->stop('fast') });
end($half);
$node->start;
is(reads('med.desk'), $before + 1, 'the read of a session that the shutdown ended');
is(sql(q{SELECT max((convert_from(payload, 'UTF8')::jsonb ->> 'rows')::integer) FROM toms.audit_entry WHERE kind = 'r' AND convert_from(payload, 'UTF8')::jsonb ? 'rows'
	AND key IS NULL AND id > (SELECT max(id) FROM toms.audit_entry WHERE kind = 'r' AND verb = 's') - 1}), '3', 'with the rows it had got');
ok($node->poll_query_until('app', q{SELECT count(*) = 2 FROM toms.audit_entry WHERE kind = 'a' AND verb = 'W'}), 'the writer is back');
is(words(), 'W {"first": true}, X {}, W {"clean": true}', 'nothing was left');
within(60, 'another one, of a server without sessions', sub { $node->restart });
ok($node->poll_query_until('app', q{SELECT count(*) = 3 FROM toms.audit_entry WHERE kind = 'a' AND verb = 'W'}), 'the writer is back');
is(words() =~ s/.*?X/X/r, 'X {}, W {"clean": true}, X {}, W {"clean": true}', 'the same');

# Somebody holds what the writer needs.
set('toms.audit_timeout', '700ms');
set('toms.audit_delay', '200ms');
isnt($node->psql('app', 'BEGIN; LOCK TABLE toms.audit_read IN ACCESS EXCLUSIVE MODE', extra_params => [ '-U', 'app' ]), 0, 'the application may not lock the trail');
my $lock = { in => "BEGIN; LOCK TABLE toms.audit_read IN ACCESS EXCLUSIVE MODE; SELECT 'ready';\n", out => '', err => '' };
$lock->{run} = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-d', 'app' ], '<', \$lock->{in}, '>', \$lock->{out}, '2>', \$lock->{err}, IPC::Run::timeout(180));
$lock->{run}->pump until $lock->{out} =~ /ready/ || $lock->{err} =~ /ERROR/;
diag $lock->{err} if $lock->{err};
within(30, 'whoever must be recorded first does not wait for ever', sub {
	like(reader($strict), qr/the audit trail could not take it in\nDETAIL:  Its writer has not made it durable within 700 ms\./, 'he is refused') });
is(reader($asynchronous), '20', 'others go on');
$lock->{in} .= "COMMIT;\n\\q\n";
$lock->{run}->finish;
within(30, 'afterwards everything goes on', sub { is(reader($strict), '0', 'a strict read') until $node->psql('app', 'SELECT true') == 0 && reader($strict) eq '0' });
is(sql('SELECT timeouts > 0 FROM toms.audit_queue'), 't', 'it was counted');

# Somebody destroys keys of the tenant and does not commit: keys that are there go on being used.
my $instruction = sql(q{SELECT toms.record_instruction('acme', 'erase', 'ACME', 'forget 99', subject => '99')});
sql("SELECT toms.confirm_instruction($instruction)");
my $officer = { in => "BEGIN; SELECT toms.destroy_keys('acme', $instruction, subject => '99'); SELECT 'ready';\n", out => '', err => '' };
$officer->{run} = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-d', 'app' ], '<', \$officer->{in}, '>', \$officer->{out}, '2>', \$officer->{err}, IPC::Run::timeout(180));
$officer->{run}->pump until $officer->{out} =~ /ready/ || $officer->{err} =~ /ERROR/;
is($officer->{err}, '', 'an officer who destroys keys, and waits');
is(reader($strict), '0', 'holds up nobody who is read strictly');
is(reader("SET LOCAL application_name = 'afresh'; $strict"), '0', 'nor who is told of anew');
$officer->{in} .= "COMMIT;\n\\q\n";
$officer->{run}->finish;

# A writer that does nothing, and a queue that is full.
set('toms.audit_timeout', '1s');
sql('SELECT toms.seal_audit()');
$before = reads('med.desk') ;
$pid = writer();
kill 'STOP', $pid;
my ($taken, $refused) = (0, '');
for my $id (1 .. 400)
{
	my $said = reader("/* $id */ SET LOCAL application_name = 'reader $id'; SELECT count(*) FROM med.desk WHERE id <= 20");
	if ($said eq '20') { $taken++; next }
	$refused = $said;
	last;
}
like($refused, qr/the audit trail could not take it in\nDETAIL:  Its queue has had no room for 1000 ms\./, "after $taken reads there is no room");
is(sql('SELECT used_bytes > 40000 AND oldest_waiting_ms > 1000 FROM toms.audit_queue'), 't', 'which the queue tells');
kill 'CONT', $pid;
set('toms.audit_timeout', '5s');
sql('SELECT toms.seal_audit()');
is(reads('med.desk') - $before, $taken, 'nothing is lost that was acknowledged, nor is what was refused told of');

# Those who want the database to themselves, with events waiting.
sql(q{SELECT toms.seal_audit()});
set('toms.audit_delay', '10s');
reader($asynchronous) for 1 .. 3;
within(60, 'CREATE DATABASE from it', sub { $node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE app') });
is($node->safe_psql('copy', q{SELECT count(*) > 0 FROM toms.audit_entry WHERE kind = 'r'}), 't', 'with its trail');
as_tenant($node, 'copy', 'acme', $asynchronous);
within(60, 'DROP DATABASE with events waiting', sub { $node->safe_psql('postgres', 'DROP DATABASE copy') });
reader($asynchronous);
within(60, 'DROP EXTENSION with events waiting', sub {
	create_sealed($node, 'other');
	as_tenant($node, 'other', 'acme', $strict);
	$node->safe_psql('other', q{SET toms.reason = 'moved'; DROP SCHEMA med CASCADE; DROP EXTENSION toms CASCADE});
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'toms w%' AND datname = 'other'}) });
$node->safe_psql('postgres', 'DROP DATABASE other');
set('toms.audit_delay', '200ms');

# Who destroys keys waits for whoever seals with one, and holds nobody else up meanwhile.
my $open = session(q{BEGIN; INSERT INTO med.desk VALUES (99, 'acme');});
my $destroyer = { out => '' };
$destroyer->{run} = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-d', 'app', '-c', q{BEGIN; SELECT toms.lock_keys('acme', true); SELECT 'destroyed'} ],
	'>', \$destroyer->{out}, IPC::Run::timeout(180));
ok($node->poll_query_until('app', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%lock_keys%' AND wait_event = 'object' AND pid <> pg_backend_pid()}), 'one transaction holds up who destroys keys');
for (1 .. 3)
{
	within(30, 'a strict read of which the writer makes keys', sub { is(reader("SET LOCAL application_name = 'waits $_'; $strict"), '0', 'is recorded') });
}
$destroyer->{run}->pump_nb;
unlike($destroyer->{out}, qr/destroyed/, 'he waits still');
$open->{in} .= "ROLLBACK;\n";
end($open);
within(60, 'he has the keys to himself', sub { $destroyer->{run}->finish; like($destroyer->{out}, qr/destroyed/, 'when that is over') });

# What cannot be said of somebody, for want of a key, keeps nobody's events from being written.
my $keyring = sql('SHOW toms.keyring');
$pid = writer();
sql('SELECT toms.seal_audit()');
my $last = sql('SELECT max(id) FROM toms.audit_entry');
rename $keyring, "$keyring.away" or die $!;
sql("SELECT pg_terminate_backend($pid)");
ok($node->poll_query_until('app', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'toms writer' AND pid <> $pid}), 'a writer without the keys of tenants');
like($node->safe_psql('postgres', "SELECT 1"), qr/1/, 'the server runs');
my $refused_by = $node->psql('app', 'SELECT count(*) FROM med.desk', extra_params => [ '-U', 'app' ]);
isnt($refused_by, 0, 'somebody without a context is refused');
is(reader("SET LOCAL application_name = 'another'; $asynchronous"), '20', 'somebody of a tenant reads');
$node->psql('app', 'SELECT count(*) FROM med.note', extra_params => [ '-U', 'app' ]);
like(reader("SET LOCAL application_name = 'unknown'; $strict"), qr/could not take it in\nDETAIL:  Who acts could not be recorded, for want of a key\.\nHINT:  SELECT \* FROM toms\.check_keyring\(\);/, 'who reads strictly is refused');
ok($node->poll_query_until('app', 'SELECT used_bytes = 0 FROM toms.audit_queue'), 'all is written');
is(sql(qq{SELECT string_agg(kind::text || verb::text || ' ' || (who IS NULL) || ' ' || coalesce(convert_from(payload, 'UTF8')::jsonb ->> 'lacking', '-'), ', ' ORDER BY id)
	FROM toms.audit_entry WHERE id > $last AND kind IN ('x', 'r') AND verb NOT IN ('n', 'a')}), 'xr false -, rs true 55000, xr false -, rs true 55000', 'entries tell that they lack who acted');
rename "$keyring.away", $keyring or die $!;
is(reader("SET LOCAL application_name = 'another'; $strict"), '0', 'with the keys it goes on');
is(sql(qq{SELECT count(*) FROM toms.audit_entry WHERE kind = 'r' AND verb = 's' AND who IS NOT NULL AND id > $last}), '1', 'with all that is to be said');

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|server process .* was terminated/, 'and nothing crashed');
$node->stop;
done_testing();
