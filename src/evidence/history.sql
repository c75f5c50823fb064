-- History of checks: what the check found, once a day and whenever an officer asks.  The digest of each run is in the audit trail,
-- and so sealed; what was found is kept for as long as entries about administration are.

CREATE TABLE toms.check_run (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL,
    took   interval NOT NULL,
    by     text,                        -- the log-in of who asked; NULL: the background worker
    digest text NOT NULL                -- SHA-256 of when, by whom, and all that was found; hexadecimal
);
CREATE INDEX check_run_at_idx ON toms.check_run (at);
SELECT pg_catalog.pg_extension_config_dump('toms.check_run', '');
SELECT pg_catalog.pg_extension_config_dump('toms.check_run_id_seq', '');
COMMENT ON TABLE toms.check_run IS 'runs of the check that were kept: when, how long it took, by whom, and the digest of what was found';

CREATE TABLE toms.check_result (
    run     bigint NOT NULL,            -- of toms.check_run
    measure text NOT NULL,
    status  text NOT NULL,
    rows    jsonb NOT NULL,             -- what was found, the worst first: part, status, phrase, args, remedy, tenant
    PRIMARY KEY (run, measure)
);
SELECT pg_catalog.pg_extension_config_dump('toms.check_result', '');
COMMENT ON TABLE toms.check_result IS 'what was found of each measure in a run of the check';
REVOKE ALL ON toms.check_run, toms.check_result FROM PUBLIC;
GRANT SELECT ON toms.check_run, toms.check_result TO toms_admin, toms_auditor;
GRANT SELECT ON SEQUENCE toms.check_run_id_seq TO toms_auditor;    -- a dump of the schema reads it

CREATE VIEW toms.check_history AS
    SELECT r.id AS run, r.at, r.took, r.by, c.measure, c.status, c.rows
    FROM toms.check_run r JOIN toms.check_result c ON c.run OPERATOR(pg_catalog.=) r.id;
COMMENT ON VIEW toms.check_history IS 'what the check found of each measure, in each run that was kept';
GRANT SELECT ON toms.check_history TO toms_admin, toms_auditor;

CREATE FUNCTION toms.check_digest(at timestamptz, by text, results toms.check_result[])
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(sha256(convert_to(jsonb_build_array(extract(epoch FROM at), by,
        (SELECT jsonb_agg(jsonb_build_array(c.measure, c.status, c.rows) ORDER BY c.measure COLLATE "C") FROM unnest(results) c))::text, 'UTF8')), 'hex');
