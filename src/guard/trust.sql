-- Built-in functions that may be called below a policy.  PostgreSQL lets a condition of the caller
-- see a row before the policy does only if its functions are LEAKPROOF; otherwise no index can be
-- used for it.  Few of its own functions are marked so.  Those listed here were read: they return
-- for every value that can be stored, and do nothing else.
--
-- What raises an error is not listed, even if the error tells no value: a condition comes to be
-- tested only if those before it hold, so "email = '…' AND f(x)" tells by f's error that somebody
-- has that address.  That goes for overflow, for a stack that the caller has brought close to its
-- limit, and for sizes beyond what PostgreSQL can hold in memory.

CREATE TABLE toms.trustable_function (
    function text PRIMARY KEY,
    review   text NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('toms.trustable_function', 'WHERE false');   -- comes with the extension
COMMENT ON TABLE toms.trustable_function IS 'functions of PostgreSQL that toms.trust_function() accepts, and why they tell nothing of what they are given';
GRANT SELECT ON toms.trustable_function TO toms_admin, toms_auditor, toms_operator;

INSERT INTO toms.trustable_function (function, review)
SELECT format('pg_catalog.%s', f), review FROM (VALUES
    ('{"range_eq(anyrange,anyrange)","range_overlaps(anyrange,anyrange)","range_contains(anyrange,anyrange)",
       "range_contained_by(anyrange,anyrange)","range_contains_elem(anyrange,anyelement)","elem_contained_by_range(anyelement,anyrange)",
       "range_before(anyrange,anyrange)","range_after(anyrange,anyrange)","range_overleft(anyrange,anyrange)","range_overright(anyrange,anyrange)"}'::text[],
     'Compares bounds with the comparison of the subtype''s operator class, which only a superuser can have made. Builds no range, so it calls no canonical function. Complains of two different range types only, which the parser does not let through.'),
    ('{"multirange_eq(anymultirange,anymultirange)","multirange_overlaps_multirange(anymultirange,anymultirange)",
       "multirange_contains_multirange(anymultirange,anymultirange)","multirange_contained_by_multirange(anymultirange,anymultirange)",
       "multirange_contains_elem(anymultirange,anyelement)","elem_contained_by_multirange(anyelement,anymultirange)",
       "multirange_before_multirange(anymultirange,anymultirange)","multirange_after_multirange(anymultirange,anymultirange)",
       "multirange_overleft_multirange(anymultirange,anymultirange)","multirange_overright_multirange(anymultirange,anymultirange)"}',
     'Compares bounds as the functions of ranges do; searches by halves, without recursion. Builds no range.'),
    ('{lower(anyrange),upper(anyrange),isempty(anyrange)}',
     'Returns a bound or a flag as it is stored, or NULL. Compares and computes nothing.'),
    ('{"numeric_eq(numeric,numeric)","numeric_lt(numeric,numeric)","numeric_le(numeric,numeric)","numeric_ge(numeric,numeric)","numeric_gt(numeric,numeric)"}',
     'Compares sign, weight and digits as they are stored; NaN and the infinities have their places. No arithmetic, so nothing overflows.'),
    ('{"enum_eq(anyenum,anyenum)","enum_lt(anyenum,anyenum)","enum_le(anyenum,anyenum)","enum_ge(anyenum,anyenum)","enum_gt(anyenum,anyenum)"}',
     'Compares object ids or, if values were added later, places in pg_enum. Complains of a value that pg_enum does not hold only, and such cannot be stored.'),
    ('{"network_sub(inet,inet)","network_subeq(inet,inet)","network_sup(inet,inet)","network_supeq(inet,inet)","network_overlap(inet,inet)"}',
     'Compares address families, lengths of masks and leading bits.'),
    ('{"jsonb_exists(jsonb,text)","jsonb_exists_any(jsonb,text[])","jsonb_exists_all(jsonb,text[])"}',
     'Compares keys and strings of the uppermost level, byte by byte; does not look deeper.')
) v (functions, review), unnest(functions) f
UNION ALL
SELECT format('pg_catalog.%s_%s_%s(%s,%s)', l, o, r, types ->> l, types ->> r),
       'Turns one side into the type of the other in the time zone of the session, and takes what lies beyond its range for earlier or later than everything. Complains of nothing that can be stored.'
FROM (VALUES ('{"date": "date", "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone"}'::jsonb)) t (types),
     jsonb_object_keys(types) l, jsonb_object_keys(types) r, unnest('{lt,le,eq,ge,gt}'::text[]) o
