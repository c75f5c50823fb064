--
-- purpose_function: access functions
--
-- A function that an officer has bound to a purpose runs for that purpose, if the token holds it;
-- before and after it, however it ends, the purpose in force is the one of the statement.  A
-- table can be declared reachable through such functions only.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE FUNCTION regress.cancel() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_cancel_backend(pg_backend_pid());
    PERFORM pg_sleep(60);
END
$$;
CREATE SCHEMA playground AUTHORIZATION regress_app;
CREATE SCHEMA leave AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA leave TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE leave.absence (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, days integer);
INSERT INTO leave.absence VALUES (1, 'acme', 17, 3), (2, 'acme', 18, 5), (3, 'acme', 18, 40), (4, 'globex', 17, 9);
CREATE TABLE leave.note (tenant text NOT NULL DEFAULT toms.current_tenant(), t text);
-- an access function in each form; the caller has no other way to the table
CREATE FUNCTION leave.absences(employee integer DEFAULT NULL) RETURNS TABLE (id integer, days integer)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.id, a.days FROM leave.absence a WHERE a.employee = coalesce($1, a.employee) ORDER BY a.id;
$$;
CREATE FUNCTION leave.weeks_paid(who integer) RETURNS integer       -- § 3 EFZG: six weeks
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT least(sum(a.days) / 7, 6) FROM leave.absence a WHERE a.employee = who);
END
$$;
CREATE FUNCTION leave.purpose_now() RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN toms.current_purpose(); END $$;
CREATE FUNCTION leave.nested(depth integer) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN toms.current_purpose() || CASE WHEN depth > 0 THEN ' > ' || leave.nested(depth - 1) ELSE ' > ' || leave.purpose_now() END || ' > ' || toms.current_purpose();
END
$$;
CREATE FUNCTION leave.failing(how text) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM count(*) FROM leave.absence;
    IF how = 'division' THEN PERFORM 1 / 0; END IF;
    IF how = 'sleep' THEN PERFORM pg_sleep(60); END IF;
    IF how = 'cancel' THEN PERFORM regress.cancel(); END IF;
    IF how = 'nested' THEN RETURN leave.failing('division'); END IF;
    IF how = 'caught' THEN
        BEGIN
            PERFORM leave.failing('nested');
        EXCEPTION WHEN division_by_zero THEN
            RETURN toms.current_purpose();
        END;
    END IF;
    RETURN 'none';
END
$$;
CREATE FUNCTION leave.cursor() RETURNS refcursor
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE c refcursor := 'left_open'; first record;
BEGIN
    OPEN c FOR SELECT id FROM leave.absence ORDER BY id;
    FETCH c INTO first;
    RETURN c;
END
$$;
CREATE FUNCTION leave.on_note() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$ BEGIN NEW.t := NEW.t || ': ' || (SELECT count(*) FROM leave.absences()); RETURN NEW; END $$;
CREATE TRIGGER on_note BEFORE INSERT ON leave.note FOR EACH ROW EXECUTE FUNCTION leave.on_note();
CREATE VIEW leave.overview WITH (security_invoker = true) AS SELECT * FROM leave.absences();
GRANT SELECT ON leave.overview TO PUBLIC;
-- a procedure would have to give up its own search_path to commit
CREATE PROCEDURE leave.commits() LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM count(*) FROM leave.absence;
    COMMIT;
