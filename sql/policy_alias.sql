--
-- policy_alias: a person with two keys
--
-- Tokens hold one key of a person, the canonical one.  In tables whose subject column holds the
-- other key the person has the same rows of his own: found through the table of persons, in his
-- own tenant, and nothing else of it is told.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\set ann 'a0000000-0000-4000-8000-000000000001'
\set bob 'b0000000-0000-4000-8000-000000000002'
\set eve 'e0000000-0000-4000-8000-000000000003'
\set new 'f0000000-0000-4000-8000-000000000004'

CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
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
-- who(tenant, subject, role, tables) tells for each table which rows are seen
CREATE PROCEDURE regress.who(tenant text, subject text, role text, VARIADIC tables text[]) LANGUAGE plpgsql AS $$
DECLARE
    seen text;
BEGIN
    PERFORM toms.enter(tenant, subject, role, 'absence_management');
    SELECT string_agg(t || ' ' || regress.ids(format('SELECT id FROM hr.%I', t)), '; ') INTO seen FROM unnest(tables) t;
    RAISE NOTICE '% % of %: %', role, left(subject, 8), tenant, seen;
    COMMIT;
END
$$;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.app_user (id bigint PRIMARY KEY, uuid uuid UNIQUE NOT NULL, tenant_id text NOT NULL, name text);
INSERT INTO hr.app_user VALUES (1, :'ann', 'acme', 'Ann'), (2, :'bob', 'acme', 'Bob'), (3, :'eve', 'globex', 'Eve');
CREATE TABLE hr.absence (id integer PRIMARY KEY, tenant_id text NOT NULL, person uuid NOT NULL);        -- the canonical key
INSERT INTO hr.absence VALUES (11, 'acme', :'ann'), (12, 'acme', :'bob'), (13, 'globex', :'eve');
CREATE TABLE hr.worked (id integer PRIMARY KEY, tenant_id text NOT NULL, user_id bigint);               -- the alias
INSERT INTO hr.worked VALUES (21, 'acme', 1), (22, 'acme', 2), (23, 'globex', 3), (24, 'globex', 1), (25, 'acme', 99), (26, 'acme', NULL);
CREATE TABLE hr.small (id integer PRIMARY KEY, tenant_id text NOT NULL, user_id smallint NOT NULL);     -- the alias, narrower
INSERT INTO hr.small VALUES (31, 'acme', 1), (32, 'acme', 2), (33, 'globex', 3);
CREATE TABLE hr.letters (id integer PRIMARY KEY, tenant_id text NOT NULL, user_id varchar(20) NOT NULL);        -- the alias, written out
INSERT INTO hr.letters VALUES (41, 'acme', '1'), (42, 'acme', '02'), (43, 'acme', '2');

--
-- The same person in tables of both keys
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.app_user', tenant => 'tenant_id', subject => 'uuid');
SELECT regress.verdict($$SELECT toms.protect('hr.worked', tenant => 'tenant_id', subject => 'user_id', subject_alias => 'app_user.id')$$);    -- refused: not declared yet
SELECT toms.add_subject_alias('hr.app_user', canonical => 'uuid', alias => 'id');
SELECT toms.protect('hr.absence', tenant => 'tenant_id', subject => 'person');
SELECT toms.protect('hr.worked', tenant => 'tenant_id', subject => 'user_id', subject_alias => 'app_user.id');
SELECT toms.protect('hr.small', tenant => 'tenant_id', subject => 'user_id', subject_alias => 'hr.app_user.id');
SELECT toms.protect('hr.letters', tenant => 'tenant_id', subject => 'user_id', subject_alias => 'app_user.id');
SELECT t, toms.permit('regress_employee', t, '{select,insert,update,delete}', '{absence_management}') > 0,
       toms.permit('regress_hr', t, '{select,insert,update,delete}', '{absence_management}', scope => 'tenant') > 0
