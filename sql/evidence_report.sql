--
-- evidence_report: the annex of technical and organisational measures, as it holds, for one controller or all
--
-- The promise: the report of a controller has the measures that were agreed on with him and what was found of each, nothing of
-- another controller, and no advice to the operator; it says what it does not speak of.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE ROLE regress_dpo LOGIN;
SELECT toms.grant_officer('regress_dpo', 'auditor');
SELECT toms.add_tenant('ash', name => 'Ash KG', country => 'DE'), toms.add_tenant('birch', name => 'Birch Ltd');
SELECT toms.set_processor('Example Software GmbH', 'Hafenstraße 1, Hamburg', 'privacy@example.com', dpo => 'Dr. Rita Lang');
CREATE SCHEMA paper;
CREATE TABLE paper.note (tenant text, person text, body text);
CREATE TABLE paper.scrap (body text);
CREATE TABLE paper.birch_scrap (body text);
SELECT toms.protect('paper.note', tenant => 'tenant', subject => 'person');
SELECT toms.seal_audit() >= 0;
-- what a probe could find: of everybody, of Ash alone, of Birch alone; a name within a sentence
CREATE FUNCTION regress.findings() RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(to_jsonb(f)) FROM (VALUES
        ('A-2.1', 1, 'pass', 'review_owned', '{R. Lang,file 7}'::text[], NULL, NULL),
        ('A-2.1', 2, 'fail', 'review_owned', '{Birch\, secretly,file 8}', 'SELECT ''mend birch''', 'birch'),
        ('A-3.2', 1, 'partial', 'review_owned', '{R. Lang,"lists of Birch Ltd (birch), Globex AG, ash and 12 others, BIRCH LTD: birch.note of birch_hr"}', 'SELECT ''mend ash''', 'ash'),
        ('A-6.1', 1, 'fail', 'review_owned', '{birch,file 9}', 'SELECT ''mend birch again''', 'birch'),
        ('A-7.1', 1, 'fail', 'probe_failed', '{"row (birch, 4711) is wrong",XX000}', NULL, NULL),
        ('A-2.3', 1, 'pass', 'review_owned', ARRAY['R. Lang', current_setting('data_directory') || '/pg_hba.conf'], NULL, NULL)) f (measure, n, status, phrase, args, remedy, tenant)
$$;
CREATE FUNCTION regress.document(tenant text, lang text DEFAULT 'en') RETURNS jsonb LANGUAGE sql AS $$ SELECT toms.report_document(regress.findings(), tenant, lang, NULL) $$;
-- told(document): measures with what is said of them
CREATE FUNCTION regress.told(document jsonb) RETURNS TABLE (measure text, status text, evidence text, remedies text) LANGUAGE sql AS $$
    SELECT m ->> 'measure', m ->> 'status', (SELECT string_agg(e ->> 'text', ' ' ORDER BY n) FROM jsonb_array_elements(m -> 'evidence') WITH ORDINALITY x (e, n)), m ->> 'remedies'
    FROM jsonb_array_elements(document -> 'measures') m WHERE m ->> 'measure' IN ('A-2.1', 'A-3.2', 'A-6.1', 'A-7.1')
$$;

--
-- Who gets it, and in which form
--
SET SESSION AUTHORIZATION regress_hr;
SELECT regress.verdict('SELECT toms.report()');                                             -- refused: no officer
SET SESSION AUTHORIZATION regress_dpo;
SELECT regress.verdict($$SELECT toms.report('pdf')$$);
SELECT regress.verdict($$SELECT toms.report(tenant => 'elm')$$);
SELECT regress.verdict($$SELECT toms.report(lang => 'fr')$$);
SELECT regress.verdict($$SELECT toms.report(as_of => now() + interval '1 day')$$);
SELECT r LIKE E'<!DOCTYPE html>\n<html lang="de">%', r ~ '<h1>Technische und organisatorische Maßnahmen</h1>', r ~ 'Zugriffskontrolle' FROM toms.report('html', 'ash', 'de') r;
SELECT toms.report('json', 'ash') AS report \gset
SELECT r ->> 'type', r ->> 'tenant', r #>> '{processor,name}', r #>> '{controller,name}', r ->> 'agreement' FROM (SELECT :'report'::jsonb) j (r);
-- every measure that toms knows, as long as nothing else was agreed on, is in it once
SELECT jsonb_array_length(r -> 'measures') = (SELECT count(*) FROM toms.measure), (SELECT sum(c.value::integer) FROM jsonb_each_text(r -> 'counts') c) = (SELECT count(*) FROM toms.measure)
FROM (SELECT :'report'::jsonb) j (r);
RESET SESSION AUTHORIZATION;

