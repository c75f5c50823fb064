--
-- policy_partition_cost: what a partition costs does not grow with the number of its siblings, nor with that of the
-- database's tables
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE SCHEMA pay AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA pay TO regress_officer;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE pay.payslip (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL) PARTITION BY LIST (tenant_id);
CREATE TABLE pay.payslip_acme PARTITION OF pay.payslip FOR VALUES IN ('acme');
CREATE TABLE pay.payslip_rest PARTITION OF pay.payslip DEFAULT;

--
-- Neither protection nor DDL reads all types or columns of the database
--
RESET SESSION AUTHORIZATION;
CREATE FUNCTION regress.read_of_all() RETURNS bigint LANGUAGE sql AS $$
    SELECT sum(pg_stat_get_xact_tuples_returned(c)) FROM unnest('{pg_type,pg_attribute}'::regclass[]) c
$$;
SET SESSION AUTHORIZATION regress_officer;
BEGIN;
SELECT toms.protect('pay.payslip', tenant => 'tenant_id', subject => 'employee_id');
SELECT regress.read_of_all();                                                                          -- 0
COMMIT;
RESET SESSION AUTHORIZATION;
BEGIN;
SET LOCAL toms.reason = 'migration';
CREATE TABLE pay.payslip_globex PARTITION OF pay.payslip FOR VALUES IN ('globex');
ALTER TABLE pay.payslip DETACH PARTITION pay.payslip_globex;
ALTER TABLE pay.payslip ATTACH PARTITION pay.payslip_globex FOR VALUES IN ('globex');
DROP TABLE pay.payslip_globex;
SELECT regress.read_of_all();                                                                          -- 0
COMMIT;

--
-- Others write to its siblings while one is made: only its parent is locked, and by PostgreSQL the default partition
--
SET SESSION AUTHORIZATION regress_owner;
BEGIN;
CREATE TABLE pay.payslip_globex PARTITION OF pay.payslip FOR VALUES IN ('globex');
SELECT DISTINCT c.oid::regclass FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.mode NOT IN ('AccessShareLock', 'RowShareLock') AND c.relnamespace = 'pay'::regnamespace AND c.relname <> 'payslip_globex' ORDER BY 1;
ROLLBACK;
RESET SESSION AUTHORIZATION;

SELECT toms.unprotect('pay.payslip', reason => 'end of test');
DROP FUNCTION regress.read_of_all();
SET client_min_messages = warning;
DROP SCHEMA pay CASCADE;
