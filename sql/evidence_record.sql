--
-- evidence_record: the record of processing on behalf of each controller (Art. 30(2) GDPR), and who may and could do what
--
-- The promise: what Art. 30(2) asks for is either in the record or named by the check, with the call that says it; and an officer
-- can tell who could read a table on a day, by permission and past it.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE ROLE regress_dpo LOGIN;
SELECT toms.grant_officer('regress_dpo', 'auditor');
-- probe(name): what fails, its remedy; mend(name): every remedy is run as it is printed
CREATE FUNCTION regress.probe(name text) RETURNS TABLE (status text, phrase text, args text[], remedy text, tenant text) LANGUAGE sql AS $$
    SELECT p.* FROM toms.run_probe(name) p ORDER BY p.status, p.phrase, p.args
$$;
CREATE FUNCTION regress.mend(name text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    sql text;
    run integer := 0;
BEGIN
    FOR sql IN SELECT DISTINCT p.remedy FROM toms.run_probe(name) p WHERE p.status <> 'pass' LOOP
        EXECUTE sql;
        run := run + 1;
    END LOOP;
    RETURN run;
END
$$;
CREATE SCHEMA office;
CREATE TABLE office.file (tenant text, person text, body text, place text);
GRANT USAGE ON SCHEMA office TO regress_hr;
SELECT toms.add_purpose('filing', description => 'keeping the files of staff', legal_basis => 'Art. 6(1)(b) GDPR');
SELECT toms.add_purpose('sorting', description => 'sorting files', legal_basis => 'Art. 6(1)(f) GDPR');

--
-- The probe: nobody has said anything yet
--
UPDATE toms.tenant SET address = NULL, contact = NULL;
SELECT * FROM regress.probe('record') WHERE phrase <> 'record_no_purpose';
SELECT toms.say(phrase, args, 'en') FROM regress.probe('record') WHERE tenant = 'acme';
-- each remedy, as printed, mends it; the officer writes what the dots stand for
SELECT toms.protect('office.file', tenant => 'tenant', subject => 'person');
SELECT toms.label_column('office.file', 'place', category => 'location', optional => true);
SELECT toms.permit(role => 'regress_hr', relation => 'office.file', verbs => '{select,insert}', purposes => '{filing}', scope => 'tenant') IS NOT NULL;
SELECT regress.mend('record') > 0;
SELECT * FROM regress.probe('record');
SELECT name, address, contact, dpo FROM toms.processor;
-- a processor without a data protection officer says that he needs none
SELECT toms.set_processor('Example Software GmbH', 'Hafenstraße 1, Hamburg', 'privacy@example.com');
SELECT status, phrase, remedy FROM regress.probe('record');
SELECT regress.mend('record');
SELECT status, phrase FROM regress.probe('record');
SELECT count(*) FROM toms.processor;                                                        -- who it was before is still told
SELECT toms.set_processor('Example Software GmbH', 'Hafenstraße 1, Hamburg', 'privacy@example.com', dpo => 'Dr. Rita Lang, dpo@example.com');
SELECT toms.set_processor('Example Software GmbH', 'Hafenstraße 1, Hamburg', 'privacy@example.com', dpo => 'Dr. Rita Lang, dpo@example.com');
SELECT count(*) FROM toms.processor;                                                        -- the same again is nothing new
-- a controller outside of the EEA has a representative (Art. 27)
SELECT toms.update_tenant('globex', country => 'US');
SELECT status, phrase, args, remedy FROM regress.probe('record');
SELECT regress.mend('record');
SELECT status, phrase FROM regress.probe('record');
-- a recipient in a third country of whom a controller was told, without an instrument
SELECT toms.add_recipient('Cloud Inc.', kind => 'processor', country => 'US', categories => '{personal}');
SELECT toms.add_recipient('Print & Post', kind => 'processor', country => 'AT', categories => '{personal}', contact => 'post@example.at');
SELECT toms.consent_to_recipient('Cloud Inc.', 'acme'), toms.consent_to_recipient('Print & Post', 'acme');
SELECT status, phrase, args, remedy, tenant FROM regress.probe('record');
SELECT regress.mend('record');
SELECT status, phrase FROM regress.probe('record');
-- what cannot be
SELECT regress.verdict($$SELECT toms.set_processor('Example', '', 'x')$$);
SELECT regress.verdict($$SELECT toms.update_tenant('elm', contact => 'x')$$);
SELECT regress.verdict($$SELECT toms.describe_persons('pg_class', 'everybody')$$);
SET SESSION AUTHORIZATION regress_dpo;
SELECT regress.verdict($$SELECT toms.set_processor('Example', 'x', 'x')$$);                 -- refused: that is for the duty admin
SELECT regress.verdict($$SELECT * FROM toms.processing_record('elm')$$);
RESET SESSION AUTHORIZATION;

--
-- The record itself, as it is handed in
--
SELECT toms.update_tenant('acme', address => 'Werksallee 1, Stuttgart', contact => 'hr@acme.example', dpo => 'Jens Öztürk', country => 'DE');
SELECT toms.adopt_agreement('acme', 'DPA', '1', '2026-01-01', '{A-2.1,A-3.2}') > 0;
SELECT toms.consent_to_recipient('Cloud Inc.', 'acme');
SET SESSION AUTHORIZATION regress_dpo;
SELECT section, item, CASE section WHEN 'Technical and organisational measures' THEN left(value, 30) || '…' ELSE regexp_replace(value, 'Persons: .*office.file.person', 'Persons: … office.file.person') END FROM toms.processing_record('acme') WHERE item NOT IN (SELECT purpose FROM toms.purposes WHERE purpose <> 'filing');
SELECT section, count(*) FROM toms.processing_record('acme', 'de') GROUP BY section ORDER BY section COLLATE "C";
RESET SESSION AUTHORIZATION;
-- whose rows they are, in words; an optional category once the controller has it enabled
SELECT toms.describe_persons('office.file', 'staff');
SELECT value FROM toms.processing_record('acme') WHERE item = 'filing';
SELECT toms.record_instruction('acme', 'enable_category', 'Ms Able, ACME', 'places of files, please') AS instruction \gset
SELECT toms.confirm_instruction(:instruction);
SELECT toms.enable_category('acme', 'location', instruction => :instruction);
SELECT value FROM toms.processing_record('acme') WHERE item = 'filing';
SELECT value FROM toms.processing_record('globex') WHERE item = 'filing';

--
-- Who could read the file of person 17, and when
--
SELECT clock_timestamp() AS before_forbid \gset
SELECT toms.forbid(role => 'regress_hr', relation => 'office.file');
SELECT toms.permit(role => 'regress_employee', relation => 'office.file', verbs => '{select}', purposes => '{sorting}', scope => 'own', require_mfa => true) IS NOT NULL;
-- he has no privilege in the schema, and finds the table by its name
CREATE FUNCTION regress.file() RETURNS regclass LANGUAGE sql AS $$ SELECT relation FROM toms.protected_tables WHERE relation::text = 'office.file' $$;
SET SESSION AUTHORIZATION regress_dpo;
SELECT by, role, logins, verbs, purposes, scope, categories, valid_until IS NOT NULL AS ended, remark FROM toms.who_could_access(regress.file(), '17', :'before_forbid') WHERE by = 'permission';
SELECT by, role, logins, verbs, purposes, scope, categories, valid_until IS NOT NULL AS ended, remark FROM toms.who_could_access(regress.file(), '17') WHERE by = 'permission';
-- on a day on which the table was not protected, privileges decided
SELECT DISTINCT by, remark FROM toms.who_could_access(regress.file(), '17', '2026-01-01') WHERE by IN ('permission', 'privilege');
SELECT by, role, remark FROM toms.who_could_access(regress.file()) WHERE role IN ('regress_dpo', 'regress_officer', 'regress_migration');
SELECT count(*) FROM toms.who_could_access(regress.file()) WHERE by IN ('superuser', 'owner') AND remark LIKE 'as of now%';
SELECT regress.verdict($$SELECT * FROM toms.who_could_access(regress.file(), at => now() + interval '1 day')$$);
RESET SESSION AUTHORIZATION;
-- a person who is restricted
SELECT toms.record_instruction('acme', 'restrict', 'Ms Able, ACME', 'restrict 17', subject => '17') AS instruction \gset
INSERT INTO toms.restriction (tenant, subject, purposes, kind, instruction, restricted_by) VALUES ('acme', '17', '{sorting}', 'request', :instruction, 'test');
SELECT regexp_replace(remark, '\d{4}-\d\d-\d\d', '(day)') FROM toms.who_could_access(regress.file(), '17') WHERE by = 'permission';
DELETE FROM toms.restriction WHERE subject = '17' AND restricted_by = 'test';

--
-- Who may do what now, and when somebody last looked
--
SET SESSION AUTHORIZATION regress_hr;
SELECT regress.verdict('SELECT * FROM toms.access_review()');                               -- refused: no officer
SET SESSION AUTHORIZATION regress_dpo;
SELECT remark FROM toms.access_review() WHERE kind = 'review';
SELECT toms.record_review('A-2.4', by => 'R. Lang', result => 'as it should be', next_due => current_date + 90) IS NOT NULL;
SELECT role, remark, until::date = current_date + 90 FROM toms.access_review() WHERE kind = 'review';
SELECT role, logins, relation, verbs, purposes, scope, remark FROM toms.access_review() WHERE relation = 'office.file' AND kind = 'permission';
SELECT kind, role, scope FROM toms.access_review() WHERE role IN ('regress_dpo', 'regress_migration', 'regress_job');
SELECT count(*) > 0, bool_and(remark IS NOT NULL) FROM toms.access_review() WHERE kind IN ('superuser', 'owner', 'keys');
RESET SESSION AUTHORIZATION;
GRANT pg_read_server_files TO regress_stranger;
SELECT kind, role, remark FROM toms.access_review() WHERE role = 'regress_stranger';        -- who reads files of the server reads keys
REVOKE pg_read_server_files FROM regress_stranger;
SELECT count(*) FROM toms.access_review() WHERE role = 'regress_stranger';

SELECT toms.unprotect('office.file', reason => 'the test is over');
DROP SCHEMA office CASCADE;
DROP FUNCTION regress.probe(text), regress.mend(text), regress.file();
SELECT toms.revoke_officer('regress_dpo', 'auditor');
DROP ROLE regress_dpo;
UPDATE toms.tenant SET address = NULL, contact = NULL, dpo = NULL, representative = NULL, country = NULL;
DELETE FROM toms.recipient_event WHERE recipient IN ('Cloud Inc.', 'Print & Post');
DELETE FROM toms.recipient WHERE recipient IN ('Cloud Inc.', 'Print & Post');
DELETE FROM toms.agreement WHERE tenant = 'acme' AND name = 'DPA';
DELETE FROM toms.enabled_category WHERE tenant = 'acme' AND category = 'location';
DELETE FROM toms.person_group;
DELETE FROM toms.processor;
DELETE FROM toms.measure_review;
DELETE FROM toms.purpose WHERE purpose IN ('filing', 'sorting');
DELETE FROM toms.purpose_history WHERE purpose IN ('filing', 'sorting');
