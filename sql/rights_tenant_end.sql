--
-- rights_tenant_end: a contract ends; for 30 days the controller can have his data back, then all of it goes, and nobody else's
--
-- Two controllers, sun and moon, share tables that refer to each other.  Their windows are made to close by setting the
-- clock of toms.tenant_end back, as a superuser alone can.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = error;       -- the log outside, and what is not told there, is another test's
SET timezone = 'UTC';
SELECT toms.add_tenant('sun', name => 'Sun AG', contact => 'Ms. Corona', dpo => 'Mr. Spot'), toms.add_tenant('moon', name => 'Moon GmbH');
SELECT toms.allow_enter(login => 'regress_job', tenants => '{sun,moon}', roles => '{regress_hr}') \g /dev/null
CREATE SCHEMA sky AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA sky TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE sky.person (tenant text NOT NULL, id integer, name text, boss integer, PRIMARY KEY (tenant, id), FOREIGN KEY (tenant, boss) REFERENCES sky.person);
CREATE TABLE sky.case (id integer PRIMARY KEY, tenant text NOT NULL, person integer, note toms.sealed_text, FOREIGN KEY (tenant, person) REFERENCES sky.person);
CREATE TABLE sky.event (id integer, "case" integer REFERENCES sky.case ON DELETE CASCADE, day date NOT NULL, said text) PARTITION BY RANGE (day);
CREATE TABLE sky.event_1 PARTITION OF sky.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE sky.event_2 PARTITION OF sky.event DEFAULT;
CREATE TABLE sky.invoice (id integer PRIMARY KEY, tenant text NOT NULL, person integer, issued date, FOREIGN KEY (tenant, person) REFERENCES sky.person);
CREATE TABLE sky.team (id integer PRIMARY KEY, tenant text NOT NULL, lead integer);
CREATE TABLE sky.member (id integer PRIMARY KEY, tenant text NOT NULL, team integer REFERENCES sky.team);
ALTER TABLE sky.team ADD FOREIGN KEY (lead) REFERENCES sky.member;
CREATE TABLE sky.loose (invoice integer REFERENCES sky.invoice, remark text);       -- not protected
GRANT ALL ON ALL TABLES IN SCHEMA sky TO regress_hr, regress_migration;
RESET SESSION AUTHORIZATION;
SELECT count(toms.protect(t::regclass, tenant => 'tenant', subject => s, category => c, read_audit => r, reason => 'test'))
FROM (VALUES ('sky.person', 'id', 'personal', NULL), ('sky.case', 'person', 'health', 'asynchronous'), ('sky.invoice', 'person', 'billing', NULL)) t (t, s, c, r);
SELECT count(toms.protect(t, tenant => 'tenant')) FROM unnest('{sky.team,sky.member}'::regclass[]) t;
SELECT count(toms.protect('sky.event', parent => 'sky.case', parent_key => 'case', category => 'health', read_audit => 'asynchronous', reason => 'test'));
SELECT count(toms.permit('regress_hr', t::regclass, '{select,insert,update,delete}', '{absence_management}', 'tenant')) FROM unnest('{sky.person,sky.case,sky.event,sky.invoice,sky.team,sky.member}'::text[]) t;
-- a table of toms that is made tomorrow, and one that belongs to it
CREATE TABLE toms.regress_request (id bigint, tenant text, subject text);
CREATE TABLE toms.regress_answer (regress_request bigint, said text);
INSERT INTO toms.regress_request VALUES (1, 'sun', '2'), (2, 'moon', '2');
INSERT INTO toms.regress_answer VALUES (1, 'to sun'), (2, 'to moon');
SELECT toms.retain('sky.invoice', since => 'issued', period => 'de_invoice', basis => 'Section 14b UStG') > 0;     -- the law keeps invoices
SELECT toms.retain('sky.event', since => 'day', keep => '30 years', basis => 'contract', tenant => 'sun') > 0;   -- a period of the contract does not

