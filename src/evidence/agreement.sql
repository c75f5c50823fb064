-- What was agreed on with a controller, how each of its measures stood then, and whether one is worse now.

CREATE TABLE toms.agreement_level (
    agreement bigint NOT NULL,          -- of toms.agreement
    measure   text NOT NULL,
    status    text NOT NULL,            -- when the agreement was adopted
    PRIMARY KEY (agreement, measure)
);
REVOKE ALL ON toms.agreement_level FROM PUBLIC;
GRANT SELECT ON toms.agreement_level TO toms_admin, toms_auditor;
SELECT pg_catalog.pg_extension_config_dump('toms.agreement_level', '');
COMMENT ON TABLE toms.agreement_level IS 'how the measures of an agreement stood when it was adopted';

-- Not by a trigger: a dump that is restored has the levels of that time.
CREATE FUNCTION toms.adopt_agreement(tenant text, name text, version text, valid_from timestamptz, measures text[])
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    adopted bigint;
    comparable text[];
BEGIN
    IF num_nulls(tenant, name, version, valid_from, measures) > 0 OR '' IN (name, version) OR array_position(measures, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'an agreement has a tenant, a name, a version, a first day and measures' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_measure(m) FROM unnest(measures) m;
    IF NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = adopt_agreement.tenant AND (t.ended_at IS NULL OR t.ended_at > now())) THEN
        RAISE EXCEPTION 'there is no tenant "%" whose contract goes on', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    IF EXISTS (SELECT FROM toms.agreement a WHERE (a.tenant, a.name, a.version) = (adopt_agreement.tenant, adopt_agreement.name, adopt_agreement.version)) THEN
        RAISE EXCEPTION 'version "%" of agreement "%" has been adopted already', version, name USING ERRCODE = 'duplicate_object',
            HINT = 'What has been agreed on stays as it was: adopt another version.';
    END IF;
    INSERT INTO toms.agreement (tenant, name, version, valid_from, measures, adopted_by)
    VALUES (adopt_agreement.tenant, adopt_agreement.name, adopt_agreement.version, adopt_agreement.valid_from, adopt_agreement.measures, session_user)
    RETURNING id INTO adopted;
    comparable := ARRAY(SELECT m.measure FROM toms.measure m WHERE m.measure = ANY (measures) AND m.probe IS DISTINCT FROM 'agreements');
    INSERT INTO toms.agreement_level (agreement, measure, status)
    SELECT DISTINCT ON (m) adopted, m, coalesce(r.status, 'pass')
    FROM unnest(comparable) m LEFT JOIN toms.check_rows(comparable) r ON r.measure = m AND (r.tenant IS NULL OR r.tenant = adopt_agreement.tenant)
    ORDER BY m, toms.status_rank(r.status);
    RETURN adopted;
