# The recipes for what stands between an application and the server: PostgREST's statements (role
# switching in a transaction, the token taken from a header by a function), pgbouncer in transaction and
# in session mode, with psycopg and with node-postgres. The checks are in examples/clients.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys export_tokens start_server replay python_with has_node_pg find_program start_pgbouncer);

my $clients = "$FindBin::RealBin/../../examples/clients";
my $dir = PostgreSQL::Test::Utils::tempdir();
local $ENV{PYTHONDONTWRITEBYTECODE} = 1;

my $python = python_with('psycopg');
my $has_pg = has_node_pg("$dir/npm");
plan skip_all => 'neither python3-psycopg is installed nor is there pg for node' unless $python || $has_pg;

new_keys($dir);
my $node = start_server('pool', $dir, "toms.clock_leeway = 0\n");
local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
$node->safe_psql('postgres', 'CREATE SCHEMA api; ALTER DATABASE postgres SET search_path = api');
$node->safe_psql('postgres', slurp_file("$clients/$_")) for 'schema.sql', 'protect.sql';
export_tokens($dir);

SKIP:
{
	skip 'pgbouncer is not installed', 1 unless find_program('pgbouncer');
	local $ENV{CARELESS} = start_pgbouncer($node, 'extra_float_digits,options');
	local @ENV{qw(PGHOST PGPORT)} = (start_pgbouncer($node), 6432);
  SKIP:
	{
		skip 'python3-psycopg is not installed', 1 unless $python;
		replay($python, "$clients/pgbouncer/check_pgbouncer.py", $_) for qw(transaction_mode session_context session_mode startup_option);
	}
  SKIP:
	{
		skip 'neither node-pg is installed nor can npm bring pg', 1 unless $has_pg;
		replay('node', "$clients/node/check_pgbouncer.js");
	}
}

SKIP:
{
	skip 'python3-psycopg is not installed', 1 unless $python;
	$node->safe_psql('postgres', <<'SQL' . slurp_file("$clients/postgrest/pre_request.sql"));
CREATE ROLE anon;
CREATE ROLE stranger;
CREATE ROLE authenticator LOGIN NOINHERIT IN ROLE hr, intake, anon;
SELECT toms.permit('stranger', 'absence', '{select}', '{absence_management}', scope => 'tenant');
CREATE SCHEMA auth;
GRANT USAGE ON SCHEMA auth, api TO hr, intake, anon;
SQL
	my $check = "$clients/postgrest/check_postgrest.py";
	replay($python, $check, 'requests');
	# the function may belong to somebody who may more than the caller
	$node->safe_psql('postgres', 'ALTER FUNCTION auth.set_context() SECURITY DEFINER');
	replay($python, $check, $_) for 'requests', 'role', 'writes';
}

$node->stop;
done_testing();
