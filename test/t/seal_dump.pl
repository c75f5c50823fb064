# Sealed values travel in dumps as they are stored: a cluster that has the keyring opens every one,
# another gets the rows, opens nothing, and is told whose key epoch is missing.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use File::Copy;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use UpgradeTest;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $keyring = keyring();

my $old = sealed_server('old', $keyring, of_older(), checksums());
$old->start;
add_roles($old);
create_sealed($old, 'app');
fill($old, 'app');
my $opened = opened($old, 'app');
my $stored = stored($old, 'app');
is($opened, <<'ROWS' =~ s/\n\z//r, 'both tenants open their values before the dump');
1|acme|t|sickness|2026-01-02|Grüße aus Köln|\x00ff|2a21eb
2|acme|f|vacation|infinity||\x|d41d8c
3|acme||||c4ca4238a0b923820dcc||029e22
4|acme||||||
10|acme|in a partition
11|acme|in another
5|globex|f|nursing|1999-12-31|a note of globex|\x01|7e404a
12|globex|of globex
ROWS

# The dumps
unmark($old);
my %dump = (custom => [ '-Fc' ], directory => [ '-Fd', '-j', 2 ], plain => [], inserts => ['--inserts'], columns => [ '--column-inserts', '--rows-per-insert=3' ],
	schema => ['--schema-only'], data => ['--data-only']);
foreach my $form (sort keys %dump)
{
	my ($ok, undef, $err) = program($old, 'pg_dump', @{ $dump{$form} }, '-f', "$dir/$form", 'app');
	ok($ok, "pg_dump @{$dump{$form}}") or diag $err;
}
my $plain = slurp_file("$dir/plain");
my $armours = () = $stored =~ /toms1:/g;
is(() = $plain =~ /toms1:/g, $armours, 'a dump has each value as armoured ciphertext');
unlike($plain, qr/Grüße|partition'|note of globex/, 'and none in plain');
like($plain, qr/kind toms\.health_code\(2\),$/m, 'the catalogue of codes stands in it as its number');

# Restores one of them into a database; returns what the program complains about.
sub restore
{
	my ($node, $database, @forms) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	foreach my $form (@forms)
	{
		my @command = grep({ $_ eq $form } 'custom', 'directory') ? ('pg_restore', '--exit-on-error', '-j', 2, '-d', $database)
		  : ('psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $database, '-f');
		my ($ok, undef, $err) = program($node, @command, "$dir/$form");
		return $err || 'failed' if !$ok;
	}
	return '';
}

sub is_as_before
{
	my ($node, $database, $how) = @_;
	is(stored($node, $database), $stored, "$how: every value is stored byte for byte");
	is(opened($node, $database), $opened, "$how: every value opens");
	is($node->safe_psql($database, q{SELECT count(*) FROM toms.protected_tables WHERE NOT intact}), '0', "$how: every table is protected, its sealed columns too");
	is($node->safe_psql($database, q{SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'med.note'::regclass AND attname = 'kind'}),
		'toms.health_code(2)', "$how: the column of codes has its catalogue");
}

my $change = q{
	INSERT INTO med.note VALUES (6, 'acme', 17, true, 'nursing', '2026-02-03', 'written later', '\x02');
	UPDATE med.note SET said = 'changed later' WHERE id = 1};
my $changed = q{SELECT toms.reveal(said), toms.reveal(kind) FROM med.note WHERE id IN (1, 6) ORDER BY id};

subtest 'another cluster with the same keyring' => sub {
	my $new = sealed_server('new', $keyring);
	$new->start;
	add_roles($new);
	$new->safe_psql('template1', 'CREATE TABLE public.shift (id integer); DROP TABLE public.shift');     # other OIDs
	my @ways = ([ 'custom' ], [ 'directory' ], [ 'plain' ], [ 'inserts' ], [ 'columns' ], [ 'schema', 'data' ]);
	foreach my $forms (@ways)
	{
		my $how = join ' and ', @$forms;
		is(restore($new, "of_$forms->[0]", @$forms), '', "$how: restored");
		is_as_before($new, "of_$forms->[0]", $how);
	}
	is(as_tenant($new, 'of_custom', 'acme', $change), '', 'rows are written and changed where they were restored');
	is(as_tenant($new, 'of_custom', 'acme', $changed), "changed later|sickness\nwritten later|nursing", 'and their values open');
	like(as_tenant($new, 'of_custom', 'acme', q{INSERT INTO med.note (id, tenant, employee, kind) VALUES (7, 'acme', 17, 'red')}),
		qr/the value is not a code of the column's catalogue/, 'codes are those of the column\'s catalogue alone');

	# A dump of what was restored is the same dump again.
	my ($ok, $again, $err) = program($new, 'pg_dump', 'of_plain');
	my $rows = sub { join "\n", sort grep { /toms1:/ } split /\n/, $_[0] };
	is($rows->($again), $rows->($plain), 'dumped again, the rows are as in the first dump');
	$new->stop;
};

subtest 'another cluster without the keys' => sub {
	my $empty = keyring();
	my $bare = sealed_server('bare', $empty);
	$bare->start;
	add_roles($bare);
	is(restore($bare, 'app', 'custom'), '', 'the dump is restored');
	is(restore($bare, 'parts', 'schema', 'data'), '', 'also in two steps, where the trigger is there before the rows');
	is(stored($bare, $_), $stored, "every value is stored byte for byte in $_") foreach 'app', 'parts';
	my $unknown = qr/Who acts could not be recorded, for want of a key\.\nHINT:  SELECT \* FROM toms\.check_keyring\(\);/;
	like(as_tenant($bare, 'app', 'acme', 'SELECT id, employee FROM med.note'), $unknown, 'nobody reads health data of whom the trail could not say who he is');
	read_without_keys($bare, 'app');
	is(as_tenant($bare, 'app', 'acme', 'SELECT id, employee FROM med.note ORDER BY id'), "1|17\n2|18\n3|17\n4|19", 'where that need not be durable, rows are read');
	foreach my $tenant ('acme', 'globex')
	{
		my $number = $bare->safe_psql('app', "SELECT number FROM toms.key_epoch WHERE tenant = '$tenant'");
		my $missing = qr/the key epoch is not there\nDETAIL:  This server does not hold the key of epoch $number of tenant "$tenant"\./;
		like(as_tenant($bare, 'app', $tenant, "SELECT toms.reveal(said) FROM med.note WHERE said IS NOT NULL"), $missing, "no value of $tenant opens, and its epoch is named");
		like(as_tenant($bare, 'app', $tenant, "INSERT INTO med.note (id, tenant, employee, sick) VALUES (8, '$tenant', 17, true)"), $missing, 'none is written that nobody could open');
		like(as_tenant($bare, 'app', $tenant, "UPDATE med.note SET plain = 'changed' WHERE employee = 17"), $missing, 'nor is anything changed of which the trail could not say whose it was');
	}
	$bare->append_conf('postgresql.conf', "toms.keyring = ''");
	$bare->reload;
	like(as_tenant($bare, 'app', 'acme', 'SELECT toms.reveal(said) FROM med.note WHERE id = 1'), qr/the keyring cannot be used\nDETAIL:.*toms\.keyring/s, 'nor does any without a keyring at all');

	# The keys come after the rows.
	copy($_, $empty) or die "$_: $!" foreach glob "$keyring/*";
	chmod 0600, glob "$empty/*";
	$bare->append_conf('postgresql.conf', "toms.keyring = '$empty'");
	$bare->reload;
	is(opened($bare, $_), $opened, "with the keys every value opens in $_") foreach 'app', 'parts';
	is(as_tenant($bare, $_, 'acme', $change), '', "and rows are changed in $_") foreach 'app', 'parts';
	$bare->stop;
};

subtest 'COPY' => sub {
	foreach my $format ('text', 'csv', 'binary')
	{
		is($old->safe_psql('app', qq{
			SET toms.reason = 'test';
			COPY med.note TO '$dir/note.$format' (FORMAT $format);
			COPY (SELECT * FROM med.visit) TO '$dir/visit.$format' (FORMAT $format);
			DELETE FROM med.note WHERE id > 0;
			DELETE FROM med.visit WHERE id > 0;
			COPY med.note FROM '$dir/note.$format' (FORMAT $format);
			COPY med.visit FROM '$dir/visit.$format' (FORMAT $format)}), '', "rows go and come back as $format");
		is_as_before($old, 'app', $format);
		unlike(slurp_file("$dir/note.$format"), qr/Grüße|note of globex/, "the file of $format has no value in plain");
	}
};

subtest 'pg_upgrade' => sub {
	my $new = sealed_server('upgraded', $keyring, checksums());
	unmark($old);
	$old->stop;
	my ($ok, $said) = pg_upgrade($old, $new);
	ok($ok, 'it succeeds') or diag $said;
	$new->start;
	is_as_before($new, 'app', 'upgraded');
	is(as_tenant($new, 'app', 'acme', $change), '', 'rows are written and changed');
	is(as_tenant($new, 'app', 'acme', $changed), "changed later|sickness\nwritten later|nursing", 'and their values open');
	$new->stop;
};

done_testing();
