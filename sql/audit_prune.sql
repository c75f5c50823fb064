--
-- audit_prune: periods, and what leaves the trail when they are over
--
-- Entries of past months are put into the trail as somebody does who knows his way around the guard.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SELECT current_database() AS before \gset
CREATE DATABASE regress_prune;
\c regress_prune
SET client_min_messages = error;
CREATE EXTENSION toms;
-- what is declared below would be entries of this month
ALTER TABLE toms.tenant DISABLE TRIGGER "~toms_declaration";
ALTER TABLE toms.audit_period DISABLE TRIGGER "~toms_declaration";
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
-- the worker looks at its start whether there is something to seal
DO $$
BEGIN
    FOR i IN 1..200 LOOP
        EXIT WHEN EXISTS (SELECT FROM toms.workers WHERE database = current_database() AND steps > 0);
        PERFORM pg_sleep(0.05);
    END LOOP;
END
$$;
INSERT INTO toms.audit_use VALUES (now());
-- the writer tells that it has started: in a block before those of this test
DO $$
BEGIN
    FOR i IN 1..200 LOOP
        EXIT WHEN EXISTS (SELECT FROM toms.audit_entry WHERE kind = 'a' AND verb = 'W');
        PERFORM pg_sleep(0.05);
    END LOOP;
END
$$;
SELECT toms.seal_audit();
CREATE SCHEMA regress;
CREATE FUNCTION regress.add(month date, n integer) RETURNS void LANGUAGE plpgsql SET allow_system_table_mods = on AS $$
DECLARE
    base bigint := toms.audit_number();
    use oid := 'toms.audit_use'::regclass;
BEGIN
    UPDATE pg_class SET relname = 'unused' WHERE oid = use;
    INSERT INTO toms.audit_entry
    SELECT base + i, month::timestamp AT TIME ZONE 'UTC' + i * interval '1 minute', pg_current_xact_id()::text::bigint, NULL, NULL, NULL, k, CASE k WHEN 'c' THEN 'i'::"char" ELSE '-' END,
        'acme', NULL, convert_to(format('{"n":%s}', i), 'UTF8')
    FROM generate_series(0, n - 1) i, LATERAL (SELECT CASE i % 5 WHEN 0 THEN 'w' WHEN 1 THEN 'o' ELSE 'c' END::"char" AS k) k;
    UPDATE pg_class SET relname = 'audit_use' WHERE oid = use;
