-- Probes of who gets at tables: tenants, contexts, permissions, scopes, separation, what destroys rows.

INSERT INTO toms.phrase VALUES
    ('tenants_shared', 'en', '%1$s shows rows without a tenant to every tenant, as declared.'),
    ('tenants_shared', 'de', '%1$s zeigt Zeilen ohne Mandanten jedem Mandanten, wie festgelegt.'),
    ('permissions_none', 'en', 'Nothing is permitted to anybody.'),
    ('permissions_none', 'de', 'Niemandem ist etwas erlaubt.'),
    ('permissions_declared', 'en', '%1$s permissions are in force for %2$s roles on %3$s tables, each with verbs, purposes and a scope.'),
    ('permissions_declared', 'de', '%1$s Berechtigungen gelten für %2$s Rollen auf %3$s Tabellen, jede mit Zugriffsarten, Zwecken und Umfang.'),
    ('permissions_bypass', 'en', 'Log-in %1$s acts in role %2$s and passes row security: permissions are nothing to it.'),
    ('permissions_bypass', 'de', 'Das Konto %1$s handelt in der Rolle %2$s und umgeht die Zeilensicherheit: Berechtigungen gelten für es nicht.'),
    ('permissions_becomes', 'en', 'Log-in %1$s acts in role %3$s and can become %2$s, who passes row security: permissions are nothing to it.'),
    ('permissions_becomes', 'de', 'Das Konto %1$s handelt in der Rolle %3$s und kann die Rolle %2$s annehmen, die die Zeilensicherheit umgeht: Berechtigungen gelten für es nicht.'),
    ('permissions_copies', 'en', 'Log-in %1$s acts in role %2$s and has REPLICATION: it can copy the rows of every tenant.'),
    ('permissions_copies', 'de', 'Das Konto %1$s handelt in der Rolle %2$s und hat REPLICATION: Es kann die Zeilen aller Mandanten kopieren.'),
    ('permissions_all_data', 'en', '%1$s, who acts in role %3$s, has the privileges of %2$s.'),
    ('permissions_all_data', 'de', '%1$s handelt in der Rolle %3$s und hat die Rechte von %2$s.'),
    ('context_empty', 'en', 'A missing context yields no rows instead of an error, so that nobody is told and nothing is recorded.'),
    ('context_empty', 'de', 'Ein Zugriff ohne Kontext liefert keine Zeilen, statt abgelehnt zu werden: Niemand erfährt davon, und nichts wird aufgezeichnet.'),
    ('context_enter', 'en', 'No key verifies tokens, so every context is one that a log-in gives itself by toms.enter(): %1$s.'),
    ('context_enter', 'de', 'Es ist kein Schlüssel zur Prüfung von Token hinterlegt; jeder Kontext stammt von einem Konto, das ihn sich mit toms.enter() selbst gibt: %1$s.'),
    ('context_ways', 'en', 'Contexts are verified by %1$s keys of the application; by toms.enter() these log-ins of jobs may make their own: %2$s.'),
    ('context_ways', 'de', 'Schlüssel der Anwendung, mit denen Kontexte geprüft werden: %1$s; Konten von Jobs, die sich einen Kontext mit toms.enter() selbst geben dürfen: %2$s.'),
    ('separated_none', 'en', 'No tables are kept separate.'),
    ('separated_none', 'de', 'Es sind keine Tabellen als getrennt festgelegt.'),
    ('separated_pair', 'en', 'No statement reaches both %1$s and %2$s, unless for: %3$s.'),
    ('separated_pair', 'de', 'Keine Anweisung erreicht zugleich %1$s und %2$s, außer für: %3$s.'),
    ('separated_undone', 'en', 'The separation of %1$s from %2$s was declared, and is gone without toms.unseparate().'),
    ('separated_undone', 'de', 'Die Trennung von %1$s und %2$s war festgelegt und ist weggefallen, ohne dass toms.unseparate() sie aufgehoben hätte.'),
    ('scopes_own', 'en', 'Own rows alone: %1$s. All rows of the tenant: %2$s.'),
    ('scopes_own', 'de', 'Nur eigene Zeilen: %1$s. Alle Zeilen des Mandanten: %2$s.'),
    ('scopes_no_own', 'en', 'No role is limited to its own rows.'),
    ('scopes_no_own', 'de', 'Keine Rolle ist auf ihre eigenen Zeilen beschränkt.'),
    ('scopes_both', 'en', 'Role %1$s is permitted its own rows of %2$s, and all of the tenant too.'),
    ('scopes_both', 'de', 'Rolle %1$s darf eigene Zeilen von %2$s sehen und zugleich alle des Mandanten.'),
    ('scopes_no_subject', 'en', '%1$s holds data of a special category and has no data subject, so nobody can be limited to his own rows.'),
    ('scopes_no_subject', 'de', '%1$s enthält besondere Kategorien und hat keine betroffene Person; niemand kann auf eigene Zeilen beschränkt werden.'),
    ('closed_default', 'en', '%1$s gives PUBLIC privileges on tables that are yet to be made in %2$s.'),
    ('closed_default', 'de', '%1$s gibt PUBLIC Rechte auf Tabellen, die in %2$s erst angelegt werden.');

