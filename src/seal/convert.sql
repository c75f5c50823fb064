-- Columns that are sealed, or unsealed, while the table is in use.  A second column of the new type
-- is added; a trigger fills it in whatever row is written from then on; rows that were there before
-- are filled block by block, some with each call; at the end the second column takes the name and
-- the place of the first.  What has begun is read from the triggers, so that it goes on after a
-- crash, or from a dump.

CREATE FUNCTION toms.seal_column_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_seal_column_row';
REVOKE ALL ON FUNCTION toms.seal_column_row() FROM PUBLIC;
COMMENT ON FUNCTION toms.seal_column_row() IS 'internal: trigger that fills a sealed column from a plain one';

CREATE FUNCTION toms.unseal_column_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_unseal_column_row';
REVOKE ALL ON FUNCTION toms.unseal_column_row() FROM PUBLIC;
COMMENT ON FUNCTION toms.unseal_column_row() IS 'internal: trigger that fills a plain column from a sealed one';

CREATE FUNCTION toms.run_maintenance(statements text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_run_maintenance';
REVOKE ALL ON FUNCTION toms.run_maintenance(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.run_maintenance(text) IS 'internal: run DDL that the guard leaves alone';

CREATE FUNCTION toms.run_as_owner(relation regclass, statement text, tenant text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_run_as_owner';
REVOKE ALL ON FUNCTION toms.run_as_owner(regclass, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.run_as_owner(regclass, text, text) IS 'internal: run a statement over the rows of every tenant as the owner of their table; returns how many rows it met';

CREATE FUNCTION toms.ask_all_rows(query text) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_ask_all_rows';
REVOKE ALL ON FUNCTION toms.ask_all_rows(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.ask_all_rows(text) IS 'internal: the first value of a query over the rows of every tenant';

-- The tenant of a row as tokens write it: its own, or that of the row that its parent key refers to.
CREATE FUNCTION toms.tenant_expression(relation regclass, alias text)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    expression text;
BEGIN
    SELECT * INTO today FROM toms.describe(relation);
    IF today.tenant IS NOT NULL THEN
        RETURN format('%s.%I::text', alias, today.tenant);
    END IF;
    SELECT format('coalesce(%s)', string_agg(
               format('(SELECT %s FROM %s%s %s WHERE %s.%I = %s.%I%s)', toms.tenant_expression(p.parent, alias || '_' || p.id),
                      CASE c.relkind WHEN 'r' THEN 'ONLY ' END, p.parent, alias || '_' || p.id, alias || '_' || p.id, p.parent_column, alias, today.parent_key,
                      CASE WHEN p.type_value IS NOT NULL THEN format(' AND %s.%I::text = %L', alias, today.type_column, p.type_value) END), ', ' ORDER BY p.id))
    INTO expression FROM toms.parent p JOIN pg_class c ON c.oid = p.parent WHERE p.child = relation;
    RETURN expression;
END
$$;
REVOKE ALL ON FUNCTION toms.tenant_expression(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.tenant_expression(regclass, text) IS 'internal: the tenant of a row, in SQL';

-- How far it has come; where that is not known, it begins again and finds filled rows.
CREATE TABLE toms.conversion_position (
    relation   regclass NOT NULL,       -- of toms.conversions
    new_column name NOT NULL,
    part       regclass,                -- of the relation or its children; NULL: none is begun
    block      bigint NOT NULL DEFAULT 0,
    blocks     bigint NOT NULL DEFAULT 0,       -- that it had when it was begun
    PRIMARY KEY (relation, new_column)
);
SELECT pg_catalog.pg_extension_config_dump('toms.conversion_position', 'WHERE false');    -- rows stand elsewhere once restored
COMMENT ON TABLE toms.conversion_position IS 'internal: how far conversions of columns have come';

CREATE VIEW toms.conversions AS
    SELECT t.tgrelid::pg_catalog.regclass AS relation, a.names[1]::pg_catalog.name AS col, a.names[2]::pg_catalog.name AS new_column,
           CASE t.tgfoid WHEN 'toms.seal_column_row()'::pg_catalog.regprocedure THEN 'seal' ELSE 'unseal' END AS direction
    FROM pg_catalog.pg_trigger t,
         LATERAL (SELECT pg_catalog.string_to_array(pg_catalog.encode(t.tgargs, 'escape'), '\000') AS names) a
    WHERE t.tgfoid IN ('toms.seal_column_row()'::pg_catalog.regprocedure, 'toms.unseal_column_row()'::pg_catalog.regprocedure)
      AND t.tgrelid OPERATOR(pg_catalog.=) (toms.describe(t.tgrelid::pg_catalog.regclass)).root::pg_catalog.oid;
COMMENT ON VIEW toms.conversions IS 'columns that are being sealed or unsealed';
GRANT SELECT ON toms.conversions TO toms_admin, toms_auditor, toms_operator;

-- The sealed type for a column: the one that is named, or that of its plain type.
CREATE FUNCTION toms.sealed_type_for(relation regclass, col name, type text)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    plain pg_type;
    base oid;
    wanted text[] := regexp_match(type, '^\s*(?:toms\.)?(health_flag|health_date|sealed_text|sealed_bytea|health_code)\s*(?:\(\s*''?([a-z0-9_]+)''?\s*\))?\s*$');
BEGIN
    SELECT t.* INTO plain FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = relation AND a.attname = col;
    base := CASE plain.typtype WHEN 'd' THEN plain.typbasetype ELSE plain.oid END;
    IF type IS NOT NULL AND (wanted IS NULL OR (wanted[1] = 'health_code') <> (wanted[2] IS NOT NULL)) THEN
        RAISE EXCEPTION '"%" is no sealed type', type USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Sealed types are toms.health_flag, toms.health_date, toms.health_code(''catalogue''), toms.sealed_text and toms.sealed_bytea.';
    END IF;
    IF plain.typtype <> 'e' AND base NOT IN ('boolean'::regtype, 'date'::regtype, 'text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'bytea'::regtype,
                    'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype, 'uuid'::regtype, 'json'::regtype, 'jsonb'::regtype) THEN
        RAISE EXCEPTION 'column "%" of table % has the type %, whose text depends on settings', col, relation, format_type(plain.oid, NULL)
            USING ERRCODE = 'feature_not_supported', HINT = format('ALTER TABLE %s ALTER COLUMN %I TYPE text USING …; first.', relation, col);
    END IF;
    RETURN CASE WHEN wanted[1] = 'health_code' THEN format('toms.health_code(%L)', wanted[2])
                WHEN wanted IS NOT NULL THEN 'toms.' || wanted[1]
                WHEN base = 'boolean'::regtype THEN 'toms.health_flag'
                WHEN base = 'date'::regtype THEN 'toms.health_date'
                WHEN base = 'bytea'::regtype THEN 'toms.sealed_bytea'
                ELSE 'toms.sealed_text' END;
END
$$;
REVOKE ALL ON FUNCTION toms.sealed_type_for(regclass, name, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.sealed_type_for(regclass, name, text) IS 'internal: the sealed type that a plain column is to have';

CREATE FUNCTION toms.plain_type_for(relation regclass, col name)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE substring(format_type(s.type, -1) FROM '(health_flag|health_date|sealed_bytea)$')
               WHEN 'health_flag' THEN 'boolean' WHEN 'health_date' THEN 'date' WHEN 'sealed_bytea' THEN 'bytea' ELSE 'text' END
    FROM toms.sealed_columns(relation) s WHERE s.name = col;
$$;
REVOKE ALL ON FUNCTION toms.plain_type_for(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.plain_type_for(regclass, name) IS 'internal: the plain type of a sealed column';

-- What stands on the column: the swap would be refused for some, and takes the others along.
CREATE FUNCTION toms.column_dependents(relation regclass, col name, OUT object text, OUT goes_along boolean)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_describe_object(d.classid, d.objid, 0), bool_or(d.deptype IN ('a', 'i'))
    FROM toms.relation_tree(relation) r JOIN pg_attribute a ON a.attrelid = r AND a.attname = col
         JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
    WHERE d.classid <> 'pg_attrdef'::regclass
      AND NOT (d.classid = 'pg_rewrite'::regclass
               AND (SELECT w.ev_class FROM pg_rewrite w WHERE w.oid = d.objid) IN (SELECT v FROM toms.plain_views(relation) v))
      AND NOT (d.classid = 'pg_class'::regclass AND d.objid = a.attrelid)
    GROUP BY d.classid, d.objid ORDER BY 1;
$$;
REVOKE ALL ON FUNCTION toms.column_dependents(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.column_dependents(regclass, name) IS 'internal: what stands on a column';

CREATE FUNCTION toms.check_convertible_table(relation regclass)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    wrong record;
BEGIN
    SELECT * INTO today FROM toms.describe(relation);
    IF today.root IS DISTINCT FROM relation OR today.subject IS NULL THEN
        RAISE EXCEPTION 'table % is not protected by itself, with a data subject', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', relation);
    END IF;
    FOR wrong IN SELECT c.oid::regclass AS part FROM toms.relation_tree(relation) r JOIN pg_class c ON c.oid = r WHERE c.relkind = 'f' LOOP
        RAISE EXCEPTION 'table % is a foreign table', wrong.part USING ERRCODE = 'feature_not_supported';
    END LOOP;
    FOR wrong IN SELECT t.tgname AS name, t.tgrelid::regclass AS part, 'TRIGGER' AS kind
                 FROM pg_trigger t WHERE t.tgrelid IN (SELECT r FROM toms.relation_tree(relation) r) AND t.tgenabled IN ('A', 'R')
                   AND NOT EXISTS (SELECT FROM pg_proc p WHERE p.oid = t.tgfoid AND p.pronamespace = 'toms'::regnamespace)
                 UNION ALL
                 SELECT w.rulename, w.ev_class::regclass, 'RULE' FROM pg_rewrite w
                 WHERE w.ev_class IN (SELECT r FROM toms.relation_tree(relation) r) AND w.ev_enabled IN ('A', 'R') LOOP
        RAISE EXCEPTION '% "%" of table % would run for each row that is converted', lower(wrong.kind), wrong.name, wrong.part
            USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'It is enabled ALWAYS or for replicas.',
            HINT = format('ALTER TABLE %s ENABLE %s %I; meanwhile.', wrong.part, wrong.kind, wrong.name);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.check_convertible_table(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_convertible_table(regclass) IS 'internal: whether columns of a table can be converted';

CREATE FUNCTION toms.check_convertible(relation regclass, col name)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    form pg_attribute;
    dependent record;
BEGIN
    PERFORM toms.check_convertible_table(relation);
    SELECT * INTO form FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = col AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'table % has no column "%"', relation, col USING ERRCODE = 'undefined_column';
    END IF;
    IF toms.column_use(relation, col) IS NOT NULL OR form.attidentity <> '' OR form.attgenerated <> '' OR form.attislocal = false
       OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = relation AND i.indisprimary AND form.attnum = ANY (i.indkey))
       OR EXISTS (SELECT FROM pg_partitioned_table p JOIN toms.relation_tree(relation) r ON r = p.partrelid JOIN pg_attribute a ON a.attrelid = r AND a.attname = col
                  WHERE a.attnum = ANY (p.partattrs)) THEN
        RAISE EXCEPTION 'column "%" of table % cannot be converted', col, relation USING ERRCODE = 'feature_not_supported',
            DETAIL = coalesce(format('It %s.', toms.column_use(relation, col)), 'It is a key, generated or inherited.');
    END IF;
    FOR dependent IN SELECT * FROM toms.column_dependents(relation, col) d ORDER BY d.goes_along, d.object LOOP
        IF NOT dependent.goes_along THEN
            RAISE EXCEPTION 'column "%" of table % is used by %', col, relation, dependent.object USING ERRCODE = 'dependent_objects_still_exist',
                HINT = 'Drop it first, and make it again for the new type.';
        END IF;
        RAISE NOTICE '% goes with the former column "%" of table %', dependent.object, col, relation;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.check_convertible(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_convertible(regclass, name) IS 'internal: whether a column can be converted';

CREATE FUNCTION toms.record_conversion(relation regclass, action text, col name, detail text)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO toms.protection_history (relation_name, action, detail, by)
    VALUES (relation::text, action, format('column %I: %s', col, detail), session_user);
$$;
REVOKE ALL ON FUNCTION toms.record_conversion(regclass, text, name, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.record_conversion(regclass, text, name, text) IS 'internal: put a step of a conversion on record';

-- Whoever waits for the table lets everybody else wait, and could be waited for by one of them: so
-- not for long.  Locks are taken in the order of who reads through a view.
CREATE FUNCTION toms.lock_for_conversion(relation regclass)
RETURNS boolean LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    usual text := current_setting('lock_timeout');
    view regclass;
    locked boolean := true;
BEGIN
    PERFORM set_config('lock_timeout', '500ms', true);
    BEGIN
        FOR view IN SELECT v FROM toms.plain_views(relation) v ORDER BY 1 LOOP
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', view);
        END LOOP;
        PERFORM toms.lock_relation(relation);
    EXCEPTION WHEN lock_not_available THEN
        locked := false;
        RAISE NOTICE 'table % is in use', relation USING HINT = 'Call the function again; a long transaction holds the table.';
    END;
    PERFORM set_config('lock_timeout', usual, true);
    RETURN locked;
END
$$;
REVOKE ALL ON FUNCTION toms.lock_for_conversion(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.lock_for_conversion(regclass) IS 'internal: take a table for a moment, or do not';

-- A short transaction: a column without values, and triggers.
CREATE FUNCTION toms.start_conversion(relation regclass, col name, new_type text, direction text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    form pg_attribute;
    new_column name;
    part regclass;
BEGIN
    IF NOT toms.lock_for_conversion(relation)
       OR EXISTS (SELECT FROM toms.conversions c WHERE c.relation = start_conversion.relation AND c.col = start_conversion.col) THEN
        RETURN;
    END IF;
    SELECT * INTO form FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = col;
    -- "~toms_fill_…" < "~toms_seal" < "~toms_unseal_…": triggers run in the order of their names
    new_column := format('toms_%s_%s', CASE direction WHEN 'seal' THEN 'fill' ELSE direction END, (SELECT c.relnatts + 1 FROM pg_class c WHERE c.oid = relation));
    PERFORM toms.run_maintenance(format('ALTER TABLE %s ADD COLUMN %I %s', relation, new_column, new_type));
    PERFORM toms.bind_sealed_columns(relation);
    IF form.attnotnull THEN
        PERFORM toms.run_maintenance(format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%I IS NOT NULL) NOT VALID', relation, new_column, new_column));
    END IF;
    FOR part IN SELECT r FROM toms.relation_tree(relation) r ORDER BY (SELECT c.relispartition FROM pg_class c WHERE c.oid = r) LOOP
        IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = part AND t.tgname = '~' || new_column) THEN
            EXECUTE format('CREATE TRIGGER %I BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION toms.%s_column_row(%L, %L)',
                           '~' || new_column, part, direction, col, new_column);
        END IF;
        PERFORM toms.run_maintenance(format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', part, '~' || new_column));
    END LOOP;
    PERFORM toms.record_conversion(relation, direction || '_column', col, format('begun, as %s', new_type));
END
$$;
REVOKE ALL ON FUNCTION toms.start_conversion(regclass, name, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.start_conversion(regclass, name, text, text) IS 'internal: begin to seal or unseal a column';

CREATE FUNCTION toms.drop_conversion(running toms.conversions)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT t.tgrelid::regclass FROM pg_trigger t WHERE t.tgname = '~' || running.new_column AND t.tgparentid = 0
                   AND t.tgrelid IN (SELECT r FROM toms.relation_tree(running.relation) r) LOOP
        PERFORM toms.run_maintenance(format('DROP TRIGGER %I ON %s', '~' || running.new_column, part));
    END LOOP;
    DELETE FROM toms.conversion_position p WHERE p.relation = running.relation AND p.new_column = running.new_column;
END
$$;
REVOKE ALL ON FUNCTION toms.drop_conversion(toms.conversions) FROM PUBLIC;
COMMENT ON FUNCTION toms.drop_conversion(toms.conversions) IS 'internal: take the triggers of a conversion down';

CREATE FUNCTION toms.cancel_conversion(running toms.conversions)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.lock_relation(running.relation);
    PERFORM toms.drop_conversion(running);
    PERFORM toms.run_maintenance(format('ALTER TABLE %s DROP COLUMN %I', running.relation, running.new_column));
    PERFORM toms.record_conversion(running.relation, running.direction || '_column', running.col, 'given up');
    RAISE NOTICE 'column "%" of table % stays as it was', running.col, running.relation;
END
$$;
REVOKE ALL ON FUNCTION toms.cancel_conversion(toms.conversions) FROM PUBLIC;
COMMENT ON FUNCTION toms.cancel_conversion(toms.conversions) IS 'internal: give a conversion up';

-- Rows that are written meanwhile are filled by the trigger, wherever they come to stand.  Nobody is
-- waited for, so that two who lock several rows each do not wait for each other.
CREATE FUNCTION toms.fill_blocks(running toms.conversions, part regclass, first bigint, past bigint)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rows text := format('FROM ONLY %s t WHERE t.%I IS NOT NULL AND t.%I IS NULL AND t.ctid >= ''(%s,0)'' AND t.ctid < ''(%s,0)'' FOR NO KEY UPDATE OF t SKIP LOCKED',
                        part, running.col, running.new_column, first, past);
    mine record;
BEGIN
    IF (toms.describe(running.relation)).tenant IS NOT NULL THEN
        PERFORM toms.run_as_owner(part, format('UPDATE ONLY %s SET %I = NULL WHERE ctid = ANY (ARRAY(SELECT t.ctid %s))', part, running.new_column, rows), '');
        RETURN;
    END IF;
    FOR mine IN SELECT * FROM jsonb_each_text(toms.ask_all_rows(
        format('SELECT jsonb_object_agg(coalesce(tenant, %L), ids) FROM (
                    SELECT tenant, array_agg(ctid)::text AS ids FROM (SELECT t.ctid, %s AS tenant %s) r GROUP BY tenant) g',
               '', toms.tenant_expression(running.relation, 't'), rows))::jsonb) LOOP
        PERFORM toms.run_as_owner(part, format('UPDATE ONLY %s SET %I = NULL WHERE ctid = ANY (%L)', part, running.new_column, mine.value), mine.key);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.fill_blocks(toms.conversions, regclass, bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.fill_blocks(toms.conversions, regclass, bigint, bigint) IS 'internal: fill the rows of some blocks';

-- Fill some rows; returns about how many are left, 0 where all have been met.
CREATE FUNCTION toms.fill_conversion(running toms.conversions, batch integer)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    at toms.conversion_position;
    density float8;
    step bigint;
BEGIN
    INSERT INTO toms.conversion_position (relation, new_column) VALUES (running.relation, running.new_column) ON CONFLICT DO NOTHING;
    SELECT * INTO at FROM toms.conversion_position p WHERE p.relation = running.relation AND p.new_column = running.new_column FOR UPDATE;
    IF NOT FOUND THEN                   -- somebody else has just done the last step
        RETURN 1;
    END IF;
    IF at.part IS NULL OR at.block >= at.blocks THEN
        SELECT c.oid, 0, pg_relation_size(c.oid::regclass) / current_setting('block_size')::bigint INTO at.part, at.block, at.blocks
        FROM toms.relation_tree(running.relation) r JOIN pg_class c ON c.oid = r
        WHERE c.relkind = 'r' AND c.oid > coalesce(at.part::oid, 0) ORDER BY c.oid LIMIT 1;
        IF NOT FOUND THEN
            RETURN 0;
        END IF;
    END IF;
    SELECT CASE WHEN c.reltuples > 0 AND c.relpages > 0 THEN greatest(c.reltuples / c.relpages, 1) ELSE 50 END INTO density FROM pg_class c WHERE c.oid = at.part;
    step := least(greatest((batch / density)::bigint, 1), at.blocks - at.block);
    IF step > 0 THEN
        PERFORM toms.fill_blocks(running, at.part, at.block, at.block + step);
    END IF;
    UPDATE toms.conversion_position p SET part = at.part, block = at.block + step, blocks = at.blocks
    WHERE p.relation = running.relation AND p.new_column = running.new_column;
    RETURN greatest(((at.blocks - at.block - step) * density)::bigint, 1);
END
$$;
REVOKE ALL ON FUNCTION toms.fill_conversion(toms.conversions, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.fill_conversion(toms.conversions, integer) IS 'internal: fill some rows of a conversion';

-- Whether every row has been filled.  Whatever is written is, so nobody has to wait meanwhile; a table
-- that was rewritten or attached in between has rows where nobody looked.
CREATE FUNCTION toms.conversion_is_filled(running toms.conversions)
RETURNS boolean LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF toms.run_as_owner(running.relation, format('SELECT FROM %s WHERE %I IS NOT NULL AND %I IS NULL LIMIT 1', running.relation, running.col, running.new_column), '') > 0 THEN
        DELETE FROM toms.conversion_position p WHERE p.relation = running.relation AND p.new_column = running.new_column;
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = running.relation AND c.conname = running.new_column) THEN
        PERFORM toms.run_maintenance(format('ALTER TABLE %s VALIDATE CONSTRAINT %I', running.relation, running.new_column));
    END IF;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION toms.conversion_is_filled(toms.conversions) FROM PUBLIC;
COMMENT ON FUNCTION toms.conversion_is_filled(toms.conversions) IS 'internal: whether all rows of a conversion are filled';
