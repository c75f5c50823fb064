# Reads are written into the audit trail a moment after they were made.  What was read of a person is there before he is erased:
# written afterwards it would make a key under his name, and nobody would destroy that.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $node = sealed_server('readings', keyring(), settings => "toms.audit_timeout = 1min\n");
$node->start;
add_roles($node);
create_sealed($node, 'postgres');
read_without_keys($node, 'postgres');
fill($node, 'postgres');

sub sql { return $node->safe_psql('postgres', "SET client_min_messages = error; $_[0]") }

sub set_timeout
{
	my ($timeout) = @_;
	sql($_) for "ALTER SYSTEM SET toms.audit_timeout = '$timeout'", 'SELECT pg_reload_conf()';
	return $node->poll_query_until('postgres', "SELECT current_setting('toms.audit_timeout') = '$timeout'");
}

sub erase { my ($code, $out, $err) = $node->psql('postgres', q{SET client_min_messages = error; SELECT row_count FROM toms.erase_again('subject', 'acme', '17', NULL)}); return $code == 0 ? $out : $err }
sub keys_of_his { return sql(q{SELECT toms.seal_audit(); SELECT count(*) FROM toms.data_key WHERE tenant = 'acme' AND subject = '17'}) =~ s/.*\n//sr }

my $his = q{SELECT count(toms.reveal(said)) > 0 FROM med.note WHERE employee = 17};
is(as_tenant($node, 'postgres', 'acme', $his), 't', 'what was written about him is read');
cmp_ok(keys_of_his(), '>', 0, 'there are keys under his name');

my $writer = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'toms writer' AND datname = 'postgres'});
kill 'STOP', $writer;
set_timeout('1s');
is(as_tenant($node, 'postgres', 'acme', $his), 't', 'it is read again, and the trail cannot take it in');
like(erase(), qr/the erasure could not begin: what was read until now is not in the audit trail yet.*HINT:  Nothing was erased/s, 'he is not erased before it has');
is(as_tenant($node, 'postgres', 'acme', $his), 't', 'nothing is gone');
kill 'CONT', $writer;
set_timeout('1min');
like(erase(), qr/^[1-9]\d*$/, 'then he is');
is(keys_of_his(), '0', 'and no key is left under his name');

done_testing();
