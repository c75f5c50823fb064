# What the scripts that test toms-keys share: running it in a folder of its own, files there, and
# all that it ever printed.  Needs no server.
#
#   use lib "$FindBin::RealBin/../lib";
#   use KeysTool;
#   succeeds([ 'new', '--escrow', 'anna' ], 'a key pair');
#   refuses([ 'new', '--escrow', 'anna' ], 1, qr/exists/, 'the same again');
package KeysTool;

use strict;
use warnings;
use Exporter 'import';
use File::Temp qw(tempdir);
use FindBin;
use IPC::Run;
use Test::More;

our @EXPORT = qw($top $tool $dir keys_tool succeeds refuses printed slurp spew mode);

our $top = "$FindBin::RealBin/../..";
our $tool = -x "$top/src/bin/toms-keys" ? "$top/src/bin/toms-keys" : 'toms-keys';
our $dir = tempdir(CLEANUP => 1);
my $all_output = '';

# Runs the tool in $dir; returns (exit code, standard output, standard error).
sub keys_tool
{
	my ($args, $input) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ $tool, @$args ], '<', \($input // ''), '>', \$out, '2>', \$err,
		init => sub { chdir $dir or die });
	$all_output .= $out . $err;
	return ($? >> 8, $out, $err);
}

# Returns what it printed, without the last newline.
sub succeeds
{
	my ($args, $name, $input) = @_;
	my ($code, $out, $err) = keys_tool($args, $input);
	is("$code$err", '0', $name);
	chomp $out;
	return $out;
}

# Nothing is printed but the reason.
sub refuses
{
	my ($args, $code_expected, $message, $name, $input) = @_;
	my ($code, $out, $err) = keys_tool($args, $input);
	is("$code$out", $code_expected, "$name: refused");
	like($err, $message, "$name: said so");
	return;
}

sub printed
{
	return $all_output;
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
	my ($file, $text, $mode) = @_;
	open my $fh, '>:raw', "$dir/$file" or die "$file: $!";
	print $fh $text;
	close $fh or die "$file: $!";
	chmod $mode // 0600, "$dir/$file" or die "$file: $!";
	return;
}

sub mode
{
	my ($file) = @_;
	return sprintf '%04o', (stat "$dir/$file")[2] & 07777;
}

1;
