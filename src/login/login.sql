-- Log-ins: locks that follow failed ones, and log-ins that belong to one person.

-- locks -----------------------------------------------------------------------------

CREATE TABLE toms.login_lock (
    login    text COLLATE "C" NOT NULL,
    address  inet NOT NULL,             -- of IPv6 the first 64 bits
    failures integer NOT NULL,
    since    timestamptz NOT NULL,
    until    timestamptz NOT NULL,
    PRIMARY KEY (login, address)
);
-- Nobody is locked out by what is restored from a dump.
SELECT pg_catalog.pg_extension_config_dump('toms.login_lock', 'WHERE false');
COMMENT ON TABLE toms.login_lock IS 'locks of log-ins, as they are read when the server starts; toms.locked_logins tells which are in force';

CREATE FUNCTION toms.login_lock_entries(OUT login text, OUT login_hash text, OUT address inet, OUT failures integer,
                                        OUT since timestamptz, OUT until timestamptz)
RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_login_lock_entries';
REVOKE ALL ON FUNCTION toms.login_lock_entries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.login_lock_entries() TO pg_monitor, toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.login_lock_entries() IS 'internal: the rows of toms.locked_logins';

CREATE VIEW toms.locked_logins AS
    SELECT login, login_hash, address, failures, since, until FROM toms.login_lock_entries();
COMMENT ON VIEW toms.locked_logins IS 'who is locked out after failed log-ins, from which address, and until when; a name that no role has is a hash';
GRANT SELECT ON toms.locked_logins TO pg_monitor, toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.unlock_login(login name, address inet DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_unlock_login';
REVOKE ALL ON FUNCTION toms.unlock_login(name, inet) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.unlock_login(name, inet) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.unlock_login(name, inet) IS 'end the locks of a log-in at an address, or at all: how many there were; at once, whatever becomes of the transaction';

CREATE FUNCTION toms.begin_login_lock(login text, address inet, failures integer, since timestamptz, until timestamptz) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_begin_login_lock';
REVOKE ALL ON FUNCTION toms.begin_login_lock(text, inet, integer, timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.begin_login_lock(text, inet, integer, timestamptz, timestamptz) IS 'internal: put a lock in force that was so before a restart';

CREATE FUNCTION toms.load_login_locks()
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.begin_login_lock(l.login, l.address, l.failures, l.since, l.until) FROM toms.login_lock l WHERE l.until > clock_timestamp();
END
$$;
REVOKE ALL ON FUNCTION toms.load_login_locks() FROM PUBLIC;
COMMENT ON FUNCTION toms.load_login_locks() IS 'internal: put the locks of before a restart in force';

-- Locks are of the whole server: one database keeps them, the others forget theirs.
CREATE FUNCTION toms.keep_login_locks(keeps boolean)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM toms.login_lock l
    WHERE NOT keeps OR NOT EXISTS (SELECT FROM toms.login_lock_entries() e
                                   WHERE e.login = l.login AND e.address = l.address AND e.until = l.until);
    INSERT INTO toms.login_lock
    SELECT e.login, e.address, e.failures, e.since, e.until FROM toms.login_lock_entries() e
    WHERE keeps AND e.login IS NOT NULL
    ON CONFLICT DO NOTHING;
END
$$;
REVOKE ALL ON FUNCTION toms.keep_login_locks(boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.keep_login_locks(boolean) IS 'internal: write the locks that are in force down';

CREATE FUNCTION toms.login_state(OUT waiting integer, OUT lost bigint, OUT forgotten bigint)
RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL SAFE ROWS 1 AS 'MODULE_PATHNAME', 'toms_login_state';
REVOKE ALL ON FUNCTION toms.login_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.login_state() TO pg_monitor, toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.login_state() IS 'log-ins that wait for being recorded, that found no room since it was last told, and counts of failures that gave way to others';

-- personal log-ins ------------------------------------------------------------------

CREATE TABLE toms.personal_login (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role      regrole NOT NULL,
    owner     text NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    marked_by text NOT NULL,
    ended_at  timestamptz,
    ended_by  text
);
CREATE UNIQUE INDEX personal_login_role_idx ON toms.personal_login (role) WHERE ended_at IS NULL;
SELECT pg_catalog.pg_extension_config_dump('toms.personal_login', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
SELECT pg_catalog.pg_extension_config_dump('toms.personal_login_id_seq', '');
COMMENT ON TABLE toms.personal_login IS 'log-ins that belong to one person, now and in the past';
GRANT SELECT ON toms.personal_login TO toms_admin, toms_auditor;
GRANT SELECT ON SEQUENCE toms.personal_login_id_seq TO toms_auditor;   -- a dump of the schema reads it

CREATE VIEW toms.personal_logins AS
    SELECT id, role AS login, owner, marked_at, marked_by, ended_at, ended_by FROM toms.personal_login;
COMMENT ON VIEW toms.personal_logins IS 'log-ins that belong to one person, ended ones included';
GRANT SELECT ON toms.personal_logins TO toms_admin, toms_auditor;

CREATE FUNCTION toms.mark_login(role regrole, personal boolean DEFAULT true, owner text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF role IS NULL OR personal IS NULL OR NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = mark_login.role) THEN
        RAISE EXCEPTION 'a role must be named, and whether it is personal' USING ERRCODE = 'invalid_parameter_value';
    ELSIF personal AND coalesce(owner, '') = '' THEN
        RAISE EXCEPTION 'whose log-in % is must be named', role USING ERRCODE = 'invalid_parameter_value',
            HINT = format('SELECT toms.mark_login(%L, owner => ''name'');', role);
    END IF;
    UPDATE toms.personal_login p SET ended_at = clock_timestamp(), ended_by = session_user
    WHERE p.role = mark_login.role AND p.ended_at IS NULL AND NOT (personal AND p.owner = mark_login.owner);
    INSERT INTO toms.personal_login (role, owner, marked_by)
    SELECT mark_login.role, mark_login.owner, session_user
    WHERE personal AND NOT EXISTS (SELECT FROM toms.personal_login p WHERE p.role = mark_login.role AND p.ended_at IS NULL);
END
$$;
REVOKE ALL ON FUNCTION toms.mark_login(regrole, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.mark_login(regrole, boolean, text) TO toms_admin;
COMMENT ON FUNCTION toms.mark_login(regrole, boolean, text) IS 'say that a log-in belongs to one person, and to whom, or that it does not: sessions of it from two addresses at once are a finding';
