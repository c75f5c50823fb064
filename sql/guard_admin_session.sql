--
-- guard_admin_session: what administrators do goes into the trail, whatever becomes of their transactions
--
-- The promise: an administrator reaches a protected table in a session that he has opened under a person's
-- name, or for a stated reason; its begin, its end and the tables that it touches are in the trail, also
-- after ROLLBACK; it ends with the transaction that opened it, with DISCARD ALL, and with its reason; DDL on protected
-- tables is told of, who tries it too; and of no statement is its text told.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SELECT current_user AS superuser \gset
CREATE SCHEMA adm AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE adm.absence (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL);
CREATE TABLE adm.salary (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL);
CREATE TABLE adm.plain (id integer);
INSERT INTO adm.absence VALUES (1, 'acme', 17), (2, 'globex', 18);
RESET SESSION AUTHORIZATION;
GRANT USAGE ON SCHEMA adm TO PUBLIC;
GRANT ALL ON adm.absence, adm.salary, adm.plain TO regress_migration;
SELECT toms.protect('adm.absence', tenant => 'tenant', subject => 'employee');
SELECT toms.protect('adm.salary', tenant => 'tenant', subject => 'employee');

-- what came into the trail since: kind of entry, table, log-in, person, ticket, reason, details; once, since what is
-- said twice within a moment is one entry
CREATE FUNCTION regress.told(since bigint) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT t.told FROM toms.audit_entry e
         LEFT JOIN LATERAL (SELECT convert_from(i.payload, 'UTF8')::jsonb AS who FROM toms.audit_entry i WHERE i.kind = 'w' AND i.id = e.who) w ON true
         LEFT JOIN LATERAL (SELECT convert_from(i.payload, 'UTF8')::jsonb AS described FROM toms.audit_entry i WHERE i.kind = 'o' AND i.id = e.object) o ON true
         LEFT JOIN LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb AS details) p ON true,
         LATERAL (SELECT concat_ws(' | ', toms.audit_kind(e.kind, e.verb), o.described ->> 'relation', nullif(concat_ws(' ', substring(w.who ->> 'login' FROM '^regress.*'), w.who ->> 'person', w.who ->> 'ticket'), ''),
                     w.who ->> 'reason', nullif((p.details - 'seconds' - 'session' - 'times' - 'microseconds')::text, '{}')) AS told) t
    WHERE e.kind = 'a' AND e.verb NOT IN ('W', 'X') AND e.id > since GROUP BY t.told ORDER BY min(e.id)
$$;
-- a connection that is left ends a moment later
CREATE PROCEDURE regress.alone() LANGUAGE plpgsql AS $$
BEGIN
    WHILE EXISTS (SELECT FROM toms.admin_sessions WHERE pid <> pg_backend_pid()) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;
CREATE FUNCTION regress.mark() RETURNS bigint LANGUAGE sql AS 'SELECT coalesce(max(id), 0) FROM toms.audit_entry';
-- all that is queued is written first
\set look 'SELECT FROM toms.seal_audit(); SELECT regress.told(:mark);'

--
-- Opened under a person's name
--
\c - regress_migration
SET client_min_messages = warning;
SELECT regress.verdict('SELECT * FROM adm.absence');           -- refused: toms_reason_missing
SELECT regress.verdict($$SELECT toms.open_admin_session('', 'T-1', 'repair')$$);               -- refused: a person
SELECT regress.verdict($$SELECT toms.open_admin_session('Ada', 'T-1', NULL)$$);                -- refused: a reason
SELECT regress.verdict($$SELECT toms.open_admin_session('Ada', 'T-1', E'two\nlines')$$);       -- refused
\c - :superuser
SELECT FROM toms.seal_audit();
SELECT regress.mark() AS mark \gset
\c - regress_migration
SELECT toms.open_admin_session('Ada', 'T-1', 'repair') > 0;
SELECT regress.verdict('SELECT * FROM adm.absence');           -- ok
SELECT regress.verdict('SELECT * FROM adm.absence');           -- ok, and no entry of its own
BEGIN;
DELETE FROM adm.absence WHERE id = 1;
ROLLBACK;
SELECT regress.verdict('SELECT * FROM adm.plain');             -- ok: not protected, not told
SELECT regress.verdict($$SELECT toms.open_admin_session('Bob', 'T-2', 'other')$$);             -- refused: one at a time
SELECT toms.close_admin_session();
SELECT toms.close_admin_session();                             -- there is none
SELECT regress.verdict('SELECT * FROM adm.absence');           -- refused: toms_reason_missing
\c - :superuser
CALL regress.alone();
:look

