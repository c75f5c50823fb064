-- Who may do what, and who could at a time: by permission, and past all permissions.

-- Superusers are members of every role; they have rows of their own.
CREATE FUNCTION toms.logins_of(role oid)
RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(r.rolname::text ORDER BY r.rolname)
    FROM pg_roles r WHERE r.rolcanlogin AND NOT r.rolsuper AND EXISTS (SELECT FROM pg_roles o WHERE o.oid = role) AND pg_has_role(r.oid, role, 'MEMBER');
$$;
REVOKE ALL ON FUNCTION toms.logins_of(oid) FROM PUBLIC;
COMMENT ON FUNCTION toms.logins_of(oid) IS 'internal: log-ins that are a role, or can become it';

-- What passes row security, today: of the past the server keeps nothing.
CREATE FUNCTION toms.powers(relation regclass)
RETURNS TABLE (by text, role oid, remark text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'owner', c.relowner, 'as of now; with an administrative session, on record' FROM pg_class c WHERE c.oid = relation
    UNION ALL
    SELECT 'superuser', r.oid, 'as of now; with an administrative session, on record' FROM pg_roles r WHERE r.rolsuper
    UNION ALL
    SELECT 'bypassrls', r.oid, CASE r.rolname WHEN 'toms_lookup' THEN 'of toms itself: nobody logs in as it' ELSE 'as of now; with an administrative session, on record' END FROM pg_roles r WHERE r.rolbypassrls AND NOT r.rolsuper;
$$;
REVOKE ALL ON FUNCTION toms.powers(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.powers(regclass) IS 'internal: who gets past row security of a table, now';

-- The last word on the table until then: enforced, observed, or not protected.
CREATE FUNCTION toms.protection_at(relation regclass, at timestamptz)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT CASE h.action WHEN 'protect' THEN coalesce(h.mode, 'enforce') ELSE 'none' END
                     FROM toms.protection_history h WHERE h.relation_name = relation::text AND h.action IN ('protect', 'unprotect') AND h.at <= protection_at.at
                     ORDER BY h.id DESC LIMIT 1), 'none');
