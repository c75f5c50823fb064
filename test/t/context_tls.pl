# toms.require_tls: a token that anybody on the network could read is refused.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(new_keys mint create_tenants);

my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('tls');

# An address of this machine that is not loopback, or undef. No packet is sent.
sub own_address
{
	my $socket = IO::Socket::INET->new(Proto => 'udp', PeerAddr => '192.0.2.1', PeerPort => 9) or return;
	my $address = $socket->sockhost;
	return $address =~ /^127\./ ? undef : $address;
}

new_keys($dir);
my $token = mint($dir);
my $address = own_address();
my $listen = join ',', '127.0.0.1', $address // ();
my $port = $node->port;

$node->init;
$node->append_conf('postgresql.conf', "toms.jwks_file = '$dir/jwks.json'\nlisten_addresses = '$listen'\n");
$node->append_conf('pg_hba.conf', "host all app $address/32 trust\n") if $address;
$node->start;
create_tenants($node);

# What comes of the token over a connection to this host, encrypted or not.
sub verdict
{
	my ($host, $sslmode) = @_;
	my ($out, $err);
	$node->psql('postgres', "SELECT coalesce(tenant, code || ' ' || hint) FROM verdict('$token');", stdout => \$out, stderr => \$err,
		connstr => "host=$host port=$port user=app dbname=postgres sslmode=$sslmode gssencmode=disable");
	return $out || $err;
}

sub require_tls
{
	my ($value) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET toms.require_tls = '$value';");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('toms.require_tls') = '$value'") or BAIL_OUT('no reload');
	return;
}

my $refused = qr/^toms_token_unencrypted \(28000\) Connect with sslmode=verify-full/;
my $socket = $node->host;

is($node->safe_psql('postgres', 'SHOW toms.require_tls'), 'remote', 'by default, remote connections must be encrypted');
is(verdict($socket, 'disable'), 'acme', 'remote: a Unix socket passes');
is(verdict('127.0.0.1', 'disable'), 'acme', 'remote: loopback passes');
SKIP:
{
	skip 'this machine has no address but loopback', 1 unless $address;
	like(verdict($address, 'disable'), $refused, 'remote: any other address is refused, with a hint');
}

require_tls('on');
is(verdict($socket, 'disable'), 'acme', 'on: a Unix socket passes');
like(verdict('127.0.0.1', 'disable'), $refused, 'on: loopback is refused, with a hint');

# also before log-in is complete
{
	local $ENV{PGOPTIONS} = "-c toms.token=$token";
	like(verdict('127.0.0.1', 'disable'), qr/FATAL: .*not accepted over an unencrypted connection/, 'on: a token at start-up is refused too');
}

require_tls('off');
is(verdict('127.0.0.1', 'disable'), 'acme', 'off: loopback passes');
SKIP:
{
	skip 'this machine has no address but loopback', 1 unless $address;
	is(verdict($address, 'disable'), 'acme', 'off: any address passes');
}

require_tls('on');
SKIP:
{
	my @openssl = (qw(openssl req -new -x509 -days 2 -nodes -subj /CN=localhost -newkey rsa:2048 -keyout),
		$node->data_dir . '/server.key', '-out', $node->data_dir . '/server.crt');
	my $output;
	skip 'openssl makes no certificate', 3 unless eval { IPC::Run::run(\@openssl, '<', \undef, '>&', \$output) };
	chmod 0600, $node->data_dir . '/server.key';
	$node->append_conf('postgresql.conf', 'ssl = on');
	$node->restart;
	skip 'this PostgreSQL has no TLS', 3 unless $node->safe_psql('postgres', 'SHOW ssl') eq 'on';

	is(verdict('127.0.0.1', 'require'), 'acme', 'on: an encrypted connection passes');
	like(verdict('127.0.0.1', 'disable'), $refused, 'on: an unencrypted one is refused, also where TLS is to be had');
	require_tls('remote');
	skip 'this machine has no address but loopback', 1 unless $address;
	is(verdict($address, 'require'), 'acme', 'remote: an encrypted connection from any address passes');
}

$node->stop;
done_testing();
