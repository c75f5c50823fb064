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

CREATE FUNCTION regress.rule(relation regclass, since name, keep interval, tenant text DEFAULT NULL, category text DEFAULT NULL, clear name[] DEFAULT NULL) RETURNS bigint
LANGUAGE sql AS $$
    SELECT toms.retain(relation, keep, since::text, tenant => tenant, category => category, clear => clear, basis => 'contract', zone => 'Europe/Berlin',
                       action => CASE WHEN clear IS NULL THEN 'delete' ELSE 'pseudonymise' END)
$$;
CREATE FUNCTION regress.hold(tenant text, subject text, relation regclass, rule bigint DEFAULT NULL) RETURNS bigint
LANGUAGE sql AS $$
    SELECT toms.hold(tenant, subject, relation, rule, reason => 'case 4711')
$$;
-- what a run does, rule by rule
CREATE VIEW regress.run AS
    SELECT relation, tenant, action, due, done, cascaded, held, blocked, more, problem FROM toms.run_retention();
SELECT regress.rule('chat.message', 'sent', '105 days') AS rule, coalesce(max(id), 0) AS mark FROM toms.audit_entry \gset

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
SET SESSION AUTHORIZATION regress_officer;
SELECT rule = :rule, relation, tenant, action, due, done, cascaded, held, blocked, more, problem FROM toms.run_retention();
SELECT * FROM toms.run_retention();                            -- nothing is left to do
RESET SESSION AUTHORIZATION;
SET toms.reason = 'looks what is left';        -- for all that follows
SELECT tenant, id % 100 AS message FROM chat.message ORDER BY 1, 2;
SELECT tenant, message FROM chat.reaction ORDER BY 1, 2;

--
-- The trail has one entry of each batch, with what went along and the months of the start events, and none of single rows
--
SET SESSION AUTHORIZATION regress_officer;
SELECT relation, tenant, action, rows, cascaded, oldest IS NULL AS from_infinity, newest = to_char(now() - interval '106 days', 'YYYY-MM') AS newest FROM toms.deletion_log WHERE entry > :mark;
RESET SESSION AUTHORIZATION;
SELECT kind, count(*) FROM toms.audit_entry WHERE kind IN ('c', 'd') AND id > :mark GROUP BY kind ORDER BY kind;
SELECT count(*) FROM toms.audit_entry WHERE kind = 'r' AND verb = 's' AND id > :mark;   -- retention's own statements are no reads

--
-- A tenant's own rule goes before that of all; a rule of a category before that of the others, and of several the longest counts
--
SELECT regress.rule('chat.message', 'sent', '90 days', tenant => 'globex') AS globex_rule \gset
SELECT tenant, due FROM toms.run_retention(dry_run => true);                               -- globex: the one of 104 days ago
SELECT toms.unretain(:globex_rule, 'test');
SELECT tenant, due FROM toms.run_retention(dry_run => true);                               -- none again
INSERT INTO chat.message VALUES (111, 'acme', 17, now() - interval '150 days', 'bill'), (112, 'acme', 17, now() - interval '150 days', 'sick'),
    (113, 'acme', 17, now() - interval '150 days', 'sick bill'), (114, 'acme', 17, now() - interval '150 days', 'chat'), (115, 'acme', 17, now() - interval '150 days', NULL);
SELECT toms.label_rows('chat.message', $$body = 'bill' OR body = 'sick bill'$$, 'billing'), toms.label_rows('chat.message', $$body = 'sick' OR body = 'sick bill'$$, 'health');
SELECT regress.rule('chat.message', 'sent', '120 days', category => 'health') AS health_rule, regress.rule('chat.message', 'sent', '1 year', category => 'billing') AS billing_rule \gset
SELECT relation, tenant, due, done FROM toms.run_retention();
SELECT id, body FROM chat.message WHERE id BETWEEN 111 AND 115 ORDER BY id;                -- a bill; what may be one: a body that is not known
SELECT toms.unretain(:health_rule, 'test'), toms.unretain(:billing_rule, 'test');
SELECT toms.unlabel_rows('chat.message', 'billing'), toms.unlabel_rows('chat.message', 'health');
SELECT done FROM toms.run_retention();                                                     -- 3: without rules of their own they are as all others

