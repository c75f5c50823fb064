--
-- seal_reveal: who may open a sealed value
--
-- The key of a value says whose it is.  toms.reveal() opens it for a context of that tenant whose
-- role and purpose are permitted the table, in scope own for the person concerned only, as
-- long as the key is there.  Who merely holds the ciphertext, however he came by it, learns nothing.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
CREATE SCHEMA hr;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
CREATE TABLE hr.sick_note (id integer, tenant text NOT NULL, employee integer NOT NULL, sick toms.health_flag);
CREATE TABLE hr.ciphertext (id integer, tenant text, employee integer, armour text);    -- what leaks: not protected
GRANT SELECT, INSERT, UPDATE ON hr.sick_note TO regress_hr, regress_employee;
GRANT SELECT ON hr.sick_note TO regress_stranger, regress_migration;
GRANT SELECT ON hr.ciphertext TO PUBLIC;
SELECT toms.protect('hr.sick_note', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.permit('regress_hr', 'hr.sick_note', '{select,insert,update}', '{absence_management}', 'tenant') > 0;
SELECT toms.permit('regress_hr', 'hr.sick_note', '{insert}', '{intake}', 'tenant') > 0;
SELECT toms.permit('regress_hr', 'hr.sick_note', '{select}', '{care}', 'tenant', require_mfa => true) > 0;
SELECT toms.permit('regress_employee', 'hr.sick_note', '{select}', '{absence_management}', 'own') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
INSERT INTO hr.sick_note VALUES (1, 'acme', 17, 'true'), (2, 'acme', 18, 'false');
COMMIT;
BEGIN;
SELECT toms.enter('globex', '1', 'regress_hr', 'absence_management');
INSERT INTO hr.sick_note VALUES (3, 'globex', 17, 'true');
COMMIT;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'a copy of the ciphertext';
INSERT INTO hr.ciphertext SELECT id, tenant, employee, sick FROM hr.sick_note;
RESET toms.reason;

-- what comes of opening each ciphertext, for the context in force
CREATE FUNCTION regress.open(OUT opened text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    stolen record;
BEGIN
    FOR stolen IN SELECT * FROM hr.ciphertext ORDER BY id LOOP
        BEGIN
            opened := stolen.tenant || ' ' || stolen.employee || ': ' || toms.reveal(stolen.armour::toms.health_flag);
        EXCEPTION WHEN OTHERS THEN
            opened := stolen.tenant || ' ' || stolen.employee || ': ' || regress.verdict(format('SELECT toms.reveal(%L::toms.health_flag)', stolen.armour));
        END;
        RETURN NEXT;
    END LOOP;
END
$$;

--
-- Tenant, role, purpose, scope
--
SET SESSION AUTHORIZATION regress_job;
SELECT * FROM regress.open();                                                           -- no context
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management'); SELECT * FROM regress.open(); COMMIT;
BEGIN; SELECT toms.enter('globex', '1', 'regress_hr', 'absence_management'); SELECT * FROM regress.open(); COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management'); SELECT * FROM regress.open(); COMMIT;     -- his own
BEGIN; SELECT toms.enter('acme', '19', 'regress_employee', 'absence_management'); SELECT * FROM regress.open(); COMMIT;     -- none is his
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'payroll'); SELECT * FROM regress.open(); COMMIT;                       -- another purpose
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'intake'); SELECT * FROM regress.open(); COMMIT;                        -- may write, not read
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'care'); SELECT * FROM regress.open(); COMMIT;                          -- without the second factor
-- with row security bypassed, or as the table's owner, there is ciphertext and no context
RESET SESSION AUTHORIZATION;
SELECT * FROM regress.open();
SET SESSION AUTHORIZATION regress_migration;
SET toms.reason = 'a look';
SELECT count(sick::text) FROM hr.sick_note;
SELECT * FROM regress.open();
RESET toms.reason;

--
-- The context is asked at each value, not once: a permission that ends, ends
--
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT * FROM regress.open() WHERE opened LIKE 'acme%';
RESET SESSION AUTHORIZATION;
SELECT toms.forbid('regress_hr', 'hr.sick_note');
SET SESSION AUTHORIZATION regress_job;
SELECT * FROM regress.open() WHERE opened LIKE 'acme%';                                 -- refused
ROLLBACK;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT * FROM regress.open() WHERE opened LIKE 'acme%';
SELECT toms.leave();
SELECT * FROM regress.open() WHERE opened LIKE 'acme%';                                 -- refused
COMMIT;
-- nor does a cached plan keep an answer
PREPARE look AS SELECT id, toms.reveal(sick) FROM hr.sick_note ORDER BY id;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management'); EXECUTE look; COMMIT;
BEGIN; SELECT toms.enter('globex', '1', 'regress_hr', 'absence_management'); EXECUTE look; COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management'); EXECUTE look; COMMIT;

