# Schemas made up at random, with foreign keys, circles, parents without one, partitions, a second key and columns that name
# others: after erase_subject() nothing of the person is in a dump, and no row of anybody else is another one.

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

my @persons = map { my $tenant = $_; map { ["id-$tenant-$_-x", "login-$tenant-$_-x", "words-$tenant-$_-x", $tenant] } 1 .. 4 } 'acme', 'globex';

# One more table: its DDL, how it is protected, and what is filled into it for a person.
sub add_table
{
	my ($tables, $n) = @_;
	my $name = "t$n";
	my $kind = one_of('subject', 'subject', 'subject', 'alias', 'child', 'child', 'loose');
	my @referable = grep { $_->{kind} ne 'persons' } @$tables;
	$kind = 'subject' if !@referable && $kind ne 'alias';
	my %table = (name => $name, kind => $kind, columns => ['id integer'], values => ['%id'], named => [], after => '');
	if ($kind eq 'subject' || $kind eq 'alias')
	{
		push @{ $table{columns} }, 'tenant text NOT NULL', 'who text NOT NULL';
		push @{ $table{values} }, '%tenant', $kind eq 'subject' ? '%id_of_person' : '%login';
		push @{ $table{columns} }, 'FOREIGN KEY (tenant, who) REFERENCES persons' . one_of('', ' ON DELETE CASCADE', ' ON DELETE RESTRICT') if $kind eq 'subject' && rand() < 0.4;
		$table{protect} = "tenant => 'tenant', subject => 'who'" . ($kind eq 'alias' ? ", subject_alias => '%schema.persons.login'" : '');
	}
	else
	{
		my $parent = one_of(@referable);
		push @{ $table{columns} }, 'up integer' . one_of(' NOT NULL', '');
		push @{ $table{values} }, '%id';
		push @{ $table{columns} }, "FOREIGN KEY (up) REFERENCES $parent->{name}" . one_of('', ' ON DELETE CASCADE', ' ON DELETE RESTRICT') if $kind eq 'child';
		$table{protect} = "parent => '%schema.$parent->{name}', parent_key => 'up'";
	}
	push @{ $table{columns} }, 'words text';
	push @{ $table{values} }, '%words';
	if (@referable && rand() < 0.4)
	{
		my $other = one_of(@referable);
		push @{ $table{columns} }, "other integer REFERENCES $other->{name}" . one_of('', ' ON DELETE CASCADE', ' ON DELETE SET NULL');
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
	}
	$table{partitions} = rand() < 0.3;
	# a circle: an earlier table refers to this one too
	if (@referable && rand() < 0.2)
	{
		my $earlier = one_of(@referable);
		$table{after} .= "ALTER TABLE $earlier->{name} ADD COLUMN back$n integer; UPDATE $earlier->{name} SET back$n = id; ALTER TABLE $earlier->{name} ADD FOREIGN KEY (back$n) REFERENCES $name; ";
	}
	return \%table;
}

