-- Administrative sessions: who bypasses row security says who he is and why, in emergencies too.

CREATE FUNCTION toms.open_admin_session(person text, ticket text, reason text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_open_admin_session';
REVOKE ALL ON FUNCTION toms.open_admin_session(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.open_admin_session(text, text, text) TO PUBLIC;
COMMENT ON FUNCTION toms.open_admin_session(text, text, text) IS 'open an administrative session of this connection, or ask for it where toms.admin_approval is on; returns its number';

CREATE FUNCTION toms.close_admin_session() RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_close_admin_session';
REVOKE ALL ON FUNCTION toms.close_admin_session() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.close_admin_session() TO PUBLIC;
COMMENT ON FUNCTION toms.close_admin_session() IS 'end the administrative session of this connection; false if there is none';

-- four eyes ----------------------------------------------------------------------------

CREATE FUNCTION toms.approve_admin_session(id bigint) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_approve_admin_session';
REVOKE ALL ON FUNCTION toms.approve_admin_session(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.approve_admin_session(bigint) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.approve_admin_session(bigint) IS 'open the administrative session that another log-in asks for';

CREATE FUNCTION toms.refuse_admin_session(id bigint, reason text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_refuse_admin_session';
REVOKE ALL ON FUNCTION toms.refuse_admin_session(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.refuse_admin_session(bigint, text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.refuse_admin_session(bigint, text) IS 'refuse the administrative session that somebody asks for';

CREATE FUNCTION toms.officer_login() RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_officer_login';
REVOKE ALL ON FUNCTION toms.officer_login() FROM PUBLIC;
COMMENT ON FUNCTION toms.officer_login() IS 'internal: who logged in, whatever he is now; refuses who has neither the duty admin nor auditor';

CREATE FUNCTION toms.admin_session_rows(OUT id bigint, OUT pid integer, OUT login text, OUT kind text, OUT person text, OUT ticket text, OUT reason text,
                                        OUT state text, OUT since timestamptz, OUT until timestamptz, OUT approved_by text, OUT database oid)
RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_admin_session_rows';
REVOKE ALL ON FUNCTION toms.admin_session_rows() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.admin_session_rows() TO pg_monitor, toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.admin_session_rows() IS 'internal: the rows of toms.admin_sessions';

CREATE VIEW toms.admin_sessions AS
    SELECT s.id, s.pid, d.datname AS database, s.login, s.kind, s.person, s.ticket, s.reason, s.state, s.since, s.until, s.approved_by
    FROM toms.admin_session_rows() s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.database;
COMMENT ON VIEW toms.admin_sessions IS 'administrative sessions that are open or asked for now, on this server';
GRANT SELECT ON toms.admin_sessions TO pg_monitor, toms_admin, toms_auditor, toms_operator;

-- broken glass -------------------------------------------------------------------------

CREATE FUNCTION toms.break_glass(reason text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_break_glass';
REVOKE ALL ON FUNCTION toms.break_glass(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.break_glass(text) IS 'administrative access of this connection for an hour, without approval: for superusers at the server; returns its entry in the trail';

CREATE TABLE toms.break_glass_review (
    entry       bigint NOT NULL PRIMARY KEY,    -- of toms.audit_entry
    result      text NOT NULL CHECK (result <> ''),
    reviewed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    reviewed_by text NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('toms.break_glass_review', '');
REVOKE ALL ON toms.break_glass_review FROM PUBLIC;
COMMENT ON TABLE toms.break_glass_review IS 'what officers found when they reviewed that the glass was broken; written by toms alone';

CREATE FUNCTION toms.store_glass_review(entry bigint, result text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_store_glass_review';
REVOKE ALL ON FUNCTION toms.store_glass_review(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.store_glass_review(bigint, text) IS 'internal: write a row of toms.break_glass_review';

CREATE FUNCTION toms.break_glass_entries(OUT entry bigint, OUT at timestamptz, OUT login text, OUT reason text, OUT reviewed_at timestamptz,
                                         OUT reviewed_by text, OUT result text)
RETURNS SETOF record LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.id, e.at, d.details ->> 'login', d.details ->> 'reason', r.reviewed_at, r.reviewed_by, r.result
    FROM toms.audit_entry e LEFT JOIN toms.break_glass_review r ON r.entry = e.id,
         LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb AS details OFFSET 0) d
    WHERE e.kind = 'a' AND e.verb = 'B';
$$;
REVOKE ALL ON FUNCTION toms.break_glass_entries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.break_glass_entries() TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.break_glass_entries() IS 'internal: the rows of toms.break_glass_uses';

CREATE VIEW toms.break_glass_uses AS
    SELECT e.entry, e.at, e.login, e.reason, e.at + interval '3 days' AS review_due, e.reviewed_at, e.reviewed_by, e.result,
           coalesce(e.reviewed_at, pg_catalog.now()) > e.at + interval '3 days' AS overdue
    FROM toms.break_glass_entries() e;
COMMENT ON VIEW toms.break_glass_uses IS 'each time the glass was broken, and what its review came to; overdue: later than three days';
GRANT SELECT ON toms.break_glass_uses TO toms_admin, toms_auditor;

CREATE FUNCTION toms.review_break_glass(entry bigint, result text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reviewer constant text := toms.officer_login();
    broken record;
BEGIN
    SELECT * INTO broken FROM toms.break_glass_entries() e WHERE e.entry = review_break_glass.entry;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no glass was broken with entry %', entry USING ERRCODE = 'undefined_object',
            HINT = 'SELECT * FROM toms.break_glass_uses; one that the trail could not take in yet comes later.';
    END IF;
    IF broken.login = reviewer THEN
        RAISE EXCEPTION 'who broke the glass does not review it' USING ERRCODE = 'insufficient_privilege',
            HINT = 'Another officer reviews it.';
    END IF;
    IF coalesce(result, '') !~ '\S' THEN
        RAISE EXCEPTION 'a review needs a result' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF broken.reviewed_at IS NOT NULL THEN
        RAISE EXCEPTION 'entry % has been reviewed by "%"', entry, broken.reviewed_by USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM toms.store_glass_review(entry, result);
END
$$;
REVOKE ALL ON FUNCTION toms.review_break_glass(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.review_break_glass(bigint, text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.review_break_glass(bigint, text) IS 'record what came of it that the glass was broken; by another officer than who broke it, within three days';

-- settings -----------------------------------------------------------------------------

CREATE FUNCTION toms.setting_is_watched(name text) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_setting_is_watched';
REVOKE ALL ON FUNCTION toms.setting_is_watched(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.setting_is_watched(text) IS 'internal: whether the audit trail tells of changes of a setting';
