--
-- evidence_server: what the check reads from the server turns to fail where it is broken, names what, and its remedy mends it
--
-- The promise: for each measure that the server's settings, its log-ins, backups or reviews answer, what was broken is named, and the
-- SQL that the check advises, run as printed, is all that is needed. What needs a restart, certificates, pg_hba.conf or a second
-- server is in test/t/evidence_server.pl.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;

-- probe(name, phrases): what a probe says, in words, of these phrases; days and times are masked
CREATE FUNCTION regress.probe(name text, phrases text DEFAULT '', lang text DEFAULT 'en') RETURNS TABLE (status text, evidence text, remedy text)
LANGUAGE sql SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres' AS $$
    SELECT p.status, regexp_replace(toms.say(p.phrase, p.args, lang), '\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?', '(day)', 'g'), regexp_replace(p.remedy, '\d{4}-\d\d-\d\d', '(day)', 'g')
    FROM toms.run_probe(name) p WHERE p.phrase ~ phrases OR p.phrase ~ '^probe_' ORDER BY toms.status_rank(p.status), p.phrase COLLATE "C", p.args
$$;
-- lines(name, phrases): the lines of its remedies, for \gexec
CREATE FUNCTION regress.lines(name text, phrases text DEFAULT '') RETURNS TABLE (line text)
LANGUAGE sql SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres' AS $$
    SELECT l FROM (SELECT DISTINCT p.remedy FROM toms.run_probe(name) p WHERE p.phrase ~ phrases) r, regexp_split_to_table(r.remedy, E'\n') l ORDER BY l !~ '^ALTER SYSTEM'
$$;

-- mend(name, phrases): run each of its remedies as it is printed, where that may be within a transaction; how many there were
CREATE FUNCTION regress.mend(name text, phrases text DEFAULT '') RETURNS integer
LANGUAGE plpgsql SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres' AS $$
DECLARE
    remedies text[] := ARRAY(SELECT DISTINCT p.remedy FROM toms.run_probe(name) p WHERE p.remedy IS NOT NULL AND p.phrase ~ phrases);
    remedy text;
BEGIN
    FOREACH remedy IN ARRAY remedies LOOP
        EXECUTE remedy;
    END LOOP;
    RETURN cardinality(remedies);
END
$$;

--
-- Settings
--
ALTER SYSTEM SET toms.require_tls = 'off';
ALTER SYSTEM SET password_encryption = 'md5';
ALTER SYSTEM SET idle_session_timeout = 0;
ALTER SYSTEM SET idle_in_transaction_session_timeout = 0;
ALTER SYSTEM SET full_page_writes = off;
ALTER SYSTEM SET autovacuum = off;
ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1.1';
ALTER SYSTEM SET toms.audit_logins = 'none';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT * FROM regress.probe('tls', 'tls_(refused|accepted)');
SELECT * FROM regress.probe('authentication', 'auth_encryption');
SELECT * FROM regress.probe('idle_sessions', 'idle');
SELECT * FROM regress.probe('resilience', 'resilience') WHERE evidence !~ 'fsync|checksums';
SELECT * FROM regress.probe('transport_encryption', 'cert_protocol');
SELECT * FROM regress.probe('detection', 'logins');
SELECT * FROM regress.probe('erasure_means', 'no_vacuum');
-- in a transaction no setting of the server can be changed: line by line, as psql reads them
SELECT line FROM regress.lines('tls', 'tls_accepted') \gexec
SELECT line FROM regress.lines('authentication', 'auth_encryption') \gexec
SELECT line FROM regress.lines('idle_sessions', 'idle') \gexec
SELECT line FROM regress.lines('resilience', 'resilience_off') WHERE line !~ 'fsync' \gexec
SELECT line FROM regress.lines('transport_encryption', 'cert_protocol') \gexec
SELECT line FROM regress.lines('detection', 'logins|rare') \gexec
SELECT pg_sleep(0.5);
SELECT * FROM regress.probe('tls', 'tls_(refused|accepted)');
SELECT * FROM regress.probe('authentication', 'auth_encryption');
SELECT * FROM regress.probe('idle_sessions', 'idle');
SELECT * FROM regress.probe('resilience', 'resilience') WHERE evidence !~ 'fsync|checksums';
SELECT * FROM regress.probe('transport_encryption', 'cert_protocol');
SELECT * FROM regress.probe('detection', 'logins|rare|interval');
SELECT * FROM regress.probe('erasure_means', 'no_vacuum');
-- what a role or a database has been set apart is not the server's
CREATE ROLE regress_pool LOGIN;
ALTER ROLE regress_pool SET idle_session_timeout = 0;
ALTER ROLE regress_pool IN DATABASE contrib_regression SET password_encryption = 'md5';
SELECT * FROM regress.probe('idle_sessions', 'left_out');
SELECT * FROM regress.probe('authentication', 'left_out');
SELECT regress.mend('idle_sessions', 'left_out'), regress.mend('authentication', 'left_out');
SELECT * FROM regress.probe('idle_sessions', 'left_out') UNION ALL SELECT * FROM regress.probe('authentication', 'left_out');

