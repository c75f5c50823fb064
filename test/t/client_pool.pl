# The recipes for what stands between an application and the server: PostgREST's statements (role
# switching in a transaction, the token taken from a header by a function), pgbouncer in transaction and
# in session mode, with psycopg and with node-postgres. The checks are in examples/clients.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest;

my $clients = "$FindBin::RealBin/../../examples/clients";
my $dir = PostgreSQL::Test::Utils::tempdir_short();
local $ENV{PYTHONDONTWRITEBYTECODE} = 1;

# Runs a program for at most three minutes; returns (succeeded, its output, its standard error).
sub attempt
{
	my @command = @_;
	my ($out, $err) = ('', '');
	my $ok = eval { IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(180)) };
	return ($ok, $out, $err . $@);
}

# npm comes with certificates of its own; those of the machine count too
my $certificates = '/etc/ssl/certs/ca-certificates.crt';
$ENV{NODE_EXTRA_CA_CERTS} //= $certificates if -r $certificates;

# Whether node finds the pg package: Debian's, else npm's.
sub has_pg
{
	my @required = ('node', '-e', 'require("pg")');
	$ENV{NODE_PATH} = '/usr/share/nodejs';
	return 1 if (attempt(@required))[0];
	attempt(qw(npm install --no-audit --no-fund --ignore-scripts --fetch-retries=1 --fetch-timeout=20000 --prefix), "$dir/npm", 'pg@8');
	$ENV{NODE_PATH} = "$dir/npm/node_modules";
	return (attempt(@required))[0];
}

# The checks of a part become ours; the program must also come to its end.
sub replay
{
	my ($runtime, $program, @part) = @_;
	my ($ok, $out, $err) = attempt($runtime, "$clients/$program", @part);
	for my $line (split /\n/, $out)
	{
		if ($line =~ /^(not )?ok - (.*)/) { ok(!$1, $2); }
		elsif ($line =~ /^# (.*)/) { diag($1); }
	}
	ok($ok && $out =~ /^done$/m, "$program @part: all checks have run") or diag($err);
	return;
}

sub mint
{
	my ($tenant, %claim) = @_;
	my ($role, $exp) = ($claim{role} // 'hr', $claim{exp} // time + 900);
	return run_tool([ 'mint', '--private', "$dir/app.jwk", '--payload', '-' ],
		qq({"tenant":"$tenant","sub":"17","role":"$role","purpose":"absence_management","exp":$exp}));
}

# A pgbouncer whose pools have one server connection each; the folder of its socket.
my @bouncers;
sub start_pgbouncer
{
	my ($program, $node, $name, $ignored) = @_;
	my $server = 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres';
	my ($folder, $output) = ("$dir/$name", '');
	mkdir $folder or die $!;
	append_to_file("$folder/users", qq("app" ""\n"app_tx" ""\n));
	append_to_file("$folder/pgbouncer.ini", <<"INI");
[databases]
transaction = $server pool_mode=transaction
session = $server pool_mode=session
[pgbouncer]
server_reset_query = DISCARD ALL
default_pool_size = 1
listen_addr =
listen_port = 6432
unix_socket_dir = $folder
auth_type = trust
auth_file = $folder/users
ignore_startup_parameters = $ignored
INI
	push @bouncers, IPC::Run::start([ $program, "$folder/pgbouncer.ini" ], '<', \undef, '>&', \$output);
	for (1 .. 100)
	{
		last if -S "$folder/.s.PGSQL.6432";
		select undef, undef, undef, 0.1;
	}
	-S "$folder/.s.PGSQL.6432" or BAIL_OUT("pgbouncer does not start: $output");
	return $folder;
}
END
{
	local $?;
	$_->kill_kill for @bouncers;
}

my ($python) = grep { (attempt($_, '-c', 'import psycopg'))[0] } 'python3', '/usr/bin/python3';
my $has_pg = has_pg();
my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
plan skip_all => 'neither python3-psycopg is installed nor is there pg for node' unless $python || $has_pg;

run_tool([ 'new', '--jwks', "$dir/jwks.json", '--private', "$dir/app.jwk" ]);
my $node = PostgreSQL::Test::Cluster->new('pool');
$node->init;
$node->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'\ntoms.clock_leeway = 0\n");
$node->start;
local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
CREATE SCHEMA api;
CREATE TABLE api.absence (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   text NOT NULL DEFAULT toms.current_tenant(),
    employee_id integer NOT NULL,
    day         date NOT NULL
);
INSERT INTO api.absence (tenant_id, employee_id, day) VALUES
    ('acme', 17, '2026-01-07'), ('acme', 17, '2026-01-08'), ('acme', 18, '2026-01-09'),
    ('globex', 4, '2026-01-07'), ('globex', 5, '2026-01-08');
CREATE ROLE hr;
CREATE ROLE intake;
CREATE ROLE anon;
CREATE ROLE stranger;
SELECT toms.protect('api.absence', tenant => 'tenant_id', subject => 'employee_id', category => 'health');
SELECT toms.permit('hr', 'api.absence', '{select,insert}', '{absence_management}', scope => 'tenant');
SELECT toms.permit('intake', 'api.absence', '{insert}', '{absence_management}', scope => 'tenant');
SELECT toms.permit('stranger', 'api.absence', '{select}', '{absence_management}', scope => 'tenant');
CREATE ROLE app LOGIN IN ROLE hr;
CREATE ROLE app_tx LOGIN IN ROLE hr;
ALTER ROLE app SET toms.session_context = on;
ALTER DATABASE postgres SET search_path = api;
SQL
@ENV{qw(ACME GLOBEX)} = (mint('acme'), mint('globex'));
@ENV{qw(EXPIRED INTAKE STRANGER)} = (mint('acme', exp => time - 60), mint('acme', role => 'intake'), mint('acme', role => 'stranger'));

SKIP:
{
	skip 'pgbouncer is not installed', 1 unless $pgbouncer;
	local $ENV{CARELESS} = start_pgbouncer($pgbouncer, $node, 'careless', 'extra_float_digits,options');
	local @ENV{qw(PGHOST PGPORT)} = (start_pgbouncer($pgbouncer, $node, 'careful', 'extra_float_digits'), 6432);
  SKIP:
	{
		skip 'python3-psycopg is not installed', 1 unless $python;
		replay($python, 'pgbouncer/check_pgbouncer.py', $_) for qw(transaction_mode session_context session_mode startup_option);
	}
  SKIP:
	{
		skip 'neither node-pg is installed nor can npm bring pg', 1 unless $has_pg;
		replay('node', 'node/check_pgbouncer.js');
	}
}

SKIP:
{
	skip 'python3-psycopg is not installed', 1 unless $python;
	$node->safe_psql('postgres', <<'SQL');
CREATE ROLE authenticator LOGIN NOINHERIT IN ROLE hr, intake, anon;
CREATE SCHEMA auth;
GRANT USAGE ON SCHEMA auth, api TO hr, intake, anon;
SQL
	$node->safe_psql('postgres', slurp_file("$clients/postgrest/pre_request.sql"));
	replay($python, 'postgrest/check_postgrest.py', 'requests');
	# the function may belong to somebody who may more than the caller
	$node->safe_psql('postgres', 'ALTER FUNCTION auth.set_context() SECURITY DEFINER');
	replay($python, 'postgrest/check_postgrest.py', 'requests');
	replay($python, 'postgrest/check_postgrest.py', $_) for 'role', 'writes';
}

$node->stop;
done_testing();
