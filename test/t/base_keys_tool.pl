# toms-keys: what it writes, what it refuses, and that no key shows on its outputs.
# Needs no server.

use strict;
use warnings;
use Digest::SHA qw(sha256);
use FindBin;
use IPC::Run;
use JSON::PP;
use lib "$FindBin::RealBin/../lib";
use KeysTool;
use MIME::Base64 qw(decode_base64url encode_base64url);
use Test::More;

# RFC 8037, appendix A.1 to A.4
my %rfc = (
	x => '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
	d => 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
	thumbprint => 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
	header => '{"alg":"EdDSA"}',
	payload => 'Example of Ed25519 signing',
	token => 'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.'
	  . 'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg');

sub new_key
{
	my ($jwks, $private, @more) = @_;
	return [ 'new', '--jwks', $jwks, '--private', $private, @more ];
}

sub thumbprint
{
	my ($x) = @_;
	return encode_base64url(sha256(qq({"crv":"Ed25519","kty":"OKP","x":"$x"})));
}

sub private_text
{
	my ($x, $d, $kid) = @_;
	return qq({"kty":"OKP","crv":"Ed25519","x":"$x","d":"$d","kid":"$kid","alg":"EdDSA","use":"sig"}\n);
}

sub public_text
{
	my ($jwk) = @_;
	return qq({"kty":"OKP","crv":"Ed25519","x":"$jwk->{x}","kid":"$jwk->{kid}","alg":"EdDSA","use":"sig"});
}

