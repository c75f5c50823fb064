# The clock of a running server is set forward by ten years, and set right; then back by some hours, and set right.  Nothing is
# deleted, no key is destroyed and no contract ends because of a clock that jumped; tokens are judged by the clock; the trail goes
# on in its order, and nothing waits until the clock has come to where it was.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use FaultTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(time usleep);

plan skip_all => 'there is no C compiler' unless preload('clock');

my $YEARS = 10 * 366 * 86400;
my $HOURS = 5 * 3600;

my $keyring = keyring();
my $node = sealed_server('clock', $keyring, settings => "toms.seal_interval = 200ms\ntoms.retention_interval = 1s\ntoms.check_interval = 20s\ntoms.audit_timeout = 5s\ntoms.max_token_age = 1d\nautovacuum = off\nlog_statement = none\n");
fault(-2 * $HOURS);    # all is set up some time before
start_preloaded($node);
add_roles($node);
create_sealed($node, 'app');

sub said { my ($code, $out, $err) = $node->psql('app', "SET client_min_messages = error; SET toms.reason = 'test'; $_[0]", on_error_stop => 1); return $code == 0 ? $out : $err }
sub sql { return $node->safe_psql('app', "SET client_min_messages = error; SET toms.reason = 'test'; $_[0]") }
sub acme { return as_tenant($node, 'app', 'acme', $_[0]) }

# Within a minute of steady time.
sub becomes
{
	my ($query) = @_;
	for (1 .. 120)
	{
		return 1 if sql($query) eq 't';
		usleep(500_000);
	}
	return 0;
}

# Of 40 messages 20 are past their period; a contract ends in a month, when its window has closed.
sql(q{
	CREATE SCHEMA work AUTHORIZATION owner;
	GRANT USAGE ON SCHEMA work TO hr;
	CREATE TABLE work.message (id integer PRIMARY KEY, tenant text NOT NULL, at timestamptz);
	ALTER TABLE work.message OWNER TO owner;
	GRANT ALL ON work.message TO hr;
	SELECT toms.protect('work.message', tenant => 'tenant');
	SELECT toms.permit('hr', 'work.message', '{select,insert,update,delete}', '{absence_management}', 'tenant');
	INSERT INTO work.message SELECT n, 'acme', now() - interval '20 days' * (n % 2) FROM generate_series(1, 40) n;
	SELECT toms.retain('work.message', keep => '5 days', since => 'at', basis => 'test', zone => 'UTC');
	SELECT toms.add_tenant('leaving', name => 'Leaving GmbH'), toms.adopt_agreement('leaving', 'dpa', '1', '2026-01-01', '{T-11.2}');
	SELECT toms.end_tenant('leaving', ends_at => now(), notified_at => now(), basis => 'agreement')});
fill($node, 'app');
sql(q{SELECT toms.rotate_keys('globex')});
fault(0);
ok(becomes('SELECT count(*) = 20 FROM work.message'), 'what is past its period is deleted');
sql('SELECT toms.seal_audit()');
my $opened = opened($node, 'app');

sub state { return sql(q{SELECT (SELECT count(*) FROM work.message), (SELECT count(*) FROM toms.key_epoch WHERE destroyed_at IS NULL), (SELECT string_agg(state, '') FROM toms.tenant_end)}) }
my $state = state();

# Long enough for the workers to have been about.
sub rounds { usleep(4_000_000); return }

# Forward

my $log = -s $node->logfile;
fault($YEARS);
like(acme('SELECT 1'), qr/ERROR:  .*expired/, 'ten years ahead: no token is valid any more');
rounds();
is(state(), $state, 'nothing is deleted');
like(said('SELECT toms.run_retention()'), qr/the clock of this server was set forward/, 'nor by an officer');
like(said('SELECT * FROM toms.prune_audit()'), qr/the clock of this server was set forward/, 'nor from the trail');
like(said('SELECT * FROM toms.end_tenants()'), qr/the clock of this server was set forward/, 'nor does a contract end');
like(said(q{SELECT * FROM toms.destroy_old_epochs('globex', confirm => true)}), qr/the clock of this server was set forward/, 'nor is a key destroyed whose grace would be over');
is(state(), $state, 'all is as it was');
like(slurp_file($node->logfile, $log), qr/the clock of this server was set forward/, 'the log tells why');
fault(0);
is(acme('SELECT 1'), '1', 'set right: tokens are valid');
sql('SELECT toms.seal_audit()');
is(sql('SELECT count(*) FROM toms.verify_audit()'), '0', 'the trail is whole');
is(opened($node, 'app'), $opened, 'values open');
is(state(), $state, 'all is as it was');
is(sql('SELECT count(*) FROM toms.check_run WHERE at > now()'), '0', 'no check was kept that has a time to come');
my $checks = sql('SELECT count(*) FROM toms.check_run');
ok(becomes("SELECT count(*) > $checks FROM toms.check_run"), 'the check goes on');
sql(q{INSERT INTO work.message SELECT 100 + n, 'acme', now() - interval '20 days' FROM generate_series(1, 10) n});
ok(becomes('SELECT count(*) = 20 FROM work.message'), 'what is past its period is deleted again, at once');

# Back

my $began = time;
fault(-$HOURS);
is(opened($node, 'app'), $opened, 'hours back: values open');
sql(q{INSERT INTO work.message SELECT 200 + n, 'acme', now() - interval '20 days' FROM generate_series(1, 10) n});
ok(becomes('SELECT count(*) = 20 FROM work.message'), 'what is past its period is deleted');
my $blocks = sql('SELECT max(number) FROM toms.audit_block');
acme('SELECT count(*) FROM med.note');
ok(becomes("SELECT max(number) > $blocks FROM toms.audit_block"), 'the trail is sealed on');
cmp_ok(time - $began, '<', 60, 'nothing waits for the clock');
is(sql('SELECT count(*) FROM toms.verify_audit()'), '0', 'it is whole');
fault(0);
sql('SELECT toms.seal_audit()');
is(sql('SELECT count(*) FROM toms.verify_audit()'), '0', 'set right: the trail is whole');
is(opened($node, 'app'), $opened, '... and values open');

$node->stop;
done_testing();
