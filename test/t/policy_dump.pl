# A database with protected tables is dumped and restored: only with a stated reason, and with
# everything that protects it; at no step of the restore is a table open.
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
use UpgradeTest;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $keyring = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $keyring or die $!;

# Database "source" is the first server's, which may be an older one; those restored are the other's.
my $source = PostgreSQL::Test::Cluster->new('source', of_older());
my $node = PostgreSQL::Test::Cluster->new('dump');
foreach ($source, $node)
{
	$_->init;
	$_->append_conf('postgresql.conf', "toms.keyring = '$keyring'\nmax_worker_processes = 40\ntoms.audit_queues = 20");
	$_->start;
}
sub node_of { return $_[0] eq 'source' ? $source : $node }

# What a statement says to a log-in: its rows, or its error.
sub say_to
{
	my ($login, $database, $statements) = @_;
	my ($code, $out, $err) = node_of($database)->psql($database, $statements, extra_params => [ '-U', $login ], on_error_stop => 1);
	return $code == 0 ? $out : $err;
}

# A client program with or without a reason; returns (succeeded, standard error).
sub program
{
	my ($reason, @command) = @_;
	local $ENV{PGOPTIONS} = defined $reason ? '-c toms.reason=' . ($reason =~ s/ /\\ /gr) : '';
	my $at = node_of($command[-1]);
	local $ENV{PGHOST} = $at->host;
	local $ENV{PGPORT} = $at->port;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err);
	return ($ok, $err);
}

# Whose rows each role must see: HR all of the tenant, the employee with key 17 his own where the
# table has persons. hr.orphan has lost its parent table.
my %expected = (
	#                      HR of acme  employee    HR of globex  employee
	'hr.sick_note'    => [ '1,2',      '1',        '3',          '3' ],
	'hr.booking'      => [ '4,5',      '4',        '6',          '6' ],
	'hr.booking_2025' => [ '4',        '4',        '6',          '6' ],
	'hr.had_policies' => [ '7',        '7',        '9',          '9' ],
	'hr.person'       => [ '17,18',    '17',       '17',         '17' ],
	'hr.letter'       => [ '10,11',    '10',       '12',         '12' ],
	'hr."Case"'       => [ '20',       '20',       '21',         '21' ],
	'hr.step'         => [ '30',       '30',       '31',         '31' ],
	'hr."step, note"' => [ '40,41',    '40',       '42',         '42' ],
	'hr.attachment'   => [ '50,52,53', '50,52',    '51,54',      '51,54' ],
	'hr.holiday'      => [ '60,61',    '60,61',    '60,62',      '60,62' ],
	'hr.absence'      => [ '70,71,72', '71',       '73,74',      '74' ],
	'hr.draft'        => [ '80,81',    '80,81',    '80,81',      '80,81' ],     # observed only
	'hr.orphan'       => [ ('55000') x 4 ],
);
my @tables = sort keys %expected;
my $expected = join '', map { "$_: @{$expected{$_}}\n" } @tables;

# The rows, or the SQLSTATE of a refusal, that a job gets after toms.enter().
sub seen
{
	my ($database) = @_;
	my $script = "\\set ON_ERROR_ROLLBACK on\n";
	for my $tenant ('acme', 'globex')
	{
		for my $role ('dump_hr', 'dump_employee')
		{
			$script .= "BEGIN;\nSELECT FROM toms.enter('$tenant', '17', '$role', 'absence_management') \\g /dev/null\n";
			$script .= "SELECT coalesce(string_agg(id::text, ',' ORDER BY id), 'none') AS ids FROM $_ \\gset\n\\if :ERROR\n\\echo :SQLSTATE\n\\else\n\\echo :ids\n\\endif\n"
			  foreach @tables;
			$script .= "COMMIT;\n";
		}
	}
	my ($code, $out, $err) = node_of($database)->psql($database, $script, extra_params => [ '-U', 'dump_job' ], on_error_stop => 0);
	my @lines = split /\n/, $out;
	return join '', map { my $i = $_; "$tables[$i]: @lines[map { $i + $_ * @tables } 0 .. 3]\n" } 0 .. $#tables;
}

