--
-- seal_convert: a column that holds plain values is sealed, and unsealed, while the table is used
--
-- An officer calls toms.seal_column() until it returns 0: some rows with each call, of all tenants,
-- each under its own person's key.  What is written meanwhile is sealed too.  The test under load,
-- with crashes: test/t/seal_convert.pl.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
SELECT toms.add_code_catalogue('convert_kind', '{SICK,VACATION}') > 0;
SET SESSION AUTHORIZATION regress_owner;
CREATE TYPE hr.mood AS ENUM ('fine', 'tired');
CREATE TABLE hr.absence (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL,
    kind varchar(20) NOT NULL DEFAULT 'VACATION', sick boolean DEFAULT false, note text, certificate date, scan bytea, mood hr.mood, at timestamptz,
    number integer GENERATED ALWAYS AS IDENTITY);
INSERT INTO hr.absence (id, tenant, employee, kind, sick, note, certificate, scan, mood)
SELECT n, CASE n % 3 WHEN 0 THEN 'globex' ELSE 'acme' END, n % 7, CASE n % 2 WHEN 0 THEN 'SICK' ELSE 'VACATION' END, n % 2 = 0,
       CASE WHEN n % 5 > 0 THEN 'note ' || n END, date '2026-01-01' + n, decode(lpad(to_hex(n), 4, '0'), 'hex'), CASE n % 4 WHEN 0 THEN 'tired'::hr.mood END
FROM generate_series(1, 300) n;
-- the owner's code, which must not run with anybody else's rights, nor see what he may not
CREATE TABLE hr.trap (who text, saw text);
GRANT SELECT, INSERT ON hr.trap TO PUBLIC;
CREATE FUNCTION hr.look() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    seen text;
BEGIN
    BEGIN
        SELECT count(*)::text INTO seen FROM hr.absence;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS seen = CONSTRAINT_NAME;
    END;
    IF NOT EXISTS (SELECT FROM hr.trap t WHERE t.who = current_user AND t.saw = seen) THEN
        INSERT INTO hr.trap VALUES (current_user, seen);
    END IF;
    RETURN true;
END
$$;
CREATE FUNCTION hr.touched() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO hr.trap VALUES ('trigger', TG_OP); RETURN NEW; END$$;
COMMENT ON COLUMN hr.absence.kind IS 'what for';
GRANT SELECT, INSERT, UPDATE, DELETE ON hr.absence TO regress_hr;
GRANT SELECT (id, note) ON hr.absence TO regress_stranger;
RESET SESSION AUTHORIZATION;
SELECT regress.verdict($$SELECT toms.seal_column('hr.absence', 'kind')$$);              -- refused: not protected
SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('regress_hr', 'hr.absence', '{select,insert,update,delete}', '{absence_management}', 'tenant') > 0;
CREATE PROCEDURE regress.enter(tenant text) LANGUAGE sql AS $$
    SELECT toms.enter(tenant, '1', 'regress_hr', 'absence_management');
$$;
-- until it is done, each call in a transaction of its own
CREATE PROCEDURE regress.repeat(call text) LANGUAGE plpgsql AS $$
DECLARE
    remaining bigint;
BEGIN
    LOOP
        EXECUTE 'SELECT ' || call INTO remaining;
        COMMIT;
        EXIT WHEN remaining = 0;
    END LOOP;
END
$$;

