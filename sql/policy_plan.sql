--
-- policy_plan: plans tell nothing, and are right for whoever runs them
--
-- One tenant owns 30 percent of the rows, another one 0.1.  The planner takes both for an average
-- one: so EXPLAIN does not tell how large a tenant is or how much there is of a person, and a
-- plan that is kept suits everybody.  In scope own an index on the subject is used, though the
-- query does not name the subject; a plan that was made in one scope is right in the other.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
SELECT toms.add_tenant('small', name => 'Small KG');
SELECT toms.allow_enter(login => 'regress_job', tenants => '{small}', roles => '{regress_employee,regress_hr}') IS NOT NULL;
SET SESSION AUTHORIZATION regress_owner;
-- acme has 3,000 rows, small 10, 17 others about 410 each; person 1 has 1,000, 199 others 45 each
CREATE TABLE hr.task (id integer PRIMARY KEY, tenant_id text NOT NULL, person integer NOT NULL, kind text NOT NULL, day date NOT NULL, note text);
INSERT INTO hr.task SELECT i, CASE WHEN i % 10 < 3 THEN 'acme' WHEN i % 1000 = 999 THEN 'small' ELSE 'tenant ' || i % 17 END,
    CASE WHEN i / 10 % 10 = 1 THEN 1 ELSE 2 + i % 199 END, CASE i % 5 WHEN 0 THEN 'SICK' ELSE 'WORK' END, '2025-01-01'::date + i % 365
FROM generate_series(1, 10000) i;
CREATE INDEX task_tenant_day ON hr.task (tenant_id, day);
CREATE INDEX task_tenant_person ON hr.task (tenant_id, person);
CREATE TABLE hr.entry (id integer PRIMARY KEY, task integer NOT NULL);
INSERT INTO hr.entry SELECT i, 1 + i % 10000 FROM generate_series(1, 20000) i;
CREATE INDEX entry_task ON hr.entry (task);
CREATE TABLE hr.open AS SELECT * FROM hr.task;
GRANT SELECT ON hr.open TO PUBLIC;
ANALYZE hr.task, hr.entry, hr.open;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.task', tenant => 'tenant_id', subject => 'person');
SELECT toms.protect('hr.entry', parent => 'hr.task', parent_key => 'task');
SELECT toms.permit('regress_hr', t, '{select,update}', '{planning}', scope => 'tenant') > 0 FROM unnest('{hr.task,hr.entry}'::regclass[]) t;
SELECT toms.permit('regress_employee', 'hr.task', '{select,update}', '{planning}') > 0;
RESET SESSION AUTHORIZATION;

--
-- The same plan with the same numbers for every tenant, and for every person
--
CREATE TABLE regress.query (n serial, scope text, query text);
INSERT INTO regress.query (scope, query) SELECT scope, query FROM unnest('{tenant,own}'::text[]) scope, unnest(ARRAY[
    'SELECT * FROM hr.task', 'SELECT * FROM hr.task WHERE id = 5', $$SELECT count(*) FROM hr.task WHERE day > '2025-06-01'$$,
    'SELECT * FROM hr.task ORDER BY id LIMIT 100', $$SELECT * FROM hr.task WHERE tenant_id = 'acme'$$, $$SELECT * FROM hr.task WHERE tenant_id = 'small'$$,
    $$SELECT * FROM hr.task WHERE tenant_id <> 'acme'$$, $$SELECT * FROM hr.task WHERE tenant_id > 'b'$$, $$SELECT * FROM hr.task WHERE tenant_id LIKE 's%'$$,
    'SELECT * FROM hr.task WHERE person = 1', 'SELECT * FROM hr.task WHERE person = 2', 'SELECT * FROM hr.task WHERE person < 2',
    $$SELECT * FROM hr.task WHERE person IN (1, 2) AND kind = 'SICK'$$, 'SELECT tenant_id, count(*) FROM hr.task GROUP BY 1',
    'SELECT person, count(*) FROM hr.task GROUP BY 1', 'SELECT * FROM hr.task a JOIN hr.task b USING (person, day)',
    $$UPDATE hr.task SET note = NULL WHERE day = '2025-06-01'$$]) query;
