-- All rows of a tenant whose contract has ended, in batches, each a transaction: by the worker of retention, or by whoever calls
-- toms.end_tenants().  Rows that the law keeps stay until their rule deletes them, held ones until the hold is released; from the
-- first step on no token of the tenant is taken, so nobody reads either.  Then keys, and what toms has of the tenant.

-- which rows can go ----------------------------------------------------------------------------------

-- Rows to which others refer, that have not gone before: those of unprotected tables go along only where the foreign key says so.
-- Rows of one table that refer to each other in a circle go together.
CREATE FUNCTION toms.referenced_condition(root regclass, ordered regclass[], together boolean)
RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(format('EXISTS (SELECT FROM %s x WHERE %s%s)', f.conrelid::regclass, j.condition,
                             CASE WHEN d.root = referenced_condition.root THEN ' AND (x.tableoid, x.ctid) IS DISTINCT FROM (t.tableoid, t.ctid)' END), ' OR ' ORDER BY f.oid)
    FROM pg_constraint f
         JOIN LATERAL (SELECT string_agg(format('t.%I OPERATOR(%I.%s) x.%I', p.attname, n.nspname, o.oprname, c.attname), ' AND ') AS condition
                       FROM unnest(f.conkey, f.confkey, f.conpfeqop) k (child, parent, op)
                            JOIN pg_attribute c ON c.attrelid = f.conrelid AND c.attnum = k.child JOIN pg_attribute p ON p.attrelid = f.confrelid AND p.attnum = k.parent
                            JOIN pg_operator o ON o.oid = k.op JOIN pg_namespace n ON n.oid = o.oprnamespace) j ON true
         CROSS JOIN LATERAL (SELECT (toms.describe(f.conrelid)).root AS root) d
    WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confrelid IN (SELECT r FROM toms.relation_tree(referenced_condition.root) r)
      AND CASE WHEN d.root IS NULL THEN f.confdeltype IN ('a', 'r')
               WHEN d.root = referenced_condition.root THEN NOT together
               ELSE f.confdeltype IN ('a', 'r', 'c') AND array_position(ordered, d.root) < array_position(ordered, referenced_condition.root) END;
