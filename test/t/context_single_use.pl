# Single-use tokens: a token's id ("jti") belongs to one transaction of one session; whoever steals
# a token that has been used gains nothing.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys mint start_server create_tenants);

my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('single_use', $dir, "toms.clock_leeway = 0\n");

# A token with an id.
sub token
{
	my ($jti, %claim) = @_;
	return mint($dir, jti => $jti, %claim);
}

# What comes of SQL statements in a session of their own, line by line; V(token) sets a token.
sub outcome
{
	my ($sql, $user) = @_;
	return $node->safe_psql('postgres', set_tokens($sql), extra_params => [ '-U', $user // 'app' ]);
}

sub set_tokens
{
	my ($sql) = @_;
	return $sql =~ s/V\((\S+?)\)/SELECT coalesce(tenant, code) FROM verdict('$1')/gr;
}

create_tenants($node);
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE desktop LOGIN IN ROLE hr;
ALTER ROLE desktop SET toms.session_context = on;
CREATE ROLE job LOGIN IN ROLE hr;
SELECT toms.allow_enter('job', '{acme}', '{hr}');
CREATE TABLE numbers AS SELECT generate_series(1, 1000) AS n;
GRANT SELECT ON numbers TO PUBLIC;
SQL

# without the setting a token can be used again
my $token = token('before');
is(outcome("V($token); V($token);"), "acme\nacme", 'tokens may be used again where the server does not say otherwise');
is(outcome('V(' . mint($dir) . ');'), 'acme', '... and need no id');

$node->append_conf('postgresql.conf', 'toms.single_use_tokens = on');
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('toms.single_use_tokens') = 'on'") or BAIL_OUT('no reload');
my $replayed = 'toms_token_replayed (28000)';

is(outcome('V(' . mint($dir) . ');'), 'toms_token_claim (28000)', 'a token without an id is refused');
is(outcome("V($token);"), 'acme', 'a token is accepted');
is(outcome("V($token);"), $replayed, '... once: another session is refused');

$token = token('two transactions');
is(outcome("V($token); V($token); BEGIN; V($token); COMMIT;"), "acme\n$replayed\n$replayed", 'the same session is refused in its next transactions');

$token = token('one transaction');
is(outcome(<<"SQL"), "acme\nacme\nacme\nacme", 'within its transaction it may be set again, also after leaving and after savepoints');
BEGIN;
V($token);
V($token);
SAVEPOINT s;
SELECT toms.leave() \\g /dev/null
V($token);
ROLLBACK TO s;
V($token);
COMMIT;
SQL
is(outcome("V($token);"), $replayed, '... and not after it');

$token = token('rolled back');
is(outcome("BEGIN; V($token); ROLLBACK; V($token);"), "acme\n$replayed", 'a transaction that was rolled back has used it');
$token = token('savepoint');
is(outcome("BEGIN; SAVEPOINT s; V($token); ROLLBACK TO s; COMMIT; V($token);"), "acme\n$replayed", 'so has a savepoint that was rolled back');

# who is refused for another reason has not used it
$token = token('refused first', tenant => 'globex');
my $acme = token('acme first');
is(outcome("BEGIN; V($acme); V($token); COMMIT; V($token);"), "acme\ntoms_context_swapped (28000)\nglobex", 'a token that is refused in one transaction may be used in another one');
$token = token('expires', exp => time - 60);
is(outcome("V($token);"), 'toms_context_expired (28000)', 'an expired token is refused as such');
is(outcome('V(' . token('expires') . ');'), 'acme', '... and does not use up its id');

# the id counts, not the token
is(outcome('V(' . token('same id') . ');'), 'acme', 'a token is accepted');
is(outcome('V(' . token('same id', tenant => 'globex', exp => time + 300) . ');'), $replayed, '... another one of the same id is not');

# at the same time
my $session = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
$token = token('concurrent');
$session->query('BEGIN');
is($session->query(set_tokens("V($token)")), 'acme', 'a transaction uses a token');
is(outcome("V($token);"), $replayed, '... and another session is refused it meanwhile');
is($session->query(set_tokens("V($token)")), 'acme', '... but not the transaction itself');
$session->query('COMMIT');
$session->quit;

# parallel workers set their leader's token, but do not use it
$token = token('parallel');
my $parallel = outcome(<<"SQL");
SET force_parallel_mode = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off;
BEGIN;
V($token);
SELECT count(*), min(toms.current_tenant()), max(toms.current_tenant()) FROM numbers;
SELECT count(*), min(toms.current_tenant()), max(toms.current_tenant()) FROM numbers;
EXPLAIN (COSTS OFF) SELECT count(*), min(toms.current_tenant()) FROM numbers;
COMMIT;
SQL
like($parallel, qr/^acme\n1000\|acme\|acme\n1000\|acme\|acme\n.*Gather/s, 'parallel workers share their leader\'s token');
is(outcome("V($token);"), $replayed, '... which has been used once');

# a session's context is set once, and holds
$token = token('session');
is(outcome("SET client_min_messages = error; SELECT set_config('toms.token', '$token', false) \\g /dev/null\nSELECT toms.current_tenant(); SELECT toms.current_tenant(); V($token);", 'desktop'),
	"acme\nacme\n$replayed", 'where contexts live as long as the session, it is set in one of its transactions');
$token = token('startup');
{
	local $ENV{PGOPTIONS} = "-c toms.token=$token";
	my $err;
	is(outcome('SELECT toms.current_tenant();', 'desktop'), 'acme', 'a token at start-up is used by the session');
	is($node->psql('postgres', 'SELECT 1', stderr => \$err, extra_params => [ '-U', 'desktop' ]), 2, '... and another session does not get in with it');
	like($err, qr/FATAL: .*the token has been used before/, '... and is told why');
}

# toms.enter() makes a token for each transaction
is(outcome("SELECT toms.enter('acme', '1', 'hr', 'audit') \\g /dev/null\n" x 2 . "BEGIN; SELECT toms.enter('acme', '1', 'hr', 'audit') \\g /dev/null\nSELECT toms.current_tenant(); COMMIT;", 'job'),
	'acme', 'jobs enter as often as they like');

# a reload does not forget
$token = token('reload');
is(outcome("V($token);"), 'acme', 'a token is accepted');
$node->reload;
is(outcome("V($token);"), $replayed, '... and remembered over a reload');

$node->stop;
done_testing();
