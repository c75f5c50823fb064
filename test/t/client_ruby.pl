# The recipes of examples/clients/ruby, run with ActiveRecord: one context per transaction,
# migrations and cleaners, and an application's test-suite. The checks are in the programs there.
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

my $programs = "$FindBin::RealBin/../../examples/clients/ruby";
my $dir = PostgreSQL::Test::Utils::tempdir();

# Runs a program of Ruby for at most three minutes; returns (succeeded, its output, its standard error).
sub attempt
{
	my @arguments = @_;
	my ($out, $err) = ('', '');
	my $ok = eval { IPC::Run::run([ 'ruby', @arguments ], '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(180)) };
	return ($ok, $out, $err . $@);
}

my ($there, undef, $lacks) = attempt('-e', 'gem "activerecord", ">= 6.1"; require "active_record"; require "pg"');
plan skip_all => 'packages are not installed: ruby ruby-activerecord ruby-pg' unless $there;

# The checks of a program become ours; it must also come to its end.
sub replay
{
	my ($program) = @_;
	my ($ok, $out, $err) = attempt("$programs/$program");
	for my $line (split /\n/, $out)
	{
		if ($line =~ /^(not )?ok - (.*)/) { ok(!$1, $2); }
		elsif ($line =~ /^skip - (.*)/) { SKIP: { skip $1, 1 } }
		elsif ($line =~ /^# (.*)/) { diag($1); }
	}
	ok($ok && $out =~ /^done$/m, "$program: all checks have run") or diag($err);
	return;
}

sub mint
{
	my ($tenant, %claim) = @_;
	my $exp = $claim{exp} // time + 900;
	my ($role, $purpose, $key) = ($claim{role} // 'hr', $claim{purpose} // 'absence_management', $claim{key} // 'app');
	return run_tool([ 'mint', '--private', "$dir/$key.jwk", '--payload', '-' ],
		qq({"tenant":"$tenant","sub":"17","role":"$role","purpose":"$purpose","exp":$exp}));
}

run_tool([ 'new', '--jwks', "$dir/jwks.json", '--private', "$dir/app.jwk", '--kid', 'app' ]);
run_tool([ 'new', '--jwks', "$dir/other.json", '--private', "$dir/other.jwk", '--kid', 'app' ]);
mkdir "$dir/keyring", 0700 or die $!;
my $node = PostgreSQL::Test::Cluster->new('ruby');
$node->init;
$node->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'\ntoms.keyring = '$dir/keyring'\n");
$node->start;
local @ENV{qw(PGHOST PGPORT)} = ($node->host, $node->port);
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
CREATE ROLE hr;
CREATE ROLE physician;
CREATE ROLE app LOGIN IN ROLE hr, physician;
CREATE ROLE app_probe LOGIN IN ROLE hr;
ALTER ROLE app_probe SET toms.on_missing_context = empty;
CREATE ROLE owner LOGIN;
CREATE ROLE deploy LOGIN BYPASSRLS IN ROLE owner;
GRANT CREATE ON SCHEMA public TO owner;
CREATE TABLE employees (
    id        bigserial PRIMARY KEY,
    tenant_id text NOT NULL DEFAULT toms.current_tenant(),
    name      text NOT NULL
);
CREATE TABLE absences (
    id          bigserial PRIMARY KEY,
    tenant_id   text NOT NULL DEFAULT toms.current_tenant(),
    employee_id bigint NOT NULL REFERENCES employees,
    day         date NOT NULL,
    hours       integer NOT NULL DEFAULT 8 CHECK (hours >= 0),
    UNIQUE (tenant_id, employee_id, day)
);
INSERT INTO employees VALUES (17, 'acme', 'Ann'), (18, 'acme', 'Bob'), (4, 'globex', 'Carl'), (5, 'globex', 'Dora');
INSERT INTO absences (tenant_id, employee_id, day) VALUES
    ('acme', 17, '2026-01-07'), ('acme', 17, '2026-01-08'), ('acme', 18, '2026-01-09'),
    ('globex', 4, '2026-01-07'), ('globex', 5, '2026-01-08');
ALTER TABLE employees OWNER TO owner;
ALTER TABLE absences OWNER TO owner;
SELECT toms.protect('employees', tenant => 'tenant_id', subject => 'id');
SELECT toms.protect('absences', tenant => 'tenant_id', subject => 'employee_id', category => 'health');
SELECT toms.permit('hr', 'employees', '{select}', '{absence_management}', scope => 'tenant');
SELECT toms.permit('hr', 'absences', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant');
SELECT toms.permit('physician', 'absences', '{select}', '{absence_management}', scope => 'tenant', require_mfa => true);
GRANT USAGE ON SEQUENCE absences_id_seq TO hr;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA toms TO deploy;     -- pg_dump reads them
SQL
@ENV{qw(TOMS_ACME TOMS_GLOBEX)} = (mint('acme'), mint('globex'));
@ENV{qw(TOMS_FORGED TOMS_STRANGER)} = (mint('acme', key => 'other'), mint('initech'));
@ENV{qw(TOMS_EXPIRED TOMS_OTHER_PURPOSE)} = (mint('acme', exp => time - 60), mint('acme', purpose => 'payroll'));
$ENV{TOMS_NO_MFA} = mint('acme', role => 'physician');
replay('check.rb');

$ENV{TOMS_STRUCTURE} = "$dir/structure.sql";
replay('migration_check.rb');
$node->safe_psql('postgres', 'CREATE DATABASE loaded');
{
	local $ENV{PGOPTIONS} = '-c toms.reason=db:structure:load';
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $ENV{TOMS_STRUCTURE}, $node->connstr('loaded') ],
		'db/structure.sql is loaded, with a reason');
}
is($node->safe_psql('loaded', 'SELECT relation, mode FROM toms.protected_tables ORDER BY 1'), "absences|enforce\nemployees|enforce",
	'... and brings the protection');
is($node->safe_psql('loaded', 'SELECT count(*) FROM toms.permissions'), '0', '... but neither permissions nor tenants, which are declared anew');

# an application's tests
$node->append_conf('postgresql.conf', "toms.environment = 'test'\n");
$node->reload;
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE app_test LOGIN IN ROLE hr;
SELECT toms.allow_enter('app_test', tenants => '{acme,globex}', roles => '{hr}');
SQL
my ($ok, $out, $err) = attempt("$programs/absence_test.rb");
ok($ok, 'a test-suite with fixtures and tenants that take turns') or diag($out, $err);
like($out, qr/^5 runs, \d+ assertions, 0 failures, 0 errors, 0 skips$/m, '... has run all its tests');
is($node->safe_psql('postgres', "SET toms.reason = 'check'; SELECT tenant_id, count(*) FROM absences GROUP BY 1 ORDER BY 1"), "acme|2\nglobex|1",
	'... and left its fixtures as they were');

$node->stop;
done_testing();
