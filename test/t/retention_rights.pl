# The worker of retention asks each table which tenants have rows that are due, with the rights of a superuser.  What
# the planner evaluates then, as the predicate of an index, is not the table's owner's code.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use Time::HiRes qw(usleep);

my $node = sealed_server('rights', keyring(), settings => "toms.retention_interval = 1s\nautovacuum = off\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');

sub sql { return $node->safe_psql('app', "SET client_min_messages = warning; SET toms.reason = 'test'; $_[0]") }

# The worker has no application_name, the statements of this test have one.
sql(q{
	CREATE SCHEMA own AUTHORIZATION owner;
	SET SESSION AUTHORIZATION owner;
	CREATE TABLE own.message (id integer, tenant text NOT NULL, at timestamptz);
	CREATE TABLE own.loot (who text);
	CREATE FUNCTION own.note() RETURNS boolean LANGUAGE sql AS $$
		INSERT INTO own.loot SELECT current_user WHERE current_setting('application_name') = ''; SELECT true $$;
	CREATE FUNCTION own.spy(word text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN own.note(); END$$;
	CREATE INDEX ON own.message (at) WHERE own.spy('x');
	RESET SESSION AUTHORIZATION;
	SELECT toms.protect('own.message', tenant => 'tenant');
	INSERT INTO own.message SELECT n, 'acme', now() - n * interval '2 days' FROM generate_series(1, 10) n;
	SELECT toms.retain('own.message', keep => '9 days', since => 'at', basis => 'test', zone => 'UTC')});
my $till = time + 60;
usleep(200_000) while sql('SELECT count(*) FROM own.message') ne '4' && time < $till;
is(sql('SELECT count(*) FROM own.message'), '4', 'what is due is deleted');
is(sql('SELECT DISTINCT who FROM own.loot'), 'owner', 'what the owner has written has run as he alone');

# A table that somebody has locked is left out, and told of; the others have their turn.
sql(q{
	SET SESSION AUTHORIZATION owner;
	CREATE TABLE own.other (id integer, tenant text NOT NULL, at timestamptz);
	RESET SESSION AUTHORIZATION;
	SELECT toms.protect('own.other', tenant => 'tenant');
	SELECT toms.retain('own.other', keep => '9 days', since => 'at', basis => 'test', zone => 'UTC')});
my $locker = $node->background_psql('app');
$locker->query_safe('BEGIN; LOCK TABLE own.message');
my $offset = -s $node->logfile;
sql(q{INSERT INTO own.other SELECT n, 'acme', now() - interval '8 days 23:59:58' FROM generate_series(1, 3) n});
$till = time + 60;
usleep(200_000) while sql('SELECT count(*) FROM own.other') ne '0' && time < $till;
is(sql('SELECT count(*) FROM own.other'), '0', 'rows of another table are deleted while one is locked');
like(slurp_file($node->logfile, $offset), qr/toms retention leaves out table \d+, which is locked/, 'which the server log tells');
$locker->quit;
$node->stop;
done_testing();
