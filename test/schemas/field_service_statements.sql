--
-- field_service_statements: what the application of field_service.sql does all day
--
-- Each line of fs_test.statement is work of one transaction: who does it, for which purpose,
-- how many rows its last statement touches, and what it says. Adoption must not change the
-- number. In the text stands {t} for the tenant's id, {k} for the first digit of its ids, {c}
-- for that of its customers, {u} and {x} for the acting person's bigint key and uuid.
--
--   CALL fs_test.run($$SELECT set_config('app.tenant_id', '{t}', true), set_config('app.user_id', '{x}', true)$$);
--   CALL fs_test.run($$SELECT toms.enter('{t}', '{x}', '{role}', '{purpose}')$$);
--
-- run every line for every tenant, after the statement that sets the context, and tell which
-- does not do what it says. Nothing stays behind. Run by a superuser.
--
CREATE SCHEMA fs_test;
GRANT USAGE ON SCHEMA fs_test TO PUBLIC;

CREATE TABLE fs_test.person (who text PRIMARY KEY, number text NOT NULL, role name NOT NULL);
INSERT INTO fs_test.person VALUES ('ada', '001', 'fs_employee'), ('cleo', '003', 'fs_dispatcher'), ('dora', '004', 'fs_hr');

CREATE TABLE fs_test.statement (
    n         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    who       text NOT NULL REFERENCES fs_test.person,
    purpose   text NOT NULL,
    rows      bigint NOT NULL,
    statement text NOT NULL
);
GRANT SELECT ON fs_test.person, fs_test.statement TO PUBLIC;

-- the text for the b-th tenant and one of its persons
CREATE FUNCTION fs_test.fill_in(template text, b integer, number text) RETURNS text LANGUAGE sql IMMUTABLE RETURN
    replace(replace(replace(replace(replace(template,
        '{t}', (100 + b)::text), '{k}', b::text), '{c}', (b % 3 + 1)::text),
        '{u}', b || number), '{x}', '00000000-0000-4000-8000-00000000' || b || number);

-- runs all statements, and says what differs
CREATE PROCEDURE fs_test.run(context text) LANGUAGE plpgsql AS $$
DECLARE
    s record;
    touched bigint;
    failure text;
    n integer := 0;
    good integer := 0;
BEGIN
    FOR s IN SELECT l.*, p.number, p.role, b FROM fs_test.statement l JOIN fs_test.person p USING (who), generate_series(1, 3) b ORDER BY l.n, b LOOP
        n := n + 1;
        failure := NULL;
        BEGIN
            EXECUTE fs_test.fill_in(replace(replace(context, '{role}', s.role), '{purpose}', s.purpose), s.b, s.number);
            EXECUTE fs_test.fill_in(s.statement, s.b, s.number);
            GET DIAGNOSTICS touched = ROW_COUNT;
        EXCEPTION WHEN OTHERS THEN
            failure := SQLERRM;
        END;
        IF failure IS NULL AND touched = s.rows THEN
            good := good + 1;
        ELSE
            RAISE NOTICE '% % of tenant %: % instead of % by: %', s.n, s.who, 100 + s.b, coalesce(failure, touched || ' rows'), s.rows,
                fs_test.fill_in(s.statement, s.b, s.number);
        END IF;
        ROLLBACK;
    END LOOP;
    RAISE NOTICE '% of % as they should be', good, n;
END
$$;

