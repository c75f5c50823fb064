# Perl with Crypt::JWT (Debian: libcrypt-jwt-perl): perl mint.pl app.jwk
use strict;
use warnings;
use Crypt::JWT 'encode_jwt';
use Crypt::PRNG 'random_bytes_hex';
use JSON::PP 'decode_json';

my $jwk = decode_json(<>);
my %claims = (tenant => 'acme', sub => '17', role => 'hr', purpose => 'absence_management',
	jti => random_bytes_hex(16));
print encode_jwt(payload => \%claims, auto_iat => 1, relative_exp => 300, alg => 'EdDSA',
	key => $jwk, extra_headers => { kid => $jwk->{kid}, typ => 'JWT' }), "\n";
