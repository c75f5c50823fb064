-- What a hold keeps, where many rows are lost at once: called by hold.c before TRUNCATE, DROP, DETACH and the like.

CREATE FUNCTION toms.refuse_held(relation regclass, hold bigint) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_refuse_held';
REVOKE ALL ON FUNCTION toms.refuse_held(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.refuse_held(regclass, bigint) IS 'internal: refuse what a hold keeps from being done to a table';

-- Conditions for rows under a hold, as SQL on an alias; NULL: none can be.  Rows whose tenant nobody knows may be
-- anybody's, and so may those of persons whom the persons' table does not know.  Where a table has no data
-- subject, a row is his whose parent row is.
CREATE FUNCTION toms.held_through_parents(part regclass, held toms.hold, alias text)
RETURNS text LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT '(' || string_agg(format('EXISTS (SELECT FROM %s %s WHERE %2$s.%I = %s.%I%s AND %s)', p.parent, p.above, p.parent_column, alias, d.parent_key,
                                            CASE WHEN p.type_value IS NOT NULL THEN format(' AND %s.%I::text = %L', alias, d.type_column, p.type_value) END, p.condition), ' OR ' ORDER BY p.id) || ')'
    FROM toms.describe(part) d,
         LATERAL (SELECT q.*, toms.held_condition(q.parent, held, q.above) AS condition
                  FROM (SELECT r.*, alias || '_' || r.id AS above FROM toms.parent r JOIN pg_class c ON c.oid = r.parent WHERE r.child = d.root OFFSET 0) q) p     -- no other table's parents, whatever the planner makes of it
    WHERE p.condition IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.held_through_parents(regclass, toms.hold, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.held_through_parents(regclass, toms.hold, text) IS 'internal: which rows of a table are under a hold for their parent rows';

CREATE FUNCTION toms.held_condition(part regclass, held toms.hold, alias text)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    conditions text[] := '{true}';
BEGIN
    SELECT * INTO today FROM toms.describe(part);
    IF held.tenant IS NOT NULL AND today.tenant IS NOT NULL THEN
        conditions := conditions || format('%s.%I::text = %L', alias, today.tenant, held.tenant);
    ELSIF held.tenant IS NOT NULL THEN
        conditions := conditions || format('coalesce(%1$s, %2$L) = %2$L', coalesce(toms.tenant_expression(today.root, alias), 'NULL'), held.tenant);
    END IF;
    IF held.subject IS NOT NULL AND today.subject IS NULL THEN
        conditions := conditions || toms.held_through_parents(part, held, alias);
    ELSIF held.subject IS NOT NULL THEN
        conditions := conditions || format('%1$s.%2$I::text = coalesce(%3$L, %1$s.%2$I::text)', alias, today.subject, toms.subject_in(part, held.tenant, held.subject));
    END IF;
    RETURN CASE WHEN array_position(conditions, NULL) IS NULL THEN array_to_string(conditions, ' AND ') END;
END
$$;
REVOKE ALL ON FUNCTION toms.held_condition(regclass, toms.hold, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.held_condition(regclass, toms.hold, text) IS 'internal: which rows of a table are under a hold';

CREATE FUNCTION toms.check_none_held(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held toms.hold;
    part regclass;
    condition text;
BEGIN
    FOR part IN SELECT r FROM toms.relation_tree(relation) r JOIN pg_class c ON c.oid = r WHERE c.relkind = 'r' LOOP
        FOR held IN SELECT * FROM toms.hold h WHERE h.state = 'held' AND (h.relation IS NULL OR h.relation IN ((toms.describe(part)).root, part)) ORDER BY h.id LOOP
            condition := toms.held_condition(part, held, 't');
            IF condition IS NOT NULL AND toms.ask_all_rows(format('SELECT 1 FROM ONLY %s t WHERE %s LIMIT 1', part, condition)) IS NOT NULL THEN
                PERFORM toms.refuse_held(part, held.id);
            END IF;
        END LOOP;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.check_none_held(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_none_held(regclass) IS 'internal: refuse if a row of a table is under a hold';

-- Of a row that is deleted, by what it refers to its parent with: that is the held person's.
CREATE FUNCTION toms.check_parents_not_held(part regclass, key text, type text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    held toms.hold;
    condition text;
    child text;
BEGIN
    SELECT * INTO today FROM toms.describe(part);
    SELECT string_agg(format('CAST(%L AS %s) AS %I', CASE a.attname WHEN today.parent_key THEN key ELSE type END, format_type(a.atttypid, a.atttypmod), a.attname), ', ')
    INTO child FROM pg_attribute a WHERE a.attrelid = part AND a.attname IN (today.parent_key, today.type_column) AND NOT a.attisdropped;
    FOR held IN SELECT * FROM toms.hold h WHERE h.state = 'held' AND h.subject IS NOT NULL AND (h.relation IS NULL OR h.relation IN (today.root, part)) ORDER BY h.id LOOP
        condition := toms.held_through_parents(part, held, 't');
        IF condition IS NOT NULL AND toms.ask_all_rows(format('SELECT 1 FROM (SELECT %s) t WHERE %s LIMIT 1', child, condition)) IS NOT NULL THEN
            PERFORM toms.refuse_held(part, held.id);
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.check_parents_not_held(regclass, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_parents_not_held(regclass, text, text) IS 'internal: refuse if the parent row of a row is that of a held person';
