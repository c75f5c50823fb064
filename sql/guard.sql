--
-- guard: who may see what, and what is said to whoever may not
--
-- Two controllers, acme and globex, keep their absences in one table.  An employee sees his
-- own rows, HR sees those of its own controller, and everybody else is refused before a row
-- is read: each with a reason of its own, the first thing missing and the SQL that helps.
--
\set SHOW_CONTEXT never
SELECT current_user AS superuser \gset
SET client_min_messages = warning;
CREATE SCHEMA guard AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE guard.absence (
    id       integer PRIMARY KEY,
    tenant   text NOT NULL,
    employee integer NOT NULL,
    hours    integer NOT NULL
);
INSERT INTO guard.absence VALUES
    (1, 'acme', 17, 8), (2, 'acme', 17, 4), (3, 'acme', 18, 2),
    (4, 'globex', 17, 8), (5, 'globex', 30, 1);
CREATE TABLE guard.salary (tenant text NOT NULL, employee integer NOT NULL, amount integer);
INSERT INTO guard.salary VALUES ('acme', 17, 3000), ('globex', 30, 4000);
CREATE TABLE guard.warning (tenant text NOT NULL, employee integer NOT NULL, wording text);
RESET SESSION AUTHORIZATION;

SELECT toms.protect('guard.absence', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.protect('guard.salary', tenant => 'tenant', subject => 'employee');
SELECT toms.protect('guard.warning', tenant => 'tenant', subject => 'employee');
SELECT toms.permit(role => 'regress_employee', relation => 'guard.absence', verbs => '{select}',
                   purposes => '{absence_management}', scope => 'own') IS NOT NULL AS permitted;
SELECT toms.permit(role => 'regress_hr', relation => 'guard.absence', verbs => '{select,insert,update}',
                   purposes => '{absence_management,continued_pay}', scope => 'tenant') IS NOT NULL AS permitted;
SELECT toms.permit(role => 'regress_hr', relation => 'guard.salary', verbs => '{select}',
                   purposes => '{payroll}', scope => 'tenant', require_mfa => true) IS NOT NULL AS permitted;
-- nothing is permitted on guard.warning, though PostgreSQL's own privilege is granted
GRANT SELECT ON guard.warning TO regress_hr;

-- what a driver finds in the fields of the error: SQLSTATE, constraint, schema and table
CREATE FUNCTION guard.fields(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text; tab text; sch text;
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, tab = TABLE_NAME, sch = SCHEMA_NAME;
    RETURN format('%s %s %s.%s', SQLSTATE, code, sch, tab);
END
$$;

--
-- The employee: his own rows only
--
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT * FROM guard.absence ORDER BY id;                       -- ok: rows 1 and 2
SELECT count(*) FROM guard.absence WHERE employee = 18;        -- ok: none of a colleague
SELECT count(*) FROM guard.absence WHERE tenant = 'globex';    -- ok: none of the other tenant, where an employee 17 exists too
SELECT count(*) FROM guard.absence WHERE id = 4 OR 1 = 1;      -- ok: 2, an injected condition widens nothing
COMMIT;

--
-- HR: the rows of its tenant
--
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT * FROM guard.absence ORDER BY id;                       -- ok: rows 1, 2 and 3
INSERT INTO guard.absence VALUES (6, 'acme', 19, 8) RETURNING id;  -- ok
UPDATE guard.absence SET hours = hours + 1 WHERE true RETURNING id;       -- ok: rows 1, 2, 3 and 6
ROLLBACK;

--
-- HR of another tenant: none of the first's
--
BEGIN;
SELECT toms.enter('globex', '90', 'regress_hr', 'absence_management');
SELECT * FROM guard.absence ORDER BY id;                       -- ok: rows 4 and 5
SELECT count(*) FROM guard.absence WHERE tenant = 'acme';      -- ok: 0
COMMIT;

--
-- Rows are written for the tenant and, in scope own, for the subject of the context only
--
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO guard.absence VALUES (7, 'globex', 17, 8);         -- refused: toms_row_other_tenant
ROLLBACK;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
UPDATE guard.absence SET tenant = 'globex' WHERE id = 1;       -- refused: toms_row_other_tenant
ROLLBACK;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT guard.fields($$UPDATE guard.absence SET tenant = 'globex' WHERE id = 1$$);
SELECT regress.verdict($$UPDATE guard.absence SET hours = 0 WHERE id = 4$$);  -- ok: there is no row 4 to be changed
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.permit('regress_employee', 'guard.absence', '{insert,update}', '{absence_management}', 'own') IS NOT NULL AS permitted;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
INSERT INTO guard.absence VALUES (7, 'acme', 17, 8);           -- ok: for himself
INSERT INTO guard.absence VALUES (8, 'acme', 18, 8);           -- refused: toms_row_other_subject
ROLLBACK;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT guard.fields($$UPDATE guard.absence SET employee = 18 WHERE id = 1$$);
SELECT regress.verdict($$UPDATE guard.absence SET hours = 0 WHERE id = 3$$);  -- ok: there is no row 3 to be changed
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.forbid('regress_employee', 'guard.absence', '{insert,update}');

--
-- No context
--
\c - regress_job
\set SHOW_CONTEXT never
SELECT * FROM guard.absence;                                   -- refused: toms_context_missing
SELECT guard.fields('SELECT * FROM guard.absence');
INSERT INTO guard.absence VALUES (9, 'acme', 17, 8);           -- refused: toms_context_missing
-- a context that ended with its transaction: autocommit is told so
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT * FROM guard.absence;                                   -- refused: toms_context_ended
SELECT guard.fields('SELECT * FROM guard.absence');
-- left on purpose
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT toms.leave();
SELECT guard.fields('SELECT * FROM guard.absence');            -- refused: toms_context_ended
COMMIT;

--
-- Tokens that prove nothing.  test/mint.sh signs like the application's back end would.
--
\set forged `test/mint.sh --other '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"absence_management","exp":NOW+300}'`
\set past `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"absence_management","exp":NOW-60}'`
\set future `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"absence_management","nbf":NOW+200,"exp":NOW+300}'`
SET client_min_messages = error;        -- without the warning that a token should be a parameter
-- forged: signed by another key
BEGIN;
SELECT set_config('toms.token', :'forged', true);              -- refused: toms_token_forged
SELECT * FROM guard.absence;                                   -- refused: the transaction has failed
ROLLBACK;
SELECT guard.fields('SELECT * FROM guard.absence');            -- refused: a forged token is as good as none
BEGIN;
SELECT set_config('toms.token', :'past', true);                -- refused: toms_context_expired
ROLLBACK;
BEGIN;
SELECT set_config('toms.token', :'future', true);              -- refused: toms_context_not_yet_valid
ROLLBACK;

-- in the fields of the error there is no table yet, only the reason
SELECT guard.fields(format('SELECT set_config(''toms.token'', %L, true)', token)) AS fields
FROM (VALUES (:'forged'), (:'past'), (:'future')) tokens (token);

-- a second factor, a tenant and a role that nobody registered, two purposes: signed all right
\set mfa `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"payroll","amr":["pwd","mfa"],"exp":NOW+300}'`
\set pwd `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"payroll","amr":["pwd"],"exp":NOW+300}'`
\set initech `test/mint.sh '{"tenant":"initech","sub":"17","role":"regress_hr","purpose":"absence_management","exp":NOW+300}'`
\set nobody `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_nobody","purpose":"absence_management","exp":NOW+300}'`
\set officer `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_officer","purpose":"absence_management","exp":NOW+300}'`
\set several `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":["absence_management","payroll"],"exp":NOW+300}'`
\set word `test/mint.sh '{"tenant":"acme","sub":"seventeen","role":"regress_employee","purpose":"absence_management","exp":NOW+300}'`

--
-- A tenant that is not registered
--
BEGIN;
SELECT set_config('toms.token', :'initech', true);
SELECT guard.fields('SELECT * FROM guard.absence');
SELECT * FROM guard.absence;                                   -- refused: toms_tenant_unknown
ROLLBACK;

--
-- A wrong role: unknown, not one of the log-in's, without permission
--
BEGIN;
SELECT set_config('toms.token', :'nobody', true);
SELECT guard.fields('SELECT * FROM guard.absence');
SELECT * FROM guard.absence;                                   -- refused: toms_role_unknown
ROLLBACK;
BEGIN;
SELECT set_config('toms.token', :'officer', true);
SELECT guard.fields('SELECT * FROM guard.absence');
SELECT * FROM guard.absence;                                   -- refused: toms_role_not_member
ROLLBACK;
SELECT toms.enter('acme', '17', 'regress_officer', 'absence_management');  -- refused: toms_enter_not_allowed
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT guard.fields('SELECT * FROM guard.salary');
SELECT * FROM guard.salary;                                    -- refused: toms_permission_missing
ROLLBACK;
-- a GRANT is no permission
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management');
SELECT * FROM guard.warning;                                   -- refused: toms_permission_missing
ROLLBACK;
-- the log-in inherits the privileges of HR too: acting as an employee it has not got them
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'continued_pay');
SELECT * FROM guard.absence;                                   -- refused: toms_purpose_not_permitted
ROLLBACK;

--
-- A purpose that is not permitted, and none chosen out of several
--
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'performance_evaluation');
SELECT guard.fields('SELECT * FROM guard.absence');
SELECT * FROM guard.absence;                                   -- refused: toms_purpose_not_permitted
ROLLBACK;
BEGIN;
SELECT set_config('toms.token', :'several', true);
SELECT guard.fields('SELECT * FROM guard.absence');
SELECT * FROM guard.absence;                                   -- refused: toms_purpose_missing
ROLLBACK;
BEGIN;
SELECT set_config('toms.token', :'several', true);
SET LOCAL toms.purpose = 'absence_management';
SELECT count(*) FROM guard.absence;                            -- ok: 3
SET LOCAL toms.purpose = 'payroll';
SELECT guard.fields('SELECT * FROM guard.absence');            -- refused: toms_purpose_not_permitted
SET LOCAL toms.purpose = 'continued_pay';
SELECT guard.fields('SELECT * FROM guard.absence');            -- refused: permitted, but the token does not hold it
SELECT * FROM guard.absence;                                   -- refused: toms_purpose_not_in_token
ROLLBACK;

