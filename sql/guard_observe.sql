--
-- guard_observe: look first, refuse later
--
-- The promise: a table that is protected with mode => 'observe' refuses nothing; what it
-- would have refused, toms.would_refuse lists with the reason and the SQL that permits it.
-- Running that SQL as it stands, and then toms.enforce() for the schema, leaves an
-- application whose legitimate statements pass.  The way back needs a reason.
--
\set SHOW_CONTEXT never
SELECT current_user AS superuser \gset
SET client_min_messages = warning;
-- the application as it was before toms: tables, plain privileges
CREATE SCHEMA guard AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA guard TO regress_employee, regress_hr;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE guard.absence (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, hours integer);
CREATE TABLE guard.department (id integer PRIMARY KEY, tenant text NOT NULL, name text) PARTITION BY RANGE (id);
CREATE TABLE guard.department_1 PARTITION OF guard.department FOR VALUES FROM (0) TO (100);
INSERT INTO guard.absence VALUES (1, 'acme', 17, 8), (2, 'acme', 18, 8), (3, 'globex', 17, 8);
INSERT INTO guard.department VALUES (1, 'acme', 'post room'), (2, 'globex', 'post room');
GRANT SELECT, UPDATE ON guard.absence TO regress_employee, regress_hr;
GRANT SELECT, INSERT ON guard.department TO regress_hr;
RESET SESSION AUTHORIZATION;
CREATE VIEW guard.superusers_view AS SELECT * FROM guard.absence;
GRANT SELECT ON guard.superusers_view TO regress_hr;
CREATE FUNCTION guard.employee_does() RETURNS TABLE (statement text, verdict text) LANGUAGE sql AS $$
    SELECT s, regress.verdict(s) FROM unnest(ARRAY[
        'SELECT * FROM guard.absence WHERE tenant = ''acme'' AND employee = 17',
        'UPDATE guard.absence SET hours = 7 WHERE id = 1']) s
$$;
CREATE FUNCTION guard.hr_does() RETURNS TABLE (statement text, verdict text) LANGUAGE sql AS $$
    SELECT s, regress.verdict(s) FROM unnest(ARRAY[
        'SELECT * FROM guard.department WHERE tenant = ''acme''',
        'SELECT * FROM guard.department_1 d JOIN guard.absence a USING (tenant) WHERE tenant = ''acme'' AND employee = 90',
        'INSERT INTO guard.department VALUES (3, ''acme'', ''canteen'') ON CONFLICT DO NOTHING']) s
$$;
GRANT SELECT ON guard.department_1 TO regress_hr;
-- what is left to do for the application, without what differs from run to run
CREATE VIEW guard.findings AS
    SELECT relation, verbs, login, role, purpose, reason, detail, remedy, sum(count) AS count
    FROM toms.would_refuse
    WHERE relation::text LIKE 'guard.%'
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
GRANT USAGE ON SCHEMA guard TO regress_officer;
GRANT SELECT ON guard.findings TO regress_officer;

SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('guard.absence', tenant => 'tenant', subject => 'employee', mode => 'observe');
SELECT toms.protect('guard.department', tenant => 'tenant', mode => 'observe');
SELECT relation, mode, tenant, subject, root FROM toms.protected_tables WHERE relation::text LIKE 'guard.%' ORDER BY relation::text;
RESET SESSION AUTHORIZATION;

--
-- Nothing is refused: the application knows nothing of contexts yet
--
\c - regress_job
\set SHOW_CONTEXT never
SELECT * FROM guard.employee_does();                           -- ok: all pass
SELECT * FROM guard.hr_does();                                 -- ok
SELECT count(*) FROM guard.absence;                            -- ok: 3, all tenants: nothing is held back
SELECT toms.explain_access('guard.absence', 'select');
-- it learns to set contexts, nothing is permitted yet
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT * FROM guard.employee_does();                           -- ok
COMMIT;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT * FROM guard.hr_does();                                 -- ok
SELECT count(*) FROM guard.superusers_view;                    -- ok
SELECT toms.explain_access('guard.department', 'insert');
COMMIT;
-- administrators need no reason yet, and truncate passes
\c - :superuser
\set SHOW_CONTEXT never
SELECT count(*) FROM guard.absence;                            -- ok: 3
BEGIN;
TRUNCATE guard.absence;                                        -- ok
ROLLBACK;

