-- Evidence: measures that were promised, and what the database itself can say about each, now.
--
-- A measure names a probe, a function toms.probe_…(); several measures may name the same one. A probe looks at what is there,
-- or tries what must fail, changes nothing, and gives rows of toms.probed. What it has to say is a phrase with
-- arguments, so that the same result can be told in several languages.
--
-- The probes are in probe_*.sql, by what they look at, or at the end of the file that has their register: incidents,
-- agreements, findings, the record, the report. Measures are in measure_<system>.sql, what people vouch for in organisation.sql.

CREATE TYPE toms.probed AS (
    status text,        -- pass, partial, overdue, fail: the worst of a measure's rows is its status
    phrase text,        -- of toms.phrase
    args   text[],      -- what it is about, put into the phrase in order
    remedy text,        -- SQL that mends it, as it can be run; NULL: nothing to mend, or no SQL does
    tenant text         -- the row is about this tenant alone; NULL: about none in particular
);
COMMENT ON TYPE toms.probed IS 'internal: one thing that a probe has found';

-- The headings of the annex: those of the old § 9 BDSG, by which annexes are ordered still, and what came with the GDPR.
CREATE TABLE toms.control (
    control  text PRIMARY KEY,
    position integer NOT NULL UNIQUE,
    title_en text NOT NULL,
    title_de text NOT NULL
);
REVOKE ALL ON toms.control FROM PUBLIC;
GRANT SELECT ON toms.control TO toms_admin, toms_auditor, toms_operator;
COMMENT ON TABLE toms.control IS 'headings of an annex of technical and organisational measures';
INSERT INTO toms.control VALUES
    ('premises', 1, 'Physical access', 'Zutrittskontrolle'),
    ('system', 2, 'Access to systems', 'Zugangskontrolle'),
    ('access', 3, 'Access to data', 'Zugriffskontrolle'),
    ('transfer', 4, 'Transfer', 'Weitergabekontrolle'),
    ('input', 5, 'Input', 'Eingabekontrolle'),
    ('orders', 6, 'Processing on instruction', 'Auftragskontrolle'),
    ('availability', 7, 'Availability', 'Verfügbarkeitskontrolle'),
    ('separation', 8, 'Separation', 'Trennungsgebot'),
    ('pseudonyms', 9, 'Pseudonymisation', 'Pseudonymisierung'),
    ('encryption', 10, 'Encryption', 'Verschlüsselung'),
    ('deletion', 11, 'Deletion', 'Löschkonzept'),
    ('evaluation', 12, 'Regular evaluation', 'Evaluierung');

CREATE TABLE toms.measure (
    measure  text PRIMARY KEY,
    position integer NOT NULL UNIQUE,   -- in lists
    system   text NOT NULL CHECK (system IN ('absence', 'timeclock', 'remote_support', 'messenger', 'processor')),
    control  text NOT NULL,             -- of toms.control
    kind     text NOT NULL CHECK (kind IN ('enforced', 'checked', 'recorded')),
    title_en text NOT NULL,
    title_de text NOT NULL,
    source   text NOT NULL,             -- where it is promised: annex, section, bullet
    article  text NOT NULL,             -- the legal reference, of the GDPR unless another law is named
    letter   "char" CHECK (letter IN ('a', 'b', 'c', 'd')),     -- of Art. 32(1)
    probe    text,                      -- toms.probe_<probe>(); NULL: nothing but reviews
    reviewed boolean NOT NULL,          -- a person has to look at it by a date
    limit_en text NOT NULL,             -- what it does not cover
    limit_de text NOT NULL,
    CHECK (probe IS NOT NULL OR reviewed)
);
REVOKE ALL ON toms.measure FROM PUBLIC;
GRANT SELECT ON toms.measure TO toms_admin, toms_auditor, toms_operator;
COMMENT ON TABLE toms.measure IS 'technical and organisational measures that processors promise, and how toms answers for each';

