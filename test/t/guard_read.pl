# A read is in the audit trail whatever becomes of who reads: of his cursor, his transaction, his
# session, his backend, the server; and beside other modules that look at statements.
#
# app.illness is read strictly (health data), app.plan is not.  How many rows came of a statement
# is in its entry, or in one after it that refers to it.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use CrashTest;
use IO::Socket::UNIX;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use TomsTest qw(new_keys mint start_server);

my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('read', $dir, "restart_after_crash = on\ntoms.clock_leeway = 0\n");
my $admin = getpwuid($<);
sub sql { return $node->safe_psql('postgres', $_[0]) }

sql(<<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
CREATE ROLE hr;
CREATE ROLE job LOGIN IN ROLE hr;
SELECT toms.allow_enter('job', '{acme}', '{hr}');
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO PUBLIC;
CREATE TABLE app.illness (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL);
INSERT INTO app.illness SELECT i, 'acme', i FROM generate_series(1, 9) i;
CREATE TABLE app.plan (id integer PRIMARY KEY, tenant text NOT NULL);
INSERT INTO app.plan SELECT i, 'acme' FROM generate_series(1, 9) i;
SELECT toms.protect('app.illness', tenant => 'tenant', subject => 'employee', category => 'health'), toms.protect('app.plan', tenant => 'tenant');
SELECT toms.permit('hr', r, '{select}', '{absence_management}', 'tenant') FROM unnest('{app.illness,app.plan}'::regclass[]) r;
SQL

# What the trail holds since an entry: "read app.illness 3" in order, with names for other kinds.
sub last_entry
{
	sql('SELECT toms.seal_audit()');
	return sql('SELECT coalesce(max(id), 0) FROM toms.audit_entry');
}

sub entries
{
	my ($since) = @_;
	sql('SELECT toms.seal_audit()');
	return sql(<<"SQL");
WITH e AS (SELECT id, kind, verb, object, convert_from(payload, 'UTF8')::jsonb AS said FROM toms.audit_entry
           WHERE id > $since AND kind IN ('r', 'x') AND key IS NULL AND verb <> 'a')
SELECT string_agg(concat_ws(' ', CASE verb WHEN 's' THEN 'read' WHEN 'e' THEN 'exported' WHEN 'r' THEN 'refused ' || (e.said ->> 'refused') ELSE verb::text END,
                            (SELECT convert_from(o.payload, 'UTF8')::jsonb ->> 'relation' FROM toms.audit_entry o WHERE o.id = e.object),
                            e.said ->> 'claims',
                            coalesce((e.said ->> 'rows')::bigint, (SELECT sum((n.said ->> 'rows')::bigint) FROM e n WHERE n.said ->> 'of' = e.id::text))), ', ' ORDER BY id)
FROM e WHERE verb <> 'n';
SQL
}

my $enter = q{SELECT toms.enter('acme', '90', 'hr', 'absence_management');};

# A session of the job's that runs the SQL and stays; its process.
sub session
{
	my ($statements) = @_;
	my $session = { in => "SELECT 'pid ' || pg_backend_pid();\n$statements\n\\echo ready\n", out => '', err => '' };
	$session->{run} = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-U', 'job', '-d', 'postgres' ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err}, IPC::Run::timeout(180));
	$session->{run}->pump until $session->{out} =~ /ready/;
	($session->{pid}) = $session->{out} =~ /^pid (\d+)$/m;
	return $session;
}

sub leave
{
	my ($session) = @_;
	$session->{in} .= "\\q\n";
	eval { $session->{run}->finish };       # it may be gone already
	return $session->{out};
}

# That its backend is gone, and has told what it had to tell.
sub gone { return $node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $_[0])") }


subtest 'cursors, errors, terminated sessions' => sub {
	for my $table ('illness', 'plan')
	{
		my $since = last_entry();
		my $session = session("BEGIN; $enter DECLARE c CURSOR FOR SELECT id FROM app.$table; FETCH 3 FROM c;");
		leave($session);
		gone($session->{pid});
		is(entries($since), "read app.$table 3", "$table: cursor stopped half-way, session gone");

		$since = last_entry();
		$session = session("BEGIN; $enter DECLARE c CURSOR FOR SELECT id FROM app.$table; FETCH 3 FROM c; FETCH 1 FROM c;");
		sql("SELECT pg_terminate_backend($session->{pid})");
		gone($session->{pid});
		is(entries($since), "read app.$table 4", "$table: cursor stopped half-way, session terminated");
		leave($session);

		$since = last_entry();
		$session = session("\\set ON_ERROR_STOP off\nBEGIN; $enter SET statement_timeout = '300ms';\n"
			  . "SELECT id, CASE WHEN id = 3 THEN pg_sleep(60) END FROM app.$table;\n");
		like($session->{err}, qr/statement timeout/, "$table: the statement runs out of time");
		is(entries($since), "read app.$table 2", "$table: statement timeout");
		leave($session);

		$since = last_entry();
		$session = session("BEGIN; $enter SELECT 1 / (id - 5) FROM app.$table;");
		like($session->{err}, qr/division by zero/, "$table: the statement fails");
		is(entries($since), "read app.$table 4", "$table: failed statement");
		leave($session);
	}
};

# The protocol, as far as it takes to suspend a portal.
sub dial
{
	my $socket = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port) or die "socket: $!";
	my $startup = pack('N', 196608) . join("\0", user => 'job', database => 'postgres', '') . "\0";
	$socket->print(pack('N', 4 + length $startup) . $startup);
	$socket->flush;
	return $socket;
}

