--
-- guard_admin: administrators pass with a stated reason, and nobody else by it
--
-- PostgreSQL applies no policy to a superuser or a role with BYPASSRLS.  The promise: they
-- reach a protected table only after they have said why, which goes on record (the record
-- itself: test/t/guard_log.pl); a table's owner is no administrator; and on tables that are
-- not protected nothing changes.
--
\set SHOW_CONTEXT never
SELECT current_user AS superuser \gset
SET client_min_messages = warning;
CREATE SCHEMA guard AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE guard.absence (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL);
INSERT INTO guard.absence VALUES (1, 'acme', 17), (2, 'acme', 18), (3, 'globex', 17);
CREATE TABLE guard.plain (id integer);
INSERT INTO guard.plain VALUES (1);
CREATE VIEW guard.owners_view AS SELECT * FROM guard.absence;
RESET SESSION AUTHORIZATION;
CREATE VIEW guard.superusers_view AS SELECT * FROM guard.absence;
GRANT USAGE ON SCHEMA guard TO regress_migration, regress_job, regress_stranger;
GRANT ALL ON guard.absence, guard.plain, guard.superusers_view TO regress_migration;
GRANT ALL ON guard.plain TO regress_job;
SELECT toms.protect('guard.absence', tenant => 'tenant', subject => 'employee');
SELECT toms.permit(role => 'regress_hr', relation => 'guard.absence', verbs => '{select,insert,update,delete}',
                   purposes => '{absence_management}', scope => 'tenant') IS NOT NULL AS permitted;
