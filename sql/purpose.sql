--
-- purpose: what personal data may be used for, and what never
--
-- A purpose is registered with its legal basis.  One that is excluded can be named, never
-- permitted, chosen or bound: no statement, token, function, permission or label reaches a row
-- with it, and each try is recorded.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE SCHEMA leave AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA leave TO PUBLIC;
CREATE TABLE leave.absence (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, sick boolean);
INSERT INTO leave.absence VALUES (1, 'acme', 17, true), (2, 'acme', 18, false), (3, 'globex', 17, true);
ALTER TABLE leave.absence OWNER TO regress_owner;
SET client_min_messages = notice;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('leave.absence', tenant => 'tenant', subject => 'employee', category => 'health');

--
-- The purposes of absence management: four allowed ones, three excluded ones
--
SELECT toms.load_purposes('absence');
SELECT toms.load_purposes('absence');                                                   -- the same again
-- 1.0, whose SQL may go on with this library, did not name § 27(1) BDSG for statistics
SELECT purpose, CASE WHEN excluded THEN 'excluded' ELSE granularity END, min_group, regexp_replace(legal_basis, '; § 27\(1\) BDSG$', '') FROM toms.purposes ORDER BY excluded, purpose;
SELECT action, count(*) FROM toms.purpose_history GROUP BY action ORDER BY action;        -- once each
SELECT regress.verdict($$SELECT toms.load_purposes('billing')$$);                        -- refused: no such set
SELECT regress.verdict($$SELECT toms.add_purpose('research', 'study', legal_basis => '')$$);        -- refused: no legal basis
SELECT regress.verdict($$SELECT toms.add_purpose('research', 'study', 'Art. 89 GDPR', granularity => 'team')$$);
SELECT regress.verdict($$SELECT toms.add_purpose('research', 'study', 'Art. 89 GDPR', min_group => 5)$$);       -- refused: for aggregate ones
SELECT regress.verdict($$SELECT toms.add_purpose('research', 'study', 'Art. 89 GDPR', granularity => 'aggregate', min_group => 2)$$);   -- refused: two know each other
-- a purpose gets stricter only
SELECT toms.add_purpose('staff_planning', 'planning of staff by groups of ten and more', 'Art. 6(1)(f) GDPR', granularity => 'aggregate', min_group => 10);
SELECT regress.verdict($$SELECT toms.add_purpose('staff_planning', 'planning', 'Art. 6(1)(f) GDPR', granularity => 'aggregate', min_group => 5)$$);
SELECT regress.verdict($$SELECT toms.add_purpose('staff_planning', 'planning', 'Art. 6(1)(f) GDPR')$$);
-- what is excluded stays excluded
SELECT regress.verdict($$SELECT toms.add_purpose('performance_evaluation', 'a bonus', 'Art. 6(1)(f) GDPR')$$);
SELECT purpose, action, granularity, min_group FROM toms.purpose_history ORDER BY id DESC LIMIT 1;