END
$$;
REVOKE ALL ON FUNCTION toms.adopt_agreement(text, text, text, timestamptz, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.adopt_agreement(text, text, text, timestamptz, text[]) TO toms_admin;
COMMENT ON FUNCTION toms.adopt_agreement(text, text, text, timestamptz, text[]) IS 'record a version of an agreement with a controller; from its first day it takes the place of the version before; how each measure stands is recorded';


-- what the check says of it --------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('agreements_none', 'en', 'No agreement with tenant %1$s is on record, so that nothing can be compared with what was agreed on.'),
    ('agreements_none', 'de', 'Mit Mandant %1$s ist keine Vereinbarung hinterlegt; ein Vergleich mit dem vereinbarten Niveau ist nicht möglich.'),
    ('agreements_empty', 'en', 'Agreement "%2$s", version %3$s, with tenant %1$s names no measure.'),
    ('agreements_empty', 'de', 'Vereinbarung „%2$s“, Fassung %3$s, mit Mandant %1$s nennt keine Maßnahme.'),
    ('agreements_kept', 'en', 'Agreement "%2$s", version %3$s, with tenant %1$s: none of its measures, %4$s in number, is worse than when it was adopted on %5$s.'),
    ('agreements_kept', 'de', 'Vereinbarung „%2$s“, Fassung %3$s, mit Mandant %1$s: Keine ihrer %4$s Maßnahmen steht schlechter als beim Abschluss am %5$s.'),
    ('agreements_worse', 'en', 'Measure %4$s of agreement "%2$s", version %3$s, with tenant %1$s has become worse: "%5$s" when it was adopted, "%6$s" now. What mends it stands with the measure.'),
    ('agreements_worse', 'de', 'Maßnahme %4$s der Vereinbarung „%2$s“, Fassung %3$s, mit Mandant %1$s hat sich verschlechtert: „%5$w“ bei Abschluss, „%6$w“ heute. Die Abhilfe steht bei der Maßnahme.');

-- Under which name the level of a measure is kept, as far as it concerns all, or a tenant.
CREATE FUNCTION toms.level_name(measure text, tenant text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN measure || coalesce('/' || tenant, '');
REVOKE ALL ON FUNCTION toms.level_name(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.level_name(text, text) IS 'internal: a measure, as far as it concerns a tenant';

-- One that was agreed on, and is said to be not applicable since, is worse.
CREATE FUNCTION toms.compare_agreements(levels jsonb)
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH compared AS (
        SELECT a.tenant, a.name, a.version, a.adopted_at, l.measure, l.status AS agreed, n.now,
               coalesce(l.status <> 'not_applicable' AND (n.now = 'not_applicable' OR toms.status_rank(n.now) < toms.status_rank(l.status)), false) AS worse
        FROM toms.agreements a JOIN toms.tenant t ON t.tenant = a.tenant AND (t.ended_at IS NULL OR t.ended_at > now()) LEFT JOIN toms.agreement_level l ON l.agreement = a.id
             LEFT JOIN LATERAL (SELECT s.now FROM (VALUES (levels ->> l.measure), (levels ->> toms.level_name(l.measure, a.tenant))) s (now)
                                WHERE s.now IS NOT NULL ORDER BY toms.status_rank(s.now) LIMIT 1) n ON true
        WHERE a.valid_from <= now() AND (a.valid_until IS NULL OR a.valid_until > now()))
    SELECT toms.found('fail', 'agreements_worse', ARRAY[c.tenant, c.name, c.version, c.measure, c.agreed, c.now], NULL, c.tenant) FROM compared c WHERE c.worse
    UNION ALL
    SELECT CASE WHEN count(c.measure) = 0 THEN toms.found('partial', 'agreements_empty', ARRAY[c.tenant, c.name, c.version], NULL, c.tenant)
                ELSE toms.found('pass', 'agreements_kept', ARRAY[c.tenant, c.name, c.version, count(c.measure)::text, to_char(c.adopted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')], NULL, c.tenant) END
    FROM compared c GROUP BY c.tenant, c.name, c.version, c.adopted_at HAVING NOT bool_or(c.worse)
    UNION ALL
    SELECT toms.found('fail', 'agreements_none', ARRAY[t.tenant],
                      format('SELECT toms.adopt_agreement(%L, name => ''data processing'', version => ''1'', valid_from => now(), measures => ARRAY(SELECT m.measure FROM toms.measure m WHERE m.system = ''timeclock''));',
                             t.tenant), t.tenant)
    FROM toms.tenant t WHERE (t.ended_at IS NULL OR t.ended_at > now()) AND NOT EXISTS (SELECT FROM compared c WHERE c.tenant = t.tenant);
$$;
REVOKE ALL ON FUNCTION toms.compare_agreements(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.compare_agreements(jsonb) IS 'internal: measures that stand worse than when they were agreed on; levels: how each stands now';

-- The check compares with what it has just found; this asks the probes again.
CREATE FUNCTION toms.probe_agreements()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM toms.compare_agreements((
        SELECT jsonb_object_agg(r.about, r.status)
        FROM (SELECT DISTINCT ON (1) toms.level_name(c.measure, c.tenant) AS about, c.status
              FROM toms.check_rows(ARRAY(SELECT l.measure FROM toms.agreement_level l)) c ORDER BY 1, toms.status_rank(c.status)) r));
$$;
REVOKE ALL ON FUNCTION toms.probe_agreements() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_agreements() IS 'internal: whether measures stand as they did when they were agreed on';
