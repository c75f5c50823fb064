-- Probes: software that is supported, log-ins of those who have left, and what persons have to look at again and again.

INSERT INTO toms.phrase VALUES
    ('software_supported', 'en', 'PostgreSQL %1$s is supported until %2$s (%3$s, as of %4$s).'),
    ('software_supported', 'de', 'PostgreSQL %1$s wird bis %2$s unterstützt (%3$s, Stand %4$s).'),
    ('software_ended', 'en', 'PostgreSQL %1$s has not been supported since %2$s: upgrade to a newer major version.'),
    ('software_ended', 'de', 'PostgreSQL %1$s wird seit %2$s nicht mehr unterstützt: auf eine neuere Hauptversion umstellen.'),
    ('software_ends', 'en', 'PostgreSQL %1$s is supported until %2$s only: plan the upgrade.'),
    ('software_ends', 'de', 'PostgreSQL %1$s wird nur noch bis %2$s unterstützt: die Umstellung planen.'),
    ('software_unknown', 'en', 'It is not recorded until when PostgreSQL %1$s is supported.'),
    ('software_unknown', 'de', 'Es ist nicht festgehalten, bis wann PostgreSQL %1$s unterstützt wird.'),
    ('software_minor', 'en', 'PostgreSQL %1$s is older than %2$s, which there was on %3$s: install it and restart the server.'),
    ('software_minor', 'de', 'PostgreSQL %1$s ist älter als %2$s, das es am %3$s gab: einspielen und den Server neu starten.'),
    ('software_stale', 'en', 'What is recorded of PostgreSQL %1$s is of %2$s, more than a year ago.'),
    ('software_stale', 'de', 'Was zu PostgreSQL %1$s festgehalten ist, stammt vom %2$s, also von vor mehr als einem Jahr.'),
    ('software_library', 'en', 'toms: the library is of version %1$s, the extension of version %2$s.'),
    ('software_library', 'de', 'toms: Die Bibliothek hat Version %1$s, die Erweiterung Version %2$s.'),
    ('software_extension', 'en', 'Extension "%1$s" is of version %2$s; %3$s is installed.'),
    ('software_extension', 'de', 'Die Erweiterung „%1$s“ hat Version %2$s; installiert ist %3$s.'),
    ('leaver_active', 'en', 'Log-in "%1$s" has belonged to nobody since %2$s and may still log in.'),
    ('leaver_active', 'de', 'Das Konto „%1$s“ gehört seit %2$s niemandem mehr und ist nicht gesperrt.'),
    ('leaver_expired', 'en', 'Log-in "%1$s" has been invalid since %2$s, which stops its password alone; it may still log in.'),
    ('leaver_expired', 'de', 'Die Gültigkeit des Kontos „%1$s“ endete am %2$s; damit ist nur sein Kennwort ungültig, es selbst ist nicht gesperrt.'),
    ('leaver_duty', 'en', 'Log-in "%1$s" is disabled and still holds rights: %2$s.'),
    ('leaver_duty', 'de', 'Das Konto „%1$s“ ist gesperrt und hat noch die Aufgabe: %2$w.'),
    ('login_no_owner', 'en', 'Log-in "%1$s" (%2$s) belongs to nobody.'),
    ('login_no_owner', 'de', 'Das Konto „%1$s“ (%2$w) gehört niemandem.'),
    ('login_no_end', 'en', 'Log-in "%1$s" of a person is valid for ever.'),
    ('login_no_end', 'de', 'Das Konto „%1$s“ einer Person gilt unbegrenzt.'),
    ('logins_owned', 'en', 'Log-ins of persons: %1$s; others that may log in: %2$s; officers: %3$s.'),
    ('logins_owned', 'de', 'Konten von Personen: %1$s; weitere, die nicht gesperrt sind: %2$s; Beauftragte: %3$s.'),
    ('logins_none', 'en', 'No log-in is said to belong to a person.'),
    ('logins_none', 'de', 'Kein Konto ist einer Person zugeordnet.'),
    ('detection_interval', 'en', 'Reads, refusals and log-ins are in the trail within %1$s ms (toms.audit_delay), a finding among them is told at once (NOTIFY toms_findings); the check, which tells of others, runs every %2$s.'),
    ('detection_interval', 'de', 'Lesezugriffe, Ablehnungen und Anmeldungen stehen nach höchstens %1$s ms im Protokoll (toms.audit_delay), Auffälliges darunter wird sofort gemeldet (NOTIFY toms_findings); die Prüfung, die anderes meldet, läuft alle %2$p.'),
    ('detection_checked', 'en', 'The background worker last ran the check at %1$s (UTC).'),
    ('detection_checked', 'de', 'Der Hintergrundprozess führte die Prüfung zuletzt um %1$s (UTC) aus.'),
    ('detection_first', 'en', 'The background worker has not run the check yet; the first run is due by %1$s (UTC).'),
    ('detection_first', 'de', 'Der Hintergrundprozess hat die Prüfung noch nicht ausgeführt; der erste Lauf steht bis %1$s (UTC) an.'),
    ('detection_late', 'en', 'The background worker has not run the check since %1$s (UTC), though it is due every %2$s.'),
    ('detection_late', 'de', 'Der Hintergrundprozess hat die Prüfung seit %1$s (UTC) nicht ausgeführt, obwohl sie alle %2$p fällig ist.'),
    ('detection_rare', 'en', 'The check runs only every %1$s (toms.check_interval).'),
    ('detection_rare', 'de', 'Die Prüfung läuft nur alle %1$p (toms.check_interval).'),
    ('detection_logins', 'en', 'toms.audit_logins is none: log-ins that fail are not in the trail.'),
    ('detection_logins', 'de', 'toms.audit_logins steht auf none: Fehlgeschlagene Anmeldungen stehen nicht im Protokoll.'),
    ('exports_seen', 'en', 'Exports that are recorded: %1$s; since they were last reviewed: %2$s.'),
    ('exports_seen', 'de', 'Verzeichnete Exporte: %1$s; seit der letzten Überprüfung: %2$s.'),
    ('exports_unseen', 'en', 'Exports wait for a review for more than 90 days: the first is of %2$s, in all %1$s have not been reviewed.'),
    ('exports_unseen', 'de', 'Exporte warten seit mehr als 90 Tagen auf eine Überprüfung: Der erste ist vom %2$s, insgesamt sind %1$s nicht überprüft.'),
    ('access_counted', 'en', 'In force: permissions %1$s, of roles %2$s; duties of officers %3$s.'),
    ('access_counted', 'de', 'In Kraft: Berechtigungen %1$s, von Rollen %2$s; Aufgaben von Beauftragten %3$s.'),
    ('access_none', 'en', 'Nobody has been permitted anything.'),
    ('access_none', 'de', 'Niemandem ist etwas erlaubt worden.'),
    ('access_unseen', 'en', 'Role "%1$s" has had its permission for %2$s since %3$s, and nobody has reviewed it.'),
    ('access_unseen', 'de', 'Die Rolle „%1$s“ hat ihre Berechtigung für %2$s seit %3$s; überprüft hat sie niemand.'),
    ('officer_unseen', 'en', 'Role "%1$s" has had the duty %2$s since %3$s, and nobody has reviewed it.'),
    ('officer_unseen', 'de', 'Die Rolle „%1$s“ hat die Aufgabe %2$w seit %3$s; überprüft hat sie niemand.'),
    ('reviews_overdue', 'en', 'The review of %1$s (%2$s) was due on %3$s.'),
    ('reviews_overdue', 'de', 'Die Überprüfung von %1$s (%4$s) war am %3$s fällig.'),
    ('reviews_never', 'en', '%1$s (%2$s) has never been reviewed.'),
    ('reviews_never', 'de', '%1$s (%4$s) wurde noch nie überprüft.'),
    ('reviews_done', 'en', '%1$s of %2$s measures that persons look at are reviewed; the next review is due on %3$s.'),
    ('reviews_done', 'de', 'Von %2$s Maßnahmen, die Personen zu überprüfen haben, sind %1$s überprüft; die nächste Überprüfung ist am %3$s fällig.');

