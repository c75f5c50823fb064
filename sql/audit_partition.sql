--
-- audit_partition: a table for each kind and month
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SELECT current_database() AS before \gset
CREATE DATABASE regress_partition;
\c regress_partition
SET client_min_messages = warning;
-- privileges that new tables would get do not reach them
CREATE ROLE regress_reader;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO regress_reader;
ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO PUBLIC;
CREATE EXTENSION toms;
-- a statement on the trail that nobody may run once it is in use, be it that somebody has logged in meanwhile
CREATE FUNCTION pg_temp.tamper(statement text) RETURNS void LANGUAGE plpgsql SET allow_system_table_mods = on AS $$
DECLARE
    use oid := 'toms.audit_use'::regclass;
BEGIN
    UPDATE pg_class SET relname = 'audit_use_away' WHERE oid = use;
    EXECUTE statement;
    UPDATE pg_class SET relname = 'audit_use' WHERE oid = use;
END
$$;

-- this month and three ahead, for each kind
SELECT kind, count(*), min(month) = date_trunc('month', now() AT TIME ZONE 'UTC') AS from_now,
       max(month) = date_trunc('month', now() AT TIME ZONE 'UTC') + interval '3 months' AS ahead
FROM toms.audit_partitions GROUP BY kind ORDER BY kind;
SELECT count(*) FROM toms.audit_partitions p WHERE p.partition <> format('audit_%s_%s', p.kind, to_char(p.month, 'YYYY_MM'));
-- they are in UTC whatever the session's time zone
SET timezone = 'Pacific/Kiritimati';
SELECT toms.make_audit_partitions(4);
RESET timezone;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT DISTINCT pg_get_expr(c.relpartbound, c.oid) LIKE 'FOR VALUES FROM (''20__-__-01 00:00:00+00'') TO (''20__-__-01 00:00:00+00'')'
FROM toms.audit_partitions p JOIN pg_class c ON c.oid = ('toms.' || p.partition)::regclass;
RESET timezone;
-- indexes, privileges, and no membership of the extension, which would keep them from dumps
SELECT DISTINCT p.kind, array_agg(i.relname::text || ' ' || a.amname ORDER BY i.relname) = CASE p.kind WHEN 'who' THEN ARRAY[p.partition || '_id btree', p.partition || '_order brin']
       WHEN 'object' THEN ARRAY[p.partition || '_id btree', p.partition || '_order brin', p.partition || '_table btree']
       ELSE ARRAY[p.partition || '_order brin'] END
FROM toms.audit_partitions p JOIN pg_index x ON x.indrelid = ('toms.' || p.partition)::regclass JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am a ON a.oid = i.relam
GROUP BY p.kind, p.partition ORDER BY 1;
SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a WHERE c.relname ~ '^audit_.*\d' AND a.grantee <> c.relowner;
SELECT count(*) FROM pg_depend d JOIN toms.audit_partitions p ON d.objid = ('toms.' || p.partition)::regclass WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e';

-- again: there is nothing to do
SELECT toms.make_audit_partitions(4), toms.make_audit_partitions();
SELECT toms.make_audit_partitions(5);
SELECT toms.make_audit_partitions(-1);
SELECT toms.make_audit_partitions(NULL);

