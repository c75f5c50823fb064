--
-- evidence_code: the check runs nobody's code, and what it prints to be run is nobody else's either
--
-- Whoever owns a protected table puts code wherever PostgreSQL takes it, gives things names that end a comment, and
-- waits for an officer to look, who may do more than he.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE ROLE regress_dpo LOGIN;
CREATE SCHEMA code AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE FUNCTION code.spy() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE WARNING 'spy runs as %', current_user; RETURN true; END $$;
CREATE FUNCTION code.thief(text) RETURNS text LANGUAGE sql IMMUTABLE SECURITY DEFINER AS 'SELECT current_user::text';
CREATE TABLE code.planned (tenant text NOT NULL, employee integer NOT NULL, words text);
CREATE INDEX ON code.planned (employee) WHERE code.spy();
CREATE STATISTICS code.statistics ON (CASE WHEN code.spy() THEN employee END) FROM code.planned;
ALTER TABLE code.planned ADD CHECK (code.spy());
CREATE TABLE code.policed (tenant text NOT NULL, employee integer NOT NULL);
CREATE TABLE code."parent
GRANT regress_owner TO regress_stranger; --" (id integer PRIMARY KEY);
CREATE TABLE code.computed (tenant text NOT NULL, employee integer NOT NULL, words text, parent integer REFERENCES code."parent
GRANT regress_owner TO regress_stranger; --" ON DELETE CASCADE);
CREATE INDEX ON code.computed (code.thief(words));
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
SELECT toms.protect(r, tenant => 'tenant', subject => 'employee') FROM unnest('{code.planned,code.policed,code.computed}'::regclass[]) r;
SELECT toms.grant_officer('regress_dpo', 'auditor');
RESET client_min_messages;

-- Whoever may read a table may be anybody: its owner grants that to whom he likes, and needs not ask him
SET SESSION AUTHORIZATION regress_owner;
CREATE POLICY spying ON code.policed USING (code.spy());
GRANT SELECT ON code.planned, code.policed TO regress_dpo, pg_execute_server_program;

-- No line of the check is "spy runs as …": he is refused all the same, as who owns the table and who has a privilege on it
SET SESSION AUTHORIZATION regress_dpo;
SET constraint_exclusion = on;
SELECT measure, status, left(evidence, 30) FROM toms.check() WHERE measure = 'A-2.2';
RESET constraint_exclusion;
RESET SESSION AUTHORIZATION;
SELECT t.relid, t.role, t.answer FROM toms.tried('{code.planned,code.policed}', '{select}') t ORDER BY t.relid::text, t.role::text;

-- With his function another owner would get what it does: he is told to read it, and that is no SQL
SELECT DISTINCT p.remedy FROM toms.run_probe('tenants') p WHERE p.phrase = 'leak_expression' AND p.args[1] ~ 'thief';
-- A name that has lines of its own stays in the comment
SELECT DISTINCT p.remedy FROM toms.run_probe('tenants') p WHERE p.phrase = 'leak_foreign_key' AND p.args[1] ~ 'computed';

-- How the session of who asks writes and reads text makes no difference
SELECT md5(string_agg(concat(c.measure, c.status, c.remedy), ' ' ORDER BY c.measure)) AS checked FROM toms.check() c \gset
SELECT count(*) AS could FROM toms.who_could_access('code.planned') \gset
SET quote_all_identifiers = on;
SET escape_string_warning = off;
SET standard_conforming_strings = off;
SELECT md5(string_agg(concat(c.measure, c.status, c.remedy), ' ' ORDER BY c.measure)) = :'checked' FROM toms.check() c;
SELECT count(*) = :could FROM toms.who_could_access('code.planned');
RESET standard_conforming_strings;
RESET escape_string_warning;
RESET quote_all_identifiers;

-- Who has a measure answered by the probe of another one is on record
UPDATE toms.measure SET probe = 'resilience' WHERE measure = 'A-2.2';
SELECT d ->> 'table', d ->> 'verb', d #>> '{old,probe}', d #>> '{new,probe}'
FROM (SELECT convert_from(e.payload, 'UTF8')::jsonb AS d FROM toms.audit_entry e WHERE e.kind = 'a' AND e.verb = 'C') e WHERE d ->> 'table' = 'measure';
UPDATE toms.measure SET probe = 'context' WHERE measure = 'A-2.2';

-- So is who replaces a probe by one that is easily pleased; and the check says it, as long as nobody has replaced that too
SELECT pg_get_functiondef('toms.probe_context()'::regprocedure) AS original \gset
CREATE OR REPLACE FUNCTION toms.probe_context() RETURNS SETOF toms.probed LANGUAGE sql AS $$ SELECT toms.found('pass', 'probe_silent', ARRAY['x']) $$;
CREATE FUNCTION toms.found(text, text, text) RETURNS toms.probed LANGUAGE sql AS $$ SELECT toms.found('pass', 'probe_silent', ARRAY['x']) $$;
SELECT status FROM toms.check() WHERE measure = 'A-2.2';
SELECT f.status, toms.say(f.phrase, f.args, 'en'), f.remedy FROM toms.found_code() f WHERE f.status <> 'pass' ORDER BY 2;
SELECT status FROM toms.check() WHERE measure = 'T-6.1';
SELECT DISTINCT t.details - 'session' FROM toms.audit_trail(kind => 'ddl') t WHERE t.details ->> 'function' LIKE '%probe\_context%';
DROP FUNCTION toms.found(text, text, text);
-- a status that nobody knows is no pass
CREATE OR REPLACE FUNCTION toms.probe_context() RETURNS SETOF toms.probed LANGUAGE sql AS $$ SELECT toms.found('pass', 'probe_silent', ARRAY['x']) UNION ALL SELECT toms.found('passed', 'probe_silent', ARRAY['x']) $$;
SELECT status FROM toms.check() WHERE measure = 'A-2.2';
:original;
-- one that is gone is made again from the installation script; one that was only renamed is no stranger to be dropped by name alone
ALTER FUNCTION toms.part_title(text, text) RENAME TO part_title_away;
SELECT f.status, toms.say(f.phrase, f.args, 'en'), regexp_replace(f.remedy, '--[\d.]+\.sql', '--….sql') FROM toms.found_code() f WHERE f.status <> 'pass' ORDER BY 2;
SELECT regexp_substr(pg_read_file(c.setting || format('/extension/toms--%s.sql', e.extversion)), 'CREATE FUNCTION toms\.part_title\(.*?;\nREVOKE [^;]*;') AS script
FROM pg_config c, pg_extension e WHERE c.name = 'SHAREDIR' AND e.extname = 'toms' \gset
SELECT regexp_replace(f.remedy, '^-- .* and then: ', '') AS gone FROM toms.found_code() f WHERE f.phrase = 'code_gone' \gset
SELECT f.remedy AS added FROM toms.found_code() f WHERE f.phrase = 'code_added' \gset
:script
:gone
:added
SELECT f.status, regexp_replace(toms.say(f.phrase, f.args, 'en'), '\d+', 'All') FROM toms.found_code() f;

-- Privileges that toms does not grant are told, by which somebody could permit himself, or make code of others' run; toms.enter() is granted to jobs
GRANT UPDATE ON toms.permission TO regress_stranger;
GRANT UPDATE (purposes) ON toms.permission TO regress_hr;
GRANT EXECUTE ON FUNCTION toms.run_as_owner(regclass, text, text) TO PUBLIC;
GRANT CREATE ON SCHEMA toms TO regress_owner;
SELECT f.status, toms.say(f.phrase, f.args, 'en') FROM toms.found_code() f WHERE f.status <> 'pass' ORDER BY 2;
SELECT status FROM toms.check() WHERE measure = 'T-6.1';
SELECT f.remedy FROM toms.found_code() f WHERE f.status <> 'pass' ORDER BY 1 \gexec
SELECT count(*) FROM toms.found_code() f WHERE f.status <> 'pass';

-- So is what may be passed on, and to whom it was; what toms grants stays
GRANT SELECT ON toms.permission TO toms_auditor, regress_stranger WITH GRANT OPTION;
SET SESSION AUTHORIZATION regress_stranger;
GRANT SELECT ON toms.permission TO regress_hr;
RESET SESSION AUTHORIZATION;
SELECT toms.say(f.phrase, f.args, 'en'), f.remedy FROM toms.found_code() f WHERE f.status <> 'pass' ORDER BY 1;
SELECT f.remedy FROM toms.found_code() f WHERE f.status <> 'pass' ORDER BY 1 \gexec
SELECT count(*) FROM toms.found_code() f WHERE f.status <> 'pass';
SELECT has_table_privilege('toms_auditor', 'toms.permission', 'SELECT'), has_table_privilege('toms_auditor', 'toms.permission', 'SELECT WITH GRANT OPTION'),
       has_table_privilege('regress_stranger', 'toms.permission', 'SELECT'), has_table_privilege('regress_hr', 'toms.permission', 'SELECT');

-- So are settings that the protection depends on, in the hands of who acts in the application; who runs the server may have them
SELECT toms.permit('regress_hr', 'code.policed', '{select}', '{absence_management}', 'tenant') AS permission \gset
GRANT SET ON PARAMETER toms.session_context TO regress_hr;
GRANT ALTER SYSTEM ON PARAMETER toms.keyring TO regress_app WITH GRANT OPTION;
GRANT SET ON PARAMETER session_replication_role TO PUBLIC;
GRANT SET, ALTER SYSTEM ON PARAMETER toms.on_missing_context, session_replication_role TO regress_stranger;
GRANT SET ON PARAMETER deadlock_timeout TO regress_hr;
SELECT toms.say(f.phrase, f.args, 'en'), f.remedy FROM toms.found_code() f WHERE f.status <> 'pass' ORDER BY 1;
SELECT f.remedy FROM toms.found_code() f WHERE f.status <> 'pass' ORDER BY 1 \gexec
SELECT count(*) FROM toms.found_code() f WHERE f.status <> 'pass';
REVOKE ALL ON PARAMETER toms.on_missing_context, session_replication_role FROM regress_stranger;
REVOKE ALL ON PARAMETER deadlock_timeout FROM regress_hr;
SELECT toms.forbid('regress_hr', 'code.policed');

-- Nor does the check wait for whoever holds a lock, or the worker would, which seals the trail too: what it cannot see does not hold
SET SESSION AUTHORIZATION regress_owner;
BEGIN;
LOCK TABLE code.planned;
PREPARE TRANSACTION 'locked';
RESET SESSION AUTHORIZATION;
SELECT p.status, toms.say(p.phrase, p.args, 'en') FROM toms.run_probe('context') p;
SELECT count(*) > 100 FROM toms.check();
COMMIT PREPARED 'locked';
SELECT DISTINCT p.status FROM toms.run_probe('context') p;

SELECT toms.revoke_officer('regress_dpo', 'auditor');
SET client_min_messages = warning;
SET toms.reason = 'test';
DROP SCHEMA code CASCADE;
DROP ROLE regress_dpo;
RESET toms.reason;
RESET client_min_messages;