--
-- Passwords: as MD5, and without an end
--
SET password_encryption = 'md5';
SET client_min_messages = error;        -- 18 warns of it
ALTER ROLE regress_pool PASSWORD 'secret';
SET client_min_messages = warning;
RESET password_encryption;
SELECT * FROM regress.probe('authentication', 'auth_(hash|no_expiry)') WHERE evidence ~ 'regress_pool';
SELECT regress.mend('authentication', 'auth_hash');
SELECT * FROM regress.probe('authentication', 'auth_(hash|no_expiry)') WHERE evidence ~ 'regress_pool';
SET password_encryption = 'scram-sha-256';
ALTER ROLE regress_pool PASSWORD 'secret';
RESET password_encryption;
SELECT * FROM regress.probe('authentication', 'auth_(hash|no_expiry)') WHERE evidence ~ 'regress_pool';
SELECT regress.mend('authentication', 'auth_no_expiry');
SELECT * FROM regress.probe('authentication', 'auth_(hash|no_expiry)') WHERE evidence ~ 'regress_pool';
-- no module checks new ones: a person says why not, by a day
SELECT * FROM regress.probe('authentication', 'checker');
SELECT regress.mend('authentication', 'checker');
SELECT * FROM regress.probe('authentication', 'checker');

--
-- Those who have left
--
CREATE ROLE regress_anna LOGIN;
SELECT toms.grant_officer('regress_anna', 'auditor');
SELECT * FROM regress.probe('leavers') WHERE evidence ~ 'regress_anna';
SELECT toms.mark_login('regress_anna', owner => 'Anna');
SELECT * FROM regress.probe('leavers') WHERE evidence ~ 'regress_anna';
SELECT status, evidence ~ '^Log-ins of persons: 1;' FROM regress.probe('leavers', 'logins_owned');
SELECT regress.mend('leavers', 'leaver|no_end');
SELECT * FROM regress.probe('leavers') WHERE evidence ~ 'regress_anna';
-- she leaves
SELECT toms.mark_login('regress_anna', personal => false);
SELECT * FROM regress.probe('leavers') WHERE evidence ~ 'regress_anna';
SELECT regress.mend('leavers', 'leaver|no_end');
SELECT * FROM regress.probe('leavers') WHERE evidence ~ 'regress_anna';
SELECT regress.mend('leavers', 'leaver|no_end');
SELECT * FROM regress.probe('leavers') WHERE evidence ~ 'regress_anna';
-- or only her time is over, which stops a password, not a certificate
ALTER ROLE regress_anna LOGIN VALID UNTIL '2020-01-01';
SELECT toms.mark_login('regress_anna', owner => 'Anna');
SELECT * FROM regress.probe('leavers', '', 'de') WHERE evidence ~ 'regress_anna';
SELECT regress.mend('leavers', 'leaver|no_end');
SELECT * FROM regress.probe('leavers') WHERE evidence ~ 'regress_anna';

