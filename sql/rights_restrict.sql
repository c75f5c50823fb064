--
-- rights_restrict: what is about a restricted person is there for the purposes that the restriction names alone
--
-- Whichever table, partition, child of a parent row or second key it is reached by, for every verb, from the statement after
-- the restriction on, in plans made before too.  Nothing else changes: other persons', other tenants' rows, retention,
-- toms' own work.  It ends by an instruction, once the person has been told.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SET datestyle = 'ISO, YMD';
CREATE SCHEMA rst AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA rst TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE rst.person (tenant text NOT NULL, id integer NOT NULL, login text NOT NULL, name text, UNIQUE (tenant, id), UNIQUE (tenant, login));
CREATE TABLE rst.note (id integer PRIMARY KEY, tenant text NOT NULL, person integer, kind text, words text, at timestamptz DEFAULT now());
CREATE TABLE rst.line (id integer PRIMARY KEY, note integer NOT NULL REFERENCES rst.note, words text);
CREATE TABLE rst.mark (id integer PRIMARY KEY, line integer NOT NULL REFERENCES rst.line, words text);
CREATE TABLE rst.visit (id integer, tenant text NOT NULL, person integer) PARTITION BY RANGE (id);
CREATE TABLE rst.visit_1 PARTITION OF rst.visit FOR VALUES FROM (1) TO (100);
CREATE TABLE rst.visit_2 PARTITION OF rst.visit FOR VALUES FROM (100) TO (200);
GRANT SELECT ON rst.visit_1 TO regress_hr;
CREATE TABLE rst.diary (id integer PRIMARY KEY, tenant text NOT NULL, login text, words text);
INSERT INTO rst.person VALUES ('acme', 17, 'mia', 'Mia'), ('acme', 18, 'ben', 'Ben'), ('globex', 17, 'eve', 'Eve');
INSERT INTO rst.note SELECT n, CASE WHEN n < 10 THEN 'acme' ELSE 'globex' END, CASE WHEN n % 2 = 0 THEN 18 ELSE 17 END, CASE WHEN n % 3 = 0 THEN 'SICK' ELSE 'NOTE' END, 'x' FROM generate_series(1, 12) n;
INSERT INTO rst.note VALUES (20, 'acme', NULL, 'NOTE', 'about nobody');
INSERT INTO rst.line SELECT 10 * id, id, 'y' FROM rst.note;
INSERT INTO rst.mark SELECT 10 * id, id, 'z' FROM rst.line;
INSERT INTO rst.visit VALUES (1, 'acme', 17), (2, 'acme', 18), (101, 'acme', 17), (102, 'globex', 17);
INSERT INTO rst.diary VALUES (1, 'acme', 'mia', 'x'), (2, 'acme', 'ben', 'x'), (3, 'globex', 'eve', 'x'), (4, 'acme', NULL, 'x'), (5, 'acme', 'gone', 'x');
RESET SESSION AUTHORIZATION;
SELECT toms.protect('rst.person', tenant => 'tenant', subject => 'id');
SELECT toms.add_subject_alias('rst.person', canonical => 'id', alias => 'login');
SELECT toms.protect('rst.note', tenant => 'tenant', subject => 'person');
SELECT toms.label_rows('rst.note', $$kind = 'SICK'$$, category => 'health');
SELECT toms.protect('rst.line', parent => 'rst.note', parent_key => 'note');
SELECT toms.protect('rst.mark', parent => 'rst.line', parent_key => 'line');
ANALYZE toms.parent;        -- the planner has other ideas then
SELECT toms.protect('rst.visit', tenant => 'tenant', subject => 'person');
SELECT toms.protect('rst.diary', tenant => 'tenant', subject => 'login', subject_alias => 'rst.person.login');
SELECT count(toms.add_purpose(p, description => 'test', legal_basis => 'test')) FROM unnest('{care,tax}'::text[]) p;
SELECT count(toms.permit('regress_hr', t, '{select,insert,update,delete}', '{care,tax}', 'tenant')) FROM unnest('{rst.person,rst.note,rst.line,rst.mark,rst.visit,rst.diary}'::regclass[]) t;
SELECT toms.permit('regress_hr', 'rst.note', '{select,insert,update,delete}', '{care,tax}', 'tenant', categories => '{health}') > 0;
SELECT count(toms.permit('regress_employee', t, '{select}', '{care}', 'own')) FROM unnest('{rst.note,rst.diary}'::regclass[]) t;

