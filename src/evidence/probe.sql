-- What probes share: settings of the server, SQL that changes them, and rows that several of them have. What those of tables
-- share is in probe_leak.sql.

INSERT INTO toms.phrase VALUES
    ('nothing_protected', 'en', 'No table is protected: nothing is kept of this promise yet.'),
    ('nothing_protected', 'de', 'Keine Tabelle ist geschützt: Von dieser Zusage ist noch nichts eingelöst.'),
    ('only_observed', 'en', 'Table %1$s is only observed: it is not enforced.'),
    ('only_observed', 'de', 'Tabelle %1$s wird nur beobachtet: Es wird nichts durchgesetzt.'),
    ('function_widened', 'en', 'Function %1$s can be called by %2$s, to whom toms does not grant it.'),
    ('function_widened', 'de', 'Funktion %1$s kann von %2$s aufgerufen werden, dem toms sie nicht gewährt.'),
    ('writer_gone', 'en', 'Reads, refusals and log-ins are not written: their writer does not run.'),
    ('writer_gone', 'de', 'Lesezugriffe, Verweigerungen und Anmeldungen werden nicht geschrieben: Der zuständige Prozess läuft nicht.'),
    ('writer_behind', 'en', 'An event has been waiting for %1$s ms to be written.'),
    ('writer_behind', 'de', 'Ein Ereignis wartet seit %1$s ms darauf, geschrieben zu werden.'),
    ('worker_alive', 'en', 'The background worker of this database last finished a step at %1$s (UTC).'),
    ('worker_alive', 'de', 'Der Hintergrundprozess dieser Datenbank beendete zuletzt um %1$s (UTC) einen Schritt.'),
    ('worker_gone', 'en', 'No background worker runs for this database; max_worker_processes is %1$s.'),
    ('worker_gone', 'de', 'Für diese Datenbank läuft kein Hintergrundprozess; max_worker_processes beträgt %1$s.'),
    ('worker_stuck', 'en', 'The background worker of this database has finished no step since %1$s (UTC); the server log says why.'),
    ('worker_stuck', 'de', 'Der Hintergrundprozess dieser Datenbank hat seit %1$s (UTC) keinen Schritt beendet; der Grund steht im Log des Servers.'),
    ('setting_left_out', 'en', '%1$s = %2$s is set for %3$s.'),
    ('setting_left_out', 'de', '%1$s = %2$s ist gesetzt für %3$w.');

-- Nothing here waits for a table that somebody has locked, and who waits after him: it is told instead. With a table its partitions.
CREATE FUNCTION toms.locked_tables()
RETURNS SETOF oid LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE locked (relid) AS (
        SELECT l.relation FROM pg_locks l
        WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND l.pid IS DISTINCT FROM pg_backend_pid()
        UNION
        SELECT i.inhrelid FROM locked l JOIN pg_inherits i ON i.inhparent = l.relid)
    SELECT l.relid FROM locked l;
$$;
REVOKE ALL ON FUNCTION toms.locked_tables() FROM PUBLIC;
COMMENT ON FUNCTION toms.locked_tables() IS 'internal: tables that another session has locked, or is about to, against readers too';

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

-- rows of several probes --------------------------------------------------------------------------


CREATE FUNCTION toms.found_unprotected()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.found('fail', 'nothing_protected', NULL, 'SELECT toms.suggest(''…'');')
    WHERE NOT EXISTS (SELECT FROM pg_seclabel l WHERE l.provider = 'toms' AND l.classoid = 'pg_class'::regclass AND l.objsubid = 0);
$$;
REVOKE ALL ON FUNCTION toms.found_unprotected() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_unprotected() IS 'internal: a row of probes, where no table is protected';

CREATE FUNCTION toms.found_observed()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.found('partial', 'only_observed', ARRAY[p.relation::text], format('SELECT toms.enforce(%L);', p.relation))
    FROM toms.protected_tables p WHERE p.root = p.relation AND p.mode = 'observe';
$$;
REVOKE ALL ON FUNCTION toms.found_observed() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_observed() IS 'internal: a row of probes for each table that is only observed';

-- What the extension grants stands in pg_init_privs.
CREATE FUNCTION toms.found_widened(functions name[])
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.found('fail', 'function_widened', ARRAY[p.oid::regprocedure::text, toms.grantee(a.grantee)], format('REVOKE ALL ON FUNCTION %s FROM %s;', p.oid::regprocedure, toms.grantee(a.grantee)))
    FROM pg_proc p JOIN pg_init_privs i ON i.objoid = p.oid AND i.classoid = 'pg_proc'::regclass,
         aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    WHERE p.pronamespace = 'toms'::regnamespace AND p.proname = ANY (functions) AND a.grantee <> p.proowner
      AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) o WHERE o.grantee = a.grantee);
$$;
REVOKE ALL ON FUNCTION toms.found_widened(name[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.found_widened(name[]) IS 'internal: a row of probes for each role to which somebody has granted a function of toms';

-- Each database with toms has two workers, and one more where there are rules of retention.
CREATE FUNCTION toms.more_workers()
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN toms.set_server('max_worker_processes', (current_setting('max_worker_processes')::integer + 3)::text, restart => true);
REVOKE ALL ON FUNCTION toms.more_workers() FROM PUBLIC;
COMMENT ON FUNCTION toms.more_workers() IS 'internal: SQL that makes room for the background workers of a database';

CREATE FUNCTION toms.found_writer()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN q.writer_pid IS NULL THEN toms.found('fail', 'writer_gone', NULL, toms.more_workers())
                ELSE toms.found('fail', 'writer_behind', ARRAY[q.oldest_waiting_ms::text], 'SELECT * FROM toms.audit_queue;') END
    FROM (SELECT) one LEFT JOIN toms.audit_queue q ON true
    WHERE NOT pg_is_in_recovery() AND (q.writer_pid IS NULL OR q.oldest_waiting_ms > q.timeout_ms);
$$;
REVOKE ALL ON FUNCTION toms.found_writer() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_writer() IS 'internal: a row of probes, where events of the trail are not written';

-- It does a step every ten minutes, or every toms.seal_interval if that is longer, whether or not there is anything to do.
CREATE FUNCTION toms.found_worker()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN w.pid IS NULL THEN toms.found('fail', 'worker_gone', ARRAY[current_setting('max_worker_processes')], toms.more_workers())
                WHEN w.at < clock_timestamp() - 2 * greatest(current_setting('toms.seal_interval')::interval, interval '10 minutes')
                THEN toms.found('fail', 'worker_stuck', ARRAY[toms.utc_second(w.at)], 'SELECT pg_terminate_backend(pid) FROM toms.workers WHERE database = current_database();')
                ELSE toms.found('pass', 'worker_alive', ARRAY[toms.utc_second(w.at)]) END
    FROM (SELECT w.pid, greatest(w.last_step_at, w.started_at) AS at FROM (SELECT) one LEFT JOIN toms.workers w ON w.database = current_database()) w
    WHERE NOT pg_is_in_recovery();
$$;
REVOKE ALL ON FUNCTION toms.found_worker() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_worker() IS 'internal: a row of probes: whether the background worker of this database gives signs of life';
