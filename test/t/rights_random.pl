# Schemas made up at random, with foreign keys, circles, parents without one, partitions, a second key, sealed columns and columns
# that name others: after erase_subject() nothing of the person is in a dump, and no row of anybody else is another one.  In some
# of them a hold lies on his rows of one table, or the law has some rows of another kept: then exactly these stay, with what they
# depend on, until the hold is released and the law's rule is no more.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $schemas = $ENV{TOMS_RANDOM_SCHEMAS} // 25;
my $seed = $ENV{TOMS_RANDOM_SEED} // 20260109;
srand($seed);
note "seed $seed";

my $node = sealed_server('random', keyring(), settings => "autovacuum = off\n");
$node->start;
add_roles($node);
create_sealed($node, 'app');
$node->safe_psql('app', q{CREATE ROLE officer LOGIN; SELECT toms.grant_officer('officer', 'admin')});

sub sql { return $node->safe_psql('app', "SET client_min_messages = error; SET toms.reason = 'test'; $_[0]") }
sub one_of { return $_[int(rand(@_))] }

# each schema has persons of its own: [id, other key, words, tenant]
my @persons;
sub make_persons
{
	my ($schema) = @_;
	@persons = map { my $tenant = $_; map { my $whose = "$schema-$tenant-$_-x"; [ "id-$whose", "login-$whose", "words-$whose", $tenant ] } 1 .. 4 } 'acme', 'globex';
	return;
}

# One more table: its DDL, how it is protected, and what is filled into it for a person.
sub add_table
{
	my ($tables, $n) = @_;
	my $name = "t$n";
	my $kind = one_of('subject', 'subject', 'subject', 'alias', 'child', 'child', 'loose');
	my @referable = grep { $_->{kind} ne 'persons' } @$tables;
	$kind = 'subject' if !@referable && $kind ne 'alias';
	my %table = (name => $name, kind => $kind, columns => ['id integer'], values => ['%id'], named => [], needs => [], after => '');
	if ($kind eq 'subject' || $kind eq 'alias')
	{
		push @{ $table{columns} }, 'tenant text NOT NULL', 'who text NOT NULL';
		push @{ $table{values} }, '%tenant', $kind eq 'subject' ? '%id_of_person' : '%login';
		my $key = $kind eq 'subject' && rand() < 0.4;
		push @{ $table{columns} }, 'FOREIGN KEY (tenant, who) REFERENCES persons' . one_of('', ' ON DELETE CASCADE', ' ON DELETE RESTRICT') if $key;
		push @{ $table{needs} }, 'persons' if $key || $kind eq 'alias';
		$table{protect} = "tenant => 'tenant', subject => 'who'" . ($kind eq 'alias' ? ", subject_alias => '%schema.persons.login'" : '');
	}
	else
	{
		my $parent = one_of(@referable);
		push @{ $table{columns} }, 'up integer' . one_of(' NOT NULL', '');
		push @{ $table{values} }, '%id';
		push @{ $table{columns} }, "FOREIGN KEY (up) REFERENCES $parent->{name}" . one_of('', ' ON DELETE CASCADE', ' ON DELETE RESTRICT') if $kind eq 'child';
		push @{ $table{needs} }, $parent->{name};
		$table{protect} = "parent => '%schema.$parent->{name}', parent_key => 'up'";
	}
	push @{ $table{columns} }, 'words text', 'kind text', 'day date';
	push @{ $table{values} }, '%words', '%kind', '%day';
	$table{sealed} = $kind =~ /subject|alias/ && rand() < 0.6;
	if (@referable && rand() < 0.4)
	{
		my $other = one_of(@referable);
		push @{ $table{columns} }, "other integer REFERENCES $other->{name}" . one_of('', ' ON DELETE CASCADE', ' ON DELETE SET NULL');
		push @{ $table{needs} }, $other->{name};
		push @{ $table{values} }, '%id';
	}
	if (rand() < 0.3)
	{
		push @{ $table{columns} }, 'same integer';
		push @{ $table{values} }, '%id';
		$table{after} .= "ALTER TABLE $name ADD FOREIGN KEY (same) REFERENCES $name; ";
	}
	if ($kind eq 'subject' && rand() < 0.5)
	{
		my $key = rand() < 0.5;
		push @{ $table{columns} }, 'by text';
		push @{ $table{values} }, '%another';
		$table{after} .= "ALTER TABLE $name ADD FOREIGN KEY (tenant, by) REFERENCES persons; " if $key;
		push @{ $table{named} }, 'by';
		$table{named_by_key} = $key;
	}
	$table{partitions} = rand() < 0.3;
	# a circle: an earlier table refers to this one too
	if (@referable && rand() < 0.2)
	{
		my $earlier = one_of(@referable);
		$table{after} .= "ALTER TABLE $earlier->{name} ADD COLUMN back$n integer; UPDATE $earlier->{name} SET back$n = id; ALTER TABLE $earlier->{name} ADD FOREIGN KEY (back$n) REFERENCES $name; ";
		push @{ $earlier->{needs} }, $name;
	}
	return \%table;
}

