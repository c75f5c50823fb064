--
-- seal_value: a plain value goes in, ciphertext stays, and nothing can be asked of it
--
-- HR of acme writes absences.  What is written is sealed in every form in which a value can
-- reach a column; no two ciphertexts are alike, their length tells nothing, and PostgreSQL
-- neither compares nor measures them.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
CREATE SCHEMA hr;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
SELECT toms.add_code_catalogue('absence_kind', '{SICK,VACATION,PARENTAL}');
CREATE TABLE hr.absence (
    id          integer,
    tenant      text NOT NULL,
    employee    integer NOT NULL,
    sick        toms.health_flag NOT NULL DEFAULT false,
    kind        toms.health_code('absence_kind'),
    certificate toms.health_date,
    note        toms.sealed_text,
    scan        toms.sealed_bytea
);
GRANT SELECT, INSERT, UPDATE, DELETE ON hr.absence TO regress_hr, regress_migration;
SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.permit('regress_hr', 'hr.absence', '{select,insert,update,delete}', '{absence_management}', 'tenant') > 0;
CREATE PROCEDURE regress.enter(tenant text) LANGUAGE sql AS $$
    SELECT toms.enter(tenant, '1', 'regress_hr', 'absence_management');
$$;
-- what the rows hold, for who may know
CREATE VIEW hr.opened WITH (security_invoker = true) AS
    SELECT id, employee, toms.reveal(sick) AS sick, toms.reveal(kind) AS kind, toms.reveal(certificate) AS certificate,
           toms.reveal(note) AS note, toms.reveal(scan) AS scan FROM hr.absence;
GRANT SELECT ON hr.opened TO regress_hr;
SET datestyle = 'ISO';

--
-- In whatever form a plain value comes, it is sealed
--
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
-- literals of unknown type, as texts; a DEFAULT
INSERT INTO hr.absence VALUES (1, 'acme', 17, 'true', 'SICK', '2026-11-02', 'a broken arm', '\x00ff');
INSERT INTO hr.absence (id, tenant, employee) VALUES (2, 'acme', 18);
-- values of the plain types, as drivers bind them
PREPARE write (integer, boolean, text, date, varchar, bytea) AS INSERT INTO hr.absence VALUES ($1, 'acme', 17, $2, $3, $4, $5, $6);
EXECUTE write (3, false, 'VACATION', '2026-12-24', 'skiing', '\x');
EXECUTE write (4, NULL::boolean, NULL, NULL, NULL, NULL);        -- refused: NOT NULL
ROLLBACK;
BEGIN;
CALL regress.enter('acme');
INSERT INTO hr.absence VALUES (1, 'acme', 17, 'true', 'SICK', '2026-11-02', 'a broken arm', '\x00ff');
INSERT INTO hr.absence (id, tenant, employee) VALUES (2, 'acme', 18);
EXECUTE write (3, false, 'VACATION', '2026-12-24', 'skiing', '\x');
-- texts in columns of every type, as drivers that know texts only bind them; a number as a flag
PREPARE write_texts (integer, text, text, text, text, text) AS INSERT INTO hr.absence VALUES ($1, 'acme', 17, $2, $3, $4, $5, $6);
EXECUTE write_texts (4, 'yes', 'PARENTAL', 'infinity', '', '\xc0ffee');
INSERT INTO hr.absence (id, tenant, employee, sick) SELECT 5, 'acme', 18, 1;
SELECT * FROM hr.opened ORDER BY id;
-- UPDATE, in all forms
UPDATE hr.absence SET sick = 'true', kind = 'SICK' WHERE id = 2;
UPDATE hr.absence SET (certificate, note) = (SELECT date '2026-11-05', 'by telephone') WHERE id = 2;
UPDATE hr.absence SET note = NULL WHERE id = 1;
SELECT * FROM hr.opened WHERE id IN (1, 2) ORDER BY id;
COMMIT;

