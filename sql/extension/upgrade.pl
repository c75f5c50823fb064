#!/usr/bin/perl
# Writes the script that upgrades toms from one version to the next: what its installation scripts
# do not have in common.
#
#     upgrade.pl OLD.sql.gz NEW.sql BY-HAND.sql
#
# Called by make for toms--1.0--1.1.sql.  Of what has changed it writes by itself:
#   functions, procedures, views    CREATE OR REPLACE; dropped and made anew where what they take or return is another
#   columns and constraints         ALTER TABLE … ADD, for those that have been added; columns are added as the last ones
#   triggers, indexes               dropped, and made anew
#   GRANT, REVOKE                   those that are new, and the opposite of those that are gone
#   rows that toms brings           all of a table of which one has changed
#   DO                              once more: these can be run again
#   whatever else is new            as it is
# What it cannot tell, a type or a column that is another one, a table that is gone, is written by hand,
# once for each object, under a line that names it as the failure of this program does:
#
#     -- @ TABLE toms.tenant
#     ALTER TABLE toms.tenant …;
use strict;
use warnings;

my ($old_file, $new_file, $hand_file) = @ARGV;
my (%hand, @out, @unknown, %replaced);

# Reading -------------------------------------------------------------------------------------

sub text
{
	my ($file) = @_;
	my ($mode, @what) = $file =~ /\.gz$/ ? ('-|', 'gzip', '-dc', $file) : ('<', $file);
	open(my $in, $mode, @what) or die "$file: $!\n";
	local $/;
	my $text = <$in>;
	close($in) or die "$file cannot be read\n";
	return $text;
}

my $quoted = qr/'(?:[^']|'')*'|"[^"]*"|\$(?<tag>\w*)\$.*?\$\g{tag}\$/s;
my $comment = qr{--[^\n]*|/\*.*?\*/}s;

