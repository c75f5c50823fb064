# A newcomer's path: a schema that nobody here designed, and nothing done to it but what toms prints.
#
# The schema is ejabberd's (a chat server, 41 tables, one column for the host that a row belongs to, in
# 25 of them), as Debian's package has it. Two hosts are two tenants. What is found (toms.coverage()), what is
# suggested (toms.suggest()), what leaks (toms.explain_protection()) and what is checked
# (toms.check()) each print SQL; it is run as printed. Where it has a "…", or leaves something
# to be decided, an officer answers by the table %answers, and by nothing else. At the end the application's role
# reads all tables.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use List::Util qw(first uniq);
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys mint start_server);

my $dir = PostgreSQL::Test::Utils::tempdir();

# The schema of the package if that is installed, else of the package as apt brings it, which is not installed.
sub find_schema
{
	my $path = 'usr/share/ejabberd/sql/pg.new.sql';
	return "/$path" if -r "/$path";
	mkdir "$dir/package" or die $!;
	system("cd '$dir/package' && apt-get -q download ejabberd >log 2>&1 && dpkg-deb -x ejabberd_*.deb . >>log 2>&1");
	return -r "$dir/package/$path" ? "$dir/package/$path" : undef;
}

my $schema = find_schema();
plan skip_all => 'the package ejabberd is not installed, and apt does not bring it' unless defined $schema;

my @hosts = ('acme.example', 'globex.example');
my $database = 'chat';
new_keys($dir);
my $node = start_server('newcomer', $dir);

sub ask { return $node->safe_psql($database, shift) }

# the application, before toms

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE chat_owner;
CREATE ROLE chat;
CREATE ROLE chat_server LOGIN IN ROLE chat;
ALTER ROLE chat_server SET client_min_messages = error;     -- tokens stand in the statements' text here
CREATE DATABASE chat OWNER chat_owner;
SQL
ask("GRANT CREATE ON SCHEMA public TO chat_owner;\nSET ROLE chat_owner;\n" . slurp_file($schema)
	  . "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO chat;\nGRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO chat;");

