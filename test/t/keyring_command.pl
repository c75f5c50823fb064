# Keys that a program brings: toms.keyring_command asks a key management system, a key is on no
# command line and in no log, and whatever the program does wrong has an end and an error of its
# own. toms.keyring_sync_command brings a new key elsewhere before it is used.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $dir = PostgreSQL::Test::Utils::tempdir();
my $kms = "$dir/kms";
mkdir "$dir/keys", 0700 or die $!;

# A key management system: files, and a mode in which it misbehaves.
append_to_file($kms, "#!$^X\nmy \$dir = '$dir';\n" . <<'PERL');
use strict;
use warnings;
my ($verb, $name) = @ARGV;
my $file = "$dir/keys/$name";
sub slurp { open my $in, '<', $_[0] or return ''; local $/; return scalar <$in> }
my $mode = slurp("$dir/mode");
my @files = grep { defined && $_ ne $0 } map { readlink } glob '/proc/self/fd/*';
open my $calls, '>>', "$dir/calls" or die;
print $calls "@ARGV\n", "for " . getppid() . "\n", map { "file $_\n" } @files;
close $calls;
if ($mode eq 'slow') { sleep 60 }
if ($mode eq 'stubborn') { $SIG{TERM} = $SIG{INT} = 'IGNORE'; close STDOUT; close STDERR; sleep 60 }
if ($mode eq 'fails') { print STDERR "the vault is sealed\nsecond line\n"; exit 1 }
if ($mode eq 'crashes') { kill 'SEGV', $$; sleep 1 }
if ($mode eq 'garbage' && $verb eq 'get') { print "<html>log in first</html>\n"; exit 0 }
if ($mode eq 'floods' && $verb eq 'get') { print slurp($file) x 10000; exit 0 }
if ($mode eq 'silent') { exit 0 }
if ($mode eq 'forgets' && $verb eq 'get') { exit 3 }
if ($verb eq 'get') { -e $file or exit 3; print slurp($file); exit 0 }
if ($verb eq 'destroy') { -e $file or exit 3; unlink $file or exit 4; exit 0 }
if ($verb eq 'create') { -e $file and exit 5; open my $out, '>', $file or exit 6; print $out <STDIN>; exit 0 }
exit 64;
PERL
chmod 0700, $kms or die $!;

sub kms_is
{
	my ($mode) = @_;
	unlink "$dir/mode";
	append_to_file("$dir/mode", $mode) if $mode;
	return;
}

my $node = PostgreSQL::Test::Cluster->new('command');
$node->init;
$node->append_conf('postgresql.conf', "toms.keyring_command = '$kms'\ntoms.keyring_timeout = 50s\nlog_statement = all\nlog_min_messages = debug1\n");
$node->start;

# The first row, or the error with its detail.
sub asks
{
	my ($sql) = @_;
	my ($out, $err);
	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err);
	return $out if $err eq '';
	return join ' ', $err =~ /(?:ERROR|DETAIL): +(.*)/g;
}

sub set_and_reload
{
	my (%settings) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET $_ = '$settings{$_}'") for sort keys %settings;
	$node->reload;
	for my $name (keys %settings)
	{
		$node->poll_query_until('postgres', "SELECT current_setting('$name') = '$settings{$name}'") or die "$name is not set";
	}
	return;
}

my $try = "SELECT toms.try_epoch(toms.current_epoch('acme'))";

subtest 'a tenant whose key the program keeps' => sub {
	$node->safe_psql('postgres', "CREATE EXTENSION toms; SELECT toms.add_tenant('acme', name => 'ACME GmbH')");
	my ($file, @more) = glob "$dir/keys/*";
	is(scalar @more, 0, 'it was given one key');
	like($file, qr{/epoch-[0-9a-f-]{36}$}, 'by its name');
	like(slurp_file($file), qr/\Aepoch [\w-]{43}\n\z/, 'on its standard input');
	is(asks($try), 't', 'what is wrapped under it opens');
	is(asks('SELECT number, state, held FROM toms.key_epochs'), '1|current|t', 'the server says that it holds the key');
	is(asks('SELECT * FROM toms.check_keyring()'), '', 'the keyring is whole');
	my ($files) = slurp_file("$dir/calls") =~ /^create \S+\nfor \d+\n((?:file .*\n)+)/m;
	is(join(' ', map { /pipe:/ ? 'pipe' : $_ } split /\n/, $files), 'pipe pipe pipe', 'the program has its three streams and no file or socket of the server')
	  or diag($files);
	unlink "$dir/calls";
	my ($pid, @tried) = split /\n/, asks("SELECT pg_backend_pid(); $try; $try; $try");
	is("@tried", 't t t', 'a session');
	is(scalar(() = slurp_file("$dir/calls") =~ /^get \S+\nfor $pid$/mg), 1, 'asks once');
};