--
-- Who may, and what may be
--
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict($$SELECT toms.seal_column('hr.absence', 'kind')$$);
SET SESSION AUTHORIZATION regress_officer;
SELECT c, regress.verdict(format($$SELECT toms.seal_column('hr.absence', %L)$$, c)) FROM unnest('{id,tenant,employee,at,number,nothing}'::text[]) c;
SELECT t, regress.verdict(format($$SELECT toms.seal_column('hr.absence', 'kind', %L)$$, t))
FROM unnest(ARRAY['text', 'toms.health_code', 'toms.health_code(''none'')', 'toms.sealed_text; DROP TABLE hr.absence']) t;
RESET SESSION AUTHORIZATION;
-- what stands on the column
CREATE VIEW hr.sick AS SELECT id FROM hr.absence WHERE kind = 'SICK';
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.seal_column('hr.absence', 'kind')$$);
RESET SESSION AUTHORIZATION;
DROP VIEW hr.sick;
-- what would run for each row
CREATE TRIGGER touched BEFORE UPDATE ON hr.absence FOR EACH ROW EXECUTE FUNCTION hr.touched();
ALTER TABLE hr.absence ENABLE ALWAYS TRIGGER touched;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.seal_column('hr.absence', 'kind')$$);
RESET SESSION AUTHORIZATION;
ALTER TABLE hr.absence ENABLE TRIGGER touched;
SET toms.reason = 'a migration';
ALTER TABLE hr.absence ADD CONSTRAINT look CHECK (hr.look()) NOT VALID;
RESET toms.reason;
-- a tenant that has no key
SELECT toms.retire_epoch(e.id) FROM toms.key_epoch e WHERE e.tenant = 'globex' AND e.retired_at IS NULL;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.seal_column('hr.absence', 'kind')$$);
RESET SESSION AUTHORIZATION;
SELECT toms.create_epoch('globex') IS NOT NULL;
-- a row of nobody
SET toms.reason = 'a test';
ALTER TABLE hr.absence ALTER COLUMN employee DROP NOT NULL;
UPDATE hr.absence SET employee = NULL WHERE id = 300;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.seal_column('hr.absence', 'kind')$$);
RESET SESSION AUTHORIZATION;
SET toms.reason = 'a test';
UPDATE hr.absence SET employee = 300 % 7 WHERE id = 300;
RESET toms.reason;
DELETE FROM hr.trap;
-- a new type by ALTER TABLE is refused, and says what to do
SET toms.reason = 'a migration';
\set VERBOSITY default
ALTER TABLE hr.absence ALTER COLUMN kind TYPE toms.sealed_text;
\set VERBOSITY terse
RESET toms.reason;

--
-- Step by step
--
SELECT toms.create_plain_view('hr.absence', 'hr.absence_plain');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.seal_column('hr.absence', 'kind', 'toms.health_code(''convert_kind'')') > 0;
SELECT * FROM toms.conversions;
RESET SESSION AUTHORIZATION;
ANALYZE hr.absence;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.seal_column('hr.absence', 'kind', batch => 100) BETWEEN 1 AND 299;
SELECT regress.verdict($$SELECT toms.seal_column('hr.absence', 'kind', batch => 0)$$);
RESET SESSION AUTHORIZATION;
SET toms.reason = 'a look';
SELECT count(kind), count(toms_fill_12) BETWEEN 1 AND 299 FROM hr.absence;
RESET toms.reason;
-- half done, it is the column that it was, and what is written is sealed
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
INSERT INTO hr.absence (id, tenant, employee, kind) VALUES (301, 'acme', 1, 'SICK') RETURNING kind;
UPDATE hr.absence SET kind = 'SICK' WHERE id = 299 RETURNING kind;
UPDATE hr.absence SET employee = 5 WHERE id = 298;
SELECT id, toms.reveal(toms_fill_12, 'hr.absence', employee::text) FROM hr.absence WHERE id >= 298 AND tenant = 'acme' ORDER BY id;
SELECT regress.verdict($$UPDATE hr.absence SET kind = 'PARENTAL' WHERE id = 301$$);     -- no code of the catalogue
SELECT regress.verdict($$INSERT INTO hr.absence_plain (id, tenant, employee, kind) VALUES (302, 'acme', 1, 'SICK')$$);
COMMIT;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'a migration';
SELECT regress.verdict(s) FROM unnest(ARRAY['ALTER TABLE hr.absence DROP COLUMN toms_fill_12', 'ALTER TABLE hr.absence RENAME COLUMN kind TO sort',
    'ALTER TABLE hr.absence DISABLE TRIGGER "~toms_fill_12"', 'ALTER TABLE hr.absence DISABLE TRIGGER ALL']) s;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_officer;
