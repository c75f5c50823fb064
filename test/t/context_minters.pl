# Every program in examples/minters mints a token that the server takes. What a machine lacks
# (a runtime, a module, npm's registry) is skipped by name.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use File::Copy qw(copy);
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my $minters = "$top/examples/minters";
my $dir = PostgreSQL::Test::Utils::tempdir();
my $key = "$dir/app.jwk";
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

# Runs a program, in a folder if one is given, for at most three minutes; returns (succeeded, its standard output, its standard error).
sub attempt
{
	my ($command, $folder) = @_;
	my ($out, $err) = ('', '');
	my $ok = eval {
		IPC::Run::run($command, init => sub { chdir $folder // '.' },
			'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
	};
	chomp $out;
	return ($ok, $out, $err . $@);
}

# A folder with the minter and the jose package beside it; undef if npm cannot bring that.
sub install_jose
{
	my ($file) = @_;
	mkdir "$dir/npm" or die $!;
	copy("$minters/$file", "$dir/npm") or die $!;
	my @npm = qw(npm install --no-save --no-audit --no-fund --fetch-retries=1 --fetch-timeout=20000 jose@5);
	my ($ok, undef, $err) = attempt(\@npm, "$dir/npm");
	diag("npm install jose: $err") unless $ok;
	return $ok ? "$dir/npm" : undef;
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
		my ($there) = attempt($minter->{needs});
		skip "$file: no runtime or module for it", 1 unless $there;
		my $folder = $minter->{prepare} ? $minter->{prepare}->($file) : $minters;
		skip "$file: no package for it", 1 unless $folder;
		my ($ok, $token, $err) = attempt([ @{ $minter->{run} }, "$folder/$file", $key ]);
		like($token, qr/^[\w-]+\.[\w-]+\.[\w-]+$/, "$file prints a token") or diag($err);
		is(context_of($node, $token), 'acme|17|hr|absence_management|t', "$file: the server takes it");
	}
	return;
}

append_to_file("$dir/Nothing.java", 'class Nothing { public static void main(String[] args) { } }');
my ($made, undef, $error) = attempt([ 'toms-keys', 'new', '--jwks', "$dir/jwks.json", '--private', $key ]);
$made or BAIL_OUT("toms-keys new: $error");

my $node = PostgreSQL::Test::Cluster->new('minters');
$node->init;
$node->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
CREATE ROLE hr;
CREATE ROLE app LOGIN IN ROLE hr;
SQL

try_minter($node, $_) for @all;

$node->stop;
done_testing();
