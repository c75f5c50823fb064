# All that is a tenant's leaves the database and is written back into an empty one: equal contents, row by row and byte by
# byte, from JSON Lines and CSV, plain and through OpenPGP.  Nothing of another tenant leaves with it.
#
# TEMP_CONFIG brings shared_preload_libraries.

use strict;
use warnings;
use IPC::Run;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $keyring = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $keyring or die $!;

my $node = PostgreSQL::Test::Cluster->new('rights_export');
$node->init;
$node->append_conf('postgresql.conf', "toms.keyring = '$keyring'\nmax_worker_processes = 40");
$node->start;

my $tables = q{
	CREATE SCHEMA hr;
	CREATE TABLE hr.employee (id uuid PRIMARY KEY, tenant text NOT NULL, name text, note text, score double precision, "Größe" numeric, boss uuid REFERENCES hr.employee DEFERRABLE INITIALLY DEFERRED);
	CREATE TABLE hr.absence (tenant text NOT NULL, employee uuid NOT NULL REFERENCES hr.employee, day date NOT NULL, reason %s, certificate %s, codes int4range[], raw bytea, kept interval, flag char(5),
		PRIMARY KEY (employee, day)) PARTITION BY RANGE (day);
	CREATE TABLE hr.absence_a PARTITION OF hr.absence FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
	CREATE TABLE hr.absence_b (day date NOT NULL, tenant text NOT NULL, gone integer, flag char(5), kept interval, raw bytea, codes int4range[], certificate %2$s, reason %1$s, employee uuid NOT NULL);
	ALTER TABLE hr.absence_b DROP COLUMN gone;
	ALTER TABLE hr.absence ATTACH PARTITION hr.absence_b FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
	CREATE TABLE hr.item (id bigint PRIMARY KEY, day date, employee uuid, said jsonb, at timestamptz, local timestamp, on_off boolean, net inet,
		FOREIGN KEY (employee, day) REFERENCES hr.absence);
};
my @tables = ('hr.employee', 'hr.absence', 'hr.item');

sub run_psql
{
	my ($login, $database, $statements) = @_;
	my ($code, $out, $err) = $node->psql($database, $statements, extra_params => [ '-U', $login ], on_error_stop => 1);
	return $code == 0 ? $out : $err;
}

$node->safe_psql('postgres', q{CREATE ROLE keeper; CREATE ROLE hr_role; CREATE ROLE job LOGIN IN ROLE hr_role; CREATE ROLE officer LOGIN; CREATE DATABASE live});
$node->safe_psql('live', q{
	CREATE EXTENSION toms; CREATE EXTENSION pgcrypto;
	SELECT toms.grant_officer('officer', 'admin');
	SELECT toms.add_tenant('acme', 'ACME'); SELECT toms.add_tenant('globex', 'Globex');
	SELECT toms.load_purposes('absence');
	SELECT toms.allow_enter(login => 'job', tenants => '{acme,globex}', roles => '{hr_role}')});
$node->safe_psql('live', sprintf($tables, 'toms.sealed_text', 'toms.health_flag') . q{
	ALTER TABLE hr.employee OWNER TO keeper; ALTER TABLE hr.absence OWNER TO keeper; ALTER TABLE hr.absence_a OWNER TO keeper; ALTER TABLE hr.absence_b OWNER TO keeper; ALTER TABLE hr.item OWNER TO keeper;
	GRANT USAGE ON SCHEMA hr TO hr_role, keeper;
	SELECT toms.protect('hr.employee', tenant => 'tenant', subject => 'id');
	SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'employee', category => 'health');
	SELECT toms.protect('hr.item', parent => 'hr.employee', parent_key => 'employee');
	SELECT toms.permit('hr_role', r, '{select,insert,update,delete}', '{absence_management}', 'tenant') FROM unnest('{hr.employee,hr.absence,hr.item}'::regclass[]) r});

