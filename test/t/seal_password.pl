# Passwords of an application, where pg_regress cannot look: what the server's log holds of them,
# what happens when memory is short, and that a query over many of them can be cancelled.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys start_server);

my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('password', $dir, <<'CONF');
log_statement = none
log_min_error_statement = error
log_min_messages = notice
log_parameter_max_length_on_error = -1
toms.password_memory = 8MB
toms.password_iterations = 1
CONF
$node->safe_psql('postgres', 'CREATE EXTENSION toms');

# psql, which goes on after errors; returns (standard output, standard error).
sub session
{
	my ($sql) = @_;
	my ($out, $err);
	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err, on_error_stop => 0);
	return ($out, $err);
}

subtest 'a statement that fails does not bring the password into the log' => sub {
	my $planted = 'planted-password-2207';
	my $long = $planted x 60;
	my $hash = $node->safe_psql('postgres', "SELECT toms.password_hash('$planted')");
	my ($salt) = $hash =~ /\$([^\$]+)\$[^\$]+\z/;
	my @statements = (
		"SELECT toms.password_hash('$long')",
		"SELECT toms.password_verify('$planted', '$planted')",
		"SELECT toms.password_verify('$hash\$', '$planted')",
		"SELECT toms.password_verify(replace('$hash', 'm=8192', 'm=999999'), '$planted')",
		"SELECT toms.password_needs_rehash('$hash\$')",
		"DO \$\$ BEGIN PERFORM toms.password_verify('$planted', '$planted'); END \$\$");
	my ($out, $err) = session(join ";\n", @statements);
	is(scalar(() = $err =~ /^psql.*ERROR: /mg), 6, 'all fail');
	my $log = slurp_file($node->logfile);
	is(scalar(() = $log =~ /ERROR:  (not an Argon2id password hash|a password has at most|password hash demands)/g), 6, 'the log has the errors');
	is(index($log, $planted), -1, 'and not the password');
	is(index($log, $salt), -1, 'nor the hash');
};

subtest 'without memory there is an error, not a wrong password' => sub {
	plan skip_all => 'no prlimit' if system('prlimit --version >/dev/null 2>&1') != 0;
	my ($out, $err) = session(<<'SQL');
SET toms.password_memory = '256MB';
SELECT toms.password_hash('right') AS hash \gset
SELECT toms.password_verify(:'hash', 'right'), toms.password_verify(:'hash', 'wrong');
SELECT pg_backend_pid() AS pid \gset
\setenv BACKEND :pid
\! prlimit --pid $BACKEND --as=$(( $(cut -d' ' -f1 /proc/$BACKEND/statm) * $(getconf PAGESIZE) + 67108864 ))
SELECT toms.password_hash('right');
SELECT toms.password_verify(:'hash', 'right');
SELECT toms.password_verify(:'hash', 'wrong');
SET toms.password_memory = '8MB';
SELECT toms.password_verify(toms.password_hash('right'), 'right');
SQL
	is($out, "t|f\nt", 'answers while there is memory, also after it was short');
	is(scalar(() = $err =~ /ERROR:  memory for a password hash is not available/g), 3, 'errors while there is none');
};

subtest 'a query over many passwords can be cancelled' => sub {
	my $start = time;
	my ($out, $err) = session("SET statement_timeout = '500ms'; SELECT count(toms.password_hash('x')) FROM generate_series(1, 100000)");
	like($err, qr/canceling statement due to statement timeout/, 'cancelled');
	cmp_ok(time - $start, '<', 60, 'soon');
};

$node->stop;
done_testing();
