# The end of a contract, carried out by the worker of a database that has no rules of retention at all: with kill -9 at 50
# moments it comes to its end, nothing of the tenant is left in a dump but what says so, and other tenants are as they were.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use CrashTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $kills = $ENV{TOMS_KILLS} // 50;
my $persons = 50 * $kills;
my $dir = PostgreSQL::Test::Utils::tempdir();
my $outside = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $outside or die;
my $verify = -x "$FindBin::RealBin/../../src/bin/verify/toms-verify" ? "$FindBin::RealBin/../../src/bin/verify/toms-verify" : 'toms-verify';
my $node = sealed_server('tenant_end', keyring(), settings => "toms.outside = '$outside'\ntoms.retention_interval = 1s\ntoms.retention_batch = 100\n"
	. "toms.retention_duty = 10\nautovacuum = off\nrestart_after_crash = on\nlog_min_messages = warning\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');

sub sql { return $node->safe_psql('app', "SET client_min_messages = warning; SET toms.reason = 'test'; $_[0]") }
sub worker { return $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms retention' AND datname = 'app'}) }
sub state { return sql(q{SELECT concat_ws(' ', state, problem) FROM toms.tenant_end WHERE tenant = 'acme'}) }

sub dump_of
{
	my ($file) = @_;
	my ($ok, undef, $err) = program($node, 'pg_dump', '-f', "$dir/$file", 'app');
	ok($ok, "$file is dumped") or diag $err;
	open my $fh, '<', "$dir/$file" or die "$file: $!";
	return <$fh>;
}

# Every person has five files with two notes each; both tenants have the same ones. What acme's are called tells whose they are.
sql(qq{
	CREATE SCHEMA work AUTHORIZATION owner;
	GRANT USAGE ON SCHEMA work TO hr;
	SET SESSION AUTHORIZATION owner;
	CREATE TABLE work.person (tenant text NOT NULL, id text NOT NULL, name text, boss text, PRIMARY KEY (tenant, id), FOREIGN KEY (tenant, boss) REFERENCES work.person);
	CREATE TABLE work.file (id integer PRIMARY KEY, tenant text NOT NULL, person text NOT NULL, said toms.sealed_text, FOREIGN KEY (tenant, person) REFERENCES work.person);
	CREATE TABLE work.note (id integer, file integer REFERENCES work.file ON DELETE CASCADE, day date NOT NULL, body text) PARTITION BY RANGE (day);
	CREATE TABLE work.note_1 PARTITION OF work.note FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
	CREATE TABLE work.note_2 PARTITION OF work.note DEFAULT;
	CREATE INDEX ON work.file (tenant, person);
	CREATE INDEX ON work.note (file);
	CREATE INDEX ON work.person (tenant, boss);
	GRANT ALL ON ALL TABLES IN SCHEMA work TO hr;
	RESET SESSION AUTHORIZATION;
	SELECT toms.protect('work.person', tenant => 'tenant', subject => 'id'), toms.protect('work.file', tenant => 'tenant', subject => 'person'),
		toms.protect('work.note', parent => 'work.file', parent_key => 'file');
	SELECT toms.permit('hr', t, '{select,insert,update,delete}', '{absence_management}', 'tenant') FROM unnest('{work.person,work.file,work.note}'::regclass[]) t;
});

sub rows_of
{
	my ($tenant, $first) = @_;
	return as_tenant($node, 'app', $tenant, qq{
		INSERT INTO work.person SELECT '$tenant', '$tenant-person-' || n, '$tenant-name-' || n, CASE WHEN n > 1 THEN '$tenant-person-' || n / 2 END FROM generate_series(1, $persons) n;
		INSERT INTO work.file SELECT $first + n, '$tenant', '$tenant-person-' || 1 + n % $persons, '$tenant-said-' || n FROM generate_series(1, 5 * $persons) n;
		INSERT INTO work.note SELECT n, $first + 1 + n % (5 * $persons), date '2025-07-01' + n % 365, '$tenant-body-' || n FROM generate_series(1, 10 * $persons) n});
}
is(rows_of('acme', 0) . rows_of('globex', 100_000), '', 'rows of two tenants');
fill($node, 'app');
is(sql(q{SELECT count(*) FROM toms.retention_rule}) . worker(), '0', 'there is no rule, and no worker');
is(scalar(grep { /acme-body-17$/ } dump_of('before')), 1, 'the dump has rows of the tenant');

# What must be so at every moment: no row of the other tenant has gone, and no row refers to one that has.
my $left = q{SELECT (SELECT count(*) FROM work.person WHERE tenant = 'acme') + (SELECT count(*) FROM work.file WHERE tenant = 'acme') + (SELECT count(*) FROM work.note WHERE body LIKE 'acme%')};
my $faults = qq{SELECT concat_ws(' ', (SELECT count(*) FROM work.person WHERE tenant = 'globex') = $persons, (SELECT count(*) FROM work.file WHERE tenant = 'globex') = 5 * $persons,
	(SELECT count(*) FROM work.note WHERE body LIKE 'globex%') = 10 * $persons, (SELECT count(*) FROM work.file f WHERE NOT EXISTS (SELECT FROM work.person p WHERE p.id = f.person)),
	(SELECT count(*) FROM work.note n WHERE NOT EXISTS (SELECT FROM work.file f WHERE f.id = n.file)))};
my $whole = 't t t 0 0';
my $all = 16 * $persons;

# A worker comes with the announcement.  Somebody has begun to write before the window closes, and goes on.

sql(q{SELECT toms.adopt_agreement('acme', 'dpa', '1', '2026-01-01', '{T-11.2}'), toms.declare_backup_tier('daily', '1 day', '2 months')});
sql(q{SELECT toms.end_tenant('acme', ends_at => now(), notified_at => now(), basis => 'agreement')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'toms retention' AND datname = 'app'}), 'a worker comes');
usleep(2_500_000);
is(sql($left) . ' ' . state(), "$all announced", 'it deletes nothing while the window is open');

my $token = token('acme');
my ($in, $out, $err) = ("BEGIN;\nSET LOCAL toms.token = '$token';\nINSERT INTO work.person VALUES ('acme', 'acme-person-late', 'acme-name-late');\nSELECT 'written';\n", '', '');
my $writer = IPC::Run::start([ 'psql', '-XAtq', '-U', 'app', '-d', $node->connstr('app') ], '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
$writer->pump until $out =~ /written/;
sql(q{UPDATE toms.tenant_end SET opens_at = now() - interval '31 days', closes_at = now() - interval '1 day' WHERE tenant = 'acme'});
ok($node->poll_query_until('app', q{SELECT state = 'erasing' AND problem LIKE 'transactions go on%' FROM toms.tenant_end}), 'the end waits for who began before the window closed');
is(sql($left), $all, 'until then no row has gone');
like(as_tenant($node, 'app', 'acme', 'SELECT count(*) FROM work.person'), qr/tenant/, 'no token of the tenant is taken any more');
$in .= "COMMIT;\n";
$writer->finish;

# After a crash protected tables are closed until it is clear whether what was to be erased then was.
sub sql_once_open
{
	my ($query) = @_;
	my $till = time + 60;
	my $answer;
	while (time < $till && !defined $answer)
	{
		$answer = eval { sql($query) };
		usleep(50_000) if !defined $answer;
	}
	return $answer // 'closed';
}

# kill -9

usleep(20_000) while sql($left) >= $all;
my ($done, $wrong, @seen) = (0, 0);
while ($done < $kills)
{
	my $pid = worker();
	if ($pid eq '')
	{
		last if sql(q{SELECT state FROM toms.tenant_end}) eq 'done';
		usleep(20_000);
		next;
	}
	usleep(rand(250_000));
	my $offset = -s $node->logfile;
	next if !kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	answers($node);
	$done++;
	$wrong++ if sql_once_open($faults) ne $whole;
	push @seen, sql_once_open($left);
}
is($done, $kills, 'kill -9 of the worker, again and again') or diag "@seen";
is($wrong, 0, 'at no moment anything was half done');
cmp_ok($seen[-1], '<', $seen[0], 'each time it went on') or diag "@seen";
$node->safe_psql('postgres', $_) for 'ALTER SYSTEM SET toms.retention_batch = 1000', 'ALTER SYSTEM SET toms.retention_duty = 100', 'SELECT pg_reload_conf()';
my $till = time + 120;
usleep(200_000) while state() ne 'done' && time < $till;
is(state(), 'done', 'it comes to its end');
is(sql($faults), $whole, 'and the other tenant has all of his rows');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'toms retention' AND datname = 'app'}), 'the worker goes');
is(sql(q{SELECT (result -> 'tables' -> 'work.note' ->> 'deleted')::int + coalesce((result -> 'tables' -> 'work.note' ->> 'cascaded')::int, 0) FROM toms.erasure WHERE kind = 'tenant'}), 10 * $persons,
	'the erasure has each row once');

