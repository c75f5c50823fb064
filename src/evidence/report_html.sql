-- A report as one HTML file: no script, nothing from elsewhere, made for A4 as well as for a screen.
--
-- Whatever comes from a table, or from whoever named a tenant, goes through toms.html(), which is the only way into the text.

-- A name may be written from right to left: <bdi> keeps that inside.
CREATE FUNCTION toms.html(words text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN '<bdi>' || replace(replace(replace(replace(replace(toms.printable(words), '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;') || '</bdi>';
REVOKE ALL ON FUNCTION toms.html(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html(text) IS 'internal: text as HTML, whatever is in it';

-- For a string in a style sheet: letters, digits and blanks, all others by their number.
CREATE FUNCTION toms.css_string(words text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT '"' || coalesce(string_agg(CASE WHEN c ~ '[A-Za-z0-9 ]' THEN c ELSE '\' || to_hex(ascii(c)) || ' ' END, '' ORDER BY n), '') || '"'
    FROM regexp_split_to_table(words, '') WITH ORDINALITY s (c, n) WHERE c <> '';
$$;
REVOKE ALL ON FUNCTION toms.css_string(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.css_string(text) IS 'internal: text as a string of CSS, whatever is in it';

CREATE FUNCTION toms.report_style(document jsonb)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $style$
    SELECT $css$
:root { --ink: #1b2430; --soft: #505b69; --line: #d3dae3; --wash: #f4f6f9; --accent: #1d4a73; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; color: var(--ink); background: #fff; font: 15px/1.5 "Segoe UI", "Helvetica Neue", Arial, "Noto Sans", "Liberation Sans", sans-serif; overflow-wrap: anywhere; hyphens: manual; }
.page { max-width: 62rem; margin: 0 auto; padding: 0 1.5rem; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; padding: .5rem 1rem; background: #fff; }
a { color: var(--accent); }
header.page { padding-top: 3rem; }
h1 { margin: 0; font-size: 2rem; line-height: 1.2; font-weight: 600; letter-spacing: -.01em; }
.subtitle { margin: .35rem 0 0; color: var(--soft); font-size: 1.05rem; }
h2 { margin: 2.6rem 0 .8rem; font-size: 1.3rem; line-height: 1.3; font-weight: 600; color: var(--accent); }
h3 { margin: 0 0 .3rem; font-size: 1rem; font-weight: 600; }
p { margin: 0 0 .8rem; }
.facts { margin: 1.4rem 0 0; padding: .8rem 0; border-top: 2px solid var(--accent); border-bottom: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: .4rem 2.2rem; }
.facts div { min-width: 9rem; max-width: 100%; }
dt { color: var(--soft); font-size: .82rem; }
dd { margin: 0; }
.parties { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1.2rem; }
.party { border: 1px solid var(--line); border-radius: 6px; padding: .9rem 1.1rem; }
.party .name { font-weight: 600; font-size: 1.05rem; margin: 0 0 .5rem; }
.party .kind { color: var(--soft); font-size: .82rem; font-weight: 400; }
.party dl { margin: 0; display: grid; grid-template-columns: 6.2rem minmax(0, 1fr); gap: .15rem .8rem; align-items: baseline; }
.tiles { list-style: none; margin: 0 0 1.2rem; padding: 0; display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: .7rem; }
.tile { border-radius: 6px; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.7rem; line-height: 1.2; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile span { font-size: .85rem; line-height: 1.3; }
table { width: 100%; border-collapse: collapse; margin: 0 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .5rem .7rem; border-bottom: 1px solid var(--line); }
thead th { font-size: .82rem; font-weight: 600; color: var(--soft); background: var(--wash); border-bottom: 1px solid #b9c3cf; overflow-wrap: break-word; }
tbody th { font-weight: 400; }
th:first-child, td:first-child { padding-left: .7rem; }
.numbers td, .numbers thead th:not(:first-child) { text-align: right; font-variant-numeric: tabular-nums; }
.numbers .zero { color: #68727f; }
.pairs th { width: 19rem; color: var(--soft); }
.measures { table-layout: fixed; }
.measures .m { width: 33%; } .measures .s { width: 9.6rem; }
.id { font-weight: 600; color: var(--accent); white-space: nowrap; margin-right: .35rem; }
.meta, .limit { display: block; margin-top: .35rem; color: var(--soft); font-size: .85rem; line-height: 1.4; }
.badge { display: inline-flex; align-items: center; gap: .35rem; padding: .12rem .55rem .12rem .4rem; border-radius: 1rem; font-size: .85rem; font-weight: 600; line-height: 1.5; white-space: nowrap; }
.i { width: .95em; height: .95em; flex: none; vertical-align: -.1em; }
.pass { background: #e2f1e6; color: #14532d; } .partial { background: #fcf0cf; color: #664000; } .overdue { background: #fde6d3; color: #7a2c0c; }
.fail { background: #fbe2e3; color: #87131f; } .not_applicable { background: #e9edf2; color: #3e4957; }
ul.evidence { list-style: none; margin: 0; padding: 0; }
.part { margin: .7rem 0 .25rem; break-after: avoid; } .part:first-child { margin-top: 0; } .part .id { margin-left: .35rem; }
ul.evidence li { margin: 0 0 .3rem; padding-left: 1.35rem; position: relative; }
ul.evidence li .i { position: absolute; left: 0; top: .28em; }
.e-pass .i { color: #1f7a43; } .e-partial .i { color: #8a5a00; } .e-overdue .i { color: #a8430f; } .e-fail .i { color: #b01c2b; } .e-not_applicable .i { color: #556070; }
pre { margin: .5rem 0 0; padding: .5rem .7rem; background: var(--wash); border-left: 3px solid var(--line); font: 12.5px/1.45 ui-monospace, "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace; white-space: pre-wrap; }
code { font: .9em ui-monospace, "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace; }
nav ol { margin: 0; padding: 0; list-style: none; columns: 2; column-gap: 2.5rem; }
nav li { break-inside: avoid; padding: .2rem 0; display: flex; flex-wrap: wrap; gap: 0 .6rem; align-items: baseline; }
nav li span { color: var(--soft); font-size: .85rem; white-space: nowrap; }
footer.page { margin-top: 3rem; padding-top: 1rem; padding-bottom: 3rem; color: var(--soft); font-size: .85rem; }
footer hr { border: 0; border-top: 1px solid var(--line); margin: 0 0 .8rem; }
@media (max-width: 44rem) {
  .parties { grid-template-columns: minmax(0, 1fr); } .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); } nav ol { columns: 1; }
  .measures, .measures tbody, .measures tr, .measures th, .measures td, .pairs, .pairs tbody, .pairs tr, .pairs th, .pairs td { display: block; width: auto; border: 0; padding: .2rem 0; }
  .measures thead { position: absolute; left: -99rem; } .measures tr, .pairs tr { border-bottom: 1px solid var(--line); padding: .6rem 0; } .party dl { display: block; } .party dd { margin-bottom: .4rem; }
  .numbers { table-layout: fixed; } .numbers th:first-child { width: 31%; } .numbers th, .numbers td { padding: .4rem .15rem; font-size: .74rem; } .numbers thead th { font-size: .66rem; hyphens: auto; overflow-wrap: anywhere; }
}
@media print {
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  html { font-size: 9.1pt; } body { font-size: 1rem; line-height: 1.42; } .page { max-width: none; padding: 0; } header.page { padding-top: 0; } .skip { display: none; }
  h2 { margin: 4.5mm 0 1.5mm; break-after: avoid; } .tiles { margin-bottom: .6rem; } .parties + *, table { margin-bottom: 0; } h3 { break-after: avoid; } .facts { margin-top: 4mm; } .tile { padding: .4rem .7rem; } .tile b { font-size: 1.4rem; } .numbers th, .numbers td, .pairs th, .pairs td { padding: 1mm 2mm; }
  a { color: inherit; text-decoration: none; } thead { display: table-header-group; } tr, .party, .tile, li { break-inside: avoid; } p, li { orphans: 3; widows: 3; }
  .measures .m { width: 32%; } .measures .s { width: 34mm; } .pairs th { width: 58mm; } .measures th, .measures td { padding: 1.6mm 2mm; } footer.page { padding-bottom: 0; margin-top: 8mm; break-inside: avoid; }
  .wide { break-inside: auto; } pre { font-size: 7.8pt; }
}
@page { size: A4; margin: 19mm 17mm 17mm; }
$css$
    || format('@page { @top-left { content: %s; font: 8pt "Segoe UI", Arial, sans-serif; color: #505b69; } @top-right { content: %s; font: 8pt "Segoe UI", Arial, sans-serif; color: #505b69; } @bottom-left { content: %s; font: 8pt "Segoe UI", Arial, sans-serif; color: #505b69; } '
              '@bottom-right { content: %s counter(page) %s counter(pages); font: 8pt "Segoe UI", Arial, sans-serif; color: #505b69; } } @page :first { @top-left { content: none; } @top-right { content: none; } }',
              toms.css_string(toms.label('title', l.lang)), toms.css_string(left(coalesce(document #>> '{controller,name}', document #>> '{processor,name}', ''), 60)),
              toms.css_string(toms.say_time((document ->> 'made_at')::timestamptz, l.lang)), toms.css_string(toms.label('page', l.lang) || ' '), toms.css_string(' ' || toms.label('of', l.lang) || ' '))
    FROM (SELECT document ->> 'lang') l (lang);
$style$;
REVOKE ALL ON FUNCTION toms.report_style(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.report_style(jsonb) IS 'internal: the style sheet of a report';

-- Signs beside the words, so that a status shows without colours.
CREATE FUNCTION toms.html_signs()
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT '<svg width="0" height="0" style="position:absolute" aria-hidden="true" focusable="false">'
        || string_agg(format('<symbol id="i-%s" viewBox="0 0 16 16">%s</symbol>', s.status, s.path), '') || '</svg>'
    FROM (VALUES ('pass', '<path d="M2.5 8.6 6.2 12.3 13.5 4.4" fill="none" stroke="currentColor" stroke-width="2.2"/>'),
                 ('partial', '<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="1.8"/><path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor"/>'),
                 ('overdue', '<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="1.8"/><path d="M8 4.2V8.4L10.8 10" fill="none" stroke="currentColor" stroke-width="1.8"/>'),
                 ('fail', '<path d="M3.4 3.4 12.6 12.6M12.6 3.4 3.4 12.6" fill="none" stroke="currentColor" stroke-width="2.2"/>'),
                 ('not_applicable', '<path d="M3 8H13" fill="none" stroke="currentColor" stroke-width="2.2"/>')) s (status, path);
$$;
REVOKE ALL ON FUNCTION toms.html_signs() FROM PUBLIC;
COMMENT ON FUNCTION toms.html_signs() IS 'internal: a sign for each status';

CREATE FUNCTION toms.html_sign(status text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN format('<svg class="i" aria-hidden="true" focusable="false"><use href="#i-%s"/></svg>', status);
REVOKE ALL ON FUNCTION toms.html_sign(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_sign(text) IS 'internal: the sign of a status';

CREATE FUNCTION toms.html_badge(status text, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN format('<span class="badge %s">%s%s</span>', status, toms.html_sign(status), toms.label(status, lang));
REVOKE ALL ON FUNCTION toms.html_badge(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_badge(text, text) IS 'internal: a status, in words and with its sign';

-- page 1 ----------------------------------------------------------------------------------------------

CREATE FUNCTION toms.html_facts(document jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('<dl class="facts">%s</dl>', string_agg(format('<div><dt>%s</dt><dd>%s</dd></div>', toms.label(f.label, lang), toms.html(f.value)), '' ORDER BY f.n))
    FROM (VALUES (1, 'made', toms.say_time((document ->> 'made_at')::timestamptz, lang)),
                 (2, 'as_of', coalesce(toms.say_time((document ->> 'as_of')::timestamptz, lang), toms.label('now', lang))),
                 (3, 'agreement', CASE WHEN document -> 'agreement' <> 'null' THEN toms.label('agreement_version', lang, document #>> '{agreement,name}', document #>> '{agreement,version}', left(document #>> '{agreement,valid_from}', 10))
                                       WHEN document -> 'tenant' <> 'null' THEN toms.label('agreement_none', lang) ELSE toms.label('agreement_all', lang) END)) f (n, label, value);
$$;
REVOKE ALL ON FUNCTION toms.html_facts(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_facts(jsonb, text) IS 'internal: when a report was made, of which day, by which agreement';

CREATE FUNCTION toms.html_party(kind text, party jsonb, unnamed text, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('<div class="party"><h3 class="kind">%s</h3><p class="name">%s</p><dl>%s</dl></div>', toms.label(kind, lang), coalesce(toms.html(toms.short_name(party ->> 'name')), toms.label(unnamed, lang)),
                  string_agg(format('<dt>%s</dt><dd>%s</dd>', replace(toms.label(d.label, lang), 'Datenschutzb', 'Datenschutz&shy;b'), toms.html(party ->> d.label)), '' ORDER BY d.n) FILTER (WHERE party ->> d.label IS NOT NULL))
    FROM unnest('{address,country,contact,representative,dpo}'::text[]) WITH ORDINALITY d (label, n);
$$;
REVOKE ALL ON FUNCTION toms.html_party(text, jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_party(text, jsonb, text, text) IS 'internal: the processor, or the controller';

CREATE FUNCTION toms.html_counts(counts jsonb)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(format('<td%s>%s</td>', CASE WHEN counts ->> s.status = '0' THEN ' class="zero"' END, counts ->> s.status), '' ORDER BY s.n)
    FROM unnest('{pass,partial,overdue,fail,not_applicable}'::text[]) WITH ORDINALITY s (status, n);
$$;
REVOKE ALL ON FUNCTION toms.html_counts(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_counts(jsonb) IS 'internal: cells of a table of counts';

CREATE FUNCTION toms.html_result(document jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('<section aria-labelledby="result"><h2 id="result">%s</h2><p>%s</p><ul class="tiles">%s</ul><table class="numbers"><thead><tr><th scope="col">%s</th>%s</tr></thead><tbody>%s<tr><th scope="row"><b>%s</b></th>%s</tr></tbody></table></section>',
                  toms.label('result', lang), toms.label('result_lead', lang, jsonb_array_length(document -> 'measures')::text),
                  string_agg(format('<li class="tile %s"><b>%s</b><span>%s %s</span></li>', s.status, document -> 'counts' ->> s.status, toms.html_sign(s.status), toms.label(s.status, lang)), '' ORDER BY s.n),
                  toms.label('letters', lang), string_agg(format('<th scope="col">%s</th>', toms.label(s.status, lang)), '' ORDER BY s.n),
                  (SELECT string_agg(format('<tr><th scope="row">%s</th>%s</tr>', toms.label('letter_' || coalesce(l ->> 'letter', 'other'), lang), toms.html_counts(l -> 'counts')), '' ORDER BY l ->> 'letter')
                   FROM jsonb_array_elements(document -> 'letters') l),
                  toms.label('total', lang), toms.html_counts(document -> 'counts'))
    FROM unnest('{pass,partial,overdue,fail,not_applicable}'::text[]) WITH ORDINALITY s (status, n);
$$;
REVOKE ALL ON FUNCTION toms.html_result(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_result(jsonb, text) IS 'internal: how many measures hold, also by letters of Art. 32(1)';

CREATE FUNCTION toms.html_scope(scope jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('<section aria-labelledby="scope"><h2 id="scope">%s</h2><p>%s</p><table class="pairs"><tbody>%s</tbody></table></section>', toms.label('scope', lang), toms.label('scope_lead', lang),
                  string_agg(format('<tr><th scope="row">%s</th><td>%s</td></tr>', s.label, toms.html(s.line)), ''))
    FROM toms.scope_lines(scope, lang) s;
$$;
REVOKE ALL ON FUNCTION toms.html_scope(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_scope(jsonb, text) IS 'internal: what a report speaks of';

-- measures --------------------------------------------------------------------------------------------

-- Of the measure as a whole, or of one of its parts. Twenty sentences are enough to see what is wrong; the JSON has all.
CREATE FUNCTION toms.html_found(evidence jsonb, part text, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('<ul class="evidence">%s%s</ul>',
                  string_agg(format('<li class="e-%s">%s%s</li>', f.e ->> 'status', toms.html_sign(f.e ->> 'status'), toms.html(f.e ->> 'text')), '' ORDER BY f.n) FILTER (WHERE f.n <= 20),
                  CASE WHEN count(*) > 20 THEN format('<li>%s</li>', toms.say('more', ARRAY[(count(*) - 20)::text], lang)) END)
    FROM (SELECT e, row_number() OVER (ORDER BY n) AS n FROM jsonb_array_elements(evidence) WITH ORDINALITY x (e, n) WHERE e ->> 'part' IS NOT DISTINCT FROM html_found.part) f
    HAVING count(*) > 0;
$$;
REVOKE ALL ON FUNCTION toms.html_found(jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_found(jsonb, text, text) IS 'internal: what was found of a measure, or a part of it';

CREATE FUNCTION toms.html_evidence(measure jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('%s%s<span class="limit"><b>%s:</b> %s</span>%s', toms.html_found(measure -> 'evidence', NULL, lang),
                  (SELECT string_agg(format('<p class="part">%s <span class="id">%s</span>%s</p>%s', toms.html_badge(p ->> 'status', lang), p ->> 'part', toms.html(p ->> 'title'), toms.html_found(measure -> 'evidence', p ->> 'part', lang)), '' ORDER BY n)
                   FROM jsonb_array_elements(measure -> 'parts') WITH ORDINALITY x (p, n)),
                  toms.label('limit', lang), toms.html(measure ->> 'limit'),
                  (SELECT format('<span class="limit"><b>%s:</b></span><pre>%s</pre>', toms.label('remedy', lang), string_agg(toms.html(r), E'\n' ORDER BY n)) FROM jsonb_array_elements_text(measure -> 'remedies') WITH ORDINALITY r (r, n) WHERE n <= 20 HAVING count(*) > 0));
$$;
REVOKE ALL ON FUNCTION toms.html_evidence(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_evidence(jsonb, text) IS 'internal: what was found of a measure, what it does not cover, what mends it';

CREATE FUNCTION toms.html_measures(document jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(format('<section aria-labelledby="c-%1$s"><h2 id="c-%1$s">%2$s</h2><table class="measures"><thead><tr><th scope="col" class="m">%3$s</th><th scope="col" class="s">%4$s</th><th scope="col">%5$s</th></tr></thead><tbody>%6$s</tbody></table></section>',
                             c.control, CASE lang WHEN 'de' THEN c.title_de ELSE c.title_en END, toms.label('measure', lang), toms.label('status', lang), toms.label('evidence', lang), m.rows), '' ORDER BY c.position)
    FROM toms.control c,
         LATERAL (SELECT string_agg(format('<tr class="wide"><th scope="row"><span class="id">%s</span>%s<span class="meta">%s<br>%s<br>%s</span></th><td>%s</td><td>%s</td></tr>',
                                           m ->> 'measure', toms.html(m ->> 'title'), toms.html(toms.say_source(m ->> 'source', lang)), toms.html(toms.say_article(m ->> 'article', lang)), toms.label(m ->> 'kind', lang),
                                           toms.html_badge(m ->> 'status', lang), toms.html_evidence(m, lang)), '' ORDER BY n) AS rows
                  FROM jsonb_array_elements(document -> 'measures') WITH ORDINALITY e (m, n) WHERE m ->> 'control' = c.control) m
    WHERE m.rows IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.html_measures(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_measures(jsonb, text) IS 'internal: the measures, heading by heading';

CREATE FUNCTION toms.html_contents(document jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('<nav aria-labelledby="contents"><h2 id="contents">%s</h2><ol>%s</ol></nav>', toms.label('contents', lang),
                  string_agg(format('<li><a href="#c-%s">%s</a><span>%s</span></li>', c.control, CASE lang WHEN 'de' THEN c.title_de ELSE c.title_en END,
                                    (SELECT string_agg(toms.label('count_' || s.status, lang, s.n::text), ', ' ORDER BY toms.status_rank(s.status)) FROM (SELECT m ->> 'status', count(*) FROM jsonb_array_elements(document -> 'measures') m WHERE m ->> 'control' = c.control GROUP BY 1) s (status, n))), '' ORDER BY c.position))
    FROM toms.control c WHERE EXISTS (SELECT FROM jsonb_array_elements(document -> 'measures') m WHERE m ->> 'control' = c.control);
$$;
REVOKE ALL ON FUNCTION toms.html_contents(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_contents(jsonb, text) IS 'internal: headings, and how many measures hold';

CREATE FUNCTION toms.html_algorithms(algorithms jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('<section aria-labelledby="algorithms"><h2 id="algorithms">%s</h2><table><thead><tr><th scope="col">%s</th><th scope="col">%s</th><th scope="col">%s</th><th scope="col">%s</th></tr></thead><tbody>%s</tbody></table></section>',
                  toms.label('algorithms_title', lang), toms.label('use', lang), toms.label('algorithms', lang), toms.label('standard', lang), toms.label('bits', lang),
                  string_agg(format('<tr><th scope="row">%s</th><td>%s</td><td>%s</td><td>%s</td></tr>', a ->> 'use', a ->> 'name', coalesce(a ->> 'standard', '–'), CASE WHEN a ->> 'bits' IS NULL THEN '–' ELSE toms.label('bits_n', lang, a ->> 'bits') END), '' ORDER BY n))
    FROM jsonb_array_elements(algorithms) WITH ORDINALITY x (a, n);
$$;
REVOKE ALL ON FUNCTION toms.html_algorithms(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_algorithms(jsonb, text) IS 'internal: table of algorithms';

CREATE FUNCTION toms.html_footer(document jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('<footer class="page"><hr><h2 id="about">%s</h2><p>%s</p><p>%s</p></footer>', toms.label('about', lang), toms.label('about_text', lang, '<code>toms-verify report</code>'),
                  string_agg(format('%s: %s', toms.label(f.label, lang), toms.html(f.value)), ' · ' ORDER BY f.n) FILTER (WHERE f.value IS NOT NULL))
    FROM (VALUES (1, 'version', toms.label('version_of', lang, document ->> 'toms', document ->> 'server')), (2, 'dataset', document ->> 'dataset'), (3, 'node', document ->> 'node')) f (n, label, value);
$$;
REVOKE ALL ON FUNCTION toms.html_footer(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.html_footer(jsonb, text) IS 'internal: who made a report, and how it is verified';

CREATE FUNCTION toms.report_html(document jsonb)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lang constant text := document ->> 'lang';
    title constant text := toms.label('title', lang);
    unknown constant jsonb := coalesce(document #> '{agreement,unknown}', '[]');
BEGIN
    RETURN concat(
        format('<!DOCTYPE html>%1$s<html lang="%2$s">%1$s<head>%1$s<meta charset="utf-8">%1$s<meta name="viewport" content="width=device-width, initial-scale=1">%1$s<meta name="generator" content="toms">%1$s<title>%3$s</title>%1$s<style>%4$s</style>%1$s</head>%1$s',
               E'\n', lang, concat_ws(' – ', title, regexp_replace(toms.html(left(document #>> '{controller,name}', 80)), '^<bdi>(.*)</bdi>$', '\1')), toms.report_style(document)),
        format(E'<body>\n<a class="skip" href="#main">%s</a>%s\n<header class="page"><h1>%s</h1><p class="subtitle">%s</p>%s</header>\n<main id="main" class="page">\n', toms.label('skip', lang), toms.html_signs(), title, toms.label('subtitle', lang), toms.html_facts(document, lang)),
        CASE WHEN unknown <> '[]' THEN format('<p>%s</p>', toms.label('agreement_unknown', lang, toms.html(toms.say_names(unknown, lang)))) END,
        format(E'<section aria-labelledby="parties"><h2 id="parties">%s</h2><div class="parties">%s%s</div></section>\n', toms.label('parties', lang), toms.html_party('processor', document -> 'processor', 'unset', lang),
               toms.html_party('controller', document -> 'controller', 'all_controllers', lang)),
        toms.html_result(document, lang), E'\n', toms.html_scope(document -> 'scope', lang), E'\n', toms.html_contents(document, lang), E'\n',
        toms.html_measures(document, lang), E'\n', toms.html_algorithms(document -> 'algorithms', lang), E'\n</main>\n', toms.html_footer(document, lang), E'\n</body>\n</html>');
END
$$;
REVOKE ALL ON FUNCTION toms.report_html(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.report_html(jsonb) IS 'internal: a report as HTML';