# What the tables answer without a context, to the job, which has the privileges, and to the owner.
sub is_closed
{
	my ($database, $when, $sqlstate) = @_;
	my @closed = grep { $_ ne 'hr.draft' } @tables, 'hr.booking_rest';
	for my $login ('dump_job', 'dump_owner')
	{
		my ($code, $out) = node_of($database)->psql($database, join('', map { "SELECT FROM $_ \\g /dev/null\n\\echo '$_' :SQLSTATE\n" } @closed),
			extra_params => [ '-U', $login ], on_error_stop => 0);
		is($out, join("\n", map { "$_ " . ($_ eq 'hr.orphan' ? '55000' : $sqlstate) } @closed), "every table refuses $login $when");
	}
}

# Everything that a restore has to bring back, as text.
my %content = (
	labels => q{SELECT objoid::regclass, attname, label FROM pg_seclabel LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid AND attnum > 0},
	policies => q{SELECT polrelid::regclass, polname, polcmd, polpermissive, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid) FROM pg_policy},
	'row security' => q{SELECT oid::regclass, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relnamespace = 'hr'::regnamespace AND relkind IN ('r', 'p')},
	privileges => q{SELECT oid::regclass, relowner::regrole, ARRAY(SELECT unnest(relacl)::text ORDER BY 1) FROM pg_class
		WHERE relnamespace = 'hr'::regnamespace AND relkind IN ('r', 'p')},
	'privileges of the lookup role' => q{SELECT attrelid::regclass, attname, attacl FROM pg_attribute WHERE attacl::text LIKE '%toms_lookup%'},
	lookups => q{SELECT c.oid::regclass, relowner::regrole, reloptions, ARRAY(SELECT unnest(relacl)::text ORDER BY 1), pg_get_viewdef(c.oid)
		FROM pg_class c WHERE relkind = 'v' AND relname LIKE 'parent\_%'},
	protection => q{SELECT relation, mode, tenant, subject, category, intact, root, CASE WHEN relation <> 'hr.orphan'::regclass THEN parents END, parent_key, null_tenant
		FROM toms.protected_tables},
	map { $_ => "SELECT * FROM toms.$_" } 'row_labels', 'labelled_columns', 'tenant', 'category', 'enabled_category', 'instruction', 'instruction_event', 'trusted_function', 'protection_history',
		'purpose', 'statistics', 'statistic_definition', 'statistic_mark', 'statistic_cell');

# What names a table or a role that is not there any more stays behind.
my %gone = (
	permission => 'relation NOT IN (SELECT oid FROM pg_class) OR role NOT IN (SELECT oid FROM pg_roles)',
	parent => 'child NOT IN (SELECT oid FROM pg_class) OR parent NOT IN (SELECT oid FROM pg_class) OR lookup NOT IN (SELECT oid FROM pg_class)',
	subject_alias => 'relation NOT IN (SELECT oid FROM pg_class)',
	officer => 'role NOT IN (SELECT oid FROM pg_roles)',
	enter_permission => 'login NOT IN (SELECT oid FROM pg_roles)',
);
$content{$_} = "SELECT * FROM toms.$_ WHERE NOT ($gone{$_})" foreach keys %gone;

sub content
{
	my ($database) = @_;
	my $script = join '', map { "\\echo ==$_\nSELECT x FROM ($content{$_}) x ORDER BY x::text COLLATE \"C\";\n" } sort keys %content;
	my %said = node_of($database)->safe_psql($database, "SET timezone = UTC;\n$script") =~ /^==(.+)\n((?:(?!==).*\n?)*)/mg;
	return { map { ($_ => in_older_words($said{$_})) } keys %said };
}

sub gone
{
	my ($database) = @_;
	return node_of($database)->safe_psql($database, join ' UNION ALL ', map { "SELECT '$_' WHERE EXISTS (SELECT FROM toms.$_ WHERE $gone{$_})" } sort keys %gone);
}