# Who tries with a token of the tenant is refused still, and what is told of it does not keep the trail from being written

like(as_tenant($node, 'app', 'acme', 'SELECT count(*) FROM work.person'), qr/tenant/, 'a token of the tenant is refused');
ok($node->poll_query_until('app', 'SELECT used_bytes = 0 FROM toms.audit_queue'), 'the queue of the trail is empty');

# Nothing is left

my @after = dump_of('after');
is(scalar(grep { /acme-(?:person|name|said|body)/ } @after), 0, 'no value of a person of the tenant is in a dump');
my @about = grep { /\bacme\b/ } @after;
is(scalar(grep { !/^(?:\d+|[0-9a-f-]{36}|acme)\t/ } @about), 0, 'what names the tenant are rows of toms') or diag @about;
is(sql(q{SELECT count(*) FROM toms.data_key WHERE tenant = 'acme' AND (wrapped IS NOT NULL OR subject IS NOT NULL)})
	. sql(q{SELECT count(*) FROM toms.key_epoch WHERE tenant = 'acme' AND destroyed_at IS NULL}), '00', 'no key of the tenant is left');
sub of_others { return join '', sort grep { /globex-(?:person|name|said|body)|^\d+\tglobex\t/ } @_ }
open my $fh, '<', "$dir/before" or die;
is(of_others(@after) eq of_others(<$fh>), 1, 'rows of the other tenant are as they were, byte by byte');
close $fh;

