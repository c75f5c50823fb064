# The trail where it must reach a synchronous standby, and the standby is lost: strict reads are refused
# as long as it is, nothing hangs, and what was acknowledged is in the trail of both.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(time usleep);

# Only the trail waits for the standby: what the test itself does never would go on without it.
my $node = sealed_server('primary', keyring(), allows_streaming => 1,
	settings => "toms.session_context = on\ntoms.audit_timeout = 3s\ntoms.audit_synchronous_commit = on\nsynchronous_commit = local\ntoms.audit_logins = all\ntoms.seal_interval = 1s\nmax_worker_processes = 16\nmax_connections = 60\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');
$node->safe_psql('app', q{
	SET client_min_messages = warning;
	CREATE TABLE med.desk (id integer PRIMARY KEY, tenant text NOT NULL);
	INSERT INTO med.desk SELECT n, 'acme' FROM generate_series(1, 20) n;
	GRANT ALL ON med.desk TO hr;
	SELECT toms.protect('med.desk', tenant => 'tenant');
	SELECT toms.permit('hr', 'med.desk', '{select}', '{absence_management}', 'tenant')});
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;

sub sql { return $node->safe_psql('app', $_[0]) }

sub set
{
	my ($name, $value) = @_;
	sql("ALTER SYSTEM SET $name = '$value'");
	sql('SELECT pg_reload_conf()');
	return usleep(200_000);
}

set('synchronous_standby_names', 'standby');
ok($node->poll_query_until('app', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'}), 'a synchronous standby');

my $strict = 'SELECT count(*) FROM med.note';           # health data
my $asynchronous = 'SELECT count(*) FROM med.desk';

sub reader { return as_tenant($node, 'app', 'acme', $_[0]) }

sub reads
{
	my ($table, $server) = @_;
	return ($server // $node)->safe_psql('app', qq{SELECT coalesce(sum(coalesce((convert_from(e.payload, 'UTF8')::jsonb ->> 'times')::integer, 1)), 0)
		FROM toms.audit_entry e WHERE kind = 'r' AND verb = 's' AND object IN
		(SELECT id FROM toms.audit_entry o WHERE o.kind = 'o' AND convert_from(o.payload, 'UTF8')::jsonb ->> 'relation' = '$table')});
}

sub writer
{
	$node->poll_query_until('app', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'toms writer' AND datname = 'app'}) or die 'no writer';
	return sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms writer' AND datname = 'app'});
}

# Runs it, and says whether it took less than so many seconds.
sub within
{
	my ($seconds, $name, $run) = @_;
	my $begin = time;
	$run->();
	my $took = time - $begin;
	return ok($took < $seconds, "$name in less than $seconds s") || diag "$took s";
}

my %acknowledged = ('med.note' => 0, 'med.desk' => 0);

# Reads, and counts what was given.
sub is_given
{
	my ($table, $name) = @_;
	my $said = reader("SELECT count(*) FROM $table");
	$acknowledged{$table}++ if $said =~ /^\d+$/;
	return like($said, qr/^\d+$/, $name);
}

# Reads until it is given; there is a limit, since the writer may have to look at its settings first.
sub is_given_soon
{
	my ($seconds, $name) = @_;
	my $until = time + $seconds;
	my $said;
	do { $said = reader($strict) } until $said eq '0' || time > $until;
	$acknowledged{'med.note'}++ if $said eq '0';
	return is($said, '0', "$name within $seconds s");
}

sub is_refused
{
	my ($said, $name) = @_;
	return like($said, qr/the audit trail could not take it in\nDETAIL:  /, $name);
}

sub all_is_there
{
	my ($when, $server) = @_;
	for my $table (sort keys %acknowledged)
	{
		cmp_ok(reads($table, $server), '>=', $acknowledged{$table}, "$when: all reads of $table that were acknowledged");
	}
	return;
}

# A session that reads strictly; what it is told comes later.
sub start_reader
{
	my $reader = { out => '', err => '' };
	local $ENV{PGOPTIONS} = '-c toms.token=' . token('acme');
	$reader->{run} = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-d', 'app', '-U', 'app', '-c', $strict ],
		'>', \$reader->{out}, '2>', \$reader->{err}, IPC::Run::timeout(180));
	return $reader;
}

