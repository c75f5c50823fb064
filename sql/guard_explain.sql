--
-- guard_explain: explain_protection() tells what protects a table, who is permitted what,
-- what leaks around it and what is slow below it.  Each leak is shown first, then what it
-- advises is run as printed, then the leak is gone.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

SELECT current_user AS superuser \gset
CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
CREATE ROLE regress_developer LOGIN;
GRANT CREATE ON SCHEMA hr TO regress_developer;

-- found(relation, kind): findings of one kind
CREATE FUNCTION regress.found(relation regclass, what text) RETURNS TABLE (object text, finding text) LANGUAGE sql AS $$
    SELECT e.object, e.finding FROM toms.explain_protection(relation) e WHERE e.kind = what
$$;
-- mend(relation, kind): their remedies, each run as it is printed
CREATE FUNCTION regress.mend(relation regclass, what text) RETURNS TABLE (remedy text, verdict text) LANGUAGE sql AS $$
    SELECT e.remedy, regress.verdict(e.remedy) FROM toms.explain_protection(relation) e WHERE e.kind = what
$$;

SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.doctor (id integer, tenant_id text NOT NULL, name text);

--
-- A table that is not protected says how it could be
--
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM toms.explain_protection('hr.doctor');

--
-- A table without holes: protection, policies, permissions, nothing else
--
SELECT toms.protect('hr.doctor', tenant => 'tenant_id');
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.doctor', '{select,update}', '{absence_management,continued_pay}', scope => 'tenant', require_mfa => true)$$);
SELECT * FROM toms.explain_protection('hr.doctor');
-- the remedy of a permission ends it
SELECT * FROM regress.mend('hr.doctor', 'permission');
SELECT count(*) FROM regress.found('hr.doctor', 'permission');                                          -- 0

