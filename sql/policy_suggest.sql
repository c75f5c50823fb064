--
-- policy_suggest: toms.suggest() prints the script that adopts toms for a schema
--
-- The promise: it names every table once; what it prints runs as it stands, protects what holds
-- data of tenants and persons in observe mode, and changes nothing for the application, neither
-- while it is observed nor, its statements being legitimate, when it is enforced.  What it does
-- not know it says.  It shows no data and runs nobody's code.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SELECT current_user AS superuser \gset
SET client_min_messages = warning;

-- the lines about tables, without permissions, which are tested apart
CREATE FUNCTION regress.suggested(schema regnamespace, pattern text DEFAULT '') RETURNS SETOF text LANGUAGE sql AS $$
    SELECT line FROM toms.suggest(schema) WITH ORDINALITY s (line, n)
    WHERE line ~ pattern AND line !~ 'toms\.permit\(|^-- (Adopts|as a superuser|purpose|Now run|When nothing)|no role but its owner' ORDER BY n
$$;
-- runs the script as it is printed, and tells which tables are protected then
CREATE FUNCTION regress.adopt(schema regnamespace) RETURNS SETOF regclass LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN SELECT toms.suggest(schema) LOOP
        EXECUTE line;
    END LOOP;
    RETURN QUERY SELECT p.relation FROM toms.protected_tables p JOIN pg_class c ON c.oid = p.relation
        WHERE c.relnamespace = schema AND p.root = p.relation AND p.mode = 'observe' ORDER BY p.relation::text COLLATE "C";
END
$$;

--
-- The whole of a small script
--
CREATE SCHEMA shop;
CREATE TABLE shop.tenant (id text PRIMARY KEY, name text);
CREATE TABLE shop.app_user (id integer PRIMARY KEY, uuid uuid NOT NULL UNIQUE, tenant_id text NOT NULL REFERENCES shop.tenant);
CREATE TABLE shop.absence (id integer PRIMARY KEY, tenant_id text NOT NULL, user_id integer NOT NULL REFERENCES shop.app_user, kind text, days integer);
CREATE TABLE shop.remark (absence_id integer NOT NULL REFERENCES shop.absence, words text);
CREATE TABLE shop.country (code text PRIMARY KEY);
INSERT INTO shop.tenant VALUES ('acme', 'ACME GmbH'), ('hooli', 'Hooli AG');
INSERT INTO shop.app_user VALUES (1, '00000000-0000-4000-8000-000000000001', 'acme');
INSERT INTO shop.absence VALUES (1, 'acme', 1, 'HOLIDAY', 9), (2, 'acme', 1, 'SICK', 2);
GRANT SELECT ON shop.app_user, shop.absence TO regress_employee;
GRANT SELECT, INSERT, UPDATE (days) ON shop.absence TO regress_hr;
GRANT SELECT, DELETE ON shop.remark TO regress_hr;
SELECT toms.suggest('shop');
SELECT regress.adopt('shop');
SELECT relation, tenant, subject, parents, parent_key, category, mode FROM toms.protected_tables WHERE relation::text ~ '^shop' ORDER BY relation::text;
SELECT tenant, name FROM toms.tenant WHERE tenant = 'hooli';                -- registered, acme was before

-- again: what is protected stays as it is, and looking at it leaves no record
SELECT toms.reset_would_refuse();
SELECT regress.suggested('shop');
SELECT count(*) FROM toms.would_refuse WHERE relation::text ~ '^shop';      -- 0

--
-- The tenant's column: by the name that most tables have, by the keys that refer to the tenants
--
CREATE SCHEMA names;
CREATE TABLE names.companies (id integer PRIMARY KEY, "companyName" text);
CREATE TABLE names.employees (id integer PRIMARY KEY, company_id integer NOT NULL REFERENCES names.companies, email text);
CREATE TABLE names.customers (id integer PRIMARY KEY, company_id integer NOT NULL, name text);
CREATE TABLE names."TimeEntry" ("companyId" integer NOT NULL, id integer PRIMARY KEY, "createdBy" integer, "employeeId" integer NOT NULL);
CREATE TABLE names.orders (id integer PRIMARY KEY, company_id integer, customer_id integer, approved_by integer, created_by integer);
CREATE TABLE names.branch (id integer PRIMARY KEY, belongs_to integer REFERENCES names.companies, city text);
CREATE TABLE names.archive (id integer PRIMARY KEY, company_id character(8), words text);
CREATE TABLE names.login_attempt (at timestamptz, ip inet);
CREATE TABLE names.currency (code text PRIMARY KEY, digits integer);
CREATE TABLE names.flyway_schema_history (installed_rank integer PRIMARY KEY, installed_by text);
CREATE MATERIALIZED VIEW names.turnover AS SELECT company_id, count(*) FROM names.orders GROUP BY 1;
SELECT regress.suggested('names');
SELECT regress.adopt('names');

