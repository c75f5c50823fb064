# The server is killed, as by a kernel that is out of memory, at each debug point of the source: between two steps of what no
# single transaction holds together.  Afterwards it is done as a whole or not at all, what was there is there, the trail is
# whole, and done again it comes to its end.  A point that this test does not know fails it.
#
# The library is built with debug points and lies in a copy of the installation; its other parts are the installed ones.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use File::Find;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $top = "$FindBin::RealBin/../..";

# the library ------------------------------------------------------------------------------

sub run_quietly
{
	my @command = @_;
	my $said = '';
	local %ENV = %ENV;
	delete @ENV{ grep { /^MAKE|^MFLAGS$/ } keys %ENV };
	IPC::Run::run(\@command, '<', \undef, '>&', \$said) or die "@command: $said";
	chomp $said;
	return $said;
}

# What is compiled already is taken, but for the files that have points.
sub installation_with_points
{
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my %place = map { ($_ => run_quietly($ENV{PG_CONFIG} // 'pg_config', "--$_")) } qw(bindir pkglibdir sharedir);
	run_quietly('sh', '-c', 'cd / && cp -a --parents -t "$0" "$@"', $dir, map { s{^/}{}r } values %place);
	my $installed = $dir . $place{bindir} =~ s{/bin$}{}r;
	mkdir "$dir/toms";
	run_quietly('cp', '-a', map({ "$top/$_" } qw(Makefile toms.control src)), "$dir/toms");
	File::Find::find({ no_chdir => 1, wanted => sub { unlink s/c$/o/r if /\.c$/ && slurp_file($_) =~ /TOMS_DEBUG/ } }, "$dir/toms/src");
	run_quietly('make', '-s', '-C', "$dir/toms", "PG_CONFIG=$place{bindir}/pg_config", 'with_llvm=no', join(' ', 'COPT=-DTOMS_DEBUG', $ENV{COPT} // ()), 'toms.so');
	run_quietly('cp', "$dir/toms/toms.so", "$dir$place{pkglibdir}");
	return $installed;
}

my %in_source;
File::Find::find({ no_chdir => 1, wanted => sub { if (/\.c$/) { $in_source{$_} = 1 for slurp_file($_) =~ /TOMS_DEBUG_POINT\("([\w-]+)"\)/g } } }, "$top/src");

my $installed = eval { installation_with_points() };
plan skip_all => "the library cannot be built here: $@" =~ s/\s+/ /gr unless $installed;

# the server ---------------------------------------------------------------------------------

my $outside = keyring();
my $archive = keyring();
my $elsewhere = keyring();
my $keyring = keyring();
my $node = sealed_server('points', $keyring, install_path => $installed,
	settings => "include_if_exists = 'point.conf'\ntoms.outside = '$outside'\ntoms.keyring_sync_command = 'cp -p %p $elsewhere/%f'\ntoms.key_grace = 0\ntoms.seal_interval = 200ms\ntoms.retention_interval = 1s\ntoms.retention_limit = -1\nautovacuum = off\nlog_statement = none\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');

sub sql { return $node->safe_psql('app', "SET client_min_messages = error; SET toms.reason = 'test'; $_[0]") }

sub becomes
{
	my ($query, $expected, $name) = @_;
	my $till = time + 60;
	my $got = '';
	while (time < $till)
	{
		$got = eval { sql($query) } // 'refused';
		last if $got eq $expected;
		usleep(100_000);
	}
	return is($got, $expected, $name);
}

# Who connects when this is set knows that it is, and all others have been told; where nobody can, one has come there already.
sub set_point
{
	my ($value) = @_;
	my $file = $node->data_dir . '/point.conf';
	my $till = time + 60;
	my $seen = '';
	unlink $file;
	append_to_file($file, "toms.debug_point = '$value'\n");
	return if $value eq '';
	$node->reload;
	$seen = eval { ($node->psql('postgres', 'SHOW toms.debug_point'))[1] } // '' until $seen eq $value || time > $till || !-e $node->data_dir . '/postmaster.pid';
	return;
}

# The server, when it has gone down by itself.
sub start_again
{
	my ($name) = @_;
	my $till = time + 60;
	usleep(20_000) while -e $node->data_dir . '/postmaster.pid' && time < $till;
	my $is_down = ok(!-e $node->data_dir . '/postmaster.pid', "$name: the server is killed there");
	set_point('');
	if ($is_down)
	{
		$node->_update_pid(0);
		return $node->start;
	}
	return $node->restart;
}

# Months of the past, from before the trail was in use.
$node->safe_psql('app', q{
	SET allow_system_table_mods = true;
	UPDATE pg_class SET relname = 'unused' WHERE oid = 'toms.audit_use'::regclass;
	INSERT INTO toms.audit_entry
	SELECT toms.audit_number() + n, (m || '-01')::timestamp AT TIME ZONE 'UTC' + n * interval '1 minute', pg_current_xact_id()::text::bigint, NULL, NULL, NULL, 'c', 'u', 'acme', '\x0a', '{}'
	FROM unnest('{2000-01,2025-01,2025-02,2025-03}'::text[]) m, generate_series(1, 20) n;
	SELECT toms.gather_audit_defaults();
	UPDATE pg_class SET relname = 'audit_use' WHERE relname = 'unused'});

# Beside what each point needs: a table to be sealed, one of which statistics are made, rows to be retained, and a tenant who goes.
sql(q{
	CREATE SCHEMA work AUTHORIZATION owner;
	GRANT USAGE ON SCHEMA work TO hr;
	CREATE TABLE work.plain (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL DEFAULT '2020-01-05', said text);
	CREATE TABLE work.open (id integer PRIMARY KEY, tenant text NOT NULL);
	CREATE TABLE work.strict (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL);
	CREATE TABLE work.message (id integer PRIMARY KEY, tenant text NOT NULL, at timestamptz);
	ALTER TABLE work.plain OWNER TO owner;
	ALTER TABLE work.strict OWNER TO owner;
	ALTER TABLE work.open OWNER TO owner;
	ALTER TABLE work.message OWNER TO owner;
	INSERT INTO work.plain (id, tenant, employee, said) SELECT n, 'acme', n, 'words ' || n FROM generate_series(1, 40) n;
	INSERT INTO work.message SELECT n, 'acme', now() - interval '20 days' * (n % 2) FROM generate_series(1, 40) n;
	GRANT ALL ON work.plain, work.strict, work.message TO hr;
	SELECT toms.protect('work.plain', tenant => 'tenant', subject => 'employee'), toms.protect('work.message', tenant => 'tenant'),
		toms.protect('work.strict', tenant => 'tenant', subject => 'employee', category => 'health');
	SELECT toms.permit('hr', t, '{select,insert,update,delete}', '{absence_management}', 'tenant') FROM unnest('{work.plain,work.strict,work.message}'::regclass[]) t;
	SELECT toms.add_purpose('planning', description => 'planning', legal_basis => 'Art. 89(1) GDPR', granularity => 'aggregate', min_group => 5);
	SELECT toms.permit('hr', 'work.plain', '{select}', '{planning}', 'tenant');
	SELECT toms.add_statistic('rows', 'work.plain', '{tenant}', 'id', 'planning', period => 'day');
	SELECT toms.allow_enter(login => 'app', tenants => '{acme}', roles => '{hr}');
	SELECT toms.add_tenant('leaving', name => 'Leaving GmbH'), toms.adopt_agreement('leaving', 'dpa', '1', '2026-01-01', '{T-11.2}')});
read_without_keys($node, 'app');
fill($node, 'app');
sql(q{INSERT INTO work.message SELECT 100 + n, 'leaving', now() FROM generate_series(1, 20) n});
sql('SELECT toms.seal_audit()');
my $opened = opened($node, 'app');

# what is done at the points -------------------------------------------------------------------

sub attempt { return ($node->psql('app', "SET client_min_messages = error; SET toms.reason = 'test'; $_[0]"))[1] // '' }

# Rows of a person who is to be erased.
my $person = 1000;

sub newcomer
{
	$person++;
	my $said = as_tenant($node, 'app', 'acme', qq{INSERT INTO med.note (id, tenant, employee, said) SELECT $person * 100 + n, 'acme', $person, 'words ' || n FROM generate_series(1, 10) n});
	die $said if $said ne '';
	return;
}
sub erase { return attempt("SELECT row_count FROM toms.erase_again('subject', 'acme', '$person', NULL)") }
sub his_rows { return as_tenant($node, 'app', 'acme', "SELECT count(toms.reveal(said)) FROM med.note WHERE employee = $person") }
sub fates { return sql(q{SELECT string_agg(state, ', ' ORDER BY intended_at) FROM (SELECT * FROM toms.ledger ORDER BY intended_at DESC LIMIT 2) l}) }

# Blocks in the log outside, and which of them stand there more than once.
sub told
{
	my %times;
	$times{$_}++ for join('', map { slurp_file($_) } glob "$outside/*.log") =~ /"type":"block".*?"block":(\d+)/g;
	return join ' ', scalar(keys %times), grep { $times{$_} != 1 } sort keys %times;
}
sub all_are_told
{
	my $till = time + 60;
	my ($told, $blocks) = ('', '-');
	while ($told ne $blocks && time < $till)
	{
		($told, $blocks) = (told(), sql('SELECT count(*) FROM toms.audit_block'));
	}
	return is($told, $blocks, 'the log outside has each block, once');
}

# Strict reads in the trail.
sub reads { return sql(q{SELECT coalesce(sum(coalesce((convert_from(e.payload, 'UTF8')::jsonb ->> 'times')::integer, 1)), 0) FROM toms.audit_entry e JOIN toms.audit_entry o ON o.id = e.object AND o.kind = 'o'
	WHERE e.kind = 'r' AND convert_from(o.payload, 'UTF8')::jsonb ->> 'relation' = 'work.strict'}) }
sub strict { return as_tenant($node, 'app', 'acme', q{SELECT count(*) FROM work.strict}) }

sub oldest_epoch { return sql(q{SELECT id FROM toms.key_epoch WHERE tenant = 'globex' AND retired_at IS NOT NULL AND destroyed_at IS NULL ORDER BY number LIMIT 1}) }
sub months { return sql(q{SELECT coalesce(string_agg(partition, ' ' ORDER BY partition), '') FROM toms.audit_partitions WHERE kind = 'change' AND until < '2026-01-01'}) }
sub statistic
{
	return ($node->psql('app', q{BEGIN; SELECT FROM toms.enter('acme', '1', 'hr', 'planning') \g /dev/null
		SELECT string_agg(concat_ws('|', dimensions, subjects, value), ',') FROM toms.statistic('rows'); COMMIT}, extra_params => [ '-U', 'app' ]))[1] // '';
}

# Days of which all rows but today's are past their period, in partitions.
my $days = 'days0';

sub days
{
	return attempt(qq{
		CREATE TABLE work.$days (tenant text NOT NULL, id integer, at timestamptz) PARTITION BY RANGE (at);
		ALTER TABLE work.$days OWNER TO owner;
		DO \$\$ BEGIN
			FOR n IN 0 .. 2 LOOP
				EXECUTE format('CREATE TABLE work.${days}_%s PARTITION OF work.$days FOR VALUES FROM (%L) TO (%L)', n, current_date - 20 * n, current_date - 20 * n + 1);
				EXECUTE format('ALTER TABLE work.${days}_%s OWNER TO owner', n);
			END LOOP;
		END \$\$;
		INSERT INTO work.$days SELECT 'acme', n, current_date - 20 * n FROM generate_series(0, 2) n;
		SELECT toms.protect('work.$days', tenant => 'tenant');
		SELECT toms.retain('work.$days', keep => '5 days', since => 'at', basis => 'test', zone => 'UTC')});
}

sub unretain { return sql("SELECT toms.unretain(id, 'test') FROM toms.retention_rule WHERE relation = '$_[0]'::regclass AND valid_until IS NULL") }

# The end of a contract whose window has closed; it cannot be announced so.
sub leave
{
	return attempt(q{SELECT toms.end_tenant('leaving', ends_at => now(), notified_at => now(), basis => 'agreement');
		UPDATE toms.tenant_end SET opens_at = now() - interval '31 days', closes_at = now() - interval '1 day' WHERE tenant = 'leaving'});
}

# the points -----------------------------------------------------------------------------------

# Of what is done, as each of these says: what it needs before, what brings the server to the point, what must be so when it is
# back, and what is then done and must be so.
my %sealing = (
	does => sub { attempt($_) for q{SELECT toms.add_code_catalogue('more' || txid_current(), '{a}')}, 'SELECT toms.seal_audit()' },
	again => sub { sql('SELECT toms.seal_audit()'); all_are_told() });
my %key = (
	does => sub { attempt(q{SELECT toms.add_tenant('newcomer', name => 'New GmbH')}) },
	after => sub { is(sql(q{SELECT count(*) FROM toms.tenant WHERE tenant = 'newcomer'}), '0', 'there is no such tenant') },
	again => sub { is(attempt(q{BEGIN; SELECT FROM toms.add_tenant('newcomer', name => 'New GmbH'); SELECT toms.try_epoch(toms.current_epoch('newcomer')); ROLLBACK}), 't', 'made again, it has a key') });
my %erasure = (
	before => \&newcomer,
	does => \&erase,
	after => sub { is(his_rows(), '10', 'all rows of the person are there, and open') },
	again => sub { erase(); is(his_rows(), '0', 'erased again, they are not'); becomes(q{SELECT count(*) FROM toms.ledger WHERE state = 'intended' OR NOT told}, '0', 'the ledger says so');
		is(fates(), 'void, erased', '... and of the first time that nothing was erased') });
my %partition = (
	does => sub { $days++; days() },
	again => sub { becomes(qq{SELECT string_agg(relname, ',') FROM pg_class WHERE relname ~ '^${days}_[0-9]\$'}, "${days}_0", 'what is past is gone, and nothing else');
		is(sql(qq{SELECT count(*) FROM toms.deletion_log WHERE relation = 'work.$days' AND action = 'drop partition'}), '2', 'the trail tells of each, once');
		unretain("work.$days") });
my %read = (
	does => sub { my $rows = strict(); isnt($rows, '0', 'the read is not answered') },
	again => sub { my $before = reads(); is(strict(), '0', 'read again'); is(reads(), $before + 1, '... it is in the trail') });

my $reads;
my @point = (
	'policy-before-sync' => { does => sub { attempt(q{SELECT toms.protect('work.open', tenant => 'tenant')}) },
		after => sub { is(sql(q{SELECT count(*) FROM toms.protected_tables WHERE relation = 'work.open'::regclass}) . sql(q{SELECT count(*) FROM pg_policies WHERE tablename = 'open'}), '00', 'the table is as it was') },
		again => sub { sql(q{SELECT toms.protect('work.open', tenant => 'tenant')}); is(sql(q{SELECT count(*) FROM toms.explain_protection('work.open') e}) > 0, 1, 'done again, it is protected') } },
	'keyring-before-link' => {%key}, 'keyring-before-sync' => {%key},
	'keyring-before-use' => { before => sub { unlink map { "$_/enter.key" } $keyring, $elsewhere },
		does => sub { attempt(q{SELECT toms.allow_enter(login => 'app', tenants => '{acme}', roles => '{hr}')}) },
		after => sub { is(join(' ', map { -e "$_/enter.key" ? 'there' : 'missing' } $keyring, $elsewhere), 'there missing', 'a key is there, and not where the command brings it') },
		again => sub { is($node->psql('app', q{SELECT FROM toms.enter('acme', '1', 'hr', 'absence_management')}, extra_params => [ '-U', 'app' ]), '0', 'it is used'); is(-e "$elsewhere/enter.key" ? slurp_file("$elsewhere/enter.key") : '', slurp_file("$keyring/enter.key"), '... and is at both places') } },
	'writer-before-commit' => { %read, before => sub { $reads = reads(); becomes('SELECT used_bytes FROM toms.audit_queue', '0', 'nothing else is to be recorded') }, after => sub { is(reads(), $reads, 'nor recorded') } },
	'writer-before-answer' => { %read, before => sub { $reads = reads(); becomes('SELECT used_bytes FROM toms.audit_queue', '0', 'nothing else is to be recorded') }, after => sub { is(reads(), $reads + 1, 'but recorded') } },
	'block-before-commit' => {%sealing}, 'block-before-publish' => {%sealing}, 'outside-before-write' => {%sealing}, 'outside-after-write' => {%sealing},
	'rotation-before-commit' => { does => sub { attempt(q{SELECT toms.rotate_keys('globex')}) },
		after => sub { is(sql(q{SELECT count(*) FROM toms.key_epoch WHERE tenant = 'globex'}), '1', 'there is one epoch of keys') },
		again => sub { is(sql(q{SELECT remaining FROM toms.rotate_keys('globex')}), '0', 'rotated again, all keys are under the new one') } },
	'epoch-before-destroy' => { does => sub { attempt("SELECT toms.destroy_epoch('" . oldest_epoch() . "')") },
		after => sub { is(sql('SELECT count(*) FROM toms.check_keyring()'), '0', 'its key is there') } },
	'epoch-after-destroy' => { does => sub { attempt("SELECT toms.destroy_epoch('" . oldest_epoch() . "')") },
		after => sub { is(sql('SELECT problem FROM toms.check_keyring()'), 'this server does not hold the key', 'its key is gone, which the check tells') },
		again => sub { sql("SELECT toms.destroy_epoch('" . oldest_epoch() . "')"); is(sql('SELECT count(*) FROM toms.check_keyring()') . oldest_epoch(), '0', 'destroyed again, it is as destroyed') } },
	'ledger-before-line' => {%erasure}, 'ledger-after-line' => {%erasure}, 'erasure-after-rows' => {%erasure}, 'erasure-before-commit' => {%erasure},
	'ledger-before-settled' => { before => \&newcomer, does => \&erase,
		again => sub { is(his_rows(), '0', 'what was erased stays so'); like(fates(), qr/, erased$/, '... and the ledger says so') } },
	'tenant-end-before-commit' => { does => \&leave,
		again => sub { becomes(q{SELECT state FROM toms.tenant_end WHERE tenant = 'leaving'}, 'done', 'the contract comes to its end');
			is(sql(q{SELECT string_agg(tenant || ' ' || n, ', ' ORDER BY tenant) FROM (SELECT tenant, count(*) n FROM work.message GROUP BY 1) m}), 'acme 40', 'rows of that tenant alone are gone');
			is(sql(q{SELECT result -> 'tables' -> 'work.message' ->> 'deleted' FROM toms.erasure WHERE kind = 'tenant'}), '20', '... and counted once') } },
	'partition-before-detach' => {%partition}, 'partition-before-drop' => {%partition}, 'partition-before-commit' => {%partition},
	'retention-before-commit' => { does => sub { attempt(q{SELECT toms.retain('work.message', keep => '5 days', since => 'at', basis => 'test')}) },
		again => sub { becomes(q{SELECT count(*) FROM work.message}, '20', 'what is past is gone, and nothing else');
			is(sql(q{SELECT sum(rows) FROM toms.deletion_log WHERE relation = 'work.message' AND rule IS NOT NULL}), '20', 'the trail tells of each row, once');
			unretain('work.message') } },
	'pruning-before-commit' => { does => sub { attempt('SELECT toms.prune_audit()') },
		after => sub { is(months(), join(' ', map { "audit_change_$_" } qw(2000_01 2025_01 2025_02 2025_03)), 'no month is gone') },
		again => sub { sql('SELECT toms.prune_audit()'); is(months(), join(' ', map { "audit_change_$_" } qw(2025_01 2025_02 2025_03)), 'pruned again, what is past is gone') } },
	'archive-before-rename' => { does => sub { attempt("SELECT toms.archive_audit('2025-02-01Z', '$archive')") },
		after => sub { like(months(), qr/2025_01/, 'no month is gone'); is(join('', glob "$archive/*.jsonl"), '', 'and no file pretends to be one') } },
	'archive-after-rename' => { does => sub { attempt("SELECT toms.archive_audit('2025-02-01Z', '$archive')") },
		after => sub { like(months(), qr/2025_01/, 'no month is gone') },
		again => sub { sql("SELECT toms.archive_audit('2025-02-01Z', '$archive')"); unlike(months(), qr/2025_01/, 'archived again, it is in its file alone'); is(scalar(glob "$archive/*2025_01.jsonl") ne '', 1, 'which is there') } },
	'statistic-before-answer' => { does => sub { statistic() },
		again => sub { my $answer = statistic(); isnt($answer, '', 'asked again, it is answered'); is(statistic(), $answer, '... and always the same') } },
	'conversion-before-commit' => { does => sub { attempt(q{SELECT toms.seal_column('work.plain', 'said')}) for 1 .. 3 },
		after => sub { is(as_tenant($node, 'app', 'acme', q{SELECT count(*) FROM work.plain WHERE said LIKE 'words%'}), '40', 'all values are there') },
		again => sub { 1 while attempt(q{SELECT toms.seal_column('work.plain', 'said')}) =~ /^[1-9]/;
			is(as_tenant($node, 'app', 'acme', q{SELECT count(*) FROM work.plain WHERE toms.reveal(said) LIKE 'words%'}), '40', 'gone on with, all values are sealed') } });

is(join(' ', sort grep { !ref } @point), join(' ', sort keys %in_source), 'this test knows each debug point of the source');

while (my ($name, $point) = splice(@point, 0, 2))
{
	$point->{before}->() if $point->{before};
	set_point("$name:crash");
	eval { $point->{does}->() };    # its connection is lost, or there is none to be had
	start_again($name);
	becomes(q{SELECT count(*) FROM toms.ledger WHERE state = 'intended' OR NOT told}, '0', 'it is known what was erased');
	$point->{after}->() if $point->{after};
	$point->{again}->() if $point->{again};
	is(opened($node, 'app'), $opened, 'sealed values open');
	sql('SELECT toms.seal_audit()');
	is(sql('SELECT count(*) FROM toms.verify_audit()'), '0', 'the trail is whole');
}
all_are_told();
is(sql('SELECT count(*) FROM toms.check_keyring()'), '0', 'the keyring is whole');

$node->stop;
done_testing();
