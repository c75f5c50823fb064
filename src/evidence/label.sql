-- Words of a printed report, in each language, and how texts, days and names are put into them.

INSERT INTO toms.phrase VALUES
    ('report_l_title', 'en', 'Technical and organisational measures'), ('report_l_title', 'de', 'Technische und organisatorische Maßnahmen'),
    ('report_l_subtitle', 'en', 'Annex to the data processing agreement (Art. 28(3)(c), Art. 32 GDPR)'), ('report_l_subtitle', 'de', 'Anlage zum Vertrag über die Auftragsverarbeitung (Art. 28 Abs. 3 lit. c, Art. 32 DSGVO)'),
    ('report_l_made', 'en', 'Made on'), ('report_l_made', 'de', 'Erstellt am'),
    ('report_l_as_of', 'en', 'As of'), ('report_l_as_of', 'de', 'Stand'),
    ('report_l_now', 'en', 'the time it was made'), ('report_l_now', 'de', 'Zeitpunkt der Erstellung'),
    ('report_l_agreement', 'en', 'Agreement'), ('report_l_agreement', 'de', 'Vertrag'),
    ('report_l_agreement_version', 'en', '%1$s, version %2$s, in force since %3$s'), ('report_l_agreement_version', 'de', '%1$s, Fassung %2$s, in Kraft seit %3$s'),
    ('report_l_agreement_none', 'en', 'none on record; all measures are listed'), ('report_l_agreement_none', 'de', 'keiner erfasst; aufgeführt sind alle Maßnahmen'),
    ('report_l_agreement_all', 'en', 'all tenants; all measures are listed'), ('report_l_agreement_all', 'de', 'alle Mandanten; aufgeführt sind alle Maßnahmen'),
    ('report_l_agreement_unknown', 'en', 'The agreement also names measures about which this database can say nothing: %1$s.'), ('report_l_agreement_unknown', 'de', 'Der Vertrag nennt außerdem Maßnahmen, zu denen diese Datenbank keine Aussage treffen kann: %1$s.'),
    ('report_l_processor', 'en', 'Processor'), ('report_l_processor', 'de', 'Auftragsverarbeiter'),
    ('report_l_controller', 'en', 'Controller'), ('report_l_controller', 'de', 'Verantwortlicher'),
    ('report_l_unset', 'en', 'not on record'), ('report_l_unset', 'de', 'nicht erfasst'),
    ('report_l_all_controllers', 'en', 'All controllers whose data this database holds'), ('report_l_all_controllers', 'de', 'Alle Verantwortlichen, deren Daten diese Datenbank enthält'),
    ('report_l_address', 'en', 'Address'), ('report_l_address', 'de', 'Anschrift'),
    ('report_l_contact', 'en', 'Contact'), ('report_l_contact', 'de', 'Kontakt'),
    ('report_l_dpo', 'en', 'Data protection officer'), ('report_l_dpo', 'de', 'Datenschutzbeauftragte/r'),
    ('report_l_representative', 'en', 'Representative'), ('report_l_representative', 'de', 'Vertreter'),
    ('report_l_country', 'en', 'Country'), ('report_l_country', 'de', 'Land'),
    ('report_l_parties', 'en', 'Parties'), ('report_l_parties', 'de', 'Parteien'),
    ('report_l_result', 'en', 'Result'), ('report_l_result', 'de', 'Ergebnis'),
    ('report_l_result_lead', 'en', 'Of %1$s measures: what was found in the running database, or recorded with evidence by whoever answers for it; not what is intended.'), ('report_l_result_lead', 'de', 'Zu %1$s Maßnahmen: was in der laufenden Datenbank vorgefunden oder von den zuständigen Personen belegt wurde, nicht was beabsichtigt ist.'),
    ('report_l_pass', 'en', 'Fulfilled'), ('report_l_pass', 'de', 'Erfüllt'),
    ('report_l_partial', 'en', 'Partly fulfilled'), ('report_l_partial', 'de', 'Teilweise erfüllt'),
    ('report_l_overdue', 'en', 'Overdue'), ('report_l_overdue', 'de', 'Überfällig'),
    ('report_l_fail', 'en', 'Not fulfilled'), ('report_l_fail', 'de', 'Nicht erfüllt'),
    ('report_l_not_applicable', 'en', 'Not applicable'), ('report_l_not_applicable', 'de', 'Nicht anwendbar'),
    ('report_l_count_pass', 'en', '%1$s fulfilled'), ('report_l_count_pass', 'de', '%1$s erfüllt'),
    ('report_l_count_partial', 'en', '%1$s partly fulfilled'), ('report_l_count_partial', 'de', '%1$s teilweise erfüllt'),
    ('report_l_count_overdue', 'en', '%1$s overdue'), ('report_l_count_overdue', 'de', '%1$s überfällig'),
    ('report_l_count_fail', 'en', '%1$s not fulfilled'), ('report_l_count_fail', 'de', '%1$s nicht erfüllt'),
    ('report_l_count_not_applicable', 'en', '%1$s not applicable'), ('report_l_count_not_applicable', 'de', '%1$s nicht anwendbar'),
    ('report_l_letters', 'en', 'By Art. 32(1) GDPR'), ('report_l_letters', 'de', 'Nach Art. 32 Abs. 1 DSGVO'),
    ('report_l_letter', 'en', 'Letter'), ('report_l_letter', 'de', 'Buchstabe'),
    ('report_l_letter_a', 'en', 'a) Pseudonymisation and encryption'), ('report_l_letter_a', 'de', 'a) Pseudonymisierung und Verschlüsselung'),
    ('report_l_letter_b', 'en', 'b) Confidentiality, integrity, availability, resilience'), ('report_l_letter_b', 'de', 'b) Vertraulichkeit, Integrität, Verfügbarkeit, Belastbarkeit'),
    ('report_l_letter_c', 'en', 'c) Restoration after an incident'), ('report_l_letter_c', 'de', 'c) Wiederherstellung nach einem Zwischenfall'),
    ('report_l_letter_d', 'en', 'd) Regular testing and evaluation'), ('report_l_letter_d', 'de', 'd) Regelmäßige Überprüfung und Bewertung'),
    ('report_l_letter_other', 'en', 'Others'), ('report_l_letter_other', 'de', 'Sonstige'),
    ('report_l_total', 'en', 'All'), ('report_l_total', 'de', 'Alle'),
    ('report_l_scope', 'en', 'Scope'), ('report_l_scope', 'de', 'Geltungsbereich'),
    ('report_l_scope_lead', 'en', 'What this report speaks of, and what lies beside it, at the time it was made.'), ('report_l_scope_lead', 'de', 'Worauf sich dieser Bericht erstreckt und was daneben besteht, zum Zeitpunkt der Erstellung.'),
    ('report_l_databases', 'en', 'Databases on this server'), ('report_l_databases', 'de', 'Datenbanken auf diesem Server'),
    ('report_l_databases_count', 'en', '%1$s, of which %2$s with toms'), ('report_l_databases_count', 'de', '%1$s, davon %2$s mit toms'),
    ('report_l_databases_without', 'en', 'Outside of this report: %1$s.'), ('report_l_databases_without', 'de', 'Nicht Gegenstand dieses Berichts: %1$s.'),
    ('report_l_protected', 'en', 'Protected tables'), ('report_l_protected', 'de', 'Geschützte Tabellen'),
    ('report_l_protected_count', 'en', '%1$s, with %2$s partitions'), ('report_l_protected_count', 'de', '%1$s, mit %2$s Partitionen'),
    ('report_l_observed', 'en', 'Observed only, nothing is refused there: %1$s.'), ('report_l_observed', 'de', 'Nur beobachtet, dort wird nichts abgewiesen: %1$s.'),
    ('report_l_locked', 'en', 'Locked by somebody then, and not looked at: %1$s.'), ('report_l_locked', 'de', 'Zu diesem Zeitpunkt gesperrt und nicht betrachtet: %1$s.'),
    ('report_l_unprotected', 'en', 'Tables without protection beside them'), ('report_l_unprotected', 'de', 'Daneben bestehende Tabellen ohne Schutz'),
    ('report_l_replicas', 'en', 'Replicas'), ('report_l_replicas', 'de', 'Replikate'),
    ('report_l_publications', 'en', 'Publications'), ('report_l_publications', 'de', 'Publikationen'),
    ('report_l_publication_one', 'en', '%1$s: %2$s tables, %3$s of them protected'), ('report_l_publication_one', 'de', '%1$s: %2$s Tabellen, davon %3$s geschützt'),
    ('report_l_exports', 'en', 'Disclosures within the last year'), ('report_l_exports', 'de', 'Weitergaben im letzten Jahr'),
    ('report_l_export_one', 'en', '%1$s: %2$s, the last on %3$s (%4$s)'), ('report_l_export_one', 'de', '%1$s: %2$s, zuletzt am %3$s (%4$s)'),
    ('report_l_copies', 'en', 'Declared copies outside of the database'), ('report_l_copies', 'de', 'Gemeldete Kopien außerhalb der Datenbank'),
    ('report_l_copy_one', 'en', '%1$s: %2$s (%3$s)'), ('report_l_copy_one', 'de', '%1$s: %2$s (%3$s)'),
    ('report_l_none', 'en', 'none'), ('report_l_none', 'de', 'keine'),
    ('report_l_more_names', 'en', '%1$s and %2$s more'), ('report_l_more_names', 'de', '%1$s und %2$s weitere'),
    ('report_l_contents', 'en', 'Contents'), ('report_l_contents', 'de', 'Inhalt'),
    ('report_l_measures', 'en', 'Measures'), ('report_l_measures', 'de', 'Maßnahmen'),
    ('report_l_measure', 'en', 'Measure'), ('report_l_measure', 'de', 'Maßnahme'),
    ('report_l_status', 'en', 'Result'), ('report_l_status', 'de', 'Ergebnis'),
    ('report_l_evidence', 'en', 'Evidence'), ('report_l_evidence', 'de', 'Nachweis'),
    ('report_l_limit', 'en', 'Not covered'), ('report_l_limit', 'de', 'Nicht umfasst'),
    ('report_l_remedy', 'en', 'Remedy'), ('report_l_remedy', 'de', 'Abhilfe'),
    ('report_l_enforced', 'en', 'enforced by the database'), ('report_l_enforced', 'de', 'von der Datenbank durchgesetzt'),
    ('report_l_checked', 'en', 'checked by the database'), ('report_l_checked', 'de', 'von der Datenbank geprüft'),
    ('report_l_recorded', 'en', 'recorded, with reviews'), ('report_l_recorded', 'de', 'organisatorisch, mit Überprüfung'),
    ('report_l_algorithms', 'en', 'Algorithms'), ('report_l_algorithms', 'de', 'Verfahren'),
    ('report_l_algorithms_title', 'en', 'Cryptographic algorithms'), ('report_l_algorithms_title', 'de', 'Kryptographische Verfahren'),
    ('report_l_use', 'en', 'Used for'), ('report_l_use', 'de', 'Verwendung'),
    ('report_l_standard', 'en', 'Standard'), ('report_l_standard', 'de', 'Norm'),
    ('report_l_bits', 'en', 'Key length'), ('report_l_bits', 'de', 'Schlüssellänge'),
    ('report_l_bits_n', 'en', '%1$s bits'), ('report_l_bits_n', 'de', '%1$s Bit'),
    ('report_l_about', 'en', 'About this report'), ('report_l_about', 'de', 'Über diesen Bericht'),
    ('report_l_about_text', 'en', 'It was made by the database itself. Its last line is a signature of everything before: whoever has the public key of the audit trail can see with %1$s that not a byte has been altered since.'), ('report_l_about_text', 'de', 'Dieser Bericht wurde von der Datenbank selbst erstellt. Die letzte Zeile ist eine Signatur über alles, was davor steht: Wer den öffentlichen Schlüssel des Protokolls hat, kann mit %1$s feststellen, dass seither kein Byte verändert wurde.'),
    ('report_l_dataset', 'en', 'Data set'), ('report_l_dataset', 'de', 'Datenbestand'),
    ('report_l_node', 'en', 'Node'), ('report_l_node', 'de', 'Knoten'),
    ('report_l_version', 'en', 'Version'), ('report_l_version', 'de', 'Version'),
    ('report_l_version_of', 'en', 'toms %1$s, PostgreSQL %2$s'), ('report_l_version_of', 'de', 'toms %1$s, PostgreSQL %2$s'),
    ('report_l_page', 'en', 'Page'), ('report_l_page', 'de', 'Seite'),
    ('report_l_of', 'en', 'of'), ('report_l_of', 'de', 'von'),
    ('report_l_skip', 'en', 'Skip to the contents'), ('report_l_skip', 'de', 'Zum Inhalt springen');