# One row of each host in each table. Persons have the same name on both; every other text says the host.
my @tables = split /\n/, ask(<<'SQL');
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
ORDER BY EXISTS (SELECT FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'), c.relname;
SQL
cmp_ok(scalar @tables, '>=', 30, scalar(@tables) . ' tables');
ask(<<"SQL");
SET ROLE chat_owner;
DO \$\$
DECLARE
    t text;
    insertion text;
BEGIN
    FOREACH t IN ARRAY '{@{[join ',', @tables]}}'::text[] LOOP
        SELECT format('INSERT INTO %I SELECT %s FROM unnest(\$1) WITH ORDINALITY h (host, n)', t, string_agg(
               CASE WHEN a.attname IN ('server_host', 'host') THEN 'host'
                    WHEN a.attname ~ '^l?username\$' THEN quote_literal('alice')
                    WHEN a.atttypid = 'text'::regtype OR a.atttypid = 'varchar'::regtype THEN quote_literal(left(a.attname, 8) || '\@') || ' || host'
                    WHEN a.atttypid = 'bpchar'::regtype THEN quote_literal('x')
                    WHEN a.atttypid = 'boolean'::regtype THEN 'true'
                    WHEN a.atttypid = 'bytea'::regtype THEN 'host::bytea'
                    WHEN a.atttypid = 'timestamp'::regtype THEN 'now()'
                    ELSE 'n' END, ', ' ORDER BY a.attnum))
        INTO insertion FROM pg_attribute a WHERE a.attrelid = t::regclass AND a.attnum > 0;
        EXECUTE insertion USING '{$hosts[0],$hosts[1]}'::text[];
    END LOOP;
END
\$\$;
SQL
is(ask(join(' UNION ALL ', map { "SELECT '$_' FROM $_ HAVING count(*) <> 2" } @tables)), '', 'with a row of each host in each');

ask('CREATE EXTENSION toms');

# What an officer answers: a pattern of what is printed, and what is run instead; none or several statements.
my %created = map { ("public.$_" => 1) } split /\n/, ask(q{SELECT attrelid::regclass FROM pg_attribute WHERE attname = 'created_at' AND attrelid >= 16384});
my %answers = (
	qr/toms\.add_tenant\('…', name => '…'\)/ => sub { map { "SELECT toms.add_tenant('$_', name => '$_');" } @hosts },
	# where a row does not say its host in a column, it does somewhere
	qr/SET server_host = …/ => sub {
		my ($table) = $_[0] =~ /UPDATE public\.(\S+) SET/;
		return $_[0] =~ s/…/CASE WHEN $table\::text LIKE '%$hosts[0]%' THEN '$hosts[0]' ELSE '$hosts[1]' END/r;
	},
	# words that were stored in clear are hashed before the constraint that wants hashes is believed
	qr/VALIDATE CONSTRAINT password_is_hash;/ => sub { ('UPDATE public.users SET password = toms.password_hash(password);', $_[0]) },
	qr/toms\.record_measure\(/ => sub { $_[0] =~ s/owner => '…', evidence => '…'/owner => 'R. Lang', evidence => 'folder 7'/r },
	qr/toms\.record_review\(/ => sub { $_[0] =~ s/by => '…', result => '…'/by => 'R. Lang', result => 'as it should be'/r },
	qr/toms\.retain\(/ => sub {
		my ($table) = $_[0] =~ /retain\('([^']+)'/;
		return $created{$table} ? "SELECT toms.retain('$table', keep => '1 year', since => 'created_at', basis => 'Art. 6(1)(b) GDPR');" : ();
	},
);

sub answered
{
	my ($sql) = @_;
	my $pattern = first { $sql =~ $_ } keys %answers;
	return grep { !/…/ } defined $pattern ? $answers{$pattern}->($sql) : $sql;
}

# What is left to somebody else: the server's settings, what has to be thought about, and what only the officer knows.
my $server = qr/ALTER SYSTEM|pg_reload_conf/;
my $thought = qr/^(?:-- )?add \w+ to the key|^--/;

my (%done, @failed);

# Runs what is printed, each statement once; says whether there was any.
sub follow
{
	my ($printed) = @_;
	return 0 if $printed =~ $server || $printed =~ $thought;
	my $followed = 0;
	for my $sql (grep { !$done{$_}++ } answered($printed))
	{
		my ($out, $err) = ('', '');
		my $result = $node->psql($database, "SET toms.reason = 'adoption';\n$sql", stdout => \$out, stderr => \$err, on_error_stop => 1);
		push @failed, "$sql\n$err" if $result != 0;
		note("$sql" . ($err ? "\n$err" : ''));
		$followed = 1;
	}
	return $followed;
}

# The script that a call of toms.suggest() prints, line by line; where it asks for another script instead, that one. What
# ends the observation comes last.
sub follow_script
{
	my ($call, $asked) = @_;
	my @lines = split /\n/, ask($call);
	note(join "\n", $call, grep { /^-- / } @lines);
	my @asides = map { /^-- .*?: ((?:SELECT|ALTER) .*;)$/ ? $1 : () } @lines;
	my $instead = first { /toms\.suggest\(/ } @asides;
	return follow_script($instead, 1) if defined $instead && !$asked;
	my ($enforce, $rest) = part(qr/toms\.enforce\(/, @asides);
	my $followed = grep { follow($_) } @$rest, grep({ !/^--/ } @lines);
	# observed are the tables of this script, enforced anew each time
	delete $done{$_} for $followed ? @$enforce : ();
	return $followed + grep { follow($_) } @$enforce;
}

sub part
{
	my ($pattern, @all) = @_;
	return ([ grep { $_ =~ $pattern } @all ], [ grep { $_ !~ $pattern } @all ]);
}

sub records { return map { [ split /\x1f/, $_, -1 ] } split /\x1e/, $node->safe_psql($database, shift, extra_params => [ '-R', "\x1e", '-F', "\x1f" ]) }

# One round: what nobody has protected, what leaks, what does not hold. Says how much was followed.
sub follow_round
{
	my $followed = 0;
	$followed += /toms\.suggest\(/ ? follow_script($_) : follow($_)
	  for map { $_->[0] } records("SELECT DISTINCT remedy FROM toms.coverage() WHERE state = 'open'");
	$followed += follow($_->[0]) for leaks();
	$followed += follow($_) for map { split /\n/, $_->[1] } not_held();
	return $followed;
}

sub leaks
{
	return records(<<'SQL');
SELECT DISTINCT e.remedy FROM pg_class c, LATERAL toms.explain_protection(c.oid::regclass) e
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND (toms.describe(c.oid::regclass)).root IS NOT NULL AND e.kind LIKE 'leak:%' AND e.remedy IS NOT NULL
SQL
}

sub not_held { return records("SELECT measure, remedy, evidence FROM toms.check() WHERE status NOT IN ('pass', 'not_applicable')") }

my $rounds = 0;
$rounds++ while $rounds < 8 && follow_round();
cmp_ok($rounds, '<', 8, "what is printed ends, after $rounds rounds");
is(join("\n", @failed), '', 'and all of it runs');

is(ask("SELECT string_agg(id, ' ') FROM toms.coverage() WHERE state = 'open'"), '', 'nothing is open in toms.coverage()');
is(ask("SELECT count(*) FROM pg_class c, LATERAL toms.describe(c.oid::regclass) d WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND d.mode = 'enforce' AND d.intact"),
	scalar @tables, 'each table is protected and enforced');

# what is left, and to whom
my @circles;
for (not_held())
{
	my ($measure, $remedy, $evidence) = @$_;
	note("left: $measure: $evidence\n=> $remedy");
	push @circles, map { "$measure: $_" } grep { $_ ne '' && !/…/ && !/$server/ && !/$thought/ } split /\n/, $remedy;
}
is(join("\n", @circles), '', 'no remedy is printed again once it has been followed');
is(join("\n", grep { !/$thought/ } map { $_->[0] } leaks()), '', 'nothing leaks but by keys, which are a person\'s to change');
is(join(' ', map { $_->[0] } records("SELECT measure FROM toms.check() WHERE measure IN ('A-2.1', 'A-2.4', 'A-5.1') AND status = 'pass' ORDER BY 1")), 'A-2.1 A-2.4 A-5.1', 'the wall stands');

# the application's roles

# What one query for each table prints to the application; all of them in one transaction.
sub as_application
{
	my ($host, $query) = @_;
	my $token = mint($dir, tenant => $host, sub => 'alice', role => 'chat', purpose => 'application');
	my ($out, $err) = ('', '');
	$node->psql($database, "BEGIN;\nSELECT set_config('toms.token', '$token', true) \\g /dev/null\n" . join('', map { $query->($_) . ";\n" } @tables) . 'ROLLBACK;',
		stdout => \$out, stderr => \$err, extra_params => [ '-U', 'chat_server' ]);
	return "$err$out";
}

for my $at (0, 1)
{
	my ($own, $other) = @hosts[ $at, 1 - $at ];
	is(as_application($own, sub { "SELECT '$_[0]', count(*), count(*) FILTER (WHERE t::text LIKE '%$other%') FROM $_[0] t" }), join("\n", map { "$_|1|0" } @tables), "$own sees its row in each table");
	is(as_application($own, sub { "DELETE FROM $_[0] t WHERE t::text LIKE '%$other%' RETURNING '$_[0]'" }), '', "$own reaches no row of $other");
}
for my $who ('chat_server', 'postgres')
{
	my ($out, $err) = ('', '');
	my $user = $who eq 'postgres' ? getpwuid($<) : $who;
	$node->psql($database, join('', map { "SELECT * FROM $_;\n" } @tables), stdout => \$out, stderr => \$err, on_error_stop => 0, extra_params => [ '-U', $user ]);
	is($out, '', "$who sees nothing without " . ($who eq 'postgres' ? 'a reason' : 'a context'));
	is(scalar(() = $err =~ /ERROR:  access to "\w+" refused: /g), scalar @tables, 'each table is refused');
}
done_testing();
