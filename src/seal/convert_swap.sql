-- The end of a conversion, and the functions that officers call.

-- A default of the plain type, as one of the sealed type; the other way there is none.
CREATE FUNCTION toms.converted_default(running toms.conversions)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE running.direction WHEN 'seal' THEN
               format('((%s)%s)::%s', pg_get_expr(d.adbin, d.adrelid),
                      CASE WHEN a.atttypid IN ('boolean'::regtype, 'date'::regtype, 'bytea'::regtype) THEN '' ELSE '::text' END,
                      format_type(n.atttypid, n.atttypmod)) END
    FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum JOIN pg_attribute n ON n.attrelid = a.attrelid
    WHERE a.attrelid = running.relation AND a.attname = running.col AND n.attname = running.new_column;
$$;
REVOKE ALL ON FUNCTION toms.converted_default(toms.conversions) FROM PUBLIC;
COMMENT ON FUNCTION toms.converted_default(toms.conversions) IS 'internal: the default of a converted column';

-- What else the new column takes over: NOT NULL, default, comment, category, privileges.
CREATE FUNCTION toms.conversion_details(running toms.conversions)
RETURNS SETOF text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', running.relation, running.new_column)
    FROM pg_attribute a WHERE a.attrelid = running.relation AND a.attname = running.col AND a.attnotnull
    UNION ALL
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', running.relation, c.conname)
    FROM pg_constraint c WHERE c.conrelid = running.relation AND c.conname = running.new_column
    UNION ALL
    SELECT format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', running.relation, running.new_column, d)
    FROM toms.converted_default(running) d WHERE d IS NOT NULL
    UNION ALL
    SELECT format('COMMENT ON COLUMN %s.%I IS %L', running.relation, running.new_column, col_description(a.attrelid, a.attnum))
    FROM pg_attribute a WHERE a.attrelid = running.relation AND a.attname = running.col AND col_description(a.attrelid, a.attnum) IS NOT NULL
    UNION ALL
    SELECT format('SECURITY LABEL FOR toms ON COLUMN %s.%I IS %L', r, running.new_column, toms.column_labels(r) ->> running.col)
    FROM toms.relation_tree(running.relation) r WHERE toms.column_labels(r) ? running.col
    UNION ALL
    SELECT format('GRANT %s (%I) ON %s TO %s%s', g.privilege_type, running.new_column, running.relation,
                  CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END, CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' END)
    FROM pg_attribute a, aclexplode(a.attacl) g WHERE a.attrelid = running.relation AND a.attname = running.col;
$$;
REVOKE ALL ON FUNCTION toms.conversion_details(toms.conversions) FROM PUBLIC;
COMMENT ON FUNCTION toms.conversion_details(toms.conversions) IS 'internal: statements that make the new column like the former one';

-- A short transaction: no row is read or written.  The columns exchange their names, so that views
-- can be made anew before the former column goes.
CREATE FUNCTION toms.finish_conversion(running toms.conversions)
RETURNS boolean LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    statement text;
BEGIN
    IF NOT toms.lock_for_conversion(running.relation) THEN
        RETURN false;
    END IF;
    FOR statement IN SELECT s FROM toms.conversion_details(running) s LOOP
        PERFORM toms.run_maintenance(statement);
    END LOOP;
    PERFORM toms.run_maintenance(format('ALTER TABLE %s RENAME COLUMN %I TO %I', running.relation, n.former, n.future))
    FROM (VALUES (1, running.col, 'toms_exchange'::name), (2, running.new_column, running.col), (3, 'toms_exchange', running.new_column)) n (step, former, future)
    ORDER BY n.step;
    PERFORM toms.create_plain_view(running.relation, v::text) FROM toms.plain_views(running.relation) v;
    PERFORM toms.drop_conversion(running);
    PERFORM toms.run_maintenance(format('ALTER TABLE %s DROP COLUMN %I', running.relation, running.new_column));
    PERFORM toms.record_conversion(running.relation, running.direction || '_column', running.col, 'done');
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION toms.finish_conversion(toms.conversions) FROM PUBLIC;
COMMENT ON FUNCTION toms.finish_conversion(toms.conversions) IS 'internal: give the new column the name of the former one';

-- One step of a conversion that has begun; 0: it is done.
CREATE FUNCTION toms.step_conversion(running toms.conversions, batch integer)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    remaining bigint;
BEGIN
    IF batch IS NULL OR batch NOT BETWEEN 1 AND 1000000 THEN
        RAISE EXCEPTION 'a batch has 1 to 1000000 rows' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    remaining := toms.fill_conversion(running, batch);
    IF remaining > 0 THEN
        RETURN remaining;
    END IF;
    RETURN CASE WHEN toms.conversion_is_filled(running) AND toms.finish_conversion(running) THEN 0 ELSE 1 END;
END
$$;
REVOKE ALL ON FUNCTION toms.step_conversion(toms.conversions, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.step_conversion(toms.conversions, integer) IS 'internal: one step of a conversion';

-- Whether every value has somebody under whose key it can be sealed.
CREATE FUNCTION toms.check_rows_sealable(relation regclass, col name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    with_keys text[] := ARRAY(SELECT e.tenant FROM toms.key_epoch e WHERE e.retired_at IS NULL);
    without text;
BEGIN
    without := toms.ask_all_rows(format('SELECT coalesce(%1$s, %6$L) FROM %2$s t WHERE t.%3$I IS NOT NULL AND (t.%4$I IS NULL OR %1$s IS NULL OR %1$s <> ALL (%5$L)) LIMIT 1',
                                        toms.tenant_expression(relation, 't'), relation, col, (toms.describe(relation)).subject, with_keys, ''));
    IF without IS NULL THEN
        RETURN;
    END IF;
    IF without = '' OR without = ANY (with_keys) THEN
        RAISE EXCEPTION 'table % has rows without a tenant or a data subject, whose "%" nobody''s key could seal', relation, col
            USING ERRCODE = 'check_violation', HINT = 'An administrator says whose they are, or deletes them.';
    END IF;
    RAISE EXCEPTION 'table % has rows of tenant "%", who has no key epoch', relation, without USING ERRCODE = 'object_not_in_prerequisite_state',
        HINT = format('SELECT toms.create_epoch(%L);', without);
END
$$;
REVOKE ALL ON FUNCTION toms.check_rows_sealable(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_rows_sealable(regclass, name) IS 'internal: whether the rows of a table have keys for the values of a column';

CREATE FUNCTION toms.seal_column(relation regclass, col name, type text DEFAULT NULL, batch integer DEFAULT 1000)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    running toms.conversions;
    remaining bigint;
BEGIN
    SELECT * INTO running FROM toms.conversions c WHERE c.relation = seal_column.relation AND c.col = seal_column.col;
    IF running.direction = 'unseal' THEN
        PERFORM toms.cancel_conversion(running);
        RETURN 0;
    END IF;
    IF running.relation IS NULL AND EXISTS (SELECT FROM toms.sealed_columns(relation) s WHERE s.name = seal_column.col) THEN
        RAISE NOTICE 'column "%" of table % is sealed', col, relation;
        RETURN 0;
    END IF;
    IF running.relation IS NULL THEN
        PERFORM toms.check_convertible(relation, col);
        PERFORM toms.check_rows_sealable(relation, col);
        PERFORM toms.start_conversion(relation, col, toms.sealed_type_for(relation, col, type), 'seal');
        RETURN greatest((SELECT c.reltuples::bigint FROM pg_class c WHERE c.oid = relation), 1);
    END IF;
    remaining := toms.step_conversion(running, batch);
    IF remaining = 0 THEN
        RAISE NOTICE 'column "%" of table % is sealed now', col, relation
            USING DETAIL = 'Its former values are still in dead rows, in the write-ahead log and in backups.',
                  HINT = format('VACUUM FULL %s; and keep no backup from before longer than it is needed.', relation);
    END IF;
    RETURN remaining;
END
$$;
REVOKE ALL ON FUNCTION toms.seal_column(regclass, name, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.seal_column(regclass, name, text, integer) TO toms_admin;
COMMENT ON FUNCTION toms.seal_column(regclass, name, text, integer) IS 'seal what a column holds, some rows with each call; returns about how many rows are left: call it until that is 0';

-- Every tenant whose values are sealed there must have instructed it.
CREATE FUNCTION toms.check_unseal_instructed(relation regclass, instruction bigint)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    without text;
BEGIN
    IF NOT EXISTS (SELECT FROM toms.instruction i WHERE i.id = check_unseal_instructed.instruction AND i.kind = 'unseal_column' AND i.state = 'confirmed') THEN
        RAISE EXCEPTION 'there is no confirmed instruction % to unseal a column', instruction USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'SELECT toms.record_instruction(''…'', ''unseal_column'', given_by => ''…'', wording => ''…''); then toms.confirm_instruction().';
    END IF;
    SELECT k.tenant INTO without FROM toms.data_key k
    WHERE k.relation = check_unseal_instructed.relation AND k.destroyed_at IS NULL
      AND NOT EXISTS (SELECT FROM toms.instruction i WHERE i.tenant = k.tenant AND i.kind = 'unseal_column' AND i.state = 'confirmed')
    ORDER BY k.tenant LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'tenant "%" has sealed values in table % and has not instructed to unseal them', without, relation
            USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.record_instruction(%L, ''unseal_column'', given_by => ''…'', wording => ''…''); then toms.confirm_instruction().', without);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_unseal_instructed(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_unseal_instructed(regclass, bigint) IS 'internal: whether the tenants of a table have instructed to unseal it';

CREATE FUNCTION toms.carry_out_unseal(relation regclass)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.move_instruction(i.id, 'carried_out', format('a column of %s', relation), NULL) FROM toms.instruction i
    WHERE i.kind = 'unseal_column' AND i.state = 'confirmed' AND i.single_use
      AND i.tenant IN (SELECT k.tenant FROM toms.data_key k WHERE k.relation = carry_out_unseal.relation);
$$;
REVOKE ALL ON FUNCTION toms.carry_out_unseal(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.carry_out_unseal(regclass) IS 'internal: instructions to unseal a column have been carried out';

CREATE FUNCTION toms.unseal_column(relation regclass, col name, instruction bigint, batch integer DEFAULT 1000)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    running toms.conversions;
    remaining bigint;
BEGIN
    SELECT * INTO running FROM toms.conversions c WHERE c.relation = unseal_column.relation AND c.col = unseal_column.col;
    IF running.direction = 'seal' THEN
        PERFORM toms.cancel_conversion(running);
        RETURN 0;
    END IF;
    IF running.relation IS NULL AND NOT EXISTS (SELECT FROM toms.sealed_columns(relation) s WHERE s.name = unseal_column.col) THEN
        RAISE NOTICE 'column "%" of table % is not sealed', col, relation;
        RETURN 0;
    END IF;
    PERFORM toms.check_unseal_instructed(relation, instruction);
    IF running.relation IS NULL THEN
        PERFORM toms.check_convertible(relation, col);
        PERFORM toms.start_conversion(relation, col, toms.plain_type_for(relation, col), 'unseal');
        RETURN greatest((SELECT c.reltuples::bigint FROM pg_class c WHERE c.oid = relation), 1);
    END IF;
    remaining := toms.step_conversion(running, batch);
    IF remaining = 0 THEN
        PERFORM toms.carry_out_unseal(relation);
    END IF;
    RETURN remaining;
END
$$;
REVOKE ALL ON FUNCTION toms.unseal_column(regclass, name, bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.unseal_column(regclass, name, bigint, integer) TO toms_admin;
COMMENT ON FUNCTION toms.unseal_column(regclass, name, bigint, integer) IS 'store what a sealed column holds in clear text, as instructed; call it until it returns 0';