SELECT r LIKE E'<!DOCTYPE html>\n<html lang="en">%', r ~ '<h1>Technical and organisational measures</h1>' FROM toms.print_report(regress.document('ash'), 'html') r;
SELECT r LIKE E'# Technical and organisational measures\n%', r LIKE '% -->' FROM toms.print_report(regress.document('ash'), 'markdown') r;

--
-- Of all controllers, and of one: no row of another, no name of another within a sentence, no message of an error, no remedy
--
SELECT * FROM regress.told(regress.document(NULL));
SELECT * FROM regress.told(regress.document('ash'));
SELECT regress.document('ash')::text ~* 'birch|mend|4711' AS names_another, toms.report_html(regress.document('ash')) ~* 'birch|mend|4711', toms.report_markdown(regress.document('ash')) ~* 'birch|mend|4711';
SELECT * FROM regress.told(regress.document('birch'));
SELECT toms.report_html(regress.document(NULL)) ~ 'SELECT &#39;mend birch&#39;';             -- the operator's own report has it
SELECT position(current_setting('data_directory') IN regress.document('ash')::text) > 0, regress.document('ash')::text ~ 'pg_hba.conf', position(current_setting('data_directory') IN regress.document(NULL)::text) > 0;

-- a tenant whose name is a number: where it is a name it is not told, and where it is a number it stays
SELECT toms.add_tenant('17', name => 'Seventeen');
SELECT e ->> 'text'
FROM jsonb_path_query(toms.report_measures((SELECT jsonb_agg(jsonb_build_object('measure', 'A-2.1', 'n', n, 'status', 'pass', 'phrase', f.phrase, 'args', f.args)) FROM (VALUES
    (1, 'login_no_end', '{17}'::text[]), (2, 'permissions_declared', '{17,2,17}'), (3, 'tenants_shared', '{hr.visits_17}'), (4, 'tenants_shared', '{"\"17\".visits, \"of 17\".notes, hr.\"17\""}'),
    (5, 'review_owned', '{"PostgreSQL 17.2 at 10.17.0.1, port 17, since 2026-11-17","17_a, a_17_b, a17"}')) f (n, phrase, args)), 'ash', 'en', '{A-2.1}', 'report_nothing'), '$[*].evidence[*]') e;
DELETE FROM toms.key_epoch WHERE tenant = '17';
DELETE FROM toms.tenant WHERE tenant = '17';

