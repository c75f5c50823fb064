# What the scripts about sealed values share: a server with a keyring, a protected table with a
# column of each sealed type, and an application that writes and reads with a token of a tenant.
#
#   use SealTest;
#   my $node = sealed_server('name', $keyring);
#   create_sealed($node, 'app');
#   as_tenant($node, 'app', 'acme', "INSERT INTO med.note ...");
#   is(opened($node, 'app'), ...);
package SealTest;

use strict;
use warnings;
use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TomsTest qw(new_keys mint);

our @EXPORT = qw(sealed_server add_roles create_sealed read_without_keys keyring token as_tenant as_migration fill opened stored program);

my $keys;    # that sign tokens; the same for all servers of a script
my %token;

# An empty keyring.
sub keyring
{
	my $keyring = PostgreSQL::Test::Utils::tempdir();
	chmod 0700, $keyring or die "$keyring: $!";
	return $keyring;
}

# A server that has not been started; init: how, and install_path of another PostgreSQL.
sub sealed_server
{
	my ($name, $keyring, %init) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, map { $_ => delete $init{$_} } grep { $_ eq 'install_path' } keys %init);
	my $settings = delete $init{settings} // '';
	if (!$keys)
	{
		$keys = PostgreSQL::Test::Utils::tempdir();
		new_keys($keys);
	}
	$node->init(%init);
	$node->append_conf('postgresql.conf', "toms.keyring = '$keyring'\ntoms.jwks_file = '$keys/jwks.json'\nwal_retrieve_retry_interval = 100ms\n$settings");
	return $node;
}

# The roles of a cluster: "hr" is permitted the tables, the application acts as it, the migration passes row security.
sub add_roles
{
	my ($node) = @_;
	$node->safe_psql('postgres', q{
		CREATE ROLE owner;
		CREATE ROLE hr;
		CREATE ROLE app LOGIN IN ROLE hr;
		ALTER ROLE app SET client_min_messages = error;     -- tokens stand in the statements' text here
		CREATE ROLE migration LOGIN BYPASSRLS IN ROLE owner});
	return;
}

# A database of two tenants. said, in med.visit, is a partition's column too.
sub create_sealed
{
	my ($node, $database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	$node->safe_psql($database, q{
		SET client_min_messages = warning;
		CREATE EXTENSION toms;
		SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
		SELECT toms.add_code_catalogue('colours', '{red,blue}'), toms.add_code_catalogue('kinds', '{sickness,nursing,vacation}');
		CREATE SCHEMA med AUTHORIZATION owner;
		GRANT USAGE ON SCHEMA med TO hr, migration;
		SET SESSION AUTHORIZATION owner;
		CREATE TABLE med.note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, sick toms.health_flag,
			kind toms.health_code('kinds'), since toms.health_date, said toms.sealed_text, scan toms.sealed_bytea, plain text);
		CREATE TABLE med.visit (id integer, tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL, said toms.sealed_text) PARTITION BY RANGE (day);
		CREATE TABLE med.visit_2025 PARTITION OF med.visit FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
		CREATE TABLE med.visit_rest PARTITION OF med.visit DEFAULT;
		GRANT ALL ON ALL TABLES IN SCHEMA med TO hr, migration;
		RESET SESSION AUTHORIZATION;
		SELECT toms.protect(t, tenant => 'tenant', subject => 'employee', category => 'health') FROM unnest('{med.note,med.visit}'::regclass[]) t;
		SELECT toms.permit('hr', t, '{select,insert,update,delete}', '{absence_management}', 'tenant')
		FROM unnest('{med.note,med.visit}'::regclass[]) t});
	return;
}

# Reads go on without the keys of who reads: strict ones, which are the rule for health data, do not.
sub read_without_keys
{
	my ($node, $database) = @_;
	$node->safe_psql($database, q{SET client_min_messages = warning; SET toms.reason = 'test';
		SELECT toms.protect(t, tenant => 'tenant', subject => 'employee', category => 'health', read_audit => 'asynchronous', reason => 'test')
		FROM unnest('{med.note,med.visit}'::regclass[]) t});
	return;
}

# What statements say: rows, or the error.
sub say_to
{
	my ($node, $login, $database, $statements) = @_;
	my ($code, $out, $err) = $node->psql($database, $statements, extra_params => [ '-U', $login ], on_error_stop => 1);
	return $code == 0 ? $out : $err;
}

# The token of hr of a tenant.
sub token
{
	my ($tenant) = @_;
	return $token{$tenant} //= mint($keys, tenant => $tenant);
}

sub as_tenant
{
	my ($node, $database, $tenant, $statements) = @_;
	my $token = token($tenant);
	return say_to($node, 'app', $database, "BEGIN;\nSET LOCAL toms.token = '$token';\n$statements;\nCOMMIT;");
}

sub as_migration
{
	my ($node, $database, $statements) = @_;
	return say_to($node, 'migration', $database, "SET toms.reason = 'test';\n$statements;");
}

# Rows of both tenants: an empty text, one that is stored out of line, nothing at all, a partition's.
sub fill
{
	my ($node, $database) = @_;
	my $said = as_tenant($node, $database, 'acme', q{
		INSERT INTO med.note VALUES (1, 'acme', 17, true, 'sickness', '2026-01-02', 'Grüße aus Köln', '\x00ff', 'plain'), (2, 'acme', 18, false, 'vacation', 'infinity', '', '', NULL);
		INSERT INTO med.note (id, tenant, employee, said) SELECT 3, 'acme', 17, string_agg(md5(i::text), ' ') FROM generate_series(1, 2000) i;
		INSERT INTO med.note (id, tenant, employee) VALUES (4, 'acme', 19);
		INSERT INTO med.visit VALUES (10, 'acme', 17, '2025-05-01', 'in a partition'), (11, 'acme', 18, '2024-05-01', 'in another')})
	  . as_tenant($node, $database, 'globex', q{
		INSERT INTO med.note VALUES (5, 'globex', 17, false, 'nursing', '1999-12-31', 'a note of globex', '\x01');
		INSERT INTO med.visit VALUES (12, 'globex', 17, '2025-05-01', 'of globex')});
	die "fill: $said" if $said ne '';
	return;
}

# Every value that each tenant can open, or the error that it gets.
sub opened
{
	my ($node, $database) = @_;
	return join "\n", map { as_tenant($node, $database, $_, q{
		SELECT id, tenant, toms.reveal(sick), toms.reveal(kind), toms.reveal(since), left(toms.reveal(said), 20), toms.reveal(scan), left(md5(toms.reveal(said)), 6)
		FROM med.note ORDER BY id;
		SELECT id, tenant, toms.reveal(said) FROM med.visit ORDER BY id}) } 'acme', 'globex';
}

# Every value as it is stored.
sub stored
{
	my ($node, $database) = @_;
	return as_migration($node, $database, 'SELECT n FROM med.note n ORDER BY id; SELECT v FROM med.visit v ORDER BY id');
}

# A client program that states a reason; returns (succeeded, standard output, standard error).
sub program
{
	my ($node, @command) = @_;
	local $ENV{PGOPTIONS} = '-c toms.reason=test';
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err);
	return ($ok, $out, $err);
}

1;