--
-- A verb that is not permitted
--
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT guard.fields('UPDATE guard.absence SET hours = 0 WHERE true');
UPDATE guard.absence SET hours = 0 WHERE true;                 -- refused: toms_verb_not_permitted
ROLLBACK;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
DELETE FROM guard.absence WHERE true;                          -- refused: toms_verb_not_permitted
ROLLBACK;

--
-- A second factor
--
BEGIN;
SELECT set_config('toms.token', :'pwd', true);
SELECT guard.fields('SELECT * FROM guard.salary');
SELECT * FROM guard.salary;                                    -- refused: toms_mfa_required
ROLLBACK;
BEGIN;
SELECT set_config('toms.token', :'mfa', true);
SELECT * FROM guard.salary;                                    -- ok
COMMIT;

--
-- A subject id that no row can have
--
BEGIN;
SELECT set_config('toms.token', :'word', true);
SELECT guard.fields('SELECT * FROM guard.absence');
SELECT * FROM guard.absence;                                   -- refused: toms_identifier_type
ROLLBACK;

--
-- Permitted, but the plain privilege was revoked
--
\c - :superuser
\set SHOW_CONTEXT never
REVOKE INSERT ON guard.absence FROM regress_hr;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT guard.fields($$INSERT INTO guard.absence VALUES (9, 'acme', 17, 8)$$);
INSERT INTO guard.absence VALUES (9, 'acme', 17, 8);           -- refused: toms_grant_missing
ROLLBACK;
-- the statement of the hint helps
RESET SESSION AUTHORIZATION;
GRANT insert ON guard.absence TO regress_hr;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO guard.absence VALUES (9, 'acme', 17, 8);           -- ok
ROLLBACK;
RESET SESSION AUTHORIZATION;

