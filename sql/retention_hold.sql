--
-- retention_hold: what is held nothing deletes, whichever way it comes
--
-- A hold is of a tenant, of a subject of his, of a table or of a rule.  It is asked by DELETE and by what amounts
-- to one: another owner for a row, TRUNCATE, DROP, DETACH, cascades, destroyed keys.  It tells its number,
-- never its subject or reason.  Erasures that it keeps are remembered, and finished when it is released.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
CREATE SCHEMA held AUTHORIZATION regress_owner;
CREATE ROLE regress_held_operator LOGIN;
SELECT toms.grant_officer('regress_held_operator', 'operator');
SET SESSION AUTHORIZATION regress_owner;
CREATE TYPE held.kind AS ENUM ('A', 'B');
CREATE TABLE held.person (tenant text NOT NULL, employee integer NOT NULL, login text NOT NULL, UNIQUE (tenant, employee), UNIQUE (tenant, login));
CREATE TABLE held.note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer, day date, kind held.kind, words text);
CREATE TABLE held.line (id integer PRIMARY KEY, note integer NOT NULL REFERENCES held.note ON DELETE CASCADE, words text, day date);
CREATE TABLE held.visit (id integer, tenant text NOT NULL, employee integer, day date) PARTITION BY RANGE (id);
CREATE TABLE held.visit_1 PARTITION OF held.visit FOR VALUES FROM (1) TO (100);
CREATE TABLE held.visit_2 PARTITION OF held.visit FOR VALUES FROM (100) TO (200);
CREATE TABLE held.diary (id integer PRIMARY KEY, tenant text NOT NULL, login text, words text, day date);
CREATE TABLE held.open (id integer);
CREATE TABLE held.thing (id integer, tenant text NOT NULL);
INSERT INTO held.thing VALUES (1, 'acme');
INSERT INTO held.person VALUES ('acme', 17, 'mia'), ('acme', 18, 'ben'), ('globex', 17, 'eve');
INSERT INTO held.note SELECT n, CASE WHEN n < 10 THEN 'acme' ELSE 'globex' END, CASE WHEN n % 2 = 0 THEN 18 ELSE 17 END, '2020-01-01', 'A', 'x' FROM generate_series(1, 14) n;
INSERT INTO held.line SELECT 10 * n, n, 'y', '2020-01-01' FROM generate_series(1, 14) n;
INSERT INTO held.visit VALUES (1, 'acme', 17, '2020-01-01'), (2, 'acme', 18, '2020-01-01'), (101, 'globex', 17, '2020-01-01'), (102, 'globex', 18, '2020-01-01');
INSERT INTO held.diary VALUES (1, 'acme', 'mia', 'x', '2020-01-01'), (2, 'acme', 'ben', 'x', '2020-01-01'), (3, 'globex', 'eve', 'x', '2020-01-01'), (4, 'acme', NULL, 'x', '2020-01-01');
RESET SESSION AUTHORIZATION;
SELECT toms.protect('held.person', tenant => 'tenant', subject => 'employee');
SELECT toms.add_subject_alias('held.person', canonical => 'employee', alias => 'login');
SELECT toms.protect('held.note', tenant => 'tenant', subject => 'employee');
SELECT toms.protect('held.line', parent => 'held.note', parent_key => 'note');
SELECT toms.protect('held.visit', tenant => 'tenant', subject => 'employee');
SELECT toms.protect('held.thing', tenant => 'tenant');
SELECT toms.protect('held.diary', tenant => 'tenant', subject => 'login', subject_alias => 'held.person.login');
SELECT count(toms.permit('regress_hr', t, '{select,insert,update,delete}', '{absence_management}', 'tenant'))
FROM (VALUES ('held.person'::regclass), ('held.note'), ('held.line'), ('held.visit'), ('held.diary')) v (t);

-- what comes of a statement, and nothing of it stays
CREATE FUNCTION held.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text;
    detail text;
    rows bigint;
BEGIN
    BEGIN
        EXECUTE statement;
        GET DIAGNOSTICS rows = ROW_COUNT;
        RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ999';
    EXCEPTION WHEN SQLSTATE 'ZZ999' THEN
        RETURN statement || ': ok, ' || rows;
    END;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', statement || ':', SQLSTATE, coalesce(nullif(code, ''), regexp_replace(SQLERRM, '\d+', 'N')), CASE code WHEN 'toms_held' THEN regexp_replace(detail, '\d+', 'N') END);
