# pg_upgrade of a server whose events were in the queue until its fast shutdown: none is lost, numbers go on,
# and the new server goes on recording.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use UpgradeTest;

my $keyring = keyring();
my $settings = "toms.session_context = on\ntoms.audit_delay = 10s\nmax_worker_processes = 16\n";
my $old = sealed_server('old', $keyring, of_older(), checksums(), settings => $settings);
my $new = sealed_server('new', $keyring, checksums(), settings => $settings);

my $strict = 'SELECT count(*) FROM med.note';           # health data

# Entries of events by kind; as many as they stand for.
sub entries
{
	my ($node, $condition) = @_;
	return $node->safe_psql('app', qq{SELECT coalesce(sum(coalesce((convert_from(payload, 'UTF8')::jsonb ->> 'times')::integer, 1)), 0)
		FROM toms.audit_entry WHERE $condition});
}

sub reads
{
	my ($node, $table) = @_;
	return entries($node, qq{kind = 'r' AND verb = 's' AND object IN
		(SELECT id FROM toms.audit_entry o WHERE o.kind = 'o' AND convert_from(o.payload, 'UTF8')::jsonb ->> 'relation' = '$table')});
}

sub last_number { return $_[0]->safe_psql('app', 'SELECT max(id) FROM toms.audit_entry') }

sub words
{
	my ($node) = @_;
	return $node->safe_psql('app', q{SELECT string_agg(verb::text || ' ' || convert_from(payload, 'UTF8'), ', ' ORDER BY id) FROM toms.audit_entry WHERE kind = 'a' AND verb IN ('W', 'X')});
}

$old->start;
add_roles($old);
create_sealed($old, 'app');
$old->safe_psql('app', q{
	SET client_min_messages = warning;
	CREATE TABLE med.desk (id integer PRIMARY KEY, tenant text NOT NULL);
	INSERT INTO med.desk SELECT n, 'acme' FROM generate_series(1, 20) n;
	GRANT ALL ON med.desk TO hr;
	SELECT toms.protect('med.desk', tenant => 'tenant');
	SELECT toms.permit('hr', 'med.desk', '{select}', '{absence_management}', 'tenant')});
is(as_tenant($old, 'app', 'acme', $strict), '0', 'a strict read');

# Reads of which nobody waits, each as told of anew: the writer lets them lie for ten seconds.
sub queue_up
{
	$old->safe_psql('app', 'SELECT toms.seal_audit()');
	my $said = as_tenant($old, 'app', 'acme', join ';', map { "SET LOCAL application_name = 'reader $_'; SELECT count(*) FROM med.desk" } 1 .. 30);
	return is($said, join("\n", (20) x 30), 'thirty reads');
}
queue_up();
isnt($old->psql('app', 'SELECT count(*) FROM med.desk', extra_params => [ '-U', 'app' ]), 0, 'somebody is refused');
is($old->safe_psql('app', 'SELECT used_bytes > 30 * 100 FROM toms.audit_queue'), 't', 'events are in the queue');
cmp_ok(reads($old, 'med.desk'), '<', 30, '... and not in the trail');
$old->stop('fast');

$old->start;
is(reads($old, 'med.desk'), '30', 'after the shutdown they are in the trail');
is(entries($old, q{kind = 'x'}), '1', 'with the refusal');
$old->poll_query_until('app', q{SELECT count(*) = 2 FROM toms.audit_entry WHERE kind = 'a' AND verb = 'W'});
like(words($old), qr/^W \{"first":true\}, X \{\}, W \{"clean":true\}$/, 'nothing was left');

# Again, and then the upgrade itself.
unmark($old);
queue_up();
is($old->safe_psql('app', 'SELECT used_bytes > 30 * 100 FROM toms.audit_queue'), 't', 'others are in the queue when the server is stopped for its upgrade');
$old->stop('fast');

my ($ok, $said) = pg_upgrade($old, $new);
ok($ok, 'pg_upgrade') or diag $said;
$new->start;
is(reads($new, 'med.desk'), '60', 'none of those that were queued is lost');
is(entries($new, q{kind = 'x'}), '1', 'nor the refusal');
is(reads($new, 'med.note'), '1', 'nor what was there before');
$new->poll_query_until('app', q{SELECT count(*) = 3 FROM toms.audit_entry WHERE kind = 'a' AND verb = 'W'});
like(words($new), qr/X \{\}, W \{"clean":true\}, X \{\}, W \{"clean":true\}$/, 'the new server says that nothing was left');
is($new->safe_psql('app', 'SELECT count(*) FROM toms.verify_audit()'), '0', 'the trail is whole');

# It goes on.
my $last = last_number($new);
is(as_tenant($new, 'app', 'acme', $strict), '0', 'a strict read of the new server');
is(as_tenant($new, 'app', 'acme', 'SELECT count(*) FROM med.desk'), '20', 'another one');
is($new->safe_psql('app', "SELECT count(*) FROM toms.audit_entry WHERE id > $last AND kind = 'r' AND verb = 's'"), '1', 'it is recorded, with a number that follows');
my $block = $new->safe_psql('app', 'SELECT max(number) FROM toms.audit_block');
is($new->safe_psql('app', 'SELECT toms.seal_audit()'), $block + 1, 'the next block is sealed');
is($new->safe_psql('app', "SELECT count(*) FROM toms.audit_entry WHERE id > $last AND kind = 'r' AND verb = 's'"), '2', 'so is the other');
is($new->safe_psql('app', 'SELECT count(*) - count(DISTINCT id) FROM toms.audit_entry'), '0', 'no number is given twice');
is($new->safe_psql('app', 'SELECT count(*) FROM toms.verify_audit()'), '0', 'the trail is whole');

$new->stop;
unlike(slurp_file($_->logfile), qr/PANIC|TRAP|server process .* was terminated/, 'nothing crashed') for $old, $new;
done_testing();
