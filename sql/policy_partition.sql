--
-- policy_partition: a protected table is protected with all its partitions and children,
-- those it has and those it will have, whichever way they come
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;

--
-- Two levels, by list and by range, with default partitions
--
CREATE TABLE hr.booking (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL, day date NOT NULL) PARTITION BY LIST (tenant_id);
CREATE TABLE hr.booking_acme PARTITION OF hr.booking FOR VALUES IN ('acme') PARTITION BY RANGE (day);
CREATE TABLE hr.booking_acme_2024 PARTITION OF hr.booking_acme FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE hr.booking_acme_rest PARTITION OF hr.booking_acme DEFAULT;
CREATE TABLE hr.booking_rest PARTITION OF hr.booking DEFAULT;
INSERT INTO hr.booking VALUES (1, 'acme', 17, '2024-05-01'), (2, 'acme', 18, '2024-05-01'), (3, 'acme', 17, '2025-05-01'), (4, 'globex', 17, '2025-05-01');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.booking', tenant => 'tenant_id', subject => 'employee_id', category => 'billing');
SELECT toms.permit('regress_employee', 'hr.booking', '{select,insert,update,delete}', '{absence_management}') > 0;
SELECT toms.permit('regress_hr', 'hr.booking', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant') > 0;
SELECT relation, mode, tenant, subject, category, intact, root FROM toms.protected_tables ORDER BY relation::text COLLATE "C";
RESET SESSION AUTHORIZATION;
-- the application can name each table of schema hr
CREATE PROCEDURE regress.look(tenant text, subject text, role text) LANGUAGE plpgsql AS $$
DECLARE
    verdicts text := '';
    t text;
    ids text;
BEGIN
    FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'hr'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname COLLATE "C" LOOP
        PERFORM toms.enter(tenant, subject, role, 'absence_management');
        BEGIN
            EXECUTE format('SELECT string_agg(id::text, '','' ORDER BY id) FROM hr.%I', t) INTO ids;
            verdicts := verdicts || format('; %s: %s', t, coalesce(ids, 'none'));
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS ids = CONSTRAINT_NAME;
            verdicts := verdicts || format('; %s: %s', t, ids);
        END;
        COMMIT;
    END LOOP;
    RAISE NOTICE '% % of %: %', role, subject, tenant, substr(verdicts, 3);
END
$$;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hr TO regress_job;
SET SESSION AUTHORIZATION regress_job;
CALL regress.look('acme', '17', 'regress_employee');    -- 1 and 3, wherever they are asked for
CALL regress.look('acme', '17', 'regress_hr');          -- 1, 2 and 3
CALL regress.look('globex', '17', 'regress_hr');        -- 4
CALL regress.look('globex', '18', 'regress_employee');  -- none
-- writing to a partition meets the same rules
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
SELECT regress.verdict($$INSERT INTO hr.booking_acme_2024 VALUES (5, 'acme', 17, '2024-06-01')$$);      -- ok
SELECT regress.verdict($$INSERT INTO hr.booking_acme_2024 VALUES (5, 'acme', 18, '2024-06-01')$$);      -- refused: other subject
SELECT regress.verdict($$INSERT INTO hr.booking_rest VALUES (5, 'globex', 17, '2024-06-01')$$);         -- refused: other tenant
SELECT regress.verdict('UPDATE hr.booking_acme_2024 SET employee_id = 18 WHERE true');                  -- refused: other subject
SELECT regress.verdict('UPDATE hr.booking_acme_2024 SET id = id + 100 WHERE true');                     -- 2 rows: his own
SELECT regress.verdict('DELETE FROM hr.booking_acme WHERE true');                                       -- 3 rows: his own
ROLLBACK;
BEGIN; SELECT toms.enter('globex', '17', 'regress_hr', 'absence_management') \gset
SELECT regress.verdict('DELETE FROM hr.booking_acme WHERE true');                                       -- 0 rows
SELECT regress.verdict('TRUNCATE hr.booking_acme_2024');                                                -- refused
ROLLBACK;
-- a row that an UPDATE moves to another partition stays with its tenant and subject
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
UPDATE hr.booking SET day = '2025-06-01' WHERE id = 1 RETURNING id, tableoid::regclass;                 -- ok: moves to booking_acme_rest
SELECT regress.verdict($$UPDATE hr.booking SET tenant_id = 'globex' WHERE id = 1$$);                    -- refused: other tenant
SELECT regress.verdict($$UPDATE hr.booking SET day = '2024-06-01', employee_id = 18 WHERE id = 3$$);    -- refused: other subject
ROLLBACK;
RESET SESSION AUTHORIZATION;

-- what belongs to the root is declared for the root
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.protect('hr.booking_acme', tenant => 'tenant_id')$$);                                  -- refused
SELECT regress.verdict($$SELECT toms.unprotect('hr.booking_acme', reason => 'test')$$);                                     -- refused
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.booking_acme', '{select}', '{p}', scope => 'tenant')$$);      -- refused

