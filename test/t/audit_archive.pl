# Archives of the audit trail: what toms.archive_audit() writes is whole for toms-verify, is gone from
# the database, and what stays there is proved as before.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $tool = -x "$FindBin::RealBin/../../src/bin/verify/toms-verify" ? "$FindBin::RealBin/../../src/bin/verify/toms-verify" : 'toms-verify';
my $dir = PostgreSQL::Test::Utils::tempdir();
my $outside = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $outside or die $!;

my $node = sealed_server('main', keyring(), settings => "toms.outside = '$outside'\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');

# Months of the past, written before the trail knows that it is in use; then changes of today.
$node->safe_psql('app', q{
	SET allow_system_table_mods = true;
	UPDATE pg_class SET relname = 'unused' WHERE oid = 'toms.audit_use'::regclass;
	CREATE FUNCTION public.add(month date, n integer) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		base bigint := toms.audit_number();
	BEGIN
		INSERT INTO toms.audit_entry
		SELECT base + i, month::timestamp AT TIME ZONE 'UTC' + i * interval '1 minute', pg_current_xact_id()::text::bigint, NULL, NULL, NULL, k, CASE k WHEN 'c' THEN 'u'::"char" ELSE '-' END,
			'acme', CASE k WHEN 'c' THEN '\x0a'::bytea END, convert_to(format('{"n":%s}', i), 'UTF8')
		FROM generate_series(0, n - 1) i, LATERAL (SELECT CASE i % 5 WHEN 0 THEN 'w' WHEN 1 THEN 'o' ELSE 'c' END::"char" AS k) k;
	END $$});
foreach my $add ([ '2020-01-01', 13 ], [ '2020-02-01', 700 ], [ '2020-01-20', 5 ], [ '2020-03-01', 1 ], [ '2020-03-20', 40 ])
{
	$node->safe_psql('app', "SELECT public.add('$add->[0]', $add->[1])");
	$node->safe_psql('app', 'SELECT toms.seal_audit()') if $add->[0] ne '2020-01-01';
}
$node->safe_psql('app', q{
	SET allow_system_table_mods = true;
	SELECT toms.gather_audit_defaults();
	UPDATE pg_class SET relname = 'audit_use' WHERE relname = 'unused'});
fill($node, 'app');
$node->safe_psql('app', 'SELECT toms.seal_audit()');
my $key = $node->safe_psql('app', 'SELECT toms.audit_key()');

sub verify
{
	my (@arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ $tool, @arguments ], '<', \undef, '>', \$out, '2>', \$err);
	return ($? >> 8, "$out$err");
}

sub is_whole
{
	my ($name, @arguments) = @_;
	my ($code, $said) = verify(@arguments);
	is($code, 0, $name) or diag $said;
	like($said, qr/^whole$/m, "$name: whole");
	return $said;
}

sub faults { return $node->safe_psql('app', 'SELECT * FROM toms.verify_audit()') }
sub partitions { return $node->safe_psql('app', "SELECT string_agg(partition, ' ' ORDER BY partition) FROM toms.audit_partitions WHERE until < now()") }

is(faults(), '', 'the trail is whole before');
my $old = q{SELECT count(*) FROM toms.audit_entry WHERE at < '2021-01-01'};
my $before = $node->safe_psql('app', $old);

# Who may, and where
my $archive = "SELECT string_agg(partition, ' ') FROM toms.archive_audit('2020-02-15Z', '$dir')";
$node->safe_psql('app', 'CREATE ROLE clerk LOGIN; GRANT toms_operator TO clerk');
my ($rc, undef, $err) = $node->psql('app', $archive, extra_params => [ '-U', 'clerk' ]);
like($err, qr/pg_write_server_files/, 'an operator who may not write files of the server is refused');
is(join(' ', glob "$dir/*"), '', 'and nothing is written');
symlink($node->data_dir, "$dir/link") or die $!;
($rc, undef, $err) = $node->psql('app', $archive =~ s/'\Q$dir\E'/'$dir\/link'/r);
like($err, qr/It lies in the data directory/, 'links into the data directory are seen');
unlink "$dir/link" or die $!;

