-- The partitions of the audit trail: a table for each kind and month (UTC), made ahead.

CREATE FUNCTION toms.add_audit_partition(kind regclass, month date) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_add_audit_partition';
REVOKE ALL ON FUNCTION toms.add_audit_partition(regclass, date) FROM PUBLIC;
COMMENT ON FUNCTION toms.add_audit_partition(regclass, date) IS 'internal: make the table of a kind and month, with what the default partition has of it';

CREATE FUNCTION toms.index_audit_partition(partition regclass) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_index_audit_partition';
REVOKE ALL ON FUNCTION toms.index_audit_partition(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.index_audit_partition(regclass) IS 'internal: index the entries of a month that is over by the data key, i.e. by data subject';

CREATE FUNCTION toms.collect_audit_strays(kind regclass, month date) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_collect_audit_strays';
REVOKE ALL ON FUNCTION toms.collect_audit_strays(regclass, date) FROM PUBLIC;
COMMENT ON FUNCTION toms.collect_audit_strays(regclass, date) IS 'internal: move what came to the default partition while the one of its month was made';

CREATE FUNCTION toms.audit_kinds(OUT kind text, OUT letter "char", OUT relation regclass)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT substr(c.relname, 7), (regexp_match(pg_get_expr(c.relpartbound, c.oid), '''(.)'''))[1]::"char", c.oid::regclass
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'toms.audit_entry'::regclass ORDER BY c.relname;
$$;
REVOKE ALL ON FUNCTION toms.audit_kinds() FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_kinds() IS 'internal: the kinds of entries and their tables';

-- Without the default ones; the months are in the names, which nobody can change.
CREATE VIEW toms.audit_partitions AS
    SELECT k.kind, c.relname::text AS partition, m.month, (m.month::timestamp AT TIME ZONE 'UTC') AS since,
           ((m.month + interval '1 month') AT TIME ZONE 'UTC') AS until,
           pg_catalog.pg_total_relation_size(c.oid) AS bytes
    FROM toms.audit_kinds() k JOIN pg_catalog.pg_inherits i ON i.inhparent = k.relation JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid,
         LATERAL (SELECT pg_catalog.to_date(pg_catalog.right(c.relname, 7), 'YYYY_MM') AS month) m
    WHERE c.relname ~ '_\d{4}_\d\d$';
COMMENT ON VIEW toms.audit_partitions IS 'the tables of the audit trail by kind and month (UTC), with their sizes';
GRANT SELECT ON toms.audit_partitions TO toms_admin, toms_auditor, toms_operator;
GRANT EXECUTE ON FUNCTION toms.audit_kinds() TO toms_admin, toms_auditor, toms_operator;

-- Whoever reads the trail for long, pg_dump for instance, must not hold up those who come after: then next time.
CREATE FUNCTION toms.make_audit_partitions(months integer DEFAULT 3)
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET default_tablespace = '' SET lock_timeout = '10s' AS $$
DECLARE
    this_month constant date := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC');
    made integer := 0;
    kind regclass;
    ahead integer;
BEGIN
    IF months IS NULL OR months NOT BETWEEN 0 AND 120 THEN
        RAISE EXCEPTION 'partitions are made 0 to 120 months ahead' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR ahead IN 0..months LOOP
        FOR kind IN SELECT k.relation FROM toms.audit_kinds() k LOOP
            IF toms.add_audit_partition(kind, (this_month + ahead * interval '1 month')::date) THEN
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION toms.make_audit_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.make_audit_partitions(integer) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.make_audit_partitions(integer) IS 'make the tables that the audit trail needs for this month and some ahead; returns how many were missing';

-- Months of entries that were written while no partition was there for them.
CREATE FUNCTION toms.gather_audit_defaults()
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET default_tablespace = '' SET lock_timeout = '10s' AS $$
DECLARE
    kind record;
    first timestamptz;
    since timestamptz;
BEGIN
    FOR kind IN SELECT * FROM toms.audit_kinds() LOOP
        since := '-infinity';
        LOOP
            EXECUTE format('SELECT min(at) FROM toms.%I WHERE at < now() AND at >= $1', 'audit_' || kind.kind || '_default') INTO first USING since;
            EXIT WHEN first IS NULL;
            IF NOT toms.add_audit_partition(kind.relation, (first AT TIME ZONE 'UTC')::date) THEN
                PERFORM toms.collect_audit_strays(kind.relation, (first AT TIME ZONE 'UTC')::date);
            END IF;
            since := (date_trunc('month', first AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
        END LOOP;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.gather_audit_defaults() FROM PUBLIC;
COMMENT ON FUNCTION toms.gather_audit_defaults() IS 'internal: give what lies in default partitions the partitions of its months';

CREATE FUNCTION toms.index_audit()
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET default_tablespace = '' SET lock_timeout = '10s' AS $$
DECLARE
    closed regclass;
    made integer := 0;
BEGIN
    FOR closed IN SELECT 'toms.' || p.partition FROM toms.audit_partitions p
                  WHERE p.until < now() - interval '1 day' AND p.kind IN ('change', 'read', 'who') ORDER BY p.month LOOP
        IF toms.index_audit_partition(closed) THEN
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION toms.index_audit() FROM PUBLIC;
COMMENT ON FUNCTION toms.index_audit() IS 'internal: index months that are over by data key';
