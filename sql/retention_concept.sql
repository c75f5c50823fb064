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
SELECT toms.add_purpose('concept_audit', description => 'audits', legal_basis => '§ 147(6) AO'), toms.add_purpose('concept_books', description => 'accounting', legal_basis => '§ 238 HGB');
SET TimeZone = 'Europe/Berlin';
CREATE TEMP TABLE rule AS SELECT
    toms.retain('concept.message', keep => '105 days', since => 'sent_at', basis => 'Art. 5(1)(e) GDPR') AS message,
    toms.retain('concept.message', keep => '1 month 12 hours', since => 'sent_at', tenant => 'globex', zone => 'Europe/Vienna') AS message_globex,
    toms.retain('concept.invoice', period => 'de_invoice', since => 'issued_on', restrict_after => '2 years', purposes => '{concept_audit,concept_books}', locked => true) AS invoice,
    toms.retain('concept.contract', keep => '0', since => 'ended On', starts => 'end_of_month') AS contract,
    toms.retain('concept.call', keep => '3 years', since => 'concept.contract."ended On"', through => 'contract_id', starts => 'end_of_year', basis => '§ 195 BGB',
                action => 'pseudonymise', clear => '{note,number}') AS call,
    toms.retain('concept.shift', keep => '1 day 1 second', since => 'day', restrict_after => '0', category => 'health') AS shift;
RESET TimeZone;
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
SELECT toms.hold(relation => 'concept.message', tenant => 'acme', subject => '17', reason => 'a law suit') > 0;          -- the rule for all, not globex's own
SELECT toms.hold(tenant => 'globex', kind => 'dispute', reason => 'a dispute') > 0;                                     -- every table, and there globex's own rule if he has one
SELECT toms.hold(rule => invoice, kind => 'suspension', reason => 'tax assessment is open') > 0 FROM rule;
SELECT toms.release_hold(toms.hold(relation => 'concept.message', reason => 'over'), 'over');
SET SESSION AUTHORIZATION regress_officer;
SELECT relation, tenant, holds FROM toms.deletion_concept() WHERE relation LIKE 'concept.%';
RESET SESSION AUTHORIZATION;

-- a rule that has ended is not in it
SELECT toms.unretain(contract, 'over') FROM rule;
SELECT relation, standard_period, implementation FROM toms.deletion_concept() WHERE relation = 'concept.contract';
-- who is no officer has no use of it
SELECT has_function_privilege('regress_app', 'toms.deletion_concept(text)', 'EXECUTE') AS anybody;

SET client_min_messages = error;
SELECT count(toms.release_hold(id, 'over')) FROM toms.holds WHERE state = 'held';
UPDATE toms.retention_rule SET locked = false;
SELECT count(toms.unretain(id, 'over')) FROM toms.retention_rules WHERE in_force;
DROP FUNCTION regress.concept(text);
SET toms.reason = 'end of the test';
DROP SCHEMA concept CASCADE;
DROP TABLE rule;