-- where no name tells, by the table that the others must refer to: to be decided
CREATE SCHEMA clinic;
CREATE TABLE clinic.practice (id uuid PRIMARY KEY, title text);
CREATE TABLE clinic.patient (id uuid PRIMARY KEY, practice_id uuid NOT NULL REFERENCES clinic.practice, name text);
CREATE TABLE clinic.visit (id uuid PRIMARY KEY, practice_id uuid NOT NULL REFERENCES clinic.practice, patient_id uuid REFERENCES clinic.patient);
SELECT regress.suggested('clinic');
-- where nothing tells, nothing is protected
CREATE SCHEMA plain;
CREATE TABLE plain.address (id integer PRIMARY KEY, email text);
CREATE TABLE plain.unit (id integer PRIMARY KEY, symbol text);
SELECT regress.suggested('plain');
-- where the name tells nothing, what leads the keys is proposed, and an officer says it. Persons are told by the name of their
-- key; since that is unique in a tenant only, it leads to none
CREATE SCHEMA chat;
CREATE TABLE chat.users (server_host text, username text, PRIMARY KEY (server_host, username));
CREATE TABLE chat.roster (server_host text, username text, friend text, PRIMARY KEY (server_host, username, friend));
CREATE TABLE chat.node (id integer PRIMARY KEY, host text);
CREATE TABLE chat.node_owner (id integer REFERENCES chat.node, owner text);
SELECT regress.suggested('chat', '^-- decide: no column');
SELECT line FROM toms.suggest('chat', tenant => 'server_host') line WHERE line ~ 'chat|tenants|give|goes';
SELECT line FROM toms.suggest('chat', tenant => 'realm') line WHERE line ~ 'realm';       -- of no table yet
-- what has been said by protecting one table need not be said again of the others
SELECT toms.protect('chat.users', tenant => 'server_host', subject => 'username', mode => 'observe');
ALTER TABLE chat.node ADD COLUMN server_host text DEFAULT toms.current_tenant();
SELECT regress.adopt('chat');

-- by policies that ask for a setting or a function: with a token they go by the token, without
-- one by the setting as before; other settings stay the application's
CREATE SCHEMA asked AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE FUNCTION asked."the realm"() RETURNS bigint LANGUAGE sql STABLE AS $$SELECT current_setting('app.realm')::bigint$$;
CREATE TABLE asked.users (id uuid PRIMARY KEY, realm bigint NOT NULL DEFAULT current_setting('app.realm')::bigint, name text);
CREATE TABLE asked.note (id bigint PRIMARY KEY, realm bigint NOT NULL, user_id uuid NOT NULL);
CREATE TABLE asked.paragraph (note_id bigint NOT NULL REFERENCES asked.note, body text);
CREATE TABLE asked.plan (id bigint PRIMARY KEY, world bigint NOT NULL);
CREATE POLICY p ON asked.users USING (realm = asked."the realm"());
CREATE POLICY p ON asked.note USING (realm = nullif(current_setting('app.realm', true), '')::bigint AND (user_id = current_setting('app.user')::uuid OR current_setting('app.role', true) = 'admin'));
CREATE POLICY p ON asked.paragraph USING (EXISTS (SELECT FROM asked.note n WHERE n.id = note_id AND n.realm = current_setting('app.realm')::bigint));
CREATE POLICY p ON asked.plan FOR SELECT USING (current_setting('app.realm')::bigint = world);
CREATE POLICY r ON asked.plan AS RESTRICTIVE USING (id > 0);
INSERT INTO asked.users VALUES ('00000000-0000-4000-8000-000000000001', 1), ('00000000-0000-4000-8000-000000000002', 2);
ALTER TABLE asked.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE asked.note ENABLE ROW LEVEL SECURITY;
CREATE VIEW asked.everybody AS SELECT id, realm FROM asked.users;
GRANT USAGE ON SCHEMA asked TO regress_employee;
GRANT SELECT, INSERT ON asked.users TO regress_employee;
GRANT SELECT ON asked.everybody TO regress_employee;
RESET SESSION AUTHORIZATION;
SELECT regress.suggested('asked');
SELECT regress.adopt('asked');
SELECT count(toms.add_tenant(t, name => t)) FROM unnest('{1,2}'::text[]) t;
SELECT toms.allow_enter('regress_job', '{1,2}', '{regress_employee}') > 0;
SELECT toms.enforce('asked');
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('1', '00000000-0000-4000-8000-000000000001', 'regress_employee', 'application') \gset
SELECT realm FROM asked.users;                                              -- 1, and app.realm is not set
SELECT realm FROM asked.everybody;                                          -- 1, by the view's owner, and by the token
INSERT INTO asked.users (id) VALUES ('00000000-0000-4000-8000-000000000003') RETURNING realm;  -- 1
SET LOCAL app.realm = 2;
SELECT realm FROM asked.users;                                              -- 1, 1: the setting does not count beside a token
ROLLBACK;
RESET SESSION AUTHORIZATION;

