-- Access functions: bound to a purpose by their label.

CREATE FUNCTION toms.function_definition(function regprocedure) RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_function_definition';
REVOKE ALL ON FUNCTION toms.function_definition(regprocedure) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.function_definition(regprocedure) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.function_definition(regprocedure) IS 'internal: digest of body, language, settings and owner of a function';

CREATE VIEW toms.access_functions AS
    SELECT l.objoid::pg_catalog.regprocedure AS function, parts.purpose,
           parts.definition IS NOT DISTINCT FROM toms.function_definition(l.objoid::pg_catalog.regprocedure) AS intact,
           f.prosecdef AS security_definer, pg_catalog.pg_get_userbyid(f.proowner) AS owner
    FROM pg_catalog.pg_seclabel l JOIN pg_catalog.pg_proc f ON f.oid = l.objoid,
         LATERAL (SELECT pg_catalog.split_part(pg_catalog.split_part(l.label, ',definition=', 1), 'purpose=', 2) AS purpose,
                         pg_catalog.split_part(l.label, ',definition=', 2) AS definition) parts
    WHERE l.provider = 'toms' AND l.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass;
COMMENT ON VIEW toms.access_functions IS 'functions that are bound to a purpose, and whether they are as they were then';
GRANT SELECT ON toms.access_functions TO toms_admin, toms_auditor;

-- The caller must not choose what a function finds by a name, or bring code in what he passes.
CREATE FUNCTION toms.check_signature(function regprocedure)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p pg_proc;
    chosen regtype;
BEGIN
    SELECT * INTO p FROM pg_proc WHERE oid = function;
    IF p.provolatile = 'i' THEN
        RAISE EXCEPTION '% is declared IMMUTABLE', function USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'Its result would stay in plans that others run.', HINT = format('ALTER ROUTINE %s STABLE;', function);
    END IF;
    IF p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) THEN
        RAISE EXCEPTION '% is a trigger''s function', function USING ERRCODE = 'wrong_object_type',
            DETAIL = 'Whoever may make a table or view could have it run there.', HINT = 'Let it call an access function.';
    END IF;
    SELECT t.oid INTO chosen FROM pg_type t
    WHERE t.oid = ANY (p.proargtypes::oid[] || coalesce(p.proallargtypes, ARRAY[p.prorettype])) AND (t.typtype = 'p' AND t.typname <> 'void'
          AND NOT (t.typname = 'record' AND t.oid = p.prorettype AND p.proallargtypes IS NOT NULL)
          OR t.oid = 'refcursor'::regtype AND t.oid = ANY (p.proargtypes::oid[]))
    ORDER BY t.oid LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% takes or returns %, of which the caller chooses what it is', function, chosen USING ERRCODE = 'wrong_object_type',
            HINT = 'Use types with a name: RETURNS TABLE (…), OUT parameters.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_signature(regprocedure) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_signature(regprocedure) IS 'internal: whether callers of a function could bring code of their own';

CREATE FUNCTION toms.check_bindable(function regprocedure)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p pg_proc;
    path text[];
    open name;