CALL regress.repeat($$toms.seal_column('hr.absence', 'kind', batch => 100)$$);
SELECT toms.seal_column('hr.absence', 'kind');                                          -- is done
RESET SESSION AUTHORIZATION;
SELECT * FROM toms.conversions;
SELECT count(*) FROM toms.conversion_position;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'hr.absence'::regclass AND tgname LIKE '~%' ORDER BY 1;
SELECT attname, format_type(atttypid, NULL), attnotnull, col_description(attrelid, attnum) FROM pg_attribute
WHERE attrelid = 'hr.absence'::regclass AND attname LIKE ANY ('{kind,toms%}') AND attnum > 0;
SELECT conname FROM pg_constraint WHERE conrelid = 'hr.absence'::regclass AND contype = 'c';
SELECT action, detail, by FROM toms.protection_history WHERE relation_name = 'hr.absence' AND action LIKE '%seal_column' ORDER BY id;
-- each under its own person's key, none lost, the default too
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
INSERT INTO hr.absence (id, tenant, employee) VALUES (303, 'acme', 1);
SELECT count(*), count(*) FILTER (WHERE toms.reveal(kind, 'hr.absence', employee::text) = CASE WHEN id IN (299, 301, 302) OR id % 2 = 0 THEN 'SICK' ELSE 'VACATION' END) FROM hr.absence;
SELECT kind FROM hr.absence_plain WHERE id IN (302, 303) ORDER BY id;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'hr.absence_plain'::regclass AND attnum > 0 ORDER BY attnum LIMIT 5;
-- only rows of who wrote them were seen by the owner's code, as himself; no trigger ran
SELECT DISTINCT * FROM hr.trap ORDER BY 1, 2;

--
-- The other types; two columns at a time
--
-- nor as an administrator, whoever calls
DELETE FROM hr.trap;
SET toms.reason = 'a migration';
CALL regress.repeat($$toms.seal_column('hr.absence', 'sick')$$);
RESET toms.reason;
SELECT DISTINCT * FROM hr.trap ORDER BY 1, 2;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.seal_column('hr.absence', 'note') > 0, toms.seal_column('hr.absence', 'certificate') > 0;
SELECT col, direction FROM toms.conversions ORDER BY 1;
CALL regress.repeat($$toms.seal_column('hr.absence', 'note')$$);
CALL regress.repeat($$toms.seal_column('hr.absence', 'certificate')$$);
CALL regress.repeat($$toms.seal_column('hr.absence', 'scan')$$);
CALL regress.repeat($$toms.seal_column('hr.absence', 'mood')$$);
RESET SESSION AUTHORIZATION;
SELECT attname, format_type(atttypid, NULL), attnotnull, attacl FROM pg_attribute WHERE attrelid = 'hr.absence'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
INSERT INTO hr.absence (id, tenant, employee) VALUES (304, 'acme', 1);
SELECT sick, kind, note FROM hr.absence_plain WHERE id = 304;
SELECT count(*), count(*) FILTER (WHERE sick = (id % 2 = 0) AND note IS NOT DISTINCT FROM CASE WHEN id % 5 > 0 THEN 'note ' || id END
    AND certificate = date '2026-01-01' + id AND scan = decode(lpad(to_hex(id), 4, '0'), 'hex') AND mood::text IS NOT DISTINCT FROM CASE id % 4 WHEN 0 THEN 'tired' END)
