# What a crash costs: nothing that was to be recorded first, at most toms.audit_delay of the rest, and the
# trail says so.  What a standby does, which has no writer.

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

my $node = sealed_server('crash', keyring(), allows_streaming => 1,
	settings => "toms.session_context = on\ntoms.audit_delay = 10s\ntoms.audit_synchronous_commit = off\nwal_writer_delay = 10s\nrestart_after_crash = on\nmax_worker_processes = 16\nmax_connections = 40\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');
$node->safe_psql('app', q{
	SET client_min_messages = warning;
	CREATE TABLE med.desk (id integer PRIMARY KEY, tenant text NOT NULL);
	INSERT INTO med.desk SELECT n, 'acme' FROM generate_series(1, 20) n;
	GRANT ALL ON med.desk TO hr;
	SELECT toms.protect('med.desk', tenant => 'tenant');
	SELECT toms.permit('hr', 'med.desk', '{select,insert,update,delete}', '{absence_management}', 'tenant')});

sub sql { return $node->safe_psql('app', $_[0]) }
sub reader { return as_tenant($node, 'app', 'acme', $_[0]) }

sub reads
{
	my ($table) = @_;
	return sql(qq{SELECT count(*) FROM toms.audit_entry e JOIN toms.audit_entry o ON o.id = e.object AND o.kind = 'o'
		WHERE e.kind = 'r' AND e.verb = 's' AND CASE WHEN o.kind = 'o' THEN convert_from(o.payload, 'UTF8')::jsonb ->> 'relation' END = '$table'});
}

# The last that the writers said, when they have said so much; "newest" as whether it is of today.
sub last_words
{
	my ($n) = @_;
	$node->poll_query_until('app', "SELECT count(*) >= $n FROM toms.audit_entry WHERE kind = 'a' AND verb IN ('W', 'X')");
	return sql(q{SELECT count(*) || ' ' || (SELECT verb::text || ' ' || jsonb_build_object('clean', said -> 'clean', 'delay', said -> 'delay', 'recent', now() - (said ->> 'newest')::timestamptz < interval '5 minutes')::text
			FROM (SELECT id, verb, convert_from(payload, 'UTF8')::jsonb AS said FROM toms.audit_entry WHERE kind = 'a' AND verb IN ('W', 'X')) l ORDER BY id DESC LIMIT 1)
		FROM toms.audit_entry WHERE kind = 'a' AND verb IN ('W', 'X')});
}

# Kills a process so that the server starts all over.
sub crash
{
	my ($pid) = @_;
	my $offset = -s $node->logfile;
	kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	return answers($node);
}

my $strict = 'SELECT count(*) FROM med.note';
my $asynchronous = 'SELECT count(*) FROM med.desk';

is(reader($strict), '0', 'a strict read');
sql('SELECT toms.seal_audit()');

# The server stops without a chance to write.
is(reader($strict), '0', 'another');
is(reader($asynchronous), '20', 'and one of which nobody waits until it is written');
$node->stop('immediate');
$node->start;
my $crashed = '{"clean": false, "delay": 10000, "recent": true}';
is(last_words(2), "2 W $crashed", 'after an immediate shutdown the trail tells that something may be missing, since when, and of how long');
is(reads('med.note'), '2', 'what was to be recorded first is there');
is(reads('med.desk'), '0', 'what was waiting is lost');

# A backend is killed, and then the writer itself.
my $session = { in => "SELECT pg_backend_pid();\n", out => '', err => '' };
$session->{run} = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-d', 'app' ], '<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err}, IPC::Run::timeout(180));
$session->{run}->pump until $session->{out} =~ /\d+\n/;
is(reader($strict), '0', 'a strict read');
crash($session->{out} =~ /(\d+)/);
eval { $session->{run}->finish };
is(last_words(3), "3 W $crashed", 'after kill -9 of a backend');
is(reads('med.note'), '3', 'what was to be recorded first is there');
is(reader($strict), '0', 'a strict read');
crash(sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms writer' AND datname = 'app'}));
is(last_words(4), "4 W $crashed", 'after kill -9 of the writer');
is(reads('med.note'), '4', 'the same');
$node->restart;
like(last_words(6), qr/^6 W \{"clean": true,/, 'after a shutdown it is said that nothing was left');
is(sql(q{SELECT count(*) FROM toms.verify_audit()}), '0', 'the trail is whole');

# Readers while the server crashes.
my $script = PostgreSQL::Test::Utils::tempdir() . '/script';
append_to_file($script, "$strict;\n");
my $before = reads('med.note');
my ($out, $err) = ('', '');
{
	local $ENV{PGOPTIONS} = '-c toms.token=' . token('acme');
	my $clients = IPC::Run::start([ 'pgbench', '-n', '-c', 8, '-j', 2, '-T', 20, '-f', $script, '-h', $node->host, '-p', $node->port, '-U', 'app', 'app' ],
		'>', \$out, '2>', \$err, IPC::Run::timeout(180));
	usleep(2_000_000);
	$node->stop('immediate');
	eval { $clients->finish };
}
$node->start;
my ($acknowledged) = $out =~ /number of transactions actually processed: (\d+)/;
cmp_ok($acknowledged, q(>), 50, "eight clients read strictly until the server crashed") || diag "$out$err";
cmp_ok(reads('med.note') - $before, '>=', $acknowledged, 'all that was acknowledged is there');

# A standby has no writer.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
like(as_tenant($standby, 'app', 'acme', $strict), qr/the audit trail could not take it in\nDETAIL:  It must be recorded before it goes on, and this is a standby\./, 'a strict read on a standby is refused');
my $offset = -s $standby->logfile;
is(as_tenant($standby, 'app', 'acme', $asynchronous), '20', 'another one is not');
like(slurp_file($standby->logfile, $offset), qr/toms event: kind=r verb=s table=med\.desk login=app .*\n.*DETAIL:  It is not in the audit trail: this is a standby\./, 'it is in the server log');
is($standby->safe_psql('app', 'SELECT count(*) FROM toms.audit_queue'), '0', 'there is no queue');
$standby->append_conf('postgresql.conf', "toms.standby_reads = log\n");
$standby->reload;
usleep(200_000);
$offset = -s $standby->logfile;
is(as_tenant($standby, 'app', 'acme', $strict), '0', 'where the administrator permits it, it is not');
like(slurp_file($standby->logfile, $offset), qr/toms event: kind=r verb=s table=med\.note/, 'and in the server log, too');
$standby->promote;
ok($standby->poll_query_until('app', 'SELECT count(*) = 1 AND bool_and(writer_pid IS NOT NULL) FROM toms.audit_queue'), 'after promotion it has a writer');
is(as_tenant($standby, 'app', 'acme', $strict), '0', 'and reads are in its trail');
is($standby->safe_psql('app', q{SELECT convert_from(payload, 'UTF8')::jsonb ->> 'clean' FROM toms.audit_entry WHERE kind = 'a' AND verb = 'W' ORDER BY id DESC LIMIT 1}),
	'false', 'which tells that the queue of the former primary is not here');
$standby->stop;

# More databases than queues.
create_sealed($node, 'second');
$node->append_conf('postgresql.conf', "toms.audit_queues = 1\n");
$node->restart;
my $said = join "\n", map { as_tenant($node, $_, 'acme', $strict) } 'app', 'second';
like($said, qr/^0$/m, 'one database has the queue');
like($said, qr/DETAIL:  More databases have the extension than there are queues/, 'strict reads of the other are refused');
like(slurp_file($node->logfile), qr/there is no audit queue left for database \d+/, 'which its writer says');
$node->safe_psql('postgres', "DROP DATABASE $_") for $said =~ /^0\n/ ? 'app' : 'second';
my $other = $said =~ /^0\n/ ? 'second' : 'app';
ok($node->poll_query_until($other, 'SELECT count(*) = 1 AND bool_and(writer_pid IS NOT NULL) FROM toms.audit_queue'), 'when the first is dropped the other has it');
is(as_tenant($node, $other, 'acme', $strict), '0', 'and goes on');

$node->stop;
done_testing();