--
-- Ada works outside
--
INSERT INTO fs_test.statement (who, purpose, rows, statement)
SELECT 'ada', 'service', rows, statement FROM (VALUES
    (1, $$SELECT o.order_no, o.status, c.name FROM fs."order" o JOIN fs.customer c ON c.id = o.customer_id WHERE o.assigned_to = {u}$$),
    (1, $$SELECT order_no, customer FROM fs.open_order WHERE tenant_id = '{t}' AND assigned_to = {u}$$),
    (2, $$SELECT i.what, i.quantity, i.amount FROM fs.order_item i JOIN fs."order" o ON o.id = i.order_id WHERE o.id = {k}101 AND o.assigned_to = {u}$$),
    (1, $$INSERT INTO fs.order_item (order_id, what, quantity, price) VALUES ({k}101, 'bolt', 4, 0.5) RETURNING id, amount$$),
    (2, $$UPDATE fs.order_item SET quantity = quantity + 1 WHERE order_id = {k}101$$),
    (1, $$INSERT INTO fs.order_item_note (item_id, author, body) VALUES ({k}202, '{x}', 'was stuck') RETURNING id$$),
    (1, $$UPDATE fs.order_item_note SET body = body || ', again' WHERE id = {k}301$$),
    (1, $$SELECT n.body, u."displayName" FROM fs.order_item_note n JOIN fs.order_item i ON i.id = n.item_id JOIN fs.app_user u ON u.uuid = n.author WHERE i.order_id = {k}101$$),
    (1, $$UPDATE fs."order" SET status = 'DONE' WHERE id = {k}101 AND assigned_to = {u} RETURNING updated_at$$),
    (2, $$SELECT file_name FROM fs.attachment WHERE owner_type = 'Order' AND owner_id = {k}101 ORDER BY id$$),
    (1, $$INSERT INTO fs.attachment (owner_type, owner_id, file_name, uploaded_by) VALUES ('Order', {k}101, 'after.jpg', '{x}') RETURNING id$$),
    (1, $$SELECT c.body FROM fs.comment c WHERE (c.commentable_type, c.commentable_id) = ('App\Models\Order', {k}101)$$),
    (1, $$INSERT INTO fs.comment (commentable_type, commentable_id, user_id, body) VALUES ('App\Models\Customer', {c}101, {u}, 'ring twice') RETURNING *$$),
    (1, $$SELECT v.plate, l.kilometres FROM fs.vehicle_log l JOIN fs.vehicle v ON v.id = l.vehicle_id WHERE l.driver_id = {u}$$),
    (1, $$INSERT INTO fs.vehicle_log (tenant_no, vehicle_id, driver_id, position, kilometres) VALUES ({t}, {k}401, {u}, '(3,4)', 12)$$)
    ) of_ada (rows, statement);

INSERT INTO fs_test.statement (who, purpose, rows, statement)
SELECT 'ada', 'working_time', rows, statement FROM (VALUES
    (3, $$SELECT day, minutes FROM fs.booking WHERE user_id = {u} ORDER BY day$$),
    (1, $$SELECT sum(minutes) FROM fs.day_total WHERE user_id = {u} AND day BETWEEN '2026-01-01' AND '2026-01-31'$$),
    (1, $$INSERT INTO fs.booking (tenant_id, user_id, day, minutes) VALUES ('{t}', {u}, '2026-02-10', 480) RETURNING id$$),
    (1, $$UPDATE fs.booking SET minutes = 470, note = 'left early' WHERE id = {k}901 AND day = '2026-01-07' AND user_id = {u}$$),
    (1, $$UPDATE fs.booking SET day = '2026-02-08' WHERE id = {k}901 AND user_id = {u} RETURNING day$$),                       -- another month
    (1, $$INSERT INTO fs.time_account AS a (user_id, tenant_id, minutes) VALUES ({u}, '{t}', 15) ON CONFLICT (user_id) DO UPDATE SET minutes = a.minutes + excluded.minutes RETURNING minutes$$),
    (1, $$INSERT INTO fs.revision (tenant_id, author) VALUES ('{t}', '{x}'); INSERT INTO fs.booking_aud VALUES ({k}901, currval('fs.hibernate_sequence'), 1, {u}, '2026-01-07', 470)$$)
    ) of_ada (rows, statement);

INSERT INTO fs_test.statement (who, purpose, rows, statement)
SELECT 'ada', 'leave', rows, statement FROM (VALUES
    (3, $$SELECT code, name FROM fs.absence_kind WHERE tenant_id = '{t}' OR tenant_id IS NULL ORDER BY code$$),
    (3, $$SELECT h.day, h.name FROM fs.holiday h JOIN fs.holiday_calendar c ON c.id = h.calendar_id WHERE h.day >= '2026-01-01'$$),
    (2, $$SELECT kind, during, approved FROM fs.absence WHERE user_id = {u} ORDER BY during$$),
    (1, $$INSERT INTO fs.absence (tenant_id, user_id, kind, during) VALUES ('{t}', {u}, 'VACATION', '[2026-10-01,2026-10-03)') RETURNING id$$),
    (1, $$INSERT INTO fs.absence (tenant_id, user_id, kind, during) VALUES ('{t}', {u}, 'SICK', '[2026-03-01,2026-03-02)') RETURNING id$$),
    (0, $$INSERT INTO fs.absence (tenant_id, user_id, kind, during, approved) VALUES ('{t}', {u}, 'VACATION', '[2026-07-01,2026-07-02)', true) ON CONFLICT (user_id, lower(during)) WHERE approved DO NOTHING$$),
    (1, $$UPDATE fs.absence SET during = '[2026-01-07,2026-01-10)' WHERE id = {k}602 AND user_id = {u}$$),
    (1, $$DELETE FROM fs.absence WHERE id = {k}602 AND user_id = {u}$$),
    (0, $$DELETE FROM fs.absence WHERE id = {k}601 AND user_id = {u}$$),                                                       -- approved: the application keeps it
    (1, $$INSERT INTO fs.attachment (owner_type, owner_id, file_name, uploaded_by) VALUES ('Absence', {k}602, 'sick_note_2.pdf', '{x}') RETURNING id$$),
    (1, $$INSERT INTO fs.revision (tenant_id, author) VALUES ('{t}', '{x}') RETURNING rev; INSERT INTO fs.absence_aud VALUES ({k}602, lastval(), 1, {u}, 'SICK', '[2026-01-07,2026-01-10)')$$)
    ) of_ada (rows, statement);

