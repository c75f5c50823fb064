-- Permissions: permit() and forbid().

CREATE FUNCTION toms.is_audit_entry(relation regclass)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(relation = to_regclass('toms.audit_entry'), false);
$$;
REVOKE ALL ON FUNCTION toms.is_audit_entry(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.is_audit_entry(regclass) IS 'internal: whether a permission is for reading the audit trail';

CREATE FUNCTION toms.check_permit(relation regclass, verbs text[], purposes text[], scope text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_trail constant boolean := toms.is_audit_entry(relation);
    today record;
BEGIN
    SELECT * INTO today FROM toms.describe(relation);
    IF of_trail AND verbs IS DISTINCT FROM '{select}' THEN
        RAISE EXCEPTION 'the audit trail can be read, nothing else' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'verbs => ''{select}'': with scope => ''tenant'' toms.audit_trail() shows the tenant''s entries, with scope => ''own'' toms.subject_access_log() what concerns oneself.';
    END IF;
    IF today.root IS NULL AND NOT of_trail THEN
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
    IF scope = 'own' AND today.subject IS NULL AND NOT of_trail THEN
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
                            categories text[] DEFAULT NULL, require_mfa boolean DEFAULT false, valid_until timestamptz DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    permission bigint;
    lacking text[];
BEGIN
    IF role IS NULL OR relation IS NULL OR require_mfa IS NULL THEN
        RAISE EXCEPTION 'role, relation and require_mfa must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF cardinality(categories) = 0 OR EXISTS (SELECT FROM unnest(categories) u WHERE NOT EXISTS (SELECT FROM toms.category c WHERE c.category = u)) THEN
        RAISE EXCEPTION 'there is no such category' USING ERRCODE = 'undefined_object',
            HINT = 'SELECT * FROM toms.category; toms.add_category() adds one.';
    END IF;
    IF valid_until <= clock_timestamp() THEN
        RAISE EXCEPTION 'the permission would have ended already' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM toms.check_permit(relation, verbs, purposes, scope);
    PERFORM toms.check_not_excluded(u) FROM unnest(purposes) u;
    LOCK TABLE toms.permission IN SHARE ROW EXCLUSIVE MODE;
    -- the trail is read by a function: nobody has a privilege on its tables
    lacking := CASE WHEN toms.is_audit_entry(relation) THEN '{}' ELSE toms.grant_verbs(role, relation, verbs) END;
    SELECT p.id INTO permission FROM toms.permission p
    WHERE p.role = permit.role AND p.relation = permit.relation AND p.verbs @> permit.verbs AND p.verbs <@ permit.verbs
      AND p.purposes @> permit.purposes AND p.purposes <@ permit.purposes AND p.scope = permit.scope
      AND (p.categories IS NULL AND permit.categories IS NULL OR p.categories @> permit.categories AND p.categories <@ permit.categories)
      AND p.require_mfa = permit.require_mfa AND p.valid_until IS NOT DISTINCT FROM permit.valid_until
      AND (p.valid_until IS NULL OR p.valid_until > clock_timestamp());
    IF FOUND THEN
        UPDATE toms.permission p SET granted = p.granted || lacking WHERE p.id = permission AND cardinality(lacking) > 0;
        RETURN permission;
    END IF;
    INSERT INTO toms.permission (role, relation, verbs, purposes, scope, require_mfa, valid_from, valid_until,
                                 categories, relation_name, granted, permitted_by)
    VALUES (permit.role, permit.relation, permit.verbs, permit.purposes, permit.scope, permit.require_mfa, clock_timestamp(),
            permit.valid_until, permit.categories, permit.relation::text, lacking, session_user)
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
REVOKE ALL ON FUNCTION toms.permit(regrole, regclass, text[], text[], text, text[], boolean, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.permit(regrole, regclass, text[], text[], text, text[], boolean, timestamptz) TO toms_admin;
COMMENT ON FUNCTION toms.permit(regrole, regclass, text[], text[], text, text[], boolean, timestamptz) IS 'permit a role verbs on a protected table for purposes, on its own rows or the tenant''s; grants what is needed';

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
                                     categories, relation_name, granted, permitted_by)
        SELECT ended.role, ended.relation, rest.verbs, rest.purposes, ended.scope, ended.require_mfa, ends_at, ended.valid_until,
               ended.categories, ended.relation_name, '{}', ended.permitted_by
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
