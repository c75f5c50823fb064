-- Separation: tables that no statement brings together, but for purposes that need both.

CREATE VIEW toms.separations AS
    SELECT a.relation, a.other, a.unless FROM toms.separation a JOIN toms.separation b ON b.relation = a.other AND b.other = a.relation AND a.id < b.id;
COMMENT ON VIEW toms.separations IS 'pairs of tables that are kept separate, and the purposes that may bring them together';
GRANT SELECT ON toms.separations TO toms_admin, toms_auditor;

CREATE FUNCTION toms.check_separable(relation regclass)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    root regclass := (toms.describe(relation)).root;
BEGIN
    IF root IS NULL THEN
        RAISE EXCEPTION 'table % is not protected', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', relation);
    END IF;
    IF root <> relation THEN
        RAISE EXCEPTION 'what is declared for % is what is declared for %', relation, root USING ERRCODE = 'wrong_object_type';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_separable(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_separable(regclass) IS 'internal: whether a table can be kept separate from another one';

CREATE FUNCTION toms.separate(a regclass, b regclass, unless text[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF a IS NULL OR b IS NULL OR unless IS NULL OR array_position(unless, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'two tables must be named, and no purpose is NULL' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_separable(r) FROM unnest(ARRAY[a, b]) r;
    IF a = b THEN
        RAISE EXCEPTION 'table % cannot be kept separate from itself', a USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM toms.check_not_excluded(u) FROM unnest(unless) u;
    INSERT INTO toms.separation AS s (relation, other, unless)
    VALUES (a, b, separate.unless), (b, a, separate.unless)
    ON CONFLICT ON CONSTRAINT separation_relation_other_key DO UPDATE SET unless = excluded.unless;
    INSERT INTO toms.protection_history (relation_name, action, detail, by)
    SELECT pair.one::text, 'separate', format('from %s%s', pair.two, ' unless ' || nullif(array_to_string(separate.unless, ', '), '')), session_user
    FROM (VALUES (a, b), (b, a)) pair (one, two);
END
$$;
REVOKE ALL ON FUNCTION toms.separate(regclass, regclass, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.separate(regclass, regclass, text[]) TO toms_admin;
COMMENT ON FUNCTION toms.separate(regclass, regclass, text[]) IS 'refuse statements that reach both tables, unless they run for one of the purposes';

CREATE FUNCTION toms.unseparate(a regclass, b regclass, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'a reason must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    DELETE FROM toms.separation s WHERE (s.relation, s.other) IN ((a, b), (b, a));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'tables % and % are not kept separate', a, b USING ERRCODE = 'undefined_object',
            HINT = 'SELECT * FROM toms.separations;';
    END IF;
    INSERT INTO toms.protection_history (relation_name, action, detail, reason, by)
    SELECT pair.one::text, 'unseparate', format('from %s', pair.two), unseparate.reason, session_user FROM (VALUES (a, b), (b, a)) pair (one, two);
END
$$;
REVOKE ALL ON FUNCTION toms.unseparate(regclass, regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.unseparate(regclass, regclass, text) TO toms_admin;
COMMENT ON FUNCTION toms.unseparate(regclass, regclass, text) IS 'let two tables be used together again, with a reason on record';
