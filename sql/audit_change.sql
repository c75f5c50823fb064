--
-- audit_change: who changed what
--
-- Every statement below is followed by what it left in the audit trail. The trail holds each row
-- that was added, changed or deleted: its key, whose it is, the names of the columns that changed.
-- It holds no values.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null ''
SET client_min_messages = warning;
CREATE SCHEMA au AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA au TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE au.note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, body text, level integer DEFAULT 1);
CREATE TABLE au.line (id integer PRIMARY KEY, note integer REFERENCES au.note ON DELETE CASCADE ON UPDATE CASCADE, tenant text NOT NULL, employee integer NOT NULL);
CREATE TABLE au.mark (id integer PRIMARY KEY, note integer REFERENCES au.note ON DELETE SET NULL, tenant text NOT NULL, employee integer NOT NULL);
CREATE TABLE au.booking (id integer NOT NULL, tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL, hours integer, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE au.booking_2025 PARTITION OF au.booking FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE au.booking_2026 PARTITION OF au.booking FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE au.letter (id integer, tenant text NOT NULL, employee integer NOT NULL, body text);          -- without a key
CREATE TABLE au.old_letter (PRIMARY KEY (id)) INHERITS (au.letter);
CREATE TABLE au.item (tenant text NOT NULL, "order" uuid NOT NULL, place smallint NOT NULL, employee integer, price numeric,
                      double_price numeric GENERATED ALWAYS AS (price * 2) STORED, PRIMARY KEY ("order", place));
CREATE TABLE au.sick (id bigint PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, sick toms.health_flag);
CREATE TABLE au.comment (id integer PRIMARY KEY, note integer NOT NULL, body text);                       -- of its note's tenant
CREATE SEQUENCE au.numbers;
GRANT USAGE ON SEQUENCE au.numbers TO regress_hr;
CREATE TABLE au.plain (id integer, body text);                                                            -- not protected
CREATE VIEW au.notes WITH (security_invoker) AS SELECT * FROM au.note;
GRANT ALL ON ALL TABLES IN SCHEMA au TO regress_hr, regress_migration;
RESET SESSION AUTHORIZATION;
GRANT CREATE ON SCHEMA au TO regress_migration;
SELECT toms.protect(t, tenant => 'tenant', subject => 'employee')
FROM (VALUES ('au.note'::regclass), ('au.line'), ('au.mark'), ('au.booking'), ('au.letter'), ('au.item')) v (t) \g /dev/null
SELECT toms.protect('au.sick', tenant => 'tenant', subject => 'employee', category => 'health') \g /dev/null
SELECT toms.protect('au.comment', parent => 'au.note', parent_key => 'note') \g /dev/null
SELECT toms.permit('regress_hr', t, '{select,insert,update,delete}', '{absence_management}', 'tenant')
FROM (VALUES ('au.note'::regclass), ('au.line'), ('au.mark'), ('au.booking'), ('au.letter'), ('au.item'), ('au.sick'), ('au.comment')) v (t) \g /dev/null

-- :hr begins what HR of ACME does; :trail shows what is new in the trail
CREATE TABLE regress.seen (id bigint);
INSERT INTO regress.seen SELECT coalesce(max(id), 0) FROM toms.audit_entry;
CREATE FUNCTION regress.trail() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    until bigint;
BEGIN
    PERFORM FROM toms.audit_trail(since => 'infinity');         -- what is on its way is written
    until := (SELECT max(e.id) FROM toms.audit_entry e WHERE e.kind = 'c' OR e.verb IN ('s', 'e', 'm'));
    RETURN QUERY
        SELECT format('   %s %s %s of %s %s%s', t.kind, t.relation, t.row_key, coalesce(t.tenant, 'nobody'), t.subject,
                      CASE WHEN t.kind = 'update' THEN coalesce(': ' || nullif(array_to_string(t.columns, ', '), ''), ': nothing') END)
        FROM toms.audit_trail(kind => 'changes') t WHERE t.id > (SELECT s.id FROM regress.seen s) AND t.relation LIKE 'au.%' ORDER BY t.id;
    UPDATE regress.seen SET id = until;
END
$$;
GRANT EXECUTE ON FUNCTION regress.trail() TO PUBLIC;
\set hr 'BEGIN; DO $$BEGIN PERFORM toms.enter(\'acme\', \'1\', \'regress_hr\', \'absence_management\'); END$$;'
\set trail 'RESET SESSION AUTHORIZATION; SELECT regress.trail(); SET SESSION AUTHORIZATION regress_job;'
\set admin 'SET SESSION AUTHORIZATION regress_migration;'
SET SESSION AUTHORIZATION regress_job;

--
-- INSERT
--
:hr INSERT INTO au.note VALUES (1, 'acme', 17, 'one'); COMMIT; :trail
:hr INSERT INTO au.note VALUES (2, 'acme', 18, 'two'), (3, 'acme', 17, 'three'); COMMIT; :trail
:hr INSERT INTO au.note SELECT n, 'acme', 16 + n, 'many' FROM generate_series(4, 6) n; COMMIT; :trail
:hr INSERT INTO au.note (id, tenant, employee) VALUES (7, 'acme', 17) RETURNING id; COMMIT; :trail
:hr INSERT INTO au.note VALUES (1, 'acme', 17, 'again') ON CONFLICT DO NOTHING; COMMIT; :trail
:hr INSERT INTO au.note VALUES (1, 'acme', 17, 'again'), (8, 'acme', 19, 'new') ON CONFLICT (id) DO UPDATE SET body = excluded.body; COMMIT; :trail
:hr INSERT INTO au.notes VALUES (9, 'acme', 17, 'by a view'); COMMIT; :trail
SET toms.reason = 'ticket 4710';
:admin
COPY au.note (id, tenant, employee, body) FROM STDIN;
10	acme	17	copied
11	acme	18	copied
\.
:trail
:hr INSERT INTO au.item VALUES ('acme', '00000000-0000-0000-0000-000000000001', 1, 17, 10); COMMIT; :trail
:hr INSERT INTO au.letter VALUES (1, 'acme', 17, 'no key'); COMMIT; :trail
:hr INSERT INTO au.line VALUES (1, 1, 'acme', 17), (2, 2, 'acme', 18), (3, 2, 'acme', 18); COMMIT; :trail
:hr INSERT INTO au.mark VALUES (1, 1, 'acme', 17); COMMIT; :trail
:hr INSERT INTO au.comment VALUES (1, 1, 'of the tenant of note 1'); COMMIT; :trail
:hr INSERT INTO au.sick VALUES (1, 'acme', 17, 'true'); COMMIT; :trail
:hr INSERT INTO au.plain VALUES (1, 'not protected'); COMMIT; :trail

-- the numbers of entries are not those that an application asks for
:hr SELECT nextval('au.numbers'); INSERT INTO au.note VALUES (12, 'acme', 17); SELECT lastval(); COMMIT; :trail

--
-- UPDATE
--
:hr UPDATE au.note SET body = 'changed' WHERE id = 1; COMMIT; :trail
:hr UPDATE au.note SET body = 'changed', level = 5 WHERE id = 1; COMMIT; :trail
:hr UPDATE au.note SET body = body WHERE id = 1; COMMIT; :trail
:hr UPDATE au.note SET body = NULL WHERE employee = 17 AND id < 4; COMMIT; :trail
:hr UPDATE au.note SET body = 'x' WHERE id = 99; COMMIT; :trail
:hr UPDATE au.note n SET level = l.id FROM au.line l WHERE l.note = n.id AND l.id = 2; COMMIT; :trail
:hr UPDATE au.notes SET level = 9 WHERE id = 9; COMMIT; :trail
:hr UPDATE au.item SET price = 11 WHERE place = 1; COMMIT; :trail
:hr UPDATE au.sick SET sick = 'false' WHERE id = 1; COMMIT; :trail
-- of a person and then of another: each has an entry
:hr UPDATE au.note SET employee = 18 WHERE id = 3; COMMIT; :trail
-- a key that changes, and what refers to it
:hr UPDATE au.note SET id = 20 WHERE id = 2; COMMIT; :trail

--
-- DELETE, and what the foreign keys do with it
--
:hr DELETE FROM au.note WHERE id = 9; COMMIT; :trail
:hr DELETE FROM au.note n USING au.line l WHERE l.note = n.id AND l.id = 2 RETURNING n.id; COMMIT; :trail
:hr DELETE FROM au.comment WHERE id = 1; COMMIT; :trail
:hr DELETE FROM au.note WHERE id = 1; COMMIT; :trail

--
-- MERGE, WITH, prepared statements, cursors, EXPLAIN ANALYZE, procedures
--
:hr
MERGE INTO au.note n USING (VALUES (3, 'acme', 18), (4, 'acme', 20), (30, 'acme', 17)) v (id, tenant, employee) ON n.id = v.id
WHEN MATCHED AND n.id = 4 THEN DELETE WHEN MATCHED THEN UPDATE SET level = 3 WHEN NOT MATCHED THEN INSERT (id, tenant, employee) VALUES (v.id, v.tenant, v.employee);
COMMIT; :trail
:hr WITH gone AS (DELETE FROM au.note WHERE id = 30 RETURNING *) INSERT INTO au.note SELECT 31, tenant, employee, body FROM gone; COMMIT; :trail
PREPARE p AS UPDATE au.note SET level = $1 WHERE id = $2;
:hr EXECUTE p (4, 31); COMMIT; :trail
:admin EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) UPDATE au.note SET level = 5 WHERE id = 31 \g /dev/null
:trail
:hr
DECLARE c CURSOR FOR SELECT * FROM au.note WHERE id = 31 FOR UPDATE;
FETCH c \g /dev/null
UPDATE au.note SET level = 6 WHERE CURRENT OF c;
COMMIT; :trail
:hr DO $$BEGIN FOR n IN 40..41 LOOP INSERT INTO au.note VALUES (n, 'acme', 17); END LOOP; END$$; COMMIT; :trail
:hr SELECT id FROM au.note WHERE id = 40 FOR UPDATE; COMMIT; :trail

