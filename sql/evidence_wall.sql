--
-- evidence_wall: whatever lets somebody past tenants, permissions or contexts is found by the check, named, and mended by
-- what it prints
--
-- Each protection is broken behind toms' back, as a superuser can.  The probe fails and names the table; its remedy
-- is run as it is printed; then the probe is content.
--
\set SHOW_CONTEXT never
SELECT current_user AS superuser \gset
\set objects 'wall'
\i test/evidence/sabotage.sql

CREATE ROLE regress_wall LOGIN;
CREATE SCHEMA wall AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA wall TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE wall.absence (tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL, hours integer, PRIMARY KEY (tenant, employee, day)) PARTITION BY RANGE (day);
CREATE TABLE wall.absence_2026 PARTITION OF wall.absence FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE wall.absence_2027 PARTITION OF wall.absence FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
CREATE TABLE wall.booking (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, at timestamptz);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('wall.absence', tenant => 'tenant', subject => 'employee');
SELECT toms.protect('wall.booking', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('regress_employee', 'wall.absence', '{select}', '{absence_management}', scope => 'own') > 0,
       toms.permit('regress_hr', 'wall.absence', '{select,insert,update}', '{absence_management}', scope => 'tenant') > 0,
       toms.permit('regress_hr', 'wall.booking', '{select}', '{absence_management}', scope => 'tenant') > 0;
SELECT toms.separate('wall.absence', 'wall.booking', unless => '{continued_pay,absence_management}');

--
-- As it should be: nothing is found; what was looked at is counted
--
SELECT p, regress.faults(p) FROM unnest('{tenants,permissions,context,separated_tables,scopes,default_closed,destructive}'::text[]) p;
SELECT count(*) FROM toms.run_probe('tenants') p WHERE p.phrase = 'wall_tried' AND p.args[3] = p.args[4];
-- in German too
SELECT toms.say('wall_tried', '{2,2,20,20}', 'de');

--
-- tenants: row security switched off, policies widened, on a partition too
--
SET allow_system_table_mods = on;
UPDATE pg_class SET relrowsecurity = false WHERE oid = 'wall.absence_2026'::regclass;
SELECT * FROM regress.faults('tenants');
SELECT * FROM regress.mend('tenants');
UPDATE pg_class SET relforcerowsecurity = false WHERE oid = 'wall.booking'::regclass;
SELECT p, regress.faults(p) FROM unnest('{tenants,permissions,context,scopes,default_closed,destructive}'::text[]) p;
SELECT * FROM regress.mend('tenants');
UPDATE pg_policy SET polqual = (SELECT polqual FROM pg_policy WHERE polrelid = 'wall.absence'::regclass AND polname = 'toms_update') WHERE polrelid = 'wall.booking'::regclass AND polname = 'toms_select';
RESET allow_system_table_mods;
DROP POLICY toms_select ON wall.absence;
SELECT * FROM regress.faults('tenants');
SELECT * FROM regress.mend('tenants');

-- views, functions, publications, keys and statistics that tell of other tenants
CREATE VIEW wall.superusers_view AS SELECT * FROM wall.absence;
CREATE MATERIALIZED VIEW wall.copied AS SELECT count(*) FROM wall.absence;
CREATE FUNCTION wall.definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM wall.booking';
SET client_min_messages = error;        -- its words differ from version to version
CREATE PUBLICATION regress_wall_publication FOR TABLE wall.booking;
SET client_min_messages = warning;
ALTER TABLE wall.booking ADD COLUMN badge text UNIQUE;
CREATE FUNCTION wall.hours_of(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1';
CREATE POLICY a_peeking ON wall.booking AS RESTRICTIVE USING (wall.hours_of(employee) > 0);
GRANT TRUNCATE ON wall.absence TO regress_wall;
GRANT SELECT ON wall.booking TO PUBLIC;
GRANT pg_read_all_data TO regress_wall;
SELECT * FROM regress.faults('tenants');
SELECT * FROM regress.mend('tenants');
ALTER TABLE wall.booking DROP COLUMN badge;
SELECT * FROM regress.faults('tenants');
DROP VIEW wall.superusers_view;

--
-- permissions: log-ins of the application to whom they mean nothing
--
CREATE ROLE regress_wall_member IN ROLE regress_hr;
GRANT regress_wall_member TO regress_wall;
ALTER ROLE regress_wall BYPASSRLS;
GRANT pg_read_all_data, pg_write_all_data TO regress_wall;
SELECT * FROM regress.faults('permissions');
SELECT * FROM regress.mend('permissions');
-- by way of another role, and past the tables
GRANT regress_migration, pg_execute_server_program TO regress_wall_member;
ALTER ROLE regress_wall REPLICATION;
SELECT * FROM regress.faults('permissions');
SELECT * FROM regress.mend('permissions');
REVOKE regress_wall_member FROM regress_wall;
-- all permissions are taken away: what then?
BEGIN;
UPDATE toms.permission SET valid_until = clock_timestamp();
SELECT p.status, toms.say(p.phrase, p.args, 'en') FROM toms.run_probe('permissions') p WHERE p.phrase = 'permissions_none';
ROLLBACK;

--
-- context: it may outlive the transaction, or be missing in silence, or nothing is refused
--
ALTER ROLE regress_wall SET toms.session_context = on;
ALTER ROLE regress_wall SET toms.on_missing_context = 'empty';
SELECT * FROM regress.faults('context');
SELECT * FROM regress.mend('context');
SET toms.on_missing_context = 'empty';
SELECT p.status, toms.say(p.phrase, p.args, 'en'), p.remedy FROM toms.run_probe('context') p WHERE p.phrase = 'context_empty';
RESET toms.on_missing_context;
SELECT toms.protect('wall.booking', tenant => 'tenant', subject => 'employee', mode => 'observe', reason => 'test');
SELECT p, regress.faults(p) FROM unnest('{context,tenants,permissions,scopes,default_closed,destructive,separated_tables}'::text[]) p;
SELECT * FROM regress.mend('context');

--
-- separated_tables: one direction is gone, or both
--
DELETE FROM toms.separation WHERE relation = 'wall.absence'::regclass;
SELECT * FROM regress.faults('separated_tables');
SELECT * FROM regress.mend('separated_tables');
DELETE FROM toms.separation WHERE 'wall.absence'::regclass IN (relation, other);
SELECT * FROM regress.faults('separated_tables');
SELECT * FROM regress.mend('separated_tables');
SELECT relation, other, unless FROM toms.separations WHERE relation = 'wall.absence'::regclass;
-- an officer may end it
SELECT toms.unseparate('wall.absence', 'wall.booking', reason => 'test');
SELECT * FROM regress.faults('separated_tables');

--
-- scopes: own rows alone, and all of the tenant for the same role
--
SELECT toms.permit('regress_employee', 'wall.absence', '{select}', '{absence_management}', scope => 'tenant') > 0;
SELECT * FROM regress.faults('scopes');
SELECT * FROM regress.mend('scopes');
SELECT p.scope, p.verbs FROM toms.permissions p WHERE p.in_force AND p.role = 'regress_employee'::regrole AND p.relation = 'wall.absence';

--
-- default_closed: tables to come are open to everybody
--
ALTER DEFAULT PRIVILEGES FOR ROLE regress_owner IN SCHEMA wall GRANT SELECT ON TABLES TO PUBLIC;
SELECT * FROM regress.faults('default_closed');
SELECT * FROM regress.mend('default_closed');

--
-- destructive: a privilege to truncate is held by somebody; that of the owner to drop is of no use to him
--
GRANT TRUNCATE ON wall.booking TO regress_wall;
SELECT * FROM regress.faults('destructive');
SELECT * FROM regress.mend('destructive');

--
-- Trying leaves nothing behind: no lock, no change, no refusal counted, no finding.  The trail says that a check has tried
--
SELECT toms.seal_audit() IS NOT NULL \g /dev/null
SELECT refusals FROM toms.status \gset
SELECT clock_timestamp() AS began \gset
BEGIN;
SELECT count(*) > 0 AS probed FROM toms.run_probe('tenants') p, toms.run_probe('default_closed') d;
SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('wall.absence'::regclass, 'wall.absence_2026'::regclass, 'wall.booking'::regclass);
COMMIT;
SELECT refusals = :refusals AS counts_no_refusal FROM toms.status;
SELECT DISTINCT kind, relation, details - 'times' - 'microseconds' - 'reason' AS details FROM toms.audit_trail(since => :'began') WHERE details ? 'probe' ORDER BY 3;
SELECT count(*) FROM toms.findings WHERE finding = 'many_refusals' AND at >= :'began';
-- with a context in force too, and an auditor may do it who has no other right
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_job;
SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management');
SET LOCAL SESSION AUTHORIZATION :superuser;
SELECT toms.try_access('wall.absence', 'select', 'regress_hr'::regrole), toms.try_access('wall.absence_2026', 'insert', 'regress_hr'::regrole),
       toms.try_access('wall.booking', 'truncate', 'regress_owner'::regrole), toms.try_access('wall.booking', 'ddl', 'regress_owner'::regrole),
       toms.try_access('wall.booking', 'select', current_user::regrole), toms.try_access('pg_class', 'select', 'regress_hr'::regrole);
SELECT tenant FROM toms.context();
ROLLBACK;
RESET toms.reason;
SELECT toms.grant_officer('regress_wall', 'auditor');
SET SESSION AUTHORIZATION regress_wall;
SELECT measure, status FROM toms.check() WHERE measure IN ('A-3.3', 'A-2.1', 'P-S.13') ORDER BY measure;
SELECT regress.verdict($$SELECT toms.try_access('wall.absence', 'select', 'regress_hr'::regrole)$$);
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
SELECT toms.revoke_officer('regress_wall', 'auditor');

DROP SCHEMA wall CASCADE;
DROP FUNCTION regress.mend(text), regress.faults(text);
DROP ROLE regress_wall, regress_wall_member;
