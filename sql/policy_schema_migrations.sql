--
-- policy_schema_migrations: the protected application goes on changing its schema
--
-- Goes on from the end of policy_schema, in the same database.  The promise: a migration as one
-- writes it goes through, run by a role with BYPASSRLS and a reason, or is refused with what to
-- do; an owner without them is told so, and no row stays behind unnoticed; and after each the
-- cells of the matrix that it concerns are what they were.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

-- the cells of these tables, now and before
CREATE PROCEDURE fs_test.still(relations text[]) LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    CALL fs_test.note();
    CALL fs_test.fill_matrix(relations);
    FOR d IN SELECT w.rel, w.b, w.role, w.verb, w.letter AS was, c.letter, c.refusal FROM fs_test.was w LEFT JOIN fs_test.cell c USING (n, b, role, verb)
             WHERE w.rel = ANY (relations) AND c.letter IS DISTINCT FROM w.letter ORDER BY w.n, w.b, w.role, w.verb LOOP
        RAISE NOTICE '% of % by % of tenant %: % instead of % (%)', d.verb, d.rel, d.role, 100 + d.b, d.letter, d.was, d.refusal;
    END LOOP;
    SELECT count(*) AS cells, count(*) FILTER (WHERE w.letter = c.letter) AS same, sum(c.foreign_rows) AS foreign_rows INTO d
    FROM fs_test.cell c JOIN fs_test.was w USING (n, b, role, verb);
    RAISE NOTICE '% of % cells as before, % rows of other tenants; intact: %', d.same, d.cells, d.foreign_rows, (SELECT bool_and(intact) FROM toms.protected_tables);
END
$$;

--
-- A backfill as the tables' owner: told, not silent
--
SET SESSION AUTHORIZATION fs_owner;
ALTER TABLE fs.customer ADD COLUMN rating integer;             -- ok: reads no row
UPDATE fs.customer SET rating = 1;                             -- refused
SET toms.reason = 'migration 47';
UPDATE fs.customer SET rating = 1;                             -- refused: a reason makes no administrator
INSERT INTO fs.customer_history (tenant_id, customer_id, verb) SELECT tenant_id, id, 'NOTE' FROM fs.customer;  -- refused
DO $$BEGIN UPDATE fs.order_item SET price = price * 2; END$$;  -- refused: the child too
DELETE FROM fs.booking_2026_02_0;                              -- refused: the leaf too
CREATE TABLE fs.customer_copy AS SELECT * FROM fs.customer;    -- refused
RESET toms.reason;
RESET SESSION AUTHORIZATION;
-- as the role for it: first without, then with a reason
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA fs TO fs_migration;
SET SESSION AUTHORIZATION fs_migration;
UPDATE fs.customer SET rating = 1;                             -- refused
SET toms.reason = 'migration 47';
UPDATE fs.customer SET rating = 1 RETURNING tenant_id, number, rating;     -- ok: all tenants
UPDATE fs.order_item i SET price = price * 2 FROM fs."order" o WHERE o.id = i.order_id;  -- ok
INSERT INTO fs.customer_history (tenant_id, customer_id, verb) SELECT tenant_id, id, 'NOTE' FROM fs.customer WHERE rating = 1;   -- ok
DELETE FROM fs.customer_history WHERE verb <> 'INSERT';        -- ok: these, and what the application's trigger wrote
CREATE INDEX customer_rating ON fs.customer (tenant_id, rating);
ALTER TABLE fs.customer ALTER COLUMN rating SET NOT NULL, ALTER COLUMN rating SET DEFAULT 1;
ALTER TABLE fs.customer ADD COLUMN label text GENERATED ALWAYS AS (number || ' ' || name) STORED;
ALTER TABLE fs.customer ADD CONSTRAINT rating_known CHECK (rating BETWEEN 1 AND 5);
ALTER TABLE fs.customer_history ADD FOREIGN KEY (tenant_id) REFERENCES fs.tenant;
ALTER TABLE fs.order_item ADD CONSTRAINT priced CHECK (price > 0) NOT VALID;
ALTER TABLE fs.order_item VALIDATE CONSTRAINT priced;
RESET SESSION AUTHORIZATION;
CALL fs_test.still('{customer,customer_history,order_item}');

