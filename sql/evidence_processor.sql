--
-- evidence_processor: what a processor promises that works for several controllers, measure by measure
--
-- The application is examples/processor: files of three controllers, stadtwerke, wohnbau and sportverein, with persons 1 to 12
-- each, and the processor's own clerks as a fourth tenant.  Promise and proof stand side by side, in the order of the list.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null -
SET client_min_messages = error;
SET TimeZone = 'UTC';
SET datestyle = 'ISO';
\set ECHO none
\o /dev/null
\set login office_job
\i test/evidence/act.sql
\i examples/processor/schema.sql
\i examples/processor/protect.sql
\i examples/processor/data.sql
\unset ON_ERROR_STOP
\setenv PGDATABASE :DBNAME
\o
SET toms.reason = 'what the test looks up';
\set ECHO all

-- P-O.1  data protection is managed: policies, officers, trained staff, no paper
SELECT pg_temp.reviewed('P-O.1', owner => 'Geschäftsführung', evidence => 'policy 1.0 to 1.9, list of trainings', result => 'two policies renewed');
SELECT tenant, dpo FROM toms.tenant WHERE tenant IN ('stadtwerke', 'wohnbau', 'sportverein') ORDER BY tenant;

-- P-O.4  systems are tested for security
SELECT pg_temp.reviewed('P-O.4', owner => 'IT', evidence => 'penetration test of May', result => 'one finding of low weight, mended');

-- P-O.5  logs are evaluated for what is unusual
SELECT count(pg_temp.act('wohnbau 3 office_clerk file_handling', 'SELECT FROM office.clerk WHERE clerk_id = 1')) FROM generate_series(1, 50);
SELECT DISTINCT finding, tenant FROM toms.findings WHERE tenant = 'wohnbau';
SELECT DISTINCT pseudonym IS NOT NULL, name FROM toms.findings WHERE tenant = 'wohnbau';                   -- whose, two officers open together

-- P-O.6  measures are planned, done, checked and mended
SELECT toms.record_review('P-O.6', by => 'Herr Locher', result => 'check of all measures, two mended', next_due => current_date + 180) > 0;
SELECT reviewer, result, next_due > current_date FROM toms.measure_review WHERE measure = 'P-O.6';
SELECT regress.verdict($$SELECT toms.record_review('P-O.6', by => 'Herr Locher', result => 'done', next_due => NULL)$$);                -- there is always a next one
SELECT pg_temp.finds('reviews');

-- P-O.8  data subjects have their rights
SELECT json_object_keys(toms.export_subject('stadtwerke', '2', pg_temp.instruct('stadtwerke', 'export', '2'))::json -> 'data');
SELECT toms.rectify_subject('stadtwerke', '2', 'office.person', '{"name": "Bodo B."}', pg_temp.instruct('stadtwerke', 'rectify', '2'));
SELECT relation, deleted, restricted FROM toms.erase_subject('stadtwerke', '12', pg_temp.instruct('stadtwerke', 'erase', '12')) ORDER BY relation;      -- what the law keeps, restricted
SELECT toms.record_request('stadtwerke', '2', 'access') > 0;

-- P-O.10  security incidents are documented, reported or not
SELECT toms.record_incident('disruption_or_suspicion', aware_at => now(), tenants => '{}', description => 'a printer jammed with letters in it', no_notice_because => 'nobody has seen them') AS incident \gset
SELECT pg_temp.fault(format($$SELECT toms.close_incident(%s, 'letters destroyed')$$, :incident));             -- refused: what happened, what came of it, what was done?
SELECT toms.update_incident(:incident, nature => 'loss of paper', likely_consequences => 'none', measures_taken => 'letters destroyed');
SELECT toms.close_incident(:incident, 'no risk for anybody');
SELECT kind, tenant, no_notice_because, outcome, closed_at IS NOT NULL FROM toms.incidents WHERE incident = :incident;

-- P-O.15  what is new is closed until somebody opens it
CREATE TABLE office.note (tenant_id text NOT NULL, person_id integer, words text);
ALTER TABLE office.note OWNER TO office_owner;
GRANT ALL ON office.note TO office_clerk;                                                                  -- as is found everywhere
SELECT toms.protect('office.note', tenant => 'tenant_id', subject => 'person_id');
SELECT pg_temp.act('stadtwerke 1 office_clerk file_handling', 'SELECT FROM office.note');
DROP TABLE office.note;

