-- Probes of what columns hold: sealed values, closed types, categories, hashes of passwords, pseudonyms.

INSERT INTO toms.phrase VALUES
    ('sealed_none', 'en', 'No column of a protected table is sealed.'),
    ('sealed_none', 'de', 'Keine Spalte einer geschützten Tabelle ist versiegelt.'),
    ('sealed_columns', 'en', '%1$s columns of %2$s tables are ciphertext on disk, in WAL, dumps, replicas and backups: %3$s.'),
    ('sealed_columns', 'de', 'Nur verschlüsselt, auf der Platte, im WAL, in Dumps, Replikaten und Sicherungen, sind %1$s Spalten (Tabellen: %2$s): %3$s.'),
    ('sealed_keyring', 'en', 'No keyring is set, so nothing can be sealed or opened.'),
    ('sealed_keyring', 'de', 'Kein Schlüsselbund ist eingerichtet; nichts kann versiegelt oder geöffnet werden.'),
    ('sealed_clear', 'en', 'Column %1$s of %2$s is of a special category and in clear text.'),
    ('sealed_clear', 'de', 'Die Spalte %1$s von %2$s gehört zu einer besonderen Kategorie und steht im Klartext.'),
    ('sealed_beside', 'en', 'Beside the sealed columns of %1$s these are in clear text: %2$s.'),
    ('sealed_beside', 'de', 'Neben den versiegelten Spalten von %1$s stehen im Klartext: %2$s.'),
    ('sealed_nothing', 'en', 'All of %1$s is of a special category and no column of it is sealed: %2$s.'),
    ('sealed_nothing', 'de', '%1$s gehört insgesamt zu einer besonderen Kategorie, und keine Spalte ist versiegelt: %2$s.'),
    ('sealed_by_value', 'en', 'Which rows of %1$s are of category %2$s is told by columns in clear text.'),
    ('sealed_by_value', 'de', 'Welche Zeilen von %1$s zur Kategorie %2$w gehören, verraten Spalten im Klartext.'),
    ('sealed_null', 'en', 'Where column %1$s of %2$s is NULL, that is in clear text.'),
    ('sealed_null', 'de', 'Wo die Spalte %1$s von %2$s NULL ist, steht das im Klartext.'),
    ('sealed_label', 'en', 'The label of sealed column %1$s of %2$s is gone, so its values cannot be told from others''.'),
    ('sealed_label', 'de', 'Die Kennzeichnung der versiegelten Spalte %1$s von %2$s fehlt; ihre Werte sind ihr nicht mehr zuzuordnen.'),
    ('leak_existence', 'en', 'Who has a row in %1$s, and since when, is in clear text, and tells of a special category by itself.'),
    ('leak_existence', 'de', 'Wer eine Zeile in %1$s hat und seit wann, steht im Klartext und verrät schon eine besondere Kategorie.'),
    ('minimisation_closed', 'en', '%1$s tables of special categories with %2$s columns take closed types only: %3$s. DDL that adds another is refused.'),
    ('minimisation_closed', 'de', 'Tabellen besonderer Kategorien, die nur geschlossene Typen aufnehmen: %1$s, mit zusammen %2$s Spalten (%3$s). DDL-Anweisungen, die andere hinzufügen, werden abgelehnt.'),
    ('minimisation_rule', 'en', '%1$s takes free text (%2$s), as an officer has decided.'),
    ('minimisation_rule', 'de', '%1$s nimmt Freitext auf (%2$w), wie ein Beauftragter entschieden hat.'),
    ('minimisation_column', 'en', 'Column %1$s of %2$s is of type %3$s, which takes anything.'),
    ('minimisation_column', 'de', 'Die Spalte %1$s von %2$s hat den Typ %3$s, der alles aufnimmt.'),
    ('certificate_free', 'en', 'No column, default or constraint of %1$s tables of special categories demands a file; columns that can take one: %2$s.'),
    ('certificate_free', 'de', 'Keine Spalte, Vorgabe oder Bedingung der Tabellen besonderer Kategorien (%1$s) verlangt eine Datei; Spalten, die eine aufnehmen können: %2$s.'),
    ('certificate_demanded', 'en', 'Column %1$s of %2$s, which takes a file, has %3$s.'),
    ('certificate_demanded', 'de', 'Die Spalte %1$s von %2$s, die eine Datei aufnimmt, hat %3$s.'),
    ('certificate_referred', 'en', 'Column %1$s of %2$s is NOT NULL and refers to %3$s, which holds files.'),
    ('certificate_referred', 'de', 'Die Spalte %1$s von %2$s ist NOT NULL und verweist auf %3$s mit Dateien.'),
    ('pattern_held', 'en', 'Columns of category %1$s whose constraint admits nothing else: %2$s.'),
    ('pattern_held', 'de', 'Spalten der Kategorie %1$w, deren Bedingung nichts anderes zulässt: %2$s.'),
    ('pattern_open', 'en', 'Column %2$s of %3$s is of category %1$s, and no constraint keeps clear text out.'),
    ('pattern_open', 'de', 'Die Spalte %2$s von %3$s gehört zur Kategorie %1$w, und keine Bedingung hält Klartext fern.'),
    ('pattern_unproven', 'en', 'Constraint %2$s of %3$s holds for new rows only; those that are there were not looked at (category %1$s).'),
    ('pattern_unproven', 'de', 'Die Bedingung %2$s von %3$s gilt nur für neue Zeilen; vorhandene wurden nicht geprüft (Kategorie %1$w).'),
    ('pattern_none', 'en', 'No column of a protected table is declared as of category %1$s.'),
    ('pattern_none', 'de', 'Keine Spalte einer geschützten Tabelle ist als Kategorie %1$w gekennzeichnet.'),
    ('credentials_unlabelled', 'en', 'Column %1$s of %2$s looks like one of passwords, and is of no category credential.'),
    ('credentials_unlabelled', 'de', 'Die Spalte %1$s von %2$s sieht nach Kennwörtern aus und hat nicht die Kategorie credential.'),
    ('credentials_server', 'en', 'password_encryption is %1$s, so passwords of log-ins are stored as hashes that are broken easily.'),
    ('credentials_server', 'de', 'password_encryption ist %1$s; Kennwörter von Datenbankkonten werden als leicht zu brechende Hashes gespeichert.'),
    ('credentials_md5', 'en', 'The password of log-in %1$s is stored as MD5.'),
    ('credentials_md5', 'de', 'Das Kennwort des Kontos %1$s ist als MD5 gespeichert.'),
    ('pseudonyms_clear', 'en', 'Persons are known by clear ids in %1$s tables: %2$s.'),
    ('pseudonyms_clear', 'de', 'In %1$s Tabellen stehen Personen mit ihren wirklichen Kennungen: %2$s.'),
    ('categories_none', 'en', 'No column has a category of its own.'),
    ('categories_none', 'de', 'Keine Spalte hat eine eigene Kategorie.'),
    ('categories_labelled', 'en', '%1$s columns have a category of their own, %2$s of them are written for tenants that have enabled it only: %3$s.'),
    ('categories_labelled', 'de', 'Spalten mit eigener Kategorie: %1$s; davon nur für Mandanten beschreibbar, die sie eingeschaltet haben: %2$s (%3$s).'),
    ('categories_undone', 'en', 'Column %1$s of %2$s was declared as of category %3$s, and its label is gone.'),
    ('categories_undone', 'de', 'Die Spalte %1$s von %2$s war als Kategorie %3$w gekennzeichnet, und die Kennzeichnung fehlt.'),
    ('categories_uninstructed', 'en', 'Category %1$s is enabled without an instruction that was confirmed.'),
    ('categories_uninstructed', 'de', 'Die Kategorie %1$w ist ohne bestätigte Weisung eingeschaltet.'),
    ('objections_kept', 'en', '%1$s objections are in force. Columns and tables whose categories can be objected to: %2$s.'),
    ('objections_kept', 'de', 'Geltende Widersprüche: %1$s. Spalten und Tabellen, deren Kategorien widersprochen werden kann: %2$s.'),
    ('objections_unreached', 'en', '%1$s holds data of category %2$s and has no data subject, so no objection reaches it.'),
    ('objections_unreached', 'de', '%1$s enthält Daten der Kategorie %2$w und hat keine betroffene Person; kein Widerspruch erreicht sie.'),
    ('objections_trigger', 'en', 'Trigger %2$s of %1$s is gone or does not fire, so a new objection is not heeded at once.'),
    ('objections_trigger', 'de', 'Der Trigger %2$s von %1$s fehlt oder feuert nicht; ein neuer Widerspruch wird nicht sofort beachtet.');

