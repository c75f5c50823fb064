# A copy of the server that is started beside it, as a drill is, does nothing to what is outside of its data directory:
# its tables are closed, it seals and deletes nothing, and makes no keys. What the drill saw is recorded where the backup
# was made. After a failover the new server, which was named before, works on; a dump that is older than an erasure
# opens only when that was done again; of a tenant that was destroyed an old backup opens nothing.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(sleep);

my $keyring = keyring();
my $outside = keyring();
my $node = sealed_server('prod_a', $keyring, allows_streaming => 1,
	settings => "toms.outside = '$outside'\ntoms.node = 'prod_a'\nmax_connections = 30\ntoms.seal_interval = 200ms\nlog_statement = none\ntoms.key_grace = 0\n");
$node->start;
add_roles($node);
create_sealed($node, 'postgres');
read_without_keys($node, 'postgres');
fill($node, 'postgres');
$node->safe_psql('postgres', q{CREATE ROLE dpo LOGIN; SELECT toms.grant_officer('dpo', 'admin'), toms.grant_officer('dpo', 'operator')});

sub sql { my ($on, $sql, $database) = @_; return $on->safe_psql($database // 'postgres', $sql) }

sub officer
{
	my ($on, $statements, $database) = @_;
	my ($code, $out, $err) = $on->psql($database // 'postgres', $statements, extra_params => [ '-U', 'dpo', '-q' ], on_error_stop => 1);
	return $code == 0 ? $out : $err;
}

# By an instruction, as an officer does.
sub erase
{
	my ($on, $tenant, $subject) = @_;
	my $instruction = officer($on, "SELECT toms.record_instruction('$tenant', 'erase', 'Mr Smith', 'erase him', '$subject')");
	officer($on, "SELECT toms.confirm_instruction($instruction)");
	return officer($on, "SET client_min_messages = error; SELECT sum(deleted) FROM toms.erase_subject('$tenant', '$subject', $instruction)");
}

sub persons
{
	my ($on, $database) = @_;
	return as_tenant($on, $database // 'postgres', 'acme', 'SELECT string_agg(DISTINCT employee::text, \',\' ORDER BY employee::text) FROM med.note');
}

sub settled
{
	my ($on, $database) = @_;
	return $on->poll_query_until($database // 'postgres', q{SELECT count(*) = 0 FROM toms.ledger WHERE state = 'intended' OR NOT told});
}

# Everything outside of the data directory.
sub all_outside { return join "\n", map { "$_ " . slurp_file($_) } sort glob "$outside/* $keyring/*" }

# A drill

is(officer($node, q{SELECT toms.admit_node(' ')}) =~ /a reason is needed/, 1, 'who names a node says why');
is(officer($node, q{SELECT toms.admit_node('in use since May')}), '', 'the server is named outside');
is(officer($node, q{SELECT toms.admit_node('the standby', 'prod_b')}), '', 'its standby too');
like(sql($node, 'SELECT node, place IS NULL, by FROM toms.nodes ORDER BY node'), qr/^prod_a\|f\|dpo\nprod_b\|t\|dpo$/, 'both are listed');
isnt(persons($node), '', 'and works on');
my @values = ((grep { defined && length > 4 } map { (split /\|/)[2 .. 7] } split /\n/, opened($node, 'postgres')), stored($node, 'postgres') =~ /[\w-]{40,}/g);
cmp_ok(scalar(@values), '>', 20, 'there are values, opened and as they are stored');
sql($node, 'SELECT toms.seal_audit()');
$node->backup('nightly');

my $drill = PostgreSQL::Test::Cluster->new('drill');
$drill->init_from_backup($node, 'nightly');
$node->append_conf('postgresql.conf', "toms.seal_interval = 1d\n");
$node->reload;
sleep 1;
my $before = all_outside();
$drill->start;
like(persons($drill), qr/this node is not one that works with this data.*Node "prod_a" at .*drill/s, 'a copy beside it is closed, though its settings are the same');
is(sql($drill, 'SELECT gate FROM toms.status'), 'node', 'monitoring is told');
like(officer($drill, 'SELECT * FROM toms.replay_erasures()'), qr/not one that works with this data/, 'it replays nothing');
like(sql($drill, q{SELECT count(*) FROM toms.audit_block}), qr/^\d+$/, 'its trail can be read');
my ($code, $out, $err) = $drill->psql('postgres', q{SELECT toms.seal_audit()});
like($err, qr/could not be sealed|cannot be used/, 'it seals nothing');
($code, $out, $err) = $drill->psql('postgres', q{SELECT toms.add_tenant('initech', name => 'Initech')});
like($err, qr/keyring cannot be used.*makes and destroys no keys/s, 'it makes no keys');
($code, $out, $err) = $drill->psql('postgres', q{SET client_min_messages = error; SELECT toms.erase_again('subject', 'acme', '17', NULL)});
like($err, qr/not one of those that work with this data|not one that works/, 'it erases nothing');
my $result = officer($drill, 'SELECT toms.restore_drill()');
like($result, qr/^\{.*"med\.note": 5.*"restore drill".*\}\n[\w-]{86} [\w-]{43}$/, 'the drill is signed');
like($result, qr/"values": \{"epochs": 2, "opened": 2\}/, 'of each epoch it has opened a value that is stored');
is(join(' ', grep { index($result, $_) >= 0 } @values), '', 'and shows none, opened or as it is stored');
sql($drill, q{BEGIN; SET LOCAL toms.reason = 'a disk fails'; SELECT toms.pass_gate(true); SET LOCAL session_replication_role = replica;
	UPDATE med.note SET sick = NULL, kind = NULL, since = NULL, scan = NULL, said = (left(said::text, -3) || CASE right(said::text, 3) WHEN 'AAA' THEN 'BBB' ELSE 'AAA' END)::toms.sealed_text WHERE tenant = 'acme'; COMMIT});
my $damaged = officer($drill, 'SELECT toms.restore_drill()');
like($damaged, qr/"fault": "a stored value does not open".*"values": \{"epochs": 2, "opened": 1\}/, 'one that was damaged does not open');
sleep 1;
$drill->restart;
sleep 1;
$drill->stop;
is(all_outside(), $before, 'nothing was written outside');
$node->append_conf('postgresql.conf', "toms.seal_interval = 200ms\n");
$node->reload;
is(persons($node), '17,18,19', 'the server beside it works');
is(officer($node, "SELECT toms.record_restore_test(\$r\$$result\$r\$)"), '1', 'the drill is recorded where the backup was made');
is(sql($node, 'SELECT passed, node FROM toms.restore_test'), 't|prod_a', 'every epoch opened, and the trail was whole');
is(officer($node, "SELECT toms.record_restore_test(\$r\$$damaged\$r\$)"), '2', 'so is the one with a damaged value');
is(sql($node, 'SELECT passed FROM toms.restore_test WHERE id = 2'), 'f', 'as one that was not passed');
my $altered = $result =~ s/"med\.note": 5/"med.note": 6/r;
like(officer($node, "SELECT toms.record_restore_test(\$r\$$altered\$r\$)"), qr/not the result of a drill/, 'one that was altered is not');
like(officer($node, q{SELECT toms.record_restore_test(toms.restore_drill())}), qr/made on this node/, 'nor one of here');
is(officer($node, q{SELECT toms.record_backup('daily', now(), 'vault 3')}), '1', 'backups are recorded');
is(officer($node, q{SELECT toms.record_backup_destroyed(1)}), '', 'and that they are destroyed');
is(sql($node, q{SELECT count(*) FROM toms.verify_audit()}), '0', 'the trail is whole');

# A dump from before an erasure, in another database

my $dump = "$PostgreSQL::Test::Utils::tmp_check/dump.sql";
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres') . " options='-c toms.reason=dump'", '-f', $dump ], 'a dump');

# Failover between erasure and restore

my $standby = PostgreSQL::Test::Cluster->new('prod_b');
$standby->init_from_backup($node, 'nightly', has_streaming => 1);
$standby->append_conf('postgresql.conf', "toms.node = 'prod_b'\n");
$standby->start;
is(erase($node, 'acme', '17'), '3', 'a person is erased');
ok(settled($node), 'and told');
$node->wait_for_catchup($standby);
$node->stop('immediate');
$standby->promote;
is(persons($standby), '18,19', 'a standby that was named works on after a failover');
is(erase($standby, 'acme', '18'), '2', 'another person is erased there');
ok(settled($standby), 'and told');
$node->start;
like(persons($node), qr/1 came back, of 0 nobody can tell/, 'the server before does not know of that');
is(officer($standby, q{SELECT toms.dismiss_node('prod_a', 'it was lost')}), '', 'it is no node any more');
$node->restart;
like(persons($node), qr/not one that works with this data/, 'and closed as such');
$node->stop;

# The dump

$standby->safe_psql('postgres', 'CREATE DATABASE restored');
$standby->command_ok([ 'psql', '-X', '-q', '-d', $standby->connstr('restored') . " options='-c toms.reason=restore'", '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', $dump ], 'a dump of before is restored');
like(persons($standby, 'restored'), qr/2 came back, of 0 nobody can tell/, 'it is closed');
is(officer($standby, 'SELECT outcome FROM toms.replay_erasures()', 'restored'), "erased again\nerased again", 'both are erased again');
is(persons($standby, 'restored'), '19', 'they are gone');
$standby->safe_psql('postgres', 'DROP DATABASE restored');

# A tenant is destroyed

my $instruction = officer($standby, q{SELECT toms.record_instruction('globex', 'end_tenant', 'Mrs Doe', 'end it')});
officer($standby, "SELECT toms.confirm_instruction($instruction)");
officer($standby, "SET client_min_messages = error; SELECT toms.end_tenant('globex', now() - interval '60 days', now() - interval '50 days', instruction => $instruction)");
sql($standby, q{UPDATE toms.tenant_end SET opens_at = now() - interval '40 days', closes_at = now() - interval '10 days'});
for (1 .. 100)
{
	last if officer($standby, 'SELECT count(*) FROM toms.end_tenants() WHERE state <> \'done\'') eq '0';
	sleep 0.1;
}
is(sql($standby, q{SELECT state || coalesce(': ' || problem, '') FROM toms.tenant_end}), 'done', 'a tenant has ended');
ok(settled($standby), 'and that is told');
$standby->stop;
my $old = PostgreSQL::Test::Cluster->new('old');
$old->init_from_backup($node, 'nightly');
$old->append_conf('postgresql.conf', "toms.node = 'prod_c'\n");
$old->start;
is(officer($old, q{SELECT toms.admit_node('the others were lost')}), '', 'the backup of before is to be the server now');
like(persons($old), qr/came back, of 0 nobody can tell/, 'it is closed');
unlike(sql($old, q{SET toms.reason = 'test'; SELECT string_agg(problem, ' ') FROM toms.check_keyring() WHERE tenant = 'globex'}), qr/^$/, 'of the tenant no key opens anything');
like(officer($old, q{SELECT kind, tenant, outcome FROM toms.replay_erasures()}), qr/^tenant\|globex\|erased again$/m, 'the tenant is ended again');
is(persons($old), '19', 'the persons are gone');
is(as_migration($old, 'postgres', q{SELECT count(*) FROM med.note WHERE tenant = 'globex'}), '0', 'and the tenant');
$old->stop;

done_testing();
