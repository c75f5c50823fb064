-- The report: the annex of technical and organisational measures (Art. 28(3)(c), 32 GDPR) as it holds now. One document is made
-- of what the check finds; report_html.sql and report_markdown.sql print it. It ends with a signature of all that stands before.

INSERT INTO toms.phrase VALUES
    ('report_nothing', 'en', 'What was found is about other controllers alone.'),
    ('report_nothing', 'de', 'Die Feststellungen betreffen ausschließlich andere Verantwortliche.'),
    ('report_unchecked', 'en', 'It had not been looked at then.'),
    ('report_unchecked', 'de', 'Zu diesem Zeitpunkt lag keine Prüfung vor.'),
    ('report_use_values', 'en', 'Values that are stored sealed'),
    ('report_use_values', 'de', 'Verschlüsselt gespeicherte Werte'),
    ('report_use_signatures', 'en', 'Signatures: tokens, audit trail, certificates, reports'),
    ('report_use_signatures', 'de', 'Signaturen: Token, Protokoll, Bescheinigungen, Berichte'),
    ('report_use_trail', 'en', 'Hash trees of the audit trail'),
    ('report_use_trail', 'de', 'Hash-Bäume des Protokolls'),
    ('report_use_pseudonyms', 'en', 'Pseudonyms and blind indexes'),
    ('report_use_pseudonyms', 'de', 'Pseudonyme und blinde Indizes'),
    ('report_use_passwords', 'en', 'Passwords of users'),
    ('report_use_passwords', 'de', 'Kennwörter von Benutzern'),
    ('report_use_logins', 'en', 'Passwords of database log-ins'),
    ('report_use_logins', 'de', 'Kennwörter der Datenbankkonten'),
    ('report_use_escrow', 'en', 'Keys in escrow'),
    ('report_use_escrow', 'de', 'Hinterlegte Schlüssel'),
    ('report_use_transport', 'en', 'Transport'),
    ('report_use_transport', 'de', 'Transport');

-- Key length in bits; NULL: as the server and its clients agree on.
CREATE FUNCTION toms.algorithms(lang text)
RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_agg(jsonb_build_object('use', toms.say('report_use_' || a.use, NULL, lang), 'name', a.name, 'standard', a.standard, 'bits', a.bits) ORDER BY a.n)
    FROM (VALUES (1, 'values', 'XChaCha20-Poly1305', 'RFC 8439, draft-irtf-cfrg-xchacha', 256),
                 (2, 'signatures', 'Ed25519', 'RFC 8032', 256),
                 (3, 'trail', 'SHA-256', 'FIPS 180-4, RFC 6962', 256),
                 (4, 'pseudonyms', 'BLAKE2b', 'RFC 7693', 256),
                 (5, 'passwords', 'Argon2id', 'RFC 9106', 256),
                 (6, 'logins', upper(current_setting('password_encryption')), CASE current_setting('password_encryption') WHEN 'scram-sha-256' THEN 'RFC 7677' END, CASE current_setting('password_encryption') WHEN 'scram-sha-256' THEN 256 END),
                 (7, 'escrow', 'X25519, XSalsa20-Poly1305', 'RFC 7748, NaCl', 256),
                 (8, 'transport', CASE WHEN current_setting('ssl')::boolean THEN 'TLS ≥ ' || regexp_replace(current_setting('ssl_min_protocol_version'), '^TLSv', '') ELSE '–' END,
                     CASE WHEN current_setting('ssl')::boolean THEN 'RFC 5246, RFC 8446' END, NULL)) a (n, use, name, standard, bits);
