# Without shared_preload_libraries there is no extension, and no row of a protected table.
#
# The promise: toms works from the start of the server or not at all. CREATE EXTENSION says
# what to do; and when a server with protected tables comes up without the library, the
# application gets errors, never rows, whatever it sets; back with the library all is as before.
#
# TEMP_CONFIG brings shared_preload_libraries; this test takes it away again.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('preload');

sub restart_with
{
	my ($libraries) = @_;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$libraries'\n");
	$node->restart;
	return;
}

# What psql prints for a script that a log-in runs, and what it complains about.
sub run_as
{
	my ($login, $script, $options) = @_;
	local $ENV{PGOPTIONS} = $options // '';
	my ($out, $err);
	$node->psql('postgres', $script, stdout => \$out, stderr => \$err, on_error_stop => 0,
		extra_params => [ '-U', $login ]);
	return ($out, $err);
}

# Refused: no output at all, and an error that matches.
sub refuses
{
	my ($login, $script, $error, $name, $options) = @_;
	my ($out, $err) = run_as($login, $script, $options);
	is($out, '', "$name: no row");
	like($err, $error, "$name: an error");
	return;
}

my $context = "BEGIN; SELECT toms.enter('acme', '17', 'employee', 'absence_management') \\g /dev/null\n";

$node->init;
$node->append_conf('postgresql.conf', "toms.keyring = '" . $node->basedir . "/keyring'\n");
mkdir $node->basedir . '/keyring', 0700 or die $!;

subtest 'a server without the library' => sub {
	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
	$node->start;
	my ($out, $err) = run_as(scalar getpwuid($<), "\\set VERBOSITY verbose\nCREATE EXTENSION toms;\n");
	like($err, qr/55000: toms must be loaded by shared_preload_libraries/, 'CREATE EXTENSION is refused: 55000');
	like($err, qr/HINT: .*shared_preload_libraries in postgresql\.conf and restart/, 'and says what to do');
	($out, $err) = run_as(scalar getpwuid($<), "LOAD 'toms';\n");
	like($err, qr/toms must be loaded by shared_preload_libraries/, 'LOAD is refused');
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'toms'"), '0', 'nothing is left behind');
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_namespace WHERE nspname = 'toms'"), '0', 'no schema either');
};

restart_with('toms');
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
SELECT toms.add_tenant('globex', name => 'Globex AG');
CREATE ROLE employee;
CREATE ROLE owner LOGIN;
CREATE ROLE app LOGIN IN ROLE employee;
CREATE ROLE migration LOGIN BYPASSRLS;
SELECT toms.allow_enter('app', '{acme}', '{employee}');
CREATE SCHEMA hr AUTHORIZATION owner;
GRANT USAGE ON SCHEMA hr TO app, employee, migration;
SET ROLE owner;
CREATE TABLE hr.absence (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL);
CREATE TABLE hr.booking (id integer, tenant text NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE hr.booking_1 PARTITION OF hr.booking FOR VALUES FROM (0) TO (100);
INSERT INTO hr.absence VALUES (1, 'acme', 17), (2, 'acme', 18), (3, 'globex', 17);
INSERT INTO hr.booking VALUES (1, 'acme'), (2, 'globex');
CREATE VIEW hr.absence_view AS SELECT * FROM hr.absence;
CREATE FUNCTION hr.absence_function() RETURNS SETOF hr.absence LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM hr.absence';
GRANT ALL ON hr.absence, hr.booking, hr.booking_1, hr.absence_view TO app, migration;
RESET ROLE;
SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'employee');
SELECT toms.protect('hr.booking', tenant => 'tenant');
SELECT toms.permit('employee', 'hr.absence', '{select}', '{absence_management}', 'own');
SQL

sub works_as_before
{
	my ($when) = @_;
	is((run_as('app', "$context SELECT id FROM hr.absence;"))[0], '1', "$when: the own row, in a context");
	refuses('app', 'SELECT id FROM hr.absence', qr/no context is set/, "$when: without a context");
	refuses('owner', 'SELECT id FROM hr.absence', qr/no context is set/, "$when: the owner");
	refuses('migration', 'SELECT id FROM hr.absence', qr/needs a stated reason/, "$when: a role with BYPASSRLS");
	is((run_as('migration', "SET toms.reason = 'test'; SELECT count(*) FROM hr.absence;"))[0], '3', "$when: with a stated reason");
	return;
}

