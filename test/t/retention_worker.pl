# Rules of retention are carried out by a background worker of their database, as long as there are some: it
# comes and goes like the others, and whatever keeps it from its work can be seen.

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
use Time::HiRes qw(time usleep);

my $keyring = keyring();
my $node = sealed_server('retention', $keyring, allows_streaming => 1,
	settings => "toms.retention_interval = 1s\ntoms.retention_batch_time = 20ms\nmax_worker_processes = 12\nrestart_after_crash = on\nautovacuum = off\n");
$node->start;
add_roles($node);
$node->safe_psql('postgres', 'CREATE DATABASE idle');

sub sql { return $node->safe_psql('app', "SET client_min_messages = warning; SET toms.reason = 'test'; $_[0]") }
sub server { return $node->safe_psql('postgres', $_[0]) }

sub set
{
	my ($name, $value) = @_;
	server(defined $value ? "ALTER SYSTEM SET $name = '$value'" : "ALTER SYSTEM RESET $name");
	return server('SELECT pg_reload_conf()');
}

# Waits until the query in database app gives that.
sub becomes
{
	my ($query, $expected, $name) = @_;
	my $till = time + 60;
	my $got;
	while (1)
	{
		$got = sql($query);
		last if $got eq $expected || time > $till;
		usleep(100_000);
	}
	return is($got, $expected, $name);
}

sub has_workers
{
	my ($databases, $when) = @_;
	return ok($node->poll_query_until('postgres', q{SELECT coalesce(string_agg(datname, ',' ORDER BY datname), '')
		FROM pg_stat_activity WHERE backend_type = 'toms retention'}, $databases), "workers of '$databases' $when");
}