INSERT INTO regress.query (scope, query) SELECT 'tenant', query FROM unnest(ARRAY['SELECT * FROM hr.entry', 'SELECT * FROM hr.entry WHERE task = 5',
    'SELECT * FROM hr.entry WHERE id = 5', 'SELECT * FROM hr.task s JOIN hr.entry e ON e.task = s.id WHERE s.day = ''2025-06-01''']) query;
CREATE TABLE regress.plan (n integer, rows text, plan text);
GRANT SELECT ON regress.query TO PUBLIC;
GRANT SELECT, INSERT ON regress.plan TO PUBLIC;
-- keep(scope) notes the plans that the context in force gets, numbers and all
CREATE PROCEDURE regress.keep(scope text) LANGUAGE plpgsql AS $$
DECLARE
    q record;
    line text;
    lines text;
BEGIN
    FOR q IN SELECT n, query FROM regress.query WHERE query.scope = keep.scope LOOP
        lines := '';
        FOR line IN EXECUTE 'EXPLAIN ' || q.query LOOP
            lines := lines || line || E'\n';
        END LOOP;
        INSERT INTO regress.plan VALUES (q.n, substring(lines FROM 'rows=(\d+)'), lines);
    END LOOP;
END
$$;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'planning') \gset
CALL regress.keep('tenant');
COMMIT;
BEGIN; SELECT toms.enter('small', '2', 'regress_hr', 'planning') \gset
CALL regress.keep('tenant');
COMMIT;
BEGIN; SELECT toms.enter('acme', '1', 'regress_employee', 'planning') \gset
CALL regress.keep('own');
COMMIT;
BEGIN; SELECT toms.enter('acme', '2', 'regress_employee', 'planning') \gset
CALL regress.keep('own');
COMMIT;
BEGIN; SELECT toms.enter('small', '2', 'regress_employee', 'planning') \gset
CALL regress.keep('own');
COMMIT;
-- for each query how many askers, and how many different plans they got: one
SELECT q.scope, q.query, count(*), count(DISTINCT p.plan) FROM regress.query q JOIN regress.plan p USING (n) GROUP BY q.n, q.scope, q.query ORDER BY q.n;
-- and what these say of the number of rows: tenants and persons are average ones
SELECT q.scope, q.query, string_agg(DISTINCT p.rows, ', ') FROM regress.query q JOIN regress.plan p USING (n)
WHERE q.query ~ '^SELECT . FROM hr.task( WHERE (tenant_id|person) = \S+)?$' GROUP BY q.n, q.scope, q.query ORDER BY q.n;
-- what there is in truth
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
SELECT tenant_id, count(*) FROM hr.task WHERE tenant_id IN ('acme', 'small') GROUP BY 1 ORDER BY 1;
SELECT person, count(*) FROM hr.task WHERE person IN (1, 2) GROUP BY 1 ORDER BY 1;
RESET toms.reason;

-- statistics over several columns tell no more
SET SESSION AUTHORIZATION regress_owner;
CREATE STATISTICS hr.of_tenants (mcv) ON tenant_id, kind FROM hr.task;
CREATE STATISTICS hr.of_persons (mcv, dependencies) ON kind, person FROM hr.task;
RESET SESSION AUTHORIZATION;
ANALYZE hr.task;
CREATE FUNCTION regress.rows(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    EXECUTE 'EXPLAIN ' || query INTO line;
    RETURN substring(line FROM 'rows=(\d+)');
END
$$;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'planning') \gset
SELECT q, regress.rows(q) FROM unnest(ARRAY[$$SELECT FROM hr.task WHERE kind = 'SICK'$$, $$SELECT FROM hr.task WHERE kind = 'SICK' AND tenant_id = 'acme'$$,
    $$SELECT FROM hr.task WHERE kind = 'SICK' AND tenant_id = 'small'$$]) q;                           -- one number
