-- What is usually added by hand: a table of changes that a trigger of plpgsql fills, a job that deletes what has expired,
-- and what a regulator is shown of the server's log. The statements themselves filter by person, period and objection.
\set ON_ERROR_STOP on
CREATE TABLE bench.log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT now(), who text DEFAULT session_user, address inet DEFAULT inet_client_addr(),
                        application text DEFAULT current_setting('application_name'), relation text, verb text, old jsonb, new jsonb);
CREATE FUNCTION bench.log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO bench.log (relation, verb, old, new)
    VALUES (TG_TABLE_NAME, TG_OP, CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
    RETURN NULL;
END
$$;
CREATE TRIGGER log AFTER INSERT OR UPDATE OR DELETE ON bench.record FOR EACH ROW EXECUTE FUNCTION bench.log();

-- Lines that name a person among their parameters: of the last bytes of the log, or of all of it.
CREATE FUNCTION bench.log_of(usr text, bytes bigint) RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT line
    FROM pg_stat_file(pg_current_logfile('csvlog')) f,
         string_to_table(pg_read_file(pg_current_logfile('csvlog'), greatest(f.size - bytes, 0), least(f.size, bytes)), E'\n') line
    WHERE strpos(line, '= ''' || usr || '''') > 0;
$$;

SELECT count(*) > 0 AS has_cron FROM pg_available_extensions WHERE name = 'pg_cron' AND current_setting('shared_preload_libraries') ~ 'pg_cron' \gset
\if :has_cron
CREATE EXTENSION pg_cron;
SELECT cron.schedule('* * * * *', 'DELETE FROM bench.record WHERE expires_at < now()');
\endif
