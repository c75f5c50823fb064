# What sessions write is sealed by the worker: at its interval, when it is ended, after a crash, and in a
# database that was restored.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys start_server create_tenants);

my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('sealed', $dir, "toms.seal_interval = '100ms'\nrestart_after_crash = on\n");
create_tenants($node);
$node->safe_psql('postgres', q{
	CREATE ROLE writer;
	GRANT writer TO app;
	SELECT toms.allow_enter(login => 'app', tenants => '{acme,globex}', roles => '{writer}');
	CREATE TABLE note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, body text);
	GRANT ALL ON note TO writer;
	SELECT toms.protect('note', tenant => 'tenant', subject => 'employee', mode => 'enforce');
	SELECT toms.add_purpose('writing', description => 'writing', legal_basis => 'Art. 6(1)(b) GDPR');
	SELECT toms.permit('writer', 'note', '{select,insert,update,delete}', '{writing}', 'tenant')});

my $n = 0;
sub write_one
{
	my ($end) = @_;
	$n++;
	return $node->safe_psql('postgres', qq{BEGIN; SELECT FROM toms.enter('acme', '1', 'writer', 'writing');
		INSERT INTO note VALUES ($n, 'acme', 17, 'x'); } . ($end // 'COMMIT'), extra_params => [ '-U', 'app' ]);
}
# that we look is an event, which is sealed later
my $sealed = q{SELECT coalesce((SELECT sum(size) FROM toms.audit_block), 0) = count(b) AND count(*) FILTER (WHERE kind = 'c') = %1$d AND count(b) FILTER (WHERE kind = 'c') = %1$d
	FROM (SELECT kind, toms.audit_block_of(id, xid, NULL) AS b FROM toms.audit_entry) e};
sub is_sealed { my ($when) = @_; return ok($node->poll_query_until('postgres', sprintf($sealed, $n)), "everything is sealed $when") }

is($node->safe_psql('postgres', 'SELECT count(*) FROM toms.audit_block WHERE size = 0'), '0', 'no block without an entry');
write_one();
is_sealed('after the first entry');
write_one() for 1 .. 5;
is_sealed('after some');
write_one("PREPARE TRANSACTION 'p'");
$node->safe_psql('postgres', 'SELECT pg_sleep(0.5)');
$node->safe_psql('postgres', q{COMMIT PREPARED 'p'});
is_sealed('after COMMIT PREPARED');

# ten intervals without a block are a fault
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE toms.audit_block IN EXCLUSIVE MODE');
write_one();
$node->safe_psql('postgres', 'SELECT pg_sleep(1.5)');
is($node->safe_psql('postgres', q{SELECT string_agg(fault, ' ') FROM toms.verify_audit()}), 'unsealed', 'what is not sealed for long is told');
$holder->query_safe('COMMIT');
$holder->quit;
is_sealed('then');

$node->append_conf('postgresql.conf', "toms.seal_interval = '1h'\n");
$node->reload;
$node->poll_query_until('postgres', q{SELECT setting = '3600000' FROM pg_settings WHERE name = 'toms.seal_interval'});
write_one();
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'toms worker'});
is_sealed('when the worker is ended');
write_one();
my $offset = -s $node->logfile;
$node->stop('fast');
like(slurp_file($node->logfile, $offset), qr/toms sealed block/, 'a fast shutdown seals what is left');
$node->start;
is_sealed('after it');
write_one();
$node->stop('immediate');
$node->start;
is_sealed('after an immediate one');
is($node->safe_psql('postgres', 'SELECT count(*) FROM toms.verify_audit()'), '0', 'and the trail is whole');

# A copy, and a dump, while the worker of the new database is there from the first moment.
$node->append_conf('postgresql.conf', "toms.seal_interval = '100ms'\n");
$node->reload;
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
ok($node->poll_query_until('copy', q{SELECT count(*) = 1 FROM toms.workers WHERE database = 'copy' AND steps > 0}), 'a copy has its worker');
is($node->safe_psql('copy', 'SELECT count(*) FROM toms.verify_audit()'), '0', 'and a trail that is whole');
$node->safe_psql('template1', 'CREATE DATABASE restored');
$ENV{PGOPTIONS} = '-c toms.reason=dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", '-d', $node->connstr('postgres') ], 'dump');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), "$dir/dump" ], 'restore');
ok($node->poll_query_until('restored', q{SELECT count(*) = 1 FROM toms.workers WHERE database = 'restored' AND steps > 0}), 'a restored database has its worker');
is($node->safe_psql('restored', sprintf($sealed, $n)), 't', 'and its trail');

is($node->safe_psql('postgres', q{SELECT coalesce(sum(errors), 0) FROM toms.workers}), '0', 'no step failed');
$node->stop;
done_testing();
