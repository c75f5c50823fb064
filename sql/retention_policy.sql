--
-- retention_policy: rows whose period of retention has passed are nobody's, at once
--
-- Nothing is deleted here: that is retention's work, in its own time.  Policies hide what it has not come to
-- yet, show restricted rows for the purposes of their rule alone, and take no row that would be hidden at once.
-- Start events count from now, or from the years; each verdict stands beside its statement.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\set superuser :USER
SET TimeZone = 'Europe/Berlin';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';

CREATE SCHEMA crm AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA crm TO PUBLIC;
CREATE FUNCTION regress.ids(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ids text;
BEGIN
    EXECUTE format('SELECT string_agg(id::text, '','' ORDER BY id) FROM (%s) q', query) INTO ids;
    RETURN coalesce(ids, 'none');
EXCEPTION WHEN OTHERS THEN
    RETURN regress.verdict(query);
END
$$;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE crm.message (id integer PRIMARY KEY, tenant_id text NOT NULL, user_id integer NOT NULL, sent_at timestamptz, body text);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.message TO regress_hr, regress_employee;
INSERT INTO crm.message VALUES (1, 'acme', 17, now() - interval '104 days', 'x'), (2, 'acme', 17, now() - interval '105 days', 'x'), (3, 'acme', 18, now() - interval '400 days', 'x'),
    (4, 'acme', 18, NULL, 'x'), (5, 'acme', 17, 'infinity', 'x'), (6, 'acme', 17, '-infinity', 'x'),
    (11, 'globex', 17, now() - interval '104 days', 'x'), (12, 'globex', 17, now() - interval '105 days', 'x'), (13, 'globex', 18, now() - interval '400 days', 'x');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('crm.message', tenant => 'tenant_id', subject => 'user_id');
SELECT toms.permit('regress_hr', 'crm.message', '{select,insert,update,delete}', '{support,audit}', scope => 'tenant') > 0;
SELECT toms.permit('regress_employee', 'crm.message', '{select,insert,update,delete}', '{support}') > 0;

--
-- Messages are kept for 105 days: what is older is not there, for whatever purpose and verb
--
SET SESSION AUTHORIZATION regress_job;
PREPARE messages AS SELECT string_agg(id::text, ',' ORDER BY id) FROM crm.message;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'support') \gset
EXECUTE messages;                                                                                       -- without a rule: all of acme's
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.retain('crm.message', '105 days', 'sent_at') > 0;
SELECT intact FROM toms.describe('crm.message');
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'support') \gset
EXECUTE messages;                                                                                       -- 1, 4, 5: a plan made before too
SELECT regress.ids('SELECT id FROM crm.message'), regress.ids('SELECT id FROM crm.message WHERE id = 2');       -- 1, 4, 5; none
SELECT count(*), min(sent_at) > now() - interval '105 days' FROM crm.message;                           -- 3: counts and extremes do not tell of them
SELECT s, regress.verdict(s) FROM unnest(ARRAY[
    $$UPDATE crm.message SET body = 'y' WHERE true$$,                                                   -- 3 rows
    $$UPDATE crm.message SET sent_at = now() WHERE id = 2$$,                                            -- 0 rows: it does not come back
    $$DELETE FROM crm.message WHERE id IN (2, 3)$$,                                                     -- 0 rows: that is retention's work
    $$SELECT FROM crm.message FOR UPDATE$$,                                                             -- 3 rows
    $$INSERT INTO crm.message VALUES (21, 'acme', 17, now(), 'x')$$,                                    -- ok
    $$INSERT INTO crm.message VALUES (22, 'acme', 17, NULL, 'x')$$,                                     -- ok: it has not begun
    $$INSERT INTO crm.message VALUES (23, 'acme', 17, now() - interval '105 days', 'x')$$,              -- refused: would be gone at once
    $$UPDATE crm.message SET sent_at = now() - interval '1 year' WHERE id = 1$$,                        -- refused alike
    $$INSERT INTO crm.message VALUES (1, 'acme', 17, now() - interval '1 year', 'x') ON CONFLICT (id) DO UPDATE SET sent_at = excluded.sent_at$$]) s;       -- refused
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '18', 'regress_employee', 'support') \gset
SELECT regress.ids('SELECT id FROM crm.message');                                                       -- 4: of his own, in scope own
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'audit') \gset
SELECT regress.ids('SELECT id FROM crm.message');                                                       -- 1, 4, 5
ROLLBACK;
-- the horizon is that of the transaction's start: what was there stays while it runs
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'support') \gset
INSERT INTO crm.message VALUES (24, 'acme', 17, now() - interval '105 days' + interval '300 milliseconds', 'x');
SELECT regress.ids('SELECT id FROM crm.message'), pg_sleep(0.4), regress.ids('SELECT id FROM crm.message');
COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'support') \gset
SELECT regress.ids('SELECT id FROM crm.message');                                                       -- 1, 4, 5: and 24 has gone with it
SELECT regexp_replace(toms.explain_access('crm.message', 'select'), '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+\d\d', '<105 days ago>');
COMMIT;
RESET SESSION AUTHORIZATION;
BEGIN; SET LOCAL toms.reason = 'test';
SELECT count(*) FROM crm.message;                                                                       -- 10: all are there still
DELETE FROM crm.message WHERE id = 24;
COMMIT;

