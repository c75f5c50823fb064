--
-- policy_alter: life goes on
--
-- Columns that a protection stands on are renamed, retyped, dropped and added again, tables move
-- and change hands.  Either the protection goes along, with the same rows for everybody, or the
-- statement is refused and says what to do.  A new type runs over the rows of every tenant: it is
-- an administrator's, with a reason.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\set ann 'a0000000-0000-4000-8000-000000000017'
\set migrate 'SET SESSION AUTHORIZATION regress_migration; SET toms.reason = ''migration'';'
\set look 'RESET toms.reason; SET SESSION AUTHORIZATION regress_job; CALL regress.look(:''ann''); RESET SESSION AUTHORIZATION; SELECT count(*), bool_and(intact) FROM toms.protected_tables;'

GRANT regress_owner TO regress_migration;
CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.app_user (id bigint PRIMARY KEY, uuid uuid UNIQUE NOT NULL, tenant_id varchar(20) NOT NULL);
INSERT INTO hr.app_user VALUES (17, :'ann', 'acme'), (18, gen_random_uuid(), 'acme'), (19, gen_random_uuid(), 'globex');
CREATE TABLE hr.orders (id integer PRIMARY KEY, tenant_id varchar(20) NOT NULL, person bigint NOT NULL, code text UNIQUE);
INSERT INTO hr.orders VALUES (1, 'acme', 17, 'o1'), (2, 'acme', 18, 'o2'), (3, 'globex', 19, 'o3');
-- made before item, and found through it: what is put up again must not depend on the order of making
CREATE TABLE hr.attachment (id integer PRIMARY KEY, kind varchar(10) NOT NULL, owner integer NOT NULL);
INSERT INTO hr.attachment VALUES (21, 'order', 1), (22, 'order', 3), (23, 'item', 11), (24, 'item', 13);
CREATE TABLE hr.item (id integer PRIMARY KEY, order_id integer NOT NULL REFERENCES hr.orders, author uuid NOT NULL);
INSERT INTO hr.item VALUES (11, 1, :'ann'), (12, 2, gen_random_uuid()), (13, 3, gen_random_uuid());
CREATE TABLE hr.line (id integer PRIMARY KEY, order_code varchar(10) NOT NULL REFERENCES hr.orders (code));
INSERT INTO hr.line VALUES (31, 'o1'), (32, 'o2'), (33, 'o3');
CREATE TABLE hr.booking (id integer NOT NULL, tenant_id varchar(20) NOT NULL, person bigint NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE hr.booking_2024 PARTITION OF hr.booking FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE hr.booking_2025 (day date NOT NULL, gone text, tenant_id varchar(20) NOT NULL, id integer NOT NULL, person bigint NOT NULL);
ALTER TABLE hr.booking_2025 DROP COLUMN gone;
ALTER TABLE hr.booking ATTACH PARTITION hr.booking_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO hr.booking VALUES (41, 'acme', 17, '2024-05-01'), (42, 'acme', 18, '2025-05-01'), (43, 'globex', 19, '2025-05-01');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.app_user', tenant => 'tenant_id', subject => 'uuid');
SELECT toms.add_subject_alias('hr.app_user', canonical => 'uuid', alias => 'id');
SELECT toms.protect('hr.orders', tenant => 'tenant_id', subject => 'person', subject_alias => 'app_user.id');
SELECT toms.protect('hr.item', parent => 'hr.orders', parent_key => 'order_id', subject => 'author');
SELECT toms.protect('hr.attachment', parent => 'hr.orders', parent_key => 'owner', type_column => 'kind', type_value => 'order');
SELECT toms.add_parent('hr.attachment', 'hr.item', 'item');
SELECT toms.protect('hr.line', parent => 'hr.orders', parent_key => 'order_code');
SELECT toms.protect('hr.booking', tenant => 'tenant_id', subject => 'person', subject_alias => 'app_user.id');
SELECT t, toms.permit('regress_hr', t, '{select,update}', '{planning}', scope => 'tenant') > 0 FROM unnest('{hr.orders,hr.item,hr.attachment,hr.line,hr.booking}'::regclass[]) t;
SELECT t, toms.permit('regress_employee', t, '{select,update}', '{planning}') > 0 FROM unnest('{hr.orders,hr.item,hr.booking}'::regclass[]) t;
RESET SESSION AUTHORIZATION;
-- look(person) tells what each tenant and one person see of every table, wherever it is and whatever it is called
CREATE PROCEDURE regress.look(person text) LANGUAGE plpgsql AS $$
DECLARE
    t record;
    ids text;
    seen text;
    who text;
BEGIN
    FOREACH who IN ARRAY '{acme,globex,person}'::text[] LOOP
        seen := '';
        FOR t IN SELECT c.oid::regclass AS name FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relowner = ANY ('{regress_owner,regress_migration}'::regrole[])
                    AND has_table_privilege('regress_hr', c.oid, 'select') ORDER BY c.oid LOOP
            PERFORM toms.enter(CASE who WHEN 'person' THEN 'acme' ELSE who END, person, CASE who WHEN 'person' THEN 'regress_employee' ELSE 'regress_hr' END, 'planning');
            BEGIN
                EXECUTE format('SELECT string_agg(%I::text, '','' ORDER BY %1$I) FROM %s', CASE WHEN t.name::text = 'hr.letter' THEN 'key' ELSE 'id' END, t.name) INTO ids;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS ids = CONSTRAINT_NAME;
            END;
            seen := seen || '; ' || coalesce(ids, 'none');
            COMMIT;
        END LOOP;
        RAISE NOTICE '%: %', who, substr(seen, 3);
    END LOOP;
END
$$;
:look

--
-- A new type
--
CREATE TABLE regress.migration (n serial, statement text);
INSERT INTO regress.migration (statement) VALUES
    ('ALTER TABLE hr.orders ALTER tenant_id TYPE text'), ('ALTER TABLE hr.orders ALTER id TYPE bigint'), ('ALTER TABLE hr.orders ALTER code TYPE varchar(30)'),
    ('ALTER TABLE hr.orders ALTER person TYPE numeric'), ('ALTER TABLE hr.item ALTER order_id TYPE bigint'), ('ALTER TABLE hr.item ALTER author TYPE text'),
    ('ALTER TABLE hr.attachment ALTER kind TYPE text'), ('ALTER TABLE hr.app_user ALTER id TYPE integer'), ('ALTER TABLE hr.booking ALTER tenant_id TYPE text');
GRANT SELECT ON regress.migration TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
SELECT statement, regress.verdict(statement) FROM regress.migration ORDER BY n;                         -- refused, each
ALTER TABLE hr.orders ALTER tenant_id TYPE text;                                                        -- and is told what to do
SET SESSION AUTHORIZATION regress_migration;
SELECT statement, regress.verdict(statement) FROM regress.migration ORDER BY n;                         -- refused, each: no reason
-- varchar to text, of a tenant with three tables below it
:migrate
ALTER TABLE hr.orders ALTER tenant_id TYPE text;
:look
-- integer to bigint, of what children refer to; then of the children's own keys
:migrate
ALTER TABLE hr.orders ALTER id TYPE bigint;
ALTER TABLE hr.item ALTER order_id TYPE bigint;
ALTER TABLE hr.attachment ALTER owner TYPE bigint, ALTER kind TYPE text;
ALTER TABLE hr.item ALTER id TYPE bigint;
:look
-- text to varchar, of a key that is not the primary one
:migrate
ALTER TABLE hr.orders ALTER code TYPE varchar(30);
:look
-- bigint to uuid, of a subject: the same persons, without their alias from now on
:migrate
ALTER TABLE hr.booking ALTER person TYPE uuid USING ('a0000000-0000-4000-8000-' || lpad(person::text, 12, '0'))::uuid;
RESET toms.reason; SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.booking', tenant => 'tenant_id', subject => 'person');
:look
-- of a partitioned table, of a person's keys, several at once and with other commands
:migrate
ALTER TABLE hr.booking ALTER tenant_id TYPE text, ADD COLUMN added text, ADD CONSTRAINT day CHECK (day > '2000-01-01'), ALTER person SET DEFAULT gen_random_uuid();
ALTER TABLE hr.app_user ALTER id TYPE integer, ALTER tenant_id TYPE text, ALTER uuid TYPE text;
ALTER TABLE hr.item ALTER author TYPE text, ALTER order_id SET NOT NULL, ALTER id SET DEFAULT 0;
:look
SELECT a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), regexp_replace(l.label, '\d+', 'N') FROM pg_seclabel l JOIN pg_attribute a ON a.attrelid = l.objoid AND a.attnum = l.objsubid
WHERE l.provider = 'toms' ORDER BY a.attrelid, a.attnum;
SELECT count(*) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = 'hr'::regnamespace;       -- 64: each verb twice, of each table and partition

