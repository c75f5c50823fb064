# Sealed values are replicated as they are stored: a standby, before and after its promotion, and a
# logical subscriber open them with the keyring, and without it say which key epoch is missing.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use File::Copy;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

# Brings one keyring up to date with another, as toms.keyring_sync_command does on a real primary.
sub copy_keys
{
	my ($from, $to) = @_;
	foreach my $key (glob "$from/*")
	{
		copy($key, $to) or die "$key: $!";
	}
	chmod 0600, glob "$to/*";
	return;
}

sub missing
{
	my ($tenant) = @_;
	return qr/the key epoch is not there\nDETAIL:  This server does not hold the key of epoch 1 of tenant "$tenant"\./;
}

my $keyring = keyring();
my $primary = sealed_server('primary', $keyring, allows_streaming => 'logical');
$primary->start;
$primary->backup('empty');
add_roles($primary);
create_sealed($primary, 'postgres');
fill($primary, 'postgres');
my $opened = opened($primary, 'postgres');
my $stored = stored($primary, 'postgres');
like($opened, qr/^1\|acme\|t\|sickness\|2026-01-02\|Grüße aus Köln\|.*^5\|globex\|f\|nursing\|/ms, 'the primary opens its values');

# Hot standby: of a backup that is older than all keys
my $copy = keyring();
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'empty', has_streaming => 1);
$standby->append_conf('postgresql.conf', "toms.keyring = '$copy'\ntoms.standby_reads = log");
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
my $read = q{SELECT toms.reveal(said) FROM med.note WHERE said IS NOT NULL};

subtest 'a standby without the keys' => sub {
	is(stored($standby, 'postgres'), $stored, 'has every value byte for byte');
	is(as_tenant($standby, 'postgres', 'acme', 'SELECT id, employee FROM med.note ORDER BY id'), "1|17\n2|18\n3|17\n4|19", 'reads rows');
	like(as_tenant($standby, 'postgres', $_, $read), missing($_), "opens no value of $_, and names the epoch") foreach 'acme', 'globex';
	is($standby->safe_psql('postgres', 'SELECT tenant, number, problem FROM toms.check_keyring()'),
		"acme|1|this server does not hold the key\nglobex|1|this server does not hold the key", 'and toms.check_keyring() lists them');
};

subtest 'a standby with a copy of the keyring' => sub {
	copy_keys($keyring, $copy);
	is(opened($standby, 'postgres'), $opened, 'opens every value');
	is(as_tenant($primary, 'postgres', 'acme', q{
		INSERT INTO med.note VALUES (6, 'acme', 20, true, 'nursing', '2026-02-03', 'of a new person', '\x02');
		UPDATE med.note SET said = 'changed' WHERE id = 1}), '', 'the primary goes on');
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
	is(opened($standby, 'postgres'), opened($primary, 'postgres'), 'new values too, whose keys came with the rows');
	like(as_tenant($standby, 'postgres', 'acme', q{INSERT INTO med.note (id, tenant, employee, said) VALUES (7, 'acme', 17, 'x')}),
		qr/cannot execute INSERT in a read-only transaction/, 'and writes none');
};

# The backup may be of a moment at which a key was still to be brought to its other place
subtest 'a standby leaves it to its primary to bring keys elsewhere' => sub {
	$primary->safe_psql('postgres', q{SELECT toms.allow_enter(login => 'app', tenants => '{acme}', roles => '{hr}')});
	copy_keys($keyring, $copy);
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
	append_to_file($standby->data_dir . '/toms_unsynced_enter', '');
	$standby->append_conf('postgresql.conf', "toms.keyring_sync_command = 'false'");
	$standby->restart;
	is(($standby->psql('postgres', q{SELECT FROM toms.enter('acme', '1', 'hr', 'absence_management')}, extra_params => [ '-U', 'app' ]))[2], '', 'a job enters');
	$standby->append_conf('postgresql.conf', "toms.keyring_sync_command = ''");
	$standby->restart;
};

subtest 'a tenant that is created later' => sub {
	$primary->safe_psql('postgres', q{SELECT toms.add_tenant('initech', name => 'Initech')});
	is(as_tenant($primary, 'postgres', 'initech', q{INSERT INTO med.note (id, tenant, employee, said) VALUES (8, 'initech', 17, 'of a new tenant')}), '', 'writes');
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
	like(as_tenant($standby, 'postgres', 'initech', $read), missing('initech'), 'its epoch is missing on the standby');
	is(as_tenant($standby, 'postgres', 'acme', 'SELECT toms.reveal(said) FROM med.note WHERE id = 1'), 'changed', 'others go on opening theirs');
	copy_keys($keyring, $copy);
	is(as_tenant($standby, 'postgres', 'initech', $read), 'of a new tenant', 'until its key is brought');
};