--
-- New partitions, made by the owner of the table, who is no officer
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.booking_initech PARTITION OF hr.booking FOR VALUES IN ('initech');
CREATE TABLE hr.booking_acme_2026 PARTITION OF hr.booking_acme FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
-- one that comes with rows
CREATE TABLE hr.booking_acme_2023 (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL, day date NOT NULL);
INSERT INTO hr.booking_acme_2023 VALUES (6, 'acme', 17, '2023-05-01'), (7, 'acme', 18, '2023-05-01');
ALTER TABLE hr.booking_acme ATTACH PARTITION hr.booking_acme_2023 FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
-- one that is partitioned itself, and whose columns are in another order
CREATE TABLE hr.booking_umbrella (day date NOT NULL, employee_id integer NOT NULL, tenant_id text NOT NULL, id integer) PARTITION BY RANGE (day);
CREATE TABLE hr.booking_umbrella_2025 PARTITION OF hr.booking_umbrella FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO hr.booking_umbrella VALUES ('2025-05-01', 17, 'umbrella', 8);
ALTER TABLE hr.booking ATTACH PARTITION hr.booking_umbrella FOR VALUES IN ('umbrella');
-- in a schema that is made with it
RESET SESSION AUTHORIZATION;
CREATE SCHEMA AUTHORIZATION regress_owner
    CREATE TABLE booking_hooli PARTITION OF hr.booking FOR VALUES IN ('hooli');
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hr TO regress_job;
SELECT relation, tenant, subject, category, intact, root FROM toms.protected_tables ORDER BY relation::text COLLATE "C";
SET SESSION AUTHORIZATION regress_job;
CALL regress.look('acme', '17', 'regress_employee');    -- 1, 3 and 6
CALL regress.look('globex', '17', 'regress_hr');        -- 4: nothing of the new ones
RESET SESSION AUTHORIZATION;

-- within the transaction that makes it, a partition is protected already
SET SESSION AUTHORIZATION regress_owner;
BEGIN;
CREATE TABLE hr.booking_acme_2022 PARTITION OF hr.booking_acme FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
SELECT regress.verdict('SELECT FROM hr.booking_acme_2022');                                             -- refused: no context
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'hr.booking_acme_2022'::regclass;  -- t, t
ROLLBACK;
-- also where a function makes it
DO $$BEGIN
    FOR y IN 2020 .. 2021 LOOP
        EXECUTE format('CREATE TABLE hr.booking_acme_%s PARTITION OF hr.booking_acme FOR VALUES FROM (%L) TO (%L)', y, y || '-01-01', y + 1 || '-01-01');
    END LOOP;
END$$;
RESET SESSION AUTHORIZATION;
SELECT count(*), bool_and(intact) FROM toms.protected_tables WHERE relation::text ~ 'acme_202[01]';    -- 2, t

