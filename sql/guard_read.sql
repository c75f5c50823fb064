--
-- guard_read: what the trail holds of a statement that reads, in whatever form it reads
--
-- The promise: a statement that passes by the context leaves an entry for each protected table
-- whose rows it reads, with the rows that came of it, whatever becomes of the transaction; a
-- statement that only writes a table, or only plans to read it, leaves none.  Each line is one form
-- with its verdict: "read", or "none" and why.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SELECT current_user AS superuser \gset
SET client_min_messages = warning;
CREATE SCHEMA guard AUTHORIZATION regress_owner;
GRANT USAGE, CREATE ON SCHEMA guard TO regress_hr;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE guard.absence (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, hours integer NOT NULL DEFAULT 8);
INSERT INTO guard.absence VALUES (1, 'acme', 17), (2, 'acme', 18), (3, 'globex', 17);
CREATE TABLE guard.booking (id integer, tenant text NOT NULL, employee integer NOT NULL, month integer NOT NULL) PARTITION BY LIST (month);
CREATE TABLE guard.booking_1 PARTITION OF guard.booking FOR VALUES IN (1);
CREATE TABLE guard.booking_2 PARTITION OF guard.booking FOR VALUES IN (2);
INSERT INTO guard.booking VALUES (1, 'acme', 17, 1), (2, 'acme', 18, 2), (3, 'globex', 17, 1);
CREATE TABLE guard.team (id integer PRIMARY KEY, tenant text NOT NULL, absence integer REFERENCES guard.absence ON DELETE CASCADE);
CREATE TABLE guard.illness (id integer, tenant text NOT NULL, employee integer NOT NULL);         -- health data
INSERT INTO guard.illness VALUES (1, 'acme', 17);
CREATE TABLE guard.plain (id integer, said text);               -- not protected
INSERT INTO guard.plain VALUES (1, 'x'), (2, 'y');
GRANT ALL ON guard.plain, guard.booking_2 TO regress_hr;
CREATE VIEW guard.owners_view AS SELECT * FROM guard.absence;
CREATE VIEW guard.invokers_view WITH (security_invoker = true) AS SELECT * FROM guard.absence;
CREATE VIEW guard.nested_view AS SELECT v.* FROM guard.owners_view v JOIN guard.invokers_view i USING (id);
CREATE VIEW guard.ruled_view AS SELECT id FROM guard.plain;
CREATE RULE ruled AS ON INSERT TO guard.ruled_view DO INSTEAD INSERT INTO guard.plain SELECT new.id, 'z' FROM guard.absence WHERE id = 1;
CREATE FUNCTION guard.sql_inlined() RETURNS SETOF integer LANGUAGE sql STABLE AS 'SELECT id FROM guard.absence';
CREATE FUNCTION guard.sql_called() RETURNS SETOF integer LANGUAGE sql VOLATILE AS 'SELECT id FROM guard.absence';
CREATE FUNCTION guard.sql_atomic() RETURNS SETOF integer LANGUAGE sql STABLE BEGIN ATOMIC SELECT id FROM guard.absence; END;
CREATE FUNCTION guard.plpgsql() RETURNS SETOF integer LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT id FROM guard.absence; END $$;
CREATE FUNCTION guard.plpgsql_loop() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE r record; n integer := 0;
BEGIN
    FOR r IN SELECT * FROM guard.absence LOOP n := n + 1; EXIT; END LOOP;
    RETURN n;
END $$;
CREATE FUNCTION guard.plpgsql_dynamic() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE n integer;
BEGIN
    EXECUTE 'SELECT count(*) FROM guard.' || 'absence' INTO n;
    RETURN n;
END $$;
CREATE FUNCTION guard.one(i integer) RETURNS integer LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$ BEGIN RETURN (SELECT hours FROM guard.absence WHERE id = i); END $$;
CREATE FUNCTION guard.copied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM guard.absence WHERE id = new.id;
    RETURN new;
