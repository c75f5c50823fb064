-- What protects a table, and what leaks around it or is slow below it.  Each finding comes with
-- what ends it: SQL where SQL can.  Nothing here decides; it reads the catalogs and tells.
-- Each function looks at several tables in one query; "relation" is the one of them whose leak it is.

CREATE FUNCTION toms.protected_tree(relations regclass[], OUT relation regclass, OUT relid regclass, OUT kind "char", OUT owner oid, OUT acl aclitem[],
                                    OUT schema oid, OUT root regclass, OUT mode text, OUT intact boolean, OUT holder smallint, OUT holder_name name)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE tree (relation, child) AS (
        SELECT r::oid, r::oid FROM unnest(relations) r
        UNION
        SELECT t.relation, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.child
    )
    SELECT t.relation::regclass, c.oid::regclass, c.relkind, c.relowner, c.relacl, c.relnamespace, d.root, d.mode, d.intact, a.attnum, a.attname
    FROM tree t JOIN pg_class c ON c.oid = t.child
         CROSS JOIN LATERAL toms.describe(t.child::regclass) d
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = coalesce(d.tenant, d.parent_key);
$$;
REVOKE ALL ON FUNCTION toms.protected_tree(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.protected_tree(regclass[]) IS 'internal: relations with all below them; holder is the column that says whose a row is: the tenant, else the parent''s key';

CREATE FUNCTION toms.passes_policies(role oid) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_roles r WHERE r.oid = passes_policies.role AND (r.rolsuper OR r.rolbypassrls));
$$;
REVOKE ALL ON FUNCTION toms.passes_policies(oid) FROM PUBLIC;
COMMENT ON FUNCTION toms.passes_policies(oid) IS 'internal: whether PostgreSQL applies no policy to a role';

-- policies -----------------------------------------------------------------------------------

