--
-- guard_leak: no function of an attacker ever gets to see a row it must not
--
-- The attacker writes a function that tells what it is given, and makes it so cheap that
-- the planner likes to call it before anything else.  In the forms below, those of
-- PostgreSQL's own tests of row security, the notices tell what reached it.  The promise:
-- acting as HR of acme it is shown rows of acme alone, acting as employee 17 those of
-- employee 17 alone.  globex's rows come first in the table, so a leak would show early.
--
\set SHOW_CONTEXT never
SELECT current_user AS superuser \gset
SET client_min_messages = warning;
CREATE ROLE regress_guard_attacker LOGIN IN ROLE regress_employee, regress_hr;
SELECT toms.allow_enter('regress_guard_attacker', '{acme,globex}', '{regress_employee,regress_hr}') IS NOT NULL AS allowed;
CREATE SCHEMA guard AUTHORIZATION regress_owner;
GRANT USAGE, CREATE ON SCHEMA guard TO regress_guard_attacker;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE guard.note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, said text, n integer DEFAULT 1);
INSERT INTO guard.note VALUES (3, 'globex', 17, 'globex 17'), (4, 'globex', 30, 'globex 30'), (1, 'acme', 17, 'acme 17'), (2, 'acme', 18, 'acme 18');
CREATE INDEX ON guard.note (said text_pattern_ops);
CREATE INDEX ON guard.note (tenant, employee);
CREATE TABLE guard.part (id integer, tenant text NOT NULL, employee integer NOT NULL, said text, n integer) PARTITION BY RANGE (id);
CREATE TABLE guard.part_low PARTITION OF guard.part FOR VALUES FROM (1) TO (3);
CREATE TABLE guard.part_high PARTITION OF guard.part FOR VALUES FROM (3) TO (9);
INSERT INTO guard.part VALUES (1, 'globex', 17, 'globex 17'), (3, 'globex', 30, 'globex 30'), (2, 'acme', 17, 'acme 17'), (4, 'acme', 18, 'acme 18');
CREATE TABLE guard.base (tenant text NOT NULL, employee integer NOT NULL, said text);
CREATE TABLE guard.heir () INHERITS (guard.base);
INSERT INTO guard.base VALUES ('globex', 17, 'globex 17'), ('acme', 17, 'acme 17');
INSERT INTO guard.heir VALUES ('globex', 30, 'globex 30'), ('acme', 18, 'acme 18');
CREATE VIEW guard.view AS SELECT * FROM guard.note;
CREATE VIEW guard.barrier_view WITH (security_barrier = true) AS SELECT * FROM guard.note WHERE n > 0 WITH CHECK OPTION;
CREATE VIEW guard.invoker_view WITH (security_invoker = true) AS SELECT * FROM guard.note;
CREATE TABLE guard.plain (employee integer PRIMARY KEY, said text);        -- not protected
INSERT INTO guard.plain VALUES (17, 'plain'), (18, 'plain');
GRANT ALL ON guard.view, guard.barrier_view, guard.invoker_view, guard.plain, guard.part_low, guard.part_high, guard.heir TO regress_guard_attacker;
RESET SESSION AUTHORIZATION;
SELECT count(toms.protect(t::regclass, tenant => 'tenant', subject => 'employee'))
FROM unnest('{guard.note,guard.part,guard.base}'::text[]) t;
SELECT count(toms.permit(role => r::regrole, relation => t::regclass, verbs => '{select,insert,update,delete}',
                         purposes => '{absence_management}', scope => CASE r WHEN 'regress_hr' THEN 'tenant' ELSE 'own' END))
FROM unnest('{guard.note,guard.part,guard.base}'::text[]) t, unnest('{regress_hr,regress_employee}'::text[]) r;

--
-- The attacker's tools: a function, an operator, a cast, a domain and an aggregate made of
-- it, a view and a function that call it
--
SET SESSION AUTHORIZATION regress_guard_attacker;
CREATE FUNCTION guard.f_leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 PARALLEL SAFE AS $$
BEGIN
    RAISE WARNING 'seen: %', $1;
    RETURN true;