--
-- A key that has been destroyed opens nothing any more, at once
--
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT * FROM regress.open();
RESET SESSION AUTHORIZATION;
UPDATE toms.data_key SET wrapped = NULL, subject = NULL, destroyed_at = now() WHERE tenant = 'acme' AND subject = '17' AND relation = 'hr.sick_note'::regclass;
SET SESSION AUTHORIZATION regress_job;
SELECT * FROM regress.open();                                                           -- 17 of acme: destroyed; 17 of globex is another
SELECT employee, toms.is_erased(sick) FROM hr.sick_note ORDER BY id;
SELECT employee, CASE WHEN toms.is_erased(sick) THEN NULL ELSE toms.reveal(sick) END FROM hr.sick_note ORDER BY id;
-- a new value of the same person has a new key
INSERT INTO hr.sick_note VALUES (4, 'acme', 17, 'true');
SELECT id, CASE WHEN toms.is_erased(sick) THEN NULL ELSE toms.reveal(sick) END FROM hr.sick_note ORDER BY id;
-- the row can go on living, whoever has it then; its value stays shut
SELECT regress.verdict('UPDATE hr.sick_note SET id = 5 WHERE id = 1');
SELECT regress.verdict('UPDATE hr.sick_note SET employee = 18 WHERE id = 5');
SELECT employee, toms.is_erased(sick) FROM hr.sick_note WHERE id = 5;
ROLLBACK;
-- what was rolled back was not destroyed
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT * FROM regress.open();
-- a value whose key row is gone is like one of nobody
RESET SESSION AUTHORIZATION;
DELETE FROM toms.data_key WHERE tenant = 'acme' AND subject = '18' AND relation = 'hr.sick_note'::regclass;
SET SESSION AUTHORIZATION regress_job;
SELECT * FROM regress.open();
ROLLBACK;

--
-- A key that a transaction made goes with it
--
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SAVEPOINT s;
INSERT INTO hr.sick_note VALUES (6, 'acme', 60, 'true');
ROLLBACK TO s;
INSERT INTO hr.sick_note VALUES (7, 'acme', 60, 'true');
SAVEPOINT s;
INSERT INTO hr.sick_note VALUES (8, 'acme', 61, 'true');
RELEASE s;
COMMIT;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
INSERT INTO hr.sick_note VALUES (9, 'acme', 62, 'true');
ROLLBACK;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
INSERT INTO hr.sick_note VALUES (10, 'acme', 62, 'true');
PREPARE TRANSACTION 'sealed';
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
INSERT INTO hr.sick_note VALUES (11, 'acme', 62, 'true');                               -- does not wait for the other, nor use its key
COMMIT;
ROLLBACK PREPARED 'sealed';
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management'); EXECUTE look; COMMIT;
\c -
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_job;
PREPARE look AS SELECT id, toms.reveal(sick) FROM hr.sick_note ORDER BY id;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management'); EXECUTE look; COMMIT;

