--
-- retention_attack: rows past their period do not come back through inheritance, COPY or foreign keys
--
-- What the application, the owner and another tenant can try on rows that are hidden and not deleted yet: by children of
-- a table, old and new ones; by COPY in both directions; by foreign keys, which see every row.  No attempt shows a row, takes
-- it away from the next run without a word, or lets one in; what a key without the tenant tells is shown too.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE SCHEMA att AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA att TO PUBLIC;
GRANT CREATE ON SCHEMA att TO regress_hr;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE att.message (id integer PRIMARY KEY, tenant text NOT NULL, day date, UNIQUE (tenant, id));
CREATE TABLE att.kept (PRIMARY KEY (id)) INHERITS (att.message);
CREATE TABLE att.reply (id integer PRIMARY KEY, tenant text NOT NULL, message integer REFERENCES att.message (id));
CREATE TABLE att.answer (id integer PRIMARY KEY, tenant text NOT NULL, message integer, FOREIGN KEY (tenant, message) REFERENCES att.message (tenant, id));
INSERT INTO att.message VALUES (1, 'acme', '2020-01-01'), (2, 'acme', current_date), (3, 'globex', '2020-01-01'), (4, 'globex', current_date);
INSERT INTO att.kept VALUES (11, 'acme', '2020-01-01'), (12, 'acme', current_date), (13, 'globex', '2020-01-01');
GRANT ALL ON att.message, att.kept, att.reply, att.answer TO regress_hr;
RESET SESSION AUTHORIZATION;
SELECT count(toms.protect(t, tenant => 'tenant')) FROM unnest('{att.message,att.reply,att.answer}'::regclass[]) t;
SELECT count(toms.permit('regress_hr', t, '{select,insert,update,delete}', '{support}', 'tenant')) FROM unnest('{att.message,att.reply,att.answer}'::regclass[]) t;
SELECT toms.retain('att.message', '105 days', 'day', basis => 'contract', zone => 'UTC') AS rule \gset
CREATE FUNCTION regress.there(relation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ids text;
BEGIN
    EXECUTE format('SELECT string_agg(id::text, '', '' ORDER BY id) FROM %s', relation) INTO ids;
    RETURN coalesce(ids, 'none');
END
$$;
CREATE VIEW att.stored AS SELECT string_agg(id || ' in ' || tableoid::regclass, ', ' ORDER BY id) FROM att.message;

--
-- Children of a table: those that are there, new ones, those that come and go
--
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '90', 'regress_hr', 'support') \gset
SELECT regress.there('att.message'), regress.there('att.kept'), regress.there('ONLY att.message');      -- 2, 12; 12; 2
SELECT s, regress.verdict(s) FROM unnest(ARRAY[
    $$INSERT INTO att.kept VALUES (14, 'acme', '2020-01-01')$$,                                         -- refused: past its period
    $$UPDATE att.kept SET day = '2020-01-01' WHERE id = 12$$,                                           -- refused
    $$UPDATE att.message SET day = current_date WHERE id = 11$$,                                        -- 0 rows
    $$DELETE FROM att.kept WHERE id = 11$$]) s;                                                         -- 0 rows
ROLLBACK;
-- the owner cannot take a row out of the rule's reach
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE att.fresh (PRIMARY KEY (id)) INHERITS (att.message);                                       -- is under it from its first row on
CREATE TABLE att.loose (id integer PRIMARY KEY, tenant text NOT NULL, day date);
INSERT INTO att.loose VALUES (31, 'acme', '2020-01-01'), (32, 'acme', current_date);
ALTER TABLE att.loose INHERIT att.message;                                                              -- as are those that it brings
GRANT SELECT, INSERT ON att.fresh, att.loose TO regress_hr;
SELECT s, regress.verdict(s) FROM unnest(ARRAY[
    'CREATE TABLE att.taken AS SELECT * FROM att.kept',                                                 -- refused: no context
    'ALTER TABLE att.kept RENAME COLUMN day TO night',                                                  -- refused by PostgreSQL
    'ALTER TABLE att.kept DROP COLUMN day',                                                             -- refused by PostgreSQL
    'ALTER TABLE ONLY att.message RENAME COLUMN day TO night',                                          -- refused by PostgreSQL
    format('DROP POLICY %I ON att.kept', (SELECT min(polname) FROM pg_policy WHERE polrelid = 'att.kept'::regclass))]) s;   -- refused
