-- What several probes look at: leaks around tables, and accesses that must be refused, tried as those whom nothing
-- but toms stops.  Faults of a table are told once for each object.

INSERT INTO toms.phrase VALUES
    ('wall_nothing', 'en', 'No table is protected.'),
    ('wall_nothing', 'de', 'Keine Tabelle ist geschützt.'),
    ('wall_nothing_of', 'en', 'No protected table holds data of category %1$s.'),
    ('wall_nothing_of', 'de', 'Keine geschützte Tabelle enthält Daten der Kategorie %1$w.'),
    ('wall_tried', 'en', '%1$s protected tables with %2$s partitions and children: %3$s accesses were tried without a context, as their owners and as each role with a privilege; %4$s were refused.'),
    ('wall_tried', 'de', '%1$s geschützte Tabellen mit %2$s Partitionen und Untertabellen: %3$s Zugriffe wurden ohne Kontext versucht, als Eigentümer und als jede Rolle mit einem Recht; %4$s wurden abgelehnt.'),
    ('wall_open', 'en', 'Nothing refuses %2$s on %3$s to role %1$s without a context.'),
    ('wall_open', 'de', 'Nichts lehnt %2$s auf %3$s ab, wenn Rolle %1$s es ohne Kontext versucht.'),
    ('leak_protection', 'en', 'The row security of %1$s is not as toms made it; access to it is refused until it is.'),
    ('leak_protection', 'de', 'Die Zeilensicherheit von %1$s ist nicht so, wie toms sie eingerichtet hat; bis sie es ist, wird jeder Zugriff abgelehnt.'),
    ('leak_policy', 'en', 'Policy %1$s of %2$s is evaluated before those of toms.'),
    ('leak_policy', 'de', 'Die Policy %1$s von %2$s wird vor denen von toms ausgewertet.'),
    ('leak_mode', 'en', '%1$s is only observed: nothing is refused.'),
    ('leak_mode', 'de', '%1$s wird nur beobachtet: Nichts wird abgelehnt.'),
    ('leak_foreign_table', 'en', 'The rows of foreign table %1$s lie on another server, where no policy holds.'),
    ('leak_foreign_table', 'de', 'Die Zeilen der Fremdtabelle %1$s liegen auf einem anderen Server, auf dem keine Policy gilt.'),
    ('leak_grant', 'en', '%1$s has the privilege %3$s on %2$s, which no policy limits.'),
    ('leak_grant', 'de', '%1$s hat auf %2$s das Recht %3$s, das keine Policy begrenzt.'),
    ('leak_public', 'en', 'Every role has the privilege %3$s on %2$s, since %1$s has it.'),
    ('leak_public', 'de', 'Jede Rolle hat auf %2$s das Recht %3$s, weil %1$s es hat.'),
    ('leak_view', 'en', 'View %1$s reads %2$s with the privileges of its owner.'),
    ('leak_view', 'de', 'Die Sicht %1$s liest %2$s mit den Rechten ihres Eigentümers.'),
    ('leak_materialized_view', 'en', 'Materialized view %1$s holds a copy of rows of %2$s that no policy protects.'),
    ('leak_materialized_view', 'de', 'Die materialisierte Sicht %1$s hält eine Kopie von Zeilen aus %2$s, die keine Policy schützt.'),
    ('leak_rule', 'en', 'Rule %1$s reads %2$s or adds to statements on it, and can copy its rows.'),
    ('leak_rule', 'de', 'Die Regel %1$s liest %2$s oder ergänzt Anweisungen darauf und kann Zeilen kopieren.'),
    ('leak_function', 'en', 'Function %1$s reads %2$s as its owner, who bypasses row security.'),
    ('leak_function', 'de', 'Die Funktion %1$s liest %2$s als ihr Eigentümer, der die Zeilensicherheit umgeht.'),
    ('leak_trigger', 'en', 'Trigger %1$s of %2$s hands the rows to a function of somebody else than the table''s owner.'),
    ('leak_trigger', 'de', 'Der Trigger %1$s von %2$s übergibt die Zeilen einer Funktion, die nicht dem Eigentümer der Tabelle gehört.'),
    ('leak_expression', 'en', 'Function %1$s is run on all rows of %2$s, and somebody who is no superuser can change it.'),
    ('leak_expression', 'de', 'Die Funktion %1$s läuft über alle Zeilen von %2$s und kann von jemandem geändert werden, der kein Superuser ist.'),
    ('leak_unique_key', 'en', 'Key %1$s of %2$s does not hold the tenant: a duplicate tells that another tenant has the value.'),
    ('leak_unique_key', 'de', 'Der Schlüssel %1$s von %2$s enthält den Mandanten nicht: Ein Duplikat verrät, dass ein anderer Mandant den Wert hat.'),
    ('leak_exclusion_constraint', 'en', 'Exclusion constraint %1$s of %2$s does not hold the tenant: a conflict tells that another tenant has such a row.'),
    ('leak_exclusion_constraint', 'de', 'Der Ausschluss-Constraint %1$s von %2$s enthält den Mandanten nicht: Ein Konflikt verrät, dass ein anderer Mandant eine solche Zeile hat.'),
    ('leak_foreign_key', 'en', 'Foreign key %1$s does not hold the tenant, so a row can refer to another tenant''s or is changed with it (%2$s).'),
    ('leak_foreign_key', 'de', 'Der Fremdschlüssel %1$s enthält den Mandanten nicht; eine Zeile kann auf die eines anderen verweisen oder mit ihr geändert werden (%2$s).'),
    ('leak_publication', 'en', 'Publication %1$s sends rows of all tenants to its subscribers (%2$s).'),
    ('leak_publication', 'de', 'Die Publikation %1$s sendet Zeilen aller Mandanten an ihre Abonnenten (%2$s).'),
    ('leak_statistics', 'en', 'Through %1$s statistics can be read that hold values of all tenants (%2$s).'),
    ('leak_statistics', 'de', 'Über %1$s sind Statistiken lesbar, die Werte aller Mandanten enthalten (%2$s).'),
    ('leak_setting', 'en', '%1$s is set for %2$s.'),
    ('leak_setting', 'de', '%1$s ist gesetzt für %2$w.');

