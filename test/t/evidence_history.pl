# The background worker runs the check once in each toms.check_interval and keeps what it found, sealed in the audit trail: also
# after a crash, never twice, not where the tables are closed; what becomes worse is told; an error of it does not keep the trail
# from being sealed.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use CrashTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(usleep);

my $keyring = keyring();
my $outside = keyring();
my $node = sealed_server('history', $keyring, allows_streaming => 1,
	settings => "toms.outside = '$outside'\ntoms.node = 'prod'\ntoms.seal_interval = 200ms\ntoms.check_interval = 3650d\nrestart_after_crash = on\nautovacuum = off\nmax_connections = 30\n");
$node->start;
add_roles($node);
$node->safe_psql('postgres', 'CREATE DATABASE idle');
create_sealed($node, 'app');
$node->safe_psql('idle', 'CREATE EXTENSION toms');

sub sql { return $node->safe_psql('app', "SET client_min_messages = warning; SET toms.reason = 'test'; $_[0]") }

sub set
{
	my ($name, $value) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET $name = '$value'");
	return $node->reload;
}

# Waits until the query in database app gives t.
sub becomes
{
	my ($query, $name) = @_;
	my $got = '';
	for (1 .. 150)
	{
		$got = sql($query);
		last if $got eq 't';
		usleep(100_000);
	}
	return is($got, 't', $name);
}

my $runs = 'SELECT count(*) FROM toms.check_run WHERE by IS NULL';

sub waits_for_run
{
	my ($name) = @_;
	my $last = sql('SELECT coalesce(max(id), 0) FROM toms.check_run');
	return becomes("SELECT EXISTS (SELECT FROM toms.check_run WHERE id > $last AND by IS NULL)", $name);
}

as_tenant($node, 'app', 'acme', "INSERT INTO med.note (id, tenant, employee, plain) VALUES (1, 'acme', 1, 'x')");
becomes('SELECT count(*) > 0 FROM toms.audit_block', 'the trail is in use and sealed');
is(sql($runs), 0, 'the first interval is not over: there is no run');
like(sql(q{SELECT status || ' ' || phrase FROM toms.run_probe('detection')}), qr/^pass detection_first$/m, 'nor is one overdue');

# Runs come by themselves, one in an interval
set('toms.check_interval', '5s');
$node->restart;    # an idle worker looks every ten minutes
waits_for_run('the worker runs the check');
waits_for_run('and again');
is(sql('SELECT count(*) FROM toms.verify_check_history()'), 0, 'the trail has each run');
is(sql('SELECT count(*) FROM (SELECT floor(extract(epoch FROM at) / 5) FROM toms.check_run GROUP BY 1 HAVING count(*) > 1) twice'), 0, 'one in each interval, never two');
is(sql('SELECT bool_and(n = (SELECT count(*) FROM toms.measure)) FROM (SELECT count(*) AS n FROM toms.check_history GROUP BY run) c'), 't', 'each with all measures');
is(sql(q{SELECT status FROM toms.check_history WHERE measure = 'A-1.1' ORDER BY run DESC LIMIT 1}), 'fail', 'and with what was found of each');
is(sql('SELECT count(*) FROM toms.verify_audit()'), 0, 'the trail is whole');
is($node->safe_psql('idle', $runs), 0, 'a database whose trail is not in use has none');
becomes(q{SELECT EXISTS (SELECT FROM toms.run_probe('detection') p WHERE (p.status, p.phrase) = ('pass', 'detection_checked'))}, 'the check says that it runs');

# An officer who keeps a check and leaves his transaction open does not keep the trail from being sealed
my $log = -s $node->logfile;
sql("BEGIN; LOCK TABLE toms.check_run IN SHARE ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'record_check'");    # as toms.record_check() does
$node->wait_for_log(qr/running the check/, $log);
my $sealed = sql('SELECT count(*) FROM toms.audit_block');
as_tenant($node, 'app', 'acme', "INSERT INTO med.note (id, tenant, employee, plain) VALUES (3, 'acme', 1, 'x')");
becomes("SELECT count(*) > $sealed FROM toms.audit_block", 'an open transaction of who keeps a check does not stop sealing');
sql("COMMIT PREPARED 'record_check'");
$node->restart;    # after an error the worker comes again in ten minutes

