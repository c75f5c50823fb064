-- A report as Markdown (CommonMark with tables), for a wiki or a repository.
--
-- Whatever comes from a table, or from whoever named a tenant, goes through toms.markdown(): one line, in which nothing marks up anything.

-- An isolate around text from right to left keeps what follows in its order.
CREATE FUNCTION toms.markdown(words text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN m.plain ~ '[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]' THEN U&'\2068' || m.plain || U&'\2069' ELSE m.plain END
    FROM (SELECT regexp_replace(regexp_replace(regexp_replace(
                     regexp_replace(toms.printable(words), '[\s\u2028\u2029]+', ' ', 'g'),
                     '([\\`*_{}\[\]<>|&~#@$])', '\\\1', 'g'), '(https?|ftp)(:)|(www)(\.)', '\1\3\\\2\4', 'gi'), '^\s*([-+=]|\d+[.)])', '\\\1')) m (plain);
$$;
REVOKE ALL ON FUNCTION toms.markdown(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.markdown(text) IS 'internal: text as a line of Markdown, whatever is in it';

CREATE FUNCTION toms.markdown_party(kind text, party jsonb, unnamed text, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(E'| %s | %s |\n|---|---|\n%s', toms.label(kind, lang), coalesce(toms.markdown(toms.short_name(party ->> 'name')), toms.label(unnamed, lang)),
                  string_agg(format(E'| %s | %s |\n', toms.label(d.label, lang), toms.markdown(party ->> d.label)), '' ORDER BY d.n) FILTER (WHERE party ->> d.label IS NOT NULL))
    FROM unnest('{address,country,contact,representative,dpo}'::text[]) WITH ORDINALITY d (label, n);
$$;
REVOKE ALL ON FUNCTION toms.markdown_party(text, jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.markdown_party(text, jsonb, text, text) IS 'internal: the processor, or the controller';

CREATE FUNCTION toms.markdown_counts(counts jsonb)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN concat_ws(' | ', counts ->> 'pass', counts ->> 'partial', counts ->> 'overdue', counts ->> 'fail', counts ->> 'not_applicable');
REVOKE ALL ON FUNCTION toms.markdown_counts(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.markdown_counts(jsonb) IS 'internal: cells of a table of counts';

CREATE FUNCTION toms.markdown_result(document jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(E'## %s\n\n%s\n\n| %s | %s |\n|---|--:|--:|--:|--:|--:|\n%s| **%s** | %s |\n', toms.label('result', lang), toms.label('result_lead', lang, jsonb_array_length(document -> 'measures')::text), toms.label('letters', lang),
                  (SELECT string_agg(toms.label(s.status, lang), ' | ' ORDER BY s.n) FROM unnest('{pass,partial,overdue,fail,not_applicable}'::text[]) WITH ORDINALITY s (status, n)),
                  string_agg(format(E'| %s | %s |\n', toms.label('letter_' || coalesce(l ->> 'letter', 'other'), lang), toms.markdown_counts(l -> 'counts')), '' ORDER BY l ->> 'letter'),
                  toms.label('total', lang), toms.markdown_counts(document -> 'counts'))
    FROM jsonb_array_elements(document -> 'letters') l;
$$;
REVOKE ALL ON FUNCTION toms.markdown_result(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.markdown_result(jsonb, text) IS 'internal: how many measures hold, also by letters of Art. 32(1)';

CREATE FUNCTION toms.markdown_found(evidence jsonb, part text, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat(string_agg(format(E'- %s%s\n', CASE WHEN f.e ->> 'status' NOT IN ('pass', 'not_applicable') THEN toms.label(f.e ->> 'status', lang) || ': ' END, toms.markdown(f.e ->> 'text')), '' ORDER BY f.n) FILTER (WHERE f.n <= 20),
                  CASE WHEN count(*) > 20 THEN format(E'- %s\n', toms.say('more', ARRAY[(count(*) - 20)::text], lang)) END, E'\n')
    FROM (SELECT e, row_number() OVER (ORDER BY n) AS n FROM jsonb_array_elements(evidence) WITH ORDINALITY x (e, n) WHERE e ->> 'part' IS NOT DISTINCT FROM markdown_found.part) f
    HAVING count(*) > 0;
$$;
REVOKE ALL ON FUNCTION toms.markdown_found(jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.markdown_found(jsonb, text, text) IS 'internal: what was found of a measure, or a part of it';

CREATE FUNCTION toms.markdown_measure(measure jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(E'### %s %s\n\n**%s** · %s · %s · %s\n\n%s%s%s: %s\n%s', measure ->> 'measure', toms.markdown(measure ->> 'title'), toms.label(measure ->> 'status', lang), toms.markdown(toms.say_source(measure ->> 'source', lang)),
                  toms.markdown(toms.say_article(measure ->> 'article', lang)), toms.label(measure ->> 'kind', lang),
                  toms.markdown_found(measure -> 'evidence', NULL, lang),
                  (SELECT string_agg(format(E'%s %s: **%s**\n\n%s', p ->> 'part', toms.markdown(p ->> 'title'), toms.label(p ->> 'status', lang), toms.markdown_found(measure -> 'evidence', p ->> 'part', lang)), '' ORDER BY n)
                   FROM jsonb_array_elements(measure -> 'parts') WITH ORDINALITY x (p, n)),
                  toms.label('limit', lang), toms.markdown(measure ->> 'limit'),
                  (SELECT format(E'\n%s:\n\n%s\n', toms.label('remedy', lang), string_agg('    ' || replace(r, E'\n', E'\n    '), E'\n' ORDER BY n)) FROM jsonb_array_elements_text(measure -> 'remedies') WITH ORDINALITY r (r, n) WHERE n <= 20 HAVING count(*) > 0));
$$;
REVOKE ALL ON FUNCTION toms.markdown_measure(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.markdown_measure(jsonb, text) IS 'internal: a measure, what was found, what it does not cover, what mends it';

CREATE FUNCTION toms.markdown_measures(document jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(format(E'## %s\n\n%s', CASE lang WHEN 'de' THEN c.title_de ELSE c.title_en END, m.list), E'\n' ORDER BY c.position)
    FROM toms.control c,
         LATERAL (SELECT string_agg(toms.markdown_measure(m, lang), E'\n' ORDER BY n) AS list FROM jsonb_array_elements(document -> 'measures') WITH ORDINALITY e (m, n) WHERE m ->> 'control' = c.control) m
    WHERE m.list IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.markdown_measures(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.markdown_measures(jsonb, text) IS 'internal: the measures, heading by heading';

CREATE FUNCTION toms.markdown_facts(document jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(format(E'- %s: %s\n', toms.label(f.label, lang), f.value), '' ORDER BY f.n) FILTER (WHERE f.value IS NOT NULL)
    FROM (VALUES (1, 'made', toms.say_time((document ->> 'made_at')::timestamptz, lang)),
                 (2, 'as_of', coalesce(toms.say_time((document ->> 'as_of')::timestamptz, lang), toms.label('now', lang))),
                 (3, 'agreement', CASE WHEN document -> 'agreement' <> 'null' THEN toms.label('agreement_version', lang, toms.markdown(document #>> '{agreement,name}'), toms.markdown(document #>> '{agreement,version}'), left(document #>> '{agreement,valid_from}', 10))
                                       WHEN document -> 'tenant' <> 'null' THEN toms.label('agreement_none', lang) ELSE toms.label('agreement_all', lang) END),
                 (4, 'version', toms.label('version_of', lang, document ->> 'toms', document ->> 'server')), (5, 'dataset', document ->> 'dataset'), (6, 'node', toms.markdown(document ->> 'node'))) f (n, label, value);
$$;
REVOKE ALL ON FUNCTION toms.markdown_facts(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.markdown_facts(jsonb, text) IS 'internal: when a report was made, of which day, by which agreement';

CREATE FUNCTION toms.report_markdown(document jsonb)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lang constant text := document ->> 'lang';
    unknown constant jsonb := coalesce(document #> '{agreement,unknown}', '[]');
BEGIN
    RETURN concat(
        format(E'# %s\n\n%s\n\n%s\n', toms.label('title', lang), toms.label('subtitle', lang), toms.markdown_facts(document, lang)),
        CASE WHEN unknown <> '[]' THEN toms.label('agreement_unknown', lang, toms.markdown(toms.say_names(unknown, lang))) || E'\n\n' END,
        toms.markdown_party('processor', document -> 'processor', 'unset', lang), E'\n', toms.markdown_party('controller', document -> 'controller', 'all_controllers', lang), E'\n',
        toms.markdown_result(document, lang),
        format(E'\n## %s\n\n%s\n\n', toms.label('scope', lang), toms.label('scope_lead', lang)),
        (SELECT string_agg(format(E'- %s: %s\n', s.label, toms.markdown(s.line)), '') FROM toms.scope_lines(document -> 'scope', lang) s), E'\n',
        toms.markdown_measures(document, lang),
        format(E'\n## %s\n\n| %s | %s | %s | %s |\n|---|---|---|---|\n', toms.label('algorithms_title', lang), toms.label('use', lang), toms.label('algorithms', lang), toms.label('standard', lang), toms.label('bits', lang)),
        (SELECT string_agg(format(E'| %s | %s | %s | %s |\n', a ->> 'use', a ->> 'name', coalesce(a ->> 'standard', '–'), CASE WHEN a ->> 'bits' IS NULL THEN '–' ELSE toms.label('bits_n', lang, a ->> 'bits') END), '' ORDER BY n)
         FROM jsonb_array_elements(document -> 'algorithms') WITH ORDINALITY x (a, n)),
        format(E'\n## %s\n\n%s\n', toms.label('about', lang), toms.label('about_text', lang, '`toms-verify report`')));
END
$$;
REVOKE ALL ON FUNCTION toms.report_markdown(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.report_markdown(jsonb) IS 'internal: a report as Markdown';
