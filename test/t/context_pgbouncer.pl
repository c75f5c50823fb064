# Two tenants on one server connection, through pgbouncer in transaction mode: each transaction has
# the context that it set itself, and what a client leaves behind is worth nothing to the next.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest;

my $pgbouncer = (grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin')[0];
plan skip_all => 'pgbouncer is not installed' unless $pgbouncer;

my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $node = PostgreSQL::Test::Cluster->new('pgbouncer');

sub mint
{
	my ($tenant, $purposes) = @_;
	my $exp = time + 900;
	return run_tool([ 'mint', '--private', "$dir/app.jwk", '--payload', '-' ],
		qq({"tenant":"$tenant","sub":"1","role":"hr","purpose":$purposes,"exp":$exp}));
}

sub spew
{
	my ($file, $text) = @_;
	append_to_file($file, $text);
	return $file;
}

run_tool([ 'new', '--jwks', "$dir/jwks.json", '--private', "$dir/app.jwk" ]);
$node->init;
$node->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
CREATE ROLE hr;
CREATE ROLE app LOGIN IN ROLE hr;
ALTER ROLE app SET client_min_messages = error;     -- tokens stand in the statements' text here
CREATE TABLE absence (tenant_id text NOT NULL, employee_id integer NOT NULL);
INSERT INTO absence SELECT 'acme', 1 FROM generate_series(1, 30);
INSERT INTO absence SELECT 'globex', 1 FROM generate_series(1, 50);
SELECT toms.protect('absence', tenant => 'tenant_id', subject => 'employee_id');
SELECT toms.permit('hr', 'absence', '{select}', '{audit,payroll}', scope => 'tenant');
CREATE FUNCTION seen() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text;
BEGIN
    RETURN (SELECT count(*) || coalesce(' rows of ' || string_agg(DISTINCT tenant_id, '+'), ' rows') FROM absence);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME;
    RETURN code;
END
$$;
SQL
my $acme = mint('acme', '"audit"');
my $globex = mint('globex', '"audit"');

# pgbouncer with a single server connection
my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($server_host, $server_port) = ($node->host, $node->port);
spew("$dir/users", qq("app" ""\n));
spew("$dir/pgbouncer.ini", <<"INI");
[databases]
postgres = host=$server_host port=$server_port
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $dir
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = 1
reserve_pool_size = 0
ignore_startup_parameters = extra_float_digits
logfile = $dir/pgbouncer.log
INI
my $output = '';
my $bouncer = IPC::Run::start([ $pgbouncer, "$dir/pgbouncer.ini" ], '<', \undef, '>&', \$output);
END { $bouncer->kill_kill if $bouncer; }
my $connection = "host=$dir port=$port user=app dbname=postgres";
for (1 .. 100)
{
	last if -S "$dir/.s.PGSQL.$port";
	select undef, undef, undef, 0.1;
}
-S "$dir/.s.PGSQL.$port" or BAIL_OUT("pgbouncer does not start: $output " . (-e "$dir/pgbouncer.log" ? slurp_file("$dir/pgbouncer.log") : ''));

sub client
{
	return $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-d', $connection ]);
}

# Runs statements in one client, which go to the server as they stand; the last line of its answer.
sub runs
{
	my ($client, @statements) = @_;
	my $answer;
	$answer = $client->query($_) for @statements;
	return $answer;
}

my ($one, $two) = (client(), client());
my $server = runs($one, 'SELECT pg_backend_pid()');
is(runs($two, 'SELECT pg_backend_pid()'), $server, 'two clients share one server connection');

my @as_acme = ('BEGIN', "SELECT set_config('toms.token', '$acme', true)");
my @as_globex = ('BEGIN', "SELECT set_config('toms.token', '$globex', true)");

# interleaved
for my $round (1 .. 3)
{
	is(runs($one, @as_acme, 'SELECT seen()'), '30 rows of acme', "round $round: the first client sees acme");
	runs($one, 'COMMIT');
	is(runs($two, 'SELECT seen()'), 'toms_context_ended', "round $round: the second client has no context yet");
	is(runs($two, @as_globex, 'SELECT seen()'), '50 rows of globex', "round $round: ... and then sees globex");
	runs($two, $round == 2 ? 'ROLLBACK' : 'COMMIT');
	is(runs($one, 'SELECT seen()'), 'toms_context_ended', "round $round: the first client has none any more");
}

# a session-level SET leaks nothing
my %left_behind = (
	'SET in autocommit mode' => ["SET toms.token = '$acme'"],
	'SET SESSION in autocommit mode' => ["SET SESSION toms.token = '$acme'"],
	'set_config(…, false)' => ["SELECT set_config('toms.token', '$acme', false)"],
	'SET in a transaction' => [ 'BEGIN', "SET toms.token = '$acme'", 'COMMIT' ],
	'SET in a transaction with use' => [ 'BEGIN', "SET toms.token = '$acme'", 'SELECT seen()', 'COMMIT' ],
	'SET LOCAL after SET' => [ 'BEGIN', "SET toms.token = '$acme'", "SET LOCAL toms.token = '$acme'", 'COMMIT' ],
	'SET in one message with its use' => ["SET toms.token = '$acme' \\; SELECT seen()"]);
for my $how (sort keys %left_behind)
{
	runs($one, @{ $left_behind{$how} });
	is(runs($two, 'SELECT seen()'), 'toms_context_ended', "$how: the other client is refused");
	is(runs($two, 'SELECT coalesce(toms.current_tenant(), $$none$$)'), 'none', "$how: ... and no tenant is shown to it");
	is(runs($one, 'SELECT seen()'), 'toms_context_ended', "$how: ... nor is it any use to the client itself");
	is(runs($two, @as_globex, 'SELECT seen()'), '50 rows of globex', "$how: ... and the other client can set its own");
	runs($two, 'COMMIT');
}

# a prepared statement that one client leaves to the other
runs($one, 'PREPARE kept AS SELECT seen()', @as_acme);
is(runs($one, 'EXECUTE kept'), '30 rows of acme', 'a prepared statement gives the rows of its client');
runs($one, 'COMMIT');
is(runs($two, 'EXECUTE kept'), 'toms_context_ended', '... none to the next client');
is(runs($two, @as_globex, 'EXECUTE kept'), '50 rows of globex', '... and its own in its own context');
runs($two, 'COMMIT');
is(runs($two, 'SELECT pg_backend_pid()'), $server, 'all of that happened on one server connection');

# a client that goes away within its transaction takes its context along
runs($one, @as_acme);
$one->quit;
like(runs($two, 'SELECT seen()'), qr/^toms_context_(missing|ended)$/, 'a client goes away within its transaction: the other one is refused');
$two->quit;

# the extended protocol, token as a parameter, both tenants at the same time; a wrong number of
# rows is a division by zero, which ends pgbench
my %expected = (acme => [ $acme, 30 ], globex => [ $globex, 50 ]);
my @running;
for my $tenant (sort keys %expected)
{
	my ($token, $rows) = @{ $expected{$tenant} };
	my $script = spew("$dir/$tenant.sql", <<'SQL');
BEGIN;
SELECT set_config('toms.token', :token, true);
SELECT 1 / (count(*) = :rows)::integer FROM absence;
SELECT 1 / (toms.current_tenant() = :tenant)::integer;
COMMIT;
SQL
	my $text = '';
	my @command = ('pgbench', '-n', '-M', 'extended', '-c', '2', '-t', '100', '-D', "token=$token", '-D', "rows=$rows", '-D', "tenant=$tenant", '-f', $script, $connection);
	push @running, { tenant => $tenant, text => \$text, run => IPC::Run::start(\@command, '<', \undef, '>&', \$text, IPC::Run::timeout(120)) };
}
for my $bench (@running)
{
	$bench->{run}->finish;
	like(${ $bench->{text} }, qr{actually processed: 200/200}, "$bench->{tenant}: 200 transactions of two clients at the same time saw their own rows") or diag(${ $bench->{text} });
}

$bouncer->kill_kill;
undef $bouncer;
$node->stop;
done_testing();
