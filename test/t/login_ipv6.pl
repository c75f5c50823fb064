# Log-ins over IPv6: what the trail holds of them, and that a lock-out is of one user from there.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IO::Socket::IP;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

plan skip_all => 'this machine has no address ::1' unless IO::Socket::IP->new(Listen => 1, LocalHost => '::1', Proto => 'tcp');

my $node = PostgreSQL::Test::Cluster->new('ipv6');
my $port = $node->port;
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
listen_addresses = '127.0.0.1,::1'
password_encryption = 'scram-sha-256'
toms.audit_logins = all
toms.login_attempts = 3
toms.login_window = 1h
CONF
unlink $node->data_dir . '/pg_hba.conf';
$node->append_conf('pg_hba.conf', "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n");
$node->start;

sub sql { return $node->safe_psql('app', $_[0]) }

$node->safe_psql('postgres', <<'SQL');
CREATE DATABASE app;
CREATE ROLE anna LOGIN PASSWORD 'right';
CREATE ROLE bert LOGIN PASSWORD 'right';
CREATE ROLE operator LOGIN;
SQL
sql(<<'SQL');
CREATE EXTENSION toms;
SELECT toms.grant_officer('operator', 'operator');
CREATE VIEW public.session AS
    SELECT e.id, toms.audit_kind(e.kind, e.verb) AS kind, convert_from(e.payload, 'UTF8')::jsonb AS details FROM toms.audit_entry e WHERE e.kind = 's';
SQL
# The trail begins with its first entry, which is no log-in's.
$node->psql('app', q{SELECT toms.refuse('toms_enter_not_allowed', 'a test', 'none')});
$node->poll_query_until('app', q{SELECT count(*) > 0 FROM toms.audit_use}) or BAIL_OUT('the trail is not in use');

# Tries to log in; "in", or what the client is told.
sub attempt
{
	my ($user, $password, $host) = @_;
	local $ENV{PGPASSWORD} = $password;
	my ($out, $err) = ('', '');
	$host //= '::1';
	my @command = ('psql', '-XAt', '-c', q{SELECT 'in'}, "host=$host port=$port user='$user' dbname=app sslmode=disable gssencmode=disable");
	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	chomp $out;
	return $err =~ /(?:FATAL|ERROR):  (.*)/ ? $1 : $out;
}
my $locked_out = 'too many failed log-ins of this user from this address';
my $wrong = qr/^password authentication failed for user "\w+"$/;

# What the trail holds, when it does.
sub holds
{
	my ($condition, $count, $what) = @_;
	my $query = "SELECT count(*) FROM public.session WHERE $condition";
	for (1 .. 100)
	{
		last if sql($query) >= $count;
		usleep(100_000);
	}
	return is(sql($query), $count, "in the trail: $what")
	  || diag(sql(q{SELECT string_agg(format('%s %s', kind, details), E'\n' ORDER BY id) FROM public.session}));
}
sub locks { return sql(q{SELECT coalesce(string_agg(coalesce(login, 'hash') || ' ' || abbrev(address), ', ' ORDER BY login, address), 'none') FROM toms.locked_logins}); }

is(attempt('anna', 'right'), 'in', 'who has the password gets in');
holds(q{kind = 'login' AND details ->> 'login' = 'anna' AND details ->> 'address' = '::1' AND details ->> 'database' = 'app' AND details ->> 'method' = 'scram-sha-256'}, 1, 'his log-in, with the address');
holds(q{kind = 'logout' AND details ->> 'login' = 'anna' AND details ->> 'address' = '::1'}, 1, 'his log-out');

like(attempt('anna', 'wrong'), $wrong, "failure $_") for 1 .. 3;
holds(q{kind = 'failed_login' AND details ->> 'login' = 'anna' AND details ->> 'address' = '::1' AND details ->> 'outcome' = 'failed'}, 3, 'each failed attempt, with the address');
is(attempt('anna', 'right'), $locked_out, 'locked out');
holds(q{kind = 'locked_login' AND details ->> 'login' = 'anna' AND details ->> 'address' = '::1' AND details ->> 'outcome' = 'authenticated'}, 1, 'that he was refused, with the right password');
is(attempt('bert', 'right'), 'in', 'another user gets in from there');
is(attempt('anna', 'right', '127.0.0.1'), 'in', 'and the same one from another address');
like(attempt('anna', 'wrong', '127.0.0.1'), $wrong, 'failures from there');
is(attempt('anna', 'right', '127.0.0.1'), 'in', '... are counted for themselves');
is(locks(), 'anna ::/64', 'officers see the first 64 bits: whoever has one address of them has all');

# After a restart, and until an officer ends it; he may name any address of these.
$node->restart;
ok($node->poll_query_until('app', q{SELECT count(*) = 1 FROM toms.locked_logins}), 'after a restart');
is(attempt('anna', 'right'), $locked_out, 'locked out still');
is(attempt('anna', 'right', '127.0.0.1'), 'in', 'from there alone');
sub unlock { return $node->safe_psql('app', "SELECT toms.unlock_login('anna', '$_[0]')", extra_params => [ '-U', 'operator' ]) }
is(unlock('127.0.0.1'), '0', 'at another address there is no lock');
is(unlock('0:0:0:1::1'), '0', '... nor in the next 64 bits');
is(unlock('::1'), '1', 'an operator ends it');
is(attempt('anna', 'right'), 'in', 'in again');

# Names that nobody has.
attempt('nobody', 'x') for 1 .. 3;
is(attempt('nobody', 'x'), $locked_out, 'a name that nobody has is locked out like the others');
holds(q{kind = 'failed_login' AND details ? 'login_hash' AND NOT details ? 'login' AND details ->> 'address' = '::1'}, 3, 'its hash, with the address');

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|server process .* was terminated by signal/, 'nothing has crashed');
done_testing();
