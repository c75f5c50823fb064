--
-- evidence_wall_value: what columns must not hold is found by the check, named, and mended by what it prints
--
-- Sealed values, closed types, certificates, categories, objections, passwords and pseudonyms.  Each protection is broken
-- behind toms' back; the probe fails and names the column; its remedy is run as it is printed; then it is content.
--
\set SHOW_CONTEXT never
\set objects 'ward'
\i test/evidence/sabotage.sql

CREATE SCHEMA ward AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA ward TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE ward.absence (tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL, sick toms.health_flag NOT NULL, certificate toms.sealed_bytea,
                           PRIMARY KEY (tenant, employee, day));
CREATE TABLE ward.visit (tenant text NOT NULL, employee integer NOT NULL, hours integer, fever toms.health_flag NOT NULL);
CREATE TABLE ward.account (tenant text NOT NULL, employee integer NOT NULL, hash varchar(200), survey text, place point, PRIMARY KEY (tenant, employee));
RESET SESSION AUTHORIZATION;
SELECT toms.protect('ward.absence', tenant => 'tenant', subject => 'employee');
SELECT toms.label_column('ward.absence', 'sick', category => 'health'), toms.label_column('ward.absence', 'certificate', category => 'health');
SELECT toms.protect('ward.account', tenant => 'tenant', subject => 'employee');

