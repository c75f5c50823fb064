-- The table of GDPRbench's records: a key and metadata with an index each. On every side alike; what a side adds is in a
-- file of its name. The application brings the records itself (operations.pl load), as it brings all others later.
--
--   psql -f setup.sql
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE ROLE bench_customer;
CREATE ROLE bench_processor;
CREATE ROLE bench_controller;
CREATE ROLE bench_regulator;
CREATE ROLE bench_job LOGIN IN ROLE bench_customer, bench_processor, bench_controller, bench_regulator;
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO PUBLIC;
CREATE TABLE bench.record (
    key        bigint NOT NULL,
    tenant     text NOT NULL DEFAULT 'acme',
    usr        integer NOT NULL,            -- the data subject
    pur        text NOT NULL,               -- the purpose it was collected for, of 25
    obj        text NOT NULL,               -- what the person objects to; of each 100th it is the purpose p1
    dec        text NOT NULL,               -- whether decisions are made of it by machine
    acl        text NOT NULL,
    shr        text NOT NULL,               -- with whom it is shared
    src        text NOT NULL,
    cat        text NOT NULL,
    expires_at timestamptz NOT NULL,
    data       text NOT NULL                -- 100 bytes
);
ALTER TABLE bench.record ADD PRIMARY KEY (key);
CREATE INDEX ON bench.record (usr);
CREATE INDEX ON bench.record (pur);
CREATE INDEX ON bench.record (obj);
CREATE INDEX ON bench.record (dec);
CREATE INDEX ON bench.record (acl);
CREATE INDEX ON bench.record (shr);
CREATE INDEX ON bench.record (src);
CREATE INDEX ON bench.record (cat);
CREATE INDEX ON bench.record (expires_at);
GRANT ALL ON bench.record TO bench_job;
