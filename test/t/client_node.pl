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
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys mint export_tokens start_server attempt works replay npm_install has_node_pg);

my $clients = "$FindBin::RealBin/../../examples/clients";
my $recipes = "$clients/node";
my $dir = PostgreSQL::Test::Utils::tempdir();
plan skip_all => 'neither node-pg is installed nor can npm bring pg' unless has_node_pg("$dir/pg");

new_keys($dir);
my $node = start_server('node', $dir, "toms.clock_leeway = 0\n");
local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
$node->safe_psql('postgres', slurp_file("$clients/schema.sql"));
replay('node', "$recipes/check_pg.js", 'before');

$node->safe_psql('postgres', slurp_file("$clients/protect.sql") . <<'SQL');
CREATE TABLE certificate (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id  text NOT NULL DEFAULT toms.current_tenant(),
    absence_id bigint NOT NULL REFERENCES absence,
    follow_up  boolean NOT NULL DEFAULT false
);
SELECT toms.protect('certificate', tenant => 'tenant_id', category => 'health');
SELECT toms.permit('hr', 'certificate', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant');
SQL
export_tokens($dir);
my $exp = time + 5;
local @ENV{qw(BRIEF BRIEF_EXP)} = (mint($dir, exp => $exp), $exp);
replay('node', "$recipes/check_pg.js", 'session');
replay('node', "$recipes/check_pg.js", 'transaction');

# Prisma's own installation downloads a program that only its migrations need: do without
SKIP:
{
	my $recent = works('node', '-e', 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)');
	skip 'Prisma 7 needs node 20.19 or newer', 1 unless $recent;
	my $prisma = "$dir/prisma";
	skip 'npm cannot bring Prisma', 1 unless npm_install($prisma, map { "$_\@7.10.0" } qw(prisma @prisma/client @prisma/adapter-pg));
	copy("$recipes/$_", $prisma) || die $! for 'schema.prisma', 'prisma.config.js';
	local @ENV{qw(NODE_PATH PRISMA_SCHEMA_ENGINE_BINARY)} = ("$prisma/node_modules", '/bin/true');
	my ($generated, undef, $err) = attempt([ qw(npx --no-install prisma generate) ], $prisma);
	ok($generated, 'Prisma generates its client') or diag($err);
	replay('node', "$recipes/check_prisma.js");
}

$node->stop;
done_testing();