FROM unnest('{hr.absence,hr.worked,hr.small,hr.letters}'::regclass[]) t;
SELECT relation_name, action, detail FROM toms.protection_history WHERE relation_name IN ('hr.app_user', 'hr.worked') ORDER BY id DESC LIMIT 3;
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', :'ann', 'regress_employee', 'absence', 'worked', 'small', 'letters');          -- 11, 21, 31, 41
CALL regress.who('acme', :'bob', 'regress_employee', 'absence', 'worked', 'small', 'letters');          -- 12, 22, 32, 43: "02" is not how 2 is written
CALL regress.who('globex', :'eve', 'regress_employee', 'absence', 'worked', 'small');                   -- 13, 23, 33
CALL regress.who('acme', :'ann', 'regress_hr', 'absence', 'worked');                                    -- the tenant's
CALL regress.who('globex', 'HR', 'regress_hr', 'absence', 'worked');                                    -- the tenant's; "HR" is nobody's key, and need not be
-- whoever is not a person of the tenant has nothing
CALL regress.who('acme', :'new', 'regress_employee', 'absence', 'worked', 'small');                     -- unknown: none
CALL regress.who('globex', :'ann', 'regress_employee', 'absence', 'worked', 'small');                   -- Ann, in another tenant: none, not even row 24 under her number
CALL regress.who('acme', '1', 'regress_employee', 'worked', 'small', 'letters');                        -- refused: the alias is not what tokens hold
CALL regress.who('acme', upper(:'ann'), 'regress_employee', 'worked');                                  -- refused: not as the column prints it
-- the table of persons itself is not opened by it
CALL regress.who('acme', :'ann', 'regress_employee', 'app_user');                                       -- refused: no permission

-- own rows are written by the alias
BEGIN; SELECT toms.enter('acme', :'ann', 'regress_employee', 'absence_management') \gset
SELECT t, v, regress.verdict(format('INSERT INTO %s VALUES (%s)', t, v)) FROM (VALUES
    ('hr.worked', $$51, 'acme', 1$$),                                                                     -- ok
    ('hr.worked', $$52, 'acme', 2$$), ('hr.worked', $$52, 'acme', NULL$$), ('hr.worked', $$52, 'acme', 3$$),  -- refused: another's, nobody's, another tenant's
    ('hr.worked', $$52, 'globex', 1$$),                                                                   -- refused: other tenant
    ('hr.small', $$53, 'acme', 1$$), ('hr.letters', $$54, 'acme', '1'$$), ('hr.letters', $$55, 'acme', '01'$$)) v (t, v);   -- ok, ok, refused
SELECT regress.verdict('UPDATE hr.worked SET user_id = user_id WHERE true'), regress.verdict('UPDATE hr.worked SET user_id = 2 WHERE true');          -- 2 rows, refused
SELECT regress.verdict('DELETE FROM hr.worked WHERE true');                                             -- 2 rows
ROLLBACK;
BEGIN; SELECT toms.enter('acme', :'new', 'regress_employee', 'absence_management') \gset
SELECT regress.verdict($$INSERT INTO hr.worked VALUES (51, 'acme', 1)$$), regress.verdict('UPDATE hr.worked SET id = id WHERE true');      -- refused, 0 rows
ROLLBACK;
-- a person who comes in the same transaction is known in the next statement
BEGIN;
RESET SESSION AUTHORIZATION;
SET LOCAL toms.reason = 'test';
INSERT INTO hr.app_user VALUES (99, :'new', 'acme', 'New');
SET SESSION AUTHORIZATION regress_job;
SELECT toms.enter('acme', :'new', 'regress_employee', 'absence_management') \gset
SELECT regress.ids('SELECT id FROM hr.worked');                                                         -- 25
ROLLBACK;

-- through a parent too: the tenant is the parent's, the person the child's
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.detail (id integer PRIMARY KEY, worked_id integer NOT NULL REFERENCES hr.worked, user_id integer NOT NULL);
INSERT INTO hr.detail VALUES (61, 21, 1), (62, 22, 1), (63, 21, 2), (64, 24, 1);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.detail', parent => 'hr.worked', parent_key => 'worked_id', subject => 'user_id', subject_alias => 'app_user.id');
SELECT toms.permit('regress_employee', 'hr.detail', '{select}', '{absence_management}') > 0;
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', :'ann', 'regress_employee', 'detail');                                         -- 61, 62
CALL regress.who('globex', :'ann', 'regress_employee', 'detail');                                       -- none
RESET SESSION AUTHORIZATION;

--
-- Renaming and retyping
--
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.app_user RENAME id TO number;
ALTER TABLE hr.app_user RENAME uuid TO "Person's Id";
ALTER TABLE hr.app_user RENAME TO person;
SELECT regress.verdict('ALTER TABLE hr.person ALTER number TYPE integer');                              -- refused: needs an administrator
SELECT regress.verdict('ALTER TABLE hr.person DROP COLUMN number');                                     -- refused: it is a key of persons
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
ALTER TABLE hr.person ALTER number TYPE integer, ALTER "Person's Id" TYPE text;
RESET toms.reason;
SELECT relation, canonical, alias FROM toms.subject_alias;
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', :'ann', 'regress_employee', 'absence', 'worked', 'small', 'letters', 'detail'); -- as before
CALL regress.who('acme', upper(:'ann'), 'regress_employee', 'worked');                                  -- none: as text this is another person
RESET SESSION AUTHORIZATION;