sub post
{
	my ($socket, @messages) = @_;
	$socket->print($_->[0] . pack('N', 4 + length $_->[1]) . $_->[1]) for @messages;
	$socket->flush;
	return;
}

# Types of messages up to one of a type that ends an answer; the process with a BackendKeyData.
sub hear
{
	my ($socket, $end) = @_;
	my ($types, $pid) = ('', undef);
	while ($types !~ /$end$/)
	{
		read($socket, my $head, 5) == 5 or die "the server is gone after \"$types\"";
		my ($type, $length) = unpack('a N', $head);
		read($socket, my $body, $length - 4) if $length > 4;
		$pid = unpack('N', $body) if $type eq 'K';
		$types .= $type;
	}
	return ($types, $pid);
}

# Reads two rows of a portal and leaves it suspended.
sub suspend
{
	my ($table) = @_;
	my $socket = dial();
	my (undef, $pid) = hear($socket, 'Z');
	post($socket, [ Q => "BEGIN; $enter\0" ]);
	hear($socket, 'Z');
	post($socket, [ P => "\0SELECT id FROM app.$table\0" . pack('n', 0) ], [ B => "\0\0" . pack('n n n', 0, 0, 0) ],
		[ E => "\0" . pack('N', 2) ], [ H => '' ]);
	my ($types) = hear($socket, 's');
	is($types, '12DDs', "$table: two rows, and the portal is suspended");
	return ($socket, $pid);
}

subtest 'suspended portals' => sub {
	for my $table ('illness', 'plan')
	{
		my $since = last_entry();
		my ($socket, $pid) = suspend($table);
		is(entries($since), "read app.$table", "$table: the read is there while the portal is suspended");
		post($socket, [ E => "\0" . pack('N', 3) ], [ H => '' ]);
		is((hear($socket, 's'))[0], 'DDDs', "$table: three rows more");
		close $socket;
		gone($pid);
		is(entries($since), "read app.$table 5", "$table: the client has hung up");

		$since = last_entry();
		($socket, $pid) = suspend($table);
		post($socket, [ S => '' ], [ Q => "ROLLBACK\0" ]);
		hear($socket, 'Z');
		hear($socket, 'Z');
		is(entries($since), "read app.$table 2", "$table: rolled back");
		close $socket;
	}
};

subtest 'crashes' => sub {
	my $since = last_entry();
	my ($socket, $pid) = suspend('illness');
	kill KILL => $pid;
	usleep 500_000;
	answers($node);
	is(entries($since), 'read app.illness', 'kill -9 of the backend after rows have left: the strict read is there');

	$since = last_entry();
	($socket, $pid) = suspend('illness');
	$node->stop('immediate');
	$node->start;
	is(entries($since), 'read app.illness', 'kill -9 of the server after rows have left: the strict read is there');
};