--
-- What would have been refused
--
SELECT relation, verbs, login = current_user::regrole AS superuser, role, purpose, reason, count FROM guard.findings
ORDER BY relation::text, verbs, role NULLS FIRST, reason;
SELECT DISTINCT reason, detail, remedy FROM guard.findings WHERE detail !~ 'User' ORDER BY reason, remedy;

--
-- The officer runs the remedies as they stand
--
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_officer;
\o /dev/null
SELECT DISTINCT remedy FROM guard.findings WHERE remedy LIKE 'SELECT toms.permit%' ORDER BY remedy \gexec
\o
RESET SESSION AUTHORIZATION;
DROP VIEW guard.superusers_view;                               -- its finding had a remedy too: another owner

--
-- and enforces the schema
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.enforce('guard');
SELECT relation, mode, intact FROM toms.protected_tables WHERE relation::text LIKE 'guard.%' ORDER BY relation::text;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT * FROM guard.employee_does();                           -- ok: the same as before
COMMIT;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT * FROM guard.hr_does();                                 -- ok: the same as before
SELECT count(*) FROM guard.department;                         -- ok: 2, of acme only
COMMIT;
BEGIN;
SELECT toms.enter('globex', '17', 'regress_employee', 'absence_management');
SELECT count(*) FROM guard.absence;                            -- ok: 1
SELECT regress.verdict('DELETE FROM guard.absence');           -- refused: nobody did that before
COMMIT;
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused: without a context
RESET SESSION AUTHORIZATION;
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused: administrators need a reason now

--
-- Back to observing, the table is open: that takes an officer and a reason, which is kept
--
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict($$SELECT toms.protect('guard.absence', tenant => 'tenant', subject => 'employee', mode => 'observe', reason => 'mine')$$);  -- refused
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('guard.absence', tenant => 'tenant', subject => 'employee', mode => 'observe');  -- refused
SELECT toms.protect('guard.absence', tenant => 'tenant', subject => 'employee', mode => 'observe', reason => '');  -- refused
SELECT toms.protect('guard.absence', tenant => 'tenant', subject => 'employee', mode => 'observe', reason => 'release 12 fails');
SELECT action, mode, reason, by FROM toms.protection_history WHERE relation_name = 'guard.absence' AND by = 'regress_officer' ORDER BY id;
SET SESSION AUTHORIZATION regress_job;
SELECT count(*) FROM guard.absence;                            -- ok: 3, open as before
SELECT regress.verdict('SELECT * FROM guard.department');      -- refused: the other table is enforced as before
SET SESSION AUTHORIZATION regress_officer;
-- a partitioned table with all its partitions, and none of them keeps what records its changes; enforced they have it again
SELECT toms.protect('guard.department', tenant => 'tenant', mode => 'observe', reason => 'release 12 fails');
SELECT relation, mode FROM toms.protected_tables WHERE root = 'guard.department'::regclass ORDER BY relation::text;
SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('guard.department'::regclass, 'guard.department_1'::regclass);
SELECT toms.enforce('guard.department');
SELECT relation, mode, intact FROM toms.protected_tables WHERE root = 'guard.department'::regclass ORDER BY relation::text;
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgrelid IN ('guard.department'::regclass, 'guard.department_1'::regclass) ORDER BY 1, 2;
SELECT toms.enforce('guard.absence');
SELECT toms.enforce('no_such_schema');                         -- refused: there is none
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused
SELECT toms.enforce('guard.absence');                          -- refused by PostgreSQL
RESET SESSION AUTHORIZATION;

-- clean up
SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA guard CASCADE;