--
-- What is rolled back is not in the trail
--
:hr INSERT INTO au.note VALUES (50, 'acme', 17); ROLLBACK; :trail
:hr INSERT INTO au.note VALUES (50, 'acme', 17); INSERT INTO au.note VALUES (50, 'acme', 17); COMMIT; :trail
:hr SAVEPOINT s; INSERT INTO au.note VALUES (50, 'acme', 17); ROLLBACK TO s; INSERT INTO au.note VALUES (51, 'acme', 18); COMMIT; :trail
:hr SAVEPOINT s; INSERT INTO au.note VALUES (52, 'acme', 17); SAVEPOINT t; INSERT INTO au.note VALUES (53, 'acme', 17); RELEASE t; RELEASE s; COMMIT; :trail
:hr SAVEPOINT s; INSERT INTO au.note VALUES (54, 'acme', 17); SAVEPOINT t; INSERT INTO au.note VALUES (55, 'acme', 17); RELEASE t; ROLLBACK TO s; COMMIT; :trail
:hr DO $$BEGIN INSERT INTO au.note VALUES (56, 'acme', 17); BEGIN INSERT INTO au.note VALUES (57, 'acme', 17), (56, 'acme', 17); EXCEPTION WHEN unique_violation THEN INSERT INTO au.note VALUES (58, 'acme', 17); END; END$$; COMMIT; :trail
-- more than is gathered before it is written: all of it, and nothing of what is taken back
:hr SAVEPOINT s; INSERT INTO au.note SELECT n, 'acme', 17 FROM generate_series(1001, 3000) n; ROLLBACK TO s;
INSERT INTO au.note SELECT n, 'acme', 17 FROM generate_series(3001, 5000) n; SAVEPOINT u; DELETE FROM au.note WHERE id > 3000; ROLLBACK TO u; COMMIT;
RESET SESSION AUTHORIZATION; SELECT split_part(t, ' ', 4), count(*) FROM regress.trail() t GROUP BY 1; SET SESSION AUTHORIZATION regress_job;
:hr DO $$BEGIN FOR n IN 1..1200 LOOP BEGIN UPDATE au.note SET level = n WHERE id = 3000 + n; IF n % 3 = 0 THEN RAISE 'no'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END$$; COMMIT;
RESET SESSION AUTHORIZATION; SELECT split_part(t, ' ', 4), count(*) FROM regress.trail() t GROUP BY 1; SET SESSION AUTHORIZATION regress_job;
:hr SELECT count(*) FROM au.note WHERE id > 3000 AND level <> 1; DELETE FROM au.note WHERE id > 3000; COMMIT;
RESET SESSION AUTHORIZATION; SELECT split_part(t, ' ', 4), count(*) FROM regress.trail() t GROUP BY 1; SET SESSION AUTHORIZATION regress_job;
-- two-phase commit: with the one that commits, from another session perhaps
:hr INSERT INTO au.note VALUES (60, 'acme', 17); PREPARE TRANSACTION 'au'; :trail
COMMIT PREPARED 'au'; :trail
:hr INSERT INTO au.note VALUES (61, 'acme', 17); PREPARE TRANSACTION 'au'; ROLLBACK PREPARED 'au'; :trail
:hr INSERT INTO au.note VALUES (61, 'acme', 17); COMMIT; :trail