subtest 'refused tokens, and dumps' => sub {
	my $since = last_entry();
	my $forged = mint($dir, key => 'other');
	my $session = session("BEGIN; SET LOCAL toms.token = '$forged';");
	like(entries($since), qr/^refused toms_token_\w+$/, 'a forged token: what it claims is not repeated');
	leave($session);

	$since = last_entry();
	my $short = mint($dir, exp => time + 2, sub => '731907319');
	$session = session("BEGIN; SET LOCAL toms.token = '$short'; SAVEPOINT s; SELECT pg_sleep(3); SELECT id FROM app.plan; ROLLBACK;");
	is(entries($since), 'refused toms_context_expired app.plan tenant=acme role=hr purpose=-',
		'a token that has expired: what it claimed, and not for whom');
	leave($session);

	$since = last_entry();
	local $ENV{PGOPTIONS} = '-c toms.reason=nightly';
	$node->command_ok([ 'pg_dump', '-f', "$dir/dump.sql", '-d', $node->connstr('postgres') ], 'a dump');
	delete $ENV{PGOPTIONS};
	my $told = entries($since);
	like($told, qr/exported app.illness 9/, 'a dump is an export of each table');
	like($told, qr/exported app.plan 9/, 'also of one that is not read strictly');
	like(slurp_file("$dir/dump.sql"), qr/SECURITY LABEL FOR toms ON TABLE app.illness IS 'category=health/, 'how a table is read comes with its label');
};

# One statement, beside other modules; returns the fingerprint that the trail has.
sub fingerprint
{
	my ($name) = @_;
	my $since = last_entry();
	leave(session("BEGIN; $enter SELECT id AS planted FROM app.plan WHERE id = 4711; COMMIT;"));
	is(entries($since), 'read app.plan 0', "$name: the read is in the trail, once");
	return sql("SELECT convert_from(payload, 'UTF8')::jsonb ->> 'fingerprint' FROM toms.audit_entry WHERE id > $since AND kind = 'r' AND verb = 's'");
}

sub installed { return -e "$_[0]" }

subtest 'beside other modules' => sub {
	my $lib = `pg_config --pkglibdir`;
	chomp $lib;
	my $alone = fingerprint('alone');
	like($alone, qr/^[0-9a-f]{16}$/, 'alone: with a fingerprint');
	for my $module ('pg_stat_statements', 'auto_explain', 'pgaudit', 'pg_cron')
	{
	  SKIP:
		for my $libraries ("toms,$module", "$module,toms")
		{
			skip "$module is not installed", 1 unless installed("$lib/$module.so");
			my $start = -s $node->logfile;
			$node->append_conf('postgresql.conf', "shared_preload_libraries = '$libraries'\nauto_explain.log_min_duration = 0\n"
				  . "auto_explain.log_verbose = on\npgaudit.log = read\npgaudit.log_catalog = off\n");
			$node->restart;
			sql("CREATE EXTENSION IF NOT EXISTS $module") if $module =~ /stat|audit/;
			is(fingerprint($libraries), $alone, "$libraries: the same fingerprint");
			my $log = slurp_file($node->logfile, $start);
			my $number = unpack('q>', pack('H16', $alone));
			is(sql("SELECT string_agg(query || ' ' || calls, ',') FROM pg_stat_statements WHERE queryid = $number"),
				'SELECT id AS planted FROM app.plan WHERE id = $1 1', "$libraries: it counts the statement, without its literal")
			  if $module eq 'pg_stat_statements';
			sql('SELECT pg_stat_statements_reset()') if $module eq 'pg_stat_statements';
			like($log, qr/plan:\s+Query Text: SELECT id AS planted/, "$libraries: it logs the plan") if $module eq 'auto_explain';
			like($log, qr/AUDIT: SESSION.*planted/, "$libraries: it logs the statement") if $module eq 'pgaudit';
		}
	}
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'toms'\ncompute_query_id = off\n");
	$node->restart;
	is(fingerprint('compute_query_id = off'), '', 'where query ids are switched off there is no fingerprint');
};

done_testing();
