# The library is gone: doc/remove-by-hand.md is followed, word by word, and the tables are as they were
# before they were protected. Until then nothing is open.
#
# TEMP_CONFIG brings shared_preload_libraries; this test takes it away, and the library, which it puts back.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RemovalTest qw(create_application protect_application dump_of);
use Test::More;
use TomsTest qw(start_server new_keys);

my $page = slurp_file("$FindBin::RealBin/../../doc/remove-by-hand.md");
my @blocks = $page =~ /^```sql\n(.*?)^```$/gms;
my ($libdir) = run_command([ $ENV{PG_CONFIG} // 'pg_config', '--pkglibdir' ]);
plan skip_all => "$libdir is not ours to write to" unless -w $libdir;
END { rename "$libdir/toms.so.away", "$libdir/toms.so" if $libdir && -e "$libdir/toms.so.away" }

my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('node', $dir);
create_application($node);
my $before = dump_of($node);
protect_application($node);
$node->safe_psql('app', q{
	SET toms.reason = 'test';
	ALTER TABLE hr.absence ADD COLUMN sick toms.health_flag;
	ALTER TABLE hr.booking ADD COLUMN place toms.sealed_text;
	SELECT toms.create_plain_view('hr.absence', 'hr.absence_plain');
	SELECT toms.trust_function('pg_catalog.range_eq(anyrange,anyrange)'::regprocedure, reason => 'test');
	SELECT toms.allow_enter('app', '{acme}', '{hr}')});
is($node->safe_psql('app', q{BEGIN; SELECT FROM toms.enter('acme', '17', 'hr', 'roll_call') \g /dev/null
	INSERT INTO hr.absence VALUES (12, 'acme', 17, 'SICK', 1, true); SELECT toms.reveal(sick) FROM hr.absence WHERE id = 12; ROLLBACK}, extra_params => [ '-U', 'app' ]),
	't', 'it works, with the library');
isnt(dump_of($node), $before, 'and there is something to take away');
$node->stop;

# The library is gone.
rename "$libdir/toms.so", "$libdir/toms.so.away" or die "$libdir/toms.so: $!";
ok(!$node->start(fail_ok => 1), 'the server does not start');
my ($says) = $page =~ /^    (FATAL:.*)$/m;
like(slurp_file($node->logfile), qr/\Q$says\E/, 'and says what the page says');
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
ok($node->start(fail_ok => 1), 'without the line it does');

sub says { my ($login, $statement) = @_; my ($code, $out, $err) = $node->psql('app', $statement, extra_params => [ '-U', $login ], on_error_stop => 0); return ($out, $err) }
for my $login ('app', 'owner')
{
	for my $table (qw(employee note agreement clause booking booking_2025 document letter absence))
	{
		my ($out, $err) = says($login, "SELECT * FROM hr.$table");
		is($out, '', "$table stays closed to $login");
		like($err, qr/could not access file "\$libdir\/toms"/, 'and says what the page says') if $login eq 'app';
	}
}
my ($out, $err) = says('postgres', q{INSERT INTO hr.note VALUES (99, 'acme', 'ann', '')});
like($err, qr/could not access file/, 'a superuser cannot write either');

# Step by step.
is(scalar @blocks, 5, 'the page has its steps');
my $said = $node->safe_psql('app', $blocks[0]);
like($said, qr/^hr\.watched\|.*mode=observe/m, 'the page lists what is protected');
is(join(' ', $said =~ /^hr\.(\w+\|\w+)\|toms\./mg), 'absence|sick booking|place', 'and what is sealed');
$node->safe_psql('app', $_) foreach @blocks[ 1 .. 4 ];
is($node->safe_psql('app', q{SELECT count(*) FROM pg_seclabel}), '0', 'no label is left');
is($node->safe_psql('app', q{SELECT count(*) FROM pg_roles WHERE rolname LIKE 'toms%'}), '0', 'nor a role');
is($node->safe_psql('app', q{SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text LIKE '%toms.%'}), '0', 'nor a setting');
is($node->safe_psql('app', q{SELECT proleakproof FROM pg_proc WHERE oid = 'pg_catalog.range_eq(anyrange,anyrange)'::regprocedure}), 'f', 'nor a mark');
is(dump_of($node), $before, 'the tables are as they were before they were protected');

$node->stop;
done_testing();
