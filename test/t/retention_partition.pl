# Partitions of which all rows are past their period go as a whole, in whatever state a worker has left them; and
# rows are deleted one by one wherever a bound does not tell everything.

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

my $node = sealed_server('partition', keyring(), settings => "toms.retention_interval = 1s\ntoms.retention_limit = -1\nautovacuum = off\nrestart_after_crash = on\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');

sub sql { return $node->safe_psql('app', "SET client_min_messages = warning; SET toms.reason = 'test'; $_[0]") }

sub becomes
{
	my ($query, $expected, $name) = @_;
	my $till = time + 20;
	my $got;
	while (1)
	{
		$got = sql($query);
		last if $got eq $expected || time > $till;
		usleep(100_000);
	}
	return is($got, $expected, $name);
}

# A table with a partition for each of the last so many days, and rows of two tenants in each; "more": what is done to it first.
sub days
{
	my ($table, $days, $more) = @_;
	sql(qq{
		CREATE TABLE work.$table (tenant text NOT NULL, id integer, at timestamptz) PARTITION BY RANGE (at);
		ALTER TABLE work.$table OWNER TO owner;
		DO \$\$ BEGIN
			FOR n IN 0 .. $days LOOP
				EXECUTE format('CREATE TABLE work.${table}_%s PARTITION OF work.$table FOR VALUES FROM (%L) TO (%L)', n, current_date - n, current_date - n + 1);
				EXECUTE format('ALTER TABLE work.${table}_%s OWNER TO owner', n);
			END LOOP;
		END \$\$;
		INSERT INTO work.$table SELECT t, n, current_date - n + interval '23:59:59' FROM unnest('{acme,globex}'::text[]) t, generate_series(0, $days) n;
		GRANT ALL ON work.$table TO hr;
		SELECT toms.protect('work.$table', tenant => 'tenant'), toms.permit('hr', 'work.$table', '{select,insert,update,delete}', '{absence_management}', 'tenant');
	} . ($more // ''));
	return;
}

sub retain
{
	my ($table, $keep, $tenant) = @_;
	$tenant = $tenant ? "'$tenant'" : 'NULL';
	return sql(qq{SELECT toms.retain('work.$table', keep => '$keep', since => 'at', basis => 'test', zone => 'UTC', tenant => $tenant)});
}

sub left { return "SELECT concat_ws(' ', (SELECT count(*) FROM pg_class WHERE relname ~ '^$_[0]_[0-9]+\$'), (SELECT count(*) FROM work.$_[0]), (SELECT count(*) FROM toms.retention_partition))" }

sql('CREATE SCHEMA work; GRANT USAGE ON SCHEMA work TO hr, owner');

# As a whole.
days('log', 30);
retain('log', '10 days');
becomes(left('log'), '11 22 0', 'twenty partitions are gone; of the one that the horizon cuts only rows would be') or diag sql('SELECT * FROM toms.retention_progress');
is(sql(q{SELECT count(*) FROM work.log WHERE at < now() - interval '10 days'}), '0', 'nothing that is due is left');

# One by one.
days('grown', 10, q{CREATE TABLE work.grown_rest PARTITION OF work.grown DEFAULT});
retain('grown', '5 days');
becomes(left('grown'), '6 12 0', 'with a default partition they go as well');
days('viewed', 10, q{CREATE VIEW work.seen AS SELECT count(*) FROM work.viewed_9});
days('watched', 10, q{CREATE FUNCTION work.watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'; CREATE TRIGGER watch AFTER DELETE ON work.watched FOR EACH ROW EXECUTE FUNCTION work.watch()});
days('owned', 10);
days('held', 10);
sql(q{SELECT toms.hold(tenant => 'globex', relation => 'work.held', kind => 'legal', reason => 'test')});
retain('owned', '8 days', 'globex');
retain($_, '5 days') for qw(viewed watched owned held);
becomes(left('viewed'), '7 12 0', 'not one that a view reads');
becomes(left('watched'), '11 12 0', 'none where a trigger is to see each row');
becomes(left('owned'), '9 15 0', 'none that another rule of a tenant keeps');
usleep(2_500_000);
like(sql(left('held')), qr/^11 \d+ 0$/, 'none of which a hold keeps rows');

# A partition that comes with rows that are due while somebody reads the table: it cannot be detached at once.
sub interrupted
{
	my ($table) = @_;
	days($table, 4);
	retain($table, '5 days');
	my $reader = $node->background_psql('app');
	$reader->query_safe(qq{BEGIN; SET LOCAL toms.reason = 'test'; SELECT count(*) FROM work.$table});
	sql(qq{
		CREATE TABLE work.${table}_9 (tenant text NOT NULL, id integer, at timestamptz);
		INSERT INTO work.${table}_9 VALUES ('acme', 1, current_date - 9);
		DO \$\$ BEGIN
			EXECUTE format('ALTER TABLE work.$table ATTACH PARTITION work.${table}_9 FOR VALUES FROM (%L) TO (%L)', current_date - 9, current_date - 8);
		END \$\$});
	becomes(q{SELECT count(*) FROM pg_inherits WHERE inhdetachpending}, '1', 'a reader stops it half of the way');
	is(sql(left($table)), '6 10 1', 'which is noted; no row of it is seen any more');
	return $reader;
}

# Whoever ends the worker then sees what it has counted until now.
my $reader = interrupted('unread');
my $worker = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms retention'});
sql("SELECT pg_terminate_backend($worker)");
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $worker");
is(sql(q{SELECT seq_tup_read, coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'unread_9'}), '1|0', 'its row was read by ATTACH alone: nobody asks whose rows are due in what goes as a whole');
$reader->query_safe('COMMIT');
$reader->quit;
becomes(left('unread'), '5 10 0', 'and it is gone');

# In whatever state they are.
$reader = interrupted('broken');
my $pid = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms retention'});
kill 'KILL', $pid;
eval { $reader->quit };
answers($node);
becomes(left('broken'), '5 10 0', 'after kill -9 it goes on from there');

# A hold that comes when one is half of the way wins.
$reader = interrupted('late');
sql(q{SELECT toms.hold(relation => 'work.late', kind => 'legal', reason => 'test')});
$reader->query_safe('COMMIT');
$reader->quit;
becomes(left('late'), '6 11 0', 'everything is in its place again');
becomes(q{SELECT string_agg(DISTINCT state, ',') FROM toms.retention_progress}, 'waiting', 'nothing has failed') or diag sql('SELECT * FROM toms.retention_progress');
is(sql(q{SELECT string_agg(concat_ws(' ', relation, action, count), '; ' ORDER BY relation) FROM (SELECT relation, action, count(*) FROM toms.deletion_log WHERE action = 'drop partition' GROUP BY 1, 2) d}),
	'work.broken drop partition 1; work.grown drop partition 5; work.log drop partition 20; work.owned drop partition 2; work.unread drop partition 1; work.viewed drop partition 4', 'the deletion log tells of each');

done_testing();
