# Tenants on two servers behind a router: the router has postgres_fdw, and no toms; the token goes with the
# transaction, and each node decides alone. The recipe is examples/servers.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys mint);

my $recipe = "$FindBin::RealBin/../../examples/servers";
my $dir = PostgreSQL::Test::Utils::tempdir();
my $library = `pg_config --pkglibdir` =~ s/\s+\z//r;
new_keys($dir);

sub new_server
{
	my ($name, $settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 1);
	$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'\n$settings");
	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf('pg_hba.conf', "local all,replication all trust\nhost all app 127.0.0.1/32 scram-sha-256\n");
	$node->start;
	$node->safe_psql('postgres', q{
		CREATE ROLE hr;
		CREATE ROLE app LOGIN PASSWORD 'of the log-in' IN ROLE hr;
		ALTER ROLE app SET client_min_messages = error});    # tokens stand in the statements' text here
	return $node;
}

sub new_node
{
	my ($name) = @_;
	mkdir "$dir/$name", 0700 or die "$dir/$name: $!";
	my $node = new_server($name, "toms.jwks_file = '$dir/jwks.json'\ntoms.keyring = '$dir/$name'\n");
	$node->safe_psql('postgres', q{
		CREATE EXTENSION toms;
		SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG'), toms.add_tenant('initech', name => 'Initech AG');
	} . slurp_file("$recipe/node.sql"));
	return $node;
}

my ($node_1, $node_2) = map { new_node($_) } 'node_1', 'node_2';
my $router = new_server('router', '');
my ($code, $out, $err) = $router->psql('postgres', slurp_file("$recipe/router.sql"), on_error_stop => 1,
	extra_params => [ '-v', 'port_1=' . $node_1->port, '-v', 'port_2=' . $node_2->port, '-v', 'password=of the log-in' ]);
is($err, '', 'the router is made') or BAIL_OUT($err);

my %token = map { $_ => mint($dir, tenant => $_) } 'acme', 'globex', 'initech';

# What the application is told by the router: rows, or the error.
sub says
{
	my ($statements) = @_;
	my ($code, $out, $err) = $router->psql('postgres', $statements, extra_params => [ '-U', 'app' ], on_error_stop => 1);
	return $code == 0 ? $out : $err;
}

# With the token of a tenant, handed to the node where that tenant is, or to another one.
sub as
{
	my ($tenant, $statements, $at, $token) = @_;
	$at //= $tenant;
	$token //= $token{$tenant};
	return says("BEGIN; INSERT INTO context VALUES ('$at', '$token');\n$statements;\nCOMMIT");
}

my $rows = q{SELECT string_agg(concat_ws(' ', tenant_id, id, reason), ', ' ORDER BY tenant_id, id) FROM absence};

subtest 'rows are written and read where they belong' => sub {
	is(as('acme', q{INSERT INTO absence VALUES ('acme', 1, 17, '2026-01-07', 'influenza'), ('acme', 2, 18, '2026-01-08', 'a broken arm')}), '', 'acme writes');
	is(as('globex', q{INSERT INTO absence VALUES ('globex', 1, 17, '2026-01-09', 'fever') RETURNING id}), '1', 'globex writes, and gets its row back');
	is(as('acme', "$rows WHERE tenant_id = 'acme'"), 'acme 1 influenza, acme 2 a broken arm', 'acme reads its rows');
	is(as('globex', "$rows WHERE tenant_id = 'globex'"), 'globex 1 fever', 'so does globex');
	is($_->[0]->safe_psql('postgres', "SET toms.reason = 'test'; SELECT string_agg(DISTINCT tenant_id, ' ') FROM absence"), $_->[1], "on its own server: $_->[1]")
	  for [ $node_1, 'acme' ], [ $node_2, 'globex' ];
	is(as('acme', q{UPDATE absence SET reason = 'a sprained arm' WHERE tenant_id = 'acme' AND id = 2; DELETE FROM absence WHERE tenant_id = 'acme' AND id = 1;
		SELECT id, reason FROM absence WHERE tenant_id = 'acme'}), '2|a sprained arm', 'a row is changed, another one deleted');
	like($node_1->safe_psql('postgres', "SET toms.reason = 'test'; SELECT reason FROM absence"), qr/^toms1:/, 'the value is sealed on its node');
};

