-- The functions that "make bench-tenant" calls, in each schema of data: one of an application, and one
-- with settings of its own, as access functions have.
\set ON_ERROR_STOP on
\set QUIET on
DO $$
DECLARE
    s name;
BEGIN
    FOR s IN SELECT nspname FROM pg_namespace WHERE nspname IN ('hand', 'plain', 'toms_tenant') LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION %I.plus_one(bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS ''BEGIN RETURN $1 + 1; END''', s);
        EXECUTE format('CREATE OR REPLACE FUNCTION %I.access(bigint) RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS ''SELECT $1 + 1''', s);
    END LOOP;
END
$$;
