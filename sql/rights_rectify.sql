--
-- rights_rectify: values about a person are corrected as instructed, in the name of the table's owner
--
-- His rows alone, of his tenant alone; in partitions, below parent rows, of his second key, past their period and restricted too.
-- What says whose a row is cannot be changed so. Sealed columns take plain text.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SET datestyle = 'ISO, YMD';
CREATE SCHEMA rec AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA rec TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE rec.person (tenant text NOT NULL, id integer NOT NULL, login text NOT NULL, name text, born date, tags jsonb, name_length integer GENERATED ALWAYS AS (length(name)) STORED, UNIQUE (tenant, id), UNIQUE (tenant, login));
CREATE TABLE rec.note (id integer, tenant text NOT NULL, person integer, day date, diagnosis toms.sealed_text, words text) PARTITION BY RANGE (id);
CREATE TABLE rec.note_1 PARTITION OF rec.note FOR VALUES FROM (1) TO (100);
CREATE TABLE rec.note_2 PARTITION OF rec.note FOR VALUES FROM (100) TO (200);
CREATE TABLE rec.diary (id integer PRIMARY KEY, tenant text NOT NULL, login text, words text);
CREATE TABLE rec.page (id integer PRIMARY KEY, diary integer NOT NULL REFERENCES rec.diary, words text);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('rec.person', tenant => 'tenant', subject => 'id');
SELECT toms.add_subject_alias('rec.person', canonical => 'id', alias => 'login');
SELECT toms.protect('rec.note', tenant => 'tenant', subject => 'person');
SELECT toms.protect('rec.diary', tenant => 'tenant', subject => 'login', subject_alias => 'rec.person.login');
SELECT toms.protect('rec.page', parent => 'rec.diary', parent_key => 'diary');
SELECT count(toms.permit('regress_hr', t, '{select,insert,update,delete}', '{care}', 'tenant')) FROM unnest('{rec.person,rec.note,rec.diary,rec.page}'::regclass[]) t;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'care') \gset
INSERT INTO rec.person VALUES ('acme', 17, 'mia', 'Mai', '1990-01-02', '["a"]'), ('acme', 18, 'ben', 'Ben', '1991-01-02', '[]');
INSERT INTO rec.note VALUES (1, 'acme', 17, '2020-01-01', 'flu', 'w1'), (101, 'acme', 17, '2026-01-01', 'cold', 'w2'), (2, 'acme', 18, '2026-01-01', 'flu', 'w3');
INSERT INTO rec.diary VALUES (1, 'acme', 'mia', 'd1'), (2, 'acme', 'ben', 'd2');
INSERT INTO rec.page VALUES (10, 1, 'p1'), (20, 2, 'p2');
COMMIT;
BEGIN; SELECT toms.enter('globex', '1', 'regress_hr', 'care') \gset
INSERT INTO rec.person VALUES ('globex', 17, 'eve', 'Eve');
INSERT INTO rec.note VALUES (3, 'globex', 17, '2026-01-01', 'flu', 'w4');
COMMIT;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION rec.instruct(subject text DEFAULT '17', kind text DEFAULT 'rectify', single_use boolean DEFAULT true) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    id bigint := toms.record_instruction('acme', kind, given_by => 'D. Manager', wording => 'Do so.', subject => subject, single_use => single_use);
BEGIN
    PERFORM toms.confirm_instruction(id);
    RETURN id;
END
$$;

SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict(format(s, rec.instruct())) FROM unnest(ARRAY[
    $$SELECT toms.rectify_subject('acme', '18', 'rec.person', '{"name": "X"}', %s)$$,                   -- refused: another person's instruction
    $$SELECT toms.rectify_subject('globex', '17', 'rec.person', '{"name": "X"}', %s)$$,                 -- refused: another tenant's
    $$SELECT toms.rectify_subject('acme', '17', 'rec.person', '{"nam": "X"}', %s)$$,                    -- refused: no such column
    $$SELECT toms.rectify_subject('acme', '17', 'rec.person', '{"name_length": 3}', %s)$$,              -- refused: generated
    $$SELECT toms.rectify_subject('acme', '17', 'rec.person', '{"name": "X", "id": 18}', %s)$$,         -- refused: who is meant
    $$SELECT toms.rectify_subject('acme', '17', 'rec.person', '{"login": "x"}', %s)$$,                  -- refused: alike
    $$SELECT toms.rectify_subject('acme', '17', 'rec.person', '{"tenant": "globex"}', %s)$$,            -- refused: alike
    $$SELECT toms.rectify_subject('acme', '17', 'rec.page', '{"diary": 2}', %s)$$,                      -- refused: alike
    $$SELECT toms.rectify_subject('acme', '17', 'rec.person', '{}', %s)$$,                              -- refused: nothing
    $$SELECT toms.rectify_subject('acme', '17', 'rec.person', '["name"]', %s)$$,                        -- refused
    $$SELECT toms.rectify_subject('acme', '17', 'rec.note_1', '{"words": "X"}', %s)$$,                  -- refused: a partition
    $$SELECT toms.rectify_subject('acme', '17', 'rec.note', '{"words": "X"}', %s, which => '{"day": "2020-01-01"}')$$,     -- refused: of that type rows are not told
    $$SELECT toms.rectify_subject('acme', '17', 'rec.note', '{"words": "X"}', %s, which => '{"id": 2}')$$]) s;             -- refused: not his row
