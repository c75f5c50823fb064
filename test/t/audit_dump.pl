# The audit trail in dumps and through pg_upgrade: its partitions, which nobody but toms may touch
# while it is in use, come back where they belong, with every entry as it was.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
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

# Months that no other database makes of itself, one of them moved out of the default partition, and one left in it;
# written as if the trail were not in use.
$old->safe_psql('app', q{
	SET allow_system_table_mods = true;
	UPDATE pg_class SET relname = 'unused' WHERE oid = 'toms.audit_use'::regclass;
	INSERT INTO toms.audit_entry (id, at, xid, kind, verb, payload)
	SELECT n, '2020-01-15Z'::timestamptz + n * interval '20 days', 700 + n, CASE n % 3 WHEN 0 THEN 'c' WHEN 1 THEN 'w' ELSE 'o' END::"char", '-', '{}' FROM generate_series(1, 9) n;
	SELECT toms.gather_audit_defaults();
	SELECT toms.index_audit();
	INSERT INTO toms.audit_entry (id, at, xid, kind, verb) VALUES (10, '2020-06-30 23:00Z', 720, 'c', 'i');
	INSERT INTO toms.audit_block VALUES (1000, 1, 1, '3:3:', 1, 'r', 'p', 'm', 's', now(), 'k', 'h', 's', 'd');
	UPDATE pg_class SET relname = 'audit_use' WHERE relname = 'unused'});
fill($old, 'app');

# Entries, wherever they are; where that is; which indexes; who has which privilege.
# Up to the last one before a dump: the dump itself, and looking into the trail, are told of by more.
my $last;
my $shape = q{
	SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), i.inhparent::regclass, (SELECT count(*) FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS member,
		(SELECT string_agg(pg_get_indexdef(x.indexrelid), ';' ORDER BY pg_get_indexdef(x.indexrelid)) FROM pg_index x WHERE x.indrelid = c.oid),
		(SELECT count(*) FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner)
	FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
	WHERE c.relname LIKE 'audit\_%' AND c.relkind IN ('r', 'p') ORDER BY 1};
my $count = q{SELECT count(*) FROM toms.audit_entry};
sub state
{
	my ($node, $database) = @_;
	return $node->safe_psql($database, "SET timezone = 'UTC'; SELECT * FROM toms.audit_entry WHERE id <= $last ORDER BY id; $shape; SELECT * FROM toms.audit_block");
}

sub note_last
{
	my ($node, $database) = @_;
	$node->safe_psql($database, 'SELECT count(*) FROM toms.audit_trail()');     # all that is on its way is written
	$last = $node->safe_psql($database, 'SELECT max(id) FROM toms.audit_entry');
	return;
}

note_last($old, 'app');
my $before = $last;
my $state = state($old, 'app');
cmp_ok($old->safe_psql('app', $count), '>', 20, 'there are entries');
is($old->safe_psql('app', 'SELECT count(*) FROM toms.audit_use'), '1', 'and the trail is in use');
my $refused = qr/toms_trail_append_only|written by toms alone/;

sub is_closed
{
	my ($node, $database, $how) = @_;
	my ($rc, undef, $err) = $node->psql($database, 'DELETE FROM toms.audit_change');
	like($err, $refused, "$how: superusers cannot write to it");
	return;
}
is_closed($old, 'app', 'before');

unmark($old);
my %dump = (custom => [ '-Fc' ], directory => [ '-Fd', '-j', 2 ], plain => [], inserts => ['--inserts'], schema => ['--schema-only']);
foreach my $form (sort keys %dump)
{
	my ($ok, undef, $err) = program($old, 'pg_dump', @{ $dump{$form} }, '-f', "$dir/$form", 'app');
	ok($ok, "pg_dump @{$dump{$form}}") or diag $err;
}

# Restores a dump into a new database; returns what the program complains about.
sub restore
{
	my ($node, $database, $form) = @_;
	my @command = $form =~ /custom|directory/ ? ('pg_restore', '--exit-on-error', '-j', 2, '-d', $database)
	  : ('psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $database, '-f');
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	my ($ok, undef, $err) = program($node, @command, "$dir/$form");
	return $ok ? '' : $err || 'failed';
}

subtest 'a new cluster' => sub {
	my $new = sealed_server('new', $keyring);
	$new->start;
	add_roles($new);
	# where triggers stand before the rows come, they record nothing yet
	foreach my $how ('custom', 'directory', 'plain', 'inserts', 'schema')
	{
		my $database = "of_$how";
		is(restore($new, $database, $how), '', "$how: restored");
		if ($how eq 'schema')
		{
			my ($ok, undef, $err) = program($new, 'pg_restore', '--exit-on-error', '--data-only', '-d', $database, "$dir/custom");
			ok($ok, 'then the data') or diag $err;
		}
		is(state($new, $database), $state, "$how: every entry is as it was, in its partition");
		is($new->safe_psql($database, 'SELECT toms.make_audit_partitions()'), '0', "$how: no partition is missing");
	}
	is(as_tenant($new, 'of_custom', 'acme', q{UPDATE med.note SET said = 'changed' WHERE id = 1}), '', 'changes are recorded there');
	cmp_ok($new->safe_psql('of_custom', "$count WHERE kind = 'c' AND id > $last"), '>', 0, 'with entries of their own');
	is_closed($new, 'of_custom', 'afterwards');

	# and again from there
	note_last($new, 'of_custom');
	my ($ok, undef, $err) = program($new, 'pg_dump', '-Fc', '-f', "$dir/custom2", 'of_custom');
	ok($ok, 'dumped again') or diag $err;
	$new->safe_psql('postgres', 'CREATE DATABASE again');
	($ok, undef, $err) = program($new, 'pg_restore', '--exit-on-error', '-d', 'again', "$dir/custom2");
	ok($ok, 'and restored into the same cluster') or diag $err;
	is(state($new, 'again'), state($new, 'of_custom'), 'every entry is as it was');
	$new->stop;
};

subtest 'pg_upgrade' => sub {
	my $new = sealed_server('upgraded', $keyring, checksums());
	unmark($old);
	$old->stop;
	my ($ok, $said) = pg_upgrade($old, $new);
	ok($ok, 'it succeeds') or diag $said;
	$new->start;
	$last = $before;
	is(state($new, 'app'), $state, 'every entry is as it was, in its partition');
	is($new->safe_psql('app', 'SELECT count(*) FROM toms.audit_use'), '1', 'the trail is still in use');
	is_closed($new, 'app', 'upgraded');
	is($new->safe_psql('app', 'SELECT toms.make_audit_partitions(4)'), '8', 'partitions are made');
	is(as_tenant($new, 'app', 'acme', q{UPDATE med.note SET said = 'changed' WHERE id = 1}), '', 'changes are recorded');
	$new->stop;
};

done_testing();