subtest 'without a token nothing is shown' => sub {
	my $none = qr/access to "absence" refused: no context is set/;
	like(says("SELECT count(*) FROM absence WHERE tenant_id = 'acme'"), $none, 'no token at all');
	like(says("SELECT count(*) FROM absence_1"), qr/permission denied for foreign table absence_1/, 'the partitions are not granted');
	like(as('acme', 'SELECT count(*) FROM absence'), $none, 'a token of acme is with the node of acme: a query of both nodes is refused by the other');
	is(says("BEGIN; INSERT INTO context VALUES ('acme', '$token{acme}'), ('globex', '$token{acme}'); $rows; COMMIT"), 'acme 2 a sprained arm',
		'handed to both it is answered, with the rows of acme alone');
	my $ended = qr/refused: (no context is set|the context has ended)/;
	like(as('acme', "SELECT count(*) FROM absence WHERE tenant_id = 'acme'; COMMIT; SELECT count(*) FROM absence WHERE tenant_id = 'acme'; BEGIN"), $ended, 'it ends with COMMIT');
	like(as('acme', "ROLLBACK; BEGIN; SELECT count(*) FROM absence WHERE tenant_id = 'acme'"), $ended, 'and with ROLLBACK');
	like(says("BEGIN; SAVEPOINT s; INSERT INTO context VALUES ('acme', '$token{acme}'); ROLLBACK TO s; SELECT count(*) FROM absence WHERE tenant_id = 'acme'"), $ended, 'and with its savepoint');
	is(says("BEGIN; INSERT INTO context VALUES ('acme', '$token{acme}'), ('globex', '$token{globex}'); $rows; COMMIT"), 'acme 2 a sprained arm, globex 1 fever',
		'who has two tokens has two tenants in one transaction: of the other one no node knows');
	is(says(<<"SQL"), '28000', 'the SQLSTATE comes through, the reason code does not');
DO \$\$
DECLARE
    reason text;
BEGIN
    PERFORM count(*) FROM absence WHERE tenant_id = 'acme';
EXCEPTION WHEN invalid_authorization_specification THEN
    GET STACKED DIAGNOSTICS reason = CONSTRAINT_NAME;
    PERFORM set_config('app.found', concat(SQLSTATE, reason), false);
END \$\$;
SHOW app.found
SQL
};

subtest 'each node decides alone' => sub {
	is(as('acme', "SELECT count(*) FROM absence WHERE tenant_id = 'globex'", 'globex'), '0', 'the token of acme shows no row on the node of globex');
	like(as('acme', q{INSERT INTO absence VALUES ('globex', 2, 17, '2026-01-09', 'fever')}, 'globex'), qr/refused|violates row-level security/, 'nor does it write one there');
	is(as('initech', "SELECT count(*) FROM absence WHERE tenant_id = 'acme'", 'acme'), '0', 'two tenants of one node do not see each other');
	like(as('acme', "SELECT", 'acme', mint($dir, key => 'other')), qr/signature/, 'a forged token is refused by the node');
	like(as('acme', "SELECT", 'acme', mint($dir, exp => time - 60)), qr/expired/, 'and one that has expired');
	$node_2->safe_psql('postgres', "SELECT toms.forbid('hr', 'absence')");
	like(as('globex', "SELECT count(*) FROM absence WHERE tenant_id = 'globex'"), qr/the role has no permission for this table/, 'what is forbidden on one node is refused there');
	is(as('acme', "SELECT count(*) FROM absence WHERE tenant_id = 'acme'"), '1', 'and not on the other');
	$node_2->safe_psql('postgres', "SELECT toms.permit('hr', 'absence', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant')");
	$node_2->append_conf('postgresql.conf', "toms.jwks_file = '$dir/other.json'");
	$node_2->reload;
	$node_2->poll_query_until('postgres', "SELECT setting LIKE '%other.json' FROM pg_settings WHERE name = 'toms.jwks_file'") or die;
	like(as('globex', "SELECT"), qr/signature/, 'a key that one node does not trust any more is refused there');
	is(as('acme', "SELECT count(*) FROM absence WHERE tenant_id = 'acme'"), '1', 'the other takes it');
	$node_2->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'");
	$node_2->reload;
};

subtest 'the router is nobody' => sub {
	$router->safe_psql('postgres', "CREATE USER MAPPING FOR postgres SERVER node_1 OPTIONS (user 'app', password 'of the log-in')");
	(undef, undef, my $err) = $router->psql('postgres', 'SELECT * FROM absence_1');
	like($err, qr/access to "absence.*" refused: no context is set/, 'its superuser sees nothing');
	(undef, undef, $err) = $router->psql('postgres', 'ANALYZE absence_1');
	like($err, qr/access to "absence.*" refused: no context is set/, 'nor can he collect statistics, which anybody might read');
	is($router->safe_psql('postgres', "SELECT count(*) FROM pg_namespace WHERE nspname = 'toms'"), '0', 'it has no toms');
};

subtest 'who it was is told by the node' => sub {
	like($node_1->safe_psql('postgres', "SELECT string_agg(DISTINCT concat_ws(' ', login, tenant, role, kind), ', ') FROM toms.audit_trail() WHERE relation::text ~ 'absence' AND kind IN ('insert', 'read')"),
		qr/app acme hr insert, app acme hr read/, 'log-in, tenant and role of the token');
};

