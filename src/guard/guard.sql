-- What the guard says on request: access, protection, refusals of observed tables, state.

CREATE FUNCTION toms.explain_access(relation regclass, verb text) RETURNS text
    LANGUAGE c VOLATILE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_explain_access';
COMMENT ON FUNCTION toms.explain_access(regclass, text) IS 'whether this session may do that now: permitted, or the first reason why not and the SQL that helps';

-- observe mode -----------------------------------------------------------------------

CREATE FUNCTION toms.would_refuse_entries(OUT relation regclass, OUT verbs text, OUT login regrole, OUT role text, OUT purpose text,
                                          OUT reason text, OUT detail text, OUT remedy text, OUT query_id bigint,
                                          OUT count bigint, OUT first_seen timestamptz, OUT last_seen timestamptz)
RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_would_refuse';
REVOKE ALL ON FUNCTION toms.would_refuse_entries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.would_refuse_entries() TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.would_refuse_entries() IS 'internal: findings of tables in observe mode since the server started';

CREATE VIEW toms.would_refuse AS SELECT * FROM toms.would_refuse_entries();
COMMENT ON VIEW toms.would_refuse IS 'what tables in observe mode would have refused, with the SQL that would permit it';
GRANT SELECT ON toms.would_refuse TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.reset_would_refuse() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_reset_would_refuse';
REVOKE ALL ON FUNCTION toms.reset_would_refuse() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.reset_would_refuse() TO toms_admin;
COMMENT ON FUNCTION toms.reset_would_refuse() IS 'forget what toms.would_refuse lists, to see whether it is still found';

-- state --------------------------------------------------------------------------------

CREATE FUNCTION toms.guard_state(OUT library_version text, OUT refusals bigint, OUT administrative_accesses bigint,
                                 OUT would_refuse integer, OUT keyring_configured boolean)
    LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_guard_state';
REVOKE ALL ON FUNCTION toms.guard_state() FROM PUBLIC;
COMMENT ON FUNCTION toms.guard_state() IS 'internal: counters since the server started';

-- Reads shared memory and files' stat only: no locks on tables, works on standbys.
CREATE FUNCTION toms.status_row(OUT library_version text, OUT extension_version text, OUT refusals bigint,
                                OUT administrative_accesses bigint, OUT would_refuse integer, OUT jwks_keys integer,
                                OUT jwks_loaded_at timestamptz, OUT jwks_problem text, OUT keyring_configured boolean)
LANGUAGE sql VOLATILE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT g.library_version, (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'toms'), g.refusals,
           g.administrative_accesses, g.would_refuse, j.keys, j.loaded_at, j.problem, g.keyring_configured
    FROM toms.guard_state() g, toms.jwks_state() j;
$$;
REVOKE ALL ON FUNCTION toms.status_row() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.status_row() TO pg_monitor, toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.status_row() IS 'internal: the row of toms.status';

CREATE VIEW toms.status AS SELECT * FROM toms.status_row();
COMMENT ON VIEW toms.status IS 'one row for monitoring: versions, keys, counters since the server started';
GRANT SELECT ON toms.status TO pg_monitor, toms_admin, toms_auditor, toms_operator;

-- protection ---------------------------------------------------------------------------

