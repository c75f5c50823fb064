# What only a holder of the key can make: tokens that are not quite a JWS, with a signature that
# verifies. They are refused all the same, since another reader might read them differently.
# The signatures are made by OpenSSL, which shares no code with us.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(attempt create_tenants);

my $dir = PostgreSQL::Test::Utils::tempdir();

sub openssl
{
	my ($ok, $out) = attempt([ 'openssl', @_ ]);
	return $ok ? $out : undef;
}

sub spew
{
	my ($file, $bytes) = @_;
	open my $fh, '>:raw', $file or die "$file: $!";
	print $fh $bytes;
	close $fh or die "$file: $!";
	return $file;
}

sub signature
{
	my ($bytes) = @_;
	return openssl('pkeyutl', '-sign', '-inkey', "$dir/key.pem", '-rawin', '-in', spew("$dir/bytes", $bytes));
}

openssl('genpkey', '-algorithm', 'ed25519', '-out', "$dir/key.pem");
my $public = openssl('pkey', '-in', "$dir/key.pem", '-pubout', '-outform', 'DER');
plan skip_all => 'openssl does not sign with Ed25519' unless $public && length(signature('x') // '') == 64;

# In SQL_ASCII any bytes reach the library; in other encodings the server stops some of them before.
my $node = PostgreSQL::Test::Cluster->new('signed_bytes');
my $x = encode_base64url(substr($public, -32));
spew("$dir/jwks.json", qq({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"openssl","x":"$x"}]}));
$node->init(extra => [ '--encoding=SQL_ASCII', '--locale=C' ]);
$node->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'\n");
$node->start;
create_tenants($node);

# What comes of a token, given its first two parts as they are to be sent.
sub verdict
{
	my ($header, $payload, $change) = @_;
	my $token = "$header.$payload." . encode_base64url(signature("$header.$payload"));
	$token = $change->($token) if $change;
	return $node->safe_psql('postgres', "SELECT coalesce(tenant || ', subject ' || subject, code || ': ' || detail) FROM verdict('$token');",
		extra_params => [ '-U', 'app' ]);
}

my $exp = time + 900;
my $claims = sub { my ($sub) = @_; return qq({"tenant":"acme","sub":"$sub","role":"hr","purpose":"audit","exp":$exp}) };
my $header = encode_base64url('{"alg":"EdDSA"}');
my $payload = encode_base64url($claims->('17'));

is(verdict($header, $payload), 'acme, subject 17', 'a token signed by OpenSSL is accepted');

# bytes
my $null = qr/^toms_token_malformed \(28000\): Its (header|payload): it holds a null byte\.$/;
my $not_utf8 = qr/^toms_token_malformed \(28000\): Its (header|payload): it is not UTF-8\.$/;
like(verdict($header, encode_base64url($claims->("17\0"))), $null, 'a null byte in a claim is refused');
like(verdict($header, encode_base64url($claims->('17') . "\0")), $null, 'a null byte behind the payload is refused');
like(verdict($header, encode_base64url($claims->('17') . "\0" . $claims->('18'))), $null, 'a null byte and another payload are refused');
like(verdict(encode_base64url("{\"alg\":\"EdDSA\"}\0"), $payload), $null, 'a null byte behind the header is refused');
like(verdict($header, encode_base64url($claims->("17\xff"))), $not_utf8, 'a byte that is no UTF-8 is refused');
like(verdict(encode_base64url("{\"alg\":\"EdDSA\",\"x\":\"\xc0\x80\"}"), $payload), $not_utf8, 'an overlong null byte in the header is refused');
like(verdict($header, encode_base64url($claims->("M\xc3\xbcller"))), qr/^toms_token_claim \(28000\): The claim "sub" holds characters/, 'a database without an encoding takes no umlaut');

# base64url
my $odd = encode_base64url($claims->('1'));
$odd = encode_base64url($claims->('1') . ' ') if length($odd) % 4 == 0;
my $more_bits = substr($odd, 0, -1) . chr(ord(substr $odd, -1) + 1);
is(verdict($header, $odd), 'acme, subject 1', 'a payload whose last character holds less than six bits is accepted');
my $question = encode_base64url($claims->('???'));
$question = encode_base64url(' ' . $claims->('???')) unless $question =~ /_/;
$question = encode_base64url('  ' . $claims->('???')) unless $question =~ /_/;
is(verdict($header, $question), 'acme, subject ???', 'a payload with an underscore is accepted');
my %spelling = (
	'padding' => "$odd=",
	'more padding' => "$odd==",
	'a space' => substr($payload, 0, 8) . ' ' . substr($payload, 8),
	'a newline' => substr($payload, 0, 8) . "\n" . substr($payload, 8),
	'a newline at its end' => "$payload\n",
	'the slash of plain base64' => $question =~ tr{_}{/}r,
	'bits behind its end' => $more_bits,
	'half a byte' => $odd . 'A' x (5 - length($odd) % 4),
	'a byte that is not ASCII' => $question =~ s/_/\x80/r,
	'another byte that is not ASCII' => $question =~ s/_/\xff/r);
for my $name (sort keys %spelling)
{
	is(verdict($header, $spelling{$name}), 'toms_token_malformed (28000): Its payload is not base64url.', "payload with $name: refused");
}
my $odd_header = encode_base64url('{"alg":"EdDSA"} ');
is(verdict($odd_header, $payload), 'acme, subject 17', 'a header whose last character holds less than six bits is accepted');
for my $case (
	[ 'padding', "$odd_header==" ],
	[ 'a space', " $header" ],
	[ 'bits behind its end', substr($odd_header, 0, -1) . chr(ord(substr $odd_header, -1) + 1) ],
	[ 'a byte that is not ASCII', substr($header, 0, -1) . "\x80" ])
{
	is(verdict($case->[1], $payload), 'toms_token_malformed (28000): Its header is not base64url.', "header with $case->[0]: refused");
}

# a signature is one number, spelled in one way
my $order = pack 'H*', 'edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010';
my $add_order = sub {
	my ($token) = @_;
	my ($signed, $signature) = $token =~ /^(.*)\.([^.]*)$/;
	my @s = unpack 'C*', substr MIME::Base64::decode_base64url($signature), 32;
	my @l = unpack 'C*', $order;
	my $carry = 0;
	for my $i (0 .. 31)
	{
		my $sum = $s[$i] + $l[$i] + $carry;
		($s[$i], $carry) = ($sum & 255, $sum >> 8);
	}
	return "$signed." . encode_base64url(substr(MIME::Base64::decode_base64url($signature), 0, 32) . pack 'C*', @s);
};
like(verdict($header, $payload, $add_order), qr/^toms_token_forged/, 'the signature with the order of the group added is refused');

$node->stop;
done_testing();
