# Writes the operations of a persona of GDPRbench, as a side does them, for turns: see turns.c.
#
#     operations.pl PERSONA SIDE OPERATIONS RECORDS [PRIVATE-KEY]
#
# PERSONA: controller, customer, processor, regulator, or load, who brings the records, each in a statement; SIDE: bare, told, retrofit, pgaudit, pgcrypto, toms.
# Which they are, in which order, of whom and with what values, is the same on all sides and in each run.
# Mixes: Shastri et al., PVLDB 13(7), as the files of GDPRbench and of those who re-derived them have them; persons by Zipf's law.
use strict;
use warnings;

my ($persona, $side, $operations, $records, $key) = @ARGV;
my $toms     = $side eq 'toms';
my $told     = $side eq 'told';
my $retrofit = !$toms && $side !~ /^(bare|told)$/;
my $persons  = 10_000;

# What each operation is, by its weight in percent, with its parameters.
my %mix = (
	controller => [[25, 'create', 'key', 'usr', 'pur'], [12.5, 'delete_by_usr', 'usr'], [12.5, 'delete_expired', 'bound'],
		[25, 'update_by_pur', 'pur', 'shr'], [25, 'update_by_usr', 'usr', 'shr']],
	customer => [[20, 'read_by_usr', 'usr'], [20, 'metadata_by_key', 'own'], [20, 'update_data', 'own', 'text'],
		[20, 'update_metadata', 'own', 'shr'], [20, 'delete_by_key', 'own']],
	processor => [[80, 'read_by_key', 'own', 'pur'], [10, 'read_by_pur', 'pur'], [10, 'read_by_obj', 'obj', 'pur']],
	load => [[100, 'load', 'load', 'of', 'pur_of', 'obj_of']],
	regulator => [[46, 'metadata_by_usr', 'usr'], [31, 'system_logs', 'usr'], [23, 'verify_deletion', 'own']],
);
my $data     = $side eq 'pgcrypto' ? q{convert_from(decrypt(data, '0123456789abcdef', 'aes'), 'UTF8') AS data} : 'data';
my $new_data = $side eq 'pgcrypto' ? q{encrypt(convert_to($2, 'UTF8'), '0123456789abcdef', 'aes')} : '$2';
my $metadata = 'key, pur, obj, dec, acl, shr, src, cat, expires_at';
my $current  = $retrofit ? ' AND expires_at > now()' : '';
my $created  = $side eq 'pgcrypto' ? q{encrypt(convert_to(rpad('new', 100, 'x'), 'UTF8'), '0123456789abcdef', 'aes')} : q{rpad('new', 100, 'x')};
my $loaded   = q{rpad(md5(n::text), 100, 'x')};
$loaded = qq{encrypt(convert_to($loaded, 'UTF8'), '0123456789abcdef', 'aes')} if $side eq 'pgcrypto';
my %own      = map { $_ => $retrofit ? " AND usr = \$$_" : '' } 2, 3;
my %objects  = map { $_ => $retrofit ? " AND obj <> \$$_" : '' } 1, 2;

my %statement = (
	load => q{INSERT INTO bench.record SELECT n, 'acme', $2::integer, $3, $4, 'd' || n % 2, 'a' || n % 10, 's' || n / 7 % 10, 'r' || n / 3 % 10, 'c' || n % 10,}
		. qq{ timestamptz '2100-01-01 00:00Z' + n * interval '1 second', $loaded FROM (SELECT \$1::bigint AS n) this},
	create => "INSERT INTO bench.record VALUES (\$1, 'acme', \$2, \$3, 'o1', 'd1', 'a1', 's1', 'r1', 'c1', '2101-01-01', $created)",
	delete_by_usr   => 'DELETE FROM bench.record WHERE usr = $1',
	delete_expired  => 'DELETE FROM bench.record WHERE expires_at < $1',
	update_by_pur   => 'UPDATE bench.record SET shr = $2 WHERE pur = $1',
	update_by_usr   => 'UPDATE bench.record SET shr = $2 WHERE usr = $1',
	read_by_usr     => "SELECT $data FROM bench.record WHERE usr = \$1$current",
	metadata_by_key => "SELECT $metadata FROM bench.record WHERE key = \$1$own{2}$current",
	update_data     => "UPDATE bench.record SET data = $new_data WHERE key = \$1$own{3}$current",
	update_metadata => "UPDATE bench.record SET shr = \$2 WHERE key = \$1$own{3}$current",
	delete_by_key   => "DELETE FROM bench.record WHERE key = \$1$own{2}",
	read_by_key     => "SELECT $data FROM bench.record WHERE key = \$1$objects{2}$current",
	read_by_pur     => "SELECT $data FROM bench.record WHERE pur = \$1$objects{1}$current",
	read_by_obj     => "SELECT $data FROM bench.record WHERE obj = \$1$objects{2}$current",
	metadata_by_usr => "SELECT $metadata FROM bench.record WHERE usr = \$1",
	system_logs     => $toms ? q{SELECT * FROM toms.audit_trail(subject => $1)} : $retrofit ? 'SELECT * FROM bench.log_of($1, 1000000000)' : 'SELECT',
	verify_deletion => 'SELECT count(*) FROM bench.record WHERE key = $1',
);

