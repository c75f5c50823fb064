--
-- context: a token says who asks; what it says holds for one transaction, in every way a
-- statement can be run, and for nobody else
--
\set SHOW_CONTEXT never
\pset null '(null)'
\pset tuples_only on
\pset format unaligned
SET client_min_messages = error;        -- tokens stand in the statements' text here; see context_guc.sql
\set superuser :USER
CREATE SCHEMA regress_context;
GRANT USAGE ON SCHEMA regress_context TO PUBLIC;
CREATE TABLE regress_context.absence (tenant_id text NOT NULL, employee_id integer NOT NULL, day integer NOT NULL);
CREATE TABLE regress_context.calendar (day integer NOT NULL);
INSERT INTO regress_context.absence
SELECT tenant, employee, day
FROM (VALUES ('acme', 3), ('globex', 5)) t (tenant, employees), generate_series(1, employees) employee, generate_series(1, 100) day;
INSERT INTO regress_context.calendar SELECT generate_series(1, 1000);
GRANT SELECT ON regress_context.calendar TO PUBLIC;
SELECT toms.protect('regress_context.absence', tenant => 'tenant_id', subject => 'employee_id');
SELECT toms.permit('regress_hr', 'regress_context.absence', '{select}', '{absence_management,payroll}', scope => 'tenant') > 0;
SELECT toms.permit('regress_employee', 'regress_context.absence', '{select}', '{absence_management}', scope => 'own') > 0;
GRANT SELECT ON regress_context.absence TO regress_stranger;
ANALYZE regress_context.absence, regress_context.calendar;

-- who asks, and whose rows are there: acme has 300, globex 500, an employee 100
CREATE FUNCTION regress_context.whose() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    n bigint;
    tenants text;
BEGIN
    SELECT count(*), string_agg(DISTINCT tenant_id, '+') INTO n, tenants FROM regress_context.absence;
    RETURN format('%s rows of %s', n, coalesce(tenants, 'nobody'));
END
$$;
\set whose 'SELECT regress_context.whose()'
\set who 'SELECT tenant, subject, actor, role, purposes, purpose FROM toms.context();'
\set count 'SELECT count(*) FROM regress_context.absence'
\set verdict 'SELECT regress.verdict(''SELECT FROM regress_context.absence'');'

\set acme_hr `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+900}'`
\set acme_hr_again `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+1200,"jti":"2"}'`
\set acme_employee `test/mint.sh '{"tenant":"acme","sub":"2","role":"regress_employee","purpose":"absence_management","exp":NOW+900}'`
\set globex_hr `test/mint.sh '{"tenant":"globex","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+900}'`
\set forged `test/mint.sh --other '{"tenant":"globex","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+900}'`
\set two_purposes `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":["absence_management","payroll","audit"],"exp":NOW+900}'`
\set delegate `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"payroll","exp":NOW+900,"act":{"sub":"assistant-9"}}'`

--
-- Without a context: nothing
--
SET SESSION AUTHORIZATION regress_app;
:who
SELECT toms.current_tenant(), toms.current_subject(), toms.current_actor(), toms.current_purpose();
:verdict                                                                -- refused: there is none

--
-- What the token says, in the transaction that set it
--
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
:who
SELECT toms.current_tenant(), toms.current_subject(), toms.current_actor(), toms.current_purpose();
SELECT expires_at BETWEEN now() + '10 min' AND now() + '15 min 5 s' FROM toms.context();
:whose;
COMMIT;
-- the transaction has ended, and so has the context
:who
SELECT toms.current_tenant(), toms.current_subject(), toms.current_actor(), toms.current_purpose();
:verdict                                                                -- refused: ended

-- an employee sees his own rows
BEGIN;
SELECT set_config('toms.token', :'acme_employee', true);
:whose;
ROLLBACK;
:verdict                                                                -- refused: ended

-- by SET LOCAL, and by the actor that another one acts for
BEGIN;
SET LOCAL toms.token = :'delegate';
:who
:whose;
COMMIT;
:verdict                                                                -- refused: ended

-- in autocommit mode set_config() and SET LOCAL hold for their own statement, that is, for nothing
SELECT set_config('toms.token', :'acme_hr', true);
:verdict                                                                -- refused: ended
SET LOCAL toms.token = :'acme_hr';
:verdict                                                                -- refused: ended
-- in one statement, though, there is a transaction to live in
SELECT set_config('toms.token', :'acme_hr', true) \; :whose;
:verdict                                                                -- refused: ended

