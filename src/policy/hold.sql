-- What a hold keeps, where many rows are lost at once: called by hold.c before TRUNCATE, DROP, DETACH and the like.

CREATE FUNCTION toms.refuse_held(relation regclass, hold bigint) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_refuse_held';
REVOKE ALL ON FUNCTION toms.refuse_held(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.refuse_held(regclass, bigint) IS 'internal: refuse what a hold keeps from being done to a table';

-- Of one table a condition for rows under a hold, as SQL on "t"; NULL: none can be.  Rows whose tenant nobody
-- knows may be anybody's, and so may those of persons whom the persons' table does not know.
CREATE FUNCTION toms.held_condition(part regclass, held toms.hold)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    conditions text[] := '{true}';
BEGIN
    SELECT * INTO today FROM toms.describe(part);
    IF held.tenant IS NOT NULL AND today.tenant IS NOT NULL THEN
        conditions := conditions || format('t.%I::text = %L', today.tenant, held.tenant);
    ELSIF held.tenant IS NOT NULL THEN
        conditions := conditions || format('coalesce(%1$s, %2$L) = %2$L', coalesce(toms.tenant_expression(today.root, 't'), 'NULL'), held.tenant);
    END IF;
    IF held.subject IS NOT NULL AND today.subject IS NULL THEN
        RETURN NULL;
    ELSIF held.subject IS NOT NULL THEN
        conditions := conditions || format('t.%1$I::text = coalesce(%2$L, t.%1$I::text)', today.subject, toms.subject_in(part, held.tenant, held.subject));
    END IF;
    RETURN array_to_string(conditions, ' AND ');
END
$$;
REVOKE ALL ON FUNCTION toms.held_condition(regclass, toms.hold) FROM PUBLIC;
COMMENT ON FUNCTION toms.held_condition(regclass, toms.hold) IS 'internal: which rows of a table are under a hold';

CREATE FUNCTION toms.check_none_held(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held toms.hold;
    part regclass;
    condition text;
BEGIN
    FOR part IN SELECT r FROM toms.relation_tree(relation) r JOIN pg_class c ON c.oid = r WHERE c.relkind = 'r' LOOP
        FOR held IN SELECT * FROM toms.hold h WHERE h.state = 'held' AND (h.relation IS NULL OR h.relation IN ((toms.describe(part)).root, part)) ORDER BY h.id LOOP
            condition := toms.held_condition(part, held);
            IF condition IS NOT NULL AND toms.ask_all_rows(format('SELECT 1 FROM ONLY %s t WHERE %s LIMIT 1', part, condition)) IS NOT NULL THEN
                PERFORM toms.refuse_held(part, held.id);
            END IF;
        END LOOP;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.check_none_held(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_none_held(regclass) IS 'internal: refuse if a row of a table is under a hold';
