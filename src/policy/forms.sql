-- Forms of protection beside a tenant and a subject column: parents, persons with two keys, and
-- rows of a category by value.

-- parents ------------------------------------------------------------------------------------

-- What a parent key refers to: by foreign key, else the parent's primary key of one column.
CREATE FUNCTION toms.referred_column(relation regclass, parent regclass, parent_key name)
RETURNS name LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attname
    FROM (SELECT 1 AS rank, f.confkey[array_position(f.conkey, k.attnum)] AS attnum
          FROM pg_constraint f JOIN pg_attribute k ON k.attrelid = relation AND k.attname = parent_key AND k.attnum = ANY (f.conkey)
          WHERE f.contype = 'f' AND f.conrelid = relation AND f.confrelid = parent
          UNION ALL
          SELECT 2, p.conkey[1] FROM pg_constraint p WHERE p.contype = 'p' AND p.conrelid = parent AND cardinality(p.conkey) = 1) c
    JOIN pg_attribute a ON a.attrelid = parent AND a.attnum = c.attnum
    ORDER BY c.rank, a.attnum LIMIT 1;
$$;
REVOKE ALL ON FUNCTION toms.referred_column(regclass, regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.referred_column(regclass, regclass, name) IS 'internal: the parent''s column that a parent key refers to';

-- By itself, and at any moment.
CREATE FUNCTION toms.is_unique(relation regclass, col name) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                   WHERE i.indrelid = relation AND a.attname = col AND i.indisunique AND i.indisvalid AND i.indimmediate
                     AND i.indnkeyatts = 1 AND i.indpred IS NULL);
