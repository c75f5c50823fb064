# The key set: without a key every token is refused; keys are changed by changing the file, for
# every session within a second, and at once where a key is new, a session is, or the configuration
# is read again; a file that cannot be trusted changes nothing and is reported.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use TomsTest qw(run_tool create_tenants);

my $dir = PostgreSQL::Test::Utils::tempdir();
my $jwks = "$dir/jwks.json";
my $node = PostgreSQL::Test::Cluster->new('jwks');

# Adds a key pair to a JWKS file; the private key is called $dir/$kid.jwk.
sub new_key
{
	my ($file, $kid) = @_;
	run_tool([ 'new', '--jwks', $file, '--private', "$dir/$kid.jwk", '--kid', $kid ]);
	return;
}

sub mint
{
	my ($kid, @header) = @_;
	my $exp = time + 900;
	return run_tool([ 'mint', '--private', "$dir/$kid.jwk", '--payload', '-', @header ],
		qq({"tenant":"acme","sub":"1","role":"hr","purpose":"audit","exp":$exp}));
}

sub spew
{
	my ($text, $mode) = @_;
	unlink $jwks;
	open my $fh, '>', $jwks or die "$jwks: $!";
	print $fh $text;
	close $fh or die "$jwks: $!";
	chmod $mode // 0644, $jwks or die "$jwks: $!";
	return;
}

# A query that tells what comes of a token: the tenant, or the reason why it is refused.
sub asks
{
	my ($token) = @_;
	return "SELECT coalesce('ok: ' || tenant, code || CASE WHEN hint = '' THEN '' ELSE ', with a hint' END) FROM verdict('$token');";
}

# Its answer in a session of its own.
sub verdict
{
	my ($token) = @_;
	return $node->safe_psql('postgres', asks($token), extra_params => [ '-U', 'app' ]);
}

# A session that knows the key set may take a second to hear of another one.
sub settles
{
	my ($session, $token, $expected, $name) = @_;
	my $answer;
	for (1 .. 100)
	{
		$answer = $session->query(asks($token));
		last if $answer eq $expected;
		usleep(100_000);
	}
	is($answer, $expected, $name);
	return;
}

# Until the session itself has read the configuration again.
sub reload
{
	my ($session) = @_;
	my $shown = 'SHOW log_autovacuum_min_duration;';
	my $value = 1 + $session->query($shown) =~ s/ms//r;
	$node->safe_psql('postgres', "ALTER SYSTEM SET log_autovacuum_min_duration = $value;");
	$node->reload;
	for (1 .. 1000)
	{
		return if $session->query($shown) eq "${value}ms";
		usleep(10_000);
	}
	BAIL_OUT('the session does not read the configuration again');
}

sub status
{
	return $node->safe_psql('postgres', 'SELECT jwks_keys, jwks_problem FROM toms.status;');
}

# How often the log says, from $offset on, that the file is not used.
sub complaints
{
	my ($offset) = @_;
	my @found = substr(slurp_file($node->logfile), $offset) =~ /toms\.jwks_file ".*" is not used/g;
	return scalar @found;
}

sub set_jwks_file
{
	my ($value, $keys) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET toms.jwks_file = '$value';");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('toms.jwks_file') = '$value' AND jwks_keys = $keys FROM toms.status")
	  or BAIL_OUT('toms.jwks_file is not taken over');
	return;
}

new_key($jwks, 'first');
$node->init;
$node->start;
create_tenants($node);

# no key
my $first = mint('first');
is(status(), '0|', 'no key is configured: the status says so');
is(verdict($first), 'toms_no_keys (55000), with a hint', 'no key is configured: a token is refused, with a hint what to do');

# one key
set_jwks_file($jwks, 1);
is(status(), '1|', 'one key: the status says so');
is(verdict($first), 'ok: acme', 'one key: its token is accepted');
is(verdict(mint('first', '--header', '{"alg":"EdDSA"}')), 'ok: acme', 'one key: it need not be named');

# rotation
new_key($jwks, 'second');
my $second = mint('second');
is(verdict($second), 'ok: acme', 'a second key is added: its token is accepted at once');
is(verdict($first), 'ok: acme', '... and so is the first one\'s');
is(status(), '2|', '... and the status counts two');
is(verdict(mint('first', '--header', '{"alg":"EdDSA"}')), 'toms_token_unknown_key (28000)', '... of which a token must name one');
my $both = slurp_file($jwks);

