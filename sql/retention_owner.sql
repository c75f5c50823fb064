--
-- retention_owner: what a table's owner has written runs with no more than his rights
--
-- Retention is run by officers and by a worker of the server, who may do anything.  Triggers, policies, rules, index
-- expressions and operators of a table run inside of its statements: they must not get at more than the owner
-- does, and see no tenant's rows that nobody has permitted.  A developer who owns the tables tries.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE ROLE regress_developer;
CREATE SCHEMA own AUTHORIZATION regress_developer;
CREATE TABLE own.secret (word text);
INSERT INTO own.secret VALUES ('of the superuser');
SET SESSION AUTHORIZATION regress_developer;
CREATE TABLE own.message (id integer PRIMARY KEY, tenant text NOT NULL, employee integer, sent timestamptz, body text);
CREATE TABLE own.salary (tenant text NOT NULL, employee integer, amount integer);
CREATE TABLE own.loot (attempt text, answer text);
INSERT INTO own.message SELECT n, t, 17, CASE n % 2 WHEN 1 THEN now() - interval '1 year' ELSE now() END, 'x' FROM generate_series(1, 20) n, unnest('{acme,globex}'::text[]) WITH ORDINALITY u (t, o) WHERE (n > 10) = (o = 2);
INSERT INTO own.salary VALUES ('acme', 17, 3000), ('globex', 30, 4000);
RESET SESSION AUTHORIZATION;
SELECT count(toms.protect(t::regclass, tenant => 'tenant', subject => 'employee')) FROM unnest('{own.message,own.salary}'::text[]) t;
SELECT toms.retain('own.message', '1 month', 'sent', tenant => 'acme', basis => 'contract', zone => 'UTC') AS rule \gset
SET toms.reason = 'prepares the attempts';

--
-- A trigger of the developer's; what it finds out stands in own.loot
--
SET SESSION AUTHORIZATION regress_developer;
CREATE FUNCTION own.attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text; message text; answer text;
BEGIN
    EXECUTE statement INTO answer;
    RETURN coalesce(answer, '(null)');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, message = MESSAGE_TEXT;
    RETURN 'refused: ' || coalesce(nullif(code, ''), message);
END
$$;
CREATE FUNCTION own.defer() RETURNS text LANGUAGE plpgsql AS $$BEGIN SET CONSTRAINTS ALL DEFERRED; RETURN 'deferred'; END$$;
CREATE FUNCTION own.try_all() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    statement text;
    code text;
BEGIN
    BEGIN
        INSERT INTO own.loot SELECT 'directly', count(*) FROM own.message;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME;
        INSERT INTO own.loot VALUES ('directly', 'refused: ' || code);
    END;
    FOREACH statement IN ARRAY ARRAY[
        $q$SELECT current_user$q$,
        $q$SELECT tenant || ' ' || subject || ' ' || actor || ' ' || purpose FROM toms.context()$q$,
        $q$SELECT word FROM own.secret$q$,
        $q$SELECT pg_read_file('PG_VERSION')$q$,
        $q$SELECT set_config('role', 'regress_officer', false)$q$,
        $q$SELECT set_config('session_authorization', 'default', false)$q$,
        $q$SELECT count(*) FROM own.message$q$,
        $q$SELECT count(*) FROM own.salary$q$,
        $q$SELECT set_config('row_security', 'off', false) || (SELECT count(*) FROM own.salary)$q$,
        $q$DELETE FROM own.message WHERE id > 0$q$,
        $q$UPDATE own.message SET tenant = 'globex' WHERE id > 0$q$,
        $q$SELECT count(*) FROM toms.hold$q$,
        $q$SELECT count(*) FROM toms.audit_entry$q$,
        $q$SELECT toms.is_held('own.message'::regclass, 1, 17)$q$,
        $q$SELECT toms.run_retention()$q$,
        $q$SELECT toms.enter('globex', '17', 'regress_employee', 'absence_management')$q$,
        $q$CREATE TEMPORARY TABLE trap (word text)$q$,
        $q$SELECT own.defer()$q$,
        $q$DECLARE c CURSOR WITH HOLD FOR SELECT 1$q$,
        $q$SELECT set_config('search_path', 'own', false)$q$,
        $q$SELECT set_config('toms.purpose', 'absence_management', false)$q$]
    LOOP
        INSERT INTO own.loot SELECT statement, own.attempt(statement);
    END LOOP;
    RETURN OLD;
END
$$;
CREATE TRIGGER bait BEFORE DELETE ON own.message FOR EACH ROW WHEN (OLD.id = 1) EXECUTE FUNCTION own.try_all();
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_officer;
SET search_path = pg_catalog;
SELECT tenant, due, done, blocked, problem FROM toms.run_retention();
SHOW search_path;                                              -- and the session's settings are its own again
SHOW row_security;
SELECT current_setting('toms.purpose') AS purpose;
RESET SESSION AUTHORIZATION;
RESET search_path;
SELECT attempt, answer FROM own.loot;
SELECT count(*), count(*) FILTER (WHERE sent > now() - interval '1 month') AS not_due FROM own.message WHERE tenant = 'acme';
TRUNCATE own.loot;

