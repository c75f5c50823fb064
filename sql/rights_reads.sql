--
-- rights_reads: what an erasure reads grows with the person's rows, not with the tables'
--
-- Ten tables with foreign keys, of two of which rows are persons' by their parent rows, and a partitioned one; each has 20,000 rows,
-- of which 40 are the person's.  Counted are the rows that PostgreSQL took from tables and indexes meanwhile.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = error;
CREATE SCHEMA many AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE many.person (tenant text NOT NULL, who integer NOT NULL, PRIMARY KEY (tenant, who));
INSERT INTO many.person SELECT 'acme', n FROM generate_series(1, 500) n;
DO $$BEGIN
    FOR i IN 1 .. 8 LOOP
        EXECUTE format('CREATE TABLE many.t%s (id integer PRIMARY KEY, tenant text NOT NULL, who integer NOT NULL, up integer, words text, FOREIGN KEY (tenant, who) REFERENCES many.person) %s',
                       i, CASE i WHEN 8 THEN 'PARTITION BY HASH (id)' END);
        IF i = 8 THEN
            EXECUTE 'CREATE TABLE many.t8_0 PARTITION OF many.t8 FOR VALUES WITH (MODULUS 2, REMAINDER 0)';
            EXECUTE 'CREATE TABLE many.t8_1 PARTITION OF many.t8 FOR VALUES WITH (MODULUS 2, REMAINDER 1)';
        END IF;
        EXECUTE format('INSERT INTO many.t%s SELECT n, ''acme'', n %% 500 + 1, CASE WHEN n > 500 THEN n - 500 END, md5(n::text) FROM generate_series(1, 20000) n', i);
        EXECUTE format('CREATE INDEX ON many.t%s (tenant, who)', i);
        IF i < 3 THEN       -- a row refers to the person's one before
            EXECUTE format('ALTER TABLE many.t%1$s ADD FOREIGN KEY (up) REFERENCES many.t%1$s', i);
            EXECUTE format('CREATE INDEX ON many.t%s (up)', i);
            EXECUTE format('CREATE TABLE many.line%1$s (id integer PRIMARY KEY, t integer NOT NULL REFERENCES many.t%1$s, words text)', i);
            EXECUTE format('INSERT INTO many.line%1$s SELECT id, id, words FROM many.t%1$s', i);
            EXECUTE format('CREATE INDEX ON many.line%s (t)', i);
        END IF;
    END LOOP;
END$$;
RESET SESSION AUTHORIZATION;
ANALYZE;
SELECT toms.protect(t, tenant => 'tenant', subject => 'who') FROM unnest(ARRAY['many.person', 'many.t1', 'many.t2', 'many.t3', 'many.t4', 'many.t5', 'many.t6', 'many.t7', 'many.t8']::regclass[]) t;
SELECT toms.protect('many.line1', parent => 'many.t1', parent_key => 't'), toms.protect('many.line2', parent => 'many.t2', parent_key => 't');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('acme', 'erase', given_by => 'acme', wording => 'erase', subject => '17') AS erase \gset
SELECT toms.confirm_instruction(:erase);
BEGIN;
SELECT sum(deleted) AS rows FROM toms.erase_subject('acme', '17', :erase) \gset
RESET SESSION AUTHORIZATION;
SELECT :rows AS deleted;
SELECT c.relname, sum(pg_stat_get_xact_tuples_returned(o) + pg_stat_get_xact_tuples_fetched(o)) AS read
FROM pg_class c, LATERAL (SELECT c.oid UNION ALL SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = c.oid) s (o)
WHERE c.relnamespace = 'many'::regnamespace AND c.relkind = 'r' GROUP BY 1
HAVING sum(pg_stat_get_xact_tuples_returned(o) + pg_stat_get_xact_tuples_fetched(o)) > 40 * 40
ORDER BY 1;
SELECT count(*) AS scans FROM pg_class c WHERE c.relnamespace = 'many'::regnamespace AND c.relkind = 'r' AND c.relname <> 'person' AND pg_stat_get_xact_numscans(c.oid) > 0;
COMMIT;

-- clean up
SET toms.reason = 'end of the test';
DROP SCHEMA many CASCADE;
DELETE FROM toms.erasure;
TRUNCATE toms.ledger;
DELETE FROM toms.instruction_event WHERE instruction = :erase;
DELETE FROM toms.instruction WHERE id = :erase;
