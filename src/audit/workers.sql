-- The background workers of all databases, as shared memory knows them.

CREATE FUNCTION toms.worker_entries(OUT database oid, OUT pid integer, OUT started_at timestamptz, OUT last_step_at timestamptz,
                                    OUT last_error_at timestamptz, OUT steps bigint, OUT errors bigint)
RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_worker_entries';
REVOKE ALL ON FUNCTION toms.worker_entries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.worker_entries() TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.worker_entries() IS 'internal: the rows of toms.workers';

CREATE VIEW toms.workers AS
    SELECT d.datname AS database, w.pid, w.started_at, w.last_step_at, w.last_error_at, w.steps, w.errors
    FROM toms.worker_entries() w
    JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) w.database;
COMMENT ON VIEW toms.workers IS 'the background worker of each database of this server that has toms; pid is null while none runs';
GRANT SELECT ON toms.workers TO toms_admin, toms_auditor, toms_operator;