-- entries for which there is no partition wait in the default one and are moved
SELECT pg_temp.tamper($$INSERT INTO toms.audit_entry (id, at, xid, kind, verb)
SELECT 10 + n, date_trunc('month', now()) + n * interval '20 days', 700, 'c', 'i' FROM generate_series(0, 12) n$$);
SELECT pg_temp.tamper($$INSERT INTO toms.audit_entry (id, at, xid, kind, verb) VALUES (30, '2020-02-29 23:59:59.999999Z', 700, 'c', 'i'), (31, '2020-03-01Z', 701, 'c', 'd'), (32, '2020-03-01Z', 701, 'w', '-'), (34, '2020-03-01Z', 701, 'r', 'v'), (35, '2020-03-01Z', 701, 's', 'l')$$);
CREATE FUNCTION pg_temp.lies(OUT id bigint, OUT lies text) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT e.id, CASE WHEN e.tableoid::regclass::text LIKE '%default' THEN 'default' ELSE 'month' END FROM toms.audit_entry e WHERE e.id < 100 $$;
SELECT lies, count(*) FROM pg_temp.lies() GROUP BY lies ORDER BY lies;
SELECT toms.make_audit_partitions(8);
SELECT lies, count(*) FROM pg_temp.lies() GROUP BY lies ORDER BY lies;
-- months that are over
SELECT toms.gather_audit_defaults();
SELECT lies, count(*) FROM pg_temp.lies() GROUP BY lies ORDER BY lies;
SELECT kind, partition FROM toms.audit_partitions WHERE month < now() - interval '1 month' ORDER BY 1, 2;
SELECT tableoid::regclass, id FROM toms.audit_entry WHERE at < '2020-04-01' ORDER BY id;
-- one that came to the default partition meanwhile
SELECT pg_temp.tamper($$ALTER TABLE toms.audit_change DETACH PARTITION toms.audit_change_2020_03$$);
SELECT pg_temp.tamper($$INSERT INTO toms.audit_entry (id, at, xid, kind, verb) VALUES (33, '2020-03-02Z', 702, 'c', 'i')$$);
SELECT toms.gather_audit_defaults();
SELECT tableoid::regclass, id FROM toms.audit_change WHERE id IN (31, 33) UNION ALL SELECT tableoid::regclass, id FROM toms.audit_change_2020_03 ORDER BY id;
SELECT pg_temp.tamper($$DELETE FROM toms.audit_change WHERE id = 33$$);
SELECT pg_temp.tamper($$ALTER TABLE toms.audit_change ATTACH PARTITION toms.audit_change_2020_03 FOR VALUES FROM ('2020-03-01 00:00Z') TO ('2020-04-01 00:00Z')$$);
-- months that are over are indexed for data subjects, once
SELECT toms.index_audit(), toms.index_audit();
SELECT indexrelid::regclass FROM pg_index WHERE indexrelid::regclass::text ~ 'toms.audit.*\d_key' ORDER BY indexrelid::regclass::text;

-- queries see what they need of it
SET timezone = 'UTC';
EXPLAIN (COSTS OFF) SELECT * FROM toms.audit_entry WHERE kind = 'c' AND at >= '2020-03-01Z' AND at < '2020-03-02Z';

-- who may
GRANT USAGE ON SCHEMA toms TO regress_reader;
SET ROLE regress_reader;
SELECT toms.make_audit_partitions(12);
SELECT count(*) FROM toms.audit_partitions;
SELECT count(*) FROM toms.audit_entry;
SELECT count(*) FROM toms.audit_block;
RESET ROLE;
SET ROLE toms_operator;
SELECT toms.make_audit_partitions(12) > 0, count(*) > 0 FROM toms.audit_partitions;
SELECT count(*) FROM toms.audit_entry;
RESET ROLE;

-- in a tablespace, where it is there
SET allow_in_place_tablespaces = true;
CREATE TABLESPACE regress_trail LOCATION '';
ALTER SYSTEM SET toms.audit_tablespace = 'regress_trail';
SELECT pg_reload_conf();
SELECT pg_sleep(0.3);
SELECT toms.make_audit_partitions(13);
SELECT c.relname ~ '^audit_\w+_\d{4}_\d\d', t.spcname, count(*) FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE c.relname LIKE 'audit%' GROUP BY 1, 2;
ALTER SYSTEM SET toms.audit_tablespace = 'nowhere';
SELECT pg_reload_conf();
SELECT pg_sleep(0.3);
SELECT toms.make_audit_partitions(14);
ALTER SYSTEM RESET toms.audit_tablespace;
SELECT pg_reload_conf();

-- the extension takes all of it along
DROP EXTENSION toms;
SELECT count(*) FROM pg_class WHERE relname LIKE 'audit\_%';
\c :before
DROP DATABASE regress_partition;
DROP TABLESPACE regress_trail;
DROP ROLE regress_reader;
