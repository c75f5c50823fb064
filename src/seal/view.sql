-- Plain views: a table with sealed columns as programs know it that compare types.  The view reads
-- and writes as whoever uses it, so policies, privileges and the guard are the reader's.

CREATE FUNCTION toms.plain_view_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_plain_view_row';
REVOKE ALL ON FUNCTION toms.plain_view_row() FROM PUBLIC;
COMMENT ON FUNCTION toms.plain_view_row() IS 'internal: trigger that writes rows of a plain view to its table';

CREATE FUNCTION toms.plain_views(relation regclass)
RETURNS SETOF regclass LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT r.ev_class::regclass
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_trigger t ON t.tgrelid = r.ev_class
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = plain_views.relation
      AND t.tgfoid = 'toms.plain_view_row()'::regprocedure AND r.ev_class <> plain_views.relation;
$$;
REVOKE ALL ON FUNCTION toms.plain_views(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.plain_views(regclass) IS 'internal: the plain views of a table';

-- Schema and name, quoted; a name without a schema is in the table's.
CREATE FUNCTION toms.plain_view_name(relation regclass, view text)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts text[] := parse_ident(view);
    owner oid;
BEGIN
    IF cardinality(parts) = 1 THEN
        parts := (SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = relation) || parts;
        parts[1] := (parse_ident(parts[1]))[1];
    END IF;
    IF cardinality(parts) <> 2 OR to_regnamespace(quote_ident(parts[1])) IS NULL THEN
        RAISE EXCEPTION '"%" cannot be the name of a view', view USING ERRCODE = 'invalid_name', HINT = 'Write schema.view.';
    END IF;
    SELECT c.relowner INTO owner FROM pg_class c WHERE c.oid = relation;
    IF parts[1] IN ('pg_catalog', 'information_schema', 'pg_temp', 'toms') OR NOT has_schema_privilege(owner, parts[1], 'CREATE') THEN
        RAISE EXCEPTION 'schema % cannot have views of %, the owner of %', quote_ident(parts[1]), owner::regrole, relation
            USING ERRCODE = 'insufficient_privilege', HINT = format('GRANT CREATE ON SCHEMA %I TO %s;', parts[1], owner::regrole);
    END IF;
    RETURN format('%I.%I', parts[1], parts[2]);
END
$$;
REVOKE ALL ON FUNCTION toms.plain_view_name(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.plain_view_name(regclass, text) IS 'internal: the name of a plain view';

-- Columns that the view has already stay in their places.
CREATE FUNCTION toms.plain_view_query(relation regclass, view regclass)
RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('SELECT %s FROM %s t',
                  string_agg(CASE WHEN s.name IS NULL THEN format('t.%I', a.attname)
                                  ELSE format('toms.reveal(t.%I, %L::regclass, t.%I::text) AS %I', a.attname, relation, (toms.describe(relation)).subject, a.attname)
                             END, ', ' ORDER BY v.attnum, a.attnum), relation)
    FROM pg_attribute a
    LEFT JOIN toms.sealed_columns(relation) s ON s.name = a.attname
    LEFT JOIN pg_attribute v ON v.attrelid = view AND v.attname = a.attname
    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
      AND NOT EXISTS (SELECT FROM toms.conversions c WHERE c.relation = plain_view_query.relation AND c.new_column = a.attname);
$$;
REVOKE ALL ON FUNCTION toms.plain_view_query(regclass, regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.plain_view_query(regclass, regclass) IS 'internal: what a plain view selects';

-- Whoever may read or write the table may do so through the view.
CREATE FUNCTION toms.grant_plain_view(relation regclass, view regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT a.privilege_type AS verb, a.grantee, a.is_grantable, NULL::name AS col
        FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = relation AND a.grantee <> c.relowner
        UNION ALL
        SELECT a.privilege_type, a.grantee, a.is_grantable, n.attname
        FROM pg_class c JOIN pg_attribute n ON n.attrelid = c.oid, aclexplode(n.attacl) a
        WHERE c.oid = relation AND a.grantee <> c.relowner AND NOT n.attisdropped
          AND EXISTS (SELECT FROM pg_attribute v WHERE v.attrelid = view AND v.attname = n.attname)
    LOOP
        CONTINUE WHEN granted.verb NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE');
        EXECUTE format('GRANT %s%s ON %s TO %s%s', granted.verb, '(' || quote_ident(granted.col) || ')', view,
                       CASE granted.grantee WHEN 0 THEN 'PUBLIC' ELSE granted.grantee::regrole::text END,
                       CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' END);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.grant_plain_view(regclass, regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.grant_plain_view(regclass, regclass) IS 'internal: give a plain view the privileges of its table';

-- The trigger sees NULL for a column that an INSERT leaves out, so the view has the table's
-- defaults.  It fills identity columns, and sealed ones with a default, by leaving them out itself.
CREATE FUNCTION toms.default_plain_view(relation regclass, view regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    col record;
BEGIN
    FOR col IN SELECT v.attname, d.expression, v.atthasdef
               FROM pg_attribute v
               LEFT JOIN (SELECT a.attname, pg_get_expr(f.adbin, f.adrelid) AS expression
                          FROM pg_attribute a JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
                          WHERE a.attrelid = relation AND a.attgenerated = ''
                            AND a.attname NOT IN (SELECT s.name FROM toms.sealed_columns(relation) s)) d ON d.attname = v.attname
               WHERE v.attrelid = view AND v.attnum > 0 LOOP
        IF col.expression IS NOT NULL THEN
            EXECUTE format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', view, col.attname, col.expression);
        ELSIF col.atthasdef THEN
            EXECUTE format('ALTER VIEW %s ALTER COLUMN %I DROP DEFAULT', view, col.attname);
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.default_plain_view(regclass, regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.default_plain_view(regclass, regclass) IS 'internal: give a plain view the defaults of its table';

CREATE FUNCTION toms.check_plain_view(relation regclass, name text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (toms.describe(relation)).root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, …);', relation);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = relation AND i.indisprimary) THEN
        RAISE EXCEPTION 'table % has no primary key', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'The view finds the row that it changes by its key.', HINT = format('ALTER TABLE %s ADD PRIMARY KEY (…);', relation);
    END IF;
    IF to_regclass(name) IS NOT NULL AND to_regclass(name) NOT IN (SELECT v FROM toms.plain_views(relation) v) THEN
        RAISE EXCEPTION 'relation % exists and is no plain view of %', name, relation USING ERRCODE = 'duplicate_table';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_plain_view(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_plain_view(regclass, text) IS 'internal: whether a table can have a plain view of that name';

CREATE FUNCTION toms.create_plain_view(relation regclass, view text)
RETURNS regclass LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := toms.plain_view_name(relation, view);
    query text;
    made regclass;
BEGIN
    PERFORM toms.check_plain_view(relation, name);
    query := toms.plain_view_query(relation, to_regclass(name));
    BEGIN
        EXECUTE format('CREATE OR REPLACE VIEW %s WITH (security_invoker = true) AS %s', name, query);
    EXCEPTION WHEN invalid_table_definition THEN            -- a column is gone, or of another type
        EXECUTE format('DROP VIEW %s', name);
        EXECUTE format('CREATE VIEW %s WITH (security_invoker = true) AS %s', name, query);
    END;
    made := name::regclass;
    EXECUTE format('ALTER VIEW %s OWNER TO %s', made, (SELECT c.relowner::regrole FROM pg_class c WHERE c.oid = relation));
    IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = made) THEN
        EXECUTE format('CREATE TRIGGER toms_plain_view INSTEAD OF INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION toms.plain_view_row()', made);
    END IF;
    PERFORM toms.default_plain_view(relation, made), toms.grant_plain_view(relation, made);
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION toms.create_plain_view(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.create_plain_view(regclass, text) TO toms_admin;
COMMENT ON FUNCTION toms.create_plain_view(regclass, text) IS 'make or renew an updatable view of a protected table in which sealed columns have plain types';