CREATE FUNCTION toms.probe_tenants() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    roots constant regclass[] := toms.protected_roots();
BEGIN
    IF roots = '{}' THEN
        RETURN NEXT toms.no_table();
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM toms.leak_faults(roots, ARRAY['protection', 'policy', 'mode', 'foreign table', 'grant', 'view', 'materialized view', 'rule', 'function', 'trigger',
                                                             'expression', 'unique key', 'exclusion constraint', 'foreign key', 'publication', 'statistics']);
    RETURN QUERY SELECT (toms.found('pass', 'tenants_shared', ARRAY[r::text])).* FROM unnest(roots) r, toms.describe(r) d WHERE d.null_tenant = 'shared';
    RETURN QUERY SELECT * FROM toms.tries(roots, '{select,insert,update,delete}');
END
$$;
REVOKE ALL ON FUNCTION toms.probe_tenants() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_tenants() IS 'internal: whether each tenant''s rows are its own';

-- Log-ins that can act in a role that something is permitted to; superusers are members of all roles by themselves.
CREATE FUNCTION toms.acting_logins(OUT login oid, OUT role oid) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE acting (member, role) AS (
        SELECT DISTINCT p.role::oid, p.role::oid FROM toms.permissions_now() p
        UNION
        SELECT m.member, a.role FROM acting a JOIN pg_auth_members m ON m.roleid = a.member
    )
    SELECT r.oid, a.role FROM acting a JOIN pg_roles r ON r.oid = a.member WHERE r.rolcanlogin;
$$;
REVOKE ALL ON FUNCTION toms.acting_logins() FROM PUBLIC;
COMMENT ON FUNCTION toms.acting_logins() IS 'internal: who can act in the roles of the application';

CREATE FUNCTION toms.probe_permissions() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    roots constant regclass[] := toms.protected_roots();
BEGIN
    IF roots = '{}' THEN
        RETURN NEXT toms.no_table();
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM toms.leak_faults(roots, '{protection,policy,mode,grant,view,"materialized view",function}');
    RETURN QUERY
    SELECT (toms.found('fail', 'permissions_bypass', ARRAY[l.login::regrole, min(l.role)::regrole]::text[], format('ALTER ROLE %s NOSUPERUSER NOBYPASSRLS;', l.login::regrole))).*
    FROM toms.acting_logins() l WHERE toms.passes_policies(l.login) GROUP BY l.login;
    RETURN QUERY
    SELECT (toms.found('fail', 'permissions_copies', ARRAY[l.login::regrole, min(l.role)::regrole]::text[], format('ALTER ROLE %s NOREPLICATION;', l.login::regrole))).*
    FROM toms.acting_logins() l JOIN pg_roles r ON r.oid = l.login AND r.rolreplication AND NOT r.rolsuper GROUP BY l.login;
    -- by itself, or by a role that it is a member of
    RETURN QUERY
    SELECT (toms.found('fail', CASE WHEN toms.passes_policies(m.roleid) THEN 'permissions_becomes' ELSE 'permissions_all_data' END,
                       ARRAY[l.login::regrole, m.roleid::regrole, min(l.role)::regrole]::text[], format('REVOKE %s FROM %s;', m.roleid::regrole, m.member::regrole))).*
    FROM toms.acting_logins() l JOIN pg_auth_members m ON pg_has_role(l.login, m.member, 'MEMBER')
    WHERE NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = l.login)
      AND (toms.passes_policies(m.roleid)
           OR m.roleid::regrole::text IN ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))
    GROUP BY l.login, m.roleid, m.member;
    IF NOT EXISTS (SELECT FROM toms.permissions_now()) THEN
        RETURN NEXT toms.found('fail', 'permissions_none', NULL,
                               format('SELECT toms.permit(role => ''…'', relation => %L, verbs => ''{select}'', purposes => ''{…}'', scope => ''own'');', roots[1]));
    ELSE
        RETURN QUERY SELECT (toms.found('pass', 'permissions_declared', ARRAY[count(*), count(DISTINCT p.role), count(DISTINCT p.relation)]::text[])).*
        FROM toms.permissions_now() p;
    END IF;
    RETURN QUERY SELECT * FROM toms.tries(roots, '{select,insert,update,delete}');
