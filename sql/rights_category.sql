--
-- rights_category: a category of a tenant is erased: tables, rows and columns of it, and nothing else
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
CREATE SCHEMA kinds AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE kinds.absence (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, kind text, words text);
CREATE TABLE kinds.paper (id integer PRIMARY KEY, absence integer REFERENCES kinds.absence, words text);
CREATE TABLE kinds.test (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, words text);
CREATE TABLE kinds.person (tenant text NOT NULL, employee integer NOT NULL, name text, allergy text, PRIMARY KEY (tenant, employee));
CREATE TABLE kinds.other (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, absence integer REFERENCES kinds.absence);
INSERT INTO kinds.absence SELECT n, CASE WHEN n > 4 THEN 'globex' ELSE 'acme' END, n % 2, CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN 'holiday' ELSE 'sick' END, 'w' || n FROM generate_series(1, 8) n;
INSERT INTO kinds.paper SELECT n, n, 'p' || n FROM generate_series(1, 8) n;
INSERT INTO kinds.test VALUES (1, 'acme', 1, 't'), (2, 'globex', 1, 't');
INSERT INTO kinds.person VALUES ('acme', 1, 'Mia', 'nuts'), ('acme', 0, 'Ben', NULL), ('globex', 1, 'Eve', 'cats');
INSERT INTO kinds.other VALUES (1, 'acme', 1, 1), (2, 'acme', 0, NULL);
RESET SESSION AUTHORIZATION;
SELECT toms.add_category('ill', description => 'illness', article9 => true);
SELECT toms.protect('kinds.absence', tenant => 'tenant', subject => 'employee');
SELECT toms.label_rows('kinds.absence', condition => $$kind <> 'holiday'$$, category => 'ill');
SELECT toms.protect('kinds.paper', parent => 'kinds.absence', parent_key => 'absence');
SELECT toms.protect('kinds.test', tenant => 'tenant', subject => 'employee', category => 'ill');
SELECT toms.protect('kinds.person', tenant => 'tenant', subject => 'employee');
SELECT toms.label_column('kinds.person', 'allergy', category => 'ill');
SELECT toms.protect('kinds.other', tenant => 'tenant', subject => 'employee');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('acme', 'erase_category', given_by => 'acme', wording => 'no more of illness', subject => 'ill') AS erase \gset
SELECT toms.confirm_instruction(:erase);
SELECT * FROM toms.erase_category('acme', 'nothing', :erase);
SELECT * FROM toms.erase_category('acme', 'personal', :erase);
SELECT * FROM toms.erase_category('globex', 'ill', :erase);
SELECT * FROM toms.erase_category('acme', 'ill', :erase, dry_run => true);
RESET SESSION AUTHORIZATION;
SET toms.reason = 'look';
SELECT count(*) FROM kinds.absence;
-- another record that depends on one of the category stops it
UPDATE kinds.other SET absence = 2 WHERE id = 1;
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM toms.erase_category('acme', 'ill', :erase);
RESET SESSION AUTHORIZATION;
UPDATE kinds.other SET absence = 1 WHERE id = 1;
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM toms.erase_category('acme', 'ill', :erase);
SELECT * FROM toms.erase_category('acme', 'ill', :erase);
SELECT kind, category, state, subject FROM toms.erasure;
SELECT state, subject FROM toms.instruction WHERE id = :erase;
RESET SESSION AUTHORIZATION;
SELECT id, tenant, kind FROM kinds.absence ORDER BY id;
SELECT id FROM kinds.paper ORDER BY id;
SELECT id FROM kinds.test ORDER BY id;
SELECT * FROM kinds.person ORDER BY tenant, employee;
SELECT * FROM kinds.other ORDER BY id;

-- clean up
DROP SCHEMA kinds CASCADE;
DELETE FROM toms.category WHERE category = 'ill';
DELETE FROM toms.erasure;
TRUNCATE toms.ledger;
DELETE FROM toms.instruction_event WHERE instruction IN (SELECT id FROM toms.instruction WHERE kind = 'erase_category');
DELETE FROM toms.instruction WHERE kind = 'erase_category';
