--
-- audit_block: entries of the trail are closed into signed blocks, each in exactly one
--
-- The entries are made here, by hand: what a statement leaves in the trail is tested elsewhere.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
CREATE SCHEMA regress_audit;

-- tamper(statement) runs a statement on the trail that nobody may run, not even a superuser
CREATE FUNCTION regress_audit.tamper(statement text) RETURNS void LANGUAGE plpgsql
SET allow_system_table_mods = on SET session_replication_role = replica AS $$
DECLARE
    use oid := 'toms.audit_use'::regclass;
BEGIN
    UPDATE pg_class SET relname = 'audit_use_away' WHERE oid = use;
    EXECUTE statement;
    UPDATE pg_class SET relname = 'audit_use' WHERE oid = use;
END
$$;

-- add(n, kind, xid) adds entries, as of this transaction or another one; the number of the first
CREATE FUNCTION regress_audit.add(n bigint, kind "char" DEFAULT 'c', xid bigint DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    first bigint := toms.audit_number();
BEGIN
    PERFORM regress_audit.tamper(format(
        $add$INSERT INTO toms.audit_entry
             SELECT %1$s + i, clock_timestamp(), %2$s, CASE %3$L WHEN 'c' THEN 1024 END, NULL, NULL, %3$L, CASE %3$L WHEN 'c' THEN 'i' ELSE '-' END::"char",
                    'acme', NULL, convert_to('payload ' || i, 'UTF8')
             FROM generate_series(0, %4$s - 1) i$add$, first, coalesce(xid, pg_current_xact_id()::text::bigint), kind, n));
    RETURN first;
END
$$;

-- whatever the clock says, no number is given twice
SELECT count(DISTINCT toms.audit_number()) FROM generate_series(1, 100000);

--
-- The tree: test vectors of RFC 6962's reference implementation, of 0 to 8 leaves
--
CREATE TABLE regress_audit.leaf AS
    SELECT n, sha256('\x00' || data) AS hash
    FROM unnest('{"", "\\x00", "\\x10", "\\x2021", "\\x3031", "\\x40414243", "\\x5051525354555657", "\\x606162636465666768696a6b6c6d6e6f"}'::bytea[])
         WITH ORDINALITY AS l(data, n);
SELECT n, encode(toms.tree_root((SELECT coalesce(array_agg(hash ORDER BY l.n), '{}') FROM regress_audit.leaf l WHERE l.n <= s.n), array_fill(1::bigint, ARRAY[s.n])), 'hex')
FROM generate_series(0, 8) s(n);
-- whole subtrees, and one at the end that is not, give the same root
CREATE FUNCTION regress_audit.subtree(first integer, last integer) RETURNS bytea LANGUAGE sql AS
    $$ SELECT toms.tree_root(array_agg(hash ORDER BY n), array_agg(1::bigint)) FROM regress_audit.leaf WHERE n BETWEEN first AND last $$;
SELECT regress_audit.subtree(1, 7) = toms.tree_root(ARRAY[regress_audit.subtree(1, 4), regress_audit.subtree(5, 7)], '{4,3}') AS end_is_not_whole,
       regress_audit.subtree(1, 7) = toms.tree_root(ARRAY[regress_audit.subtree(1, 1), regress_audit.subtree(2, 2), regress_audit.subtree(3, 4), regress_audit.subtree(5, 6), regress_audit.subtree(7, 7)], '{1,1,2,2,1}') AS all_are_whole,
       regress_audit.subtree(1, 7) = toms.tree_root(ARRAY[regress_audit.subtree(1, 7)], '{7}') AS is_one;
-- others have no place there
SELECT toms.tree_root(ARRAY[regress_audit.subtree(1, 1), regress_audit.subtree(2, 3)], '{1,2}'),
       toms.tree_root(ARRAY[regress_audit.subtree(1, 3), regress_audit.subtree(4, 4)], '{3,1}'),
       toms.tree_root(ARRAY[regress_audit.subtree(1, 1)], '{0}'), toms.tree_root(ARRAY[regress_audit.subtree(1, 1)], '{-1}');

--
-- Blocks
--
SELECT count(toms.seal_audit()) < 2 AS what_there_was_before;
SELECT regress_audit.add(1) > 0;
SELECT toms.seal_audit() AS first \gset
SELECT toms.seal_audit() - :first AS nothing_to_seal;
SELECT regress_audit.add(3) > 0, regress_audit.add(2, 'w') > 0, regress_audit.add(1, 'o') > 0;
SELECT toms.seal_audit() - :first;
SELECT size, length(root), length(secret), length(key), length(signature), digest = sha256(header), previous = lag(digest) OVER (ORDER BY number)
FROM toms.audit_block WHERE number >= :first ORDER BY number;
-- the manifest has an entry's kind where it changes; numbers that follow each other take a byte
SELECT substr(manifest, 1, 2), substr(manifest, length(manifest) - 4, 1) FROM toms.audit_block ORDER BY number DESC LIMIT 1;

-- what is not committed is sealed when it is; nothing waits for it
BEGIN;
SELECT regress_audit.add(10) > 0;
SELECT toms.seal_audit() - :first AS is_not_in_it;
COMMIT;
SELECT toms.seal_audit() - :first AS is_in_it;
SELECT size FROM toms.audit_block ORDER BY number DESC LIMIT 1;

-- what was rolled back never was
BEGIN;
SELECT regress_audit.add(10) > 0;
SAVEPOINT s;
SELECT regress_audit.add(5) > 0;
ROLLBACK TO s;
SELECT regress_audit.add(1) > 0;
COMMIT;
SELECT toms.seal_audit() - :first;
SELECT size FROM toms.audit_block ORDER BY number DESC LIMIT 1;

-- numbers that were never given out, and transactions that there has not been, are in no block
SELECT regress_audit.tamper('INSERT INTO toms.audit_entry (id, at, xid, kind, verb) SELECT id, now(), xid, ''c'', ''i''
                             FROM (VALUES (0, 700), (-1, 700), (9223372036854775807, 700), (17, 9223372036854775807), (18, -1)) v(id, xid)');
SELECT toms.seal_audit() - :first;
SELECT fault, CASE WHEN entry < 9223372036854775807 THEN block - :first END AS block, entry FROM toms.verify_audit() ORDER BY entry;      -- it warns: there is no log outside
SET client_min_messages = error;
SELECT regress_audit.tamper('DELETE FROM toms.audit_entry WHERE id < 1024 OR xid < 0 OR id = 9223372036854775807');

-- the same entry twice before it is sealed is sealed once, and found
SELECT regress_audit.add(2) AS id \gset
SELECT regress_audit.tamper(format('INSERT INTO toms.audit_entry SELECT * FROM toms.audit_entry WHERE id = %s', :id));
SELECT toms.seal_audit() - :first AS n \gset
SELECT size - (SELECT count(*) FROM toms.audit_entry e WHERE e.kind <> 'c' AND toms.audit_block_of(e.id, e.xid, NULL) = b.number)      -- that we read the trail is told, too
FROM toms.audit_block b ORDER BY number DESC LIMIT 1;
SELECT fault, block - :first - :n, entry - :id FROM toms.verify_audit();
SELECT regress_audit.tamper(format('DELETE FROM toms.audit_entry WHERE ctid = (SELECT max(ctid) FROM toms.audit_entry WHERE id = %1$s) AND id = %1$s', :id));
SELECT * FROM toms.verify_audit();

--
-- Who may seal and verify
--
SELECT r, has_function_privilege(r, 'toms.seal_audit()', 'EXECUTE') AS seal, has_function_privilege(r, 'toms.verify_audit(timestamptz, timestamptz)', 'EXECUTE') AS verify,
       has_function_privilege(r, 'toms.acknowledge_rewind(bigint, bigint, text)', 'EXECUTE') AS acknowledge
FROM unnest('{toms_admin,toms_auditor,toms_operator,regress_app}'::name[]) r;
SET SESSION AUTHORIZATION regress_officer;
SELECT count(*) FROM toms.verify_audit();
SELECT toms.seal_audit() > 0;
RESET SESSION AUTHORIZATION;

-- without a keyring nothing is sealed, and nothing is lost
SELECT regress_audit.add(1) > 0;
ALTER SYSTEM SET toms.keyring = '';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT toms.seal_audit();
SELECT current_setting('data_directory') || '_toms_keyring' AS keyring \gset
ALTER SYSTEM SET toms.keyring = :'keyring';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT toms.seal_audit() > :first;
SELECT * FROM toms.verify_audit();

-- garbage instead of a map
SELECT regress.verdict(format('SELECT toms.audit_leaf(%s, 1, now(), 1, 1, 1, 1, ''c'', ''i'', '''', '''', '''')', m))
FROM unnest('{"NULL","''\\x''","''\\x00''","decode(repeat(''ff'', 100), ''hex'')","decode(repeat(''00'', 60), ''hex'')","decode(repeat(''01'', 2000), ''hex'')"}'::text[]) m;

-- an empty trail for the tests after this one, of which no process knows entries
SELECT regress_audit.tamper('TRUNCATE toms.audit_entry, toms.audit_block, toms.audit_segment, toms.audit_pruned, toms.audit_acknowledgement, toms.dataset');
SELECT count(pg_terminate_backend(pid, 5000)) > 0 FROM pg_stat_activity WHERE backend_type LIKE 'toms w%' AND datname = current_database();
