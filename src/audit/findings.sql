-- What is unusual in the trail of the last 90 days; who it was stands there as a pseudonym. What is so in comparison with
-- the past is found in unusual.sql; toms.findings, in slice evidence, has who has looked at it.

CREATE FUNCTION toms.audit_pseudonym(tenant text, name text, month date) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_pseudonym';
REVOKE ALL ON FUNCTION toms.audit_pseudonym(text, text, date) FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_pseudonym(text, text, date) IS 'internal: another name for an actor or a log-in, the same within a month';

CREATE FUNCTION toms.found_entries()
RETURNS TABLE (at timestamptz, finding text, tenant text, name text, details jsonb, entry bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.at, s.said ->> 'finding', e.tenant, coalesce(w.who ->> 'actor', w.who ->> 'login', s.said ->> 'login'),
           nullif(s.said - '{finding,actor,login,login_hash,address,user}'::text[], '{}'), e.id
    FROM toms.audit_entry e
         LEFT JOIN LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb AS said OFFSET 0) s ON true
         LEFT JOIN LATERAL (SELECT toms.audit_referred('w', e.who, e.at) AS who OFFSET 0) w ON true
    WHERE e.kind IN ('r', 'x', 's', 'a') AND e.at >= now() - interval '90 days' AND e.key IS NULL
      AND position('"finding"'::bytea IN e.payload) > 0 AND s.said ? 'finding';
$$;
REVOKE ALL ON FUNCTION toms.found_entries() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_entries() IS 'internal: entries that say themselves that they are unusual';

-- More than 20 of one person within an hour of the clock. The first of them names the finding, which goes on to do so when others follow.
CREATE FUNCTION toms.found_refusals()
RETURNS TABLE (at timestamptz, finding text, tenant text, name text, details jsonb, entry bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT max(r.at), 'many_refusals', r.tenant, r.name, jsonb_build_object('refusals', sum(r.times), 'since', min(r.at)), min(r.id)
    FROM (SELECT e.id, e.at, e.tenant, coalesce(w.who ->> 'actor', w.who ->> 'login') AS name,
                 coalesce((convert_from(e.payload, 'UTF8')::jsonb ->> 'times')::bigint, 1) AS times
          FROM toms.audit_entry e LEFT JOIN LATERAL (SELECT toms.audit_referred('w', e.who, e.at) AS who OFFSET 0) w ON true
          WHERE e.kind = 'x' AND e.verb = 'r' AND e.at >= date_trunc('hour', now() - interval '90 days') AND e.key IS NULL
                AND position('"probe"'::bytea IN e.payload) = 0) r
    WHERE r.name IS NOT NULL
    GROUP BY r.tenant, r.name, date_trunc('hour', r.at) HAVING sum(r.times) > 20;
$$;
REVOKE ALL ON FUNCTION toms.found_refusals() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_refusals() IS 'internal: who was refused often within an hour';

CREATE FUNCTION toms.put_finding(details text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_put_finding';
REVOKE ALL ON FUNCTION toms.put_finding(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.put_finding(text) IS 'internal: an entry of what toms itself has found, with this transaction';

CREATE FUNCTION toms.find_unusual()
RETURNS TABLE (id text, at timestamptz, finding text, tenant text, pseudonym text, details jsonb, entry bigint, name text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM toms.note_reading('r', 'a', '{"by": "findings"}');
    RETURN QUERY
    SELECT f.id, f.at, f.finding, f.tenant, toms.audit_pseudonym(f.tenant, f.name, date_trunc('month', f.at AT TIME ZONE 'UTC')::date), f.details, f.entry,
           CASE WHEN EXISTS (SELECT FROM toms.actor_release r WHERE r.entry = f.entry AND r.approved_at IS NOT NULL) THEN f.name END
    FROM toms.found_unusual() f
    ORDER BY f.at, f.entry;
END
$$;
REVOKE ALL ON FUNCTION toms.find_unusual() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.find_unusual() TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.find_unusual() IS 'internal: the rows of toms.findings; it is recorded';
