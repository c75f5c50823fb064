-- What the policies of protected tables call, and the declarations that make them.

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

CREATE FUNCTION toms.in_scope(relation regclass, verb text, subject smallint) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_in_scope';
COMMENT ON FUNCTION toms.in_scope(regclass, text, smallint) IS 'internal: whether a row of this subject is in scope, for policies';

CREATE FUNCTION toms.in_scope(relation regclass, verb text, subject integer) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_in_scope';
COMMENT ON FUNCTION toms.in_scope(regclass, text, integer) IS 'internal: whether a row of this subject is in scope, for policies';

CREATE FUNCTION toms.in_scope(relation regclass, verb text, subject bigint) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_in_scope';
COMMENT ON FUNCTION toms.in_scope(regclass, text, bigint) IS 'internal: whether a row of this subject is in scope, for policies';

CREATE FUNCTION toms.in_scope(relation regclass, verb text, subject uuid) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_in_scope';
COMMENT ON FUNCTION toms.in_scope(regclass, text, uuid) IS 'internal: whether a row of this subject is in scope, for policies';

CREATE FUNCTION toms.in_scope(relation regclass, verb text, subject text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'toms_in_scope';
COMMENT ON FUNCTION toms.in_scope(regclass, text, text) IS 'internal: whether a row of this subject is in scope, for policies';

CREATE FUNCTION toms.check_tenant(relation regclass, verb text, tenant smallint) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_tenant';
COMMENT ON FUNCTION toms.check_tenant(regclass, text, smallint) IS 'internal: refuse a row of another tenant, for policies';

CREATE FUNCTION toms.check_tenant(relation regclass, verb text, tenant integer) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_tenant';
COMMENT ON FUNCTION toms.check_tenant(regclass, text, integer) IS 'internal: refuse a row of another tenant, for policies';

CREATE FUNCTION toms.check_tenant(relation regclass, verb text, tenant bigint) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_tenant';
COMMENT ON FUNCTION toms.check_tenant(regclass, text, bigint) IS 'internal: refuse a row of another tenant, for policies';

CREATE FUNCTION toms.check_tenant(relation regclass, verb text, tenant uuid) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_tenant';
COMMENT ON FUNCTION toms.check_tenant(regclass, text, uuid) IS 'internal: refuse a row of another tenant, for policies';

CREATE FUNCTION toms.check_tenant(relation regclass, verb text, tenant text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_tenant';
COMMENT ON FUNCTION toms.check_tenant(regclass, text, text) IS 'internal: refuse a row of another tenant, for policies';

CREATE FUNCTION toms.check_subject(relation regclass, verb text, subject smallint) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_subject';
COMMENT ON FUNCTION toms.check_subject(regclass, text, smallint) IS 'internal: refuse a row of another subject, for policies';

CREATE FUNCTION toms.check_subject(relation regclass, verb text, subject integer) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_subject';
COMMENT ON FUNCTION toms.check_subject(regclass, text, integer) IS 'internal: refuse a row of another subject, for policies';

CREATE FUNCTION toms.check_subject(relation regclass, verb text, subject bigint) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_subject';
COMMENT ON FUNCTION toms.check_subject(regclass, text, bigint) IS 'internal: refuse a row of another subject, for policies';

CREATE FUNCTION toms.check_subject(relation regclass, verb text, subject uuid) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_subject';
COMMENT ON FUNCTION toms.check_subject(regclass, text, uuid) IS 'internal: refuse a row of another subject, for policies';

CREATE FUNCTION toms.check_subject(relation regclass, verb text, subject text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_subject';
COMMENT ON FUNCTION toms.check_subject(regclass, text, text) IS 'internal: refuse a row of another subject, for policies';

-- protection -------------------------------------------------------------------------

CREATE TABLE toms.protection_history (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation_name text NOT NULL,
    action        text NOT NULL CHECK (action IN ('protect', 'unprotect')),
    mode          text,
    tenant        name,
    subject       name,
    category      text,
    reason        text,
    at            timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    by            text NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('toms.protection_history', '');
SELECT pg_catalog.pg_extension_config_dump('toms.protection_history_id_seq', '');
COMMENT ON TABLE toms.protection_history IS 'when which table was protected and unprotected, how, by whom and why';
GRANT SELECT ON toms.protection_history TO toms_admin, toms_auditor;

CREATE FUNCTION toms.describe(relation regclass, OUT root regclass, OUT mode text, OUT tenant name,
                              OUT subject name, OUT category text, OUT intact boolean)
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

CREATE FUNCTION toms.relation_tree(relation regclass) RETURNS SETOF regclass
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE tree (relid) AS (
        SELECT relation_tree.relation::oid
        UNION
        SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.relid
    )
    SELECT relid::regclass FROM tree;
$$;
REVOKE ALL ON FUNCTION toms.relation_tree(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.relation_tree(regclass) IS 'internal: a relation with its partitions and inheritance children';

CREATE FUNCTION toms.label_relation(relation regclass, tenant name, subject name, label text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    col name;
BEGIN
    FOR col IN SELECT a.attname FROM pg_attribute a JOIN pg_seclabel l
                   ON l.objoid = a.attrelid AND l.objsubid = a.attnum AND l.provider = 'toms'
                      AND l.classoid = 'pg_class'::regclass
               WHERE a.attrelid = relation AND NOT a.attisdropped
    LOOP
        EXECUTE format('SECURITY LABEL FOR toms ON COLUMN %s.%I IS NULL', relation, col);
    END LOOP;
    IF label IS NOT NULL THEN
        EXECUTE format('SECURITY LABEL FOR toms ON COLUMN %s.%I IS %L', relation, tenant,
                       CASE WHEN subject = tenant THEN 'tenant,subject' ELSE 'tenant' END);
        IF subject <> tenant THEN
            EXECUTE format('SECURITY LABEL FOR toms ON COLUMN %s.%I IS ''subject''', relation, subject);
        END IF;
    END IF;
    EXECUTE format('SECURITY LABEL FOR toms ON TABLE %s IS %L', relation, label);
END
$$;
REVOKE ALL ON FUNCTION toms.label_relation(regclass, name, name, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.label_relation(regclass, name, name, text) IS 'internal: write the labels of one relation';

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
    SELECT * INTO parent FROM toms.describe(root::regclass);
    FOR rel IN SELECT r FROM toms.relation_tree(child::regclass) r LOOP
        PERFORM toms.label_relation(rel, parent.tenant, parent.subject,
            format('category=%s,mode=%s%s', parent.category, parent.mode, toms.former_row_security(rel)));
        PERFORM toms.sync_policies(rel);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.protect_child(oid, oid) FROM PUBLIC;
COMMENT ON FUNCTION toms.protect_child(oid, oid) IS 'internal: protect a new partition or inheritance child, and what is below it, like its root';

-- Raises an error unless the column can hold a tenant's or subject's id.
CREATE FUNCTION toms.check_identifier_column(relation regclass, col name)
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
    IF NOT found_column.attnotnull THEN
        RAISE NOTICE 'column "%" of table % may be NULL: such rows belong to nobody and are seen by nobody', col, relation
            USING HINT = format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL;', relation, col);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_identifier_column(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_identifier_column(regclass, name) IS 'internal: whether a column can hold ids of tenants or subjects';

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

CREATE FUNCTION toms.protect(relation regclass, tenant name, subject name DEFAULT NULL, category text DEFAULT 'personal',
                             mode text DEFAULT 'enforce', reason text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    now_is record;
    rel regclass;
BEGIN
    IF relation IS NULL OR tenant IS NULL THEN
        RAISE EXCEPTION 'relation and tenant must be named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_protectable(relation);
    PERFORM toms.lock_relation(relation);
    IF mode IS NULL OR mode NOT IN ('enforce', 'observe') THEN
        RAISE EXCEPTION 'there is no mode "%"', mode USING ERRCODE = 'invalid_parameter_value', HINT = 'Modes are enforce and observe.';
    END IF;
    IF NOT EXISTS (SELECT FROM toms.category c WHERE c.category = protect.category) THEN
        RAISE EXCEPTION 'there is no category "%"', category USING ERRCODE = 'undefined_object',
            HINT = format('SELECT toms.add_category(%L, description => ''…'', article9 => false);', category);
    END IF;
    PERFORM toms.check_protectable(relation);      -- again: it may have been attached meanwhile
    PERFORM toms.check_identifier_column(relation, tenant);
    IF subject IS NOT NULL THEN
        PERFORM toms.check_identifier_column(relation, subject);
    END IF;

    SELECT * INTO today FROM toms.describe(relation);
    IF today.mode = 'enforce' AND mode = 'observe' AND coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'table % is enforced and would be open while it is observed', relation
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('SELECT toms.protect(%L, tenant => %L, subject => %L, category => %L, mode => ''observe'', reason => ''…'');',
                                relation, tenant, subject, category);
    END IF;
    IF today.root IS NULL THEN
        -- permissions of a dropped table that had the same OID
        UPDATE toms.permission p SET valid_until = clock_timestamp(), ended_by = session_user
        WHERE p.relation = protect.relation AND (p.valid_until IS NULL OR p.valid_until > clock_timestamp());
    END IF;
    FOR rel IN SELECT r FROM toms.relation_tree(relation) r LOOP
        SELECT * INTO now_is FROM toms.describe(rel);
        CONTINUE WHEN today.root IS NOT NULL
            AND (now_is.tenant, now_is.subject, now_is.category, now_is.mode) IS NOT DISTINCT FROM (tenant, subject, category, mode)
            AND (mode = 'observe' OR now_is.intact);
        IF mode = 'observe' AND now_is.mode = 'enforce' THEN
            PERFORM toms.restore_row_security(rel);
        END IF;
        PERFORM toms.label_relation(rel, tenant, subject,
            format('category=%s,mode=%s%s', category, mode, toms.former_row_security(rel)));
        IF mode = 'enforce' THEN
            PERFORM toms.sync_policies(rel);
        END IF;
    END LOOP;
    INSERT INTO toms.protection_history (relation_name, action, mode, tenant, subject, category, reason, by)
    VALUES (relation::text, 'protect', protect.mode, protect.tenant, protect.subject, protect.category, protect.reason, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.protect(regclass, name, name, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.protect(regclass, name, name, text, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.protect(regclass, name, name, text, text, text) IS 'protect a table and all its partitions, present and future: closed until permitted';

CREATE FUNCTION toms.unprotect(relation regclass, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    rel regclass;
BEGIN
    IF coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'a reason must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.lock_relation(relation);
    SELECT * INTO today FROM toms.describe(relation);
    IF today.root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM toms.forbid(p.role, relation) FROM (
        SELECT DISTINCT h.role FROM toms.permission h
        WHERE h.relation = unprotect.relation AND (h.valid_until IS NULL OR h.valid_until > clock_timestamp())) p;
    FOR rel IN SELECT r FROM toms.relation_tree(relation) r LOOP
        IF (toms.describe(rel)).mode = 'enforce' THEN
            PERFORM toms.restore_row_security(rel);
        END IF;
        PERFORM toms.label_relation(rel, NULL, NULL, NULL);
    END LOOP;
    INSERT INTO toms.protection_history (relation_name, action, reason, by)
    VALUES (relation::text, 'unprotect', unprotect.reason, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.unprotect(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.unprotect(regclass, text) TO toms_admin;
COMMENT ON FUNCTION toms.unprotect(regclass, text) IS 'end the protection of a table and all permissions on it, with a reason on record';

CREATE VIEW toms.protected_tables AS
    SELECT c.oid::pg_catalog.regclass AS relation, d.mode, d.tenant, d.subject, d.category, d.intact, d.root
    FROM pg_catalog.pg_seclabel l
    JOIN pg_catalog.pg_class c ON c.oid = l.objoid, LATERAL toms.describe(c.oid::pg_catalog.regclass) d
    WHERE l.provider = 'toms' AND l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND l.objsubid = 0;
COMMENT ON VIEW toms.protected_tables IS 'protected tables and partitions, how, and whether their row security is intact';
GRANT SELECT ON toms.protected_tables TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.enforce_relation(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
BEGIN
    SELECT * INTO today FROM toms.describe(relation);
    IF today.root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', mode => ''observe'');', relation);
    END IF;
    PERFORM toms.protect(relation, today.tenant, today.subject, today.category, 'enforce');
END
$$;
REVOKE ALL ON FUNCTION toms.enforce_relation(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.enforce_relation(regclass) TO toms_admin;
COMMENT ON FUNCTION toms.enforce_relation(regclass) IS 'internal: end observation of one table';

-- Resolves the name on the caller's search path, so it is not SECURITY DEFINER.
CREATE FUNCTION toms.enforce(relation_or_schema text)
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
DECLARE
    rel pg_catalog.regclass := pg_catalog.to_regclass(relation_or_schema);
    enforced integer := 0;
BEGIN
    IF rel IS NOT NULL THEN
        PERFORM toms.enforce_relation(rel);
        RETURN 1;
    END IF;
    IF pg_catalog.to_regnamespace(relation_or_schema) IS NULL THEN
        RAISE EXCEPTION 'there is no table or schema %', relation_or_schema USING ERRCODE = 'undefined_object';
    END IF;
    FOR rel IN SELECT p.relation FROM toms.protected_tables p
               JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) p.relation
               WHERE p.mode OPERATOR(pg_catalog.=) 'observe' AND p.root OPERATOR(pg_catalog.=) p.relation
                 AND c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace(relation_or_schema)
    LOOP
        PERFORM toms.enforce_relation(rel);
        enforced := enforced OPERATOR(pg_catalog.+) 1;
    END LOOP;
    RETURN enforced;
END
$$;
REVOKE ALL ON FUNCTION toms.enforce(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.enforce(text) TO toms_admin;
COMMENT ON FUNCTION toms.enforce(text) IS 'end observation of a table, or of all tables of a schema; from now on refusals are errors';

-- permissions --------------------------------------------------------------------------

CREATE FUNCTION toms.check_permit(relation regclass, verbs text[], purposes text[], scope text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
BEGIN
    SELECT * INTO today FROM toms.describe(relation);
    IF today.root IS NULL THEN
        RAISE EXCEPTION 'table % is not protected', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', relation);
    END IF;
    IF today.root <> relation THEN
        RAISE EXCEPTION 'permissions of % are those of %', relation, today.root USING ERRCODE = 'wrong_object_type';
    END IF;
    IF verbs IS NULL OR cardinality(verbs) = 0 OR NOT verbs <@ '{select,insert,update,delete}' THEN
        RAISE EXCEPTION 'verbs are select, insert, update and delete' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF purposes IS NULL OR cardinality(purposes) = 0 OR array_position(purposes, NULL) IS NOT NULL
       OR EXISTS (SELECT FROM unnest(purposes) u WHERE octet_length(u) NOT BETWEEN 1 AND 63) THEN
        RAISE EXCEPTION 'a permission names its purposes, of 1 to 63 bytes each' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Every access runs under exactly one purpose: purposes => ''{absence_management}''.';
    END IF;
    IF scope IS NULL OR scope NOT IN ('own', 'tenant') THEN
        RAISE EXCEPTION 'there is no scope "%"', scope USING ERRCODE = 'invalid_parameter_value', HINT = 'Scopes are own and tenant.';
    END IF;
    IF scope = 'own' AND today.subject IS NULL THEN
        RAISE EXCEPTION 'table % has no data subject, so nobody has rows of his own in it', relation
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use scope => ''tenant'', or name the subject in toms.protect().';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_permit(regclass, text[], text[], text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_permit(regclass, text[], text[], text) IS 'internal: whether a permission can be given as asked';

-- A permission is not a GRANT, but is of no use without one: give what the role lacks.  Where
-- it holds a privilege on some columns, that is left as it is.
CREATE FUNCTION toms.grant_verbs(role regrole, relation regclass, verbs text[])
RETURNS text[] LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    schema regnamespace := (SELECT c.relnamespace FROM pg_class c WHERE c.oid = relation);
    lacking text[] := ARRAY(SELECT v FROM unnest(verbs) v WHERE NOT has_table_privilege(role, relation, v)
                            AND (v = 'delete' OR NOT has_any_column_privilege(role, relation, v)) ORDER BY v);
BEGIN
    IF NOT has_schema_privilege(role, schema, 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', schema, role);
    END IF;
    IF cardinality(lacking) > 0 THEN
        EXECUTE format('GRANT %s ON %s TO %s', array_to_string(lacking, ', '), relation, role);
    END IF;
    RETURN lacking;
END
$$;
REVOKE ALL ON FUNCTION toms.grant_verbs(regrole, regclass, text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.grant_verbs(regrole, regclass, text[]) IS 'internal: grant a role the privileges its permission needs';

CREATE FUNCTION toms.permit(role regrole, relation regclass, verbs text[], purposes text[], scope text DEFAULT 'own',
                            require_mfa boolean DEFAULT false, valid_until timestamptz DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    permission bigint;
    lacking text[];
BEGIN
    IF role IS NULL OR relation IS NULL OR require_mfa IS NULL THEN
        RAISE EXCEPTION 'role, relation and require_mfa must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF valid_until <= clock_timestamp() THEN
        RAISE EXCEPTION 'the permission would have ended already' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM toms.check_permit(relation, verbs, purposes, scope);
    LOCK TABLE toms.permission IN SHARE ROW EXCLUSIVE MODE;
    lacking := toms.grant_verbs(role, relation, verbs);
    SELECT p.id INTO permission FROM toms.permission p
    WHERE p.role = permit.role AND p.relation = permit.relation AND p.verbs @> permit.verbs AND p.verbs <@ permit.verbs
      AND p.purposes @> permit.purposes AND p.purposes <@ permit.purposes AND p.scope = permit.scope
      AND p.require_mfa = permit.require_mfa AND p.valid_until IS NOT DISTINCT FROM permit.valid_until
      AND (p.valid_until IS NULL OR p.valid_until > clock_timestamp());
    IF FOUND THEN
        UPDATE toms.permission p SET granted = p.granted || lacking WHERE p.id = permission AND cardinality(lacking) > 0;
        RETURN permission;
    END IF;
    INSERT INTO toms.permission (role, relation, verbs, purposes, scope, require_mfa, valid_from, valid_until,
                                 relation_name, granted, permitted_by)
    VALUES (permit.role, permit.relation, permit.verbs, permit.purposes, permit.scope, permit.require_mfa, clock_timestamp(),
            permit.valid_until, permit.relation::text, lacking, session_user)
    RETURNING id INTO permission;
    IF 'insert' = ANY (verbs) AND NOT EXISTS (
        SELECT FROM toms.permission p WHERE p.role = permit.role AND p.relation = permit.relation AND 'select' = ANY (p.verbs)
                                        AND (p.valid_until IS NULL OR p.valid_until > clock_timestamp())) THEN
        RAISE NOTICE 'role % may insert into % but not select', role, relation
            USING HINT = 'INSERT … RETURNING, which most mappers use, needs the verb select too.';
    END IF;
    RETURN permission;
END
$$;
REVOKE ALL ON FUNCTION toms.permit(regrole, regclass, text[], text[], text, boolean, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.permit(regrole, regclass, text[], text[], text, boolean, timestamptz) TO toms_admin;
COMMENT ON FUNCTION toms.permit(regrole, regclass, text[], text[], text, boolean, timestamptz) IS 'permit a role verbs on a protected table for purposes, on its own rows or the tenant''s; grants what is needed';

CREATE FUNCTION toms.forbid(role regrole, relation regclass, verbs text[] DEFAULT NULL, purposes text[] DEFAULT NULL)
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ended toms.permission;
    ends_at timestamptz := clock_timestamp();
    n integer := 0;
    unused text[];
BEGIN
    PERFORM toms.check_permit(relation, coalesce(verbs, '{select}'), coalesce(purposes, '{any}'), 'tenant');
    LOCK TABLE toms.permission IN SHARE ROW EXCLUSIVE MODE;
    FOR ended IN
        SELECT p.* FROM toms.permission p
        WHERE p.role = forbid.role AND p.relation = forbid.relation
          AND (forbid.verbs IS NULL OR p.verbs && forbid.verbs) AND (forbid.purposes IS NULL OR p.purposes && forbid.purposes)
          AND (p.valid_until IS NULL OR p.valid_until > ends_at)
    LOOP
        n := n + 1;
        unused := unused || ended.granted;
        UPDATE toms.permission p SET valid_until = ends_at, ended_by = session_user WHERE p.id = ended.id;
        -- what is left of a permission that ends in part goes on as a new one
        INSERT INTO toms.permission (role, relation, verbs, purposes, scope, require_mfa, valid_from, valid_until,
                                     relation_name, granted, permitted_by)
        SELECT ended.role, ended.relation, rest.verbs, rest.purposes, ended.scope, ended.require_mfa, ends_at, ended.valid_until,
               ended.relation_name, '{}', ended.permitted_by
        FROM (SELECT ARRAY(SELECT v FROM unnest(ended.verbs) v WHERE v <> ALL (coalesce(forbid.verbs, ended.verbs))) AS verbs,
                     ended.purposes
              UNION ALL
              SELECT ARRAY(SELECT v FROM unnest(ended.verbs) v WHERE v = ANY (coalesce(forbid.verbs, ended.verbs))),
                     ARRAY(SELECT u FROM unnest(ended.purposes) u WHERE u <> ALL (coalesce(forbid.purposes, ended.purposes)))) rest
        WHERE cardinality(rest.verbs) > 0 AND cardinality(rest.purposes) > 0;
    END LOOP;
    -- what permit() granted and another permission still needs is that one's from now on
    UPDATE toms.permission p
    SET granted = ARRAY(SELECT v FROM unnest(p.granted) v UNION SELECT v FROM unnest(unused) v WHERE v = ANY (p.verbs) ORDER BY 1)
    WHERE p.role = forbid.role AND p.relation = forbid.relation AND p.verbs && unused
      AND (p.valid_until IS NULL OR p.valid_until > ends_at);
    -- what none needs any more is taken back
    unused := ARRAY(SELECT DISTINCT v FROM unnest(unused) v WHERE NOT EXISTS (
        SELECT FROM toms.permission p WHERE p.role = forbid.role AND p.relation = forbid.relation AND v = ANY (p.verbs)
                                        AND (p.valid_until IS NULL OR p.valid_until > ends_at)) ORDER BY v);
    IF n = 0 THEN
        RAISE NOTICE 'role % has no such permission on %', role, relation;
    END IF;
    IF cardinality(unused) > 0 THEN
        EXECUTE format('REVOKE %s ON %s FROM %s', array_to_string(unused, ', '), relation, role);
    END IF;
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION toms.forbid(regrole, regclass, text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.forbid(regrole, regclass, text[], text[]) TO toms_admin;
COMMENT ON FUNCTION toms.forbid(regrole, regclass, text[], text[]) IS 'end permissions of a role on a table, at once; their history is kept';