--
-- A statement is his who began it: he cannot become nobody, or another, before it is recorded
--
:hr WITH u AS (UPDATE au.note SET level = 1 WHERE id = 51 RETURNING 1) SELECT toms.leave() FROM u; COMMIT; :trail

--
-- A description that is too long for a page
--
RESET SESSION AUTHORIZATION;
DO $$BEGIN EXECUTE (SELECT 'CREATE TABLE au.wide (id integer PRIMARY KEY, tenant text NOT NULL, ' || string_agg('a_column_with_a_rather_long_name_' || n || ' text', ', ') || ')' FROM generate_series(1, 300) n); END$$;
GRANT ALL ON au.wide TO regress_hr;
SELECT toms.protect('au.wide', tenant => 'tenant') \g /dev/null
SELECT toms.permit('regress_hr', 'au.wide', '{select,insert,update,delete}', '{absence_management}', 'tenant') \g /dev/null
SET SESSION AUTHORIZATION regress_job;
:hr INSERT INTO au.wide VALUES (1, 'acme'); UPDATE au.wide SET a_column_with_a_rather_long_name_299 = repeat('x', 1000) WHERE id = 1; COMMIT; :trail
SET SESSION AUTHORIZATION regress_job;
:hr DELETE FROM au.wide WHERE id = 1; COMMIT; :trail

