-- What binds sealed values to their rows: a label on each sealed column, whose number stands in
-- the values, and a trigger on each table.  Called wherever protection is put on.

CREATE FUNCTION toms.seal_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_seal_row';
REVOKE ALL ON FUNCTION toms.seal_row() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.seal_row() TO PUBLIC;       -- who adds a partition makes its trigger
COMMENT ON FUNCTION toms.seal_row() IS 'internal: trigger that seals values for the row they are written to';

-- The sealed types, domains over them, and arrays and row types with them.
CREATE FUNCTION toms.sealed_types(OUT type oid, OUT is_array boolean, OUT base oid)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE made (type, of_type, is_array) AS MATERIALIZED (
        SELECT t.oid, t.typbasetype, false FROM pg_type t WHERE t.typbasetype >= 16384
        UNION ALL
        SELECT t.oid, t.typelem, true FROM pg_type t WHERE t.typelem >= 16384 AND t.typlen = -1
        UNION ALL
        SELECT DISTINCT c.reltype, a.atttypid, true FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE a.atttypid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped AND c.reltype <> 0
    ), sealed (type, is_array, base) AS (
        SELECT t.oid, false, t.oid FROM pg_type t
        WHERE t.typnamespace = 'toms'::regnamespace AND t.typname IN ('health_flag', 'health_code', 'health_date', 'sealed_text', 'sealed_bytea')
        UNION
        SELECT m.type, s.is_array OR m.is_array, s.base FROM sealed s JOIN made m ON m.of_type = s.type
    )
    SELECT s.type, bool_or(s.is_array), min(s.base) FROM sealed s GROUP BY s.type;
$$;
REVOKE ALL ON FUNCTION toms.sealed_types() FROM PUBLIC;
COMMENT ON FUNCTION toms.sealed_types() IS 'internal: the sealed types, and types that are made of them';

CREATE FUNCTION toms.sealed_columns(relation regclass, OUT name name, OUT type regtype, OUT modifier integer, OUT is_array boolean,
                                    OUT generated boolean, OUT base regtype)
RETURNS SETOF record LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_columns';
REVOKE ALL ON FUNCTION toms.sealed_columns(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.sealed_columns(regclass) IS 'internal: columns of sealed types';

-- Indexes with expressions and generated columns that read a sealed column, or the whole row.
CREATE FUNCTION toms.computed_from_sealed(relation regclass, OUT object text)
RETURNS SETOF text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid)
    FROM pg_depend d LEFT JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid AND i.indexprs IS NOT NULL
         LEFT JOIN pg_attrdef g ON d.classid = 'pg_attrdef'::regclass AND g.oid = d.objid
         LEFT JOIN pg_attribute a ON a.attrelid = g.adrelid AND a.attnum = g.adnum AND a.attgenerated <> ''
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = relation
      AND (i.indexrelid IS NOT NULL OR (a.attnum IS NOT NULL AND d.refobjsubid <> a.attnum))
      AND EXISTS (SELECT FROM toms.sealed_columns(relation) s JOIN pg_attribute c ON c.attrelid = relation AND c.attname = s.name
                  WHERE d.refobjsubid IN (0, c.attnum));
$$;
REVOKE ALL ON FUNCTION toms.computed_from_sealed(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.computed_from_sealed(regclass) IS 'internal: what would hold values computed from sealed columns';

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
                DETAIL = 'Values in arrays and rows, and generated values, are not bound to the table''s rows.';
        END IF;
        IF wrong.base = 'toms.health_code'::regtype AND wrong.modifier = -1 THEN
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
    FOR wrong IN SELECT d.object FROM toms.computed_from_sealed(relation) d LOOP
        RAISE EXCEPTION '% holds what is computed from a sealed column', wrong.object
            USING ERRCODE = 'feature_not_supported', DETAIL = 'If it opened the column''s values, they would stand in it in plain.', HINT = 'Drop it first.';
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

-- A column has the same label in all partitions and children: that of the root.
CREATE FUNCTION toms.label_sealed_column(relation regclass, col name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rel regclass;
    today text;
    wanted text;
BEGIN
    FOR rel IN SELECT (toms.describe(relation)).root UNION ALL SELECT r FROM toms.relation_tree(relation) r LOOP
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

-- A table with all below it: a new partition alone, since its siblings may be thousands. Partitions get the trigger
-- from their table; inheritance children have their own.
CREATE FUNCTION toms.bind_sealed_columns(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    root regclass := (toms.describe(relation)).root;
    rel regclass;
BEGIN
    IF root IS NULL OR NOT EXISTS (SELECT FROM toms.relation_tree(relation) r, toms.sealed_columns(r)) THEN
        RETURN;
    END IF;
    PERFORM toms.check_sealable(r) FROM toms.relation_tree(relation) r;
    PERFORM toms.label_sealed_column(relation, c.name) FROM toms.sealed_columns(root) c;
    FOR rel IN SELECT r FROM toms.relation_tree(relation) r
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
CREATE FUNCTION toms.check_none_protected()
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    opened text;
BEGIN
    IF EXISTS (SELECT FROM toms.hold h WHERE h.state = 'held') THEN
        RETURN;     -- it refuses by itself: policy/hold.c
    END IF;
    SELECT string_agg(p.relation::text, ', ' ORDER BY p.relation::text) INTO opened FROM toms.protected_tables p WHERE p.root = p.relation;
    IF opened IS NOT NULL THEN
        RAISE EXCEPTION 'toms protects tables of this database' USING ERRCODE = 'dependent_objects_still_exist',
            DETAIL = format('Without it PostgreSQL''s privileges, and policies of the application, would decide alone on: %s.', opened),
            HINT = 'SELECT * FROM toms.uninstall(dry_run => true);';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_none_protected() FROM PUBLIC;
COMMENT ON FUNCTION toms.check_none_protected() IS 'internal: refuse to drop toms while tables are protected: what it would open';

-- Of no table in particular: before toms is dropped.
CREATE FUNCTION toms.check_no_sealed_column(relation regclass DEFAULT NULL)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sealed record;
BEGIN
    SELECT c.oid::regclass AS relation, a.attname AS name, string_agg(format('%s.%I', c.oid::regclass, a.attname), ', ') OVER w AS columns INTO sealed
    FROM toms.sealed_types() s JOIN pg_attribute a ON a.atttypid = s.type AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relkind IN ('r', 'p', 'f', 'm')
      AND (check_no_sealed_column.relation IS NULL OR c.oid IN (SELECT r FROM toms.relation_tree(check_no_sealed_column.relation) r))
    WINDOW w AS (ORDER BY c.oid::regclass::text, a.attname ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
    ORDER BY c.oid::regclass::text, a.attname LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'column "%" of table % is sealed', sealed.name, sealed.relation USING ERRCODE = 'dependent_objects_still_exist',
            DETAIL = format('Values would be lost of: %s.', sealed.columns), HINT = format('SELECT toms.unseal_column(%L, %L, instruction => …); or ALTER TABLE %s DROP COLUMN %I; once its values are needed no more.',
                                                                     sealed.relation, sealed.name, sealed.relation, sealed.name);
    END IF;
    IF relation IS NULL THEN
        PERFORM toms.check_none_protected();
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_no_sealed_column(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_no_sealed_column(regclass) IS 'internal: refuse to end the protection of a table, or of all, while columns are sealed';
