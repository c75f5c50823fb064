--
-- rights_inform: recipients are told of what becomes of data that they got (Art. 19 GDPR)
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = error;
CREATE SCHEMA inf AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA inf TO PUBLIC;
SELECT count(*) > 0 FROM toms.load_purposes('absence');
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE inf.person (id integer PRIMARY KEY, tenant text NOT NULL, name text, town text);
INSERT INTO inf.person VALUES (671, 'acme', 'Ida', 'Bonn'), (672, 'acme', 'Otto', 'Ulm'), (673, 'acme', 'Uwe', 'Ulm');
RESET SESSION AUTHORIZATION;
SELECT toms.protect('inf.person', tenant => 'tenant', subject => 'id');

SET SESSION AUTHORIZATION regress_officer;
CREATE FUNCTION pg_temp.instructed(of_kind text, of_subject text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    given bigint := toms.record_instruction('acme', of_kind, 'controller', 'do so', of_subject);
BEGIN
    PERFORM toms.confirm_instruction(given);
    RETURN given;
END $$;
SELECT toms.add_recipient(n, 'other', 'DE', '{personal}', contact => n || '@x.example') FROM unnest('{insurer,payroll,printer}'::text[]) n;
SELECT toms.export_subject('acme', '671', pg_temp.instructed('export', '671'), recipient => 'insurer') -> 'data' IS NOT NULL,
       toms.export_subject('acme', '671', pg_temp.instructed('export', '671')) -> 'data' IS NOT NULL,             -- for himself: nobody to tell
       toms.export_subject('acme', '672', pg_temp.instructed('export', '672'), recipient => 'printer') -> 'data' IS NOT NULL,
       toms.record_disclosure('acme', 'payroll', '{personal}', 'absence_management') > 0;                       -- of all
SELECT s, array_agg(r.recipient) FROM unnest('{671,672,673}'::text[]) s, toms.recipients_to_inform('acme', s) r GROUP BY 1 ORDER BY 1;

-- each of the four; a dry run, and a second call with the same instruction, leave none
SELECT pg_temp.instructed('rectify', '671') AS rectify, pg_temp.instructed('restrict', '671') AS restrict, pg_temp.instructed('unrestrict', '671') AS unrestrict, pg_temp.instructed('erase', '671') AS erase \gset
SELECT toms.rectify_subject('acme', '671', 'inf.person', '{"town": "Trier"}', :rectify, dry_run => true) -> 'inform';
SELECT count(*) FROM toms.notices;
SELECT toms.rectify_subject('acme', '671', 'inf.person', '{"town": "Trier"}', :rectify) -> 'inform';
SELECT toms.restrict_subject('acme', '671', :restrict) -> 'inform';
SELECT toms.restrict_subject('acme', '671', :restrict) -> 'inform';
SELECT toms.export_subject('acme', '671', pg_temp.instructed('export', '671')) #>> '{data,inf.person,0,town}';      -- he is told what is restricted too
SELECT toms.unrestrict_subject('acme', '671', :unrestrict, told_at => clock_timestamp()) -> 'inform';
SELECT sum(deleted) FROM toms.erase_subject('acme', '671', :erase, dry_run => true);
SELECT about, array_agg(recipient ORDER BY recipient), min(contact), bool_and(informed_at IS NULL) FROM toms.notices GROUP BY 1 ORDER BY 1;
SELECT sum(deleted) FROM toms.erase_subject('acme', '671', :erase);
SELECT count(*) > 0 FROM toms.erase_subject('acme', '671', :erase);
SELECT about, recipient, instruction = :erase, categories FROM toms.notices WHERE about = 'erase' ORDER BY recipient;

-- nobody knows any more who he was: what went to all is left, what went to others is as it was
SELECT s, array_agg(r.recipient) FROM unnest('{671,672}'::text[]) s, toms.recipients_to_inform('acme', s) r GROUP BY 1 ORDER BY 1;
SELECT recipient, count(person), count(*) FROM toms.disclosure GROUP BY 1 ORDER BY 1;
SELECT count(toms.record_informed(id)) FROM toms.notices WHERE recipient = 'insurer' AND about <> 'unrestrict';
SELECT about, recipient FROM toms.notices WHERE informed_at IS NULL ORDER BY 1, 2;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_hr;
SELECT regress.verdict('SELECT * FROM toms.notices'), regress.verdict('SELECT toms.recipients_to_inform(''acme'', ''672'')'), regress.verdict('SELECT toms.record_informed(1)');
RESET SESSION AUTHORIZATION;
SET toms.reason = 'end of the test';
DROP SCHEMA inf CASCADE;
DELETE FROM toms.recipient WHERE NOT shipped; DELETE FROM toms.disclosure; DELETE FROM toms.notice; DELETE FROM toms.rectification; DELETE FROM toms.restriction; DELETE FROM toms.erasure;
