# The promises of guard.sql, kept on a real data set: 740 absences of a courier company
# (UCI, "Absenteeism at work").
#
# Minimisation first: of its columns only those are loaded that managing absences takes:
# whose, when (month, day of the week), how long, and sick or not, derived from the reasons 1
# to 21, which are chapters of the ICD. The reason itself is a diagnosis; weight, height
# and body mass index, drinking and smoking, pets, children, age, education, distance and
# the rest have no business here and never reach the server.
#
# One tenant gets the file, a second one a shifted copy of it (other hours, the same ids of
# employees), so that a row too many changes every sum. What is right is computed from
# the file, in Perl.
#
# The file is $TOMS_SHARED/data/absenteeism_at_work.csv, by default in the folder "shared"
# beside the checkout; without it the test is skipped. TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use List::Util qw(sum0);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $shared = $ENV{TOMS_SHARED} // "$FindBin::RealBin/../../../shared";
my $file = "$shared/data/absenteeism_at_work.csv";
plan skip_all => 'the data set absenteeism_at_work.csv is not there (TOMS_SHARED)' unless -r $file;

# The rows to load: hashes with employee, month, weekday, sick, hours.
sub read_absences
{
	open my $handle, '<', $file or die "$file: $!";
	my $header = <$handle> // die 'the file is empty';
	$header =~ s/[\r\n]+\z//;
	my @names = split /,/, $header;
	my @rows;
	while (my $line = <$handle>)
	{
		$line =~ s/[\r\n]+\z//;
		next if $line eq '';
		my %row;
		@row{@names} = split /,/, $line, -1;
		my $reason = $row{'Reason for absence'};
		push @rows, { employee => $row{ID}, month => $row{'Month of absence'}, weekday => $row{'Day of the week'},
			sick => ($reason >= 1 && $reason <= 21 ? 't' : 'f'), hours => $row{'Absenteeism time in hours'} };
	}
	close $handle;
	return @rows;
}

my @acme = read_absences();
my @globex = map { { %$_, hours => $_->{hours} + 1000, month => $_->{month} % 12 + 1 } } @acme;
cmp_ok(scalar @acme, '>', 100, 'rows were read');
is_deeply([ grep { grep { !/^(t|f|\d+)$/ } values %$_ } @acme ], [], 'every field is a number or a yes or no');
is_deeply([ sort keys %{ $acme[0] } ], [qw(employee hours month sick weekday)], 'no other column is loaded');

