-- The processor's record of processing (Art. 30(2) GDPR), for each controller, from what is declared and permitted.

INSERT INTO toms.phrase VALUES
    ('record_processor', 'en', 'Processor'),
    ('record_processor', 'de', 'Auftragsverarbeiter'),
    ('record_controller', 'en', 'Controller'),
    ('record_controller', 'de', 'Verantwortlicher'),
    ('record_processing', 'en', 'Categories of processing'),
    ('record_processing', 'de', 'Kategorien von Verarbeitungen'),
    ('record_recipients', 'en', 'Recipients'),
    ('record_recipients', 'de', 'Empfänger'),
    ('record_transfers', 'en', 'Transfers to third countries'),
    ('record_transfers', 'de', 'Übermittlungen an Drittländer'),
    ('record_measures', 'en', 'Technical and organisational measures'),
    ('record_measures', 'de', 'Technische und organisatorische Maßnahmen'),
    ('record_name', 'en', 'Name'),
    ('record_name', 'de', 'Name'),
    ('record_legal_basis', 'en', 'Legal basis: %1$s.'),
    ('record_legal_basis', 'de', 'Rechtsgrundlage: %1$s.'),
    ('record_data', 'en', 'Data: %1$s.'),
    ('record_data', 'de', 'Daten: %1$w.'),
    ('record_persons', 'en', 'Persons: %1$s.'),
    ('record_persons', 'de', 'Personen: %1$s.'),
    ('record_recipient', 'en', '%1$s in %2$s; data: %3$s; instrument: %4$s'),
    ('record_recipient', 'de', '%1$w in %2$s; Daten: %3$w; Garantie: %4$w'),
    ('record_subjects', 'en', 'those named in %1$s.%2$s'),
    ('record_subjects', 'de', 'die in %1$s.%2$s Genannten'),
    ('record_absent', 'en', '–'),
    ('record_absent', 'de', '–'),
    ('record_whole', 'en', 'The record of %2$s of %1$s controllers whose contract goes on is whole: contacts, categories of processing, transfers and measures.'),
    ('record_whole', 'de', 'Das Verzeichnis ist für %2$s von %1$s Verantwortlichen mit laufendem Vertrag vollständig: Kontakte, Kategorien von Verarbeitungen, Übermittlungen und Maßnahmen.'),
    ('record_no_processor', 'en', 'Nobody has said who the processor is: name, address and contact.'),
    ('record_no_processor', 'de', 'Der Auftragsverarbeiter ist nicht erfasst: Name, Anschrift und Kontakt.'),
    ('record_no_dpo', 'en', 'Nobody has said who the processor''s data protection officer is, or that none is needed.'),
    ('record_no_dpo', 'de', 'Der Datenschutzbeauftragte des Auftragsverarbeiters ist nicht erfasst, auch nicht, dass keiner nötig ist.'),
    ('record_no_contact', 'en', 'Of controller %1$s there is no %2$s on record.'),
    ('record_no_contact', 'de', 'Zum Verantwortlichen %1$s fehlt die Angabe: %3$s.'),
    ('record_no_purpose', 'en', 'No purpose is permitted on any protected table: there are no categories of processing.'),
    ('record_no_purpose', 'de', 'Auf keiner geschützten Tabelle ist ein Zweck erlaubt: Es gibt keine Kategorien von Verarbeitungen.'),
    ('record_no_instrument', 'en', 'Recipient %1$s in the third country %2$s has no instrument of transfer in force.'),
    ('record_no_instrument', 'de', 'Für den Empfänger %1$s im Drittland %2$s besteht keine gültige Garantie für die Übermittlung.');

-- An optional category counts once a controller has it enabled.
CREATE FUNCTION toms.processing_categories(of_tenant text)
RETURNS TABLE (purpose text, legal_basis text, description text, categories text[], relations regclass[])
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.purpose, u.legal_basis, u.description, array_agg(DISTINCT c.category ORDER BY c.category), array_agg(DISTINCT p.relation)
    FROM toms.permission p
         JOIN toms.protected_tables t ON t.relation = p.relation AND t.root = t.relation,
         LATERAL unnest(p.purposes) v (purpose) JOIN toms.purpose u ON u.purpose = v.purpose AND NOT u.excluded,
         LATERAL (SELECT unnest(coalesce(p.categories, ARRAY[t.category]))
                  UNION
                  SELECT l.category FROM toms.labelled_columns l
                  WHERE l.relation = p.relation AND (NOT l.optional OR EXISTS (SELECT FROM toms.enabled_category e WHERE e.tenant = of_tenant AND e.category = l.category AND e.disabled_at IS NULL))) c (category)
    WHERE p.valid_from <= now() AND (p.valid_until IS NULL OR p.valid_until > now())
    GROUP BY u.purpose, u.legal_basis, u.description;
