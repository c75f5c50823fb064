# A server loses its keyring and gets it back from escrow: what the server wrote is sealed, what
# toms-keys restores the server takes.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use File::Path qw(remove_tree);
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(run_tool new_keys start_server create_tenants);

my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('lost', $dir);
create_tenants($node);
$node->safe_psql('postgres', "CREATE ROLE job LOGIN IN ROLE hr; SELECT toms.allow_enter('job', '{acme}', '{hr}')");

# The tenant of a job's context, or the reason of the refusal.
sub enter
{
	my ($out, $err);
	$node->psql('postgres', <<'SQL', stdout => \$out, stderr => \$err, extra_params => [ '-U', 'job' ]);
\set VERBOSITY verbose
BEGIN;
SELECT toms.enter(tenant => 'acme', subject => '17', role => 'hr', purpose => 'payroll') \gset
SELECT toms.current_tenant();
SQL
	return $out || ($err =~ /^CONSTRAINT NAME:\s+(\w+)/m)[0];
}

is(enter(), 'acme', 'a job enters by the key in the keyring');
run_tool([ 'new', '--escrow', "$dir/$_" ]) foreach qw(anna bert carl);
my @escrow = ('--escrow', "$dir/escrow", '--keyring', "$dir/keyring");
run_tool([ 'escrow', '--keyring', "$dir/keyring", (map { ('--to', "$dir/$_.pub") } qw(anna bert carl)),
	'--threshold', 2, '--out', "$dir/escrow" ]);
my ($digest) = run_tool([ 'verify', @escrow ]) =~ /digest=(\w+)/;

remove_tree("$dir/keyring");
mkdir "$dir/keyring", 0700 or die;
is(enter(), 'toms_keyring', 'without the key it is refused');
like(run_tool([ 'restore', @escrow, '--key', "$dir/carl", '--key', "$dir/anna" ]), qr/^digest $digest(\nrestored \S+)+\z/, 'two persons restore it');
is(enter(), 'acme', 'the job enters again');
is($node->safe_psql('postgres', 'SELECT count(*), (SELECT count(*) FROM toms.check_keyring()) FROM toms.key_epochs WHERE held'),
	'2|0', 'and the epochs of the tenants are whole');

$node->stop;
done_testing();
