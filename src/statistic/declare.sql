-- Statistics are declared by officers: add_statistic() and drop_statistic().

CREATE FUNCTION toms.check_statistic_relation(relation regclass)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c pg_class;
BEGIN
    FOR c IN SELECT * FROM toms.relations_below(relation) LOOP
        IF c.relkind NOT IN ('r', 'p', 'v') OR c.relpersistence = 't' THEN
            RAISE EXCEPTION '% is no table that stays, and no view', c.oid::regclass USING ERRCODE = 'wrong_object_type',
                HINT = 'A statistic is of a protected table, or of an officer''s view of such.';
        END IF;
        IF c.relkind = 'v' AND NOT pg_has_role(c.relowner, 'toms_admin', 'USAGE') THEN
            RAISE EXCEPTION 'view % belongs to %, who is no officer', c.oid::regclass, c.relowner::regrole USING ERRCODE = 'insufficient_privilege',
                DETAIL = 'Its owner could choose the rows that are counted.', HINT = format('ALTER VIEW %s OWNER TO …;', c.oid::regclass);
        END IF;
        IF c.relkind = 'v' AND toms.passes_policies(c.relowner) AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false) THEN
            RAISE EXCEPTION 'view % reads the rows of every tenant', c.oid::regclass USING ERRCODE = 'object_not_in_prerequisite_state',
                DETAIL = format('Its owner %s bypasses row security.', c.relowner::regrole),
                HINT = format('ALTER VIEW %s SET (security_invoker = true);', c.oid::regclass);
        END IF;
        IF c.relkind <> 'v' AND EXISTS (SELECT FROM toms.describe(c.oid) p WHERE p.mode <> 'enforce' OR p.root <> c.oid) THEN
            RAISE EXCEPTION 'table % is not enforced, or is a part of another one', c.oid::regclass USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = format('SELECT toms.enforce(%L);', (toms.describe(c.oid)).root);
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT FROM toms.protected_below(relation)) THEN
        RAISE EXCEPTION '% holds no protected rows', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', relation);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_statistic_relation(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_statistic_relation(regclass) IS 'internal: whether a statistic can be of a relation';