--
-- Keys that are unique within a tenant only
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.member (tenant_id text NOT NULL, login text NOT NULL, number integer NOT NULL, UNIQUE (tenant_id, login), UNIQUE (number, tenant_id));
INSERT INTO hr.member VALUES ('globex', 'ann', 2), ('acme', 'ann', 1), ('acme', 'bob', 2);
CREATE TABLE hr.note (id integer PRIMARY KEY, tenant_id text NOT NULL, author bigint NOT NULL);
INSERT INTO hr.note VALUES (71, 'acme', 1), (72, 'acme', 2), (73, 'globex', 2), (74, 'globex', 1), (75, 'acme', 3);
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.add_subject_alias('hr.member', canonical => 'login', alias => 'number')$$);     -- refused: not protected, so it has no tenants
SELECT toms.protect('hr.member', tenant => 'tenant_id', subject => 'login');
SELECT toms.add_subject_alias('hr.member', canonical => 'login', alias => 'number');
SELECT toms.protect('hr.note', tenant => 'tenant_id', subject => 'author', subject_alias => 'hr.member.number');
SELECT toms.permit('regress_employee', 'hr.note', '{select}', '{absence_management}') > 0;
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', 'ann', 'regress_employee', 'note');                                            -- 71
CALL regress.who('acme', 'bob', 'regress_employee', 'note');                                            -- 72
CALL regress.who('globex', 'ann', 'regress_employee', 'note');                                          -- 73: another Ann
CALL regress.who('globex', 'bob', 'regress_employee', 'note');                                          -- none
CALL regress.who('acme', '2', 'regress_employee', 'note');                                              -- none
-- so the table of persons must stay protected as it is
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.unprotect('hr.member', reason => 'x')$$);                          -- refused
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', 'ann', 'regress_employee', 'note');                                            -- 71, never 72
-- and two persons of one name are nobody
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.member DROP CONSTRAINT member_tenant_id_login_key;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
INSERT INTO hr.member VALUES ('acme', 'ann', 3);
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', 'ann', 'regress_employee', 'note');                                            -- none
CALL regress.who('acme', 'bob', 'regress_employee', 'note');                                            -- 72
CALL regress.who('globex', 'ann', 'regress_employee', 'note');                                          -- 73
RESET SESSION AUTHORIZATION;