$$;
REVOKE ALL ON FUNCTION toms.is_unique(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.is_unique(regclass, name) IS 'internal: whether a column tells the rows of a table apart';

-- Whether values of one column can be looked up in another one of another table.
CREATE FUNCTION toms.check_reference(relation regclass, key name, referred regclass, referred_column name)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhparent WHERE h.inhparent = referred AND c.relkind = 'r') THEN
        RAISE EXCEPTION 'table % has inheritance children, in which column "%" is not unique', referred, referred_column USING ERRCODE = 'wrong_object_type';
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_attribute k JOIN pg_type kt ON kt.oid = k.atttypid, pg_attribute p JOIN pg_type pt ON pt.oid = p.atttypid
        WHERE k.attrelid = relation AND k.attname = key AND p.attrelid = referred AND p.attname = referred_column
          AND (coalesce(nullif(kt.typbasetype, 0), kt.oid)::regtype::text, coalesce(nullif(pt.typbasetype, 0), pt.oid)::regtype::text) IN (
              SELECT l, r FROM (VALUES ('{smallint,integer,bigint}'::text[]), ('{text,character varying}'), ('{uuid}')) alike (types),
                     unnest(types) l, unnest(types) r)) THEN
        RAISE EXCEPTION 'column "%" of % and column "%" of % are of different types', key, relation, referred_column, referred
            USING ERRCODE = 'datatype_mismatch',
                  HINT = format('To change both: SELECT toms.unprotect(%L, reason => ''…''); the two types, then protect and permit it again, in one transaction.', relation);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_reference(regclass, name, regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_reference(regclass, name, regclass, name) IS 'internal: whether a column can refer to another one';

CREATE FUNCTION toms.check_parent_column(relation regclass, parent_key name, parent regclass, parent_column name)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.check_identifier_column(relation, parent_key);
    IF parent_column IS NULL THEN
        RAISE EXCEPTION 'it is not clear which column of % column "%" refers to', parent, parent_key USING ERRCODE = 'undefined_column',
            HINT = 'Name it: parent_column => ''…''.';
    END IF;
    PERFORM toms.check_identifier_column(parent, parent_column);
    IF NOT toms.is_unique(parent, parent_column) THEN
        RAISE EXCEPTION 'column "%" of % is not unique, so a row could have parents of two tenants', parent_column, parent
            USING ERRCODE = 'invalid_foreign_key', HINT = format('CREATE UNIQUE INDEX ON %s (%I);', parent, parent_column);
    END IF;
    PERFORM toms.check_reference(relation, parent_key, parent, parent_column);
END
$$;
REVOKE ALL ON FUNCTION toms.check_parent_column(regclass, name, regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_parent_column(regclass, name, regclass, name) IS 'internal: whether a parent key tells the tenant of a row';

CREATE FUNCTION toms.check_ancestry(relation regclass, parent regclass)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
BEGIN
    SELECT * INTO today FROM toms.describe(parent);
    IF today.root IS NULL THEN
        RAISE EXCEPTION 'table % is not protected', parent USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…''); before its children.', parent);
    END IF;
    IF today.root <> parent THEN
        RAISE EXCEPTION 'table % is protected with %', parent, today.root USING ERRCODE = 'wrong_object_type',
            HINT = format('Use parent => %L.', today.root);
    END IF;
    IF EXISTS (WITH RECURSIVE above (relid) AS (
                   SELECT check_ancestry.parent::oid UNION SELECT p.parent::oid FROM toms.parent p JOIN above a ON p.child = a.relid)
               SELECT FROM above WHERE relid = relation) THEN
        RAISE EXCEPTION 'table % would be its own parent', relation USING ERRCODE = 'invalid_foreign_key';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_ancestry(regclass, regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_ancestry(regclass, regclass) IS 'internal: whether a table can be the parent of another one';

-- The view that shows the keys of a parent's rows of the tenant in force, and of those that all
-- tenants share: there is one for each
-- column that children refer to.  Its owner bypasses row security, so that a child can be
-- permitted without its parent; nothing else can be seen through it.  One that is there is made
-- as it should be: a dump may have been restored without owners or privileges.
CREATE FUNCTION toms.make_lookup(parent regclass, parent_column name)
RETURNS regclass LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lookup regclass := (SELECT p.lookup FROM toms.parent p JOIN pg_class v ON v.oid = p.lookup
                        WHERE p.parent = make_lookup.parent AND p.parent_column = make_lookup.parent_column ORDER BY p.id LIMIT 1);
    source record;
    free_name text;
    own text := toms.tenant_condition(parent, false);
    shared text := toms.tenant_condition(parent, true);
BEGIN
    LOCK TABLE toms.restriction IN ROW EXCLUSIVE MODE;      -- as watch_limits() expects
    SELECT n.nspname, c.relname, c.relkind, array_agg(DISTINCT quote_ident(a.attname)) AS columns INTO source
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.oid = parent AND (a.attname = parent_column OR toms.label_words(parent, false) ? a.attname) GROUP BY n.nspname, c.relname, c.relkind;
    SELECT candidate INTO free_name
    FROM generate_series(0, 999) i,
         LATERAL (SELECT left(format('parent_%s_%s_%s', source.nspname, source.relname, parent_column), 58) || coalesce('_' || nullif(i, 0), '')) c (candidate)
    WHERE to_regclass(format('toms.%I', candidate)) IS NULL ORDER BY i LIMIT 1;
    IF lookup IS NOT NULL THEN
        free_name := (SELECT c.relname FROM pg_class c WHERE c.oid = lookup);
    END IF;
    EXECUTE format('CREATE OR REPLACE VIEW toms.%I WITH (security_barrier) AS SELECT %I AS toms_key%s FROM %s %s WHERE %s%s', free_name, parent_column,
                   CASE WHEN shared IS NOT NULL THEN format(', (%s) IS NOT TRUE AS toms_shared', own) END,
                   CASE source.relkind WHEN 'r' THEN 'ONLY' ELSE '' END, parent, coalesce('(' || own || ' AND ' || toms.limit_condition(parent) || ')', own),
                   CASE WHEN shared IS NOT NULL THEN format(' OR (%s AND toms.tenant_text() IS NOT NULL)', shared) END);
    EXECUTE format('ALTER VIEW toms.%I OWNER TO toms_lookup', free_name);
    EXECUTE format('GRANT SELECT ON toms.%I TO PUBLIC', free_name);
    EXECUTE format('GRANT SELECT (%s) ON %s TO toms_lookup', array_to_string(source.columns, ', '), parent);
    RETURN format('toms.%I', free_name)::regclass;
END
$$;
REVOKE ALL ON FUNCTION toms.make_lookup(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.make_lookup(regclass, name) IS 'internal: the view through which children find their parents'' tenant';

-- Lookups ask whether anybody is restricted from the first limit on; for each of them one look more when a query is planned.
-- A table whose lookup does not is closed.  No other lookup is made meanwhile.
CREATE FUNCTION toms.watch_limits()
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE toms.restriction IN SHARE ROW EXCLUSIVE MODE;
    PERFORM toms.make_lookup(l.parent, l.parent_column)
    FROM (SELECT DISTINCT p.parent, p.parent_column FROM toms.parent p JOIN pg_class v ON v.oid = p.lookup
          WHERE toms.limit_condition(p.parent) IS NOT NULL AND strpos(pg_get_viewdef(v.oid), 'toms.is_unrestricted(') = 0) l;
END
$$;
REVOKE ALL ON FUNCTION toms.watch_limits() FROM PUBLIC;
COMMENT ON FUNCTION toms.watch_limits() IS 'internal: have lookups of parents ask about restrictions';

-- Of this database, by an index: a DROP TABLE asks, and columns are as many as there are tables.
CREATE FUNCTION toms.objects_of_lookup(kind "char", OUT relation oid, OUT col integer)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.objid, d.objsubid FROM pg_shdepend d
    WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = 'toms_lookup'::regrole AND d.classid = 'pg_class'::regclass AND d.deptype = kind
      AND d.dbid = (SELECT b.oid FROM pg_database b WHERE b.datname = current_database());
$$;
REVOKE ALL ON FUNCTION toms.objects_of_lookup("char") FROM PUBLIC;
COMMENT ON FUNCTION toms.objects_of_lookup("char") IS 'internal: relations and columns that role toms_lookup owns (o) or has privileges on (a)';

CREATE FUNCTION toms.drop_unused_lookups()
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lookup regclass;
    granted record;
BEGIN
    PERFORM toms.forget_dropped();
    FOR lookup IN SELECT c.oid::regclass FROM toms.objects_of_lookup('o') d JOIN pg_class c ON c.oid = d.relation
                  WHERE c.relkind = 'v' AND c.relnamespace = 'toms'::regnamespace
                    AND NOT EXISTS (SELECT FROM toms.parent p WHERE p.lookup = c.oid)
                    AND NOT EXISTS (SELECT FROM toms.retention_rule r WHERE r.lookup = c.oid AND r.valid_until IS NULL)
    LOOP
        EXECUTE format('DROP VIEW %s', lookup);
    END LOOP;
    FOR granted IN SELECT a.attrelid::regclass AS parent, a.attname
                   FROM toms.objects_of_lookup('a') d JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.relation, d.col)
                   WHERE d.col > 0 AND NOT a.attisdropped AND NOT EXISTS (SELECT FROM toms.parent p WHERE p.parent = a.attrelid)
                     AND NOT EXISTS (SELECT FROM toms.retention_rule r WHERE r.elsewhere = a.attrelid AND r.valid_until IS NULL)
    LOOP
        EXECUTE format('REVOKE SELECT (%I) ON %s FROM toms_lookup', granted.attname, granted.parent);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.drop_unused_lookups() FROM PUBLIC;
COMMENT ON FUNCTION toms.drop_unused_lookups() IS 'internal: drop lookups that no child uses any more, and what they were granted';

-- Declare one parent of a child, or with NULL none.  Parents for other types are kept if there is
-- a type column.
CREATE FUNCTION toms.declare_parent(relation regclass, parent regclass, parent_key name, parent_column name, type_column name, type_value text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    referred name := coalesce(parent_column, toms.referred_column(relation, parent, parent_key));
BEGIN
    IF (type_column IS NULL) <> (type_value IS NULL) OR (type_column IS NOT NULL AND parent IS NULL) THEN
        RAISE EXCEPTION 'type_column and type_value belong together, and to a parent' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.forget_dropped();
    DELETE FROM toms.parent p WHERE p.child = declare_parent.relation
        AND (declare_parent.parent IS NULL OR (p.type_value IS NULL) <> (declare_parent.type_value IS NULL)
             OR p.type_value IS NOT DISTINCT FROM declare_parent.type_value
                AND (p.parent, p.parent_column) IS DISTINCT FROM (declare_parent.parent, referred));
    IF parent IS NULL THEN
        RETURN;
    END IF;
    PERFORM toms.check_ancestry(relation, parent);
    PERFORM toms.check_parent_column(relation, parent_key, parent, referred);
    INSERT INTO toms.parent (child, parent, lookup, type_value, parent_column)
    SELECT relation, declare_parent.parent, toms.make_lookup(declare_parent.parent, referred), declare_parent.type_value, referred
    ON CONFLICT DO NOTHING;
END
$$;
REVOKE ALL ON FUNCTION toms.declare_parent(regclass, regclass, name, name, name, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.declare_parent(regclass, regclass, name, name, name, text) IS 'internal: declare whose tenant the rows of a table belong to';

CREATE FUNCTION toms.check_declarable(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.lock_relation(relation);
    IF (toms.describe(relation)).root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', relation);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_declarable(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_declarable(regclass) IS 'internal: lock a protected table for a further declaration';

CREATE FUNCTION toms.add_parent(relation regclass, parent regclass, type_value text, parent_column name DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
BEGIN
    PERFORM toms.check_declarable(relation);
    SELECT * INTO today FROM toms.describe(relation);
    IF today.type_column IS NULL OR type_value IS NULL THEN
        RAISE EXCEPTION 'table % has one parent only', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, parent => ''…'', parent_key => ''…'', type_column => ''…'', type_value => ''…''); says which column names the parent.', relation);
    END IF;
    PERFORM toms.take_down(relation);
    PERFORM toms.declare_parent(relation, parent, today.parent_key, parent_column, today.type_column, type_value);
    PERFORM toms.put_up(relation);
    PERFORM toms.drop_unused_lookups();
    INSERT INTO toms.protection_history (relation_name, action, detail, by)
    VALUES (relation::text, 'add_parent', format('%s where %s is %s', parent, today.type_column, type_value), session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.add_parent(regclass, regclass, text, name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.add_parent(regclass, regclass, text, name) TO toms_admin;
COMMENT ON FUNCTION toms.add_parent(regclass, regclass, text, name) IS 'a further table that rows of a table can belong to, for another value of its type column';

CREATE FUNCTION toms.remove_parent(relation regclass, type_value text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.check_declarable(relation);
    PERFORM toms.forget_dropped();
    IF NOT EXISTS (SELECT FROM toms.parent p WHERE p.child = remove_parent.relation AND p.type_value = remove_parent.type_value) THEN
        RAISE EXCEPTION 'table % has no parent for the type "%"', relation, type_value USING ERRCODE = 'undefined_object';
    END IF;
    IF NOT EXISTS (SELECT FROM toms.parent p WHERE p.child = remove_parent.relation AND p.type_value <> remove_parent.type_value) THEN
        RAISE EXCEPTION 'table % has no other parent', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.unprotect(%L, reason => ''…'');', relation);
    END IF;
    PERFORM toms.take_down(relation);
    DELETE FROM toms.parent p WHERE p.child = remove_parent.relation AND p.type_value = remove_parent.type_value;
    PERFORM toms.put_up(relation);
    PERFORM toms.drop_unused_lookups();
    INSERT INTO toms.protection_history (relation_name, action, detail, by) VALUES (relation::text, 'remove_parent', type_value, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.remove_parent(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.remove_parent(regclass, text) TO toms_admin;
COMMENT ON FUNCTION toms.remove_parent(regclass, text) IS 'rows of this type belong to nobody from now on';

-- persons with two keys ------------------------------------------------------------------------

-- A key of persons is unique: by itself or, for the canonical one, within the tenant.
CREATE FUNCTION toms.is_key_in_tenant(relation regclass, col name)
RETURNS boolean LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = relation AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
          AND (SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_attribute a
               WHERE a.attrelid = relation AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))
              IN (ARRAY[col::text], (SELECT array_agg(n ORDER BY n) FROM unnest(ARRAY[col::text, (toms.describe(relation)).tenant::text]) n)));
$$;
REVOKE ALL ON FUNCTION toms.is_key_in_tenant(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.is_key_in_tenant(regclass, name) IS 'internal: whether a column tells rows apart, in a tenant at least';

CREATE FUNCTION toms.add_subject_alias(relation regclass, canonical name, alias name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    col name;
BEGIN
    PERFORM toms.lock_relation(relation);
    IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = relation AND c.relkind = 'r') OR canonical = alias THEN
        RAISE EXCEPTION '% is not an ordinary table that holds two keys of each person', relation USING ERRCODE = 'wrong_object_type';
    END IF;
    FOREACH col IN ARRAY ARRAY[canonical, alias] LOOP
        PERFORM toms.check_identifier_column(relation, col);
        IF NOT toms.is_key_in_tenant(relation, col) THEN
            RAISE EXCEPTION 'column "%" of % is not unique', col, relation USING ERRCODE = 'invalid_foreign_key',
                HINT = format('CREATE UNIQUE INDEX ON %s (%I);', relation, col);
        END IF;
    END LOOP;
    INSERT INTO toms.subject_alias (id, relation, canonical, alias)
    VALUES (('x' || left(replace(gen_random_uuid()::text, '-', ''), 14))::bit(56)::bigint, add_subject_alias.relation, add_subject_alias.canonical, add_subject_alias.alias)
    ON CONFLICT ON CONSTRAINT subject_alias_relation_alias_key DO UPDATE SET canonical = excluded.canonical;
    INSERT INTO toms.protection_history (relation_name, action, detail, by)
    VALUES (relation::text, 'add_subject_alias', format('%s for %s', alias, canonical), session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.add_subject_alias(regclass, name, name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.add_subject_alias(regclass, name, name) TO toms_admin;
COMMENT ON FUNCTION toms.add_subject_alias(regclass, name, name) IS 'a table of persons with two keys: tokens hold the canonical one, some tables the alias';

-- The tables whose subject column holds an alias.
CREATE FUNCTION toms.alias_users(alias_id bigint)
RETURNS SETOF regclass LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.objoid::regclass FROM pg_seclabel l
    WHERE l.provider = 'toms' AND l.classoid = 'pg_class'::regclass AND l.objsubid > 0 AND l.label ~ format('\malias=%s\M', alias_id);
$$;
REVOKE ALL ON FUNCTION toms.alias_users(bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.alias_users(bigint) IS 'internal: tables whose subject column holds an alias';

CREATE FUNCTION toms.remove_subject_alias(relation regclass, alias name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known bigint := (SELECT s.id FROM toms.subject_alias s WHERE s.relation = remove_subject_alias.relation AND s.alias = remove_subject_alias.alias);
    used_by regclass := (SELECT min(u::text) FROM toms.alias_users(known) u);
BEGIN
    IF known IS NULL THEN
        RAISE EXCEPTION 'table % has no alias "%"', relation, alias USING ERRCODE = 'undefined_object';
    END IF;
    IF used_by IS NOT NULL THEN
        RAISE EXCEPTION 'the subjects of % are that alias', used_by USING ERRCODE = 'dependent_objects_still_exist',
            HINT = format('SELECT toms.protect(%L, …) without it first.', used_by);
    END IF;
    DELETE FROM toms.subject_alias s WHERE s.id = known;
    INSERT INTO toms.protection_history (relation_name, action, detail, by) VALUES (relation::text, 'remove_subject_alias', alias, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.remove_subject_alias(regclass, name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.remove_subject_alias(regclass, name) TO toms_admin;
COMMENT ON FUNCTION toms.remove_subject_alias(regclass, name) IS 'end an alias that no protected table uses';

-- 'app_user.id' as the id of its declaration; NULL for NULL.
CREATE FUNCTION toms.alias_id(subject_alias text, relation regclass, subject name)
RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts text[] := CASE WHEN subject_alias IS NOT NULL THEN parse_ident(subject_alias) END;
    of_table text := array_to_string(ARRAY(SELECT quote_ident(p) FROM unnest(trim_array(parts, 1)) p), '.');
    known bigint;
BEGIN
    IF subject_alias IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT s.id INTO known FROM toms.subject_alias s JOIN pg_class c ON c.oid = s.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE s.alias = parts[cardinality(parts)]
      AND of_table IN (format('%I.%I', n.nspname, c.relname), quote_ident(c.relname))
    ORDER BY c.relnamespace = (SELECT r.relnamespace FROM pg_class r WHERE r.oid = alias_id.relation) DESC, s.id LIMIT 1;
    IF NOT FOUND OR subject IS NULL THEN
        RAISE EXCEPTION 'there is no subject alias "%"', subject_alias USING ERRCODE = 'undefined_object',
            HINT = format('SELECT toms.add_subject_alias(%L, canonical => ''…'', alias => %L); and name the subject column.', of_table, parts[cardinality(parts)]);
    END IF;
    RETURN known;
END
$$;
REVOKE ALL ON FUNCTION toms.alias_id(text, regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.alias_id(text, regclass, name) IS 'internal: the declaration of an alias, by table and column';

-- rows of a category by value -------------------------------------------------------------------

CREATE FUNCTION toms.label_rows(relation regclass, condition text, category text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    normalized text;
    kept bigint;
BEGIN
    IF condition IS NULL OR category IS NULL THEN
        RAISE EXCEPTION 'condition and category must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_declarable(relation);
    IF NOT EXISTS (SELECT FROM toms.category c WHERE c.category = label_rows.category) THEN
        RAISE EXCEPTION 'there is no category "%"', category USING ERRCODE = 'undefined_object',
            HINT = format('SELECT toms.add_category(%L, description => ''…'', article9 => false);', category);
    END IF;
    IF category = (toms.describe(relation)).category THEN
        RAISE EXCEPTION 'all rows of % are of category "%" already', relation, category USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF octet_length(category) > 53 THEN
        RAISE EXCEPTION 'the name of category "%" is too long for a label of rows', category USING ERRCODE = 'name_too_long';
    END IF;
    SELECT c.normalized INTO STRICT normalized FROM toms.check_condition(relation, condition) c;
    -- rows would go from one rule of retention to another
    LOCK TABLE toms.hold IN ROW SHARE MODE;
    SELECT min(r.id) INTO kept FROM toms.retention_rule r
    WHERE r.relation = label_rows.relation AND r.valid_until IS NULL
      AND (r.locked OR EXISTS (SELECT FROM toms.hold h WHERE h.state = 'held' AND h.rule = r.id))
      AND EXISTS (SELECT FROM toms.retention_rule o WHERE o.relation = r.relation AND o.category = label_rows.category AND o.valid_until IS NULL)
      AND NOT EXISTS (SELECT FROM toms.row_labels l WHERE l.relation = r.relation AND l.category = label_rows.category AND l.condition = normalized);
    IF kept IS NOT NULL THEN
        RAISE EXCEPTION 'rows would come under another retention rule, and rule % is locked or held', kept USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'SELECT * FROM toms.holds; a locked rule stays.';
    END IF;
    PERFORM toms.drop_row_label(label_rows.relation, label_rows.category) FROM toms.row_labels l WHERE l.relation = label_rows.relation AND l.category = label_rows.category;
    PERFORM toms.keep_row_label(relation, category, normalized);
    PERFORM toms.sync_policies(r) FROM toms.relation_tree(relation) r;
    INSERT INTO toms.protection_history (relation_name, action, category, detail, by)
    VALUES (relation::text, 'label_rows', label_rows.category, normalized, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.label_rows(regclass, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.label_rows(regclass, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.label_rows(regclass, text, text) IS 'rows need permission for the category unless the condition is definitely false for them';

CREATE FUNCTION toms.unlabel_rows(relation regclass, category text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rule bigint;
BEGIN
    PERFORM toms.check_declarable(relation);
    IF NOT EXISTS (SELECT FROM toms.row_labels l WHERE l.relation = unlabel_rows.relation AND l.category = unlabel_rows.category) THEN
        RAISE EXCEPTION 'no rows of % are labelled "%"', relation, category USING ERRCODE = 'undefined_object';
    END IF;
    SELECT min(r.id) INTO rule FROM toms.retention_rule r WHERE r.relation = unlabel_rows.relation AND r.category = unlabel_rows.category AND r.valid_until IS NULL;
    IF rule IS NOT NULL THEN
        RAISE EXCEPTION 'retention rule % is for rows that are labelled "%"', rule, category USING ERRCODE = 'dependent_objects_still_exist',
            HINT = format('SELECT toms.unretain(%s, reason => ''…'');', rule);
    END IF;
    PERFORM toms.drop_row_label(relation, category);
    PERFORM toms.sync_policies(r) FROM toms.relation_tree(relation) r;
    INSERT INTO toms.protection_history (relation_name, action, category, by)
    VALUES (relation::text, 'unlabel_rows', unlabel_rows.category, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.unlabel_rows(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.unlabel_rows(regclass, text) TO toms_admin;
COMMENT ON FUNCTION toms.unlabel_rows(regclass, text) IS 'end the label of rows: they are of the table''s own category';

CREATE VIEW toms.row_labels AS
    SELECT p.polrelid::pg_catalog.regclass AS relation, pg_catalog.substr(p.polname::text, 11) AS category,
           pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS condition
    FROM pg_catalog.pg_policy p
    WHERE p.polname::text OPERATOR(pg_catalog.~~) 'toms\_rows\_%';
COMMENT ON VIEW toms.row_labels IS 'rows that are of a category unless a condition is definitely false; each is kept as a policy for nobody';
GRANT SELECT ON toms.row_labels TO toms_admin, toms_auditor, toms_operator;
