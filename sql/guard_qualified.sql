--
-- guard_qualified: UPDATE and DELETE without WHERE are refused, however they come
--
-- The policies would keep such a statement to the rows of the context; that is still every row
-- of a tenant.  WHERE true says that it is meant.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE SCHEMA qual AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA qual TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE qual.absence (tenant text NOT NULL, id integer NOT NULL, employee integer NOT NULL, day date, half boolean, PRIMARY KEY (tenant, id));
CREATE TABLE qual.remark (tenant text NOT NULL, absence integer NOT NULL, FOREIGN KEY (tenant, absence) REFERENCES qual.absence ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE qual.booking (tenant text NOT NULL, day date) PARTITION BY LIST (tenant);
CREATE TABLE qual.booking_acme PARTITION OF qual.booking FOR VALUES IN ('acme');
CREATE TABLE qual.open (tenant text, n integer);
INSERT INTO qual.absence SELECT t, n, 17, '2026-01-01', false FROM unnest('{acme,globex}'::text[]) t, generate_series(1, 3) n;
INSERT INTO qual.remark SELECT 'acme', n FROM generate_series(1, 3) n;
INSERT INTO qual.booking VALUES ('acme', '2026-01-01');
INSERT INTO qual.open VALUES ('acme', 1);
CREATE VIEW qual.narrow AS SELECT * FROM qual.absence WHERE id < 3;
CREATE VIEW qual.narrower AS SELECT tenant, id, day, half FROM qual.narrow WHERE id < 2;
CREATE VIEW qual.as_reader WITH (security_invoker = true) AS SELECT * FROM qual.absence WHERE id < 3;
CREATE VIEW qual.barrier WITH (security_barrier) AS SELECT * FROM qual.absence WHERE id < 3;
CREATE VIEW qual.triggered AS SELECT tenant, id, day FROM qual.absence WHERE id < 3;
CREATE FUNCTION qual.instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM qual.absence WHERE id = OLD.id; RETURN OLD; END $$;
CREATE TRIGGER instead INSTEAD OF DELETE ON qual.triggered FOR EACH ROW EXECUTE FUNCTION qual.instead();
CREATE FUNCTION qual.in_plpgsql() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM qual.absence; END $$;
CREATE FUNCTION qual.in_sql() RETURNS void LANGUAGE sql AS 'DELETE FROM qual.absence';
CREATE FUNCTION qual.in_sql_body() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM qual.absence; END;
CREATE FUNCTION qual.in_view() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM qual.narrow; END $$;
CREATE FUNCTION qual.as_owner() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = qual AS $$ BEGIN UPDATE absence SET half = true; END $$;
CREATE FUNCTION qual.sweep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM qual.absence; RETURN NEW; END $$;
CREATE TABLE qual.bell (n integer);
CREATE TRIGGER sweep AFTER INSERT ON qual.bell FOR EACH ROW EXECUTE FUNCTION qual.sweep();
CREATE TABLE qual.gong (n integer);
CREATE RULE sweep AS ON INSERT TO qual.gong DO ALSO DELETE FROM qual.absence;
GRANT INSERT ON qual.bell, qual.gong TO regress_job;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA qual TO regress_hr;
RESET SESSION AUTHORIZATION;
SELECT toms.protect(r, tenant => 'tenant', subject => 'employee') FROM unnest('{qual.absence}'::regclass[]) r;
SELECT toms.protect(r, tenant => 'tenant') FROM unnest('{qual.remark,qual.booking}'::regclass[]) r;
SELECT count(toms.permit('regress_hr', r, '{select,insert,update,delete}', '{audit}', scope => 'tenant')) FROM unnest('{qual.absence,qual.remark,qual.booking}'::regclass[]) r;
SELECT toms.permit('regress_employee', 'qual.absence', '{select,delete}', '{audit}') > 0 AS permitted;

-- every try starts from the same rows
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    verdict text;
BEGIN
    verdict := regress.verdict(statement);
    RAISE EXCEPTION USING ERRCODE = 'TT000';
EXCEPTION WHEN SQLSTATE 'TT000' THEN
    RETURN verdict;
END
$$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_temp TO PUBLIC;

SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
-- refused, each
SELECT s AS statement, pg_temp.try(s) AS verdict FROM unnest(ARRAY[
    'DELETE FROM qual.absence',
    'DELETE FROM ONLY qual.absence a',
    'UPDATE qual.absence SET half = true',
    'UPDATE qual.absence SET tenant = ''globex''',
    'DELETE FROM qual.absence RETURNING id',
    'DELETE FROM qual.absence a USING qual.open o',
    'UPDATE qual.absence a SET half = true FROM qual.open o JOIN qual.open p ON o.n = p.n',
    'WITH d AS (DELETE FROM qual.absence RETURNING id) SELECT count(*) FROM d',
    'WITH u AS (UPDATE qual.absence SET half = true RETURNING id) DELETE FROM qual.absence WHERE id IN (SELECT id FROM u)',
    'WITH n AS (SELECT 1) DELETE FROM qual.absence',
    'DELETE FROM qual.narrow',
    'UPDATE qual.narrow SET half = true',
    'DELETE FROM qual.narrower',
    'DELETE FROM qual.as_reader',
    'UPDATE qual.barrier SET half = true',
    'DELETE FROM qual.triggered',
    'WITH d AS (DELETE FROM qual.narrow RETURNING id) SELECT count(*) FROM d',
    'SELECT qual.in_plpgsql()',
    'SELECT qual.in_sql()',
    'SELECT qual.in_sql_body()',
    'SELECT qual.in_view()',
    'SELECT qual.as_owner()',
    'DO $do$ BEGIN DELETE FROM qual.absence; END $do$',
    'INSERT INTO qual.bell VALUES (1)',
    'INSERT INTO qual.gong VALUES (1)',
    'DELETE FROM qual.booking',
    'DELETE FROM qual.booking_acme',
    'EXPLAIN DELETE FROM qual.absence',
    'PREPARE p AS DELETE FROM qual.absence; EXECUTE p',
    'PREPARE p_view AS DELETE FROM qual.narrow; EXECUTE p_view']) WITH ORDINALITY t (s, n) ORDER BY n;
-- ok, each: it is said which rows are meant
SELECT s AS statement, pg_temp.try(s) AS verdict FROM unnest(ARRAY[
    'DELETE FROM qual.absence WHERE true',
    'UPDATE qual.absence SET half = true WHERE 1 = 1',
    'DELETE FROM qual.absence WHERE id = 1',
    'DELETE FROM qual.absence a USING qual.open o WHERE a.id = o.n',
    'WITH d AS (DELETE FROM qual.absence WHERE true RETURNING id) SELECT count(*) FROM d',
    'DELETE FROM qual.narrow WHERE true',
    'UPDATE qual.narrower SET half = true WHERE id = 1',
    'DELETE FROM qual.triggered WHERE true',
    'MERGE INTO qual.absence a USING qual.open o ON a.tenant = o.tenant WHEN MATCHED THEN DELETE',
    'INSERT INTO qual.absence VALUES (''acme'', 1, 17) ON CONFLICT (tenant, id) DO UPDATE SET half = true',
    'UPDATE qual.absence SET id = id + 10 WHERE id = 3',
    'DELETE FROM qual.open',
    'UPDATE qual.open SET n = 2']) WITH ORDINALITY t (s, n) ORDER BY n;
DECLARE one CURSOR FOR SELECT * FROM qual.absence WHERE id = 2 FOR UPDATE;
MOVE one;
UPDATE qual.absence SET half = true WHERE CURRENT OF one;
COPY (DELETE FROM qual.absence RETURNING id) TO STDOUT;                                                 -- refused
ROLLBACK;

-- what is not permitted at all is refused for that reason
SELECT s AS statement, pg_temp.try(s) AS verdict FROM unnest(ARRAY['DELETE FROM qual.absence', 'DELETE FROM qual.booking']) s;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'audit');
SELECT s AS statement, pg_temp.try(s) AS verdict FROM unnest(ARRAY['UPDATE qual.absence SET half = true', 'DELETE FROM qual.absence', 'DELETE FROM qual.remark']) s;
\set VERBOSITY default
DELETE FROM qual.absence;                                                                               -- and is told what to do
ROLLBACK;
\set VERBOSITY terse
-- what has been prepared without a context is asked with one
PREPARE bare AS DELETE FROM qual.absence;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
EXECUTE bare;                                                                                           -- refused
ROLLBACK;
DEALLOCATE bare;

