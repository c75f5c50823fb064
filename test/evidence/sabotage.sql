-- What sql/evidence_wall*.sql share: each breaks a protection on purpose, and follows what the check prints.
-- "objects": a regular expression, what is this test's of all that a probe says.
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SET toms.reason = 'test';
SELECT set_config('regress.objects', :'objects' || '|probe_failed', false) IS NOT NULL;
-- what a probe says against them, with the remedy
CREATE FUNCTION regress.faults(probe text) RETURNS TABLE (status text, evidence text, remedy text, tenant text) LANGUAGE sql AS $$
    SELECT p.status, s.evidence, p.remedy, p.tenant FROM toms.run_probe(probe) p, toms.say(p.phrase, p.args, 'en') s (evidence)
    WHERE p.status <> 'pass' AND concat(p.phrase, p.args, p.remedy) ~ current_setting('regress.objects') ORDER BY s.evidence COLLATE "C", p.remedy COLLATE "C"
$$;
-- its remedies are run as printed, a text to fill in as …, but for words, and what has a number to fill in; then what is left
CREATE FUNCTION regress.mend(probe text) RETURNS TABLE (left_over text) LANGUAGE plpgsql AS $$
DECLARE
    command text;
BEGIN
    FOR command IN SELECT DISTINCT regexp_replace(f.remedy, '^-- .* and then: ', '') FROM regress.faults(probe) f WHERE f.remedy !~ '^-- (?!.* and then: )|[^'']…' LOOP
        EXECUTE command;
    END LOOP;
    RETURN QUERY SELECT coalesce(string_agg(f.evidence, ' '), 'nothing') FROM regress.faults(probe) f;
END
$$;