-- a type that cannot hold ids is refused, and nothing has changed
:migrate
SELECT s, regress.verdict(s) FROM unnest(ARRAY[
    'ALTER TABLE hr.orders ALTER tenant_id TYPE date USING current_date', 'ALTER TABLE hr.orders ALTER tenant_id TYPE char(20)',
    'ALTER TABLE hr.orders ALTER person TYPE numeric', 'ALTER TABLE hr.booking ALTER person TYPE jsonb USING to_jsonb(person)',
    'ALTER TABLE hr.line ALTER order_code TYPE bytea USING order_code::bytea', 'ALTER TABLE hr.orders ALTER code TYPE bytea USING code::bytea',
    'ALTER TABLE hr.orders ALTER tenant_id TYPE text COLLATE "C", ALTER person TYPE date USING current_date']) s;
ALTER TABLE hr.line DROP CONSTRAINT line_order_code_fkey;
SELECT s, regress.verdict(s) FROM unnest(ARRAY[                                                         -- nor one that a child's key cannot be compared with
    $$ALTER TABLE hr.orders ALTER code TYPE integer USING substr(code, 2)::integer$$,
    $$ALTER TABLE hr.line ALTER order_code TYPE integer USING substr(order_code, 2)::integer$$]) s;
ALTER TABLE hr.orders ALTER code TYPE integer USING substr(code, 2)::integer;                           -- and is told what to do
:look
-- with the child out of the way, in one transaction, it goes
BEGIN;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.unprotect('hr.line', reason => 'its key gets another type');
SET SESSION AUTHORIZATION regress_migration;
SET LOCAL toms.reason = 'migration';
ALTER TABLE hr.orders ALTER code TYPE integer USING substr(code, 2)::integer;
ALTER TABLE hr.line ALTER order_code TYPE integer USING substr(order_code, 2)::integer;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.line', parent => 'hr.orders', parent_key => 'order_code', parent_column => 'code');
SELECT toms.permit('regress_hr', 'hr.line', '{select,update}', '{planning}', scope => 'tenant') > 0;
COMMIT;
:look

