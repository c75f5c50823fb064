--
-- guard_verdict: what the owner of a table of health data may do to it, statement by statement
--
-- The application's owner role, no superuser, runs each statement; it is rolled back afterwards.
--
--   allowed  it works, and the protection is what it was
--   flagged  it works, and toms.explain_protection() names what it has made
--   refused  it fails, with the reason code and SQLSTATE that are shown
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format wrapped
\pset columns 200
SET client_min_messages = error;
CREATE ROLE regress_deputy LOGIN;
GRANT regress_deputy TO regress_owner;
CREATE SCHEMA ver AUTHORIZATION regress_owner;
CREATE SCHEMA ver_archive AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA ver, ver_archive TO PUBLIC;
GRANT CREATE ON SCHEMA ver TO regress_deputy;
SELECT current_database() AS database \gset
GRANT CREATE ON DATABASE :"database" TO regress_owner;
SELECT toms.add_code_catalogue('ver_kind', '{SICK,VACATION}') > 0 AS added;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE ver.absence (tenant text NOT NULL, id integer NOT NULL, employee integer NOT NULL, first_day date NOT NULL, days integer,
                          kind toms.health_code('ver_kind') NOT NULL, PRIMARY KEY (tenant, id));
CREATE TABLE ver.parted (tenant text NOT NULL, day date NOT NULL) PARTITION BY LIST (tenant);
CREATE TABLE ver.parted_acme PARTITION OF ver.parted FOR VALUES IN ('acme');
CREATE TABLE ver.parent (tenant text NOT NULL, day date NOT NULL);
CREATE TABLE ver.child () INHERITS (ver.parent);
CREATE TABLE ver.loose (tenant text NOT NULL, day date NOT NULL);
CREATE TABLE ver.loose_parted (tenant text NOT NULL, day date NOT NULL) PARTITION BY LIST (tenant);
CREATE TABLE ver.department (tenant text NOT NULL, head integer NOT NULL);
CREATE FUNCTION ver.leak(anyelement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0001 AS $$ BEGIN RAISE WARNING 'leaked'; RETURN true; END $$;
CREATE FUNCTION ver.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
RESET SESSION AUTHORIZATION;
SELECT toms.protect('ver.absence', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.protect(r, tenant => 'tenant', category => 'health') FROM unnest('{ver.parted,ver.parent}'::regclass[]) r;
SELECT toms.permit('regress_hr', 'ver.absence', '{select,insert,update,delete}', '{audit}', scope => 'tenant') > 0 AS permitted;
SET toms.reason = 'test';
INSERT INTO ver.absence VALUES ('acme', 1, 17, '2026-01-07', 3, 'SICK'), ('globex', 1, 4, '2026-01-08', 1, 'VACATION');
RESET toms.reason;

-- findings(statement): what explain_protection() names as a leak, of the protected tables that the statement is about
CREATE TABLE ver.watched AS SELECT c.oid::regclass AS relation, c.relname FROM pg_class c WHERE c.oid IN ('ver.absence'::regclass, 'ver.parted'::regclass, 'ver.parent'::regclass);
CREATE FUNCTION ver.findings(statement text) RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT format('%s %s', e.kind, e.object) FROM ver.watched w, toms.explain_protection(w.relation) e
    WHERE statement LIKE format('%%%s%%', w.relname) AND (e.kind LIKE 'leak: %' OR e.kind = 'free_text') AND e.kind <> 'leak: existence' $$;
CREATE TABLE ver.known AS SELECT f FROM ver.findings('absence parted parent') f;
GRANT SELECT ON ver.known TO PUBLIC;
-- judge(statement): runs it, looks, and takes it back
CREATE FUNCTION ver.judge(statement text, OUT verdict text, OUT reason text) LANGUAGE plpgsql AS $$
DECLARE
    code text;
    state text;
    message text;
BEGIN
    EXECUTE statement;
    reason := (SELECT string_agg(f, ', ' ORDER BY f COLLATE "C") FROM ver.findings(statement) f WHERE f NOT IN (SELECT k.f FROM ver.known k));
    verdict := CASE WHEN reason IS NULL THEN 'allowed' ELSE 'flagged' END;
    RAISE EXCEPTION USING ERRCODE = 'TT000';
EXCEPTION WHEN SQLSTATE 'TT000' THEN
    NULL;
WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    verdict := 'refused';
    message := replace(message, 'must be superuser or have privileges of the pg_write_server_files role', 'permission denied');    -- until 15
    message := replace(message, 'a FOR ALL TABLES or ALL SEQUENCES publication', 'FOR ALL TABLES publication');    -- from 19 on
    reason := format('%s (%s)', coalesce(nullif(code, ''), message), state);
END
$$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ver TO PUBLIC;

SET SESSION AUTHORIZATION regress_owner;
SELECT s AS statement, j.verdict, j.reason FROM unnest(ARRAY[
    -- the protection itself
    'ALTER TABLE ver.absence DISABLE ROW LEVEL SECURITY',
    'ALTER TABLE ver.absence NO FORCE ROW LEVEL SECURITY',
    'ALTER TABLE ver.absence ENABLE ROW LEVEL SECURITY',
    'DROP POLICY toms_select ON ver.absence',
    'DROP POLICY toms_select_only ON ver.absence',
    'ALTER POLICY toms_select ON ver.absence USING (true)',
    'ALTER POLICY toms_select ON ver.absence RENAME TO mine',
    'CREATE POLICY toms_more ON ver.absence USING (true)',
    'CREATE POLICY everything ON ver.absence USING (true)',
    'CREATE POLICY narrower ON ver.absence AS RESTRICTIVE USING (days < 9)',
    'CREATE POLICY "a peek" ON ver.absence AS RESTRICTIVE USING (ver.leak(tenant))',
    'DROP TRIGGER "~toms_seal" ON ver.absence',
    'ALTER TABLE ver.absence DISABLE TRIGGER "~toms_seal"',
    'ALTER TABLE ver.absence ENABLE TRIGGER "~toms_seal"',
    'ALTER TRIGGER "~toms_seal" ON ver.absence RENAME TO mine',
    'ALTER TABLE ver.absence DISABLE TRIGGER USER',
    'CREATE TRIGGER note BEFORE INSERT ON ver.absence FOR EACH ROW EXECUTE FUNCTION ver.note()',
    'CREATE TRIGGER "~zz" BEFORE INSERT ON ver.absence FOR EACH ROW EXECUTE FUNCTION ver.note()',
    'SECURITY LABEL FOR toms ON TABLE ver.absence IS NULL',
    'SECURITY LABEL FOR toms ON COLUMN ver.absence.tenant IS NULL',
    'SELECT toms.unprotect(''ver.absence'', reason => ''mine'')',
    'DROP EXTENSION toms CASCADE',
    -- the table as a whole
    'TRUNCATE ver.absence',
    'DROP TABLE ver.absence',
    'ALTER TABLE ver.absence OWNER TO regress_deputy',
    'ALTER TABLE ver.absence SET SCHEMA ver_archive',
    'ALTER TABLE ver.absence RENAME TO leave',
    'ALTER TABLE ver.absence SET TABLESPACE pg_default',
    'ALTER TABLE ver.absence SET UNLOGGED',
    'ALTER TABLE ver.absence SET (fillfactor = 90)',
    'ALTER TABLE ver.absence REPLICA IDENTITY FULL',
    'COMMENT ON TABLE ver.absence IS ''absences''',
    'LOCK TABLE ver.absence IN ACCESS EXCLUSIVE MODE',
    'CLUSTER ver.absence USING absence_pkey',
    'REINDEX TABLE ver.absence',
    'ANALYZE ver.absence',
    -- columns
    'ALTER TABLE ver.absence ADD COLUMN half boolean',
    'ALTER TABLE ver.absence ADD COLUMN diagnosis text',
    'ALTER TABLE ver.absence ADD COLUMN details jsonb DEFAULT ''{}''',
    'ALTER TABLE ver.absence ADD COLUMN remark toms.sealed_text',
    'ALTER TABLE ver.absence ADD COLUMN certificate bytea NOT NULL',
    'ALTER TABLE ver.absence ADD COLUMN cured toms.health_date',
    'ALTER TABLE ver.absence ADD COLUMN twice integer GENERATED ALWAYS AS (days * 2) STORED',
    'ALTER TABLE ver.absence ALTER COLUMN days TYPE bigint',
    'ALTER TABLE ver.absence ALTER COLUMN days SET DEFAULT 1',
    'ALTER TABLE ver.absence RENAME COLUMN employee TO person',
    'ALTER TABLE ver.absence DROP COLUMN employee',
    'ALTER TABLE ver.absence DROP COLUMN tenant CASCADE',
    'ALTER TABLE ver.absence DROP COLUMN days',
    -- partitions and children
    'ALTER TABLE ver.parted ATTACH PARTITION ver.loose FOR VALUES IN (''globex'')',
    'ALTER TABLE ver.loose_parted ATTACH PARTITION ver.parent FOR VALUES IN (''acme'')',
    'ALTER TABLE ver.parted DETACH PARTITION ver.parted_acme',
    'CREATE TABLE ver.parted_rest PARTITION OF ver.parted DEFAULT',
    'ALTER TABLE ver.loose INHERIT ver.parent',
    'ALTER TABLE ver.parent INHERIT ver.loose',
    'ALTER TABLE ver.child NO INHERIT ver.parent',
    'CREATE TABLE ver.heir (diagnosis text) INHERITS (ver.parent)',
    -- indexes, constraints, statistics
    'CREATE INDEX ON ver.absence (tenant, first_day)',
    'CREATE INDEX ON ver.absence ((days + 1))',
    'CREATE INDEX ON ver.absence (days) WHERE ver.leak(tenant)',
    'CREATE INDEX ON ver.absence ((toms.reveal(kind)))',
    'CREATE UNIQUE INDEX ON ver.absence (first_day)',
    'ALTER TABLE ver.absence ADD CHECK (days > 0)',
    'ALTER TABLE ver.absence ALTER COLUMN days SET NOT NULL',
    'ALTER TABLE ver.department ADD FOREIGN KEY (tenant, head) REFERENCES ver.absence',
    
    'CREATE STATISTICS ver.both ON tenant, days FROM ver.absence',
    'CREATE STATISTICS ver.peek ON (days + 1), tenant FROM ver.absence',
    -- what copies rows, or shows them to others
    'CREATE RULE copy AS ON INSERT TO ver.absence DO ALSO INSERT INTO ver.loose VALUES (NEW.tenant, NEW.first_day)',
    'CREATE RULE elsewhere AS ON INSERT TO ver.absence DO INSTEAD NOTHING',
    'CREATE RULE ring AS ON INSERT TO ver.loose DO ALSO INSERT INTO ver.department SELECT tenant, employee FROM ver.absence',
    'CREATE VIEW ver.days AS SELECT tenant, days FROM ver.absence',
    'CREATE VIEW ver.days WITH (security_invoker = true) AS SELECT tenant, days FROM ver.absence',
    'CREATE VIEW ver.days AS SELECT tenant, days FROM ver.absence; ALTER VIEW ver.days OWNER TO regress_deputy',
    'CREATE MATERIALIZED VIEW ver.copy AS SELECT tenant, days FROM ver.absence',
    'CREATE MATERIALIZED VIEW ver.copy AS SELECT tenant, days FROM ver.absence WITH NO DATA',
    'CREATE TABLE ver.copy AS SELECT tenant, days FROM ver.absence',
    'CREATE TABLE ver.copy (LIKE ver.absence)',
    'CREATE FUNCTION ver.count() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = ver AS ''SELECT count(*) FROM absence''',
    'CREATE TRIGGER spy AFTER UPDATE ON ver.absence FOR EACH ROW EXECUTE FUNCTION ver.note(); ALTER FUNCTION ver.note() OWNER TO regress_deputy',
    'CREATE PUBLICATION ver_rows FOR TABLE ver.absence',
    'CREATE PUBLICATION ver_all FOR ALL TABLES',
    'GRANT SELECT ON ver.absence TO regress_stranger',
    'GRANT SELECT ON ver.absence TO PUBLIC',
    'GRANT TRIGGER, TRUNCATE ON ver.absence TO regress_stranger',
    -- statements and settings
    'SELECT FROM ver.absence',
    'EXPLAIN ANALYZE SELECT FROM ver.absence',
    'DECLARE kept CURSOR WITH HOLD FOR SELECT FROM ver.absence',
    'COPY ver.absence TO ''/dev/null''',
    'SET session_replication_role = replica',
    'SET row_security = off',
    'SET ROLE toms_lookup']) WITH ORDINALITY t (s, n), ver.judge(s) j ORDER BY n;
-- what a function cannot run
VACUUM ver.absence;
\echo 'VACUUM ver.absence' :SQLSTATE
CREATE INDEX CONCURRENTLY absence_days ON ver.absence (tenant, days);
\echo 'CREATE INDEX CONCURRENTLY' :SQLSTATE
DROP INDEX ver.absence_days;
COPY ver.absence TO STDOUT;

-- the application, with a context: all rows of its tenant, no more
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
SELECT s AS statement, j.verdict, j.reason FROM unnest(ARRAY[
    'SELECT FROM ver.absence',
    'UPDATE ver.absence SET days = 4 WHERE id = 1',
    'UPDATE ver.absence SET days = 4',
    'DELETE FROM ver.absence',
    'DELETE FROM ver.absence WHERE true',
    'TRUNCATE ver.absence',
    'EXPLAIN SELECT FROM ver.absence',
    'EXPLAIN ANALYZE SELECT FROM ver.absence',
    'DECLARE kept CURSOR FOR SELECT FROM ver.absence',
    'DECLARE kept CURSOR WITH HOLD FOR SELECT FROM ver.absence',
    'CREATE TEMPORARY TABLE copied AS SELECT tenant, days FROM ver.absence',
    'CREATE TEMPORARY VIEW seen AS SELECT tenant, days FROM ver.absence; SELECT FROM seen',
    'LOCK TABLE ver.absence IN ROW EXCLUSIVE MODE']) WITH ORDINALITY t (s, n), ver.judge(s) j ORDER BY n;
COPY (SELECT tenant, days FROM ver.absence) TO STDOUT;
ROLLBACK;

-- who may set it can switch foreign keys and triggers off, and not write protected tables then
RESET SESSION AUTHORIZATION;
GRANT SET ON PARAMETER session_replication_role TO regress_job;
SET SESSION AUTHORIZATION regress_job;
SET session_replication_role = replica;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
SELECT set_config('session_replication_role', 'replica', true);
SELECT s AS statement, j.verdict, j.reason FROM unnest(ARRAY['SELECT FROM ver.absence', 'UPDATE ver.absence SET days = 4 WHERE id = 1']) s, ver.judge(s) j;
ROLLBACK;
RESET SESSION AUTHORIZATION;
REVOKE SET ON PARAMETER session_replication_role FROM regress_job;

-- administrators: refused without toms.reason; with one, on record, most of it works
RESET SESSION AUTHORIZATION;
CREATE FUNCTION ver.judge_with_reason(statement text, OUT without text, OUT verdict text, OUT reason text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('toms.reason', '', false);
    SELECT j.verdict || coalesce(': ' || j.reason, '') INTO without FROM ver.judge(statement) j;
    PERFORM set_config('toms.reason', 'release 15', false);
    SELECT j.verdict, j.reason INTO verdict, reason FROM ver.judge(statement) j;
    PERFORM set_config('toms.reason', '', false);
END
$$;
SELECT s AS statement, j.without AS "without a reason", j.verdict, j.reason FROM unnest(ARRAY[
    'SELECT FROM ver.absence',
    'DELETE FROM ver.absence',
    'TRUNCATE ver.absence',
    'ALTER TABLE ver.absence DISABLE ROW LEVEL SECURITY',
    'ALTER TABLE ver.absence NO FORCE ROW LEVEL SECURITY',
    'DROP POLICY toms_select ON ver.absence',
    'DROP TRIGGER "~toms_seal" ON ver.absence',
    'ALTER TABLE ver.absence DISABLE TRIGGER ALL',
    'CREATE RULE elsewhere AS ON INSERT TO ver.absence DO INSTEAD NOTHING',
    'CREATE INDEX ON ver.absence ((days + 1))',
    'CREATE INDEX ON ver.absence ((toms.reveal(kind)))',
    'ALTER TABLE ver.absence ALTER COLUMN days TYPE bigint',
    'ALTER TABLE ver.absence ADD COLUMN diagnosis text',
    'ALTER TABLE ver.absence ALTER COLUMN days TYPE text',
    'CREATE PUBLICATION ver_rows FOR TABLES IN SCHEMA ver /* absence */',
    'EXPLAIN ANALYZE SELECT FROM ver.absence',
    'DECLARE kept CURSOR WITH HOLD FOR SELECT FROM ver.absence',
    'CREATE FUNCTION ver.count() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = ver AS ''SELECT count(*) FROM absence''',
    'CREATE VIEW ver.days AS SELECT tenant, days FROM ver.absence',
    'SET session_replication_role = replica',
    'SELECT set_config(''session_replication_role'', ''replica'', true)']) WITH ORDINALITY t (s, n), ver.judge_with_reason(s) j ORDER BY n;
REVOKE CREATE ON DATABASE :"database" FROM regress_owner;
SET toms.reason = 'end of the test';
DROP SCHEMA ver, ver_archive CASCADE;
DROP ROLE regress_deputy;
\pset format aligned
