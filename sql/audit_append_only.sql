--
-- audit_append_only: the tables of the trail are written by toms alone
--
-- Superusers and owners are refused like anybody, once the trail is in use.  Before, it can be
-- restored from a dump, which is what a database of its own is for here.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SELECT current_database() AS before \gset
CREATE DATABASE regress_append_only;
\c regress_append_only
SET client_min_messages = warning;
CREATE EXTENSION toms;
CREATE SCHEMA regress;
CREATE FUNCTION regress.verdict(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text;
    rel text;
    message text;
BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, rel = TABLE_NAME, message = MESSAGE_TEXT;
    RETURN 'refused: ' || coalesce(nullif(code, ''), message) || ' (' || SQLSTATE || ') ' || rel;
END
$$;

--
-- Not in use yet: what a restore does
--
SELECT regress.verdict($$INSERT INTO toms.audit_change_default VALUES (1, '2020-03-04 00:00Z', 700, NULL, NULL, NULL, 'c', 'i', NULL, NULL, '{"key":{}}')$$);
COPY toms.audit_change_default (id, at, xid, kind, verb) FROM stdin;
2	2020-03-05 00:00Z	701	c	d
\.
SELECT regress.verdict('CREATE TABLE toms.audit_change_2020_03 (LIKE toms.audit_change_default)');
SELECT regress.verdict($$INSERT INTO toms.audit_change_2020_03 SELECT * FROM toms.audit_change_default$$);
SELECT regress.verdict('TRUNCATE toms.audit_change_default');
SELECT regress.verdict($$ALTER TABLE toms.audit_change ATTACH PARTITION toms.audit_change_2020_03 FOR VALUES FROM ('2020-03-01 00:00Z') TO ('2020-04-01 00:00Z')$$);
SELECT regress.verdict('CREATE INDEX audit_change_2020_03_order ON toms.audit_change_2020_03 USING brin (at, xid, id)');
-- others than superusers cannot even then
CREATE ROLE regress_trail_owner;
GRANT USAGE ON SCHEMA regress TO PUBLIC;
ALTER TABLE toms.audit_who_default OWNER TO regress_trail_owner;
SET ROLE regress_trail_owner;
SELECT regress.verdict($$INSERT INTO toms.audit_who_default (id, at, xid, kind, verb) VALUES (3, '2020-03-04 00:00Z', 700, 'w', '-')$$);
SELECT regress.verdict('ALTER TABLE toms.audit_who_default SET (fillfactor = 50)');
RESET ROLE;

--
-- In use: nobody, whatever the statement
--
INSERT INTO toms.audit_use VALUES (now());
CREATE VIEW regress.entries AS SELECT * FROM toms.audit_entry;
CREATE FUNCTION regress.forge() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$DELETE FROM toms.audit_change$$;
CREATE FUNCTION regress.nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TABLE regress.open (LIKE toms.audit_change_default);
INSERT INTO regress.open SELECT * FROM toms.audit_change;

-- rows
SELECT s || ': ' || regress.verdict(s) FROM unnest(ARRAY[
    $$INSERT INTO toms.audit_entry (id, at, xid, kind, verb) VALUES (4, '2020-03-04 00:00Z', 700, 'c', 'i')$$,
    $$INSERT INTO toms.audit_change_2020_03 SELECT * FROM regress.open$$,
    $$UPDATE toms.audit_entry SET tenant = 'x'$$,
    $$UPDATE toms.audit_change_2020_03 SET payload = NULL WHERE false$$,
    $$DELETE FROM toms.audit_change WHERE id = 1$$,
    $$DELETE FROM regress.entries$$,
    $$WITH gone AS (DELETE FROM toms.audit_change_2020_03 RETURNING *) SELECT count(*) FROM gone$$,
    $$MERGE INTO toms.audit_change_2020_03 e USING regress.open o ON e.id = o.id WHEN MATCHED THEN DELETE$$,
    $$SELECT regress.forge()$$,
    $$TRUNCATE toms.audit_entry$$,
    $$TRUNCATE regress.open, toms.audit_change_2020_03$$,
    $$COPY toms.audit_change_2020_03 FROM '/dev/null'$$,
    $$DELETE FROM toms.audit_block$$,
    $$UPDATE toms.audit_segment SET first_id = 0$$,
    $$DELETE FROM toms.audit_pruned$$,
    $$UPDATE toms.dataset SET id = gen_random_uuid()$$,
    $$DELETE FROM toms.audit_use$$,
    $$EXPLAIN ANALYZE DELETE FROM toms.audit_change$$]) WITH ORDINALITY u(s, n) ORDER BY n;
PREPARE forge AS DELETE FROM toms.audit_change;
EXECUTE forge;

-- tables
SELECT s || ': ' || regress.verdict(s) FROM unnest(ARRAY[
    $$DROP TABLE toms.audit_change_2020_03$$,
    $$DROP TABLE regress.open, toms.audit_change_2020_03$$,
    $$ALTER TABLE toms.audit_change DETACH PARTITION toms.audit_change_2020_03$$,
    $$ALTER TABLE toms.audit_change ATTACH PARTITION regress.open FOR VALUES FROM ('2019-03-01') TO ('2019-04-01')$$,
    $$CREATE TABLE regress.part PARTITION OF toms.audit_change FOR VALUES FROM ('2019-03-01') TO ('2019-04-01')$$,
    $$CREATE TABLE regress.child () INHERITS (toms.audit_block)$$,
    $$ALTER TABLE toms.audit_change_2020_03 RENAME TO innocent$$,
    $$ALTER TABLE toms.audit_change_2020_03 RENAME COLUMN payload TO load$$,
    $$ALTER TABLE toms.audit_change_2020_03 SET SCHEMA regress$$,
    $$ALTER TABLE toms.audit_change_2020_03 OWNER TO regress_trail_owner$$,
    $$ALTER TABLE toms.audit_entry ADD COLUMN more text$$,
    $$ALTER TABLE toms.audit_entry ENABLE ROW LEVEL SECURITY$$,
    $$ALTER TABLE toms.audit_change_2020_03 SET UNLOGGED$$,
    $$ALTER TABLE regress.open INHERIT toms.audit_block$$,
    $$ALTER INDEX toms.audit_change_2020_03_order RENAME TO innocent$$,
    $$DROP INDEX toms.audit_change_2020_03_order$$,
    $$CREATE INDEX ON toms.audit_change_2020_03 (id)$$,
    $$CREATE STATISTICS regress.s ON id, at FROM toms.audit_change_2020_03$$,
    $$CREATE TRIGGER t BEFORE INSERT ON toms.audit_change_2020_03 FOR EACH ROW EXECUTE FUNCTION regress.nothing()$$,
    $$CREATE RULE r AS ON INSERT TO toms.audit_change_2020_03 DO INSTEAD NOTHING$$,
    $$CREATE POLICY p ON toms.audit_change_2020_03$$,
    $$CLUSTER toms.audit_object_default USING audit_object_default_id$$,
    $$GRANT SELECT ON toms.audit_entry TO PUBLIC$$,
    $$GRANT SELECT ON ALL TABLES IN SCHEMA toms TO PUBLIC$$,
    $$ALTER EXTENSION toms DROP TABLE toms.audit_block$$]) WITH ORDINALITY u(s, n) ORDER BY n;
-- the owner of a partition neither
SET ROLE regress_trail_owner;
SELECT regress.verdict('DELETE FROM toms.audit_who_default');
SELECT regress.verdict('DROP TABLE toms.audit_who_default');
SELECT regress.verdict('ALTER TABLE toms.audit_who_default SET (fillfactor = 50)');
RESET ROLE;
-- nor while rows are written as by replication
SET toms.reason = 'a test';
SET session_replication_role = replica;
SELECT regress.verdict('DELETE FROM toms.audit_change');
RESET session_replication_role;
RESET toms.reason;

-- the refusal says which table and why
DELETE FROM toms.audit_change;

-- what passes: reading, housekeeping of PostgreSQL's
SELECT id, verb FROM toms.audit_entry ORDER BY id;
SELECT regress.verdict('LOCK TABLE toms.audit_change IN ACCESS EXCLUSIVE MODE');
VACUUM FULL toms.audit_change_2020_03;
ANALYZE toms.audit_entry;
REINDEX TABLE toms.audit_change_2020_03;
COPY (SELECT id FROM toms.audit_change) TO stdout;
SELECT regress.verdict($$COMMENT ON TABLE toms.audit_change_2020_03 IS 'march'$$);
SELECT regress.verdict('REVOKE ALL ON toms.audit_entry FROM PUBLIC');
-- what is of toms but not of the trail is as before
SELECT regress.verdict($$CREATE TABLE toms.own (id integer)$$), regress.verdict('DROP TABLE toms.own');
-- partitions are made by toms meanwhile
SELECT toms.make_audit_partitions(5);
SELECT count(*) FROM toms.audit_partitions WHERE month > now();

\c :before
DROP DATABASE regress_append_only;
DROP ROLE regress_trail_owner;
