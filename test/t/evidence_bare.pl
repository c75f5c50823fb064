# A database in which nothing is declared yet: the check calls nothing kept that is not there, names what is missing, and what it
# advises, run with its dots filled in, is all that is needed.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use TomsTest qw(new_keys);

# What each probe says that is not well. Those of the server itself are in evidence_server.pl; who has to review what, in sql/evidence_review.sql.
my %missing = (
	access_review => 'access_none', administrators => 'nothing_protected', admin_sessions => 'admin_sessions_anonymous', audit_reads => 'nothing_protected', audit_rows => 'nothing_protected',
	audit_values => 'nothing_protected', backup_tiers => 'backup_no_tier', categories => 'categories_none', certificate_optional => 'wall_nothing_of', certificates => 'certificates_unkeyed',
	context => 'wall_nothing', credentials => 'pattern_none', default_closed => 'wall_nothing', deletion_concept => 'nothing_protected', destructive => 'wall_nothing',
	encrypted_exports => 'unreadable_impossible', environment => 'environment_keyring environment_missing', erasure_means => 'nothing_protected', excluded_purposes => 'excluded_none',
	exports => 'nothing_protected', leavers => 'login_no_owner logins_none', master_data => 'master_none', minimisation => 'wall_nothing_of', objections => 'wall_nothing',
	permission_history => 'permissions_none', permissions => 'wall_nothing', pseudonyms => 'pattern_none', purposes => 'purposes_none', record => 'record_no_processor record_no_purpose',
	restore_tests => 'restore_none', retention => 'nothing_protected', rights => 'nothing_protected rights_nobody', scopes => 'wall_nothing', sealed => 'sealed_keyring sealed_none',
	second_factor => 'mfa_none', separated_tables => 'separated_none', statistics => 'statistics_none', statutory => 'statutory_none', tenant_audit => 'tenant_audit_closed',
	tenant_end => 'nothing_protected', tenant_return => 'nothing_protected return_unencrypted', tenants => 'wall_nothing', trail_integrity => 'trail_inside trail_unkeyed trail_unused');
# Promises of what is not done, kept where there is nothing
my @kept = qw(deletion_log findings_evaluated incidents instruction_states instructions lockout recipients requests subprocessors transfers);

my $node = PostgreSQL::Test::Cluster->new('bare');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION toms');
$node->poll_query_until('postgres', 'SELECT writer_pid IS NOT NULL FROM toms.audit_queue') or BAIL_OUT('no writer');

sub phrases
{
	my ($probe) = @_;
	return $node->safe_psql('postgres', "SELECT string_agg(DISTINCT p.phrase, ' ' ORDER BY p.phrase) FROM toms.run_probe('$probe') p WHERE p.status <> 'pass'");
}

is(phrases($_), $missing{$_}, "$_ is not kept") for sort keys %missing;
is(phrases($_), '', "$_ is kept") for @kept;
is($node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT DISTINCT probe FROM toms.measure WHERE probe IS NOT NULL) m, LATERAL toms.run_probe(m.probe) p WHERE p.phrase = 'probe_failed'}), 0, 'none of them breaks');
is($node->safe_psql('postgres', q{SELECT toms.say(phrase, args, 'de') FROM toms.run_probe('minimisation')}), 'Keine geschützte Tabelle enthält Daten der Kategorie Gesundheit.', 'in German too');

# The remedy of a probe's phrase with its dots filled in, one after the other; then the probe does not say it any more.
sub fill
{
	my ($probe, $phrase, @words) = @_;
	my $remedy = $node->safe_psql('postgres', "SELECT remedy FROM toms.run_probe('$probe') WHERE phrase = '$phrase' ORDER BY args LIMIT 1");
	$remedy =~ s/…/shift @words/e while @words;
	unlike($remedy, qr/…|^$/, "$probe: what $phrase needs is all said");
	$node->safe_psql('postgres', "SET client_min_messages = warning; SET toms.reason = 'test';\n$remedy");
	usleep(300_000) if $remedy =~ /reload/;
	return $remedy;
}

