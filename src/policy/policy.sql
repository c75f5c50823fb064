-- What the policies of protected tables call, and what their declarations have in common.

-- the functions of policies: whoever queries a protected table calls them ------------

CREATE FUNCTION toms.tenant_smallint() RETURNS smallint
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_tenant_value';
COMMENT ON FUNCTION toms.tenant_smallint() IS 'internal: tenant of the context for policies, NULL without one';

CREATE FUNCTION toms.tenant_integer() RETURNS integer
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_tenant_value';
COMMENT ON FUNCTION toms.tenant_integer() IS 'internal: tenant of the context for policies, NULL without one';

CREATE FUNCTION toms.tenant_bigint() RETURNS bigint
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_tenant_value';
COMMENT ON FUNCTION toms.tenant_bigint() IS 'internal: tenant of the context for policies, NULL without one';

CREATE FUNCTION toms.tenant_uuid() RETURNS uuid
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_tenant_value';
COMMENT ON FUNCTION toms.tenant_uuid() IS 'internal: tenant of the context for policies, NULL without one';

CREATE FUNCTION toms.tenant_text() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_tenant_value';
COMMENT ON FUNCTION toms.tenant_text() IS 'internal: tenant of the context for policies, NULL without one';

CREATE FUNCTION toms.scope_support(internal) RETURNS internal
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_scope_support';
REVOKE ALL ON FUNCTION toms.scope_support(internal) FROM PUBLIC;
COMMENT ON FUNCTION toms.scope_support(internal) IS 'internal: what the planner is told about toms.in_scope()';

-- Dearer than the comparison of tenants, so that it is asked of the tenant's own rows only.
CREATE FUNCTION toms.in_scope(relation regclass, verb text, subject anyelement) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF COST 4 SUPPORT toms.scope_support AS 'MODULE_PATHNAME', 'toms_in_scope';
COMMENT ON FUNCTION toms.in_scope(regclass, text, anyelement) IS 'internal: whether a row of this subject is in scope, for policies';

CREATE FUNCTION toms.in_scope(relation regclass, verb text, category text, subject anyelement) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF COST 4 SUPPORT toms.scope_support AS 'MODULE_PATHNAME', 'toms_in_scope';
COMMENT ON FUNCTION toms.in_scope(regclass, text, text, anyelement) IS 'internal: whether a row of this subject is in scope, for policies, of rows of a category';

