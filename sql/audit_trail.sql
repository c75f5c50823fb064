--
-- audit_trail: reading the trail
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
CREATE SCHEMA read;
GRANT USAGE ON SCHEMA read TO PUBLIC;
CREATE TABLE read.note (id integer, tenant text NOT NULL, employee integer NOT NULL, body text, sick toms.health_flag, PRIMARY KEY (id, tenant));
CREATE TABLE read.plan (tenant text NOT NULL, day date, shift text) PARTITION BY RANGE (day);
CREATE TABLE read.plan_2026 PARTITION OF read.plan FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
GRANT ALL ON ALL TABLES IN SCHEMA read TO regress_hr, regress_migration;
SELECT toms.protect('read.note', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.protect('read.plan', tenant => 'tenant');
SELECT toms.permit('regress_hr', r, '{select,insert,update,delete}', '{absence_management,intake}', 'tenant') > 0 FROM unnest('{read.note,read.plan}'::regclass[]) r;
SELECT clock_timestamp() AS start \gset

-- who changes what
SET SESSION AUTHORIZATION regress_job;
SET application_name = 'payroll';
BEGIN;
SELECT toms.enter('acme', 'anna', 'regress_hr', 'absence_management');
INSERT INTO read.note VALUES (1, 'acme', 917, 'a', true), (2, 'acme', 918, 'b', false), (3, 'acme', 917, 'c', NULL);
UPDATE read.note SET body = 'd', sick = false WHERE id = 1;
UPDATE read.note SET id = 20 WHERE id = 2;
COMMIT;
BEGIN;
SELECT toms.enter('acme', 'bert', 'regress_hr', 'intake');
DELETE FROM read.note WHERE id = 3;
INSERT INTO read.plan VALUES ('acme', '2026-05-01', 'early');
COMMIT;
SET application_name = 'psql';
BEGIN;
SELECT toms.enter('globex', 'anna', 'regress_hr', 'absence_management');
INSERT INTO read.note VALUES (4, 'globex', 917, 'e', true);
COMMIT;
BEGIN;
SELECT toms.enter('globex', 'anna', 'regress_hr', 'absence_management');
UPDATE read.note SET body = 'not kept' WHERE id = 4;
ROLLBACK;
SET SESSION AUTHORIZATION regress_migration;
SET toms.reason = 'ticket 4711';
UPDATE read.note SET body = 'f' WHERE id = 1;
TRUNCATE read.plan_2026;
RESET toms.reason;
RESET SESSION AUTHORIZATION;

-- everything that there is to an entry; ids and times ascend
SELECT tenant, actor, role, login, address, application, purpose, function, kind, relation, row_key, subject, columns, old_values, new_values, reason, erased
FROM toms.audit_trail(since => :'start') WHERE relation LIKE 'read.%' AND kind NOT IN ('ddl', 'admin_access');
SELECT count(*), count(DISTINCT id), count(DISTINCT transaction), bool_and(at >= before), bool_and(at BETWEEN :'start' AND now())
FROM (SELECT *, lag(at, 1, at) OVER () AS before FROM toms.audit_trail(since => :'start')) t WHERE relation LIKE 'read.%' AND kind NOT IN ('ddl', 'admin_access');

-- the block in which each was sealed
SELECT count(*), count(block) FROM toms.audit_trail(since => :'start') WHERE relation LIKE 'read.%' AND kind NOT IN ('ddl', 'admin_access');
SELECT count(toms.seal_audit());
BEGIN;
SET LOCAL toms.reason = 'in another block';
DELETE FROM read.plan;
SELECT count(*), count(block), count(DISTINCT block) FROM toms.audit_trail(since => :'start') WHERE relation LIKE 'read.%' AND kind NOT IN ('ddl', 'admin_access');
ROLLBACK;

-- filters, alone and together
PREPARE list AS SELECT count(*), string_agg(kind || ' ' || coalesce(row_key ->> 'id', '-'), ', ' ORDER BY id) FROM toms.audit_trail($1, $2, $3, $4, $5, $6, $7, $8) WHERE relation LIKE 'read.%' AND kind NOT IN ('ddl', 'admin_access');
EXECUTE list(:'start', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
EXECUTE list(NULL, :'start', NULL, NULL, NULL, NULL, NULL, NULL);                    -- before
EXECUTE list(NULL, NULL, 'read.note', NULL, NULL, NULL, NULL, NULL);                 -- relation
EXECUTE list(NULL, NULL, 'read.plan', NULL, NULL, NULL, NULL, NULL);
EXECUTE list(NULL, NULL, 'read.plan_2026', NULL, NULL, NULL, NULL, NULL);
EXECUTE list(NULL, NULL, 'pg_class', NULL, NULL, NULL, NULL, NULL);
EXECUTE list(:'start', NULL, NULL, '917', NULL, NULL, NULL, NULL);                    -- data subject, of every tenant
EXECUTE list(:'start', NULL, NULL, '917', 'acme', NULL, NULL, NULL);
EXECUTE list(:'start', NULL, NULL, '4', NULL, NULL, NULL, NULL);
EXECUTE list(:'start', NULL, NULL, NULL, 'globex', NULL, NULL, NULL);                -- tenant
EXECUTE list(:'start', NULL, NULL, NULL, 'initech', NULL, NULL, NULL);
EXECUTE list(:'start', NULL, NULL, NULL, NULL, 'anna', NULL, NULL);                  -- actor
EXECUTE list(:'start', NULL, NULL, NULL, 'acme', 'anna', NULL, NULL);
EXECUTE list(:'start', NULL, NULL, NULL, NULL, NULL, 'intake', NULL);                -- purpose
EXECUTE list(:'start', NULL, NULL, NULL, NULL, NULL, NULL, 'update');                -- kind
EXECUTE list(:'start', NULL, 'read.note', '917', 'acme', 'anna', 'absence_management', 'insert');
EXECUTE list(NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'destroy');
-- a table that is renamed is the same
ALTER TABLE read.note RENAME TO remark;
EXECUTE list(NULL, NULL, 'read.remark', NULL, NULL, NULL, NULL, NULL);
ALTER TABLE read.remark RENAME COLUMN body TO wording;
SELECT DISTINCT columns FROM toms.audit_trail(relation => 'read.remark', kind => 'update') ORDER BY 1;
ALTER TABLE read.remark RENAME TO note;

--
-- Who may
--
CREATE FUNCTION regress.reads(tenant text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text;
    rel text;
    found text;
BEGIN
    SELECT count(*) || ' of ' || coalesce(string_agg(DISTINCT t.tenant, ', '), 'nobody') INTO found FROM toms.audit_trail(tenant => $1) t WHERE t.relation LIKE 'read.%' AND t.kind NOT IN ('ddl', 'admin_access');
    RETURN found;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, rel = TABLE_NAME;
    RETURN 'refused: ' || code || ' (' || SQLSTATE || ') ' || rel;
END
$$;
SELECT regress.reads();                                     -- a superuser is an officer
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.reads(), regress.reads('acme');
SET SESSION AUTHORIZATION regress_stranger;
SELECT regress.reads();
SELECT count(*) FROM toms.audit_trail();
SELECT count(*) FROM toms.audit_entry;
SELECT toms.audit_payload(NULL);
SELECT toms.audit_reader();
SET SESSION AUTHORIZATION regress_job;
SELECT regress.reads();                                     -- no context
BEGIN; SELECT toms.enter('acme', 'anna', 'regress_hr', 'data_protection_control'); SELECT regress.reads(); COMMIT;     -- no permission
RESET SESSION AUTHORIZATION;
SELECT toms.load_purposes('audit');
SELECT purpose, granularity FROM toms.purposes WHERE purpose IN ('security_control', 'data_protection_control', 'subject_rights') ORDER BY 1;
SELECT toms.load_purposes('nothing');
SELECT toms.permit('regress_hr', 'toms.audit_entry', '{select,delete}', '{data_protection_control}', 'tenant');
SELECT toms.permit('regress_hr', 'toms.audit_change', '{select}', '{data_protection_control}', 'tenant');
SELECT toms.permit('regress_hr', 'toms.audit_entry', '{select}', '{data_protection_control,subject_rights}', 'tenant') > 0;
SELECT relation, verbs, purposes, scope, in_force FROM toms.permissions WHERE relation = 'toms.audit_entry' AND in_force;
SELECT has_table_privilege('regress_hr', 'toms.audit_entry', 'SELECT');
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', 'anna', 'regress_hr', 'data_protection_control'); SELECT regress.reads(), regress.reads('acme'), regress.reads('globex'); COMMIT;
BEGIN; SELECT toms.enter('globex', 'anna', 'regress_hr', 'subject_rights'); SELECT regress.reads(); SELECT count(*) FROM toms.audit_trail(subject => '917') WHERE relation = 'read.note'; COMMIT;
BEGIN; SELECT toms.enter('acme', 'anna', 'regress_hr', 'absence_management'); SELECT regress.reads(); SELECT count(*) FROM toms.audit_trail(); COMMIT;
BEGIN; SELECT toms.enter('acme', 'anna', 'regress_employee', 'data_protection_control'); SELECT regress.reads(); COMMIT;
SELECT regress.reads();                                     -- the context has ended
RESET SESSION AUTHORIZATION;
SELECT toms.permit('regress_employee', 'toms.audit_entry', '{select}', '{security_control}', 'tenant', require_mfa => true) > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', 'anna', 'regress_employee', 'security_control'); SELECT regress.reads(); COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.forbid('regress_hr', 'toms.audit_entry', purposes => '{subject_rights}'), toms.forbid('regress_employee', 'toms.audit_entry');
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', 'anna', 'regress_hr', 'subject_rights'); SELECT regress.reads(); COMMIT;
BEGIN; SELECT toms.enter('acme', 'anna', 'regress_hr', 'data_protection_control'); SELECT regress.reads(); COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.forbid('regress_hr', 'toms.audit_entry');

--
-- Erased: the entry stays, what it said and about whom, or who it was, is gone
--
SELECT toms.record_instruction('acme', 'erase', 'J. Doe', 'erase 917', subject => '917') AS i \gset
SELECT toms.confirm_instruction(:i);
SELECT toms.destroy_keys('acme', :i, subject => '917') > 0;
SELECT kind, actor, row_key, subject, columns, erased FROM toms.audit_trail(since => :'start', relation => 'read.note', kind => 'changes');
SELECT count(*) FROM toms.audit_trail(since => :'start', subject => '917', tenant => 'acme');
SELECT toms.record_instruction('acme', 'erase', 'J. Doe', 'erase anna', subject => 'anna') AS i \gset
SELECT toms.confirm_instruction(:i);
SELECT toms.destroy_keys('acme', :i, subject => 'anna') > 0;
SELECT kind, tenant, actor, login, purpose, row_key, subject, erased FROM toms.audit_trail(since => :'start', relation => 'read.note', kind => 'changes');

-- who acts is told as he was at each statement, though the transaction is the same
SET toms.reason = 'ticket 4712';
BEGIN;
SET ROLE regress_migration;
UPDATE read.note SET wording = 'g' WHERE id = 4;
SET application_name = 'another';
UPDATE read.note SET wording = 'h' WHERE id = 4;
RESET ROLE;
UPDATE read.note SET wording = 'i' WHERE id = 4;
COMMIT;
SET application_name = 'psql';
SELECT role = session_user AS superuser, login = session_user AS login, application, reason FROM toms.audit_trail(relation => 'read.note', tenant => 'globex') WHERE reason = 'ticket 4712';

SET toms.reason = 'test';
DROP SCHEMA read CASCADE;
DROP FUNCTION regress.reads(text);
DELETE FROM toms.erasure;
TRUNCATE toms.ledger;
