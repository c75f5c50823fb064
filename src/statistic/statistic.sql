-- Statistics without persons: what an aggregate purpose is told.  An officer declares what is
-- counted and in which groups; who asks chooses nothing, and each period has one answer for good.

-- declarations ------------------------------------------------------------------------------

CREATE TABLE toms.statistic_definition (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 63),
    relation      regclass NOT NULL,
    relation_name text NOT NULL,
    dimensions    text[] NOT NULL,          -- outermost first
    measure       text NOT NULL,
    purpose       text NOT NULL,            -- of toms.purpose
    period        text,                     -- a column; NULL: all rows are published once
    period_unit   text NOT NULL CHECK (period_unit IN ('day', 'week', 'month', 'quarter', 'year')),
    subject       text NOT NULL,
    since         date NOT NULL,            -- what is before was published by another statistic of the measure
    added_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    added_by      text NOT NULL DEFAULT session_user,
    dropped_at    timestamptz,
    dropped_by    text,
    reason        text,
    sources       text[] NOT NULL           -- what the measure was made of when it was added
);
CREATE UNIQUE INDEX statistic_definition_name_key ON toms.statistic_definition (name) WHERE dropped_at IS NULL;
SELECT pg_catalog.pg_extension_config_dump('toms.statistic_definition', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');
SELECT pg_catalog.pg_extension_config_dump('toms.statistic_definition_id_seq', '');
COMMENT ON TABLE toms.statistic_definition IS 'statistics: what is counted, in which groups, for which purpose; dropped ones too';
GRANT SELECT ON toms.statistic_definition TO toms_admin, toms_auditor;

CREATE TABLE toms.statistic_mark (
    statistic bigint NOT NULL,              -- of toms.statistic_definition
    tenant    text COLLATE "C" NOT NULL,
    until     date NOT NULL,                -- what is before has been published, if only as nothing
    PRIMARY KEY (statistic, tenant)
);
SELECT pg_catalog.pg_extension_config_dump('toms.statistic_mark', '');
COMMENT ON TABLE toms.statistic_mark IS 'how far statistics have been published';
GRANT SELECT ON toms.statistic_mark TO toms_admin, toms_auditor;

CREATE TABLE toms.statistic_cell (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    statistic    bigint NOT NULL,           -- of toms.statistic_definition
    tenant       text COLLATE "C" NOT NULL,
    period       date,                      -- its first day
    dimensions   jsonb NOT NULL,
    merged       boolean NOT NULL,          -- the innermost "other" are several groups
    subjects     bigint,                    -- NULL: too few, or all alike
    value        numeric,
    published_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE INDEX statistic_cell_idx ON toms.statistic_cell (statistic, tenant, period);
SELECT pg_catalog.pg_extension_config_dump('toms.statistic_cell', '');
SELECT pg_catalog.pg_extension_config_dump('toms.statistic_cell_id_seq', '');
COMMENT ON TABLE toms.statistic_cell IS 'published groups of statistics: the one answer for a period that is over';

CREATE FUNCTION toms.keep_statistic() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'what a statistic has published is kept as it is' USING ERRCODE = 'object_not_in_prerequisite_state',
        DETAIL = 'With two answers for one period the difference would be about single persons.';
END
$$;
REVOKE ALL ON FUNCTION toms.keep_statistic() FROM PUBLIC;
COMMENT ON FUNCTION toms.keep_statistic() IS 'internal: trigger that refuses to change what has been published';

-- It goes with its tenant, when no rows are there any more to be compared with it.
CREATE FUNCTION toms.keep_statistic_row() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM toms.tenant_end e WHERE e.tenant = OLD.tenant AND e.state = 'erasing') THEN
        RAISE EXCEPTION 'what a statistic has published is kept as it is' USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'With two answers for one period the difference would be about single persons.';
    END IF;
    RETURN OLD;
END
$$;
REVOKE ALL ON FUNCTION toms.keep_statistic_row() FROM PUBLIC;
COMMENT ON FUNCTION toms.keep_statistic_row() IS 'internal: trigger that refuses to delete what has been published, but at the end of the contract';
CREATE TRIGGER keep BEFORE UPDATE OR TRUNCATE ON toms.statistic_cell FOR EACH STATEMENT EXECUTE FUNCTION toms.keep_statistic();
CREATE TRIGGER keep_row BEFORE DELETE ON toms.statistic_cell FOR EACH ROW EXECUTE FUNCTION toms.keep_statistic_row();
ALTER TABLE toms.statistic_cell ENABLE ALWAYS TRIGGER keep, ENABLE ALWAYS TRIGGER keep_row;
CREATE TRIGGER keep BEFORE TRUNCATE ON toms.statistic_mark FOR EACH STATEMENT EXECUTE FUNCTION toms.keep_statistic();
CREATE TRIGGER keep_row BEFORE DELETE ON toms.statistic_mark FOR EACH ROW EXECUTE FUNCTION toms.keep_statistic_row();
ALTER TABLE toms.statistic_mark ENABLE ALWAYS TRIGGER keep, ENABLE ALWAYS TRIGGER keep_row;
CREATE TRIGGER keep_date BEFORE UPDATE ON toms.statistic_mark FOR EACH ROW
    WHEN (NEW.until < OLD.until OR (NEW.statistic, NEW.tenant) IS DISTINCT FROM (OLD.statistic, OLD.tenant)) EXECUTE FUNCTION toms.keep_statistic();
ALTER TABLE toms.statistic_mark ENABLE ALWAYS TRIGGER keep_date;
CREATE TRIGGER keep BEFORE DELETE OR TRUNCATE ON toms.statistic_definition FOR EACH STATEMENT EXECUTE FUNCTION toms.keep_statistic();
ALTER TABLE toms.statistic_definition ENABLE ALWAYS TRIGGER keep;
CREATE TRIGGER keep_form BEFORE UPDATE ON toms.statistic_definition FOR EACH ROW
    WHEN (NEW.since < OLD.since OR (NEW.id, NEW.name, NEW.relation_name, NEW.dimensions, NEW.measure, NEW.purpose, NEW.period, NEW.period_unit, NEW.subject, NEW.sources)
          IS DISTINCT FROM (OLD.id, OLD.name, OLD.relation_name, OLD.dimensions, OLD.measure, OLD.purpose, OLD.period, OLD.period_unit, OLD.subject, OLD.sources))
    EXECUTE FUNCTION toms.keep_statistic();
ALTER TABLE toms.statistic_definition ENABLE ALWAYS TRIGGER keep_form;

CREATE VIEW toms.statistics AS
    SELECT d.name, d.relation, d.dimensions, d.measure, d.purpose, p.min_group, d.period, d.period_unit, d.subject,
           d.added_at, d.added_by, d.dropped_at, d.dropped_by, d.reason,
           (SELECT pg_catalog.count(DISTINCT c.tenant) FROM toms.statistic_cell c WHERE c.statistic OPERATOR(pg_catalog.=) d.id) AS tenants,
           (SELECT pg_catalog.max(m.until) FROM toms.statistic_mark m WHERE m.statistic OPERATOR(pg_catalog.=) d.id) AS published_until
    FROM toms.statistic_definition d LEFT JOIN toms.purpose p ON p.purpose OPERATOR(pg_catalog.=) d.purpose;
COMMENT ON VIEW toms.statistics IS 'statistics and how far they have been published, dropped ones too';
GRANT SELECT ON toms.statistics TO toms_admin, toms_auditor;

-- what a statistic reads ---------------------------------------------------------------------

CREATE FUNCTION toms.column_sources(relation regclass, measure name, OUT relid oid, OUT number smallint) RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_column_sources';
REVOKE ALL ON FUNCTION toms.column_sources(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.column_sources(regclass, name) IS 'internal: of which columns of tables a column of a view is made';

CREATE FUNCTION toms.relations_below(relation regclass)
RETURNS SETOF pg_class LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE below (relid) AS (
        SELECT relations_below.relation::oid
        UNION
        SELECT d.refobjid FROM below b JOIN pg_rewrite r ON r.ev_class = b.relid
               JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    )
    SELECT c.* FROM below b JOIN pg_class c ON c.oid = b.relid;
$$;
REVOKE ALL ON FUNCTION toms.relations_below(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.relations_below(regclass) IS 'internal: a table, or a view with all that it reads';

CREATE FUNCTION toms.protected_below(relation regclass)
RETURNS SETOF oid LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.oid FROM toms.relations_below(protected_below.relation) c CROSS JOIN LATERAL toms.describe(c.oid) d
    WHERE c.relkind IN ('r', 'p', 'f') AND d.root IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.protected_below(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.protected_below(regclass) IS 'internal: the protected tables that a table or view reads';

-- As columns are compared: a measure that is made of no column stands for all rows.
CREATE FUNCTION toms.measure_sources(relation regclass, measure name, OUT relid oid, OUT number smallint)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH found AS (SELECT s.relid, s.number FROM toms.column_sources(measure_sources.relation, measure_sources.measure) s)
    SELECT f.relid, f.number FROM found f
    UNION
    SELECT p, 0::smallint FROM toms.protected_below(measure_sources.relation) p WHERE NOT EXISTS (SELECT FROM found);
$$;
REVOKE ALL ON FUNCTION toms.measure_sources(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.measure_sources(regclass, name) IS 'internal: what is counted, as columns of tables';

-- Type of a column, below a domain.
CREATE FUNCTION toms.statistic_type(relation regclass, col name)
RETURNS regtype LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(nullif(t.typbasetype, 0), t.oid)::regtype
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = statistic_type.relation AND a.attname = statistic_type.col AND a.attnum > 0 AND NOT a.attisdropped;
$$;
REVOKE ALL ON FUNCTION toms.statistic_type(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.statistic_type(regclass, name) IS 'internal: the type of a column';

CREATE FUNCTION toms.is_sum(relation regclass, measure name)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.statistic_type(relation, measure) NOT IN ('boolean', 'toms.health_flag');
$$;
REVOKE ALL ON FUNCTION toms.is_sum(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.is_sum(regclass, name) IS 'internal: whether a measure is summed; else it is counted where true';

-- computing ------------------------------------------------------------------------------------

-- A sealed value of the table is opened only if it was sealed for that table and the row's subject.
CREATE FUNCTION toms.plain_expression(d toms.statistic_definition, col name)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sealed_in oid[];
BEGIN
    IF toms.statistic_type(d.relation, col) NOT IN ('toms.health_flag', 'toms.health_date') THEN
        RETURN format('t.%I', col);
    END IF;
    sealed_in := ARRAY(SELECT s.relid FROM toms.column_sources(d.relation, col) s);
    IF cardinality(sealed_in) = 1 THEN
        RETURN format('CASE WHEN NOT toms.is_erased(t.%1$I) THEN toms.reveal(t.%1$I, %2$L::regclass, t.%3$I::text) END', col, sealed_in[1]::regclass, d.subject);
    END IF;
    RETURN format('CASE WHEN NOT toms.is_erased(t.%1$I) THEN toms.reveal(t.%1$I) END', col);
END
$$;
REVOKE ALL ON FUNCTION toms.plain_expression(toms.statistic_definition, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.plain_expression(toms.statistic_definition, name) IS 'internal: a column of a statistic in plain, as text';

CREATE FUNCTION toms.statistic_conditions(d toms.statistic_definition, since date, until date)
RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('t.%I IS NOT NULL', d.subject)
           || CASE WHEN toms.statistic_type(d.relation, d.measure) = 'toms.health_flag'::regtype
                   THEN format(' AND toms.is_erased(t.%I) IS NOT TRUE', d.measure) ELSE '' END
           || CASE WHEN d.period IS NULL THEN ''
                   WHEN toms.statistic_type(d.relation, d.period) = 'timestamptz'::regtype
                   THEN format(' AND t.%1$I >= %2$L::timestamp AT TIME ZONE ''UTC'' AND t.%1$I < %3$L::timestamp AT TIME ZONE ''UTC''', d.period, since, until)
                   WHEN toms.statistic_type(d.relation, d.period) <> 'toms.health_date'::regtype
                   THEN format(' AND t.%1$I >= %2$L AND t.%1$I < %3$L', d.period, since, until)
                   ELSE '' END;
$$;
REVOKE ALL ON FUNCTION toms.statistic_conditions(toms.statistic_definition, date, date) FROM PUBLIC;
COMMENT ON FUNCTION toms.statistic_conditions(toms.statistic_definition, date, date) IS 'internal: which rows a statistic counts, as text';

-- A person in several groups within a period counts, with all his rows, in the one where most of them are.
CREATE FUNCTION toms.statistic_query(d toms.statistic_definition, since date, until date)
RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(
        'WITH facts AS MATERIALIZED (SELECT %s AS day, t.%I::text COLLATE "C" AS subject, ARRAY[%s]::text[] COLLATE "C" AS path, (%s)::%snumeric AS value FROM %s t WHERE %s), '
        'paths AS (SELECT date_trunc(%L, day::timestamp)::date AS period, subject, path, count(*) AS n, sum(value) AS value FROM facts WHERE %s GROUP BY 1, 2, 3), '
        'persons AS (SELECT DISTINCT ON (period, subject) period, path, sum(value) OVER (PARTITION BY period, subject) AS value FROM paths ORDER BY period, subject, n DESC, path) '
        'SELECT period, path, %s FROM persons ORDER BY period',
        CASE WHEN d.period IS NULL THEN 'NULL::date'
             WHEN toms.statistic_type(d.relation, d.period) = 'timestamptz'::regtype THEN format('(t.%I AT TIME ZONE ''UTC'')::date', d.period)
             ELSE format('(%s)::date', toms.plain_expression(d, d.period)) END,
        d.subject,
        (SELECT string_agg(format('t.%I::text', x), ', ' ORDER BY n) FROM unnest(d.dimensions) WITH ORDINALITY u (x, n)),
        toms.plain_expression(d, d.measure), CASE WHEN toms.is_sum(d.relation, d.measure) THEN '' ELSE 'integer::' END,
        d.relation, toms.statistic_conditions(d, since, until), d.period_unit,
        CASE WHEN d.period IS NULL THEN 'true' ELSE format('isfinite(day) AND day >= %L AND day < %L', since, until) END,
        CASE WHEN toms.is_sum(d.relation, d.measure) THEN 'coalesce(value, 0), coalesce(value, 0)' ELSE 'coalesce(value, 0), least(coalesce(value, 0), 1)' END);
$$;
REVOKE ALL ON FUNCTION toms.statistic_query(toms.statistic_definition, date, date) FROM PUBLIC;
COMMENT ON FUNCTION toms.statistic_query(toms.statistic_definition, date, date) IS 'internal: the query behind a statistic: period, path, value and contribution of each person; of flags that is 0 or 1';

-- Over everywhere on Earth, whatever the session's time zone.
CREATE FUNCTION toms.end_of_publication(period_unit text)
RETURNS date LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT date_trunc(period_unit, (now() AT TIME ZONE 'UTC') - interval '12 hours')::date;
$$;
REVOKE ALL ON FUNCTION toms.end_of_publication(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.end_of_publication(text) IS 'internal: the first day that is in no period that is over';

CREATE FUNCTION toms.find_statistic(name text, OUT id bigint, OUT purpose text, OUT min_group integer, OUT sums boolean, OUT tables oid[])
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.id, d.purpose, coalesce(p.min_group, 5), toms.is_sum(d.relation, d.measure), ARRAY(SELECT toms.protected_below(d.relation))
    FROM toms.statistic_definition d LEFT JOIN toms.purpose p ON p.purpose = d.purpose
    WHERE d.name = find_statistic.name AND d.dropped_at IS NULL;
$$;
REVOKE ALL ON FUNCTION toms.find_statistic(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.find_statistic(text) IS 'internal: what is to be known of a statistic before it is answered';

CREATE FUNCTION toms.published_until(d toms.statistic_definition, tenant text)
RETURNS date LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT greatest(d.since, (SELECT m.until FROM toms.statistic_mark m WHERE m.statistic = d.id AND m.tenant = published_until.tenant));
$$;
REVOKE ALL ON FUNCTION toms.published_until(toms.statistic_definition, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.published_until(toms.statistic_definition, text) IS 'internal: before what a tenant''s statistic is published';

CREATE FUNCTION toms.due_statistic(id bigint, tenant text, OUT query text, OUT since text, OUT until text, OUT depth integer)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.statistic_query(d, s.since, s.until), s.since::text, s.until::text, cardinality(d.dimensions)
    FROM toms.statistic_definition d,
         LATERAL (SELECT toms.published_until(d, due_statistic.tenant),
                         CASE WHEN d.period IS NULL THEN 'infinity' ELSE toms.end_of_publication(d.period_unit) END) s (since, until)
    WHERE d.id = due_statistic.id AND s.since < s.until;
$$;
REVOKE ALL ON FUNCTION toms.due_statistic(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.due_statistic(bigint, text) IS 'internal: what is over and has not been published, if anything';

-- Nothing, where somebody else has published meanwhile.
CREATE FUNCTION toms.store_statistic(id bigint, tenant text, since date, until date, cells jsonb)
RETURNS boolean LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d toms.statistic_definition;
BEGIN
    LOCK TABLE toms.statistic_mark IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO d FROM toms.statistic_definition x WHERE x.id = store_statistic.id AND x.dropped_at IS NULL FOR SHARE;
    IF d.id IS NULL OR toms.published_until(d, tenant) <> since THEN
        RETURN false;
    END IF;
    INSERT INTO toms.statistic_mark AS m (statistic, tenant, until) VALUES (d.id, store_statistic.tenant, store_statistic.until)
    ON CONFLICT ON CONSTRAINT statistic_mark_pkey DO UPDATE SET until = excluded.until;
    INSERT INTO toms.statistic_cell (statistic, tenant, period, dimensions, merged, subjects, value)
    SELECT d.id, store_statistic.tenant, (c ->> 'period')::date,
           (SELECT coalesce(jsonb_object_agg(d.dimensions[p.n], p.value), '{}') FROM jsonb_array_elements(c -> 'path') WITH ORDINALITY p (value, n)),
           (c ->> 'merged')::boolean, (c ->> 'subjects')::bigint, (c ->> 'value')::numeric
    FROM jsonb_array_elements(cells) c;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION toms.store_statistic(bigint, text, date, date, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.store_statistic(bigint, text, date, date, jsonb) IS 'internal: publish what has been computed, unless it is published';

CREATE FUNCTION toms.published_cells(id bigint, tenant text, OUT dimensions jsonb, OUT period date, OUT subjects bigint, OUT value numeric,
                                     OUT merged boolean, OUT suppressed boolean, OUT published_at timestamptz)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.dimensions, c.period, c.subjects, c.value, c.merged, c.subjects IS NULL, c.published_at
    FROM toms.statistic_cell c WHERE c.statistic = published_cells.id AND c.tenant = published_cells.tenant
    ORDER BY c.period, c.id;
$$;
REVOKE ALL ON FUNCTION toms.published_cells(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.published_cells(bigint, text) IS 'internal: the answer of a statistic';

CREATE FUNCTION toms.next_publication(id bigint)
RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT to_char(toms.end_of_publication(d.period_unit) + ('1 ' || replace(d.period_unit, 'quarter', 'month'))::interval
                   * CASE d.period_unit WHEN 'quarter' THEN 3 ELSE 1 END + interval '12 hours', 'YYYY-MM-DD HH24:MI "UTC"')
    FROM toms.statistic_definition d WHERE d.id = next_publication.id AND d.period IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.next_publication(bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.next_publication(bigint) IS 'internal: when the current period of a statistic is over everywhere';

CREATE FUNCTION toms.merge_groups(paths text[], contributions double precision[], min_group integer, sums boolean,
                                  OUT person integer, OUT path text[], OUT merged boolean)
RETURNS SETOF record LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_merge_groups_of';
REVOKE ALL ON FUNCTION toms.merge_groups(text[], double precision[], integer, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.merge_groups(text[], double precision[], integer, boolean) IS 'internal: in which group each person is published, on plain input';

CREATE FUNCTION toms.statistic(name text, OUT dimensions jsonb, OUT period date, OUT subjects bigint, OUT value numeric,
                               OUT merged boolean, OUT suppressed boolean, OUT published_at timestamptz)
RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT ROWS 100 AS 'MODULE_PATHNAME', 'toms_statistic';
COMMENT ON FUNCTION toms.statistic(text) IS 'the groups of a statistic, of all periods that are over, for a context that holds its purpose';