--
-- Scope and period are one call; in scope own it still finds an index on the subject
--
SET SESSION AUTHORIZATION regress_owner;
CREATE INDEX ON crm.message (tenant_id, user_id);
SET SESSION AUTHORIZATION regress_job;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
BEGIN; SELECT toms.enter('acme', '18', 'regress_employee', 'support') \gset
EXPLAIN (COSTS OFF) SELECT FROM crm.message;
SELECT regress.ids('SELECT id FROM crm.message');                                                       -- 4
COMMIT;
RESET enable_seqscan;
RESET enable_bitmapscan;

--
-- The start event's column gets another name, and is dropped: rows stay hidden, and the rule keeps its column
--
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE crm.message RENAME COLUMN sent_at TO written_at;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'support') \gset
SELECT regress.ids('SELECT id FROM crm.message');                                                       -- 1, 4, 5
COMMIT;
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('ALTER TABLE crm.message DROP COLUMN written_at');                               -- refused
SELECT regress.verdict('ALTER TABLE crm.message DROP COLUMN written_at CASCADE');                       -- refused
ALTER TABLE crm.message RENAME COLUMN written_at TO sent_at;
RESET SESSION AUTHORIZATION;
SELECT intact FROM toms.describe('crm.message');

--
-- A tenant's own rule goes before that of all
--
SELECT toms.retain('crm.message', '300 days', 'sent_at', tenant => 'globex') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('globex', '17', 'regress_hr', 'support') \gset
SELECT regress.ids('SELECT id FROM crm.message');                                                       -- 11, 12
SELECT regress.verdict($$INSERT INTO crm.message VALUES (25, 'globex', 17, now() - interval '200 days', 'x')$$);     -- ok
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'support') \gset
SELECT regress.ids('SELECT id FROM crm.message');                                                       -- 1, 4, 5
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- A rule without its policies, and policies without their rule: the table is closed
--
BEGIN;
INSERT INTO toms.retention_rule (relation, category, since, keep, starts, action, purposes, zone, locked, relation_name, retained_by)
VALUES ('crm.message', 'other', 'sent_at', '1 day', 'event', 'delete', '{}', 'UTC', false, 'crm.message', 'test');
SELECT intact FROM toms.describe('crm.message');                                                        -- yes: no row has that label
UPDATE toms.retention_rule SET since = 'body' WHERE relation = 'crm.message'::regclass;
SELECT intact FROM toms.describe('crm.message');                                                        -- no: a column that tells no time
SELECT toms.sync_policies('crm.message');
SELECT intact FROM toms.describe('crm.message');                                                        -- no
SET SESSION AUTHORIZATION regress_job;
SELECT toms.enter('acme', '17', 'regress_hr', 'support') \gset
SELECT regress.ids('SELECT id FROM crm.message');                                                       -- refused
ROLLBACK;
BEGIN;
UPDATE toms.retention_rule SET valid_until = now() WHERE relation = 'crm.message'::regclass;
SELECT intact FROM toms.describe('crm.message');                                                        -- no: their text is another one
ROLLBACK;
SELECT regexp_replace(object, '\d+', 'N'), finding, regexp_replace(remedy, '\d+', 'N') FROM toms.explain_protection('crm.message') WHERE kind = 'retention';
BEGIN;
UPDATE toms.retention_rule SET zone = 'Europe/Atlantis' WHERE relation = 'crm.message'::regclass;
SELECT intact FROM toms.describe('crm.message');                                                        -- no
SELECT object, finding, remedy FROM toms.explain_protection('crm.message') WHERE kind = 'retention' AND object NOT LIKE 'rule %';
ROLLBACK;
BEGIN;
UPDATE toms.retention_rule SET since = 'gone' WHERE relation = 'crm.message'::regclass;
SELECT intact FROM toms.describe('crm.message');                                                        -- no
ROLLBACK;
SELECT intact FROM toms.describe('crm.message');

