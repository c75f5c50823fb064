--
-- policy_schema: an application that nobody designed for toms is protected by declarations
--
-- test/schemas/field_service.sql has 30 tables as one finds them.  What is declared below is
-- all that changes.  The promise: every statement of the application does what it did, and in
-- no cell of role x table x verb x tenant is a row of another tenant seen or changed.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
\set ECHO none
\i test/schemas/field_service.sql
\i test/schemas/field_service_statements.sql
\set ECHO all
RESET client_min_messages;

-- how it works today: the pool sets app.tenant_id
SET SESSION AUTHORIZATION fs_app;
CALL fs_test.run($$SELECT set_config('app.tenant_id', '{t}', true), set_config('app.user_id', '{x}', true)$$);
RESET SESSION AUTHORIZATION;

-- how it will work: the pool sets a token; one for each tenant and person
CREATE TABLE fs_test.token (tenant text, role name, token text);
GRANT SELECT ON fs_test.token TO PUBLIC;
CREATE FUNCTION fs_test.token(of_tenant text, of_role name) RETURNS text LANGUAGE sql STABLE AS
    'SELECT token FROM fs_test.token WHERE (tenant, role) = (of_tenant, of_role)';
\set tokens `for b in 1 2 3; do for p in 001:employee 003:dispatcher 004:hr; do echo "10$b fs_${p#*:} $(test/mint.sh '{"tenant":"10'$b'","sub":"00000000-0000-4000-8000-00000000'$b${p%:*}'","role":"fs_'${p#*:}'","purpose":["service","working_time","leave","account"],"exp":NOW+3000}')"; done; done`
INSERT INTO fs_test.token SELECT split_part(line, ' ', 1), split_part(line, ' ', 2), split_part(line, ' ', 3) FROM regexp_split_to_table(:'tokens', '\n') line;

--
-- Declarations
--
SELECT count(toms.add_tenant(tenant, name => 'Tenant ' || tenant)) FROM unnest('{101,102,103}'::text[]) tenant;
GRANT USAGE ON SCHEMA fs, fs_test TO regress_officer;
GRANT SELECT ON ALL TABLES IN SCHEMA fs_test TO regress_officer;
SET SESSION AUTHORIZATION regress_officer;

-- tables with a tenant of their own, and no person: text, varchar and bigint alike
SELECT toms.protect('fs.tenant', tenant => 'id');
SELECT toms.protect('fs.team', tenant => 'tenant_id');
SELECT toms.protect('fs.customer', tenant => 'tenant_id');
SELECT toms.protect('fs.customer_history', tenant => 'tenant_id');
SELECT toms.protect('fs.vehicle', tenant => 'tenant_no');
SELECT toms.protect('fs.job_queue', tenant => 'tenant_id');

-- people: tokens hold the uuid, most tables the bigint
SELECT toms.protect('fs.app_user', tenant => 'tenant_id', subject => 'uuid');
SELECT toms.add_subject_alias('fs.app_user', canonical => 'uuid', alias => 'id');
SELECT toms.protect('fs."User Setting"', tenant => 'tenant_id', subject => 'userUuid');
SELECT toms.protect('fs."order"', tenant => 'tenant_id', subject => 'assigned_to', subject_alias => 'fs.app_user.id');
SELECT toms.protect('fs.vehicle_log', tenant => 'tenant_no', subject => 'driver_id', subject_alias => 'fs.app_user.id', category => 'location');
SELECT toms.protect('fs.absence', tenant => 'tenant_id', subject => 'user_id', subject_alias => 'fs.app_user.id');
SELECT toms.protect('fs.revision', tenant => 'tenant_id', subject => 'author');
SELECT toms.protect('fs.time_account', tenant => 'tenant_id', subject => 'user_id', subject_alias => 'fs.app_user.id');

-- with all that is below them: partitions on two levels, inheritance children
SELECT toms.protect('fs.booking', tenant => 'tenant_id', subject => 'user_id', subject_alias => 'fs.app_user.id');
SELECT toms.protect('fs.document', tenant => 'tenant_id', subject => 'person');

-- rights and devices reach their tenant through the person whose they are
SELECT toms.protect('fs.user_right', parent => 'fs.app_user', parent_key => 'user_id', subject => 'user_id', subject_alias => 'fs.app_user.id');
SELECT toms.protect('fs.device_token', parent => 'fs.app_user', parent_key => 'user_id', subject => 'user_id', subject_alias => 'fs.app_user.id', category => 'credential');

-- a child, and a child of that
SELECT toms.protect('fs.order_item', parent => 'fs."order"', parent_key => 'order_id');
SELECT toms.protect('fs.order_item_note', parent => 'fs.order_item', parent_key => 'item_id', subject => 'author');

-- history reaches it through the revision
SELECT toms.protect('fs.absence_aud', parent => 'fs.revision', parent_key => 'rev', subject => 'user_id', subject_alias => 'fs.app_user.id');
SELECT toms.protect('fs.booking_aud', parent => 'fs.revision', parent_key => 'rev', subject => 'user_id', subject_alias => 'fs.app_user.id');

-- children of several tables, by type
SELECT toms.protect('fs.attachment', parent => 'fs."order"', parent_key => 'owner_id', type_column => 'owner_type', type_value => 'Order', subject => 'uploaded_by');
SELECT toms.add_parent('fs.attachment', 'fs.customer', type_value => 'Customer');
SELECT toms.add_parent('fs.attachment', 'fs.absence', type_value => 'Absence');
SELECT toms.protect('fs.comment', parent => 'fs."order"', parent_key => 'commentable_id', type_column => 'commentable_type', type_value => 'App\Models\Order',
                    subject => 'user_id', subject_alias => 'fs.app_user.id');
SELECT toms.add_parent('fs.comment', 'fs.customer', type_value => 'App\Models\Customer');

-- rows without a tenant are for all to read
SELECT toms.protect('fs.absence_kind', tenant => 'tenant_id', null_tenant => 'shared');
SELECT toms.protect('fs.holiday_calendar', tenant => 'tenant_id', null_tenant => 'shared');
SELECT toms.protect('fs.holiday', parent => 'fs.holiday_calendar', parent_key => 'calendar_id');

