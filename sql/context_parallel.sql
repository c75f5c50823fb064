--
-- context_parallel: parallel workers ask in their leader's context, and get no more than he would
--
\set SHOW_CONTEXT never
\pset tuples_only on
\pset format unaligned
SET client_min_messages = error;
CREATE SCHEMA regress_parallel;
GRANT USAGE ON SCHEMA regress_parallel TO PUBLIC;
CREATE TABLE regress_parallel.absence (tenant_id text NOT NULL, employee_id integer NOT NULL, day integer NOT NULL);
CREATE TABLE regress_parallel.calendar (day integer NOT NULL);
INSERT INTO regress_parallel.absence
SELECT tenant, employee, day
FROM (VALUES ('acme', 3), ('globex', 5)) t (tenant, employees), generate_series(1, employees) employee, generate_series(1, 100) day;
INSERT INTO regress_parallel.calendar SELECT generate_series(1, 1000);
GRANT SELECT ON regress_parallel.calendar TO PUBLIC;
SELECT toms.protect('regress_parallel.absence', tenant => 'tenant_id', subject => 'employee_id');
SELECT toms.permit('regress_hr', 'regress_parallel.absence', '{select}', '{absence_management}', scope => 'tenant') > 0;
SELECT toms.permit('regress_employee', 'regress_parallel.absence', '{select}', '{absence_management}', scope => 'own') > 0;
GRANT SELECT ON regress_parallel.absence TO regress_stranger;
ANALYZE regress_parallel.absence, regress_parallel.calendar;

-- every plan is a parallel one, and only its workers do the work
SELECT set_config(name, 'on', false) AS parallel FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;

-- a function that a worker may call, which reads the protected table
CREATE FUNCTION regress_parallel.rows_seen() RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT count(*) FROM regress_parallel.absence);
END
$$;
\set table 'SELECT count(*), min(tenant_id), max(tenant_id) FROM regress_parallel.absence;'
\set function 'SELECT max(regress_parallel.rows_seen()) FROM regress_parallel.calendar WHERE day > 0;'
\set table_verdict 'SELECT regress.verdict(''SELECT day FROM regress_parallel.absence'');'
\set function_verdict 'SELECT regress.verdict(''SELECT FROM regress_parallel.calendar WHERE regress_parallel.rows_seen() > 0'');'

\set function_refused 'SELECT regress.verdict(''SELECT FROM regress_parallel.calendar WHERE regress_parallel.rows_seen() > 0'') ~ ''^refused: toms_context_(missing|ended) '';'

\set acme_hr `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+900}'`
\set acme_employee `test/mint.sh '{"tenant":"acme","sub":"2","role":"regress_employee","purpose":"absence_management","exp":NOW+900}'`
\set globex_hr `test/mint.sh '{"tenant":"globex","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+900}'`
\set initech `test/mint.sh '{"tenant":"initech","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+900}'`
\set no_role `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_nobody","purpose":"absence_management","exp":NOW+900}'`
\set two_purposes `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":["absence_management","audit"],"exp":NOW+900}'`

--
-- The plans have a Gather node
--
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
EXPLAIN (COSTS OFF) :table
EXPLAIN (COSTS OFF) :function
COMMIT;

--
-- Workers see the rows of the leader's context
--
BEGIN; SELECT set_config('toms.token', :'acme_hr', true); :table :function COMMIT;
BEGIN; SELECT set_config('toms.token', :'globex_hr', true); :table :function COMMIT;
BEGIN; SELECT set_config('toms.token', :'acme_employee', true); :table :function COMMIT;
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
SELECT DISTINCT toms.current_tenant(), toms.current_subject(), toms.current_actor(), toms.current_purpose() FROM regress_parallel.calendar;
SELECT DISTINCT c.tenant, c.role FROM regress_parallel.calendar, toms.context() c;
COMMIT;
-- also of the purpose chosen by the leader
BEGIN;
SELECT set_config('toms.token', :'two_purposes', true);
:table_verdict                                                          -- refused: none chosen
:function_verdict                                                       -- refused: none chosen
SET LOCAL toms.purpose = 'absence_management';
:table
:function
SET LOCAL toms.purpose = 'audit';
:table_verdict                                                          -- refused: not permitted
:function_verdict                                                       -- refused: not permitted
SET LOCAL toms.purpose = 'marketing';
:table_verdict                                                          -- refused: not of the token
:function_verdict                                                       -- refused: not of the token
ROLLBACK;
-- a worker cannot set a token
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
CREATE FUNCTION pg_temp.widen(token text) RETURNS text LANGUAGE sql PARALLEL SAFE AS $$ SELECT set_config('toms.token', token, true) $$;
SELECT count(pg_temp.widen(:'acme_employee')) FROM regress_parallel.calendar;
ROLLBACK;

