--
-- evidence_retention: is what is past its period gone, is what the law keeps kept and restricted, and can it be proven?
--
-- Broken on purpose by a superuser, past toms; named by the probe, with its object; mended by the remedy as it is printed.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
-- what tests before this one have left in registers is not this one's
CREATE TABLE regress.before AS SELECT n AS name, p.phrase, p.args FROM unnest('{retention,deletion_concept,statutory,deletion_log,tenant_return,tenant_end,certificates}'::text[]) n, toms.run_probe(n) p;
CREATE FUNCTION regress.found(name text) RETURNS SETOF toms.probed LANGUAGE sql AS $$
    SELECT p.* FROM toms.run_probe(name) p WHERE NOT EXISTS (SELECT FROM regress.before b WHERE (b.name, b.phrase, b.args) = (found.name, p.phrase, p.args))
$$;
CREATE FUNCTION regress.probe(name text) RETURNS TABLE (status text, tenant text, finding text, remedy text) LANGUAGE sql AS $$
    SELECT p.status, p.tenant, regexp_replace(toms.say(p.phrase, p.args, 'en'), '\d{4}-\d\d-\d\d', '(day)', 'g'), p.remedy FROM regress.found(name) p WHERE p.status <> 'pass' AND toms.say(p.phrase, p.args, 'de') <> '' ORDER BY p.phrase COLLATE "C", p.args::text COLLATE "C"
$$;
CREATE FUNCTION regress.mend(name text, fill text DEFAULT '…') RETURNS SETOF text LANGUAGE sql AS $$
    SELECT DISTINCT replace(p.remedy, '…', fill) FROM regress.probe(name) p WHERE p.remedy IS NOT NULL
$$;
-- tamper(statement): on the trail, past the guard; not even a superuser may
CREATE FUNCTION regress.tamper(statement text) RETURNS void LANGUAGE plpgsql SET allow_system_table_mods = on SET session_replication_role = replica AS $$
DECLARE
    use oid := 'toms.audit_use'::regclass;
BEGIN
    UPDATE pg_class SET relname = 'audit_use_away' WHERE oid = use;
    EXECUTE statement;
    UPDATE pg_class SET relname = 'audit_use' WHERE oid = use;
END
$$;

-- a shop: accounts until they end, invoices as long as the tax office wants them, messages
CREATE SCHEMA shop AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE shop.account (id integer PRIMARY KEY, tenant text NOT NULL, customer text NOT NULL UNIQUE, ended date);
CREATE TABLE shop.invoice (id integer PRIMARY KEY, tenant text NOT NULL, customer text NOT NULL, issued_on date NOT NULL);
CREATE TABLE shop.message (id integer PRIMARY KEY, tenant text NOT NULL, customer text NOT NULL, sent_at timestamptz NOT NULL, words text);
RESET SESSION AUTHORIZATION;
SELECT toms.protect(t, tenant => 'tenant', subject => 'customer') FROM unnest('{shop.account,shop.invoice}'::regclass[]) t;
SELECT toms.protect('shop.message', tenant => 'tenant', subject => 'customer', category => 'special', free_text => 'accept', reason => 'test');

--
-- A-12.1, A-9.4, M-A1.1: no rule, no period
--
SELECT * FROM regress.probe('retention');
SELECT * FROM regress.probe('deletion_concept');
SELECT * FROM regress.probe('master_data');
SELECT status, finding FROM regress.probe('statutory');
-- a rule for one tenant deletes nothing of the others
BEGIN;
SELECT toms.retain('shop.message', keep => '105 days', since => 'sent_at', zone => 'UTC', tenant => 'acme') > 0;
SELECT finding FROM regress.probe('retention') WHERE finding LIKE '%shop.message%';
ROLLBACK;
SELECT toms.retain('shop.message', keep => '105 days', since => 'sent_at', zone => 'UTC') > 0;
SELECT toms.retain('shop.invoice', period => 'de_invoice', since => 'issued_on', zone => 'UTC') > 0;
-- messages go, but nothing says by which right; invoices stay open to everybody for years
SELECT status, finding FROM regress.probe('retention');
SELECT status, regexp_replace(finding, 'Rule \d+', 'Rule n'), remedy FROM regress.probe('deletion_concept') WHERE finding LIKE '%basis%';
\o /dev/null
SELECT m FROM regress.mend('deletion_concept', 'Art. 6(1)(b) GDPR') m WHERE m LIKE '%shop.message%' \gexec
\o
SELECT status, finding FROM regress.probe('deletion_concept');