-- software -------------------------------------------------------------------------------------

-- What was known on a day: the newest row of a major version counts.
CREATE TABLE toms.supported_version (
    major       integer NOT NULL,
    as_of       date NOT NULL,
    ends_on     date NOT NULL,          -- no fixes after it
    minor       integer,                -- the newest on that day; NULL: not known
    source      text NOT NULL CHECK (source <> ''),
    shipped     boolean NOT NULL DEFAULT false,
    recorded_by text NOT NULL DEFAULT session_user,
    PRIMARY KEY (major, as_of)
);
SELECT pg_catalog.pg_extension_config_dump('toms.supported_version', 'WHERE NOT shipped');
REVOKE ALL ON toms.supported_version FROM PUBLIC;
GRANT SELECT ON toms.supported_version TO toms_admin, toms_auditor, toms_operator;
COMMENT ON TABLE toms.supported_version IS 'until when major versions of PostgreSQL are supported, and their newest minor version, as of a day';
INSERT INTO toms.supported_version (major, as_of, ends_on, minor, source, shipped, recorded_by) VALUES
    (15, '2026-11-23', '2027-11-11', 20, 'postgresql.org/support/versioning', true, 'toms'), (16, '2026-11-23', '2028-11-09', NULL, 'postgresql.org/support/versioning', true, 'toms'),
    (17, '2026-11-23', '2029-11-08', 11, 'postgresql.org/support/versioning', true, 'toms'), (18, '2026-11-23', '2030-11-14', 6, 'postgresql.org/support/versioning', true, 'toms');

