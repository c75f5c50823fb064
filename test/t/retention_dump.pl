# Rules of retention, holds and erasures that wait for them go with a dump: in the restored database the same rows are
# hidden, the same ones kept, and what waits is finished when the hold is released there.
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
use UpgradeTest;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $keyring = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $keyring or die $!;

# Each database has its server: what is dumped may be an older one's.
my %node = (source => PostgreSQL::Test::Cluster->new('source', of_older()), target => PostgreSQL::Test::Cluster->new('target'));
foreach my $node (values %node)
{
	$node->init;
	$node->append_conf('postgresql.conf', "toms.keyring = '$keyring'");
	$node->start;
}
my ($source, $target) = @node{ 'source', 'target' };

sub say_to
{
	my ($login, $database, $statements) = @_;
	my ($code, $out, $err) = $node{$database}->psql($database, $statements, extra_params => [ '-U', $login ], on_error_stop => 1);
	return $code == 0 ? $out : $err;
}

sub program
{
	my ($node, @command) = @_;
	local $ENV{PGOPTIONS} = '-c toms.reason=backup';
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err);
	ok($ok, "$command[0] succeeds") or diag $err;
	return;
}

sub as_hr
{
	my ($database, $statement) = @_;
	return say_to('keep_job', $database, "BEGIN; SELECT FROM toms.enter('acme', '90', 'keep_hr', 'absence_management') \\g /dev/null\n$statement; COMMIT");
}

my $declared = q{
	SET timezone = UTC;
	SELECT id, relation_name, relation, tenant, category, since, elsewhere, through, lookup IS NOT NULL, keep, starts, restrict_after, action, clear, purposes, zone, valid_until,
		period, locked, ended_reason FROM toms.retention_rule WHERE relation IN (SELECT oid FROM pg_class) ORDER BY id;
	SELECT * FROM toms.hold ORDER BY id;
	SELECT * FROM toms.pending_erasure ORDER BY id;
	SELECT * FROM toms.statutory_period ORDER BY period};
my $seen = q{SELECT (SELECT string_agg(id::text, ',' ORDER BY id) FROM hr.note) || ' ' || (SELECT string_agg(id::text, ',' ORDER BY id) FROM hr.account)};

$source->safe_psql('postgres', $_) foreach 'CREATE ROLE keep_hr', 'CREATE ROLE keep_job LOGIN IN ROLE keep_hr', 'CREATE ROLE keep_officer LOGIN', 'CREATE DATABASE source';
$source->safe_psql('source', q{
	CREATE EXTENSION toms;
	CREATE SCHEMA hr;
	GRANT USAGE ON SCHEMA hr TO PUBLIC;
	CREATE TABLE hr.note (id integer, tenant text NOT NULL, employee integer, day date, words toms.sealed_text);
	CREATE TABLE hr.contract (id integer PRIMARY KEY, tenant text NOT NULL, ended_on date);
	CREATE TABLE hr.account (id integer PRIMARY KEY, tenant text NOT NULL, contract integer REFERENCES hr.contract);
	CREATE TABLE hr.doomed (id integer, tenant text NOT NULL, day date);
	INSERT INTO hr.contract VALUES (1, 'acme', '2000-01-01'), (2, 'acme', NULL);
	INSERT INTO hr.account VALUES (1, 'acme', 1), (2, 'acme', 2);
	SELECT toms.add_tenant('acme', name => 'ACME GmbH');
	SELECT toms.allow_enter('keep_job', '{acme}', '{keep_hr}');
	SELECT toms.grant_officer('keep_officer', 'admin');
	SET SESSION AUTHORIZATION keep_officer;
	SELECT toms.protect('hr.note', tenant => 'tenant', subject => 'employee');
	SELECT toms.protect(t, tenant => 'tenant') FROM unnest('{hr.contract,hr.account,hr.doomed}'::regclass[]) t;
	SELECT toms.permit('keep_hr', t, '{select,insert,update,delete}', '{absence_management}', scope => 'tenant') FROM unnest('{hr.note,hr.account}'::regclass[]) t;
	SELECT toms.add_purpose('tax', description => 'taxation', legal_basis => '§ 147 AO');
	SELECT toms.add_statutory_period('ch_books', country => 'CH', records => 'books', keep => '10 years', starts => 'end_of_year', source => 'Art. 958f OR', as_of => '2025-01-01')});
