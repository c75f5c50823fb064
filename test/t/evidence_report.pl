# The report leaves the database: its JSON has the form that doc/report-schema.json tells, whoever has the public key sees with
# toms-verify that it is as it was signed, in each format and to the byte, and names of tenants break none of them.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use Encode qw(decode_utf8 encode_utf8);
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my $dir = PostgreSQL::Test::Utils::tempdir();
my $outside = PostgreSQL::Test::Utils::tempdir();
chmod 0700, $outside or die;
my $verify = -x "$top/src/bin/verify/toms-verify" ? "$top/src/bin/verify/toms-verify" : 'toms-verify';
my $node = sealed_server('report', keyring(), settings => "toms.outside = '$outside'\ntoms.seal_interval = 1d\n");     # sealed when it is told to
$node->start;
add_roles($node);
create_sealed($node, 'app');

sub sql { return $node->safe_psql('app', "SET client_min_messages = warning; SET toms.reason = 'test'; $_[0]") }

# Before the trail is sealed there is no report, and the probe says what to do; that done, there is one.
is(sql(q{SELECT status, phrase, remedy FROM toms.run_probe('report') WHERE phrase LIKE 'report%'}), 'fail|report_unsealed|SELECT toms.seal_audit();', 'the trail has not been sealed yet');
like(($node->psql('app', 'SELECT toms.report()'))[2], qr/has not been sealed yet.*SELECT toms\.seal_audit\(\)/s, 'so no report can be made');
sql(sql(q{SELECT remedy FROM toms.run_probe('report') WHERE phrase LIKE 'report%'}));
is(sql(q{SELECT status, phrase FROM toms.run_probe('report') WHERE phrase LIKE 'report%'}), 'pass|report_whole', 'the remedy, run as printed, mends it');

# What a controller may be called, and what would break out of a text, a table, a comment, a style sheet or the direction of writing.
my $name = '</bdi></title></style><script>alert(1)</script> "M' . "\x{fc}ller & S\x{f6}hne\" --> | * _ `x` [l](http://e.example) \x{202E}\x{5E9}\x{5DC}\x{5D5}\x{5DD} " . 'x' x 10_000;
sql(q{SELECT toms.set_processor('Beispiel Software GmbH', 'Hafenstraße 1, Hamburg', 'mail@example.com', 'Dr. Rita Lang')});
sql(encode_utf8("UPDATE toms.tenant SET name = \$n\$$name\$n\$, contact = \$n\$$name\$n\$ WHERE tenant = 'acme'"));
sql(q{SELECT toms.adopt_agreement('acme', 'DPA', '2026-1', now() - interval '1 hour', '{A-2.1,A-3.2,T-6.1}')});
sql(q{UPDATE toms.agreement SET measures = measures || '{X-9}'});      # of another version of toms