-- health by value; PostgreSQL does not know that comparing enums tells nothing
SELECT toms.trust_function('pg_catalog.enum_eq(anyenum,anyenum)', reason => 'labels compare enums') > 0;
SELECT toms.label_rows('fs.absence', $$kind IN ('SICK', 'CHILD_SICK')$$, 'health');
SELECT toms.label_rows('fs.absence_aud', $$kind IN ('SICK', 'CHILD_SICK')$$, 'health');
SELECT toms.label_rows('fs.attachment', $$owner_type = 'Absence'$$, 'health');

-- what each role may do, for which purpose, as far as which rows
SELECT count(toms.permit(role, relation, verbs::text[], purposes::text[], scope, categories::text[])) FROM (VALUES
    ('{fs_employee,fs_dispatcher,fs_hr}', '{fs.tenant,fs.team}', '{select}', '{account}', 'tenant', NULL),
    ('{fs_employee,fs_dispatcher,fs_hr}', '{fs.absence_kind,fs.holiday_calendar,fs.holiday}', '{select}', '{leave}', 'tenant', NULL),
    ('{fs_employee,fs_dispatcher,fs_hr}', '{fs.\"User Setting\"}', '{select,insert,update,delete}', '{account}', 'own', NULL),
    ('{fs_employee,fs_dispatcher,fs_hr}', '{fs.revision}', '{select,insert}', '{leave,working_time}', 'own', NULL),
    ('{fs_employee,fs_dispatcher,fs_hr}', '{fs.job_queue}', '{insert}', '{account,service}', 'tenant', NULL),
    ('{fs_dispatcher,fs_hr}', '{fs.user_right}', '{select}', '{account}', 'tenant', NULL),
    ('{fs_dispatcher,fs_hr}', '{fs.app_user}', '{select}', '{account,service,leave,working_time}', 'tenant', NULL),
    ('{fs_dispatcher,fs_hr}', '{fs.revision}', '{select}', '{leave,working_time}', 'tenant', NULL),
    -- the employee: what is hers, and what she needs to see
    ('{fs_employee}', '{fs.app_user}', '{select,update}', '{account,service,leave,working_time}', 'own', NULL),
    ('{fs_employee}', '{fs.customer,fs.vehicle,fs.order_item_note,fs.comment,fs.attachment}', '{select}', '{service}', 'tenant', NULL),
    ('{fs_employee}', '{fs.order_item}', '{select,insert,update}', '{service}', 'tenant', NULL),
    ('{fs_employee}', '{fs.\"order\"}', '{select,update}', '{service}', 'own', NULL),
    ('{fs_employee}', '{fs.order_item_note,fs.comment}', '{insert,update}', '{service}', 'own', NULL),
    ('{fs_employee}', '{fs.attachment}', '{select,insert}', '{service,leave}', 'own', '{personal,health}'),
    ('{fs_employee}', '{fs.vehicle_log}', '{select,insert}', '{service}', 'own', NULL),
    ('{fs_employee}', '{fs.device_token}', '{select,insert,update,delete}', '{account}', 'own', NULL),
    ('{fs_employee}', '{fs.document,fs.user_right}', '{select}', '{account}', 'own', NULL),
    ('{fs_employee}', '{fs.booking,fs.time_account}', '{select,insert,update}', '{working_time}', 'own', NULL),
    ('{fs_employee}', '{fs.booking_aud}', '{insert}', '{working_time}', 'own', NULL),
    ('{fs_employee}', '{fs.absence}', '{select,insert,update,delete}', '{leave}', 'own', '{personal,health}'),
    ('{fs_employee}', '{fs.absence_aud}', '{insert}', '{leave}', 'own', '{personal,health}'),
    -- the dispatcher: all of the tenant's work, and no sickness
    ('{fs_dispatcher}', '{fs.\"order\",fs.order_item,fs.order_item_note,fs.comment,fs.customer,fs.vehicle,fs.job_queue}', '{select,insert,update,delete}', '{service}', 'tenant', NULL),
    ('{fs_dispatcher}', '{fs.attachment}', '{select,insert,delete}', '{service}', 'tenant', NULL),
    ('{fs_dispatcher}', '{fs.customer_history}', '{select,insert}', '{service}', 'tenant', NULL),
    ('{fs_dispatcher}', '{fs.vehicle_log}', '{select}', '{service}', 'tenant', NULL),
    ('{fs_dispatcher}', '{fs.booking}', '{select,insert,update,delete}', '{working_time}', 'tenant', NULL),
    ('{fs_dispatcher}', '{fs.booking_aud}', '{select,insert}', '{working_time}', 'tenant', NULL),
    ('{fs_dispatcher}', '{fs.absence}', '{select}', '{leave}', 'tenant', NULL),
    -- HR: people, documents, leave with its reasons
    ('{fs_hr}', '{fs.team,fs.document}', '{select,insert,update,delete}', '{account}', 'tenant', NULL),
    ('{fs_hr}', '{fs.user_right}', '{insert,delete}', '{account}', 'tenant', NULL),
    ('{fs_hr}', '{fs.app_user}', '{insert,update}', '{account}', 'tenant', NULL),
    ('{fs_hr}', '{fs.absence}', '{select,insert,update,delete}', '{leave}', 'tenant', '{personal,health}'),
    ('{fs_hr}', '{fs.absence_aud}', '{select,insert}', '{leave}', 'tenant', '{personal,health}'),
    ('{fs_hr}', '{fs.attachment}', '{select}', '{leave,service}', 'tenant', '{personal,health}'),
    ('{fs_hr}', '{fs.absence_kind,fs.holiday_calendar,fs.holiday}', '{insert,update,delete}', '{leave}', 'tenant', NULL),
    ('{fs_hr}', '{fs.booking,fs.booking_aud}', '{select}', '{working_time}', 'tenant', NULL),
    ('{fs_hr}', '{fs.time_account}', '{select,insert,update}', '{working_time}', 'tenant', NULL)
    ) may (roles, relations, verbs, purposes, scope, categories), LATERAL unnest(roles::regrole[]) role, LATERAL unnest(relations::regclass[]) relation;
