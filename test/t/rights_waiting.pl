# An erasure that had to leave what the law keeps comes to its end by itself, once the period is over: nobody calls for it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = sealed_server('waiting', keyring(), settings => "toms.retention_interval = 1s\nautovacuum = off\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');
read_without_keys($node, 'app');
fill($node, 'app');
$node->safe_psql('app', q{CREATE ROLE officer LOGIN; SELECT toms.grant_officer('officer', 'admin')});

sub sql { return $node->safe_psql('app', "SET client_min_messages = error; SET toms.reason = 'test'; $_[0]") }

sub officer
{
	my ($statements) = @_;
	my ($code, $out, $err) = $node->psql('app', "SET client_min_messages = error; $statements", extra_params => [ '-U', 'officer' ], on_error_stop => 1);
	return $code == 0 ? $out : $err;
}

# The state of the erasure, and whether it says still whom it is of; his invoices and notes.
sub state { return sql(q{SELECT concat_ws(' ', state, subject) FROM toms.erasure}) }
sub rows_left { return sql(q{SELECT concat_ws(' ', (SELECT count(*) FROM work.invoice WHERE person = 17), (SELECT count(*) FROM med.note WHERE tenant = 'acme' AND employee = 17))}) }
sub keys_left { return sql(q{SELECT count(*) FROM toms.data_key WHERE tenant = 'acme' AND subject = '17' AND wrapped IS NOT NULL}) }

# Invoices are kept for a day by law: his for ten seconds more, another person's for a day.
sql(q{
	CREATE SCHEMA work AUTHORIZATION owner;
	GRANT USAGE ON SCHEMA work TO hr;
	SET SESSION AUTHORIZATION owner;
	CREATE TABLE work.invoice (id integer PRIMARY KEY, tenant text NOT NULL, person integer NOT NULL, at timestamptz NOT NULL, said toms.sealed_text);
	GRANT ALL ON work.invoice TO hr;
	RESET SESSION AUTHORIZATION;
	SELECT toms.protect('work.invoice', tenant => 'tenant', subject => 'person');
	SELECT toms.permit('hr', 'work.invoice', '{select,insert}', '{absence_management}', 'tenant');
	SELECT toms.retain('work.invoice', keep => '1 day', since => 'at', basis => 'a law', zone => 'UTC', locked => true)});
is(as_tenant($node, 'app', 'acme', q{
	INSERT INTO work.invoice VALUES (1, 'acme', 17, now() - interval '1 day' + interval '10 seconds', 'of him'), (2, 'acme', 18, now(), 'of another')}), '', 'two invoices');

my $instruction = officer(q{SELECT toms.record_instruction('acme', 'erase', given_by => 'Mr Smith', wording => 'erase him', subject => '17')});
officer("SELECT toms.confirm_instruction($instruction)");
like(officer("SELECT relation, deleted, restricted FROM toms.erase_subject('acme', '17', $instruction) WHERE relation IN ('med.note', 'work.invoice')"),
	qr/^med\.note\|2\|0\nwork\.invoice\|0\|1$/, 'a person is erased, but for his invoice');
is(state(), 'waiting 17', 'so his erasure waits');
is(rows_left(), '1 0', 'for that alone');
isnt(keys_left(), '0', 'of which the key is there');

my $till = time + 60;
usleep(200_000) while state() ne 'done' && time < $till;
is(state(), 'done', 'when the period is over it comes to its end, and says no more who he was');
is(rows_left(), '0 0', 'nothing of him is left');
is(keys_left(), '0', 'nor any key');
is(sql('SELECT string_agg(id::text, $$,$$) FROM work.invoice'), '2', 'the other person has what he had');
is(sql(q{SELECT count(*) FROM toms.restriction WHERE subject = '17'}), '0', 'nobody is restricted any more');

done_testing();
