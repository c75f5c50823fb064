--
-- retention_run: what is past its period is deleted, and nothing else
--
-- Two controllers keep messages for 105 days.  toms.run_retention() deletes one batch of each rule and tenant: as the
-- owner of the table, under the policies of that tenant.  Rows go with those that refer to them; a row that cannot
-- go is left where it is and told of.  Start events are relative to now, so that each is due or not whenever this runs.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA chat AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA chat TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE chat.message (id integer PRIMARY KEY, tenant text NOT NULL, author integer, sent timestamptz, body text);
CREATE TABLE chat.reaction (id integer PRIMARY KEY, tenant text NOT NULL, message integer REFERENCES chat.message ON DELETE CASCADE, author integer);
CREATE TABLE chat.complaint (message integer REFERENCES chat.message);      -- not protected; keeps messages
INSERT INTO chat.message
SELECT 100 * t.n + d.n, t.tenant, 17, d.sent, 'text' FROM (VALUES (1, 'acme'), (2, 'globex')) t (n, tenant),
       (VALUES (1, now() - interval '200 days'), (2, now() - interval '106 days'), (3, now() - interval '104 days'), (4, now()), (5, NULL), (6, 'infinity'),
               (7, '-infinity')) d (n, sent);
INSERT INTO chat.reaction VALUES (1, 'acme', 101, 18), (2, 'acme', 101, 19), (3, 'acme', 103, 18), (4, 'globex', 202, 30);
RESET SESSION AUTHORIZATION;
SELECT count(toms.protect(t::regclass, tenant => 'tenant', subject => 'author')) FROM unnest('{chat.message,chat.reaction}'::text[]) t;
SELECT count(toms.permit(role => 'regress_hr', relation => t::regclass, verbs => '{select,insert,update,delete}', purposes => '{absence_management}', scope => 'tenant'))
FROM unnest('{chat.message,chat.reaction}'::text[]) t;

-- declares a rule as toms.retain() does
CREATE FUNCTION regress.rule(relation regclass, since name, keep interval, tenant text DEFAULT NULL, category text DEFAULT NULL, clear name[] DEFAULT NULL) RETURNS bigint
LANGUAGE sql AS $$
    INSERT INTO toms.retention_rule (relation, tenant, category, since, keep, starts, action, clear, purposes, zone, locked, relation_name, retained_by)
    VALUES ($1, $4, $5, $2, $3, 'event', CASE WHEN $6 IS NULL THEN 'delete' ELSE 'pseudonymise' END, $6, '{}', 'Europe/Berlin', false, $1::text, session_user)
    RETURNING id
$$;
CREATE FUNCTION regress.hold(tenant text, subject text, relation regclass, rule bigint DEFAULT NULL) RETURNS bigint
LANGUAGE sql AS $$
    INSERT INTO toms.hold (state, relation, tenant, subject, rule, kind, reason, held_by) VALUES ('held', $3, $1, $2, $4, 'legal', 'case 4711', session_user) RETURNING id
$$;
-- what a run does, rule by rule
CREATE VIEW regress.run AS
    SELECT relation, tenant, action, due, done, cascaded, held, blocked, more, problem FROM toms.run_retention();
SELECT regress.rule('chat.message', 'sent', '105 days') AS rule \gset

--
-- Who may run it, and when
--
SET SESSION AUTHORIZATION regress_hr;
SELECT regress.verdict('SELECT toms.run_retention()');                                     -- refused: no officer
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.run_retention(now() + interval '1 day')$$);           -- refused: nothing is deleted ahead of its time
SELECT tenant, due, done FROM toms.run_retention(now() + interval '2 days', dry_run => true);   -- 4 each will be due then
SELECT tenant, due, done FROM toms.run_retention(dry_run => true);                         -- 3 each
RESET SESSION AUTHORIZATION;

--
-- What is due goes, with what refers to it; what has no start event yet, or an infinite one, stays
--
SELECT count(*) FROM chat.message;
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM toms.run_retention();
SELECT * FROM toms.run_retention();                            -- nothing is left to do
RESET SESSION AUTHORIZATION;
SET toms.reason = 'looks what is left';
SELECT tenant, id % 100 AS message FROM chat.message ORDER BY 1, 2;
SELECT tenant, message FROM chat.reaction ORDER BY 1, 2;
RESET toms.reason;
