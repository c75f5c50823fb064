# What keeps tables in shape, while an application of two tenants works in them: PostgreSQL's own commands, pg_repack,
# pg_partman, pg_amcheck, pg_prewarm, pg_dump. Each does its work or is refused with a text that says what is missing;
# and afterwards each tenant has its rows, nobody else has any, and the protection is whole.
#
# What is not installed is left out. TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $library = `pg_config --pkglibdir` =~ s/\s+\z//r;
my $share = `pg_config --sharedir` =~ s/\s+\z//r;
my $node = sealed_server('upkeep', keyring());
$node->start;
add_roles($node);
create_sealed($node, 'postgres');
fill($node, 'postgres');
$node->safe_psql('postgres', q{
	ALTER ROLE owner LOGIN;
	CREATE EXTENSION pg_prewarm;
	CREATE EXTENSION amcheck;
	SET SESSION AUTHORIZATION owner;
	CREATE TABLE med.shift (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, hours integer NOT NULL);
	CREATE TABLE med.booking (tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
	INSERT INTO med.shift SELECT i, CASE i % 2 WHEN 0 THEN 'acme' ELSE 'globex' END, 17, 8 FROM generate_series(1, 2000) i;
	GRANT ALL ON med.shift, med.booking TO hr;
	RESET SESSION AUTHORIZATION;
	SELECT toms.protect(t, tenant => 'tenant', subject => 'employee'), toms.permit('hr', t, '{select,insert,update,delete}', '{absence_management}', 'tenant')
	FROM unnest('{med.shift,med.booking}'::regclass[]) t});

sub sql { return $node->safe_psql('postgres', $_[0]) }

# A program's complaint, or nothing if it succeeds.
sub complaint
{
	my ($options, @command) = @_;
	local $ENV{PGOPTIONS} = $options;
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	my ($out, $err) = ('', '');
	return IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(120)) ? '' : "$out$err";
}

# REINDEX and a client that reads before it writes can wait for each other, on any PostgreSQL: who loses tries again.
sub statement
{
	my ($login, $options, $statement) = @_;
	my $complaint;
	for (1 .. 10)
	{
		$complaint = complaint("-c client_min_messages=warning $options", 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-U', $login, '-d', 'postgres', '-c', $statement);
		last if $complaint !~ /deadlock detected/;
	}
	return $complaint;
}

my $reason = '-c toms.reason=upkeep';
my $no_reason = qr/administrative access needs a stated reason/;
my ($admin) = getpwuid $<;

# The application: each tenant counts its rows, and changes one, all the time.
sub at_work
{
	my ($tenant, $notes) = @_;
	my $script = "$dir/$tenant.sql";
	append_to_file($script, <<"SQL");
BEGIN;
SELECT set_config('toms.token', :token, true);
SELECT 1 / (count(*) = $notes AND min(tenant) = '$tenant' AND max(tenant) = '$tenant')::integer FROM med.note;
SELECT 1 / (count(*) = 1000 AND min(tenant) = '$tenant' AND max(tenant) = '$tenant')::integer FROM med.shift;
UPDATE med.shift SET hours = hours + 1 WHERE id % 100 < 2;
COMMIT;
\\sleep 20 ms
SQL
	my $said = '';
	my @command = ('pgbench', '-n', '-M', 'extended', '-T', 600, '-U', 'app', '-h', $node->host, '-p', $node->port, '-D', 'token=' . token($tenant), '-f', $script, 'postgres');
	return { tenant => $tenant, said => \$said, run => IPC::Run::start(\@command, '<', \undef, '>&', \$said, IPC::Run::timeout(600)) };
}

my $opened = opened($node, 'postgres');
my @work = (at_work('acme', 4), at_work('globex', 1));

# After each of them: the same rows for each tenant, none without a token, and no fault of the policies.
sub is_whole
{
	my ($what) = @_;
	is(opened($node, 'postgres'), $opened, "$what: each tenant opens its values");
	like(statement('app', '', 'SELECT FROM med.note'), qr/no context is set/, "$what: without a token nothing");
	is(sql(q{SELECT string_agg(concat_ws(' ', relation, kind, object), ', ') FROM toms.protected_tables p, toms.explain_protection(p.relation)
		WHERE kind IN ('leak: protection', 'leak: policy', 'leak: trigger')}), '', "$what: the protection is whole");
	return;
}

sub works
{
	my ($what, $complaint) = @_;
	is($complaint, '', "$what works");
	is_whole($what);
	return;
}

# PostgreSQL's own, by the owner, without a reason: it shows him no row
works($_, statement('owner', '', $_)) for map { ($_, s/note/shift/gr) }
	'CREATE INDEX CONCURRENTLY note_by_employee ON med.note (tenant, employee)',
	'REINDEX TABLE med.note',
	'REINDEX TABLE CONCURRENTLY med.note',
	'CLUSTER med.note USING note_by_employee',
	'VACUUM (FULL, ANALYZE) med.note',
	'ALTER TABLE med.note ADD COLUMN since_when timestamptz DEFAULT clock_timestamp()',
	'DROP INDEX CONCURRENTLY med.note_by_employee';
like(statement('owner', '', "ALTER TABLE med.$_ DROP COLUMN since_when"), qr/toms_drop|refused/, "a column of $_ is not dropped by the owner") for qw(note shift);
works($_, statement('migration', $reason, $_)) for map { "ALTER TABLE med.$_ DROP COLUMN since_when" } qw(note shift);
my $new_type = 'ALTER TABLE med.note ALTER COLUMN id TYPE bigint';
like(statement('owner', '', $new_type), qr/would look at the rows of every tenant/, 'a new type is computed from rows: not by the owner');
works($new_type, statement('migration', $reason, $new_type));
like(statement('app', '', $_), qr/must be owner/, "not by the application: $_") for 'REINDEX TABLE med.note', 'CLUSTER med.note';

works('pg_amcheck', complaint('', 'pg_amcheck', '-d', 'postgres', '--heapallindexed', '--parent-check'));
works('pg_prewarm', statement($admin, '', q{SELECT pg_prewarm('med.note')}));

SKIP:
{
	skip 'pg_repack is not installed', 1 unless -e "$share/extension/pg_repack.control";
	sql('CREATE EXTENSION pg_repack');
	like(complaint('', 'pg_repack', '-d', 'postgres', '-t', 'med.shift'), $no_reason, 'pg_repack copies rows: not without a reason');
	is_whole('refused');
	works('pg_repack', complaint($reason, 'pg_repack', '-d', 'postgres', '-t', 'med.shift'));
	works('pg_repack --only-indexes', complaint($reason, 'pg_repack', '-d', 'postgres', '-t', 'med.note', '--only-indexes'));
	is(sql(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'repack'::regnamespace AND relname ~ '^(table|log)_'}), 0, 'and leaves no copy');
}