--
-- M-A1.2: master data until the account ends
--
SELECT regress.mend('master_data');
\o /dev/null
SELECT replace(replace(m, 'since => ''…''', 'since => ''ended'', basis => ''contract'''), '…', '') FROM regress.mend('master_data') m \gexec
\o
SELECT * FROM regress.probe('master_data');
SELECT toms.say(phrase, args, 'en') FROM toms.run_probe('master_data');
-- one that counts from what every row has
ALTER TABLE shop.account ADD COLUMN begun date NOT NULL;
SELECT toms.retain('shop.account', keep => '3 years', since => 'begun', basis => 'contract', zone => 'UTC') > 0;
SELECT * FROM regress.probe('master_data');
\o /dev/null
SELECT replace(m, '…', 'ended') FROM regress.mend('master_data') m \gexec
\o
SELECT * FROM regress.probe('master_data');
SELECT * FROM regress.probe('retention');
SELECT status, args[3]::integer >= 3 AS counts_rules FROM toms.run_probe('retention') WHERE phrase = 'retention_runs';

--
-- M-A1.3, P-O.22: what the law keeps is restricted, kept no shorter, and the law is read once a year
--
SELECT status, finding, remedy FROM regress.probe('statutory') WHERE status = 'partial';
\o /dev/null
SELECT replace(m, '…', '2 years') FROM regress.mend('statutory') m WHERE m LIKE '%restrict_after%' \gexec
\o
SELECT status, finding FROM regress.probe('statutory') WHERE finding LIKE '%stay open%';
UPDATE toms.retention_rule SET keep = '2 years' WHERE relation = 'shop.invoice'::regclass AND valid_until IS NULL;
SELECT status, regexp_replace(finding, 'Rule \d+', 'Rule n'), remedy FROM regress.probe('statutory') WHERE status = 'fail';
\o /dev/null
SELECT m FROM regress.mend('statutory') m WHERE m LIKE 'SELECT toms.retain%' \gexec
\o
SELECT * FROM regress.probe('statutory') WHERE status = 'fail';
-- a period that somebody took out of the register
BEGIN;
SELECT * FROM toms.statutory_period WHERE period = 'de_invoice' \gset law_
DELETE FROM toms.statutory_period WHERE period = 'de_invoice';
SELECT status, regexp_replace(finding, 'Rule \d+', 'Rule n'), remedy FROM regress.probe('statutory');
SELECT replace(replace(replace(replace(m, 'country => ''…''', format('country => %L', :'law_country')), 'records => ''…''', format('records => %L', :'law_records')),
                               'keep => ''…''', format('keep => %L', :'law_keep')), 'source => ''…''', format('source => %L', :'law_source')) FROM regress.mend('statutory') m \gexec
SELECT * FROM regress.probe('statutory');
ROLLBACK;
-- the law was looked up years ago: the remedy is a period of one's own, once somebody has
UPDATE toms.statutory_period SET as_of = '2020-01-01' WHERE period = 'de_invoice';
SELECT status, regexp_replace(finding, 'rule \d+', 'rule n'), regexp_replace(remedy, 'de_invoice_\d+', 'de_invoice_n', 'g') FROM regress.probe('statutory') WHERE status = 'overdue';
SELECT m AS remedy FROM regress.mend('statutory') m WHERE m LIKE '%add_statutory%' \gset
\o /dev/null
:remedy
\o
SELECT * FROM regress.probe('statutory');
SELECT regexp_replace(toms.say(phrase, args, 'de'), 'de_invoice_\d+', 'de_invoice_n') FROM toms.run_probe('statutory');

