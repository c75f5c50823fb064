-- How rows are erased: those of a person, or of a category, in all protected tables, in one transaction.
--
-- Tables go in the order in which their rows depend on each other.  What a hold or the law keeps stays, and with it the rows that
-- it depends on.  Rows of others that depend on one that is to go stop it all: they are to be declared.

CREATE FUNCTION toms.wait_for_writers(tables regclass[]) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_wait_for_writers';
REVOKE ALL ON FUNCTION toms.wait_for_writers(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.wait_for_writers(regclass[]) IS 'internal: wait for transactions that have written to tables';

-- What there is in one table.
CREATE TYPE toms.erasure_part AS (part regclass, root regclass, own text, rows tid[], held tid[], restricted tid[]);
COMMENT ON TYPE toms.erasure_part IS 'internal: rows of a table that an erasure is about, and which of them stay';

CREATE FUNCTION toms.without(rows tid[], others tid[])
RETURNS tid[] LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN others = '{}' THEN rows ELSE ARRAY(SELECT unnest(rows) EXCEPT SELECT unnest(others)) END;
$$;
REVOKE ALL ON FUNCTION toms.without(tid[], tid[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.without(tid[], tid[]) IS 'internal: rows that are not among others';

-- {"table": {"deleted": 3}} and 2 more
CREATE FUNCTION toms.add_count(counts jsonb, relation text, what text, n bigint)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN n = 0 THEN counts
           ELSE counts || jsonb_build_object(relation, coalesce(counts -> relation, '{}') || jsonb_build_object(what, coalesce((counts -> relation ->> what)::bigint, 0) + n)) END;
$$;
REVOKE ALL ON FUNCTION toms.add_count(jsonb, text, text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.add_count(jsonb, text, text, bigint) IS 'internal: count rows of a table';

CREATE FUNCTION toms.add_counts(counts jsonb, others jsonb)
RETURNS jsonb LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other record;
BEGIN
    FOR other IN SELECT t.key AS relation, c.key AS what, c.value::bigint AS n FROM jsonb_each(others) t, jsonb_each_text(t.value) c LOOP
        counts := toms.add_count(counts, other.relation, other.what, other.n);
    END LOOP;
    RETURN counts;
END
$$;
REVOKE ALL ON FUNCTION toms.add_counts(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.add_counts(jsonb, jsonb) IS 'internal: sum of two counts of rows of tables';

-- whose rows --------------------------------------------------------------------------------

-- Rows of a tenant that are of a category, or whose parent row is.
CREATE FUNCTION toms.category_condition(root regclass, tenant text, category text, alias text)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    label text;
    of_category text;
BEGIN
    SELECT * INTO today FROM toms.describe(root);
    IF today.category = category THEN
        RETURN toms.rows_condition(root, tenant, NULL, alias);
    END IF;
    SELECT format('EXISTS (SELECT FROM (SELECT %s.*) toms_row WHERE (%s) IS NOT FALSE)', alias, l.condition) INTO label
    FROM toms.row_labels l WHERE l.relation = root AND l.category = category_condition.category;
    SELECT string_agg(format('EXISTS (SELECT FROM %s %s WHERE %2$s.%I = %s.%I%s AND %s)', p.parent, p.above, p.parent_column, alias, today.parent_key,
                             CASE WHEN p.type_value IS NOT NULL THEN format(' AND %s.%I::text = %L', alias, today.type_column, p.type_value) END, p.condition), ' OR ' ORDER BY p.id)
    INTO of_category
    FROM (SELECT q.*, toms.category_condition(q.parent, category_condition.tenant, category_condition.category, q.above) AS condition
          FROM (SELECT r.*, alias || '_' || r.id AS above FROM toms.parent r JOIN pg_class c ON c.oid = r.parent WHERE r.child = root OFFSET 0) q) p   -- no other table's
    WHERE p.condition IS NOT NULL;
    IF label IS NULL AND of_category IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN toms.rows_condition(root, tenant, NULL, alias) || format(' AND (%s)', concat_ws(' OR ', label, of_category));
END
$$;
REVOKE ALL ON FUNCTION toms.category_condition(regclass, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.category_condition(regclass, text, text, text) IS 'internal: which rows of a tenant are of a category, as SQL on an alias; NULL: none';

CREATE FUNCTION toms.own_condition(erasure toms.erasure, root regclass, alias text)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN CASE erasure.kind WHEN 'subject' THEN toms.rows_condition(root, erasure.tenant, erasure.subject, alias)
                             WHEN 'category' THEN toms.category_condition(root, erasure.tenant, erasure.category, alias) END;
END
$$;
REVOKE ALL ON FUNCTION toms.own_condition(toms.erasure, regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.own_condition(toms.erasure, regclass, text) IS 'internal: which rows of a table an erasure is about, as SQL on an alias; NULL: none';

-- Before the first row goes: the row that tells whose second key it is may be among them.
CREATE FUNCTION toms.own_conditions(erasure toms.erasure)
RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce((SELECT jsonb_object_agg(p.relation::oid::text, jsonb_build_object('t', c.t, 'q', toms.own_condition(erasure, p.relation, 'q')))
                     FROM toms.protected_tables p, LATERAL (SELECT toms.own_condition(erasure, p.relation, 't') AS t OFFSET 0) c
                     WHERE p.root = p.relation AND c.t IS NOT NULL), '{}');
END
$$;
REVOKE ALL ON FUNCTION toms.own_conditions(toms.erasure) FROM PUBLIC;
COMMENT ON FUNCTION toms.own_conditions(toms.erasure) IS 'internal: the conditions of toms.own_condition() for all tables';

-- what stays ----------------------------------------------------------------------------------

CREATE FUNCTION toms.take_part(erasure toms.erasure, part regclass, root regclass, own text, rows tid[])
RETURNS toms.erasure_part LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held_condition text := toms.held_rows_condition(part, erasure.tenant, 't');
    statutory text := toms.statutory_condition(root, erasure.tenant);
    held tid[] := '{}';
    restricted tid[] := '{}';
BEGIN
    IF rows <> '{}' AND held_condition IS NOT NULL THEN
        held := toms.find_rows(part, format('t.ctid = ANY (%L) AND (%s)', rows, held_condition));
    END IF;
    IF rows <> '{}' AND statutory IS NOT NULL THEN
        restricted := toms.without(toms.find_rows(part, format('t.ctid = ANY (%L) AND (%s)', rows, statutory)), held);
    END IF;
    RETURN (part, root, own, rows, held, restricted);
END
$$;
REVOKE ALL ON FUNCTION toms.take_part(toms.erasure, regclass, regclass, text, tid[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.take_part(toms.erasure, regclass, regclass, text, tid[]) IS 'internal: which rows of a table a hold or the law keeps';

-- Rows of "referred" on which rows depend that are not the erasure's: those of persons' columns stay named for a reason.
CREATE FUNCTION toms.check_no_others(referred toms.erasure_part, free tid[], child regclass, joined text, own text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF toms.ask_all_rows(format('SELECT 1 FROM ONLY %s t WHERE t.ctid = ANY (%L) AND EXISTS (SELECT FROM %s q WHERE %s AND (%s) IS NOT TRUE) LIMIT 1',
                                referred.part, free, child, joined, coalesce(own, 'false'))) IS NOT NULL THEN
        RAISE EXCEPTION 'rows of % that are not to be erased depend on rows of % that are', child, referred.root USING ERRCODE = 'foreign_key_violation',
            HINT = format('They are another''s, or of another category. Where a column names a person: SELECT toms.label_person(%L, ''…'', role => ''…'');', child);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_no_others(toms.erasure_part, tid[], regclass, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_no_others(toms.erasure_part, tid[], regclass, text, text) IS 'internal: refuse an erasure on which rows of others depend';

-- Rows that stay, of those that "q" can be; NULL: all that are left of the table, which has been gone through.
CREATE FUNCTION toms.staying_rows(parts toms.erasure_part[], child_root regclass, held boolean)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN count(*) > 0 THEN coalesce('(' || string_agg(format('q.tableoid = %s AND q.ctid = ANY (%L)', p.part::oid, s.rows), ' OR ') FILTER (WHERE s.rows <> '{}') || ')', 'false') END
    FROM unnest(parts) p, LATERAL (SELECT CASE WHEN staying_rows.held THEN p.held ELSE p.restricted END AS rows) s WHERE p.root = child_root;
$$;
REVOKE ALL ON FUNCTION toms.staying_rows(toms.erasure_part[], regclass, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.staying_rows(toms.erasure_part[], regclass, boolean) IS 'internal: the condition on q that a row stays';

CREATE FUNCTION toms.needed_rows(referred toms.erasure_part, child regclass, joined text, staying text)
RETURNS tid[] LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    free tid[] := toms.without(referred.rows, referred.held || referred.restricted);
BEGIN
    IF free = '{}' OR staying IS NULL OR staying = 'false' THEN
        RETURN '{}';
    END IF;
    RETURN toms.find_rows(referred.part, format('t.ctid = ANY (%L) AND EXISTS (SELECT FROM %s q WHERE %s AND (%s))', free, child, joined, staying));
END
$$;
REVOKE ALL ON FUNCTION toms.needed_rows(toms.erasure_part, regclass, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.needed_rows(toms.erasure_part, regclass, text, text) IS 'internal: rows on which others depend that stay';

-- Until no more are found: in a circle a row that stays can keep others in turn.  Rows of others still name him where the law has
-- kept the name, or another tenant has: they would be deleted with his by a foreign key that cascades.
CREATE FUNCTION toms.keep_needed(erasure toms.erasure, parts toms.erasure_part[], owns jsonb)
RETURNS toms.erasure_part[] LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r record;
    i integer;
    one toms.erasure_part;
    joined text;
    needed tid[];
    changed boolean := true;
    first boolean := true;
BEGIN
    WHILE changed LOOP
        changed := false;
        FOR r IN SELECT w.*, EXISTS (SELECT FROM unnest(parts) p WHERE p.root = w.child_root) AS in_circle,
                        EXISTS (SELECT FROM toms.person_column c WHERE c.relation = w.child_root AND c.col = ANY (w.child_columns)) AS names_person
                 FROM toms.row_references() w WHERE w.parent_root IN (SELECT p.root FROM unnest(parts) p) LOOP
            CONTINUE WHEN NOT first AND NOT r.in_circle;
            joined := toms.depends_on(r.child, r.child_columns, r.parent, r.parent_columns, r.type_value, r.operators);
            FOR i IN SELECT s FROM generate_subscripts(parts, 1) s WHERE parts[s].root = r.parent_root LOOP
                one := parts[i];
                CONTINUE WHEN cardinality(one.held) + cardinality(one.restricted) = cardinality(one.rows);
                needed := toms.needed_rows(one, r.child, joined, CASE WHEN r.in_circle THEN toms.staying_rows(parts, r.child_root, true)
                                                                      ELSE toms.held_rows_condition(r.child_root, erasure.tenant, 'q') END);
                one.held := one.held || needed;
                changed := changed OR needed <> '{}';
                IF first AND NOT r.names_person THEN
                    PERFORM toms.check_no_others(one, toms.without(one.rows, one.held || one.restricted), r.child, joined, owns -> (r.child_root::oid::text) ->> 'q');
                END IF;
                needed := toms.needed_rows(one, r.child, joined, CASE WHEN r.in_circle
                    THEN format('(%s) OR (%s) IS NOT TRUE', toms.staying_rows(parts, r.child_root, false), owns -> (r.child_root::oid::text) ->> 'q') ELSE 'true' END);
                one.restricted := one.restricted || needed;
                changed := changed OR needed <> '{}';
                parts[i] := one;
            END LOOP;
        END LOOP;
        first := false;
    END LOOP;
    RETURN parts;
END
$$;
REVOKE ALL ON FUNCTION toms.keep_needed(toms.erasure, toms.erasure_part[], jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.keep_needed(toms.erasure, toms.erasure_part[], jsonb) IS 'internal: rows on which others depend that stay, stay too';

-- what goes -------------------------------------------------------------------------------------

-- Of references in a circle those that can be empty are emptied first, in rows that are about to go.
CREATE FUNCTION toms.break_circles(erasure toms.erasure, parts toms.erasure_part[])
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r record;
    one toms.erasure_part;
    free tid[];
BEGIN
    FOR r IN SELECT w.child_root, a.attname AS col FROM toms.row_references() w, LATERAL toms.describe(w.child_root) d, unnest(w.child_columns) u (col) JOIN pg_attribute a ON a.attname = u.col
             WHERE w.kind = 'foreign key' AND w.on_delete <> 'c' AND a.attrelid = w.child_root AND NOT a.attnotnull AND a.attgenerated = ''
               AND w.child_root IN (SELECT p.root FROM unnest(parts) p) AND w.parent_root IN (SELECT p.root FROM unnest(parts) p)
               AND a.attname <> ALL (array_remove(ARRAY[d.tenant, d.subject, d.parent_key, d.type_column], NULL)) LOOP
        FOREACH one IN ARRAY parts LOOP
            CONTINUE WHEN one.root <> r.child_root;
            free := toms.without(toms.find_rows(one.part, format('(%s) AND t.%I IS NOT NULL', one.own, r.col)), one.held || one.restricted);
            IF free <> '{}' THEN
                PERFORM toms.change_rows(one.part, erasure.tenant, free, format('%I = NULL', r.col), '{}');
            END IF;
        END LOOP;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.break_circles(toms.erasure, toms.erasure_part[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.break_circles(toms.erasure, toms.erasure_part[]) IS 'internal: empty references in a circle of rows that are about to be deleted';

-- Where a foreign key does not let it, another part goes first; PostgreSQL would tell the key of the row.
CREATE FUNCTION toms.delete_part(erasure toms.erasure, part regclass, rows tid[], OUT cascaded jsonb, OUT keys bigint[], OUT hindered_by text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT d.cascaded, d.keys INTO cascaded, keys FROM toms.delete_rows(part, erasure.tenant, rows, erasure.id) d;
EXCEPTION WHEN foreign_key_violation OR restrict_violation OR not_null_violation THEN
    GET STACKED DIAGNOSTICS hindered_by = CONSTRAINT_NAME;
    hindered_by := coalesce(nullif(hindered_by, ''), 'NOT NULL');
END
$$;
REVOKE ALL ON FUNCTION toms.delete_part(toms.erasure, regclass, tid[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.delete_part(toms.erasure, regclass, tid[]) IS 'internal: delete rows of one table for an erasure, unless other rows refer to them';

-- What stays may lie elsewhere, and more may have to stay, once a trigger of the table's owner has run, or others have written.
CREATE FUNCTION toms.is_as_planned(erasure toms.erasure, one toms.erasure_part)
RETURNS boolean LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    staying constant tid[] := one.held || one.restricted;
    statutory constant text := toms.statutory_condition(one.root, erasure.tenant);
BEGIN
    RETURN (staying = '{}' OR cardinality(toms.find_rows(one.part, format('t.ctid = ANY (%L)', staying))) = cardinality(staying))
           AND (one.rows = '{}' OR statutory IS NULL OR toms.find_rows(one.part, format('t.ctid = ANY (%L) AND (%s)', one.rows, statutory)) = '{}');
END
$$;
REVOKE ALL ON FUNCTION toms.is_as_planned(toms.erasure, toms.erasure_part) FROM PUBLIC;
COMMENT ON FUNCTION toms.is_as_planned(toms.erasure, toms.erasure_part) IS 'internal: whether rows of a table that stay are where they were, and none that is to go is the law''s';

-- Rows that stay are told from those that go; the latter are found anew, since others that went may have changed them.  Rows that
-- belong to their parent row go before it.  "again": what is left is to be planned anew.
CREATE FUNCTION toms.delete_parts(erasure toms.erasure, parts toms.erasure_part[], OUT counts jsonb, OUT keys bigint[], OUT again boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    one toms.erasure_part;
    gone record;
    hindered_by text;
    left_over toms.erasure_part[];
BEGIN
    again := false;
    counts := '{}';
    keys := '{}';
    IF NOT erasure.result ? 'dry_run' AND EXISTS (SELECT FROM unnest(parts) p WHERE toms.without(p.rows, p.held || p.restricted) <> '{}') THEN
        PERFORM toms.ledger_intend(erasure.id);
    END IF;
    WHILE cardinality(parts) > 0 LOOP
        left_over := '{}';
        FOREACH one IN ARRAY parts LOOP
            one.rows := toms.without(toms.find_rows(one.part, one.own), one.held || one.restricted);
            again := NOT toms.is_as_planned(erasure, one);
            IF again THEN
                RETURN;
            END IF;
            CONTINUE WHEN one.rows = '{}';
            IF EXISTS (SELECT FROM toms.parent q JOIN unnest(parts) p ON p.root = q.child WHERE q.parent = one.root AND p.root <> one.root) THEN
                left_over := left_over || one;
                CONTINUE;
            END IF;
            SELECT * INTO gone FROM toms.delete_part(erasure, one.part, one.rows);
            IF gone.hindered_by IS NOT NULL THEN
                hindered_by := gone.hindered_by;
                left_over := left_over || one;
                CONTINUE;
            END IF;
            keys := keys || gone.keys;
            counts := toms.add_count(counts, one.root::text, 'deleted', cardinality(one.rows));
            counts := toms.add_counts(counts, (SELECT coalesce(jsonb_object_agg(c.key, jsonb_build_object('cascaded', c.value)), '{}') FROM jsonb_each(gone.cascaded) c));
        END LOOP;
        IF cardinality(left_over) = cardinality(parts) THEN
            RAISE EXCEPTION 'rows of % cannot be deleted: "%" of what refers to them', parts[1].root, hindered_by USING ERRCODE = 'foreign_key_violation',
                HINT = 'Where rows refer to each other in a circle, one of the columns has to take NULL, or the foreign key to cascade.';
        END IF;
        parts := left_over;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.delete_parts(toms.erasure, toms.erasure_part[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.delete_parts(toms.erasure, toms.erasure_part[]) IS 'internal: delete what goes, in an order that foreign keys let through';

-- One table, or several that depend on each other in a circle.
CREATE FUNCTION toms.erase_group(erasure toms.erasure, tables regclass[], owns jsonb, OUT counts jsonb, OUT keys bigint[], OUT until timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts toms.erasure_part[];
    one toms.erasure_part;
    step record;
    stay jsonb := '{}';
BEGIN
    counts := '{}';
    keys := '{}';
    LOOP
        parts := ARRAY(SELECT toms.take_part(erasure, l, r, owns -> (r::oid::text) ->> 't', toms.find_rows(l, owns -> (r::oid::text) ->> 't'))
                       FROM unnest(tables) r, toms.leaves(r) l WHERE owns ? (r::oid::text));
        parts := ARRAY(SELECT p FROM unnest(parts) p WHERE p.rows <> '{}');
        parts := toms.keep_needed(erasure, parts, owns);
        IF cardinality(parts) > 1 THEN
            PERFORM toms.break_circles(erasure, parts);
        END IF;
        SELECT * INTO step FROM toms.delete_parts(erasure, parts);
        counts := toms.add_counts(counts, step.counts);
        keys := keys || step.keys;
        EXIT WHEN NOT step.again;
    END LOOP;
    FOREACH one IN ARRAY parts LOOP
        stay := toms.add_count(toms.add_count(stay, one.root::text, 'held', cardinality(one.held)), one.root::text, 'restricted', cardinality(one.restricted));
        IF one.restricted <> '{}' THEN
            until := greatest(until, toms.kept_until(one.part, one.root, erasure.tenant, one.restricted));
        END IF;
    END LOOP;
    counts := toms.add_counts(counts, stay);
END
$$;
REVOKE ALL ON FUNCTION toms.erase_group(toms.erasure, regclass[], jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.erase_group(toms.erasure, regclass[], jsonb) IS 'internal: erase the rows of tables that depend on each other';