CREATE TABLE toms.measure_part (
    part     text PRIMARY KEY,          -- P-O.1/2
    measure  text NOT NULL,             -- of toms.measure
    position integer NOT NULL,          -- within it
    title_en text NOT NULL,
    title_de text NOT NULL,
    probed   boolean NOT NULL,          -- what the probe of the measure finds is about this one
    reviewed boolean NOT NULL,          -- a person answers for it
    phrases  text,                      -- of what the probe finds, those phrases are about it that match; NULL: all
    UNIQUE (measure, position),
    CHECK (probed OR reviewed)
);
REVOKE ALL ON toms.measure_part FROM PUBLIC;
GRANT SELECT ON toms.measure_part TO toms_admin, toms_auditor, toms_operator;
COMMENT ON TABLE toms.measure_part IS 'promises that share a measure, each of which is answered for by itself';

CREATE TABLE toms.phrase (
    phrase text,
    lang   text CHECK (lang IN ('en', 'de')),
    text   text NOT NULL,               -- as for format(): %1$s is the first argument; one that is a word of toms itself, or a list of
                                        -- such, is %1$w, a kind of entries of the trail %1$k, a legal reference
                                        -- %1$a, a period %1$p, what hinders something %1$e
    PRIMARY KEY (phrase, lang)
);
REVOKE ALL ON toms.phrase FROM PUBLIC;
COMMENT ON TABLE toms.phrase IS 'internal: what probes and reports say, in each language';

INSERT INTO toms.phrase VALUES
    ('probe_failed', 'en', 'It could not be looked at: %1$s (%2$s).'),
    ('probe_failed', 'de', 'Die Prüfung war nicht möglich: %2$e.'),
    ('probe_silent', 'en', 'The probe %1$s has said nothing.'),
    ('probe_silent', 'de', 'Die Prüfung %1$s hat kein Ergebnis geliefert.'),
    ('more', 'en', '… and %1$s more.'),
    ('more', 'de', '… und %1$s weitere.'),
    ('excluded', 'en', 'Not applicable: %1$s (%2$s, %3$s).'),
    ('excluded', 'de', 'Nicht anwendbar: %1$s (%2$s, %3$s).');

CREATE FUNCTION toms.say(phrase text, args text[], lang text)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    words constant text := (SELECT p.text FROM toms.phrase p WHERE (p.phrase, p.lang) = (say.phrase, say.lang));
    spoken text[] := coalesce(args, '{}');
    n integer;
    kind text;
BEGIN
    IF words IS NULL THEN
        RAISE EXCEPTION 'there is no phrase "%" in language "%"', phrase, lang USING ERRCODE = 'undefined_object';
    END IF;
    FOR n, kind IN SELECT m[1]::integer, m[2] FROM regexp_matches(words, '%(\d+)\$([wkape])', 'g') m LOOP
        spoken[n] := CASE kind WHEN 'w' THEN toms.say_words(args[n], lang) WHEN 'k' THEN split_part(toms.trail_in_words(args[n], lang), ': ', 2)
                               WHEN 'a' THEN toms.say_reference(args[n], lang) WHEN 'e' THEN toms.say_problem(args[n], lang) ELSE toms.say_period(args[n], lang) END;
    END LOOP;
    RETURN format(regexp_replace(words, '(%\d+\$)[wkape]', '\1s', 'g'), VARIADIC spoken);
END
$$;
REVOKE ALL ON FUNCTION toms.say(text, text[], text) FROM PUBLIC;
COMMENT ON FUNCTION toms.say(text, text[], text) IS 'internal: a phrase with its arguments, in a language';

CREATE FUNCTION toms.found(status text, phrase text, args text[] DEFAULT NULL, remedy text DEFAULT NULL, tenant text DEFAULT NULL)
RETURNS toms.probed LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN ROW(status, phrase, args, remedy, tenant)::toms.probed;
REVOKE ALL ON FUNCTION toms.found(text, text, text[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.found(text, text, text[], text, text) IS 'internal: a row of a probe';

CREATE FUNCTION toms.check_language(lang text)
RETURNS void LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF lang IS NULL OR lang NOT IN ('en', 'de') THEN
        RAISE EXCEPTION 'toms speaks "en" and "de", not "%"', lang USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_language(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_language(text) IS 'internal: refuse a language in which there are no phrases';