END
$$;
REVOKE ALL ON FUNCTION toms.probe_permissions() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_permissions() IS 'internal: whether permissions alone decide who does what';

CREATE FUNCTION toms.probe_context() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    roots constant regclass[] := toms.protected_roots();
    keys constant bigint := (SELECT j.keys FROM toms.jwks_state() j);
    entering constant text := (SELECT string_agg(DISTINCT e.login::text, ', ') FROM toms.enter_permission e WHERE e.ended_at IS NULL);
BEGIN
    IF roots = '{}' THEN
        RETURN NEXT toms.no_table();
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM toms.policy_faults(roots);
    RETURN QUERY SELECT * FROM toms.loose_settings('toms.session_context', '{on,true,yes,1}', 'off');
    RETURN QUERY SELECT * FROM toms.loose_settings('toms.on_missing_context', '{empty}', 'error');
    IF coalesce(keys, 0) = 0 AND entering IS NOT NULL THEN
        RETURN NEXT toms.found('partial', 'context_enter', ARRAY[entering], E'ALTER SYSTEM SET toms.jwks_file = ''…'';\nSELECT pg_reload_conf();');
    ELSE
        RETURN NEXT toms.found('pass', 'context_ways', ARRAY[coalesce(keys, 0)::text, coalesce(entering, '–')]);
    END IF;
    RETURN QUERY
    WITH tried AS MATERIALIZED (SELECT * FROM toms.tries(roots, '{select}'))
    SELECT * FROM tried;
    IF EXISTS (SELECT FROM toms.tried(roots[1:1], '{select}') t WHERE t.answer = 'empty') THEN
        RETURN NEXT toms.found('partial', 'context_empty', NULL, 'SET toms.on_missing_context = ''error'';');
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_context() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_context() IS 'internal: whether nobody gets a row without a context, and is told so';

-- separation -----------------------------------------------------------------------------------

-- Pairs that were separated and never brought together again by an officer.
CREATE FUNCTION toms.declared_separations(OUT relation regclass, OUT other regclass, OUT unless text) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT to_regclass(h.relation_name), to_regclass(h.other), h.unless
    FROM (SELECT DISTINCT ON (p.relation_name, d.words[1]) p.relation_name, d.words[1] AS other, d.words[2] AS unless, p.action
          FROM toms.protection_history p, LATERAL (SELECT string_to_array(substr(p.detail, 6), ' unless ')) d (words)
          WHERE p.action IN ('separate', 'unseparate') ORDER BY p.relation_name, d.words[1], p.id DESC) h
    WHERE h.action = 'separate';
$$;
REVOKE ALL ON FUNCTION toms.declared_separations() FROM PUBLIC;
COMMENT ON FUNCTION toms.declared_separations() IS 'internal: which tables are to be separate, by the history of declarations';

