--
-- purpose_statistic: an aggregate purpose is told of groups, never of a person
--
-- An officer declares what is counted and in which groups.  Who asks chooses nothing.  Groups of
-- fewer than five, and groups of which all are alike, are merged into "other".  A period is
-- published when it is over, once.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
CREATE ROLE regress_planner;
CREATE ROLE regress_dashboard LOGIN IN ROLE regress_planner, regress_hr;
SELECT toms.allow_enter(login => 'regress_dashboard', tenants => '{acme,globex}', roles => '{regress_planner,regress_hr}') > 0;
SELECT toms.add_purpose('staff_planning', description => 'planning of staff', legal_basis => 'Art. 6(1)(f), 89(1) GDPR', granularity => 'aggregate', min_group => 5);
SELECT toms.add_purpose('absence_management', description => 'recording absences', legal_basis => 'Art. 6(1)(b) GDPR');
SELECT toms.exclude_purpose('person_statistics', description => 'statistics of single persons');
CREATE SCHEMA hr;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
CREATE TABLE hr.day (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL,
                     department text, team text, sick toms.health_flag, hours numeric, note text);
SELECT toms.protect('hr.day', tenant => 'tenant', subject => 'employee', category => 'health', mode => 'enforce');
SELECT toms.permit('regress_planner', 'hr.day', '{select}', '{staff_planning}', 'tenant') > 0;
SELECT toms.permit('regress_hr', 'hr.day', '{select,insert,update,delete}', '{absence_management}', 'tenant') > 0;
-- who is in which department: one row a person and month, sick or not
CREATE TABLE regress.staff (tenant text, employee integer, department text, team text, sick boolean);
INSERT INTO regress.staff
SELECT 'acme', n, 'sales', CASE WHEN n <= 6 THEN 'north' ELSE 'south' END, n IN (1, 2, 7) FROM generate_series(1, 12) n UNION ALL
SELECT 'acme', n, 'store', CASE WHEN n <= 24 THEN 'day' ELSE 'night' END, n = 21 FROM generate_series(21, 27) n UNION ALL
SELECT 'acme', n, 'board', NULL, n = 31 FROM generate_series(31, 32) n UNION ALL            -- too few
SELECT 'acme', n, 'lab', NULL, false FROM generate_series(41, 46) n UNION ALL              -- all alike
SELECT 'acme', n, 'works', 'one', n % 3 = 0 FROM generate_series(51, 61) n UNION ALL
SELECT 'globex', n, 'sales', 'north', n = 1 FROM generate_series(1, 4) n;
GRANT SELECT ON regress.staff TO PUBLIC;
CREATE FUNCTION regress.count_days(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{acme,globex}'::text[] LOOP
        CONTINUE WHEN toms.current_tenant() <> t;
        INSERT INTO hr.day (tenant, employee, day, department, team, sick, hours)
        SELECT s.tenant, s.employee, month + 9, s.department, s.team, s.sick, 30 + s.employee % 4 FROM regress.staff s WHERE s.tenant = t;
    END LOOP;
END
$$;
CREATE PROCEDURE regress.enter(tenant text, role text, purpose text) LANGUAGE sql AS $$ SELECT toms.enter(tenant, '1', role, purpose) $$;
SET SESSION AUTHORIZATION regress_dashboard;
BEGIN; CALL regress.enter('acme', 'regress_hr', 'absence_management'); SELECT regress.count_days('2020-01-01'); COMMIT;
BEGIN; CALL regress.enter('globex', 'regress_hr', 'absence_management'); SELECT regress.count_days('2020-01-01'); COMMIT;
RESET SESSION AUTHORIZATION;
-- who has been erased by key before a period is published is in no group of a sealed measure
SELECT toms.record_instruction('acme', kind => 'erase', given_by => 'ACME', wording => 'person 61', subject => '61') AS id \gset
SELECT toms.confirm_instruction(:id), toms.destroy_keys('acme', instruction => :id, subject => '61') > 0;

-- officers declare, nobody else
SET SESSION AUTHORIZATION regress_dashboard;
SELECT regress.verdict($$SELECT toms.add_statistic('sick', 'hr.day', '{department,team}', 'sick', 'staff_planning', period => 'day')$$);
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.add_statistic('sick', 'hr.day', '{department,team}', 'sick', 'absence_management', period => 'day')$$);   -- no aggregate
SELECT regress.verdict($$SELECT toms.add_statistic('sick', 'hr.day', '{department,team}', 'sick', 'person_statistics', period => 'day')$$);    -- excluded
SELECT regress.verdict($$SELECT toms.add_statistic('sick', 'hr.day', '{department,team}', 'note', 'staff_planning', period => 'day')$$);       -- a text
SELECT regress.verdict($$SELECT toms.add_statistic('sick', 'hr.day', '{department,sick}', 'hours', 'staff_planning', period => 'day')$$);      -- sealed
SELECT regress.verdict($$SELECT toms.add_statistic('sick', 'hr.day', '{department,nose}', 'sick', 'staff_planning', period => 'day')$$);
SELECT regress.verdict($$SELECT toms.add_statistic('sick', 'hr.day', '{}', 'sick', 'staff_planning', period => 'day')$$);
SELECT regress.verdict($$SELECT toms.add_statistic('sick', 'hr.day', '{team}', 'sick', 'staff_planning', period => 'day', subject => 'id')$$);
SELECT regress.verdict($$SELECT toms.add_statistic('sick', 'hr.day', '{team}', 'sick', 'staff_planning', period => 'day', period_unit => 'hour')$$);
SELECT regress.verdict($$SELECT toms.add_statistic('sick', 'regress.staff', '{team}', 'sick', 'staff_planning', subject => 'employee')$$);    -- not protected
SELECT toms.add_statistic('sick_by_department', relation => 'hr.day', dimensions => '{department,team}', measure => 'sick',
                          purpose => 'staff_planning', period => 'day') > 0;