--
-- What is taken out stays closed, until an officer says otherwise
--
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.booking_acme DETACH PARTITION hr.booking_acme_2024;
ALTER TABLE hr.booking_umbrella DETACH PARTITION hr.booking_umbrella_2025;
ALTER TABLE hr.booking DETACH PARTITION hr.booking_umbrella;
SELECT t, regress.verdict(format('SELECT FROM hr.%I', t)) FROM unnest('{booking_acme_2024,booking_umbrella_2025,booking_umbrella}'::text[]) t;  -- refused: no context
RESET SESSION AUTHORIZATION;
SELECT relation, intact, root FROM toms.protected_tables WHERE relation = root ORDER BY relation::text COLLATE "C";
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT regress.verdict('SELECT FROM hr.booking_acme_2024');                                             -- refused: permissions were its root's
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.permit('regress_hr', 'hr.booking_acme_2024', '{select}', '{absence_management}', scope => 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT regress.verdict('SELECT FROM hr.booking_acme_2024');                                             -- 2 rows: 1 and 2
COMMIT;
BEGIN; SELECT toms.enter('globex', '17', 'regress_hr', 'absence_management') \gset
SELECT regress.verdict('SELECT FROM hr.booking_acme_2024');                                             -- 0 rows
COMMIT;
-- and when it comes back, its root's permissions count, not its own
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.booking_acme ATTACH PARTITION hr.booking_acme_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'absence_management') \gset
SELECT string_agg(id::text, ',') FROM hr.booking_acme_2024;                                             -- 1: an employee's own
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- A protected table cannot be put below one that is not: who reads the parent would read it
-- without its policies
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.salary (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL);
INSERT INTO hr.salary VALUES (9, 'acme', 17), (10, 'globex', 17);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.salary', tenant => 'tenant_id', subject => 'employee_id');
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.open_parent (id integer, tenant_id text, employee_id integer);
CREATE TABLE hr.open_root (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL) PARTITION BY LIST (tenant_id);
SELECT regress.verdict('ALTER TABLE hr.salary INHERIT hr.open_parent');                                 -- refused
SELECT regress.verdict('ALTER TABLE hr.open_root ATTACH PARTITION hr.salary DEFAULT');                  -- refused
SELECT regress.verdict('ALTER TABLE hr.open_root ATTACH PARTITION hr.booking DEFAULT');                 -- refused
SELECT regress.verdict('SELECT FROM hr.open_parent'), regress.verdict('SELECT FROM hr.open_root');      -- 0 rows
-- nor can a table below such a one be protected by itself
CREATE TABLE hr.open_child () INHERITS (hr.open_parent);
ALTER TABLE hr.open_child ALTER tenant_id SET NOT NULL;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.protect('hr.open_child', tenant => 'tenant_id')$$);                -- refused
RESET SESSION AUTHORIZATION;

--
-- Inheritance, as applications had it before partitions
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.letter (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL);
CREATE TABLE hr.letter_old () INHERITS (hr.letter);
INSERT INTO hr.letter VALUES (11, 'acme', 17), (12, 'globex', 17);
INSERT INTO hr.letter_old VALUES (13, 'acme', 17), (14, 'globex', 17);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.letter', tenant => 'tenant_id', subject => 'employee_id');
SELECT toms.permit('regress_hr', 'hr.letter', '{select}', '{absence_management}', scope => 'tenant') > 0;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.letter_new (sealed boolean) INHERITS (hr.letter);
CREATE TABLE hr.letter_found (id integer, tenant_id text NOT NULL, employee_id integer NOT NULL);
INSERT INTO hr.letter_found VALUES (15, 'acme', 17), (16, 'globex', 17);
ALTER TABLE hr.letter_found INHERIT hr.letter;
CREATE TABLE hr.letter_grandchild () INHERITS (hr.letter_new);
RESET SESSION AUTHORIZATION;
GRANT SELECT ON ALL TABLES IN SCHEMA hr TO regress_job;
SELECT relation, intact, root FROM toms.protected_tables WHERE relation::text LIKE 'hr.letter%' ORDER BY relation::text COLLATE "C";
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT id, tableoid::regclass FROM hr.letter ORDER BY id;                                               -- 11, 13, 15
SELECT id FROM ONLY hr.letter;                                                                          -- 11
SELECT id FROM hr.letter_old;                                                                           -- 13
SELECT id FROM hr.letter_found;                                                                         -- 15
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.protect('hr.letter_found', tenant => 'tenant_id')$$);              -- refused: protected with its parent
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.letter_found NO INHERIT hr.letter;
SELECT regress.verdict('SELECT FROM hr.letter_found');                                                  -- refused: stays closed
-- a temporary child is one too
CREATE TEMP TABLE letter_temp () INHERITS (hr.letter);
SELECT regress.verdict('SELECT FROM letter_temp');                                                      -- refused
DROP TABLE letter_temp;
RESET SESSION AUTHORIZATION;

--
-- unprotect() opens the whole tree again
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.unprotect('hr.booking', reason => 'end of test');
SELECT toms.unprotect('hr.letter', reason => 'end of test');
SELECT relation, root FROM toms.protected_tables ORDER BY relation::text COLLATE "C";                   -- only what was taken out, and what is protected by itself
SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
WHERE relnamespace = 'hr'::regnamespace AND relkind IN ('r', 'p') AND (relrowsecurity OR relforcerowsecurity) ORDER BY relname COLLATE "C";     -- the same
RESET SESSION AUTHORIZATION;

--
-- clean up
--
SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA hr, regress_owner CASCADE;
DROP PROCEDURE regress.look;