-- what is rolled back was never there
BEGIN;
:migrate
ALTER TABLE hr.orders ALTER tenant_id TYPE varchar(40);
SAVEPOINT s;
ALTER TABLE hr.orders ALTER person TYPE date USING current_date;                                        -- refused
ROLLBACK TO s;
ALTER TABLE hr.item ALTER order_id TYPE integer;
SET SESSION AUTHORIZATION regress_job;
SELECT toms.enter('acme', :'ann', 'regress_hr', 'planning') \gset
SELECT string_agg(id::text, ',' ORDER BY id) FROM hr.attachment;                                        -- 21, 23
ROLLBACK;
:look
-- and a failure half-way too
:migrate
DO $$BEGIN
    ALTER TABLE hr.orders ALTER tenant_id TYPE varchar(40);
    RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
END$$;
:look

--
-- New names, other schemas, another owner: by the owner himself
--
RESET SESSION AUTHORIZATION;
CREATE SCHEMA "Other Schema" AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA "Other Schema" TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.orders RENAME tenant_id TO "Tenant Id";
ALTER TABLE hr.orders RENAME person TO subject;
ALTER TABLE hr.orders RENAME code TO key;
ALTER TABLE hr.item RENAME order_id TO key;
ALTER TABLE hr.attachment RENAME owner TO "select";
ALTER TABLE hr.attachment RENAME kind TO tenant_id;
ALTER TABLE hr.app_user RENAME id TO uuid_;
ALTER TABLE hr.booking RENAME tenant_id TO firm;
ALTER TABLE hr.line RENAME order_code TO toms_parent;
:look
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.orders RENAME TO toms_parent;
ALTER TABLE hr.item RENAME TO "Order ""Item""";
ALTER TABLE hr.attachment RENAME TO key;
ALTER TABLE hr.toms_parent SET SCHEMA "Other Schema";
ALTER TABLE hr.key SET SCHEMA "Other Schema";
ALTER TABLE hr.booking_2024 SET SCHEMA "Other Schema";
ALTER TABLE hr.app_user SET SCHEMA "Other Schema";
:look
SELECT relation, tenant, subject, parents, parent_key FROM toms.protected_tables ORDER BY relation::text COLLATE "C";
SELECT parent, parent_column, type_value FROM toms.parent ORDER BY child::text COLLATE "C", type_value;
-- and after it, new types go on to work
:migrate
ALTER TABLE "Other Schema".toms_parent ALTER "Tenant Id" TYPE varchar(50), ALTER id TYPE integer;
ALTER TABLE hr."Order ""Item""" ALTER key TYPE integer;
:look
-- the names that toms uses inside of its policies are names like others
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr."Order ""Item""" RENAME key TO toms_key;
ALTER TABLE "Other Schema".toms_parent RENAME id TO toms_shared;
:look
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr."Order ""Item""" RENAME toms_key TO toms_shared;
ALTER TABLE "Other Schema".toms_parent RENAME toms_shared TO toms_key;
:look
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr."Order ""Item""" RENAME toms_shared TO key;
ALTER TABLE "Other Schema".toms_parent RENAME toms_key TO id;
RESET SESSION AUTHORIZATION;
ALTER TABLE "Other Schema".toms_parent OWNER TO regress_migration;
:look
ALTER TABLE "Other Schema".toms_parent OWNER TO regress_owner;
ALTER TABLE "Other Schema".toms_parent SET SCHEMA hr;
ALTER TABLE hr.toms_parent RENAME TO orders;
ALTER TABLE hr."Order ""Item""" RENAME TO item;
ALTER TABLE "Other Schema".key RENAME TO attachment;
ALTER TABLE "Other Schema".attachment SET SCHEMA hr;

