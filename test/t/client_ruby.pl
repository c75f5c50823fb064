# The recipes of examples/clients/ruby, run with ActiveRecord: one context per transaction,
# migrations and cleaners, and an application's test-suite. The checks are in the programs there.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys export_tokens start_server create_tenants attempt works replay);

my $programs = "$FindBin::RealBin/../../examples/clients/ruby";
my $dir = PostgreSQL::Test::Utils::tempdir();
plan skip_all => 'packages are not installed: ruby ruby-activerecord ruby-pg'
  unless works('ruby', '-e', 'gem "activerecord", ">= 6.1"; require "active_record"; require "pg"');

new_keys($dir);
my $node = start_server('ruby', $dir);
local @ENV{qw(PGHOST PGPORT)} = ($node->host, $node->port);
create_tenants($node);
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE physician;
GRANT physician TO app;
CREATE ROLE app_probe LOGIN IN ROLE hr;
ALTER ROLE app_probe SET toms.on_missing_context = empty;
CREATE ROLE owner LOGIN;
CREATE ROLE deploy LOGIN BYPASSRLS IN ROLE owner, toms_auditor;    -- as auditor, pg_dump reads the sequences of toms
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
SELECT toms.protect('absences', tenant => 'tenant_id', subject => 'employee_id', category => 'health', free_text => 'accept', reason => 'a state is a word of three');
SELECT toms.permit('hr', 'employees', '{select}', '{absence_management}', scope => 'tenant');
SELECT toms.permit('hr', 'absences', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant');
SELECT toms.permit('physician', 'absences', '{select}', '{absence_management}', scope => 'tenant', require_mfa => true);
GRANT USAGE ON SEQUENCE absences_id_seq TO hr;
SQL
export_tokens($dir);
replay('ruby', "$programs/check.rb");

$ENV{STRUCTURE} = "$dir/structure.sql";
replay('ruby', "$programs/migration_check.rb");
$node->safe_psql('postgres', 'CREATE DATABASE loaded');
{
	local $ENV{PGOPTIONS} = '-c toms.reason=db:structure:load';
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $ENV{STRUCTURE}, $node->connstr('loaded') ],
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
my ($ok, $out, $err) = attempt([ 'ruby', "$programs/absence_test.rb" ]);
ok($ok, 'a test-suite with fixtures and tenants that take turns') or diag($out, $err);
like($out, qr/^5 runs, \d+ assertions, 0 failures, 0 errors, 0 skips$/m, '... has run all its tests');
is($node->safe_psql('postgres', "SET toms.reason = 'check'; SELECT tenant_id, count(*) FROM absences GROUP BY 1 ORDER BY 1"), "acme|2\nglobex|1",
	'... and left its fixtures as they were');

$node->stop;
done_testing();