RESET SESSION AUTHORIZATION;

--
-- The application's own row security: with app.tenant_id set beside the token it narrows to the
-- same rows, but for views that read as fs_owner, to whom a policy TO fs_app gives nothing.
-- Without it current_setting() fails or finds no row: those policies must go, or ask
-- toms.current_tenant(). What is no business of tenants stays.
--
SET SESSION AUTHORIZATION fs_app;
CALL fs_test.run($$SELECT set_config('app.tenant_id', '{t}', true), set_config('app.user_id', '{x}', true),
                          set_config('toms.token', fs_test.token('{t}', '{role}'), true), set_config('toms.purpose', '{purpose}', true)$$);
-- another tenant's app.tenant_id beside it opens nothing
BEGIN;
SELECT set_config('app.tenant_id', '102', true), set_config('toms.token', fs_test.token('101', 'fs_dispatcher'), true) <> '', set_config('toms.purpose', 'service', true);
SELECT count(*) FROM fs.customer;
ROLLBACK;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION fs_owner;
ALTER POLICY by_number ON fs.vehicle USING (tenant_no = toms.current_tenant()::bigint);
ALTER POLICY mine ON fs."User Setting" USING ("userUuid" = toms.current_subject()::uuid AND tenant_id = toms.current_tenant());
SELECT format('DROP POLICY %I ON %I.%I', policyname, schemaname, tablename) FROM pg_policies
WHERE schemaname = 'fs' AND (qual LIKE '%app.%' OR with_check LIKE '%app.%') ORDER BY tablename, policyname
\gexec
SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'fs' AND policyname NOT LIKE 'toms%' ORDER BY 1;
RESET SESSION AUTHORIZATION;
-- every table is protected but two, with every partition and child, and whole
SELECT count(*), bool_and(intact), bool_and(mode = 'enforce') FROM toms.protected_tables WHERE root = relation;
SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'fs'::regnamespace AND c.relkind IN ('r', 'p')
  AND c.oid NOT IN (SELECT relation FROM toms.protected_tables) ORDER BY 1;

-- how it works now: the token alone
SET SESSION AUTHORIZATION fs_app;
CALL fs_test.run($$SELECT set_config('toms.token', fs_test.token('{t}', '{role}'), true), set_config('toms.purpose', '{purpose}', true)$$);
RESET SESSION AUTHORIZATION;