my $node = PostgreSQL::Test::Cluster->new('real_data');
$node->init;
mkdir $node->basedir . '/keyring', 0700 or die $!;
$node->append_conf('postgresql.conf', "log_statement = none\ntoms.keyring = '" . $node->basedir . "/keyring'\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
SELECT toms.add_tenant('globex', name => 'Globex AG');
CREATE ROLE employee;
CREATE ROLE hr;
CREATE ROLE planner;
CREATE ROLE loader LOGIN BYPASSRLS;
CREATE ROLE app LOGIN IN ROLE employee, hr, planner;
SELECT toms.allow_enter('app', '{acme,globex}', '{employee,hr,planner}');
CREATE SCHEMA hr;
CREATE TABLE hr.absence (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   text NOT NULL,
    employee integer NOT NULL,
    month    smallint NOT NULL,
    weekday  smallint NOT NULL,
    sick     boolean NOT NULL,
    hours    integer NOT NULL
);
CREATE INDEX ON hr.absence (tenant, employee);
GRANT USAGE ON SCHEMA hr TO loader, app;
GRANT SELECT, INSERT ON hr.absence TO loader;
SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.permit('employee', 'hr.absence', '{select}', '{absence_management}', 'own');
SELECT toms.permit('hr', 'hr.absence', '{select,insert,update}', '{absence_management,continued_pay}', 'tenant');
SQL

# The load is work across tenants: as a role with BYPASSRLS, with a stated reason.
sub load
{
	my ($tenant, $reason, @rows) = @_;
	my $lines = join '', map { join("\t", $tenant, @$_{qw(employee month weekday sick hours)}) . "\n" } @rows;
	my ($out, $err);
	$node->psql('postgres', ($reason ? "SET toms.reason = '$reason';\n" : '')
		  . "COPY hr.absence (tenant, employee, month, weekday, sick, hours) FROM STDIN;\n$lines\\.\n",
		stdout => \$out, stderr => \$err, extra_params => [ '-U', 'loader' ]);
	return $err;
}

like(load('acme', '', $acme[0]), qr/needs a stated reason/, 'the load is refused without a reason');
is(load('acme', 'first load', @acme), '', 'the file is loaded as the absences of acme');
is(load('globex', 'first load', @globex), '', 'and a shifted copy as those of globex');
$node->safe_psql('postgres', 'ANALYZE hr.absence');

# What psql prints for one query in a context.
sub in_context
{
	my ($tenant, $subject, $role, $query, $purpose) = @_;
	$purpose //= 'absence_management';
	my ($out, $err);
	$node->psql('postgres', "BEGIN;\nSELECT toms.enter('$tenant', '$subject', '$role', '$purpose') \\g /dev/null\n$query;\nCOMMIT;\n",
		stdout => \$out, stderr => \$err, extra_params => [ '-U', 'app' ]);
	return ($out, $err);
}

sub returns
{
	my ($context, $query, $expected, $name) = @_;
	my ($out, $err) = in_context(@$context[ 0 .. 2 ], $query, $context->[3]);
	is($out, $expected, $name) or diag($err);
	return;
}

sub refuses
{
	my ($context, $query, $error, $name) = @_;
	my ($out, $err) = in_context(@$context[ 0 .. 2 ], $query, $context->[3]);
	is($out, '', "$name: no row");
	like($err, $error, "$name: refused");
	return;
}

# number of rows | hours | sick
sub totals
{
	my @rows = @_;
	return join '|', scalar @rows, sum0(map { $_->{hours} } @rows), scalar grep { $_->{sick} eq 't' } @rows;
}

# "key rows hours" per value of a column
sub by
{
	my ($column, @rows) = @_;
	my %groups;
	push @{ $groups{ $_->{$column} } }, $_ for @rows;
	return join "\n", map { join '|', $_, totals(@{ $groups{$_} }) } sort { $a <=> $b } keys %groups;
}

my $totals = 'count(*), coalesce(sum(hours), 0), count(*) FILTER (WHERE sick)';
my %rows = (acme => \@acme, globex => \@globex);
my %ids = map { $_->{employee} => 1 } @acme;
my @ids = sort { $a <=> $b } keys %ids;

subtest 'HR: all of its tenant, nothing of the other' => sub {
	foreach my $tenant ('acme', 'globex')
	{
		my $other = $tenant eq 'acme' ? 'globex' : 'acme';
		my $hr = [ $tenant, 900, 'hr' ];
		returns($hr, "SELECT $totals FROM hr.absence", totals(@{ $rows{$tenant} }), "$tenant: all");
		returns($hr, "SELECT $totals FROM hr.absence WHERE tenant = '$other' OR 1 = 1", totals(@{ $rows{$tenant} }), "$tenant: injected");
		returns($hr, "SELECT $totals FROM hr.absence WHERE tenant = '$other'", '0|0|0', "$tenant: none of $other");
		returns($hr, 'SELECT DISTINCT tenant FROM hr.absence', $tenant, "$tenant: one tenant");
		returns($hr, "SELECT $_, $totals FROM hr.absence GROUP BY 1 ORDER BY 1", by($_, @{ $rows{$tenant} }), "$tenant: by $_")
		  for qw(employee month weekday);
		returns($hr, 'SELECT min(hours), max(hours) FROM hr.absence',
			join('|', (sort { $a <=> $b } map { $_->{hours} } @{ $rows{$tenant} })[ 0, -1 ]), "$tenant: extremes");
	}
};

subtest 'employees: their own rows, every one of them' => sub {
	foreach my $tenant ('acme', 'globex')
	{
		foreach my $id (@ids)
		{
			my @own = grep { $_->{employee} == $id } @{ $rows{$tenant} };
			returns([ $tenant, $id, 'employee' ], "SELECT $totals FROM hr.absence", totals(@own), "$tenant, employee $id");
		}
	}
	returns([ 'acme', 99999, 'employee' ], "SELECT $totals FROM hr.absence", '0|0|0', 'somebody who was never absent');
	returns([ 'acme', $ids[0], 'employee' ], "SELECT $totals FROM hr.absence WHERE employee = $ids[1]", '0|0|0', 'none of a colleague');
};

subtest 'whatever the form of the statement' => sub {
	my $hr = [ 'acme', 900, 'hr' ];
	my $all = totals(@acme);
	returns($hr, "WITH a AS MATERIALIZED (SELECT * FROM hr.absence) SELECT $totals FROM a", $all, 'common table expression');
	returns($hr, "PREPARE p AS SELECT $totals FROM hr.absence; SET LOCAL plan_cache_mode = force_generic_plan; EXECUTE p", $all, 'generic plan');
	returns($hr, "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0;"
		  . " SELECT $totals FROM hr.absence", $all, 'parallel plan');
	returns($hr, "SET LOCAL enable_seqscan = off; SELECT $totals FROM hr.absence WHERE employee >= 0", $all, 'index');
	returns($hr, "SELECT count(*) FROM hr.absence a JOIN hr.absence b USING (employee)",
		sum0(map { my $id = $_; (grep { $_->{employee} == $id } @acme)**2 } @ids), 'join with itself');
	my ($out) = in_context(@$hr, 'COPY (SELECT employee, month, weekday, sick, hours FROM hr.absence) TO STDOUT');
	is_deeply([ sort split /\n/, $out ], [ sort map { join "\t", @$_{qw(employee month weekday sick hours)} } @acme ],
		'COPY: row by row the file');
	returns($hr, 'UPDATE hr.absence SET hours = hours + 1 WHERE true RETURNING 1; ROLLBACK; BEGIN', join("\n", (1) x @acme), 'update');
};

subtest 'refusals, each with its reason' => sub {
	my $query = "SELECT $totals FROM hr.absence";
	my ($out, $err) = ('', '');
	$node->psql('postgres', $query, stdout => \$out, stderr => \$err, extra_params => [ '-U', 'app' ]);
	is($out, '', 'no context: no row');
	like($err, qr/no context is set/, 'no context: refused');
	refuses([ 'acme', 900, 'planner' ], $query, qr/the role has no permission for this table/, 'a role without permission');
	refuses([ 'acme', 900, 'hr', 'performance_evaluation' ], $query, qr/the purpose is not permitted/, 'a purpose that is not permitted');
	refuses([ 'acme', $ids[0], 'employee', 'continued_pay' ], $query, qr/the purpose is not permitted/, 'a purpose of another role');
	refuses([ 'acme', 900, 'hr' ], 'DELETE FROM hr.absence RETURNING 1', qr/the verb is not permitted/, 'a verb that is not permitted');
	refuses([ 'acme', $ids[0], 'employee' ], 'UPDATE hr.absence SET hours = 0 RETURNING 1', qr/the verb is not permitted/, "another role's verb");
	refuses([ 'acme', 900, 'hr' ], "INSERT INTO hr.absence (tenant, employee, month, weekday, sick, hours) VALUES ('globex', 1, 1, 1, true, 8) RETURNING 1",
		qr/the row belongs to another tenant/, 'a row for another tenant');
	refuses([ 'acme', 900, 'hr' ], "UPDATE hr.absence SET tenant = 'globex' WHERE true RETURNING 1", qr/the row belongs to another tenant/, 'rows given away');
	refuses([ 'initech', 900, 'hr' ], $query, qr/may not enter/, 'a tenant that is not registered');
	refuses([ 'acme', 'x17', 'employee' ], $query, qr/does not fit the column's type/, 'a subject id that is none');
	refuses([ 'acme', 900, 'hr' ], 'TRUNCATE hr.absence', qr/permission denied|truncate would reach/, 'truncate');
	refuses([ 'acme', 900, 'hr' ], 'DECLARE c CURSOR WITH HOLD FOR SELECT * FROM hr.absence', qr/cursor with hold/, 'a cursor with hold');
};

is((in_context('globex', 900, 'hr', "SELECT $totals FROM hr.absence"))[0], totals(@globex), 'and after all of it globex has what it had');

$node->stop;
done_testing();
