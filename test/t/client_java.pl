# The recipes of examples/clients/java, run with HikariCP and PostgreSQL's JDBC driver: an
# application with a statement on check-out and one on return, before toms and with it, and one
# context per transaction. The checks are in examples/clients/java/Check.java.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys mint export_tokens start_server attempt replay);

my $clients = "$FindBin::RealBin/../../examples/clients";
my $libraries = '/usr/share/java';
my $dir = PostgreSQL::Test::Utils::tempdir();

# Whether there is a compiler of Java 17 or newer.
sub has_javac
{
	my (undef, $version) = attempt([ 'javac', '--version' ]);
	return $version =~ /^javac (\d+)/ && $1 >= 17;
}

sub compile
{
	my ($folder) = @_;
	my ($ok, undef, $err) = attempt([ 'javac', '-Xlint:all', '-Werror', '-d', $dir, glob "$clients/$folder/*.java" ]);
	ok($ok, "$folder: the recipes compile without a warning") or BAIL_OUT($err);
	return;
}

# Debian's packages and a file of each
my %package = (
	'libhikaricp-java' => "$libraries/HikariCP.jar",
	'libpostgresql-jdbc-java' => "$libraries/postgresql.jar");
my @absent = grep { !-e $package{$_} } sort keys %package;
unshift @absent, 'openjdk-17-jdk-headless' unless has_javac();
plan skip_all => "packages are not installed: @absent" if @absent;

my @jars = qw(HikariCP postgresql slf4j-api slf4j-nop);
my @hibernate_jars = qw(hibernate-core javassist dom4j antlr commons-collections3 geronimo-jta-1.2-spec geronimo-jpa_2.0_spec
  hibernate-commons-annotations);
my @jars_absent = grep { !-e "$libraries/$_.jar" } @hibernate_jars;
local $ENV{CLASSPATH} = join ':', $dir, map { "$libraries/$_.jar" } @jars, @jars_absent ? () : @hibernate_jars;

compile('java');
new_keys($dir);
my $node = start_server('java', $dir, "toms.clock_leeway = 0\nlisten_addresses = '127.0.0.1'\n");
local $ENV{JDBC_URL} = 'jdbc:postgresql://127.0.0.1:' . $node->port . '/postgres?gssEncMode=disable';
$node->safe_psql('postgres', slurp_file("$clients/schema.sql"));
replay('java', 'Check', 'before');

$node->safe_psql('postgres', slurp_file("$clients/protect.sql") . <<'SQL');
CREATE ROLE physician;
GRANT physician TO app_tx;
SELECT toms.permit('physician', 'absence', '{select}', '{absence_management}', scope => 'tenant', require_mfa => true);
SQL
export_tokens($dir);
my $exp = time + 5;
local @ENV{qw(BRIEF BRIEF_EXP)} = (mint($dir, exp => $exp), $exp);
replay('java', 'Check', 'session');
replay('java', 'Check', 'transaction');

SKIP:
{
	skip "libhibernate3-java or libjavassist-java is not installed: no @jars_absent", 1 if @jars_absent;
	compile('java_hibernate');
	replay('java', 'HibernateCheck');
}

$node->stop;
done_testing();
