# The server log: who was refused, who passed as administrator. What they changed is in the audit trail.
#
# The promise: every refusal is one line of the log, also one that an EXCEPTION block
# swallowed or a ROLLBACK followed; every administrative pass is one, with its stated
# reason; and no line holds a token, a key, the subject id of an actor, or a value of a row
# or of a refused statement, with the settings that log most: log_min_messages = notice,
# log_min_error_statement = error.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use JSON::PP;
use MIME::Base64 qw(decode_base64url);
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys mint start_server);

my $dir = PostgreSQL::Test::Utils::tempdir();
my $admin = getpwuid($<);

# What is planted, to be searched for afterwards.
my $subject = '731907319';
my $actor = 'actor-5522-planted';
my $value = 'planted-diagnosis-4417';
my $written = 'planted-writing-9185';

# A token of the planted person, for five minutes unless said otherwise.
sub token
{
	return mint($dir, sub => $subject, act => { sub => $actor }, exp => time + 300, @_);
}

new_keys($dir);
my $token = token();
my $forged = token(key => 'other');
my $expired = token(exp => time - 60);
my $stranger = token(role => 'nobody');

my $node = start_server('log', $dir, <<'CONF');
log_min_messages = notice
log_min_error_statement = error
log_statement = none
log_error_verbosity = default
CONF
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
CREATE ROLE hr;
CREATE ROLE owner;
CREATE ROLE app LOGIN IN ROLE hr;
CREATE ROLE job LOGIN IN ROLE hr;
CREATE ROLE migration LOGIN BYPASSRLS;
SELECT toms.allow_enter('job', '{acme}', '{hr}');
CREATE SCHEMA med AUTHORIZATION owner;
GRANT USAGE ON SCHEMA med TO app, hr, migration;
SET ROLE owner;
CREATE TABLE med.note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer, said text);
INSERT INTO med.note VALUES (1, 'acme', $subject, '$value'), (2, 'globex', $subject, '$value');
CREATE TABLE med.closed (tenant text NOT NULL, said text);
GRANT ALL ON med.note, med.closed TO hr, migration;
RESET ROLE;
SELECT toms.protect('med.note', tenant => 'tenant', subject => 'employee');
SELECT toms.protect('med.closed', tenant => 'tenant');
SELECT toms.permit('hr', 'med.note', '{select,insert}', '{absence_management}', 'tenant');
SQL
my $start = -s $node->logfile;

# Runs a script as a log-in; returns the log lines it caused, in order.
sub log_of
{
	my ($login, $script) = @_;
	my $before = -s $node->logfile;
	$node->psql('postgres', $script, stdout => \my $out, stderr => \my $err, on_error_stop => 0, extra_params => [ '-U', $login ]);
	return slurp_file($node->logfile, $before);
}

sub count_lines
{
	my ($log, $pattern) = @_;
	my $n = () = $log =~ /$pattern/mg;
	return $n;
}

# One refusal in the log, of this reason.
sub logs_refusal
{
	my ($login, $script, $reason, $rest, $name) = @_;
	my $log = log_of($login, $script);
	is(count_lines($log, qr/LOG: +toms refused/), 1, "$name: one line");
	like($log, qr/LOG: +toms refused $reason: $rest/, "$name: $reason") or diag($log);
	return;
}

my $set = "BEGIN;\nSELECT set_config('toms.token', '$token', true);\n";
my $on_note = 'table=med\.note login=app';
my $who = 'tenant=acme role=hr purpose=absence_management';

subtest 'refusals' => sub {
	logs_refusal('app', 'SELECT * FROM med.note', 'toms_context_missing', "$on_note no context", 'no context');
	logs_refusal('app', "INSERT INTO med.note VALUES (3, 'acme', $subject, '$written')", 'toms_context_missing',
		"$on_note no context", 'a refused insert');
	logs_refusal('app', "SELECT * FROM med.note WHERE said = '$value'", 'toms_context_missing', "$on_note no context", 'a refused select');
	logs_refusal('app', "${set}DELETE FROM med.note WHERE said = '$value'; ROLLBACK", 'toms_verb_not_permitted',
		"$on_note $who", 'verb, followed by ROLLBACK');
	logs_refusal('app', "${set}SELECT * FROM med.closed WHERE said = '$value'", 'toms_permission_missing',
		"table=med\\.closed login=app $who", 'no permission');
	logs_refusal('app', "${set}INSERT INTO med.note VALUES (4, 'globex', $subject, '$written')", 'toms_row_other_tenant',
		"$on_note $who", 'a row of another tenant');
	logs_refusal('app', "BEGIN; SELECT set_config('toms.token', '$stranger', true); SELECT * FROM med.note WHERE said = '$value'",
		'toms_role_unknown', "$on_note tenant=acme role=nobody", 'an unknown role');
	logs_refusal('migration', "SELECT * FROM med.note WHERE said = '$value'", 'toms_reason_missing',
		'table=med\.note login=migration no context', 'an administrator without a reason');
	logs_refusal('migration', 'TRUNCATE med.note', 'toms_truncate', 'table=med\.note login=migration', 'truncate');
	logs_refusal('app', "${set}DECLARE c CURSOR WITH HOLD FOR SELECT * FROM med.note WHERE said = '$value'", 'toms_cursor_with_hold',
		$on_note, 'a cursor with hold');
};