CREATE FUNCTION toms.policy_leaks(relations regclass[], OUT relation regclass, OUT kind text, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.relation, 'protection', t.relid::text, 'its row security is not as toms made it: access is refused', format('SELECT toms.enforce(%L);', t.root)
    FROM toms.protected_tree(relations) t
    WHERE t.mode = 'enforce' AND NOT t.intact AND t.kind <> 'f'
    UNION ALL
    SELECT t.relation, 'policy', p.polname::text, 'is evaluated before those of toms; if it hands columns to functions that are not leakproof, access is refused',
           format('ALTER POLICY %I ON %s RENAME TO %I;', p.polname, t.relid, 'zz_' || p.polname)
    FROM toms.protected_tree(relations) t JOIN pg_policy p ON p.polrelid = t.relid
    WHERE NOT p.polpermissive AND p.polname::text COLLATE "C" < 'toms_'
    UNION ALL
    SELECT t.relation, 'mode', t.relid::text, 'observed only: nothing is refused', format('SELECT toms.enforce(%L);', t.relid)
    FROM toms.protected_tree(relations) t WHERE t.mode = 'observe' AND t.relid = t.relation
    UNION ALL
    SELECT t.relation, 'foreign table', t.relid::text, 'its rows lie on another server, and it can have no policy: reading it by itself is refused',
           format('DROP FOREIGN TABLE %s;', t.relid)
    FROM toms.protected_tree(relations) t WHERE t.kind = 'f';
$$;
REVOKE ALL ON FUNCTION toms.policy_leaks(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.policy_leaks(regclass[]) IS 'internal: where the policies of a table do not hold';

-- privileges ---------------------------------------------------------------------------------

-- Privileges on relations and on their columns, but for their owners and for who passes the policies.
CREATE FUNCTION toms.granted(relations regclass[], OUT relation regclass, OUT relid regclass, OUT root regclass, OUT grantee oid, OUT verb text, OUT columns text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH tree AS MATERIALIZED (SELECT * FROM toms.protected_tree(relations)), granted AS (
        SELECT t.relation, t.relid, t.root, t.owner, a.grantee, a.privilege_type, NULL AS columns
        FROM tree t, aclexplode(t.acl) a
        UNION ALL
        SELECT t.relation, t.relid, t.root, t.owner, a.grantee, a.privilege_type, format(' (%s)', string_agg(quote_ident(c.attname), ', ' ORDER BY c.attnum))
        FROM tree t JOIN pg_attribute c ON c.attrelid = t.relid AND NOT c.attisdropped, aclexplode(c.attacl) a
        GROUP BY t.relation, t.relid, t.root, t.owner, a.grantee, a.privilege_type
    )
    SELECT g.relation, g.relid, g.root, g.grantee, g.privilege_type, g.columns
    FROM granted g LEFT JOIN pg_roles r ON r.oid = g.grantee
    WHERE g.grantee <> g.owner AND (r.rolsuper OR r.rolbypassrls) IS NOT TRUE;
$$;
REVOKE ALL ON FUNCTION toms.granted(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.granted(regclass[]) IS 'internal: privileges on relations and all below them';

CREATE FUNCTION toms.permissions_in_force(relations regclass[], OUT relation regclass, OUT root regclass, OUT role oid, OUT verb text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT a.relation, d.root, r.oid, upper(v)
    FROM unnest(relations) a (relation) CROSS JOIN LATERAL toms.describe(a.relation) d
         JOIN toms.permission p ON p.relation = d.root JOIN pg_roles r ON r.oid = p.role, unnest(p.verbs) v
    WHERE p.valid_until IS NULL OR p.valid_until > clock_timestamp();
$$;
REVOKE ALL ON FUNCTION toms.permissions_in_force(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.permissions_in_force(regclass[]) IS 'internal: who is permitted what on tables now';

CREATE FUNCTION toms.grant_leaks(relations regclass[], OUT relation regclass, OUT kind text, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH granted AS MATERIALIZED (
        SELECT g.*, coalesce(nullif(g.grantee, 0)::regrole::text, 'PUBLIC') AS holder, g.verb || coalesce(g.columns, '') AS privilege
        FROM toms.granted(relations) g
    ), permitted AS MATERIALIZED (SELECT * FROM toms.permissions_in_force(relations))
    SELECT g.relation, 'grant', g.holder, format('privilege %s on %s: %s', g.privilege, g.relid, effect),
           format('REVOKE %s ON %s FROM %s;', g.privilege, g.relid, g.holder)
    FROM granted g JOIN (VALUES
        ('TRUNCATE', 'no policy applies to it, the guard alone refuses it'),
        ('TRIGGER', 'a trigger of his would see all rows that others write'),
        ('REFERENCES', 'a foreign key of his would tell which keys other tenants have')) e (verb, effect) USING (verb)
    UNION ALL
    SELECT g.relation, 'grant', g.holder, format('privilege %s on %s: every role has it, nothing but its permission counts', g.privilege, g.relid),
           format('REVOKE %s ON %s FROM PUBLIC;', g.privilege, g.relid)
    FROM granted g WHERE g.grantee = 0 AND g.verb IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    UNION ALL
    SELECT g.relation, 'grant', g.holder, format('privilege %s on %s: of no use without a permission', g.privilege, g.relid),
           format('REVOKE %s ON %s FROM %s;', g.privilege, g.relid, g.holder)
    FROM granted g
    WHERE g.grantee <> 0 AND g.verb IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') AND NOT EXISTS (
        SELECT FROM permitted p WHERE p.root = g.root AND p.verb = g.verb AND (pg_has_role(g.grantee, p.role, 'USAGE') OR pg_has_role(p.role, g.grantee, 'USAGE')))
    UNION ALL
    SELECT p.relation, 'grant', p.role::regrole::text, format('permission to %s on %s: of no use without the privilege', lower(p.verb), p.root),
           format('GRANT %s ON %s TO %s;', p.verb, p.root, p.role::regrole)
    FROM permitted p
    WHERE NOT has_table_privilege(p.role, p.root, p.verb) AND (p.verb = 'DELETE' OR NOT has_any_column_privilege(p.role, p.root, p.verb))
    UNION ALL
    SELECT DISTINCT p.relation, 'grant', p.role::regrole::text, format('permission on %s: of no use without USAGE on its schema', p.root),
           format('GRANT USAGE ON SCHEMA %s TO %s;', c.relnamespace::regnamespace, p.role::regrole)
    FROM permitted p JOIN pg_class c ON c.oid = p.root WHERE NOT has_schema_privilege(p.role, c.relnamespace, 'USAGE');
$$;
REVOKE ALL ON FUNCTION toms.grant_leaks(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.grant_leaks(regclass[]) IS 'internal: privileges that no policy holds, and those that do not fit the permissions';

-- views and rules ----------------------------------------------------------------------------

-- What reads a relation by a rule: views, materialized views, rules of other tables.  Through views
-- too, as far as materialized views go, which keep what they read.
CREATE FUNCTION toms.readers(relations regclass[], OUT relation regclass, OUT relid regclass, OUT kind "char", OUT owner oid, OUT direct boolean, OUT rule oid, OUT source regclass)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE reader (relation, relid, direct, rule, source) AS (
        SELECT t.relation, r.ev_class, true, r.oid, t.relid::oid
        FROM toms.protected_tree(relations) t
             JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.relid
             JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> d.refobjid
        UNION
        SELECT b.relation, r.ev_class, false, r.oid, b.source
        FROM reader b JOIN pg_class v ON v.oid = b.relid AND v.relkind = 'v'
             JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid
             JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> d.refobjid
    )
    SELECT b.relation, c.oid::regclass, c.relkind, c.relowner, b.direct, b.rule, b.source::regclass
    FROM reader b JOIN pg_class c ON c.oid = b.relid
    WHERE c.relnamespace <> 'toms'::regnamespace AND (b.direct OR c.relkind = 'm');
$$;
REVOKE ALL ON FUNCTION toms.readers(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.readers(regclass[]) IS 'internal: views and rules that read relations or what is below them';

CREATE FUNCTION toms.view_leaks(relations regclass[], OUT relation regclass, OUT kind text, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH reader AS (SELECT DISTINCT * FROM toms.readers(relations))
    SELECT DISTINCT r.relation, 'view', r.relid::text,
           CASE WHEN toms.passes_policies(r.owner) THEN format('its owner %s bypasses row security: reading it is refused', r.owner::regrole)
                ELSE format('reads with the privileges of its owner %s: who may read it needs none on %s; policies and permissions are those of the reader''s context',
                            r.owner::regrole, r.source) END,
           format('ALTER VIEW %s SET (security_invoker = true);', r.relid)
    FROM reader r JOIN pg_class v ON v.oid = r.relid JOIN pg_class s ON s.oid = r.source
    WHERE r.kind = 'v' AND r.direct AND (toms.passes_policies(r.owner) OR r.owner <> s.relowner)
      AND NOT EXISTS (SELECT FROM pg_options_to_table(v.reloptions) x WHERE x.option_name = 'security_invoker' AND x.option_value::boolean)
    UNION ALL
    SELECT DISTINCT r.relation, 'materialized view', r.relid::text, 'holds a copy of rows that no policy protects', format('DROP MATERIALIZED VIEW %s;', r.relid)
    FROM reader r WHERE r.kind = 'm'
    UNION ALL
    SELECT DISTINCT r.relation, 'rule', format('%s on %s', w.rulename, r.relid),
           CASE WHEN toms.passes_policies(r.owner) THEN format('reads %s as %s, who bypasses row security: what fires it is refused', r.source, r.owner::regrole)
                ELSE format('reads %s with the privileges of %s, and can copy its rows', r.source, r.owner::regrole) END,
           format('DROP RULE %I ON %s;', w.rulename, r.relid)
    FROM reader r JOIN pg_rewrite w ON w.oid = r.rule WHERE r.kind IN ('r', 'p', 'f')
    UNION ALL
    SELECT t.relation, 'rule', format('%s on %s', w.rulename, t.relid),
           format('what it adds to statements runs with the privileges of %s, and can copy rows', t.owner::regrole),
           format('DROP RULE %I ON %s;', w.rulename, t.relid)
    FROM toms.protected_tree(relations) t JOIN pg_rewrite w ON w.ev_class = t.relid;
$$;
REVOKE ALL ON FUNCTION toms.view_leaks(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.view_leaks(regclass[]) IS 'internal: views and rules through which a table is read';

-- functions ----------------------------------------------------------------------------------

CREATE FUNCTION toms.literal_pattern(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT regexp_replace(literal_pattern.name, '([][\\.^$*+?(){}|-])', '\\\1', 'g');
$$;
REVOKE ALL ON FUNCTION toms.literal_pattern(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.literal_pattern(text) IS 'internal: a regular expression that matches a name';

-- By its name alone, or with its schema; in quotes or not; that of another schema is another table.
CREATE FUNCTION toms.mentions(body text, relation regclass) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT mentions.body ~* format('(^|[^[:alnum:]_$."]|(^|[^[:alnum:]_$."])"?%s"?\s*\.\s*)"?%s"?($|[^[:alnum:]_$"])',
                                   toms.literal_pattern(n.nspname), toms.literal_pattern(c.relname))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = mentions.relation;
$$;
REVOKE ALL ON FUNCTION toms.mentions(text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.mentions(text, regclass) IS 'internal: whether the text of a function names a table';

-- Functions that an index, constraint, generated column, partition key or statistics calls.
CREATE FUNCTION toms.functions_of_expressions(relations oid[], OUT relid oid, OUT function oid) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH relation (relid) AS (SELECT unnest(relations)), dependent (relid, class, id) AS (
        SELECT r.relid, 'pg_class'::regclass, r.relid FROM relation r
        UNION ALL SELECT i.indrelid, 'pg_class'::regclass, i.indexrelid FROM relation r JOIN pg_index i ON i.indrelid = r.relid
        UNION ALL SELECT c.conrelid, 'pg_constraint'::regclass, c.oid FROM relation r JOIN pg_constraint c ON c.conrelid = r.relid AND c.contype = 'c'
        UNION ALL SELECT f.adrelid, 'pg_attrdef'::regclass, f.oid
                  FROM relation r JOIN pg_attrdef f ON f.adrelid = r.relid JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
                  WHERE a.attgenerated <> ''
        UNION ALL SELECT s.stxrelid, 'pg_statistic_ext'::regclass, s.oid FROM relation r JOIN pg_statistic_ext s ON s.stxrelid = r.relid
    )
    SELECT DISTINCT e.relid, d.refobjid FROM dependent e JOIN pg_depend d ON d.classid = e.class AND d.objid = e.id
    WHERE d.refclassid = 'pg_proc'::regclass;
$$;
REVOKE ALL ON FUNCTION toms.functions_of_expressions(oid[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.functions_of_expressions(oid[]) IS 'internal: functions that PostgreSQL runs on all rows of tables';

-- Not as SQL: with SECURITY DEFINER in it, whoever wrote it would be its new owner.
CREATE FUNCTION toms.adopt_function(function regprocedure, owner oid) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('read it, its owner can have written anything, and then: ALTER FUNCTION %1$s SECURITY INVOKER; ALTER FUNCTION %1$s OWNER TO %2$s;', function, owner::regrole);
$$;
REVOKE ALL ON FUNCTION toms.adopt_function(regprocedure, oid) FROM PUBLIC;
COMMENT ON FUNCTION toms.adopt_function(regprocedure, oid) IS 'internal: what makes code that sees rows of every tenant trustworthy';

CREATE FUNCTION toms.function_leaks(relations regclass[], OUT relation regclass, OUT kind text, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH tree AS MATERIALIZED (SELECT * FROM toms.protected_tree(relations)), definer AS (
        SELECT p.oid, p.proowner, CASE WHEN p.prosqlbody IS NULL AND l.lanname NOT IN ('internal', 'c') THEN p.prosrc END AS body
        FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.prosecdef AND toms.passes_policies(p.proowner)
          AND p.pronamespace NOT IN ('toms'::regnamespace, 'pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    )
    SELECT t.relation, 'function', f.oid::regprocedure::text,
           format('%s %s as its owner %s, who bypasses row security: that is refused', CASE WHEN f.body IS NULL THEN 'reads' ELSE 'mentions' END,
                  string_agg(t.relid::text, ', ' ORDER BY t.relid::text COLLATE "C"), f.proowner::regrole),
           CASE WHEN bool_or(toms.passes_policies(t.owner)) THEN format('ALTER ROUTINE %s SECURITY INVOKER;', f.oid::regprocedure)
                ELSE format('ALTER ROUTINE %s OWNER TO %s;', f.oid::regprocedure, min(t.owner::regrole::text)) END
    FROM definer f, tree t
    WHERE toms.mentions(f.body, t.relid) OR EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.relid)
    GROUP BY t.relation, f.oid, f.body, f.proowner
    UNION ALL
    SELECT tree.relation, 'trigger', t.tgname::text,
           format('function %s belongs to %s, not to the owner of %s, and sees the rows', p.oid::regprocedure, p.proowner::regrole, tree.relid),
           toms.adopt_function(p.oid, tree.owner)
    FROM tree JOIN pg_trigger t ON t.tgrelid = tree.relid AND NOT t.tgisinternal AND t.tgparentid = 0
         JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_roles o ON o.oid = p.proowner
    WHERE p.proowner <> tree.owner AND NOT o.rolsuper
    UNION ALL
    SELECT DISTINCT t.relation, 'expression', p.oid::regprocedure::text,
           format('is run on all rows of %s by an index, constraint, generated column, partition key or statistics, and %s can change it', t.relid, p.proowner::regrole),
           toms.adopt_function(p.oid, 10)
    FROM toms.functions_of_expressions(ARRAY(SELECT tree.relid::oid FROM tree)) f JOIN tree t ON t.relid = f.relid JOIN pg_proc p ON p.oid = f.function JOIN pg_roles o ON o.oid = p.proowner
    WHERE NOT o.rolsuper;
$$;
REVOKE ALL ON FUNCTION toms.function_leaks(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.function_leaks(regclass[]) IS 'internal: functions that see rows of a table other than as its reader';

-- keys -----------------------------------------------------------------------------------------

-- The tenant stands on both sides, or the key is the one that tells whose the row is.
CREATE FUNCTION toms.key_holds_tenant(foreign_key oid) RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT bool_or(k.own = own.attnum AND (k.other = other.attnum OR child.tenant IS NULL))
    FROM pg_constraint f CROSS JOIN LATERAL toms.describe(f.conrelid) child CROSS JOIN LATERAL toms.describe(f.confrelid) parent
         JOIN pg_attribute own ON own.attrelid = f.conrelid AND own.attname = coalesce(child.tenant, child.parent_key)
         LEFT JOIN pg_attribute other ON other.attrelid = f.confrelid AND other.attname = coalesce(parent.tenant, parent.parent_key)
         CROSS JOIN LATERAL unnest(f.conkey, f.confkey) k (own, other)
    WHERE f.oid = key_holds_tenant.foreign_key;
$$;
REVOKE ALL ON FUNCTION toms.key_holds_tenant(oid) FROM PUBLIC;
COMMENT ON FUNCTION toms.key_holds_tenant(oid) IS 'internal: whether a foreign key can only refer to rows of the same tenant';

CREATE FUNCTION toms.key_leaks(relations regclass[], OUT relation regclass, OUT kind text, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH tree AS MATERIALIZED (SELECT * FROM toms.protected_tree(relations)), foreign_key AS (
        SELECT DISTINCT tree.relation, f.oid, f.conname, f.conrelid::regclass AS child, f.confrelid::regclass AS parent, d.root IS NOT NULL AS protected,
               f.conrelid = tree.relid AND NOT f.convalidated AS unproved,
               f.conrelid = tree.relid AND (f.confupdtype IN ('c', 'n', 'd') OR f.confdeltype IN ('c', 'n', 'd')) AS acts
        FROM tree JOIN pg_constraint f ON f.contype = 'f' AND f.conparentid = 0 AND tree.relid IN (f.conrelid, f.confrelid)
             CROSS JOIN LATERAL toms.describe(f.confrelid) d
    )
    SELECT t.relation, CASE WHEN i.indisexclusion THEN 'exclusion constraint' ELSE 'unique key' END, i.indexrelid::regclass::text,
           format('does not hold the tenant: a %s tells that another tenant has the value', CASE WHEN i.indisexclusion THEN 'conflict' ELSE 'duplicate' END),
           format('add %I to the key, if the value means anything to anybody', t.holder_name)
    FROM tree t JOIN pg_index i ON i.indrelid = t.relid JOIN pg_class x ON x.oid = i.indexrelid
    WHERE (i.indisunique OR i.indisexclusion) AND NOT x.relispartition AND t.holder IS NOT NULL
      AND t.holder <> ALL ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
    UNION ALL
    SELECT DISTINCT f.relation, 'foreign key', format('%s on %s', f.conname, f.child), 'does not hold the tenant: a row can refer to another tenant''s',
           CASE WHEN c.root IS NULL THEN format('SELECT toms.protect(%L, tenant => ''…''); and add the tenant to the key', f.child)
                WHEN c.tenant IS NULL OR p.tenant IS NULL THEN format('add a column for the tenant to %s, and to the key', CASE WHEN c.tenant IS NULL THEN f.child ELSE f.parent END)
                ELSE format('add the tenant to the key: FOREIGN KEY (%I, …) REFERENCES %s (%I, …)', c.tenant, f.parent, p.tenant) END
    FROM foreign_key f CROSS JOIN LATERAL toms.describe(f.child) c CROSS JOIN LATERAL toms.describe(f.parent) p
    WHERE f.protected AND NOT coalesce(toms.key_holds_tenant(f.oid), false)
    UNION ALL
    SELECT f.relation, 'foreign key', format('%s on %s', f.conname, f.child),
           format('whoever may change %s, which is not protected, changes rows of his tenant by it, whatever he is permitted there', f.parent),
           format('SELECT toms.protect(%L, tenant => ''…''); or a key without ON UPDATE and ON DELETE actions', f.parent)
    FROM foreign_key f WHERE f.acts AND NOT f.protected
    UNION ALL
    SELECT f.relation, 'foreign key', format('%s on %s', f.conname, f.child),
           format('not valid: whoever may change %s, which is not protected, learns by each value that he guesses whether a row of any tenant has it', f.parent),
           format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', f.child, f.conname)
    FROM foreign_key f WHERE f.unproved AND NOT f.protected;
$$;
REVOKE ALL ON FUNCTION toms.key_leaks(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.key_leaks(regclass[]) IS 'internal: keys that cross tenants';

-- publications and statistics ------------------------------------------------------------------

CREATE FUNCTION toms.publication_leaks(relations regclass[], OUT relation regclass, OUT kind text, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.relation, 'publication', p.pubname::text, format('sends rows of all tenants in %s to its subscribers', t.relid),
           format('ALTER PUBLICATION %I DROP TABLE %s;', p.pubname, t.relid)
    FROM toms.protected_tree(relations) t JOIN pg_publication_rel r ON r.prrelid = t.relid JOIN pg_publication p ON p.oid = r.prpubid
    UNION ALL
    SELECT DISTINCT t.relation, 'publication', p.pubname::text, format('sends rows of all tenants in schema %s to its subscribers', t.schema::regnamespace),
           format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA %s;', p.pubname, t.schema::regnamespace)
    FROM toms.protected_tree(relations) t JOIN pg_publication_namespace n ON n.pnnspid = t.schema JOIN pg_publication p ON p.oid = n.pnpubid
    UNION ALL
    SELECT r, 'publication', p.pubname::text, 'sends rows of all tenants in every table to its subscribers', format('DROP PUBLICATION %I;', p.pubname)
    FROM unnest(relations) r, pg_publication p WHERE p.puballtables;
$$;
REVOKE ALL ON FUNCTION toms.publication_leaks(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.publication_leaks(regclass[]) IS 'internal: publications of a table';

-- Of columns that say whose a row is, the planner is not shown most common values
-- (policy/statistics.c); of expressions of them it is.
CREATE FUNCTION toms.telling_expressions(relations regclass[], OUT relation regclass, OUT object text, OUT attname name, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH expression (relid, text, object, remedy) AS (
        SELECT s.stxrelid, s.stxexprs::text, n.name, format('DROP STATISTICS %s;', n.name)
        FROM pg_statistic_ext s CROSS JOIN LATERAL format('%s.%I', s.stxnamespace::regnamespace, s.stxname) n (name)
        UNION ALL
        SELECT i.indrelid, i.indexprs::text, i.indexrelid::regclass::text,
               CASE WHEN c.oid IS NULL THEN format('DROP INDEX %s;', i.indexrelid::regclass)
                    ELSE format('ALTER TABLE %s DROP CONSTRAINT %I;', i.indrelid::regclass, c.conname) END
        FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid AND NOT x.relispartition LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid
        WHERE i.indexprs IS NOT NULL
    )
    SELECT DISTINCT t.relation, e.object, a.attname, e.remedy
    FROM toms.protected_tree(relations) t CROSS JOIN LATERAL toms.describe(t.relid) d
         JOIN pg_attribute a ON a.attrelid = t.relid AND a.attname IN (d.tenant, d.subject, d.parent_key)
         JOIN expression e ON e.relid = t.relid AND e.text ~ format(':varattno %s\M', a.attnum);
$$;
REVOKE ALL ON FUNCTION toms.telling_expressions(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.telling_expressions(regclass[]) IS 'internal: statistics and indexes on expressions of tenant, subject or parent''s key';

-- pg_stats hides the rows of tables whose row security is active for who asks; the tables behind
-- it hide nothing.
CREATE FUNCTION toms.statistics_leaks(relations regclass[], OUT relation regclass, OUT kind text, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH catalog (relid) AS (VALUES ('pg_statistic'::regclass), ('pg_statistic_ext_data'::regclass)), granted AS (
        SELECT k.relid, a.grantee FROM catalog k JOIN pg_class c ON c.oid = k.relid, aclexplode(c.relacl) a
        WHERE a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
        UNION
        SELECT k.relid, a.grantee FROM catalog k JOIN pg_class c ON c.oid = k.relid JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a
        WHERE a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
    )
    SELECT r, 'statistics', coalesce(nullif(g.grantee, 0)::regrole::text, 'PUBLIC'), format('may read %s, which holds values of all tenants', g.relid),
           format('REVOKE SELECT ON %s FROM %s;', g.relid, coalesce(nullif(g.grantee, 0)::regrole::text, 'PUBLIC'))
    FROM unnest(relations) r, granted g
    UNION ALL
    SELECT a, 'statistics', m.member::regrole::text, 'has the privileges of pg_read_all_data, so it may read pg_statistic, which holds values of all tenants',
           format('REVOKE pg_read_all_data FROM %s;', m.member::regrole)
    FROM unnest(relations) a, pg_auth_members m JOIN pg_roles r ON r.oid = m.member
    WHERE m.roleid = 'pg_read_all_data'::regrole AND NOT r.rolsuper
    UNION ALL
    SELECT e.relation, 'statistics', e.object, format('has values of column %s within an expression: the planner''s estimates tell how many rows each of them has', e.attname), e.remedy
    FROM toms.telling_expressions(relations) e;
$$;
REVOKE ALL ON FUNCTION toms.statistics_leaks(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.statistics_leaks(regclass[]) IS 'internal: statistics that tell values of other tenants';

-- sealed columns, and rows themselves ----------------------------------------------------------

CREATE FUNCTION toms.explain_sealed(relation regclass, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.name::text, CASE WHEN c.id IS NULL THEN format_type(s.type, s.modifier) ELSE format('toms.health_code(%L)', c.name) END || ': ciphertext'
                   || CASE WHEN a.attnotnull THEN '' ELSE '; where it is NULL, that is in clear text' END,
           CASE WHEN NOT a.attnotnull AND NOT (s.base = 'toms.sealed_bytea'::regtype AND d.free_text = 'refuse')     -- no file is mandatory there
                THEN format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL;', explain_sealed.relation, s.name) END
    FROM toms.describe(explain_sealed.relation) d CROSS JOIN LATERAL toms.sealed_columns(explain_sealed.relation) s
         JOIN pg_attribute a ON a.attrelid = explain_sealed.relation AND a.attname = s.name
         LEFT JOIN toms.code_catalogue c ON s.type = 'toms.health_code'::regtype AND c.id = s.modifier;
$$;
REVOKE ALL ON FUNCTION toms.explain_sealed(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.explain_sealed(regclass) IS 'internal: sealed columns of a table, and what their NULLs tell';

-- No policy and no key hides from who holds the disk that there is a row of a person.
CREATE FUNCTION toms.existence_leaks(relations regclass[], OUT relation regclass, OUT kind text, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.relation, 'existence', r.relation::text,
           format('who has a row (%I), and when it was written, is in clear text: where only those concerned have one, that alone is data of category %s',
                  d.subject, string_agg(c.category, ', ' ORDER BY c.category)),
           'one row for each occasion, concerned or not (for each absence, sick or not), and what it was about sealed; or a pseudonym as its subject'
    FROM unnest(relations) r (relation) CROSS JOIN LATERAL toms.describe(r.relation) d
         JOIN toms.category c ON c.article9 AND (c.category = d.category
              OR EXISTS (SELECT FROM toms.row_labels l WHERE l.category = c.category AND l.relation IN (r.relation, d.root)))
    WHERE d.subject IS NOT NULL GROUP BY r.relation, d.subject;
$$;
REVOKE ALL ON FUNCTION toms.existence_leaks(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.existence_leaks(regclass[]) IS 'internal: what the existence of a row tells, in tables of special categories (Art. 9 GDPR)';

CREATE FUNCTION toms.protection_leaks(relations regclass[], OUT relation regclass, OUT kind text, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM toms.policy_leaks(relations)
    UNION ALL SELECT * FROM toms.grant_leaks(relations)
    UNION ALL SELECT * FROM toms.view_leaks(relations)
    UNION ALL SELECT * FROM toms.function_leaks(relations)
    UNION ALL SELECT * FROM toms.key_leaks(relations)
    UNION ALL SELECT * FROM toms.publication_leaks(relations)
    UNION ALL SELECT * FROM toms.statistics_leaks(relations)
    UNION ALL SELECT * FROM toms.existence_leaks(relations);
$$;
REVOKE ALL ON FUNCTION toms.protection_leaks(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.protection_leaks(regclass[]) IS 'internal: what leaks around protected tables';

-- explain ------------------------------------------------------------------------------------

CREATE FUNCTION toms.explain_form(relation regclass) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('mode %s, %s, subject column %s, category %s', d.mode,
                  CASE WHEN d.tenant IS NOT NULL THEN format('tenant column %s', d.tenant)
                       ELSE format('tenant of the parent row in %s by column %s', string_agg(p.parent::text, ', ' ORDER BY p.id), d.parent_key) END
                  || CASE WHEN d.null_tenant = 'shared' THEN ' (rows without one are shared)' ELSE '' END,
                  coalesce(d.subject, '(none)'), d.category) || CASE d.access WHEN 'functions' THEN ', reached through access functions only' ELSE '' END
           || CASE d.chosen_read_audit WHEN 'strict' THEN ', reads recorded before the first row' WHEN 'asynchronous' THEN ', reads recorded soon afterwards' ELSE '' END
    FROM toms.describe(explain_form.relation) d LEFT JOIN toms.parent p ON p.child = d.root
    GROUP BY d.mode, d.tenant, d.parent_key, d.null_tenant, d.subject, d.category, d.access, d.chosen_read_audit;
$$;
REVOKE ALL ON FUNCTION toms.explain_form(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.explain_form(regclass) IS 'internal: how a table is protected, as a sentence';

CREATE FUNCTION toms.explain_protection(relation regclass, OUT kind text, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    root regclass := (toms.describe(relation)).root;
BEGIN
    IF root IS NULL THEN
        RETURN QUERY SELECT 'protection', relation::text, 'not protected', format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', relation);
        RETURN;
    END IF;
    RETURN QUERY
    SELECT 'protection', relation::text, toms.explain_form(relation), NULL
    UNION ALL
    (SELECT 'partition', t.child::text, 'protected like its root', NULL
     FROM toms.relation_tree(relation) t (child), toms.describe(t.child) d
     WHERE t.child <> relation AND (d.intact OR d.mode = 'observe') ORDER BY t.child::text COLLATE "C")
    UNION ALL
    (SELECT 'policy', p.polname::text,
            CASE WHEN p.polname LIKE 'toms\_%' THEN 'of toms' ELSE 'of the application' END
            || CASE WHEN p.polpermissive THEN ', permissive' ELSE ', restrictive' END, NULL
     FROM pg_policy p WHERE p.polrelid = relation ORDER BY p.polname)
    UNION ALL
    (SELECT 'permission', p.role::text,
            format('%s for %s, scope %s%s%s', array_to_string(p.verbs, ', '), array_to_string(p.purposes, ', '), p.scope,
                   ', categories ' || array_to_string(p.categories, ', '), CASE WHEN p.require_mfa THEN ', with a second factor' END),
            format('SELECT toms.forbid(role => %L, relation => %L);', p.role, root)
     FROM toms.permission p WHERE p.relation = root AND (p.valid_until IS NULL OR p.valid_until > clock_timestamp()) ORDER BY p.id)
    UNION ALL
    (SELECT 'separation', s.other::text, 'no statement reaches both' || coalesce(', unless for ' || nullif(array_to_string(s.unless, ', '), ''), ''),
            format('SELECT toms.unseparate(%L, %L, reason => ''…'');', root, s.other)
     FROM toms.separation s WHERE s.relation = root ORDER BY s.id)
    UNION ALL
    (SELECT 'sealed', s.* FROM toms.explain_sealed(relation) s ORDER BY s.object COLLATE "C")
    UNION ALL
    (SELECT 'category', c.* FROM toms.explain_categories(relation) c ORDER BY c.object COLLATE "C")
    UNION ALL
    (SELECT 'retention', r.* FROM toms.explain_retention(relation) r ORDER BY r.object COLLATE "C")
    UNION ALL
    (SELECT 'free_text', f.* FROM toms.explain_free_text(relation) f ORDER BY f.object COLLATE "C")
    UNION ALL
    (SELECT 'leak: ' || l.kind, l.object, l.finding, l.remedy FROM toms.protection_leaks(ARRAY[relation]) l
     ORDER BY l.kind COLLATE "C", l.object COLLATE "C", l.finding COLLATE "C")
    UNION ALL
    (SELECT 'slow: index', s.object, s.finding, s.remedy FROM toms.slow_indexes(relation) s ORDER BY s.object COLLATE "C", s.finding COLLATE "C")
    UNION ALL
    (SELECT 'slow: no index', m.object, m.finding, m.remedy FROM toms.missing_indexes(relation) m ORDER BY m.object COLLATE "C", m.finding COLLATE "C");
END
$$;
REVOKE ALL ON FUNCTION toms.explain_protection(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.explain_protection(regclass) TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.explain_protection(regclass) IS 'what protects a table, who is permitted what, what is sealed, what leaks around it and is slow below it, with its remedy';
