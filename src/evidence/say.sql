-- Words of toms itself that what is found has in it: categories, duties, kinds and states, and how long something is. What is found
-- keeps them as they stand in tables; a phrase says which of its arguments they are, and toms.say() puts them into the reader's language.
-- A word that has no phrase, a category of the installation's own for instance, stays as it is.

INSERT INTO toms.phrase
SELECT 'word_' || w.word, l.lang, l.text
FROM (VALUES
    -- categories of data
    ('personal', NULL, 'Personendaten'), ('health', NULL, 'Gesundheit'), ('special', 'special categories', 'besondere Kategorien'), ('credential', 'credentials', 'Zugangsdaten'),
    ('billing', NULL, 'Abrechnung'), ('location', NULL, 'Standort'), ('biometric', 'biometrics', 'Biometrie'),
    -- duties of officers, and what passes permissions
    ('admin', 'administration', 'Verwaltung'), ('auditor', NULL, 'Prüfung'), ('operator', NULL, 'Betrieb'), ('superuser', NULL, 'Superuser'),
    -- results
    ('pass', NULL, 'erfüllt'), ('partial', NULL, 'teilweise erfüllt'), ('overdue', NULL, 'überfällig'), ('fail', NULL, 'nicht erfüllt'), ('not_applicable', 'not applicable', 'nicht anwendbar'),
    -- instructions and requests
    ('access', NULL, 'Auskunft'), ('portability', NULL, 'Übertragung'), ('rectify', NULL, 'Berichtigung'), ('erase', NULL, 'Löschung'), ('restrict', NULL, 'Einschränkung'),
    ('unrestrict', 'end of a restriction', 'Aufhebung einer Einschränkung'), ('object', 'objection', 'Widerspruch'), ('withdraw', 'withdrawal of consent', 'Widerruf einer Einwilligung'),
    ('decision', 'automated decision', 'automatisierte Entscheidung'), ('other', NULL, 'Sonstiges'), ('export', NULL, 'Export'), ('end_tenant', 'end of the contract', 'Vertragsende'),
    ('tenant_end', 'end of the contract', 'Vertragsende'), ('erase_category', 'erasure of a category', 'Löschung einer Kategorie'), ('enable_category', 'enabling a category', 'Einschalten einer Kategorie'), ('audit_values', 'recording of values', 'Aufzeichnung von Werten'),
    ('given', NULL, 'erteilt'), ('confirmed', NULL, 'bestätigt'), ('suspended', NULL, 'ausgesetzt'), ('refused', NULL, 'abgelehnt'), ('withdrawn', NULL, 'zurückgezogen'), ('carried_out', 'carried out', 'ausgeführt'),
    -- recipients and transfers
    ('controller', NULL, 'Verantwortlicher'), ('processor', NULL, 'weiterer Auftragsverarbeiter'), ('sub_processor', 'sub-processor', 'Unterauftragsverarbeiter'), ('authority', NULL, 'Behörde'), ('data_subject', 'data subject', 'betroffene Person'),
    ('none', NULL, 'keines'), ('adequacy', 'adequacy decision', 'Angemessenheitsbeschluss'), ('scc', 'standard contractual clauses', 'Standardvertragsklauseln'), ('bcr', 'binding corporate rules', 'verbindliche interne Datenschutzvorschriften'),
    ('certification', NULL, 'Zertifizierung'), ('eu_only', 'EU alone', 'nur EU'), ('adequacy_only', 'adequacy decision alone', 'nur Angemessenheitsbeschluss'), ('instrument', NULL, 'Garantie'), ('instrument_and_consent', 'instrument and consent', 'Garantie und Zustimmung'),
    -- what is wrong with the audit trail
    ('dataset_changed', 'data set changed', 'Datenbestand geändert'), ('segment_changed', 'segment changed', 'Abschnitt geändert'), ('block_missing', 'block missing', 'Block fehlt'), ('block_changed', 'block changed', 'Block geändert'),
    ('missing', NULL, 'fehlt'), ('changed', NULL, 'geändert'), ('added', NULL, 'hinzugefügt'), ('unsealed', NULL, 'unversiegelt'), ('outside_changed', 'seal outside changed', 'Siegel außerhalb geändert'),
    ('outside_missing', 'seal outside missing', 'Siegel außerhalb fehlt'), ('pruning_changed', 'record of pruning changed', 'Nachweis der Bereinigung geändert'),
    -- periods begin, replicas follow, free text is taken
    ('event', NULL, 'Ereignis'), ('end_of_month', 'end of the month', 'Monatsende'), ('end_of_year', 'end of the year', 'Jahresende'),
    ('async', 'asynchronous', 'asynchron'), ('sync', 'synchronous', 'synchron'), ('potential', 'synchronous if need be', 'bei Bedarf synchron'), ('quorum', 'synchronous, one of several', 'synchron, einer von mehreren'),
    ('startup', 'starting', 'startet'), ('catchup', 'catching up', 'holt auf'), ('streaming', NULL, 'folgt'), ('backup', NULL, 'sichert'), ('stopping', NULL, 'hält an'), ('away', NULL, 'nicht verbunden'), ('physical', NULL, 'physisch'), ('logical', NULL, 'logisch'),
    ('sealed', NULL, 'versiegelt'), ('accept', 'accepted', 'angenommen'), ('refuse', 'refused', 'abgelehnt'), ('on', NULL, 'ein'), ('off', NULL, 'aus'), ('required', NULL, 'verlangt'), ('role', NULL, 'Rolle'), ('database', NULL, 'Datenbank'), ('the server', NULL, 'den Server'), ('clear text', NULL, 'Klartext')) w (word, en, de),
    LATERAL (VALUES ('en', coalesce(w.en, w.word)), ('de', w.de)) l (lang, text);

CREATE FUNCTION toms.word(word text, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT p.text FROM toms.phrase p WHERE (p.phrase, p.lang) = ('word_' || word.word, word.lang));
REVOKE ALL ON FUNCTION toms.word(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.word(text, text) IS 'internal: a word of toms itself in a language; NULL: it is none';

-- Of a list, each part is a word, or begins with one: role app in database hr.
CREATE FUNCTION toms.say_words(words text, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(m[1] || coalesce(toms.word(m[2] || m[3], lang), coalesce(toms.word(m[2], lang), m[2]) || m[3]), '' ORDER BY n)
    FROM regexp_matches(words, '(^|, | in )([^ ,]*)((?:(?!, | in ).)*)', 'g') WITH ORDINALITY p (m, n);
$$;
REVOKE ALL ON FUNCTION toms.say_words(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.say_words(text, text) IS 'internal: words of toms itself, one or a list, in a language';

-- A setting of the server, or an interval.
CREATE FUNCTION toms.say_period(period text, lang text)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET intervalstyle = 'postgres' AS $$
BEGIN
    RETURN toms.period_in_words(period::interval, lang);
EXCEPTION WHEN invalid_datetime_format THEN
    RETURN period;
END
$$;
REVOKE ALL ON FUNCTION toms.say_period(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.say_period(text, text) IS 'internal: how long something is, in a language';
