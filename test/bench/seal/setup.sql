-- Tables with the same rows: :rows of 2,000 data subjects, a boolean each, plain and sealed.  Run
-- by a superuser in an empty database.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION toms;
CREATE EXTENSION pgcrypto;
CREATE ROLE bench_hr;
CREATE ROLE bench_job LOGIN IN ROLE bench_hr;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
SELECT toms.allow_enter('bench_job', '{acme}', '{bench_hr}');
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO PUBLIC;
CREATE TABLE bench.source AS
    SELECT n AS id, 'acme'::text AS tenant, n % 2000 AS person, n % 3 = 0 AS sick, (n % 3 = 0)::text AS word, convert_to((n % 3 = 0)::text, 'UTF8') AS bytes
    FROM generate_series(1, :rows) n;
CREATE TABLE bench.plain (id integer, tenant text NOT NULL, person integer NOT NULL, sick boolean);
CREATE TABLE bench.protected (LIKE bench.plain INCLUDING ALL);
CREATE TABLE bench.sealed (id integer, tenant text NOT NULL, person integer NOT NULL, sick toms.health_flag);
CREATE TABLE bench.stored (LIKE bench.sealed INCLUDING ALL);
CREATE TABLE bench.aes AS SELECT id, encrypt(bytes, '0123456789abcdef', 'aes') AS sick FROM bench.source;
CREATE TABLE bench.pgp AS SELECT id, pgp_sym_encrypt(word, 'a password') AS sick FROM bench.source LIMIT :few;
SELECT toms.protect(t, tenant => 'tenant', subject => 'person', category => 'health')
FROM (VALUES ('bench.protected'::regclass), ('bench.sealed'), ('bench.stored')) v (t);
SELECT toms.permit('bench_hr', t, '{select,insert,update,delete}', '{bench}', scope => 'tenant')
FROM (VALUES ('bench.protected'::regclass), ('bench.sealed'), ('bench.stored')) v (t);
GRANT ALL ON ALL TABLES IN SCHEMA bench TO bench_hr;
CREATE TABLE bench.time (statement text, round integer, seconds double precision);
GRANT ALL ON bench.time TO bench_job;
SET toms.reason = 'bench';
INSERT INTO bench.stored SELECT id, tenant, person, sick FROM bench.source;
-- keys are there already, as in a table that is in use
INSERT INTO bench.sealed SELECT id, tenant, person, sick FROM bench.source WHERE id <= 2000;
DELETE FROM bench.sealed WHERE id <= 2000;
VACUUM (ANALYZE, FREEZE);
CHECKPOINT;
