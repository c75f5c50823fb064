# Proofs, the chain, the outside log and archives of a real server, checked by toms-verify, which
# shares no code with it: while all is well, after somebody changed files, tables or the log, after
# entries were pruned, and after the server went back to an older state.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use File::Copy qw(copy);
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $tool = -x "$FindBin::RealBin/../../src/bin/verify/toms-verify" ? "$FindBin::RealBin/../../src/bin/verify/toms-verify" : 'toms-verify';
my $dir = PostgreSQL::Test::Utils::tempdir();
my $outside = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $outside or die;

my $keyring = keyring();
my $node = sealed_server('proofs', $keyring, settings => "toms.outside = '$outside'\n");
$node->start;
add_roles($node);
create_sealed($node, 'postgres');

sub verify
{
	my (@args) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ $tool, @args ], '<', \undef, '>', \$out, '2>', \$err);
	return ($? >> 8, $out . $err);
}

sub whole
{
	my ($args, $name) = @_;
	my ($code, $out) = verify(@$args);
	is($code, 0, "$name: whole") or diag($out);
	return $out;
}

sub faulty
{
	my ($args, $fault, $name) = @_;
	my ($code, $out) = verify(@$args);
	is($code, 1, "$name: refused");
	like($out, $fault, "$name: named");
	return;
}

