--
-- policy_permission: permit() and forbid()
--
-- A permission names a role, verbs, purposes and a scope; nothing else is permitted.  It
-- ends at once, whole or in part, and stays in history.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO regress_officer;
CREATE ROLE regress_clerk LOGIN;
CREATE ROLE regress_manager IN ROLE regress_hr;             -- has what HR has
CREATE ROLE regress_assistant NOINHERIT IN ROLE regress_hr; -- could become HR, but has nothing of it
GRANT regress_manager, regress_assistant TO regress_job;
SELECT toms.allow_enter('regress_job', '{acme,globex}', '{regress_manager,regress_assistant}') IS NOT NULL;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.sick_note (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL, t text);
INSERT INTO hr.sick_note VALUES (1, 'acme', 17, 'a'), (2, 'acme', 18, 'b'), (3, 'globex', 17, 'c');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.sick_note', tenant => 'tenant_id', subject => 'employee_id', category => 'health');
RESET SESSION AUTHORIZATION;

-- what a role may do for a purpose, verb by verb; run by the log-in of the application
CREATE PROCEDURE regress.may(role text, purpose text) LANGUAGE plpgsql AS $$
DECLARE
    verdicts text;
BEGIN
    PERFORM toms.enter('acme', '17', role, purpose);
    SELECT string_agg(verb || ' ' || regress.verdict(statement), '; ') INTO verdicts
    FROM (VALUES ('select', 'SELECT FROM hr.sick_note'), ('insert', 'INSERT INTO hr.sick_note VALUES (4, ''acme'', 17)'),
                 ('update', 'UPDATE hr.sick_note SET t = ''x'' WHERE true'), ('delete', 'DELETE FROM hr.sick_note WHERE true')) v (verb, statement);
    RAISE NOTICE '%, %: %', role, purpose, replace(verdicts, ' (42501)', '');
    ROLLBACK;
END
$$;