--
-- Invoices: 8 years from the end of the year, restricted after 2; of days, in the rule's zone
--
SET SESSION AUTHORIZATION regress_owner;
CREATE DOMAIN crm.day AS date;
CREATE TABLE crm.invoice (id integer PRIMARY KEY, tenant_id text NOT NULL, customer_id integer NOT NULL, issued crm.day);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.invoice TO regress_hr, regress_employee;
INSERT INTO crm.invoice SELECT y, 'acme', 17, make_date(extract(year FROM now())::int - y, 12, 31) FROM generate_series(0, 10) y;
INSERT INTO crm.invoice SELECT 100 + y, 'acme', 18, make_date(extract(year FROM now())::int - y, 1, 1) FROM generate_series(0, 10) y;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('crm.invoice', tenant => 'tenant_id', subject => 'customer_id');
SELECT toms.permit('regress_hr', 'crm.invoice', '{select,insert,update,delete}', '{billing,tax_audit}', scope => 'tenant') > 0;
SELECT toms.permit('regress_employee', 'crm.invoice', '{select}', '{billing}') > 0;
SELECT toms.add_purpose('tax_audit', description => 'test', legal_basis => 'test'), toms.add_purpose('audit', description => 'test', legal_basis => 'test');
RESET SESSION AUTHORIZATION;
SELECT toms.retain('crm.invoice', '8 years', 'issued', starts => 'end_of_year', restrict_after => '2 years', purposes => '{tax_audit}') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'billing') \gset
SELECT regress.ids('SELECT id FROM crm.invoice');                                                       -- 0 to 2, 100 to 102
SELECT s, regress.verdict(s) FROM unnest(ARRAY['UPDATE crm.invoice SET issued = issued WHERE true', 'DELETE FROM crm.invoice WHERE id = 5',
    $$INSERT INTO crm.invoice VALUES (200, 'acme', 17, (now() - interval '9 years')::date)$$, $$INSERT INTO crm.invoice VALUES (201, 'acme', 17, (now() - interval '11 years')::date)$$]) s;
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'billing') \gset
SELECT regress.ids('SELECT id FROM crm.invoice');                                                       -- 0 to 2
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'tax_audit') \gset
SELECT regress.ids('SELECT id FROM crm.invoice');                                                       -- 0 to 8, 100 to 108: restricted ones, and none past its period
SELECT regress.verdict('UPDATE crm.invoice SET issued = issued WHERE id = 8');                          -- 1 row
SELECT regexp_replace(toms.explain_access('crm.invoice', 'select'), '\d{4}', '<year>', 'g');
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'billing') \gset
SELECT regexp_replace(toms.explain_access('crm.invoice', 'select'), '\d{4}', '<year>', 'g');
ROLLBACK;
RESET SESSION AUTHORIZATION;