--
-- A table of persons that is not protected: its keys are unique by themselves
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.account (login text UNIQUE, number integer UNIQUE NOT NULL);
INSERT INTO hr.account VALUES ('carl', 1), ('dora', 2), (NULL, 3);
CREATE TABLE hr.visit (id integer PRIMARY KEY, tenant_id text NOT NULL, number bigint NOT NULL);
INSERT INTO hr.visit VALUES (81, 'acme', 1), (82, 'acme', 2), (83, 'globex', 1), (84, 'acme', 3);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.add_subject_alias('hr.account', canonical => 'login', alias => 'number');
SELECT toms.protect('hr.visit', tenant => 'tenant_id', subject => 'number', subject_alias => 'account.number');
SELECT toms.permit('regress_employee', 'hr.visit', '{select}', '{absence_management}') > 0;
SELECT toms.permit('regress_hr', 'hr.visit', '{select}', '{absence_management}', scope => 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', 'carl', 'regress_employee', 'visit');                                          -- 81
CALL regress.who('globex', 'carl', 'regress_employee', 'visit');                                        -- 83: one account in two tenants
CALL regress.who('acme', 'dora', 'regress_employee', 'visit');                                          -- 82
-- without its unique keys it tells nothing
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.account DROP CONSTRAINT account_number_key;
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', 'carl', 'regress_employee', 'visit');                                          -- none
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.account ADD UNIQUE (number);
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', 'carl', 'regress_employee', 'visit');                                          -- 81
RESET SESSION AUTHORIZATION;

--
-- What cannot be declared
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.bad (id integer PRIMARY KEY, plain integer, part integer, day date UNIQUE, deferred integer UNIQUE DEFERRABLE, mail text UNIQUE);
CREATE UNIQUE INDEX ON hr.bad (part) WHERE part > 0;
CREATE UNIQUE INDEX ON hr.bad (abs(plain));
CREATE VIEW hr.view AS SELECT * FROM hr.account;
CREATE TABLE hr.parted (id integer PRIMARY KEY, login integer) PARTITION BY RANGE (id);
SET SESSION AUTHORIZATION regress_officer;
SELECT t, c, a, regress.verdict(format('SELECT toms.add_subject_alias(%L, canonical => %L, alias => %L)', t, c, a)) FROM (VALUES
    ('hr.bad', 'mail', 'plain'), ('hr.bad', 'plain', 'id'),                                             -- refused: not unique
    ('hr.bad', 'mail', 'part'), ('hr.bad', 'mail', 'deferred'),                                         -- refused: not in all rows, not at all times
    ('hr.bad', 'mail', 'day'), ('hr.bad', 'mail', 'gone'),                                              -- refused: no type of ids, no such column
    ('hr.bad', 'id', 'id'),                                                                             -- refused: one key
    ('hr.view', 'login', 'number'), ('hr.parted', 'login', 'id')) v (t, c, a);                          -- refused: not an ordinary table
SELECT a, regress.verdict(format('SELECT toms.protect(''hr.visit'', tenant => ''tenant_id'', subject => ''number'', subject_alias => %L)', a))
FROM unnest('{account.login,account,number,nothing.number,hr.account.gone,other.account.number,""}'::text[]) a;                 -- refused: no such alias
SELECT regress.verdict($$SELECT toms.protect('hr.visit', tenant => 'tenant_id', subject_alias => 'account.number')$$);          -- refused: no subject column
SELECT relation, subject, intact FROM toms.protected_tables WHERE relation = 'hr.visit'::regclass;      -- as it was
-- an alias ends when no table uses it any more
SELECT regress.verdict($$SELECT toms.remove_subject_alias('hr.account', 'number')$$);                   -- refused: visits use it
SELECT regress.verdict($$SELECT toms.remove_subject_alias('hr.account', 'login')$$);                    -- refused: is none
-- two tables of one name: the one in the schema of the protected table is meant
RESET SESSION AUTHORIZATION;
CREATE SCHEMA other AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA other TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE other.account (login text UNIQUE, number integer UNIQUE);
INSERT INTO other.account VALUES ('carl', 2);
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.add_subject_alias('other.account', canonical => 'login', alias => 'number')$$);
SELECT toms.protect('hr.visit', tenant => 'tenant_id', subject => 'number', subject_alias => 'account.number');
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', 'carl', 'regress_employee', 'visit');                                          -- 81
RESET SESSION AUTHORIZATION;

--
-- The table of persons is dropped: nobody has rows of his own any more; HR goes on
--
SET SESSION AUTHORIZATION regress_owner;
SET client_min_messages = warning;
DROP TABLE hr.account CASCADE;
RESET client_min_messages;
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', 'carl', 'regress_employee', 'visit');                                          -- refused: not complete
CALL regress.who('acme', '1', 'regress_employee', 'visit');                                             -- refused: 1 is an alias, not a person
CALL regress.who('acme', 'HR', 'regress_hr', 'visit');                                                  -- 81, 82, 84
-- also where the declaration is gone with it, as after a dump and restore
RESET SESSION AUTHORIZATION;
DELETE FROM toms.subject_alias WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = relation);
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', '1', 'regress_employee', 'visit');                                             -- refused: 1 is an alias, not a person
CALL regress.who('acme', 'carl', 'regress_employee', 'visit');                                          -- refused: not complete
-- an officer mends it
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.visit', tenant => 'tenant_id', subject => 'number', subject_alias => 'other.account.number');
SET SESSION AUTHORIZATION regress_job;
CALL regress.who('acme', 'carl', 'regress_employee', 'visit');                                          -- 82
RESET SESSION AUTHORIZATION;

--
-- clean up
--
SELECT relation, toms.unprotect(relation, reason => 'end of test') FROM unnest('{hr.detail,hr.worked,hr.small,hr.letters,hr.absence,hr.note,hr.visit}'::regclass[]) relation;
SELECT s.relation, toms.remove_subject_alias(s.relation, s.alias) FROM toms.subject_alias s ORDER BY s.relation::text COLLATE "C";
SELECT relation, toms.unprotect(relation, reason => 'end of test') FROM toms.protected_tables ORDER BY relation::text COLLATE "C";
SELECT count(*) FROM toms.subject_alias;                                                                -- 0
SET client_min_messages = warning;
DROP SCHEMA hr, other CASCADE;
DROP FUNCTION regress.ids;
DROP PROCEDURE regress.who;