--
-- The tenant column gets another type
--
SET SESSION AUTHORIZATION fs_owner;
ALTER TABLE fs.absence ALTER COLUMN tenant_id TYPE text;       -- refused
SET SESSION AUTHORIZATION fs_migration;
SET toms.reason = 'migration 48';
-- of a table that is the parent of attachments; of one with composite keys; of one with shared rows; of documents with their children
ALTER TABLE fs.absence ALTER COLUMN tenant_id TYPE text;
ALTER TABLE fs.team ALTER COLUMN tenant_id TYPE text;
ALTER TABLE fs.holiday_calendar ALTER COLUMN tenant_id TYPE text;
ALTER TABLE fs.document ALTER COLUMN tenant_id TYPE text;
ALTER TABLE fs.tenant ALTER COLUMN id TYPE text, ALTER COLUMN name SET DEFAULT 'new';
-- of the partitioned one, under its view
BEGIN;
DROP VIEW fs.day_total;
ALTER TABLE fs.booking ALTER COLUMN tenant_id TYPE varchar(64);
CREATE VIEW fs.day_total WITH (security_invoker = true) AS
    SELECT tenant_id, user_id, day, sum(minutes) AS minutes FROM fs.booking GROUP BY tenant_id, user_id, day;
GRANT SELECT ON fs.day_total TO fs_employee, fs_dispatcher, fs_hr;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT c.oid::regclass, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'fs'::regnamespace AND c.relkind IN ('r', 'p') AND (c.relname ~ '^booking_2|^booking$|^(absence|team|holiday_calendar|document|invoice)$' AND a.attname = 'tenant_id' OR c.relname = 'tenant' AND a.attname = 'id')
ORDER BY c.relname COLLATE "C";
CALL fs_test.still('{tenant,team,attachment,holiday_calendar,absence,booking,document,invoice}');

-- the fleet's numbers become text. A policy of the application's own stands in the way, as it would without toms
SET SESSION AUTHORIZATION fs_migration;
BEGIN;
ALTER TABLE fs.vehicle_log DROP CONSTRAINT vehicle_log_tenant_no_vehicle_id_fkey;
\set VERBOSITY terse
ALTER TABLE fs.vehicle ALTER COLUMN tenant_no TYPE text USING tenant_no::text;     -- refused by PostgreSQL
\set VERBOSITY default
ROLLBACK;
BEGIN;
ALTER TABLE fs.vehicle_log DROP CONSTRAINT vehicle_log_tenant_no_vehicle_id_fkey;
DROP POLICY by_number ON fs.vehicle;
ALTER TABLE fs.vehicle ALTER COLUMN tenant_no TYPE text USING tenant_no::text;
ALTER TABLE fs.vehicle_log ALTER COLUMN tenant_no TYPE text USING tenant_no::text;
ALTER TABLE fs.vehicle_log ADD FOREIGN KEY (tenant_no, vehicle_id) REFERENCES fs.vehicle (tenant_no, id) DEFERRABLE INITIALLY DEFERRED;
COMMIT;
RESET SESSION AUTHORIZATION;
UPDATE fs_test.shape SET row = replace(row, '{t}', '''{t}''') WHERE rel LIKE 'vehicle%';
CALL fs_test.still('{vehicle,vehicle_log}');

