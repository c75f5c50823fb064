--
-- retention_rule: how long rows are kept is declared, and what cannot be meant is refused
--
-- One rule is in force for a table, a tenant and a category; another declaration takes its place, with both
-- on record.  A locked period gets longer only, whichever way one tries.  Columns that rules name keep their part
-- through renames, and cannot be dropped.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET timezone = 'Europe/Berlin';
SET client_min_messages = warning;
CREATE SCHEMA keep AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE keep.message (id integer PRIMARY KEY, tenant text NOT NULL, employee integer, sent timestamptz, day date, "When" timestamp, kind text NOT NULL,
                           words text, must text NOT NULL, day_after date GENERATED ALWAYS AS (day + 1) STORED);
CREATE TABLE keep.note (id integer, tenant text NOT NULL, employee integer, day date) PARTITION BY RANGE (id);
CREATE TABLE keep.note_1 PARTITION OF keep.note FOR VALUES FROM (1) TO (100);
CREATE TABLE keep.open (id integer, tenant text, day date);
CREATE TABLE keep.watched (id integer, tenant text NOT NULL, day date);
RESET SESSION AUTHORIZATION;
SELECT toms.protect(t, tenant => 'tenant', subject => 'employee') FROM (VALUES ('keep.message'::regclass), ('keep.note')) v (t);
SELECT toms.protect('keep.watched', tenant => 'tenant', mode => 'observe');
SELECT toms.add_category('diary', description => 'diaries');
SELECT toms.label_rows('keep.message', $$kind = 'DIARY'$$, 'diary');
SELECT toms.add_purpose('tax', description => 'taxation', legal_basis => 'Art. 6(1)(c) GDPR; § 147 AO');

CREATE FUNCTION keep.say(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, 'rule \d+', 'rule N');
END
$$;
CREATE FUNCTION keep.refused(arguments text) RETURNS text LANGUAGE sql AS $$ SELECT arguments || ': ' || keep.say('SELECT toms.retain(' || arguments || ')') $$;
CREATE VIEW keep.rules AS SELECT relation, tenant, category, since, keep, starts, restrict_after, action, clear, purposes, basis, period, zone, locked, in_force, ended_reason
    FROM toms.retention_rules WHERE relation LIKE 'keep.%' ORDER BY id;
GRANT USAGE ON SCHEMA keep TO PUBLIC;
GRANT SELECT ON keep.rules TO PUBLIC;

--
-- an officer declares; nobody else does
--
SET SESSION AUTHORIZATION regress_app;
SELECT keep.refused($$'keep.message', keep => '105 days', since => 'sent'$$);
SELECT keep.say('SELECT toms.unretain(1, reason => $$none$$)');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.retain('keep.message', keep => '105 days', since => 'sent', basis => 'contract § 8') AS messages \gset
SELECT toms.retain('keep.note', since => 'day', period => 'de_invoice', restrict_after => '2 years', purposes => '{tax}', locked => true) AS notes \gset
SELECT * FROM keep.rules;
-- the same again is the same rule
SELECT toms.retain('keep.message', keep => '105 days', since => 'sent', basis => 'contract § 8') = :messages;
-- each tenant and category may have its own
SELECT toms.retain('keep.message', keep => '1 year', since => 'When', starts => 'end_of_month', tenant => 'acme', zone => 'UTC',
                   action => 'pseudonymise', clear => '{employee,words}') > :messages AS acme_has_its_own;
SELECT toms.retain('keep.message', keep => '30 days', since => 'day', category => 'diary') > :messages AS diaries_have_theirs;
-- the table's own category is no other one: this takes the place of the first rule
SELECT toms.retain('keep.message', keep => '90 days', since => 'sent', category => 'personal') AS second \gset
SELECT :second > :messages AS another;
SELECT * FROM keep.rules WHERE relation = 'keep.message';
SELECT count(*) FROM toms.retention_rule WHERE relation = 'keep.message'::regclass AND valid_until IS NULL AND tenant IS NULL AND category IS NULL;

