# Tokens given at the start of a session, and where a token must not be found afterwards: neither
# in the server's log nor in pg_stat_activity, whether it was accepted or refused.
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
my $node = start_server('startup', $dir, <<'CONF');
log_statement = none
log_min_error_statement = error
log_min_messages = info
log_error_verbosity = verbose
CONF
my @tokens;    # all that this test has used

sub token
{
	push @tokens, mint($dir, @_);
	return $tokens[-1];
}

# psql as a user, with start-up options; returns (exit code, standard output, standard error).
sub session
{
	my ($user, $options, $sql) = @_;
	my ($out, $err);
	local $ENV{PGOPTIONS} = $options;
	my $code = $node->psql('postgres', $sql, stdout => \$out, stderr => \$err, on_error_stop => 0, extra_params => [ '-U', $user ]);
	return ($code, $out, $err);
}

# Whether the text holds a payload or a signature of any token.
sub leaks
{
	my ($text) = @_;
	my $parts = join '|', map { my (undef, @parts) = split /\./; map { quotemeta } @parts } @tokens;
	return $text =~ /$parts/;
}

create_tenants($node);
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE desktop LOGIN IN ROLE hr;                   -- connects without a pooler
ALTER ROLE desktop SET toms.session_context = on;
SQL
my $tenant = "SELECT coalesce(toms.current_tenant(), 'none');";
my ($code, $out, $err);

#
# a token at start-up
#
my $good = token();
($code, $out, $err) = session('app', "-c toms.token=$good", $tenant);
is("$code $out", '0 none', 'a log-in whose contexts end with the transaction has none from start-up');
unlike($err, qr/ERROR|FATAL/, '... and may connect');

($code, $out) = session('desktop', "-c toms.token=$good", "$tenant BEGIN; $tenant COMMIT; $tenant");
is("$code $out", "0 acme\nacme\nacme", 'a log-in with session contexts has it in every transaction');

($code, $out) = session('desktop', "-c toms.token=$good", "SELECT toms.leave(); $tenant DISCARD ALL; $tenant RESET toms.token; $tenant");
is("$code $out", "0 \nnone\nacme\nacme", 'leave() ends it; DISCARD ALL and RESET go back to the state after log-in');

my $globex = token(tenant => 'globex');
($code, $out) = session('desktop', "-c toms.token=$good", "BEGIN; SET LOCAL toms.token = '$globex'; $tenant COMMIT; $tenant");
is("$code $out", "0 globex\nacme", 'a transaction\'s own context goes before it, and ends');

for my $case (
	[ 'forged', token(key => 'other'), qr/signature does not verify/ ],
	[ 'expired', token(exp => time - 60), qr/has expired/ ],
	[ 'too long-lived', token(exp => time + 90000), qr/lives longer/ ],
	[ 'malformed', substr($good, 0, -5), qr/is malformed/ ])
{
	my ($name, $token, $message) = @$case;
	push @tokens, $token;
	for my $user (qw(app desktop))
	{
		($code, $out, $err) = session($user, "-c toms.token=$token", 'SELECT 1');
		is("$code $out", '2 ', "a token that is $name at start-up: $user does not get in");
		like($err, qr/FATAL: .*$message/, '... and is told why');
		ok(!leaks($err), '... without the token');
	}
}

# what else start-up options cannot do
my %forbidden = (
	'-c toms.session_context=on' => qr/permission denied/,
	'-c toms.on_missing_context=empty' => qr/permission denied/,
	"-c toms.jwks_file=$dir/other.json" => qr/cannot be changed/,
	'-c toms.require_tls=off' => qr/cannot be changed/,
	'-c toms.max_token_age=86400' => qr/cannot be changed/);
for my $option (sort keys %forbidden)
{
	($code, $out, $err) = session('app', "$option -c toms.token=$good", "SHOW toms.session_context; $tenant");
	like($err, $forbidden{$option}, "start-up option $option is refused") or diag($out);
}

#
# pg_stat_activity, as another session of the same log-in sees it
#
my $session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]);
my $activity = sub {
	(undef, $out) = session('app', '', "SELECT state, query FROM pg_stat_activity WHERE usename = 'app' AND pid <> pg_backend_pid();");
	return $out;
};
$session->query("SELECT '$good'");
ok(leaks($activity->()), 'pg_stat_activity shows the text of other statements');
$session->query('BEGIN');
$session->query("SET LOCAL toms.token = '$good'");
like($activity->(), qr/^idle in transaction\|.*toms\.token.*\*\*\*/, 'SET LOCAL with a token: pg_stat_activity shows a text with stars');
$session->query("SELECT set_config('toms.token', '$good', true)");
ok(!leaks($activity->()), 'set_config() with a token in its text: the same');
$session->query("SELECT set_config('toms.token', '$tokens[2]', true)");
ok(!leaks($activity->()), 'a token that is refused: the same');
$session->query('ROLLBACK');
$session->quit;

#
# a token in the configuration file is not used
#
my $log_start = -s $node->logfile;
$node->append_conf('postgresql.conf', "toms.token = '$good'\n");
$node->reload;
$node->wait_for_log(qr/a token cannot be stored in a configuration/, $log_start);
(undef, $out) = session('desktop', '', $tenant);
is($out, 'none', 'a token in postgresql.conf is not used, and the log says so');
$node->adjust_conf('postgresql.conf', 'toms.token', undef);
$node->reload;

#
# the server's log
#
session('app', '', "SELECT nonsense '$_->[0]' $_->[1];") for [ 'harmless-text', 'x y' ];
like(slurp_file($node->logfile), qr/STATEMENT: .*harmless-text/, 'the log holds the text of statements that fail');
my $forged = token(key => 'other');
my $late = token(exp => time - 60);
for my $token ($good, $forged, $late, substr($good, 0, -5))
{
	session('app', '', $_)
	  for "SET toms.token = '$token';", "SET LOCAL toms.token = '$token';",
	  "SELECT set_config('toms.token', '$token', true);",
	  "SELECT set_config('toms.token', '$token', true), 1/(random() > 2)::integer;",
	  "PREPARE p AS SELECT set_config('toms.token', \$1, true); EXECUTE p ('$token');",
	  "ALTER ROLE app SET toms.token = '$token';",
	  "CREATE FUNCTION pg_temp.f() RETURNS integer LANGUAGE sql SET toms.token = '$token' AS 'SELECT 1';";
	# several statements in one message: psql sends what \; joins as one
	session('app', '', "BEGIN \\; SET LOCAL toms.token = '$token' \\; SELECT 1/0 \\; COMMIT;");
}
session('app', '', "BEGIN; SET LOCAL toms.token = '$good'; SET LOCAL toms.token = '$globex'; COMMIT;");
my $log = slurp_file($node->logfile);
like($log, qr/toms refused toms_token_forged/, 'the log says that tokens were refused');
# Lines of the log that hold a part of a token, from $offset on.
sub leaking_lines
{
	my ($offset) = @_;
	return join "\n", map { s/\.[\w-]{20}[\w-]+/.(token)/gr } grep { leaks($_) } split /\n/, substr(slurp_file($node->logfile), $offset);
}
is(leaking_lines(0), '', 'the log holds no part of any token');

my $offset = -s $node->logfile;
session('app', '', "DO \$\$ BEGIN PERFORM set_config('toms.token', '$_', true); RAISE 'an error after it'; END \$\$;") for $good, $forged;
like(substr(slurp_file($node->logfile), $offset), qr/an error after it/, 'tokens spelled out in a PL/pgSQL block were tried');
is(leaking_lines($offset), '', '... and are not in the log');

$node->stop;
done_testing();