--
-- ROLLBACK of the transaction that opens it hides nothing, and ends it
--
SELECT regress.mark() AS mark \gset
\c - regress_migration
BEGIN;
SELECT toms.open_admin_session('Ada', NULL, 'in secret') > 0;
SELECT count(*) FROM adm.salary;
ROLLBACK;
SELECT regress.verdict('SELECT * FROM adm.salary');            -- refused: toms_reason_missing
BEGIN;
SELECT toms.open_admin_session('Ada', NULL, 'one transaction') > 0;
COMMIT;
SELECT regress.verdict('SELECT * FROM adm.salary');            -- refused
SELECT toms.open_admin_session('Ada', NULL, 'until the pooler resets') > 0;
DISCARD ALL;
SELECT regress.verdict('SELECT * FROM adm.salary');            -- refused
SELECT toms.open_admin_session('Ada', NULL, 'until the connection ends') > 0;
\c - :superuser
CALL regress.alone();
:look

--
-- A stated reason opens one with its first use, and ends it when it changes
--
SELECT regress.mark() AS mark \gset
\c - regress_migration
SET toms.reason = 'unused';
SET toms.reason = 'first';
SELECT count(*) FROM adm.absence;
SET toms.reason = 'second';
BEGIN;
SELECT count(*) FROM adm.absence;
INSERT INTO adm.salary VALUES (9, 'acme', 17);
ROLLBACK;
BEGIN;
SET LOCAL toms.reason = 'third';
SELECT count(*) FROM adm.salary;
COMMIT;
RESET toms.reason;
SELECT regress.verdict('SELECT * FROM adm.absence');           -- refused
\c - :superuser
CALL regress.alone();
:look

--
-- Both at once: who opened a session by name is meant
--
SELECT regress.mark() AS mark \gset
SET toms.reason = 'a reason';
SELECT toms.open_admin_session('Grace', 'T-3', 'by name') > 0;
SELECT count(*) FROM adm.absence;
SELECT kind, person, ticket, reason, state, approved_by FROM toms.admin_sessions WHERE pid = pg_backend_pid();
SELECT toms.close_admin_session();
RESET toms.reason;
:look
-- of no use to others
SET SESSION AUTHORIZATION regress_app;
SELECT regress.verdict($$SELECT toms.open_admin_session('Eve', 'T-4', 'curiosity')$$);         -- refused
RESET SESSION AUTHORIZATION;

--
-- Parallel workers of a session by name
--
CREATE FUNCTION adm.many() RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE AS 'BEGIN RETURN (SELECT count(*) FROM adm.absence); END';
SELECT toms.open_admin_session('Grace', 'T-3', 'parallel') > 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT adm.many();                                             -- ok: a worker reads by itself
RESET ALL;
SELECT toms.close_admin_session();                             -- RESET ALL has ended it

--
-- A cursor is read in the session in which it was opened
--
\c - regress_migration
SELECT toms.open_admin_session('Ada', 'T-4', 'row by row') > 0;
BEGIN;
DECLARE c CURSOR FOR SELECT FROM adm.absence;
FETCH 1 FROM c;
SELECT toms.close_admin_session();
SAVEPOINT s;
FETCH 1 FROM c;                                                -- refused: toms_reason_missing
ROLLBACK TO s;
ROLLBACK;
\c - :superuser
CALL regress.alone();

