--
-- guard_order: no condition of a query is evaluated before the policies and tells of hidden rows
--
-- PostgreSQL evaluates a cheap condition before a policy if no function in it that could tell
-- something gets a column.  Whether such a function is reached can hang on a column all the
-- same, and what it does outlives the query: a lock, an error.
--
\set SHOW_CONTEXT never
SELECT current_user AS superuser \gset
CREATE SCHEMA ord AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA ord TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE ord.person (id int PRIMARY KEY, tenant_id text NOT NULL, email text NOT NULL, n int, a text COLLATE "C", b text COLLATE "POSIX");
CREATE INDEX ON ord.person (email);
CREATE TABLE ord.visit (id int PRIMARY KEY, person int NOT NULL REFERENCES ord.person, email text NOT NULL, n int);
CREATE INDEX ON ord.visit (email);
INSERT INTO ord.person SELECT i, 'acme', 'staff' || i || '@acme', i, 'x', 'x' FROM generate_series(1, 2000) i;
INSERT INTO ord.person VALUES (3000, 'globex', 'boss@globex', 7, 'x', 'x');
INSERT INTO ord.visit SELECT i, i, 'staff' || i || '@acme', i FROM generate_series(1, 2000) i;
INSERT INTO ord.visit VALUES (3000, 3000, 'boss@globex', 7);
CREATE TABLE ord.known AS SELECT 3000 AS id, 1 AS x;        -- the caller's own, not protected
GRANT SELECT ON ord.known TO PUBLIC;
ANALYZE ord.person, ord.visit, ord.known;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('ord.person', tenant => 'tenant_id');
SELECT toms.protect('ord.visit', parent => 'ord.person', parent_key => 'person');
SELECT toms.permit('regress_hr', t, '{select}', '{audit}', scope => 'tenant') > 0 AS permitted FROM unnest('{ord.person,ord.visit}'::regclass[]) t;
RESET SESSION AUTHORIZATION;

-- the locks that a query of acme's has left behind: none, whatever globex has
CREATE FUNCTION regress.locks_after(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    taken text;
BEGIN
    EXECUTE statement;
    SELECT string_agg(objid::text, ',') INTO taken FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
    RETURN coalesce('locks ' || taken, 'nothing');
EXCEPTION WHEN OTHERS THEN
    RETURN 'error: ' || SQLERRM;
END
$$;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
-- is there such a person anywhere?
SELECT regress.locks_after($$SELECT count(*) FROM ord.person WHERE email = 'boss@globex' AND pg_try_advisory_xact_lock_shared(42)$$);
-- what does he earn?
SELECT regress.locks_after($$SELECT count(*) FROM ord.person WHERE email = 'boss@globex' AND CASE WHEN n = 7 THEN pg_try_advisory_xact_lock_shared(44) END$$);
SELECT regress.locks_after($$SELECT count(*) FROM ord.visit WHERE email = 'boss@globex' AND CASE WHEN n = 7 THEN pg_try_advisory_xact_lock_shared(45) END$$);
SELECT regress.locks_after($$SELECT count(*) FROM ord.person p JOIN ord.visit v ON v.id = p.id AND CASE WHEN p.n = v.n THEN pg_try_advisory_xact_lock_shared(46) END WHERE p.email = 'boss@globex'$$);
-- by a sub-select, which is run when a row first reaches it
SELECT regress.locks_after($$SELECT count(*) FROM ord.person WHERE email = 'boss@globex' AND (n = 7) = (SELECT pg_try_advisory_xact_lock_shared(48))$$);
SELECT regress.locks_after($$SELECT count(*) FROM ord.person WHERE email = 'boss@globex' AND CASE WHEN n = 7 THEN (SELECT pg_try_advisory_xact_lock_shared(49)) END$$);
-- by a minimum that is found by index
SELECT regress.locks_after($$SELECT min(email) FROM ord.person WHERE CASE WHEN n = 7 AND tenant_id = 'globex' THEN pg_try_advisory_xact_lock_shared(50) ELSE true END AND email > 'b'$$);
-- by an array of the wrong shape
SELECT regress.locks_after($$SELECT count(*) FROM ord.person WHERE email = 'boss@globex' AND CASE WHEN n = 7 THEN ARRAY[ARRAY[id], ARRAY[id, id]] IS NULL END$$);
-- by an equality with a column that the policy compares
SELECT regress.locks_after($$SELECT count(*) FROM ord.person WHERE email = 'boss@globex' AND tenant_id = CASE WHEN n = 7 THEN current_setting('no.such') ELSE 'acme' END$$);
-- by a comparison whose type the caller has made
CREATE TYPE pg_temp.pair AS (a json, b int);
CREATE TYPE pg_temp.span AS RANGE (subtype = pg_temp.pair);
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE greater(pg_temp.span, pg_temp.span, int) AS SELECT count(*) FROM ord.person WHERE email = 'boss@globex' AND CASE WHEN n = $3 THEN GREATEST($1, $2) IS NULL END;
SELECT regress.locks_after($$EXECUTE greater(pg_temp.span(ROW('1', 2)::pg_temp.pair, NULL), pg_temp.span(ROW('1', 3)::pg_temp.pair, NULL), 7)$$);
SET LOCAL plan_cache_mode = auto;
-- by what PostgreSQL derives from a join
CREATE FUNCTION pg_temp.reached() RETURNS int LANGUAGE plpgsql STABLE COST 0.0001 AS $$ BEGIN RAISE EXCEPTION 'reached'; END $$;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_seqscan = off;
SELECT regress.locks_after($$SELECT count(*) FROM (VALUES (3000, 1)) o (id, x) JOIN ord.person p ON p.id = o.id AND CASE WHEN p.n = 7 THEN pg_temp.reached() ELSE 1 END = o.x$$);
SELECT regress.locks_after($$SELECT count(*) FROM ord.known o JOIN ord.person p ON p.id = o.id AND CASE WHEN p.n = 7 THEN pg_temp.reached() ELSE 1 END = o.x$$);
SELECT regress.locks_after($$SELECT count(*) FROM (VALUES (3000, 'q'), (9, 'r')) w (i, x), ord.visit v WHERE v.id = w.i AND w.x = CASE WHEN v.n = 7 THEN current_setting('no.such') ELSE v.email END$$);
-- errors that only a row can reach
SELECT regress.locks_after($$SELECT count(*) FROM ord.person WHERE email = 'boss@globex' AND a = b$$);
SELECT regress.locks_after($$SELECT count(*) FROM ord.visit WHERE email = 'boss@globex' AND CASE WHEN n = 7 THEN log(random() * 0) END IS NULL$$);
-- the own tenant's rows do reach them
SELECT regress.locks_after($$SELECT count(*) FROM ord.person WHERE email = 'staff7@acme' AND CASE WHEN n = 7 THEN pg_try_advisory_xact_lock_shared(47) END$$);
SELECT regress.locks_after($$SELECT count(*) FROM ord.person WHERE email = 'staff7@acme' AND a = b$$);
ROLLBACK;

-- what cannot tell keeps its index
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
EXPLAIN (COSTS OFF) SELECT FROM ord.person WHERE email = 'boss@globex';
EXPLAIN (COSTS OFF) SELECT FROM ord.person WHERE email ^@ 'boss' COLLATE "C" AND id = 5;
ROLLBACK;
\c - :superuser
SET client_min_messages = warning;
SELECT toms.unprotect('ord.visit', 'end of the test'), toms.unprotect('ord.person', 'end of the test');
DROP SCHEMA ord CASCADE;
DROP FUNCTION regress.locks_after;
