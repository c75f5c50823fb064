-- Start events of periods of retention that are in another table: the end of a contract, the closing of a case.

-- The view that shows the keys of a table's rows of the tenant in force, and of those that all tenants share, with
-- the start event: the latest one of several rows with the same key, and none as long as one of them has none. Its
-- owner bypasses row security, as that of parents' lookups does; policies of tables that have such a rule read it alone.
CREATE FUNCTION toms.start_lookup_text(elsewhere regclass, key name, since name, condition text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('SELECT %1$I AS toms_key, CASE WHEN bool_and(%2$I IS NOT NULL) THEN max(%2$I) END AS toms_since FROM %3$s %4$s WHERE %5$s GROUP BY %1$I',
                  key, since, CASE c.relkind WHEN 'r' THEN 'ONLY' ELSE '' END, elsewhere, condition)
    FROM pg_class c WHERE c.oid = elsewhere;
$$;
REVOKE ALL ON FUNCTION toms.start_lookup_text(regclass, name, name, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.start_lookup_text(regclass, name, name, text) IS 'internal: what a view of start events selects';

-- The column that a view of start events has as its key, as it is named now.
CREATE FUNCTION toms.start_key(lookup regclass)
RETURNS name LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((parse_ident(substring(pg_get_viewdef(lookup) FROM '^\s*SELECT (?:\w+\.)?("(?:[^"]|"")+"|\w+) AS toms_key')))[1], 'toms_key')::name;
$$;
REVOKE ALL ON FUNCTION toms.start_key(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.start_key(regclass) IS 'internal: the key column of a view of start events';

-- The column that another one refers to: by foreign key, or the primary key, the tenant left out.
CREATE FUNCTION toms.referred_start(relation regclass, elsewhere regclass, through name)
RETURNS name LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(toms.referred_column(relation, elsewhere, through),
                    (SELECT a.attname FROM pg_constraint p JOIN pg_attribute a ON a.attrelid = elsewhere AND a.attnum = ANY (p.conkey)
                     WHERE p.contype = 'p' AND p.conrelid = elsewhere AND cardinality(p.conkey) = 2
                       AND a.attname <> (toms.describe(elsewhere)).tenant AND toms.is_key_in_tenant(elsewhere, a.attname)));
$$;
REVOKE ALL ON FUNCTION toms.referred_start(regclass, regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.referred_start(regclass, regclass, name) IS 'internal: the column by which a row''s start event is found in another table';

-- A row that all tenants share has none that would tell which of several rows with its key is meant.
CREATE FUNCTION toms.check_start_shared(relation regclass, elsewhere regclass, key name)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT toms.is_unique(elsewhere, key) AND num_nonnulls(toms.tenant_condition(relation, true), toms.tenant_condition(elsewhere, true)) > 0 THEN
        RAISE EXCEPTION 'column "%" of % tells rows of one tenant apart, and start events would be those of rows that all tenants share', key, elsewhere
            USING ERRCODE = 'invalid_foreign_key', HINT = format('CREATE UNIQUE INDEX ON %s (%I);', elsewhere, key);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_start_shared(regclass, regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_start_shared(regclass, regclass, name) IS 'internal: refuse shared rows where a key tells rows of one tenant apart';

-- Rows of the tenant in force alone are looked up, so it is enough that no two of these have the same key.
CREATE FUNCTION toms.check_start_reference(relation regclass, through name, elsewhere regclass, key name)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.check_identifier_column(relation, through);
    IF key IS NULL THEN
        RAISE EXCEPTION 'it is not clear which column of % column "%" refers to', elsewhere, through USING ERRCODE = 'undefined_column',
            HINT = format('ALTER TABLE %s ADD FOREIGN KEY (…) REFERENCES %s;', relation, elsewhere);
    END IF;
    PERFORM toms.check_identifier_column(elsewhere, key);
    IF NOT toms.is_key_in_tenant(elsewhere, key) THEN
        RAISE EXCEPTION 'column "%" of % is not unique for each tenant, so a row could have several start events', key, elsewhere
            USING ERRCODE = 'invalid_foreign_key',
                  HINT = format('CREATE UNIQUE INDEX ON %s (%s);', elsewhere, concat_ws(', ', quote_ident((toms.describe(elsewhere)).tenant), quote_ident(key)));
    END IF;
    PERFORM toms.check_start_shared(relation, elsewhere, key);
    PERFORM toms.check_reference(relation, through, elsewhere, key);
END
$$;
REVOKE ALL ON FUNCTION toms.check_start_reference(regclass, name, regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_start_reference(regclass, name, regclass, name) IS 'internal: whether a column tells which row of another table has the start event';

CREATE FUNCTION toms.check_start_lookup(elsewhere regclass, key name)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (toms.describe(elsewhere)).root IS DISTINCT FROM elsewhere THEN
        RAISE EXCEPTION 'table % is not protected by itself: its start events would not be those of one tenant', elsewhere
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', elsewhere);
    END IF;
    PERFORM toms.check_identifier_column(elsewhere, key);
END
$$;
REVOKE ALL ON FUNCTION toms.check_start_lookup(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_start_lookup(regclass, name) IS 'internal: whether another table can tell start events';

-- One that is there already is made as it should be.
CREATE FUNCTION toms.make_start_lookup(elsewhere regclass, key name, since name)
RETURNS regclass LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lookup regclass := (SELECT v.oid::regclass FROM toms.retention_rule r JOIN pg_class v ON v.oid = r.lookup
                        WHERE r.elsewhere = make_start_lookup.elsewhere AND r.since = make_start_lookup.since
                          AND toms.start_key(r.lookup) = make_start_lookup.key ORDER BY r.id LIMIT 1);
    source record;
    shared text := toms.tenant_condition(elsewhere, true);
    free_name text;
BEGIN
    PERFORM toms.check_start_lookup(elsewhere, key);
    SELECT n.nspname, c.relname, array_agg(DISTINCT quote_ident(a.attname)) AS columns INTO source
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.oid = elsewhere AND (a.attname IN (key, since) OR toms.label_words(elsewhere, false) ? a.attname) GROUP BY n.nspname, c.relname;
    SELECT candidate INTO free_name
    FROM generate_series(0, 999) i,
         LATERAL (SELECT left(format('start_%s_%s_%s_%s', source.nspname, source.relname, key, since), 58) || coalesce('_' || nullif(i, 0), '')) c (candidate)
    WHERE to_regclass(format('toms.%I', candidate)) IS NULL ORDER BY i LIMIT 1;
    IF lookup IS NOT NULL THEN
        free_name := (SELECT c.relname FROM pg_class c WHERE c.oid = lookup);
    END IF;
    EXECUTE format('CREATE OR REPLACE VIEW toms.%I WITH (security_barrier) AS %s', free_name,
                   toms.start_lookup_text(elsewhere, key, since, concat_ws(' OR ', toms.tenant_condition(elsewhere, false),
                                                                           '(' || shared || ' AND toms.tenant_text() IS NOT NULL)')));
    EXECUTE format('ALTER VIEW toms.%I OWNER TO toms_lookup', free_name);
    EXECUTE format('GRANT SELECT ON toms.%I TO PUBLIC', free_name);
    EXECUTE format('GRANT SELECT (%s) ON %s TO toms_lookup', array_to_string(source.columns, ', '), elsewhere);
    RETURN format('toms.%I', free_name)::regclass;
END
$$;
REVOKE ALL ON FUNCTION toms.make_start_lookup(regclass, name, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.make_start_lookup(regclass, name, name) IS 'internal: the view through which policies find start events in another table';

-- While what says whose the rows of a table are is changed, the views of its start events stand on their own two
-- columns alone, and show nothing; only the transaction that changes it sees them so.
CREATE FUNCTION toms.take_down_starts(elsewhere regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    told record;
BEGIN
    FOR told IN SELECT DISTINCT v.oid::regclass AS lookup, r.since FROM toms.retention_rule r JOIN pg_class v ON v.oid = r.lookup
                WHERE r.elsewhere = take_down_starts.elsewhere AND r.valid_until IS NULL LOOP
        EXECUTE format('CREATE OR REPLACE VIEW %s WITH (security_barrier) AS %s', told.lookup,
                       toms.start_lookup_text(elsewhere, toms.start_key(told.lookup), told.since, 'false'));
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.take_down_starts(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.take_down_starts(regclass) IS 'internal: detach views of start events from what says whose rows are';

CREATE FUNCTION toms.put_up_starts(elsewhere regclass)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.make_start_lookup(put_up_starts.elsewhere, toms.start_key(told.lookup), told.since)
    FROM (SELECT DISTINCT v.oid::regclass AS lookup, r.since FROM toms.retention_rule r JOIN pg_class v ON v.oid = r.lookup
          WHERE r.elsewhere = put_up_starts.elsewhere AND r.valid_until IS NULL) told;
$$;
REVOKE ALL ON FUNCTION toms.put_up_starts(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.put_up_starts(regclass) IS 'internal: make views of start events anew';
