--
-- evidence_words: a report in German is German
--
-- The promise: what stands in tables as a word of toms itself - a kind, a state, a category, a duty - is told in the reader's language, and
-- how long something is, too; names that somebody has given stay as they are.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET timezone = 'UTC';
-- toms's own words: all that its tables admit, and categories that come with it
CREATE FUNCTION regress.own_words() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT DISTINCT w.word[1]
    FROM (VALUES ('toms.officer', 'duty'), ('toms.instruction', 'state'), ('toms.request', 'kind'), ('toms.recipient', 'kind'), ('toms.recipient', 'transfer_instrument'), ('toms.transfer_rule', 'rule')) t (relation, col)
         JOIN pg_constraint c ON c.conrelid = t.relation::regclass AND c.contype = 'c' AND pg_get_constraintdef(c.oid) ~ ('\m' || t.col || '\M'), regexp_matches(pg_get_constraintdef(c.oid), '''([a-z_]+)''::text', 'g') w (word)
    UNION SELECT category FROM toms.category WHERE shipped
    UNION SELECT t.kind FROM toms.try_without_instruction() t
    UNION SELECT unnest('{async,sync,potential,quorum,streaming,catchup,startup,backup,stopping,physical,logical,end_of_month,end_of_year,pass,partial,overdue,fail,not_applicable}'::text[])
$$;
SELECT count(*) > 50 FROM regress.own_words();
SELECT w FROM regress.own_words() w WHERE toms.word(w, 'de') IS NULL OR toms.word(w, 'en') IS NULL ORDER BY w;
SELECT toms.say_words('role superuser in database async', 'de'), toms.say_words('health, tattoos, special', 'de'), toms.say_words('scc 2026-01-01 –2027-01-01', 'de'), toms.say_period('5min', 'de'), toms.say_period('1 year 2 mons', 'de'), toms.say_period('x', 'de');

-- a database in which much is wrong
CREATE ROLE regress_dpo LOGIN;
CREATE ROLE regress_left LOGIN;
SELECT toms.grant_officer('regress_dpo', 'auditor'), toms.grant_officer('regress_left', 'operator');
ALTER ROLE regress_left NOLOGIN;
ALTER ROLE regress_job SET row_security = on;
SELECT toms.add_tenant('elm', name => 'Elm KG', country => 'DE');
CREATE SCHEMA words;
CREATE TABLE words.visit (tenant text, person text, reason text, seen date NOT NULL);
CREATE TABLE words.bill (tenant text, person text, issued_on date NOT NULL, amount numeric);
SELECT toms.protect('words.visit', tenant => 'tenant', subject => 'person', category => 'health', free_text => 'accept', reason => 'a test'), toms.protect('words.bill', tenant => 'tenant', subject => 'person', category => 'billing');
SELECT toms.retain('words.bill', period => 'de_invoice', since => 'issued_on', restrict_after => '2 years', purposes => '{}') AS rule \gset
SELECT toms.declare_backup_tier('daily', every => '1 day', keep => '60 days') > 0;
SELECT toms.declare_copy('mail archive', 'Hamburg', '{personal,health}') > 0;
SELECT toms.add_recipient('Host GmbH', kind => 'processor', country => 'DE', categories => '{health}');
SELECT toms.add_recipient('Cloud Inc', kind => 'sub_processor', parent => 'Host GmbH', country => 'US', categories => '{health,billing}', transfer_instrument => 'scc', instrument_from => '2020-01-01', instrument_expires => '2021-01-01');
SELECT toms.record_request('elm', 'p1', 'access', now() - interval '90 days') > 0, toms.record_request('elm', 'p1', 'erase', now() - interval '90 days') > 0;
SELECT toms.record_instruction('elm', 'restrict', given_by => 'Elm', wording => 'by letter', subject => 'p1') AS i \gset
SELECT toms.confirm_instruction(:i);
UPDATE toms.instruction_event SET at = at - interval '90 days' WHERE instruction = :i;
SELECT toms.adopt_agreement('elm', 'DPA', '1', now() - interval '1 day', ARRAY(SELECT measure FROM toms.measure)) > 0;
UPDATE toms.agreement_level SET status = 'pass' WHERE measure IN ('A-7.1', 'A-7.2');
SELECT toms.seal_audit() >= 0;

-- left_over(report): lines in which one of toms's own words has been left as it stands in a table: not as part of a name, or of what the server calls something
CREATE FUNCTION regress.left_over(report text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT DISTINCT l.line FROM regexp_split_to_table(report, '\n') l (line)
    WHERE l.line ~ ('(^|[ >(„",;:])(' || (SELECT string_agg(w, '|') FROM regress.own_words() w WHERE w NOT IN ('export', 'backup', 'none')) || ')($|[ <)“",;:.])')
$$;
SELECT toms.report('markdown', 'elm', 'de') AS markdown, toms.report('html', 'elm', 'de') AS html, (SELECT string_agg(e #>> '{}', E'\n') FROM jsonb_path_query(toms.report('json', 'elm', 'de')::jsonb, '$.measures[*].evidence[*].text') e) AS json,
       (SELECT string_agg(evidence, E'\n') FROM toms.check('de')) AS said \gset
SELECT * FROM regress.left_over(:'markdown');
SELECT * FROM regress.left_over(regexp_replace(regexp_replace(:'html', '<style>.*</style>', ''), '<[^>]*>', E'\n', 'g'));
SELECT * FROM regress.left_over(:'json');
SELECT * FROM regress.left_over(:'said');
-- it was all there to be told
SELECT DISTINCT line COLLATE "C" AS line FROM regexp_split_to_table(regexp_replace(regexp_replace(:'said', '\d{4}-\d\d-\d\d', '(day)', 'g'), '(Weisung|Antrag) \d+', '\1 n', 'g'), '\n') line
WHERE line ~ 'Cloud Inc|Freitext auf|^Antrag|^Weisung|Aufgabe:|^Einträge der Art|verschlechtert' ORDER BY 1;
SELECT regexp_matches(:'markdown', 'mail archive: [^\n]*');

-- What hinders something was told in English when it happened; a report in German says it in German, whatever it is: a rule that failed, one
-- that cannot be carried out, an end of a contract that waits, a place for the log outside that cannot be used, a probe that breaks
-- english(report): lines in which there is a word of English, but for SQL and the name of an annex's section
CREATE FUNCTION regress.english(report text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT DISTINCT l.line FROM regexp_split_to_table(report, '\n') l (line)
    WHERE regexp_replace(l.line, '`[^`]*`|Privacy by Design', '', 'g') ~ '\m(the|its|is|are|of|not|and|any|cannot|others|been|by|has|for|into|permission|denied)\M'
$$;
SELECT * FROM regress.english(:'markdown');
SELECT * FROM regress.english(:'said');
BEGIN;
SELECT toms.retain('words.visit', keep => '1 year', since => 'seen') AS broken \gset
UPDATE toms.retention_rule SET zone = 'Mars/Olympus' WHERE id = :broken;
INSERT INTO toms.retention_run (rule, tenant, began_at, at, ended_at, problem) VALUES (:rule, 'elm', now(), now(), now(), 'SQLSTATE 23503, constraint bill_fkey, table words.bill, rows are locked by others');
INSERT INTO toms.tenant_end (state, tenant, ends_at, notified_at, opens_at, closes_at, announced_by, problem)
VALUES ('erasing', 'elm', now() - interval '9 days', now() - interval '9 days', now() - interval '9 days', now() - interval '3 days', 'test', '12345 rows are left: rows of words.bill cannot be deleted: SQLSTATE 23503 bill_fkey');
CREATE OR REPLACE FUNCTION toms.outside_fault() RETURNS text LANGUAGE sql AS $$ SELECT '"/mnt/log": the server cannot write into it' $$;
CREATE OR REPLACE FUNCTION toms.probe_lockout() RETURNS SETOF toms.probed LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'permission denied for the table' USING ERRCODE = 'insufficient_privilege'; END $$;
SELECT string_agg(toms.say(phrase, args, 'de'), E'\n') AS said, string_agg(toms.say(phrase, args, 'en'), E'\n') AS in_english
FROM toms.check_rows(ARRAY(SELECT measure FROM toms.measure WHERE probe IN ('retention', 'tenant_end', 'trail_integrity', 'lockout'))) \gset
ROLLBACK;
SELECT * FROM regress.english(:'said');
SELECT DISTINCT regexp_replace(line, '\d{4}-\d\d-\d\d|(?<=Regel )\d+', 'n', 'g') COLLATE "C" AS line FROM regexp_split_to_table(:'said', '\n') line
WHERE line ~ 'SQLSTATE|Zeitzone|übrig|/mnt/log' ORDER BY 1;
SELECT DISTINCT regexp_replace(line, '\d{4}-\d\d-\d\d|(?<=Rule )\d+', 'n', 'g') COLLATE "C" AS line FROM regexp_split_to_table(:'in_english', '\n') line
WHERE line ~ 'SQLSTATE|42501|time zone|rows are left|/mnt/log' ORDER BY 1;
-- a file that cannot be read; an error without a sentence or a SQLSTATE of its own; one that was written down before there was any
SELECT toms.say(phrase, args, 'de') FROM toms.certificate_faults('/nowhere/server.crt');
SELECT toms.say('retention_failed', ARRAY['7', 'words.bill', p], 'de') FROM unnest(ARRAY['could not extend the file', 'SQLSTATE 99999', 'another session carries out this rule', 'table words.bill is owned by a role that bypasses row security']) p;
SELECT toms.say('cert_unreadable', '{server.crt,"could not open the file"}', 'de');

-- the same, one word left out of the phrases: the test sees it
DELETE FROM toms.phrase WHERE phrase = 'word_sub_processor' AND lang = 'de';
SELECT count(*) > 0 FROM regress.left_over((SELECT string_agg(evidence, E'\n') FROM toms.check('de')));
INSERT INTO toms.phrase VALUES ('word_sub_processor', 'de', 'Unterauftragsverarbeiter');

DROP FUNCTION regress.english(text), regress.left_over(text), regress.own_words();
SET toms.reason = 'the test is over';
SELECT toms.unretain(:rule, reason => 'the test is over');
SELECT toms.unprotect('words.visit', reason => 'the test is over'), toms.unprotect('words.bill', reason => 'the test is over');
DROP SCHEMA words CASCADE;
RESET toms.reason;
DELETE FROM toms.agreement_level;
DELETE FROM toms.agreement WHERE tenant = 'elm';
DELETE FROM toms.copy_outside;
DELETE FROM toms.backup_tier;
DELETE FROM toms.retention_rule;
DELETE FROM toms.request WHERE tenant = 'elm';
DELETE FROM toms.instruction_event WHERE instruction = :i;
DELETE FROM toms.instruction WHERE tenant = 'elm';
DELETE FROM toms.recipient;
SELECT toms.revoke_officer('regress_dpo', 'auditor'), toms.revoke_officer('regress_left', 'operator');
DROP ROLE regress_dpo, regress_left;
ALTER ROLE regress_job RESET row_security;
DELETE FROM toms.key_epoch WHERE tenant = 'elm';
DELETE FROM toms.tenant WHERE tenant = 'elm';