-- what is seen of each table
CREATE FUNCTION rst.seen(tables text[] DEFAULT '{person,note,line,mark,visit,visit_1,diary}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ids text;
    line text := '';
BEGIN
    FOR i IN 1 .. cardinality(tables) LOOP
        EXECUTE format('SELECT string_agg(id::text, '','' ORDER BY id) FROM rst.%I', tables[i]) INTO ids;
        line := line || tables[i] || ' ' || coalesce(ids, 'none') || '; ';
    END LOOP;
    RETURN line;
END
$$;
GRANT EXECUTE ON FUNCTION rst.seen TO PUBLIC;
-- an instruction of the tenant's, given and confirmed
CREATE FUNCTION rst.instruct(kind text, subject text DEFAULT '17', tenant text DEFAULT 'acme') RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    id bigint := toms.record_instruction(tenant, kind, given_by => 'D. Manager', wording => 'Do so.', subject => subject);
BEGIN
    PERFORM toms.confirm_instruction(id);
    RETURN id;
END
$$;

SET SESSION AUTHORIZATION regress_job;
PREPARE notes AS SELECT string_agg(id::text, ',' ORDER BY id) FROM rst.note;
PREPARE lines AS SELECT string_agg(id::text, ',' ORDER BY id) FROM rst.line;
SET plan_cache_mode = force_generic_plan;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'care') \gset
SELECT rst.seen();                                                                                      -- everybody's
EXECUTE notes; EXECUTE lines;
SELECT regress.verdict($$INSERT INTO rst.mark VALUES (1, 10)$$);                                         -- 1 row
ROLLBACK;

-- Tables whose policies find parents without asking whether anybody is restricted are closed once somebody is: that he was
-- written into the table by hand does not open a way around.
RESET SESSION AUTHORIZATION;
BEGIN;
INSERT INTO toms.restriction (tenant, subject, purposes, kind, restricted_by) VALUES ('acme', '17', '{}', 'statutory', 'test');
SET SESSION AUTHORIZATION regress_job;
SELECT toms.enter('acme', '1', 'regress_hr', 'care') \gset
SELECT regress.verdict('SELECT FROM rst.line'), regress.verdict('SELECT FROM rst.note');                -- refused; 5 rows
ROLLBACK;
RESET SESSION AUTHORIZATION;

--
-- By an instruction that is confirmed, of this tenant, person and kind
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('acme', 'restrict', given_by => 'D. Manager', wording => 'Restrict.', subject => '17') AS given \gset
SELECT regexp_replace(regress.verdict(s), '[0-9]+ is', 'N is') FROM unnest(ARRAY[
    format($$SELECT toms.restrict_subject('acme', '17', %s)$$, :given),                                 -- refused: not confirmed
    format($$SELECT toms.restrict_subject('acme', '18', %s)$$, rst.instruct('restrict')),               -- refused: another person's
    format($$SELECT toms.restrict_subject('globex', '17', %s)$$, rst.instruct('restrict')),             -- refused: another tenant's
    format($$SELECT toms.restrict_subject('acme', '17', %s)$$, rst.instruct('rectify')),                -- refused: for something else
    format($$SELECT toms.restrict_subject('acme', '017', %s)$$, rst.instruct('restrict', '017')),       -- refused: no table has him
    format($$SELECT toms.restrict_subject('acme', '17', %s, relation => 'rst.line')$$, rst.instruct('restrict')),      -- refused: its rows name nobody
    format($$SELECT toms.restrict_subject('acme', '17', %s, relation => 'rst.visit_1')$$, rst.instruct('restrict')),   -- refused: a partition
    format($$SELECT toms.restrict_subject('acme', '17', %s, purposes => '{tax,NULL}')$$, rst.instruct('restrict'))]) s;        -- refused
SELECT toms.confirm_instruction(:given);
SELECT toms.restrict_subject('acme', '17', :given, purposes => '{tax}', dry_run => true);               -- tells, and does nothing
SELECT toms.restrict_subject('acme', '17', :given, purposes => '{tax}', dry_run => NULL);               -- tells, and does nothing
SELECT count(*) FROM toms.restrictions;
SELECT toms.restrict_subject('acme', '17', :given, purposes => '{tax}');
SELECT toms.restrict_subject('acme', '17', :given, purposes => '{tax}');                                -- once more: it is done
SELECT tenant, subject, relation, purposes, kind, in_force FROM toms.restrictions;
SELECT state FROM toms.instruction WHERE id = :given;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict($$SELECT * FROM toms.restrictions$$), regress.verdict($$SELECT toms.restrict_subject('acme', '18', 1)$$);       -- refused: no officer

