-- What is unusual in comparison with what the same person, or log-in, has done before. It is computed when somebody asks; of several
-- entries the first names the finding, so that it keeps its name, and who has looked at it, when others follow.

CREATE FUNCTION toms.told_logins()
RETURNS TABLE (entry bigint, at timestamptz, local timestamp, verb "char", name text, address text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.id, e.at, e.at AT TIME ZONE current_setting('log_timezone'), e.verb, coalesce(s.said ->> 'login', s.said ->> 'login_hash'), s.said ->> 'address'
    FROM toms.audit_entry e, LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb AS said OFFSET 0) s
    WHERE e.kind = 's' AND e.verb IN ('l', 'f', 'k') AND e.at >= date_trunc('hour', now() - interval '90 days') AND e.key IS NULL;
$$;
REVOKE ALL ON FUNCTION toms.told_logins() FROM PUBLIC;
COMMENT ON FUNCTION toms.told_logins() IS 'internal: log-ins and failed ones of the last 90 days; local: by the clocks of the server''s place';

-- Log-ins are compared with those of a third of the time for which they are kept, 30 of 90 days, and found for the other two: as long
-- as one can be found, all that it was compared with is there.
CREATE FUNCTION toms.login_memory()
RETURNS interval LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT least(p.keep, interval '90 days') / 3 FROM toms.audit_periods p WHERE p.kind = 'session');
REVOKE ALL ON FUNCTION toms.login_memory() FROM PUBLIC;
COMMENT ON FUNCTION toms.login_memory() IS 'internal: how far back log-ins are compared with others';

CREATE FUNCTION toms.logins_found_since()
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN now() - 2 * toms.login_memory();
REVOKE ALL ON FUNCTION toms.logins_found_since() FROM PUBLIC;
COMMENT ON FUNCTION toms.logins_found_since() IS 'internal: log-ins from then on are found if they are unusual in comparison with those before';