BEGIN
    SELECT * INTO p FROM pg_proc WHERE oid = function;
    IF p.oid < 16384 THEN
        RAISE EXCEPTION '% is PostgreSQL''s own', function USING ERRCODE = 'wrong_object_type',
            HINT = 'Write an access function around it.';
    END IF;
    IF p.prokind NOT IN ('f', 'p') THEN
        RAISE EXCEPTION '% is an aggregate or window function', function USING ERRCODE = 'wrong_object_type';
    END IF;
    IF p.prosqlbody IS NOT NULL THEN
        RAISE EXCEPTION '% has a body of the SQL standard''s form', function USING ERRCODE = 'feature_not_supported',
            HINT = 'Write the body as a string constant: only that can be compared after a dump and restore.';
    END IF;
    -- a name in quotes may hold a comma, and so look like two
    SELECT string_to_array(substr(c, 13), ', ') INTO path FROM unnest(p.proconfig) c WHERE c LIKE 'search\_path=%' AND strpos(c, '"') = 0;
    SELECT s INTO open FROM unnest(path) s
    WHERE EXISTS (SELECT FROM pg_namespace n, LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
                  WHERE n.nspname = s AND a.privilege_type = 'CREATE' AND a.grantee <> p.proowner
                    AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.grantee AND r.rolsuper))
    LIMIT 1;
    IF path[cardinality(path)] IS DISTINCT FROM 'pg_temp' OR cardinality(array_positions(path, 'pg_temp')) <> 1 OR open IS NOT NULL THEN
        RAISE EXCEPTION '% has no search_path of its own that ends with pg_temp', function USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = CASE WHEN open IS NOT NULL THEN format('Others can put something into schema "%s".', open)
                          ELSE 'Its caller would choose the tables and functions that it uses for its purpose.' END,
            HINT = format('ALTER ROUTINE %s SET search_path = pg_catalog, pg_temp; and write names with their schemas.', function);
    END IF;
    PERFORM toms.check_signature(function);
END
$$;
REVOKE ALL ON FUNCTION toms.check_bindable(regprocedure) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_bindable(regprocedure) IS 'internal: whether a function can be an access function';

CREATE FUNCTION toms.bind_purpose(function regprocedure, purpose text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    registered toms.purpose;
BEGIN
    IF function IS NULL OR purpose IS NULL THEN
        RAISE EXCEPTION 'function and purpose must be named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_not_excluded(purpose);
    SELECT * INTO registered FROM toms.purpose p WHERE p.purpose = bind_purpose.purpose;
    IF registered.purpose IS NULL THEN
        RAISE EXCEPTION 'purpose "%" is not registered', purpose USING ERRCODE = 'undefined_object',
            HINT = format('SELECT toms.add_purpose(%L, description => ''…'', legal_basis => ''…'');', purpose);
    END IF;
    IF registered.aggregate THEN
        RAISE EXCEPTION 'purpose "%" answers statistics only', purpose USING ERRCODE = 'invalid_parameter_value',
            HINT = 'SELECT toms.add_statistic(…);';
    END IF;
    IF purpose ~ '[,"]' THEN
        RAISE EXCEPTION 'purpose "%" cannot stand in a label', purpose USING ERRCODE = 'invalid_name', HINT = 'Use a purpose without comma and quotation mark.';
    END IF;
    PERFORM toms.check_bindable(function);
    EXECUTE format('SECURITY LABEL FOR toms ON ROUTINE %s IS %L', function,
                   format('purpose=%s,definition=%s', purpose, toms.function_definition(function)));
    INSERT INTO toms.purpose_history (purpose, action, description) VALUES (bind_purpose.purpose, 'bind', function::text);
END
$$;
REVOKE ALL ON FUNCTION toms.bind_purpose(regprocedure, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.bind_purpose(regprocedure, text) TO toms_admin;
COMMENT ON FUNCTION toms.bind_purpose(regprocedure, text) IS 'make a function, as it is now, an access function: while it runs the purpose is in force, if the token holds it';

CREATE FUNCTION toms.unbind_purpose(function regprocedure)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bound text;
BEGIN
    SELECT a.purpose INTO bound FROM toms.access_functions a WHERE a.function = unbind_purpose.function;
    IF bound IS NULL THEN
        RAISE EXCEPTION '% is not bound to a purpose', function USING ERRCODE = 'undefined_object';
    END IF;
    EXECUTE format('SECURITY LABEL FOR toms ON ROUTINE %s IS NULL', function);
    INSERT INTO toms.purpose_history (purpose, action, description) VALUES (bound, 'unbind', function::text);
END
$$;
REVOKE ALL ON FUNCTION toms.unbind_purpose(regprocedure) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.unbind_purpose(regprocedure) TO toms_admin;
COMMENT ON FUNCTION toms.unbind_purpose(regprocedure) IS 'make a function an ordinary one again';
