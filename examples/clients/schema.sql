-- The application of these recipes as it was: the rows of all tenants in one table, kept apart by a
-- setting that the application changes when it takes a connection from its pool.
CREATE ROLE hr;
CREATE ROLE app LOGIN IN ROLE hr;
CREATE TABLE absence (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   text NOT NULL DEFAULT current_setting('app.tenant_id'),
    employee_id integer NOT NULL,
    day         date NOT NULL,
    hours       integer NOT NULL DEFAULT 8 CHECK (hours >= 0)
);
INSERT INTO absence (tenant_id, employee_id, day) VALUES
    ('acme', 17, '2026-01-07'), ('acme', 17, '2026-01-08'), ('acme', 18, '2026-01-09'),
    ('globex', 4, '2026-01-07'), ('globex', 5, '2026-01-08');
GRANT SELECT, INSERT, UPDATE, DELETE ON absence TO hr;
ALTER TABLE absence ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON absence USING (tenant_id = current_setting('app.tenant_id'));
