--
-- seal_pseudonym: a data subject has another name in each domain
--
-- The same value of the same tenant and domain gives the same pseudonym, which nobody without the
-- tenant's key can make.  No list is kept: an officer finds a person by a confirmed instruction,
-- among the data subjects of a table.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
CREATE SCHEMA hr;
CREATE TABLE hr.person (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL);
CREATE TABLE hr.department (id integer PRIMARY KEY, tenant text NOT NULL);
CREATE TABLE hr.plain (employee integer);
CREATE TABLE hr.seen (what text, pseudonym text);
INSERT INTO hr.person SELECT n, CASE WHEN n <= 20 THEN 'acme' ELSE 'globex' END, n % 20 FROM generate_series(1, 40) n;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
GRANT SELECT, INSERT ON hr.seen TO PUBLIC;
SELECT toms.protect('hr.person', tenant => 'tenant', subject => 'employee', mode => 'enforce');
SELECT toms.protect('hr.department', tenant => 'tenant', mode => 'enforce');
CREATE PROCEDURE regress.enter(tenant text) LANGUAGE sql AS $$
    SELECT toms.enter(tenant, '1', 'regress_hr', 'absence_management');
$$;

SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict($$SELECT toms.pseudonym('17', domain => 'payroll_export')$$);                -- refused: no context
BEGIN;
CALL regress.enter('acme');
INSERT INTO hr.seen VALUES ('acme, payroll', toms.pseudonym('17', domain => 'payroll_export'));
SELECT toms.pseudonym('17', 'payroll_export') ~ '^[0-9a-f]{32}$', toms.pseudonym('17', 'payroll_export') = toms.pseudonym('17', 'payroll_export');
SELECT toms.pseudonym('17', 'payroll_export') = toms.pseudonym('17', 'payroll_import'), toms.pseudonym('17', 'payroll_export') = toms.pseudonym('7', 'payroll_export1');
SELECT toms.pseudonym(NULL, 'payroll_export'), toms.pseudonym('17', NULL);
SELECT regress.verdict($$SELECT toms.pseudonym('', 'payroll_export')$$), regress.verdict($$SELECT toms.pseudonym('17', '')$$);
-- no blind index is a pseudonym
SELECT encode(toms.blind_index('17', 'payroll_export'), 'hex') LIKE toms.pseudonym('17', 'payroll_export') || '%';
SELECT regress.verdict($$SELECT toms.pseudonym_in('globex', '17', 'payroll_export')$$);
SELECT regress.verdict($$SELECT toms.resolve_pseudonym(toms.pseudonym('17', 'payroll_export'), 'payroll_export', 'acme', 'hr.person', 1)$$);
COMMIT;
BEGIN;
CALL regress.enter('globex');
INSERT INTO hr.seen VALUES ('globex, payroll', toms.pseudonym('17', domain => 'payroll_export'));
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT count(DISTINCT pseudonym) FROM hr.seen;
-- it survives the rotation of keys
SELECT toms.create_epoch('acme') IS NOT NULL;
\c -
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_job;
BEGIN READ ONLY;
CALL regress.enter('acme');
SELECT what FROM hr.seen WHERE pseudonym = toms.pseudonym('17', 'payroll_export');
COMMIT;

-- whose it is: an officer, by an instruction that is confirmed
SELECT pseudonym AS payroll FROM hr.seen WHERE what = 'acme, payroll' \gset
SELECT pseudonym AS of_globex FROM hr.seen WHERE what = 'globex, payroll' \gset
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('acme', kind => 'resolve_pseudonym', given_by => 'ACME', wording => 'whose pay is wrong', subject => :'payroll') AS one \gset
SELECT toms.record_instruction('acme', kind => 'resolve_pseudonym', given_by => 'ACME', wording => 'all of the audit', single_use => false) AS many \gset
CREATE FUNCTION pg_temp.resolve(pseudonym text, domain text, tenant text, relation regclass, instruction bigint) RETURNS text LANGUAGE sql AS $$
    SELECT replace(regress.verdict(format('SELECT toms.resolve_pseudonym(%L, %L, %L, %L, %L)', $1, $2, $3, $4, $5)), 'instruction ' || $5, 'instruction …');
$$;
SELECT pg_temp.resolve(:'payroll', 'payroll_export', 'acme', 'hr.person', :one);
SELECT toms.confirm_instruction(:one), toms.confirm_instruction(:many);
SELECT pg_temp.resolve(:'of_globex', 'payroll_export', 'acme', 'hr.person', :one);      -- it names another pseudonym
SELECT pg_temp.resolve(:'payroll', 'payroll_export', 'globex', 'hr.person', :one);      -- and another tenant
SELECT pg_temp.resolve('17', 'payroll_export', 'acme', 'hr.person', :many);
SELECT pg_temp.resolve(:'payroll', 'payroll_export', 'acme', 'hr.department', :many);   -- has no data subject
SELECT pg_temp.resolve(:'payroll', 'payroll_export', 'acme', 'hr.plain', :many);
SELECT toms.resolve_pseudonym(:'payroll', 'payroll_export', 'acme', 'hr.person', :one);
SELECT pg_temp.resolve(:'payroll', 'payroll_export', 'acme', 'hr.person', :one);        -- used up
SELECT toms.resolve_pseudonym(:'payroll', 'payroll_export', 'acme', 'hr.person', :many), toms.resolve_pseudonym(:'payroll', 'survey', 'acme', 'hr.person', :many),
       toms.resolve_pseudonym(:'of_globex', 'payroll_export', 'acme', 'hr.person', :many);
SELECT state, count(*) FROM toms.instruction_event WHERE instruction IN (:one, :many) GROUP BY state ORDER BY state;
RESET SESSION AUTHORIZATION;

SET client_min_messages = error;
SET toms.reason = 'end of the test';
DROP SCHEMA hr CASCADE;
DROP PROCEDURE regress.enter;
DELETE FROM toms.data_key WHERE relation = 0;
