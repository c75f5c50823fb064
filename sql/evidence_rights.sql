--
-- evidence_rights: is nothing done without an instruction, and does data go only where the controller knows?
--
-- Broken on purpose by a superuser, past toms; named by the probe, with its object; mended by the remedy as it is printed.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT count(*) > 0 FROM toms.load_purposes('absence');
-- what tests before this one have left in registers is not this one's
CREATE TABLE regress.before AS
SELECT n AS name, p.phrase, p.args FROM unnest('{instructions,instruction_states,rights,requests,recipients,subprocessors,transfers,encrypted_exports}'::text[]) n, toms.run_probe(n) p;
CREATE FUNCTION regress.found(name text) RETURNS SETOF toms.probed LANGUAGE sql AS $$
    SELECT p.* FROM toms.run_probe(name) p WHERE p.phrase = 'nothing_protected' OR NOT EXISTS (SELECT FROM regress.before b WHERE (b.name, b.phrase, b.args) = (found.name, p.phrase, p.args))
$$;
-- numbers and days differ from run to run
CREATE FUNCTION regress.plain(words text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(words, '\d{4}-\d\d-\d\d', '(day)', 'g'), '\m\d+', 'n', 'g')
$$;
CREATE FUNCTION regress.probe(name text) RETURNS TABLE (status text, tenant text, finding text, remedy text) LANGUAGE sql AS $$
    SELECT p.status, p.tenant, regress.plain(toms.say(p.phrase, p.args, 'en')), p.remedy FROM regress.found(name) p WHERE p.status <> 'pass' AND toms.say(p.phrase, p.args, 'de') <> '' ORDER BY p.phrase COLLATE "C", p.args::text COLLATE "C"
$$;
CREATE FUNCTION regress.mend(name text, fill text DEFAULT '…') RETURNS SETOF text LANGUAGE sql AS $$
    SELECT DISTINCT replace(p.remedy, '…', fill) FROM regress.probe(name) p WHERE p.remedy IS NOT NULL
$$;
CREATE FUNCTION regress.check(name text) RETURNS TABLE (status text, tenant text, finding text, remedy text) LANGUAGE sql AS $$
    SELECT p.status, p.tenant, p.finding, regress.plain(p.remedy) FROM regress.probe(name) p
$$;

--
-- A-6.1, T-1.1, T-4.1: nothing without an instruction. Tried: each kind of order, without one
--
SELECT * FROM regress.check('instructions');
SELECT regexp_replace(toms.say(phrase, args, 'en'), '\d+ instructions', 'n instructions') FROM toms.run_probe('instructions') WHERE phrase = 'instructions_asked';
-- who may have it done
GRANT EXECUTE ON FUNCTION toms.confirm_instruction(bigint) TO regress_hr;
SELECT * FROM regress.check('instructions');
SELECT regress.mend('instructions') \gexec
SELECT * FROM regress.check('instructions');
-- somebody writes into the register that he was told to
INSERT INTO toms.rectification (tenant, subject, relation, columns, rows, instruction, by) VALUES ('acme', '17', 'hr.employee', '{salary}', 1, 4711, 'nobody');
SELECT * FROM regress.check('instructions');
DELETE FROM toms.rectification WHERE instruction = 4711;
-- the function that everything asks is made to agree
BEGIN;
ALTER FUNCTION toms.check_instruction(bigint, text, text, text) RENAME TO check_instruction_away;
CREATE FUNCTION toms.check_instruction(id bigint, tenant text, kind text, subject text) RETURNS toms.instruction LANGUAGE sql AS 'SELECT NULL::toms.instruction';
SELECT count(*), min(finding) FROM regress.check('instructions');
ROLLBACK;
SELECT * FROM regress.check('instructions');
-- confirmed, and left lying
SELECT toms.record_instruction('acme', 'restrict', given_by => 'CEO', wording => 'restrict', subject => '17') AS lying \gset
SELECT toms.confirm_instruction(:lying);
UPDATE toms.instruction_event SET at = now() - interval '31 days' WHERE instruction = :lying;
SELECT * FROM regress.check('instructions');
SELECT toms.withdraw_instruction(:lying);
SELECT * FROM regress.check('instructions');

--
-- T-10.1, M-3.5: one believed unlawful waits, and the controller is told
--
SELECT toms.record_instruction('acme', 'export', given_by => 'CEO', wording => 'all of it, to my brother') AS doubtful \gset
SELECT toms.confirm_instruction(:doubtful);
SELECT toms.suspend_instruction(:doubtful, 'no legal basis');
SELECT * FROM regress.check('instruction_states');
SELECT toms.record_controller_told(:doubtful, now() + interval '1 day');
SELECT regress.plain(regress.verdict('SELECT toms.record_controller_told(' || :lying || ')'));
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_controller_told(:doubtful);
RESET SESSION AUTHORIZATION;
SELECT * FROM regress.check('instruction_states');
SELECT regress.plain(toms.say(phrase, args, 'en')) FROM regress.found('instruction_states') WHERE phrase = 'states_waiting';
INSERT INTO toms.instruction_event (instruction, state, by) VALUES (:doubtful, 'carried_out', 'nobody');
SELECT * FROM regress.check('instruction_states');
DELETE FROM toms.instruction_event WHERE instruction = :doubtful AND by = 'nobody';
SELECT toms.refuse_instruction(:doubtful, 'manifestly unlawful');
SELECT * FROM regress.check('instruction_states');