-- a second one of the measure could be subtracted, through whichever view
SELECT regress.verdict($$SELECT toms.add_statistic('sick_by_team', 'hr.day', '{team}', 'sick', 'staff_planning', period => 'day')$$);
RESET SESSION AUTHORIZATION;
CREATE VIEW hr.as_number WITH (security_invoker = true) AS
    WITH d AS (SELECT * FROM hr.day) SELECT employee, team, day, CASE WHEN s THEN 1 ELSE 0 END AS ill FROM (SELECT d.*, toms.reveal(sick) AS s FROM d) x;
CREATE VIEW hr.rows WITH (security_invoker = true) AS SELECT employee, team, day, count(*) AS days FROM hr.day GROUP BY 1, 2, 3;
CREATE VIEW hr.everybody AS SELECT * FROM hr.day;
CREATE VIEW hr.of_others AS SELECT * FROM hr.day;
ALTER VIEW hr.of_others OWNER TO regress_owner;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.add_statistic('ill', 'hr.as_number', '{team}', 'ill', 'staff_planning', period => 'day', subject => 'employee')$$);
SELECT regress.verdict($$SELECT toms.add_statistic('days', 'hr.rows', '{team}', 'days', 'staff_planning', period => 'day', subject => 'employee')$$);
SELECT regress.verdict($$SELECT toms.add_statistic('all', 'hr.everybody', '{team}', 'hours', 'staff_planning', period => 'day', subject => 'employee')$$);
SELECT regress.verdict($$SELECT toms.add_statistic('own', 'hr.of_others', '{team}', 'hours', 'staff_planning', period => 'day', subject => 'employee')$$);
RESET SESSION AUTHORIZATION;

-- a direct SELECT for that purpose sees nothing; no other purpose and no other role asks
SET SESSION AUTHORIZATION regress_dashboard;
SELECT regress.verdict($$SELECT * FROM toms.statistic('sick_by_department')$$);
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT regress.verdict($$SELECT count(*) FROM hr.day$$), regress.verdict($$SELECT toms.reveal(sick) FROM hr.day$$);
SELECT regress.verdict($$SELECT * FROM toms.statistic('nonsense')$$);
SELECT regress.verdict($$SELECT * FROM toms.statistic_cell$$), regress.verdict($$SELECT toms.merge_groups('{}', '{}', 5, false)$$);
COMMIT;
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'absence_management');
SELECT regress.verdict($$SELECT * FROM toms.statistic('sick_by_department')$$);
COMMIT;
BEGIN;
CALL regress.enter('acme', 'regress_hr', 'staff_planning');
SELECT regress.verdict($$SELECT * FROM toms.statistic('sick_by_department')$$);
COMMIT;

