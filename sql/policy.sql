--
-- policy: what protect() promises
--
-- A protected table is closed until somebody is permitted; then it shows and takes rows of
-- the context's tenant only, and in scope own of the context's own subject only.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.absence (id integer, tenant_id text, employee_id integer, day date, note text);
INSERT INTO hr.absence VALUES
    (1, 'acme',   17, '2025-03-03', 'flu'),
    (2, 'acme',   18, '2025-03-04', 'back pain'),
    (3, 'globex', 17, '2025-03-05', 'migraine'),
    (4, NULL,     17, '2025-03-06', 'row of no tenant'),
    (5, 'acme', NULL, '2025-03-07', 'row of no subject');
-- before protection the application reads what PostgreSQL grants it: everything
GRANT SELECT, INSERT, UPDATE, DELETE ON hr.absence TO regress_app, regress_job;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict('SELECT FROM hr.absence');                                           -- 5 rows
RESET SESSION AUTHORIZATION;

--
-- protect() closes the table, for its owner too
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.absence', tenant => 'tenant_id', subject => 'employee_id', category => 'health');   -- with a word about columns that may be NULL
SELECT mode, tenant, subject, category, intact, root FROM toms.protected_tables;
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('SELECT FROM hr.absence');                                           -- refused: no context
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict('SELECT FROM hr.absence');                                           -- refused: no context
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT verb, regress.verdict(statement) FROM (VALUES                                        -- refused, each: closed until permitted
    ('select', 'SELECT FROM hr.absence'),
    ('insert', $$INSERT INTO hr.absence VALUES (6, 'acme', 17)$$),
    ('update', 'UPDATE hr.absence SET note = NULL WHERE true'),
    ('delete', 'DELETE FROM hr.absence WHERE true')) v (verb, statement);
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- Scope own: the employee's own rows.  Scope tenant: the tenant's.
--
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.permit('regress_employee', 'hr.absence', '{select,insert,update,delete}', '{absence_management}', scope => 'own')$$);
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.absence', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant')$$);
SET SESSION AUTHORIZATION regress_job;

-- select
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
SELECT * FROM hr.absence ORDER BY id;                                                       -- row 1
COMMIT;
BEGIN; SELECT toms.enter('acme', '18', 'regress_employee', 'absence_management') \gset
SELECT * FROM hr.absence ORDER BY id;                                                       -- row 2
COMMIT;
BEGIN; SELECT toms.enter('acme', '99', 'regress_employee', 'absence_management') \gset
SELECT * FROM hr.absence ORDER BY id;                                                       -- none
COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT * FROM hr.absence ORDER BY id;                                                       -- rows 1, 2, 5
SELECT count(*), count(DISTINCT tenant_id), bool_or(note = 'migraine') FROM hr.absence;     -- 3, 1, f
COMMIT;
BEGIN; SELECT toms.enter('globex', '17', 'regress_hr', 'absence_management') \gset
SELECT * FROM hr.absence ORDER BY id;                                                       -- row 3
SELECT * FROM hr.absence WHERE tenant_id = 'acme' OR true ORDER BY id;                      -- row 3: nothing said after WHERE widens it
SELECT * FROM hr.absence WHERE tenant_id IS NULL;                                           -- none: a row of no tenant is nobody's
COMMIT;

-- insert
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
SELECT regress.verdict($$INSERT INTO hr.absence VALUES (6, 'acme', 17, '2025-04-01', 'own')$$);         -- ok
SELECT regress.verdict($$INSERT INTO hr.absence VALUES (7, 'acme', 18, '2025-04-01', 'another''s')$$);  -- refused: other subject
SELECT regress.verdict($$INSERT INTO hr.absence VALUES (7, 'acme', NULL)$$);                            -- refused: nobody's
SELECT regress.verdict($$INSERT INTO hr.absence VALUES (7, 'globex', 17)$$);                            -- refused: other tenant
SELECT regress.verdict($$INSERT INTO hr.absence VALUES (7, NULL, 17)$$);                                -- refused: no tenant
SELECT regress.verdict($$INSERT INTO hr.absence SELECT 7, 'acme', n FROM generate_series(17, 18) n$$);  -- refused: one of two is another's
COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT regress.verdict($$INSERT INTO hr.absence VALUES (7, 'acme', 18, '2025-04-02', 'by HR')$$);       -- ok
SELECT regress.verdict($$INSERT INTO hr.absence VALUES (8, 'globex', 18)$$);                            -- refused: other tenant
COMMIT;

