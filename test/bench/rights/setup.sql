-- Fifty tables of the same size, ten of them with rows that are a person's by their parent rows, and a table of persons to
-- which they refer.  In each table some persons have :many rows and as many others a tenth of that, all over the table.
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
CREATE ROLE officer LOGIN;
SELECT toms.grant_officer('officer', 'admin');
CREATE ROLE bench_owner;

CREATE FUNCTION renew(rows bigint, many bigint, persons bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    whose constant text := format('CASE WHEN n %% %1$s < %2$s THEN n %% %1$s WHEN n %% %3$s < 2 * %2$s THEN n %% %3$s ELSE 1000 + n %% %3$s END', rows / many, persons, 10 * rows / many);
BEGIN
    CREATE SCHEMA bench;
    GRANT ALL ON SCHEMA bench TO bench_owner;
    CREATE TABLE bench.person (tenant text NOT NULL, who bigint NOT NULL, words text, PRIMARY KEY (tenant, who));
    EXECUTE format('INSERT INTO bench.person SELECT DISTINCT ''acme'', %s, ''words about a person'' FROM generate_series(1, %s) n', whose, rows);
    FOR i IN 1 .. 40 LOOP
        EXECUTE format('CREATE TABLE bench.t%s (id bigint, tenant text NOT NULL, who bigint NOT NULL, words text)', i);
        EXECUTE format('INSERT INTO bench.t%s SELECT n, ''acme'', %s, ''some words about it, as long as a short message mostly is'' FROM generate_series(1, %s) n', i, whose, rows);
        EXECUTE format('ALTER TABLE bench.t%s ADD PRIMARY KEY (id)', i);
        EXECUTE format('CREATE INDEX ON bench.t%s (tenant, who)', i);
        EXECUTE format('ALTER TABLE bench.t%s ADD FOREIGN KEY (tenant, who) REFERENCES bench.person', i);
    END LOOP;
    FOR i IN 1 .. 10 LOOP
        EXECUTE format('CREATE TABLE bench.line%s (id bigint, t bigint NOT NULL, words text)', i);
        EXECUTE format('INSERT INTO bench.line%s SELECT n, n, ''some words about it, as long as a short message mostly is'' FROM generate_series(1, %s) n', i, rows);
        EXECUTE format('ALTER TABLE bench.line%s ADD PRIMARY KEY (id)', i);
        EXECUTE format('CREATE INDEX ON bench.line%s (t)', i);
        EXECUTE format('ALTER TABLE bench.line%1$s ADD FOREIGN KEY (t) REFERENCES bench.t%1$s', i);
    END LOOP;
END
$$;

CREATE FUNCTION protect_all() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    rel regclass;
BEGIN
    FOR rel IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'bench'::regnamespace AND c.relkind = 'r' ORDER BY c.relname DESC LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO bench_owner', rel);
        IF rel::text LIKE 'bench.line%' THEN
            PERFORM toms.protect(rel, parent => replace(rel::text, 'line', 't')::regclass, parent_key => 't');
        ELSE
            PERFORM toms.protect(rel, tenant => 'tenant', subject => 'who');
        END IF;
    END LOOP;
END
$$;

-- A confirmed instruction about a person
CREATE FUNCTION instruct(kind text, who bigint) RETURNS bigint LANGUAGE sql AS $$
    SELECT toms.record_instruction('acme', kind, given_by => 'acme', wording => kind, subject => who::text);
$$;