subtest 'log-ins of jobs' => sub {
	$node->safe_psql('postgres', "CREATE ROLE hr; CREATE ROLE job LOGIN IN ROLE hr; SELECT toms.allow_enter('job', '{acme}', '{hr}')");
	my ($out, $err) = ('', '');
	$node->psql('postgres', "SET SESSION AUTHORIZATION job; BEGIN; SELECT toms.enter('acme', '17', 'hr', 'payroll') \\g /dev/null\nSELECT toms.current_tenant(); COMMIT;",
		stdout => \$out, stderr => \$err);
	is($out, 'acme', 'enter with a key of the program') or diag($err);
	$node->safe_psql('postgres', "SELECT toms.allow_enter('job', '{acme}', '{hr}')");
	is(scalar(() = slurp_file("$dir/calls") =~ /^create enter$/mg), 1, 'which was made once');
};

# mode, what comes of using a key, what comes of making one
my @faults = (
	[ 'fails', qr{55000: .*"\S+/kms get epoch-[0-9a-f-]+": it failed with exit code 1$}m, qr{create epoch-\S+: it failed with exit code 1} ],
	[ 'crashes', qr{"\S+/kms get epoch-[0-9a-f-]+": it was ended by signal 11}, qr{create epoch-\S+: it was ended by signal 11} ],
	[ 'garbage', qr{"\S+/kms get epoch-[0-9a-f-]+": it is not a key of toms}, qr{get epoch-\S+: it is not a key of toms} ],
	[ 'floods', qr{"\S+/kms get epoch-[0-9a-f-]+": it printed too much}, qr{get epoch-\S+: it printed too much} ],
	[ 'silent', qr{"\S+/kms get epoch-[0-9a-f-]+": it is not a key of toms}, qr{get epoch-\S+: it is not a key of toms} ],
	[ 'slow', qr{"\S+/kms get epoch-[0-9a-f-]+": it did not answer within 1000 ms and was killed}, qr{create epoch-\S+: it did not answer} ],
	[ 'stubborn', qr{"\S+/kms get epoch-[0-9a-f-]+": it did not answer within 1000 ms and was killed}, qr{create epoch-\S+: it did not answer} ],
	[ 'forgets', qr{the key epoch is not there .*does not hold the key of epoch 1 of tenant "acme"}, qr{the keyring has none of the keys that were made for this database} ]);
for my $fault (@faults)
{
	my ($mode, $used, $made) = @$fault;
	subtest "a program that is $mode" => sub {
		set_and_reload('toms.keyring_timeout' => '1s') if $made =~ /did not answer/;
		kms_is($mode);
		my $started = time;
		like(asks($try), $used, 'using a key');
		like(asks("SELECT toms.create_epoch('acme')"), $made, 'making one');
		cmp_ok(time - $started, '<', 40, 'it has an end');
		is(asks('SELECT held FROM toms.key_epochs'), 'f', 'the key is not held');
		isnt(asks('SELECT problem FROM toms.check_keyring()'), '', 'check_keyring() says so');
		is(asks('SELECT count(*) FROM toms.key_epoch'), '1', 'no epoch was made');
		kms_is('');
		set_and_reload('toms.keyring_timeout' => '50s');
		is(asks($try), 't', 'afterwards all is well');
	};
}

subtest 'what it says goes into the log alone, a line of it' => sub {
	my $log = slurp_file($node->logfile);
	like($log, qr/toms\.keyring_command get epoch-\S+ says: the vault is sealed$/m, 'the first line');
	unlike($log, qr/second line|<html>/, 'nothing else');
};

subtest 'a statement that waits for it can be cancelled' => sub {
	kms_is('slow');
	my $started = time;
	like(asks("SET statement_timeout = '500ms'; SELECT pg_sleep(0.1); $try"), qr/canceling statement/, 'it is cancelled');
	cmp_ok(time - $started, '<', 30, 'at once');
	for (1 .. 100) { last if !running($kms); usleep(50_000) }
	is(scalar(running($kms)), 0, 'and its program ended');

	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->{stdin} .= "$try;\n";
	$session->{run}->pump_nb;
	for (1 .. 100) { last if running($kms); usleep(50_000) }
	cmp_ok(scalar(running($kms)), '>', 0, 'a session waits');
	like((map { command_line($_) } running($kms))[0], qr{ \Q$kms\E get epoch-[0-9a-f-]{36}$}, 'on the command line stands no key');
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 10000)");
	for (1 .. 100) { last if !running($kms); usleep(50_000) }
	is(scalar(running($kms)), 0, 'a session that is ended leaves none behind');
	eval { $session->quit };
	kms_is('');
};

