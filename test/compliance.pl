#!/usr/bin/perl
# Says of each measure, on a line of its own, whether what proves it came out as it should:
#
#     pass  A-2.1  absence  roles and rights are managed
#
# Run by "make compliance" after the regression tests sql/evidence_<system>.sql, in the folder that has results/ and
# expected/. A section begins with a comment "-- A-2.1  promise"; it passes if what was printed from there to the next one is
# what was expected. A measure of src/evidence without a section, or a test that did not come to its section, is a failure.
use strict;
use warnings;

my @measures = map { text($_) =~ /^\s*\('([A-Z]-[\w.]+)',\s*\d+,\s*'(\w+)'/gm } sort glob('src/evidence/measure_*.sql');
my ($failed, %system, @order);
while (my ($measure, $system) = splice @measures, 0, 2) {
	$system{$measure} = $system;
	push @order, $measure;
}
@order or die "compliance: no measures in src/evidence\n";

my (%expected, %found, %promise);
for my $system (sort { $a cmp $b } keys %{ { reverse %system } }) {
	sections("expected/evidence_$system.out", \%expected);
	sections("results/evidence_$system.out", \%found);
}
for my $measure (@order) {
	my $why =
		  !defined $expected{$measure} ? 'no test walks it'
		: !defined $found{$measure}    ? 'its test did not get there'
		: $found{$measure} ne $expected{$measure} ? 'it did not come out as promised'
		:                                           '';
	$failed++ if $why;
	printf "%s  %-8s %-15s %s%s\n", $why ? 'FAIL' : 'pass', $measure, $system{$measure}, $promise{$measure} // '', $why && " ($why)";
}
printf "%d of %d measures are proven\n", @order - ($failed // 0), scalar @order;
exit($failed ? 1 : 0);

sub text {
	my ($file) = @_;
	open(my $in, '<', $file) or return '';
	local $/;
	return <$in>;
}

# What a test has printed, by measure. What comes before the first section, and after the last, takes down or sets up.
sub sections {
	my ($file, $to) = @_;
	my $text = text($file) =~ s/^-- That is all\n.*//msr;
	while ($text =~ /^-- ([A-Z]-[\w.]+)  ([^\n]*)\n(.*?)(?=^-- [A-Z]-[\w.]+  |\z)/gms) {
		$to->{$1} = "$2\n$3";
		$promise{$1} = $2;
	}
}
