# A server that is killed while erasures are replayed is closed as before when it is back: nothing is half erased. The
# next replay does all of it, and nobody else loses a row. So at random moments of the replay.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use CrashTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $kills = $ENV{TOMS_KILLS} // 50;
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

# Copies of the state before; each is used until a replay in it was done.
my $copies = 0;
sub restored
{
	my $copy = PostgreSQL::Test::Cluster->new('restored' . ++$copies);
	$copy->init_from_backup($node, 'before');
	$copy->append_conf('postgresql.conf', "restart_after_crash = on\n");
	$copy->start;
	return $copy;
}

sub count_of { return as_tenant($_[0], 'postgres', 'acme', 'SELECT count(*) FROM med.note') }

my $restored = restored();
is(rows($restored), $all, 'a backup brings them back');
my $began = time;
sql($restored, 'SELECT toms.replay_erasures()');
my $length = time - $began;
is(rows($restored), $left, 'a replay that nothing disturbs erases them');
$restored->stop;

my ($done, $half, $open, $finished) = (0, 0, 0, 0);
$restored = restored();
while ($done < $kills && $copies < 20)
{
	my ($in, $out, $err) = ("SELECT pg_backend_pid();\nSELECT count(*) FROM toms.replay_erasures();\n", '', '');
	my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $restored->connstr('postgres') ], \$in, \$out, \$err);
	$psql->pump until $out =~ /(\d+)\n/;
	my $pid = $1;
	sleep rand($length);
	my $offset = -s $restored->logfile;
	if (kill 'KILL', $pid)
	{
		eval { $psql->finish };
		$restored->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
		answers($restored);
		$done++;
	}
	else
	{
		eval { $psql->finish };
	}
	my $now = rows($restored);
	my $is_done = $now eq $left;
	$half++ if !$is_done && $now ne $all;
	$open++ if (count_of($restored) =~ /what was erased may be back/) == $is_done;
	next if !$is_done;
	$finished++;
	$restored->stop;
	$restored = restored();
}
cmp_ok($done, '>', 5, "$done times kill -9, $finished times the replay was done before");
is($half, 0, 'at none of these moments anything was half done');
is($open, 0, 'and the tables were closed just as long as it was not');
sql($restored, 'SELECT toms.replay_erasures()');
is(rows($restored), $left, 'all of it is done in the end, and nothing else');
like(count_of($restored), qr/^\d+$/, 'the tables are open');
ok($restored->poll_query_until('postgres', q{SELECT count(*) = 0 FROM toms.ledger WHERE state = 'intended' OR NOT told}), 'what was begun and came to nothing is told');
$restored->restart;
like(count_of($restored), qr/^\d+$/, 'and stay so');

done_testing();
