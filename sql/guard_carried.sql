--
-- guard_carried: what a foreign key does stays within the tenant
--
-- PostgreSQL carries out ON UPDATE and ON DELETE past all policies, and whoever may change the table that is referred to
-- says what.  The promise: rows of another tenant are neither given to one's own, nor changed or deleted by it, whether
-- somebody acts for a tenant or for none, and whoever owns the tables.  Administrators may, with a reason.
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
CREATE TABLE carried.line (note integer NOT NULL REFERENCES carried.note ON DELETE CASCADE, team integer REFERENCES carried.team ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO carried.sorted VALUES ('acme', 'ours');
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

-- Without a context, as the owner of all of it
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict($$DELETE FROM carried.customer WHERE id = 'globex'$$);                  -- refused
SELECT regress.verdict($$UPDATE carried.team SET id = id + 10$$);                              -- refused
ALTER TABLE carried.note DROP CONSTRAINT note_team_fkey;
SELECT regress.verdict($$DELETE FROM carried.team$$);                                          -- refused, for the line that refers to it
CREATE TABLE carried.lever (id integer PRIMARY KEY);
INSERT INTO carried.lever VALUES (1), (2);
ALTER TABLE carried.note ADD CONSTRAINT lever FOREIGN KEY (id) REFERENCES carried.lever ON DELETE CASCADE NOT VALID;
SELECT regress.verdict($$DELETE FROM carried.lever$$);                                         -- refused
ALTER TABLE carried.note DROP CONSTRAINT lever;
RESET SESSION AUTHORIZATION;

-- An administrator without a reason, and with one
SELECT regress.verdict($$DELETE FROM carried.customer WHERE id = 'globex'$$);                  -- refused
SET toms.reason = 'the customer has another name';
SELECT regress.verdict($$UPDATE carried.customer SET id = 'globex2' WHERE id = 'globex'$$);    -- ok
SELECT * FROM carried.note ORDER BY id;
DROP SCHEMA carried CASCADE;
RESET toms.reason;
