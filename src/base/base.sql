\echo Use "CREATE EXTENSION toms" to load this file. \quit

-- Whoever owned the schema before could put objects of his own into it.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) n.nspowner
               WHERE n.nspname OPERATOR(pg_catalog.=) 'toms' AND o.rolname OPERATOR(pg_catalog.<>) current_user) THEN
        RAISE EXCEPTION 'schema toms belongs to somebody else' USING ERRCODE = 'duplicate_schema',
            HINT = 'DROP SCHEMA toms; then CREATE EXTENSION toms again.';
    END IF;
END
$$;

-- Officers: three duties, kept apart.  Roles belong to the cluster and stay when the
-- extension is dropped.
DO $$
DECLARE
    duty text;
BEGIN
    FOREACH duty IN ARRAY '{toms_admin,toms_auditor,toms_operator}'::text[] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = duty) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', duty);
        ELSIF EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid OPERATOR(pg_catalog.=) duty::pg_catalog.regrole) THEN
            RAISE NOTICE 'role % has members already', duty
                USING HINT = 'Another database of this server may use toms; else: who gave them the duty?';
        END IF;
    END LOOP;
END
$$;

-- Owns the views through which rows without a tenant column find their parents'.  Nobody is a
-- member of it, and it cannot log in.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'toms_lookup') THEN
        CREATE ROLE toms_lookup NOLOGIN BYPASSRLS;
    END IF;
END
$$;

REVOKE ALL ON SCHEMA toms FROM PUBLIC;
-- Policies of protected tables call functions of this schema as whoever queries.
GRANT USAGE ON SCHEMA toms TO PUBLIC;

CREATE FUNCTION toms.refuse(code text, detail text, hint text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_sql_refuse';
REVOKE ALL ON FUNCTION toms.refuse(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.refuse(text, text, text) IS 'internal: refuse with a reason code, on record';

CREATE FUNCTION toms.require_clock() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_sql_clock_require';
REVOKE ALL ON FUNCTION toms.require_clock() FROM PUBLIC;
COMMENT ON FUNCTION toms.require_clock() IS 'internal: refuse to delete because of a period that is over, while the clock is not to be trusted';