--
-- Paths to a row with an excluded purpose: each is closed, and each try is recorded
--
SELECT toms.permit('regress_hr', 'leave.absence', '{select}', '{absence_management}', scope => 'tenant') > 0;
SELECT toms.permit('regress_hr', 'leave.absence', '{select}', '{evaluation_of_work}', scope => 'tenant') > 0;
RESET SESSION AUTHORIZATION;
SELECT refusals AS refused_before FROM toms.status \gset
-- by a permission
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'leave.absence', '{select}', '{performance_evaluation}', scope => 'tenant')$$);
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'leave.absence', '{select}', '{absence_management,health_profile}', scope => 'tenant')$$);
-- by a permission from before it was excluded: prohibition wins, at once
\set only_excluded `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"evaluation_of_work","exp":NOW+900}'`
\set among_others `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":["absence_management","evaluation_of_work"],"exp":NOW+900}'`
SET client_min_messages = error;
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT set_config('toms.token', :'only_excluded', true) \g /dev/null
SELECT count(*) FROM leave.absence;                                                     -- 2: it is a purpose like others yet
COMMIT;
RESET SESSION AUTHORIZATION;
SET client_min_messages = notice;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.exclude_purpose('evaluation_of_work', description => 'an older name of performance_evaluation');
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT set_config('toms.token', :'only_excluded', true) \g /dev/null
SELECT regress.verdict('SELECT * FROM leave.absence');
SELECT count(*) FROM toms.context();                                                    -- 0: it is not in force
SELECT toms.current_purpose() IS NULL;
COMMIT;
-- by choosing it from a token that holds it beside others
BEGIN;
SELECT set_config('toms.token', :'among_others', true) \g /dev/null
SET LOCAL toms.purpose = 'evaluation_of_work';
SELECT regress.verdict('SELECT * FROM leave.absence');
SELECT regress.verdict('UPDATE leave.absence SET sick = false WHERE id = 1');
SET LOCAL toms.purpose = 'absence_management';
SELECT count(*) FROM leave.absence;                                                        -- 2: the other one is as good as ever
COMMIT;
-- by choosing it though the token does not hold it: the reason is that it is excluded
BEGIN;
SELECT set_config('toms.token', :'among_others', true) \g /dev/null
SET LOCAL toms.purpose = 'performance_evaluation';
SELECT regress.verdict('SELECT * FROM leave.absence');
COMMIT;
-- by a job
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict($$SELECT toms.enter('acme', '1', 'regress_hr', 'performance_evaluation')$$);
-- by a function that is bound to it
RESET SESSION AUTHORIZATION;
CREATE FUNCTION leave.evaluate() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT count(*) FROM leave.absence';
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.evaluate()', 'evaluation_of_work')$$);
-- by a label that a superuser writes himself, as a dump would bring one
RESET SESSION AUTHORIZATION;
DO $$ BEGIN EXECUTE format('SECURITY LABEL FOR toms ON FUNCTION leave.evaluate() IS %L', 'purpose=evaluation_of_work,definition=' || toms.function_definition('leave.evaluate()')); END $$;
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT set_config('toms.token', :'among_others', true) \g /dev/null
SET LOCAL toms.purpose = 'absence_management';
SELECT regress.verdict('SELECT leave.evaluate()');
SELECT count(*) FROM leave.absence;                                                        -- 2: afterwards all is as before
COMMIT;
-- each try is in the server's log, and counted: permit 2, statements 4, enter 1, bind 1, function 1
RESET SESSION AUTHORIZATION;
SELECT refusals - :refused_before AS recorded FROM toms.status;

--
-- A purpose that answers statistics sees no row
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.permit('regress_hr', 'leave.absence', '{select}', '{staff_planning}', scope => 'tenant') > 0;
SELECT regress.verdict($$SELECT toms.bind_purpose('leave.evaluate()', 'staff_planning')$$);        -- refused: by no function either
\set planner `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"staff_planning","exp":NOW+900}'`
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT set_config('toms.token', :'planner', true) \g /dev/null
SELECT regress.verdict('SELECT * FROM leave.absence');
SELECT regress.verdict('SELECT count(*) FROM leave.absence');
SELECT toms.explain_access('leave.absence', 'select');
COMMIT;

--
-- Only an officer registers, and he cannot take back what he excluded
--
SELECT regress.verdict($$SELECT toms.add_purpose('anything', 'all', 'none')$$);
SELECT regress.verdict($$SELECT toms.exclude_purpose('absence_management', 'sabotage')$$);
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$DELETE FROM toms.purpose WHERE excluded$$);
SELECT regress.verdict($$UPDATE toms.purpose SET excluded = false WHERE excluded$$);
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
SELECT toms.unprotect('leave.absence', reason => 'end of test');
DROP SCHEMA leave CASCADE;
TRUNCATE toms.purpose, toms.purpose_history;
