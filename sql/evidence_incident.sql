--
-- evidence_incident: incidents are documented, and each controller is told in time
--
-- The promise: whatever happens is written down, also what nobody has to be told of; the clock of each controller is the one that
-- was agreed with him; one who has not been told in time fails the check, by name; and whose data is concerned, the trail says.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SET timezone = 'UTC';
ALTER TABLE toms.incident ALTER id RESTART;       -- errors tell the number
SELECT clock_timestamp() AS start \gset
CREATE ROLE regress_dpo LOGIN;
SELECT toms.grant_officer('regress_dpo', 'auditor');
CREATE FUNCTION regress.probe() RETURNS TABLE (status text, evidence text, remedy text, tenant text) LANGUAGE sql AS $$
    SELECT p.status, regexp_replace(toms.say(p.phrase, p.args, 'en'), '(incident) \d+|\d{4}-.* UTC', '\1 …'), regexp_replace(p.remedy, '\(\d+', '(…'), p.tenant
    FROM toms.run_probe('incidents') p ORDER BY toms.status_rank(p.status), p.phrase, p.tenant
$$;

-- a working day is one from Monday to Friday
SELECT to_char(at, 'Dy HH24:MI'), to_char(toms.working_day_after(at), 'Dy HH24:MI')
FROM generate_series('2026-11-16 15:00'::timestamptz, '2026-11-22 15:00', '1 day') at;

-- with acme 48 hours are agreed, with globex nothing; a number that is none is refused, and so is who may not agree on any
SELECT toms.set_notice_hours('acme', 48);
SELECT regress.verdict($$SELECT toms.set_notice_hours('acme', 0)$$), regress.verdict($$SELECT toms.set_notice_hours('nobody', 48)$$);
SET SESSION AUTHORIZATION regress_dpo;
SELECT regress.verdict($$SELECT toms.set_notice_hours('acme', 1000)$$);
SELECT * FROM regress.probe();                                      -- he may not run it by himself
RESET SESSION AUTHORIZATION;
SELECT * FROM regress.probe();

-- the officer records what he has become aware of, on a Thursday evening
SET SESSION AUTHORIZATION regress_dpo;
SELECT toms.record_incident('security_incident', '2026-11-12 20:00', '{acme,globex}', 'a laptop with an open session was stolen') AS laptop \gset
SELECT tenant, hours, due, informed_at, overdue, controllers_due FROM toms.incidents WHERE incident = :laptop ORDER BY tenant;
-- nobody has to be told of this, and it is documented nevertheless
SELECT toms.record_incident('disruption_or_suspicion', '2026-11-13 08:00', '{}', 'virus scanner rang', no_notice_because => 'false alarm: no data of any controller') AS alarm \gset
SELECT description, tenant, overdue, no_notice_because FROM toms.incidents WHERE incident = :alarm;
-- what cannot be
SELECT regress.verdict($$SELECT toms.record_incident('misfortune', now(), '{acme}', 'something')$$),
       regress.verdict($$SELECT toms.record_incident('contract_breach', now() + interval '1 hour', '{acme}', 'something')$$),
       regress.verdict($$SELECT toms.record_incident('contract_breach', now(), '{}', 'something')$$),
       regress.verdict($$SELECT toms.record_incident('contract_breach', now(), '{nobody}', 'something')$$),
       regress.verdict($$SELECT toms.record_incident('contract_breach', now(), '{acme}', '')$$),
       regress.verdict($$UPDATE toms.incident SET aware_at = now()$$), regress.verdict($$DELETE FROM toms.incident_notice$$);
RESET SESSION AUTHORIZATION;

-- neither controller has been told: the check says which, and how to record that he was
SELECT * FROM regress.probe();
SELECT status FROM toms.check() WHERE measure IN ('M-4.1', 'T-9.1', 'P-O.10');
SET SESSION AUTHORIZATION regress_dpo;
SELECT regress.verdict(format($$SELECT toms.close_incident(%s, 'over')$$, :laptop));
-- acme was told within 48 hours, globex after the weekend: why?
SELECT toms.record_incident_notice(:laptop, 'acme', '2026-11-14 19:59', 'letter by courier');
SELECT regress.verdict(format($$SELECT toms.record_incident_notice(%s, 'globex', '2026-11-13 20:01', 'telephone')$$, :laptop));
SELECT regress.verdict(format($$SELECT toms.record_incident_notice(%s, 'acme', now(), 'once more')$$, :laptop)),
       regress.verdict(format($$SELECT toms.record_incident_notice(%s, 'globex', '2026-11-11', 'before')$$, :laptop)),
       regress.verdict(format($$SELECT toms.record_incident_notice(%s, 'initech', now(), 'whom?')$$, :laptop));
RESET SESSION AUTHORIZATION;
SELECT p.remedy FROM toms.run_probe('incidents') p WHERE p.status = 'overdue' \gexec
SELECT * FROM regress.probe();
SELECT tenant, informed_at > due AS late, late_reason, controllers_due = informed_at + interval '72 hours' AS from_then_on FROM toms.incidents WHERE incident = :laptop ORDER BY tenant;

-- the facts come step by step, and a tenant who turns out to be concerned has a clock of his own
SELECT toms.add_tenant('initech', name => 'Initech Ltd');
SET SESSION AUTHORIZATION regress_dpo;
SELECT toms.update_incident(:laptop, known_at => '2026-11-13 09:00', nature => 'loss of confidentiality', subject_categories => 'employees', subjects => 12, record_categories => 'absences', records => 40);
SELECT regress.verdict(format($$SELECT toms.update_incident(%s, relations => '{own.nothing}')$$, :laptop)),
       regress.verdict(format($$SELECT toms.update_incident(%s, began_at => '2026-11-12 18:00', ended_at => '2026-11-12 17:00')$$, :laptop));
