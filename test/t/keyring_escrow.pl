# toms-keys: keys of a keyring in escrow.  Any K of N persons open it, fewer do not; what is damaged
# or altered is refused; no key is overwritten, and none shows on an output.  Needs no server.

use strict;
use warnings;
use FindBin;
use IPC::Run;
use lib "$FindBin::RealBin/../lib";
use KeysTool;
use MIME::Base64 qw(decode_base64url encode_base64url);
use Test::More;

my @names = qw(anna bert carl dora emil);
my @epochs = map { "epoch-$_" } '0b9ab4a0-5d6e-4b0e-8d38-0c5b6a6d7f01', '5e0c33fa-76a3-4d28-9f3e-2f6f0b1d9c02';
my $digits = qr/[0-9a-f]{64}/;
my $date = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/;

sub new_folder
{
	my ($name, %files) = @_;
	mkdir "$dir/$name", 0700 or die "$name: $!";
	spew("$name/$_.key", $files{$_}) foreach keys %files;
	return;
}

# A keyring as a hash: what each of its files holds.
sub contents
{
	my ($folder) = @_;
	return { map { my ($name) = m{([^/]+)$}; $name => slurp("$folder/$name") } glob "$dir/$folder/*" };
}

sub random_key
{
	my ($kind) = @_;
	return "$kind " . encode_base64url(join '', map { chr int rand 256 } 1 .. 32) . "\n";
}

# BLAKE2b-256 as another program computes it
sub b2sum
{
	my ($text) = @_;
	IPC::Run::run([ 'b2sum', '-l', '256' ], '<', \$text, '>', \my $out) or die 'b2sum';
	return substr $out, 0, 64;
}

# A file whose digest is right, as somebody who alters one would leave it.
sub with_digest
{
	my ($text) = @_;
	$text =~ s/^digest .*\n\z//m;
	return $text . 'digest ' . b2sum($text) . "\n";
}

sub escrow
{
	my ($file, $threshold, $people, @more) = @_;
	return [ 'escrow', '--keyring', 'keyring', '--threshold', $threshold, '--out', $file,
		(map { ('--to', "$_.pub") } @$people), @more ];
}

sub restore
{
	my ($file, $people, $keyring, @more) = @_;
	return [ 'restore', '--escrow', $file, '--keyring', $keyring, (map { ('--key', $_) } @$people), @more ];
}

my %keyring = (enter => random_key('ed25519'), map { $_ => random_key('epoch') } @epochs);
new_folder('keyring', %keyring);
spew('keyring/enter.123.new', 'left by a crash');

