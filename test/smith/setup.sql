-- Protected tables of each form, with two tenants and two persons each.  What hr of acme must not see says canary_of_globex,
-- what employee 17 must not see besides says canary_of_18, and what is past its period says canary_of_nobody.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'canary_of_globex AG');
SELECT toms.add_code_catalogue('kinds', '{sickness,nursing,vacation}');
CREATE ROLE smith_owner;
CREATE ROLE hr;
CREATE ROLE employee;
CREATE ROLE smith_hr LOGIN IN ROLE hr;
CREATE ROLE smith_employee LOGIN IN ROLE employee;
-- the context is given as a start-up option; errors are the client's, who sends little else
ALTER ROLE smith_hr SET toms.session_context = on;
ALTER ROLE smith_employee SET toms.session_context = on;
ALTER ROLE smith_hr SET log_min_messages = log;
ALTER ROLE smith_employee SET log_min_messages = log;

CREATE SCHEMA hr AUTHORIZATION smith_owner;
GRANT USAGE ON SCHEMA hr TO hr, employee;
SET SESSION AUTHORIZATION smith_owner;
CREATE TABLE hr.employee (tenant text, employee integer, name text, born date, salary numeric, data jsonb, tags text[], PRIMARY KEY (tenant, employee));
CREATE TABLE hr.absence (tenant text, id integer, employee integer NOT NULL, first_day date, sick toms.health_flag, kind toms.health_code('kinds'), since toms.health_date,
    said toms.sealed_text, scan toms.sealed_bytea, PRIMARY KEY (tenant, id), FOREIGN KEY (tenant, employee) REFERENCES hr.employee);
CREATE TABLE hr.visit (tenant text NOT NULL, id integer NOT NULL, employee integer NOT NULL, day date NOT NULL, note text, said toms.sealed_text) PARTITION BY RANGE (day);
CREATE TABLE hr.visit_before PARTITION OF hr.visit FOR VALUES FROM (MINVALUE) TO ('2000-01-01');
CREATE TABLE hr.visit_since PARTITION OF hr.visit DEFAULT;
CREATE TABLE hr.shift (tenant text NOT NULL, id integer NOT NULL, employee integer NOT NULL, kind text NOT NULL, note text, hours numeric);
CREATE TABLE hr.orders (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, item text, cents bigint);
CREATE TABLE hr.order_item (id integer PRIMARY KEY, orders integer NOT NULL REFERENCES hr.orders, note text, place point);
CREATE INDEX ON hr.order_item (orders);
CREATE TABLE hr.message (tenant text NOT NULL, id integer NOT NULL, employee integer NOT NULL, sent_at timestamptz NOT NULL, body text);
CREATE TABLE hr.country (code text PRIMARY KEY, name text);
INSERT INTO hr.country VALUES ('DE', 'Deutschland'), ('AT', 'Österreich');
GRANT SELECT ON hr.country TO hr, employee;
RESET SESSION AUTHORIZATION;

SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'employee', category => 'health', free_text => 'sealed');
SELECT toms.protect(t, tenant => 'tenant', subject => 'employee') FROM unnest('{hr.visit,hr.shift,hr.orders,hr.message}'::regclass[]) t;
SELECT toms.protect('hr.order_item', parent => 'hr.orders', parent_key => 'orders');
-- open at first, to see that what is open is found
SELECT toms.protect('hr.employee', tenant => 'tenant', subject => 'employee', mode => 'observe');
SELECT toms.label_rows('hr.shift', condition => $$kind = 'SICK'$$, category => 'health');
SELECT toms.permit('hr', t, '{select,insert,update,delete}', '{work}', scope => 'tenant') FROM unnest('{hr.employee,hr.absence,hr.visit,hr.shift,hr.orders,hr.order_item,hr.message}'::regclass[]) t;
SELECT toms.permit('employee', t, '{select,insert,update,delete}', '{work}', scope => 'own') FROM unnest('{hr.employee,hr.absence,hr.visit,hr.shift,hr.orders,hr.message}'::regclass[]) t;
SELECT toms.permit('hr', 'hr.shift', '{select}', '{work}', scope => 'tenant', categories => '{personal,health}');
SELECT toms.retain('hr.message', keep => '105 days', since => 'sent_at');