$$;
REVOKE ALL ON FUNCTION toms.referenced_condition(regclass, regclass[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.referenced_condition(regclass, regclass[], boolean) IS 'internal: which rows of a table others refer to, as SQL; NULL: none';

CREATE FUNCTION toms.rows_of_tenant(part regclass, root regclass, tenant text, ordered regclass[], together boolean, OUT every text, OUT statutory text, OUT held text, OUT free text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    every := toms.rows_condition(part, tenant, NULL);
    statutory := coalesce(toms.statutory_condition(root, tenant), 'false');
    held := coalesce(toms.held_rows_condition(part, tenant, 't'), 'false');
    free := format('%s AND (%s) IS NOT TRUE AND (%s) IS NOT TRUE AND NOT (%s)', every, statutory, held, coalesce(toms.referenced_condition(root, ordered, together), 'false'));
END
$$;
REVOKE ALL ON FUNCTION toms.rows_of_tenant(regclass, regclass, text, regclass[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.rows_of_tenant(regclass, regclass, text, regclass[], boolean) IS 'internal: rows of a tenant in one table, those that the law or a hold keeps, and those that can go, as SQL; NULL: none can be his';

-- deleting them ----------------------------------------------------------------------------------------

CREATE FUNCTION toms.count_erased(erasure bigint, relation text, word text, rows bigint, anew boolean DEFAULT false)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE toms.erasure e
    SET result = jsonb_set(e.result, '{tables}', coalesce(e.result -> 'tables', '{}') || jsonb_build_object(relation,
        coalesce(e.result #> ARRAY['tables', relation], '{}') ||
        jsonb_build_object(word, rows + CASE WHEN anew THEN 0 ELSE coalesce((e.result #>> ARRAY['tables', relation, word])::bigint, 0) END)))
    WHERE e.id = count_erased.erasure AND (rows > 0 OR e.result #> ARRAY['tables', relation, word] IS NOT NULL);
$$;
REVOKE ALL ON FUNCTION toms.count_erased(bigint, text, text, bigint, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.count_erased(bigint, text, text, bigint, boolean) IS 'internal: rows of a table that an erasure has deleted, or left';

-- Rows that cannot go are found by halves; why they cannot is told without values.
CREATE FUNCTION toms.delete_what_can_go(part regclass, tenant text, rows tid[], erasure bigint, OUT deleted bigint, OUT problem text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    half constant integer := cardinality(rows) / 2;
    went jsonb;
    first record;
    second record;
BEGIN
    went := (toms.delete_rows(part, tenant, rows, erasure)).cascaded;
    deleted := cardinality(rows);
    PERFORM toms.count_erased(erasure, (toms.describe(part)).root::text, 'deleted', deleted);
    PERFORM toms.count_erased(erasure, c.key, 'cascaded', c.value::bigint) FROM jsonb_each_text(went) c;
EXCEPTION WHEN foreign_key_violation OR restrict_violation OR check_violation OR not_null_violation THEN
    IF cardinality(rows) > 1 THEN
        first := toms.delete_what_can_go(part, tenant, rows[:half], erasure);
        second := toms.delete_what_can_go(part, tenant, rows[half + 1:], erasure);
        deleted := first.deleted + second.deleted;
        problem := coalesce(first.problem, second.problem);
        RETURN;
    END IF;
    deleted := 0;
    GET STACKED DIAGNOSTICS problem = CONSTRAINT_NAME;
    problem := format('rows of %s cannot be deleted: SQLSTATE %s%s', part, SQLSTATE, coalesce(' ' || nullif(problem, ''), ''));
END
$$;
REVOKE ALL ON FUNCTION toms.delete_what_can_go(regclass, text, tid[], bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.delete_what_can_go(regclass, text, tid[], bigint) IS 'internal: delete those rows of a tenant that can be';

-- Where tables refer to each other in a circle, the references of the one that goes later are emptied, if they can be.
CREATE FUNCTION toms.open_circles(tenant text, ordered regclass[])
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reference record;
    found tid[];
    emptied bigint := 0;
BEGIN
    FOR reference IN SELECT l.part, d.root, c.attname AS col
                     FROM pg_constraint f CROSS JOIN LATERAL (SELECT (toms.describe(f.conrelid)).root AS root, (toms.describe(f.confrelid)).root AS parent) d
                          JOIN LATERAL (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = f.conrelid AND a.attnum = ANY (f.conkey) AND NOT a.attnotnull
                                          AND a.attname IS DISTINCT FROM (toms.describe(f.conrelid)).tenant ORDER BY array_position(f.conkey, a.attnum) DESC LIMIT 1) c ON true
                          CROSS JOIN LATERAL (SELECT toms.leaves(f.conrelid) AS part) l
                     WHERE f.contype = 'f' AND f.conparentid = 0 AND d.root <> d.parent AND array_position(ordered, d.root) > array_position(ordered, d.parent)
                     ORDER BY f.oid LOOP
        SELECT toms.find_rows(reference.part, format('%s AND (%s) IS NOT TRUE AND (%s) IS NOT TRUE AND t.%I IS NOT NULL', r.every, r.statutory, r.held, reference.col)) INTO found
        FROM toms.rows_of_tenant(reference.part, reference.root, tenant, ordered, true) r WHERE r.every IS NOT NULL;
        IF cardinality(found) > 0 THEN
            emptied := emptied + toms.change_rows(reference.part, tenant, found, format('%I = NULL', reference.col), '{}');
        END IF;
    END LOOP;
    RETURN emptied;
END
$$;
REVOKE ALL ON FUNCTION toms.open_circles(text, regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.open_circles(text, regclass[]) IS 'internal: empty references of a tenant''s rows that keep tables from being emptied in any order';

CREATE FUNCTION toms.erase_rows_of_tenant(tenant text, erasure bigint, most integer, together boolean, OUT rows bigint, OUT problem text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ordered constant regclass[] := toms.tables_in_order();
    part regclass;
    root regclass;
    look integer;
    found tid[];
    went record;
BEGIN
    rows := 0;
    FOR part, root IN SELECT l.part, o.root FROM unnest(ordered) WITH ORDINALITY o (root, n), toms.leaves(o.root) l (part) ORDER BY o.n, l.part::text LOOP
        -- once more where rows of the table referred to each other
        FOR look IN 1 .. 100 LOOP
            EXIT WHEN rows >= most;
            SELECT toms.find_rows(part, r.free, CASE WHEN NOT together THEN most - rows END) INTO found FROM toms.rows_of_tenant(part, root, tenant, ordered, together) r WHERE r.free IS NOT NULL;
            EXIT WHEN coalesce(cardinality(found), 0) = 0;
            IF rows = 0 AND problem IS NULL THEN
                PERFORM toms.ledger_intend(erasure);
            END IF;
            went := toms.delete_what_can_go(part, tenant, found, erasure);
            rows := rows + went.deleted;
            problem := coalesce(problem, went.problem);
            EXIT WHEN went.deleted = 0;
        END LOOP;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.erase_rows_of_tenant(text, bigint, integer, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.erase_rows_of_tenant(text, bigint, integer, boolean) IS 'internal: delete a batch of rows of a tenant, of all tables in order';

-- In this order: what nothing refers to, what refers to each other, and what has to be taken apart before.
CREATE FUNCTION toms.erase_batch_of_tenant(tenant text, erasure bigint, most integer, OUT rows bigint, OUT more boolean, OUT problem text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT e.rows, e.problem INTO rows, problem FROM toms.erase_rows_of_tenant(tenant, erasure, most, together => false) e;
    IF rows = 0 THEN
        SELECT e.rows, e.problem INTO rows, problem FROM toms.erase_rows_of_tenant(tenant, erasure, most, together => true) e;
    END IF;
    more := rows > 0 OR toms.open_circles(tenant, toms.tables_in_order()) > 0;
END
$$;
REVOKE ALL ON FUNCTION toms.erase_batch_of_tenant(text, bigint, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.erase_batch_of_tenant(text, bigint, integer) IS 'internal: delete rows of a tenant; "more": there may be others';

-- Rows that are left in all tables, counted into the erasure.
CREATE FUNCTION toms.count_rest_of_tenant(tenant text, erasure bigint, OUT rest bigint, OUT kept bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ordered constant regclass[] := toms.tables_in_order();
    root regclass;
    counts bigint[];
BEGIN
    rest := 0;
    kept := 0;
    FOREACH root IN ARRAY ordered LOOP
        SELECT ARRAY[coalesce(sum(c.counts[1]), 0), coalesce(sum(c.counts[2]), 0), coalesce(sum(c.counts[3]), 0)] INTO counts     -- all, by law, held
        FROM toms.leaves(root) part, toms.rows_of_tenant(part, root, tenant, ordered, false) r,
             LATERAL (SELECT toms.ask_all_rows(format('SELECT ARRAY[count(*), count(*) FILTER (WHERE (%1$s) AND (%2$s) IS NOT TRUE), count(*) FILTER (WHERE %2$s)] FROM ONLY %3$s t WHERE %4$s',
                                                      r.statutory, r.held, part, r.every))::bigint[] AS counts) c
        WHERE r.every IS NOT NULL;
        rest := rest + counts[1];
        kept := kept + counts[2] + counts[3];
        PERFORM toms.count_erased(erasure, root::text, 'restricted', counts[1] - counts[3], anew => true);     -- those to which such rows refer too
        PERFORM toms.count_erased(erasure, root::text, 'held', counts[3], anew => true);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.count_rest_of_tenant(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.count_rest_of_tenant(text, bigint) IS 'internal: how many rows of a tenant are left, and how many of them the law or a hold keeps';
