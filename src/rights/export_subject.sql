-- What is stored of a data subject, for him (Art. 15 GDPR) or for whom he wants to have it (Art. 20 GDPR).

-- The categories that rows of labels are of; evaluated as the table's owner, whose conditions they are.
CREATE FUNCTION toms.row_categories(part regclass, tenant text, rows tid[])
RETURNS text[] LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    its_root constant regclass := (toms.describe(part)).root;
    found_categories text[] := '{}';
    label record;
BEGIN
    FOR label IN SELECT l.category, l.condition FROM toms.row_labels l WHERE l.relation = its_root ORDER BY l.category LOOP
        IF toms.read_portion(part, tenant, rows, format('CASE WHEN (%s) IS NOT FALSE THEN ''x'' END', label.condition), '') IS NOT NULL THEN
            found_categories := found_categories || label.category;
        END IF;
    END LOOP;
    RETURN found_categories;
END
$$;
REVOKE ALL ON FUNCTION toms.row_categories(regclass, text, tid[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.row_categories(regclass, text, tid[]) IS 'internal: categories of which rows of a table are';

-- All tables by one snapshot: that of the statement which calls it.
CREATE FUNCTION toms.read_subject(tenant text, subject text, kind text, third_persons boolean, format text)
RETURNS TABLE (root regclass, file text, header text, rows bigint, categories text[], lines text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET timezone = 'UTC' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
#variable_conflict use_column
DECLARE
    of_root regclass;
    part regclass;
    condition text;
    columns name[];
    places tid[];
    line text;
BEGIN
    FOREACH of_root IN ARRAY toms.tables_in_order() LOOP
        FOR part IN SELECT l FROM toms.leaves(of_root) l LOOP
            condition := toms.rows_condition(part, $1, $2);
            SELECT array_agg(c.col), toms.line_expression(array_agg(c.col), array_agg(c.expression), $5) INTO columns, line
            FROM toms.exported_columns(part, $1, $2, $3, $4) c;
            CONTINUE WHEN condition IS NULL OR columns IS NULL;
            FOR places IN SELECT p FROM toms.find_portions(part, condition, 1000) p LOOP
                root := of_root;
                file := toms.exported_as(part);
                header := CASE WHEN $5 = 'csv' THEN toms.csv_header(columns) END;
                rows := cardinality(places);
                categories := toms.labelled_categories(of_root) || toms.row_categories(part, $1, places);
                lines := toms.read_portion(part, $1, places, line, CASE WHEN $5 = 'csv' THEN E'\n' ELSE ',' END);
                RETURN NEXT;
            END LOOP;
        END LOOP;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.read_subject(text, text, text, boolean, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.read_subject(text, text, text, boolean, text) IS 'internal: the rows of a data subject, in lines';

-- Where he is named in the rows of others.
CREATE FUNCTION toms.named_elsewhere(tenant text, subject text)
RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named record;
    part regclass;
    own text;
    places bigint;
    said jsonb := '[]';
BEGIN
    FOR named IN SELECT p.relation, p.col, p.role FROM toms.person_column p JOIN pg_class c ON c.oid = p.relation ORDER BY p.relation::text, p.col LOOP
        places := 0;
        FOR part IN SELECT l FROM toms.leaves(named.relation) l LOOP
            own := toms.rows_condition(part, tenant, NULL);
            CONTINUE WHEN own IS NULL;
            places := places + coalesce((SELECT sum(cardinality(f)) FROM toms.find_portions(part, format('(%s) AND %s AND NOT coalesce((%s), false)', own,
                          toms.equals(part, named.col, subject, 't'), coalesce(toms.rows_condition(part, tenant, subject), 'false')), 10000) f), 0);
        END LOOP;
        IF places > 0 THEN
            said := said || jsonb_build_object('relation', named.relation::text, 'column', named.col, 'role', named.role, 'rows', places);
        END IF;
    END LOOP;
    RETURN said;
END
$$;
REVOKE ALL ON FUNCTION toms.named_elsewhere(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.named_elsewhere(text, text) IS 'internal: in which role a data subject is named in the rows of others';

-- beside the data: Art. 15(1)(a) to (h), (2) -----------------------------------------------------------

CREATE FUNCTION toms.told_recipients(tenant text, subject text, categories text[])
RETURNS jsonb LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('recipient', r.recipient, 'kind', r.kind, 'country', r.country,
                        'transfer_instrument', nullif(r.transfer_instrument, 'none'), 'categories', coalesce(d.categories, r.categories),
                        'disclosed', CASE WHEN d.first_at IS NOT NULL THEN jsonb_build_array(d.first_at, d.last_at) END)) ORDER BY r.recipient), '[]')
    FROM toms.recipient r LEFT JOIN toms.recipients_to_inform(told_recipients.tenant, told_recipients.subject) d ON d.recipient = r.recipient
    WHERE NOT r.shipped AND (d.recipient IS NOT NULL OR (r.ended_at IS NULL AND r.categories && told_recipients.categories
                                                         AND toms.recipient_state(r.recipient, told_recipients.tenant) IS DISTINCT FROM 'objected'));
$$;
REVOKE ALL ON FUNCTION toms.told_recipients(text, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.told_recipients(text, text, text[]) IS 'internal: who got data of a data subject, and who may get it';

CREATE FUNCTION toms.told_purposes(roots regclass[])
RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('purpose', u.purpose, 'description', p.description, 'legal_basis', p.legal_basis, 'tables', u.tables) ORDER BY u.purpose), '[]')
    FROM (SELECT g.purpose, array_agg(DISTINCT m.relation_name ORDER BY m.relation_name) AS tables
          FROM toms.permission m, unnest(m.purposes) g (purpose)
          WHERE m.relation = ANY (roots) AND m.valid_from <= clock_timestamp() AND coalesce(m.valid_until > clock_timestamp(), true) GROUP BY 1) u
         LEFT JOIN toms.purpose p ON p.purpose = u.purpose;
$$;
REVOKE ALL ON FUNCTION toms.told_purposes(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.told_purposes(regclass[]) IS 'internal: what tables are used for';

CREATE FUNCTION toms.told_periods(tenant text, roots regclass[])
RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('table', r.relation, 'category', r.category, 'keep', r.keep, 'since', r.since, 'starts', r.starts,
                                                                   'then', r.action, 'basis', r.basis)) ORDER BY r.relation, r.id), '[]')
    FROM toms.retention_rules r JOIN toms.retention_rule q ON q.id = r.id
    WHERE q.relation = ANY (roots) AND q.valid_until IS NULL
      AND (q.tenant = told_periods.tenant
           OR (q.tenant IS NULL AND NOT EXISTS (SELECT FROM toms.retention_rule o WHERE o.relation = q.relation AND o.tenant = told_periods.tenant AND o.valid_until IS NULL)));
