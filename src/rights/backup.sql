-- Backups: in which tiers they are made and for how long each is kept, and from that until when one may still hold what has
-- been erased. Days are those of UTC.

CREATE FUNCTION toms.declare_backup_tier(name text, every interval, keep interval)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    declared bigint;
BEGIN
    IF num_nulls(name, every, keep) > 0 OR name = '' THEN
        RAISE EXCEPTION 'a tier of backups has a name, an interval and a time for which they are kept' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    -- months have no length of their own
    IF timestamp '2001-01-01' + every <= timestamp '2001-01-01' OR timestamp '2001-01-01' + keep < timestamp '2001-01-01' + every THEN
        RAISE EXCEPTION 'backups that are made every % and kept for % would leave days without any', every, keep USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Keep each for as long at least as it takes until the next one is there.';
    END IF;
    SELECT t.id INTO declared FROM toms.backup_tier t WHERE t.name = declare_backup_tier.name AND t.ended_at IS NULL
      AND (t.every, t.keep) = (declare_backup_tier.every, declare_backup_tier.keep);
    IF FOUND THEN
        RETURN declared;
    END IF;
    PERFORM toms.end_tier(name);
    INSERT INTO toms.backup_tier (name, every, keep, declared_by)
    VALUES (declare_backup_tier.name, declare_backup_tier.every, declare_backup_tier.keep, session_user) RETURNING id INTO declared;
    RETURN declared;
END
$$;
REVOKE ALL ON FUNCTION toms.declare_backup_tier(text, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.declare_backup_tier(text, interval, interval) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.declare_backup_tier(text, interval, interval) IS 'declare how often backups of a tier are made and how long each is kept; those made before stay for as long as was declared then';

CREATE FUNCTION toms.end_tier(name text)
RETURNS boolean LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE toms.backup_tier t SET ended_at = clock_timestamp(), ended_by = session_user WHERE t.name = end_tier.name AND t.ended_at IS NULL;
    RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION toms.end_tier(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.end_tier(text) IS 'internal: a tier of backups is not in force any more';

CREATE FUNCTION toms.end_backup_tier(name text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT toms.end_tier(name) THEN
        RAISE EXCEPTION 'there is no tier of backups "%"', name USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.backup_tiers;';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.end_backup_tier(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.end_backup_tier(text) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.end_backup_tier(text) IS 'no more backups of a tier are made; those that there are stay for as long as was declared';

-- The youngest backup of a tier that may hold what was there until then: made just before, or just before the tier ended.
CREATE FUNCTION toms.tier_horizons(erased_at timestamptz)
RETURNS TABLE (name text, every interval, keep interval, until date)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.name, t.every, t.keep, max((least(erased_at, t.ended_at) AT TIME ZONE 'UTC' + t.keep)::date)
    FROM toms.backup_tier t
    WHERE (least(erased_at, t.ended_at) AT TIME ZONE 'UTC' + t.keep)::date >= (erased_at AT TIME ZONE 'UTC')::date
    GROUP BY t.name, t.every, t.keep ORDER BY 4, 1;
$$;
REVOKE ALL ON FUNCTION toms.tier_horizons(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.tier_horizons(timestamptz) IS 'internal: until when backups of each tier may hold what was erased at a time';

-- The day from which on what was sealed for a tenant until a time opens from no backup alone: all epochs under which its keys were
-- wrapped are destroyed.  NULL: one of them is not.
CREATE FUNCTION toms.keys_horizon(tenant text, erased_at timestamptz)
RETURNS date LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN bool_and(e.destroyed_at IS NOT NULL) THEN max((greatest(e.destroyed_at, erased_at) AT TIME ZONE 'UTC')::date) END
    FROM toms.key_epoch e WHERE e.tenant = keys_horizon.tenant AND e.created_at <= erased_at;
$$;
REVOKE ALL ON FUNCTION toms.keys_horizon(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.keys_horizon(text, timestamptz) IS 'internal: from when on keys that were destroyed at a time open from no backup alone; NULL: that is not known yet';

CREATE VIEW toms.backup_tiers AS
    SELECT t.name, t.every, t.keep, t.declared_at, t.declared_by, t.ended_at IS NULL AS in_force, t.ended_at,
           ((coalesce(t.ended_at, pg_catalog.now()) AT TIME ZONE 'UTC') OPERATOR(pg_catalog.+) t.keep)::date AS horizon
    FROM toms.backup_tier t;
COMMENT ON VIEW toms.backup_tiers IS 'tiers of backups; horizon: until when a backup may hold what is erased now, or what was there when the tier ended';
GRANT SELECT ON toms.backup_tiers TO toms_admin, toms_auditor, toms_operator;