CREATE FUNCTION toms.in_category(relation regclass, verb text, category text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_in_category';
COMMENT ON FUNCTION toms.in_category(regclass, text, text) IS 'internal: whether rows of a category are in scope, for policies of tables without a subject';

CREATE FUNCTION toms.scope_from(relation regclass, verb text, of_type anyelement) RETURNS anyelement
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_scope_from';
COMMENT ON FUNCTION toms.scope_from(regclass, text, anyelement) IS 'internal: the least subject in scope, for index conditions';

CREATE FUNCTION toms.scope_from(relation regclass, verb text, category text, of_type anyelement) RETURNS anyelement
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_scope_from';
COMMENT ON FUNCTION toms.scope_from(regclass, text, text, anyelement) IS 'internal: the least subject in scope, for index conditions, of rows of a category';

CREATE FUNCTION toms.scope_to(relation regclass, verb text, of_type anyelement) RETURNS anyelement
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_scope_to';
COMMENT ON FUNCTION toms.scope_to(regclass, text, anyelement) IS 'internal: the greatest subject in scope, for index conditions';

CREATE FUNCTION toms.scope_to(relation regclass, verb text, category text, of_type anyelement) RETURNS anyelement
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_scope_to';
COMMENT ON FUNCTION toms.scope_to(regclass, text, text, anyelement) IS 'internal: the greatest subject in scope, for index conditions, of rows of a category';

CREATE FUNCTION toms.check_tenant(relation regclass, verb text, tenant anyelement) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_tenant';
COMMENT ON FUNCTION toms.check_tenant(regclass, text, anyelement) IS 'internal: refuse a row of another tenant, for policies';

CREATE FUNCTION toms.check_parent(relation regclass, verb text, found boolean) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_parent';
COMMENT ON FUNCTION toms.check_parent(regclass, text, boolean) IS 'internal: refuse a row whose parent row is of another tenant, for policies';

CREATE FUNCTION toms.check_subject(relation regclass, verb text, subject anyelement) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_subject';
COMMENT ON FUNCTION toms.check_subject(regclass, text, anyelement) IS 'internal: refuse a row of another subject, for policies';

CREATE FUNCTION toms.check_subject(relation regclass, verb text, category text, subject anyelement) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_subject';
COMMENT ON FUNCTION toms.check_subject(regclass, text, text, anyelement) IS 'internal: refuse a row of another subject, for policies, of rows of a category';

CREATE FUNCTION toms.check_category(relation regclass, verb text, category text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_category';
COMMENT ON FUNCTION toms.check_category(regclass, text, text) IS 'internal: refuse a row of a category that is not permitted, for policies of tables without a subject';

CREATE FUNCTION toms.check_enabled(relation regclass, verb text, category text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_enabled';
COMMENT ON FUNCTION toms.check_enabled(regclass, text, text) IS 'internal: refuse a value of a category that the tenant has not enabled, for policies';

CREATE FUNCTION toms.check_enabled(relation regclass, verb text, category text, subject anyelement) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_enabled';
COMMENT ON FUNCTION toms.check_enabled(regclass, text, text, anyelement) IS 'internal: the same, or a value about a data subject who has objected to the category, for policies';

CREATE FUNCTION toms.check_value(relation regclass, verb text, category text, subject anyelement) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_value';
COMMENT ON FUNCTION toms.check_value(regclass, text, text, anyelement) IS 'internal: refuse a value of a category that the data subject has objected to, for policies';

CREATE FUNCTION toms.limit_support(internal) RETURNS internal
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_limit_support';
REVOKE ALL ON FUNCTION toms.limit_support(internal) FROM PUBLIC;
COMMENT ON FUNCTION toms.limit_support(internal) IS 'internal: what the planner is told about toms.is_unrestricted()';

CREATE FUNCTION toms.is_unrestricted(relation regclass, subject anyelement) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF COST 4 SUPPORT toms.limit_support AS 'MODULE_PATHNAME', 'toms_is_unrestricted';
COMMENT ON FUNCTION toms.is_unrestricted(regclass, anyelement) IS 'internal: whether rows of a data subject are there for the purpose in force, for lookups of parents';

-- what is known, and labels --------------------------------------------------------------

CREATE FUNCTION toms.describe(relation regclass, OUT root regclass, OUT mode text, OUT tenant name,
                              OUT subject name, OUT category text, OUT intact boolean, OUT parent_key name,
                              OUT type_column name, OUT null_tenant text, OUT access text, OUT free_text text,
                              OUT read_audit text, OUT chosen_read_audit text)
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_describe';
REVOKE ALL ON FUNCTION toms.describe(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.describe(regclass) TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.describe(regclass) IS 'internal: what toms knows about a relation';

CREATE FUNCTION toms.sync_policies(relation regclass) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_sync_policies';
REVOKE ALL ON FUNCTION toms.sync_policies(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.sync_policies(regclass) IS 'internal: renew the policies of one relation';

CREATE FUNCTION toms.drop_policies(relation regclass, keep_rls boolean, keep_force boolean) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_drop_policies';
REVOKE ALL ON FUNCTION toms.drop_policies(regclass, boolean, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.drop_policies(regclass, boolean, boolean) IS 'internal: take the policies of one relation down';

CREATE FUNCTION toms.tenant_condition(relation regclass, shared boolean) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_tenant_condition';
REVOKE ALL ON FUNCTION toms.tenant_condition(regclass, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.tenant_condition(regclass, boolean) IS 'internal: the condition that a row is of the tenant in force, or shared by all, as text; NULL: none is';

CREATE FUNCTION toms.limit_condition(relation regclass) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_limit_condition';
REVOKE ALL ON FUNCTION toms.limit_condition(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.limit_condition(regclass) IS 'internal: the condition that a parent row''s data subject is not restricted, as text; NULL: it has none, or nobody is';

CREATE FUNCTION toms.check_condition(relation regclass, condition text, OUT normalized text, OUT columns text[])
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_check_condition';
REVOKE ALL ON FUNCTION toms.check_condition(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_condition(regclass, text) IS 'internal: a condition on rows as PostgreSQL prints it, and its columns; refuses what could tell of rows';

CREATE FUNCTION toms.keep_row_label(relation regclass, category text, condition text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_keep_row_label';
REVOKE ALL ON FUNCTION toms.keep_row_label(regclass, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.keep_row_label(regclass, text, text) IS 'internal: keep the condition of a row label';

CREATE FUNCTION toms.drop_row_label(relation regclass, category text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_drop_row_label';
REVOKE ALL ON FUNCTION toms.drop_row_label(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.drop_row_label(regclass, text) IS 'internal: drop the condition of a row label';

CREATE FUNCTION toms.relation_tree(relation regclass) RETURNS SETOF regclass
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE tree (relid) AS (
        SELECT relation_tree.relation::oid
        UNION
        SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.relid
    )
    SELECT relid::regclass FROM tree;
$$;
REVOKE ALL ON FUNCTION toms.relation_tree(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.relation_tree(regclass) IS 'internal: a relation with its partitions and inheritance children';

-- {"tenant_id": "tenant", "user_id": "subject,alias=3"}, as it stands now, whatever snapshot the
-- transaction uses.
CREATE FUNCTION toms.column_labels(relation regclass) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_column_labels';
REVOKE ALL ON FUNCTION toms.column_labels(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.column_labels(regclass) IS 'internal: the labels of a relation''s columns';

-- The former labels go; a NULL label removes the relation's own.
CREATE FUNCTION toms.label_relation(relation regclass, columns jsonb, label text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    col text;
BEGIN
    FOR col IN SELECT key FROM jsonb_each_text(toms.column_labels(relation)) WHERE NOT coalesce(columns, '{}') ? key LOOP
        EXECUTE format('SECURITY LABEL FOR toms ON COLUMN %s.%I IS NULL', relation, col);
    END LOOP;
    FOR col IN SELECT key FROM jsonb_each_text(columns) LOOP
        EXECUTE format('SECURITY LABEL FOR toms ON COLUMN %s.%I IS %L', relation, col, columns ->> col);
    END LOOP;
    EXECUTE format('SECURITY LABEL FOR toms ON TABLE %s IS %L', relation, label);
END
$$;
REVOKE ALL ON FUNCTION toms.label_relation(regclass, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.label_relation(regclass, jsonb, text) IS 'internal: write the labels of one relation';

-- How a relation's row security was before toms took it over, as words of its label.
CREATE FUNCTION toms.former_row_security(relation regclass) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(
        (SELECT coalesce(substring(l.label FROM ',had_rls'), '') || coalesce(substring(l.label FROM ',had_force'), '')
         FROM pg_seclabel l
         WHERE l.provider = 'toms' AND l.classoid = 'pg_class'::regclass AND l.objoid = c.oid AND l.objsubid = 0
           AND l.label LIKE '%mode=enforce%'),
        CASE WHEN c.relrowsecurity THEN ',had_rls' ELSE '' END || CASE WHEN c.relforcerowsecurity THEN ',had_force' ELSE '' END)
    FROM pg_class c WHERE c.oid = relation;
$$;
REVOKE ALL ON FUNCTION toms.former_row_security(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.former_row_security(regclass) IS 'internal: row security before toms, for labels';

-- What protect() takes for a category when nothing is said.
CREATE FUNCTION toms.free_text_default(category text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM toms.category c WHERE c.category = free_text_default.category AND c.article9) THEN 'refuse' ELSE 'accept' END;
$$;
REVOKE ALL ON FUNCTION toms.free_text_default(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.free_text_default(text) IS 'internal: whether tables of a category take free text unless an officer says so';

CREATE FUNCTION toms.table_label(relation regclass, category text, null_tenant text, access text, free_text text, read_audit text, mode text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('category=%s,mode=%s%s%s%s%s%s', category, mode, CASE null_tenant WHEN 'shared' THEN ',null_tenant=shared' ELSE '' END,
                  CASE access WHEN 'functions' THEN ',access=functions' ELSE '' END,
                  CASE WHEN 'accept' <> ANY (ARRAY[free_text, toms.free_text_default(category)]) THEN ',free_text=' || free_text ELSE '' END,
                  ',read_audit=' || read_audit,
                  toms.former_row_security(relation));
$$;
REVOKE ALL ON FUNCTION toms.table_label(regclass, text, text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.table_label(regclass, text, text, text, text, text, text) IS 'internal: the label of a protected relation';

CREATE FUNCTION toms.restore_row_security(relation regclass)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.drop_policies(relation, toms.former_row_security(relation) LIKE '%had_rls%',
                              toms.former_row_security(relation) LIKE '%had_force%');
$$;
REVOKE ALL ON FUNCTION toms.restore_row_security(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.restore_row_security(regclass) IS 'internal: row security as it was before toms';

CREATE FUNCTION toms.protect_child(root oid, child oid)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parent record;
    rel regclass;
BEGIN
    SELECT d.*, toms.column_labels(protect_child.root::regclass) AS columns INTO parent FROM toms.describe(protect_child.root::regclass) d;
    FOR rel IN SELECT r FROM toms.relation_tree(child::regclass) r LOOP
        PERFORM toms.forget_namesake(rel);      -- its root's declarations count from now on
        PERFORM toms.drop_row_label(rel, substr(p.polname, 11)) FROM pg_policy p
        WHERE p.polrelid = rel AND p.polname LIKE 'toms\_rows\_%';
        PERFORM toms.label_relation(rel, parent.columns, toms.table_label(rel, parent.category, parent.null_tenant, parent.access, parent.free_text, parent.chosen_read_audit, parent.mode));
        PERFORM toms.sync_policies(rel);
    END LOOP;
    PERFORM toms.bind_sealed_columns(child::regclass);
    PERFORM toms.audit_changes(child::regclass);
END
$$;
REVOKE ALL ON FUNCTION toms.protect_child(oid, oid) FROM PUBLIC;
COMMENT ON FUNCTION toms.protect_child(oid, oid) IS 'internal: protect a new partition or inheritance child, and what is below it, like its root';

-- Raises an error unless the column can hold a tenant's or subject's id.
CREATE FUNCTION toms.check_identifier_column(relation regclass, col name, if_null text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_column record;
BEGIN
    SELECT a.attnotnull, coalesce(nullif(t.typbasetype, 0), t.oid) AS type, coalesce(l.collisdeterministic, true) AS deterministic
    INTO found_column
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
    WHERE a.attrelid = relation AND a.attname = col AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'column "%" of table % does not exist', col, relation USING ERRCODE = 'undefined_column';
    END IF;
    IF found_column.type NOT IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'uuid'::regtype,
                                 'text'::regtype, 'varchar'::regtype) THEN
        RAISE EXCEPTION 'column "%" of table % cannot hold an id: its type is %', col, relation, found_column.type::regtype
            USING ERRCODE = 'datatype_mismatch', HINT = 'Ids are smallint, integer, bigint, uuid, text or varchar.';
    END IF;
    IF NOT found_column.deterministic THEN
        RAISE EXCEPTION 'column "%" of table % has a nondeterministic collation, under which two ids can be equal', col, relation
            USING ERRCODE = 'indeterminate_collation',
                  HINT = format('ALTER TABLE %s ALTER COLUMN %I TYPE text COLLATE "C";', relation, col);
    END IF;
    IF if_null IS NOT NULL AND NOT found_column.attnotnull THEN
        RAISE NOTICE 'column "%" of table % may be NULL: %', col, relation, if_null
            USING HINT = format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL;', relation, col);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_identifier_column(regclass, name, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_identifier_column(regclass, name, text) IS 'internal: whether a column can hold ids of tenants or subjects';

CREATE FUNCTION toms.check_protectable(relation regclass)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind record;
BEGIN
    SELECT c.relkind, c.relpersistence, c.relispartition, c.relnamespace::regnamespace::text AS schema
    INTO kind FROM pg_class c WHERE c.oid = relation;
    IF NOT FOUND OR kind.relkind NOT IN ('r', 'p') OR kind.relpersistence = 't' THEN
        RAISE EXCEPTION '% is not a permanent table', relation USING ERRCODE = 'wrong_object_type';
    END IF;
    IF kind.schema IN ('pg_catalog', 'information_schema', 'toms') THEN
        RAISE EXCEPTION '% is a system table', relation USING ERRCODE = 'wrong_object_type';
    END IF;
    IF kind.relispartition OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = relation) THEN
        RAISE EXCEPTION '% can be protected with its parent only', relation USING ERRCODE = 'wrong_object_type',
            HINT = 'Protect the topmost table: it covers every partition and child, present and future.';
    END IF;
    SELECT c.oid::regclass AS relid INTO kind FROM toms.relation_tree(relation) r JOIN pg_class c ON c.oid = r WHERE c.relkind = 'f' ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'rows of %, a part of %, lie on another server', kind.relid, relation USING ERRCODE = 'wrong_object_type',
            HINT = 'Protect them there. A table of such parts alone needs no protection here.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_protectable(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_protectable(regclass) IS 'internal: whether a relation can be protected';

-- Locks are taken by name: make sure that the name still means the same relation.
CREATE FUNCTION toms.lock_relation(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := relation::text;
BEGIN
    IF to_regclass(name) IS NULL THEN
        RAISE EXCEPTION 'there is no table %', name USING ERRCODE = 'undefined_table';
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', name);
    IF to_regclass(name) IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % was renamed or replaced meanwhile', name USING ERRCODE = 'object_in_use';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.lock_relation(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.lock_relation(regclass) IS 'internal: take the lock under which protection changes';