CREATE FUNCTION toms.check_statistic_column(relation regclass, col text, use text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind regtype := toms.statistic_type(relation, col);
BEGIN
    IF kind IS NULL THEN
        RAISE EXCEPTION 'column "%" of % does not exist', col, relation USING ERRCODE = 'undefined_column';
    END IF;
    IF NOT (CASE use
        WHEN 'measure' THEN kind IN ('boolean', 'toms.health_flag', 'smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision')
        WHEN 'period' THEN kind IN ('date', 'timestamp', 'timestamptz', 'toms.health_date')
        WHEN 'subject' THEN kind IN ('smallint', 'integer', 'bigint', 'uuid', 'text', 'varchar')
        ELSE NOT EXISTS (SELECT FROM pg_type t WHERE t.oid = kind AND (t.typnamespace = 'toms'::regnamespace OR t.typtype NOT IN ('b', 'e') OR t.typcategory = 'A')) END) THEN
        RAISE EXCEPTION 'column "%" of type % cannot be the % of a statistic', col, kind, use USING ERRCODE = 'datatype_mismatch',
            HINT = CASE use WHEN 'measure' THEN 'Booleans and toms.health_flag are counted where true, numbers are summed.'
                            WHEN 'period' THEN 'A period is told by a date, timestamp, timestamptz or toms.health_date.'
                            WHEN 'subject' THEN 'A data subject is told by a number, uuid or text.'
                            ELSE 'Groups are named by plain values, no sealed ones.' END;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_statistic_column(regclass, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_statistic_column(regclass, text, text) IS 'internal: whether a column can be measure, period, subject or dimension';

CREATE FUNCTION toms.check_statistic_purpose(purpose text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.check_not_excluded(purpose);
    IF NOT EXISTS (SELECT FROM toms.purpose p WHERE p.purpose = check_statistic_purpose.purpose AND p.aggregate) THEN
        RAISE EXCEPTION 'purpose "%" is not registered for statistics', purpose USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.add_purpose(%L, description => ''…'', legal_basis => ''…'', granularity => ''aggregate'', min_group => 5);',
                          CASE WHEN EXISTS (SELECT FROM toms.purpose p WHERE p.purpose = check_statistic_purpose.purpose) THEN 'another_name' ELSE purpose END);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_statistic_purpose(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_statistic_purpose(text) IS 'internal: whether a purpose answers statistics';

-- What a measure is made of, by name: views come and go.
CREATE FUNCTION toms.source_names(relation regclass, measure name)
RETURNS text[] LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(format('%s column %s', s.relid::regclass, coalesce(a.attname, '*')) ORDER BY s.relid, s.number), '{}')
    FROM toms.measure_sources(relation, measure) s LEFT JOIN pg_attribute a ON a.attrelid = s.relid AND a.attnum = s.number AND s.number > 0;
$$;
REVOKE ALL ON FUNCTION toms.source_names(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.source_names(regclass, name) IS 'internal: of which columns of tables a measure is made, by name';

-- Statistics that count the same, dropped ones too, through whatever they read it now or did when they were added.
CREATE FUNCTION toms.statistics_alike(relation regclass, measure name)
RETURNS SETOF toms.statistic_definition LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.* FROM toms.statistic_definition d
    WHERE (d.relation_name = statistics_alike.relation::text AND d.measure = statistics_alike.measure)
       OR EXISTS (SELECT FROM unnest(d.sources) a, unnest(toms.source_names(statistics_alike.relation, statistics_alike.measure)) b
                  WHERE a = b OR (split_part(a, ' column ', 1) = split_part(b, ' column ', 1) AND '*' IN (split_part(a, ' column ', 2), split_part(b, ' column ', 2))))
       OR EXISTS (SELECT FROM pg_class c CROSS JOIN LATERAL toms.measure_sources(d.relation, d.measure) a
                         JOIN toms.measure_sources(statistics_alike.relation, statistics_alike.measure) b
                           ON b.relid = a.relid AND (b.number = a.number OR 0 IN (a.number, b.number))
                  WHERE c.oid = d.relation);
$$;
REVOKE ALL ON FUNCTION toms.statistics_alike(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.statistics_alike(regclass, name) IS 'internal: statistics of the same measure, whatever they read it through';

-- The first day of a period of which no day has been published for any tenant by one of the same measure.
CREATE FUNCTION toms.statistic_since(relation regclass, measure name, period_unit text, but_for bigint)
RETURNS date LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN NOT isfinite(u.until) OR date_trunc(period_unit, u.until::timestamp) = u.until THEN u.until
                ELSE (date_trunc(period_unit, date_trunc(period_unit, u.until::timestamp)
                      + CASE period_unit WHEN 'day' THEN interval '1 day' WHEN 'week' THEN interval '7 days' WHEN 'month' THEN interval '1 month'
                                         WHEN 'quarter' THEN interval '3 months' ELSE interval '1 year' END))::date END
    FROM (SELECT coalesce(max(m.until), '-infinity')
          FROM toms.statistics_alike(relation, measure) d JOIN toms.statistic_mark m ON m.statistic = d.id
          WHERE d.id IS DISTINCT FROM but_for) u (until);
$$;
REVOKE ALL ON FUNCTION toms.statistic_since(regclass, name, text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.statistic_since(regclass, name, text, bigint) IS 'internal: from when on a statistic can be published';

-- What add_statistic() was not told: the data subject of a table, a date among the dimensions.
CREATE FUNCTION toms.complete_statistic(wanted toms.statistic_definition)
RETURNS toms.statistic_definition LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    x text;
BEGIN
    IF wanted.name IS NULL OR wanted.relation IS NULL OR wanted.measure IS NULL OR wanted.purpose IS NULL OR wanted.period_unit IS NULL
       OR coalesce(cardinality(wanted.dimensions), 0) NOT BETWEEN 1 AND 8 OR array_position(wanted.dimensions, NULL) IS NOT NULL
       OR wanted.measure = ANY (wanted.dimensions) OR (SELECT count(DISTINCT d) < cardinality(wanted.dimensions) FROM unnest(wanted.dimensions) d) THEN
        RAISE EXCEPTION 'a statistic has a name, a relation, one to eight different dimensions, a measure and a purpose' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'dimensions => ''{department,team}'', outermost first.';
    END IF;
    IF wanted.period_unit NOT IN ('day', 'week', 'month', 'quarter', 'year') THEN
        RAISE EXCEPTION 'there is no period "%"', wanted.period_unit USING ERRCODE = 'invalid_parameter_value', HINT = 'Periods are day, week, month, quarter and year.';
    END IF;
    wanted.relation_name := wanted.relation::text;
    wanted.sources := toms.source_names(wanted.relation, wanted.measure);
    wanted.subject := coalesce(wanted.subject, (SELECT d.subject FROM toms.describe(wanted.relation) d WHERE d.root = wanted.relation));
    IF wanted.subject IS NULL THEN
        RAISE EXCEPTION 'which column of % tells the data subject is not known', wanted.relation USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'Groups are of persons, not of rows.', HINT = 'subject => ''…''';
    END IF;
    FOREACH x IN ARRAY wanted.dimensions LOOP
        IF wanted.period IS NULL AND toms.statistic_type(wanted.relation, x) IN ('date', 'timestamp', 'timestamptz') THEN
            wanted.period := x;
        END IF;
    END LOOP;
    RETURN wanted;
END
$$;
REVOKE ALL ON FUNCTION toms.complete_statistic(toms.statistic_definition) FROM PUBLIC;
COMMENT ON FUNCTION toms.complete_statistic(toms.statistic_definition) IS 'internal: fill in what goes without saying';

CREATE FUNCTION toms.check_statistic(wanted toms.statistic_definition)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other text;
BEGIN
    PERFORM toms.check_statistic_purpose(wanted.purpose);
    PERFORM toms.check_statistic_relation(wanted.relation);
    PERFORM toms.check_statistic_column(wanted.relation, x, 'dimension') FROM unnest(wanted.dimensions) x;
    PERFORM toms.check_statistic_column(wanted.relation, wanted.measure, 'measure');
    PERFORM toms.check_statistic_column(wanted.relation, wanted.subject, 'subject');
    IF wanted.period IS NOT NULL THEN
        PERFORM toms.check_statistic_column(wanted.relation, wanted.period, 'period');
    END IF;
    SELECT d.subject INTO other FROM toms.describe(wanted.relation) d WHERE d.root IS NOT NULL;
    IF other IS DISTINCT FROM wanted.subject AND other IS NOT NULL THEN
        RAISE EXCEPTION 'the data subject of table % is in column "%"', wanted.relation, other USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT EXISTS (SELECT FROM toms.column_sources(wanted.relation, wanted.subject))
       OR EXISTS (SELECT FROM toms.column_sources(wanted.relation, wanted.subject) s LEFT JOIN pg_attribute a ON a.attrelid = s.relid AND a.attnum = s.number
                  WHERE a.attname IS DISTINCT FROM (toms.describe(s.relid)).subject) THEN
        RAISE EXCEPTION 'column "%" of % is not made of the data subjects of protected tables alone', wanted.subject, wanted.relation
            USING ERRCODE = 'invalid_parameter_value', DETAIL = 'Groups would not be of as many persons as they seem to be.';
    END IF;
    IF EXISTS (SELECT FROM toms.statistic_definition d WHERE d.name = wanted.name AND d.dropped_at IS NULL) THEN
        RAISE EXCEPTION 'there is a statistic "%"', wanted.name USING ERRCODE = 'unique_violation',
            HINT = format('SELECT toms.drop_statistic(%L, reason => ''…'');', wanted.name);
    END IF;
    SELECT d.name INTO other FROM toms.statistics_alike(wanted.relation, wanted.measure) d WHERE d.dropped_at IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'statistic "%" is of the same measure', other USING ERRCODE = 'unique_violation',
            DETAIL = 'Groups of two statistics could be subtracted from each other until single persons are left.',
            HINT = format('Use it, or SELECT toms.drop_statistic(%L, reason => ''…''); the new one begins where it ends.', other);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_statistic(toms.statistic_definition) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_statistic(toms.statistic_definition) IS 'internal: whether a statistic can be added';

CREATE FUNCTION toms.add_statistic(name text, relation regclass, dimensions text[], measure text, purpose text, period text DEFAULT NULL,
                                   subject text DEFAULT NULL, period_unit text DEFAULT 'month')
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted toms.statistic_definition;
    former bigint;
BEGIN
    LOCK TABLE toms.statistic_definition IN SHARE ROW EXCLUSIVE MODE;
    LOCK TABLE toms.statistic_mark IN SHARE MODE;           -- nothing is published meanwhile
    SELECT NULL, add_statistic.name, add_statistic.relation, NULL, add_statistic.dimensions, add_statistic.measure,
           add_statistic.purpose, add_statistic.period, add_statistic.period_unit, add_statistic.subject INTO wanted;
    wanted := toms.complete_statistic(wanted);
    PERFORM toms.check_statistic(wanted);
    -- the same again goes on where it was dropped
    SELECT d.id INTO former FROM toms.statistic_definition d
    WHERE (d.name, d.relation, d.dimensions, d.measure, d.purpose, d.period, d.period_unit, d.subject) IS NOT DISTINCT FROM
          (wanted.name, wanted.relation, wanted.dimensions, wanted.measure, wanted.purpose, wanted.period, wanted.period_unit, wanted.subject)
    ORDER BY d.id DESC LIMIT 1;
    wanted.since := toms.statistic_since(wanted.relation, wanted.measure, wanted.period_unit, former);
    IF wanted.period IS NULL AND wanted.since > '-infinity' OR wanted.since = 'infinity' THEN
        RAISE EXCEPTION 'this has been published by another statistic, for good' USING ERRCODE = 'unique_violation',
            DETAIL = 'Of rows without a period there is one answer.', HINT = 'Name a period, or add the former statistic again: SELECT * FROM toms.statistics;';
    END IF;
    IF former IS NOT NULL THEN
        UPDATE toms.statistic_definition d SET dropped_at = NULL, dropped_by = NULL, reason = NULL, since = greatest(d.since, wanted.since) WHERE d.id = former;
        RETURN former;
    END IF;
    INSERT INTO toms.statistic_definition (name, relation, relation_name, dimensions, measure, purpose, period, period_unit, subject, since, sources)
    VALUES (wanted.name, wanted.relation, wanted.relation_name, wanted.dimensions, wanted.measure, wanted.purpose, wanted.period, wanted.period_unit, wanted.subject, wanted.since, wanted.sources)
    RETURNING id INTO former;
    RETURN former;
END
$$;
REVOKE ALL ON FUNCTION toms.add_statistic(text, regclass, text[], text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.add_statistic(text, regclass, text[], text, text, text, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.add_statistic(text, regclass, text[], text, text, text, text, text) IS 'declare a statistic: a measure of a protected table or an officer''s view, in groups along an ordered hierarchy of columns, per period';

CREATE FUNCTION toms.drop_statistic(name text, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'a statistic is dropped for a reason' USING ERRCODE = 'null_value_not_allowed', HINT = 'reason => ''…''';
    END IF;
    UPDATE toms.statistic_definition d SET dropped_at = clock_timestamp(), dropped_by = session_user, reason = drop_statistic.reason
    WHERE d.name = drop_statistic.name AND d.dropped_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no statistic "%"', name USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.statistics;';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.drop_statistic(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.drop_statistic(text, text) TO toms_admin;
COMMENT ON FUNCTION toms.drop_statistic(text, text) IS 'end a statistic; what it has published is kept, and nothing else answers for those periods';