--
-- What stays is ciphertext, another one for each value
--
RESET SESSION AUTHORIZATION;
SET toms.reason = 'a look at what the disk holds';
-- nobody's text form shows a value, not even to the superuser
SELECT DISTINCT left(sick::text, 6), left(kind::text, 6), left(certificate::text, 6), left(note::text, 6), left(scan::text, 6) FROM hr.absence WHERE id = 2 OR id = 3;
SELECT regress.verdict('SELECT * FROM hr.opened');                                      -- refused: no context
-- one literal, one DEFAULT, one constant of a prepared statement: a ciphertext for each row
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
INSERT INTO hr.absence (id, tenant, employee, sick, kind) SELECT n, 'acme', 17, 'true', 'SICK' FROM generate_series(100, 199) n;
INSERT INTO hr.absence (id, tenant, employee) SELECT n, 'acme', 17 FROM generate_series(200, 299) n;
UPDATE hr.absence SET note = 'the same for all' WHERE id BETWEEN 100 AND 299;
SELECT count(*), count(DISTINCT sick::text), count(DISTINCT kind::text), count(DISTINCT note::text) FROM hr.absence WHERE id >= 100;
COMMIT;
-- the length is that of the type, or of a few steps, and a flag takes 56 bytes
BEGIN;
CALL regress.enter('acme');
SELECT DISTINCT toms.reveal(sick), pg_column_size(sick) FROM hr.absence ORDER BY 1;
SELECT DISTINCT toms.reveal(kind), pg_column_size(kind) FROM hr.absence WHERE kind IS NOT NULL ORDER BY 1;
UPDATE hr.absence SET note = repeat('x', id - 100) WHERE id BETWEEN 100 AND 199;
SELECT length(toms.reveal(note)) / 28 AS from_28, min(pg_column_size(note)), max(pg_column_size(note)) FROM hr.absence
WHERE id BETWEEN 100 AND 199 GROUP BY 1 ORDER BY 1;
-- long values too, to the byte
UPDATE hr.absence SET note = repeat('ä', 1000000), scan = decode(repeat('00ff', 500000), 'hex') WHERE id = 1;
SELECT toms.reveal(note) = repeat('ä', 1000000), toms.reveal(scan) = decode(repeat('00ff', 500000), 'hex') FROM hr.absence WHERE id = 1;
ROLLBACK;

--
-- Nothing can be asked of ciphertext: no comparison, no order, no index, no statistics
--
BEGIN;
CALL regress.enter('acme');
SELECT regress.verdict('SELECT DISTINCT sick FROM hr.absence');                         -- refused, naming the type
SELECT regress.verdict('SELECT sick, count(*) FROM hr.absence GROUP BY sick');          -- refused
SELECT regress.verdict('SELECT * FROM hr.absence ORDER BY certificate');                -- refused
SELECT regress.verdict('SELECT * FROM hr.absence WHERE kind = ''SICK''');               -- refused
SELECT regress.verdict('SELECT * FROM hr.absence a JOIN hr.absence b USING (note)');    -- refused
SELECT regress.verdict('SELECT max(certificate) FROM hr.absence');                      -- refused
SELECT regress.verdict('SELECT * FROM hr.absence WHERE note LIKE ''a%''');              -- refused
SELECT regress.verdict('SELECT * FROM hr.absence WHERE sick');                          -- refused: no boolean
SELECT regress.verdict('SELECT sick::boolean FROM hr.absence');                         -- refused: no way back but reveal()
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT regress.verdict('CREATE INDEX ON hr.absence (sick)');                            -- refused
SELECT regress.verdict('CREATE INDEX ON hr.absence USING hash (kind)');                 -- refused
SELECT regress.verdict('ALTER TABLE hr.absence ADD UNIQUE (certificate)');              -- refused
SET toms.reason = 'maintenance';
ANALYZE hr.absence;
RESET toms.reason;
SELECT attname FROM pg_stats WHERE schemaname = 'hr' AND tablename = 'absence' AND attname IN ('sick', 'kind', 'certificate', 'note', 'scan');  -- none

