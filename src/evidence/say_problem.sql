-- What hinders something, in the reader's language. It is kept as it was said when it happened, in English: a sentence of toms itself is
-- found again by the phrase that it was made of, an error of PostgreSQL by its SQLSTATE. Of an error without one nothing is quoted.

INSERT INTO toms.phrase
SELECT 'problem_' || p.name, l.lang, l.text
FROM (VALUES
    -- rules of retention
    ('table_gone', 'its table is gone', 'ihre Tabelle fehlt'),
    ('table_open', 'its table is not protected any more', 'ihre Tabelle ist nicht mehr geschützt'),
    ('table_observed', 'its table is not enforced any more', 'ihre Tabelle wird nur noch beobachtet'),
    ('start_gone', 'its start event is gone', 'ihr Startereignis fehlt'),
    ('through_gone', 'the column that leads to its start event is gone', 'die Spalte, die zu ihrem Startereignis führt, fehlt'),
    ('emptied_gone', 'a column that it empties is gone', 'eine Spalte, die sie leert, fehlt'),
    ('zone', 'its time zone is not known', 'ihre Zeitzone ist nicht bekannt'),
    ('zone_of', 'the time zone of rule %1$s is not known any more', 'die Zeitzone von Regel %1$s ist nicht mehr bekannt'),
    ('start_of', 'the start event of rule %1$s is not in column "%2$s" of %3$s any more', 'das Startereignis von Regel %1$s steht nicht mehr in Spalte „%2$s“ von %3$s'),
    ('categories', 'too many rules of categories concern the same rows', 'zu viele Regeln für Kategorien betreffen dieselben Zeilen'),
    ('relation_gone', 'table with OID %1$s is not there any more', 'die Tabelle mit der OID %1$s fehlt'),
    ('bypasses', 'table %1$s is owned by a role that bypasses row security', 'die Tabelle %1$s gehört einer Rolle, die die Zeilensicherheit umgeht'),
    ('unprotected', 'table %1$s is not protected', 'die Tabelle %1$s ist nicht geschützt'),
    ('kept_by_trigger', 'a trigger or a rule of table %1$s keeps rows', 'ein Trigger oder eine Regel der Tabelle %1$s hält Zeilen fest'),
    ('kept_by_policy', 'a trigger, a rule or a policy of table %1$s keeps rows', 'ein Trigger, eine Regel oder eine Policy der Tabelle %1$s hält Zeilen fest'),
    ('other_session', 'another session carries out this rule', 'eine andere Sitzung führt diese Regel aus'),
    -- ends of contracts
    ('hold_on_keys', 'a hold keeps the keys and the trail', 'eine Sperre bewahrt die Schlüssel und das Protokoll'),
    ('hold_on_all', 'a hold keeps all of the tenant', 'eine Sperre bewahrt alles von diesem Mandanten'),
    ('transactions', 'transactions go on that began before the return window closed', 'noch laufen Transaktionen, die vor dem Ende der Rückgabefrist begannen'),
    ('rows_kept', '%1$s rows are left, %2$s of them under a hold or for as long as the law demands', '%1$s Zeilen sind übrig, davon %2$s unter einer Sperre oder solange das Gesetz es verlangt'),
    ('rows_left', '%1$s rows are left: %2$s', '%1$s Zeilen sind übrig: %2$e'),
    ('rows_stay', 'rows of %1$s cannot be deleted: SQLSTATE %2$s', 'Zeilen von %1$s sind nicht löschbar: %2$e'),
    ('referred', 'other rows refer to them', 'andere Zeilen verweisen auf sie'),
    ('failed', 'failed: SQLSTATE %1$s', 'gescheitert: %1$e'),
    -- the place of the log outside
    ('place', '"%1$s": %2$s', '„%1$s“: %2$e'),
    ('place_relative', 'the path is not absolute', 'der Pfad ist nicht absolut'),
    ('place_file', 'it is not a directory', 'dort ist kein Verzeichnis'),
    ('place_foreign', 'it belongs to another user than the server''s', 'es gehört einem anderen Benutzer als dem des Servers'),
    ('place_open', 'others than its owner have access to it', 'nicht nur sein Eigentümer hat Zugriff darauf'),
    ('place_inside', 'it lies inside the data directory', 'es liegt im Datenverzeichnis'),
    ('place_closed', 'the server cannot write into it', 'der Server kann dort nicht schreiben'),
    ('other', 'see the server log', 'siehe das Log des Servers')) p (name, en, de),
    LATERAL (VALUES ('en', p.en), ('de', p.de)) l (lang, text);

