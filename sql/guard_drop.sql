--
-- guard_drop: a table is not dropped by accident, nor by whoever owns it
--
-- The promise: in whichever way a protected table, a part of it or a column would go, with the rows of every tenant, it is
-- refused to whoever is not an administrator with a stated reason, the table's owner too.  What is not protected, or is
-- temporary, goes as ever.  A table that is only observed notes it.
--
\set SHOW_CONTEXT never
SET client_min_messages = error;
CREATE SCHEMA gone AUTHORIZATION regress_owner;
CREATE SCHEMA gone_only AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE DOMAIN gone.hours AS integer;
CREATE TYPE gone.place AS (building text, room text);
CREATE TABLE gone.absence (tenant text NOT NULL, id integer NOT NULL, employee integer NOT NULL, hours gone.hours, place gone.place, PRIMARY KEY (tenant, id));
CREATE TABLE gone.booking (tenant text NOT NULL, day date NOT NULL, hours integer) PARTITION BY RANGE (day);
CREATE TABLE gone.booking_2025 PARTITION OF gone.booking FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE gone.booking_2026 PARTITION OF gone.booking FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE gone.nest (LIKE gone.booking) PARTITION BY RANGE (day);
CREATE UNLOGGED TABLE gone.nest_all PARTITION OF gone.nest DEFAULT;
CREATE TABLE gone_only.visit (tenant text NOT NULL, day date NOT NULL);
CREATE TABLE gone.open (id integer);
CREATE VIEW gone.seen AS SELECT tenant, id FROM gone.absence;
CREATE TABLE gone.watched (tenant text NOT NULL, day date, note text);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('gone.absence', tenant => 'tenant', subject => 'employee');
SELECT toms.protect(r, tenant => 'tenant') FROM unnest('{gone.booking,gone_only.visit}'::regclass[]) r;
SELECT toms.protect('gone.watched', tenant => 'tenant', mode => 'observe');
SET toms.reason = 'rows to lose';
INSERT INTO gone.absence VALUES ('acme', 1, 17, 8, ('north', '1')), ('globex', 1, 4, 8, ('south', '2'));
INSERT INTO gone.booking VALUES ('acme', '2025-03-01'), ('globex', '2026-03-01');
INSERT INTO gone_only.visit VALUES ('acme', '2025-03-01');
RESET toms.reason;
-- what each does is taken back
CREATE FUNCTION regress.dropped(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text;
    message text;
BEGIN
    EXECUTE statement;
    RAISE EXCEPTION USING ERRCODE = 'TT000';
EXCEPTION WHEN SQLSTATE 'TT000' THEN
    RETURN 'ok';
WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, message = MESSAGE_TEXT;
    RETURN 'refused: ' || coalesce(nullif(code, ''), message);
END
$$;
GRANT EXECUTE ON FUNCTION regress.dropped(text) TO PUBLIC;
CREATE TABLE regress.way AS SELECT n, s FROM unnest(ARRAY[
    'DROP TABLE gone.absence CASCADE',
    'DROP TABLE gone.open, gone.booking',                                      -- among others
    'DROP TABLE gone.booking_2025',                                            -- a part of it
    'ALTER TABLE gone.booking DETACH PARTITION gone.booking_2025; DROP TABLE gone.booking_2025',
    'DROP SCHEMA gone CASCADE',                                                -- unnamed
    'DROP OWNED BY regress_owner CASCADE',
    'DROP DOMAIN gone.hours CASCADE',                                          -- a column goes with its type
    'ALTER TABLE gone.absence DROP COLUMN hours',
    'ALTER TABLE gone.booking DROP COLUMN IF EXISTS other, DROP COLUMN hours',
    'ALTER TYPE gone.place DROP ATTRIBUTE room',                               -- and a part of each value with a part of it
    'DO $do$BEGIN EXECUTE ''DROP TABLE gone.absence CASCADE''; END$do$',       -- from within
    'ALTER TABLE gone.absence SET UNLOGGED',                                   -- a crash would empty it
    'CREATE UNLOGGED TABLE gone.later PARTITION OF gone.booking DEFAULT',      -- and what comes there from now on
    'CREATE UNLOGGED TABLE gone.later (LIKE gone.booking); ALTER TABLE gone.booking ATTACH PARTITION gone.later DEFAULT',
    'ALTER TABLE gone.booking ATTACH PARTITION gone.nest DEFAULT']) WITH ORDINALITY u (s, n);
GRANT SELECT ON regress.way TO PUBLIC;

-- the owner, without and with a reason: it is of no use to him
SET SESSION AUTHORIZATION regress_owner;
SELECT s AS statement, regress.dropped(s) AS owner FROM regress.way ORDER BY n;
SET toms.reason = 'mine';
SELECT regress.dropped(s) AS owner_with_reason, count(*) FROM regress.way GROUP BY 1;
RESET toms.reason;
DROP TABLE gone_only.visit;                                                    -- refused, and is told what to do
-- what goes as ever
SELECT s AS statement, regress.dropped(s) FROM unnest(ARRAY['DROP TABLE gone.open', 'DROP VIEW gone.seen', 'ALTER TABLE gone.absence ALTER COLUMN hours DROP DEFAULT',
    'ALTER TABLE gone.booking DETACH PARTITION gone.booking_2026', 'ALTER TABLE gone.open DROP COLUMN id',
    'CREATE TEMPORARY TABLE mine (hours gone.hours); DROP TABLE mine; CREATE TEMPORARY TABLE mine (); DISCARD TEMP']) s;
RESET SESSION AUTHORIZATION;

-- a superuser, without a reason; all is there still
SELECT s AS statement, regress.dropped(s) AS superuser FROM regress.way ORDER BY n;
SET toms.reason = 'migration 17';
SELECT count(*), count(hours), count((place).room), (SELECT count(*) FROM gone.booking) AS bookings FROM gone.absence;
-- with one it goes, in the session of an administrator
SELECT s AS statement, regress.dropped(s) AS with_reason FROM regress.way ORDER BY n;
RESET toms.reason;
SELECT toms.open_admin_session('Jane Doe', 'T-17', 'migration 17') > 0 AS opened;
SELECT regress.dropped('DROP SCHEMA gone CASCADE');
SELECT toms.close_admin_session() IS NOT NULL AS closed;
SELECT regress.dropped('DROP SCHEMA gone CASCADE');

-- what is only observed goes, and it is noted what would have been refused
SELECT toms.reset_would_refuse();
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE gone.watched DROP COLUMN note;
RESET SESSION AUTHORIZATION;
SELECT relation, login, reason, detail, remedy, count FROM toms.would_refuse;
SELECT toms.reset_would_refuse();

-- refusals are in the trail, and who had what dropped for which reason
SELECT toms.seal_audit() IS NOT NULL AS sealed;
SELECT e.details ->> 'refused' AS refused, e.relation, count(*) > 0 AS told FROM toms.audit_trail(since => now() - interval '1 hour', kind => 'refusal') e
WHERE e.relation::text LIKE 'gone%' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT DISTINCT e.relation, e.reason FROM toms.audit_trail(since => now() - interval '1 hour', kind => 'ddl') e
WHERE e.relation = 'gone.absence' AND e.details ->> 'command' = 'DROP TABLE' ORDER BY 1, 2;

SET toms.reason = 'end of the test';
DROP SCHEMA gone, gone_only CASCADE;
DROP TABLE regress.way;
DROP FUNCTION regress.dropped(text);

--
-- A database as a whole is nobody's but its owner's, and a superuser's: DROP DATABASE runs in another one, from where nobody can look into it,
-- and no reason is asked.  So it is to belong to a role that nobody logs in as.
--
SELECT current_database() AS before \gset
CREATE ROLE regress_nobody NOLOGIN;
CREATE DATABASE regress_gone;
\c regress_gone
SET client_min_messages = error;
CREATE EXTENSION toms;
CREATE TABLE absence (tenant text NOT NULL);
SELECT toms.protect('absence', tenant => 'tenant');
\c :before
ALTER DATABASE regress_gone OWNER TO regress_nobody;
SET SESSION AUTHORIZATION regress_owner;
DROP DATABASE regress_gone;                                                    -- refused
RESET SESSION AUTHORIZATION;
ALTER DATABASE regress_gone OWNER TO regress_owner;
SET SESSION AUTHORIZATION regress_owner;
DROP DATABASE regress_gone;                                                    -- not asked
RESET SESSION AUTHORIZATION;
SELECT count(*) AS databases FROM pg_database WHERE datname = 'regress_gone';
DROP ROLE regress_nobody;
