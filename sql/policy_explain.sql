--
-- policy_explain: explain_protection() tells what protects a table, who is permitted what,
-- and what leaks around it; what it advises works when it is run as printed
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
CREATE ROLE regress_developer;
GRANT CREATE ON SCHEMA hr TO regress_developer;
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
-- the remedy of a permission ends it, run as printed
SELECT remedy FROM toms.explain_protection('hr.doctor') WHERE kind = 'permission' \gexec
SELECT count(*) FROM toms.explain_protection('hr.doctor') WHERE kind = 'permission';                    -- 0

--
-- A table with every hole that toms knows
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.visit (id integer PRIMARY KEY, code text UNIQUE, tenant_id text NOT NULL, employee_id integer NOT NULL, doctor integer,
                       UNIQUE (tenant_id, code));                                                       -- one that holds the tenant: no leak
ALTER TABLE hr.doctor ADD UNIQUE (id), ADD UNIQUE (tenant_id, id);
ALTER TABLE hr.visit ADD CONSTRAINT to_doctor FOREIGN KEY (doctor) REFERENCES hr.doctor (id);
ALTER TABLE hr.visit ADD CONSTRAINT to_doctor_of_tenant FOREIGN KEY (tenant_id, doctor) REFERENCES hr.doctor (tenant_id, id);   -- no leak
GRANT TRUNCATE, SELECT ON hr.visit TO regress_hr;
GRANT TRIGGER, REFERENCES ON hr.visit TO regress_developer;
GRANT TRUNCATE ON hr.visit TO PUBLIC;
CREATE VIEW hr.owners_view AS SELECT * FROM hr.visit;                                                   -- its owner is under the policies: no leak
CREATE MATERIALIZED VIEW hr.copy AS SELECT * FROM hr.visit;
RESET SESSION AUTHORIZATION;
CREATE VIEW hr.superusers_view AS SELECT * FROM hr.visit;
GRANT SELECT ON hr.superusers_view TO regress_job;
CREATE VIEW hr.invokers_view WITH (security_invoker) AS SELECT * FROM hr.visit;                         -- no leak
SET ROLE regress_developer;
CREATE FUNCTION hr.spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER spy BEFORE INSERT ON hr.visit FOR EACH ROW EXECUTE FUNCTION hr.spy();
RESET ROLE;
SET client_min_messages = error;    -- wal_level
CREATE PUBLICATION to_partner FOR TABLE hr.visit;
RESET client_min_messages;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.visit', tenant => 'tenant_id', subject => 'employee_id');
SELECT kind, object, finding FROM toms.explain_protection('hr.visit') WHERE kind LIKE 'leak%';
-- the other end of the foreign key says it too
SELECT kind, object, finding FROM toms.explain_protection('hr.doctor') WHERE kind LIKE 'leak%';
-- a view that is said to be refused, is
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.visit', '{select,insert}', '{absence_management}', scope => 'tenant')$$);
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT regress.verdict($$INSERT INTO hr.visit VALUES (1, 'x', 'acme', 17)$$);                           -- ok
SELECT regress.verdict('SELECT FROM hr.superusers_view');                                               -- refused: bypasses the policies
COMMIT;
RESET SESSION AUTHORIZATION;

-- remedies, run as printed by an administrator, until none is left but those that change a key
CREATE FUNCTION pg_temp.run_remedies(relation regclass) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    leak record;
BEGIN
    FOR leak IN SELECT * FROM toms.explain_protection(relation) WHERE kind LIKE 'leak%' AND kind NOT LIKE '% key' LOOP
        RETURN NEXT leak.kind || ' ' || leak.object || ': ' || CASE WHEN regress.verdict(leak.remedy) LIKE 'refused%' THEN 'remedy fails' ELSE 'remedy runs' END;
    END LOOP;
END
$$;
SELECT pg_temp.run_remedies('hr.visit');
SELECT kind, object FROM toms.explain_protection('hr.visit') WHERE kind LIKE 'leak%';
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT regress.verdict('SELECT FROM hr.superusers_view');                                               -- ok: the row, as its reader
COMMIT;
RESET SESSION AUTHORIZATION;

-- keys that hold the tenant
ALTER TABLE hr.visit DROP CONSTRAINT to_doctor, DROP CONSTRAINT visit_pkey, DROP CONSTRAINT visit_code_key, ADD PRIMARY KEY (tenant_id, id);
ALTER TABLE hr.doctor DROP CONSTRAINT doctor_id_key;
SELECT kind, object FROM toms.explain_protection('hr.visit') WHERE kind LIKE 'leak%';                   -- none
SELECT kind, object FROM toms.explain_protection('hr.doctor') WHERE kind LIKE 'leak%';                  -- none

-- publications of everything: the remedy works for them too
SET client_min_messages = error;    -- wal_level
CREATE PUBLICATION of_all FOR ALL TABLES;
CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA hr;
RESET client_min_messages;
SELECT pg_temp.run_remedies('hr.visit');
SELECT kind, object FROM toms.explain_protection('hr.visit') WHERE kind LIKE 'leak%';                   -- none

--
-- What leaks around a partition leaks around the table
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.booking (tenant_id text NOT NULL, day date NOT NULL) PARTITION BY LIST (tenant_id);
CREATE TABLE hr.booking_rest PARTITION OF hr.booking DEFAULT;
GRANT TRUNCATE ON hr.booking_rest TO regress_hr;
CREATE MATERIALIZED VIEW hr.booking_copy AS SELECT * FROM hr.booking_rest;
RESET SESSION AUTHORIZATION;
CREATE VIEW hr.booking_view AS SELECT * FROM hr.booking_rest;
SET client_min_messages = error;    -- wal_level
CREATE PUBLICATION of_booking FOR TABLE hr.booking;
RESET client_min_messages;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('hr.booking', tenant => 'tenant_id');
SELECT kind, object FROM toms.explain_protection('hr.booking') WHERE kind = 'partition';
SELECT kind FROM toms.explain_protection('hr.booking') WHERE kind LIKE 'leak%';                         -- the grant, both views and the publication
RESET SESSION AUTHORIZATION;

--
-- clean up
--
SELECT relation, toms.unprotect(relation, reason => 'end of test') FROM toms.protected_tables WHERE relation = root ORDER BY relation::text COLLATE "C";
SET client_min_messages = warning;
DROP PUBLICATION IF EXISTS of_booking, of_all, of_schema, to_partner;
DROP SCHEMA hr CASCADE;
DROP ROLE regress_developer;
