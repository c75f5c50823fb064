--
-- guard_minimise: a table of Art. 9 data takes no free text, by whichever DDL
--
-- What a table has when it is protected stays, and explain_protection() tells of it; what would
-- come later is refused, to administrators too.  An officer changes the rule, on record.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE SCHEMA mini AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA mini TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TYPE mini.kind AS ENUM ('SICK', 'CURE');
CREATE TYPE mini.span AS (first_day date, days integer);
CREATE TYPE mini.remark AS (day date, said varchar(20));
CREATE TYPE mini.typed AS (tenant text, employee integer, day date);
CREATE TYPE mini.textrange AS RANGE (subtype = text);
CREATE DOMAIN mini.percent AS integer CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN mini.phrase AS text CHECK (length(VALUE) < 100);
CREATE DOMAIN mini.phrase_of_two AS mini.phrase;
CREATE TABLE mini.note (tenant text NOT NULL, employee integer NOT NULL, day date, said text, "Scan" bytea);
CREATE TABLE mini.plain (tenant text NOT NULL, employee integer NOT NULL, day date);
CREATE TABLE mini.message (tenant text NOT NULL, employee integer NOT NULL, old text);
CREATE TABLE mini.of_type OF mini.typed;
CREATE TABLE mini.with_row (tenant text NOT NULL, employee integer NOT NULL, span mini.span, spans mini.span[]);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect(t, tenant => 'tenant', subject => 'employee', category => 'health')
FROM unnest('{mini.note,mini.of_type,mini.with_row}'::regclass[]) t;
SELECT toms.protect('mini.plain', tenant => 'tenant', subject => 'employee');
SELECT toms.protect('mini.message', tenant => 'tenant', subject => 'employee', category => 'health', free_text => 'sealed');
RESET SESSION AUTHORIZATION;
-- its label says so; a table of another category takes everything, without a word
SELECT objoid::regclass AS relation, label FROM pg_seclabel WHERE provider = 'toms' AND objsubid = 0 AND objoid::regclass::text LIKE 'mini.%' ORDER BY 1;

CREATE FUNCTION pg_temp.type_verdict(relation text, type text) RETURNS text LANGUAGE sql AS $$
    SELECT regress.verdict(format('ALTER TABLE %s ADD COLUMN c_%s %s', relation, md5(type), type)) $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_temp TO PUBLIC;

