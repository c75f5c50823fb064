# What a monitoring system is told: each alarm of README.md, "Monitoring", by its SQL and by the
# exporter's queries, is silent while all is well, raised by a fault, and silent when it is mended.
# All of it is asked by a role that is in pg_monitor and in nothing else.
#
# The writer is stopped by a signal, workers by max_worker_processes.

use strict;
use warnings;
use CPAN::Meta::YAML;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(usleep);

my $top = "$FindBin::RealBin/../..";
my $keyring = keyring();
my $node = sealed_server('monitoring', $keyring,
	settings => "toms.audit_queue_size = 64kB\ntoms.seal_interval = 100ms\ntoms.retention_interval = 1s\ntoms.audit_timeout = 1s\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');
$node->safe_psql('app', q{
	CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
	SET client_min_messages = warning;
	CREATE TABLE med.desk (id integer PRIMARY KEY, tenant text NOT NULL, at timestamptz);
	ALTER TABLE med.desk OWNER TO owner;
	GRANT ALL ON med.desk TO hr;
	SELECT toms.protect('med.desk', tenant => 'tenant');
	SELECT toms.permit('hr', 'med.desk', '{select,insert,update,delete}', '{absence_management}', 'tenant')});

sub sql { return $node->safe_psql('app', $_[0]) }

sub set
{
	my ($name, $value) = @_;
	sql(defined $value ? "ALTER SYSTEM SET $name = '$value'" : "ALTER SYSTEM RESET $name");
	return sql('SELECT pg_reload_conf()');
}

sub restart_with
{
	my ($setting, $value) = @_;
	set($setting, $value);
	return $node->restart;
}

# What the monitoring system gets: lines of columns.
sub monitor
{
	my ($query) = @_;
	my ($code, $out, $err) = $node->psql('app', $query, extra_params => [ '-U', 'monitor', '-F', "\t", '-P', 'footer=off', '-P', 'tuples_only=off' ]);
	return $code == 0 ? map({ [ split /\t/, $_, -1 ] } split /\n/, $out) : die "$query: $err";
}

# Alarms

my @alarms = slurp_file("$top/README.md") =~ /^\| (\S[^|]*) \| `(SELECT [^|]*)` \| `(toms_[^|]*)` \|$/mg;
my %sql_of;
$sql_of{ $alarms[ $_ + 2 ] } = $alarms[ $_ + 1 ] for grep { $_ % 3 == 0 } 0 .. $#alarms;
cmp_ok(scalar keys %sql_of, '>', 10, 'README.md has alarms');

my $yaml = CPAN::Meta::YAML->read("$top/examples/monitoring/queries.yaml")->[0];

# The columns of a query of the exporter: name and usage.
sub declared { return map { my ($name) = keys %$_; ($name => $_->{$name}{usage}) } @{ $yaml->{ $_[0] }{metrics} } }

# Values of each metric, as the exporter would name it.
sub metrics
{
	my %value;
	for my $query (keys %$yaml)
	{
		my ($head, @rows) = monitor($yaml->{$query}{query});
		for my $row (@rows)
		{
			push @{ $value{"${query}_$head->[$_]"} }, $row->[$_] for 0 .. $#$head;
		}
	}
	return \%value;
}

my %holds = ('==' => sub { $_[0] == $_[1] }, '>' => sub { $_[0] > $_[1] });

sub raised_by_exporter
{
	my $value = metrics();
	return join ', ', sort grep { my ($metric, $is, $limit) = split; grep { $holds{$is}->($_, $limit) } @{ $value->{$metric} // die "no $metric" } } keys %sql_of;
}

sub raised_in_sql { return join ', ', sort grep { monitor($sql_of{$_}) > 1 } keys %sql_of }

# Both ways say that these alarms, and no others, are raised; it may take them some seconds.
sub raised
{
	my ($expected, $when) = @_;
	my ($in_sql, $by_exporter);
	for (1 .. 300)
	{
		($in_sql, $by_exporter) = (raised_in_sql(), raised_by_exporter());
		last if $in_sql eq $expected && $by_exporter eq $expected;
		usleep(100_000);
	}
	is($in_sql, $expected, "in SQL, $when") or diag sql('SELECT * FROM toms.retention_progress');
	return is($by_exporter, $expected, "of the exporter, $when");
}

my %tried;

# A fault raises its alarms, which end when it is mended.
sub fault
{
	my ($name, $alarms, $break, $mend) = @_;
	$tried{$_} = 1 for @$alarms;
	$break->();
	raised(join(', ', sort @$alarms), $name);
	$mend->();
	return raised('', 'when that is mended');
}

# Queries of the exporter

for my $query (sort keys %$yaml)
{
	my %column = declared($query);
	my ($head, @rows) = monitor($yaml->{$query}{query});
	is_deeply([ sort @$head ], [ sort keys %column ], "$query returns the columns that are declared");
	cmp_ok(scalar @rows, '>', 0, 'and a row');
	is_deeply([ grep { $column{$_} !~ /^(LABEL|GAUGE|COUNTER)$/ } keys %column ], [], 'each of a usage that the exporter knows');
	my @numbers = grep { $column{ $head->[$_] } ne 'LABEL' } 0 .. $#$head;
	is_deeply([ grep { !/^-?\d+(\.\d+)?$/ } map { @$_[@numbers] } @rows ], [], 'those that are no labels hold numbers');
}
raised('', 'while all is well');

# Faults

my $away = sub { rename $keyring, "$keyring.away" or die $! };
my $back = sub { rename "$keyring.away", $keyring or die $! };
my ($key) = glob "$keyring/epoch-*.key";

fault('a key that others can read', ['toms_keyring_faults > 0'], sub { chmod 0644, $key or die $! }, sub { chmod 0600, $key or die $! });
fault('a keyring that is gone, and something to seal', [ 'toms_keyring_faults > 0', 'toms_worker_failing == 1' ],
	sub { $away->(); $node->restart; as_tenant($node, 'app', 'acme', 'SELECT count(*) FROM med.desk') },
	sub { $back->(); sql('SELECT toms.seal_audit()') });
fault('no keyring, and something to seal', [ 'toms_keyring_faults > 0', 'toms_status_keyring_configured == 0', 'toms_worker_failing == 1' ],
	sub { restart_with('toms.keyring', ''); as_tenant($node, 'app', 'acme', 'SELECT count(*) FROM med.desk') },
	sub { set('toms.keyring'); sql('SELECT toms.seal_audit()') });

my $jwks = sql('SHOW toms.jwks_file');
my $broken = PostgreSQL::Test::Utils::tempdir() . '/jwks.json';
append_to_file($broken, '{');
fault('a key set that is broken', ['toms_status_jwks_usable == 0'], sub { set('toms.jwks_file', $broken) }, sub { set('toms.jwks_file') });

fault('the log outside of the database cannot be read', [ 'toms_status_open == 0', 'toms_worker_failing == 1' ],
	sub { set('toms.outside', "$keyring.nowhere"); as_tenant($node, 'app', 'acme', 'SELECT count(*) FROM med.desk') },
	sub { set('toms.outside'); sql('SELECT toms.seal_audit()'); as_tenant($node, 'app', 'acme', 'SELECT count(*) FROM med.desk') });

fault('an extension of a version that the library does not know', [ 'toms_status_open == 0', 'toms_status_same_version == 0' ],
	sub { sql(q{UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'toms'}) },
	sub { sql(q{UPDATE pg_extension SET extversion = (SELECT library_version FROM toms.status) WHERE extname = 'toms'}) });

my $writer = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms writer' AND datname = 'app'});
fault('a writer that does nothing', [ 'toms_queue_oldest_waiting_seconds > 3', 'toms_queue_used_ratio > 0.5' ],
	sub {
		kill 'STOP', $writer;
		for my $n (1 .. 300)
		{
			last if as_tenant($node, 'app', 'acme', "SET LOCAL application_name = 'reader $n'; SELECT count(*) FROM med.desk") ne '0';
		}
	},
	sub { kill 'CONT', $writer });

my $rule = sql(q{SET client_min_messages = warning; SET toms.reason = 'test';
	CREATE FUNCTION med.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
	CREATE TRIGGER refuse BEFORE DELETE ON med.desk FOR EACH ROW EXECUTE FUNCTION med.refuse();
	INSERT INTO med.desk SELECT n, 'acme', CASE WHEN n = 1 THEN '2020-01-01' ELSE now() END FROM generate_series(1, 100) n;
	SELECT toms.retain('med.desk', keep => '10 days', since => 'at', basis => 'test', zone => 'UTC')});
fault('a rule of retention that fails', ['toms_retention_problems > 0'], sub { }, sub { sql('DROP TRIGGER refuse ON med.desk') });

fault('no worker finds room', [ 'toms_queue_writer == 0', 'toms_retention_overdue > 0', 'toms_worker_up == 0' ],
	sub { restart_with('max_worker_processes', 1) }, sub { restart_with('max_worker_processes') });

is_deeply([ grep { !$tried{$_} } sort keys %sql_of ], [], 'each alarm has had its fault');

done_testing();
