--
-- context_guc: nobody reads the token from the server, nobody stores one in it, and a client
-- settles nothing about how its own context is judged
--
\set SHOW_CONTEXT never
\pset tuples_only on
\pset format unaligned
SET client_min_messages = error;
\set superuser :USER
\set database :DBNAME
\set token `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+900}'`
\set bad_token :token x
-- nothing that holds the token's payload or signature is harmless
SELECT split_part(:'token', '.', 2) AS payload, split_part(:'token', '.', 3) AS signature \gset

-- does this text hold a part of the token?
CREATE SCHEMA regress_guc;
GRANT USAGE ON SCHEMA regress_guc TO PUBLIC;
CREATE TABLE regress_guc.part (part text);
INSERT INTO regress_guc.part VALUES (:'payload'), (:'signature');
CREATE FUNCTION regress_guc.leaks(shown text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS $$
    SELECT bool_or(position(part IN shown) > 0) FROM regress_guc.part;
$$;
SELECT regress_guc.leaks('x' || :'token' || 'x');                       -- t: the test can tell

--
-- No way of showing settings shows the token
--
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT set_config('toms.token', :'token', true);
SHOW toms.token;
SELECT current_setting('toms.token');
SELECT count(*) FROM pg_settings WHERE name = 'toms.token';             -- 0: not even its name
SELECT count(*) FROM pg_settings s WHERE regress_guc.leaks(s::text);    -- 0
SELECT count(*) FROM pg_show_all_settings() s WHERE regress_guc.leaks(s::text);     -- 0
COMMIT;
SHOW toms.token;
-- nor does it for the superuser
RESET SESSION AUTHORIZATION;
BEGIN;
SET LOCAL toms.token = :'token';
SHOW toms.token;
SELECT count(*) FROM pg_settings s WHERE regress_guc.leaks(s::text);    -- 0
ROLLBACK;
-- what is shown cannot be taken for a token
BEGIN;
SELECT set_config('toms.token', :'token', true);
SELECT regress.verdict($$SELECT set_config('toms.token', current_setting('toms.token'), true)$$);
CREATE FUNCTION regress_guc.from_current() RETURNS integer LANGUAGE sql SET toms.token FROM CURRENT AS 'SELECT 1';
ROLLBACK;
-- nor can what a session keeps inside, "<transaction>~<token>"
SELECT regress.verdict(format('SELECT set_config(%L, %L, true)', 'toms.token', '4711~' || :'token'));

--
-- A token that a statement spells out is taken out of pg_stat_activity, and a warning says how
-- to do better
--
-- what others see of this session's statement, at this moment
CREATE FUNCTION regress_guc.activity() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_stat_clear_snapshot();
    RETURN (SELECT a.query FROM pg_stat_activity a WHERE a.pid = pg_backend_pid());
END
$$;
CREATE TABLE regress_guc.token (token text);
INSERT INTO regress_guc.token VALUES (:'token');
GRANT SELECT ON regress_guc.token TO PUBLIC;
SET SESSION AUTHORIZATION regress_app;
SELECT :'token' <> '', regress_guc.leaks(regress_guc.activity());         -- t, t: the text of any other statement is seen, and the test can tell
SET client_min_messages = warning;
BEGIN;
SET LOCAL toms.token = :'token';                                                -- a warning with its hint
SELECT set_config('toms.token', :'token', true), regress_guc.activity();        -- the same
COMMIT;
-- in one message with others: what runs behind it is reported without the token too
BEGIN \; SET LOCAL toms.token = :'token' \; SELECT regress_guc.activity() \; COMMIT;
-- a token that comes as a value, as a parameter does, needs none of that: no warning
BEGIN;
SELECT set_config('toms.token', token, true), regress_guc.activity() FROM regress_guc.token;
SELECT toms.current_tenant();
COMMIT;
-- refused tokens too
SET toms.token = 'eyJhbGciOiJub25lIn0.e30.';                                    -- refused
CREATE FUNCTION pg_temp.activity_after(token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('toms.token', token, true);
    RETURN NULL;
EXCEPTION WHEN invalid_authorization_specification THEN
    RETURN SQLERRM || ': ' || regress_guc.activity();
END
$$;
SELECT pg_temp.activity_after(:'bad_token');                                    -- refused
SET client_min_messages = error;
RESET SESSION AUTHORIZATION;

--
-- A token cannot be stored: not by ALTER SYSTEM, not for a role, a database or a function
--
ALTER SYSTEM SET toms.token = :'token';                                 -- refused
ALTER ROLE regress_app SET toms.token = :'token';                       -- refused
ALTER DATABASE :database SET toms.token = :'token';                     -- refused
ALTER ROLE regress_app IN DATABASE :database SET toms.token = :'token'; -- refused
ALTER ROLE ALL SET toms.token = :'token';                               -- refused
CREATE FUNCTION regress_guc.armed() RETURNS text LANGUAGE sql SET toms.token = :'token' AS 'SELECT toms.current_tenant()';  -- refused
CREATE FUNCTION regress_guc.unarmed() RETURNS text LANGUAGE sql AS 'SELECT toms.current_tenant()';
ALTER FUNCTION regress_guc.unarmed() SET toms.token = :'token';         -- refused
BEGIN;
SELECT set_config('toms.token', :'token', true);
ALTER FUNCTION regress_guc.unarmed() SET toms.token FROM CURRENT;       -- refused
ROLLBACK;
BEGIN;
SELECT set_config('toms.token', :'token', true);
ALTER ROLE regress_app SET toms.token FROM CURRENT;                     -- refused
ROLLBACK;
-- the log-in itself is refused just so
SET SESSION AUTHORIZATION regress_app;
ALTER ROLE regress_app SET toms.token = :'token';                       -- refused
CREATE FUNCTION pg_temp.armed() RETURNS text LANGUAGE sql SET toms.token = :'token' AS 'SELECT toms.current_tenant()';      -- refused
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM pg_db_role_setting WHERE array_to_string(setconfig, ',') LIKE '%toms.token%';                         -- 0
SELECT count(*) FROM pg_proc WHERE array_to_string(proconfig, ',') LIKE '%toms.token%';                                    -- 0
-- a value planted in the catalogue is not used, and its text not repeated
INSERT INTO pg_db_role_setting SELECT 0, oid, ARRAY['toms.token=' || :'token'] FROM pg_roles WHERE rolname = 'regress_app';
\c - regress_app
SELECT toms.current_tenant() IS NULL, current_setting('toms.token') = '';
\c - :superuser
SET client_min_messages = error;
DELETE FROM pg_db_role_setting WHERE setrole = 'regress_app'::regrole;

-- a function may run without its caller's context, and the caller has it again afterwards
CREATE FUNCTION regress_guc.without() RETURNS text LANGUAGE sql SET toms.token = '' AS $$SELECT coalesce(toms.current_tenant(), 'nobody')$$;
-- and a SECURITY DEFINER function may set one, as a job's or a framework's entry point does
CREATE FUNCTION regress_guc.enter(token text) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$SELECT set_config('toms.token', token, true)$$;
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT regress_guc.enter(:'token');
SELECT regress_guc.without(), toms.current_tenant();
COMMIT;

--
-- What decides about contexts is not the client's to set
--
SET toms.jwks_file = '/tmp/mine.json';                                  -- refused
SELECT set_config('toms.jwks_file', '/tmp/mine.json', false);           -- refused
ALTER ROLE regress_app SET toms.jwks_file = '/tmp/mine.json';           -- refused
ALTER SYSTEM SET toms.jwks_file = '/tmp/mine.json';                     -- refused
SET toms.audience = '';                                                 -- refused
SET toms.environment = '';                                              -- refused
SET toms.max_token_age = '1 day';                                       -- refused
SET toms.clock_leeway = 60;                                             -- refused
SET toms.require_tls = off;                                             -- refused
SET toms.single_use_tokens = off;                                       -- refused
SET toms.session_context = on;                                          -- refused
ALTER ROLE regress_app SET toms.session_context = on;                   -- refused
SET toms.on_missing_context = 'empty';                                  -- refused
ALTER ROLE regress_app SET toms.on_missing_context = 'empty';           -- refused
CREATE FUNCTION pg_temp.armed() RETURNS text LANGUAGE sql SET toms.session_context = on AS 'SELECT toms.current_tenant()';     -- refused
CREATE FUNCTION pg_temp.armed() RETURNS text LANGUAGE sql SET toms.on_missing_context = 'empty' AS 'SELECT NULL::text';        -- refused
SET toms.invented = 'x';                                                -- refused: the prefix is taken
-- not even a superuser sets these for a session: they come from the server's configuration alone
RESET SESSION AUTHORIZATION;
SET toms.jwks_file = '/tmp/mine.json';                                  -- refused
SET toms.require_tls = off;                                             -- refused
SET toms.single_use_tokens = off;                                       -- refused
SET toms.max_token_age = 60;                                            -- refused
ALTER ROLE regress_app SET toms.jwks_file = '/tmp/mine.json';           -- refused
-- values that mean nothing are refused
SET toms.on_missing_context = 'everything';                             -- refused
\set VERBOSITY sqlstate
ALTER SYSTEM SET toms.max_token_age = 0;                                -- refused
\set VERBOSITY default
ALTER SYSTEM SET toms.clock_leeway = '1 day';                           -- refused
ALTER SYSTEM SET toms.require_tls = 'maybe';                            -- refused

--
-- What a log-in may set: the token, the purpose, the reason; nothing else of ours
--
SELECT name, context FROM pg_settings WHERE name LIKE 'toms.%' ORDER BY name COLLATE "C";

--
-- tidy up
--
DROP SCHEMA regress_guc CASCADE;