-- update
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
UPDATE hr.absence SET note = 'flu, again' WHERE true RETURNING id;                                      -- rows 1 and 6, though WHERE says all
SELECT regress.verdict($$UPDATE hr.absence SET note = 'x' WHERE id IN (2, 3, 4, 5)$$);                  -- 0 rows
SELECT regress.verdict('UPDATE hr.absence SET employee_id = 18 WHERE id = 1');                          -- refused: his own to another
SELECT regress.verdict('UPDATE hr.absence SET employee_id = NULL WHERE id = 1');                        -- refused: to nobody
SELECT regress.verdict($$UPDATE hr.absence SET tenant_id = 'globex' WHERE id = 1$$);                    -- refused: to another tenant
SELECT regress.verdict('UPDATE hr.absence SET tenant_id = tenant_id, employee_id = employee_id WHERE id = 1');  -- ok: nothing moves
COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT regress.verdict('UPDATE hr.absence SET employee_id = 18 WHERE id = 6');                          -- ok: within the tenant
SELECT regress.verdict($$UPDATE hr.absence SET tenant_id = 'globex' WHERE id = 6$$);                    -- refused: to another tenant
SELECT regress.verdict('UPDATE hr.absence SET tenant_id = NULL WHERE id = 6');                          -- refused: to no tenant
SELECT regress.verdict($$UPDATE hr.absence SET note = 'x' WHERE id IN (3, 4)$$);                        -- 0 rows
COMMIT;

-- delete
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
DELETE FROM hr.absence WHERE true RETURNING id;                                                         -- row 1
ROLLBACK;
BEGIN; SELECT toms.enter('globex', '17', 'regress_hr', 'absence_management') \gset
DELETE FROM hr.absence WHERE true RETURNING id;                                                         -- row 3
ROLLBACK;

-- merge and insert on conflict meet the same rules
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
MERGE INTO hr.absence a USING (VALUES (1), (2), (3)) s (id) ON a.id = s.id
    WHEN MATCHED THEN UPDATE SET note = 'merged';
SELECT id, note FROM hr.absence ORDER BY id;                                                            -- row 1 only was matched
SELECT regress.verdict($$MERGE INTO hr.absence a USING (VALUES (2)) s (id) ON a.id = s.id
    WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'acme', 18)$$);                                          -- refused: other subject
ROLLBACK;
RESET SESSION AUTHORIZATION;

-- as the table is, nobody got at another's row: an administrator looks, and says why
SET toms.reason = 'test';
SELECT id, tenant_id, employee_id, note FROM hr.absence ORDER BY id;
RESET toms.reason;

--
-- A table without data subjects has scope tenant only
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.department (tenant_id text NOT NULL, name text NOT NULL);
INSERT INTO hr.department VALUES ('acme', 'Sales'), ('globex', 'Research');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.department', tenant => 'tenant_id');
SELECT regress.verdict($$SELECT toms.permit('regress_employee', 'hr.department', '{select}', '{absence_management}')$$);                    -- refused: nobody has own rows there
SELECT regress.verdict($$SELECT toms.permit('regress_employee', 'hr.department', '{select}', '{absence_management}', scope => 'tenant')$$);  -- ok
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
SELECT name FROM hr.department;                                                                         -- Sales
SELECT d.name, a.id FROM hr.department d JOIN hr.absence a USING (tenant_id) ORDER BY a.id;             -- Sales with row 1
COMMIT;
BEGIN; SELECT toms.enter('globex', '17', 'regress_employee', 'absence_management') \gset
SELECT name FROM hr.department;                                                                         -- Research
COMMIT;