INSERT INTO fs_test.statement (who, purpose, rows, statement)
SELECT 'ada', 'account', rows, statement FROM (VALUES
    (1, $$SELECT u.id, u.uuid, u.email, t.name, array(SELECT r."right" FROM fs.user_right r WHERE r.user_id = u.id) FROM fs.app_user u JOIN fs.tenant t ON t.id = u.tenant_id WHERE u.uuid = '{x}'$$),
    (1, $$UPDATE fs.app_user SET "displayName" = 'Ada L.' WHERE id = {u} AND uuid = '{x}'$$),
    (1, $$INSERT INTO fs."User Setting" VALUES ('{t}', '{x}', 'language', '"de"')$$),
    (1, $$INSERT INTO fs."User Setting" VALUES ('{t}', '{x}', 'theme', '"blue"') ON CONFLICT ("userUuid", "key") DO UPDATE SET value = excluded.value RETURNING value$$),
    (1, $$INSERT INTO fs.device_token (user_id, token) VALUES ({u}, 'device {u}') ON CONFLICT (token) DO UPDATE SET last_seen = now()$$),
    (1, $$DELETE FROM fs.device_token WHERE user_id = {u}$$),
    (2, $$SELECT title FROM fs.document WHERE person = '{x}'$$),
    (1, $$INSERT INTO fs.job_queue (tenant_id, id, task) VALUES ('{t}', 3, 'mail')$$),
    (2, $$SELECT code FROM fs.country$$)
    ) of_ada (rows, statement);