$$;
REVOKE ALL ON FUNCTION toms.protection_at(regclass, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.protection_at(regclass, timestamptz) IS 'internal: how a table was protected at a time';

CREATE FUNCTION toms.who_could_access(relation regclass, subject text DEFAULT NULL, at timestamptz DEFAULT pg_catalog.now())
RETURNS TABLE (by text, role text, logins text[], verbs text[], purposes text[], scope text, categories text[], valid_from timestamptz, valid_until timestamptz, remark text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET standard_conforming_strings = on AS $$
#variable_conflict use_column
DECLARE
    root constant regclass := coalesce((toms.describe(relation)).root, relation);
    mode constant text := toms.protection_at(root, who_could_access.at);
    limits constant text := (SELECT string_agg(format('restricted since %s, but for: %s', r.restricted_at::date, coalesce(nullif(array_to_string(r.purposes, ', '), ''), 'none')), '; ' ORDER BY r.id)
                             FROM toms.restriction r
                             WHERE r.subject = who_could_access.subject AND (r.relation IS NULL OR r.relation = root) AND r.restricted_at <= who_could_access.at AND (r.ended_at IS NULL OR r.ended_at > who_could_access.at));
BEGIN
    IF who_could_access.at > now() THEN
        RAISE EXCEPTION 'nobody knows who will be permitted what' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY
    SELECT 'permission', p.role::regrole::text, toms.logins_of(p.role), p.verbs, p.purposes, p.scope, coalesce(p.categories, ARRAY[(toms.describe(root)).category]), p.valid_from, p.valid_until,
           nullif(concat_ws('; ', CASE WHEN p.scope = 'own' THEN 'his own rows alone' || coalesce(', those of ' || quote_literal(who_could_access.subject) || ' as himself', '') END, CASE WHEN p.require_mfa THEN 'with a second factor' END, limits), '')
    FROM toms.permission p
    WHERE p.relation = root AND p.valid_from <= who_could_access.at AND (p.valid_until IS NULL OR p.valid_until > who_could_access.at)
    UNION ALL
    SELECT 'privilege', CASE a.grantee WHEN 0 THEN 'public' ELSE a.grantee::regrole::text END, CASE WHEN a.grantee <> 0 THEN toms.logins_of(a.grantee) END, array_agg(DISTINCT lower(a.privilege_type)), NULL, 'all', NULL, NULL, NULL,
           CASE mode WHEN 'observe' THEN 'the table was observed only: privileges of today decided' ELSE 'the table was not protected: privileges of today decided' END
    FROM pg_class c, LATERAL aclexplode(c.relacl) a
    WHERE mode <> 'enforce' AND c.oid = root AND a.grantee <> c.relowner AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') GROUP BY a.grantee
    UNION ALL
    SELECT 'officer', o.role::regrole::text, toms.logins_of(o.role), NULL, NULL, NULL, NULL, o.granted_at, o.revoked_at,
           CASE o.duty WHEN 'admin' THEN 'duty admin: may permit, to himself too, on record' WHEN 'auditor' THEN 'duty auditor: reads the audit trail, no row of the table' ELSE 'duty operator: carries out instructions' END
    FROM toms.officer o WHERE o.granted_at <= who_could_access.at AND (o.revoked_at IS NULL OR o.revoked_at > who_could_access.at)
    UNION ALL
    SELECT w.by, w.role::regrole::text, toms.logins_of(w.role), NULL, NULL, 'all', NULL, NULL, NULL, w.remark FROM toms.powers(root) w;
END
$$;
REVOKE ALL ON FUNCTION toms.who_could_access(regclass, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.who_could_access(regclass, text, timestamptz) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.who_could_access(regclass, text, timestamptz) IS 'who could read or change rows of a table, of a data subject, at a time: by permissions of then, officers of then, and past them owner, superusers and BYPASSRLS of now';

-- What an officer goes through: rights of today, who has them, and when somebody last looked.
CREATE FUNCTION toms.access_review()
RETURNS TABLE (kind text, role text, logins text[], relation text, verbs text[], purposes text[], scope text, since timestamptz, until timestamptz, given_by text, remark text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT * FROM (
        SELECT 'review', r.reviewer, NULL::text[], NULL::text, NULL::text[], NULL::text[], NULL::text, r.reviewed_at, r.next_due::timestamptz, r.recorded_by,
               coalesce(r.result, 'these rights have never been reviewed: SELECT toms.record_review(''A-2.4'', by => ''…'', result => ''…'', next_due => current_date + 365);')
        FROM (SELECT) one LEFT JOIN LATERAL (SELECT * FROM toms.measure_review v WHERE v.measure IN ('A-2.4', 'P-B.2') ORDER BY v.id DESC LIMIT 1) r ON true
        UNION ALL
        SELECT 'permission', p.role::regrole::text, toms.logins_of(p.role), p.relation::text, p.verbs, p.purposes, p.scope, p.valid_from, p.valid_until, p.permitted_by,
               nullif(concat_ws('; ', CASE WHEN p.require_mfa THEN 'with a second factor' END, 'categories ' || array_to_string(p.categories, ', ')), '')
        FROM toms.permission p WHERE p.valid_from <= now() AND (p.valid_until IS NULL OR p.valid_until > now())
        UNION ALL
        SELECT 'officer', o.role::regrole::text, toms.logins_of(o.role), NULL, NULL, NULL, o.duty, o.granted_at, NULL, o.granted_by, NULL FROM toms.officer o WHERE o.revoked_at IS NULL
        UNION ALL
        SELECT 'enter', e.login::regrole::text, toms.logins_of(e.login), NULL, NULL, NULL, 'tenant', e.allowed_at, NULL, e.allowed_by,
               format('acts without a token for %s as %s', array_to_string(e.tenants, ', '), array_to_string(e.roles, ', ')) FROM toms.enter_permission e WHERE e.ended_at IS NULL
        UNION ALL
        SELECT w.by, w.role::regrole::text, toms.logins_of(w.role), NULL, NULL, NULL, 'all', NULL, NULL, NULL, w.remark FROM toms.powers(NULL) w
        UNION ALL
        SELECT 'owner', c.relowner::regrole::text, toms.logins_of(c.relowner), string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text), NULL, NULL, 'all', NULL, NULL, NULL, 'with an administrative session, on record'
        FROM pg_class c WHERE c.oid IN (SELECT t.root FROM toms.protected_tables t) GROUP BY c.relowner
        UNION ALL
        SELECT 'keys', r.rolname::text, toms.logins_of(r.oid), NULL, NULL, NULL, 'all', NULL, NULL, NULL, 'reaches files of the server, the keyring among them, as superusers do'
        FROM pg_roles r
        WHERE r.rolcanlogin AND NOT r.rolsuper AND (pg_has_role(r.oid, 'pg_read_server_files', 'MEMBER') OR pg_has_role(r.oid, 'pg_write_server_files', 'MEMBER') OR pg_has_role(r.oid, 'pg_execute_server_program', 'MEMBER'))
        UNION ALL
        SELECT 'keys', NULL, NULL, NULL, NULL, NULL, 'all', NULL, NULL, NULL,
               'the operating-system user of the server, and whoever becomes him: ' || coalesce('directory ' || nullif(current_setting('toms.keyring', true), ''), 'program ' || nullif(current_setting('toms.keyring_command', true), ''), 'no keyring')
        UNION ALL
        SELECT 'replication', r.rolname::text, toms.logins_of(r.oid), NULL, NULL, NULL, 'all', NULL, NULL, NULL, 'copies all that is written, sealed values as ciphertext' FROM pg_roles r WHERE r.rolreplication AND NOT r.rolsuper) x (kind, role, logins, relation, verbs, purposes, scope, since, until, given_by, remark)
    ORDER BY array_position('{review,permission,officer,enter,owner,bypassrls,superuser,keys,replication}', x.kind), x.relation COLLATE "C", x.role COLLATE "C", x.since;
END
$$;
REVOKE ALL ON FUNCTION toms.access_review() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.access_review() TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.access_review() IS 'who may do what now: permissions, officers, jobs, owners, who gets past row security, who reaches keys, and the last review of all that';