-- where the person is the tenant, one column is both
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.self_employed (person text NOT NULL, t text);
INSERT INTO hr.self_employed VALUES ('acme', 'a'), ('globex', 'g');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.self_employed', tenant => 'person', subject => 'person');
SELECT regress.verdict($$SELECT toms.permit('regress_employee', 'hr.self_employed', '{select}', '{absence_management}')$$);
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', 'acme', 'regress_employee', 'absence_management') \gset
SELECT t FROM hr.self_employed;                                                                         -- a
COMMIT;
BEGIN; SELECT toms.enter('acme', 'globex', 'regress_employee', 'absence_management') \gset
SELECT t FROM hr.self_employed;                                                                         -- none
COMMIT;

--
-- What can be protected
--
SET SESSION AUTHORIZATION regress_owner;
CREATE VIEW hr.absence_view AS SELECT * FROM hr.absence;
CREATE TEMP TABLE scratch (tenant_id text NOT NULL);
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.protect('hr.absence_view', tenant => 'tenant_id')$$);              -- refused: a view
SELECT regress.verdict($$SELECT toms.protect('toms.tenant', tenant => 'tenant')$$);                     -- refused: toms' own
SELECT regress.verdict($$SELECT toms.protect('pg_catalog.pg_class', tenant => 'relname')$$);            -- refused: PostgreSQL's own
SELECT regress.verdict($$SELECT toms.protect('hr.department', tenant => 'firm')$$);                     -- refused: no such column
SELECT regress.verdict($$SELECT toms.protect('hr.department', tenant => 'ctid')$$);                     -- refused: not a column of the table's own
SELECT regress.verdict($$SELECT toms.protect('hr.department', tenant => NULL)$$);                       -- refused: no column
SELECT regress.verdict($$SELECT toms.protect('hr.department', tenant => 'tenant_id', subject => 'x')$$);        -- refused: no such column
SELECT regress.verdict($$SELECT toms.protect('hr.department', tenant => 'tenant_id', category => 'gossip')$$);  -- refused: no such category
SELECT regress.verdict($$SELECT toms.protect('hr.department', tenant => 'tenant_id', mode => 'maybe')$$);       -- refused: no such mode
RESET SESSION AUTHORIZATION;
SELECT regress.verdict($$SELECT toms.protect('scratch', tenant => 'tenant_id')$$);                      -- refused: temporary
SELECT relation, tenant, subject, category, intact FROM toms.protected_tables WHERE relation = 'hr.department'::regclass;  -- as it was

--
-- protect() again changes nothing; with other arguments it changes just these
--
CREATE TEMP VIEW policies AS
    SELECT p.polrelid, p.oid, p.polname FROM pg_policy p;
CREATE TEMP TABLE before AS SELECT * FROM policies;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.department', tenant => 'tenant_id');
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM before FULL JOIN policies USING (polrelid, oid, polname) WHERE before IS NULL OR policies IS NULL;    -- 0: not even remade
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.absence', tenant => 'tenant_id', subject => 'employee_id', category => 'special');
SELECT relation, mode, tenant, subject, category, intact FROM toms.protected_tables ORDER BY relation::text COLLATE "C";
SELECT role, verbs, scope, in_force FROM toms.permissions WHERE relation = 'hr.absence' ORDER BY id;    -- permissions stay
-- another subject column
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.absence ADD COLUMN deputy_id integer DEFAULT 18;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.absence', tenant => 'tenant_id', subject => 'deputy_id', category => 'special');
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '18', 'regress_employee', 'absence_management') \gset
SELECT id FROM hr.absence ORDER BY id;                                                                  -- those 18 deputises for
COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
SELECT id FROM hr.absence ORDER BY id;                                                                  -- none
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT a.attname, l.label FROM pg_seclabel l JOIN pg_attribute a ON a.attrelid = l.objoid AND a.attnum = l.objsubid
WHERE l.provider = 'toms' AND l.objoid = 'hr.absence'::regclass AND l.objsubid > 0 ORDER BY a.attnum;

-- rename the column, the table, its schema: protection goes along
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.absence RENAME COLUMN tenant_id TO "Mandant";
ALTER TABLE hr.absence RENAME TO leave;
RESET SESSION AUTHORIZATION;
ALTER SCHEMA hr RENAME TO "HR";
SELECT relation, tenant, subject, intact FROM toms.protected_tables WHERE category = 'special';
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict('SELECT FROM "HR".leave');                                                       -- refused: no context
BEGIN; SELECT toms.enter('acme', '18', 'regress_employee', 'absence_management') \gset
SELECT id FROM "HR".leave ORDER BY id;                                                                  -- as before
COMMIT;
RESET SESSION AUTHORIZATION;
ALTER SCHEMA "HR" RENAME TO hr;
ALTER TABLE hr.leave RENAME TO absence;