--
-- Persons with two keys, and rows that belong to their parent's tenant
--
RESET SESSION AUTHORIZATION;
CREATE TABLE hr.person (tenant text NOT NULL, uuid text NOT NULL UNIQUE, id integer NOT NULL UNIQUE);
CREATE TABLE hr.illness (person integer NOT NULL, sick toms.health_flag);
INSERT INTO hr.person VALUES ('acme', 'p-17', 17), ('acme', 'p-18', 18), ('globex', 'p-30', 30);
GRANT SELECT, INSERT ON hr.person, hr.illness TO regress_hr, regress_employee;
GRANT SELECT, UPDATE ON hr.illness TO regress_migration;
SELECT toms.protect('hr.person', tenant => 'tenant', subject => 'uuid');
SELECT toms.add_subject_alias('hr.person', canonical => 'uuid', alias => 'id');
SELECT toms.protect('hr.illness', parent => 'hr.person', parent_key => 'person', parent_column => 'id', subject => 'person', subject_alias => 'hr.person.id', category => 'health');
SELECT toms.permit('regress_hr', 'hr.illness', '{select,insert}', '{absence_management}', 'tenant') > 0;
SELECT toms.permit('regress_employee', 'hr.illness', '{select}', '{absence_management}', 'own') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', 'p-1', 'regress_hr', 'absence_management');
INSERT INTO hr.illness VALUES (17, 'true'), (18, 'false');
SELECT person, toms.reveal(sick) FROM hr.illness ORDER BY person;
SAVEPOINT s;
INSERT INTO hr.illness VALUES (30, 'true');                                             -- refused: of another tenant
ROLLBACK TO s;
COMMIT;
BEGIN; SELECT toms.enter('acme', 'p-17', 'regress_employee', 'absence_management'); SELECT person, toms.reveal(sick) FROM hr.illness; COMMIT;
RESET SESSION AUTHORIZATION;
-- who is no person of the tenant is not the person with the empty key
CREATE TABLE hr.named (tenant text NOT NULL, key text NOT NULL UNIQUE, name text NOT NULL UNIQUE);
CREATE TABLE hr.named_note (tenant text NOT NULL, name text NOT NULL, sick toms.health_flag);
GRANT SELECT, INSERT ON hr.named, hr.named_note TO regress_hr, regress_employee;
SELECT toms.protect('hr.named', tenant => 'tenant', subject => 'key');
SELECT toms.add_subject_alias('hr.named', canonical => 'key', alias => 'name');
SELECT toms.protect('hr.named_note', tenant => 'tenant', subject => 'name', subject_alias => 'hr.named.name', category => 'health');
SELECT toms.permit('regress_hr', 'hr.named_note', '{select,insert}', '{absence_management}', 'tenant') > 0;
SELECT toms.permit('regress_employee', 'hr.named_note', '{select}', '{absence_management}', 'own') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
INSERT INTO hr.named_note VALUES ('acme', '', 'true');
SELECT sick AS of_nobody FROM hr.named_note \gset
COMMIT;
BEGIN; SELECT toms.enter('acme', 'unknown', 'regress_employee', 'absence_management'); SELECT regress.verdict(format('SELECT toms.reveal(%L::toms.health_flag)', :'of_nobody')); COMMIT;
RESET SESSION AUTHORIZATION;
SELECT tenant, subject FROM toms.data_key WHERE relation = 'hr.illness'::regclass ORDER BY subject;

-- who bypasses row security needs no context for what is there, and cannot seal without one
SET SESSION AUTHORIZATION regress_migration;
SET toms.reason = 'a migration';
SELECT regress.verdict('UPDATE hr.illness SET person = person');
SELECT regress.verdict($$UPDATE hr.illness SET sick = 'true'$$);                         -- refused
RESET toms.reason;
RESET SESSION AUTHORIZATION;

--
-- Rows of a category by value: it takes all of them to open a value, since it does not tell its row
--
SELECT toms.label_rows('hr.sick_note', condition => 'id > 10', category => 'credential');
SELECT toms.permit('regress_hr', 'hr.sick_note', '{select}', '{continued_pay}', 'tenant', categories => '{health,credential}') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management'); SELECT regress.verdict('SELECT toms.reveal(sick) FROM hr.sick_note'); COMMIT;    -- refused
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'continued_pay'); SELECT count(toms.reveal(sick)) > 3 FROM hr.sick_note; COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.unlabel_rows('hr.sick_note', 'credential');

--
-- A context that expires within a statement opens nothing more
--
ALTER SYSTEM SET toms.clock_leeway = 0;
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SET SESSION AUTHORIZATION regress_job;
DO $$
DECLARE
    value toms.health_flag;
    waited text;
BEGIN
    PERFORM toms.enter('acme', '1', 'regress_hr', 'absence_management', valid_for => '5 seconds');
    SELECT sick INTO value FROM hr.sick_note WHERE id = 2;
    FOR i IN 1 .. 2 LOOP                -- the first time only; no statement begins meanwhile
        RAISE WARNING 'opened: %', toms.reveal(value);
        waited := pg_sleep(6);
    END LOOP;
END
$$;
RESET SESSION AUTHORIZATION;
ALTER SYSTEM RESET toms.clock_leeway;
SELECT pg_reload_conf();

--
-- A tenant without a key epoch cannot seal, and is told what to do
--
INSERT INTO toms.tenant (tenant, name) VALUES ('umbrella', 'Umbrella');
SELECT toms.allow_enter('regress_job', '{umbrella}', '{regress_hr}') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('umbrella', '1', 'regress_hr', 'absence_management');
INSERT INTO hr.sick_note VALUES (21, 'umbrella', 1, 'true');
ROLLBACK;

RESET SESSION AUTHORIZATION;
SET toms.reason = 'the end of the test';
DROP TABLE hr.sick_note, hr.illness, hr.person, hr.named_note, hr.named;
RESET toms.reason;
DELETE FROM toms.tenant WHERE tenant = 'umbrella';
SELECT toms.disallow_enter('regress_job');
SELECT toms.allow_enter('regress_job', '{acme,globex}', '{regress_employee,regress_hr}') > 0;
DROP FUNCTION regress.open;
DROP SCHEMA hr CASCADE;