subtest 'a key pair for each recipient' => sub {
	my $umask = umask 0;
	my $public = succeeds([ 'new', '--escrow', 'anna' ], 'made');
	umask $umask;
	is(mode('anna'), '0600', 'only its owner can read the private key, whatever the umask');
	is(mode('anna.pub'), '0644', 'everybody can read the public one');
	like(slurp('anna'), qr/^toms-escrow-private [\w-]{43}\n\z/, 'the private file');
	is(slurp('anna.pub'), "toms-escrow-public $public\n", 'the public file is what was printed');
	succeeds([ 'new', '--escrow', $_ ], $_) foreach @names[ 1 .. $#names ];
	my %different = map { slurp($_) => 1 } @names;
	is(scalar keys %different, 5, 'each has a key of his own');

	my $before = slurp('anna');
	refuses([ 'new', '--escrow', 'anna' ], 1, qr/^toms-keys: anna: exists, and a private key is never overwritten$/, 'a second time');
	is(slurp('anna'), $before, 'it is as before');
	spew('fred.pub', 'something', 0644);
	refuses([ 'new', '--escrow', 'fred' ], 1, qr/^toms-keys: fred\.pub: exists, and a public key is never overwritten$/, 'a public file that is there');
	ok(!-e "$dir/fred", 'no private key is left behind');
};

subtest 'an escrow' => sub {
	my $umask = umask 0;
	my $printed = succeeds(escrow('escrow', 3, \@names, '--status', 'status'), 'made');
	umask $umask;
	is(mode('escrow'), '0600', 'only its owner can read it, whatever the umask');
	is(mode('status'), '0644', 'everybody can read the status, the server too');
	my $text = slurp('escrow');
	my ($above, $digest) = $text =~ /^(.*)digest ($digits)\n\z/s;
	is($digest, b2sum($above), 'its digest is BLAKE2b-256 of what stands above');
	my $list = join '', map { "key $_ " . b2sum($keyring{$_}) . "\n" } sort keys %keyring;
	like($text, qr/^toms-escrow 1\nmade $date\nthreshold 3 of 5\n(recipient [\w-]{43} [\w-]{107}\n){5}\Q$list\Epayload [\w-]+\ndigest/,
		'its form, with the names and fingerprints of the keys');
	like(slurp('status'), qr/^escrowed $date scope=keyring made=$date keys=3 threshold=3\/5 digest=$digest\n\Q$list\E\z/, 'the status');
	is($printed, substr(slurp('status'), 0, -1), 'is what was printed');
	my @secrets = map { /(\S+)\n/ } values %keyring;
	is_deeply([ grep { index($text, $_) >= 0 } @secrets ], [], 'no key is in it');

	succeeds(escrow('escrow', 3, \@names), 'made anew, in its place');
	isnt(slurp('escrow'), $text, 'nothing is the same twice');
	is_deeply([ grep { /escrow\./ } glob "$dir/*" ], [], 'no temporary file is left');
};

subtest 'any three of five open it, fewer do not' => sub {
	my ($opened, $closed) = (0, 0);
	foreach my $who (1 .. 31)
	{
		my @people = map { $names[$_] } grep { $who & 1 << $_ } 0 .. 4;
		new_folder("to$who");
		my ($code, $out, $err) = keys_tool(restore('escrow', [ reverse @people ], "to$who"));
		if (@people >= 3)
		{
			my %whole = map { ("$_.key" => $keyring{$_}) } keys %keyring;
			$opened++ if $code == 0 && eq_hash(contents("to$who"), \%whole);
		}
		else
		{
			my $given = @people;
			$closed++ if $code == 1 && $out eq '' && !%{ contents("to$who") } &&
			  $err eq "toms-keys: escrow: opens with 3 of its 5 recipients' keys, and $given given\n";
		}
	}
	is($opened, 16, 'each set of three, four or five restores the keyring');
	is($closed, 15, 'each set of one or two restores nothing, and is told why');
	refuses(restore('escrow', [qw(anna bert anna)], 'to1'), 1, qr/^toms-keys: anna: the same key as that of anna$/, 'one of them twice');
	refuses([ 'restore', '--escrow', 'escrow', '--keyring', 'to1' ], 2, qr/restore --key: is missing/, 'nobody');

	foreach my $case ([ 1, 1 ], [ 1, 5 ], [ 2, 2 ], [ 5, 5 ])
	{
		my ($threshold, $of) = @$case;
		succeeds(escrow("$threshold.$of", $threshold, [ @names[ 0 .. $of - 1 ] ]), "$threshold of $of");
		new_folder("to$threshold.$of");
		succeeds(restore("$threshold.$of", [ @names[ $of - $threshold .. $of - 1 ] ], "to$threshold.$of"), 'opens');
		is(slurp("to$threshold.$of/enter.key"), $keyring{enter}, 'with the key');
	}
};

subtest 'what is restored' => sub {
	my @three = qw(bert dora emil);
	new_folder('some');
	my ($digest) = slurp('escrow') =~ /^digest (.*)/m;
	is(succeeds(restore('escrow', \@three, 'some', '--only', $epochs[1]), 'one key'), "digest $digest\nrestored $epochs[1]", 'said which');
	is_deeply(contents('some'), { "$epochs[1].key" => $keyring{ $epochs[1] } }, 'and no other');
	is(mode("some/$epochs[1].key"), '0600', 'for its owner alone');
	like(succeeds(restore('escrow', \@three, 'some'), 'the others'), qr/^restored enter\nrestored $epochs[0]\nthere $epochs[1]$/m, 'what is there is left');
	is(scalar keys %{ contents('some') }, 3, 'all are there');

	spew('some/enter.key', my $other = random_key('ed25519'));
	unlink "$dir/some/$epochs[0].key";
	refuses(restore('escrow', \@three, 'some'), 1,
		qr{^toms-keys: some/enter\.key: exists with another key, and is never overwritten: nothing was restored$}, 'another key of that name');
	is(slurp('some/enter.key'), $other, 'it is as before');
	ok(!-e "$dir/some/$epochs[0].key", 'and nothing else was restored');
	refuses(restore('escrow', \@three, 'some', '--only', 'none'), 1, qr/^toms-keys: escrow: holds no key "none"$/, 'a key that is not in it');
	refuses(restore('escrow', \@three, 'nowhere'), 1, qr/^toms-keys: nowhere: could not stat: /, 'no folder');
	chmod 0750, "$dir/some";
	refuses(restore('escrow', \@three, 'some'), 1, qr/^toms-keys: some: group or others have access: chmod 0700/, 'a folder that others can read');
	is_deeply([ grep { !/\.key$/ } glob "$dir/some/*" ], [], 'no temporary file is left');
};

subtest 'keys that do not open it' => sub {
	new_folder('wrong');
	succeeds([ 'new', '--escrow', 'eve' ], 'the key of somebody else');
	refuses(restore('escrow', [qw(anna bert eve)], 'wrong'), 1, qr/^toms-keys: eve: not the key of a recipient of escrow$/, 'somebody else');
	refuses(restore('escrow', [qw(anna bert carl.pub)], 'wrong'), 1, qr/^toms-keys: carl\.pub: /, 'a public key');
	my $text = slurp('anna');
	my %bad = ('cut off' => substr($text, 0, -2), 'more below' => "$text\n", 'a key of tokens' => $keyring{enter}, 'empty' => '', 'long' => $text x 9);
	foreach my $name (sort keys %bad)
	{
		spew('bad', $bad{$name});
		refuses(restore('escrow', [qw(bad bert carl)], 'wrong'), 1, qr/^toms-keys: bad: (not a private key|larger than)/, $name);
	}
	spew('open', $text, 0640);
	refuses(restore('escrow', [qw(open bert carl)], 'wrong'), 1, qr/^toms-keys: open: group or others have access: /, 'a file that others can read');
	refuses(escrow('new', 1, [], '--to', 'anna'), 1, qr/^toms-keys: anna: not a public key/, 'a private key as recipient');
	spew('zero.pub', 'toms-escrow-public ' . 'A' x 43 . "\n");
	refuses(escrow('new', 1, ['zero']), 1, qr/^toms-keys: --to: the 1\. public key is not one of X25519$/, 'a public key that is none');
	is_deeply(contents('wrong'), {}, 'nothing was restored');
	ok(!-e "$dir/new", 'nothing was made');
};

subtest 'a damaged or altered escrow' => sub {
	my $text = slurp('escrow');
	my @three = qw(anna bert carl);
	my $refused = qr/^toms-keys: damaged: (damaged: its digest|not an escrow)/;
	new_folder('damaged_keyring');
	my ($missed, $offset) = (0, 0);
	while ($offset < length $text)
	{
		my $damaged = $text;
		substr($damaged, $offset, 1) = chr(ord(substr $damaged, $offset, 1) ^ (1, 2, 4, 32)[ $offset % 4 ]);
		spew('damaged', $damaged);
		foreach my $args ([ 'verify', '--escrow', 'damaged' ], restore('damaged', \@three, 'damaged_keyring'))
		{
			my ($code, $out, $err) = keys_tool($args);
			$missed++ if $code != 1 || $out ne '' || $err !~ $refused;
		}
		$offset += 7;
	}
	is($missed, 0, 'a bit of another value is seen, without and with keys');
	foreach my $case ([ 'empty', '' ], [ 'cut off', substr($text, 0, -1) ], [ 'more below', "$text\n" ], [ 'a NUL byte', "$text\0" ],
		[ 'Windows line ends', $text =~ s/\n/\r\n/gr ], [ 'another version', $text =~ s/escrow 1/escrow 2/r ])
	{
		spew('damaged', $case->[1]);
		refuses([ 'verify', '--escrow', 'damaged' ], 1, qr/^toms-keys: damaged: not an escrow/, $case->[0]);
	}

	succeeds(escrow('another', 3, \@names), 'another escrow of the same keys');
	# whoever alters it on purpose makes the digest fit; the payload's seal covers all
	my @recipients = $text =~ /^(recipient .*\n)/mg;
	my @keys = $text =~ /^(key .*\n)/mg;
	my ($payload) = $text =~ /^payload (.*)/m;
	my $share = substr $recipients[0], 54;
	my %altered = (
		'a lower threshold' => $text =~ s/threshold 3/threshold 2/r,
		'another date' => $text =~ s/made 2/made 3/r,
		'a recipient more' => $text =~ s/of 5\n/of 6\n$recipients[0]/r,
		'recipients in another order' => $text =~ s/\Q$recipients[0]$recipients[1]\E/$recipients[1]$recipients[0]/r,
		'a share of another recipient' => $text =~ s/(?<= )\Q$share\E/substr $recipients[1], 54/er,
		'another name' => $text =~ s/key enter/key entry/r,
		'another fingerprint' => $text =~ s/key enter \K./x/r,
		'a key less' => $text =~ s/\Q$keys[0]\E//r,
		'keys in another order' => $text =~ s/\Q$keys[0]$keys[1]\E/$keys[1]$keys[0]/r,
		'a key twice' => $text =~ s/\Q$keys[0]\E/$keys[0]$keys[0]/r,
		'a name that leads elsewhere' => $text =~ s{key enter}{key ../enter}r,
		'a hidden name' => $text =~ s{key enter}{key .enter}r,
		'threshold 0' => $text =~ s/threshold 3/threshold 0/r,
		'threshold 6 of 5' => $text =~ s/threshold 3/threshold 6/r,
		'another payload' => $text =~ s/payload \K.{80}/'A' x 80/er,
		'a payload cut off' => $text =~ s/payload .*/'payload ' . substr $payload, 0, -4/er,
		'a payload of another escrow' => $text =~ s/payload .*/slurp('another') =~ m{^(payload .*)}m ? $1 : die/er);
	foreach my $name (sort keys %altered)
	{
		isnt($altered{$name}, $text, "$name: is another text");
		spew('altered', with_digest($altered{$name}));
		refuses(restore('altered', \@three, 'damaged_keyring'), 1, qr/^toms-keys: altered: (altered: |not an escrow|opens with 3)/, $name);
	}
	is_deeply(contents('damaged_keyring'), {}, 'nothing was ever restored');
};

subtest 'verifying needs no private key' => sub {
	my @verify = ('verify', '--escrow', 'escrow', '--keyring', 'keyring', '--status', 'status');
	my ($digest) = slurp('escrow') =~ /^digest (.*)/m;
	my $line = qr/^verified $date scope=keyring made=$date keys=3 threshold=3\/5 digest=$digest\n/;
	like(succeeds(\@verify, 'the same keys'), $line, 'said so');
	like(slurp('status'), $line, 'the status is dated anew');
	is(scalar(() = slurp('status') =~ /^key /mg), 3, 'and lists the keys');
	like(succeeds([ @verify[ 0 .. 2 ] ], 'without a keyring'), qr/^verified $date scope=form /, 'says that nothing was compared');

	my $status = slurp('status');
	my $differs = sub {
		my ($finding, $name, @more) = @_;
		my ($code, $out, $err) = keys_tool([ @verify, @more ]);
		is("$code$out", "1$finding\n", "$name: told");
		is($err, "toms-keys: escrow: does not hold what the keyring holds: renew it, and destroy this one\n", "$name: refused");
		is(slurp('status'), $status, "$name: the status keeps its date");
	};
	spew('keyring/epoch-new.key', random_key('epoch'));
	$differs->('missing epoch-new', 'a key was added');
	unlink "$dir/keyring/epoch-new.key";
	spew("keyring/$epochs[0].key", random_key('epoch'));
	$differs->("differs $epochs[0]", 'a key was replaced');
	unlink "$dir/keyring/$epochs[0].key";
	$differs->("surplus $epochs[0]", 'a key was destroyed: the escrow still has it');
	spew("keyring/$epochs[0].key", $keyring{ $epochs[0] });
	$differs->("surplus enter\nsurplus $epochs[1]", 'more than what is wanted', '--only', $epochs[0]);
	like(succeeds(\@verify, 'all as before'), $line, 'said so');
};

subtest 'after a rotation the escrow is renewed without the former epoch' => sub {
	my @only = ('--only', 'enter', '--only', $epochs[1]);
	succeeds(escrow('current', 2, [qw(anna bert carl)], '--status', 'current_status', @only), 'current epochs');
	unlike(slurp($_), qr/$epochs[0]/, "$_: no former epoch") foreach qw(current current_status);
	my @verify = ('verify', '--escrow', 'current', '--keyring', 'keyring');
	succeeds([ @verify, @only ], 'the keys that are meant');
	my ($code, $out) = keys_tool(\@verify);
	is("$code$out", "1missing $epochs[0]\n", 'the former one counts as long as it is in the keyring, unless --only is given');
	refuses(escrow('current', 2, [qw(anna bert)], '--only', 'none'), 1, qr/^toms-keys: keyring: holds no key "none"$/, 'a key that is not there');
};

subtest 'keyrings that are not taken' => sub {
	my $try = sub {
		my ($message, $name) = @_;
		refuses([ 'escrow', '--keyring', 'odd', '--to', 'anna.pub', '--threshold', '1', '--out', 'odd_escrow' ], 1, qr/^toms-keys: $message/, $name);
	};
	$try->('odd: could not stat: ', 'no folder');
	spew('odd', '');
	$try->('odd: not a folder$', 'a file');
	unlink "$dir/odd";
	new_folder('odd');
	$try->('odd: holds no key$', 'an empty folder');
	foreach my $mode (0750, 0701, 0720)
	{
		chmod $mode, "$dir/odd";
		$try->('odd: group or others have access: chmod 0700', sprintf 'mode %04o', $mode);
	}
	chmod 0700, "$dir/odd";
	foreach my $mode (0640, 0604, 0602)
	{
		spew('odd/a.key', $keyring{enter}, $mode);
		$try->('odd/a\.key: group or others have access: chmod 0600', sprintf 'a key of mode %04o', $mode);
	}
	my %bad = ('empty' => '', 'no line end' => $keyring{enter} =~ s/\n//r, 'another kind' => $keyring{enter} =~ s/ed25519/rsa/r,
		'short' => $keyring{enter} =~ s/ ./ /r, 'two lines' => $keyring{enter} . "\n", 'long' => $keyring{enter} x 2,
		'no base64url' => $keyring{enter} =~ s/ ./ +/r, 'bits left over' => $keyring{enter} =~ s/.\n/B\n/r);
	foreach my $name (sort keys %bad)
	{
		spew('odd/a.key', $bad{$name});
		$try->('odd/a\.key: (not a key file of toms|larger than)', $name);
	}
	unlink "$dir/odd/a.key";
	symlink "$dir/keyring/enter.key", "$dir/odd/a.key" or die;
	$try->('odd/a\.key: a symbolic link, and the server takes none$', 'a symbolic link');
	unlink "$dir/odd/a.key";
	foreach my $name ('a b', '-a', '.a', '', 'x' x 65, "\xc3\xa4")
	{
		spew("odd/$name.key", $keyring{enter});
		$try->('odd: "' . quotemeta($name) . '\.key" is not the name of a key: take it out of the keyring$', "the name \"$name\"");
		unlink "$dir/odd/$name.key";
	}
	ok(!-e "$dir/odd_escrow", 'nothing was made');
};

subtest 'files of another origin are not replaced' => sub {
	my $private = slurp('anna');
	refuses(escrow('anna', 1, ['anna']), 1, qr/^toms-keys: anna: exists and is not an escrow: /, 'an escrow in the place of a key');
	refuses(escrow('new', 1, ['anna'], '--status', 'anna'), 1, qr/^toms-keys: anna: exists and is not a status file: /, 'a status in the place of a key');
	refuses([ 'verify', '--escrow', 'escrow', '--status', 'escrow' ], 1, qr/^toms-keys: escrow: exists and is not a status file: /, 'a status in the place of an escrow');
	symlink 'escrow', "$dir/link" or die;
	refuses(escrow('link', 1, ['anna']), 1, qr/^toms-keys: link: exists and is not an escrow: /, 'a symbolic link');
	is(slurp('anna'), $private, 'the key is as before');
	ok(!-e "$dir/new", 'nothing was made');
	refuses(escrow('none/new', 1, ['anna']), 1, qr{^toms-keys: none/new: could not open its folder: }, 'no folder');
};

subtest 'the command line' => sub {
	my @escrow = @{ escrow('usage', 2, [qw(anna bert)]) };
	my @wrong = ([ 'escrow' ], [ @escrow[ 0 .. 6 ] ], [ @escrow, '--key', 'anna' ], [ @escrow, '--escrow', 'a' ], [ @escrow, '--out', 'b' ],
		[ 'new', '--escrow', 'a', '--kid', 'b' ], [ 'new', '--escrow', 'a', '--jwks', 'b', '--private', 'c' ], [ 'verify' ],
		[ 'verify', '--escrow', 'escrow', '--key', 'anna' ], [ 'restore', '--escrow', 'escrow', '--key', 'anna' ],
		(map { escrow('usage', $_, [qw(anna bert)]) } '', '0', '3', '-1', 'x', '1x', '100', '2.0'),
		escrow('usage', 1, [ ('anna') x 33 ]));
	refuses($_, 2, qr/^toms-keys: .*\ntry "toms-keys --help"\n\z/s, join ' ', 'toms-keys', @$_) foreach @wrong;
	refuses(escrow('usage', 1, [qw(anna bert anna)]), 1, qr/^toms-keys: anna\.pub: the same key as that of anna\.pub$/, 'a recipient twice');
	ok(!-e "$dir/usage", 'nothing was made');
	like(succeeds(['--help'], '--help'), qr/new --escrow .*toms-keys escrow .*toms-keys verify .*toms-keys restore /s, 'names the commands');
};

my @secrets = map { /(\S{43})\n/ } values %keyring, map { slurp($_) } @names;
is(scalar @secrets, 8, 'there were keys');
is_deeply([ grep { index(printed(), $_) >= 0 } @secrets ], [], 'none of them was ever printed');
is_deeply([ grep { index(printed(), unpack 'H*', decode_base64url($_)) >= 0 } @secrets ], [], 'nor in hexadecimal digits');

done_testing();