FROM hr.absence_plain WHERE id <= 300;
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- Back: as each tenant has instructed
--
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.unseal_column('hr.absence', 'kind', NULL)$$);
SELECT toms.record_instruction('acme', 'unseal_column', 'Ms Roe', 'Store the kinds of absences in clear text.') AS acme \gset
SELECT replace(regress.verdict(format($$SELECT toms.unseal_column('hr.absence', 'kind', %s)$$, :acme)), :'acme', '…');     -- not confirmed
SELECT toms.confirm_instruction(:acme);
SELECT regress.verdict(format($$SELECT toms.unseal_column('hr.absence', 'kind', %s)$$, :acme));     -- the other tenant's
SELECT toms.record_instruction('globex', 'unseal_column', 'Mr Doe', 'Store the kinds of absences in clear text.') AS globex \gset
SELECT toms.confirm_instruction(:globex);
SELECT toms.unseal_column('hr.absence', 'kind', :acme) > 0;
SELECT * FROM toms.conversions;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
INSERT INTO hr.absence (id, tenant, employee, kind) VALUES (305, 'acme', 1, 'SICK');
UPDATE hr.absence SET kind = 'SICK' WHERE id = 1;
SELECT kind FROM hr.absence_plain WHERE id = 305;
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.seal_column('hr.absence', 'kind');                                          -- the other one gives it up
SELECT * FROM toms.conversions;
CALL regress.repeat(format($$toms.unseal_column('hr.absence', 'kind', %s)$$, :acme));
SELECT state FROM toms.instruction WHERE id IN (:acme, :globex);
RESET SESSION AUTHORIZATION;
SET toms.reason = 'a look';
SELECT count(*), count(kind), format_type((SELECT atttypid FROM pg_attribute WHERE attrelid = 'hr.absence'::regclass AND attname = 'kind'), NULL) FROM hr.absence;
SELECT id, kind FROM hr.absence WHERE id IN (1, 2, 3, 299, 305) ORDER BY id;
RESET toms.reason;
-- a value whose key is destroyed is nobody's any more, and becomes NULL
UPDATE toms.data_key SET wrapped = NULL, subject = NULL, destroyed_at = now() WHERE relation = 'hr.absence'::regclass AND tenant = 'acme' AND subject = '6';
SET SESSION AUTHORIZATION regress_officer;
SELECT max(toms.record_instruction(t, 'unseal_column', 'both', 'Store the notes in clear text.', single_use => false)) AS both FROM (VALUES ('acme'), ('globex')) v (t) \gset
SELECT toms.confirm_instruction(i) FROM generate_series(:both - 1, :both) i;
CALL regress.repeat(format($$toms.unseal_column('hr.absence', 'note', %s)$$, :both));
RESET SESSION AUTHORIZATION;
SELECT state FROM toms.instruction WHERE id = :both;
SET toms.reason = 'a look';
SELECT tenant = 'acme' AND employee = 6 AS destroyed, count(*), count(note), bool_and(note = 'note ' || id) FROM hr.absence WHERE id <= 300 AND id % 5 > 0 GROUP BY 1 ORDER BY 1;
RESET toms.reason;
-- a table that is rewritten in between: what nobody has met is found
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.seal_column('hr.absence', 'note') > 0, toms.seal_column('hr.absence', 'note', batch => 1) > 0;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'a migration';
VACUUM FULL hr.absence;
RESET toms.reason;
UPDATE toms.conversion_position SET block = blocks;
SET SESSION AUTHORIZATION regress_officer;
CALL regress.repeat($$toms.seal_column('hr.absence', 'note')$$);
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
SELECT count(*), count(note), bool_and(note = 'note ' || id) FROM hr.absence_plain WHERE id <= 300 AND id % 5 > 0;
COMMIT;
RESET SESSION AUTHORIZATION;
-- sealing that is given up
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.seal_column('hr.absence', 'kind', 'health_code(convert_kind)') > 0, toms.seal_column('hr.absence', 'kind') > 0;
SELECT toms.unseal_column('hr.absence', 'kind', NULL);
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM pg_attribute WHERE attrelid = 'hr.absence'::regclass AND attname LIKE 'toms%';
SELECT regress.verdict($$SELECT toms.unprotect('hr.absence', 'a look')$$);              -- other columns are sealed
\set VERBOSITY default
SELECT toms.unprotect('hr.absence', 'a look');
\set VERBOSITY terse

