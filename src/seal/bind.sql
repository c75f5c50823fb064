-- What binds sealed values to their rows: a label on each sealed column, whose number stands in
-- the values, and a trigger on each table.  Called wherever protection is put on.

CREATE FUNCTION toms.seal_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_seal_row';
REVOKE ALL ON FUNCTION toms.seal_row() FROM PUBLIC;
COMMENT ON FUNCTION toms.seal_row() IS 'internal: trigger that seals values for the row they are written to';

-- Columns of sealed types, or of arrays of them.
CREATE FUNCTION toms.sealed_columns(relation regclass, OUT name name, OUT type regtype, OUT modifier integer, OUT is_array boolean,
                                    OUT generated boolean)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE sealed (oid, is_array) AS (
        SELECT t.oid, false FROM pg_type t
        WHERE t.typnamespace = 'toms'::regnamespace AND t.typname IN ('health_flag', 'health_code', 'health_date', 'sealed_text', 'sealed_bytea')
        UNION
        SELECT t.oid, s.is_array OR t.typtype <> 'd' FROM sealed s JOIN pg_type t ON t.typbasetype = s.oid OR (t.typelem = s.oid AND t.typlen = -1)
    )
    SELECT a.attname, a.atttypid::regtype, coalesce(nullif(a.atttypmod, -1), t.typtypmod), s.is_array, a.attgenerated <> ''
    FROM pg_attribute a JOIN sealed s ON s.oid = a.atttypid JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;