sub spew
{
	my ($file, $text) = @_;
	open my $fh, '>:raw', "$dir/$file" or die "$file: $!";
	print $fh $text;
	close $fh or die "$file: $!";
	return "$dir/$file";
}

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub seal { return sql('SELECT toms.seal_audit()') }
sub proof { my ($id, $file) = @_; return spew($file // 'proof.json', sql("SELECT toms.audit_proof($id)") . "\n") }
sub chain { return spew('chain.jsonl', sql('SELECT toms.export_blocks()') . "\n") }

# Blocks of several sizes, of two tenants and an administrator

fill($node, 'postgres');
seal();
as_tenant($node, 'postgres', 'acme', "UPDATE med.note SET plain = 'other', kind = 'nursing' WHERE id = 1; DELETE FROM med.note WHERE id = 4");
seal();
is(as_migration($node, 'postgres', "INSERT INTO med.note (id, tenant, employee) SELECT 1000 + n, 'acme', 17 FROM generate_series(1, 1000) n"), '', 'a thousand rows');
seal();
as_migration($node, 'postgres', 'TRUNCATE med.visit');
my ($update) = split /\n/, sql("SELECT id FROM toms.audit_entry WHERE verb = 'u'");
sql("SELECT toms.audit_proof($update)");
seal();
my ($reading) = split /\n/, sql("SELECT id FROM toms.audit_entry WHERE kind = 'r' AND verb = 'a' AND payload LIKE '%audit_proof%' ORDER BY id");
my @any = split /\n/, sql('SELECT id FROM toms.audit_entry ORDER BY random() LIMIT 60');
my $last = sql('SELECT max(number) FROM toms.audit_block');
cmp_ok($last, '>=', 4, 'blocks');

my $key = spew('key', sql('SELECT toms.audit_key()') . "\n");
my ($log) = glob("$outside/*.log");
copy($log, "$dir/log.jsonl") or die;
my @log = ('--key-file', $key, '--log', "$dir/log.jsonl");
my @key = ('--key-file', $key);

# Whole

whole([ 'log', "$dir/log.jsonl", @key ], 'the outside log');
like(whole([ 'chain', chain(), @log ], 'the chain'), qr/^chain: $last blocks, 1 to $last$/m, 'all blocks');
whole([ 'chain', spew('part.jsonl', sql("SELECT toms.export_blocks(first => 2, last => 3)") . "\n"), @key ], 'a part of the chain');
my $said = whole([ 'proof', proof($update), @log ], 'an update');
like($said, $_, 'an update: told') for qr/^entry: $update$/m, qr/^verb: update$/m, qr/^tenant: acme$/m, qr/^table: med\.note \(OID \d+\)$/m,
	qr/^columns: kind, plain$/m, qr/^who: sealed \(data key \d+, entry \d+\)$/m, qr/^payload: \d+ bytes, sealed/m, qr/^outside log: block \d+ stands in line \d+$/m;
my ($truncate) = split /\n/, sql("SELECT id FROM toms.audit_entry WHERE verb = 't'");
$said = whole([ 'proof', proof($truncate), @log ], 'TRUNCATE');
like($said, $_, 'TRUNCATE: told') for qr/^verb: truncate$/m, qr/^tenant: none$/m, qr/^table: med\.visit/m, qr/^who, login: migration$/m, qr/^who, reason: test$/m;
$said = whole([ 'proof', proof($reading), @log ], 'that this proof was asked for');
like($said, $_, 'a reading of the trail: told') for qr/^kind: read\nverb: read trail$/m, qr/^table: toms\.audit_entry/m, qr/^payload: \{"by":"audit_proof","entry":$update\}$/m;
my $bad = 0;
foreach my $id (@any)
{
	my ($code, $out) = verify('proof', proof($id, 'any.json'), @log);
	$bad++ if $code != 0;
	diag($out) if $code != 0;
}
is($bad, 0, 'sixty entries of any kind');

# A controller asks for himself

sql(q{SELECT toms.load_purposes('audit'); SELECT toms.permit('hr', 'toms.audit_entry', '{select}', '{absence_management}', 'tenant')});
my ($globex) = split /\n/, sql("SELECT id FROM toms.audit_entry WHERE kind = 'c' AND tenant = 'globex'");
my $own = as_tenant($node, 'postgres', 'acme', "SELECT toms.audit_proof($update)");
whole([ 'proof', spew('own.json', $own), @log ], 'asked for by the tenant');
like(as_tenant($node, 'postgres', 'acme', "SELECT toms.audit_proof($globex)"), qr/there is no entry $globex/, 'another tenant\'s entry');
unlike(join('', map { unpack('u', '') . $_ } $own), qr/globex/, 'nothing of the other tenant');

# Restored from a dump in another cluster: a new segment of the same chain

my $other = sealed_server('restored', $keyring);
$other->start;
add_roles($other);
$other->safe_psql('postgres', 'CREATE DATABASE restored');
my ($dumped, undef, $problem) = program($node, 'pg_dump', '-Fc', '-f', "$dir/dump", 'postgres');
ok($dumped, 'dumped') or diag($problem);
($dumped, undef, $problem) = program($other, 'pg_restore', '-d', 'restored', "$dir/dump");
ok($dumped, 'restored') or diag($problem);
as_tenant($other, 'restored', 'acme', "UPDATE med.note SET plain = 'restored' WHERE id = 1");
$other->safe_psql('restored', 'SELECT toms.seal_audit()');
my $new_last = $other->safe_psql('restored', 'SELECT max(number) FROM toms.audit_block');
cmp_ok($new_last, '>', $last, 'sealed there');
whole([ 'chain', spew('restored.jsonl', $other->safe_psql('restored', 'SELECT toms.export_blocks()') . "\n"), @key ], 'the chain goes on');
foreach my $id ($update, $truncate, $other->safe_psql('restored', "SELECT max(id) FROM toms.audit_entry WHERE kind = 'c'"))
{
	whole([ 'proof', spew('restored.json', $other->safe_psql('restored', "SELECT toms.audit_proof($id)")), @key ], "entry $id, after the restore");
}
$other->stop;

# Altered: each byte in every thirty-first place, and values of another proof

my $text = sql("SELECT toms.audit_proof($update)");
my $taken = 0;
for (my $at = 0; $at < length $text; $at += 31)
{
	my $other = $text;
	substr($other, $at, 1) = substr($text, $at, 1) eq '1' ? '2' : '1';
	$taken++ if (verify('proof', spew('altered.json', $other), @key))[0] != 1;
}
is($taken, 0, 'no altered byte is taken');
my ($one, $two) = map { decode_json($_) } $text, sql("SELECT toms.audit_proof($truncate)");
foreach my $member (qw(entry salt path header signature who object))
{
	my %mixed = (%$one, $member => $two->{$member});
	faulty([ 'proof', spew('mixed.json', encode_json(\%mixed)), @key ], qr/^fault: /m, "with the $member of another proof");
}

# The outside log, altered

my @lines = split /^/, slurp_file("$dir/log.jsonl");
sub log_of { return spew('other.jsonl', join '', @_) }
faulty([ 'log', log_of(@lines[ 0, 2 .. $#lines ]), @key ], qr/:2: numbered 3, not 2.*:2: block 2 is missing/s, 'a line less');
faulty([ 'log', log_of($lines[0], $lines[1] =~ s/"size":\d+/"size":1/r, @lines[ 2 .. $#lines ]), @key ], qr/:2: the signature does not fit.*:3: does not follow/s, 'a line altered');
faulty([ 'log', log_of(@lines[ 0, 2, 1, 3 .. $#lines ]), @key ], qr/:2: numbered 3/, 'lines exchanged');
faulty([ 'chain', "$dir/chain.jsonl", @key, '--log', log_of(@lines[ 0 .. 1 ]) ], qr/not in the outside log: blocks 3 to $last/, 'a chain longer than the log');
my @chain = split /^/, slurp_file("$dir/chain.jsonl");
faulty([ 'chain', spew('cut.jsonl', join '', @chain[ 0 .. 1 ]), @log ], qr/missing: blocks 3 to $last, which the outside log has/, 'a chain that was cut off');
faulty([ 'chain', spew('gap.jsonl', join '', @chain[ 0, 2 .. $#chain ]), @log ], qr/missing: block 2$/m, 'a block taken out');

# Tables, altered past all guards: the server starts without the library

sub unguarded
{
	my ($statements) = @_;
	$node->stop;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
	$node->start;
	$node->safe_psql('postgres', "SET session_replication_role = replica; $statements");
	$node->stop;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'toms'\n");
	$node->start;
	return;
}

my $fault = qr/is not as it was sealed/;
my ($victim) = split /\n/, sql("SELECT id FROM toms.audit_entry WHERE verb = 'i' AND tenant = 'acme' AND id < $update ORDER BY id");
my $table = sql("SELECT tableoid::regclass FROM toms.audit_entry WHERE id = $victim");
unguarded("CREATE TABLE public.kept AS SELECT * FROM $table WHERE id = $victim; UPDATE $table SET verb = 'd' WHERE id = $victim");
like(($node->psql('postgres', "SELECT toms.audit_proof($victim)"))[2], $fault, 'an entry that was changed is not proved');
like(($node->psql('postgres', "SELECT toms.audit_proof($update)"))[2], $fault, 'nor is one that refers to an entry of its block');
whole([ 'proof', proof(sql("SELECT who FROM toms.audit_entry WHERE id = $truncate")), @log ], 'an entry of another block is');
unguarded("DELETE FROM $table WHERE id = $victim");
like(($node->psql('postgres', "SELECT toms.audit_proof($victim)"))[2], qr/there is no entry $victim/, 'an entry that was deleted');
unguarded("INSERT INTO $table SELECT * FROM public.kept");
whole([ 'proof', proof($victim), @log ], 'as it was sealed, it is proved again');

# A chain that somebody with the signing key made anew: it is whole, but not what was told then

$node->stop;
$node->backup_fs_cold('older');
$node->start;
as_tenant($node, 'postgres', 'acme', 'DELETE FROM med.note WHERE id = 2');
seal();
as_tenant($node, 'postgres', 'acme', 'DELETE FROM med.note WHERE id = 3');
my $gone = seal();
my ($lost) = split /\n/, sql('SELECT max(id) FROM toms.audit_entry WHERE kind = \'c\'');
my $proof_before = proof($lost, 'before.json');
$gone = seal();    # that it was asked for, too
copy($log, "$dir/before.jsonl") or die;
whole([ 'proof', $proof_before, @key, '--log', "$dir/before.jsonl" ], 'before the rewind');

$node->stop;
my $data = $node->data_dir;
rename $data, "$data.newer" or die;
PostgreSQL::Test::RecursiveCopy::copypath($node->backup_dir . '/older', $data);
chmod 0700, $data or die;
$node->start;
as_tenant($node, 'postgres', 'acme', "UPDATE med.note SET plain = 'another history' WHERE id = 2");
seal();
faulty([ 'chain', chain(), @key, '--log', "$dir/before.jsonl" ], qr/rewritten: the outside log has another digest: blocks? [\d to]+\n.*missing: blocks? (?:\d+ to )?$gone, which the outside log has/s,
	'a chain after the rewind, and the log of before');
faulty([ 'log', $log, @key ], qr/rewound: blocks \d+ to \d+ were sealed before and again/, 'the log after the rewind');
faulty([ 'proof', $proof_before, @key, '--log', $log ], qr/rewound: block $gone was sealed so, and again|rewound: blocks/, 'a proof of before, and the log after the rewind');
whole([ 'proof', $proof_before, @key ], 'by itself it holds');

# Pruned: a subtree's hash stands for the entries of the first half of the large block

my $large = sql('SELECT number FROM toms.audit_block ORDER BY size DESC LIMIT 1');
my @members = split /\n/, sql("SELECT e.id FROM toms.audit_entry e JOIN toms.audit_block b ON b.number = $large JOIN toms.audit_block a ON a.number = $large - 1
	WHERE pg_visible_in_snapshot(e.xid::text::xid8, b.snapshot) AND NOT pg_visible_in_snapshot(e.xid::text::xid8, a.snapshot) ORDER BY e.kind, e.id");
my $right = decode_json(sql("SELECT toms.audit_proof($members[-1])"));
my $half = 1;
$half *= 2 while 2 * $half < $right->{size};
cmp_ok(scalar(@members), '>', $half, 'more than half of the block');
my $hash = $right->{path}[-1] =~ tr{-_}{+/}r . '=';
my $first = $members[0];
my $pruned = join ',', @members[ 0 .. $half - 1 ];
unguarded("DELETE FROM toms.audit_entry WHERE id IN ($pruned); INSERT INTO toms.audit_pruned (block, start, size, hash) VALUES ($large, 0, $half, decode('$hash', 'base64'))");
whole([ 'proof', proof($members[$half]), @key ], 'the entry next to those that were pruned');
whole([ 'proof', proof($members[-1]), @key ], 'the last one');
is_deeply(decode_json(sql("SELECT toms.audit_proof($members[-1])")), $right, 'the same proof as before');
like(($node->psql('postgres', "SELECT toms.audit_proof($first)"))[2], qr/entry $first of the audit trail was deleted when its period ended.*Block $large/s, 'one that was pruned');
like(as_tenant($node, 'postgres', 'acme', "SELECT toms.audit_proof($first)"), qr/there is no entry $first/, 'of which a tenant is told no more than of others');

$node->stop;
done_testing();