-- What leaks around a protected table and its partitions: each row is one finding with what
-- ends it, SQL where SQL can.
CREATE FUNCTION toms.protection_leaks(relation regclass, OUT kind text, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH rel AS (
        SELECT c.oid, c.relowner, c.relacl, c.relnamespace, d.tenant, d.mode, d.intact,
               (SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = d.tenant) AS tenant_column
        FROM toms.relation_tree(protection_leaks.relation) t (child) JOIN pg_class c ON c.oid = t.child,
             toms.describe(c.oid::regclass) d
    ), reader AS (
        SELECT DISTINCT v.oid, v.relkind, v.relowner, v.reloptions
        FROM rel, pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = rel.oid AND v.oid <> rel.oid
    )
    SELECT 'protection', rel.oid::regclass::text, 'its row security is not as toms made it: access is refused',
           format('SELECT toms.protect(%L, tenant => %L, subject => %L, category => %L);', d.root, d.tenant, d.subject, d.category)
    FROM rel, toms.describe(protection_leaks.relation) d WHERE rel.mode = 'enforce' AND NOT rel.intact
    UNION ALL
    SELECT 'policy', p.polname::text, 'is evaluated before those of toms; if it hands columns to functions that are not leakproof, access is refused',
           format('ALTER POLICY %I ON %s RENAME TO %I;', p.polname, rel.oid::regclass, 'zz_' || p.polname)
    FROM rel JOIN pg_policy p ON p.polrelid = rel.oid
    WHERE NOT p.polpermissive AND p.polname::text COLLATE "C" < 'toms_'
    UNION ALL
    SELECT 'mode', protection_leaks.relation::text, 'observed only: nothing is refused',
           format('SELECT toms.enforce(%L);', protection_leaks.relation)
    FROM rel WHERE rel.mode = 'observe' AND rel.oid = protection_leaks.relation
    UNION ALL
    SELECT 'grant', coalesce(nullif(a.grantee, 0)::regrole::text, 'public'),
           format('privilege %s on %s passes by the policies', a.privilege_type, rel.oid::regclass),
           format('REVOKE %s ON %s FROM %s;', a.privilege_type, rel.oid::regclass, coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'))
    FROM rel, aclexplode(rel.relacl) a
    WHERE a.privilege_type IN ('TRUNCATE', 'TRIGGER', 'REFERENCES') AND a.grantee <> rel.relowner
    UNION ALL
    SELECT 'view', reader.oid::regclass::text,
           format('its owner %s bypasses row security: reading it is refused', reader.relowner::regrole),
           format('ALTER VIEW %s SET (security_invoker = true);', reader.oid::regclass)
    FROM reader JOIN pg_roles o ON o.oid = reader.relowner
    WHERE reader.relkind = 'v' AND (o.rolsuper OR o.rolbypassrls)
      AND NOT EXISTS (SELECT FROM pg_options_to_table(reader.reloptions) x WHERE x.option_name = 'security_invoker' AND x.option_value::boolean)
    UNION ALL
    SELECT 'materialized view', reader.oid::regclass::text, 'holds a copy of rows that no policy protects',
           format('DROP MATERIALIZED VIEW %s;', reader.oid::regclass)
    FROM reader WHERE reader.relkind = 'm'
    UNION ALL
    SELECT 'unique key', i.indexrelid::regclass::text, 'does not hold the tenant: a duplicate tells that another tenant has the value',
           format('add %I to the key, if the value means anything to anybody', rel.tenant)
    FROM rel JOIN pg_index i ON i.indrelid = rel.oid JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indisunique AND NOT x.relispartition AND NOT rel.tenant_column = ANY (i.indkey::smallint[])
    UNION ALL
    SELECT DISTINCT 'foreign key', format('%s on %s', f.conname, f.conrelid::regclass),
           'does not hold the tenant: a row can refer to another tenant''s',
           format('add the tenant to the key: FOREIGN KEY (%I, …) REFERENCES %s', rel.tenant, f.confrelid::regclass)
    FROM rel JOIN pg_constraint f ON f.contype = 'f' AND f.conparentid = 0
         AND ((f.conrelid = rel.oid AND NOT rel.tenant_column = ANY (f.conkey))
              OR (f.confrelid = rel.oid AND NOT rel.tenant_column = ANY (f.confkey)))
    WHERE (toms.describe(f.confrelid::regclass)).root IS NOT NULL
    UNION ALL
    SELECT 'foreign key', format('%s on %s', f.conname, f.conrelid::regclass),
           format('whoever may change %s, which is not protected, changes rows of every tenant by it', f.confrelid::regclass),
           format('SELECT toms.protect(%L, tenant => ''…''); or a key without ON UPDATE and ON DELETE actions', f.confrelid::regclass)
    FROM rel JOIN pg_constraint f ON f.contype = 'f' AND f.conparentid = 0 AND f.conrelid = rel.oid
    WHERE (toms.describe(f.confrelid::regclass)).root IS NULL AND (f.confupdtype IN ('c', 'n', 'd') OR f.confdeltype IN ('c', 'n', 'd'))
    UNION ALL
    SELECT 'trigger', t.tgname::text,
           format('function %s belongs to %s, not to the owner of %s, and sees the rows', p.oid::regprocedure, p.proowner::regrole, rel.oid::regclass),
           format('ALTER FUNCTION %s OWNER TO %s;', p.oid::regprocedure, rel.relowner::regrole)
    FROM rel JOIN pg_trigger t ON t.tgrelid = rel.oid AND NOT t.tgisinternal AND t.tgparentid = 0
         JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_roles o ON o.oid = p.proowner
    WHERE p.proowner <> rel.relowner AND NOT o.rolsuper
    UNION ALL
    SELECT DISTINCT 'expression', p.oid::regprocedure::text,
           format('is run on all rows of %s by an index, constraint, generated column, partition key or statistics, and %s can change it', rel.oid::regclass, p.proowner::regrole),
           format('ALTER FUNCTION %s OWNER TO %I;', p.oid::regprocedure, (SELECT b.rolname FROM pg_roles b WHERE b.oid = 10))
    FROM rel JOIN pg_depend d ON d.refclassid = 'pg_proc'::regclass AND (
             d.classid = 'pg_class'::regclass AND (d.objid = rel.oid OR d.objid IN (SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = rel.oid))
             OR d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT c.oid FROM pg_constraint c WHERE c.conrelid = rel.oid AND c.contype = 'c')
             OR d.classid = 'pg_attrdef'::regclass AND d.objid IN (
                 SELECT f.oid FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
                 WHERE f.adrelid = rel.oid AND a.attgenerated <> '')
             OR d.classid = 'pg_statistic_ext'::regclass AND d.objid IN (SELECT s.oid FROM pg_statistic_ext s WHERE s.stxrelid = rel.oid))
         JOIN pg_proc p ON p.oid = d.refobjid JOIN pg_roles o ON o.oid = p.proowner
    WHERE NOT o.rolsuper
    UNION ALL
    SELECT 'publication', p.pubname::text, format('sends rows of all tenants in %s to its subscribers', rel.oid::regclass),
           format('ALTER PUBLICATION %I DROP TABLE %s;', p.pubname, rel.oid::regclass)
    FROM rel JOIN pg_publication_rel r ON r.prrelid = rel.oid JOIN pg_publication p ON p.oid = r.prpubid
    UNION ALL
    SELECT DISTINCT 'publication', p.pubname::text, format('sends rows of all tenants in schema %s to its subscribers', rel.relnamespace::regnamespace),
           format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA %s;', p.pubname, rel.relnamespace::regnamespace)
    FROM rel JOIN pg_publication_namespace n ON n.pnnspid = rel.relnamespace JOIN pg_publication p ON p.oid = n.pnpubid
    UNION ALL
    SELECT 'publication', p.pubname::text, 'sends rows of all tenants in every table to its subscribers',
           format('DROP PUBLICATION %I;', p.pubname)
    FROM pg_publication p WHERE p.puballtables;
$$;
REVOKE ALL ON FUNCTION toms.protection_leaks(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.protection_leaks(regclass) IS 'internal: what leaks around a protected table';

CREATE FUNCTION toms.explain_protection(relation regclass, OUT kind text, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
BEGIN
    SELECT * INTO today FROM toms.describe(relation);
    IF today.root IS NULL THEN
        RETURN QUERY SELECT 'protection', relation::text, 'not protected', format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', relation);
        RETURN;
    END IF;
    RETURN QUERY
    SELECT 'protection', relation::text,
           format('mode %s, tenant column %s, subject column %s, category %s', today.mode, today.tenant, coalesce(today.subject, '(none)'), today.category), NULL
    UNION ALL
    SELECT 'partition', t.child::text, 'protected like its root', NULL
    FROM toms.relation_tree(relation) t (child), toms.describe(t.child) d WHERE t.child <> relation AND (d.intact OR d.mode = 'observe')
    UNION ALL
    (SELECT 'policy', p.polname::text,
            CASE WHEN p.polname LIKE 'toms\_%' THEN 'of toms' ELSE 'of the application' END
            || CASE WHEN p.polpermissive THEN ', permissive' ELSE ', restrictive' END, NULL
     FROM pg_policy p WHERE p.polrelid = relation ORDER BY p.polname)
    UNION ALL
    (SELECT 'permission', p.role::text, format('%s for %s, scope %s%s', array_to_string(p.verbs, ', '), array_to_string(p.purposes, ', '), p.scope,
                                              CASE WHEN p.require_mfa THEN ', with a second factor' ELSE '' END),
            format('SELECT toms.forbid(role => %L, relation => %L);', p.role, today.root)
     FROM toms.permission p WHERE p.relation = today.root AND (p.valid_until IS NULL OR p.valid_until > clock_timestamp()) ORDER BY p.id)
    UNION ALL
    (SELECT 'leak: ' || l.kind, l.object, l.finding, l.remedy FROM toms.protection_leaks(relation) l ORDER BY l.kind, l.object);
END
$$;
REVOKE ALL ON FUNCTION toms.explain_protection(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.explain_protection(regclass) TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.explain_protection(regclass) IS 'what protects a table, who is permitted what, and what leaks around it with its remedy';
