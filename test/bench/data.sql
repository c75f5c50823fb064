-- The data of "make bench-tenant": one schema for each way of keeping tenants apart, all with
-- physically equal copies of the same tables.
--
--   psql -v rows=N -v schemas='{hand,...}' -f data.sql
--
-- Of 1,000 tenants number 1 owns 30 percent of the rows, 2 to 501 share 56 percent, the others
-- the rest; rows of all tenants lie side by side. A subject has about 100 rows, where its tenant
-- has so many.
\set ON_ERROR_STOP on
\set QUIET on
SET synchronize_seqscans = off;         -- copies keep the order of rows
SET client_min_messages = warning;
SET maintenance_work_mem = '512MB';
CREATE SCHEMA origin;
SET search_path = origin;

CREATE FUNCTION tenant(id bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN mix < 300000 THEN 1
                WHEN mix < 860000 THEN 2 + (mix - 300000) % 500
                ELSE 502 + (mix - 860000) % 499 END
    FROM (SELECT id * 2654435761 % 1000000) m (mix)
$$;
CREATE FUNCTION subjects(tenant bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN tenant = 1 THEN 15000 WHEN tenant < 502 THEN 56 ELSE 14 END
$$;
CREATE FUNCTION pick(id bigint, seed int, count bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT (hashint8extended(id, seed) & 9223372036854775807) % count
$$;

CREATE TABLE absence (
    id         bigint NOT NULL,
    tenant_id  bigint NOT NULL,
    subject_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    day        date NOT NULL,
    hours      integer NOT NULL,
    kind       text NOT NULL,
    remark     text
);
INSERT INTO absence
SELECT i, t, t * 100000 + 1 + pick(i, 1, subjects(t)), timestamptz '2020-01-01 00:00Z' + i * interval '30 seconds',
       date '2020-01-01' + pick(i, 2, 2000)::int, 1 + pick(i, 3, 8)::int,
       ('{holiday,sick,training,parental}'::text[])[1 + pick(i, 4, 4)], 'remark ' || md5(i::text)::char(12)
FROM generate_series(1::bigint, :rows) i, tenant(i) t;

-- the same with ids of tenants that are text
CREATE TABLE absence_named (
    id         bigint NOT NULL,
    tenant_id  text NOT NULL,
    subject_id bigint NOT NULL,
    day        date NOT NULL,
    kind       text NOT NULL
);
INSERT INTO absence_named SELECT id, 'tenant-' || tenant_id, subject_id, day, kind FROM absence WHERE id <= :rows / 10;

-- a person has two keys, id and number
CREATE TABLE person (
    id        bigint NOT NULL,
    tenant_id bigint NOT NULL,
    team_id   bigint NOT NULL,
    number    bigint NOT NULL,
    name      text NOT NULL
);
INSERT INTO person
SELECT t * 100000 + n, t, t * 100000 + (n + 9) / 10, 5000000000 + t * 100000 + n, 'Person ' || n
FROM generate_series(1::bigint, 1000) t, generate_series(1, subjects(t)) n;

CREATE TABLE team (tenant_id bigint NOT NULL, id bigint NOT NULL, name text NOT NULL);
INSERT INTO team SELECT DISTINCT tenant_id, team_id, 'Team ' || team_id FROM person ORDER BY 1, 2;

CREATE TABLE booking (
    id          bigint NOT NULL,
    tenant_id   bigint NOT NULL,
    user_number bigint NOT NULL,
    day         date NOT NULL,
    hours       integer NOT NULL
);
INSERT INTO booking SELECT id, tenant_id, 5000000000 + subject_id, day, hours FROM absence WHERE id <= :rows / 5;

-- no tenant in it: the absence has it. Five notes where there are any, and not side by side.
CREATE TABLE absence_note (id bigint NOT NULL, absence_id bigint NOT NULL, body text NOT NULL);
INSERT INTO absence_note
SELECT n, (n % (:rows / 23) + 1) * 23, 'note ' || md5(n::text) FROM generate_series(1::bigint, :rows / 5) n;

SELECT set_config('bench.schemas', :'schemas', false) \g /dev/null
DO $$
DECLARE
    s text;
    t text;
BEGIN
    FOREACH s IN ARRAY current_setting('bench.schemas')::text[] LOOP
        EXECUTE format('CREATE SCHEMA %I', s);
        PERFORM set_config('search_path', s, false);
        FOREACH t IN ARRAY '{absence,absence_named,person,team,booking,absence_note}'::text[] LOOP
            EXECUTE format('CREATE TABLE %I (LIKE origin.%I) WITH (autovacuum_enabled = false)', t, t);
            EXECUTE format('INSERT INTO %I SELECT * FROM origin.%I', t, t);
        END LOOP;
        ALTER TABLE absence ADD PRIMARY KEY (id);
        CREATE INDEX ON absence (tenant_id, day);
        CREATE INDEX ON absence (tenant_id, subject_id);
        CREATE STATISTICS absence_subject (dependencies) ON tenant_id, subject_id FROM absence;   -- a subject has one tenant
        ALTER TABLE absence_named ADD PRIMARY KEY (id);
        CREATE INDEX ON absence_named (tenant_id, day);
        ALTER TABLE person ADD PRIMARY KEY (id), ADD UNIQUE (number);
        ALTER TABLE team ADD PRIMARY KEY (tenant_id, id);
        ALTER TABLE booking ADD PRIMARY KEY (id);
        CREATE INDEX ON booking (tenant_id, user_number);
        ALTER TABLE absence_note ADD PRIMARY KEY (id);
        ALTER TABLE absence_note ADD FOREIGN KEY (absence_id) REFERENCES absence;
        CREATE INDEX ON absence_note (absence_id);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', s);
        IF s IN ('hand', 'plain') THEN
            EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO bench_hand', s);
        END IF;
    END LOOP;
END
$$;
DROP SCHEMA origin CASCADE;