subtest 'a bound token is in no log and no view' => sub {
	append_to_file("$dir/script", <<'SQL');
BEGIN;
INSERT INTO context VALUES (:tenant, :token);
SELECT 1 / (count(*) = 1)::integer FROM absence WHERE tenant_id = :tenant;
COMMIT;
SQL
	my @logs = map { $_->logfile } $node_1, $node_2, $router;
	my @starts = map { -s } @logs;
	local $ENV{PGHOST} = $router->host;
	local $ENV{PGPORT} = $router->port;
	for my $node ($node_1, $router)
	{
		$node->append_conf('postgresql.conf', "log_statement = all\nlog_parameter_max_length = 0");
		$node->reload;
	}
	my $token = mint($dir);
	my $output = '';
	ok(IPC::Run::run([ 'pgbench', '-n', '-U', 'app', '-c', 2, '-t', 50, '-M', 'prepared', '-D', 'tenant=acme', '-D', "token=$token", '-f', "$dir/script", 'postgres' ],
			'<', \undef, '>&', \$output), 'prepared statements of two sessions') or diag($output);
	my ($claims) = (split /\./, $token)[1];
	my $logged = join '', map { slurp_file($logs[$_], $starts[$_]) } 0 .. $#logs;
	like($logged, qr/INSERT INTO public\.context\(tenant_id, token\) VALUES \(\$1, \$2\)/, 'the node logs the statement');
	unlike($logged, qr/\Q$claims\E/, 'and not the token');
};

subtest 'a node that is the router too' => sub {
	$node_1->safe_psql('postgres', q{
		CREATE EXTENSION postgres_fdw;
		CREATE SERVER node_2 FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '} . $node_2->port . q{', dbname 'postgres');
		CREATE USER MAPPING FOR app SERVER node_2 OPTIONS (user 'app', password 'of the log-in');
		CREATE FOREIGN TABLE context_2 (tenant_id text, token text) SERVER node_2 OPTIONS (table_name 'context');
		CREATE TABLE everybody (tenant_id text NOT NULL, id integer, employee_id integer, day date, reason text) PARTITION BY LIST (tenant_id);
		CREATE TABLE here PARTITION OF everybody FOR VALUES IN ('acme');
		INSERT INTO here VALUES ('acme', 3, 17, '2026-01-07', 'here');
		GRANT SELECT ON everybody TO hr;
		GRANT INSERT ON context_2 TO hr});
	my $protect = q{SELECT toms.protect('everybody', tenant => 'tenant_id', subject => 'employee_id')};
	my $there = q{CREATE FOREIGN TABLE there PARTITION OF everybody FOR VALUES IN ('globex') SERVER node_2 OPTIONS (table_name 'absence_plain')};
	(undef, undef, my $refused) = $node_1->psql('postgres', "$there; $protect");
	like($refused, qr/rows of public\.there, a part of public\.everybody, lie on another server/, 'a table that has a part on another server is not protected');
	$node_1->safe_psql('postgres', "DROP FOREIGN TABLE there; $protect; $there;
		SELECT toms.permit('hr', 'everybody', '{select}', '{absence_management}', scope => 'tenant')");
	my $ask = sub {
		my ($code, $out, $err) = $node_1->psql('postgres', "BEGIN; SET LOCAL toms.token = '$token{$_[0]}'; $_[1] SELECT tenant_id, reason FROM everybody; COMMIT",
			extra_params => [ '-U', 'app' ], on_error_stop => 1);
		return $code == 0 ? $out : $err;
	};
	is($ask->('acme', ''), 'acme|here', 'acme is here, and the other node is not asked');
	like($ask->('globex', ''), qr/access to "absence\w*" refused: no context is set/, 'globex is there, where a token is asked for');
	my %hand_over = map { $_ => "INSERT INTO context_2 VALUES ('', '$token{$_}');" } 'acme', 'globex';
	is($ask->('globex', $hand_over{globex}), 'globex|fever', 'and handed over');
	is($ask->('acme', $hand_over{globex}), 'acme|here', 'and what the other node shows to globex is not shown to acme here');
	is($node_1->safe_psql('postgres', q{SELECT object FROM toms.explain_protection('everybody') WHERE kind = 'leak: foreign table'}), 'public.there',
		'one that came later is named: whether it is protected there cannot be seen from here');
	$node_1->safe_psql('postgres', q{SELECT toms.unprotect('everybody', reason => 'test'); DROP TABLE everybody});
};