--
-- A table with holes.  The job is HR of acme; row 1 is acme's, row 2 is globex's.
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.visit (gone text, id integer, tenant_id text NOT NULL, employee_id integer NOT NULL, code text);
ALTER TABLE hr.visit DROP COLUMN gone;
INSERT INTO hr.visit VALUES (1, 'acme', 17, 'flu'), (2, 'globex', 30, 'secret');
INSERT INTO hr.visit SELECT n, 'globex', 30, 'x' || n FROM generate_series(100, 399) n;
ANALYZE hr.visit;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.visit', tenant => 'tenant_id', subject => 'employee_id', category => 'health', free_text => 'accept', reason => 'test');
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.visit', '{select,insert,update}', '{absence_management}', scope => 'tenant')$$);
RESET SESSION AUTHORIZATION;
-- as_job(statement): what the job is told
CREATE FUNCTION regress.as_job(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM toms.enter('acme', '17', 'regress_hr', 'absence_management');
    RETURN regress.verdict(statement);
END
$$;
CREATE FUNCTION regress.job_reads(query text, OUT answer text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM toms.enter('acme', '17', 'regress_hr', 'absence_management');
    EXECUTE query INTO answer;
END
$$;

--
-- Modes and row security that is not as toms made it
--
SELECT toms.protect('hr.visit', tenant => 'tenant_id', subject => 'employee_id', category => 'health', free_text => 'accept', mode => 'observe', reason => 'test');
SELECT * FROM regress.found('hr.visit', 'leak: mode');
SET SESSION AUTHORIZATION regress_job;
SELECT regress.job_reads('SELECT count(*) FROM hr.visit');                                              -- all rows
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM regress.mend('hr.visit', 'leak: mode');
SELECT * FROM regress.found('hr.visit', 'leak: mode');                                                  -- none
SET SESSION AUTHORIZATION regress_job;
SELECT regress.job_reads('SELECT count(*) FROM hr.visit');                                              -- 1
RESET SESSION AUTHORIZATION;
SET allow_system_table_mods = on;
UPDATE pg_class SET relforcerowsecurity = false WHERE oid = 'hr.visit'::regclass;
RESET allow_system_table_mods;
SELECT * FROM regress.found('hr.visit', 'leak: protection');
SET SESSION AUTHORIZATION regress_job;
SELECT regress.as_job('SELECT FROM hr.visit');                                                          -- refused
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM regress.mend('hr.visit', 'leak: protection');
SELECT * FROM regress.found('hr.visit', 'leak: protection');                                            -- none
SET SESSION AUTHORIZATION regress_job;
SELECT regress.as_job('SELECT FROM hr.visit');                                                          -- 1 row
RESET SESSION AUTHORIZATION;

--
-- Functions that run as somebody who bypasses row security
--
CREATE FUNCTION hr.visits() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT count(*) FROM HR . "visit"); END';
CREATE FUNCTION hr.visits_at_once() RETURNS bigint LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT count(*) FROM hr.visit; END;
CREATE PROCEDURE hr.forget_visits() LANGUAGE plpgsql SECURITY DEFINER SET search_path = hr AS 'BEGIN DELETE FROM visit; END';
-- other names, another schema, the caller's privileges, an owner who has to obey: no leak
CREATE FUNCTION hr.visitors() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(visit_id) FROM (VALUES (1)) visits (visit_id)';
CREATE FUNCTION hr.of_others() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT ''SELECT FROM sales.visit''';
CREATE FUNCTION hr.of_caller() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM hr.visit';
CREATE FUNCTION hr.of_owner() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM hr.visit';
ALTER FUNCTION hr.of_owner() OWNER TO regress_owner;
SELECT * FROM regress.found('hr.visit', 'leak: function');
SET SESSION AUTHORIZATION regress_job;
SELECT regress.as_job('SELECT hr.visits()');                                                            -- refused
SELECT regress.as_job('SELECT hr.visits_at_once()');                                                    -- refused
SELECT regress.as_job('CALL hr.forget_visits()');                                                       -- refused
RESET SESSION AUTHORIZATION;
SELECT * FROM regress.mend('hr.visit', 'leak: function');
SELECT * FROM regress.found('hr.visit', 'leak: function');                                              -- none
SET SESSION AUTHORIZATION regress_job;
SELECT regress.job_reads('SELECT hr.visits() || '' '' || hr.visits_at_once()');                         -- 1 1
RESET SESSION AUTHORIZATION;

--
-- Views that read with the privileges of somebody else
--
CREATE VIEW hr.superusers_view AS SELECT * FROM hr.visit;
CREATE VIEW hr.developers_view AS SELECT * FROM hr.visit;
ALTER VIEW hr.developers_view OWNER TO regress_developer;
GRANT SELECT ON hr.visit TO regress_developer;
CREATE VIEW hr.owners_view AS SELECT * FROM hr.visit;                                                   -- no leak
ALTER VIEW hr.owners_view OWNER TO regress_owner;
CREATE VIEW hr.invokers_view WITH (security_invoker) AS SELECT * FROM hr.visit;                         -- no leak
GRANT SELECT ON hr.superusers_view, hr.developers_view TO regress_job;
SELECT * FROM regress.found('hr.visit', 'leak: view');
REVOKE SELECT ON hr.visit FROM regress_hr;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.as_job('SELECT FROM hr.superusers_view');                                                -- refused: bypasses the policies
SELECT regress.as_job('SELECT FROM hr.visit');                                                          -- refused: no privilege
SELECT regress.job_reads('SELECT string_agg(tenant_id, '','') FROM hr.developers_view');                -- acme: it needs none, but the policies hold
RESET SESSION AUTHORIZATION;
SELECT * FROM regress.mend('hr.visit', 'leak: view');
SELECT * FROM regress.found('hr.visit', 'leak: view');                                                  -- none
SET SESSION AUTHORIZATION regress_job;
SELECT regress.as_job('SELECT FROM hr.developers_view');                                                -- refused: no privilege
RESET SESSION AUTHORIZATION;
GRANT SELECT ON hr.visit TO regress_hr;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.as_job('SELECT FROM hr.superusers_view');                                                -- 1 row
RESET SESSION AUTHORIZATION;

--
-- Materialized views, also of a view
--
SET toms.reason = 'test';
CREATE MATERIALIZED VIEW hr.copy AS SELECT * FROM hr.visit;
CREATE MATERIALIZED VIEW hr.copy_of_view AS SELECT count(*) FROM hr.owners_view WITH NO DATA;
RESET toms.reason;
GRANT SELECT ON hr.copy TO regress_job;
SELECT * FROM regress.found('hr.visit', 'leak: materialized view');
SET SESSION AUTHORIZATION regress_job;
SELECT regress.job_reads('SELECT code FROM hr.copy WHERE id = 2');                                      -- globex's
RESET SESSION AUTHORIZATION;
SELECT * FROM regress.mend('hr.visit', 'leak: materialized view');
SELECT * FROM regress.found('hr.visit', 'leak: materialized view');                                     -- none

--
-- Rules, on the table and on others
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.seen (code text);
CREATE TABLE hr.bell (n integer);
CREATE RULE ring AS ON INSERT TO hr.bell DO ALSO INSERT INTO hr.seen SELECT code FROM hr.visit;
GRANT INSERT ON hr.bell TO regress_job;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
CREATE RULE watch AS ON UPDATE TO hr.visit DO ALSO INSERT INTO hr.seen VALUES (OLD.code);      -- an administrator's
RESET toms.reason;
CREATE TABLE hr.alarm (n integer);
CREATE RULE "Ring too" AS ON INSERT TO hr.alarm DO ALSO SELECT count(*) FROM hr.visit;
GRANT INSERT ON hr.alarm TO regress_job;
SELECT * FROM regress.found('hr.visit', 'leak: rule');
SET SESSION AUTHORIZATION regress_job;
SELECT regress.as_job('UPDATE hr.visit SET code = ''cough'' WHERE true');                               -- refused: a copy of health data
SELECT regress.as_job('INSERT INTO hr.bell VALUES (1)');                                                -- refused: the same
SELECT regress.as_job('INSERT INTO hr.alarm VALUES (1)');                                               -- refused: bypasses the policies
RESET SESSION AUTHORIZATION;
SELECT * FROM hr.seen;                                                                                  -- nothing was copied
SELECT * FROM regress.mend('hr.visit', 'leak: rule');
SELECT * FROM regress.found('hr.visit', 'leak: rule');                                                  -- none

--
-- Privileges
--
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.visit ADD UNIQUE (id);
GRANT TRUNCATE, TRIGGER, REFERENCES, DELETE ON hr.visit TO regress_developer;
GRANT SELECT (code), UPDATE (code, id) ON hr.visit TO regress_stranger;
GRANT SELECT, TRUNCATE ON hr.visit TO PUBLIC;
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM regress.found('hr.visit', 'leak: grant');
-- a foreign key of the developer's tells that globex has a visit 2, and that nobody has 3
SET SESSION AUTHORIZATION regress_developer;
CREATE TABLE hr.probe (id integer REFERENCES hr.visit (id));
SELECT regress.verdict('INSERT INTO hr.probe VALUES (2)');
SELECT regress.verdict('INSERT INTO hr.probe VALUES (3)');
DROP TABLE hr.probe;
-- a trigger of his sees what others write
CREATE TABLE hr.noted (code text);
CREATE FUNCTION hr.spy() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN INSERT INTO hr.noted VALUES (NEW.code); RETURN NEW; END';
CREATE TRIGGER spy BEFORE INSERT ON hr.visit FOR EACH ROW EXECUTE FUNCTION hr.spy();
-- a privilege without a permission is refused
SELECT regress.verdict('TRUNCATE hr.visit');
SELECT regress.verdict('DELETE FROM hr.visit WHERE true');
SET SESSION AUTHORIZATION regress_job;
SELECT regress.as_job('INSERT INTO hr.visit VALUES (4, ''acme'', 17, ''measles'')');
SET SESSION AUTHORIZATION regress_developer;
SELECT * FROM hr.noted;
RESET SESSION AUTHORIZATION;
SELECT * FROM regress.mend('hr.visit', 'leak: grant');
SELECT * FROM regress.found('hr.visit', 'leak: grant');                                                 -- none
-- the trigger is still there; nothing gives its function to another owner unread, who would be the one as whom it runs
SELECT * FROM regress.found('hr.visit', 'leak: trigger');
SELECT * FROM regress.mend('hr.visit', 'leak: trigger');
DROP TRIGGER spy ON hr.visit;
SELECT * FROM regress.found('hr.visit', 'leak: trigger');                                               -- none
-- a permission without its privilege, or without its schema
REVOKE UPDATE ON hr.visit FROM regress_hr;
REVOKE USAGE ON SCHEMA hr FROM PUBLIC, regress_hr;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.as_job('UPDATE hr.visit SET code = ''flu'' WHERE id = 1');                               -- refused
RESET SESSION AUTHORIZATION;
SELECT * FROM regress.found('hr.visit', 'leak: grant');
SELECT * FROM regress.mend('hr.visit', 'leak: grant');
SELECT * FROM regress.found('hr.visit', 'leak: grant');                                                 -- none
SET SESSION AUTHORIZATION regress_job;
SELECT regress.as_job('UPDATE hr.visit SET code = ''flu'' WHERE id = 1');                               -- 1 row
RESET SESSION AUTHORIZATION;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
-- a group's privilege is of use to its members
GRANT DELETE ON hr.visit TO regress_employee;
CREATE ROLE regress_guest IN ROLE regress_employee;
SELECT toms.permit('regress_guest', 'hr.visit', '{delete}', '{absence_management}') > 0 AS permitted;
SELECT * FROM regress.found('hr.visit', 'leak: grant');                                                 -- none
SELECT toms.forbid('regress_guest', 'hr.visit');
SELECT object FROM regress.found('hr.visit', 'leak: grant');                                            -- regress_employee
REVOKE DELETE ON hr.visit FROM regress_employee;

--
-- Keys
--
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.doctor ADD UNIQUE (id), ADD UNIQUE (tenant_id, id);
ALTER TABLE hr.visit ADD COLUMN doctor integer, ADD COLUMN during int4range,
    ADD CONSTRAINT to_doctor FOREIGN KEY (doctor) REFERENCES hr.doctor (id),
    ADD CONSTRAINT to_doctor_of_tenant FOREIGN KEY (tenant_id, doctor) REFERENCES hr.doctor (tenant_id, id),          -- no leak
    ADD CONSTRAINT "Not the tenant" UNIQUE (code) INCLUDE (tenant_id),
    ADD UNIQUE (tenant_id, code);                                                                                     -- no leak
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
ALTER TABLE hr.visit ADD CONSTRAINT one_at_a_time EXCLUDE USING gist (during WITH &&);
INSERT INTO hr.doctor VALUES (7, 'globex');
UPDATE hr.visit SET during = '[1,3)' WHERE id = 2;
RESET toms.reason;
SELECT * FROM regress.found('hr.visit', 'leak: unique key') UNION ALL SELECT * FROM regress.found('hr.visit', 'leak: exclusion constraint')
UNION ALL SELECT * FROM regress.found('hr.visit', 'leak: foreign key');
-- the other end of the foreign key says it too
SELECT * FROM regress.found('hr.doctor', 'leak: foreign key');
ALTER TABLE hr.visit DROP CONSTRAINT to_doctor_of_tenant;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.as_job('INSERT INTO hr.visit VALUES (2, ''acme'', 17, ''a'')');                          -- a number of globex's
SELECT regress.as_job('INSERT INTO hr.visit VALUES (6, ''acme'', 17, ''secret'')');                     -- a code of globex's
SELECT regress.as_job('INSERT INTO hr.visit VALUES (6, ''acme'', 17, ''b'', NULL, ''[2,4)'')');         -- a time of globex's
SELECT regress.as_job('INSERT INTO hr.visit VALUES (6, ''acme'', 17, ''c'', 7)');                       -- a doctor of globex's
SELECT regress.as_job('INSERT INTO hr.visit VALUES (8, ''acme'', 17, ''d'', 8)');                       -- a doctor of nobody's
RESET SESSION AUTHORIZATION;
-- keys that hold the tenant; a foreign key that holds it on one side only does not
ALTER TABLE hr.visit DROP CONSTRAINT to_doctor, DROP CONSTRAINT "Not the tenant", DROP CONSTRAINT one_at_a_time, DROP CONSTRAINT visit_id_key;
ALTER TABLE hr.doctor DROP CONSTRAINT doctor_id_key, ADD COLUMN of text, ADD UNIQUE (of, tenant_id);
ALTER TABLE hr.visit ADD CONSTRAINT crossed FOREIGN KEY (tenant_id, code) REFERENCES hr.doctor (of, tenant_id) NOT VALID;
SELECT object FROM regress.found('hr.visit', 'leak: foreign key');                                      -- crossed
ALTER TABLE hr.visit DROP CONSTRAINT crossed;
-- a key to a table that is not protected, which nobody has compared with the rows: as somebody left it before there was toms
CREATE TABLE hr.code (code text PRIMARY KEY);
SET toms.reason = 'test';
INSERT INTO hr.code SELECT DISTINCT code FROM hr.visit WHERE code IS NOT NULL;
ALTER TABLE hr.visit ADD CONSTRAINT guessed FOREIGN KEY (code) REFERENCES hr.code NOT VALID;
SELECT * FROM regress.mend('hr.visit', 'leak: foreign key');
RESET toms.reason;
SELECT * FROM regress.found('hr.visit', 'leak: foreign key');                                           -- none
SET toms.reason = 'test';
ALTER TABLE hr.visit DROP CONSTRAINT guessed;
RESET toms.reason;
DROP TABLE hr.code;
SELECT kind, object FROM toms.explain_protection('hr.visit') WHERE kind LIKE 'leak%';                   -- that there are rows
SELECT kind, object FROM toms.explain_protection('hr.doctor') WHERE kind LIKE 'leak%';                  -- none

--
-- Statistics.  pg_stats hides the rows of tables with row security, from the owner too; the
-- table behind it does not.
--
CREATE ROLE regress_analyst LOGIN;
SET toms.reason = 'test';
CREATE STATISTICS hr.of_tenants (mcv) ON tenant_id, code FROM hr.visit;                                 -- no leak
CREATE STATISTICS hr.of_others ON (upper(code)) FROM hr.visit;                                          -- no leak
CREATE STATISTICS hr."Within" ON (tenant_id || '?') FROM hr.visit;
CREATE STATISTICS hr.common (mcv) ON (tenant_id || '!'), code FROM hr.visit;
CREATE INDEX by_lower ON hr.visit (lower(tenant_id));
ALTER TABLE hr.visit ADD CONSTRAINT "One each" EXCLUDE USING btree ((employee_id * 1000 + id) WITH =);
ALTER TABLE hr.visit DROP CONSTRAINT visit_tenant_id_code_key;
UPDATE hr.visit SET code = 'cold' WHERE id >= 100;
RESET toms.reason;
ANALYZE hr.visit;
GRANT SELECT (starelid, staattnum, stavalues1) ON pg_statistic TO regress_analyst;
GRANT SELECT ON pg_statistic_ext_data TO regress_developer;
GRANT pg_read_all_data TO regress_stranger;
SELECT * FROM regress.found('hr.visit', 'leak: statistics');
SELECT count(*) > 0 FROM pg_stats WHERE schemaname = 'hr' AND tablename = 'visit';
SET SESSION AUTHORIZATION regress_owner;
SELECT count(*) FROM pg_stats WHERE schemaname = 'hr' AND tablename = 'visit';                          -- 0
SELECT count(*) FROM pg_stats_ext WHERE schemaname = 'hr' AND tablename = 'visit';                      -- 0
SET SESSION AUTHORIZATION regress_job;
SELECT count(*) FROM pg_stats WHERE schemaname = 'hr' AND tablename = 'visit';                          -- 0
SELECT regress.verdict('SELECT FROM pg_statistic');                                                     -- refused
SET SESSION AUTHORIZATION regress_analyst;
SELECT stavalues1::text LIKE '%globex%' FROM pg_statistic WHERE starelid = 'hr.visit'::regclass AND staattnum = 3;
SET SESSION AUTHORIZATION regress_stranger;
SELECT stavalues1::text LIKE '%globex%' FROM pg_statistic WHERE starelid = 'hr.visit'::regclass AND staattnum = 3;
SET SESSION AUTHORIZATION regress_developer;
SELECT d.stxdmcv::text LIKE '%' || encode('globex', 'hex') || '%' FROM pg_statistic_ext s JOIN pg_statistic_ext_data d ON d.stxoid = s.oid WHERE s.stxname = 'of_tenants';
-- estimates tell acme's job how many rows of a kind globex has
RESET SESSION AUTHORIZATION;
CREATE FUNCTION regress.estimate(condition text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) SELECT FROM hr.visit WHERE ' || condition INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END
$$;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT c AS condition, regress.estimate(c) <> regress.estimate(replace(c, 'globex', 'nobody')) AS told
FROM unnest(ARRAY[$$tenant_id = 'globex'$$, $$tenant_id = 'globex' AND code = 'cold'$$, $$tenant_id || '?' = 'globex?'$$,
                  $$tenant_id || '!' = 'globex!' AND code = 'cold'$$, $$lower(tenant_id) = 'globex'$$]) c;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT * FROM regress.mend('hr.visit', 'leak: statistics');
SELECT * FROM regress.found('hr.visit', 'leak: statistics');                                            -- none
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT c AS condition, regress.estimate(c) <> regress.estimate(replace(c, 'globex', 'nobody')) AS told
FROM unnest(ARRAY[$$tenant_id = 'globex'$$, $$tenant_id = 'globex' AND code = 'cold'$$, $$tenant_id || '?' = 'globex?'$$,
                  $$tenant_id || '!' = 'globex!' AND code = 'cold'$$, $$lower(tenant_id) = 'globex'$$]) c;
COMMIT;
SET SESSION AUTHORIZATION regress_analyst;
SELECT regress.verdict('SELECT stavalues1 FROM pg_statistic');                                          -- refused
SET SESSION AUTHORIZATION regress_stranger;
SELECT regress.verdict('SELECT stavalues1 FROM pg_statistic');                                          -- refused
RESET SESSION AUTHORIZATION;

--
-- Publications
--
SET client_min_messages = error;    -- wal_level
CREATE PUBLICATION to_partner FOR TABLE hr.visit;
CREATE PUBLICATION of_all FOR ALL TABLES;
CREATE PUBLICATION "Of schema" FOR TABLES IN SCHEMA hr;
RESET client_min_messages;
SELECT * FROM regress.found('hr.visit', 'leak: publication');
SELECT * FROM regress.mend('hr.visit', 'leak: publication');
SELECT * FROM regress.found('hr.visit', 'leak: publication');                                           -- none

--
-- Indexes that cannot be used below a policy.  plan(condition) tells how the job's query finds its rows.
--
CREATE FUNCTION regress.plan(condition text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    PERFORM toms.enter('acme', '17', 'regress_hr', 'absence_management');
    SET LOCAL enable_seqscan = off;
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) SELECT FROM hr.visit WHERE ' || condition LOOP
        IF line !~ 'Filter: |Disabled: ' THEN      -- the latter since 18
            RETURN NEXT line;
        END IF;
    END LOOP;
END
$$;
SET SESSION AUTHORIZATION regress_owner;
ALTER TABLE hr.visit ADD COLUMN tags text[], ADD COLUMN "Note" jsonb, ADD COLUMN paid numeric;
CREATE INDEX by_id ON hr.visit (id);                    -- leakproof
CREATE INDEX by_pattern ON hr.visit (code text_pattern_ops);
CREATE INDEX by_tags ON hr.visit USING gin (tags);
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
CREATE INDEX "By lower" ON hr.visit (lower(code)) WHERE id > 0;
CREATE INDEX by_next ON hr.visit ((id + 1));
CREATE INDEX by_text ON hr.visit ((id::text));
CREATE INDEX by_note ON hr.visit (("Note" ->> 'kind'), ("Note" ->> 'place'));
SELECT * FROM regress.found('hr.visit', 'slow: index');
SET SESSION AUTHORIZATION regress_job;
SELECT regress.plan($$lower(code) = 'flu' AND id > 0$$);
SELECT regress.plan($$tags && '{urgent}'$$);
SELECT regress.plan($$code LIKE 'fl%'$$);
SELECT regress.plan($$code ^@ 'fl'$$);                  -- what toms.refused_function advises for LIKE
RESET SESSION AUTHORIZATION;
-- one with the tenant first is what helps some of them, a generated column others
SELECT * FROM regress.mend('hr.visit', 'slow: index');
SELECT * FROM regress.found('hr.visit', 'slow: index');                                                 -- none
RESET toms.reason;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.plan($$"By lower_value" = 'flu' AND id > 0$$);
SELECT regress.plan($$tags && '{urgent}'$$);
-- those with operators that could be trusted: sql/guard_leakproof.sql
SET SESSION AUTHORIZATION regress_owner;
CREATE INDEX by_paid ON hr.visit (paid);
CREATE INDEX by_key ON hr.visit USING gin ("Note");
CREATE INDEX by_path ON hr.visit USING gin ("Note" jsonb_path_ops);     -- has none of them
RESET SESSION AUTHORIZATION;
SELECT * FROM toms.explain_protection('hr.visit') WHERE kind = 'slow: index';

--
-- What an export or an erasure needs to read a person's rows alone: an index on tenant and subject, one on the parent's key, and one on
-- each foreign key to a protected table; one on the tenant alone, or on some of the rows, is none
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.ward (tenant_id text NOT NULL, id integer NOT NULL, nurse text, PRIMARY KEY (id), UNIQUE (tenant_id, id));
CREATE TABLE hr.bed (id integer PRIMARY KEY, tenant_id text NOT NULL, "The nurse" text, ward integer REFERENCES hr.ward, FOREIGN KEY (tenant_id, ward) REFERENCES hr.ward (tenant_id, id),
                     FOREIGN KEY (tenant_id, id) REFERENCES hr.ward (tenant_id, id)) PARTITION BY HASH (id);
CREATE TABLE hr.bed_0 PARTITION OF hr.bed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hr.bed_1 PARTITION OF hr.bed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE hr.sheet (bed integer, day date);
CREATE INDEX ON hr.bed (tenant_id);
CREATE INDEX ON hr.bed ("The nurse") WHERE ward > 0;
CREATE INDEX ON hr.bed (tenant_id, id, ward);
CREATE INDEX ON hr.sheet USING brin (bed);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('hr.ward', tenant => 'tenant_id', subject => 'nurse'), toms.protect('hr.bed', tenant => 'tenant_id', subject => 'The nurse'),
       toms.protect('hr.sheet', parent => 'hr.bed', parent_key => 'bed');
SELECT r, f.* FROM unnest('{hr.ward,hr.bed,hr.bed_1,hr.sheet}'::regclass[]) r, regress.found(r, 'slow: no index') f;
SET toms.reason = 'test';
SELECT m.* FROM unnest('{hr.ward,hr.bed,hr.sheet}'::regclass[]) r, regress.mend(r, 'slow: no index') m;
SELECT count(*) FROM unnest('{hr.ward,hr.bed,hr.bed_1,hr.sheet}'::regclass[]) r, regress.found(r, 'slow: no index') f;         -- 0
-- the person's column alone, or first, does as well
DROP INDEX hr.ward_tenant_id_nurse_idx;
CREATE INDEX ON hr.ward (nurse, id);
SELECT * FROM regress.found('hr.ward', 'slow: no index');                                               -- none
DROP TABLE hr.sheet, hr.bed, hr.ward;
RESET toms.reason;

--
-- What leaks around a partition leaks around the table, in any order of columns
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.booking (tenant_id text NOT NULL, day date NOT NULL, room integer, UNIQUE (day)) PARTITION BY RANGE (day);
CREATE TABLE hr."Booking of 2025" (gone integer, room integer, day date NOT NULL, tenant_id text NOT NULL, UNIQUE (room), UNIQUE (room, tenant_id));
ALTER TABLE hr."Booking of 2025" DROP COLUMN gone;
ALTER TABLE hr.booking ATTACH PARTITION hr."Booking of 2025" FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
GRANT TRUNCATE ON hr."Booking of 2025" TO regress_hr;
CREATE MATERIALIZED VIEW hr.booking_copy AS SELECT * FROM hr."Booking of 2025";
CREATE INDEX ON hr.booking USING gist (daterange(day, day, '[]'));
RESET SESSION AUTHORIZATION;
CREATE VIEW hr.booking_view AS SELECT * FROM hr."Booking of 2025";
SET toms.reason = 'test';
CREATE STATISTICS hr.of_2025 ON (tenant_id || '') FROM hr."Booking of 2025";
RESET toms.reason;
SET client_min_messages = error;    -- wal_level
CREATE PUBLICATION of_booking FOR TABLE hr.booking;
RESET client_min_messages;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.booking', tenant => 'tenant_id');
SELECT kind, object FROM toms.explain_protection('hr.booking') WHERE kind = 'partition';
SELECT kind, object, finding FROM toms.explain_protection('hr.booking') WHERE kind ~ '^(leak|slow)';
SELECT kind, object FROM toms.explain_protection('hr."Booking of 2025"') WHERE kind ~ '^(leak|slow)';

-- a table on another server cannot have policies
RESET SESSION AUTHORIZATION;
CREATE EXTENSION file_fdw;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER file_fdw;
ALTER TABLE hr.booking DROP CONSTRAINT booking_day_key;
CREATE FOREIGN TABLE hr.booking_of_2026 PARTITION OF hr.booking FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
    SERVER elsewhere OPTIONS (program 'echo globex,2026-03-04,5; echo acme,2026-03-05,6', format 'csv');
CREATE FOREIGN TABLE hr.heir () INHERITS (hr.doctor) SERVER elsewhere OPTIONS (program 'echo 9,globex,Who,', format 'csv');
GRANT SELECT ON hr.booking_of_2026, hr.heir TO regress_hr;
SELECT toms.permit('regress_hr', 'hr.booking', '{select}', '{absence_management}', scope => 'tenant') > 0 AS permitted;
SELECT kind, object, finding FROM toms.explain_protection('hr.booking') WHERE object = 'hr.booking_of_2026'
UNION ALL SELECT kind, object, finding FROM toms.explain_protection('hr.doctor') WHERE object = 'hr.heir';
SET SESSION AUTHORIZATION regress_job;
SELECT regress.as_job('SELECT FROM hr.booking_of_2026');                                                -- refused
SELECT regress.as_job('SELECT FROM hr.heir');                                                           -- refused
SELECT regress.job_reads('SELECT string_agg(tenant_id, '','') FROM hr.booking');                        -- acme: the policies of the table itself
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
SELECT * FROM regress.mend('hr.booking', 'leak: foreign table') UNION ALL SELECT * FROM regress.mend('hr.doctor', 'leak: foreign table');
RESET toms.reason;
SELECT * FROM regress.found('hr.booking', 'leak: foreign table') UNION ALL SELECT * FROM regress.found('hr.doctor', 'leak: foreign table');
SET client_min_messages = warning;
DROP EXTENSION file_fdw CASCADE;
RESET client_min_messages;

--
-- A table that finds its tenant through its parent: the parent's key stands for the tenant
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.case (id integer PRIMARY KEY, tenant_id text NOT NULL);
CREATE TABLE hr.page (id integer UNIQUE, "case" integer NOT NULL REFERENCES hr.case (id), no integer, doctor integer, UNIQUE ("case", no));
ALTER TABLE hr.doctor ADD UNIQUE (id);
ALTER TABLE hr.page ADD CONSTRAINT to_doctor FOREIGN KEY (doctor) REFERENCES hr.doctor (id);
CREATE STATISTICS hr.of_cases ON ("case" + 0) FROM hr.page;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.case', tenant => 'tenant_id');
SELECT toms.protect('hr.page', parent => 'hr.case', parent_key => 'case');
SELECT * FROM toms.explain_protection('hr.page') WHERE kind ~ '^(protection|leak|slow)';
SELECT kind, object FROM toms.explain_protection('hr.case') WHERE kind LIKE 'leak%';                    -- its primary key

--
-- clean up
--
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
SELECT toms.unprotect(r, reason => 'end of test') FROM unnest('{hr.page,hr.case,hr.booking,hr.doctor,hr.visit}'::regclass[]) r;
DROP PUBLICATION of_booking;
SET toms.reason = 'end of the test';
DROP SCHEMA hr CASCADE;
DROP FUNCTION regress.found, regress.mend, regress.as_job, regress.job_reads, regress.estimate, regress.plan;
DROP ROLE regress_developer, regress_analyst, regress_guest;