-- a type that holds no id is refused, and all is as it was
SET SESSION AUTHORIZATION fs_migration;
ALTER TABLE fs.job_queue ALTER COLUMN tenant_id TYPE numeric USING tenant_id::numeric;
-- a type that holds no such value, too; and text becomes a number
ALTER TABLE fs.job_queue ALTER COLUMN tenant_id TYPE uuid USING tenant_id::uuid;
ALTER TABLE fs.job_queue ALTER COLUMN tenant_id TYPE bigint USING tenant_id::bigint, ADD COLUMN tries integer, DROP COLUMN taken_at;
ALTER TABLE fs.job_queue ADD COLUMN taken_at timestamptz;
-- a column that a label compares: the label is taken off and put on again
BEGIN;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.unlabel_rows('fs.absence', 'health');
SET SESSION AUTHORIZATION fs_migration;
SET LOCAL toms.reason = 'migration 48';
ALTER TABLE fs.absence ALTER COLUMN kind TYPE varchar(20) USING kind::text;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.label_rows('fs.absence', $$kind IN ('SICK', 'CHILD_SICK')$$, 'health');
COMMIT;
SET SESSION AUTHORIZATION fs_migration;
SET toms.reason = 'migration 48';
-- numbers that ran out: the key of a parent, and what refers to it
ALTER TABLE fs.holiday_calendar ALTER COLUMN id TYPE bigint;
ALTER TABLE fs.holiday ALTER COLUMN calendar_id TYPE bigint;
ALTER TABLE fs.order_item ALTER COLUMN id TYPE integer;
ALTER TABLE fs.revision ALTER COLUMN rev TYPE integer;
-- a person's key, and a subject
ALTER TABLE fs."User Setting" DROP CONSTRAINT "User Setting_userUuid_fkey";
DROP POLICY mine ON fs."User Setting";
ALTER TABLE fs."User Setting" ALTER COLUMN "userUuid" TYPE text;
ALTER TABLE fs.time_account ALTER COLUMN user_id TYPE integer;
RESET SESSION AUTHORIZATION;
CALL fs_test.still('{"\"User Setting\"",job_queue,absence,holiday_calendar,holiday,order_item,order_item_note,revision,absence_aud,booking_aud,time_account}');

--
-- Columns and tables get other names and places
--
SET SESSION AUTHORIZATION fs_owner;
ALTER TABLE fs.job_queue RENAME COLUMN tenant_id TO "Mandant Nr";      -- a tenant
ALTER TABLE fs.vehicle_log RENAME COLUMN driver_id TO driver;          -- a subject
ALTER TABLE fs.order_item RENAME COLUMN order_id TO order_ref;         -- what refers to a parent
ALTER TABLE fs.revision RENAME COLUMN rev TO revision_no;              -- what is referred to
ALTER TABLE fs.app_user RENAME COLUMN id TO user_no;                   -- a person's key
ALTER TABLE fs.attachment RENAME COLUMN owner_type TO "ownerType";     -- what a row label's condition compares
RESET SESSION AUTHORIZATION;
UPDATE fs_test.shape SET key = replace(key, 'tenant_id', '"Mandant Nr"'), tenant = replace(tenant, 'tenant_id', '"Mandant Nr"') WHERE rel = 'job_queue';
UPDATE fs_test.shape SET subject = 't.driver', row = replace(row, 'driver_id', 'driver') WHERE rel = 'vehicle_log';
UPDATE fs_test.shape SET joins = replace(joins, 't.order_id', 't.order_ref'), row = replace(row, 'order_id', 'order_ref') WHERE rel = 'order_item';
UPDATE fs_test.shape SET joins = replace(joins, 'i.order_id', 'i.order_ref') WHERE rel = 'order_item_note';
UPDATE fs_test.shape SET key = 'revision_no' WHERE rel = 'revision';
UPDATE fs_test.shape SET joins = replace(joins, 'r.rev', 'r.revision_no') WHERE rel LIKE '%aud';
UPDATE fs_test.shape SET key = 'user_no' WHERE rel = 'app_user';
UPDATE fs_test.shape SET joins = replace(joins, 'u.id', 'u.user_no');
UPDATE fs_test.shape SET health = replace(health, 'owner_type', '"ownerType"'), joins = replace(joins, 'owner_type', '"ownerType"'), row = replace(row, 'owner_type', '"ownerType"') WHERE rel = 'attachment';
CALL fs_test.still('{job_queue,vehicle_log,order_item,order_item_note,revision,absence_aud,booking_aud,app_user,user_right,device_token,attachment}');