-- SET without LOCAL and set_config(…, false) do not outlive the transaction either, ...
SET client_min_messages = warning;
SET toms.token = :'acme_hr';                                            -- a warning says so
SET client_min_messages = error;
:verdict                                                                -- refused: ended
SELECT set_config('toms.token', :'acme_hr', false);
:verdict                                                                -- refused: ended
BEGIN;
SET toms.token = :'acme_hr';
:whose;
COMMIT;
:verdict                                                                -- refused: ended
-- ... nor does a context survive COMMIT AND CHAIN, or a COMMIT inside a procedure
BEGIN;
SET toms.token = :'acme_hr';
COMMIT AND CHAIN;
:verdict                                                                -- refused: ended
ROLLBACK;
DO $$
BEGIN
    PERFORM toms.current_tenant();
    COMMIT;
    RAISE INFO 'after COMMIT: tenant %', toms.current_tenant();
END
$$;
CREATE PROCEDURE pg_temp.commit_between(token text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('toms.token', token, false);
    RAISE INFO 'before COMMIT: %', regress_context.whose();
    COMMIT;
    RAISE INFO 'after COMMIT: %', regress.verdict('SELECT FROM regress_context.absence');
END
$$;
CALL pg_temp.commit_between(:'acme_hr');
DROP PROCEDURE pg_temp.commit_between;
-- the log-in cannot allow itself more
SET toms.session_context = on;                                          -- refused

--
-- A refused token leaves the context as it was
--
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
SAVEPOINT s;
SELECT set_config('toms.token', :'forged', true);                       -- refused: forged
ROLLBACK TO s;
:whose;
COMMIT;
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
SELECT regress.verdict($$SELECT set_config('toms.token', 'nonsense', true)$$);
:whose;
COMMIT;

--
-- leave(), RESET, DISCARD: the context is gone
--
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
SELECT toms.leave();
:who
:verdict                                                                -- refused: ended
COMMIT;
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
SET LOCAL toms.token = '';
:verdict                                                                -- refused: ended
ROLLBACK;
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
RESET toms.token;
:verdict                                                                -- refused: ended
ROLLBACK;
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
SET LOCAL toms.token TO DEFAULT;
:verdict                                                                -- refused: ended
ROLLBACK;
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
RESET ALL;
SET client_min_messages = error;
:verdict                                                                -- refused: ended
ROLLBACK;

--
-- Savepoints: each level has its own context
--
BEGIN;
SAVEPOINT one;
SELECT set_config('toms.token', :'acme_hr', true);
:whose;
SAVEPOINT two;
SELECT set_config('toms.token', :'acme_employee', true);                -- less is asked for
:whose;
RELEASE two;
:whose;                                                                 -- still the employee's
SAVEPOINT three;
SELECT toms.leave();
:verdict                                                                -- refused: ended
ROLLBACK TO three;
:whose;                                                                 -- the employee's again
ROLLBACK TO one;
:verdict                                                                -- refused: there was none then
COMMIT;
-- a block with an exception handler is a savepoint too
CREATE FUNCTION pg_temp.undone(token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('toms.token', token, true);
    RAISE 'undone, with %', regress_context.whose();
EXCEPTION WHEN raise_exception THEN
    RETURN SQLERRM;
END
$$;
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
SELECT pg_temp.undone(:'acme_employee');
:whose;                                                                 -- not the employee's
COMMIT;

--
-- One transaction, one tenant
--
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
SELECT regress.verdict(format('SELECT set_config(%L, %L, true)', 'toms.token', :'globex_hr'));  -- refused
SELECT toms.leave();
SELECT regress.verdict(format('SELECT set_config(%L, %L, true)', 'toms.token', :'globex_hr'));  -- refused: also after leaving
SELECT set_config('toms.token', :'acme_hr', true);                                              -- ok: the same tenant
:whose;
COMMIT;
BEGIN;
SAVEPOINT s;
SELECT set_config('toms.token', :'acme_hr', true);
ROLLBACK TO s;
SELECT regress.verdict(format('SELECT set_config(%L, %L, true)', 'toms.token', :'globex_hr'));  -- refused: also after ROLLBACK TO
COMMIT;
-- a token that is refused decides nothing
BEGIN;
SELECT regress.verdict(format('SELECT set_config(%L, %L, true)', 'toms.token', :'forged'));     -- refused
SELECT set_config('toms.token', :'acme_hr', true);                                              -- ok
:whose;
-- a token about to expire is renewed; another role or subject of the tenant may follow too
SELECT set_config('toms.token', :'acme_hr_again', true);                                        -- ok
:whose;
SELECT set_config('toms.token', :'acme_employee', true);                                        -- ok
:whose;
COMMIT;
-- the next transaction may be another tenant's
BEGIN;
SELECT set_config('toms.token', :'globex_hr', true);
:whose;
COMMIT;

--
-- Purposes: a token with several needs a choice, which must be one of them
--
BEGIN;
SELECT set_config('toms.token', :'two_purposes', true);
:who
:verdict                                                                -- refused: none chosen
SET LOCAL toms.purpose = 'payroll';
:who
SELECT toms.current_purpose();
:whose;
SET LOCAL toms.purpose = 'absence_management';
SELECT toms.current_purpose();
:whose;
SET LOCAL toms.purpose = 'audit';                                       -- of the token, but not permitted for the table
SELECT toms.current_purpose();
:verdict
SET LOCAL toms.purpose = 'marketing';                                   -- not of the token
:verdict
:who
SELECT toms.current_tenant(), toms.current_purpose();
SET LOCAL toms.purpose = 'PAYROLL';                                     -- not of the token
:verdict
SAVEPOINT s;
SET LOCAL toms.purpose = 'payroll';
:whose;
ROLLBACK TO s;
:verdict                                                                -- refused again
SET LOCAL toms.purpose = '';                                            -- none chosen
:verdict
COMMIT;
-- the order does not matter, and a token with one purpose needs no choice
BEGIN;
SET LOCAL toms.purpose = 'payroll';
SELECT set_config('toms.token', :'two_purposes', true);
:whose;
SELECT set_config('toms.token', :'acme_hr', true);                      -- has another purpose than the one chosen
:verdict
SET LOCAL toms.purpose = '';
:whose;
COMMIT;

--
-- Tenant, role and membership
--
\set initech `test/mint.sh '{"tenant":"initech","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+900}'`
\set no_role `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_nobody","purpose":"absence_management","exp":NOW+900}'`
\set owner `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_owner","purpose":"absence_management","exp":NOW+900}'`
BEGIN;
SELECT set_config('toms.token', :'initech', true);
:who
:verdict                                                                -- refused: not registered
ROLLBACK;
BEGIN;
SELECT set_config('toms.token', :'no_role', true);
:who
:verdict                                                                -- refused: no such role
ROLLBACK;
BEGIN;
SELECT set_config('toms.token', :'owner', true);
:who
:verdict                                                                -- refused: regress_app is not a member
ROLLBACK;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_stranger;                             -- who may read the table, but is no member of regress_hr
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
:verdict                                                                -- refused
:who
ROLLBACK;
RESET SESSION AUTHORIZATION;
-- membership is asked at each statement: it begins and ends within a transaction
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_stranger;
SELECT set_config('toms.token', :'acme_hr', true);
:verdict                                                                -- refused
SET LOCAL SESSION AUTHORIZATION DEFAULT;
GRANT regress_hr TO regress_stranger;
SET LOCAL SESSION AUTHORIZATION regress_stranger;
:whose;
SET LOCAL SESSION AUTHORIZATION DEFAULT;
REVOKE regress_hr FROM regress_stranger;
SET LOCAL SESSION AUTHORIZATION regress_stranger;
:verdict                                                                -- refused
ROLLBACK;
-- so is the tenant
SELECT toms.add_tenant('hooli', name => 'Hooli');
\set hooli `test/mint.sh '{"tenant":"hooli","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+900}'`
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_app;
SELECT set_config('toms.token', :'hooli', true);
:whose;
SET LOCAL SESSION AUTHORIZATION DEFAULT;
UPDATE toms.tenant SET ended_at = clock_timestamp() WHERE tenant = 'hooli';
SET LOCAL SESSION AUTHORIZATION regress_app;
:verdict                                                                -- refused: ended
:who
SET LOCAL SESSION AUTHORIZATION DEFAULT;
UPDATE toms.tenant SET ended_at = clock_timestamp() + '1 day' WHERE tenant = 'hooli';
SET LOCAL SESSION AUTHORIZATION regress_app;
:whose;                                                                 -- ok until then
ROLLBACK;
DELETE FROM toms.tenant WHERE tenant = 'hooli';

--
-- Plans that are kept are not bound to the context they were made in
--
SET SESSION AUTHORIZATION regress_app;
SET plan_cache_mode = force_generic_plan;
PREPARE counting AS SELECT count(*), min(tenant_id), max(tenant_id) FROM regress_context.absence;
PREPARE counting_of(integer) AS SELECT count(*), min(tenant_id), max(tenant_id) FROM regress_context.absence WHERE day <= $1;
BEGIN; SELECT set_config('toms.token', :'acme_hr', true); EXECUTE counting; EXECUTE counting_of(10); COMMIT;
BEGIN; SELECT set_config('toms.token', :'globex_hr', true); EXECUTE counting; EXECUTE counting_of(10); COMMIT;
BEGIN; SELECT set_config('toms.token', :'acme_employee', true); EXECUTE counting; EXECUTE counting_of(10); COMMIT;
EXECUTE counting;                                                       -- refused: ended
EXECUTE counting_of(10);                                                -- refused: ended
BEGIN; SELECT set_config('toms.token', :'globex_hr', true); EXECUTE counting; EXECUTE counting_of(10); COMMIT;
SELECT name, generic_plans >= 4, custom_plans FROM pg_prepared_statements ORDER BY name;
DEALLOCATE ALL;
RESET plan_cache_mode;
-- a PL/pgSQL function, its queries and its simple expressions, often enough for a generic plan
CREATE FUNCTION pg_temp.kept() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    tenant text := toms.current_tenant();
    n bigint;
BEGIN
    SELECT count(*) INTO n FROM regress_context.absence a WHERE a.tenant_id = tenant;
    RETURN tenant || ' ' || n;
END
$$;
BEGIN; SELECT set_config('toms.token', :'acme_hr', true); SELECT pg_temp.kept() FROM generate_series(1, 7); COMMIT;
BEGIN; SELECT set_config('toms.token', :'globex_hr', true); SELECT pg_temp.kept() FROM generate_series(1, 7); COMMIT;
BEGIN; SELECT set_config('toms.token', :'acme_employee', true); SELECT pg_temp.kept(); COMMIT;
SELECT pg_temp.kept();                                                  -- refused: ended
DROP FUNCTION pg_temp.kept;

--
-- A cursor gives its rows only in the context that it was opened in
--
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
DECLARE one CURSOR FOR SELECT tenant_id, employee_id, day FROM regress_context.absence ORDER BY employee_id, day;
DECLARE two CURSOR FOR SELECT tenant_id, employee_id, day FROM regress_context.absence ORDER BY employee_id, day;
DECLARE three CURSOR FOR SELECT tenant_id, employee_id, day FROM regress_context.absence ORDER BY employee_id, day;
DECLARE four CURSOR FOR SELECT tenant_id, employee_id, day FROM regress_context.absence ORDER BY employee_id, day;
FETCH 2 FROM one;
SELECT set_config('toms.token', :'acme_hr_again', true);
FETCH 1 FROM one;                                                       -- ok: renewed for the same
SAVEPOINT s;
SELECT set_config('toms.token', :'acme_employee', true);
FETCH 1 FROM one;                                                       -- refused: another subject, another role
ROLLBACK TO s;
FETCH 1 FROM two;                                                       -- ok: the former context is back
SAVEPOINT s;
SET LOCAL toms.purpose = 'payroll';
FETCH 1 FROM two;                                                       -- refused: another purpose
ROLLBACK TO s;
SELECT toms.leave();
SAVEPOINT s;
FETCH 1 FROM three;                                                     -- refused: left
ROLLBACK TO s;
MOVE 1 IN four;                                                         -- refused: left
ROLLBACK;
-- a savepoint brings back the context before, not the cursor's
BEGIN;
SELECT set_config('toms.token', :'acme_employee', true);
SAVEPOINT s;
SELECT set_config('toms.token', :'acme_hr', true);
DECLARE c CURSOR FOR SELECT count(*) FROM regress_context.absence;
RELEASE s;
FETCH 1 FROM c;                                                         -- ok
SELECT set_config('toms.token', :'acme_employee', true);
FETCH 1 FROM c;                                                         -- refused
ROLLBACK;
-- an open cursor of a function
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
CREATE FUNCTION pg_temp.open() RETURNS refcursor LANGUAGE plpgsql AS $$
DECLARE
    c refcursor := 'portal';
BEGIN
    OPEN c FOR SELECT count(*) FROM regress_context.absence;
    RETURN c;
END
$$;
SELECT pg_temp.open();
SELECT set_config('toms.token', :'acme_employee', true);
FETCH 1 FROM portal;                                                    -- refused
ROLLBACK;

--
-- A context that expires ends at the next statement, also for an open cursor
--
RESET SESSION AUTHORIZATION;
ALTER SYSTEM SET toms.clock_leeway = 0;
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SET SESSION AUTHORIZATION regress_app;
\set short `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+3}'`
BEGIN;
SELECT set_config('toms.token', :'short', true);
:whose;
DECLARE one CURSOR FOR SELECT employee_id FROM regress_context.absence;
DECLARE two CURSOR FOR SELECT employee_id FROM regress_context.absence;
FETCH 1 FROM one;
SELECT pg_sleep(3.2);
SAVEPOINT s;
FETCH 1 FROM one;                                                         -- refused: expired
ROLLBACK TO s;
:verdict                                                                -- refused: expired
:who
SELECT toms.current_tenant();
SELECT regress.verdict(format('SELECT set_config(%L, %L, true)', 'toms.token', :'globex_hr'));  -- refused: still a transaction of acme
SELECT set_config('toms.token', :'acme_hr', true);                      -- ok: renewed
:whose;
FETCH 1 FROM two;                                                       -- ok: the same who asks
COMMIT;
-- a statement that is not the first one of its message: the clock counts, not the message's start
\set short `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+2}'`
BEGIN \; SELECT set_config('toms.token', :'short', true) \; SELECT pg_sleep(2.2) \; :count \; COMMIT;
ROLLBACK;
RESET SESSION AUTHORIZATION;
ALTER SYSTEM RESET toms.clock_leeway;
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);

--
-- Sessions that no pooler shares: an administrator may let a context live longer, role by role
--
ALTER ROLE regress_app SET toms.session_context = on;
\c - regress_app
SET client_min_messages = warning;
SHOW toms.session_context;
SET toms.token = :'acme_hr';                                            -- only the warning about its text
SET client_min_messages = error;
:whose;
:whose;
BEGIN;
:whose;
SELECT regress.verdict(format('SET LOCAL toms.token = %L', :'globex_hr'));  -- refused: this transaction has used it
COMMIT;
:verdict                                                                -- refused: a refused token ends the session's context
SET toms.token = :'acme_hr';
-- a transaction's own context goes before, and ends
BEGIN;
SET LOCAL toms.token = :'globex_hr';
:whose;
COMMIT;
:whose;
BEGIN;
SELECT toms.leave();
ROLLBACK;
:whose;                                                                 -- leaving was undone
SELECT toms.leave();
:verdict                                                                -- refused
SET toms.token = :'acme_hr';
RESET toms.token;
:verdict                                                                -- refused
SET toms.token = :'acme_hr';
DISCARD ALL;
SET client_min_messages = error;
:verdict                                                                -- refused
\c - :superuser
SET client_min_messages = error;
ALTER ROLE regress_app RESET toms.session_context;
\c - regress_app
SET client_min_messages = error;
SHOW toms.session_context;
SET toms.token = :'acme_hr';
:verdict                                                                -- refused: ended
\c - :superuser
SET client_min_messages = error;

--
-- Missing contexts: an administrator may have them see nothing instead of being refused
--
SET toms.on_missing_context = 'empty';
SET SESSION AUTHORIZATION regress_app;
:verdict                                                                -- no rows: missing
SET toms.token = :'acme_hr';
:verdict                                                                -- no rows: ended
BEGIN; SELECT set_config('toms.token', :'acme_hr', true); :whose; COMMIT;
BEGIN; SELECT set_config('toms.token', :'initech', true); :verdict COMMIT;      -- refused: only what is missing is empty
BEGIN; SELECT set_config('toms.token', :'owner', true); :verdict COMMIT;        -- refused
BEGIN; SELECT set_config('toms.token', :'two_purposes', true); :verdict COMMIT; -- refused
RESET SESSION AUTHORIZATION;
RESET toms.on_missing_context;

--
-- tidy up
--
SELECT toms.unprotect('regress_context.absence', reason => 'end of test');
DROP SCHEMA regress_context CASCADE;
