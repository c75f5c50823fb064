# The glass is broken: at night, with nobody to approve, and a trail that may be what is out of order.
#
# The promise: it opens for a superuser whom the operating system vouches for on a Unix socket, for nobody else; that
# it was broken is durable in the trail and told by NOTIFY before anything is done, whatever becomes of the transaction; where the
# trail cannot take it in, it is in the server log and comes later; and an officer reviews it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys start_server);

my $dir = PostgreSQL::Test::Utils::tempdir();
my $admin = getpwuid($<);
new_keys($dir);
my $node = start_server('glass', $dir, "toms.seal_interval = '1d'\nlisten_addresses = '127.0.0.1'\n");
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
CREATE ROLE owner;
CREATE ROLE officer LOGIN;
CREATE ROLE other LOGIN SUPERUSER;
CREATE ROLE plain LOGIN;
SELECT toms.grant_officer('officer', 'auditor'), toms.grant_officer('$admin', 'admin');
CREATE SCHEMA med AUTHORIZATION owner;
SET ROLE owner;
CREATE TABLE med.note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer);
INSERT INTO med.note VALUES (1, 'acme', 17), (2, 'acme', 18);
RESET ROLE;
SELECT toms.protect('med.note', tenant => 'tenant', subject => 'employee', category => 'health');
ALTER SYSTEM SET toms.admin_approval = on;
SQL
unlink $node->data_dir . '/pg_hba.conf';
$node->append_conf('pg_hba.conf', "local all $admin peer\nlocal all all trust\nhost all all 127.0.0.1/32 trust\n");
$node->reload;

# What psql says, errors included.
sub says
{
	my ($statement, %with) = @_;
	my ($out, $err);
	$node->psql('postgres', $statement, stdout => \$out, stderr => \$err, on_error_stop => 0,
		extra_params => [ '-v', 'VERBOSITY=verbose', $with{user} ? ('-U', $with{user}) : (), ], connstr => ($with{host} ? "host=$with{host} port=" . $node->port . ' dbname=postgres' : $node->connstr('postgres')));
	return "$out\n$err";
}

my $read = 'SELECT count(*) FROM med.note;';
like(says("SET toms.reason = 'a reason'; $read"), qr/toms_admin_approval_missing/, 'there is nobody to approve');

subtest 'for whom it does not open' => sub {
	my %who = ('over TCP' => { host => '127.0.0.1' }, 'a superuser whom pg_hba.conf trusts' => { user => 'other' });
	like(says("SELECT toms.break_glass('night');", %{ $who{$_} }), qr/42501(.*\n)*.*toms_break_glass_refused/, $_) for sort keys %who;
	like(says("SELECT toms.break_glass('night');", user => 'plain'), qr/permission denied/, 'who is no superuser');
	$node->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION toms.break_glass(text) TO plain');
	like(says("SELECT toms.break_glass('night');", user => 'plain'), qr/toms_break_glass_refused/, 'and was let call it');
	like(says("SET SESSION AUTHORIZATION plain; SELECT toms.break_glass('night');"), qr/toms_break_glass_refused/, 'who is no superuser at the moment');
	like(says("SELECT toms.break_glass(' ');"), qr/22023/, 'without a reason');
	like(says($read), qr/toms_admin_approval_missing/, 'nothing is open');
};

