#!/usr/bin/perl
# Says what is wrong with META.json by the meta specification 1.0 of PGXN, one fault a line; what
# it names must be there. Called by lint.sh.
use strict;
use warnings;
use JSON::PP;

my $semver = qr/\A(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?\z/;
my $term   = qr{\A[^\s/\\\0-\x1f]{2,}\z};
my %license = map { ($_ => 1) } qw(agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2 bsd freebsd gfdl_1_2 gfdl_1_3
	gpl_1 gpl_2 gpl_3 lgpl_2_1 lgpl_3_0 mit mozilla_1_0 mozilla_1_1 openssl perl_5 postgresql qpl_1_0 ssleay sun
	zlib open_source restricted unrestricted unknown);
my %known = map { ($_ => 1) } qw(name abstract description version maintainer license provides meta-spec prereqs
	release_status resources no_index tags generated_by);

my $file = shift // 'META.json';
my $meta = eval { local (@ARGV, $/) = $file; decode_json(<>) };
fault("$file is not JSON: $@") if !$meta;
my @faults;

demand('name', sub { /$term/ });
demand('abstract', sub { /\S/ });
demand('version', sub { /$semver/ });
demand('maintainer', sub { ref ? @$_ > 0 : /\S/ });
demand('license', sub { ref ? !grep({ !$license{$_} } ref eq 'HASH' ? () : @$_) : $license{$_} });
demand('meta-spec', sub { ref eq 'HASH' && ($_->{version} // '') =~ /\A1\.\d+\.\d+\z/ });
demand('provides', sub { ref eq 'HASH' && %$_ });

for my $name (sort keys %{ $meta->{provides} // {} }) {
	my $it = $meta->{provides}{$name};
	push @faults, "provides: $name: no version" if ($it->{version} // '') !~ $semver;
	push @faults, "provides: $name: $_ is not there" for grep { !defined || !-e } $it->{file}, grep { defined } $it->{docfile};
	push @faults, "provides: $name: \"$_\" is not of the specification" for grep { !/^(?:file|version|abstract|docfile|x_.*)$/i } sort keys %$it;
}
for my $phase (sort keys %{ $meta->{prereqs} // {} }) {
	push @faults, "prereqs: \"$phase\" is no phase" if $phase !~ /^(?:configure|build|test|runtime|develop|x_.*)$/i;
	for my $relation (sort keys %{ $meta->{prereqs}{$phase} }) {
		push @faults, "prereqs: \"$relation\" is no relation" if $relation !~ /^(?:requires|recommends|suggests|conflicts|x_.*)$/i;
		my $of = $meta->{prereqs}{$phase}{$relation};
		push @faults, "prereqs: $_: \"$of->{$_}\" is no version" for grep { $of->{$_} !~ $semver && $of->{$_} ne '0' } sort keys %$of;
	}
}
for my $kind (sort keys %{ $meta->{no_index} // {} }) {
	push @faults, "no_index: \"$kind\" is neither file nor directory" if $kind !~ /^(?:file|directory)$/;
	push @faults, "no_index: $_ is not there" for grep { !-e } @{ $meta->{no_index}{$kind} };
}
push @faults, 'release_status: stable, testing or unstable' if ($meta->{release_status} // 'stable') !~ /^(?:stable|testing|unstable)$/;
push @faults, map { "tags: \"$_\" is no tag" } grep { length > 255 || m{[/\\\0-\x1f]} || !/\S/ } @{ $meta->{tags} // [] };
push @faults, map { "\"$_\" is not of the specification" } grep { !$known{$_} && !/^x_/i } sort keys %$meta;
print map { "$_\n" } @faults;
exit !!@faults;

sub fault { print "$_[0]\n"; exit 1 }

sub demand {
	my ($key, $good) = @_;
	local $_ = $meta->{$key};
	push @faults, defined() ? "$key is not as it has to be" : "$key is missing" if !defined() || !$good->();
	return;
}