-- department statistics: board is small and lab all alike, so they are in "other", with store, the
-- smallest of the rest, since of lab nothing shall be told; north and south are published
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT dimensions, period, subjects, value, merged, suppressed FROM toms.statistic('sick_by_department');
-- the same for who tries workers, and from what is published
SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL parallel_setup_cost = 0; SELECT set_config(name, 'on', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \g /dev/null
SELECT count(*), sum(subjects), sum(value) FROM toms.statistic('sick_by_department') WHERE dimensions ->> 'department' <> 'sales';
SELECT set_config(name, 'off', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \g /dev/null
EXPLAIN (COSTS OFF) SELECT * FROM toms.statistic('sick_by_department') WHERE subjects > 1;
-- the frame has been left
SELECT regress.verdict($$SELECT count(*) FROM hr.day$$);
COMMIT;
-- a tenant of four gets no number
BEGIN;
CALL regress.enter('globex', 'regress_planner', 'staff_planning');
SELECT dimensions, period, subjects, value, merged, suppressed FROM toms.statistic('sick_by_department');
COMMIT;

-- the trail tells of every question, for its purpose, and of the rows that were read to answer the first one
RESET SESSION AUTHORIZATION;
SELECT toms.seal_audit() > 0;
SELECT e.tenant, coalesce(e.said ->> 'statistic', 'rows of ' || (SELECT convert_from(o.payload, 'UTF8')::jsonb ->> 'relation' FROM toms.audit_entry o WHERE o.id = e.object)) AS what, min(e.id) IS NOT NULL AS told
FROM (SELECT *, convert_from(payload, 'UTF8')::jsonb AS said FROM toms.audit_entry WHERE kind = 'r' AND verb = 's' AND key IS NULL) e
WHERE e.said ->> 'statistic' = 'sick_by_department' OR e.object IN (SELECT o.id FROM toms.audit_entry o WHERE o.kind = 'o' AND convert_from(o.payload, 'UTF8')::jsonb ->> 'relation' = 'hr.day')
GROUP BY 1, 2 ORDER BY 1, 2;
SET SESSION AUTHORIZATION regress_dashboard;

-- what is published is for those who are permitted, too
BEGIN;
CALL regress.enter('acme', 'regress_hr', 'staff_planning');
SELECT regress.verdict($$SELECT * FROM toms.statistic('sick_by_department')$$);
COMMIT;

-- A period that is over has one answer.  Rows come and go, a person moves, one is erased by key, and
-- a person is in two departments: in February he counts where most of his rows are.
BEGIN;
CALL regress.enter('acme', 'regress_hr', 'absence_management');
SELECT regress.count_days('2020-02-01');
INSERT INTO hr.day (tenant, employee, day, department, team, sick) SELECT 'acme', 51, date '2020-02-01' + n, 'sales', 'north', true FROM generate_series(1, 3) n;
UPDATE hr.day SET department = 'works', team = 'one' WHERE employee = 1 AND day < '2020-02-01';
UPDATE hr.day SET sick = false WHERE employee = 2 AND day < '2020-02-01';
DELETE FROM hr.day WHERE employee = 3 AND day < '2020-02-01';
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.record_instruction('acme', kind => 'erase', given_by => 'ACME', wording => 'person 9', subject => '9') AS id \gset
SELECT toms.confirm_instruction(:id), toms.destroy_keys('acme', instruction => :id, subject => '9') > 0;
SET SESSION AUTHORIZATION regress_dashboard;
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT dimensions, subjects, value FROM toms.statistic('sick_by_department') WHERE period = '2020-01-01';
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT regress.verdict($$UPDATE toms.statistic_cell SET value = 0$$), regress.verdict($$DELETE FROM toms.statistic_cell$$), regress.verdict($$TRUNCATE toms.statistic_mark$$);
SELECT count(DISTINCT c.tenant), bool_and(m.until > '2020-02-01' AND m.until <= current_date) FROM toms.statistic_cell c JOIN toms.statistic_mark m USING (statistic, tenant);

-- what is not over is not answered
SET SESSION AUTHORIZATION regress_dashboard;
BEGIN;
CALL regress.enter('acme', 'regress_hr', 'absence_management');
SELECT regress.count_days(current_date - 9);
COMMIT;
-- ROLLBACK does not take back what has been answered, and who has written waits for COMMIT
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.add_statistic('hours', relation => 'hr.day', dimensions => '{department,team}', measure => 'hours', purpose => 'staff_planning', period => 'day') > 0;
SET SESSION AUTHORIZATION regress_dashboard;
BEGIN;
CREATE TEMPORARY TABLE written (n integer);
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT regress.verdict($$SELECT * FROM toms.statistic('hours')$$);
ROLLBACK;
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT regress.verdict($$EXPLAIN (ANALYZE, COSTS OFF) SELECT * FROM toms.statistic('hours')$$);
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT dimensions, period, subjects, value FROM toms.statistic('hours');
ROLLBACK;
BEGIN;
CALL regress.enter('acme', 'regress_hr', 'absence_management');
UPDATE hr.day SET hours = 0 WHERE employee = 22;
COMMIT;
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT sum(value), count(*) FILTER (WHERE period >= date_trunc('month', now())) AS not_over FROM toms.statistic('hours');
COMMIT;

-- Dropped, it answers no more, and nothing else answers for what it has published; the same again goes on.
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.drop_statistic('hours', reason => '')$$), regress.verdict($$SELECT toms.drop_statistic('hour', reason => 'no use')$$);
SELECT toms.drop_statistic('hours', reason => 'other groups are wanted');
SELECT toms.add_statistic('hours', relation => 'hr.day', dimensions => '{team}', measure => 'hours', purpose => 'staff_planning', period => 'day', period_unit => 'quarter') > 0;
SELECT name, dimensions, min_group, dropped_at IS NOT NULL AS dropped, reason, tenants FROM toms.statistics ORDER BY added_at;
SET SESSION AUTHORIZATION regress_dashboard;
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT count(*) FROM toms.statistic('hours');
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.drop_statistic('hours', reason => 'the former groups again');
SELECT toms.add_statistic('hours', relation => 'hr.day', dimensions => '{department,team}', measure => 'hours', purpose => 'staff_planning', period => 'day') > 0;
SET SESSION AUTHORIZATION regress_dashboard;
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT count(*), sum(value) FROM toms.statistic('hours');
COMMIT;

-- An officer's view: its month is the period, the purpose's groups have grown to eight.  What it
-- trips over is not told.
RESET SESSION AUTHORIZATION;
CREATE TABLE hr.booking (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, at timestamptz NOT NULL, late boolean, place text, minutes integer, spare integer);
SELECT toms.protect('hr.booking', tenant => 'tenant', subject => 'employee', category => 'personal', mode => 'enforce');
SELECT toms.permit('regress_hr', 'hr.booking', '{select,insert}', '{absence_management}', 'tenant') > 0;
SELECT toms.permit('regress_planner', 'hr.booking', '{select}', '{staff_planning}', 'own') > 0;
SELECT toms.add_purpose('staff_planning', description => 'planning of staff', legal_basis => 'Art. 6(1)(f), 89(1) GDPR', granularity => 'aggregate', min_group => 8);
CREATE VIEW hr.late WITH (security_invoker = true) AS
    SELECT b.employee, s.department, b.late, date_trunc('month', b.at)::date AS month, 1 / (length(place) - 1) AS share, place::integer AS number
    FROM hr.booking b JOIN regress.staff s USING (tenant, employee);
GRANT SELECT ON hr.late TO regress_planner;
SET SESSION AUTHORIZATION regress_dashboard;
BEGIN;
CALL regress.enter('acme', 'regress_hr', 'absence_management');
INSERT INTO hr.booking (tenant, employee, at, late, place)
SELECT tenant, employee, '2020-01-31 23:30Z', employee % 2 = 0, 'secret place' FROM regress.staff WHERE tenant = 'acme';
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.add_statistic('late', 'hr.late', '{department,month}', 'late', 'staff_planning')$$);
SELECT regress.verdict($$SELECT toms.add_statistic('late', 'hr.late', '{department,month}', 'late', 'staff_planning', subject => 'number')$$);    -- not a person
SELECT toms.add_statistic('late', relation => 'hr.late', dimensions => '{department,month}', measure => 'late', purpose => 'staff_planning', subject => 'employee') > 0;
SELECT toms.add_statistic('place', relation => 'hr.late', dimensions => '{department}', measure => 'number', purpose => 'staff_planning', period => 'month', subject => 'employee') > 0;
SET SESSION AUTHORIZATION regress_dashboard;
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT regress.verdict($$SELECT * FROM toms.statistic('late')$$);                       -- the actor's own rows are no group
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.forbid('regress_planner', 'hr.booking'), toms.permit('regress_planner', 'hr.booking', '{select}', '{staff_planning}', 'tenant') > 0;
GRANT SELECT ON hr.booking TO regress_planner;
SET SESSION AUTHORIZATION regress_dashboard;
SET TimeZone = 'Asia/Tokyo';
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT dimensions, period, subjects, value FROM toms.statistic('late');
SELECT regress.verdict($$SELECT * FROM toms.statistic('place')$$);
SELECT regress.verdict($$SELECT * FROM hr.late$$);
COMMIT;
RESET TimeZone;