subtest 'a new key' => sub {
	my $umask = umask 0;
	my $kid = succeeds(new_key('jwks.json', 'app.jwk'), 'made');
	umask $umask;
	my $jwk = decode_json(slurp('app.jwk'));

	is(mode('app.jwk'), '0600', 'only its owner can read the private key, whatever the umask');
	is(mode('jwks.json'), '0644', 'everybody can read the key set');
	is(slurp('app.jwk'), private_text(@$jwk{qw(x d kid)}), 'the private file');
	is(slurp('jwks.json'), qq({"keys":[\n) . public_text($jwk) . "\n]}\n", 'the key set');
	is(length decode_base64url($jwk->{$_}), 32, "$_ has 32 bytes") for qw(x d);
	is(thumbprint($rfc{x}), $rfc{thumbprint}, 'the thumbprint of RFC 8037');
	is($jwk->{kid}, substr(thumbprint($jwk->{x}), 0, 16), 'the kid is the start of the thumbprint');
	is($kid, $jwk->{kid}, 'the kid is printed');

	umask 0777;
	succeeds(new_key('umask.json', 'umask.jwk'), 'made under a narrow umask');
	umask $umask;
	is(mode('umask.jwk'), '0600', 'its owner can read the private key, whatever the umask');
	is(mode('umask.json'), '0644', 'everybody can read the key set, whatever the umask');
};

subtest 'rotation' => sub {
	my $first = decode_json(slurp('app.jwk'));
	my $before = slurp('jwks.json');
	is(succeeds(new_key('jwks.json', 'app2.jwk', '--kid', '2026-01'), 'a second key'), '2026-01', 'its kid');
	my $second = decode_json(slurp('app2.jwk'));
	is(slurp('jwks.json'), qq({"keys":[\n) . public_text($first) . ",\n" . public_text($second) . "\n]}\n",
		'both keys are in the set, the new one below');

	my $both = slurp('jwks.json');
	refuses(new_key('jwks.json', 'app3.jwk', '--kid', '2026-01'), 1,
		qr/^toms-keys: jwks\.json: has a key "2026-01" already: /, 'a kid that is taken');
	ok(!-e "$dir/app3.jwk", 'no private key is left behind');
	refuses(new_key('jwks.json', 'app.jwk'), 1,
		qr/^toms-keys: app\.jwk: exists, and a private key is never overwritten$/, 'a private file that is there');
	is_deeply(decode_json(slurp('app.jwk')), $first, 'it is as before');
	is(slurp('jwks.json'), $both, 'and so is the key set');

	(my $without_first = $both) =~ s/\n.*,\n/\n/;
	spew('jwks.json', $without_first, 0644);
	succeeds(new_key('jwks.json', 'app3.jwk'), 'a key after the upper line was deleted');
	is(scalar @{ decode_json(slurp('jwks.json'))->{keys} }, 2, 'two keys are in the set');
	spew('jwks.json', qq({"keys":[\n]}\n), 0644);
	succeeds(new_key('jwks.json', 'app4.jwk'), 'a key into an empty set');
	is(scalar @{ decode_json(slurp('jwks.json'))->{keys} }, 1, 'one key is in the set');

	my @many = map { public_text({ x => $rfc{x}, kid => "k$_" }) } 1 .. 64;
	spew('64.json', qq({"keys":[\n) . join(",\n", @many[ 0 .. 62 ]) . "\n]}\n", 0644);
	succeeds(new_key('64.json', '64.jwk'), 'the 64th key');
	refuses(new_key('64.json', '65.jwk'), 1, qr/^toms-keys: 64\.json: holds 64 keys, /, 'the 65th');
};

subtest 'many at once' => sub {
	my @runs = map {
		IPC::Run::start([ $tool, @{ new_key("$dir/many.json", "$dir/many$_.jwk") } ], '>', \my $out)
	} 1 .. 8;
	IPC::Run::finish($_) for @runs;
	my %in_set = map { $_->{kid} => $_->{x} } @{ decode_json(slurp('many.json'))->{keys} };
	my %made = map { $_->{kid} => $_->{x} } map { decode_json(slurp("many$_.jwk")) } 1 .. 8;
	is_deeply(\%in_set, \%made, 'all keys are in the set');

	IPC::Run::finish($_) for map {
		IPC::Run::start([ $tool, @{ new_key("$dir/one.json", "$dir/one.jwk") } ], '>', \my $out, '2>', \my $err)
	} 1 .. 8;
	is(slurp('one.json'), qq({"keys":[\n) . public_text(decode_json(slurp('one.jwk'))) . "\n]}\n",
		'one of several wins the private file, and only its key is in the set');
};

subtest 'key sets of another origin' => sub {
	my $ours = slurp('many.json');
	my $line = public_text(decode_json(slurp('many1.jwk')));
	my %foreign = (
		'empty file' => '',
		'other JSON' => qq({"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}\n),
		'other member order' => $ours =~ s/"kty":"OKP","crv":"Ed25519"/"crv":"Ed25519","kty":"OKP"/r,
		'private key inside' => $ours =~ s/","kid"/","d":"$rfc{d}","kid"/r,
		'comma at the end' => qq({"keys":[\n$line,\n]}\n),
		'comma missing' => qq({"keys":[\n$line\n$line\n]}\n),
		'something below' => "$ours\n",
		'NUL byte below' => "$ours\0",
		'cut off' => substr($ours, 0, -2),
		'Windows line ends' => $ours =~ s/\n/\r\n/gr,
		'kid too long' => $ours =~ s/"kid":"/'"kid":"' . 'x' x 60/er,
		'larger than 64 kB' => qq({"keys":[\n) . "$line,\n" x 500 . "$line\n]}\n");
	foreach my $name (sort keys %foreign)
	{
		spew('foreign.json', $foreign{$name}, 0644);
		refuses(new_key('foreign.json', 'foreign.jwk'), 1,
			qr/^toms-keys: foreign\.json: (not written by toms-keys|larger than)/, $name);
		is(slurp('foreign.json'), $foreign{$name}, "$name: as before");
	}
	symlink 'many.json', "$dir/link.json" or die;
	refuses(new_key('link.json', 'foreign.jwk'), 1, qr/^toms-keys: link\.json: a symbolic link/, 'symbolic link');
	ok(!-e "$dir/foreign.jwk", 'no private key is left behind');
};

subtest 'places that cannot be' => sub {
	refuses(new_key('same', 'same'), 2, qr/same file/, 'one file for both');
	refuses(new_key('same', './same'), 1, qr/^toms-keys: same: /, 'one file for both, spelt otherwise');
	ok(!-e "$dir/same", 'nothing is left of it');
	refuses(new_key('none/jwks.json', 'new.jwk'), 1,
		qr{^toms-keys: none/jwks\.json: could not open its folder: }, 'no folder for the key set');
	refuses(new_key('new.json', 'none/app.jwk'), 1,
		qr{^toms-keys: none/app\.jwk: could not open its folder: }, 'no folder for the private key');
	symlink 'target.jwk', "$dir/link.jwk" or die;
	refuses(new_key('new.json', 'link.jwk'), 1, qr/^toms-keys: link\.jwk: exists/, 'symbolic link for the private key');
	ok(!-e "$dir/$_", "no $_") for qw(new.json new.jwk target.jwk);
	is_deeply([ grep { !/\.(json|jwk)$/ } map { s{.*/}{}r } glob "$dir/*" ], [], 'no temporary file is left');
};

subtest 'minting' => sub {
	spew('rfc.jwk', private_text(@rfc{qw(x d)}, 'rfc'));
	is(succeeds([ 'mint', '--private', 'rfc.jwk', '--header', $rfc{header}, '--payload', $rfc{payload} ], 'signed'),
		$rfc{token}, 'the token of RFC 8037');

	my $payload = qq( {"name":"M\xc3\xbcller","n":1.0}\0\n\n);
	my $token = succeeds([ 'mint', '--private=rfc.jwk', '--payload=-' ], 'from standard input', $payload);
	my ($header, $claims, $signature) = split /\./, $token;
	is(decode_base64url($header), '{"alg":"EdDSA","kid":"rfc","typ":"JWT"}', 'default header');
	is(decode_base64url($claims), $payload, 'the payload stands byte for byte');
	is(length decode_base64url($signature), 64, 'a signature');
	is(length succeeds([ 'mint', '--private=rfc.jwk', '--payload=-' ], 'a payload of 1 MB', 'x' x 1048576),
		52 + 1 + 1398102 + 1 + 86, 'its length');
	refuses([ 'mint', '--private=rfc.jwk', '--payload=-' ], 1,
		qr/^toms-keys: standard input: larger than 1048576 bytes$/, 'a larger payload', 'x' x 1048577);
	is(system("'$tool' mint --private '$dir/rfc.jwk' --payload '{}' >/dev/full 2>/dev/null") >> 8, 1,
		'output that cannot be written: refused');
};

subtest 'private keys that are not taken' => sub {
	my @mint = ('mint', '--payload', '{}', '--private');
	my $text = slurp('rfc.jwk');
	my $other = decode_json(slurp('app.jwk'));
	my %bad = (
		'white space' => $text =~ s/,/, /r,
		'other order' => private_text($rfc{x}, $rfc{d}, 'rfc') =~ s/"kty":"OKP","crv":"Ed25519"/"crv":"Ed25519","kty":"OKP"/r,
		'no newline' => $text =~ s/\n//r,
		'more below' => "$text\n",
		'no d' => public_text($other) . "\n",
		'short d' => private_text($rfc{x}, substr($rfc{d}, 1), 'rfc'),
		'no base64url' => private_text($rfc{x}, $rfc{d} =~ s/_/./r, 'rfc'),
		'empty' => '',
		'long' => $text x 10,
		'public half of another key' => private_text($other->{x}, $rfc{d}, 'rfc'));
	foreach my $name (sort keys %bad)
	{
		spew('bad.jwk', $bad{$name});
		refuses([ @mint, 'bad.jwk' ], 1, qr/^toms-keys: bad\.jwk: (not a private key|larger than|damaged)/, $name);
	}
	foreach my $mode (0640, 0620, 0610, 0604, 0602, 0601)
	{
		spew('open.jwk', $text, $mode);
		refuses([ @mint, 'open.jwk' ], 1, qr/^toms-keys: open\.jwk: group or others have access: chmod 0600/,
			sprintf 'mode %04o', $mode);
	}
	refuses([ @mint, 'none.jwk' ], 1, qr/^toms-keys: none\.jwk: could not open: /, 'no file');
	refuses([ @mint, '.' ], 1, qr/^toms-keys: \.: not a regular file$/, 'a folder');
};

subtest 'the command line' => sub {
	my @new = @{ new_key('usage.json', 'usage.jwk') };
	my @mint = ('mint', '--private', 'rfc.jwk', '--payload', '{}');
	my @wrong = (
		[], ['sign'], ['--kid'], ['new'], ['mint'], [ @new[ 0 .. 2 ] ], [ @new[ 0, 3, 4 ] ], [ @new[ 0 .. 3 ] ],
		[ @new, 'more' ], [ @new, '--payload', '{}' ], [ @new, '--header', '{}' ], [ @new, '--force' ],
		[ @new, '--jwks', 'other.json' ], [ @mint, '--kid', 'a' ], [ @mint, '--jwks', 'a' ], [ @mint[ 0 .. 2 ] ],
		map { [ @new, '--kid', $_ ] } '', 'a b', 'a"b', 'a\\b', "a\n", "\xc3\xbc", 'x' x 65, 'toms-enter');
	refuses($_, 2, qr/^toms-keys: .*\ntry "toms-keys --help"\n\z/s, join(' ', 'toms-keys', @$_) =~ s/\n/\\n/r) for @wrong;
	ok(!-e "$dir/usage.$_", "nothing was made: $_") for qw(json jwk);
	is(succeeds([ @new, '--kid', ('-_.:aZ09' x 8) ], 'a kid of 64 characters'), '-_.:aZ09' x 8, 'is taken');

	open my $control, '<', "$top/toms.control" or die;
	my ($version) = join('', <$control>) =~ /^default_version *= *'(.*)'/m;
	is(succeeds(['--version'], '--version'), "toms-keys $version", 'names the version of the extension');
	like(succeeds(['--help'], '--help'), qr/toms-keys new .*toms-keys mint /s, 'names the commands');
};

my @secrets = map { decode_json(slurp($_ =~ s{.*/}{}r))->{d} } grep { !/bad|open|link/ } glob "$dir/*.jwk";
cmp_ok(scalar @secrets, '>', 12, 'private keys were made');
is_deeply([ grep { index(printed(), $_) >= 0 } @secrets ], [], 'none of them was ever printed');

done_testing();
