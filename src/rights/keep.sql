-- What an erasure leaves: rows under a hold, and those that the law has kept.

-- Rows that holds keep, as SQL on an alias; NULL: none.  A hold of a rule keeps all rows of its table.
CREATE FUNCTION toms.held_rows_condition(part regclass, tenant text, alias text)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held toms.hold;
    conditions text[] := '{}';
BEGIN
    FOR held IN SELECT * FROM toms.hold h WHERE h.state = 'held' AND (h.relation IS NULL OR h.relation IN ((toms.describe(part)).root, part))
                    AND (h.tenant IS NULL OR h.tenant = held_rows_condition.tenant) ORDER BY h.id LOOP
        conditions := conditions || coalesce(toms.held_condition(part, held, alias), 'false');
    END LOOP;
    RETURN nullif(array_to_string(ARRAY(SELECT '(' || c || ')' FROM unnest(conditions) c WHERE c <> 'false'), ' OR '), '');
END
$$;
REVOKE ALL ON FUNCTION toms.held_rows_condition(regclass, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.held_rows_condition(regclass, text, text) IS 'internal: which rows of a tenant in a table are under a hold, as SQL; NULL: none';

-- "t" is not past the period of a rule, or its start event has not come.
CREATE FUNCTION toms.still_runs(rule toms.retention_rule)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    horizon record;
    value text;
BEGIN
    SELECT * INTO horizon FROM toms.horizon(rule.keep, rule.starts, rule.zone, now());
    SELECT CASE coalesce(nullif(t.typbasetype, 0), t.oid) WHEN 'date'::regtype THEN format('%L::date', horizon.day)
           WHEN 'timestamp'::regtype THEN format('%L::timestamp', horizon.local) ELSE format('%L::timestamptz', horizon.instant) END
    INTO value FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = coalesce(rule.elsewhere, rule.relation) AND a.attname = rule.since;
    IF rule.elsewhere IS NULL THEN
        RETURN format('(t.%I <= %s) IS NOT TRUE', rule.since, value);
    END IF;
    RETURN format('NOT EXISTS (SELECT FROM %s l WHERE l.toms_key = t.%I AND l.toms_since <= %s)', rule.lookup, rule.through, value);
END
$$;
REVOKE ALL ON FUNCTION toms.still_runs(toms.retention_rule) FROM PUBLIC;
COMMENT ON FUNCTION toms.still_runs(toms.retention_rule) IS 'internal: the condition that a row''s period has not passed, as SQL on t';

-- The rules of a tenant: his own before those of all.
CREATE FUNCTION toms.rules_of(root regclass, tenant text)
RETURNS SETOF toms.retention_rule LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT ON (r.category) r.* FROM toms.retention_rule r
    WHERE r.relation = root AND r.valid_until IS NULL AND (r.tenant IS NULL OR r.tenant = rules_of.tenant) ORDER BY r.category, r.tenant NULLS LAST;
$$;
REVOKE ALL ON FUNCTION toms.rules_of(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.rules_of(regclass, text) IS 'internal: the retention rules of a table that are in force for a tenant';

-- Rows that the law has kept: their rule names a statutory period, or is locked, and has not run out.  A row of several
-- categories is kept by each of their rules; the rule without a category is for rows of which no other speaks.
CREATE FUNCTION toms.statutory_condition(root regclass, tenant text)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rule toms.retention_rule;
    label text;
    of_none text[] := '{}';
    conditions text[] := '{}';
    general text;
BEGIN
    FOR rule IN SELECT * FROM toms.rules_of(root, tenant) LOOP
        IF rule.category IS NULL THEN
            general := CASE WHEN rule.period IS NOT NULL OR rule.locked THEN toms.still_runs(rule) END;
            CONTINUE;
        END IF;
        label := (SELECT l.condition FROM toms.row_labels l WHERE l.relation = root AND l.category = rule.category);
        CONTINUE WHEN label IS NULL;
        of_none := of_none || format('(%s) IS FALSE', label);
        IF rule.period IS NOT NULL OR rule.locked THEN
            conditions := conditions || format('((%s) IS NOT FALSE AND %s)', label, toms.still_runs(rule));
        END IF;
    END LOOP;
    IF general IS NOT NULL THEN
        conditions := conditions || format('(%s)', array_to_string(of_none || general, ' AND '));
    END IF;
    RETURN nullif(array_to_string(conditions, ' OR '), '');
END
$$;
REVOKE ALL ON FUNCTION toms.statutory_condition(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.statutory_condition(regclass, text) IS 'internal: which rows of a table the law has kept, as SQL on t; NULL: none';

-- When the last of some rows is past its period, as far as their start events have come.
CREATE FUNCTION toms.kept_until(part regclass, root regclass, tenant text, rows tid[])
RETURNS timestamptz LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rule toms.retention_rule;
    latest timestamptz;
    since text;
BEGIN
    FOR rule IN SELECT * FROM toms.rules_of(root, tenant) r WHERE r.period IS NOT NULL OR r.locked LOOP
        since := CASE WHEN rule.elsewhere IS NULL THEN format('max(t.%I)', rule.since)
                      ELSE format('max((SELECT l.toms_since FROM %s l WHERE l.toms_key = t.%I))', rule.lookup, rule.through) END;
        latest := greatest(latest, toms.ask_all_rows(format('SELECT toms.due_at(%s, %L::interval, %L, %L) FROM ONLY %s t WHERE t.ctid = ANY (%L)',
                                                            since, rule.keep, rule.starts, rule.zone, part, rows))::timestamptz);
    END LOOP;
    RETURN latest;
END
$$;
REVOKE ALL ON FUNCTION toms.kept_until(regclass, regclass, text, tid[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.kept_until(regclass, regclass, text, tid[]) IS 'internal: when the statutory periods of rows end';
