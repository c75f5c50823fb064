-- The context: who is asking, and how jobs say so.

CREATE FUNCTION toms.context(OUT tenant text, OUT subject text, OUT actor text, OUT role text,
                             OUT purposes text[], OUT purpose text, OUT expires_at timestamptz)
RETURNS SETOF record LANGUAGE c STABLE PARALLEL SAFE ROWS 1 AS 'MODULE_PATHNAME', 'toms_context';
COMMENT ON FUNCTION toms.context() IS 'the context in force; no row without one';

CREATE FUNCTION toms.current_tenant() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_current_tenant';
COMMENT ON FUNCTION toms.current_tenant() IS 'tenant of the context in force, or NULL';

CREATE FUNCTION toms.current_subject() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_current_subject';
COMMENT ON FUNCTION toms.current_subject() IS 'data-subject id of the actor of the context in force, or NULL';

CREATE FUNCTION toms.current_actor() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_current_actor';
COMMENT ON FUNCTION toms.current_actor() IS 'who acts in the context in force, or NULL';

CREATE FUNCTION toms.current_purpose() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_current_purpose';
COMMENT ON FUNCTION toms.current_purpose() IS 'purpose in force, or NULL';

CREATE FUNCTION toms.leave() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_leave';
COMMENT ON FUNCTION toms.leave() IS 'end the context now';

CREATE FUNCTION toms.jwks_state(OUT keys integer, OUT loaded_at timestamptz, OUT problem text)
    LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_jwks_state';
REVOKE ALL ON FUNCTION toms.jwks_state() FROM PUBLIC;
COMMENT ON FUNCTION toms.jwks_state() IS 'internal: the key set tokens are verified with';

CREATE FUNCTION toms.passes_unencrypted(address text) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_passes_unencrypted';
REVOKE ALL ON FUNCTION toms.passes_unencrypted(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.passes_unencrypted(text) IS 'internal: whether a token is accepted over an unencrypted connection from an address of IPv4';

-- jobs ------------------------------------------------------------------------------

CREATE TABLE toms.enter_permission (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login      regrole NOT NULL,
    tenants    text[] NOT NULL,
    roles      text[] NOT NULL,
    allowed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    allowed_by text NOT NULL,
    ended_at   timestamptz,
    ended_by   text
);
SELECT pg_catalog.pg_extension_config_dump('toms.enter_permission', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = login)');
SELECT pg_catalog.pg_extension_config_dump('toms.enter_permission_id_seq', '');
COMMENT ON TABLE toms.enter_permission IS 'log-ins that may call toms.enter(), for which tenants and roles';
GRANT SELECT ON toms.enter_permission TO toms_admin, toms_auditor;

CREATE FUNCTION toms.mint_context(tenant text, subject text, role text, purpose text, actor text, seconds bigint, is_local boolean)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_mint_context';
REVOKE ALL ON FUNCTION toms.mint_context(text, text, text, text, text, bigint, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.mint_context(text, text, text, text, text, bigint, boolean) IS 'internal: make and set a token with the keyring''s key';

CREATE FUNCTION toms.create_enter_key() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_create_enter_key';
REVOKE ALL ON FUNCTION toms.create_enter_key() FROM PUBLIC;
COMMENT ON FUNCTION toms.create_enter_key() IS 'internal: make the keyring''s key for toms.enter() if there is none';

CREATE FUNCTION toms.enter(tenant text, subject text, role text, purpose text, actor text DEFAULT NULL,
                           valid_for interval DEFAULT '5 minutes', is_local boolean DEFAULT true)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tenant IS NULL OR subject IS NULL OR role IS NULL OR purpose IS NULL OR valid_for IS NULL OR is_local IS NULL THEN
        RAISE EXCEPTION 'tenant, subject, role, purpose, valid_for and is_local must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF NOT EXISTS (SELECT FROM toms.enter_permission e
                   WHERE e.login = (SELECT oid FROM pg_roles WHERE rolname = session_user)
                     AND e.ended_at IS NULL AND enter.tenant = ANY (e.tenants) AND enter.role = ANY (e.roles)) THEN
        PERFORM toms.refuse('toms_enter_not_allowed', format('Log-in "%s" may not enter tenant "%s" as "%s".', session_user, tenant, role),
                            format('SELECT toms.allow_enter(login => %L, tenants => %L, roles => %L);', session_user, ARRAY[tenant], ARRAY[role]));
    END IF;
    PERFORM toms.check_not_excluded(purpose);
    PERFORM toms.mint_context(tenant, subject, role, purpose, actor, ceil(extract(epoch FROM valid_for))::bigint, is_local);
END
$$;
REVOKE ALL ON FUNCTION toms.enter(text, text, text, text, text, interval, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.enter(text, text, text, text, text, interval, boolean) IS 'set a context without a token issuer; for jobs, never for the log-in that runs requests';

CREATE FUNCTION toms.allow_enter(login regrole, tenants text[], roles text[])
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    allowed bigint;
BEGIN
    IF login IS NULL OR tenants IS NULL OR roles IS NULL OR cardinality(tenants) = 0 OR cardinality(roles) = 0 THEN
        RAISE EXCEPTION 'login, tenants and roles must be named' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM toms.create_enter_key();
    EXECUTE format('GRANT EXECUTE ON FUNCTION toms.enter(text, text, text, text, text, interval, boolean) TO %s', login);
    INSERT INTO toms.enter_permission (login, tenants, roles, allowed_by)
    VALUES (allow_enter.login, allow_enter.tenants, allow_enter.roles, session_user)
    RETURNING id INTO allowed;
    RAISE NOTICE '% can now act as any subject of these tenants in these roles', login
        USING HINT = 'Allow it to the log-in of a job, never to the one that runs an application''s requests.';
    RETURN allowed;
END
$$;
REVOKE ALL ON FUNCTION toms.allow_enter(regrole, text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.allow_enter(regrole, text[], text[]) TO toms_admin;
COMMENT ON FUNCTION toms.allow_enter(regrole, text[], text[]) IS 'let a job''s log-in call toms.enter() for these tenants and roles';

CREATE FUNCTION toms.disallow_enter(login regrole)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE toms.enter_permission e SET ended_at = clock_timestamp(), ended_by = session_user
    WHERE e.login = disallow_enter.login AND e.ended_at IS NULL;
    EXECUTE format('REVOKE EXECUTE ON FUNCTION toms.enter(text, text, text, text, text, interval, boolean) FROM %s', login);
END
$$;
REVOKE ALL ON FUNCTION toms.disallow_enter(regrole) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.disallow_enter(regrole) TO toms_admin;
COMMENT ON FUNCTION toms.disallow_enter(regrole) IS 'end all permissions of a log-in to call toms.enter()';