$$;
REVOKE ALL ON FUNCTION toms.sealed_columns(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.sealed_columns(regclass) IS 'internal: columns of sealed types';

CREATE FUNCTION toms.check_sealable(relation regclass)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wrong record;
    today record;
BEGIN
    SELECT * INTO today FROM toms.describe(relation);
    FOR wrong IN SELECT c.* FROM toms.sealed_columns(relation) c LOOP
        IF wrong.is_array OR wrong.generated THEN
            RAISE EXCEPTION 'column "%" of table % cannot be sealed', wrong.name, relation USING ERRCODE = 'feature_not_supported',
                DETAIL = 'Values in arrays and generated values are not bound to their rows.';
        END IF;
        IF format_type(wrong.type, wrong.modifier) ~ 'health_code$' OR (wrong.modifier = -1 AND format_type(wrong.type, -1) ~ 'health_code') THEN
            RAISE EXCEPTION 'column "%" of table % has no catalogue of codes', wrong.name, relation USING ERRCODE = 'invalid_table_definition',
                HINT = format('ALTER TABLE %s ALTER COLUMN %I TYPE toms.health_code(''…'');', relation, wrong.name);
        END IF;
        IF EXISTS (SELECT FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum JOIN pg_type t ON t.oid = a.atttypid
                   WHERE a.attrelid = relation AND a.attname = wrong.name
                     AND strpos(coalesce(pg_get_expr(d.adbin, d.adrelid), t.typdefault), '''toms1:') > 0) THEN
            RAISE EXCEPTION 'the default of column "%" of table % would be lost when the server stops', wrong.name, relation
                USING ERRCODE = 'invalid_table_definition', DETAIL = 'A literal is sealed at once, with a key that lives as long as the server.',
                HINT = format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT ''…''::text; it is then sealed for each row.', relation, wrong.name);
        END IF;
        IF today.subject IS NULL THEN
            RAISE EXCEPTION 'table % has the sealed column "%" and no data subject', relation, wrong.name
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('SELECT toms.protect(%L, …, subject => ''…'');', relation);
        END IF;
    END LOOP;
    FOR wrong IN SELECT a.attname FROM pg_attribute a
                 WHERE a.attrelid = relation AND a.attgenerated <> '' AND a.attname IN (today.tenant, today.subject)
                   AND EXISTS (SELECT FROM toms.sealed_columns(relation)) LOOP
        RAISE EXCEPTION 'column "%" of table % is generated, and sealed values are bound to it before it is', wrong.attname, relation
            USING ERRCODE = 'feature_not_supported', HINT = 'Make tenant and subject plain columns of a table with sealed values.';
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.check_sealable(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_sealable(regclass) IS 'internal: whether the sealed columns of a table can be bound to its rows';

-- A column has the same label in all partitions and children.
CREATE FUNCTION toms.label_sealed_column(root regclass, col name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rel regclass;
    today text;
    wanted text;
BEGIN
    FOR rel IN SELECT r FROM toms.relation_tree(root) r LOOP
        SELECT l.label INTO today FROM pg_attribute a
        LEFT JOIN pg_seclabel l ON l.objoid = a.attrelid AND l.objsubid = a.attnum AND l.classoid = 'pg_class'::regclass AND l.provider = 'toms_seal'
        WHERE a.attrelid = rel AND a.attname = col;
        wanted := coalesce(wanted, today, 'column=' || toms.random_column());
        IF today IS DISTINCT FROM wanted THEN
            EXECUTE format('SECURITY LABEL FOR toms_seal ON COLUMN %s.%I IS %L', rel, col, wanted);
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.label_sealed_column(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.label_sealed_column(regclass, name) IS 'internal: give a sealed column its number';

CREATE FUNCTION toms.random_column()
RETURNS text LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT overlay(substr(replace(gen_random_uuid()::text, '-', ''), 1, 8) PLACING '1' FROM 1 FOR 1);
$$;
REVOKE ALL ON FUNCTION toms.random_column() FROM PUBLIC;
COMMENT ON FUNCTION toms.random_column() IS 'internal: a number for a sealed column, not zero';

-- Partitions get the trigger from their table; inheritance children have their own.
CREATE FUNCTION toms.bind_sealed_columns(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    root regclass := (toms.describe(relation)).root;
    rel regclass;
BEGIN
    IF root IS NULL OR NOT EXISTS (SELECT FROM toms.relation_tree(root) r, toms.sealed_columns(r)) THEN
        RETURN;
    END IF;
    PERFORM toms.check_sealable(r) FROM toms.relation_tree(root) r;
    PERFORM toms.label_sealed_column(root, c.name) FROM toms.sealed_columns(root) c;
    FOR rel IN SELECT r FROM toms.relation_tree(root) r
               WHERE EXISTS (SELECT FROM toms.sealed_columns(r))
               ORDER BY (SELECT c.relispartition FROM pg_class c WHERE c.oid = r) LOOP
        IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = rel AND t.tgname = '~toms_seal') THEN
            EXECUTE format('CREATE TRIGGER "~toms_seal" BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION toms.seal_row()', rel);
        END IF;
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER "~toms_seal"', rel);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.bind_sealed_columns(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.bind_sealed_columns(regclass) IS 'internal: label the sealed columns of a protected table and put the trigger up';

-- Without protection, or without toms, values could neither be read nor bound to their rows.
CREATE FUNCTION toms.check_no_sealed_column(relation regclass DEFAULT NULL)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sealed record;
BEGIN
    SELECT c.oid::regclass AS relation, s.name INTO sealed
    FROM pg_class c CROSS JOIN LATERAL toms.sealed_columns(c.oid) s
    WHERE c.relkind IN ('r', 'p', 'f', 'm')
      AND (check_no_sealed_column.relation IS NULL OR c.oid IN (SELECT r FROM toms.relation_tree(check_no_sealed_column.relation) r))
    ORDER BY c.oid::regclass::text, s.name LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'column "%" of table % is sealed', sealed.name, sealed.relation USING ERRCODE = 'dependent_objects_still_exist',
            DETAIL = 'Its values would be lost.', HINT = format('SELECT toms.unseal_column(%L, %L, instruction => …); or ALTER TABLE %s DROP COLUMN %I; once its values are needed no more.',
                                                                     sealed.relation, sealed.name, sealed.relation, sealed.name);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_no_sealed_column(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_no_sealed_column(regclass) IS 'internal: refuse to end the protection of a table, or of all, while columns are sealed';
