# Keys outlive crashes and not their erasure: a rotation that is killed leaves everything open and
# is finished afterwards; a backup opens with the keyring of today as long as toms.key_grace lasts,
# then with the live database's keys only, and an erased data subject never.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys start_server);

my $subjects = 1000;
my $keys = 2 * $subjects;     # of what is sealed, and of what the audit trail says of it
my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('live', $dir, "restart_after_crash = on\nmax_wal_senders = 4\nwal_level = replica\ndatestyle = 'ISO, YMD'\n");
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
CREATE ROLE hr;
CREATE ROLE job LOGIN IN ROLE hr;
CREATE ROLE keeper LOGIN;
SELECT toms.grant_officer('keeper', 'admin'), toms.grant_officer('keeper', 'operator');
CREATE TABLE note (employee integer NOT NULL, tenant text NOT NULL, words toms.sealed_text);
GRANT SELECT, INSERT ON note TO hr;
SELECT toms.protect('note', tenant => 'tenant', subject => 'employee', category => 'health',
	read_audit => 'asynchronous', reason => 'what opens is asked where the keys of who asks are gone');
SELECT toms.permit('hr', 'note', '{select,insert}', '{absence_management}', 'tenant');
SET client_min_messages = error;
SELECT toms.allow_enter('job', '{acme}', '{hr}');
CREATE FUNCTION opens(value toms.sealed_text, plain text) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
    code text;
BEGIN
    RETURN CASE WHEN toms.reveal(value) = plain THEN 'open' ELSE 'wrong' END;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME;
    RETURN code;
END
\$\$;
SQL
my $enter = "SELECT FROM toms.enter('acme', '1', 'hr', 'absence_management');";
as('job', "BEGIN; $enter INSERT INTO note SELECT n, 'acme', 'of ' || n FROM generate_series(1, $subjects) n; COMMIT");

