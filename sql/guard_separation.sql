--
-- guard_separation: what no statement may bring together
--
-- An officer keeps sick notes and time bookings separate: whatever form a statement has, it
-- reaches one of them, or runs for a purpose that needs both.  And data of a special category
-- (Art. 9 GDPR) is not written to a table that is not protected.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE SCHEMA work;
CREATE SCHEMA care;
GRANT USAGE, CREATE ON SCHEMA work, care TO PUBLIC;
CREATE TABLE care.sick_note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, day date);
CREATE TABLE work.booking (id integer, tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL, hours integer) PARTITION BY RANGE (day);
CREATE TABLE work.booking_2026 PARTITION OF work.booking FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE work.project (id integer PRIMARY KEY, tenant text NOT NULL, title text);
CREATE TABLE work.open (id integer, t text);
INSERT INTO care.sick_note VALUES (1, 'acme', 17, '2026-03-02'), (2, 'acme', 18, '2026-03-03'), (3, 'globex', 17, '2026-03-02');
INSERT INTO work.booking VALUES (1, 'acme', 17, '2026-03-02', 8), (2, 'acme', 18, '2026-03-03', 4), (3, 'globex', 17, '2026-03-02', 7);
INSERT INTO work.project VALUES (1, 'acme', 'bridge');
INSERT INTO work.open VALUES (1, 'x');
SELECT toms.protect('care.sick_note', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.protect('work.booking', tenant => 'tenant', subject => 'employee');
SELECT toms.protect('work.project', tenant => 'tenant');
SELECT toms.permit('regress_hr', t, '{select,insert,update,delete}', '{absence_management,continued_pay}', scope => 'tenant') > 0
FROM unnest('{care.sick_note,work.booking,work.project}'::regclass[]) t;
GRANT ALL ON work.open TO PUBLIC;
ALTER TABLE work.open OWNER TO regress_app;
GRANT SELECT, INSERT ON work.booking_2026 TO regress_hr;

-- forms of reaching a table
CREATE VIEW care.notes WITH (security_invoker = true) AS SELECT * FROM care.sick_note;
CREATE VIEW work.both WITH (security_invoker = true) AS SELECT s.day, b.hours FROM care.sick_note s JOIN work.booking b USING (tenant, employee, day);
GRANT SELECT ON care.notes, work.both TO PUBLIC;
CREATE FUNCTION care.inlined() RETURNS SETOF care.sick_note LANGUAGE sql STABLE AS 'SELECT * FROM care.sick_note';
CREATE FUNCTION care.counted(integer) RETURNS bigint LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT count(*) FROM care.sick_note WHERE employee = $1); END $$;
CREATE FUNCTION care.rows() RETURNS SETOF care.sick_note LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN QUERY SELECT * FROM care.sick_note; END $$;
CREATE FUNCTION care.dynamic() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$ DECLARE n bigint; BEGIN EXECUTE 'SELECT count(*) FROM care.sick_note' INTO n; RETURN n; END $$;
CREATE FUNCTION care.for_pay(integer) RETURNS bigint LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN (SELECT count(*) FROM care.sick_note WHERE employee = $1); END $$;
CREATE FUNCTION care.parallel(integer) RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$ BEGIN RETURN (SELECT count(*) FROM care.sick_note WHERE employee = $1); END $$;
CREATE FUNCTION care.forever() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT max(day)::text FROM care.sick_note); END $$;
CREATE FUNCTION care.forever_with_path() RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN (SELECT max(day)::text FROM care.sick_note); END $$;
CREATE FUNCTION care.latest() RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN (SELECT max(day)::text FROM care.sick_note); END $$;
CREATE FUNCTION work.on_change() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$ BEGIN INSERT INTO work.open VALUES (NEW.id, TG_OP); RETURN NEW; END $$;
CREATE TRIGGER on_change BEFORE UPDATE ON care.sick_note FOR EACH ROW EXECUTE FUNCTION work.on_change();
CREATE FUNCTION work.note_down(integer) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$ BEGIN INSERT INTO work.open VALUES ($1, 'noted'); RETURN $1; END $$;
CREATE FUNCTION work.caught() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    BEGIN
        PERFORM care.counted(b.employee) FROM work.booking b;
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
    RETURN (SELECT count(*) FROM care.sick_note)::text;
END
$$;

SELECT toms.load_purposes('absence');
SELECT toms.bind_purpose('care.for_pay(integer)', 'continued_pay');
SELECT toms.separate('care.sick_note', 'work.booking', unless => '{continued_pay}');
SELECT * FROM toms.separations;
SELECT object, finding FROM toms.explain_protection('work.booking') WHERE kind = 'separation';

