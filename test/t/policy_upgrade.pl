# pg_upgrade takes protected tables of every form to a new data directory: with the library loaded
# on both sides, and nothing is open, lost or somebody else's afterwards.
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

my $old = new_node('old', of_older());
my $new = new_node('new');

# Whose rows each role must see: HR all of the tenant, the employee with key 17 his own where the
# table has persons.
my %expected = (
	#                     HR of acme  employee    HR of globex  employee
	'hr.person'      => [ '17,18',    '17',       '17',         '17' ],
	'hr.note'        => [ '1,2',      '1',        '3',          '3' ],
	'hr.contract'    => [ '4',        '4',        '5',          '5' ],
	'hr.clause'      => [ '6',        '6',        '7',          '7' ],
	'hr."Clause Text"' => [ '8,9',      '8',        '10',         '10' ],
	'hr.attachment'  => [ '11,13',    '11,13',    '12,14',      '12,14' ],
	'hr.holiday'     => [ '16,17',    '16,17',    '16,18',      '16,18' ],
	'hr.absence'     => [ '19,20,21', '20',       '22',         '22' ],
	'hr.booking'     => [ '23,24',    '23',       '25',         '25' ],
	'hr.document'    => [ '26,28',    '26,28',    '27,29',      '27,29' ],
	'zz.last'        => [ '30',       '30',       '31',         '31' ],
	'hr.orphan'      => [ ('55000') x 4 ],
);
my @tables = sort keys %expected;
my $expected = join '', map { "$_: @{$expected{$_}}\n" } @tables;

# The rows, or the SQLSTATE of a refusal, that a job gets after toms.enter().
sub seen
{
	my ($node) = @_;
	my %seen;
	for my $tenant ('acme', 'globex')
	{
		for my $role ('upgrade_hr', 'upgrade_employee')
		{
			my $script = "\\set ON_ERROR_ROLLBACK on\nBEGIN;\nSELECT FROM toms.enter('$tenant', '17', '$role', 'personnel') \\g /dev/null\n";
			$script .= "SELECT string_agg(id::text, ',' ORDER BY id) AS ids FROM $_ \\gset\n\\if :ERROR\n\\echo :SQLSTATE\n\\else\n\\echo :ids\n\\endif\n"
			  foreach @tables;
			my ($code, $out) = $node->psql('app', "$script COMMIT;", extra_params => [ '-U', 'upgrade_job' ], on_error_stop => 0);
			my @lines = split /\n/, $out;
			push @{ $seen{$_} }, shift @lines // 'nothing' foreach @tables;
		}
	}
	return join '', map { "$_: @{$seen{$_}}\n" } @tables;
}

# Without a context no table answers: not the job, which has the privileges, and not the owner.
sub is_closed
{
	my ($node, $when) = @_;
	for my $login ('upgrade_job', 'upgrade_owner')
	{
		my ($code, $out) = $node->psql('app', join('', map { "SELECT FROM $_ \\g /dev/null\n\\echo '$_' :SQLSTATE\n" } @tables),
			extra_params => [ '-U', $login ], on_error_stop => 0);
		is($out, join("\n", map { "$_ " . ($_ eq 'hr.orphan' ? '55000' : '28000') } @tables), "without a context $login is refused by every table $when");
	}
}

# Everything that makes up the protection, as text.
my %content = (
	labels => q{SELECT objoid::regclass, attname, label FROM pg_seclabel LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid AND attnum > 0},
	policies => q{SELECT polrelid::regclass, polname, polcmd, polpermissive, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid) FROM pg_policy},
	'row security and privileges' => q{SELECT oid::regclass, relowner::regrole, relrowsecurity, relforcerowsecurity, relacl FROM pg_class
		WHERE relnamespace IN ('hr'::regnamespace, 'zz'::regnamespace)},
	lookups => q{SELECT c.oid::regclass, relowner::regrole, reloptions, relacl, pg_get_viewdef(c.oid) FROM pg_class c JOIN toms.parent ON lookup = c.oid},
	protection => 'SELECT * FROM toms.protected_tables',
	map { $_ => "SELECT * FROM toms.$_" } 'parent', 'subject_alias', 'row_labels', 'permission', 'tenant', 'enter_permission', 'officer', 'protection_history');

