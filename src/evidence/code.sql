-- What toms is made of, compared with what it brought: who may replace a function of schema toms could make every check pass.
-- That somebody did is in the audit trail too, as DDL.

CREATE TABLE toms.installed_function (
    function text PRIMARY KEY,
    digest   bytea NOT NULL
);
REVOKE ALL ON toms.installed_function FROM PUBLIC;
COMMENT ON TABLE toms.installed_function IS 'internal: the functions of toms, with a digest of each, as its installation script left them';

-- Of a body that PostgreSQL keeps as a tree (RETURN …) there is no text that is the same on every major version: only that it is one.
CREATE FUNCTION toms.function_digests()
RETURNS TABLE (function text, digest bytea) LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.oid::regprocedure::text,
           sha256(convert_to(concat_ws(E'\x01', l.lanname, p.prosrc, p.prosqlbody IS NULL, p.probin, p.prorettype::regtype, p.proretset, p.prosecdef, p.provolatile, p.proisstrict,
                                       p.proleakproof, array_to_string(p.proconfig, E'\x02'), p.proowner = e.extowner), 'UTF8'))
    FROM pg_extension e JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
         JOIN pg_proc p ON p.oid = d.objid JOIN pg_language l ON l.oid = p.prolang
    WHERE e.extname = 'toms';
$$;
REVOKE ALL ON FUNCTION toms.function_digests() FROM PUBLIC;
COMMENT ON FUNCTION toms.function_digests() IS 'internal: the functions that belong to toms, with a digest of each, as they are now';

INSERT INTO toms.phrase VALUES
    ('code_whole', 'en', '%1$s functions of toms are as it brought them.'),
    ('code_whole', 'de', '%1$s Funktionen von toms sind so, wie es sie mitgebracht hat.'),
    ('code_altered', 'en', 'Function %1$s is not as toms brought it: what toms says here is worth nothing until somebody has looked.'),
    ('code_altered', 'de', 'Die Funktion %1$s ist nicht so, wie toms sie mitgebracht hat: Was toms hier sagt, ist ohne Prüfung nichts wert.'),
    ('code_gone', 'en', 'Function %1$s of toms is gone.'),
    ('code_gone', 'de', 'Die Funktion %1$s von toms fehlt.'),
    ('code_added', 'en', 'Function %1$s stands in schema toms and does not belong to it.'),
    ('code_added', 'de', 'Die Funktion %1$s steht im Schema toms und gehört nicht dazu.'),
    ('code_granted', 'en', '%3$s has the privilege %2$s on %1$s, which toms does not grant.'),
    ('code_granted', 'de', '%3$s hat auf %1$s das Recht %2$s, das toms nicht vergibt.');

CREATE FUNCTION toms.grantee(role oid)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END;
REVOKE ALL ON FUNCTION toms.grantee(oid) FROM PUBLIC;
COMMENT ON FUNCTION toms.grantee(oid) IS 'internal: to whom something is granted, as GRANT and REVOKE name him';