--
-- A hold keeps what is past its period, for the rule's purposes alone: of one person, then of the tenant
--
INSERT INTO toms.hold (state, relation, tenant, subject, kind, reason, held_by) VALUES ('held', 'crm.invoice', 'acme', '18', 'legal', 'test', 'test');
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'tax_audit') \gset
SELECT regress.ids('SELECT id FROM crm.invoice WHERE id % 100 > 7');                                    -- 8, 108 to 110
COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'billing') \gset
SELECT regress.ids('SELECT id FROM crm.invoice WHERE id % 100 > 7');                                    -- none
COMMIT;
RESET SESSION AUTHORIZATION;
UPDATE toms.hold SET subject = NULL;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'tax_audit') \gset
SELECT regress.ids('SELECT id FROM crm.invoice WHERE id % 100 > 7');                                    -- 8 to 10, 108 to 110
COMMIT;
RESET SESSION AUTHORIZATION;
-- in parallel workers too, which look everything up by themselves
SET SESSION AUTHORIZATION regress_job;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off; SET enable_indexscan = off; SET enable_bitmapscan = off;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'tax_audit') \gset
EXPLAIN (COSTS OFF) SELECT count(*) FROM crm.invoice;
SELECT count(*) FROM crm.invoice;                                                                       -- 22
COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'billing') \gset
SELECT count(*) FROM crm.invoice;                                                                       -- 6
COMMIT;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET parallel_leader_participation; RESET enable_indexscan; RESET enable_bitmapscan;
RESET SESSION AUTHORIZATION;
UPDATE toms.hold SET state = 'released';
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'tax_audit') \gset
SELECT regress.ids('SELECT id FROM crm.invoice WHERE id % 100 > 7');                                    -- 8, 108
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- Rows of a category have a rule of their own; of several categories the longest counts
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE crm.shift (id integer PRIMARY KEY, tenant_id text NOT NULL, user_id integer NOT NULL, day date, kind text);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.shift TO regress_hr;
INSERT INTO crm.shift SELECT k * 100 + a, t, 17, current_date - a * 10, (ARRAY['WORK', 'SICK', 'ACCIDENT', 'BOTH', NULL])[k]
FROM generate_series(1, 5) k, generate_series(1, 4) a, (VALUES ('acme')) t (t);
INSERT INTO crm.shift SELECT 1000 + id, 'globex', 17, day, kind FROM crm.shift;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('crm.shift', tenant => 'tenant_id', subject => 'user_id', free_text => 'accept');
SELECT toms.label_rows('crm.shift', condition => $$kind = 'SICK' OR kind = 'BOTH'$$, category => 'health');
SELECT toms.label_rows('crm.shift', condition => $$kind = 'ACCIDENT' OR kind = 'BOTH'$$, category => 'special');
SELECT toms.permit('regress_hr', 'crm.shift', '{select,insert,update,delete}', '{planning}', scope => 'tenant', categories => '{personal,health,special}') > 0;
RESET SESSION AUTHORIZATION;
SELECT toms.retain('crm.shift', '35 days', 'day') > 0, toms.retain('crm.shift', '15 days', 'day', category => 'health') > 0,
    toms.retain('crm.shift', '25 days', 'day', category => 'special', tenant => 'acme') > 0;
SELECT intact FROM toms.describe('crm.shift');
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'planning') \gset
SELECT kind, regress.ids(format('SELECT id FROM crm.shift WHERE kind IS NOT DISTINCT FROM %L', kind))
FROM unnest(ARRAY['WORK', 'SICK', 'ACCIDENT', 'BOTH', NULL]) kind;                                      -- 3, 1, 2, 2, and 2: without a kind it may be either
SELECT kind, regress.verdict(format('INSERT INTO crm.shift VALUES (%s, ''acme'', 17, current_date - 20, %L)', 600 + row_number() OVER (), kind))
FROM unnest(ARRAY['WORK', 'SICK', 'ACCIDENT', 'BOTH', NULL]) kind;                                      -- SICK is refused
SELECT regexp_replace(toms.explain_access('crm.shift', 'select'), '\d{4}-\d\d-\d\d', '<day>', 'g');
ROLLBACK;
BEGIN; SELECT toms.enter('globex', '17', 'regress_hr', 'planning') \gset
SELECT kind, regress.ids(format('SELECT id FROM crm.shift WHERE kind IS NOT DISTINCT FROM %L', kind))
FROM unnest(ARRAY['WORK', 'SICK', 'ACCIDENT', 'BOTH', NULL]) kind;                                      -- 3, 1, 3, 1, 1: no rule for accidents here
ROLLBACK;
RESET SESSION AUTHORIZATION;

