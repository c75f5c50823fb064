-- How protection lives through DDL: called by alter.c around the application's statement, and
-- by the declarations that change what other tables stand on.

-- A table and all whose tenant is found through it, each after those that it is found through.
CREATE FUNCTION toms.descendants(relation regclass, OUT descendant regclass, OUT depth integer)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE below (relid, depth) AS (
        SELECT descendants.relation::oid, 0
        UNION
        SELECT p.child::oid, b.depth + 1 FROM toms.parent p JOIN below b ON p.parent = b.relid
        WHERE (SELECT c.oid FROM pg_class c WHERE c.oid = p.child) IS NOT NULL
    )
    SELECT relid::regclass, max(depth) FROM below GROUP BY relid ORDER BY max(depth), relid;
$$;
REVOKE ALL ON FUNCTION toms.descendants(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.descendants(regclass) IS 'internal: a table and all below it, parents first';

CREATE FUNCTION toms.before_retype_column(relation regclass, col name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF toms.column_use(relation, col) LIKE '%toms.label_rows()' THEN
        PERFORM toms.refuse('toms_policy_managed', format('Column "%s" of %s is compared in a condition of toms.label_rows().', col, relation),
            format('SELECT toms.unlabel_rows(%L, ''…''); then the new type, then toms.label_rows() again, in one transaction.', relation));
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.before_retype_column(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.before_retype_column(regclass, name) IS 'internal: refuse a new type for a column that a condition compares';

-- Take down what stands on columns of a table: its policies, the lookups of its children, and
-- theirs.  Row security stays on, so that nothing is open until put_up().
CREATE FUNCTION toms.take_down(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
    lookup regclass;
BEGIN
    PERFORM toms.forget_dropped();
    FOR found IN SELECT * FROM toms.descendants(relation) LOOP
        IF found.depth > 0 THEN
            PERFORM toms.lock_relation(found.descendant);
        END IF;
        PERFORM toms.drop_policies(r, true, true) FROM toms.relation_tree(found.descendant) r;
        PERFORM toms.take_down_starts(found.descendant);
    END LOOP;
    FOR found IN SELECT * FROM toms.descendants(relation) d ORDER BY d.depth DESC LOOP
        FOR lookup IN SELECT DISTINCT c.oid::regclass FROM toms.parent p JOIN pg_class c ON c.oid = p.lookup WHERE p.parent = found.descendant LOOP
            EXECUTE format('DROP VIEW %s', lookup);
        END LOOP;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.take_down(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.take_down(regclass) IS 'internal: take down policies and lookups that stand on a table''s columns';

CREATE FUNCTION toms.put_up(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
    declared record;
    fresh regclass;
BEGIN
    PERFORM toms.check_identifier_column(relation, l.key::name) FROM jsonb_each_text(toms.label_words(relation, false)) l
    WHERE l.value <> 'parent_type';
    PERFORM toms.check_start_column(coalesce(r.elsewhere, r.relation), r.since) FROM toms.retention_rule r
    WHERE r.valid_until IS NULL AND coalesce(r.elsewhere, r.relation) = put_up.relation;
    FOR declared IN SELECT p.parent, (toms.describe(p.child)).parent_key, p.parent_column FROM toms.parent p WHERE p.child = relation LOOP
        PERFORM toms.check_parent_column(relation, declared.parent_key, declared.parent, declared.parent_column);
    END LOOP;
    FOR found IN SELECT * FROM toms.descendants(relation) LOOP
        FOR declared IN SELECT p.child, (toms.describe(p.child)).parent_key, p.parent_column FROM toms.parent p WHERE p.parent = found.descendant LOOP
            PERFORM toms.check_parent_column(declared.child, declared.parent_key, found.descendant, declared.parent_column);
        END LOOP;
        FOR declared IN SELECT DISTINCT p.parent_column FROM toms.parent p WHERE p.parent = found.descendant LOOP
            fresh := toms.make_lookup(found.descendant, declared.parent_column);
            UPDATE toms.parent p SET lookup = fresh WHERE p.parent = found.descendant AND p.parent_column = declared.parent_column;
        END LOOP;
        PERFORM toms.put_up_starts(found.descendant);
    END LOOP;
    PERFORM toms.sync_policies(r) FROM toms.descendants(relation) d, toms.relation_tree(d.descendant) r;
END
$$;
REVOKE ALL ON FUNCTION toms.put_up(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.put_up(regclass) IS 'internal: put up again what take_down() took';

-- The part that a column plays in a protection, as the end of a sentence; NULL: none.
CREATE FUNCTION toms.column_use(relation regclass, col name)
RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT use FROM (
        SELECT 1 AS rank, 'says whose the rows are' AS use WHERE toms.label_words(relation, false) ? col::text
        UNION ALL
        SELECT 2, format('is what rows of %s refer to', p.child) FROM toms.parent p WHERE p.parent = relation AND p.parent_column = col
        UNION ALL
        SELECT 3, 'is a key of persons' FROM toms.subject_alias s WHERE s.relation = column_use.relation AND col IN (s.canonical, s.alias)
        UNION ALL
        SELECT 4, 'is compared in a condition of toms.label_rows()'
        FROM pg_policy p JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
             JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE p.polrelid = relation AND p.polname LIKE 'toms\_rows\_%' AND d.refclassid = 'pg_class'::regclass
          AND d.refobjid = relation AND a.attname = col
        UNION ALL
        SELECT 5, format('is what column "%s" is generated from', g.attname)
        FROM pg_attrdef f JOIN pg_attribute g ON g.attrelid = f.adrelid AND g.attnum = f.adnum
             JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = f.adrelid
             JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE f.adrelid = relation AND g.attgenerated <> '' AND g.attnum <> a.attnum AND toms.label_words(relation, false) ? g.attname::text
          AND a.attname = col
        UNION ALL
        SELECT 6, 'takes values of tenants that have enabled its category' WHERE toms.label_words(relation, true) ->> col LIKE '%,optional'
        UNION ALL
        SELECT 7, format('is named by retention rule %s', r.id) FROM toms.retention_rule r
        WHERE r.valid_until IS NULL AND (coalesce(r.elsewhere, r.relation) = column_use.relation AND r.since = col
                                         OR r.relation = column_use.relation AND (r.through = col OR col = ANY (r.clear)))) uses
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
            CASE WHEN use LIKE 'takes values %' THEN format('SELECT toms.unlabel_column(%L, %L);', relation, col)
                 WHEN use LIKE '% retention rule %' THEN format('SELECT toms.retain(…) without it first, or toms.unretain(%s, reason => ''…'');', substring(use FROM '\d+$'))
                 ELSE format('SELECT toms.protect(%L, …) with another column first, or toms.unprotect(), toms.remove_subject_alias(), toms.unlabel_rows().', relation) END);
    END IF;
    -- its policies name a column with a category of its own, for objections
    IF toms.label_words(relation, true) ? col::text THEN
        PERFORM toms.set_column_category(relation, col, NULL);
    END IF;
    DELETE FROM toms.person_column p WHERE p.relation = before_drop_column.relation AND p.col = before_drop_column.col;
END
$$;
REVOKE ALL ON FUNCTION toms.before_drop_column(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.before_drop_column(regclass, name) IS 'internal: refuse to drop a column that a protection stands on';

-- Rules keep names, and policies name the start event's column.
CREATE FUNCTION toms.rename_in_rules(relation regclass, col name, renamed name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    concerned regclass[] := ARRAY(
        SELECT DISTINCT r.relation FROM toms.retention_rule r
        WHERE r.valid_until IS NULL AND (coalesce(r.elsewhere, r.relation) = rename_in_rules.relation AND r.since = col
                                         OR r.relation = rename_in_rules.relation AND (r.through = col OR col = ANY (r.clear))));
BEGIN
    IF cardinality(concerned) = 0 THEN
        RETURN;
    END IF;
    UPDATE toms.retention_rule r
    SET since = CASE WHEN coalesce(r.elsewhere, r.relation) = rename_in_rules.relation AND r.since = col THEN renamed ELSE r.since END,
        through = CASE WHEN r.relation = rename_in_rules.relation AND r.through = col THEN renamed ELSE r.through END,
        clear = CASE WHEN r.relation = rename_in_rules.relation THEN array_replace(r.clear, col, renamed) ELSE r.clear END
    WHERE r.valid_until IS NULL AND r.relation = ANY (concerned);
    PERFORM toms.sync_policies(t) FROM unnest(concerned) c, toms.relation_tree(c) t;
END
$$;
REVOKE ALL ON FUNCTION toms.rename_in_rules(regclass, name, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.rename_in_rules(regclass, name, name) IS 'internal: follow a column that rules name to its new name';

-- Policies, labels and lookups follow a new name by themselves; these are kept as text.
CREATE FUNCTION toms.after_rename_column(relation regclass, col name, renamed name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE toms.parent p SET parent_column = renamed WHERE p.parent = relation AND p.parent_column = col;
    UPDATE toms.subject_alias s SET canonical = CASE s.canonical WHEN col THEN renamed ELSE s.canonical END,
                                    alias = CASE s.alias WHEN col THEN renamed ELSE s.alias END
    WHERE s.relation = after_rename_column.relation AND col IN (s.canonical, s.alias);
    PERFORM toms.rename_in_rules(relation, col, renamed);
    UPDATE toms.person_column p SET col = renamed WHERE p.relation = after_rename_column.relation AND p.col = after_rename_column.col;
END
$$;
REVOKE ALL ON FUNCTION toms.after_rename_column(regclass, name, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.after_rename_column(regclass, name, name) IS 'internal: follow a column to its new name';

-- A parent is dropped with all its children: the lookup between them goes first.
CREATE FUNCTION toms.before_drop_tables(tables oid[])
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone record;
BEGIN
    PERFORM toms.forget_dropped();
    FOR gone IN SELECT p.lookup, array_agg(p.child) AS children FROM toms.parent p, toms.descendants(p.parent) d
                WHERE p.parent = ANY (tables) GROUP BY p.lookup HAVING bool_and(p.child = ANY (tables)) ORDER BY max(d.depth)
    LOOP
        PERFORM toms.drop_policies(r, true, true) FROM unnest(gone.children) c, toms.relation_tree(c) r;
        EXECUTE format('DROP VIEW %s', gone.lookup);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.before_drop_tables(oid[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.before_drop_tables(oid[]) IS 'internal: drop lookups whose parent and children are going to be dropped';

-- A child of a dropped parent is closed until it is protected anew. Each table is looked up by itself: there are few here,
-- and many in the database.
CREATE FUNCTION toms.forget_dropped()
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone bigint[] := ARRAY(SELECT p.id FROM toms.parent p WHERE (SELECT c.oid FROM pg_class c WHERE c.oid = p.child) IS NULL
                                                          OR (SELECT c.oid FROM pg_class c WHERE c.oid = p.parent) IS NULL);
BEGIN
    IF cardinality(gone) > 0 THEN       -- every session forgets what it knows when the table is written
        DELETE FROM toms.parent p WHERE p.id = ANY (gone);
    END IF;
    IF EXISTS (SELECT FROM toms.retention_rule r WHERE r.valid_until IS NULL AND (SELECT c.oid FROM pg_class c WHERE c.oid = r.relation) IS NULL) THEN
        UPDATE toms.retention_rule r SET valid_until = clock_timestamp(), ended_by = session_user, ended_reason = 'the table was dropped'
        WHERE r.valid_until IS NULL AND (SELECT c.oid FROM pg_class c WHERE c.oid = r.relation) IS NULL;
    END IF;
    DELETE FROM toms.person_column p WHERE (SELECT c.oid FROM pg_class c WHERE c.oid = p.relation) IS NULL;
END
$$;
REVOKE ALL ON FUNCTION toms.forget_dropped() FROM PUBLIC;
COMMENT ON FUNCTION toms.forget_dropped() IS 'internal: forget parents and children that have been dropped';

-- What is declared for a table that is not protected is of a dropped one that had the same OID,
-- or ends with the protection.
CREATE FUNCTION toms.forget_namesake(relation regclass)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE toms.permission p SET valid_until = clock_timestamp(), ended_by = session_user
    WHERE p.relation = forget_namesake.relation AND (p.valid_until IS NULL OR p.valid_until > clock_timestamp());
    DELETE FROM toms.parent p WHERE p.child = forget_namesake.relation;
    DELETE FROM toms.separation s WHERE forget_namesake.relation IN (s.relation, s.other);
    UPDATE toms.retention_rule r SET valid_until = clock_timestamp(), ended_by = session_user, ended_reason = 'the table is not protected by itself'
    WHERE r.relation = forget_namesake.relation AND r.valid_until IS NULL;
$$;
REVOKE ALL ON FUNCTION toms.forget_namesake(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.forget_namesake(regclass) IS 'internal: end what is declared for a table that is not protected';
