# The recipes of examples/clients/python: SQLAlchemy with each driver that is there, psycopg's pool, a
# worker that does jobs of several tenants, and the tests of an application, which change tenants in one
# transaction. The checks are in the check_*.py beside the recipes.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest;

my $recipes = "$FindBin::RealBin/../../examples/clients/python";
my $dir = PostgreSQL::Test::Utils::tempdir();
local $ENV{PYTHONDONTWRITEBYTECODE} = 1;

# Runs a program for at most three minutes; returns (succeeded, its output, its standard error).
sub attempt
{
	my @command = @_;
	my ($out, $err) = ('', '');
	my $ok = eval { IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(180)) };
	return ($ok, $out, $err . $@);
}

# Debian's python has Debian's packages, whatever stands before it on the path.
sub python_with
{
	my ($import) = @_;
	my ($found) = grep { (attempt($_, '-c', $import))[0] } 'python3', '/usr/bin/python3';
	return $found;
}

# The checks of a part become ours; the program must also come to its end.
sub replay
{
	my ($python, $program, @part) = @_;
	my ($ok, $out, $err) = attempt($python, "$recipes/$program", @part);
	for my $line (split /\n/, $out)
	{
		if ($line =~ /^(not )?ok - (.*)/) { ok(!$1, $2); }
		elsif ($line =~ /^# (.*)/) { diag($1); }
	}
	ok($ok && $out =~ /^done$/m, "$program @part: all checks have run") or diag($err);
	return;
}

# The same for a unittest.
sub replay_tests
{
	my ($python, $program) = @_;
	my ($ok, undef, $err) = attempt($python, "$recipes/$program", '-v');
	my %result = $err =~ /^(\w+) \(.*?\) \.\.\. (\w+)$/mg;
	is($result{$_}, 'ok', "$program: " . s/_/ /gr) for sort keys %result;
	ok($ok && %result, "$program: all tests have passed") or diag($err);
	return;
}

sub mint
{
	my ($tenant, %claim) = @_;
	my ($role, $exp, $env) = ($claim{role} // 'hr', $claim{exp} // time + 900, $claim{env} // 'production');
	return run_tool([ 'mint', '--private', "$dir/app.jwk", '--payload', '-' ],
		qq({"tenant":"$tenant","sub":"17","role":"$role","purpose":"absence_management","env":"$env","exp":$exp}));
}

my %python = (
	psycopg2 => scalar python_with('import sqlalchemy, psycopg2'),
	psycopg => scalar python_with('import sqlalchemy.dialects.postgresql.psycopg, psycopg'),
	pool => scalar python_with('import psycopg_pool'));
plan skip_all => 'neither python3-sqlalchemy with python3-psycopg2 nor python3-psycopg-pool is installed' unless grep { $_ } values %python;

run_tool([ 'new', '--jwks', "$dir/jwks.json", '--private', "$dir/app.jwk" ]);
mkdir "$dir/keyring", 0700 or die $!;
my $node = PostgreSQL::Test::Cluster->new('python');
$node->init;
$node->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'\ntoms.keyring = '$dir/keyring'\ntoms.clock_leeway = 0\n");
$node->start;
local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG'), toms.add_tenant('initech', name => 'Initech AG');
CREATE TABLE absence (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   text NOT NULL DEFAULT toms.current_tenant(),
    employee_id integer NOT NULL,
    day         date NOT NULL,
    hours       integer NOT NULL DEFAULT 8
);
INSERT INTO absence (tenant_id, employee_id, day) VALUES
    ('acme', 17, '2026-01-07'), ('acme', 17, '2026-01-08'), ('acme', 18, '2026-01-09'),
    ('globex', 4, '2026-01-07'), ('globex', 5, '2026-01-08');
CREATE ROLE hr;
CREATE ROLE intake;
SELECT toms.protect('absence', tenant => 'tenant_id', subject => 'employee_id', category => 'health');
SELECT toms.permit('hr', 'absence', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant');
SELECT toms.permit('intake', 'absence', '{insert}', '{absence_management}', scope => 'tenant');
CREATE ROLE app LOGIN IN ROLE hr;
ALTER ROLE app SET toms.session_context = on;
CREATE ROLE app_tx LOGIN IN ROLE hr, intake;
CREATE ROLE app_empty LOGIN IN ROLE hr;
ALTER ROLE app_empty SET toms.on_missing_context = empty;
SQL
@ENV{qw(ACME GLOBEX)} = (mint('acme'), mint('globex'));
@ENV{qw(EXPIRED INTAKE)} = (mint('acme', exp => time - 60), mint('acme', role => 'intake'));

for my $driver ('psycopg2', 'psycopg')
{
  SKIP:
	{
		skip "no SQLAlchemy for $driver", 1 unless $python{$driver};
		local $ENV{DRIVER} = $driver;
		replay($python{$driver}, 'check_sqlalchemy.py', $_) for qw(session transaction core empty);
	}
}

SKIP:
{
	skip 'python3-psycopg-pool is not installed', 1 unless $python{pool};
	replay($python{pool}, 'check_psycopg.py');

	# a worker
	$node->safe_psql('postgres', <<'SQL');
CREATE ROLE worker LOGIN IN ROLE hr;
CREATE TABLE job (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id text NOT NULL, employee_id integer NOT NULL, day date NOT NULL);
GRANT SELECT, INSERT, DELETE ON job TO worker;
SELECT toms.allow_enter(login => 'worker', tenants => '{acme,globex}', roles => '{hr}');
SQL
	replay($python{pool}, 'check_worker.py');
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
$ENV{GLOBEX} = mint('globex', env => 'test');
for my $driver (grep { $python{$_} } 'psycopg2', 'psycopg')
{
	local $ENV{DRIVER} = $driver;
	replay_tests($python{$driver}, 'test_application.py');
}

$node->stop;
done_testing();
