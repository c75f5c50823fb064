--
-- guard_forms: one verdict, whatever the form of the statement
--
-- The promise: in whatever form a statement reaches a protected table, HR of acme gets the
-- rows of acme, HR of globex those of globex, and without a context it is refused.  First
-- every form that returns rows, as a table of forms that is worked through three times;
-- then the forms that write; then those that psql has to say by itself.
--
\set SHOW_CONTEXT never
SELECT current_user AS superuser \gset
SET client_min_messages = warning;
CREATE SCHEMA guard AUTHORIZATION regress_owner;
GRANT USAGE, CREATE ON SCHEMA guard TO regress_hr;
SET SESSION AUTHORIZATION regress_owner;
-- "whose" says it all: tenant and employee
CREATE TABLE guard.absence (
    id       integer PRIMARY KEY,
    tenant   text NOT NULL,
    employee integer NOT NULL,
    hours    integer NOT NULL DEFAULT 8,
    whose    text GENERATED ALWAYS AS (tenant || ' ' || employee) STORED
);
INSERT INTO guard.absence (id, tenant, employee) VALUES (1, 'acme', 17), (2, 'acme', 18), (3, 'globex', 17), (4, 'globex', 30);
CREATE TABLE guard.booking (
    id integer, tenant text NOT NULL, employee integer NOT NULL, month integer NOT NULL,
    whose text GENERATED ALWAYS AS (tenant || ' ' || employee) STORED
) PARTITION BY LIST (month);
CREATE TABLE guard.booking_1 PARTITION OF guard.booking FOR VALUES IN (1);
CREATE TABLE guard.booking_2 PARTITION OF guard.booking FOR VALUES IN (2);
INSERT INTO guard.booking (id, tenant, employee, month) VALUES (1, 'acme', 17, 1), (2, 'acme', 18, 2), (3, 'globex', 17, 1), (4, 'globex', 30, 2);
CREATE TABLE guard.parent (tenant text NOT NULL, employee integer NOT NULL);
CREATE TABLE guard.heir () INHERITS (guard.parent);
INSERT INTO guard.parent VALUES ('acme', 17), ('globex', 17);
INSERT INTO guard.heir VALUES ('acme', 18), ('globex', 30);
CREATE TABLE guard.plain (employee integer, said text);         -- not protected
INSERT INTO guard.plain VALUES (17, 'x'), (18, 'x'), (30, 'x');
GRANT ALL ON guard.plain TO regress_hr;

-- views and functions of the tables' owner
CREATE VIEW guard.owners_view AS SELECT * FROM guard.absence;
CREATE VIEW guard.invokers_view WITH (security_invoker = true) AS SELECT * FROM guard.absence;
CREATE VIEW guard.barrier_view WITH (security_barrier = true) AS SELECT * FROM guard.absence WHERE hours > 0;
CREATE VIEW guard.nested_view AS SELECT v.* FROM guard.owners_view v JOIN guard.invokers_view i USING (id);
CREATE VIEW guard.ruled_view AS SELECT id, tenant, employee FROM guard.absence;
CREATE RULE ruled AS ON INSERT TO guard.ruled_view DO INSTEAD
    INSERT INTO guard.absence (id, tenant, employee) VALUES (new.id, new.tenant, new.employee);
