-- What an export holds: the rows of a person or a tenant, column by column, and what a data subject is told beside them
-- (Art. 15(1), Art. 20 GDPR).

-- export.c ----------------------------------------------------------------------------------

CREATE FUNCTION toms.find_portions(part regclass, condition text, most integer) RETURNS SETOF tid[]
    LANGUAGE c STABLE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_find_portions';
REVOKE ALL ON FUNCTION toms.find_portions(regclass, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.find_portions(regclass, text, integer) IS 'internal: rows of one table, of whichever tenant, that satisfy a condition on "t", so many at once';

CREATE FUNCTION toms.read_portion(part regclass, tenant text, rows tid[], expression text, separator text) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_read_portion';
REVOKE ALL ON FUNCTION toms.read_portion(regclass, text, tid[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.read_portion(regclass, text, tid[], text, text) IS 'internal: an expression on rows of a tenant in one table, as its owner, in one text';

CREATE FUNCTION toms.note_export(tenant text, subject text, relation regclass, details jsonb) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_note_export';
REVOKE ALL ON FUNCTION toms.note_export(text, text, regclass, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.note_export(text, text, regclass, jsonb) IS 'internal: record, durably, that rows leave the database';

-- where data comes from, and decisions -----------------------------------------------------------

-- A column of name '' stands for those that are not listed.
CREATE TABLE toms.provided_column (
    relation    regclass NOT NULL,
    col         name NOT NULL,
    source      text NOT NULL CHECK (source <> ''),     -- 'data subject': he has provided it, Art. 20 covers it
    declared_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    declared_by text NOT NULL,
    PRIMARY KEY (relation, col)
);
SELECT pg_catalog.pg_extension_config_dump('toms.provided_column', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');
COMMENT ON TABLE toms.provided_column IS 'where the values of columns come from; what the data subject has provided himself is exported for portability';
GRANT SELECT ON toms.provided_column TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.set_source(relation regclass, columns name[], source text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unknown name;
BEGIN
    IF (toms.describe(relation)).root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', relation);
    END IF;
    SELECT u INTO unknown FROM unnest(columns) u
    WHERE u <> '' AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = u AND a.attnum > 0 AND NOT a.attisdropped) LIMIT 1;
    IF FOUND OR columns IS NULL THEN
        RAISE EXCEPTION 'table % has no column "%"', relation, unknown USING ERRCODE = 'undefined_column';
    END IF;
    INSERT INTO toms.provided_column AS p (relation, col, source, declared_by)
    SELECT set_source.relation, u, set_source.source, session_user FROM unnest(columns) u
    ON CONFLICT ON CONSTRAINT provided_column_pkey DO UPDATE SET source = excluded.source, declared_at = clock_timestamp(), declared_by = session_user;
END
$$;
REVOKE ALL ON FUNCTION toms.set_source(regclass, name[], text) FROM PUBLIC;
COMMENT ON FUNCTION toms.set_source(regclass, name[], text) IS 'internal: where columns come from';

CREATE FUNCTION toms.label_provided(relation regclass, columns name[])
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.set_source(relation, columns, 'data subject');
$$;
REVOKE ALL ON FUNCTION toms.label_provided(regclass, name[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.label_provided(regclass, name[]) TO toms_admin;
COMMENT ON FUNCTION toms.label_provided(regclass, name[]) IS 'columns that the data subject has provided himself: they go with an export for portability (Art. 20 GDPR)';

CREATE FUNCTION toms.label_source(relation regclass, source text, columns name[] DEFAULT '{""}')
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.set_source(relation, columns, source);
$$;
REVOKE ALL ON FUNCTION toms.label_source(regclass, text, name[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.label_source(regclass, text, name[]) TO toms_admin;
COMMENT ON FUNCTION toms.label_source(regclass, text, name[]) IS 'where the values of a table, or of columns of it, come from (Art. 15(1)(g) GDPR)';

CREATE TABLE toms.automated_decision (
    purpose     text COLLATE "C" PRIMARY KEY,
    logic       text NOT NULL CHECK (logic <> ''),
    significance text NOT NULL CHECK (significance <> ''),
    declared_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    declared_by text NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('toms.automated_decision', '');
COMMENT ON TABLE toms.automated_decision IS 'purposes for which decisions are made by machines alone (Art. 22 GDPR)';
GRANT SELECT ON toms.automated_decision TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.declare_automated_decision(purpose text, logic text, significance text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM toms.purpose p WHERE p.purpose = declare_automated_decision.purpose AND NOT p.excluded) THEN
        RAISE EXCEPTION 'there is no purpose "%"', purpose USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.purposes;';
    END IF;
    INSERT INTO toms.automated_decision AS a (purpose, logic, significance, declared_by)
    VALUES (declare_automated_decision.purpose, declare_automated_decision.logic, declare_automated_decision.significance, session_user)
    ON CONFLICT ON CONSTRAINT automated_decision_pkey DO UPDATE
    SET logic = excluded.logic, significance = excluded.significance, declared_at = clock_timestamp(), declared_by = session_user;
END
$$;
REVOKE ALL ON FUNCTION toms.declare_automated_decision(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.declare_automated_decision(text, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.declare_automated_decision(text, text, text) IS 'a purpose decides by machines alone: by which logic, with which consequences (Art. 15(1)(h) GDPR)';

-- columns ---------------------------------------------------------------------------------------

-- Of a type that has a way into JSON of its own, none leads back.
CREATE FUNCTION toms.plain_column(col pg_attribute, sealed boolean, sealed_array boolean)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN sealed_array THEN format('CASE WHEN t.%1$I IS NOT NULL THEN ARRAY(SELECT CASE WHEN u IS NOT NULL AND NOT toms.is_erased(u) THEN toms.reveal(u) END FROM pg_catalog.unnest(t.%1$I) u) END', col.attname)
        WHEN sealed THEN format('CASE WHEN t.%1$I IS NOT NULL AND NOT toms.is_erased(t.%1$I) THEN toms.reveal(t.%1$I) END', col.attname)
        WHEN EXISTS (SELECT FROM pg_cast c WHERE c.castsource = col.atttypid AND c.casttarget = 'json'::regtype AND col.atttypid >= 16384) THEN format('t.%I::pg_catalog.text', col.attname)
        ELSE format('t.%I', col.attname) END;
$$;
REVOKE ALL ON FUNCTION toms.plain_column(pg_attribute, boolean, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.plain_column(pg_attribute, boolean, boolean) IS 'internal: the plain value of a column of "t", NULL if its key has been destroyed';

-- Who names him instead of the person: it is no other person's name if it is his own.
CREATE FUNCTION toms.role_column(part regclass, col name, role text, tenant text, subject text)
RETURNS text LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('CASE WHEN t.%1$I IS NOT NULL AND t.%1$I::pg_catalog.text <> ALL (%2$L::pg_catalog.text[]) THEN %3$L ELSE t.%1$I::pg_catalog.text END', col,
                  array_remove(ARRAY[subject, CASE WHEN (toms.describe(part)).subject IS NOT NULL THEN toms.subject_in(part, tenant, subject) END], NULL), role);
$$;
REVOKE ALL ON FUNCTION toms.role_column(regclass, name, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.role_column(regclass, name, text, text, text) IS 'internal: another person''s name, as the role in which he is named';

-- What goes out of one table: kind access, portability, or tenant, which can be written back; then generated columns are left out.
CREATE FUNCTION toms.exported_columns(part regclass, tenant text, subject text, kind text, third_persons boolean)
RETURNS TABLE (col name, expression text) LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    its_root constant regclass := (toms.describe(part)).root;
    sealed constant jsonb := coalesce((SELECT jsonb_object_agg(s.name, s.is_array) FROM toms.sealed_columns(part) s), '{}');
BEGIN
    RETURN QUERY
    SELECT a.attname, CASE WHEN p.role IS NOT NULL THEN toms.role_column(part, a.attname, p.role, tenant, subject)
                           ELSE toms.plain_column(a, sealed ? a.attname::text, coalesce((sealed ->> a.attname::text)::boolean, false)) END
    FROM pg_attribute a
         LEFT JOIN toms.person_column p ON p.relation = its_root AND p.col = a.attname AND NOT third_persons AND exported_columns.kind <> 'tenant'
         LEFT JOIN pg_attribute r ON r.attrelid = its_root AND r.attname = a.attname
    WHERE a.attrelid = part AND a.attnum > 0 AND NOT a.attisdropped AND NOT (exported_columns.kind = 'tenant' AND a.attgenerated <> '')
      AND (exported_columns.kind <> 'portability'
           OR EXISTS (SELECT FROM toms.provided_column q WHERE q.relation = its_root AND q.col = a.attname AND q.source = 'data subject'))
    ORDER BY coalesce(r.attnum, 2000), a.attnum;
END
$$;
REVOKE ALL ON FUNCTION toms.exported_columns(regclass, text, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.exported_columns(regclass, text, text, text, boolean) IS 'internal: the columns of a table that are exported, and what becomes of each';

-- One row as a line; as COPY reads it, which takes an empty value without quotes for NULL.
CREATE FUNCTION toms.line_expression(columns name[], expressions text[], format text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN line_expression.format = 'csv'
        THEN string_agg(format('coalesce(''"'' || replace((%s)::pg_catalog.text, ''"'', ''""'') || ''"'', '''')', u.expression), ' || '','' || ' ORDER BY u.n)
        ELSE format('(SELECT pg_catalog.row_to_json(s) FROM (SELECT %s) s)', string_agg(format('%s AS %I', u.expression, u.col), ', ' ORDER BY u.n)) END
    FROM unnest(columns, expressions) WITH ORDINALITY u (col, expression, n);
$$;
REVOKE ALL ON FUNCTION toms.line_expression(name[], text[], text) FROM PUBLIC;
COMMENT ON FUNCTION toms.line_expression(name[], text[], text) IS 'internal: an expression that makes a line of JSON or CSV of a row';

CREATE FUNCTION toms.csv_header(columns name[])
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg('"' || replace(u.col, '"', '""') || '"', ',' ORDER BY u.n) FROM unnest(columns) WITH ORDINALITY u (col, n);
$$;
REVOKE ALL ON FUNCTION toms.csv_header(name[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.csv_header(name[]) IS 'internal: the first line of a file of CSV';

-- Rows of a partition go with those of its table; a child that has other columns goes by itself.
CREATE FUNCTION toms.exported_as(part regclass)
RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = part AND a.attnum > 0 AND NOT a.attisdropped
                             AND NOT EXISTS (SELECT FROM pg_attribute r WHERE r.attrelid = d.root AND r.attname = a.attname AND r.attnum > 0 AND NOT r.attisdropped))
                THEN part ELSE d.root END::text
    FROM toms.describe(part) d;
$$;
REVOKE ALL ON FUNCTION toms.exported_as(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.exported_as(regclass) IS 'internal: under which table''s name rows are exported';

CREATE FUNCTION toms.labelled_categories(root regclass)
RETURNS text[] LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(DISTINCT c ORDER BY c)
    FROM (SELECT (toms.describe(root)).category UNION ALL SELECT l.category FROM toms.labelled_columns l WHERE l.relation = root) u (c) WHERE c IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.labelled_categories(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.labelled_categories(regclass) IS 'internal: the categories of a table and of its columns';