# Values that are easily lost: quotes, separators, line ends, backslashes, empty and missing ones, extremes.
for my $tenant ('acme', 'globex')
{
	my $out = run_psql('job', 'live', qq{
		BEGIN;
		SELECT FROM toms.enter('$tenant', 'x', 'hr_role', 'absence_management');
		INSERT INTO hr.employee SELECT md5('$tenant' || n)::uuid, '$tenant', (ARRAY['$tenant', '', NULL, 'a"b', 'c,d', E'e\\nf', 'g\\h', E'\\t', 'ÄÖ😀', '\\N', '"', 'NULL'])[1 + n % 12],
			repeat('$tenant ', n % 50), n / 3.0, n::numeric / 7, CASE WHEN n > 1 THEN md5('$tenant' || n - 1)::uuid END FROM generate_series(1, 2500) n;
		INSERT INTO hr.absence SELECT '$tenant', md5('$tenant' || n)::uuid, '2025-12-31'::date + n % 2, CASE WHEN n % 3 > 0 THEN E'ill,\\n"' || n END, n % 5 = 0,
			ARRAY[int4range(n, n + 2), 'empty', NULL], decode(md5(n::text), 'hex'), make_interval(months => n % 30, secs => n / 8.0), 'x' FROM generate_series(1, 1200) n;
		INSERT INTO hr.item SELECT n + CASE '$tenant' WHEN 'acme' THEN 0 ELSE 100000 END, '2025-12-31'::date + n % 2, md5('$tenant' || n)::uuid, jsonb_build_object('n', n, 'x', E'\\n\\\\'), 'infinity', '2026-01-01 00:00:00.000001', NULL, '10.0.0.1/8'
			FROM generate_series(1, 300) n;
		COMMIT;});
	is($out, '', "rows of $tenant") or BAIL_OUT($out);
}

sub instruct
{
	my $id = run_psql('officer', 'live', q{SELECT toms.record_instruction('acme', 'export', 'controller', 'all of it')});
	run_psql('officer', 'live', "SELECT toms.confirm_instruction($id)");
	return $id;
}

# {file: contents}, the parts put together by "open"
sub exported
{
	my ($arguments, $open) = @_;
	my $id = instruct();
	my $out = run_psql('officer', 'live', "SELECT (e).file, (e).part, replace(encode((e).data, 'base64'), E'\\n', '') FROM (SELECT toms.export_tenant('acme', $id$arguments) AS e OFFSET 0) s");
	my (%files, @order);
	for (split /\n/, $out)
	{
		my ($file, $part, $data) = split /\|/;
		die $out if !defined $data;
		push @order, $file if !exists $files{$file};
		$files{$file} .= $open->(decode_base64($data));
	}
	return (\%files, \@order);
}

# What a tenant has, in plain, whatever the columns' order.
my $contents = q{
	SELECT 'employee', id, name, note, score, "Größe", boss FROM hr.employee WHERE tenant = 'acme' ORDER BY id;
	SELECT 'absence', employee, day, %s, %s, codes, raw, kept, flag FROM hr.absence WHERE tenant = 'acme' ORDER BY employee, day;
	SELECT 'item', id, day, employee, said, at, local, on_off, net FROM hr.item WHERE id < 100000 ORDER BY id};
sub live_contents
{
	return run_psql('job', 'live', "SET timezone = UTC; BEGIN; SELECT FROM toms.enter('acme', 'x', 'hr_role', 'absence_management') \\g /dev/null\n"
		. sprintf($contents, 'toms.reveal(reason)', 'toms.reveal(certificate)') . '; COMMIT');
}

sub import_into
{
	my ($database, $files, $order, $format) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, sprintf($tables, 'text', 'boolean'));
	for my $file (grep { $_ !~ /^manifest/ } @$order)
	{
		my ($table) = $file =~ /^(\w+\.\w+)\.$format/ or die $file;
		my $path = "$dir/$database.$table";
		PostgreSQL::Test::Utils::append_to_file($path, $files->{$file});
		$node->safe_psql($database, $format eq 'csv' ? columns($files, $file, $table, $path) : qq{
			CREATE TEMP TABLE line (n bigserial, line text);
			COPY line (line) FROM '$path' WITH (FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01');
			INSERT INTO $table SELECT r.* FROM line, json_populate_record(NULL::$table, line::json) r});
	}
	return;
}

