-- Rows whose period of retention has passed: what policies ask, and when that is.

-- From which day or instant on a row may not be kept any longer: that of the row alone. It is hidden and
-- deleted then, or where others that began before it end after it (29, 30 and 31 January all end on 28
-- February; clocks are put back) up to a day later.
CREATE FUNCTION toms.due_at(since timestamptz, keep interval, starts text DEFAULT 'event', zone text DEFAULT current_setting('TimeZone'))
RETURNS timestamptz LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_due_at';
REVOKE ALL ON FUNCTION toms.due_at(timestamptz, interval, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.due_at(timestamptz, interval, text, text) TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.due_at(timestamptz, interval, text, text) IS 'when the period of retention of one start event ends';

CREATE FUNCTION toms.due_at(since timestamp, keep interval, starts text DEFAULT 'event', zone text DEFAULT current_setting('TimeZone'))
RETURNS timestamptz LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_due_at';
REVOKE ALL ON FUNCTION toms.due_at(timestamp, interval, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.due_at(timestamp, interval, text, text) TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.due_at(timestamp, interval, text, text) IS 'when the period of retention of one start event in the zone''s local time ends';

CREATE FUNCTION toms.due_at(since date, keep interval, starts text DEFAULT 'event', zone text DEFAULT current_setting('TimeZone'))
RETURNS timestamptz LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_due_at';
REVOKE ALL ON FUNCTION toms.due_at(date, interval, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.due_at(date, interval, text, text) TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.due_at(date, interval, text, text) IS 'when the period of retention of one day ends';

CREATE FUNCTION toms.horizon(keep interval, starts text, zone text, as_of timestamptz, OUT instant timestamptz, OUT local timestamp, OUT day date)
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_horizon_at';
REVOKE ALL ON FUNCTION toms.horizon(interval, text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.horizon(interval, text, text, timestamptz) TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.horizon(interval, text, text, timestamptz) IS 'the latest start events at which, and at all before which, a period has passed, by type';