--
-- Partitions and inheritance
--
:hr INSERT INTO au.booking VALUES (1, 'acme', 17, '2025-05-01', 8), (2, 'acme', 17, '2026-05-01', 8); COMMIT; :trail
:hr UPDATE au.booking SET hours = 7 WHERE id = 1; COMMIT; :trail
-- into another partition: as PostgreSQL moves it
:hr UPDATE au.booking SET day = '2026-05-02' WHERE id = 1; COMMIT; :trail
RESET SESSION AUTHORIZATION;
GRANT ALL ON au.booking_2025, au.booking_2026 TO regress_hr;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE au.booking_2027 PARTITION OF au.booking FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
ALTER TABLE au.booking DETACH PARTITION au.booking_2026;
SET SESSION AUTHORIZATION regress_job;
:hr INSERT INTO au.booking VALUES (3, 'acme', 17, '2027-05-01', 8); COMMIT; :trail
SET toms.reason = 'a partition that was detached';
:admin DELETE FROM au.booking_2026 WHERE id = 2; :trail
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE au.booking ATTACH PARTITION au.booking_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
SET SESSION AUTHORIZATION regress_job;
:hr DELETE FROM au.booking WHERE id = 1; COMMIT; :trail
:hr INSERT INTO au.old_letter VALUES (2, 'acme', 17, 'a child'); COMMIT; :trail
RESET SESSION AUTHORIZATION;
GRANT ALL ON au.old_letter TO regress_hr;
SET SESSION AUTHORIZATION regress_job;
:hr UPDATE au.letter SET body = 'all' WHERE id > 0; COMMIT; :trail

