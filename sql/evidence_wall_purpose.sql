--
-- evidence_wall_purpose: what data is used for is declared, and stays as it was declared, or the check says so
--
-- Purposes, excluded ones, statistics, second factors, the environment and the history of permissions. Each
-- declaration is changed behind toms' back; the probe fails and names it; its remedy is run as it is printed; then it is content.
--
\set SHOW_CONTEXT never
\set objects 'aims|toms\\.(statistic|permission)'
\i test/evidence/sabotage.sql

CREATE SCHEMA aims AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA aims TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE aims.note (tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL);
CREATE TABLE aims.plan (tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL);
CREATE FUNCTION aims.notes() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT count(*) FROM aims.note';
RESET SESSION AUTHORIZATION;
SELECT toms.protect('aims.note', tenant => 'tenant', subject => 'employee', category => 'health', access => 'functions');
SELECT toms.protect('aims.plan', tenant => 'tenant', subject => 'employee');
SELECT toms.add_purpose('aims_care', description => 'care', legal_basis => 'Art. 6(1)(b) GDPR'),
       toms.add_purpose('aims_planning', description => 'planning', legal_basis => 'Art. 6(1)(f) GDPR', granularity => 'aggregate', min_group => 6),
       toms.exclude_purpose('aims_rating', description => 'rating of persons');
SELECT toms.permit('regress_hr', 'aims.note', '{select}', '{aims_care}', scope => 'tenant', require_mfa => true) > 0,
       toms.permit('regress_employee', 'aims.note', '{select}', '{aims_care}', scope => 'own') > 0;
SELECT toms.bind_purpose('aims.notes()', 'aims_care');

--
-- As it should be: nothing is found, and what is declared is told by name
--
SELECT p, regress.faults(p) FROM unnest('{purposes,excluded_purposes,statistics,second_factor,permission_history}'::text[]) p;
SELECT count(*) FROM toms.run_probe('purposes') p WHERE p.status = 'pass' AND p.args[2] LIKE '%aims_care, aims_planning%';
SELECT count(*) FROM toms.run_probe('excluded_purposes') p WHERE p.status = 'pass' AND p.args[1] LIKE '%aims_rating%';
SELECT count(*) FROM toms.run_probe('statistics') p WHERE p.status = 'pass' AND p.args[3] LIKE '%aims_planning (6)%';
SELECT count(*) FROM toms.run_probe('second_factor') p WHERE p.status = 'pass' AND p.args[1] LIKE '%regress_hr (aims.note)%';

--
-- purposes: one is gone from the register, and an access function is another than the one that was bound
--
DELETE FROM toms.purpose WHERE purpose = 'aims_care';
SET SESSION AUTHORIZATION regress_owner;
CREATE OR REPLACE FUNCTION aims.notes() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT count(*) + 1 FROM aims.note';
RESET SESSION AUTHORIZATION;
SELECT * FROM regress.faults('purposes');
SELECT * FROM regress.mend('purposes');

--
-- excluded_purposes: one is taken back past toms, or named by a permission from before
--
UPDATE toms.purpose SET excluded = false, legal_basis = 'none' WHERE purpose = 'aims_rating';
SELECT * FROM regress.faults('excluded_purposes');
SELECT * FROM regress.mend('excluded_purposes');
DELETE FROM toms.purpose WHERE purpose = 'aims_rating';
SELECT * FROM regress.mend('excluded_purposes');
SELECT toms.add_purpose('aims_score', description => 'score', legal_basis => 'Art. 6(1)(f) GDPR');
SELECT toms.permit('regress_hr', 'aims.plan', '{select}', '{aims_score,aims_care}', scope => 'tenant') > 0;
SELECT toms.separate('aims.note', 'aims.plan', unless => '{aims_score,aims_care}');
SELECT toms.exclude_purpose('aims_score', description => 'score');
SELECT * FROM regress.faults('excluded_purposes');
SELECT * FROM regress.mend('excluded_purposes');
SELECT purposes FROM toms.permissions WHERE in_force AND relation = 'aims.plan';
SELECT unless FROM toms.separations WHERE relation = 'aims.note'::regclass;

--
-- statistics: a purpose that answered for groups answers for persons; what was published can be changed; anybody counts as he likes
--
UPDATE toms.purpose SET aggregate = false, min_group = NULL WHERE purpose = 'aims_planning';
SELECT * FROM regress.faults('statistics');
SELECT * FROM regress.mend('statistics');
UPDATE toms.purpose SET min_group = 3 WHERE purpose = 'aims_planning';
SELECT * FROM regress.faults('statistics');
SELECT * FROM regress.mend('statistics');
ALTER TABLE toms.statistic_cell DISABLE TRIGGER keep;
ALTER TABLE toms.statistic_mark ENABLE TRIGGER keep_date;
SELECT * FROM regress.faults('statistics');
SELECT * FROM regress.mend('statistics');
SELECT toms.protect('aims.note', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT * FROM regress.faults('statistics');
SELECT * FROM regress.mend('statistics');

--
-- second_factor: all rows of a tenant in a health table without one
--
SELECT toms.permit('regress_hr', 'aims.note', '{select,insert}', '{aims_care}', scope => 'tenant') > 0;
SELECT * FROM regress.faults('second_factor');
SELECT * FROM regress.mend('second_factor');
SELECT role, verbs, scope, require_mfa FROM toms.permissions WHERE in_force AND relation = 'aims.note' ORDER BY id;

--
-- environment: tokens of another one would be taken
--
SELECT status, toms.say(phrase, args, 'en'), remedy FROM toms.run_probe('environment') WHERE status <> 'pass' ORDER BY 2;
SELECT regexp_split_to_table(replace(remedy, '…', 'regress'), E'\n') FROM toms.run_probe('environment') WHERE status <> 'pass' \gexec
SELECT pg_sleep(0.5);
SELECT status, toms.say(phrase, args, 'en') FROM toms.run_probe('environment');
ALTER SYSTEM RESET toms.environment;
ALTER SYSTEM RESET toms.audience;
SELECT pg_reload_conf(), pg_sleep(0.5);

--
-- permission_history: changes would not be taken into the trail
--
ALTER TABLE toms.permission DISABLE TRIGGER "~toms_declaration";
SELECT * FROM regress.faults('permission_history');
SELECT * FROM regress.mend('permission_history');

DROP SCHEMA aims CASCADE;
DROP FUNCTION regress.mend(text), regress.faults(text);