--
-- T-4.2, P-O.8: rights reach all that leads to a person
--
SELECT status, finding FROM regress.check('rights');
CREATE SCHEMA hr AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.employee (id integer PRIMARY KEY, tenant text NOT NULL, person text NOT NULL);
CREATE TABLE hr.desk (id integer PRIMARY KEY, employee integer REFERENCES hr.employee);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('hr.employee', tenant => 'tenant');
SELECT * FROM regress.check('rights');
SELECT toms.protect('hr.employee', tenant => 'tenant', subject => 'person');
SELECT * FROM regress.check('rights');
SET toms.reason = 'test'; ALTER TABLE hr.desk ADD COLUMN tenant text NOT NULL; RESET toms.reason;
SELECT replace(m, '…', 'tenant => ''tenant''') FROM regress.mend('rights') m \gexec
SELECT regexp_replace(remedy, '…', 'sits there') FROM regress.probe('rights') \gexec
SELECT * FROM regress.check('rights');
SELECT regress.plain(toms.say(phrase, args, 'en')) FROM toms.run_probe('rights') WHERE phrase = 'rights_reach';
-- an erasure that nothing keeps any more, one that is held, a recipient who was not told
INSERT INTO toms.erasure (kind, tenant, subject, state, requested_at, requested_by) VALUES ('subject', 'acme', '98', 'waiting', now() - interval '3 days', 'test'), ('subject', 'acme', '99', 'waiting', now() - interval '3 days', 'test');
SELECT toms.hold(tenant => 'acme', subject => '99', reason => 'court') AS held \gset
INSERT INTO toms.notice (tenant, about, recipient, categories, instruction, since) VALUES ('acme', 'erase', 'storage', '{personal}', :lying, now() - interval '31 days');
SELECT * FROM regress.check('rights');
SELECT remedy FROM regress.probe('rights') WHERE remedy LIKE '%informed%' \gset
:remedy
DELETE FROM toms.erasure WHERE requested_by = 'test';
SELECT toms.release_hold(:held, 'settled') \g /dev/null
SELECT * FROM regress.check('rights');

--
-- T-4.3: requests are forwarded at once and answered in time
--
SELECT toms.record_request('acme', '17', 'access', now() - interval '2 days') AS request \gset
SELECT * FROM regress.check('requests');
SELECT regress.mend('requests', 'HR of ACME') AS remedy \gset
:remedy
SELECT * FROM regress.check('requests');
UPDATE toms.request SET due = current_date - 1 WHERE id = :request;
SELECT * FROM regress.check('requests');
SELECT regress.mend('requests', 'fulfilled') AS remedy \gset
:remedy
SELECT * FROM regress.check('requests');

--
-- T-7.1, M-5.1, R-3.2, R-6.1: only registered recipients
--
SELECT * FROM regress.check('recipients');
SELECT toms.add_recipient('host', 'processor', 'DE', '{personal}', contact => 'x');
SELECT * FROM regress.check('recipients');
SELECT regress.mend('recipients', 'contract 12') \gexec
SELECT * FROM regress.check('recipients');
INSERT INTO toms.disclosure (tenant, of_all, recipient, categories, purpose, kind, disclosed_by) VALUES ('acme', true, 'uncle', '{personal}', 'rights', 'recorded', 'test');
SELECT * FROM regress.check('recipients');
SELECT replace(replace(replace(m, 'kind => ''…''', 'kind => ''other'''), 'country => ''…''', 'country => ''CH'''), '{…}', '{personal}') FROM regress.mend('recipients') m \gexec
SELECT * FROM regress.check('recipients');
-- what went there before he objected was right
INSERT INTO toms.disclosure (tenant, of_all, recipient, categories, purpose, kind, disclosed_by) VALUES ('acme', true, 'host', '{personal}', 'rights', 'recorded', 'test');
SELECT toms.object_to_recipient('host', 'acme', 'not them');
INSERT INTO toms.disclosure (tenant, of_all, recipient, categories, purpose, kind, disclosed_by) VALUES ('acme', true, 'host', '{personal}', 'rights', 'recorded', 'test');
SELECT * FROM regress.check('recipients');
DELETE FROM toms.disclosure WHERE disclosed_by = 'test' AND recipient = 'host';
SELECT * FROM regress.check('recipients');
-- to one who is none any more; to him before was right
BEGIN;
SELECT toms.add_recipient('courier', 'other', 'DE', '{personal}');
INSERT INTO toms.disclosure (tenant, of_all, recipient, categories, purpose, kind, disclosed_by) VALUES ('acme', true, 'courier', '{personal}', 'rights', 'recorded', 'test');
SELECT toms.end_recipient('courier', 'too slow');
SELECT * FROM regress.check('recipients');
INSERT INTO toms.disclosure (tenant, of_all, recipient, categories, purpose, kind, disclosed_by) VALUES ('acme', true, 'courier', '{personal}', 'rights', 'recorded', 'test');
SELECT * FROM regress.check('recipients');
ROLLBACK;

