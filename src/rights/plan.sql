-- Where the rows of a person or a tenant are: in which tables, by which condition, and in which order they can go.
-- Asked by erasures, exports, rectifications and the end of a tenant.

-- "column = 'value'", which an index answers; "false" where the column's type has no such value.
CREATE FUNCTION toms.equals(relation regclass, col name, value text, alias text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN value ~ CASE coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text
                                 WHEN 'uuid' THEN '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' WHEN 'text' THEN '' WHEN 'character varying' THEN ''
                                 WHEN 'smallint' THEN '^(0|-?[1-9][0-9]{0,3})$' WHEN 'integer' THEN '^(0|-?[1-9][0-9]{0,8})$' ELSE '^(0|-?[1-9][0-9]{0,17})$' END
                THEN format('%s.%I = %L', alias, col, value)
                -- the greatest numbers of a type have as many digits as some that it has not
                WHEN value ~ '^-?[1-9][0-9]{0,18}$' AND coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text IN ('smallint', 'integer', 'bigint')
                THEN format('%s.%I = %L::numeric', alias, col, value)
                ELSE 'false' END
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = relation AND a.attname = col;
$$;
REVOKE ALL ON FUNCTION toms.equals(regclass, name, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.equals(regclass, name, text, text) IS 'internal: a condition on a column of tenants or subjects, in SQL';

CREATE FUNCTION toms.condition_through_parents(part regclass, tenant text, subject text, alias text)
RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT '(' || string_agg(format('EXISTS (SELECT FROM %s %s WHERE %2$s.%I = %s.%I%s AND %s)', p.parent, p.above, p.parent_column, alias, d.parent_key,
                                    CASE WHEN p.type_value IS NOT NULL THEN format(' AND %s.%I::text = %L', alias, d.type_column, p.type_value) END, p.condition), ' OR ' ORDER BY p.id) || ')'
    FROM toms.describe(part) d,
         LATERAL (SELECT q.*, toms.rows_condition(q.parent, condition_through_parents.tenant, condition_through_parents.subject, q.above) AS condition
                  FROM (SELECT r.*, alias || '_' || r.id AS above FROM toms.parent r JOIN pg_class c ON c.oid = r.parent WHERE r.child = d.root OFFSET 0) q) p     -- no other table's parents, whatever the planner makes of it
    WHERE p.condition IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.condition_through_parents(regclass, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.condition_through_parents(regclass, text, text, text) IS 'internal: which rows of a table are a tenant''s, or a person''s, for their parent rows';

-- A row is a person's by its own column, else by that of its parent row; and so for the tenant.  A row without a tenant
-- that all tenants share is nobody's.
CREATE FUNCTION toms.rows_condition(part regclass, tenant text, subject text, alias text DEFAULT 't')
RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    own text[] := '{}';
    of_parents text;
BEGIN
    SELECT * INTO today FROM toms.describe(part);
    IF tenant IS NOT NULL AND today.tenant IS NOT NULL THEN
        own := own || toms.equals(part, today.tenant, tenant, alias);
    END IF;
    IF subject IS NOT NULL AND today.subject IS NOT NULL THEN
        own := own || coalesce(toms.equals(part, today.subject, toms.subject_in(part, tenant, subject), alias), 'false');
    END IF;
    IF (tenant IS NOT NULL AND today.tenant IS NULL) OR (subject IS NOT NULL AND today.subject IS NULL) THEN
        of_parents := toms.condition_through_parents(part, tenant, CASE WHEN today.subject IS NULL THEN subject END, alias);
        IF of_parents IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    RETURN array_to_string(own || of_parents, ' AND ');
END
$$;
REVOKE ALL ON FUNCTION toms.rows_condition(regclass, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.rows_condition(regclass, text, text, text) IS 'internal: which rows of a table are a tenant''s and, if one is given, a data subject''s, as SQL on an alias; NULL: no row of it is anybody''s';

-- What a row needs to stay: the rows that it refers to by a foreign key, its parent row, and the one that tells whose second key it has.
CREATE FUNCTION toms.row_references(OUT child regclass, OUT child_root regclass, OUT child_columns name[], OUT parent regclass, OUT parent_root regclass,
                                    OUT parent_columns name[], OUT kind text, OUT on_delete "char", OUT type_value text, OUT operators text[])
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.conrelid::regclass, (toms.describe(f.conrelid)).root, n.child_columns, f.confrelid::regclass, (toms.describe(f.confrelid)).root, n.parent_columns,
           'foreign key', f.confdeltype, NULL::text, n.operators
    FROM pg_constraint f, LATERAL (
        SELECT array_agg(a.attname ORDER BY k.n) AS child_columns, array_agg(b.attname ORDER BY k.n) AS parent_columns,
               array_agg(format('OPERATOR(%I.%s)', s.nspname, o.oprname) ORDER BY k.n) AS operators
        FROM unnest(f.conkey, f.confkey, f.conpfeqop) WITH ORDINALITY k (own, referred, operator, n)
        JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.own JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = k.referred
        JOIN pg_operator o ON o.oid = k.operator JOIN pg_namespace s ON s.oid = o.oprnamespace) n
    WHERE f.contype = 'f' AND f.conparentid = 0 AND (toms.describe(f.conrelid)).root IS NOT NULL AND (toms.describe(f.confrelid)).root IS NOT NULL
    UNION ALL
    SELECT p.child, p.child, ARRAY[d.parent_key, d.type_column], p.parent, (toms.describe(p.parent)).root, ARRAY[p.parent_column], 'parent', 'a', p.type_value, NULL
    FROM toms.parent p JOIN pg_class c ON c.oid = p.child, LATERAL toms.describe(p.child) d
    WHERE (toms.describe(p.parent)).root IS NOT NULL
    UNION ALL
    SELECT u, u, array_remove(ARRAY[d.subject, CASE WHEN p.tenant IS NOT NULL THEN d.tenant END], NULL), s.relation, s.relation,
           array_remove(ARRAY[s.alias, CASE WHEN d.tenant IS NOT NULL THEN p.tenant END], NULL), 'alias', 'a', NULL, NULL
    FROM toms.subject_alias s, toms.alias_users(s.id) u, LATERAL toms.describe(u) d, LATERAL toms.describe(s.relation) p
    WHERE d.root = u AND p.root = s.relation;
$$;
REVOKE ALL ON FUNCTION toms.row_references() FROM PUBLIC;
COMMENT ON FUNCTION toms.row_references() IS 'internal: how rows of protected tables depend on rows of others';

-- "a row of the child, q, depends on one of the parent, t".  Operators of foreign keys are as good as the superuser's: they are of
-- an operator class.
CREATE FUNCTION toms.depends_on(child regclass, child_columns name[], parent regclass, parent_columns name[], type_value text, operators text[])
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(CASE WHEN k.operator IS NOT NULL THEN format('t.%I %s q.%I', k.referred, k.operator, k.own)
                           WHEN a.atttypid = b.atttypid THEN format('q.%I = t.%I', k.own, k.referred)
                           ELSE format('q.%I::text = t.%I::text', k.own, k.referred) END, ' AND ' ORDER BY k.n)
           || CASE WHEN type_value IS NOT NULL THEN format(' AND q.%I::text = %L', child_columns[2], type_value) ELSE '' END
    FROM unnest(child_columns, parent_columns, operators) WITH ORDINALITY k (own, referred, operator, n)
    JOIN pg_attribute a ON a.attrelid = child AND a.attname = k.own JOIN pg_attribute b ON b.attrelid = parent AND b.attname = k.referred;
$$;
REVOKE ALL ON FUNCTION toms.depends_on(regclass, name[], regclass, name[], text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.depends_on(regclass, name[], regclass, name[], text, text[]) IS 'internal: the condition that one row depends on another, in SQL on q and t';

-- Protected tables, those whose rows depend on others before those; together what depends on each other in a circle.
CREATE FUNCTION toms.table_groups()
RETURNS TABLE (tables regclass[], place bigint) LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE edge AS MATERIALIZED (SELECT DISTINCT r.child_root AS child, r.parent_root AS parent FROM toms.row_references() r),
    reach (child, parent) AS (
        SELECT e.child, e.parent FROM edge e
        UNION
        SELECT r.child, e.parent FROM reach r JOIN edge e ON e.child = r.parent
    ), root AS MATERIALIZED (SELECT p.relation FROM toms.protected_tables p WHERE p.root = p.relation),
    grouped AS (
        SELECT o.relation,
               (SELECT min(m::text) FROM (SELECT o.relation AS m UNION ALL SELECT a.parent FROM reach a JOIN reach b ON b.child = a.parent AND b.parent = a.child
                                                                          WHERE a.child = o.relation) s) AS name,
               (SELECT count(*) FROM reach a WHERE a.parent = o.relation AND a.child <> o.relation
                   AND NOT EXISTS (SELECT FROM reach b WHERE b.child = o.relation AND b.parent = a.child)) AS before
        FROM root o
    )
    SELECT array_agg(g.relation ORDER BY g.relation::text), max(g.before) FROM grouped g GROUP BY g.name ORDER BY 2, g.name;
$$;
REVOKE ALL ON FUNCTION toms.table_groups() FROM PUBLIC;
COMMENT ON FUNCTION toms.table_groups() IS 'internal: protected tables in the order in which their rows can be deleted, those of a circle of references together';

CREATE FUNCTION toms.tables_in_order()
RETURNS regclass[] LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(u.r ORDER BY g.n, u.m), '{}')
    FROM ROWS FROM (toms.table_groups()) WITH ORDINALITY g (tables, place, n), unnest(g.tables) WITH ORDINALITY u (r, m);
$$;
REVOKE ALL ON FUNCTION toms.tables_in_order() FROM PUBLIC;
COMMENT ON FUNCTION toms.tables_in_order() IS 'internal: protected tables in the order in which their rows can be deleted';

-- The tables below one that have rows of their own.
CREATE FUNCTION toms.leaves(relation regclass)
RETURNS SETOF regclass LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT r FROM toms.relation_tree(relation) r JOIN pg_class c ON c.oid = r WHERE c.relkind = 'r' ORDER BY r::text;
$$;
REVOKE ALL ON FUNCTION toms.leaves(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.leaves(regclass) IS 'internal: a table with its partitions and children, those that hold rows';