-- Periods by a sealed date, which may be erased, and by a time, whatever the session's time zone; a sealed
-- value that comes through a view of an officer's own.
RESET SESSION AUTHORIZATION;
CREATE TABLE hr.note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, team text, since toms.health_date, at timestamptz, sick toms.health_flag, cost float8);
SELECT toms.protect('hr.note', tenant => 'tenant', subject => 'employee', category => 'health', mode => 'enforce');
SELECT toms.permit('regress_hr', 'hr.note', '{select,insert}', '{absence_management}', 'tenant') > 0;
SELECT toms.permit('regress_planner', 'hr.note', '{select}', '{staff_planning}', 'tenant') > 0;
CREATE VIEW hr.team_note AS SELECT employee AS person, team AS "Team's name", since AS "from", sick AS ill FROM hr.note WHERE team <> 'none';
ALTER VIEW hr.team_note OWNER TO regress_officer;
GRANT USAGE ON SCHEMA hr TO regress_officer;
GRANT SELECT ON hr.note TO regress_officer;
SET SESSION AUTHORIZATION regress_officer;
GRANT SELECT ON hr.team_note TO regress_planner;
SELECT regress.verdict($$SELECT toms.add_statistic('ill', 'hr.team_note', '{"Team''s name"}', 'ill', 'staff_planning', period => 'ill', subject => 'person')$$);
SELECT toms.add_statistic('ill', 'hr.team_note', '{"Team''s name"}', 'ill', 'staff_planning', period => 'from', subject => 'person', period_unit => 'quarter') > 0;
SELECT toms.add_statistic('cost', 'hr.note', '{team}', 'cost', 'staff_planning', period => 'at') > 0;
SET SESSION AUTHORIZATION regress_dashboard;
BEGIN;
CALL regress.enter('acme', 'regress_hr', 'absence_management');
INSERT INTO hr.note
SELECT n, 'acme', n, 'team ' || n % 2, date '2019-12-01' + n, timestamptz '2020-01-31 23:30Z' + n % 2 * interval '1 hour', n % 3 = 0, n::float8 FROM generate_series(1, 40) n UNION ALL
SELECT n, 'acme', n, 'none', NULL, '2020-03-05', n = 51, CASE n WHEN 52 THEN 'NaN'::float8 ELSE n END FROM generate_series(51, 60) n;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.record_instruction('acme', kind => 'erase', given_by => 'ACME', wording => 'person 2', subject => '2') AS id \gset
SELECT toms.confirm_instruction(:id), toms.destroy_keys('acme', instruction => :id, subject => '2') > 0;
SET SESSION AUTHORIZATION regress_dashboard;
SET TimeZone = 'Asia/Tokyo';
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT dimensions, period, subjects, value FROM toms.statistic('ill');
SELECT dimensions, period, subjects, value FROM toms.statistic('cost');
COMMIT;
RESET TimeZone;
RESET SESSION AUTHORIZATION;