END
$$;
CREATE FUNCTION regress.state(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
CREATE FUNCTION regress.trees() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('block %s of %s: %s', b.number, b.size, coalesce((SELECT string_agg(p.start || '+' || p.size, ' ' ORDER BY p.start) FROM toms.audit_pruned p WHERE p.block = b.number), 'whole'))
    FROM toms.audit_block b WHERE b.number > 1 ORDER BY b.number $$;

-- blocks in which months and kinds mix; one of a single month; one in which a month ends
SELECT regress.add('2020-01-01', 13), regress.add('2020-02-01', 7), regress.add('2020-01-20', 3);
SELECT toms.seal_audit();
SELECT regress.add('2020-02-10', 1);
SELECT toms.seal_audit();
SELECT regress.add('2020-02-20', 20);
SELECT regress.add('2020-03-01', 21);
SELECT toms.seal_audit();
SELECT regress.add(date_trunc('month', now())::date, 6);
SELECT regress.add('2020-02-25', 5);
SELECT toms.seal_audit();
SELECT toms.gather_audit_defaults();
SELECT * FROM regress.trees();
SELECT kind, month FROM toms.audit_partitions WHERE until < now() ORDER BY month, kind;
SELECT * FROM toms.verify_audit();

--
-- Periods
--
SELECT kind, keep, minimum, reason, set_by FROM toms.audit_periods ORDER BY kind;
SELECT toms.set_audit_period('change', '100 years', 'of this test');
SELECT toms.set_audit_period('change', '364 days', 'too short');
SELECT toms.set_audit_period('who', '3 years', 'not by itself');
SELECT toms.set_audit_period('all', '3 years', 'no such kind');
SELECT toms.set_audit_period('change', NULL, 'for ever');
SELECT toms.set_audit_period('change', '3 years', '');
SELECT kind, keep, minimum, reason, set_by = session_user FROM toms.audit_periods ORDER BY kind;
SELECT * FROM toms.prune_audit();                                       -- nothing is over
-- nobody takes a month out before, by no function and no statement
SELECT toms.prune_audit_partition('toms.audit_change_2020_01');
SELECT toms.prune_audit_partition('toms.audit_change_default');
SELECT toms.prune_audit_partition('toms.audit_block');
DROP TABLE toms.audit_change_2020_01;
DELETE FROM toms.audit_period;
SET ROLE toms_auditor;
SELECT * FROM toms.prune_audit();
SELECT toms.set_audit_period('change', '1 year', 'an auditor');
RESET ROLE;

--
-- Archives: the first month
--
SELECT * FROM toms.archive_audit('2020-02-01Z', 'archive');
SELECT regress.state($$SELECT * FROM toms.archive_audit('2020-02-01Z', current_setting('data_directory') || '/base/../base')$$);
SELECT * FROM toms.archive_audit('2020-02-01Z', '/nowhere');
SELECT * FROM toms.archive_audit('2020-02-01Z', NULL);
SELECT current_setting('data_directory') || '_archive' AS archive \gset
\set make 'mkdir -p ' :archive
COPY (SELECT WHERE false) TO PROGRAM :'make';
SET ROLE toms_operator;
SELECT * FROM toms.archive_audit('2020-02-01Z', :'archive');
RESET ROLE;
SELECT file = (SELECT id FROM toms.dataset) || '.' || partition || '.jsonl' AS named, partition FROM toms.archive_audit('2020-02-01Z', :'archive');
SELECT partition, substr(line, 1, 16), count(*) FROM (SELECT substring(f, 'audit_\w+') AS partition, regexp_split_to_table(rtrim(pg_read_file(:'archive' || '/' || f), E'\n'), E'\n') AS line
    FROM pg_ls_dir(:'archive') f) l GROUP BY 1, 2 ORDER BY 1, 2 DESC;
SELECT * FROM regress.trees();
SELECT * FROM toms.verify_audit();

--
-- Pruned: what is over
--
SELECT toms.set_audit_period('change', age(now(), '2020-03-15Z'), 'until February');
-- what toms may do to the trail meanwhile ends with an error
BEGIN;
CREATE VIEW regress.february AS SELECT * FROM toms.audit_change_2020_02;
SELECT regress.state('SELECT toms.prune_audit()'), regress.state('DELETE FROM toms.audit_change_2020_02');
ROLLBACK;
SELECT * FROM toms.prune_audit();
SELECT * FROM regress.trees();
SELECT * FROM toms.verify_audit();
SELECT toms.set_audit_period('change', '3 years', 'as ever');
SELECT toms.maintain_audit();
SELECT kind, count(*) FROM toms.audit_partitions WHERE until < now() GROUP BY kind;
SELECT * FROM regress.trees();
SELECT * FROM toms.verify_audit();
SELECT id, partition, entries, record::json ->> 'from' AS from, record::json ->> 'to' AS to, record::json ->> 'archive' IS NOT NULL AS archived, length(key), length(signature) FROM toms.audit_pruning ORDER BY id;
SELECT json_object_keys(record::json) FROM toms.audit_pruning WHERE id = 1;
-- whoever makes entries vanish and says that they were pruned has no signature for it
CREATE FUNCTION regress.found(statement text) RETURNS SETOF text LANGUAGE plpgsql SET allow_system_table_mods = on SET session_replication_role = replica AS $$
DECLARE
    faults text[];
BEGIN
    UPDATE pg_class SET relname = 'unused' WHERE oid = 'toms.audit_use'::regclass;
    EXECUTE statement;
    UPDATE pg_class SET relname = 'audit_use' WHERE relname = 'unused';
    faults := ARRAY(SELECT fault || ': ' || detail FROM toms.verify_audit() WHERE fault ~ 'pruning|missing');
    RAISE EXCEPTION USING ERRCODE = 'TM001';
EXCEPTION WHEN SQLSTATE 'TM001' THEN
    RETURN QUERY SELECT unnest(faults);
END
$$;
SELECT regress.found($$UPDATE toms.audit_pruning SET record = replace(record, '"entries":', '"entries":1') WHERE id = 1$$);
SELECT regress.found($$UPDATE toms.audit_pruning SET signature = '\x' WHERE id = 1$$);
SELECT regress.found($$UPDATE toms.audit_pruning SET key = sha256(key) WHERE id = 1$$);
SELECT regress.found($$DELETE FROM toms.audit_pruning$$);
SELECT * FROM toms.prune_audit();

-- Reads, refusals, log-ins and administrators' work have periods of their own
SELECT toms.set_audit_period('session', '29 days', 'too short');
SELECT toms.set_audit_period('session', '30 days', 'of this test');
SELECT toms.set_audit_period('refusal', '89 days', 'too short'), toms.set_audit_period('refusal', '90 days', 'of this test');
SELECT toms.set_audit_period('read', '364 days', 'too short');
SELECT toms.set_audit_period('admin', '364 days', 'too short');
SELECT toms.set_audit_period('refusal', '1 year', 'as ever');
SET allow_system_table_mods = true;
UPDATE pg_class SET relname = 'unused' WHERE oid = 'toms.audit_use'::regclass;
INSERT INTO toms.audit_entry (id, at, xid, kind, verb)
SELECT toms.audit_number(), date_trunc('month', now()) - m * interval '1 month' + interval '2 days', pg_current_xact_id()::text::bigint, k, CASE k WHEN 'r' THEN 'v' WHEN 'x' THEN 'r' WHEN 's' THEN 'l' ELSE 'D' END::"char"
FROM unnest('{8,20}'::integer[]) m, unnest('{r,x,s,a}'::"char"[]) k;
UPDATE pg_class SET relname = 'audit_use' WHERE relname = 'unused';
RESET allow_system_table_mods;
SELECT toms.seal_audit() > 0;
SELECT toms.gather_audit_defaults();
SELECT kind, count(*) FROM toms.audit_partitions WHERE until < now() - interval '5 months' GROUP BY kind ORDER BY kind;
SELECT regexp_replace(partition, '_\d.*', ''), entries FROM toms.prune_audit();
SELECT kind, count(*) FROM toms.audit_partitions WHERE until < now() - interval '5 months' GROUP BY kind ORDER BY kind;
SELECT * FROM toms.verify_audit();

--
-- What is not as it was sealed is not pruned, nor what was not sealed
--
SELECT regress.add('2020-04-01', 5);
SELECT toms.gather_audit_defaults();
SELECT * FROM toms.prune_audit();
SELECT toms.seal_audit();
SET allow_system_table_mods = true;
UPDATE pg_class SET relname = 'unused' WHERE oid = 'toms.audit_use'::regclass;
INSERT INTO toms.audit_entry (id, at, xid, kind, verb) SELECT id + 3, at, xid, kind, verb FROM toms.audit_change_2020_04 LIMIT 1;
UPDATE pg_class SET relname = 'audit_use' WHERE relname = 'unused';
RESET allow_system_table_mods;
SELECT * FROM toms.prune_audit();
SELECT * FROM toms.archive_audit('2021-01-01Z', :'archive');
SELECT count(*) FROM pg_ls_dir(:'archive') f WHERE f ~ 'tmp$';
SET client_min_messages = warning;
SELECT toms.maintain_audit();

--
-- Keys go when no entry can be left for them
--
INSERT INTO toms.data_key SELECT n, 'acme', 'x' || n, 'toms.audit_entry', date_trunc('month', now()) - n * interval '1 month', gen_random_uuid(), '\x00', now() FROM generate_series(36, 42) n;
SELECT toms.bury_audit_keys();
SELECT id, destroyed_at IS NOT NULL FROM toms.data_key ORDER BY id;
SELECT toms.destroy_unused_keys('toms.audit_entry');

\set make 'rm -r ' :archive
COPY (SELECT WHERE false) TO PROGRAM :'make';
\c :before
DROP DATABASE regress_prune;