# Who does it and what for, on toms: a token for each such person and purpose.
my %purpose = (customer => 'self_service', controller => 'administration', load => 'administration', regulator => 'supervision');
my %role    = (load => 'controller');
my %tokens;

sub token {
	my ($value) = @_;
	my $subject = $persona eq 'customer' ? $value->{usr} : 'service';
	my $purpose = $purpose{$persona} // $value->{pur};
	return $tokens{"$subject $purpose"} //= do {
		my $now = time;
		my $payload = sprintf '{"tenant":"acme","sub":"%s","role":"bench_%s","purpose":"%s","iat":%d,"exp":%d}', $subject, $role{$persona} // $persona, $purpose, $now, $now + 3600;
		chomp(my $token = `toms-keys mint --private '$key' --payload '$payload'`);
		die "no token\n" unless $token;
		$token;
	};
}

# Person n is asked for 1/n as often as the first, and they lie apart.
my @cumulated = (0);
push @cumulated, $cumulated[-1] + 1 / $_ for 1 .. $persons;

sub zipf {
	my $sought = rand $cumulated[-1];
	my ($low, $high) = (1, $persons);
	while ($low < $high) {
		my $middle = int(($low + $high) / 2);
		$cumulated[$middle] < $sought ? ($low = $middle + 1) : ($high = $middle);
	}
	return $low * 7919 % $persons;
}

# The values that an operation may ask for; all are drawn each time, so that sides and statements do not matter.
sub values_of {
	my ($number) = @_;
	my $usr = $persona eq 'controller' ? int rand $persons : zipf();
	my %value = (
		usr => $usr, own => $usr + $persons * int rand($records / $persons), key => $records + $number, pur => 'p' . int rand 25,
		load => $number - 1, of => ($number - 1) % $persons, pur_of => 'p' . ($number - 1) % 25, obj_of => ($number - 1) % 100 ? 'o' . ($number - 1) % 100 : 'p1',
		obj => 'o' . (1 + int rand 99), shr => 's' . int rand 10, text => 'changed ' . $number, bound => sprintf('2100-01-01 00:%02d:%02dZ', int(4 * $number / 60) % 60, 4 * $number % 60),
	);
	return \%value;
}

sub choose {
	my ($mix, $sought) = @_;
	for (@$mix) {
		return $_ if ($sought -= $_->[0]) < 0;
	}
	return $mix->[-1];
}

# What the statement of a side takes beyond the operation's parameters.
sub parameters {
	my ($value, $name, @wanted) = @_;
	@wanted = grep { $_ ne 'pur' } @wanted if !$retrofit && $name =~ /^read_by_(key|obj)$/;
	push @wanted, 'usr' if $retrofit && $persona eq 'customer' && $name =~ /_by_key$|^update_/;
	return map { $value->{$_} } @wanted;
}

srand 42;
printf "prepare\tcontext\tSELECT set_config('%s', \$1, true)\n", $toms ? 'toms.token' : 'app.token' if $toms || $told;
print "prepare\t$_->[1]\t$statement{$_->[1]}\n" for @{ $mix{$persona} };
for my $number (1 .. $operations) {
	my $value = values_of($number);
	my ($weight, $name, @wanted) = @{ choose($mix{$persona}, rand 100) };
	my @fields = $name eq 'system_logs' && $side eq 'bare' ? () : parameters($value, $name, @wanted);
	print join("\t", 'do', ($toms || $told ? ('context', token($value), ';') : ()), $name, @fields), "\n";
}
