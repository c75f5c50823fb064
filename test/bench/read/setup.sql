-- The same rows in three tables: behind a hand-written policy, protected by toms with reads told to
-- the trail by the way, and with reads that wait until they are told; and what is compared with the
-- last: a table into which a row is inserted.
CREATE EXTENSION toms;
CREATE ROLE bench_hr;
CREATE ROLE bench_job LOGIN IN ROLE bench_hr;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO bench_hr;
CREATE TABLE bench.hand (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, day date, hours integer, note text);
CREATE TABLE bench.asynchronous (LIKE bench.hand INCLUDING ALL);
CREATE TABLE bench.strict (LIKE bench.hand INCLUDING ALL);
INSERT INTO bench.hand SELECT n, 'acme', n % 2000, '2026-01-01', 8, 'some words about it' FROM generate_series(1, :rows) n;
INSERT INTO bench.asynchronous SELECT * FROM bench.hand;
INSERT INTO bench.strict SELECT * FROM bench.hand;
CREATE TABLE bench.log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT now(), who text DEFAULT current_user,
                        application text DEFAULT current_setting('application_name'), relation text, verb text, row_id integer);
GRANT ALL ON ALL TABLES IN SCHEMA bench TO bench_hr;

ALTER TABLE bench.hand ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON bench.hand USING (tenant = current_setting('app.tenant'));
SELECT toms.protect('bench.asynchronous', tenant => 'tenant', subject => 'employee', read_audit => 'asynchronous');
SELECT toms.protect('bench.strict', tenant => 'tenant', subject => 'employee', read_audit => 'strict');
SELECT toms.permit('bench_hr', r, '{select}', '{bench}', 'tenant') FROM unnest('{bench.asynchronous,bench.strict}'::regclass[]) r;
VACUUM (ANALYZE) bench.hand, bench.asynchronous, bench.strict;
CHECKPOINT;
