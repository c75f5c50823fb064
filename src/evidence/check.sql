-- The check: each measure as it holds now.

-- A probe that breaks, says nothing, or waits for somebody's lock is not a measure that holds: who holds the lock would keep the
-- worker from sealing, too.
CREATE FUNCTION toms.run_probe(probe text)
RETURNS SETOF toms.probed LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT p.* FROM toms.%I() p', 'probe_' || probe);
    IF NOT FOUND THEN
        RETURN NEXT ROW('fail', 'probe_silent', ARRAY[probe], NULL, NULL)::toms.probed;
    END IF;
EXCEPTION WHEN OTHERS THEN
    RETURN NEXT ROW('fail', 'probe_failed', ARRAY[SQLERRM, SQLSTATE], NULL, NULL)::toms.probed;
END
$$;
REVOKE ALL ON FUNCTION toms.run_probe(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.run_probe(text) IS 'internal: what a probe finds now';

-- The worst comes first, and what nobody knows before that; of a measure that is not applicable there is one row, which says so.
CREATE FUNCTION toms.status_rank(status text)
RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN coalesce(array_position(ARRAY['fail', 'overdue', 'partial', 'pass', 'not_applicable'], status), 0);
REVOKE ALL ON FUNCTION toms.status_rank(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.status_rank(text) IS 'internal: the lower, the worse';

-- Each probe runs once, whatever number of measures name it; what agreements say is compared with what the others have found.
CREATE FUNCTION toms.check_rows("of" text[] DEFAULT NULL)
RETURNS TABLE (measure text, part text, n integer, status text, phrase text, args text[], remedy text, tenant text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres' SET standard_conforming_strings = on AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH applicable AS MATERIALIZED (
        SELECT m.measure, m.probe, m.reviewed FROM toms.measure m
        WHERE (check_rows.of IS NULL OR m.measure = ANY (check_rows.of)) AND NOT EXISTS (SELECT FROM toms.excluded_measures x WHERE x.measure = m.measure)),
    parts AS MATERIALIZED (
        SELECT p.* FROM toms.measure_part p JOIN applicable a USING (measure) WHERE NOT EXISTS (SELECT FROM toms.excluded_measures x WHERE x.measure = p.part)),
    excluded AS MATERIALIZED (
        SELECT coalesce(p.measure, x.measure) AS measure, p.part, x.reason, x.decided_by, x.decided_at
        FROM toms.excluded_measures x LEFT JOIN toms.measure_part p ON p.part = x.measure
        WHERE p.part IS NULL OR p.measure IN (SELECT a.measure FROM applicable a)),
    probes AS MATERIALIZED (
        SELECT p.probe, f.* FROM (SELECT DISTINCT a.probe FROM applicable a WHERE a.probe <> 'agreements') p, LATERAL toms.run_probe(p.probe) f),
    first AS MATERIALIZED (
        SELECT a.measure, t.part, p.status, p.phrase, p.args, p.remedy, p.tenant
        FROM applicable a JOIN probes p USING (probe) LEFT JOIN toms.measure_part t ON t.measure = a.measure AND t.probed AND p.phrase ~ coalesce(t.phrases, '')
        WHERE t.part IS NULL OR t.part IN (SELECT q.part FROM parts q)
        UNION ALL
        SELECT a.measure, NULL, v.status, v.phrase, v.args, v.remedy, v.tenant FROM applicable a, LATERAL toms.review_state(a.measure) v WHERE a.reviewed
        UNION ALL
        SELECT q.measure, q.part, v.status, v.phrase, v.args, v.remedy, v.tenant FROM parts q, LATERAL toms.review_state(q.part) v WHERE q.reviewed
        UNION ALL
        SELECT x.measure, x.part, 'not_applicable', 'excluded', ARRAY[x.reason, x.decided_by, to_char(x.decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')], NULL, NULL
        FROM excluded x WHERE check_rows.of IS NULL OR x.measure = ANY (check_rows.of)),
    found AS (
        SELECT * FROM first
        UNION ALL
        SELECT a.measure, NULL, c.* FROM applicable a, toms.compare_agreements((
            SELECT jsonb_object_agg(l.about, l.status)
            FROM (SELECT DISTINCT ON (1) toms.level_name(f.measure, f.tenant) AS about, f.status FROM first f ORDER BY 1, toms.status_rank(f.status)) l)) c
        WHERE a.probe = 'agreements')
    SELECT f.measure, f.part,
           row_number() OVER (PARTITION BY f.measure ORDER BY toms.status_rank(f.status), f.part COLLATE "C" NULLS FIRST, f.phrase COLLATE "C", array_to_string(f.args, ' ') COLLATE "C")::integer,
           f.status, f.phrase, f.args, f.remedy, f.tenant
    FROM found f;
END
$$;
REVOKE ALL ON FUNCTION toms.check_rows(text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_rows(text[]) IS 'internal: all that is found of each measure, or of these, the worst first';

CREATE FUNCTION toms.part_title(part text, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT CASE lang WHEN 'de' THEN p.title_de ELSE p.title_en END FROM toms.measure_part p WHERE p.part = part_title.part);
REVOKE ALL ON FUNCTION toms.part_title(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.part_title(text, text) IS 'internal: a part of a measure, in a language';

CREATE FUNCTION toms.check(lang text DEFAULT 'en')
RETURNS TABLE (measure text, status text, evidence text, "limit" text, remedy text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    most constant integer := 20;        -- sentences about one measure
BEGIN
    PERFORM toms.check_language(lang);
    RETURN QUERY
    WITH found AS MATERIALIZED (SELECT * FROM toms.check_rows())
    SELECT m.measure,
           (SELECT f.status FROM found f WHERE f.measure = m.measure AND f.n = 1),
           (SELECT concat_ws(E'\n', string_agg(concat_ws(': ', toms.part_title(f.part, lang), toms.say(f.phrase, f.args, lang)), E'\n' ORDER BY f.n) FILTER (WHERE f.n <= most),
                             CASE WHEN count(*) > most THEN toms.say('more', ARRAY[(count(*) - most)::text], lang) END)
            FROM found f WHERE f.measure = m.measure),
           CASE lang WHEN 'de' THEN m.limit_de ELSE m.limit_en END,
           (SELECT string_agg(r.remedy, E'\n' ORDER BY r.n)
            FROM (SELECT f.remedy, min(f.n) AS n FROM found f WHERE f.measure = m.measure AND f.remedy IS NOT NULL GROUP BY f.remedy) r)
    FROM toms.measure m
    ORDER BY m.position;
END
$$;
REVOKE ALL ON FUNCTION toms.check(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.check(text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.check(text) IS 'each measure as it holds now: pass, partial, fail, overdue or not_applicable, with evidence, what it does not cover, and the SQL that mends it';
