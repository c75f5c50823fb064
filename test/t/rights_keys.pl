# Keys that an officer has destroyed, and nothing else, do not come back with a backup either: after a restore the tables are
# closed until they have been destroyed again; one that a hold keeps in the restored state waits for that.
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

my $outside = keyring();
my $node = sealed_server('live', keyring(), allows_streaming => 1, settings => "toms.outside = '$outside'\nmax_connections = 30\ntoms.seal_interval = 200ms\n");
$node->start;
add_roles($node);
create_sealed($node, 'postgres');
read_without_keys($node, 'postgres');
fill($node, 'postgres');
$node->safe_psql('postgres', q{CREATE ROLE dpo LOGIN; GRANT USAGE ON SCHEMA med TO dpo; SELECT toms.grant_officer('dpo', 'admin')});

# What an officer gets, or the error.
sub officer
{
	my ($on, $statements) = @_;
	my ($code, $out, $err) = $on->psql('postgres', $statements, extra_params => [ '-U', 'dpo', '-q' ], on_error_stop => 1);
	return $code == 0 ? $out : $err;
}

# Of acme: whose notes and visits can be opened; or the error.
sub open_ones
{
	my ($on) = @_;
	return as_tenant($on, 'postgres', 'acme', q{SELECT string_agg(DISTINCT employee::text, ',' ORDER BY employee::text) FROM (
		SELECT employee, said FROM med.note UNION ALL SELECT employee, said FROM med.visit) n WHERE NOT toms.is_erased(said)});
}

sub restored
{
	my ($name) = @_;
	my $restored = PostgreSQL::Test::Cluster->new($name);
	$restored->init_from_backup($node, 'before');
	$restored->start;
	return $restored;
}

is(open_ones($node), '17,18', 'sealed values of two persons');
my $instruction = officer($node, q{SELECT toms.record_instruction('acme', 'erase', given_by => 'them', wording => 'by key', subject => '17')});
officer($node, "SELECT toms.confirm_instruction($instruction)");
my $hold = officer($node, q{SELECT toms.hold('acme', '17', relation => 'med.visit', reason => 'court')});
$node->backup('before');

# A hold keeps some of his keys; it is released, and they go too: two transactions, two lines

is(officer($node, "SET client_min_messages = error; SELECT toms.destroy_keys('acme', $instruction, subject => '17') > 0"), 't', 'keys are destroyed');
is(open_ones($node), '17,18', 'but for those of a table under a hold');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 AND bool_and(told AND state = 'erased') FROM toms.ledger}), 'the ledger was told');
is(officer($node, "SET client_min_messages = error; SELECT toms.release_hold($hold, reason => 'settled'); SELECT state FROM toms.instruction WHERE id = $instruction") =~ s/^\n//r,
	'carried_out', 'the rest goes when it is released');
is(open_ones($node), '18', 'now nothing of his can be opened');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 AND bool_and(told AND state = 'erased' AND kind = 'keys') FROM toms.ledger}), 'the ledger was told again');
my @told = join('', map { slurp_file($_) } glob "$outside/*.log") =~ /"type":"(eras\w+)"/g;
is("@told", 'erasure erased erasure erased', '... and the log outside: of each what was to go, and that it went');
is($node->safe_psql('postgres', q{SELECT count(*), count(subject) FROM toms.erasure}), '2|0', 'without his name');
is($node->safe_psql('postgres', q{SET toms.reason = 'test'; SELECT count(*) FROM med.note WHERE tenant = 'acme' AND employee = 17}), '2', 'his rows stay');

# The backup has them all

$node->stop;
my $old = restored('old');
like(open_ones($old), qr/what was erased may be back/, 'restored: closed');
is(officer($old, 'SELECT kind, tenant, outcome FROM toms.replay_erasures()'),
	join("\n", ('keys|acme|erased again, but for what a hold or the law keeps') x 2), 'they are destroyed again, but for those that are under a hold there');
is(open_ones($old), '17,18', 'the tables are open');
is(officer($old, "SET client_min_messages = error; SELECT toms.release_hold($hold, reason => 'settled')"), '', 'the hold is released there too');
is(open_ones($old), '18', 'and nothing of his can be opened any more');
is($old->safe_psql('postgres', q{SELECT count(*) FROM toms.data_key WHERE tenant = 'acme' AND subject = '17' AND relation IN ('med.note'::regclass, 'med.visit'::regclass)}), '0', 'no key of his rows is there');
is($old->safe_psql('postgres', q{SELECT count(*) FROM toms.erasure WHERE state <> 'done' OR subject IS NOT NULL}), '0', 'nothing waits');
$old->restart;
is(open_ones($old), '18', 'after a restart it is open still');

done_testing();
