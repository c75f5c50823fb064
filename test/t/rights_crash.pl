# kill -9 at 50 moments of an erasure: it is done as a whole or not at all; called again, it comes to its end, and no row of
# anybody else is another one.

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
my $tables = 6;
my $rows = 300;
my $node = sealed_server('crash', keyring(), settings => "autovacuum = off\nrestart_after_crash = on\nlog_min_messages = warning\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');
$node->safe_psql('app', q{CREATE ROLE officer LOGIN; SELECT toms.grant_officer('officer', 'admin')});

sub sql { return $node->safe_psql('app', "SET client_min_messages = error; SET toms.reason = 'test'; $_[0]") }

# One row of each table for each number, that of a person in a hundred; the last two belong to their parent rows.
sql(join '', q{CREATE SCHEMA work AUTHORIZATION owner; GRANT USAGE ON SCHEMA work TO hr; SET SESSION AUTHORIZATION owner;
	CREATE TABLE work.person (tenant text NOT NULL, who integer NOT NULL, PRIMARY KEY (tenant, who));
	INSERT INTO work.person SELECT 'acme', n FROM generate_series(0, 99) n;},
	(map { "CREATE TABLE work.t$_ (id integer PRIMARY KEY, tenant text NOT NULL, who integer NOT NULL, words text, FOREIGN KEY (tenant, who) REFERENCES work.person);
		CREATE INDEX ON work.t$_ (tenant, who); INSERT INTO work.t$_ SELECT n, 'acme', n % 100, md5(n::text) FROM generate_series(1, $rows * 100) n;" } 1 .. $tables),
	(map { "CREATE TABLE work.child$_ (id integer PRIMARY KEY, t integer NOT NULL REFERENCES work.t$_, words text); CREATE INDEX ON work.child$_ (t);
		INSERT INTO work.child$_ SELECT id, id, words FROM work.t$_;" } 1, 2),
	'RESET SESSION AUTHORIZATION; ANALYZE;',
	(map { "SELECT toms.protect('work.$_', tenant => 'tenant', subject => 'who');" } 'person', map { "t$_" } 1 .. $tables),
	(map { "SELECT toms.protect('work.child$_', parent => 'work.t$_', parent_key => 't');" } 1, 2));
as_tenant($node, 'app', 'acme', join ';', map { "INSERT INTO med.note (id, tenant, employee, said) VALUES ($_, 'acme', $_, 'words of $_')" } 0 .. 99);

my $left = sub {
	my ($who) = @_;
	return sql('SELECT ' . join ' + ', "(SELECT count(*) FROM work.person WHERE who = $who)", "(SELECT count(*) FROM med.note WHERE employee = $who)",
		(map { "(SELECT count(*) FROM work.t$_ WHERE tenant = 'acme' AND who = $who)" } 1 .. $tables), (map { "(SELECT count(*) FROM work.child$_ WHERE id % 100 = $who)" } 1, 2));
};
my $all = 2 + ($tables + 2) * $rows;
my $keys = sub { return sql("SELECT count(*) FROM toms.data_key WHERE tenant = 'acme' AND subject = '$_[0]'") };
my $others = sub { return sql("SELECT md5(string_agg(t, ',' ORDER BY t)) FROM (" . join(' UNION ALL ', map { "SELECT md5(string_agg(x::text, ',' ORDER BY id)) FROM work.t$_ x WHERE who > 60" } 1 .. $tables) . ") s (t)") };

my $before = $others->();
my ($done, $half, $wrong, $gone) = (0, 0, 0, 0);
my $length;
for my $n (0 .. $kills)
{
	my $instruction = sql("SELECT toms.record_instruction('acme', 'erase', given_by => 'them', wording => 'erase', subject => '$n')");
	sql("SELECT toms.confirm_instruction($instruction)");
	my ($in, $out, $err) = ("SELECT pg_backend_pid();\nSELECT sum(deleted) FROM toms.erase_subject('acme', '$n', $instruction);\n", '', '');
	my $began = time;
	my $psql = IPC::Run::start([ 'psql', '-XAtq', '-U', 'officer', '-d', $node->connstr('app') ], \$in, \$out, \$err);
	$psql->pump until $out =~ /(\d+)\n/;
	my $pid = $1;
	# the first one only tells how long it takes
	if ($n == 0)
	{
		$psql->finish;
		$length = time - $began;
		is($left->(0), '0', 'it does what it is to do');
		next;
	}
	usleep(rand($length * 1_100_000));
	my $offset = -s $node->logfile;
	if (kill 'KILL', $pid)
	{
		eval { $psql->finish };
		$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
		answers($node);
		$done++;
	}
	else
	{
		eval { $psql->finish };
	}
	my $now = $left->($n);
	$half++ if $now ne '0' && $now ne $all;
	$half++ if ($now eq '0') != (sql("SELECT count(*) FROM toms.erasure WHERE instruction = $instruction AND state = 'done'") eq '1');
	$half++ if $now eq '0' && $keys->($n) ne '0';
	$gone++ if $now eq '0';
	$node->psql('app', "SET client_min_messages = error; SELECT sum(deleted) FROM toms.erase_subject('acme', '$n', $instruction)", extra_params => [ '-U', 'officer' ]);
	$wrong++ if $left->($n) ne '0' || $keys->($n) ne '0' || sql("SELECT result -> 'tables' -> 'work.t1' ->> 'deleted' FROM toms.erasure WHERE instruction = $instruction") ne $rows;
}
cmp_ok($done, '>', $kills / 2, "$done times kill -9, $gone of them afterwards");
is($half, 0, 'at none of these moments anything was half done');
is($wrong, 0, 'called again it is done');
is($others->(), $before, 'rows of others are as they were');
is(sql('SELECT count(*) FROM toms.verify_audit()'), '0', 'the trail is whole');

done_testing();