--
-- The matrix. For each table: how to name a row, whose it is, how to change and how to add one
--
CREATE TABLE fs_test.shape (
    n       integer GENERATED ALWAYS AS IDENTITY,
    schema  text DEFAULT 'fs',
    rel     text,
    key     text,       -- of t
    tenant  text,       -- of t, or of a parent joined below
    subject text,
    health  text,
    joins   text,
    purpose text,
    change  text,       -- SET …
    row     text        -- a new row of person {u}, {x}
);
INSERT INTO fs_test.shape (rel, key, tenant, subject, health, joins, purpose, change, row) VALUES
    ('tenant', 'id', 't.id', NULL, NULL, NULL, 'account', $$name = name || '!'$$, $$(id, name) VALUES ('{t}', 'new')$$),
    ('team', 'tenant_id, t.id', 't.tenant_id', NULL, NULL, NULL, 'account', $$name = name || '!'$$, $$VALUES ('{t}', 9, 'new')$$),
    ('app_user', 'id', 't.tenant_id', 't.uuid', NULL, NULL, 'account', $$"displayName" = 'new'$$, $$(uuid, tenant_id, email) VALUES (DEFAULT, '{t}', 'new')$$),
    ('user_right', 'user_id, t."right"', 'u.tenant_id', 't.user_id', NULL, 'JOIN fs.app_user u ON u.id = t.user_id', 'account', $$"right" = "right" || '!'$$, $$VALUES ({u}, 'NEW')$$),
    ('"User Setting"', '"userUuid", t."key"', 't.tenant_id', 't."userUuid"', NULL, NULL, 'account', $$value = '0'$$, $$VALUES ('{t}', '{x}', 'new')$$),
    ('device_token', 'id', 'u.tenant_id', 't.user_id', NULL, 'JOIN fs.app_user u ON u.id = t.user_id', 'account', $$last_seen = now()$$, $$(user_id, token) VALUES ({u}, 'new {u}')$$),
    ('customer', 'id', 't.tenant_id', NULL, NULL, NULL, 'service', $$name = name || '!'$$, $$(tenant_id, number, name) VALUES ('{t}', 9, 'new')$$),
    ('customer_history', 'id', 't.tenant_id', NULL, NULL, NULL, 'service', $$verb = verb || '!'$$, $$(tenant_id, customer_id, verb) VALUES ('{t}', 0, 'new')$$),
    ('"order"', 'id', 't.tenant_id', 't.assigned_to', NULL, NULL, 'service', $$status = 'DONE'$$, $$(tenant_id, order_no, assigned_to) VALUES ('{t}', 9, {u})$$),
    ('order_item', 'id', 'o.tenant_id', NULL, NULL, 'JOIN fs."order" o ON o.id = t.order_id', 'service', $$quantity = quantity + 1$$, $$(order_id, what, quantity, price) VALUES ({k}101, 'new', 1, 1)$$),
    ('order_item_note', 'id', 'o.tenant_id', 't.author', NULL, 'JOIN fs.order_item i ON i.id = t.item_id JOIN fs."order" o ON o.id = i.order_id', 'service', $$body = 'new'$$, $$(item_id, author) VALUES ({k}201, '{x}')$$),
    ('vehicle', 'id', 't.tenant_no', NULL, NULL, NULL, 'service', $$plate = plate || '!'$$, $$(tenant_no, plate) VALUES ({t}, 'new {k}')$$),
    ('vehicle_log', 'id', 't.tenant_no', 't.driver_id', NULL, NULL, 'service', $$kilometres = 0$$, $$(tenant_no, vehicle_id, driver_id) VALUES ({t}, {k}401, {u})$$),
    ('attachment', 'id', 'coalesce(o.tenant_id, c.tenant_id, a.tenant_id)', 't.uploaded_by', $$t.owner_type = 'Absence'$$,
        $$LEFT JOIN fs."order" o ON t.owner_type = 'Order' AND o.id = t.owner_id LEFT JOIN fs.customer c ON t.owner_type = 'Customer' AND c.id = t.owner_id LEFT JOIN fs.absence a ON t.owner_type = 'Absence' AND a.id = t.owner_id$$,
        'service', $$file_name = 'new'$$, $$(owner_type, owner_id, file_name, uploaded_by) VALUES ('Order', {k}101, 'new', '{x}')$$),
    ('comment', 'id', 'coalesce(o.tenant_id, c.tenant_id)', 't.user_id', NULL,
        $$LEFT JOIN fs."order" o ON t.commentable_type = 'App\Models\Order' AND o.id = t.commentable_id LEFT JOIN fs.customer c ON t.commentable_type = 'App\Models\Customer' AND c.id = t.commentable_id$$,
        'service', $$body = 'new'$$, $$(commentable_type, commentable_id, user_id) VALUES ('App\Models\Customer', {c}101, {u})$$),
    ('absence_kind', 'id', 't.tenant_id', NULL, NULL, NULL, 'leave', $$name = name || '!'$$, $$(tenant_id, code, name) VALUES ('{t}', 'NEW', 'new')$$),
    ('holiday_calendar', 'id', 't.tenant_id', NULL, NULL, NULL, 'leave', $$region = region || '!'$$, $$(tenant_id, region) VALUES ('{t}', 'new')$$),
    ('holiday', 'calendar_id, t.day', 'c.tenant_id', NULL, NULL, 'JOIN fs.holiday_calendar c ON c.id = t.calendar_id', 'leave', $$name = name || '!'$$, $$VALUES ({k}021, '2026-12-31', 'new')$$),
    ('absence', 'id', 't.tenant_id', 't.user_id', $$t.kind IS NULL OR t.kind::text LIKE '%SICK'$$, NULL, 'leave', $$during = '[2027-01-01,2027-01-02)'$$, $$(tenant_id, user_id, kind, during) VALUES ('{t}', {u}, 'SICK', '[2026-11-01,2026-11-02)')$$),
    ('revision', 'rev', 't.tenant_id', 't.author', NULL, NULL, 'leave', $$at = now()$$, $$(tenant_id, author) VALUES ('{t}', '{x}')$$),
    ('absence_aud', 'id, t.rev', 'r.tenant_id', 't.user_id', $$t.kind IS NULL OR t.kind LIKE '%SICK'$$, 'JOIN fs.revision r ON r.rev = t.rev', 'leave', $$revtype = 9$$, $$VALUES ({u}, {k}701, 0, {u}, 'SICK')$$),
    ('booking_aud', 'id, t.rev', 'r.tenant_id', 't.user_id', NULL, 'JOIN fs.revision r ON r.rev = t.rev', 'working_time', $$revtype = 9$$, $$VALUES ({u}, {k}701, 0, {u})$$),
    ('booking', 'id, t.day, t.user_id', 't.tenant_id', 't.user_id', NULL, NULL, 'working_time', $$minutes = minutes + 1$$, $$(tenant_id, user_id, day, minutes) VALUES ('{t}', {u}, '2026-01-20', 1)$$),
    ('time_account', 'user_id', 't.tenant_id', 't.user_id', NULL, NULL, 'working_time', $$minutes = minutes + 1$$, $$VALUES ({u}, '{t}', 1) ON CONFLICT (user_id) DO UPDATE SET minutes = 1$$),
    ('document', 'id', 't.tenant_id', 't.person', NULL, NULL, 'account', $$title = title || '!'$$, $$(tenant_id, person, title) VALUES ('{t}', '{x}', 'new')$$),
    ('contract', 'id', 't.tenant_id', 't.person', NULL, NULL, 'account', $$title = title || '!'$$, $$(tenant_id, person, title) VALUES ('{t}', '{x}', 'new')$$),
    ('invoice', 'id', 't.tenant_id', 't.person', NULL, NULL, 'account', $$title = title || '!'$$, $$(tenant_id, person, title) VALUES ('{t}', '{x}', 'new ' || nextval('fs.hibernate_sequence'))$$),
    ('job_queue', 'tenant_id, t.id', 't.tenant_id', NULL, NULL, NULL, 'service', $$task = 'new'$$, $$VALUES ('{t}', 9, 'new')$$);

-- what is there, as one sees it who bypasses row security, with a reason
CREATE TABLE fs_test.before (rel text, key text, tenant text, subject text, health boolean, content text);
GRANT SELECT ON ALL TABLES IN SCHEMA fs TO fs_migration;
GRANT SELECT, INSERT ON fs_test.before TO fs_migration;
CREATE PROCEDURE fs_test.note() LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE (SELECT 'CREATE OR REPLACE FUNCTION fs_test.truth() RETURNS SETOF fs_test.before LANGUAGE plpgsql AS $truth$ BEGIN RETURN QUERY '
        || string_agg(format('SELECT %L, concat_ws('','', t.%s), (%s)::text, (%s)::text, coalesce(%s, false), t::text FROM %s.%s t %s',
                             rel, key, tenant, coalesce(subject, 'NULL'), coalesce(health, 'false'), schema, rel, joins), ' UNION ALL ' ORDER BY n)
        || '; END $truth$' FROM fs_test.shape);
    TRUNCATE fs_test.before;
    SET SESSION AUTHORIZATION fs_migration;
    PERFORM set_config('toms.reason', 'test policy_schema', true);
    INSERT INTO fs_test.before SELECT * FROM fs_test.truth();
    RESET SESSION AUTHORIZATION;
    COMMIT;
END
$$;
CALL fs_test.note();
SELECT tenant, count(*), count(DISTINCT rel) FROM fs_test.before GROUP BY tenant ORDER BY tenant;

-- runs a statement: the keys it returns, or why not
CREATE FUNCTION fs_test.attempt(statement text, OUT refusal text, OUT keys text[]) LANGUAGE plpgsql AS $$
DECLARE
    message text;
