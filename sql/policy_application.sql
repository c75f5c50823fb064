--
-- policy_application: an application's own policies and DDL beside those of toms
--
-- What the application has narrows further, and never widens.  What belongs to toms cannot
-- be taken away, and if it is taken away behind its back the table closes.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.leave (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL, approved boolean);
INSERT INTO hr.leave VALUES (1, 'acme', 17, true), (2, 'acme', 17, false), (3, 'acme', 18, true), (4, 'globex', 17, true);
ALTER TABLE hr.leave ENABLE ROW LEVEL SECURITY;
-- the widest policy there is, from before toms
CREATE POLICY everything ON hr.leave USING (true) WITH CHECK (true);

SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.leave', tenant => 'tenant_id', subject => 'employee_id');
SELECT toms.permit('regress_employee', 'hr.leave', '{select,insert,update,delete}', '{absence_management}') > 0;
SELECT toms.permit('regress_hr', 'hr.leave', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant') > 0;
RESET SESSION AUTHORIZATION;

-- what employee 17 and HR of acme see and may write; statements leave nothing behind
CREATE PROCEDURE regress.look() LANGUAGE plpgsql AS $$
DECLARE
    r text;
    ids text;
BEGIN
    FOREACH r IN ARRAY '{regress_employee,regress_hr}'::text[] LOOP
        PERFORM toms.enter('acme', '17', r, 'absence_management');
        BEGIN
            SELECT string_agg(id::text, ',' ORDER BY id) INTO ids FROM hr.leave;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS ids = CONSTRAINT_NAME;
        END;
        RAISE NOTICE '% sees %; updates %; deletes %; inserts for 17: %, for 18: %, for globex: %', r, coalesce(ids, 'none'),
            regress.verdict('UPDATE hr.leave SET approved = approved WHERE true'), regress.verdict('DELETE FROM hr.leave WHERE id < 5'),
            regress.verdict('INSERT INTO hr.leave VALUES (5, ''acme'', 17, true)'), regress.verdict('INSERT INTO hr.leave VALUES (5, ''acme'', 18, true)'),
            regress.verdict('INSERT INTO hr.leave VALUES (5, ''globex'', 17, true)');
        ROLLBACK;
    END LOOP;
END
$$;

--
-- Permissive policies of the application widen nothing
--
SET SESSION AUTHORIZATION regress_job;
CALL regress.look();                                                    -- the employee 1, 2; HR 1, 2, 3; nobody globex
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_owner;
CREATE POLICY everything_after ON hr.leave USING (true) WITH CHECK (true);          -- by the owner, after protect()
CREATE POLICY to_all_select ON hr.leave FOR SELECT TO PUBLIC USING (true);
CREATE POLICY to_job ON hr.leave FOR ALL TO regress_job USING (tenant_id = 'globex') WITH CHECK (true);
ALTER POLICY everything ON hr.leave USING (tenant_id IS NOT NULL OR random() < 2);
RESET SESSION AUTHORIZATION;
SELECT intact FROM toms.protected_tables;                               -- t
SET SESSION AUTHORIZATION regress_job;
CALL regress.look();                                                    -- the same
SET SESSION AUTHORIZATION regress_owner;
DROP POLICY everything ON hr.leave;
DROP POLICY everything_after ON hr.leave;
DROP POLICY to_all_select ON hr.leave;
DROP POLICY to_job ON hr.leave;
RESET SESSION AUTHORIZATION;
SELECT polname, polpermissive FROM pg_policy WHERE polrelid = 'hr.leave'::regclass ORDER BY polname;    -- toms' own, with a permissive twin for each verb again
SET SESSION AUTHORIZATION regress_job;
CALL regress.look();                                                    -- the same, with no policy of the application left

--
-- They narrow: permissive ones for one command, for one role, restrictive ones
--
SET SESSION AUTHORIZATION regress_owner;
CREATE POLICY approved ON hr.leave FOR SELECT USING (approved);
SET SESSION AUTHORIZATION regress_job;
CALL regress.look();                                                    -- sees 1, HR 1 and 3; the other verbs as far as they read
SET SESSION AUTHORIZATION regress_owner;
ALTER POLICY approved ON hr.leave RENAME TO only_approved;
ALTER POLICY only_approved ON hr.leave TO regress_hr USING (approved OR employee_id = 17);
SET SESSION AUTHORIZATION regress_job;
CALL regress.look();                                                    -- regress_job inherits from regress_hr: 1, 2 and HR 1, 2, 3
SET SESSION AUTHORIZATION regress_owner;
ALTER POLICY only_approved ON hr.leave TO regress_stranger;
SET SESSION AUTHORIZATION regress_job;
CALL regress.look();                                                    -- none: the application gives rows to somebody else only
SET SESSION AUTHORIZATION regress_owner;
DROP POLICY only_approved ON hr.leave;
CREATE POLICY approved_only ON hr.leave AS RESTRICTIVE FOR ALL USING (approved) WITH CHECK (employee_id < 18);
SET SESSION AUTHORIZATION regress_job;
CALL regress.look();                                                    -- 1, HR 1 and 3; writing for 18 is refused by the application
SET SESSION AUTHORIZATION regress_owner;
DROP POLICY approved_only ON hr.leave;
SET SESSION AUTHORIZATION regress_job;
CALL regress.look();                                                    -- as in the beginning
RESET SESSION AUTHORIZATION;

--
-- What belongs to toms is not the owner's to change, nor an officer's, nor a superuser's by
-- mistake: toms.unprotect() is there for it
--
CREATE TEMP TABLE attempts (statement text);
INSERT INTO attempts VALUES
    ('DROP POLICY toms_select ON hr.leave'), ('DROP POLICY IF EXISTS toms_select_only ON hr.leave'),
    ('ALTER POLICY toms_select ON hr.leave USING (true)'), ('ALTER POLICY toms_update ON hr.leave TO regress_stranger'),
    ('ALTER POLICY toms_insert_only ON hr.leave WITH CHECK (true)'),
    ('ALTER POLICY toms_select ON hr.leave RENAME TO harmless'),
    ('CREATE POLICY toms_mine ON hr.leave USING (true)'),
    ('ALTER TABLE hr.leave DISABLE ROW LEVEL SECURITY'), ('ALTER TABLE hr.leave NO FORCE ROW LEVEL SECURITY'),
    ('ALTER TABLE ONLY hr.leave ADD COLUMN x integer, DISABLE ROW LEVEL SECURITY'),
    ('ALTER TABLE IF EXISTS hr.leave NO FORCE ROW LEVEL SECURITY'),
    ('DO $$BEGIN EXECUTE ''ALTER TABLE hr.leave DISABLE ROW LEVEL SECURITY''; END$$');
GRANT SELECT ON attempts TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
SELECT statement, regress.verdict(statement) FROM attempts;             -- refused, each
RESET SESSION AUTHORIZATION;
SELECT statement, regress.verdict(statement) FROM attempts;             -- refused, each
SELECT count(*), bool_and(relrowsecurity), bool_and(relforcerowsecurity) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE polname LIKE 'toms\_%';
SET SESSION AUTHORIZATION regress_job;
CALL regress.look();                                                    -- as in the beginning
RESET SESSION AUTHORIZATION;
-- what the owner may: policies of his own, other DDL
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.leave ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE hr.leave ADD COLUMN remark text;
CREATE POLICY mine ON hr.leave AS RESTRICTIVE USING (true);
ALTER POLICY mine ON hr.leave RENAME TO still_mine;
DROP POLICY still_mine ON hr.leave;
RESET SESSION AUTHORIZATION;
SELECT intact FROM toms.protected_tables;                               -- t

--
-- Dropping the tenant column takes the policies along, and closes the table
--
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('ALTER TABLE hr.leave DROP COLUMN tenant_id');               -- refused
SELECT regress.verdict('ALTER TABLE hr.leave DROP COLUMN tenant_id CASCADE');       -- refused
SELECT regress.verdict('ALTER TABLE hr.leave DROP COLUMN employee_id CASCADE');     -- refused
RESET SESSION AUTHORIZATION;

-- its type can go, and takes the column and the policies along
BEGIN;
CREATE DOMAIN hr.mandant AS text;
CREATE TABLE hr.letter (tenant_id hr.mandant NOT NULL, employee_id int NOT NULL);
ALTER TABLE hr.letter OWNER TO regress_owner;
SELECT toms.protect('hr.letter', tenant => 'tenant_id', subject => 'employee_id');
SET LOCAL client_min_messages = warning;
SET toms.reason = 'migration';
DROP DOMAIN hr.mandant CASCADE;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('SELECT FROM hr.letter');                        -- refused: incomplete
SELECT regress.verdict('INSERT INTO hr.letter VALUES (17)');            -- refused: incomplete
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM pg_policy WHERE polrelid = 'hr.letter'::regclass;  -- 0: none that is left alone opens it
SELECT intact FROM toms.protected_tables WHERE relation = 'hr.letter'::regclass;   -- f
ALTER TABLE hr.letter ADD COLUMN mandant_id text NOT NULL;
-- an officer mends it with the arguments that are true now
SELECT toms.protect('hr.letter', tenant => 'mandant_id', subject => 'employee_id');
SELECT tenant, subject, intact FROM toms.protected_tables WHERE relation = 'hr.letter'::regclass;
ROLLBACK;

--
-- Policies that were altered where toms could not see it: the table is closed to everybody,
-- whatever they say, and protect() mends it
--
CREATE PROCEDURE regress.tamper(what text, statement text) LANGUAGE plpgsql AS $$
DECLARE
    seen text;
    mended text;
BEGIN
    SET LOCAL allow_system_table_mods = on;
    EXECUTE statement;
    DELETE FROM pg_depend WHERE classid = 'pg_policy'::regclass AND objid NOT IN (SELECT oid FROM pg_policy);
    UPDATE pg_class SET relname = relname WHERE oid = 'hr.leave'::regclass;     -- so that every session sees it
    COMMIT;
    SET SESSION AUTHORIZATION regress_job;
    COMMIT;
    PERFORM toms.enter('acme', '17', 'regress_hr', 'absence_management');
    seen := regress.verdict('SELECT FROM hr.leave');
    COMMIT;
    SET SESSION AUTHORIZATION regress_officer;
    mended := regress.verdict($p$SELECT toms.protect('hr.leave', tenant => 'tenant_id', subject => 'employee_id')$p$);
    COMMIT;
    SET SESSION AUTHORIZATION regress_job;
    COMMIT;
    PERFORM toms.enter('acme', '17', 'regress_hr', 'absence_management');
    RAISE NOTICE '%: %; protect(): %; then: %', what, seen, mended, regress.verdict('SELECT FROM hr.leave');
    ROLLBACK;
    RESET SESSION AUTHORIZATION;
    COMMIT;
END
$$;
CALL regress.tamper('force switched off', $$UPDATE pg_class SET relforcerowsecurity = false WHERE oid = 'hr.leave'::regclass$$);
CALL regress.tamper('restrictive made permissive', $$UPDATE pg_policy SET polpermissive = true WHERE polrelid = 'hr.leave'::regclass AND polname = 'toms_select'$$);
CALL regress.tamper('renamed', $$UPDATE pg_policy SET polname = 'x' WHERE polrelid = 'hr.leave'::regclass AND polname = 'toms_update'$$);
CALL regress.tamper('for another role', $$UPDATE pg_policy SET polroles = ARRAY['regress_stranger'::regrole::oid] WHERE polrelid = 'hr.leave'::regclass AND polname = 'toms_delete'$$);
CALL regress.tamper('for another command', $$UPDATE pg_policy SET polcmd = 'd' WHERE polrelid = 'hr.leave'::regclass AND polname = 'toms_select'$$);
CALL regress.tamper('condition of another verb', $$UPDATE pg_policy SET polqual = (SELECT polqual FROM pg_policy WHERE polrelid = 'hr.leave'::regclass AND polname = 'toms_delete') WHERE polrelid = 'hr.leave'::regclass AND polname = 'toms_select'$$);
CALL regress.tamper('check removed', $$UPDATE pg_policy SET polwithcheck = NULL WHERE polrelid = 'hr.leave'::regclass AND polname = 'toms_update'$$);
CALL regress.tamper('row removed', $$DELETE FROM pg_policy WHERE polrelid = 'hr.leave'::regclass AND polname = 'toms_insert'$$);
CALL regress.tamper('all removed', $$DELETE FROM pg_policy WHERE polrelid = 'hr.leave'::regclass$$);
-- a condition that is always true, made by PostgreSQL's own parser on another table
CREATE TABLE hr.donor (id integer);
CREATE POLICY open ON hr.donor USING (true);
CALL regress.tamper('condition true', $$UPDATE pg_policy SET polqual = (SELECT polqual FROM pg_policy WHERE polrelid = 'hr.donor'::regclass) WHERE polrelid = 'hr.leave'::regclass AND polname = 'toms_select'$$);
-- a permissive twin that was tampered with opens nothing: the restrictive one stands
CALL regress.tamper('twin true', $$UPDATE pg_policy SET polqual = (SELECT polqual FROM pg_policy WHERE polrelid = 'hr.donor'::regclass) WHERE polrelid = 'hr.leave'::regclass AND polname = 'toms_select_only'$$);
CALL regress.tamper('row security switched off', $$UPDATE pg_class SET relrowsecurity = false WHERE oid = 'hr.leave'::regclass$$);
SET SESSION AUTHORIZATION regress_job;
CALL regress.look();                                                    -- as in the beginning
RESET SESSION AUTHORIZATION;

--
-- What the owner had, he has after unprotect(): row security on, his policy, not forced
--
SET SESSION AUTHORIZATION regress_owner;
CREATE POLICY approved ON hr.leave USING (approved);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.unprotect('hr.leave', reason => 'end of test');
RESET SESSION AUTHORIZATION;
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'hr.leave'::regclass;              -- t, f
SELECT polname FROM pg_policy WHERE polrelid = 'hr.leave'::regclass;                                    -- approved
GRANT SELECT ON hr.leave TO regress_stranger;
SET SESSION AUTHORIZATION regress_stranger;
SELECT id FROM hr.leave ORDER BY id;                                                                    -- 1, 3, 4: the application's own policy alone
RESET SESSION AUTHORIZATION;

--
-- clean up
--
SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA hr CASCADE;
DROP PROCEDURE regress.look, regress.tamper;
