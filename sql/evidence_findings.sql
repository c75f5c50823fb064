--
-- evidence_findings: what nobody has protected, and what is unusual, is found unasked, and somebody has to look at it
--
-- The promise: a column that holds personal data in a table that nobody has protected is named, in English and German schemas; an
-- actor who does something that he has not done before is told of, under a pseudonym; and a finding that nobody has looked at for
-- a week fails the check.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE ROLE regress_dpo LOGIN;
SELECT toms.grant_officer('regress_dpo', 'auditor');

--
-- Tables that nobody has protected
--
CREATE SCHEMA shop;
CREATE SCHEMA "Büro";
CREATE TABLE shop.customer (id int PRIMARY KEY, "firstName" text, last_name text, e_mail text, created_at date);
CREATE TABLE shop.visit (id int, user_id int, "at" timestamptz, source inet);
CREATE TABLE shop.product (id int, name text, email_template_count int, price numeric, remarks text, extra jsonb);
INSERT INTO shop.product VALUES (1, 'chair', 0, 10, 'none', '{}'), (2, 'table', 0, 20, 'ask bob@example.org first', '{"pay": "to"}'), (3, 'lamp', 0, 5, NULL, '{"tel": "none"}');
CREATE TABLE shop.transfer (id int, target text, hotline text);
INSERT INTO shop.transfer VALUES (1, 'DE89 3704 0044 0532 0130 00', '+49 30 1234567');
CREATE TABLE "Büro"."Krankmeldung" (nr int, "Mitarbeiter_Id" int, "Geburtsdatum" date, "Krankheit" boolean, "Straße" text, "Bemerkung" text);
CREATE TABLE "Büro"."Möbel" (nr int, farbe text, plane text, pinnwand text);         -- nothing of a person
SET SESSION AUTHORIZATION regress_dpo;
SELECT finding, relation, col, says, remedy, state FROM toms.coverage() WHERE relation ~ '^(shop|"Büro")';
RESET SESSION AUTHORIZATION;
-- the remedies run as printed
CREATE FUNCTION regress.mend(remedy text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE remedy; RETURN 'done'; END $$;
SELECT DISTINCT c.remedy, regress.mend(c.remedy) FROM toms.coverage() c WHERE c.relation ~ '^(shop|"Büro")';
-- a table of somebody whose code would run is not read, which is told
CREATE FUNCTION shop.spy(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE WARNING 'spied'; RETURN $1; END $$;
ALTER FUNCTION shop.spy(text) OWNER TO regress_owner;
CREATE INDEX ON shop.transfer (shop.spy('x' || target));
SELECT finding, col, says FROM toms.coverage() WHERE relation = 'shop.transfer';
DROP FUNCTION shop.spy(text) CASCADE;
SELECT finding, col FROM toms.coverage() WHERE relation = 'shop.transfer';
-- nor does an owner hide what his table holds by taking the right to read it from himself: that is told, with what mends it
ALTER TABLE shop.transfer OWNER TO regress_owner;
GRANT USAGE ON SCHEMA shop TO regress_owner;
SET SESSION AUTHORIZATION regress_owner;
REVOKE SELECT ON shop.transfer FROM regress_owner;
RESET SESSION AUTHORIZATION;
SELECT finding, col, says, remedy FROM toms.coverage() WHERE relation = 'shop.transfer';
SELECT regress.mend(c.remedy) FROM toms.coverage() c WHERE c.relation = 'shop.transfer';
SELECT finding, col FROM toms.coverage() WHERE relation = 'shop.transfer';
ALTER TABLE shop.transfer OWNER TO CURRENT_USER;

-- one table is protected: the others of its schema are told of, and what leads to its persons by a foreign key
ALTER TABLE shop.customer ADD tenant text NOT NULL;
CREATE TABLE shop.parcel (id int, "to" int REFERENCES shop.customer, weight int);
CREATE TABLE shop.schema_migrations (version text);
SELECT toms.protect('shop.customer', tenant => 'tenant', subject => 'id');
SELECT finding, relation, col, says, remedy FROM toms.coverage() WHERE relation ~ '^shop' AND finding <> 'personal_column';
SELECT count(*) FROM toms.coverage() WHERE relation = 'shop.customer';
-- somebody looks at what is none, and says so
SET SESSION AUTHORIZATION regress_dpo;
SELECT toms.acknowledge_finding(id, by => 'R. Lang', reason => 'addresses of our own gateways') FROM toms.coverage() WHERE relation = 'shop.visit' AND col = 'source';
SELECT toms.acknowledge_finding(id, by => 'R. Lang', reason => 'weights of parcels') FROM toms.coverage() WHERE relation = 'shop.product' AND finding = 'unprotected_neighbour';
SELECT id, state, looked_at_by, reason FROM toms.coverage() WHERE relation = 'shop.visit' AND finding = 'personal_column';
SELECT regress.verdict($$SELECT toms.acknowledge_finding('personal_column:shop.nothing.x', by => 'R. Lang', reason => 'none')$$);
RESET SESSION AUTHORIZATION;
-- it was that table: one of its name with other columns, or the same with one more, somebody has to look at anew; one made anew as it was, not
BEGIN;
DROP TABLE shop.visit;
CREATE TABLE shop.visit (id int, user_id int, "at" timestamptz, source inet);
SELECT col, state FROM toms.coverage() WHERE relation = 'shop.visit' AND finding = 'personal_column';
DROP TABLE shop.visit;
CREATE TABLE shop.visit (person text, source inet);
SELECT col, state FROM toms.coverage() WHERE relation = 'shop.visit' AND col = 'source';
SELECT state FROM toms.coverage() WHERE relation = 'shop.product' AND finding = 'unprotected_neighbour';
ALTER TABLE shop.product ADD bought_for text;
SELECT state FROM toms.coverage() WHERE relation = 'shop.product' AND finding = 'unprotected_neighbour';
ROLLBACK;
-- what an application keeps in large objects is in no table: any tenant's user reads it with the log-in that they share
SET SESSION AUTHORIZATION regress_owner;
SELECT lo_from_bytea(0, 'a photo') AS photo \gset
RESET SESSION AUTHORIZATION;
SELECT finding, relation, col, says, remedy FROM toms.coverage() WHERE finding = 'large_object';
SET SESSION AUTHORIZATION regress_owner;
SELECT lo_unlink(:photo);
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM toms.coverage() WHERE finding = 'large_object';
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('SELECT * FROM toms.coverage()');
RESET SESSION AUTHORIZATION;

--
-- Unusual entries. Those of the past cannot be written into the trail, so this is what is made of given ones.
--
BEGIN;
SET LOCAL client_min_messages = error;
CREATE OR REPLACE FUNCTION toms.found_entries() RETURNS TABLE (at timestamptz, finding text, tenant text, name text, details jsonb, entry bigint) LANGUAGE sql AS
    $$ SELECT now() - make_interval(days => d), 'shared_login', NULL, 'made_up', NULL::jsonb, 1000 + d FROM unnest('{6,8,9}'::int[]) d $$;
CREATE OR REPLACE FUNCTION toms.found_refusals() RETURNS TABLE (at timestamptz, finding text, tenant text, name text, details jsonb, entry bigint) LANGUAGE sql AS
    $$ SELECT now() - interval '10 days', 'many_refusals', 'acme', 'made_up', NULL::jsonb, 2000::bigint $$;
-- ten log-ins on working days from one address; then one at night, one from elsewhere, one at night of somebody who always works then; with
-- what follows later, of which those of the last 90 days are told
CREATE OR REPLACE FUNCTION toms.logins_found_since() RETURNS timestamptz LANGUAGE sql AS
    $$ SELECT current_setting('regress.today')::timestamptz - 2 * toms.login_memory() $$;
SET LOCAL regress.today = '2026-11-20Z';
CREATE OR REPLACE FUNCTION toms.told_logins() RETURNS TABLE (entry bigint, at timestamptz, local timestamp, verb "char", name text, address text) LANGUAGE sql AS $$
    SELECT t.entry, t.at, t.at AT TIME ZONE current_setting('regress.zone'), t.verb, t.name, t.address FROM (
    SELECT n, '2026-11-02 09:00Z'::timestamptz + make_interval(days => (n + 2 * ((n - 1) / 5) - 1)::int), 'l'::"char", 'anna', '10.0.0.1' FROM generate_series(1::bigint, 10) n
    UNION ALL SELECT 11, '2026-11-16 23:30Z', 'l', 'anna', '10.0.0.1' UNION ALL SELECT 12, '2026-11-16 23:40Z', 'l', 'anna', '10.0.0.1'
    UNION ALL SELECT 13, '2026-11-17 10:00Z', 'l', 'anna', '10.9.9.9' UNION ALL SELECT 14, '2026-11-17 11:00Z', 'l', 'anna', '10.9.9.9'
    UNION ALL SELECT 50 + n, '2026-12-01 10:00Z'::timestamptz + make_interval(days => n::int), 'l', 'anna', '10.0.0.1' FROM generate_series(0::bigint, 12) n
    UNION ALL SELECT 70, '2026-12-14 10:00Z', 'l', 'anna', '10.9.9.9'
    UNION ALL SELECT 100 + n, '2026-11-05 03:00Z'::timestamptz + make_interval(days => n::int), 'l', 'night_job', 'local' FROM generate_series(1::bigint, 11) n
    UNION ALL SELECT 200 + n, '2026-11-17 12:00Z'::timestamptz + make_interval(mins => n::int), 'f', 'bob', '10.0.0.' || n % 2 FROM generate_series(1::bigint, 11) n
    UNION ALL SELECT 300 + n, '2026-11-17 12:00Z'::timestamptz + make_interval(mins => n::int), 'f', 'clumsy', '10.0.0.1' FROM generate_series(1::bigint, 10) n) t (entry, at, verb, name, address)
    WHERE t.at BETWEEN current_setting('regress.today')::timestamptz - interval '90 days' AND current_setting('regress.today')::timestamptz $$;
-- six days of a hundred rows, then a list here and there, 900 rows in all, a download of 5000 (entry 430), and some more; somebody who always
-- reads much; and a beginner
CREATE FUNCTION regress.reads() RETURNS TABLE (day date, tenant text, name text, rows bigint, entry bigint) LANGUAGE sql AS $$
    SELECT '2026-11-01'::date + n::int, 'acme', 'carl', 100, 400 + n FROM generate_series(1::bigint, 6) n
    UNION ALL SELECT '2026-11-08', 'acme', 'carl', r.rows, r.entry FROM (VALUES (300, 410), (600, 420), (5000, 430), (7000, 440)) r (rows, entry)
    UNION ALL SELECT '2026-11-08', 'globex', 'carl', 9000, 405
    UNION ALL SELECT '2026-11-01'::date + n::int, 'acme', 'payroll', CASE n WHEN 7 THEN 90000 ELSE 20000 END, 500 + n FROM generate_series(1::bigint, 7) n
    UNION ALL SELECT '2026-11-01'::date + n::int, 'acme', 'beginner', 10 ^ (n + 1), 600 + n FROM generate_series(1::bigint, 4) n $$;
CREATE OR REPLACE FUNCTION toms.told_reads(since timestamptz, until timestamptz) RETURNS TABLE (day date, tenant text, name text, rows bigint, entry bigint) LANGUAGE sql AS
    'SELECT * FROM regress.reads() r WHERE r.day >= (since AT TIME ZONE ''UTC'')::date AND (r.day < (until AT TIME ZONE ''UTC'')::date OR until = ''infinity'')';
SET LOCAL regress.zone = 'UTC';
-- a finding of many reads leads to the one by which they were too many, and is named by the first of the day, whatever follows or is forgotten
SELECT id, tenant, name, at, details, entry FROM toms.found_unusual() WHERE entry < 1000 ORDER BY finding, entry;
-- the clocks are those of the server's place: nine in the morning in London is the middle of the night in Los Angeles
SET LOCAL regress.zone = 'America/Los_Angeles';
SELECT finding, name, details, entry FROM toms.found_unusual() WHERE finding = 'off_hours' ORDER BY entry;
-- a log-in from elsewhere is the same finding from day to day, and no other one takes its place when it is not listed any more
SET LOCAL regress.zone = 'UTC';
CREATE FUNCTION regress.found_of_anna(today text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('regress.today', today, true);
    RETURN (SELECT string_agg(f.id, ', ' ORDER BY f.id) FROM toms.found_unusual() f WHERE f.name = 'anna' AND f.finding = 'new_address');
END
$$;
SELECT today, regress.found_of_anna(today) FROM unnest('{2026-11-20Z,2026-12-20Z,2027-01-10Z,2027-01-20Z,2027-02-10Z,2027-02-25Z}'::text[]) today;

-- three of four are older than a week, and nobody has looked
CREATE OR REPLACE FUNCTION toms.told_logins() RETURNS TABLE (entry bigint, at timestamptz, local timestamp, verb "char", name text, address text) LANGUAGE sql AS 'SELECT 1, now(), localtimestamp, ''l''::"char", NULL, NULL WHERE false';
CREATE OR REPLACE FUNCTION toms.told_reads(since timestamptz, until timestamptz) RETURNS TABLE (day date, tenant text, name text, rows bigint, entry bigint) LANGUAGE sql AS 'SELECT current_date, NULL, NULL, 1, 1 WHERE false';
CREATE FUNCTION regress.probe() RETURNS TABLE (status text, evidence text, remedy text, tenant text) LANGUAGE sql AS $$
    SELECT p.status, regexp_replace(toms.say(p.phrase, p.args, 'en'), '\d{4}-\d\d-\d\d', '(day)'), p.remedy, p.tenant
    FROM toms.run_probe('findings_evaluated') p ORDER BY toms.status_rank(p.status), p.args
$$;
SELECT * FROM regress.probe();
SELECT status FROM toms.check() WHERE measure = 'P-O.5';
SELECT toms.acknowledge_finding('shared_login:1008', by => 'R. Lang', reason => 'two devices of one person', state => 'seen');
SELECT toms.acknowledge_finding('shared_login:1009', by => 'R. Lang', reason => 'told the head of department', state => 'escalated');
SELECT * FROM regress.probe();
SELECT id, state, looked_at_by, reason, pseudonym IS NOT NULL, name FROM toms.findings ORDER BY id;
SELECT regress.mend(p.remedy) FROM toms.run_probe('findings_evaluated') p WHERE p.remedy IS NOT NULL;
SELECT * FROM regress.probe();
SELECT regress.verdict($$SELECT toms.acknowledge_finding('shared_login:1008', by => '', reason => 'none')$$),
       regress.verdict($$SELECT toms.acknowledge_finding('shared_login:1008', by => 'R. Lang', reason => 'none', state => 'ignored')$$),
       regress.verdict($$SELECT toms.acknowledge_finding('shared_login:1', by => 'R. Lang', reason => 'none')$$);
-- nobody lays aside what is said of himself
CREATE OR REPLACE FUNCTION toms.found_refusals() RETURNS TABLE (at timestamptz, finding text, tenant text, name text, details jsonb, entry bigint) LANGUAGE sql AS
    $$ SELECT now(), 'many_refusals', 'acme', session_user::text, NULL::jsonb, 2001::bigint $$;
SELECT regress.verdict($$SELECT toms.acknowledge_finding('many_refusals:2001', by => 'R. Lang', reason => 'nothing')$$),
       regress.verdict($$SELECT toms.acknowledge_finding('many_refusals:2001', by => 'R. Lang', reason => 'somebody else has to look', state => 'escalated')$$);
ROLLBACK;

-- the real ones: a log-in with eleven failures within the hour, and who reads them is on record
SELECT count(toms.note_reading('s', 'f', '{"login": "regress_made_up", "address": "10.0.0.7"}')) FROM generate_series(1, 11);
SELECT clock_timestamp() AS began \gset
SET SESSION AUTHORIZATION regress_dpo;
SELECT finding, tenant, pseudonym ~ '^[0-9a-f]{32}$', details - 'since', name, state FROM toms.findings WHERE finding = 'failed_logins' AND details ->> 'failures' = '11';
SELECT regress.verdict('SELECT * FROM toms.found_unusual()');
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM toms.audit_trail(since => :'began', kind => 'read_trail') WHERE details ->> 'by' = 'findings';
-- one more, and it is the same finding: who has looked at it has
SELECT toms.acknowledge_finding(id, by => 'R. Lang', reason => 'a test') FROM toms.findings WHERE finding = 'failed_logins' AND details ->> 'failures' = '11';
SELECT count(toms.note_reading('s', 'f', '{"login": "regress_made_up", "address": "10.0.0.7"}'));
SELECT details ->> 'failures', state FROM toms.findings WHERE finding = 'failed_logins' AND details ->> 'failures' IN ('11', '12');
-- nor do refusals lose it, whatever is refused after it
GRANT USAGE ON SCHEMA shop TO regress_hr;
GRANT SELECT ON shop.customer TO regress_hr;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', 'stubborn', 'regress_hr', 'work');
SELECT count(*) FROM (SELECT regress.verdict('SELECT * FROM shop.customer') FROM generate_series(1, 21)) v; COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.seal_audit() IS NOT NULL;
SELECT toms.acknowledge_finding(id, by => 'R. Lang', reason => 'a test') FROM toms.findings WHERE finding = 'many_refusals' AND at >= :'began';
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', 'stubborn', 'regress_hr', 'work');
SELECT count(*) FROM (SELECT regress.verdict('SELECT * FROM shop.customer') FROM generate_series(1, 3)) v; COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.seal_audit() IS NOT NULL;
SELECT details ->> 'refusals', state FROM toms.findings WHERE finding = 'many_refusals' AND at >= :'began';
-- who has read how much today, as the trail tells
SELECT toms.permit('regress_hr', 'shop.customer', '{select,insert}', '{work}', 'tenant') IS NOT NULL;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', 'busy', 'regress_hr', 'work');
INSERT INTO shop.customer (id, "firstName", tenant) SELECT n, 'x', 'acme' FROM generate_series(1, 30) n;
SELECT count(*) FROM (SELECT "firstName" FROM shop.customer OFFSET 0) c; SELECT count(*) FROM (SELECT id FROM shop.customer WHERE id > 20 OFFSET 0) c \g /dev/null
SELECT "firstName" FROM shop.customer \g /dev/null
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.seal_audit() IS NOT NULL;
SELECT tenant, name, sum(rows) FROM toms.told_reads(:'began', 'infinity') WHERE name = 'busy' GROUP BY tenant, name;
-- which of these reads was the one too many, if more than one row is too many, or more than thirty are
SELECT rows, id = toms.read_beyond(1, (at AT TIME ZONE 'UTC')::date, 'acme', 'busy') AS one, id = toms.read_beyond(30, (at AT TIME ZONE 'UTC')::date, 'acme', 'busy') AS thirty
FROM toms.audit_trail(since => :'began', kind => 'reads') WHERE actor = 'busy' ORDER BY id;

SET toms.reason = 'test';
DROP SCHEMA shop, "Büro" CASCADE;
RESET toms.reason;
DELETE FROM toms.finding_note;
DROP FUNCTION regress.mend(text);
DELETE FROM toms.permission WHERE purposes = '{work}';
SELECT toms.revoke_officer('regress_dpo', 'auditor');
DROP ROLE regress_dpo;
