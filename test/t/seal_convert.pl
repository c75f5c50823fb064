# A column is sealed, and unsealed again, while others read and write the table, and the server is
# killed in the midst of it: no row is lost, every value is under its own person's key, and
# nobody who keeps his connection sees an error.
#
# TOMS_CONVERT_ROWS is the number of rows, 20000 if it is not set.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TomsTest qw(new_keys start_server create_tenants);

my $rows = $ENV{TOMS_CONVERT_ROWS} // 20000;
my $batch = int($rows / 100);
my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('convert', $dir, "restart_after_crash = on\nautovacuum_naptime = 5s\nfsync = on\n");
create_tenants($node);
$node->safe_psql('postgres', qq{
	CREATE ROLE officer LOGIN;
	SELECT toms.grant_officer('officer', 'admin');
	SELECT toms.allow_enter(login => 'app', tenants => '{acme,globex}', roles => '{hr}');
	CREATE ROLE owner;
	CREATE SCHEMA hr AUTHORIZATION owner;
	GRANT USAGE ON SCHEMA hr TO PUBLIC;
	SET ROLE owner;
	CREATE TABLE hr.absence (id bigint PRIMARY KEY, tenant text NOT NULL, employee bigint NOT NULL, version bigint NOT NULL DEFAULT 0, note text NOT NULL);
	INSERT INTO hr.absence SELECT n, CASE n % 3 WHEN 0 THEN 'globex' ELSE 'acme' END, n % 100, 0, 'note ' || n || ' version 0' FROM generate_series(1, $rows) n;
	GRANT SELECT, INSERT, UPDATE, DELETE ON hr.absence TO hr;
	RESET ROLE;
	SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'employee', category => 'health');
	SELECT toms.permit('hr', 'hr.absence', '{select,insert,update,delete}', '{absence_management}', 'tenant');
	SELECT toms.create_plain_view('hr.absence', 'hr.absence_plain')});

# What the application does meanwhile: it reads and writes through the view, and writes to the table
# as it always did.  Each note says which row and which version it belongs to.
my $enter = q{SELECT toms.enter('acme', '1', 'hr', 'absence_management');};
append_to_file("$dir/load.sql", qq{\\set id 3 * random(1, $rows / 3 - 10) + 1
\\set fresh random($rows + 1, 1000000000000)
BEGIN;
$enter
SELECT 1 / (count(*) = 10 AND bool_and(note = format('note %s version %s', id, version)))::integer FROM hr.absence_plain WHERE id BETWEEN :id AND :id + 27 AND id % 3 = 1;
UPDATE hr.absence SET version = version + 1, note = format('note %s version %s', id, version + 1) WHERE id = :id;
UPDATE hr.absence SET employee = (employee + 1) % 100 WHERE id = :id + 1;
INSERT INTO hr.absence (id, tenant, employee, note) VALUES (:fresh, 'acme', :fresh % 100, 'note ' || :fresh || ' version 0');
DELETE FROM hr.absence WHERE id = :fresh AND :fresh % 2 = 0;
COMMIT;
BEGIN;
$enter
UPDATE hr.absence_plain SET version = version + 1, note = format('note %s version %s', id, version + 1) WHERE id = :id;
COMMIT;
});
my ($load, $said) = (undef, '');
my @errors;

sub start_load
{
	$said = '';
	$load = IPC::Run::start([ 'pgbench', '-n', '-U', 'app', '-h', $node->host, '-p', $node->port, '-c', 3, '-T', 600, '-f', "$dir/load.sql", 'postgres' ],
		'>', '/dev/null', '2>', \$said);
	return;
}

# Errors but for the loss of a connection.  Two who write the same row through the view are told to repeat, which pgbench does not.
sub stop_load
{
	$load->signal('INT') if $load->pumpable;
	eval { $load->finish };
	push @errors, grep { /ERROR|FATAL|aborted/ && !/starting up|recovery mode|not yet accepting|terminating connection|Run was aborted|server closed|in progress|perhaps the backend died/ } split /\n/, $said;
	return;
}

# Killed outright; what it leaves behind goes by itself.
sub kill_server
{
	my @left = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity');
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	$node->kill9;
	for (1 .. 300)
	{
		return if !grep { kill 0, $_ } $postmaster, @left;
		sleep 0.1;
	}
	BAIL_OUT('the server is still there');
}

sub wait_for_server
{
	for (1 .. 600)
	{
		return if system('pg_isready', '-q', '-h', $node->host, '-p', $node->port) == 0;
		sleep 0.1;
	}
	BAIL_OUT('the server does not recover');
}

sub call { return $node->psql('postgres', $_[0], extra_params => [ '-U', 'officer' ]) }

# The end of one conversion, killed as often as is said while it runs.
sub convert
{
	my ($statement, $kills) = @_;
	my ($result, $out, $err, $calls, $killed) = (0, '', '', 0, 0);
	my $began = time;
	my $deadline = time + 600;
	start_load();
	while (time < $deadline)
	{
		if ($calls >= 10 * ($killed + 1) && $killed < $kills)
		{
			my $step = IPC::Run::start([ 'psql', '-XAtq', '-U', 'officer', '-h', $node->host, '-p', $node->port, '-d', 'postgres', '-c', $statement ],
				'>', \my $ignored, '2>', \my $ignored_too);
			sleep 0.02 * $killed;
			# a backend that runs the step, then the postmaster itself, then a backend of the application
			if ($killed == 1) { kill_server(); eval { $step->finish }; stop_load(); $node->start; start_load(); }
			else
			{
				my $whose = $killed == 0 ? "query LIKE '%seal_column%' AND usename = 'officer'" : "usename = 'app'";
				my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE $whose ORDER BY state LIMIT 1")
				  || $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE usename = 'app' LIMIT 1");
				kill 'KILL', $pid;
				eval { $step->finish };
				stop_load();
				wait_for_server();
				start_load();
			}
			$killed++;
		}
		($result, $out, $err) = call($statement);
		$calls++;
		last if $result != 0 || $out eq '0';
	}
	stop_load();
	note(sprintf "%s calls, %s kills, %d s; %s", $calls, $killed, time - $began, $err);
	is($result, 0, "$statement, $killed times killed") or diag($err);
	is($out, '0', 'comes to its end');
	is($killed, $kills, 'was killed as often as was meant');
	is(join("\n", @errors), '', 'nobody who kept the connection saw an error');
	@errors = ();
	unlike(slurp_file($node->logfile), qr/deadlock detected/, 'nor waited for the officer who waited for him');
	my $written = $node->safe_psql('postgres', q{SET toms.reason = 'test'; SELECT sum(version) FROM hr.absence});
	cmp_ok($written, '>', 100, "$written rows were written meanwhile");
	return $err;
}

