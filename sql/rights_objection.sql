--
-- rights_objection: what a person has objected to is refused from then on
--
-- To a category: no value of it is written about him, whether table, label of rows or column says the category; what is
-- there stays, and others are not concerned.  To a purpose: for it his rows are neither read nor written.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
CREATE SCHEMA obj AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA obj TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE obj.stamp (id integer PRIMARY KEY, tenant text NOT NULL, person integer, at date, place text, card text, kind text);
CREATE TABLE obj.track (id integer PRIMARY KEY, tenant text NOT NULL, person integer NOT NULL, spot text);
CREATE TABLE obj.detail (id integer PRIMARY KEY, stamp integer NOT NULL REFERENCES obj.stamp, spot text);
INSERT INTO obj.stamp VALUES (1, 'acme', 17, '2026-01-01', 'Bonn', 'C1'), (2, 'acme', 18, '2026-01-01', 'Ulm', 'C2'), (3, 'acme', NULL, '2026-01-01', 'Kiel', NULL), (4, 'globex', 17, '2026-01-01', 'Rom', NULL);
INSERT INTO obj.track VALUES (1, 'acme', 17, 'x'), (2, 'acme', 18, 'x');
INSERT INTO obj.detail VALUES (1, 1, 'x'), (2, 2, 'x');
RESET SESSION AUTHORIZATION;
SELECT count(toms.add_purpose(p, description => 'test', legal_basis => 'test')) FROM unnest('{payroll,marketing}'::text[]) p;
SELECT toms.protect('obj.stamp', tenant => 'tenant', subject => 'person');
SELECT toms.protect('obj.track', tenant => 'tenant', subject => 'person', category => 'location');
SELECT toms.protect('obj.detail', parent => 'obj.stamp', parent_key => 'stamp');
SELECT toms.label_rows('obj.stamp', $$kind = 'SICK'$$, category => 'health');
SELECT count(toms.permit('regress_hr', t, '{select,insert,update,delete}', '{payroll,marketing}', 'tenant', categories => '{personal,location,health}')) FROM unnest('{obj.stamp,obj.track,obj.detail}'::regclass[]) t;
SELECT toms.label_column('obj.stamp', 'place', category => 'location', optional => true);
SELECT toms.label_column('obj.stamp', 'card', category => 'billing');
SELECT toms.record_instruction('acme', 'enable_category', given_by => 'D. Manager', wording => 'Record where they are.') AS enabling \gset
SELECT toms.confirm_instruction(:enabling);
SELECT toms.enable_category('acme', 'location', :enabling);

-- what comes of a statement, and nothing of it stays
CREATE FUNCTION obj.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text;
    n bigint;
BEGIN
    EXECUTE statement;
    GET DIAGNOSTICS n = ROW_COUNT;
    RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ999';
EXCEPTION WHEN SQLSTATE 'ZZ999' THEN
    RETURN statement || ': ok, ' || n;
WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME;
    RETURN statement || ': ' || coalesce(nullif(code, ''), SQLERRM);
END
$$;
CREATE FUNCTION obj.tries() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT obj.try(s) FROM unnest(ARRAY[
        'SELECT FROM obj.stamp', 'SELECT FROM obj.track', 'SELECT FROM obj.detail',
        'INSERT INTO obj.stamp VALUES (9, ''acme'', 17, ''2026-02-01'', ''Bonn'')',
        'INSERT INTO obj.stamp VALUES (9, ''acme'', 17, ''2026-02-01'')',
        'INSERT INTO obj.stamp VALUES (9, ''acme'', 17, ''2026-02-01'', NULL, ''C1'')',
        'INSERT INTO obj.stamp VALUES (9, ''acme'', 17, ''2026-02-01'', NULL, NULL, ''SICK'')',
        'INSERT INTO obj.stamp VALUES (9, ''acme'', 18, ''2026-02-01'', ''Bonn'', ''C2''), (10, ''acme'', NULL, ''2026-02-01'', ''Bonn'', NULL)',
        'UPDATE obj.stamp SET at = ''2026-02-02'' WHERE id = 1', 'UPDATE obj.stamp SET at = ''2026-02-02'', place = NULL WHERE id = 1',
        'UPDATE obj.stamp SET person = 17 WHERE id = 2',
        'INSERT INTO obj.track VALUES (9, ''acme'', 17, ''x'')', 'INSERT INTO obj.track VALUES (9, ''acme'', 18, ''x'')',
        'UPDATE obj.track SET spot = ''y'' WHERE person = 17', 'DELETE FROM obj.track WHERE person = 17', 'INSERT INTO obj.detail VALUES (9, 1)']) s $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA obj TO PUBLIC;
