-- What nobody has protected, and looks as if it were about persons: by names, types and contents of columns, by foreign keys that
-- lead to persons, and by the company that a table keeps. It reads, and changes nothing.

CREATE TYPE toms.personal_word AS (says text, pattern text);
COMMENT ON TYPE toms.personal_word IS 'internal: what a column of such a name holds';

-- Names as toms.suggest_word() writes them: small letters, words parted by _, in the singular. By the rules of some databases
-- ä, ö, ü and ß are no letters.
CREATE FUNCTION toms.personal_words()
RETURNS SETOF toms.personal_word LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT v.says, '(^|_)(' || regexp_replace(v.words, '([äöüß])', '[\1_]', 'g') || ')($|_)'
    FROM (VALUES
        ('health', 'sick|sicknes|sickness|illnes|illness|diagnosis|diagnose|icd|disability|pregnant|pregnancy|medication|allergy|vaccination|vaccine|immunisation|blood_group|'
                   || 'krank|krankheit|krankmeldung|krankenstand|arbeitsunfaehig|arbeitsunfähig|behinderung|schwerbehindert|schwanger|schwangerschaft|medikament|allergie|impfung|impfstatus|blutgruppe|befund'),
        ('a special category', 'religion|religiou|denomination|konfession|ethnic|ethnicity|race|herkunft|union_member|gewerkschaft|political|partei|sexual|sex_life|fingerprint|fingerabdruck|biometric|biometrie|face_id|iris'),
        ('a credential', 'password|passwd|pwd|passphrase|kennwort|passwort|password_hash|pin|puk'),
        ('a name', 'first_name|firstname|last_name|lastname|surname|given_name|family_name|full_name|fullname|maiden_name|middle_name|vorname|nachname|familienname|geburtsname|zuname|rufname'),
        ('a birth', 'birth|birthday|birthdate|birth_date|date_of_birth|dob|birthplace|geburt|geburtstag|geburtsdatum|geburtsort|geb_datum|gebdat'),
        ('an e-mail address', 'email|e_mail|mail_address|mailadresse|email_adresse'),
        ('a telephone number', 'phone|telephone|mobile|mobile_number|cell|cellphone|fax|telefon|telefonnummer|handy|handynummer|mobilnummer|mobiltelefon|rufnummer|festnetz'),
        ('a postal address', 'street|street_address|home_addres|home_address|house_number|zip|zip_code|postcode|postal_code|strasse|straße|hausnummer|plz|postleitzahl|wohnort|anschrift|wohnadresse'),
        ('a bank account', 'iban|bic|account_holder|bank_account|kontonummer|kontoinhaber|bankverbindung|credit_card|card_number|kreditkarte'),
        ('a number of a person', 'ssn|social_security|social_security_number|tax_id|tax_number|passport|passport_number|id_card|driver_license|driving_licence|insurance_number|employee_number|staff_number|'
                                 || 'steuernummer|steuer_id|steueridentifikationsnummer|sozialversicherungsnummer|sv_nummer|ausweisnummer|personalnummer|versichertennummer|kvnr|führerschein|fuehrerschein'),
        ('a location', 'latitude|longitude|lat|lng|lon|gps|geolocation|geo_position|standort|breitengrad|laengengrad|längengrad'),
        ('a device or its address', 'ip|ip_addres|ip_address|ip_adresse|remote_addr|mac_addres|mac_address|user_agent|device_id|imei'),
        ('circumstances of a person', 'salary|wage|gender|marital_statu|marital_status|nationality|citizenship|gehalt|lohn|geschlecht|familienstand|staatsangehoerigkeit|staatsangehörigkeit|steuerklasse|kinderzahl|photo|foto|portrait')
    ) v (says, words);
$$;
REVOKE ALL ON FUNCTION toms.personal_words() FROM PUBLIC;
COMMENT ON FUNCTION toms.personal_words() IS 'internal: words by which columns about persons are told, in English and German';

