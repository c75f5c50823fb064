# An application as it is without toms, its protection in every form, and what pg_dump tells of it: for
# the tests that take toms away again.
#
#   create_application($node);
#   my $before = dump_of($node);
#   protect_application($node);
package RemovalTest;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT_OK = qw(create_application protect_application dump_of);

# Definitions, policies, privileges, comments, rows.
sub dump_of
{
	my ($node) = @_;
	my ($out, $err) = run_command([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-U', 'postgres', '--schema', 'hr', 'app' ]);
	return join "\n", grep { !/^(?:--|\\(?:un)?restrict )/ } split /\n/, $out;
}

sub create_application
{
	my ($node) = @_;
	$node->safe_psql('postgres', 'CREATE ROLE owner LOGIN; CREATE ROLE hr; CREATE ROLE app LOGIN IN ROLE hr; CREATE ROLE officer LOGIN; CREATE DATABASE app');
	$node->safe_psql('app', q{
		CREATE SCHEMA hr AUTHORIZATION owner;
		GRANT USAGE ON SCHEMA hr TO PUBLIC;
		SET ROLE owner;
		CREATE TABLE hr.employee (id integer PRIMARY KEY, login text NOT NULL UNIQUE, tenant text NOT NULL, UNIQUE (tenant, id));
		CREATE TABLE hr.note (id integer PRIMARY KEY, tenant text NOT NULL, author text, said text);
		CREATE TABLE hr.agreement (id integer PRIMARY KEY, tenant text NOT NULL);
		CREATE TABLE hr.clause (id integer PRIMARY KEY, agreement_id integer NOT NULL REFERENCES hr.agreement, person_id integer);
		CREATE TABLE hr.booking (id integer, tenant text NOT NULL, person_id integer NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
		CREATE TABLE hr.booking_2025 PARTITION OF hr.booking FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
		CREATE TABLE hr.booking_rest PARTITION OF hr.booking DEFAULT;
		CREATE TABLE hr.document (id integer PRIMARY KEY, tenant text NOT NULL, kind text);
		CREATE TABLE hr.letter (sent date) INHERITS (hr.document);
		CREATE TABLE hr.absence (id integer PRIMARY KEY, tenant text NOT NULL, person_id integer NOT NULL, kind text, days integer);
		CREATE TABLE hr.watched (id integer PRIMARY KEY, tenant text NOT NULL);
		COMMENT ON TABLE hr.note IS 'what was said';
		COMMENT ON COLUMN hr.note.said IS 'as it was said';
		-- policies of the application's own, row security off, on and forced
		ALTER TABLE hr.document ENABLE ROW LEVEL SECURITY;
		CREATE POLICY mine ON hr.document FOR SELECT TO hr USING (id > 0);
		ALTER TABLE hr.absence ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
		CREATE POLICY mine ON hr.absence AS RESTRICTIVE USING (days IS NOT NULL);
		CREATE POLICY all_of_it ON hr.absence USING (true);
		CREATE POLICY asleep ON hr.note USING (false);
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hr TO hr;
		GRANT SELECT (id) ON hr.note TO PUBLIC;
		CREATE FUNCTION hr.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER stamp BEFORE INSERT ON hr.note FOR EACH ROW EXECUTE FUNCTION hr.stamp();
		CREATE FUNCTION hr.roll() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT count(*) FROM hr.absence';
		CREATE VIEW hr.days WITH (security_invoker) AS SELECT person_id, sum(days) AS days FROM hr.absence GROUP BY 1;
		INSERT INTO hr.employee VALUES (17, 'ann', 'acme'), (18, 'bob', 'globex');
		INSERT INTO hr.note VALUES (1, 'acme', 'ann', 'yes'), (2, 'globex', 'bob', 'no');
		INSERT INTO hr.agreement VALUES (4, 'acme'); INSERT INTO hr.clause VALUES (6, 4, 17);
		INSERT INTO hr.booking VALUES (7, 'acme', 17, '2025-05-01'), (8, 'globex', 18, '2024-05-01');
		INSERT INTO hr.document VALUES (9, 'acme', 'a'); INSERT INTO hr.letter VALUES (10, 'globex', 'b', '2025-01-01');
		INSERT INTO hr.absence VALUES (11, 'acme', 17, 'SICK', 3);
		INSERT INTO hr.watched VALUES (12, 'acme')});
	return;
}

sub protect_application
{
	my ($node) = @_;
	$node->safe_psql('app', q{
		CREATE EXTENSION toms;
		SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
		SELECT toms.grant_officer('officer', 'admin');
		SELECT toms.add_purpose('roll_call', description => 'roll call', legal_basis => 'Art. 6(1)(b) GDPR');
		ALTER ROLE app IN DATABASE app SET toms.purpose = 'roll_call';
		SET SESSION AUTHORIZATION officer;
		SELECT toms.protect('hr.employee', tenant => 'tenant', subject => 'id');
		SELECT toms.add_subject_alias('hr.employee', canonical => 'id', alias => 'login');
		SELECT toms.protect('hr.note', tenant => 'tenant', subject => 'author', subject_alias => 'hr.employee.login');
		SELECT toms.protect('hr.agreement', tenant => 'tenant');
		SELECT toms.protect('hr.clause', parent => 'hr.agreement', parent_key => 'agreement_id', subject => 'person_id');
		SELECT toms.protect('hr.booking', tenant => 'tenant', subject => 'person_id');
		SELECT toms.protect('hr.document', tenant => 'tenant');
		SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'person_id');
		SELECT toms.protect('hr.watched', tenant => 'tenant', mode => 'observe');
		SELECT toms.label_rows('hr.absence', condition => $$kind = 'SICK'$$, category => 'health');
		SELECT toms.label_column('hr.note', 'said', 'health');
		SELECT toms.separate('hr.note', 'hr.booking');
		SELECT toms.bind_purpose('hr.roll()', 'roll_call');
		SELECT toms.permit('hr', p.root, '{select,insert,update,delete}', '{roll_call}', scope => 'tenant', categories => '{personal,health}')
		FROM toms.protected_tables p WHERE p.root = p.relation AND p.mode = 'enforce';
		SELECT toms.retain('hr.booking', keep => '10 years', since => 'day')});
	return;
}

1;