works_as_before('with the library');

my %forms = (
	'select' => 'SELECT * FROM hr.absence;',
	'select count' => 'SELECT count(*) FROM hr.absence;',
	'select by key' => 'SELECT * FROM hr.absence WHERE id = 3;',
	'view' => 'SELECT * FROM hr.absence_view;',
	'function of the owner' => 'SELECT * FROM hr.absence_function();',
	'partitioned table' => 'SELECT * FROM hr.booking;',
	'partition' => 'SELECT * FROM hr.booking_1;',
	'cursor' => "BEGIN; DECLARE c CURSOR FOR SELECT * FROM hr.absence; FETCH ALL FROM c;",
	'copy' => 'COPY hr.absence TO STDOUT;',
	'update' => 'UPDATE hr.absence SET id = id RETURNING *;',
	'delete' => 'DELETE FROM hr.absence RETURNING *;',
	'insert' => "INSERT INTO hr.absence VALUES (9, 'acme', 17) RETURNING *;",
	'after a caught error' => "DO \$\$ BEGIN PERFORM * FROM hr.absence; EXCEPTION WHEN OTHERS THEN NULL; END \$\$; SELECT * FROM hr.absence;");
my %settings = (
	'' => '',
	' and a made-up token' => "SET toms.token = 'eyJhbGciOiJFZERTQSJ9.e30.AA'; SET toms.purpose = 'absence_management';\n",
	' and a reason' => "SET toms.reason = 'because';\n",
	' and no error wanted' => "SET toms.on_missing_context = 'empty'; SET toms.session_context = on;\n",
	' and row_security off' => "SET row_security = off;\n");

subtest 'the server restarted without it' => sub {
	restart_with('');
	foreach my $login ('app', 'owner')
	{
		foreach my $form (sort keys %forms)
		{
			refuses($login, $settings{$_} . $forms{$form}, qr/ERROR: .*(toms must be loaded|row-level security)/, "$login, $form$_")
			  for sort keys %settings;
		}
	}
	refuses('app', $forms{select}, qr/toms must be loaded/, 'app, settings at the start',
		'-c toms.token=x -c toms.reason=because -c toms.on_missing_context=empty');
	refuses('app', "LOAD 'toms'; $forms{select}", qr/toms must be loaded|access to library/, 'app, LOAD');
	# what the library cannot do when it is not there: PostgreSQL asks these for no policy
	is((run_as('migration', 'SELECT count(*) FROM hr.absence'))[0], '3', 'a role with BYPASSRLS reads, as PostgreSQL has it');
};

subtest 'back with the library' => sub {
	restart_with('toms');
	works_as_before('afterwards');
};

subtest 'what the owner changed in the meantime closes the table' => sub {
	restart_with('');
	my (undef, $err) = run_as('owner', 'ALTER TABLE hr.absence NO FORCE ROW LEVEL SECURITY; ALTER POLICY toms_select ON hr.booking_1 USING (true);');
	is($err, '', 'without the library nothing keeps the owner from his own row security');
	restart_with('toms');
	my $closed = qr/protection of the table is not complete/;
	refuses('app', "$context SELECT id FROM hr.absence;", $closed, 'app, in a context');
	refuses('app', 'SELECT id FROM hr.absence', $closed, 'app, without one');
	refuses('owner', 'SELECT id FROM hr.absence', $closed, 'owner');
	refuses('owner', 'SELECT id FROM hr.booking_1', $closed, 'owner, a partition whose policy was widened');
	is($node->safe_psql('postgres', 'SELECT string_agg(relation::text, $$ $$ ORDER BY relation::text) FROM toms.protected_tables WHERE NOT intact'),
		'hr.absence hr.booking_1', 'toms.protected_tables names them');
	$node->safe_psql('postgres', "SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'employee')");
	$node->safe_psql('postgres', "SELECT toms.protect('hr.booking', tenant => 'tenant')");
	works_as_before('protected anew');
};

$node->stop;
done_testing();