-- Partitions go with their root, what an extension brings is its own, and what tells which migrations have run is about nobody.
CREATE FUNCTION toms.open_tables()
RETURNS TABLE (relation regclass, schema name, relkind "char", beside_protected boolean)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH locked AS MATERIALIZED (SELECT array_agg(l) AS relids FROM toms.locked_tables() l),
    tables AS MATERIALIZED (
        SELECT c.oid::regclass AS relation, c.relname, n.oid AS schema_oid, n.nspname AS schema, c.relkind,
               CASE WHEN c.oid = ANY (k.relids) THEN EXISTS (SELECT FROM pg_seclabel s WHERE s.provider = 'toms' AND s.classoid = 'pg_class'::regclass AND s.objoid = c.oid AND s.objsubid = 0)
                    ELSE (toms.describe(c.oid::regclass)).root IS NOT NULL END AS is_protected
        FROM locked k, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't' AND n.nspname <> ALL ('{pg_catalog,information_schema,toms}') AND n.nspname !~ '^pg_'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')),
    schemas AS MATERIALIZED (SELECT DISTINCT t.schema_oid FROM tables t WHERE t.is_protected)
    SELECT t.relation, t.schema, t.relkind, t.schema_oid IN (SELECT s.schema_oid FROM schemas s) AND NOT toms.suggest_is_history(t.relname)
    FROM tables t WHERE NOT t.is_protected;
$$;
REVOKE ALL ON FUNCTION toms.open_tables() FROM PUBLIC;
COMMENT ON FUNCTION toms.open_tables() IS 'internal: tables that are not protected, and whether others of their schema are';

-- Of the first 200 rows, where reading them runs nobody's code. Nothing is waited for longer than probes wait; what could not be read is told, with no
-- column: else an owner would hide what his table holds by taking the right to read it from himself.
CREATE FUNCTION toms.personal_contents(relation regclass, cols name[])
RETURNS TABLE (col name, says text) LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    patterns constant text[] := ARRAY['[[:alnum:]._%+-]+@[[:alnum:].-]+\.[[:alpha:]]{2,}', '^[A-Z]{2}[0-9]{2} ?([A-Z0-9]{4} ?){2,7}[A-Z0-9]{1,4}$', '^(\+|00)[1-9][0-9 ()/-]{7,20}$'];
    hints constant text[] := ARRAY['strpos(s.%1$I, ''@'') > 0', 'substr(s.%1$I, 3, 2) BETWEEN ''00'' AND ''99'' COLLATE "C"', 'left(s.%1$I, 1) IN (''+'', ''0'')'];   -- cheap to look for, and without them it is none
    kinds constant text[] := ARRAY['e-mail addresses', 'bank accounts', 'telephone numbers'];
    hits boolean[];
BEGIN
    IF NOT toms.suggest_owner_reads(relation, relation) THEN
        RETURN QUERY SELECT NULL::name, 'its owner may not read it';
        RETURN;
    ELSIF NOT toms.suggest_may_read(relation) THEN
        RETURN QUERY SELECT NULL::name, 'reading it would run code of somebody else, or ask another server';
        RETURN;
    END IF;
    hits := toms.suggest_ask(relation, (SELECT format('SELECT ARRAY[%s] FROM (SELECT %s FROM %s LIMIT 200) s', string_agg(format('coalesce(bool_or(CASE WHEN ' || p.hint || ' THEN s.%1$I ~ %2$L END), false)', 'c' || c.n, p.pattern), ', ' ORDER BY c.n, p.n),
                           (SELECT string_agg(format('left(%I::text, 2000) AS %I', l.col, 'c' || l.n), ', ') FROM unnest(cols) WITH ORDINALITY l (col, n)), relation)
             FROM unnest(cols) WITH ORDINALITY c (col, n), unnest(hints, patterns) WITH ORDINALITY p (hint, pattern, n)))::boolean[];
    RETURN QUERY
    SELECT c.col, string_agg(kinds[p.n], ', ' ORDER BY p.n) FROM unnest(cols) WITH ORDINALITY c (col, n), generate_subscripts(patterns, 1) p (n)
    WHERE hits[(c.n - 1) * cardinality(patterns) + p.n] GROUP BY c.col;
EXCEPTION
    WHEN object_not_in_prerequisite_state THEN      -- a materialized view that has not been filled holds nothing
        RETURN;
    WHEN lock_not_available THEN
        RETURN QUERY SELECT NULL::name, 'somebody has locked it';
    WHEN OTHERS THEN                                -- not the message, in which values may be
        RETURN QUERY SELECT NULL::name, format('an error, %s, came of it', SQLSTATE);
END
$$;
REVOKE ALL ON FUNCTION toms.personal_contents(regclass, name[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.personal_contents(regclass, name[]) IS 'internal: what columns hold that looks like an e-mail address, a bank account or a telephone number; no column: why nobody can tell';

CREATE FUNCTION toms.personal_columns()
RETURNS TABLE (relation regclass, schema name, col name, says text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH words AS MATERIALIZED (SELECT * FROM toms.personal_words()),
    any_word AS MATERIALIZED (SELECT string_agg(w.pattern, '|') AS pattern FROM words w),       -- one search instead of a dozen
    columns AS MATERIALIZED (
        SELECT t.relation, t.schema, t.relkind, a.attname, a.attnum, toms.suggest_word(a.attname) AS word, coalesce(nullif(y.typbasetype, 0), y.oid)::regtype AS type, y.typnamespace, y.typcategory
        FROM toms.open_tables() t JOIN pg_attribute a ON a.attrelid = t.relation AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type y ON y.oid = a.atttypid),
    tried AS MATERIALIZED (SELECT c.*, c.word ~ a.pattern AS is_word FROM columns c, any_word a),
    told AS MATERIALIZED (
        SELECT c.*, CASE WHEN c.typnamespace = 'toms'::regnamespace THEN 'sealed values'
                         WHEN w.says IS NOT NULL THEN w.says
                         WHEN toms.suggest_person_rank(c.word, 'user') <= 2 AND c.word <> toms.suggest_stem(c.word) THEN 'whose a row is'
                         WHEN c.type IN ('inet'::regtype, 'cidr'::regtype, 'macaddr'::regtype, 'macaddr8'::regtype) THEN 'a device or its address' END AS says
        FROM tried c LEFT JOIN LATERAL (SELECT p.says FROM words p
            WHERE c.is_word AND c.word ~ p.pattern AND (c.typcategory = 'S' OR p.says NOT IN ('a name', 'an e-mail address', 'a credential')) LIMIT 1) w ON true),
    unknown AS MATERIALIZED (
        SELECT u.relation, u.schema, array_agg(u.attname ORDER BY u.attnum) AS cols FROM told u
        WHERE u.says IS NULL AND u.relkind <> 'f' AND u.type IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'json'::regtype, 'jsonb'::regtype, 'xml'::regtype) GROUP BY u.relation, u.schema)
    SELECT t.relation, t.schema, t.attname, 'its name or type says: ' || t.says FROM told t WHERE t.says IS NOT NULL
    UNION ALL
    SELECT u.relation, u.schema, c.col, CASE WHEN c.col IS NULL THEN 'its contents could not be looked at: ' ELSE 'its values look like: ' END || c.says
    FROM unknown u, LATERAL toms.personal_contents(u.relation, u.cols) c;
END
$$;
REVOKE ALL ON FUNCTION toms.personal_columns() FROM PUBLIC;
COMMENT ON FUNCTION toms.personal_columns() IS 'internal: columns of unprotected tables that look as if they were about persons; no column: a table whose contents nobody could look at';

-- What somebody has looked at: a table with other columns, or of which something else is said, is another one, whatever its name. An
-- object's number would not do: a dump that is restored has others, and what a table made anew with the same columns may hold, the old one could.
CREATE FUNCTION toms.coverage_id(finding text, relation regclass, col name, says text)
RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat_ws(':', finding, relation || coalesce('.' || quote_ident(col), ''),
                     left(encode(sha256(convert_to(concat_ws(E'\n', c.relkind, says, (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, NULL)), ', ' ORDER BY a.attname COLLATE "C")
                                                                                     FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped)), 'UTF8')), 'hex'), 8))
    FROM pg_class c WHERE c.oid = relation;
