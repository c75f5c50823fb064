-- Probes of administrators: who passes row security, whether each of them says why, whether he can be told from others, and locks.

INSERT INTO toms.phrase VALUES
    ('administrators_held', 'en', '%1$s roles bypass row security (%2$s). Tried as a superuser without a reason on %3$s protected tables: %4$s refused.'),
    ('administrators_held', 'de', '%1$s Rollen umgehen die Zeilensicherheit (%2$s). Versucht als Superuser ohne Begründung an %3$s geschützten Tabellen: %4$s verweigert.'),
    ('administrators_open', 'en', 'A superuser who states no reason is not refused at %1$s: %2$s.'),
    ('administrators_open', 'de', 'Ein Superuser ohne Begründung wird bei %1$s nicht abgewiesen.'),
    ('administrators_untried', 'en', 'Whether %1$s protected tables are closed to a superuser without a reason was not tried: this connection has an administrative session, or a context.'),
    ('administrators_untried', 'de', 'Ob %1$s geschützte Tabellen einem Superuser ohne Begründung verschlossen sind, wurde nicht versucht: Diese Verbindung hat eine Administrationssitzung oder einen Kontext.'),
    ('administrators_standing_reason', 'en', 'Sessions of %1$s begin with a reason: none of them says its own.'),
    ('administrators_standing_reason', 'de', 'Sitzungen von %1$w beginnen mit einer Begründung: Keine nennt ihre eigene.'),
    ('administrators_unreviewed', 'en', 'Emergency access on %1$s (entry %2$s) should have been reviewed by %3$s.'),
    ('administrators_unreviewed', 'de', 'Der Notzugriff vom %1$s (Eintrag %2$s) hätte bis %3$s überprüft sein müssen.'),
    ('administrators_untold', 'en', 'Trigger "%2$s" of %1$s is off: what is declared there is not recorded.'),
    ('administrators_untold', 'de', 'Trigger „%2$s“ von %1$s ist ausgeschaltet: Was dort festgelegt wird, wird nicht aufgezeichnet.'),
    ('administrators_told', 'en', 'What is declared to toms in %1$s tables is recorded, whoever does it.'),
    ('administrators_told', 'de', 'Festlegungen in %1$s Tabellen werden aufgezeichnet, gleich von wem sie stammen.');

-- The guard's own verdict on reading, for this session as it would be without a reason. It reads nothing.
CREATE FUNCTION toms.try_without_reason()
RETURNS TABLE (relation regclass, verdict text) LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET toms.reason = '' AS $$
BEGIN
    RETURN QUERY SELECT p.relation, split_part(toms.explain_access(p.relation, 'select'), E'\n', 1)
                 FROM toms.protected_tables p WHERE p.mode = 'enforce' AND p.root = p.relation;
END
$$;
REVOKE ALL ON FUNCTION toms.try_without_reason() FROM PUBLIC;
COMMENT ON FUNCTION toms.try_without_reason() IS 'internal: what a superuser who says no reason is told of each protected table';

CREATE FUNCTION toms.privileged_logins()
RETURNS TABLE (role regrole, name text, personal boolean) LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.oid::regrole, r.rolname::text, EXISTS (SELECT FROM toms.personal_login p WHERE p.role = r.oid AND p.ended_at IS NULL)
    FROM pg_roles r
    WHERE r.rolcanlogin AND (r.rolsuper OR r.rolbypassrls
          OR EXISTS (SELECT FROM pg_roles o WHERE o.rolname IN ('toms_admin', 'toms_auditor', 'toms_operator') AND pg_has_role(r.oid, o.oid, 'member')));
$$;
REVOKE ALL ON FUNCTION toms.privileged_logins() FROM PUBLIC;
COMMENT ON FUNCTION toms.privileged_logins() IS 'internal: log-ins of superusers, of who bypasses row security, and of officers';

