# Extensions beside toms: what peeks at pages is a superuser's and shows no sealed value; indexes of pg_trgm and btree_gin,
# and hypothetical ones, change no answer; what comes back to the same server by dblink, postgres_fdw or NOTIFY brings
# no context along. What is not installed is left out.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $share = `pg_config --sharedir` =~ s/\s+\z//r;
my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = sealed_server('extension', keyring());
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$node->start;
add_roles($node);
create_sealed($node, 'postgres');
read_without_keys($node, 'postgres');
fill($node, 'postgres');

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub acme { return as_tenant($node, 'postgres', 'acme', $_[0]) }

# As the application without a token.
sub app
{
	my ($code, $out, $err) = $node->psql('postgres', $_[0], extra_params => [ '-U', 'app' ]);
	return $code == 0 ? $out : $err;
}

subtest 'who looks at pages' => sub {
	sql("CREATE EXTENSION $_") for qw(pageinspect pgstattuple pgrowlocks pg_visibility pg_buffercache pg_freespacemap);
	acme(q{INSERT INTO med.note (id, tenant, employee, said, plain) VALUES (100, 'acme', 17, 'sealed-diagnosis-4417', 'plain-diagnosis-9185')});
	my $raw = sql(q{CHECKPOINT; SELECT string_agg(encode(get_raw_page('med.note', n::integer), 'escape'), '') FROM generate_series(0, pg_relation_size('med.note') / 8192 - 1) n});
	like($raw, qr/plain-diagnosis-9185/, 'pageinspect shows a superuser what is stored in clear text');
	unlike($raw, qr/sealed-diagnosis-4417/, 'no sealed value');
	my $told = q{SELECT count(*) > 0 FROM toms.audit_trail() WHERE kind <> 'ddl' AND login = session_user AND relation::text LIKE '%note%'};
	is(sql($told), 'f', 'and no entry tells of it');
	sql(q{SET toms.reason = 'test'; SELECT FROM med.note});
	is(sql($told), 't', 'as one does of a statement');
	for my $peek (q{get_raw_page('med.note', 0)}, q{pgstattuple('med.note')}, q{pg_visibility_map('med.note')}, 'pg_buffercache_pages()', q{pg_freespace('med.note')})
	{
		like(app("SELECT * FROM $peek" . ($peek =~ /buffercache/ ? ' AS p (a integer)' : '')), qr/permission denied|must be superuser/, "the application may not: $peek");
	}
	acme('DELETE FROM med.note WHERE id = 100');

	my $globex = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
	$globex->query_safe("BEGIN; SET LOCAL toms.token = '" . token('globex') . "'; SELECT id FROM med.note FOR UPDATE");
	is(app(q{SELECT count(*) FROM pgrowlocks('med.note')}), '1', 'pgrowlocks shows whoever has SELECT where locked rows of all tenants lie');
	sql('REVOKE EXECUTE ON FUNCTION pgrowlocks(text) FROM PUBLIC');
	like(app(q{SELECT count(*) FROM pgrowlocks('med.note')}), qr/permission denied/, 'unless it is taken from PUBLIC');
	$globex->query_safe('COMMIT');
	$globex->quit;
};

my $found = sub { return acme("SELECT string_agg(concat_ws(' ', id, tenant), ', ' ORDER BY id) FROM med.note WHERE $_[0]") };

subtest 'indexes of others' => sub {
	sql(q{
		SET client_min_messages = warning;
		CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gin;
		SET toms.reason = 'test';
		INSERT INTO med.note (id, tenant, employee, plain) SELECT i, CASE i % 2 WHEN 0 THEN 'acme' ELSE 'globex' END, 20, 'a word of ' || i FROM generate_series(1000, 3000) i;
		SET SESSION AUTHORIZATION owner;
		CREATE INDEX note_trgm ON med.note USING gin (plain gin_trgm_ops);
		CREATE INDEX note_both ON med.note USING gin (tenant, plain gin_trgm_ops);
		RESET SESSION AUTHORIZATION;
		ANALYZE med.note});
	my $like = q{plain LIKE '%word of 200%' AND id < 2007};
	is($found->($like), '2000 acme, 2002 acme, 2004 acme, 2006 acme', 'rows of the tenant alone');
	is($found->(q{plain % 'a word of 2002' AND similarity(plain, 'a word of 2002') > 0.99}), '2002 acme', 'by similarity too');
	my $plan = acme("SET LOCAL enable_seqscan = off; EXPLAIN (COSTS off) SELECT id FROM med.note WHERE $like");
	unlike($plan, qr/Index Cond:[^\n]*~~/, 'no operator that is not leakproof is tested before the policy');
	like($plan, qr/Index Cond:[^\n]*tenant/, 'the tenant finds them');
};