CREATE SCHEMA fs_archive AUTHORIZATION fs_owner;
GRANT USAGE ON SCHEMA fs_archive TO fs_employee, fs_dispatcher, fs_hr;
SET SESSION AUTHORIZATION fs_owner;
ALTER TABLE fs."order" RENAME TO work_order;                           -- a parent
ALTER TABLE fs.order_item_note RENAME TO "Note";                       -- a grandchild
ALTER TABLE fs.revision SET SCHEMA fs_archive;                         -- a parent
ALTER TABLE fs.absence_aud SET SCHEMA fs_archive;                      -- a child with health by value
ALTER TABLE fs.booking SET SCHEMA fs_archive;                          -- without its partitions
ALTER TABLE fs.booking_2026_01 SET SCHEMA fs_archive;
RESET SESSION AUTHORIZATION;
UPDATE fs_test.shape SET schema = 'fs_archive' WHERE rel IN ('revision', 'absence_aud', 'booking');
UPDATE fs_test.shape SET joins = replace(replace(replace(joins, 'fs.revision', 'fs_archive.revision'), 'fs."order"', 'fs.work_order'), 'fs.order_item_note', 'fs."Note"'),
    rel = CASE rel WHEN '"order"' THEN 'work_order' WHEN 'order_item_note' THEN '"Note"' ELSE rel END;
UPDATE fs_test.was w SET rel = s.rel FROM fs_test.shape s WHERE s.n = w.n;
CALL fs_test.still('{work_order,order_item,"\"Note\"",attachment,comment,revision,absence_aud,booking_aud,booking}');

--
-- A column that says whose rows they are is not dropped, and comes back under another declaration
--
SET SESSION AUTHORIZATION fs_migration;
SET toms.reason = 'migration 49';
ALTER TABLE fs.vehicle_log DROP COLUMN driver;                         -- refused: subject
ALTER TABLE fs.vehicle_log DROP COLUMN tenant_no CASCADE;              -- refused: tenant
ALTER TABLE fs.order_item DROP COLUMN order_ref;                       -- refused: what refers to a parent
ALTER TABLE fs.work_order DROP COLUMN id CASCADE;                      -- refused: what children refer to
ALTER TABLE fs.comment DROP COLUMN commentable_type;                   -- refused: which parent it is
ALTER TABLE fs.app_user DROP COLUMN uuid CASCADE;                      -- refused: a person's key
ALTER TABLE fs.absence DROP COLUMN kind;                               -- refused: health by value
ALTER TABLE fs.customer DROP COLUMN country;                           -- ok: a column like others
ALTER TABLE fs.customer ADD COLUMN country char(2) DEFAULT 'DE' REFERENCES fs.country;
RESET SESSION AUTHORIZATION;
-- the tenant column anew, filled, and declared; then the old one can go
SET SESSION AUTHORIZATION fs_migration;
ALTER TABLE fs.customer_history ADD COLUMN tenant text;
UPDATE fs.customer_history SET tenant = tenant_id;
ALTER TABLE fs.customer_history ALTER COLUMN tenant SET NOT NULL;
ALTER TABLE fs.vehicle_log ADD COLUMN driver_uuid uuid;
UPDATE fs.vehicle_log l SET driver_uuid = u.uuid FROM fs.app_user u WHERE u.user_no = l.driver;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('fs.customer_history', tenant => 'tenant');
SELECT toms.protect('fs.vehicle_log', tenant => 'tenant_no', subject => 'driver_uuid', category => 'location');
SET SESSION AUTHORIZATION fs_owner;
CREATE OR REPLACE FUNCTION fs.keep_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fs.customer_history (tenant, customer_id, verb, before) VALUES (OLD.tenant_id, OLD.id, TG_OP, to_jsonb(OLD));
    RETURN NULL;