--
-- Administrators
--
SET toms.reason = 'ticket 4711';
:admin INSERT INTO au.note VALUES (70, 'globex', 17, 'of another tenant'); :trail
-- a tenant whom nobody has registered has no keys: what the entry is about is not kept
:admin INSERT INTO au.note VALUES (71, 'nobody registered', 17, 'whose keys nobody has'); :trail
RESET SESSION AUTHORIZATION;
SET toms.reason = 'ticket 4712';
SET session_replication_role = replica;                 -- the triggers are there always
DELETE FROM au.note WHERE id = 71;
RESET session_replication_role;
:trail
RESET SESSION AUTHORIZATION;
TRUNCATE au.mark; SELECT regress.trail();
TRUNCATE au.note CASCADE; SELECT regress.trail();
TRUNCATE au.booking_2027; SELECT regress.trail();
TRUNCATE au.booking; SELECT regress.trail();

--
-- Triggers of the application
--
CREATE FUNCTION au.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.level := 100; RETURN NEW; END$$;
CREATE FUNCTION au.copy() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO au.mark VALUES (NEW.id, NULL, NEW.tenant, NEW.employee); RETURN NULL; END$$;
CREATE FUNCTION au.nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER touch BEFORE UPDATE ON au.note FOR EACH ROW EXECUTE FUNCTION au.touch();
CREATE TRIGGER copy AFTER INSERT ON au.note FOR EACH ROW EXECUTE FUNCTION au.copy();
CREATE TRIGGER nothing BEFORE DELETE ON au.note FOR EACH ROW EXECUTE FUNCTION au.nothing();
SET SESSION AUTHORIZATION regress_job;
:hr INSERT INTO au.note VALUES (80, 'acme', 17, 'with a copy'); COMMIT; :trail
:hr UPDATE au.note SET body = 'touched' WHERE id = 80; COMMIT; :trail
:hr DELETE FROM au.note WHERE id = 80; COMMIT; :trail

--
-- Names are those of the time
--
RESET SESSION AUTHORIZATION;
ALTER TABLE au.note RENAME COLUMN body TO text;
ALTER TABLE au.note DROP COLUMN level CASCADE;
DROP TRIGGER touch ON au.note;
SET SESSION AUTHORIZATION regress_job;
:hr UPDATE au.note SET text = 'new name' WHERE id = 80; COMMIT; :trail
RESET SESSION AUTHORIZATION;
SELECT DISTINCT columns FROM toms.audit_trail(relation => 'au.note', kind => 'update') ORDER BY 1;

--
-- Who: once for what he does, with the purpose, the access function, the log-in and why he may
--
SELECT toms.load_purposes('absence') > 0;
CREATE FUNCTION au.correct(which integer) RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$UPDATE au.note SET text = 'corrected' WHERE id = which$$;
SELECT toms.bind_purpose('au.correct(integer)', 'absence_management');
GRANT EXECUTE ON FUNCTION au.correct(integer) TO regress_hr;
SET SESSION AUTHORIZATION regress_job;
SET application_name = 'the job';
:hr SELECT au.correct(80) \g /dev/null
COMMIT;
RESET SESSION AUTHORIZATION;
RESET application_name;
SELECT DISTINCT actor, role, login, address, application, purpose, function, reason FROM toms.audit_trail(relation => 'au.note')
WHERE function IS NOT NULL OR reason IS NOT NULL ORDER BY reason NULLS FIRST, actor;
SELECT count(*) FROM toms.audit_trail(actor => '1', relation => 'au.note', kind => 'insert') WHERE id > 0 AND purpose = 'absence_management';

