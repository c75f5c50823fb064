# The server is lost while its standby is behind, the standby goes on, and the server before comes back as its standby by
# pg_rewind; then they change places again.  Rows and entries that the standby had not got are gone on both; of blocks that
# were closed the log outside tells so, until an officer signs it off; who was erased is erased again; all else is whole.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use File::Copy qw(copy);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $keyring = keyring();    # and
my $outside = keyring();    # are file systems that both nodes have
my $a = sealed_server('prod_a', $keyring, allows_streaming => 1,
	settings => "toms.outside = '$outside'\ntoms.node = 'prod_a'\nwal_log_hints = on\nwal_keep_size = 320MB\nmax_connections = 30\ntoms.seal_interval = 1d\nautovacuum = off\nlog_statement = none\n");
$a->start;
add_roles($a);
create_sealed($a, 'app');
read_without_keys($a, 'app');
fill($a, 'app');

sub sql { my ($on, $sql) = @_; return $on->safe_psql('app', "SET client_min_messages = error; SET toms.reason = 'test'; $sql") }
sub erase { my ($on, $person) = @_; return sql($on, "SELECT row_count FROM toms.erase_again('subject', 'acme', '$person', NULL)") }
sub seal { my ($on) = @_; return sql($on, 'SELECT toms.seal_audit()') }
sub last_block { my ($on) = @_; return sql($on, 'SELECT max(number) FROM toms.audit_block') }
sub settled
{
	my ($on) = @_;
	sql($on, q{SELECT toms.settle_ledger()});
	return $on->poll_query_until('app', q{SELECT count(*) = 0 FROM toms.ledger WHERE state = 'intended' OR NOT told});
}
sub findings { my ($on) = @_; return sql($on, q{SELECT string_agg(concat_ws(' ', fault, block, to_block), ', ') FROM toms.verify_audit()}) }
sub add { my ($on, $id, $person, $said) = @_; return as_tenant($on, 'app', 'acme', "INSERT INTO med.note (id, tenant, employee, said) VALUES ($id, 'acme', $person, '$said')") }
sub notes { my ($on) = @_; return as_tenant($on, 'app', 'acme', q{SELECT string_agg(concat(id, ' ', left(toms.reveal(said), 14)), ', ' ORDER BY id) FROM med.note WHERE id > 3}) }

# The standby of a server that it was the primary of, or was one with.
sub follow
{
	my ($behind, $primary) = @_;
	$behind->enable_streaming($primary);
	$behind->set_standby_mode;
	$behind->start;
	$primary->wait_for_catchup($behind, 'replay', $primary->lsn('flush'));
	return;
}

sub is_same
{
	my ($primary, $standby, $name) = @_;
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
	is(notes($standby), notes($primary), "$name: both have the same rows, and open them");
	is(findings($_), '', '... the trail of ' . $_->name . ' is whole') for $primary, $standby;
	is(sql($_, 'SELECT count(*) FROM toms.check_keyring()'), '0', '... and its keyring') for $primary, $standby;
	return;
}

sql($a, q{SELECT toms.admit_node('in use since May'), toms.admit_node('its standby', 'prod_b')});
seal($a);
$a->backup('start');
my $b = PostgreSQL::Test::Cluster->new('prod_b');
$b->init_from_backup($a, 'start', has_streaming => 1);
$b->append_conf('postgresql.conf', "toms.node = 'prod_b'\n");
$b->start;
is(add($a, 20, 20, 'on both'), '', 'a row that both have');
seal($a);
is_same($a, $b, 'at first');
my $common = last_block($a);

# What the standby does not get

$b->stop;
is(add($a, 21, 21, 'in a block'), '', 'a row, in a block that was closed');
seal($a);
is(erase($a, 18), '2', 'a person is erased');
isnt(sql($a, q{SELECT toms.rotate_keys('acme')}), '', 'keys are rotated');
ok(settled($a), 'the erasure is told');
seal($a);
is(add($a, 22, 22, 'in no block'), '', 'a row, in none yet');
my $lost = last_block($a);
cmp_ok($lost, '>', $common, 'blocks were closed');
$a->stop('immediate');

# The standby goes on

$b->start;
$b->promote;
like(notes($b), qr/this is an older state|1 came back, of 0 nobody can tell/, 'the standby is promoted: it is closed, for who was erased came back');
like(sql($b, 'SELECT outcome FROM toms.replay_erasures()'), qr/^erased again$/, 'he is erased again');
is(notes($b), '4 , 20 on both', 'then it is open, with what it has got');
is(findings($b), 'rewound ' . ($common + 1) . " $lost", 'of each block that is lost the log outside tells');
is(add($b, 23, 23, 'on the new one'), '', 'it goes on');
seal($b);
is(findings($b), 'rewound ' . ($common + 1) . " $lost", 'which hides nothing');
sql($b, 'SELECT toms.acknowledge_rewind(' . ($common + 1) . ", $lost, 'the server was lost')");
is(findings($b), '', 'an officer signs it off');

# The server before comes back

copy($a->data_dir . '/postgresql.conf', $a->backup_dir . '/conf') or die $!;
$b->safe_psql('postgres', 'CHECKPOINT');
command_ok([ 'pg_rewind', '--target-pgdata', $a->data_dir, '--source-server', $b->connstr('postgres'), '--no-sync' ], 'pg_rewind');
copy($a->backup_dir . '/conf', $a->data_dir . '/postgresql.conf') or die $!;
follow($a, $b);
is_same($b, $a, 'as a standby');
is(notes($a), '4 , 20 on both, 23 on the new one', 'rows that it alone had are gone');

# They change places

seal($b);
$b->wait_for_catchup($a, 'replay', $b->lsn('flush'));
$b->stop;
$a->promote;
is(add($a, 24, 24, 'on the first'), '', 'the first is the server again');
seal($a);
follow($b, $a);
is_same($a, $b, 'with places changed');
is(notes($b), '4 , 20 on both, 23 on the new one, 24 on the first', 'no row is lost');
$_->stop for $b, $a;
done_testing();
