-- Probes: who gets to the server, and how: TLS, authentication, sessions that wait.

INSERT INTO toms.phrase VALUES
    ('tls_refused', 'en', 'toms.require_tls is "%1$s": a token over an unencrypted connection from elsewhere is refused.'),
    ('tls_refused', 'de', 'toms.require_tls steht auf „%1$s“: Ein Token über eine unverschlüsselte Verbindung von außerhalb wird abgewiesen.'),
    ('tls_accepted', 'en', 'toms.require_tls is "%1$s": a token is accepted over an unencrypted connection.'),
    ('tls_accepted', 'de', 'toms.require_tls steht auf „%1$s“: Ein Token wird auch über eine unverschlüsselte Verbindung angenommen.'),
    ('tls_ssl_on', 'en', 'The server offers TLS, %1$s or newer.'),
    ('tls_ssl_on', 'de', 'Der Server bietet TLS an, mindestens %1$s.'),
    ('tls_ssl_off', 'en', 'The server listens on %1$s and offers no TLS (ssl is off); it needs the files that ssl_cert_file and ssl_key_file name.'),
    ('tls_ssl_off', 'de', 'Der Server lauscht auf %1$s und bietet kein TLS an (ssl ist aus); dafür braucht er die Dateien, die ssl_cert_file und ssl_key_file nennen.'),
    ('tls_ssl_local', 'en', 'The server listens on this machine alone (%1$s) and offers no TLS.'),
    ('tls_ssl_local', 'de', 'Der Server lauscht nur auf dieser Maschine (%1$s) und bietet kein TLS an.'),
    ('tls_line', 'en', 'Line %1$s of %2$s lets unencrypted connections in: "%3$s".'),
    ('tls_line', 'de', 'Zeile %1$s von %2$s lässt unverschlüsselte Verbindungen zu: „%3$s“.'),
    ('tls_lines', 'en', '%2$s (lines: %1$s): from other machines it lets in encrypted connections alone.'),
    ('tls_lines', 'de', '%2$s lässt von anderen Maschinen nur verschlüsselte Verbindungen zu (Zeilen: %1$s).'),
    ('tls_session', 'en', 'Unencrypted connections of log-in "%1$s" from other machines now: %2$s.'),
    ('tls_session', 'de', 'Unverschlüsselte Verbindungen des Kontos „%1$s“ von anderen Maschinen, jetzt: %2$s.'),
    ('hba_error', 'en', 'Line %1$s of %2$s cannot be read: %3$s. Until that is mended the lines from before hold.'),
    ('hba_error', 'de', 'Zeile %1$s von %2$s ist nicht lesbar (was ihr fehlt, steht in pg_hba_file_rules). Bis das behoben ist, gelten die früheren Zeilen.'),
    ('hba_unloaded', 'en', '%1$s was changed after it was last loaded.'),
    ('hba_unloaded', 'de', '%1$s wurde geändert, nachdem sie zuletzt geladen wurde.'),
    ('auth_line', 'en', 'Line %1$s of %2$s lets in by the method %3$s: "%4$s".'),
    ('auth_line', 'de', 'Zeile %1$s von %2$s lässt mit dem Verfahren %3$s zu: „%4$s“.'),
    ('auth_other', 'en', 'Line %1$s of %2$s leaves authentication to %3$s, which cannot be looked into: "%4$s".'),
    ('auth_other', 'de', 'Zeile %1$s von %2$s überlässt die Authentisierung %3$s; das ist von hier nicht zu prüfen: „%4$s“.'),
    ('auth_lines', 'en', 'Methods in %1$s: %2$s.'),
    ('auth_lines', 'de', 'Verfahren in %1$s: %2$s.'),
    ('auth_encryption', 'en', 'password_encryption is "%1$s": new passwords are kept so.'),
    ('auth_encryption', 'de', 'password_encryption steht auf „%1$s“: So werden neue Kennwörter gespeichert.'),
    ('auth_hash', 'en', 'The password of log-in "%1$s" is kept as %2$s.'),
    ('auth_hash', 'de', 'Das Kennwort des Kontos „%1$s“ ist als %2$w gespeichert.'),
    ('auth_no_expiry', 'en', 'The password of log-in "%1$s" never expires.'),
    ('auth_no_expiry', 'de', 'Das Kennwort des Kontos „%1$s“ läuft nie ab.'),
    ('auth_passwords', 'en', 'Log-ins with a password: %1$s; of these with an end: %2$s.'),
    ('auth_passwords', 'de', 'Konten mit Kennwort: %1$s; davon befristet: %2$s.'),
    ('auth_checker', 'en', 'New passwords are checked by %1$s.'),
    ('auth_checker', 'de', 'Neue Kennwörter prüft %1$s.'),
    ('auth_no_checker', 'en', 'No module checks new passwords, and no review of P-Z.1 in force says why not.'),
    ('auth_no_checker', 'de', 'Kein Modul prüft neue Kennwörter, und keine gültige Überprüfung von P-Z.1 sagt, warum nicht.'),
    ('auth_checker_waived', 'en', 'No module checks new passwords; looked at by %1$s on %2$s: %3$s.'),
    ('auth_checker_waived', 'de', 'Kein Modul prüft neue Kennwörter; überprüft am %2$s (%1$s): %3$s.'),
    ('idle_on', 'en', '%1$s is %2$s: a session that waits longer is ended.'),
    ('idle_on', 'de', '%1$s beträgt %2$p: Eine Sitzung, die länger wartet, wird beendet.'),
    ('idle_off', 'en', '%1$s is 0: sessions may wait for ever.'),
    ('idle_off', 'de', '%1$s steht auf 0: Sitzungen dürfen beliebig lange warten.');