sub pid_of_worker { return server(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms retention' AND datname = 'app'}) }

# A rule that deletes rows so long after the day; returns its number.
sub retain
{
	my ($table, $keep, %with) = @_;
	my $tenant = $with{tenant} ? "'$with{tenant}'" : 'NULL';
	my $since = $with{since} // 'at';
	return sql(qq{SELECT toms.retain('$table', keep => '$keep', since => '$since', basis => 'test', zone => 'UTC', tenant => $tenant)});
}

sub unretain { return sql("SELECT toms.unretain($_[0], 'test')") }

# Rows of a tenant, some of them old: nobody but an administrator can write those where there is a rule.
sub fill_with
{
	my ($table, $tenant, $old, $new) = @_;
	return sql(qq{INSERT INTO $table SELECT n, '$tenant', CASE WHEN n <= $old THEN now() - interval '20 days' ELSE now() END FROM generate_series(1, $old + $new) n});
}

sub states { return "SELECT string_agg(concat_ws(' ', relation, tenant, state, problem), '; ' ORDER BY rule, tenant) FROM toms.retention_progress" }

create_sealed($node, 'app');
sql(q{
	CREATE SCHEMA work AUTHORIZATION owner;
	GRANT USAGE ON SCHEMA work TO hr;
	SET SESSION AUTHORIZATION owner;
	CREATE TABLE work.message (id integer, tenant text NOT NULL, at timestamptz, PRIMARY KEY (tenant, id));
	CREATE TABLE work.visit (id integer, tenant text NOT NULL, at timestamptz, PRIMARY KEY (tenant, id));
	CREATE INDEX ON work.message (at);
	GRANT ALL ON ALL TABLES IN SCHEMA work TO hr;
	RESET SESSION AUTHORIZATION;
	SELECT toms.protect(t, tenant => 'tenant'), toms.permit('hr', t, '{select,insert,update,delete}', '{absence_management}', 'tenant')
	FROM unnest('{work.message,work.visit}'::regclass[]) t});

# As long as there are rules, and only there.
has_workers('', 'before there is a rule');
fill_with('work.message', 'acme', 3000, 500);
fill_with('work.message', 'globex', 3000, 500);
is(sql(states()), '', 'nothing to tell');
my $rule = retain('work.message', '10 days');
has_workers('app', 'with the first rule');
becomes(q{SELECT count(*) FROM work.message}, '1000', 'it deletes what is past its period');
is(sql('SELECT count(*) FROM work.message WHERE at < now() - interval $$10 days$$'), '0', 'that, and nothing else');
becomes(q{SELECT string_agg(concat_ws(' ', tenant, state, rows, held, blocked, problem), '; ' ORDER BY tenant) FROM toms.retention_progress},
	'acme waiting 3000 0 0; globex waiting 3000 0 0', 'which it tells of each tenant');
is(sql(q{SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname ~ '^(toms|pg_monitor)' AND has_table_privilege(oid, 'toms.retention_progress', 'SELECT')}),
	'pg_monitor,toms_admin,toms_auditor,toms_operator', 'to the officers and to monitoring');
is(sql('SET ROLE toms_operator; SELECT count(*) FROM toms.retention_progress'), '2', 'who can read it');
is(sql('SELECT NOT retention_overdue AND retention_last_step_at IS NOT NULL AND retention_problems = 0 FROM toms.status'), 't', 'toms.status says that it runs');

# Nothing is written while nothing is due.
my $before = sql('SELECT xmin FROM toms.retention_run ORDER BY tenant LIMIT 1');
my $round = sql('SELECT ended_at FROM toms.retention_round');
becomes("SELECT ended_at > '$round' FROM toms.retention_round", 't', 'a run that finds nothing');
is(sql('SELECT xmin FROM toms.retention_run ORDER BY tenant LIMIT 1'), $before, 'writes nothing of its tenants');

# A shorter interval counts at once, also while it waits for the end of a long one.
set('toms.retention_interval', '1d');
usleep(3_000_000);
$round = sql('SELECT ended_at FROM toms.retention_round');
set('toms.retention_interval', '1s');
becomes("SELECT ended_at > '$round' FROM toms.retention_round", 't', 'a shorter interval counts at once');

# It comes again, however it ended.
for my $signal ('TERM', 'ABRT', 'KILL')
{
	my $pid = pid_of_worker();
	fill_with('work.visit', 'acme', 10, 0) if $signal eq 'TERM';
	kill $signal, $pid;
	answers($node);
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 AND bool_and(pid <> $pid) FROM pg_stat_activity WHERE backend_type = 'toms retention'"), "it comes again after SIG$signal");
}
$node->restart;
has_workers('app', 'after a restart');

# It is never in the way.
my $begin = time;
for my $n (1 .. 5)
{
	server('CREATE DATABASE copy TEMPLATE app');
	has_workers('app,copy', 'after CREATE DATABASE') if $n == 5;
	server('DROP DATABASE copy');
	server('ALTER DATABASE app RENAME TO moved');
	server('ALTER DATABASE moved RENAME TO app');
}
cmp_ok(time - $begin, '<', 120, 'five databases from one with a worker, and as many new names');
has_workers('app', 'after that');

# A run that would delete more than the limit deletes nothing until somebody says that it is meant.
set('toms.retention_limit', '1000');
my $visits = retain('work.visit', '10 days');
becomes("SELECT count(*) FROM work.visit", '0', 'ten rows of the other table, too');
unretain($rule);
$rule = retain('work.message', '0');
becomes('SELECT count(*) FROM work.message', '0', 'few rows are deleted');
unretain($rule);
has_workers('app', 'with the other rule');
fill_with('work.message', $_, 1500, 100) for 'acme', 'globex';
my $offset = -s $node->logfile;
$rule = retain('work.message', '10 days');
becomes("SELECT string_agg(concat_ws(' ', tenant, state, due), '; ' ORDER BY tenant) FROM toms.retention_progress WHERE rule = $rule",
	'acme stopped 1001; globex stopped 1001', 'more than the limit: it stops');
is(sql('SELECT count(*) FROM work.message'), '3200', 'and has deleted none');
$node->wait_for_log(qr/LOG:  toms retention in database \d+: 0 failed, 2 stopped at toms\.retention_limit/, $offset);
becomes(q{SELECT string_agg(details::text, '; ' ORDER BY details::text) FROM toms.findings WHERE finding = 'retention_limit'},
	qq({"rule": $rule, "limit": 1000, "of_tenant": "acme"}; {"rule": $rule, "limit": 1000, "of_tenant": "globex"}), 'two findings');
is(sql("SET ROLE toms_admin; SELECT toms.approve_retention($rule, 'acme')"), '1', 'an officer approves one');
becomes('SELECT count(*) FROM work.message', '1700', 'which is carried out');
becomes("SELECT string_agg(concat_ws(' ', tenant, state), '; ' ORDER BY tenant) FROM toms.retention_progress WHERE rule = $rule", 'acme waiting; globex stopped', 'the other one is not');
like($node->psql('app', "SELECT toms.approve_retention($visits)") == 3 ? 'refused' : 'done', qr/refused/, 'nothing is approved that is not stopped');
set('toms.retention_limit');
becomes('SELECT count(*) FROM work.message', '200', 'the limit is raised: all is carried out');
becomes("SELECT string_agg(concat_ws(' ', tenant, state), '; ' ORDER BY tenant) FROM toms.retention_progress WHERE rule = $rule", 'acme waiting; globex waiting', 'nothing is stopped any more');

# What fails is told and tried again; other rules go on.
sql(q{
	CREATE FUNCTION work.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the value is %', OLD.id USING ERRCODE = '23514'; END $$;
	CREATE TRIGGER refuse BEFORE DELETE ON work.message FOR EACH ROW EXECUTE FUNCTION work.refuse()});
unretain($rule);
fill_with('work.visit', 'globex', 10, 0);
$rule = retain('work.message', '0', tenant => 'acme');
$offset = -s $node->logfile;
becomes("SELECT state || ' ' || (failures > 0) || ' ' || (problem ~ 'value') FROM toms.retention_progress WHERE rule = $rule", 'failed true false', 'a trigger refuses: the rule has failed');
becomes('SELECT count(*) FROM work.visit', '0', 'the other one goes on');
$node->wait_for_log(qr/LOG:  toms retention in database \d+: 1 failed, 0 stopped/, $offset);
is(sql('SELECT retention_problems FROM toms.status'), '1', 'toms.status counts it');
sql('DROP TRIGGER refuse ON work.message');
becomes("SELECT concat_ws(' ', state, problem, (SELECT count(*) FROM work.message)) FROM toms.retention_progress WHERE rule = $rule", 'waiting 100', 'it is tried again, and succeeds');

# Rules that cannot be carried out.
sql(qq{UPDATE toms.retention_rule SET zone = 'Nowhere/Land' WHERE id = $rule});
becomes("SELECT concat_ws(' ', state, problem) FROM toms.retention_progress WHERE rule = $rule", 'broken its time zone is not known', 'a time zone that is gone');
sql(qq{UPDATE toms.retention_rule SET zone = 'UTC', since = 'gone' WHERE id = $rule});
$offset = -s $node->logfile;
becomes("SELECT concat_ws(' ', state, problem) FROM toms.retention_progress WHERE rule = $rule", 'broken its start event is gone', 'a rule on a dropped column');
$node->wait_for_log(qr/LOG:  toms retention in database \d+: 1 failed/, $offset);
unretain($rule);
unretain($visits);
has_workers('', 'when the last rule has ended');
is(sql(states()), '', 'nothing to tell');

# A worker that is not there.
set('max_worker_processes', '2');
$rule = retain('work.visit', '10 days');
$node->restart;
$offset = -s $node->logfile;
becomes("SELECT state FROM toms.retention_progress", 'overdue', 'max_worker_processes used up: overdue');
$node->wait_for_log(qr/LOG:  toms (could not start the background worker of a database|retention is overdue)/);
set('max_worker_processes');
$node->restart;
becomes("SELECT state FROM toms.retention_progress", 'waiting', 'with more of them it goes on');
my $stopped = pid_of_worker();
$offset = -s $node->logfile;
kill 'STOP', $stopped;
becomes("SELECT state FROM toms.retention_progress", 'overdue', 'a worker that hangs: overdue');
$node->wait_for_log(qr/LOG:  toms retention is overdue in database \d+/, $offset);
kill 'CONT', $stopped;
becomes("SELECT state FROM toms.retention_progress", 'waiting', 'it goes on');

# On a standby it waits, and goes on after promotion.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
fill_with('work.visit', 'acme', 100, 10);
becomes('SELECT count(*) FROM work.visit', '10', 'with a standby it goes on');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('app', 'SELECT state FROM toms.retention_progress LIMIT 1'), 'standby', 'a standby says that it is one');
set('toms.retention_max_lag', '500ms');
$standby->safe_psql('app', 'SELECT pg_wal_replay_pause()');
sql('CREATE TABLE work.something (); DROP TABLE work.something');
usleep(2_500_000);
fill_with('work.visit', 'globex', 100, 10);
usleep(4_000_000);
my $waited = sql('SELECT count(*) FROM work.visit');
is($waited, '120', 'it waits for a replica that lags');
is(sql("SELECT state FROM toms.retention_progress LIMIT 1"), 'overdue', 'which can be seen');
$standby->safe_psql('app', 'SELECT pg_wal_replay_resume()');
becomes('SELECT count(*) FROM work.visit', '20', 'and goes on when it has caught up');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$node->stop('immediate');
$standby->promote;
$node = $standby;
has_workers('app', 'after promotion');
sql(q{DELETE FROM toms.retention_rule});
has_workers('', 'rules that are deleted');

# DROP EXTENSION and DROP DATABASE while it runs.
sql('DELETE FROM work.visit');
$rule = retain('work.visit', '0');
fill_with('work.visit', $_, 0, 2000) for 'acme', 'globex';
has_workers('app', 'again');
$begin = time;
server('DROP DATABASE app');
cmp_ok(time - $begin, '<', 60, 'DROP DATABASE while it runs');
$node->safe_psql('idle', q{
	CREATE EXTENSION toms;
	SELECT toms.add_tenant('acme', name => 'ACME GmbH');
	CREATE TABLE public.message (tenant text NOT NULL, at timestamptz);
	INSERT INTO message SELECT 'acme', now() FROM generate_series(1, 20000);
	ALTER TABLE message OWNER TO owner;
	SELECT toms.protect('public.message', tenant => 'tenant');
	SELECT toms.retain('public.message', keep => '0', since => 'at', basis => 'test')});
has_workers('idle', 'in another database');
$begin = time;
$node->safe_psql('idle', q{SET toms.reason = 'test';
	SELECT toms.unretain(id, 'test') FROM toms.retention_rule; SELECT toms.unprotect('public.message', reason => 'test'); DROP EXTENSION toms});
cmp_ok(time - $begin, '<', 60, 'DROP EXTENSION while it runs');
has_workers('', 'after that');

done_testing();