--
-- Rows that cannot go are left, told of, and keep no other row
--
INSERT INTO chat.message SELECT n, 'acme', n % 2, now() - interval '110 days', 'x' FROM generate_series(1001, 1200) n;
INSERT INTO chat.complaint VALUES (1007), (1100), (1101);
SELECT * FROM regress.run;                                     -- 3 are referred to
SELECT count(*) FROM chat.message WHERE id > 1000;
SELECT * FROM regress.run;                                     -- and stay so
ALTER TABLE chat.complaint ALTER CONSTRAINT complaint_message_fkey DEFERRABLE INITIALLY DEFERRED;
SELECT * FROM regress.run;                                     -- not at the end of the transaction, where it would undo everything
TRUNCATE chat.complaint;
CREATE FUNCTION chat.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.id = 1100 THEN RAISE EXCEPTION 'there is a case about employee %', OLD.author; END IF;
    IF OLD.id = 1101 THEN RETURN NULL; END IF;
    RETURN OLD;
END
$$;
CREATE TRIGGER refuse BEFORE DELETE ON chat.message FOR EACH ROW EXECUTE FUNCTION chat.refuse();
SELECT * FROM regress.run;                                     -- 1 goes; what the trigger says of people is not repeated
DROP TRIGGER refuse ON chat.message;
SELECT done FROM regress.run;

--
-- Holds: of a table, a person, a rule; the hold on a row that would go along keeps what it refers to
--
INSERT INTO chat.message SELECT n, 'acme', n % 2, now() - interval '110 days', 'x' FROM generate_series(1001, 1200) n;
INSERT INTO chat.reaction VALUES (11, 'acme', 1001, 18), (12, 'acme', 1003, 19);
SELECT regress.hold('acme', NULL, 'chat.message') AS hold \gset
SELECT * FROM regress.run;
SELECT toms.release_hold(:hold, 'test');
SELECT regress.hold('acme', NULL, NULL, :rule) AS hold \gset
SELECT held, done FROM regress.run;
SELECT toms.release_hold(:hold, 'test');
SELECT regress.hold('globex', NULL, NULL) AS other_hold, regress.hold('acme', '0', 'chat.message') AS hold \gset
SELECT * FROM regress.run;                                     -- those of person 0 are left
SELECT author, count(*) FROM chat.message WHERE id > 1000 GROUP BY 1;
SELECT regress.hold('acme', '18', 'chat.reaction') AS third_hold \gset
INSERT INTO chat.message VALUES (1300, 'acme', 1, now() - interval '110 days', 'x'), (1301, 'acme', 1, now() - interval '110 days', 'x');
INSERT INTO chat.reaction VALUES (13, 'acme', 1300, 18);
SELECT done, held, blocked, problem FROM regress.run;          -- the message to which the held reaction belongs stays
SELECT toms.release_hold(:third_hold, 'test');
SELECT toms.release_hold(:hold, 'test'), toms.release_hold(:other_hold, 'test');
SELECT done FROM regress.run;                                  -- all are gone now
SELECT toms.is_held('chat.message'::regclass, :rule, 1) IS NULL AS tells_nothing;          -- nobody else learns of holds
SELECT toms.unretain(:rule, 'test');

--
-- Pseudonymise: columns are emptied, once; rows stay
--
SELECT regress.rule('chat.message', 'sent', '105 days', clear => '{author,body}') AS rule \gset
INSERT INTO chat.message VALUES (121, 'acme', 17, now() - interval '150 days', 'x'), (122, 'acme', 17, now() - interval '10 days', 'y');
SELECT action, due, done FROM toms.run_retention();
SELECT action, due, done FROM toms.run_retention();
SELECT id, author, body FROM chat.message WHERE id IN (121, 122) ORDER BY id;
SELECT toms.unretain(:rule, 'test');

