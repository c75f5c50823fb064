-- Probes of what data is used for: purposes, excluded ones, statistics, a second factor, environments, and the history of
-- permissions.

INSERT INTO toms.phrase VALUES
    ('purposes_none', 'en', 'No purpose is registered.'),
    ('purposes_none', 'de', 'Kein Zweck ist eingetragen.'),
    ('purposes_registered', 'en', '%1$s purposes are registered with a legal basis: %2$s. Permissions and %3$s access functions name no other.'),
    ('purposes_registered', 'de', 'Mit Rechtsgrundlage eingetragene Zwecke: %1$s (%2$s). Berechtigungen und Zugriffsfunktionen (%3$s) nennen keine anderen.'),
    ('purposes_unregistered', 'en', 'Purpose %1$s is permitted to %2$s and not registered, so its legal basis is not on record.'),
    ('purposes_unregistered', 'de', 'Zweck %1$s ist erlaubt für %2$s, aber nicht eingetragen; seine Rechtsgrundlage ist nicht festgehalten.'),
    ('purposes_function', 'en', 'Access function %1$s was changed since purpose %2$s was bound to it, and is refused.'),
    ('purposes_function', 'de', 'Die Zugriffsfunktion %1$s wurde geändert, seit ihr der Zweck %2$s gegeben wurde, und wird abgelehnt.'),
    ('excluded_none', 'en', 'No purpose is excluded.'),
    ('excluded_none', 'de', 'Kein Zweck ist ausgeschlossen.'),
    ('excluded_listed', 'en', 'Excluded, whatever anybody permits: %1$s.'),
    ('excluded_listed', 'de', 'Ausgeschlossen, auch wenn eine Berechtigung sie nennt: %1$s.'),
    ('excluded_undone', 'en', 'Purpose %1$s was excluded, and is not any more.'),
    ('excluded_undone', 'de', 'Zweck %1$s wurde ausgeschlossen und ist es nicht mehr.'),
    ('excluded_permitted', 'en', 'A permission of role %2$s on %3$s names the excluded purpose %1$s; it is refused.'),
    ('excluded_permitted', 'de', 'Eine Berechtigung der Rolle %2$s auf %3$s nennt den ausgeschlossenen Zweck %1$s; er wird abgelehnt.'),
    ('excluded_unless', 'en', '%2$s and %3$s come together for the excluded purpose %1$s; it is refused.'),
    ('excluded_unless', 'de', '%2$s und %3$s kommen für den ausgeschlossenen Zweck %1$s zusammen; er wird abgelehnt.'),
    ('statistics_none', 'en', 'No statistic is declared, and no purpose answers for groups alone.'),
    ('statistics_none', 'de', 'Es ist keine Statistik festgelegt und kein Zweck, für den nur Gruppen ausgewertet werden.'),
    ('statistics_declared', 'en', '%1$s statistics answer for groups alone: %2$s. Aggregate purposes: %3$s.'),
    ('statistics_declared', 'de', 'Statistiken, die nur Gruppen wiedergeben: %1$s (%2$s). Zwecke, für die nur Gruppen ausgewertet werden: %3$s.'),
    ('statistics_person', 'en', 'Purpose %1$s was declared for groups of %2$s and more, and is not any more.'),
    ('statistics_person', 'de', 'Zweck %1$s war auf Gruppen ab %2$s Personen begrenzt und ist es nicht mehr.'),
    ('statistics_kept', 'en', 'Trigger %2$s of %1$s, which keeps what was published as it is, is gone or does not fire.'),
    ('statistics_kept', 'de', 'Der Trigger %2$s von %1$s, der Veröffentlichtes unverändert hält, fehlt oder feuert nicht.'),
    ('statistics_statements', 'en', '%1$s holds data of a special category and answers any statement, which may count persons by groups of its own.'),
    ('statistics_statements', 'de', '%1$s enthält besondere Kategorien und gibt auch Abfragen Auskunft, die Personen nach selbst gewählten Gruppen zählen.'),
    ('mfa_none', 'en', 'No permission demands a second factor.'),
    ('mfa_none', 'de', 'Keine Berechtigung verlangt einen zweiten Faktor.'),
    ('mfa_demanded', 'en', 'A second factor is demanded of: %1$s.'),
    ('mfa_demanded', 'de', 'Ein zweiter Faktor wird verlangt von: %1$s.'),
    ('mfa_missing', 'en', 'Role %1$s reaches all of a tenant''s rows in %2$s without a second factor.'),
    ('mfa_missing', 'de', 'Rolle %1$s erreicht in %2$s alle Zeilen eines Mandanten ohne zweiten Faktor.'),
    ('mfa_hba', 'en', 'Line %1$s of pg_hba.conf lets administrators in from afar without a client certificate (%2$s).'),
    ('mfa_hba', 'de', 'Zeile %1$s von pg_hba.conf lässt Administratoren aus der Ferne ohne Client-Zertifikat zu (%2$s).'),
    ('environment_named', 'en', 'Tokens hold for environment "%1$s" and audience "%2$s" alone.'),
    ('environment_named', 'de', 'Token gelten nur für die Umgebung „%1$s“ und die Zielgruppe „%2$s“.'),
    ('environment_missing', 'en', '%1$s is not set, so a token made for another environment is accepted here.'),
    ('environment_missing', 'de', '%1$s ist nicht gesetzt; ein für eine andere Umgebung ausgestelltes Token wird hier angenommen.'),
    ('environment_keyring', 'en', 'No keyring is set: there are no keys of this environment.'),
    ('environment_keyring', 'de', 'Kein Schlüsselbund ist eingerichtet: Diese Umgebung hat keine eigenen Schlüssel.'),
    ('history_kept', 'en', '%1$s permissions are kept with their validity, %2$s of them ended; the oldest is of %3$s. Changes are taken into the trail.'),
    ('history_kept', 'de', '%1$s Berechtigungen sind mit ihrer Gültigkeit aufbewahrt, %2$s davon beendet; die älteste ist vom %3$s. Änderungen gehen in das Protokoll ein.'),
    ('history_trigger', 'en', 'Trigger %2$s of %1$s, which takes changes into the trail, is gone or does not fire.'),
    ('history_trigger', 'de', 'Der Trigger %2$s von %1$s, der Änderungen in das Protokoll aufnimmt, fehlt oder feuert nicht.');

