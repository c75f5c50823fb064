# What a running server needs is lost and comes back: the keyring, the directory of the log outside, the lock table. What
# cannot be done safely is refused and says why, nothing hangs, what was acknowledged is there, and all goes on without a restart.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $keyring = keyring();
my $outside = keyring();
my $node = sealed_server('lost', $keyring, settings => "toms.outside = '$outside'\ntoms.audit_timeout = 5s\ntoms.seal_interval = 200ms\nautovacuum = off\nlog_statement = none\n"
	. "max_connections = 20\nmax_prepared_transactions = 0\nmax_locks_per_transaction = 64\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');
fill($node, 'app');

sub sql { return $node->safe_psql('app', "SET client_min_messages = error; SET toms.reason = 'test'; $_[0]") }
sub said { my ($code, $out, $err) = $node->psql('app', "SET client_min_messages = error; SET toms.reason = 'test'; $_[0]", on_error_stop => 1); return $code == 0 ? $out : $err }
sub acme { return as_tenant($node, 'app', 'acme', $_[0]) }
sub erase { return said("SELECT row_count FROM toms.erase_again('subject', 'acme', '$_[0]', NULL)") }

# A file system that is not mounted leaves nothing, or an empty directory.
sub lose { my ($directory) = @_; rename $directory, "$directory.away" or die "$directory: $!"; return }
sub bring_back { my ($directory) = @_; rmdir $directory; rename "$directory.away", $directory or die "$directory: $!"; return }

sub is_whole
{
	my ($name) = @_;
	sql('SELECT toms.seal_audit()');
	is(sql('SELECT count(*) FROM toms.verify_audit()'), '0', "$name: the trail is whole");
	is(sql('SELECT count(*) FROM toms.check_keyring()'), '0', "$name: so is the keyring");
	return;
}

# Sealed values as who reads them gets them.
my $reveal = 'SELECT string_agg(toms.reveal(said), \',\' ORDER BY id) FROM med.visit';
my $values = acme($reveal);
is($values, 'in a partition,in another', 'values open');

# the keyring; an erasure has been before, so that it has all kinds of keys

is(erase(19), '1', 'a person is erased');

for my $is_empty (0, 1)
{
	my $how = $is_empty ? 'the keyring is empty' : 'the keyring is gone';
	my $rows = sql('SELECT count(*) FROM med.note');
	lose($keyring);
	if ($is_empty)
	{
		mkdir $keyring, 0700 or die $!;
	}
	isnt(acme($reveal), $values, "$how: who connects then opens nothing");
	like(acme($reveal), $is_empty ? qr/keyring|key/ : qr/keyring cannot be used|No such file or directory/, '... and is told why');
	like(acme(q{INSERT INTO med.note (id, tenant, employee, said) VALUES (100, 'acme', 77, 'a word')}), qr/key/, 'nothing is sealed');
	like(said(q{SELECT toms.add_tenant('late', name => 'Late GmbH')}), $is_empty ? qr/the keyring has none of the keys that were made for this database/ : qr/keyring cannot be used/, 'no tenant begins');
	like(said('SELECT toms.seal_audit()'), $is_empty ? qr/the keyring does not have the key "audit" that signed block \d+/ : qr/keyring cannot be used/, 'no block is closed');
	like(erase(18), qr/ERROR/, 'nobody is erased');
	isnt(sql('SELECT count(*) FROM toms.check_keyring()'), '0', 'the check says so');
	is(sql('SELECT count(*) FROM med.note'), $rows, 'no row is gone, none has come');
	is(join('', glob "$keyring/*"), '', 'nothing was put into the empty place') if $is_empty;
	bring_back($keyring);
	ok($node->poll_query_until('app', 'SELECT used_bytes = 0 FROM toms.audit_queue'), 'when it is back, what waited is recorded');
	is(acme($reveal), $values, '... and values open');
	is_whole($how);
}

# the log outside

lose($outside);
is(acme($reveal), $values, 'the directory of the log outside is gone: values open');
like(erase(18), qr/could not be told outside of the database.*Nothing was erased/s, '... and nobody is erased');
is(sql(q{SELECT count(*) FROM med.note WHERE employee = 18}), '1', 'no row is gone');
like(said('SELECT toms.seal_audit()'), qr/the log outside of the database cannot be used/, 'who seals is told');
bring_back($outside);
ok($node->poll_query_until('app', q{SELECT count(*) = 0 FROM toms.ledger WHERE state = 'intended' OR NOT told}), 'when it is back, it is told what became of the erasure');
isnt(erase(18), '', 'which can be done again');
is(sql(q{SELECT count(*) FROM med.note WHERE employee = 18}), '0', 'and is');
is_whole('the log outside');
$values = acme($reveal);
is($values, 'in a partition', 'values of others open');

# the lock table

my $session = $node->background_psql('app', on_error_stop => 0);
$session->query("SET toms.reason = 'test'; BEGIN");
my $locks = 0;
until ($session->{stderr} =~ /out of shared memory/ || $locks > 30_000)
{
	$session->query("DO \$\$ BEGIN FOR n IN $locks .. $locks + 499 LOOP PERFORM pg_advisory_lock(n); END LOOP; END \$\$");
	$locks += 500;
}
like($session->{stderr}, qr/out of shared memory/, 'the lock table is full');
my @said = map { acme($reveal) } 1 .. 5;
is(scalar(grep { $_ ne $values && !/out of shared memory|could not take it in/ } @said), 0, 'values open, or it is refused for want of room') or diag "@said";
$session->quit;
is(acme($reveal), $values, 'when there is room again, values open');
is_whole('the lock table');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|server process .* was terminated/, 'nothing crashed');
done_testing();
