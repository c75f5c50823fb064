# A disk that is full: strict reads are refused in time, others wait in the queue until that is full, too,
# nothing hangs, and when there is room again all that was acknowledged is in the trail.
#
# The writer is forbidden to make files longer than a megabyte.  Where TOMS_TEST_SMALL_DISK names a directory on a
# file system of some 64 MB, which is the server's user's and empty, the trail lies there, and that is full indeed:
#
#   mount -t tmpfs -o size=64m,mode=700,uid=postgres none /mnt/small

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

my $LIMIT = 1024 * 1024;

my $version = '';
plan skip_all => 'there is no prlimit(1)' unless eval { IPC::Run::run([ 'prlimit', '--version' ], '<', \undef, '>&', \$version) };

# Segments of the log are as long as the limit, and the server log is shorter: it must not stop the writer from writing to them.
my $node = sealed_server('full', keyring(), extra => ['--wal-segsize=1'],
	settings => "toms.session_context = on\ntoms.audit_queue_size = 64kB\ntoms.audit_timeout = 1s\nautovacuum = off\nlog_statement = none\nlog_min_messages = error\nmax_worker_processes = 16\nmax_connections = 60\n");
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

sub sql { return $node->safe_psql('app', $_[0]) }
sub reader { return as_tenant($node, 'app', 'acme', $_[0]) }

sub reads
{
	my ($table) = @_;
	return sql(qq{SELECT coalesce(sum(coalesce((convert_from(e.payload, 'UTF8')::jsonb ->> 'times')::integer, 1)), 0)
		FROM toms.audit_entry e WHERE kind = 'r' AND verb = 's' AND object IN
		(SELECT id FROM toms.audit_entry o WHERE o.kind = 'o' AND convert_from(o.payload, 'UTF8')::jsonb ->> 'relation' = '$table')});
}

# Entries that do not say who acted, or are not whole for want of something else.
sub lacking { return sql(q{SELECT count(*) FROM toms.audit_entry WHERE kind = 'r' AND verb = 's' AND (who IS NULL OR convert_from(payload, 'UTF8')::jsonb ? 'lacking')}) }

sub writer { return sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms writer' AND datname = 'app'}) }

my $strict = 'SELECT count(*) FROM med.note';           # health data
my $asynchronous = 'SELECT count(*) FROM med.desk';
my %acknowledged = ('med.note' => 0, 'med.desk' => 0);

# Each reader says another name, so that his entry is not one with the one before, and is long.
my $readers = 0;

sub ask
{
	my ($table) = @_;
	my $begin = time;
	my $said = reader(sprintf q{SET LOCAL application_name = 'reader %d %s'; SELECT count(*) FROM %s}, ++$readers, 'x' x 40, $table);
	$acknowledged{$table}++ if $said =~ /^\d+$/;
	return ($said, time - $begin);
}

# Many strict reads at once, of many who are told of or always of the same; each one of pgbench's transactions was acknowledged.
my $by_many = PostgreSQL::Test::Utils::tempdir() . '/script';
append_to_file($by_many, "\\set name random(1, 1000000000000)\nBEGIN;\nSELECT set_config('application_name', :name::text || repeat('-', 40), true);\n$strict;\nCOMMIT;\n");
my $by_the_same = PostgreSQL::Test::Utils::tempdir() . '/script';
append_to_file($by_the_same, "$strict;\n");

sub read_much
{
	my ($script) = @_;
	local $ENV{PGOPTIONS} = '-c toms.token=' . token('acme');
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'pgbench', '-n', '-c', 8, '-t', 100, '-f', $script, '-h', $node->host, '-p', $node->port, '-U', 'app', 'app' ],
		'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
	$acknowledged{'med.note'} += $1 if $out =~ /number of transactions actually processed: (\d+)/;
	return;
}

# toms.audit_timeout, and some time for a slow machine.
my $in_time = 30;