--
-- A log-in that does not inherit: the context alone gives it nothing, SET ROLE does
--
SET client_min_messages = error;
CREATE ROLE regress_guard_noinherit LOGIN NOINHERIT IN ROLE regress_hr;
GRANT USAGE ON SCHEMA guard TO regress_guard_noinherit;
SELECT toms.allow_enter('regress_guard_noinherit', '{acme}', '{regress_hr}') IS NOT NULL AS allowed;
RESET client_min_messages;
SET SESSION AUTHORIZATION regress_guard_noinherit;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT * FROM guard.absence;                                   -- refused: toms_grant_missing
ROLLBACK;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SET LOCAL ROLE regress_hr;
SELECT count(*) FROM guard.absence;                            -- ok: 3
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- A context that expires in the middle of its transaction ends there, under an open
-- cursor too; the server's clock may be toms.clock_leeway behind, here not at all
--
ALTER SYSTEM SET toms.clock_leeway = 0;
SELECT pg_reload_conf();
SELECT pg_sleep(0.3);
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management', valid_for => '3 seconds');
DECLARE opened CURSOR FOR SELECT id FROM guard.absence ORDER BY id;
FETCH 1 FROM opened;                                           -- ok
SELECT pg_sleep(3.1);
SELECT guard.fields('SELECT * FROM guard.absence');            -- refused
SAVEPOINT before;
SELECT * FROM guard.absence;                                   -- refused: toms_context_expired
ROLLBACK TO before;
FETCH 1 FROM opened;                                           -- refused: toms_context_expired
ROLLBACK;
RESET SESSION AUTHORIZATION;
ALTER SYSTEM RESET toms.clock_leeway;
SELECT pg_reload_conf();

