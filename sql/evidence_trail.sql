--
-- evidence_trail: is everything that happens to personal data recorded, and is the record whole?
--
-- The promise: each measure about the audit trail is looked at where it is kept, table by table, now. Here the protection is
-- broken on purpose by a superuser, past toms; the probe names the object and the remedy; the remedy, run as it is printed,
-- mends it.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SELECT current_setting('data_directory') || '_toms_outside' AS outside \gset
-- probe(name): what is found, but for what was merely looked at
CREATE FUNCTION regress.probe(name text) RETURNS TABLE (status text, finding text, remedy text) LANGUAGE sql AS $$
    SELECT p.status, toms.say(p.phrase, p.args, 'en'), p.remedy FROM toms.run_probe(name) p WHERE p.status <> 'pass' AND toms.say(p.phrase, p.args, 'de') <> '' ORDER BY p.phrase COLLATE "C", p.args::text COLLATE "C"
$$;
-- seen(name): what was looked at
CREATE FUNCTION regress.seen(name text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT toms.say(p.phrase, p.args, 'en') FROM toms.run_probe(name) p WHERE p.status = 'pass' AND toms.say(p.phrase, p.args, 'de') <> '' ORDER BY p.phrase COLLATE "C", p.args::text COLLATE "C"
$$;
-- mend(name): each remedy as it is printed, '…' filled in
CREATE FUNCTION regress.mend(name text, fill text DEFAULT '…') RETURNS SETOF text LANGUAGE sql AS $$
    SELECT DISTINCT replace(p.remedy, '…', fill) FROM regress.probe(name) p WHERE p.remedy IS NOT NULL
$$;

--
-- Nothing is protected: nothing is promised
--
SELECT * FROM regress.probe('audit_rows');
SELECT status FROM regress.probe('audit_reads') UNION ALL SELECT status FROM regress.probe('audit_values') UNION ALL SELECT status FROM regress.probe('exports') UNION ALL SELECT status FROM regress.probe('administrators');

-- a clinic: appointments by month, and sick notes
CREATE SCHEMA clinic AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA clinic TO regress_officer;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE clinic.visit (id integer, tenant text NOT NULL, patient text NOT NULL, on_day date NOT NULL) PARTITION BY RANGE (on_day);
CREATE TABLE clinic.visit_2026 PARTITION OF clinic.visit FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE clinic.note (id integer PRIMARY KEY, tenant text NOT NULL, patient text NOT NULL, note toms.sealed_text);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('clinic.visit', tenant => 'tenant', subject => 'patient');
SELECT toms.protect('clinic.note', tenant => 'tenant', subject => 'patient', category => 'health');

--
-- P-B.4, T-A2.6: every change of a row is recorded
--
SELECT * FROM regress.probe('audit_rows');
SELECT regress.seen('audit_rows');
SET allow_system_table_mods = on;
-- switched off
UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'clinic.note'::regclass AND tgname = '~toms_audit';
-- only for what the server itself writes, of one partition
UPDATE pg_trigger SET tgenabled = 'O' WHERE tgrelid = 'clinic.visit_2026'::regclass AND tgname = '~toms_audit_truncate';
-- no longer what it was
UPDATE pg_trigger SET tgname = 'nothing' WHERE tgrelid = 'clinic.note'::regclass AND tgname = '~toms_audit_truncate';
UPDATE pg_trigger SET tgfoid = 'pg_catalog.suppress_redundant_updates_trigger'::regproc WHERE tgrelid = 'clinic.visit'::regclass AND tgname = '~toms_audit_truncate';
RESET allow_system_table_mods;
SELECT * FROM regress.probe('audit_rows');
SELECT regress.seen('audit_rows');
SET toms.reason = 'test';
DROP TRIGGER nothing ON clinic.note;
SELECT regress.mend('audit_rows') \gexec
RESET toms.reason;
SELECT * FROM regress.probe('audit_rows');
SELECT regress.seen('audit_rows');
-- observed: nothing is recorded
SELECT toms.protect('clinic.note', tenant => 'tenant', subject => 'patient', category => 'health', mode => 'observe', reason => 'test');
SELECT * FROM regress.probe('audit_rows');
SELECT regress.mend('audit_rows') \gexec
SELECT * FROM regress.probe('audit_rows');

--
-- P-B.3, T-A2.2: every read of health data is recorded before it is shown
--
SELECT * FROM regress.probe('audit_reads');
SELECT regress.seen('audit_reads');
SELECT toms.protect('clinic.note', tenant => 'tenant', subject => 'patient', category => 'health', read_audit => 'asynchronous', reason => 'test');
SELECT * FROM regress.probe('audit_reads');
SELECT regress.seen('audit_reads');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.audit_reads_strictly('clinic.visit_2026');                              -- refused: its table is
SELECT toms.audit_reads_strictly('clinic.note');
RESET SESSION AUTHORIZATION;
SELECT * FROM regress.probe('audit_reads');
ALTER SYSTEM SET toms.audit_synchronous_commit = off;
ALTER SYSTEM SET toms.standby_reads = log;
SELECT pg_reload_conf(), pg_sleep(0.3) \g /dev/null
SELECT * FROM regress.probe('audit_reads');
SELECT string_agg(m, ' ') AS remedy FROM regress.mend('audit_reads') m \gset
:remedy
SELECT pg_sleep(0.3) \g /dev/null
SELECT * FROM regress.probe('audit_reads');

--
-- P-B.5, T-A2.3, T-A2.7: log-ins are recorded. This server of tests records none.
--
SELECT * FROM regress.probe('audit_sessions');
ALTER SYSTEM SET toms.audit_logins = failed;
SELECT pg_reload_conf(), pg_sleep(0.3) \g /dev/null
SELECT * FROM regress.probe('audit_sessions');
SELECT string_agg(m, ' ') AS remedy FROM regress.mend('audit_sessions') m \gset
:remedy
SELECT pg_sleep(0.3) \g /dev/null
SELECT * FROM regress.probe('audit_sessions');
SELECT regexp_replace(regress.seen('audit_sessions'), '\d+', 'n');
ALTER SYSTEM RESET toms.audit_logins;
SELECT pg_reload_conf() \g /dev/null

--
-- R-5.2: no values without a consent
--
SELECT * FROM regress.probe('audit_values');
SELECT regress.seen('audit_values');
SELECT toms.record_instruction('acme', 'audit_values', given_by => 'CEO', wording => 'for a week') AS consent \gset
SELECT toms.confirm_instruction(:consent);
SELECT toms.protect('clinic.note', tenant => 'tenant', subject => 'patient', category => 'health', audit => 'values', instruction => :consent, until => now() + interval '7 days');
SELECT * FROM regress.probe('audit_values');
SELECT regexp_replace(regexp_replace(s, '\d{4}-\d\d-\d\d', '(day)'), 'instruction \d+', 'instruction n') FROM regress.seen('audit_values') s;
-- a row that somebody wrote by himself
INSERT INTO toms.audit_consent (relation, tenant, until, instruction, given_by) VALUES ('clinic.visit', 'acme', now() + interval '1 day', 4711, 'nobody');
SELECT status, finding, remedy FROM regress.probe('audit_values');
SELECT regress.mend('audit_values') \gexec
SELECT * FROM regress.probe('audit_values');
SELECT toms.protect('clinic.note', tenant => 'tenant', subject => 'patient', category => 'health');

--
-- M-A3.2, P-B.6: the trail is whole, and in nobody's hands
--
\setenv OUTSIDE :outside
\! mkdir -p -m 700 "$OUTSIDE"
SELECT toms.seal_audit() > 0;
-- nothing outside knows it
SELECT * FROM regress.probe('trail_integrity');
ALTER SYSTEM SET toms.outside = :'outside';
SELECT pg_reload_conf(), pg_sleep(0.3) \g /dev/null
SELECT toms.seal_audit() > 0;
SELECT * FROM regress.probe('trail_integrity');
SELECT regexp_replace(s, '\d+', 'n', 'g') FROM regress.seen('trail_integrity') s;
-- the directory is gone
\! mv "$OUTSIDE" "$OUTSIDE.away"
SELECT status, regexp_replace(finding, '/.*/', '…/'), remedy FROM regress.probe('trail_integrity');
\! mv "$OUTSIDE.away" "$OUTSIDE"
-- privileges and triggers on its tables
SET allow_system_table_mods = on;
UPDATE pg_class SET relacl = relacl || makeaclitem('regress_stranger'::regrole, relowner, 'INSERT', false) WHERE oid = 'toms.audit_change_default'::regclass;
RESET allow_system_table_mods;
SELECT * FROM regress.probe('trail_integrity');
SELECT regress.mend('trail_integrity') \gexec
SELECT * FROM regress.probe('trail_integrity');
-- a trigger that would answer for it
CREATE FUNCTION regress.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
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
SELECT regress.tamper('CREATE TRIGGER swallow BEFORE INSERT ON toms.audit_block FOR EACH ROW EXECUTE FUNCTION regress.swallow()');
SELECT * FROM regress.probe('trail_integrity');
SELECT regress.tamper(m) FROM regress.mend('trail_integrity') m;
SELECT * FROM regress.probe('trail_integrity');
-- an entry that was changed is named; no SQL mends that, the remedy tells all of it
SELECT id AS entry FROM toms.audit_entry WHERE kind = 'a' ORDER BY id DESC LIMIT 1 \gset
SELECT toms.seal_audit() > 0;
BEGIN;
SELECT regress.tamper('UPDATE toms.audit_entry SET verb = ''Z'' WHERE id = ' || :entry);
SELECT status, regexp_replace(finding, '\d+', 'n', 'g'), finding LIKE '%entry ' || :entry || ')%', remedy FROM regress.probe('trail_integrity');
ROLLBACK;
-- its workers: as toms.workers and toms.audit_queue would tell of them, if they were gone, stood still, or did not keep up
BEGIN;
ALTER VIEW toms.workers RENAME TO workers_away;
ALTER VIEW toms.audit_queue RENAME TO audit_queue_away;
CREATE VIEW toms.workers AS SELECT current_database() AS database, NULL::integer AS pid, NULL::timestamptz AS started_at, NULL::timestamptz AS last_step_at;
CREATE VIEW toms.audit_queue AS SELECT NULL::integer AS writer_pid, NULL::bigint AS oldest_waiting_ms, 5000 AS timeout_ms;
SELECT * FROM regress.probe('trail_integrity');
CREATE OR REPLACE VIEW toms.workers AS SELECT current_database() AS database, 17 AS pid, timestamptz '2026-01-01' AS started_at, timestamptz '2026-01-02' AS last_step_at;
CREATE OR REPLACE VIEW toms.audit_queue AS SELECT 17 AS writer_pid, 6000::bigint AS oldest_waiting_ms, 5000 AS timeout_ms;
SELECT * FROM regress.probe('trail_integrity');
ROLLBACK;
-- since when something should have been sealed
SELECT toms.unsealed_since();
BEGIN;
SET LOCAL toms.reason = 'test';
SELECT regress.tamper('INSERT INTO toms.audit_entry SELECT toms.audit_number(), now() - interval ''3 days'', pg_current_xact_id()::text::bigint, NULL, NULL, NULL, ''a'', ''S''');
SELECT regress.tamper('DELETE FROM toms.audit_block');
SELECT status, regexp_replace(finding, '\d+', 'n', 'g'), remedy FROM regress.probe('trail_integrity') WHERE finding NOT LIKE 'The trail is not%';
ROLLBACK;
ALTER SYSTEM RESET toms.outside;
SELECT pg_reload_conf() \g /dev/null
\! rm -r "$OUTSIDE"

--
-- T-8.1: a controller reads his part of the trail
--
SELECT count(toms.forbid(p.role, 'toms.audit_entry')) >= 0 FROM (SELECT DISTINCT role FROM toms.permission WHERE relation = 'toms.audit_entry'::regclass AND valid_until IS NULL) p;
SELECT * FROM regress.probe('tenant_audit');
SELECT count(*) > 0 FROM toms.load_purposes('absence');
SELECT regexp_replace(regexp_replace(regress.mend('tenant_audit'), '''…''', '''regress_hr'''), '{…}', '{audit}') AS remedy \gset
\o /dev/null
:remedy
\o
SELECT * FROM regress.probe('tenant_audit');
SELECT regress.seen('tenant_audit');
UPDATE toms.permission SET verbs = '{select,delete}' WHERE relation = 'toms.audit_entry'::regclass AND valid_until IS NULL;
SELECT status, regexp_replace(finding, '\d+', 'n'), remedy FROM regress.probe('tenant_audit');
SELECT regress.mend('tenant_audit') \gexec
-- who may call what shows all of it
GRANT EXECUTE ON FUNCTION toms.verify_audit(timestamptz, timestamptz) TO PUBLIC;
SELECT * FROM regress.probe('tenant_audit') WHERE status = 'fail';
SELECT m FROM regress.mend('tenant_audit') m WHERE m LIKE 'REVOKE%' \gexec
SELECT status FROM regress.probe('tenant_audit');

--
-- T-11.5: the trail has periods of its own
--
SELECT * FROM regress.probe('records_kept');
SELECT regress.seen('records_kept');
BEGIN;
SELECT regress.tamper('ALTER TABLE toms.audit_period DROP CONSTRAINT audit_period_check');
SELECT regress.tamper('INSERT INTO toms.audit_period (kind, keep, reason, set_by) VALUES (''read'', ''1 day'', ''disk'', ''nobody'')');
SELECT * FROM regress.probe('records_kept');
SELECT regress.mend('records_kept', 'the law') \gexec
SELECT * FROM regress.probe('records_kept');
ROLLBACK;
-- a month that should be gone, and next month has no table yet
BEGIN;
SELECT toms.add_audit_partition('toms.audit_read', '2001-01-01');
SELECT count(regress.tamper(format('DROP TABLE toms.%I', partition))) > 0 FROM toms.audit_partitions WHERE kind = 'refusal' AND since > now();
SELECT * FROM regress.probe('records_kept');
\o /dev/null
SELECT regress.mend('records_kept') \gexec
\o
SELECT * FROM regress.probe('records_kept');
ROLLBACK;

--
-- T-11.1, M-A3.1: what leaves is on record
--
SELECT * FROM regress.probe('exports');
SET toms.reason = 'test';
SET client_min_messages = error;       -- wal_level
CREATE PUBLICATION out FOR TABLE clinic.note;
SET client_min_messages = warning;
SELECT * FROM regress.probe('exports');
SELECT regress.mend('exports') \gexec
SELECT * FROM regress.probe('exports');
DROP PUBLICATION out;
RESET toms.reason;
GRANT EXECUTE ON FUNCTION toms.export_tenant(text, bigint, text, text, bytea) TO regress_hr;
SELECT * FROM regress.probe('exports');
SELECT regress.mend('exports') \gexec
SELECT * FROM regress.probe('exports');

DELETE FROM toms.permission WHERE relation = 'toms.audit_entry'::regclass AND verbs = '{select,delete}';
DELETE FROM toms.audit_consent WHERE given_by = 'nobody' OR instruction = :consent;
SET toms.reason = 'test';
DROP SCHEMA clinic CASCADE;
DROP FUNCTION regress.probe(text) CASCADE; DROP FUNCTION regress.seen(text); DROP FUNCTION regress.mend(text, text); DROP FUNCTION regress.tamper(text); DROP FUNCTION regress.swallow();