-- P-O.16  software is current
SELECT current_setting('server_version_num')::integer >= 150000, (SELECT library_version FROM toms.status) = extversion FROM pg_extension WHERE extname = 'toms';
SELECT pg_temp.finds('software');

-- P-O.21  there is a concept of deletion, and it is what runs
SELECT data_kind, standard_period, implementation FROM toms.deletion_concept() WHERE data_kind LIKE '%office.c%' ORDER BY 1;
SELECT relation, due FROM toms.run_retention(now() + interval '20 years', dry_run => true) WHERE due > 0 AND relation LIKE 'office.%' ORDER BY 1;

-- P-O.22  what is kept for archiving duties alone is restricted
UPDATE office.case_file SET closed_on = current_date - 400 WHERE tenant_id = 'stadtwerke' AND person_id = 3;
SELECT pg_temp.act('stadtwerke 1 office_clerk file_handling', 'SELECT FROM office.case_file WHERE person_id = 3');
SELECT pg_temp.act('stadtwerke 1 office_archive archive_duty', 'SELECT FROM office.case_file WHERE person_id = 3');

-- P-E.6  rights end when staff leave or change their duty
SELECT toms.permit('office_clerk', 'office.person', '{delete}', '{file_handling}', scope => 'tenant', valid_until => clock_timestamp() + interval '1 second') > 0;
SELECT pg_sleep(1.1) \g /dev/null
SELECT pg_temp.act('stadtwerke 1 office_clerk file_handling', 'DELETE FROM office.person WHERE person_id = 11');
SELECT toms.mark_login('office_dba_kranz', personal => false);
ALTER ROLE office_dba_kranz VALID UNTIL '2026-01-01' NOLOGIN;
SELECT login, owner, ended_at IS NOT NULL FROM toms.personal_logins WHERE login::text = 'office_dba_kranz';
\! psql -XqAt -U office_dba_kranz -c 'SELECT 1' 2>&1 | sed 's/.*FATAL/FATAL/'
ALTER ROLE office_dba_kranz VALID UNTIL 'infinity' LOGIN;
SELECT toms.mark_login('office_dba_kranz', owner => 'Udo Kranz');

-- P-Z.3  no password is stored in clear text
SELECT bool_and(password LIKE '$argon2id$%') FROM office.clerk;
SELECT regexp_replace(regress.verdict($$UPDATE office.clerk SET password = 'Aktenschrank 3' WHERE clerk_id = 1$$), ' for relation .*', '');
SELECT current_setting('password_encryption');                                                             -- nor is one of a database log-in

-- P-Z.6  failed log-ins are limited
SELECT current_setting('toms.login_attempts')::integer BETWEEN 1 AND 10;
SELECT toms.begin_login_lock('office_app', '192.0.2.9', 10, now(), now() + interval '15 minutes');         -- as the tenth failure does
SELECT login, address, failures FROM toms.locked_logins WHERE login = 'office_app';
SELECT toms.unlock_login('office_app');

-- P-Z.7  who has left cannot log in any more
SELECT pg_temp.act('backoffice 3 office_clerk staff_accounts', $$UPDATE office.clerk SET left_on = current_date + 1 WHERE clerk_id = 3$$);       -- tomorrow is his last day
SELECT tenant, due FROM toms.run_retention(now() + interval '3 days', dry_run => true) WHERE relation = 'office.clerk';                -- then his account goes, by itself
SELECT split_part(pg_temp.finds('leavers'), ':', 1);                                                          -- log-ins of nobody in particular, as this server has

-- P-Z.12  backups are encrypted
SELECT pg_temp.reviewed('P-Z.12', owner => 'Rechenkeller GmbH', evidence => 'AES-256, keys in escrow', result => 'opened one on a test machine');