--
-- The persons: the table that most refer to; a uuid is what tokens carry, other keys are aliases
--
CREATE SCHEMA people;
CREATE TABLE people.department (id integer PRIMARY KEY, tenant_id text NOT NULL, head integer);
CREATE TABLE people.employee (id integer PRIMARY KEY, department_id integer NOT NULL REFERENCES people.department, login text NOT NULL UNIQUE, public_id uuid NOT NULL UNIQUE);
ALTER TABLE people.department ADD FOREIGN KEY (head) REFERENCES people.employee;
CREATE TABLE people.shift (tenant_id text NOT NULL, worker integer NOT NULL REFERENCES people.employee, created_by integer REFERENCES people.employee);
CREATE TABLE people.badge (tenant_id text NOT NULL, owner text REFERENCES people.employee (login));
CREATE TABLE people.wish (tenant_id text NOT NULL, employee uuid, id integer PRIMARY KEY);
CREATE TABLE people.visitor (tenant_id text NOT NULL, visitor_id integer, id integer PRIMARY KEY);
SELECT regress.suggested('people', 'people');
SELECT regress.adopt('people');

--
-- Tables without a tenant column: by the surest references, over several levels, by key or by name
--
CREATE SCHEMA ways;
CREATE TABLE ways.app_user (id integer PRIMARY KEY, tenant_id integer NOT NULL);
CREATE TABLE ways.project (id integer PRIMARY KEY, tenant_id integer NOT NULL);
CREATE TABLE ways.task (id integer PRIMARY KEY, project_id integer NOT NULL REFERENCES ways.project, created_by integer NOT NULL REFERENCES ways.app_user);
CREATE TABLE ways.step (id integer PRIMARY KEY, user_id integer NOT NULL REFERENCES ways.app_user, task_id integer NOT NULL);     -- no foreign key
CREATE TABLE ways.remark (step_id integer REFERENCES ways.step, words text);                                      -- may be NULL, is not
CREATE TABLE ways.memo (project_id integer REFERENCES ways.project, app_user_id integer REFERENCES ways.app_user);  -- either is NULL
CREATE TABLE ways.holiday (day date PRIMARY KEY, created_by integer NOT NULL REFERENCES ways.app_user);
CREATE TABLE ways.lost_step (step_id integer NOT NULL, words text);                                               -- some steps are gone
CREATE TABLE ways.setting (app_user_id integer PRIMARY KEY, words text);
-- of several tables: what is there, what a CHECK allows, a name that is no table's, nothing yet
CREATE TABLE ways.photo (id integer PRIMARY KEY, subject_type text NOT NULL, subject_id integer NOT NULL);
CREATE TABLE ways.mention (source_type text NOT NULL CHECK (source_type IN ('Task', 'Step')), source_id bigint NOT NULL);
CREATE TABLE ways.reaction (target_kind text NOT NULL, target_id integer NOT NULL);
CREATE TABLE ways.link ("linkedType" text NOT NULL, "linkedId" integer NOT NULL);
CREATE TABLE ways.django_content_type (id integer PRIMARY KEY, model text);
CREATE TABLE ways.tagged (content_type_id integer REFERENCES ways.django_content_type, object_id integer);
INSERT INTO ways.project VALUES (1, 1);
INSERT INTO ways.app_user VALUES (1, 1);
INSERT INTO ways.task VALUES (1, 1, 1);
INSERT INTO ways.step VALUES (1, 1, 1);
INSERT INTO ways.remark VALUES (1);
INSERT INTO ways.memo VALUES (NULL, 1), (1, NULL);
INSERT INTO ways.lost_step VALUES (1), (2);
INSERT INTO ways.photo VALUES (1, 'Step', 1), (2, 'App\Models\Project', 1), (3, 'tasks', 1);
INSERT INTO ways.reaction VALUES ('Photo', 1), ('Ghost', 2);
SELECT regress.suggested('ways', 'ways|decide');
SELECT regress.adopt('ways');