--
-- DDL on protected tables
--
SELECT FROM toms.seal_audit();
SELECT regress.mark() AS mark \gset
ALTER ROLE regress_owner LOGIN;
\c - regress_owner
SET client_min_messages = error;
ALTER TABLE adm.absence ADD COLUMN days integer DEFAULT 4711;
CREATE INDEX absence_days ON adm.absence (days) WHERE days > 5522;     -- refused: toms_ddl
CREATE INDEX absence_days ON adm.absence (days);
GRANT SELECT ON adm.absence, adm.plain TO regress_job;
COMMENT ON TABLE adm.absence IS 'not told';
BEGIN;
ALTER TABLE adm.absence RENAME COLUMN days TO period;
ROLLBACK;
ALTER TABLE adm.plain ADD COLUMN n integer;
CREATE TRIGGER mine BEFORE INSERT ON adm.absence FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
DROP TRIGGER mine ON adm.absence;
DROP INDEX adm.absence_days;
\c - :superuser
CALL regress.alone();
:look
-- DDL that reaches a protected table without naming it: by its schema, by views of views, rules and publications
CREATE SCHEMA bare AUTHORIZATION regress_owner;
SELECT regress.mark() AS mark \gset
\c - regress_owner
SET client_min_messages = error;
CREATE TABLE bare.plain (id integer);
GRANT SELECT ON ALL TABLES IN SCHEMA adm, bare TO regress_job;
REVOKE SELECT ON ALL TABLES IN SCHEMA adm FROM regress_job;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA adm TO regress_job;             -- not told: of no table
ALTER DEFAULT PRIVILEGES IN SCHEMA adm, bare GRANT SELECT ON TABLES TO regress_job;
ALTER DEFAULT PRIVILEGES IN SCHEMA bare REVOKE SELECT ON TABLES FROM regress_job;                  -- not told
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO regress_job;    -- not told
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM regress_job;
BEGIN;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO regress_job;
ROLLBACK;
ALTER DEFAULT PRIVILEGES IN SCHEMA adm REVOKE SELECT ON TABLES FROM regress_job;
\c - :superuser
CALL regress.alone();
:look
SELECT regress.mark() AS mark \gset
\c - regress_owner
SET client_min_messages = error;
CREATE VIEW bare.sick AS WITH a AS (SELECT * FROM adm.absence) SELECT * FROM a WHERE days > 4711;
CREATE VIEW bare.sicker AS SELECT * FROM bare.sick WHERE EXISTS (SELECT FROM adm.salary);
CREATE MATERIALIZED VIEW bare.kept AS SELECT * FROM bare.sick WITH NO DATA;
EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) CREATE MATERIALIZED VIEW bare.empty AS SELECT * FROM bare.sick WITH NO DATA;      -- refused, and told
CREATE VIEW bare.harmless AS SELECT * FROM bare.plain;                 -- not told
CREATE VIEW bare.paid AS SELECT tenant FROM adm.salary;
ALTER VIEW bare.sick SET (security_invoker = true);
ALTER VIEW bare.sick RENAME TO ill;
ALTER VIEW bare.harmless RENAME TO harm;                               -- not told
GRANT SELECT ON bare.ill TO regress_job;
CREATE RULE copied AS ON INSERT TO bare.plain DO ALSO INSERT INTO adm.salary VALUES (new.id, 'acme', 17);
DROP RULE copied ON bare.plain;                                        -- not told: that one is no view
CREATE POLICY mine ON adm.absence USING (true);
DROP POLICY mine ON adm.absence;
DROP MATERIALIZED VIEW bare.kept;
DROP VIEW bare.ill CASCADE;
DROP VIEW bare.harm;                                                   -- not told
\c - :superuser
CALL regress.alone();
:look
SELECT regress.mark() AS mark \gset
SET client_min_messages = error;
CREATE OR REPLACE VIEW bare.paid AS SELECT tenant FROM adm.absence;    -- of the table that it read, too
CREATE PUBLICATION named FOR TABLE adm.absence, bare.plain;
CREATE PUBLICATION below FOR TABLES IN SCHEMA adm;
CREATE PUBLICATION whole FOR ALL TABLES WITH (publish = 'insert');
CREATE PUBLICATION empty FOR TABLE bare.plain;                         -- not told
ALTER PUBLICATION empty ADD TABLE adm.salary;
ALTER PUBLICATION empty DROP TABLE adm.salary;
ALTER PUBLICATION empty SET TABLES IN SCHEMA adm;
ALTER PUBLICATION below OWNER TO CURRENT_USER;
ALTER PUBLICATION named RENAME TO renamed;
DROP PUBLICATION renamed, below, whole, empty;
SET ROLE regress_job;
CREATE PUBLICATION named FOR TABLE adm.absence;                        -- refused, and told
RESET ROLE;
DROP SCHEMA bare CASCADE;
:look
-- a table that goes, in whichever way; and the tables in which toms keeps what is declared
SELECT regress.mark() AS mark \gset
ALTER TABLE toms.permission DISABLE TRIGGER "~toms_declaration";
ALTER TABLE toms.permission ENABLE ALWAYS TRIGGER "~toms_declaration";
SET client_min_messages = error;
SET toms.reason = 'end of the test';
DROP SCHEMA adm CASCADE;
RESET toms.reason;
:look

--
-- Settings: who tried, and what of those that may hold secrets
--
SELECT regress.mark() AS mark \gset
ALTER ROLE regress_app SET toms.on_missing_context = 'empty';
ALTER ROLE regress_app RESET toms.on_missing_context;
ALTER ROLE regress_app SET work_mem = '5MB';
ALTER ROLE regress_app RESET work_mem;
ALTER DATABASE contrib_regression SET row_security = off;
ALTER DATABASE contrib_regression RESET row_security;
SET toms.reason = 'a restore';
SET session_replication_role = replica;
RESET session_replication_role;
RESET toms.reason;
:look

-- roles: who becomes an officer or an administrator, and by whom
SELECT regress.mark() AS mark \gset
CREATE ROLE regress_eve LOGIN PASSWORD 'told to nobody';
GRANT toms_auditor TO regress_eve;
REVOKE toms_auditor FROM regress_eve;
ALTER ROLE regress_eve BYPASSRLS;
DROP ROLE regress_eve;
:look

-- clean up
ALTER ROLE regress_owner NOLOGIN;
DROP FUNCTION regress.told(bigint);
DROP FUNCTION regress.mark();
DROP PROCEDURE regress.alone();
