--
-- guard_carried: what a foreign key does stays within the tenant
--
-- PostgreSQL carries out ON UPDATE and ON DELETE past all policies, and whoever may change the table that is referred to
-- says what.  The promise: rows of another tenant are neither given to one's own, nor changed or deleted by it, whether
-- somebody acts for a tenant or for none, and whoever owns the tables; and nobody's code sees them meanwhile.
-- Administrators may, with a reason.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA carried AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA carried TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE carried.customer (id text PRIMARY KEY);            -- of the application, not protected
CREATE TABLE carried.team (id integer PRIMARY KEY);             -- nor is this
CREATE TABLE carried.note (
    id     integer PRIMARY KEY,
    tenant text NOT NULL REFERENCES carried.customer ON UPDATE CASCADE ON DELETE CASCADE,
    team   integer REFERENCES carried.team ON UPDATE CASCADE ON DELETE SET NULL,
    words  text
);
INSERT INTO carried.customer VALUES ('acme'), ('globex');
INSERT INTO carried.team VALUES (1), (2);
INSERT INTO carried.note VALUES (1, 'acme', 1, 'ours'), (2, 'globex', 2, 'theirs');
-- a partition for each tenant: a row whose tenant changes goes from one to another
CREATE TABLE carried.sorted (tenant text NOT NULL REFERENCES carried.customer ON UPDATE CASCADE, words text) PARTITION BY LIST (tenant);
CREATE TABLE carried.sorted_acme PARTITION OF carried.sorted FOR VALUES IN ('acme');
CREATE TABLE carried.sorted_other PARTITION OF carried.sorted DEFAULT;
-- no tenant column: whose its rows are, their note tells
CREATE TABLE carried.line (note integer NOT NULL REFERENCES carried.note ON UPDATE CASCADE ON DELETE CASCADE, team integer REFERENCES carried.team ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO carried.sorted VALUES ('acme', 'ours'), ('globex', 'theirs');
INSERT INTO carried.line VALUES (1, NULL), (2, 2);
GRANT ALL ON ALL TABLES IN SCHEMA carried TO regress_hr;
RESET SESSION AUTHORIZATION;
SELECT toms.protect('carried.note', tenant => 'tenant');
SELECT toms.protect('carried.sorted', tenant => 'tenant');
SELECT toms.protect('carried.line', parent => 'carried.note', parent_key => 'note');
SELECT count(toms.permit('regress_hr', r, '{select,insert,update,delete}', '{absence_management}', 'tenant')) AS permitted
FROM unnest('{carried.note,carried.sorted,carried.line}'::regclass[]) r;

-- Injected SQL, in the context of acme: the customer's name leaves, and globex takes it
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT regress.verdict($$UPDATE carried.customer SET id = 'former' WHERE id = 'acme'$$);       -- refused: one's own rows, to nobody
SELECT regress.verdict($$DELETE FROM carried.note WHERE id = 1$$);                             -- ok, and its line
SELECT regress.verdict($$UPDATE carried.customer SET id = 'former' WHERE id = 'acme'$$);       -- refused still, for the row in a partition
SELECT regress.verdict($$DELETE FROM carried.sorted WHERE tenant = 'acme'$$);                  -- ok
SELECT regress.verdict($$DELETE FROM carried.customer WHERE id = 'acme'$$);                    -- ok: nothing refers to it any more
SELECT regress.verdict($$UPDATE carried.customer SET id = 'acme' WHERE id = 'globex'$$);       -- refused: their rows would be ours
SELECT * FROM carried.note;                                                                    -- none
ROLLBACK;

-- Nor does it delete or change theirs, or take what they refer to
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT regress.verdict($$DELETE FROM carried.customer WHERE id = 'globex'$$);                  -- refused
SELECT regress.verdict($$DELETE FROM carried.team WHERE id = 2$$);                             -- refused
SELECT regress.verdict($$UPDATE carried.team SET id = 3 WHERE id = 2$$);                       -- refused
-- one's own go along as ever
SELECT regress.verdict($$DELETE FROM carried.sorted WHERE tenant = 'acme'$$);                  -- ok
SELECT regress.verdict($$UPDATE carried.team SET id = 3 WHERE id = 1$$);                       -- ok
SELECT * FROM carried.note;                                                                    -- of team 3
SELECT regress.verdict($$DELETE FROM carried.customer WHERE id = 'acme'$$);                    -- ok
SELECT count(*) FROM carried.note;                                                             -- 0
ROLLBACK;

-- A line has no tenant column: it is of whom its note is, as long as that is there
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE carried.note DROP CONSTRAINT note_team_fkey;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT regress.verdict($$DELETE FROM carried.team WHERE id = 2$$);                             -- refused: their line
SELECT regress.verdict($$UPDATE carried.team SET id = 3 WHERE id = 2$$);                       -- refused
INSERT INTO carried.line VALUES (1, 1);
SELECT regress.verdict($$UPDATE carried.team SET id = 3 WHERE id = 1$$);                       -- ok
SELECT regress.verdict($$UPDATE carried.note SET id = 3 WHERE id = 1$$);                       -- ok, its lines follow
SELECT * FROM carried.line ORDER BY team;                                                      -- of note 3, one of team 3
SELECT regress.verdict($$DELETE FROM carried.team WHERE id = 3$$);                             -- ok, with the line
SELECT regress.verdict($$DELETE FROM carried.sorted WHERE tenant = 'acme'$$);                  -- ok
SELECT regress.verdict($$DELETE FROM carried.customer WHERE id = 'acme'$$);                    -- ok: the note, and the line with it
SELECT count(*) FROM carried.line;                                                             -- 0
ROLLBACK;

-- Without a context, as the owner of all of it
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict($$DELETE FROM carried.customer WHERE id = 'globex'$$);                  -- refused
SELECT regress.verdict($$UPDATE carried.team SET id = id + 10$$);                              -- refused
SELECT regress.verdict($$DELETE FROM carried.team$$);                                          -- refused, for the line that refers to it
CREATE TABLE carried.lever (id integer PRIMARY KEY);
INSERT INTO carried.lever VALUES (1), (2);
ALTER TABLE carried.note ADD CONSTRAINT lever FOREIGN KEY (id) REFERENCES carried.lever ON DELETE CASCADE NOT VALID;   -- refused
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
ALTER TABLE carried.note ADD CONSTRAINT lever FOREIGN KEY (id) REFERENCES carried.lever ON DELETE CASCADE NOT VALID;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict($$DELETE FROM carried.lever$$);                                         -- refused
ALTER TABLE carried.note DROP CONSTRAINT lever;
-- Nor does a trigger of the owner's give a row away that a foreign key changes
CREATE FUNCTION carried.give_away() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_table_name = 'line' THEN
        new.note := 2;
    ELSE
        new.tenant := 'globex';
    END IF;
    RETURN new;
END
$$;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
ALTER TABLE carried.note ADD CONSTRAINT note_team_fkey FOREIGN KEY (team) REFERENCES carried.team ON UPDATE CASCADE;
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;
CREATE TRIGGER give_away BEFORE UPDATE ON carried.note FOR EACH ROW EXECUTE FUNCTION carried.give_away();
CREATE TRIGGER give_away BEFORE UPDATE ON carried.line FOR EACH ROW EXECUTE FUNCTION carried.give_away();
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT regress.verdict($$UPDATE carried.team SET id = 3 WHERE id = 1$$);                       -- refused: a note of team 1
INSERT INTO carried.team VALUES (5);
INSERT INTO carried.line VALUES (1, 5);
SELECT regress.verdict($$UPDATE carried.team SET id = 3 WHERE id = 5$$);                       -- refused: a line of team 5
ROLLBACK;
SET SESSION AUTHORIZATION regress_owner;
DROP FUNCTION carried.give_away() CASCADE;
RESET SESSION AUTHORIZATION;

-- An administrator without a reason, and with one
SELECT regress.verdict($$DELETE FROM carried.customer WHERE id = 'globex'$$);                  -- refused
SET toms.reason = 'the customer has another name';
SELECT regress.verdict($$UPDATE carried.customer SET id = 'globex2' WHERE id = 'globex'$$);    -- ok
SELECT * FROM carried.note ORDER BY id;
RESET toms.reason;

--
-- Nobody's code sees their rows meanwhile: neither a trigger of the table that is referred to, which runs when the foreign
-- key has done its work, nor a trigger, a check or an index of the protected table.  Each of them says here what it sees.
--
SET client_min_messages = error;
SET SESSION AUTHORIZATION regress_owner;
CREATE FUNCTION carried.look() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    seen text;
BEGIN
    EXECUTE format('SELECT string_agg(words, '', '') FROM carried.%s', tg_argv[0]) INTO seen;
    RAISE WARNING 'after % of %, there is: %', lower(tg_op), tg_table_name, coalesce(seen, 'nothing');
    RETURN NULL;
END
$$;
CREATE FUNCTION carried.tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING '% % of %: %', lower(tg_when), lower(tg_op), tg_table_name, old.words;
    RETURN coalesce(new, old);
END
$$;
CREATE FUNCTION carried.tell(place text, words text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING '%: %', place, words;
    RETURN words;
END
$$;
CREATE TABLE carried.action (id integer, what text);
INSERT INTO carried.action VALUES (1, 'ON UPDATE CASCADE'), (2, 'ON UPDATE SET NULL'), (3, 'ON UPDATE SET DEFAULT'),
    (4, 'ON DELETE CASCADE'), (5, 'ON DELETE SET NULL'), (6, 'ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED');
DO $do$
DECLARE
    a carried.action;
BEGIN
    FOR a IN SELECT * FROM carried.action LOOP
        EXECUTE format($$
            CREATE TABLE carried.plan_%1$s (id integer PRIMARY KEY);
            CREATE TABLE carried.task_%1$s (tenant text NOT NULL, plan integer DEFAULT 0 REFERENCES carried.plan_%1$s %2$s,
                                            words text CHECK (carried.tell('check', words) <> ''));
            CREATE INDEX ON carried.task_%1$s (plan, carried.tell('index', words));
            INSERT INTO carried.plan_%1$s VALUES (0), (1), (2);
            INSERT INTO carried.task_%1$s VALUES ('acme', 1, 'ours'), ('globex', 2, 'theirs');
            CREATE TRIGGER zz_look AFTER UPDATE OR DELETE ON carried.plan_%1$s FOR EACH ROW EXECUTE FUNCTION carried.look('task_%1$s');
            CREATE TRIGGER tell_before BEFORE UPDATE OR DELETE ON carried.task_%1$s FOR EACH ROW EXECUTE FUNCTION carried.tell();
            CREATE TRIGGER zz_tell_after AFTER UPDATE OR DELETE ON carried.task_%1$s FOR EACH ROW EXECUTE FUNCTION carried.tell()$$, a.id, a.what);
    END LOOP;
END
$do$;
GRANT ALL ON ALL TABLES IN SCHEMA carried TO regress_hr;
RESET SESSION AUTHORIZATION;
SELECT count(toms.protect(format('carried.task_%s', id)::regclass, tenant => 'tenant')) AS protected,
       count(toms.permit('regress_hr', format('carried.task_%s', id), '{select}', '{absence_management}', 'tenant')) AS permitted
FROM carried.action;
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT what, regress.verdict(format(CASE WHEN what LIKE 'ON UPDATE%' THEN 'UPDATE carried.plan_%s SET id = id + 10 WHERE id = %s'
                                         ELSE 'DELETE FROM carried.plan_%s WHERE id = %s' END, id, plan))
FROM carried.action, unnest('{2,1}'::integer[]) plan ORDER BY id, plan DESC;                   -- refused where it is theirs, and no word of them
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
-- The customer's name again: their rows would be ours to read, in the same partition
SET SESSION AUTHORIZATION regress_owner;
CREATE TRIGGER zz_look AFTER UPDATE OR DELETE ON carried.customer FOR EACH ROW EXECUTE FUNCTION carried.look('note');
CREATE TRIGGER zz_look_sorted AFTER UPDATE OR DELETE ON carried.customer FOR EACH ROW EXECUTE FUNCTION carried.look('sorted');
CREATE TRIGGER tell_before BEFORE UPDATE OR DELETE ON carried.sorted FOR EACH ROW EXECUTE FUNCTION carried.tell();
CREATE TRIGGER zz_tell_after AFTER UPDATE OR DELETE ON carried.sorted FOR EACH ROW EXECUTE FUNCTION carried.tell();
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
DELETE FROM carried.sorted WHERE tenant = 'acme';
DELETE FROM carried.customer WHERE id = 'acme';
SELECT regress.verdict($$UPDATE carried.customer SET id = 'acme' WHERE id = 'globex2'$$);      -- refused: the note
ROLLBACK;
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE carried.note DROP CONSTRAINT note_tenant_fkey;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
DELETE FROM carried.sorted WHERE tenant = 'acme';
DELETE FROM carried.customer WHERE id = 'acme';
SELECT regress.verdict($$UPDATE carried.customer SET id = 'acme' WHERE id = 'globex2'$$);      -- refused: the row in a partition
ROLLBACK;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
DROP SCHEMA carried CASCADE;
RESET toms.reason;
