--
-- evidence_admin: can administrators do anything unnoticed, or nameless?
--
-- Broken on purpose by a superuser, past toms; named by the probe, with its object; mended by the remedy as it is printed.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE FUNCTION regress.probe(name text) RETURNS TABLE (status text, finding text, remedy text) LANGUAGE sql AS $$
    SELECT p.status, toms.say(p.phrase, p.args, 'en'), p.remedy FROM toms.run_probe(name) p WHERE p.status <> 'pass' AND toms.say(p.phrase, p.args, 'de') <> '' ORDER BY p.phrase COLLATE "C", p.args::text COLLATE "C"
$$;
CREATE FUNCTION regress.mend(name text, fill text DEFAULT '…') RETURNS SETOF text LANGUAGE sql AS $$
    SELECT DISTINCT replace(p.remedy, '…', fill) FROM regress.probe(name) p WHERE p.remedy IS NOT NULL
$$;
-- tamper(statement): on the trail, past the guard; not even a superuser may
CREATE FUNCTION regress.tamper(statement text) RETURNS void LANGUAGE plpgsql SET allow_system_table_mods = on SET session_replication_role = replica AS $$
DECLARE
    use oid := 'toms.audit_use'::regclass;
BEGIN
    UPDATE pg_class SET relname = 'audit_use_away' WHERE oid = use;
    EXECUTE statement;
    UPDATE pg_class SET relname = 'audit_use' WHERE oid = use;
END
$$;
CREATE SCHEMA clinic AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE clinic.note (id integer PRIMARY KEY, tenant text NOT NULL, patient text NOT NULL, note toms.sealed_text);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('clinic.note', tenant => 'tenant', subject => 'patient', category => 'health');

--
-- A-4.1, P-B.7: who passes row security says why. Tried: a superuser without a reason is refused at each table
--
SELECT * FROM regress.probe('administrators');
-- who checks as an administrator by name cannot try it: that is no pass
SELECT toms.open_admin_session('Ada Lovelace', 'T-1', 'to check') \g /dev/null
SELECT status, phrase FROM toms.run_probe('administrators') WHERE phrase IN ('administrators_held', 'administrators_untried');
SELECT toms.close_admin_session() \g /dev/null
SELECT regexp_replace(toms.say(phrase, args, 'en'), '\(.*\)', '(…)') FROM toms.run_probe('administrators') WHERE phrase = 'administrators_held';
SELECT count(*) FROM toms.audit_trail(since => now(), kind => 'refusal');            -- 0: it was asked, not done
-- in a session that has said its reason it is tried without
SET toms.reason = 'test';
SELECT * FROM regress.probe('administrators');
RESET toms.reason;
-- a reason that is always there is none
INSERT INTO pg_db_role_setting VALUES (0, 'regress_migration'::regrole, '{toms.reason=as always}');      -- ALTER ROLE would be refused
SELECT * FROM regress.probe('administrators');
SELECT regress.mend('administrators') \gexec
SELECT * FROM regress.probe('administrators');
-- who broke the glass five days ago has not been asked about it
BEGIN;
SELECT toms.grant_officer(session_user::regrole, 'auditor');
SELECT regress.tamper($$INSERT INTO toms.audit_entry SELECT 4711, now() - interval '5 days', 3, NULL, NULL, NULL, 'a', 'B', NULL, NULL, '{"login": "nobody", "reason": "fire"}'$$);
SELECT status, regexp_replace(finding, '\d+-\d+-\d+', '(day)', 'g'), remedy FROM regress.probe('administrators');
SELECT regress.mend('administrators', 'seen') \gexec
SELECT * FROM regress.probe('administrators');
ROLLBACK;
-- what officers declare is recorded, too
ALTER TABLE toms.permission DISABLE TRIGGER "~toms_declaration";
SELECT * FROM regress.probe('administrators');
SELECT regress.mend('administrators') \gexec
SELECT * FROM regress.probe('administrators');