--
-- Dropped, and added again
--
SET SESSION AUTHORIZATION regress_owner;
SELECT s, regress.verdict(s) FROM unnest(ARRAY[                                                         -- refused, each
    'ALTER TABLE hr.orders DROP COLUMN "Tenant Id"', 'ALTER TABLE hr.orders DROP COLUMN "Tenant Id" CASCADE', 'ALTER TABLE hr.orders DROP COLUMN subject',
    'ALTER TABLE hr.orders DROP COLUMN id CASCADE', 'ALTER TABLE hr.orders ADD COLUMN x integer, DROP COLUMN key CASCADE', 'ALTER TABLE hr.item DROP COLUMN key',
    'ALTER TABLE hr.attachment DROP COLUMN tenant_id', 'ALTER TABLE IF EXISTS hr.attachment DROP COLUMN IF EXISTS "select"', 'ALTER TABLE "Other Schema".app_user DROP COLUMN uuid_',
    'ALTER TABLE hr.booking DROP COLUMN firm', 'ALTER TABLE hr.booking_2025 DROP COLUMN firm']) s;
ALTER TABLE hr.orders DROP COLUMN subject;                                                              -- and is told what to do
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.orders', tenant => 'Tenant Id');
SET SESSION AUTHORIZATION regress_owner;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
ALTER TABLE hr.orders DROP COLUMN subject;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.orders ADD COLUMN subject uuid;                                                          -- a namesake is not the subject
:look
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.orders', tenant => 'Tenant Id', subject => 'subject');
:migrate
UPDATE hr.orders SET subject = :'ann' WHERE id = 2;
:look