sub told
{
	my ($reader) = @_;
	eval { $reader->{run}->finish };
	$acknowledged{'med.note'}++ if $reader->{out} =~ /^\d+$/m;
	return $reader->{out} . $reader->{err};
}

# While it is there.
is_given('med.note', 'a strict read') for 1 .. 3;
is_given('med.desk', 'one of which nobody waits');
sql('SELECT toms.seal_audit()');
all_is_there('on the primary');

# Lost.
$standby->stop('immediate');
within(30, 'who must be recorded first does not wait for ever', sub { is_refused(reader($strict), 'he is refused') });
is_given('med.desk', 'others go on') for 1 .. 3;
within(30, 'the next one', sub { is_refused(reader($strict), 'is refused, too') });

# The writer is ended while somebody waits: nobody is told that the standby has what it has not.
set('toms.audit_timeout', '30s');
my $pid = writer();
my $reader = start_reader();
ok($node->poll_query_until('app', q{SELECT waits > 0 FROM toms.audit_queue}), 'a reader waits');
usleep(500_000);
within(60, 'a writer is ended', sub {
	sql("SELECT pg_cancel_backend($pid)");
	sql("SELECT pg_terminate_backend($pid)");
	ok($node->poll_query_until('app', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'toms writer' AND pid <> $pid}), 'another one comes') });
like(told($reader), qr/the audit trail could not take it in\nDETAIL:  It is on this server's disk, and not on a synchronous standby/, 'who waited for it is refused, and told why');

# A fast shutdown.
is_given('med.desk', 'before a shutdown') for 1 .. 3;
$reader = start_reader();
usleep(500_000);
within(60, 'a fast shutdown', sub { $node->stop('fast') });
unlike(told($reader), qr/^0$/m, 'who waited was not told that it is recorded');
$node->append_conf('postgresql.auto.conf', "toms.audit_timeout = 3s\n");
$node->start;
all_is_there('after the shutdown');
is_given('med.desk', 'who is not waited for');
within(30, 'still no standby', sub { is_refused(reader($strict), 'strict reads are refused') });

# It comes back.
$standby->start;
ok($node->poll_query_until('app', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'}), 'the standby comes back');
is_given_soon(30, 'strict reads go on');
is_given('med.note', 'go on') for 1 .. 3;
sql('SELECT toms.seal_audit()');
all_is_there('when it is back');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
all_is_there('on the standby', $standby);

# Whoever runs the server does without: at once, also while a reader waits.
$standby->stop('immediate');
within(30, 'lost again', sub { is_refused(reader($strict), 'strict reads are refused') });
set('toms.audit_synchronous_commit', 'local');
is_given_soon(30, 'with toms.audit_synchronous_commit = local strict reads go on');
is_given('med.note', 'and do not wait for it');
within(60, 'a restart', sub { $node->restart });
within(30, 'strict reads after it', sub { is_given('med.note', 'go on') });
within(60, 'a restart without reads', sub { $node->restart });
within(30, 'strict reads', sub { is_given('med.note', 'go on') });

# The standby takes over: it has what it was said to have.
set('toms.audit_synchronous_commit', 'on');
$standby->start;
is_given_soon(30, 'strict reads go on');
is_given('med.note', 'with a standby') for 1 .. 3;
all_is_there('at the end');
is(sql('SELECT count(*) FROM toms.verify_audit()'), '0', 'the trail is whole');
$node->stop('immediate');
$standby->promote;
all_is_there('on the standby that took over', $standby);
is($standby->safe_psql('app', 'SELECT count(*) FROM toms.verify_audit()'), '0', 'its trail is whole');
$standby->stop;

unlike(slurp_file($_->logfile), qr/PANIC|TRAP|server process .* was terminated/, 'nothing crashed') for $node, $standby;
done_testing();
