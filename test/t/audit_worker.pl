# Each database with the extension has its background worker: it comes again however it ended, and
# is never in the way of those who want the database to themselves, of a shutdown, or of others.

use strict;
use warnings;
use IPC::Run;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = PostgreSQL::Test::Cluster->new('worker');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "toms.seal_interval = 100ms\nmax_worker_processes = 12\nrestart_after_crash = on\nallow_in_place_tablespaces = on\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app; CREATE DATABASE plain');

my $workers = q{SELECT coalesce(string_agg(datname, ',' ORDER BY datname), '') FROM pg_stat_activity WHERE backend_type = 'toms worker'};

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub set
{
	my ($name, $value) = @_;
	sql("ALTER SYSTEM SET $name = '$value'");
	return sql('SELECT pg_reload_conf()');
}

# Waits until those databases, and no others, have workers.
sub has_workers
{
	my ($databases, $when) = @_;
	return ok($node->poll_query_until('postgres', $workers, $databases), "workers of '$databases' $when");
}

sub pid_in { return sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms worker' AND datname = '$_[0]'") }

sub comes_again
{
	my ($pid, $when) = @_;
	return ok($node->poll_query_until('postgres', qq{SELECT count(*) = 1 AND bool_and(pid <> $pid) FROM pg_stat_activity
		WHERE backend_type = 'toms worker' AND datname = 'app'}), "another worker $when");
}

sub column { return $node->safe_psql('app', "SELECT $_[0] FROM toms.workers WHERE database = 'app'") }

# Runs it, and says whether it took less than so many seconds.
sub within
{
	my ($seconds, $name, $run) = @_;
	my $begin = time;
	$run->();
	my $took = time - $begin;
	return ok($took < $seconds, "$name in less than $seconds s") || diag "$took s";
}

# A session that runs the SQL and then whatever is appended to its "in"; returns when it has said "ready".
sub session
{
	my ($database, $sql) = @_;
	my $session = { in => "$sql\nSELECT 'ready';\n", out => '', err => '' };
	$session->{run} = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-d', $database ],
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

# Kills a process so that the server starts all over.
sub crash
{
	my ($pid) = @_;
	my $started = sql('SELECT pg_postmaster_start_time()');
	my $offset = -s $node->logfile;
	kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	return answers($node);
}

# Where the extension is, and only there.
has_workers('', 'before there is the extension');
$node->safe_psql('app', 'BEGIN; CREATE EXTENSION toms; ROLLBACK');
$node->safe_psql('plain', 'CREATE SCHEMA s');
has_workers('', 'when it was not committed');
within(60, 'a worker comes', sub { $node->safe_psql('app', 'CREATE EXTENSION toms'); has_workers('app', 'after CREATE EXTENSION') });
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'toms launcher' AND datname IS NULL}),
	'the launcher is in no database');
