# A disk that is full, can only be read, or loses what it is given, below the keyring, the log outside, the tables, and the
# write-ahead log.  What cannot be kept is refused and says why, half of a key stays nowhere, what was acknowledged is there, and
# when the disk is well again all goes on.  PostgreSQL stops itself where its log cannot be written; then it is started again.

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

plan skip_all => 'there is no C compiler' unless preload('disk');

my $keyring = keyring();
my $outside = keyring();
my $node = sealed_server('disk', $keyring, extra => ['--wal-segsize=1'],
	settings => "toms.outside = '$outside'\ntoms.audit_timeout = 5s\ntoms.seal_interval = 200ms\nautovacuum = off\nfsync = on\nlog_statement = none\nmin_wal_size = 2MB\nwal_recycle = off\n");
start_preloaded($node);
add_roles($node);
create_sealed($node, 'app');
fill($node, 'app');
$node->safe_psql('app', q{
	SET client_min_messages = warning;
	CREATE TABLE med.page (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, words text);
	GRANT ALL ON med.page TO hr;
	SELECT toms.protect('med.page', tenant => 'tenant', subject => 'employee', category => 'health');
	SELECT toms.permit('hr', 'med.page', '{select,insert}', '{absence_management}', 'tenant')});

sub said { my ($code, $out, $err) = $node->psql('app', "SET client_min_messages = error; SET toms.reason = 'test'; $_[0]", on_error_stop => 1); return $code == 0 ? $out : $err }
sub sql { return $node->safe_psql('app', "SET client_min_messages = error; SET toms.reason = 'test'; $_[0]") }
sub acme { return as_tenant($node, 'app', 'acme', $_[0]) }

my %says = (full => 'No space left on device', 'nearly-full' => 'No space left on device', readonly => 'Read-only file system', broken => 'Input/output error', forgetful => 'Input/output error');

sub is_whole
{
	my ($name) = @_;
	fault('');
	sql('SELECT toms.seal_audit()');
	is(sql('SELECT count(*) FROM toms.verify_audit()'), '0', "$name, and well again: the trail is whole");
	is(sql('SELECT count(*) FROM toms.check_keyring()'), '0', '... the keyring is whole');
	is(opened($node, 'app'), our $opened, '... and values open');
	return;
}

# the keyring ----------------------------------------------------------------------------------

sql(q{SELECT toms.allow_enter('app', '{acme}', '{hr}')});
our $opened = opened($node, 'app');

# A key that is used by its name is made again when it is asked for.
for my $fault ('full', 'nearly-full', 'readonly', 'broken')
{
	unlink "$keyring/enter.key";
	my $keys = join ' ', sort glob "$keyring/*";
	fault("$fault $keyring");
	like(said(q{SELECT toms.add_tenant('late', name => 'Late GmbH')}), qr/the keyring cannot be used\nDETAIL:  "\Q$keyring\E[^"]*": $says{$fault}/, "the keyring is $fault: no tenant begins");
	like(said(q{SELECT toms.allow_enter('app', '{acme}', '{hr}')}), qr/the keyring cannot be used\nDETAIL:  "\Q$keyring\E[^"]*": $says{$fault}/, 'nor does a job');
	is(join(' ', sort glob "$keyring/*"), $keys, 'no key is there, nor a half');
	is(sql('SELECT count(*) FROM toms.tenant') . sql('SELECT count(*) FROM toms.key_epoch'), '22', 'nor does a row tell of one');
	is(opened($node, 'app'), $opened, 'values open');
	fault('');
	is(said(q{BEGIN; SELECT FROM toms.add_tenant('late', name => 'Late GmbH'); SELECT toms.try_epoch(toms.current_epoch('late')); ROLLBACK}), 't', 'when it is well again, a tenant can begin');
	unlike(said(q{SELECT toms.allow_enter('app', '{acme}', '{hr}')}), qr/ERROR/, 'and a job');
	is_whole("the keyring is $fault");
}

# Another session finds it as soon as it has its name, which a crash may take away until the directory has been flushed.
{
	my $enter = q{SET SESSION AUTHORIZATION app; BEGIN; SELECT FROM toms.enter('acme', '17', 'hr', 'absence_management'); SELECT toms.current_tenant()};
	my $epochs = join ' ', sort glob "$keyring/epoch-*.key";
	my $refused = qr/the keyring cannot be used\nDETAIL:  "\Q$keyring\E[^"]*": $says{forgetful}/;
	unlink "$keyring/enter.key";
	fault("forgetful $keyring");
	like(said(q{SELECT toms.add_tenant('late', name => 'Late GmbH')}), $refused, 'the keyring is forgetful: no tenant begins');
	is(join(' ', sort glob "$keyring/epoch-*.key"), $epochs, 'whose key is destroyed again');
	like(said(q{SELECT toms.allow_enter('app', '{acme}', '{hr}')}), $refused, 'nor does a job');
	my $key = eval { slurp_file("$keyring/enter.key") } // 'none';
	like($key, qr/^ed25519 /, 'whose key is there, since another session may have it');
	like(said($enter), $refused, '... and is used by none');
	fault('');
	is(said($enter), 'acme', 'when it is well again, it is used');
	is(slurp_file("$keyring/enter.key"), $key, '... and is the same');
	fault("forgetful $keyring");
	is(said($enter), 'acme', '... for good');
	is_whole('the keyring is forgetful');
}

