# A database with protected tables is dumped and restored: only with a stated reason, and with
# everything that protects it; at no step of the restore is a table open.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dump = PostgreSQL::Test::Utils::tempdir() . '/hr.dump';
my $keyring = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $keyring or die $!;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init;
$node->append_conf('postgresql.conf', "toms.keyring = '$keyring'");
$node->start;

# What a statement says to a log-in: its rows, or its error.
sub say_to
{
	my ($login, $database, $statements) = @_;
	my ($code, $out, $err) = $node->psql($database, $statements, extra_params => [ '-U', $login ], on_error_stop => 1);
	return $code == 0 ? $out : $err;
}

# A client program with or without a reason; returns (succeeded, standard error).
sub program
{
	my ($reason, @command) = @_;
	local $ENV{PGOPTIONS} = defined $reason ? '-c toms.reason=' . ($reason =~ s/ /\\ /gr) : '';
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err);
	return ($ok, $err);
}

# What a job sees as HR, and as an employee, of each tenant.
sub seen
{
	my ($database) = @_;
	my @seen;
	for my $tenant ('acme', 'globex')
	{
		for my $role ('dump_hr', 'dump_employee')
		{
			push @seen, "$role of $tenant: " . say_to('dump_job', $database, qq{
				BEGIN;
				SELECT FROM toms.enter('$tenant', '17', '$role', 'absence_management');
				SELECT string_agg(id::text, ',' ORDER BY id) FROM hr.sick_note;
				SELECT string_agg(id::text, ',' ORDER BY id) FROM hr.booking;
				SELECT string_agg(id::text, ',' ORDER BY id) FROM hr.booking_2025;
				SELECT string_agg(id::text, ',' ORDER BY id) FROM hr.had_policies;
				COMMIT}) =~ s/\n+/ /gr;
		}
	}
	return join "\n", @seen;
}

# Everything that a restore has to bring back, as text.
my %content = (
	labels => q{SELECT objoid::regclass, attname, label FROM pg_seclabel LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid AND attnum > 0
		WHERE provider = 'toms' ORDER BY objoid::regclass::text, objsubid},
	policies => q{SELECT polrelid::regclass, polname, polcmd, polpermissive, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
		FROM pg_policy ORDER BY polrelid::regclass::text, polname},
	'row security' => q{SELECT oid::regclass, relrowsecurity, relforcerowsecurity FROM pg_class
		WHERE relnamespace = 'hr'::regnamespace AND relkind IN ('r', 'p') ORDER BY oid::regclass::text},
	protection => q{SELECT relation, mode, tenant, subject, category, intact, root FROM toms.protected_tables ORDER BY relation::text},
	permissions => q{SELECT id, role, relation, verbs, purposes, scope, require_mfa, valid_from, valid_until, in_force, permitted_by, ended_by FROM toms.permissions ORDER BY id},
	'relations of permissions' => q{SELECT id, role, relation FROM toms.permission ORDER BY id},
	tenants => q{SELECT * FROM toms.tenant ORDER BY tenant},
	categories => q{SELECT * FROM toms.category ORDER BY category},
	officers => q{SELECT * FROM toms.officer ORDER BY id},
	instructions => q{SELECT i.*, e.state, e.reason, e.at, e.by FROM toms.instruction i JOIN toms.instruction_event e ON e.instruction = i.id ORDER BY e.id},
	'jobs that may enter' => q{SELECT * FROM toms.enter_permission ORDER BY id},
	history => q{SELECT * FROM toms.protection_history ORDER BY id},
	privileges => q{SELECT relname, array_to_string(ARRAY(SELECT unnest(relacl)::text ORDER BY 1), ' ') FROM pg_class WHERE relnamespace = 'hr'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname},
);

sub content
{
	my ($database) = @_;
	my $time_zone = 'SET timezone = UTC;';
	return { map { $_ => $node->safe_psql($database, "$time_zone $content{$_}") } keys %content };
}

