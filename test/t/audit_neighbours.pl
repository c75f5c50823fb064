# Beside pg_stat_statements, auto_explain, pgaudit and pg_cron, all at once, loaded before toms or after it: what
# toms refuses is refused, what it tells is told once, and no value, token or key comes into the server log or into
# pg_stat_statements by them.
#
# The settings that this needs are in $loud: all that these modules log but for parameters, which PostgreSQL and
# they would log in plain. A module that is not installed is left out. pg_cron runs jobs once a minute, which is waited for.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $keyring = keyring();
my $node = sealed_server('node', $keyring);
my $version = `pg_config --version` =~ /(\d+)/ ? $1 : 0;
my $library = `pg_config --pkglibdir` =~ s/\s+\z//r;
my @missing = grep { !-e "$library/$_.so" } qw(pg_stat_statements auto_explain pgaudit pg_cron);
my @modules = grep { -e "$library/$_.so" } qw(pg_stat_statements auto_explain pgaudit pg_cron);
my %has = map { ($_ => 1) } @modules;

my $loud = <<"CONF" . ($version > 15 ? "auto_explain.log_parameter_max_length = 0\n" : '');
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_triggers = on
auto_explain.log_nested_statements = on
pgaudit.log = 'all'
pgaudit.log_relation = on
pgaudit.log_rows = on
pg_stat_statements.track = all
cron.host = '${\($node->host)}'
CONF

sub sql { return $node->safe_psql('postgres', $_[0]) }

$node->append_conf('postgresql.conf', "restart_after_crash = on\n");
$node->start;
add_roles($node);
create_sealed($node, 'postgres');
sql(<<'SQL');
CREATE ROLE job LOGIN IN ROLE hr;
SELECT toms.allow_enter('job', '{acme}', '{hr}');
GRANT CREATE ON SCHEMA med TO hr;
SET SESSION AUTHORIZATION owner;
CREATE TABLE med.plan (id integer PRIMARY KEY, tenant text NOT NULL);
INSERT INTO med.plan SELECT i, 'acme' FROM generate_series(1, 5) i;
GRANT ALL ON med.plan TO hr;
CREATE FUNCTION med.said(note integer) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT toms.reveal(n.said) FROM med.note n WHERE n.id = note); END';
RESET SESSION AUTHORIZATION;
SELECT toms.protect('med.plan', tenant => 'tenant');
SELECT toms.permit('hr', 'med.plan', '{select}', '{absence_management}', 'tenant');
SQL

# A script whose variables come as parameters, as the application, by the extended protocol.
my $scripts = 0;
sub bound
{
	my ($script, %variables) = @_;
	append_to_file("$dir/script" . ++$scripts, $script);
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'pgbench', '-n', '-U', 'app', '-t', 1, '-M', 'extended', (map { ('-D', "$_=$variables{$_}") } sort keys %variables), '-f', "$dir/script$scripts", 'postgres' ],
		'<', \undef, '>', \$out, '2>', \$err) or diag($err);
	return;
}

# What the trail holds of a log-in since then, in order; what was told several times says so.
sub told
{
	my ($since, $login) = @_;
	return sql(<<"SQL");
SELECT string_agg(concat_ws(' ', kind, relation, rows, details ->> 'refused', nullif(times, 1) || ' times'), ', ' ORDER BY id)
FROM toms.audit_trail(since => '$since') WHERE login = '$login' AND kind <> 'ddl'
SQL
}

sub now { return sql('SELECT clock_timestamp()') }

# Where a word stands in a text, as it is or in hexadecimal; the line.
sub lines_with
{
	my ($text, $word) = @_;
	my $hex = unpack 'H*', $word;
	return [ grep { index($_, $word) >= 0 || index(lc $_, $hex) >= 0 } split /\n/, $text ];
}

my $token = token('acme');

sub jobs_are_scheduled
{
	my ($admin) = getpwuid $<;
	sql(<<"SQL");
CREATE EXTENSION IF NOT EXISTS pg_cron;
DELETE FROM cron.job_run_details;
SELECT cron.schedule_in_database('reads', '* * * * *', \$\$SELECT FROM toms.enter('acme', '90', 'hr', 'absence_management'); SELECT id FROM med.plan\$\$, 'postgres', 'job');
SELECT cron.schedule_in_database('no context', '* * * * *', 'SELECT id FROM med.plan', 'postgres', 'job');
SELECT cron.schedule_in_database('no reason', '* * * * *', 'SELECT id FROM med.plan', 'postgres', '$admin');
SQL
	return;
}

# They run with the next minute.
sub jobs_are_done
{
	my ($order, $since) = @_;
	my $names = q{SELECT DISTINCT ON (jobname) jobname, status, return_message FROM cron.job_run_details JOIN cron.job USING (jobid) WHERE end_time IS NOT NULL};
	$node->poll_query_until('postgres', "SELECT count(*) = 3 FROM ($names) d") or die 'the jobs of pg_cron do not run';
	my $done = sql("SELECT string_agg(jobname || ' ' || status, ', ' ORDER BY jobname) FROM ($names) d");
	sql('SELECT cron.unschedule(jobid) FROM cron.job');
	is($done, 'no context failed, no reason failed, reads succeeded',
		"$order: pg_cron: one job reads, none without a context, none of a superuser without a reason");
	like(told($since, 'job'), qr/^(refusal med.plan toms_context_missing, read med.plan 5|read med.plan 5, refusal med.plan toms_context_missing)$/,
		"$order: pg_cron: each in the trail once");
	return;
}