-- Triggers of toms' own tables that no officer switches off.
CREATE FUNCTION toms.silent_triggers(tables text[], triggers text[], phrase text) RETURNS SETOF toms.probed
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (toms.found('fail', phrase, ARRAY[w.relation, w.trigger],
                       format(CASE WHEN t.oid IS NULL THEN '-- trigger %2$I of %1$s is gone: restore it from the extension''s script'
                                   ELSE 'ALTER TABLE %s ENABLE ALWAYS TRIGGER %I;' END, w.relation, w.trigger))).*
    FROM unnest(tables, triggers) w (relation, trigger) LEFT JOIN pg_trigger t ON t.tgrelid = to_regclass(w.relation) AND t.tgname = w.trigger
    WHERE t.tgenabled IS DISTINCT FROM 'A';
$$;
REVOKE ALL ON FUNCTION toms.silent_triggers(text[], text[], text) FROM PUBLIC;
COMMENT ON FUNCTION toms.silent_triggers(text[], text[], text) IS 'internal: triggers of tables of toms that do not fire';

CREATE FUNCTION toms.probe_purposes() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT (toms.found('fail', 'purposes_unregistered', ARRAY[u, string_agg(DISTINCT p.role::text, ', ')],
                       format('SELECT toms.add_purpose(%L, description => ''…'', legal_basis => ''…'');', u))).*
    FROM toms.permissions_now() p, unnest(p.purposes) u WHERE NOT EXISTS (SELECT FROM toms.purpose r WHERE r.purpose = u) GROUP BY u;
    RETURN QUERY
    SELECT (toms.found('fail', 'purposes_function', ARRAY[f.function::text, f.purpose], format('SELECT toms.bind_purpose(%L, %L);', f.function, f.purpose))).*
    FROM toms.access_functions f WHERE NOT f.intact;
    RETURN QUERY SELECT * FROM toms.policy_faults(toms.protected_roots());
    IF EXISTS (SELECT FROM toms.purpose p WHERE NOT p.excluded) THEN
        RETURN QUERY
        SELECT (toms.found('pass', 'purposes_registered', ARRAY[count(*)::text, string_agg(p.purpose, ', ' ORDER BY p.purpose), (SELECT count(*) FROM toms.access_functions)::text])).*
        FROM toms.purpose p WHERE NOT p.excluded;
    ELSE
        RETURN NEXT toms.found('fail', 'purposes_none', NULL, 'SELECT toms.add_purpose(''…'', description => ''…'', legal_basis => ''…'');');
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_purposes() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_purposes() IS 'internal: whether what is permitted is permitted for registered purposes';

