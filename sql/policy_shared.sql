--
-- policy_shared: rows without a tenant that every tenant reads
--
-- Public holidays, templates, units: with null_tenant => 'shared' everybody who may read the table
-- reads rows whose tenant is NULL too, and nobody who acts for a tenant writes, changes or deletes
-- one.  Unless that is said, such a row is nobody's.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\set superuser :USER

CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
CREATE FUNCTION regress.ids(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ids text;
BEGIN
    EXECUTE format('SELECT string_agg(id::text, '','' ORDER BY id) FROM (%s) q', query) INTO ids;
    RETURN coalesce(ids, 'none');
EXCEPTION WHEN OTHERS THEN
    RETURN regress.verdict(query);
END
$$;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.holiday (id integer PRIMARY KEY, tenant_id text, name text);
INSERT INTO hr.holiday VALUES (1, NULL, 'New Year'), (2, 'acme', 'Founder''s day'), (3, 'globex', 'Summer party'), (4, NULL, 'Labour day');
CREATE TABLE hr.template (id integer PRIMARY KEY, tenant_id bigint, author integer, text text);
CREATE INDEX ON hr.template (tenant_id);

--
-- Unless it is said: rows of nobody
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.holiday', tenant => 'tenant_id');                                               -- with a word about it
SELECT toms.permit('regress_hr', 'hr.holiday', '{select,insert,update,delete}', '{planning}', scope => 'tenant') > 0;
SELECT relation, null_tenant FROM toms.protected_tables;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.holiday');                                                        -- 2
COMMIT;

--
-- Shared: read by everybody who may read the table, changed by nobody
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.holiday', tenant => 'tenant_id', null_tenant => 'shared');
SELECT relation, null_tenant, intact FROM toms.protected_tables;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict('SELECT FROM hr.holiday');                                                       -- refused: no context
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'planning') \gset
SELECT regress.verdict('SELECT FROM hr.holiday');                                                       -- refused: no permission
COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'other') \gset
SELECT regress.verdict('SELECT FROM hr.holiday');                                                       -- refused: another purpose
COMMIT;
BEGIN; SELECT toms.enter('globex', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.holiday');                                                        -- 1, 3, 4
COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.holiday'), regress.ids('SELECT id FROM hr.holiday WHERE tenant_id IS NULL');      -- 1, 2, 4 and 1, 4
SELECT s, regress.verdict(s) FROM unnest(ARRAY[
    $$INSERT INTO hr.holiday VALUES (11, 'acme', 'x')$$,                                                -- ok
    $$INSERT INTO hr.holiday VALUES (12, NULL, 'x')$$,                                                  -- refused: would be shared
    $$INSERT INTO hr.holiday (id) VALUES (12)$$,                                                        -- refused alike
    $$UPDATE hr.holiday SET name = 'x' WHERE id IN (1, 3, 4)$$,                                         -- 0 rows
    $$UPDATE hr.holiday SET tenant_id = 'acme' WHERE id = 1$$,                                          -- 0 rows: nor is one made one's own
    $$UPDATE hr.holiday SET tenant_id = NULL WHERE id = 2$$,                                            -- refused: nor is one's own shared
    $$DELETE FROM hr.holiday WHERE tenant_id IS NULL$$,                                                 -- 0 rows
    $$SELECT FROM hr.holiday FOR UPDATE$$,                                                              -- 2 rows: nor locked
    $$INSERT INTO hr.holiday VALUES (1, 'acme', 'x') ON CONFLICT (id) DO NOTHING$$,                     -- 0 rows: it is there
    $$INSERT INTO hr.holiday VALUES (1, 'acme', 'x') ON CONFLICT (id) DO UPDATE SET name = 'x'$$,       -- refused by PostgreSQL
    $$MERGE INTO hr.holiday h USING (VALUES (1)) v (id) ON v.id = h.id WHEN MATCHED THEN UPDATE SET name = 'x'$$,           -- refused by PostgreSQL
    $$MERGE INTO hr.holiday h USING (VALUES (1)) v (id) ON v.id = h.id WHEN MATCHED THEN DELETE$$]) s;                      -- refused by PostgreSQL
DELETE FROM hr.holiday WHERE true RETURNING id;                                                         -- 2 and 11
ROLLBACK;
-- an administrator keeps them, with a reason
SET SESSION AUTHORIZATION regress_migration;
SELECT regress.verdict($$INSERT INTO hr.holiday VALUES (5, NULL, 'x')$$);                               -- refused: no reason
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
INSERT INTO hr.holiday VALUES (5, NULL, 'Day of Unity');
SELECT id, tenant_id, name FROM hr.holiday ORDER BY id;
RESET toms.reason;

-- without any context nothing is read, also where that is no error
ALTER ROLE regress_job SET toms.on_missing_context = 'empty';
\c - regress_job
SELECT regress.verdict('SELECT FROM hr.holiday');                                                       -- 0 rows
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.holiday');                                                        -- 1, 2, 4, 5
SELECT toms.leave();
SELECT regress.ids('SELECT id FROM hr.holiday');                                                        -- none
COMMIT;
\c - :superuser
ALTER ROLE regress_job RESET toms.on_missing_context;

-- back to nobody's
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.holiday', tenant => 'tenant_id', null_tenant => 'nobody');
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.holiday');                                                        -- 2
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT v, regress.verdict(format('SELECT toms.protect(''hr.holiday'', tenant => ''tenant_id'', null_tenant => %L)', v)) FROM unnest('{everybody,"",NULL}'::text[]) v;   -- refused
RESET SESSION AUTHORIZATION;

--
-- Scope own: his own rows of the tenant, and what is shared, whoever wrote it
--
SELECT toms.add_tenant('7', name => 'Seven'), toms.add_tenant('8', name => 'Eight');
SELECT toms.allow_enter(login => 'regress_job', tenants => '{7,8}', roles => '{regress_employee,regress_hr}') IS NOT NULL;
SET SESSION AUTHORIZATION regress_owner;
INSERT INTO hr.template SELECT i, 7 + i % 2, 17 + i % 10, 'text' FROM generate_series(101, 5000) i;
INSERT INTO hr.template VALUES (1, 7, 17), (2, 7, 18), (3, 8, 17), (4, NULL, 17), (5, NULL, 18), (6, NULL, NULL);
ANALYZE hr.template;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.template', tenant => 'tenant_id', subject => 'author', null_tenant => 'shared');
SELECT toms.permit('regress_employee', 'hr.template', '{select,insert,update,delete}', '{planning}') > 0;
SELECT toms.permit('regress_hr', 'hr.template', '{select}', '{planning}', scope => 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('7', '17', 'regress_employee', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.template WHERE id < 100');                                        -- 1, 4, 5, 6
SELECT regress.verdict('UPDATE hr.template SET text = text WHERE id < 100');                            -- 1 row
SELECT regress.verdict('INSERT INTO hr.template VALUES (7, NULL, 17)');                                 -- refused
SELECT regress.verdict('DELETE FROM hr.template WHERE id < 100');                                       -- 1 row
ROLLBACK;
BEGIN; SELECT toms.enter('8', '99', 'regress_employee', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.template');                                                       -- 4, 5, 6
COMMIT;
BEGIN; SELECT toms.enter('7', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.template WHERE id < 100');                                        -- 1, 2, 4, 5, 6
-- rows of the tenant and rows of all are both found by index
SET LOCAL enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM hr.template;
EXPLAIN (COSTS OFF) SELECT * FROM hr.template WHERE id = 5;
COMMIT;

-- rows that are of a category by value are so where they are shared, too
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.label_rows('hr.template', condition => $$text = 'sick note'$$, category => 'health');
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
UPDATE hr.template SET text = 'sick note' WHERE id = 4;
UPDATE hr.template SET text = 'letter' WHERE id IN (1, 2, 3, 5);
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('7', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.template WHERE id < 100');                                        -- 1, 2, 5: template 6 has no text, so it could be one
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.permit('regress_hr', 'hr.template', '{select}', '{planning}', scope => 'own', categories => '{health}') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('7', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.template WHERE id < 100');                                        -- 1, 2, 4, 5, 6
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- Rows that belong to a shared row are shared with it
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.section (id integer PRIMARY KEY, template integer NOT NULL REFERENCES hr.template);
CREATE TABLE hr.paragraph (id integer PRIMARY KEY, kind text NOT NULL, of integer NOT NULL, author integer);
INSERT INTO hr.section VALUES (1, 1), (3, 3), (4, 4);
INSERT INTO hr.paragraph VALUES (11, 'section', 1, 17), (13, 'section', 3, 17), (14, 'section', 4, 18), (15, 'holiday', 1, 18), (16, 'other', 1, 17);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.section', parent => 'hr.template', parent_key => 'template');
SELECT toms.protect('hr.paragraph', parent => 'hr.section', parent_key => 'of', type_column => 'kind', type_value => 'section', subject => 'author');
SELECT toms.add_parent('hr.paragraph', 'hr.holiday', 'holiday');
SELECT t, toms.permit('regress_hr', t, '{select,insert,update,delete}', '{planning}', scope => 'tenant') > 0 FROM unnest('{hr.section,hr.paragraph}'::regclass[]) t;
SELECT toms.permit('regress_employee', 'hr.paragraph', '{select,insert,update,delete}', '{planning}') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('7', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.section'), regress.ids('SELECT id FROM hr.paragraph');            -- 1, 4 and 11, 14: holidays without a tenant are nobody's
SELECT s, regress.verdict(s) FROM unnest(ARRAY['INSERT INTO hr.section VALUES (5, 1)', 'INSERT INTO hr.section VALUES (6, 5)', 'UPDATE hr.section SET template = 5 WHERE id = 1',
    'UPDATE hr.section SET id = id WHERE true', 'DELETE FROM hr.paragraph WHERE true', $$INSERT INTO hr.paragraph VALUES (17, 'section', 4, 17)$$]) s;        -- ok, refused, refused; 2 rows, 1 row, refused
ROLLBACK;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.holiday', tenant => 'tenant_id', null_tenant => 'shared');
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('7', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.paragraph');                                                      -- 11, 14, 15
COMMIT;
BEGIN; SELECT toms.enter('7', '17', 'regress_employee', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.paragraph');                                                      -- 11, 14, 15: his own, and what is shared
SELECT regress.verdict('UPDATE hr.paragraph SET id = id WHERE true');                                   -- 1 row
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.template', tenant => 'tenant_id', subject => 'author', null_tenant => 'nobody');
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('7', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM hr.section'), regress.ids('SELECT id FROM hr.paragraph');            -- 1 and 11, 15: not shared any more
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- clean up
--
SELECT relation, toms.unprotect(relation, reason => 'end of test') FROM unnest('{hr.paragraph,hr.section,hr.template,hr.holiday}'::regclass[]) relation;
SET client_min_messages = warning;
DROP SCHEMA hr CASCADE;
DROP FUNCTION regress.ids;
UPDATE toms.enter_permission SET ended_at = now(), ended_by = session_user WHERE NOT tenants <@ '{acme,globex}';
DELETE FROM toms.tenant WHERE tenant IN ('7', '8');
