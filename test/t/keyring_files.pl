# The keyring as a directory: a server that lacks a key, or cannot trust one, says which one of
# which tenant, and everything else goes on; after a restart, on a standby, in a restored dump.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use File::Copy qw(copy move);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $keyring = "$dir/keyring";
mkdir $keyring, 0700 or die $!;

my $node = PostgreSQL::Test::Cluster->new('files');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "toms.keyring = '$keyring'\n");
$node->start;
$node->safe_psql('postgres', "CREATE EXTENSION toms; SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG')");

# The rows, or the error with its code and detail.
sub asks
{
	my ($sql, $server) = @_;
	my ($out, $err);
	($server // $node)->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err);
	return $err eq '' ? $out : join ' ', $err =~ /(?:ERROR|DETAIL): +(.*)/g;
}

sub try { return asks("SELECT toms.try_epoch(toms.current_epoch('$_[0]'))", $_[1]) }

# "tenant number: problem" of every fault.
sub faults
{
	return asks("SELECT coalesce(tenant || ' ' || number || ': ', '') || problem FROM toms.check_keyring()", $_[0]);
}

my %file = map { my $tenant = $_; ($tenant => "$keyring/epoch-" . asks("SELECT id FROM toms.key_epoch WHERE tenant = '$tenant'") . '.key') } 'acme', 'globex';

sub whole
{
	my ($when) = @_;
	is(faults(), '', "$when: the keyring is whole");
	is(try($_), 't', "$when: $_ works") for 'acme', 'globex';
	return;
}

whole('at first');

# Breaks the key of acme, sees what the server says, and mends it.
sub broken_key
{
	my ($name, $break, $error, $fault) = @_;
	subtest $name => sub {
		copy($file{acme}, "$dir/kept") or die $!;
		$break->();
		like(try('acme'), $error, 'it is not used');
		is(try('globex'), 't', 'the other tenant works');
		like(faults(), $fault, 'check_keyring() names it');
		is(scalar(split /\n/, faults()), 1, 'and nothing else');
		is(asks('SELECT tenant, held FROM toms.key_epochs ORDER BY tenant'), "acme|f\nglobex|t", 'key_epochs says that it is not held');
		$node->restart;
		like(try('acme'), $error, 'nor after a restart');
		unlink $file{acme};
		rmdir $file{acme};
		copy("$dir/kept", $file{acme}) or die $!;
		chmod 0600, $file{acme} or die $!;
		whole('mended');
	};
	return;
}

sub write_key
{
	my ($text) = @_;
	open my $out, '>', $file{acme} or die $!;
	print $out $text;
	close $out or die $!;
	return;
}

broken_key('a key that is missing', sub { unlink $file{acme} },
	qr/55000: the key epoch is not there This server does not hold the key of epoch 1 of tenant "acme"\./, qr/^acme 1: this server does not hold the key$/);
broken_key('a key in the place of another', sub { unlink $file{acme}; copy($file{globex}, $file{acme}); chmod 0600, $file{acme} },
	qr/55000: the key of the epoch is another one .* of epoch 1 of tenant "acme"\./, qr/^acme 1: the keyring holds another key under its name$/);
broken_key('a key that others can read', sub { chmod 0640, $file{acme} },
	qr{55000: the keyring cannot be used "\Q$file{acme}\E": others than its owner have access to it}, qr/^acme 1: "\S+": others than its owner have access to it$/);
broken_key('a key that is a link', sub { move($file{acme}, "$dir/moved"); symlink "$dir/moved", $file{acme} },
	qr{55000: the keyring cannot be used "\Q$file{acme}\E": Too many levels}, qr/^acme 1: "\S+": Too many levels/);
broken_key('a key that is a pipe', sub { unlink $file{acme}; system 'mkfifo', '-m', '600', $file{acme} },
	qr{"\Q$file{acme}\E": it is not a regular file}, qr/^acme 1: "\S+": it is not a regular file$/);
broken_key('a key that is a directory', sub { unlink $file{acme}; mkdir $file{acme}, 0700 },
	qr{"\Q$file{acme}\E": it is not a regular file}, qr/^acme 1: "\S+": it is not a regular file$/);
broken_key('a key that is empty', sub { write_key('') }, qr{"\Q$file{acme}\E": it is not a key of toms}, qr/^acme 1: "\S+": it is not a key of toms$/);
broken_key('a key with something behind it', sub { write_key(slurp_file("$dir/kept") . "\0more") }, qr{it is not a key of toms}, qr/^acme 1: /);
broken_key('a key that is too long', sub { write_key(slurp_file("$dir/kept") x 20) }, qr{it is not a key of toms}, qr/^acme 1: /);

# Only root gives files away.
subtest 'a keyring of somebody else' => sub {
	$node->append_conf('postgresql.conf', "toms.keyring = '/usr'\n");
	$node->restart;
	like(try('acme'), qr{"/usr": it belongs to another user than the server's}, 'it is not used');
	like(faults(), qr{^"/usr": it belongs to another user than the server's$}, 'check_keyring() says it once');
	is(asks('SELECT tenant, held FROM toms.key_epochs ORDER BY tenant'), "acme|f\nglobex|f", 'no key is held');
	$node->append_conf('postgresql.conf', "toms.keyring = '$keyring'\n");
	$node->restart;
	whole('again with its own');
};

subtest 'a keyring that cannot be used does not keep the server from starting' => sub {
	my $inside = $node->data_dir . '/keyring';
	for my $wrong ([ $inside, 'it lies inside the data directory' ], [ "$dir/gone", 'No such file or directory' ], [ 'keyring', 'the path is not absolute' ], [ $keyring, 'others than its owner have access to it' ])
	{
		my ($place, $problem) = @$wrong;
		mkdir $inside, 0700;
		chmod $place eq $keyring ? 0750 : 0700, $keyring or die $!;
		$node->append_conf('postgresql.conf', "toms.keyring = '$place'\n");
		my $log = -s $node->logfile;
		$node->restart;
		like(substr(slurp_file($node->logfile), $log), qr{WARNING: .*the keyring of toms cannot be used: "\Q$place\E": \Q$problem\E}, "the log says: $problem");
		like(try('acme'), qr/"\Q$place\E": \Q$problem\E/, 'what needs a key is refused');
		is(asks('SELECT tenant FROM toms.tenants ORDER BY tenant LIMIT 1'), 'acme', 'the rest works');
		like(asks("SELECT toms.add_tenant('initech', name => 'Initech')"), qr/\Q$problem\E/, 'no tenant begins without a key');
	}
	chmod 0700, $keyring or die $!;
	$node->append_conf('postgresql.conf', "toms.keyring = '$keyring'\n");
	my $log = -s $node->logfile;
	$node->restart;
	unlike(substr(slurp_file($node->logfile), $log), qr/the keyring of toms/, 'a good one is not worth a word');
	whole('again with its own');
};

subtest 'a keyring that can only be read' => sub {
	chmod 0500, $keyring or die $!;
	is(try('acme'), 't', 'its keys are used');
	like(asks("SELECT toms.create_epoch('acme')"), qr{"\Q$keyring\E": the server cannot write into it}, 'none can be made');
	like(faults(), qr{^"\Q$keyring\E": the server cannot write into it$}, 'check_keyring() says so');
	is(asks('SELECT count(*) FROM toms.key_epochs WHERE held'), '2', 'every key is held');
	my $globex = asks("SELECT toms.current_epoch('globex')");
	like(asks("BEGIN; SELECT toms.retire_epoch('$globex'), toms.destroy_epoch('$globex'); COMMIT"), qr/Permission denied/, 'none can be destroyed');
	chmod 0700, $keyring or die $!;
	whole('again writable');
};

subtest 'a standby' => sub {
	mkdir "$dir/standby", 0700 or die $!;
	$node->backup('backup');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($node, 'backup', has_streaming => 1);
	is(scalar(grep { slurp_file($_) =~ /^epoch / } grep { -f } glob($standby->data_dir . '/{,*/,*/*/}epoch-*')), 0, 'a base backup holds no key');
	$standby->append_conf('postgresql.conf', "toms.keyring = '$dir/standby'\n");
	$standby->start;
	is(asks('SELECT tenant, state, held FROM toms.key_epochs ORDER BY tenant', $standby), "acme|current|f\nglobex|current|f", 'it holds no key');
	like(try('acme', $standby), qr/This server does not hold the key of epoch 1 of tenant "acme"/, 'and says so');
	copy($file{acme}, "$dir/standby/") or die $!;
	chmod 0600, glob "$dir/standby/*" or die $!;
	is(faults($standby), 'globex 1: this server does not hold the key', 'then it holds one of them');
	is(try('acme', $standby), 't', 'and uses it');

	# what the primary destroys, the standby does not use either
	$node->safe_psql('postgres', "SELECT toms.create_epoch('acme')");
	my $first = $node->safe_psql('postgres', "SELECT id FROM toms.key_epoch WHERE tenant = 'acme' AND number = 1");
	my $session = $standby->background_psql('postgres', on_error_stop => 0);
	is($session->query("SELECT toms.try_epoch('$first')"), 't', 'a session there has the key in its memory');
	$node->safe_psql('postgres', "SELECT toms.retire_epoch('$first'); SELECT toms.destroy_epoch('$first')");
	$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
	is($session->query("SELECT toms.try_epoch('$first')"), '', 'until its end is replayed');
	like($session->{stderr}, qr/the key epoch has been destroyed/, 'and then says so');
	$session->quit;
	is(faults($standby), "acme 1: the epoch is destroyed, but this server still holds its key\nacme 2: this server does not hold the key\nglobex 1: this server does not hold the key",
		'what is to be done there');
	$standby->stop;
	is(faults(), '', 'the primary is whole');
};

subtest 'a crash between making a key and its epoch leaves the server whole' => sub {
	my $before = asks("SELECT toms.current_epoch('globex')");
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query_safe("BEGIN; SELECT toms.create_epoch('globex')");
	$node->stop('immediate');
	eval { $session->quit };
	$node->start;
	is(asks("SELECT toms.current_epoch('globex')"), $before, 'the former epoch is the current one');
	is(faults(), '', 'the keyring is whole');
};

$node->stop;
done_testing();