END
$$;
CREATE FUNCTION held.as_hr(tenant text, VARIADIC statements text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM toms.enter(tenant, '90', 'regress_hr', 'absence_management');
    RETURN QUERY SELECT held.try(s) FROM unnest(statements) WITH ORDINALITY u (s, n) ORDER BY n;
END
$$;
GRANT USAGE ON SCHEMA held TO PUBLIC;

--
-- an officer sets it; nobody else does
--
SET SESSION AUTHORIZATION regress_held_operator;
SELECT held.try($$SELECT toms.hold('acme', reason => 'court')$$);
SET SESSION AUTHORIZATION regress_officer;
SELECT held.try(s) FROM unnest(ARRAY[
    $$SELECT toms.hold('acme')$$,
    $$SELECT toms.hold('acme', reason => '')$$,
    $$SELECT toms.hold(reason => 'court')$$,
    $$SELECT toms.hold(subject => '17', reason => 'court')$$,
    $$SELECT toms.hold(subject => '17', relation => 'held.note', reason => 'court')$$,
    $$SELECT toms.hold('nobody', reason => 'court')$$,
    $$SELECT toms.hold('acme', relation => 'held.open', reason => 'court')$$,
    $$SELECT toms.hold('acme', relation => 'held.visit_1', reason => 'court')$$,
    $$SELECT toms.hold('acme', rule => 4711, reason => 'court')$$,
    $$SELECT toms.hold('acme', kind => 'whim', reason => 'court')$$,
    $$SELECT toms.hold('acme', '017', relation => 'held.note', reason => 'court')$$,
    $$SELECT toms.hold('acme', '', reason => 'court')$$,
    $$SELECT toms.release_hold(4711)$$]) s;

--
-- of a subject: his rows alone, in every table
--
SELECT toms.hold('acme', '17', reason => 'Mia against ACME') AS of_mia \gset
SET SESSION AUTHORIZATION regress_job;
SELECT held.as_hr('acme',
    'DELETE FROM held.note WHERE id = 1',
    'DELETE FROM held.note WHERE id = 2',
    'DELETE FROM held.note WHERE id < 10',
    'UPDATE held.note SET employee = 18 WHERE id = 1',
    'UPDATE held.note SET employee = NULL WHERE id = 1',
    'UPDATE held.note SET employee = 17 WHERE id = 2',
    $$UPDATE held.note SET day = '2021-01-01', words = 'z' WHERE id = 1$$,
    $$INSERT INTO held.note VALUES (1, 'acme', 18) ON CONFLICT (id) DO UPDATE SET employee = 18$$,
    $$MERGE INTO held.note n USING (SELECT 1 AS id) s ON n.id = s.id WHEN MATCHED THEN DELETE$$,
    $$WITH gone AS (DELETE FROM held.note WHERE id = 1 RETURNING 1) SELECT count(*) FROM gone$$,
    'DELETE FROM held.visit WHERE id = 1',
    'DELETE FROM held.visit WHERE id = 2',
    'UPDATE held.visit SET id = 150 WHERE id = 1',
    'DELETE FROM held.person WHERE employee = 17',
    'DELETE FROM held.person WHERE employee = 18',
    $$UPDATE held.person SET login = 'maria' WHERE employee = 17$$,
    $$UPDATE held.person SET login = 'benno' WHERE employee = 18$$,
    $$DELETE FROM held.diary WHERE login = 'mia'$$,
    $$DELETE FROM held.diary WHERE login = 'ben'$$,
    'DELETE FROM held.diary WHERE login IS NULL',
    -- lines of his notes are his
    'DELETE FROM held.line WHERE id = 10',
    'DELETE FROM held.line WHERE id = 20');
-- the other tenant has a 17 too
SELECT held.as_hr('globex', 'DELETE FROM held.note WHERE id = 11', $$DELETE FROM held.diary WHERE login = 'eve'$$);
-- nor does one who bypasses the policies; a line, without a context, may be anybody's
RESET SESSION AUTHORIZATION;
GRANT ALL ON ALL TABLES IN SCHEMA held TO regress_migration;
GRANT regress_owner TO regress_migration;
SET SESSION AUTHORIZATION regress_migration;
SET toms.reason = 'clean up';
SELECT held.try(s) FROM unnest(ARRAY[
    'DELETE FROM held.note WHERE id = 1',
    'DELETE FROM held.note WHERE id = 2',
    'DELETE FROM held.note WHERE id = 11',
    $$UPDATE held.note SET tenant = 'globex' WHERE id = 1$$,
    'TRUNCATE held.note CASCADE',
    'TRUNCATE held.visit_1',
    'DROP TABLE held.note CASCADE',
    'DROP TABLE held.visit_1',
    'DROP SCHEMA held CASCADE',
    'ALTER TABLE held.note DROP COLUMN words',
    'DROP TYPE held.kind CASCADE',
    'ALTER TABLE held.note ALTER COLUMN employee TYPE bigint USING 18',
    'ALTER TABLE held.visit ALTER COLUMN employee TYPE bigint',
    'ALTER TABLE held.visit DETACH PARTITION held.visit_1',
    'ALTER TABLE held.visit DROP COLUMN day',
    'DROP TABLE held.visit',
    -- where none of his rows are
    'ALTER TABLE held.visit DETACH PARTITION held.visit_2',
    'TRUNCATE held.visit_2',
    'DROP TABLE held.visit_2',
    'TRUNCATE held.line',
    'TRUNCATE held.thing',
    'ALTER TABLE held.note ADD COLUMN more integer',
    'DROP TABLE held.open']) s;
SELECT held.try('DROP OWNED BY regress_owner CASCADE');
-- nor a superuser whose session takes itself for a replica
RESET SESSION AUTHORIZATION;
SET toms.reason = 'clean up';
SET session_replication_role = replica;
SELECT held.try('DELETE FROM held.note WHERE id = 1');
RESET session_replication_role;
-- nor who takes toms away, and the keys with it
SELECT held.try('DROP EXTENSION toms CASCADE');
RESET toms.reason;
-- nor by way of an officer
SET SESSION AUTHORIZATION regress_officer;
SELECT held.try($$SELECT toms.unprotect('held.note', reason => 'test')$$);
SELECT held.try($$SELECT toms.protect('held.note', tenant => 'tenant', subject => 'employee', mode => 'observe', reason => 'test')$$);

--
-- whom it is about, and why, is for who has to know it
--
SELECT tenant, subject, reason, kind, state FROM toms.holds WHERE id = :of_mia;
SET SESSION AUTHORIZATION regress_held_operator;
SELECT tenant, of_subject, subject, reason, kind, state FROM toms.holds WHERE id = :of_mia;
SELECT held.try('SELECT * FROM toms.hold');
RESET SESSION AUTHORIZATION;
SELECT count(*) > 0 AS refusals, bool_or(convert_from(e.payload, 'UTF8') ~ 'Mia|against|"17"') AS tell FROM toms.audit_entry e
WHERE e.kind = 'x' AND convert_from(e.payload, 'UTF8') ~ 'toms_held';
SELECT bool_or(convert_from(e.payload, 'UTF8') ~ 'Mia|against|"17"') FROM toms.audit_entry e
WHERE e.kind = 'a' AND convert_from(e.payload, 'UTF8') LIKE '{"table":"hold"%';

--
-- the end
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.release_hold(:of_mia, reason => 'settled');
SELECT held.try(format('SELECT toms.release_hold(%s)', :of_mia)) LIKE '%: 42704 there is no hold N in force';
SELECT state, released_by, released_for FROM toms.holds WHERE id = :of_mia;
SET SESSION AUTHORIZATION regress_job;
SELECT held.as_hr('acme', 'DELETE FROM held.note WHERE id = 1', 'DELETE FROM held.visit WHERE id = 1', $$DELETE FROM held.diary WHERE login = 'mia'$$);

--
-- of a tenant, of a table, of a tenant in a table
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.hold('acme', reason => 'all of acme') AS h \gset
SET SESSION AUTHORIZATION regress_job;
SELECT held.as_hr('acme', 'DELETE FROM held.note WHERE id = 2', 'DELETE FROM held.diary WHERE login IS NULL', 'DELETE FROM held.line WHERE id = 10', 'UPDATE held.line SET note = 2 WHERE id = 10');
SELECT held.as_hr('globex', 'DELETE FROM held.note WHERE id = 11', 'DELETE FROM held.line WHERE id = 110');
-- without a context a line could be anybody's
RESET SESSION AUTHORIZATION;
SET toms.reason = 'clean up';
SELECT held.try('DELETE FROM held.line WHERE id = 110');
RESET toms.reason;
SELECT toms.release_hold(:h);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.hold(relation => 'held.note', reason => 'all notes') AS h \gset
SET SESSION AUTHORIZATION regress_job;
SELECT held.as_hr('acme', 'DELETE FROM held.note WHERE id = 2', 'DELETE FROM held.visit WHERE id = 2');
SELECT held.as_hr('globex', 'DELETE FROM held.note WHERE id = 11', 'DELETE FROM held.visit WHERE id = 101');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.release_hold(:h);
SELECT toms.hold('globex', relation => 'held.note', reason => 'notes of globex') AS h \gset
SET SESSION AUTHORIZATION regress_job;
SELECT held.as_hr('acme', 'DELETE FROM held.note WHERE id = 2');
SELECT held.as_hr('globex', 'DELETE FROM held.note WHERE id = 11', 'DELETE FROM held.visit WHERE id = 101');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.release_hold(:h);

--
-- a line goes with its note: a hold on either keeps both
--
SELECT toms.hold(relation => 'held.line', reason => 'all lines') AS h \gset
SET SESSION AUTHORIZATION regress_job;
SELECT held.as_hr('acme', 'DELETE FROM held.note WHERE id = 2');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.release_hold(:h);

--
-- of a rule: the rows of its table, on every path but other rules' runs
--
SELECT toms.retain('held.note', keep => '1 year', since => 'day', zone => 'UTC') AS rule \gset
SELECT toms.hold(rule => :rule, kind => 'suspension', reason => 'tax audit') AS h \gset
SELECT relation, tenant, of_subject, rule = :rule, kind FROM toms.holds WHERE id = :h;
SELECT held.try(format('SELECT toms.unretain(%s, reason => $$test$$)', :rule)) LIKE '%rule N is held%';
SELECT held.try($$SELECT toms.retain('held.note', keep => '1 day', since => 'day', tenant => 'acme', zone => 'UTC')$$);
-- it passes on to the rule that takes its place
SELECT toms.retain('held.note', keep => '2 years', since => 'day', zone => 'UTC') AS next \gset
SELECT rule = :next FROM toms.holds WHERE id = :h;
SELECT toms.release_hold(:h);

--
-- a run of retention: what is held is left, wherever it stands; it goes once the hold is released
--
BEGIN;
SELECT count(toms.retain(t, keep => '1 year', since => 'day', zone => 'UTC')) FROM unnest('{held.note,held.line,held.visit,held.diary}'::regclass[]) t;
SELECT toms.hold('acme', '17', reason => 'court') AS h \gset
SELECT toms.hold(rule => id, kind => 'suspension', reason => 'tax audit') AS of_visits FROM toms.retention_rules WHERE relation = 'held.visit' AND in_force \gset
SELECT relation, tenant, due, done, held, blocked FROM toms.run_retention();
RESET SESSION AUTHORIZATION;
SET LOCAL toms.reason = 'look';
CREATE FUNCTION held.left() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT 'note ' || string_agg(id::text, ' ' ORDER BY id) FROM held.note UNION ALL SELECT 'line ' || string_agg(id::text, ' ' ORDER BY id) FROM held.line UNION ALL
    SELECT 'visit ' || string_agg(id::text, ' ' ORDER BY id) FROM held.visit UNION ALL SELECT 'diary ' || string_agg(id::text, ' ' ORDER BY id) FROM held.diary $$;
SELECT held.left();
SELECT toms.release_hold(:of_visits), toms.release_hold(:h);
SET SESSION AUTHORIZATION regress_officer;
SELECT relation, tenant, due, done, held, blocked FROM toms.run_retention();
RESET SESSION AUTHORIZATION;
SELECT held.left();
ROLLBACK;

--
-- keys: what a hold keeps stays readable, the rest goes; it is made up for when the hold is released
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE held.secret (id integer PRIMARY KEY, tenant text NOT NULL, employee integer, words toms.sealed_text);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('held.secret', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('regress_hr', 'held.secret', '{select,insert,update,delete}', '{absence_management}', 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO held.secret VALUES (1, 'acme', 17, 'of Mia'), (2, 'acme', 18, 'of Ben');
COMMIT;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION held.keys() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('%s: %s', k.subject, k.wrapped IS NOT NULL) FROM toms.data_key k WHERE k.relation = 'held.secret'::regclass AND k.subject IS NOT NULL ORDER BY 1 $$;
SELECT held.keys();
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('acme', 'erase', given_by => 'acme', wording => 'erase 17', subject => '17') AS erase_mia \gset
SELECT toms.record_instruction('acme', 'erase', given_by => 'acme', wording => 'erase 18', subject => '18') AS erase_ben \gset
SELECT toms.confirm_instruction(i) FROM unnest(ARRAY[:erase_mia, :erase_ben]::bigint[]) i;
SELECT toms.hold('acme', '17', reason => 'court') AS one \gset
SELECT toms.hold(relation => 'held.secret', tenant => 'acme', subject => '17', reason => 'another court') AS two \gset
SELECT toms.destroy_keys('acme', :erase_ben, '18') > 0 AS some;
SET client_min_messages = warning;
SELECT toms.destroy_keys('acme', :erase_mia, '17') AS none;
SELECT toms.destroy_keys('acme', :erase_mia, '17') AS none;
RESET SESSION AUTHORIZATION;
SELECT held.keys();
SET SESSION AUTHORIZATION regress_held_operator;
SELECT tenant, state, ended_at IS NOT NULL FROM toms.pending_erasures;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.release_hold(:one);
SELECT state FROM toms.pending_erasures;
SELECT state FROM toms.instruction WHERE id = :erase_mia;
SELECT toms.release_hold(:two);
SELECT state, ended_at IS NOT NULL FROM toms.pending_erasures;
SELECT state FROM toms.instruction WHERE id = :erase_mia;
RESET SESSION AUTHORIZATION;
SELECT held.keys();
-- what is withdrawn meanwhile is not carried out
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO held.secret VALUES (3, 'acme', 17, 'of Mia');
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('acme', 'erase', given_by => 'acme', wording => 'erase 17', subject => '17') AS erase_mia \gset
SELECT toms.confirm_instruction(:erase_mia);
SELECT toms.hold('acme', reason => 'court') AS one \gset
SELECT toms.destroy_keys('acme', :erase_mia, '17') AS none;
SELECT toms.withdraw_instruction(:erase_mia);
SELECT toms.release_hold(:one);
SELECT state FROM toms.pending_erasures ORDER BY id;
RESET SESSION AUTHORIZATION;
SELECT held.keys();
-- whom the persons' table does not know any more may be anybody there
SET client_min_messages = error;
REVOKE regress_owner FROM regress_migration;
SET toms.reason = 'clean up';
DELETE FROM held.person WHERE employee = 17 AND tenant = 'acme';
SELECT toms.hold('acme', '17', relation => 'held.diary', reason => 'court') AS h \gset
SELECT held.try($$DELETE FROM held.diary WHERE login = 'ben'$$);
SELECT held.try($$DELETE FROM held.diary WHERE login = 'eve'$$);
SELECT toms.release_hold(:h);

-- clean up
DROP SCHEMA held CASCADE;
DROP ROLE regress_held_operator;
DELETE FROM toms.officer WHERE role::text LIKE '%held%' OR NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = role);
DELETE FROM toms.pending_erasure;
DELETE FROM toms.erasure;
TRUNCATE toms.ledger;
DELETE FROM toms.hold;
DELETE FROM toms.instruction_event WHERE instruction IN (SELECT id FROM toms.instruction WHERE tenant = 'acme' AND kind = 'erase');
DELETE FROM toms.instruction WHERE tenant = 'acme' AND kind = 'erase';
