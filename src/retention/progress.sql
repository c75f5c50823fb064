-- What becomes of the rules: where a run has come to, what failed, what was stopped, and whether anything runs at all.

CREATE FUNCTION toms.announce_rules() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_announce_rules';
REVOKE ALL ON FUNCTION toms.announce_rules() FROM PUBLIC;
COMMENT ON FUNCTION toms.announce_rules() IS 'internal: at commit, tell the launcher that rules have changed';
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.retention_rule FOR EACH STATEMENT EXECUTE FUNCTION toms.announce_rules();
ALTER TABLE toms.retention_rule ENABLE ALWAYS TRIGGER announce;

-- Written by the worker, in the transactions of which it tells; tenants and rules of which there is nothing to tell have no row.
CREATE TABLE toms.retention_run (
    rule        bigint NOT NULL,
    tenant      text COLLATE "C" NOT NULL,
    began_at    timestamptz NOT NULL,
    at          timestamptz NOT NULL,   -- of the last batch
    ended_at    timestamptz,            -- NULL: it goes on, or was broken off
    rows        bigint NOT NULL DEFAULT 0,
    cascaded    bigint NOT NULL DEFAULT 0,
    held        bigint NOT NULL DEFAULT 0,
    blocked     bigint NOT NULL DEFAULT 0,
    problem     text,
    failures    integer NOT NULL DEFAULT 0,     -- runs, one after the other
    failed_at   timestamptz,            -- the first of them
    stopped_at  timestamptz,            -- at toms.retention_limit
    due         bigint,                 -- then, at least
    PRIMARY KEY (rule, tenant)
) WITH (fillfactor = 50);
SELECT pg_catalog.pg_extension_config_dump('toms.retention_run', '');
REVOKE ALL ON toms.retention_run FROM PUBLIC;
COMMENT ON TABLE toms.retention_run IS 'internal: the last run of each rule and tenant that has something to tell';

CREATE TABLE toms.retention_round (
    only_one    boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    began_at    timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    rows        bigint NOT NULL,
    pairs       integer NOT NULL,       -- of rule and tenant, that were looked at one by one
    failed      integer NOT NULL,
    stopped     integer NOT NULL,
    problem     text                    -- of the run as a whole
);
SELECT pg_catalog.pg_extension_config_dump('toms.retention_round', 'WHERE false');
REVOKE ALL ON toms.retention_round FROM PUBLIC;
COMMENT ON TABLE toms.retention_round IS 'internal: the last run of retention that came to its end; not in dumps: it is of this server';

