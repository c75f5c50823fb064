# Administrative sessions between several connections: programs that state their reason as a start-up option,
# approval by another officer (toms.admin_approval), what ends with a connection that is cut off, and settings that
# somebody has changed in a file.
#
# The promise: with toms.admin_approval on nobody reaches a protected table past its policies alone: neither by
# a stated reason, nor by approving himself under another role; who waits too long, is refused or goes away has not
# got in, and all of it is in the trail.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys start_server);

my $dir = PostgreSQL::Test::Utils::tempdir();
my $admin = getpwuid($<);
new_keys($dir);
my $node = start_server('admin', $dir, "toms.seal_interval = '1d'\n");
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
CREATE ROLE owner;
CREATE ROLE migration LOGIN BYPASSRLS;
CREATE ROLE officer LOGIN;
CREATE ROLE carla LOGIN BYPASSRLS;
CREATE ROLE nobody LOGIN;
SELECT toms.grant_officer('officer', 'auditor'), toms.grant_officer('carla', 'admin');
CREATE SCHEMA med AUTHORIZATION owner;
GRANT USAGE ON SCHEMA med TO PUBLIC;
SET ROLE owner;
CREATE TABLE med.note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer);
INSERT INTO med.note VALUES (1, 'acme', 17), (2, 'acme', 18);
GRANT ALL ON med.note TO migration, carla;
RESET ROLE;
SELECT toms.protect('med.note', tenant => 'tenant', subject => 'employee');
SQL

# What administrators did since, as "kind details".
sub told
{
	my ($since) = @_;
	return $node->safe_psql('postgres', qq{SELECT FROM toms.seal_audit(); SELECT toms.audit_kind(kind, verb), convert_from(payload, 'UTF8')
		FROM toms.audit_entry WHERE kind = 'a' AND id > $since ORDER BY id});
}

sub mark { return $node->safe_psql('postgres', 'SELECT FROM toms.seal_audit(); SELECT max(id) FROM toms.audit_entry') }

# A connection of its own; ask() returns what it says to a statement, errors included.
sub connection
{
	my ($user) = @_;
	my $it = { in => '', out => '' };
	$it->{run} = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-U', $user, '-d', 'postgres' ],
		'<', \$it->{in}, '>', \$it->{out}, '2>', \$it->{out}, IPC::Run::timeout(120));
	ask($it, '\set VERBOSITY verbose');
	return $it;
}

sub ask
{
	my ($it, $statement) = @_;
	$it->{out} = '';
	$it->{in} .= "$statement\n\\echo =done=\n\\warn =done=\n";
	$it->{run}->pump until (() = $it->{out} =~ /=done=/g) == 2;
	return $it->{out} =~ s/=done=\n?//gr =~ s/^\n//gmr;
}

sub leave
{
	my ($it) = @_;
	$it->{in} .= "\\q\n";
	eval { $it->{run}->finish };
	return;
}

sub one { my ($user, $statement) = @_; my $it = connection($user); my $said = ask($it, $statement); leave($it); return $said }

sub set
{
	my ($name, $value) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET $name = '$value'");
	$node->reload;
	return ok($node->poll_query_until('postgres', "SELECT setting = '$value' OR current_setting('$name') = '$value' FROM pg_settings WHERE name = '$name'"), "$name = $value");
}

my $read = 'SELECT count(*) FROM med.note;';

subtest 'a program states its reason when it connects' => sub {
	my $mark = mark();
	local $ENV{PGOPTIONS} = '-c toms.reason=nightly\ dump';
	is(one('migration', $read), "2\n", 'and reads');
	delete $ENV{PGOPTIONS};
	my $told = told($mark);
	like($told, qr/^open_admin_session\|\{"by":"toms.reason","reason":"nightly dump"\}\nadmin_access\|\{"verbs":"select"\}\nclose_admin_session\|.*"ended":"connection".*"tables":\["med.note"\]/,
		'its session is told from begin to end');
};

subtest 'a connection that is cut off' => sub {
	my $mark = mark();
	my $it = connection('migration');
	my $pid = ask($it, 'SELECT pg_backend_pid();') + 0;
	like(ask($it, "SELECT toms.open_admin_session('Ada', 'T-1', 'repair') > 0; BEGIN; $read"), qr/^t\n2\n/, 'reads');
	is($node->safe_psql('postgres', "SELECT login, kind, person, state FROM toms.admin_sessions WHERE pid = $pid"), 'migration|opened|Ada|open', 'its session is listed');
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 10000)");
	leave($it);
	like(told($mark), qr/close_admin_session\|.*"ended":"connection"/, 'the end of its session is told');
	is($node->safe_psql('postgres', "SELECT count(*) FROM toms.admin_sessions WHERE pid = $pid"), '0', 'and it is not listed any more');
};