-- Columns of protected tables: what they hold, and whether they say whose the row is.
CREATE FUNCTION toms.columns_of(relations regclass[], OUT relation regclass, OUT col name, OUT number smallint, OUT type regtype, OUT sealed regtype, OUT matter text,
                                OUT not_null boolean, OUT is_key boolean, OUT category text, OUT of_table text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.relation, a.attname, a.attnum, a.atttypid::regtype, s.base::regtype, toms.type_matter(a.atttypid), a.attnotnull,
           a.attname IN (SELECT k FROM unnest(ARRAY[d.tenant, d.subject, d.parent_key, d.type_column]) k WHERE k IS NOT NULL), l.category, d.category
    FROM unnest(relations) r (relation) CROSS JOIN LATERAL toms.describe(r.relation) d
         JOIN pg_attribute a ON a.attrelid = r.relation AND a.attnum > 0 AND NOT a.attisdropped
         LEFT JOIN toms.sealed_types() s ON s.type = a.atttypid
         LEFT JOIN toms.labelled_columns l ON l.relation = r.relation AND l.col = a.attname;
$$;
REVOKE ALL ON FUNCTION toms.columns_of(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.columns_of(regclass[]) IS 'internal: columns of protected tables';

CREATE FUNCTION toms.is_special(category text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM toms.category c WHERE c.category = is_special.category AND c.article9);
$$;
REVOKE ALL ON FUNCTION toms.is_special(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.is_special(text) IS 'internal: whether a category is of Art. 9 GDPR';

-- sealed values --------------------------------------------------------------------------------

-- What is of a special category and not sealed.  A column without a category of its own is of its table's.
CREATE FUNCTION toms.clear_values(relations regclass[]) RETURNS SETOF toms.probed
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH col AS MATERIALIZED (SELECT c.* FROM toms.columns_of(relations) c), special AS MATERIALIZED (SELECT g.category FROM toms.category g WHERE g.article9)
    SELECT (toms.found('fail', 'sealed_clear', ARRAY[c.col, c.relation]::text[], format('SELECT toms.seal_column(%L, %L);', c.relation, c.col))).*
    FROM col c WHERE c.sealed IS NULL AND NOT c.is_key
      AND (c.category IN (SELECT * FROM special) OR c.category IS NULL AND c.matter = 'open' AND c.of_table IN (SELECT * FROM special))
    UNION ALL
    SELECT (CASE WHEN bool_or(c.sealed IS NOT NULL) THEN toms.found('partial', 'sealed_beside', ARRAY[c.relation::text, string_agg(c.col, ', ' ORDER BY c.number) FILTER (WHERE c.sealed IS NULL)])
            ELSE toms.found('fail', 'sealed_nothing', ARRAY[c.relation::text, string_agg(c.col, ', ' ORDER BY c.number)], format('SELECT toms.seal_column(%L, ''…'');', c.relation)) END).*
    FROM col c WHERE NOT c.is_key AND c.of_table IN (SELECT * FROM special)
    GROUP BY c.relation HAVING bool_or(c.sealed IS NULL)
    UNION ALL
    SELECT (toms.found('partial', 'sealed_by_value', ARRAY[l.relation::text, l.category])).*
    FROM toms.row_labels l WHERE l.relation = ANY (relations) AND l.category IN (SELECT * FROM special)
    UNION ALL
    SELECT (toms.found('partial', 'leak_existence', ARRAY[e.object])).* FROM toms.existence_leaks(relations) e
    UNION ALL
    SELECT (toms.found('partial', 'sealed_null', ARRAY[c.col, c.relation]::text[], format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL;', c.relation, c.col))).*
    FROM col c WHERE c.sealed IS NOT NULL AND NOT c.not_null AND c.sealed <> 'toms.sealed_bytea'::regtype;
$$;
REVOKE ALL ON FUNCTION toms.clear_values(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.clear_values(regclass[]) IS 'internal: values of special categories that are in clear text';

CREATE FUNCTION toms.probe_sealed() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sealing constant regclass[] := ARRAY(SELECT DISTINCT c.relation FROM toms.columns_of(toms.protected_roots()) c WHERE c.sealed IS NOT NULL);
    looked constant regclass[] := ARRAY(SELECT unnest(sealing) UNION SELECT unnest(toms.special_roots()));
BEGIN
    RETURN QUERY SELECT * FROM toms.policy_faults(looked);
    RETURN QUERY SELECT * FROM toms.clear_values(looked);
    RETURN QUERY
    SELECT (toms.found('fail', 'sealed_label', ARRAY[c.col, c.relation]::text[], '-- restore the label from the last dump: SECURITY LABEL FOR toms_seal ON COLUMN …')).*
    FROM toms.columns_of(sealing) c
    WHERE c.sealed IS NOT NULL
      AND NOT EXISTS (SELECT FROM pg_seclabel l WHERE l.provider = 'toms_seal' AND l.classoid = 'pg_class'::regclass AND l.objoid = c.relation AND l.objsubid = c.number);
    IF NOT toms.keyring_is_configured() THEN
        RETURN NEXT toms.found('fail', 'sealed_keyring', NULL, E'ALTER SYSTEM SET toms.keyring = ''…'';\nSELECT pg_reload_conf();');
    END IF;
    IF sealing = '{}' THEN
        RETURN NEXT toms.found('fail', 'sealed_none', NULL, format('SELECT toms.seal_column(%L, ''…'');', coalesce(looked[1]::text, '…')));
    ELSE
        RETURN QUERY
        SELECT (toms.found('pass', 'sealed_columns', ARRAY[count(*)::text, cardinality(sealing)::text, string_agg(format('%s.%I', c.relation, c.col), ', ' ORDER BY c.relation::text COLLATE "C", c.number)])).*
        FROM toms.columns_of(sealing) c WHERE c.sealed IS NOT NULL;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_sealed() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_sealed() IS 'internal: whether health data is ciphertext wherever it lies';

-- data minimisation ----------------------------------------------------------------------------

CREATE FUNCTION toms.probe_minimisation() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    looked constant regclass[] := ARRAY(SELECT r FROM unnest(toms.special_roots()) r, toms.describe(r) d WHERE toms.is_special(d.category));
BEGIN
    IF looked = '{}' THEN
        RETURN NEXT toms.no_table('health');
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM toms.policy_faults(looked);
    RETURN QUERY
    SELECT (toms.found(CASE d.free_text WHEN 'sealed' THEN 'partial' ELSE 'fail' END, 'minimisation_rule', ARRAY[r::text, d.free_text], toms.protect_call(r, free_text => 'refuse'))).*
    FROM unnest(looked) r, toms.describe(r) d WHERE d.free_text <> 'refuse';
    RETURN QUERY
    SELECT (toms.found('fail', 'minimisation_column', ARRAY[c.col, c.relation, c.type]::text[], format(E'ALTER TABLE %s DROP COLUMN %I;', c.relation, c.col))).*
    FROM toms.columns_of(looked) c WHERE NOT c.is_key AND (c.matter = 'open' OR c.matter = 'sealed' AND c.sealed IS DISTINCT FROM 'toms.sealed_bytea'::regtype);
    RETURN QUERY
    SELECT (toms.found('pass', 'minimisation_closed', ARRAY[count(*)::text, sum(t.columns)::text, string_agg(t.relation::text, ', ' ORDER BY t.relation::text COLLATE "C")])).*
    FROM (SELECT c.relation, count(*) AS columns FROM toms.columns_of(looked) c, toms.describe(c.relation) d
          WHERE d.free_text = 'refuse' GROUP BY c.relation
          HAVING NOT bool_or(NOT c.is_key AND (c.matter = 'open' OR c.matter = 'sealed' AND c.sealed IS DISTINCT FROM 'toms.sealed_bytea'::regtype))) t
    HAVING count(*) > 0;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_minimisation() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_minimisation() IS 'internal: whether tables of special categories take no free text';

-- What makes it mandatory that a file is there: the column itself, a constraint, or a reference to where files are.
CREATE FUNCTION toms.demanded_files(relations regclass[]) RETURNS SETOF toms.probed
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH file AS MATERIALIZED (
        SELECT a.attrelid::regclass AS relation, a.attname AS col, a.attnum, a.attnotnull, t.typnotnull, d.oid AS default
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN toms.sealed_types() s ON s.type = a.atttypid LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
        WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 17
          AND (s.base = 'toms.sealed_bytea'::regtype OR 'bytea'::regtype IN (t.oid, t.typbasetype) OR 'oid'::regtype IN (t.oid, t.typbasetype))
          AND a.attrelid IN (SELECT unnest(relations) UNION SELECT f.confrelid FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = ANY (relations))
    )
    SELECT (toms.found('fail', 'certificate_demanded', ARRAY[f.col::text, f.relation::text, w.what], format('ALTER TABLE %s %s;', f.relation, w.remedy))).*
    FROM file f, LATERAL (
        SELECT 'NOT NULL' AS what, format('ALTER COLUMN %I DROP NOT NULL', f.col) AS remedy WHERE f.attnotnull
        UNION ALL SELECT 'DEFAULT', format('ALTER COLUMN %I DROP DEFAULT', f.col) WHERE f.default IS NOT NULL
        UNION ALL SELECT format('CHECK %I', c.conname), format('DROP CONSTRAINT %I', c.conname) FROM pg_constraint c WHERE c.contype = 'c' AND c.conrelid = f.relation AND f.attnum = ANY (c.conkey)) w
    WHERE f.relation = ANY (relations)
    UNION ALL
    SELECT (toms.found('fail', 'certificate_referred', ARRAY[a.attname, k.conrelid::regclass, k.confrelid::regclass]::text[], format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL;', k.conrelid::regclass, a.attname))).*
    FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) CROSS JOIN LATERAL toms.describe(k.conrelid) d
    WHERE k.contype = 'f' AND k.conrelid = ANY (relations) AND k.confrelid <> k.conrelid AND k.confrelid IN (SELECT f.relation FROM file f)
      AND a.attnotnull AND a.attname <> ALL (array_remove(ARRAY[d.tenant, d.subject], NULL))
      AND NOT EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = k.conrelid AND o.attnum = ANY (k.conkey) AND NOT o.attnotnull);
$$;
REVOKE ALL ON FUNCTION toms.demanded_files(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.demanded_files(regclass[]) IS 'internal: what makes a file mandatory in a table';

CREATE FUNCTION toms.probe_certificate_optional() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    looked constant regclass[] := toms.special_roots();
BEGIN
    IF looked = '{}' THEN
        RETURN NEXT toms.no_table('health');
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM toms.demanded_files(looked);
    RETURN QUERY
    SELECT (toms.found('fail', 'sealed_clear', ARRAY[c.col, c.relation]::text[], format('SELECT toms.seal_column(%L, %L);', c.relation, c.col))).*
    FROM toms.columns_of(looked) c WHERE c.sealed IS NULL AND c.type IN ('bytea'::regtype, 'oid'::regtype);
    RETURN QUERY
    SELECT (toms.found('pass', 'certificate_free', ARRAY[cardinality(looked)::text,
                       coalesce(string_agg(format('%s.%I', c.relation, c.col), ', ' ORDER BY c.relation::text COLLATE "C", c.number) FILTER (WHERE c.sealed = 'toms.sealed_bytea'::regtype), '–')])).*
    FROM toms.columns_of(looked) c;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_certificate_optional() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_certificate_optional() IS 'internal: whether an absence can be entered without a certificate';

-- categories -----------------------------------------------------------------------------------

CREATE FUNCTION toms.probe_categories() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    roots constant regclass[] := toms.protected_roots();
    looked constant regclass[] := ARRAY(SELECT DISTINCT l.relation FROM toms.labelled_columns l WHERE l.relation = ANY (roots));
BEGIN
    RETURN QUERY
    SELECT (toms.found('fail', 'categories_undone', ARRAY[h.col, h.relation_name, h.category],
                       format('SELECT toms.label_column(%L, %L, category => %L%s);', h.relation_name, h.col, h.category, CASE WHEN h.optional THEN ', optional => true' END))).*
    FROM (SELECT DISTINCT ON (p.relation_name, w.col) p.relation_name, p.action, p.category, w.col, p.detail LIKE '%, optional' AS optional
          FROM toms.protection_history p, LATERAL (SELECT regexp_replace(p.detail, ', optional$', '') AS col) w
          WHERE p.action IN ('label_column', 'unlabel_column') ORDER BY p.relation_name, w.col, p.id DESC) h
         JOIN pg_attribute a ON a.attrelid = to_regclass(h.relation_name) AND a.attname = h.col AND NOT a.attisdropped
         CROSS JOIN LATERAL toms.describe(a.attrelid) d
    WHERE h.action = 'label_column' AND d.root = a.attrelid
      AND NOT EXISTS (SELECT FROM toms.labelled_columns l WHERE l.relation = a.attrelid AND l.col = h.col AND l.category = h.category AND l.optional = h.optional);
    RETURN QUERY
    SELECT (toms.found('fail', 'categories_uninstructed', ARRAY[e.category], format('SELECT toms.disable_category(%L, %L);', e.tenant, e.category), e.tenant)).*
    FROM toms.enabled_category e WHERE e.disabled_at IS NULL
      AND NOT EXISTS (SELECT FROM toms.instruction i WHERE i.id = e.instruction AND i.tenant = e.tenant AND i.kind = 'enable_category' AND i.state IN ('confirmed', 'carried_out'));
    RETURN QUERY SELECT * FROM toms.policy_faults(looked);
    IF looked = '{}' THEN
        RETURN NEXT toms.found('fail', 'categories_none', NULL, 'SELECT toms.label_column(''…'', ''…'', category => ''…'', optional => true);');
    ELSE
        RETURN QUERY
        SELECT (toms.found('pass', 'categories_labelled', ARRAY[count(*)::text, (count(*) FILTER (WHERE l.optional))::text,
                           string_agg(format('%s.%I (%s)', l.relation, l.col, l.category), ', ' ORDER BY l.relation::text COLLATE "C", l.col)])).*
        FROM toms.labelled_columns l WHERE l.relation = ANY (looked);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_categories() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_categories() IS 'internal: whether optional categories are written for tenants alone that have enabled them';

CREATE FUNCTION toms.probe_objections() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    roots constant regclass[] := toms.protected_roots();
BEGIN
    IF roots = '{}' THEN
        RETURN NEXT toms.no_table();
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM toms.silent_triggers('{toms.objection,toms.objection,toms.objection}', '{invalidate,~toms_declaration,~toms_declaration_truncate}', 'objections_trigger');
    RETURN QUERY
    SELECT (toms.found('fail', 'objections_unreached', ARRAY[l.relation::text, string_agg(DISTINCT l.category, ', ')], toms.protect_call(l.relation, subject => '…'))).*
    FROM toms.labelled_columns l, toms.describe(l.relation) d WHERE d.root = l.relation AND d.subject IS NULL GROUP BY l.relation;
    RETURN QUERY SELECT * FROM toms.policy_faults(roots);
    RETURN QUERY
    SELECT (toms.found('pass', 'objections_kept', ARRAY[(SELECT count(*) FROM toms.objection o WHERE o.ended_at IS NULL)::text,
                       coalesce((SELECT string_agg(format('%s.%I (%s)', l.relation, l.col, l.category), ', ' ORDER BY l.relation::text COLLATE "C", l.col)
                                 FROM toms.labelled_columns l WHERE l.relation = ANY (roots)), '–')])).*;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_objections() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_objections() IS 'internal: whether objections are heeded';

-- values of one form ---------------------------------------------------------------------------

-- The regular expression that a CHECK holds a column against, if that is all it does; a literal with quotes is none of ours.
CREATE FUNCTION toms.checked_pattern(expression text, col name) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
    SELECT CASE WHEN c.start IS NOT NULL AND right(expression, 8) = '''::text)' AND position('''' IN p.pattern) = 0 THEN p.pattern END
    FROM (SELECT s FROM unnest(ARRAY[format('(%I ~ ''', col), format('((%I)::text ~ ''', col)]) s WHERE starts_with(expression, s)) c (start),
         LATERAL (SELECT left(substr(expression, length(c.start) + 1), -8)) p (pattern);
$$;
REVOKE ALL ON FUNCTION toms.checked_pattern(text, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.checked_pattern(text, name) IS 'internal: the pattern of a CHECK that consists of nothing else';

-- Columns of a category whose CHECK admits one form of values alone: by the pattern that the remedy prints, or by one of the
-- application's own that looks like "stricter", which has to be such that no other value passes.
CREATE FUNCTION toms.pattern_faults(of_category text, pattern text, name text, stricter text DEFAULT NULL) RETURNS SETOF toms.probed
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH col AS MATERIALIZED (
        SELECT c.*, k.conname, k.convalidated, left(c.col, 40) || '_' || name AS wanted
        FROM toms.columns_of(toms.protected_roots()) c
             LEFT JOIN LATERAL (SELECT k.conname, k.convalidated FROM pg_constraint k, toms.checked_pattern(pg_get_expr(k.conbin, k.conrelid), c.col) p
                                WHERE k.conrelid = c.relation AND k.contype = 'c' AND k.conkey = ARRAY[c.number] AND (p = pattern OR p ~ stricter)
                                ORDER BY k.convalidated DESC, k.conname LIMIT 1) k ON true
        WHERE c.category = of_category
    )
    SELECT (toms.found('fail', 'pattern_open', ARRAY[of_category, c.col, c.relation::text],
                       format(E'ALTER TABLE %1$s ADD CONSTRAINT %2$I CHECK (%3$I ~ %4$L) NOT VALID;\nALTER TABLE %1$s VALIDATE CONSTRAINT %2$I;', c.relation, c.wanted, c.col, pattern))).*
    FROM col c WHERE c.conname IS NULL
    UNION ALL
    SELECT (toms.found('partial', 'pattern_unproven', ARRAY[of_category, c.conname, c.relation::text], format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', c.relation, c.conname))).*
    FROM col c WHERE NOT c.convalidated
    UNION ALL
    SELECT (toms.found('pass', 'pattern_held', ARRAY[of_category, string_agg(format('%s.%I', c.relation, c.col), ', ' ORDER BY c.relation::text COLLATE "C", c.number)])).*
    FROM col c WHERE c.convalidated HAVING count(*) > 0
    UNION ALL
    SELECT (toms.found('fail', 'pattern_none', ARRAY[of_category],
                       CASE WHEN NOT EXISTS (SELECT FROM toms.category g WHERE g.category = of_category) THEN format(E'SELECT toms.add_category(%L, description => ''…'');\n', of_category) ELSE '' END
                       || format('SELECT toms.label_column(''…'', ''…'', category => %L);', of_category))).*
    WHERE NOT EXISTS (SELECT FROM col);
$$;
REVOKE ALL ON FUNCTION toms.pattern_faults(text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.pattern_faults(text, text, text, text) IS 'internal: columns of a category that take values of another form';

-- Forms of hashes that are made for passwords, slow and salted: Argon2, bcrypt, scrypt, yescrypt, PBKDF2, SHA-512 crypt, SCRAM.
-- A pattern of the application's own begins with the name of one such form between dollars, offers no alternative to it, and ends
-- with the value.
CREATE FUNCTION toms.probe_credentials() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT * FROM toms.pattern_faults('credential', '^([$](argon2(id|i|d)|2[abxy]|scrypt|7|y|6|pbkdf2-sha(256|512))[$]|SCRAM-SHA-256[$])[!-~]{20,}$', 'is_hash',
        stricter => '^\^(\\[$]|\[[$]\])(argon2(id|i|d)|2[abxy]|scrypt|7|y|6|pbkdf2-sha(256|512))(\\[$]|\[[$]\])(?![*?{])[^|]*[^|\\][$]$');
    RETURN QUERY
    SELECT (toms.found('fail', 'credentials_unlabelled', ARRAY[c.col, c.relation]::text[], format('SELECT toms.label_column(%L, %L, category => ''credential'');', c.relation, c.col))).*
    FROM toms.columns_of(toms.protected_roots()) c
    WHERE c.category IS DISTINCT FROM 'credential' AND c.matter = 'open' AND c.col::text ~* '(^|_)(password|passwd|passwort|kennwort|pwd)($|_)' AND NOT c.is_key;
    IF current_setting('password_encryption') <> 'scram-sha-256' THEN
        RETURN NEXT toms.found('fail', 'credentials_server', ARRAY[current_setting('password_encryption')], E'ALTER SYSTEM SET password_encryption = ''scram-sha-256'';\nSELECT pg_reload_conf();');
    END IF;
    RETURN QUERY
    SELECT (toms.found('fail', 'credentials_md5', ARRAY[a.rolname::text], format('ALTER ROLE %I PASSWORD NULL; ', a.rolname) || toms.suggest_comment(format('then a new one: \password %I', a.rolname)))).*
    FROM pg_authid a WHERE a.rolpassword LIKE 'md5%';
END
$$;
REVOKE ALL ON FUNCTION toms.probe_credentials() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_credentials() IS 'internal: whether passwords are stored as hashes alone';

CREATE FUNCTION toms.probe_pseudonyms() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT * FROM toms.pattern_faults('pseudonym', '^[0-9a-f]{32}$', 'is_pseudonym');
    RETURN QUERY
    SELECT (toms.found('partial', 'pseudonyms_clear', ARRAY[count(DISTINCT i.relation)::text, string_agg(format('%s.%I', i.relation, i.col), ', ' ORDER BY i.relation::text COLLATE "C", i.col)])).*
    FROM (SELECT r AS relation, d.subject AS col FROM unnest(toms.protected_roots()) r, toms.describe(r) d WHERE d.subject IS NOT NULL
          UNION SELECT p.relation, p.col FROM toms.person_column p) i
    WHERE NOT EXISTS (SELECT FROM toms.labelled_columns l WHERE (l.relation, l.col, l.category) = (i.relation, i.col, 'pseudonym')) HAVING count(*) > 0;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_pseudonyms() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_pseudonyms() IS 'internal: where persons are known by pseudonyms, and where by their clear ids';