SKIP:
{
	skip 'pg_partman is not installed', 1 unless -e "$share/extension/pg_partman.control";
	sql('CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman');
	my $months = sub { sql(q{SELECT count(*) || ' ' || bool_and(intact AND mode = 'enforce') FROM toms.protected_tables WHERE root = 'med.booking'::regclass AND relation::text ~ '_p\\d'}) };
	my $maintain = q{SELECT partman.run_maintenance()};
	works('pg_partman', statement($admin, '', q{SELECT partman.create_parent('med.booking', 'day', 'native', 'monthly', p_premake => 2)}));
	is($months->(), '5 true', 'the months that it makes are protected');
	is(as_tenant($node, 'postgres', 'acme', q{INSERT INTO med.booking VALUES ('acme', 17, current_date), ('acme', 17, '2020-01-01'); SELECT count(*) FROM med.booking}), '2', 'acme books');
	like(statement($admin, '', $maintain), $no_reason, 'its maintenance reads rows: not without a reason');
	works($_, statement($admin, $reason, $_)) for $maintain, q{CALL partman.partition_data_proc('med.booking')};
	is($months->(), '6 true', 'so is the month to which it has moved rows');
	sql(q{UPDATE partman.part_config SET retention = '1 month', retention_keep_table = false; SELECT toms.hold('acme', reason => 'court')});
	like(statement($admin, $reason, $maintain), qr/Hold \d+ keeps it until it is released/, 'it drops no month on which there is a hold');
	is($months->(), '6 true', 'which is still there');
	sql(q{SELECT toms.release_hold(id, reason => 'settled') FROM toms.hold WHERE state = 'held'});
	is(statement($admin, $reason, $maintain), '', 'afterwards it does');
	is($months->(), '4 true', 'two of them');
	is(as_tenant($node, 'postgres', 'acme', 'SELECT count(*) FROM med.booking'), '1', 'with their rows');
	is(sql(q{SELECT count(*) FROM toms.deletion_log WHERE relation::text LIKE '%booking%'}), '0', 'of which the deletion log tells nothing');
}

like(complaint('', 'pg_dump', '-Fd', '-j', 2, '-f', "$dir/refused", 'postgres'), $no_reason, 'pg_dump -j: not without a reason');
works('pg_dump -j', complaint($reason, 'pg_dump', '-Fd', '-j', 2, '-f', "$dir/dump", 'postgres'));

for my $work (@work)
{
	$work->{run}->signal('INT');
	eval { $work->{run}->finish };
	unlike(${ $work->{said} }, qr/ERROR|FATAL|aborted/, "all the time $work->{tenant} has had its rows") or diag(${ $work->{said} });
}

SKIP:
{
	skip 'pg_repack is not installed', 1 unless -e "$share/extension/pg_repack.control";
	my $old = $node->background_psql('postgres');    # pg_repack waits for it
	$old->query_safe('BEGIN; SELECT pg_current_xact_id()');
	local @ENV{qw(PGOPTIONS PGHOST PGPORT)} = ($reason, $node->host, $node->port);
	my $said = '';
	my $repack = IPC::Run::start([ 'pg_repack', '-d', 'postgres', '-t', 'med.note' ], '<', \undef, '>&', \$said, IPC::Run::timeout(120));
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_trigger WHERE tgname = 'repack_trigger'}) or die;
	like(as_tenant($node, 'postgres', 'acme', q{UPDATE med.note SET plain = 'again' WHERE id = 1}), qr/access to "log_\d+" refused/,
		'of a table with sealed columns: it keeps rows in a table of its own, which is closed, so nobody writes meanwhile');
	is(as_tenant($node, 'postgres', 'acme', 'SELECT count(*) FROM med.note'), '4', 'but reads');
	$old->query_safe('COMMIT');
	$old->quit;
	$repack->finish;
	works('pg_repack of sealed columns', $said =~ s/^(INFO|NOTICE): .*\n//mgr);
}

$node->stop;
done_testing();
