--
-- base: install the extension, and set the stage for all tests after this one
--
-- The tests act as log-ins of an application, never as superuser: superusers bypass row
-- security.  Roles are named regress_…, as PostgreSQL's own tests do.
--
SET client_min_messages = warning;
CREATE EXTENSION toms;
RESET client_min_messages;

-- the roles of an application: what tokens name, and who logs in
CREATE ROLE regress_employee;
CREATE ROLE regress_hr;
CREATE ROLE regress_owner;                                              -- owns the tables
CREATE ROLE regress_app LOGIN IN ROLE regress_employee, regress_hr;     -- serves requests
CREATE ROLE regress_job LOGIN IN ROLE regress_employee, regress_hr;     -- runs jobs
CREATE ROLE regress_stranger LOGIN;
CREATE ROLE regress_officer LOGIN;
CREATE ROLE regress_migration LOGIN BYPASSRLS;

-- a keyring beside the data directory, as toms.keyring demands, and the public key that
-- tokens of test/mint.sh are verified with
SELECT current_setting('data_directory') AS data \gset
\set keyring :data '_toms_keyring'
\set jwks_file :data '/toms_test_jwks.json'
\set make_keyring 'mkdir -p -m 700 ' :keyring
COPY (SELECT WHERE false) TO PROGRAM :'make_keyring';
\set jwks `cat $(test/mint.sh --jwks) | tr '\n' ' '`
COPY (SELECT :'jwks') TO :'jwks_file';
ALTER SYSTEM SET toms.keyring = :'keyring';
ALTER SYSTEM SET toms.jwks_file = :'jwks_file';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT jwks_keys, jwks_problem, keyring_configured FROM toms.status;

-- two controllers, and a job that may act for both
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
SELECT toms.add_tenant('globex', name => 'Globex AG');
SELECT toms.allow_enter(login => 'regress_job', tenants => '{acme,globex}', roles => '{regress_employee,regress_hr}');
SELECT toms.grant_officer('regress_officer', 'admin');

-- verdict(statement) runs a statement and tells what came of it: a number of rows, or the
-- reason code of the refusal
CREATE SCHEMA regress;
GRANT USAGE ON SCHEMA regress TO PUBLIC;
CREATE FUNCTION regress.verdict(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
    code text;
    state text;
    message text;
BEGIN
    EXECUTE statement;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n || CASE n WHEN 1 THEN ' row' ELSE ' rows' END;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    RETURN 'refused: ' || coalesce(nullif(code, ''), message) || ' (' || state || ')';
END
$$;