CREATE FUNCTION toms.probe_separated_tables() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    separated constant regclass[] := ARRAY(SELECT s.relation FROM toms.separation s UNION SELECT s.other FROM toms.separation s);
BEGIN
    RETURN QUERY
    SELECT (toms.found('fail', 'separated_undone', ARRAY[h.relation, h.other]::text[],
                       format('SELECT toms.separate(%L, %L, unless => %L);', h.relation, h.other, string_to_array(coalesce(h.unless, ''), ', ')))).*
    FROM toms.declared_separations() h
    WHERE h.relation::text < h.other::text AND (SELECT count(*) FROM toms.separation s WHERE (s.relation, s.other) IN ((h.relation, h.other), (h.other, h.relation))) < 2
      AND EXISTS (SELECT FROM toms.describe(h.relation) d WHERE d.root = h.relation) AND EXISTS (SELECT FROM toms.describe(h.other) d WHERE d.root = h.other);
    RETURN QUERY SELECT * FROM toms.policy_faults(ARRAY(SELECT r FROM unnest(separated) r, toms.describe(r) d WHERE d.root = r));
    RETURN QUERY
    SELECT (toms.found('pass', 'separated_pair', ARRAY[s.relation::text, s.other::text, coalesce(nullif(array_to_string(s.unless, ', '), ''), '–')])).* FROM toms.separations s;
    IF NOT FOUND THEN
        RETURN NEXT toms.found('fail', 'separated_none', NULL, 'SELECT toms.separate(''…'', ''…'', unless => ''{…}'');');
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_separated_tables() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_separated_tables() IS 'internal: whether tables that are kept separate still are';

CREATE FUNCTION toms.probe_scopes() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    roots constant regclass[] := toms.protected_roots();
    scopes constant text[] := ARRAY(SELECT string_agg(DISTINCT p.role::text, ', ') FILTER (WHERE p.scope = s)
                                    FROM unnest('{own,tenant}'::text[]) s, toms.permissions_now() p GROUP BY s ORDER BY s);
BEGIN
    IF roots = '{}' THEN
        RETURN NEXT toms.no_table();
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM toms.policy_faults(roots);
    RETURN QUERY
    SELECT (toms.found('fail', 'scopes_no_subject', ARRAY[r::text], toms.protect_call(r, subject => '…'))).*
    FROM unnest(toms.special_roots()) r, toms.describe(r) d WHERE d.subject IS NULL;
    RETURN QUERY
    SELECT (toms.found('partial', 'scopes_both', ARRAY[p.role::text, p.relation::text], toms.permit_again(p.role, p.relation, '{own}', false))).*
    FROM toms.permissions_now() p
    GROUP BY p.role, p.relation HAVING count(DISTINCT p.scope) = 2;
    IF scopes[1] IS NULL THEN
        RETURN NEXT toms.found('fail', 'scopes_no_own', NULL,
                               format('SELECT toms.permit(role => ''…'', relation => %L, verbs => ''{select}'', purposes => ''{…}'', scope => ''own'');', roots[1]));
    ELSE
        RETURN NEXT toms.found('pass', 'scopes_own', ARRAY[scopes[1], coalesce(scopes[2], '–')]);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_scopes() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_scopes() IS 'internal: whether there are roles that see their own rows alone';

-- by default -----------------------------------------------------------------------------------

CREATE FUNCTION toms.probe_default_closed() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    roots constant regclass[] := toms.protected_roots();
BEGIN
    IF roots = '{}' THEN
        RETURN NEXT toms.no_table();
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM toms.policy_faults(roots);
    RETURN QUERY SELECT * FROM toms.leak_faults(roots, '{grant}');
    RETURN QUERY
    SELECT (toms.found('fail', 'closed_default', ARRAY[a.defaclrole::regrole::text, coalesce(nullif(a.defaclnamespace, 0)::regnamespace::text, current_database())],
                       format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s REVOKE ALL ON TABLES FROM PUBLIC;', a.defaclrole::regrole, ' IN SCHEMA ' || nullif(a.defaclnamespace, 0)::regnamespace))).*
    FROM pg_default_acl a WHERE a.defaclobjtype = 'r' AND EXISTS (SELECT FROM aclexplode(a.defaclacl) x WHERE x.grantee = 0);
    RETURN QUERY SELECT * FROM toms.tries(roots, '{select,insert,update,delete,truncate,ddl}');
END
$$;
REVOKE ALL ON FUNCTION toms.probe_default_closed() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_default_closed() IS 'internal: whether a table is closed as soon as it is protected';

CREATE FUNCTION toms.probe_destructive() RETURNS SETOF toms.probed
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    roots constant regclass[] := toms.protected_roots();
BEGIN
    IF roots = '{}' THEN
        RETURN NEXT toms.no_table();
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM toms.leak_faults(roots, '{protection,mode,grant}');
    RETURN QUERY SELECT * FROM toms.tries(roots, '{truncate,drop,delete,update,ddl}');
END
$$;
REVOKE ALL ON FUNCTION toms.probe_destructive() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_destructive() IS 'internal: whether rows are safe from being lost all at once';
