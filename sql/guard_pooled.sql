--
-- guard_pooled: what one client leaves on a pooled connection does not watch the next one
--
\set SHOW_CONTEXT never
CREATE SCHEMA temporary AUTHORIZATION regress_owner;
CREATE TABLE temporary.note (tenant text NOT NULL, employee integer NOT NULL, day date);
ALTER TABLE temporary.note OWNER TO regress_owner;
INSERT INTO temporary.note VALUES ('acme', 17, '2026-01-01'), ('globex', 4, '2026-01-02');
SELECT toms.protect('temporary.note', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('regress_hr', 'temporary.note', '{select}', '{audit}', scope => 'tenant') > 0 AS permitted;

-- a client of acme leaves a view that has the table's name, and a function that writes down
-- what it sees
SET SESSION AUTHORIZATION regress_job;
SET search_path = temporary;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
CREATE TEMPORARY TABLE loot (LIKE temporary.note);
CREATE FUNCTION pg_temp.spy(r temporary.note) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO pg_temp.loot SELECT (r).*; RETURN true; END $$;
CREATE TEMPORARY VIEW note AS SELECT * FROM temporary.note n WHERE pg_temp.spy(n);
COMMIT;

-- the next client, of globex, reads "its" table
BEGIN;
SELECT toms.enter('globex', '4', 'regress_hr', 'audit');
SELECT regress.verdict('SELECT * FROM note');                       -- refused: it is the view
SELECT regress.verdict('SELECT * FROM (SELECT * FROM note) n');     -- refused
SELECT regress.verdict('SELECT * FROM temporary.note');             -- ok: the table, by its full name
SELECT * FROM note;                                                 -- refused, and says what to do
COMMIT;
SELECT * FROM loot;                                                 -- nothing

-- after DISCARD TEMP the name is the table's again
DISCARD TEMP;
BEGIN;
SELECT toms.enter('globex', '4', 'regress_hr', 'audit');
SELECT regress.verdict('SELECT * FROM note');                       -- ok
COMMIT;
RESET search_path;
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA temporary CASCADE;