-- Without a period all rows are published once; who bypasses policies, and a table that is observed
-- only, would count the rows of every tenant.
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.drop_statistic('late', reason => 'all of it');
SELECT regress.verdict($$SELECT toms.add_statistic('late_ever', relation => 'hr.booking', dimensions => '{place}', measure => 'late', purpose => 'staff_planning')$$);
SELECT toms.drop_statistic('place', reason => 'cannot be computed');
SELECT toms.add_statistic('ids', relation => 'hr.booking', dimensions => '{place}', measure => 'id', purpose => 'staff_planning') > 0;
RESET SESSION AUTHORIZATION;
ALTER ROLE regress_dashboard BYPASSRLS;
SET SESSION AUTHORIZATION regress_dashboard;
SET toms.reason = 'see more';
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT regress.verdict($$SELECT * FROM toms.statistic('ids')$$);
COMMIT;
RESET toms.reason;
RESET SESSION AUTHORIZATION;
ALTER ROLE regress_dashboard NOBYPASSRLS;
SET SESSION AUTHORIZATION regress_dashboard;
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT dimensions, period, subjects, value > 0 FROM toms.statistic('ids');
COMMIT;
RESET SESSION AUTHORIZATION;
-- a view that is made anew of something else, or dropped, does not hide what its statistic was of
CREATE VIEW hr.first WITH (security_invoker = true) AS SELECT employee, place, minutes FROM hr.booking;
SELECT toms.add_statistic('first', relation => 'hr.first', dimensions => '{place}', measure => 'minutes', subject => 'employee', purpose => 'staff_planning') > 0;
CREATE OR REPLACE VIEW hr.first WITH (security_invoker = true) AS SELECT employee, place, spare AS minutes FROM hr.booking;
SELECT regress.verdict($$SELECT toms.add_statistic('second', relation => 'hr.booking', dimensions => '{place}', measure => 'minutes', purpose => 'staff_planning')$$);
DROP VIEW hr.first;
SELECT regress.verdict($$SELECT toms.add_statistic('second', relation => 'hr.booking', dimensions => '{place}', measure => 'minutes', purpose => 'staff_planning')$$);
-- nor does the way in which a view says it
CREATE PROCEDURE regress.again(view text, INOUT verdict text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'CREATE VIEW hr.again WITH (security_invoker = true) AS ' || view;
    verdict := regress.verdict($i$SELECT toms.add_statistic('again', relation => 'hr.again', dimensions => '{place}', measure => 'minutes', subject => 'employee', purpose => 'staff_planning')$i$);
    ROLLBACK;
END
$$;
CALL regress.again('SELECT employee, place, spare AS minutes FROM hr.booking');                                                           -- ok: another column
CALL regress.again('SELECT employee, place, minutes / 60 AS minutes FROM hr.booking');                                                    -- refused
CALL regress.again('SELECT employee, place, spare AS minutes FROM hr.booking UNION ALL SELECT employee, place, minutes FROM hr.booking');
CALL regress.again('SELECT employee, place, (SELECT max(o.minutes) FROM hr.booking o WHERE o.employee = b.employee) AS minutes FROM hr.booking b');
CALL regress.again('SELECT employee, b.place, minutes FROM hr.booking b FULL JOIN hr.booking o USING (tenant, employee, minutes)');
CALL regress.again('SELECT b.employee, b.place, m.minutes FROM hr.booking b, generate_series(b.minutes, b.minutes) m (minutes)');
CALL regress.again('WITH RECURSIVE m AS (SELECT employee, place, minutes FROM hr.booking UNION SELECT employee, place, minutes FROM m) SELECT * FROM m');
DROP PROCEDURE regress.again;
-- what has been declared and published is not turned back, by superusers neither
SELECT regress.verdict($$UPDATE toms.statistic_mark SET until = until - 40$$);
SELECT regress.verdict($$UPDATE toms.statistic_definition SET dimensions = '{team}' WHERE name = 'ids'$$);
SELECT regress.verdict($$DELETE FROM toms.statistic_definition$$);
SELECT toms.protect('hr.booking', tenant => 'tenant', subject => 'employee', category => 'personal', mode => 'observe', reason => 'test');
SET SESSION AUTHORIZATION regress_dashboard;
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT regress.verdict($$SELECT * FROM toms.statistic('ids')$$);
COMMIT;
RESET SESSION AUTHORIZATION;

-- what it read is gone: nobody knows whom it may be told
SET toms.reason = 'migration';
DROP TABLE hr.booking CASCADE;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_dashboard;
BEGIN;
CALL regress.enter('acme', 'regress_planner', 'staff_planning');
SELECT regress.verdict($$SELECT * FROM toms.statistic('ids')$$);
COMMIT;
RESET SESSION AUTHORIZATION;

SELECT toms.drop_statistic(name, reason => 'end of the test') FROM toms.statistics WHERE dropped_at IS NULL;
SET client_min_messages = error;
SET toms.reason = 'end of the test';
DROP SCHEMA hr CASCADE;
DROP TABLE regress.staff;
DROP FUNCTION regress.count_days;
DROP PROCEDURE regress.enter;
SELECT toms.disallow_enter('regress_dashboard');
DELETE FROM toms.data_key WHERE wrapped IS NOT NULL AND relation <> 0;
DELETE FROM toms.purpose;
DROP OWNED BY regress_dashboard, regress_planner;
DELETE FROM toms.permission WHERE role = 'regress_planner'::regrole;
DROP ROLE regress_dashboard, regress_planner;
DELETE FROM toms.erasure;
TRUNCATE toms.ledger;
