--
-- retention_master_data: a customer's master data are kept until his account ends, not a day longer
--
-- A shop keeps name and address as long as the account is open.  When it ends is in the account's row, in another table;
-- from then on (keep => '0') no role and no purpose sees them, nobody writes any for that account, and the next run
-- deletes them.  An account without an end, one that ends later, and one that is opened again keeps its own.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE SCHEMA shop AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA shop TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE shop.account (id integer PRIMARY KEY, tenant text NOT NULL, customer integer NOT NULL, ended date);
CREATE TABLE shop.master_data (id integer PRIMARY KEY, tenant text NOT NULL, account integer REFERENCES shop.account, customer integer NOT NULL, name text, street text);
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.account, shop.master_data TO regress_hr;
INSERT INTO shop.account VALUES (1, 'acme', 17, NULL), (2, 'acme', 18, current_date - 1), (3, 'acme', 19, current_date + 10), (4, 'acme', 20, 'infinity'),
    (5, 'globex', 17, current_date - 400), (6, 'globex', 18, NULL), (7, 'acme', 21, NULL);
INSERT INTO shop.master_data SELECT a.id, a.tenant, a.id, a.customer, 'customer ' || a.customer, 'Main St.' FROM shop.account a;
INSERT INTO shop.master_data VALUES (8, 'acme', NULL, 22, 'customer 22', 'Main St.');
RESET SESSION AUTHORIZATION;
SELECT count(toms.protect(t, tenant => 'tenant', subject => 'customer')) FROM unnest('{shop.account,shop.master_data}'::regclass[]) t;
SELECT count(toms.permit('regress_hr', t, '{select,insert,update,delete}', '{support,audit}', 'tenant')) FROM unnest('{shop.account,shop.master_data}'::regclass[]) t;
CREATE FUNCTION regress.there(query text DEFAULT 'SELECT id FROM shop.master_data') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ids text;
BEGIN
    EXECUTE format('SELECT string_agg(id::text, '', '' ORDER BY id) FROM (%s) q', query) INTO ids;
    RETURN coalesce(ids, 'none');
END
$$;

--
-- Until it: the rule is on the master data, the event in the account
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.retain('shop.master_data', keep => '0', since => 'shop.account.ended', through => 'account', basis => 'Art. 6(1)(b) GDPR', zone => 'UTC') > 0;
SELECT relation, since, keep, starts, basis FROM toms.retention_rules WHERE relation = 'shop.master_data';
SELECT start_event, standard_period FROM toms.deletion_concept() WHERE relation = 'shop.master_data';
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '90', 'regress_hr', 'support') \gset
SELECT regress.there();                                                                                 -- 1, 3, 4, 7, 8: not that of account 2
SELECT regress.there('SELECT id FROM shop.account');                                                    -- the account itself has no rule: 1, 2, 3, 4, 7
COMMIT;
BEGIN; SELECT toms.enter('acme', '90', 'regress_hr', 'audit') \gset
SELECT regress.there();                                                                                 -- for no other purpose either
COMMIT;
BEGIN; SELECT toms.enter('globex', '90', 'regress_hr', 'support') \gset
SELECT regress.there();                                                                                 -- 6
COMMIT;

--
-- The account ends: its master data are gone at once, and none are written for it
--
BEGIN; SELECT toms.enter('acme', '90', 'regress_hr', 'support') \gset
UPDATE shop.account SET ended = current_date WHERE id IN (1, 7);
SELECT regress.there();                                                                                 -- 3, 4, 8
SELECT s, regress.verdict(s) FROM unnest(ARRAY[
    $$INSERT INTO shop.master_data VALUES (9, 'acme', 1, 17, 'x', 'y')$$,                               -- refused
    $$INSERT INTO shop.master_data VALUES (9, 'acme', 3, 19, 'x', 'y')$$,                               -- ok: that account ends later
    $$UPDATE shop.master_data SET account = 2 WHERE id = 3$$,                                           -- refused
    $$UPDATE shop.master_data SET street = 'Side St.' WHERE id = 1$$,                                   -- 0 rows
    $$UPDATE shop.master_data SET street = 'Side St.' WHERE id = 3$$]) s;                               -- 1 row
COMMIT;
-- opened again before the run has come to it: they are there again
BEGIN; SELECT toms.enter('acme', '90', 'regress_hr', 'support') \gset
UPDATE shop.account SET ended = NULL WHERE id = 7;
SELECT regress.there();                                                                                 -- 3, 4, 7, 8, 9
COMMIT;
RESET SESSION AUTHORIZATION;
-- when the account ends, and that it does not, is on record
SELECT FROM toms.seal_audit();
SELECT kind, row_key, columns, count(*) FROM toms.audit_trail(relation => 'shop.account', kind => 'update') GROUP BY 1, 2, 3 ORDER BY 2;

--
-- The run deletes what belongs to ended accounts, of each tenant, and nothing else; a hold goes before
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.hold('acme', '18', reason => 'law suit') AS held \gset
SELECT relation, tenant, due, done, held FROM toms.run_retention(as_of => now() + interval '20 days', dry_run => true);    -- account 3 will have ended by then
SELECT relation, tenant, due, done, held, more, problem FROM toms.run_retention();
SELECT relation, tenant, due, done, held FROM toms.run_retention();
RESET SESSION AUTHORIZATION;
SET toms.reason = 'look';
SELECT regress.there(), regress.there('SELECT id FROM shop.account');                                   -- 2 is held; accounts stay
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '90', 'regress_hr', 'support') \gset
SELECT regress.there();                                                                                 -- 3, 4, 7, 8, 9: 2 is restricted
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.release_hold(:held, 'settled');
SELECT relation, tenant, due, done, held FROM toms.run_retention();
RESET SESSION AUTHORIZATION;
SET toms.reason = 'look';
SELECT regress.there();
RESET toms.reason;
SELECT relation, tenant, action, sum(rows) FROM toms.deletion_log WHERE relation = 'shop.master_data' GROUP BY 1, 2, 3 ORDER BY 2;

-- clean up
SELECT toms.unretain(id, reason => 'test') FROM toms.retention_rule WHERE valid_until IS NULL;
SELECT count(*) FROM unnest('{shop.master_data,shop.account}'::regclass[]) t, toms.unprotect(t, reason => 'test');
DROP SCHEMA shop CASCADE;
DELETE FROM toms.retention_rule;
DELETE FROM toms.hold;
DROP FUNCTION regress.there(text);