# the log outside ------------------------------------------------------------------------------

sub erase { return said("SELECT row_count FROM toms.erase_again('subject', 'acme', '$_[0]', NULL)") }
sub person { my $said = acme("INSERT INTO med.note (id, tenant, employee, said) VALUES ($_[0], 'acme', $_[0], 'a word')"); die $said if $said ne ''; return }

my $person = 1000;
for my $fault ('full', 'nearly-full', 'readonly', 'broken', 'forgetful')
{
	person(++$person);
	fault("$fault $outside");
	like(erase($person), qr/could not be told outside of the database.*Nothing was erased/s, "the log outside is $fault: nobody is erased");
	is(sql("SELECT count(*) FROM med.note WHERE employee = $person"), '1', 'no row is gone');
	my $unusable = qr/the log outside of the database cannot be used\nDETAIL:  "\Q$outside\E[^"]*": $says{$fault}/;
	like(said('SELECT toms.seal_audit()'), $unusable, 'who seals is told');
	like(said('SELECT toms.seal_audit()'), $unusable, '... as long as it is so');
	fault('');
	ok($node->poll_query_until('app', q{SELECT count(*) = 0 FROM toms.ledger WHERE state = 'intended' OR NOT told}), 'when it is well again, it is told what became of the erasure');
	is(erase($person), '1', 'which can be done again');
	is_whole("the log outside is $fault");
}

# the tables -----------------------------------------------------------------------------------

# Rows and strict reads that were acknowledged.
my ($rows, $reads) = (0, 0);
my $next = 0;

# Each needs a page of its own.
sub page
{
	$next++;
	my $said = acme("INSERT INTO med.page SELECT $next, 'acme', 17, string_agg(md5(n || ' $next'), '') FROM generate_series(1, 150) n");
	$rows++ if $said eq '';
	return $said;
}

# Until it is refused; returns how.
sub write_and_read
{
	for (1 .. 500)
	{
		my $said = page();
		return $said if $said ne '';
		$said = acme('SELECT count(*) FROM med.page');
		return $said if $said !~ /^\d+$/;
		$reads++;
	}
	return 'nothing';
}

sub strict_reads
{
	return sql(q{SELECT coalesce(sum(coalesce((convert_from(e.payload, 'UTF8')::jsonb ->> 'times')::integer, 1)), 0) FROM toms.audit_entry e JOIN toms.audit_entry o ON o.id = e.object AND o.kind = 'o'
		WHERE e.kind = 'r' AND e.verb = 's' AND convert_from(o.payload, 'UTF8')::jsonb ->> 'relation' = 'med.page'});
}

sub all_is_kept
{
	my ($name) = @_;
	fault('');
	cmp_ok(sql('SELECT count(*) FROM med.page'), '>=', $rows, "$name, and well again: all $rows rows are there");
	cmp_ok(strict_reads(), '>=', $reads, "... and all $reads reads are in the trail");
	is(page(), '', 'a row can be written');
	like(acme('SELECT count(*) FROM med.page'), qr/^\d+$/, 'and read');
	$reads++;
	is_whole($name);
	return;
}

for my $fault ('full', 'readonly')
{
	my $base = $node->data_dir . '/base';
	fault("$fault $base");
	like(write_and_read(), qr/$says{$fault}|the audit trail could not take it in/, "the tables' disk is $fault: what cannot be kept is refused, after $rows rows");
	like(join('', map { write_and_read() } 1 .. 3), qr/$says{$fault}/, '... and says why');
	all_is_kept("the tables' disk is $fault");
}

# the write-ahead log, and what PostgreSQL answers with a PANIC ---------------------------------------

# Nothing is acknowledged, up to a server that cannot start; then the disk is well again, and it is started where it has not by itself.
sub goes_down
{
	my ($name, $fault, $place, $does) = @_;
	my $log = -s $node->logfile;
	fault("$fault $place");
	$does->();
	my $till = time + 60;
	usleep(100_000) until time > $till || slurp_file($node->logfile, $log) =~ /PANIC/;
	like(slurp_file($node->logfile, $log), qr/PANIC:  .*$says{$fault}/, "$name: PostgreSQL stops itself");
	fault('');
	usleep(500_000);
	$node->stop('immediate', fail_ok => 1) if -e $node->data_dir . '/postmaster.pid';
	$node->_update_pid(0);
	start_preloaded($node);
	all_is_kept($name);
	return;
}

my $wal = $node->data_dir . '/pg_wal';
goes_down("the write-ahead log's disk is $_", $_, $wal, \&write_and_read) for 'full', 'readonly', 'broken';
goes_down("the tables' disk loses what it is given", 'broken', $node->data_dir . '/base', sub { page(); said('CHECKPOINT') });

$node->stop;
done_testing();