# broken files
my $keys = decode_json($both)->{keys};
my ($one, $two) = @$keys;
my $private = decode_json(slurp_file("$dir/first.jwk"));
my $set = sub { return JSON::PP->new->canonical->encode({ keys => [@_] }) };
my @broken = (
	[ 'cut off', substr($both, 0, 100), qr/not valid JSON/ ],
	[ 'empty', '', qr/not valid JSON/ ],
	[ 'a list', '[]', qr/not a JSON object/ ],
	[ 'without a list of keys', '{"kty":"OKP"}', qr/no list "keys"/ ],
	[ 'with something else than a list of keys', '{"keys":{}}', qr/no list "keys"/ ],
	[ 'a member twice', qq({"keys":[],"keys":[]}), qr/appears twice/ ],
	[ 'a private key in it', $set->($private, $two), qr/private key/ ],
	[ 'two keys of one name', $set->($one, { %$two, kid => 'first' }), qr/same "kid"/ ],
	[ 'a key without a name', $set->($one, { map { $_ => $two->{$_} } grep { $_ ne 'kid' } keys %$two }), qr/no "kid"/ ],
	[ 'a key under the name of toms.enter()', $set->($one, { %$two, kid => 'toms-enter' }), qr/reserved/ ],
	[ 'a key that is too short', $set->($one, { %$two, x => substr($two->{x}, 0, 42) }), qr/32 bytes/ ],
	[ 'a key that is too long', $set->($one, { %$two, x => "$two->{x}AA" }), qr/32 bytes/ ],
	[ 'a key in plain base64', $set->($one, { %$two, x => "$two->{x}=" }), qr/32 bytes/ ],
	[ 'a name too long', $set->($one, { %$two, kid => 'k' x 200 }), qr/no "kid"/ ],
	[ '65 keys', $set->(map { { %$one, kid => "k$_" } } 1 .. 65), qr/too many/ ],
	[ '64 kB', $set->($one, $two) . ' ' x 65536, qr/too large/ ],
	[ 'the group can write it', $set->($one), qr/can change it/, 0664 ],
	[ 'everybody can write it', $set->($one), qr/can change it/, 0646 ]);
for my $case (@broken)
{
	my ($name, $text, $problem, $mode) = @$case;
	my $offset = -s $node->logfile;
	spew($text, $mode);
	is(verdict($_->[0]), 'ok: acme', "$name: $_->[1] stays good") for [ $first, 'the first key' ], [ $second, 'the second key' ];
	like(status(), qr/^2\|.*$problem/, "$name: the status says what is wrong");
	is(complaints($offset), 1, "$name: the log says so once");
}
my $offset = -s $node->logfile;
unlink $jwks;
is(verdict($second), 'ok: acme', 'the file is gone: the keys stay good');
like(status(), qr/^2\|.*cannot be read/, '... the status says what is wrong');
mkdir $jwks or die $!;
is(verdict($second), 'ok: acme', 'the file is a folder: the keys stay good');
rmdir $jwks or die $!;
unlike(substr(slurp_file($node->logfile), $offset), qr/\Q$private->{d}\E/, 'the log never holds the private key');
spew($both);
is(status(), '2|', 'the file is whole again: no problem is left');

# keys of other kinds are passed over, as RFC 7517 demands
spew($set->({ kty => 'RSA', kid => 'r', n => 'AQAB', e => 'AQAB' }, { kty => 'EC', crv => 'P-256', kid => 'e', x => 'AA', y => 'AA' },
	{ kty => 'OKP', crv => 'X25519', kid => 'x', x => $two->{x} }, $one, $two));
is(status(), '2|', 'keys of other kinds are passed over');
is(verdict($second), 'ok: acme', '... and ours used');

# a removed key is refused, in a session that has just used it too
my $session = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
is($session->query(asks($first)), 'ok: acme', 'a session has used the first key\'s token');
spew($set->($two));
is(verdict($first), 'toms_token_unknown_key (28000)', 'the first key is removed: another session is refused a token that was verified');
is($session->query(asks($first)), 'toms_token_unknown_key (28000)', '... and so is the session that has used it, which shares the keys');
is($session->query(asks($second)), 'ok: acme', '... but not the second key\'s');
spew($set->($one));
settles($session, $second, 'toms_token_unknown_key (28000)', 'a key is removed: alone, a session hears of it within a second');
is($session->query(asks($first)), 'ok: acme', '... and of a key that has been added at once');
spew($set->($two));
reload($session);
is($session->query(asks($first)), 'toms_token_unknown_key (28000)', 'a key is removed and the configuration read again: at once');

# another key under the same name is another key
unlink "$dir/first.jwk";
unlink "$dir/fresh.json";
new_key("$dir/fresh.json", 'first');
spew(slurp_file("$dir/fresh.json"));
is($session->query(asks($first)), 'toms_token_forged (28000)', 'another key takes the name over: the old tokens are forgeries');
is($session->query(asks(mint('first'))), 'ok: acme', '... and the new ones good');

# no key is left
spew('{"keys":[]}');
settles($session, $second, 'toms_no_keys (55000), with a hint', 'an empty set: every token is refused');
spew($both);
is($session->query(asks($second)), 'ok: acme', 'the set is back');
$session->quit;
set_jwks_file('', 0);
is(verdict($second), 'toms_no_keys (55000), with a hint', 'the setting is taken back: every token is refused');

$node->stop;
done_testing();
