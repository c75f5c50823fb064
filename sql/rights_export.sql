--
-- rights_export: what is stored of a data subject, and all that is a tenant's, for a named recipient
--
-- Two controllers keep employees, their contracts, absences by year, notes that hang on a contract, and messages in which
-- people are named by another number.  An export holds the rows of one person, or of one controller, and of nobody else;
-- what is sealed is in it in plain.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT current_user AS me \gset
CREATE SCHEMA exp AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA exp TO PUBLIC;
SELECT count(*) > 0 FROM toms.load_purposes('absence');
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE exp.employee (id integer PRIMARY KEY, tenant text NOT NULL, badge integer UNIQUE, name text, "Mail, private" text, born date, boss integer);
CREATE TABLE exp.absence (tenant text NOT NULL, employee integer NOT NULL REFERENCES exp.employee, day date NOT NULL, sick toms.health_flag, approved_by integer, hours numeric(5,2), minutes numeric GENERATED ALWAYS AS (hours * 60) STORED)
    PARTITION BY RANGE (day);
CREATE TABLE exp.absence_2025 PARTITION OF exp.absence FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE exp.absence_2026 PARTITION OF exp.absence FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE exp.contract (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL REFERENCES exp.employee, tags text[], pay jsonb);
CREATE TABLE exp.note (id integer PRIMARY KEY, contract integer NOT NULL REFERENCES exp.contract, said text);
CREATE TABLE exp.message (id integer PRIMARY KEY, tenant text NOT NULL, badge integer, body toms.sealed_text, sent timestamptz, raw bytea);
RESET SESSION AUTHORIZATION;
GRANT ALL ON ALL TABLES IN SCHEMA exp TO regress_hr;
SELECT toms.protect('exp.employee', tenant => 'tenant', subject => 'id');
SELECT toms.protect('exp.absence', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.protect('exp.contract', tenant => 'tenant', subject => 'employee', category => 'billing');
SELECT toms.protect('exp.note', parent => 'exp.contract', parent_key => 'contract');
SELECT toms.add_subject_alias('exp.employee', canonical => 'id', alias => 'badge') IS NOT NULL;
SELECT toms.protect('exp.message', tenant => 'tenant', subject => 'badge', subject_alias => 'exp.employee.badge');
SELECT count(toms.permit('regress_hr', r, '{select,insert,update,delete}', '{absence_management}', 'tenant')) FROM unnest('{exp.employee,exp.absence,exp.contract,exp.note,exp.message}'::regclass[]) r;
INSERT INTO toms.person_column VALUES ('exp.absence', 'approved_by', 'approver', 'clear', now(), 'x'), ('exp.employee', 'boss', 'superior', 'clear', now(), 'x');
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT FROM toms.enter('acme', 'hanna', 'regress_hr', 'absence_management');
INSERT INTO exp.employee VALUES (617, 'acme', 1017, 'Ida "I" Berg', E'ida,\nberg@x', '1990-02-03', 618), (618, 'acme', 1018, 'Otto', '', NULL, NULL);
INSERT INTO exp.absence VALUES ('acme', 617, '2025-12-30', true, 618, 8), ('acme', 617, '2026-01-02', false, 617, 4.5), ('acme', 618, '2026-03-01', true, 617, 8);
INSERT INTO exp.contract VALUES (1, 'acme', 617, '{a,"b,c",NULL}', '{"gross": 3000.50}'), (2, 'acme', 618, NULL, NULL);
INSERT INTO exp.note VALUES (1, 1, 'about 617'), (2, 2, 'about 618');
INSERT INTO exp.message VALUES (1, 'acme', 1017, 'hello', '2026-01-01 12:00:00.123456+00', '\x00ff'), (2, 'acme', 1018, 'from otto', 'infinity', NULL);
COMMIT;
BEGIN;
SELECT FROM toms.enter('globex', 'gerd', 'regress_hr', 'absence_management');
INSERT INTO exp.employee VALUES (30, 'globex', 1017, 'Other', NULL, NULL, NULL) ON CONFLICT DO NOTHING;
INSERT INTO exp.employee VALUES (31, 'globex', 1031, 'Gina', NULL, NULL, NULL);
INSERT INTO exp.absence VALUES ('globex', 31, '2026-03-01', true, NULL, 8);
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT clock_timestamp() AS start \gset

-- an instruction for an export; what comes of it
SET SESSION AUTHORIZATION regress_officer;
CREATE FUNCTION pg_temp.instructed(of_tenant text, of_kind text, of_subject text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    given bigint := toms.record_instruction(of_tenant, of_kind, 'controller', 'do so', of_subject);
BEGIN
    PERFORM toms.confirm_instruction(given);
    RETURN given;
END $$;

--
-- All rows of one person, over partitions, by the parent row, by another number; sealed ones in plain; who else is named as a role
--
SELECT toms.export_subject('acme', '617', pg_temp.instructed('acme', 'export', '617')) AS export \gset
SELECT jsonb_pretty(:'export'::jsonb -> 'data');
SELECT :'export'::jsonb ->> k FROM unnest('{format,kind,tenant,subject}'::text[]) k;
SELECT jsonb_object_agg(r, jsonb_array_length(v)) FROM jsonb_each(toms.export_subject('acme', '618', pg_temp.instructed('acme', 'export', '618')) -> 'data') e (r, v);
SELECT toms.export_subject('acme', '31', pg_temp.instructed('acme', 'export', '31')) -> 'data';      -- of another controller
SELECT toms.export_subject('acme', 'nobody', pg_temp.instructed('acme', 'export', 'nobody')) -> 'data';
-- an officer decides that names are given
SELECT toms.export_subject('acme', '617', pg_temp.instructed('acme', 'export', '617'), third_persons => true) -> 'data' -> 'exp.absence' -> 0 ->> 'approved_by';

--
-- What Art. 15(1) GDPR has him told
--
SELECT toms.retain('exp.absence', '3 years', 'day', basis => 'contract') > 0;
SELECT toms.add_recipient('tax', 'other', 'DE', '{billing}', contact => 'office@tax.example');
SELECT toms.add_recipient('insurer', 'other', 'DE', '{health,personal,billing}');
SELECT toms.record_disclosure('acme', 'insurer', '{health}', 'absence_management', subject => '617', disclosed_at => '2026-02-01') > 0;
SELECT toms.label_source('exp.contract', 'the works council'), toms.label_provided('exp.employee', '{name,"Mail, private"}'), toms.label_provided('exp.message', '{body}');
SELECT toms.declare_automated_decision('absence_management', 'a sum over 30 days', 'a talk with the superior');
SELECT toms.export_subject('acme', '617', pg_temp.instructed('acme', 'export', '617')) AS export \gset
SELECT k, jsonb_pretty((:'export'::jsonb #- '{recipients,0,disclosed,1}') -> k) FROM unnest('{controller,purposes,categories,recipients,periods,rights,complaint,sources,automated_decisions,named_elsewhere}'::text[]) k;

--
-- Portability: what he has provided himself, nothing else
--
SELECT jsonb_pretty(toms.export_subject('acme', '617', pg_temp.instructed('acme', 'portability', '617'), kind => 'portability') - 'exported_at');

--
-- CSV: a file for each table
--
SELECT file, CASE WHEN file <> 'about.json' THEN content ELSE (content::jsonb ? 'purposes')::text END FROM toms.export_subject_csv('acme', '617', pg_temp.instructed('acme', 'export', '617'));

--
-- Refused: by an instruction that is used up, of another kind or person; to who must not get it. What is refused uses none up
--
SELECT pg_temp.instructed('acme', 'export', '617') AS given \gset
SELECT regress.verdict(format($$SELECT toms.export_subject('acme', '618', %s)$$, :given)), regress.verdict(format($$SELECT toms.export_subject('globex', '617', %s)$$, :given)),
       regress.verdict(format($$SELECT toms.export_subject('acme', '617', %s, kind => 'portability')$$, :given)), regress.verdict(format($$SELECT toms.export_subject('acme', '617', %s, kind => 'gossip')$$, :given));
SELECT regress.verdict(format($$SELECT toms.export_subject('acme', '617', %s, recipient => 'tax')$$, :given)),     -- health is not his
       regress.verdict(format($$SELECT toms.export_subject('acme', '617', %s, recipient => 'nobody')$$, :given)),
       regress.verdict(format($$SELECT toms.export_subject('acme', '617', %s, recipient => 'insurer')$$, :given)),
       regexp_replace(regress.verdict(format($$SELECT toms.export_subject('acme', '617', %s, recipient => 'insurer')$$, :given)), 'instruction \d+', 'it');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_hr;
SELECT regress.verdict('SELECT toms.export_subject(''acme'', ''617'', 1)'), regress.verdict('SELECT toms.export_tenant(''acme'', 1)'), regress.verdict('SELECT * FROM toms.disclosure');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_officer;

--
-- On record: for officers, and for the data subject with the recipient; also if the transaction is undone
--
BEGIN;
SELECT pg_temp.instructed('acme', 'export', '617') AS undone \gset
SELECT toms.export_subject('acme', '617', :undone, recipient => 'insurer') IS NOT NULL;
ROLLBACK;
SELECT tenant, actor, role, login, purpose, kind, relation, subject, rows, details - 'instruction' FROM toms.audit_trail(since => :'start', kind => 'export', subject => '617') WHERE details ->> 'recipient' <> 'data_subject';
RESET SESSION AUTHORIZATION;
SELECT toms.permit('regress_employee', 'toms.audit_entry', '{select}', '{subject_rights}') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT FROM toms.enter('acme', '617', 'regress_employee', 'subject_rights');
SELECT relation, rows, purpose, role, recipient, actor, count(*) FROM toms.subject_access_log(:'start') WHERE kind = 'export' AND recipient <> 'data_subject' GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2;
COMMIT;
BEGIN;
SELECT FROM toms.enter('globex', '31', 'regress_employee', 'subject_rights');
SELECT count(*) FROM toms.subject_access_log(:'start') WHERE kind = 'export';
COMMIT;
RESET SESSION AUTHORIZATION;
-- whose it was stands nowhere in clear
SELECT count(DISTINCT person), bool_and(length(person) = 32) FROM toms.disclosure WHERE tenant = 'acme' AND kind <> 'portability';

--
-- Who is told of a rectification, an erasure, a restriction (Art. 19 GDPR)
--
SET SESSION AUTHORIZATION regress_officer;
SELECT recipient, categories, first_at < last_at FROM toms.recipients_to_inform('acme', '617');
SELECT recipient FROM toms.recipients_to_inform('acme', '618');
SELECT recipient FROM toms.recipients_to_inform('globex', '617');
RESET SESSION AUTHORIZATION;
SELECT toms.owe_notices('acme', '617', 'erase', 4711), toms.forget_disclosures('acme', '617') > 0;
SELECT toms.owe_notices('acme', '617', 'erase', 4711);                       -- asked for again: once
SET SESSION AUTHORIZATION regress_officer;
SELECT about, recipient, instruction, categories, informed_at FROM toms.notices;
SELECT id AS notice FROM toms.notices \gset
SELECT toms.record_informed(:notice, remark => 'by mail');
SELECT informed_at <= now(), informed_by, remark FROM toms.notices;
SELECT regexp_replace(regress.verdict(format('SELECT toms.record_informed(%s)', :notice)), '\d+ to', '<id> to'), regress.verdict(format('SELECT toms.record_informed(%s, now() + interval ''1 day'')', :notice));
RESET SESSION AUTHORIZATION;

--
-- All that is a tenant's: a manifest, then file by file, what is referred to first; nothing of another one
--
CREATE FUNCTION pg_temp.export(given bigint, recipient text DEFAULT 'controller', format text DEFAULT 'jsonl', tenant text DEFAULT 'acme')
RETURNS TABLE (file text, part integer, content text) LANGUAGE sql AS $$
    SELECT (s.e).file, (s.e).part, convert_from((s.e).data, 'UTF8') FROM (SELECT toms.export_tenant(tenant, given, recipient, format) AS e OFFSET 0) s $$;
SET SESSION AUTHORIZATION regress_officer;
SELECT file, part, CASE WHEN file = 'manifest.json' THEN jsonb_pretty(content::jsonb - '{exported_at,instruction}'::text[]) ELSE content END FROM pg_temp.export(pg_temp.instructed('acme', 'export', NULL));
SELECT file, content FROM pg_temp.export(pg_temp.instructed('acme', 'export', NULL), format => 'csv') WHERE file LIKE 'exp.%' AND file ~ 'absence|employee';
SELECT pg_temp.instructed('acme', 'export', NULL) AS given \gset
SELECT regress.verdict(format($$SELECT toms.export_tenant('acme', %s, 'tax')$$, :given)), regress.verdict(format($$SELECT toms.export_tenant('acme', %s, 'nobody')$$, :given)),
       regress.verdict(format($$SELECT toms.export_tenant('acme', %s, format => 'xml')$$, :given)), regress.verdict(format($$SELECT toms.export_tenant('globex', %s)$$, :given)),
       regress.verdict(format($$SELECT toms.export_tenant('acme', %s, pgp_key => 'x')$$, :given)),
       regress.verdict(format($$SELECT toms.export_tenant('acme', %s, 'insurer')$$, :given));
-- on record, for each data subject of the tenant
SELECT relation, rows, details - 'instruction' FROM toms.audit_trail(since => :'start', kind => 'export', tenant => 'acme') WHERE details ->> 'by' = 'export_tenant' AND details ->> 'recipient' = 'insurer' ORDER BY relation;
SELECT recipient, categories FROM toms.recipients_to_inform('acme', '618');
SELECT recipient FROM toms.recipients_to_inform('globex', '31');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT FROM toms.enter('acme', '618', 'regress_employee', 'subject_rights');
SELECT DISTINCT recipient FROM toms.subject_access_log(:'start') WHERE kind = 'export' ORDER BY 1;
COMMIT;
BEGIN;
SELECT FROM toms.enter('globex', '31', 'regress_employee', 'subject_rights');
SELECT count(*) FROM toms.subject_access_log(:'start') WHERE kind = 'export';
COMMIT;
RESET SESSION AUTHORIZATION;
-- in a select list it is streamed: when the first part is there, no row has been read yet
BEGIN;
DECLARE parts CURSOR FOR SELECT (toms.export_tenant('globex', pg_temp.instructed('globex', 'export', NULL))).file;
FETCH 1 FROM parts;
SELECT count(*) FROM toms.audit_trail(since => :'start', kind => 'reveal', tenant => 'globex');
FETCH ALL FROM parts;
SELECT count(*) FROM toms.audit_trail(since => :'start', kind => 'reveal', tenant => 'globex');
COMMIT;
--
-- Reads what is his, by the index, in whatever table: of 5,000 rows the 50 of one person
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE exp.log (tenant text NOT NULL, employee integer NOT NULL, said text);
INSERT INTO exp.log SELECT 'acme', 600 + n % 100, repeat('x', 100) FROM generate_series(1, 5000) n;
CREATE INDEX ON exp.log (tenant, employee);
RESET SESSION AUTHORIZATION;
ANALYZE exp.log;
SELECT toms.protect('exp.log', tenant => 'tenant', subject => 'employee');
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT jsonb_array_length(toms.export_subject('acme', '617', pg_temp.instructed('acme', 'export', '617')) -> 'data' -> 'exp.log');
SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'exp.log'::regclass;
COMMIT;

--
-- What leads to a person and is not declared makes the export of a person fail with its name; what belongs to any protected row,
-- that of a tenant. Neither uses the instruction up
--
SELECT pg_temp.instructed('acme', 'export', '617') AS person, pg_temp.instructed('acme', 'export', NULL) AS tenant, pg_temp.instructed('acme', 'portability', '617') AS portable \gset
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE exp.rate (id integer PRIMARY KEY, tenant text NOT NULL);
CREATE TABLE exp.payslip (id integer PRIMARY KEY, contract integer REFERENCES exp.contract);
CREATE TABLE exp.payslip_line (payslip integer REFERENCES exp.payslip, rate integer REFERENCES exp.rate);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('exp.rate', tenant => 'tenant');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.export_subject('acme', '617', :person);
SELECT * FROM toms.export_subject_csv('acme', '617', :portable, kind => 'portability');
SELECT toms.export_tenant('acme', :tenant);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('exp.payslip', parent => 'exp.contract', parent_key => 'contract'), toms.protect('exp.payslip_line', parent => 'exp.payslip', parent_key => 'payslip');
-- a table of which no row is a person's leads to none, and can hold a tenant's rows all the same
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE exp.step (rate integer REFERENCES exp.rate);
ALTER TABLE exp.payslip ADD checked_by integer REFERENCES exp.employee;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.export_tenant('acme', :tenant);
-- in a column that nobody has labelled another person would be named
SELECT toms.export_subject('acme', '617', :person);
SELECT toms.label_person('exp.payslip', 'checked_by', role => 'payroll clerk');
RESET SESSION AUTHORIZATION;
DROP TABLE exp.step;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.export_subject('acme', '617', :person) IS NOT NULL, (SELECT count(*) > 0 FROM toms.export_subject_csv('acme', '617', :portable, kind => 'portability')), (SELECT count(*) > 5 FROM toms.export_tenant('acme', :tenant));
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
DROP TABLE exp.payslip_line, exp.payslip, exp.rate;
RESET toms.reason;

-- a policy that hides rows from the owner makes the export fail
CREATE POLICY secret ON exp.note AS RESTRICTIVE FOR SELECT TO regress_owner USING (id <> 1);
SELECT regress.verdict(format('SELECT toms.export_subject(''acme'', ''617'', %s)', pg_temp.instructed('acme', 'export', '617')));
DROP POLICY secret ON exp.note;

--
-- What is asked of all rows names persons: an error of it shows neither the query nor a row
--
\set VERBOSITY default
\set SHOW_CONTEXT always
SELECT toms.find_portions('exp.employee', $$t.name = 'Otto' AND nonsense$$, 10);
SELECT toms.find_portions('exp.employee', $$t.name = 'Otto' AND 1 / (t.id - t.id) = 0$$, 10);
SELECT toms.ask_all_rows($$SELECT max(name) FROM exp.employee WHERE name = 'Otto' AND nonsense$$);
SET toms.reason = 'a migration';
ALTER TABLE exp.employee ADD CONSTRAINT adult CHECK (born < '2010-01-01');
RESET toms.reason;
SELECT toms.run_as_owner('exp.employee', $$UPDATE exp.employee SET born = '2020-01-01' WHERE name = 'Otto'$$, '');
\set SHOW_CONTEXT never

SET toms.reason = 'end of the test';
DROP SCHEMA exp CASCADE;
DELETE FROM toms.recipient WHERE NOT shipped; DELETE FROM toms.person_column; DELETE FROM toms.disclosure; DELETE FROM toms.notice; DELETE FROM toms.provided_column; DELETE FROM toms.automated_decision;