$$;
REVOKE ALL ON FUNCTION toms.algorithms(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.algorithms(text) IS 'internal: algorithms in use, with standard and key length';

-- what was found --------------------------------------------------------------------------------------

CREATE FUNCTION toms.report_found(as_of timestamptz)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF as_of IS NULL THEN
        RETURN (SELECT coalesce(jsonb_agg(to_jsonb(f) ORDER BY f.measure, f.n), '[]') FROM toms.check_rows() f);
    END IF;
    RETURN (SELECT coalesce(jsonb_agg(to_jsonb(f) ORDER BY f.measure, f.n), '[]') FROM toms.check_rows_at(as_of) f);
END
$$;
REVOKE ALL ON FUNCTION toms.report_found(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.report_found(timestamptz) IS 'internal: all that is found of each measure, now or on a day';

-- Of an argument, the words that are names of others. One of digits alone is a name within a name: in quotes, or beside an underscore;
-- else it is a number, a day, or an address.
CREATE FUNCTION toms.without_names(words text, others text[])
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(CASE WHEN lower(p.word) = ANY (others) AND (p.word !~ '^\d+$' OR p.quotes % 2 = 1 OR p.before ~ '_$' OR p.behind ~ '^_') THEN '…' ELSE p.word END || p.behind, '' ORDER BY p.i)
    FROM (SELECT m[1] AS word, m[2] AS behind, lag(m[2]) OVER w AS before, coalesce(sum(length(m[2]) - length(replace(m[2], '"', ''))) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS quotes, i
          FROM regexp_matches(words, '([[:alnum:]]*)([^[:alnum:]]*)', 'g') WITH ORDINALITY m (m, i) WINDOW w AS (ORDER BY i)) p;
$$;
REVOKE ALL ON FUNCTION toms.without_names(text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.without_names(text, text[]) IS 'internal: an argument without words that are names of other tenants';

-- Rows about another tenant are left out before; names of other tenants within a sentence are for him alone. What a database says of an
-- error may hold anything, and where files of the server are is no business of theirs. An argument that is a number is somebody's name
-- where the phrase has it in quotes, or where there is no phrase.
CREATE FUNCTION toms.redacted(phrase text, args text[], others text[])
RETURNS text[] LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    words constant text := (SELECT p.text FROM toms.phrase p WHERE p.phrase = redacted.phrase AND p.lang = 'en');
    redacted text[] := args;
    other text;
BEGIN
    IF phrase = 'probe_failed' THEN
        redacted[1] := '…';
    END IF;
    FOR n IN 1 .. coalesce(cardinality(args), 0) LOOP
        redacted[n] := replace(redacted[n], current_setting('data_directory') || '/', '');
        FOR other IN SELECT o FROM unnest(others) o WHERE o ~ '[^[:alnum:]]' AND position(o IN lower(redacted[n])) > 0 ORDER BY length(o) DESC LOOP
            redacted[n] := regexp_replace(redacted[n], toms.literal_pattern(other), '…', 'gi');
        END LOOP;
        redacted[n] := CASE WHEN lower(redacted[n]) = ANY (others) AND (redacted[n] !~ '^\d+$' OR words IS NULL OR position(format('"%%%s$s"', n) IN words) > 0) THEN '…'
                            ELSE toms.without_names(redacted[n], others) END;
    END LOOP;
    RETURN redacted;
END
$$;
REVOKE ALL ON FUNCTION toms.redacted(text, text[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.redacted(text, text[], text[]) IS 'internal: arguments of a phrase without names of other tenants';

-- In small letters; for no tenant there are no others.
CREATE FUNCTION toms.other_names(of_tenant text)
RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH named AS (SELECT t.tenant, lower(n) AS name FROM toms.tenant t, unnest(ARRAY[t.tenant, t.name]) n WHERE n <> '')
    SELECT coalesce(array_agg(DISTINCT o.name), '{}') FROM named o
    WHERE o.tenant <> of_tenant AND o.name NOT IN (SELECT m.name FROM named m WHERE m.tenant = of_tenant);
$$;
REVOKE ALL ON FUNCTION toms.other_names(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.other_names(text) IS 'internal: names that a report for a tenant must not tell';

-- In order, as a list: those that were agreed on, or all.
CREATE FUNCTION toms.report_measures(findings jsonb, tenant text, lang text, agreed text[], unknown text)
RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    others constant text[] := toms.other_names(report_measures.tenant);
BEGIN
    RETURN (
        WITH rows AS MATERIALIZED (
            SELECT f.* FROM jsonb_to_recordset(findings) f (measure text, part text, n integer, status text, phrase text, args text[], remedy text, tenant text)
            WHERE report_measures.tenant IS NULL OR f.tenant IS NULL OR f.tenant = report_measures.tenant),
        said AS MATERIALIZED (
            SELECT r.measure, jsonb_agg(jsonb_build_object('status', r.status, 'text', toms.say(r.phrase, CASE WHEN report_measures.tenant IS NULL THEN r.args ELSE toms.redacted(r.phrase, r.args, others) END, lang))
                                        || CASE WHEN r.part IS NULL THEN '{}' ELSE jsonb_build_object('part', r.part) END ORDER BY r.n) AS evidence,
                   (array_agg(r.status ORDER BY toms.status_rank(r.status)))[1] AS status
            FROM rows r GROUP BY r.measure),
        parts AS (
            SELECT p.measure, jsonb_agg(jsonb_build_object('part', p.part, 'title', coalesce(toms.part_title(p.part, lang), p.part), 'status', p.status) ORDER BY p.part COLLATE "C") AS parts
            FROM (SELECT r.measure, r.part, (array_agg(r.status ORDER BY toms.status_rank(r.status)))[1] AS status FROM rows r WHERE r.part IS NOT NULL GROUP BY r.measure, r.part) p GROUP BY p.measure),
        mended AS (
            SELECT r.measure, jsonb_agg(r.remedy ORDER BY r.n) AS remedies
            FROM (SELECT r.measure, r.remedy, min(r.n) AS n FROM rows r WHERE r.remedy IS NOT NULL AND report_measures.tenant IS NULL GROUP BY r.measure, r.remedy) r GROUP BY r.measure)
        SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'measure', m.measure, 'control', m.control, 'title', CASE lang WHEN 'de' THEN m.title_de ELSE m.title_en END, 'kind', m.kind,
                   'status', coalesce(s.status, CASE unknown WHEN 'report_unchecked' THEN 'fail' ELSE 'pass' END),
                   'evidence', coalesce(s.evidence, jsonb_build_array(jsonb_build_object('status', CASE unknown WHEN 'report_unchecked' THEN 'fail' ELSE 'pass' END, 'text', toms.say(unknown, NULL, lang)))),
                   'limit', CASE lang WHEN 'de' THEN m.limit_de ELSE m.limit_en END, 'source', m.source, 'article', m.article, 'letter', m.letter)
               || CASE WHEN p.parts IS NULL THEN '{}' ELSE jsonb_build_object('parts', p.parts) END
               || CASE WHEN d.remedies IS NULL THEN '{}' ELSE jsonb_build_object('remedies', d.remedies) END ORDER BY c.position, m.position), '[]')
        FROM toms.measure m JOIN toms.control c USING (control) LEFT JOIN said s USING (measure) LEFT JOIN parts p USING (measure) LEFT JOIN mended d USING (measure)
        WHERE agreed IS NULL OR m.measure = ANY (agreed));
END
$$;
REVOKE ALL ON FUNCTION toms.report_measures(jsonb, text, text, text[], text) FROM PUBLIC;
COMMENT ON FUNCTION toms.report_measures(jsonb, text, text, text[], text) IS 'internal: measures of a report, with what was found of each';

CREATE FUNCTION toms.report_counts(measures jsonb)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_object_agg(s.status, (SELECT count(*) FROM jsonb_array_elements(measures) m WHERE m ->> 'status' = s.status))
    FROM unnest('{pass,partial,overdue,fail,not_applicable}'::text[]) s (status);
$$;
REVOKE ALL ON FUNCTION toms.report_counts(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.report_counts(jsonb) IS 'internal: how many measures are in which status';

-- what it is about ------------------------------------------------------------------------------------

-- The one that was adopted last, of those in force.
CREATE FUNCTION toms.reported_agreement(tenant text, at timestamptz)
RETURNS SETOF toms.agreements LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.* FROM toms.agreements a
    WHERE a.tenant = reported_agreement.tenant AND a.valid_from <= at AND (a.valid_until IS NULL OR a.valid_until > at) ORDER BY a.id DESC LIMIT 1;
$$;
REVOKE ALL ON FUNCTION toms.reported_agreement(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.reported_agreement(text, timestamptz) IS 'internal: the agreement with a tenant that was in force at a time';

CREATE FUNCTION toms.report_parties(of_tenant text, at timestamptz)
RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'processor', (SELECT jsonb_build_object('name', p.name, 'address', p.address, 'contact', p.contact, 'dpo', p.dpo, 'representative', p.representative) FROM toms.processor_at(at) p),
        'controller', (SELECT jsonb_build_object('name', t.name, 'address', t.address, 'contact', t.contact, 'dpo', t.dpo, 'representative', t.representative, 'country', t.country)
                       FROM toms.tenant t WHERE t.tenant = of_tenant),
        'agreement', (SELECT jsonb_build_object('name', a.name, 'version', a.version, 'valid_from', toms.utc(a.valid_from), 'adopted_at', toms.utc(a.adopted_at),
                                                'unknown', (SELECT coalesce(jsonb_agg(u ORDER BY u), '[]') FROM unnest(a.measures) u WHERE u NOT IN (SELECT m.measure FROM toms.measure m)))
                      FROM toms.reported_agreement(of_tenant, at) a));
$$;
REVOKE ALL ON FUNCTION toms.report_parties(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.report_parties(text, timestamptz) IS 'internal: processor, controller, and what they agreed on';

CREATE FUNCTION toms.report_scope(of_tenant text)
RETURNS jsonb LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH o AS MATERIALIZED (SELECT toms.other_names(of_tenant) AS names),
         s AS MATERIALIZED (
            SELECT d.kind, (toms.redacted(NULL, ARRAY[d.name], o.names))[1] AS name,
                   (SELECT jsonb_object_agg(e.key, CASE jsonb_typeof(e.value) WHEN 'string' THEN to_jsonb((toms.redacted(NULL, ARRAY[e.value #>> '{}'], o.names))[1]) ELSE e.value END)
                    FROM jsonb_each(d.details) e) AS details
            FROM toms.data_scope(of_tenant) d, o),
         listed AS (SELECT s.kind, jsonb_agg(jsonb_build_object('name', s.name) || s.details ORDER BY s.name COLLATE "C") AS list FROM s GROUP BY s.kind)
    SELECT jsonb_build_object(
        'databases', (SELECT count(*) FROM s WHERE s.kind = 'database'), 'databases_with_toms', (SELECT count(*) FROM s WHERE s.kind = 'database' AND (s.details ->> 'toms')::boolean),
        'databases_without_toms', (SELECT coalesce(jsonb_agg(s.name ORDER BY s.name), '[]') FROM s WHERE s.kind = 'database' AND s.name IS NOT NULL AND NOT (s.details ->> 'toms')::boolean),
        'protected_tables', (SELECT count(*) FROM s WHERE s.kind = 'protected_table'), 'partitions', (SELECT coalesce(sum((s.details ->> 'partitions')::bigint), 0) FROM s WHERE s.kind = 'protected_table'),
        'locked_tables', (SELECT coalesce(jsonb_agg(s.name ORDER BY s.name COLLATE "C"), '[]') FROM s WHERE s.kind = 'protected_table' AND (s.details ->> 'locked')::boolean),
        'observed_tables', (SELECT coalesce(jsonb_agg(s.name ORDER BY s.name COLLATE "C"), '[]') FROM s WHERE s.kind = 'protected_table' AND s.details ->> 'mode' = 'observe'),
        'unprotected_tables', (SELECT coalesce(jsonb_agg(s.name ORDER BY s.name COLLATE "C"), '[]') FROM s WHERE s.kind = 'unprotected_table'),
        'replicas', coalesce((SELECT l.list FROM listed l WHERE l.kind = 'replica'), '[]'), 'publications', coalesce((SELECT l.list FROM listed l WHERE l.kind = 'publication'), '[]'),
        'exports', coalesce((SELECT l.list FROM listed l WHERE l.kind = 'export'), '[]'), 'copies', coalesce((SELECT l.list FROM listed l WHERE l.kind = 'copy'), '[]'));
$$;
REVOKE ALL ON FUNCTION toms.report_scope(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.report_scope(text) IS 'internal: what a report speaks of and what it does not';

-- Scope is as it is now, whenever the measures were looked at: nobody has written down what it was.
CREATE FUNCTION toms.report_document(findings jsonb, tenant text, lang text, as_of timestamptz)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parties constant jsonb := toms.report_parties(tenant, coalesce(as_of, now()));
    agreed constant text[] := (SELECT a.measures FROM toms.reported_agreement(report_document.tenant, coalesce(as_of, now())) a WHERE a.measures && ARRAY(SELECT m.measure FROM toms.measure m));
    measures constant jsonb := toms.report_measures(findings, tenant, lang, agreed, CASE WHEN as_of IS NULL THEN 'report_nothing' ELSE 'report_unchecked' END);
BEGIN
    RETURN parties || jsonb_build_object(
        'lang', lang, 'tenant', tenant, 'made_at', toms.utc(clock_timestamp()), 'as_of', toms.utc(as_of),
        'toms', (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'toms'), 'server', split_part(current_setting('server_version'), ' ', 1),
        'dataset', (SELECT d.id FROM toms.dataset d), 'node', nullif(current_setting('toms.node'), ''),
        'scope', toms.report_scope(tenant), 'algorithms', toms.algorithms(lang), 'measures', measures, 'counts', toms.report_counts(measures),
        'letters', (SELECT coalesce(jsonb_agg(jsonb_build_object('letter', l.letter, 'counts', toms.report_counts(l.measures)) ORDER BY l.letter), '[]')
                    FROM (SELECT m ->> 'letter' AS letter, jsonb_agg(m) AS measures FROM jsonb_array_elements(measures) m GROUP BY m ->> 'letter') l));
END
$$;
REVOKE ALL ON FUNCTION toms.report_document(jsonb, text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.report_document(jsonb, text, text, timestamptz) IS 'internal: all that a report says; doc/report-schema.json tells its form';

-- printing --------------------------------------------------------------------------------------------

-- A comment in both, of which nothing can be changed either.
CREATE FUNCTION toms.sign_report(body text, document jsonb, format text)
RETURNS text LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.sign_certificate(body || E'\n<!-- ' || replace(left(json_build_object('type', 'report', 'version', 1, 'format', format, 'dataset', document -> 'dataset',
                                                                                      'tenant', document -> 'tenant', 'made_at', document -> 'made_at')::text, -1), '>', '\u003e')) || ' -->';
$$;
REVOKE ALL ON FUNCTION toms.sign_report(text, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.sign_report(text, jsonb, text) IS 'internal: a printed report, with a last line that signs all before it';

CREATE FUNCTION toms.print_report(document jsonb, format text)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN CASE format
        WHEN 'html' THEN toms.sign_report(toms.report_html(document), document, format)
        WHEN 'markdown' THEN toms.sign_report(toms.report_markdown(document), document, format)
        ELSE toms.sign_certificate('{"type": "report", "version": 1, ' || substr(left(document::text, -1), 2)) END;
END
$$;
REVOKE ALL ON FUNCTION toms.print_report(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.print_report(jsonb, text) IS 'internal: a report as html, markdown or json, signed';

CREATE FUNCTION toms.check_report(format text, tenant text, lang text, as_of timestamptz)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.check_language(lang);
    IF format IS NULL OR format NOT IN ('html', 'markdown', 'json') THEN
        RAISE EXCEPTION 'there is no format "%"', format USING ERRCODE = 'invalid_parameter_value', HINT = 'Formats are html, markdown and json.';
    END IF;
    IF tenant IS NOT NULL AND NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = check_report.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    IF as_of > clock_timestamp() THEN
        RAISE EXCEPTION 'nobody knows how it will be' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT EXISTS (SELECT FROM toms.dataset) THEN
        RAISE EXCEPTION 'the audit trail has not been sealed yet' USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT toms.seal_audit();';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_report(text, text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_report(text, text, text, timestamptz) IS 'internal: refuse a report that cannot be made';

CREATE FUNCTION toms.report(format text DEFAULT 'html', tenant text DEFAULT NULL, lang text DEFAULT 'en', as_of timestamptz DEFAULT NULL)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres' SET standard_conforming_strings = on AS $$
BEGIN
    PERFORM toms.check_report(format, tenant, lang, as_of);
    RETURN toms.print_report(toms.report_document(toms.report_found(as_of), tenant, lang, as_of), format);
END
$$;
REVOKE ALL ON FUNCTION toms.report(text, text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.report(text, text, text, timestamptz) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.report(text, text, text, timestamptz) IS 'the annex of technical and organisational measures as it holds now, or held on a day, signed: html, markdown or json; for a tenant, what was agreed with him';

-- two reports -----------------------------------------------------------------------------------------

CREATE FUNCTION toms.read_report(report text)
RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF report LIKE '{"type": "report", "version": 1, %' AND toms.certificate_key(rtrim(report, E'\n')) IS NOT NULL THEN
        RETURN report;
    END IF;
    RAISE EXCEPTION 'the text is not a report as it was signed' USING ERRCODE = 'data_exception', HINT = 'Take what toms.report(''json'') has answered as it is.';
END
$$;
REVOKE ALL ON FUNCTION toms.read_report(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.read_report(text) IS 'internal: what a report says, or refuse one that was altered';

-- Of the evidence what has gone (-) and what has come (+).
CREATE FUNCTION toms.report_difference(older text, newer text)
RETURNS TABLE (measure text, before text, after text, evidence text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    was constant jsonb := toms.read_report(older);
    is_now constant jsonb := toms.read_report(newer);
BEGIN
    IF was ->> 'lang' <> is_now ->> 'lang' THEN
        RAISE EXCEPTION 'the reports are in different languages' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY
    WITH o AS (SELECT m.m, n FROM jsonb_array_elements(was -> 'measures') WITH ORDINALITY m (m, n)),
         l AS (SELECT m.m, n FROM jsonb_array_elements(is_now -> 'measures') WITH ORDINALITY m (m, n))
    SELECT coalesce(l.m, o.m) ->> 'measure', o.m ->> 'status', l.m ->> 'status', d.lines
    FROM o FULL JOIN l ON o.m ->> 'measure' = l.m ->> 'measure',
         LATERAL (SELECT string_agg(x.line, E'\n' ORDER BY x.side DESC, x.n) AS lines
                  FROM (SELECT '+', '+ ' || concat_ws(' ', e ->> 'part', e ->> 'text'), n FROM jsonb_array_elements(l.m -> 'evidence') WITH ORDINALITY a (e, n) WHERE NOT coalesce(o.m -> 'evidence' @> jsonb_build_array(e), false)
                        UNION ALL
                        SELECT '-', '- ' || concat_ws(' ', e ->> 'part', e ->> 'text'), n FROM jsonb_array_elements(o.m -> 'evidence') WITH ORDINALITY a (e, n) WHERE NOT coalesce(l.m -> 'evidence' @> jsonb_build_array(e), false)) x (side, line, n)) d
    WHERE o.m ->> 'status' IS DISTINCT FROM l.m ->> 'status' OR d.lines IS NOT NULL
    ORDER BY l.n, o.n;
END
$$;
REVOKE ALL ON FUNCTION toms.report_difference(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.report_difference(text, text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.report_difference(text, text) IS 'what has changed between two reports (json): measures, their status before and after, evidence that has gone (-) and come (+)';

-- what the check says of it --------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('report_whole', 'en', 'A report was made as html, markdown and json, %1$s characters in all, and its signature fits the key of the audit trail.'),
    ('report_whole', 'de', 'Ein Bericht wurde als HTML, Markdown und JSON erstellt, zusammen %1$s Zeichen, und seine Signatur passt zum Schlüssel des Protokolls.'),
    ('report_unsealed', 'en', 'No report can be made: the audit trail has not been sealed yet.'),
    ('report_unsealed', 'de', 'Es kann kein Bericht erstellt werden: Das Protokoll ist noch nicht versiegelt.'),
    ('report_no_key', 'en', 'No report can be signed: the keyring has no key of the audit trail.'),
    ('report_no_key', 'de', 'Es kann kein Bericht signiert werden: Der Schlüsselbund hat keinen Schlüssel des Protokolls.'),
    ('report_unsigned', 'en', 'The signature of a report does not fit the key of the audit trail.'),
    ('report_unsigned', 'de', 'Die Signatur eines Berichts passt nicht zum Schlüssel des Protokolls.');

-- A key is not made by looking for it.
CREATE FUNCTION toms.probe_report()
RETURNS SETOF toms.probed LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key constant bytea := CASE WHEN toms.keyring_is_configured() THEN toms.audit_public_key() END;
    document jsonb;
    printed text[];
BEGIN
    RETURN QUERY SELECT c.* FROM toms.found_code() c;
    IF NOT EXISTS (SELECT FROM toms.dataset) THEN
        RETURN NEXT toms.found('fail', 'report_unsealed', NULL, 'SELECT toms.seal_audit();');
        RETURN;
    ELSIF key IS NULL THEN
        RETURN NEXT toms.found('fail', 'report_no_key', NULL, CASE WHEN toms.keyring_is_configured() THEN '-- bring key "audit" back into the keyring: toms-keys restore --escrow …'
                                                                   ELSE toms.set_server('toms.keyring', '…') END);
        RETURN;
    END IF;
    document := toms.report_document('[]', NULL, 'de', NULL);
    printed := ARRAY(SELECT toms.print_report(document, f) FROM unnest('{html,markdown,json}'::text[]) f);
    RETURN NEXT CASE WHEN (SELECT bool_and(coalesce(toms.certificate_key(regexp_replace(p, ' -->$', '')) = key, false)) FROM unnest(printed) p)
                     THEN toms.found('pass', 'report_whole', ARRAY[(SELECT sum(length(p)) FROM unnest(printed) p)::text]) ELSE toms.found('fail', 'report_unsigned') END;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_report() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_report() IS 'internal: whether a report can be made and signed now';