-- an administrator with a reason may, on record; what he has prepared is of no use to others
RESET SESSION AUTHORIZATION;
GRANT SELECT, UPDATE, DELETE ON qual.absence, qual.as_reader TO regress_migration;
GRANT regress_job TO regress_migration;
SELECT toms.allow_enter(login => 'regress_migration', tenants => '{acme}', roles => '{regress_hr}') > 0 AS allowed;
SET SESSION AUTHORIZATION regress_migration;
SELECT pg_temp.try('DELETE FROM qual.absence'), pg_temp.try('DELETE FROM qual.as_reader');                 -- refused: no reason
SET toms.reason = 'release 14';
SELECT pg_temp.try('DELETE FROM qual.absence'), pg_temp.try('DELETE FROM qual.as_reader');                 -- ok: all tenants
PREPARE bare AS UPDATE qual.absence SET half = NULL;
PREPARE bare_view AS UPDATE qual.as_reader SET half = NULL;
EXECUTE bare;
EXECUTE bare_view;
RESET toms.reason;
EXECUTE bare;                                                                                           -- refused
SET ROLE regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
SELECT pg_temp.try('EXECUTE bare'), pg_temp.try('EXECUTE bare_view');                                   -- refused
ROLLBACK;
RESET ROLE;
RESET SESSION AUTHORIZATION;
SELECT toms.disallow_enter('regress_migration');
REVOKE regress_job FROM regress_migration;

-- an observed table notes it
SELECT toms.reset_would_refuse();
SELECT toms.protect('qual.absence', tenant => 'tenant', subject => 'employee', mode => 'observe', reason => 'test');
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
SELECT pg_temp.try('DELETE FROM qual.absence'), pg_temp.try('UPDATE qual.narrow SET half = true'), pg_temp.try('DELETE FROM qual.absence WHERE true');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT relation, verbs, reason, remedy FROM toms.would_refuse WHERE relation = 'qual.absence'::regclass ORDER BY verbs, reason;
SELECT toms.reset_would_refuse();
SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA qual CASCADE;