CREATE FUNCTION toms.record_supported_version(major integer, ends_on date, minor integer, source text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF num_nulls(major, ends_on, source) > 0 OR source = '' THEN
        RAISE EXCEPTION 'a version has an end of its support, and a source that says so' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    DELETE FROM toms.supported_version v WHERE v.major = record_supported_version.major AND v.as_of = current_date AND NOT v.shipped;
    INSERT INTO toms.supported_version (major, as_of, ends_on, minor, source)
    VALUES (record_supported_version.major, current_date, record_supported_version.ends_on, record_supported_version.minor, record_supported_version.source);
END
$$;
REVOKE ALL ON FUNCTION toms.record_supported_version(integer, date, integer, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_supported_version(integer, date, integer, text) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.record_supported_version(integer, date, integer, text) IS 'record, as of today, until when a major version of PostgreSQL is supported and which minor version is its newest';

CREATE FUNCTION toms.server_rows()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH s AS (SELECT n.number / 10000 AS major, n.number % 10000 AS minor, format('%s.%s', n.number / 10000, n.number % 10000) AS name,
                      format('SELECT toms.record_supported_version(%s, ends_on => ''…'', minor => …, source => ''https://www.postgresql.org/support/versioning/'');', n.number / 10000) AS remedy
               FROM (SELECT current_setting('server_version_num')::integer AS number) n),
         v AS (SELECT v.* FROM toms.supported_version v, s WHERE v.major = s.major ORDER BY v.as_of DESC LIMIT 1)
    SELECT 'fail', 'software_unknown', ARRAY[s.name], s.remedy, NULL FROM s WHERE NOT EXISTS (SELECT FROM v)
    UNION ALL
    SELECT CASE WHEN v.ends_on < current_date THEN 'fail' WHEN v.ends_on < current_date + 90 THEN 'partial' ELSE 'pass' END,
           CASE WHEN v.ends_on < current_date THEN 'software_ended' WHEN v.ends_on < current_date + 90 THEN 'software_ends' ELSE 'software_supported' END,
           ARRAY[s.name, v.ends_on::text, v.source, v.as_of::text], NULL, NULL FROM s, v
    UNION ALL
    SELECT 'fail', 'software_minor', ARRAY[s.name, format('%s.%s', v.major, v.minor), v.as_of::text], NULL, NULL FROM s, v WHERE s.minor < v.minor
    UNION ALL
    SELECT 'overdue', 'software_stale', ARRAY[s.major::text, v.as_of::text], s.remedy, NULL FROM s, v WHERE v.as_of < current_date - 365;
$$;
REVOKE ALL ON FUNCTION toms.server_rows() FROM PUBLIC;
COMMENT ON FUNCTION toms.server_rows() IS 'internal: whether this version of PostgreSQL is supported and the newest of its kind';

CREATE FUNCTION toms.probe_software()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM toms.server_rows()
    UNION ALL
    SELECT CASE WHEN g.library_version = e.extversion THEN 'pass' WHEN t.gate = 'version' THEN 'fail' ELSE 'partial' END,
           'software_library', ARRAY[g.library_version, e.extversion],
           CASE WHEN string_to_array(g.library_version, '.')::integer[] > string_to_array(e.extversion, '.')::integer[] THEN 'ALTER EXTENSION toms UPDATE;' END, NULL
    FROM toms.guard_state() g, toms.gate_state() t, pg_extension e WHERE e.extname = 'toms'
    UNION ALL
    SELECT 'partial', 'software_extension', ARRAY[a.name::text, a.installed_version, a.default_version], format('ALTER EXTENSION %I UPDATE;', a.name), NULL
    FROM pg_available_extensions a WHERE a.installed_version <> a.default_version AND a.name <> 'toms';
$$;
REVOKE ALL ON FUNCTION toms.probe_software() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_software() IS 'internal: PostgreSQL is supported and of its newest minor version, as far as is recorded; extensions are those that are installed';

-- leavers --------------------------------------------------------------------------------------

-- What a role may do to protected data, in words; NULL: nothing in particular.
CREATE FUNCTION toms.role_rights(role oid)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT nullif(concat_ws(', ', CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolbypassrls AND NOT r.rolsuper THEN 'BYPASSRLS' END,
                                    (SELECT string_agg(d.duty, ', ' ORDER BY d.duty) FROM unnest('{admin,auditor,operator}'::text[]) d (duty)
                                     WHERE NOT r.rolsuper AND pg_has_role(r.oid, 'toms_' || d.duty, 'MEMBER'))), '') FROM pg_roles r WHERE r.oid = role);
REVOKE ALL ON FUNCTION toms.role_rights(oid) FROM PUBLIC;
COMMENT ON FUNCTION toms.role_rights(oid) IS 'internal: which rights of an administrator or officer a role has';

CREATE FUNCTION toms.probe_leavers()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    WITH login AS MATERIALIZED (
        SELECT r.oid, r.rolname::text AS name, r.rolcanlogin, r.rolvaliduntil, toms.role_rights(r.oid) AS rights, p.ended_at, p.id IS NOT NULL AND p.ended_at IS NULL AS is_owned
        FROM pg_roles r LEFT JOIN LATERAL (SELECT * FROM toms.personal_login p WHERE p.role = r.oid ORDER BY p.ended_at DESC NULLS FIRST LIMIT 1) p ON true)
    SELECT 'fail', 'leaver_active', ARRAY[l.name, l.ended_at::date::text], format('ALTER ROLE %I NOLOGIN;', l.name), NULL FROM login l WHERE l.rolcanlogin AND l.ended_at IS NOT NULL
    UNION ALL
    SELECT 'fail', 'leaver_expired', ARRAY[l.name, l.rolvaliduntil::date::text], format('ALTER ROLE %I NOLOGIN;', l.name), NULL FROM login l WHERE l.rolcanlogin AND l.rolvaliduntil < now()
    UNION ALL
    SELECT 'fail', 'leaver_duty', ARRAY[l.name, o.duty], format('SELECT toms.revoke_officer(%L, %L);', quote_ident(l.name), o.duty), NULL
    FROM login l JOIN toms.officer o ON o.role = l.oid AND o.revoked_at IS NULL WHERE NOT l.rolcanlogin AND (l.ended_at IS NOT NULL OR l.rolvaliduntil < now() OR l.is_owned)
    UNION ALL
    SELECT CASE WHEN l.rights ~ 'superuser|BYPASSRLS' THEN 'partial' ELSE 'fail' END, 'login_no_owner', ARRAY[l.name, l.rights],
           format('SELECT toms.mark_login(%L, owner => ''…'');', quote_ident(l.name)), NULL
    FROM login l WHERE l.rolcanlogin AND l.rights IS NOT NULL AND NOT l.is_owned AND l.ended_at IS NULL
    UNION ALL
    SELECT 'partial', 'login_no_end', ARRAY[l.name], format('ALTER ROLE %I VALID UNTIL %L;', l.name, current_date + 365), NULL
    FROM login l WHERE l.rolcanlogin AND l.is_owned AND coalesce(l.rolvaliduntil, 'infinity') = 'infinity'
    UNION ALL
    SELECT CASE WHEN count(*) FILTER (WHERE l.is_owned) > 0 THEN 'pass' ELSE 'fail' END, CASE WHEN count(*) FILTER (WHERE l.is_owned) > 0 THEN 'logins_owned' ELSE 'logins_none' END,
           ARRAY[count(*) FILTER (WHERE l.is_owned), count(*) FILTER (WHERE l.rolcanlogin AND NOT l.is_owned), (SELECT count(DISTINCT o.role) FROM toms.officer o WHERE o.revoked_at IS NULL)]::text[],
           CASE WHEN count(*) FILTER (WHERE l.is_owned) = 0 THEN 'SELECT toms.mark_login(''…'', owner => ''…'');' END, NULL
    FROM login l;
$$;
REVOKE ALL ON FUNCTION toms.probe_leavers() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_leavers() IS 'internal: log-ins of persons have an owner and an end; those of leavers are closed';

-- detection ------------------------------------------------------------------------------------

CREATE FUNCTION toms.check_history_rows()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET intervalstyle = 'postgres' AS $$
    WITH s AS (SELECT i.every, least(i.every, interval '30 minutes') AS grace, (SELECT max(r.at) FROM toms.check_run r WHERE r.by IS NULL AND r.at <= clock_timestamp()) AS last, (SELECT min(u.since) FROM toms.audit_use u) AS used
               FROM (SELECT current_setting('toms.check_interval')::interval AS every) i),
         -- a run has half an hour to begin, or its interval if that is shorter
         f AS (SELECT s.*, toms.interval_start(now(), s.every) + s.every AS next, s.used < b.began AND coalesce(s.last, '-infinity') < b.began AS is_late
               FROM s, LATERAL (SELECT toms.interval_start(now() - s.grace, s.every) AS began) b)
    SELECT CASE WHEN f.is_late THEN 'fail' ELSE 'pass' END, CASE WHEN f.is_late THEN 'detection_late' WHEN f.last IS NULL THEN 'detection_first' ELSE 'detection_checked' END,
           CASE WHEN f.is_late THEN ARRAY[toms.utc_second(coalesce(f.last, f.used)), f.every::text] ELSE ARRAY[toms.utc_second(coalesce(f.last, f.next))] END, NULL, NULL
    FROM f WHERE NOT pg_is_in_recovery();
$$;
REVOKE ALL ON FUNCTION toms.check_history_rows() FROM PUBLIC;
COMMENT ON FUNCTION toms.check_history_rows() IS 'internal: whether the background worker runs the check';

CREATE FUNCTION toms.probe_detection()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'pass', 'detection_interval', ARRAY[(SELECT s.setting FROM pg_settings s WHERE s.name = 'toms.audit_delay'), current_setting('toms.check_interval')], NULL::text, NULL::text
    UNION ALL
    SELECT 'fail', 'detection_rare', ARRAY[current_setting('toms.check_interval')], toms.set_server('toms.check_interval', '1d'), NULL
    WHERE current_setting('toms.check_interval')::interval > interval '7 days'
    UNION ALL
    SELECT 'fail', 'detection_logins', NULL, toms.set_server('toms.audit_logins', 'all'), NULL WHERE current_setting('toms.audit_logins') = 'none'
    UNION ALL
    SELECT * FROM toms.check_history_rows()
    UNION ALL
    SELECT * FROM toms.worker_rows();
$$;
REVOKE ALL ON FUNCTION toms.probe_detection() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_detection() IS 'internal: what is unusual is found within a stated time: the detector itself gives signs of life';

-- what persons look at -------------------------------------------------------------------------

-- When a person last reviewed one of the measures that name a probe.
CREATE FUNCTION toms.last_reviewed(probe text)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT max(v.reviewed_at) FROM toms.measure_review v JOIN toms.measure m ON m.probe = last_reviewed.probe
            WHERE v.measure = m.measure OR v.measure IN (SELECT p.part FROM toms.measure_part p WHERE p.measure = m.measure AND p.probed));