CREATE FUNCTION guard.sql_inlined() RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT whose FROM guard.absence';
CREATE FUNCTION guard.sql_called() RETURNS SETOF text LANGUAGE sql VOLATILE AS 'SELECT whose FROM guard.absence';
CREATE FUNCTION guard.sql_atomic() RETURNS SETOF text LANGUAGE sql STABLE BEGIN ATOMIC SELECT whose FROM guard.absence; END;
CREATE FUNCTION guard.plpgsql() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT whose FROM guard.absence;
END $$;
CREATE FUNCTION guard.dynamic(condition text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'SELECT whose FROM guard.absence WHERE ' || condition;
END $$;
CREATE FUNCTION guard.cursor_variable() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    c refcursor;
    v text;
BEGIN
    OPEN c FOR SELECT whose FROM guard.absence;
    LOOP
        FETCH c INTO v;
        EXIT WHEN NOT FOUND;
        RETURN NEXT v;
    END LOOP;
END $$;
CREATE FUNCTION guard.owners_definer() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'SELECT whose FROM guard.absence';
CREATE FUNCTION guard.whole(guard.absence) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.whose';
RESET SESSION AUTHORIZATION;

-- views and functions of somebody who bypasses row security
CREATE VIEW guard.superusers_view AS SELECT * FROM guard.absence;
CREATE VIEW guard.superusers_view_over_view AS SELECT * FROM guard.owners_view;
CREATE FUNCTION guard.superusers_definer() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'SELECT whose FROM guard.absence';
CREATE FUNCTION guard.migrations_definer() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'SELECT whose FROM guard.absence';
ALTER FUNCTION guard.migrations_definer() OWNER TO regress_migration;
GRANT USAGE ON SCHEMA guard TO regress_migration;
GRANT SELECT ON guard.absence TO regress_migration;
GRANT SELECT ON guard.owners_view, guard.invokers_view, guard.barrier_view, guard.nested_view,
    guard.superusers_view, guard.superusers_view_over_view TO regress_hr;
GRANT INSERT ON guard.owners_view TO regress_hr;
GRANT SELECT, INSERT ON guard.ruled_view TO regress_hr;
GRANT ALL ON guard.booking_1, guard.booking_2, guard.heir TO regress_hr;    -- partitions and children of their own right

SELECT count(toms.protect(t::regclass, tenant => 'tenant', subject => 'employee'))
FROM unnest('{guard.absence,guard.booking,guard.parent}'::text[]) t;
SELECT count(toms.permit(role => 'regress_hr', relation => t::regclass, verbs => '{select,insert,update,delete}',
                         purposes => '{absence_management}', scope => 'tenant'))
FROM unnest('{guard.absence,guard.booking,guard.parent}'::text[]) t;

-- sees(statement): what a statement that returns one column returned, in order; it is
-- undone, so that each form finds the same rows
CREATE FUNCTION guard.sees(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r record;
    seen text[] := '{}';
    code text;
BEGIN
    FOR r IN EXECUTE statement LOOP
        seen := seen || r.whose::text;
    END LOOP;
    RAISE EXCEPTION SQLSTATE 'UNDO0';
EXCEPTION
    WHEN SQLSTATE 'UNDO0' THEN
        RETURN coalesce((SELECT string_agg(DISTINCT s, ', ' ORDER BY s) FROM unnest(seen) s), 'nothing');
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME;
        RETURN 'refused: ' || coalesce(nullif(code, ''), SQLERRM);
END $$;

CREATE TABLE guard.form (n integer GENERATED ALWAYS AS IDENTITY, form text, statement text);
GRANT SELECT ON guard.form TO regress_job;
INSERT INTO guard.form (form, statement) VALUES
    ('select',                   'SELECT whose FROM guard.absence'),
    ('select, injected or',      'SELECT whose FROM guard.absence WHERE id = 0 OR 1 = 1'),
    ('select, asks for another', 'SELECT whose FROM guard.absence WHERE tenant = CASE toms.current_tenant() WHEN ''acme'' THEN ''globex'' ELSE ''acme'' END'),
    ('table',                    'SELECT t.whose FROM (TABLE guard.absence) t'),
    ('index',                    'SELECT whose FROM guard.absence WHERE id BETWEEN 1 AND 4'),
    ('view of owner',            'SELECT whose FROM guard.owners_view'),
    ('view of invoker',          'SELECT whose FROM guard.invokers_view'),
    ('view with barrier',        'SELECT whose FROM guard.barrier_view'),
    ('view of views',            'SELECT whose FROM guard.nested_view'),
    ('view of superuser',        'SELECT whose FROM guard.superusers_view'),
    ('view of superuser on one of owner', 'SELECT whose FROM guard.superusers_view_over_view'),
    ('function sql, inlined',    'SELECT f AS whose FROM guard.sql_inlined() f'),
    ('function sql, called',     'SELECT f AS whose FROM guard.sql_called() f'),
    ('function sql, atomic',     'SELECT f AS whose FROM guard.sql_atomic() f'),
    ('function in target list',  'SELECT guard.sql_called() AS whose'),
    ('function plpgsql',         'SELECT f AS whose FROM guard.plpgsql() f'),
    ('function with EXECUTE',    'SELECT f AS whose FROM guard.dynamic(''true'') f'),
    ('function, injected',       'SELECT f AS whose FROM guard.dynamic(''false UNION ALL SELECT whose FROM guard.absence'') f'),
    ('function with cursor',     'SELECT f AS whose FROM guard.cursor_variable() f'),
    ('definer: owner',           'SELECT f AS whose FROM guard.owners_definer() f'),
    ('definer: superuser',       'SELECT f AS whose FROM guard.superusers_definer() f'),
    ('definer: bypassrls',       'SELECT f AS whose FROM guard.migrations_definer() f'),
    ('cte',                      'WITH c AS (SELECT whose FROM guard.absence) SELECT whose FROM c'),
    ('cte, materialized',        'WITH c AS MATERIALIZED (SELECT whose FROM guard.absence) SELECT whose FROM c'),
    ('cte, recursive',           'WITH RECURSIVE c AS (SELECT whose, 1 AS n FROM guard.absence UNION ALL SELECT c.whose, n + 1 FROM c JOIN guard.absence a USING (whose) WHERE n < 3) SELECT whose FROM c'),
    ('sub-select in from',       'SELECT whose FROM (SELECT * FROM guard.absence OFFSET 0) s'),
    ('sub-select as value',      'SELECT (SELECT string_agg(whose, '', '' ORDER BY whose) FROM guard.absence) AS whose'),
    ('sub-select in array',      'SELECT unnest(ARRAY(SELECT whose FROM guard.absence)) AS whose'),
    ('in',                       'SELECT DISTINCT tenant AS whose FROM guard.booking WHERE employee IN (SELECT employee FROM guard.absence)'),
    ('exists',                   'SELECT ''employee '' || employee AS whose FROM guard.plain p WHERE EXISTS (SELECT FROM guard.absence a WHERE a.employee = p.employee)'),
    ('lateral',                  'SELECT l.whose FROM guard.plain p, LATERAL (SELECT * FROM guard.absence a WHERE a.employee = p.employee) l'),
    ('outer join',               'SELECT coalesce(a.whose, ''nobody'') AS whose FROM guard.plain p LEFT JOIN guard.absence a USING (employee) WHERE a.id IS NOT NULL'),
    ('join with itself',         'SELECT a.whose || '' and '' || b.whose AS whose FROM guard.absence a CROSS JOIN guard.absence b WHERE a.id < b.id'),
    ('union all',                'SELECT whose FROM guard.absence UNION ALL SELECT whose FROM guard.absence'),
    ('except',                   'SELECT whose FROM guard.absence EXCEPT SELECT said FROM guard.plain'),
    ('intersect',                'SELECT whose FROM guard.absence INTERSECT SELECT whose FROM guard.booking'),
    ('aggregate',                'SELECT count(*) || '' rows'' AS whose FROM guard.absence'),
    ('group by, having',         'SELECT tenant || '' '' || count(*) AS whose FROM guard.absence GROUP BY tenant HAVING count(*) > 0'),
    ('window',                   'SELECT whose || '' of '' || count(*) OVER () AS whose FROM guard.absence'),
    ('distinct on',              'SELECT DISTINCT ON (tenant) whose FROM guard.absence ORDER BY tenant, id'),
    ('whole row',                'SELECT (a).whose FROM guard.absence a'),
    ('whole row as text',        'SELECT a::text AS whose FROM guard.absence a'),
    ('whole row as json',        'SELECT to_json(a)->>''whose'' AS whose FROM guard.absence a'),
    ('row type as argument',     'SELECT guard.whole(a) AS whose FROM guard.absence a'),
    ('tablesample',              'SELECT whose FROM guard.absence TABLESAMPLE SYSTEM (100)'),
    ('by ctid',                  'SELECT whose FROM guard.absence WHERE ctid = ANY (''{"(0,1)","(0,2)","(0,3)","(0,4)"}'')'),
    ('for update',               'SELECT whose FROM guard.absence FOR UPDATE'),
    ('for key share',            'SELECT whose FROM guard.absence FOR KEY SHARE SKIP LOCKED'),
    ('partitioned table',        'SELECT whose FROM guard.booking'),
    ('partition directly',       'SELECT whose FROM guard.booking_1'),
    ('inheritance',              'SELECT tenant || '' '' || employee AS whose FROM guard.parent'),
    ('inheritance, only',        'SELECT tenant || '' '' || employee AS whose FROM ONLY guard.parent'),
    ('inheritance, child',       'SELECT tenant || '' '' || employee AS whose FROM guard.heir'),
    ('insert returning',         'INSERT INTO guard.absence (id, tenant, employee) VALUES (5, toms.current_tenant(), 99) RETURNING whose'),
    ('insert select returning',  'INSERT INTO guard.absence (id, tenant, employee) SELECT id + 10, tenant, employee FROM guard.absence RETURNING whose'),
    ('on conflict returning',    'INSERT INTO guard.absence (id, tenant, employee) SELECT id, tenant, 99 FROM guard.absence ON CONFLICT (id) DO UPDATE SET hours = 1 RETURNING whose'),
    ('update returning',         'UPDATE guard.absence SET hours = 1 WHERE true RETURNING whose'),
    ('update from returning',    'UPDATE guard.absence a SET hours = 1 FROM guard.absence b WHERE a.id = b.id RETURNING b.whose'),
    ('delete returning',         'DELETE FROM guard.absence WHERE true RETURNING whose'),
    ('delete using returning',   'DELETE FROM guard.plain p USING guard.absence a WHERE a.employee = p.employee RETURNING a.whose'),
    ('cte that updates',         'WITH u AS (UPDATE guard.absence SET hours = 1 WHERE true RETURNING whose) SELECT whose FROM u'),
    ('cte that deletes',         'WITH d AS (DELETE FROM guard.absence WHERE true RETURNING whose) SELECT whose FROM d'),
    ('other table written',      'INSERT INTO guard.plain SELECT employee, whose FROM guard.absence RETURNING said AS whose'),
    ('table_to_xml',             'SELECT unnest(xpath(''//whose/text()'', table_to_xml(''guard.absence'', true, false, '''')))::text AS whose'),
    ('query_to_xml',             'SELECT unnest(xpath(''//whose/text()'', query_to_xml(''SELECT whose FROM guard.absence'', true, false, '''')))::text AS whose'),
    ('cursor_to_xml',            'SELECT unnest(xpath(''//whose/text()'', cursor_to_xml(guard.opened(), 100, true, false, '''')))::text AS whose');
CREATE FUNCTION guard.opened() RETURNS refcursor LANGUAGE plpgsql AS $$
DECLARE
    c refcursor;
BEGIN
    OPEN c FOR SELECT whose FROM guard.absence;
    RETURN c;
END $$;

SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT form, guard.sees(statement) AS as_hr_of_acme FROM guard.form ORDER BY n;
COMMIT;
BEGIN;
SELECT toms.enter('globex', '90', 'regress_hr', 'absence_management');
SELECT form, guard.sees(statement) AS as_hr_of_globex FROM guard.form ORDER BY n;
COMMIT;
SELECT form, guard.sees(statement) AS without_context FROM guard.form ORDER BY n;

-- a stated reason is for administrators: whoever calls their functions cannot lend it
SET toms.reason = 'curiosity';
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT form, guard.sees(statement) AS with_reason FROM guard.form
WHERE form ~ 'superuser$|bypassrls|^select$' ORDER BY n;
SELECT * FROM guard.migrations_definer();                      -- refused: toms_policy_bypassed
ROLLBACK;
RESET toms.reason;
-- a function of the superuser cannot carry a reason, and one that states it itself lends nothing
RESET SESSION AUTHORIZATION;
CREATE FUNCTION guard.carries_reason() RETURNS SETOF text LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET toms.reason = 'report' AS 'SELECT whose FROM guard.absence';  -- refused
CREATE FUNCTION guard.states_reason() RETURNS SETOF text LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('toms.reason', 'report', true);
    RETURN QUERY SELECT whose FROM guard.absence;
END $$;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict('SELECT guard.states_reason()');        -- refused: toms_policy_bypassed

-- row_security = off is PostgreSQL's own way to ask for an error instead of fewer rows
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SET LOCAL row_security = off;
SELECT * FROM guard.absence;                                   -- refused by PostgreSQL
ROLLBACK;

--
-- Prepared statements: the plan is kept, the context is not
--
PREPARE report (integer) AS SELECT whose FROM guard.absence WHERE hours >= $1 ORDER BY id;
SET plan_cache_mode = force_generic_plan;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
EXECUTE report (0);                                            -- ok: acme
COMMIT;
BEGIN;
SELECT toms.enter('globex', '90', 'regress_hr', 'absence_management');
EXECUTE report (0);                                            -- ok: globex
COMMIT;
EXECUTE report (0);                                            -- refused
SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'report';
SET plan_cache_mode = force_custom_plan;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
EXECUTE report (0);                                            -- ok: acme
COMMIT;
BEGIN;
SELECT toms.enter('globex', '90', 'regress_hr', 'absence_management');
EXECUTE report (0);                                            -- ok: globex
COMMIT;
EXECUTE report (0);                                            -- refused
RESET plan_cache_mode;
-- the other role, in scope and purpose: nothing is permitted to it
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
EXECUTE report (0);                                            -- refused: toms_permission_missing
ROLLBACK;
DEALLOCATE report;

--
-- Cursors
--
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
DECLARE c SCROLL CURSOR FOR SELECT whose FROM guard.absence ORDER BY id;
FETCH c;                                                       -- ok: acme 17
MOVE c;
FETCH c;                                                       -- ok: nothing left
FETCH BACKWARD ALL FROM c;                                     -- ok: both
SAVEPOINT s;
SELECT toms.leave();
ROLLBACK TO s;
FETCH ABSOLUTE 1 FROM c;                                       -- ok: the context is back
SELECT toms.leave();
FETCH ABSOLUTE 1 FROM c;                                       -- refused: toms_context_changed
ROLLBACK;
-- a cursor over a function that reads the table keeps to the context as well
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
DECLARE c CURSOR FOR SELECT guard.sql_called();
FETCH c;                                                       -- ok
SELECT toms.leave();
FETCH c;                                                       -- refused: toms_context_changed
ROLLBACK;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
DECLARE c CURSOR FOR SELECT whose FROM guard.absence FOR UPDATE;
FETCH c;
UPDATE guard.absence SET hours = 7 WHERE CURRENT OF c RETURNING whose;  -- ok
ROLLBACK;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
DECLARE c CURSOR WITH HOLD FOR SELECT whose FROM guard.absence;  -- refused: toms_cursor_with_hold
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT whose FROM guard.absence;          -- refused: toms_context_ended
ROLLBACK;
DECLARE c CURSOR WITH HOLD FOR SELECT said FROM guard.plain;   -- ok: not protected
CLOSE c;

--
-- DO blocks and triggers
--
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT whose FROM guard.absence ORDER BY id LOOP
        RAISE WARNING 'the block sees %', r.whose;
    END LOOP;
END $$;
COMMIT;
DO $$ BEGIN PERFORM whose FROM guard.absence; END $$;          -- refused
RESET SESSION AUTHORIZATION;
CREATE FUNCTION guard.tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING 'the trigger on % sees %', tg_table_name, (SELECT string_agg(whose, ', ' ORDER BY whose) FROM guard.absence);
    RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT ON guard.plain EXECUTE FUNCTION guard.tell();
CREATE TRIGGER tell AFTER UPDATE ON guard.absence EXECUTE FUNCTION guard.tell();
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('globex', '90', 'regress_hr', 'absence_management');
INSERT INTO guard.plain VALUES (99, 'y');                      -- ok
UPDATE guard.absence SET hours = 8 WHERE true;                 -- ok
ROLLBACK;
INSERT INTO guard.plain VALUES (99, 'y');                      -- refused: its trigger reads guard.absence
RESET SESSION AUTHORIZATION;
DROP TRIGGER tell ON guard.plain;
DROP TRIGGER tell ON guard.absence;
SET SESSION AUTHORIZATION regress_job;

--
-- COPY
--
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
COPY (SELECT whose FROM guard.absence ORDER BY id) TO STDOUT;  -- ok
COPY guard.absence (id, tenant, employee) TO STDOUT;           -- ok
COPY guard.booking_1 (id, tenant, employee) TO STDOUT;         -- ok
COPY (UPDATE guard.absence SET hours = 8 WHERE true RETURNING whose) TO STDOUT;  -- ok
\copy guard.absence (id, tenant, employee) from /dev/null      -- refused by PostgreSQL under row security
ROLLBACK;
COPY (SELECT whose FROM guard.absence) TO STDOUT;              -- refused
COPY guard.absence (id, tenant, employee) TO STDOUT;           -- refused
\copy guard.absence (id, tenant, employee) from /dev/null      -- refused

--
-- Parallel plans: the workers have the context of their leader
--
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
EXPLAIN (COSTS OFF) SELECT count(*) FROM guard.absence;
SELECT count(*), min(whose), max(whose) FROM guard.absence;    -- ok: acme
COMMIT;
BEGIN;
SELECT toms.enter('globex', '90', 'regress_hr', 'absence_management');
SELECT count(*), min(whose), max(whose) FROM guard.absence;    -- ok: globex
SELECT count(*), min(whose), max(whose) FROM guard.booking;    -- ok: globex
COMMIT;
SELECT count(*), min(whose), max(whose) FROM guard.absence;    -- refused
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET parallel_leader_participation;

--
-- EXPLAIN tells of a plan only whom the statement would answer
--
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
EXPLAIN (COSTS OFF) SELECT whose FROM guard.absence;           -- ok
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT whose FROM guard.absence;  -- refused: it would count the rows of globex too
COMMIT;
EXPLAIN (COSTS OFF) SELECT whose FROM guard.absence;           -- refused
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT whose FROM guard.absence;  -- refused
EXPLAIN (COSTS OFF) DELETE FROM guard.absence WHERE true;      -- refused

--
-- Copies: CREATE TABLE AS, SELECT INTO, materialized views
--
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
CREATE TABLE guard.copied AS SELECT whose FROM guard.absence;  -- ok: but the copy is not protected
SELECT whose INTO guard.copied_too FROM guard.absence;         -- ok
CREATE MATERIALIZED VIEW guard.materialized AS SELECT whose FROM guard.absence;  -- ok
SELECT * FROM guard.copied;                                    -- ok: acme
SELECT * FROM guard.copied_too;                                -- ok: acme
SELECT * FROM guard.materialized;                              -- ok: acme
COMMIT;
BEGIN;
SELECT toms.enter('globex', '90', 'regress_hr', 'absence_management');
REFRESH MATERIALIZED VIEW guard.materialized;
SELECT * FROM guard.materialized;                              -- ok: globex
ROLLBACK;
REFRESH MATERIALIZED VIEW guard.materialized;                  -- refused
CREATE TABLE guard.copied_3 AS SELECT whose FROM guard.absence;  -- refused
SELECT whose INTO guard.copied_3 FROM guard.absence;           -- refused
CREATE MATERIALIZED VIEW guard.materialized_2 AS SELECT whose FROM guard.absence;  -- refused
CREATE MATERIALIZED VIEW guard.materialized_2 AS SELECT whose FROM guard.absence WITH NO DATA;  -- ok: no row is read
REFRESH MATERIALIZED VIEW guard.materialized_2;                -- refused
DROP TABLE guard.copied, guard.copied_too;
DROP MATERIALIZED VIEW guard.materialized, guard.materialized_2;

--
-- LOCK TABLE reads no row; TRUNCATE would reach everybody's
--
BEGIN;
LOCK TABLE guard.absence IN ACCESS SHARE MODE;                 -- ok
COMMIT;
RESET SESSION AUTHORIZATION;
GRANT TRUNCATE ON guard.absence, guard.booking, guard.booking_1 TO regress_hr;
SET SESSION AUTHORIZATION regress_job;
TRUNCATE guard.absence;                                        -- refused: toms_truncate
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT t AS truncate, regress.verdict('TRUNCATE ' || t)
FROM unnest('{guard.absence,guard.booking,guard.booking_1,"guard.plain, guard.absence"}'::text[]) t;
COMMIT;
SET SESSION AUTHORIZATION regress_owner;
TRUNCATE guard.absence;                                        -- refused: toms_truncate, the owner too
SET SESSION AUTHORIZATION regress_job;

--
-- Forms that write, and are committed
--
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO guard.absence (id, tenant, employee) VALUES (10, 'acme', 20), (11, 'acme', 21);            -- ok
INSERT INTO guard.absence (id, tenant, employee) SELECT id + 20, tenant, employee FROM guard.booking;  -- ok: 21 and 22
INSERT INTO guard.ruled_view VALUES (30, 'acme', 31);                                                  -- ok: by its rule
INSERT INTO guard.absence (id, tenant, employee) VALUES (10, 'acme', 99) ON CONFLICT DO NOTHING;       -- ok: nothing
INSERT INTO guard.absence (id, tenant, employee) VALUES (10, 'acme', 99) ON CONFLICT (id) DO UPDATE SET hours = 10;  -- ok
UPDATE guard.absence SET hours = hours + 1 WHERE true;                                                 -- ok: acme's
UPDATE guard.absence a SET hours = 3 FROM guard.booking b WHERE a.employee = b.employee;               -- ok: acme's 17 and 18
DELETE FROM guard.absence a USING guard.plain p WHERE a.employee = p.employee AND a.id > 20;           -- ok: 21 and 22
MERGE INTO guard.absence a USING guard.plain p ON a.employee = p.employee
    WHEN MATCHED AND a.employee = 18 THEN DELETE
    WHEN MATCHED THEN UPDATE SET hours = 5
    WHEN NOT MATCHED THEN INSERT (id, tenant, employee) VALUES (p.employee + 100, toms.current_tenant(), p.employee);  -- ok
INSERT INTO guard.booking (id, tenant, employee, month) VALUES (5, 'acme', 20, 2);                     -- ok
UPDATE guard.booking SET month = 2 WHERE id = 1;                                                       -- ok: into another partition
UPDATE guard.parent SET employee = employee + 100 WHERE true;                                          -- ok: acme's, its heirs too
COMMIT;
-- what they would have done to others, had they been let
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT form, regress.verdict(statement) FROM (VALUES
    (1, 'insert for another',             $$INSERT INTO guard.absence (id, tenant, employee) VALUES (50, 'globex', 17)$$),
    (2, 'insert into partition directly', $$INSERT INTO guard.booking_1 (id, tenant, employee, month) VALUES (50, 'globex', 17, 1)$$),
    (3, 'insert into child',              $$INSERT INTO guard.heir VALUES ('globex', 17)$$),
    (4, 'insert by rule of a view',       $$INSERT INTO guard.ruled_view VALUES (50, 'globex', 17)$$),
    (5, 'insert into view of owner',      $$INSERT INTO guard.owners_view (id, tenant, employee) VALUES (50, 'globex', 17)$$),
    (6, 'insert select for another',      $$INSERT INTO guard.absence (id, tenant, employee) SELECT id + 50, 'globex', employee FROM guard.absence$$),
    (7, 'on conflict do nothing with a hidden row', $$INSERT INTO guard.absence (id, tenant, employee) VALUES (3, 'acme', 17) ON CONFLICT DO NOTHING$$),
    (8, 'on conflict do update of a hidden row',    $$INSERT INTO guard.absence (id, tenant, employee) VALUES (3, 'acme', 17) ON CONFLICT (id) DO UPDATE SET hours = 0$$),
    (9, 'on conflict do update to another', $$INSERT INTO guard.absence (id, tenant, employee) VALUES (1, 'acme', 17) ON CONFLICT (id) DO UPDATE SET tenant = 'globex'$$),
    (10, 'update to another',             $$UPDATE guard.absence SET tenant = 'globex' WHERE true$$),
    (11, 'update of another',             $$UPDATE guard.absence SET hours = 0 WHERE tenant = 'globex'$$),
    (12, 'update of partition',           $$UPDATE guard.booking_2 SET id = 0 WHERE tenant = 'globex'$$),
    (13, 'update from',                   $$UPDATE guard.absence SET hours = 0 FROM guard.plain WHERE tenant = 'globex'$$),
    (14, 'delete of another',             $$DELETE FROM guard.absence WHERE tenant = 'globex' OR id = 3$$),
    (15, 'merge, insert for another',     $$MERGE INTO guard.absence a USING guard.plain p ON false WHEN NOT MATCHED THEN INSERT (id, tenant, employee) VALUES (p.employee, 'globex', 1)$$),
    (16, 'merge, update to another',      $$MERGE INTO guard.absence a USING guard.plain p ON a.employee = p.employee WHEN MATCHED THEN UPDATE SET tenant = 'globex'$$),
    (17, 'merge, delete of another',      $$MERGE INTO guard.absence a USING guard.plain p ON a.tenant = 'globex' WHEN MATCHED THEN DELETE$$)
    ) forms (n, form, statement) ORDER BY n;
COMMIT;
-- and without a context
SELECT form, regress.verdict(statement) FROM (VALUES
    (1, 'insert',        $$INSERT INTO guard.absence (id, tenant, employee) VALUES (50, 'acme', 17)$$),
    (2, 'insert into partition', $$INSERT INTO guard.booking_1 (id, tenant, employee, month) VALUES (50, 'acme', 17, 1)$$),
    (3, 'insert by rule of a view', $$INSERT INTO guard.ruled_view VALUES (50, 'acme', 17)$$),
    (4, 'insert select', $$INSERT INTO guard.plain (said) SELECT whose FROM guard.absence$$),
    (5, 'on conflict do nothing', $$INSERT INTO guard.absence (id, tenant, employee) VALUES (1, 'acme', 17) ON CONFLICT DO NOTHING$$),
    (6, 'on conflict do update',  $$INSERT INTO guard.absence (id, tenant, employee) VALUES (1, 'acme', 17) ON CONFLICT (id) DO UPDATE SET hours = 0$$),
    (7, 'update',        $$UPDATE guard.absence SET hours = 0 WHERE true$$),
    (8, 'update from',   $$UPDATE guard.plain p SET said = a.whose FROM guard.absence a WHERE a.employee = p.employee$$),
    (9, 'delete',        $$DELETE FROM guard.absence WHERE true$$),
    (10, 'delete using', $$DELETE FROM guard.plain p USING guard.absence a WHERE a.employee = p.employee$$),
    (11, 'merge into',   $$MERGE INTO guard.absence a USING guard.plain p ON a.employee = p.employee WHEN MATCHED THEN DELETE$$),
    (12, 'merge using',  $$MERGE INTO guard.plain p USING guard.absence a ON a.employee = p.employee WHEN MATCHED THEN UPDATE SET said = a.whose$$)
    ) forms (n, form, statement) ORDER BY n;

-- what is there now: globex's rows are as they were
RESET SESSION AUTHORIZATION;
GRANT SELECT ON guard.booking, guard.parent TO regress_migration;
SET SESSION AUTHORIZATION regress_migration;
SET toms.reason = 'test guard_forms';
SELECT id, whose, hours FROM guard.absence ORDER BY tenant DESC, id;
SELECT id, whose, month FROM guard.booking ORDER BY tenant DESC, id;
SELECT tenant, employee FROM guard.parent ORDER BY tenant DESC, employee;
RESET toms.reason;
RESET SESSION AUTHORIZATION;

--
-- RETURNING reads the row that was written, which is a verb of its own
--
CREATE TABLE guard.complaint (tenant text NOT NULL, employee integer NOT NULL, wording text);
ALTER TABLE guard.complaint OWNER TO regress_owner;
SELECT toms.protect('guard.complaint', tenant => 'tenant', subject => 'employee');
RESET client_min_messages;
SELECT toms.permit('regress_employee', 'guard.complaint', '{insert}', '{absence_management}') IS NOT NULL AS permitted;
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management');
INSERT INTO guard.complaint VALUES ('acme', 17, 'too loud');   -- ok
INSERT INTO guard.complaint VALUES ('acme', 17, 'too dark') RETURNING wording;  -- refused: toms_verb_not_permitted
ROLLBACK;
RESET SESSION AUTHORIZATION;

-- clean up
REVOKE ALL ON ALL TABLES IN SCHEMA guard FROM regress_migration;
SET toms.reason = 'end of the test';
DROP SCHEMA guard CASCADE;