--
-- Partitions by day, rows without a tenant of their own, dates and local times: the same
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE chat.visit (id integer, tenant integer NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
DO $$BEGIN
    FOR n IN 0..3 LOOP
        EXECUTE format('CREATE TABLE chat.visit_%s PARTITION OF chat.visit FOR VALUES FROM (%L) TO (%L)', n, current_date - 30 * n - 30, current_date - 30 * n);
    END LOOP;
END$$;
CREATE TABLE chat.call (id integer PRIMARY KEY, tenant text NOT NULL, rang timestamp);
CREATE TABLE chat.call_line (call integer REFERENCES chat.call, rang timestamp);
RESET SESSION AUTHORIZATION;
SELECT toms.add_tenant('7', name => 'Seven');
SELECT count(toms.protect(t::regclass, tenant => 'tenant')) FROM unnest('{chat.visit,chat.call}'::text[]) t;
SELECT toms.protect('chat.call_line', parent => 'chat.call', parent_key => 'call');
INSERT INTO chat.visit SELECT n, 7, current_date - n FROM generate_series(1, 100) n WHERE n NOT BETWEEN 36 AND 44;
INSERT INTO chat.call VALUES (1, 'acme', now() - interval '100 days'), (2, 'acme', now()), (3, 'globex', now() - interval '100 days');
INSERT INTO chat.call_line VALUES (1, now() - interval '100 days'), (1, now() - interval '100 days'), (2, now()), (3, now() - interval '100 days');
SELECT count(regress.rule(r::regclass, c, '40 days')) FROM (VALUES ('chat.visit', 'day'::name), ('chat.call', 'rang'), ('chat.call_line', 'rang')) v (r, c);
SELECT relation, tenant, due, done, blocked FROM toms.run_retention();    -- lines before the calls that they refer to
SELECT tableoid::regclass, count(*), min(day) > current_date - 42 AS left_to_time FROM chat.visit GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM chat.call_line;
SELECT count(*) FROM toms.retention_rule r, toms.unretain(r.id, 'test') WHERE r.valid_until IS NULL;

--
-- The start event in another table: accounts that have ended take their addresses along
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE chat.account (id integer PRIMARY KEY, tenant text NOT NULL, person integer, ended date);
CREATE TABLE chat.address (id integer, tenant text NOT NULL, account integer REFERENCES chat.account);
RESET SESSION AUTHORIZATION;
SELECT count(toms.protect(t::regclass, tenant => 'tenant')) FROM unnest('{chat.account,chat.address}'::text[]) t;
INSERT INTO chat.account VALUES (1, 'acme', 17, current_date - 100), (2, 'acme', 18, NULL), (3, 'globex', 17, current_date - 100), (4, 'acme', 19, current_date);
INSERT INTO chat.address VALUES (1, 'acme', 1), (2, 'acme', 1), (3, 'acme', 2), (4, 'globex', 3), (5, 'acme', 4);
SELECT toms.retain('chat.address', '30 days', since => 'chat.account.ended', through => 'account', basis => 'contract', zone => 'UTC') AS rule \gset
SELECT relation, tenant, due, done, more FROM toms.run_retention();
SELECT tenant, account FROM chat.address ORDER BY 1, 2;
SELECT toms.unretain(:rule, 'test');

--
-- Keys: what was sealed in rows that are gone does not open from a backup either; keys that another row carries stay
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE chat.note (id integer PRIMARY KEY, tenant text NOT NULL, author integer NOT NULL, written date, body toms.sealed_text);
GRANT SELECT, INSERT, DELETE ON chat.note TO regress_hr;
RESET SESSION AUTHORIZATION;
SELECT toms.protect('chat.note', tenant => 'tenant', subject => 'author', category => 'health');
SELECT toms.permit('regress_hr', 'chat.note', '{select,insert}', '{absence_management}', 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
INSERT INTO chat.note VALUES (1, 'acme', 17, current_date - 200, 'old'), (2, 'acme', 17, current_date, 'new'), (3, 'acme', 18, current_date - 200, 'old');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT subject, wrapped IS NULL AS destroyed FROM toms.data_key WHERE relation = 'chat.note'::regclass ORDER BY subject;
SELECT regress.rule('chat.note', 'written', '105 days') AS rule \gset
SELECT relation, due, done FROM toms.run_retention();
SELECT subject, wrapped IS NULL AS destroyed FROM toms.data_key WHERE relation = 'chat.note'::regclass ORDER BY subject;
SELECT count(*) FROM toms.loose_key;

--
-- The size of a batch changes all the time: a session does not keep a plan for each
--
CREATE VIEW regress.plans AS
    SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'CachedPlanSource' AND ident LIKE 'SELECT t.tableoid, t.ctid%FROM chat.note t %';
SELECT count AS plans FROM regress.plans \gset
ALTER SYSTEM SET toms.retention_batch = 9000;
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT current_setting('toms.retention_batch'), count(*) FROM toms.run_retention();
ALTER SYSTEM SET toms.retention_batch = 16000;
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT current_setting('toms.retention_batch'), count(*) FROM toms.run_retention();
ALTER SYSTEM RESET toms.retention_batch;
SELECT pg_reload_conf();
SELECT :plans > 0, count - :plans AS more FROM regress.plans;
DROP VIEW regress.plans;
SELECT toms.unretain(:rule, 'test');
SELECT count(*) FROM unnest('{chat.message,chat.reaction,chat.visit,chat.call_line,chat.call,chat.account,chat.address}'::text[]) t, toms.unprotect(t::regclass, reason => 'test');
DROP SCHEMA chat CASCADE;
DELETE FROM toms.retention_rule;
DELETE FROM toms.hold;
DELETE FROM toms.tenant WHERE tenant = '7';
DROP VIEW regress.run;
DROP FUNCTION regress.rule, regress.hold;