CREATE FUNCTION toms.label(word text, lang text, VARIADIC args text[] DEFAULT '{}')
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN toms.say('report_l_' || word, args, lang);
REVOKE ALL ON FUNCTION toms.label(text, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.label(text, text, text[]) IS 'internal: words of a printed report';

-- Whatever is in it: no controls, none of those that turn the direction of what follows, and no more than a reader would read. JSON has all.
CREATE FUNCTION toms.printable(words text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN length(p.plain) > 1500 THEN left(p.plain, 1500) || ' …' ELSE p.plain END
    FROM (SELECT regexp_replace(translate(words, U&'\202A\202B\202C\202D\202E\2066\2067\2068\2069', ''), '[\x01-\x08\x0b-\x1f\x7f\u0080-\u009f]', '�', 'g')) p (plain);
$$;
REVOKE ALL ON FUNCTION toms.printable(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.printable(text) IS 'internal: text as it can be printed';

CREATE FUNCTION toms.short_name(name text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN CASE WHEN length(name) > 160 THEN left(name, 160) || ' …' ELSE name END;
REVOKE ALL ON FUNCTION toms.short_name(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.short_name(text) IS 'internal: a name as a heading';

-- 23 November 2026, 06:10 UTC
CREATE FUNCTION toms.say_time(at timestamptz, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT to_char(u, 'FMDD') || CASE lang WHEN 'de' THEN '. ' ELSE ' ' END
        || (CASE lang WHEN 'de' THEN '{Januar,Februar,März,April,Mai,Juni,Juli,August,September,Oktober,November,Dezember}'
                      ELSE '{January,February,March,April,May,June,July,August,September,October,November,December}' END::text[])[to_char(u, 'FMMM')::integer]
        || to_char(u, ' YYYY, HH24:MI "UTC"')
    FROM (SELECT at AT TIME ZONE 'UTC') t (u);
$$;
REVOKE ALL ON FUNCTION toms.say_time(timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.say_time(timestamptz, text) IS 'internal: a time in words';

-- § 147(1) no. 4 AO, as it is written in German.
CREATE FUNCTION toms.say_reference(reference text, lang text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN CASE lang WHEN 'de' THEN replace(regexp_replace(regexp_replace(regexp_replace(reference, ' ?\((\d+[a-z]?)\)', ' Abs. \1', 'g'), '\(([a-z])\)', ' lit. \1', 'g'),
                                                           ' nos?\. ', ' Nr. ', 'g'), ' last subparagraph', ' letzter Unterabsatz') ELSE reference END;
REVOKE ALL ON FUNCTION toms.say_reference(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.say_reference(text, text) IS 'internal: a legal reference';

CREATE FUNCTION toms.say_article(article text, lang text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN regexp_replace(toms.say_reference(article, lang), '^(Art\. [^§]*?)(, §|$)', '\1' || CASE lang WHEN 'de' THEN ' DSGVO' ELSE ' GDPR' END || '\2');
REVOKE ALL ON FUNCTION toms.say_article(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.say_article(text, text) IS 'internal: a legal reference of a measure, with the name of the law';

-- Headings of the annexes are German in either language.
CREATE FUNCTION toms.say_source(source text, lang text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE lang WHEN 'de' THEN regexp_replace(replace(replace(replace(replace(replace(replace(toms.say_reference(source, lang),
               'Absence annex', 'Anlage Abwesenheitsverwaltung'), 'Timeclock agreement, annex', 'Vertrag Zeiterfassung, Anlage'), 'Timeclock agreement', 'Vertrag Zeiterfassung'),
               'Messenger agreement', 'Vertrag Messenger'), 'Remote-support annex', 'Anlage Fernwartung'), 'Processor annex', 'Anlage Auftragsverarbeiter'), '\s+', ' ', 'g')
           ELSE source END;
$$;
REVOKE ALL ON FUNCTION toms.say_source(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.say_source(text, text) IS 'internal: where a measure is promised';

-- The first names of a list, and how many more there are.
CREATE FUNCTION toms.say_names(names jsonb, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE count(*) WHEN 0 THEN toms.label('none', lang)
           ELSE CASE WHEN count(*) > 40 THEN toms.label('more_names', lang, string_agg(n, ', ' ORDER BY i) FILTER (WHERE i <= 40), (count(*) - 40)::text) ELSE string_agg(n, ', ' ORDER BY i) END END
    FROM jsonb_array_elements_text(names) WITH ORDINALITY e (n, i);
$$;
REVOKE ALL ON FUNCTION toms.say_names(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.say_names(jsonb, text) IS 'internal: names in one line';

-- Pairs of label and text: each is one line on page 1.
CREATE FUNCTION toms.scope_lines(scope jsonb, lang text)
RETURNS TABLE (label text, line text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.label(l.label, lang), coalesce(l.line, toms.label('none', lang)) FROM (VALUES
        ('databases', concat_ws(' ', toms.label('databases_count', lang, scope ->> 'databases', scope ->> 'databases_with_toms') || '.',
                                CASE WHEN scope -> 'databases_without_toms' <> '[]' THEN toms.label('databases_without', lang, toms.say_names(scope -> 'databases_without_toms', lang)) END)),
        ('protected', concat_ws(' ', toms.label('protected_count', lang, scope ->> 'protected_tables', scope ->> 'partitions') || '.',
                                CASE WHEN scope -> 'observed_tables' <> '[]' THEN toms.label('observed', lang, toms.say_names(scope -> 'observed_tables', lang)) END,
                                CASE WHEN scope -> 'locked_tables' <> '[]' THEN toms.label('locked', lang, toms.say_names(scope -> 'locked_tables', lang)) END)),
        ('unprotected', toms.say_names(scope -> 'unprotected_tables', lang)),
        ('replicas', (SELECT string_agg(concat_ws(' ', r ->> 'name', '(' || concat_ws(', ', r ->> 'address', toms.say_words(concat_ws(', ', r ->> 'slot', r ->> 'state', r ->> 'sync'), lang)) || ')'), '; ') FROM jsonb_array_elements(scope -> 'replicas') r)),
        ('publications', (SELECT string_agg(toms.label('publication_one', lang, p ->> 'name', p ->> 'tables', p ->> 'protected_tables'), '; ') FROM jsonb_array_elements(scope -> 'publications') p)),
        ('exports', (SELECT string_agg(toms.label('export_one', lang, concat_ws(', ', e ->> 'name', e ->> 'country'), e ->> 'exports', e ->> 'last', toms.say_words(toms.say_names(e -> 'categories', lang), lang)), '; ') FROM jsonb_array_elements(scope -> 'exports') e)),
        ('copies', (SELECT string_agg(toms.label('copy_one', lang, c ->> 'name', c ->> 'place', toms.say_words(toms.say_names(c -> 'categories', lang), lang)), '; ') FROM jsonb_array_elements(scope -> 'copies') c))) l (label, line);
$$;
REVOKE ALL ON FUNCTION toms.scope_lines(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.scope_lines(jsonb, text) IS 'internal: the scope of a report, line by line';