-- P-B.1  who may do what is declared, by need and extent
SELECT role, relation_name, verbs, purposes, scope FROM toms.permission WHERE relation::text LIKE 'office.%' AND valid_until IS NULL ORDER BY id;
SELECT pg_temp.act('stadtwerke 1 office_planner workload', 'SELECT FROM office.case_file');                -- refused: numbers, no files
SELECT pg_temp.act('stadtwerke 1 office_clerk file_handling', 'SELECT FROM office.clerk');                 -- refused: not his colleagues

-- P-B.2  that concept is evaluated
SELECT pg_temp.reviewed('P-B.2', owner => 'Herr Locher', evidence => 'list of permissions, signed', result => 'archive role asked for less');
SELECT pg_temp.finds('access_review');

-- P-B.3  access to single files is logged
SELECT pg_temp.act('wohnbau 7 office_clerk file_handling', 'SELECT FROM office.case_file WHERE person_id = 5');
SELECT relation, kind, actor, rows FROM toms.audit_trail(tenant => 'wohnbau', actor => '7', kind => 'read') WHERE relation = 'office.case_file';

-- P-B.4  what is entered, changed or deleted is logged
SELECT pg_temp.act('wohnbau 7 office_clerk file_handling', $$INSERT INTO office.person (person_id, name) VALUES (2001, 'Mia M.')$$);
SELECT pg_temp.act('wohnbau 7 office_clerk file_handling', $$UPDATE office.person SET iban = 'DE0' WHERE person_id = 2001$$);
DELETE FROM office.person WHERE person_id = 2001;
SELECT kind, actor, columns, reason FROM toms.audit_trail(tenant => 'wohnbau', subject => '2001', kind => 'changes') ORDER BY id;

-- P-B.5  log-ins are logged
ALTER SYSTEM SET toms.audit_logins = 'all';
SELECT pg_reload_conf(), pg_sleep(0.5) \g /dev/null
\! psql -XqAt -U office_app -c 'SELECT 1'
SELECT pg_sleep(1) \g /dev/null
SELECT kind, login, address, details ->> 'method' FROM toms.audit_trail(since => :'since', kind => 'sessions') WHERE login = 'office_app' AND kind <> 'unlock_login' ORDER BY id;
ALTER SYSTEM RESET toms.audit_logins;
SELECT pg_reload_conf(), pg_sleep(0.5) \g /dev/null

-- P-B.6  logs are protected against change, loss and whoever has no business there
SELECT regress.verdict('UPDATE toms.audit_change SET tenant = NULL'), regress.verdict('TRUNCATE toms.audit_entry'), regress.verdict('DROP TABLE toms.audit_entry');
SELECT pg_temp.act('wohnbau 7 office_clerk file_handling', 'SELECT FROM toms.audit_trail()');
SELECT pg_temp.see('wohnbau 90 office_dpo data_protection_control', 'SELECT DISTINCT tenant FROM toms.audit_trail()');
SELECT toms.seal_audit() > 0;
SELECT count(*) FROM toms.verify_audit(since => :'since') WHERE fault <> 'outside_missing';

-- P-B.7  what administrators do is logged
RESET toms.reason;
SET SESSION AUTHORIZATION office_dba_kranz;
SELECT regress.verdict('SELECT FROM office.person');
SELECT toms.open_admin_session('Udo Kranz', 'INC-12', 'index is slow') > 0;
SELECT regress.verdict('SELECT FROM office.person');
SELECT toms.close_admin_session();
RESET SESSION AUTHORIZATION;
SELECT kind, relation, details ->> 'person', details ->> 'ticket' FROM toms.audit_trail(since => :'since', kind => 'administration') WHERE login = 'office_dba_kranz' AND kind <> 'close_admin_session' ORDER BY id;
SET toms.reason = 'what the test looks up';

-- P-B.8  it can be told who had access to what, and when
SELECT role, verbs, valid_until IS NULL FROM toms.permission WHERE relation = 'office.person'::regclass ORDER BY id;      -- who could
SELECT DISTINCT actor, role FROM toms.audit_trail(tenant => 'wohnbau', relation => 'office.person') WHERE actor IS NOT NULL;    -- who did
SELECT by, role, verbs, scope FROM toms.who_could_access('office.person', '5', now()) WHERE by = 'permission' OR role ~ '^office';      -- administrators too