-- Excluded purposes that somebody has taken back past toms, and declarations that name excluded ones.
CREATE FUNCTION toms.probe_excluded_purposes() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT (toms.found('fail', 'excluded_undone', ARRAY[h.purpose], format('SELECT toms.exclude_purpose(%L, description => %L);', h.purpose, h.description))).*
    FROM (SELECT DISTINCT ON (p.purpose) p.purpose, p.action, p.description FROM toms.purpose_history p WHERE p.action IN ('add', 'change', 'exclude') ORDER BY p.purpose, p.id DESC) h
    WHERE h.action = 'exclude' AND NOT EXISTS (SELECT FROM toms.purpose p WHERE p.purpose = h.purpose AND p.excluded);
    RETURN QUERY
    SELECT (toms.found('partial', 'excluded_permitted', ARRAY[p.purpose, r.role::text, r.relation::text], format('SELECT toms.forbid(role => %L, relation => %L, purposes => %L);', r.role, r.relation, ARRAY[p.purpose]))).*
    FROM toms.purpose p JOIN toms.permissions_now() r ON p.purpose = ANY (r.purposes) WHERE p.excluded;
    RETURN QUERY
    SELECT (toms.found('partial', 'excluded_unless', ARRAY[p.purpose, s.relation::text, s.other::text],
                       format('SELECT toms.separate(%L, %L, unless => %L);', s.relation, s.other, array_remove(s.unless, p.purpose)))).*
    FROM toms.purpose p JOIN toms.separations s ON p.purpose = ANY (s.unless) WHERE p.excluded;
    IF EXISTS (SELECT FROM toms.purpose p WHERE p.excluded) THEN
        RETURN QUERY SELECT (toms.found('pass', 'excluded_listed', ARRAY[string_agg(p.purpose, ', ' ORDER BY p.purpose)])).* FROM toms.purpose p WHERE p.excluded;
    ELSE
        RETURN NEXT toms.found('fail', 'excluded_none', NULL, 'SELECT toms.exclude_purpose(''…'', description => ''…'');');
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_excluded_purposes() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_excluded_purposes() IS 'internal: whether excluded purposes are excluded still';

CREATE FUNCTION toms.probe_statistics() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT (toms.found('fail', 'statistics_person', ARRAY[h.purpose, h.min_group::text],
                       CASE WHEN p.excluded THEN toms.suggest_comment(format('purpose %s is excluded: SELECT toms.drop_statistic(''…'', reason => ''…'');', h.purpose))
                            ELSE format('SELECT toms.add_purpose(%L, description => %L, legal_basis => %L, granularity => ''aggregate'', min_group => %s);', h.purpose, h.description, h.legal_basis, h.min_group) END)).*
    FROM (SELECT DISTINCT ON (a.purpose) a.* FROM toms.purpose_history a WHERE a.action IN ('add', 'change', 'exclude') ORDER BY a.purpose, a.id DESC) h
         LEFT JOIN toms.purpose p ON p.purpose = h.purpose
    WHERE h.granularity = 'aggregate' AND (p.aggregate AND p.min_group >= h.min_group) IS NOT TRUE;
    RETURN QUERY
    SELECT * FROM toms.silent_triggers('{toms.statistic_cell,toms.statistic_cell,toms.statistic_mark,toms.statistic_mark,toms.statistic_mark,toms.statistic_definition,toms.statistic_definition}',
                                       '{keep,keep_row,keep,keep_row,keep_date,keep,keep_form}', 'statistics_kept');
    RETURN QUERY
    SELECT (toms.found('partial', 'statistics_statements', ARRAY[r::text], toms.protect_call(r, access => 'functions'))).*
    FROM unnest(toms.special_roots()) r, toms.describe(r) d WHERE d.access <> 'functions';
    IF EXISTS (SELECT FROM toms.purpose p WHERE p.aggregate) THEN
        RETURN QUERY
        SELECT (toms.found('pass', 'statistics_declared', ARRAY[count(*)::text, coalesce(string_agg(s.name, ', ' ORDER BY s.name), '–'),
                           (SELECT string_agg(format('%s (%s)', p.purpose, p.min_group), ', ' ORDER BY p.purpose) FROM toms.purpose p WHERE p.aggregate)])).*
        FROM toms.statistics s WHERE s.dropped_at IS NULL;
    ELSE
        RETURN NEXT toms.found('fail', 'statistics_none', NULL, 'SELECT toms.add_purpose(''…'', description => ''…'', legal_basis => ''…'', granularity => ''aggregate'', min_group => 5);');
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_statistics() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_statistics() IS 'internal: whether statistics tell of groups alone';

