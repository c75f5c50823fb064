# What an application writes to sealed columns stands nowhere in plain: not in the data directory,
# WAL, temporary files, dumps, base backups or a replica, nor in the server log of statements
# with bind parameters; and no error about a value shows it.
#
# The settings that this needs are in $quiet; what PostgreSQL logs without them is shown here too.
# Random words are written, each to a sealed column and a like one to a plain column: the
# search has to find the second wherever it must not find the first.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use Encode qw(encode);
use File::Find;
use FindBin;
use IPC::Run;
use lib "$FindBin::RealBin/../lib";
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();

# The loudest log, but for what shows values:
# log_parameter_max_length = 0            no parameters of statements: one that is declared as text is in plain
# log_parameter_max_length_on_error = 0   nor of failed ones: they are logged as the client sent them (the default)
# auto_explain.log_verbose = off          nor what plans compute from them (the default); what
#                                         conditions compare is in them nevertheless
my $quiet = <<'CONF';
log_statement = all
log_duration = on
log_min_messages = debug1
log_min_error_statement = info
log_error_verbosity = verbose
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
debug_print_parse = off
session_preload_libraries = auto_explain
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_nested_statements = on
CONF

# words

sub word
{
	my ($what) = @_;
	return $what . join '', map { ('a' .. 'z')[ rand 26 ] } 1 .. 16;
}