--
-- What is hidden, for each verb; who is refused is told why, and what the rest is
--
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'care') \gset
SELECT rst.seen();                                                                                      -- Ben's, and nobody's; "gone" may be anybody
EXECUTE notes; EXECUTE lines;                                                                           -- plans made before
SELECT count(*), count(DISTINCT person) FROM rst.note;                                                  -- 5, 1
SELECT s, regress.verdict(s) FROM unnest(ARRAY[
    $$UPDATE rst.note SET words = 'y' WHERE person = 17$$,                                              -- 0 rows
    $$UPDATE rst.note SET person = 17 WHERE id = 2$$,                                                   -- refused: would be his
    $$DELETE FROM rst.note WHERE id = 1$$,                                                              -- 0 rows
    $$DELETE FROM rst.line WHERE id = 10$$,                                                             -- 0 rows
    $$SELECT FROM rst.note WHERE id = 1 FOR UPDATE$$,                                                   -- 0 rows
    $$INSERT INTO rst.note VALUES (31, 'acme', 17)$$,                                                   -- refused
    $$INSERT INTO rst.note VALUES (31, 'acme', 17, 'SICK')$$,                                           -- refused, of another category too
    $$INSERT INTO rst.note VALUES (1, 'acme', 18) ON CONFLICT (id) DO UPDATE SET words = 'z'$$,         -- refused: it is there, and his
    $$MERGE INTO rst.note n USING (VALUES (1)) v (id) ON n.id = v.id WHEN MATCHED THEN DELETE$$,        -- 0 rows
    $$INSERT INTO rst.line VALUES (1, 1)$$,                                                             -- refused: his parent row
    $$INSERT INTO rst.mark VALUES (1, 10)$$,                                                            -- refused
    $$INSERT INTO rst.visit VALUES (3, 'acme', 17)$$,                                                   -- refused
    $$INSERT INTO rst.diary VALUES (6, 'acme', 'mia')$$,                                                -- refused: his other key
    $$INSERT INTO rst.diary VALUES (6, 'acme', 'new')$$,                                                -- refused: nobody knows who that is
    $$INSERT INTO rst.note VALUES (32, 'acme', 18), (33, 'acme', NULL)$$,                               -- 2 rows
    $$INSERT INTO rst.diary VALUES (6, 'acme', 'ben')$$,                                                -- 1 row
    $$INSERT INTO rst.mark VALUES (1, 20)$$]) s;                                                        -- 1 row
\set VERBOSITY default
INSERT INTO rst.note VALUES (34, 'acme', 17);
\set VERBOSITY terse
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'care') \gset
SELECT toms.explain_access('rst.note', 'select');
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'care') \gset
SELECT rst.seen('{note,diary}');                                                                        -- none: neither does he for this purpose
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '18', 'regress_employee', 'care') \gset
SELECT rst.seen('{note,diary}');                                                                        -- Ben does
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'tax') \gset
SELECT rst.seen();                                                                                      -- everybody's: that purpose is named
SELECT regress.verdict($$INSERT INTO rst.note VALUES (31, 'acme', 17)$$), toms.explain_access('rst.note', 'select');   -- 1 row
ROLLBACK;
BEGIN; SELECT toms.enter('globex', '1', 'regress_hr', 'care') \gset
SELECT rst.seen();                                                                                      -- globex' person 17 is another
ROLLBACK;

--
-- An open transaction meets it from its next statement on; ROLLBACK takes it back
--
SET SESSION AUTHORIZATION regress_officer;
BEGIN;
SELECT toms.restrict_subject('acme', '18', rst.instruct('restrict', '18'), relation => 'rst.note') -> 'rows';
ROLLBACK;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'care') \gset
EXECUTE notes;                                                                                          -- as before
COMMIT;
-- one table alone, with what is below it
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.restrict_subject('acme', '18', rst.instruct('restrict', '18'), relation => 'rst.note') -> 'rows';
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'care') \gset
SELECT rst.seen();                                                                                      -- notes, lines and marks of nobody alone
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'tax') \gset
SELECT rst.seen('{note,line,mark,visit,diary}');                                                        -- Ben's notes name no purpose
ROLLBACK;
-- a further instruction names another purpose
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.restrict_subject('acme', '18', rst.instruct('restrict', '18'), purposes => '{care}', relation => 'rst.note') -> 'rows';
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'care') \gset
SELECT rst.seen('{note,line,mark}');
ROLLBACK;