subtest 'hypopg' => sub {
	plan skip_all => 'hypopg is not installed' unless -e "$share/extension/hypopg.control";
	sql('CREATE EXTENSION hypopg');
	my $plan = acme(q{SELECT count(*) FROM hypopg_create_index('CREATE INDEX ON med.note (tenant, employee)'); SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; EXPLAIN SELECT id FROM med.note WHERE employee = 17;
		SELECT string_agg(id::text, ' ' ORDER BY id) FROM med.note WHERE employee = 17});
	like($plan, qr/Index Scan using "?<\d+>btree_med_note/, 'the plan has the index that is not there');
	like($plan, qr/^1 3$/m, 'the rows are those of the tenant');
	like(app(q{SELECT hypopg_create_index('CREATE INDEX ON med.note (tenant)'); EXPLAIN ANALYZE SELECT id FROM med.note}), qr/no context is set/, 'and nothing without a context');
};

subtest 'back to the same server' => sub {
	my $port = $node->port;
	sql(qq{
		CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw;
		CREATE SERVER here FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '@{[ $node->host ]}', port '$port', dbname 'postgres');
		CREATE USER MAPPING FOR app SERVER here OPTIONS (user 'app', password_required 'false');
		GRANT USAGE ON FOREIGN SERVER here TO app;
		CREATE FOREIGN TABLE note_again (id integer, tenant text) SERVER here OPTIONS (schema_name 'med', table_name 'note');
		GRANT SELECT ON note_again TO hr});
	my $none = qr/access to "note" refused: no context is set/;
	like(acme('SELECT * FROM note_again'), $none, 'postgres_fdw: another session, which has no context');
	my $dblink = q{SELECT * FROM dblink('here', 'SELECT id FROM med.note') t (id integer)};
	like(acme($dblink), qr/password is required|$none/, 'dblink: not without a password, if at all');
	sql(q{ALTER USER MAPPING FOR app SERVER here OPTIONS (SET user 'postgres')} =~ s/postgres/@{[ scalar getpwuid $< ]}/r);
	like(acme('SELECT * FROM note_again'), qr/administrative access needs a stated reason/, 'as a superuser neither');
	sql(q{ALTER SERVER here OPTIONS (ADD options '-c toms.reason=a\ mapping')});
	is(acme('SELECT count(*) FROM note_again WHERE tenant = $$globex$$'), '1001', 'who gives a mapping a superuser and a reason has opened the table');
	like(sql(q{SELECT string_agg(DISTINCT details::text, ' ') FROM toms.audit_trail() WHERE details::text LIKE '%a mapping%'}), qr/a mapping/, 'the trail has the reason');
};

subtest 'files' => sub {
	sql(qq{CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
		CREATE FOREIGN TABLE exported (id integer) SERVER files OPTIONS (filename '$dir/exported.csv', format 'csv')});
	like(acme("COPY (SELECT id FROM med.note) TO '$dir/exported.csv'"), qr/pg_write_server_files/, 'the application writes none');
	(undef, undef, my $err) = $node->psql('postgres', "COPY med.note TO '$dir/exported.csv'");
	like($err, qr/stated reason/, 'nor a superuser without a reason');
	sql("SET toms.reason = 'a list'; COPY (SELECT id FROM med.note WHERE id < 10) TO '$dir/exported.csv'");
	is(sql('SELECT count(*) FROM exported'), '5', 'what has been written is there for who may read the foreign table: give that to nobody');
	like(app('SELECT count(*) FROM exported'), qr/permission denied/, 'nobody has it by itself');
};

subtest 'NOTIFY' => sub {
	sql(q{CREATE EXTENSION tcn; CREATE TRIGGER tell AFTER INSERT ON med.note FOR EACH ROW EXECUTE FUNCTION triggered_change_notification()});
	my $listener = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
	$listener->query_safe('LISTEN tcn');
	acme(q{INSERT INTO med.note (id, tenant, employee) VALUES (101, 'acme', 17)});
	like($listener->query_safe('SELECT 1'), qr/payload ""note",I,"id"='101'" received/, 'a trigger that notifies tells every log-in, with or without a context, what it puts there');
	$listener->quit;
	sql('DROP TRIGGER tell ON med.note');
};

subtest 'psql' => sub {
	local $ENV{TOKEN} = token('acme');
	like(app('\d med.note'), qr/^tenant\|text\|/m, '\d needs no context');
	is(app("\\getenv token TOKEN\nBEGIN; SELECT set_config('toms.token', :'token', true) \\g /dev/null\nSELECT count(*) FROM med.note WHERE id < 10; COMMIT;"), '4', 'the token comes from the environment');
	is(app("\\getenv token TOKEN\nBEGIN; SELECT set_config('toms.token', :'token', true) \\g /dev/null\n\\copy (SELECT id FROM med.note WHERE id < 10 ORDER BY id) TO STDOUT\nCOMMIT;"), "1\n2\n3\n4", '\copy takes the rows of the tenant');
};

$node->stop;
done_testing();