--
-- A permission that ends, ends at once
--
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT count(*) FROM guard.absence;                            -- ok: 3
RESET SESSION AUTHORIZATION;
SELECT toms.forbid('regress_hr', 'guard.absence', purposes => '{absence_management}');
SET SESSION AUTHORIZATION regress_job;
SELECT guard.fields('SELECT * FROM guard.absence');            -- refused
ROLLBACK;
RESET SESSION AUTHORIZATION;

--
-- What a session may do, it can ask beforehand: explain_access() follows the same rule
--
SET SESSION AUTHORIZATION regress_job;
SELECT toms.explain_access('guard.absence', 'select');
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT toms.explain_access('guard.absence', 'select');
SELECT toms.explain_access('guard.absence', 'delete');
SELECT toms.explain_access('guard.salary', 'select');
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- toms.on_missing_context = 'empty', for pools and health checks that start without a
-- tenant: no rows and no error where the context is missing, and only there
--
SET toms.on_missing_context = 'empty';
SET SESSION AUTHORIZATION regress_job;
SELECT * FROM guard.absence;                                   -- ok: no rows
SELECT count(*) FROM guard.absence WHERE id = 1 OR 1 = 1;      -- ok: 0
SELECT toms.explain_access('guard.absence', 'select');
SELECT guard.fields($$INSERT INTO guard.absence VALUES (9, 'acme', 17, 8)$$);  -- refused: writing needs a context
SELECT guard.fields('UPDATE guard.absence SET hours = 0 WHERE true');          -- refused
SELECT guard.fields('DELETE FROM guard.absence WHERE true');                   -- refused
SELECT guard.fields('SELECT * FROM guard.absence FOR UPDATE');                 -- refused
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'performance_evaluation');
SELECT guard.fields('SELECT * FROM guard.absence');            -- refused: there is a context, but it does not permit this
COMMIT;
SET client_min_messages = error;
BEGIN;
SELECT set_config('toms.token', :'initech', true);
SELECT guard.fields('SELECT * FROM guard.absence');            -- refused: the same for a tenant that is unknown
COMMIT;
RESET client_min_messages;
SET toms.on_missing_context = 'error';                         -- refused: not the application's to choose
RESET SESSION AUTHORIZATION;
RESET toms.on_missing_context;

-- clean up
SELECT toms.disallow_enter('regress_guard_noinherit');
SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA guard CASCADE;
DROP ROLE regress_guard_noinherit;