END
$$;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
ALTER TABLE fs.customer_history DROP COLUMN tenant_id;
ALTER TABLE fs.vehicle_log DROP COLUMN driver;
RESET toms.reason;
SET SESSION AUTHORIZATION fs_owner;
ALTER TABLE fs.customer_history ADD COLUMN tenant_id text;             -- again there, and nothing but a column
RESET SESSION AUTHORIZATION;
UPDATE fs_test.shape SET tenant = 't.tenant', row = replace(row, 'tenant_id', 'tenant') WHERE rel = 'customer_history';
UPDATE fs_test.shape SET subject = 't.driver_uuid', row = $$(tenant_no, vehicle_id, driver_uuid) VALUES ('{t}', {k}401, '{x}')$$ WHERE rel = 'vehicle_log';
CALL fs_test.still('{customer,customer_history,vehicle_log}');

-- a key that rows of another table refer to: without it a row could have parents of two tenants, so those close
SET SESSION AUTHORIZATION fs_owner;
ALTER TABLE fs_archive.revision DROP CONSTRAINT revision_pkey CASCADE;
RESET SESSION AUTHORIZATION;
SELECT relation FROM toms.protected_tables WHERE NOT intact ORDER BY relation::text COLLATE "C";
SET SESSION AUTHORIZATION fs_app;
BEGIN;
SELECT set_config('toms.token', fs_test.token('102', 'fs_dispatcher'), true) <> '', set_config('toms.purpose', 'working_time', true);
INSERT INTO fs_archive.revision (revision_no, tenant_id, author) VALUES (1701, '102', toms.current_subject()::uuid);    -- another tenant's number
SELECT regress.verdict('SELECT FROM fs.booking_aud');                  -- refused
ROLLBACK;
SET SESSION AUTHORIZATION fs_owner;
ALTER TABLE fs_archive.revision ADD PRIMARY KEY (revision_no);
ALTER TABLE fs_archive.absence_aud ADD FOREIGN KEY (rev) REFERENCES fs_archive.revision;
ALTER TABLE fs.booking_aud ADD FOREIGN KEY (rev) REFERENCES fs_archive.revision;
RESET SESSION AUTHORIZATION;
CALL fs_test.still('{revision,absence_aud,booking_aud}');

