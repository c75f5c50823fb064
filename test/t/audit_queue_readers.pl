# Eight clients read strictly for TOMS_TEST_SECONDS, 20 by default and 800 at most, while the writer is
# killed twice and the server once: the trail has an entry of every read that one of them was given.

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
use Time::HiRes qw(time usleep);

my $CLIENTS = 8;
my $seconds = $ENV{TOMS_TEST_SECONDS} // 20;

my $node = sealed_server('readers', keyring(), settings => "toms.session_context = on\nrestart_after_crash = on\nmax_worker_processes = 16\nmax_connections = 40\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');

sub sql { return $node->safe_psql('app', $_[0]) }

my $strict = 'SELECT count(*) FROM med.note';           # health data

sub reads
{
	return sql(q{SELECT count(*) FROM toms.audit_entry WHERE kind = 'r' AND verb = 's' AND object IN
		(SELECT id FROM toms.audit_entry o WHERE o.kind = 'o' AND convert_from(o.payload, 'UTF8')::jsonb ->> 'relation' = 'med.note')});
}

# What the writers said when they began.
sub starts
{
	return sql(q{SELECT coalesce(string_agg(coalesce(said ->> 'clean', 'first'), ', ' ORDER BY id), 'none')
		FROM (SELECT id, convert_from(payload, 'UTF8')::jsonb AS said FROM toms.audit_entry WHERE kind = 'a' AND verb = 'W') w});
}

sub writer
{
	$node->poll_query_until('app', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'toms writer' AND datname = 'app'}) or die 'no writer';
	return sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms writer' AND datname = 'app'});
}

# clients -----------------------------------------------------------------------------

my $script = PostgreSQL::Test::Utils::tempdir() . '/script';
append_to_file($script, "$strict;\n");
my $counts = PostgreSQL::Test::Utils::tempdir();

# A client comes again whenever his connection breaks; after each he notes when, and how many reads he was given.
sub read_on
{
	my ($client, $until) = @_;
	while ((my $left = int($until - time)) > 0)
	{
		my ($out, $err) = ('', '');
		my $run = IPC::Run::start([ 'pgbench', '-n', '-c', 1, '-T', $left, '-f', $script, '-h', $node->host, '-p', $node->port, '-U', 'app', 'app' ],
			'>', \$out, '2>', \$err, IPC::Run::timeout($left + 120));
		eval { $run->finish };
		append_to_file("$counts/$client", time . " $1\n") if $out =~ /number of transactions actually processed: (\d+)/;
		usleep(100_000);
	}
	return;
}

my @clients;

sub start_clients
{
	my $until = time + $seconds;
	local $ENV{PGOPTIONS} = '-c toms.token=' . token('acme');
	for my $client (1 .. $CLIENTS)
	{
		my $pid = fork // die "fork: $!";
		push @clients, $pid;
		next if $pid;
		eval { read_on($client, $until) };
		POSIX::_exit($@ ? 1 : 0);
	}
	return;
}

# How many reads a client was given since then.
sub given
{
	my ($client, $since) = @_;
	my $sum = 0;
	return 0 unless -e "$counts/$client";
	for my $line (split /\n/, slurp_file("$counts/$client"))
	{
		my ($at, $reads) = split / /, $line;
		$sum += $reads if $at > $since;
	}
	return $sum;
}

END
{
	local $?;
	kill 'KILL', @clients if @clients;
}

# the run -----------------------------------------------------------------------------

is(as_tenant($node, 'app', 'acme', $strict), '0', 'a strict read');
my $before = reads();
my $begin = time;

sub at_quarter
{
	my ($quarter) = @_;
	my $left = $begin + $seconds * $quarter / 4 - time;
	usleep($left * 1_000_000) if $left > 0;
	return;
}

start_clients();

at_quarter(1);
my $writer = writer();
kill 'TERM', $writer;
ok($node->poll_query_until('app', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'toms writer' AND datname = 'app' AND pid <> $writer}), 'the writer is ended, another one comes');

at_quarter(2);
my $offset = -s $node->logfile;
kill 'KILL', writer();
$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
ok(answers($node), 'the writer is killed: all processes begin anew');

at_quarter(3);
$node->kill9;
for (1 .. 100)
{
	last if $node->start(fail_ok => 1);
	$node->{_pid} = undef;      # the last processes of the former one are still there
	usleep(100_000);
}
my $back = time;
ok(writer(), 'the server is killed, and started');

for my $client (@clients)
{
	waitpid $client, 0;
	is($?, 0, 'a client has read until the end');
}
@clients = ();
my $given = 0;
$given += given($_, 0) for 1 .. $CLIENTS;
my $entries = reads() - $before;
diag "$seconds s: $given strict reads were given, $entries entries";
cmp_ok($given, '>', 100 * $seconds, 'the clients were given rows');
is(scalar(grep { given($_, $back) > 0 } 1 .. $CLIENTS), $CLIENTS, 'each of them also after the last crash');
cmp_ok($entries, '>=', $given, 'the trail has an entry of each read that was given');
cmp_ok($entries, '<=', $given + 3 * $CLIENTS, '... and of those alone whose rows were on their way when something was killed');
is(starts(), 'first, false, false', 'it tells of two crashes, and nothing of a writer that another one has replaced');
is(sql('SELECT count(*) FROM toms.verify_audit()'), '0', 'it is whole');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP/, 'nothing else crashed');
done_testing();