$$;
REVOKE ALL ON FUNCTION toms.check_digest(timestamptz, text, toms.check_result[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_digest(timestamptz, text, toms.check_result[]) IS 'internal: SHA-256 of a run of the check';

-- Who looks after the database is told at once: by the server log, and by NOTIFY of each finding.
CREATE FUNCTION toms.tell_worse(run bigint)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    worse record;
BEGIN
    FOR worse IN SELECT c.measure, b.status AS was, c.status AS is
                 FROM toms.check_result c JOIN toms.check_result b ON b.measure = c.measure
                 WHERE c.run = tell_worse.run AND b.run = (SELECT max(r.id) FROM toms.check_run r WHERE r.id < tell_worse.run)
                   AND toms.status_rank(c.status) < toms.status_rank(b.status) AND b.status <> 'not_applicable'
                 ORDER BY c.measure COLLATE "C" LOOP
        PERFORM toms.put_finding(jsonb_build_object('finding', 'measure_worse', 'measure', worse.measure, 'was', worse.was, 'is', worse.is, 'run', tell_worse.run)::text);
        RAISE LOG 'toms measure % was % and is %', worse.measure, worse.was, worse.is USING HINT = format('SELECT * FROM toms.check() WHERE measure = %L;', worse.measure);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.tell_worse(bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.tell_worse(bigint) IS 'internal: raise a finding for each measure that is worse than in the run before';

-- What is unusual in comparison says so itself nowhere: it is told with the first run after it.
CREATE FUNCTION toms.tell_unusual(run bigint)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last constant timestamptz := (SELECT max(r.at) FROM toms.check_run r WHERE r.id < run AND r.at <= clock_timestamp());
    unusual record;
BEGIN
    FOR unusual IN SELECT f.finding, f.entry FROM toms.found_unusual() f
                   WHERE f.at > last AND NOT EXISTS (SELECT FROM toms.found_entries() e WHERE e.entry = f.entry) ORDER BY f.at LOOP
        RAISE LOG 'toms has found something unusual: %', unusual.finding USING HINT = format('SELECT * FROM toms.findings WHERE entry = %s;', unusual.entry);
        PERFORM pg_notify('toms_findings', unusual.entry::text);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.tell_unusual(bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.tell_unusual(bigint) IS 'internal: tell of what has been unusual in the trail since the run before';

CREATE FUNCTION toms.keep_check(by text)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    began constant timestamptz := clock_timestamp();
    kept constant interval := (SELECT p.keep FROM toms.audit_periods p WHERE p.kind = 'admin');
    results toms.check_result[];
    made bigint;
BEGIN
    PERFORM toms.require_clock();       -- of what it would remove, and of the time that it would have
    results := ARRAY(SELECT ROW(0, f.measure, min(f.status) FILTER (WHERE f.n = 1),
                                jsonb_agg(jsonb_build_object('part', f.part, 'status', f.status, 'phrase', f.phrase, 'args', f.args, 'remedy', f.remedy, 'tenant', f.tenant) ORDER BY f.n))::toms.check_result
                     FROM toms.check_rows() f GROUP BY f.measure);
    INSERT INTO toms.check_run (at, took, by, digest)
    VALUES (began, clock_timestamp() - began, keep_check.by, toms.check_digest(began, keep_check.by, results)) RETURNING id INTO made;
    INSERT INTO toms.check_result (run, measure, status, rows) SELECT made, c.measure, c.status, c.rows FROM unnest(results) c;
    PERFORM toms.tell_worse(made);
    PERFORM toms.tell_unusual(made);
    DELETE FROM toms.check_result c USING toms.check_run r WHERE r.id = c.run AND r.at < began - kept;
    DELETE FROM toms.check_run r WHERE r.at < began - kept;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION toms.keep_check(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.keep_check(text) IS 'internal: run the check, keep what it finds, and remove runs whose period has ended';

CREATE FUNCTION toms.record_check()
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE toms.check_run IN SHARE ROW EXCLUSIVE MODE;
    RETURN toms.keep_check(session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.record_check() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_check() TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.record_check() IS 'run the check now and keep what it finds; the number of the run';

-- Intervals are counted as the clock does, whoever was late before.
CREATE FUNCTION toms.interval_start(at timestamptz, every interval)
RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN to_timestamp(floor(extract(epoch FROM at) / extract(epoch FROM every)) * extract(epoch FROM every));
REVOKE ALL ON FUNCTION toms.interval_start(timestamptz, interval) FROM PUBLIC;
COMMENT ON FUNCTION toms.interval_start(timestamptz, interval) IS 'internal: when the interval of toms.check_interval began that a time is in';

-- Called by the background worker, which does not wait for an officer's transaction with toms.record_check(): it seals meanwhile.
CREATE FUNCTION toms.check_if_due()
RETURNS timestamptz LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '200ms' AS $$
DECLARE
    every constant interval := current_setting('toms.check_interval')::interval;
    began constant timestamptz := toms.interval_start(clock_timestamp(), every);
BEGIN
    LOCK TABLE toms.check_run IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM toms.audit_use u WHERE u.since < began) AND NOT EXISTS (SELECT FROM toms.check_run r WHERE r.at BETWEEN began AND clock_timestamp() AND r.by IS NULL) THEN
        PERFORM toms.keep_check(NULL);
    END IF;
    RETURN began + every;
END
$$;
REVOKE ALL ON FUNCTION toms.check_if_due() FROM PUBLIC;
COMMENT ON FUNCTION toms.check_if_due() IS 'internal: run the check unless the background worker has done so in this interval; when the next one begins';

-- For reports: as toms.check_rows() was; no row if none is kept from before.
CREATE FUNCTION toms.check_rows_at(as_of timestamptz)
RETURNS TABLE (measure text, part text, n integer, status text, phrase text, args text[], remedy text, tenant text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.measure, f.row ->> 'part', f.n::integer, f.row ->> 'status', f.row ->> 'phrase',
           CASE jsonb_typeof(f.row -> 'args') WHEN 'array' THEN ARRAY(SELECT a.arg FROM jsonb_array_elements_text(f.row -> 'args') WITH ORDINALITY a (arg, n) ORDER BY a.n) END,
           f.row ->> 'remedy', f.row ->> 'tenant'
    FROM toms.check_result c, jsonb_array_elements(c.rows) WITH ORDINALITY f (row, n)
    WHERE c.run = (SELECT r.id FROM toms.check_run r WHERE r.at <= as_of ORDER BY r.at DESC, r.id DESC LIMIT 1);
$$;
REVOKE ALL ON FUNCTION toms.check_rows_at(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_rows_at(timestamptz) IS 'internal: all that was found of each measure in the newest run that was kept before a time';

-- A month of entries that was taken out of the trail says nothing any more: signed records of that, which toms.verify_audit() watches
-- over, excuse runs of that month and no others.  A run is written down as soon as it is over: one with an entry of another time was made up.
CREATE FUNCTION toms.verify_check_history()
RETURNS TABLE (run bigint, at timestamptz, fault text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    WITH entry AS MATERIALIZED (
        SELECT e.id, e.at, s.said -> 'new' ->> 'id' AS run, s.said -> 'new' ->> 'digest' AS digest, s.said ->> 'verb' AS verb
        FROM toms.audit_entry e, LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb AS said OFFSET 0) s
        WHERE e.kind = 'a' AND e.verb = 'C' AND position('"check_run"'::bytea IN e.payload) > 0 AND s.said ->> 'table' = 'check_run'),
    inserted AS (SELECT e.run::bigint AS run, e.at, e.digest FROM entry e WHERE e.verb = 'insert'),
    kept AS (SELECT now() - p.keep AS since FROM toms.audit_periods p WHERE p.kind = 'admin')
    SELECT r.id, r.at, 'changed'
    FROM toms.check_run r
    WHERE r.digest <> toms.check_digest(r.at, r.by, ARRAY(SELECT c FROM toms.check_result c WHERE c.run = r.id))
    UNION ALL
    SELECT r.id, r.at, 'not_in_trail'
    FROM toms.check_run r
    WHERE NOT EXISTS (SELECT FROM inserted i WHERE i.run = r.id AND i.digest = r.digest AND i.at BETWEEN r.at AND r.at + interval '1 hour')
          AND NOT EXISTS (SELECT FROM toms.audit_pruning p WHERE p.partition IN (to_char(r.at, '"audit_admin_"YYYY_MM'), to_char(r.at + interval '1 hour', '"audit_admin_"YYYY_MM')))
    UNION ALL
    SELECT i.run, i.at, 'missing'
    FROM inserted i
    WHERE NOT EXISTS (SELECT FROM toms.check_run r WHERE r.id = i.run) AND i.at > (SELECT k.since FROM kept k)
    ORDER BY 1, 3;
$$;
REVOKE ALL ON FUNCTION toms.verify_check_history() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.verify_check_history() TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.verify_check_history() IS 'runs of the check that are not what the audit trail says they were: changed, not_in_trail, or missing';
