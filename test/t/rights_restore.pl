# What was erased does not come back with a backup: after a restore, of a base backup, to a point in time or from a
# dump, protected tables are closed until it has been erased again. Nothing is lost or forked by a failover, nor by a
# copy that is started beside the server it was made of.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(sleep);

my $keyring = keyring();
my $outside = keyring();
my $node = sealed_server('live', $keyring, allows_streaming => 1, has_archiving => 1,
	settings => "toms.outside = '$outside'\nmax_connections = 30\ntoms.seal_interval = 200ms\nlog_statement = none\n");
$node->start;
# nobody seals yet
my $of_launcher = q{FROM pg_stat_activity WHERE backend_type = 'toms launcher'};
$node->poll_query_until('postgres', "SELECT count(*) = 1 $of_launcher") or die;
my $launcher = $node->safe_psql('postgres', "SELECT pid $of_launcher");
kill 'STOP', $launcher or die;
add_roles($node);
create_sealed($node, 'postgres');
read_without_keys($node, 'postgres');
fill($node, 'postgres');
$node->safe_psql('postgres', q{CREATE ROLE dpo LOGIN; SELECT toms.grant_officer('dpo', 'admin')});

sub sql { my ($on, $sql, $database) = @_; return $on->safe_psql($database // 'postgres', $sql) }

# What an officer gets, or the error.
sub officer
{
	my ($on, $statements, $database) = @_;
	my ($code, $out, $err) = $on->psql($database // 'postgres', $statements, extra_params => [ '-U', 'dpo', '-q' ], on_error_stop => 1);
	return $code == 0 ? $out : $err;
}

# Erase a person; everything in one transaction, by what replays and erases alike.
sub erase
{
	my ($on, $tenant, $subject, $database) = @_;
	return sql($on, "SET client_min_messages = error; SELECT row_count FROM toms.erase_again('subject', '$tenant', '$subject', NULL)", $database);
}

# The error of statements that are to fail.
sub refused { my ($on, $statements) = @_; return ($on->psql('postgres', $statements, on_error_stop => 1))[2] }

# Notes of acme: who has some; or the error.
sub persons
{
	my ($on, $database) = @_;
	return as_tenant($on, $database // 'postgres', 'acme', 'SELECT string_agg(DISTINCT employee::text, \',\' ORDER BY employee::text) FROM med.note');
}

sub settled
{
	my ($on, $database) = @_;
	return $on->poll_query_until($database // 'postgres', q{SELECT count(*) = 0 FROM toms.ledger WHERE state = 'intended' OR NOT told});
}

sub lines
{
	my ($type) = @_;
	return grep { /"type":"$type"/ } map { split /\n/, slurp_file($_) } glob "$outside/*.log";
}

# All that was written outside, but what blocks tell.
sub told { return join ' ', map { /"type":"(\w+)"/ && $1 ne 'block' ? $1 : () } map { split /\n/, slurp_file($_) } glob "$outside/*.log" }

sub restored
{
	my ($name, $backup, %how) = @_;
	my $restored = PostgreSQL::Test::Cluster->new($name);
	my $settings = "archive_mode = off\n" . (delete $how{settings} // '');
	$restored->init_from_backup($node, $backup, %how);
	$restored->append_conf('postgresql.conf', $settings);
	$restored->start;
	return $restored;
}

# The ledger

is(sql($node, 'SELECT gate FROM toms.status'), 'open', 'the tables of a new database are open');
is(sql($node, 'SELECT count(*) FROM toms.dataset'), '0', 'and has no name yet, which it is given when its trail is sealed for the first time');
$node->backup('unnamed');
kill 'CONT', $launcher;
sql($node, 'SELECT toms.seal_audit()');
$node->backup('before');
is(erase($node, 'acme', '17'), '3', 'a person is erased: three rows');
ok(settled($node), 'and what became of it is known');
is(told(), 'erasure erased', 'both were told outside');
unlike(join('', lines('erasure')), qr/acme|"17"/, 'without his name');
sql($node, q{SET client_min_messages = error; BEGIN; SELECT toms.erase_again('subject', 'acme', '18', NULL); ROLLBACK});
ok(settled($node), 'one that was rolled back is settled too');
is(told(), 'erasure erased erasure void', 'it was told outside before, and that it came to nothing');
is(persons($node), '18,19', 'nobody else was erased');
$node->backup('after');
$node->restart;
is(persons($node), '18,19', 'after a restart the tables are open');

# A base backup of before

$node->stop;
my $old = restored('old', 'before');
like(persons($old), qr/what was erased may be back.*HINT:  SELECT \* FROM toms\.replay_erasures\(\)/s, 'restored from before: closed');
is(sql($old, 'SELECT gate FROM toms.status'), 'restored', 'monitoring is told');
like(as_migration($old, 'postgres', 'SELECT count(*) FROM med.note'), qr/what was erased may be back/, 'for administrators too');
like(as_tenant($old, 'postgres', 'globex', q{INSERT INTO med.note (id, tenant, employee) VALUES (90, 'globex', 1)}), qr/what was erased may be back/, 'for writing');
like(officer($old, 'SELECT kind, tenant, outcome, rows FROM toms.replay_erasures(dry_run => true)'), qr/^subject\|acme\|would be erased again\|0$/, 'a dry run says what would be erased');
like(persons($old), qr/what was erased may be back/, 'and opens nothing');
my $erasing = q{SET client_min_messages = error; SELECT toms.erase_again('subject', 'acme', '18', NULL)};
my $told = told();
like(refused($old, $erasing), qr/what was erased may be back.*HINT:  SELECT \* FROM toms\.replay_erasures\(\)/s, 'nobody is erased before that');

# The key of the ledger

my $key = "$keyring/ledger.key";
rename $key, "$key.away" or die;
like(officer($old, 'SELECT * FROM toms.replay_erasures()'), qr/the keyring has no key "ledger"/, 'nor is it with a keyring of before, which would find nobody');
like(refused($old, $erasing), qr/what was erased may be back/, 'nor is anybody erased with one');
ok(!-e $key, 'and no key is made');
append_to_file($key, 'ed25519 ' . 'A' x 43 . "\n");
chmod 0600, $key or die;
like(officer($old, "SELECT * FROM toms.replay_erasures($_)"), qr/the key "ledger" of the keyring is not the one.*HINT:  Bring the keyring back/s, "nor with another key, which would find nobody either ($_)")
  for 'false', 'dry_run => true';
like(persons($old), qr/what was erased may be back/, 'it stays closed');
unlink $key or die;
my $keyless = restored('keyless', 'after');
is(persons($keyless), '18,19', 'where nothing came back the tables are open without the key');
like(refused($keyless, $erasing), qr/the keyring has no key "ledger", with which the erasure ledger was written/, 'but nobody is erased');
like(refused($old, "BEGIN; SELECT toms.pass_gate(true); $erasing"), qr/the keyring has no key "ledger", with which/, 'nor where only the log outside knows of erasures');
ok(!-e $key, 'and no key is made: what has been told would never be found again');
$keyless->stop;
rename "$key.away", $key or die;
is(told(), $told, 'none of that was told outside');
is(officer($old, 'SELECT kind, tenant, outcome, rows FROM toms.replay_erasures()'), 'subject|acme|erased again|3', 'it is erased again');
is(persons($old), '18,19', 'he is gone, and the tables are open');
is(officer($old, 'SELECT count(*) FROM toms.replay_erasures()'), '0', 'nothing is left to replay');
ok(settled($old), 'what the replay did is told');
is(told(), 'erasure erased erasure void erasure erased', 'outside too');
$old->restart;
is(persons($old), '18,19', 'and stays so');
my $name = sql($old, 'SELECT id FROM toms.dataset');
$old->stop;
my $newer = restored('newer', 'after');
is(persons($newer), '18,19', 'a backup of after the erasure is open: that it was done again elsewhere is nothing new');
$newer->stop;

# One of before the data had a name

my $unnamed = restored('unnamed', 'unnamed', settings => "toms.seal_interval = 200ms\ntoms.outside = '$outside/away'\n");
like(refused($unnamed, 'SELECT toms.seal_audit()'), qr/the log outside of the database cannot be used\nDETAIL:  "\Q$outside\E\/away": No such file/, 'where that log is not at hand');
is(sql($unnamed, 'SELECT count(*) FROM toms.dataset'), '0', 'the data is given no other name');
$unnamed->append_conf('postgresql.conf', "toms.outside = '$outside'\n");
$unnamed->restart;
like(persons($unnamed), qr/what was erased may be back.*HINT:  SELECT \* FROM toms\.replay_erasures\(\)/s, 'a backup of before the name was given: closed');
sql($unnamed, 'SELECT toms.seal_audit()');
is(sql($unnamed, 'SELECT id FROM toms.dataset'), $name, 'it takes the name of the log that tells of it');
like(persons($unnamed), qr/what was erased may be back.*HINT:  SELECT \* FROM toms\.replay_erasures\(\)/s, 'and stays closed');
is(officer($unnamed, 'SELECT kind, tenant, outcome, rows FROM toms.replay_erasures()'), 'subject|acme|erased again|3', 'until it is erased there, too');
is(persons($unnamed), '18,19', 'then it is open');
$unnamed->stop;

# To a point in time

my $pitr = PostgreSQL::Test::Cluster->new('pitr');
$pitr->init_from_backup($node, 'before', has_restoring => 1, standby => 0);
$pitr->append_conf('postgresql.conf', "recovery_target_name = 'here'\nrecovery_target_action = promote\narchive_mode = off\n");
$node->start;
is(persons($node), '18,19', 'and so is the first server');
sql($node, q{SELECT pg_create_restore_point('here')});
is(erase($node, 'acme', '18'), '2', 'another one is erased');
ok(settled($node), 'and told');
sql($node, 'SELECT pg_switch_wal()');
$node->stop;
$pitr->start;
$pitr->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'not promoted';
like(persons($pitr), qr/1 came back, of 0 nobody can tell/, 'to a point in time before: closed');
is(officer($pitr, 'SELECT outcome, rows FROM toms.replay_erasures()'), 'erased again|2', 'it is erased again');
is(persons($pitr), '19', 'gone');
$pitr->stop;

# Of an erasure under way when the server was lost nobody can tell

$node->start;
officer($node, 'SELECT toms.replay_erasures()');
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe(q{SET client_min_messages = error});
$session->query_safe(q{BEGIN});
$session->query_safe(q{SELECT toms.erase_again('subject', 'acme', '19', NULL)});
sql($node, 'CHECKPOINT');
$node->backup('under_way');
$session->query_safe('ROLLBACK');
$session->quit;
$node->stop('immediate');
my $promoted = PostgreSQL::Test::Cluster->new('promoted');
$promoted->init_from_backup($node, 'under_way', has_streaming => 0, standby => 0, has_restoring => 0);
$promoted->append_conf('postgresql.conf', "archive_mode = off\n");
$promoted->set_standby_mode;
$promoted->start;
$promoted->promote;
like(persons($promoted), qr/0 came back, of 1 nobody can tell/, 'one under way is not erased again by itself');
like(officer($promoted, 'SELECT outcome FROM toms.replay_erasures()'), qr/to be decided/, 'it is listed');
my $line = sql($promoted, q{SELECT id FROM toms.replay_erasures(true)});
like(officer($promoted, "SELECT toms.decide_erasure('$line', false, '')"), qr/a decision and its reason must be given/, 'who decides says why');
is(officer($promoted, "SELECT toms.decide_erasure('$line', false, 'the officer took it back')"), '', 'an officer decides that he stays');
is(persons($promoted), '19', 'open, and he is there');
$promoted->stop;

# The log is lost

$node->start;
officer($node, 'SELECT toms.replay_erasures()');
is(persons($node), '19', 'the first server is open');
my ($log) = glob "$outside/*.log";
$node->stop;
rename $log, "$log.away" or die;
$node->start;
like(persons($node), qr/what was erased may be back.*lines of the log outside \d+ are missing.*accept_ledger/s, 'without its log it is closed');
rename "$log.away", $log or die;
sleep 1.2;
is(persons($node), '19', 'once it is back it is open');
$node->stop;
rename $log, "$log.away" or die;
$node->start;
like(officer($node, q{SELECT toms.accept_ledger(' ')}), qr/violates check constraint/, 'who gives it up says why');
is(officer($node, q{SELECT toms.accept_ledger('the disk was lost') > 3}), 't', 'what is known is told again');
is(persons($node), '19', 'and it is open');
$node->restart;
is(persons($node), '19', 'after a restart too');
$node->stop;

# Where the log outside cannot be read nobody can tell what was erased since; also of a state of before the data had a name

rename $outside, "$outside.away" or die;
$node->start;
like(persons($node), qr/what was erased may be back.*No such file/s, 'without the directory of the log it is closed');
is(sql($node, q{BEGIN; CREATE EXTENSION toms; SELECT (SELECT count(*) FROM toms.dataset), gate FROM toms.judge_gate(); ROLLBACK}, 'template1'), '0|3', 'and so is a state that is older than the name of the data');
$node->stop;
rename "$outside.away", $outside or die;

# Without a log outside the ledger inside tells that there was a key

my $alone = keyring();
my $inside = sealed_server('inside', $alone);
$inside->start;
add_roles($inside);
create_sealed($inside, 'postgres');
read_without_keys($inside, 'postgres');
fill($inside, 'postgres');
is(erase($inside, 'acme', '17'), '3', 'a person is erased');
unlink "$alone/ledger.key" or die;
like(refused($inside, $erasing), qr/the keyring has no key "ledger", with which/, 'once the key is gone nobody is');
ok(!-e "$alone/ledger.key", 'and no key is made');

done_testing();
