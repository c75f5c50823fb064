# Rows are replicated both ways between two servers, each of which protects them itself: what a tenant writes on the one is his
# alone on the other, nothing comes back, and each trail tells who wrote and what arrived.
#
# Publications of what has no origin are there from PostgreSQL 16 on. TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys mint);

my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);

my %node;
for my $name ('here', 'there')
{
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $keyring = PostgreSQL::Test::Utils::tempdir();
	chmod 0700, $keyring or die "$keyring: $!";
	$node->init(allows_streaming => 'logical');
	$node->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'\ntoms.keyring = '$keyring'\nwal_retrieve_retry_interval = 100ms");
	$node->start;
	plan skip_all => 'before PostgreSQL 16 all that arrives would be sent back' if $node->pg_version < 16;
	$node->safe_psql('postgres', q{
		CREATE EXTENSION toms;
		CREATE ROLE hr;
		CREATE ROLE app LOGIN IN ROLE hr;
		CREATE ROLE carrier LOGIN REPLICATION BYPASSRLS;
		CREATE ROLE owner;
		CREATE SCHEMA hr AUTHORIZATION owner;
		SET ROLE owner;
		CREATE TABLE hr.note (id integer PRIMARY KEY, tenant text NOT NULL, person integer NOT NULL, said text);
		GRANT USAGE ON SCHEMA hr TO carrier;
		GRANT SELECT ON hr.note TO carrier;
		RESET ROLE;
		SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
		SELECT toms.protect('hr.note', tenant => 'tenant', subject => 'person');
		SELECT toms.permit('hr', 'hr.note', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant');
		SET toms.reason = 'replication';
		CREATE PUBLICATION notes FOR TABLE hr.note});
	$node{$name} = $node;
}
my %other = (here => 'there', there => 'here');
for my $name ('here', 'there')
{
	my $from = $node{ $other{$name} }->connstr('postgres') =~ s/'/''/gr . " user=carrier options=''-c toms.reason=replication''";
	$node{$name}->safe_psql('postgres', "CREATE SUBSCRIPTION from_$other{$name} CONNECTION '$from' PUBLICATION notes
		WITH (origin = none, copy_data = false, run_as_owner = true, password_required = false)");
}

# What a tenant's application is answered on a node.
sub as_tenant
{
	my ($name, $tenant, $statements) = @_;
	my $token = mint($dir, tenant => $tenant);
	my ($code, $out, $err) = $node{$name}->psql('postgres', "BEGIN;\n\\set QUIET on\nSET LOCAL toms.token = '$token';\n$statements;\nCOMMIT", extra_params => [ '-U', 'app', '-v', 'VERBOSITY=terse' ]);
	return $code == 0 ? $out : $err =~ /ERROR: +(.*)/ ? $1 : $err;
}

sub catch_up
{
	$node{$_}->wait_for_catchup("from_$_") for 'here', 'there';
}

my $notes = 'SELECT id, said FROM hr.note ORDER BY id';
sub both_ways
{
	my ($tenant, $expected, $name) = @_;
	catch_up();
	is(as_tenant($_, $tenant, $notes), $expected, "$name, $_") for 'here', 'there';
}

as_tenant('here', 'acme', "INSERT INTO hr.note VALUES (1, 'acme', 17, 'from here')");
as_tenant('there', 'acme', "INSERT INTO hr.note VALUES (2, 'acme', 17, 'from there')");
as_tenant('there', 'globex', "INSERT INTO hr.note VALUES (3, 'globex', 17, 'theirs')");
both_ways('acme', "1|from here\n2|from there", 'what was written on either server is there for its tenant');
both_ways('globex', '3|theirs', 'and not for another');

as_tenant('there', 'acme', "UPDATE hr.note SET said = 'changed there' WHERE id = 1");
as_tenant('here', 'acme', 'DELETE FROM hr.note WHERE id = 2');
both_ways('acme', '1|changed there', 'a row is changed and deleted from the server that did not write it');

like(as_tenant('there', 'globex', "INSERT INTO hr.note VALUES (4, 'acme', 17, 'forged')"), qr/row-level security|refused/, 'neither server takes rows for another tenant');
like(($node{$_}->psql('postgres', $notes, extra_params => [ '-U', 'app' ]))[2], qr/no context is set/, "nor answers without a context, $_") for 'here', 'there';
like(as_tenant($_, 'globex', 'SELECT count(*) FROM hr.note WHERE id = 1'), qr/^0$/, "a changed row stays its tenant's, $_") for 'here', 'there';

for my $name ('here', 'there')
{
	is($node{$name}->safe_psql('postgres', 'SELECT coalesce(sum(apply_error_count), 0) FROM pg_stat_subscription_stats'), '0', "nothing comes back to $name, where it would stop the subscription");
	$node{$name}->safe_psql('postgres', 'SELECT toms.seal_audit()');
	is($node{$name}->safe_psql('postgres', q{SELECT count(*) FROM toms.verify_audit()}), '0', "nothing is wrong with the trail, $name");
}

# Of a row that arrives the trail tells table and tenant; whose it is, the trail of where it was written.
my $trail = q{SELECT string_agg(format('%s %s', e.verb, CASE WHEN e.key IS NULL THEN 'arrived' ELSE 'written' END), ', ' ORDER BY e.verb, e.key IS NULL) FROM toms.audit_entry e WHERE e.kind = 'c' AND e.tenant IN ('acme', 'globex')};
is($node{here}->safe_psql('postgres', $trail), 'd written, i written, i arrived, i arrived, u arrived', 'here: one row written, one deleted, two and a change arrived');
is($node{there}->safe_psql('postgres', $trail), 'd arrived, i written, i written, i arrived, u written', 'there: the other way round');

done_testing();