--
-- what cannot be meant
--
SELECT keep.refused(a) FROM unnest(ARRAY[
    $$NULL, keep => '1 day', since => 'sent'$$,
    $$'keep.open', keep => '1 day', since => 'day'$$,
    $$'keep.watched', keep => '1 day', since => 'day'$$,
    $$'keep.note_1', keep => '1 day', since => 'day'$$,
    $$'keep.message', since => 'sent'$$,
    $$'keep.message', keep => '1 day'$$,
    $$'keep.message', keep => '1 day', since => 'nothing'$$,
    $$'keep.message', keep => '1 day', since => 'words'$$,
    $$'keep.message', keep => '-1 day', since => 'sent'$$,
    $$'keep.message', keep => '1 month -1 day', since => 'sent'$$,
    $$'keep.message', keep => '1 day -1 second', since => 'sent'$$,
    $$'keep.message', keep => '2000 years', since => 'sent'$$,
    $$'keep.message', keep => '1 day', since => 'sent', starts => 'someday'$$,
    $$'keep.message', keep => '1 day', since => 'sent', zone => 'Mars/Olympus'$$,
    $$'keep.message', keep => '1 day', since => 'sent', zone => 'CEST'$$,
    $$'keep.message', keep => '1 day', since => 'sent', tenant => 'nobody'$$,
    $$'keep.message', keep => '1 day', since => 'sent', category => 'health'$$,
    $$'keep.message', keep => '1 day', since => 'sent', purposes => '{nothing}'$$,
    $$'keep.message', keep => '1 day', since => 'sent', purposes => '{NULL}'$$,
    $$'keep.message', keep => '1 year', since => 'sent', restrict_after => '12 months'$$,
    $$'keep.message', keep => '1 year', since => 'sent', restrict_after => '-1 day'$$,
    $$'keep.message', keep => '1 year', since => 'sent', period => 'de_nothing'$$,
    $$'keep.message', keep => '7 years', since => 'sent', period => 'de_invoice'$$,
    $$'keep.message', keep => '9 years', since => 'sent', period => 'de_invoice', starts => 'event'$$,
    $$'keep.message', keep => '1 day', since => 'sent', action => 'forget'$$,
    $$'keep.message', keep => '1 day', since => 'sent', action => 'pseudonymise'$$,
    $$'keep.message', keep => '1 day', since => 'sent', clear => '{words}'$$,
    $$'keep.message', keep => '1 day', since => 'sent', action => 'pseudonymise', clear => '{nothing}'$$,
    $$'keep.message', keep => '1 day', since => 'sent', action => 'pseudonymise', clear => '{must}'$$,
    $$'keep.message', keep => '1 day', since => 'sent', action => 'pseudonymise', clear => '{day_after}'$$,
    $$'keep.message', keep => '1 day', since => 'sent', action => 'pseudonymise', clear => '{sent}'$$,
    $$'keep.message', keep => '1 day', since => 'crm.contract.ended', through => 'id'$$,
    $$'keep.message', keep => '1 day', since => 'keep.open.day', through => 'id'$$]) a;

--
-- a locked period gets longer only
--
SELECT keep.refused(a) FROM unnest(ARRAY[
    $$'keep.note', since => 'day', keep => '1 day'$$,
    $$'keep.note', since => 'day', keep => '8 years'$$,
    $$'keep.note', since => 'day', keep => '1 day', tenant => 'acme'$$,
    $$'keep.note', since => 'day', keep => '8 years', starts => 'end_of_year', zone => 'UTC'$$,
    $$'keep.note', since => 'day', keep => '95 months', starts => 'end_of_year'$$]) a;
SELECT keep.say(format('SELECT toms.unretain(%s, reason => $$no$$)', :notes));
SELECT toms.retain('keep.note', since => 'day', keep => '10 years', starts => 'end_of_year', tenant => 'acme') > :notes AS longer;
SELECT toms.retain('keep.note', since => 'day', period => 'de_books') > :notes AS longer;
SELECT keep.say(format('SELECT toms.unretain(%s, reason => $$no$$)', id)), locked FROM toms.retention_rules WHERE relation = 'keep.note' AND in_force ORDER BY id;
-- who empties columns of rows keeps more than who deletes them, but not the other way round
SELECT toms.retain('keep.note', since => 'day', period => 'de_books', action => 'pseudonymise', clear => '{employee}') > :notes AS milder;
SELECT keep.refused($$'keep.note', since => 'day', period => 'de_books'$$);
-- 96 months are 8 years
RESET SESSION AUTHORIZATION;
SELECT toms.is_shorter('95 months', '8 years'), toms.is_shorter('96 months', '8 years'), toms.is_shorter('364 days', '1 year'), toms.is_shorter('365 days', '1 year');