--
-- unprotect() needs a reason, and brings back what was before
--
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.unprotect('hr.department', reason => '')$$);                       -- refused: no reason
SELECT regress.verdict($$SELECT toms.unprotect('hr.department', reason => NULL)$$);                     -- refused: no reason
SELECT regress.verdict($$SELECT toms.unprotect('hr.absence_view', reason => 'x')$$);                    -- refused: not protected
SELECT has_table_privilege('regress_employee', 'hr.department', 'select');                               -- t: permit() granted it
SELECT toms.unprotect('hr.department', reason => 'holds no personal data');
SELECT has_table_privilege('regress_employee', 'hr.department', 'select');                               -- f: and now nothing but the grant would hold it off
SELECT regress.verdict($$SELECT toms.unprotect('hr.department', reason => 'again')$$);                  -- refused: not protected any more
RESET SESSION AUTHORIZATION;
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'hr.department'::regclass;         -- f, f
SELECT count(*) FROM pg_policy WHERE polrelid = 'hr.department'::regclass;                              -- 0
SELECT count(*) FROM pg_seclabel WHERE provider = 'toms' AND objoid = 'hr.department'::regclass;        -- 0
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('SELECT FROM hr.department');                                                    -- 2 rows: open again to its owner
RESET SESSION AUTHORIZATION;

-- permissions end with the protection, and do not come back with it
SET SESSION AUTHORIZATION regress_officer;
SELECT role, verbs, in_force, ended_by FROM toms.permissions WHERE relation = 'hr.department';
SELECT toms.protect('hr.department', tenant => 'tenant_id');
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
SELECT regress.verdict('SELECT FROM hr.department');                                                    -- refused: permission missing
COMMIT;
RESET SESSION AUTHORIZATION;

-- an application that had row security of its own, forced or not, keeps it as it was
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.had_rls (tenant_id text NOT NULL);
ALTER TABLE hr.had_rls ENABLE ROW LEVEL SECURITY;
CREATE POLICY application ON hr.had_rls USING (tenant_id = 'acme');
CREATE TABLE hr.had_both (tenant_id text NOT NULL);
ALTER TABLE hr.had_both ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE hr.had_force (tenant_id text NOT NULL);
ALTER TABLE hr.had_force FORCE ROW LEVEL SECURITY;
SET SESSION AUTHORIZATION regress_officer;
SELECT t, toms.protect(t, tenant => 'tenant_id') FROM unnest('{hr.had_rls,hr.had_both,hr.had_force}'::regclass[]) t;
SELECT t, toms.protect(t, tenant => 'tenant_id', category => 'billing') FROM unnest('{hr.had_rls,hr.had_both,hr.had_force}'::regclass[]) t;    -- twice: what was before is not overwritten
SELECT relname, relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) FROM pg_class c WHERE relname LIKE 'had\_%' ORDER BY relname;
SELECT t, toms.unprotect(t, reason => 'test') FROM unnest('{hr.had_rls,hr.had_both,hr.had_force}'::regclass[]) t;
SELECT relname, relrowsecurity, relforcerowsecurity, (SELECT string_agg(polname, ',') FROM pg_policy WHERE polrelid = c.oid) FROM pg_class c WHERE relname LIKE 'had\_%' ORDER BY relname;
RESET SESSION AUTHORIZATION;

--
-- What was declared when, by whom and why, stays on record
--
SELECT relation_name, action, mode, tenant, subject, category, reason, by FROM toms.protection_history
WHERE relation_name IN ('hr.absence', 'hr.department') ORDER BY id;

--
-- clean up
--
SELECT relation, toms.unprotect(relation, reason => 'end of test') FROM toms.protected_tables ORDER BY relation::text COLLATE "C";
DROP VIEW policies;
DROP TABLE before;
SET client_min_messages = warning;
DROP SCHEMA hr CASCADE;
