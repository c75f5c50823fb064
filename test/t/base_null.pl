# Whoever calls a C function of toms with NULL, a superuser too, gets an answer or an error; the server goes on.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $node = sealed_server('null', keyring());
$node->start;
$node->safe_psql('postgres', 'SET client_min_messages = warning; CREATE EXTENSION toms');
my @calls = split /\n/, $node->safe_psql('postgres', q{
	SELECT format('SELECT toms.%I(%s)', proname, (SELECT string_agg(format('NULL::%s', format_type(t, NULL)), ', ') FROM unnest(proargtypes) t))
	FROM pg_proc WHERE pronamespace = 'toms'::regnamespace AND probin = '$libdir/toms' AND NOT proisstrict AND prorettype <> ALL ('{trigger,event_trigger}'::regtype[]) ORDER BY 1});
cmp_ok(scalar @calls, '>', 50, 'functions that are called with NULL');
my @crashing = grep {
	$node->psql('postgres', '', on_error_stop => 0, extra_params => [ '-c', "SET toms.reason = 'test'", '-c', $_ ]) > 1
} @calls;
is("@crashing", '', 'none ends the session');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|server process .* was terminated/, 'nothing crashed');

done_testing();