--
-- What the leader is refused, his workers are refused: also where the leader's own statement
-- touches nothing protected, and only a function in a worker does
--
:table_verdict                                                          -- refused: ended
:function_refused                                                       -- t: refused
SET toms.token = :'acme_hr';                                            -- ends with its own transaction
:table_verdict                                                          -- refused: ended
:function_refused                                                       -- t: refused
SELECT count(toms.current_tenant()) FROM regress_parallel.calendar;     -- 0: no tenant
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
SELECT toms.leave();
:table_verdict                                                          -- refused: left
:function_refused                                                       -- t: refused
ROLLBACK;
-- a tenant that is not registered
BEGIN;
SELECT set_config('toms.token', :'initech', true);
:table_verdict                                                          -- refused: toms_tenant_unknown
:function_verdict                                                       -- refused: toms_tenant_unknown
SELECT count(toms.current_tenant()) FROM regress_parallel.calendar;     -- 0: no tenant
ROLLBACK;
-- a role that does not exist
BEGIN;
SELECT set_config('toms.token', :'no_role', true);
:table_verdict                                                          -- refused: toms_role_unknown
:function_verdict                                                       -- refused: toms_role_unknown
SELECT count(toms.current_tenant()) FROM regress_parallel.calendar;     -- 0: no tenant
ROLLBACK;
-- a tenant that has ended
RESET SESSION AUTHORIZATION;
UPDATE toms.tenant SET ended_at = clock_timestamp() WHERE tenant = 'acme';
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
:table_verdict                                                          -- refused: toms_tenant_ended
:function_verdict                                                       -- refused: toms_tenant_ended
SELECT count(toms.current_tenant()) FROM regress_parallel.calendar;     -- 0: no tenant
ROLLBACK;
RESET SESSION AUTHORIZATION;
UPDATE toms.tenant SET ended_at = NULL WHERE tenant = 'acme';
-- a log-in that is not a member of the role
SET SESSION AUTHORIZATION regress_stranger;
BEGIN;
SELECT set_config('toms.token', :'acme_hr', true);
:table_verdict                                                          -- refused: toms_role_not_member
:function_verdict                                                       -- refused: toms_role_not_member
SELECT count(toms.current_tenant()) FROM regress_parallel.calendar;     -- 0: no tenant
ROLLBACK;

--
-- Where missing contexts see nothing, workers see nothing
--
RESET SESSION AUTHORIZATION;
SET toms.on_missing_context = 'empty';
SET SESSION AUTHORIZATION regress_app;
:table
:function
SET toms.token = :'acme_hr';                                            -- ends with its own transaction
:table
:function
BEGIN; SELECT set_config('toms.token', :'globex_hr', true); :table :function COMMIT;
:table
:function
RESET SESSION AUTHORIZATION;
RESET toms.on_missing_context;

--
-- An expired context has expired in workers too
--
ALTER SYSTEM SET toms.clock_leeway = 0;
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SET SESSION AUTHORIZATION regress_app;
\set short `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+3}'`
BEGIN;
SELECT set_config('toms.token', :'short', true);
SELECT pg_sleep(3.2);
:table_verdict                                                          -- refused: expired
:function_verdict                                                       -- refused: expired
SELECT count(toms.current_tenant()) FROM regress_parallel.calendar;     -- 0: no tenant
ROLLBACK;
RESET SESSION AUTHORIZATION;
ALTER SYSTEM RESET toms.clock_leeway;
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);

--
-- A session's context, where an administrator allows that, reaches the workers of later transactions
--
SET toms.session_context = on;
SET SESSION AUTHORIZATION regress_app;
SET toms.token = :'globex_hr';
:table
:function
SELECT toms.leave();
:table_verdict                                                          -- refused: left
:function_refused                                                       -- t: refused
RESET SESSION AUTHORIZATION;
RESET toms.session_context;

--
-- tidy up
--
SELECT set_config(name, 'off', false) AS parallel FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT toms.unprotect('regress_parallel.absence', reason => 'end of test');
DROP SCHEMA regress_parallel CASCADE;
