--
-- evidence_agreement: no measure falls below what was agreed on with a controller
--
-- The promise: how each measure stood is recorded when an agreement is adopted. One that is worse later fails the check, with the
-- tenant, the agreement and the measure; what is mended is whole again, and another tenant hears nothing of it.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE FUNCTION regress.probe() RETURNS TABLE (status text, evidence text, remedy text, tenant text) LANGUAGE sql AS $$
    SELECT p.status, regexp_replace(toms.say(p.phrase, p.args, 'en'), '\d{4}-\d\d-\d\d', '(day)'), p.remedy, p.tenant
    FROM toms.run_probe('agreements') p WHERE p.tenant IN ('acme', 'globex') ORDER BY p.tenant, toms.status_rank(p.status), p.args
$$;
CREATE FUNCTION regress.mend(remedy text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE remedy; RETURN 'done'; END $$;

-- nothing is on record with either of them: the check says how to begin
SELECT * FROM regress.probe();
-- a measure that there is not cannot be agreed on
SELECT regress.verdict($$SELECT toms.adopt_agreement('acme', 'dpa', '1', now(), '{A-1.1,A-0.0}')$$);
SELECT count(*) FROM toms.agreement WHERE tenant IN ('acme', 'globex');

-- A-1.1 stands well; nobody has said anything of P-R.1, and acme agrees all the same
SELECT toms.record_measure('A-1.1', owner => 'Head of operations', evidence => 'certificate'), toms.record_review('A-1.1', by => 'R. Lang', result => 'seen', next_due => current_date + 365) > 0;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.adopt_agreement('acme', 'dpa', '1', now(), '{A-1.1,P-R.1,M-4.1,T-3.3}') AS dpa \gset
SELECT toms.adopt_agreement('globex', 'dpa', '1', now(), '{M-4.1}') > 0;
SELECT measure, status FROM toms.agreement_level WHERE agreement = :dpa ORDER BY measure;
SELECT regress.verdict('UPDATE toms.agreement_level SET status = ''fail''');
RESET SESSION AUTHORIZATION;
SELECT * FROM regress.probe();
SELECT status, tenant FROM toms.check_rows() WHERE measure = 'T-3.3' AND tenant IN ('acme', 'globex') ORDER BY tenant;      -- the check says the same

-- a year later nobody has looked at A-1.1 again
UPDATE toms.measure_review SET next_due = current_date - 2 WHERE measure = 'A-1.1';
SELECT * FROM regress.probe();
SELECT status, remedy FROM toms.check() WHERE measure = 'A-1.1';
SELECT status, unnest(regexp_matches(evidence, 'Maßnahme A-1.1.*?Abhilfe[^.]*\.')) FROM toms.check('de') WHERE measure = 'T-3.3';
-- what the check advises for the measure, as printed
SELECT regress.mend(c.remedy) FROM toms.check() c WHERE c.measure = 'A-1.1';
SELECT * FROM regress.probe();

-- an incident of which globex alone has not been told is a fault of his agreement, not of that of acme
SELECT toms.record_incident('contract_breach', now() - interval '10 days', '{globex}', 'something') AS incident \gset
SELECT * FROM regress.probe();
SELECT toms.record_incident_notice(:incident, 'globex', now(), 'letter', 'overlooked');
SELECT * FROM regress.probe();

-- what was agreed on cannot be done away with by saying that it does not apply
SELECT toms.exclude_measure('A-1.1', by => 'R. Lang', reason => 'premises sold');
SELECT status, evidence FROM regress.probe() WHERE tenant = 'acme';
-- unless another version is agreed on
SELECT toms.adopt_agreement('acme', 'dpa', '2', now(), '{P-R.1}') > 0;
SELECT status, evidence FROM regress.probe() WHERE tenant = 'acme';
SELECT toms.adopt_agreement('acme', 'dpa', '3', now(), '{}') > 0;
SELECT status, evidence FROM regress.probe() WHERE tenant = 'acme';
-- and what the check advises where there is none
DELETE FROM toms.agreement_level; DELETE FROM toms.agreement WHERE tenant IN ('acme', 'globex');
SELECT regress.mend(p.remedy) FROM toms.run_probe('agreements') p WHERE p.tenant IN ('acme', 'globex') AND p.remedy IS NOT NULL;
SELECT status, tenant FROM regress.probe();

DELETE FROM toms.agreement_level; DELETE FROM toms.agreement WHERE tenant IN ('acme', 'globex');
TRUNCATE toms.measure_record, toms.measure_review, toms.measure_exclusion;
DELETE FROM toms.incident_notice; DELETE FROM toms.incident;
DROP FUNCTION regress.probe();
DROP FUNCTION regress.mend(text);