\set management `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"absence_management","exp":NOW+900}'`
\set for_both `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":["absence_management","continued_pay"],"exp":NOW+900}'`
\set pay `test/mint.sh '{"tenant":"acme","sub":"1","role":"regress_hr","purpose":"continued_pay","exp":NOW+900}'`
SET client_min_messages = error;
SET SESSION AUTHORIZATION regress_app;

--
-- For a purpose that needs one of them: each alone
--
BEGIN;
SELECT set_config('toms.token', :'management', true) \g /dev/null
SELECT regress.verdict('SELECT * FROM care.sick_note');                                                             -- permitted
SELECT regress.verdict('SELECT * FROM work.booking');                                                               -- permitted
SELECT regress.verdict('SELECT * FROM work.booking b JOIN work.project p USING (tenant)');                          -- permitted
SELECT regress.verdict('SELECT * FROM care.sick_note s JOIN work.project p USING (tenant)');                        -- permitted
-- both at once: refused, in whatever form
SELECT regress.verdict('SELECT * FROM care.sick_note, work.booking');                                               -- from both
SELECT regress.verdict('SELECT * FROM care.sick_note JOIN work.booking USING (employee, day)');                     -- a join
SELECT regress.verdict('SELECT * FROM care.sick_note LEFT JOIN work.booking USING (employee) WHERE false');         -- one that needs no row
SELECT regress.verdict('SELECT * FROM work.booking b WHERE EXISTS (SELECT FROM care.sick_note s WHERE s.day = b.day)');     -- EXISTS
SELECT regress.verdict('SELECT * FROM work.booking b WHERE employee IN (SELECT employee FROM care.sick_note)');     -- IN
SELECT regress.verdict('SELECT (SELECT count(*) FROM care.sick_note), (SELECT count(*) FROM work.booking)');        -- two sub-selects
SELECT regress.verdict('SELECT b.*, l.* FROM work.booking b, LATERAL (SELECT day FROM care.sick_note s WHERE s.employee = b.employee) l');    -- LATERAL
SELECT regress.verdict('SELECT employee FROM care.sick_note UNION SELECT employee FROM work.booking');              -- UNION
SELECT regress.verdict('SELECT employee FROM work.booking EXCEPT SELECT employee FROM care.sick_note');             -- EXCEPT
SELECT regress.verdict('WITH s AS MATERIALIZED (SELECT * FROM care.sick_note) SELECT * FROM s JOIN work.booking USING (employee)');     -- a CTE
SELECT regress.verdict('WITH s AS (SELECT * FROM care.sick_note) SELECT * FROM work.booking');                      -- permitted: a CTE that nobody reads is not run
SELECT regress.verdict('WITH RECURSIVE r AS (SELECT employee FROM care.sick_note UNION SELECT b.employee FROM work.booking b JOIN r USING (employee)) SELECT * FROM r');
SELECT regress.verdict('SELECT * FROM care.notes JOIN work.booking USING (employee)');                              -- through a view
SELECT regress.verdict('SELECT * FROM work.both');                                                                  -- a view of both
SELECT regress.verdict('SELECT * FROM care.inlined() JOIN work.booking USING (employee)');                          -- a function that is inlined
SELECT regress.verdict('SELECT * FROM care.rows() JOIN work.booking USING (employee)');                             -- one that is not
SELECT regress.verdict('SELECT care.counted(employee) FROM work.booking');                                          -- row by row
SELECT regress.verdict('SELECT care.dynamic(), count(*) FROM work.booking');                                        -- one that makes its statement
SELECT regress.verdict('SELECT work.caught()');                                                                     -- permitted: its try has failed, and each is read alone then
SELECT regress.verdict('SELECT * FROM care.sick_note JOIN work.booking_2026 USING (employee)');                     -- a partition
SELECT regress.verdict('INSERT INTO work.booking SELECT 9, tenant, employee, day, 0 FROM care.sick_note');          -- INSERT … SELECT
SELECT regress.verdict('INSERT INTO care.sick_note SELECT 9, tenant, employee, day FROM work.booking WHERE hours = 0');
SELECT regress.verdict('UPDATE work.booking b SET hours = 0 FROM care.sick_note s WHERE s.employee = b.employee');  -- UPDATE … FROM
SELECT regress.verdict('DELETE FROM work.booking b USING care.sick_note s WHERE s.employee = b.employee');          -- DELETE … USING
SELECT regress.verdict('MERGE INTO work.booking b USING care.sick_note s ON s.employee = b.employee WHEN MATCHED THEN UPDATE SET hours = 0');
SELECT regress.verdict('WITH d AS (DELETE FROM care.sick_note WHERE id = 1 RETURNING *) SELECT * FROM d JOIN work.booking USING (employee)');
SELECT regress.verdict('SELECT * FROM work.booking b ORDER BY (SELECT max(day) FROM care.sick_note s WHERE s.employee = b.employee)');  -- in ORDER BY
SELECT regress.verdict('SELECT sum(hours) FILTER (WHERE EXISTS (SELECT FROM care.sick_note s WHERE s.day = b.day)) FROM work.booking b');   -- in an aggregate
SELECT regress.verdict('CREATE TEMP TABLE t AS SELECT b.id FROM work.booking b JOIN care.sick_note USING (employee)');  -- CREATE TABLE AS
SELECT regress.verdict('DECLARE c CURSOR FOR SELECT * FROM care.sick_note JOIN work.booking USING (employee)');     -- a cursor
SELECT regress.verdict('EXPLAIN SELECT * FROM care.sick_note JOIN work.booking USING (employee)');                  -- EXPLAIN too
SELECT regress.verdict('SELECT b.id, care.forever_with_path() FROM work.booking b');                                -- a function that the planner evaluates
SELECT regress.verdict('SELECT b.id, care.forever() FROM work.booking b');                                          -- a function that the planner evaluates
DECLARE unread CURSOR FOR SELECT day FROM care.sick_note;
SELECT regress.verdict($$SELECT count(*), cursor_to_xml('unread', 10, false, true, '') FROM work.booking$$);        -- a cursor that is read meanwhile
CLOSE unread;
PREPARE pair AS SELECT count(*) FROM care.sick_note JOIN work.booking USING (employee);
SELECT regress.verdict('EXECUTE pair');                                                                             -- a prepared statement
-- a cursor that rests does not count, one that is being read does
DECLARE resting CURSOR FOR SELECT id FROM care.sick_note ORDER BY id;
FETCH resting;
SELECT count(*) FROM work.booking;
CLOSE resting;
COMMIT;
-- for the purpose that needs both: permitted
BEGIN;
SELECT set_config('toms.token', :'pay', true) \g /dev/null
EXECUTE pair;
SELECT * FROM work.both;
SELECT care.counted(employee) FROM work.booking ORDER BY id;
COMMIT;
-- an access function has the purpose, the statement that calls it has not: refused
BEGIN;
SELECT set_config('toms.token', :'for_both', true) \g /dev/null
SET LOCAL toms.purpose = 'absence_management';
SELECT care.for_pay(17);
SELECT regress.verdict('SELECT care.for_pay(employee) FROM work.booking');
SET LOCAL toms.purpose = 'continued_pay';
SELECT regress.verdict('SELECT care.for_pay(employee) FROM work.booking');
COMMIT;
-- and the statement's form decides nothing afterwards
BEGIN;
SELECT set_config('toms.token', :'management', true) \g /dev/null
SELECT regress.verdict('EXECUTE pair');
COMMIT;

