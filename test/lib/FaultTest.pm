# What the scripts about faults share: a library of test/faults that is preloaded into a server, so that the disk below a
# path fails or the clock goes wrong while it runs, without rights that only root has.
#
#   use FaultTest;
#   plan skip_all => 'there is no C compiler' unless preload('disk');
#   start_preloaded($node);
#   fault("full $directory");
#   fault('');
package FaultTest;

use strict;
use warnings;
use Exporter 'import';
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(preload start_preloaded fault);

my $dir;

# Whether it could be compiled.
sub preload
{
	my ($name) = @_;
	my $said = '';
	$dir = PostgreSQL::Test::Utils::tempdir();
	return eval { IPC::Run::run([ 'cc', '-O1', '-shared', '-fPIC', '-o', "$dir/fault.so", "$FindBin::RealBin/../faults/$name.c", '-ldl' ], '<', \undef, '>&', \$said) };
}

# The server and all its processes, as long as it runs.
sub start_preloaded
{
	my ($node, %how) = @_;
	local $ENV{LD_PRELOAD} = "$dir/fault.so";
	local $ENV{TOMS_FAULT} = "$dir/fault";
	return $node->start(%how);
}

# From now on; '' is none.
sub fault
{
	my ($text) = @_;
	append_to_file("$dir/fault.new", $text);
	rename "$dir/fault.new", "$dir/fault" or die "$dir/fault: $!";
	return;
}

1;