BEGIN
    IF statement LIKE 'SELECT%' THEN
        EXECUTE statement INTO keys;
    ELSE
        EXECUTE statement;
    END IF;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS refusal = CONSTRAINT_NAME, message = MESSAGE_TEXT;
    refusal := coalesce(nullif(refusal, ''), message);
END
$$;

-- what is not as it was: which rows of the relation, and how many of another tenant anywhere,
-- whether they were there before or are new
CREATE FUNCTION fs_test.changed(relation text, t text, OUT keys text[], OUT foreign_rows bigint) LANGUAGE sql AS $$
    SELECT array_agg(coalesce(b.key, a.key)) FILTER (WHERE coalesce(b.rel, a.rel) = relation),
           count(*) FILTER (WHERE b.tenant <> t OR a.tenant <> t OR b.rel IS NOT NULL AND b.tenant IS NULL OR a.rel IS NOT NULL AND a.tenant IS NULL)
    FROM fs_test.before b FULL JOIN fs_test.truth() a ON (a.rel, a.key) = (b.rel, b.key)
    WHERE a.content IS DISTINCT FROM b.content
$$;

-- one transaction of one person of one tenant: what it saw or changed of the relation
CREATE PROCEDURE fs_test.act(b integer, number text, of_role name, purpose text, relation text, statement text,
                             INOUT refusal text, INOUT keys text[], INOUT foreign_rows bigint) LANGUAGE plpgsql AS $$
BEGIN
    SET SESSION AUTHORIZATION fs_app;
    IF of_role IS NOT NULL THEN
        PERFORM set_config('toms.token', fs_test.token((100 + b)::text, of_role), true), set_config('toms.purpose', purpose, true);
    END IF;
    SELECT a.refusal, a.keys INTO refusal, keys FROM fs_test.attempt(statement) a;
    SET SESSION AUTHORIZATION fs_migration;
    PERFORM set_config('toms.reason', 'test policy_schema', true);
    IF refusal IS NOT NULL THEN
        foreign_rows := 0;
    ELSIF statement LIKE 'SELECT%' THEN
        SELECT count(*) INTO foreign_rows FROM fs_test.before t WHERE t.rel = relation AND t.key = ANY (act.keys) AND t.tenant <> (100 + b)::text;
    ELSE
        SELECT c.keys, c.foreign_rows INTO keys, foreign_rows FROM fs_test.changed(relation, (100 + b)::text) c;
    END IF;
    ROLLBACK;
END
$$;

-- which rows those are, as a letter: - refused, 0 none, o the person's own, t the tenant's, s with
-- what is for all, n the tenant's but health data, m with the person's own health data, p others of hers, q others of the tenant's, ! others
CREATE FUNCTION fs_test.letter(b integer, number text, relation text, keys text[]) RETURNS text LANGUAGE sql AS $$
    WITH truth AS (
        SELECT t.key, t.health, t.tenant IS NULL AS shared,
               t.subject = ANY (ARRAY[fs_test.fill_in('{u}', b, number), fs_test.fill_in('{x}', b, number)]) AND t.tenant IS NOT NULL AS own
        FROM fs_test.before t WHERE t.rel = relation AND (t.tenant = (100 + b)::text OR t.tenant IS NULL)
    ), sets AS (
        SELECT array_agg(key ORDER BY key) AS s, array_agg(key ORDER BY key) FILTER (WHERE NOT shared) AS t, array_agg(key ORDER BY key) FILTER (WHERE own) AS o,
               array_agg(key ORDER BY key) FILTER (WHERE NOT shared AND NOT health) AS n, array_agg(key ORDER BY key) FILTER (WHERE NOT shared AND (own OR NOT health)) AS m
        FROM truth
    )
    SELECT CASE seen WHEN t THEN 't' WHEN s THEN 's' WHEN o THEN 'o' WHEN n THEN 'n' WHEN m THEN 'm'
           ELSE CASE WHEN seen IS NULL THEN '0' WHEN seen <@ o THEN 'p' WHEN seen <@ t THEN 'q' ELSE '!' END END
    FROM sets, (SELECT array_agg(k ORDER BY k) AS seen FROM unnest(keys) k) seen
$$;

CREATE TABLE fs_test.cell (n integer, rel text, b integer, role name, verb text, letter text, refusal text, foreign_rows bigint);

CREATE PROCEDURE fs_test.fill_cell(b integer, number text, role name, verb text, shape fs_test.shape) LANGUAGE plpgsql AS $$
DECLARE
    target text := shape.schema || '.' || shape.rel;
    refusal text;
    keys text[];
    foreign_rows bigint;
    letter text;
    other record;
BEGIN
    IF verb <> 'insert' THEN
        CALL fs_test.act(b, number, role, shape.purpose, shape.rel, CASE verb
            WHEN 'select' THEN format('SELECT array_agg(concat_ws('','', t.%s)) FROM %s t', shape.key, target)
            WHEN 'update' THEN format('UPDATE %s SET %s WHERE true', target, shape.change)
            ELSE format('DELETE FROM %s WHERE true', target) END, refusal, keys, foreign_rows);
        letter := CASE WHEN refusal IS NULL THEN fs_test.letter(b, number, shape.rel, keys) ELSE '-' END;
    ELSE
        -- for herself, for another person of the tenant, for one of another tenant
        letter := '';
        FOR other IN SELECT 1 AS n, b, number UNION ALL SELECT 2, b, '002' UNION ALL SELECT 3, b % 3 + 1, '001' ORDER BY 1 LOOP
            CALL fs_test.act(b, number, role, shape.purpose, shape.rel, fs_test.fill_in(format('INSERT INTO %s %s', target, shape.row), other.b, other.number),
                             refusal, keys, foreign_rows);
            letter := letter || CASE WHEN refusal IS NULL AND keys IS NOT NULL THEN other.n::text ELSE '' END;
            IF other.n < 3 THEN
                INSERT INTO fs_test.cell VALUES (shape.n, shape.rel, b, role, 'insert for ' || other.n, NULL, refusal, foreign_rows);
                COMMIT;
            END IF;
        END LOOP;
        letter := CASE letter WHEN '' THEN '-' WHEN '1' THEN 'o' WHEN '12' THEN 't' ELSE '!' END;
    END IF;
    INSERT INTO fs_test.cell VALUES (shape.n, shape.rel, b, role, verb, letter, refusal, foreign_rows);
    COMMIT;
