# kill -9 of the worker at 50 moments of a run: nothing is ever half done, nothing is lost that is not due, and the run
# comes to its end; compared with what the test itself knows of the rows.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $kills = 50;
my $due = 30_000;
my $node = sealed_server('crash', keyring(), settings => "toms.retention_interval = 1s\ntoms.retention_limit = -1\n"
	. "toms.retention_batch = 5\nautovacuum = off\nrestart_after_crash = on\nlog_min_messages = warning\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');

sub sql { return $node->safe_psql('app', "SET client_min_messages = warning; SET toms.reason = 'test'; $_[0]") }

# Every message has two lines, which go with it. Every third is due; every thirtieth is of somebody whose rows are held.
sql(qq{
	CREATE SCHEMA work AUTHORIZATION owner;
	GRANT USAGE ON SCHEMA work TO hr;
	SET SESSION AUTHORIZATION owner;
	CREATE TABLE work.message (id integer PRIMARY KEY, tenant text NOT NULL, person integer NOT NULL, at timestamptz, body toms.sealed_text);
	CREATE TABLE work.line (id integer PRIMARY KEY, tenant text NOT NULL, message integer NOT NULL REFERENCES work.message ON DELETE CASCADE);
	CREATE INDEX ON work.line (message);
	RESET SESSION AUTHORIZATION;
	INSERT INTO work.message SELECT n, CASE n % 2 WHEN 0 THEN 'acme' ELSE 'globex' END, n % 30, now() - CASE n % 3 WHEN 0 THEN interval '20 days' ELSE interval '1 day' END
	FROM generate_series(1, 3 * $due) n;
	INSERT INTO work.line SELECT 2 * m.id + l, m.tenant, m.id FROM work.message m, generate_series(0, 1) l;
	ANALYZE work.message, work.line;
	SELECT toms.protect('work.message', tenant => 'tenant', subject => 'person'), toms.protect('work.line', tenant => 'tenant');
	SELECT toms.hold(tenant => 'acme', subject => '0', relation => 'work.message', reason => 'test');
});
my $rule = sql(q{SELECT toms.retain('work.message', keep => '10 days', since => 'at', basis => 'test', zone => 'UTC')});

# What must be so at every moment.
my $faults = q{
	SELECT concat_ws(' ',
		(SELECT count(*) FROM generate_series(1, 90000) n LEFT JOIN work.message m ON m.id = n WHERE (n % 3 <> 0 OR n % 30 = 0) AND m.id IS NULL),
		(SELECT count(*) FROM work.message m WHERE (SELECT count(*) FROM work.line l WHERE l.message = m.id) <> 2),
		(SELECT count(*) FROM work.line l WHERE NOT EXISTS (SELECT FROM work.message m WHERE m.id = l.message)))};
my $left = q{SELECT count(*) FROM work.message WHERE id % 3 = 0 AND id % 30 <> 0};
my $gone = q{SELECT 90000 - count(*) FROM work.message};
my $told = qq{SELECT coalesce(sum(rows), 0) FROM toms.deletion_log WHERE rule = $rule};

sub counted { return sql(qq{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT ($gone) = ($told), ($told) = (SELECT coalesce(sum((cascaded ->> 'work.line')::bigint), 0) / 2 FROM toms.deletion_log WHERE rule = $rule)}) }

my ($done, $wrong) = (0, 0);
my @seen;
usleep(20_000) while sql($left) eq '27000';     # it has begun
while ($done < $kills)
{
	my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms retention'});
	if ($pid eq '')
	{
		usleep(20_000);
		next;
	}
	usleep(rand(300_000));
	my $offset = -s $node->logfile;
	next if !kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	answers($node);
	$done++;
	$wrong++ if sql($faults) ne '0 0 0';
	$wrong++ if $done % 10 == 0 && counted() ne 't|t';
	push @seen, sql($left);
}
is($done, $kills, "$kills times kill -9 of the worker");
is($wrong, 0, 'at none of these moments anything was half done, lost or told wrongly');
cmp_ok($seen[-1], '<', $seen[0], 'each time it went on') or diag "@seen";
cmp_ok($seen[-1], '>', 0, 'and was not at its end yet') or diag "@seen";
$node->safe_psql('postgres', $_) for q{ALTER SYSTEM SET toms.retention_batch = 10000}, 'SELECT pg_reload_conf()';
my $till = time + 120;
usleep(200_000) while sql($left) ne '0' && time < $till;
is(sql($left), '0', 'it comes to its end');
is(sql($faults), '0 0 0', 'as the model says');
is(counted(), 't|t', 'the deletion log has each row once, and those that went with them');
is(sql('SELECT count(*) FROM toms.verify_audit()'), '0', 'the trail is whole');

done_testing();