--
-- With a permission for purpose retention a trigger sees what that permits: rows of the tenant
--
SELECT toms.permit('regress_developer', 'own.salary', '{select}', '{retention}', 'tenant') > 0;
CREATE FUNCTION own.again() RETURNS void LANGUAGE sql AS $$UPDATE own.message SET sent = now() - interval '1 year' WHERE id IN (2, 4)$$;
SELECT own.again();
SET SESSION AUTHORIZATION regress_developer;
CREATE OR REPLACE FUNCTION own.try_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO own.loot SELECT 'salaries', own.attempt('SELECT sum(amount) FROM own.salary');
    RETURN OLD;
END
$$;
CREATE OR REPLACE TRIGGER bait BEFORE DELETE ON own.message FOR EACH ROW EXECUTE FUNCTION own.try_all();
RESET SESSION AUTHORIZATION;
SELECT done FROM toms.run_retention();
SELECT answer FROM own.loot;
TRUNCATE own.loot;
SELECT toms.forbid('regress_developer', 'own.salary', '{select}');
SET SESSION AUTHORIZATION regress_developer;
DROP TRIGGER bait ON own.message;
RESET SESSION AUTHORIZATION;

--
-- Policies and rules of his are part of retention's own statements: other tables are not permitted there either
--
UPDATE own.message SET sent = now() - interval '1 year' WHERE id IN (6, 8);
SET SESSION AUTHORIZATION regress_developer;
CREATE POLICY zz_peek ON own.message AS RESTRICTIVE USING ((SELECT count(*) FROM own.salary) < 0);
RESET SESSION AUTHORIZATION;
SELECT done, problem FROM toms.run_retention();
SET SESSION AUTHORIZATION regress_developer;
DROP POLICY zz_peek ON own.message;
RESET SESSION AUTHORIZATION;
CREATE RULE copy AS ON DELETE TO own.message DO ALSO INSERT INTO own.loot SELECT 'rule', amount FROM own.salary;
SELECT done, blocked, problem FROM toms.run_retention();
SELECT * FROM own.loot;
DROP RULE copy ON own.message;
SET SESSION AUTHORIZATION regress_developer;

--
-- Operators and functions that only look like PostgreSQL's, on the caller's own search path: nothing but what is due goes
--
CREATE FUNCTION own.always(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR own.<= (FUNCTION = own.always, LEFTARG = timestamptz, RIGHTARG = timestamptz);
GRANT USAGE ON SCHEMA own TO PUBLIC;
RESET SESSION AUTHORIZATION;
SET search_path = own, pg_catalog;
SELECT now() <= now() - interval '1 day' AS trap_is_set;
SELECT due, done FROM toms.run_retention();
RESET search_path;

--
-- Expressions of an index are evaluated when a row is pseudonymised: as the owner
--
SELECT toms.unretain(:rule, 'test');
SELECT toms.retain('own.message', '1 month', 'sent', tenant => 'acme', basis => 'contract', zone => 'UTC', action => 'pseudonymise', clear => '{body}') AS rule \gset
SET SESSION AUTHORIZATION regress_developer;
CREATE FUNCTION own.note(word text) RETURNS text LANGUAGE plpgsql AS $$BEGIN INSERT INTO own.loot VALUES (current_user, own.attempt('SELECT word FROM own.secret')); RETURN word; END$$;
CREATE FUNCTION own.spy(word text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN own.note(word); END$$;
RESET SESSION AUTHORIZATION;
UPDATE own.message SET sent = now() - interval '1 year' WHERE id = 10;
CREATE INDEX spied ON own.message (own.spy(body)) WHERE id = 10;
TRUNCATE own.loot;
SELECT action, done, problem FROM toms.run_retention();
SELECT DISTINCT * FROM own.loot;

--
-- What belongs to a superuser, or to a role that bypasses row security, could run code as he: it is not touched
--
DROP INDEX own.spied;
SELECT toms.unretain(:rule, 'test');
SELECT toms.retain('own.message', '1 month', 'sent', tenant => 'acme', basis => 'contract', zone => 'UTC') AS rule \gset
ALTER TABLE own.message OWNER TO regress_migration;
SELECT action, done, problem FROM toms.run_retention();
SELECT count(*) > 0 AS still_there FROM own.message WHERE sent < now() - interval '1 month';
SELECT toms.unretain(:rule, 'test');
SELECT count(*) FROM unnest('{own.message,own.salary}'::text[]) t, toms.unprotect(t::regclass, reason => 'test');
DROP SCHEMA own CASCADE;
DROP ROLE regress_developer;
DELETE FROM toms.retention_rule;
