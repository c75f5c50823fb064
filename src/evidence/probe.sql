-- What probes share: settings of the server, and SQL that changes them. What those of tables share is in probe_leak.sql.

INSERT INTO toms.phrase VALUES
    ('setting_left_out', 'en', '%1$s = %2$s is set for %3$s.'),
    ('setting_left_out', 'de', '%1$s = %2$s ist gesetzt für %3$s.');

-- SQL that changes a setting of the server.
CREATE FUNCTION toms.set_server(setting text, value text, restart boolean DEFAULT false)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN format('ALTER SYSTEM SET %s = %L;', setting, value) || E'\n' || CASE WHEN restart THEN '-- and restart the server' ELSE 'SELECT pg_reload_conf();' END;
REVOKE ALL ON FUNCTION toms.set_server(text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.set_server(text, text, boolean) IS 'internal: SQL that changes a setting of the server';

-- A setting of the server, whatever the session has made of it.
CREATE FUNCTION toms.server_setting(setting text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT s.reset_val FROM pg_settings s WHERE s.name = server_setting.setting);
REVOKE ALL ON FUNCTION toms.server_setting(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.server_setting(text) IS 'internal: a setting as sessions begin with it';

-- For which roles and databases a setting has another value than the server's.
CREATE FUNCTION toms.left_out(setting text, good text, status text)
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT left_out.status, 'setting_left_out',
           ARRAY[left_out.setting, split_part(c.config, '=', 2), concat_ws(' in ', 'role ' || coalesce(quote_ident(r.rolname), CASE WHEN d.datname IS NULL THEN 'ALL' END), 'database ' || quote_ident(d.datname))],
           CASE WHEN r.rolname IS NULL AND d.datname IS NOT NULL THEN 'ALTER DATABASE ' || quote_ident(d.datname)
                ELSE 'ALTER ROLE ' || coalesce(quote_ident(r.rolname), 'ALL') || coalesce(' IN DATABASE ' || quote_ident(d.datname), '') END || format(' RESET %s;', left_out.setting), NULL
    FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c (config)
         LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
    WHERE c.config LIKE left_out.setting || '=%' AND split_part(c.config, '=', 2) !~ good AND (s.setrole = 0 OR r.rolcanlogin) ORDER BY 3;
$$;
REVOKE ALL ON FUNCTION toms.left_out(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.left_out(text, text, text) IS 'internal: roles and databases for which a setting is not good enough';

CREATE FUNCTION toms.utc_second(at timestamptz)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS');
REVOKE ALL ON FUNCTION toms.utc_second(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.utc_second(timestamptz) IS 'internal: a time as evidence tells it';