END $$;
CREATE TABLE guard.triggered (id integer);
CREATE TRIGGER looks BEFORE INSERT ON guard.triggered FOR EACH ROW EXECUTE FUNCTION guard.copied();
GRANT USAGE ON SCHEMA guard TO PUBLIC;
GRANT ALL ON guard.booking, guard.booking_1 TO regress_migration;
GRANT ALL ON guard.triggered, guard.ruled_view, guard.owners_view, guard.invokers_view, guard.nested_view TO regress_hr;
RESET SESSION AUTHORIZATION;
SELECT toms.protect(r, tenant => 'tenant') FROM unnest('{guard.absence,guard.booking,guard.team}'::regclass[]) r;
SELECT toms.protect('guard.illness', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.permit('regress_hr', r, '{select,insert,update,delete}', '{absence_management}', 'tenant') > 0
FROM unnest('{guard.absence,guard.booking,guard.team,guard.illness}'::regclass[]) r;

-- The trail as its owner sees it, of reads and refusals with numbers above one, and the last number.
-- What is told of a statement's rows later is added up; fingerprints are compared further down.
CREATE FUNCTION guard.last_entry() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.seal_audit();
    RETURN (SELECT coalesce(max(id), 0) FROM toms.audit_entry);
END $$;
CREATE FUNCTION guard.entries(above bigint) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    told text;
BEGIN
    PERFORM toms.seal_audit();
    WITH e AS (
        SELECT id, kind, verb, tenant, object, convert_from(payload, 'UTF8')::jsonb AS said FROM toms.audit_entry
        WHERE id > above AND kind IN ('r', 'x') AND key IS NULL)
    SELECT string_agg(concat_ws(' ', CASE e.kind::text || e.verb::text WHEN 'rs' THEN 'read' WHEN 're' THEN 'exported' WHEN 'rm' THEN 'imported' WHEN 'ra' THEN 'read trail'
                                    WHEN 'xr' THEN 'refused' WHEN 'xw' THEN 'would refuse' END,
                                (SELECT convert_from(o.payload, 'UTF8')::jsonb ->> 'relation' FROM toms.audit_entry o WHERE o.id = e.object),
                                'rows=' || coalesce((e.said ->> 'rows')::bigint, (SELECT sum((n.said ->> 'rows')::bigint) FROM e n WHERE n.said ->> 'of' = e.id::text)),
                                nullif((e.said - '{rows,fingerprint,microseconds}'::text[])::text, '{}')), '; ' ORDER BY e.id)
    INTO told FROM e WHERE e.verb <> 'n';
    RETURN coalesce(told, 'none');
END $$;
-- What a statement leaves there; its error, if it fails.
CREATE FUNCTION guard.told(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before constant bigint := guard.last_entry();
    code text; message text;
BEGIN
    BEGIN
        EXECUTE statement;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, message = MESSAGE_TEXT;
    END;
    RETURN guard.entries(before) || coalesce(' (' || coalesce(nullif(code, ''), message) || ')', '');
END $$;

-- The fingerprint of the one read that a statement leaves.
CREATE FUNCTION guard.last_fingerprint() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT convert_from(payload, 'UTF8')::jsonb ->> 'fingerprint' FROM toms.audit_entry WHERE kind = 'r' AND verb IN ('s', 'e') ORDER BY id DESC LIMIT 1
$$;
CREATE FUNCTION guard.fingerprint(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    PERFORM guard.last_entry();
    RETURN guard.last_fingerprint();
END $$;

SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
--
-- Queries
--
SELECT guard.told('SELECT * FROM guard.absence');                                           -- read
SELECT guard.told('SELECT id FROM guard.absence WHERE id = 1');                             -- read: one row
SELECT guard.told('SELECT id FROM guard.absence WHERE id = 3');                             -- read: none of another tenant
SELECT guard.told('SELECT count(*) FROM guard.absence');                                    -- read: one row came of it
SELECT guard.told('SELECT FROM guard.absence');                                             -- read: how many rows there are
SELECT guard.told('SELECT a FROM guard.absence a');                                         -- read: whole rows
SELECT guard.told('TABLE guard.absence');                                                   -- read
SELECT guard.told('SELECT * FROM ONLY guard.absence');                                      -- read
SELECT guard.told('SELECT * FROM guard.absence WHERE false');                               -- read: no rows, but the table is named
SELECT guard.told('SELECT * FROM guard.absence LIMIT 1');                                   -- read: one row
SELECT guard.told('SELECT * FROM guard.absence LIMIT 0');                                   -- read: no rows
SELECT guard.told('SELECT EXISTS (SELECT FROM guard.absence WHERE id = 1)');                -- read
SELECT guard.told('SELECT (SELECT max(hours) FROM guard.absence)');                         -- read
SELECT guard.told('SELECT * FROM guard.plain WHERE id IN (SELECT id FROM guard.absence)');  -- read
SELECT guard.told('SELECT * FROM guard.plain p WHERE NOT EXISTS (SELECT FROM guard.absence a WHERE a.id = p.id)');    -- read
SELECT guard.told('SELECT * FROM (SELECT * FROM guard.absence OFFSET 0) s');                -- read
SELECT guard.told('SELECT * FROM guard.plain p, LATERAL (SELECT * FROM guard.absence a WHERE a.id = p.id) l');        -- read
SELECT guard.told('WITH a AS (SELECT * FROM guard.absence) SELECT * FROM a');               -- read
SELECT guard.told('WITH a AS MATERIALIZED (SELECT * FROM guard.absence) SELECT count(*) FROM a');                     -- read
SELECT guard.told('WITH RECURSIVE r AS (SELECT id FROM guard.absence WHERE id = 1 UNION SELECT a.id FROM guard.absence a, r WHERE a.id = r.id + 1) SELECT * FROM r');   -- read: once
SELECT guard.told('SELECT id FROM guard.absence UNION ALL SELECT id FROM guard.booking');   -- read: two tables
SELECT guard.told('SELECT * FROM guard.absence a JOIN guard.booking b USING (id)');         -- read: two tables
SELECT guard.told('SELECT * FROM guard.absence a JOIN guard.absence b USING (id)');         -- read: one table, once
SELECT guard.told('SELECT p.* FROM guard.plain p LEFT JOIN guard.absence a USING (id)');    -- read: the join may not be needed
SELECT guard.told('SELECT DISTINCT hours, rank() OVER (ORDER BY id) FROM guard.absence');   -- read
SELECT guard.told('SELECT hours, count(*) FROM guard.absence GROUP BY GROUPING SETS ((hours), ())');                  -- read
SELECT guard.told('SELECT * FROM guard.absence FOR UPDATE');                                -- read
SELECT guard.told('SELECT * FROM guard.absence FOR KEY SHARE SKIP LOCKED');                 -- read
SELECT guard.told('SELECT * FROM guard.absence TABLESAMPLE SYSTEM (100)');                  -- read
SELECT guard.told('SELECT * FROM guard.booking');                                           -- read: the table, not its partitions
SELECT guard.told('SELECT * FROM guard.booking_2');                                         -- read: the table, by its partition
SELECT guard.told('SELECT * FROM guard.illness');                                           -- read
SELECT guard.told('VALUES ((SELECT count(*) FROM guard.absence))');                         -- read
--
-- Views, functions, what others run
--
SELECT guard.told('SELECT * FROM guard.invokers_view');                                     -- read
SELECT guard.told('SELECT * FROM guard.owners_view');                                       -- read: the table, through the view
SELECT guard.told('SELECT * FROM guard.nested_view');                                       -- read: once
SELECT guard.told('SELECT * FROM guard.sql_inlined()');                                     -- read: by the statement, which has the function's body in it
SELECT guard.told('SELECT guard.sql_called()');                                             -- read: by the function
SELECT guard.told('SELECT * FROM guard.sql_atomic()');                                      -- read
SELECT guard.told('SELECT * FROM guard.plpgsql()');                                         -- read
SELECT guard.told('SELECT guard.plpgsql_loop()');                                           -- read: as many as the loop has fetched
SELECT guard.told('SELECT guard.plpgsql_dynamic()');                                        -- read
SELECT guard.told('SELECT guard.one(id) FROM guard.plain');                                 -- read: once for each call
SELECT guard.told($$DO 'BEGIN PERFORM * FROM guard.absence; END'$$);                        -- read
SELECT guard.told($$DO 'BEGIN PERFORM 1; END'$$);                                           -- none: reads nothing
SELECT guard.told('SELECT table_to_xml(''guard.absence'', true, true, '''')');              -- read: by a query that it makes up
SELECT guard.told('SELECT query_to_xml(''SELECT * FROM guard.booking'', true, true, '''')');-- read
SELECT guard.told('INSERT INTO guard.triggered VALUES (1)');                                -- read: by the trigger
SELECT guard.told('INSERT INTO guard.ruled_view VALUES (1)');                               -- read: by the rule
--
-- Statements that write
--
SELECT guard.told($$INSERT INTO guard.absence VALUES (4, 'acme', 19)$$);                    -- none: the change is in the trail
SELECT guard.told($$INSERT INTO guard.absence VALUES (5, 'acme', 19) RETURNING *$$);        -- read: it is handed on
SELECT guard.told('UPDATE guard.absence SET hours = 9 WHERE id = 4');                       -- none: the change tells
SELECT guard.told('UPDATE guard.absence SET hours = hours + 1 WHERE id = 4');               -- read: it looks at what was there
SELECT guard.told('UPDATE guard.absence SET hours = 9 WHERE set_config(''guard.seen'', employee::text, true) IS NULL');  -- read: its condition takes rows away
SELECT guard.told('UPDATE guard.absence SET hours = hours WHERE employee = 17');            -- read: how many there are
SELECT guard.told('UPDATE guard.absence a SET hours = 9 WHERE a IS NULL');                  -- read: whole rows
SELECT guard.told('DELETE FROM guard.absence WHERE set_config(''guard.seen'', employee::text, true) IS NULL');     -- read
SELECT guard.told('DELETE FROM guard.illness WHERE employee = 99');                         -- read: whether he is ill
SELECT guard.told('MERGE INTO guard.absence a USING (SELECT 1 AS id) p ON a.id = p.id WHEN MATCHED AND hours::text = ''x'' THEN DELETE');   -- read
SELECT guard.told($$INSERT INTO guard.absence VALUES (1, 'acme', 17) ON CONFLICT (id) DO UPDATE SET hours = 8 WHERE absence.hours > 99$$);  -- read
SELECT guard.told('UPDATE guard.absence SET hours = 1 WHERE id = 4 RETURNING id');          -- read
SELECT guard.told('UPDATE guard.booking SET month = 2 WHERE id = 1 RETURNING *');           -- read: by its partitions
SELECT guard.told('UPDATE guard.invokers_view SET hours = 1 WHERE id = 1');                 -- read: the view looks at all of its columns
SELECT guard.told('UPDATE guard.invokers_view SET hours = 1 WHERE id = 1 RETURNING id');    -- read: through the view
SELECT guard.told('UPDATE guard.absence a SET hours = 2 FROM guard.booking b WHERE b.id = a.id');                     -- read: the other table
SELECT guard.told('UPDATE guard.absence SET hours = (SELECT max(hours) FROM guard.absence) WHERE id = 4');            -- read: the same table
SELECT guard.told('UPDATE guard.plain SET said = ''s'' FROM guard.absence a WHERE a.id = plain.id');                  -- read
SELECT guard.told('DELETE FROM guard.absence WHERE id = 4');                                -- none: the change tells
SELECT guard.told('DELETE FROM guard.absence WHERE id = 5 RETURNING hours');                -- read
SELECT guard.told('DELETE FROM guard.plain USING guard.absence a WHERE a.id = plain.id AND false');                   -- read
SELECT guard.told($$INSERT INTO guard.absence VALUES (1, 'acme', 17) ON CONFLICT DO NOTHING$$);                       -- none
SELECT guard.told($$INSERT INTO guard.absence VALUES (1, 'acme', 17) ON CONFLICT (id) DO UPDATE SET hours = absence.hours + 1$$);   -- read: it looks at what was there
SELECT guard.told($$INSERT INTO guard.absence VALUES (1, 'acme', 17) ON CONFLICT (id) DO UPDATE SET hours = 8 RETURNING hours$$);   -- read
SELECT guard.told('INSERT INTO guard.plain SELECT id, tenant FROM guard.absence');          -- read
SELECT guard.told('INSERT INTO guard.booking SELECT id, tenant, employee, 2 FROM guard.absence');                     -- read: one, writes the other
SELECT guard.told('MERGE INTO guard.absence a USING (SELECT 1 AS id) p ON a.id = p.id WHEN MATCHED THEN UPDATE SET hours = 3');       -- none
SELECT guard.told('MERGE INTO guard.plain p USING guard.absence a ON a.id = p.id WHEN MATCHED THEN UPDATE SET said = ''m''');       -- read
SELECT guard.told('WITH u AS (UPDATE guard.absence SET hours = 4 WHERE id = 1 RETURNING id) SELECT * FROM u');        -- read
SELECT guard.told('WITH u AS (UPDATE guard.absence SET hours = 4 WHERE id = 1) SELECT 1');  -- none: nothing is handed on
SELECT guard.told('WITH d AS (DELETE FROM guard.booking WHERE id = 1 RETURNING *) INSERT INTO guard.plain SELECT id FROM d');       -- read
SELECT guard.told($$INSERT INTO guard.team VALUES (1, 'acme', 1)$$);                        -- none: a foreign key's look-up
SELECT guard.told('DELETE FROM guard.team WHERE id = 1');                                   -- none
SELECT guard.told('CREATE TABLE guard.made AS SELECT id FROM guard.absence');               -- read
SELECT guard.told('CREATE TABLE guard.made_empty AS SELECT id FROM guard.absence WITH NO DATA');                      -- none: it is not run
SELECT replace(guard.told('CREATE MATERIALIZED VIEW guard.kept AS SELECT count(*) FROM guard.booking'), 'materialized view', 'table');   -- read: into what, goes by the version
--
-- Statements that do not read rows
--
SELECT guard.told('SELECT 1');                                                              -- none
SELECT guard.told('SELECT * FROM guard.plain');                                             -- none: not protected
SELECT guard.told('EXPLAIN SELECT * FROM guard.absence');                                   -- none: it is not run
SELECT guard.told('EXPLAIN ANALYZE SELECT * FROM guard.absence');                           -- none: refused
SELECT guard.told('PREPARE p AS SELECT * FROM guard.absence');                              -- none: it is not run
SELECT guard.told('EXECUTE p');                                                             -- read
SELECT guard.told('EXECUTE p');                                                             -- read: each time
SELECT guard.told('DECLARE c CURSOR FOR SELECT * FROM guard.absence');                      -- none: it is not run
SELECT guard.told('DECLARE h CURSOR WITH HOLD FOR SELECT * FROM guard.absence');            -- none: refused
SELECT guard.told('LOCK TABLE guard.absence IN ACCESS SHARE MODE');                         -- none
SELECT guard.told('CREATE VIEW guard.later AS SELECT * FROM guard.absence');                -- none: it is not run
SELECT guard.told('SELECT * FROM guard.later');                                             -- read
SELECT guard.told('SELECT hours / 0 FROM guard.absence');                                   -- read: it failed after the event
SELECT guard.told('SELECT reltuples FROM pg_class WHERE oid = ''guard.absence''::regclass');-- none
--
-- Fingerprints: of the statement without its literals
--
SELECT guard.fingerprint('SELECT id FROM guard.absence WHERE id = 1') ~ '^[0-9a-f]{16}$';
SELECT guard.fingerprint('SELECT id FROM guard.absence WHERE id = 1') = guard.fingerprint('SELECT id FROM guard.absence WHERE id=2 -- another');
SELECT guard.fingerprint('SELECT id FROM guard.absence WHERE id = 1') <> guard.fingerprint('SELECT id FROM guard.absence WHERE id > 1');
SELECT guard.fingerprint('SELECT id FROM guard.invokers_view') ~ '^[0-9a-f]{16}$';                                 -- through a view
SELECT guard.fingerprint('SELECT (SELECT max(id) FROM guard.absence)') ~ '^[0-9a-f]{16}$';                         -- in a sub-select
SELECT guard.fingerprint('CREATE TEMP TABLE printed AS SELECT id FROM guard.absence') ~ '^[0-9a-f]{16}$';          -- inside of a utility statement
SELECT guard.fingerprint('SELECT guard.plpgsql_dynamic()') ~ '^[0-9a-f]{16}$';                                     -- of a function
COMMIT;

--
-- What psql has to say by itself: cursors, COPY, ends of transactions
--
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT guard.last_entry() AS before \gset
DECLARE c CURSOR FOR SELECT id FROM guard.absence ORDER BY id;
SELECT guard.entries(:before);                                                              -- none: nothing is fetched yet
FETCH 1 FROM c;
SELECT guard.entries(:before);                                                              -- read: how many rows is not told yet
FETCH 1 FROM c;
SELECT guard.entries(:before);                                                              -- read: the same entry
CLOSE c;
SELECT guard.entries(:before);                                                              -- read: two rows
SELECT guard.last_entry() AS before \gset
DECLARE c SCROLL CURSOR FOR SELECT id FROM guard.illness;
FETCH ALL FROM c;
FETCH BACKWARD 1 FROM c;
COMMIT;
SELECT guard.entries(:before);                                                              -- read: as often as a row was fetched
SELECT guard.last_entry() AS before \gset
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
DECLARE c CURSOR FOR SELECT id FROM guard.absence ORDER BY id;
FETCH 1 FROM c;
ROLLBACK;
SELECT guard.entries(:before);                                                              -- read: stopped half-way and rolled back
SELECT guard.last_entry() AS before \gset
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT id FROM guard.illness;
ROLLBACK;
SELECT guard.entries(:before);                                                              -- read: rolled back
SELECT guard.last_entry() AS before \gset
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SAVEPOINT s;
SELECT id FROM guard.absence WHERE id = 1;
SELECT 1 / 0;
ROLLBACK TO s;
SELECT guard.entries(:before);                                                              -- read: rolled back to before it
SELECT guard.last_entry() AS before \gset
SELECT id INTO guard.made_too FROM guard.absence;
SELECT guard.entries(:before);                                                              -- read
SELECT guard.last_entry() AS before \gset
REFRESH MATERIALIZED VIEW guard.kept;
SELECT guard.entries(:before);                                                              -- read
SELECT guard.last_entry() AS before \gset
COPY guard.absence (id) TO STDOUT;
SELECT guard.entries(:before);                                                              -- exported
SELECT guard.last_entry() AS before \gset
COPY (SELECT id FROM guard.illness) TO STDOUT WITH (FORMAT csv);
SELECT guard.entries(:before);                                                              -- exported
SELECT guard.last_entry() AS before \gset
COPY (SELECT guard.one(id) FROM guard.plain WHERE id = 2) TO STDOUT;
SELECT guard.entries(:before);                                                              -- read: by the function, the table that is copied is not protected
SELECT guard.last_entry() AS before \gset
COPY (DELETE FROM guard.booking WHERE id = 2 RETURNING id) TO STDOUT;
SELECT guard.entries(:before);                                                              -- exported
SELECT guard.last_entry() AS before \gset
COPY guard.plain (id) TO STDOUT;
SELECT guard.entries(:before);                                                              -- none: not protected
ROLLBACK;

-- what is read without the executor yields no rows
SET SESSION AUTHORIZATION regress_owner;
SELECT guard.last_entry() AS before \gset
ANALYZE guard.absence, guard.booking;
VACUUM guard.absence;
SELECT guard.entries(:before);                                                              -- none
SET SESSION AUTHORIZATION regress_job;

-- functions that parallel workers run
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT guard.last_entry() AS before \gset
SELECT count(*) FROM guard.absence;
SELECT guard.entries(:before);                                                              -- read: once, by the session
SELECT guard.last_entry() AS before \gset
SELECT count(guard.one(id)) FROM guard.plain;
SELECT guard.entries(:before);                                                              -- read: in the worker, once for each call
COMMIT;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET parallel_leader_participation;

--
-- Refusals: recorded once, whatever becomes of the transaction, with what was tried
--
SELECT guard.last_entry() AS before \gset
BEGIN;
SELECT * FROM guard.absence;                                                                -- refused: no context
ROLLBACK;
SELECT guard.entries(:before);
SELECT guard.last_entry() AS before \gset
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'payroll');
UPDATE guard.absence SET hours = 1 WHERE id = 1;                                            -- refused: the purpose
ROLLBACK;
SELECT guard.entries(:before);
BEGIN;
SELECT guard.last_entry() AS before \gset
SELECT toms.enter('acme', '90', 'regress_employee', 'absence_management');
DO $$
BEGIN
    PERFORM FROM guard.absence;
EXCEPTION WHEN insufficient_privilege THEN                                                  -- refused, and swallowed
    NULL;
END $$;
SELECT guard.entries(:before);
ROLLBACK;
SELECT guard.entries(:before);

--
-- Administrators: what they take out or bring in by COPY
--
SET SESSION AUTHORIZATION regress_migration;
SET toms.reason = 'ticket 4711';
SELECT guard.last_entry() AS before \gset
COPY guard.booking_1 (id) TO STDOUT;
SELECT guard.entries(:before);                                                              -- exported: by the owner of no row
SELECT guard.last_entry() AS before \gset
COPY (SELECT id FROM guard.booking ORDER BY id) TO STDOUT;
SELECT guard.entries(:before);                                                              -- exported
SELECT guard.last_entry() AS before \gset
COPY guard.booking FROM STDIN;
7	acme	17	1
8	acme	17	2
\.
SELECT guard.entries(:before);                                                              -- imported
SELECT guard.last_entry() AS before \gset
COPY guard.booking FROM STDIN;
9	acme	17	1
nine
\.
SELECT replace(guard.entries(:before), 'rows=0', 'rows=1');                                  -- imported: one row at most, and rolled back
RESET SESSION AUTHORIZATION;
SET toms.reason = 'ticket 4711';
SELECT guard.last_entry() AS before \gset
COPY guard.illness TO '/dev/null';
COPY guard.illness TO PROGRAM 'cat >/dev/null';
SELECT guard.entries(:before);                                                              -- exported: to a file, to a program, never which
SELECT guard.last_entry() AS before \gset
SELECT count(*) > 0 FROM toms.audit_entry WHERE kind = 'r';
SELECT count(*) > 0 FROM toms.audit_object;
SELECT count(*) > 0 FROM toms.audit_block;
SELECT count(*) > 0 FROM toms.audit_trail();
SELECT guard.entries(:before);                                                              -- read trail: by itself, and what it reads
SELECT guard.last_entry() AS before \gset
COPY toms.audit_read_default TO STDOUT;
SELECT guard.entries(:before);                                                              -- read trail
RESET toms.reason;

--
-- How it is declared: strict by default where a crash must not lose who read
--
SET SESSION AUTHORIZATION regress_officer;
SELECT relation, read_audit FROM toms.protected_tables WHERE relation::text LIKE 'guard.%' ORDER BY relation::text;
SELECT toms.protect('guard.illness', tenant => 'tenant', subject => 'employee', category => 'health', read_audit => 'never');          -- error
SELECT toms.protect('guard.illness', tenant => 'tenant', subject => 'employee', category => 'health', read_audit => 'asynchronous');   -- error: needs a reason
SELECT toms.protect('guard.illness', tenant => 'tenant', subject => 'employee', category => 'health', read_audit => 'asynchronous', reason => 'a test');
SELECT toms.protect('guard.booking', tenant => 'tenant', read_audit => 'strict');
SELECT toms.protect('guard.absence', tenant => 'tenant', read_audit => 'asynchronous');                                              -- as it is anyway
SELECT relation, read_audit FROM toms.protected_tables WHERE relation::text LIKE 'guard.%' ORDER BY relation::text;
SELECT finding FROM toms.explain_protection('guard.illness') WHERE kind = 'protection';
SELECT objoid::regclass, label FROM pg_seclabels WHERE provider = 'toms' AND objtype = 'table' AND label LIKE '%read_audit%' ORDER BY 1;
SELECT toms.label_rows('guard.absence', condition => 'hours = 1', category => 'health');
SELECT read_audit FROM toms.protected_tables WHERE relation = 'guard.absence'::regclass;                                             -- strict, as its rows have become
SELECT toms.unlabel_rows('guard.absence', 'health');
SELECT toms.protect('guard.booking', tenant => 'tenant');
SELECT read_audit FROM toms.protected_tables WHERE relation = 'guard.booking_1'::regclass;                                           -- asynchronous again
RESET SESSION AUTHORIZATION;
SELECT toms.protect('guard.booking', tenant => 'tenant', read_audit => 'strict');
CREATE TABLE guard.booking_3 PARTITION OF guard.booking FOR VALUES IN (3);
SELECT read_audit FROM toms.protected_tables WHERE relation = 'guard.booking_3'::regclass;                                           -- strict
SELECT toms.protect('guard.team', tenant => 'tenant', read_audit => 'strict', mode => 'observe', reason => 'a test');
SELECT guard.last_entry() AS before \gset
SET SESSION AUTHORIZATION regress_owner;
SELECT count(*) FROM guard.team;
COPY guard.team FROM STDIN;
2	acme	1
\.
RESET SESSION AUTHORIZATION;
SELECT guard.entries(:before);                                                              -- read, imported: observed, and what would be refused
SELECT toms.enforce('guard.team');
SELECT read_audit FROM toms.protected_tables WHERE relation = 'guard.team'::regclass;                                             -- strict still

SELECT toms.unprotect(r, reason => 'end of test') FROM unnest('{guard.absence,guard.booking,guard.team,guard.illness}'::regclass[]) r;
DROP SCHEMA guard CASCADE;