CREATE FUNCTION toms.protected_roots() RETURNS regclass[]
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(p.relation ORDER BY p.relation::text COLLATE "C"), '{}') FROM toms.protected_tables p WHERE p.relation = p.root;
$$;
REVOKE ALL ON FUNCTION toms.protected_roots() FROM PUBLIC;
COMMENT ON FUNCTION toms.protected_roots() IS 'internal: protected tables, not their partitions and children';

-- By itself, by some of its rows, or by some of its columns.
CREATE FUNCTION toms.special_roots() RETURNS regclass[]
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(p.relation ORDER BY p.relation::text COLLATE "C"), '{}')
    FROM toms.protected_tables p
    WHERE p.relation = p.root AND EXISTS (
        SELECT FROM toms.category c
        WHERE c.article9 AND (c.category = p.category
              OR EXISTS (SELECT FROM toms.row_labels l WHERE l.relation = p.relation AND l.category = c.category)
              OR EXISTS (SELECT FROM toms.labelled_columns l WHERE l.relation = p.relation AND l.category = c.category)));
$$;
REVOKE ALL ON FUNCTION toms.special_roots() FROM PUBLIC;
COMMENT ON FUNCTION toms.special_roots() IS 'internal: protected tables with data of special categories (Art. 9 GDPR)';

-- Those of tables and roles that are gone permit nothing.
CREATE FUNCTION toms.permissions_now() RETURNS SETOF toms.permission
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.* FROM toms.permission p JOIN pg_class c ON c.oid = p.relation JOIN pg_roles r ON r.oid = p.role
    WHERE p.valid_from <= clock_timestamp() AND (p.valid_until IS NULL OR p.valid_until > clock_timestamp());
$$;
REVOKE ALL ON FUNCTION toms.permissions_now() FROM PUBLIC;
COMMENT ON FUNCTION toms.permissions_now() IS 'internal: permissions in force';

CREATE FUNCTION toms.no_table(category text DEFAULT NULL) RETURNS toms.probed
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN category IS NULL THEN toms.found('fail', 'wall_nothing', NULL, 'SELECT toms.protect(''…'', tenant => ''…'', subject => ''…'');')
                ELSE toms.found('fail', 'wall_nothing_of', ARRAY[category], format(E'SELECT toms.protect(''…'', tenant => ''…'', subject => ''…'', category => %L);\n'
                                '-- or, where there are no such data: SELECT toms.exclude_measure(''…'', by => ''…'', reason => ''…'');', category)) END;