subtest 'a tenant moves' => sub {
	is(as('initech', q{INSERT INTO absence VALUES ('initech', 1, 17, '2026-01-07', 'a cold'), ('initech', 2, 18, '2026-01-07', '')}), '', 'initech has rows');
	$router->safe_psql('postgres', q{
		CREATE FOREIGN TABLE moved (tenant_id text, id integer, employee_id integer, day date, reason text) SERVER node_2 OPTIONS (table_name 'absence_plain');
		CREATE FOREIGN TABLE moved_context (tenant_id text, token text) SERVER node_2 OPTIONS (table_name 'context');
		GRANT SELECT, INSERT ON moved, moved_context TO app});
	is(as('initech', "INSERT INTO moved_context VALUES ('initech', '$token{initech}');
		INSERT INTO moved SELECT * FROM absence WHERE tenant_id = 'initech'; DELETE FROM absence WHERE tenant_id = 'initech'"), '', 'with its token on both nodes: opened here, sealed there');
	$router->safe_psql('postgres', join ';', 'DROP FOREIGN TABLE moved, moved_context', map { (
			"ALTER TABLE $_ DETACH PARTITION ${_}_1", "ALTER TABLE $_ ATTACH PARTITION ${_}_1 FOR VALUES IN ('acme')",
			"ALTER TABLE $_ DETACH PARTITION ${_}_2", "ALTER TABLE $_ ATTACH PARTITION ${_}_2 FOR VALUES IN ('globex', 'initech')") } 'absence', 'context');
	is(as('initech', "$rows WHERE tenant_id = 'initech'"), 'initech 1 a cold, initech 2 ', 'it reads the same rows');
	is($_->[0]->safe_psql('postgres', "SET toms.reason = 'test'; SELECT count(*) FROM absence WHERE tenant_id = 'initech'"), $_->[1], "of which $_->[1] are on " . $_->[0]->name)
	  for [ $node_1, 0 ], [ $node_2, 2 ];
};

subtest 'a standby of a node' => sub {
	$node_1->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($node_1, 'base', has_streaming => 1);
	$standby->append_conf('postgresql.conf', "toms.standby_reads = 'log'");
	$standby->start;
	$node_1->wait_for_catchup($standby);
	$router->safe_psql('postgres', 'CREATE EXTENSION dblink; GRANT USAGE ON FOREIGN SERVER node_1 TO app; ALTER SERVER node_1 OPTIONS (SET port \'' . $standby->port . "')");
	like(as('acme', 'SELECT'), qr/cannot execute INSERT in a read-only transaction/, 'takes no token by an INSERT');
	my $asked = "SELECT set_config(''toms.token'', ''$token{acme}'', true)";
	is(says("SELECT dblink_connect('node', 'node_1'); SELECT dblink_exec('node', 'BEGIN'); SELECT FROM dblink('node', '$asked') t (said text);
		SELECT reason FROM dblink('node', 'SELECT reason FROM absence_plain') t (reason text)") =~ s/.*\n//sr, 'a sprained arm', 'but by dblink, which keeps its connection');
	$router->safe_psql('postgres', 'ALTER SERVER node_1 OPTIONS (SET port \'' . $node_1->port . "')");
	$standby->stop;
};

SKIP:
{
	skip 'PL/Proxy is not installed', 1 unless -e "$library/plproxy.so";
	subtest 'PL/Proxy: a call brings its token' => sub {
		my $servers = join ', ', map { "p$_->[0] 'host=127.0.0.1 port=" . $_->[1]->port . " dbname=postgres'" } [ 0, $node_1 ], [ 1, $node_2 ];
		$_->safe_psql('postgres', slurp_file("$recipe/plproxy_node.sql")) for $node_1, $node_2;
		$router->safe_psql('postgres', "CREATE EXTENSION plproxy; CREATE SERVER tenants FOREIGN DATA WRAPPER plproxy OPTIONS ($servers);
			CREATE USER MAPPING FOR app SERVER tenants OPTIONS (user 'app', password 'of the log-in'); GRANT USAGE ON FOREIGN SERVER tenants TO app;" . slurp_file("$recipe/plproxy_router.sql"));
		is(says("SELECT * FROM absences('acme', '$token{acme}')"), '2|18|a sprained arm', 'acme, on one node');
		is(says("SELECT * FROM absences('globex', '$token{globex}')"), '1|17|fever', 'globex, on the other');
		is(says("SELECT * FROM absences('globex', '$token{acme}')"), '', 'the token of acme shows nothing there');
		like(says("SELECT * FROM absences('acme', NULL)"), qr/no context is set/, 'and none is refused');
		like(says("SELECT * FROM absences('acme', '$token{acme}'); SELECT * FROM absences('acme', NULL)"), qr/refused: (no context is set|the context has ended)/, 'also after another call');
	};
}

$_->stop for $router, $node_1, $node_2;
done_testing();