-- each type, where free text is refused, and where it is taken as sealed types
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE mini.refusing (tenant text NOT NULL, employee integer NOT NULL);
CREATE TABLE mini.sealing (LIKE mini.refusing);
RESET SESSION AUTHORIZATION;
SELECT toms.add_code_catalogue('mini_kind', '{SICK,CURE}') > 0 AS added;
SELECT toms.protect('mini.refusing', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.protect('mini.sealing', tenant => 'tenant', subject => 'employee', category => 'health', free_text => 'sealed');
SET SESSION AUTHORIZATION regress_owner;
SELECT type, pg_temp.type_verdict('mini.refusing', type) AS refuse, pg_temp.type_verdict('mini.sealing', type) AS sealed
FROM unnest('{boolean,smallint,integer,bigint,numeric,"numeric(5,2)",real,"double precision",money,date,time,timetz,timestamp,timestamptz,interval,
    uuid,inet,cidr,macaddr,point,mini.kind,mini.percent,mini.span,int4range,daterange,datemultirange,"integer[]","mini.kind[]","mini.span[]",
    text,varchar,"varchar(3)",char,"char(1)",name,"\"char\"",json,jsonb,xml,jsonpath,tsvector,tsquery,bytea,bit varying,oid,regclass,
    "text[]","varchar(3)[]",mini.phrase,mini.phrase_of_two,"mini.phrase[]",mini.remark,"mini.remark[]",mini.textrange,serial,
    toms.sealed_bytea,toms.sealed_text,toms.health_date,toms.health_flag,"toms.health_code(''mini_kind'')"}'::text[]) WITH ORDINALITY t (type, n) ORDER BY n;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
DROP TABLE mini.refusing, mini.sealing;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;

-- the ways by which text comes: refused, each
SET SESSION AUTHORIZATION regress_owner;
SELECT s, regress.verdict(s) FROM unnest(ARRAY[
    'ALTER TABLE mini.note ADD COLUMN a integer, ADD COLUMN b text',
    $$ALTER TABLE mini.note ADD COLUMN b text DEFAULT ''$$,
    'ALTER TABLE IF EXISTS mini.note ADD COLUMN IF NOT EXISTS b text NOT NULL',
    'ALTER TABLE mini.note ADD COLUMN b bytea NOT NULL',
    'ALTER TABLE mini.note ADD COLUMN b toms.sealed_bytea NOT NULL',
    'ALTER TABLE mini.note ALTER COLUMN "Scan" SET NOT NULL',
    'CREATE TABLE mini.child (extra text) INHERITS (mini.note)',
    'CREATE TABLE mini.child (extra integer) INHERITS (mini.note)',
    'ALTER TABLE mini.child ADD COLUMN extra_too json',
    'ALTER TYPE mini.typed ADD ATTRIBUTE said text CASCADE',
    'ALTER TYPE mini.span ADD ATTRIBUTE said text',
    'ALTER TYPE mini.span ADD ATTRIBUTE half boolean',
    $$ALTER TYPE mini.kind ADD VALUE IF NOT EXISTS 'PARENTAL'$$,
    'DO $do$ BEGIN ALTER TABLE mini.note ADD COLUMN b text; END $do$']) s;
-- what is not free text, or was there before: ok
SELECT s, regress.verdict(s) FROM unnest(ARRAY[
    'ALTER TABLE mini.note RENAME COLUMN said TO told',
    'ALTER TABLE mini.note ALTER COLUMN told SET NOT NULL',
    'ALTER TABLE mini.note ALTER COLUMN told DROP NOT NULL',
    $$ALTER TABLE mini.note ALTER COLUMN told SET DEFAULT ''$$,
    'ALTER TABLE mini.note ALTER COLUMN told SET STATISTICS 0',
    'ALTER TABLE mini.note ALTER COLUMN told SET STORAGE external']) s;

-- administrators are not exempt
RESET SESSION AUTHORIZATION;
GRANT regress_owner TO regress_migration;
SET SESSION AUTHORIZATION regress_migration;
SET toms.reason = 'release 13';
SELECT s, regress.verdict(s) FROM unnest(ARRAY[
    'ALTER TABLE mini.note ADD COLUMN b text',
    'ALTER TABLE mini.note ADD COLUMN b text GENERATED ALWAYS AS (employee::text) STORED',
    'ALTER TABLE mini.note ALTER COLUMN day TYPE text',
    'ALTER TABLE mini.note ALTER COLUMN day TYPE mini.phrase USING day::text',
    'ALTER TABLE mini.note ALTER COLUMN day TYPE timestamp',                                            -- ok
    'ALTER TABLE mini.note ALTER COLUMN employee TYPE text',                                            -- ok: an identifier
    'ALTER TYPE mini.typed ALTER ATTRIBUTE day TYPE text CASCADE']) s;
RESET toms.reason;

-- what the error says
SET SESSION AUTHORIZATION regress_owner;
\set VERBOSITY default
ALTER TABLE mini.note ADD COLUMN diagnosis text;
ALTER TABLE mini.note ADD COLUMN certificate toms.sealed_bytea NOT NULL;
ALTER TABLE mini.message ADD COLUMN attachment bytea;
\set VERBOSITY terse

-- what was there before is told, and its remedy runs
SET SESSION AUTHORIZATION regress_officer;
SELECT object, finding, remedy FROM toms.explain_protection('mini.note') WHERE kind = 'free_text';
SELECT object, finding, remedy FROM toms.explain_protection('mini.message') WHERE kind = 'free_text';
SELECT object, finding FROM toms.explain_protection('mini.plain') WHERE kind = 'free_text';             -- none
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
SELECT regress.verdict(split_part(remedy, '; or', 1)) FROM toms.explain_protection('mini.note') WHERE kind = 'free_text';
RESET toms.reason;
SELECT count(*) FROM toms.explain_protection('mini.note') WHERE kind = 'free_text';                     -- 0

-- sealing what is there is no new text: ok
SELECT remedy FROM toms.explain_protection('mini.message') WHERE kind = 'free_text' \gexec
SELECT toms.seal_column('mini.message', 'old') > 0 AS fills, toms.seal_column('mini.message', 'old') AS remaining;
SELECT count(*) FROM toms.explain_protection('mini.message') WHERE kind = 'free_text';                  -- 0

-- an officer changes the rule; Art. 9 data needs a reason, and that is told
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict(s) FROM unnest(ARRAY[
    $$SELECT toms.protect('mini.note', tenant => 'tenant', subject => 'employee', category => 'health', free_text => 'maybe')$$,
    $$SELECT toms.protect('mini.note', tenant => 'tenant', subject => 'employee', category => 'health', free_text => 'accept')$$,
    $$SELECT toms.protect('mini.note', tenant => 'tenant', subject => 'employee', category => 'health', free_text => 'accept', reason => 'a diary')$$]) s;
SELECT detail, reason FROM toms.protection_history WHERE relation_name = 'mini.note' ORDER BY id DESC LIMIT 1;
SELECT object, replace(finding, current_date::text, 'today') AS finding, remedy FROM toms.explain_protection('mini.note') WHERE kind = 'free_text';
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('ALTER TABLE mini.note ADD COLUMN diagnosis text'), regress.verdict('ALTER TABLE mini.child ADD COLUMN more text');  -- ok
-- and back: the same call without free_text is the default again
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('mini.note', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT object FROM toms.explain_protection('mini.note') WHERE kind = 'free_text';
-- other tables can be made as strict
SELECT toms.protect('mini.plain', tenant => 'tenant', subject => 'employee', free_text => 'refuse');
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('ALTER TABLE mini.plain ADD COLUMN diagnosis text');                             -- refused

-- observed tables refuse nothing, and keep the rule for when they are enforced
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('mini.plain', tenant => 'tenant', subject => 'employee', category => 'health', mode => 'observe', reason => 'test');
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('ALTER TABLE mini.plain ADD COLUMN diagnosis text');                             -- ok
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.enforce('mini.plain');
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('ALTER TABLE mini.plain ADD COLUMN remark text');                                -- refused

-- partitions and children take the rule from their root; one that is protected otherwise does not come in
CREATE TABLE mini.parted (tenant text NOT NULL, employee integer NOT NULL, day date) PARTITION BY LIST (tenant);
CREATE TABLE mini.parted_1 PARTITION OF mini.parted FOR VALUES IN ('acme');
CREATE TABLE mini.parted_2 (tenant text NOT NULL, employee integer NOT NULL, day date);
CREATE TABLE mini.heir (LIKE mini.plain, extra text);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('mini.parted', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.protect('mini.parted_2', tenant => 'tenant', subject => 'employee', category => 'health', free_text => 'accept', reason => 'test');
SET SESSION AUTHORIZATION regress_owner;
SELECT s, regress.verdict(s) FROM unnest(ARRAY[
    'ALTER TABLE mini.parted ADD COLUMN b text',
    $$ALTER TABLE mini.parted ATTACH PARTITION mini.parted_2 FOR VALUES IN ('globex')$$,
    'ALTER TABLE mini.heir INHERIT mini.plain']) s;                                                     -- refused, refused; ok: it was there before
RESET SESSION AUTHORIZATION;
SELECT object, finding FROM toms.explain_protection('mini.plain') WHERE kind = 'free_text';
REVOKE regress_owner FROM regress_migration;
SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA mini CASCADE;
