# A server that is killed while erasures are replayed is closed as before when it is back: nothing is half erased. The
# next replay does all of it, and nobody else loses a row. So at random moments of the replay.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $kills = $ENV{TOMS_KILLS} // 12;
my $keyring = keyring();
my $outside = keyring();
my $node = sealed_server('live', $keyring, allows_streaming => 1,
	settings => "toms.outside = '$outside'\nmax_connections = 30\ntoms.seal_interval = 200ms\nlog_statement = none\n");
$node->start;
add_roles($node);
create_sealed($node, 'postgres');
read_without_keys($node, 'postgres');
as_tenant($node, 'postgres', 'acme', q{
	INSERT INTO med.note (id, tenant, employee, said) SELECT i, 'acme', i % 30, 'note ' || i FROM generate_series(1, 300) i;
	INSERT INTO med.visit SELECT i, 'acme', i % 30, '2025-05-01', 'visit ' || i FROM generate_series(1, 300) i});

sub sql { my ($on, $sql) = @_; return $on->safe_psql('postgres', $sql) }

# All rows of all persons, also where the tables are closed.
sub rows
{
	my ($on) = @_;
	return sql($on, q{SELECT toms.ask_all_rows('SELECT string_agg(n.id || '':'' || n.employee, '','' ORDER BY n.id) FROM med.note n')
		|| ' ' || toms.ask_all_rows('SELECT string_agg(v.id || '':'' || v.employee, '','' ORDER BY v.id) FROM med.visit v')});
}

$node->backup('before');
my $all = rows($node);
sql($node, "SET client_min_messages = error; SELECT toms.erase_again('subject', 'acme', '$_', NULL)") for 0 .. 5;
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM toms.ledger WHERE state = 'intended' OR NOT told}), 'six persons were erased');
my $left = rows($node);
$node->stop;

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($node, 'before');
$restored->start;
is(rows($restored), $all, 'a backup brings them back');
my ($seconds, $whole) = (3, 0);
for my $kill (1 .. $kills)
{
	my $out = '';
	my $began = time;
	my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $restored->connstr('postgres'), '-c', 'SELECT count(*) FROM toms.replay_erasures()' ], '>&', \$out);
	sleep rand($seconds);
	$restored->kill9;
	eval { $psql->finish };
	# its last children may be there still
	for (1 .. 50)
	{
		sleep 0.2;
		last if $restored->start(fail_ok => 1) || $restored->{_pid};
	}
	my $now = rows($restored);
	$whole++ if $now eq $left;
	last if $now eq $left;
	$seconds *= 0.8 if $kill % 3 == 0;
	if ($now ne $all)
	{
		fail("kill $kill: half of it is done");
		last;
	}
	like(as_tenant($restored, 'postgres', 'acme', 'SELECT count(*) FROM med.note'), qr/what was erased may be back/, "kill $kill: closed as before");
}
sql($restored, 'SELECT toms.replay_erasures()');
is(rows($restored), $left, 'all of it is done in the end, and nothing else');
like(as_tenant($restored, 'postgres', 'acme', 'SELECT count(*) FROM med.note'), qr/^\d+$/, 'the tables are open');
ok($restored->poll_query_until('postgres', q{SELECT count(*) = 0 FROM toms.ledger WHERE state = 'intended' OR NOT told}), 'what was begun and came to nothing is told');
$restored->restart;
like(as_tenant($restored, 'postgres', 'acme', 'SELECT count(*) FROM med.note'), qr/^\d+$/, 'and stays open');
note("whole before the last one: $whole");

done_testing();