REVOKE ALL ON FUNCTION toms.last_reviewed(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.last_reviewed(text) IS 'internal: when a person last reviewed what a probe looks at';

CREATE FUNCTION toms.review_remedy(probe text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT format('SELECT toms.record_review(%L, by => ''…'', result => ''…'', next_due => current_date + 365);',
                          coalesce((SELECT p.part FROM toms.measure_part p WHERE p.measure = m.measure AND p.probed AND p.reviewed), m.measure))
            FROM toms.measure m WHERE m.probe = review_remedy.probe AND m.reviewed ORDER BY m.position LIMIT 1);
REVOKE ALL ON FUNCTION toms.review_remedy(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.review_remedy(text) IS 'internal: SQL that records a review of what a probe looks at';

-- Those that toms knows a recipient of, and copies that the trail alone knows of.
CREATE FUNCTION toms.probe_export_review()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    WITH export AS MATERIALIZED (
        SELECT d.at FROM toms.disclosure d UNION ALL SELECT e.at FROM toms.audit_entry e WHERE e.kind = 'r' AND e.verb = 'e'),
    unseen AS (SELECT count(*) AS exports, min(e.at) AS first FROM export e WHERE e.at > coalesce(toms.last_reviewed('export_review'), '-infinity'))
    SELECT 'pass', 'exports_seen', ARRAY[(SELECT count(*) FROM export), u.exports]::text[], NULL, NULL FROM unseen u
    UNION ALL
    SELECT 'overdue', 'exports_unseen', ARRAY[u.exports::text, u.first::date::text], toms.review_remedy('export_review'), NULL FROM unseen u WHERE u.first < now() - interval '90 days';
$$;
REVOKE ALL ON FUNCTION toms.probe_export_review() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_export_review() IS 'internal: a person has looked at the exports';

-- What was permitted since the last review has thirty days; where there was none, review_state() says so.
CREATE FUNCTION toms.probe_access_review()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    WITH permission AS MATERIALIZED (
        SELECT p.* FROM toms.permissions p WHERE p.valid_from <= now() AND coalesce(p.valid_until, 'infinity') > now()),
    officer AS MATERIALIZED (SELECT o.* FROM toms.officer o WHERE o.revoked_at IS NULL)
    SELECT CASE WHEN (SELECT count(*) FROM permission) > 0 THEN 'pass' ELSE 'fail' END, CASE WHEN (SELECT count(*) FROM permission) > 0 THEN 'access_counted' ELSE 'access_none' END,
           ARRAY[(SELECT count(*) FROM permission), (SELECT count(DISTINCT p.role) FROM permission p), (SELECT count(*) FROM officer)]::text[],
           CASE WHEN (SELECT count(*) FROM permission) = 0 THEN 'SELECT toms.permit(role => ''…'', relation => ''…'', verbs => ''{select}'', purposes => ''{…}'', scope => ''tenant'');' END, NULL
    UNION ALL
    SELECT 'overdue', 'access_unseen', ARRAY[p.role::text, p.relation::text, p.valid_from::date::text], toms.review_remedy('access_review'), NULL
    FROM permission p WHERE p.valid_from > toms.last_reviewed('access_review') AND p.valid_from < now() - interval '30 days'
    UNION ALL
    SELECT 'overdue', 'officer_unseen', ARRAY[o.role::text, o.duty, o.granted_at::date::text], toms.review_remedy('access_review'), NULL
    FROM officer o WHERE o.granted_at > toms.last_reviewed('access_review') AND o.granted_at < now() - interval '30 days';
$$;
REVOKE ALL ON FUNCTION toms.probe_access_review() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_access_review() IS 'internal: a person has looked at who may do what';

CREATE FUNCTION toms.probe_reviews()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH review AS MATERIALIZED (
        SELECT r.measure, r.next_due, r.next_due >= current_date AS is_done, coalesce(p.title_en, m.title_en) AS title_en, coalesce(p.title_de, m.title_de) AS title_de
        FROM toms.measure_reviews r LEFT JOIN toms.measure_part p ON p.part = r.measure JOIN toms.measure m ON m.measure = coalesce(p.measure, r.measure)
        WHERE NOT EXISTS (SELECT FROM toms.excluded_measures x WHERE x.measure IN (r.measure, m.measure)))
    SELECT 'overdue', CASE WHEN r.next_due IS NULL THEN 'reviews_never' ELSE 'reviews_overdue' END, ARRAY[r.measure, r.title_en, r.next_due::text, r.title_de],
           format('SELECT toms.record_review(%L, by => ''…'', result => ''…'', next_due => current_date + 365);', r.measure), NULL
    FROM review r WHERE r.is_done IS NOT TRUE
    UNION ALL
    SELECT 'pass', 'reviews_done', ARRAY[count(*) FILTER (WHERE r.is_done)::text, count(*)::text, coalesce((min(r.next_due) FILTER (WHERE r.is_done))::text, '–')], NULL, NULL FROM review r;
$$;
REVOKE ALL ON FUNCTION toms.probe_reviews() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_reviews() IS 'internal: no review of a measure is overdue';
