-- How tests of the reference systems act. Included by sql/evidence_<system>.sql with the variable login: the log-in of the
-- application's jobs. Each call is a transaction of its own, and its context ends with it.
--
-- act('praxis 7 messenger_doctor care', '…')   what comes of a statement in the context of that tenant, subject, role, purpose
-- see('praxis 7 messenger_doctor care', '…')   its rows
-- fault('…')                                  as regress.verdict(), without numbers that are others on each run
SELECT set_config('evidence.login', :'login', false) \g /dev/null
CREATE FUNCTION pg_temp.enter(whom text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    who constant text[] := string_to_array(whom, ' ');
BEGIN
    PERFORM set_config('session_authorization', current_setting('evidence.login'), true);
    PERFORM toms.enter(who[1], who[2], who[3], who[4]);
END
$$;
CREATE FUNCTION pg_temp.act(whom text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    entered constant text := regress.verdict(format('SELECT pg_temp.enter(%L)', whom));
BEGIN
    RETURN CASE WHEN entered = '1 row' THEN regress.verdict(statement) ELSE entered END;
END
$$;
CREATE FUNCTION pg_temp.see(whom text, query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    PERFORM pg_temp.enter(whom);
    FOR found IN EXECUTE query LOOP
        RETURN NEXT trim(found::text, '()');
    END LOOP;
END
$$;
CREATE FUNCTION pg_temp.fault(statement text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regress.verdict(statement), '[0-9]+(?= |$)(?! rows?$)', 'N', 'g')
$$;
-- a controller's documented instruction, confirmed
CREATE FUNCTION pg_temp.instruct(tenant text, kind text, subject text DEFAULT NULL, single_use boolean DEFAULT true) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    instruction constant bigint := toms.record_instruction(tenant, kind, given_by => 'the controller', wording => 'by letter', subject => subject, single_use => single_use);
BEGIN
    PERFORM toms.confirm_instruction(instruction);
    RETURN instruction;
END
$$;
-- somebody answers for a measure that no database sees, for each promise of it, and looks at it: what the check says before and afterwards
CREATE FUNCTION pg_temp.reviewed(measure text, owner text, evidence text, result text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    promises constant text[] := ARRAY(SELECT r.measure FROM toms.measure_reviews r WHERE split_part(r.measure, '/', 1) = reviewed.measure ORDER BY r.measure);
    today constant text := (SELECT string_agg(DISTINCT s.status, ', ') FROM unnest(promises) p, toms.review_state(p) s);
BEGIN
    PERFORM toms.record_measure(p, owner, evidence), toms.record_review(p, by => 'the auditor', result => result, next_due => current_date + 365) FROM unnest(promises) p;
    RETURN (SELECT format('%s%s -> %s', CASE WHEN promises <> ARRAY[measure] THEN cardinality(promises) || CASE cardinality(promises) WHEN 1 THEN ' promise: ' ELSE ' promises: ' END END, today, string_agg(DISTINCT s.status, ', ')) FROM unnest(promises) p, toms.review_state(p) s);
END
$$;
-- what the check finds: its worst status, and by which of its sentences
CREATE FUNCTION pg_temp.finds(probe text) RETURNS text LANGUAGE sql AS $$
    WITH found AS MATERIALIZED (SELECT * FROM toms.run_probe(probe)),
         worst AS (SELECT status FROM found ORDER BY toms.status_rank(status) LIMIT 1)
    SELECT format('%s: %s', status, string_agg(DISTINCT phrase, ', ' ORDER BY phrase)) FROM found JOIN worst USING (status) GROUP BY status
$$;
-- what a restored copy is asked, and signs: rows of each table of a schema; on the server itself it proves nothing, and is not taken
CREATE FUNCTION pg_temp.drill(schema text) RETURNS TABLE (counted jsonb, recorded text) LANGUAGE plpgsql AS $$
DECLARE
    drill constant text := toms.restore_drill();
BEGIN
    counted := (SELECT jsonb_object_agg(key, value) FROM jsonb_each(split_part(drill, E'\n', 1)::jsonb -> 'rows') WHERE key LIKE schema || '.%');
    recorded := regress.verdict(format('SELECT toms.record_restore_test(%L)', drill));
    RETURN NEXT;
END
$$;
-- the worker's rounds that end a tenant, each a transaction
CREATE PROCEDURE pg_temp.end_tenants() LANGUAGE plpgsql AS $$
BEGIN
    FOR round IN 1..6 LOOP
        PERFORM toms.end_tenants();
        COMMIT;
    END LOOP;
END
$$;

-- since when entries of the trail are the test's
SELECT clock_timestamp() AS since \gset

-- what is declared before the test, to take back everything else after it
CREATE TEMPORARY TABLE before (relation regclass, declared jsonb);
CREATE FUNCTION pg_temp.declarations() RETURNS TABLE (relation regclass) LANGUAGE sql AS $$
    SELECT c.oid::regclass FROM pg_class c
    WHERE c.relnamespace = 'toms'::regnamespace AND c.relkind = 'r'
      AND c.oid = ANY ((SELECT extconfig FROM pg_extension WHERE extname = 'toms')::oid[])
      AND c.relname NOT LIKE 'audit%' AND c.relname !~ '^(code|statistic)' AND c.relname NOT IN ('dataset', 'actor_release', 'break_glass_review', 'ledger')
$$;
DO $$
DECLARE
    declared regclass;
BEGIN
    FOR declared IN SELECT relation FROM pg_temp.declarations() LOOP
        EXECUTE format('INSERT INTO before SELECT %L, to_jsonb(t) FROM %s t', declared, declared);
    END LOOP;
END
$$;
