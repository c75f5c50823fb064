--
-- audit_proof: entries of the trail are proved to who may read them, with nothing of anybody else's
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
CREATE SCHEMA proof;
GRANT USAGE ON SCHEMA proof TO PUBLIC;
CREATE TABLE proof.note (id integer, tenant text NOT NULL, employee integer NOT NULL, body text, PRIMARY KEY (id, tenant));
GRANT ALL ON proof.note TO regress_hr, regress_migration;
SELECT toms.protect('proof.note', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('regress_hr', 'proof.note', '{select,insert,update,delete}', '{absence_management}', 'tenant') > 0;

-- RFC 6962 once more, in SQL: where the path of a proof leads to
CREATE FUNCTION proof.bytes(word text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT decode(translate(word, '-_', '+/') || repeat('=', -length(word) & 3), 'base64');
$$;
CREATE FUNCTION proof.holds(proof json) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    hash bytea := sha256('\x00' || proof.bytes(proof ->> 'salt') || proof.bytes(proof ->> 'entry'));
    header bytea := proof.bytes(proof ->> 'header');
    index bigint := proof ->> 'index';
    last bigint := (proof ->> 'size')::bigint - 1;
    sibling text;
BEGIN
    FOR sibling IN SELECT json_array_elements_text(proof -> 'path') LOOP
        WHILE index = last AND index % 2 = 0 AND index > 0 LOOP
            index := index / 2;
            last := last / 2;
        END LOOP;
        hash := sha256('\x01' || CASE index % 2 WHEN 1 THEN proof.bytes(sibling) || hash ELSE hash || proof.bytes(sibling) END);
        index := index / 2;
        last := last / 2;
    END LOOP;
    RETURN last = 0 AND hash = substr(header, 134 - 32, 32);
END
$$;
CREATE FUNCTION proof.verdict(entry bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
    code text;
BEGIN
    RETURN proof.holds(toms.audit_proof(entry));
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, code = CONSTRAINT_NAME, detail = PG_EXCEPTION_DETAIL;
    RETURN format('%s %s: %s; %s', SQLSTATE, code, regexp_replace(SQLERRM, '\d+', 'N'), CASE code WHEN '' THEN detail || ' ' || hint END);
END
$$;
-- what the tests before this one have left is in a block of its own
SELECT toms.seal_audit() \g /dev/null
CREATE TABLE proof.start AS SELECT coalesce(max(number), 0) AS block FROM toms.audit_block;
SET toms.reason = 'tests of proofs';

-- entries of two tenants and of an administrator, in one block
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', 'anna', 'regress_hr', 'absence_management');
INSERT INTO proof.note VALUES (1, 'acme', 17, 'a'), (2, 'acme', 18, 'b');
UPDATE proof.note SET body = 'c' WHERE id = 1;
COMMIT;
BEGIN;
SELECT toms.enter('globex', 'bert', 'regress_hr', 'absence_management');
INSERT INTO proof.note VALUES (3, 'globex', 17, 'd');
COMMIT;
RESET SESSION AUTHORIZATION;
CREATE TABLE proof.entry AS SELECT e.* FROM toms.audit_entry e JOIN toms.audit_entry o ON o.id = e.object
WHERE e.kind = 'c' AND position('"relation":"proof.note"' IN encode(o.payload, 'escape')) > 0;
GRANT SELECT ON proof.entry TO PUBLIC;
SELECT DISTINCT proof.verdict(id) FROM proof.entry;                             -- not sealed yet
SELECT toms.seal_audit() > 0;
SELECT e.tenant, e.verb, proof.holds(p), proof.holds(p -> 'who'), proof.holds(p -> 'object'), json_object_keys(p -> 'object') AS keys FROM proof.entry e, toms.audit_proof(e.id) p WHERE e.verb = 'u';
SELECT e.tenant, e.verb, proof.holds(p), proof.holds(p -> 'who'), proof.holds(p -> 'object') FROM proof.entry e, toms.audit_proof(e.id) p ORDER BY e.id;
-- so are the entries to which others refer, which refer to none
WITH e AS MATERIALIZED (SELECT id, kind FROM toms.audit_entry WHERE id IN (SELECT who FROM proof.entry UNION SELECT object FROM proof.entry))
SELECT e.kind, bool_and(proof.holds(p)), bool_or((p -> 'who') IS NOT NULL OR (p -> 'object') IS NOT NULL) FROM e, toms.audit_proof(e.id) p GROUP BY 1 ORDER BY 1;
-- the bytes are those of the entry, and the salt is its own
SELECT count(*), count(DISTINCT p ->> 'salt'), bool_and(substr(proof.bytes(p ->> 'entry'), 4, 8) = int8send(e.id) AND substr(proof.bytes(p ->> 'entry'), 2, 1) = 'c')
FROM proof.entry e, toms.audit_proof(e.id) p;
-- nothing of globex is in what acme gets
SELECT e.tenant, bool_or(position('globex'::bytea IN proof.bytes(v)) > 0) AS globex, bool_or(position('acme'::bytea IN proof.bytes(v)) > 0) AS acme
FROM proof.entry e, toms.audit_proof(e.id) p, json_each_text(p) AS m(k, v) WHERE k IN ('entry', 'salt', 'header', 'signature', 'key') GROUP BY 1 ORDER BY 1;

-- blocks of every size up to 33, every entry of them
SET SESSION AUTHORIZATION regress_migration;
INSERT INTO proof.note VALUES (100, 'acme', 17, 'x');
RESET SESSION AUTHORIZATION;
SELECT toms.seal_audit() > 0;
SET SESSION AUTHORIZATION regress_migration;
\pset format unaligned
\o /dev/null
SELECT format('INSERT INTO proof.note SELECT %s + n, ''acme'', 17, ''x'' FROM generate_series(1, %s) n', 100 * size, size), 'RESET SESSION AUTHORIZATION', 'SELECT toms.seal_audit()', 'SET SESSION AUTHORIZATION regress_migration' FROM generate_series(1, 33) size \gexec
RESET SESSION AUTHORIZATION;
VACUUM toms.audit_entry;         -- as autovacuum does: entries are found by their numbers
SET SESSION AUTHORIZATION regress_migration;
\o
RESET SESSION AUTHORIZATION;
WITH proved AS (SELECT (p ->> 'size')::bigint AS size, (p ->> 'index')::bigint AS index, p ->> 'header' AS header, p
                FROM toms.audit_entry e, toms.audit_proof(e.id) p WHERE e.kind = 'c' AND e.id > (SELECT max(id) FROM proof.entry))
SELECT count(DISTINCT size) > 20, count(*), count(DISTINCT (header, index)), bool_and(proof.holds(p)) FROM proved;

-- what was under way when a block was closed is proved in a later one
SELECT max(id) AS mark FROM toms.audit_entry \gset
SET SESSION AUTHORIZATION regress_migration;
BEGIN; INSERT INTO proof.note VALUES (9001, 'acme', 17, 'x'); PREPARE TRANSACTION 'proof';
INSERT INTO proof.note VALUES (9002, 'acme', 17, 'x');
RESET SESSION AUTHORIZATION;
SELECT toms.seal_audit() > 0;
COMMIT PREPARED 'proof';
SELECT toms.seal_audit() > 0;
SELECT count(*), count(DISTINCT p ->> 'header'), bool_and(proof.holds(p)) FROM toms.audit_entry e, toms.audit_proof(e.id) p WHERE e.kind = 'c' AND e.id > :mark;

--
-- Who may
--
SELECT id AS acme FROM proof.entry WHERE tenant = 'acme' LIMIT 1 \gset
SELECT id AS globex FROM proof.entry WHERE tenant = 'globex' \gset
SELECT proof.verdict(NULL), proof.verdict(-1);
GRANT USAGE ON SCHEMA proof TO regress_stranger;
SET SESSION AUTHORIZATION regress_officer;
SELECT proof.verdict(:acme), proof.verdict(:globex);
SELECT length(toms.audit_key());
SET SESSION AUTHORIZATION regress_stranger;
SELECT proof.verdict(:acme);                                                    -- refused
SELECT toms.audit_key();
SELECT toms.export_blocks();
SET SESSION AUTHORIZATION regress_job;
SELECT proof.verdict(:acme);                                                    -- refused: no context
RESET SESSION AUTHORIZATION;
SELECT toms.load_purposes('audit');
SELECT toms.permit('regress_hr', 'toms.audit_entry', '{select}', '{data_protection_control}', 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', 'anna', 'regress_hr', 'absence_management'); SELECT proof.verdict(:acme); COMMIT;          -- refused: another purpose
BEGIN; SELECT toms.enter('acme', 'anna', 'regress_hr', 'data_protection_control'); SELECT proof.verdict(:acme); SELECT proof.verdict(:globex); COMMIT;
BEGIN; SELECT toms.enter('globex', 'anna', 'regress_hr', 'data_protection_control'); SELECT proof.verdict(:acme); SELECT proof.verdict(:globex); COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.forbid('regress_hr', 'toms.audit_entry');

--
-- An erased person's entries are proved as before
--
SELECT toms.record_instruction('acme', 'erase', 'J. Doe', 'erase 17', subject => '17') AS i \gset
SELECT toms.confirm_instruction(:i);
SELECT toms.destroy_keys('acme', :i, subject => '17') > 0;
SELECT proof.verdict(:acme);

--
-- Nothing is proved of a block that is not as it was sealed
--
BEGIN;
SET LOCAL allow_system_table_mods = on;
UPDATE pg_class SET relname = 'audit_use_away' WHERE oid = 'toms.audit_use'::regclass;
INSERT INTO toms.audit_entry SELECT * FROM toms.audit_entry WHERE id = :globex;     -- a copy takes no place in it
SELECT proof.verdict(:globex), proof.verdict(:acme);
UPDATE toms.audit_entry SET verb = 'd' WHERE id = :globex;
UPDATE pg_class SET relname = 'audit_use' WHERE relname = 'audit_use_away';
SELECT proof.verdict(:globex), proof.verdict(:acme);
ROLLBACK;

--
-- The chain, as toms-verify reads it
--
SELECT count(*) = (SELECT count(*) FROM toms.audit_block), bool_and(proof.bytes(b ->> 'key') = proof.bytes(toms.audit_key())) FROM toms.export_blocks() b;
SELECT string_agg(k, ',' ORDER BY n) FROM (SELECT b FROM toms.export_blocks() b LIMIT 1) x, json_object_keys(b) WITH ORDINALITY AS m(k, n);
SELECT array_agg((b ->> 'block')::bigint - s.block) FROM proof.start s, toms.export_blocks(first => s.block + 2, last => s.block + 4) b;
SELECT bool_and(proof.bytes(b ->> 'header') = k.header AND proof.bytes(b ->> 'signature') = k.signature)
FROM toms.export_blocks() b JOIN toms.audit_block k ON k.number = (b ->> 'block')::bigint;
DROP SCHEMA proof CASCADE;
DELETE FROM toms.permission WHERE relation = 'toms.audit_entry'::regclass;
DELETE FROM toms.erasure;
TRUNCATE toms.ledger;