END
$$;
CREATE FUNCTION leave.total(bigint, integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE AGGREGATE leave.sum_of(integer) (SFUNC = leave.total, STYPE = bigint, INITCOND = '0');
-- functions that a caller could turn to his own ends
CREATE FUNCTION leave.forever(employee integer) RETURNS bigint LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN (SELECT count(*) FROM leave.absence a WHERE a.employee = $1); END $$;
CREATE FUNCTION leave.any(anyelement) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT $1::text';
CREATE FUNCTION leave.any(refcursor) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT $1::text';
CREATE FUNCTION leave.record() RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT id FROM leave.absence';
CREATE FUNCTION leave.no_path() RETURNS bigint LANGUAGE sql STABLE SET search_path = '' AS 'SELECT count(*) FROM leave.absence';
CREATE FUNCTION leave.early_temp() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_temp, pg_catalog, pg_temp AS 'SELECT count(*) FROM leave.absence';
CREATE FUNCTION leave.quoted_path() RETURNS bigint LANGUAGE sql STABLE SET search_path = "pg_catalog, pg_temp" AS 'SELECT count(*) FROM leave.absence';
CREATE FUNCTION leave.users_path() RETURNS bigint LANGUAGE sql STABLE SET search_path = "$user", pg_temp AS 'SELECT count(*) FROM leave.absence';
CREATE FUNCTION leave.others_path() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, playground, pg_temp AS 'SELECT count(*) FROM leave.absence';
CREATE FUNCTION leave.open_path() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog AS 'SELECT count(*) FROM leave.absence';
SET client_min_messages = notice;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.load_purposes('absence');
SELECT toms.add_purpose('care', 'care of employees', 'Art. 6(1)(b) GDPR');
SELECT toms.protect('leave.absence', tenant => 'tenant', subject => 'employee', category => 'health', access => 'functions');
SELECT toms.protect('leave.note', tenant => 'tenant');
SELECT access, intact FROM toms.protected_tables WHERE relation = 'leave.absence'::regclass;
SELECT toms.permit('regress_hr', 'leave.absence', '{select}', '{absence_management,continued_pay}', scope => 'tenant') > 0;
SELECT toms.permit('regress_employee', 'leave.absence', '{select}', '{absence_management}', scope => 'own') > 0;
SELECT toms.permit('regress_hr', 'leave.note', '{select,insert}', '{care}', scope => 'tenant') > 0;

--
-- Binding: an officer, a registered purpose, a function whose names nobody can turn
--
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.absences(integer)', 'anything')$$);          -- refused: not registered
SELECT regress.verdict($$SELECT toms.bind_purpose('pg_catalog.abs(integer)', 'care')$$);          -- refused: PostgreSQL's own
SET SESSION AUTHORIZATION regress_owner;
CREATE FUNCTION leave.loose() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM leave.absence';
CREATE FUNCTION leave.standard() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp RETURN (SELECT count(*) FROM leave.note);
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.loose()', 'absence_management')$$);          -- refused: not an officer
SELECT regress.verdict($$SECURITY LABEL FOR toms ON FUNCTION leave.loose() IS 'purpose=absence_management'$$);     -- refused: not an officer
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.loose()', 'absence_management')$$);          -- refused: no search_path
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.standard()', 'absence_management')$$);       -- refused: cannot be compared
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.on_note()', 'absence_management')$$);        -- refused: anybody can make a trigger of it
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.forever(integer)', 'absence_management')$$);  -- refused: its result would stay in plans
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.any(anyelement)', 'absence_management')$$);   -- refused: the caller's type brings code
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.any(refcursor)', 'absence_management')$$);    -- refused: the caller's statement
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.record()', 'absence_management')$$);          -- refused: the caller names the columns' types
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.open_path()', 'absence_management')$$);       -- refused: temporary objects come first
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.no_path()', 'absence_management')$$);         -- refused: they do
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.early_temp()', 'absence_management')$$);      -- refused: they do
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.quoted_path()', 'absence_management')$$);     -- refused: one name that looks like two
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.users_path()', 'absence_management')$$);      -- refused: the caller's schema
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.others_path()', 'absence_management')$$);     -- refused: others create there
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.sum_of(integer)', 'absence_management')$$);   -- refused: an aggregate
SELECT toms.bind_purpose(f, 'absence_management')
FROM unnest('{leave.absences(integer),leave.nested(integer),leave.failing(text),leave.cursor(),leave.commits()}'::regprocedure[]) f \g /dev/null
SELECT toms.bind_purpose(f, 'continued_pay') FROM unnest('{leave.weeks_paid(integer),leave.purpose_now()}'::regprocedure[]) f \g /dev/null
SELECT function, purpose, intact FROM toms.access_functions ORDER BY function::text;

\set hr `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":["absence_management","continued_pay","care"],"exp":NOW+900}'`
\set only_pay `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"continued_pay","exp":NOW+900}'`
\set employee `test/mint.sh '{"tenant":"acme","sub":"18","role":"regress_employee","purpose":["absence_management","care"],"exp":NOW+900}'`
\set globex `test/mint.sh '{"tenant":"globex","sub":"1","role":"regress_hr","purpose":["absence_management","care"],"exp":NOW+900}'`
-- the verdict on a statement, and the purpose that is in force after it
RESET SESSION AUTHORIZATION;
CREATE FUNCTION regress.after(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN regress.verdict(statement) || ', then ' || toms.current_purpose();
END
$$;

--
-- The table is reached through its functions only
--
SET client_min_messages = error;
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT set_config('toms.token', :'hr', true) \g /dev/null
SET LOCAL toms.purpose = 'absence_management';
SELECT regress.verdict('SELECT * FROM leave.absence');                                     -- refused, though the purpose is right
SELECT regress.verdict('SELECT count(*) FROM leave.absence');
SELECT regress.verdict('COPY leave.absence TO STDOUT');
SELECT * FROM leave.absences();
-- one of the same name and body that comes first on the path is not it
CREATE FUNCTION playground.absences(employee integer DEFAULT NULL) RETURNS TABLE (id integer, days integer) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS
    'SELECT a.id, a.days FROM leave.absence a ORDER BY a.id';
SET LOCAL search_path = playground, leave;
SELECT regress.verdict('SELECT * FROM absences()');                                        -- refused
SET LOCAL search_path = leave, playground;
SELECT regress.verdict('SELECT * FROM absences()');                                        -- ok
SELECT toms.explain_access('leave.absence', 'select');
COMMIT;

--
-- Purposes: of the function, not of the statement
--
BEGIN;
SELECT set_config('toms.token', :'hr', true) \g /dev/null
SET LOCAL toms.purpose = 'care';
SELECT * FROM leave.absences(18);                                                          -- absence_management
SELECT leave.weeks_paid(18);                                                               -- continued_pay
SELECT toms.current_purpose();                                                          -- care
-- nested and recursive
SELECT leave.nested(2);
-- in the target list, value by value; its arguments belong to the statement
SELECT leave.absences(leave.weeks_paid(18) + 12), toms.current_purpose();
SELECT (leave.absences(18)).id, leave.purpose_now(), toms.current_purpose();
-- through a view, a CTE, a sub-select, and only as far as somebody reads
SELECT id FROM leave.overview LIMIT 1;
WITH a AS (SELECT * FROM leave.absences()) SELECT count(*), toms.current_purpose() FROM a;
SELECT EXISTS (SELECT FROM leave.absences()), toms.current_purpose();
-- in a trigger
INSERT INTO leave.note (t) VALUES ('rows seen') RETURNING t, toms.current_purpose();
-- a function that says it is immutable would leave one tenant's rows in another one's plan
PREPARE forever AS SELECT leave.forever(17);
SELECT regress.verdict('EXECUTE forever');
SELECT regress.verdict('SELECT leave.forever(employee) FROM leave.absences() a (employee)');
-- in a prepared statement, whose plan is kept
PREPARE kept AS SELECT leave.weeks_paid($1), toms.current_purpose();
EXECUTE kept(17); EXECUTE kept(18); EXECUTE kept(17); EXECUTE kept(18); EXECUTE kept(17); EXECUTE kept(18); EXECUTE kept(17);
-- before the token has a purpose in force
RESET toms.purpose;
SELECT leave.weeks_paid(18), toms.current_purpose() IS NULL;
COMMIT;

--
-- A token that does not hold the purpose opens nothing, nor does none
--
BEGIN;
SELECT set_config('toms.token', :'only_pay', true) \g /dev/null
SELECT regress.after('SELECT * FROM leave.absences()');
SELECT leave.weeks_paid(18);
COMMIT;
SELECT regress.verdict('SELECT * FROM leave.absences()');
BEGIN; SELECT set_config('toms.token', :'employee', true) \g /dev/null
SELECT * FROM leave.absences(); COMMIT;                                                    -- one's own
BEGIN; SELECT set_config('toms.token', :'globex', true) \g /dev/null
SELECT * FROM leave.absences(); COMMIT;                                                    -- another tenant's
-- a token that is swapped while the function runs
SELECT set_config('test.only_pay', :'only_pay', false) \g /dev/null
RESET SESSION AUTHORIZATION;
CREATE FUNCTION leave.swaps() RETURNS text LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('toms.token', current_setting('test.only_pay'), true);
    RETURN regress.verdict('SELECT * FROM leave.absence');
END
$$;
SELECT toms.bind_purpose('leave.swaps()', 'absence_management');
SET SESSION AUTHORIZATION regress_app;
BEGIN; SELECT set_config('toms.token', :'hr', true) \g /dev/null
SELECT leave.swaps(); SELECT toms.current_purpose(); COMMIT;

--
-- However the function ends, the purpose is the one before
--
BEGIN;
SELECT set_config('toms.token', :'hr', true) \g /dev/null
SET LOCAL toms.purpose = 'care';
SELECT regress.after($$SELECT leave.failing('division')$$);
SELECT regress.after($$SELECT leave.failing('nested')$$);
SELECT leave.failing('caught'), toms.current_purpose();
SAVEPOINT s;
SELECT leave.failing('division');
ROLLBACK TO s;
SELECT toms.current_purpose();
SET LOCAL statement_timeout = '100ms';
SELECT leave.failing('sleep');
ROLLBACK TO s;
SELECT toms.current_purpose();
SET LOCAL statement_timeout = 0;
SELECT leave.failing('cancel');
ROLLBACK TO s;
SELECT toms.current_purpose();
CALL leave.commits();
ROLLBACK TO s;
SELECT toms.current_purpose();
SELECT regress.verdict('SELECT * FROM leave.absence');                                     -- refused: in no function
-- a cursor that is left half-read belongs to the function
SELECT leave.cursor();
SELECT toms.current_purpose();
SELECT regress.verdict('FETCH ALL FROM left_open');
COMMIT;
-- nor is one read outside that the function has opened only
RESET SESSION AUTHORIZATION;
CREATE FUNCTION leave.opened() RETURNS refcursor LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE c refcursor := 'opened';
BEGIN
    OPEN c FOR SELECT id FROM leave.absence ORDER BY id;
    RETURN c;
END
$$;
SELECT toms.bind_purpose('leave.opened()', 'absence_management');
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT set_config('toms.token', :'hr', true) \g /dev/null
SET LOCAL toms.purpose = 'absence_management';
SELECT leave.opened();
SELECT regress.verdict('FETCH ALL FROM opened');
COMMIT;
-- a cursor over a function goes on in its frames, row by row
BEGIN;
SELECT set_config('toms.token', :'hr', true) \g /dev/null
SET LOCAL toms.purpose = 'care';
DECLARE c CURSOR FOR SELECT leave.absences(18), toms.current_purpose();
FETCH c;
SELECT toms.current_purpose();
FETCH c;
CLOSE c;
SELECT regress.verdict('SELECT * FROM leave.absence');
COMMIT;
-- a statement that is begun after an error is the first of its transaction again
BEGIN; SELECT set_config('toms.token', :'hr', true) \g /dev/null
SELECT leave.failing('division');
ROLLBACK;
SELECT toms.current_purpose() IS NULL;

--
-- Parallel workers have the purpose of the function that they work for
--
RESET SESSION AUTHORIZATION;
CREATE FUNCTION leave.day_sum() RETURNS bigint LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET parallel_setup_cost = 0 SET parallel_tuple_cost = 0 SET min_parallel_table_scan_size = 0 SET parallel_leader_participation = off AS $$
DECLARE
    plan text;
    line text;
BEGIN
    FOR line IN EXPLAIN (COSTS OFF) SELECT sum(days) FROM leave.absence LOOP
        plan := concat(plan, line);
    END LOOP;
    IF plan !~ 'Gather' THEN
        RAISE EXCEPTION 'the plan is not a parallel one: %', plan;
    END IF;
    RETURN (SELECT sum(days) FROM leave.absence);
END
$$;
SELECT toms.bind_purpose('leave.day_sum()', 'absence_management');
SET SESSION AUTHORIZATION regress_app;
BEGIN; SELECT set_config('toms.token', :'hr', true) \g /dev/null
SET LOCAL toms.purpose = 'care';
SELECT leave.day_sum(), toms.current_purpose();
COMMIT;
-- nobody makes a frame by hand
SELECT regress.verdict($$SET toms.frame_place = 1$$);
RESET SESSION AUTHORIZATION;
SELECT regress.verdict($$SET toms.frame_place = 1$$);
SELECT regress.verdict($$ALTER ROLE regress_app SET toms.frame_place = 1$$);

--
-- A function that is changed loses its purpose until an officer has looked at it
--
SET SESSION AUTHORIZATION regress_owner;
CREATE OR REPLACE FUNCTION leave.weeks_paid(who integer) RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT max(a.days) FROM leave.absence a);
END
$$;
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_app;
BEGIN; SELECT set_config('toms.token', :'hr', true) \g /dev/null
SELECT regress.verdict('SELECT leave.weeks_paid(18)');
SET client_min_messages = error;
SELECT regress.verdict('EXECUTE kept(18)');                                             -- also by the plan that was kept
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT function, intact FROM toms.access_functions WHERE NOT intact;
SELECT toms.bind_purpose('leave.weeks_paid(integer)', 'continued_pay');
SET SESSION AUTHORIZATION regress_app;
BEGIN; SELECT set_config('toms.token', :'hr', true) \g /dev/null
SELECT leave.weeks_paid(18); COMMIT;
-- whom it runs as and what it looks at belong to the definition
RESET SESSION AUTHORIZATION;
ALTER FUNCTION leave.weeks_paid(integer) SECURITY DEFINER;
SELECT intact FROM toms.access_functions WHERE function = 'leave.weeks_paid(integer)'::regprocedure;
ALTER FUNCTION leave.weeks_paid(integer) SECURITY INVOKER;
SELECT intact FROM toms.access_functions WHERE function = 'leave.weeks_paid(integer)'::regprocedure;
ALTER FUNCTION leave.weeks_paid(integer) SET search_path = leave;
SELECT intact FROM toms.access_functions WHERE function = 'leave.weeks_paid(integer)'::regprocedure;
ALTER FUNCTION leave.weeks_paid(integer) SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION leave.weeks_paid(integer) OWNER TO regress_hr;
SELECT intact FROM toms.access_functions WHERE function = 'leave.weeks_paid(integer)'::regprocedure;
ALTER FUNCTION leave.weeks_paid(integer) OWNER TO regress_owner;
ALTER FUNCTION leave.weeks_paid(integer) RENAME TO weeks;
SELECT function, intact FROM toms.access_functions WHERE function = 'leave.weeks(integer)'::regprocedure;    -- a name is only a name

--
-- Unbound it is a function like any other, also in plans that were made before
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.unbind_purpose('leave.absences(integer)');
SELECT regress.verdict($$SELECT toms.unbind_purpose('leave.absences(integer)')$$);
SELECT purpose, action, description FROM toms.purpose_history WHERE action = 'unbind';
SET SESSION AUTHORIZATION regress_app;
BEGIN; SELECT set_config('toms.token', :'hr', true) \g /dev/null
SET LOCAL toms.purpose = 'absence_management';
SELECT regress.verdict('SELECT * FROM leave.absences()');
COMMIT;
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
SELECT toms.unprotect(t, reason => 'end of test') FROM unnest('{leave.absence,leave.note}'::regclass[]) t \g /dev/null
DROP SCHEMA leave, playground CASCADE;
DROP FUNCTION regress.after(text), regress.cancel();
TRUNCATE toms.purpose, toms.purpose_history;