# Processes whose command line names the program.
sub running
{
	my ($program) = @_;
	return grep { command_line($_) =~ /\Q$program\E/ } map { m{(\d+)$} } glob '/proc/[0-9]*';
}

sub command_line
{
	my ($pid) = @_;
	open my $in, '<', "/proc/$pid/cmdline" or return '';
	local $/;
	return join ' ', split /\0/, scalar(<$in>) // '';
}

subtest 'a program that others could have changed is not run' => sub {
	unlink "$dir/calls";
	for my $wrong ([ 0720, qr/others than its owner can change it/ ], [ 0702, qr/others than its owner can change it/ ], [ 0600, qr/the server cannot run it/ ])
	{
		my ($mode, $error) = @$wrong;
		chmod $mode, $kms or die $!;
		like(asks($try), $error, sprintf('mode %o', $mode));
		like(asks('SELECT problem FROM toms.check_keyring()'), $error, sprintf('mode %o: check_keyring() says so', $mode));
	}
	chmod 0700, $kms or die $!;
	chmod 0707, $dir or die $!;
	like(asks($try), qr/others can put another program in its place/, 'in a folder that everybody can write into');
	chmod 0700, $dir or die $!;
	ok(!-e "$dir/calls", 'it was never run');
	for my $wrong ([ 'kms', qr/the path is not absolute/ ], [ "$dir/gone", qr/No such file/ ], [ $dir, qr/it is not a regular file/ ],
		[ "$kms get x", qr/No such file/ ])
	{
		my ($program, $error) = @$wrong;
		set_and_reload('toms.keyring_command' => $program);
		like(asks($try), $error, "\"$program\"");
	}
	set_and_reload('toms.keyring_command' => $kms);
};

subtest 'who chooses the program' => sub {
	$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN');
	for my $setting ('keyring_command', 'keyring_sync_command', 'keyring_timeout')
	{
		like(asks("SET toms.$setting = '1'"), qr/cannot be changed now/, "no session sets toms.$setting");
	}
	like(asks('SET SESSION AUTHORIZATION nobody; SHOW toms.keyring_command'), qr/must be superuser/, 'nor does everybody see it');
	mkdir "$dir/keyring", 0700 or die $!;
	set_and_reload('toms.keyring' => "$dir/keyring");
	like(asks($try), qr/toms\.keyring and toms\.keyring_command are both set/, 'keys come from one place');
	set_and_reload('toms.keyring' => '');
	is(asks($try), 't', 'again from one');
};

