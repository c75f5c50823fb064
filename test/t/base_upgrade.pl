# ALTER EXTENSION toms UPDATE makes of a database of the previous version what a new one is: object
# by object, with its privileges, comments and rows; rows of the application, permissions, keys and
# trail stay.  The library serves the version before and its own, and closes protected tables,
# saying what to do, where the SQL is older or newer than it knows.
#
# TEMP_CONFIG brings shared_preload_libraries; check-build installs the previous version's script.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TomsTest qw(start_server new_keys);

my $top = "$FindBin::RealBin/../..";
my ($sharedir) = run_command([ $ENV{PG_CONFIG} // 'pg_config', '--sharedir' ]);
my ($version) = slurp_file("$top/toms.control") =~ /^default_version = '(.*)'/m;
my ($previous) = slurp_file("$top/Makefile") =~ /^PREVIOUS *= *(\S+)/m;

plan skip_all => "the script of version $previous is not installed: make check-build" unless -e "$sharedir/extension/toms--$previous.sql";

# What an extension consists of, as text without numbers of objects. Privileges are sorted: their
# order tells when they were given.
my $acl = q{(SELECT array_agg(a::text ORDER BY a::text) FROM unnest(%s) a)};
my $ours = q{(SELECT d.objid FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass
	WHERE e.extname = 'toms' AND d.deptype = 'e' AND d.classid = 'pg_%s'::regclass)};
my $ours_too = 'c.relnamespace = \'toms\'::regnamespace';
my %content = (
	members => q{SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend
		WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'toms')},
	functions => sprintf(qq{SELECT pg_get_functiondef(p.oid), proowner::regrole, $acl FROM pg_proc p WHERE p.oid IN $ours}, 'proacl', 'proc'),
	relations => sprintf(qq{SELECT c.oid::regclass, relkind, relpersistence, relowner::regrole, relrowsecurity, relforcerowsecurity, relreplident, reloptions,
		pg_get_expr(relpartbound, c.oid), CASE relkind WHEN 'v' THEN pg_get_viewdef(c.oid) END, $acl FROM pg_class c WHERE $ours_too}, 'relacl'),
	columns => sprintf(qq{SELECT attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attstorage, attcollation::regcollation,
		(SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum), $acl
		FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE $ours_too AND NOT attisdropped}, 'attacl'),
	constraints => qq{SELECT conrelid::regclass, conname, pg_get_constraintdef(o.oid) FROM pg_constraint o JOIN pg_class c ON c.oid = conrelid WHERE $ours_too},
	indexes => qq{SELECT pg_get_indexdef(c.oid) FROM pg_class c WHERE $ours_too AND relkind IN ('i', 'I')},
	triggers => qq{SELECT pg_get_triggerdef(t.oid), tgenabled FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE $ours_too},
	types => sprintf(qq{SELECT typname, typtype, typlen, typalign, typstorage, typinput, typoutput, typreceive, typsend, typmodin, typmodout, $acl FROM pg_type
		WHERE typnamespace = 'toms'::regnamespace}, 'typacl'),
	casts => sprintf(qq{SELECT pg_describe_object('pg_cast'::regclass, oid, 0), castfunc::regprocedure, castcontext FROM pg_cast WHERE oid IN $ours}, 'cast'),
	comments => q{SELECT pg_describe_object(classoid, objoid, objsubid), description FROM pg_description WHERE pg_describe_object(classoid, objoid, objsubid) ~ '\mtoms\M'},
	labels => q{SELECT pg_describe_object(classoid, objoid, objsubid), provider, label FROM pg_seclabel},
	'privileges that a dump leaves out' => sprintf(qq{SELECT pg_describe_object(classoid, objoid, objsubid), privtype, $acl FROM pg_init_privs
		WHERE privtype = 'e'}, 'initprivs'),
	'tables that a dump brings' => q{SELECT t.id::regclass, t.condition FROM pg_extension e, unnest(extconfig, extcondition) t (id, condition) WHERE extname = 'toms'},
	dependencies => sprintf(qq{SELECT pg_describe_object(classid, objid, objsubid), pg_describe_object(refclassid, refobjid, refobjsubid), deptype FROM pg_depend
		WHERE (classid = 'pg_proc'::regclass AND objid IN $ours OR classid = 'pg_class'::regclass AND objid IN (SELECT oid FROM pg_class c WHERE $ours_too))
		AND refclassid <> 'pg_extension'::regclass}, 'proc'),
);

# As sets of lines; rows of tables of toms beside, without the times at which they were written.
sub content
{
	my ($node, $database) = @_;
	my $tables = $node->safe_psql($database, q{SELECT c.oid::regclass FROM pg_class c
		WHERE c.relnamespace = 'toms'::regnamespace AND c.relkind = 'r' AND c.relname !~ '^audit_|^dataset$' ORDER BY 1});
	my %asked = (%content, map { ("rows of $_" => "SELECT t FROM ONLY $_ t") } split /\n/, $tables);
	my $script = join '', map { "\\echo ==$_\nSELECT replace(x::text, E'\\n', E'\\\\n') FROM ($asked{$_}) x;\n" } sort keys %asked;
	my (undef, %said) = split /^==(.*)\n/m, "\n" . $node->safe_psql($database, "SET timezone = UTC; SET search_path = pg_catalog;\n$script") . "\n";
	return map { ($_ => [ map { s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[\d.]*\+00/(a time)/gr } split /\n/, $said{$_} ]) } keys %asked;
}

# Lines that one has and the other has not.
sub differences
{
	my ($one, $other) = @_;
	my @found;
	foreach my $what (sort keys %{ { %$one, %$other } })
	{
		my %count;
		$count{$_}++ foreach @{ $one->{$what} // [] };
		$count{$_}-- foreach @{ $other->{$what} // [] };
		push @found, map { "$what: " . ($count{$_} > 0 ? '- ' : '+ ') . $_ } grep { $count{$_} } sort keys %count;
	}
	return @found;
}

my $dir = PostgreSQL::Test::Utils::tempdir();
new_keys($dir);
my $node = start_server('node', $dir);
$node->safe_psql('postgres', 'CREATE DATABASE fresh; CREATE DATABASE upgraded; CREATE DATABASE bare');
$node->safe_psql('fresh', 'CREATE EXTENSION toms');
$node->safe_psql('bare', "CREATE EXTENSION toms VERSION '$previous'; ALTER EXTENSION toms UPDATE");

# Everything that a new database has, and nothing else.
my %fresh = content($node, 'fresh');
my %bare = content($node, 'bare');
cmp_ok(scalar @{ $fresh{$_} }, '>', 0, "to compare: $_") foreach grep { $_ ne 'labels' } sort keys %content;
cmp_ok(scalar @{ $fresh{'rows of toms.phrase'} }, '>', 500, 'to compare: rows');
my @differences = differences(\%fresh, \%bare);
is(scalar @differences, 0, "a database upgraded from $previous is as a new one of $version") or diag(join "\n", map { substr $_, 0, 300 } @differences[ 0 .. ($#differences < 30 ? $#differences : 30) ]);
is($node->safe_psql('bare', "SELECT status, count(*) FROM toms.found_code() GROUP BY status"), 'pass|1', 'every function is as toms brings it');

# The comparison sees what it is for.
my %broken = (
	'a body' => [ qr/functions: . .*FUNCTION toms\.is_eea/, q{CREATE OR REPLACE FUNCTION toms.is_eea(country text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
		SET search_path = pg_catalog, pg_temp AS 'SELECT true'} ],
	'a privilege' => [ qr/functions: . .*FUNCTION toms\.refuse/, 'GRANT EXECUTE ON FUNCTION toms.refuse(text, text, text) TO PUBLIC' ],
	'a view\'s privilege' => [ qr/relations: . .*toms\.permissions,/, 'GRANT SELECT ON toms.permissions TO PUBLIC' ],
	'a comment' => [ qr/comments: . .*something else/, q{COMMENT ON TABLE toms.tenant IS 'something else'} ],
	'a default' => [ qr/columns: . .*toms\.category,.*shipped/, 'ALTER TABLE toms.category ALTER shipped SET DEFAULT true' ],
	'a constraint' => [ qr/constraints: . .*toms\.category,/, q{ALTER TABLE toms.category ADD CHECK (category <> '')} ],
	'a trigger' => [ qr/triggers: . .*toms\.category /, 'ALTER TABLE toms.category ENABLE TRIGGER invalidate' ],
	'a row' => [ qr/rows of toms\.phrase: . .*more,en/, q{DELETE FROM toms.phrase WHERE (phrase, lang) = ('more', 'en')} ],
	'a table of a dump' => [ qr/tables that a dump brings: . .*WHERE false/, q{UPDATE pg_extension SET extcondition[1] = 'WHERE false' WHERE extname = 'toms'} ],
	'a member' => [ qr/members: . .*toms\.is_eea/, 'ALTER EXTENSION toms DROP FUNCTION toms.is_eea(text)' ],
);
$node->safe_psql('postgres', 'CREATE DATABASE broken TEMPLATE bare');
$node->safe_psql('broken', join ';', "SET toms.reason = 'test'", map { $_->[1] } values %broken);
my %is = content($node, 'broken');
my $seen = join "\n", differences(\%fresh, \%is);
like($seen, qr/^$broken{$_}[0]/m, "the comparison sees $_") foreach sort keys %broken;

# What the program that writes the script does not understand, it says.
my $script = slurp_file("$sharedir/extension/toms--$version.sql");
sub upgrade_of
{
	my ($changed, $by_hand) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	append_to_file("$folder/new.sql", $changed);
	append_to_file("$folder/hand.sql", slurp_file("$_") =~ s/\n*\z/\n/r) foreach grep { -e } "$top/sql/extension/$previous--$version.sql";
	append_to_file("$folder/hand.sql", $by_hand // '');
	return run_command([ $^X, "$top/sql/extension/upgrade.pl", "$top/sql/extension/toms--$previous.sql.gz", "$folder/new.sql", "$folder/hand.sql" ]);
}
my ($out, $err) = upgrade_of($script =~ s/(    shipped     boolean NOT NULL DEFAULT )false/$1true/r);
like($err, qr/^-- \@ TABLE toms\.category$/m, 'a column that is another one is to be written by hand');
($out, $err) = upgrade_of($script =~ s/(    shipped     boolean NOT NULL DEFAULT )false/$1true/r, "-- @ TABLE toms.category\nALTER TABLE toms.category ALTER shipped SET DEFAULT true;\n");
like($out, qr/^ALTER TABLE toms\.category ALTER shipped SET DEFAULT true;$/m, 'and is taken from there');
($out, $err) = upgrade_of($script, "-- @ TABLE toms.tenant\nSELECT 1;\n");
like($err, qr/TABLE toms\.tenant\n--     is in .* has not changed/, 'what is written by hand and needed no more is to be taken away');
($out, $err) = upgrade_of($script =~ s/(shipped     boolean NOT NULL DEFAULT false)\n/$1,\n    extra text\n/r);
like($out, qr/^ALTER TABLE toms\.category ADD COLUMN extra text;$/m, 'a new last column is added');
($out, $err) = upgrade_of($script =~ s/CREATE FUNCTION toms\.is_eea\(country text\)/CREATE FUNCTION toms.is_eea(land text)/r);
like($out, qr/^DROP FUNCTION toms\.is_eea\(text\);\nCREATE FUNCTION toms\.is_eea\(land text\).*^REVOKE ALL ON FUNCTION toms\.is_eea\(text\) FROM PUBLIC;$/ms,
	'a function that takes arguments of other names is made anew, with its privileges');

# A database that is in use.
$node->safe_psql('upgraded', qq{
	CREATE ROLE hr; CREATE ROLE app LOGIN IN ROLE hr;
	CREATE EXTENSION toms VERSION '$previous';
	SELECT toms.add_tenant('acme', name => 'ACME GmbH');
	SELECT toms.allow_enter('app', '{acme}', '{hr}');
	CREATE TABLE public.absence (id integer PRIMARY KEY, tenant text NOT NULL, person_id integer NOT NULL, sick toms.health_flag);
	GRANT SELECT, INSERT ON public.absence TO hr;
	SELECT toms.protect('public.absence', tenant => 'tenant', subject => 'person_id');
	SELECT toms.permit('hr', 'public.absence', '{select,insert}', '{personnel}', scope => 'tenant', categories => '{personal,health}')});
my $rows = q{BEGIN; SELECT FROM toms.enter('acme', '17', 'hr', 'personnel') \g /dev/null
	SELECT id, person_id, toms.reveal(sick) FROM public.absence ORDER BY id; COMMIT};
sub seen { my ($node) = @_; my ($code, $out, $err) = $node->psql('upgraded', $rows, extra_params => [ '-U', 'app' ], on_error_stop => 0); return $err || $out }
$node->safe_psql('upgraded', q{BEGIN; SELECT toms.enter('acme', '17', 'hr', 'personnel'); INSERT INTO public.absence VALUES (1, 'acme', 17, true), (2, 'acme', 18, false); COMMIT},
	extra_params => [ '-U', 'app' ]);
my $before = seen($node);
like($before, qr/^1\|17\|t\n2\|18\|f$/, "the library of $version serves the SQL of $previous");
is($node->safe_psql('upgraded', q{SELECT gate FROM toms.status}), 'open', 'and says that tables are open');
like($node->safe_psql('upgraded', q{SELECT status, remedy FROM toms.probe_software() WHERE phrase = 'software_library'}), qr/^(?:fail|partial)\|ALTER EXTENSION toms UPDATE;$/,
	'the check says that the database is to be upgraded');

# What foreign keys do stays within the tenant, whichever SQL there is.
$node->safe_psql('upgraded', q{
	SELECT toms.add_tenant('globex', name => 'Globex AG');
	CREATE TABLE public.team (id integer PRIMARY KEY);
	CREATE TABLE public.member (tenant text NOT NULL, team integer REFERENCES public.team ON UPDATE CASCADE);
	INSERT INTO public.team VALUES (1), (2);
	INSERT INTO public.member VALUES ('acme', 1), ('globex', 2);
	GRANT SELECT, UPDATE ON public.team TO hr;
	SELECT toms.protect('public.member', tenant => 'tenant')});
sub moved
{
	my ($team) = @_;
	my ($code, $out, $err) = $node->psql('upgraded', "\\set VERBOSITY verbose\nBEGIN; SELECT FROM toms.enter('acme', '17', 'hr', 'personnel') \\g /dev/null\nUPDATE public.team SET id = id + 10 WHERE id = $team RETURNING id",
		extra_params => [ '-U', 'app' ], on_error_stop => 0);
	return $err || $out;
}
sub is_carried
{
	my ($when) = @_;
	is(moved(1), '11', "$when: a foreign key changes rows of the tenant");
	return like(moved(2), qr/42501: .*toms_(?:row_other_tenant|permission_missing)/s, "$when: and of no other one");
}
is_carried("SQL of $previous");

my $entries = $node->safe_psql('upgraded', q{SELECT count(*) FROM toms.audit_trail()});
$node->safe_psql('upgraded', 'ALTER EXTENSION toms UPDATE');
is(seen($node), $before, 'after the upgrade the application sees the same rows');
is_carried("SQL of $version");
cmp_ok($node->safe_psql('upgraded', q{SELECT count(*) FROM toms.audit_trail()}), '>=', $entries, 'no entry of the trail is lost');
is($node->safe_psql('upgraded', q{SELECT login, details ->> 'command' FROM toms.audit_trail() WHERE kind = 'ddl' AND details ? 'library'}), 'postgres|ALTER EXTENSION', 'who has upgraded is on record');
is($node->safe_psql('upgraded', q{SELECT count(*) FROM toms.verify_audit()}), '0', 'and the trail is whole');
is($node->safe_psql('upgraded', q{SELECT status FROM toms.probe_software() WHERE phrase = 'software_library'}), 'pass', 'the check finds library and SQL of one version');
$node->safe_psql('upgraded', q{SET toms.reason = 'test'; ALTER FUNCTION toms.is_eea(text) STABLE});
like($node->safe_psql('upgraded', q{SELECT args FROM toms.found_code() WHERE status = 'fail'}), qr/toms\.is_eea\(text\)/,
	'a function that somebody alters then is found altered');

# Versions that the library does not know.
sub refusal
{
	my ($code, $out, $err) = $node->psql('upgraded', "\\set VERBOSITY verbose\n$rows", extra_params => [ '-U', 'app' ], on_error_stop => 0);
	return $err;
}
my $other = sub { $node->safe_psql('upgraded', "UPDATE pg_extension SET extversion = '$_[0]' WHERE extname = 'toms'; CREATE FUNCTION pg_temp.f() RETURNS integer LANGUAGE sql RETURN 1") };
$other->('0.9');
like(refusal(), qr/55000:.*does not know the SQL.*DETAIL:.*\Q$version\E.*\Q$previous\E.*0\.9.*HINT:  ALTER EXTENSION toms UPDATE;/s, 'with older SQL protected tables are closed, and the hint is what to run');
is($node->safe_psql('upgraded', 'SELECT gate FROM toms.status'), 'version', 'status says so');
like($node->safe_psql('upgraded', q{SELECT status, remedy FROM toms.probe_software() WHERE phrase = 'software_library'}), qr/^fail\|ALTER EXTENSION toms UPDATE;$/, 'the check fails');
$other->('9.10');
like(refusal(), qr/55000:.*9\.10.*HINT:  Install the library/s, 'with newer SQL too, and the hint is another one');
$other->($version);
is(seen($node), $before, 'with its own they are open again');

$node->stop;
done_testing();
