-- Settings on which the protection depends: the trail tells when they have changed.

CREATE TABLE toms.audit_setting (
    setting text COLLATE "C" NOT NULL PRIMARY KEY,
    value   text
);
REVOKE ALL ON toms.audit_setting FROM PUBLIC;
COMMENT ON TABLE toms.audit_setting IS 'internal: settings as the audit trail knows them; written by toms alone, and not in dumps: they are of this server';

CREATE FUNCTION toms.tell_setting(setting text, old text, new text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_tell_setting';
REVOKE ALL ON FUNCTION toms.tell_setting(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.tell_setting(text, text, text) IS 'internal: an entry of the audit trail about a setting';

-- What the worker has set for itself it does not see: of these, what the configuration says.
CREATE FUNCTION toms.watched_settings(own text[], OUT setting text, OUT value text)
RETURNS SETOF record LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.name, s.setting FROM pg_settings s WHERE toms.setting_is_watched(s.name) AND s.name <> ALL (own)
    UNION ALL
    SELECT f.name, (array_agg(f.setting ORDER BY f.seqno DESC))[1] FROM pg_file_settings f
    WHERE f.name = ANY (own) AND toms.setting_is_watched(f.name) GROUP BY f.name
    UNION ALL
    SELECT concat(split_part(c.line, '=', 1), ' of role ' || r.rolname, ' of database ' || d.datname), substr(c.line, strpos(c.line, '=') + 1)
    FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c (line)
    WHERE s.setdatabase IN (0, (SELECT o.oid FROM pg_database o WHERE o.datname = current_database()))
      AND toms.setting_is_watched(split_part(c.line, '=', 1));
$$;
REVOKE ALL ON FUNCTION toms.watched_settings(text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.watched_settings(text[]) IS 'internal: the settings on which the protection depends, as they are now';

-- The first time there is nothing to compare with.
CREATE FUNCTION toms.compare_settings(own text[])
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known constant boolean := EXISTS (SELECT FROM toms.audit_setting);
    changed record;
    n integer := 0;
BEGIN
    FOR changed IN SELECT setting, a.value AS old, w.value AS new, a.setting IS NULL AS added, w.setting IS NULL AS gone
                   FROM toms.audit_setting a FULL JOIN toms.watched_settings(own) w USING (setting)
                   WHERE a.value IS DISTINCT FROM w.value OR a.setting IS NULL OR w.setting IS NULL ORDER BY setting LOOP
        IF changed.gone THEN
            DELETE FROM toms.audit_setting a WHERE a.setting = changed.setting;
        ELSIF changed.added THEN
            INSERT INTO toms.audit_setting (setting, value) VALUES (changed.setting, changed.new);
        ELSE
            UPDATE toms.audit_setting a SET value = changed.new WHERE a.setting = changed.setting;
        END IF;
        IF known THEN
            PERFORM toms.tell_setting(changed.setting, changed.old, changed.new);
            n := n + 1;
        END IF;
    END LOOP;
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION toms.compare_settings(text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.compare_settings(text[]) IS 'internal: tell the audit trail of settings that have changed since it was told last';