sub filled
{
	my ($probe, $phrase, @words) = @_;
	my $remedy = fill($probe, $phrase, @words);
	unlike(phrases($probe), qr/\b$phrase\b/, "$probe: $phrase is mended");
	return $remedy;
}

sub folder
{
	my $folder = PostgreSQL::Test::Utils::tempdir();
	chmod 0700, $folder or die "$folder: $!";
	return $folder;
}

# Keys, a place outside the database, a name for this environment
filled('environment', 'environment_keyring', folder());
unlike(phrases($_), qr/keyring|unkeyed/, "$_ has a keyring too") for qw(sealed certificates trail_integrity);
filled('trail_integrity', 'trail_inside', folder());
fill('environment', 'environment_missing', 'test');
filled('environment', 'environment_missing', 'test');

# Purposes
filled('purposes', 'purposes_none', 'care', 'care of patients', 'Art. 6(1)(b) GDPR');
filled('excluded_purposes', 'excluded_none', 'rating', 'rating of persons');
filled('statistics', 'statistics_none', 'planning', 'planning of shifts', 'Art. 6(1)(f) GDPR');

# A table of persons, one about their health
$node->safe_psql('postgres', q{
	CREATE ROLE owner;
	CREATE ROLE nurse;
	CREATE ROLE patient;
	CREATE ROLE job LOGIN IN ROLE nurse;
	CREATE SCHEMA ward AUTHORIZATION owner;
	SET ROLE owner;
	CREATE TABLE ward.person (tenant text NOT NULL, id text NOT NULL, password text, room point, discharged_on date, PRIMARY KEY (tenant, id));
	CREATE TABLE ward.note (tenant text NOT NULL, person text NOT NULL, day date NOT NULL, said text);
	RESET ROLE;
	SELECT toms.add_tenant('clinic', name => 'Clinic')});
filled('tenants', 'wall_nothing', 'ward.person', 'tenant', 'id');
unlike(phrases($_), qr/nothing_protected|wall_nothing\b/, "$_: something is protected") for sort grep { $missing{$_} =~ /nothing_protected|wall_nothing\b/ } keys %missing;
my $remedy = $node->safe_psql('postgres', q{SELECT split_part(remedy, E'\n', 1) FROM toms.run_probe('minimisation')});
$remedy =~ s/…/$_/ for qw(ward.note tenant person);
$remedy =~ s/\);$/, free_text => 'accept', reason => 'it was there before');/;
$node->safe_psql('postgres', $remedy);
unlike(phrases($_), qr/wall_nothing_of/, "$_: there are data about health") for qw(minimisation certificate_optional);
$remedy = filled('sealed', 'sealed_none', 'said');
1 while $node->safe_psql('postgres', "SET client_min_messages = warning; $remedy") ne '0';      # by batches, as it tells who runs it
unlike(phrases('sealed'), qr/sealed_clear/, 'sealed: nothing of it is in clear text any more');
filled('separated_tables', 'separated_none', 'ward.note', 'ward.person', 'care');

# Who may do what
filled('permission_history', 'permissions_none', 'patient', 'ward.note', 'care');
unlike(phrases($_), qr/permissions_none|access_none/, "$_: something is permitted") for qw(permissions access_review);
filled('second_factor', 'mfa_none', 'nurse', 'ward.note', 'select', 'care');
filled('record', 'record_no_processor', 'Host', 'Hamburg', 'privacy@host.example', 'Rita Lang');
unlike(phrases('record'), qr/record_no_purpose/, 'record: purposes are permitted');
filled('leavers', 'logins_none', 'job', 'Ada Lovelace');
filled('tenant_audit', 'tenant_audit_closed', 'nurse', 'care');