# A reader that has its first row when the server goes down.
sub read_until_crash
{
	my ($in, $out, $err) = ("BEGIN; SET LOCAL toms.token = '$token'; DECLARE c CURSOR FOR SELECT id FROM med.note ORDER BY id; FETCH 1 FROM c;\n\\echo ready\n", '', '');
	my $run = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-U', 'app', '-d', 'postgres' ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
	$run->pump until $out =~ /ready/;
	$node->stop('immediate');
	eval { $run->finish };
	return $out;
}

sub logs_nothing
{
	my ($order, $log, %secret) = @_;
	my $statements = $has{pg_stat_statements} ? sql('SELECT query FROM pg_stat_statements') : '';
	foreach my $what (sort keys %secret)
	{
		is_deeply(lines_with($log, $secret{$what}), [], "$order: no $what in the log");
		is_deeply(lines_with($statements, $secret{$what}), [], "$order: nor in pg_stat_statements");
	}
	return;
}

# Keys as their files hold them.
sub keys_of
{
	my %key;
	foreach my $file (glob "$keyring/*")
	{
		my $content = -f $file ? slurp_file($file) =~ s/\s+\z//r : '';
		$key{ 'key ' . $file =~ s/.*\///r } = $content if length $content >= 16;
	}
	return %key;
}

my $order_number = 0;
foreach my $libraries (join(',', 'toms', @modules), join(',', @modules, 'toms'))
{
	my $order = $libraries =~ /^toms/ ? 'toms first' : 'toms last';
	my ($id, $sealed, $plain) = (100 + ++$order_number, "sealed-diagnosis-4417-$order_number", "plain-diagnosis-9185-$order_number");
	$node->append_conf('postgresql.conf', "${loud}shared_preload_libraries = '$libraries'\ncron.use_background_workers = ${\($order_number == 1 ? 'off' : 'on')}\n");
	$node->restart;
	sql("CREATE EXTENSION IF NOT EXISTS $_") foreach grep { $has{$_} } qw(pg_stat_statements pgaudit);
	my $begun = now();
	jobs_are_scheduled() if $has{pg_cron};

	subtest "$libraries: refused and told" => sub {
		my $since = now();
		my ($code, $out, $err) = $node->psql('postgres', 'SELECT id FROM med.note', extra_params => [ '-U', 'app' ]);
		like($err, qr/access to "note" refused: no context is set/, 'without a context');
		like(as_tenant($node, 'postgres', 'acme', 'DELETE FROM med.plan WHERE id = 1'), qr/refused/, 'a verb that is not permitted');
		is(told($since, 'app'), 'refusal med.note toms_context_missing, refusal med.plan toms_verb_not_permitted', 'refusals are told once');

		$since = now();
		is(as_tenant($node, 'postgres', 'acme', 'SELECT id FROM med.plan; ROLLBACK; BEGIN'), join("\n", 1 .. 5), 'a read');
		is(told($since, 'app'), 'read med.plan 5', 'survives ROLLBACK, once');
	};

	subtest "$libraries: values" => sub {
		my $since = now();
		my $start = -s $node->logfile;
		sql('SELECT pg_stat_statements_reset()') if $has{pg_stat_statements};
		bound(<<'SCRIPT', token => $token, id => $id, sealed => $sealed, plain => $plain);
BEGIN;
SELECT set_config('toms.token', :token, true);
INSERT INTO med.note (id, tenant, employee, sick, kind, said, plain) VALUES (:id, 'acme', 17, 'true', 'sickness', :sealed, :plain);
SELECT toms.reveal(said), toms.reveal(kind), plain FROM med.note WHERE id = :id;
SELECT med.said(:id);
COMMIT;
SCRIPT
		is(told($since, 'app'), 'insert med.note, read med.note 1, reveal med.note, read med.note 1', 'each statement is told once, the nested one too, and who it is whose values are opened');
		my $log = slurp_file($node->logfile, $start);
		if ($has{auto_explain})
		{
			like($log, qr/Query Text: SELECT toms\.reveal\(said\).*\n.*actual time/, 'auto_explain logs the plan');
			like($log, qr/Query Text: \(SELECT toms\.reveal\(n\.said\)/, 'and that of the nested statement');
		}
		like($log, qr/AUDIT: SESSION.*READ,SELECT.*SELECT toms\.reveal\(said\)/, 'pgaudit logs it') if $has{pgaudit};
		is(sql(q{SELECT sum(calls) FROM pg_stat_statements WHERE query LIKE 'SELECT toms.reveal(said), %'}), 1, 'pg_stat_statements counts it') if $has{pg_stat_statements};
		logs_nothing($order, $log, 'sealed value' => $sealed, 'value' => $plain, 'claims of the token' => (split /\./, $token)[1], keys_of());
		is(as_tenant($node, 'postgres', 'acme', "SELECT med.said($id), plain FROM med.note WHERE id = $id"), "$sealed|$plain", 'they are there');
	};

	jobs_are_done($order, $begun) if $has{pg_cron};

	my $since = now();
	like(read_until_crash(), qr/^\d+\nready$/m, "$order: a row has left when the server goes down");
	$node->start;
	is(told($since, 'app'), 'read med.note', "$order: the strict read is in the trail");
}

SKIP:
{
	skip join(', ', @missing) . ' not installed', 1 if @missing;
	pass('with all of them');
}

$node->stop;
done_testing();
