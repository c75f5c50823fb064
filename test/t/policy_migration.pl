# A migration tool changes protected tables: as a role with BYPASSRLS that states a reason it does
# what it did before; anybody else is told what is missing, and nothing is done by halves.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $keyring = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $keyring or die "$keyring: $!";
my $node = PostgreSQL::Test::Cluster->new('migration');
$node->init;
$node->append_conf('postgresql.conf', "toms.keyring = '$keyring'");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION toms;
	CREATE ROLE owner LOGIN;
	CREATE ROLE migration LOGIN BYPASSRLS IN ROLE owner;
	CREATE SCHEMA hr AUTHORIZATION owner;
	SET SESSION AUTHORIZATION owner;
	CREATE TABLE hr.schema_migration (version text PRIMARY KEY);
	CREATE TABLE hr.absence (id integer PRIMARY KEY, tenant_id text NOT NULL, employee_id integer NOT NULL);
	CREATE TABLE hr.absence_day (id integer, absence_id integer NOT NULL REFERENCES hr.absence);
	CREATE TABLE hr.booking (id integer, tenant_id text NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
	CREATE TABLE hr.booking_2025 PARTITION OF hr.booking FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
	CREATE TABLE hr.booking_rest PARTITION OF hr.booking DEFAULT;
	INSERT INTO hr.absence VALUES (1, 'acme', 17), (2, 'acme', 18), (3, 'globex', 17);
	INSERT INTO hr.absence_day VALUES (4, 1), (5, 2), (6, 3);
	INSERT INTO hr.booking VALUES (7, 'acme', '2025-05-01'), (8, 'globex', '2024-05-01');
	RESET SESSION AUTHORIZATION;
	SELECT toms.protect('hr.absence', tenant => 'tenant_id', subject => 'employee_id');
	SELECT toms.protect('hr.absence_day', parent => 'hr.absence', parent_key => 'absence_id');
	SELECT toms.protect('hr.booking', tenant => 'tenant_id')});

# A program's standard error, or nothing if it succeeds.
sub complaint
{
	my ($options, @command) = @_;
	local $ENV{PGOPTIONS} = $options;
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	my ($out, $err) = ('', '');
	return IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err) ? '' : $err;
}

# One migration as tools run it: a file in one transaction, with their own record of it.
sub migrate
{
	my ($login, $options, $version, $statements) = @_;
	my $file = "$dir/$version.sql";
	unlink $file;
	append_to_file($file, "$statements;\nINSERT INTO hr.schema_migration VALUES ('$version');\n");
	return complaint($options, 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '--single-transaction', '-U', $login, '-d', 'postgres', '-f', $file);
}

sub statement
{
	my ($login, $options, $statement) = @_;
	return complaint($options, 'psql', '-Xq', '-U', $login, '-d', 'postgres', '-c', $statement);
}

my $reason = '-c toms.reason=release\\ 42';
my @tables = ('absence', 'absence_day', 'booking');
my $columns = q{SELECT count(*) FROM pg_attribute WHERE attname = 'checked' AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'hr'::regnamespace)};
my %backfill = map { $_ => "ALTER TABLE hr.$_ ADD COLUMN checked boolean; UPDATE hr.$_ SET checked = true; ALTER TABLE hr.$_ ALTER COLUMN checked SET NOT NULL" } @tables;

# Who may not, is told; the owner is not left with a migration that changed no row.
foreach my $table (@tables)
{
	my $said = migrate('owner', '', "no_$table", $backfill{$table});
	like($said, qr/access to "$table" refused: no context is set.*a migration runs as a role with BYPASSRLS, with toms\.reason set/s,
		"the owner's migration of $table is refused and says how it is done");
	like(migrate('owner', $reason, "no_$table", $backfill{$table}), qr/no context is set/, 'also with a reason');
	like(migrate('migration', '', "no_$table", $backfill{$table}), qr/administrative access needs a stated reason.*PGOPTIONS=/s,
		'that of a role with BYPASSRLS needs a reason, and says how a program states it');
}
is($node->safe_psql('postgres', "$columns UNION ALL SELECT count(*) FROM hr.schema_migration"), "0\n0", 'nothing is left of them');