# What has been made, table by table; rows of a table and of those it depends on have the same numbers.
sub make_schema
{
	my ($schema) = @_;
	make_persons($schema);
	my @tables = ({ name => 'persons', kind => 'persons', needs => [], named => [] });
	push @tables, add_table(\@tables, $_) for 1 .. 3 + int(rand(8));
	my @others = grep { $_->{kind} ne 'persons' } @tables;
	my $text = "CREATE SCHEMA $schema AUTHORIZATION owner; GRANT USAGE ON SCHEMA $schema TO hr; SET SESSION AUTHORIZATION owner; SET search_path = $schema;
		CREATE TABLE persons (tenant text NOT NULL, who text NOT NULL, login text NOT NULL, words text, lead text, PRIMARY KEY (tenant, who), UNIQUE (tenant, login), FOREIGN KEY (tenant, lead) REFERENCES persons);";
	$text .= "INSERT INTO persons VALUES ('$_->[3]', '$_->[0]', '$_->[1]', '$_->[2]', " . one_of('NULL', "'id-$schema-$_->[3]-1-x'") . ');' for @persons;
	for my $table (@others)
	{
		my $name = $table->{name};
		$text .= "CREATE TABLE $name (" . join(', ', @{ $table->{columns} }, 'PRIMARY KEY (id)') . ')' . ($table->{partitions} ? ' PARTITION BY HASH (id)' : '') . ';';
		$text .= "CREATE TABLE ${name}_$_ PARTITION OF $name FOR VALUES WITH (MODULUS 2, REMAINDER $_);" for $table->{partitions} ? (0, 1) : ();
		for my $p (0 .. $#persons)
		{
			for my $row (0 .. 2)
			{
				my $id = 10 * $p + $row;
				$table->{invoice}{$id} = rand() < 0.4;
				$table->{by}{$id} = one_of('', "id-$schema-$persons[$p][3]-1-x", "id-$schema-$persons[$p][3]-2-x");
				my %value = ('%id' => $id, '%tenant' => "'$persons[$p][3]'", '%id_of_person' => "'$persons[$p][0]'", '%login' => "'$persons[$p][1]'",
					'%words' => "'$persons[$p][2]'", '%another' => "nullif('$table->{by}{$id}', '')", '%kind' => $table->{invoice}{$id} ? "'invoice'" : "'other'", '%day' => one_of('NULL', 'current_date'));
				$text .= "INSERT INTO $name VALUES (" . join(', ', map { $value{$_} // $_ } @{ $table->{values} }) . ');';
			}
		}
		$text .= $table->{after};
	}
	$text .= "GRANT SELECT ON ALL TABLES IN SCHEMA $schema TO hr; RESET SESSION AUTHORIZATION; RESET search_path; SELECT toms.protect('$schema.persons', tenant => 'tenant', subject => 'who'); SELECT toms.add_subject_alias('$schema.persons', canonical => 'who', alias => 'login');
		SELECT toms.label_person('$schema.persons', 'lead', role => 'lead');";
	for my $table (@others)
	{
		(my $protect = $table->{protect}) =~ s/%schema/$schema/g;
		$text .= "SELECT toms.protect('$schema.$table->{name}', $protect);";
		$text .= "SELECT toms.label_person('$schema.$table->{name}', '$_', role => 'named');" for @{ $table->{named} };
		$text .= "ALTER TABLE $schema.$table->{name} ADD said toms.sealed_text, ADD ill toms.health_flag; UPDATE $schema.$table->{name} SET said = words, ill = true;" if $table->{sealed};
	}
	$text .= "SELECT toms.permit('hr', '$schema.$_->{name}', '{select}', '{absence_management}', 'tenant', categories => '{personal,billing}');" for @tables;
	sql($text);
	return @tables;
}

# [table, number or name, words, all of the row]
sub rows
{
	my ($schema, @tables) = @_;
	return map { [ split /\|/, $_, 4 ] } split /\n/, sql(join ';', map { my $t = $_->{name}; "SELECT '$t', " . ($t eq 'persons' ? 'who' : 'id') . ", words, t::text FROM $schema.$t t" } @tables);
}

# Of a person, rows and those that they depend on: "t1 12".
sub with_needed
{
	my ($tables, $who, @todo) = @_;
	my %table = map { $_->{name} => $_ } @$tables;
	my %all;
	while (my $one = pop @todo)
	{
		my ($name, $id) = @$one;
		next if $all{"$name $id"}++;
		my $table = $table{$name};
		push @todo, map { [ $_, $_ eq 'persons' ? $who : $id ] } @{ $table->{needs} };
		push @todo, [ 'persons', $who ] if $table->{named_by_key} && $table->{by}{$id} eq $who;
	}
	return %all;
}

# What rows are to be when those of a person are gone but for some, and with them his name in all of others but for some.
sub expected
{
	my ($before, $person, $staying, $naming) = @_;
	my ($who, undef, $words) = @$person;
	return join "\n", sort map { "$_->[0] $_->[3]" }
	  map { my ($t, $id, $its, $text) = @$_; $text =~ s/\Q$who\E//g if $its ne $words && !$naming->{"$t $id"}; [ $t, $id, $its, $text ] }
	  grep { $_->[2] ne $words || $staying->{"$_->[0] $_->[1]"} } @$before;
}

sub is_as_expected
{
	my ($schema, $when, $tables, @expected) = @_;
	my $are = join "\n", sort map { "$_->[0] $_->[3]" } rows($schema, @$tables);
	my $to_be = expected(@expected);
	return 1 if $are eq $to_be;
	my (%are, %to_be);
	$are{$_} = 1 for split /\n/, $are;
	$to_be{$_} = 1 for split /\n/, $to_be;
	diag "$schema, $when: ", join("\n", (map { "- $_" } grep { !$are{$_} } sort keys %to_be), (map { "+ $_" } grep { !$to_be{$_} } sort keys %are));
	return 0;
}

sub erase
{
	my ($schema, $person, $instruction) = @_;
	my ($code, $out, $err) = $node->psql('app', "SET client_min_messages = error; SELECT * FROM toms.erase_subject('$person->[3]', '$person->[0]', $instruction)", extra_params => [ '-U', 'officer' ]);
	return 1 if $code == 0;
	diag "$schema: $err", sql("SELECT string_agg(format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)), E'\\n') FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND connamespace = '$schema'::regnamespace");
	return 0;
}

# How many rows the application sees of a person in some tables; which of the sealed values, saved before, it could open.
sub seen
{
	my ($schema, $person, $expression, @tables) = @_;
	return 0 if !@tables;
	return as_tenant($node, 'app', $person->[3], 'SELECT ' . join ' + ', map { "(SELECT count(*) FROM $schema.$_ WHERE words = '$person->[2]' AND $expression)" } @tables);
}
sub openable
{
	my ($person, @saved) = @_;
	return 0 if !@saved;
	return as_tenant($node, 'app', $person->[3], 'SELECT count(*) FROM (VALUES ' . join(', ', map { "('$_'::toms.sealed_text)" } @saved) . ') s (v) WHERE NOT toms.is_erased(v)');
}

my %count = map { $_ => 0 } qw(refused erased tables changed left held lawful both sealed open closed);
for my $n (1 .. $schemas)
{
	my $schema = "s$n";
	my @tables = make_schema($schema);
	my $p = int(rand(@persons));
	my $person = $persons[$p];
	my ($who, $login, $words, $tenant) = @$person;
	my @before = rows($schema, @tables);
	my @saved = map { my $t = $_->{name}; map { [ $t, $_ ] } split /\n/, sql("SELECT said FROM $schema.$t WHERE words = '$words'") } grep { $_->{sealed} } @tables;

	# on one table of his a hold, one for which the law has a rule
	my ($held, $lawful, $hold, $rule) = (one_of(grep { $_->{kind} =~ /persons|subject|alias/ } @tables), one_of(grep { $_->{kind} ne 'persons' } @tables));
	undef $held if rand() < 0.5;
	undef $lawful if rand() < 0.5;
	$hold = sql("SELECT toms.hold('$tenant', '$who', relation => '$schema.$held->{name}', reason => 'court')") if $held;
	$rule = sql("SELECT toms.label_rows('$schema.$lawful->{name}', condition => \$\$kind = 'invoice'\$\$, category => 'billing'); SELECT toms.retain('$schema.$lawful->{name}', period => 'de_invoice', since => 'day', category => 'billing', zone => 'UTC')") =~ s/.*\n//sr if $lawful;
	my %by_hold = with_needed(\@tables, $who, $held ? map { [ $held->{name}, $_ ] } $held->{kind} eq 'persons' ? $who : (10 * $p .. 10 * $p + 2) : ());
	my @invoices = $lawful ? grep { $lawful->{invoice}{$_} } sort { $a <=> $b } keys %{ $lawful->{invoice} } : ();
	my %naming = map { ("$lawful->{name} $_" => 1) } grep { @{ $lawful->{named} } && $lawful->{by}{$_} eq $who && int($_ / 10) != $p } @invoices;
	my %by_law = with_needed(\@tables, $who, (map { [ $lawful->{name}, $_ ] } grep { int($_ / 10) == $p } @invoices), (%naming && $lawful->{named_by_key} ? [ 'persons', $who ] : ()));

	my $instruction = sql("SELECT toms.record_instruction('$tenant', 'erase', given_by => 'them', wording => 'erase', subject => '$who')");
	sql("SELECT toms.confirm_instruction($instruction)");
	if (!erase($schema, $person, $instruction))
	{
		$count{refused}++;
		sql("DROP SCHEMA $schema CASCADE");
		next;
	}
	$count{erased}++;
	$count{tables} += @tables;
	$count{held}++ if %by_hold;
	$count{lawful}++ if %by_law || %naming;
	$count{both}++ if %by_hold && (%by_law || %naming);
	$count{sealed} += @saved;
	$count{changed}++ if !is_as_expected($schema, 'erased', \@tables, \@before, $person, { %by_hold, %by_law }, \%naming);

	# what the law keeps the application does not see, what is held it does; of what is gone nothing can be opened
	my %is_restricted = map { s/ .*//r => 1 } grep { !$by_hold{$_} } keys %by_law;
	my %is_there = map { s/ .*//r => 1 } keys %by_hold, keys %by_law;
	my @held_sealed = grep { my $t = $_; !$is_restricted{$t} && grep { $_->{name} eq $t && $_->{sealed} } @tables } map { s/ .*//r } grep { 1 } keys %by_hold;
	my %held_sealed = map { $_ => 1 } @held_sealed;
	$count{open}++ if seen($schema, $person, 'true', sort keys %is_restricted) ne '0';
	$count{closed}++ if seen($schema, $person, 'toms.reveal(said) = words', sort keys %held_sealed) ne scalar(@held_sealed);
	$count{open}++ if openable($person, map { $_->[1] } grep { !$is_there{ $_->[0] } } @saved) ne '0';

	if ($held)
	{
		sql("SELECT toms.release_hold($hold, reason => 'settled')");
		$count{changed}++ if !is_as_expected($schema, 'released', \@tables, \@before, $person, \%by_law, \%naming);
	}
	if ($lawful)
	{
		sql("SELECT toms.unretain($rule, reason => 'repealed')");
		erase($schema, $person, $instruction);
	}
	$count{changed}++ if !is_as_expected($schema, 'at the end', \@tables, \@before, $person, {}, {});
	$count{open}++ if openable($person, map { $_->[1] } @saved) ne '0';
	for my $other ('acme', 'globex')
	{
		my @sealed = map { $_->{name} } grep { $_->{sealed} } @tables;
		my $of_tenant = 3 * (grep { $_->[3] eq $other && $_->[0] ne $who } @persons) * @sealed;
		next if !@sealed;
		my $opened = as_tenant($node, 'app', $other, 'SELECT ' . join ' + ', map { "(SELECT count(*) FROM $schema.$_ WHERE toms.reveal(said) = words AND toms.reveal(ill))" } @sealed);
		$count{closed}++ if $opened ne $of_tenant;
	}

	local $ENV{PGOPTIONS} = '-c toms.reason=backup';
	my $dump = $node->basedir . "/$schema.sql";
	$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('app') ], "$schema is dumped") if $n == 1;
	$node->run_log([ 'pg_dump', '-f', $dump, $node->connstr('app') ]) if $n > 1;
	my $text = slurp_file($dump);
	my @found = grep { /\Q$who\E|\Q$login\E|\Q$words\E/ } split /\n/, $text;
	$count{left}++ if @found;
	diag "$schema: $found[0]" if @found;
	cmp_ok(length $text, '>', 10_000, 'a dump with contents') if $n == 1;
	sql("DROP SCHEMA $schema CASCADE");
}
is($count{refused}, 0, 'none was refused');
is($count{erased}, $schemas, "$count{erased} schemas of $count{tables} tables, $count{held} with a hold, $count{lawful} with rows that the law keeps, $count{both} with both");
is($count{changed}, 0, 'rows of others are as they were, but for the name; of his, what is held or lawful stays, and nothing else');
is($count{open}, 0, "of $count{sealed} sealed values that were saved before none can be opened");
is($count{closed}, 0, 'those of others, and those under a hold, can');
is($count{left}, 0, 'no value of the person is found in a dump');

done_testing();