# The database of an application
$node->safe_psql('postgres', q{
	CREATE ROLE dump_employee;
	CREATE ROLE dump_hr;
	CREATE ROLE dump_owner LOGIN;
	CREATE ROLE dump_job LOGIN IN ROLE dump_employee, dump_hr;
	CREATE ROLE dump_officer LOGIN;
	CREATE DATABASE source;
	CREATE DATABASE target;
	CREATE DATABASE half});
$node->safe_psql('source', q{
	CREATE EXTENSION toms;
	CREATE SCHEMA hr AUTHORIZATION dump_owner;
	GRANT USAGE ON SCHEMA hr TO PUBLIC;
	SET SESSION AUTHORIZATION dump_owner;
	CREATE TABLE hr.sick_note (id integer PRIMARY KEY, gone integer, tenant_id text NOT NULL, employee_id integer NOT NULL);
	INSERT INTO hr.sick_note VALUES (1, 0, 'acme', 17), (2, 0, 'acme', 18), (3, 0, 'globex', 17);
	ALTER TABLE hr.sick_note DROP COLUMN gone;
	CREATE TABLE hr.booking (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
	CREATE TABLE hr.booking_2025 PARTITION OF hr.booking FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
	CREATE TABLE hr.booking_rest PARTITION OF hr.booking DEFAULT;
	INSERT INTO hr.booking VALUES (4, 'acme', 17, '2025-05-01'), (5, 'acme', 18, '2024-05-01'), (6, 'globex', 17, '2025-05-01');
	CREATE TABLE hr.had_policies (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL);
	INSERT INTO hr.had_policies VALUES (7, 'acme', 17), (8, 'acme', 17), (9, 'globex', 17);
	ALTER TABLE hr.had_policies ENABLE ROW LEVEL SECURITY;
	CREATE POLICY zz_of_the_application ON hr.had_policies FOR SELECT USING (id <> 8);
	CREATE POLICY a_of_the_application ON hr.had_policies FOR INSERT WITH CHECK (true);
	CREATE TABLE hr.open (id integer);
	INSERT INTO hr.open VALUES (1);
	RESET SESSION AUTHORIZATION;
	SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG'), toms.add_tenant('gone', name => 'Gone Ltd');
	UPDATE toms.tenant SET ended_at = now() WHERE tenant = 'gone';
	SELECT toms.add_category('union_membership', description => 'trade-union membership', article9 => true);
	SELECT toms.grant_officer('dump_officer', 'admin');
	SELECT toms.allow_enter('dump_job', '{acme,globex}', '{dump_hr,dump_employee}');
	SET SESSION AUTHORIZATION dump_officer;
	SELECT toms.protect('hr.sick_note', tenant => 'tenant_id', subject => 'employee_id', category => 'health');
	SELECT toms.protect('hr.booking', tenant => 'tenant_id', subject => 'employee_id', category => 'union_membership');
	SELECT toms.protect('hr.had_policies', tenant => 'tenant_id', subject => 'employee_id');
	SELECT toms.permit(r, t, '{select}', '{absence_management}', scope => s)
	FROM unnest('{hr.sick_note,hr.booking,hr.had_policies}'::regclass[]) t, (VALUES ('dump_hr'::regrole, 'tenant'), ('dump_employee', 'own')) v (r, s);
	SET SESSION AUTHORIZATION dump_owner;
	GRANT SELECT ON hr.booking_2025 TO dump_hr, dump_employee;
	SET SESSION AUTHORIZATION dump_officer;
	SELECT toms.permit('dump_hr', 'hr.sick_note', '{delete}', '{absence_management}', scope => 'tenant');
	SELECT toms.forbid('dump_hr', 'hr.sick_note', verbs => '{delete}');
	SELECT toms.confirm_instruction(toms.record_instruction('acme', kind => 'erase', given_by => 'D. Manager', wording => 'Erase 17.'))});
my $expected = "dump_hr of acme: 1,2 4,5 4 7\ndump_employee of acme: 1 4 4 7\ndump_hr of globex: 3 6 6 9\ndump_employee of globex: 3 6 6 9";
is(seen('source'), $expected, 'the application sees its rows before the dump');

# Dump
my ($ok, $err) = program(undef, 'pg_dump', '-Fc', '-f', $dump, 'source');
ok(!$ok, 'pg_dump without a reason is refused');
like($err, qr/administrative access needs a stated reason/, 'and says so');
($ok, $err) = program('nightly dump', 'pg_dump', '-Fc', '-f', $dump, 'source');
ok($ok, 'pg_dump with a reason succeeds') or diag $err;
my $log = slurp_file($node->logfile);
like($log, qr/toms administrative access: table=hr\.sick_note verbs=select login=\S+ user=\S+ reason=nightly dump/, 'the dump is on record with its reason');

# Restore
($ok, $err) = program(undef, 'pg_restore', '-d', 'target', $dump);
like($err, qr/administrative access needs a stated reason/, 'pg_restore without a reason cannot fill protected tables');
$node->safe_psql('postgres', 'DROP DATABASE target');
$node->safe_psql('postgres', 'CREATE DATABASE target');
($ok, $err) = program('restore test', 'pg_restore', '--exit-on-error', '-d', 'target', $dump);
ok($ok, 'pg_restore with a reason succeeds') or diag $err;

my ($before, $after) = (content('source'), content('target'));
isnt($before->{$_}, '', "to compare: $_") foreach sort keys %content;
is($after->{$_}, $before->{$_}, "as before: $_") foreach sort keys %content;
is(seen('target'), $expected, 'the application sees the same rows after the restore');
like(say_to('dump_job', 'target', 'SELECT FROM hr.sick_note'), qr/no context is set/, 'and none without a context');
like(say_to('dump_owner', 'target', 'SELECT FROM hr.booking_rest'), qr/no context is set/, 'nor does the owner');

# what comes after is counted on from where it was
is($node->safe_psql('target', q{SELECT toms.permit('dump_hr', 'hr.sick_note', '{update}', '{absence_management}', scope => 'tenant') > max(id) FROM toms.permissions}),
	't', 'a new permission gets a new number');
is($node->safe_psql('target', q{SELECT toms.forbid('dump_hr', 'hr.sick_note')}), '2', 'restored permissions can be ended');
like(say_to('dump_job', 'target', q{BEGIN; SELECT toms.enter('acme', '17', 'dump_hr', 'absence_management'); SELECT FROM hr.sick_note}),
	qr/no permission for this table/, 'and are');
$node->safe_psql('target', q{SELECT toms.unprotect('hr.had_policies', reason => 'test')});
is($node->safe_psql('target', q{SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'hr.had_policies'::regclass}),
	't|f', 'unprotect() after a restore brings back what was before protect()');

# Step by step: nothing is open in between
my @tables = ('hr.sick_note', 'hr.booking', 'hr.booking_2025', 'hr.booking_rest', 'hr.had_policies');
sub closed_after
{
	my ($step) = @_;
	foreach my $table (@tables)
	{
		unlike(say_to('dump_owner', 'half', "SELECT id FROM $table"), qr/^\d/m, "$table shows its owner no row after $step");
		my $read = say_to('dump_owner', 'half', "SELECT count(*) FROM $table");
		like($read, qr/protection of the table is not complete|no context is set/, "$table is refused to its owner after $step");
	}
}
foreach my $section ('pre-data', 'data')
{
	($ok, $err) = program('restore test', 'pg_restore', '--exit-on-error', "--section=$section", '-d', 'half', $dump);
	ok($ok, "section $section is restored") or diag $err;
	closed_after($section);
}
is(say_to('dump_owner', 'half', 'SELECT count(*) FROM hr.open'), '1', 'a table that is not protected is open at once');
($ok, $err) = program('restore test', 'pg_restore', '--exit-on-error', '--section=post-data', '-d', 'half', $dump);
ok($ok, 'section post-data is restored') or diag $err;
is(seen('half'), $expected, 'the application sees the same rows after the last step');

$node->stop;
done_testing();