-- of a measure that is several promises, each with a result of its own; of a tenant, only what was found of him
CREATE FUNCTION regress.premises(tenant text, lang text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT m FROM jsonb_array_elements(toms.report_measures((SELECT jsonb_agg(to_jsonb(f)) FROM (VALUES
        ('R-1.1', 'R-1.1/1', 1, 'fail', 'review_unowned', NULL::text[], NULL, 'birch'), ('R-1.1', 'R-1.1/2', 2, 'overdue', 'review_none', NULL, NULL, NULL),
        ('R-1.1', 'R-1.1/1', 3, 'pass', 'review_owned', '{R. Lang,key register}', NULL, NULL), ('R-1.1', NULL, 4, 'pass', 'findings_none', NULL, NULL, NULL)) f (measure, part, n, status, phrase, args, remedy, tenant)),
        premises.tenant, premises.lang, '{R-1.1}', 'report_nothing')) m
$$;
SELECT m ->> 'status', m -> 'parts', m -> 'evidence' FROM regress.premises(NULL, 'en') m;
SELECT m ->> 'status', m -> 'parts' FROM regress.premises('ash', 'de') m;
SELECT regexp_replace(toms.markdown_measure(regress.premises(NULL, 'de'), 'de'), '\nNicht umfasst.*', '');
SELECT m FROM regexp_matches(toms.html_evidence(regress.premises(NULL, 'de'), 'de'),
    '<p class="part"><span class="badge ([a-z]*)"><svg[^>]*><use[^>]*></svg>([^<]*)</span> <span class="id">([^<]*)</span><bdi>([^<]*)</bdi></p><ul class="evidence"><li class="e-([a-z]*)">', 'g') m;
DROP FUNCTION regress.premises(text, text);

--
-- What was agreed on, and what is more than toms knows
--
SELECT toms.adopt_agreement('ash', 'DPA', '1', now() - interval '2 days', '{A-3.2,A-2.1}') > 0;
UPDATE toms.agreement SET measures = measures || '{Z-1}' WHERE tenant = 'ash';             -- of another version of toms
SELECT r -> 'agreement' -> 'version', r #> '{agreement,unknown}', jsonb_path_query_array(r, '$.measures[*].measure'), r -> 'counts' FROM regress.document('ash') r;
SELECT toms.report_html(regress.document('ash')) ~ 'about which this database can say nothing: <bdi>Z-1</bdi>';
-- another version, from tomorrow on, is not in force yet
SELECT toms.adopt_agreement('ash', 'DPA', '2', now() + interval '1 day', '{A-1.1}') > 0;
SELECT r -> 'agreement' -> 'version' FROM regress.document('ash') r;
-- processor and agreement are those of the day of which the report speaks
SELECT r -> 'agreement', r -> 'processor' FROM toms.report_document('[]', 'ash', 'en', now() - interval '3 days') r;

-- of a day on which nothing was looked at, nothing is claimed; of one on which it was, what was found then
SELECT DISTINCT m ->> 'status', m #>> '{evidence,0,text}' FROM jsonb_path_query(toms.report('json', 'ash', as_of => now() - interval '3 days')::jsonb, '$.measures[*]') m;
SELECT toms.record_check() > 0;
SELECT r ->> 'as_of' IS NOT NULL, jsonb_path_exists(r, '$.measures[*].evidence[*].text ? (@ == "It had not been looked at then.")') FROM (SELECT toms.report('json', 'ash', as_of => clock_timestamp())::jsonb) j (r);

--
-- What it speaks of, and what it does not
--
SELECT r #> '{scope,unprotected_tables}' @> '["paper.scrap"]', r #> '{scope,unprotected_tables}' @> '["paper.note"]' FROM regress.document('ash') r;
SELECT toms.declare_copy('warehouse', 'Vienna', '{personal}', tenants => '{birch}') > 0, toms.declare_copy('mail archive', 'Hamburg', '{personal,health}') > 0;
SELECT regress.verdict($$SELECT toms.declare_copy('warehouse', 'Vienna', '{personal}')$$);  -- refused: it has been
SELECT regress.verdict($$SELECT toms.declare_copy('files', 'Vienna', '{secrets}')$$);       -- refused: no such category
SELECT regress.verdict($$SELECT toms.declare_copy('files', 'Vienna', '{personal}', tenants => '{elm}')$$);
SELECT jsonb_path_query_array(regress.document(t), '$.scope.copies[*].name') FROM unnest('{ash,birch,NULL}'::text[]) t;
SELECT regress.document(NULL) #> '{scope,databases_without_toms}' @> '["postgres"]', regress.document('ash') #> '{scope,databases_without_toms}';    -- another database may be another controller's
SET SESSION AUTHORIZATION regress_dpo;
SELECT name, details ->> 'place' FROM toms.data_scope('ash') WHERE kind = 'copy';
SELECT name, details FROM toms.data_scope() WHERE name LIKE 'paper.%';
SELECT regress.verdict($$SELECT toms.end_copy('warehouse', 'gone')$$);                      -- refused: that is for the duty admin
RESET SESSION AUTHORIZATION;
SELECT toms.end_copy('warehouse', 'deleted by R. Lang'), toms.end_copy('mail archive', 'deleted by R. Lang');
SELECT regress.document(NULL) #> '{scope,copies}';
SELECT regress.document(NULL) #>> '{algorithms,0,name}', regress.document(NULL) #>> '{algorithms,0,bits}';

--
-- What has changed between two reports
--
SELECT toms.print_report(regress.document(NULL), 'json') AS older \gset
SELECT toms.print_report(jsonb_set(jsonb_set(d, '{measures}', (SELECT jsonb_agg(CASE m ->> 'measure' WHEN 'A-6.1' THEN m || '{"status": "pass", "evidence": [{"status": "pass", "text": "All is well."}]}' ELSE m END)
                                                                FROM jsonb_array_elements(d -> 'measures') m WHERE m ->> 'measure' <> 'A-7.1')), '{tenant}', 'null'), 'json') AS newer FROM regress.document(NULL) d \gset
SET SESSION AUTHORIZATION regress_dpo;
SELECT * FROM toms.report_difference(:'older', :'newer');
SELECT count(*) FROM toms.report_difference(:'older', :'older');
SELECT regress.verdict(format('SELECT toms.report_difference(%L, %L)', replace(:'older', '"fail"', '"pass"'), :'newer'));       -- refused: it was altered
SELECT regress.verdict(format('SELECT toms.report_difference(%L, %L)', '{}', :'newer'));                                        -- refused: no report
RESET SESSION AUTHORIZATION;
SELECT regress.verdict(format('SELECT toms.report_difference(%L, %L)', toms.print_report(regress.document(NULL, 'de'), 'json'), :'newer'));     -- refused: two languages
SELECT valid, problem FROM toms.verify_certificate(:'older');                               -- a report does not pass for a certificate

--
-- Can one be made now? The probe, and what mends it
--
SELECT status, phrase, remedy FROM toms.run_probe('report');
BEGIN;
ALTER FUNCTION toms.report_html(jsonb) RENAME TO report_paper;
SELECT status, phrase, args FROM toms.run_probe('report');
ROLLBACK;
BEGIN;
DELETE FROM toms.phrase WHERE phrase = 'report_l_result' AND lang = 'de';
SELECT status, phrase, args FROM toms.run_probe('report');
ROLLBACK;
SELECT status, phrase, remedy FROM toms.run_probe('report');

-- legal references and headings of annexes are whole, and in one language
SELECT measure, toms.say_article(article, 'de'), toms.say_source(source, 'de') FROM toms.measure
WHERE toms.say_article(article, 'de') !~ '^Art\. [^§]*\d( lit\. [a-z])?( letzter Unterabsatz)? DSGVO(, §.*)?$' OR toms.say_article(article, 'de') ~ '\(|no\. |last' OR toms.say_source(source, 'de') ~ 'agreement|annex|nos?\. ';
SELECT toms.say_article('Art. 9(1), Art. 32(1)(a), § 22(2) no. 7 BDSG', 'de'), toms.say_article('Art. 44, Art. 45', 'en'), toms.say_source('Timeclock agreement, annex, 2 Verschlüsselung, no. 9', 'de');

SELECT toms.unprotect('paper.note', reason => 'the test is over');
DROP SCHEMA paper CASCADE;
DROP FUNCTION regress.told(jsonb), regress.document(text, text), regress.findings();
SELECT toms.revoke_officer('regress_dpo', 'auditor');
DROP ROLE regress_dpo;
DELETE FROM toms.agreement WHERE tenant = 'ash';
DELETE FROM toms.check_run;
DELETE FROM toms.check_result;
DELETE FROM toms.copy_outside;
DELETE FROM toms.processor;
DELETE FROM toms.key_epoch WHERE tenant IN ('ash', 'birch');
DELETE FROM toms.tenant WHERE tenant IN ('ash', 'birch');
