# Two tenants on one server connection, through pgbouncer in transaction mode: each transaction has
# the context that it set itself, and what a client leaves behind is worth nothing to the next. In
# statement mode a statement has to bring its token itself.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys mint start_server create_tenants find_program start_pgbouncer attempt);

plan skip_all => 'pgbouncer is not installed' unless find_program('pgbouncer');

my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('pgbouncer', $dir);
create_tenants($node);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE absence (tenant_id text NOT NULL, employee_id integer NOT NULL);
INSERT INTO absence SELECT 'acme', 1 FROM generate_series(1, 30);
INSERT INTO absence SELECT 'globex', 1 FROM generate_series(1, 50);
SELECT toms.protect('absence', tenant => 'tenant_id', subject => 'employee_id');
SELECT toms.permit('hr', 'absence', '{select}', '{absence_management}', scope => 'tenant');
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
my $acme = mint($dir);
my $globex = mint($dir, tenant => 'globex');
my $pooler = 'host=' . start_pgbouncer($node) . ' port=6432 user=app dbname=';
my $connection = $pooler . 'transaction';

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
	my $script = "$dir/$tenant.sql";
	append_to_file($script, <<'SQL');
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

# statement mode: there is no transaction but that of each statement
$node->safe_psql('postgres', q{CREATE FUNCTION seen(token text) RETURNS text LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('toms.token', token, true); RETURN seen(); END$$});
my $single = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-d', $pooler . 'statement' ]);
is(runs($single, "SELECT set_config('toms.token', '$acme', false)", 'SELECT seen()'), 'toms_context_ended', 'statement mode: the context has ended with its statement');
is(runs($single, "SELECT seen('$acme')"), '30 rows of acme', 'a function takes the token and answers');
is(runs($single, 'SELECT seen()'), 'toms_context_ended', 'and nothing is left');
$single->quit;
my (undef, undef, $refused) = attempt([ 'psql', '-Xq', '-c', 'BEGIN', $pooler . 'statement' ]);
like($refused, qr/transaction blocks not allowed in statement pooling mode/, 'pgbouncer refuses BEGIN');

$node->stop;
done_testing();