-- the same for both, of persons of the same numbers
CREATE FUNCTION sky.fill(tenant text, first integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM toms.enter(fill.tenant, '1', 'regress_hr', 'absence_management');
    INSERT INTO sky.person SELECT fill.tenant, n, format('%s person %s', fill.tenant, n), nullif(n - 1, 0) FROM generate_series(1, 20) n;
    INSERT INTO sky.case SELECT first + n, fill.tenant, n, format('%s case %s', fill.tenant, n) FROM generate_series(1, 20) n;
    INSERT INTO sky.event SELECT n, first + n, date '2025-06-01' + 30 * n, format('%s event', fill.tenant) FROM generate_series(1, 20) n;
    INSERT INTO sky.invoice SELECT first + n, fill.tenant, n, '2026-01-15' FROM generate_series(1, 3) n;
    UPDATE sky.person p SET boss = 15 WHERE p.id = 11;                                         -- 11 to 15 are each other's
    INSERT INTO sky.team VALUES (first + 1, fill.tenant), (first + 2, fill.tenant);
    INSERT INTO sky.member SELECT first + n, fill.tenant, first + 1 + n % 2 FROM generate_series(1, 4) n;
    UPDATE sky.team t SET lead = t.id WHERE true;                                                         -- members have a team, and teams a member
END
$$;
-- what is left of each tenant, and a sum over all that it says
CREATE FUNCTION sky.left_over(tenant text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL toms.reason = 'looks what is left';
    RETURN (SELECT format('%s persons, %s cases, %s invoices, %s', (SELECT count(*) FROM sky.person p WHERE p.tenant = $1), (SELECT count(*) FROM sky.case c WHERE c.tenant = $1),
                          (SELECT count(*) FROM sky.invoice i WHERE i.tenant = $1), (SELECT count(*) || ' events' FROM sky.event e WHERE e.said LIKE $1 || '%') ||
                          (SELECT format(', %s teams, ', count(*)) FROM sky.team t WHERE t.tenant = $1) || (SELECT count(*) || ' members' FROM sky.member m WHERE m.tenant = $1)));
END
$$;
CREATE FUNCTION sky.sum(tenant text) RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(r, ';' ORDER BY r)) FROM (SELECT p::text FROM sky.person p WHERE p.tenant = $1 UNION ALL SELECT c::text FROM sky.case c WHERE c.tenant = $1
                                                  UNION ALL SELECT i::text FROM sky.invoice i WHERE i.tenant = $1 UNION ALL SELECT e::text FROM sky.event e WHERE e.said LIKE $1 || '%') s (r)
$$;
-- steps until there is nothing more to do, and what came of it
CREATE FUNCTION sky.end_all(batch integer DEFAULT 1000) RETURNS TABLE (tenant text, state text, rows bigint, problem text) LANGUAGE plpgsql AS $$
DECLARE
    step record;
BEGIN
    FOR step IN SELECT * FROM toms.end_tenants(batch) LOOP
        RETURN QUERY SELECT step.tenant, step.state, step.rows, step.problem;
    END LOOP;
END
$$;
SET SESSION AUTHORIZATION regress_job;
SELECT sky.fill('sun', 0);
SELECT sky.fill('moon', 100);
RESET SESSION AUTHORIZATION;
SET toms.reason = 'looks what is left';
SELECT sky.sum('moon') AS moon \gset
SELECT sky.left_over('sun'), sky.left_over('moon');

--
-- Announced: by an officer, by an agreement in force or a confirmed instruction, and no clock without notice
--
SET SESSION AUTHORIZATION regress_hr;
SELECT regress.verdict($$SELECT toms.end_tenant('sun', now(), basis => 'agreement')$$);                       -- refused: no officer
SELECT regress.verdict($$SELECT toms.end_tenants()$$);                                                        -- refused: no officer
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.end_tenant('sun', now(), basis => 'agreement')$$);                       -- refused: there is none
SELECT regress.verdict($$SELECT toms.end_tenant('sun', now())$$);                                             -- refused: by what?
SELECT regress.verdict($$SELECT toms.end_tenant('sun', now(), basis => 'mood')$$);                            -- refused
SELECT regress.verdict($$SELECT toms.end_tenant('mars', now(), basis => 'agreement')$$);                      -- refused: no such tenant
SELECT regress.verdict($$SELECT toms.end_tenant('sun', 'infinity', basis => 'agreement')$$);                  -- refused: that is no end
SELECT toms.record_instruction('sun', 'end_tenant', 'Ms. Corona', 'delete everything') AS instruction \gset
SELECT regress.verdict(format('SELECT toms.end_tenant(''sun'', now(), instruction => %s)', :instruction)) LIKE 'refused: instruction % is given, not confirmed (55000)';
SELECT toms.confirm_instruction(:instruction);
SELECT regress.verdict(format('SELECT toms.end_tenant(''moon'', now(), instruction => %s)', :instruction));   -- refused: of another tenant
SELECT regress.verdict(format('SELECT toms.end_tenant(''sun'', now() - interval ''1 year'', now() + interval ''1 day'', instruction => %s)', :instruction));   -- refused: told tomorrow
SELECT regress.verdict(format('SELECT toms.end_tenant(''sun'', now() - interval ''1 year'', instruction => %s)', :instruction));
SELECT tenant, state, notified_at, closes_at FROM toms.tenant_ends WHERE tenant = 'sun';                      -- no clock
SELECT * FROM sky.end_all();                                                                                  -- nothing to do
SELECT regress.verdict(format('SELECT toms.end_tenant(''sun'', now(), instruction => %s)', :instruction));    -- refused: announced already
SELECT closes - now() BETWEEN interval '30 days' AND interval '30 days 1 minute' FROM toms.notify_end('sun', now() - interval '1 year') closes;     -- 30 days from now, whatever was said
SELECT regress.verdict($$SELECT toms.notify_end('sun', now())$$);                                             -- refused: set already
SELECT tenant, state FROM toms.tenant_ends WHERE tenant = 'sun';                                              -- open
SELECT * FROM sky.end_all();                                                                                  -- nothing to do