--
-- Rows that all tenants share follow the rule for all; rows without a tenant column that of the context's tenant
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE crm.notice (id integer PRIMARY KEY, tenant_id text, day date);
CREATE TABLE crm.reply (id integer PRIMARY KEY, notice integer NOT NULL REFERENCES crm.notice, written timestamp);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.notice, crm.reply TO regress_hr;
INSERT INTO crm.notice SELECT a, NULL, current_date - a * 10 FROM generate_series(1, 4) a;
INSERT INTO crm.notice SELECT 10 + a, 'acme', current_date - a * 10 FROM generate_series(1, 4) a;
INSERT INTO crm.reply SELECT n.id * 10 + a, n.id, localtimestamp - a * interval '10 days' FROM crm.notice n, generate_series(1, 3) a WHERE n.id IN (1, 11);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('crm.notice', tenant => 'tenant_id', null_tenant => 'shared');
SELECT toms.protect('crm.reply', parent => 'crm.notice', parent_key => 'notice');
SELECT t, toms.permit('regress_hr', t, '{select,insert,update,delete}', '{planning}', scope => 'tenant') > 0 FROM unnest('{crm.notice,crm.reply}'::regclass[]) t;
RESET SESSION AUTHORIZATION;
SELECT toms.retain('crm.notice', '15 days', 'day') > 0, toms.retain('crm.notice', '25 days', 'day', tenant => 'acme') > 0,
    toms.retain('crm.reply', '15 days', 'written') > 0, toms.retain('crm.reply', '25 days', 'written', tenant => 'acme') > 0;
SELECT t, intact FROM unnest('{crm.notice,crm.reply}'::regclass[]) t, toms.describe(t);
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM crm.notice'), regress.ids('SELECT id FROM crm.reply');               -- 1; 11, 12 and 11 of notice 1; 111, 112
SELECT regress.verdict($$INSERT INTO crm.reply VALUES (201, 11, localtimestamp - interval '26 days')$$), regress.ids('SELECT id FROM crm.reply WHERE notice = 11');
ROLLBACK;
BEGIN; SELECT toms.enter('globex', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM crm.notice'), regress.ids('SELECT id FROM crm.reply');               -- 1 and 11
ROLLBACK;
RESET SESSION AUTHORIZATION;

--
-- The start event is elsewhere: what belongs to a contract is kept for 30 days after its end
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE crm.contract (id integer PRIMARY KEY, tenant_id text NOT NULL, customer_id integer NOT NULL, ended date);
CREATE TABLE crm.paper (id integer PRIMARY KEY, tenant_id text NOT NULL, contract integer);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.contract, crm.paper TO regress_hr;
INSERT INTO crm.contract VALUES (1, 'acme', 17, NULL), (2, 'acme', 17, current_date - 20), (3, 'acme', 17, current_date - 40), (4, 'globex', 17, current_date - 40),
    (5, 'acme', 17, current_date - 40), (6, 'acme', 17, current_date - 40);
INSERT INTO crm.paper SELECT c * 10 + t, (ARRAY['acme', 'globex'])[t], c FROM generate_series(1, 7) c, generate_series(1, 2) t;
INSERT INTO crm.paper VALUES (99, 'acme', NULL);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('crm.contract', tenant => 'tenant_id', subject => 'customer_id');
SELECT toms.protect('crm.paper', tenant => 'tenant_id');
SELECT t, toms.permit('regress_hr', t, '{select,insert,update,delete}', '{planning,audit}', scope => 'tenant') > 0 FROM unnest('{crm.contract,crm.paper}'::regclass[]) t;
RESET SESSION AUTHORIZATION;
SELECT toms.retain('crm.paper', '30 days', 'crm.contract.ended', through => 'contract', restrict_after => '10 days', purposes => '{audit}') > 0;
SELECT intact FROM toms.describe('crm.paper');
-- where a key is not unique any more the latest end counts, and none as long as one is open
BEGIN; SET LOCAL toms.reason = 'test';
ALTER TABLE crm.contract DROP CONSTRAINT contract_pkey;
INSERT INTO crm.contract VALUES (5, 'acme', 17, current_date - 20), (6, 'acme', 17, NULL);
COMMIT;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM crm.paper');                                                         -- 1, 4, 6, 7, none: it has not ended, is another tenant's, ended in part, or is not known
COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'audit') \gset
SELECT regress.ids('SELECT id FROM crm.paper');                                                         -- 2 and 5 as well
SELECT s, regress.verdict(s) FROM unnest(ARRAY[$$INSERT INTO crm.paper VALUES (100, 'acme', 3)$$,       -- refused
    $$UPDATE crm.paper SET contract = 3 WHERE id = 11$$, $$UPDATE crm.paper SET contract = 2 WHERE id = 11$$]) s;         -- refused, ok