CREATE TABLE guard.form (n integer GENERATED ALWAYS AS IDENTITY, statement text);
GRANT SELECT ON guard.form TO PUBLIC;
INSERT INTO guard.form (statement) VALUES
    ('SELECT * FROM guard.absence'),
    ('SELECT * FROM guard.superusers_view'),
    ('SELECT count(*) FROM guard.absence a, guard.plain p'),
    ('INSERT INTO guard.absence VALUES (9, ''globex'', 17)'),
    ('UPDATE guard.absence SET employee = employee'),
    ('DELETE FROM guard.absence WHERE id = 9'),
    ('MERGE INTO guard.absence a USING guard.plain p ON a.id = p.id WHEN MATCHED THEN DO NOTHING'),
    ('SELECT table_to_xml(''guard.absence'', true, false, '''')');

--
-- A role with BYPASSRLS
--
SET SESSION AUTHORIZATION regress_migration;
SELECT statement, regress.verdict(statement) FROM guard.form ORDER BY n;                   -- refused: toms_reason_missing
SELECT * FROM guard.absence;                                   -- refused: toms_reason_missing
COPY guard.absence TO STDOUT;                                  -- refused
\copy guard.absence from /dev/null                             -- refused
TRUNCATE guard.absence;                                        -- refused: toms_truncate
SELECT toms.explain_access('guard.absence', 'select');
SET toms.reason = '';
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused: an empty reason is none
SET toms.reason = 'nightly dump';
SELECT toms.explain_access('guard.absence', 'select');
SELECT statement, regress.verdict(statement) FROM guard.form ORDER BY n;                   -- ok
COPY guard.absence TO STDOUT;                                  -- ok: all tenants
\copy guard.absence from /dev/null                             -- ok
BEGIN;
TRUNCATE guard.absence;                                        -- ok
ROLLBACK;
-- the reason ends with the setting
BEGIN;
SET LOCAL toms.reason = 'one transaction';
COMMIT;
RESET toms.reason;
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused
BEGIN;
SET LOCAL toms.reason = 'one transaction';
SELECT count(*) FROM guard.absence;                            -- ok: 3
COMMIT;
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused
-- row_security = off, as pg_dump has it, needs the reason too
SET row_security = off;
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused
RESET row_security;
RESET SESSION AUTHORIZATION;

--
-- A superuser
--
SELECT statement, regress.verdict(statement) FROM guard.form ORDER BY n;                   -- refused: toms_reason_missing
\set VERBOSITY terse
COPY guard.absence TO STDOUT;                                  -- refused: toms_reason_missing
TRUNCATE guard.absence;                                        -- refused: toms_truncate
\set VERBOSITY default
SELECT administrative_accesses AS before FROM toms.status \gset
SET toms.reason = 'ticket 4711';
SELECT statement, regress.verdict(statement) FROM guard.form ORDER BY n;                   -- ok
COPY guard.absence TO STDOUT;                                  -- ok
SELECT administrative_accesses > :before AS counted FROM toms.status;
RESET toms.reason;
-- every pass is counted, each statement once
SELECT administrative_accesses AS before FROM toms.status \gset
BEGIN;
SET LOCAL toms.reason = 'ticket 4712';
SELECT count(*) FROM guard.absence;
COMMIT;
SELECT administrative_accesses - :before AS passes FROM toms.status;
-- and each refusal
SELECT refusals AS before FROM toms.status \gset
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused
SELECT refusals - :before AS refusals FROM toms.status;

--
-- The owner of the table, without BYPASSRLS: row security is forced, a context is needed
-- and a reason does not help
--
GRANT regress_hr TO regress_owner;
SELECT toms.allow_enter('regress_owner', '{acme}', '{regress_hr}') IS NOT NULL AS allowed;
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused: toms_context_missing
SELECT regress.verdict('SELECT * FROM guard.owners_view');     -- refused
SET toms.reason = 'it is my table';
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused
SELECT regress.verdict('DELETE FROM guard.absence');           -- refused
SELECT regress.verdict('TRUNCATE guard.absence');              -- refused: toms_truncate
RESET toms.reason;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT * FROM guard.absence ORDER BY id;                       -- ok: acme
SELECT * FROM guard.owners_view ORDER BY id;                   -- ok: acme
COMMIT;
-- nor can the owner switch it off
ALTER TABLE guard.absence NO FORCE ROW LEVEL SECURITY;         -- refused: toms_policy_managed
ALTER TABLE guard.absence DISABLE ROW LEVEL SECURITY;          -- refused: toms_policy_managed
SELECT regress.verdict('DROP POLICY toms_select ON guard.absence');  -- refused: toms_policy_managed
SELECT regress.verdict('ALTER POLICY toms_select ON guard.absence USING (true)');  -- refused
SELECT regress.verdict('ALTER POLICY toms_select ON guard.absence RENAME TO other');  -- refused
CREATE POLICY everybody ON guard.absence USING (true);         -- ok, but it widens nothing
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT * FROM guard.absence ORDER BY id;                       -- ok: acme
COMMIT;
DROP POLICY everybody ON guard.absence;
RESET SESSION AUTHORIZATION;
REVOKE regress_hr FROM regress_owner;

--
-- The owner with BYPASSRLS is an administrator
--
ALTER ROLE regress_owner BYPASSRLS;
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused: toms_reason_missing
SET toms.reason = 'migration 12';
SELECT regress.verdict('SELECT * FROM guard.absence');         -- ok: 3 rows
RESET toms.reason;
RESET SESSION AUTHORIZATION;
-- but its view and function lend nothing to others
GRANT SELECT ON guard.owners_view TO regress_job;
SET SESSION AUTHORIZATION regress_job;
SET toms.reason = 'me too';
SELECT regress.verdict('SELECT * FROM guard.owners_view');     -- refused: toms_policy_bypassed
RESET toms.reason;
RESET SESSION AUTHORIZATION;
ALTER ROLE regress_owner NOBYPASSRLS;

--
-- SET ROLE into a role with BYPASSRLS makes an administrator, who states a reason; the way
-- back ends it
--
CREATE ROLE regress_guard_operator LOGIN IN ROLE regress_migration;
GRANT USAGE ON SCHEMA guard TO regress_guard_operator;
SET SESSION AUTHORIZATION regress_guard_operator;
SET toms.reason = 'restore of a row';
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused: BYPASSRLS is not inherited, so a context is needed
SET ROLE regress_migration;
SELECT regress.verdict('SELECT * FROM guard.absence');         -- ok: 3 rows
RESET toms.reason;
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused: toms_reason_missing
RESET ROLE;
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused: toms_context_missing
RESET SESSION AUTHORIZATION;

--
-- A plan made for an administrator serves nobody else
--
SET toms.reason = 'ticket 4713';
PREPARE everything AS SELECT * FROM guard.absence ORDER BY id;
EXECUTE everything;                                            -- ok: all
SET plan_cache_mode = force_generic_plan;
EXECUTE everything;                                            -- ok: all
SET SESSION AUTHORIZATION regress_job;
EXECUTE everything;                                            -- refused
BEGIN;
SELECT toms.enter('globex', '90', 'regress_hr', 'absence_management');
EXECUTE everything;                                            -- ok: globex
COMMIT;
RESET SESSION AUTHORIZATION;
RESET plan_cache_mode;
DEALLOCATE everything;
RESET toms.reason;

--
-- A reason does not help a role that does not bypass, with a context or without
--
SET SESSION AUTHORIZATION regress_job;
SET toms.reason = 'curiosity';
SELECT regress.verdict('SELECT * FROM guard.absence');         -- refused: a reason is no context
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT count(*) FROM guard.absence;                            -- ok: 2, the reason adds nothing
COMMIT;
SELECT regress.verdict('TRUNCATE guard.absence');              -- refused
RESET toms.reason;

--
-- Long values are stored in a table of their own, on which there are no policies
--
RESET SESSION AUTHORIZATION;
CREATE TABLE guard.letter (tenant text NOT NULL, wording text);
ALTER TABLE guard.letter ALTER wording SET STORAGE EXTERNAL;
INSERT INTO guard.letter VALUES ('globex', repeat('their words ', 1000));
SELECT toms.protect('guard.letter', tenant => 'tenant');
SELECT toms.permit('regress_hr', 'guard.letter', '{select}', '{absence_management}', 'tenant') IS NOT NULL AS permitted;
SELECT format('SELECT convert_from(chunk_data, ''UTF8'') FROM %s', reltoastrelid::regclass) AS long_values FROM pg_class WHERE oid = 'guard.letter'::regclass \gset
GRANT pg_read_all_data TO regress_job;
SELECT regress.verdict(:'long_values');                        -- refused: toms_reason_missing
SET toms.reason = 'a look at what is stored';
SELECT regress.verdict(:'long_values') ~ '^[1-9]\d* rows' AS seen;    -- ok
SELECT DISTINCT kind, relation, reason FROM toms.audit_trail(since => now() - interval '1 hour') WHERE relation = 'guard.letter' AND kind = 'admin_access';
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict(:'long_values');                        -- refused
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT regress.verdict(:'long_values');                        -- refused: nor in a context that permits the table
COMMIT;
RESET SESSION AUTHORIZATION;
REVOKE pg_read_all_data FROM regress_job;
SET SESSION AUTHORIZATION regress_job;

--
-- Tables that are not protected: nothing changes, with or without all of that
--
SELECT regress.verdict('SELECT * FROM guard.plain');           -- ok
SELECT regress.verdict('INSERT INTO guard.plain VALUES (2)');  -- ok
SELECT regress.verdict('TRUNCATE guard.plain');                -- ok
SELECT toms.explain_access('guard.plain', 'select');
SET SESSION AUTHORIZATION regress_stranger;
SELECT * FROM guard.plain;                                     -- refused by PostgreSQL, in its own words
RESET SESSION AUTHORIZATION;
SELECT regress.verdict('SELECT * FROM guard.plain');           -- ok

-- clean up
SELECT toms.disallow_enter('regress_owner');
SET toms.reason = 'end of the test';
DROP SCHEMA guard CASCADE;
DROP ROLE regress_guard_operator;
