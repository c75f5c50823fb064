--
-- guard_ri: referential integrity keeps working, and what runs inside it gains nothing
--
-- PostgreSQL checks foreign keys and carries out ON DELETE and ON UPDATE as the owner of
-- the table, past all policies: it must see every row.  The promise: that keeps working on
-- protected tables, without a verb on the child; but whatever else runs inside of such a
-- query (a trigger, a default, a constraint, a cast), written by whoever had the privilege,
-- reads no protected table past its policies: it sees what the caller may.
--
\set SHOW_CONTEXT never
SELECT current_user AS superuser \gset
SET client_min_messages = warning;
CREATE ROLE regress_guard_developer LOGIN;
CREATE SCHEMA guard AUTHORIZATION regress_owner;
GRANT USAGE, CREATE ON SCHEMA guard TO regress_guard_developer;
GRANT USAGE ON SCHEMA guard TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE guard.country (code text PRIMARY KEY);             -- not protected
CREATE TABLE guard.department (id integer PRIMARY KEY, tenant text NOT NULL, country text REFERENCES guard.country);
CREATE TABLE guard.employee (
    id         integer PRIMARY KEY,
    tenant     text NOT NULL,
    department integer REFERENCES guard.department ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE guard.absence (
    id       integer PRIMARY KEY,
    tenant   text NOT NULL,
    employee integer NOT NULL REFERENCES guard.employee ON DELETE CASCADE ON UPDATE CASCADE,
    deputy   integer REFERENCES guard.employee ON DELETE SET NULL ON UPDATE CASCADE
);
CREATE TABLE guard.approval (
    tenant  text NOT NULL,
    absence integer REFERENCES guard.absence ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE guard.locker (id integer, employee integer REFERENCES guard.employee ON DELETE CASCADE ON UPDATE CASCADE);  -- not protected
-- what an attacker is after
CREATE TABLE guard.salary (tenant text NOT NULL, employee integer, amount integer);
INSERT INTO guard.country VALUES ('de'), ('at');
INSERT INTO guard.department VALUES (1, 'acme', 'de'), (2, 'acme', 'de'), (3, 'acme', 'at'), (11, 'globex', 'at');
INSERT INTO guard.employee VALUES (17, 'acme', 1), (18, 'acme', 2), (19, 'acme', 3), (30, 'globex', 11);
INSERT INTO guard.absence VALUES (1, 'acme', 17, 18), (2, 'acme', 18, 17), (3, 'acme', 19, 18), (4, 'globex', 30, NULL);
INSERT INTO guard.approval VALUES ('acme', 1), ('acme', 2), ('globex', 4);
INSERT INTO guard.locker VALUES (1, 17), (2, 18), (3, 30);
INSERT INTO guard.salary VALUES ('globex', 30, 4000), ('acme', 17, 3000);
RESET SESSION AUTHORIZATION;
CREATE FUNCTION guard.everything() RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT format('department %s of %s', id, tenant) FROM guard.department
    UNION ALL SELECT format('employee %s of %s in department %s', id, tenant, department) FROM guard.employee
    UNION ALL SELECT format('absence %s of %s: employee %s, deputy %s', id, tenant, employee, coalesce(deputy::text, 'none')) FROM guard.absence
    UNION ALL SELECT format('approval of absence %s', absence) FROM guard.approval
    UNION ALL SELECT format('locker of employee %s', employee) FROM guard.locker
    ORDER BY 1
$$;
SELECT count(toms.protect(t::regclass, tenant => 'tenant'))
FROM unnest('{guard.department,guard.employee,guard.absence,guard.approval,guard.salary}'::text[]) t;
SELECT count(toms.permit(role => 'regress_hr', relation => t::regclass, verbs => '{select,insert,update,delete}',
                         purposes => '{absence_management}', scope => 'tenant'))
FROM unnest('{guard.department,guard.employee,guard.salary}'::text[]) t;
-- on absences and approvals HR may write, but not delete nor change
SELECT count(toms.permit(role => 'regress_hr', relation => t::regclass, verbs => '{select,insert}',
                         purposes => '{absence_management}', scope => 'tenant'))
FROM unnest('{guard.absence,guard.approval}'::text[]) t;
GRANT ALL ON guard.country, guard.locker TO regress_hr;

--
-- Foreign keys are checked and carried out
--
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO guard.employee VALUES (20, 'acme', 1);             -- ok: the department is there
INSERT INTO guard.absence VALUES (5, 'acme', 20, 17);          -- ok
INSERT INTO guard.locker VALUES (4, 20);                       -- ok: from a table that is not protected
INSERT INTO guard.department VALUES (4, 'acme', 'at');         -- ok: to a table that is not protected
SAVEPOINT s;
INSERT INTO guard.employee VALUES (21, 'acme', 99);            -- refused by PostgreSQL: no such department
ROLLBACK TO s;
INSERT INTO guard.locker VALUES (5, 99);                       -- refused by PostgreSQL: no such employee
ROLLBACK TO s;
DELETE FROM guard.country WHERE code = 'de';                   -- refused by PostgreSQL: departments are there
ROLLBACK TO s;
SELECT regress.verdict('DELETE FROM guard.absence WHERE true');           -- refused: toms_verb_not_permitted, unless the foreign key does it
DELETE FROM guard.department WHERE id = 1;                     -- ok: takes employees, absences, approvals, lockers with it, over three levels
UPDATE guard.department SET id = 22 WHERE id = 2;              -- ok: employee 18 follows
UPDATE guard.employee SET id = 28 WHERE id = 18;               -- ok: absences follow, as employee and as deputy
DELETE FROM guard.employee WHERE id = 28;                      -- ok: absence 3 loses its deputy
COMMIT;
-- deferred constraints
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO guard.approval VALUES ('acme', 6);                 -- ok: absence 6 comes later
INSERT INTO guard.absence VALUES (6, 'acme', 19, NULL);
COMMIT;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO guard.approval VALUES ('acme', 7);
COMMIT;                                                        -- refused by PostgreSQL: absence 7 never came
-- in a context of globex
BEGIN;
SELECT toms.enter('globex', '90', 'regress_hr', 'absence_management');
DELETE FROM guard.department WHERE true;                       -- ok: its own, all the way down
ROLLBACK;
-- without a context the statement is refused before any foreign key is asked
INSERT INTO guard.employee VALUES (21, 'acme', 99);            -- refused: toms_context_ended
DELETE FROM guard.department WHERE true;                       -- refused
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test guard_ri';
SELECT * FROM guard.everything();
RESET toms.reason;

--
-- ADD FOREIGN KEY by the owner: all rows are checked, of all tenants, with a context and without
--
GRANT regress_hr TO regress_owner;
SELECT toms.allow_enter('regress_owner', '{acme}', '{regress_hr}') IS NOT NULL AS allowed;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE guard.key (employee integer, tenant text NOT NULL);
INSERT INTO guard.key VALUES (19, 'acme'), (99, 'globex');
RESET SESSION AUTHORIZATION;
SELECT toms.protect('guard.key', tenant => 'tenant');
SELECT toms.permit('regress_hr', 'guard.key', '{select}', '{absence_management}', 'tenant') IS NOT NULL AS permitted;
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE guard.key ADD CONSTRAINT of_employee FOREIGN KEY (employee) REFERENCES guard.employee;  -- refused by PostgreSQL: 99 is none
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
ALTER TABLE guard.key ADD CONSTRAINT of_employee FOREIGN KEY (employee) REFERENCES guard.employee;  -- refused: the row of globex counts here too
ROLLBACK;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test guard_ri';
UPDATE guard.key SET employee = 30 WHERE employee = 99;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE guard.key ADD CONSTRAINT of_employee FOREIGN KEY (employee) REFERENCES guard.employee;  -- ok
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
DROP TABLE guard.key;
RESET toms.reason;
SELECT toms.disallow_enter('regress_owner');
REVOKE regress_hr FROM regress_owner;

--
-- The attacker may create functions, and has the privilege TRIGGER on the tables: that is
-- all.  Wherever he gets his function called, it tries to read and to change guard.salary.
-- (Assignments, not PERFORM: they call a function without another query around it.)
--
GRANT TRIGGER ON guard.employee, guard.absence TO regress_guard_developer;
GRANT SELECT ON guard.salary TO regress_guard_developer;        -- without permission this is worth nothing
SET SESSION AUTHORIZATION regress_guard_developer;
CREATE FUNCTION guard.attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    seen text;
    code text;
BEGIN
    EXECUTE statement INTO seen;
    RETURN 'sees ' || seen;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME;
    RETURN 'refused: ' || coalesce(nullif(code, ''), SQLERRM);
END $$;
CREATE FUNCTION guard.peek(place text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    whom text := current_user;
BEGIN
    -- AFTER triggers in a cascade run as who asked until 17, as the table's owner since 18
    IF place LIKE 'AFTER %' AND whom IN ('regress_job', 'regress_owner') THEN
        whom := 'regress_job or regress_owner';
    END IF;
    RAISE WARNING '% as %: select %; insert %; update %; delete %; truncate %', place, whom,
        guard.attempt('SELECT string_agg(tenant, '', '' ORDER BY tenant) FROM guard.salary'),
        guard.attempt('WITH i AS (INSERT INTO guard.salary VALUES (''globex'', 0, 0) RETURNING tenant) SELECT string_agg(tenant, '', '' ORDER BY tenant) FROM i'),
        guard.attempt('WITH u AS (UPDATE guard.salary SET amount = amount WHERE true RETURNING tenant) SELECT string_agg(tenant, '', '' ORDER BY tenant) FROM u'),
        guard.attempt('WITH d AS (DELETE FROM guard.salary WHERE tenant <> ''acme'' RETURNING tenant) SELECT coalesce(string_agg(tenant, '', '' ORDER BY tenant), ''nothing'') FROM d'),
        guard.attempt('TRUNCATE guard.salary');
    RETURN place;
END $$;
-- the same with a short answer, for where functions have to look innocent
CREATE FUNCTION guard.peek_shortly(place text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING '% as %: %', place, current_user, guard.attempt('SELECT string_agg(tenant, '', '' ORDER BY tenant) FROM guard.salary');
    RETURN place;
END $$;
CREATE FUNCTION guard.innocent(place text, value integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    said text := guard.peek_shortly(place);
BEGIN
    RETURN value;
END $$;
CREATE FUNCTION guard.evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    said text := guard.peek(format('%s %s %s on %s', tg_when, tg_op, tg_level, tg_table_name));
BEGIN
    RETURN CASE tg_op WHEN 'DELETE' THEN old ELSE new END;
END $$;
CREATE FUNCTION guard.silent_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN coalesce(new, old); END';
-- other ways of reading, tried from within one trigger
CREATE FUNCTION guard.inner_definer() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    RETURN guard.attempt('SELECT string_agg(tenant, '', '' ORDER BY tenant) FROM guard.salary');
END $$;
CREATE FUNCTION guard.inner_sql() RETURNS text LANGUAGE sql AS $$SELECT string_agg(tenant, ', ' ORDER BY tenant) FROM guard.salary$$;
CREATE FUNCTION guard.inner_cursor() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r record;
    seen text := '';
BEGIN
    FOR r IN SELECT * FROM guard.salary ORDER BY tenant LOOP
        seen := seen || ' ' || r.tenant;
    END LOOP;
    RETURN seen;
END $$;
CREATE FUNCTION guard.inner_copy() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    CREATE TABLE guard.stolen AS SELECT * FROM guard.salary;
    RETURN (SELECT string_agg(tenant, ', ' ORDER BY tenant) FROM guard.stolen);
END $$;
CREATE FUNCTION guard.many_ways() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    way text;
BEGIN
    FOREACH way IN ARRAY ARRAY['SELECT guard.inner_definer()', 'SELECT guard.inner_sql()', 'SELECT guard.inner_cursor()',
        'SELECT tenant FROM guard.salary LIMIT 1 FOR UPDATE', 'SELECT xpath(''//tenant/text()'', query_to_xml(''SELECT tenant FROM guard.salary'', true, false, ''''))::text',
        'SELECT guard.inner_copy()',
        'ALTER TABLE guard.salary DISABLE ROW LEVEL SECURITY', 'ALTER TABLE guard.salary NO FORCE ROW LEVEL SECURITY',
        'DROP POLICY toms_select ON guard.salary', 'SECURITY LABEL FOR toms ON TABLE guard.salary IS NULL',
        'SELECT toms.unprotect(''guard.salary'', ''because'')', 'SELECT set_config(''toms.reason'', ''because'', true)',
        'SELECT string_agg(tenant, '','') FROM guard.salary', 'SELECT set_config(''toms.reason'', '''', true)']
    LOOP
        RAISE WARNING '%: %', way, guard.attempt(way);
    END LOOP;
    RETURN old;
END $$;

-- triggers
CREATE TRIGGER row_before BEFORE DELETE OR UPDATE ON guard.employee FOR EACH ROW EXECUTE FUNCTION guard.evil_trigger();
CREATE TRIGGER row_after AFTER DELETE OR UPDATE ON guard.employee FOR EACH ROW EXECUTE FUNCTION guard.evil_trigger();
CREATE TRIGGER statement_before BEFORE DELETE OR UPDATE ON guard.absence FOR EACH STATEMENT EXECUTE FUNCTION guard.evil_trigger();
CREATE TRIGGER statement_after AFTER DELETE OR UPDATE ON guard.absence FOR EACH STATEMENT EXECUTE FUNCTION guard.evil_trigger();
CREATE TRIGGER conditional BEFORE DELETE ON guard.absence FOR EACH ROW WHEN (guard.innocent('when of a trigger', old.id) > 0)
    EXECUTE FUNCTION guard.silent_trigger();
CREATE CONSTRAINT TRIGGER late AFTER DELETE ON guard.absence DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION guard.evil_trigger();

SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
-- by the statement itself: a trigger sees what the caller may
UPDATE guard.employee SET tenant = tenant WHERE id = 19;
-- by a cascade
UPDATE guard.department SET id = 33 WHERE id = 3;
UPDATE guard.employee SET id = 29 WHERE id = 19;
DELETE FROM guard.department WHERE id = 33;
COMMIT;
RESET SESSION AUTHORIZATION;
DROP TRIGGER row_before ON guard.employee;
DROP TRIGGER row_after ON guard.employee;
DROP TRIGGER statement_before ON guard.absence;
DROP TRIGGER statement_after ON guard.absence;
DROP TRIGGER conditional ON guard.absence;
DROP TRIGGER late ON guard.absence;

-- one trigger, many ways
SET SESSION AUTHORIZATION regress_guard_developer;
CREATE TRIGGER many_ways BEFORE DELETE ON guard.employee FOR EACH ROW EXECUTE FUNCTION guard.many_ways();
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO guard.department VALUES (5, 'acme', 'de');
INSERT INTO guard.employee VALUES (21, 'acme', 5);
DELETE FROM guard.department WHERE id = 5;
ROLLBACK;
RESET SESSION AUTHORIZATION;
DROP TRIGGER many_ways ON guard.employee;

--
-- Nor does it leave a plan behind that has no policies, for the table's owner to run afterwards in somebody's context
--
GRANT regress_hr TO regress_owner;
SELECT toms.allow_enter('regress_owner', '{acme}', '{regress_hr}') IS NOT NULL AS allowed;
SET SESSION AUTHORIZATION regress_owner;
CREATE FUNCTION guard.look() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    seen text;
BEGIN
    SELECT string_agg(tenant, ', ' ORDER BY tenant) INTO seen FROM guard.salary;
    RETURN seen;
END $$;
CREATE FUNCTION guard.prepare() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING 'within the query of a foreign key: %', guard.attempt('SELECT guard.look()');
    PREPARE prepared AS SELECT tenant FROM guard.salary;
    RETURN old;
END $$;
CREATE TRIGGER prepare BEFORE DELETE ON guard.locker FOR EACH ROW EXECUTE FUNCTION guard.prepare();
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO guard.employee VALUES (22, 'acme', NULL);
INSERT INTO guard.locker VALUES (6, 22);
DELETE FROM guard.employee WHERE id = 22;
SELECT guard.look();                                           -- ok: of acme
EXECUTE prepared;                                              -- ok: of acme
ROLLBACK;
DEALLOCATE prepared;
DROP FUNCTION guard.prepare() CASCADE;
RESET SESSION AUTHORIZATION;
SELECT toms.disallow_enter('regress_owner');
REVOKE regress_hr FROM regress_owner;

--
-- Functions that the owner's own tables call: defaults, checks, domains, generated
-- columns, indexes, casts.  The owner trusted a developer to write them.
--
SET SESSION AUTHORIZATION regress_guard_developer;
CREATE DOMAIN guard.number AS integer CHECK (guard.innocent('check of a domain', VALUE) > 0);
CREATE DOMAIN guard.folded_number AS integer CHECK (VALUE > guard.innocent('folded check of a domain', 0));
CREATE TYPE guard.code AS ENUM ('a', 'b');
CREATE FUNCTION guard.code_to_integer(guard.code) RETURNS integer LANGUAGE plpgsql STABLE AS $$
DECLARE
    said text := guard.peek_shortly('cast');
BEGIN
    RETURN ascii(enum_out($1)::text);
END $$;
CREATE CAST (guard.code AS integer) WITH FUNCTION guard.code_to_integer(guard.code) AS IMPLICIT;
SET SESSION AUTHORIZATION regress_owner;
SET client_min_messages = error;
CREATE TABLE guard.parent (id integer PRIMARY KEY, tenant text NOT NULL);
INSERT INTO guard.parent VALUES (0, 'acme'), (1, 'acme');
CREATE TABLE guard.by_default (tenant text, parent integer DEFAULT guard.innocent('default', 0) REFERENCES guard.parent ON DELETE SET DEFAULT ON UPDATE CASCADE);
CREATE TABLE guard.by_check (tenant text, parent integer REFERENCES guard.parent ON UPDATE CASCADE, CHECK (guard.innocent('check', parent) >= 0));
CREATE TABLE guard.by_domain (tenant text, parent guard.number REFERENCES guard.parent ON UPDATE CASCADE);
CREATE TABLE guard.by_folded_domain (tenant text, parent guard.folded_number REFERENCES guard.parent ON UPDATE CASCADE);
CREATE TABLE guard.by_generated (tenant text, parent integer REFERENCES guard.parent ON UPDATE CASCADE,
    g integer GENERATED ALWAYS AS (guard.innocent('generated column', parent)) STORED);
CREATE TABLE guard.by_folded (tenant text, parent integer REFERENCES guard.parent ON UPDATE CASCADE,
    g integer GENERATED ALWAYS AS (parent + guard.innocent('folded generated column', 0)) STORED);
CREATE TABLE guard.by_index (tenant text, parent integer REFERENCES guard.parent ON UPDATE CASCADE);
CREATE INDEX ON guard.by_index (guard.innocent('index', parent));
CREATE INDEX ON guard.by_index (tenant) WHERE parent > guard.innocent('folded condition of an index', 0);
CREATE TABLE guard.kind (code integer PRIMARY KEY, tenant text NOT NULL) PARTITION BY LIST (code);
CREATE TABLE guard.kind_a PARTITION OF guard.kind FOR VALUES IN (97);
CREATE TABLE guard.kind_b PARTITION OF guard.kind FOR VALUES IN (98);
INSERT INTO guard.kind VALUES (97, 'acme');
CREATE TABLE guard.by_cast (tenant text, code guard.code REFERENCES guard.kind);
RESET SESSION AUTHORIZATION;
SELECT count(toms.protect(t::regclass, tenant => 'tenant'))
FROM unnest('{guard.parent,guard.kind,guard.by_default,guard.by_check,guard.by_domain,guard.by_folded_domain,guard.by_generated,guard.by_folded,guard.by_index,guard.by_cast}'::text[]) t;
SELECT count(toms.permit(role => 'regress_hr', relation => t::regclass, verbs => '{select,insert,update,delete}',
                         purposes => '{absence_management}', scope => 'tenant'))
FROM unnest('{guard.parent,guard.kind,guard.by_default,guard.by_check,guard.by_domain,guard.by_folded_domain,guard.by_generated,guard.by_folded,guard.by_index,guard.by_cast}'::text[]) t;
SET client_min_messages = warning;

-- written by the application itself, they see what the caller may
\c - regress_job
\set SHOW_CONTEXT never
SET client_min_messages = warning;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO guard.by_default VALUES ('acme', 1);
INSERT INTO guard.by_check VALUES ('acme', 1);
INSERT INTO guard.by_domain VALUES ('acme', 1);
INSERT INTO guard.by_folded_domain VALUES ('acme', 1);
INSERT INTO guard.by_generated VALUES ('acme', 1);
INSERT INTO guard.by_folded VALUES ('acme', 1);
INSERT INTO guard.by_index VALUES ('acme', 1);
COMMIT;
-- in a new session, where nothing is cached: by the foreign keys
\c - regress_job
\set SHOW_CONTEXT never
SET client_min_messages = warning;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
UPDATE guard.parent SET id = 2 WHERE id = 1;
COMMIT;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
DELETE FROM guard.by_check WHERE true;
DELETE FROM guard.by_domain WHERE true;
DELETE FROM guard.by_folded_domain WHERE true;
DELETE FROM guard.by_generated WHERE true;
DELETE FROM guard.by_folded WHERE true;
DELETE FROM guard.by_index WHERE true;
DELETE FROM guard.parent WHERE id = 2;                         -- ok: by_default gets its default
COMMIT;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO guard.by_cast VALUES ('acme', 'a');                -- the check of its foreign key casts, once to choose the partition
COMMIT;

-- nothing of globex was read or changed by any of them
\c - :superuser
\set SHOW_CONTEXT never
SET toms.reason = 'test guard_ri';
SELECT * FROM guard.salary ORDER BY tenant;
RESET toms.reason;

-- clean up
SET client_min_messages = error;
SET toms.reason = 'end of the test';
DROP SCHEMA guard CASCADE;
DROP ROLE regress_guard_developer;