$node->restart;
has_workers('app', 'after a restart');
ok($node->poll_query_until('app', 'SELECT steps > 0 FROM toms.workers'), 'which does its step');
is($node->safe_psql('app', q{SELECT database, pid = (SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms worker'),
	started_at < last_step_at, last_error_at IS NULL, errors FROM toms.workers}), 'app|t|t|t|0', 'and is listed');
is($node->safe_psql('app', q{SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname ~ '^(toms|pg_monitor)' AND has_table_privilege(oid, 'toms.workers', 'SELECT')}),
	'pg_monitor,toms_admin,toms_auditor,toms_operator', 'to the officers and to monitoring');
is($node->safe_psql('app', 'SET ROLE toms_auditor; SELECT count(*) FROM toms.workers'), '1', 'who can read it');

# It works when there is something to do.
my $steps = column('steps');
usleep(700_000);
is(column('steps'), $steps, 'no step while nothing is written');
$node->safe_psql('app', q{BEGIN; SELECT txid_current(); PREPARE TRANSACTION 'x'});
usleep(300_000);
is(column('steps'), $steps, 'nor for what is prepared');
$node->safe_psql('app', q{COMMIT PREPARED 'x'});
ok($node->poll_query_until('app', "SELECT steps = $steps + 1 FROM toms.workers"), 'a step when it is committed');

# It comes again.
my $pid = pid_in('app');
my $launcher = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms launcher'});
sql("SELECT pg_terminate_backend($pid)");
within(60, 'it comes', sub { comes_again($pid, 'after pg_terminate_backend()') });
$pid = pid_in('app');
sql("SELECT pg_terminate_backend($launcher)");
ok($node->poll_query_until('postgres', "SELECT pid <> $launcher FROM pg_stat_activity WHERE backend_type = 'toms launcher'"), 'so does the launcher');
is(pid_in('app'), $pid, 'which finds the worker that is there');
sql("SELECT pg_terminate_backend($pid)");
comes_again($pid, 'by the new launcher');

crash($pid = pid_in('app'));
comes_again($pid, 'after kill -9 of it');
$pid = pid_in('app');
my $session = session('postgres', 'SELECT pg_backend_pid();');
crash($session->{out} =~ /^(\d+)/);
end($session);
comes_again($pid, 'after kill -9 of a backend');

# It makes room, while it waits for hours and has nothing to do.
set('toms.seal_interval', '1h');
my $offset = -s $node->logfile;
sql(q{CREATE TABLESPACE elsewhere LOCATION ''});
within(60, 'ten databases from one with a worker are created and dropped', sub {
	for (1 .. 10)
	{
		sql('CREATE DATABASE copy TEMPLATE app');
		has_workers('app,copy', 'after CREATE DATABASE') if $_ % 5 == 0;
		sql('DROP DATABASE copy');
	}
});
has_workers('app', 'after that');
within(60, 'it is renamed ten times', sub {
	for (1 .. 5)
	{
		sql('ALTER DATABASE app RENAME TO moved');
		sql('ALTER DATABASE moved RENAME TO app');
	}
});
has_workers('app', 'after that');
within(60, 'and moved', sub { sql("ALTER DATABASE app SET TABLESPACE $_") for 'elsewhere', 'pg_default' });
has_workers('app', 'after that');
within(60, 'dropdb and createdb do it too', sub {
	$node->command_ok([ 'createdb', '-T', 'app', 'copy' ], 'createdb');
	has_workers('app,copy', 'then');
	$node->command_ok([ 'dropdb', 'copy' ], 'dropdb');
});
within(60, 'so does a rename in a transaction', sub {
	sql('BEGIN; ALTER DATABASE app RENAME TO moved; ALTER DATABASE moved RENAME TO app; SELECT pg_sleep(0.2); COMMIT');
	has_workers('app', 'then');
});
within(60, 'and barriers pass', sub { sql('CREATE DATABASE passing'); sql('DROP DATABASE passing') });
my $log = slurp_file($node->logfile, $offset);
unlike($log, qr/FATAL|toms worker.*exited/, 'and nothing of that is worth a line in the log');

# Whoever ends it lets it do what is left.
$steps = column('steps');
$node->safe_psql('app', q{BEGIN; SELECT txid_current(); PREPARE TRANSACTION 'y'});
$node->safe_psql('app', q{COMMIT PREPARED 'y'});
sql("SELECT pg_terminate_backend(${\ pid_in('app')})");
ok($node->poll_query_until('app', "SELECT steps = $steps + 2 FROM toms.workers"), 'a last step, and a first one of the next worker');

# It needs no role that may log in.
my @as_admin = (extra_params => [ '-U', 'admin' ]);
sql('CREATE ROLE admin SUPERUSER LOGIN');
$pid = pid_in('app');
$node->safe_psql('postgres', "ALTER ROLE postgres NOLOGIN; SELECT pg_terminate_backend($pid)", @as_admin);
for (1 .. 50)
{
	last if $node->safe_psql('postgres', $workers, @as_admin) eq 'app'
	  && $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid", @as_admin) eq '0';
	usleep(100_000);
}
is($node->safe_psql('postgres', $workers, @as_admin), 'app', 'a worker where the superuser may not log in');
$node->safe_psql('postgres', 'ALTER ROLE postgres LOGIN', @as_admin);

# The place is free again when the statement fails, or its session does.
sql('CREATE ROLE stranger LOGIN; CREATE ROLE creator LOGIN CREATEDB');
$pid = pid_in('app');
for my $statement ('DROP DATABASE app', 'ALTER DATABASE app RENAME TO mine', 'CREATE DATABASE mine TEMPLATE app', 'ALTER DATABASE app SET TABLESPACE elsewhere')
{
	isnt($node->psql('postgres', $statement, extra_params => [ '-U', $_ ]), 0, "refused to $_: $statement") foreach 'stranger', 'creator';
}
is(pid_in('app'), $pid, 'whoever may not do it does not send the worker away');
isnt($node->psql('postgres', 'CREATE DATABASE plain TEMPLATE app'), 0, 'a name that is taken');
has_workers('app', 'after an error');
$session = session('app', '');
isnt($node->psql('postgres', 'DROP DATABASE app'), 0, 'somebody is connected');
has_workers('app', 'after that');
my $dropping = session('postgres', 'SET application_name = dropping;');
$dropping->{in} .= "DROP DATABASE app;\n";
$dropping->{run}->pump_nb;
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'dropping' AND state = 'active'}), 'somebody else tries');
has_workers('', 'meanwhile');
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dropping'});
has_workers('app', 'when he was killed');
end($dropping);
end($session);