UPDATE crm.contract SET ended = current_date - 50 WHERE id = 1;
SELECT regress.ids('SELECT id FROM crm.paper WHERE contract = 1');                                      -- none: a contract that ends takes them with it
ROLLBACK;
BEGIN; SELECT toms.enter('globex', '17', 'regress_hr', 'audit') \gset
SELECT regress.ids('SELECT id FROM crm.paper');                                                         -- all but that of contract 4
COMMIT;
-- the view shows nobody anything by itself
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'audit') \gset
SELECT regress.verdict('SELECT FROM toms.start_crm_contract_id_ended');                                 -- refused
SELECT regress.verdict('SELECT FROM toms.start_crm_contract_id_ended, crm.invoice');                     -- refused
COMMIT;
RESET SESSION AUTHORIZATION;
-- it follows the table: names of columns, and what says whose its rows are
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE crm.contract RENAME COLUMN tenant_id TO firm;
ALTER TABLE crm.contract RENAME COLUMN id TO number;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM crm.paper');                                                         -- as before
COMMIT;
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE crm.contract ADD COLUMN owner_firm text NOT NULL DEFAULT 'acme';
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('crm.contract', tenant => 'owner_firm', subject => 'customer_id');
SET SESSION AUTHORIZATION regress_owner;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
ALTER TABLE crm.contract DROP COLUMN firm;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'audit') \gset
SELECT regress.ids('SELECT id FROM crm.paper');                                                         -- without 4
COMMIT;
RESET SESSION AUTHORIZATION;
-- somebody else's view in its place: the table is closed
BEGIN;
ALTER VIEW toms.start_crm_contract_id_ended OWNER TO regress_owner;
UPDATE toms.retention_rule SET zone = zone;                     -- what is known of a table is forgotten
SELECT intact FROM toms.describe('crm.paper');
ROLLBACK;
SELECT toms.unretain(id, reason => 'test') FROM toms.retention_rule WHERE relation = 'crm.paper'::regclass AND valid_until IS NULL;
SELECT to_regclass('toms.start_crm_contract_id_ended');

--
-- Partitions and children, present and future
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE crm.event (id integer, tenant_id text NOT NULL, at date NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE crm.event_1 PARTITION OF crm.event FOR VALUES FROM (0) TO (100);
CREATE TABLE crm.event_2 (gone text, at date NOT NULL, id integer, tenant_id text NOT NULL);
ALTER TABLE crm.event_2 DROP COLUMN gone;
ALTER TABLE crm.event ATTACH PARTITION crm.event_2 FOR VALUES FROM (100) TO (200);
INSERT INTO crm.event SELECT p * 100 + a, 'acme', current_date - a * 10 FROM generate_series(0, 1) p, generate_series(1, 3) a;
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.event, crm.event_1, crm.event_2 TO regress_hr;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('crm.event', tenant => 'tenant_id');
SELECT toms.permit('regress_hr', 'crm.event', '{select,insert,update,delete}', '{planning}', scope => 'tenant') > 0;
RESET SESSION AUTHORIZATION;
SELECT toms.retain('crm.event', '15 days', 'at') > 0;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE crm.event_3 PARTITION OF crm.event FOR VALUES FROM (200) TO (300);
GRANT SELECT, INSERT ON crm.event_3 TO regress_hr;
RESET SESSION AUTHORIZATION;
SELECT t, intact FROM toms.relation_tree('crm.event') t, toms.describe(t) ORDER BY t::text;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'planning') \gset
SELECT regress.ids('SELECT id FROM crm.event'), regress.ids('SELECT id FROM crm.event_1'), regress.ids('SELECT id FROM crm.event_2');     -- 1, 101
SELECT t, regress.verdict(format($$INSERT INTO %s VALUES (%s, 'acme', current_date - 20)$$, t, i)) FROM (VALUES ('crm.event', 201), ('crm.event_3 (id, tenant_id, at)', 202)) v (t, i);      -- refused
EXPLAIN (COSTS OFF) SELECT * FROM crm.event WHERE id = 1;
ROLLBACK;
RESET SESSION AUTHORIZATION;

