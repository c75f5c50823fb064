--
-- audit_read: the trail tells of reads, refusals and administrators as it tells of changes, and who read it
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
CREATE SCHEMA looked;
GRANT USAGE ON SCHEMA looked TO PUBLIC;
CREATE TABLE looked.note (id integer, tenant text NOT NULL, employee integer NOT NULL, sick toms.health_flag, PRIMARY KEY (id, tenant));
GRANT ALL ON ALL TABLES IN SCHEMA looked TO regress_hr;
SELECT toms.protect('looked.note', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.permit('regress_hr', 'looked.note', '{select,insert}', '{absence_management}', 'tenant') > 0;
SELECT clock_timestamp() AS start \gset

SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', 'anna', 'regress_hr', 'absence_management');
INSERT INTO looked.note VALUES (1, 'acme', 917, true), (2, 'acme', 918, false);
SELECT id, toms.reveal(sick) FROM looked.note WHERE id = 1;
COMMIT;
BEGIN;
SELECT toms.enter('acme', 'anna', 'regress_hr', 'absence_management');
SELECT regress.verdict('DELETE FROM looked.note');                 -- may not delete
ROLLBACK;
BEGIN;
SELECT toms.enter('globex', 'gerd', 'regress_hr', 'absence_management');
INSERT INTO looked.note VALUES (3, 'globex', 917, true);
SELECT id, toms.reveal(sick) FROM looked.note;
ROLLBACK;
RESET SESSION AUTHORIZATION;

-- changes and events in one shape; what was rolled back was read all the same, and not written
SELECT kind, tenant, actor, role, login, purpose, relation, row_key, subject, times, details - 'verbs', erased
FROM toms.audit_trail(since => :'start') WHERE kind IN ('insert', 'reveal', 'refusal');

-- by kind, and by groups of kinds
CREATE FUNCTION pg_temp.kinds(since timestamptz, kind text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(DISTINCT t.kind, ' '), 'none') FROM toms.audit_trail(since => $1, kind => $2) t WHERE t.relation = 'looked.note' AND t.kind IN ('insert', 'reveal', 'refusal') $$;
SELECT k, pg_temp.kinds(:'start', k) FROM unnest('{insert,update,reveal,refusal,login,ddl,changes,reads,refusals,sessions,administration}'::text[]) k;
SELECT regress.verdict('SELECT toms.audit_trail(kind => ''rows'')');
-- and with other filters
SELECT kind, subject FROM toms.audit_trail(since => :'start', subject => '917', tenant => 'acme') ORDER BY id;
SELECT DISTINCT kind, actor FROM toms.audit_trail(since => :'start', actor => 'gerd', relation => 'looked.note') WHERE kind IN ('insert', 'reveal', 'refusal');

-- rows that are told when a statement has ended are those of its entry: no line of their own
CREATE FUNCTION pg_temp.add(id bigint, verb "char", said text) RETURNS void LANGUAGE plpgsql SET allow_system_table_mods = on AS $$
DECLARE
    use oid := 'toms.audit_use'::regclass;
BEGIN
    UPDATE pg_class SET relname = 'unused' WHERE oid = use;
    INSERT INTO toms.audit_entry (id, at, xid, kind, verb, tenant, payload) VALUES (id, clock_timestamp(), pg_current_xact_id()::text::bigint, 'r', verb, 'acme', convert_to(said, 'UTF8'));
    UPDATE pg_class SET relname = 'audit_use' WHERE oid = use;
END
$$;
SELECT toms.audit_number() AS whole, toms.audit_number() AS later, toms.audit_number() AS both, toms.audit_number() AS none \gset
SELECT pg_temp.add(:whole, 's', '{"fingerprint":"a","rows":7,"times":3}');
SELECT pg_temp.add(:later, 's', '{"fingerprint":"b"}');
SELECT pg_temp.add(:both, 'e', '{"fingerprint":"c","rows":1}');
SELECT pg_temp.add(:none, 'e', '{"fingerprint":"d"}');
SELECT pg_temp.add(toms.audit_number(), 'n', format('{"of":%s,"rows":100}', :later));
SELECT pg_temp.add(toms.audit_number(), 'n', format('{"of":%s,"rows":40}', :both));
SELECT pg_temp.add(toms.audit_number(), 'n', format('{"of":%s,"rows":2}', :both));
SELECT kind, rows, times, details FROM toms.audit_trail(since => :'start') WHERE details ->> 'fingerprint' IN ('a', 'b', 'c', 'd');
SELECT kind, rows, times, details FROM toms.audit_trail(since => :'start', kind => 'export') WHERE details ->> 'fingerprint' IN ('a', 'b', 'c', 'd');
SELECT count(*) FROM toms.audit_trail(since => :'start') WHERE kind IS NULL OR details ? 'of';

--
-- Reading the trail is recorded, before anything is shown: by whom, and what was asked for
--
SELECT clock_timestamp() AS reading \gset
SET SESSION AUTHORIZATION regress_officer;
BEGIN;
SELECT count(*) > 0 FROM toms.audit_trail(since => '2026-01-01Z', until => '2100-01-01Z', relation => 'looked.note', subject => '917', tenant => 'acme', actor => 'anna', purpose => 'absence_management', kind => 'insert');
ROLLBACK;
SELECT regress.verdict('SELECT 1 / 0 FROM toms.audit_trail()');
RESET SESSION AUTHORIZATION;
SELECT tenant, actor, role, login, kind, relation, subject, details FROM toms.audit_trail(since => :'reading', kind => 'read_trail') WHERE login = 'regress_officer';
-- a proof and an archive are readings, too
SELECT toms.seal_audit() > 0;
SELECT id FROM toms.audit_trail(since => :'start', kind => 'insert') LIMIT 1 \gset
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.audit_proof(:id) ->> 'version';
RESET SESSION AUTHORIZATION;
SELECT login, details - 'entry', (details ->> 'entry')::bigint = :id FROM toms.audit_trail(since => :'reading', kind => 'read_trail') WHERE details ->> 'by' = 'audit_proof';
SELECT count(*) FROM toms.audit_trail(since => :'reading', kind => 'export') WHERE relation = 'toms.audit_entry';
SELECT file FROM toms.archive_audit('2020-01-01', '/tmp');
SELECT kind, relation, details ->> 'by' FROM toms.audit_trail(since => :'reading', kind => 'export') WHERE relation = 'toms.audit_entry';

--
-- Who may: the tenant's own auditors see its entries; what is nobody's is the officers'
--
SELECT count(*) FROM toms.load_purposes('audit');
SELECT toms.permit('regress_hr', 'toms.audit_entry', '{select}', '{data_protection_control}', 'tenant') > 0;
SELECT toms.permit('regress_employee', 'toms.audit_entry', '{select}', '{subject_rights}') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', 'anna', 'regress_hr', 'data_protection_control');
SELECT DISTINCT tenant, kind FROM toms.audit_trail(since => :'start') WHERE kind IN ('insert', 'reveal', 'refusal', 'read_trail', 'writer_started') ORDER BY 1, 2;
SELECT count(*) FROM toms.audit_trail(tenant => 'globex');
SELECT regress.verdict('SELECT * FROM toms.findings');
COMMIT;
BEGIN;
SELECT toms.enter('globex', 'gerd', 'regress_hr', 'data_protection_control');
SELECT DISTINCT tenant, kind FROM toms.audit_trail(since => :'start') WHERE kind IN ('insert', 'reveal', 'refusal', 'read_trail', 'writer_started') ORDER BY 1, 2;
COMMIT;
-- scope own is not for all of the tenant's entries
BEGIN;
SELECT toms.enter('acme', '917', 'regress_employee', 'subject_rights');
SELECT toms.audit_trail();
ROLLBACK;
BEGIN;
SELECT toms.enter('acme', '917', 'regress_employee', 'subject_rights');
SELECT regress.verdict('SELECT toms.audit_trail(subject => ''917'')'), regress.verdict('SELECT toms.audit_proof(1)');
ROLLBACK;
-- that his colleagues have read the trail is told to the tenant's auditors
BEGIN;
SELECT toms.enter('acme', 'anna', 'regress_hr', 'data_protection_control');
SELECT tenant, actor, purpose, details - 'since' FROM toms.audit_trail(since => :'start', kind => 'read_trail') WHERE tenant IS NOT NULL ORDER BY id LIMIT 1;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.note_reading('r', 'a', '{}') IS NOT NULL;
SET SESSION AUTHORIZATION regress_job;
SELECT toms.note_reading('r', 'a', '{}');
RESET SESSION AUTHORIZATION;

SELECT toms.forbid('regress_hr', 'toms.audit_entry'), toms.forbid('regress_employee', 'toms.audit_entry');
SET toms.reason = 'test';
DROP SCHEMA looked CASCADE;