--
-- Backups: no tier, no backup, a late one, one that should be gone
--
SELECT * FROM regress.probe('backups', 'backup');
SELECT regress.mend('backups', 'backup');
SELECT * FROM regress.probe('backups', 'backup');
SELECT regress.mend('backups', 'backup');
SELECT * FROM regress.probe('backups', 'backup');
UPDATE toms.backup SET taken_at = taken_at - interval '27 hours';
SELECT * FROM regress.probe('backups', 'backup');
SELECT regress.mend('backups', 'backup');
SELECT * FROM regress.probe('backups', 'backup');
UPDATE toms.backup SET taken_at = taken_at - interval '70 days', place = NULL WHERE id = (SELECT min(id) FROM toms.backup);
UPDATE toms.backup SET place = NULL;
SELECT * FROM regress.probe('backup_tiers') WHERE remedy !~ 'taken_at =>' OR remedy IS NULL;
SELECT status, evidence, regexp_replace(remedy, '\(day\)[^'']*', '(day)') FROM regress.probe('backup_tiers', 'no_place', 'de');
SELECT regress.mend('backup_tiers', 'only_one|no_place|expired'), regress.mend('backup_tiers', 'backup_none');
SELECT status, evidence FROM regress.probe('backup_tiers');

--
-- Restores that were tried
--
SELECT * FROM regress.probe('restore_tests');
INSERT INTO toms.restore_test (tested_at, node, passed, result, recorded_by) VALUES (now() - interval '400 days', 'drill', true, 'regress 1', 'test');
SELECT status, evidence FROM regress.probe('restore_tests');
INSERT INTO toms.restore_test (tested_at, node, passed, result, recorded_by) VALUES (now() - interval '2 days', 'drill', false, 'regress 2', 'test');
SELECT status, evidence FROM regress.probe('restore_tests');
INSERT INTO toms.restore_test (tested_at, node, passed, result, recorded_by) VALUES (now() - interval '1 day', 'drill', true, 'regress 3', 'test');
SELECT * FROM regress.probe('restore_tests');

--
-- Software: what is known of this version is old, says that there is a newer one, or that it is over
--
SELECT current_setting('server_version_num')::integer / 10000 AS major \gset
SELECT status, regexp_replace(evidence, 'PostgreSQL [\d.]+', 'PostgreSQL …'), remedy FROM regress.probe('software', 'supported|library');
UPDATE toms.supported_version SET as_of = current_date - 500 WHERE major = :major;
SELECT status, regexp_replace(evidence, 'PostgreSQL [\d.]+', 'PostgreSQL …'), regexp_replace(remedy, 'version\(\d+', 'version(…') FROM regress.probe('software', 'stale');
SELECT toms.record_supported_version(:major, ends_on => '2040-01-01', minor => 9998, source => 'a newsletter');
SELECT status, regexp_replace(evidence, '\d+\.\d+', '…', 'g') FROM regress.probe('software', '^software_(s|minor|end)');
SELECT toms.record_supported_version(:major, ends_on => current_date - 1, minor => NULL, source => 'a newsletter');
SELECT status, regexp_replace(evidence, 'PostgreSQL [\d.]+', 'PostgreSQL …') FROM regress.probe('software', '^software_(s|minor|end)');
SELECT toms.record_supported_version(:major, ends_on => current_date + 10, minor => NULL, source => 'a newsletter');
SELECT status, regexp_replace(evidence, 'PostgreSQL [\d.]+', 'PostgreSQL …') FROM regress.probe('software', '^software_(s|minor|end)');
SELECT toms.record_supported_version(:major, ends_on => NULL, minor => 1, source => 'a newsletter');
-- nothing is known of it
BEGIN;
DELETE FROM toms.supported_version WHERE major = :major;
SELECT status, regexp_replace(evidence, 'PostgreSQL [\d.]+', 'PostgreSQL …'), regexp_replace(remedy, 'version\(\d+', 'version(…') FROM regress.probe('software', '^software_(s|minor|end|unknown)');
SELECT replace(replace(line, '''…''', '''2040-01-01'''), '…', '0') AS remedy FROM regress.lines('software', 'unknown') \gset
:remedy
SELECT status, regexp_replace(evidence, 'PostgreSQL [\d.]+', 'PostgreSQL …') FROM regress.probe('software', '^software_(s|minor|end|unknown)');
ROLLBACK;
-- another extension that stayed behind
CREATE EXTENSION btree_gist VERSION '1.2';
SELECT status, regexp_replace(evidence, '; [\d.]+', '; …'), remedy FROM regress.probe('software', 'extension');
SELECT regress.mend('software', 'extension');
SELECT * FROM regress.probe('software', 'extension');
DROP EXTENSION btree_gist;
-- an extension whose files are newer than what is installed of it
DELETE FROM toms.supported_version WHERE NOT shipped;
UPDATE toms.supported_version SET as_of = '2026-11-23' WHERE shipped;
UPDATE pg_extension SET extversion = '0.1' WHERE extname = 'toms';
SELECT status, regexp_replace(evidence, 'version \d+\.\d+[\w.]*,', 'version …,'), remedy FROM regress.probe('software', 'library');
SELECT default_version AS version FROM pg_available_extensions WHERE name = 'toms' \gset
UPDATE pg_extension SET extversion = :'version' WHERE extname = 'toms';
SELECT status FROM regress.probe('software', 'library');