--
-- What is pseudonymised is hidden until that has been done, and is there again
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE crm.visitor (id integer PRIMARY KEY, tenant_id text NOT NULL, came_on date, name text, phone text, reason text);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.visitor TO regress_hr;
INSERT INTO crm.visitor VALUES (1, 'acme', current_date, 'x', 'x', 'interview'), (2, 'acme', current_date - 60, 'x', NULL, 'interview'), (3, 'acme', current_date - 60, NULL, NULL, 'delivery');
RESET SESSION AUTHORIZATION;
SELECT toms.protect('crm.visitor', tenant => 'tenant_id');
SELECT toms.permit('regress_hr', 'crm.visitor', '{select,insert,update,delete}', '{support}', scope => 'tenant') > 0;
SELECT toms.retain('crm.visitor', '30 days', 'came_on', action => 'pseudonymise', clear => '{name,phone}') AS visitors \gset
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'support') \gset
SELECT regress.ids('SELECT id FROM crm.visitor');                                                       -- 1, 3: nothing is left to do with 3
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT done FROM toms.run_retention() WHERE rule = :visitors AND tenant = 'acme';                        -- 1
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'support') \gset
SELECT regress.ids('SELECT id FROM crm.visitor WHERE reason = $$interview$$'), regress.ids('SELECT id FROM crm.visitor WHERE name IS NULL');    -- 1, 2; 2, 3
SELECT regress.verdict($$INSERT INTO crm.visitor VALUES (4, 'acme', current_date - 60, NULL, NULL, 'delivery')$$);                            -- refused
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT intact FROM toms.describe('crm.visitor');

--
-- Whoever calls the functions of policies himself, with whatever arguments, learns nothing and raises no error
--
SET SESSION AUTHORIZATION regress_stranger;
SELECT toms.in_period('crm.message', ':sent_at', now()), toms.in_period(NULL, NULL, NULL::date), toms.has_period('crm.message', ''), toms.not_past('pg_class', ':x', 1),
    toms.is_visible('crm.message', 'select', 17, ':sent_at', now());
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'support') \gset
SELECT toms.in_period('crm.message', ':sent_at', now()), toms.in_period('crm.message', ':sent_at', 'text'::text), toms.in_period('crm.message', ':sent_at', current_date),
    toms.in_period('crm.message', ':other', 'text'::text), toms.in_period('crm.message', 'other:sent_at', NULL::date), toms.in_period('crm.invoice', ':issued', '-infinity'::date, point '(1,2)'),
    toms.in_period('pg_class', ':x', now()), toms.in_period('crm.message', NULL, now()), toms.in_period('crm.message', '', now()), toms.in_period('crm.message', repeat('x', 100) || ':sent_at', now());
SELECT toms.is_visible('crm.message', 'select', 17, ':sent_at', now()), toms.is_visible('crm.message', 'select', 17, ':sent_at', timestamptz '-infinity'),
    toms.is_visible('crm.message', 'any', 17, ':sent_at', now()), toms.is_visible('crm.message', NULL, NULL::text, NULL, NULL::text),
    toms.has_period('crm.message', ''), toms.has_period('crm.message', 'x'), toms.has_period('pg_class', 'x');
COMMIT; BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'tax_audit') \gset
SELECT toms.in_period('crm.invoice', ':issued', '-infinity'::date, point '(1,2)'), toms.in_period('crm.invoice', ':issued', '-infinity'::date, 'x'), toms.in_period('crm.invoice', ':issued', '-infinity'::date, NULL::text),
    toms.in_period('crm.invoice', ':issued', '-infinity'::date, repeat('x', 10000)), toms.in_period('crm.invoice', ':issued', '-infinity'::date, 1::numeric);
SELECT regress.verdict($$SELECT toms.check_period('crm.message', 'insert', false)$$), regress.verdict($$SELECT toms.check_period(NULL, NULL, NULL)$$);
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- clean up
--
SELECT count(toms.unretain(id, reason => 'end of test')) FROM toms.retention_rule WHERE valid_until IS NULL AND relation_name LIKE 'crm.%';
SELECT relation, toms.unprotect(relation, reason => 'end of test') FROM unnest('{crm.visitor,crm.reply,crm.notice,crm.event,crm.paper,crm.contract,crm.shift,crm.invoice,crm.message}'::regclass[]) relation;
SET client_min_messages = warning;
DROP SCHEMA crm CASCADE;
DROP FUNCTION regress.ids;
DELETE FROM toms.hold;
