-- Rows of which the first fifth is past its period, days in the order of their ids; bench.hand and
-- bench.toms are copied from them for each measurement.  And tables of many tenants, in which nothing is due.
CREATE EXTENSION toms;
CREATE ROLE bench_hr;
CREATE ROLE bench_job LOGIN IN ROLE bench_hr;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
CREATE ROLE bench_owner;
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO bench_hr;

-- now() is the start of this transaction: kept, since all measurements compare with it
CREATE TABLE bench.source AS
SELECT n::bigint AS id, 'acme'::text AS tenant, n % 2000 AS employee, now() - interval '305 days' - interval '305 days' * (1 - n / (:rows * 0.2)) AS at, 0 AS hits,
       'some words about it, as long as a short message mostly is' AS note
FROM generate_series(1, :rows) n;

CREATE FUNCTION bench.renew(relation text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE bench.%I AS SELECT * FROM bench.source', relation);
    EXECUTE format('ALTER TABLE bench.%I ADD PRIMARY KEY (id), ALTER tenant SET NOT NULL, ALTER employee SET NOT NULL', relation);
    EXECUTE format('CREATE INDEX ON bench.%I (at)', relation);
    EXECUTE format('ALTER TABLE bench.%I OWNER TO bench_owner', relation);
    EXECUTE format('GRANT SELECT, UPDATE ON bench.%I TO bench_hr', relation);
END
$$;

-- Sixty days and today, so many rows a day
CREATE FUNCTION bench.renew_days(relation text, a_day bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE bench.%I (id bigint, tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL, note text) PARTITION BY RANGE (day)', relation);
    FOR d IN 0..60 LOOP
        EXECUTE format('CREATE TABLE bench.%I PARTITION OF bench.%I FOR VALUES FROM (%L) TO (%L)', relation || '_' || d, relation, current_date - d, current_date - d + 1);
        EXECUTE format('INSERT INTO bench.%I SELECT n, ''acme'', n %% 2000, %L, ''some words'' FROM generate_series(1, %s) n', relation || '_' || d, current_date - d, a_day);
        EXECUTE format('ALTER TABLE bench.%I OWNER TO bench_owner', relation || '_' || d);
    END LOOP;
    EXECUTE format('ALTER TABLE bench.%I OWNER TO bench_owner', relation);
END
$$;