# The statements of a script as { text, form, key, file }: "form" is the text without comments and with single blanks,
# "key" names the object it makes, or is the form.
sub statements
{
	my ($script) = @_;
	my (@found, $text, $file);
	while ($script =~ /\G($comment|$quoted|BEGIN\s+ATOMIC.*?^\s*END\s*(?=;)|;|[^;'"\$\/B-]+|.)/gcms)
	{
		my $part = $1;
		$file = $1 if !defined $text && $part =~ m{^-- (src/\S+)};
		next if !defined $text && $part =~ /^(?:\s+|--.*|\/\*.*)$/s;
		$part =~ s/^\s+// if !defined $text;
		$text .= $part;
		next if $part ne ';';
		push @found, { text => $text, form => form($text), file => $file };
		undef $text;
	}
	name($_, \@found) foreach 0 .. $#found;
	return \@found;
}

sub form
{
	my ($text) = @_;
	my $form = '';
	while ($text =~ /\G($comment|$quoted|[^'"\$\/-]+|.)/gcs)
	{
		my $part = $1;
		$part =~ s/\s+/ /g if $part !~ /^['"\$]/;
		$form .= $part =~ /^(?:--|\/\*)/ ? ' ' : $part;
	}
	return $form =~ s/ +(?=[ ;])//gr;
}

# A function's types are in the comment on it, which follows.
sub name
{
	my ($i, $all) = @_;
	my $s = $all->[$i];
	local $_ = $s->{form};
	if (/^CREATE (FUNCTION|PROCEDURE) (toms\.\w+)/)
	{
		my ($kind, $name) = ($1, $2);
		my ($types) = map { $_->{form} =~ /^COMMENT ON $kind \Q$name\E(\([^)]*\)(?:\[\])?.*?\)?) IS '/ ? $1 : () } @$all[ $i .. $#$all ];
		die "no COMMENT ON $kind $name\n" unless defined $types;
		@$s{qw(kind object key)} = ($kind, "$name$types", "$kind $name$types");
	}
	elsif (/^CREATE (TABLE|VIEW|TYPE) (toms\.\w+)(;?)/) { @$s{qw(kind object key)} = ($1, $2, "$1 $2$3") }	# a shell type has a semicolon
	elsif (/^CREATE (?:UNIQUE )?INDEX (\w+)/) { @$s{qw(kind object key)} = ('INDEX', "toms.$1", "INDEX toms.$1") }
	elsif (/^CREATE TRIGGER (\S+) .*? ON (toms\.\w+)/) { @$s{qw(kind object key)} = ('TRIGGER', "$1 ON $2", "TRIGGER $1 ON $2") }
	elsif (/^INSERT INTO (toms\.\w+)/) { @$s{qw(kind object key)} = ('ROWS', $1, $_) }
	elsif (/^(GRANT|REVOKE) /) { @$s{qw(kind key)} = ($1, $_) }
	elsif (/^COMMENT ON (.*?) IS '/) { @$s{qw(kind object key)} = ('COMMENT', $1, $_) }
	elsif (/^DO /) { @$s{qw(kind key)} = ('DO', "DO in $s->{file}: $_") }
	elsif (/^SELECT pg_catalog\.pg_extension_config_dump\('(\S+?)'/) { @$s{qw(kind object key)} = ('DUMP', $1, "DUMP $1") }
	elsif (/^ALTER TABLE (toms\.\w+) (.*);/) { @$s{qw(kind object key)} = ('ALTER', $1, $_) }
	else { @$s{qw(kind key)} = ('OTHER', $_) }
}

# Comparing -----------------------------------------------------------------------------------

# What stands between the first bracket and the one that closes it, cut at commas.
sub items
{
	my ($form) = @_;
	my (@items, $depth);
	while ($form =~ /\G($quoted|[(),]|[^(),'"\$]+|.)/gcs)
	{
		my $part = $1;
		if ($part eq ')' && --$depth == 0) { last }
		if ($part eq '(' && ++$depth == 1) { push @items, ''; next }
		if ($part eq ',' && $depth == 1) { push @items, ''; next }
		$items[-1] .= $part if $depth;
	}
	return map { s/^\s+|\s+$//gr } @items;
}

# A GRANT or REVOKE as one statement for each privilege, object and role.
sub atoms
{
	my ($form) = @_;
	my ($verb, $privileges, $kind, $objects, $roles) =
	  $form =~ /^(GRANT|REVOKE) (.*?) ON ((?:FUNCTION|PROCEDURE|SEQUENCE|SCHEMA|ALL SEQUENCES IN SCHEMA|TYPE|TABLE) )?(.*) (?:TO|FROM) (.*?);/ or return;
	my @privileges = $privileges =~ /\(/ ? $privileges : split /, */, $privileges;
	my @objects = $objects =~ /\(/ ? $objects =~ /((?:toms\.)\w+\((?:[^()]|\([^()]*\))*\))/g : split /, */, $objects;
	my @atoms;
	foreach my $p (@privileges) { foreach my $o (@objects) { push @atoms, [ $verb, $p, $kind // '', $o, $_ ] foreach split /, */, $roles } }
	return @atoms;
}

sub opposite
{
	my ($verb, $privilege, $kind, $object, $role) = @_;
	return $verb eq 'GRANT' ? "REVOKE $privilege ON $kind$object FROM $role;" : "GRANT $privilege ON $kind$object TO $role;";
}

sub is_constraint { return $_[0] =~ /^(?:CHECK|UNIQUE|PRIMARY|FOREIGN|CONSTRAINT|EXCLUDE)\b/ }

# ALTER TABLE for what has been added to a table; nothing if more than that is other.
sub added
{
	my ($old, $new) = @_;
	my @old = items($old->{form});
	my @new = items($new->{form});
	my %had = map { $_ => 1 } @old;
	my %has = map { $_ => 1 } @new;
	my $behind = sub { $_[0]->{form} =~ /^.*\)(.*)/s ? $1 : '' };
	return if $behind->($old) ne $behind->($new) || grep { !$has{$_} } @old;
	my @columns = grep { !is_constraint($_) } @old;
	my @now = grep { !is_constraint($_) } @new;
	return if join("\n", @columns) ne join("\n", @now[ 0 .. $#columns ]);
	return join '', map { "ALTER TABLE $new->{object} ADD " . (is_constraint($_) ? '' : 'COLUMN ') . "$_;\n" } grep { !$had{$_} } @new;
}

# What a function takes and returns.
sub call_of
{
	my ($form) = @_;
	my @items = items($form);
	my ($returns) = $form =~ / RETURNS ((?:SETOF )?(?:TABLE ?\(.*?\) LANGUAGE|[\w.\[\]]+))/;
	return join "\n", map({ s/ (?:DEFAULT|=) .*//r } @items), $returns // '';
}

# Writing -------------------------------------------------------------------------------------

my $old = statements(text($old_file));
my $new = statements(text($new_file));
my (%was, %is);
push @{ $was{ $_->{key} } }, $_ foreach @$old;
push @{ $is{ $_->{key} } }, $_ foreach @$new;

if (defined $hand_file)
{
	my @sections = split /^-- @ (.*)\n/m, text($hand_file);
	shift @sections;
	%hand = @sections;
}
my %used;

# True if the object is looked after by hand: then its statements come in its place.
sub by_hand
{
	my ($key) = @_;
	return 0 unless exists $hand{$key};
	push @out, $hand{$key} unless $used{$key}++;
	return 1;
}

sub differs
{
	my ($was, $is) = @_;
	return $is->{kind} =~ /^(?:FUNCTION|PROCEDURE)$/ ? $was->{text} ne $is->{text} : $was->{form} ne $is->{form};
}

sub unknown { push @unknown, join "\n", "-- @ $_[0]", map { $_->{text} =~ s/^/--     /mgr } grep { $_ } @_[ 1, 2 ] }

# What belongs to an object that is made anew is said once more: comments, privileges, switches of triggers.
sub belongings
{
	my ($s) = @_;
	my $object = quotemeta($s->{object} =~ s/ ON .*//r);
	my $table = $s->{kind} eq 'TRIGGER' ? quotemeta(($s->{object} =~ / ON (.*)/)[0]) : '';
	return map { $_->{text} }
	  grep { $s->{kind} eq 'TRIGGER' ? $_->{form} =~ /^ALTER TABLE $table .*TRIGGER $object\b/ : $_->{kind} =~ /^(?:COMMENT|GRANT|REVOKE)$/ && $_->{form} =~ /\b$object(?!\w)/ } @$new;
}

sub anew { my ($s) = @_; push @out, $s->{text}, belongings($s) }

sub drop_function
{
	my ($s) = @_;
	push @out, "DELETE FROM toms.installed_function WHERE pg_catalog.to_regprocedure(function) OPERATOR(pg_catalog.=) '$s->{object}'::pg_catalog.regprocedure;",
	  "DROP $s->{kind} $s->{object};";
	$s->{dropped} = 1;
}

sub replace_function
{
	my ($was, $is) = @_;
	$replaced{ $is->{object} } = 1 if $is->{kind} =~ /^(?:FUNCTION|PROCEDURE)$/;
	if (!$was)
	{
		my ($name) = $is->{object} =~ /^(.*?)\(/;
		drop_function($_) foreach grep { $_->{kind} eq $is->{kind} && $_->{object} =~ /^\Q$name\E\(/ && !$is{ $_->{key} } && !$_->{dropped} } @$old;
		return push @out, $is->{text};
	}
	if (call_of($was->{form}) ne call_of($is->{form}))
	{
		push @out, "DROP $is->{kind} $is->{object};";
		return anew($is);
	}
	push @out, $is->{text} =~ s/^CREATE /CREATE OR REPLACE /r;
}

# An object of the new script that the old one has too, or not.
sub upgrade_object
{
	my ($is) = @_;
	my $was = $was{ $is->{key} } ? $was{ $is->{key} }[0] : undef;
	return if $was && !differs($was, $is);
	return if by_hand($is->{key});
	return replace_function($was, $is) if $is->{kind} =~ /^(?:FUNCTION|PROCEDURE)$/;
	return push @out, $is->{text} unless $was;
	if ($is->{kind} eq 'VIEW') { return push @out, $is->{text} =~ s/^CREATE /CREATE OR REPLACE /r }
	if ($is->{kind} eq 'DUMP') { return push @out, $is->{text} }
	if ($is->{kind} =~ /^(?:INDEX|TRIGGER)$/) { push @out, "DROP $is->{kind} $is->{object};"; return anew($is) }
	my $added = $is->{kind} eq 'TABLE' ? added($was, $is) : undef;
	return push @out, $added if $added;
	unknown($is->{key}, $was, $is);
}

# Objects that the new script does not have.
sub drop_object
{
	my ($was) = @_;
	return if $is{ $was->{key} } || $was->{dropped} || by_hand($was->{key});
	return drop_function($was) if $was->{kind} =~ /^(?:FUNCTION|PROCEDURE)$/;
	return push @out, "DROP $was->{kind} $was->{object};" if $was->{kind} =~ /^(?:VIEW|INDEX|TRIGGER)$/;
	unknown($was->{key}, $was);
}

# Rows of one table come by several statements; those of a new table are among what is new.
my %changed_rows = map { $_->{object} => 1 }
  grep { $_->{object} ne 'toms.installed_function' && $was{"TABLE $_->{object}"} }
  grep { $_->{kind} eq 'ROWS' } (grep { !$is{ $_->{key} } } @$old), (grep { !$was{ $_->{key} } } @$new);
my %stands = map { join(' ', @$_) => 1 } map { atoms($_->{form}) } grep { $_->{kind} =~ /^(?:GRANT|REVOKE)$/ } @$new;
my %emptied;

# Rows of its own are those that a dump leaves out.
sub empty_rows
{
	my ($table) = @_;
	return if $emptied{$table}++ || !$was{"TABLE $table"};
	my ($own) = map { $_->{form} =~ /, 'WHERE NOT (\w+)'/ ? " WHERE $1" : '' } @{ $was{"DUMP $table"} // [] };
	push @out, 'DELETE FROM ' . $table . ($own // '') . ';';
}

foreach my $s (@$new)
{
	if ($s->{kind} eq 'ROWS')
	{
		next if $s->{object} eq 'toms.installed_function';
		next unless $changed_rows{ $s->{object} } || !$was{"TABLE $s->{object}"};
		next if by_hand("ROWS $s->{object}");
		empty_rows($s->{object});
		push @out, $s->{text};
	}
	elsif ($s->{kind} =~ /^(?:GRANT|REVOKE|COMMENT|DO|ALTER|OTHER)$/)
	{
		next if $was{ $s->{key} };
		next if $s->{kind} eq 'DO' && by_hand("DO in $s->{file}");
		push @out, $s->{text};
	}
	else { upgrade_object($s) }
}

# What is gone, the last first.
my %gone_object = map { $_->{object} => 1 } grep { $_->{kind} =~ /^(?:FUNCTION|PROCEDURE|VIEW|TABLE|TYPE)$/ && !$is{ $_->{key} } } @$old;
foreach my $s (reverse @$old)
{
	next if $is{ $s->{key} };
	if ($s->{kind} =~ /^(?:GRANT|REVOKE)$/)
	{
		push @out, map { opposite(@$_) } grep { !$stands{ join ' ', @$_ } && !$gone_object{ $_->[3] } } atoms($s->{form});
	}
	elsif ($s->{kind} =~ /^(?:COMMENT|DO|ROWS)$/) { next }
	elsif ($s->{kind} =~ /^(?:ALTER|DUMP|OTHER)$/)
	{
		next if $s->{object} && $gone_object{ $s->{object} };
		next if $s->{form} =~ /ENABLE ALWAYS TRIGGER/;
		unknown($s->{key}, $s) unless by_hand($s->{key});
	}
	elsif ($s->{kind} =~ /^(?:INDEX|TRIGGER)$/ && grep { $s->{form} =~ / ON \Q$_\E\b/ } keys %gone_object) { next }
	else { drop_object($s) }
}

# Functions that are as the new script brings them; one that somebody altered before, and this script did not touch, is altered still.
push @out, "INSERT INTO toms.installed_function SELECT f.function, f.digest FROM toms.function_digests() f\n"
  . "WHERE pg_catalog.to_regprocedure(f.function) OPERATOR(pg_catalog.=) ANY (ARRAY[\n    "
  . join(",\n    ", map { "'$_'" } sort keys %replaced)
  . "\n]::pg_catalog.regprocedure[])\nON CONFLICT (function) DO UPDATE SET digest = excluded.digest;" if %replaced;

push @unknown, map { "-- @ $_\n--     is in $hand_file, and has not changed" } grep { !$used{$_} } sort keys %hand;
die "What has changed here is to be written into $hand_file, under the line that begins with \"-- @\":\n\n" . join("\n\n", @unknown) . "\n" if @unknown;
print "-- Written by sql/extension/upgrade.pl.\n", map { "$_\n" } map { s/\n*\z//r } @out;
