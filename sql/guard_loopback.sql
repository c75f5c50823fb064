--
-- guard_loopback: a session that somebody opens from within his own, and a table that gets another owner
--
-- By dblink or postgres_fdw a statement can go to the same server again, as another log-in.  A context does not go along, and
-- nobody lends a reason: such a session sees what that log-in would see by itself.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION dblink;
CREATE EXTENSION postgres_fdw;
CREATE SCHEMA back AUTHORIZATION regress_owner;
CREATE SCHEMA far;
GRANT USAGE ON SCHEMA far TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE back.note (tenant text NOT NULL, employee integer NOT NULL, words text);
INSERT INTO back.note VALUES ('acme', 17, 'hello'), ('globex', 4, 'secret');
RESET SESSION AUTHORIZATION;
SELECT toms.protect('back.note', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('regress_hr', 'back.note', '{select}', '{audit}', scope => 'tenant') > 0 AS permitted;
GRANT USAGE ON SCHEMA back TO regress_migration, regress_stranger;
GRANT SELECT ON back.note TO regress_migration;

-- a superuser has opened the way back, as the application's log-in and as one that passes by row security
SELECT format('host %L, port %L, dbname %L', split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database()) AS here \gset
CREATE SERVER application FOREIGN DATA WRAPPER postgres_fdw OPTIONS (:here);
CREATE SERVER migration FOREIGN DATA WRAPPER postgres_fdw OPTIONS (:here);
CREATE USER MAPPING FOR regress_job SERVER application OPTIONS (user 'regress_job', password_required 'false');
CREATE USER MAPPING FOR regress_job SERVER migration OPTIONS (user 'regress_migration', password_required 'false');
CREATE FOREIGN TABLE far.as_application (tenant text, employee integer, words text) SERVER application OPTIONS (schema_name 'back', table_name 'note');
CREATE FOREIGN TABLE far.as_migration (tenant text, employee integer, words text) SERVER migration OPTIONS (schema_name 'back', table_name 'note');
GRANT SELECT ON far.as_application, far.as_migration TO regress_job;
-- what a statement leads to, there
CREATE FUNCTION far.says(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    rows bigint;
BEGIN
    EXECUTE statement;
    GET DIAGNOSTICS rows = ROW_COUNT;
    RETURN format('%s rows', rows);
EXCEPTION WHEN OTHERS THEN
    RETURN format('%s %s', SQLSTATE, SQLERRM);
END
$$;

SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
SELECT * FROM back.note;                                        -- ok: that of acme
SELECT far.says('SELECT * FROM far.as_application');             -- refused: who is asking?
SELECT far.says('SELECT * FROM far.as_migration');               -- refused: what for?
SELECT left(far.says($$SELECT * FROM dblink('user=regress_migration', 'SELECT words FROM back.note') t (words text)$$), 5);    -- refused by PostgreSQL: no password
COMMIT;
RESET SESSION AUTHORIZATION;

-- who gets the table, or a privilege on it, gets no row of it
ALTER TABLE back.note OWNER TO regress_stranger;
SET SESSION AUTHORIZATION regress_stranger;
SELECT far.says('SELECT * FROM back.note');                      -- refused: he has no context
RESET SESSION AUTHORIZATION;
ALTER TABLE back.note OWNER TO regress_owner;
GRANT SELECT ON back.note TO regress_stranger;
SET SESSION AUTHORIZATION regress_stranger;
SELECT far.says('SELECT * FROM back.note');                      -- refused
RESET SESSION AUTHORIZATION;
SELECT object, remedy FROM toms.explain_protection('back.note') WHERE kind = 'leak: grant' ORDER BY 1;      -- and is named

SET toms.reason = 'end of the test';
DROP SCHEMA back, far CASCADE;
DROP EXTENSION dblink;
DROP EXTENSION postgres_fdw CASCADE;