# What columns hold
filled('categories', 'categories_none', 'ward.person', 'room', 'location');
filled('credentials', 'pattern_none', 'ward.person', 'password');
$node->safe_psql('postgres', "SET toms.reason = 'test';" . $node->safe_psql('postgres', q{SELECT remedy FROM toms.run_probe('credentials') WHERE phrase = 'pattern_open'}) =~ s/\n.*//r);
like(phrases('credentials'), qr/^pattern_unproven$/, 'what was there before was not looked at');
filled('credentials', 'pattern_unproven');
filled('pseudonyms', 'pattern_none', 'names by toms.pseudonym()', 'ward.note', 'said');

# How long
filled('master_data', 'master_none', 'ward.person', 'discharged_on', '') if phrases('master_data') =~ /master_none/;
filled('statutory', 'statutory_none', 'ward.note', 'de_invoice', 'day', '2 years');
filled('encrypted_exports', 'unreadable_impossible');
unlike(phrases('tenant_return'), qr/return_unencrypted/, 'tenant_return: it can be encrypted');
filled('backup_tiers', 'backup_no_tier');

# Contexts that a log-in gives itself, until there is a key that verifies tokens
$node->safe_psql('postgres', q{SET client_min_messages = warning; SELECT toms.allow_enter('job', '{clinic}', '{nurse}')});
like($node->safe_psql('postgres', q{SELECT status || ' ' || toms.say(phrase, args, 'en') FROM toms.run_probe('context') WHERE phrase LIKE 'context_%'}),
	qr/^partial No key verifies tokens, so every context is one that a log-in gives itself by toms\.enter\(\): job\.$/, 'no key verifies tokens');
my $keys = PostgreSQL::Test::Utils::tempdir();
new_keys($keys);
filled('context', 'context_enter', "$keys/jwks.json");

# A label that is gone: values of the column are not told from others' until it is back
my $label = $node->safe_psql('postgres', q{SELECT label FROM pg_seclabel WHERE provider = 'toms_seal'});
$node->safe_psql('postgres', q{SET toms.reason = 'test'; SET allow_system_table_mods = on; DELETE FROM pg_seclabel WHERE provider = 'toms_seal'});
like(phrases('sealed'), qr/(^| )sealed_label( |$)/, 'a sealed column without its label is named');
$node->safe_psql('postgres', "SET toms.reason = 'test'; SET allow_system_table_mods = on; SECURITY LABEL FOR toms_seal ON COLUMN ward.note.said IS '$label'");
unlike(phrases('sealed'), qr/(^| )sealed_label( |$)/, 'it is back');

# Reports are signed with the key of the trail, and so is what a report says of itself
sub report { return $node->safe_psql('postgres', q{SELECT status || ' ' || phrase FROM toms.run_probe('report') WHERE phrase LIKE 'report%'}) }
is(report(), 'pass report_whole', 'report: one can be made');
my $keyring = $node->safe_psql('postgres', 'SHOW toms.keyring');
$node->safe_psql('postgres', q{ALTER SYSTEM SET toms.keyring = ''});
$node->reload;
usleep(300_000);
filled('report', 'report_no_key', $keyring);
my ($file) = glob "$keyring/audit*";
rename $file, "$keyring.audit" or die "$file: $!";
$node->restart;
like($node->safe_psql('postgres', q{SELECT remedy FROM toms.run_probe('report') WHERE phrase = 'report_no_key'}), qr/^-- bring key "audit" back .*$/, 'report: the key of the trail is gone, which no SQL brings back');
rename "$keyring.audit", $file or die "$file: $!";
is(report(), 'pass report_whole', 'report: with it one can be made again');
# Whoever signs is another
is($node->safe_psql('postgres', q{
	BEGIN;
	ALTER FUNCTION toms.sign_certificate(text) RENAME TO sign_certificate_away;
	CREATE FUNCTION toms.sign_certificate(body text) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace(toms.sign_certificate_away(body), '[[:alnum:]]', 'x') $$;
	SELECT string_agg(status || ' ' || phrase, ', ' ORDER BY phrase) FROM toms.run_probe('report') WHERE status <> 'pass';
	ROLLBACK}), 'fail code_added, fail code_gone, fail report_unsigned', 'report: what was altered after it was signed');
is(report(), 'pass report_whole', 'report: as it was');

$node->stop;
done_testing();