--
-- Rows without a tenant: shared if none of them tells of a person, else nobody's
--
CREATE SCHEMA nulls;
CREATE TABLE nulls.users (id integer PRIMARY KEY, tenant_id integer);
CREATE TABLE nulls.template (id integer PRIMARY KEY, tenant_id integer, user_id integer, title text);
CREATE TABLE nulls.draft (id integer PRIMARY KEY, tenant_id integer, user_id integer, title text);
CREATE TABLE nulls.event (id integer PRIMARY KEY, tenant_id integer, payload jsonb);
CREATE TABLE nulls.job (id integer PRIMARY KEY, tenant_id integer);
CREATE TABLE nulls.calendar (id integer PRIMARY KEY, tenant_id integer);
CREATE TABLE nulls.holiday (calendar_id integer NOT NULL REFERENCES nulls.calendar, day date);
CREATE TABLE nulls.form (id integer PRIMARY KEY, tenant_id integer, title text);
CREATE TABLE nulls.question (id integer PRIMARY KEY, form_id integer NOT NULL REFERENCES nulls.form, question text);
CREATE TABLE nulls.answer (question_id integer NOT NULL REFERENCES nulls.question, user_id integer);
INSERT INTO nulls.users VALUES (1, 1), (2, NULL);
INSERT INTO nulls.template VALUES (1, NULL, NULL, 'for all'), (2, 1, 1, 'mine');
INSERT INTO nulls.draft VALUES (1, NULL, 1, 'whose?');
INSERT INTO nulls.event VALUES (1, NULL, '{}');
INSERT INTO nulls.calendar VALUES (1, NULL);
INSERT INTO nulls.form VALUES (1, NULL, 'for all, but not the answers');
SELECT regress.suggested('nulls', 'nulls|decide');
SELECT regress.adopt('nulls');

--
-- Categories, by names; rows that are health data by value, by the names of kinds
--
CREATE SCHEMA kinds;
CREATE TYPE kinds.reason AS ENUM ('holiday', 'Krank', 'child sick');
CREATE TABLE kinds.users (id integer PRIMARY KEY, tenant_id integer NOT NULL, password_hash text);
CREATE TABLE kinds.absence (tenant_id integer NOT NULL, user_id integer, reason kinds.reason);
CREATE TABLE kinds.absence_log (tenant_id integer NOT NULL, user_id integer, reason text, is_sick boolean);
CREATE TABLE kinds.next_year (tenant_id integer NOT NULL, user_id integer, reason text);       -- empty
CREATE TABLE kinds.vehicle (tenant_id integer NOT NULL, reason text);                          -- the same word, nothing in common
CREATE TABLE kinds.diagnosis (tenant_id integer NOT NULL, user_id integer, reason text);
CREATE TABLE kinds.trip (tenant_id integer NOT NULL, user_id integer, start_latitude float);
CREATE TABLE kinds.api_token (tenant_id integer NOT NULL, user_id integer);
CREATE TABLE kinds.payee (tenant_id integer NOT NULL, iban text);
CREATE TABLE kinds.reminder (tenant_id integer NOT NULL, invoice_id integer);
INSERT INTO kinds.absence_log VALUES (1, 1, 'holiday'), (1, 1, 'KUR');
INSERT INTO kinds.vehicle VALUES (1, 'leased');
SELECT regress.suggested('kinds', 'trust|kinds\.');
SELECT regress.adopt('kinds');
GRANT SELECT ON kinds.absence TO regress_employee;
SELECT line FROM toms.suggest('kinds') line WHERE line ~ 'permit\(.*kinds\.absence''';      -- none: it is protected

