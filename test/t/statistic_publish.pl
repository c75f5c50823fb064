# What a statistic answers is committed first: two who ask at once get one answer, and who asks while
# it cannot be committed gets none.  A worker that is killed leaves nothing behind.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys start_server create_tenants);

my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('publish', $dir, "max_worker_processes = 8\n");
create_tenants($node);
$node->safe_psql('postgres', q{
	CREATE ROLE planner;
	GRANT planner TO app;
	SELECT toms.allow_enter(login => 'app', tenants => '{acme,globex}', roles => '{planner}');
	CREATE TABLE absence (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL, team text, away boolean, hours integer);
	INSERT INTO absence SELECT n, 'acme', n, '2020-01-05', 'team ' || n % 4, n % 3 = 0, n % 7 FROM generate_series(1, 40) n;
	SELECT toms.protect('absence', tenant => 'tenant', subject => 'employee', mode => 'enforce');
	SELECT toms.add_purpose('planning', description => 'planning', legal_basis => 'Art. 89(1) GDPR', granularity => 'aggregate', min_group => 5);
	SELECT toms.permit('planner', 'absence', '{select}', '{planning}', 'tenant');
	SELECT toms.add_statistic('away', 'absence', '{team}', 'away', 'planning', period => 'day');
	SELECT toms.add_statistic('hours', 'absence', '{team}', 'hours', 'planning', period => 'day')});
my $groups = 'team 0|10|3,team 1|10|3,team 2|10|3,team 3|10|4';

sub question
{
	my ($name) = @_;
	return qq{BEGIN; SELECT FROM toms.enter('acme', '1', 'planner', 'planning') \\g /dev/null
		SELECT string_agg(concat_ws('|', dimensions ->> 'team', subjects, value), ',' ORDER BY dimensions) FROM toms.statistic('$name'); ROLLBACK;};
}

# Ask without waiting for the answer.
sub ask
{
	my ($name) = @_;
	my $asking = { out => '', err => '' };
	PostgreSQL::Test::Utils::append_to_file("$dir/$name.sql", question($name)) unless -e "$dir/$name.sql";
	$asking->{run} = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-U', 'app', '-d', 'postgres', '-f', "$dir/$name.sql" ],
		'<', \undef, '>', \$asking->{out}, '2>', \$asking->{err}, IPC::Run::timeout(120));
	return $asking;
}

sub answer
{
	my ($asking) = @_;
	$asking->{run}->finish;
	chomp $asking->{out};
	return $asking->{out};
}

# Nothing can be committed while somebody else holds the marks.
my ($in, $out) = ("BEGIN; LOCK TABLE toms.statistic_mark IN SHARE MODE; SELECT 'locked';\n", '');
my $locker = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-d', 'postgres' ], '<', \$in, '>', \$out, IPC::Run::timeout(120));
$locker->pump until $out =~ /locked/;

my @asking = (ask('away'), ask('away'));
my $waiting = q{SELECT count(*) = %d FROM pg_stat_activity WHERE backend_type = 'toms statistic' AND wait_event_type = 'Lock'};
ok($node->poll_query_until('postgres', sprintf($waiting, 2)), 'two workers wait');
is($asking[0]{out} . $asking[1]{out}, '', 'nobody has an answer yet');

# The rows of one who asked are not those of one who asks now.
my $third = ask('hours');
ok($node->poll_query_until('postgres', sprintf($waiting, 3)), 'and a third one');
is($node->safe_psql('postgres', q{SELECT pg_terminate_backend(max(pid)) FROM pg_stat_activity WHERE backend_type = 'toms statistic'
	AND backend_start = (SELECT max(backend_start) FROM pg_stat_activity WHERE backend_type = 'toms statistic')}), 't', 'which is killed');
is(answer($third), '', 'gets no answer');
like($third->{err}, qr/the statistic could not be published/, 'but an error');

$in .= "COMMIT;\n\\q\n";
$locker->finish;
is(answer($_), $groups, 'an answer') or diag $_->{err} foreach @asking;
is($node->safe_psql('postgres', 'SELECT count(*) FROM toms.statistic_cell'), '4', 'which was published once');
is($node->safe_psql('postgres', q{SET toms.reason = 'test'; UPDATE absence SET away = true WHERE id > 0; SELECT}), '', 'the rows change');
is(answer(ask('away')), $groups, 'the answer does not');
isnt(answer(ask('hours')), '', 'what was not committed is published now');
is($node->safe_psql('postgres', 'SELECT count(*) FROM toms.statistic_mark'), '2', 'both are published, for the tenant that asked');

# Without a worker there is no answer: the three that there can be are those of the audit trail.
$node->append_conf('postgresql.conf', "max_worker_processes = 3\nmax_logical_replication_workers = 0");
$node->restart;
ok($node->poll_query_until('postgres', q{SELECT count(*) = 3 FROM pg_stat_activity WHERE backend_type IN ('toms launcher', 'toms worker', 'toms writer')}), 'all are at work');
$node->safe_psql('postgres', q{SELECT toms.drop_statistic('hours', 'test'); SET toms.reason = 'test'; ALTER TABLE absence ADD COLUMN days integer; UPDATE absence SET days = id % 5 WHERE id > 0;
	SELECT toms.add_statistic('days', 'absence', '{team}', 'days', 'planning', period => 'day')});
my $fourth = ask('days');
is(answer($fourth), '', 'no worker can be started');
like($fourth->{err}, qr/max_worker_processes/, 'and the hint says so');
is(answer(ask('away')), $groups, 'what is published needs none');

$node->stop;
done_testing();