-- what they share ------------------------------------------------------------------------------

CREATE FUNCTION toms.is_loopback(address text)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN address ~ '^(localhost|127(\.\d+){3}|::1)$';
REVOKE ALL ON FUNCTION toms.is_loopback(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.is_loopback(text) IS 'internal: whether an address is of this machine alone';

-- Names as pg_hba.conf takes them.
CREATE FUNCTION toms.hba_names(names text[])
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT string_agg(CASE WHEN n.name ~ '[\s,#"]' THEN '"' || replace(n.name, '"', '""') || '"' ELSE n.name END, ',' ORDER BY n.n) FROM unnest(names) WITH ORDINALITY n (name, n));
REVOKE ALL ON FUNCTION toms.hba_names(text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.hba_names(text[]) IS 'internal: names of databases or roles for a line of pg_hba.conf';

-- "target" is what stands between type and method.
CREATE FUNCTION toms.hba_lines()
RETURNS TABLE (line text, file text, is_remote boolean, type text, target text, method text, options text, words text, databases text[], users text[], error text)
LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.line_number::text, coalesce(to_jsonb(h) ->> 'file_name', current_setting('hba_file')),
           h.type <> 'local' AND NOT (toms.is_loopback(h.address) AND (h.netmask IS NULL OR h.netmask ~ '^(255\.|ffff(:ffff){7}$)')), h.type, w.target, h.auth_method, w.options,
           concat_ws(' ', h.type, w.target, h.auth_method, w.options), h.database, h.user_name, h.error
    FROM pg_hba_file_rules h,
         LATERAL (SELECT concat_ws(' ', toms.hba_names(h.database), toms.hba_names(h.user_name), h.address, h.netmask), nullif(array_to_string(h.options, ' '), '')) w (target, options);
$$;
REVOKE ALL ON FUNCTION toms.hba_lines() FROM PUBLIC;
COMMENT ON FUNCTION toms.hba_lines() IS 'internal: lines of pg_hba.conf as the file has them now';

-- What keeps its lines from being those that hold.
CREATE FUNCTION toms.hba_faults()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'fail', 'hba_error', ARRAY[h.line, h.file, h.error], '-- mend the line, then' || E'\nSELECT pg_reload_conf();', NULL FROM toms.hba_lines() h WHERE h.error IS NOT NULL
    UNION ALL
    SELECT 'partial', 'hba_unloaded', ARRAY[f.file], 'SELECT pg_reload_conf();', NULL
    FROM (SELECT DISTINCT h.file FROM toms.hba_lines() h) f WHERE (pg_stat_file(f.file)).modification > pg_conf_load_time();
$$;
REVOKE ALL ON FUNCTION toms.hba_faults() FROM PUBLIC;
COMMENT ON FUNCTION toms.hba_faults() IS 'internal: lines of pg_hba.conf that do not hold';

-- What is to stand in a line of pg_hba.conf, and the SQL after that: no SQL changes it.
CREATE FUNCTION toms.hba_remedy(line text, file text, words text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN toms.suggest_comment(format('in %s, line %s becomes:', file, line)) || E'\n' || toms.suggest_comment(words) || E'\nSELECT pg_reload_conf();';
REVOKE ALL ON FUNCTION toms.hba_remedy(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.hba_remedy(text, text, text) IS 'internal: what mends a line of pg_hba.conf';

-- Methods that are not as strong as SCRAM, a certificate or the operating system's word for who is on the machine.
CREATE FUNCTION toms.hba_methods()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'fail', 'auth_line', ARRAY[h.line, h.file, h.method, h.words], toms.hba_remedy(h.line, h.file, concat_ws(' ', h.type, h.target, 'scram-sha-256', (regexp_match(h.options, '\mclientcert=\S+'))[1])), NULL
    FROM toms.hba_lines() h WHERE h.method IN ('trust', 'password', 'md5', 'ident') AND h.error IS NULL
    UNION ALL
    SELECT 'partial', 'auth_other', ARRAY[h.line, h.file, h.method, h.words], NULL, NULL
    FROM toms.hba_lines() h WHERE h.method NOT IN ('trust', 'password', 'md5', 'ident', 'scram-sha-256', 'cert', 'peer', 'reject')
    UNION ALL
    SELECT 'pass', 'auth_lines', ARRAY[m.file, string_agg(m.method || ' (' || m.lines || ')', ', ' ORDER BY m.method)], NULL, NULL
    FROM (SELECT h.file, h.method, count(*) AS lines FROM toms.hba_lines() h
          WHERE h.error IS NULL AND h.method IN ('scram-sha-256', 'cert', 'peer', 'reject') GROUP BY h.file, h.method) m GROUP BY m.file;
$$;
REVOKE ALL ON FUNCTION toms.hba_methods() FROM PUBLIC;
COMMENT ON FUNCTION toms.hba_methods() IS 'internal: by which methods pg_hba.conf lets in';

-- probes ---------------------------------------------------------------------------------------

CREATE FUNCTION toms.probe_tls()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    -- asked of what decides about tokens: an address of RFC 5737, which is nobody's
    SELECT CASE WHEN q.passes THEN 'fail' ELSE 'pass' END, CASE WHEN q.passes THEN 'tls_accepted' ELSE 'tls_refused' END, ARRAY[current_setting('toms.require_tls')],
           CASE WHEN q.passes THEN toms.set_server('toms.require_tls', 'remote') END, NULL
    FROM (SELECT toms.passes_unencrypted('192.0.2.1') AS passes) q
    UNION ALL
    SELECT CASE WHEN current_setting('ssl') = 'on' OR l.is_local THEN 'pass' ELSE 'fail' END,
           CASE WHEN current_setting('ssl') = 'on' THEN 'tls_ssl_on' WHEN l.is_local THEN 'tls_ssl_local' ELSE 'tls_ssl_off' END,
           ARRAY[CASE WHEN current_setting('ssl') = 'on' THEN current_setting('ssl_min_protocol_version') ELSE coalesce(nullif(l.addresses, ''), '–') END],
           CASE WHEN current_setting('ssl') <> 'on' AND NOT l.is_local THEN toms.set_server('ssl', 'on') END, NULL
    FROM (SELECT s.addresses, NOT EXISTS (SELECT FROM regexp_split_to_table(s.addresses, '\s*,\s*') a WHERE a <> '' AND NOT toms.is_loopback(trim(a))) AS is_local
          FROM (SELECT current_setting('listen_addresses') AS addresses) s) l
    UNION ALL
    SELECT 'fail', 'tls_line', ARRAY[h.line, h.file, h.words], toms.hba_remedy(h.line, h.file, concat_ws(' ', 'hostssl', h.target, h.method, h.options)), NULL
    FROM toms.hba_lines() h WHERE h.is_remote AND h.type IN ('host', 'hostnossl', 'hostnogssenc') AND h.method <> 'reject'
    UNION ALL
    SELECT 'pass', 'tls_lines', ARRAY[count(*)::text, h.file], NULL, NULL
    FROM toms.hba_lines() h GROUP BY h.file HAVING NOT coalesce(bool_or(h.is_remote AND h.type IN ('host', 'hostnossl', 'hostnogssenc') AND h.method <> 'reject'), false)
    UNION ALL
    SELECT * FROM toms.hba_faults()
    UNION ALL
    SELECT 'fail', 'tls_session', ARRAY[a.usename::text, count(*)::text],
           format('SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename = %L AND NOT ssl AND client_addr IS NOT NULL;', a.usename), NULL
    FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) LEFT JOIN pg_stat_gssapi g USING (pid)
    WHERE NOT s.ssl AND NOT coalesce(g.encrypted, false) AND a.client_addr IS NOT NULL AND NOT toms.is_loopback(host(a.client_addr)) GROUP BY a.usename;
$$;
REVOKE ALL ON FUNCTION toms.probe_tls() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_tls() IS 'internal: connections from other machines are encrypted';

-- Modules that are known to check passwords.
CREATE FUNCTION toms.loaded_password_checkers()
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT string_agg(DISTINCT m.name, ', ')
            FROM unnest('{shared_preload_libraries,session_preload_libraries}'::text[]) s (setting),
                 regexp_split_to_table(toms.server_setting(s.setting), '\s*,\s*') l (library), LATERAL regexp_replace(trim('"' FROM l.library), '^.*/|\.so$', '', 'g') m (name)
            WHERE m.name IN ('passwordcheck', 'passwordcheck_extra', 'passwordpolicy', 'credcheck'));
REVOKE ALL ON FUNCTION toms.loaded_password_checkers() FROM PUBLIC;
COMMENT ON FUNCTION toms.loaded_password_checkers() IS 'internal: modules that check new passwords';

CREATE FUNCTION toms.probe_password_checker()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN c.modules IS NULL AND v.reviewer IS NULL THEN 'fail' ELSE 'pass' END,
           CASE WHEN c.modules IS NOT NULL THEN 'auth_checker' WHEN v.reviewer IS NOT NULL THEN 'auth_checker_waived' ELSE 'auth_no_checker' END,
           CASE WHEN c.modules IS NOT NULL THEN ARRAY[c.modules] WHEN v.reviewer IS NOT NULL THEN ARRAY[v.reviewer, v.reviewed_at::date::text, v.result] END,
           CASE WHEN c.modules IS NULL AND v.reviewer IS NULL THEN 'SELECT toms.record_review(''P-Z.1'', by => ''…'', result => ''…'', next_due => current_date + 365);' END, NULL
    FROM (SELECT toms.loaded_password_checkers() AS modules) c
         LEFT JOIN LATERAL (SELECT * FROM toms.measure_review v WHERE v.measure = 'P-Z.1' ORDER BY v.id DESC LIMIT 1) v ON v.next_due >= current_date;
$$;
REVOKE ALL ON FUNCTION toms.probe_password_checker() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_password_checker() IS 'internal: new passwords are checked, or a person has said why not';

CREATE FUNCTION toms.probe_authentication()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM toms.hba_methods()
    UNION ALL
    SELECT * FROM toms.hba_faults()
    UNION ALL
    SELECT CASE e.method WHEN 'scram-sha-256' THEN 'pass' ELSE 'fail' END, 'auth_encryption', ARRAY[e.method],
           CASE WHEN e.method <> 'scram-sha-256' THEN toms.set_server('password_encryption', 'scram-sha-256') END, NULL
    FROM (SELECT toms.server_setting('password_encryption') AS method) e
    UNION ALL
    SELECT * FROM toms.left_out('password_encryption', '^scram-sha-256$', 'fail')
    UNION ALL
    SELECT 'fail', 'auth_hash', ARRAY[a.rolname::text, CASE WHEN a.rolpassword LIKE 'md5%' THEN 'MD5' ELSE 'clear text' END],
           format('ALTER ROLE %I PASSWORD NULL;    ', a.rolname) || toms.suggest_comment(format('a new one with \password %I', a.rolname)), NULL
    FROM pg_authid a WHERE a.rolpassword IS NOT NULL AND a.rolpassword NOT LIKE 'SCRAM-SHA-256$%'
    UNION ALL
    SELECT 'partial', 'auth_no_expiry', ARRAY[a.rolname::text], format('ALTER ROLE %I VALID UNTIL %L;', a.rolname, current_date + 365), NULL
    FROM pg_authid a WHERE a.rolcanlogin AND a.rolpassword IS NOT NULL AND coalesce(a.rolvaliduntil, 'infinity') = 'infinity'
    UNION ALL
    SELECT 'pass', 'auth_passwords', ARRAY[count(*)::text, count(nullif(a.rolvaliduntil, 'infinity'))::text], NULL, NULL FROM pg_authid a WHERE a.rolcanlogin AND a.rolpassword IS NOT NULL
    UNION ALL
    SELECT * FROM toms.probe_password_checker();
$$;
REVOKE ALL ON FUNCTION toms.probe_authentication() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_authentication() IS 'internal: log-ins need SCRAM, a certificate or the operating system''s word; passwords are hashed with SCRAM, checked, and end';

CREATE FUNCTION toms.probe_idle_sessions()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE t.value WHEN '0' THEN 'fail' ELSE 'pass' END, CASE t.value WHEN '0' THEN 'idle_off' ELSE 'idle_on' END, ARRAY[t.name, (t.value || ' ms')::interval::text],
           CASE t.value WHEN '0' THEN toms.set_server(t.name, t.usual) END, NULL
    FROM (SELECT s.name, toms.server_setting(s.name) AS value, s.usual
          FROM (VALUES ('idle_session_timeout', '30min'), ('idle_in_transaction_session_timeout', '5min')) s (name, usual)) t
    UNION ALL
    SELECT f.* FROM unnest('{idle_session_timeout,idle_in_transaction_session_timeout}'::text[]) s (name), LATERAL toms.left_out(s.name, '^0*[1-9]', 'partial') f
    UNION ALL
    SELECT * FROM toms.hba_methods();
$$;
REVOKE ALL ON FUNCTION toms.probe_idle_sessions() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_idle_sessions() IS 'internal: sessions that wait are ended; log-ins need a key or SCRAM';
