-- Rows whose period of retention has passed: what policies ask, and when that is.

-- the functions of policies: whoever queries a protected table calls them ------------

CREATE FUNCTION toms.period_support(internal) RETURNS internal
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_period_support';
REVOKE ALL ON FUNCTION toms.period_support(internal) FROM PUBLIC;
COMMENT ON FUNCTION toms.period_support(internal) IS 'internal: what the planner is told about toms.in_period()';

-- toms.in_scope() and toms.in_period() in one call, which is half as dear.
CREATE FUNCTION toms.is_visible(relation regclass, verb text, subject anyelement, what text, since "any") RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF COST 4 SUPPORT toms.scope_support AS 'MODULE_PATHNAME', 'toms_is_visible';
COMMENT ON FUNCTION toms.is_visible(regclass, text, anyelement, text, "any") IS 'internal: whether a row of this subject is in scope and its period of retention has not passed, for policies';

-- Dearer than the comparison of tenants, so that it is asked of the tenant's own rows only.
CREATE FUNCTION toms.in_period(relation regclass, what text, since "any") RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF COST 4 SUPPORT toms.period_support AS 'MODULE_PATHNAME', 'toms_in_period';
COMMENT ON FUNCTION toms.in_period(regclass, text, "any") IS 'internal: whether a row''s period of retention has not passed, for policies';

CREATE FUNCTION toms.in_period(relation regclass, what text, since "any", subject "any") RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF COST 4 SUPPORT toms.period_support AS 'MODULE_PATHNAME', 'toms_in_period';
COMMENT ON FUNCTION toms.in_period(regclass, text, "any", "any") IS 'internal: whether the period of retention of a subject''s row has not passed, for policies';

CREATE FUNCTION toms.in_shared_period(relation regclass, what text, since "any") RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF COST 4 AS 'MODULE_PATHNAME', 'toms_in_shared_period';
COMMENT ON FUNCTION toms.in_shared_period(regclass, text, "any") IS 'internal: whether the period of retention of a row that all tenants share has not passed, for policies';

CREATE FUNCTION toms.in_shared_period(relation regclass, what text, since "any", subject "any") RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF COST 4 AS 'MODULE_PATHNAME', 'toms_in_shared_period';
COMMENT ON FUNCTION toms.in_shared_period(regclass, text, "any", "any") IS 'internal: the same of a subject''s row, for policies';

CREATE FUNCTION toms.not_past(relation regclass, what text, since "any") RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF COST 4 AS 'MODULE_PATHNAME', 'toms_not_past';
COMMENT ON FUNCTION toms.not_past(regclass, text, "any") IS 'internal: whether the period of retention of a row to be written has not passed, for policies';

CREATE FUNCTION toms.has_period(relation regclass, category text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF STRICT AS 'MODULE_PATHNAME', 'toms_has_period';
COMMENT ON FUNCTION toms.has_period(regclass, text) IS 'internal: whether the tenant has a rule for rows of a category, for policies';

CREATE FUNCTION toms.check_period(relation regclass, verb text, fits boolean) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_period';
COMMENT ON FUNCTION toms.check_period(regclass, text, boolean) IS 'internal: refuse a row whose period of retention has passed already, for policies';

-- when a period ends ---------------------------------------------------------------------

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

-- why a table can be closed -----------------------------------------------------------------

CREATE FUNCTION toms.periods_are_told(relation regclass) RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_periods_told';
REVOKE ALL ON FUNCTION toms.periods_are_told(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.periods_are_told(regclass) IS 'internal: whether the start events and time zones of a table''s retention rules are still there';

CREATE FUNCTION toms.explain_retention(relation regclass, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'rule ' || r.id,
           format('kept %s from %I%s, time zone %s', r.keep, r.since, ' of ' || r.elsewhere, r.zone) || coalesce(', restricted after ' || r.restrict_after, '')
           || coalesce(', rows of category ' || r.category, '') || coalesce(', tenant ' || r.tenant, ''),
           format('SELECT toms.unretain(%s, reason => ''…'');', r.id)
    FROM toms.retention_rule r WHERE r.relation = (toms.describe(explain_retention.relation)).root AND r.valid_until IS NULL
    UNION ALL
    SELECT relation::text, 'closed: the start event or the time zone of a rule is gone', format('SELECT toms.retain(%L, …); says anew what it is.', relation)
    WHERE NOT toms.periods_are_told(relation);
$$;
REVOKE ALL ON FUNCTION toms.explain_retention(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.explain_retention(regclass) IS 'internal: the retention rules of a table, for explain_protection()';