END
$$;

CREATE PROCEDURE fs_test.fill_matrix(relations text[] DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    shape fs_test.shape;
    p record;
BEGIN
    TRUNCATE fs_test.cell;
    COMMIT;
    FOR shape IN SELECT * FROM fs_test.shape WHERE relations IS NULL OR rel = ANY (relations) ORDER BY n LOOP
        FOR p IN SELECT b, number, role, verb FROM fs_test.person, generate_series(1, 3) b, unnest('{select,insert,update,delete}'::text[]) verb LOOP
            CALL fs_test.fill_cell(p.b, p.number, p.role, p.verb, shape);
        END LOOP;
    END LOOP;
END
$$;
\pset tuples_only off
CALL fs_test.fill_matrix();

-- a line for each table: select, insert, update and delete by each role
CREATE VIEW fs_test.matrix AS
    SELECT n, rel AS "table", b, string_agg(letter, ' ' ORDER BY array_position('{select,insert,update,delete}', verb)) FILTER (WHERE role = 'fs_employee') AS employee,
           string_agg(letter, ' ' ORDER BY array_position('{select,insert,update,delete}', verb)) FILTER (WHERE role = 'fs_dispatcher') AS dispatcher,
           string_agg(letter, ' ' ORDER BY array_position('{select,insert,update,delete}', verb)) FILTER (WHERE role = 'fs_hr') AS hr
    FROM fs_test.cell WHERE letter IS NOT NULL GROUP BY n, rel, b;
SELECT "table", employee, dispatcher, hr, count(*) AS tenants FROM fs_test.matrix GROUP BY n, "table", employee, dispatcher, hr ORDER BY n;
CREATE TABLE fs_test.was AS SELECT * FROM fs_test.cell WHERE letter IS NOT NULL;
SELECT count(*) FILTER (WHERE letter IS NOT NULL) AS cells, sum(foreign_rows) AS foreign_rows FROM fs_test.cell;
SELECT verb, refusal, count(*) FROM fs_test.cell WHERE refusal IS NOT NULL GROUP BY verb, refusal ORDER BY verb, refusal;

-- for a purpose that is the token's, but not the permission's: nothing, but where it has several
CREATE PROCEDURE fs_test.try_purposes() LANGUAGE plpgsql AS $$
DECLARE
    shape fs_test.shape;
    p record;
    refusal text;
    keys text[];
    foreign_rows bigint;
BEGIN
    TRUNCATE fs_test.cell;
    COMMIT;
    FOR shape IN SELECT * FROM fs_test.shape ORDER BY n LOOP
        FOR p IN SELECT number, role, purpose FROM fs_test.person, unnest('{service,working_time,leave,account,NULL}'::text[]) purpose
                 WHERE purpose IS DISTINCT FROM shape.purpose LOOP
            CALL fs_test.act(1, p.number, CASE WHEN p.purpose IS NOT NULL THEN p.role END, p.purpose, shape.rel, format('SELECT array_agg(1) FROM %s.%s', shape.schema, shape.rel), refusal, keys, foreign_rows);
            INSERT INTO fs_test.cell VALUES (shape.n, shape.rel, 1, p.role, coalesce(p.purpose, 'no context'), NULL, refusal);
            COMMIT;
        END LOOP;
    END LOOP;
END
$$;
CALL fs_test.try_purposes();
SELECT rel AS "table", string_agg(DISTINCT verb, ', ' ORDER BY verb) AS purposes FROM fs_test.cell WHERE refusal IS NULL GROUP BY n, rel ORDER BY n;
SELECT refusal, count(*) FROM fs_test.cell WHERE refusal IS NOT NULL GROUP BY refusal ORDER BY refusal;

--
-- What they might try. Each in a transaction of its own; of no other tenant a row is changed
--
GRANT ALL ON fs.booking_2026_02, fs.booking_2026_02_0, fs.booking_2026_02_1, fs.booking_rest TO fs_dispatcher;
CREATE TABLE fs_test.form (n integer GENERATED ALWAYS AS IDENTITY, who text, purpose text, what text, statement text, verdict text, foreign_rows bigint);
CREATE PROCEDURE fs_test.try_forms() LANGUAGE plpgsql AS $$
DECLARE
    f record;
    result text;
    others bigint;
BEGIN
    FOR f IN SELECT form.*, p.role FROM fs_test.form JOIN fs_test.person p USING (who) ORDER BY n LOOP
        SET SESSION AUTHORIZATION fs_app;
        PERFORM set_config('toms.token', fs_test.token('101', f.role), true), set_config('toms.purpose', f.purpose, true);
        result := regress.verdict(f.statement);
        SET SESSION AUTHORIZATION fs_migration;
        PERFORM set_config('toms.reason', 'test policy_schema', true);
        others := (fs_test.changed('', '101')).foreign_rows;
        ROLLBACK;
        UPDATE fs_test.form SET verdict = result, foreign_rows = others WHERE n = f.n;
        COMMIT;
    END LOOP;
END
$$;
-- order 2101 is tenant 102's; so is customer 3101. Customer 2101 is tenant 101's own.
INSERT INTO fs_test.form (who, purpose, what, statement) VALUES
    ('cleo', 'service', 'a row to another tenant', $$UPDATE fs."order" SET tenant_id = '102' WHERE id = 1103$$),
    ('cleo', 'service', 'the same, for a bigint', $$UPDATE fs.vehicle SET tenant_no = 102 WHERE id = 1401$$),
    ('cleo', 'service', 'a child to another tenant''s parent', $$UPDATE fs.order_item SET order_id = 2101 WHERE id = 1201$$),
    ('cleo', 'service', 'its child to another tenant''s parent', $$UPDATE fs.order_item_note SET item_id = 2201 WHERE id = 1301$$),
    ('cleo', 'service', 'a new child of another tenant''s parent', $$INSERT INTO fs.order_item (order_id, what, quantity, price) VALUES (2101, 'x', 1, 1)$$),
    ('cleo', 'service', 'a new child of a parent that is not there', $$INSERT INTO fs.order_item (order_id, what, quantity, price) VALUES (999999, 'x', 1, 1)$$),
    ('cleo', 'service', 'a new child on the second level', $$INSERT INTO fs.order_item_note (item_id, author) VALUES (2201, '00000000-0000-4000-8000-000000001003')$$),
    ('cleo', 'service', 'another tenant''s child to an own parent', $$UPDATE fs.order_item SET order_id = 1101 WHERE id = 2201$$),
    ('cleo', 'working_time', 'history under another tenant''s revision', $$INSERT INTO fs.booking_aud VALUES (1901, 2701, 1, 1001)$$),
    ('dora', 'account', 'a right for another tenant''s person', $$INSERT INTO fs.user_right VALUES (2001, 'HR')$$),
    ('dora', 'account', 'a right from another tenant''s person', $$DELETE FROM fs.user_right WHERE user_id = 2001$$),
    -- by type
    ('cleo', 'service', 'attached to another tenant''s order', $$INSERT INTO fs.attachment (owner_type, owner_id, file_name, uploaded_by) VALUES ('Order', 2101, 'x', '00000000-0000-4000-8000-000000001003')$$),
    ('cleo', 'service', 'attached to the own customer of that number', $$INSERT INTO fs.attachment (owner_type, owner_id, file_name, uploaded_by) VALUES ('Customer', 2101, 'x', '00000000-0000-4000-8000-000000001003')$$),
    ('cleo', 'service', 'attached to a type in other letters', $$INSERT INTO fs.attachment (owner_type, owner_id, file_name, uploaded_by) VALUES ('order', 1101, 'x', '00000000-0000-4000-8000-000000001003')$$),
    ('cleo', 'service', 'attached to a sick note', $$INSERT INTO fs.attachment (owner_type, owner_id, file_name, uploaded_by) VALUES ('Absence', 1602, 'x', '00000000-0000-4000-8000-000000001003')$$),
    ('ada', 'leave', 'attached to another tenant''s sick note', $$INSERT INTO fs.attachment (owner_type, owner_id, file_name, uploaded_by) VALUES ('Absence', 2602, 'x', '00000000-0000-4000-8000-000000001001')$$),
    ('cleo', 'service', 'type switched: order 2102 instead of customer', $$UPDATE fs.comment SET commentable_type = 'App\Models\Order' WHERE id = 1553$$),
    ('cleo', 'service', 'type and id switched to an own order', $$UPDATE fs.comment SET commentable_type = 'App\Models\Order', commentable_id = 1101 WHERE id = 1553$$),
    ('cleo', 'service', 'id switched to another tenant''s customer', $$UPDATE fs.comment SET commentable_id = 3101 WHERE id = 1553$$),
    ('cleo', 'service', 'a type that was not declared', $$UPDATE fs.comment SET commentable_type = 'App\Models\Team', commentable_id = 1 WHERE id = 1553$$),
    -- what is for all
    ('dora', 'leave', 'change what is for all', $$UPDATE fs.absence_kind SET name = 'x' WHERE id = 1$$),
    ('dora', 'leave', 'delete what is for all', $$DELETE FROM fs.holiday_calendar WHERE id = 1$$),
    ('dora', 'leave', 'new, for all', $$INSERT INTO fs.absence_kind (tenant_id, code, name) VALUES (NULL, 'x', 'x')$$),
    ('dora', 'leave', 'the own one for all', $$UPDATE fs.absence_kind SET tenant_id = NULL WHERE id = 1011$$),
    ('dora', 'leave', 'a child of what is for all', $$INSERT INTO fs.holiday VALUES (1, '2026-12-31', 'x')$$),
    ('dora', 'leave', 'a child to what is for all', $$UPDATE fs.holiday SET calendar_id = 1 WHERE calendar_id = 1021$$),
    ('dora', 'leave', 'change a child of what is for all', $$UPDATE fs.holiday SET name = 'x' WHERE calendar_id = 1$$),
    -- one's own
    ('ada', 'working_time', 'another person''s time', $$UPDATE fs.booking SET minutes = 1 WHERE user_id = 1002$$),
    ('ada', 'working_time', 'time for another person', $$INSERT INTO fs.booking (tenant_id, user_id, day, minutes) VALUES ('101', 1002, '2026-01-20', 1)$$),
    ('ada', 'working_time', 'own time to another person', $$UPDATE fs.booking SET user_id = 1002 WHERE id = 1901$$),
    ('ada', 'service', 'own order to nobody', $$UPDATE fs."order" SET assigned_to = NULL WHERE id = 1101$$),
    ('ada', 'service', 'a note in another person''s name', $$INSERT INTO fs.order_item_note (item_id, author) VALUES (1201, '00000000-0000-4000-8000-000000001002')$$),
    ('ada', 'account', 'become another person', $$UPDATE fs.app_user SET uuid = '00000000-0000-4000-8000-000000009999' WHERE id = 1001$$),
    -- health by value
    ('cleo', 'leave', 'who is sick', $$SELECT FROM fs.absence WHERE kind IN ('SICK', 'CHILD_SICK')$$),
    ('cleo', 'leave', 'who is not on vacation', $$SELECT FROM fs.absence WHERE kind <> 'VACATION' OR kind IS NULL$$),
    ('ada', 'leave', 'own sickness', $$SELECT FROM fs.absence WHERE kind = 'SICK'$$),
    -- upserts and merges
    ('dora', 'account', 'upsert into another tenant', $$INSERT INTO fs.invoice (tenant_id, title) VALUES ('101', 'invoice 1') ON CONFLICT (tenant_id, title) DO UPDATE SET tenant_id = '102'$$),
    ('dora', 'account', 'upsert of another tenant''s row', $$INSERT INTO fs.invoice (tenant_id, title) VALUES ('102', 'invoice 1') ON CONFLICT (tenant_id, title) DO UPDATE SET amount = 0$$),
    ('ada', 'account', 'upsert by a key that all share', $$INSERT INTO fs.device_token (user_id, token) VALUES (1001, 'device 2001') ON CONFLICT (token) DO UPDATE SET user_id = 1001$$),
    ('ada', 'account', 'nothing on conflict: tells that the key is taken', $$INSERT INTO fs.device_token (user_id, token) VALUES (1001, 'device 2001') ON CONFLICT DO NOTHING$$),
    ('cleo', 'service', 'merge: insert into another tenant', $$MERGE INTO fs.vehicle v USING (VALUES (1409)) n (id) ON v.id = n.id WHEN NOT MATCHED THEN INSERT VALUES (n.id, 102, 'x')$$),
    ('cleo', 'service', 'merge: move to another tenant''s parent', $$MERGE INTO fs.order_item i USING fs."order" o ON o.id = i.order_id WHEN MATCHED THEN UPDATE SET order_id = i.order_id + 1000$$),
    ('cleo', 'service', 'merge: on another tenant''s rows', $$MERGE INTO fs.order_item i USING (VALUES (2201), (2202)) n (id) ON i.id = n.id WHEN MATCHED THEN DELETE$$),
    -- from one table into another
    ('cleo', 'service', 'insert select into another tenant', $$INSERT INTO fs."order" (tenant_id, order_no) SELECT '102', order_no + 10 FROM fs."order"$$),
    ('cleo', 'service', 'insert select of all', $$INSERT INTO fs.order_item (order_id, what, quantity, price) SELECT order_id, what, quantity, price FROM fs.order_item$$),
    ('cleo', 'service', 'update from another tenant''s rows', $$UPDATE fs.order_item i SET order_id = o.id FROM fs."order" o WHERE o.tenant_id = '102'$$),
    ('cleo', 'service', 'delete using all', $$DELETE FROM fs.order_item i USING fs."order" o WHERE o.id = i.order_id$$),
    ('cleo', 'service', 'parent and child in one statement', $$WITH o AS (INSERT INTO fs."order" (id, tenant_id, order_no) VALUES (1109, '101', 9) RETURNING id) INSERT INTO fs.order_item (order_id, what, quantity, price) SELECT id, 'x', 1, 1 FROM o$$),
    ('cleo', 'service', 'one after the other', $$INSERT INTO fs."order" (id, tenant_id, order_no) VALUES (1109, '101', 9) RETURNING id; INSERT INTO fs.order_item (order_id, what, quantity, price) VALUES (1109, 'x', 1, 1)$$),
    -- views and functions
    ('cleo', 'service', 'view of the owner', $$SELECT FROM fs.open_order$$),
    ('cleo', 'service', 'function of the owner', $$SELECT FROM generate_series(2, fs.next_order_no('102'))$$),
    ('cleo', 'service', 'view: another tenant''s rows', $$UPDATE fs.my_customer SET name = 'x' WHERE tenant_id <> '101'$$),
    ('cleo', 'service', 'view: to another tenant', $$UPDATE fs.my_customer SET tenant_id = '102' WHERE true$$),
    ('cleo', 'service', 'view: insert for another tenant', $$INSERT INTO fs.my_customer (id, tenant_id, number, name) VALUES (9, '102', 9, 'x')$$),
    ('cleo', 'working_time', 'view of the caller', $$SELECT FROM fs.day_total$$),
    -- partitions and children directly
    ('cleo', 'working_time', 'middle partition', $$SELECT FROM fs.booking_2026_02$$),
    ('cleo', 'working_time', 'leaf partitions', $$SELECT FROM fs.booking_2026_02_0 UNION ALL SELECT FROM fs.booking_2026_02_1$$),
    ('cleo', 'working_time', 'insert into the middle for another tenant', $$INSERT INTO fs.booking_2026_02 (tenant_id, user_id, day, minutes) VALUES ('102', 2001, '2026-02-20', 1)$$),
    ('cleo', 'working_time', 'insert into a leaf for another tenant', $$INSERT INTO fs.booking_rest (tenant_id, user_id, day, minutes) VALUES ('102', 2001, '2026-09-20', 1)$$),
    ('cleo', 'working_time', 'insert into a leaf', $$INSERT INTO fs.booking_rest (tenant_id, user_id, day, minutes) VALUES ('101', 1001, '2026-09-20', 1)$$),
    ('cleo', 'working_time', 'update of a leaf for another tenant', $$UPDATE fs.booking_rest SET tenant_id = '102' WHERE true$$),
    ('cleo', 'working_time', 'delete from leaves', $$DELETE FROM fs.booking_rest WHERE tenant_id <> '101' OR minutes = 100$$),
    ('cleo', 'working_time', 'into another month, and tenant', $$UPDATE fs.booking SET day = '2026-02-20', tenant_id = '103' WHERE id = 1901$$),
    ('dora', 'account', 'the parent alone', $$SELECT FROM ONLY fs.document$$),
    ('dora', 'account', 'children through the parent, to another tenant', $$UPDATE fs.document SET tenant_id = '102' WHERE true$$),
    ('dora', 'account', 'insert into a child for another tenant', $$INSERT INTO fs.contract (tenant_id, title) VALUES ('103', 'x')$$),
    ('dora', 'account', 'the child, not through the parent', $$UPDATE fs.contract SET salary = 0 WHERE true$$),
    -- what keys of the application tell, and its grants leave open: explain_protection() names the keys
    ('cleo', 'service', 'a person of another tenant, by foreign key', $$SET CONSTRAINTS ALL IMMEDIATE; UPDATE fs."order" SET assigned_to = 2001 WHERE id = 1103$$),
    ('cleo', 'service', 'a person who is not there', $$SET CONSTRAINTS ALL IMMEDIATE; UPDATE fs."order" SET assigned_to = 999999 WHERE id = 1103$$),
    ('cleo', 'service', 'a plate that another tenant has', $$INSERT INTO fs.vehicle (tenant_no, plate) VALUES (101, 'XX-2401')$$),
    ('ada', 'account', 'a column that HR may change, of the own row', $$UPDATE fs.app_user SET role = 'HR' WHERE id = 1001$$);
CALL fs_test.try_forms();
SELECT who, what, verdict FROM fs_test.form ORDER BY n;
SELECT count(*) AS forms, sum(foreign_rows) AS foreign_rows FROM fs_test.form;
