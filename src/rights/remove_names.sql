-- What names a person elsewhere, or is of a category in rows that stay, is emptied.

-- In columns that name persons: by the foreign key if there is one, else as tokens write him.
CREATE FUNCTION toms.names_condition(erasure toms.erasure, named toms.person_column)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r record;
    of_person text;
BEGIN
    FOR r IN SELECT w.parent, w.parent_root, w.parent_columns[array_position(w.child_columns, named.col)] AS col
             FROM toms.row_references() w WHERE w.kind = 'foreign key' AND w.child_root = named.relation AND named.col = ANY (w.child_columns) LOOP
        of_person := toms.own_condition(erasure, r.parent_root, 'p');
        RETURN CASE WHEN of_person IS NOT NULL THEN format('t.%I IN (SELECT p.%I FROM %s p WHERE %s)', named.col, r.col, r.parent, of_person) END;
    END LOOP;
    RETURN toms.equals(named.relation, named.col, erasure.subject, 't');
END
$$;
REVOKE ALL ON FUNCTION toms.names_condition(toms.erasure, toms.person_column) FROM PUBLIC;
COMMENT ON FUNCTION toms.names_condition(toms.erasure, toms.person_column) IS 'internal: the condition that a column names the person of an erasure, as SQL on t';

-- One column of a table, in the rows of a condition; those that stay as they are count as kept.
CREATE FUNCTION toms.clear_column(erasure toms.erasure, relation regclass, col name, condition text)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    counts jsonb := '{}';
    part regclass;
    one toms.erasure_part;
    free tid[];
BEGIN
    FOR part IN SELECT toms.leaves(relation) LOOP
        one := toms.take_part(erasure, part, relation, condition, toms.find_rows(part, format('(%s) AND t.%I IS NOT NULL', condition, col)));
        free := toms.without(one.rows, one.held || one.restricted);
        counts := toms.add_count(toms.add_count(counts, relation::text, 'held', cardinality(one.held)), relation::text, 'restricted', cardinality(one.restricted));
        IF free <> '{}' THEN
            PERFORM toms.change_rows(part, erasure.tenant, free, format('%I = NULL', col), '{}');
            counts := toms.add_count(counts, relation::text, 'cleared', cardinality(free));
        END IF;
    END LOOP;
    RETURN counts;
END
$$;
REVOKE ALL ON FUNCTION toms.clear_column(toms.erasure, regclass, name, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.clear_column(toms.erasure, regclass, name, text) IS 'internal: empty a column for an erasure';

-- In his own rows nothing is emptied: they go, or stay as the law wants them.
CREATE FUNCTION toms.clear_names(erasure toms.erasure, owns jsonb)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    counts jsonb := '{}';
    named toms.person_column;
    of_tenant text;
    of_person text;
BEGIN
    FOR named IN SELECT c.* FROM toms.person_column c JOIN pg_class r ON r.oid = c.relation WHERE c.on_erase = 'clear' ORDER BY c.relation::text, c.col LOOP
        of_tenant := toms.rows_condition(named.relation, erasure.tenant, NULL, 't');
        of_person := toms.names_condition(erasure, named);
        CONTINUE WHEN of_tenant IS NULL OR of_person IS NULL OR of_person = 'false';
        counts := toms.add_counts(counts, toms.clear_column(erasure, named.relation, named.col,
            format('%s AND %s AND (%s) IS NOT TRUE', of_tenant, of_person, coalesce(owns -> (named.relation::oid::text) ->> 't', 'false'))));
    END LOOP;
    RETURN counts;
END
$$;
REVOKE ALL ON FUNCTION toms.clear_names(toms.erasure, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.clear_names(toms.erasure, jsonb) IS 'internal: empty what names a person in rows of others';

CREATE FUNCTION toms.clear_category(erasure toms.erasure, owns jsonb)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    counts jsonb := '{}';
    labelled record;
    of_tenant text;
BEGIN
    FOR labelled IN SELECT c.relation::regclass AS relation, c.col, a.attnotnull FROM toms.labelled_columns c JOIN pg_attribute a ON a.attrelid = c.relation AND a.attname = c.col
                    WHERE c.category = erasure.category AND (toms.describe(c.relation)).root = c.relation LOOP
        of_tenant := toms.rows_condition(labelled.relation, erasure.tenant, NULL, 't');
        CONTINUE WHEN of_tenant IS NULL;
        IF labelled.attnotnull THEN
            RAISE EXCEPTION 'column "%" of % cannot be emptied', labelled.col, labelled.relation USING ERRCODE = 'not_null_violation',
                HINT = format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL;', labelled.relation, labelled.col);
        END IF;
        counts := toms.add_counts(counts, toms.clear_column(erasure, labelled.relation, labelled.col,
            format('%s AND (%s) IS NOT TRUE', of_tenant, coalesce(owns -> (labelled.relation::oid::text) ->> 't', 'false'))));
    END LOOP;
    RETURN counts;
END
$$;
REVOKE ALL ON FUNCTION toms.clear_category(toms.erasure, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.clear_category(toms.erasure, jsonb) IS 'internal: empty the columns of a category in rows that stay';