CREATE FUNCTION toms.probe_administrators()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH tried AS MATERIALIZED (SELECT t.*, t.verdict LIKE 'refused%' AS held FROM toms.try_without_reason() t),
    -- who has said it in another way than by toms.reason
    speaks AS MATERIALIZED (SELECT EXISTS (SELECT FROM toms.admin_sessions s WHERE s.pid = pg_backend_pid() AND s.state = 'open' AND s.kind <> 'reason') OR EXISTS (SELECT FROM toms.context()) AS yes)
    SELECT f FROM toms.found_unprotected() f
    UNION ALL
    SELECT f FROM toms.found_observed() f
    UNION ALL
    SELECT toms.found('fail', 'administrators_open', ARRAY[t.relation::text, t.verdict], NULL) FROM tried t, speaks s WHERE NOT t.held AND NOT s.yes
    UNION ALL
    SELECT CASE WHEN s.yes THEN toms.found('partial', 'administrators_untried', ARRAY[(SELECT count(*) FROM tried)::text])
           ELSE toms.found('pass', 'administrators_held', ARRAY[
                (SELECT count(*) FROM pg_roles r WHERE r.rolsuper OR r.rolbypassrls)::text, (SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname) FROM pg_roles r WHERE r.rolsuper OR r.rolbypassrls),
                (SELECT count(*) FROM tried)::text, (SELECT count(*) FILTER (WHERE t.held) FROM tried t)::text]) END
    FROM speaks s
    UNION ALL
    SELECT toms.found('partial', 'administrators_standing_reason', ARRAY[concat_ws(', ', 'role ' || r.rolname, 'database ' || d.datname)],
                      CASE WHEN r.rolname IS NOT NULL THEN format('ALTER ROLE %I%s RESET toms.reason;', r.rolname, ' IN DATABASE ' || quote_ident(d.datname))
                           ELSE format('ALTER DATABASE %I RESET toms.reason;', d.datname) END)
    FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
    WHERE s.setdatabase IN (0, (SELECT o.oid FROM pg_database o WHERE o.datname = current_database()))
      AND EXISTS (SELECT FROM unnest(s.setconfig) c WHERE c LIKE 'toms.reason=_%')
    UNION ALL
    SELECT toms.found('partial', 'administrators_standing_reason', ARRAY['foreign server ' || f.srvname], format('ALTER SERVER %I OPTIONS (DROP %I);', f.srvname, o.option_name))
    FROM pg_foreign_server f, pg_options_to_table(f.srvoptions) o WHERE o.option_value LIKE '%toms.reason=_%'
    UNION ALL
    SELECT toms.found('partial', 'administrators_standing_reason', ARRAY[format('foreign server %s for %s', m.srvname, m.usename)],
                      format('ALTER USER MAPPING FOR %s SERVER %I OPTIONS (DROP %I);', CASE WHEN m.umuser = 0 THEN 'PUBLIC' ELSE quote_ident(m.usename) END, m.srvname, o.option_name))
    FROM pg_user_mappings m, pg_options_to_table(m.umoptions) o WHERE o.option_value LIKE '%toms.reason=_%'
    UNION ALL
    SELECT toms.found('overdue', 'administrators_unreviewed', ARRAY[g.at::date::text, g.entry::text, g.review_due::date::text],
                      format('SELECT toms.review_break_glass(%s, result => ''…'');', g.entry))
    FROM toms.break_glass_uses g WHERE g.reviewed_at IS NULL AND g.overdue
    UNION ALL
    SELECT toms.found('fail', 'administrators_untold', ARRAY[t.tgrelid::regclass::text, t.tgname::text], format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I;', t.tgrelid::regclass, t.tgname))
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = 'toms'::regnamespace
    WHERE t.tgname LIKE '~toms\_declaration%' AND t.tgenabled <> 'A'
    UNION ALL
    SELECT toms.found('pass', 'administrators_told', ARRAY[count(*)::text])
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = 'toms'::regnamespace WHERE t.tgname = '~toms_declaration' AND t.tgenabled = 'A';
$$;
REVOKE ALL ON FUNCTION toms.probe_administrators() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_administrators() IS 'internal: whether who bypasses row security says why, on record';

INSERT INTO toms.phrase VALUES
    ('admin_sessions_kept', 'en', 'An administrative session names person, ticket and reason, and ends after %1$s; approval by another officer: %2$s. %3$s were opened in the last 30 days, %4$s are open now.'),
    ('admin_sessions_kept', 'de', 'Eine Administrationssitzung nennt Person, Vorgang und Begründung und endet nach %1$p; Freigabe durch einen weiteren Beauftragten: %2$w. In den letzten 30 Tagen eröffnet: %3$s; zurzeit offen: %4$s.'),
    ('admin_sessions_personal', 'en', '%1$s of %2$s log-ins of administrators and officers belong to one person each.'),
    ('admin_sessions_personal', 'de', '%1$s von %2$s Konten von Administratoren und Beauftragten gehören je einer Person.'),
    ('admin_sessions_anonymous', 'en', 'Log-in %1$s, an administrator''s or officer''s, belongs to no person on record: it may be shared.'),
    ('admin_sessions_anonymous', 'de', 'Das Konto %1$s eines Administrators oder Beauftragten ist keiner Person zugeordnet: Es kann geteilt sein.'),
    ('admin_sessions_shared', 'en', 'A personal log-in was in use from two addresses at once (finding %1$s of %2$s), and nobody has looked at it.'),
    ('admin_sessions_shared', 'de', 'Ein persönliches Konto war von zwei Adressen zugleich in Gebrauch (Auffälligkeit %1$s vom %2$s), und niemand hat es bewertet.');

CREATE FUNCTION toms.probe_admin_sessions()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT f FROM toms.found_writer() f
    UNION ALL
    SELECT toms.found('pass', 'admin_sessions_kept', ARRAY[current_setting('toms.admin_session_timeout'), current_setting('toms.admin_approval'),
        (SELECT count(*) FROM toms.audit_entry e WHERE e.kind = 'a' AND toms.audit_kind(e.kind, e.verb) = 'open_admin_session' AND e.at > now() - interval '30 days')::text,
        (SELECT count(*) FROM toms.admin_sessions s WHERE s.state = 'open')::text])
    UNION ALL
    SELECT toms.found('partial', 'admin_sessions_anonymous', ARRAY[l.name], format('SELECT toms.mark_login(%L, owner => ''…'');', l.role)) FROM toms.privileged_logins() l WHERE NOT l.personal
    UNION ALL
    SELECT toms.found('pass', 'admin_sessions_personal', ARRAY[(count(*) FILTER (WHERE l.personal))::text, count(*)::text]) FROM toms.privileged_logins() l
    UNION ALL
    SELECT toms.found('partial', 'admin_sessions_shared', ARRAY[e.id, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD')],
                      format('SELECT toms.acknowledge_finding(%L, by => ''…'', reason => ''…'');', e.id))
    FROM (SELECT f.finding || ':' || f.entry AS id, f.at FROM toms.found_entries() f WHERE f.finding = 'shared_login') e, LATERAL toms.note_of_finding(e.id) n WHERE n.state IS NULL;
$$;
REVOKE ALL ON FUNCTION toms.probe_admin_sessions() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_admin_sessions() IS 'internal: whether administrators can be told apart, and what they did';

INSERT INTO toms.phrase VALUES
    ('lockout_on', 'en', '%1$s failed log-ins within %2$s lock a user out at his address; %3$s are locked now.'),
    ('lockout_on', 'de', '%1$s fehlgeschlagene Anmeldungen binnen %2$p sperren einen Benutzer an seiner Adresse aus; %3$s sind zurzeit gesperrt.'),
    ('lockout_off', 'en', 'Failed log-ins lock nobody out (toms.login_attempts is 0).'),
    ('lockout_off', 'de', 'Fehlgeschlagene Anmeldungen sperren niemanden aus (toms.login_attempts ist 0).'),
    ('lockout_late', 'en', 'Only %1$s failed log-ins lock a user out.'),
    ('lockout_late', 'de', 'Erst %1$s fehlgeschlagene Anmeldungen sperren einen Benutzer aus.'),
    ('lockout_exempt', 'en', 'Role %1$s is never locked out (toms.login_exempt).'),
    ('lockout_exempt', 'de', 'Rolle %1$s wird nie ausgesperrt (toms.login_exempt).'),
    ('lockout_exempt_superuser', 'en', 'Superuser %1$s is never locked out (toms.login_exempt).'),
    ('lockout_exempt_superuser', 'de', 'Superuser %1$s wird nie ausgesperrt (toms.login_exempt).');

CREATE FUNCTION toms.probe_lockout()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH setting AS (SELECT current_setting('toms.login_attempts')::integer AS attempts,
                            ARRAY(SELECT trim(BOTH ' "' FROM u) FROM unnest(string_to_array(current_setting('toms.login_exempt'), ',')) u WHERE trim(u) <> '') AS exempt)
    SELECT CASE WHEN s.attempts = 0 THEN toms.found('fail', 'lockout_off', NULL, m.remedy)
                WHEN s.attempts > 20 THEN toms.found('partial', 'lockout_late', ARRAY[s.attempts::text], m.remedy)
                ELSE toms.found('pass', 'lockout_on', ARRAY[s.attempts::text, current_setting('toms.login_window'), (SELECT count(*) FROM toms.locked_logins)::text]) END
    FROM setting s, (VALUES ('ALTER SYSTEM SET toms.login_attempts = 10; SELECT pg_reload_conf();')) m (remedy)
    UNION ALL
    SELECT toms.found(CASE WHEN r.rolsuper THEN 'fail' ELSE 'partial' END, CASE WHEN r.rolsuper THEN 'lockout_exempt_superuser' ELSE 'lockout_exempt' END, ARRAY[u],
                      format('ALTER SYSTEM SET toms.login_exempt = %s; SELECT pg_reload_conf();',
                             coalesce((SELECT string_agg(quote_literal(o), ', ') FROM unnest(s.exempt) o WHERE o <> u), '''''')))
    FROM setting s, unnest(s.exempt) u JOIN pg_roles r ON r.rolname = u;
$$;
REVOKE ALL ON FUNCTION toms.probe_lockout() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_lockout() IS 'internal: whether failed log-ins lock out';