--
-- R-2.1, R-5.1: administrators can be told apart
--
SELECT toms.mark_login(l.role, owner => 'somebody') FROM toms.privileged_logins() l WHERE NOT l.personal \g /dev/null
SELECT * FROM regress.probe('admin_sessions');
SET toms.reason = 'test';
CREATE ROLE regress_root LOGIN SUPERUSER;
RESET toms.reason;
SELECT * FROM regress.probe('admin_sessions');
SELECT regress.mend('admin_sessions', 'R. Lang') \gexec
SELECT * FROM regress.probe('admin_sessions');
SELECT regexp_replace(toms.say(phrase, args, 'en'), '\d+', 'n', 'g') FROM toms.run_probe('admin_sessions') ORDER BY phrase;
DROP ROLE regress_root;
-- a personal log-in that two share is told of until somebody has looked into it
BEGIN;
SELECT regress.tamper($$INSERT INTO toms.audit_entry SELECT 4711, now() - interval '5 days', 3, NULL, NULL, NULL, 's', 'I', NULL, NULL, '{"login": "ada", "elsewhere": "192.0.2.1", "finding": "shared_login"}'$$);
SELECT status, regexp_replace(finding, '\d+-\d+-\d+', '(day)'), remedy FROM regress.probe('admin_sessions');
SELECT regress.mend('admin_sessions', 'her telephone') \gexec
SELECT * FROM regress.probe('admin_sessions');
ROLLBACK;

--
-- M-A2.2, P-Z.6: failed log-ins lock out
--
SELECT * FROM regress.probe('lockout');
SELECT toms.say(phrase, args, 'en') FROM toms.run_probe('lockout');
ALTER SYSTEM SET toms.login_attempts = 0;
ALTER SYSTEM SET toms.login_exempt = 'regress_app', 'regress_migration';
SELECT pg_reload_conf(), pg_sleep(0.3) \g /dev/null
SELECT * FROM regress.probe('lockout');
SELECT m AS remedy FROM regress.mend('lockout') m WHERE m LIKE '%attempts%' \gset
:remedy
SELECT m AS remedy FROM regress.mend('lockout') m WHERE m LIKE '%= ''regress_app''%' \gset
:remedy
SELECT pg_sleep(0.3) \g /dev/null
SELECT * FROM regress.probe('lockout');
SELECT m AS remedy FROM regress.mend('lockout') m \gset
:remedy
SELECT pg_sleep(0.3) \g /dev/null
SELECT * FROM regress.probe('lockout');
-- later than anybody would guess; and one whose password opens everything
SET toms.reason = 'test';
CREATE ROLE regress_root LOGIN SUPERUSER;
ALTER SYSTEM SET toms.login_attempts = 50;
ALTER SYSTEM SET toms.login_exempt = 'regress_root';
SELECT pg_reload_conf(), pg_sleep(0.3) \g /dev/null
SELECT * FROM regress.probe('lockout');
SELECT string_agg(m, E'\n') AS remedies FROM regress.mend('lockout') m \gset
:remedies
SELECT pg_sleep(0.3) \g /dev/null
SELECT * FROM regress.probe('lockout');
DROP ROLE regress_root;
RESET toms.reason;
ALTER SYSTEM RESET toms.login_attempts;
ALTER SYSTEM RESET toms.login_exempt;
SELECT pg_reload_conf() \g /dev/null

--
-- Whoever asks, an officer suffices; and asking changes nothing
--
SET SESSION AUTHORIZATION regress_officer;
BEGIN READ ONLY;
SELECT c.measure, c.evidence FROM (SELECT * FROM toms.check() UNION ALL SELECT * FROM toms.check('de')) c JOIN toms.measure m USING (measure)
WHERE m.probe IN ('administrators', 'admin_sessions', 'audit_rows', 'audit_reads', 'audit_sessions', 'audit_values', 'trail_integrity', 'exports', 'lockout', 'tenant_audit', 'records_kept',
                  'instructions', 'instruction_states', 'rights', 'recipients', 'transfers', 'encrypted_exports', 'subprocessors', 'tenant_return', 'tenant_end', 'certificates', 'retention',
                  'deletion_concept', 'master_data', 'statutory', 'erasure_means', 'deletion_log', 'requests')
      AND c.evidence ~ 'could not be looked at|war nicht möglich';
COMMIT;
RESET SESSION AUTHORIZATION;

DELETE FROM toms.personal_login WHERE owner IN ('somebody', 'R. Lang');
SET toms.reason = 'test';
DROP SCHEMA clinic CASCADE;
DROP FUNCTION regress.mend(text, text); DROP FUNCTION regress.probe(text); DROP FUNCTION regress.tamper(text);