--
-- Health data is not copied to where it is not protected
--
BEGIN;
SELECT set_config('toms.token', :'management', true) \g /dev/null
SELECT regress.verdict('INSERT INTO work.open SELECT id, day::text FROM care.sick_note');                           -- INSERT … SELECT
SELECT regress.verdict('INSERT INTO work.open VALUES (1, (SELECT max(day)::text FROM care.sick_note))');            -- a sub-select
SELECT regress.verdict('INSERT INTO work.open SELECT id, day::text FROM care.rows()');                              -- through a function
SELECT regress.verdict('INSERT INTO work.open SELECT care.counted(17), NULL');
SELECT regress.verdict('CREATE TABLE work.copy AS SELECT * FROM care.sick_note');                                   -- CREATE TABLE AS
SELECT regress.verdict('CREATE TEMP TABLE copy AS SELECT * FROM care.rows()');
SELECT regress.verdict('SELECT * INTO work.copy FROM care.sick_note');                                              -- SELECT INTO
SELECT regress.verdict('CREATE MATERIALIZED VIEW work.copy AS SELECT * FROM care.sick_note');                       -- a materialised view
SELECT regress.verdict('MERGE INTO work.open o USING care.sick_note s ON o.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.day::text)');
SELECT regress.verdict('UPDATE work.open o SET t = s.day::text FROM care.sick_note s WHERE s.id = o.id');           -- UPDATE … FROM
SELECT regress.verdict('WITH s AS (SELECT * FROM care.sick_note) INSERT INTO work.open SELECT id, NULL FROM s');    -- a CTE
SELECT regress.verdict('WITH i AS (INSERT INTO work.open SELECT id FROM care.sick_note RETURNING id) SELECT * FROM i');
SELECT regress.verdict('SELECT work.note_down(id) FROM care.sick_note');                                            -- a function that writes
SELECT regress.verdict('UPDATE care.sick_note SET day = day WHERE work.note_down(id) > 0');                         -- called by a statement that writes too
SELECT regress.verdict('CREATE TEMP TABLE copy AS SELECT care.forever()');                                          -- one that the planner evaluates
SELECT regress.verdict('ALTER TABLE work.open ADD COLUMN copied text DEFAULT care.latest()');                       -- a default that is written at once
-- what is protected, or holds nothing of the kind, is written as before
SELECT regress.verdict('INSERT INTO work.project SELECT id + 10, tenant, day::text FROM care.sick_note');           -- permitted: protected
SELECT regress.verdict('INSERT INTO work.open SELECT id, title FROM work.project');                                 -- permitted: not of Art. 9
SELECT regress.verdict('CREATE TEMP TABLE projects AS SELECT * FROM work.project');                                 -- permitted
SELECT regress.verdict('DELETE FROM work.open o USING care.sick_note s WHERE s.id = o.id');                         -- permitted: nothing is copied
SELECT regress.verdict('INSERT INTO work.open VALUES (7, NULL)');                                                   -- permitted
SELECT regress.verdict('SELECT o.id FROM work.open o JOIN care.sick_note s USING (id) FOR UPDATE OF o');            -- permitted: locks, writes nothing
SELECT regress.verdict('UPDATE care.sick_note SET day = day WHERE id = 1');                                         -- permitted: what a trigger of the table writes is its owner's
ROLLBACK;