# How a word can stand in a file: its bytes, UTF-16, hexadecimal, base64 at each of three places.
sub forms
{
	my ($word) = @_;
	my $hex = unpack 'H*', $word;
	my @base64 = map { substr(encode_base64('x' x $_ . $word, ''), $_ ? 4 : 0) =~ s/.{4}$//r } 0 .. 2;
	return ($word, reverse($word) . '', uc $word, encode('UTF-16LE', $word), encode('UTF-16BE', $word), $hex, uc $hex, @base64);
}

# The files below a folder, or the one file, that hold a word in one of its forms.
sub files_with
{
	my ($place, @words) = @_;
	my $pattern = join '|', map { quotemeta } map { forms($_) } @words;
	my %found;
	find({ no_chdir => 1, wanted => sub {
		return if !-f;
		my $name = s/^\Q$place\E//r;
		my $content = slurp_file($_);
		$found{"$name: $_"}++ foreach $content =~ /$pattern/g;
	} }, $place);
	return \%found;
}

my (@sealed, @plain);

# A word to be sealed, and one that is written beside it in plain.
sub pair
{
	push @sealed, word('sealed');
	push @plain, word('plain');
	return ($sealed[-1], $plain[-1]);
}

# None of the words that were sealed so far, but the plain ones that are named.
sub is_sealed
{
	my ($place, $name, @to_find) = @_;
	is_deeply(files_with($place, @sealed), {}, "$name: no sealed value in plain");
	isnt(join(' ', %{ files_with($place, $_) }), '', "$name: what is not sealed is found there") foreach @to_find;
}

my $node = sealed_server('node', keyring(), allows_streaming => 1, settings => "log_min_error_statement = panic\n");
$node->start;
add_roles($node);
create_sealed($node, 'postgres');
$node->safe_psql('postgres', q{
	GRANT CREATE ON SCHEMA med TO hr;
	SET SESSION AUTHORIZATION owner;
	CREATE FUNCTION med.write(id integer, said text, plain text) RETURNS void LANGUAGE plpgsql AS
		$$BEGIN INSERT INTO med.note (id, tenant, employee, said, plain) VALUES (write.id, 'acme', 17, write.said, write.plain); END$$;
	ALTER TABLE med.note ALTER COLUMN scan SET DEFAULT current_setting('app.scan', true)::bytea});
my ($sealed, $plain);

# What the application says as its tenant; it must succeed.
sub writes
{
	my ($how, $statements) = @_;
	is(as_tenant($node, 'postgres', 'acme', $statements), '', "written by $how");
}

my $columns = 'INSERT INTO med.note (id, tenant, employee, said, plain)';
my $id = 100;
my %way = (
	'a literal' => sub { "$columns VALUES ($id, 'acme', 17, '$sealed', '$plain')" },
	'a literal of its type' => sub { "$columns VALUES ($id, 'acme', 17, toms.sealed_text '$sealed', '$plain')" },
	'a cast' => sub { "$columns VALUES ($id, 'acme', 17, CAST('$sealed'::varchar AS toms.sealed_text), '$plain'::text)" },
	'PREPARE' => sub { "PREPARE p AS $columns VALUES ($id, 'acme', 17, \$1, \$2); EXECUTE p('$sealed', '$plain')" },
	'PREPARE with types' => sub { "PREPARE p (text, text) AS $columns VALUES ($id, 'acme', 17, \$1, \$2); EXECUTE p('$sealed', '$plain')" },
	'a default' => sub { "SELECT set_config('app.scan', '$sealed', true) \\g /dev/null\nINSERT INTO med.note (id, tenant, employee, plain) VALUES ($id, 'acme', 17, '$plain')" },
	'a function' => sub { "SELECT med.write($id, '$sealed', '$plain') \\g /dev/null\n" },
	'INSERT ... SELECT' => sub { "$columns SELECT $id, 'acme', 17, s, p FROM (VALUES ('$sealed', '$plain')) v (s, p)" },
	'ON CONFLICT' => sub { "$columns VALUES ($id, 'acme', 17, NULL, NULL); $columns VALUES ($id, 'acme', 17, NULL, NULL) ON CONFLICT (id) DO UPDATE SET said = '$sealed', plain = '$plain'" },
	'UPDATE' => sub { "$columns VALUES ($id, 'acme', 17, NULL, NULL); UPDATE med.note SET said = '$sealed', plain = '$plain' WHERE id = $id" },
	'a long text' => sub { "$columns VALUES ($id, 'acme', 17, repeat('$sealed ', 5000), repeat('$plain ', 5000))" },
	'bytea' => sub { "INSERT INTO med.note (id, tenant, employee, scan, plain) VALUES ($id, 'acme', 17, '\\x" . unpack('H*', $sealed) . "', '$plain')" },
	'the bytes of a text' => sub { "INSERT INTO med.note (id, tenant, employee, scan, plain) VALUES ($id, 'acme', 17, convert_to('$sealed', 'UTF8'), '$plain')" },
	'a row that is rolled back' => sub { "SAVEPOINT s; $columns VALUES ($id, 'acme', 17, '$sealed', '$plain'); ROLLBACK TO s" },
	'a row that is deleted' => sub { "$columns VALUES ($id, 'acme', 17, '$sealed', '$plain'); DELETE FROM med.note WHERE id = $id" },
	'a table without protection' => sub { "CREATE TABLE med.copy$id AS SELECT '$sealed'::toms.sealed_text AS said, '$plain'::text AS plain" },
	'a table of arrays' => sub { "CREATE TABLE med.copy$id AS SELECT ARRAY['$sealed'::toms.sealed_text] AS said, '$plain'::text AS plain" },
	'a partition' => sub { "INSERT INTO med.visit SELECT $id, 'acme', 17, '2025-05-01', '$sealed'; UPDATE med.visit SET day = '2024-05-01' WHERE id = $id; " .
		"$columns VALUES ($id, 'acme', 17, NULL, '$plain')" },
);
$way{MERGE} = sub { "MERGE INTO med.note n USING (VALUES ($id, '$sealed', '$plain')) v (id, s, p) ON n.id = v.id " .
	"WHEN NOT MATCHED THEN INSERT (id, tenant, employee, said, plain) VALUES (v.id, 'acme', 17, v.s, v.p)" };

# Dates are four bytes in rows: a thousand of one day are written, so that chance does not find as many.
sub count_in
{
	my ($place, $pattern) = @_;
	my $count = 0;
	find({ no_chdir => 1, wanted => sub { $count += () = slurp_file($_) =~ /$pattern/g if -f } }, $place);
	return $count;
}
my $date = qr/\Q${\pack('l<', -39000)}\E|\Q${\pack('l>', -39000)}\E/;     # days from 2000 to 1893-03-22
my $code = qr/nursing/;

$node->safe_psql('postgres', 'CHECKPOINT');
my $codes_before = count_in($node->data_dir . '/base', $code);

subtest 'writing' => sub {
	writes('a literal', do { ($sealed, $plain) = pair(); $way{'a literal'}->() });
	foreach my $how (sort keys %way)
	{
		($sealed, $plain) = pair();
		$id++;
		writes($how, $way{$how}->());
	}
	($sealed, $plain) = pair();
	is(as_migration($node, 'postgres', "COPY med.note (id, tenant, employee, said, plain) FROM STDIN;\n90\tacme\t17\t$sealed\t$plain\n\\.\n"), '', 'written by COPY');
	writes('health values', q{INSERT INTO med.note (id, tenant, employee, sick, kind, since) SELECT i, 'acme', i % 50, true, 'nursing', '1893-03-22' FROM generate_series(1000, 1999) i});
	is(as_tenant($node, 'postgres', 'acme', q{SELECT DISTINCT toms.reveal(kind), toms.reveal(since), toms.reveal(since) - '2000-01-01' FROM med.note WHERE id BETWEEN 1000 AND 1999}),
		'nursing|1893-03-22|-39000', 'health values open');
	my $opened = as_tenant($node, 'postgres', 'acme', q{SELECT left(toms.reveal(said), 30), convert_from(toms.reveal(scan), 'UTF8') FROM med.note WHERE id < 1000 AND (said IS NOT NULL OR scan IS NOT NULL)});
	is(scalar(grep { $opened !~ /$_/ } @sealed), 5, 'all open but those rolled back or deleted, in the other table or in none that is protected') or diag $opened;
};

subtest 'the data directory' => sub {
	# While a sort and a cursor with hold have values in temporary files, they are copied.
	($sealed, $plain) = pair();
	my $data = $node->data_dir;
	my $rows = "SELECT i, ('$sealed ' || i)::toms.sealed_text AS said, '$plain ' || i AS plain FROM generate_series(1, 20000) i";
	is(as_tenant($node, 'postgres', 'acme', qq{
		SET LOCAL work_mem = '64kB';
		DECLARE sorted CURSOR FOR SELECT * FROM ($rows OFFSET 0) s ORDER BY hashint4(i);
		MOVE 100 FROM sorted;
		CREATE TEMP TABLE copied AS $rows;
		\\! mkdir "$dir/temporary" && cp -r "$data/base/pgsql_tmp" "$dir/temporary/sort" && cp -r "$data/base/" "$dir/temporary/base"}), '', 'a big sort and a temporary table');
	is_sealed("$dir/temporary/sort", 'temporary files', $plain[-1]);
	cmp_ok(-s $_, '>', 100_000, 'of some size') foreach glob "$dir/temporary/sort/*";

	$node->safe_psql('postgres', 'CHECKPOINT');
	is_sealed($data, 'data directory', $plain[0]);
	is_sealed("$data/pg_wal", 'WAL', $plain[0]);
	cmp_ok(count_in("$data/base", $date), '<', 50, 'a date of a thousand rows is not there');
	is(count_in("$data/base", $code), $codes_before, 'nor is a code, but in its catalogue');
	cmp_ok(count_in("$data/pg_wal", $date), '<', 50, 'nor is the date in WAL');
};

subtest 'dumps, backups and replicas' => sub {
	foreach my $format ('plain', 'custom', 'tar', 'directory')
	{
		my ($ok, undef, $err) = program($node, 'pg_dump', '--format', $format, $format eq 'tar' ? () : ('-Z', 0), '-f', "$dir/dump.$format", 'postgres');
		ok($ok, "pg_dump --format $format") or diag $err;
		is_sealed("$dir/dump.$format", $format, $plain[0]);
		is(count_in("$dir/dump.$format", qr/1893-03-22/), 0, "$format: no date");
		is(count_in("$dir/dump.$format", $code), 1, "$format: no code, but in its catalogue");
	}
	$node->backup('base');
	is_sealed($node->backup_dir . '/base', 'base backup', $plain[0]);
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->start;
	($sealed, $plain) = pair();
	$id++;
	writes('a literal once the standby runs', $way{'a literal'}->());
	$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
	$standby->stop;
	is_sealed($standby->data_dir, 'standby', @plain[ 0, -1 ]);
};

# A script of pgbench, whose variables are bind parameters; returns (what the log says, its output).
sub bound
{
	my ($script, %variables) = @_;
	my $start = -s $node->logfile;
	append_to_file("$dir/script" . ++$id, $script);
	local $ENV{PGOPTIONS} = delete($variables{PGOPTIONS}) // '';
	my @define = map { ('-D', "$_=$variables{$_}") } keys %variables;
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	IPC::Run::run([ 'pgbench', '-n', '-U', 'app', '-t', 1, '-M', 'extended', @define, '-f', "$dir/script$id", 'postgres' ], '<', \undef, '>', \my $out, '2>', \my $err);
	return (slurp_file($node->logfile, $start), $out . $err);
}

my $token = token('acme');
my $begin = "BEGIN;\nSELECT set_config('toms.token', '$token', true);\n";

sub configure
{
	my ($settings) = @_;
	my $marker = word('conf');
	$node->append_conf('postgresql.conf', "$settings\ncluster_name = 'node'\napp.marker = '$marker'\n");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('app.marker', true) = '$marker'") or die 'reload';
	return;
}

subtest 'the server log of statements with bind parameters' => sub {
	($sealed, $plain) = pair();
	my %parameters = (sealed => $sealed, plain => $plain);
	my $insert = sub { $begin . "$columns VALUES (" . ++$id . ", 'acme', 17, :sealed$_[0], :plain);\nCOMMIT;\n" };
	my $read = $begin . "SELECT toms.reveal(said) FROM med.note WHERE id < 200;\nSELECT toms.reveal(said) = :sealed FROM med.note WHERE said IS NOT NULL AND id < 200;\nCOMMIT;\n";
	configure($quiet);
	foreach my $cast ('', '::text', '::varchar', '::text::toms.sealed_text')
	{
		my ($log, $said) = bound($insert->($cast), %parameters);
		like($log, qr/execute <unnamed>: INSERT INTO med\.note .*VALUES \(\d+, 'acme', 17, \$1\Q$cast\E, \$2\)/, "a parameter$cast: the statement is logged");
		like($log, qr/plan:/, 'and its plan');
		unlike($log, qr/$sealed|$plain/, 'without parameters');
	}
	my ($log, $said) = bound($read, %parameters);
	like($log, qr/execute <unnamed>: SELECT toms\.reveal/, 'reading is logged');
	unlike($log, qr/$sealed/, 'without what is revealed, or compared with it');
	($log, $said) = bound($begin . "$columns VALUES (100, 'acme', 17, :sealed, :plain);\nCOMMIT;\n", %parameters);
	like($log, qr/duplicate key value/, 'a statement that fails for another reason is logged');
	unlike($log, qr/$sealed|$plain/, 'without parameters');

	# One setting after the other as loud as it gets
	configure('log_parameter_max_length = -1');
	($log) = bound($insert->(''), %parameters);
	like($log, qr/parameters: \$1 = 'toms1:[\w-]+', \$2 = '$plain'/, 'log_parameter_max_length = -1: a parameter of a sealed type is logged as ciphertext');
	unlike($log, qr/$sealed/, 'and nothing else of it');
	($log) = bound($insert->('::text'), %parameters);
	like($log, qr/parameters: \$1 = '$sealed'/, 'but one that is declared as text in plain: the README asks for 0');
	configure('log_parameter_max_length = 0');

	configure('log_parameter_max_length_on_error = -1');
	($log) = bound($begin . "$columns VALUES (100, 'acme', 17, :sealed, :plain);\nCOMMIT;\n", %parameters);
	like($log, qr/CONTEXT:.*\$1 = '$sealed'/, 'log_parameter_max_length_on_error = -1: parameters of a statement that fails are logged as they came: the README asks for 0');
	configure('log_parameter_max_length_on_error = 0');

	configure('auto_explain.log_verbose = on');
	($log) = bound($insert->(''), %parameters);
	unlike($log, qr/$sealed/, 'auto_explain.log_verbose = on: a parameter of a sealed type stands in plans as ciphertext');
	($log) = bound($insert->('::text'), %parameters);
	like($log, qr/Output: .*'$sealed'::text/, 'but one that is declared as text in plain: the README asks for off');
	configure('auto_explain.log_verbose = off');
	my $find = $begin . "SELECT id FROM med.note WHERE id < 200 AND said IS NOT NULL AND toms.reveal(said) = :sealed;\nCOMMIT;\n";
	($log) = bound($find, %parameters);
	like($log, qr/Filter: .*'$sealed'::text/, 'a parameter that revealed values are compared with stands in a logged plan, too');
	($log) = bound($find, %parameters, PGOPTIONS => '-c plan_cache_mode=force_generic_plan');
	like($log, qr/Filter: .*reveal\(said\) = \$1/, 'but not in a generic plan: the README asks for that, or for no auto_explain');
	unlike($log, qr/$sealed/, 'nor elsewhere');

	# Literals are part of the statement, whose text PostgreSQL logs.
	my $start = -s $node->logfile;
	writes('a literal', $way{'a literal'}->()) if ++$id;
	like(slurp_file($node->logfile, $start), qr/LOG: .*$sealed/, 'a literal is logged with its statement: values belong into parameters');
};

subtest 'errors' => sub {
	configure("log_statement = none\nlog_duration = off\nauto_explain.log_min_duration = -1\nlog_parameter_max_length_on_error = -1");
	my %invalid = (sick => 'perhaps %s', kind => '%s', since => '1893-03-22 %s/somewhere', scan => '\\x00%s', said => 'toms1:%s');
	foreach my $column ('plain::integer', sort keys %invalid)
	{
		my $type = $column eq 'plain::integer' ? 'integer' : $column;
		my $word = word('wrong');
		my $value = sprintf $invalid{$column} // '%s', $word;
		my $cast = $column eq 'plain::integer' ? '::integer' : '';
		my $to = "INSERT INTO med.note (id, tenant, employee, $column) VALUES (5000, 'acme', 17," =~ s/::integer//r;
		my $start = -s $node->logfile;
		my @said = (
			as_tenant($node, 'postgres', 'acme', "$to '$value'$cast)"),
			as_tenant($node, 'postgres', 'acme', "$to text '$value'$cast)"),
			as_tenant($node, 'postgres', 'acme', "PREPARE p AS $to \$1$cast); EXECUTE p('$value')"),
			as_tenant($node, 'postgres', 'acme', "DO \$do\$ BEGIN EXECUTE format(\$\$$to %L$cast)\$\$, '$value'); END \$do\$"),
			as_tenant($node, 'postgres', 'acme', "DO \$do\$ BEGIN EXECUTE \$\$$to \$1$cast)\$\$ USING '$value'::text; END \$do\$"),
			as_tenant($node, 'postgres', 'acme', "UPDATE med.note SET ${\($column =~ s/::.*//r)} = '$value'$cast WHERE id = 100"),
			(bound("$begin$to :value$cast);\nCOMMIT;\n", value => $value))[1],
			(bound("$begin$to :value\::text$cast);\nCOMMIT;\n", value => $value))[1]);
		push @said, as_migration($node, 'postgres', "COPY med.note (id, tenant, employee, $column) FROM STDIN;\n5000\tacme\t17\t" . $value =~ s/\\/\\\\/gr . "\n\\.\n") if !$cast;
		push @said, slurp_file($node->logfile, $start);
		my @showing = grep { $said[$_] =~ /$word/ } 0 .. $#said;
		my @failing = grep { $said[$_] =~ /ERROR:/ } 0 .. $#said;
		is_deeply(\@failing, [ 0 .. $#said ], "$type: refused in all ways") or diag explain \@said;
		$cast ? isnt("@showing", '', 'an invalid integer is shown') : is("@showing", '', "$type: and never shown") or diag explain [ @said[@showing] ];
	}
};

$node->stop;
done_testing();
