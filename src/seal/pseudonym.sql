-- Pseudonyms: what a data subject is called where nobody needs to know who it is.

CREATE FUNCTION toms.pseudonym(value text, domain text) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_pseudonym';
COMMENT ON FUNCTION toms.pseudonym(text, text) IS 'another name for a value of the context''s tenant: the same for the same value and domain, in each domain another one';

CREATE FUNCTION toms.pseudonym_in(tenant text, value text, domain text) RETURNS text
    LANGUAGE c STABLE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_pseudonym_in';
REVOKE ALL ON FUNCTION toms.pseudonym_in(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.pseudonym_in(text, text, text) IS 'internal: a pseudonym of any tenant';

CREATE FUNCTION toms.check_resolvable(pseudonym text, domain text, relation regclass)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
BEGIN
    SELECT * INTO today FROM toms.describe(relation);
    IF today.root IS DISTINCT FROM relation OR today.tenant IS NULL OR today.subject IS NULL THEN
        RAISE EXCEPTION '% is no protected table with a tenant and a data subject of its own', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Name a table in which the person has a row: SELECT * FROM toms.protected_tables;';
    END IF;
    IF pseudonym IS NULL OR domain IS NULL OR pseudonym !~ '^[0-9a-f]{32}$' THEN
        RAISE EXCEPTION 'this is no pseudonym' USING ERRCODE = 'invalid_parameter_value', HINT = 'toms.pseudonym() gives 32 hexadecimal digits, in a domain.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_resolvable(text, text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_resolvable(text, text, regclass) IS 'internal: whether a pseudonym can be looked for in a table';

CREATE FUNCTION toms.resolve_pseudonym(pseudonym text, domain text, tenant text, relation regclass, instruction bigint)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_subject text;
    today record;
BEGIN
    PERFORM toms.check_resolvable(pseudonym, domain, relation);
    -- one that names a subject names the pseudonym
    PERFORM toms.carry_out_instruction(instruction, tenant, 'resolve_pseudonym',
                                       (SELECT resolve_pseudonym.pseudonym FROM toms.instruction i WHERE i.id = instruction AND i.subject IS NOT NULL));
    SELECT * INTO today FROM toms.describe(relation);
    found_subject := toms.ask_all_rows(format(
        'SELECT s.subject FROM (SELECT DISTINCT t.%I::text AS subject FROM %s t WHERE t.%I::text = %L AND t.%I::text <> '''') s WHERE toms.pseudonym_in(%L, s.subject, %L) = %L LIMIT 1',
        today.subject, relation, today.tenant, tenant, today.subject, tenant, domain, pseudonym));
    RAISE LOG 'toms pseudonym resolved: tenant=% domain=% table=% found=% instruction=% login=%', tenant, domain, relation, found_subject IS NOT NULL, instruction, session_user;
    RETURN found_subject;
END
$$;
REVOKE ALL ON FUNCTION toms.resolve_pseudonym(text, text, text, regclass, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.resolve_pseudonym(text, text, text, regclass, bigint) TO toms_admin;
COMMENT ON FUNCTION toms.resolve_pseudonym(text, text, text, regclass, bigint) IS 'whose pseudonym it is, of the data subjects of a protected table; by a confirmed instruction of kind resolve_pseudonym; NULL: nobody''s';
