--
-- audit_verify: whatever a superuser does to the trail, toms.verify_audit() names it
--
-- The functions to add entries and to tamper with them are audit_block.sql's.  Each fault is made
-- alone, found, and rolled back.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;

-- a log outside of the data directory
SELECT current_setting('data_directory') || '_toms_outside' AS outside \gset
\set make_outside 'rm -rf ' :outside ' && mkdir -m 700 ' :outside
COPY (SELECT WHERE false) TO PROGRAM :'make_outside';
ALTER SYSTEM SET toms.outside = :'outside';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);

-- twelve blocks of several transactions and kinds; "held" knows who is where
CREATE TABLE regress_audit.held (id bigint, block bigint, kind "char", others boolean DEFAULT false);
CREATE FUNCTION regress_audit.fill(kind "char", n bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO regress_audit.held SELECT first + i, NULL, kind FROM regress_audit.add(n, kind) first, generate_series(0, n - 1) i $$;
SELECT toms.seal_audit() AS first \gset
SELECT format($$SELECT regress_audit.fill('c', 20 + %1$s); SELECT regress_audit.fill('w', %1$s); SELECT regress_audit.fill('o', 1); SELECT regress_audit.fill('c', 3)$$, n),
       'UPDATE regress_audit.held SET block = toms.seal_audit() WHERE block IS NULL'
FROM generate_series(1, 12) n \gexec
SELECT count(*), count(DISTINCT block), min(block) - :first, max(block) - :first FROM regress_audit.held;
SELECT * FROM toms.verify_audit();

-- a log line for each block, each signed and chained; two of toms.verify_audit() are alike
SELECT pg_read_file(:'outside' || '/' || id || '.log') AS log FROM toms.dataset \gset
SELECT line->>'type', (line->>'block')::bigint - b.number, line->>'digest' = translate(trim(encode(b.digest, 'base64'), '='), '+/', '-_'), (line->>'size')::bigint - b.size,
       line->>'previous' = coalesce(lag(translate(trim(encode(sha256(convert_to(text, 'UTF8')), 'base64'), '='), '+/', '-_')) OVER (ORDER BY n), repeat('A', 43)), count(*) OVER () = b.number
FROM regexp_split_to_table(rtrim(:'log', E'\n'), '\n') WITH ORDINALITY l(text, n), LATERAL (SELECT text::json AS line) j JOIN toms.audit_block b ON b.number = (line->>'block')::bigint
ORDER BY n DESC LIMIT 3;

--
-- faults(statement): what is found when the statement has been run, which is undone
--
CREATE TYPE regress_audit.fault AS (fault text, block bigint, to_block bigint, entry bigint, detail text);
CREATE FUNCTION regress_audit.faults(statement text) RETURNS SETOF regress_audit.fault LANGUAGE plpgsql AS $$
DECLARE
    found regress_audit.fault[];
BEGIN
    BEGIN
        PERFORM regress_audit.tamper(statement);
        found := ARRAY(SELECT (v.fault, v.block, v.to_block, v.entry, v.detail)::regress_audit.fault FROM toms.verify_audit() v);
        RAISE EXCEPTION USING ERRCODE = 'TM001';
    EXCEPTION WHEN SQLSTATE 'TM001' THEN
        RETURN QUERY SELECT * FROM unnest(found);
    END;
END
$$;

-- %1$s is an entry, followed by another one in its block, %2$s its block
CREATE TABLE regress_audit.form (n serial, statement text, expected text, of_block boolean DEFAULT false);
INSERT INTO regress_audit.form (statement, expected) VALUES
    ('UPDATE toms.audit_entry SET at = at + interval ''1 microsecond'' WHERE id = %1$s', 'changed'),
    ('UPDATE toms.audit_entry SET who = coalesce(who, 0) + 1 WHERE id = %1$s', 'changed'),
    ('UPDATE toms.audit_entry SET object = 17 WHERE id = %1$s', 'changed'),
    ('UPDATE toms.audit_entry SET key = 17 WHERE id = %1$s', 'changed'),
    ('UPDATE toms.audit_entry SET verb = ''d'' WHERE id = %1$s', 'changed'),
    ('UPDATE toms.audit_entry SET tenant = ''globex'' WHERE id = %1$s', 'changed'),
    ('UPDATE toms.audit_entry SET tenant = NULL WHERE id = %1$s', 'changed'),
    ('UPDATE toms.audit_entry SET columns = ''\x01'' WHERE id = %1$s', 'changed'),
    ('UPDATE toms.audit_entry SET columns = '''' WHERE id = %1$s', 'changed'),
    ('UPDATE toms.audit_entry SET payload = payload || ''\x00'' WHERE id = %1$s', 'changed'),
    ('UPDATE toms.audit_entry SET payload = NULL WHERE id = %1$s', 'changed'),
    ('UPDATE toms.audit_entry SET payload = repeat(''x'', 100000)::bytea WHERE id = %1$s', 'changed'),
    ('UPDATE toms.audit_entry SET xid = xid - 1 WHERE id = %1$s', 'changed|missing'),
    ('UPDATE toms.audit_entry SET xid = 3 WHERE id = %1$s', 'missing'),
    ('UPDATE toms.audit_entry SET xid = 9223372036854775807 WHERE id = %1$s', 'missing'),
    ('UPDATE toms.audit_entry SET id = id + 500 WHERE id = %1$s', 'missing'),
    ('UPDATE toms.audit_entry SET id = -id WHERE id = %1$s', 'missing'),
    ('UPDATE toms.audit_entry SET kind = CASE kind WHEN ''o'' THEN ''c'' ELSE ''o'' END::"char" WHERE id = %1$s', 'missing'),
    ('DELETE FROM toms.audit_entry WHERE id = %1$s', 'missing'),
    ('INSERT INTO toms.audit_entry SELECT * FROM toms.audit_entry WHERE id = %1$s', 'added'),
    ('UPDATE toms.audit_entry SET id = CASE id WHEN %1$s THEN %1$s + 1 ELSE %1$s END WHERE id IN (%1$s, %1$s + 1)', 'reordered'),
    ('UPDATE toms.audit_entry e SET payload = o.payload FROM toms.audit_entry o WHERE e.id IN (%1$s, %1$s + 1) AND o.id = 2 * %1$s + 1 - e.id', 'changed');
INSERT INTO regress_audit.form (statement, expected, of_block)
SELECT format('UPDATE toms.audit_block SET %s WHERE number = %%2$s', change), 'block_changed', true
FROM unnest(ARRAY['segment = segment + 1', 'timeline = timeline + 1', 'snapshot = ''1:1:''', 'size = size + 1', 'size = 9223372036854775807', 'root = sha256(root)', 'previous = sha256(previous)',
    'root = ''\x''', 'manifest = manifest || ''\x00''', 'manifest = ''\x''', 'manifest = ''\xffffffffffffffffffffff''', 'secret = substr(sha256(secret), 1, 16)', 'secret = ''\x''',
    'sealed_at = sealed_at - interval ''1 s''', 'key = sha256(key)', 'header = set_byte(header, 99, 255 - get_byte(header, 99))', 'header = ''\x''', 'header = substr(header, 1, 80)',
    'signature = set_byte(signature, 6, 255 - get_byte(signature, 6))', 'signature = ''\x''', 'digest = sha256(digest)',
    'header = overlay(header PLACING sha256(header) FROM 110), root = sha256(header), digest = sha256(overlay(header PLACING sha256(header) FROM 110))']) change;
