--
-- seal_blind_index: a sealed value is found by what does not tell it
--
-- Ciphertext cannot be compared.  toms.blind_index() gives the same bytes for the same value of the
-- same tenant and domain, and nobody without the tenant's key can make them.  It survives the
-- rotation of epochs, and whatever has few possible values is refused.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
CREATE SCHEMA hr;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
CREATE TABLE hr.person (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, diagnosis toms.sealed_text, diagnosis_index bytea);
CREATE INDEX diagnosis_idx ON hr.person (tenant, diagnosis_index);
CREATE TABLE hr.seen (what text, index bytea);
GRANT SELECT, INSERT, UPDATE ON hr.person TO regress_hr;
GRANT SELECT, INSERT ON hr.seen TO PUBLIC;
SELECT toms.protect('hr.person', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.permit('regress_hr', 'hr.person', '{select,insert,update}', '{absence_management}', 'tenant') > 0;
CREATE PROCEDURE regress.enter(tenant text) LANGUAGE sql AS $$
    SELECT toms.enter(tenant, '1', 'regress_hr', 'absence_management');
$$;

SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict($$SELECT toms.blind_index('flu', 'diagnosis')$$);                -- refused: no context

BEGIN;
CALL regress.enter('acme');
SELECT octet_length(toms.blind_index('flu', 'diagnosis'));
INSERT INTO hr.seen VALUES ('acme', toms.blind_index('flu', 'diagnosis'));
SELECT toms.blind_index('flu', 'diagnosis') = toms.blind_index('flu', 'diagnosis'), toms.blind_index('flu', 'diagnosis') = toms.blind_index('Flu', 'diagnosis');
SELECT toms.blind_index('flu', 'diagnosis') = toms.blind_index('flu', 'prognosis'), toms.blind_index('bc', 'a') = toms.blind_index('c', 'ab');
SELECT toms.blind_index(NULL::text, 'diagnosis');
SELECT regress.verdict($$SELECT toms.blind_index('flu', '')$$);
-- few values: refused by type
SELECT regress.verdict($$SELECT toms.blind_index(true, 'sick')$$);
SELECT regress.verdict($$SELECT toms.blind_index(current_date, 'certificate')$$);
SELECT regress.verdict($$SELECT toms.blind_index(7, 'days')$$);
SELECT regress.verdict($$SELECT toms.blind_index('true'::toms.health_flag, 'sick')$$);
-- to find rows by it
INSERT INTO hr.person SELECT n, 'acme', n, 'diagnosis ' || n % 10, toms.blind_index('diagnosis ' || n % 10, 'diagnosis') FROM generate_series(1, 100) n;
SELECT count(*), min(toms.reveal(diagnosis)), max(toms.reveal(diagnosis)) FROM hr.person WHERE diagnosis_index = toms.blind_index('diagnosis 7', 'diagnosis');
SET LOCAL enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM hr.person WHERE tenant = 'acme' AND diagnosis_index = toms.blind_index('diagnosis 7', 'diagnosis');
COMMIT;

-- another tenant's is another
BEGIN;
CALL regress.enter('globex');
INSERT INTO hr.seen VALUES ('globex', toms.blind_index('flu', 'diagnosis'));
SELECT count(DISTINCT index) FROM hr.seen;
COMMIT;
-- a tenant's key is made once, at the first use, also if that is taken back
RESET SESSION AUTHORIZATION;
SELECT tenant, subject = '', relation::oid, count(*) FROM toms.data_key WHERE relation = 0 GROUP BY 1, 2, 3 ORDER BY 1;
SELECT toms.add_tenant('stark', name => 'Stark');
SELECT toms.allow_enter(login => 'regress_job', tenants => '{acme,globex,stark}', roles => '{regress_employee,regress_hr}') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('stark');
SELECT octet_length(toms.blind_index('flu', 'diagnosis'));
ROLLBACK;
BEGIN TRANSACTION READ ONLY;
CALL regress.enter('stark');
SELECT regress.verdict($$SELECT toms.blind_index('flu', 'diagnosis')$$);
ROLLBACK;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM toms.data_key WHERE tenant = 'stark';

-- the epochs of keys come and go; it stays
SELECT toms.create_epoch('acme') IS NOT NULL;
\c -
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_job;
BEGIN TRANSACTION READ ONLY;
CALL regress.enter('acme');
SELECT s.what FROM hr.seen s WHERE s.index = toms.blind_index('flu', 'diagnosis');
COMMIT;
RESET SESSION AUTHORIZATION;
-- a tenant whose epochs are gone has none
SELECT toms.retire_epoch(e.id) FROM toms.key_epoch e WHERE e.tenant = 'stark';
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('stark');
SELECT regress.verdict($$SELECT toms.blind_index('flu', 'diagnosis')$$);
ROLLBACK;
RESET SESSION AUTHORIZATION;

SET client_min_messages = error;
DELETE FROM toms.data_key WHERE wrapped IS NOT NULL AND relation IN (SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'hr'::regnamespace);
SET toms.reason = 'end of the test';
DROP SCHEMA hr CASCADE;
SELECT toms.disallow_enter('regress_job');
SELECT toms.allow_enter('regress_job', '{acme,globex}', '{regress_employee,regress_hr}') > 0;
DELETE FROM toms.data_key WHERE relation = 0;
DELETE FROM toms.key_epoch WHERE tenant = 'stark';
DELETE FROM toms.tenant WHERE tenant = 'stark';
DROP PROCEDURE regress.enter;
