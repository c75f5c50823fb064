-- Categories of single columns, kept in their labels beside the part that a column plays.

-- {column: words of its label}: those that say its category, or the others.
CREATE FUNCTION toms.label_words(relation regclass, of_category boolean)
RETURNS jsonb LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_object_agg(w.col, w.words), '{}')
    FROM (SELECT l.key AS col, string_agg(u.word, ',' ORDER BY u.n) AS words
          FROM jsonb_each_text(toms.column_labels(relation)) l, unnest(string_to_array(l.value, ',')) WITH ORDINALITY u (word, n)
          WHERE (u.word = 'optional' OR u.word LIKE 'category=%') = of_category GROUP BY l.key) w;
$$;
REVOKE ALL ON FUNCTION toms.label_words(regclass, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.label_words(regclass, boolean) IS 'internal: of the labels of a relation''s columns what says their category, or the part that they play';

CREATE FUNCTION toms.join_labels(one jsonb, other jsonb)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_object_agg(k, concat_ws(',', one ->> k, other ->> k)) FROM jsonb_object_keys(one || other) k;
$$;
REVOKE ALL ON FUNCTION toms.join_labels(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.join_labels(jsonb, jsonb) IS 'internal: labels of columns, put together';

CREATE FUNCTION toms.set_column_category(relation regclass, col name, words text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rel regclass;
BEGIN
    FOR rel IN SELECT r FROM toms.relation_tree(relation) r LOOP
        EXECUTE format('SECURITY LABEL FOR toms ON COLUMN %s.%I IS %L', rel, col,
                       nullif(concat_ws(',', toms.label_words(rel, false) ->> col, words), ''));
        PERFORM toms.sync_policies(rel);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.set_column_category(regclass, name, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.set_column_category(regclass, name, text) IS 'internal: write the category of a column, of all below the relation too, and renew the policies';

CREATE FUNCTION toms.label_column(relation regclass, col name, category text, optional boolean DEFAULT false)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    form pg_attribute;
BEGIN
    IF category IS NULL OR optional IS NULL THEN
        RAISE EXCEPTION 'category and optional must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_declarable(relation);
    SELECT * INTO form FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = col AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'table % has no column "%"', relation, col USING ERRCODE = 'undefined_column';
    END IF;
    IF NOT EXISTS (SELECT FROM toms.category c WHERE c.category = label_column.category) THEN
        RAISE EXCEPTION 'there is no category "%"', category USING ERRCODE = 'undefined_object',
            HINT = format('SELECT toms.add_category(%L, description => ''…'', article9 => false);', category);
    END IF;
    IF optional AND toms.label_words(relation, false) ? col::text THEN
        RAISE EXCEPTION 'column "%" of table % says whose the rows are and cannot be optional', col, relation USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF optional AND form.attnotnull THEN
        RAISE NOTICE 'column "%" of table % is NOT NULL: tenants that have not enabled category "%" can write no row', col, relation, category
            USING HINT = format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL;', relation, col);
    END IF;
    PERFORM toms.set_column_category(relation, col, format('category=%s', category) || CASE WHEN optional THEN ',optional' ELSE '' END);
    INSERT INTO toms.protection_history (relation_name, action, category, detail, by)
    VALUES (relation::text, 'label_column', label_column.category, col || CASE WHEN optional THEN ', optional' ELSE '' END, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.label_column(regclass, name, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.label_column(regclass, name, text, boolean) TO toms_admin;
COMMENT ON FUNCTION toms.label_column(regclass, name, text, boolean) IS 'say of which category a column is; optional: it takes values of tenants that have enabled the category';

CREATE FUNCTION toms.unlabel_column(relation regclass, col name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former text;
BEGIN
    PERFORM toms.check_declarable(relation);
    former := substring(toms.label_words(relation, true) ->> col::text FROM 'category=([^,]+)');
    IF former IS NULL THEN
        RAISE EXCEPTION 'column "%" of table % has no category of its own', col, relation USING ERRCODE = 'undefined_object';
    END IF;
    PERFORM toms.set_column_category(relation, col, NULL);
    INSERT INTO toms.protection_history (relation_name, action, category, detail, by)
    VALUES (relation::text, 'unlabel_column', former, col, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.unlabel_column(regclass, name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.unlabel_column(regclass, name) TO toms_admin;
COMMENT ON FUNCTION toms.unlabel_column(regclass, name) IS 'end the category of a column: it is of the table''s own';

CREATE VIEW toms.labelled_columns AS
    SELECT l.objoid::pg_catalog.regclass AS relation, a.attname AS col, pg_catalog.substring(l.label, 'category=([^,]+)') AS category,
           l.label OPERATOR(pg_catalog.~) ',optional$' AS optional
    FROM pg_catalog.pg_seclabel l JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) l.objoid AND a.attnum OPERATOR(pg_catalog.=) l.objsubid
    WHERE l.provider = 'toms' AND l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND l.objsubid > 0
      AND l.label OPERATOR(pg_catalog.~) '(^|,)category=';
COMMENT ON VIEW toms.labelled_columns IS 'columns with a category of their own, and which take values only of tenants that have enabled it';
GRANT SELECT ON toms.labelled_columns TO toms_admin, toms_auditor, toms_operator;
