--
-- evidence_review: what a database cannot see has an owner, evidence and a review by a date
--
-- The promise: a measure of which nobody has said who answers for it fails the check, one that nobody has reviewed in time is
-- overdue, and one is not applicable only because a person said so, with a reason.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SELECT clock_timestamp() AS start \gset
CREATE ROLE regress_dpo LOGIN;
SELECT toms.grant_officer('regress_dpo', 'auditor');
-- state(measure): what the check says of it, and what it advises
CREATE FUNCTION regress.state(measure text, lang text DEFAULT 'en') RETURNS TABLE (status text, evidence text, remedy text) LANGUAGE sql AS $$
    SELECT c.status, c.evidence, c.remedy FROM toms.check(lang) c WHERE c.measure = state.measure
$$;

-- the buildings of the provider: nobody has said anything yet
SET SESSION AUTHORIZATION regress_dpo;
SELECT * FROM regress.state('A-1.1');
-- who answers for it is for an officer of duty admin to say
SELECT toms.record_measure('A-1.1', owner => 'Head of operations', evidence => 'ISO 27001 certificate no. 4711');
RESET SESSION AUTHORIZATION;
SELECT toms.record_measure('A-1.1', owner => 'Head of operations', evidence => 'ISO 27001 certificate no. 4711');
SET SESSION AUTHORIZATION regress_dpo;
SELECT * FROM regress.state('A-1.1');
-- the officer reviews it
SELECT toms.record_review('A-1.1', by => 'R. Lang', result => 'certificate seen', next_due => current_date + 365) IS NOT NULL;
SELECT status, regexp_replace(evidence, '\d{4}-\d\d-\d\d', '(day)', 'g'), remedy FROM regress.state('A-1.1');
SELECT status, regexp_replace(evidence, '\d{4}-\d\d-\d\d', '(day)', 'g') FROM regress.state('A-1.1', 'de');
SELECT measure, owner, evidence, reviewer, result, next_due = current_date + 365 FROM toms.measure_reviews WHERE measure = 'A-1.1';
-- a year later
RESET SESSION AUTHORIZATION;
UPDATE toms.measure_review SET next_due = current_date - 2 WHERE measure = 'A-1.1';
SET SESSION AUTHORIZATION regress_dpo;
SELECT status, regexp_replace(evidence, '\d{4}-\d\d-\d\d', '(day)', 'g'), remedy FROM regress.state('A-1.1');

-- what does not apply here: an officer of duty admin says so, in the name of a person
SELECT toms.exclude_measure('A-1.1', by => 'R. Lang', reason => 'no premises of our own');
RESET SESSION AUTHORIZATION;
SELECT toms.exclude_measure('A-1.1', by => 'R. Lang', reason => NULL);
SELECT toms.exclude_measure('A-1.1', by => 'R. Lang', reason => 'no premises of our own');
SELECT measure, decided_by, reason FROM toms.excluded_measures;
SELECT status, regexp_replace(evidence, '\d{4}-\d\d-\d\d', '(day)', 'g'), remedy FROM regress.state('A-1.1');
SELECT toms.include_measure('A-1.1');
SELECT status FROM regress.state('A-1.1');

-- a measure that is several promises: each is answered for by itself, one that the database sees by the probe, and the worst is the measure's
SELECT part, title_en, title_de, probed, reviewed FROM toms.measure_part WHERE measure = 'P-W.1' ORDER BY position;
-- of one probe each has what is about it: sessions that wait are not how one gets in
SELECT DISTINCT r.part, substring(r.phrase FROM '^(auth|idle)_') AS about FROM toms.check_rows('{T-A2.11}') r WHERE r.phrase ~ '^(auth|idle)_' ORDER BY 1, 2;
SELECT toms.record_measure('P-W.1', owner => 'IT', evidence => 'everything is encrypted');          -- refused: which of them?
SELECT toms.record_review('P-W.1', by => 'R. Lang', result => 'seen', next_due => current_date + 365);
CREATE FUNCTION regress.parts() RETURNS TABLE (part text, said text) LANGUAGE sql AS $$
    SELECT r.part, string_agg(DISTINCT r.status, ', ') FROM toms.check_rows('{P-W.1}') r WHERE r.part <> 'P-W.1/4' GROUP BY r.part ORDER BY r.part
$$;
SELECT * FROM regress.parts();
SELECT toms.record_measure('P-W.1/1', owner => 'IT', evidence => 'VPN'), toms.record_review('P-W.1/1', by => 'R. Lang', result => 'certificates seen', next_due => current_date + 365) > 0,
       toms.record_measure('P-W.1/2', owner => 'IT', evidence => 'list of devices'), toms.record_review('P-W.1/2', by => 'R. Lang', result => 'two of ten tried', next_due => current_date + 365) > 0;
SELECT toms.record_measure('P-W.1/3', owner => 'IT', evidence => 'mail server'), toms.record_review('P-W.1/3', by => 'R. Lang', result => 'seen', next_due => current_date + 365) > 0;
UPDATE toms.measure_review SET next_due = current_date - 2 WHERE measure = 'P-W.1/3';
SELECT * FROM regress.parts();
SELECT status, status = (SELECT status FROM regress.state('P-W.1')) FROM toms.check_rows('{P-W.1}') WHERE n = 1;
SELECT toms.exclude_measure('P-W.1/5', by => 'R. Lang', reason => 'nothing goes into a cloud');
SELECT toms.record_review('P-W.1/3', by => 'R. Lang', result => 'seen', next_due => current_date + 365) > 0;
SELECT * FROM regress.parts();
SELECT DISTINCT r.part FROM toms.check_rows('{P-W.1}') r WHERE r.phrase LIKE 'tls%';
SELECT unnest(regexp_matches(evidence, '^(?:Remote access|Files).*$', 'gn')) ~ '^(Remote access: (Answered for by IT; evidence: VPN|Reviewed on .*)|Files for cloud storage: Not applicable: nothing goes into a cloud .*)\.$' FROM regress.state('P-W.1');
SELECT unnest(regexp_matches(evidence, '^Fernzugriffe: Zuständig.*$', 'gn')) FROM regress.state('P-W.1', 'de');
DROP FUNCTION regress.parts();

-- what cannot be
SELECT toms.record_measure('P-W.1/6', owner => 'nobody', evidence => 'none');
SELECT toms.record_measure('A-0', owner => 'nobody', evidence => 'none');
SELECT toms.record_review('A-1.1', by => 'R. Lang', result => 'seen', next_due => current_date);
SELECT toms.record_review('A-1.1', by => '', result => 'seen', next_due => current_date + 1);
SELECT * FROM toms.check('fr');

-- who said it is in the audit trail
SELECT p.details ->> 'table', p.details ->> 'verb', p.details #>> '{new,measure}'
FROM toms.audit_entry e, LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb AS details OFFSET 0) p
WHERE e.kind = 'a' AND e.verb = 'C' AND p.details ->> 'table' LIKE 'measure\_%' AND e.at >= :'start' ORDER BY e.id;

SELECT toms.revoke_officer('regress_dpo', 'auditor');
TRUNCATE toms.measure_record, toms.measure_review, toms.measure_exclusion;
DROP FUNCTION regress.state(text, text);
DROP ROLE regress_dpo;