--
-- T-7.3: a sub-processor of a processor needs a yes, and gets nothing before; and it works for somebody
--
SELECT toms.add_recipient('storage', 'sub_processor', 'IN', '{personal}', parent => 'host', agreement => 'contract 13', transfer_instrument => 'scc', instrument_expires => current_date + 30);
SELECT toms.notify_recipient('storage', 'acme', now() - interval '20 days', '14 days');
SELECT regress.verdict($$SELECT toms.check_recipient('storage', 'acme', 'rights', '{personal}')$$);
SELECT toms.consent_to_recipient('storage', 'acme');
SELECT * FROM regress.check('subprocessors');
SELECT toms.end_recipient('host', 'bankrupt');
SELECT * FROM regress.check('subprocessors');
UPDATE toms.recipient SET ended_at = NULL WHERE recipient = 'host';

--
-- T-2.1, M-3.2, M-3.3, M-5.2: third countries
--
SELECT * FROM regress.check('transfers');
UPDATE toms.recipient SET instrument_expires = current_date - 1 WHERE recipient = 'storage';
UPDATE toms.adequacy SET as_of = '2020-01-01' WHERE country = 'CH';
SELECT * FROM regress.check('transfers');
SELECT replace(m, '…', '2099-12-31') FROM regress.mend('transfers') m WHERE m NOT LIKE '%set_adequacy%' \gexec
SELECT m FROM regress.mend('transfers') m \gexec
SELECT * FROM regress.check('transfers');
SELECT toms.say(phrase, args, 'en') FROM regress.found('transfers') WHERE phrase = 'transfers_covered' ORDER BY 1;
-- a country that has no decision gets one by mistake
SELECT regress.plain(toms.say(phrase, args, 'en')) FROM toms.run_probe('transfers') WHERE phrase = 'transfers_tried';
INSERT INTO toms.adequacy VALUES ('XX', 'made up', false, NULL, current_date, false);
SELECT * FROM regress.check('transfers') LIMIT 1;
DELETE FROM toms.adequacy WHERE country = 'XX';
SELECT toms.add_recipient('usa', 'other', 'US', '{personal}');
INSERT INTO toms.disclosure (tenant, of_all, recipient, categories, purpose, kind, disclosed_by) VALUES ('acme', true, 'usa', '{personal}', 'rights', 'recorded', 'test');
SELECT * FROM regress.check('transfers');
DELETE FROM toms.disclosure WHERE disclosed_by = 'test' AND recipient = 'usa';
SELECT replace(m, '…', 'no instrument') FROM regress.mend('transfers') m \gexec
SELECT * FROM regress.check('transfers');

--
-- T-7.2, P-W.4: who holds it in a third country cannot read it
--
SELECT * FROM regress.check('encrypted_exports');
SELECT regress.mend('encrypted_exports') \gexec
SELECT * FROM regress.check('encrypted_exports');
SELECT regress.plain(toms.say(phrase, args, 'en')) FROM toms.run_probe('encrypted_exports') WHERE phrase = 'unreadable_kept';

-- each phrase is there in both languages
SELECT phrase FROM toms.phrase GROUP BY phrase HAVING count(*) <> 2;

-- where nothing can be written, nothing was tried: that is no pass
BEGIN READ ONLY;
SELECT status, phrase FROM toms.run_probe('instructions') WHERE phrase IN ('instructions_asked', 'instructions_untried');
COMMIT;

DROP EXTENSION pgcrypto;
SET toms.reason = 'test';
DROP SCHEMA hr CASCADE;
DELETE FROM toms.person_column p WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = p.relation);
DELETE FROM toms.request WHERE id = :request;
DELETE FROM toms.notice WHERE instruction = :lying;
DELETE FROM toms.hold WHERE id = :held;
DELETE FROM toms.instruction_event WHERE instruction IN (:lying, :doubtful); DELETE FROM toms.instruction WHERE id IN (:lying, :doubtful);
DELETE FROM toms.disclosure WHERE disclosed_by = 'test';
DELETE FROM toms.recipient WHERE NOT shipped; DELETE FROM toms.recipient_event; DELETE FROM toms.adequacy WHERE NOT shipped;
UPDATE toms.adequacy SET as_of = (SELECT max(as_of) FROM toms.adequacy) WHERE country = 'CH';
DROP TABLE regress.before;
DROP FUNCTION regress.check(text); DROP FUNCTION regress.mend(text, text); DROP FUNCTION regress.probe(text); DROP FUNCTION regress.found(text); DROP FUNCTION regress.plain(text);