INSERT INTO regress_audit.form (statement, expected, of_block) VALUES
    ('DELETE FROM toms.audit_block WHERE number = %2$s', 'block_missing', true),
    ('UPDATE toms.audit_block SET number = number + 1000000000000 WHERE number = %2$s', 'block_missing', true),
    ('DELETE FROM toms.audit_entry e USING regress_audit.held h WHERE h.id = e.id AND h.block = %2$s', 'missing', true),
    ('INSERT INTO toms.audit_pruned VALUES (%2$s, 0, 1, sha256(''''))', 'added|block_changed|changed', true),
    ('INSERT INTO toms.audit_pruned VALUES (%2$s, 0, 9223372036854775807, sha256(''''))', 'added|block_changed|changed', true),
    ('UPDATE toms.audit_block b SET root = o.root, manifest = o.manifest, size = o.size, snapshot = o.snapshot, secret = o.secret, header = o.header, signature = o.signature, digest = o.digest '
     'FROM toms.audit_block o WHERE b.number = %2$s AND o.number = (SELECT max(number) FROM toms.audit_block WHERE number <> %2$s)', 'block_changed', true);

-- one of each form, with all that is reported; numbers from the first block and the entry on
SELECT setseed(0.5);
SELECT f.n, f.statement FROM regress_audit.form f ORDER BY f.n;
SELECT f.n, v.fault, v.block - t.block AS block, v.to_block - t.block AS to_block, CASE WHEN v.entry > 0 THEN v.entry - t.id END AS entry, v.detail
FROM (SELECT id, block FROM regress_audit.held WHERE kind = 'c' AND block = :first + 6 ORDER BY id OFFSET 5 LIMIT 1) t, regress_audit.form f,
     regress_audit.faults(format(f.statement, t.id, t.block)) v
