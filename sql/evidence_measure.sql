--
-- evidence_measure: every measure that is promised is listed, with a probe or a review that answers for it, in two languages
--
-- The promise: an auditor who holds one of the five annexes finds each of its measures here, under its heading, with the article
-- of the law, and with one sentence on what it does not cover; and what is said of it reads the same in English and in German.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'

SELECT count(*), count(DISTINCT position), count(*) FILTER (WHERE kind = 'enforced') AS enforced, count(*) FILTER (WHERE kind = 'checked') AS checked,
       count(*) FILTER (WHERE kind = 'recorded') AS recorded FROM toms.measure;
SELECT measure, system, control, kind, probe, reviewed, letter, source, article FROM toms.measure ORDER BY position;

-- what the database enforces or checks it has a probe for; what a person has to look at has a review
SELECT measure FROM toms.measure WHERE kind <> 'recorded' AND probe IS NULL OR kind = 'recorded' AND NOT reviewed;
-- each stands under a heading of the annex, and no heading is empty
SELECT m.measure, c.control FROM toms.measure m FULL JOIN toms.control c USING (control) WHERE m.measure IS NULL OR c.control IS NULL;
-- each probe is there, internal, and its search path is pinned
SELECT DISTINCT m.probe FROM toms.measure m WHERE m.probe IS NOT NULL AND to_regprocedure('toms.probe_' || m.probe || '()') IS NULL ORDER BY 1;
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace = 'toms'::regnamespace AND p.proname LIKE 'probe\_%' AND p.pronargs = 0
  AND (has_function_privilege('regress_stranger', p.oid, 'EXECUTE') OR NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)
       OR p.prorettype <> 'toms.probed'::regtype OR obj_description(p.oid, 'pg_proc') NOT LIKE 'internal: %');
-- and asked for by a measure, or by another probe
SELECT p.proname FROM pg_proc p
WHERE p.pronamespace = 'toms'::regnamespace AND p.proname LIKE 'probe\_%' AND p.pronargs = 0 AND NOT EXISTS (SELECT FROM toms.measure m WHERE 'probe_' || m.probe = p.proname)
  AND NOT EXISTS (SELECT FROM pg_proc o WHERE o.pronamespace = p.pronamespace AND o.proname LIKE 'probe\_%' AND o.oid <> p.oid AND o.prosrc LIKE '%toms.' || p.proname || '()%');

-- the letter is one of Art. 32(1) that the article names
SELECT measure, article, letter FROM toms.measure
WHERE letter IS NOT NULL AND position('Art. 32(1)(' || letter::text || ')' IN article) = 0;

-- nothing is empty, or in one language only; what a measure does not cover is a sentence, and not the same one everywhere
SELECT m.measure FROM toms.measure m, LATERAL (VALUES (m.title_en, m.title_de), (m.limit_en, m.limit_de)) AS said (en, de)
WHERE length(en) < 20 OR length(de) < 20 OR en = de;
SELECT measure FROM toms.measure WHERE limit_en !~ '^[A-Z].*\.$' OR limit_de !~ '^[A-ZÄÖÜ].*\.$' OR title_en ~ '\.$' OR title_de ~ '\.$';
SELECT limit_en, count(*) FROM toms.measure GROUP BY limit_en HAVING count(*) > 1;
SELECT limit_de, count(*) FROM toms.measure GROUP BY limit_de HAVING count(*) > 1;

-- each phrase in both languages; a sentence is another one in each, with as many arguments (a period of time is an argument for each
-- language), and a % stands for an argument or is doubled
SELECT phrase, en.text, de.text
FROM (SELECT * FROM toms.phrase WHERE lang = 'en') en FULL JOIN (SELECT * FROM toms.phrase WHERE lang = 'de') de USING (phrase)
WHERE en.phrase IS NULL OR de.phrase IS NULL OR '' IN (en.text, de.text) OR en.text = de.text AND en.text ~ '\.$'
   OR en.phrase NOT IN ('probe_failed', 'cert_unreadable', 'hba_error', 'administrators_open')        -- the server's own words, in English alone
   AND (SELECT count(DISTINCT a[1]) FROM regexp_matches(en.text, '%\d\$[swkape]', 'g') a) <> (SELECT count(DISTINCT a[1]) FROM regexp_matches(de.text, '%\d\$[swkape]', 'g') a)
   OR replace(regexp_replace(en.text || de.text, '%\d\$[swkape]', '', 'g'), '%%', '') LIKE '%\%%';