-- who acts and what the table is like is said again if it was rolled back, with a part of the transaction or all of it
ALTER TABLE au.letter ADD COLUMN more text;
SET SESSION AUTHORIZATION regress_job;
SET application_name = 'another';
:hr INSERT INTO au.letter VALUES (3, 'acme', 17, 'no'); ROLLBACK;
:hr SAVEPOINT s; INSERT INTO au.letter VALUES (3, 'acme', 17, 'no'); ROLLBACK TO s; INSERT INTO au.letter VALUES (4, 'acme', 17, 'yes'); COMMIT;
:hr INSERT INTO au.letter VALUES (5, 'acme', 17, 'yes'); COMMIT;
RESET application_name;
RESET SESSION AUTHORIZATION;
SELECT application, actor, kind, relation FROM toms.audit_trail(subject => '17') ORDER BY id DESC LIMIT 2;

--
-- An entry holds nothing of a person in clear: whose it was is in its key, what it tells is sealed
--
SELECT bool_and(e.key IS NOT NULL AND position('employee'::bytea IN e.payload) = 0) FROM toms.audit_entry e
WHERE e.kind = 'c' AND e.tenant = 'acme' AND e.verb <> 't';
-- what is said twice is not sealed alike
SELECT count(*) > 100, count(*) = count(DISTINCT payload) FROM toms.audit_entry WHERE kind = 'c' AND key IS NOT NULL;