-- views of both kinds, a view with plain types, functions that read as the owner and as the caller
SELECT toms.create_plain_view('hr.absence', 'hr.absence_plain');
SET SESSION AUTHORIZATION smith_owner;
CREATE VIEW hr.directory WITH (security_invoker = true) AS SELECT e.tenant, e.employee, e.name, a.first_day, a.kind FROM hr.employee e JOIN hr.absence a USING (tenant, employee);
CREATE VIEW hr.roster AS SELECT e.name, s.kind, s.note, s.hours FROM hr.shift s JOIN hr.employee e USING (tenant, employee);
CREATE FUNCTION hr.name_of(integer) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT max(name) FROM hr.employee WHERE employee = $1';
CREATE FUNCTION hr.items(integer) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM hr.order_item i JOIN hr.orders o ON i.orders = o.id WHERE o.employee = $1';
GRANT SELECT ON hr.directory, hr.roster TO hr, employee;
GRANT SELECT, INSERT, UPDATE, DELETE ON hr.absence_plain TO hr, employee;
RESET SESSION AUTHORIZATION;

SET toms.reason = 'first load';
CREATE TEMP TABLE person AS
SELECT tenant, employee, word, number, day
FROM (VALUES ('acme', 17, 'word_of_17', 1017, date '2001-01-17'), ('acme', 18, 'canary_of_18', 876543210, '1888-08-08'),
             ('globex', 17, 'canary_of_globex', 987654321, '1887-07-07'), ('globex', 18, 'canary_of_globex', 987654321, '1887-07-07')) p (tenant, employee, word, number, day);
INSERT INTO hr.employee SELECT tenant, employee, word, day, number, jsonb_build_object(word, number), ARRAY[word, tenant] FROM person;
INSERT INTO hr.absence SELECT tenant, row_number() OVER (), employee, day, true, 'sickness', day, word, convert_to(word, 'UTF8') FROM person, generate_series(1, 5);
INSERT INTO hr.visit SELECT tenant, row_number() OVER (), employee, day + n * 40000, word, word FROM person, generate_series(0, 1) n, generate_series(1, 5);
INSERT INTO hr.shift SELECT tenant, row_number() OVER (), employee, kind, word, number FROM person, unnest('{SICK,WORK}'::text[]) kind, generate_series(1, 3);
INSERT INTO hr.orders SELECT row_number() OVER (), tenant, employee, word, number FROM person, generate_series(1, 5);
INSERT INTO hr.order_item SELECT o.id * 10 + n, o.id, word, point(number, number) FROM hr.orders o JOIN person USING (tenant, employee), generate_series(1, 3) n;
INSERT INTO hr.message SELECT tenant, row_number() OVER (), employee, now(), word FROM person, generate_series(1, 5);
INSERT INTO hr.message SELECT tenant, 1000 + row_number() OVER (), employee, now() - interval '200 days', 'canary_of_nobody' FROM person, generate_series(1, 5);
ANALYZE;

-- everything that there is, in one word
CREATE FUNCTION public.contents() RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(t, ',' ORDER BY t)) FROM (
        SELECT md5(x::text) FROM hr.employee x UNION ALL SELECT md5(x::text) FROM hr.absence x UNION ALL SELECT md5(x::text) FROM hr.visit x
        UNION ALL SELECT md5(x::text) FROM hr.shift x UNION ALL SELECT md5(x::text) FROM hr.orders x UNION ALL SELECT md5(x::text) FROM hr.order_item x
        UNION ALL SELECT md5(x::text) FROM hr.message x UNION ALL SELECT md5(x::text) FROM hr.country x) s (t) $$;
REVOKE ALL ON FUNCTION public.contents() FROM PUBLIC;