# Rolled back
is($node->safe_psql('app', "BEGIN; $archive; ROLLBACK"), 'audit_change_2020_01 audit_object_2020_01 audit_who_2020_01', 'a month is archived');
like(partitions(), qr/audit_change_2020_01/, 'rolled back, it is still there');
is(faults(), '', 'and whole');
is_whole('the files that are left', 'archive', $dir, '--key', $key);

# By whoever may
$node->safe_psql('app', 'GRANT pg_write_server_files TO clerk');
is($node->safe_psql('app', $archive, extra_params => [ '-U', 'clerk' ]), 'audit_change_2020_01 audit_object_2020_01 audit_who_2020_01', 'the month before the date is archived, not the one that it is in');
unlike(partitions(), qr/2020_01/, 'it is gone from the database');
is(faults(), '', 'which is whole');
is_whole('its files', 'archive', $dir, '--key', $key, '--log', glob "$outside/*.log");
my @files = glob "$dir/*";
is(scalar(@files), 3, 'one for each kind');
is(join(' ', map { sprintf '%o', (stat)[2] & 0777 } @files), '600 600 600', 'that the server alone can read');
my $entries = () = join('', map { slurp_file($_) } @files) =~ /^\{"type":"entry"/mg;
is($entries, 18, 'they hold every entry of the month');
is($node->safe_psql('app', $old), $before - 18, 'and the database all others');
is($node->safe_psql('app', q{SELECT string_agg(DISTINCT login || ' ' || relation, ', ') FROM toms.audit_trail(kind => 'export') WHERE details ->> 'by' = 'archive_audit' AND login = 'clerk'}), 'clerk toms.audit_entry', 'the trail tells who took it out');

# Where nothing can be written nothing goes
chmod 0500, $dir or die $!;
SKIP:
{
	skip 'the superuser of the system writes everywhere', 2 if $> == 0;
	($rc, undef, $err) = $node->psql('app', "SELECT * FROM toms.archive_audit('2021-01-01Z', '$dir')");
	like($err, qr/could not create file .*Permission denied/, 'a directory that cannot be written is told');
	like(partitions(), qr/audit_change_2020_02/, 'and the month stays');
}
chmod 0700, $dir or die $!;

# The rest, of blocks in which parts are pruned already
is($node->safe_psql('app', "SELECT count(*) FROM toms.archive_audit('2021-01-01Z', '$dir')"), '6', 'further months are archived');
is(partitions(), '', 'no month of the past is left');
is(faults(), '', 'the trail is whole');
is_whole('all files', 'archive', $dir, '--key', $key, '--log', glob "$outside/*.log");
$entries = () = join('', map { slurp_file($_) } glob "$dir/*") =~ /^\{"type":"entry"/mg;
is($entries, 759, 'they hold every entry of the past');
is($node->safe_psql('app', "SELECT count(*), bool_and(record::json ->> 'archive' = (record::json ->> 'dataset') || '.' || partition || '.jsonl') FROM toms.audit_pruning"), '9|t', 'a signed record tells of each file');

# Proofs of what stays, in a block in which others are gone
my $id = $node->safe_psql('app', "SELECT max(id) FROM toms.audit_entry WHERE kind = 'c'");
append_to_file("$dir/proof", $node->safe_psql('app', "SELECT toms.audit_proof($id)"));
is_whole('the proof of an entry that stayed', 'proof', "$dir/proof", '--key', $key);

# What somebody has done to a file
my ($file) = grep { /audit_change_2020_02/ } glob "$dir/*";
my $text = slurp_file($file);
my %change = (
	'an entry changed' => sub { $_[0] =~ s/("type":"entry".*"entry":"A.{20})./$1B/r },
	'an entry left out' => sub { $_[0] =~ s/^\{"type":"entry".*\n//mr },
	'the end cut off' => sub { $_[0] =~ s/^\{"type":"end".*\n//mr },
	'a hash changed' => sub { $_[0] =~ s/("type":"hash".*"hash":".{5})./$1_/r });
foreach my $name (sort keys %change)
{
	my $changed = $change{$name}->($text);
	isnt($changed, $text, "$name");
	unlink "$dir/changed.jsonl";
	append_to_file("$dir/changed.jsonl", $changed);
	my ($code, $said) = verify('archive', "$dir/changed.jsonl", '--key', $key);
	is($code, 1, "$name: seen") or diag $said;
}

$node->stop;

done_testing();
