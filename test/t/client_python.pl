# The recipes of examples/clients/python: SQLAlchemy with each driver that is there, psycopg's pool, a
# worker that does jobs of several tenants, and the tests of an application, which change tenants in one
# transaction. The checks are in the check_*.py beside the recipes.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys mint export_tokens start_server attempt replay python_with);

my $clients = "$FindBin::RealBin/../../examples/clients";
my $recipes = "$clients/python";
my $dir = PostgreSQL::Test::Utils::tempdir();
local $ENV{PYTHONDONTWRITEBYTECODE} = 1;

# The tests of a unittest become ours; all of them must pass.
sub replay_tests
{
	my ($python, $program) = @_;
	my ($ok, undef, $err) = attempt([ $python, "$recipes/$program", '-v' ]);
	my %result = $err =~ /^(\w+) \(.*?\) \.\.\. (\w+)$/mg;
	is($result{$_}, 'ok', "$program: " . s/_/ /gr) for sort keys %result;
	ok($ok && %result, "$program: all tests have passed") or diag($err);
	return;
}

my %python = (
	psycopg2 => scalar python_with('sqlalchemy, psycopg2'),
	psycopg => scalar python_with('sqlalchemy.dialects.postgresql.psycopg, psycopg'),
	pool => scalar python_with('psycopg_pool'));
my @drivers = grep { $python{$_} } 'psycopg2', 'psycopg';
plan skip_all => 'neither python3-sqlalchemy with python3-psycopg2 nor python3-psycopg-pool is installed' unless @drivers || $python{pool};

new_keys($dir);
my $node = start_server('python', $dir, "toms.clock_leeway = 0\n");
local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
$node->safe_psql('postgres', slurp_file("$clients/$_")) for 'schema.sql', 'protect.sql';
export_tokens($dir);

for my $driver ('psycopg2', 'psycopg')
{
  SKIP:
	{
		skip "no SQLAlchemy for $driver", 1 unless $python{$driver};
		local $ENV{DRIVER} = $driver;
		replay($python{$driver}, "$recipes/check_sqlalchemy.py", $_) for qw(session transaction core empty);
	}
}

SKIP:
{
	skip 'python3-psycopg-pool is not installed', 1 unless $python{pool};
	replay($python{pool}, "$recipes/check_psycopg.py");

	# a worker
	$node->safe_psql('postgres', <<'SQL');
SELECT toms.add_tenant('initech', name => 'Initech AG');
CREATE ROLE worker LOGIN IN ROLE hr;
CREATE TABLE job (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id text NOT NULL, employee_id integer NOT NULL, day date NOT NULL);
GRANT SELECT, INSERT, DELETE ON job TO worker;
SELECT toms.allow_enter(login => 'worker', tenants => '{acme,globex}', roles => '{hr}');
SQL
	replay($python{pool}, "$recipes/check_worker.py");
}

# the application's own tests
$node->append_conf('postgresql.conf', "toms.environment = 'test'\n");
$node->reload;
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE app_test LOGIN IN ROLE hr;
GRANT TRUNCATE ON absence TO app_test;
SELECT toms.allow_enter(login => 'app_test', tenants => '{acme,globex}', roles => '{hr}');
CREATE ROLE app_clean LOGIN BYPASSRLS;
SET toms.reason = 'an empty table for tests';
TRUNCATE absence;
GRANT SELECT, DELETE, TRUNCATE ON absence TO app_clean;
SQL
$ENV{GLOBEX} = mint($dir, tenant => 'globex', env => 'test');
for my $driver (@drivers)
{
	local $ENV{DRIVER} = $driver;
	replay_tests($python{$driver}, 'test_application.py');
}

$node->stop;
done_testing();
