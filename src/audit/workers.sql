-- The background workers of all databases, as shared memory knows them.

CREATE FUNCTION toms.worker_entries(OUT database oid, OUT pid integer, OUT started_at timestamptz, OUT last_step_at timestamptz,
                                    OUT last_error_at timestamptz, OUT steps bigint, OUT errors bigint)
RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_worker_entries';
REVOKE ALL ON FUNCTION toms.worker_entries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.worker_entries() TO toms_admin, toms_auditor, toms_operator, pg_monitor;
COMMENT ON FUNCTION toms.worker_entries() IS 'internal: the rows of toms.workers';

CREATE VIEW toms.workers AS
    SELECT d.datname AS database, w.pid, w.started_at, w.last_step_at, w.last_error_at, w.steps, w.errors
    FROM toms.worker_entries() w
    JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) w.database;
COMMENT ON VIEW toms.workers IS 'the background worker of each database of this server that has toms; pid is null while none runs';
GRANT SELECT ON toms.workers TO toms_admin, toms_auditor, toms_operator, pg_monitor;

-- The queue in which events of a database wait for its writer.
CREATE FUNCTION toms.audit_queue_state(OUT writer_pid integer, OUT size_bytes bigint, OUT used_bytes bigint, OUT events bigint, OUT merged_events bigint,
                                       OUT written_entries bigint, OUT waits bigint, OUT timeouts bigint, OUT lost_row_counts bigint,
                                       OUT oldest_waiting_ms bigint, OUT last_commit_at timestamptz, OUT delay_ms integer, OUT timeout_ms integer)
RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_audit_queue_state';
REVOKE ALL ON FUNCTION toms.audit_queue_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.audit_queue_state() TO toms_admin, toms_auditor, toms_operator, pg_monitor;
COMMENT ON FUNCTION toms.audit_queue_state() IS 'internal: the row of toms.audit_queue';

CREATE VIEW toms.audit_queue AS SELECT * FROM toms.audit_queue_state();
COMMENT ON VIEW toms.audit_queue IS 'the queue in which reads, refusals and log-ins of this database wait for being written; no row while there is none';
GRANT SELECT ON toms.audit_queue TO toms_admin, toms_auditor, toms_operator, pg_monitor;