--
-- sealed: one row for each absence, sick or not, and what it was about sealed
--
SELECT * FROM regress.faults('sealed');
SELECT count(*) FROM toms.run_probe('sealed') p WHERE p.status = 'pass' AND p.args[3] LIKE '%ward.absence.sick, ward.absence.certificate%';
-- the trigger that binds values to their rows is off, or gone
ALTER TABLE ward.absence DISABLE TRIGGER USER;
SELECT * FROM regress.faults('sealed');
SELECT * FROM regress.mend('sealed');
SET toms.reason = 'test';
SELECT format('DROP TRIGGER %I ON ward.absence', tgname) FROM pg_trigger WHERE tgrelid = 'ward.absence'::regclass AND tgname LIKE '~toms\_seal%' \gexec
SELECT * FROM regress.faults('sealed');
SELECT * FROM regress.mend('sealed');
-- a flag that may be missing, and columns of the category in clear text
ALTER TABLE ward.absence ALTER COLUMN sick DROP NOT NULL, ADD COLUMN symptom integer;
SELECT toms.label_column('ward.absence', 'symptom', category => 'health');
SELECT * FROM regress.faults('sealed');
ALTER TABLE ward.absence DROP COLUMN symptom;
SELECT * FROM regress.mend('sealed');
-- health by value, and a table where only those concerned have a row: in part, whatever is sealed
SELECT toms.label_rows('ward.absence', condition => $$day > '2030-01-01'$$, category => 'health');
SELECT * FROM regress.faults('sealed');
SELECT toms.unlabel_rows('ward.absence', 'health');
SELECT toms.protect('ward.visit', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT * FROM regress.faults('sealed');
ALTER TABLE ward.visit DROP COLUMN fever;
SELECT * FROM regress.faults('sealed');

--
-- minimisation: a column that takes anything, which was there before; and an officer's exception
--
SELECT * FROM regress.faults('minimisation');
SELECT toms.protect('ward.visit', tenant => 'tenant', subject => 'employee', category => 'health', free_text => 'accept', reason => 'test');
ALTER TABLE ward.visit ADD COLUMN diagnosis text;
SELECT * FROM regress.faults('minimisation');
SELECT * FROM regress.mend('minimisation');
SELECT toms.protect('ward.visit', tenant => 'tenant', subject => 'employee', category => 'health', free_text => 'sealed');
SELECT * FROM regress.faults('minimisation');
SELECT * FROM regress.mend('minimisation');

--
-- certificate_optional: the column, its default, a constraint, or what refers to a table of files
--
SELECT * FROM regress.faults('certificate_optional');
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE ward.file (id integer PRIMARY KEY, content bytea);
CREATE FUNCTION ward.blank() RETURNS toms.sealed_bytea LANGUAGE sql AS 'SELECT NULL::toms.sealed_bytea';
RESET SESSION AUTHORIZATION;
ALTER TABLE ward.absence ALTER COLUMN certificate SET NOT NULL, ALTER COLUMN certificate SET DEFAULT ward.blank();
ALTER TABLE ward.absence ADD CONSTRAINT is_proven CHECK (certificate IS NOT NULL);
ALTER TABLE ward.absence ADD COLUMN file integer NOT NULL REFERENCES ward.file;
SELECT * FROM regress.faults('certificate_optional');
SELECT * FROM regress.mend('certificate_optional');
ALTER TABLE ward.absence DROP COLUMN file;

--
-- categories: a label that is gone, and a category that nobody has instructed
--
SELECT toms.label_column('ward.account', 'place', category => 'location', optional => true);
SELECT * FROM regress.faults('categories');
SECURITY LABEL FOR toms ON COLUMN ward.account.place IS NULL;
SELECT * FROM regress.faults('categories');
SELECT * FROM regress.mend('categories');
INSERT INTO toms.enabled_category (tenant, category, instruction, enabled_by) VALUES ('acme', 'location', 0, 'ward');
SELECT status, toms.say(phrase, args, 'en'), remedy, tenant FROM toms.run_probe('categories') WHERE phrase = 'categories_uninstructed';
SELECT remedy FROM toms.run_probe('categories') WHERE phrase = 'categories_uninstructed' \gexec
SELECT count(*) FROM toms.run_probe('categories') WHERE phrase = 'categories_uninstructed';

--
-- objections: where they reach nobody, and where they are not heeded
--
SELECT * FROM regress.faults('objections');
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE ward.device (tenant text NOT NULL, place point);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('ward.device', tenant => 'tenant');
SELECT toms.label_column('ward.device', 'place', category => 'location');
SELECT * FROM regress.faults('objections');
SELECT toms.unprotect('ward.device', reason => 'test');
ALTER TABLE toms.objection DISABLE TRIGGER invalidate;
SELECT status, toms.say(phrase, args, 'en'), remedy FROM toms.run_probe('objections') WHERE status <> 'pass';
SELECT remedy FROM toms.run_probe('objections') WHERE phrase = 'objections_trigger' \gexec
SELECT * FROM regress.faults('objections');

--
-- credentials: clear text where hashes belong
--
ALTER TABLE ward.account ADD COLUMN passwort text;
SELECT toms.label_column('ward.account', 'hash', category => 'credential');
SELECT * FROM regress.faults('credentials');
SELECT * FROM regress.mend('credentials');
SELECT * FROM regress.mend('credentials');
SELECT toms.password_hash('tr0ub4dor&3') AS hash \gset
SELECT regress.verdict(format('INSERT INTO ward.account (tenant, employee, hash) VALUES (''acme'', 1, %L)', :'hash')),
       regress.verdict($$INSERT INTO ward.account (tenant, employee, hash) VALUES ('acme', 2, 'tr0ub4dor&3')$$);
ALTER TABLE ward.account DROP CONSTRAINT hash_is_hash;
-- the application's own constraint does, if nothing but hashes passes it
CREATE FUNCTION regress.own_check(pattern text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE format('ALTER TABLE ward.account ADD CONSTRAINT own CHECK (hash ~ %L)', pattern);
    found := (SELECT coalesce(string_agg(f.evidence, ' '), 'nothing') FROM regress.faults('credentials') f);
    ALTER TABLE ward.account DROP CONSTRAINT own;
    RETURN found;
END
$$;
SELECT pattern, regress.own_check(pattern)
FROM unnest(ARRAY['^\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$', '^[$]argon2id[$].+$',
                  '^\$argon2id\$.+$|^.{12}$', '\$argon2id\$.+$', '^\$argon2id\$*.+$', '^.+$', '(?i)^\$argon2id\$.+$']) pattern;
DROP FUNCTION regress.own_check(text);
ALTER TABLE ward.account ADD CONSTRAINT hash_is_long CHECK (length(hash) > 5);
SELECT status, evidence FROM regress.faults('credentials');
SELECT * FROM regress.mend('credentials');
SET password_encryption = 'md5';
SET client_min_messages = error;        -- 18 warns of it
CREATE ROLE regress_ward PASSWORD 'x';
SET client_min_messages = warning;
SELECT p.status, toms.say(p.phrase, p.args, 'en'), p.remedy FROM toms.run_probe('credentials') p WHERE p.phrase IN ('credentials_server', 'credentials_md5');
RESET password_encryption;
SELECT * FROM regress.mend('credentials');

--
-- pseudonyms: clear ids are named; a column that is declared takes nothing else
--
SELECT toms.add_category('pseudonym', description => 'names made by toms.pseudonym()') WHERE NOT EXISTS (SELECT FROM toms.category WHERE category = 'pseudonym') \g /dev/null
SELECT toms.label_column('ward.account', 'survey', category => 'pseudonym');
SELECT status, evidence FROM regress.faults('pseudonyms');
SELECT * FROM regress.mend('pseudonyms');
SELECT regress.verdict($$UPDATE ward.account SET survey = '17' WHERE true$$), regress.verdict($$UPDATE ward.account SET survey = md5('x') WHERE true$$);
ALTER TABLE ward.account DROP CONSTRAINT survey_is_pseudonym;
SELECT status, remedy FROM regress.faults('pseudonyms');

DROP SCHEMA ward CASCADE;
DELETE FROM toms.category WHERE category = 'pseudonym';
DROP FUNCTION regress.mend(text), regress.faults(text);
DROP ROLE regress_ward;
