--
-- seal_binding: a sealed value belongs to one tenant, one data subject, one table, one column
--
-- HR of acme is permitted everything on two tables, and still cannot give one person's value to
-- another: a ciphertext copied anywhere but where it was sealed for is refused when it is written.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.absence (id integer, tenant text NOT NULL, employee integer, sick toms.health_flag, again toms.health_flag, note toms.sealed_text, other toms.sealed_bytea);
CREATE TABLE hr.visit (id integer, tenant text NOT NULL, employee integer, sick toms.health_flag, note toms.sealed_text);
GRANT SELECT, INSERT, UPDATE, DELETE ON hr.absence, hr.visit TO regress_hr, regress_employee, regress_migration;
SELECT regress.verdict('SELECT * FROM hr.absence');                                     -- refused: not protected yet
SELECT regress.verdict($$INSERT INTO hr.absence VALUES (1, 'acme', 17, 'true')$$);      -- refused
RESET SESSION AUTHORIZATION;

--
-- What a table needs to hold sealed values
--
SELECT regress.verdict($$SELECT toms.protect('hr.absence', tenant => 'tenant', category => 'health')$$);    -- refused: no data subject
CREATE TABLE hr.list (tenant text NOT NULL, employee integer NOT NULL, sick toms.health_flag[]);
SELECT regress.verdict($$SELECT toms.protect('hr.list', tenant => 'tenant', subject => 'employee')$$);      -- refused: an array
DROP TABLE hr.list;
CREATE TYPE hr.pair AS (since date, sick toms.health_flag);
CREATE TABLE hr.paired (tenant text NOT NULL, employee integer NOT NULL, state hr.pair);
SELECT regress.verdict($$SELECT toms.protect('hr.paired', tenant => 'tenant', subject => 'employee')$$);    -- refused: within a row of its own
SELECT regress.verdict($$SELECT FROM hr.paired$$);                                -- refused: closed meanwhile
DROP TABLE hr.paired;
DROP TYPE hr.pair;
CREATE FUNCTION hr.plain(note toms.sealed_text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT toms.reveal(note)';
CREATE TABLE hr.computed (tenant text NOT NULL, employee integer NOT NULL, note toms.sealed_text, said text GENERATED ALWAYS AS (hr.plain(note)) STORED);
SELECT regress.verdict('CREATE INDEX ON hr.computed (hr.plain(note))');                                     -- refused: values would stand in the index
SELECT regress.verdict($$SELECT toms.protect('hr.computed', tenant => 'tenant', subject => 'employee')$$);  -- refused: and do in that column
DROP TABLE hr.computed;
DROP FUNCTION hr.plain;
CREATE TABLE hr.code (tenant text NOT NULL, employee integer NOT NULL, kind toms.health_code);
SELECT regress.verdict($$SELECT toms.protect('hr.code', tenant => 'tenant', subject => 'employee')$$);      -- refused: no catalogue
DROP TABLE hr.code;
CREATE TABLE hr.generated (tenant text NOT NULL, person integer, employee integer GENERATED ALWAYS AS (person) STORED, sick toms.health_flag);
SELECT regress.verdict($$SELECT toms.protect('hr.generated', tenant => 'tenant', subject => 'employee')$$); -- refused: known too late
DROP TABLE hr.generated;

SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.protect('hr.visit', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.permit('regress_hr', t, '{select,insert,update,delete}', '{absence_management}', 'tenant') > 0 FROM (VALUES ('hr.absence'::regclass), ('hr.visit')) v (t);
-- each sealed column has a number of its own
SELECT count(*), count(DISTINCT label) FROM pg_seclabel WHERE provider = 'toms_seal' AND objoid IN ('hr.absence'::regclass, 'hr.visit'::regclass);

CREATE PROCEDURE regress.enter(tenant text) LANGUAGE sql AS $$
    SELECT toms.enter(tenant, '1', 'regress_hr', 'absence_management');
$$;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('globex');
INSERT INTO hr.absence VALUES (9, 'globex', 17, 'true', 'true', 'of globex', '\x09');
COMMIT;
BEGIN;
CALL regress.enter('acme');
INSERT INTO hr.absence VALUES (1, 'acme', 17, 'true', 'false', 'of 17', '\x01'), (2, 'acme', 18, 'false', 'false', 'of 18', '\x02'), (3, 'acme', 17, NULL, NULL, NULL, NULL);
INSERT INTO hr.visit VALUES (1, 'acme', 17, 'true', 'of 17');

--
-- The matrix: from where, to where, in UPDATE and INSERT
--
SELECT regress.verdict('UPDATE hr.absence SET sick = (SELECT sick FROM hr.absence WHERE id = 1) WHERE id = 3');     -- same subject, same column: taken
SELECT regress.verdict('UPDATE hr.absence SET sick = (SELECT sick FROM hr.absence WHERE id = 1) WHERE id = 2');     -- refused: another subject
SELECT regress.verdict('UPDATE hr.absence SET again = sick WHERE id = 1');                                          -- refused: another column
SELECT regress.verdict('UPDATE hr.absence SET sick = (SELECT sick FROM hr.visit) WHERE id = 1');                    -- refused: another table
SELECT regress.verdict('UPDATE hr.absence SET note = sick WHERE id = 1');                                           -- refused: another type
SELECT regress.verdict('UPDATE hr.absence SET note = sick::text WHERE id = 1');                                     -- refused: another type, as text
SELECT regress.verdict($$INSERT INTO hr.absence (id, tenant, employee, sick) SELECT 4, 'acme', 18, sick FROM hr.absence WHERE id = 1$$);    -- refused
SELECT regress.verdict($$INSERT INTO hr.visit (id, tenant, employee, note) SELECT 4, 'acme', 17, note FROM hr.absence WHERE id = 1$$);      -- refused
SELECT regress.verdict($$INSERT INTO hr.absence (id, tenant, employee, sick) SELECT 4, 'acme', 17, sick FROM hr.absence WHERE id = 1$$);    -- taken
SELECT regress.verdict('UPDATE hr.absence SET sick = (SELECT toms.reveal(sick) FROM hr.absence WHERE id = 1) WHERE id = 2');                -- plain: sealed anew
SELECT regress.verdict('UPDATE hr.absence a SET sick = b.sick, employee = b.employee FROM hr.absence b WHERE a.id = 2 AND b.id = 1');       -- all of it another's
COMMIT;
-- another tenant's ciphertext, which somebody has got hold of
RESET SESSION AUTHORIZATION;
SET toms.reason = 'what an attacker with the disk has';
SELECT sick AS foreign_flag, note AS foreign_note FROM hr.absence WHERE id = 9 \gset
SELECT sick AS own_flag, note AS own_note FROM hr.absence WHERE id = 1 \gset
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
SELECT regress.verdict(format('UPDATE hr.absence SET sick = %L WHERE id = 1', :'foreign_flag'));                    -- refused
SELECT regress.verdict(format('UPDATE hr.absence SET note = %L WHERE id = 1', :'foreign_note'));                    -- refused
SELECT regress.verdict(format('SELECT toms.reveal(%L::toms.health_flag)', :'foreign_flag'));                        -- refused
SELECT regress.verdict(format('SELECT toms.is_erased(%L::toms.health_flag)', :'foreign_flag'));                     -- refused: no word about it
SELECT regress.verdict(format('UPDATE hr.absence SET sick = %L WHERE id = 1', :'own_flag'));                        -- its own: taken
SELECT regress.verdict(format('SELECT toms.reveal(%L::toms.health_flag)', :'own_flag'));                            -- what it may see anyway
SELECT regress.verdict(format('SELECT toms.reveal(%L::toms.health_code)', :'own_flag'));                            -- refused: another type
-- a value without a row is worth nothing
SELECT regress.verdict($$SELECT toms.reveal('true'::toms.health_flag)$$);                                           -- refused
COMMIT;

--
-- Each byte of a value counts
--
CREATE FUNCTION pg_temp.flip(armour text, byte integer) RETURNS text LANGUAGE sql AS $$
    SELECT 'toms1:' || translate(rtrim(replace(encode(set_byte(b, byte, get_byte(b, byte) # 1), 'base64'), E'\n', ''), '='), '+/', '-_')
    FROM decode(rpad(translate(substr(armour, 7), '-_', '+/'), (length(armour) - 3) / 4 * 4, '='), 'base64') b;
$$;
BEGIN;
CALL regress.enter('acme');
SELECT pg_temp.flip(pg_temp.flip(:'own_flag', 3), 3) = :'own_flag';
SELECT CASE WHEN byte < 2 THEN 'version, type' WHEN byte < 10 THEN 'key' WHEN byte < 14 THEN 'column' WHEN byte < 38 THEN 'nonce' WHEN byte < 39 THEN 'value' ELSE 'tag' END AS part,
       count(*), written, read
FROM generate_series(0, 54) byte,
     LATERAL regress.verdict(format('UPDATE hr.absence SET sick = %L WHERE id = 1', pg_temp.flip(:'own_flag', byte))) written,
     LATERAL regress.verdict(format('SELECT toms.reveal(%L::toms.health_flag)', pg_temp.flip(:'own_flag', byte))) read
GROUP BY part, written, read ORDER BY min(byte);
COMMIT;

--
-- A row that is given to another person takes its values along, for who may open them
--
BEGIN;
CALL regress.enter('acme');
UPDATE hr.absence SET employee = 18 WHERE id = 1;
SELECT id, toms.reveal(sick, 'hr.absence', '18'), toms.reveal(note, 'hr.absence', '18') FROM hr.absence WHERE id = 1;
UPDATE hr.absence SET employee = 17 WHERE id = 1;
SELECT regress.verdict($$SELECT toms.reveal(sick, 'hr.absence', '18') FROM hr.absence WHERE id = 1$$);              -- refused: of 17 again
SELECT regress.verdict($$SELECT toms.reveal(sick, 'hr.visit', '17') FROM hr.absence WHERE id = 1$$);                -- refused: another table
SELECT regress.verdict('UPDATE hr.absence SET employee = NULL WHERE id = 1');                                       -- refused: nobody's
SELECT regress.verdict($$INSERT INTO hr.absence (id, tenant, sick) VALUES (5, 'acme', 'true')$$);                   -- refused: nobody's
SELECT regress.verdict($$INSERT INTO hr.absence (id, tenant) VALUES (5, 'acme')$$);                                 -- nothing to seal: taken
-- nobody can find out which tenants there are
SELECT regress.verdict($$INSERT INTO hr.absence (id, tenant, employee, sick) VALUES (5, 'globex', 17, 'true')$$);    -- refused
SELECT regress.verdict($$INSERT INTO hr.absence (id, tenant, employee, sick) VALUES (5, 'nosuch', 17, 'true')$$);    -- refused, alike
SELECT regress.verdict($$UPDATE hr.absence SET tenant = 'nosuch' WHERE id = 1$$);                                    -- refused, alike
-- an UPDATE that leaves a value alone leaves its bytes alone
SELECT sick AS before FROM hr.absence WHERE id = 1 \gset
UPDATE hr.absence SET id = 1, again = 'true' WHERE id = 1;
SELECT sick::text = :'before' FROM hr.absence WHERE id = 1;
ROLLBACK;

--
-- What is stored elsewhere stays shut
--
BEGIN;
CALL regress.enter('acme');
SELECT regress.verdict('CREATE TEMPORARY TABLE copy AS SELECT sick FROM hr.absence');                                -- refused: a copy of health data
CREATE TEMPORARY TABLE copy AS SELECT 'true'::toms.health_flag AS pending;
SELECT regress.verdict('SELECT * FROM copy');                                                                       -- refused: not protected
ROLLBACK;

--
-- The trigger that binds is watched: without it the table is closed
--
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
ALTER TABLE hr.absence DISABLE TRIGGER "~toms_seal";
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
BEGIN; CALL regress.enter('acme'); SELECT regress.verdict('SELECT FROM hr.absence'); COMMIT;                        -- refused
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
ALTER TABLE hr.absence ENABLE TRIGGER "~toms_seal";
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
BEGIN; CALL regress.enter('acme'); SELECT regress.verdict('SELECT FROM hr.absence'); COMMIT;                        -- refused: not always on
RESET SESSION AUTHORIZATION;
SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'employee', category => 'health');                 -- mends it
SET SESSION AUTHORIZATION regress_job;
BEGIN; CALL regress.enter('acme'); SELECT regress.verdict('SELECT FROM hr.absence'); COMMIT;
RESET SESSION AUTHORIZATION;
-- a trigger of the application that would come after it, and could change whose the row is
CREATE FUNCTION hr.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER before_it BEFORE UPDATE ON hr.absence FOR EACH ROW EXECUTE FUNCTION hr.touch();
SET SESSION AUTHORIZATION regress_job;
BEGIN; CALL regress.enter('acme'); SELECT regress.verdict('SELECT FROM hr.absence'); COMMIT;
RESET SESSION AUTHORIZATION;
CREATE TRIGGER "~~behind_it" BEFORE UPDATE ON hr.absence FOR EACH ROW EXECUTE FUNCTION hr.touch();
SET SESSION AUTHORIZATION regress_job;
BEGIN; CALL regress.enter('acme'); SELECT regress.verdict('SELECT FROM hr.absence'); COMMIT;                        -- refused
RESET SESSION AUTHORIZATION;
DROP TRIGGER "~~behind_it" ON hr.absence;

--
-- Columns come and go
--
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict($$ALTER TABLE hr.absence ADD COLUMN cured toms.health_flag DEFAULT 'false'$$);               -- refused: one ciphertext for all rows
ALTER TABLE hr.absence ADD COLUMN cured toms.health_flag;
ALTER TABLE hr.absence ALTER COLUMN cured SET DEFAULT false;
ALTER TABLE hr.absence RENAME COLUMN sick TO ill;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'a migration';
SELECT regress.verdict('ALTER TABLE hr.absence ALTER COLUMN cured TYPE boolean USING false');                       -- refused
SELECT regress.verdict('ALTER TABLE hr.absence ALTER COLUMN id TYPE toms.health_flag USING ''true''');              -- refused
SELECT regress.verdict('ALTER TABLE hr.absence ALTER COLUMN cured TYPE toms.sealed_text');                          -- refused
SELECT regress.verdict('ALTER TABLE hr.absence ADD COLUMN list toms.health_flag[]');                                -- refused
CREATE FUNCTION hr.plain(ill toms.health_flag) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT toms.reveal(ill)';
CREATE FUNCTION hr.plain(whole hr.absence) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT toms.reveal(whole.ill)';
SELECT regress.verdict('CREATE INDEX ON hr.absence (hr.plain(ill))');                                               -- refused: it would hold values in plain
SELECT regress.verdict('CREATE INDEX ON hr.absence (hr.plain(absence))');                                           -- refused
SELECT regress.verdict('CREATE INDEX ON hr.absence ((employee + 1))');
SELECT regress.verdict('ALTER TABLE hr.absence ADD COLUMN open boolean GENERATED ALWAYS AS (ill IS NULL) STORED');  -- refused, whatever it computes
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
INSERT INTO hr.absence (id, tenant, employee, ill) VALUES (6, 'acme', 17, 'true');
SELECT toms.reveal(ill), toms.reveal(cured) FROM hr.absence WHERE id IN (1, 6) ORDER BY id;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT regress.verdict($$SELECT toms.unprotect('hr.absence', reason => 'no')$$);                                    -- refused: a sealed column
SELECT regress.verdict('DROP EXTENSION toms');                                                                      -- refused
SELECT regress.verdict('DROP EXTENSION toms CASCADE');                                                              -- refused
SELECT regress.verdict('DROP EXTENSION plpgsql CASCADE');                                                           -- refused
SELECT regress.verdict('DROP SCHEMA toms CASCADE');                                                                 -- refused
SET toms.reason = 'migration';
ALTER TABLE hr.visit DROP COLUMN sick, DROP COLUMN note;
RESET toms.reason;
SELECT toms.unprotect('hr.visit', reason => 'nothing is sealed any more');
DROP TABLE hr.visit;

--
-- Partitions and inheritance: the same number in all of them, and a trigger on each
--
CREATE TABLE hr.booking (tenant text NOT NULL, employee integer NOT NULL, month integer NOT NULL, sick toms.health_flag) PARTITION BY LIST (month);
CREATE TABLE hr.booking_1 PARTITION OF hr.booking FOR VALUES IN (1);
CREATE TABLE hr.parent (tenant text NOT NULL, employee integer NOT NULL, sick toms.health_flag);
CREATE TABLE hr.child () INHERITS (hr.parent);
GRANT SELECT, INSERT, UPDATE ON hr.booking, hr.booking_1, hr.parent, hr.child TO regress_hr;
SELECT toms.protect(t, tenant => 'tenant', subject => 'employee', category => 'health') FROM (VALUES ('hr.booking'::regclass), ('hr.parent')) v (t);
SELECT toms.permit('regress_hr', t, '{select,insert,update}', '{absence_management}', 'tenant') > 0 FROM (VALUES ('hr.booking'::regclass), ('hr.parent')) v (t);
CREATE TABLE hr.booking_2 (month integer NOT NULL, sick toms.health_flag, employee integer NOT NULL, tenant text NOT NULL);
ALTER TABLE hr.booking ATTACH PARTITION hr.booking_2 FOR VALUES IN (2);
CREATE TABLE hr.booking_3 PARTITION OF hr.booking FOR VALUES IN (3);
CREATE TABLE hr.late_child () INHERITS (hr.parent);
GRANT SELECT, INSERT, UPDATE ON hr.booking_2, hr.booking_3, hr.late_child TO regress_hr;
CREATE TABLE hr.joined (tenant text NOT NULL, employee integer NOT NULL, sick toms.health_flag);
SET toms.reason = 'a migration';
ALTER TABLE hr.joined INHERIT hr.parent;
-- a dump alters a child before it labels it, which is closed until then
SECURITY LABEL FOR toms_seal ON COLUMN hr.joined.sick IS NULL;
SECURITY LABEL FOR toms ON COLUMN hr.joined.employee IS NULL;
ALTER TABLE hr.joined OWNER TO regress_owner;
SELECT relation, intact FROM toms.protected_tables WHERE relation = 'hr.joined'::regclass;
RESET toms.reason;
SET toms.reason = 'migration';
DROP TABLE hr.joined;
RESET toms.reason;
SELECT count(*), count(DISTINCT label) FROM pg_seclabel WHERE provider = 'toms_seal' AND objoid::regclass::text LIKE 'hr.booking%';
SELECT count(*), count(DISTINCT label) FROM pg_seclabel WHERE provider = 'toms_seal' AND objoid::regclass::text IN ('hr.parent', 'hr.child', 'hr.late_child');
SELECT relation, intact FROM toms.protected_tables ORDER BY relation::text COLLATE "C";
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
INSERT INTO hr.booking VALUES ('acme', 17, 1, 'true'), ('acme', 17, 2, 'true'), ('acme', 17, 3, 'true'), ('acme', 18, 1, 'false');
INSERT INTO hr.booking_2 VALUES (2, 'false', 19, 'acme');
UPDATE hr.booking SET month = month % 3 + 1 WHERE true;                                 -- rows move
UPDATE hr.booking SET month = month % 3 + 1, employee = employee + 100 WHERE employee = 18;
SELECT employee, month, toms.reveal(sick, 'hr.booking', employee::text) FROM hr.booking ORDER BY 1, 2;
INSERT INTO hr.child VALUES ('acme', 17, 'true');
INSERT INTO hr.late_child VALUES ('acme', 18, 'false');
SELECT employee, toms.reveal(sick, 'hr.parent', employee::text) FROM hr.parent ORDER BY 1;
SELECT count(*) FROM toms.context();
COMMIT;
RESET SESSION AUTHORIZATION;
-- a partition or a child whose trigger is off closes what is above it too
SET toms.reason = 'test';
ALTER TABLE hr.booking_2 DISABLE TRIGGER ALL;
ALTER TABLE hr.child DISABLE TRIGGER ALL;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
BEGIN; CALL regress.enter('acme'); SELECT regress.verdict($$INSERT INTO hr.booking VALUES ('acme', 17, 2, 'true')$$); COMMIT;      -- refused
BEGIN; CALL regress.enter('acme'); SELECT regress.verdict($$UPDATE hr.parent SET sick = 'true' WHERE true$$); COMMIT;              -- refused
RESET SESSION AUTHORIZATION;
ALTER TABLE hr.booking_2 ENABLE ALWAYS TRIGGER "~toms_seal";
ALTER TABLE hr.child ENABLE ALWAYS TRIGGER "~toms_seal";
SET SESSION AUTHORIZATION regress_job;
BEGIN; CALL regress.enter('acme'); SELECT regress.verdict($$INSERT INTO hr.booking VALUES ('acme', 17, 2, 'true')$$); COMMIT;
BEGIN; CALL regress.enter('acme'); SELECT regress.verdict($$UPDATE hr.parent SET sick = 'true' WHERE true$$); COMMIT;
RESET SESSION AUTHORIZATION;
CREATE TRIGGER "~~later" BEFORE INSERT ON hr.booking_2 FOR EACH ROW EXECUTE FUNCTION hr.touch();
SET SESSION AUTHORIZATION regress_job;
BEGIN; CALL regress.enter('acme'); SELECT regress.verdict($$INSERT INTO hr.booking VALUES ('acme', 17, 2, 'true')$$); COMMIT;      -- refused
RESET SESSION AUTHORIZATION;
DROP TRIGGER "~~later" ON hr.booking_2;
-- all keys are the protected table's
SELECT relation, count(*) FROM toms.data_key WHERE relation::text LIKE 'hr.%' GROUP BY relation ORDER BY relation::text COLLATE "C";


-- a partition that outlives its table takes over the keys
SET toms.reason = 'archival';
ALTER TABLE hr.booking DETACH PARTITION hr.booking_1;
DROP TABLE hr.booking;
RESET toms.reason;
SELECT toms.protect('hr.booking_1', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.permit('regress_hr', 'hr.booking_1', '{select,insert,update}', '{absence_management}', 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; CALL regress.enter('acme'); SELECT regress.verdict('SELECT toms.reveal(sick) FROM hr.booking_1'); COMMIT;                   -- refused: of a table that is gone
RESET SESSION AUTHORIZATION;
SELECT toms.reattach_keys('hr.booking_1');
SET SESSION AUTHORIZATION regress_job;
BEGIN; CALL regress.enter('acme'); SELECT employee, toms.reveal(sick, 'hr.booking_1', employee::text) FROM hr.booking_1 ORDER BY 1; COMMIT;
RESET SESSION AUTHORIZATION;

--
-- A value on its way belongs to its session
--
CREATE TABLE hr.stage (armour text);
GRANT ALL ON hr.stage TO regress_hr;
SET SESSION AUTHORIZATION regress_job;
INSERT INTO hr.stage SELECT 'true'::toms.health_flag::text;
BEGIN; CALL regress.enter('globex'); SELECT regress.verdict('INSERT INTO hr.absence (id, tenant, employee, ill) SELECT 20, ''globex'', 5, armour::toms.health_flag FROM hr.stage'); ROLLBACK;
\c -
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_job;
BEGIN; CALL regress.enter('globex'); SELECT regress.verdict('INSERT INTO hr.absence (id, tenant, employee, ill) SELECT 20, ''globex'', 5, armour::toms.health_flag FROM hr.stage'); ROLLBACK;     -- refused: of another session
RESET SESSION AUTHORIZATION;

SET toms.reason = 'the end of the test';
DROP TABLE hr.absence, hr.booking_1, hr.parent CASCADE;
RESET toms.reason;
DROP PROCEDURE regress.enter;
SET toms.reason = 'end of the test';
DROP SCHEMA hr CASCADE;
