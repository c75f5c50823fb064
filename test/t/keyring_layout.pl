# The keyring where packages put it: folders as examples/server/tmpfiles.conf makes them and
# settings as examples/server/toms.conf has them, below a folder of the test's own. The server
# takes its keys from there, and does not if the folder is one bit more open than that.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys);

my $server = "$FindBin::RealBin/../../examples/server";
my $root = PostgreSQL::Test::Utils::tempdir();

# Path, mode and owner of each folder. Who runs tests owns them all here.
my @folders = slurp_file("$server/tmpfiles.conf") =~ /^d (\S+) +(\d+) +(\w+) +\w+ +-$/mg;
my %owner;
while (my ($path, $mode, $owner) = splice @folders, 0, 3)
{
	$owner{$path} = $owner;
	my $below = '';
	for (split m{/}, substr $path, 1)
	{
		$below .= "/$_";
		mkdir "$root$below";
	}
	chmod oct $mode, "$root$path" or die "$path: $!";
}

# Settings that name a path, which is put below the root.
my %setting = slurp_file("$server/toms.conf") =~ /^(toms\.\w+) = '(.*)'$/mg;
is(join(' ', sort keys %setting), 'toms.jwks_file toms.keyring', 'the settings say where keys are');
is($owner{ $setting{'toms.keyring'} }, 'postgres', 'the folder of the keyring is made for the server');
is($owner{ $setting{'toms.jwks_file'} =~ s{/[^/]*$}{}r }, 'root', 'that of the key set for the administrator');
unlike($setting{'toms.keyring'}, qr{^/(?:etc|var/lib/postgresql)/}, 'keys are neither under version control nor in a backup of the data');
like(slurp_file("$server/systemd.conf"), qr/^RequiresMountsFor=.*\Q$setting{'toms.keyring'}\E$/m, 'the service waits for where they lie');
like(slurp_file("$server/systemd.conf"), qr/^ReadWritePaths=\Q$setting{'toms.keyring'}\E$/m, 'and may write there');

new_keys("$root/etc/toms");
my $node = PostgreSQL::Test::Cluster->new('layout');
$node->init;
$node->append_conf('postgresql.conf', join '', map { "$_ = '$root$setting{$_}'\n" } sort keys %setting);
$node->start;
is($node->safe_psql('postgres', q{CREATE EXTENSION toms; SELECT toms.add_tenant('acme', name => 'ACME GmbH'); SELECT jwks_keys, jwks_problem FROM toms.status}), "acme\n1|",
	'a server with these folders has its key set, and makes keys of a tenant');
is($node->safe_psql('postgres', 'SELECT count(*) FROM toms.check_keyring()'), '0', 'nothing is wrong with them');
my ($key) = glob "$root$setting{'toms.keyring'}/epoch-*.key";
is(sprintf('%o', (stat $key)[2] & 07777), '600', 'a key is the server\'s alone');

for my $bit (0040, 0010, 0004, 0001)
{
	chmod 0700 | $bit, "$root$setting{'toms.keyring'}" or die $!;
	like($node->safe_psql('postgres', 'SELECT problem FROM toms.check_keyring()'), qr/others than its owner have access to it/, sprintf('with mode %o it is refused', 0700 | $bit));
	isnt($node->psql('postgres', q{SELECT toms.rotate_keys('acme')}), 0, 'and no key is made in it');
}
chmod 0700, "$root$setting{'toms.keyring'}" or die $!;
is($node->safe_psql('postgres', 'SELECT count(*) FROM toms.check_keyring()'), '0', 'as it was made it is used again');

done_testing();
