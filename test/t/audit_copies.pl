# The audit trail where data are copied: a publication of all tables does not hinder it, a logical
# subscriber and a hot standby have one of their own and the primary's, and what is recorded after a
# dump was restored belongs to the cluster that recorded it.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $keyring = keyring();
my $changes = q{SELECT count(*) FROM toms.audit_entry WHERE kind = 'c'};
my $change = q{UPDATE med.note SET plain = coalesce(plain, '') || 'x' WHERE id = 1};

sub ask
{
	my ($node, $query, $database) = @_;
	return $node->safe_psql($database // 'postgres', "SET client_min_messages = error; $query");
}

# What was recorded is sealed, and everything is as it was.
sub is_whole
{
	my ($node, $how, $database) = @_;
	ask($node, 'SELECT toms.seal_audit()', $database);
	is(ask($node, q{SELECT fault, block, entry FROM toms.verify_audit() WHERE fault <> 'unsealed'}, $database), '', "$how: the trail is whole");
	# that we look is an event, which is sealed later
	is(ask($node, q{SELECT (SELECT sum(size) FROM toms.audit_block) = count(b) AND bool_and(kind <> 'c' OR b IS NOT NULL)
		FROM (SELECT kind, toms.audit_block_of(id, xid, NULL) AS b FROM toms.audit_entry) e}, $database), 't', "$how: every entry is in one block");
	return;
}

my $primary = sealed_server('primary', $keyring, allows_streaming => 'logical');
$primary->start;
add_roles($primary);
create_sealed($primary, 'postgres');
# other clusters are younger: their transactions have numbers that this one's had long ago
ask($primary, q{DO 'BEGIN FOR i IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END'});
fill($primary, 'postgres');
is_whole($primary, 'to begin with');

subtest 'a publication of all tables' => sub {
	ask($primary, 'CREATE PUBLICATION everything FOR ALL TABLES');
	is(as_tenant($primary, 'postgres', 'acme', $change), '', 'changes are recorded');
	is(ask($primary, 'SELECT toms.make_audit_partitions(5)'), ask($primary, 'SELECT 2 * count(*) FROM toms.audit_kinds()'), 'partitions are made');
	ask($primary, 'SELECT toms.gather_audit_defaults()');
	is_whole($primary, 'with it');
	ask($primary, 'DROP PUBLICATION everything');
};

subtest 'a logical subscriber' => sub {
	my $subscriber = sealed_server('subscriber', keyring(), allows_streaming => 'logical');
	$subscriber->start;
	add_roles($subscriber);
	create_sealed($subscriber, 'postgres');
	ask($primary, 'CREATE PUBLICATION notes FOR TABLE med.note, med.visit');
	my $connection = $primary->connstr('postgres') =~ s/'/''/gr . q{ options=''-c toms.reason=replication''};
	my $as_15 = $subscriber->pg_version >= 16 ? 'WITH (run_as_owner = true, password_required = false)' : '';
	ask($subscriber, "CREATE SUBSCRIPTION notes CONNECTION '$connection' PUBLICATION notes $as_15");
	$subscriber->wait_for_subscription_sync($primary, 'notes');
	my $before = ask($subscriber, $changes);
	is($before, ask($primary, q{SET toms.reason = 'test'; SELECT (SELECT count(*) FROM med.note) + (SELECT count(*) FROM med.visit)}), 'rows that are copied are recorded');
	is(as_tenant($primary, 'postgres', 'acme', $change), '', 'the primary goes on');
	$primary->wait_for_catchup('notes');
	is(ask($subscriber, $changes), $before + 1, 'a change that arrives is');
	is(ask($subscriber, q{SELECT count(key), count(DISTINCT tenant) FROM toms.audit_entry WHERE kind = 'c'}), '0|2', 'without keys, but with the tenant');
	is_whole($subscriber, 'of the subscriber');
	is_whole($primary, 'of the primary');
	ask($subscriber, 'DROP SUBSCRIPTION notes');
	$subscriber->stop;
};

subtest 'a hot standby' => sub {
	$primary->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($primary, 'base', has_streaming => 1);
	$standby->start;
	is(as_tenant($primary, 'postgres', 'acme', $change), '', 'the primary goes on');
	is_whole($primary, 'of the primary');
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
	is(ask($standby, $changes), ask($primary, $changes), 'the standby has its entries');
	is(ask($standby, q{SELECT fault, block, entry FROM toms.verify_audit()}), '', 'and finds them whole');
	like(as_tenant($standby, 'postgres', 'acme', 'SELECT count(*) FROM med.note'), qr/this is a standby/, 'rows that are read strictly are refused');
	$standby->append_conf('postgresql.conf', "toms.standby_reads = 'log'\n");
	$standby->reload;
	$standby->poll_query_until('postgres', q{SELECT current_setting('toms.standby_reads') = 'log'}) or die;
	like(as_tenant($standby, 'postgres', 'acme', 'SELECT count(*) FROM med.note'), qr/^\d+$/, 'unless the server log is told of it');
	is(ask($standby, $changes), ask($primary, $changes), 'and nothing is recorded');
	my (undef, undef, $err) = $standby->psql('postgres', 'SELECT toms.seal_audit()');
	like($err, qr/cannot execute toms\.seal_audit\(\) during recovery/, 'nor sealed');
	$standby->promote;
	is(as_tenant($standby, 'postgres', 'acme', $change), '', 'it is promoted, and goes on');
	is_whole($standby, 'after the promotion');
	is(ask($standby, 'SELECT count(*) FROM toms.audit_segment'), '1', 'in the same segment');
	$standby->stop;
};

subtest 'a restored dump' => sub {
	my ($ok, undef, $err) = program($primary, 'pg_dump', '-Fc', '-f', "$dir/dump", 'postgres');
	ok($ok, 'dumped') or diag $err;
	my $younger = sealed_server('younger', $keyring);
	$younger->start;
	add_roles($younger);
	foreach my $first ('written', 'sealed')
	{
		$younger->safe_psql('postgres', "CREATE DATABASE $first");
		($ok, undef, $err) = program($younger, 'pg_restore', '--exit-on-error', '-d', $first, "$dir/dump");
		ok($ok, 'restored') or diag $err;
		my $last = ask($younger, 'SELECT max(id) FROM toms.audit_entry', $first);
		is(ask($younger, q{SELECT fault, block, entry FROM toms.verify_audit()}, $first), '', 'what was sealed is whole');
		is(as_tenant($younger, $first, 'acme', "$change; ROLLBACK; BEGIN"), '', 'changes are rolled back') if $first eq 'written';
		is_whole($younger, 'restored', $first) if $first eq 'sealed';
		is(as_tenant($younger, $first, 'acme', $change), '', 'changes are recorded') for 1 .. 2;
		cmp_ok(ask($younger, "SELECT min(id) FROM toms.audit_entry WHERE id > $last", $first), '>=',
			ask($younger, 'SELECT first_id FROM toms.audit_segment ORDER BY number DESC LIMIT 1', $first), "$first first: after the segment has begun");
		is_whole($younger, "$first first", $first);
		is(ask($younger, 'SELECT count(DISTINCT system_identifier) = count(*) AND count(*) = 2 FROM toms.audit_segment', $first), 't', "$first first: in one more segment");
	}
	$younger->stop;
};

$primary->stop;
done_testing();