sub content
{
	my ($node) = @_;
	my $script = join '', map { "\\echo ==$_\nSELECT x FROM ($content{$_}) x ORDER BY x::text COLLATE \"C\";\n" } sort keys %content;
	my %said = $node->safe_psql('app', "SET timezone = UTC;\n$script") =~ /^==(.+)\n((?:(?!==).*\n?)*)/mg;
	return { map { ($_ => in_older_words($said{$_})) } keys %said };
}

$old->start;
$old->safe_psql('postgres', q{
	CREATE ROLE upgrade_owner LOGIN;
	CREATE ROLE upgrade_hr;
	CREATE ROLE upgrade_employee;
	CREATE ROLE upgrade_job LOGIN IN ROLE upgrade_hr, upgrade_employee;
	CREATE ROLE upgrade_officer LOGIN;
	CREATE DATABASE app});
$old->safe_psql('app', q{
	CREATE EXTENSION toms;
	CREATE SCHEMA hr AUTHORIZATION upgrade_owner;
	CREATE SCHEMA zz AUTHORIZATION upgrade_owner;       -- restored after schema toms
	GRANT USAGE ON SCHEMA hr, zz TO PUBLIC;
	SET SESSION AUTHORIZATION upgrade_owner;
	CREATE TABLE hr.person (id integer, gone text, login text UNIQUE, tenant text NOT NULL, UNIQUE (tenant, id));
	INSERT INTO hr.person VALUES (17, NULL, 'ann', 'acme'), (18, NULL, 'bob', 'acme'), (17, NULL, 'carl', 'globex');
	ALTER TABLE hr.person DROP COLUMN gone;
	CREATE TABLE hr.note (id integer, tenant text NOT NULL, author text);
	INSERT INTO hr.note VALUES (1, 'acme', 'ann'), (2, 'acme', 'bob'), (3, 'globex', 'carl');
	CREATE TABLE hr.contract (id integer PRIMARY KEY, tenant text NOT NULL);
	INSERT INTO hr.contract VALUES (4, 'acme'), (5, 'globex');
	CREATE TABLE hr.clause (id integer PRIMARY KEY, contract_id integer NOT NULL REFERENCES hr.contract);
	INSERT INTO hr.clause VALUES (6, 4), (7, 5);
	CREATE TABLE hr."Clause Text" (id integer, "Clause" integer NOT NULL REFERENCES hr.clause, person_id integer);
	INSERT INTO hr."Clause Text" VALUES (8, 6, 17), (9, 6, 18), (10, 7, 17);
	CREATE TABLE hr.attachment (id integer, owner_type text NOT NULL, owner_id integer NOT NULL);
	INSERT INTO hr.attachment VALUES (11, 'contract', 4), (12, 'contract', 5), (13, 'clause', 6), (14, 'clause', 7), (15, 'other', 4);
	CREATE TABLE hr.holiday (id integer, tenant text);
	INSERT INTO hr.holiday VALUES (16, NULL), (17, 'acme'), (18, 'globex');
	CREATE DOMAIN hr.word AS text;
	CREATE TABLE hr.kind (kind hr.word PRIMARY KEY);       -- of all tenants
	INSERT INTO hr.kind VALUES ('SICK'), ('LEAVE');
	CREATE TABLE hr.absence (id integer, tenant text NOT NULL, person_id integer NOT NULL, kind hr.word);
	INSERT INTO hr.absence VALUES (19, 'acme', 17, 'SICK'), (20, 'acme', 17, 'LEAVE'), (21, 'acme', 18, 'LEAVE'), (22, 'globex', 17, 'LEAVE');
	CREATE TABLE hr.booking (id integer, tenant text NOT NULL, person_id integer NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
	CREATE TABLE hr.booking_2025 PARTITION OF hr.booking FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (tenant);
	CREATE TABLE hr.booking_2025_rest PARTITION OF hr.booking_2025 DEFAULT;
	CREATE TABLE hr.booking_rest (gone text, day date NOT NULL, person_id integer NOT NULL, tenant text NOT NULL, id integer);
	ALTER TABLE hr.booking_rest DROP COLUMN gone;
	ALTER TABLE hr.booking ATTACH PARTITION hr.booking_rest DEFAULT;
	INSERT INTO hr.booking VALUES (23, 'acme', 17, '2025-05-01'), (24, 'acme', 18, '2024-05-01'), (25, 'globex', 17, '2025-05-01');
	CREATE TABLE hr.document (id integer, gone text, tenant text NOT NULL);
	CREATE TABLE hr.letter (sent date) INHERITS (hr.document);
	ALTER TABLE hr.document DROP COLUMN gone;
	INSERT INTO hr.document VALUES (26, 'acme'), (27, 'globex');
	INSERT INTO hr.letter VALUES (28, 'acme'), (29, 'globex');
	CREATE TABLE zz.last (id integer, gone text, tenant text NOT NULL CHECK (tenant <> ''), long text GENERATED ALWAYS AS (tenant || '!') STORED);
	INSERT INTO zz.last VALUES (30, NULL, 'acme'), (31, NULL, 'globex');
	ALTER TABLE zz.last DROP COLUMN gone;
	ALTER TABLE zz.last ENABLE ROW LEVEL SECURITY;
	CREATE POLICY of_the_application ON zz.last FOR SELECT USING (id > 0);
	CREATE TABLE hr.doomed (id integer PRIMARY KEY, tenant text NOT NULL);
	INSERT INTO hr.doomed VALUES (1, 'acme');
	CREATE TABLE hr.orphan (id integer, doomed_id integer);
	INSERT INTO hr.orphan VALUES (32, 1);
	RESET SESSION AUTHORIZATION;
	SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
	SELECT toms.grant_officer('upgrade_officer', 'admin');
	SELECT toms.allow_enter('upgrade_job', '{acme,globex}', '{upgrade_hr,upgrade_employee}');
	SET SESSION AUTHORIZATION upgrade_officer;
	SELECT toms.protect('hr.person', tenant => 'tenant', subject => 'id');
	SELECT toms.add_subject_alias('hr.person', canonical => 'id', alias => 'login');
	SELECT toms.protect('hr.note', tenant => 'tenant', subject => 'author', subject_alias => 'hr.person.login');
	SELECT toms.protect('hr.contract', tenant => 'tenant');
	SELECT toms.protect('hr.clause', parent => 'hr.contract', parent_key => 'contract_id');
	SELECT toms.protect('hr."Clause Text"', parent => 'hr.clause', parent_key => 'Clause', subject => 'person_id');
	SELECT toms.protect('hr.attachment', parent => 'hr.contract', parent_key => 'owner_id', type_column => 'owner_type', type_value => 'contract');
	SELECT toms.add_parent('hr.attachment', 'hr.clause', type_value => 'clause');
	SELECT toms.protect('hr.holiday', tenant => 'tenant', null_tenant => 'shared');
	SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'person_id');
	SELECT toms.label_rows('hr.absence', condition => $$kind = 'SICK'$$, category => 'health');
	SELECT toms.protect('hr.booking', tenant => 'tenant', subject => 'person_id');
	SELECT toms.protect('hr.document', tenant => 'tenant');
	SELECT toms.protect('zz.last', tenant => 'tenant');
	SELECT toms.protect('hr.doomed', tenant => 'tenant');
	SELECT toms.protect('hr.orphan', parent => 'hr.doomed', parent_key => 'doomed_id');
	SELECT toms.permit('upgrade_hr', p.root, '{select}', '{personnel}', scope => 'tenant', categories => '{personal,health}')
	FROM toms.protected_tables p WHERE p.root = p.relation;
	SELECT toms.permit('upgrade_employee', p.root, '{select}', '{personnel}', scope => CASE WHEN p.subject IS NULL THEN 'tenant' ELSE 'own' END)
	FROM toms.protected_tables p WHERE p.root = p.relation;
	RESET SESSION AUTHORIZATION;
	SET toms.reason = 'migration';
	DROP TABLE hr.doomed CASCADE;
	-- what an administrator alone can make
	CREATE INDEX ON hr.absence (tenant, lower(kind));
	CREATE STATISTICS hr.kinds ON tenant, lower(kind) FROM hr.absence;
	ALTER TABLE hr.absence ADD FOREIGN KEY (kind) REFERENCES hr.kind, ADD CHECK (id > 0) NOT VALID, ADD EXCLUDE USING btree ((id * 10) WITH =);
	ALTER DOMAIN hr.word ADD CHECK (VALUE <> '') NOT VALID;
	CREATE RULE kept AS ON DELETE TO zz.last DO INSTEAD NOTHING;
	CREATE RULE copied AS ON INSERT TO hr.kind DO ALSO INSERT INTO hr.note VALUES (0, 'acme', NEW.kind);
	CREATE MATERIALIZED VIEW hr.days AS SELECT day FROM hr.booking;
	CREATE PUBLICATION of_notes FOR TABLE hr.note;
	CREATE FUNCTION hr.count() RETURNS bigint LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT count(*) FROM hr.note; END;
	ALTER TABLE hr.orphan SET UNLOGGED});
