# The recipes of examples/clients/java, run with HikariCP and PostgreSQL's JDBC driver: an
# application with a statement on check-out and one on return, before toms and with it, and one
# context per transaction. The checks are in examples/clients/java/Check.java.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest;

my $sources = "$FindBin::RealBin/../../examples/clients";
my $dir = PostgreSQL::Test::Utils::tempdir();

# Runs a program for at most three minutes; returns (succeeded, its output, its standard error).
sub attempt
{
	my @command = @_;
	my ($out, $err) = ('', '');
	my $ok = eval { IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(180)) };
	return ($ok, $out, $err . $@);
}

# The compiler, if it is of Java 17 or newer.
sub javac_17
{
	my ($javac) = grep { -x } map { "$_/javac" } split /:/, $ENV{PATH};
	my (undef, $version) = $javac ? attempt($javac, '--version') : ();
	return ($version // '') =~ /^javac (\d+)/ && $1 >= 17 ? $javac : '';
}

# Debian's packages and a file of each
my $libraries = '/usr/share/java';
my %package = (
	'openjdk-17-jdk-headless' => javac_17(),
	'libhikaricp-java' => "$libraries/HikariCP.jar",
	'libpostgresql-jdbc-java' => "$libraries/postgresql.jar");
my @absent = grep { !-e $package{$_} } sort keys %package;
plan skip_all => "packages are not installed: @absent" if @absent;

my @jars = qw(HikariCP postgresql slf4j-api slf4j-nop);
my @hibernate_jars = qw(hibernate-core javassist dom4j antlr commons-collections3 geronimo-jta-1.2-spec geronimo-jpa_2.0_spec
  hibernate-commons-annotations);
my @jars_absent = grep { !-e "$libraries/$_.jar" } @hibernate_jars;

sub class_path { return join ':', $dir, map { "$libraries/$_.jar" } @_ }

sub compile
{
	my ($folder, @needs) = @_;
	my ($ok, undef, $err) = attempt('javac', '-Xlint:all', '-Werror', '-cp', class_path(@needs), '-d', $dir, glob "$sources/$folder/*.java");
	ok($ok, "$folder: the recipes compile without a warning") or BAIL_OUT($err);
	return;
}

# The checks of a program become ours; it must also come to its end.
sub replay
{
	my (@main) = @_;
	my ($ok, $out, $err) = attempt('java', '-cp', class_path(@jars, @hibernate_jars), @main);
	for my $line (split /\n/, $out)
	{
		if ($line =~ /^(not )?ok - (.*)/) { ok(!$1, $2); }
		elsif ($line =~ /^# (.*)/) { diag($1); }
	}
	ok($ok && $out =~ /^done$/m, "@main: all checks have run") or diag($err);
	return;
}

sub mint
{
	my ($tenant, %claim) = @_;
	my $exp = $claim{exp} // time + 900;
	my ($role, $purpose, $key) = ($claim{role} // 'hr', $claim{purpose} // 'absence_management', $claim{key} // 'app');
	return run_tool([ 'mint', '--private', "$dir/$key.jwk", '--payload', '-' ],
		qq({"tenant":"$tenant","sub":"17","role":"$role","purpose":"$purpose","exp":$exp}));
}

compile('java', @jars);
run_tool([ 'new', '--jwks', "$dir/jwks.json", '--private', "$dir/app.jwk", '--kid', 'app' ]);
run_tool([ 'new', '--jwks', "$dir/other.json", '--private', "$dir/other.jwk", '--kid', 'app' ]);
my $node = PostgreSQL::Test::Cluster->new('java');
$node->init;
$node->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'\ntoms.clock_leeway = 0\nlisten_addresses = '127.0.0.1'\n");
$node->start;
local $ENV{TOMS_URL} = 'jdbc:postgresql://127.0.0.1:' . $node->port . '/postgres?gssEncMode=disable';

# the application as it was
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE hr;
CREATE ROLE app LOGIN IN ROLE hr;
CREATE TABLE absence (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   text NOT NULL DEFAULT current_setting('app.tenant_id'),
    employee_id integer NOT NULL,
    day         date NOT NULL,
    hours       integer NOT NULL DEFAULT 8 CHECK (hours >= 0)
);
INSERT INTO absence (tenant_id, employee_id, day) VALUES
    ('acme', 17, '2026-01-07'), ('acme', 17, '2026-01-08'), ('acme', 18, '2026-01-09'),
    ('globex', 4, '2026-01-07'), ('globex', 5, '2026-01-08');
GRANT SELECT, INSERT, UPDATE, DELETE ON absence TO hr;
ALTER TABLE absence ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON absence USING (tenant_id = current_setting('app.tenant_id'));
SQL
replay('Check', 'before');

# the same with toms
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
DROP POLICY of_tenant ON absence;
ALTER TABLE absence ALTER tenant_id SET DEFAULT toms.current_tenant();
SELECT toms.protect('absence', tenant => 'tenant_id', subject => 'employee_id', category => 'health');
SELECT toms.permit('hr', 'absence', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant');
ALTER ROLE app SET toms.session_context = on;

CREATE ROLE intake;
CREATE ROLE physician;
GRANT intake TO app;
CREATE ROLE app_tx LOGIN IN ROLE hr, intake, physician;
CREATE ROLE app_probe LOGIN IN ROLE hr;
ALTER ROLE app_probe SET toms.on_missing_context = empty;
SELECT toms.permit('intake', 'absence', '{insert}', '{absence_management}', scope => 'tenant');
SELECT toms.permit('physician', 'absence', '{select}', '{absence_management}', scope => 'tenant', require_mfa => true);
SQL
@ENV{qw(TOMS_ACME TOMS_GLOBEX)} = (mint('acme'), mint('globex'));
@ENV{qw(TOMS_FORGED TOMS_STRANGER)} = (mint('acme', key => 'other'), mint('initech'));
@ENV{qw(TOMS_EXPIRED TOMS_OTHER_PURPOSE)} = (mint('acme', exp => time - 60), mint('acme', purpose => 'payroll'));
@ENV{qw(TOMS_INTAKE TOMS_NO_MFA)} = (mint('acme', role => 'intake'), mint('acme', role => 'physician'));
$ENV{TOMS_BRIEF_EXP} = time + 5;
$ENV{TOMS_BRIEF} = mint('acme', exp => $ENV{TOMS_BRIEF_EXP});
replay('Check', 'session');
replay('Check', 'transaction');

SKIP:
{
	skip "libhibernate3-java or libjavassist-java is not installed: no @jars_absent", 1 if @jars_absent;
	compile('java_hibernate', @jars, @hibernate_jars);
	replay('HibernateCheck');
}

$node->stop;
done_testing();