$$;
REVOKE ALL ON FUNCTION toms.processing_categories(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.processing_categories(text) IS 'internal: for which purposes which categories are processed for a tenant, by the permissions in force';

CREATE FUNCTION toms.persons_of(relations regclass[], lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(DISTINCT coalesce((SELECT g.persons FROM toms.person_group g WHERE g.relation = r ORDER BY g.id DESC LIMIT 1),
                                        toms.say('record_subjects', ARRAY[r::text, (toms.describe(r)).subject::text], lang)), ', ')
    FROM unnest(relations) r WHERE (toms.describe(r)).subject IS NOT NULL OR EXISTS (SELECT FROM toms.person_group g WHERE g.relation = r);
$$;
REVOKE ALL ON FUNCTION toms.persons_of(regclass[], text) FROM PUBLIC;
COMMENT ON FUNCTION toms.persons_of(regclass[], text) IS 'internal: whom rows of tables are about, as was declared, or the columns that name them';

-- Those who got something of this controller's, or of whom he was told.
CREATE FUNCTION toms.recipients_of(of_tenant text)
RETURNS SETOF toms.recipient LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.* FROM toms.recipient r
    WHERE NOT r.shipped AND r.ended_at IS NULL
      AND (EXISTS (SELECT FROM toms.disclosure d WHERE d.tenant = of_tenant AND d.recipient = r.recipient) OR toms.recipient_state(r.recipient, of_tenant) IN ('consented', 'notified', 'waiting'));
$$;
REVOKE ALL ON FUNCTION toms.recipients_of(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.recipients_of(text) IS 'internal: recipients of a controller''s data';

CREATE FUNCTION toms.record_lines(of_tenant text, lang text)
RETURNS TABLE (n integer, section text, item text, value text)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT 1, 'processor', CASE d.label WHEN 'name' THEN toms.say('record_name', NULL, lang) ELSE toms.label(d.label, lang) END, to_jsonb(p) ->> d.label
    FROM unnest('{name,address,contact,representative,dpo}'::text[]) WITH ORDINALITY d (label, n) LEFT JOIN toms.processor_at(now()) p ON true
    UNION ALL
    SELECT 2, 'controller', CASE d.label WHEN 'name' THEN toms.say('record_name', NULL, lang) ELSE toms.label(d.label, lang) END, to_jsonb(t) ->> d.label
    FROM unnest('{name,address,country,contact,representative,dpo}'::text[]) WITH ORDINALITY d (label, n), toms.tenant t WHERE t.tenant = of_tenant
    UNION ALL
    SELECT 2, 'controller', toms.label('agreement', lang), toms.label('agreement_version', lang, a.name, a.version, a.valid_from::date::text) FROM toms.reported_agreement(of_tenant, now()) a
    UNION ALL
    SELECT 3, 'processing', c.purpose,
           concat_ws(' ', rtrim(c.description, '.') || '.', toms.say('record_legal_basis', ARRAY[c.legal_basis], lang), toms.say('record_data', ARRAY[array_to_string(c.categories, ', ')], lang), toms.say('record_persons', ARRAY[toms.persons_of(c.relations, lang)], lang))
    FROM (SELECT * FROM toms.processing_categories(of_tenant) ORDER BY purpose COLLATE "C") c
    UNION ALL
    SELECT CASE WHEN toms.is_eea(r.country) THEN 4 ELSE 5 END, CASE WHEN toms.is_eea(r.country) THEN 'recipients' ELSE 'transfers' END, r.recipient,
           toms.say('record_recipient', ARRAY[r.kind, r.country, array_to_string(r.categories, ', '), concat_ws(' ', r.transfer_instrument, r.instrument_from::text, '–' || r.instrument_expires::text)], lang)
    FROM (SELECT * FROM toms.recipients_of(of_tenant) ORDER BY recipient COLLATE "C") r
    UNION ALL
    SELECT 6, 'measures', CASE lang WHEN 'de' THEN c.title_de ELSE c.title_en END,
           (SELECT string_agg(DISTINCT CASE lang WHEN 'de' THEN m.title_de ELSE m.title_en END, '; ') FROM toms.measure m
            WHERE m.control = c.control AND NOT EXISTS (SELECT FROM toms.excluded_measures x WHERE x.measure = m.measure)
              AND (m.measure = ANY (a.measures) OR a.measures IS NULL OR NOT a.measures && ARRAY(SELECT k.measure FROM toms.measure k)))
    FROM (SELECT * FROM toms.control ORDER BY position) c LEFT JOIN toms.reported_agreement(of_tenant, now()) a ON true;
$$;
REVOKE ALL ON FUNCTION toms.record_lines(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.record_lines(text, text) IS 'internal: lines of the record of processing, those without a value too';

CREATE FUNCTION toms.processing_record(tenant text, lang text DEFAULT 'en')
RETURNS TABLE (section text, item text, value text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' AS $$
#variable_conflict use_column
BEGIN
    PERFORM toms.check_language(lang);
    IF NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = processing_record.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', processing_record.tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    RETURN QUERY
    WITH lines AS MATERIALIZED (SELECT row_number() OVER () AS i, l.* FROM toms.record_lines(processing_record.tenant, lang) l)
    SELECT toms.say('record_' || s.section, NULL, lang), l.item, coalesce(l.value, toms.say('record_absent', NULL, lang))
    FROM unnest('{processor,controller,processing,recipients,transfers,measures}'::text[]) WITH ORDINALITY s (section, n)
         LEFT JOIN lines l ON l.n = s.n AND (l.value IS NOT NULL OR l.n <= 2)
    ORDER BY s.n, l.i;
END
$$;
REVOKE ALL ON FUNCTION toms.processing_record(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.processing_record(text, text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.processing_record(text, text) IS 'the record of processing on behalf of a controller (Art. 30(2) GDPR): contacts, categories of processing, recipients, transfers, measures';

-- what the check says of it --------------------------------------------------------------------------

CREATE FUNCTION toms.record_gaps()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.found('fail', 'record_no_processor', NULL, 'SELECT toms.set_processor(name => ''…'', address => ''…'', contact => ''…'', dpo => ''…'');')
    WHERE NOT EXISTS (SELECT FROM toms.processor)
    UNION ALL
    SELECT toms.found('fail', 'record_no_dpo', NULL, format('SELECT toms.set_processor(name => %L, address => %L, contact => %L, dpo => ''…'', representative => %L);', p.name, p.address, p.contact, p.representative))
    FROM toms.processor_at(now()) p WHERE p.dpo IS NULL
    UNION ALL
    SELECT toms.found('fail', 'record_no_contact', ARRAY[t.tenant, d.label, toms.say('report_l_' || d.label, NULL, 'de')], format('SELECT toms.update_tenant(%L, %I => ''…'');', t.tenant, d.label), t.tenant)
    FROM toms.tenant t, unnest('{address,contact,representative}'::text[]) d (label)
    WHERE (t.ended_at IS NULL OR t.ended_at > now()) AND coalesce(to_jsonb(t) ->> d.label, '') = ''
      AND (d.label <> 'representative' OR NOT toms.is_eea(t.country))      -- Art. 27
    UNION ALL
    SELECT toms.found('fail', 'record_no_purpose', NULL, 'SELECT toms.permit(role => ''…'', relation => ''…'', verbs => ''{select}'', purposes => ''{…}'');')
    WHERE NOT EXISTS (SELECT FROM toms.processing_categories(NULL))
    UNION ALL
    SELECT toms.found('fail', 'record_no_instrument', ARRAY[r.recipient, r.country],
                      format('SELECT toms.add_recipient(%L, kind => %L, country => %L, categories => %L, transfer_instrument => ''scc'', agreement => %L, parent => %L, contact => %L);',
                             r.recipient, r.kind, r.country, r.categories, r.agreement, r.parent, r.contact), t.tenant)
    FROM toms.tenant t, LATERAL toms.recipients_of(t.tenant) r
    WHERE (t.ended_at IS NULL OR t.ended_at > now()) AND NOT toms.transfer_is_covered(r, 'instrument');
$$;
REVOKE ALL ON FUNCTION toms.record_gaps() FROM PUBLIC;
COMMENT ON FUNCTION toms.record_gaps() IS 'internal: what Art. 30(2) asks for and nobody has said';

CREATE FUNCTION toms.probe_record()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH gaps AS MATERIALIZED (SELECT g.* FROM toms.record_gaps() g),
         going_on AS (SELECT t.tenant FROM toms.tenant t WHERE t.ended_at IS NULL OR t.ended_at > now())
    SELECT g.* FROM gaps g
    UNION ALL
    SELECT (toms.found('pass', 'record_whole', ARRAY[w.of::text, w.whole::text])).*
    FROM (SELECT count(*) AS of, count(*) FILTER (WHERE NOT EXISTS (SELECT FROM gaps g WHERE g.tenant IS NULL OR g.tenant = o.tenant)) AS whole FROM going_on o) w
    WHERE w.whole > 0 OR w.of = 0 AND NOT EXISTS (SELECT FROM gaps);
$$;
REVOKE ALL ON FUNCTION toms.probe_record() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_record() IS 'internal: whether the record of processing has all that Art. 30(2) asks for';
