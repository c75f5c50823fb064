# A pair of servers is upgraded under load, one after the other: the library's file is replaced, the
# standby restarted and promoted, then ALTER EXTENSION toms UPDATE. Clients notice a reconnect, nothing
# else. A standby that still runs the library of before closes its tables on the SQL of after.
#
# TEMP_CONFIG brings shared_preload_libraries; check-tap builds the library of before.

use strict;
use warnings;
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my ($libdir) = run_command([ $ENV{PG_CONFIG} // 'pg_config', '--pkglibdir' ]);
my ($version) = slurp_file("$top/toms.control") =~ /^default_version = '(.*)'/m;
my ($previous) = slurp_file("$top/Makefile") =~ /^PREVIOUS *= *(\S+)/m;

plan skip_all => 'there is no library of the version before, or no writing to the place of libraries: make check-tap' unless -e "$top/test/previous/toms.so" && -w $libdir;

# As a package does: a new file under the name; servers that run keep what they have loaded.
system('cp', "$libdir/toms.so", "$libdir/toms.so.away") == 0 or die;
END { rename "$libdir/toms.so.away", "$libdir/toms.so" if $libdir && -e "$libdir/toms.so.away" }
system('cp', "$top/test/previous/toms.so", "$libdir/toms.so.next") == 0 && rename("$libdir/toms.so.next", "$libdir/toms.so") or die;

my $keyring = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $keyring or die $!;
my $old = PostgreSQL::Test::Cluster->new('old');
$old->init(allows_streaming => 1);
$old->append_conf('postgresql.conf', "toms.keyring = '$keyring'\nwal_retrieve_retry_interval = 100ms\nmax_connections = 40\nhot_standby_feedback = on\n");
$old->start;
$old->safe_psql('postgres', qq{
	CREATE ROLE hr; CREATE ROLE app LOGIN IN ROLE hr;
	CREATE EXTENSION toms VERSION '$previous';
	SELECT toms.add_tenant('acme', name => 'ACME GmbH');
	SELECT toms.allow_enter('app', '{acme}', '{hr}');
	CREATE TABLE note (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant text NOT NULL, person_id integer NOT NULL);
	GRANT SELECT, INSERT ON note TO hr;
	SELECT toms.protect('note', tenant => 'tenant', subject => 'person_id');
	SELECT toms.permit('hr', 'note', '{select,insert}', '{personnel}', scope => 'tenant')});
$old->backup('base');

sub standby
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init_from_backup($old, 'base', has_streaming => 1);
	$node->start;
	return $node;
}
my $new = standby('new');
my $late = standby('late');

my $script = PostgreSQL::Test::Utils::tempdir() . '/load.sql';
append_to_file($script, q{BEGIN;
SELECT FROM toms.enter('acme', '17', 'hr', 'personnel');
INSERT INTO note (tenant, person_id) VALUES ('acme', 17) RETURNING id;
SELECT count(*) FROM note WHERE person_id = 17;
COMMIT;
});

# Clients at work while something is done to the servers; what they say of it.
sub under_load
{
	my ($node, $what, $run) = @_;
	my ($out, $err) = ('', '');
	my $bench = IPC::Run::start([ 'pgbench', '-n', '-c', 3, '-T', 8, '-f', $script, '-h', $node->host, '-p', $node->port, '-U', 'app', 'postgres' ], '<', \undef, '>', \$out, '2>', \$err);
	$node->poll_query_until('postgres', q{SELECT count(*) >= 3 FROM pg_stat_activity WHERE usename = 'app'}) or die 'no load';
	$run->();
	my $ok = $bench->finish;
	my ($n) = $out =~ /actually processed: (\d+)/;
	ok($ok && $n > 0 && $err !~ /ERROR/, "clients notice nothing $what") or diag "$out$err";
	return;
}

my $rows = q{BEGIN; SELECT FROM toms.enter('acme', '17', 'hr', 'personnel') \g /dev/null
	SELECT count(*) > 0 FROM note; COMMIT};
sub seen { my ($node) = @_; my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$rows", extra_params => [ '-U', 'app' ], on_error_stop => 0); return $err || $out }
sub library { return $_[0]->safe_psql('postgres', 'SELECT library_version, extension_version FROM toms.status') }

# The package is replaced, and the standby restarted.
under_load($old, 'while the library is replaced and the standby restarted', sub {
	rename("$libdir/toms.so.away", "$libdir/toms.so") or die $!;
	$new->restart;
	$old->wait_for_catchup($new);
});
is(library($old), "$previous|$previous", 'the primary runs on with the library of before');
is(library($new), "$version|$previous", 'the standby has that of after, and the SQL of before');
is(seen($new), 't', 'and shows the same rows');

# The other one takes over.
my $count = $old->safe_psql('postgres', q{SET toms.reason = 'test'; SELECT count(*) FROM note});
$old->wait_for_catchup($new);
$old->wait_for_catchup($late);
$old->stop;
$new->promote;
is($new->safe_psql('postgres', q{SET toms.reason = 'test'; SELECT count(*) FROM note}), $count, 'no row is lost');
$late->enable_streaming($new);
$late->reload;
under_load($new, 'of the new primary while its SQL is that of before', sub { });
# one that has been connected all along
my $all_along = "\\set VERBOSITY verbose\n$rows;\n\\echo connected\nDO \$\$ BEGIN LOOP PERFORM pg_sleep(0.2); EXIT WHEN (SELECT extversion FROM pg_extension WHERE extname = 'toms') = '$version'; END LOOP; END \$\$;\n$rows;\n";
my ($said, $complained) = ('', '');
my $session = IPC::Run::start([ 'psql', '-XAtq', '-h', $late->host, '-p', $late->port, '-U', 'app', 'postgres' ], '<', \$all_along, '>', \$said, '2>', \$complained, IPC::Run::timeout(180));
$session->pump until $said =~ /connected/;
under_load($new, 'while the extension is updated', sub { $new->safe_psql('postgres', 'ALTER EXTENSION toms UPDATE') });
is(library($new), "$version|$version", 'it has library and SQL of after');
is(seen($new), 't', 'and shows the rows');
is($new->safe_psql('postgres', 'SELECT count(*) FROM toms.verify_audit()'), '0', 'the trail is whole');

# Who comes late.
$new->wait_for_catchup($late);
like(seen($late), qr/55000:.*does not know the SQL.*DETAIL:.*\Q$previous\E.*\Q$version\E.*HINT:  Install the library/s, 'a standby with the library of before is closed, and says why');
$session->finish;
is($said, "t\nconnected\n", 'also to who was connected all along, and saw rows before');
like($complained, qr/55000:.*does not know the SQL/, 'who is told why');
$late->restart;
is(library($late), "$version|$version", 'restarted it has the library of after');
is(seen($late), 't', 'and shows the rows');

$_->stop foreach $late, $new;
done_testing();