sub report { my ($format, $tenant, $lang) = @_; return sql(sprintf 'SELECT toms.report(%s, tenant => %s, lang => %s)', map { defined ? "'$_'" : 'NULL' } $format, $tenant, $lang // 'en') }
my %report = map { ($_ => report($_, 'acme')) } qw(html markdown json);

# The schema: as much of JSON Schema as it uses

my $schema = decode_json(slurp_file("$top/doc/report-schema.json"));

sub type_of
{
	my ($value) = @_;
	return 'null' if !defined $value;
	return 'object' if ref $value eq 'HASH';
	return 'array' if ref $value eq 'ARRAY';
	return 'boolean' if JSON::PP::is_bool($value);
	return encode_json([$value]) =~ /^\["/ ? 'string' : $value =~ /^-?\d+$/ ? 'integer' : 'number';
}

sub same { return encode_json([ $_[0] ]) eq encode_json([ $_[1] ]) }

sub schema_faults
{
	my ($value, $rule, $path) = @_;
	my @faults;
	for my $word (keys %$rule)
	{
		my $said = $rule->{$word};
		my $type = type_of($value);
		if ($word eq '$ref') { push @faults, schema_faults($value, $schema->{'$defs'}{ $said =~ s{.*/}{}r }, $path) }
		elsif ($word eq 'type') { push @faults, "$path is $type" if !grep { $_ eq $type } ref $said ? @$said : $said }
		elsif ($word eq 'const') { push @faults, "$path is not $said" if !same($value, $said) }
		elsif ($word eq 'enum') { push @faults, "$path is none of the list" if !grep { same($value, $_) } @$said }
		elsif ($word eq 'pattern') { push @faults, "$path has another form" if $type eq 'string' && $value !~ /$said/ }
		elsif ($word eq 'minimum') { push @faults, "$path is too small" if $value < $said }
		elsif ($word eq 'oneOf') { my @fit = grep { !schema_faults($value, $_, $path) } @$said; push @faults, "$path fits " . @fit if @fit != 1 }
		elsif ($word eq 'required') { push @faults, map { "$path.$_ is missing" } grep { !exists $value->{$_} } @$said if $type eq 'object' }
		elsif ($word eq 'properties') { push @faults, map { schema_faults($value->{$_}, $said->{$_}, "$path.$_") } grep { exists $value->{$_} } keys %$said if $type eq 'object' }
		elsif ($word eq 'additionalProperties') { push @faults, map { "$path.$_ is not told" } grep { !$rule->{properties}{$_} } keys %$value if $type eq 'object' }
		elsif ($word eq 'items') { push @faults, map { schema_faults($value->[$_], $said, "$path\[$_]") } 0 .. $#$value if $type eq 'array' }
		elsif ($word !~ /^(\$schema|\$defs|title|description)$/) { push @faults, "the schema has a word \"$word\" that this test does not know" }
	}
	return @faults;
}

my $document = decode_json($report{json});
is_deeply([ schema_faults($document, $schema, 'report') ], [], 'the report of a tenant has the form of the schema');
is_deeply([ schema_faults(decode_json(report('json', undef, 'de')), $schema, 'report') ], [], 'and that of all tenants');
isnt(scalar(schema_faults({ %$document, measures => [ { measure => 7 } ] }, $schema, 'report')), 0, 'another form has not');
isnt(scalar(schema_faults({ %$document, more => 1 }, $schema, 'report')), 0, 'nor one with more in it');
is_deeply([ map { $_->{measure} } @{ $document->{measures} } ], [ 'A-2.1', 'A-3.2', 'T-6.1' ], 'measures of a tenant are those that were agreed on');
is_deeply($document->{agreement}{unknown}, ['X-9'], 'one that toms does not know is told, not passed over');
is($document->{controller}{name}, $name, 'JSON has the whole name');

# The signature

my $key = sql('SELECT toms.audit_key()');
my $log = (glob "$outside/*.log")[0];

sub verify
{
	my ($text, @options) = @_;
	my $said = '';
	open my $to, '>:raw', "$dir/report" or die;
	print $to $text;
	close $to or die;
	IPC::Run::run([ $verify, 'report', "$dir/report", @options ], '>', \$said, '2>&1');
	return ($? >> 8) . " $said";
}

for my $format (sort keys %report)
{
	my $text = $report{$format};
	like(verify($text, '--key', $key, '--log', $log), qr/^0 outside log: .*\nreport: $format\ntenant: acme\nmade: 20.*\ndata set: [-0-9a-f]{36}\nwhole$/s, "$format is verified");
	like(verify("$text\n", '--key', $key), qr/^0 /, "$format: a line feed at the end, as psql writes it");
	like(verify("$text\n\n", '--key', $key), qr/^1 /, "$format: nothing more");
	like(verify($text, '--key', 'A' x 42 . 'E'), qr/^1 .*another key/s, "$format: signed by another key");
	my @altered = grep { my $at = $_; verify(substr($text, 0, $at) . chr(ord(substr $text, $at, 1) ^ 1) . substr($text, $at + 1), '--key', $key) !~ /^1 / }
		map { int(rand length $text) } 1 .. 40;
	is_deeply(\@altered, [], "$format: none of 40 bytes can be another one");
	my @near = grep { my $at = $_; verify(substr($text, 0, $at) . chr(ord(substr $text, $at, 1) ^ 1) . substr($text, $at + 1), '--key', $key) !~ /^1 / }
		map { length($text) - $_ } 1 .. 120;
	is_deeply(\@near, [], "$format: nor any of the last 120, where the signature is");
	like(verify(substr($text, 0, -1), '--key', $key), qr/^1 /, "$format: nor can one be missing");
}
like(verify($report{html} =~ s/Not fulfilled/Fulfilled/r, '--key', $key), qr/^1 .*the signature does not fit/s, 'a better result does not fit');
like(verify(join("\n", (split /\n/, $report{html})[0 .. 10], (split /\n/, $report{markdown})[-1]), '--key', $key), qr/^1 /, 'nor does the last line of another report');

# What the name has broken

my $html = decode_utf8($report{html});
my ($before_comment) = $html =~ /^(.*)\n<!-- [^\n]*$/s;
my @tags = $before_comment =~ /<(?!!DOCTYPE)[^>]*>/g;
unlike($before_comment, qr/<script|<!--|\x{202E}|javascript:|https?:(?!\/\/e\.example)|url\(|\@import/, 'no script, no comment, nothing from elsewhere, no turn of direction');
is_deeply([ grep { $_ !~ m{^</?[a-z0-9]+( [a-zA-Z:-]+="[^"<>]*")*/?>$} } @tags ], [], 'every tag is one of the report');
my (@open, @unclosed);
for (@tags)
{
	my ($end, $tag) = m{^<(/?)([a-z0-9]+)};
	next if $tag =~ /^(meta|br|hr)$/ || m{/>$};
	if (!$end) { push @open, $tag }
	elsif (($open[-1] // '') eq $tag) { pop @open }
	else { push @unclosed, $_ }
}
is_deeply([ @open, @unclosed ], [], 'every element ends where it should');
my $bdi = () = $html =~ /<bdi>[^<]*<\/bdi>/g;
is($bdi, scalar(() = $html =~ /<bdi>/g), 'names stand in elements of their own');
like($html, qr/M\x{fc}ller &amp; S\x{f6}hne/, 'umlauts are there');
is(scalar(grep { /alert/ && !/^\|[^|]*\|(\\\||[^|])*\|$/ } split /\n/, decode_utf8($report{markdown}) =~ s/\n[^\n]*$//r), 0, 'in Markdown a name is one cell of a table');
unlike($report{markdown}, qr/(?<!\\)<(?!!-- \{)/, 'and holds no HTML');
cmp_ok(length $html, '<', 60_000, 'no name of 10,000 characters fills pages');

# Two reports

sql(q{SELECT toms.exclude_measure('A-2.1', by => 'R. Lang', reason => 'no such roles here')});
my $newer = report('json', 'acme');
is($node->safe_psql('app', q{SELECT measure, after FROM toms.report_difference(} . join(', ', map { "\$r\$$_\$r\$" } $report{json}, $newer) . ')'), 'A-2.1|not_applicable', 'what changed between two reports');
isnt($node->psql('app', 'SELECT * FROM toms.report_difference(' . join(', ', map { "\$r\$$_\$r\$" } $report{json} =~ s/"fail"/"pass"/r, $newer) . ')'), 0, 'a report that was altered is refused');

done_testing();
