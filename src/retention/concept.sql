-- The deletion concept: what DIN 66398 asks of one, told from the rules that run.

CREATE FUNCTION toms.period_in_words(period interval, lang text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(string_agg(p.n || ' ' || CASE WHEN lang = 'de' THEN CASE p.n WHEN 1 THEN p.ein ELSE p.viele END ELSE CASE p.n WHEN 1 THEN p.one ELSE p.many END END, ', ' ORDER BY p.place),
                    CASE lang WHEN 'de' THEN 'sofort' ELSE 'at once' END)
    FROM (VALUES (1, extract(year FROM period), 'year', 'years', 'Jahr', 'Jahre'), (2, extract(month FROM period), 'month', 'months', 'Monat', 'Monate'),
                 (3, extract(day FROM period), 'day', 'days', 'Tag', 'Tage'), (4, extract(hour FROM period), 'hour', 'hours', 'Stunde', 'Stunden'),
                 (5, extract(minute FROM period), 'minute', 'minutes', 'Minute', 'Minuten'),
                 (6, trim_scale(extract(second FROM period)), 'second', 'seconds', 'Sekunde', 'Sekunden')) p (place, n, one, many, ein, viele)
    WHERE p.n <> 0
$$;
REVOKE ALL ON FUNCTION toms.period_in_words(interval, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.period_in_words(interval, text) IS 'internal: 8 years, or 8 Jahre';

-- From when a period counts; short: as the class of all periods that begin so.
CREATE FUNCTION toms.start_in_words(rule toms.retention_rule, short boolean, lang text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN short THEN
        CASE lang || ' ' || rule.starts WHEN 'en event' THEN 'event' WHEN 'en end_of_month' THEN 'end of month' WHEN 'en end_of_year' THEN 'end of year'
             WHEN 'de event' THEN 'Ereignis' WHEN 'de end_of_month' THEN 'Monatsende' WHEN 'de end_of_year' THEN 'Jahresende' END
        || CASE WHEN rule.elsewhere IS NULL THEN '' WHEN lang = 'de' THEN ' (anderer Datensatz)' ELSE ' (another record)' END
    ELSE
        CASE lang || ' ' || rule.starts WHEN 'en end_of_month' THEN 'end of the month of ' WHEN 'en end_of_year' THEN 'end of the calendar year of '
             WHEN 'de end_of_month' THEN 'Ende des Monats von ' WHEN 'de end_of_year' THEN 'Ende des Kalenderjahrs von ' ELSE '' END
        || CASE WHEN rule.elsewhere IS NULL THEN quote_ident(rule.since)
                ELSE format(CASE lang WHEN 'de' THEN '%s.%I, über %I' ELSE '%s.%I, by %I' END, rule.elsewhere, rule.since, rule.through) END
    END
$$;
REVOKE ALL ON FUNCTION toms.start_in_words(toms.retention_rule, boolean, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.start_in_words(toms.retention_rule, boolean, text) IS 'internal: end of the calendar year of issued_on';

-- What becomes of the rows, and when before the end.
CREATE FUNCTION toms.action_in_words(rule toms.retention_rule, lang text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat_ws('; ',
        CASE WHEN rule.restrict_after IS NOT NULL THEN
            format(CASE lang WHEN 'de' THEN 'eingeschränkt %s, danach %s' ELSE 'restricted %s, from then on %s' END,
                   CASE WHEN rule.restrict_after = '0' THEN '' WHEN lang = 'de' THEN 'nach ' ELSE 'after ' END ||
                   regexp_replace(toms.period_in_words(rule.restrict_after, lang), '(Jahre|Monate|Tage)\M', '\1n', 'g'),
                   CASE WHEN rule.purposes = '{}' THEN CASE lang WHEN 'de' THEN 'für keinen Zweck' ELSE 'for no purpose' END
                        ELSE format(CASE lang WHEN 'de' THEN 'nur für %s' ELSE 'for %s alone' END, array_to_string(rule.purposes, ', ')) END) END,
        CASE rule.action WHEN 'pseudonymise' THEN
            format(CASE lang WHEN 'de' THEN 'pseudonymisiert, geleert werden: %s' ELSE 'pseudonymised, emptied are: %s' END, array_to_string(rule.clear, ', '))
        ELSE CASE lang WHEN 'de' THEN 'gelöscht' ELSE 'deleted' END END,
        CASE WHEN rule.locked THEN CASE lang WHEN 'de' THEN 'die Frist kann nur verlängert werden' ELSE 'the period can only be lengthened' END END)
$$;
REVOKE ALL ON FUNCTION toms.action_in_words(toms.retention_rule, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.action_in_words(toms.retention_rule, text) IS 'internal: restricted after 2 years, from then on for tax_audit alone; deleted';

-- The trail's own periods, as rows of the concept.
CREATE FUNCTION toms.trail_in_words(kind text, lang text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE lang WHEN 'de' THEN 'Protokoll: ' ELSE 'audit trail: ' END || coalesce(
        (SELECT CASE lang WHEN 'de' THEN w.de ELSE w.en END
         FROM (VALUES ('change', 'changes', 'Änderungen'), ('read', 'reads', 'Lesezugriffe'), ('refusal', 'refusals', 'Verweigerungen'), ('session', 'log-ins', 'Anmeldungen'),
                      ('admin', 'administration', 'Verwaltung'), ('deletion', 'deletions', 'Löschungen'), ('who', 'who acted', 'Handelnde'),
                      ('object', 'tables', 'Tabellen')) w (kind, en, de) WHERE w.kind = trail_in_words.kind), kind)
$$;
REVOKE ALL ON FUNCTION toms.trail_in_words(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.trail_in_words(text, text) IS 'internal: audit trail: log-ins';

-- What the worker makes of a rule: as toms.retention_progress has it.
CREATE FUNCTION toms.state_in_words(state text, lang text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE lang WHEN 'de' THEN CASE state WHEN 'waiting' THEN 'wartet' WHEN 'running' THEN 'läuft' WHEN 'failed' THEN 'gescheitert' WHEN 'stopped' THEN 'angehalten'
        WHEN 'overdue' THEN 'überfällig' WHEN 'broken' THEN 'nicht ausführbar' ELSE state END ELSE state END
$$;
REVOKE ALL ON FUNCTION toms.state_in_words(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.state_in_words(text, text) IS 'internal: waiting, or wartet';

-- Rules first, each with what it is for; then rows that nothing deletes; then the trail.
CREATE FUNCTION toms.deletion_concept(lang text DEFAULT 'en')
RETURNS TABLE (rule bigint, relation text, category text, tenant text, data_kind text, start_event text, standard_period text, deletion_class text,
               legal_basis text, implementation text, zone text, state text, last_run timestamptz, next_run timestamptz, holds bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF lang IS NULL OR lang NOT IN ('en', 'de') THEN
        RAISE EXCEPTION 'the deletion concept is not written in language "%"', lang USING ERRCODE = 'invalid_parameter_value', HINT = 'Languages are en and de.';
    END IF;
    RETURN QUERY
    WITH progress AS MATERIALIZED (SELECT g.rule, string_agg(DISTINCT toms.state_in_words(g.state, lang), ', ') AS state, max(g.last_run_at) AS last_run
                                   FROM toms.retention_progress g GROUP BY 1)
    SELECT r.id, coalesce(c.oid::regclass::text, r.relation_name), coalesce(r.category, p.category), r.tenant,
           coalesce(obj_description(c.oid, 'pg_class'), c.oid::regclass::text, r.relation_name),
           toms.start_in_words(r, false, lang), toms.period_in_words(r.keep, lang), toms.start_in_words(r, true, lang) || CASE WHEN r.keep = '0' THEN '' ELSE ' + ' || toms.period_in_words(r.keep, lang) END,
           nullif(concat_ws('; ', r.basis, nullif(s.source, r.basis), s.period || ', ' || to_char(s.as_of, 'YYYY-MM-DD')), ''), toms.action_in_words(r, lang), r.zone, g.state, l.last_run,
           l.last_run + current_setting('toms.retention_interval')::interval,
           (SELECT count(*) FROM toms.hold h WHERE h.state = 'held' AND (h.relation IS NULL OR h.relation = r.relation) AND (h.rule IS NULL OR h.rule = r.id)
                AND (h.tenant IS NULL OR h.tenant = r.tenant OR r.tenant IS NULL AND NOT EXISTS (SELECT FROM toms.retention_rule o WHERE o.valid_until IS NULL
                    AND o.relation = r.relation AND o.category IS NOT DISTINCT FROM r.category AND o.tenant = h.tenant)))
    FROM toms.retention_rule r LEFT JOIN pg_class c ON c.oid = r.relation LEFT JOIN toms.protected_tables p ON p.relation = r.relation
         LEFT JOIN toms.statutory_period s ON s.period = r.period LEFT JOIN progress g ON g.rule = r.id
         LEFT JOIN LATERAL (SELECT g.last_run WHERE g.last_run >= r.retained_at) l ON true
    WHERE r.valid_until IS NULL
    ORDER BY 2, r.category NULLS FIRST, r.tenant NULLS FIRST;

    RETURN QUERY
    SELECT NULL::bigint, p.relation::text, p.category, NULL::text, coalesce(obj_description(p.relation, 'pg_class'), p.relation::text), NULL::text,
           CASE lang WHEN 'de' THEN 'keine' ELSE 'none' END, NULL::text, NULL::text,
           CASE WHEN EXISTS (SELECT FROM toms.retention_rule r WHERE r.relation = p.relation AND r.valid_until IS NULL)
                THEN CASE lang WHEN 'de' THEN 'keine Löschregel für alle übrigen Zeilen' ELSE 'no rule for all other rows' END
                ELSE CASE lang WHEN 'de' THEN 'keine Löschregel' ELSE 'no rule' END END,
           NULL::text, NULL::text, NULL::timestamptz, NULL::timestamptz, NULL::bigint
    FROM toms.protected_tables p
    WHERE p.relation = p.root AND NOT EXISTS (SELECT FROM toms.retention_rule r WHERE r.relation = p.relation AND r.valid_until IS NULL
                                                  AND r.tenant IS NULL AND coalesce(r.category, p.category) = p.category)
    ORDER BY 2;

    RETURN QUERY
    SELECT NULL::bigint, 'toms.audit_' || k.kind, NULL::text, NULL::text, toms.trail_in_words(k.kind, lang),
           CASE lang WHEN 'de' THEN 'Ende des Monats des Eintrags' ELSE 'end of the month of the entry' END, toms.period_in_words(k.keep, lang),
           CASE lang WHEN 'de' THEN 'Monatsende + ' ELSE 'end of month + ' END || toms.period_in_words(k.keep, lang), k.reason,
           CASE lang WHEN 'de' THEN 'monatsweise entfernt' ELSE 'taken out by months' END, 'UTC'::text, NULL::text, NULL::timestamptz, NULL::timestamptz, NULL::bigint
    FROM toms.audit_periods k ORDER BY k.kind;
END
$$;
REVOKE ALL ON FUNCTION toms.deletion_concept(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.deletion_concept(text) TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.deletion_concept(text) IS 'the deletion concept in terms of DIN 66398, from the rules that run: kind of data, start, period, class, legal basis, what is done; in English (en) or German (de)';