-- What the extension grants stands in pg_init_privs; toms.enter() is granted by toms.allow_enter(). A setting may be in the hands of who
-- runs the server, not of who acts in the application. What somebody passed on goes with his grant option.
CREATE FUNCTION toms.found_granted()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH member AS (
        SELECT d.classid, d.objid FROM pg_extension e JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e' WHERE e.extname = 'toms'),
    object AS (
        SELECT 'pg_proc'::regclass AS class, p.oid, 0 AS sub, 'ROUTINE ' || p.oid::regprocedure AS name, '' AS col, p.proowner AS owner, p.proacl AS acl, acldefault('f', p.proowner) AS usual
        FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
        UNION ALL
        SELECT 'pg_class'::regclass, c.oid, 0, 'TABLE ' || c.oid::regclass, '', c.relowner, c.relacl, NULL
        FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
        UNION ALL
        SELECT 'pg_class'::regclass, c.oid, a.attnum, 'TABLE ' || c.oid::regclass, format(' (%I)', a.attname), c.relowner, a.attacl, NULL
        FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL
        UNION ALL
        SELECT 'pg_namespace'::regclass, n.oid, 0, 'SCHEMA ' || n.oid::regnamespace, '', n.nspowner, n.nspacl, NULL FROM pg_namespace n WHERE n.nspname = 'toms'
        UNION ALL
        SELECT 'pg_parameter_acl'::regclass, p.oid, 0, 'PARAMETER ' || p.parname, '', 10, p.paracl, NULL FROM pg_parameter_acl p WHERE toms.setting_is_watched(p.parname)),
    granted AS (
        SELECT o.*, a.privilege_type AS privilege, a.grantee, a.is_grantable, nullif(a.grantor, o.owner) AS passed_on_by,
               EXISTS (SELECT FROM aclexplode(coalesce((SELECT i.initprivs FROM pg_init_privs i WHERE i.classoid = o.class AND i.objoid = o.oid AND i.objsubid = o.sub), o.usual)) w
                       WHERE w.grantee = a.grantee AND w.privilege_type = a.privilege_type)
               OR o.oid = 'toms.enter(text, text, text, text, text, interval, boolean)'::regprocedure
                  AND EXISTS (SELECT FROM toms.enter_permission e WHERE e.ended_at IS NULL AND e.login = a.grantee) AS is_due
        FROM object o, aclexplode(o.acl) a WHERE a.grantee <> o.owner)
    SELECT toms.found('fail', 'code_granted', ARRAY[g.name, g.privilege || g.col || CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, toms.grantee(g.grantee)],
                      format('REVOKE %s%s%s ON %s FROM %s%s;', CASE WHEN g.is_due OR g.passed_on_by IS NOT NULL THEN 'GRANT OPTION FOR ' END, g.privilege, g.col, g.name,
                             toms.grantee(coalesce(g.passed_on_by, g.grantee)), CASE WHEN g.is_grantable OR g.passed_on_by IS NOT NULL THEN ' CASCADE' END))
    FROM granted g
    WHERE (NOT g.is_due OR g.is_grantable OR g.passed_on_by IS NOT NULL)
      AND (g.class <> 'pg_parameter_acl'::regclass OR g.grantee = 0 OR EXISTS (SELECT FROM toms.acting_logins() l WHERE pg_has_role(l.login, g.grantee, 'MEMBER')));
$$;
REVOKE ALL ON FUNCTION toms.found_granted() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_granted() IS 'internal: privileges on what belongs to toms that somebody has granted beside it';

CREATE FUNCTION toms.found_code()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.found('fail', CASE WHEN f.digest IS NULL THEN 'code_gone' ELSE 'code_altered' END, ARRAY[i.function],
                      toms.suggest_comment(format('run what toms--%s.sql has of it, as CREATE OR REPLACE', e.extversion))
                      || CASE WHEN f.digest IS NULL THEN format(', and then: ALTER EXTENSION toms ADD ROUTINE %s;', i.function) ELSE '' END)
    FROM pg_extension e, toms.installed_function i LEFT JOIN toms.function_digests() f USING (function) WHERE e.extname = 'toms' AND f.digest IS DISTINCT FROM i.digest
    UNION ALL
    SELECT toms.found('fail', 'code_added', ARRAY[p.oid::regprocedure::text],
                      CASE WHEN EXISTS (SELECT FROM toms.function_digests() f WHERE f.function = p.oid::regprocedure::text) THEN format('ALTER EXTENSION toms DROP ROUTINE %s; ', p.oid::regprocedure) ELSE '' END
                      || format('DROP ROUTINE %s;', p.oid::regprocedure))
    FROM pg_proc p WHERE p.pronamespace = 'toms'::regnamespace AND NOT EXISTS (SELECT FROM toms.installed_function i WHERE i.function = p.oid::regprocedure::text)
    UNION ALL
    SELECT f FROM toms.found_granted() f
    UNION ALL
    SELECT toms.found('pass', 'code_whole', ARRAY[count(*)::text]) FROM toms.installed_function i JOIN toms.function_digests() f USING (function, digest);
$$;
REVOKE ALL ON FUNCTION toms.found_code() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_code() IS 'internal: functions of toms that somebody altered, took away or added';