subtest 'four eyes' => sub {
	set('toms.admin_approval', 'on');
	my $mark = mark();
	my $it = connection('migration');
	like(ask($it, "SET toms.reason = 'a reason'; $read"), qr/42501.*\n.*\n.*open_admin_session.*\n(.*\n)*CONSTRAINT NAME: +toms_admin_approval_missing/, 'a reason is not enough');
	my $asked = ask($it, "SELECT toms.open_admin_session('Ada', 'T-2', 'repair');");
	like($asked, qr/NOTICE: .*waits for its approval\nHINT: .*within 15 min: SELECT toms\.approve_admin_session\(\d+\);/, 'who asks is told how it goes on');
	my ($id) = $asked =~ /^(\d+)$/m;
	like(ask($it, $read), qr/Session $id waits for it.*\nHINT: .*approve_admin_session\($id\)/, 'and waits');
	is($node->safe_psql('postgres', 'SELECT id, login, person, ticket, state, approved_by IS NULL FROM toms.admin_sessions'), "$id|migration|Ada|T-2|asked|t", 'it is listed');
	like(one('nobody', "SELECT toms.approve_admin_session($id);"), qr/permission denied/, 'who is no officer does not approve');
	like(one($admin, "SELECT toms.approve_admin_session($id);"), qr/toms_officer_required/, 'nor a superuser who is none');
	like(one($admin, "SET SESSION AUTHORIZATION officer; SELECT toms.approve_admin_session($id);"), qr/toms_officer_required/, 'nor as an officer that he has made of himself');
	like(one('officer', 'SELECT toms.approve_admin_session(1);'), qr/toms_admin_approval_refused/, 'nor what nobody asks for');
	is(one('officer', "SELECT toms.approve_admin_session($id);"), '', 'an officer does');
	is(ask($it, $read), "2\n", 'and it is open');
	is($node->safe_psql('postgres', 'SELECT state, approved_by FROM toms.admin_sessions'), 'open|officer', 'as is listed');
	like(one('officer', "SELECT toms.approve_admin_session($id);"), qr/toms_admin_approval_refused/, 'once');
	leave($it);
	my $told = told($mark);
	like($told, qr/open_admin_session\|.*"state":"asked"/, 'asking is told');
	like($told, qr/approve_admin_session\|\{"session":$id,"answer":"approved","asked_by":"migration","person":"Ada"\}/, 'and approving');
};

subtest 'nobody approves himself' => sub {
	my $it = connection('carla');
	my ($id) = ask($it, "SELECT toms.open_admin_session('Carla', 'T-3', 'alone');") =~ /^(\d+)$/m;
	like(ask($it, "SELECT toms.approve_admin_session($id);"), qr/toms_admin_approval_refused/, 'in the same connection');
	like(one('carla', "SELECT toms.approve_admin_session($id);"), qr/toms_admin_approval_refused/, 'nor in another one');
	like(ask($it, $read), qr/toms_admin_approval_missing/, 'it stays closed');
	leave($it);
	$it = connection('migration');
	($id) = ask($it, "SELECT toms.open_admin_session('carla', 'T-3', 'under another log-in');") =~ /^(\d+)$/m;
	like(one('carla', "SELECT toms.approve_admin_session($id);"), qr/toms_admin_approval_refused/, 'nor under another log-in');
	leave($it);
};

subtest 'refused, and too late' => sub {
	my $mark = mark();
	my $it = connection('migration');
	my ($id) = ask($it, "SELECT toms.open_admin_session('Ada', 'T-4', 'why not');") =~ /^(\d+)$/m;
	is(one('officer', "SELECT toms.refuse_admin_session($id, 'no ticket of that number');"), '', 'an officer refuses');
	like(ask($it, $read), qr/toms_admin_approval_missing/, 'it stays closed');
	like(one('officer', "SELECT toms.approve_admin_session($id);"), qr/toms_admin_approval_refused/, 'for good');
	set('toms.admin_approval_timeout', '1s');
	($id) = ask($it, "SELECT toms.open_admin_session('Ada', 'T-5', 'nobody is there');") =~ /^(\d+)$/m;
	sleep 2;
	like(one('officer', "SELECT toms.approve_admin_session($id);"), qr/toms_admin_approval_refused/, 'after its time nobody approves');
	like(ask($it, $read), qr/toms_admin_approval_missing/, 'it stays closed');
	leave($it);
	like(told($mark), qr/"answer":"refused".*"why":"no ticket of that number".*\n(.*\n)*close_admin_session\|.*"ended":"refused".*\n(.*\n)*close_admin_session\|.*"ended":"expired"/, 'both are told');
	set('toms.admin_approval', 'off');
};

subtest 'its time is over' => sub {
	set('toms.admin_session_timeout', '1s');
	my $it = connection('migration');
	is(ask($it, "SELECT toms.open_admin_session('Ada', 'T-6', 'short') > 0; $read"), "t\n2\n", 'it is open');
	sleep 2;
	like(ask($it, $read), qr/toms_reason_missing/, 'and then it is not');
	leave($it);
};

subtest 'settings' => sub {
	my $mark = mark();
	$node->append_conf('postgresql.conf', "log_statement = 'ddl'\nsynchronous_commit = local\nrestore_command = 'fetch --password hunter2'\n");
	$node->reload;
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM toms.audit_setting WHERE setting = 'log_statement' AND value = 'ddl'}), 'the worker sees them');
	my $told = told($mark);
	like($told, qr/^setting\|\{"setting":"log_statement","old":"all","new":"ddl"\}$/m, 'a file that somebody has edited');
	like($told, qr/^setting\|\{"setting":"synchronous_commit","new":"local"\}$/m, 'also of what the worker has set for itself');
	like($told, qr/^setting\|\{"setting":"restore_command","old":"changed","new":"changed"\}$/m, 'commands are not told');
	unlike($told, qr/hunter2/, 'nor what is in them');
	$mark = mark();
	$node->safe_psql('postgres', 'ALTER SYSTEM SET fsync = on');
	like(told($mark), qr/^setting\|\{"command":"ALTER SYSTEM","setting":"fsync","new":"on"\}$/m, 'who tries, before it is in force');
	$mark = mark();
	$node->restart;
	ok($node->poll_query_until('postgres', q{SELECT value = 'on' FROM toms.audit_setting WHERE setting = 'fsync'}), 'it is in force');
	like(told($mark), qr/^setting\|\{"setting":"fsync","old":"off","new":"on"\}$/m, 'and told then, too');
	unlike(told($mark), qr/log_statement/, 'what has not changed is not told again');
};

done_testing();
