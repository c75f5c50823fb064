-- The same rows in four tables: open, behind a hand-written policy, behind that with the usual
-- trigger of plpgsql, and protected by toms, whose audit trail takes every change.
CREATE EXTENSION toms;
CREATE ROLE bench_hr;
CREATE ROLE bench_job LOGIN IN ROLE bench_hr;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO bench_hr;
CREATE TABLE bench.hand (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, day date, hours integer, note text) WITH (fillfactor = 50);
CREATE TABLE bench.trigger (LIKE bench.hand INCLUDING ALL) WITH (fillfactor = 50);
CREATE TABLE bench.toms (LIKE bench.hand INCLUDING ALL) WITH (fillfactor = 50);
INSERT INTO bench.hand SELECT n, 'acme', n % 2000, '2026-01-01', 8, 'some words about it' FROM generate_series(1, :rows) n;
INSERT INTO bench.trigger SELECT * FROM bench.hand;
INSERT INTO bench.toms SELECT * FROM bench.hand;
GRANT ALL ON ALL TABLES IN SCHEMA bench TO bench_hr;

ALTER TABLE bench.hand ENABLE ROW LEVEL SECURITY;
ALTER TABLE bench.trigger ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON bench.hand USING (tenant = current_setting('app.tenant'));
CREATE POLICY tenant ON bench.trigger USING (tenant = current_setting('app.tenant'));

CREATE TABLE bench.log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT now(), who text DEFAULT current_user, address inet DEFAULT inet_client_addr(),
                        application text DEFAULT current_setting('application_name'), relation text, verb text, old jsonb, new jsonb);
CREATE FUNCTION bench.log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO bench.log (relation, verb, old, new)
    VALUES (TG_TABLE_NAME, TG_OP, CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
    RETURN NULL;
END
$$;
CREATE TRIGGER log AFTER INSERT OR UPDATE OR DELETE ON bench.trigger FOR EACH ROW EXECUTE FUNCTION bench.log();

SELECT toms.protect('bench.toms', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('bench_hr', 'bench.toms', '{select,insert,update,delete}', '{bench}', 'tenant');
VACUUM (ANALYZE) bench.hand, bench.trigger, bench.toms;
CHECKPOINT;
