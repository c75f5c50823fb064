# Purposes, access functions and separations are carried by a dump and by pg_upgrade: what is
# excluded stays excluded, functions have their purpose, and none is taken for changed.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use UpgradeTest;

my $keyring = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $keyring or die $!;

sub new_node
{
	my ($name, @options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, @options);
	$node->init(checksums());
	$node->append_conf('postgresql.conf', "toms.keyring = '$keyring'");
	return $node;
}

my $node = new_node('old', of_older());
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE carried_owner; CREATE ROLE carried_hr; CREATE ROLE carried_job LOGIN IN ROLE carried_hr;
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME'), toms.load_purposes('absence');
SELECT toms.allow_enter('carried_job', '{acme}', '{carried_hr}');
CREATE SCHEMA hr AUTHORIZATION carried_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
SET ROLE carried_owner;
CREATE TABLE hr.absence (id integer, tenant text NOT NULL, employee integer NOT NULL);
CREATE TABLE hr.booking (id integer, tenant text NOT NULL, employee integer NOT NULL);
CREATE TABLE hr.staff (id integer, tenant text NOT NULL);
CREATE FUNCTION hr.absences() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT count(*) FROM hr.absence';
CREATE FUNCTION hr.changed() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT count(*) FROM hr.absence';
RESET ROLE;
INSERT INTO hr.absence VALUES (1, 'acme', 17);
INSERT INTO hr.booking VALUES (1, 'acme', 17);
INSERT INTO hr.staff VALUES (1, 'acme');
SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'employee', category => 'health', access => 'functions');
SELECT toms.protect('hr.booking', tenant => 'tenant', subject => 'employee');
SELECT toms.protect('hr.staff', tenant => 'tenant');
SELECT toms.permit('carried_hr', t, '{select}', '{absence_management,staff_planning}', scope => 'tenant')
FROM unnest('{hr.absence,hr.booking,hr.staff}'::regclass[]) t;
SELECT toms.bind_purpose(f, 'absence_management') FROM unnest('{hr.absences(),hr.changed()}'::regprocedure[]) f;
SELECT toms.separate('hr.booking', 'hr.staff', unless => '{continued_pay}');
CREATE OR REPLACE FUNCTION hr.changed() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT 7 FROM hr.absence';
SQL

# What comes of each statement, for a purpose: rows, or the reason code.
sub verdicts
{
	my ($in, $database) = @_;
	my @said;
	foreach my $try (
		[ 'absence_management', 'SELECT id FROM hr.absence' ],
		[ 'absence_management', 'SELECT hr.absences()' ],
		[ 'absence_management', 'SELECT hr.changed()' ],
		[ 'absence_management', 'SELECT count(*) FROM hr.booking' ],
		[ 'absence_management', 'SELECT count(*) FROM hr.booking JOIN hr.staff USING (tenant)' ],
		[ 'staff_planning', 'SELECT count(*) FROM hr.staff' ],
		[ 'performance_evaluation', 'SELECT count(*) FROM hr.staff' ])
	{
		my ($purpose, $statement) = @$try;
		my ($code, $out, $err) = $in->psql($database,
			"\\set VERBOSITY verbose\nBEGIN; SELECT toms.enter('acme', '1', 'carried_hr', '$purpose') \\g /dev/null\n$statement;\nCOMMIT;",
			extra_params => [ '-U', 'carried_job' ], on_error_stop => 1);
		my ($reason) = $err =~ /CONSTRAINT NAME:\s+(\w+)/;
		push @said, "$purpose, $statement: " . ($code == 0 ? $out : $reason // $err);
	}
	return join "\n", @said;
}

my $expected = join "\n",
  'absence_management, SELECT id FROM hr.absence: toms_access_function',
  'absence_management, SELECT hr.absences(): 1',
  'absence_management, SELECT hr.changed(): toms_access_function',
  'absence_management, SELECT count(*) FROM hr.booking: 1',
  'absence_management, SELECT count(*) FROM hr.booking JOIN hr.staff USING (tenant): toms_separated',
  'staff_planning, SELECT count(*) FROM hr.staff: toms_purpose_aggregate',
  'performance_evaluation, SELECT count(*) FROM hr.staff: toms_purpose_excluded';
is(verdicts($node, 'postgres'), $expected, 'before');

# a dump, restored into another database
{
	local %ENV = ($node->_get_env, PGOPTIONS => '-c toms.reason=dump');     # with the server's own programs
	my $file = $node->basedir . '/dump';
	command_ok([ 'pg_dump', '-Fc', '-f', $file, 'postgres' ], 'dumped');
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	command_ok([ 'pg_restore', '--exit-on-error', '-d', 'restored', $file ], 'restored');
}
is(verdicts($node, 'restored'), $expected, 'after dump and restore');
is($node->safe_psql('restored', 'SELECT string_agg(function || CASE WHEN intact THEN \' intact\' ELSE \' changed\' END, \', \' ORDER BY function::text) FROM toms.access_functions'),
	'hr.absences() intact, hr.changed() changed', 'the restored functions are as they were bound, or not, as before');

# pg_upgrade
my $new = new_node('new');
unmark($node);
$node->stop;
my ($ok, $said) = pg_upgrade($node, $new);
ok($ok, 'upgraded') or diag $said;
$new->start;
is(verdicts($new, 'postgres'), $expected, 'after pg_upgrade');
is(verdicts($new, 'restored'), $expected, 'after dump, restore and pg_upgrade');

done_testing();