--
-- A-12.1: rules that cannot be carried out, that failed, that stopped
--
SELECT id AS rule FROM toms.retention_rule WHERE relation = 'shop.message'::regclass AND valid_until IS NULL \gset
INSERT INTO toms.retention_run (rule, tenant, began_at, at, stopped_at, due) VALUES (:rule, 'acme', now(), now(), now(), 200000);
SELECT status, tenant, regexp_replace(finding, 'Rule \d+', 'Rule n'), regexp_replace(remedy, '\d+', 'n') FROM regress.probe('retention');
SELECT regress.mend('retention', 'looked at') AS remedy \gset
:remedy
SELECT * FROM regress.probe('retention');
UPDATE toms.retention_run SET stopped_at = NULL, ended_at = now(), problem = 'division by zero' WHERE rule = :rule;
SELECT status, tenant, regexp_replace(finding, 'Rule \d+', 'Rule n'), remedy FROM regress.probe('retention');
UPDATE toms.retention_run SET problem = NULL WHERE rule = :rule;                     -- as the worker does when it went well
SELECT * FROM regress.probe('retention');
UPDATE toms.retention_rule SET zone = 'Atlantis/Capital' WHERE id = :rule;
SELECT status, regexp_replace(finding, 'Rule \d+', 'Rule n'), regexp_replace(remedy, '\d+', 'n') FROM regress.probe('retention');
UPDATE toms.retention_rule SET zone = 'UTC' WHERE id = :rule;
SELECT * FROM regress.probe('retention');

--
-- M-A5.3: deletions are in the trail
--
SELECT * FROM regress.probe('deletion_log');
ALTER TABLE toms.erasure DISABLE TRIGGER finish;
SELECT * FROM regress.probe('deletion_log');
SELECT regress.mend('deletion_log') \gexec
SELECT * FROM regress.probe('deletion_log');
UPDATE toms.retention_run SET rows = 17, problem = NULL, began_at = now() + interval '1 hour', ended_at = now() + interval '1 hour' WHERE rule = :rule;
SELECT status, tenant, regexp_replace(finding, 'Rule \d+', 'Rule n'), remedy FROM regress.probe('deletion_log');
-- an erasure of which the trail knows nothing; an entry that could be traced to somebody
BEGIN;
ALTER TABLE toms.erasure DISABLE TRIGGER USER;
INSERT INTO toms.erasure (kind, tenant, state, requested_at, requested_by, ended_at, entry) VALUES ('subject', 'acme', 'done', now(), 'test', now(), 4711);
ALTER TABLE toms.erasure ENABLE TRIGGER USER;
SELECT status, tenant, regexp_replace(finding, 'Erasure \d+', 'Erasure n'), remedy FROM regress.probe('deletion_log') WHERE finding LIKE 'Erasure%';
SELECT regress.tamper($$INSERT INTO toms.audit_entry SELECT 4711, now(), 3, NULL, NULL, NULL, 'd', 'D', 'acme', NULL, '{}'$$);
SELECT status, tenant, finding, remedy FROM regress.probe('deletion_log') WHERE finding NOT LIKE 'Rule%';
SELECT regress.tamper($$UPDATE toms.audit_entry SET key = 1 WHERE id = 4711$$);
SELECT status, tenant, finding, remedy FROM regress.probe('deletion_log') WHERE finding NOT LIKE 'Rule%';
ROLLBACK;
DELETE FROM toms.retention_run WHERE rule = :rule;
DELETE FROM toms.retention_approval WHERE rule = :rule;

--
-- M-A5.1: what is not sealed is not overwritten, and is said to be a deviation
--
SELECT * FROM regress.probe('erasure_means');
SELECT regress.mend('erasure_means') AS remedy \gset
\o /dev/null
:remedy
:remedy
:remedy
:remedy
:remedy
\o
SELECT * FROM regress.probe('erasure_means');
SET toms.reason = 'test';
ALTER TABLE shop.invoice SET (autovacuum_enabled = false);
SELECT * FROM regress.probe('erasure_means') WHERE status = 'fail';
SELECT m FROM regress.mend('erasure_means') m WHERE m LIKE 'ALTER%' \gexec
SELECT * FROM regress.probe('erasure_means') WHERE status = 'fail';
RESET toms.reason;

