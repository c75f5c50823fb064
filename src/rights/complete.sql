-- Whether all that leads to a person is declared: what is not would be left behind by an erasure, and left out of an export.

-- Tables in which rows are persons', by their own column or that of a parent row.
CREATE FUNCTION toms.tables_of_persons()
RETURNS SETOF regclass LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE of_persons AS (
        SELECT p.relation FROM toms.protected_tables p WHERE p.root = p.relation AND p.subject IS NOT NULL
        UNION
        SELECT q.child FROM of_persons o JOIN toms.parent q ON q.parent = o.relation JOIN pg_class c ON c.oid = q.child
    ) SELECT o.relation FROM of_persons o;
END
$$;
REVOKE ALL ON FUNCTION toms.tables_of_persons() FROM PUBLIC;
COMMENT ON FUNCTION toms.tables_of_persons() IS 'internal: protected tables of whose rows some are a data subject''s';

-- Columns that refer to what tells persons apart in a table of theirs: their key, or the other one.
CREATE FUNCTION toms.names_person(parent regclass, parent_columns name[])
RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
BEGIN
    SELECT * INTO today FROM toms.describe(parent);
    RETURN today.subject IS NOT NULL AND (
        today.subject = ANY (parent_columns) OR toms.is_key_in_tenant(parent, today.subject)
        OR EXISTS (SELECT FROM toms.subject_alias s WHERE s.relation = today.root AND (s.alias = ANY (parent_columns) OR s.canonical = ANY (parent_columns))));
END
$$;
REVOKE ALL ON FUNCTION toms.names_person(regclass, name[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.names_person(regclass, name[]) IS 'internal: whether a reference to these columns names a person';

-- What is not protected and refers to rows of these tables, directly or through others; and parts of theirs that are elsewhere.
CREATE FUNCTION toms.undeclared_tables(roots regclass[], whose text)
RETURNS TABLE (relation regclass, finding text, remedy text) LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE lead (child, parent) AS (
        SELECT f.conrelid, f.confrelid FROM pg_constraint f
        WHERE f.contype = 'f' AND (toms.describe(f.confrelid)).root = ANY (roots) AND (toms.describe(f.conrelid)).root IS NULL
        UNION
        SELECT f.conrelid, f.confrelid FROM lead l JOIN pg_constraint f ON f.contype = 'f' AND f.confrelid = l.child
        WHERE (toms.describe(f.conrelid)).root IS NULL
    ) SELECT l.child::regclass, format('table %s is not protected, and leads to %s by %s', l.child::regclass, whose, min(l.parent::regclass::text)),
             format('SELECT toms.protect(%L, …);', l.child::regclass)
      FROM lead l JOIN pg_class c ON c.oid = l.child WHERE NOT c.relispartition GROUP BY l.child ORDER BY l.child::regclass::text;

    RETURN QUERY
    SELECT c.oid::regclass, format('rows of foreign table %s, a part of %s, are in another database', c.oid::regclass, t), format('ALTER TABLE … DETACH PARTITION %s; its rows are to be dealt with there.', c.oid::regclass)
    FROM unnest(roots) t, toms.relation_tree(t) r JOIN pg_class c ON c.oid = r WHERE c.relkind = 'f' ORDER BY 1;
END
$$;
REVOKE ALL ON FUNCTION toms.undeclared_tables(regclass[], text) FROM PUBLIC;
COMMENT ON FUNCTION toms.undeclared_tables(regclass[], text) IS 'internal: tables with rows that belong to those of protected tables and would be left out';

CREATE FUNCTION toms.undeclared_ways()
RETURNS TABLE (relation regclass, finding text, remedy text) LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT * FROM toms.undeclared_tables(ARRAY(SELECT toms.tables_of_persons()), 'persons');

    RETURN QUERY
    SELECT r.child_root, format('column "%s" of %s names a person, in no role that is declared', u.col, r.child_root), format('SELECT toms.label_person(%L, %L, role => ''…'');', r.child_root, u.col)
    FROM toms.row_references() r, LATERAL toms.describe(r.child_root) d, unnest(r.child_columns) u (col)
    WHERE r.kind = 'foreign key' AND toms.names_person(r.parent, r.parent_columns)
      AND u.col IS DISTINCT FROM d.tenant AND u.col IS DISTINCT FROM d.subject AND u.col IS DISTINCT FROM d.parent_key
      AND NOT EXISTS (SELECT FROM toms.person_column p WHERE p.relation = r.child_root AND p.col = ANY (r.child_columns))
      AND NOT coalesce(d.subject = ANY (r.child_columns) OR d.parent_key = ANY (r.child_columns), false)
    ORDER BY 1, 2;
END
$$;
REVOKE ALL ON FUNCTION toms.undeclared_ways() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.undeclared_ways() TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.undeclared_ways() IS 'tables and columns that lead to data subjects and are not declared; each of them stops erasures and exports';

CREATE FUNCTION toms.check_complete()
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    way record;
BEGIN
    FOR way IN SELECT * FROM toms.undeclared_ways() LOOP
        RAISE EXCEPTION '%', way.finding USING ERRCODE = 'object_not_in_prerequisite_state', HINT = way.remedy,
            DETAIL = 'What leads to a person and is not declared would be left out. toms.undeclared_ways() lists all of it.';
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.check_complete() FROM PUBLIC;
COMMENT ON FUNCTION toms.check_complete() IS 'internal: refuse while something leads to data subjects that is not declared';

-- Of tenants all protected tables have rows, whether they have persons' or not; names in them are the tenant's to have.
CREATE FUNCTION toms.check_complete_for_tenants()
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    way record;
BEGIN
    FOR way IN SELECT u.*, string_agg(u.relation::text, ', ') OVER () AS all_of_them
               FROM toms.undeclared_tables(ARRAY(SELECT p.relation FROM toms.protected_tables p WHERE p.root = p.relation), 'rows of tenants') u LOOP
        RAISE EXCEPTION '%', way.finding USING ERRCODE = 'object_not_in_prerequisite_state', HINT = way.remedy,
            DETAIL = format('What belongs to rows of tenants and is not declared would be left out: %s.', way.all_of_them);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.check_complete_for_tenants() FROM PUBLIC;
COMMENT ON FUNCTION toms.check_complete_for_tenants() IS 'internal: refuse while something belongs to rows of tenants that is not declared';
