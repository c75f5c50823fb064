# Blocks of the audit trail: what reaches the log outside of the database, also after a crash;
# dumps, standbys and servers that went back; every entry in exactly one block whatever others do.
#
# Entries are made by hand, as a superuser who passes what protects the trail.  Events are recorded beside them,
# in their own time: that a server was started or stopped, what is read, what is declared.  So numbers of blocks
# are compared with those of a moment at which all that has happened was sealed; see settled().

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

sub folder
{
	my $folder = PostgreSQL::Test::Utils::tempdir();
	chmod 0700, $folder or die "$folder: $!";
	return $folder;
}

my $keyring = folder();
my $outside = folder();

sub settings
{
	my ($node, $log) = @_;
	$node->append_conf('postgresql.conf', "toms.keyring = '$keyring'\ntoms.outside = '$log'\nlog_statement = none\nwal_retrieve_retry_interval = 100ms\n");
	return;
}

# tamper() and add() as in sql/audit_block.sql
my $functions = q{
	CREATE SCHEMA t;
	CREATE FUNCTION t.tamper(statement text) RETURNS void LANGUAGE plpgsql SET allow_system_table_mods = on SET session_replication_role = replica AS $$
	DECLARE
	    use oid := (SELECT oid FROM pg_class WHERE relname = 'audit_use' AND relnamespace = 'toms'::regnamespace);
	BEGIN
	    UPDATE pg_class SET relname = 'audit_use_away' WHERE oid = use;
	    EXECUTE statement;
	    UPDATE pg_class SET relname = 'audit_use' WHERE oid = use;
	END
	$$;
	CREATE FUNCTION t.add(n bigint, xid bigint DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE
	    first bigint := toms.audit_number();
	BEGIN
	    PERFORM t.tamper(format($add$INSERT INTO toms.audit_entry SELECT %s + i, clock_timestamp(), %s, NULL, NULL, NULL, 'c', 'i', 'acme', NULL, 'payload'
	                                 FROM generate_series(0, %s - 1) i$add$, first, coalesce(xid, pg_current_xact_id()::text::bigint), n));
	    RETURN first;
	END
	$$};

sub sql    { my ($node, $sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql) }
sub add    { my ($node, $n) = @_; return sql($node, 'SELECT t.add(' . ($n // 3) . ')') }
sub seal   { my ($node, $database) = @_; return sql($node, 'SELECT toms.seal_audit()', $database) }
sub faults { my ($node, $database) = @_; return sql($node, 'SELECT fault, block, to_block, entry, timeline FROM toms.verify_audit()', $database) }
sub total  { my ($node, $database) = @_; return sql($node, 'SELECT sum(size) = (SELECT count(*) FROM toms.audit_entry), count(*) FROM toms.audit_block', $database) }

# The number of the last block, when the worker that seals has done what it does at a start, which is all it does by
# itself meanwhile, and all that has happened is sealed.  To look is an event: with the first one after a start the
# trail tells of that start.
sub settled
{
	my ($node) = @_;
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM toms.workers WHERE database = current_database() AND steps > 0}) or die 'no worker';
	sql($node, 'SELECT count(*) FROM toms.audit_entry');
	return seal($node);
}

sub log_file { my ($node, $folder) = @_; return "$folder/" . sql($node, 'SELECT id FROM toms.dataset') . '.log' }
# but for what a crash left of a line
sub records { my ($file) = @_; return map { decode_json($_) } grep { /\}$/ } split /\n/, slurp_file($file) }
sub told    { my ($file) = @_; return join ' ', map { "$_->{block}/$_->{timeline}" } grep { $_->{type} eq 'block' } records($file) }
# what told() is of blocks of a timeline
sub blocks { my ($from, $to, $timeline) = @_; return map { "$_/$timeline" } $from .. $to }

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1, has_archiving => 1);
settings($node, $outside);
$node->start;
sql($node, "SET client_min_messages = error; CREATE EXTENSION toms; $functions");
my $file;