# While its step waits for a lock.
set('toms.seal_interval', '100ms');
my $waits = q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'toms worker' AND datname = '%s' AND wait_event_type = 'Lock'};
$session = session('app', 'BEGIN; LOCK TABLE pg_extension IN ACCESS EXCLUSIVE MODE;');
sql("SELECT pg_terminate_backend(${\ pid_in('app')})");
ok($node->poll_query_until('postgres', sprintf($waits, 'app')), 'a step waits');
$offset = -s $node->logfile;
$pid = pid_in('app');
sql("SELECT pg_cancel_backend($pid)");
ok($node->wait_for_log(qr/canceling statement due to user request/, $offset), 'it is cancelled');
is(pid_in('app'), $pid, 'the worker lives');
ok($node->poll_query_until('postgres', sprintf($waits, 'app')), 'and tries again');
sql("SELECT pg_terminate_backend($pid)");
comes_again($pid, 'while the lock is held');
ok($node->poll_query_until('postgres', sprintf($waits, 'app')), 'which waits too');
within(60, 'a fast shutdown', sub { $node->stop('fast') });
end($session);
$node->start;
has_workers('app', 'after a fast shutdown');
within(60, 'an idle one', sub { $node->stop('fast') });
$node->start;
has_workers('app', 'after it');
within(60, 'a smart one', sub { $node->stop('smart') });
$node->start;
has_workers('app', 'after it');
within(60, 'an immediate one', sub { $node->stop('immediate') });
$node->start;
has_workers('app', 'after it');
set('toms.seal_interval', '5s');
$pid = pid_in('app');
$offset = -s $node->logfile;
$session = session('app', 'BEGIN; LOCK TABLE pg_extension IN ACCESS EXCLUSIVE MODE;');
sql("SELECT pg_terminate_backend($pid)");
comes_again($pid, 'to wait');
ok($node->poll_query_until('postgres', sprintf($waits, 'app')), 'it waits');
sql("SELECT pg_cancel_backend(${\ pid_in('app')})");
ok($node->wait_for_log(qr/canceling statement due to user request/, $offset), 'it fails');
usleep(500_000);
is(sql(sprintf($waits, 'app')), 'f', 'and does not try again at once');
$session->{in} .= "COMMIT;\n";
end($session);
ok($node->poll_query_until('app', q{SELECT errors > 0 AND last_error_at IS NOT NULL AND last_step_at > last_error_at FROM toms.workers}),
	'an error is counted, and forgiven');
set('toms.seal_interval', '100ms');

# A database that is closed to others is not closed to its worker.
$offset = -s $node->logfile;
sql('ALTER DATABASE app ALLOW_CONNECTIONS false');
sql('ALTER DATABASE plain ALLOW_CONNECTIONS false');
$node->restart;
has_workers('app', 'without connections');
unlike(slurp_file($node->logfile, $offset), qr/not currently accepting connections|worker.*exited with exit code [^1]|toms worker.*exited/, 'nothing is said about it');
sql('ALTER DATABASE app ALLOW_CONNECTIONS true');

# More databases than places: each has its turn.
$node->append_conf('postgresql.conf', 'max_worker_processes = 3');      # two are launchers'
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE app');
has_workers('app,copy', 'where there is room');
$offset = -s $node->logfile;
$node->restart;
ok($node->poll_query_until('app', 'SELECT count(*) = 2 AND bool_and(steps > 0) FROM toms.workers'), 'one place for two');
my @said = slurp_file($node->logfile, $offset) =~ /(toms could not start the background worker)/g;
is(@said, 1, 'said once');
$node->adjust_conf('postgresql.conf', 'max_worker_processes', '12');
$node->restart;
has_workers('app,copy', 'where there is room again');

# A standby has none, until it is promoted.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'toms %'}), '0', 'no worker on a standby');
is($standby->safe_psql('app', 'SELECT count(*) FROM toms.workers'), '0', 'nor is one listed');
$standby->safe_psql('postgres', 'SELECT pg_promote()');
ok($standby->poll_query_until('postgres', $workers, 'app,copy'), 'workers after promotion');
$standby->stop;

# Without the extension there is none.
$node->safe_psql('copy', 'BEGIN; DROP EXTENSION toms; ROLLBACK');
has_workers('app,copy', 'when nothing was dropped');
within(60, 'it leaves', sub { $node->safe_psql('copy', 'DROP EXTENSION toms'); has_workers('app', 'after DROP EXTENSION') });
within(60, 'it comes', sub { $node->safe_psql('copy', 'CREATE EXTENSION toms'); has_workers('app,copy', 'after CREATE EXTENSION') });
$node->safe_psql('copy', 'DROP SCHEMA toms CASCADE');
has_workers('app', 'after DROP SCHEMA');
sql('DROP DATABASE app');
has_workers('', 'in the end');
$log = slurp_file($node->logfile);
unlike($log, qr/FATAL:  database .* does not exist|FATAL:  role|PANIC|TRAP/, 'nobody looked for a database that is gone');

$node->stop;
done_testing();
