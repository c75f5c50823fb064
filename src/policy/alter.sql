-- How protection lives through DDL: called by alter.c around the application's statement, and
-- by the declarations that change what other tables stand on.

-- A table and all whose tenant is found through it, each after those that it is found through.
CREATE FUNCTION toms.descendants(relation regclass, OUT descendant regclass, OUT depth integer)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE below (relid, depth) AS (
        SELECT descendants.relation::oid, 0
        UNION
        SELECT p.child::oid, b.depth + 1 FROM toms.parent p JOIN pg_class c ON c.oid = p.child JOIN below b ON p.parent = b.relid
    )
    SELECT relid::regclass, max(depth) FROM below GROUP BY relid ORDER BY max(depth), relid;
$$;
REVOKE ALL ON FUNCTION toms.descendants(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.descendants(regclass) IS 'internal: a table and all below it, parents first';

-- Take down what stands on columns of a table: its policies, the lookups of its children, and
-- theirs.  Row security stays on, so that nothing is open until put_up().
CREATE FUNCTION toms.take_down(relation regclass, col name DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
    lookup regclass;
BEGIN
    DELETE FROM toms.parent p WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = p.child);
    FOR found IN SELECT * FROM toms.descendants(relation) LOOP
        IF found.depth > 0 THEN
            PERFORM toms.lock_relation(found.descendant);
        END IF;
        PERFORM toms.drop_policies(r, true, true) FROM toms.relation_tree(found.descendant) r;
    END LOOP;
    FOR found IN SELECT * FROM toms.descendants(relation) d ORDER BY d.depth DESC LOOP
        FOR lookup IN SELECT DISTINCT c.oid::regclass FROM toms.parent p JOIN pg_class c ON c.oid = p.lookup WHERE p.parent = found.descendant LOOP
            EXECUTE format('DROP VIEW %s', lookup);
        END LOOP;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.take_down(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.take_down(regclass, name) IS 'internal: take down policies and lookups that stand on a table''s columns';

CREATE FUNCTION toms.put_up(relation regclass, col name DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
    declared record;
    fresh regclass;
BEGIN
    PERFORM toms.check_identifier_column(relation, l.key::name, false) FROM jsonb_each_text(toms.column_labels(relation)) l
    WHERE l.value <> 'parent_type';
    FOR found IN SELECT * FROM toms.descendants(relation) LOOP
        FOR declared IN SELECT p.child, (toms.describe(p.child)).parent_key, p.parent_column FROM toms.parent p WHERE p.parent = found.descendant LOOP
            PERFORM toms.check_parent_column(declared.child, declared.parent_key, found.descendant, declared.parent_column);
        END LOOP;
        FOR declared IN SELECT DISTINCT p.parent_column FROM toms.parent p WHERE p.parent = found.descendant LOOP
            fresh := toms.make_lookup(found.descendant, declared.parent_column);
            UPDATE toms.parent p SET lookup = fresh WHERE p.parent = found.descendant AND p.parent_column = declared.parent_column;
        END LOOP;
    END LOOP;
    PERFORM toms.sync_policies(r) FROM toms.descendants(relation) d, toms.relation_tree(d.descendant) r;
END
$$;
REVOKE ALL ON FUNCTION toms.put_up(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.put_up(regclass, name) IS 'internal: put up again what take_down() took';

-- The part that a column plays in a protection, as the end of a sentence; NULL: none.
CREATE FUNCTION toms.column_use(relation regclass, col name)
RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT use FROM (
        SELECT 1 AS rank, 'says whose the rows are' AS use WHERE toms.column_labels(relation) ? col::text
        UNION ALL
        SELECT 2, format('is what rows of %s refer to', p.child) FROM toms.parent p WHERE p.parent = relation AND p.parent_column = col
        UNION ALL
        SELECT 3, 'is a key of persons' FROM toms.subject_alias s WHERE s.relation = column_use.relation AND col IN (s.canonical, s.alias)
        UNION ALL
        SELECT 4, 'is compared in a condition of toms.label_rows()'
        FROM toms.row_label l, toms.check_condition(l.relation, l.condition) c
        WHERE l.relation = column_use.relation AND col::text = ANY (c.columns)) uses
    ORDER BY rank, use LIMIT 1;
$$;
REVOKE ALL ON FUNCTION toms.column_use(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.column_use(regclass, name) IS 'internal: what a column is to a protection';

CREATE FUNCTION toms.before_drop_column(relation regclass, col name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    use text := toms.column_use(relation, col);
BEGIN
    IF use IS NOT NULL THEN
        PERFORM toms.refuse('toms_policy_managed', format('Column "%s" of %s %s.', col, relation, use),
            format('SELECT toms.protect(%L, …) with another column first, or toms.unprotect(), toms.remove_subject_alias(), toms.unlabel_rows().', relation));
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.before_drop_column(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.before_drop_column(regclass, name) IS 'internal: refuse to drop a column that a protection stands on';

-- Policies, labels and lookups follow a new name by themselves; conditions are kept as text.
CREATE FUNCTION toms.before_rename_column(relation regclass, col name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    label record;
BEGIN
    FOR label IN SELECT l.condition, l.category FROM toms.row_label l, toms.check_condition(l.relation, l.condition) c
                 WHERE l.relation = before_rename_column.relation AND col::text = ANY (c.columns)
    LOOP
        PERFORM toms.refuse('toms_policy_managed', format('Column "%s" of %s is compared in a condition of toms.label_rows().', col, relation),
            format('SELECT toms.unlabel_rows(%L, %L); then rename, then SELECT toms.label_rows(%L, condition => ''…'', category => %L); in one transaction.',
                   relation, label.category, relation, label.category));
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.before_rename_column(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.before_rename_column(regclass, name) IS 'internal: refuse to rename a column that a condition names';

CREATE FUNCTION toms.after_rename_column(relation regclass, col name, renamed name)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE toms.parent p SET parent_column = renamed WHERE p.parent = relation AND p.parent_column = col;
    UPDATE toms.subject_alias s SET canonical = CASE s.canonical WHEN col THEN renamed ELSE s.canonical END,
                                    alias = CASE s.alias WHEN col THEN renamed ELSE s.alias END
    WHERE s.relation = after_rename_column.relation AND col IN (s.canonical, s.alias);
$$;
REVOKE ALL ON FUNCTION toms.after_rename_column(regclass, name, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.after_rename_column(regclass, name, name) IS 'internal: follow a column to its new name';

-- What is declared for a table that is not protected is of a dropped one that had the same OID,
-- or ends with the protection.
CREATE FUNCTION toms.forget_namesake(relation regclass)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE toms.permission p SET valid_until = clock_timestamp(), ended_by = session_user
    WHERE p.relation = forget_namesake.relation AND (p.valid_until IS NULL OR p.valid_until > clock_timestamp());
    DELETE FROM toms.row_label l WHERE l.relation = forget_namesake.relation;
    DELETE FROM toms.parent p WHERE p.child = forget_namesake.relation;
$$;
REVOKE ALL ON FUNCTION toms.forget_namesake(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.forget_namesake(regclass) IS 'internal: end what is declared for a table that is not protected';