--
-- Values, where the controller has consented to it: for his rows, and for a time
--
SELECT toms.protect('au.sick', tenant => 'tenant', subject => 'employee', category => 'health', audit => 'values');      -- refused: no instruction
SELECT toms.protect('au.sick', tenant => 'tenant', subject => 'employee', category => 'health', audit => 'everything');  -- refused
SELECT toms.record_instruction('acme', kind => 'audit_values', given_by => 'D. Manager', wording => 'Find out what the import does to our notes.') AS consent \gset
SELECT regress.verdict(format($$SELECT toms.protect('au.sick', tenant => 'tenant', subject => 'employee', category => 'health', audit => 'values', instruction => %s)$$, :consent)) ~ 'not confirmed';
SELECT toms.confirm_instruction(:consent) \g /dev/null
SELECT toms.protect('au.sick', tenant => 'tenant', subject => 'employee', category => 'health', audit => 'values', instruction => :consent, until => now() + interval '1 day');
SELECT relation, tenant, until - given_at > interval '23 hours', instruction = :consent FROM toms.audit_consent;
SET SESSION AUTHORIZATION regress_job;
:hr INSERT INTO au.sick VALUES (2, 'acme', 17, 'true'); UPDATE au.sick SET employee = 18, sick = 'false' WHERE id = 2; DELETE FROM au.sick WHERE id = 2; COMMIT;
BEGIN; DO $$BEGIN PERFORM toms.enter('globex', '1', 'regress_hr', 'absence_management'); END$$; INSERT INTO au.sick VALUES (3, 'globex', 17, 'true'); COMMIT;
RESET SESSION AUTHORIZATION;
SELECT kind, tenant, subject, row_key, old_values - 'sick' AS old, new_values - 'sick' AS new, left(new_values ->> 'sick', 6) AS sealed
FROM toms.audit_trail(relation => 'au.sick') WHERE (row_key ->> 'id')::integer > 1 ORDER BY id;
-- declared anew without it, it has ended
SELECT toms.protect('au.sick', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT relation, ended_at IS NOT NULL, ended_by FROM toms.audit_consent;
SET SESSION AUTHORIZATION regress_job;
:hr UPDATE au.sick SET sick = 'true' WHERE id = 1; COMMIT;
RESET SESSION AUTHORIZATION;
SELECT old_values IS NULL AND new_values IS NULL FROM toms.audit_trail(relation => 'au.sick') ORDER BY id DESC LIMIT 1;
-- and by itself when its time is over
SELECT toms.record_instruction('acme', kind => 'audit_values', given_by => 'D. Manager', wording => 'Once more, for a moment.') AS consent \gset
SELECT toms.confirm_instruction(:consent) \g /dev/null
SELECT toms.protect('au.sick', tenant => 'tenant', subject => 'employee', category => 'health', audit => 'values', instruction => :consent, until => clock_timestamp() + interval '2 s');
SELECT pg_sleep(2);
SET SESSION AUTHORIZATION regress_job;
:hr UPDATE au.sick SET sick = 'false' WHERE id = 1; COMMIT;
RESET SESSION AUTHORIZATION;
SELECT old_values IS NULL AND new_values IS NULL FROM toms.audit_trail(relation => 'au.sick') ORDER BY id DESC LIMIT 1;

--
-- Nobody takes the triggers away
--
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('DROP TRIGGER "~toms_audit" ON au.note');
SELECT regress.verdict('ALTER TABLE au.note DISABLE TRIGGER "~toms_audit"');
SELECT regress.verdict('ALTER TABLE au.note DISABLE TRIGGER USER');
SELECT regress.verdict('ALTER TRIGGER "~toms_audit" ON au.note RENAME TO other');
SELECT regress.verdict('ALTER TABLE au.note ENABLE REPLICA TRIGGER "~toms_audit"');
CREATE FUNCTION au.nil() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
SELECT regress.verdict('CREATE OR REPLACE TRIGGER "~toms_audit" AFTER INSERT OR UPDATE OR DELETE ON au.note FOR EACH ROW WHEN (false) EXECUTE FUNCTION au.nil()');
SELECT regress.verdict('CREATE OR REPLACE TRIGGER "~toms_audit_truncate" AFTER DELETE ON au.note FOR EACH STATEMENT EXECUTE FUNCTION au.nil()');
RESET SESSION AUTHORIZATION;
-- times are understood whatever the session's are written in
SET DateStyle = 'German'; SET TimeZone = 'Asia/Kolkata';
SELECT count(*) > 0 FROM toms.audit_trail(since => now() - interval '1 hour', until => now(), relation => 'au.note');
RESET DateStyle; RESET TimeZone;
-- another function in the place of ours, be it in C: the table is closed
SET toms.reason = 'ticket 4714';
BEGIN;
CREATE OR REPLACE FUNCTION toms.audit_row() RETURNS trigger LANGUAGE c AS '$libdir/toms', 'toms_invalidate';
ALTER TABLE au.note ALTER employee SET STATISTICS 50;
SELECT intact FROM toms.protected_tables WHERE relation = 'au.note'::regclass;
ROLLBACK;
-- an administrator can: then the table is closed to all others
SET toms.reason = 'ticket 4713';
BEGIN;
ALTER TABLE au.note DISABLE TRIGGER "~toms_audit";
SELECT intact FROM toms.protected_tables WHERE relation = 'au.note'::regclass;
SET LOCAL SESSION AUTHORIZATION regress_job;
DO $$BEGIN PERFORM toms.enter('acme', '1', 'regress_hr', 'absence_management'); END$$;
SELECT regress.verdict('SELECT FROM au.note');
SELECT regress.verdict('UPDATE au.note SET text = NULL WHERE id = 80');
ROLLBACK;

SET client_min_messages = error;
SET toms.reason = 'the end of the test';
DROP SCHEMA au CASCADE;
DROP TABLE regress.seen;
DROP FUNCTION regress.trail();
TRUNCATE toms.purpose, toms.purpose_history;
