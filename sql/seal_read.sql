--
-- seal_read: whose values are opened is in the audit trail
--
-- Once for a data subject, table, transaction and who acts in it, whatever becomes of the transaction.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
CREATE SCHEMA hr;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
CREATE TABLE hr.sick_note (id integer, tenant text NOT NULL, employee integer NOT NULL, sick toms.health_flag, until toms.health_date, PRIMARY KEY (id, tenant));
CREATE TABLE hr.address (id integer, tenant text NOT NULL, employee integer NOT NULL, street toms.sealed_text);
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA hr TO regress_hr, regress_employee;
SELECT toms.protect('hr.sick_note', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.protect('hr.address', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('regress_hr', r, '{select,insert,update}', '{absence_management,care}', 'tenant') > 0 FROM unnest('{hr.sick_note,hr.address}'::regclass[]) r;
SELECT toms.permit('regress_employee', 'hr.sick_note', '{select}', '{absence_management}', 'own') > 0;
SELECT toms.create_plain_view('hr.sick_note', 'hr.plain_note') IS NOT NULL;
GRANT SELECT ON hr.plain_note TO regress_hr;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
INSERT INTO hr.sick_note SELECT i, 'acme', 17 + i % 3, 'true', '2026-05-01' FROM generate_series(0, 8) i;
INSERT INTO hr.address SELECT i, 'acme', 17 + i % 3, 'street' FROM generate_series(0, 8) i;
COMMIT;
RESET SESSION AUTHORIZATION;

-- what has been recorded since it was last asked; each line is a subject of a table, with how often
CREATE SEQUENCE hr.asked;
SELECT count(setval('hr.asked', toms.audit_number()));
CREATE FUNCTION hr.told() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    since constant bigint := (SELECT last_value FROM hr.asked);
BEGIN
    PERFORM setval('hr.asked', toms.audit_number());
    RETURN QUERY SELECT format('%s of %s: %s, by %s for %s', t.subject, t.relation, sum(t.times), t.actor, t.purpose) FROM toms.audit_trail(kind => 'reveal') t
                 WHERE t.id > since GROUP BY t.subject, t.relation, t.actor, t.purpose ORDER BY t.subject, t.relation, t.actor, t.purpose;
END
$$;
\set told 'RESET SESSION AUTHORIZATION; SELECT * FROM hr.told(); SET SESSION AUTHORIZATION regress_job;'

SET SESSION AUTHORIZATION regress_job;
-- all rows of a table, two columns of each: once for each data subject
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT count(toms.reveal(sick)), count(toms.reveal(until)) FROM hr.sick_note;
SELECT count(toms.reveal(sick)) FROM hr.sick_note;
SELECT count(toms.reveal(street)) FROM hr.address WHERE employee = 17;
COMMIT;
:told
-- it is durable before the value is there: nothing waits for this transaction, nor for the writer's delay
RESET SESSION AUTHORIZATION;
ALTER SYSTEM SET toms.audit_delay = '10s';
SELECT pg_reload_conf();
SELECT pg_sleep(0.3);
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT count(toms.reveal(sick)) FROM hr.sick_note;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM toms.audit_entry WHERE kind = 'r' AND verb = 'v' AND id > (SELECT last_value FROM hr.asked);
COMMIT;
ALTER SYSTEM RESET toms.audit_delay;
SELECT pg_reload_conf();
:told
-- the next transaction is another one
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT count(toms.reveal(sick)) FROM hr.sick_note WHERE employee = 17;
COMMIT;
:told
-- of what is not read nothing is told
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT count(sick), count(toms.is_erased(sick)) FROM hr.sick_note;
SELECT count(*) FROM hr.plain_note;
UPDATE hr.sick_note SET employee = 20 WHERE id = 8;                     -- what it is bound to changes; nobody sees it
COMMIT;
:told
-- rolled back, with an error, in a block that catches it, in a cursor that is left
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT count(toms.reveal(sick)) FROM hr.sick_note WHERE employee = 17;
ROLLBACK;
:told
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT count(toms.reveal(sick)), 1 / (count(*) - 3) FROM hr.sick_note WHERE employee = 18;
ROLLBACK;
:told
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
DO $$BEGIN PERFORM toms.reveal(sick) FROM hr.sick_note WHERE employee = 17; RAISE EXCEPTION 'no'; EXCEPTION WHEN OTHERS THEN NULL; END$$;
SAVEPOINT s;
SELECT count(toms.reveal(sick)) FROM hr.sick_note WHERE employee = 18;
ROLLBACK TO s;
SELECT count(toms.reveal(sick)) FROM hr.sick_note WHERE employee = 18;
DECLARE c CURSOR FOR SELECT toms.reveal(sick) FROM hr.sick_note WHERE employee = 20 OR employee = 19 ORDER BY employee;
FETCH 1 FROM c;
COMMIT;
:told
-- through a view, a function, and with the row named
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT count(sick) FROM hr.plain_note WHERE employee = 17;
SELECT count(toms.reveal(sick, 'hr.sick_note', '18')) FROM hr.sick_note WHERE employee = 18;
COMMIT;
:told
-- who acts otherwise is somebody else
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT count(toms.reveal(sick)) FROM hr.sick_note WHERE employee = 17;
SET LOCAL application_name = 'another';
SELECT count(toms.reveal(sick)) FROM hr.sick_note WHERE employee = 17;
SET LOCAL application_name = 'pg_regress/seal_read';
SELECT count(toms.reveal(sick)) FROM hr.sick_note WHERE employee = 17;
COMMIT;
:told
-- the person concerned, in scope own; what he is refused he has not seen
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT count(toms.reveal(sick)) FROM hr.sick_note;
COMMIT;
:told
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT sick::text AS armour FROM hr.sick_note WHERE id = 1 \gset
COMMIT;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT regress.verdict(format('SELECT toms.reveal(%L::toms.health_flag)', :'armour'));
COMMIT;
:told
-- with several keys it is one data subject still
RESET SESSION AUTHORIZATION;
SELECT id AS former FROM toms.data_key WHERE relation = 'hr.sick_note'::regclass AND subject = '17' \gset
UPDATE toms.data_key SET relation = 'hr.address'::regclass WHERE id = :former;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
INSERT INTO hr.sick_note VALUES (20, 'acme', 17, 'true');
COMMIT;
RESET SESSION AUTHORIZATION;
UPDATE toms.data_key SET relation = 'hr.sick_note'::regclass WHERE id = :former;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
SELECT count(toms.reveal(sick)) FROM hr.sick_note WHERE employee = 17;
COMMIT;
:told
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM toms.data_key WHERE relation = 'hr.sick_note'::regclass AND subject = '17';

-- workers add no events: what opens values runs in the leader
SELECT DISTINCT proparallel FROM pg_proc WHERE pronamespace = 'toms'::regnamespace AND prosrc IN ('toms_reveal', 'toms_reveal_in');

SET toms.reason = 'test';
DROP SCHEMA hr CASCADE;
