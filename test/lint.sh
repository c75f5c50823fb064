#!/bin/sh
# Checks the house rules that a program can check. Prints "ok - rule" or "not ok - rule" with
# the places that break it; fails if there are any. Asks the source alone, so that it needs no
# build, but looks at the exported symbols too where toms.so is there.
cd "$(dirname "$0")/.." && exec perl -x test/lint.sh
#!perl
use strict;
use warnings;

my %limit = (function => 120, file => 600, header => 120, parameters => 6);

my @slices = split ' ', (text('Makefile') =~ /^SLICES *= *(.*)/m)[0];
my %rank   = map { $slices[$_] => $_ } 0 .. $#slices;
my $version = (text('toms.control') =~ /^default_version *= *'(.*)'/m)[0];
my @source = (glob('src/*.[ch]'), glob('src/*/*.[ch]'), glob('src/bin/*/*.[ch]'));
my @c      = grep { /\.c$/ } @source;
my @sql    = glob('src/*/*.sql');
my $readme = -e 'README.md' ? text('README.md') : '';
my @functions = map { functions($_) } @sql;
my $failed = 0;

# Architecture

check('a slice includes base, lower slices by their public header, and itself',
	map { my $file = $_; numbered($file, sub { include_fault($file, $_) }) } @source);
check('every folder of src is a slice', grep { m{^src/(\w+)/$} && $1 ne 'bin' && !defined $rank{$1} } glob('src/*/'));
check('only names of toms are exported', -e 'toms.so' ? foreign_symbols() : 'skip: toms.so is not built');
check('PostgreSQL\'s version is asked in compat.h alone',
	matches(\&code, qr/\bPG_VERSION_NUM\b/, grep { $_ ne 'src/base/compat.h' } @source));