$$;
REVOKE ALL ON FUNCTION toms.coverage_id(text, regclass, name, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.coverage_id(text, regclass, name, text) IS 'internal: by what name somebody looks at a finding about a table';

-- What leads to persons is told of all tables, or, if one that matters is locked, of none: then it is that one that is told.
CREATE FUNCTION toms.ways_if_free()
RETURNS TABLE (finding text, relation regclass, says text, remedy text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT 'unread_table', l::regclass, 'what leads to data subjects could not be looked at: somebody has locked it', NULL FROM toms.locked_tables() l
    WHERE EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND l IN (f.conrelid, f.confrelid))
       OR EXISTS (SELECT FROM pg_seclabel s WHERE s.provider = 'toms' AND s.classoid = 'pg_class'::regclass AND s.objoid = l AND s.objsubid = 0);
    IF NOT FOUND THEN
        RETURN QUERY SELECT DISTINCT ON (u.relation, u.finding) 'undeclared_way', u.relation, u.finding, u.remedy FROM toms.undeclared_ways() u;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.ways_if_free() FROM PUBLIC;
COMMENT ON FUNCTION toms.ways_if_free() IS 'internal: toms.undeclared_ways(), or the tables that stand in its way';

CREATE FUNCTION toms.found_uncovered()
RETURNS TABLE (finding text, relation regclass, col name, says text, schema name, remedy text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN p.col IS NULL THEN 'unread_table' ELSE 'personal_column' END, p.relation, p.col, p.says, p.schema,
           CASE WHEN p.col IS NOT NULL THEN format('SELECT toms.suggest(%L);', quote_ident(p.schema))
                WHEN p.says LIKE '%its owner may not read it' THEN (SELECT format('GRANT USAGE ON SCHEMA %I TO %s; GRANT SELECT ON %s TO %2$s;', p.schema, c.relowner::regrole, p.relation) FROM pg_class c WHERE c.oid = p.relation) END
    FROM toms.personal_columns() p
    UNION ALL
    SELECT w.finding, w.relation, NULL::name, w.says, n.nspname, w.remedy
    FROM toms.ways_if_free() w JOIN pg_class c ON c.oid = w.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    UNION ALL
    SELECT 'unprotected_neighbour', t.relation, NULL, 'other tables of its schema are protected', t.schema, NULL FROM toms.open_tables() t WHERE t.beside_protected
    UNION ALL
    SELECT 'large_object', 'pg_largeobject'::regclass, NULL, 'no policy applies to large objects, and no erasure reaches them', 'pg_catalog',
           '-- keep it in a column of a protected table, as bytea or toms.sealed_bytea; then: SELECT lo_unlink(…);' WHERE EXISTS (SELECT FROM pg_largeobject_metadata);
$$;
REVOKE ALL ON FUNCTION toms.found_uncovered() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_uncovered() IS 'internal: what nobody has protected; no remedy: toms.suggest(), or somebody who looks at it';

CREATE FUNCTION toms.coverage()
RETURNS TABLE (id text, finding text, relation text, col name, says text, remedy text, state text, looked_at_by text, reason text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
    SELECT i.id, f.finding, f.relation::text, f.col, f.says,
           coalesce(f.remedy, format('SELECT toms.suggest(%L);   -- or, if it is about nobody: SELECT toms.acknowledge_finding(%L, by => ''…'', reason => ''…'');', quote_ident(f.schema), i.id)),
           coalesce(n.state, 'open'), n.person, n.reason
    FROM toms.found_uncovered() f, LATERAL (SELECT toms.coverage_id(f.finding, f.relation, f.col, f.says) AS id OFFSET 0) i, LATERAL toms.note_of_finding(i.id) n
    ORDER BY f.relation::text, f.finding, f.col, f.says;
$$;
REVOKE ALL ON FUNCTION toms.coverage() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.coverage() TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.coverage() IS 'what nobody has protected and looks as if it were about persons: columns by name, type and content, tables that lead to persons, neighbours of protected tables, large objects, and tables whose contents could not be looked at; with the SQL to begin with, and who has looked at it';