# The database of an application
$_->safe_psql('postgres', q{
	CREATE ROLE dump_employee;
	CREATE ROLE dump_hr;
	CREATE ROLE dump_owner LOGIN;
	CREATE ROLE dump_job LOGIN IN ROLE dump_employee, dump_hr;
	CREATE ROLE dump_officer LOGIN;
	CREATE ROLE dump_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data}) foreach $source, $node;
$source->safe_psql('postgres', $_) foreach 'CREATE ROLE dump_gone LOGIN', 'CREATE DATABASE source';
$node->safe_psql('postgres', "CREATE DATABASE $_") foreach 'target', 'plain', 'half', 'bare', 'part', 'other';
$source->safe_psql('source', q{
	CREATE EXTENSION toms;
	CREATE SCHEMA hr AUTHORIZATION dump_owner;
	GRANT USAGE ON SCHEMA hr TO PUBLIC;
	SET SESSION AUTHORIZATION dump_owner;
	CREATE TABLE hr.sick_note (id integer PRIMARY KEY, gone integer, tenant_id text NOT NULL, employee_id integer NOT NULL);
	INSERT INTO hr.sick_note VALUES (1, 0, 'acme', 17), (2, 0, 'acme', 18), (3, 0, 'globex', 17);
	ALTER TABLE hr.sick_note DROP COLUMN gone;
	CREATE TABLE hr.sick_note_old (remark text) INHERITS (hr.sick_note);
	CREATE TABLE hr.booking (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
	CREATE TABLE hr.booking_2025 PARTITION OF hr.booking FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (tenant_id);
	CREATE TABLE hr.booking_2025_acme PARTITION OF hr.booking_2025 FOR VALUES IN ('acme');
	CREATE TABLE hr.booking_2025_other PARTITION OF hr.booking_2025 DEFAULT;
	CREATE TABLE hr.booking_rest (gone integer, day date NOT NULL, employee_id integer NOT NULL, tenant_id text NOT NULL, id integer);
	ALTER TABLE hr.booking_rest DROP COLUMN gone;
	ALTER TABLE hr.booking ATTACH PARTITION hr.booking_rest DEFAULT;
	INSERT INTO hr.booking VALUES (4, 'acme', 17, '2025-05-01'), (5, 'acme', 18, '2024-05-01'), (6, 'globex', 17, '2025-05-01');
	CREATE TABLE hr.had_policies (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL, place text);
	INSERT INTO hr.had_policies VALUES (7, 'acme', 17), (8, 'acme', 17), (9, 'globex', 17);
	ALTER TABLE hr.had_policies ENABLE ROW LEVEL SECURITY;
	CREATE POLICY zz_of_the_application ON hr.had_policies FOR SELECT USING (id <> 8);
	CREATE POLICY a_of_the_application ON hr.had_policies FOR INSERT WITH CHECK (true);
	CREATE TABLE hr.person (gone integer, id integer, login text UNIQUE, tenant_id text NOT NULL, UNIQUE (tenant_id, id));
	INSERT INTO hr.person VALUES (0, 17, 'ann', 'acme'), (0, 18, 'bob', 'acme'), (0, 17, 'carl', 'globex');
	ALTER TABLE hr.person DROP COLUMN gone;
	CREATE TABLE hr.place (place text PRIMARY KEY);     -- of all tenants
	INSERT INTO hr.place VALUES ('Ulm');
	CREATE TABLE hr.letter (id integer PRIMARY KEY, tenant_id text NOT NULL, "Author" text, place text DEFAULT 'Ulm' REFERENCES hr.place);
	INSERT INTO hr.letter VALUES (10, 'acme', 'ann'), (11, 'acme', 'bob'), (12, 'globex', 'carl');
	CREATE TABLE hr."Case" (id integer PRIMARY KEY, gone integer, "Tenant Id" text NOT NULL);
	INSERT INTO hr."Case" VALUES (20, 0, 'acme'), (21, 0, 'globex');
	ALTER TABLE hr."Case" DROP COLUMN gone;
	CREATE TABLE hr.step (gone integer, id integer PRIMARY KEY, "Case" integer NOT NULL REFERENCES hr."Case");
	INSERT INTO hr.step VALUES (0, 30, 20), (0, 31, 21);
	ALTER TABLE hr.step DROP COLUMN gone;
	CREATE TABLE hr."step, note" (id integer, step_id integer NOT NULL REFERENCES hr.step, employee_id integer);
	INSERT INTO hr."step, note" VALUES (40, 30, 17), (41, 30, 18), (42, 31, 17);
	CREATE TABLE hr.attachment (id integer, owner_type text NOT NULL, owner_id integer NOT NULL, employee_id integer);
	INSERT INTO hr.attachment VALUES (50, 'Case', 20, 17), (51, 'Case', 21, 17), (52, 'Letter', 10, 17), (53, 'Letter', 11, 18), (54, 'Letter', 12, 17),
		(55, 'Other', 20, 17);
	CREATE TABLE hr.holiday (id integer, tenant_id text);
	INSERT INTO hr.holiday VALUES (60, NULL), (61, 'acme'), (62, 'globex');
	CREATE TYPE hr.kind AS ENUM ('SICK', 'LEAVE');
	CREATE TABLE hr.absence (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL, kind hr.kind, note text);
	INSERT INTO hr.absence VALUES (70, 'acme', 17, 'SICK'), (71, 'acme', 17, 'LEAVE'), (72, 'acme', 18, 'SICK'), (73, 'globex', 17, 'SICK'), (74, 'globex', 17, 'LEAVE');
	CREATE TABLE hr.draft (id integer, tenant_id text NOT NULL);
	INSERT INTO hr.draft VALUES (80, 'acme'), (81, 'globex');
	GRANT SELECT ON hr.draft TO dump_hr, dump_employee;
	CREATE TABLE hr.doomed (id integer PRIMARY KEY, login text UNIQUE, tenant_id text NOT NULL, kind text);
	INSERT INTO hr.doomed VALUES (1, 'dora', 'acme', 'SICK');
	CREATE TABLE hr.orphan (id integer, doomed_id integer);
	INSERT INTO hr.orphan VALUES (90, 1);
	CREATE TABLE hr.open (id integer);
	INSERT INTO hr.open VALUES (1);
	RESET SESSION AUTHORIZATION;
	SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG'), toms.add_tenant('gone', name => 'Gone Ltd');
	UPDATE toms.tenant SET ended_at = now() WHERE tenant = 'gone';
	SELECT toms.add_category('union_membership', description => 'trade-union membership', article9 => true);
	SELECT toms.trust_function('enum_eq(anyenum,anyenum)', reason => 'kinds of absence');
	SELECT toms.grant_officer(role, 'admin') FROM unnest('{dump_officer,dump_gone}'::regrole[]) role;
	SELECT toms.allow_enter(login, '{acme,globex}', '{dump_hr,dump_employee}') FROM unnest('{dump_job,dump_gone}'::regrole[]) login;
	SET SESSION AUTHORIZATION dump_officer;
	SELECT toms.protect('hr.sick_note', tenant => 'tenant_id', subject => 'employee_id', category => 'health');
	SELECT toms.protect('hr.booking', tenant => 'tenant_id', subject => 'employee_id', category => 'union_membership');
	SELECT toms.protect('hr.had_policies', tenant => 'tenant_id', subject => 'employee_id');
	SELECT toms.label_column('hr.had_policies', 'place', category => 'location', optional => true);
	SELECT toms.protect('hr.person', tenant => 'tenant_id', subject => 'id');
	SELECT toms.add_subject_alias('hr.person', canonical => 'id', alias => 'login');
	SELECT toms.protect('hr.letter', tenant => 'tenant_id', subject => 'Author', subject_alias => 'hr.person.login');
	SELECT toms.protect('hr."Case"', tenant => 'Tenant Id');
	SELECT toms.protect('hr.step', parent => 'hr."Case"', parent_key => 'Case');
	SELECT toms.protect('hr."step, note"', parent => 'hr.step', parent_key => 'step_id', subject => 'employee_id');
	SELECT toms.protect('hr.attachment', parent => 'hr."Case"', parent_key => 'owner_id', type_column => 'owner_type', type_value => 'Case', subject => 'employee_id');
	SELECT toms.add_parent('hr.attachment', 'hr.letter', type_value => 'Letter');
	SELECT toms.protect('hr.holiday', tenant => 'tenant_id', null_tenant => 'shared');
	SELECT toms.protect('hr.absence', tenant => 'tenant_id', subject => 'employee_id');
	SELECT toms.label_rows('hr.absence', condition => $$kind = 'SICK'$$, category => 'health');
	SELECT toms.protect('hr.draft', tenant => 'tenant_id', mode => 'observe');
	SELECT toms.protect('hr.doomed', tenant => 'tenant_id', subject => 'id');
	SELECT toms.label_rows('hr.doomed', condition => $$kind = 'SICK'$$, category => 'health');
	SELECT toms.add_subject_alias('hr.doomed', canonical => 'id', alias => 'login');
	SELECT toms.protect('hr.orphan', parent => 'hr.doomed', parent_key => 'doomed_id');
	SELECT toms.permit(r, p.root, '{select}', '{absence_management}', scope => CASE WHEN r = 'dump_employee'::regrole AND p.subject IS NOT NULL THEN 'own' ELSE 'tenant' END,
					   categories => CASE WHEN p.root = 'hr.absence'::regclass AND r = 'dump_hr'::regrole THEN '{health,personal}'::text[] END)
	FROM toms.protected_tables p, unnest('{dump_hr,dump_employee,dump_gone}'::regrole[]) r WHERE p.root = p.relation;
	SET SESSION AUTHORIZATION dump_owner;
	GRANT SELECT ON hr.booking_2025 TO dump_hr, dump_employee;
	SET SESSION AUTHORIZATION dump_officer;
	SELECT toms.permit('dump_hr', 'hr.sick_note', '{delete}', '{absence_management}', scope => 'tenant');
	SELECT toms.forbid('dump_hr', 'hr.sick_note', verbs => '{delete}');
	SELECT toms.confirm_instruction(toms.record_instruction('acme', kind => 'erase', given_by => 'D. Manager', wording => 'Erase 17.'));
	SELECT toms.confirm_instruction(i), toms.enable_category('acme', 'location', instruction => i)
	FROM toms.record_instruction('acme', kind => 'enable_category', given_by => 'D. Manager', wording => 'Where we are.') i;
	RESET SESSION AUTHORIZATION;
	DROP OWNED BY dump_gone;
	DROP ROLE dump_gone;
	SET toms.reason = 'migration';
	DROP TABLE hr.doomed CASCADE;
	SELECT toms.add_purpose('planning', description => 'planning', legal_basis => 'Art. 89(1) GDPR', granularity => 'aggregate', min_group => 3);
	SELECT toms.permit('dump_hr', 'hr.absence', '{select}', '{planning}', scope => 'tenant', categories => '{health,personal}');
	SELECT toms.add_statistic('absences', 'hr.absence', dimensions => '{kind}', measure => 'id', purpose => 'planning')});
my $statistic = q{BEGIN; SELECT FROM toms.enter('acme', '17', 'dump_hr', 'planning'); SELECT dimensions, suppressed FROM toms.statistic('absences'); COMMIT};
like(say_to('dump_job', 'source', $statistic), qr/^\{\}\|t$/m, 'a statistic is published, if only as nothing');
is(seen('source'), $expected, 'each role sees its rows before the dump');
is_closed('source', 'before the dump', '28000');
is($source->safe_psql('source', q{SELECT conrelid::regclass, confrelid::regclass FROM pg_constraint WHERE contype = 'f' AND connamespace = 'toms'::regnamespace}),
	'', 'tables of toms refer to no others, since workers of pg_restore fill them in any order');
isnt(gone('source'), '', "there are declarations for what is gone: @{[gone('source') =~ s/\n/ /gr]}");
my $before = content('source');
isnt($before->{$_} // '', '', "to compare: $_") foreach sort keys %content;

# Dump
unmark($source);
my ($ok, $err) = program(undef, 'pg_dump', '-Fc', '-f', "$dir/custom", 'source');
ok(!$ok, 'pg_dump without a reason is refused');
like($err, qr/administrative access needs a stated reason/, 'and says so');
($ok, $err) = program('nightly dump', 'pg_dump', '-U', 'dump_backup', '-Fc', '-f', "$dir/custom", 'source');
ok($ok, 'pg_dump with a reason succeeds, for a role that may read all and is no superuser') or diag $err;
ok(slurp_file($source->logfile) =~ /toms administrative access: table=hr\.sick_note verbs=select login=dump_backup user=dump_backup reason=nightly dump/,
	'the dump is on record with its reason');
($ok, $err) = program('nightly dump', 'pg_dump', '-f', "$dir/plain", 'source');
ok($ok, 'pg_dump as plain text succeeds') or diag $err;

# Restore, into databases where other tables have come and gone, so that nothing has its old number
($ok, $err) = program(undef, 'pg_restore', '-d', 'target', "$dir/custom");
like($err, qr/administrative access needs a stated reason/, 'pg_restore without a reason cannot fill protected tables');
$node->safe_psql('postgres', 'DROP DATABASE target');
$node->safe_psql('postgres', 'CREATE DATABASE target');
$node->safe_psql($_, 'CREATE TABLE a (b integer); CREATE TABLE c (d integer); DROP TABLE a') foreach 'target', 'plain';
($ok, $err) = program('restore test', 'pg_restore', '--exit-on-error', '-j', 2, '-d', 'target', "$dir/custom");
ok($ok, 'pg_restore -j 2 with a reason succeeds') or diag $err;
($ok, $err) = program('restore test', 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain", 'plain');
ok($ok, 'psql with a reason restores plain text') or diag $err;

my $numbers = q{SELECT attrelid::oid, attname, attnum FROM pg_attribute WHERE attrelid IN ('hr.person'::regclass, 'hr."Case"'::regclass, 'hr.step'::regclass) AND attnum > 0 ORDER BY 1, 2};
foreach my $database ('target', 'plain')
{
	isnt($node->safe_psql($database, $numbers), $source->safe_psql('source', $numbers), "tables and columns have other numbers in $database");
	my $after = content($database);
	is($after->{$_}, $before->{$_}, "as before in $database: $_") foreach sort keys %content;
	is(gone($database), '', "nothing is declared in $database for what is gone");
	is(seen($database), $expected, "each role sees the same rows in $database");
	is_closed($database, "in $database", '28000');
	like(say_to('dump_owner', $database, 'ALTER TABLE hr.sick_note ADD COLUMN diagnosis text'), qr/closed types only/, "health data takes no free text in $database");
}

# What was published is the answer, and no period is published again.
$node->safe_psql('target', q{SET toms.reason = 'test'; INSERT INTO hr.absence SELECT n, 'acme', n, 'SICK' FROM generate_series(100, 110) n});
like(say_to('dump_job', 'target', $statistic), qr/^\{\}\|t$/m, 'a restored statistic answers what it has published');
$node->safe_psql('target', q{SET toms.reason = 'test'; DELETE FROM hr.absence WHERE id >= 100});

# What comes after is counted on from where it was.
is($node->safe_psql('target', q{SELECT toms.permit('dump_hr', 'hr.sick_note', '{update}', '{absence_management}', scope => 'tenant') > max(id) FROM toms.permissions}),
	't', 'a new permission gets a new number');
cmp_ok($node->safe_psql('target', q{SELECT toms.forbid('dump_hr', 'hr.sick_note')}), '>', 0, 'restored permissions can be ended');
like(say_to('dump_job', 'target', q{BEGIN; SELECT toms.enter('acme', '17', 'dump_hr', 'absence_management'); SELECT FROM hr.sick_note}),
	qr/no permission for this table/, 'and are');
$node->safe_psql('target', q{SELECT toms.unprotect('hr.had_policies', reason => 'test')});
is($node->safe_psql('target', q{SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'hr.had_policies'::regclass}),
	't|f', 'unprotect() after a restore brings back what was before protect()');
$node->safe_psql('plain', q{
	SET toms.reason = 'migration';
	ALTER TABLE hr."Case" ALTER COLUMN "Tenant Id" TYPE varchar(20);
	ALTER TABLE hr.step RENAME COLUMN "Case" TO case_id;
	ALTER TABLE hr.person ALTER COLUMN login TYPE varchar(20);
	ALTER TABLE hr.absence DROP COLUMN note});
is(seen('plain'), $expected, 'columns of restored tables are retyped, renamed and dropped');
is($node->safe_psql('plain', q{SELECT in_force FROM toms.trusted_functions}), 'f', 'trust in a built-in function is not restored, and told so');
$node->safe_psql('plain', q{SELECT toms.trust_function('enum_eq(anyenum,anyenum)', reason => 'restored')});
is($node->safe_psql('plain', q{SELECT bool_or(in_force) FROM toms.trusted_functions}), 't', 'until it is stated again');

# Step by step: nothing is open in between.
foreach my $section ('pre-data', 'data')
{
	($ok, $err) = program('restore test', 'pg_restore', '--exit-on-error', "--section=$section", '-d', 'half', "$dir/custom");
	ok($ok, "section $section is restored") or diag $err;
	# in a copy: what is refused puts the trail in use, which a restore must come before
	$node->safe_psql('postgres', 'CREATE DATABASE half_way TEMPLATE half');
	is_closed('half_way', "after section $section", '55000');
	is(say_to('dump_owner', 'half_way', 'SELECT count(*) FROM hr.open'), '1', 'a table that is not protected is open at once') if $section eq 'data';
	$node->safe_psql('postgres', 'DROP DATABASE half_way');
}
($ok, $err) = program('restore test', 'pg_restore', '--exit-on-error', '--section=post-data', '-d', 'half', "$dir/custom");
ok($ok, 'section post-data is restored') or diag $err;
is(seen('half'), $expected, 'each role sees the same rows after the last step');

# Without permissions, parents and aliases, whatever rows there are: closed.
my %lost = map { $_ => '55000' } 'hr.step', 'hr."step, note"', 'hr.attachment', 'hr.orphan';
my $closed = join '', map { my $is = $_ eq 'hr.draft' ? 'none' : $lost{$_} // '42501'; "$_: $is $is $is $is\n" } @tables;
my $enter = q{
	SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
	SELECT toms.allow_enter('dump_job', '{acme,globex}', '{dump_hr,dump_employee}');
	SET toms.reason = 'test';
};

# The schema first, then the rows, into a database whose trail has recorded nothing yet.
foreach my $part ('schema', 'data')
{
	($ok, $err) = program('nightly dump', 'pg_dump', "--$part-only", '-f', "$dir/$part", 'source');
	ok($ok, "pg_dump --$part-only succeeds") or diag $err;
}
($ok, $err) = program('restore test', 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/schema", 'bare');
ok($ok, 'the schema is restored') or diag $err;
$node->safe_psql('postgres', 'CREATE DATABASE filled TEMPLATE bare');
$node->safe_psql('filled', "$enter INSERT INTO hr.sick_note VALUES (1, 'acme', 17); INSERT INTO hr.holiday VALUES (60, NULL)");
is(seen('filled'), $closed, 'and is closed to every role');
($ok, $err) = program('restore test', 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/data", 'bare');
ok($ok, 'the rows are restored') or diag $err;
is(seen('bare'), $expected, 'each role sees the same rows with them');
$node->safe_psql('filled', q{SET toms.reason = 'test'; DELETE FROM hr.sick_note; DELETE FROM hr.holiday; DELETE FROM toms.enter_permission; DELETE FROM toms.tenant; DELETE FROM toms.key_epoch});
($ok, $err) = program('restore test', 'psql', '-X', '-1', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/data", 'filled');
like($err, qr/access to "\w+" refused: the audit trail is written by toms alone/, 'where the trail is in use already, it takes no other one\'s entries');

# A part of the database comes without what the other parts declare.
($ok, $err) = program('move', 'pg_dump', '-n', 'hr', '-f', "$dir/part", 'source');
ok($ok, 'pg_dump of one schema succeeds') or diag $err;
$node->safe_psql('part', "CREATE EXTENSION toms; $enter");
program('move', 'psql', '-X', '-f', "$dir/part", 'part');
is(seen('part'), $closed =~ s/^hr\.draft: .*/hr.draft: @{$expected{'hr.draft'}}/mr, 'what is restored is closed to every role');
$node->safe_psql('part', q{
	SELECT toms.protect('hr.step', parent => 'hr."Case"', parent_key => 'Case');
	SELECT toms.permit(role, relation, '{select}', '{absence_management}', scope => 'tenant')
	FROM unnest('{dump_hr,dump_employee}'::regrole[]) role, (VALUES ('hr.step'::regclass), ('hr."Case"'), ('hr.holiday')) v (relation)});
is(seen('part'), join('', map { /^(hr\.draft|hr\.step|hr\."Case"|hr\.holiday):/ ? "$1: @{$expected{$1}}\n" : $_ } split /^/, $closed),
	'until it is protected and permitted there');

# The number of an alias means nothing where another one is declared.
$node->safe_psql('part', q{
	CREATE TABLE hr.customer (id integer, code text UNIQUE, tenant_id text NOT NULL, UNIQUE (tenant_id, id));
	INSERT INTO hr.customer VALUES (17, 'bob', 'acme');
	SELECT toms.protect('hr.customer', tenant => 'tenant_id');
	SELECT toms.add_subject_alias('hr.customer', canonical => 'id', alias => 'code');
	SELECT toms.permit('dump_employee', 'hr.letter', '{select}', '{absence_management}')});
like(seen('part'), qr/^hr\.letter: 42501 55000 42501 55000$/m, 'an alias of another database is nobody\'s, and what is missing is told');

# Without owners and privileges of the other server
($ok, $err) = program('restore test', 'pg_restore', '--exit-on-error', '--no-owner', '--no-acl', '-d', 'other', "$dir/custom");
ok($ok, 'pg_restore --no-owner --no-acl succeeds') or diag $err;
$node->safe_psql('other', q{
	GRANT USAGE ON SCHEMA hr TO dump_job;
	GRANT SELECT ON hr.booking_2025, hr.draft TO dump_hr, dump_employee;
	GRANT EXECUTE ON FUNCTION toms.enter(text, text, text, text, text, interval, boolean) TO dump_job;
	SELECT toms.permit(role, relation, verbs, purposes, scope, categories) FROM toms.permission WHERE valid_until IS NULL});
is(seen('other'), join('', map { /^(hr\.(?:step|"step, note"|attachment)):/ ? "$1: 42501 42501 42501 42501\n" : $_ } split /^/, $expected),
	'what has a parent is closed, the rest open to whom it is permitted again');
$node->safe_psql('other', q{
	SELECT toms.protect('hr.step', parent => 'hr."Case"', parent_key => 'Case');
	SELECT toms.protect('hr."step, note"', parent => 'hr.step', parent_key => 'step_id', subject => 'employee_id');
	SELECT toms.protect('hr.attachment', parent => 'hr."Case"', parent_key => 'owner_id', type_column => 'owner_type', type_value => 'Case', subject => 'employee_id');
	SELECT toms.add_parent('hr.attachment', 'hr.letter', type_value => 'Letter')});
is(seen('other'), $expected, 'the same declarations open it as before');

# A database is replaced, table by table before its trail is in use, or as a whole.
$node->safe_psql('postgres', 'CREATE DATABASE replaced');
($ok, $err) = program('restore test', 'pg_restore', '--exit-on-error', '-d', 'replaced', "$dir/custom");
ok($ok, 'it is restored') or diag $err;
($ok, $err) = program('disaster', 'pg_restore', '--exit-on-error', '--clean', '--if-exists', '-d', 'replaced', "$dir/custom");
ok($ok, 'pg_restore --clean succeeds') or diag $err;
is(seen('replaced'), $expected, 'each role sees the same rows, none twice');
$source->stop;
$source = $node;
$source->safe_psql('postgres', 'CREATE DATABASE source');
($ok, $err) = program('disaster', 'pg_restore', '--exit-on-error', '--clean', '--create', '-d', 'postgres', "$dir/custom");
ok($ok, 'pg_restore --clean --create succeeds') or diag $err;
is(seen('source'), $expected, 'each role sees the same rows in the new database');

$node->stop;
done_testing();
