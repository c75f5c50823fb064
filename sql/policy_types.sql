--
-- policy_types: tenants and subjects are numbers, UUIDs or texts
--
-- For each type of column: own and tenant scope, writes, the use of an index on the tenant,
-- and identifiers of a context that are not exactly what the type prints.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\set database :DBNAME
\set uuid_a '10000000-0000-4000-8000-00000000000a'
\set uuid_b '20000000-0000-4000-8000-00000000000b'
\set numbers '{hr.smallint,hr.integer,hr.bigint,hr.domain}'
\set texts '{hr.text,hr.varchar,hr.mixed}'
\set uuid_p '30000000-0000-4000-8000-000000000003'

CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
CREATE TEMP TABLE tried (tenant text);
INSERT INTO tried VALUES ('7'), ('8'), ('007'), (' 7'), ('7 '), ('+7'), ('-7'), ('7.0'), ('0x7'), ('1e1'), ('x'), ('32768'), ('2147483648'),
    ('99999999999'), ('9223372036854775807'), ('9223372036854775808'), (:'uuid_a'), (:'uuid_b'), (upper(:'uuid_a')),
    (replace(:'uuid_a', '-', '')), ('{' || :'uuid_a' || '}'), (:'uuid_a' || ' ');
SELECT count(toms.add_tenant(tenant, name => 'Tenant ' || tenant)) FROM tried;
SELECT toms.allow_enter(login => 'regress_job', tenants => array_agg(tenant), roles => '{regress_employee,regress_hr}') IS NOT NULL FROM tried;