subtest 'the digest goes out' => sub {
	my $listener = $node->background_psql('postgres');
	$listener->query_safe('LISTEN toms_audit');
	add($node);
	my $offset = -s $node->logfile;
	is(seal($node), 1, 'a block is sealed');
	$file = log_file($node, $outside);
	my ($record) = records($file);
	my $digest = sql($node, q{SELECT translate(trim(encode(digest, 'base64'), '='), '+/', '-_') FROM toms.audit_block WHERE number = 1});
	is("$record->{n} $record->{type} $record->{block} $record->{size} $record->{digest}", "1 block 1 3 $digest", 'to the log outside');
	is((stat $file)[2] & 07777, 0600, 'which is the server\'s alone');
	like(slurp_file($node->logfile, $offset), qr/LOG:  toms sealed block 1 of database "postgres": 3 entries, digest \Q$digest\E/, 'to the server log');
	like($listener->query_safe('SELECT 1'), qr/notification "toms_audit" with payload "1 \Q$digest\E"/, 'and to who listens');
	$listener->quit;
	is(faults($node), '', 'the trail is whole');
};

subtest 'a crash between commit and digest' => sub {
	my $last = settled($node);
	my $block = 'SELECT number, size, digest FROM toms.audit_block WHERE number > ' . $last;
	is(told($file), join(' ', blocks(1, $last, 1)), 'all blocks before were told of');
	add($node);
	chmod 0755, $outside;       # not the server's alone: refused
	my ($code, $out, $err) = $node->psql('postgres', 'SELECT toms.seal_audit()');
	like($err, qr/could not be sealed: the log outside of the database cannot be used\nDETAIL:  .*others than its owner have access to it/, 'the caller is told that the digest did not get there');
	my $committed = sql($node, $block);
	like($committed, qr/^${\ ($last + 1)}\|3\|[^\n]+$/, 'the block is committed');
	$node->stop('immediate');
	is(told($file), join(' ', blocks(1, $last, 1)), 'it was not told of');
	chmod 0700, $outside;
	$node->start;               # and with it the worker, which makes up for it
	is(sql($node, "$block ORDER BY number LIMIT 1"), $committed, 'after the crash too');
	is(faults($node), '', 'no fault: it may be about to be told of');
	$last = settled($node);
	is(total($node), "t|$last", 'each entry is in one block');
	add($node);
	is(seal($node), $last + 1, 'the next block');
	is(told($file), join(' ', blocks(1, $last + 1, 1)), 'what was missing comes first');
	is(faults($node), '', 'the trail is whole');
	$last = settled($node);
	is(told($file), join(' ', blocks(1, $last, 1)), 'nothing is told twice');
	is(seal($node), $last, 'nor sealed');
	is(told($file), join(' ', blocks(1, $last, 1)), 'then nothing is told');
};

subtest 'a crash while the log is written' => sub {
	my $last = settled($node);
	my $piece = '{"n":4,"dataset":"';
	my $records = records($file);
	is($records, $last, 'a record for each block');
	add($node);
	append_to_file($file, $piece);
	is(faults($node), '', 'a piece of a line is no fault');
	is(seal($node), $last + 1, 'a block is sealed');
	my @lines = split /\n/, slurp_file($file);
	is(scalar @lines, $records + 2, 'a line more than records');
	is($lines[-2], $piece, 'the piece stays');
	is(decode_json($lines[-1])->{n}, $records + 1, 'the record follows');
	is(faults($node), '', 'the trail is whole');
};