WHERE f.n NOT IN (13, 14) AND NOT (f.n IN (46, 49, 50) AND v.fault IN ('added', 'missing'))     -- in which block another transaction was differs
ORDER BY f.n, v.block, v.entry NULLS FIRST, v.fault;

-- a hundred at random: each is found, named, and nothing else is said of other blocks
CREATE TABLE regress_audit.attempt AS
SELECT i, f.n, f.expected, f.of_block, t.id, t.block, f.statement
FROM generate_series(1, 100) i, LATERAL (SELECT *, random() AS r FROM regress_audit.form f WHERE i > 0 ORDER BY r LIMIT 1) f,
     LATERAL (SELECT *, random() AS r FROM regress_audit.held h WHERE i > 0 AND EXISTS (SELECT FROM regress_audit.held o WHERE o.id = h.id + 1 AND o.block = h.block) ORDER BY r LIMIT 1) t;
SELECT count(*) AS tried, count(*) FILTER (WHERE named) AS named, count(DISTINCT n) > 25 AS many_forms
FROM regress_audit.attempt a,
     LATERAL (SELECT bool_or(v.fault ~ ('^(' || a.expected || ')$') AND v.block = a.block AND (a.of_block OR v.entry = a.id)) AS named
              FROM regress_audit.faults(format(a.statement, a.id, a.block)) v) f;
SELECT * FROM toms.verify_audit();

--
-- More than one thing at once
--
-- everything
SELECT fault, block, to_block - :first AS to_block, entry, detail FROM regress_audit.faults('TRUNCATE toms.audit_block, toms.audit_entry');
SELECT fault, block, to_block - :first AS to_block, entry, detail FROM regress_audit.faults('TRUNCATE toms.audit_block, toms.audit_entry, toms.audit_segment, toms.dataset');
SELECT fault, block - :first AS block, entry > 0 FROM regress_audit.faults('TRUNCATE toms.audit_who') WHERE block > :first AND block < :first + 4;
-- what other tables say of it
SELECT fault, detail FROM regress_audit.faults('UPDATE toms.dataset SET id = gen_random_uuid()');
SELECT fault, detail FROM regress_audit.faults('TRUNCATE toms.dataset');
SELECT fault, detail FROM regress_audit.faults('UPDATE toms.audit_segment SET system_identifier = ''17''');
SELECT fault, detail FROM regress_audit.faults('TRUNCATE toms.audit_segment');
-- the last blocks go: the log outside knows them, and their entries are not sealed any more
SELECT fault, block - :first AS block, to_block - :first AS to_block FROM regress_audit.faults(format('DELETE FROM toms.audit_block WHERE number > %s', :first + 9));
-- a block gets a number that none can have
SELECT fault, block + :first + 5 AS block, detail FROM regress_audit.faults(format('UPDATE toms.audit_block SET number = -number WHERE number = %s', :first + 5)) WHERE fault = 'block_changed';
-- one partition is replaced by a copy that lacks an entry and has another one changed
SELECT id, block - :first AS block FROM regress_audit.held WHERE kind = 'w' AND block > :first + 3 ORDER BY id LIMIT 1 \gset
SELECT e.tableoid::regclass AS part, pg_get_expr(c.relpartbound, c.oid) AS bound FROM toms.audit_entry e JOIN pg_class c ON c.oid = e.tableoid WHERE id = :id \gset
SELECT fault, block - :first - :block AS block, entry - :id AS entry
FROM regress_audit.faults(format($$ALTER TABLE toms.audit_who DETACH PARTITION %1$s;
    CREATE TABLE toms.copy (LIKE %1$s); INSERT INTO toms.copy SELECT * FROM %1$s; DELETE FROM toms.copy WHERE id = %2$s; UPDATE toms.copy SET payload = '\x00' WHERE id = %2$s + 1;
    ALTER TABLE toms.audit_who ATTACH PARTITION toms.copy %3$s$$, :'part', :id, :'bound'));
