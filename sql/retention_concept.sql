--
-- retention_concept: the deletion concept is told from the rules that run
--
-- In the terms of DIN 66398, in English and German: what is declared is in it, what has no rule too.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
CREATE SCHEMA concept;
CREATE TABLE concept.message (id integer PRIMARY KEY, tenant text NOT NULL, sender integer NOT NULL, sent_at timestamptz);
COMMENT ON TABLE concept.message IS 'messages between colleagues';
CREATE TABLE concept.invoice (id integer PRIMARY KEY, tenant text NOT NULL, customer integer, issued_on date);
CREATE TABLE concept.contract (id integer PRIMARY KEY, tenant text NOT NULL, customer integer, "ended On" date);
CREATE TABLE concept.call (id integer PRIMARY KEY, tenant text NOT NULL, customer integer, contract_id integer REFERENCES concept.contract, note text, number text);
CREATE TABLE concept.shift (id integer PRIMARY KEY, tenant text NOT NULL, employee integer, kind text, day date) PARTITION BY RANGE (id);
CREATE TABLE concept.shift_1 PARTITION OF concept.shift FOR VALUES FROM (1) TO (1000);
SELECT toms.protect(t, tenant => 'tenant', subject => s)
FROM (VALUES ('concept.message'::regclass, 'sender'), ('concept.invoice', 'customer'), ('concept.contract', 'customer'), ('concept.call', 'customer'), ('concept.shift', 'employee')) p (t, s);
SELECT toms.label_rows('concept.shift', condition => $$kind IN ('SICK')$$, category => 'health');
-- concept(language): what it says of this test's tables
CREATE FUNCTION regress.concept(lang text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', relation, category, tenant, data_kind, start_event, standard_period, deletion_class, legal_basis, implementation, zone, holds)
    FROM toms.deletion_concept(lang) WHERE relation LIKE 'concept.%'
$$;

-- nothing declared: that is told of every table, and of none of its partitions
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM regress.concept('en');
RESET SESSION AUTHORIZATION;

--
-- A rule of each kind
--
INSERT INTO toms.retention_rule (relation, tenant, category, since, elsewhere, through, keep, starts, restrict_after, action, clear, purposes, zone, basis, locked, relation_name, retained_by) VALUES
    ('concept.message', NULL, NULL, 'sent_at', NULL, NULL, '105 days', 'event', NULL, 'delete', NULL, '{}', 'Europe/Berlin', 'Art. 5(1)(e) GDPR', false, 'concept.message', 'test'),
    ('concept.message', 'globex', NULL, 'sent_at', NULL, NULL, '1 month 12 hours', 'event', NULL, 'delete', NULL, '{}', 'Europe/Vienna', NULL, false, 'concept.message', 'test'),
    ('concept.invoice', NULL, NULL, 'issued_on', NULL, NULL, '8 years', 'end_of_year', '2 years', 'delete', NULL, '{tax_audit,accounting}', 'Europe/Berlin', '§ 147(3), (4) AO', true, 'concept.invoice', 'test'),
    ('concept.contract', NULL, NULL, 'ended On', NULL, NULL, '0', 'end_of_month', '0', 'delete', NULL, '{}', 'Europe/Berlin', NULL, false, 'concept.contract', 'test'),
    ('concept.call', NULL, NULL, 'ended On', 'concept.contract', 'contract_id', '3 years', 'end_of_year', NULL, 'pseudonymise', '{note,number}', '{}', 'Europe/Berlin', '§ 195 BGB', false, 'concept.call', 'test'),
    ('concept.shift', NULL, 'health', 'day', NULL, NULL, '1 day 1 second', 'event', NULL, 'delete', NULL, '{}', 'UTC', NULL, false, 'concept.shift', 'test');
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM regress.concept('en');
SELECT * FROM regress.concept('de');
SELECT * FROM toms.deletion_concept('fr');
SELECT * FROM toms.deletion_concept(NULL);

-- the audit trail has periods of its own
SELECT concat_ws(' | ', relation, data_kind, start_event, standard_period, deletion_class, legal_basis, implementation, zone) FROM toms.deletion_concept('en') WHERE relation LIKE 'toms.%';
SELECT concat_ws(' | ', relation, data_kind, start_event, standard_period, deletion_class, legal_basis, implementation, zone) FROM toms.deletion_concept('de') WHERE relation = 'toms.audit_session';

--
-- Holds are counted where they apply, nobody is named
--
RESET SESSION AUTHORIZATION;
INSERT INTO toms.hold (state, relation, tenant, subject, rule, kind, reason, held_by) VALUES
    ('held', 'concept.message', 'acme', '17', NULL, 'legal', 'a law suit', 'test'),         -- of the rule for all, not of globex's own
    ('held', NULL, 'globex', NULL, NULL, 'dispute', 'a dispute', 'test'),                   -- of every table: for globex it is his own rule that is concerned
    ('released', 'concept.message', NULL, NULL, NULL, 'legal', 'over', 'test');
INSERT INTO toms.hold (state, rule, kind, reason, held_by)
    SELECT 'held', id, 'suspension', 'tax assessment is open', 'test' FROM toms.retention_rule WHERE relation = 'concept.invoice'::regclass;
SET SESSION AUTHORIZATION regress_officer;
SELECT relation, tenant, holds FROM toms.deletion_concept() WHERE relation LIKE 'concept.%';
RESET SESSION AUTHORIZATION;

-- a rule that has ended is not in it
UPDATE toms.retention_rule SET valid_until = now() WHERE relation = 'concept.invoice'::regclass;
SELECT relation, standard_period, implementation FROM toms.deletion_concept() WHERE relation = 'concept.invoice';
-- who is no officer has no use of it
SELECT has_function_privilege('regress_app', 'toms.deletion_concept(text)', 'EXECUTE') AS anybody;

DELETE FROM toms.hold;
DELETE FROM toms.retention_rule;
DROP FUNCTION regress.concept(text);
DROP SCHEMA concept CASCADE;