# Each line of the log outside
subtest 'the log outside is changed' => sub {
	my $good = slurp_file($file);
	my @lines = split /^/, $good;
	my $try = sub { my ($text) = @_; open my $out, '>', $file or die $!; print $out $text; close $out; return faults($node) };
	like($try->(join '', @lines[ 0, 2 .. $#lines ]), qr/^outside_changed\|3\|.*\n?/m, 'a line is missing');
	like($try->(join '', @lines[ 0, 2 .. $#lines ]), qr/^outside_missing\|2\|/m, 'and its block is named');
	like($try->(join '', @lines[ 1, 0, 2 .. $#lines ]), qr/^outside_changed\|2\|/m, 'lines have changed places');
	like($try->($good =~ s/"size":3/"size":4/r), qr/^outside_changed\|1\|/m, 'a line is changed');
	like($try->($good =~ s/("digest":")(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/er), qr/^outside_changed\|1\|/m, 'a digest is changed');
	like($try->("{}\nfoo\n\n{\"n\":\n" . 'x' x 200000), qr/^$/, 'garbage only: what is missing may be about to be told of');
	is($try->($good), '', 'as it was, the trail is whole');
};

subtest 'a superuser with the keyring writes blocks anew' => sub {
	my $last = settled($node);
	my $good = slurp_file($file);
	my $lines = split /^/, $good;
	sql($node, 'CREATE TABLE t.block AS SELECT * FROM toms.audit_block; CREATE TABLE t.entry AS SELECT * FROM toms.audit_entry');
	sql($node, q{SELECT t.tamper('DELETE FROM toms.audit_block WHERE number >= 2; DELETE FROM toms.audit_entry WHERE id = (SELECT max(id) FROM toms.audit_entry WHERE kind = ''c'')')});
	is(faults($node) =~ s/\|.*//sr, 'block_missing', 'that they are gone is seen');
	is(seal($node), 2, 'he closes one over what is left');
	my $found = faults($node);
	like($found, qr/^rewritten\|2\|\|\|1$/m, 'it is not the one that was told of');
	like($found, qr/^block_missing\|3\|$last\|\|$/m, 'and the later ones are missing');

	# another key: not after a block of the former one
	my $other = folder();
	sql($node, q{SELECT t.tamper('DELETE FROM toms.audit_block WHERE number >= 2')});
	sql($node, "ALTER SYSTEM SET toms.keyring = '$other'; ALTER SYSTEM SET toms.outside = ''");
	$node->reload;
	sleep 0.5;
	my (undef, undef, $err) = $node->psql('postgres', 'SELECT toms.seal_audit()');
	like($err, qr/the keyring does not have the key "audit" that signed block 1 of the audit trail/, 'with a key of his own he closes none');
	is(join(' ', glob "$other/*"), '', 'nor is one made');
	sql($node, q{SELECT t.tamper('DELETE FROM toms.audit_block')});
	is(seal($node), 1, 'unless nothing is before it');
	sql($node, 'ALTER SYSTEM RESET toms.keyring; ALTER SYSTEM RESET toms.outside');
	$node->reload;
	sleep 0.5;
	like(sql($node, 'SELECT fault, block, detail FROM toms.verify_audit()'), qr/^block_changed\|1\|it is signed with another key than the keyring's$/m, 'which is found');

	sql($node, q{SELECT t.tamper('TRUNCATE toms.audit_block, toms.audit_entry; INSERT INTO toms.audit_block SELECT * FROM t.block; INSERT INTO toms.audit_entry SELECT * FROM t.entry')});
	my @lines = split /^/, slurp_file($file);
	open my $out, '>', $file or die $!;
	print $out @lines[ 0 .. $lines - 1 ];
	close $out;
	is(slurp_file($file), $good, 'he has but added lines to the log outside');
	is(faults($node), '', 'all put back, the trail is whole');
};

subtest 'every entry is in one block, and none waits for others' => sub {
	# what is recorded, rather than made by hand: that locks nothing
	my $reason = q{SET toms.reason = 'a test'; SET client_min_messages = error};
	my $write = sub { return "INSERT INTO t.note (tenant, employee) SELECT 'acme', 17 FROM generate_series(1, $_[0])" };
	my $changes = q{SELECT count(*) FROM toms.audit_entry WHERE kind = 'c'};
	my $sealed = sub { return sql($node, "$reason; " . q{SELECT count(toms.audit_block_of(id, xid, NULL)) FROM toms.audit_entry WHERE kind = 'c'}) };
	sql($node, qq{$reason; SELECT toms.add_tenant('acme', name => 'ACME GmbH');
		CREATE TABLE t.note (id serial PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL);
		SELECT toms.protect('t.note', tenant => 'tenant', subject => 'employee');});
	sql($node, "$reason; " . $write->(1));
	seal($node);
	my ($notes, $entries) = split /\|/, sql($node, "$reason; SELECT (SELECT count(*) FROM t.note), ($changes)");

	sql($node, "$reason; BEGIN; " . $write->(5) . "; PREPARE TRANSACTION 'prepared'");
	my $long = $node->background_psql('postgres');
	$long->query_safe("$reason; BEGIN; " . join '; SAVEPOINT a; ', map { $write->(2) } 1 .. 3);
	my $before = $sealed->();
	for my $i (1 .. 5)
	{
		sql($node, "$reason; " . $write->($i));
		seal($node);
	}
	is($sealed->() - $before, 15, 'quick ones are sealed at once');
	$long->query_safe('ROLLBACK TO a; ' . $write->(2));
	seal($node);
	is(faults($node), '', 'meanwhile the trail is whole');
	$long->query_safe('COMMIT');
	$long->quit;
	$before = $sealed->();
	seal($node);
	is($sealed->() - $before, 6, 'the long one is when it is committed');
	$node->restart;
	settled($node);
	sql($node, "COMMIT PREPARED 'prepared'");
	$before = $sealed->();
	seal($node);
	is($sealed->() - $before, 5, 'so is the prepared one, after a restart');

	my @writers = map {
		my $script = "$reason;\n" . join '', map {
			'BEGIN; ' . $write->(1) . '; SAVEPOINT a; ' . $write->(1) . '; ' . ($_ % 3 ? '' : 'ROLLBACK TO a; ') . ($_ % 5 ? 'COMMIT;' : 'ROLLBACK;') . "\n" } 1 .. 60;
		my $out = '';
		IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \$script, '>', \$out, '2>&1');
	} 1 .. 3;
	seal($node) for 1 .. 15;
	$_->finish for @writers;
	seal($node);
	is(total($node) =~ s/\|.*//r, 't', 'while others write: each in one');
	is(faults($node), '', 'and where it belongs');
	is(sql($node, "$reason; SELECT (SELECT count(*) FROM t.note) - $notes - (($changes) - $entries)"), 0, 'there are as many as changes');
	is(sql($node, 'SELECT count(*) FROM toms.audit_block WHERE size < 1'), 0, 'no block is empty');
};

subtest 'dump and restore' => sub {
	settled($node);
	add($node);     # not sealed when it is dumped
	local $ENV{PGOPTIONS} = '-c toms.reason=dump';
	my $dump = folder() . '/trail.sql';
	$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'a dump');
	my $blocks = sql($node, 'SELECT max(number) FROM toms.audit_block');
	my $new = PostgreSQL::Test::Cluster->new('restored');
	my $folder = folder();
	$new->init;
	settings($new, $folder);
	$new->start;
	$new->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $new->connstr('postgres'), '-f', $dump ], 'is restored in another cluster');
	is(faults($new), '', 'and is whole');
	is(seal($new), $blocks + 1, 'what was not sealed is');
	is(sql($new, 'SELECT segment, size FROM toms.audit_block ORDER BY number DESC LIMIT 1'), '2|3', 'in a segment of its own');
	my $last = settled($new);
	cmp_ok($last, '>', $blocks + 1, 'and that a writer was started, here');
	sql($new, 'SELECT t.add(4)');
	is(seal($new), $last + 1, 'new ones follow');
	is(sql($new, 'SELECT segment, size FROM toms.audit_block ORDER BY number DESC LIMIT 1'), '2|4', 'with the transactions of their cluster');
	is(faults($new), '', 'the trail is whole');
	is(total($new) =~ s/\|.*//r, 't', 'each entry is in one block');
	like(sql($new, q{SELECT t.tamper('UPDATE toms.audit_entry SET tenant = ''x'' WHERE id = (SELECT min(id) FROM toms.audit_entry)')}) . faults($new), qr/^changed\|1\|\|\d+\|$/, 'a fault in what was imported is found');
	$new->stop;
};

subtest 'promotion' => sub {
	$node->backup('base');
	my @standby = map { PostgreSQL::Test::Cluster->new($_) } 'standby', 'behind';
	foreach my $standby (@standby)
	{
		$standby->init_from_backup($node, 'base', has_streaming => 1);
		$standby->start;
	}
	my ($standby, $behind) = @standby;
	add($node);
	my $number = seal($node);
	$node->wait_for_catchup($_, 'replay', $node->lsn('flush')) foreach @standby;
	is(faults($standby), '', 'a standby verifies the trail');
	my ($code, $out, $err) = $standby->psql('postgres', 'SELECT toms.seal_audit()');
	like($err, qr/cannot execute toms\.seal_audit\(\) during recovery/, 'it seals nothing');

	# two more blocks that one of them does not get, and perhaps one that tells of the end
	$behind->stop;
	for (1, 2)
	{
		add($node);
		is(seal($node), $number + $_, 'another block');
	}
	$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
	$node->stop;
	my $log = slurp_file($file);
	my ($last) = told($file) =~ m{(\d+)/1$};
	my @before = blocks(1, $last, 1);
	is(told($file), "@before", 'all were told of');
	ok($last == $number + 2 || $last == $number + 3, 'these');
	$standby->promote;
	is(faults($standby), '', 'nothing is lost: no fault');
	my $next = settled($standby) + 1;
	add($standby);
	is(seal($standby), $next, 'it goes on');
	is(told($file), join(' ', @before, blocks($last + 1, $next, 2)), 'in its timeline');
	is(faults($standby), '', 'and is whole');
	is(sql($standby, 'SELECT count(*) FROM toms.audit_segment'), 1, 'the cluster is the same');
	$standby->stop;

	# the other one instead
	open my $restored, '>', $file or die $!;
	print $restored $log;
	close $restored;
	$behind->start;
	is(faults($behind), '', 'a standby that is behind is no fault');
	$behind->promote;
	my $lost = sub { my ($from) = @_; return join('|', 'rewound', $from, $last > $from ? $last : '', '', 1) };
	is(faults($behind), $lost->($number + 1), 'if it is promoted, blocks are lost');
	$next = settled($behind) + 1;
	add($behind);
	is(seal($behind), $next, 'it goes on from what it has');
	is(told($file), join(' ', @before, blocks($number + 1, $next, 2)), 'which the log outside tells');
	is(faults($behind), $lost->($number + 1), 'the fault stays');
	sql($behind, 'SELECT toms.acknowledge_rewind(' . ($number + 1) . ', ' . ($number + 1) . q{, 'the primary was lost')});
	is(faults($behind), $lost->($number + 2), 'until an officer signs it off, block by block');
	sql($behind, 'SELECT toms.acknowledge_rewind(' . ($number + 1) . ", $last, " . q{'the primary was lost')});
	is(faults($behind), '', 'then the trail is whole');
	add($behind);
	is(seal($behind), ++$next, 'and goes on');
	is(faults($behind), '', 'also later on');
	my @rewinds = grep { $_->{type} eq 'rewind' } records($file);
	is(join(' ', map { "$_->{from}-$_->{to}: $_->{reason}" } $rewinds[-1]), ($number + 1) . "-$last: the primary was lost", 'the log outside tells of it too');
	is((records($file))[-1]{block}, $next, 'and goes on behind it');

	# what is no rewind cannot be signed off, nor a later one beforehand
	sql($behind, "SELECT t.tamper('DELETE FROM toms.audit_block WHERE number > $number')");
	sql($behind, "SELECT toms.acknowledge_rewind($number, " . ($next + 9) . q{, 'an attempt')});
	is(faults($behind), join('|', 'block_missing', $number + 1, $next, '', ''), 'what was deleted stays a fault');
	$behind->stop;
};

done_testing();