# The certificate, outside of the database

sql('SELECT toms.seal_audit()');
my $certificate = sql(q{SELECT toms.certificate(erasure) FROM toms.tenant_end WHERE tenant = 'acme'});
my $key = sql('SELECT toms.audit_key()');
my ($log) = glob("$outside/*.log");

sub verify
{
	my ($text, @options) = @_;
	my $said = '';
	open my $to, '>', "$dir/certificate" or die;
	print $to $text;
	close $to;
	IPC::Run::run([ $verify, 'certificate', "$dir/certificate", @options ], '>', \$said, '2>&1');
	return ($? >> 8) . " $said";
}
my $said = verify($certificate, '--key', $key, '--log', $log);
like($said, $_, 'toms-verify: told') for qr/^0 /, qr/^kind: tenant$/m, qr/^tenant: acme$/m, qr/^by: .*"dpa"/m, qr/^tables: .*"work\.note"/m, qr/^outside log: block \d+ stands in line/m, qr/^whole$/m;
like(verify($certificate . "\n", '--key', $key), qr/^0 /, 'as a line of a file');
like(verify($certificate =~ s/"acme"/"acne"/r, '--key', $key), qr/^1 .*the signature does not fit/s, 'altered');
like(verify($certificate, '--key', 'A' x 42 . 'E'), qr/^1 .*another key/s, 'signed by another key');
is(sql(qq{SELECT valid FROM toms.verify_certificate(\$c\$$certificate\$c\$)}), 't', 'the database knows it too');
is(sql('SELECT count(*) FROM toms.verify_audit()'), '0', 'the trail is whole');

done_testing();