--
-- Taken back, as long as the window is open; and announced again, by the agreement, for a day that is to come
--
SELECT regress.verdict($$SELECT toms.cancel_end_tenant('sun', '')$$);                                         -- refused: why?
SELECT regress.verdict($$SELECT toms.cancel_end_tenant('sun', 'they stay')$$);
SELECT regress.verdict($$SELECT toms.cancel_end_tenant('sun', 'they stay')$$);                                -- refused: there is none any more
SELECT toms.adopt_agreement('sun', 'dpa', '1', '2026-01-01', '{T-11.2,T-11.3}') > 0;
SELECT toms.end_tenant('sun', ends_at => now() + interval '60 days', notified_at => now(), basis => 'agreement') > 0;
SELECT state, opens_at = ends_at, closes_at = ends_at + interval '30 days' FROM toms.tenant_ends WHERE tenant = 'sun' ORDER BY id;
RESET SESSION AUTHORIZATION;

--
-- A hold on the tenant keeps all of it, though the window has closed
--
UPDATE toms.tenant_end SET ends_at = now() - interval '31 days', opens_at = now() - interval '31 days', closes_at = now() - interval '1 day' WHERE tenant = 'sun' AND state = 'announced';
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.cancel_end_tenant('sun', 'they stay')$$);                                -- refused: it has closed
SELECT toms.hold('sun', reason => 'case 4711') AS hold \gset
SELECT * FROM sky.end_all();
SELECT tenant, state FROM toms.tenant_ends WHERE tenant = 'sun' AND state <> 'cancelled';
SELECT toms.release_hold(:hold);

--
-- From the first step on no token of the tenant is taken; rows go in batches, those that refer to others first
--
SELECT toms.hold('sun', subject => '2', relation => 'sky.case', reason => 'case 4712') AS hold \gset
SELECT * FROM sky.end_all(25);      -- it begins
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('sun', '1', 'regress_hr', 'absence_management') \g /dev/null
SELECT regress.verdict($$SELECT FROM sky.person$$), regress.verdict($$INSERT INTO sky.person VALUES ('sun', 99, 'late')$$);
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM sky.end_all(25);
SELECT * FROM sky.end_all(25);
RESET SESSION AUTHORIZATION;
SELECT sky.left_over('sun'), sky.left_over('moon');
SET SESSION AUTHORIZATION regress_officer;
SELECT sum(rows) FROM sky.end_all(1000);
SELECT sum(rows) FROM sky.end_all(1000);
SELECT sum(rows) FROM sky.end_all(1000);
SELECT sum(rows) FROM sky.end_all(1000);
SELECT sum(rows) FROM sky.end_all(1000);
SELECT sum(rows) FROM sky.end_all(1000);
SELECT * FROM sky.end_all();        -- it waits
RESET SESSION AUTHORIZATION;
SELECT sky.left_over('sun'), sky.left_over('moon');                 -- invoices, the held case, and persons that they and others refer to
SELECT state, result -> 'tables' FROM toms.erasure WHERE tenant = 'sun';
SELECT count(*) > 0 FROM toms.data_key WHERE tenant = 'sun' AND wrapped IS NOT NULL;    -- t: of what is left

--
-- The hold is released: the case goes
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.release_hold(:hold);
SELECT sum(rows) FROM sky.end_all();
SELECT sum(rows) FROM sky.end_all();
SELECT * FROM sky.end_all();
RESET SESSION AUTHORIZATION;
SELECT sky.left_over('sun'), sky.left_over('moon');
-- what is left are rows that the law keeps: of all others the keys have gone, and what toms had of persons
SELECT count(*) FILTER (WHERE wrapped IS NOT NULL), count(*) > 0 FROM toms.data_key WHERE tenant = 'sun' AND relation = 'sky.case'::regclass;
SELECT count(*) FROM toms.key_epoch WHERE tenant = 'sun' AND destroyed_at IS NULL;
SELECT * FROM toms.regress_answer;
SELECT count(*) FROM toms.retention_rule WHERE tenant = 'sun';      -- but their rules are there