RESET SESSION AUTHORIZATION;
SET toms.reason = 'an import';
INSERT INTO att.fresh VALUES (21, 'acme', '2020-01-01'), (22, 'acme', current_date);
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '90', 'regress_hr', 'support') \gset
SELECT regress.there('att.message'), regress.there('att.fresh'), regress.there('att.loose');            -- 2, 12, 22, 32; 22; 32
SELECT regress.verdict($$INSERT INTO att.fresh VALUES (23, 'acme', '2020-01-01')$$);                    -- refused
COMMIT;
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE att.loose NO INHERIT att.message;                                                           -- warns: it is under no rule any more
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '90', 'regress_hr', 'support') \gset
SELECT regress.verdict('SELECT * FROM att.loose');                                                      -- refused: it is closed
COMMIT;
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE att.loose INHERIT att.message;                                                              -- and back
RESET SESSION AUTHORIZATION;
SELECT relation, mode, intact FROM toms.protected_tables WHERE relation::text ~ '^att.(message|kept|fresh|loose)' ORDER BY relation::text;
-- nor is it silent where the rule is two levels above
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE att.visit (id integer, tenant text NOT NULL, day date) PARTITION BY RANGE (day);
CREATE TABLE att.visit_2020 PARTITION OF att.visit FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY LIST (tenant);
CREATE TABLE att.visit_2020_acme PARTITION OF att.visit_2020 FOR VALUES IN ('acme');
RESET SESSION AUTHORIZATION;
SELECT toms.protect('att.visit', tenant => 'tenant');
SELECT toms.retain('att.visit', '105 days', 'day', basis => 'contract', zone => 'UTC') > 0;
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE att.visit_2020 DETACH PARTITION att.visit_2020_acme;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
DROP TABLE att.visit_2020_acme;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;
RESET SESSION AUTHORIZATION;

--
-- COPY: nothing that is hidden goes out, nothing that is past comes in but by an administrator, and that is hidden at once
--
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '90', 'regress_hr', 'support') \gset
COPY att.message (id) TO STDOUT;                                                                        -- 2: COPY of a table takes no children
COPY att.kept (id) TO STDOUT;                                                                           -- 12
COPY (SELECT id FROM att.message ORDER BY id) TO STDOUT;                                                -- 2, 12, 22, 32
COPY (SELECT id FROM att.message WHERE day < '2021-01-01') TO STDOUT;                                   -- none
SAVEPOINT s;
COPY (DELETE FROM att.message WHERE id = 1 RETURNING id) TO STDOUT;                                     -- none
COPY att.message FROM STDIN;                                                                            -- refused
41	acme	2020-01-01
\.
ROLLBACK TO s;
COPY att.kept FROM STDIN;                                                                               -- refused
41	acme	2026-01-01
\.
ROLLBACK;
SET SESSION AUTHORIZATION regress_owner;
COPY att.message TO STDOUT;                                                                             -- refused: no context
RESET SESSION AUTHORIZATION;
SET toms.reason = 'an import';
COPY att.message FROM STDIN;
41	acme	2020-01-01
42	globex	2020-01-01
\.
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '90', 'regress_hr', 'support') \gset
SELECT regress.there('att.message');                                                                    -- 2, 12, 22, 32: what was imported is not among them
COMMIT;

--
-- Foreign keys see all rows: what they tell
--
-- by a key that holds the tenant another one learns nothing: past, present and missing rows look the same
BEGIN; SELECT toms.enter('globex', '90', 'regress_hr', 'support') \gset
SELECT m, regress.verdict(format('INSERT INTO att.answer VALUES (1, %L, %s)', 'globex', m)) FROM unnest('{1,2,99}'::integer[]) m;
-- by one that does not he learns that a row has that key, of past rows as of present ones: toms.explain_protection() flags it
SELECT m, regress.verdict(format('INSERT INTO att.reply VALUES (%2$s, %1$L, %2$s)', 'globex', m)) FROM unnest('{1,2,99}'::integer[]) m;
ROLLBACK;
RESET SESSION AUTHORIZATION;
SELECT object, finding FROM toms.explain_protection('att.message') WHERE kind LIKE '%foreign key%' ORDER BY 1;
-- who refers to a row that is past keeps it from being deleted, not from being hidden, and that is told
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '90', 'regress_hr', 'support') \gset
INSERT INTO att.answer VALUES (1, 'acme', 1);
SELECT regress.there('att.message');                                                                    -- 2, 12, 22, 32
SELECT count(*) FROM att.answer a JOIN att.message m ON m.id = a.message;                               -- 0
COMMIT;

--
-- The next run takes all that is past, from each child, but for that one
--
SET SESSION AUTHORIZATION regress_officer;
SELECT relation, tenant, due, done, blocked, more, problem FROM toms.run_retention();
RESET SESSION AUTHORIZATION;
SET toms.reason = 'look';
SELECT * FROM att.stored;                                                                               -- 1, and what is not past
DELETE FROM att.answer;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_officer;
SELECT relation, tenant, due, done, blocked FROM toms.run_retention();
RESET SESSION AUTHORIZATION;
SET toms.reason = 'look';
SELECT * FROM att.stored;
RESET toms.reason;

-- clean up
SELECT toms.unretain(id, reason => 'test') FROM toms.retention_rule WHERE valid_until IS NULL;
DROP VIEW att.stored;
SET toms.reason = 'end of the test';
DROP SCHEMA att CASCADE;
DELETE FROM toms.retention_rule;
DROP FUNCTION regress.there(text);