# What a log-in gets from statements.
sub as
{
	my ($login, $statements, $database, $on) = @_;
	return ($on // $node)->safe_psql($database // 'postgres', $statements, extra_params => [ '-q', '-U', $login ]);
}

# How many values open, and why the others do not: "open 999, toms_key_destroyed 1".
sub state_of
{
	my ($database, $on) = @_;
	return as('job', "BEGIN; $enter SELECT string_agg(state || ' ' || n, ', ' ORDER BY state)
		FROM (SELECT opens(words, 'of ' || employee) AS state, count(*) AS n FROM note GROUP BY 1) s; COMMIT", $database, $on);
}

# Keys by epoch: "1: 400, 2: 600".
sub epochs
{
	return $node->safe_psql('postgres', q{SELECT string_agg(epoch || ': ' || n, ', ' ORDER BY epoch) FROM
		(SELECT epoch, count(*) AS n FROM toms.data_keys WHERE destroyed_at IS NULL GROUP BY epoch) s});
}

# Kills the back end that runs the query, and waits until the server is up again.
sub kill_backend
{
	my ($query) = @_;
	my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE query LIKE '$query%' AND pid <> pg_backend_pid()");
	my $start = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
	like($pid, qr/^\d+$/, "one back end runs $query") or return;
	kill KILL => $pid;
	for (1 .. 600)
	{
		my ($code, $out) = $node->psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid");
		return if defined $code && $code == 0 && $out eq '0';
		select undef, undef, undef, 0.1;
	}
	BAIL_OUT('the server does not come back');
}

# A session that goes on by itself.
my ($in, $out, $err);
sub start_session
{
	my ($statements, $login, $on) = @_;
	($in, $out, $err) = ($statements, '', '');
	return IPC::Run::start([ 'psql', '-XAtq', '-d', ($on // $node)->connstr('postgres'), '-U', $login // 'keeper' ], '<', \$in, '>', \$out, '2>', \$err);
}

# Rotation

my $everything = "open $subjects";
is(state_of(), $everything, 'everything opens');
is(epochs(), "1: $keys", 'each subject has a key of his values, and one in the trail');

my $session = start_session("BEGIN;\nSELECT 'done', rewrapped, remaining FROM toms.rotate_keys('acme', 400);\nSELECT pg_sleep(600);\n");
$session->pump until $out =~ /done/ || $err;
is($out, "done|400|" . ($keys - 400) . "\n", 'a batch, not committed');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%' AND state = 'active'}), 'the session stays');
kill_backend('SELECT pg_sleep(600)');
$session->finish;
is(state_of(), $everything, 'killed before the first batch was committed: everything opens');
is(epochs(), "1: $keys", 'under the epoch of before');
is($node->safe_psql('postgres', 'SELECT count(*) FROM toms.key_epoch'), '1', 'no other has begun');

# a row that another session holds stops the rotation after some batches
my $last = $node->safe_psql('postgres', 'SELECT id FROM toms.data_key ORDER BY ctid DESC LIMIT 1');
my $holder = start_session("BEGIN;\nSELECT 'held', id FROM toms.data_key WHERE id = $last FOR UPDATE;\nSELECT pg_sleep(600);\n", $ENV{USER} // getpwuid($<));
$holder->pump until $out =~ /held/ || $err;
$session = start_session("CALL toms.rotate_all_keys('acme', batch => 70);\n");
$session->pump_nb;
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL toms.rotate%' AND wait_event_type = 'Lock'}), 'it waits');
like(epochs(), qr/^1: \d+, 2: \d+$/, 'the rotation is on its way');
kill_backend('CALL toms.rotate');
$_->finish for $session, $holder;
like(epochs(), qr/^1: \d+, 2: \d+$/, 'killed between the batches: some keys are of the former epoch, some of the new one');
is(state_of(), $everything, 'everything opens');
as('keeper', q{CALL toms.rotate_all_keys('acme', batch => 70)});
is(epochs(), "2: $keys", 'after the restart the rotation finishes');
is(state_of(), $everything, 'and everything opens');
is($node->safe_psql('postgres', q{SELECT string_agg(number || ' ' || state, ', ' ORDER BY number) FROM toms.key_epochs}), '1 retired, 2 current', 'one epoch followed the other');

# Backups of before an erasure: the server's files, and a dump

$node->backup('before');
{
	local $ENV{PGOPTIONS} = '-c toms.reason=backup';
	$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", '-d', $node->connstr('postgres') ], 'a dump is taken');
	$node->safe_psql('postgres', "CREATE DATABASE $_") for 'early', 'late';
	$node->command_ok([ 'pg_restore', '-d', $node->connstr('early'), "$dir/dump" ], 'and restored');
}
sub restored_server
{
	my ($name) = @_;
	my $restored = PostgreSQL::Test::Cluster->new($name);
	$restored->init_from_backup($node, 'before');
	$restored->start;
	return $restored;
}

# A session of a standby has the keys in its memory

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'before', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'toms.standby_reads = log');
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));     # other invalidations have passed
my $read = "BEGIN; $enter SELECT count(*) FILTER (WHERE opens(words, 'of ' || employee) = 'open') || ' open' FROM note; COMMIT;\n";
my $reader = start_session($read, 'job', $standby);
$reader->pump until $out =~ /open/ || $err;
is($out, "$subjects open\n", 'a session of a hot standby opens everything');

# An erasure

my $instruction = as('keeper', q{SELECT toms.record_instruction('acme', kind => 'erase', given_by => 'x', wording => 'y', subject => '17')});
is(as('keeper', "SELECT toms.confirm_instruction($instruction); SELECT toms.destroy_keys('acme', instruction => $instruction, subject => '17')"),
	"\n2", 'a data subject is erased');
my $erased = 'open ' . ($subjects - 1) . ', toms_key_destroyed 1';
is(state_of(), $erased, 'nobody opens his values any more, and all others');
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
($in, $out) = ($read, '');
$reader->pump until $out =~ /open/ || $err;
is($out, ($subjects - 1) . " open\n", 'nor does the session of the standby');
$reader->finish;
is(state_of('postgres', $standby), $erased, 'nor another one');
$standby->stop;
as('keeper', q{CALL toms.rotate_all_keys('acme')});

# The grace period lasts
my $early = restored_server('early');
is(state_of('postgres', $early), $everything, 'before the grace period is over a backup opens as it was');
is(state_of('early'), $everything, 'so does a dump');
unlike(as('keeper', q{SELECT destroyed FROM toms.destroy_old_epochs('acme', confirm => true)}), qr/t/, 'nothing is destroyed before');
$early->stop;

# and is over
$node->append_conf('postgresql.conf', 'toms.key_grace = 0');
$node->reload;
ok($node->poll_query_until('postgres', q{SELECT current_setting('toms.key_grace') = '0'}), 'the grace period is over');
like(as('keeper', q{SELECT string_agg(effect, '') FROM toms.destroy_old_epochs('acme')}),
	qr/Backups from before 20.*open with toms\.adopt_keys\(\) only/, 'which backups will need the live database is told');
is(as('keeper', q{SELECT string_agg(number::text, ',' ORDER BY number) FROM toms.destroy_old_epochs('acme', confirm => true) WHERE destroyed}), '1,2', 'the former epochs are destroyed');
is(state_of(), $erased, 'the live database is as it was');

my $late = restored_server('late');
{
	local $ENV{PGOPTIONS} = '-c toms.reason=backup';
	$node->command_ok([ 'pg_restore', '-d', $node->connstr('late'), "$dir/dump" ], 'the dump is restored again');
}
my %restored = ('the restored server' => [ 'postgres', $late ], 'the restored dump' => [ 'late', $node ]);
my $export = as('keeper', q{SELECT format('SELECT * FROM toms.adopt_keys(%L);', k) FROM toms.export_keys('acme') k});
for my $what (sort keys %restored)
{
	my ($database, $on) = @{ $restored{$what} };
	is(state_of($database, $on), "toms_epoch_missing $subjects", "$what opens nothing by itself");
	is(as('keeper', $export, $database, $on), ($keys - 2) . '|2', "$what adopts the live database's keys");
	is(state_of($database, $on), $erased, "$what opens everything but what has been erased");
	is(as('keeper', 'SELECT DISTINCT column_name, problem FROM toms.verify_sealed($$note$$)', $database, $on),
		'words|its key has been destroyed', "$what has nothing else that does not belong");
	is(as('keeper', q{SELECT count(*) FROM toms.check_keyring()}, $database, $on), '0', "the keyring is that of $what");
	as('keeper', q{CALL toms.rotate_all_keys('acme')}, $database, $on) if $on == $late;
}
is(state_of('postgres', $late), $erased, 'the restored server goes on with its keys');

$_->stop for $late, $node;
done_testing();