--
-- The law does not ask for invoices any more: retention deletes them, and the end comes
--
UPDATE sky.invoice SET issued = '2001-01-15' WHERE tenant = 'sun';
SET SESSION AUTHORIZATION regress_officer;
SELECT relation, tenant, done FROM toms.run_retention();
SELECT sum(rows) FROM sky.end_all();
SELECT * FROM sky.end_all();
SELECT * FROM sky.end_all();        -- nothing more to do
RESET SESSION AUTHORIZATION;
SELECT sky.left_over('sun'), sky.left_over('moon');
SELECT sky.sum('moon') = :'moon';
SELECT tenant, state, problem, ended_at IS NOT NULL FROM toms.tenant_ends WHERE tenant = 'sun' AND state <> 'cancelled';

--
-- Keys are destroyed, and so are their epochs; of what toms itself had nothing is left but what says so
--
SELECT count(*) FILTER (WHERE wrapped IS NOT NULL OR subject IS NOT NULL), count(*) > 0 FROM toms.data_key WHERE tenant = 'sun';
SELECT state, held FROM toms.key_epochs WHERE tenant = 'sun';
SELECT count(*) > 0 FROM toms.data_key WHERE tenant = 'moon' AND wrapped IS NOT NULL;
SELECT relation, stays FROM toms.tables_about_tenants() WHERE stays IS NOT NULL;
CREATE FUNCTION sky.rows_about(tenant text) RETURNS TABLE (relation text, rows bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR relation IN SELECT t.relation::text FROM toms.tables_about_tenants() t WHERE t.stays IS NULL LOOP
        EXECUTE format('SELECT count(*) FROM %s x WHERE x.tenant = $1', relation) INTO rows USING tenant;
        IF rows > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
SELECT * FROM sky.rows_about('sun');
SELECT * FROM sky.rows_about('moon');
SELECT * FROM toms.regress_answer;
SELECT tenant, name, address, contact, representative, dpo, ended_at IS NOT NULL FROM toms.tenant WHERE tenant = 'sun';
SELECT kind, tenant, subject, state FROM toms.erasure WHERE tenant = 'sun';
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.end_tenant('sun', now(), basis => 'agreement')$$);     -- refused: it has
SELECT regress.verdict($$SELECT toms.add_tenant('sun', name => 'Another Sun')$$);           -- refused: what the trail says of it is of the former one
RESET SESSION AUTHORIZATION;

--
-- What is restored from a dump of before opens nothing: the data key's epoch is gone.  The trail's entries stay, unreadable
--
SELECT count(*) > 0, count(*) FILTER (WHERE k.wrapped IS NOT NULL) FROM toms.audit_entry e JOIN toms.data_key k ON k.id = e.key WHERE e.tenant = 'sun';
SELECT convert_from(payload, 'UTF8')::jsonb - 'erasure' - 'keys' FROM (SELECT payload FROM toms.audit_entry WHERE kind = 'd' AND tenant = 'sun' ORDER BY id DESC LIMIT 1) e;

-- who tries with a token of it is told of in the trail, in which no key of it protects anything any more
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('sun', '1', 'regress_hr', 'absence_management') \g /dev/null
SELECT regress.verdict($$SELECT FROM sky.person$$);
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT tenant, kind, who IS NOT NULL, key IS NULL FROM toms.audit_entry WHERE id > (SELECT entry FROM toms.erasure WHERE tenant = 'sun') AND tenant = 'sun' ORDER BY id;
SELECT count(*) FROM toms.audit_trail(tenant => 'sun') WHERE at > (SELECT ended_at FROM toms.erasure WHERE tenant = 'sun') AND kind = 'refusal';
SELECT count(*) FROM toms.data_key WHERE tenant = 'sun' AND wrapped IS NOT NULL;

--
-- The certificate says all of it
--
SELECT toms.declare_backup_tier('yearly', '1 year', '7 years') > 0;
SELECT id AS erasure FROM toms.erasure WHERE tenant = 'sun' AND kind = 'tenant' \gset
SELECT toms.seal_audit() > 0;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.certificate(:erasure) AS certificate \gset
SELECT valid, problem, tenant FROM toms.verify_certificate(:'certificate');
SELECT said ->> 'kind', said ->> 'tenant', said ->> 'state', said #>> '{by,name}', said ->> 'tables', said ->> 'rest', said #>> '{epochs,0,destroyed_at}' IS NOT NULL,
       (said #>> '{backups,sealed_until}')::date = now()::date, (said #>> '{backups,clear_until}')::date = (now() + interval '7 years')::date, said #>> '{proof,version}'
FROM (SELECT :'certificate'::json) c (said);
RESET SESSION AUTHORIZATION;
DROP TABLE toms.regress_request, toms.regress_answer;
DELETE FROM toms.backup_tier;
DROP SCHEMA sky CASCADE;
-- the tests after this one know nothing of the other controller
DELETE FROM toms.enter_permission WHERE tenants = '{sun,moon}';
DELETE FROM toms.tenant WHERE tenant = 'moon';