--
-- What persons look at: exports, rights, all measures
--
INSERT INTO toms.disclosure (at, tenant, of_all, recipient, categories, purpose, kind, disclosed_by) VALUES (now() - interval '100 days', 'acme', true, 'controller', '{}', 'rights', 'recorded', 'test');
SELECT status, regexp_replace(evidence, 'all \d+', 'all …'), remedy FROM regress.probe('export_review', 'unseen');
SELECT regress.mend('export_review', 'unseen');
SELECT * FROM regress.probe('export_review', 'unseen');
INSERT INTO toms.permission (role, relation, relation_name, verbs, purposes, scope, categories, require_mfa, granted, valid_from, permitted_by)
VALUES ('regress_pool', 'toms.measure'::regclass, 'hr.old', '{select}', '{absence_management}', 'tenant', '{health}', false, '{}', now() - interval '40 days', 'test');
UPDATE toms.officer SET granted_at = now() - interval '40 days' WHERE role = 'regress_pool'::regrole;
INSERT INTO toms.officer (role, duty, granted_at, granted_by) VALUES ('regress_pool', 'operator', now() - interval '40 days', 'test');
INSERT INTO toms.measure_review (measure, reviewer, result, reviewed_at, next_due) VALUES ('A-2.4', 'R. Lang', 'seen', now() - interval '50 days', current_date + 300);
SELECT * FROM regress.probe('access_review', 'unseen');
SELECT regress.mend('access_review', 'unseen');
SELECT * FROM regress.probe('access_review', 'unseen');
-- how many reviews are due, and of which measures
SELECT count(*) > 20, bool_and(status = 'overdue') FROM regress.probe('reviews', 'never');
SELECT status, evidence ~ '^A-1.1 ', remedy FROM regress.probe('reviews', 'never') WHERE remedy ~ 'A-1.1';
SELECT regress.mend('reviews') > 20;
SELECT status, regexp_replace(evidence, '\d+ of \d+', '… of …') FROM regress.probe('reviews');
UPDATE toms.measure_review SET next_due = '2020-01-01' WHERE measure = 'A-1.1';
SELECT status, regexp_replace(regexp_replace(evidence, '\d+ of \d+', '… of …'), '\([^()]{9,}\)', '(…)'), remedy FROM regress.probe('reviews');

-- an officer sees it in the check
SET SESSION AUTHORIZATION regress_officer;
SELECT status, evidence ~ 'drill' FROM toms.check() WHERE measure IN ('M-A4.2', 'R-7.1', 'P-S.14');
RESET SESSION AUTHORIZATION;

ALTER SYSTEM RESET toms.require_tls;
ALTER SYSTEM RESET password_encryption;
ALTER SYSTEM RESET idle_session_timeout;
ALTER SYSTEM RESET idle_in_transaction_session_timeout;
ALTER SYSTEM RESET full_page_writes;
ALTER SYSTEM RESET autovacuum;
ALTER SYSTEM RESET ssl_min_protocol_version;
ALTER SYSTEM RESET toms.audit_logins;
ALTER SYSTEM RESET toms.check_interval;
SELECT pg_reload_conf();
DELETE FROM toms.permission WHERE relation_name = 'hr.old';
DELETE FROM toms.officer WHERE role = 'regress_pool'::regrole OR role = 'regress_anna'::regrole;
DELETE FROM toms.disclosure WHERE disclosed_by = 'test';
DELETE FROM toms.restore_test WHERE recorded_by = 'test';
DELETE FROM toms.personal_login WHERE role = 'regress_anna'::regrole;
TRUNCATE toms.backup, toms.backup_tier, toms.measure_review;
DROP FUNCTION regress.probe(text, text, text), regress.lines(text, text), regress.mend(text, text);
DROP ROLE regress_pool, regress_anna;
