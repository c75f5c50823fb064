# What several TAP scripts need: the toms-keys of this tree.
#
#   use lib "$FindBin::RealBin/../lib";
#   use TomsTest;
#   my $token = run_tool([ 'mint', '--private', $key, '--payload', '-' ], $payload);
package TomsTest;

use strict;
use warnings;
use Exporter 'import';
use FindBin;
use IPC::Run;
use Test::More;

our @EXPORT = ('run_tool');

# Its output without the newline; a failure ends the tests.
sub run_tool
{
	my ($args, $input) = @_;
	my ($out, $err) = ('', '');
	local $ENV{PATH} = "$FindBin::RealBin/../../src/bin:$ENV{PATH}";
	IPC::Run::run([ 'toms-keys', @$args ], '<', \($input // ''), '>', \$out, '2>', \$err)
	  or BAIL_OUT("toms-keys @$args: $err");
	chomp $out;
	return $out;
}

1;