sub try_full
{
	my ($name, $full, $again, $script) = @_;
	$full->();
	my ($said, $took);
	for (1 .. 40)
	{
		read_much($script);
		($said, $took) = ask('med.note');
		last if $said !~ /^\d+$/;
	}
	like($said, qr/the audit trail could not take it in\nDETAIL:  Its writer has not made it durable within 1000 ms\./, "$name: a strict read is refused");
	cmp_ok($took, '<', $in_time, 'in time');
	($said, $took) = ask('med.note');
	like($said, qr/the audit trail could not take it in\nDETAIL:  Its writer has not made it durable within 1000 ms\./, '... and the next one');
	cmp_ok($took, '<', $in_time, 'in time');
	($said, $took) = ask('med.desk');
	is($said, '20', 'another read is not, and does not wait');
	my $taken = 0;
	for (1 .. 1000)
	{
		($said, $took) = ask('med.desk');
		last if $said ne '20';
		$taken++;
	}
	like($said, qr/the audit trail could not take it in\nDETAIL:  Its queue has had no room for 1000 ms\./, "until the queue is full, after $taken");
	cmp_ok($took, '<', $in_time, 'in time');
	is(sql('SELECT count(*) FROM toms.audit_queue WHERE timeouts > 2 AND oldest_waiting_ms > 0'), '1', 'the queue tells of it');
	$again->();
	my $until = time + 60;
	do { ($said) = ask('med.note') } until $said eq '0' || time > $until;
	is($said, '0', 'when there is room again, strict reads go on');
	ok($node->poll_query_until('app', 'SELECT used_bytes = 0 FROM toms.audit_queue'), 'all is written');
	sql('SELECT toms.seal_audit()');
	cmp_ok(reads($_), '>=', $acknowledged{$_}, "all reads of $_ that were acknowledged") for sort keys %acknowledged;
	is(reads('med.desk'), $acknowledged{'med.desk'}, 'and of what nobody had to wait for, each once');
	is(lacking(), '0', 'each entry says who acted');
	is(sql('SELECT count(*) FROM toms.verify_audit()'), '0', 'the trail is whole');
	return;
}

my ($said) = ask('med.note');
is($said, '0', 'a strict read');
($said) = ask('med.desk');
is($said, '20', 'another read');

# The writer's files may not become longer.
sub limit
{
	my ($size) = @_;
	my @command = ('prlimit', '--pid', writer(), "--fsize=$size:unlimited");
	my $output = '';
	IPC::Run::run(\@command, '<', \undef, '>&', \$output) or die "@command: $output";
	return;
}
my $offset = -s $node->logfile;
try_full('no room to tell who acts', sub { limit($LIMIT) }, sub { limit('unlimited') }, $by_many);
try_full('no room for anything', sub { limit($LIMIT) }, sub { limit('unlimited') }, $by_the_same);
ok(slurp_file($node->logfile, $offset) =~ /ERROR:  could not extend file ".*": File too large/, 'the server log tells what it was');

# Nothing may grow, of the whole database.
my $small = $ENV{TOMS_TEST_SMALL_DISK};

sub fill_disk
{
	open my $file, '>', "$small/ballast" or die "$small/ballast: $!";
	1 while syswrite $file, '-' x 8192;
	close $file;
	return;
}

SKIP:
{
	skip 'TOMS_TEST_SMALL_DISK names no directory', 1 unless $small;
	mkdir "$small/data", 0700 or die "$small/data: $!";
	$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$small/data'");
	$node->safe_psql('postgres', 'ALTER DATABASE app SET TABLESPACE small');
	$offset = -s $node->logfile;
	try_full('a disk is full', \&fill_disk, sub { unlink "$small/ballast" or die $! }, $by_many);
	ok(slurp_file($node->logfile, $offset) =~ /ERROR:  could not extend file "pg_tblspc.*": No space left on device/, 'the server log tells it');
	$node->safe_psql('postgres', 'ALTER DATABASE app SET TABLESPACE pg_default; DROP TABLESPACE small');
	rmdir "$small/data";
}

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|server process .* was terminated/, 'nothing crashed');
done_testing();