SELECT q, regress.rows(q) FROM unnest(ARRAY[$$SELECT FROM hr.task WHERE kind = 'SICK' AND person = 1$$, $$SELECT FROM hr.task WHERE kind = 'SICK' AND person = 2$$]) q;
COMMIT;
BEGIN; SELECT toms.enter('small', '1', 'regress_hr', 'planning') \gset
SELECT regress.rows($$SELECT FROM hr.task WHERE kind = 'SICK'$$);                                      -- the same
COMMIT;
SET SESSION AUTHORIZATION regress_owner;
DROP STATISTICS hr.of_tenants, hr.of_persons;
-- a table that is not protected keeps all that is known about it
SELECT q, regress.rows(q) FROM unnest(ARRAY[$$SELECT FROM hr.open WHERE tenant_id = 'acme'$$, $$SELECT FROM hr.open WHERE tenant_id = 'small'$$,
    'SELECT FROM hr.open WHERE person = 1']) q;                                                         -- 3000, 10, 1000
-- and a protected one what is known of its other columns
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'planning') \gset
SELECT regress.rows($$SELECT FROM hr.task WHERE kind = 'SICK'$$), regress.rows($$SELECT FROM hr.task WHERE kind = 'WORK'$$);          -- one to four
COMMIT;

--
-- Plans that are kept
--
RESET SESSION AUTHORIZATION;
-- index(statement) tells which indexes its plan uses, and how
CREATE FUNCTION regress.index(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
        IF line LIKE '%Index%' THEN
            RETURN NEXT regexp_replace(trim(line, ' ->'), '''[^'']*''::regclass, ''select''::text, ', '', 'g');
        END IF;
    END LOOP;
END
$$;
SET SESSION AUTHORIZATION regress_job;
SET plan_cache_mode = force_generic_plan;
PREPARE by_day (date) AS SELECT count(*), count(DISTINCT tenant_id), min(tenant_id) FROM hr.task WHERE day > $1;
PREPARE everything AS SELECT count(*), count(DISTINCT tenant_id), min(tenant_id), count(DISTINCT person) FROM hr.task;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'planning') \gset
SELECT regress.index($$EXECUTE by_day('2025-06-01')$$);
EXECUTE by_day('2025-06-01');
EXECUTE everything;                                                                                     -- 3000 of acme
COMMIT;
BEGIN; SELECT toms.enter('small', '2', 'regress_hr', 'planning') \gset
SELECT regress.index($$EXECUTE by_day('2025-06-01')$$);                                                 -- the same plan
EXECUTE by_day('2025-06-01');
EXECUTE everything;                                                                                     -- 10 of small
COMMIT;
-- made in scope tenant, run in scope own: right
BEGIN; SELECT toms.enter('acme', '1', 'regress_employee', 'planning') \gset
EXECUTE everything;                                                                                     -- 300 of one person
COMMIT;
BEGIN; SELECT toms.enter('acme', '2', 'regress_employee', 'planning') \gset
EXECUTE everything;                                                                                     -- fewer of one person
COMMIT;
SELECT regress.verdict('EXECUTE everything');                                                           -- refused: no context
DEALLOCATE ALL;

--
-- Scope own is found by index
--
BEGIN; SELECT toms.enter('acme', '2', 'regress_employee', 'planning') \gset
SELECT regress.index('SELECT * FROM hr.task');
PREPARE everything AS SELECT count(*), count(DISTINCT tenant_id), min(tenant_id), count(DISTINCT person) FROM hr.task;
EXECUTE everything;                                                                                     -- one person
COMMIT;
-- made in scope own, run in scope tenant: right, by the same index
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'planning') \gset
EXECUTE everything;                                                                                     -- 3000, all persons
SELECT regress.index('EXECUTE everything');
COMMIT;
BEGIN; SELECT toms.enter('small', '1', 'regress_hr', 'planning') \gset
EXECUTE everything;                                                                                     -- 10
COMMIT;
BEGIN; SELECT toms.enter('small', '1', 'regress_employee', 'planning') \gset
EXECUTE everything;                                                                                     -- none
COMMIT;
-- nobody is lost when the column may be NULL from now on: the plan is made anew, without the index
RESET SESSION AUTHORIZATION;
ALTER TABLE hr.task ALTER person DROP NOT NULL;
SET toms.reason = 'test';
UPDATE hr.task SET person = NULL WHERE id IN (10, 11, 12);
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '2', 'regress_employee', 'planning') \gset
EXECUTE everything;                                                                                     -- one person
SELECT line FROM regress.index('EXECUTE everything') line WHERE line LIKE 'Index Cond%';                     -- by tenant alone
COMMIT;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'planning') \gset
EXECUTE everything;                                                                                     -- 3000, rows of nobody among them
COMMIT;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
UPDATE hr.task SET person = 1 WHERE person IS NULL;
ALTER TABLE hr.task ALTER person SET NOT NULL;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '2', 'regress_employee', 'planning') \gset
SELECT regress.index('EXECUTE everything');                                                             -- by index again
COMMIT;
DEALLOCATE ALL;
RESET plan_cache_mode;
RESET SESSION AUTHORIZATION;

-- subjects of other types: those that have a least and a greatest value are found by index
SET SESSION AUTHORIZATION regress_owner;
CREATE DOMAIN hr.number AS integer;
CREATE PROCEDURE hr.make(name text, type text, person text DEFAULT 'n') LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE hr.%I (id integer, tenant_id text NOT NULL, person %s NOT NULL)', name, type);
    EXECUTE format('INSERT INTO hr.%I SELECT i, CASE i %% 10 WHEN 0 THEN ''small'' ELSE ''acme'' END, (%s)::%s FROM generate_series(0, 1999) i, LATERAL (SELECT i %% 99 AS n) n', name, person, type);
    EXECUTE format('CREATE INDEX ON hr.%I (tenant_id, person)', name);
    EXECUTE format('ANALYZE hr.%I', name);
END
$$;
CALL hr.make('smallint', 'smallint');
CALL hr.make('bigint', 'bigint');
CALL hr.make('uuid', 'uuid', $$'a0000000-0000-4000-8000-' || lpad(n::text, 12, '0')$$);
CALL hr.make('alias', 'bigint');
CALL hr.make('domain', 'hr.number');
CALL hr.make('text', 'text');
-- the least and the greatest are persons too
INSERT INTO hr.smallint VALUES (-1, 'acme', -32768), (-2, 'acme', 32767);
INSERT INTO hr.bigint VALUES (-1, 'acme', -9223372036854775808), (-2, 'acme', 9223372036854775807);
INSERT INTO hr.uuid VALUES (-1, 'acme', '00000000-0000-0000-0000-000000000000'), (-2, 'acme', 'ffffffff-ffff-ffff-ffff-ffffffffffff');
CREATE TABLE hr.people (number bigint UNIQUE, key uuid UNIQUE);
INSERT INTO hr.people SELECT n, ('a0000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid FROM generate_series(0, 98) n;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.add_subject_alias('hr.people', canonical => 'key', alias => 'number');
SELECT t, toms.protect(t, tenant => 'tenant_id', subject => 'person', subject_alias => CASE t WHEN 'hr.alias'::regclass THEN 'people.number' END),
       toms.permit('regress_employee', t, '{select}', '{planning}') > 0, toms.permit('regress_hr', t, '{select}', '{planning}', scope => 'tenant') > 0
FROM unnest('{hr.smallint,hr.bigint,hr.uuid,hr.alias,hr.domain,hr.text}'::regclass[]) t;
SET SESSION AUTHORIZATION regress_job;
SET enable_bitmapscan = off;
SET enable_seqscan = off;
PREPARE smallint AS SELECT count(*), count(DISTINCT person) FROM hr.smallint;
PREPARE bigint AS SELECT count(*), count(DISTINCT person) FROM hr.bigint;
PREPARE uuid AS SELECT count(*), count(DISTINCT person) FROM hr.uuid;
PREPARE alias AS SELECT count(*), count(DISTINCT person) FROM hr.alias;
BEGIN; SELECT toms.enter('acme', '3', 'regress_employee', 'planning') \gset
SELECT t, regress.index('EXECUTE ' || t) FROM unnest('{smallint,bigint}'::text[]) t;
EXECUTE smallint;
EXECUTE bigint;                                                                                         -- alike
-- a domain and a text are found by the tenant only
SELECT t, regress.index('SELECT * FROM hr.' || t) FROM unnest('{domain,text}'::text[]) t;
SELECT (SELECT count(*) FROM hr.domain), (SELECT count(*) FROM hr.text);                                -- alike
COMMIT;
BEGIN; SELECT toms.enter('acme', 'a0000000-0000-4000-8000-000000000003', 'regress_employee', 'planning') \gset
SELECT t, regress.index('EXECUTE ' || t) FROM unnest('{uuid,alias}'::text[]) t;
EXECUTE uuid;
EXECUTE alias;                                                                                          -- alike
COMMIT;
BEGIN; SELECT toms.enter('acme', 'HR', 'regress_hr', 'planning') \gset
EXECUTE smallint;
EXECUTE bigint;
EXECUTE uuid;                                                                                           -- all, the least and the greatest too
EXECUTE alias;
COMMIT;
DEALLOCATE ALL;
RESET enable_bitmapscan;
RESET enable_seqscan;
RESET SESSION AUTHORIZATION;

--
-- A row that is written is checked once, though a permissive policy has the same condition as the restrictive one
--
SET track_functions = 'all';
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', 'HR', 'regress_hr', 'planning') \gset
UPDATE hr.task SET note = 'changed' WHERE id = 1;
SELECT f, pg_stat_get_xact_function_calls(f)
FROM unnest('{"toms.check_tenant(regclass,text,anyelement)","toms.check_subject(regclass,text,anyelement)"}'::regprocedure[]) f;
ROLLBACK;
RESET SESSION AUTHORIZATION;
RESET track_functions;
-- where a check may answer otherwise the second time it is made as often as the policies say, also on tables of others
BEGIN;
CREATE SEQUENCE hr.checks;
CREATE TABLE hr.free (id integer);
ALTER TABLE hr.free ENABLE ROW LEVEL SECURITY;
CREATE POLICY permissive ON hr.free WITH CHECK (nextval('hr.checks') > 0);
CREATE POLICY restrictive ON hr.free AS RESTRICTIVE WITH CHECK (nextval('hr.checks') > 0);
GRANT INSERT ON hr.free TO regress_stranger;
GRANT USAGE ON SEQUENCE hr.checks TO regress_stranger;
GRANT USAGE ON SCHEMA hr TO regress_stranger;
SET LOCAL SESSION AUTHORIZATION regress_stranger;
INSERT INTO hr.free VALUES (1);
SELECT currval('hr.checks');                                                                            -- 2
ROLLBACK;

--
-- clean up: without its protection a table has all its statistics again
--
SELECT t, toms.unprotect(t, reason => 'end of test') FROM unnest('{hr.smallint,hr.bigint,hr.uuid,hr.alias,hr.domain,hr.text,hr.entry,hr.task}'::regclass[]) t;
SELECT toms.remove_subject_alias('hr.people', 'number');
SELECT regress.rows($$SELECT FROM hr.task WHERE tenant_id = 'acme'$$), regress.rows($$SELECT FROM hr.task WHERE tenant_id = 'small'$$);     -- 3000, 10
SET client_min_messages = warning;
DROP SCHEMA hr CASCADE;
DROP TABLE regress.plan, regress.query;
DROP PROCEDURE regress.keep;
DROP FUNCTION regress.rows, regress.index;
UPDATE toms.enter_permission SET ended_at = now(), ended_by = session_user WHERE NOT tenants <@ '{acme,globex}';
DELETE FROM toms.tenant WHERE tenant = 'small';