# Who may, does.
foreach my $table (@tables)
{
	is(migrate('migration', $reason, "backfill_$table", $backfill{$table}), '', "a column of $table is added, filled and made NOT NULL");
}
is($node->safe_psql('postgres', q{SET toms.reason = 'test';
	SELECT count(checked) FROM hr.absence UNION ALL SELECT count(checked) FROM hr.absence_day UNION ALL SELECT count(checked) FROM hr.booking}),
	"3\n3\n2", 'for the rows of all tenants');
ok(slurp_file($node->logfile) =~ /toms administrative access: table=hr\.$_ verbs=update login=migration user=migration reason=release 42/,
	"the update of $_ is on record with its reason") foreach @tables;

# Indexes built while others write, outside of a transaction
is(statement('migration', $reason, 'CREATE INDEX CONCURRENTLY checked_idx ON hr.absence (tenant_id, checked)'), '', 'an index is built concurrently');
is(statement('owner', '', 'CREATE INDEX CONCURRENTLY employee_idx ON hr.absence (employee_id)'), '', 'on plain columns by the owner too');
like(statement('owner', '', q{CREATE INDEX CONCURRENTLY sum_idx ON hr.absence ((id + employee_id))}), qr/refused.*BYPASSRLS and toms\.reason/s,
	'but not on an expression, which would be run over all rows');
like(statement('migration', '', q{CREATE INDEX CONCURRENTLY sum_idx ON hr.absence ((id + employee_id))}), qr/refused.*BYPASSRLS and toms\.reason/s, 'nor without a reason');
is(statement('migration', $reason, q{CREATE INDEX CONCURRENTLY sum_idx ON hr.absence ((id + employee_id))}), '', 'the migration may, with one');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_index WHERE indrelid = 'hr.absence'::regclass AND indisvalid}), '4', 'all are valid');

# More that tools write
is(migrate('migration', $reason, 'retype', q{
	ALTER TABLE hr.absence ALTER COLUMN tenant_id TYPE varchar(40), ALTER COLUMN employee_id TYPE bigint;
	ALTER TABLE hr.absence ADD CONSTRAINT positive CHECK (employee_id > 0) NOT VALID;
	ALTER TABLE hr.absence VALIDATE CONSTRAINT positive;
	ALTER TABLE hr.absence_day RENAME COLUMN absence_id TO absence;
	ALTER TABLE hr.absence RENAME TO leave;
	CREATE TABLE hr.booking_2026 PARTITION OF hr.booking FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
	ALTER TABLE hr.booking_2026 OWNER TO owner}), '', 'retype, CHECK, renames, a new partition');
is($node->safe_psql('postgres', q{SELECT string_agg(format('%s %s', relation, intact), ', ' ORDER BY relation::text) FROM toms.protected_tables}),
	'hr.absence_day t, hr.booking t, hr.booking_2025 t, hr.booking_2026 t, hr.booking_rest t, hr.leave t', 'all is protected as before');
like(statement('owner', '', "SELECT FROM hr.$_"), qr/no context is set/, "$_ is closed to its owner") foreach 'leave', 'absence_day', 'booking_2026';

# Tools that switch row security off, to see every row or none
like(statement('owner', '-c row_security=off', 'SELECT FROM hr.leave'), qr/refused: no context is set|would be affected by row-level security/,
	'row_security = off opens nothing');
foreach my $options ([], [ '--enable-row-security' ])
{
	like(complaint($reason, 'pg_dump', '-U', 'owner', '-n', 'hr', '-f', "$dir/dump", @$options, 'postgres'), qr/no context is set|would be affected by row-level security/,
		join(' ', 'pg_dump', @$options) . ' of the owner fails instead of leaving rows out');
}
is(complaint($reason, 'pg_dump', '-U', 'migration', '-n', 'hr', '-f', "$dir/dump", 'postgres'), '', 'that of the migration role succeeds');
is(scalar(grep { /^\d+\t/ } split /\n/, slurp_file("$dir/dump")), 8, 'with all rows');

$node->stop;
done_testing();
