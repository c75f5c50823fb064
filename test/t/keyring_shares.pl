# The secret sharing of toms-keys escrow (src/bin/shamir.c) against another implementation of it,
# by tables of logarithms, and against the field's published values.  Needs no server, but a
# compiler.

use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use IPC::Run;
use Test::More;

my $bin = "$FindBin::RealBin/../../src/bin";
my $dir = tempdir(CLEANUP => 1);
my $cc = $ENV{CC} // 'cc';

# Reads lines "split K N SECRET" and "combine X:SHARE ..." and answers each with one.
my $driver = <<'C';
#include "shamir.h"
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static void
read_hex(const char *hex, unsigned char *bytes)
{
	sodium_hex2bin(bytes, SECRET_BYTES, hex, 2 * SECRET_BYTES, NULL, NULL, NULL);
}

static void
print_hex(const char *before, const unsigned char *bytes)
{
	char		hex[2 * SECRET_BYTES + 1];

	printf("%s%s", before, sodium_bin2hex(hex, sizeof(hex), bytes, SECRET_BYTES));
}

int
main(void)
{
	static char line[8192];
	unsigned char secret[SECRET_BYTES];
	Share		shares[SHARES_MAX];
	int			threshold,
				count;

	if (sodium_init() < 0)
		return 1;
	while (fgets(line, sizeof(line), stdin))
	{
		if (sscanf(line, "split %d %d", &threshold, &count) == 2)
		{
			read_hex(strrchr(line, ' ') + 1, secret);
			for (int i = 0; i < count; i++)
				shares[i].x = i + 1;
			split_secret(secret, threshold, shares, count);
			for (int i = 0; i < count; i++)
				print_hex(i ? " " : "", shares[i].bytes);
		}
		else
		{
			count = 0;
			for (char *word = strchr(line, ' '); word; word = strchr(word + 1, ' '))
			{
				sscanf(word, " %d:", &threshold);
				shares[count].x = threshold;
				read_hex(strchr(word, ':') + 1, shares[count++].bytes);
			}
			combine_shares(shares, count, secret);
			print_hex("", secret);
		}
		printf("\n");
	}
	return 0;
}
C

open my $fh, '>', "$dir/driver.c" or die;
print $fh $driver;
close $fh or die;
my $compiled = eval { IPC::Run::run([ $cc, '-Wall', "-I$bin", "$dir/driver.c", "$bin/shamir.c", '-o', "$dir/driver", '-lsodium' ], '>&', \my $messages) };
plan skip_all => "$cc does not compile it" if !$compiled;

sub ask
{
	my (@questions) = @_;
	IPC::Run::run(["$dir/driver"], '<', \join('', map { "$_\n" } @questions), '>', \my $out) or die 'driver';
	return split /\n/, $out;
}

# the field, by logarithms to the base 3, which generates it
my (@log, @power);
my $value = 1;
for my $exponent (0 .. 254)
{
	$power[$exponent] = $value;
	$log[$value] = $exponent;
	$value ^= $value << 1;
	$value ^= 0x11b if $value > 255;
}

sub multiply { my ($a, $b) = @_; return $a && $b ? $power[ ($log[$a] + $log[$b]) % 255 ] : 0 }
sub divide { my ($a, $b) = @_; return $a ? $power[ ($log[$a] - $log[$b]) % 255 ] : 0 }

sub random_bytes { return join '', map { chr int rand 256 } 1 .. 32 }

# f(x) for each byte, the coefficients from that of x^0 upwards
sub evaluate
{
	my ($x, @coefficients) = @_;
	my @sum = (0) x 32;
	for my $coefficient (reverse @coefficients)
	{
		my @bytes = unpack 'C*', $coefficient;
		@sum = map { multiply($sum[$_], $x) ^ $bytes[$_] } 0 .. 31;
	}
	return pack 'C*', @sum;
}

# f(0) of the polynomial through these points
sub interpolate
{
	my (%shares) = @_;
	my @sum = (0) x 32;
	for my $x (keys %shares)
	{
		my $weight = 1;
		$weight = multiply($weight, divide($_, $_ ^ $x)) for grep { $_ != $x } keys %shares;
		my @bytes = unpack 'C*', $shares{$x};
		@sum = map { $sum[$_] ^ multiply($weight, $bytes[$_]) } 0 .. 31;
	}
	return pack 'C*', @sum;
}

sub hex_of { return unpack 'H*', $_[0] }

is(multiply(0x57, 0x83), 0xc1, 'the field is that of FIPS 197, section 4.2');
is(multiply(0x57, 0x13), 0xfe, 'and section 4.2.1');

subtest 'what the other one split is combined' => sub {
	my (@questions, @expected);
	for my $threshold (1 .. 6, 16, 32)
	{
		my @coefficients = map { random_bytes() } 1 .. $threshold;
		my %x;
		$x{ 1 + int rand 255 } = 1 while keys %x < $threshold;
		push @questions, join ' ', 'combine', map { "$_:" . hex_of(evaluate($_, @coefficients)) } keys %x;
		push @expected, hex_of($coefficients[0]);
	}
	# two shares meet every quotient of the field: 255 * 254 pairs, one secret each
	my @line = map { random_bytes() } 1 .. 2;
	my @shares = map { hex_of(evaluate($_, @line)) } 0 .. 255;
	for my $x (1 .. 255)
	{
		push @questions, map { "combine $x:$shares[$x] $_:$shares[$_]" } grep { $_ != $x } 1 .. 255;
		push @expected, (hex_of($line[0])) x 254;
	}
	is_deeply([ ask(@questions) ], \@expected, 'as often as it was tried');
};

subtest 'what it splits the other one combines' => sub {
	for my $case ([ 1, 1 ], [ 1, 3 ], [ 2, 3 ], [ 3, 5 ], [ 5, 5 ], [ 17, 32 ], [ 32, 32 ])
	{
		my ($threshold, $count) = @$case;
		my $secret = random_bytes();
		my ($answer) = ask("split $threshold $count " . hex_of($secret));
		my @shares = map { pack 'H*', $_ } split / /, $answer;
		is(scalar @shares, $count, "$threshold of $count: shares");
		my @order = sort { rand() <=> 0.5 } 1 .. $count;
		my %some = map { ($_ => $shares[ $_ - 1 ]) } @order[ 0 .. $threshold - 1 ];
		is(hex_of(interpolate(%some)), hex_of($secret), "$threshold of $count: they give the secret");
		next if $threshold == 1;
		delete $some{ $order[0] };
		isnt(hex_of(interpolate(%some)), hex_of($secret), "$threshold of $count: one less does not");
		isnt((ask("split $threshold $count " . hex_of($secret)))[0], $answer, "$threshold of $count: other shares each time");
	}
};

# With one share less than the threshold each secret is as likely as any other: over many splits
# of one secret, a share takes every value, about as often.
subtest 'a share alone says nothing' => sub {
	my @answers = ask(('split 2 3 ' . '00' x 32) x 2000);
	my @seen = (0) x 256;
	$seen[$_]++ for map { unpack 'C*', pack 'H*', (split / /)[0] } @answers;
	my ($least, $most) = (sort { $a <=> $b } @seen)[ 0, 255 ];
	cmp_ok($least, '>', 160, 'no value is rare (250 expected)');
	cmp_ok($most, '<', 340, 'none is frequent');
};

done_testing();