--
-- Grants become permissions for the tenant's rows, and nothing else does
--
CREATE ROLE "regress ""quoted""";
CREATE ROLE regress_login_owner LOGIN;
CREATE SCHEMA rights;
CREATE TABLE rights.note (tenant_id integer NOT NULL, x text, y text, reason text CHECK (reason IN ('other', 'sick')));
CREATE TABLE rights.own (tenant_id integer NOT NULL);
CREATE TABLE rights.part (tenant_id integer NOT NULL) PARTITION BY LIST (tenant_id);
CREATE TABLE rights.part_1 PARTITION OF rights.part FOR VALUES IN (1);
ALTER TABLE rights.own OWNER TO regress_login_owner;
GRANT SELECT, INSERT, TRUNCATE, REFERENCES ON rights.note TO "regress ""quoted""";
GRANT UPDATE (x) ON rights.note TO "regress ""quoted""";
GRANT ALL ON rights.note TO regress_migration;                              -- bypasses row security
GRANT SELECT ON rights.note TO PUBLIC, regress_app;                         -- regress_app is a log-in
GRANT SELECT ON rights.part_1 TO regress_hr;
SELECT line FROM toms.suggest('rights', purpose => 'it''s "odd", {really}') line WHERE line ~ 'permit|PUBLIC|privileges|purpose';
SELECT regress.adopt('rights');

--
-- Names and values are somebody's text: quoted where they count, on one line where they do not,
-- and what is no name of a kind is not shown
--
CREATE SCHEMA hostile;
CREATE TABLE hostile.users (id integer PRIMARY KEY, tenant_id integer NOT NULL);
CREATE TABLE hostile.U&"x\000a; DROP TABLE hostile.users; --" (tenant_id integer NOT NULL, U&"user\000a'id" integer, kind text);
CREATE TABLE hostile."$$; ""drop" (tenant_id integer NOT NULL, U&"'; \0021 \\ kind" text);
CREATE TABLE hostile.talk (tenant_id integer NOT NULL, user_id integer, reason text, about_type text NOT NULL, about_id integer NOT NULL);
CREATE TABLE hostile.talk_part (about_type text NOT NULL, about_id integer NOT NULL);
INSERT INTO hostile.U&"x\000a; DROP TABLE hostile.users; --" VALUES (1, 1, U&'sick\000a'')); DROP TABLE hostile.users; --');
INSERT INTO hostile."$$; ""drop" VALUES (1, 'SICK');
INSERT INTO hostile.talk VALUES (1, 1, 'sick of his job, says Ms Miller', 'users', 1), (1, 1, 'sick', 'users', 1);
INSERT INTO hostile.talk_part VALUES ('a letter to Ms Miller', 1);
CREATE POLICY U&"p\000adrop" ON hostile."$$; ""drop" USING (tenant_id = current_setting('app.x')::integer AND U&"'; \0021 \\ kind" <> U&'\000adrop table'' \\ ');
SELECT regress.suggested('hostile', '^-- (?!persons|tenants|decide: register)');
SELECT count(*) FROM toms.suggest('hostile') line WHERE line ~ 'Miller' OR line ~ '^--.*\n';    -- 0
SELECT regress.adopt('hostile');
SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = 'hostile."$$; ""drop"'::regclass AND polname !~ '^toms_';   -- the literal is what it was