SET SESSION AUTHORIZATION regress_job;
PREPARE write AS SELECT obj.try('INSERT INTO obj.track VALUES (9, ''acme'', 17, ''x'')');
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'payroll') \gset
SELECT obj.tries(); EXECUTE write;                                                                      -- all of it is done
COMMIT;

--
-- Who objects, and to what
--
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict(s) FROM unnest(ARRAY[
    $$SELECT toms.record_objection('acme', '17')$$,                                                     -- refused: to nothing
    $$SELECT toms.record_objection('acme', '17', category => 'location', purpose => 'payroll')$$,       -- refused: two
    $$SELECT toms.record_objection('acme', '17', category => 'loc')$$,                                  -- refused: no such category
    $$SELECT toms.record_objection('acme', '17', purpose => 'marketng')$$,                              -- refused: nothing is permitted for it
    $$SELECT toms.record_objection('acme', 'x', purpose => 'marketing')$$,                              -- refused: no table has him
    $$SELECT toms.record_objection('nobody', '17', purpose => 'marketing')$$,                           -- refused: no such tenant
    $$SELECT toms.record_objection('acme', NULL, purpose => 'marketing')$$]) s;                         -- refused
SELECT toms.record_objection('acme', '17', category => 'location', reason => 'GPS') AS of_category \gset
SELECT toms.record_objection('acme', '17', category => 'location', reason => 'GPS') = :of_category;     -- once more: it is there
SELECT tenant, subject, category, purpose, in_force, recorded_by FROM toms.objections;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict('SELECT * FROM toms.objections'), regress.verdict($$SELECT toms.record_objection('acme', '18', purpose => 'marketing')$$);     -- refused: no officer

--
-- To a category
--
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'payroll') \gset
SELECT obj.tries(); EXECUTE write;                                                                      -- reads all; no place, no track of 17
\set VERBOSITY default
INSERT INTO obj.stamp VALUES (9, 'acme', 17, '2026-02-01', 'Bonn');                                     -- and is told why
\set VERBOSITY terse
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'payroll') \gset
SELECT toms.explain_access('obj.track', 'insert');
SELECT toms.explain_access('obj.stamp', 'insert');                                                      -- its own category is another
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_objection('acme', '17', category => 'billing') AS of_column \gset
SELECT toms.record_objection('acme', '17', category => 'health') AS of_rows \gset
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'payroll') \gset
SELECT t FROM obj.tries() t WHERE t LIKE '%''acme'', 17, ''2026-02-01''%';                              -- no card, no sickness
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict(format('SELECT toms.end_objection(%s, NULL)', :of_column));                      -- refused: without a reason
SELECT toms.end_objection(o, reason => 'taken back') FROM unnest(ARRAY[:of_category, :of_column, :of_rows]) o;
SELECT regress.verdict(format('SELECT toms.end_objection(%s, ''x'')', :of_column)) LIKE 'refused: there is no objection % in force (42704)';

--
-- To a purpose
--
SELECT toms.record_objection('acme', '17', purpose => 'marketing') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'payroll') \gset
SELECT obj.tries();                                                                                     -- another purpose: all of it
COMMIT;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'marketing') \gset
SELECT obj.tries();                                                                                     -- nothing of 17
SELECT toms.explain_access('obj.stamp', 'select');
\set VERBOSITY default
INSERT INTO obj.stamp VALUES (9, 'acme', 17, '2026-02-01');
\set VERBOSITY terse
ROLLBACK;

-- columns whose category is theirs alone come and go with their policies
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE obj.stamp RENAME COLUMN card TO badge;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
ALTER TABLE obj.stamp DROP COLUMN badge;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;
RESET SESSION AUTHORIZATION;
SELECT intact FROM toms.describe('obj.stamp');
-- a table whose rows name nobody cannot refuse a category
SELECT toms.label_column('obj.detail', 'spot', category => 'location', optional => true);
SET client_min_messages = notice;
SELECT toms.record_objection('acme', '18', category => 'location') > 0;
-- who has objected is not in the trail
SELECT count(*) > 0, bool_or(details::text LIKE '%"subject":"17"%') FROM toms.audit_trail() WHERE details ->> 'table' = 'objection';

SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA obj CASCADE;
DELETE FROM toms.objection; DELETE FROM toms.enabled_category; DELETE FROM toms.instruction_event; DELETE FROM toms.instruction;
