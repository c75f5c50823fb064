# Whoever has made the extension cannot drop what he owns while sealed columns exist: they hang on
# the types, and would go without a word.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $keyring = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $keyring or die $!;
my $node = PostgreSQL::Test::Cluster->new('owned');
$node->init;
$node->append_conf('postgresql.conf', "toms.keyring = '$keyring'");
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE maker SUPERUSER LOGIN; CREATE ROLE bystander; CREATE DATABASE hr');
$node->safe_psql('hr', 'CREATE EXTENSION toms', extra_params => [ '-U', 'maker' ]);
$node->safe_psql('hr', q{SELECT toms.add_tenant('acme', name => 'ACME');
	CREATE TABLE absence (tenant text NOT NULL, employee integer NOT NULL, sick toms.health_flag);
	SELECT toms.protect('absence', tenant => 'tenant', subject => 'employee', category => 'health')});

my ($code, $out, $err) = $node->psql('hr', 'DROP OWNED BY bystander, maker CASCADE');
isnt($code, 0, 'DROP OWNED BY the owner of the extension is refused');
like($err, qr/absence/, 'it names the table');
is($node->safe_psql('hr', q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'absence'::regclass AND attname = 'sick'}), '1', 'the column is there');
$node->safe_psql('hr', 'DROP OWNED BY bystander');
ok(1, 'others may go');
$node->safe_psql('hr', q{SET toms.reason = 'test'; DROP TABLE absence; DROP OWNED BY maker CASCADE});
is($node->safe_psql('hr', q{SELECT count(*) FROM pg_extension WHERE extname = 'toms'}), '0', 'without sealed columns he may');

done_testing();
