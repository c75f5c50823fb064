--
-- take down what sql/base.sql has set up: a server that ran these tests is as before
--
SELECT current_setting('data_directory') AS data \gset
\set remove 'rm -r ' :data '_toms_keyring ' :data '/toms_test_jwks.json'
COPY (SELECT WHERE false) TO PROGRAM :'remove';
ALTER SYSTEM RESET toms.keyring;
ALTER SYSTEM RESET toms.jwks_file;
SELECT pg_reload_conf();
DROP SCHEMA regress CASCADE;
-- nothing is protected any more, so the extension goes without CASCADE
SELECT relation FROM toms.protected_tables;
DROP EXTENSION toms;
SELECT count(*) FROM pg_seclabel WHERE provider = 'toms';
DROP ROLE regress_app, regress_job, regress_stranger, regress_officer, regress_migration, regress_owner, regress_hr, regress_employee;
