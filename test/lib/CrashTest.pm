# What the scripts about crashes share: waiting for a server that begins anew.
#
#   use CrashTest;
#   answers($node) or die 'the server does not come back';
package CrashTest;

use strict;
use warnings;
use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

our @EXPORT = ('answers');

# Whether it does within three minutes. The statement is an argument: psql that ends before it reads its standard input, for
# want of a server, would end the script by a broken pipe.
sub answers
{
	my ($node) = @_;
	my ($out, $err);
	for (1 .. 1800)
	{
		return 1 if IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT true' ], '<', \undef, '>', \$out, '2>', \$err);
		usleep(100_000);
	}
	return 0;
}

1;