sub columns
{
	my ($files, $file, $table, $path) = @_;
	my ($header) = $files->{$file} =~ /^(.*)\n/;
	return "COPY $table ($header) FROM '$path' WITH (FORMAT csv, HEADER)";
}

sub imported
{
	my ($database) = @_;
	return $node->safe_psql($database, 'SET timezone = UTC; ' . sprintf($contents, 'reason', 'certificate'));
}

my $live = live_contents();
cmp_ok(length($live), '>', 500_000, 'there is something to export');
for my $format ('jsonl', 'csv')
{
	my ($files, $order) = exported(", format => '$format'", sub { $_[0] });
	is($order->[0], 'manifest.json', "$format: the manifest comes first");
	is_deeply([ map { s/\.$format$//r } @$order[1 .. $#$order] ], \@tables, "$format: one file for each table, what is referred to first");
	like($files->{'manifest.json'}, qr/"rows": 2500.*"rows": 1200.*"rows": 300/s, "$format: the manifest has the numbers of rows");
	unlike(join('', values %$files), qr/globex/, "$format: nothing of another tenant");
	import_into($format, $files, $order, $format);
	ok(imported($format) eq $live, "$format: what was exported and written back is equal");
}
ok(live_contents() eq $live, 'nothing has changed');

# Through OpenPGP: one message for each part, which the controller's own program opens.
SKIP:
{
	skip 'gpg is not installed', 6 if system('gpg --version >/dev/null 2>&1') != 0;
	my $home = PostgreSQL::Test::Utils::tempdir_short();
	chmod 0700, $home or die $!;
	system("gpg-agent --homedir $home --debug-quick-random --daemon >/dev/null 2>&1");		# else making a key takes minutes
	my @gpg = ('gpg', '--homedir', $home, '--batch', '--quiet', '--no-tty', '--pinentry-mode', 'loopback', '--passphrase', '');
	my $gpg = sub {
		my ($in, @arguments) = @_;
		my ($out, $err) = ('', '');
		IPC::Run::run([ @gpg, @arguments ], '<', \$in, '>', \$out, '2>', \$err) or die "gpg @arguments: $err";
		return $out;
	};
	$gpg->("Key-Type: RSA\nKey-Length: 2048\nSubkey-Type: RSA\nSubkey-Length: 2048\nName-Real: controller\n%no-protection\n%commit\n", '--gen-key');
	my $key = unpack('H*', $gpg->('', '--export', 'controller'));
	my $armour = unpack('H*', $gpg->('', '--armor', '--export', 'controller'));
	for my $format ('jsonl', 'csv')
	{
		my $parts = 0;
		my ($files, $order) = exported(", format => '$format', pgp_key => '\\x" . ($format eq 'csv' ? $armour : $key) . "'", sub {
				my ($data) = @_;
				$parts++;
				die 'not encrypted' if $data =~ /acme|absence/;
				return $gpg->($data, '--decrypt') });
		is((grep { !/\.pgp$/ } @$order), 0, "$format: all files are encrypted");
		cmp_ok($parts, '>', 5, "$format: in parts, each a message of its own");
		import_into("pgp_$format", $files, [ @$order ], $format);
		ok(imported("pgp_$format") eq $live, "$format: what was exported, decrypted and written back is equal");
	}
	system('gpgconf', '--homedir', $home, '--kill', 'all');
}
like(run_psql('officer', 'live', "SELECT toms.export_tenant('acme', " . instruct() . ", pgp_key => 'no key')"), qr/ERROR/, 'what is no key encrypts nothing');
$node->safe_psql('live', 'DROP EXTENSION pgcrypto');
like(run_psql('officer', 'live', "SELECT toms.export_tenant('acme', " . instruct() . ", pgp_key => 'no key')"), qr/takes the extension pgcrypto/, 'without pgcrypto the error names it');

$node->stop;
done_testing();