WHERE l <> r;

CREATE TABLE toms.refused_function (
    function text PRIMARY KEY,
    review   text NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('toms.refused_function', 'WHERE false');     -- comes with the extension
COMMENT ON TABLE toms.refused_function IS 'functions of PostgreSQL that were asked for and are not trusted: what they tell, and what to do instead';
GRANT SELECT ON toms.refused_function TO toms_admin, toms_auditor, toms_operator;

INSERT INTO toms.refused_function (function, review)
SELECT format('pg_catalog.%s', f), review FROM (VALUES
    ('{"textlike(text,text)","texticlike(text,text)","bpcharlike(character,text)","textnlike(text,text)"}'::text[],
     'It raises an error over a pattern that ends with its escape character, but only where the value matches up to there: so a pattern finds out, character by character, what a hidden value is. Instead: column ^@ ''prefix'', which is leakproof, with an index text_pattern_ops.'),
    ('{"textregexeq(text,text)","texticregexeq(text,text)","regexp_like(text,text)"}',
     'It raises an error over a wrong or too costly pattern, but only where a row gets there. Instead: column ^@ ''prefix'', with an index text_pattern_ops.'),
    ('{lower(text),upper(text),initcap(text)}',
     'It fails for values too large to hold as wide characters, and for characters that the locale does not know. Instead: a generated column of the result, with an index.'),
    ('{"date_trunc(text,timestamp with time zone)","date_trunc(text,timestamp without time zone)","date_trunc(text,interval)","date_part(text,date)"}',
     'It raises an error over an unknown unit, but only where a row gets there. Instead: compare the column with the first and last moment.'),
    ('{"int4pl(integer,integer)","int4mi(integer,integer)","int4mul(integer,integer)","int4div(integer,integer)","int8pl(bigint,bigint)",
       "int8mi(bigint,bigint)","int8mul(bigint,bigint)","int8div(bigint,bigint)","int84pl(bigint,integer)","int48pl(integer,bigint)",
       "numeric_add(numeric,numeric)","numeric_div(numeric,numeric)","date_pli(date,integer)","date_mii(date,integer)",
       "timestamp_pl_interval(timestamp without time zone,interval)","timestamptz_pl_interval(timestamp with time zone,interval)"}',
     'It overflows, or divides by zero: by the error, the caller finds out how large a hidden value is. Instead: compute on the other side, column = $1 - 1.'),
    ('{"array_eq(anyarray,anyarray)","arrayoverlap(anyarray,anyarray)","arraycontains(anyarray,anyarray)","arraycontained(anyarray,anyarray)"}',
     'It raises an error over elements of a type without equality, but only where a row gets there. Instead: an index on the tenant.'),
    ('{"jsonb_contains(jsonb,jsonb)","jsonb_contained(jsonb,jsonb)","jsonb_object_field(jsonb,text)","jsonb_eq(jsonb,jsonb)",
       "jsonb_object_field_text(jsonb,text)","jsonb_path_exists_opr(jsonb,jsonpath)","jsonb_path_match_opr(jsonb,jsonpath)"}',
     'It fails for values nested too deep for what is left of the stack, or too large as text. Instead: jsonb_exists(), or a generated column, with an index.'),
    ('{"ts_match_vq(tsvector,tsquery)"}',
     'It fails for queries nested too deep for what is left of the stack, but only where a row gets there. Instead: an index on the tenant.'),
    ('{"range_lt(anyrange,anyrange)","range_le(anyrange,anyrange)","range_ge(anyrange,anyrange)","range_gt(anyrange,anyrange)"}',
     'It fails when little is left of the stack, but only where a row gets there. Instead: &&, @> and =.'),
    ('{"range_adjacent(anyrange,anyrange)","daterange(date,date)","int4range(integer,integer)","tstzrange(timestamp with time zone,timestamp with time zone)"}',
     'It builds a range: that calls the type''s canonical function, and fails for bounds in the wrong order or at the end of the subtype. Instead: && and @> on a column.')
) v (functions, review), unnest(functions) f;

