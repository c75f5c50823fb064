# A message that retention has deleted is in every backup from before.  Once the tenant's keys have been
# rotated and the former epoch is destroyed, no key that still exists opens it there: not the keyring's,
# nor those that the live database has.  Messages within their period open as ever.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys start_server);

my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('live', $dir, "max_wal_senders = 4\nwal_level = replica\ntoms.key_grace = 0\n");
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
CREATE ROLE hr;
CREATE ROLE job LOGIN IN ROLE hr;
CREATE ROLE keeper LOGIN;
SELECT toms.grant_officer('keeper', 'admin'), toms.grant_officer('keeper', 'operator');
CREATE ROLE owner;
CREATE TABLE message (id integer PRIMARY KEY, tenant text NOT NULL, sender integer NOT NULL, sent_at timestamptz NOT NULL, words toms.sealed_text);
ALTER TABLE message OWNER TO owner;
GRANT SELECT, INSERT ON message TO hr;
SELECT toms.protect('message', tenant => 'tenant', subject => 'sender', category => 'health', free_text => 'sealed');
SELECT toms.permit('hr', 'message', '{select,insert}', '{absence_management}', 'tenant');
SET client_min_messages = error;
SELECT toms.allow_enter('job', '{acme}', '{hr}');
CREATE FUNCTION opens(value toms.sealed_text, plain text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text;
BEGIN
    RETURN CASE WHEN toms.reveal(value) = plain THEN 'open' ELSE 'wrong' END;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME;
    RETURN code;
END
$$;
SQL
my $enter = "SELECT FROM toms.enter('acme', '1', 'hr', 'absence_management');";

# What a log-in gets from statements.
sub as
{
	my ($login, $statements, $on) = @_;
	return ($on // $node)->safe_psql('postgres', $statements, extra_params => [ '-q', '-U', $login ]);
}

# What becomes of each message there is: "1 open, 2 toms_key_destroyed"; or the error.
sub messages
{
	my ($on) = @_;
	my ($code, $out, $err) = ($on // $node)->psql('postgres',
		"BEGIN; $enter SELECT coalesce(string_agg(id || ' ' || opens(words, 'of ' || sender), ', ' ORDER BY id), 'none') FROM message; COMMIT",
		extra_params => [ '-q', '-U', 'job' ], on_error_stop => 1);
	return $code == 0 ? $out : $err;
}

# Runs until nothing is left to do: a batch each time, the worker's or ours; a problem ends the tests.
sub retention
{
	for (1 .. 20)
	{
		my $left = as('keeper', q{SELECT rule, due, done, problem FROM toms.run_retention()});
		return if $left eq '';
		BAIL_OUT("retention: $left") if $left !~ /\|$/m;
	}
	BAIL_OUT('retention does not end');
}

sub restored_server
{
	my ($name) = @_;
	my $restored = PostgreSQL::Test::Cluster->new($name);
	$restored->init_from_backup($node, 'before');
	$restored->append_conf('postgresql.conf', 'toms.retention_interval = 1d');
	$restored->start;
	return $restored;
}

# 1 and 2 are past their period, and all that their senders have; 3 and 4 are of one person
as('job', "BEGIN; $enter INSERT INTO message
	SELECT id, 'acme', sender, now() - age * interval '1 day', 'of ' || sender
	FROM (VALUES (1, 17, 106), (2, 18, 400), (3, 19, 106), (4, 19, 104), (5, 20, 1)) m (id, sender, age); COMMIT");
is(messages(), '1 open, 2 open, 3 open, 4 open, 5 open', 'everything opens');
$node->backup('before');

# The rule: what is past its period is gone from sight at once, and from the table with the next run
as('keeper', q{SELECT toms.retain('message', keep => '105 days', since => 'sent_at')});
is(messages(), '4 open, 5 open', 'what is past its period is seen by nobody, at once');
retention();
is($node->safe_psql('postgres', q{SET toms.reason = 'test'; SELECT string_agg(id::text, ',' ORDER BY id) FROM message}), '4,5', 'then it is deleted');
is(messages(), '4 open, 5 open', 'and nothing else');
is($node->safe_psql('postgres', q{SELECT count(*), count(wrapped) FROM toms.data_key WHERE relation = 'message'::regclass}),
	'4|2', 'keys that no row carries any more are destroyed, that of a sender who has another message is not');

# A backup from before, with the keyring of today: as long as its epoch is there
my $early = restored_server('early');
is(messages($early), '1 open, 2 open, 3 open, 4 open, 5 open', 'a backup opens with the epoch from before, which the README tells');
$early->stop;

as('keeper', q{CALL toms.rotate_all_keys('acme')});
is(as('keeper', q{SELECT string_agg(number::text, ',') FROM toms.destroy_old_epochs('acme', confirm => true) WHERE destroyed}),
	'1', 'the keys are rotated, and the former epoch is destroyed');
is(messages(), '4 open, 5 open', 'the live database is as it was');

my $late = restored_server('late');
my $nothing = messages($late);
like($nothing, qr/could not take it in|toms_key/, 'from then on the keyring is of no use for that backup');
unlike($nothing, qr/open/, 'and opens nothing in it');
my $export = as('keeper', q{SELECT format('SELECT * FROM toms.adopt_keys(%L);', k) FROM toms.export_keys('acme') k});
as('keeper', $export, $late);
is(messages($late), '1 toms_key_destroyed, 2 toms_key_destroyed, 3 open, 4 open, 5 open',
	'nor does one that the live database has open what was past its period; that of the sender with another message is the same key, and is still needed');
$late->stop;

# The last message of that sender goes: so does the key
as('keeper', q{SELECT toms.unretain(id, 'shorter') FROM toms.retention_rules});
as('keeper', q{SELECT toms.retain('message', keep => '100 days', since => 'sent_at')});
retention();
is(messages(), '5 open', 'his last message is past its period');
as('keeper', q{CALL toms.rotate_all_keys('acme')});
as('keeper', q{SELECT * FROM toms.destroy_old_epochs('acme', confirm => true)});
my $last = restored_server('last');
$export = as('keeper', q{SELECT format('SELECT * FROM toms.adopt_keys(%L);', k) FROM toms.export_keys('acme') k});
as('keeper', $export, $last);
is(messages($last), '1 toms_key_destroyed, 2 toms_key_destroyed, 3 toms_key_destroyed, 4 toms_key_destroyed, 5 open', 'and nothing of his opens any more');
$last->stop;

$node->stop;
done_testing();