$$;
REVOKE ALL ON FUNCTION toms.told_periods(text, regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.told_periods(text, regclass[]) IS 'internal: how long rows of tables are kept';

CREATE FUNCTION toms.told_sources(roots regclass[])
RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('table', s.relation::text, 'columns', s.columns, 'source', s.source)) ORDER BY s.relation::text, s.source), '[]')
    FROM (SELECT p.relation, p.source, to_jsonb(array_agg(p.col ORDER BY p.col) FILTER (WHERE p.col <> '')) AS columns
          FROM toms.provided_column p WHERE p.relation = ANY (roots) GROUP BY 1, 2) s;
$$;
REVOKE ALL ON FUNCTION toms.told_sources(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.told_sources(regclass[]) IS 'internal: where the values of tables come from';

CREATE FUNCTION toms.told_beside(tenant text, subject text, roots regclass[], categories text[])
RETURNS jsonb LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET intervalstyle = 'postgres' AS $$
    SELECT jsonb_build_object(
        'controller', (SELECT jsonb_strip_nulls(jsonb_build_object('name', t.name, 'address', t.address, 'contact', t.contact, 'representative', t.representative,
                                                                   'dpo', t.dpo, 'country', t.country)) FROM toms.tenant t WHERE t.tenant = told_beside.tenant),
        'purposes', toms.told_purposes(roots),
        'categories', (SELECT coalesce(jsonb_agg(jsonb_build_object('category', c.category, 'description', c.description, 'special', c.article9) ORDER BY c.category), '[]')
                       FROM toms.category c WHERE c.category = ANY (categories)),
        'recipients', toms.told_recipients(tenant, subject, categories),
        'periods', toms.told_periods(tenant, roots),
        'rights', jsonb_build_array('rectification (Art. 16 GDPR)', 'erasure (Art. 17 GDPR)', 'restriction of processing (Art. 18 GDPR)',
                                    'data portability (Art. 20 GDPR)', 'objection (Art. 21 GDPR)'),
        'complaint', 'with a supervisory authority (Art. 77 GDPR)',
        'sources', toms.told_sources(roots),
        'automated_decisions', (SELECT coalesce(jsonb_agg(jsonb_build_object('purpose', a.purpose, 'logic', a.logic, 'significance', a.significance) ORDER BY a.purpose), '[]')
                                FROM toms.automated_decision a
                                WHERE EXISTS (SELECT FROM toms.permission m WHERE m.relation = ANY (roots) AND a.purpose = ANY (m.purposes)
                                                                              AND coalesce(m.valid_until > clock_timestamp(), true))),
        'named_elsewhere', toms.named_elsewhere(tenant, subject));
$$;
REVOKE ALL ON FUNCTION toms.told_beside(text, text, regclass[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.told_beside(text, text, regclass[], text[]) IS 'internal: what a data subject is told beside his data (Art. 15(1) GDPR)';

-- exporting -----------------------------------------------------------------------------------------

CREATE FUNCTION toms.check_export_asked(tenant text, subject text, kind text, third_persons boolean)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF num_nulls(tenant, subject, kind, third_persons) > 0 OR kind NOT IN ('access', 'portability') THEN
        RAISE EXCEPTION 'an export is of a data subject of a tenant, for access or portability' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'kind => ''access'' (Art. 15 GDPR) or ''portability'' (Art. 20 GDPR).';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_export_asked(text, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_export_asked(text, text, text, boolean) IS 'internal: whether an export can be made as asked';

-- What has been read is shown once it is on record. An export for access with the names of others says so.
CREATE FUNCTION toms.note_subject_export(tenant text, subject text, to_recipient text, of_kind text, by_instruction bigint, details jsonb, read jsonb)
RETURNS text[] LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    all_categories constant text[] := ARRAY(SELECT DISTINCT jsonb_array_elements_text(r -> 'categories') FROM jsonb_array_elements(read) r ORDER BY 1);
    noted record;
BEGIN
    PERFORM toms.check_recipient(to_recipient, tenant, 'rights', all_categories);
    PERFORM toms.check_unreadable(to_recipient, tenant, NULL);
    FOR noted IN SELECT (r ->> 'root')::regclass AS root, sum((r ->> 'rows')::bigint) AS rows, array_agg(DISTINCT c) AS categories
                 FROM jsonb_array_elements(read) r, jsonb_array_elements_text(r -> 'categories') c GROUP BY 1 ORDER BY 1 LOOP
        PERFORM toms.note_export(tenant, subject, noted.root, details || jsonb_build_object('recipient', to_recipient, 'kind', of_kind, 'instruction', by_instruction,
                                 'rows', (SELECT sum((r ->> 'rows')::bigint) FROM jsonb_array_elements(read) r WHERE r ->> 'root' = noted.root::text), 'categories', noted.categories));
    END LOOP;
    IF jsonb_array_length(read) = 0 THEN
        PERFORM toms.note_export(tenant, subject, 0, details || jsonb_build_object('recipient', to_recipient, 'kind', of_kind, 'instruction', by_instruction, 'rows', 0));
    END IF;
    INSERT INTO toms.disclosure (tenant, of_all, person, recipient, categories, purpose, kind, instruction, rows, disclosed_by)
    SELECT note_subject_export.tenant, false, toms.disclosed_person(note_subject_export.tenant, note_subject_export.subject), to_recipient, all_categories, 'rights', of_kind,
           by_instruction, (SELECT coalesce(jsonb_object_agg(s.root, s.rows), '{}')
                            FROM (SELECT r ->> 'root' AS root, sum((r ->> 'rows')::bigint) AS rows FROM jsonb_array_elements(read) r GROUP BY 1) s), session_user;
    RETURN all_categories;
END
$$;
REVOKE ALL ON FUNCTION toms.note_subject_export(text, text, text, text, bigint, jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.note_subject_export(text, text, text, text, bigint, jsonb, jsonb) IS 'internal: refuse an export to who must not get it, or record it';

CREATE FUNCTION toms.export_subject(tenant text, subject text, instruction bigint, kind text DEFAULT 'access', recipient text DEFAULT 'data_subject', third_persons boolean DEFAULT false)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    read jsonb;
    roots regclass[];
    categories text[];
    answer jsonb;
BEGIN
    PERFORM toms.check_export_asked(tenant, subject, kind, third_persons);
    PERFORM toms.check_complete();
    PERFORM toms.carry_out_instruction(instruction, tenant, CASE kind WHEN 'access' THEN 'export' ELSE kind END, subject);
    PERFORM toms.check_recipient(recipient, tenant, 'rights', '{}');
    read := coalesce((SELECT jsonb_agg(to_jsonb(r)) FROM toms.read_subject(tenant, subject, kind, third_persons, 'json') r), '[]');
    roots := ARRAY(SELECT DISTINCT (r ->> 'root')::regclass FROM jsonb_array_elements(read) r);
    categories := toms.note_subject_export(tenant, subject, recipient, kind, instruction,
                                           jsonb_strip_nulls(jsonb_build_object('by', 'export_subject', 'third_persons', nullif(third_persons, false))), read);
    answer := jsonb_build_object('format', 'toms export 1', 'kind', kind, 'tenant', tenant, 'subject', subject, 'exported_at', clock_timestamp(), 'data',
                                 (SELECT coalesce(jsonb_object_agg(f.file, f.rows), '{}')
                                  FROM (SELECT r ->> 'file' AS file, ('[' || string_agg(r ->> 'lines', ',' ORDER BY n) || ']')::jsonb AS rows
                                        FROM jsonb_array_elements(read) WITH ORDINALITY u (r, n) GROUP BY 1) f));
    IF kind = 'access' THEN
        answer := answer || toms.told_beside(tenant, subject, roots, categories);
    END IF;
    RAISE LOG 'toms subject exported: tenant=% kind=% instruction=% login=%', tenant, kind, instruction, session_user;
    RETURN answer;
END
$$;
REVOKE ALL ON FUNCTION toms.export_subject(text, text, bigint, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.export_subject(text, text, bigint, text, text, boolean) TO toms_admin;
COMMENT ON FUNCTION toms.export_subject(text, text, bigint, text, text, boolean) IS 'what is stored of a data subject, with what Art. 15(1) GDPR has him told (access), or what he has provided himself (portability); by a confirmed instruction of kind export or portability';

CREATE FUNCTION toms.export_subject_csv(tenant text, subject text, instruction bigint, kind text DEFAULT 'access', recipient text DEFAULT 'data_subject', third_persons boolean DEFAULT false)
RETURNS TABLE (file text, content text) LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    read jsonb;
    all_categories text[];
BEGIN
    PERFORM toms.check_export_asked($1, $2, $4, $6);
    PERFORM toms.check_complete();
    PERFORM toms.carry_out_instruction($3, $1, CASE $4 WHEN 'access' THEN 'export' ELSE $4 END, $2);
    PERFORM toms.check_recipient($5, $1, 'rights', '{}');
    read := coalesce((SELECT jsonb_agg(to_jsonb(r)) FROM toms.read_subject($1, $2, $4, $6, 'csv') r), '[]');
    all_categories := toms.note_subject_export($1, $2, $5, $4, $3, jsonb_strip_nulls(jsonb_build_object('by', 'export_subject_csv', 'third_persons', nullif($6, false))), read);
    IF $4 = 'access' THEN
        file := 'about.json';
        content := toms.told_beside($1, $2, ARRAY(SELECT DISTINCT (r ->> 'root')::regclass FROM jsonb_array_elements(read) r), all_categories);
        RETURN NEXT;
    END IF;
    RETURN QUERY
    SELECT (u.r ->> 'file') || '.csv', min(u.r ->> 'header') || E'\n' || string_agg(u.r ->> 'lines', E'\n' ORDER BY u.n) || E'\n'
    FROM jsonb_array_elements(read) WITH ORDINALITY u (r, n) GROUP BY u.r ->> 'file' ORDER BY 1;
    RAISE LOG 'toms subject exported: tenant=% kind=% instruction=% login=%', $1, $4, $3, session_user;
END
$$;
REVOKE ALL ON FUNCTION toms.export_subject_csv(text, text, bigint, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.export_subject_csv(text, text, bigint, text, text, boolean) TO toms_admin;
COMMENT ON FUNCTION toms.export_subject_csv(text, text, bigint, text, text, boolean) IS 'the same in files of CSV, one for each table, and about.json';
