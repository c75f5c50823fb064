--
-- audit_subject: the data subject's own view of the trail, and whose names it shows
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SELECT current_user AS me \gset
CREATE SCHEMA own;
GRANT USAGE ON SCHEMA own TO PUBLIC;
CREATE TABLE own.note (id integer, tenant text NOT NULL, employee text NOT NULL, body text, sick toms.health_flag, PRIMARY KEY (id, tenant));
GRANT ALL ON ALL TABLES IN SCHEMA own TO regress_hr;
SELECT toms.protect('own.note', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT count(*) FROM toms.load_purposes('absence');
SELECT count(*) FROM toms.load_purposes('audit');
SELECT toms.permit('regress_hr', 'own.note', '{select,insert,update}', '{absence_management}', 'tenant') > 0;
SELECT toms.permit('regress_employee', 'toms.audit_entry', '{select}', '{subject_rights}') > 0;
SELECT toms.permit('regress_employee', 'toms.audit_entry', '{insert}', '{subject_rights}');
SELECT relation, verbs, scope FROM toms.permissions WHERE relation = 'toms.audit_entry' AND in_force;
SELECT clock_timestamp() AS start \gset

SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', 'hanna', 'regress_hr', 'absence_management');
INSERT INTO own.note VALUES (1, 'acme', 'w917', 'a', true), (2, 'acme', 'w918', 'b', false);
UPDATE own.note SET body = 'c' WHERE id = 1;
SELECT count(toms.reveal(sick)) FROM own.note;
COMMIT;
BEGIN;
SELECT toms.enter('globex', 'hanna', 'regress_hr', 'absence_management');
INSERT INTO own.note VALUES (1, 'globex', 'w917', 'a', true);
COMMIT;

-- what was done with his data, by which function and for what: no names, no log-ins, nobody else's
BEGIN;
SELECT toms.enter('acme', 'w917', 'regress_employee', 'subject_rights');
SELECT kind, relation, columns, purpose, legal_basis, description IS NOT NULL, role, recipient, actor FROM toms.subject_access_log(:'start') WHERE kind IN ('insert', 'update', 'reveal');
SELECT count(*) FROM toms.subject_access_log(until => :'start') WHERE relation = 'own.note';
SELECT array_agg(DISTINCT k ORDER BY k) FROM toms.subject_access_log(:'start') l, jsonb_object_keys(to_jsonb(l)) k;
COMMIT;
BEGIN;
SELECT toms.enter('globex', 'w917', 'regress_employee', 'subject_rights');
SELECT kind, relation FROM toms.subject_access_log(:'start') WHERE kind IN ('insert', 'update', 'reveal');
COMMIT;
BEGIN;
SELECT toms.enter('acme', 'w999', 'regress_employee', 'subject_rights');
SELECT count(*) FROM toms.subject_access_log(:'start');
COMMIT;
-- that he acted himself is no access to his data: hanna has none here
BEGIN;
SELECT toms.enter('acme', 'hanna', 'regress_employee', 'subject_rights');
SELECT count(*) FROM toms.subject_access_log(:'start');
COMMIT;
-- without the permission, for another purpose, without a context
BEGIN; SELECT toms.enter('acme', 'w917', 'regress_employee', 'absence_management'); SELECT regress.verdict('SELECT toms.subject_access_log()'); COMMIT;
BEGIN; SELECT toms.enter('acme', 'w917', 'regress_hr', 'subject_rights'); SELECT regress.verdict('SELECT toms.subject_access_log()'); COMMIT;
SELECT regress.verdict('SELECT toms.subject_access_log()');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict('SELECT toms.subject_access_log()');              -- an officer is no data subject
RESET SESSION AUTHORIZATION;
-- it is recorded
SELECT tenant, actor, purpose, details - 'since' - 'until', count(*) FROM toms.audit_trail(since => :'start', kind => 'read_trail') WHERE details ->> 'by' = 'subject_access_log' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2;

--
-- A name is opened by two officers, for one entry
--
CREATE ROLE regress_second LOGIN;
SELECT toms.grant_officer('regress_second', 'auditor');
SELECT id AS read FROM toms.audit_trail(since => :'start', tenant => 'acme', subject => 'w917', kind => 'reveal') \gset
\c - regress_officer
SELECT toms.release_actor(:read, '');
SELECT toms.release_actor(17, 'no such entry');
SELECT toms.release_actor(:read, 'complaint 12 of w917');
SELECT regexp_replace(regress.verdict(format('SELECT toms.release_actor(%s, ''I insist'')', :read)), '\d{9,}', '<entry>');
\c - :me
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict(format('SELECT toms.release_actor(%s, ''curious'')', :read));
BEGIN; SELECT toms.enter('acme', 'w917', 'regress_employee', 'subject_rights'); SELECT kind, actor FROM toms.subject_access_log(:'start') WHERE actor IS NOT NULL; COMMIT;
\c - regress_second
SELECT toms.release_actor(:read, 'justified');
SELECT toms.release_actor(:read, 'again');
SELECT entry = :read, requested_by, reason, approved_by, approval_reason, approved_at >= requested_at FROM toms.actor_release;
\c - :me
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', 'w917', 'regress_employee', 'subject_rights'); SELECT kind, actor FROM toms.subject_access_log(:'start') WHERE actor IS NOT NULL; COMMIT;
BEGIN; SELECT toms.enter('acme', 'w918', 'regress_employee', 'subject_rights'); SELECT kind, actor FROM toms.subject_access_log(:'start') WHERE actor IS NOT NULL; COMMIT;
RESET SESSION AUTHORIZATION;
-- who is one after the other by SET SESSION AUTHORIZATION is no officer but who logged in
SET SESSION AUTHORIZATION regress_second;
SELECT right(regress.verdict(format('SELECT toms.release_actor(%s, ''by myself'')', :read + 1)), 7);
RESET SESSION AUTHORIZATION;
-- both steps are recorded; nobody writes the table by hand
SELECT login, kind, details - 'of_entry', (details ->> 'of_entry')::bigint = :read FROM toms.audit_trail(since => :'start', kind => 'release_actor');
SELECT regress.verdict('UPDATE toms.actor_release SET approved_by = NULL, approved_at = NULL'), regress.verdict('DELETE FROM toms.actor_release'), regress.verdict('TRUNCATE toms.actor_release');
SELECT regress.verdict('INSERT INTO toms.actor_release VALUES (1, ''a'', now(), ''b'', ''c'', now(), ''d'')');

--
-- What is unusual: a pseudonym, until the name is opened
--
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', 'snoop', 'regress_employee', 'absence_management');
SELECT count(*) FROM (SELECT regress.verdict('SELECT * FROM own.note') FROM generate_series(1, 21)) v;
COMMIT;
BEGIN;
SELECT toms.enter('acme', 'clumsy', 'regress_employee', 'absence_management');
SELECT count(*) FROM (SELECT regress.verdict('SELECT * FROM own.note') FROM generate_series(1, 5)) v;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.note_reading('s', 'l', '{"finding": "shared_login", "login": "regress_job", "addresses": 2}') IS NOT NULL;
\c - regress_second
SELECT finding, tenant, pseudonym ~ '^[0-9a-f]{32}$', details - 'since', name FROM toms.findings WHERE at >= :'start' AND (tenant = 'acme' OR finding = 'shared_login') ORDER BY at;
SELECT f.entry AS found FROM toms.findings f WHERE at >= :'start' AND tenant = 'acme' AND finding = 'many_refusals' \gset
SELECT count(DISTINCT pseudonym) FROM toms.findings WHERE at >= :'start' AND (tenant = 'acme' OR finding = 'shared_login');
SELECT toms.release_actor(:found, 'looks like snooping');
\c - regress_officer
SELECT toms.release_actor(:found, 'yes');
SELECT finding, name FROM toms.findings WHERE at >= :'start' AND (tenant = 'acme' OR finding = 'shared_login') ORDER BY at;
\c - :me
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict('SELECT * FROM toms.findings'), regress.verdict('SELECT * FROM toms.find_unusual()');
RESET SESSION AUTHORIZATION;
SELECT login, count(*) > 0 FROM toms.audit_trail(since => :'start', kind => 'read_trail') WHERE details ->> 'by' = 'findings' GROUP BY 1 ORDER BY 1;
-- the same within a month, another one in the next, another one for another tenant or none
SELECT count(DISTINCT toms.audit_pseudonym(t, n, m)) FROM unnest('{acme,globex,NULL}'::text[]) t, unnest('{a,b}'::text[]) n, unnest('{2026-01-01,2026-02-01}'::date[]) m;
SELECT toms.audit_pseudonym('acme', 'a', '2026-01-01') = toms.audit_pseudonym('acme', 'a', '2026-01-01'), toms.audit_pseudonym('acme', NULL, '2026-01-01'),
       toms.audit_pseudonym('a', 'bc', '2026-01-01') = toms.audit_pseudonym('ab', 'c', '2026-01-01');

--
-- Who has been erased is told nothing, nor is anybody else of him
--
SELECT toms.record_instruction('acme', 'erase', 'J. Doe', 'erase w917', subject => 'w917') AS i \gset
SELECT toms.confirm_instruction(:i);
SELECT toms.destroy_keys('acme', :i, subject => 'w917') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', 'w917', 'regress_employee', 'subject_rights'); SELECT count(*) FROM toms.subject_access_log(); COMMIT;
BEGIN; SELECT toms.enter('acme', 'w918', 'regress_employee', 'subject_rights'); SELECT count(*) FROM toms.subject_access_log() WHERE kind IN ('insert', 'reveal'); COMMIT;
RESET SESSION AUTHORIZATION;

SELECT toms.forbid('regress_employee', 'toms.audit_entry');
SELECT toms.revoke_officer('regress_second', 'auditor');
DROP ROLE regress_second;
SET toms.reason = 'test';
DROP SCHEMA own CASCADE;
DELETE FROM toms.erasure;
TRUNCATE toms.ledger;
