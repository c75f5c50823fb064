--
-- guard_ddl: the owner of a protected table changes it, and sees nobody's rows by it
--
-- PostgreSQL computes indexes, constraints, generated columns and new types from all rows
-- of a table, whatever row security says, and runs functions of the owner's on them.
--
\set SHOW_CONTEXT never
CREATE SCHEMA ddl AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE ddl.note (tenant text NOT NULL, id integer NOT NULL, employee integer NOT NULL, day date);
INSERT INTO ddl.note VALUES ('acme', 1, 17, '2026-01-01'), ('globex', 2, 4, '2026-01-02');
CREATE FUNCTION ddl.leak(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0000001
    AS $$ BEGIN RAISE NOTICE 'leaked: %', $1; RETURN true; END $$;
RESET SESSION AUTHORIZATION;
SELECT toms.protect('ddl.note', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('regress_hr', 'ddl.note', '{select}', '{audit}', scope => 'tenant') > 0 AS permitted;

CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE sql AS $$ SELECT statement || ': ' || regress.verdict(statement) $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_temp TO PUBLIC;

-- each runs an expression over the rows of every tenant: refused
SET SESSION AUTHORIZATION regress_owner;
SELECT pg_temp.try(s) FROM unnest(ARRAY[
    'CREATE INDEX ON ddl.note (ddl.leak(tenant))',
    'CREATE INDEX ON ddl.note (id) WHERE ddl.leak(tenant)',
    'CREATE UNIQUE INDEX ON ddl.note ((lower(tenant)), id)',
    'ALTER TABLE ddl.note ADD CHECK (ddl.leak(tenant))',
    'ALTER TABLE ddl.note ADD CHECK (ddl.leak(tenant)) NOT VALID',
    'ALTER TABLE ddl.note ADD COLUMN z integer CHECK (ddl.leak(tenant))',
    'ALTER TABLE ddl.note ADD COLUMN z boolean GENERATED ALWAYS AS (ddl.leak(tenant)) STORED',
    'ALTER TABLE ddl.note ALTER COLUMN id TYPE text USING ddl.leak(tenant)::text',
    'ALTER TABLE ddl.note ALTER COLUMN id TYPE bigint',
    'ALTER TABLE ddl.note ADD EXCLUDE USING btree ((lower(tenant)) WITH =)',
    'CREATE STATISTICS ddl.peek ON (ddl.leak(tenant)), id FROM ddl.note']) s;

-- a table of the owner's asks as well: what a row refers to cannot be deleted, so each value that he guesses is answered
CREATE TABLE ddl.guess (tenant text NOT NULL, day date PRIMARY KEY);
CREATE TABLE ddl.year (day date PRIMARY KEY) PARTITION BY RANGE (day);
SELECT pg_temp.try(s) FROM unnest(ARRAY[
    'ALTER TABLE ddl.note ADD FOREIGN KEY (day) REFERENCES ddl.guess NOT VALID',
    'ALTER TABLE ddl.note ADD FOREIGN KEY (day) REFERENCES ddl.guess ON DELETE CASCADE',
    'ALTER TABLE ddl.note ADD COLUMN half boolean, ADD CONSTRAINT asked FOREIGN KEY (day) REFERENCES ddl.year NOT VALID']) s;
RESET SESSION AUTHORIZATION;
SELECT toms.protect('ddl.guess', tenant => 'tenant', mode => 'observe');              -- nor is one protected that is observed only
SET SESSION AUTHORIZATION regress_owner;
SELECT pg_temp.try('ALTER TABLE ddl.note ADD FOREIGN KEY (day) REFERENCES ddl.guess NOT VALID');

-- each changes the table without looking at rows, or looks at plain columns: ok
SELECT pg_temp.try(s) FROM unnest(ARRAY[
    'CREATE INDEX note_day ON ddl.note (tenant, day)',
    'ALTER TABLE ddl.note ADD PRIMARY KEY (tenant, id)',
    'ALTER TABLE ddl.note ADD COLUMN before integer, ADD FOREIGN KEY (tenant, before) REFERENCES ddl.note (tenant, id)',
    'ALTER TABLE ddl.note ADD COLUMN of_year date REFERENCES ddl.year',
    'ALTER TABLE ddl.note ADD COLUMN half boolean DEFAULT false',
    'ALTER TABLE ddl.note ALTER COLUMN half SET NOT NULL',
    'ALTER TABLE ddl.note RENAME COLUMN half TO half_day',
    'CREATE STATISTICS ddl.both ON tenant, employee FROM ddl.note']) s;

-- a policy of the owner's that comes before those of toms and tells rows on: the table closes
CREATE POLICY "a peek" ON ddl.note AS RESTRICTIVE USING (ddl.leak(tenant));
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
SELECT pg_temp.try('SELECT FROM ddl.note');                         -- refused, and nothing leaked
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT kind, object, remedy FROM toms.explain_protection('ddl.note') WHERE kind = 'leak: policy';
SELECT remedy FROM toms.explain_protection('ddl.note') WHERE kind = 'leak: policy' \gexec
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
SELECT pg_temp.try('SELECT FROM ddl.note');                         -- ok: it comes after those of toms, and sees acme only
COMMIT;
-- one that keeps the columns to itself may come first
SET SESSION AUTHORIZATION regress_owner;
DROP POLICY "zz_a peek" ON ddl.note;
CREATE POLICY "a narrow one" ON ddl.note AS RESTRICTIVE USING (day > '2025-12-31');
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
SELECT pg_temp.try('SELECT FROM ddl.note');                         -- ok
COMMIT;

-- expressions that are there already are told: whoever owns their functions could change them
RESET SESSION AUTHORIZATION;
CREATE FUNCTION ddl.tidy(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
ALTER FUNCTION ddl.tidy(text) OWNER TO regress_owner;
CREATE FUNCTION ddl.sound(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
CREATE TABLE ddl.older (tenant text NOT NULL, a text, b text GENERATED ALWAYS AS (ddl.sound(a)) STORED, CHECK (ddl.tidy(a) <> 'x'));
ALTER TABLE ddl.older OWNER TO regress_owner;
CREATE INDEX ON ddl.older (ddl.tidy(a));
SELECT toms.protect('ddl.older', tenant => 'tenant');
SELECT kind, object, finding FROM toms.explain_protection('ddl.older') WHERE kind LIKE 'leak%';
-- it has been read
SELECT regress.verdict(split_part(remedy, 'and then: ', 2)) FROM toms.explain_protection('ddl.older') WHERE kind = 'leak: expression';
SELECT kind, object FROM toms.explain_protection('ddl.older') WHERE kind LIKE 'leak%';          -- none
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('CREATE OR REPLACE FUNCTION ddl.tidy(text) RETURNS text LANGUAGE sql IMMUTABLE AS ''SELECT $1''');  -- refused

-- a rule is an administrator's, and sees what the statement sees
CREATE TABLE ddl.seen (tenant text, id integer);
CREATE RULE watch AS ON UPDATE TO ddl.note DO ALSO INSERT INTO ddl.seen SELECT n.tenant, n.id FROM ddl.note n;      -- refused
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
CREATE RULE watch AS ON UPDATE TO ddl.note DO ALSO INSERT INTO ddl.seen SELECT n.tenant, n.id FROM ddl.note n;
RESET toms.reason;
SELECT toms.permit('regress_hr', 'ddl.note', '{update}', '{audit}', scope => 'tenant') > 0 AS permitted;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
UPDATE ddl.note SET day = day WHERE id = 1;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT * FROM ddl.seen;                                             -- acme only

-- a trigger inside a foreign key's cascade runs as the owner; it cannot have him change the table
RESET SESSION AUTHORIZATION;
CREATE TABLE ddl.parent (id integer PRIMARY KEY);
CREATE TABLE ddl.child (parent integer REFERENCES ddl.parent ON DELETE CASCADE);
ALTER TABLE ddl.parent OWNER TO regress_owner;
ALTER TABLE ddl.child OWNER TO regress_owner;
INSERT INTO ddl.parent VALUES (1);
INSERT INTO ddl.child VALUES (1);
GRANT USAGE, CREATE ON SCHEMA ddl TO regress_stranger;
GRANT TRIGGER ON ddl.child TO regress_stranger;
GRANT DELETE, SELECT ON ddl.parent TO regress_job;
SET SESSION AUTHORIZATION regress_stranger;
CREATE FUNCTION ddl.curious() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'as %: %', current_user, regress.verdict('CREATE INDEX ON ddl.note (ddl.leak(tenant))');
    RAISE NOTICE 'as %: %', current_user, regress.verdict('ALTER TABLE ddl.note ADD CHECK (ddl.leak(tenant))');
    RETURN OLD;
END $$;
CREATE TRIGGER curious BEFORE DELETE ON ddl.child FOR EACH ROW EXECUTE FUNCTION ddl.curious();
SET SESSION AUTHORIZATION regress_job;
DELETE FROM ddl.parent;                                             -- ok: the cascade works, the trigger learns nothing
-- a cursor WITH HOLD does not keep what a function reads when it is run to its end at COMMIT
RESET SESSION AUTHORIZATION;
CREATE FUNCTION ddl.rows() RETURNS SETOF ddl.note LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT * FROM ddl.note; END $$;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'audit');
DECLARE kept CURSOR WITH HOLD FOR SELECT tenant, id FROM ddl.rows();
COMMIT;                                                             -- refused: toms_cursor_with_hold
FETCH ALL FROM kept;

-- a migration by a role with BYPASSRLS and a reason: ok, and on record
RESET SESSION AUTHORIZATION;
GRANT regress_owner TO regress_migration;
SET SESSION AUTHORIZATION regress_migration;
SELECT pg_temp.try('ALTER TABLE ddl.note ADD CHECK (id > 0)');      -- refused: no reason
SET toms.reason = 'release 12';
SELECT pg_temp.try('ALTER TABLE ddl.note ADD CHECK (id > 0)');      -- ok
RESET toms.reason;
RESET SESSION AUTHORIZATION;
REVOKE regress_owner FROM regress_migration;
SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA ddl CASCADE;