--
-- Detached: it keeps its protection; its permissions were its root's
--
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.booking DETACH PARTITION hr.booking_2025;
RESET SESSION AUTHORIZATION;
SELECT relation, tenant, subject, intact, root FROM toms.protected_tables WHERE relation = 'hr.booking_2025'::regclass;
SELECT toms.permit('regress_hr', 'hr.booking_2025', '{select}', '{planning}', scope => 'tenant') > 0;
:migrate
ALTER TABLE hr.booking_2025 ALTER firm TYPE varchar(9);                                                 -- alone it can change
:look
:migrate
ALTER TABLE hr.booking_2025 ALTER firm TYPE text;
RESET toms.reason; SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.booking ATTACH PARTITION hr.booking_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
:look

-- what is protected otherwise is not attached: that would declare it anew, by its owner
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.sick (id integer NOT NULL, firm text NOT NULL, person uuid NOT NULL, day date NOT NULL, added text NOT NULL, CONSTRAINT day CHECK (day > '2000-01-01'));
INSERT INTO hr.sick (id, firm, person, day, added) VALUES (45, 'acme', :'ann', '2026-01-01', 'globex');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.sick', tenant => 'firm', subject => 'person', category => 'health');
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.booking ATTACH PARTITION hr.sick FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');       -- refused: of another category
RESET SESSION AUTHORIZATION;
CREATE PROCEDURE pg_temp.try(declaration text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'SELECT ' || declaration;
    SET LOCAL SESSION AUTHORIZATION regress_owner;
    RAISE NOTICE '%: %', declaration, regress.verdict('ALTER TABLE hr.booking ATTACH PARTITION hr.sick FOR VALUES FROM (''2026-01-01'') TO (''2027-01-01'')');
    RESET SESSION AUTHORIZATION;
    ROLLBACK;
END
$$;
CALL pg_temp.try($$toms.protect('hr.sick', tenant => 'added', subject => 'person')$$);                  -- refused: another tenant column
CALL pg_temp.try($$toms.protect('hr.sick', tenant => 'firm')$$);                                        -- refused: no subject
CALL pg_temp.try($$toms.protect('hr.sick', tenant => 'firm', subject => 'person', null_tenant => 'shared')$$);      -- refused: shared rows
CALL pg_temp.try($$toms.protect('hr.sick', tenant => 'firm', subject => 'person'), toms.label_rows('hr.sick', 'id = 45', 'health')$$);      -- refused: labelled rows
CALL pg_temp.try($$toms.protect('hr.sick', parent => 'hr.orders', parent_key => 'id', subject => 'person')$$);      -- refused: rows of a parent
CALL pg_temp.try($$toms.protect('hr.sick', tenant => 'firm', subject => 'person')$$);                   -- ok: the same
-- what both have labelled, they have labelled alike
CREATE PROCEDURE pg_temp.both(label text, above text, below text) LANGUAGE plpgsql AS $$
BEGIN
    CALL pg_temp.try(format('toms.protect(''hr.sick'', tenant => ''firm'', subject => ''person''), toms.%1$s(''hr.booking'', %2$s), toms.%1$s(''hr.sick'', %3$s)', label, above, below));
END
$$;
CALL pg_temp.both('label_column', $$'id', 'billing'$$, $$'day', 'billing'$$);                           -- refused: another column
CALL pg_temp.both('label_column', $$'id', 'billing'$$, $$'id', 'location'$$);                           -- refused: of another category
CALL pg_temp.both('label_column', $$'id', 'billing'$$, $$'id', 'billing', optional => true$$);          -- refused: it may be missing
CALL pg_temp.both('label_column', $$'id', 'billing'$$, $$'id', 'billing'$$);                            -- ok
CALL pg_temp.both('label_rows', $$'id = 45', 'health'$$, $$'id = 46', 'health'$$);                      -- refused: other rows
CALL pg_temp.both('label_rows', $$'id = 45', 'health'$$, $$'id = 45', 'billing'$$);                     -- refused: of another category
CALL pg_temp.both('label_rows', $$'id = 45', 'health'$$, $$'id = 45', 'health'$$);                      -- ok
SELECT toms.unprotect('hr.sick', reason => 'test');
DROP TABLE hr.sick;

--
-- Inheritance, and a tenant that is computed
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.letter (key integer NOT NULL, code varchar(40) NOT NULL, tenant_id varchar(40) GENERATED ALWAYS AS (split_part(code, ':', 1)) STORED);
CREATE TABLE hr.letter_old (note text) INHERITS (hr.letter);
INSERT INTO hr.letter VALUES (51, 'acme:a'), (52, 'globex:a');
INSERT INTO hr.letter_old VALUES (53, 'acme:b'), (54, 'globex:b');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.letter', tenant => 'tenant_id');                                                -- with a word: a computed column may be NULL
SELECT toms.permit('regress_hr', 'hr.letter', '{select,insert,update}', '{planning}', scope => 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'planning') \gset
SELECT string_agg(key::text, ',' ORDER BY key) FROM hr.letter;                                          -- 51, 53
SELECT regress.verdict($$INSERT INTO hr.letter VALUES (55, 'acme:c')$$);                                -- ok
SELECT regress.verdict($$INSERT INTO hr.letter VALUES (56, 'globex:c')$$);                              -- refused: other tenant
SELECT regress.verdict($$UPDATE hr.letter SET code = 'globex:d' WHERE true$$);                          -- refused: other tenant
SELECT regress.verdict($$UPDATE hr.letter SET code = NULL WHERE true$$);                                -- refused: other tenant, before NOT NULL is looked at
ROLLBACK;
:migrate
ALTER TABLE hr.letter ALTER tenant_id TYPE text, ALTER code SET DEFAULT '';
RESET toms.reason; SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.letter RENAME tenant_id TO key_;
SELECT s, regress.verdict(s) FROM unnest(ARRAY['ALTER TABLE hr.letter_old ALTER key_ TYPE text', 'ALTER TABLE hr.letter_old DROP COLUMN key_']) s;      -- refused: it is the root's
ALTER TABLE hr.letter ALTER key_ DROP EXPRESSION;                                                       -- ok: a plain column from now on
:look
-- what takes such a column along without naming it closes the table
SET SESSION AUTHORIZATION regress_owner;
CREATE DOMAIN hr.person AS text;
CREATE TABLE hr.diary (id integer, tenant_id text NOT NULL, person hr.person);
INSERT INTO hr.diary VALUES (61, 'acme', :'ann');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.diary', tenant => 'tenant_id', subject => 'person');
SELECT toms.permit('regress_hr', 'hr.diary', '{select}', '{planning}', scope => 'tenant') > 0;
SET SESSION AUTHORIZATION regress_owner;
SET client_min_messages = warning;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
DROP DOMAIN hr.person CASCADE;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;
RESET client_min_messages;
:look

--
-- clean up
--
SET client_min_messages = warning;
SELECT relation, toms.unprotect(relation, reason => 'end of test') FROM unnest('{hr.attachment,hr.item,hr.line,hr.booking,hr.orders,hr.letter,hr.diary}'::regclass[]) relation;
SELECT toms.remove_subject_alias('"Other Schema".app_user', 'uuid_');
SELECT toms.unprotect('"Other Schema".app_user', reason => 'end of test');
SELECT count(*) FROM toms.protected_tables;                                                             -- 0
SELECT count(*) FROM pg_class WHERE relowner = 'toms_lookup'::regrole;                                  -- 0
SET toms.reason = 'end of the test';
DROP SCHEMA hr, "Other Schema" CASCADE;
DROP PROCEDURE regress.look;
DROP TABLE regress.migration;
REVOKE regress_owner FROM regress_migration;