-- More than ten failures within an hour of the clock; after ten log-ins one from an address that was none of theirs; after ten
-- log-ins of which one in twenty at most was at night, from 20 to 6 o'clock, or at a weekend, by log_timezone, one that is, once a day.
CREATE FUNCTION toms.found_logins()
RETURNS TABLE (at timestamptz, finding text, tenant text, name text, details jsonb, entry bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH logins AS MATERIALIZED (SELECT * FROM toms.told_logins() l WHERE l.name IS NOT NULL),
    judged AS (SELECT l.*, extract(isodow FROM l.local) > 5 OR extract(hour FROM l.local) NOT BETWEEN 6 AND 19 AS is_off FROM logins l WHERE l.verb = 'l'),
    compared AS (
        SELECT j.*, count(*) OVER past AS before, count(*) FILTER (WHERE j.is_off) OVER past AS off_before, count(*) OVER past_there AS there_before,
               row_number() OVER (PARTITION BY j.name, j.is_off, j.local::date ORDER BY j.at, j.entry) AS of_day
        FROM judged j
        WINDOW past AS (PARTITION BY j.name ORDER BY j.at RANGE BETWEEN toms.login_memory() PRECEDING AND CURRENT ROW EXCLUDE GROUP),
               past_there AS (PARTITION BY j.name, j.address ORDER BY j.at RANGE BETWEEN toms.login_memory() PRECEDING AND CURRENT ROW EXCLUDE GROUP)),
    recent AS (SELECT c.* FROM compared c WHERE c.at >= toms.logins_found_since() AND c.before >= 10)
    SELECT max(l.at), 'failed_logins', NULL, l.name, jsonb_build_object('failures', count(*), 'since', min(l.at), 'addresses', count(DISTINCT l.address)), min(l.entry)
    FROM logins l WHERE l.verb <> 'l' GROUP BY l.name, date_trunc('hour', l.at) HAVING count(*) > 10
    UNION ALL
    SELECT r.at, 'new_address', NULL, r.name, jsonb_build_object('before', r.before), r.entry FROM recent r WHERE r.there_before = 0
    UNION ALL
    SELECT r.at, 'off_hours', NULL, r.name, jsonb_build_object('before', r.before, 'off_hours_before', r.off_before), r.entry
    FROM recent r WHERE r.is_off AND r.of_day = 1 AND 20 * r.off_before <= r.before;
$$;
REVOKE ALL ON FUNCTION toms.found_logins() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_logins() IS 'internal: log-ins that failed often, came from a new address, or at an unusual time';

-- Rows that came of statements and exports, and openings of the values of a person, each of which counts as one.
CREATE FUNCTION toms.told_reads(since timestamptz, until timestamptz)
RETURNS TABLE (day date, tenant text, name text, rows bigint, entry bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH each AS MATERIALIZED (
        SELECT (e.at AT TIME ZONE 'UTC')::date AS day, e.tenant, e.who, e.at, coalesce((s.said ->> 'of')::bigint, e.id) AS entry,
               CASE WHEN e.verb = 'v' THEN 1 ELSE coalesce((s.said ->> 'rows')::bigint, 0) END AS rows
        FROM toms.audit_entry e LEFT JOIN LATERAL (SELECT CASE WHEN e.key IS NULL THEN convert_from(e.payload, 'UTF8')::jsonb END AS said OFFSET 0) s ON true
        WHERE e.kind = 'r' AND e.verb IN ('s', 'e', 'n', 'v') AND e.at >= since AND e.at < until AND NOT coalesce(s.said ? 'probe', false)
    ), reader AS (
        SELECT r.day, r.who, coalesce(w.said ->> 'actor', w.said ->> 'login') AS name
        FROM (SELECT e.day, e.who, min(e.at) AS at FROM each e GROUP BY e.day, e.who) r, LATERAL (SELECT toms.audit_referred('w', r.who, r.at) AS said OFFSET 0) w)
    SELECT e.day, e.tenant, r.name, e.rows, e.entry FROM each e JOIN reader r ON r.day = e.day AND r.who = e.who WHERE r.name IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.told_reads(timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.told_reads(timestamptz, timestamptz) IS 'internal: who has read how many rows, and the entry that tells of it';

-- The one by which the rows of a day were more than that many: it stays the same whatever follows.
CREATE FUNCTION toms.read_beyond(most numeric, day date, tenant text, name text)
RETURNS bigint LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT min(r.entry)
    FROM (SELECT t.entry, sum(t.rows) OVER (ORDER BY t.entry) AS so_far
          FROM toms.told_reads(read_beyond.day::timestamp AT TIME ZONE 'UTC', (read_beyond.day + 1)::timestamp AT TIME ZONE 'UTC') t
          WHERE t.tenant IS NOT DISTINCT FROM read_beyond.tenant AND t.name = read_beyond.name) r
    WHERE r.so_far > most;
$$;
REVOKE ALL ON FUNCTION toms.read_beyond(numeric, date, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.read_beyond(numeric, date, text, text) IS 'internal: the entry by which somebody had read more than so many rows on a day';

-- A day on which somebody reads a thousand rows and ten times as much as on an average one of the thirty before, if there are five. With
-- these the entry changes, as they leave the last 90 days; the first one of the day, which names the finding, does not.
CREATE FUNCTION toms.found_bulk_reads()
RETURNS TABLE (at timestamptz, finding text, tenant text, name text, details jsonb, entry bigint, first_entry bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.day::timestamp AT TIME ZONE 'UTC', 'bulk_reads', c.tenant, c.name, jsonb_build_object('rows', c.rows, 'usually', round(c.usual)),
           toms.read_beyond(greatest(999, 10 * c.usual), c.day, c.tenant, c.name), c.first_entry
    FROM (SELECT r.*, avg(r.rows) OVER past AS usual, count(*) OVER past AS days
          FROM (SELECT t.day, t.tenant, t.name, sum(t.rows) AS rows, min(t.entry) AS first_entry FROM toms.told_reads(date_trunc('day', now() - interval '90 days', 'UTC'), 'infinity') t GROUP BY t.day, t.tenant, t.name) r
          WINDOW past AS (PARTITION BY r.tenant, r.name ORDER BY r.day ROWS BETWEEN 30 PRECEDING AND 1 PRECEDING)) c
    WHERE c.days >= 5 AND c.rows > greatest(999, 10 * c.usual);
$$;
REVOKE ALL ON FUNCTION toms.found_bulk_reads() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_bulk_reads() IS 'internal: who read far more on a day than he usually does';

CREATE FUNCTION toms.found_unusual()
RETURNS TABLE (id text, at timestamptz, finding text, tenant text, name text, details jsonb, entry bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.finding || ':' || f.entry, f.*
    FROM (SELECT * FROM toms.found_entries() UNION ALL SELECT * FROM toms.found_refusals() UNION ALL SELECT * FROM toms.found_logins()) f
    UNION ALL
    SELECT b.finding || ':' || b.first_entry, b.at, b.finding, b.tenant, b.name, b.details, b.entry FROM toms.found_bulk_reads() b;
$$;
REVOKE ALL ON FUNCTION toms.found_unusual() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_unusual() IS 'internal: all that is unusual in the trail';