-- null where it cannot be
SELECT DISTINCT fault FROM regress_audit.faults($$ALTER TABLE toms.audit_block ALTER header DROP NOT NULL, ALTER key DROP NOT NULL, ALTER secret DROP NOT NULL, ALTER signature DROP NOT NULL,
    ALTER digest DROP NOT NULL, ALTER snapshot DROP NOT NULL, ALTER segment DROP NOT NULL, ALTER size DROP NOT NULL, ALTER root DROP NOT NULL, ALTER previous DROP NOT NULL,
    ALTER manifest DROP NOT NULL, ALTER sealed_at DROP NOT NULL, ALTER timeline DROP NOT NULL;
    UPDATE toms.audit_block SET header = NULL, key = NULL, secret = NULL, signature = NULL, digest = NULL, snapshot = NULL, segment = NULL, size = NULL, root = NULL, previous = NULL, manifest = NULL,
    sealed_at = NULL, timeline = NULL$$) ORDER BY 1;
SELECT fault, block - :first - :block AS block, entry - :id AS entry FROM regress_audit.faults(format('ALTER TABLE toms.audit_entry ALTER verb DROP NOT NULL, ALTER xid DROP NOT NULL; UPDATE toms.audit_entry SET verb = NULL WHERE id = %s', :id));

--
-- A range of time
--
SELECT sealed_at AS since FROM toms.audit_block WHERE number = :first + 4 \gset
SELECT sealed_at AS until FROM toms.audit_block WHERE number = :first + 8 \gset
BEGIN;
SELECT regress_audit.tamper('DELETE FROM toms.audit_entry e USING regress_audit.held h WHERE e.id = h.id AND h.id IN (SELECT max(o.id) FROM regress_audit.held o GROUP BY o.block)');
SELECT DISTINCT block - :first AS block FROM toms.verify_audit() ORDER BY 1;
SELECT DISTINCT block - :first AS block FROM toms.verify_audit(since => :'since') ORDER BY 1;
SELECT DISTINCT block - :first AS block FROM toms.verify_audit(until => :'until') WHERE block >= :first ORDER BY 1;
SELECT DISTINCT block - :first AS block FROM toms.verify_audit(:'since', :'until') ORDER BY 1;
SELECT count(*) FROM toms.verify_audit(until => '2000-01-01');
SELECT count(*) FROM toms.verify_audit(since => '2100-01-01');
ROLLBACK;

--
-- In parallel
--
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT * FROM toms.verify_audit();
SELECT fault, block - :first - :block AS block, entry - :id AS entry FROM regress_audit.faults(format('UPDATE toms.audit_entry SET verb = ''x'' WHERE id = %s', :id));
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

--
-- Rewinds are signed off by officers
--
SELECT regress.verdict($$SELECT toms.acknowledge_rewind(1, 2, ' ')$$);
SELECT regress.verdict($$SELECT toms.acknowledge_rewind(2, 1, 'a test')$$);
SET SESSION AUTHORIZATION regress_stranger;
SELECT regress.verdict($$SELECT toms.acknowledge_rewind(1, 2, 'a test')$$);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.acknowledge_rewind(1, 2, 'a test');
RESET SESSION AUTHORIZATION;
SELECT from_block, to_block, line - (SELECT max(number) FROM toms.audit_block), by, reason FROM toms.audit_acknowledgement;
SELECT * FROM toms.verify_audit();
SELECT fault, block, to_block, detail FROM regress_audit.faults('UPDATE toms.audit_acknowledgement SET to_block = 200');
SELECT fault, block, to_block, detail FROM regress_audit.faults('UPDATE toms.audit_acknowledgement SET reason = ''another''');
SELECT fault, block, to_block, detail FROM regress_audit.faults('UPDATE toms.audit_acknowledgement SET key = ''\x'', signature = ''\x''');

-- an empty trail for the tests after this one
SELECT regress_audit.tamper('TRUNCATE toms.audit_entry, toms.audit_block, toms.audit_segment, toms.audit_pruned, toms.audit_acknowledgement, toms.dataset');
ALTER SYSTEM RESET toms.outside;
SELECT pg_reload_conf();
DROP SCHEMA regress_audit CASCADE;