--
-- A table for each type: two tenants of 500 rows each, 50 subjects of 10 rows in each
--
SET SESSION AUTHORIZATION regress_owner;
CREATE DOMAIN hr.firm AS varchar(40);
CREATE DOMAIN hr.person AS integer CHECK (VALUE > 0);
CREATE PROCEDURE hr.make(name text, tenant_type text, subject_type text, tenants text[], subject text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE hr.%I (id integer, tenant_id %s NOT NULL, subject_id %s NOT NULL)', name, tenant_type, subject_type);
    EXECUTE format('INSERT INTO hr.%I SELECT i, ($1)[1 + i %% 2]::%s, (%s)::%s FROM generate_series(0, 999) i, LATERAL (SELECT i / 2 %% 50 + 1 AS n) s',
                   name, tenant_type, subject, subject_type) USING tenants;
    EXECUTE format('CREATE INDEX ON hr.%I (tenant_id)', name);
    EXECUTE format('ANALYZE hr.%I', name);
END
$$;
CALL hr.make('smallint', 'smallint', 'smallint', '{7,8}', 'n');
CALL hr.make('integer', 'integer', 'integer', '{7,8}', 'n');
CALL hr.make('bigint', 'bigint', 'bigint', '{7,8}', 'n');
CALL hr.make('domain', 'hr.firm', 'hr.person', '{7,8}', 'n');
CALL hr.make('text', 'text', 'text', '{7,8}', $$'p' || n$$);
CALL hr.make('varchar', 'varchar(40)', 'varchar', '{7,8}', $$'p' || n$$);
CALL hr.make('mixed', 'bigint', 'text', '{7,8}', $$'p' || n$$);
CALL hr.make('uuid', 'uuid', 'uuid', ARRAY[:'uuid_a', :'uuid_b'], $$'30000000-0000-4000-8000-' || lpad(n::text, 12, '0')$$);

SET SESSION AUTHORIZATION regress_officer;
SELECT t, regress.verdict(format('SELECT toms.protect(%L, tenant => ''tenant_id'', subject => ''subject_id'')', t)),
       regress.verdict(format('SELECT toms.permit(''regress_employee'', %L, ''{select,insert,update,delete}'', ''{absence_management}'')', t)),
       regress.verdict(format('SELECT toms.permit(''regress_hr'', %L, ''{select,insert,update,delete}'', ''{absence_management}'', scope => ''tenant'')', t))
FROM (SELECT oid::regclass AS t FROM pg_class WHERE relnamespace = 'hr'::regnamespace AND relkind = 'r' ORDER BY oid) tables;
RESET SESSION AUTHORIZATION;

--
-- Scope: 10 rows of one subject, 500 of one tenant, never another's; the tenant is looked up
-- in its index; another's rows are not written
--
CREATE FUNCTION regress.look(t regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    seen text;
    line text;
BEGIN
    EXECUTE format('SELECT format(''%%s rows, tenant %%s, %%s'', count(*), string_agg(DISTINCT tenant_id::text, '' and ''),
                    CASE count(DISTINCT subject_id) WHEN 1 THEN ''subject '' || min(subject_id::text) ELSE count(DISTINCT subject_id) || '' subjects'' END) FROM %s', t) INTO seen;
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = off;
    FOR line IN EXECUTE format('EXPLAIN (COSTS OFF) SELECT * FROM %s', t) LOOP
        IF line LIKE '%Index Cond%' THEN
            seen := seen || '; ' || trim(line);
        END IF;
    END LOOP;
    RETURN t || ': ' || seen;
END
$$;
CREATE FUNCTION regress.write(t regclass, other_tenant text, other_subject text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN t || ', insert: ' || regress.verdict(format('INSERT INTO %s SELECT * FROM %s WHERE id < 100 LIMIT 1', t, t))
        || ', to another tenant: ' || regress.verdict(format('UPDATE %s SET tenant_id = %L WHERE true', t, other_tenant))
        || ', to another subject: ' || regress.verdict(format('UPDATE %s SET subject_id = %L WHERE true', t, other_subject));
END
$$;
SET SESSION AUTHORIZATION regress_job;
-- numbers
BEGIN; SELECT toms.enter('7', '3', 'regress_employee', 'absence_management') \gset
SELECT regress.look(t) FROM unnest(:'numbers'::regclass[]) t;
SELECT regress.write(t, '8', '4') FROM unnest(:'numbers'::regclass[]) t;
ROLLBACK;
BEGIN; SELECT toms.enter('8', 'HR', 'regress_hr', 'absence_management') \gset
SELECT regress.look(t) FROM unnest(:'numbers'::regclass[]) t;
SELECT regress.write(t, '7', '4') FROM unnest(:'numbers'::regclass[]) t;
ROLLBACK;
-- texts
BEGIN; SELECT toms.enter('7', 'p3', 'regress_employee', 'absence_management') \gset
SELECT regress.look(t) FROM unnest(:'texts'::regclass[]) t;
SELECT regress.write(t, '8', 'p4') FROM unnest(:'texts'::regclass[]) t;
ROLLBACK;
BEGIN; SELECT toms.enter('8', 'HR', 'regress_hr', 'absence_management') \gset
SELECT regress.look(t) FROM unnest(:'texts'::regclass[]) t;
ROLLBACK;
-- UUIDs
BEGIN; SELECT toms.enter(:'uuid_a', :'uuid_p', 'regress_employee', 'absence_management') \gset
SELECT regress.look('hr.uuid');
SELECT regress.write('hr.uuid', :'uuid_b', :'uuid_a');
ROLLBACK;
BEGIN; SELECT toms.enter(:'uuid_b', 'HR', 'regress_hr', 'absence_management') \gset
SELECT regress.look('hr.uuid');
SELECT regress.write('hr.uuid', :'uuid_a', :'uuid_a');
ROLLBACK;
RESET SESSION AUTHORIZATION;

--
-- An identifier is the person or firm only if it is written as the type prints it: else "7"
-- and "007" were one firm for one table, and two for another
--
CREATE PROCEDURE regress.try(role text, tenants text[], subjects text[], tables text[]) LANGUAGE plpgsql AS $$
DECLARE
    tenant text;
    subject text;
    t text;
    verdicts text;
BEGIN
    FOREACH tenant IN ARRAY tenants LOOP
        FOREACH subject IN ARRAY subjects LOOP
            PERFORM toms.enter(tenant, subject, role, 'absence_management');
            verdicts := '';
            FOREACH t IN ARRAY tables LOOP
                verdicts := verdicts || format('; %s %s', t, regress.verdict(format('SELECT FROM hr.%I', t)));
            END LOOP;
            RAISE NOTICE '"%", subject "%"%', tenant, subject, replace(verdicts, ' (42501)', '');
            COMMIT;
        END LOOP;
    END LOOP;
END
$$;
SET SESSION AUTHORIZATION regress_job;
-- tenants in columns of numbers
CALL regress.try('regress_hr', ARRAY['007', ' 7', '7 ', '+7', '7.0', '0x7', '1e1', 'x', '9223372036854775808'], '{1}', '{smallint,integer,bigint}');   -- refused
CALL regress.try('regress_hr', ARRAY['-7', '32768', '2147483648', '99999999999', '9223372036854775807'], '{1}', '{smallint,integer,bigint}');           -- refused where it does not fit
-- in columns of text the same are other firms, which have no rows
CALL regress.try('regress_hr', ARRAY['7', '007', ' 7', '7 ', 'x', '99999999999'], '{1}', '{text,varchar,domain}');                                      -- 500 rows for the first
-- tenants in columns of UUIDs
CALL regress.try('regress_hr', ARRAY[:'uuid_a', upper(:'uuid_a'), replace(:'uuid_a', '-', ''), '{' || :'uuid_a' || '}', :'uuid_a' || ' ', 'x', '7'], '{1}', '{uuid}');
-- subjects, which count in scope own only
CALL regress.try('regress_employee', '{7}', ARRAY['3', '03', ' 3', '3 ', '+3', '3.0', 'x', '32768', '99999999999', '9223372036854775808'], '{smallint,integer,bigint,domain,mixed}');
CALL regress.try('regress_employee', ARRAY[:'uuid_a'], ARRAY[:'uuid_p', replace(:'uuid_p', '-', ''), :'uuid_p' || '0', '3'], '{uuid}');
CALL regress.try('regress_hr', '{7}', '{x}', '{smallint,integer,bigint,domain,mixed}');                                                                 -- ok: HR is nobody's number
RESET SESSION AUTHORIZATION;

--
-- Columns that cannot hold an identifier
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.other (j jsonb, d date, c char(8), n numeric, b boolean, a integer[], t text NOT NULL);
SET SESSION AUTHORIZATION regress_officer;
SELECT c, regress.verdict(format('SELECT toms.protect(''hr.other'', tenant => %L)', c)),
       regress.verdict(format('SELECT toms.protect(''hr.other'', tenant => ''t'', subject => %L)', c))
FROM unnest('{j,d,c,n,b,a}'::text[]) c;                                                                 -- refused, each
RESET SESSION AUTHORIZATION;

-- under a nondeterministic collation "acme" and "ACME" are one: refused, and the hint helps
CREATE DATABASE regress_icu ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\c regress_icu
SET client_min_messages = warning;
CREATE EXTENSION toms;
CREATE COLLATION case_insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE note (tenant_id text COLLATE case_insensitive NOT NULL, person text COLLATE case_insensitive NOT NULL);
SELECT toms.protect('note', tenant => 'tenant_id');                                                     -- refused
ALTER TABLE public.note ALTER COLUMN tenant_id TYPE text COLLATE "C";
SELECT toms.protect('note', tenant => 'tenant_id', subject => 'person');                                -- refused
SELECT toms.protect('note', tenant => 'tenant_id');                                                     -- ok
\c :database
DROP DATABASE regress_icu;

--
-- Columns that were dropped before it, and names that have to be quoted
--
CREATE SCHEMA "My Schema" AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA "My Schema" TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE "My Schema"."Sick ""Notes""" (gone_1 date, "Person's Id" integer NOT NULL, gone_2 text, gone_3 integer, "Tenant Id" text NOT NULL, note text);
INSERT INTO "My Schema"."Sick ""Notes""" VALUES (NULL, 3, NULL, NULL, '7', 'a'), (NULL, 3, NULL, NULL, '8', 'b'), (NULL, 4, NULL, NULL, '7', 'c');
ALTER TABLE "My Schema"."Sick ""Notes""" DROP COLUMN gone_1, DROP COLUMN gone_2, DROP COLUMN gone_3;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('"My Schema"."Sick ""Notes"""', tenant => 'Tenant Id', subject => 'Person''s Id');
SELECT toms.permit('regress_employee', '"My Schema"."Sick ""Notes"""', '{select,update}', '{absence_management}') IS NOT NULL;
SELECT relation, tenant, subject, intact FROM toms.protected_tables WHERE relation::text LIKE '"My%';
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('7', '3', 'regress_employee', 'absence_management') \gset
UPDATE "My Schema"."Sick ""Notes""" SET note = 'mine' WHERE true RETURNING *;                           -- the one row of 3 in 7
SELECT regress.verdict($$UPDATE "My Schema"."Sick ""Notes""" SET "Tenant Id" = '8' WHERE true$$);       -- refused: other tenant
SELECT regress.verdict($$UPDATE "My Schema"."Sick ""Notes""" SET "Person's Id" = 4 WHERE true$$);       -- refused: other subject
COMMIT;
-- and dropped afterwards
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE "My Schema"."Sick ""Notes""" ADD COLUMN later integer;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
ALTER TABLE "My Schema"."Sick ""Notes""" DROP COLUMN note;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('7', '3', 'regress_employee', 'absence_management') \gset
SELECT * FROM "My Schema"."Sick ""Notes""";                                                             -- the same row
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- clean up
--
SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA hr, "My Schema" CASCADE;
DROP FUNCTION regress.look, regress.write;
DROP PROCEDURE regress.try;
UPDATE toms.enter_permission SET ended_at = now(), ended_by = session_user WHERE NOT tenants <@ '{acme,globex}';
DELETE FROM toms.tenant WHERE name LIKE 'Tenant %';