-- P-W.1  remote access, devices, mail and files are encrypted
SELECT current_setting('toms.require_tls');
SELECT pg_temp.reviewed('P-W.1', owner => 'IT', evidence => 'VPN, device management', result => 'no device without encryption');

-- P-V.1  the processing for each controller is documented
SELECT t.tenant, count(a.*) FROM toms.tenants t LEFT JOIN toms.agreements a USING (tenant) WHERE t.tenant IN ('stadtwerke', 'wohnbau', 'sportverein') GROUP BY 1 ORDER BY 1;
SELECT purpose, legal_basis FROM toms.purposes WHERE purpose IN ('file_handling', 'archive_duty', 'workload') ORDER BY purpose;
SELECT * FROM toms.processing_record('wohnbau') WHERE section IN ('Controller', 'Categories of processing', 'Recipients');

-- P-V.2  sub-processors are chosen with care
SELECT recipient, country, agreement, contact FROM toms.recipients WHERE kind LIKE '%processor' ORDER BY recipient;
SELECT pg_temp.reviewed('P-V.2', owner => 'Einkauf', evidence => 'questionnaires of both', result => 'Druckstrasse visited');

-- P-V.5  periods of deletion are documented
SELECT relation, keep, starts, basis FROM toms.retention_rules WHERE relation LIKE 'office.%' AND in_force ORDER BY relation;

-- P-V.6  evaluations are of groups, or of pseudonyms
SELECT pg_temp.see('sportverein 1 office_planner workload', $$SELECT dimensions ->> 'topic', subjects, value, merged FROM toms.statistic('files_by_topic')$$);
SELECT pg_temp.act('sportverein 1 office_planner workload', 'SELECT topic, count(*) FROM office.case_file GROUP BY topic');
SELECT pg_temp.see('sportverein 1 office_clerk file_handling', $$SELECT toms.pseudonym('11', 'evaluation') ~ '^[0-9a-f]{32}$'$$);

-- P-V.7  what is done for one controller is separated from what is done for another
SELECT pg_temp.see('wohnbau 7 office_clerk file_handling', 'SELECT DISTINCT tenant_id FROM office.case_file');
SELECT pg_temp.act('wohnbau 7 office_clerk file_handling', $$INSERT INTO office.letter (file_id, words) SELECT min(file_id), 'x' FROM office.case_file$$);
SELECT min(file_id) AS foreign_file FROM office.case_file WHERE tenant_id = 'sportverein' \gset
SELECT pg_temp.act('wohnbau 7 office_clerk file_handling', format($$INSERT INTO office.letter (file_id, words) VALUES (%s, 'x')$$, :foreign_file));

-- P-S.1  systems are redundant, monitored, patched and protected
SELECT pg_temp.reviewed('P-S.1', owner => 'Rechenkeller GmbH', evidence => 'monitoring, load test of April, fire and water protection', result => 'alternative site works');
SELECT gate, retention_overdue FROM toms.status;                                                           -- what a monitoring system asks each 15 seconds

-- P-S.13  records are protected from being changed or deleted by accident
SELECT pg_temp.act('stadtwerke 1 office_clerk file_handling', $$UPDATE office.person SET iban = NULL$$);   -- no WHERE
RESET toms.reason;
SELECT regress.verdict('DELETE FROM office.letter'), regress.verdict('TRUNCATE office.letter');            -- administrators neither
SET SESSION AUTHORIZATION office_dba_kranz;
SELECT regress.verdict('TRUNCATE office.letter'), regress.verdict('DELETE FROM office.letter');
RESET SESSION AUTHORIZATION;
SELECT toms.hold(relation => 'office.letter', reason => 'the auditor is in the house') AS hold \gset
SET toms.reason = 'tidying';                                                                               -- unless they say why, and nothing is held
SELECT regexp_replace(regress.verdict('DROP TABLE office.letter'), '[0-9]+ ', ''), regress.verdict('DELETE FROM office.letter');
SELECT toms.release_hold(:hold, 'the auditor has left');
SET toms.reason = 'what the test looks up';