--
-- T-11.2, T-11.3, M-8.1, M-8.2: contracts that end
--
SELECT toms.add_tenant('initech', name => 'Initech');
SELECT toms.adopt_agreement('initech', 'DPA', '1', now() - interval '1 day', '{}') > 0;
SELECT status, tenant, finding FROM regress.probe('tenant_return');
CREATE EXTENSION pgcrypto;
SELECT toms.end_tenant('initech', ends_at => now() + interval '10 days', basis => 'agreement') > 0;
SELECT * FROM regress.probe('tenant_return');
\o /dev/null
SELECT regress.mend('tenant_return') \gexec
\o
SELECT * FROM regress.probe('tenant_return');
SELECT tenant, regexp_replace(toms.say(phrase, args, 'en'), '\d{4}-\d\d-\d\d', '(day)', 'g') FROM regress.found('tenant_return') WHERE phrase = 'return_window';
SELECT * FROM regress.probe('tenant_end');
-- the window has closed, and nothing happened
UPDATE toms.tenant_end SET ends_at = now() - interval '40 days', opens_at = now() - interval '40 days', closes_at = now() - interval '10 days' WHERE tenant = 'initech';
SELECT * FROM regress.probe('tenant_end');
SELECT state FROM toms.tenant_ends WHERE tenant = 'initech';
SET client_min_messages = error;        -- no log outside
-- but for what a court wants to see
SELECT toms.hold(tenant => 'initech', reason => 'court') AS held \gset
\o /dev/null
SELECT * FROM toms.end_tenants();
\o
SELECT status, tenant, regexp_replace(toms.say(phrase, args, 'en'), '\d{4}-\d\d-\d\d', '(day)') FROM regress.found('tenant_end') WHERE tenant = 'initech';
SELECT toms.release_hold(:held, 'settled') \g /dev/null
SELECT status FROM regress.probe('tenant_end');
SELECT regress.mend('tenant_end') AS remedy \gset
\o /dev/null
:remedy
:remedy
:remedy
\o
SELECT * FROM regress.probe('tenant_end');
SELECT state FROM toms.tenant_ends WHERE tenant = 'initech';

--
-- T-11.4: the destruction is certified
--
SELECT toms.seal_audit() > 0;
SELECT status, tenant, regexp_replace(finding, 'erasure \d+', 'erasure n'), regexp_replace(remedy, '\d+', 'n') FROM regress.probe('certificates');
SELECT regress.mend('certificates') AS remedy \gset
\o /dev/null
:remedy
\o
SELECT * FROM regress.probe('certificates');
UPDATE toms.issued_certificate SET certificate = replace(certificate, 'initech', 'Initech') WHERE certificate LIKE '%initech%';
SELECT status, tenant, regexp_replace(finding, '\d+', 'n', 'g'), regexp_replace(remedy, '\d+', 'n', 'g') FROM regress.probe('certificates');
SELECT regress.mend('certificates') AS remedy \gset
\o /dev/null
:remedy
\o
SELECT * FROM regress.probe('certificates');
-- carried out too soon
UPDATE toms.tenant_end SET closes_at = now() + interval '10 days' WHERE tenant = 'initech';
SELECT status, tenant, regexp_replace(finding, 'End \d+', 'End n'), remedy FROM regress.probe('tenant_return');
-- a key that is still there
BEGIN;
SELECT toms.add_tenant('hooli', name => 'Hooli');
INSERT INTO toms.data_key SELECT 4711, 'hooli', '17', 'shop.message', current_date, e.id, '\x00', now(), NULL FROM toms.key_epoch e WHERE e.tenant = 'hooli';
UPDATE toms.tenant_end SET tenant = 'hooli' WHERE tenant = 'initech';
SELECT status, tenant, finding, regexp_replace(remedy, '''\d{4}-.*\+00''', '''…''') FROM regress.probe('tenant_end');
SELECT m FROM regress.mend('tenant_end') m WHERE m LIKE '%keys%' \gexec
SELECT status, tenant FROM regress.probe('tenant_end');
ROLLBACK;

DELETE FROM toms.issued_certificate WHERE erasure IN (SELECT id FROM toms.erasure WHERE tenant = 'initech');
DELETE FROM toms.erasure WHERE tenant = 'initech'; DELETE FROM toms.tenant_end WHERE tenant = 'initech'; DELETE FROM toms.agreement WHERE tenant = 'initech';
DELETE FROM toms.ledger WHERE tenant = 'initech';
DELETE FROM toms.hold WHERE id = :held;
DELETE FROM toms.tenant WHERE tenant = 'initech';
DELETE FROM toms.key_epoch WHERE tenant = 'initech';
SET toms.reason = 'test';
DROP EXTENSION pgcrypto;
DROP SCHEMA shop CASCADE;
DELETE FROM toms.retention_rule WHERE relation_name LIKE 'shop.%';
DELETE FROM toms.statutory_period WHERE period LIKE 'de\_invoice\_%';
UPDATE toms.statutory_period SET as_of = (SELECT max(as_of) FROM toms.statutory_period WHERE shipped) WHERE period = 'de_invoice';
DROP TABLE regress.before;
DROP FUNCTION regress.mend(text, text); DROP FUNCTION regress.probe(text); DROP FUNCTION regress.found(text); DROP FUNCTION regress.tamper(text);
