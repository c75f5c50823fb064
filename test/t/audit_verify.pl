# toms-verify by itself: vectors of RFC 6962, each byte of what it reads, its commands, and what it
# says of logs, chains and archives that somebody changed. Needs no server: the samples are made
# by test/verify.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use IPC::Run;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my $tool = -x "$top/src/bin/verify/toms-verify" ? "$top/src/bin/verify/toms-verify" : 'toms-verify';
my $dir = tempdir(CLEANUP => 1);

sub run_tool
{
	my ($args, $input) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ $tool, @$args ], '<', \($input // ''), '>', \$out, '2>', \$err, init => sub { chdir $dir or die });
	return ($? >> 8, $out, $err);
}

# Whole, with lines of the output that are expected.
sub whole
{
	my ($args, $name, @lines) = @_;
	my ($code, $out, $err) = run_tool($args);
	is("$code$err", '0', "$name: whole");
	like($out, $_, "$name: says so") for @lines, qr/^whole$/m;
	return $out;
}

# Every fault is on a line of its own, and these are all.
sub faults
{
	my ($args, $name, @faults) = @_;
	my ($code, $out, $err) = run_tool($args);
	my @found = $out =~ /^fault: (.*)$/mg;
	is("$code$err", '1', "$name: refused");
	like($found[$_] // '', $faults[$_], "$name: named") for 0 .. $#faults;
	is(scalar @found, scalar @faults, "$name: nothing else named") or diag($out);
	return;
}

sub usage
{
	my ($args, $message, $name) = @_;
	my ($code, $out, $err) = run_tool($args);
	is("$code$out", '2', "$name: exit status");
	like($err, $message, "$name: said so");
	return;
}

sub slurp
{
	my ($file) = @_;
	open my $fh, '<:raw', "$dir/$file" or die "$file: $!";
	local $/;
	return scalar <$fh>;
}

sub spew
{
	my ($file, $text) = @_;
	open my $fh, '>:raw', "$dir/$file" or die "$file: $!";
	print $fh $text;
	close $fh or die "$file: $!";
	return;
}

# A file of other lines than another one.
sub edited
{
	my ($from, $to, $edit) = @_;
	my @lines = split /^/, slurp($from);
	$edit->(\@lines);
	spew($to, join '', @lines);
	return $to;
}

# Its parts

my ($units, $problems) = ('', '');
ok(-x "$top/test/verify/verify", 'test/verify/verify is built') or BAIL_OUT('make test/verify/verify');
IPC::Run::run([ "$top/test/verify/verify" ], '>', \$units, '2>', \$problems);
for (split /\n/, $units)
{
	ok($1 eq 'ok', $2) if /^(ok|not ok) \d+ - (.*)/;
	diag($_) if /^#/;
}
is($problems, '', 'nothing else is printed');
like($units, qr/^1\.\.\d+$/m, 'to the end');
IPC::Run::run([ "$top/test/verify/verify", 'samples', $dir ]) or BAIL_OUT('no samples');

# The command line

my $key = slurp('key') =~ s/\n//r;
my $other_key = ($key =~ /^A/ ? 'B' : 'A') . substr $key, 1;
is((run_tool(['--help']))[0], 0, 'help');
like((run_tool(['--version']))[1], qr/^toms-verify [\d.]+$/, 'version');
usage([], qr/no command/, 'no command');
usage(['prove'], qr/prove: must be one/, 'another command');
usage(['proof'], qr/no file/, 'no file');
usage([ 'proof', 'a', 'b' ], qr/b: an argument too many/, 'two proofs');
usage([ 'proof', 'none' ], qr/none: could not open/, 'a file that is not there');
usage([ 'proof', 'proof.json', '--key', 'short' ], qr/--key: not a public key/, 'a key that is none');
usage([ 'proof', 'proof.json', '--keys' ], qr/--keys: unknown option/, 'another option');
usage([ 'proof', 'proof.json', '--key-file', 'proof.json' ], qr/holds no Ed25519 public key/, 'a file without keys');
usage([ 'log', 'log.jsonl', '--log', 'log.jsonl' ], qr/no option of this command/, 'a log beside a log');
usage([ 'archive', "$dir/empty" ], qr/could not/, 'no archive');
spew('jwk', qq({"kty":"OKP","crv":"Ed25519","kid":"audit","x":"$key"}));
spew('jwks', qq({"keys":[{"kty":"RSA","n":"AQAB"},\n{"kty":"OKP","crv":"Ed25519","x":"$other_key"},{"kty":"OKP","crv":"Ed25519","x":"$key"}]}\n));
spew('keys', "# keys of 2026\n$other_key\n$key\n");
whole([ 'proof', 'proof.json', '--key-file', $_ ], "a key from $_") for qw(key jwk jwks keys);

# A proof

my $said = whole([ 'proof', 'proof.json', '--key', $key, '--log', 'log.jsonl' ], 'a proof', qr/^entry: 8193$/m, qr/^kind: change\nverb: update$/m,
	qr/^when: 2026-11-14T19:33:28\.000001Z$/m, qr/^transaction: 1080$/m, qr/^tenant: acme$/m, qr/^table: hr\.sick_note \(OID 16400\)$/m,
	qr/^columns: id, kränk\\lich, sick$/m, qr/^who, actor: 17\nwho, role: hr\nwho, login: app$/m, qr/^payload: 12 bytes, sealed \(data key 7\)$/m,
	qr/^block: 8, entry 2 of 7$/m, qr/^outside log: block 8 stands in line 8$/m);
unlike($said, qr/address|signed by/, 'nothing that is not there');
whole([ 'proof', 'proof.json' ], 'a proof, no key given', qr/^signed by: \Q$key\E \(no --key given/m, qr/^outside log: not compared$/m);
whole([ 'proof', 'who.json', '--key', $key ], 'the proof of who', qr/^kind: who acted$/m, qr/^who, actor: 17$/m, qr/^tenant: none$/m);
is((run_tool([ 'proof', '-', '--key', $key ], slurp('proof.json')))[0], 0, 'from standard input');
faults([ 'proof', 'proof.json', '--key', $other_key ], 'another key', qr/^proof\.json: signed by another key/);
faults([ 'proof', 'proof.json', '--log', edited('log.jsonl', 'short.jsonl', sub { splice @{ $_[0] }, 5 }) ], 'a block that is not in the log',
	(qr/^proof\.json: missing: the outside log has no block 8/) x 3);
spew('spaced.json', slurp('proof.json') =~ s/([,:\[{])(?=")/$1 \n/gr);
whole([ 'proof', 'spaced.json', '--key', $key ], 'white space means nothing');
my $nested = slurp('proof.json') =~ s/,"who":\{.*?\}(?=,"object")//r;
spew('less.json', $nested);
whole([ 'proof', 'less.json' ], 'without who', qr/^who: not told \(entry 8198\)$/m);
spew('swapped.json', slurp('proof.json') =~ s/"who":(\{.*?\}),"object":(\{.*?\})/"who":$2,"object":$1/r);
faults([ 'proof', 'swapped.json' ], 'who and object changed places', (qr/nested proof is of entry \d+, to which entry 8193 does not refer so/) x 2);
spew('deep.json', slurp('proof.json') =~ s/"path":\[/'"path":[' . '[' x 100000/er);
faults([ 'proof', 'deep.json' ], 'deep nesting', qr/not JSON/);
spew('twice.json', slurp('proof.json') =~ s/"version":1/"version":1,"version":1/r);
faults([ 'proof', 'twice.json' ], 'a member twice', qr/a member that stands twice/);
spew('more.json', slurp('proof.json') =~ s/"version":1/"version":1,"note":"x"/r);
faults([ 'proof', 'more.json' ], 'a member more', qr/does not belong there/);
spew('nul.json', "\0" . slurp('proof.json'));
faults([ 'proof', 'nul.json' ], 'a NUL', qr/not a JSON object/);
spew('empty.json', '');
faults([ 'proof', 'empty.json' ], 'nothing', qr/not a JSON object/);

# The outside log

my $torn = '{"n":5,"dataset":"0b5f';
whole([ 'log', 'log.jsonl', '--key', $key ], 'a log', qr/^outside log: 12 lines, 12 of blocks$/m);
faults([ 'log', 'log.jsonl', '--key', $other_key ], 'a log of another key', (qr/signed by another key/) x 12);
faults([ 'log', edited('log.jsonl', 'a', sub { $_[0][4] =~ s/"size":4/"size":5/ }) ], 'a line changed',
	qr/^a:5: the signature does not fit/, qr/^a:6: blocks? .*missing|^a:6: does not follow the line before/, qr/^a:6:/);
faults([ 'log', edited('log.jsonl', 'a', sub { splice @{ $_[0] }, 4, 1 }) ], 'a line taken away',
	qr/^a:5: numbered 6, not 5/, qr/^a:5: does not follow/, qr/^a:5: block 5 is missing/);
faults([ 'log', edited('log.jsonl', 'a', sub { splice @{ $_[0] }, 4, 3 }) ], 'lines taken away',
	qr/^a:5: numbered 8, not 5/, qr/^a:5: does not follow/, qr/^a:5: blocks 5 to 7 are missing/);
faults([ 'log', edited('log.jsonl', 'a', sub { splice @{ $_[0] }, 4, 0, "noise\n" }) ], 'a line added',
	qr/line 5 is not one of an outside log/, qr/^a:6: does not follow/);
faults([ 'log', edited('log.jsonl', 'a', sub { @{ $_[0] }[ 4, 5 ] = @{ $_[0] }[ 5, 4 ] }) ], 'lines that changed places',
	qr/^a:5: numbered 6/, qr/^a:5: does not follow/, qr/^a:5: block 5 is missing/, qr/^a:6: numbered 5/, qr/^a:6: does not follow/,
	qr/^a:7: numbered 7, not 6/, qr/^a:7: does not follow/, qr/^a:7: block 6 is missing/, qr/^a: rewound: blocks 5 to 6/);
faults([ 'log', edited('log.jsonl', 'a', sub { chomp $_[0][11] }) ], 'a line without its end', qr/^a:12: the last line is cut off/);
faults([ 'log', edited('log.jsonl', 'a', sub { $_[0][11] = $torn }) ], 'a piece of a line', qr/cut off/, qr/line 12 is not one/);

# The chain

whole([ 'chain', 'chain.jsonl', '--key', $key, '--log', 'log.jsonl' ], 'a chain', qr/^chain: 12 blocks, 1 to 12$/m);
whole([ 'chain', edited('chain.jsonl', 'b', sub { splice @{ $_[0] }, 0, 5 }), '--log', 'log.jsonl' ], 'the end of a chain', qr/^chain: 7 blocks, 6 to 12$/m);
faults([ 'chain', edited('chain.jsonl', 'b', sub { splice @{ $_[0] }, 4, 2 }) ], 'blocks taken away', qr/^b:5: missing: blocks 5 to 6/);
faults([ 'chain', edited('chain.jsonl', 'b', sub { splice @{ $_[0] }, 9 }), '--log', 'log.jsonl' ], 'the end taken away',
	qr/^b: missing: blocks 10 to 12, which the outside log has/);
faults([ 'chain', 'chain.jsonl', '--log', edited('log.jsonl', 'c', sub { splice @{ $_[0] }, 9 }) ], 'a log that ends before',
	qr/^chain\.jsonl: not in the outside log: blocks 10 to 12$/);
faults([ 'chain', edited('chain.jsonl', 'b', sub { @{ $_[0] }[ 4, 5 ] = @{ $_[0] }[ 5, 4 ] }) ], 'blocks that changed places',
	qr/^b:5: missing: block 5/, qr/^b:6: block 5 does not follow block 6/, qr/^b:7: missing: block 6/);
faults([ 'chain', edited('chain.jsonl', 'b', sub { $_[0][3] =~ s/"block":4/"block":5/ }) ], 'another number', qr/^b:4: block 5 has a header of block 4/);

# An archive

whole([ 'archive', 'archive.jsonl', '--key', $key, '--log', 'log.jsonl' ], 'an archive', qr/^archive: 23 entries of 8 blocks$/m);
mkdir "$dir/archives";
spew("archives/$_.jsonl", slurp('archive.jsonl')) for 1, 2;
spew('archives/readme', 'none');
whole([ 'archive', 'archives', '--key', $key ], 'a directory', qr/^archive: 46 entries of 8 blocks$/m);
faults([ 'archive', edited('archive.jsonl', 'd', sub { splice @{ $_[0] }, 20 }) ], 'an archive that is cut off', qr/^d: cut off/);
my ($entry) = grep { (split /^/, slurp('archive.jsonl'))[$_] =~ /"type":"entry"/ } 0 .. 50;
faults([ 'archive', edited('archive.jsonl', 'd', sub { $_[0][$entry] =~ s/("salt":".)(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e }) ], 'an entry changed',
	qr/the entries of block 5, which ends before this line, do not lead to the root/, qr/a line above was changed/);
faults([ 'archive', edited('archive.jsonl', 'd', sub { splice @{ $_[0] }, $entry, 1 }) ], 'an entry taken away',
	qr/not what follows 2 of 4 leaves of block 5/, qr/made with 8 blocks and 23 entries, and has 8 and 22/, qr/a line above was changed/);
faults([ 'archive', edited('archive.jsonl', 'd', sub { @{ $_[0] }[ $entry, $entry + 1 ] = @{ $_[0] }[ $entry + 1, $entry ] }) ], 'entries that changed places',
	qr/not what follows/, qr/out of order/, qr/a line above was changed/);
faults([ 'archive', edited('archive.jsonl', 'd', sub { $_[0][0] =~ s/2026-11-01/2026-12-01/ }) ], 'another period', (qr/is not of the archive's period/) x 23,
	qr/a line above was changed/);
faults([ 'archive', edited('archive.jsonl', 'd', sub { $_[0][0] =~ s/"kind":null/"kind":"x"/ }) ], 'another kind', (qr/is not of the archive's kind/) x 23,
	qr/a line above was changed/);

done_testing();
