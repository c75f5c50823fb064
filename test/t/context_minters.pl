# Every program in examples/minters mints a token that the server takes. What a machine lacks
# (a runtime, a module, npm's registry) is skipped by name.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys start_server create_tenants attempt works npm_install);

my $top = "$FindBin::RealBin/../..";
my $minters = "$top/examples/minters";
my $dir = PostgreSQL::Test::Utils::tempdir();
local $ENV{PATH} = "$top/src/bin:$ENV{PATH}";

my @node = ('node', '-e', 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)');

# file: the minter; run: the runtime; needs: what must succeed first; prepare: makes the folder to run in
my @all = (
	{ file => 'mint.sh', run => ['sh'], needs => [ 'toms-keys', '--version' ] },
	{ file => 'mint.pl', run => ['perl'], needs => [ 'perl', '-MCrypt::JWT', '-e', '1' ] },
	{ file => 'mint.py', run => ['python3'], needs => [ 'python3', '-c', 'import jwt; jwt.algorithms.OKPAlgorithm' ] },
	{ file => 'mint.rb', run => ['ruby'], needs => [ 'ruby', '-ropenssl', '-e', 'exit(OpenSSL::VERSION.to_i >= 3)' ] },
	{ file => 'Mint.java', run => ['java'], needs => [ 'java', '--source', '17', "$dir/Nothing.java" ] },
	{ file => 'mint_node_builtin.mjs', run => ['node'], needs => \@node },
	{ file => 'mint.mjs', run => ['node'], needs => \@node, prepare => \&install_jose });

# A folder with the minter and the jose package beside it; undef if npm cannot bring that.
sub install_jose
{
	my ($file) = @_;
	my $folder = "$dir/npm";
	npm_install($folder, 'jose@5') or return;
	copy("$minters/$file", $folder) or die $!;
	return $folder;
}

# What the server makes of the token: who it speaks for, and whether it lives for five minutes.
# psql reads the statements from standard input, so that the token is in no list of processes.
sub context_of
{
	my ($node, $token) = @_;
	my ($out, $err);
	$node->psql('postgres', <<SQL, stdout => \$out, stderr => \$err, extra_params => [ '-U', 'app' ]);
\\set token '$token'
BEGIN;
SELECT set_config('toms.token', :'token', true) \\g /dev/null
SELECT tenant, subject, role, purpose,
    expires_at BETWEEN now() + '4 minutes' AND now() + '5 minutes 5 seconds'
FROM toms.context();
COMMIT;
SQL
	return $out || $err;
}

sub try_minter
{
	my ($node, $minter) = @_;
	my $file = $minter->{file};
  SKIP:
	{
		skip "$file: no runtime or module for it", 1 unless works(@{ $minter->{needs} });
		my $folder = $minter->{prepare} ? $minter->{prepare}->($file) : $minters;
		skip "$file: no package for it", 1 unless $folder;
		my ($ok, $token, $err) = attempt([ @{ $minter->{run} }, "$folder/$file", "$dir/app.jwk" ]);
		chomp $token;
		like($token, qr/^[\w-]+\.[\w-]+\.[\w-]+$/, "$file prints a token") or diag($err);
		is(context_of($node, $token), 'acme|17|hr|absence_management|t', "$file: the server takes it");
	}
	return;
}

append_to_file("$dir/Nothing.java", 'class Nothing { public static void main(String[] args) { } }');
new_keys($dir);
my $node = start_server('minters', $dir);
create_tenants($node);
try_minter($node, $_) for @all;

$node->stop;
done_testing();