--
-- Verbs and purposes: those that are named, and no other
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.permit('regress_hr', 'hr.sick_note', '{select}', '{absence_management,continued_pay}', scope => 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_hr', 'absence_management');       -- select only
CALL regress.may('regress_hr', 'continued_pay');            -- select only
CALL regress.may('regress_hr', 'performance_evaluation');   -- nothing
CALL regress.may('regress_employee', 'absence_management'); -- nothing: another role
-- permissions add up, each with its own purposes
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.permit('regress_hr', 'hr.sick_note', '{insert,update}', '{absence_management}', scope => 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_hr', 'absence_management');       -- all but delete
CALL regress.may('regress_hr', 'continued_pay');            -- select only

--
-- What has to be said, and how
--
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.sick_note', '{read}', '{p}')$$);                  -- refused: not a verb
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.sick_note', '{truncate}', '{p}')$$);              -- refused: not a verb
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.sick_note', '{}', '{p}')$$);                      -- refused: no verb
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.sick_note', '{select,NULL}', '{p}')$$);           -- refused: not a verb
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.sick_note', '{select}', '{}')$$);                 -- refused: no purpose
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.sick_note', '{select}', NULL)$$);                 -- refused: no purpose
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.sick_note', '{select}', '{""}')$$);               -- refused: no purpose
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.sick_note', '{select}', '{p}', scope => 'all')$$);    -- refused: not a scope
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.sick_note', '{select}', '{p}', scope => NULL)$$);     -- refused: not a scope
SELECT regress.verdict($$SELECT toms.permit('nobody', 'hr.sick_note', '{select}', '{p}')$$);                    -- refused: no such role
SELECT regress.verdict($$SELECT toms.permit(NULL, 'hr.sick_note', '{select}', '{p}')$$);                        -- refused: no role
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.sick_note', '{select}', '{p}', require_mfa => NULL)$$);   -- refused: neither yes nor no
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.open (t text);
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.open', '{select}', '{p}', scope => 'tenant')$$);  -- refused: not protected
SELECT count(*) FROM toms.permissions WHERE relation IN ('hr.sick_note', 'hr.open');                            -- 2, the above

-- the same permission twice is one
SELECT toms.permit('regress_hr', 'hr.sick_note', '{update,insert}', '{absence_management}', scope => 'tenant') = max(id) FROM toms.permissions WHERE relation = 'hr.sick_note';
SELECT count(*) FROM toms.permissions WHERE relation = 'hr.sick_note';                                          -- 2

--
-- Scope: own rows or the tenant's; a statement of several verbs has the narrowest
--
SELECT toms.permit('regress_employee', 'hr.sick_note', '{select}', '{absence_management}', scope => 'tenant') > 0;
SELECT toms.permit('regress_employee', 'hr.sick_note', '{update,delete}', '{absence_management}') > 0;          -- own, if nothing is said
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
SELECT id FROM hr.sick_note ORDER BY id;                                                                        -- 1, 2
SELECT id FROM hr.sick_note ORDER BY id FOR UPDATE;                                                             -- 1
UPDATE hr.sick_note SET t = 'x' WHERE true RETURNING id;                                                        -- 1
DELETE FROM hr.sick_note WHERE true RETURNING id;                                                               -- 1
ROLLBACK;
-- writing for the tenant, while seeing one's own
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.forbid('regress_employee', 'hr.sick_note');                                                         -- both of them
SELECT toms.permit('regress_employee', 'hr.sick_note', '{select}', '{absence_management}') > 0;
SELECT toms.permit('regress_employee', 'hr.sick_note', '{insert,delete}', '{absence_management}', scope => 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
SELECT regress.verdict($$INSERT INTO hr.sick_note VALUES (5, 'acme', 18)$$);                                    -- ok
SELECT id FROM hr.sick_note ORDER BY id;                                                                        -- 1: not what he wrote for another
DELETE FROM hr.sick_note WHERE true RETURNING id;                                                               -- 1: RETURNING reads
SELECT regress.verdict('DELETE FROM hr.sick_note WHERE true');                                                  -- 2 rows: those of 18
ROLLBACK;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.forbid('regress_employee', 'hr.sick_note');

--
-- Validity
--
SELECT regress.verdict($$SELECT toms.permit('regress_employee', 'hr.sick_note', '{select}', '{absence_management}', valid_until => '2000-01-01')$$);  -- refused: it would have ended
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_employee', 'absence_management'); -- nothing
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.permit('regress_employee', 'hr.sick_note', '{select}', '{absence_management}', valid_until => '2999-01-01') > 0;
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_employee', 'absence_management'); -- select
SET SESSION AUTHORIZATION regress_officer;
SELECT verbs, valid_until = '2999-01-01' AS last, in_force FROM toms.permissions WHERE role = 'regress_employee'::regrole AND relation = 'hr.sick_note' ORDER BY id;
SELECT toms.forbid('regress_employee', 'hr.sick_note');     -- 1: the one that has ended already is left as it is
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_employee', 'absence_management'); -- nothing
-- one that ends by itself does so within a session, though it was read when in force
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.permit('regress_employee', 'hr.sick_note', '{select}', '{absence_management}', valid_until => clock_timestamp() + '1.5 s') > 0;
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_employee', 'absence_management'); -- select
SELECT pg_sleep(1.6) IS NOT NULL;
CALL regress.may('regress_employee', 'absence_management'); -- nothing

--
-- A second factor, where the permission demands it (context_* proves tokens that carry one)
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.permit('regress_employee', 'hr.sick_note', '{select}', '{absence_management}', require_mfa => true) > 0;
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_employee', 'absence_management'); -- refused: second factor missing
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.permit('regress_employee', 'hr.sick_note', '{select}', '{self_service}') > 0;
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_employee', 'self_service');       -- select: this one does not demand it
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.forbid('regress_employee', 'hr.sick_note');

--
-- forbid() in part: the rest goes on, with the same scope and end
--
SELECT toms.permit('regress_employee', 'hr.sick_note', '{select,insert,update,delete}', '{absence_management,self_service}', valid_until => '2999-01-01') > 0;
SELECT toms.forbid('regress_employee', 'hr.sick_note', verbs => '{delete}');
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_employee', 'absence_management'); -- all but delete
CALL regress.may('regress_employee', 'self_service');       -- all but delete
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.forbid('regress_employee', 'hr.sick_note', purposes => '{self_service}');
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_employee', 'absence_management'); -- all but delete
CALL regress.may('regress_employee', 'self_service');       -- nothing
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.permit('regress_employee', 'hr.sick_note', '{select,update}', '{self_service}') > 0;
SELECT toms.forbid('regress_employee', 'hr.sick_note', verbs => '{update}', purposes => '{self_service}');
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_employee', 'absence_management'); -- all but delete: update for this purpose stays
CALL regress.may('regress_employee', 'self_service');       -- select
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.forbid('regress_employee', 'hr.sick_note', verbs => '{delete}');                                    -- 0: nothing to end
SELECT verbs, purposes, scope, valid_until = '2999-01-01' AS last FROM toms.permissions
WHERE role = 'regress_employee'::regrole AND relation = 'hr.sick_note' AND in_force ORDER BY purposes::text, verbs::text;
SELECT toms.forbid('regress_employee', 'hr.sick_note') > 0;
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_employee', 'absence_management'); -- nothing
CALL regress.may('regress_employee', 'self_service');       -- nothing
-- what was, is still to be seen: by whom, until when, ended by whom
SET SESSION AUTHORIZATION regress_officer;
SELECT verbs, purposes, scope, require_mfa, valid_from < valid_until, permitted_by, ended_by FROM toms.permissions
WHERE role = 'regress_employee'::regrole AND relation = 'hr.sick_note' AND valid_until > '2001-01-01' ORDER BY id;

--
-- The plain GRANT: permit() gives what the role lacks, forbid() takes that back, and only that
--
SET SESSION AUTHORIZATION regress_owner;
GRANT UPDATE ON hr.sick_note TO regress_clerk;
CREATE VIEW hr.granted AS SELECT string_agg(privilege_type, ' ' ORDER BY privilege_type) AS privileges FROM information_schema.role_table_grants WHERE grantee = 'regress_clerk' AND table_name = 'sick_note';
GRANT SELECT ON hr.granted TO regress_officer;
SELECT has_schema_privilege('regress_clerk', 'hr', 'USAGE'), privileges FROM hr.granted;                        -- f, UPDATE
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.permit('regress_clerk', 'hr.sick_note', '{select,update}', '{a}', scope => 'tenant') > 0;
RESET SESSION AUTHORIZATION;
SELECT has_schema_privilege('regress_clerk', 'hr', 'USAGE'), privileges FROM hr.granted;                        -- t, SELECT UPDATE
SELECT toms.permit('regress_clerk', 'hr.sick_note', '{select,insert}', '{b}', scope => 'tenant') > 0;
SELECT privileges FROM hr.granted;                                                                              -- INSERT SELECT UPDATE
SELECT toms.forbid('regress_clerk', 'hr.sick_note', purposes => '{a}');
SELECT privileges FROM hr.granted;                                                                              -- INSERT SELECT UPDATE: select is needed for b
SELECT toms.forbid('regress_clerk', 'hr.sick_note', verbs => '{insert}');
SELECT privileges FROM hr.granted;                                                                              -- SELECT UPDATE
SELECT toms.forbid('regress_clerk', 'hr.sick_note');
SELECT privileges FROM hr.granted;                                                                              -- UPDATE: that is the owner's grant

-- a verb that may be written but not read back: a NOTICE says so
SELECT toms.permit('regress_clerk', 'hr.sick_note', '{insert}', '{a}', scope => 'tenant') > 0;                  -- NOTICE
SELECT toms.permit('regress_clerk', 'hr.sick_note', '{insert,select}', '{b}', scope => 'tenant') > 0;           -- none
SELECT toms.permit('regress_clerk', 'hr.sick_note', '{insert}', '{c}', scope => 'tenant') > 0;                  -- none: select is there
SELECT toms.forbid('regress_clerk', 'hr.sick_note');

--
-- Roles: who has the privileges of a role has its permissions
--
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_manager', 'absence_management');      -- as regress_hr: all but delete
CALL regress.may('regress_assistant', 'absence_management');    -- nothing: does not inherit
RESET SESSION AUTHORIZATION;
REVOKE regress_hr FROM regress_manager;
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_manager', 'absence_management');      -- nothing any more
RESET SESSION AUTHORIZATION;
GRANT regress_hr TO regress_manager;
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_manager', 'absence_management');      -- again
-- what the log-in inherits from other roles does not count: the context's role decides
CALL regress.may('regress_employee', 'absence_management');     -- nothing, though regress_job is a member of regress_hr

--
-- The hint of a refusal is the SQL that helps: run as printed by an officer, it does
--
RESET SESSION AUTHORIZATION;
CREATE PROCEDURE regress.follow_hint(role text, purpose text, statement text) LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    PERFORM toms.enter('acme', '17', role, purpose);
    BEGIN
        EXECUTE statement;
        RAISE NOTICE 'was permitted already';
    EXCEPTION WHEN insufficient_privilege THEN
        GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    END;
    IF purpose ~ '^\w+$' THEN
        RAISE NOTICE '%', hint;
    END IF;
    COMMIT;
    SET SESSION AUTHORIZATION regress_officer;
    EXECUTE hint;
    COMMIT;
    SET SESSION AUTHORIZATION regress_job;
    COMMIT;
    PERFORM toms.enter('acme', '17', role, purpose);
    RAISE NOTICE 'and then: %', regress.verdict(statement);
    ROLLBACK;
END
$$;
SET SESSION AUTHORIZATION regress_job;
CALL regress.follow_hint('regress_employee', 'absence_management', 'SELECT FROM hr.sick_note');                           -- no permission at all
CALL regress.follow_hint('regress_employee', 'absence_management', 'UPDATE hr.sick_note SET t = t WHERE id = 1');         -- another verb
CALL regress.follow_hint('regress_employee', 'self_service', 'SELECT FROM hr.sick_note');                                 -- another purpose
CALL regress.follow_hint('regress_employee', 'absence_management', 'INSERT INTO hr.sick_note VALUES (6, ''acme'', 17) RETURNING id');
CALL regress.follow_hint('regress_employee', 'it''s "odd", {really}', 'SELECT FROM hr.sick_note');                        -- quoting
RESET SESSION AUTHORIZATION;
-- the permission is there but the privilege was revoked
REVOKE ALL ON hr.sick_note FROM regress_employee, regress_hr;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
SELECT regress.verdict('SELECT FROM hr.sick_note');                                                                       -- refused: grant missing
ROLLBACK;
RESET SESSION AUTHORIZATION;

--
-- A permission belongs to one table and one role, not to their names
--
SELECT toms.unprotect('hr.sick_note', reason => 'made anew') \gset
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.sick_note', tenant => 'tenant_id', subject => 'employee_id');
SELECT toms.permit('regress_manager', 'hr.sick_note', '{select}', '{absence_management}', scope => 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_manager', 'absence_management');      -- select
-- the table is dropped and made again
SET SESSION AUTHORIZATION regress_owner;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
DROP TABLE hr.sick_note;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.sick_note (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL, t text);
GRANT SELECT, INSERT, UPDATE, DELETE ON hr.sick_note TO regress_manager;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.sick_note', tenant => 'tenant_id', subject => 'employee_id');
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_manager', 'absence_management');      -- nothing
-- the role is dropped and made again
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.permit('regress_manager', 'hr.sick_note', '{select}', '{absence_management}', scope => 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_manager', 'absence_management');      -- select
RESET SESSION AUTHORIZATION;
DROP OWNED BY regress_manager;
DROP ROLE regress_manager;
CREATE ROLE regress_manager ROLE regress_job;
GRANT USAGE ON SCHEMA hr TO regress_manager;
GRANT SELECT ON hr.sick_note TO regress_manager;
SET SESSION AUTHORIZATION regress_job;
CALL regress.may('regress_manager', 'absence_management');      -- nothing
RESET SESSION AUTHORIZATION;

--
-- clean up
--
SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA hr CASCADE;
DROP PROCEDURE regress.may, regress.follow_hint;
UPDATE toms.enter_permission SET ended_at = now(), ended_by = session_user WHERE 'regress_manager' = ANY (roles);
DROP ROLE regress_clerk, regress_manager, regress_assistant;
