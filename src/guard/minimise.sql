-- Free text in tables that refuse it: what was there before.

CREATE FUNCTION toms.type_matter(type oid) RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_type_matter';
REVOKE ALL ON FUNCTION toms.type_matter(oid) FROM PUBLIC;
COMMENT ON FUNCTION toms.type_matter(oid) IS 'internal: closed, sealed or open: whether columns of a type take anything';

-- Who accepted free text in a table of Art. 9 data, and why.
CREATE FUNCTION toms.free_text_accepted(relation regclass) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('%s, by %s: %s', h.at::date, h.by, h.reason) FROM toms.protection_history h
    WHERE h.relation_name = relation::text AND h.action = 'protect' AND h.detail LIKE '%free text accept' ORDER BY h.id DESC LIMIT 1;
$$;
REVOKE ALL ON FUNCTION toms.free_text_accepted(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.free_text_accepted(regclass) IS 'internal: since when, by whom and why a table takes free text';

CREATE FUNCTION toms.explain_free_text(relation regclass, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT relation::text, coalesce(format('takes free text of category %s since %s', d.category, toms.free_text_accepted(d.root)),
                                    format('takes free text of category %s, and no reason is on record', d.category)),
           format('SELECT toms.protect(%L, …, free_text => ''refuse'');', d.root)
    FROM toms.describe(relation) d WHERE d.free_text = 'accept' AND toms.free_text_default(d.category) <> 'accept'
    UNION ALL
    SELECT quote_ident(a.attname) || CASE WHEN r.child = relation THEN '' ELSE format(' of %s', r.child) END,
           format('%s, which takes anything, was there before; new ones like it are refused', format_type(a.atttypid, a.atttypmod)),
           CASE WHEN m.matter = 'open' AND d.free_text = 'sealed' THEN format('SELECT toms.seal_column(%L, %L);', r.child, a.attname)
                ELSE format('ALTER TABLE %s DROP COLUMN %I; or, for words of a closed list: SELECT toms.seal_column(%L, %L, ''toms.health_code(''''…'''')'');',
                            r.child, a.attname, r.child, a.attname) END
    FROM toms.relation_tree(relation) r (child) CROSS JOIN LATERAL toms.describe(r.child) d
         JOIN pg_attribute a ON a.attrelid = r.child AND a.attnum > 0 AND NOT a.attisdropped
         CROSS JOIN LATERAL toms.type_matter(a.atttypid) m (matter)
    WHERE (r.child = relation OR a.attinhcount = 0)
      AND (d.free_text = 'refuse' AND m.matter <> 'closed' OR d.free_text = 'sealed' AND m.matter = 'open')
      AND a.attname NOT IN (SELECT k FROM unnest(ARRAY[d.tenant, d.subject, d.parent_key, d.type_column]) k WHERE k IS NOT NULL);
$$;
REVOKE ALL ON FUNCTION toms.explain_free_text(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.explain_free_text(regclass) IS 'internal: free text in a table that refuses it, or that takes it for a stated reason';

CREATE FUNCTION toms.explain_categories(relation regclass, OUT object text, OUT finding text, OUT remedy text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT quote_ident(l.col), l.category || CASE WHEN l.optional THEN ', optional: takes values of '
               || coalesce((SELECT string_agg(e.tenant, ', ' ORDER BY e.tenant) FROM toms.enabled_category e WHERE e.category = l.category AND e.disabled_at IS NULL), 'no tenant')
               ELSE '' END,
           CASE WHEN l.optional THEN format('SELECT toms.enable_category(''…'', %L, instruction => …);', l.category) END
    FROM toms.labelled_columns l WHERE l.relation = explain_categories.relation;
$$;
REVOKE ALL ON FUNCTION toms.explain_categories(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.explain_categories(regclass) IS 'internal: columns with a category of their own, and for whom they take values';