# It has the same tables under the same names, and nothing else of the primary.
my $carried = keyring();
my $subscriber = sealed_server('subscriber', $carried, allows_streaming => 'logical');
$subscriber->start;
add_roles($subscriber);
$subscriber->safe_psql('postgres', 'CREATE TABLE public.shift (id integer)');     # other OIDs
create_sealed($subscriber, 'postgres');

subtest 'a logical subscriber' => sub {
	# What describes keys is the primary's, and so are the columns' labels, to which values are bound.
	my $labels = $primary->safe_psql('postgres', q{
		SELECT format('SECURITY LABEL FOR toms_seal ON COLUMN %s.%I IS %L;', objoid::regclass, attname, label)
		FROM pg_seclabel JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid WHERE provider = 'toms_seal'});
	$subscriber->safe_psql('postgres', "SET toms.reason = 'test'; TRUNCATE toms.key_epoch, toms.data_key; DELETE FROM toms.tenant; $labels");
	$primary->safe_psql('postgres', q{CREATE PUBLICATION sealed FOR TABLE med.note, med.visit, toms.data_key, toms.key_epoch, toms.tenant});
	my $connection = $primary->connstr('postgres') =~ s/'/''/gr . q{ options=''-c toms.reason=replication''};
	my $as_15 = $subscriber->pg_version >= 16 ? 'WITH (run_as_owner = true, password_required = false)' : '';
	$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION sealed CONNECTION '$connection' PUBLICATION sealed $as_15");
	$subscriber->wait_for_subscription_sync($primary, 'sealed');
	is(stored($subscriber, 'postgres'), stored($primary, 'postgres'), 'gets every value byte for byte, without the keyring');
	read_without_keys($subscriber, 'postgres');
	like(as_tenant($subscriber, 'postgres', $_, $read), missing($_), "opens no value of $_, and names the epoch") foreach 'acme', 'globex', 'initech';
	is(as_tenant($primary, 'postgres', 'acme', q{INSERT INTO med.note (id, tenant, employee, said) VALUES (16, 'acme', 17, 'under a key that is there, wrapped')}), '', 'the primary goes on');
	$primary->wait_for_catchup('sealed');
	is(stored($subscriber, 'postgres'), stored($primary, 'postgres'), 'and changes arrive meanwhile');
	copy_keys($keyring, $carried);
	is(opened($subscriber, 'postgres'), opened($primary, 'postgres'), 'opens every value with the keyring');

	is(as_tenant($primary, 'postgres', 'acme', q{
		INSERT INTO med.note VALUES (9, 'acme', 21, false, 'vacation', '2026-03-04', 'arrives', '\x03');
		INSERT INTO med.visit VALUES (13, 'acme', 21, '2025-06-01', 'arrives in a partition');
		UPDATE med.note SET kind = 'sickness' WHERE id = 1;
		UPDATE med.note SET plain = 'its value stays' WHERE id = 3;
		DELETE FROM med.note WHERE id = 2}), '', 'the primary goes on');
	$primary->wait_for_catchup('sealed');
	is(stored($subscriber, 'postgres'), stored($primary, 'postgres'), 'changes arrive byte for byte');
	is(opened($subscriber, 'postgres'), opened($primary, 'postgres'), 'and open');
	like(opened($subscriber, 'postgres'), qr/^13\|acme\|arrives in a partition$/m, 'in partitions too');
	is(as_tenant($subscriber, 'postgres', 'acme', q{SELECT toms.reveal(said, 'med.note', '21') FROM med.note WHERE id = 9}), 'arrives', 'bound to table, column and person as there');
	$subscriber->stop;
};

subtest 'a standby that is promoted' => sub {
	my $before = opened($primary, 'postgres') . as_tenant($primary, 'postgres', 'initech', $read);
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
	$primary->stop;
	$standby->promote;
	is(opened($standby, 'postgres') . as_tenant($standby, 'postgres', 'initech', $read), $before, 'opens every value, those of the later tenant too');
	is(as_tenant($standby, 'postgres', 'initech', q{
		INSERT INTO med.note (id, tenant, employee, said) VALUES (14, 'initech', 17, 'after the promotion'), (15, 'initech', 18, 'of another person')}), '', 'and writes');
	is(as_tenant($standby, 'postgres', 'initech', 'SELECT toms.reveal(said) FROM med.note ORDER BY id'),
		"of a new tenant\nafter the promotion\nof another person", 'what can be opened');
	is($standby->safe_psql('postgres', 'SELECT problem FROM toms.check_keyring()'), '', 'with no fault of its keyring');
};

done_testing();
