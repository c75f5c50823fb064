--
-- evidence_history: what the check has found is kept, sealed by its digest in the audit trail, and tells what has become worse
--
-- The promise: whether a measure held on a given day is answered from what was kept that day; whoever alters that afterwards, be he a
-- superuser, is found out; a measure that is worse than before is a finding at once. That a background worker keeps it daily is shown
-- by test/t/evidence_history.pl, which listens to findings too.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;

-- an officer runs the check and keeps it; what was kept is what the check says
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_check() AS first \gset
SELECT count(*) = (SELECT count(*) FROM toms.measure), bool_and(by = 'regress_officer' AND took < '10 s') FROM toms.check_history WHERE run = :first;
SELECT c.measure, c.status, h.status FROM toms.check() c JOIN toms.check_history h ON h.run = :first AND h.measure = c.measure WHERE c.status <> h.status;
SELECT rows -> 0 ->> 'phrase', rows -> 0 ->> 'remedy' FROM toms.check_history WHERE run = :first AND measure = 'A-1.1';
SELECT * FROM toms.verify_check_history();
RESET SESSION AUTHORIZATION;
-- the audit trail has the run with its digest
SELECT p.details ->> 'verb', p.details #>> '{new,by}', length(p.details #>> '{new,digest}'), p.details #>> '{new,digest}' = (SELECT digest FROM toms.check_run WHERE id = :first)
FROM toms.audit_entry e, LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb AS details OFFSET 0) p
WHERE e.kind = 'a' AND e.verb = 'C' AND p.details ->> 'table' = 'check_run' AND p.details #>> '{new,id}' = :'first';

-- somebody is named for the buildings, and nothing has become worse
SELECT toms.record_measure('A-1.1', owner => 'Head of operations', evidence => 'certificate no. 4711');
SELECT toms.record_review('A-1.1', by => 'R. Lang', result => 'seen', next_due => current_date + 365) > 0;
SELECT now() AS before \gset
SELECT toms.record_check() AS second \gset
SELECT status FROM toms.check_history WHERE measure = 'A-1.1' AND run IN (:first, :second) ORDER BY run;
SELECT count(*) FROM toms.findings WHERE finding = 'measure_worse' AND (details ->> 'run')::bigint = :second;
-- a setting is taken back: the measure is worse, and that is a finding
ALTER SYSTEM SET toms.require_tls = 'off';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT toms.record_review('A-1.1', by => 'R. Lang', result => 'seen again', next_due => current_date + 365) > 0;
UPDATE toms.measure_review SET next_due = '2020-01-01' WHERE measure = 'A-1.1';
SELECT toms.record_check() AS third \gset
ALTER SYSTEM RESET toms.require_tls;
SELECT pg_reload_conf();
SET SESSION AUTHORIZATION regress_officer;
SELECT details ->> 'measure', details ->> 'was', details ->> 'is', tenant, name FROM toms.findings
WHERE finding = 'measure_worse' AND (details ->> 'run')::bigint = :third AND details ->> 'measure' IN ('A-1.1', 'A-3.1') ORDER BY 1;
RESET SESSION AUTHORIZATION;
SELECT kind, details ->> 'finding' FROM toms.audit_trail(kind => 'finding') WHERE details ->> 'measure' = 'A-1.1' AND (details ->> 'run')::bigint = :third;

-- as it was on a day: before the first, then, and now
SELECT count(*) FROM toms.check_rows_at('2020-01-01');
SELECT status, phrase, args FROM toms.check_rows_at(:'before') WHERE measure = 'A-1.1' AND n = 1;
SELECT n, status, phrase, remedy FROM toms.check_rows_at(now()) WHERE measure = 'A-1.1' ORDER BY n;

-- what was found is embellished afterwards
UPDATE toms.check_result SET status = 'pass' WHERE run = :third AND measure = 'A-1.1';
SELECT run = :third, fault FROM toms.verify_check_history();
-- so is the digest, behind the audit trail's back
ALTER TABLE toms.check_run DISABLE TRIGGER "~toms_declaration";
UPDATE toms.check_run r SET digest = toms.check_digest(r.at, r.by, ARRAY(SELECT c FROM toms.check_result c WHERE c.run = r.id)) WHERE r.id = :third;
SELECT run = :third, fault FROM toms.verify_check_history();
-- or a run is taken out, one is added, the time of one is changed
DELETE FROM toms.check_run WHERE id = :third;
DELETE FROM toms.check_result WHERE run = :third;
SELECT run = :third, fault FROM toms.verify_check_history();
INSERT INTO toms.check_run (at, took, by, digest) VALUES (clock_timestamp(), '1 s', NULL, toms.check_digest(now(), NULL, '{}'));
UPDATE toms.check_run SET at = at + interval '1 hour' WHERE id = :second;
SELECT run - :first, fault FROM toms.verify_check_history();
-- or one is made up for a day before the trail had its first entry; only a signed record excuses it, that the entries of its month were taken out
INSERT INTO toms.check_run (at, took, by, digest) SELECT day, '1 s', NULL, toms.check_digest(day, NULL, '{}') FROM (SELECT timestamptz '2020-01-15 12:00Z') f (day)
RETURNING id AS early \gset
SELECT fault FROM toms.verify_check_history() WHERE run = :early;
BEGIN;
SET LOCAL allow_system_table_mods = on;
UPDATE pg_class SET relname = 'unused' WHERE oid = 'toms.audit_use'::regclass;              -- who knows his way around the guard
INSERT INTO toms.audit_pruning (id, partition, entries, record, key, signature) OVERRIDING SYSTEM VALUE VALUES (-1, 'audit_admin_2020_02', 1, '{}', '', '');
SELECT fault FROM toms.verify_check_history() WHERE run = :early;
UPDATE toms.audit_pruning SET partition = 'audit_admin_2020_01' WHERE id = -1;
SELECT fault FROM toms.verify_check_history() WHERE run = :early;
ROLLBACK;
DELETE FROM toms.check_run WHERE id = :early;
ALTER TABLE toms.check_run ENABLE ALWAYS TRIGGER "~toms_declaration";
-- or one is made up, on record, for a day to come, so that the worker has nothing to do: it is told, and counts for nothing
INSERT INTO toms.check_run (at, took, by, digest) SELECT day, '1 s', NULL, toms.check_digest(day, NULL, '{}') FROM (SELECT now() + interval '100 years') f (day)
RETURNING id AS future \gset
SELECT fault FROM toms.verify_check_history() WHERE run = :future;
SELECT position(to_char(now() + interval '100 years', 'YYYY') IN args[1]) = 0 FROM toms.check_history_rows();
DELETE FROM toms.check_run WHERE id = :future;

-- who may not: the log-in of a job
SET SESSION AUTHORIZATION regress_job;
SELECT toms.record_check();
SELECT * FROM toms.check_history;
SELECT * FROM toms.verify_check_history();
RESET SESSION AUTHORIZATION;

-- what was found is kept for as long as entries about administration are
DELETE FROM toms.check_run WHERE id > :first;
UPDATE toms.check_run SET at = now() - (SELECT keep + interval '1 day' FROM toms.audit_periods WHERE kind = 'admin') WHERE id = :first;
SELECT toms.record_check() AS last \gset
SELECT count(*) FILTER (WHERE id = :last), count(*) FROM toms.check_run;
SELECT count(*) FROM toms.check_result WHERE run = :first;

DELETE FROM toms.check_run;
DELETE FROM toms.check_result;
TRUNCATE toms.measure_record, toms.measure_review;