-- Lines for remote administrators; those of PostgreSQL itself for local ones are no way in from afar.
CREATE FUNCTION toms.probe_second_factor() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    special constant regclass[] := toms.special_roots();
BEGIN
    RETURN QUERY
    SELECT (toms.found('partial', 'mfa_missing', ARRAY[p.role, p.relation]::text[], toms.permit_again(p.role, p.relation, '{own,tenant}', true))).*
    FROM toms.permissions_now() p
    WHERE p.scope = 'tenant' AND NOT p.require_mfa AND p.relation = ANY (special)
    GROUP BY p.role, p.relation;
    RETURN QUERY
    SELECT (toms.found('partial', 'mfa_hba', ARRAY[h.line, h.words],
                       CASE WHEN current_setting('ssl_ca_file') = '' THEN E'-- a file with the certificates of who signs those of clients:\nALTER SYSTEM SET ssl_ca_file = ''…'';\n' ELSE '' END
                       || toms.hba_remedy(h.line, h.file, concat_ws(' ', 'hostssl', h.target, h.method, h.options, 'clientcert=verify-full')))).*
    FROM toms.hba_lines() h
    WHERE h.error IS NULL AND h.is_remote AND h.method NOT IN ('cert', 'reject') AND h.target !~ ' samehost$' AND h.databases <> '{replication}'
      AND concat(h.options) !~ '\mclientcert=verify-full\M'
      AND ('all' = ANY (h.users) OR EXISTS (SELECT FROM pg_roles r WHERE (r.rolsuper OR r.rolbypassrls) AND r.rolcanlogin AND r.rolname = ANY (h.users)));
    IF EXISTS (SELECT FROM toms.permissions_now() p WHERE p.require_mfa) THEN
        RETURN QUERY
        SELECT (toms.found('pass', 'mfa_demanded', ARRAY[string_agg(DISTINCT format('%s (%s)', p.role, p.relation), ', ')])).* FROM toms.permissions_now() p WHERE p.require_mfa;
    ELSE
        RETURN NEXT toms.found('fail', 'mfa_none', NULL, 'SELECT toms.permit(role => ''…'', relation => ''…'', verbs => ''{…}'', purposes => ''{…}'', scope => ''tenant'', require_mfa => true);');
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_second_factor() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_second_factor() IS 'internal: who reaches data without a second factor';

CREATE FUNCTION toms.probe_environment() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT (toms.found('fail', 'environment_missing', ARRAY[s], format(E'ALTER SYSTEM SET %s = ''…'';\nSELECT pg_reload_conf();', s))).*
    FROM unnest('{toms.environment,toms.audience}'::text[]) s WHERE current_setting(s) = '';
    IF NOT toms.keyring_is_configured() THEN
        RETURN NEXT toms.found('fail', 'environment_keyring', NULL, E'ALTER SYSTEM SET toms.keyring = ''…'';\nSELECT pg_reload_conf();');
    END IF;
    IF current_setting('toms.environment') <> '' AND current_setting('toms.audience') <> '' THEN
        RETURN NEXT toms.found('pass', 'environment_named', ARRAY[current_setting('toms.environment'), current_setting('toms.audience')]);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_environment() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_environment() IS 'internal: whether tokens and keys are of this environment alone';

CREATE FUNCTION toms.probe_permission_history() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT * FROM toms.silent_triggers('{toms.permission,toms.permission,toms.officer,toms.officer,toms.enter_permission,toms.enter_permission}',
                                       '{~toms_declaration,~toms_declaration_truncate,~toms_declaration,~toms_declaration_truncate,~toms_declaration,~toms_declaration_truncate}', 'history_trigger');
    IF NOT EXISTS (SELECT FROM toms.permission) THEN
        RETURN NEXT toms.found('fail', 'permissions_none', NULL, 'SELECT toms.permit(role => ''…'', relation => ''…'', verbs => ''{select}'', purposes => ''{…}'', scope => ''own'');');
        RETURN;
    END IF;
    RETURN QUERY
    SELECT (toms.found('pass', 'history_kept', ARRAY[count(*)::text, count(*) FILTER (WHERE p.valid_until <= clock_timestamp())::text, to_char(min(p.valid_from), 'YYYY-MM-DD')])).* FROM toms.permission p;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_permission_history() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_permission_history() IS 'internal: whether it can be told who was permitted what at a given time';
