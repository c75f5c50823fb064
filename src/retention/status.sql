-- One row of all slices for monitoring.

-- Reads shared memory and files' stat only: no locks on tables, works on standbys.
CREATE FUNCTION toms.status_row(OUT library_version text, OUT extension_version text, OUT refusals bigint,
                                OUT administrative_accesses bigint, OUT would_refuse integer, OUT jwks_keys integer,
                                OUT jwks_loaded_at timestamptz, OUT jwks_problem text, OUT keyring_configured boolean,
                                OUT retention_overdue boolean, OUT retention_last_step_at timestamptz, OUT retention_problems integer,
                                OUT gate text)
LANGUAGE sql VOLATILE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT g.library_version, (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'toms'), g.refusals,
           g.administrative_accesses, g.would_refuse, j.keys, j.loaded_at, j.problem, g.keyring_configured,
           w.wanted AND NOT toms.retention_is_alive(), w.last_step_at, w.problems, t.gate
    FROM toms.guard_state() g, toms.jwks_state() j, toms.retention_worker() w, toms.gate_state() t;
$$;
REVOKE ALL ON FUNCTION toms.status_row() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.status_row() TO pg_monitor, toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.status_row() IS 'internal: the row of toms.status';

CREATE VIEW toms.status AS SELECT * FROM toms.status_row();
COMMENT ON VIEW toms.status IS 'one row for monitoring: versions, keys, counters since the server started; whether retention runs, and how many of its rules failed or are stopped';
GRANT SELECT ON toms.status TO pg_monitor, toms_admin, toms_auditor, toms_operator;