# What becomes worse is told to who listens, and in the server log
my $told = '';
my $listener = IPC::Run::start([ 'psql', '-XAt', '-d', $node->connstr('app'), '-c', 'LISTEN toms_findings', '-c', 'SELECT pg_sleep(600)', '-c', 'SELECT 1' ], '<', \undef, '>', \$told);
$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)')}) or BAIL_OUT('nobody listens');
$log = -s $node->logfile;
set('toms.require_tls', 'off');
waits_for_run('a run after a setting was taken back');
$node->wait_for_log(qr/LOG: +toms measure A-3\.1 was pass and is fail/, $log);
pass('the server log says what became worse');
sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'});
$listener->finish;
like($told, qr/"toms_findings" with payload "\d+"/, 'who listens is told');
is(sql(q{SELECT DISTINCT details ->> 'was', details ->> 'is' FROM toms.findings WHERE finding = 'measure_worse' AND details ->> 'measure' = 'A-3.1'}), 'pass|fail', 'it is a finding');
set('toms.require_tls', 'remote');

# So is what is unusual only in comparison, with the next run
$log = -s $node->logfile;
sql(q{SELECT toms.note_reading('x', 'r', '{"times": 30}')});
$node->wait_for_log(qr/LOG: +toms has found something unusual: many_refusals/, $log);
pass('many refusals of one person are in the server log');

# A crash in the middle of it: nothing is left of that run, and the next one comes
sql(q{SET check_function_bodies = off; ALTER FUNCTION toms.probe_reviews() RENAME TO probe_reviews_kept;
	CREATE FUNCTION toms.probe_reviews() RETURNS SETOF toms.probed LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); END $$});
my $worker = q{SELECT pid FROM pg_stat_activity WHERE datname = 'app' AND backend_type ~ 'toms' AND wait_event = 'PgSleep'};
$node->poll_query_until('postgres', "SELECT EXISTS ($worker)") or BAIL_OUT('the worker does not run the check');
my $before = sql('SELECT count(*), max(id) FROM toms.check_run');
kill 'KILL', $node->safe_psql('postgres', $worker);
usleep(500_000);
answers($node) or BAIL_OUT('no server');
is(sql('SELECT count(*), max(id) FROM toms.check_run'), $before, 'killed within a run: nothing is left of it');
sql('DROP FUNCTION toms.probe_reviews(); ALTER FUNCTION toms.probe_reviews_kept() RENAME TO probe_reviews');
set('toms.check_interval', '5s');
$node->restart;
waits_for_run('and the next one comes');
is(sql('SELECT count(*) FROM toms.verify_check_history()'), 0, 'with its entry');

# An error in it does not keep the trail from being sealed
$log = -s $node->logfile;
sql('ALTER FUNCTION toms.keep_check(text) RENAME TO keep_check_kept');
$node->wait_for_log(qr/function toms\.keep_check\(.*does not exist/, $log);
my $blocks = sql('SELECT count(*) FROM toms.audit_block');
as_tenant($node, 'app', 'acme', "INSERT INTO med.note (id, tenant, employee, plain) VALUES (2, 'acme', 1, 'x')");
becomes("SELECT count(*) > $blocks FROM toms.audit_block", 'blocks are closed though the check fails');
becomes(q{SELECT EXISTS (SELECT FROM toms.run_probe('detection') p WHERE (p.status, p.phrase) = ('fail', 'detection_late'))}, 'the check says that it does not run');
sql('ALTER FUNCTION toms.keep_check_kept(text) RENAME TO keep_check');
$node->restart;
waits_for_run('mended, it runs again');

# Somebody alters what was kept
my $run = sql('SELECT max(id) FROM toms.check_run');
sql("UPDATE toms.check_result SET status = 'pass' WHERE run = $run");
like(sql('SELECT run, fault FROM toms.verify_check_history()'), qr/^$run\|changed$/, 'what was altered is found');

# A copy that is started beside the server keeps nothing: its tables are closed
sql(q{SELECT toms.admit_node('in use')});
$node->backup('nightly');
my $drill = PostgreSQL::Test::Cluster->new('drill');
$drill->init_from_backup($node, 'nightly');
$drill->start;
is($drill->safe_psql('app', q{SELECT toms.node_place() IS NOT NULL, (SELECT gate FROM toms.judge_gate())}), 't|4', 'a copy is not a node that works with this data');
my $copied = $drill->safe_psql('app', $runs);
usleep(12_000_000);
is($drill->safe_psql('app', $runs), $copied, 'and keeps no runs');
$drill->stop;
waits_for_run('the server goes on');

$node->stop;
done_testing();