-- P-S.14  there is a concept of backup and recovery, and restoring is tested
SELECT name, every, keep FROM toms.backup_tiers ORDER BY keep;
SELECT toms.record_backup('daily', now() - interval '2 hours', 'Keller 2') > 0;
SELECT * FROM pg_temp.drill('office');

-- P-O.7  the state of the art is observed
SELECT pg_temp.reviewed('P-O.7', owner => 'IT', evidence => 'notes on TR-02102 of the BSI, 2026', result => 'no algorithm to be replaced');

-- P-O.9  breaches are reacted to at once
SELECT toms.record_incident('security_incident', aware_at => now(), tenants => '{wohnbau,sportverein}', description => 'a list was sent to the wrong address') AS incident \gset
SELECT tenant, due > aware_at, informed_at FROM toms.incidents WHERE incident = :incident ORDER BY tenant;
SELECT count(toms.record_incident_notice(:incident, tenant, now(), 'by telephone')) FROM unnest('{wohnbau,sportverein}'::text[]) tenant;
SELECT toms.record_measure('P-O.9', owner => 'Herr Locher', evidence => 'plan of alarm, telephone list');
SELECT owner, evidence FROM toms.measure_record WHERE measure = 'P-O.9' ORDER BY id DESC LIMIT 1;

-- P-E.1  staff is bound to confidentiality and trained; home office, own devices, clean desk
SELECT pg_temp.reviewed('P-E.1', owner => 'Personalabteilung', evidence => 'declarations, list of trainings', result => 'all but one on leave');

-- P-R.1  premises, visitors, keys, locked devices and media
SELECT pg_temp.reviewed('P-R.1', owner => 'Hausverwaltung', evidence => 'key register', result => 'complete');

-- P-Z.1  passwords are long and complex
SELECT current_setting('password_encryption'), regress.verdict($$SELECT toms.password_hash('')$$);
SELECT toms.record_measure('P-Z.1', owner => 'IT', evidence => 'password manager for all, 14 characters');
SELECT pg_temp.finds('authentication');                                                 -- pg_hba.conf and log-ins of this server

-- P-Z.5  a second factor for access to the controller's data
SELECT pg_temp.act('stadtwerke 1 office_clerk file_handling', 'DELETE FROM office.case_file WHERE person_id = 4');
\set token `test/mint.sh '{"tenant":"stadtwerke","sub":"1","role":"office_clerk","purpose":"file_handling","amr":["pwd","otp","mfa"],"exp":NOW+300}'`
SET SESSION AUTHORIZATION office_app;
BEGIN;
SELECT set_config('toms.token', :'token', true) \g /dev/null
SELECT regress.verdict('DELETE FROM office.case_file WHERE person_id = 4');
ROLLBACK;
RESET SESSION AUTHORIZATION;

-- P-Z.8  intrusions are detected; anti-virus, firewall, ports
SELECT pg_temp.reviewed('P-Z.8', owner => 'Rechenkeller GmbH', evidence => 'report of the firewall', result => 'one port closed');

-- P-W.4  transfers are encrypted end to end unless the controller has ordered otherwise
SELECT regress.verdict(format($$SELECT toms.export_tenant('wohnbau', %s, pgp_key => 'no key')$$, pg_temp.instruct('wohnbau', 'export'))) LIKE 'refused%';       -- what is no key encrypts nothing
SELECT pg_temp.fault($$SELECT toms.export_tenant('wohnbau', NULL)$$);
SELECT pg_temp.finds('encrypted_exports');

-- P-V.3  staff knows the limits of its orders, and keeps them
SELECT pg_temp.act('stadtwerke 1 office_clerk own_marketing', 'SELECT FROM office.person');
SELECT pg_temp.reviewed('P-V.3', owner => 'Frau Ordner', evidence => 'instruction of staff, signed', result => 'sample of ten files: in order');

-- That is all
\set ECHO none
\o /dev/null
SELECT toms.drop_statistic('files_by_topic', 'the test is over');
\set roles ^office_
\set schemas office
\i test/evidence/undo.sql
\o
\set ECHO all
SELECT relation FROM toms.protected_tables;
SELECT count(*) FROM toms.tenant WHERE tenant IN ('stadtwerke', 'wohnbau', 'sportverein', 'backoffice');