--
-- Retention and toms' own work reach restricted rows
--
RESET SESSION AUTHORIZATION;
BEGIN;
SELECT toms.change_rows('rst.note', 'acme', toms.find_rows('rst.note', $$t.id = 1$$), $$words = ($2)[1]$$, '{corrected}');
SELECT toms.change_rows('rst.mark', 'acme', toms.find_rows('rst.mark', $$t.id = 100$$), $$words = ($2)[1]$$, '{corrected}');
SELECT toms.read_portion('rst.line', 'acme', toms.find_rows('rst.line', $$t.id = 10$$), 't.words', ',');
ROLLBACK;

--
-- It ends by an instruction, when he has been told
--
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict(s) FROM unnest(ARRAY[
    format($$SELECT toms.unrestrict_subject('acme', '17', %s, NULL)$$, rst.instruct('unrestrict')),                            -- refused: not told
    format($$SELECT toms.unrestrict_subject('acme', '17', %s, now() + interval '1 day')$$, rst.instruct('unrestrict')),         -- refused
    format($$SELECT toms.unrestrict_subject('acme', '17', %s, '2020-01-01')$$, rst.instruct('unrestrict')),                     -- refused: before
    format($$SELECT toms.unrestrict_subject('acme', '17', %s, clock_timestamp(), 'rst.note')$$, rst.instruct('unrestrict')),    -- refused: not so
    format($$SELECT toms.unrestrict_subject('acme', '17', %s, clock_timestamp())$$, rst.instruct('restrict'))]) s;              -- refused: for something else
SELECT rst.instruct('unrestrict') AS given \gset
SELECT toms.unrestrict_subject('acme', '17', :given, clock_timestamp()) -> 'rows' -> 'rst.note';
SELECT toms.unrestrict_subject('acme', '17', :given, clock_timestamp()) -> 'rows' -> 'rst.note';         -- it is done
SELECT subject, in_force, told_at IS NOT NULL, ended_by FROM toms.restrictions ORDER BY id;
SELECT (toms.unrestrict_subject('acme', '18', rst.instruct('unrestrict', '18'), clock_timestamp(), 'rst.note')) -> 'inform';
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'care') \gset
SELECT rst.seen();                                                                                      -- everybody's
ROLLBACK;

--
-- What an erasure has to leave is there for the purposes of its rules alone, until its end
--
RESET SESSION AUTHORIZATION;
SELECT toms.retain('rst.note', keep => '10 years', since => 'at', basis => '§ 147 AO', restrict_after => '2 years', purposes => '{tax}') > 0;
SELECT toms.restrict_rows('rst.mark', 'acme', '17', '§ 147 AO', '2020-01-01'), toms.restrict_rows('rst.note', 'acme', '17', '§ 147 AO', '2021-01-01');
SELECT subject, relation, purposes, kind, until::date FROM toms.restrictions WHERE in_force;            -- the notes that the marks are below
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'care') \gset
SELECT rst.seen('{note,line,mark,visit}');
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'tax') \gset
SELECT rst.seen('{note,line,mark,visit}');
ROLLBACK;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict(format($$SELECT toms.unrestrict_subject('acme', '17', %s, clock_timestamp(), 'rst.note')$$, rst.instruct('unrestrict')));        -- refused: it ends with the rows
RESET SESSION AUTHORIZATION;
SELECT toms.forget_person('acme', '17');
SELECT count(*) FROM toms.restrictions WHERE subject = '17';                                            -- 0: nothing is kept of it

-- who is restricted is not in the trail
SELECT count(*) > 0, bool_or(details::text LIKE '%"subject":"17"%') FROM toms.audit_trail() WHERE details ->> 'table' = 'restriction';

SET toms.reason = 'end of the test';
DROP SCHEMA rst CASCADE;
DELETE FROM toms.restriction; DELETE FROM toms.instruction_event; DELETE FROM toms.instruction;