subtest 'a new key is elsewhere before it is used' => sub {
	mkdir "$dir/elsewhere" or die $!;
	my $last = asks("SELECT max(number) FROM toms.key_epoch");
	set_and_reload('toms.keyring_sync_command' => 'echo no way >&2; false');
	like(asks("SELECT toms.create_epoch('acme')"), qr/toms\.keyring_sync_command for "epoch-\S+": it failed with exit code 1/, 'or it is not used');
	is(asks("SELECT max(number) FROM toms.key_epoch"), $last, 'no epoch');
	like(slurp_file($node->logfile), qr/toms\.keyring_sync_command for epoch-\S+ says: no way/, 'the log says what the command said');
	set_and_reload('toms.keyring_sync_command' => 'touch %p');
	like(asks("SELECT toms.create_epoch('acme')"), qr/has %p, but the keys of toms\.keyring_command are not files/, 'a program\'s key is no file');
	set_and_reload('toms.keyring_sync_command' => "touch $dir/elsewhere/%f-100%%");
	my $epoch = asks("SELECT toms.create_epoch('acme')");
	ok(-e "$dir/elsewhere/epoch-$epoch-100%", 'it has the key\'s name');

	set_and_reload('toms.keyring_command' => '', 'toms.keyring' => "$dir/keyring");
	like(asks("SELECT toms.create_epoch('acme')"), qr/the keyring has none of the keys that were made for this database/, 'none is made where all others are missing');
	append_to_file("$dir/keyring/epoch-$epoch.key", slurp_file("$dir/keys/epoch-$epoch"));
	chmod 0600, "$dir/keyring/epoch-$epoch.key" or die $!;
	set_and_reload('toms.keyring_sync_command' => "cp -p %p $dir/elsewhere/%f");
	$epoch = asks("SELECT toms.create_epoch('acme')");
	is(slurp_file("$dir/elsewhere/epoch-$epoch.key"), slurp_file("$dir/keyring/epoch-$epoch.key"), 'a file is copied');
	is(asks($try), 't', 'then the epoch is the current one');
	set_and_reload('toms.keyring_sync_command' => 'kill -9 $$');
	like(asks("SELECT toms.create_epoch('acme')"), qr/it was ended by signal 9/, 'a command that is killed');
	set_and_reload('toms.keyring_sync_command' => 'sleep 60');
	like(asks("SET statement_timeout = '500ms'; SELECT toms.create_epoch('acme')"), qr/canceling statement/, 'or cancelled');
	is(scalar(my @files = glob "$dir/keyring/*"), 2, 'leaves no key');
	is(asks("SELECT toms.current_epoch('acme')"), $epoch, 'and no epoch');

	my $enter = "SET SESSION AUTHORIZATION job; BEGIN; SELECT FROM toms.enter('acme', '17', 'hr', 'payroll'); SELECT toms.current_tenant()";
	set_and_reload('toms.keyring_sync_command' => 'false');
	like(asks("SELECT toms.allow_enter('job', '{acme}', '{hr}')"), qr/toms\.keyring_sync_command for "enter\.key": it failed with exit code 1/, 'a key that is used by its name: no job gets it');
	ok(-e "$dir/keyring/enter.key", 'it is there');
	like(asks($enter), qr/toms\.keyring_sync_command for "enter\.key": it failed with exit code 1/, '... and not used');
	$node->restart;
	like(asks($enter), qr/toms\.keyring_sync_command for "enter\.key": it failed with exit code 1/, 'nor after a restart');
	$node->stop;
	command_fails(['pg_ctl', '--wait', '-D', $node->data_dir, '-l', "$dir/upgrade.log", '-o', '-b', 'start'], 'pg_upgrade, which would forget that, does not get the server to start');
	like(slurp_file("$dir/upgrade.log"), qr/FATAL: .*key "enter" is not known to be durable/, '... and the log says so');
	$node->start;
	set_and_reload('toms.keyring_sync_command' => "cp -p %p $dir/elsewhere/%f; echo %f >> $dir/synced");
	is(asks($enter), 'acme', 'before it is used it comes to the other place');
	is(slurp_file("$dir/elsewhere/enter.key"), slurp_file("$dir/keyring/enter.key"), '... as it is');
	is(asks($enter), 'acme', 'and is used again');
	is(slurp_file("$dir/synced"), "enter.key\n", '... which needs no other copy');
	set_and_reload('toms.keyring_sync_command' => '', 'toms.keyring' => '', 'toms.keyring_command' => $kms);
};

subtest 'destroying a key' => sub {
	my $first = asks('SELECT id FROM toms.key_epoch WHERE number = 1');
	asks("SELECT toms.retire_epoch('$first')");
	kms_is('fails');
	like(asks("SELECT toms.destroy_epoch('$first')"), qr/destroy epoch-\S+: it failed with exit code 1/, 'fails with the program');
	is(asks("SELECT destroyed_at IS NULL FROM toms.key_epoch WHERE id = '$first'"), 't', 'and is not on record then');
	kms_is('');
	is(asks("SELECT toms.destroy_epoch('$first')"), '', 'the program destroys it');
	ok(!-e "$dir/keys/epoch-$first", 'it is gone');
	like(asks("SELECT toms.try_epoch('$first')"), qr/the key epoch has been destroyed/, 'for good');
	is(asks("SELECT toms.destroy_epoch('$first')"), '', 'doing it again does no harm');
};

subtest 'no key in the log, in arguments or in the database' => sub {
	my @keys = map { (slurp_file($_) =~ / ([\w-]{43})/)[0] } glob("$dir/keys/*"), glob("$dir/keyring/*");
	cmp_ok(scalar @keys, '>=', 3, 'there are keys');
	my $seen = slurp_file($node->logfile) . slurp_file("$dir/calls") . $node->safe_psql('postgres', 'SELECT e FROM toms.key_epoch e; SELECT s FROM pg_settings s');
	is(scalar(grep { index($seen, $_) >= 0 } @keys), 0, 'none of them');
};

$node->stop;
done_testing();