CREATE TABLE toms.trusted_function (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    function   text NOT NULL,           -- not regprocedure, which pg_upgrade refuses
    reason     text NOT NULL CHECK (reason <> ''),
    trusted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    trusted_by text NOT NULL,
    ended_at   timestamptz,
    ended_by   text,
    end_reason text
);
CREATE UNIQUE INDEX trusted_function_function_idx ON toms.trusted_function (function) WHERE ended_at IS NULL;
SELECT pg_catalog.pg_extension_config_dump('toms.trusted_function', '');
SELECT pg_catalog.pg_extension_config_dump('toms.trusted_function_id_seq', '');
COMMENT ON TABLE toms.trusted_function IS 'which functions were marked LEAKPROOF when, by whom and why';
GRANT SELECT ON toms.trusted_function TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.is_leakproof(function text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT p.proleakproof FROM pg_proc p WHERE p.oid = to_regprocedure(is_leakproof.function)), false);
$$;
REVOKE ALL ON FUNCTION toms.is_leakproof(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.is_leakproof(text) TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.is_leakproof(text) IS 'internal: whether PostgreSQL takes a function for leakproof now';

CREATE VIEW toms.trusted_functions AS
    SELECT f.id, f.function, f.ended_at IS NULL AND toms.is_leakproof(f.function) AS in_force, f.reason, r.review,
           f.trusted_at, f.trusted_by, f.ended_at, f.ended_by, f.end_reason
    FROM toms.trusted_function f LEFT JOIN toms.trustable_function r ON r.function OPERATOR(pg_catalog.=) f.function;
COMMENT ON VIEW toms.trusted_functions IS 'functions marked LEAKPROOF, with reason and review; in_force: the mark is there, which pg_restore and pg_upgrade lose';
GRANT SELECT ON toms.trusted_functions TO toms_admin, toms_auditor, toms_operator;

-- The name as it stands in the lists; NULL if it is in none of them.
CREATE FUNCTION toms.reviewed_name(function regprocedure) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.function FROM toms.trustable_function t WHERE to_regprocedure(t.function) = reviewed_name.function;
$$;
REVOKE ALL ON FUNCTION toms.reviewed_name(regprocedure) FROM PUBLIC;
COMMENT ON FUNCTION toms.reviewed_name(regprocedure) IS 'internal: name of a function that may be trusted, NULL if it may not';

-- Cached plans do not remember which built-in functions they rely on.  Any change to a schema
-- makes all sessions plan anew.
CREATE FUNCTION toms.mark_leakproof(function text, leakproof boolean)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER FUNCTION %s %s LEAKPROOF', function, CASE WHEN leakproof THEN '' ELSE 'NOT' END);
    GRANT USAGE ON SCHEMA toms TO PUBLIC;
END
$$;
REVOKE ALL ON FUNCTION toms.mark_leakproof(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.mark_leakproof(text, boolean) IS 'internal: set or take a function''s mark, and forget plans made before';

CREATE FUNCTION toms.check_trust(function regprocedure, reason text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    hint constant text := 'SELECT * FROM toms.trustable_function; lists those that can be.';
    review text;
BEGIN
    IF function IS NULL OR coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'function and reason must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_proc p WHERE p.oid = function AND p.pronamespace = 'pg_catalog'::regnamespace) THEN
        RAISE EXCEPTION 'function % is not one of PostgreSQL''s own and cannot be trusted', function
            USING ERRCODE = 'invalid_parameter_value', HINT = hint;
    END IF;
    IF toms.reviewed_name(function) IS NULL THEN
        SELECT r.review INTO review FROM toms.refused_function r WHERE to_regprocedure(r.function) = check_trust.function;
        RAISE EXCEPTION 'function % cannot be trusted', function
            USING ERRCODE = 'invalid_parameter_value', DETAIL = coalesce(review, 'Nobody has reviewed it.'), HINT = hint;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_trust(regprocedure, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_trust(regprocedure, text) IS 'internal: whether a function can be trusted';

CREATE FUNCTION toms.trust_function(function regprocedure, reason text)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := toms.reviewed_name(function);
    trusted bigint;
BEGIN
    PERFORM toms.check_trust(function, reason);
    LOCK TABLE toms.trusted_function IN SHARE ROW EXCLUSIVE MODE;
    SELECT t.id INTO trusted FROM toms.trusted_function t WHERE t.function = name AND t.ended_at IS NULL;
    IF toms.is_leakproof(name) THEN
        RAISE NOTICE 'function % is leakproof already', function;
        RETURN trusted;
    END IF;
    UPDATE toms.trusted_function t SET ended_at = clock_timestamp(), ended_by = session_user, end_reason = 'the mark was lost by a restore or an upgrade'
    WHERE t.id = trusted;
    PERFORM toms.mark_leakproof(name, true);
    INSERT INTO toms.trusted_function (function, reason, trusted_by) VALUES (name, trust_function.reason, session_user)
    RETURNING id INTO trusted;
    RETURN trusted;
END
$$;
REVOKE ALL ON FUNCTION toms.trust_function(regprocedure, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.trust_function(regprocedure, text) TO toms_admin;
COMMENT ON FUNCTION toms.trust_function(regprocedure, text) IS 'mark a function that was reviewed as LEAKPROOF, so that indexes can be used for it below policies; on record';

CREATE FUNCTION toms.distrust_function(function regprocedure, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
BEGIN
    IF function IS NULL OR coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'function and reason must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    UPDATE toms.trusted_function t SET ended_at = clock_timestamp(), ended_by = session_user, end_reason = distrust_function.reason
    WHERE to_regprocedure(t.function) = distrust_function.function AND t.ended_at IS NULL
    RETURNING t.function INTO name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'function % is not trusted', function USING ERRCODE = 'undefined_object',
            HINT = 'SELECT * FROM toms.trusted_functions;';
    END IF;
    PERFORM toms.mark_leakproof(name, false);
END
$$;
REVOKE ALL ON FUNCTION toms.distrust_function(regprocedure, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.distrust_function(regprocedure, text) TO toms_admin;
COMMENT ON FUNCTION toms.distrust_function(regprocedure, text) IS 'take back what toms.trust_function() did, at once; its record is kept';

-- indexes that a policy keeps from being used --------------------------------------------------

-- The operators that an index's classes offer for values of its own type, and the functions behind
-- them and their commutators.
CREATE FUNCTION toms.operators_of_index(index regclass, OUT operator text, OUT functions oid[], OUT leakproof boolean)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT o.oprname::text, ARRAY[o.oprcode, com.oprcode]::oid[], f.proleakproof
    FROM pg_index i CROSS JOIN LATERAL unnest(i.indclass::oid[]) k (class) JOIN pg_opclass c ON c.oid = k.class
         JOIN pg_amop m ON m.amopfamily = c.opcfamily AND m.amoppurpose = 's' AND m.amoplefttype = c.opcintype
         JOIN pg_operator o ON o.oid = m.amopopr LEFT JOIN pg_operator com ON com.oid = o.oprcom
         JOIN pg_proc f ON f.oid = o.oprcode
    WHERE i.indexrelid = operators_of_index.index AND (m.amoprighttype = c.opcintype OR NOT EXISTS (
        SELECT FROM pg_amop s WHERE s.amopfamily = m.amopfamily AND s.amopstrategy = m.amopstrategy
                                AND s.amoplefttype = c.opcintype AND s.amoprighttype = c.opcintype));
$$;
REVOKE ALL ON FUNCTION toms.operators_of_index(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.operators_of_index(regclass) IS 'internal: what an index can be searched for';

-- The functions and operators of its expressions, but for those that are leakproof.  Dependencies on
-- built-in functions are not recorded, so they are taken from the expressions themselves.
CREATE FUNCTION toms.leaky_functions_of_index(index regclass) RETURNS SETOF oid
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.oid
    FROM pg_index i CROSS JOIN LATERAL (
        SELECT m[1]::oid FROM regexp_matches(i.indexprs::text, ':funcid (\d+)', 'g') m
        UNION SELECT o.oprcode FROM regexp_matches(i.indexprs::text, ':opno (\d+)', 'g') m JOIN pg_operator o ON o.oid = m[1]::oid
        UNION SELECT 'textin(cstring)'::regprocedure WHERE i.indexprs::text LIKE '%{COERCEVIAIO %') f (id)
         JOIN pg_proc p ON p.oid = f.id
    WHERE i.indexrelid = leaky_functions_of_index.index AND NOT p.proleakproof;
$$;
REVOKE ALL ON FUNCTION toms.leaky_functions_of_index(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.leaky_functions_of_index(regclass) IS 'internal: what in an index''s expressions is not leakproof';

-- An index on the value of an expression, and the tenant, instead of one on the expression; NULL if
-- that takes more thought.
CREATE FUNCTION toms.generated_instead(index regclass, holder smallint) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('ALTER TABLE %1$s ADD COLUMN %2$I %3$s GENERATED ALWAYS AS (%4$s) STORED; CREATE INDEX ON %1$s (%5$I, %2$I)%6$s; DROP INDEX %7$s;',
                  i.indrelid::regclass, left(x.relname, 57) || '_value',
                  format_type(k.atttypid, k.atttypmod) || coalesce(' COLLATE ' || (SELECT nullif(k.attcollation, t.typcollation)::regcollation FROM pg_type t WHERE t.oid = k.atttypid)::text, ''),
                  pg_get_indexdef(i.indexrelid, i.indnkeyatts, true), h.attname, ' WHERE ' || pg_get_expr(i.indpred, i.indrelid), i.indexrelid::regclass)
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am am ON am.oid = x.relam AND am.amname = 'btree'
         JOIN pg_opclass c ON c.oid = i.indclass[i.indnkeyatts - 1] AND c.opcdefault
         JOIN pg_attribute k ON k.attrelid = i.indexrelid AND k.attnum = i.indnkeyatts
         JOIN pg_attribute h ON h.attrelid = i.indrelid AND h.attnum = generated_instead.holder
         JOIN pg_class r ON r.oid = i.indrelid AND NOT r.relispartition
    WHERE i.indexrelid = generated_instead.index AND NOT i.indisunique AND i.indnatts = i.indnkeyatts
      AND (i.indkey::smallint[])[0:i.indnatts] IN (ARRAY[0]::smallint[], ARRAY[generated_instead.holder, 0]::smallint[]);
$$;
REVOKE ALL ON FUNCTION toms.generated_instead(regclass, smallint) FROM PUBLIC;
COMMENT ON FUNCTION toms.generated_instead(regclass, smallint) IS 'internal: how to have a column for an index''s expression';

CREATE FUNCTION toms.slow_indexes(relation regclass, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH trustable AS MATERIALIZED (
        SELECT t.function, p.oid AS id FROM toms.trustable_function t JOIN pg_proc p ON p.oid = to_regprocedure(t.function) AND NOT p.proleakproof
    ), indexed AS MATERIALIZED (
        SELECT i.indexrelid::regclass AS index, toms.generated_instead(i.indexrelid, t.holder) AS generated,
               format('CREATE INDEX ON %s (%I);', t.relid, t.holder_name) AS by_tenant,
               EXISTS (SELECT FROM pg_index n JOIN pg_class c ON c.oid = n.indexrelid JOIN pg_am am ON am.oid = c.relam AND am.amname = 'btree'
                       WHERE n.indrelid = t.relid AND n.indisvalid AND n.indpred IS NULL AND n.indkey[0] = t.holder) AS has_by_tenant
        FROM toms.protected_tree(ARRAY[slow_indexes.relation]) t JOIN pg_index i ON i.indrelid = t.relid AND i.indisvalid
             JOIN pg_class x ON x.oid = i.indexrelid AND NOT x.relispartition
        WHERE t.holder IS NOT NULL
    ), operator AS MATERIALIZED (
        SELECT i.*, o.operator, o.leakproof, ARRAY(SELECT t.function FROM trustable t WHERE t.id = ANY (o.functions)) AS trust
        FROM indexed i, toms.operators_of_index(i.index) o
    ), expression AS MATERIALIZED (
        SELECT i.*, string_agg(f::regprocedure::text, ', ' ORDER BY f::regprocedure::text COLLATE "C") AS functions,
               array_agg(t.function ORDER BY t.function COLLATE "C") AS trust
        FROM indexed i CROSS JOIN LATERAL toms.leaky_functions_of_index(i.index) f LEFT JOIN trustable t ON t.id = f
        GROUP BY i.index, i.generated, i.by_tenant, i.has_by_tenant
    ), slow (index, what, functions, otherwise) AS (
        -- operators that could be leakproof
        SELECT o.index, 'operators ' || string_agg(DISTINCT o.operator, ' ') || ' are', array_agg(DISTINCT f), NULL
        FROM operator o, unnest(o.trust) f GROUP BY o.index
        UNION ALL
        -- no operator is, nor could be
        SELECT o.index, 'operators ' || string_agg(DISTINCT o.operator, ' ') || ' are', NULL, o.by_tenant
        FROM operator o WHERE NOT o.has_by_tenant GROUP BY o.index, o.by_tenant HAVING bool_and(NOT o.leakproof AND o.trust = '{}')
        UNION ALL
        -- functions in expressions
        SELECT e.index, 'in its expression ' || e.functions || ' is', CASE WHEN array_position(e.trust, NULL) IS NULL THEN e.trust END, coalesce(e.generated, e.by_tenant)
        FROM expression e WHERE array_position(e.trust, NULL) IS NULL OR e.generated IS NOT NULL OR NOT e.has_by_tenant
    )
    SELECT s.index::text, s.what || ' not leakproof: below a policy rows are tested one by one'
           || CASE WHEN EXISTS (SELECT FROM toms.trusted_function t WHERE t.function = ANY (s.functions) AND t.ended_at IS NULL)
                   THEN '; what toms.trust_function() marked was lost by a restore or an upgrade' ELSE '' END,
           CASE WHEN s.functions IS NULL THEN s.otherwise
                ELSE format('SELECT toms.trust_function(f, reason => ''…'') FROM unnest(%L::regprocedure[]) f;', s.functions) END
    FROM slow s;
$$;
REVOKE ALL ON FUNCTION toms.slow_indexes(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.slow_indexes(regclass) IS 'internal: indexes of a table that cannot be used below its policies';

-- Indexes by which a person's rows are found, and those that depend on one that is deleted: the tenant's column alone is not enough, nor is it needed.
CREATE FUNCTION toms.missing_indexes(relation regclass, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH part AS MATERIALIZED (
        SELECT c.oid, CASE WHEN c.relispartition THEN missing_indexes.relation ELSE c.oid::regclass END AS on_table, d.tenant, d.subject, d.parent_key
        FROM toms.relation_tree(missing_indexes.relation) t (child) JOIN pg_class c ON c.oid = t.child AND c.relkind = 'r', LATERAL toms.describe(c.oid) d
    ), wanted AS (
        SELECT p.oid, p.on_table, p.tenant, array_remove(ARRAY[p.tenant, p.subject], NULL) AS columns, 'an export or an erasure of a person' AS who
        FROM part p WHERE p.subject IS NOT NULL
        UNION ALL
        SELECT p.oid, p.on_table, p.tenant, ARRAY[p.parent_key], 'an export or an erasure of a person' FROM part p WHERE p.parent_key IS NOT NULL
        UNION ALL
        SELECT p.oid, p.on_table, p.tenant, k.columns, format('deleting a row of %s', f.confrelid::regclass)
        FROM part p JOIN pg_constraint f ON f.conrelid = p.oid AND f.contype = 'f',
             LATERAL (SELECT array_agg(a.attname ORDER BY u.n) AS columns FROM unnest(f.conkey) WITH ORDINALITY u (key, n) JOIN pg_attribute a ON a.attrelid = p.oid AND a.attnum = u.key) k
        WHERE (toms.describe(f.confrelid)).root IS NOT NULL AND array_remove(k.columns, p.tenant) <> '{}'
    ), indexed AS MATERIALIZED (
        SELECT i.indrelid, i.indisunique, i.indnkeyatts, ARRAY(SELECT a.attname FROM unnest(i.indkey::int2[]) WITH ORDINALITY u (key, n)
                      LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.key WHERE u.n <= i.indnkeyatts ORDER BY u.n) AS columns
        FROM part p JOIN pg_index i ON i.indrelid = p.oid AND i.indisvalid AND i.indpred IS NULL
             JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam AND m.amname IN ('btree', 'hash')
    )
    SELECT DISTINCT w.on_table::text, format('no index begins with (%s): %s reads all of %s', array_to_string(w.columns, ', '), string_agg(DISTINCT w.who, ', ' ORDER BY w.who), w.on_table),
           (SELECT format('CREATE INDEX ON %s (%s);', w.on_table, string_agg(quote_ident(u.col), ', ' ORDER BY u.n)) FROM unnest(w.columns) WITH ORDINALITY u (col, n))
    FROM wanted w
    WHERE NOT EXISTS (SELECT FROM indexed i WHERE i.indrelid = w.oid AND (
                          i.indisunique AND i.columns <@ w.columns
                          OR EXISTS (SELECT FROM generate_series(1, i.indnkeyatts) n WHERE i.columns[:n] <@ w.columns AND array_remove(w.columns, w.tenant) <@ i.columns[:n])))
    GROUP BY w.on_table, w.columns;
$$;
REVOKE ALL ON FUNCTION toms.missing_indexes(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.missing_indexes(regclass) IS 'internal: columns of a table without the index that exports and erasures need';

-- What pg_dump reads of the extension, as an auditor with BYPASSRLS.
GRANT SELECT ON ALL SEQUENCES IN SCHEMA toms TO toms_auditor;