--
-- A value that does not fit is refused, and not repeated in the error
--
-- (Lines that begin with LINE are psql's, which knows the statement.)
--
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
SAVEPOINT start;
\set SHOW_CONTEXT always
INSERT INTO hr.absence (id, tenant, employee, sick) VALUES (9, 'acme', 17, 'syphilis');
ROLLBACK TO start;
INSERT INTO hr.absence (id, tenant, employee, kind) VALUES (9, 'acme', 17, 'SYPHILIS');
ROLLBACK TO start;
INSERT INTO hr.absence (id, tenant, employee, kind) VALUES (9, 'acme', 17, repeat('syphilis ', 20));
ROLLBACK TO start;
INSERT INTO hr.absence (id, tenant, employee, certificate) VALUES (9, 'acme', 17, 'syphilis');
ROLLBACK TO start;
INSERT INTO hr.absence (id, tenant, employee, certificate) VALUES (9, 'acme', 17, '2026-02-30');
ROLLBACK TO start;
INSERT INTO hr.absence (id, tenant, employee, scan) VALUES (9, 'acme', 17, '\xsyphilis');
ROLLBACK TO start;
INSERT INTO hr.absence (id, tenant, employee, sick) SELECT 9, 'acme', 17, 2;
ROLLBACK TO start;
INSERT INTO hr.absence (id, tenant, employee, sick) VALUES (9, 'acme', 17, 'toms1:c3lwaGlsaXM');
ROLLBACK TO start;
\set SHOW_CONTEXT never
COMMIT;

--
-- Codes: a closed catalogue, to which words can be added, and none freed
--
SELECT regress.verdict($$SELECT toms.add_codes('absence_kind', '{CURE}')$$);            -- refused: not an officer
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.add_codes('absence_kind', '{SICK,CURE}');                                   -- 1: one is new
SELECT regress.verdict($$SELECT toms.add_code_catalogue('absence_kind', '{X}')$$);      -- refused: there is one
SELECT regress.verdict($$SELECT toms.add_codes('no_such', '{X}')$$);                    -- refused: there is none
SELECT regress.verdict($$SELECT toms.add_codes('absence_kind', ARRAY[''])$$);           -- refused: no word
SELECT toms.add_code_catalogue('disability', '{NONE,PART,FULL}');
SELECT word FROM toms.code ORDER BY catalogue, number;
RESET SESSION AUTHORIZATION;
SELECT regress.verdict($$DELETE FROM toms.code WHERE word = 'CURE'$$);                  -- refused, even to the superuser
SELECT regress.verdict($$UPDATE toms.code SET word = 'HEALTHY' WHERE word = 'SICK'$$);  -- refused
SELECT regress.verdict('CREATE TABLE hr.other (kind toms.health_code(''no_such''))');   -- refused: no such catalogue
SELECT regress.verdict('CREATE TABLE hr.other (kind toms.health_code(1, 2))');          -- refused: one modifier
-- a dump has the catalogue's number
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'hr.absence'::regclass AND attname = 'kind';
SET SESSION AUTHORIZATION regress_job;
BEGIN;
CALL regress.enter('acme');
UPDATE hr.absence SET kind = 'CURE' WHERE id = 5;
SELECT kind FROM hr.opened WHERE id = 5;
-- a code of another catalogue is the word, or nothing
UPDATE hr.absence SET kind = 'CURE'::toms.health_code('absence_kind') WHERE id = 5;
SAVEPOINT s;
UPDATE hr.absence SET kind = 'PART'::toms.health_code('disability') WHERE id = 5;       -- refused
ROLLBACK TO s;
-- also where no coercion to the column's type is on the way
SELECT regress.verdict(format('INSERT INTO hr.absence SELECT * FROM json_populate_record(NULL::hr.absence, %L)',
                              json_build_object('id', 6, 'tenant', 'acme', 'employee', 17, 'kind', 'PART'::toms.health_code('disability'))));  -- refused
COMMIT;

--
-- Another session of another tenant has keys of its own
--
BEGIN;
CALL regress.enter('globex');
INSERT INTO hr.absence VALUES (1, 'globex', 17, true, 'SICK', '2026-11-02', 'a broken leg', NULL);
SELECT * FROM hr.opened;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT tenant, subject, relation, month = date_trunc('month', now() AT TIME ZONE 'UTC')::date AS this_month, octet_length(wrapped)
FROM toms.data_key WHERE relation = 'hr.absence'::regclass ORDER BY tenant, subject;
SELECT count(DISTINCT wrapped) FROM toms.data_key WHERE relation = 'hr.absence'::regclass;                                      -- 3
DROP VIEW hr.opened;
SET toms.reason = 'the end of the test';
DROP TABLE hr.absence;
RESET toms.reason;
DROP PROCEDURE regress.enter;
DROP SCHEMA hr;