SELECT toms.rectify_subject('acme', '17', 'rec.person', '{"name": "Mia"}', rec.instruct(), dry_run => true);
SELECT toms.rectify_subject('acme', '17', 'rec.person', '{"name": "Mia"}', rec.instruct(), dry_run => NULL);
SELECT rec.instruct() AS given \gset
SELECT toms.rectify_subject('acme', '17', 'rec.person', '{"name": "Mia", "born": "1990-02-01", "tags": ["a", "b"]}', :given);
SELECT toms.rectify_subject('acme', '17', 'rec.person', '{"name": "Mia", "born": "1990-02-01", "tags": ["a", "b"]}', :given);     -- once more: it is done
SELECT regress.verdict(format($$SELECT toms.rectify_subject('acme', '17', 'rec.diary', '{"words": "X"}', %s)$$, :given)) LIKE 'refused: instruction % is carried_out, not confirmed (55000)';

-- restricted, and past their period
SELECT toms.restrict_subject('acme', '17', rec.instruct(kind => 'restrict')) -> 'inform';
RESET SESSION AUTHORIZATION;
SELECT toms.retain('rec.note', keep => '1 year', since => 'day', basis => 'test') > 0;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.rectify_subject('acme', '17', 'rec.note', '{"diagnosis": "hay fever"}', rec.instruct());
SELECT toms.rectify_subject('acme', '17', 'rec.note', '{"words": null}', rec.instruct(), which => '{"id": 101}');
SELECT rec.instruct(single_use => false) AS several \gset
SELECT toms.rectify_subject('acme', '17', 'rec.diary', '{"words": "D1"}', :several) -> 'rows', toms.rectify_subject('acme', '17', 'rec.page', '{"words": "P1"}', :several) -> 'rows';
SELECT toms.unrestrict_subject('acme', '17', rec.instruct(kind => 'unrestrict'), clock_timestamp()) -> 'inform';
RESET SESSION AUTHORIZATION;
SELECT toms.unretain(id, reason => 'test') FROM toms.retention_rules WHERE in_force;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'care') \gset
SELECT id, name, born, tags FROM rec.person ORDER BY id;
SELECT id, toms.reveal(diagnosis), words FROM rec.note ORDER BY id;
SELECT d.id, d.words, p.words FROM rec.diary d JOIN rec.page p ON p.diary = d.id ORDER BY d.id;
COMMIT;
BEGIN; SELECT toms.enter('globex', '1', 'regress_hr', 'care') \gset
SELECT name FROM rec.person; SELECT toms.reveal(diagnosis), words FROM rec.note;                        -- another tenant's are as they were
COMMIT;

-- what was done is recorded, without values
RESET SESSION AUTHORIZATION;
SELECT tenant, subject, relation, columns, rows, by FROM toms.rectification ORDER BY id;
SELECT count(*) > 0, bool_or(details::text LIKE '%hay fever%' OR details::text LIKE '%"subject":"17"%') FROM toms.audit_trail() WHERE details ->> 'table' = 'rectification';
SELECT count(*) > 0 FROM toms.audit_trail() WHERE relation = 'rec.person' AND purpose = 'rights';
-- a trigger that keeps a row would pass for done
SET SESSION AUTHORIZATION regress_owner;
CREATE FUNCTION rec.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE UPDATE ON rec.diary FOR EACH ROW EXECUTE FUNCTION rec.keep();
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict(format($$SELECT toms.rectify_subject('acme', '17', 'rec.diary', '{"words": "X"}', %s)$$, rec.instruct()));
RESET SESSION AUTHORIZATION;
SET toms.reason = 'end of the test';
DROP SCHEMA rec CASCADE;
DELETE FROM toms.rectification; DELETE FROM toms.restriction; DELETE FROM toms.instruction_event; DELETE FROM toms.instruction;