$$;
REVOKE ALL ON FUNCTION toms.no_table(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.no_table(text) IS 'internal: what a probe says where there is nothing to look at';

-- leaks ----------------------------------------------------------------------------------------

-- In part: what opens nothing by itself.
CREATE FUNCTION toms.leak_status(kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN kind IN ('mode', 'publication', 'unique key', 'exclusion constraint', 'foreign key') THEN 'partial' ELSE 'fail' END;
$$;
REVOKE ALL ON FUNCTION toms.leak_status(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.leak_status(text) IS 'internal: what a leak means for a measure';

-- Where SQL cannot mend it, what does is a comment.
CREATE FUNCTION toms.told_leak(kind text, object text, relation text, finding text, remedy text) RETURNS toms.probed
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.found(toms.leak_status(kind), CASE WHEN kind = 'grant' AND object = 'PUBLIC' THEN 'leak_public' ELSE 'leak_' || replace(kind, ' ', '_') END,
                      ARRAY[object, relation, substring(finding FROM '^privilege (.*?) on ')],
                      CASE WHEN remedy ~ '^(SELECT|ALTER|DROP|REVOKE|GRANT) [^…]*;$' THEN remedy ELSE toms.suggest_comment(remedy) END);
$$;
REVOKE ALL ON FUNCTION toms.told_leak(text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.told_leak(text, text, text, text, text) IS 'internal: a leak as a row of a probe';

-- What every measure rests on: the policies are as toms made them, and are enforced.
CREATE FUNCTION toms.policy_faults(relations regclass[]) RETURNS SETOF toms.probed
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT (toms.told_leak(l.kind, l.object, min(l.relation::text), l.finding, l.remedy)).*
    FROM toms.policy_leaks(relations) l GROUP BY l.kind, l.object, l.finding, l.remedy;
$$;
REVOKE ALL ON FUNCTION toms.policy_faults(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.policy_faults(regclass[]) IS 'internal: tables whose policies do not hold';

-- A key of numbers that the database gives tells of nobody.
CREATE FUNCTION toms.is_given_key(index regclass) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT bool_or(a.attidentity <> '' OR d.adbin IS NOT NULL AND pg_get_expr(d.adbin, d.adrelid) ~ '^(nextval|gen_random_uuid|uuid_generate|uuidv)')
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE i.indexrelid = index;
$$;
REVOKE ALL ON FUNCTION toms.is_given_key(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.is_given_key(regclass) IS 'internal: whether a column of a key is filled by the database itself';

-- Whoever bypasses row security is an administrator, who passes for a stated reason, on record.
CREATE FUNCTION toms.leak_faults(relations regclass[], kinds text[]) RETURNS SETOF toms.probed
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT (toms.told_leak(l.kind, l.object, min(l.relation::text), l.finding, l.remedy)).*
    FROM toms.protection_leaks(relations) l
    WHERE l.kind = ANY (kinds)
      AND (l.kind <> 'grant' OR l.finding ~ '^privilege (TRUNCATE|TRIGGER|REFERENCES) ' OR l.object = 'PUBLIC')
      AND NOT (l.kind = 'unique key' AND toms.is_given_key(to_regclass(l.object)))
      AND NOT (l.kind = 'statistics' AND EXISTS (SELECT FROM pg_roles r WHERE r.oid::regrole::text = l.object AND r.rolbypassrls))
    GROUP BY l.kind, l.object, l.finding, l.remedy;
$$;
REVOKE ALL ON FUNCTION toms.leak_faults(regclass[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.leak_faults(regclass[], text[]) IS 'internal: leaks around tables that matter to a measure';

-- tries ----------------------------------------------------------------------------------------

-- Those who own a table or have a privilege on it try each verb on it, and on all below it.
CREATE FUNCTION toms.tried(relations regclass[], verbs text[], OUT relation regclass, OUT relid regclass, OUT role regrole, OUT verb text, OUT answer text)
RETURNS SETOF record LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT w.relation, w.relid, w.role::regrole, v, toms.try_access(w.relid, v, w.role)
    FROM (SELECT DISTINCT t.relation, t.relid, r.role
          FROM toms.protected_tree(relations) t,
               LATERAL (SELECT t.owner AS role UNION SELECT a.grantee FROM aclexplode(t.acl) a WHERE a.grantee <> 0) r
          WHERE t.mode = 'enforce' AND t.kind IN ('r', 'p') OFFSET 0) w, unnest(verbs) v;
$$;
REVOKE ALL ON FUNCTION toms.tried(regclass[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.tried(regclass[], text[]) IS 'internal: what comes of accesses without a context; see toms.try_access()';

CREATE FUNCTION toms.tries(relations regclass[], verbs text[]) RETURNS SETOF toms.probed
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH tried AS MATERIALIZED (SELECT * FROM toms.tried(relations, verbs))
    SELECT (toms.found('fail', 'wall_open', ARRAY[t.role::text, t.verb, t.relid::text], format('SELECT toms.enforce(%L);', t.relation))).*
    FROM tried t WHERE t.answer IS NULL
    UNION ALL
    SELECT (toms.found('pass', 'wall_tried', ARRAY[cardinality(relations), count(DISTINCT t.relid) FILTER (WHERE t.relid <> t.relation), count(*), count(t.answer)]::text[])).*
    FROM tried t;
$$;
REVOKE ALL ON FUNCTION toms.tries(regclass[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.tries(regclass[], text[]) IS 'internal: accesses without a context that nothing refuses, and how many were tried';

-- settings -------------------------------------------------------------------------------------

-- Wherever one has a value that it should not have: for the server, a database, a role.
CREATE FUNCTION toms.loose_settings(name text, loose text[], firm text) RETURNS SETOF toms.probed
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (toms.found('partial', 'leak_setting', ARRAY[format('%s = %s', name, s.setting), s.holder], s.remedy)).*
    FROM (SELECT f.setting, 'the server' AS holder, format(E'ALTER SYSTEM SET %s = %L;\nSELECT pg_reload_conf();', loose_settings.name, firm) AS remedy
          FROM pg_file_settings f WHERE lower(f.name) = loose_settings.name AND f.applied
          UNION ALL
          SELECT substr(v, length(loose_settings.name) + 2), concat_ws(' in ', quote_ident(r.rolname), quote_ident(d.datname)),
                 CASE WHEN r.oid IS NULL THEN format('ALTER DATABASE %I', d.datname) ELSE format('ALTER ROLE %I', r.rolname) || coalesce(' IN DATABASE ' || quote_ident(d.datname), '') END
                 || format(' RESET %s;', loose_settings.name)
          FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) v
          WHERE v LIKE loose_settings.name || '=%' AND s.setdatabase IN (0, (SELECT m.oid FROM pg_database m WHERE m.datname = current_database()))) s
    WHERE lower(s.setting) = ANY (loose);
$$;
REVOKE ALL ON FUNCTION toms.loose_settings(text, text[], text) FROM PUBLIC;
COMMENT ON FUNCTION toms.loose_settings(text, text[], text) IS 'internal: where a setting takes a measure back';

-- remedies -------------------------------------------------------------------------------------

-- toms.protect() with what a table is declared as now, but for what is given here.
CREATE FUNCTION toms.protect_call(relation regclass, subject text DEFAULT NULL, free_text text DEFAULT NULL, access text DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('SELECT toms.protect(%L%s);', protect_call.relation, string_agg(format(', %s => %L', w.name, w.value), '' ORDER BY w.n))
    FROM toms.describe(protect_call.relation) d
         LEFT JOIN LATERAL (SELECT * FROM toms.parent p WHERE p.child = protect_call.relation ORDER BY p.id LIMIT 1) p ON true
         LEFT JOIN toms.subject_alias a ON a.id = substring(toms.column_labels(protect_call.relation) ->> d.subject FROM 'alias=(\d+)')::bigint
         CROSS JOIN LATERAL (VALUES
            (1, 'tenant', d.tenant::text), (2, 'subject', coalesce(protect_call.subject, d.subject)), (3, 'category', d.category),
            (4, 'parent', p.parent::text), (5, 'parent_key', d.parent_key), (6, 'parent_column', p.parent_column), (7, 'type_column', d.type_column), (8, 'type_value', p.type_value),
            (9, 'subject_alias', CASE WHEN a.id IS NOT NULL THEN format('%s.%s', a.relation, a.alias) END), (10, 'null_tenant', nullif(d.null_tenant, 'nobody')),
            (11, 'access', nullif(coalesce(protect_call.access, d.access), 'statements')), (12, 'free_text', nullif(coalesce(protect_call.free_text, d.free_text), toms.free_text_default(d.category))),
            (13, 'read_audit', d.chosen_read_audit), (14, 'mode', nullif(d.mode, 'enforce')), 
            (15, 'reason', CASE WHEN d.chosen_read_audit IS NOT NULL OR coalesce(protect_call.free_text, d.free_text) = 'accept' AND toms.free_text_default(d.category) <> 'accept' THEN '…' END)) w (n, name, value)
    WHERE w.value IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.protect_call(regclass, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.protect_call(regclass, text, text, text) IS 'internal: the call that declares a table again, with something else';

-- What a role is permitted on a table, given anew: only with some scopes, or with a second factor for all rows of the tenant.
CREATE FUNCTION toms.permit_again(role regrole, relation regclass, scopes text[], require_mfa boolean) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(E'SELECT toms.forbid(role => %L, relation => %L);\n', permit_again.role, permit_again.relation) || string_agg(
        format('SELECT toms.permit(role => %L, relation => %L, verbs => %L, purposes => %L, scope => %L%s%s%s);', p.role, p.relation, p.verbs, p.purposes, p.scope,
               ', categories => ' || quote_literal(p.categories), CASE WHEN p.require_mfa OR (permit_again.require_mfa AND p.scope = 'tenant') THEN ', require_mfa => true' END,
               ', valid_until => ' || quote_literal(p.valid_until)), E'\n' ORDER BY p.id)
    FROM toms.permissions_now() p WHERE p.role = permit_again.role AND p.relation = permit_again.relation AND p.scope = ANY (scopes);
$$;
REVOKE ALL ON FUNCTION toms.permit_again(regrole, regclass, text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.permit_again(regrole, regclass, text[], boolean) IS 'internal: the calls that give a role its permissions on a table again, stricter';