--
-- Cleo plans
--
INSERT INTO fs_test.statement (who, purpose, rows, statement)
SELECT 'cleo', 'service', rows, statement FROM (VALUES
    (3, $$SELECT o.order_no, o.status, c.name, u."displayName" FROM fs."order" o JOIN fs.customer c ON c.id = o.customer_id LEFT JOIN fs.app_user u ON u.id = o.assigned_to ORDER BY o.order_no$$),
    (3, $$SELECT u.id, count(o.id), sum(i.amount) FROM fs.app_user u LEFT JOIN fs."order" o ON o.assigned_to = u.id LEFT JOIN fs.order_item i ON i.order_id = o.id WHERE u.role <> 'HR' GROUP BY u.id$$),
    (3, $$SELECT o.id, (SELECT count(*) FROM fs.attachment a WHERE a.owner_type = 'Order' AND a.owner_id = o.id), (SELECT count(*) FROM fs.comment c WHERE c.commentable_type = 'App\Models\Order' AND c.commentable_id = o.id) FROM fs."order" o$$),
    (1, $$INSERT INTO fs."order" (tenant_id, order_no, customer_id) VALUES ('{t}', fs.next_order_no('{t}'), {c}102) RETURNING id, order_no$$),
    (1, $$UPDATE fs."order" SET assigned_to = {k}002, status = 'PLANNED' WHERE id = {k}103 RETURNING *$$),
    (2, $$INSERT INTO fs.order_item (order_id, what, quantity, price) SELECT {k}103, what, quantity, price FROM fs.order_item WHERE order_id = {k}101$$),
    (1, $$DELETE FROM fs.order_item i USING fs."order" o WHERE o.id = i.order_id AND o.order_no = 2 AND o.tenant_id = '{t}'$$),
    (2, $$UPDATE fs.order_item i SET price = price * 1.1 FROM fs."order" o WHERE o.id = i.order_id AND o.id = {k}101$$),
    (1, $$UPDATE fs."order" SET status = 'CANCELLED' WHERE id = {k}101; DELETE FROM fs.comment c USING fs."order" o WHERE c.commentable_type = 'App\Models\Order' AND c.commentable_id = o.id AND o.status = 'CANCELLED'$$),
    (1, $$DELETE FROM fs."order" WHERE id = {k}103$$),
    (1, $$DELETE FROM fs."order" WHERE id = {k}101$$),                                                                         -- with its items and their notes
    (2, $$SELECT file_name FROM fs.attachment a JOIN fs."order" o ON a.owner_type = 'Order' AND a.owner_id = o.id WHERE o.id = {k}101$$),
    (1, $$SELECT file_name FROM fs.attachment a JOIN fs.customer c ON a.owner_type = 'Customer' AND a.owner_id = c.id$$),
    (1, $$INSERT INTO fs.attachment (owner_type, owner_id, file_name, uploaded_by) VALUES ('Customer', {c}102, 'keys.pdf', '{x}') RETURNING id$$),
    (1, $$DELETE FROM fs.attachment WHERE owner_type = 'Order' AND owner_id = {k}101 AND file_name = 'photo.jpg'$$),
    (1, $$INSERT INTO fs.customer (tenant_id, number, name, email) VALUES ('{t}', 1, 'Bakery', 'new@bakery.example') ON CONFLICT (tenant_id, number) DO UPDATE SET name = excluded.name, email = excluded.email RETURNING id$$),
    (1, $$INSERT INTO fs.customer (tenant_id, number, name) VALUES ('{t}', 3, 'Library') RETURNING id$$),
    (2, $$SELECT number, name FROM fs.my_customer WHERE tenant_id = '{t}'$$),
    (1, $$UPDATE fs.my_customer SET name = name || ' & Sons' WHERE number = 2 AND tenant_id = '{t}'$$),
    (2, $$UPDATE fs.customer SET deleted_at = now() WHERE number = 1; SELECT verb FROM fs.customer_history WHERE customer_id = {c}101$$),                                                      -- its history by trigger
    (1, $$INSERT INTO fs.customer (tenant_id, number, name) VALUES ('{t}', 4, 'Error'); DELETE FROM fs.customer WHERE number = 4$$),
    (2, $$MERGE INTO fs.vehicle v USING (VALUES ({k}401, 'YY-{k}401'), ({k}409, 'YY-{k}409')) n (id, plate) ON v.id = n.id WHEN MATCHED THEN UPDATE SET plate = n.plate WHEN NOT MATCHED THEN INSERT (id, tenant_no, plate) VALUES (n.id, {t}, n.plate)$$),
    (2, $$SELECT l.kilometres, v.plate FROM fs.vehicle_log l JOIN fs.vehicle v ON v.tenant_no = l.tenant_no AND v.id = l.vehicle_id$$),
    (1, $$UPDATE fs.job_queue SET taken_at = now() WHERE (tenant_id, id) = (SELECT tenant_id, id FROM fs.job_queue WHERE taken_at IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING task, payload$$),
    (1, $$DELETE FROM fs.job_queue WHERE id = 1$$)
    ) of_cleo (rows, statement);

INSERT INTO fs_test.statement (who, purpose, rows, statement)
SELECT 'cleo', 'working_time', rows, statement FROM (VALUES
    (6, $$SELECT b.day, b.minutes, u."displayName" FROM fs.booking b JOIN fs.app_user u ON u.id = b.user_id ORDER BY b.day$$),
    (2, $$SELECT user_id, sum(minutes) FROM fs.day_total WHERE day < '2026-03-01' GROUP BY user_id$$),
    (1, $$UPDATE fs.booking SET minutes = minutes - 30 WHERE id = {k}904 AND day = '2026-02-07'; INSERT INTO fs.revision (tenant_id, author) VALUES ('{t}', '{x}'); INSERT INTO fs.booking_aud SELECT id, currval('fs.hibernate_sequence'), 1, user_id, day, minutes FROM fs.booking WHERE id = {k}904$$),
    (2, $$SELECT a.minutes, r.author FROM fs.booking_aud a JOIN fs.revision r USING (rev)$$),
    (1, $$DELETE FROM fs.booking WHERE id = {k}905 AND day = '2026-03-07'$$),
    (1, $$INSERT INTO fs.booking (tenant_id, user_id, day, minutes) VALUES ('{t}', {k}002, '2026-01-08', 60) RETURNING *$$)
    ) of_cleo (rows, statement);

INSERT INTO fs_test.statement (who, purpose, rows, statement)
SELECT 'cleo', 'leave', rows, statement FROM (VALUES
    (2, $$SELECT user_id, during FROM fs.absence WHERE kind IN ('VACATION', 'SPECIAL') AND during && '[2026-01-01,2027-01-01)'$$),
    (3, $$SELECT c.region, h.day FROM fs.holiday_calendar c JOIN fs.holiday h ON h.calendar_id = c.id$$)
    ) of_cleo (rows, statement);

--
-- Dora is HR
--
INSERT INTO fs_test.statement (who, purpose, rows, statement)
SELECT 'dora', 'leave', rows, statement FROM (VALUES
    (5, $$SELECT a.kind, a.during, u."displayName" FROM fs.absence a JOIN fs.app_user u ON u.id = a.user_id ORDER BY a.during$$),
    (2, $$SELECT u.team_id, a.kind, count(*) FROM fs.absence a JOIN fs.app_user u ON u.id = a.user_id WHERE a.kind IN ('SICK', 'CHILD_SICK') GROUP BY u.team_id, a.kind$$),
    (1, $$UPDATE fs.absence SET approved = true WHERE id = {k}604 RETURNING updated_at$$),
    (1, $$UPDATE fs.absence SET kind = 'SICK' WHERE id = {k}605$$),
    (1, $$DELETE FROM fs.absence WHERE id = {k}603; INSERT INTO fs.revision (tenant_id, author) VALUES ('{t}', '{x}'); INSERT INTO fs.absence_aud (id, rev, revtype) VALUES ({k}603, currval('fs.hibernate_sequence'), 2)$$),
    (4, $$SELECT h.id, h.kind, r.at, r.author FROM fs.absence_aud h JOIN fs.revision r ON r.rev = h.rev WHERE r.tenant_id = '{t}' ORDER BY h.rev$$),
    (1, $$SELECT file_name FROM fs.attachment WHERE owner_type = 'Absence' AND owner_id = {k}602$$),
    (1, $$INSERT INTO fs.absence_kind (tenant_id, code, name) VALUES ('{t}', 'PARENT_DAY', 'Parents') ON CONFLICT (tenant_id, code) WHERE tenant_id IS NOT NULL DO UPDATE SET name = excluded.name$$),
    (1, $$INSERT INTO fs.holiday_calendar (id, tenant_id, region) VALUES ({k}29, '{t}', 'north'); INSERT INTO fs.holiday VALUES ({k}29, '2026-10-31', 'Reformation') RETURNING day$$),
    (1, $$DELETE FROM fs.holiday WHERE calendar_id = {k}021 AND day = '2026-12-24'$$)
    ) of_dora (rows, statement);

INSERT INTO fs_test.statement (who, purpose, rows, statement)
SELECT 'dora', 'account', rows, statement FROM (VALUES
    (4, $$SELECT u.email, t.name FROM fs.app_user u LEFT JOIN fs.team t ON t.tenant_id = u.tenant_id AND t.id = u.team_id$$),
    (1, $$INSERT INTO fs.app_user (tenant_id, email, role, team_id, manager_id) VALUES ('{t}', 'eve@example.com', 'EMPLOYEE', 1, {k}003) RETURNING id, uuid; INSERT INTO fs.user_right SELECT id, 'BOOK' FROM fs.app_user WHERE email = 'eve@example.com'$$),
    (1, $$UPDATE fs.app_user SET team_id = 2 WHERE id = {k}002$$),
    (1, $$DELETE FROM fs.user_right WHERE user_id = {k}003 AND "right" = 'PLAN'$$),
    (1, $$INSERT INTO fs.team VALUES ('{t}', 3, 'Store') RETURNING id$$),
    (5, $$SELECT d.tableoid::regclass, d.title FROM fs.document d WHERE d.tenant_id = '{t}'$$),
    (1, $$UPDATE fs.contract SET salary = salary + 100 WHERE tenant_id = '{t}' AND person = '00000000-0000-4000-8000-00000000{k}002' RETURNING salary$$),
    (1, $$INSERT INTO fs.invoice (tenant_id, title, amount) VALUES ('{t}', 'invoice 1', 90) ON CONFLICT (tenant_id, title) DO UPDATE SET amount = excluded.amount$$)
    ) of_dora (rows, statement);

INSERT INTO fs_test.statement (who, purpose, rows, statement)
SELECT 'dora', 'working_time', rows, statement FROM (VALUES
    (3, $$SELECT u.email, a.minutes FROM fs.time_account a JOIN fs.app_user u ON u.id = a.user_id WHERE a.tenant_id = '{t}'$$),
    (1, $$UPDATE fs.time_account SET minutes = 0 WHERE user_id = {k}002 AND tenant_id = '{t}'$$),
    (3, $$SELECT user_id, sum(minutes) FROM fs.booking GROUP BY user_id$$)
    ) of_dora (rows, statement);