-- What retention tells of an error is a list of these.
INSERT INTO toms.phrase VALUES
    ('error_state', 'en', 'SQLSTATE %1$s'), ('error_state', 'de', '%1$e'),
    ('error_constraint', 'en', 'constraint %1$s'), ('error_constraint', 'de', 'Bedingung %1$s'),
    ('error_table', 'en', 'table %1$s'), ('error_table', 'de', 'Tabelle %1$s'),
    ('error_locked', 'en', 'rows are locked by others'), ('error_locked', 'de', 'Zeilen sind von anderen gesperrt');

-- By SQLSTATE, or else its class.
INSERT INTO toms.phrase
SELECT 'sqlstate_' || s.code, l.lang, l.text
FROM (VALUES
    ('08', 'connection lost', 'unterbrochene Verbindung'), ('0A', 'not supported', 'nicht unterstützt'), ('22', 'invalid value', 'ungültiger Wert'), ('23', 'constraint violated', 'verletzte Bedingung'),
    ('25', 'wrong state of the transaction', 'falscher Zustand der Transaktion'), ('28', 'log-in refused', 'abgelehnte Anmeldung'), ('40', 'transaction broken off', 'abgebrochene Transaktion'),
    ('42501', 'privilege missing', 'fehlendes Recht'), ('42', 'object missing or invalid', 'fehlendes oder ungültiges Objekt'), ('53', 'server out of resources', 'erschöpfte Mittel des Servers'),
    ('54', 'limit exceeded', 'überschrittene Grenze'), ('55P03', 'locked by others', 'von anderen gesperrt'), ('55', 'wrong state', 'falscher Zustand'), ('57', 'broken off', 'abgebrochen'),
    ('58', 'error of the operating system', 'Fehler des Betriebssystems'), ('58P01', 'file missing', 'fehlende Datei'), ('XX', 'internal error', 'innerer Fehler'), ('', 'error', 'Fehler')) s (code, en, de),
    LATERAL (VALUES ('en', s.en), ('de', s.de)) l (lang, text);

CREATE FUNCTION toms.say_sqlstate(sqlstate text, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('%s (SQLSTATE %s)', p.text, sqlstate) FROM toms.phrase p
    WHERE p.lang = say_sqlstate.lang AND p.phrase IN ('sqlstate_' || left(sqlstate, 5), 'sqlstate_' || left(sqlstate, 2), 'sqlstate_') ORDER BY length(p.phrase) DESC LIMIT 1;
$$;
REVOKE ALL ON FUNCTION toms.say_sqlstate(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.say_sqlstate(text, text) IS 'internal: which kind of error a SQLSTATE is, in a language';

-- One sentence of toms, by what it was made of; NULL: it is none.
CREATE FUNCTION toms.say_sentence(kind text, sentence text, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.say(made.phrase, regexp_match(sentence, made.pattern), lang)
    FROM (SELECT p.phrase, '^' || regexp_replace(regexp_replace(p.text, '[.()]', '\\\&', 'g'), '%\d\$s', '(.*)', 'g') || '$' AS pattern
          FROM toms.phrase p WHERE p.lang = 'en' AND starts_with(p.phrase, kind || '_')) made
    WHERE sentence ~ made.pattern ORDER BY length(made.pattern) DESC LIMIT 1;
$$;
REVOKE ALL ON FUNCTION toms.say_sentence(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.say_sentence(text, text, text) IS 'internal: a sentence that toms has made of a phrase, in a language; NULL: it has not';

CREATE FUNCTION toms.say_problem(problem text, lang text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN lang = 'en' OR problem !~ '[[:alnum:]]' THEN problem
                ELSE coalesce(toms.say_sentence('problem', problem, lang),      -- before SQLSTATEs: it may begin with a number of rows
                              CASE WHEN problem ~ '^[0-9A-Z]{5}( |$)' THEN toms.say_sqlstate(problem, lang) END,
                              (SELECT CASE WHEN bool_and(p.said IS NOT NULL) THEN string_agg(p.said, ', ' ORDER BY p.n) END
                               FROM (SELECT toms.say_sentence('error', s, lang) AS said, n FROM regexp_split_to_table(problem, ', ') WITH ORDINALITY w (s, n)) p),
                              toms.say('problem_other', NULL, lang)) END;
$$;
REVOKE ALL ON FUNCTION toms.say_problem(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.say_problem(text, text) IS 'internal: what hinders something, in a language';
