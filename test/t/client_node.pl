# The recipes of examples/clients/node: the pg package with an application that has a statement on
# check-out and one on return, before toms and with it, and with one context per transaction; Prisma.
# The checks are in the check_*.js beside the recipes.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest;

my $recipes = "$FindBin::RealBin/../../examples/clients/node";
my $dir = PostgreSQL::Test::Utils::tempdir();

# Runs a program, in a folder if one is given, for at most five minutes; returns (succeeded, its output, its standard error).
sub attempt
{
	my ($command, $folder) = @_;
	my ($out, $err) = ('', '');
	my $ok = eval {
		IPC::Run::run($command, init => sub { chdir $folder // '.' }, '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(300));
	};
	return ($ok, $out, $err . $@);
}

# npm comes with certificates of its own; those of the machine count too
my $certificates = '/etc/ssl/certs/ca-certificates.crt';
$ENV{NODE_EXTRA_CA_CERTS} //= $certificates if -r $certificates;

# Packages of npm in a folder where node finds them; undef if npm cannot bring them.
sub install
{
	my ($name, @packages) = @_;
	my $folder = "$dir/$name";
	my @npm = qw(npm install --no-audit --no-fund --ignore-scripts --fetch-retries=1 --fetch-timeout=20000 --prefix);
	my ($ok, undef, $err) = attempt([ @npm, $folder, @packages ]);
	diag("npm install @packages: $err") unless $ok;
	$ENV{NODE_PATH} = "$folder/node_modules" if $ok;
	return $ok ? $folder : undef;
}

# The checks of a part become ours; the program must also come to its end.
sub replay
{
	my ($program, @part) = @_;
	my ($ok, $out, $err) = attempt([ 'node', "$recipes/$program", @part ]);
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
	my $exp = $claim{exp} // time + 900;
	my ($role, $key) = ($claim{role} // 'hr', $claim{key} // 'app');
	return run_tool([ 'mint', '--private', "$dir/$key.jwk", '--payload', '-' ],
		qq({"tenant":"$tenant","sub":"17","role":"$role","purpose":"absence_management","exp":$exp}));
}

my ($there) = attempt([ 'node', '--version' ]);
plan skip_all => 'node is not installed' unless $there;
local $ENV{NODE_PATH} = '/usr/share/nodejs';
my ($packaged) = attempt([ 'node', '-e', 'require("pg")' ]);
plan skip_all => 'neither node-pg is installed nor can npm bring pg' unless $packaged || install('pg', 'pg@8');

run_tool([ 'new', '--jwks', "$dir/jwks.json", '--private', "$dir/app.jwk", '--kid', 'app' ]);
run_tool([ 'new', '--jwks', "$dir/other.json", '--private', "$dir/other.jwk", '--kid', 'app' ]);
my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'\ntoms.clock_leeway = 0\n");
$node->start;
local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');

# the application as it was
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE hr;
CREATE ROLE app LOGIN IN ROLE hr;
CREATE TABLE absence (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   text NOT NULL DEFAULT current_setting('app.tenant_id'),
    employee_id integer NOT NULL,
    day         date NOT NULL,
    hours       integer NOT NULL DEFAULT 8
);
INSERT INTO absence (tenant_id, employee_id, day) VALUES
    ('acme', 17, '2026-01-07'), ('acme', 17, '2026-01-08'), ('acme', 18, '2026-01-09'),
    ('globex', 4, '2026-01-07'), ('globex', 5, '2026-01-08');
GRANT SELECT, INSERT, UPDATE, DELETE ON absence TO hr;
ALTER TABLE absence ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON absence USING (tenant_id = current_setting('app.tenant_id'));
SQL
replay('check_pg.js', 'before');

# the same with toms
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
DROP POLICY of_tenant ON absence;
ALTER TABLE absence ALTER tenant_id SET DEFAULT toms.current_tenant();
SELECT toms.protect('absence', tenant => 'tenant_id', subject => 'employee_id', category => 'health');
SELECT toms.permit('hr', 'absence', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant');
ALTER ROLE app SET toms.session_context = on;

CREATE TABLE certificate (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id  text NOT NULL DEFAULT toms.current_tenant(),
    absence_id bigint NOT NULL REFERENCES absence,
    follow_up  boolean NOT NULL DEFAULT false
);
SELECT toms.protect('certificate', tenant => 'tenant_id', category => 'health');
SELECT toms.permit('hr', 'certificate', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant');
CREATE ROLE intake;
CREATE ROLE app_tx LOGIN IN ROLE hr, intake;
SELECT toms.permit('intake', 'absence', '{insert}', '{absence_management}', scope => 'tenant');
SQL
@ENV{qw(ACME GLOBEX)} = (mint('acme'), mint('globex'));
@ENV{qw(EXPIRED FORGED INTAKE)} = (mint('acme', exp => time - 60), mint('acme', key => 'other'), mint('acme', role => 'intake'));
$ENV{BRIEF_EXP} = time + 5;
$ENV{BRIEF} = mint('acme', exp => $ENV{BRIEF_EXP});
replay('check_pg.js', 'session');
replay('check_pg.js', 'transaction');

# Prisma's own installation downloads a program that only its migrations need: do without
SKIP:
{
	my ($recent) = attempt([ 'node', '-e', 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ]);
	skip 'Prisma 7 needs node 20.19 or newer', 1 unless $recent;
	my $folder = install('prisma', map { "$_\@7.10.0" } qw(prisma @prisma/client @prisma/adapter-pg));
	skip 'npm cannot bring Prisma', 1 unless $folder;
	copy("$recipes/$_", $folder) || die $! for 'schema.prisma', 'prisma.config.js';
	local $ENV{PRISMA_SCHEMA_ENGINE_BINARY} = '/bin/true';
	my ($generated, undef, $err) = attempt([ qw(npx --no-install prisma generate) ], $folder);
	ok($generated, 'Prisma generates its client') or diag($err);
	replay('check_prisma.js');
}

$node->stop;
done_testing();