--
-- columns that rules name
--
ALTER TABLE keep.message RENAME COLUMN sent TO sent_at;
ALTER TABLE keep.message RENAME COLUMN words TO wording;
ALTER TABLE keep.note RENAME COLUMN day TO "Day";
SELECT relation, tenant, category, since, clear FROM keep.rules WHERE in_force;
SELECT relation, intact FROM toms.protected_tables WHERE relation::text LIKE 'keep.%' AND mode = 'enforce' ORDER BY 1;
SET toms.reason = 'types';
SELECT c, keep.say(format('ALTER TABLE keep.message DROP COLUMN %I CASCADE', c)) FROM unnest('{sent_at,When,day,wording,must}'::text[]) c;
ALTER TABLE keep.message ALTER COLUMN "When" TYPE text;
ALTER TABLE keep.message ALTER COLUMN "When" TYPE timestamptz;
RESET toms.reason;
-- what a rule is for stays as long as the rule does
SELECT keep.say($$SELECT toms.unlabel_rows('keep.message', 'diary')$$);
-- and its rows do not go over to another one while one is locked or held
SELECT toms.hold(rule => id, reason => 'test') AS held FROM toms.retention_rules WHERE relation = 'keep.message' AND category = 'diary' AND in_force \gset
SELECT keep.say($$SELECT toms.label_rows('keep.message', $l$kind = 'OTHER'$l$, 'diary')$$);
SELECT keep.say($$SELECT toms.label_rows('keep.message', $l$kind = 'DIARY'$l$, 'diary')$$);    -- as it is: nothing moves
SELECT toms.release_hold(:held, 'test');
SELECT keep.say($$SELECT toms.unprotect('keep.note', reason => 'test')$$);
SELECT keep.say($$SELECT toms.protect('keep.note', tenant => 'tenant', subject => 'employee', mode => 'observe', reason => 'test')$$);

--
-- parts of a table: its rules are theirs
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE keep.note_2 (id integer, tenant text NOT NULL, employee integer, "Day" date);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('keep.note_2', tenant => 'tenant', subject => 'employee');
SELECT toms.retain('keep.note_2', keep => '1 day', since => 'Day') AS part \gset
SELECT keep.say('ALTER TABLE keep.note ATTACH PARTITION keep.note_2 FOR VALUES FROM (100) TO (200)');
SELECT toms.unretain(:part, reason => 'goes with the others');
SELECT keep.say('ALTER TABLE keep.note ATTACH PARTITION keep.note_2 FOR VALUES FROM (100) TO (200)');
ALTER TABLE keep.note DETACH PARTITION keep.note_2;