-- Partitions that are being taken out as a whole: what is needed to finish that, or to take it back.
CREATE TABLE toms.retention_partition (
    partition   oid PRIMARY KEY,
    root        oid NOT NULL,
    bound       text NOT NULL,          -- FOR VALUES ...
    upper       bigint NOT NULL,        -- its end, as the key's type counts
    problem     text,                   -- why it is not out yet
    noted_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
SELECT pg_catalog.pg_extension_config_dump('toms.retention_partition', 'WHERE false');
REVOKE ALL ON toms.retention_partition FROM PUBLIC;
COMMENT ON TABLE toms.retention_partition IS 'internal: partitions that retention has begun to take out; not in dumps: numbers of tables are this database''s';

CREATE TABLE toms.retention_approval (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule        bigint NOT NULL,
    tenant      text COLLATE "C" NOT NULL,
    due         bigint,
    reason      text,
    approved_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    approved_by text NOT NULL
);
CREATE INDEX retention_approval_rule_idx ON toms.retention_approval (rule, tenant);
SELECT pg_catalog.pg_extension_config_dump('toms.retention_approval', '');
SELECT pg_catalog.pg_extension_config_dump('toms.retention_approval_id_seq', '');
GRANT SELECT ON SEQUENCE toms.retention_approval_id_seq TO toms_auditor;   -- a dump of the schema reads it
REVOKE ALL ON toms.retention_approval FROM PUBLIC;
GRANT SELECT ON toms.retention_approval TO toms_admin, toms_auditor, toms_operator;
COMMENT ON TABLE toms.retention_approval IS 'runs of retention above toms.retention_limit that were approved';

CREATE TRIGGER "~toms_declaration" AFTER INSERT OR UPDATE OR DELETE ON toms.retention_approval FOR EACH ROW EXECUTE FUNCTION toms.audit_declaration('reason');
CREATE TRIGGER "~toms_declaration_truncate" AFTER TRUNCATE ON toms.retention_approval FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_declaration();
ALTER TABLE toms.retention_approval ENABLE ALWAYS TRIGGER "~toms_declaration", ENABLE ALWAYS TRIGGER "~toms_declaration_truncate";

CREATE FUNCTION toms.approve_retention(rule bigint, tenant text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    approved integer;
BEGIN
    INSERT INTO toms.retention_approval (rule, tenant, due, reason, approved_by)
    SELECT r.rule, r.tenant, r.due, approve_retention.reason, session_user FROM toms.retention_run r
    WHERE r.rule = approve_retention.rule AND r.stopped_at IS NOT NULL AND (approve_retention.tenant IS NULL OR r.tenant = approve_retention.tenant);
    GET DIAGNOSTICS approved = ROW_COUNT;
    IF approved = 0 THEN
        RAISE EXCEPTION 'no run of this rule is stopped at the limit' USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'SELECT * FROM toms.retention_progress WHERE state = ''stopped''; tells which are.';
    END IF;
    RETURN approved;
END
$$;
REVOKE ALL ON FUNCTION toms.approve_retention(bigint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.approve_retention(bigint, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.approve_retention(bigint, text, text) IS 'let the next run of a rule, of one tenant or of all that are stopped, go beyond toms.retention_limit; recorded';

-- The view -----------------------------------------------------------------------------------

CREATE FUNCTION toms.retention_worker(OUT pid integer, OUT started_at timestamptz, OUT ended_at timestamptz, OUT last_step_at timestamptz, OUT wanted_since timestamptz,
                                      OUT wanted boolean, OUT problems integer)
    LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_retention_worker';
REVOKE ALL ON FUNCTION toms.retention_worker() FROM PUBLIC;
COMMENT ON FUNCTION toms.retention_worker() IS 'internal: the background worker of retention in this database, as shared memory knows it';

-- Whether the worker gives signs of life: it does so once in an interval at least, whether or not something is due. One that is missing has half a minute to come again.
CREATE FUNCTION toms.retention_is_alive() RETURNS boolean
LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(CASE WHEN w.pid IS NULL THEN clock_timestamp() - coalesce(greatest(w.ended_at, w.wanted_since), pg_postmaster_start_time()) < least(s.every, interval '30 seconds')
                         ELSE clock_timestamp() - greatest(w.last_step_at, w.started_at) < 2 * s.every END, false)
    FROM toms.retention_worker() w, (SELECT current_setting('toms.retention_interval')::interval AS every) s;
$$;
REVOKE ALL ON FUNCTION toms.retention_is_alive() FROM PUBLIC;
COMMENT ON FUNCTION toms.retention_is_alive() IS 'internal: whether the background worker of retention in this database gives signs of life';

-- Why a rule in force cannot be carried out; NULL: it can.
CREATE FUNCTION toms.why_broken(rule toms.retention_rule) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = (rule).relation) THEN 'its table is gone'
                WHEN NOT EXISTS (SELECT FROM pg_seclabel l WHERE l.objoid = (rule).relation AND l.classoid = 'pg_class'::regclass AND l.objsubid = 0 AND l.provider = 'toms')
                    THEN 'its table is not protected any more'
                WHEN (toms.describe((rule).relation)).mode <> 'enforce' THEN 'its table is not enforced any more'
                WHEN NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                                 WHERE a.attrelid = coalesce((rule).elsewhere, (rule).relation) AND a.attname = (rule).since AND NOT a.attisdropped AND t.typcategory = 'D')
                    THEN 'its start event is gone'
                WHEN (rule).through IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = (rule).relation AND a.attname = (rule).through AND NOT a.attisdropped)
                    THEN 'the column that leads to its start event is gone'
                WHEN EXISTS (SELECT FROM unnest((rule).clear) c (col) WHERE NOT EXISTS (
                        SELECT FROM pg_attribute a WHERE a.attrelid = (rule).relation AND a.attname = c.col AND NOT a.attisdropped))
                    THEN 'a column that it empties is gone'
                WHEN NOT toms.zone_is_known((rule).zone) THEN 'its time zone is not known' END;
$$;
REVOKE ALL ON FUNCTION toms.why_broken(toms.retention_rule) FROM PUBLIC;
COMMENT ON FUNCTION toms.why_broken(toms.retention_rule) IS 'internal: why a rule cannot be carried out';

CREATE FUNCTION toms.retention_states()
RETURNS TABLE (rule bigint, relation text, tenant text, state text, problem text, began_at timestamptz, at timestamptz, ended_at timestamptz,
               rows bigint, cascaded bigint, held bigint, blocked bigint, due bigint, failures integer, failed_at timestamptz, stopped_at timestamptz, last_run_at timestamptz)
LANGUAGE sql VOLATILE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH server AS (SELECT pg_is_in_recovery() AS stands_by, toms.retention_is_alive() AS alive, current_setting('toms.retention_interval')::interval AS every,
                           (SELECT o.ended_at FROM toms.retention_round o) AS last_run_at, (SELECT o.problem FROM toms.retention_round o) AS problem),
         rule AS (SELECT u.*, toms.why_broken(u) AS broken FROM toms.retention_rule u WHERE u.valid_until IS NULL)
    SELECT u.id, u.relation_name, coalesce(r.tenant, u.tenant),
           CASE WHEN u.broken IS NOT NULL THEN 'broken'
                WHEN s.stands_by THEN 'standby'
                WHEN NOT s.alive AND u.retained_at < clock_timestamp() - least(s.every, interval '30 seconds') THEN 'overdue'
                WHEN r.stopped_at IS NOT NULL AND NOT EXISTS (SELECT FROM toms.retention_approval a WHERE (a.rule, a.tenant) = (r.rule, r.tenant) AND a.approved_at >= r.stopped_at) THEN 'stopped'
                WHEN coalesce(r.problem, p.problem, s.problem) IS NOT NULL THEN 'failed'
                WHEN r.rule IS NOT NULL AND r.ended_at IS NULL THEN 'running'
                ELSE 'waiting' END,
           coalesce(u.broken, r.problem, p.problem, s.problem), r.began_at, r.at, r.ended_at, r.rows, r.cascaded, r.held, r.blocked, r.due, r.failures, r.failed_at, r.stopped_at, s.last_run_at
    FROM rule u LEFT JOIN toms.retention_run r ON r.rule = u.id
         LEFT JOIN LATERAL (SELECT 'a partition could not be taken out: ' || min(n.problem) AS problem FROM toms.retention_partition n WHERE n.root = u.relation) p ON true, server s
    ORDER BY u.id, r.tenant;
$$;
REVOKE ALL ON FUNCTION toms.retention_states() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.retention_states() TO toms_admin, toms_auditor, toms_operator, pg_monitor;
COMMENT ON FUNCTION toms.retention_states() IS 'internal: the rows of toms.retention_progress';

CREATE VIEW toms.retention_progress AS SELECT * FROM toms.retention_states();
COMMENT ON VIEW toms.retention_progress IS 'what becomes of each rule in force and of its tenants: waiting, running, failed, stopped (at toms.retention_limit), overdue (nothing runs), broken (it cannot be carried out), standby';
GRANT SELECT ON toms.retention_progress TO toms_admin, toms_auditor, toms_operator, pg_monitor;
