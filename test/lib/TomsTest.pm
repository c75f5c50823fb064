# What several TAP scripts need: keys and tokens, servers that take them, and programs of other
# languages, whose checks become the script's own.
#
#   use lib "$FindBin::RealBin/../lib";
#   use TomsTest qw(new_keys mint start_server);
#   my $dir = PostgreSQL::Test::Utils::tempdir();
#   new_keys($dir);
#   my $node = start_server('name', $dir);
#   my $token = mint($dir, tenant => 'globex');
package TomsTest;

use strict;
use warnings;
use Exporter 'import';
use File::Basename qw(basename);
use FindBin;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = ('run_tool');
our @EXPORT_OK = qw(run_tool new_keys mint export_tokens start_server create_tenants
  attempt works replay python_with npm_install has_node_pg find_program start_pgbouncer);

# tokens

# The output of this tree's toms-keys without the newline; a failure ends the tests.
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

# Two key pairs of one name in a folder: "app" is in jwks.json, "other" makes forgeries.
sub new_keys
{
	my ($dir) = @_;
	run_tool([ 'new', '--jwks', "$dir/$_->[0]", '--private', "$dir/$_->[1]", '--kid', 'app' ])
	  for [ 'jwks.json', 'app.jwk' ], [ 'other.json', 'other.jwk' ];
	return;
}

# A token with the usual claims, or those that are given; signed by the key given as "key".
sub mint
{
	my ($dir, %claim) = @_;
	my $key = delete $claim{key} // 'app';
	my %all = (tenant => 'acme', sub => '17', role => 'hr', purpose => 'absence_management', exp => time + 900, %claim);
	return run_tool([ 'mint', '--private', "$dir/$key.jwk", '--payload', '-' ], encode_json(\%all));
}

# The tokens that the programs of examples/clients look for in their environment.
sub export_tokens
{
	my ($dir) = @_;
	my %claims = (
		ACME => {}, GLOBEX => { tenant => 'globex' }, UNKNOWN_TENANT => { tenant => 'initech' },
		EXPIRED => { exp => time - 60 }, FORGED => { key => 'other' }, OTHER_PURPOSE => { purpose => 'payroll' },
		INTAKE => { role => 'intake' }, PHYSICIAN => { role => 'physician' }, STRANGER => { role => 'stranger' });
	$ENV{$_} = mint($dir, %{ $claims{$_} }) for keys %claims;
	return;
}

# servers

# A server that takes the tokens of new_keys(), with a keyring for toms.enter().
sub start_server
{
	my ($name, $dir, $settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	mkdir "$dir/keyring", 0700 or die "$dir/keyring: $!";
	$node->init;
	$node->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'\ntoms.keyring = '$dir/keyring'\n" . ($settings // ''));
	$node->start;
	return $node;
}

# Two tenants, the role hr, the log-in app; and verdict(), which tells what comes of a token.
sub create_tenants
{
	my ($node) = @_;
	$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
CREATE ROLE hr;
CREATE ROLE app LOGIN IN ROLE hr;
ALTER ROLE app SET client_min_messages = error;     -- tokens stand in the statements' text here
CREATE FUNCTION public.verdict(token text, OUT tenant text, OUT subject text, OUT code text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
DECLARE
    reason text;
BEGIN
    PERFORM set_config('toms.token', token, true);
    tenant := toms.current_tenant();
    subject := toms.current_subject();
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS reason = CONSTRAINT_NAME, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    code := format('%s (%s)', reason, SQLSTATE);
END
$$;
SQL
	return;
}

# pgbouncer, with the databases "transaction", "session" and "statement" of these pool modes and one server
# connection for each; returns the folder of its socket. Its port is 6432.
my @bouncers;
sub start_pgbouncer
{
	my ($node, $ignored) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir_short();
	my $server = 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres';
	my $output = '';
	$ignored //= 'extra_float_digits';
	append_to_file("$dir/users", qq("app" ""\n"app_tx" ""\n));
	append_to_file("$dir/pgbouncer.ini", <<"INI");
[databases]
transaction = $server pool_mode=transaction
session = $server pool_mode=session
statement = $server pool_mode=statement
[pgbouncer]
server_reset_query = DISCARD ALL
default_pool_size = 1
listen_addr =
listen_port = 6432
unix_socket_dir = $dir
auth_type = trust
auth_file = $dir/users
ignore_startup_parameters = $ignored
INI
	push @bouncers, IPC::Run::start([ find_program('pgbouncer'), "$dir/pgbouncer.ini" ], '<', \undef, '>&', \$output);
	for (1 .. 100)
	{
		return $dir if -S "$dir/.s.PGSQL.6432";
		select undef, undef, undef, 0.1;
	}
	BAIL_OUT("pgbouncer does not start: $output");
}

END
{
	local $?;
	$_->kill_kill for @bouncers;
}

# programs

# Runs one, in a folder if that is given, for at most five minutes; returns (succeeded, its output, its standard error).
sub attempt
{
	my ($command, $folder) = @_;
	my ($out, $err) = ('', '');
	my $ok = eval {
		IPC::Run::run($command, init => sub { chdir $folder // '.' }, '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(300));
	};
	return ($ok, $out, $err . $@);
}

sub works { return (attempt([@_]))[0] }

# The lines "ok - …", "not ok - …", "skip - …" and "# …" of a program become ours; it must also come to its end.
sub replay
{
	my @command = @_;
	my $name = join ' ', map { basename($_) } @command[ 1 .. $#command ];
	my ($ok, $out, $err) = attempt(\@command);
	for my $line (split /\n/, $out)
	{
		if ($line =~ /^(not )?ok - (.*)/) { ok(!$1, $2); }
		elsif ($line =~ /^skip - (.*)/) { SKIP: { skip $1, 1 } }
		elsif ($line =~ /^# (.*)/) { diag($1); }
	}
	ok($ok && $out =~ /^done$/m, "$name: all checks have run") or diag($err);
	return;
}

sub find_program
{
	my ($name) = @_;
	my ($found) = grep { -x } map { "$_/$name" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
	return $found;
}

# A python that has these modules. Debian's has Debian's packages, whatever stands before it on the path.
sub python_with
{
	my ($modules) = @_;
	my ($found) = grep { works($_, '-c', "import $modules") } 'python3', '/usr/bin/python3';
	return $found;
}

# Packages of npm, in a folder; whether npm could bring them.
sub npm_install
{
	my ($folder, @packages) = @_;
	my @npm = qw(npm install --no-audit --no-fund --ignore-scripts --fetch-retries=1 --fetch-timeout=20000 --prefix);
	my ($ok, undef, $err) = attempt([ @npm, $folder, @packages ]);
	diag("npm install @packages: $err") unless $ok;
	return $ok;
}

# Whether node has the package pg: Debian's, or else npm's, which comes into the folder.
sub has_node_pg
{
	my ($folder) = @_;
	return 0 unless works('node', '--version');
	$ENV{NODE_PATH} = '/usr/share/nodejs';
	return 1 if works('node', '-e', 'require("pg")');
	$ENV{NODE_PATH} = "$folder/node_modules";
	return npm_install($folder, 'pg@8');
}

1;