--
-- In parallel workers too
--
BEGIN;
SELECT set_config('toms.token', :'management', true) \g /dev/null
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT care.parallel(employee) FROM work.booking;
SELECT regress.verdict('SELECT care.parallel(employee) FROM work.booking');
COMMIT;
BEGIN;
SELECT set_config('toms.token', :'pay', true) \g /dev/null
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL parallel_leader_participation = off;
SELECT sum(care.parallel(employee)) FROM work.booking;
COMMIT;

--
-- An administrator with a stated reason, and what is only observed
--
RESET SESSION AUTHORIZATION;
SET toms.reason = 'a migration';
SELECT count(*) FROM care.sick_note JOIN work.booking USING (employee);
RESET toms.reason;
SELECT toms.protect('care.sick_note', tenant => 'tenant', subject => 'employee', category => 'health', mode => 'observe', reason => 'adoption');
SELECT toms.reset_would_refuse() \g /dev/null
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT set_config('toms.token', :'management', true) \g /dev/null
SELECT count(*) > 0 FROM care.sick_note JOIN work.booking USING (employee);
INSERT INTO work.open SELECT id FROM care.sick_note;
SELECT count(work.note_down(id)) > 0 FROM care.sick_note;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT relation, reason, detail FROM toms.would_refuse ORDER BY reason, relation::text, detail;
SELECT toms.enforce('care.sick_note');

--
-- Who declares it, and what becomes of it
--
SET SESSION AUTHORIZATION regress_app;
SELECT regress.verdict($$SELECT toms.unseparate('care.sick_note', 'work.booking', reason => 'curiosity')$$);
RESET SESSION AUTHORIZATION;
SELECT regress.verdict($$SELECT toms.separate('care.sick_note', 'work.open')$$);                -- refused: not protected
SELECT regress.verdict($$SELECT toms.separate('care.sick_note', 'work.booking_2026')$$);        -- refused: a partition
SELECT regress.verdict($$SELECT toms.separate('care.sick_note', 'care.sick_note')$$);           -- refused: itself
SELECT regress.verdict($$SELECT toms.unprotect('work.booking', reason => 'an idea')$$);         -- refused: it is kept separate
SELECT regress.verdict($$SELECT toms.unseparate('care.sick_note', 'work.booking', reason => '')$$);
SELECT toms.unseparate('work.booking', 'care.sick_note', reason => 'end of test');
SELECT relation_name, action, detail, reason FROM toms.protection_history WHERE action LIKE '%separate' ORDER BY id;
SELECT toms.unprotect(t, reason => 'end of test') FROM unnest('{care.sick_note,work.booking,work.project}'::regclass[]) t \g /dev/null
DROP SCHEMA work, care CASCADE;
TRUNCATE toms.purpose, toms.purpose_history;
