-- Where the rows of a person or a tenant are: in which tables, by which condition, and in which order they can go.
-- Asked by erasures, exports, rectifications and the end of a tenant.

-- Columns that name another person than the one whom the row is about: who approved, wrote, advised.
CREATE TABLE toms.person_column (
    relation    regclass NOT NULL,
    col         name NOT NULL,
    role        text NOT NULL CHECK (role <> ''),       -- what an export says instead of the person
    on_erase    text NOT NULL CHECK (on_erase IN ('clear', 'keep')),    -- when that person is erased
    declared_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    declared_by text NOT NULL,
    PRIMARY KEY (relation, col)
);
SELECT pg_catalog.pg_extension_config_dump('toms.person_column', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');
COMMENT ON TABLE toms.person_column IS 'columns that name another person than the row is about, in which role, and what becomes of the name when that person is erased';
GRANT SELECT ON toms.person_column TO toms_admin, toms_auditor, toms_operator;

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
         LATERAL (SELECT q.*, a.above, toms.rows_condition(q.parent, condition_through_parents.tenant, condition_through_parents.subject, a.above) AS condition
                  FROM toms.parent q JOIN pg_class c ON c.oid = q.parent, LATERAL (SELECT alias || '_' || q.id AS above) a WHERE q.child = d.root) p
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

-- Protected tables, those that refer to others before those; what a circle of references leaves open is in the order of names.
CREATE FUNCTION toms.tables_in_order()
RETURNS regclass[] LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    left_over regclass[] := ARRAY(SELECT p.relation FROM toms.protected_tables p WHERE p.root = p.relation ORDER BY p.relation::text);
    ordered regclass[] := '{}';
    free regclass[];
BEGIN
    WHILE cardinality(left_over) > 0 LOOP
        free := ARRAY(SELECT r FROM unnest(left_over) WITH ORDINALITY u (r, n)
                      WHERE NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = u.r AND f.conrelid <> u.r AND f.conrelid = ANY (left_over))
                      ORDER BY n);
        free := CASE WHEN cardinality(free) > 0 THEN free ELSE left_over[1:1] END;
        ordered := ordered || free;
        left_over := ARRAY(SELECT r FROM unnest(left_over) WITH ORDINALITY u (r, n) WHERE r <> ALL (free) ORDER BY n);
    END LOOP;
    RETURN ordered;
END
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
