# What the scripts share that bring data from one server to another, newer one: by pg_upgrade or a dump.
#
# OLDER names an installation of an older PostgreSQL, with toms, to come from (test/sandbox.sh makes one
# in "make test-versions"); without it both servers are PG_CONFIG's.
#
#   use UpgradeTest;
#   my $old = PostgreSQL::Test::Cluster->new('old', of_older());
#   $old->init(checksums());
#   ...
#   unmark($old);
#   $old->stop;
#   my ($ok, $said) = pg_upgrade($old, $new);
package UpgradeTest;

use strict;
use warnings;
use Cwd qw(getcwd);
use Exporter 'import';
use File::Find;
use IPC::Run;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(of_older checksums unmark pg_upgrade in_older_words);

my $older = $ENV{OLDER};
my ($bindir) = run_command([ $ENV{PG_CONFIG} // 'pg_config', '--bindir' ]);

# How the old server is told whose it is.
sub of_older { return $older ? (install_path => $older) : () }

# Both servers must have checksums, or none; from 18 on a new one has them unless told otherwise.
sub checksums { return (extra => ['--data-checksums']) }

# 15.20 marks every column for its own programs. Those of a newer version that does not know the marks take them for
# options, which that server refuses; so they are taken off, as nobody should whose data are more than a test's.
sub unmark
{
	my ($old) = @_;
	return if !$older || slurp_file("$bindir/postgres") =~ /pg_attver/;
	$old->safe_psql($_, q{SET client_min_messages = warning; SET toms.reason = 'upgrade';
		UPDATE pg_attribute SET attoptions = nullif(ARRAY(SELECT o FROM unnest(attoptions) o WHERE o NOT LIKE 'pg_attver=%'), '{}') WHERE attoptions IS NOT NULL})
	  foreach split /\n/, $old->safe_psql('postgres', 'SELECT datname FROM pg_database WHERE datallowconn');
	return;
}

# Of two servers that are stopped; returns (succeeded, what it and its logs say). No reason is stated.
sub pg_upgrade
{
	my ($old, $new, @options) = @_;
	local $ENV{PGOPTIONS} = '';
	my $here = getcwd();
	chdir $new->basedir or die $!;
	my $said = '';
	my $ok = IPC::Run::run([ 'pg_upgrade', '--no-sync', @options, '-d', $old->data_dir, '-D', $new->data_dir,
		'-b', $older ? "$older/bin" : $bindir, '-B', $bindir, '-s', $new->host, '-p', $old->port, '-P', $new->port ],
		'<', \undef, '>&', \$said);
	chdir $here or die $!;
	my $logs = $new->data_dir . '/pg_upgrade_output.d';
	find(sub { $said .= join '', grep { /ERROR:|FATAL:|could not/ } split /^/, slurp_file($_) if /\.(log|txt)$/ }, $logs) if -d $logs;
	return ($ok, $said);
}

# Definitions and privileges as an older version writes them: later ones have a privilege more, and name columns of
# a single table without it.
sub in_older_words
{
	my ($text) = @_;
	return $text if !$older;
	my $name = qr/(?:\b[a-z_]+|"+[^".]+"+)/;
	return $text =~ s/arwdDxtm/arwdDxt/gr =~ s/$name\.(?=$name (?:AS|=))//gr;
}

1;