sub as
{
	my ($tenant, $query) = @_;
	return $node->safe_psql('postgres', qq{SET client_min_messages = error; BEGIN; DO \$\$BEGIN PERFORM toms.enter('$tenant', '1', 'hr', 'absence_management'); END\$\$; $query; COMMIT;},
		extra_params => [ '-U', 'app' ]);
}

# Sealed, under load
my $told = convert("SELECT toms.seal_column('hr.absence', 'note', batch => $batch)", 3);
like($told, qr/VACUUM FULL/, 'the last call says where the former values still are');
is(as('globex', q{SELECT count(*) FROM hr.absence}), int($rows / 3), 'no row of globex is lost');
for my $tenant ('acme', 'globex')
{
	is(as($tenant, q{SELECT count(*) FROM hr.absence WHERE toms.reveal(note, 'hr.absence', employee::text) IS DISTINCT FROM format('note %s version %s', id, version)}), 0,
		"every value of $tenant is sealed for its own person, in its last version");
}
is(as('acme', "SELECT count(*) FROM hr.absence WHERE id <= $rows"), $rows - int($rows / 3), 'no row of acme is lost');
my $plain = $node->safe_psql('postgres', q{SET toms.reason = 'test'; SELECT count(*) FROM hr.absence WHERE left(note::text, 6) <> 'toms1:'});
is($plain, 0, 'nothing else is in the column');
is($node->safe_psql('postgres', q{SELECT count(*) FROM toms.conversions}), 0, 'nothing is left of the conversion');
$node->safe_psql('postgres', q{SET toms.reason = 'test'; VACUUM FULL hr.absence; CHECKPOINT});
my $file = $node->data_dir . '/' . $node->safe_psql('postgres', q{SELECT pg_relation_filepath('hr.absence')});
unlike(slurp_file($file), qr/note \d+ version/, 'after VACUUM FULL no plain value is on disk');

# A dump taken in the midst of it goes on where it is restored, with its view
$node->safe_psql('postgres', q{
	SELECT toms.record_instruction(t, 'unseal_column', 'the controller', 'Store notes in clear text.', single_use => false) FROM unnest('{acme,globex}'::text[]) t;
	SELECT toms.confirm_instruction(1), toms.confirm_instruction(2)});
call("SELECT toms.unseal_column('hr.absence', 'note', 1, $batch)") for 1 .. 5;
$node->safe_psql('postgres', 'CREATE DATABASE copy');
{
	local $ENV{PGOPTIONS} = '-c toms.reason=dump';
	$node->command_ok([ 'pg_dump', '-f', "$dir/dump.sql", $node->connstr('postgres') ], 'it is dumped');
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/dump.sql", $node->connstr('copy') ], 'and restored');
}
unlike(slurp_file("$dir/dump.sql"), qr/\t999\tnote 999 version/, 'what was not unsealed yet is ciphertext in the dump') if $rows >= 2000;
my $remaining = 1;
$remaining = $node->safe_psql('copy', "SELECT toms.unseal_column('hr.absence', 'note', 1, 100000)") while $remaining != 0;
is($node->safe_psql('copy', q{SET toms.reason = 'test'; SELECT count(*) FROM hr.absence WHERE note IS DISTINCT FROM format('note %s version %s', id, version)}), 0,
	'the restored one is unsealed whole');

# Unsealed, under load
convert("SELECT toms.unseal_column('hr.absence', 'note', 1, $batch)", 3);
is($node->safe_psql('postgres', q{SET toms.reason = 'test'; SELECT count(*) FROM hr.absence WHERE note IS DISTINCT FROM format('note %s version %s', id, version)}), 0,
	'every value is back, in its last version');
is(as('acme', "SELECT count(*) FROM hr.absence_plain WHERE id <= $rows"), $rows - int($rows / 3), 'and the view is there');

# While a long transaction holds the table, nobody waits long
my $holder = IPC::Run::start([ 'psql', '-XAtq', '-U', 'app', '-h', $node->host, '-p', $node->port, '-d', 'postgres',
	map { ('-c', $_) } 'SET client_min_messages = error', 'BEGIN', $enter, 'SELECT count(*) FROM hr.absence', 'SELECT pg_sleep(6)' ], '>', '/dev/null');
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(6)%' AND wait_event = 'PgSleep' AND pid <> pg_backend_pid()});
my (undef, $left, $notice) = call("SELECT toms.seal_column('hr.absence', 'note')");
cmp_ok($left, '>', 0, 'a table in use is not waited for');
like($notice, qr/table hr\.absence is in use.*Call the function again/s, 'and it says so');
is($node->safe_psql('postgres', q{SELECT count(*) FROM toms.conversions}), 0, 'nothing has begun');
$holder->finish;

$node->stop;
done_testing();
