-- toms.suggest(): how tables without a tenant column find a tenant, by references to others.

-- the data, as little as can be --------------------------------------------------------

-- suggest() reads as the owner of a table, and no table on which somebody has put code that planning or
-- reading would run, no foreign table, and no table that is protected already, which would go on record.
CREATE FUNCTION toms.suggest_owner_reads(relation regclass, other regclass) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT has_table_privilege(c.relowner, o.oid, 'SELECT') AND has_schema_privilege(c.relowner, o.relnamespace, 'USAGE')
    FROM pg_class c, pg_class o WHERE c.oid = relation AND o.oid = other;
$$;
REVOKE ALL ON FUNCTION toms.suggest_owner_reads(regclass, regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_owner_reads(regclass, regclass) IS 'internal: whether the owner of a table may read another';

CREATE FUNCTION toms.suggest_ask(relation regclass, query text) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_suggest_ask';
REVOKE ALL ON FUNCTION toms.suggest_ask(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_ask(regclass, text) IS 'internal: the first value of a query, asked as the owner of a table';

-- By indexes, and planned once: toms.coverage() asks of each table of the database.
CREATE FUNCTION toms.suggest_may_read(relation regclass) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    tree constant oid[] := ARRAY(SELECT r::oid FROM toms.relation_tree(relation) r);
BEGIN
    RETURN (toms.describe(relation)).root IS NULL
       AND toms.suggest_owner_reads(relation, relation)
       AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = ANY (tree) AND c.relkind = 'f')
       AND NOT EXISTS (
            WITH parts (classid, objid) AS (
                SELECT 'pg_class'::regclass::oid, unnest(tree)
                UNION ALL SELECT 'pg_class'::regclass, i.indexrelid FROM pg_index i WHERE i.indrelid = ANY (tree)
                UNION ALL SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint c WHERE c.conrelid = ANY (tree)
                UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid FROM pg_statistic_ext s WHERE s.stxrelid = ANY (tree)
            ), code AS (
                SELECT coalesce(f.proowner, o.oprowner, y.typowner) AS owner
                FROM parts p CROSS JOIN LATERAL (SELECT * FROM pg_depend d WHERE d.classid = p.classid AND d.objid = p.objid OFFSET 0) d
                LEFT JOIN pg_proc f ON d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
                LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
                LEFT JOIN pg_type y ON d.refclassid = 'pg_type'::regclass AND y.oid = d.refobjid AND y.typtype = 'd' AND d.objsubid = 0
            )
            SELECT FROM code c JOIN pg_roles r ON r.oid = c.owner WHERE NOT r.rolsuper);
END
$$;
REVOKE ALL ON FUNCTION toms.suggest_may_read(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_may_read(regclass) IS 'internal: whether reading a table runs nobody''s code and leaves no record';

-- Whether a query about some tables has a row; NULL if one of them is not to be read.
CREATE FUNCTION toms.suggest_any(relations regclass[], query text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(relations) r WHERE NOT toms.suggest_may_read(r) OR NOT toms.suggest_owner_reads(relations[1], r)) THEN
        RETURN NULL;
    END IF;
    RETURN toms.suggest_ask(relations[1], 'SELECT EXISTS (' || query || ')')::boolean;
END
$$;
REVOKE ALL ON FUNCTION toms.suggest_any(regclass[], text) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_any(regclass[], text) IS 'internal: whether a query about some tables has a row';

-- The values of a column that names a kind: the labels of its enum, the literals of its CHECK,
-- and what stands in it, if those are 32 at most and names, not words of somebody.
CREATE FUNCTION toms.suggest_values(relation regclass, col name) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    declared text[];
    present text[];
BEGIN
    SELECT array_agg(v.value) INTO declared FROM pg_attribute a, LATERAL (
        SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = a.atttypid
        UNION
        SELECT replace(m[1], '''''', '''') FROM pg_constraint c, regexp_matches(pg_get_constraintdef(c.oid), '''((?:[^'']|'''')+)''', 'g') m
        WHERE c.conrelid = relation AND c.contype = 'c' AND c.conkey = ARRAY[a.attnum]
          AND pg_get_constraintdef(c.oid) ~ ' = ' AND pg_get_constraintdef(c.oid) !~ '<>|~') v (value)
    WHERE a.attrelid = relation AND a.attname = col;
    IF declared IS NULL AND toms.suggest_may_read(relation) THEN
        present := toms.suggest_ask(relation, format('SELECT array_agg(v) FROM (SELECT DISTINCT %1$I::text AS v FROM %2$s WHERE %1$I IS NOT NULL LIMIT 33) d', col, relation))::text[];
    END IF;
    IF cardinality(present) > 32 OR EXISTS (SELECT FROM unnest(present) p WHERE p !~ '^[[:alpha:]][[:alnum:]_:.\\-]{0,99}$') THEN
        present := NULL;
    END IF;
    RETURN ARRAY(SELECT v FROM unnest(declared || present) v ORDER BY v COLLATE "C");
END
$$;
REVOKE ALL ON FUNCTION toms.suggest_values(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_values(regclass, name) IS 'internal: the few values of a column that names a kind';

-- references -----------------------------------------------------------------------------

-- Tables that have to find a way.
CREATE FUNCTION toms.suggest_lost(facts toms.suggest_facts) RETURNS SETOF regclass
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.relation FROM unnest(facts.tables) t
    WHERE t.fate IS NULL AND t.relation NOT IN (SELECT c.relation FROM unnest(facts.tenant_columns) c);
$$;
REVOKE ALL ON FUNCTION toms.suggest_lost(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_lost(toms.suggest_facts) IS 'internal: tables without a tenant column';

-- Columns whose name is that of one other table's key: order_id, or rev, or the key's own name.
CREATE FUNCTION toms.suggest_namesakes(facts toms.suggest_facts) RETURNS TABLE (relation regclass, col name, parent regclass, parent_column name)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH keys AS MATERIALIZED (
        SELECT c.relation, c.col, c.word, c.family, c.in_primary, t.word AS table_word
        FROM unnest(facts.columns) c JOIN unnest(facts.tables) t ON t.relation = c.relation WHERE c.is_key AND c.family IS NOT NULL
    ), lost AS MATERIALIZED (
        SELECT c.*, toms.suggest_stem(c.word) AS stem FROM unnest(facts.columns) c JOIN toms.suggest_lost(facts) l ON l = c.relation
        WHERE c.parent IS NULL AND c.family IS NOT NULL AND (c.relation, c.col) NOT IN (SELECT p.relation, p.key FROM unnest(facts.pairs) p)
    ), matches AS (
        SELECT c.relation, c.col, k.relation AS parent, k.col AS parent_column,
               rank() OVER (PARTITION BY c.relation, c.col ORDER BY k.table_word = c.stem DESC, k.in_primary DESC) AS place
        FROM lost c JOIN keys k ON k.relation <> c.relation AND k.family = c.family
        WHERE c.stem <> c.word AND (k.table_word = c.stem OR right(k.table_word, length(c.stem) + 1) = '_' || c.stem)
           OR c.word = 'rev' AND k.table_word IN ('rev', 'revision', 'revinfo', 'rev_info', 'revision_info', 'revision_entity')
           OR k.in_primary AND toms.suggest_has_name_of(c.word, k.col)
    )
    SELECT m.relation, m.col, min(m.parent::oid)::regclass, min(m.parent_column::text)::name
    FROM matches m WHERE m.place = 1 GROUP BY m.relation, m.col HAVING count(*) = 1;
$$;
REVOKE ALL ON FUNCTION toms.suggest_namesakes(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_namesakes(toms.suggest_facts) IS 'internal: columns that refer to a table by their name';

-- In a table with inheritance children no column is unique.
CREATE FUNCTION toms.suggest_can_be_parent(relation regclass) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT EXISTS (SELECT FROM pg_class c JOIN pg_inherits i ON i.inhparent = c.oid WHERE c.oid = relation AND c.relkind = 'r');
$$;
REVOKE ALL ON FUNCTION toms.suggest_can_be_parent(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_can_be_parent(regclass) IS 'internal: whether rows of a table can have children';

-- References to one table: by foreign key, as the subject, or by name.  A person's key that only
-- tells persons of one tenant apart leads to no tenant.
CREATE FUNCTION toms.suggest_references(facts toms.suggest_facts) RETURNS SETOF toms.suggest_way
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH by_subject AS (
        SELECT s.relation, s.col, p.relation AS parent, p.key AS parent_column
        FROM unnest(facts.subjects) s JOIN unnest(facts.persons) p ON p.key = s.key AND p.relation <> s.relation
        JOIN unnest(facts.columns) k ON k.relation = p.relation AND k.col = p.key AND k.is_key
    ), found AS MATERIALIZED (
        SELECT c.relation, c.col, c.attnum, c.not_null, c.is_owned, c.parent_is_key AS by_key, coalesce(toms.suggest_person_rank(c.word, 'user') > 7, false) AS is_writer,
               CASE WHEN c.parent_is_key THEN c.parent ELSE coalesce(s.parent, n.parent) END AS parent,
               CASE WHEN c.parent_is_key THEN c.parent_column ELSE coalesce(s.parent_column, n.parent_column) END AS parent_column
        FROM unnest(facts.columns) c JOIN toms.suggest_lost(facts) l ON l = c.relation
        LEFT JOIN by_subject s ON s.relation = c.relation AND s.col = c.col
        LEFT JOIN toms.suggest_namesakes(facts) n ON n.relation = c.relation AND n.col = c.col
        WHERE c.family IS NOT NULL AND (c.parent_is_key OR c.parent IS NULL)
    ), judged AS (
        SELECT f.*, f.by_key AND f.not_null OR coalesce(NOT toms.suggest_any(ARRAY[f.relation, f.parent], CASE
                   WHEN f.by_key THEN format('SELECT FROM %s WHERE %I IS NULL', f.relation, f.col)
                   ELSE format('SELECT FROM %s c WHERE NOT EXISTS (SELECT FROM %s p WHERE p.%I = c.%I)', f.relation, f.parent, f.parent_column, f.col)
                   END), false) AS is_whole
        FROM found f WHERE f.parent <> f.relation AND toms.suggest_can_be_parent(f.parent)
    )
    SELECT j.relation, j.col, j.parent, j.parent_column, NULL::name, NULL::text,
           CASE WHEN j.is_writer OR NOT j.is_whole THEN 3 WHEN j.parent IN (SELECT p.relation FROM unnest(facts.persons) p) THEN 2 ELSE 1 END,
           (8 * j.is_writer::integer + 4 * (NOT j.is_whole)::integer + 2 * (NOT j.by_key)::integer + (NOT j.is_owned)::integer) * 2000 + j.attnum,
           j.is_whole, NULL::integer
    FROM judged j;
$$;
REVOKE ALL ON FUNCTION toms.suggest_references(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_references(toms.suggest_facts) IS 'internal: references to one table, and how surely they lead to a tenant';

-- References to one of several tables, type by type.
CREATE FUNCTION toms.suggest_typed_references(facts toms.suggest_facts) RETURNS SETOF toms.suggest_way
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH keys AS MATERIALIZED (
        SELECT c.relation, c.col, c.family, t.word
        FROM unnest(facts.columns) c JOIN unnest(facts.tables) t ON t.relation = c.relation
        WHERE c.is_key AND c.in_primary AND toms.suggest_can_be_parent(c.relation)
    ), found AS (
        SELECT p.relation, p.key, p.type_column, p.not_null, v.value, count(k.relation) = 1 AS is_clear,
               min(k.relation::oid)::regclass AS parent, min(k.col::text)::name AS parent_column
        FROM unnest(facts.pairs) p JOIN toms.suggest_lost(facts) l ON l = p.relation
        CROSS JOIN LATERAL unnest(toms.suggest_values(p.relation, p.type_column)) v (value)
        LEFT JOIN keys k ON k.family = p.family AND k.relation <> p.relation
                        AND k.word IN (toms.suggest_word(v.value), regexp_replace(toms.suggest_word(v.value), '_(entity|model)$', ''))
        GROUP BY p.relation, p.key, p.type_column, p.not_null, v.value
    )
    SELECT f.relation, f.key, CASE WHEN f.is_clear THEN f.parent END, CASE WHEN f.is_clear THEN f.parent_column END,
           f.type_column, f.value, CASE WHEN f.not_null THEN 1 ELSE 3 END, 0, f.not_null, NULL::integer
    FROM found f;
$$;
REVOKE ALL ON FUNCTION toms.suggest_typed_references(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_typed_references(toms.suggest_facts) IS 'internal: references to one of several tables';

-- One round: what of the tables that are not placed yet can be, by references of the strength
-- that is allowed.  All types of a reference to several tables must lead to a table that is
-- placed, unless nothing better is left.
CREATE FUNCTION toms.suggest_round(ways toms.suggest_way[], placed regclass[], allowed integer) RETURNS SETOF toms.suggest_way
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH candidates AS MATERIALIZED (
        SELECT w.*, w.parent IS NOT NULL AND w.parent = ANY (placed) AS is_placed
        FROM unnest(ways) w WHERE w.strength <= allowed AND w.relation <> ALL (placed)
    ), usable AS (
        SELECT c.relation, c.key, c.type_column, min(c.strength) AS strength, min(c.rank) AS rank
        FROM candidates c GROUP BY c.relation, c.key, c.type_column
        HAVING bool_or(c.is_placed) AND (allowed = 3 OR c.type_column IS NULL OR bool_and(c.is_placed))
    ), chosen AS (
        SELECT DISTINCT ON (u.relation) u.relation, u.key, u.type_column FROM usable u ORDER BY u.relation, u.strength, u.rank
    )
    SELECT c.relation, c.key, CASE WHEN c.is_placed THEN c.parent END, CASE WHEN c.is_placed THEN c.parent_column END,
           c.type_column, c.type_value, c.strength, c.rank, c.is_whole, c.level
    FROM candidates c JOIN chosen b ON b.relation = c.relation AND b.key = c.key AND b.type_column IS NOT DISTINCT FROM c.type_column
    WHERE c.is_placed OR c.type_column IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.suggest_round(toms.suggest_way[], regclass[], integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_round(toms.suggest_way[], regclass[], integer) IS 'internal: tables that find their tenant through those that have found theirs';

-- Round by round, each time by the surest references that are of any use.
CREATE FUNCTION toms.suggest_ways(facts toms.suggest_facts) RETURNS SETOF toms.suggest_way
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ways toms.suggest_way[] := ARRAY(SELECT r FROM toms.suggest_references(facts) r UNION ALL SELECT r FROM toms.suggest_typed_references(facts) r);
    placed regclass[] := ARRAY(SELECT c.relation FROM unnest(facts.tenant_columns) c WHERE c.family IS NOT NULL
                               UNION SELECT w.parent FROM unnest(ways) w WHERE (toms.describe(w.parent)).root = w.parent);
    found toms.suggest_way[];
    way toms.suggest_way;
    level integer := 0;
BEGIN
    LOOP
        level := level + 1;
        FOR allowed IN 1..3 LOOP
            found := ARRAY(SELECT w FROM toms.suggest_round(ways, placed, allowed) w);
            EXIT WHEN found <> '{}';
        END LOOP;
        EXIT WHEN found = '{}';
        FOREACH way IN ARRAY found LOOP
            way.level := level;
            placed := placed || way.relation;
            RETURN NEXT way;
        END LOOP;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.suggest_ways(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_ways(toms.suggest_facts) IS 'internal: how tables without a tenant column reach their tenant';