--
-- Partitions and children come and go
--
SET SESSION AUTHORIZATION fs_owner;
CREATE TABLE fs.booking_2026_04 (LIKE fs_archive.booking INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY LIST (user_id);
CREATE TABLE fs.booking_2026_04_rest PARTITION OF fs.booking_2026_04 DEFAULT;
INSERT INTO fs.booking_2026_04 VALUES (1981, '101', 1001, '2026-04-01', 1), (2981, '102', 2001, '2026-04-01', 1), (3981, '103', 3001, '2026-04-01', 1);
SELECT count(*) FROM fs.booking_2026_04_rest;                          -- ok: not protected yet
ALTER TABLE fs_archive.booking ATTACH PARTITION fs.booking_2026_04 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01');
SELECT count(*) FROM fs.booking_2026_04_rest;                          -- refused
CREATE TABLE fs.booking_2026_04_1 PARTITION OF fs.booking_2026_04 FOR VALUES IN (1002);
SELECT count(*) FROM fs.booking_2026_04_1;                             -- refused
RESET SESSION AUTHORIZATION;
SELECT relation, root, mode, intact FROM toms.protected_tables WHERE relation::text ~ 'booking_2026_04' ORDER BY relation::text COLLATE "C";
CALL fs_test.still('{booking}');
-- what is detached is not open
SET SESSION AUTHORIZATION fs_owner;
ALTER TABLE fs_archive.booking DETACH PARTITION fs.booking_2026_04;
SELECT count(*) FROM fs.booking_2026_04_rest;                          -- refused
SELECT count(*) FROM fs.booking_2026_04;                               -- refused
CREATE TABLE fs.offer (valid_until date) INHERITS (fs.document);
RESET SESSION AUTHORIZATION;
GRANT SELECT ON fs.offer, fs.booking_2026_04 TO fs_hr;
SELECT relation, root, tenant, subject, intact FROM toms.protected_tables WHERE relation::text ~ 'booking_2026_04|offer' ORDER BY relation::text COLLATE "C";
SET SESSION AUTHORIZATION fs_app;
BEGIN;
SELECT set_config('toms.token', fs_test.token('102', 'fs_hr'), true) <> '', set_config('toms.purpose', 'account', true);
INSERT INTO fs.document (tenant_id, title) VALUES ('102', 'from the parent');
SELECT regress.verdict('SELECT FROM fs.offer'), regress.verdict('SELECT FROM fs.booking_2026_04');
ROLLBACK;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION fs_owner;
ALTER TABLE fs_archive.booking ATTACH PARTITION fs.booking_2026_04 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01');
ALTER TABLE fs.contract NO INHERIT fs.document;                        -- it stays closed
SELECT count(*) FROM fs.contract;                                      -- refused
ALTER TABLE fs.contract INHERIT fs.document;
RESET SESSION AUTHORIZATION;
CALL fs_test.still('{document,contract,invoice,booking}');
SET toms.reason = 'migration';
DROP TABLE fs.booking_2026_04;                                         -- ok
RESET toms.reason;

SELECT root, count(*), bool_and(intact) FROM toms.protected_tables WHERE root <> relation GROUP BY root ORDER BY root::text COLLATE "C";

--
-- The application's next release uses the new names, and works as before
--
SET SESSION AUTHORIZATION fs_owner;
CREATE OR REPLACE FUNCTION fs.next_order_no(tenant text) RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
    'SELECT coalesce(max(order_no), 0) + 1 FROM fs.work_order WHERE tenant_id = tenant';
RESET SESSION AUTHORIZATION;
UPDATE fs_test.statement s SET statement = (
    WITH RECURSIVE renamed (n, text) AS (
        SELECT 0, s.statement
        UNION ALL
        SELECT r.n + 1, regexp_replace(r.text, c.old, c.new, 'g') FROM renamed r JOIN (VALUES
            (1, 'fs\."order"', 'fs.work_order'), (2, 'fs\.order_item_note', 'fs."Note"'), (3, '\yorder_id\y', 'order_ref'),
            (4, 'fs\.(revision|absence_aud|booking)\y', 'fs_archive.\1'), (5, 'USING \(rev\)', 'ON r.revision_no = a.rev'),
            (6, '(RETURNING |r\.)rev\y', '\1revision_no'), (7, '\yu\.id\y', 'u.user_no'), (8, 'RETURNING id, uuid', 'RETURNING user_no, uuid'),
            (9, 'SELECT id, ''BOOK''', 'SELECT user_no, ''BOOK'''), (10, '(UPDATE fs.app_user .* WHERE) id', '\1 user_no'), (11, 'owner_type', '"ownerType"'),
            (12, 'driver_id = {u}|driver_id', 'driver_uuid'), (13, 'l\.driver_uuid$', 'l.driver_uuid = ''{x}'''),
            (14, 'VALUES \({t}, {k}401, {u}', 'VALUES (''{t}'', {k}401, ''{x}'''), (15, 'VALUES \(n.id, {t}', 'VALUES (n.id, ''{t}''')
            ) c (n, old, new) ON c.n = r.n + 1)
    SELECT text FROM renamed ORDER BY n DESC LIMIT 1);
UPDATE fs_test.statement SET statement = replace(statement, 'tenant_id', '"Mandant Nr"') WHERE statement LIKE '%fs.job_queue%';
SET SESSION AUTHORIZATION fs_app;
CALL fs_test.run($$SELECT set_config('toms.token', fs_test.token('{t}', '{role}'), true), set_config('toms.purpose', '{purpose}', true)$$);
RESET SESSION AUTHORIZATION;

-- clean up
SET client_min_messages = warning;
SELECT toms.distrust_function('pg_catalog.enum_eq(anyenum,anyenum)', reason => 'end of the test');
SET toms.reason = 'end of the test';
DROP SCHEMA fs_test, fs_archive, fs CASCADE;
