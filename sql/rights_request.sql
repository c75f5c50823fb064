--
-- rights_request: a register of what data subjects have asked for, and of the day on which an answer is due
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SET datestyle = 'ISO, YMD';
SET TimeZone = 'Europe/Berlin';
CREATE SCHEMA req AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE req.note (id integer PRIMARY KEY, tenant text NOT NULL, person integer);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('req.note', tenant => 'tenant', subject => 'person');
CREATE ROLE regress_req_operator LOGIN;
SELECT toms.grant_officer('regress_req_operator', 'operator');

--
-- A month, by the calendar (Art. 12(3) GDPR)
--
SET SESSION AUTHORIZATION regress_req_operator;
SELECT regress.verdict(s) FROM unnest(ARRAY[
    $$SELECT toms.record_request('nobody', '17', 'access')$$,                                           -- refused: no such tenant
    $$SELECT toms.record_request('acme', 'x', 'access')$$,                                              -- refused: no table can have him
    $$SELECT toms.record_request('acme', '17', 'acces')$$,                                              -- refused: no such kind
    $$SELECT toms.record_request('acme', '17', 'access', now() + interval '1 hour')$$]) s;              -- refused: not yet
SELECT toms.record_request('acme', '17', 'access', '2026-01-31 12:00') AS january \gset
SELECT toms.record_request('acme', '17', 'erase', '2026-03-15 23:59') AS march \gset
SELECT toms.record_request('acme', NULL, 'other', '2026-02-28 00:00') AS unknown \gset
SELECT toms.record_request('globex', '18', 'access') AS fresh \gset
SELECT tenant, kind, due, overdue, subject FROM toms.requests WHERE id <> :fresh ORDER BY id;           -- who it is he is not told
SELECT due - current_date BETWEEN 28 AND 31, overdue FROM toms.requests WHERE id = :fresh;

--
-- Forwarded, extended once, closed with reasons
--
SELECT regress.verdict(format(s, :march)) FROM unnest(ARRAY[
    $$SELECT toms.forward_request(%s, 'D. Manager', '2026-03-01')$$,                                    -- refused: before it came
    $$SELECT toms.forward_request(0, 'D. Manager')$$,                                                   -- refused: no such request
    $$SELECT toms.forward_request(%s, 'D. Manager', '2026-03-16')$$,
    $$SELECT toms.extend_request(%s, 'complex', '2026-04-01')$$]) s;                                    -- refused: not his to decide
SET SESSION AUTHORIZATION regress_officer;
SELECT regexp_replace(regress.verdict(format(s, :march)), 'request [0-9]+', 'request N') FROM unnest(ARRAY[
    $$SELECT toms.extend_request(%s, 'complex', '2026-04-16')$$,                                        -- refused: told too late
    $$SELECT toms.extend_request(%s, '', '2026-04-01')$$]) s;                                           -- refused: without reasons
SELECT toms.extend_request(:march, 'complex', '2026-04-01');
SELECT regress.verdict(format($$SELECT toms.extend_request(%s, 'complex', '2026-04-02')$$, :march)) LIKE 'refused: request % cannot be extended so (55000)';        -- once
SELECT toms.record_instruction('acme', 'erase', given_by => 'D. Manager', wording => 'Erase him.', subject => '17') AS instruction \gset
SELECT regress.verdict(format(s, :march, :instruction)) FROM unnest(ARRAY[
    $$SELECT toms.close_request(%s, 'done')$$,                                                          -- refused: no such outcome
    $$SELECT toms.close_request(%s, 'refused')$$,                                                       -- refused: a refusal has reasons
    $$SELECT toms.close_request(%s, 'fulfilled', instruction => 0)$$,                                   -- refused: no such instruction
    $$SELECT toms.close_request(%s, 'fulfilled', instruction => %s)$$]) s;
SELECT regress.verdict(format($$SELECT toms.close_request(%s, 'fulfilled')$$, :march)) LIKE 'refused: there is no open request % (42704)';        -- once
SELECT subject, kind, forwarded_at::date, forwarded_to, due, extended_at::date, outcome, instruction = :instruction FROM toms.requests WHERE id = :march;
SELECT count(*) FROM toms.requests WHERE closed_at IS NULL AND overdue;                                 -- 2
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict('SELECT * FROM toms.requests');                                                  -- refused: no officer

--
-- When he has been erased the register knows that somebody asked, not who
--
RESET SESSION AUTHORIZATION;
SELECT toms.forget_person('acme', '17');
SELECT tenant, kind, subject, forwarded_to, remark, outcome FROM toms.requests WHERE id IN (:january, :march) ORDER BY id;
SELECT count(*) > 0, bool_or(details::text LIKE '%"subject":"1%' OR details::text LIKE '%Manager%') FROM toms.audit_trail() WHERE details ->> 'table' = 'request';
SET toms.reason = 'end of the test';
DROP SCHEMA req CASCADE;
SELECT toms.revoke_officer('regress_req_operator', 'operator');
DROP ROLE regress_req_operator;
DELETE FROM toms.request; DELETE FROM toms.instruction_event; DELETE FROM toms.instruction;