is(seen($old), $expected, 'each role sees its rows before the upgrade');
is_closed($old, 'before the upgrade');
my $before = content($old);
isnt($before->{$_}, '', "to compare: $_") foreach sort keys %content;
unmark($old);
$old->stop;

# A new server without the library is found by the check, before anything has been done.
my $conf = slurp_file($new->data_dir . '/postgresql.conf');
$new->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
my ($ok, $said) = pg_upgrade($old, $new, '--check');
ok(!$ok, 'pg_upgrade --check refuses a new server that does not load the library');
like($said, qr/could not load library "\$libdir\/toms": ERROR:  toms must be loaded by shared_preload_libraries/, 'and says what is missing');
$new->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'toms'");

($ok, $said) = pg_upgrade($old, $new);
ok($ok, 'pg_upgrade with the library succeeds, and asks for no reason') or diag $said;
$new->start;
is(seen($new), $expected, 'each role sees the same rows after the upgrade');
is_closed($new, 'after the upgrade');
my $after = content($new);
is($after->{$_}, $before->{$_}, "as before: $_") foreach sort keys %content;
is($new->safe_psql('app', q{SELECT string_agg(relation::text, ',') FROM toms.protected_tables WHERE NOT intact}), 'hr.orphan', 'every table is intact that was');
command_ok([ 'vacuumdb', '-h', $new->host, '-p', $new->port, '--all', '--analyze-in-stages' ], 'what pg_upgrade asks to be run needs no reason');

# Life goes on.
is($new->safe_psql('app', q{SELECT toms.permit('upgrade_hr', 'hr.note', '{delete}', '{personnel}', scope => 'tenant') > max(id) FROM toms.permission}),
	't', 'a new permission gets a new number');
$new->safe_psql('app', q{
	SET SESSION AUTHORIZATION upgrade_owner;
	CREATE TABLE hr.booking_2026 PARTITION OF hr.booking FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')});
is($new->safe_psql('app', q{SELECT root, intact FROM toms.protected_tables WHERE relation = 'hr.booking_2026'::regclass}),
	'hr.booking|t', 'a new partition is protected with its table');
$new->safe_psql('app', q{
	SET toms.reason = 'migration';
	ALTER TABLE hr.contract ALTER COLUMN tenant TYPE varchar(20);
	ALTER TABLE hr.clause RENAME COLUMN contract_id TO contract;
	SELECT toms.unlabel_rows('hr.absence', 'health')});
is(seen($new), $expected =~ s/^hr\.absence: .*/hr.absence: 19,20,21 19,20 22 22/mr, 'columns are retyped and renamed, labels of rows ended');

$new->stop;
done_testing();
