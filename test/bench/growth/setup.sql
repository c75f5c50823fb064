-- A table of notes that the tenant acme reads and writes, in a database with so many tenants, permissions on that table,
-- protected tables, partitions of another one, and entries on the trail.
--
--   psql -v tenants=N -v permissions=N -v tables=N -v partitions=N -v entries=N -f setup.sql
\set ON_ERROR_STOP on
SET client_min_messages = error;
SET toms.reason = 'bench';
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
SELECT toms.add_tenant('other', name => 'Other GmbH');
-- without keys of their own, which nobody needs here
INSERT INTO toms.tenant (tenant, name, added_by) SELECT 'tenant' || n, 'Tenant ' || n, session_user FROM generate_series(1, :tenants) n;
SELECT toms.add_purpose('bench', description => 'bench', legal_basis => 'none');

CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO PUBLIC;
CREATE TABLE bench.note (id integer, tenant text NOT NULL, who integer NOT NULL, words text);
INSERT INTO bench.note SELECT n, CASE WHEN n <= 1000 THEN 'acme' ELSE 'tenant' || n % :tenants + 1 END, n % 2000, 'some words about it' FROM generate_series(1, 100000) n;
ALTER TABLE bench.note ADD PRIMARY KEY (id);
CREATE INDEX ON bench.note (tenant, who);
GRANT ALL ON bench.note TO bench_job;
SELECT toms.protect('bench.note', tenant => 'tenant', subject => 'who');
SELECT toms.permit('bench_1', 'bench.note', '{select,insert,update,delete}', '{bench}', scope => 'tenant');
SELECT toms.permit('bench_1', 'toms.audit_entry', '{select}', '{bench}', scope => 'tenant');
SELECT format('SELECT toms.add_purpose(''bench_%s'', description => ''bench'', legal_basis => ''none'')', n) FROM generate_series(1, :permissions / 100) n \gexec
SELECT format('SELECT toms.permit(''bench_%s'', ''bench.note'', ''{select}'', %L, scope => ''tenant'')', r, ARRAY[CASE WHEN n = 1 THEN 'bench' ELSE 'bench_' || n END])
FROM generate_series(2, 100) r, generate_series(1, :permissions / 100) n \gexec

SELECT format('CREATE TABLE bench.note_%s (id integer PRIMARY KEY, tenant text NOT NULL, who integer NOT NULL, words text)', n) FROM generate_series(2, :tables) n \gexec
GRANT SELECT ON ALL TABLES IN SCHEMA bench TO bench_job;
SELECT format('SELECT toms.protect(''bench.note_%1$s'', tenant => ''tenant'', subject => ''who'');
               SELECT toms.permit(''bench_1'', ''bench.note_%1$s'', ''{select}'', ''{bench}'', scope => ''tenant'')', n) FROM generate_series(2, :tables) n \gexec

CREATE TABLE bench.note_parted (id integer PRIMARY KEY, tenant text NOT NULL, who integer NOT NULL, words text) PARTITION BY RANGE (id);
CREATE TABLE bench.bare (LIKE bench.note_parted INCLUDING ALL) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE bench.%1$s_%2$s PARTITION OF bench.%1$s FOR VALUES FROM (%3$s) TO (%4$s)', t, n, (n - 1) * (100000 / :partitions), n * (100000 / :partitions))
FROM unnest('{note_parted,bare}'::text[]) t, generate_series(1, :partitions) n \gexec
SELECT format('CREATE TABLE bench.%1$s_rest PARTITION OF bench.%1$s DEFAULT', t) FROM unnest('{note_parted,bare}'::text[]) t \gexec
INSERT INTO bench.note_parted SELECT n, 'acme', n % 2000, 'some words about it' FROM generate_series(1, 99999) n;
INSERT INTO bench.bare SELECT * FROM bench.note_parted;
GRANT ALL ON bench.note_parted, bench.bare TO bench_job;
SELECT toms.protect('bench.note_parted', tenant => 'tenant', subject => 'who');
SELECT toms.permit('bench_1', 'bench.note_parted', '{select}', '{bench}', scope => 'tenant');

-- what the trail holds of a table that nobody asks here
CREATE TABLE bench.past (id integer, tenant text NOT NULL, who integer NOT NULL);
SELECT toms.protect('bench.past', tenant => 'tenant', subject => 'who');
INSERT INTO bench.past SELECT n, 'other', n % 2000 FROM generate_series(1, :entries) n;
SELECT toms.seal_audit();
VACUUM (ANALYZE);
