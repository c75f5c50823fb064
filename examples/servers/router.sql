-- The router: no rows, no keys, no toms. Which tenant is on which node is said twice, of the rows and of the tokens.
--     psql -v port_1=… -v port_2=… -v password=… -f router.sql
CREATE EXTENSION postgres_fdw;
CREATE SERVER node_1 FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port :'port_1', dbname 'postgres', async_capable 'true');
CREATE SERVER node_2 FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port :'port_2', dbname 'postgres', async_capable 'true');
CREATE USER MAPPING FOR app SERVER node_1 OPTIONS (user 'app', password :'password');      -- the log-in that the token's role is tested against
CREATE USER MAPPING FOR app SERVER node_2 OPTIONS (user 'app', password :'password');

CREATE TABLE absence (tenant_id text NOT NULL, id integer NOT NULL, employee_id integer NOT NULL, day date NOT NULL, reason text NOT NULL)
    PARTITION BY LIST (tenant_id);
CREATE FOREIGN TABLE absence_1 PARTITION OF absence FOR VALUES IN ('acme', 'initech') SERVER node_1 OPTIONS (table_name 'absence_plain');
CREATE FOREIGN TABLE absence_2 PARTITION OF absence FOR VALUES IN ('globex') SERVER node_2 OPTIONS (table_name 'absence_plain');

CREATE TABLE context (tenant_id text NOT NULL, token text NOT NULL) PARTITION BY LIST (tenant_id);
CREATE FOREIGN TABLE context_1 PARTITION OF context FOR VALUES IN ('acme', 'initech') SERVER node_1 OPTIONS (table_name 'context');
CREATE FOREIGN TABLE context_2 PARTITION OF context FOR VALUES IN ('globex') SERVER node_2 OPTIONS (table_name 'context');

GRANT SELECT, INSERT, UPDATE, DELETE ON absence TO app;
GRANT INSERT ON context TO app;