subtest 'refused tokens' => sub {
	my %bad = ($forged => 'toms_token_forged', $expired => 'toms_context_expired', "$token$token" => 'toms_token_malformed',
		substr($token, 0, -1) => 'toms_token_malformed', ($token =~ s/\..*\././r) => 'toms_token_malformed');
	foreach my $text (sort keys %bad)
	{
		logs_refusal('app', "SELECT set_config('toms.token', '$text', true)", $bad{$text}, 'table=- login=app', 'set_config');
		logs_refusal('app', "BEGIN; SET LOCAL toms.token = '$text'; ROLLBACK", $bad{$text}, 'table=- login=app', 'SET LOCAL');
	}
	logs_refusal('app', "DO \$\$ BEGIN PERFORM set_config('toms.token', '$forged', true); END \$\$", 'toms_token_forged', 'table=- login=app', 'DO');
};

subtest 'refusals that the application swallows' => sub {
	logs_refusal('app', "DO \$\$ BEGIN PERFORM * FROM med.note; EXCEPTION WHEN OTHERS THEN NULL; END \$\$",
		'toms_context_missing', $on_note, 'an EXCEPTION block');
	logs_refusal('app', "DO \$\$ BEGIN INSERT INTO med.note VALUES (5, 'acme', $subject, '$written'); EXCEPTION WHEN OTHERS THEN NULL; END \$\$",
		'toms_context_missing', $on_note, 'an EXCEPTION block around an insert');
	logs_refusal('app', "${set}SAVEPOINT s; DELETE FROM med.note; ROLLBACK TO s; SELECT 1; COMMIT",
		'toms_verb_not_permitted', $on_note, 'a savepoint');
};

subtest 'refusals inside of functions' => sub {
	logs_refusal('app', "DO \$\$ BEGIN INSERT INTO med.note VALUES (6, 'acme', $subject, '$written'); END \$\$",
		'toms_context_missing', $on_note, 'a DO block');
	logs_refusal('app', "DO \$\$ BEGIN EXECUTE 'SELECT * FROM med.note WHERE said = ''$value'''; END \$\$",
		'toms_context_missing', $on_note, 'EXECUTE');
};

subtest 'what passes' => sub {
	my $log = log_of('app', "${set}SELECT count(*) FROM med.note; INSERT INTO med.note VALUES (7, 'acme', $subject, '$written'); COMMIT");
	is(count_lines($log, qr/toms (refused|administrative)/), 0, 'nothing is refused');
	$log = log_of('job', "BEGIN; SELECT toms.enter('acme', '$subject', 'hr', 'absence_management', actor => '$actor'); SELECT count(*) FROM med.note; COMMIT");
	like($log, qr/toms entered: tenant=acme role=hr purpose=absence_management login=job/, 'toms.enter() is recorded');
	is(count_lines($log, qr/toms (refused|administrative)/), 0, 'and its statements pass');
	$log = log_of('job', "SELECT toms.enter('globex', '$subject', 'hr', 'absence_management')");
	like($log, qr/toms refused toms_enter_not_allowed: .*login=job/, 'a refused toms.enter() is recorded');
};

subtest 'administrators' => sub {
	my $log = log_of('migration', "SET toms.reason = 'nightly dump'; SELECT count(*) FROM med.note WHERE said <> '$value'");
	like($log, qr/LOG: +toms administrative access: table=med\.note verbs=select login=migration user=migration reason=nightly dump$/m,
		'a role with BYPASSRLS and its reason');
	is(count_lines($log, qr/toms administrative access/), 1, 'one line');
	$log = log_of('migration', "SET toms.reason = 'clean up'; BEGIN; DELETE FROM med.note WHERE said = '$value'; ROLLBACK");
	like($log, qr/table=med\.note verbs=select, delete login=migration user=migration reason=clean up$/m, 'also when it is rolled back');
	$log = log_of($admin, "SET toms.reason = 'ticket 12'; COPY med.note TO '/dev/null'; BEGIN; TRUNCATE med.note; ROLLBACK");
	is(count_lines($log, qr/table=med\.note verbs=.* login=\S+ user=\S+ reason=ticket 12$/m), 2, 'a superuser: COPY and TRUNCATE');
	$log = log_of($admin, "SET ROLE migration; SET toms.reason = 'as migration'; SELECT count(*) FROM med.note");
	like($log, qr/login=\Q$admin\E user=migration reason=as migration$/m, 'SET ROLE: who logged in and who acts');
	$log = log_of('migration', "SET toms.reason = E'two\\nlines of log: toms refused nothing'; SELECT count(*) FROM med.note");
	unlike($log, qr/^lines of log/m, 'a reason forges no line of the log');
};

subtest 'what no line may hold' => sub {
	$node->stop;
	my $log = slurp_file($node->logfile, $start);
	my %planted = ('subject id of the actor' => $subject, 'actor' => $actor, 'value of a row' => $value,
		'value of a refused statement' => $written);
	foreach my $text ($token, $forged, $expired, $stranger)
	{
		my ($header, $claims, $signature) = split /\./, $text;
		$planted{'claims of a token ' . substr($signature, 0, 4)} = $claims;
		$planted{'signature ' . substr($signature, 0, 4)} = substr($signature, 0, 40);
	}
	foreach my $key ("$dir/app.jwk", "$dir/other.jwk")
	{
		my $d = decode_json(slurp_file($key))->{d};
		$planted{"key $key"} = $d;
		$planted{"key $key in hex"} = unpack 'H*', decode_base64url($d);
	}
	foreach my $file (glob "$dir/keyring/*")
	{
		my $key = slurp_file($file);
		$key =~ s/\s+\z//;
		$planted{"keyring $file"} = $key;
		$planted{"keyring $file in hex"} = unpack 'H*', $key;
	}
	cmp_ok(length $log, '>', 5000, 'there is a log');
	foreach my $what (sort keys %planted)
	{
		my @lines = grep { index(lc $_, lc $planted{$what}) >= 0 } split /\n/, $log;
		is_deeply(\@lines, [], "no $what" =~ s/\Q$dir\E.//r);
	}
};

done_testing();