sub make_schema
{
	my ($schema) = @_;
	my @tables = ({ name => 'persons', kind => 'persons' });
	push @tables, add_table(\@tables, $_) for 1 .. 3 + int(rand(8));
	my $text = "CREATE SCHEMA $schema AUTHORIZATION owner; SET SESSION AUTHORIZATION owner; SET search_path = $schema;
		CREATE TABLE persons (tenant text NOT NULL, who text NOT NULL, login text NOT NULL, words text, lead text, PRIMARY KEY (tenant, who), UNIQUE (tenant, login), FOREIGN KEY (tenant, lead) REFERENCES persons);";
	$text .= "INSERT INTO persons VALUES ('$_->[3]', '$_->[0]', '$_->[1]', '$_->[2]', " . one_of('NULL', "'id-$_->[3]-1-x'") . ');' for @persons;
	for my $table (grep { $_->{kind} ne 'persons' } @tables)
	{
		my $name = $table->{name};
		$text .= "CREATE TABLE $name (" . join(', ', @{ $table->{columns} }, 'PRIMARY KEY (id)') . ')' . ($table->{partitions} ? ' PARTITION BY HASH (id)' : '') . ';';
		$text .= "CREATE TABLE ${name}_$_ PARTITION OF $name FOR VALUES WITH (MODULUS 2, REMAINDER $_);" for $table->{partitions} ? (0, 1) : ();
		for my $p (0 .. $#persons)
		{
			for my $row (0 .. 2)
			{
				my %value = ('%id' => 10 * $p + $row, '%tenant' => "'$persons[$p][3]'", '%id_of_person' => "'$persons[$p][0]'", '%login' => "'$persons[$p][1]'",
					'%words' => "'$persons[$p][2]'", '%another' => one_of('NULL', "'id-$persons[$p][3]-1-x'", "'id-$persons[$p][3]-2-x'"));
				$text .= "INSERT INTO $name VALUES (" . join(', ', map { $value{$_} } @{ $table->{values} }) . ');';
			}
		}
		$text .= $table->{after};
	}
	$text .= "RESET SESSION AUTHORIZATION; RESET search_path; SELECT toms.protect('$schema.persons', tenant => 'tenant', subject => 'who'); SELECT toms.add_subject_alias('$schema.persons', canonical => 'who', alias => 'login');
		SELECT toms.label_person('$schema.persons', 'lead', role => 'lead');";
	for my $table (grep { $_->{kind} ne 'persons' } @tables)
	{
		(my $protect = $table->{protect}) =~ s/%schema/$schema/g;
		$text .= "SELECT toms.protect('$schema.$table->{name}', $protect);";
		$text .= "SELECT toms.label_person('$schema.$table->{name}', '$_', role => 'named');" for @{ $table->{named} };
	}
	sql($text);
	return map { $_->{name} } @tables;
}

sub rows
{
	my ($schema, @tables) = @_;
	return split /\n/, sql(join ';', map { "SELECT '$_ ' || t::text FROM $schema.$_ t ORDER BY 1" } @tables);
}

my ($erased, $changed, $left, $refused, $tables) = (0, 0, 0, 0, 0);
for my $n (1 .. $schemas)
{
	my $schema = "s$n";
	my @tables = make_schema($schema);
	my ($id, $login, $words, $tenant) = @{ one_of(@persons) };
	my @before = rows($schema, @tables);
	my $instruction = sql("SELECT toms.record_instruction('$tenant', 'erase', given_by => 'them', wording => 'erase', subject => '$id')");
	sql("SELECT toms.confirm_instruction($instruction)");
	my ($code, $out, $err) = $node->psql('app', "SET client_min_messages = error; SELECT * FROM toms.erase_subject('$tenant', '$id', $instruction)", extra_params => [ '-U', 'officer' ]);
	if ($code != 0)
	{
		$refused++;
		diag "$schema: $err", join "\n", map { sql("SELECT string_agg(format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)), E'\\n') FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND connamespace = '$schema'::regnamespace") } 1;
		sql("DROP SCHEMA $schema CASCADE");
		next;
	}
	$erased++;
	$tables += @tables;
	my @expected = sort map { s/\Q$id\E//gr } grep { !/\Q$words\E/ } @before;
	my @after = sort(rows($schema, @tables));
	if (join("\n", @expected) ne join("\n", @after))
	{
		$changed++;
		my %have = map { $_ => 1 } @after;
		diag "$schema: ", join("\n", (grep { !$have{$_} } @expected)[ 0 .. 3 ]);
	}
	local $ENV{PGOPTIONS} = '-c toms.reason=backup';
	my $dump = $node->basedir . "/$schema.sql";
	$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('app') ], "$schema is dumped") if $n == 1;
	$node->run_log([ 'pg_dump', '-f', $dump, $node->connstr('app') ]) if $n > 1;
	my $text = slurp_file($dump);
	# the same person was in other schemas only if he has not been erased: all of them but this one are gone by now
	my @found = grep { /\Q$id\E|\Q$login\E|\Q$words\E/ } split /\n/, $text;
	$left++ if @found;
	diag "$schema: $found[0]" if @found;
	cmp_ok(length $text, '>', 10_000, 'a dump with contents') if $n == 1;
	sql("DROP SCHEMA $schema CASCADE");
}
is($refused, 0, 'none was refused');
is($erased, $schemas, "$erased schemas of $tables tables");
is($changed, 0, 'rows of others are as they were, but for the name');
is($left, 0, 'no value of the person is found in a dump');

done_testing();
