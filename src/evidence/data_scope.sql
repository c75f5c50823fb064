-- What a report speaks of, and what lies beside it: other databases of the server, tables without protection, and every way on
-- which personal data is, or went, elsewhere.

-- Workers say of other databases whether they have toms; a standby has none.
CREATE FUNCTION toms.databases_in_scope()
RETURNS TABLE (name text, has_toms boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.datname::text, CASE WHEN d.datname = current_database() THEN true
                                 WHEN NOT pg_is_in_recovery() THEN EXISTS (SELECT FROM toms.worker_entries() w WHERE w.database = d.oid) END
    FROM pg_database d WHERE d.datallowconn AND NOT d.datistemplate;
$$;
REVOKE ALL ON FUNCTION toms.databases_in_scope() FROM PUBLIC;
COMMENT ON FUNCTION toms.databases_in_scope() IS 'internal: databases of this server, and whether toms is in them; NULL: nobody can tell';

-- Those beside protected ones: what is in the same schema is of the same application.
CREATE FUNCTION toms.unprotected_tables()
RETURNS TABLE (relation regclass, kind text)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH labelled AS MATERIALIZED (
        SELECT l.objoid FROM pg_seclabel l WHERE l.provider = 'toms' AND l.classoid = 'pg_class'::regclass AND l.objsubid = 0)
    SELECT c.oid::regclass, CASE c.relkind WHEN 'f' THEN 'foreign table' WHEN 'm' THEN 'materialized view' ELSE 'table' END
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p', 'f', 'm') AND c.relpersistence <> 't' AND c.oid NOT IN (SELECT objoid FROM labelled)
      AND c.relnamespace IN (SELECT p.relnamespace FROM pg_class p WHERE p.oid IN (SELECT objoid FROM labelled))
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');
$$;
REVOKE ALL ON FUNCTION toms.unprotected_tables() FROM PUBLIC;
COMMENT ON FUNCTION toms.unprotected_tables() IS 'internal: tables without protection in schemas that have protected ones';

CREATE FUNCTION toms.replicas_in_scope()
RETURNS TABLE (name text, details jsonb)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.application_name, jsonb_build_object('address', host(r.client_addr), 'state', r.state, 'sync', r.sync_state) FROM pg_stat_replication r
    UNION ALL
    SELECT s.slot_name::text, jsonb_build_object('slot', s.slot_type, 'state', 'away') FROM pg_replication_slots s WHERE NOT s.active;
$$;
REVOKE ALL ON FUNCTION toms.replicas_in_scope() FROM PUBLIC;
COMMENT ON FUNCTION toms.replicas_in_scope() IS 'internal: servers that get all that is written here, or wait for it';

CREATE FUNCTION toms.publications_in_scope()
RETURNS TABLE (name text, details jsonb)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.pubname::text, jsonb_build_object('tables', count(*), 'protected_tables', count(*) FILTER (WHERE l.objoid IS NOT NULL))
    FROM pg_publication_tables p
         LEFT JOIN pg_seclabel l ON l.provider = 'toms' AND l.classoid = 'pg_class'::regclass AND l.objsubid = 0
                                    AND l.objoid = format('%I.%I', p.schemaname, p.tablename)::regclass
    GROUP BY p.pubname;
$$;
REVOKE ALL ON FUNCTION toms.publications_in_scope() FROM PUBLIC;
COMMENT ON FUNCTION toms.publications_in_scope() IS 'internal: publications, and how many protected tables each one hands on';

CREATE FUNCTION toms.exports_in_scope(of_tenant text)
RETURNS TABLE (name text, details jsonb)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.recipient, jsonb_build_object('country', (SELECT r.country FROM toms.recipient r WHERE r.recipient = d.recipient), 'exports', count(*), 'last', max(d.at)::date,
                                           'categories', (SELECT jsonb_agg(DISTINCT c ORDER BY c) FROM toms.disclosure o, unnest(o.categories) c
                                                          WHERE o.recipient = d.recipient AND o.at > now() - interval '1 year' AND (of_tenant IS NULL OR o.tenant = of_tenant)))
    FROM toms.disclosure d
    WHERE d.at > now() - interval '1 year' AND (of_tenant IS NULL OR d.tenant = of_tenant)
    GROUP BY d.recipient;
$$;
REVOKE ALL ON FUNCTION toms.exports_in_scope(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.exports_in_scope(text) IS 'internal: who was given personal data within a year';

-- Roots with their partitions; of one that somebody has locked there is but the name.
CREATE FUNCTION toms.protected_in_scope()
RETURNS TABLE (name text, details jsonb)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH locked AS MATERIALIZED (SELECT toms.locked_tables() AS relid),
    labelled AS MATERIALIZED (
        SELECT c.oid, l.relid IS NOT NULL AS is_locked, EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AS is_child
        FROM pg_seclabel s JOIN pg_class c ON c.oid = s.objoid LEFT JOIN locked l ON l.relid = c.oid
        WHERE s.provider = 'toms' AND s.classoid = 'pg_class'::regclass AND s.objsubid = 0),
    described AS MATERIALIZED (SELECT b.oid, d.* FROM (SELECT * FROM labelled WHERE NOT is_locked OFFSET 0) b, LATERAL toms.describe(b.oid::regclass) d WHERE d.root IS NOT NULL)
    SELECT d.root::text, jsonb_build_object('category', (array_agg(d.category) FILTER (WHERE d.oid = d.root))[1], 'mode', (array_agg(d.mode) FILTER (WHERE d.oid = d.root))[1], 'partitions', count(*) - 1)
    FROM described d GROUP BY d.root
    UNION ALL
    SELECT b.oid::regclass::text, jsonb_build_object('locked', true) FROM labelled b WHERE b.is_locked AND NOT b.is_child;
$$;
REVOKE ALL ON FUNCTION toms.protected_in_scope() FROM PUBLIC;
COMMENT ON FUNCTION toms.protected_in_scope() IS 'internal: protected tables, and how many partitions each one has';

-- Of a tenant: no name of a database, which may be another one's, and of exports and copies those that concern him.
CREATE FUNCTION toms.data_scope(tenant text DEFAULT NULL)
RETURNS TABLE (kind text, name text, details jsonb)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
#variable_conflict use_column
BEGIN
    IF data_scope.tenant IS NOT NULL AND NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = data_scope.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', data_scope.tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    RETURN QUERY
    SELECT s.* FROM (
        SELECT 'database', CASE WHEN data_scope.tenant IS NULL THEN d.name END, jsonb_build_object('toms', d.has_toms) FROM toms.databases_in_scope() d
        UNION ALL
        SELECT 'protected_table', p.name, p.details FROM toms.protected_in_scope() p
        UNION ALL
        SELECT 'unprotected_table', u.relation::text, jsonb_build_object('kind', u.kind) FROM toms.unprotected_tables() u
        UNION ALL
        SELECT 'replica', r.name, r.details FROM toms.replicas_in_scope() r
        UNION ALL
        SELECT 'publication', p.name, p.details FROM toms.publications_in_scope() p
        UNION ALL
        SELECT 'export', e.name, e.details FROM toms.exports_in_scope(data_scope.tenant) e
        UNION ALL
        SELECT 'copy', c.name, jsonb_build_object('place', c.place, 'categories', c.categories, 'purpose', c.purpose, 'keep_until', c.keep_until, 'since', c.declared_at::date)
        FROM toms.copy_outside c WHERE c.ended_at IS NULL AND (data_scope.tenant IS NULL OR c.tenants IS NULL OR data_scope.tenant = ANY (c.tenants))) s (kind, name, details)
    ORDER BY array_position('{database,protected_table,unprotected_table,replica,publication,export,copy}', s.kind), s.name COLLATE "C";
END
$$;
REVOKE ALL ON FUNCTION toms.data_scope(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.data_scope(text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.data_scope(text) IS 'where personal data is: databases of this server, protected tables and those beside them, replicas, publications, exports of a year, declared copies; of all tenants or one';