SELECT toms.update_incident(:laptop, tenants => '{initech,acme}');
SELECT tenant, nature, subjects, due > now() AS in_future, overdue FROM toms.incidents WHERE incident = :laptop ORDER BY tenant;
SELECT toms.record_incident_notice(:laptop, 'initech', now(), 'e-mail, encrypted');
SELECT regress.verdict(format($$SELECT toms.close_incident(%s, 'over')$$, :laptop));
SELECT toms.update_incident(:laptop, likely_consequences => 'absences may be known to a thief', measures_taken => 'session ended, disk was encrypted', dpo_contact => 'dpo@processor.example');
SELECT toms.close_incident(:laptop, 'laptop found, disk not opened');
SELECT regress.verdict(format($$SELECT toms.update_incident(%s, records => 50)$$, :laptop));
SELECT DISTINCT nature, subjects, records, measures_taken, outcome, closed_at IS NOT NULL FROM toms.incidents WHERE incident = :laptop;
RESET SESSION AUTHORIZATION;
-- an audit by the authority is told of, too; its 72 hours are nobody's
SELECT toms.record_incident('authority_audit', now(), '{acme}', 'letter of the authority') AS audit \gset
SELECT toms.record_incident_notice(:audit, 'acme', now(), 'e-mail');
SELECT toms.close_incident(:audit, 'answered');
SELECT controllers_due, outcome FROM toms.incidents WHERE incident = :audit;

-- whose data is it? by one log-in somebody changed rows of three persons, somebody else one of a fourth, and an administrator that of a sixth
CREATE SCHEMA own;
GRANT USAGE ON SCHEMA own TO PUBLIC;
CREATE TABLE own.note (id int PRIMARY KEY, tenant text NOT NULL, person text NOT NULL, word text);
CREATE TABLE own.other (id int PRIMARY KEY, tenant text NOT NULL, person text NOT NULL);
SELECT toms.protect('own.note', tenant => 'tenant', subject => 'person'), toms.protect('own.other', tenant => 'tenant', subject => 'person');
SELECT count(toms.permit('regress_hr', r, '{select,insert,update}', '{work}', 'tenant')) FROM unnest('{own.note,own.other}'::regclass[]) r;
SELECT clock_timestamp() AS began \gset
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', 'thief', 'regress_hr', 'work');
INSERT INTO own.note VALUES (1, 'acme', 'p1', 'a'), (2, 'acme', 'p2', 'b'); INSERT INTO own.other VALUES (1, 'acme', 'p3'); SELECT word FROM own.note WHERE id = 1; COMMIT;
BEGIN; SELECT toms.enter('acme', 'honest', 'regress_hr', 'work'); INSERT INTO own.note VALUES (3, 'acme', 'p4', 'c'); COMMIT;
BEGIN; SELECT toms.enter('globex', 'thief', 'regress_hr', 'work'); INSERT INTO own.note VALUES (4, 'globex', 'p5', 'd'); COMMIT;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'repair'; INSERT INTO own.note VALUES (5, 'acme', 'p6', 'e'); RESET toms.reason;
SELECT toms.record_incident('security_incident', now(), '{acme}', 'log-in of the job was stolen') AS theft \gset
SET SESSION AUTHORIZATION regress_dpo;
SELECT regress.verdict(format($$SELECT * FROM toms.incident_subjects(%s)$$, :theft));       -- since when?
SELECT toms.update_incident(:theft, began_at => :'began', logins => '{regress_job}');
SELECT tenant, subject, entries, kinds, relations FROM toms.incident_subjects(:theft);      -- nobody of globex, whom it does not concern, nor whom an administrator had to do with
SELECT toms.update_incident(:theft, actors => '{thief}', relations => '{own.note}');
SELECT tenant, subject, entries, kinds, relations FROM toms.incident_subjects(:theft);
SELECT regress.verdict('SELECT * FROM toms.incident_subjects(0)');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_hr;
SELECT regress.verdict(format('SELECT * FROM toms.incident_subjects(%s)', :theft)), regress.verdict('SELECT * FROM toms.incidents');
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM toms.audit_trail(since => :'began', kind => 'read_trail') WHERE details ->> 'by' = 'incident_subjects';

-- the trail has who wrote what into the register, and no word that may name a person
SELECT d ->> 'table', d ->> 'verb', d #>> '{new,tenant}', d #>> '{new,kind}' FROM toms.audit_entry e, LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb AS d OFFSET 0) p
WHERE e.kind = 'a' AND e.verb = 'C' AND d ->> 'table' IN ('incident', 'incident_notice', 'notice_hours') AND e.at >= :'start' ORDER BY e.id LIMIT 4;
SELECT count(*) FROM toms.audit_entry e WHERE e.kind = 'a' AND convert_from(e.payload, 'UTF8') ~ 'laptop|courier|false alarm|thief';

SET toms.reason = 'test';
DROP SCHEMA own CASCADE;
RESET toms.reason;
DELETE FROM toms.incident_notice;
DELETE FROM toms.incident;
DELETE FROM toms.notice_hours;
DELETE FROM toms.tenant WHERE tenant = 'initech';
DELETE FROM toms.permission WHERE purposes = '{work}';
SELECT toms.revoke_officer('regress_dpo', 'auditor');
DROP FUNCTION regress.probe();
DROP ROLE regress_dpo;