--
-- a start event elsewhere: the account is kept until a year after its contract has ended
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE keep.contract (id integer PRIMARY KEY, tenant text NOT NULL, "Ended" date);
CREATE TABLE keep.account (id integer PRIMARY KEY, tenant text NOT NULL, contract integer REFERENCES keep.contract, label text);
INSERT INTO keep.contract VALUES (1, 'acme', '2000-01-01'), (2, 'acme', NULL), (3, 'acme', 'infinity');
INSERT INTO keep.account SELECT n, 'acme', n FROM generate_series(1, 3) n;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect(t, tenant => 'tenant') FROM (VALUES ('keep.contract'::regclass), ('keep.account')) v (t);
SELECT toms.permit('regress_hr', 'keep.account', '{select}', '{absence_management}', 'tenant') > 0;
SELECT toms.retain('keep.account', keep => '1 year', since => 'keep.contract."Ended"', through => 'contract') > :messages;
SELECT since FROM keep.rules WHERE relation = 'keep.account';
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT id FROM keep.account ORDER BY id;
COMMIT;
RESET SESSION AUTHORIZATION;
ALTER TABLE keep.contract RENAME COLUMN "Ended" TO ended_on;
-- the names that toms uses inside of its policies are names like others
ALTER TABLE keep.contract RENAME COLUMN id TO toms_since;
ALTER TABLE keep.account RENAME COLUMN contract TO toms_since;
SELECT intact FROM toms.protected_tables WHERE relation = 'keep.account'::regclass;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT id FROM keep.account ORDER BY id;
COMMIT;
RESET SESSION AUTHORIZATION;
ALTER TABLE keep.contract RENAME COLUMN toms_since TO toms_key;
ALTER TABLE keep.account RENAME COLUMN toms_since TO toms_key;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT id FROM keep.account ORDER BY id;
COMMIT;
RESET SESSION AUTHORIZATION;
ALTER TABLE keep.contract RENAME COLUMN toms_key TO id;
ALTER TABLE keep.account RENAME COLUMN toms_key TO contract_id;
SELECT since FROM keep.rules WHERE relation = 'keep.account';
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT id FROM keep.account ORDER BY id;
COMMIT;
SET SESSION AUTHORIZATION regress_owner;
SELECT keep.say('ALTER TABLE keep.contract DROP COLUMN ended_on'), keep.say('ALTER TABLE keep.account DROP COLUMN contract_id');
SELECT keep.say('DROP TABLE keep.contract');
SET SESSION AUTHORIZATION regress_officer;
SELECT keep.say($$SELECT toms.unprotect('keep.contract', reason => 'test')$$);
SELECT toms.unretain(id, reason => 'test') FROM toms.retention_rules WHERE relation = 'keep.account';
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT id FROM keep.account ORDER BY id;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM pg_class WHERE relowner = 'toms_lookup'::regrole AND relname LIKE 'start%';

--
-- the end of a rule, on record
--
SET SESSION AUTHORIZATION regress_officer;
SELECT keep.say(format('SELECT toms.unretain(%s, reason => NULL)', :second));
SELECT keep.say(format('SELECT toms.unretain(%s, reason => $$again$$)', :messages));
SELECT keep.say(format('SELECT toms.unretain(%s, reason => $$contract ended$$)', :second));
SELECT keep, in_force, ended_reason, ended_by IS NOT NULL FROM toms.retention_rules WHERE id IN (:messages, :second) ORDER BY id;

--
-- periods of the law
--
SELECT period, keep, starts, source FROM toms.statutory_period WHERE country = 'AT' ORDER BY period;
SELECT count(*) > 5, bool_and(shipped), bool_and(source <> '') FROM toms.statutory_period WHERE country = 'DE';
SELECT toms.add_statutory_period('ch_books', country => 'CH', records => 'books', keep => '10 years', starts => 'end_of_year', source => 'Art. 958f OR', as_of => '2025-03-01');
SELECT toms.add_statutory_period('ch_books', country => 'CH', records => 'books', keep => '10 years', starts => 'end_of_year', source => 'Art. 958f(1) OR', as_of => '2026-03-01');
SELECT * FROM toms.statutory_period WHERE country = 'CH';
SELECT keep.say($$SELECT toms.add_statutory_period('de_books', country => 'DE', records => 'books', keep => '1 year', source => 'hearsay')$$);
RESET SESSION AUTHORIZATION;
-- what was declared is in the trail, but for the free text
SELECT DISTINCT details ->> 'verb', details -> 'new' ->> 'keep', details -> 'new' ->> 'ended_reason'
FROM toms.audit_entry e, LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb AS details) p
WHERE e.kind = 'a' AND e.verb = 'C' AND p.details ->> 'table' = 'retention_rule' AND (p.details -> 'new' ->> 'relation_name' = 'keep.message' OR p.details ->> 'verb' = 'update') ORDER BY 1, 2, 3;

-- a dropped table's rules have ended
SET client_min_messages = error;
SET toms.reason = 'end of the test';
DROP TABLE keep.note;
SELECT DISTINCT in_force FROM toms.retention_rules WHERE relation = 'keep.note';
SET toms.reason = 'end of the test';
DROP SCHEMA keep CASCADE;
SELECT count(*) FROM toms.retention_rules WHERE in_force AND relation LIKE 'keep.%';
DELETE FROM toms.statutory_period WHERE NOT shipped;
DELETE FROM toms.category WHERE category = 'diary';
DELETE FROM toms.purpose WHERE purpose = 'tax';
