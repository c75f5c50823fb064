# toms goes as it came: DROP EXTENSION says what it would open or lose and is refused; toms.uninstall()
# lists every step, does them, and then the extension goes. What the application had is as it was
# before toms.protect(): pg_dump writes the same.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use RemovalTest qw(create_application protect_application dump_of);
use TomsTest qw(start_server new_keys);

my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('node', $dir);

create_application($node);
my $before = dump_of($node);
like($before, qr/COPY hr\.absence .*\n11\tacme\t17\tSICK\t3/, 'there is something to compare');

protect_application($node);

sub says { my ($statement, $login) = @_; my ($code, $out, $err) = $node->psql('app', "\\set VERBOSITY verbose\nSET toms.reason = 'removal';\n$statement", extra_params => [ '-U', $login // 'postgres' ]); return $err || $out }

# What DROP EXTENSION would open.
my $all = 'hr\.absence, hr\.agreement, hr\.booking, hr\.clause, hr\.document, hr\.employee, hr\.note, hr\.watched';
like(says($_), qr/2BP01: toms protects tables.*DETAIL:.*: $all\.\n.*HINT:.*toms\.uninstall/s, "$_ says which tables it would open, and is refused")
  foreach 'DROP EXTENSION toms', 'DROP EXTENSION toms CASCADE', 'DROP SCHEMA toms CASCADE';

# A hold, a sealed column: what would be lost.
$node->safe_psql('app', q{SELECT toms.hold(tenant => 'acme', subject => '17', reason => 'a dispute')});
like(says('DROP EXTENSION toms CASCADE'), qr/toms_held/, 'while a hold is in force it is refused for that');
like(says('SELECT toms.uninstall(false, $$it is replaced$$)'), qr/2BP01: toms cannot be taken out.*DETAIL:  SELECT toms\.release_hold\(1, .*an officer releases it first/s, 'and so is uninstall()');
$node->safe_psql('app', q{SELECT toms.release_hold(1, reason => 'settled')});
$node->safe_psql('app', q{SET toms.reason = 'test'; ALTER TABLE hr.absence ADD COLUMN sick toms.health_flag, ADD COLUMN cured toms.health_date});
like(says('DROP EXTENSION toms CASCADE'), qr/2BP01: .*DETAIL:  Values would be lost of: hr\.absence\.cured, hr\.absence\.sick\./s, 'DROP EXTENSION CASCADE names every sealed column, and is refused');
like(says('SELECT toms.uninstall(false, $$it is replaced$$, lose => ARRAY[$$hr.absence.sick$$])'), qr/DETAIL:.*toms\.unseal_column\('hr\.absence', 'cured'.*lose => ARRAY\['hr\.absence\.cured'\]/s,
	'uninstall() loses the values of those alone that are named');

# Every step, in order; nothing has been done.
my $lose = q{lose => '{hr.absence.sick,hr.absence.cured}'};
my $steps = $node->safe_psql('app', "SELECT what, statement, state FROM toms.uninstall($lose) ORDER BY step");
is($steps, <<'STEPS' =~ s/\n\z//r, 'uninstall() lists every step');
retention rule|SELECT toms.unretain(1, reason => '…');|to do
separation|SELECT toms.unseparate('hr.note', 'hr.booking', reason => '…');|to do
access function|SELECT toms.unbind_purpose('hr.roll()');|to do
sealed column|ALTER TABLE hr.absence DROP COLUMN sick;|to do
sealed column|ALTER TABLE hr.absence DROP COLUMN cured;|to do
table|SELECT toms.unprotect('hr.absence', reason => '…');|to do
table|SELECT toms.unprotect('hr.booking', reason => '…');|to do
table|SELECT toms.unprotect('hr.clause', reason => '…');|to do
table|SELECT toms.unprotect('hr.agreement', reason => '…');|to do
table|SELECT toms.unprotect('hr.document', reason => '…');|to do
table|SELECT toms.unprotect('hr.note', reason => '…');|to do
table|SELECT toms.unprotect('hr.employee', reason => '…');|to do
table|SELECT toms.unprotect('hr.watched', reason => '…');|to do
setting|ALTER ROLE app IN DATABASE app RESET toms.purpose;|to do
extension|DROP EXTENSION toms;|afterwards
roles|DROP ROLE toms_admin, toms_auditor, toms_lookup, toms_operator;|afterwards
settings|Take toms out of shared_preload_libraries, the settings toms.… out of the configuration and of ALTER SYSTEM, and restart the server.|afterwards
STEPS
like(says('SELECT toms.uninstall(dry_run => false)', 'officer'), qr/22004: a reason must be given/, 'not without a reason');
like(says('SELECT toms.uninstall(false, $$mine$$)', 'app'), qr/42501: permission denied/, 'nor by who is no officer');
like(says('SELECT count(*) FROM toms.protected_tables WHERE intact'), qr/^10$/m, 'so far nothing has changed');

# Done.
my $done = says("SELECT what, state FROM toms.uninstall(false, 'it is replaced', $lose) ORDER BY step", 'officer');
like($done, qr/^table\|done\n(?:.*\n)*extension\|afterwards$/m, 'an officer does them');
is(says('SELECT count(*) FROM toms.protection_history WHERE action = $$unprotect$$ AND reason = $$it is replaced$$ AND by = $$officer$$'), '8', 'the reason is on record');
is(says(q{SELECT count(*) FROM toms.audit_trail() WHERE kind = 'declaration' AND details ->> 'table' = 'protection_history' AND new_values ->> 'action' = 'unprotect' AND login = 'officer'}), '8', 'and in the trail');
is(says('DROP EXTENSION toms'), '', 'then the extension goes, without CASCADE');
is($node->safe_psql('app', q{SELECT count(*) FROM pg_seclabel}), '0', 'no label is left');
is($node->safe_psql('app', q{SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text LIKE '%toms.purpose%'}), '0', 'nor a setting');
my $after = dump_of($node);
is(join("\n", grep { index("\n$before\n", "\n$_\n") < 0 } split /\n/, $after), '', 'the application has nothing that it had not before it was protected');
is($after, $before, 'and all that it had');

$node->stop;
done_testing();