--
-- Partitions and children
--
CREATE TABLE hr.visit (id integer, tenant text NOT NULL, employee integer NOT NULL, note text NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE hr.visit_1 PARTITION OF hr.visit FOR VALUES FROM (0) TO (50);
CREATE TABLE hr.visit_2 (more integer, note text NOT NULL, id integer, employee integer NOT NULL, tenant text NOT NULL);
ALTER TABLE hr.visit_2 DROP COLUMN more;
ALTER TABLE hr.visit ATTACH PARTITION hr.visit_2 FOR VALUES FROM (50) TO (200);
INSERT INTO hr.visit SELECT n, 'acme', n % 7, 'note ' || n FROM generate_series(1, 100) n;
SELECT toms.protect('hr.visit', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('regress_hr', 'hr.visit', '{select,insert,update,delete}', '{absence_management}', 'tenant') > 0;
GRANT SELECT, INSERT ON hr.visit TO regress_hr;
SELECT regress.verdict($$SELECT toms.seal_column('hr.visit_1', 'note')$$);
SELECT toms.seal_column('hr.visit', 'note') > 0;
-- one that comes with rows meanwhile
CREATE TABLE hr.visit_0 (id integer, tenant text NOT NULL, employee integer NOT NULL, note text NOT NULL);
INSERT INTO hr.visit_0 SELECT -n, 'acme', 1, 'early ' || n FROM generate_series(1, 10) n;
ALTER TABLE hr.visit_0 ADD COLUMN toms_fill_5 toms.sealed_text;
ALTER TABLE hr.visit_0 ADD CONSTRAINT toms_fill_5 CHECK (toms_fill_5 IS NOT NULL) NOT VALID;
SET toms.reason = 'a migration';
ALTER TABLE hr.visit ATTACH PARTITION hr.visit_0 FOR VALUES FROM (-100) TO (0);
RESET toms.reason;
CALL regress.repeat($$toms.seal_column('hr.visit', 'note')$$);
SELECT attrelid::regclass, format_type(atttypid, NULL), attnotnull FROM pg_attribute WHERE attname = 'note' AND attrelid IN (SELECT r FROM toms.relation_tree('hr.visit') r) ORDER BY 1;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
INSERT INTO hr.visit VALUES (7, 'acme', 7, 'new');
SELECT tableoid::regclass, count(*), count(DISTINCT toms.reveal(note, 'hr.visit', employee::text)), max(toms.reveal(note)) FROM hr.visit GROUP BY 1 ORDER BY 1;
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- Rows whose tenant is that of their parents, two kinds of them, or of their parents' parents
--
CREATE TABLE hr.orders (id integer PRIMARY KEY, tenant text NOT NULL);
CREATE TABLE hr.item (id integer PRIMARY KEY, order_id bigint, employee integer NOT NULL);
CREATE TABLE hr.remark (id integer PRIMARY KEY, kind text NOT NULL, owner_id integer, employee integer NOT NULL, note text);
INSERT INTO hr.orders SELECT n, CASE n % 2 WHEN 0 THEN 'acme' ELSE 'globex' END FROM generate_series(1, 20) n;
INSERT INTO hr.item SELECT n, n / 10 + 1, n % 7 FROM generate_series(1, 100) n;
INSERT INTO hr.remark SELECT n, CASE n % 3 WHEN 0 THEN 'order' ELSE 'item' END, CASE n % 3 WHEN 0 THEN n % 20 + 1 ELSE n % 100 + 1 END, n % 7, 'note ' || n FROM generate_series(1, 200) n;
INSERT INTO hr.remark VALUES (201, 'item', 101, 1, 'of nobody');
SELECT toms.protect('hr.orders', tenant => 'tenant');
SELECT toms.protect('hr.item', parent => 'hr.orders', parent_key => 'order_id', subject => 'employee');
SELECT toms.protect('hr.remark', parent => 'hr.orders', parent_key => 'owner_id', subject => 'employee', type_column => 'kind', type_value => 'order');
SELECT toms.add_parent('hr.remark', 'hr.item', type_value => 'item');
SELECT toms.permit('regress_hr', 'hr.remark', '{select,insert,update}', '{absence_management}', 'tenant') > 0;
GRANT SELECT, INSERT, UPDATE ON hr.remark TO regress_hr;
SELECT regress.verdict($$SELECT toms.seal_column('hr.remark', 'note')$$);               -- refused: one is nobody's
SET toms.reason = 'a test';
DELETE FROM hr.remark WHERE id = 201;
RESET toms.reason;
CALL regress.repeat($$toms.seal_column('hr.remark', 'note')$$);
SELECT tenant, count(*) FROM toms.data_key WHERE relation = 'hr.remark'::regclass GROUP BY 1 ORDER BY 1;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
SELECT count(*), bool_and(toms.reveal(note, 'hr.remark', employee::text) = 'note ' || id) FROM hr.remark;
COMMIT;
BEGIN;
CALL regress.enter('globex');
SELECT count(*), bool_and(toms.reveal(note, 'hr.remark', employee::text) = 'note ' || id) FROM hr.remark;
COMMIT;
RESET SESSION AUTHORIZATION;
CALL regress.repeat(format($$toms.unseal_column('hr.remark', 'note', %s)$$, :both));
SET toms.reason = 'a look';
SELECT count(*), bool_and(note = 'note ' || id) FROM hr.remark;
RESET toms.reason;

DELETE FROM toms.data_key WHERE wrapped IS NOT NULL AND relation IN (SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'hr'::regnamespace);
SET toms.reason = 'end of the test';
DROP SCHEMA hr CASCADE;
DROP PROCEDURE regress.enter, regress.repeat;
-- the numbers of catalogues as they were, for other tests
SET toms.reason = 'test';
SET session_replication_role = replica;
DELETE FROM toms.code WHERE catalogue = (SELECT id FROM toms.code_catalogue WHERE name = 'convert_kind');
DELETE FROM toms.code_catalogue WHERE name = 'convert_kind';
RESET session_replication_role;
