# Protected tables are replicated: to a subscriber that protects them itself, with a reason only
# where rows leave the publisher; and to a hot standby, which protects them as its primary does.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest;

my $dir = PostgreSQL::Test::Utils::tempdir();
run_tool([ 'new', '--jwks', "$dir/jwks.json", '--private', "$dir/app.jwk" ]);

sub mint
{
	my ($tenant, $role) = @_;
	my $exp = time + 900;
	return run_tool([ 'mint', '--private', "$dir/app.jwk", '--payload', '-' ],
		qq({"tenant":"$tenant","sub":"17","role":"$role","purpose":"personnel","exp":$exp}));
}

my @contexts = map { my $tenant = $_; map { [ $tenant, $_, mint($tenant, $_) ] } 'hr', 'employee' } 'acme', 'globex';

sub new_node
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $keyring = PostgreSQL::Test::Utils::tempdir();
	chmod 0700, $keyring or die "$keyring: $!";
	$node->init(allows_streaming => 'logical');
	$node->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'\ntoms.keyring = '$keyring'\nwal_retrieve_retry_interval = 100ms");
	$node->start;
	return $node;
}

# The same tables and the same protection on both sides; rows come by replication.
sub declare
{
	my ($node) = @_;
	$node->safe_psql('postgres', q{
		CREATE EXTENSION toms;
		CREATE ROLE owner LOGIN;
		CREATE ROLE hr;
		CREATE ROLE employee;
		CREATE ROLE app LOGIN IN ROLE hr, employee;
		ALTER ROLE app SET client_min_messages = error;     -- tokens stand in the statements' text here
		CREATE ROLE migration LOGIN BYPASSRLS IN ROLE owner;
		CREATE SCHEMA hr AUTHORIZATION owner;
		SET SESSION AUTHORIZATION owner;
		CREATE TABLE hr.contract (id integer PRIMARY KEY, tenant text NOT NULL);
		CREATE TABLE hr.clause (id integer PRIMARY KEY, contract_id integer NOT NULL REFERENCES hr.contract);
		CREATE TABLE hr.booking (id integer, tenant text NOT NULL, person_id integer NOT NULL, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
		CREATE TABLE hr.booking_2025 PARTITION OF hr.booking FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
		CREATE TABLE hr.booking_rest PARTITION OF hr.booking DEFAULT;
		CREATE TABLE hr.note (id integer PRIMARY KEY, tenant text NOT NULL, person_id integer NOT NULL, said text);
		RESET SESSION AUTHORIZATION;
		SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
		SELECT toms.protect('hr.contract', tenant => 'tenant');
		SELECT toms.protect('hr.clause', parent => 'hr.contract', parent_key => 'contract_id');
		SELECT toms.protect('hr.booking', tenant => 'tenant', subject => 'person_id');
		SELECT toms.protect('hr.note', tenant => 'tenant', subject => 'person_id');
		SELECT toms.permit('hr', p.root, '{select,insert,update,delete}', '{personnel}', scope => 'tenant'),
			   toms.permit('employee', p.root, '{select}', '{personnel}', scope => CASE WHEN p.subject IS NULL THEN 'tenant' ELSE 'own' END)
		FROM toms.protected_tables p WHERE p.root = p.relation});
}

# What a log-in is told: rows, or the error.
sub say_to
{
	my ($node, $login, $statements, %params) = @_;
	my ($code, $out, $err) = $node->psql('postgres', $statements, extra_params => [ '-U', $login ], %params);
	return $code == 0 ? $out : $err;
}

sub in_context
{
	my ($node, $context, $statements) = @_;
	return say_to($node, 'app', "BEGIN; SET LOCAL toms.token = '$context->[2]';\n$statements;\nCOMMIT");
}

# The rows that each context sees, one line each.
sub seen
{
	my ($node, @tables) = @_;
	my $ids = join ' || ', map { "' $_: ' || (SELECT coalesce(string_agg(id::text, ',' ORDER BY id), 'none') FROM hr.$_)" } @tables;
	return say_to($node, 'app', join '', map { "BEGIN; SET LOCAL toms.token = '$_->[2]'; SELECT '$_->[1] of $_->[0]:' || $ids; COMMIT;\n" } @contexts) . "\n";
}

# All rows, for a stated reason.
sub rows
{
	my ($node, @tables) = @_;
	return say_to($node, 'migration', join '', "SET toms.reason = 'test';\n",
		map { "SELECT '$_:', string_agg(t::text, ' ' ORDER BY id) FROM hr.$_ t;\n" } @tables);
}

# Without a context no table answers: not the application, which has the privileges, and not the owner.
sub is_closed
{
	my ($node, @tables) = @_;
	for my $login ('app', 'owner')
	{
		my ($code, $out) = $node->psql('postgres', join('', map { "SELECT FROM hr.$_ \\g /dev/null\n\\echo $_ :LAST_ERROR_MESSAGE\n" } @tables),
			extra_params => [ '-U', $login ], on_error_stop => 0);
		is($out, join("\n", map { qq($_ access to "$_" refused: no context is set) } @tables), "without a context $login is refused on the " . $node->name);
	}
}

my $publisher = new_node('publisher');
declare($publisher);
$publisher->safe_psql('postgres', q{
	CREATE ROLE carrier LOGIN REPLICATION BYPASSRLS;
	CREATE ROLE walker LOGIN REPLICATION;
	GRANT USAGE ON SCHEMA hr TO carrier, walker;
	GRANT SELECT ON ALL TABLES IN SCHEMA hr TO carrier, walker;
	SET toms.reason = 'test';
	INSERT INTO hr.contract VALUES (1, 'acme'), (2, 'globex');
	INSERT INTO hr.clause VALUES (3, 1), (4, 2);
	INSERT INTO hr.booking VALUES (5, 'acme', 17, '2025-05-01'), (6, 'acme', 18, '2024-05-01'), (7, 'globex', 17, '2025-05-01');
	INSERT INTO hr.note VALUES (8, 'acme', 17), (9, 'acme', 18), (10, 'globex', 17);
	CREATE PUBLICATION hr FOR TABLES IN SCHEMA hr});
$publisher->backup('base');
my @tables = ('contract', 'clause', 'booking', 'note');
my $first = <<'ROWS';
hr of acme: contract: 1 clause: 3 booking: 5,6 note: 8,9
employee of acme: contract: 1 clause: 3 booking: 5 note: 8
hr of globex: contract: 2 clause: 4 booking: 7 note: 10
employee of globex: contract: 2 clause: 4 booking: 7 note: 10
ROWS
is(seen($publisher, @tables), $first, 'each role sees its rows on the publisher');

# Who may carry rows away
like(say_to($publisher, 'carrier', 'COPY hr.note TO STDOUT', replication => 'database'),
	qr/administrative access needs a stated reason/, 'a walsender copies no protected table without a reason');
like(say_to($publisher, 'walker', 'COPY hr.note TO STDOUT', replication => 'database'),
	qr/no context is set/, 'nor at all for a role without BYPASSRLS');
{
	local $ENV{PGOPTIONS} = '-c toms.reason=replication';
	like(say_to($publisher, 'walker', 'COPY hr.note TO STDOUT', replication => 'database'), qr/no context is set/, 'a reason does not help that role');
}

# Initial copy
my $subscriber = new_node('subscriber');
declare($subscriber);
my $connection = $publisher->connstr('postgres') =~ s/'/''/gr . ' user=carrier';
my $as_15 = $subscriber->pg_version >= 16 ? 'WITH (run_as_owner = true, password_required = false)' : '';
my $log = -s $subscriber->logfile;
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION hr CONNECTION '$connection' PUBLICATION hr $as_15");
ok($subscriber->wait_for_log(qr/could not start initial contents copy for table "hr\.\w+": ERROR: .*administrative access needs a stated reason/, $log),
	'without a reason in its connection string the subscriber is told what is missing');
is(rows($subscriber, @tables), join("\n", map { "$_:|" } @tables), 'and gets no row');
$subscriber->safe_psql('postgres', "ALTER SUBSCRIPTION hr CONNECTION '$connection options=''-c toms.reason=replication'''");
$subscriber->wait_for_subscription_sync($publisher, 'hr');
is(rows($subscriber, @tables), rows($publisher, @tables), 'with one it gets all rows');
ok(slurp_file($publisher->logfile) =~ /toms administrative access: table=hr\.$_ verbs=select login=carrier user=carrier reason=replication/,
	"the copy of $_ is on record on the publisher") foreach 'contract', 'clause', 'booking_2025', 'booking_rest', 'note';

# Rows that have arrived are protected
is(seen($subscriber, @tables), $first, 'each role sees its rows on the subscriber, children through their parents');
is_closed($subscriber, @tables, 'booking_2025');

# Changes, one of which fires a trigger of the subscriber's that writes to a protected table
$subscriber->safe_psql('postgres', q{
	CREATE SCHEMA local AUTHORIZATION owner;
	SET SESSION AUTHORIZATION owner;
	CREATE TABLE local.arrival (id integer, tenant text NOT NULL);
	CREATE FUNCTION local.note_arrival() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO local.arrival VALUES (new.id, 'acme'); RETURN NULL; END$$;
	CREATE TRIGGER arrival AFTER INSERT ON hr.clause FOR EACH ROW EXECUTE FUNCTION local.note_arrival();
	ALTER TABLE hr.clause ENABLE ALWAYS TRIGGER arrival;
	RESET SESSION AUTHORIZATION;
	SELECT toms.protect('local.arrival', tenant => 'tenant')});
in_context($publisher, $contexts[0], q{
	INSERT INTO hr.contract VALUES (11, 'acme');
	INSERT INTO hr.clause VALUES (12, 11);
	INSERT INTO hr.booking VALUES (13, 'acme', 17, '2025-06-01');
	UPDATE hr.booking SET day = '2023-01-01' WHERE id = 5;      -- to another partition
	DELETE FROM hr.note WHERE id = 8});
say_to($publisher, 'migration', q{SET toms.reason = 'contract 2 goes to acme'; UPDATE hr.contract SET tenant = 'acme' WHERE id = 2});
$publisher->wait_for_catchup('hr');
is(rows($subscriber, @tables), rows($publisher, @tables), 'changes arrive');
is(seen($subscriber, @tables), <<'ROWS', 'and are seen by whose they are, a child by its parent\'s new tenant');
hr of acme: contract: 1,2,11 clause: 3,4,12 booking: 5,6,13 note: 9
employee of acme: contract: 1,2,11 clause: 3,4,12 booking: 5,13 note: none
hr of globex: contract: none clause: none booking: 7 note: 10
employee of globex: contract: none clause: none booking: 7 note: 10
ROWS
say_to($publisher, 'migration', q{SET toms.reason = 'new year'; TRUNCATE hr.booking});
$publisher->wait_for_catchup('hr');
is(rows($subscriber, 'booking'), 'booking:|', 'TRUNCATE arrives');
is($subscriber->safe_psql('postgres', q{SELECT verb, count(*) > 0, count(key), count(payload) FROM toms.audit_entry WHERE kind = 'c' GROUP BY 1 ORDER BY 1}),
	"d|t|0|0\ni|t|0|0\nt|t|0|0\nu|t|0|0", 'the subscriber\'s own trail records what arrives, without keys: whose it is stands in the publisher\'s');
is($subscriber->safe_psql('postgres', q{SET toms.reason = 'test'; SELECT * FROM local.arrival}), '12|acme', 'a trigger that an arriving row fires states no reason');
ok(slurp_file($subscriber->logfile) =~ /toms administrative access: table=local\.arrival verbs=insert login=postgres user=postgres/, 'but is on record');

# Whose subscription it is
$subscriber->safe_psql('postgres', q{
	CREATE ROLE worker LOGIN SUPERUSER;
	GRANT USAGE ON SCHEMA hr, local TO worker;
	GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA hr, local TO worker;
	ALTER SUBSCRIPTION hr DISABLE;
	ALTER SUBSCRIPTION hr OWNER TO worker;
	ALTER ROLE worker NOSUPERUSER;
	ALTER SUBSCRIPTION hr ENABLE});
$log = -s $subscriber->logfile;
say_to($publisher, 'migration', q{SET toms.reason = 'test'; INSERT INTO hr.note VALUES (14, 'acme', 17)});
ok($subscriber->wait_for_log(qr/cannot replicate into relation with row-level security enabled: "note"/, $log),
	'a subscription of a role without BYPASSRLS stops at a protected table');
$subscriber->safe_psql('postgres', 'ALTER ROLE worker BYPASSRLS');
$publisher->wait_for_catchup('hr');
is(rows($subscriber, 'note'), rows($publisher, 'note'), 'and goes on with BYPASSRLS, without being superuser');

# Names change on one side after the other
my $rename = q{ALTER TABLE hr.note RENAME TO memo; ALTER TABLE hr.memo RENAME COLUMN tenant TO "Tenant"; ALTER TABLE hr.contract RENAME COLUMN tenant TO client};
$log = -s $subscriber->logfile;
is(say_to($publisher, 'owner', $rename), '', 'the owner renames a table and tenant columns on the publisher');
say_to($publisher, 'migration', q{SET toms.reason = 'test';
	INSERT INTO hr.memo VALUES (15, 'globex', 18); INSERT INTO hr.contract VALUES (16, 'globex'); INSERT INTO hr.clause VALUES (17, 16)});
ok($subscriber->wait_for_log(qr/relation "hr\.memo" does not exist/, $log), 'the subscriber waits for the name');
is(say_to($subscriber, 'owner', $rename), '', 'its owner renames them there');
$publisher->wait_for_catchup('hr');
@tables = ('contract', 'clause', 'memo');
is(rows($subscriber, @tables), rows($publisher, @tables), 'changes arrive again');
is(seen($_, @tables), <<'ROWS', 'each role sees its rows under the new names on the ' . $_->name) foreach $publisher, $subscriber;
hr of acme: contract: 1,2,11 clause: 3,4,12 memo: 9,14
employee of acme: contract: 1,2,11 clause: 3,4,12 memo: 14
hr of globex: contract: 16 clause: 17 memo: 10,15
employee of globex: contract: 16 clause: 17 memo: 10
ROWS
$subscriber->stop;

# Hot standby
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($publisher, 'base', has_streaming => 1);
$standby->start;
$publisher->wait_for_catchup($standby, 'replay', $publisher->lsn('write'));
is(seen($standby, @tables), seen($publisher, @tables), 'with a token each role sees its rows on a hot standby');
is_closed($standby, @tables);
like(say_to($standby, 'migration', 'SELECT FROM hr.memo'), qr/administrative access needs a stated reason/, 'an administrator states a reason there too');
is(rows($standby, 'memo'), rows($publisher, 'memo'), 'and then reads all rows');
like(say_to($standby, 'migration', q{SET toms.reason = 'test'; ALTER TABLE hr.memo ALTER COLUMN "Tenant" TYPE varchar(20)}),
	qr/in a read-only transaction|while recovery is in progress/, 'a column is not retyped there');
is(say_to($publisher, 'migration', q{SET toms.reason = 'test'; ALTER TABLE hr.memo ALTER COLUMN "Tenant" TYPE varchar(20); ALTER TABLE hr.contract ALTER COLUMN client TYPE varchar(20)}),
	'', 'but on the primary');
my $before = seen($publisher, @tables);
$publisher->wait_for_catchup($standby, 'replay', $publisher->lsn('write'));
is(seen($standby, @tables), $before, 'after which each role sees the same rows on the standby');

# One session of the standby, before and after a permission ends on the primary
my $primary = $publisher->connstr('postgres');
my $read = "BEGIN; SET LOCAL toms.token = '$contexts[0][2]'; SELECT 'rows: ' || count(*) FROM hr.memo; COMMIT;";
my ($code, $out, $err) = $standby->psql('postgres', <<"SQL", extra_params => [ '-U', 'app' ], on_error_stop => 0);
$read
\\set lsn `psql -XAtq -d "$primary" -U postgres -c "SELECT toms.forbid('hr', 'hr.memo')" -c "SELECT pg_current_wal_lsn()" | tail -n 1`
SELECT set_config('app.lsn', :'lsn', false) \\g /dev/null
DO 'BEGIN WHILE pg_last_wal_replay_lsn() < current_setting(''app.lsn'')::pg_lsn LOOP PERFORM pg_sleep(0.02); END LOOP; END';
$read
SQL
is($out, 'rows: 2', 'a session of the standby reads');
like($err, qr/access to "memo" refused: the role has no permission for this table/, 'until the permission ends on the primary');
$standby->stop;
$publisher->stop;
done_testing();