is(as_hr('source', q{INSERT INTO hr.note VALUES (1, 'acme', 17, '2000-01-01', 'a'), (2, 'acme', 17, current_date, 'b'), (3, 'acme', 18, current_date, 'c')}), '', 'rows are there');
$source->safe_psql('source', q{
	SET SESSION AUTHORIZATION keep_officer;
	SELECT toms.retain('hr.note', keep => '1 year', since => 'day', zone => 'Europe/Berlin');
	SELECT toms.retain('hr.note', period => 'ch_books', since => 'day', restrict_after => '2 years', purposes => '{tax}', zone => 'Europe/Berlin', locked => true);
	SELECT toms.retain('hr.account', keep => '0', since => 'hr.contract.ended_on', through => 'contract', zone => 'UTC');
	SELECT toms.retain('hr.doomed', keep => '1 day', since => 'day', zone => 'UTC');
	SELECT toms.hold('acme', '17', reason => 'court');
	SELECT toms.hold(rule => max(id), kind => 'suspension', reason => 'tax audit') FROM toms.retention_rules WHERE relation = 'hr.account' AND in_force;
	SELECT toms.confirm_instruction(toms.record_instruction('acme', kind => 'erase', given_by => 'D. Manager', wording => 'Erase 17.', subject => '17'));
	SELECT toms.destroy_keys('acme', max(id), '17') FROM toms.instruction});
is($source->safe_psql('source', q{SELECT state FROM toms.pending_erasure}), 'pending', 'an erasure waits');
$source->safe_psql('source', q{SET toms.reason = 'migration'; DROP TABLE hr.doomed});
my $expected = $source->safe_psql('source', $declared);
my $shown = as_hr('source', $seen);
is($shown, '2,3 2', 'what is past its period is hidden');

unmark($source);
program($source, 'pg_dumpall', '--globals-only', '-f', "$dir/roles");
program($target, 'psql', '-X', '-d', 'postgres', '-f', "$dir/roles");
program($source, 'pg_dump', '-Fc', '-f', "$dir/custom", 'source');
$target->safe_psql('postgres', 'CREATE DATABASE target');
$target->safe_psql('target', 'CREATE TABLE a (b integer); CREATE TABLE c (d integer); DROP TABLE a');
program($target, 'pg_restore', '--exit-on-error', '-j', 2, '-d', 'target', "$dir/custom");
is($target->safe_psql('target', $declared), $expected, 'rules, holds, periods and erasures are as before');
is($target->safe_psql('target', q{SELECT count(*) FROM toms.retention_rule WHERE relation NOT IN (SELECT oid FROM pg_class)}), '0', 'rules of dropped tables stay behind');
is($target->safe_psql('target', q{SELECT bool_and(intact) FROM toms.protected_tables}), 't', 'tables are intact');
is(as_hr('target', $seen), $shown, 'the same rows are hidden');
like(as_hr('target', 'DELETE FROM hr.note WHERE id = 2'), qr/a hold keeps what would be deleted/, 'the same rows are kept');
like(as_hr('target', 'DELETE FROM hr.note WHERE id = 3; SELECT 1'), qr/^1$/, 'others are not');
like(say_to('keep_officer', 'target', q{SELECT toms.retain('hr.note', keep => '1 year', since => 'day', zone => 'Europe/Berlin')}), qr/locked/, 'what was locked is locked');
is(say_to('keep_officer', 'target', q{SELECT toms.retain('hr.note', keep => '11 years', starts => 'end_of_year', since => 'day', zone => 'Europe/Berlin') > (SELECT max(id) FROM toms.retention_rule) }),
	't', 'rules are counted on from where they were');
say_to('keep_officer', 'target', q{SELECT toms.release_hold(id) FROM toms.hold WHERE subject = '17'});
is($target->safe_psql('target', q{SELECT state FROM toms.pending_erasure}), 'finished', 'the erasure is finished there when the hold is released');
is($target->safe_psql('target', q{SELECT count(*) FROM toms.data_key WHERE subject = '17' AND wrapped IS NOT NULL AND relation = 'hr.note'::regclass}), '0', 'with its keys');
is($source->safe_psql('source', q{SELECT state FROM toms.pending_erasure}), 'pending', 'and waits on where it was dumped');

$_->stop foreach $source, $target;
done_testing();