my $entry;
subtest 'it opens' => sub {
	my $log = -s $node->logfile;
	my $said = says("LISTEN toms_break_glass; BEGIN; SELECT toms.break_glass('the payroll stands still'); $read ROLLBACK; $read SELECT pg_sleep(0.5); SELECT 1;");
	($entry) = $said =~ /^(\d{9,})$/m;
	ok($entry, 'it returns its entry');
	is((() = $said =~ /^2$/mg), 2, 'it is open, after ROLLBACK too');
	like($said, qr/Asynchronous notification "toms_break_glass" with payload "$entry" received/, 'who listens is told');
	like(slurp_file($node->logfile, $log), qr/WARNING:.*the glass is broken(.*\n)*?.*DETAIL:.*log-in "\Q$admin\E", reason: the payroll stands still/, 'and the server log tells');
	like(says($read), qr/toms_admin_approval_missing/, 'another connection has nothing of it');
	is($node->safe_psql('postgres', q{SELECT FROM toms.seal_audit(); SELECT string_agg(toms.audit_kind(kind, verb), ',' ORDER BY id) FROM toms.audit_entry
		WHERE kind = 'a' AND verb IN ('B', 'A', 'Z') AND id >= } . $entry), 'break_glass,admin_access,close_admin_session', 'the entry is the first one');
};

subtest 'its review' => sub {
	my $uses = "SELECT entry, login, reason, review_due - at, reviewed_by, result, overdue FROM toms.break_glass_uses WHERE entry = $entry;";
	is($node->safe_psql('postgres', $uses), "$entry|$admin|the payroll stands still|3 days||f" =~ s/\|\|f/|||f/r, 'is due');
	like(says("SELECT toms.review_break_glass($entry, 'all well');"), qr/who broke the glass does not review it/, 'not by who broke it');
	like(says("SELECT toms.review_break_glass($entry, 'all well');", user => 'other'), qr/toms_officer_required/, 'nor by who is no officer');
	like(says('SELECT toms.review_break_glass(1, \'all well\');', user => 'officer'), qr/42704/, 'nor of what was not broken');
	like(says("SELECT toms.review_break_glass($entry, '');", user => 'officer'), qr/22023/, 'nor without a result');
	unlike(says("SELECT toms.review_break_glass($entry, 'payroll mended, one table read');", user => 'officer'), qr/ERROR/, 'but by another officer');
	is($node->safe_psql('postgres', $uses), "$entry|$admin|the payroll stands still|3 days|officer|payroll mended, one table read|f", 'and is on record');
	like(says("SELECT toms.review_break_glass($entry, 'again');", user => 'officer'), qr/55000/, 'once');
	like(says('DELETE FROM toms.break_glass_review;'), qr/toms_trail_append_only/, 'for good');
};

subtest 'storage of the trail can be mended' => sub {
	my $mend = "CREATE INDEX mended ON toms.audit_change_default (at); ALTER TABLE toms.audit_change_default SET (fillfactor = 90); DROP INDEX toms.mended;";
	like(says($mend), qr/toms_trail_append_only/, 'not otherwise');
	unlike(says("SELECT toms.break_glass('an index'); $mend"), qr/ERROR/, 'with the glass broken');
	like(says("SELECT toms.break_glass('entries'); $_"), qr/toms_trail_append_only/, "but not: $_")
		for 'DELETE FROM toms.audit_change;', 'DROP TABLE toms.audit_change_default;', 'CREATE UNIQUE INDEX one ON toms.audit_change_default ((1));',
		'ALTER TABLE toms.audit_change_default ADD CHECK (false);', 'TRUNCATE toms.audit_change;';
};

subtest 'when the trail cannot take it in' => sub {
	my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'toms %' AND backend_type <> 'toms launcher' AND datname = 'postgres'} . q{ ORDER BY 1});
	my @workers = split /\n/, $pid;
	kill 'STOP', @workers;
	my $log = -s $node->logfile;
	my $said = says("SELECT toms.break_glass('the writer hangs'); $read");
	($entry) = $said =~ /^(\d{9,})$/m;
	like($said, qr/^2$/m, 'it opens, and what is read does not wait for it');
	like(slurp_file($node->logfile, $log), qr/WARNING:.*the glass is broken(.*\n)*.*toms event: kind=a verb=B(.*\n)*.*toms event: kind=a verb=A.*table=med\.note/, 'all of it is in the server log');
	kill 'CONT', @workers;
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM toms.break_glass_uses WHERE entry = $entry"), 'and in the trail as soon as that can');
};

done_testing();