END $$;
CREATE FUNCTION guard.op_leak(text, text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
    RAISE WARNING 'seen: % (%)', $1, $2;
    RETURN $1 < $2;
END $$;
CREATE OPERATOR guard.<<< (LEFTARG = text, RIGHTARG = text, FUNCTION = guard.op_leak, RESTRICT = scalarltsel, COMMUTATOR = OPERATOR(guard.>>>));
CREATE OPERATOR guard.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = guard.op_leak, RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE DOMAIN guard.leaking_domain AS text CHECK (guard.f_leak(VALUE));
CREATE TYPE guard.seen AS (said text);
CREATE FUNCTION guard.to_seen(text) RETURNS guard.seen LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
    RAISE WARNING 'seen: %', $1;
    RETURN row($1);
END $$;
CREATE CAST (text AS guard.seen) WITH FUNCTION guard.to_seen(text);
CREATE FUNCTION guard.keep(integer, text) RETURNS integer LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
    RAISE WARNING 'seen: %', $2;
    RETURN $1 + 1;
END $$;
CREATE AGGREGATE guard.leaking_count (text) (SFUNC = guard.keep, STYPE = integer, INITCOND = 0);
CREATE VIEW guard.attackers_view AS SELECT * FROM guard.note WHERE guard.f_leak(said);
CREATE FUNCTION guard.attackers_function() RETURNS SETOF guard.note LANGUAGE sql STABLE AS 'SELECT * FROM guard.note WHERE guard.f_leak(said)';
CREATE FUNCTION guard.leaking_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING 'seen: %', new.said;
    RETURN new;
END $$;
-- nor can it be declared leakproof by its owner
ALTER FUNCTION guard.f_leak(text) LEAKPROOF;                   -- refused by PostgreSQL
RESET SESSION AUTHORIZATION;
ANALYZE guard.note, guard.part, guard.base;

CREATE TABLE guard.form (n integer GENERATED ALWAYS AS IDENTITY, statement text);
GRANT SELECT ON guard.form TO regress_guard_attacker;
INSERT INTO guard.form (statement) VALUES
    -- where, in all places of a query
    ($$SELECT count(*) FROM guard.note WHERE guard.f_leak(said)$$),
    ($$SELECT count(*) FROM guard.note WHERE guard.f_leak(said) AND tenant = 'globex'$$),
    ($$SELECT count(*) FROM guard.note WHERE guard.f_leak(said) OR 1 = 1$$),
    ($$SELECT count(*) FROM guard.note WHERE NOT guard.f_leak(said)$$),
    ($$SELECT count(*) FROM guard.note WHERE guard.f_leak(note::text)$$),
    ($$SELECT count(guard.f_leak(said)) FROM guard.note$$),
    ($$SELECT count(*) FILTER (WHERE guard.f_leak(said)) FROM guard.note$$),
    ($$SELECT guard.leaking_count(said) FROM guard.note$$),
    ($$SELECT count(*) FROM (SELECT FROM guard.note GROUP BY guard.f_leak(said)) s$$),
    ($$SELECT count(*) FROM (SELECT FROM guard.note GROUP BY said HAVING guard.f_leak(said)) s$$),
    ($$SELECT count(*) FROM (SELECT FROM guard.note ORDER BY guard.f_leak(said), id) s$$),
    ($$SELECT count(*) FROM (SELECT sum(n) OVER (PARTITION BY guard.f_leak(said)) FROM guard.note) s$$),
    ($$SELECT count(*) FROM (SELECT DISTINCT guard.f_leak(said) FROM guard.note) s$$),
    ($$SELECT count(*) FROM (SELECT * FROM guard.note OFFSET 0) s WHERE guard.f_leak(said)$$),
    ($$SELECT count(*) FROM (SELECT * FROM guard.note WHERE guard.f_leak(said) LIMIT 100) s$$),
    ($$SELECT count(*) FROM guard.note TABLESAMPLE BERNOULLI (100) WHERE guard.f_leak(said)$$),
    ($$SELECT count(*) FROM (SELECT FROM guard.note WHERE guard.f_leak(said) FOR UPDATE) s$$),
    ($$SELECT count(*) FROM (SELECT FROM guard.note WHERE guard.f_leak(said) FOR SHARE) s$$),
    ($$SELECT count(*) FROM guard.note WHERE CASE WHEN guard.f_leak(said) THEN n > 0 END$$),
    -- common table expressions, sub-selects, set operations
    ($$WITH c AS (SELECT * FROM guard.note) SELECT count(*) FROM c WHERE guard.f_leak(said)$$),
    ($$WITH c AS MATERIALIZED (SELECT * FROM guard.note WHERE guard.f_leak(said)) SELECT count(*) FROM c$$),
    ($$SELECT count(*) FROM guard.plain p WHERE employee IN (SELECT employee FROM guard.note WHERE guard.f_leak(said))$$),
    ($$SELECT count(*) FROM guard.plain p WHERE EXISTS (SELECT FROM guard.note a WHERE a.employee = p.employee AND guard.f_leak(a.said))$$),
    ($$SELECT count(*) FROM guard.plain p WHERE (SELECT bool_and(guard.f_leak(a.said)) FROM guard.note a WHERE a.employee = p.employee)$$),
    ($$SELECT count(*) FROM guard.note WHERE id IN (SELECT id FROM guard.note WHERE guard.f_leak(said))$$),
    ($$SELECT count(*) FROM (SELECT said FROM guard.note UNION ALL SELECT said FROM guard.plain WHERE false) u WHERE guard.f_leak(said)$$),
    ($$SELECT count(*) FROM (SELECT said FROM guard.note EXCEPT SELECT said FROM guard.note WHERE guard.f_leak(said)) u$$),
    -- joins
    ($$SELECT count(*) FROM guard.note a JOIN guard.plain p ON a.employee = p.employee AND guard.f_leak(a.said)$$),
    ($$SELECT count(*) FROM guard.plain p LEFT JOIN guard.note a ON a.employee = p.employee AND guard.f_leak(a.said)$$),
    ($$SELECT count(*) FROM guard.note a FULL JOIN guard.note b ON a.id = b.id WHERE guard.f_leak(a.said)$$),
    ($$SELECT count(*) FROM guard.plain p, LATERAL (SELECT FROM guard.note a WHERE a.employee = p.employee AND guard.f_leak(a.said)) l$$),
    ($$SELECT count(*) FROM guard.note a JOIN guard.plain p ON a.said OPERATOR(guard.===) p.said WHERE p.employee = 17$$),
    ($$SELECT count(*) FROM guard.note a NATURAL JOIN guard.part p WHERE guard.f_leak(said)$$),
    -- views and functions
    ($$SELECT count(*) FROM guard.view WHERE guard.f_leak(said)$$),
    ($$SELECT count(*) FROM guard.barrier_view WHERE guard.f_leak(said)$$),
    ($$SELECT count(*) FROM guard.invoker_view WHERE guard.f_leak(said)$$),
    ($$SELECT count(*) FROM guard.attackers_view$$),
    ($$SELECT count(*) FROM guard.attackers_function()$$),
    -- partitions and children
    ($$SELECT count(*) FROM guard.part WHERE guard.f_leak(said)$$),
    ($$SELECT count(*) FROM guard.part_low WHERE guard.f_leak(said)$$),
    ($$SELECT count(*) FROM guard.part_high WHERE guard.f_leak(said)$$),
    ($$SELECT count(*) FROM guard.base WHERE guard.f_leak(said)$$),
    ($$SELECT count(*) FROM ONLY guard.base WHERE guard.f_leak(said)$$),
    ($$SELECT count(*) FROM guard.heir WHERE guard.f_leak(said)$$),
    -- operators, casts, domains
    ($$SELECT count(*) FROM guard.note WHERE said OPERATOR(guard.<<<) 'b'$$),
    ($$SELECT count(*) FROM guard.base WHERE said OPERATOR(guard.<<<) 'b'$$),
    ($$SELECT count(*) FROM guard.note WHERE said OPERATOR(guard.===) 'acme 18'$$),
    ($$SELECT count(*) FROM guard.note WHERE said::guard.seen IS NOT NULL$$),
    ($$SELECT count(*) FROM guard.note WHERE said::guard.leaking_domain IS NOT NULL$$),
    ($$SELECT count(*) FROM guard.note WHERE said OPERATOR(guard.===) ANY ('{b}')$$),
    -- errors instead of notices: division by zero, a number that is none.  The first is of
    -- globex's row 3, the second tells the value; so neither may come of a row of globex
    ($$SELECT count(*) FROM guard.note WHERE 1 / (id - 3) < 100$$),
    ($$SELECT count(*) FROM guard.note WHERE CASE tenant WHEN 'globex' THEN said::integer ELSE 1 END = 1$$),
    ($$SELECT count(*) FROM guard.note WHERE CASE tenant WHEN 'globex' THEN said::regclass::integer ELSE 1 END = 1$$),
    ($$SELECT count(*) FROM guard.note WHERE said LIKE 'globex%' AND 1 / (n - 1) = 1$$),
    ($$SELECT count(*) FROM guard.note WHERE said ~ '^globex' AND 1 / (n - 1) = 1$$),
    ($$SELECT count(*) FROM guard.note WHERE said LIKE 'globex%' AND guard.f_leak(said)$$),
    -- writing
    ($$INSERT INTO guard.plain SELECT id + 100, said FROM guard.note WHERE guard.f_leak(said)$$),
    ($$INSERT INTO guard.note VALUES (10, toms.current_tenant(), toms.current_subject()::integer, 'new') RETURNING guard.f_leak(said)$$),
    ($$INSERT INTO guard.note SELECT id, tenant, employee FROM guard.note ON CONFLICT (id) DO UPDATE SET n = 1 WHERE guard.f_leak(note.said)$$),
    ($$INSERT INTO guard.note SELECT id, tenant, employee FROM guard.note ON CONFLICT (id) DO UPDATE SET n = 1 RETURNING guard.f_leak(said)$$),
    ($$DELETE FROM guard.note WHERE id = 10$$),
    ($$UPDATE guard.note SET n = 1 WHERE guard.f_leak(said)$$),
    ($$UPDATE guard.note SET n = 1 WHERE true RETURNING guard.f_leak(said)$$),
    ($$UPDATE guard.note SET n = guard.keep(0, said) WHERE true$$),
    ($$UPDATE guard.view SET n = 1 WHERE guard.f_leak(said)$$),
    ($$UPDATE guard.barrier_view SET n = 1 WHERE guard.f_leak(said)$$),
    ($$UPDATE guard.part SET n = 1 WHERE guard.f_leak(said)$$),
    ($$UPDATE guard.base SET said = said WHERE guard.f_leak(said)$$),
    ($$UPDATE ONLY guard.base SET said = said WHERE guard.f_leak(said)$$),
    ($$UPDATE guard.note a SET n = 1 FROM guard.plain p WHERE a.employee = p.employee AND guard.f_leak(a.said)$$),
    ($$UPDATE guard.plain p SET said = 'plain' FROM guard.note a WHERE a.employee = p.employee AND guard.f_leak(a.said)$$),
    ($$WITH u AS (UPDATE guard.note SET n = 1 WHERE guard.f_leak(said) RETURNING *) SELECT count(*) FROM u$$),
    ($$MERGE INTO guard.note a USING guard.plain p ON a.employee = p.employee AND guard.f_leak(a.said) WHEN MATCHED THEN DO NOTHING$$),
    ($$MERGE INTO guard.note a USING guard.plain p ON a.employee = p.employee WHEN MATCHED AND guard.f_leak(a.said) THEN UPDATE SET n = 1$$),
    ($$DELETE FROM guard.note WHERE guard.f_leak(said) AND said LIKE '%nobody'$$),
    ($$DELETE FROM guard.note a USING guard.plain p WHERE a.employee = p.employee AND guard.f_leak(a.said) AND a.said LIKE '%nobody'$$),
    ($$DELETE FROM guard.barrier_view WHERE guard.f_leak(said) AND said LIKE '%nobody'$$),
    ($$DELETE FROM guard.part WHERE guard.f_leak(said) AND said LIKE '%nobody'$$);

--
-- As HR of acme: acme 17 and acme 18, never globex
--
SET SESSION AUTHORIZATION regress_guard_attacker;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
\pset format unaligned
\pset tuples_only on
SELECT statement FROM guard.form WHERE statement !~ 'VALUES \(10|id = 10' ORDER BY n \gexec
ROLLBACK;

--
-- As employee 17 of acme: acme 17, never a colleague, never globex, where there is a 17 too
--
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT statement FROM guard.form ORDER BY n \gexec
ROLLBACK;

--
-- By index, and in parallel workers
--
SET enable_seqscan = off;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT count(*) FROM guard.note WHERE said LIKE 'globex%' AND guard.f_leak(said);
SELECT count(*) FROM guard.note WHERE said ~>=~ 'a' AND guard.f_leak(said);
SELECT count(*) FROM guard.note WHERE id >= 0 AND guard.f_leak(said);
SELECT count(*) FROM guard.note WHERE tenant = 'globex' AND employee = 17 AND guard.f_leak(said);
SELECT count(*) FROM guard.note WHERE ctid = ANY ('{"(0,1)","(0,2)","(0,3)","(0,4)"}') AND guard.f_leak(said);
COMMIT;
RESET enable_seqscan;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 1;
SET parallel_leader_participation = off;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT count(*) FROM guard.note WHERE guard.f_leak(said);
COMMIT;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
RESET parallel_leader_participation;

--
-- Prepared once, executed in two contexts and in none, by the same plan
--
PREPARE leak (integer) AS SELECT count(*) FROM guard.note WHERE n >= $1 AND guard.f_leak(said);
SET plan_cache_mode = force_generic_plan;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
EXECUTE leak (0);
COMMIT;
BEGIN;
SELECT toms.enter('acme', '18', 'regress_employee', 'absence_management');
EXECUTE leak (0);
COMMIT;
EXECUTE leak (0);                                              -- refused, and nothing is leaked
RESET plan_cache_mode;
DEALLOCATE leak;

--
-- Cursors and EXPLAIN ANALYZE
--
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
DECLARE c CURSOR FOR SELECT said FROM guard.note WHERE guard.f_leak(said);
FETCH c;
MOVE ALL FROM c;
EXPLAIN (COSTS OFF) SELECT FROM guard.note WHERE said OPERATOR(guard.<<<) 'b';  -- ok: planning tries no operator on statistics
COMMIT;

--
-- Nor do the statistics of the columns, or a trigger, tell of others
--
SELECT count(*) FROM pg_stats WHERE schemaname = 'guard' AND tablename IN ('note', 'part', 'base', 'part_low', 'part_high', 'heir');
CREATE TRIGGER leaking BEFORE UPDATE ON guard.note FOR EACH ROW EXECUTE FUNCTION guard.leaking_trigger();  -- refused by PostgreSQL
CREATE INDEX ON guard.note (guard.f_leak(said));               -- refused by PostgreSQL
ALTER TABLE guard.note ADD CHECK (guard.f_leak(said));         -- refused by PostgreSQL
CREATE RULE leaking AS ON UPDATE TO guard.note DO ALSO SELECT guard.f_leak(old.said);  -- refused by PostgreSQL
CREATE POLICY leaking ON guard.note USING (guard.f_leak(said));  -- refused by PostgreSQL

--
-- Without a context nothing reaches it
--
SELECT count(*) FROM guard.note WHERE guard.f_leak(said);      -- refused
SELECT count(*) FROM guard.attackers_view;                     -- refused
RESET SESSION AUTHORIZATION;
SET toms.on_missing_context = 'empty';
SET SESSION AUTHORIZATION regress_guard_attacker;
SELECT count(*) FROM guard.note WHERE guard.f_leak(said);      -- ok: 0, and nothing is leaked
SELECT count(*) FROM guard.part WHERE guard.f_leak(said);      -- ok: 0
RESET SESSION AUTHORIZATION;
RESET toms.on_missing_context;

--
-- A policy of the application works underneath: it may call what it likes, it is asked
-- after the policies of toms and widens nothing
--
SET SESSION AUTHORIZATION regress_owner;
CREATE POLICY of_the_application ON guard.note USING (guard.f_leak(said));
SET SESSION AUTHORIZATION regress_guard_attacker;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
SELECT said FROM guard.note;
COMMIT;
RESET SESSION AUTHORIZATION;

-- clean up
\pset format aligned
\pset tuples_only off
SELECT toms.disallow_enter('regress_guard_attacker');
SET toms.reason = 'end of the test';
DROP SCHEMA guard CASCADE;
DROP ROLE regress_guard_attacker;
