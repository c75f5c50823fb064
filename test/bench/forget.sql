-- Takes toms out of the database of "make bench-tenant", on a server that has not loaded it: kept data
-- may have been protected by another state of the library.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS toms CASCADE;          -- with the policies, which call its functions
SELECT format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY', objoid::regclass)
FROM pg_seclabel WHERE provider = 'toms' AND classoid = 'pg_class'::regclass AND objsubid = 0 \gexec
DELETE FROM pg_seclabel WHERE provider = 'toms';