-- it reads with a superuser's rights, and so no table on which somebody has put code
CREATE SCHEMA traps AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE FUNCTION traps.snap(x integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE WARNING 'run by a superuser';
    END IF;
    RETURN x;
END
$$;
CREATE DOMAIN traps.small AS integer CHECK (traps.snap(VALUE) < 9);
CREATE TABLE traps.by_index (tenant_id integer, kind text);
CREATE TABLE traps.by_check (tenant_id integer, kind text);
CREATE TABLE traps.by_domain (tenant_id integer, kind text, n integer);
CREATE TABLE traps.by_statistics (tenant_id integer, kind text);
CREATE TABLE traps.by_partition (tenant_id integer, kind text) PARTITION BY LIST (traps.snap(tenant_id));
CREATE TABLE traps.innocent (tenant_id integer, kind text, n traps.small);
CREATE INDEX ON traps.by_index (tenant_id) WHERE traps.snap(1) = 1;
CREATE INDEX ON traps.by_domain ((n::traps.small));
ALTER TABLE traps.by_check ADD CHECK (tenant_id > traps.snap(0));
CREATE STATISTICS traps.s ON traps.snap(tenant_id), kind FROM traps.by_statistics;
\c - regress_officer
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SELECT line FROM toms.suggest('traps') line WHERE line ~ 'traps|decide: its';     -- no WARNING; by_… is not looked at, innocent is
\c - :superuser
\set SHOW_CONTEXT never
SET client_min_messages = warning;

--
-- Officers call it, nobody else; and it wants a schema and a purpose
--
SET SESSION AUTHORIZATION regress_app;
SELECT regress.verdict($$SELECT toms.suggest('shop')$$);
RESET SESSION AUTHORIZATION;
SELECT regress.verdict($$SELECT toms.suggest('no_such_schema')$$);
SELECT regress.verdict($$SELECT toms.suggest(NULL)$$);
SELECT regress.verdict($$SELECT toms.suggest('shop', purpose => '')$$);

--
-- The application of policy_schema: 30 tables that nobody designed for toms.  No line is edited
--
\set ECHO none
\i test/schemas/field_service.sql
\i test/schemas/field_service_statements.sql
\set ECHO all
RESET client_min_messages;
CREATE TABLE fs_test.token (tenant text, role name, token text);
GRANT SELECT ON fs_test.token TO PUBLIC;
CREATE FUNCTION fs_test.token(of_tenant text, of_role name) RETURNS text LANGUAGE sql STABLE AS
    'SELECT token FROM fs_test.token WHERE (tenant, role) = (of_tenant, of_role)';
\set tokens `for b in 1 2 3; do for p in 001:employee 003:dispatcher 004:hr; do echo "10$b fs_${p#*:} $(test/mint.sh '{"tenant":"10'$b'","sub":"00000000-0000-4000-8000-00000000'$b${p%:*}'","role":"fs_'${p#*:}'","purpose":"application","exp":NOW+3000}')"; done; done`
INSERT INTO fs_test.token SELECT split_part(line, ' ', 1), split_part(line, ' ', 2), split_part(line, ' ', 3) FROM regexp_split_to_table(:'tokens', '\n') line;

CREATE TABLE fs_test.script AS SELECT * FROM toms.suggest('fs') WITH ORDINALITY s (line, n);
SELECT line FROM fs_test.script WHERE line !~ 'permit\(' ORDER BY n;
SELECT count(*) FROM fs_test.script WHERE line ~ 'permit\(';
-- each table once, but for those that go with another
SELECT c.oid::regclass, count(line)
FROM pg_class c LEFT JOIN fs_test.script ON line ~ format('^-- ((not protected|decide): )?%s: ', regexp_replace(c.oid::regclass::text, '(\W)', '\\\1', 'g'))
WHERE c.relnamespace = 'fs'::regnamespace AND c.relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
GROUP BY 1 HAVING count(line) <> 1;
SET client_min_messages = warning;
\set ECHO none
\o /dev/null
SELECT toms.suggest('fs') \gexec
\o
\set ECHO all
RESET client_min_messages;
SELECT count(*), bool_and(mode = 'observe') FROM toms.protected_tables WHERE root = relation AND relation::text ~ '^fs\.';

-- observed, the application does what it did, as long as it sets what it did
SET SESSION AUTHORIZATION fs_app;
CALL fs_test.run($$SELECT set_config('app.tenant_id', '{t}', true), set_config('app.user_id', '{x}', true)$$);
RESET SESSION AUTHORIZATION;
-- and when it sets a token instead; then nothing of it would be refused
SELECT toms.reset_would_refuse();
SET SESSION AUTHORIZATION fs_app;
CALL fs_test.run($$SELECT set_config('toms.token', fs_test.token('{t}', '{role}'), true)$$);
RESET SESSION AUTHORIZATION;
SELECT * FROM toms.would_refuse;
-- enforced, it still does
SELECT toms.enforce('fs');
SELECT count(*), bool_and(mode = 'enforce' AND intact) FROM toms.protected_tables WHERE root = relation AND relation::text ~ '^fs\.';
SET SESSION AUTHORIZATION fs_app;
CALL fs_test.run($$SELECT set_config('toms.token', fs_test.token('{t}', '{role}'), true)$$);
-- and without a token nothing
SELECT set_config('app.tenant_id', '101', false) \gset
SELECT regress.verdict('SELECT FROM fs.customer');
RESET app.tenant_id;
RESET SESSION AUTHORIZATION;

--
-- clean up
--
SET client_min_messages = warning;
SELECT toms.distrust_function('pg_catalog.enum_eq(anyenum,anyenum)', reason => 'end of the test');
SET toms.reason = 'end of the test';
DROP SCHEMA shop, names, clinic, plain, chat, asked, people, ways, nulls, kinds, rights, hostile, traps, fs_test, fs CASCADE;
DROP FUNCTION regress.suggested, regress.adopt;
DROP ROLE "regress ""quoted""", regress_login_owner;
UPDATE toms.enter_permission SET ended_at = now(), ended_by = session_user WHERE tenants = '{1,2}';
DELETE FROM toms.tenant WHERE tenant IN ('1', '2', 'hooli');