check('libsodium is called in crypto.c and secret.c alone',
	matches(\&code, qr/\b(?:sodium|crypto|randombytes)_\w+\s*\(/, grep { !m{^src/(bin/|base/(crypto|secret)\.c$)} } @source));
check('hooks are set in hooks.c alone', matches(\&code, qr/_hook\s*=(?!=)/, grep { $_ ne 'src/hooks.c' } @source));

# Tests

check('every regression test has its slice and its result',
	(map { absent("expected/$_.out") } names('sql/*.sql')),
	(map { absent("sql/$_.sql") } map { s/_\d$//r } names('expected/*.out')),
	(map { my $test = $_; (grep { $test =~ /^\Q$_\E(_|$)/ } @slices) ? () : "sql/$test.sql: no slice of that name" }
		names('sql/*.sql')));
check('every isolation test has its result',
	(map { absent("test/isolation/expected/$_.out") } names('test/isolation/specs/*.spec')),
	(map { absent("test/isolation/specs/$_.spec") } map { s/_\d$//r } names('test/isolation/expected/*.out')));
check('every measure is walked by the test of its reference system, in order',
	map { walk_fault($_) } map { m{measure_(\w+)\.sql$} } glob('src/evidence/measure_*.sql'));
check('every phrase that tells of a fault is met by a test', unmet_phrases());
check('every mutant breaks what it names', map { idle_mutant($_) } text('test/mutants.txt') =~ /^[^#\n].* \| .*$/mg);
check('tests that README.md and doc name exist',
	map { absent($_) } join("\n", $readme, map { text($_) } glob('doc/*.md')) =~ m{(?<![\w/])((?:sql/[\w-]+\.sql|test/t/[\w-]+\.pl|test/isolation/specs/[\w-]+\.spec))\b}g);

# SQL

check('the install script replaces nothing', map { matches_statement(qr/^CREATE\s+OR\s+REPLACE\b/i, $_) } @sql);
check('every function states volatility and parallel safety',
	map { $_->{at} } grep { $_->{text} !~ /\b(IMMUTABLE|STABLE|VOLATILE)\b/i || $_->{text} !~ /\bPARALLEL\s/i } @functions);
check('every security definer has a safe search_path',
	map { $_->{at} } grep { $_->{text} !~ /\bSET\s+search_path\s*(=|\bTO\b)\s*pg_catalog\s*,\s*pg_temp\b(?!\s*,)/i }
		grep { $_->{text} =~ /\bSECURITY\s+DEFINER\b/i } @functions);
check('what PUBLIC may call is listed in test/public_functions.txt', public_faults());
check('every object has a comment', map { uncommented($_) } @sql);

# README

check('README.md names every setting',
	grep { $readme !~ /\b\Q$_\E\b/ } map { text($_) =~ /DefineCustom\w+Variable\s*\(\s*"([\w.]+)"/g } @c);
check('README.md names every public function, view and table',
	grep { $readme !~ /(?:`|\btoms\.)$_\b|\b$_\(/ } map { public_objects($_) } @sql);

# Form

check('every file says at its head what it is', map { text($_) =~ m{\A/\*} ? () : "$_:1" } @source);
check('sizes are kept', map { size_faults($_) } @source, @sql, glob('sql/*.sql test/*.sh test/t/*.pl'));
check('META.json has the version of toms.control, with a third number', grep { $_ ne "$version.0" } text('META.json') =~ /^\s*"version": "(.*?)"/mg);
check('META.json is as PGXN wants it', split /\n/, `perl test/meta.pl META.json`);
check('debian/changelog has the version of toms.control',
	-e 'debian/changelog' ? grep { $_ ne $version } text('debian/changelog') =~ /\Atoms \((.*?)\)/ : 'skip: there is no debian/changelog');
check('nothing is left to do',
	matches(\&text, qr/\b(?:TO[D]O|FIX[M]E|X[X]X)\b/, grep { -f && -T } glob('Makefile *.md src/* src/*/* sql/* test/* test/*/* test/*/*/* examples/*/*')));

exit $failed;

# Results

sub check {
	my ($rule, @faults) = @_;
	return print "ok - $rule\n" if !@faults;
	return print "ok - $rule # SKIP $1\n" if $faults[0] =~ /^skip: (.*)/;
	print "not ok - $rule\n", map { "    $_\n" } @faults;
	$failed = 1;
}

# Files

sub text {
	my ($file) = @_;
	open(my $in, '<', $file) or die "$file: $!\n";
	local $/;
	return <$in>;
}

sub names { return map { m{([^/]+)\.\w+$} } glob($_[0]) }

# Measures of a reference system, in their order, are the sections of its test.
sub walk_fault {
	my ($system) = @_;
	my %position = text("src/evidence/measure_$system.sql") =~ /^\s*\('([A-Z]-[\w.]+)',\s*(\d+),\s*'$system'/gm;
	my @promised = sort { $position{$a} <=> $position{$b} } keys %position;
	my @walked = text("sql/evidence_$system.sql") =~ /^-- ([A-Z]-[\w.]+)  /gm;
	my ($at) = grep { ($promised[$_] // '') ne ($walked[$_] // '') } 0 .. ($#promised > $#walked ? $#promised : $#walked);
	return defined $at ? "sql/evidence_$system.sql: " . ($walked[$at] // 'the end') . ' where ' . ($promised[$at] // 'the end') . ' is promised' : ();
}

# Phrases that a probe says where it may say fail, partial or overdue too, which no test names or shows, in either language.
sub unmet_phrases {
	my $code  = join '', map { text($_) } glob('src/evidence/*.sql');
	my $tests = join "\n", map { text($_) } glob('sql/evidence_*.sql expected/evidence_*.out test/t/*.pl');
	my (%shown, %told);
	while ($code =~ /\('(\w+)', '(?:en|de)', E?'((?:[^']|'')*)'\)/g) {
		my ($phrase, $words) = ($1, join '.*', map { quotemeta } grep { $_ ne '' } split /%\d\$\w|''/, $2);
		$shown{$phrase} ||= $tests =~ /\b$phrase\b/ || $tests =~ /$words/;
	}
	for my $said (grep { /'(?:fail|partial|overdue)'/ } split /\bUNION ALL\b|;$/m, $code =~ s/^INSERT INTO toms\.phrase.*?;$//gmsr) {
		while ($said =~ /(?<!say\()'(\w+)'( \|\|)?/g) {
			my ($name, $more) = ($1, $2);
			$told{$_} = 1 for grep { $more ? /^$name/ : $_ eq $name } keys %shown;
		}
	}
	return grep { !$shown{$_} } sort keys %told;
}

# As test/mutants.sh does, which takes hours to come to it.
sub idle_mutant {
	my ($name, $file, $substitution) = split / \| /, $_[0];
	local $_ = -e $file ? text($file) : return "$name: there is no $file";
	eval "$substitution; 1" or return "$name: $@";
	return $_ eq text($file) ? "$name: the substitution does not apply to $file" : ();
}

sub absent { return -e $_[0] ? () : "$_[0] is missing" }

# C without comments and strings; line numbers stay.
sub code {
	return text($_[0]) =~ s{(/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')}{$1 =~ tr/\n//cdr}gser;
}

# "file:line: what is wrong" for each line about which the sub, given the line in $_, says something.
sub numbered {
	my ($file, $fault, $text) = @_;
	my ($n, @faults) = (0);
	for (split /\n/, $text // text($file)) {
		$n++;
		my $wrong = $fault->();
		push @faults, "$file:$n: $wrong" if $wrong;
	}
	return @faults;
}

# The lines that match, in files read by text() or code().
sub matches {
	my ($read, $pattern, @files) = @_;
	return map { numbered($_, sub { /$pattern/ ? s/^\s+|\s+$//gr : '' }, $read->($_)) } @files;
}

# C

sub include_fault {
	my ($file, $line) = @_;
	my ($path) = $line =~ /^\s*#\s*include\s+"([^"]+)"/ or return;
	my ($from) = $file =~ m{^src/(\w+)/};
	return "$path is for toms.c and hooks.c" if $path =~ /^(toms|hooks)\.h$/ && $from;
	return "$path: write slice/header.h" if $path =~ m{\.\./};
	my ($to, $header) = $path =~ m{^(\w+)/(\w+)\.h$} or return;
	return if !-e "src/$path" || $to eq 'base' || $to eq ($from // '');
	return "$header.h is private to $to" if $header ne $to;
	return if !$from || ($rank{$to} // 0) < ($rank{$from} // 0);
	return "$from must not include $to (upward)";
}

sub foreign_symbols {
	return grep { !/ (toms_\w+|pg_finfo_toms_\w+|_PG_init|Pg_magic_func)$/ } split /\n/, `nm -D --defined-only toms.so 2>&1`;
}

sub size_faults {
	my ($file) = @_;
	my $text = $file =~ /\.[ch]$/ ? code($file) : text($file);
	# compat.h has no end: it is a list of what PostgreSQL has changed.
	my $most = $file =~ /\.h$/ && $file ne 'src/base/compat.h' ? $limit{header} : $limit{file};
	my $lines = $text =~ tr/\n//;
	my @faults = $lines > $most ? "$file: $lines lines, at most $most" : ();
	return @faults if $file !~ /\.c$/;
	while ($text =~ /^\{\n(.*?)^\}/gms) {
		my ($start, $length) = (line($text, $-[0]), $1 =~ tr/\n// + 2);
		push @faults, "$file:$start: function of $length lines, at most $limit{function}" if $length > $limit{function};
	}
	# The signatures in hooks.c are PostgreSQL's.
	while ($file ne 'src/hooks.c' && $text =~ /(\w+)(\((?:[^(){};]++|(?2))*\))\s*^\{/gms) {
		my ($name, $parameters, $start) = ($1, $2, line($text, $-[0]));
		$parameters =~ s/(?!^)\([^()]*\)//g;
		my $count = 1 + $parameters =~ tr/,//;
		push @faults, "$file:$start: $name has $count parameters, at most $limit{parameters}" if $count > $limit{parameters};
	}
	return @faults;
}

sub line { return 1 + substr($_[0], 0, $_[1]) =~ tr/\n// }

# SQL

# The statements of a file, without comments, strings and function bodies.
sub statements {
	my ($file) = @_;
	my $text = text($file) =~ s{^\\.*$}{}gmr;
	$text =~ s{(--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$(\w*)\$.*?\$\2\$)}{$1 =~ tr/\n//cdr}gse;
	my @statements;
	while ($text =~ /([^;\s][^;]*);/g) {
		my ($first, $last) = (line($text, $-[1]), line($text, $+[1]));
		push @statements, { file => $file, text => $1, first => $first, last => $last, at => "$file:$first" };
	}
	return @statements;
}

sub matches_statement {
	my ($pattern, $file) = @_;
	return map { $_->{at} } grep { $_->{text} =~ $pattern } statements($file);
}

# The CREATE FUNCTIONs of a file; revoked: taken from PUBLIC within three lines, granted: given back.
sub functions {
	my ($file) = @_;
	my @statements = statements($file);
	my @found;
	for my $function (@statements) {
		my ($name) = $function->{text} =~ /^CREATE\s+(?:OR\s+REPLACE\s+)?FUNCTION\s+(?:toms\.)?(\w+)/i or next;
		$function->{name} = $name;
		$function->{at} .= ": $name";
		my $on = qr/ON\s+FUNCTION\s+(?:toms\.)?$name\b/i;
		my @below = grep { $_->{first} >= $function->{last} && $_->{first} <= $function->{last} + 3 } @statements;
		$function->{revoked} = grep { $_->{text} =~ /^REVOKE\s+ALL\s+$on.*\bFROM\s+PUBLIC\b/is } @below;
		$function->{granted} = grep { $_->{text} =~ /^GRANT\s.*$on.*\bTO\b.*\bPUBLIC\b/is } @statements;
		push @found, $function;
	}
	return @found;
}

sub public_faults {
	my %listed = map { /^(\w+)\s+\S/ ? ($1 => 1) : () } split /\n/, text('test/public_functions.txt');
	my @open = grep { !$_->{revoked} || $_->{granted} } @functions;
	my %open = map { $_->{name} => 1 } @open;
	return ((map { "$_->{at}: no REVOKE ALL ... FROM PUBLIC below it" } grep { !$listed{ $_->{name} } } @open),
		map { "test/public_functions.txt: $_ is not open to PUBLIC" } grep { !$open{$_} } sort keys %listed);
}

# Every COMMENT ON of a file as [kind, name, comment].
sub comments {
	my ($file) = @_;
	my ($text, @found) = text($file);
	while ($text =~ /^COMMENT\s+ON\s+(\w+)\s+(?:toms\.)?(\w+)[^;]*?\sIS\s+'((?:[^']|'')*)'/gmsi) {
		push @found, [ lc $1, $2, $3 ];
	}
	return @found;
}

sub uncommented {
	my ($file) = @_;
	my %commented = map { ("$_->[0] $_->[1]" => 1) } comments($file);
	return map {
		$_->{text} =~ /^CREATE\s+(?:OR\s+REPLACE\s+)?(FUNCTION|PROCEDURE|VIEW|TABLE|TYPE)\s+(?:toms\.)?(\w+)/i && !$commented{ lc($1) . " $2" }
			? "$_->{at}: $2" : ()
	} statements($file);
}

sub public_objects {
	my %seen;
	return grep { !$seen{$_}++ } map { $_->[1] }
		grep { $_->[0] =~ /^(function|procedure|view|table)$/ && $_->[2] !~ /^internal:/ } comments($_[0]);
}
