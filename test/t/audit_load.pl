# Entries of changes are the committed changes, exactly: clients write side by side with savepoints,
# rollbacks, deadlocks and cancelled statements, each telling a table of its own in the same transaction
# what it has changed, while the worker that seals is ended; at last the server crashes under them.
#
# TOMS_TEST_TRANSACTIONS of each of 8 clients, 200 by default; TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use IPC::Run;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $transactions = $ENV{TOMS_TEST_TRANSACTIONS} // 200;
my $keyring = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $keyring or die $!;

my $node = PostgreSQL::Test::Cluster->new('load');
$node->init;
$node->append_conf('postgresql.conf', <<"CONF");
toms.keyring = '$keyring'
toms.seal_interval = 200ms
deadlock_timeout = 10ms
log_statement = none
restart_after_crash = on
CONF
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION toms;
CREATE ROLE hr;
CREATE ROLE job LOGIN IN ROLE hr;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
SELECT toms.allow_enter(login => 'job', tenants => '{acme}', roles => '{hr}');
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO hr;
CREATE SEQUENCE app.ids START 1000;
CREATE TABLE app.note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, n integer NOT NULL DEFAULT 0);
INSERT INTO app.note SELECT i, 'acme', i FROM generate_series(1, 20) i;
CREATE TABLE app.told (inserted integer, updated integer, deleted integer);
GRANT ALL ON ALL TABLES IN SCHEMA app TO hr;
GRANT USAGE ON app.ids TO hr;
SELECT toms.protect('app.note', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('hr', 'app.note', '{select,insert,update,delete}', '{work}', 'tenant');

-- what a transaction does, by lot; it tells what of it stays if it commits
CREATE FUNCTION app.work(a integer, b integer, lot integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    inserted integer := 0;
    updated integer := 0;
    deleted integer := 0;
    n integer;
BEGIN
    UPDATE app.note SET n = app.note.n + 1 WHERE id = a;
    GET DIAGNOSTICS n = ROW_COUNT;
    updated := updated + n;
    PERFORM pg_sleep(0.005) WHERE lot BETWEEN 4 AND 6;      -- others come in between
    BEGIN
        UPDATE app.note SET n = app.note.n + 1 WHERE id IN (b, b + 1);
        GET DIAGNOSTICS n = ROW_COUNT;
        IF lot = 1 THEN
            RAISE 'taken back';
        END IF;
        updated := updated + n;
    EXCEPTION WHEN raise_exception THEN
        NULL;
    END;
    FOR i IN 1..lot LOOP
        BEGIN
            INSERT INTO app.note VALUES (nextval('app.ids'), 'acme', b);
            IF i % 4 = 0 THEN
                RAISE 'taken back';
            END IF;
            inserted := inserted + 1;
        EXCEPTION WHEN raise_exception THEN
            NULL;
        END;
    END LOOP;
    DELETE FROM app.note WHERE id = (SELECT d.id FROM app.note d WHERE d.id >= 1000 AND d.id % 8 = b % 8 ORDER BY d.id LIMIT 1 FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS n = ROW_COUNT;
    deleted := deleted + n;
    IF lot = 2 THEN
        RAISE 'all taken back';
    ELSIF lot = 3 THEN
        PERFORM pg_sleep(1);
    END IF;
    INSERT INTO app.told VALUES (inserted, updated, deleted);
END
$$;
SQL

sub script
{
	my ($seed) = @_;
	srand($seed);
	return join '', "SET statement_timeout = '300ms';\n", map {
		sprintf "BEGIN; SELECT toms.enter('acme', '%d', 'hr', 'work'); SELECT app.work(%d, %d, %d); %s;\n",
			1 + int rand 5, 1 + int rand 20, 1 + int rand 19, 1 + int rand 12, rand() < 0.1 ? 'ROLLBACK' : 'COMMIT'
	} 1 .. $transactions;
}

# Clients that write, each with a script and errors of its own.
sub start_clients
{
	my ($seed) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	return map {
		my $file = "$dir/$_.sql";
		append_to_file($file, script($seed + $_));
		my %client = (err => "$dir/$_.err");
		$client{handle} = IPC::Run::start([ 'psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-U', 'job', '-f', $file, 'postgres' ],
			'<', '/dev/null', '>', '/dev/null', '2>', $client{err});
		\%client
	} 1 .. 8;
}

my @clients = start_clients(0);
my $worker = q{SELECT pid FROM toms.workers WHERE database = current_database() AND pid IS NOT NULL};
for (1, 2)
{
	sleep 1;
	$node->poll_query_until('postgres', "SELECT EXISTS ($worker)") or die 'no worker';
	is($node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM ($worker) w"), 't', 'the worker is ended');
}
IPC::Run::finish($_->{handle}) for @clients;
my $errors = join '', map { slurp_file($_->{err}) } @clients;
ok($errors =~ qr/deadlock detected/, 'some have met in a deadlock');
ok($errors =~ qr/canceling statement due to statement timeout/, 'some statements were cancelled');
ok($errors =~ qr/all taken back/, 'some transactions failed');

my $told = 'SELECT sum(inserted), sum(updated), sum(deleted) FROM app.told';
my $kept = q{SELECT count(*) FILTER (WHERE kind = 'insert'), count(*) FILTER (WHERE kind = 'update'), count(*) FILTER (WHERE kind = 'delete') FROM toms.audit_trail(relation => 'app.note')};
my $committed = $node->safe_psql('postgres', $told);
note "committed: $committed";
is($node->safe_psql('postgres', $kept), $committed, 'the trail holds every committed change once, and no other');
$node->safe_psql('postgres', 'SELECT toms.seal_audit()');
is($node->safe_psql('postgres', 'SELECT fault, block, entry FROM toms.verify_audit()'), '', 'and is whole');
is($node->safe_psql('postgres', 'SELECT (SELECT sum(size) FROM toms.audit_block) = (SELECT count(*) FROM toms.audit_entry)'), 't', 'every entry is in one block');

# a crash under those who write
@clients = start_clients(100);
sleep 2;
$node->poll_query_until('postgres', "SELECT EXISTS ($worker)") or die 'no worker';
kill 'KILL', $node->safe_psql('postgres', $worker);
eval { IPC::Run::finish($_->{handle}) } for @clients;
answers($node) or die 'the server does not come back';
isnt($node->safe_psql('postgres', $told), $committed, 'more was committed before the server crashed');
$committed = $node->safe_psql('postgres', $told);
note "committed: $committed";
is($node->safe_psql('postgres', $kept), $committed, 'after a crash the trail holds what was committed');
$node->safe_psql('postgres', 'SELECT toms.seal_audit()');
is($node->safe_psql('postgres', 'SELECT fault, block, entry FROM toms.verify_audit()'), '', 'and is whole');
$node->stop;

done_testing();
