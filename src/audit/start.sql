-- What the trail begins with, once all of its tables are there.

-- Privileges that ALTER DEFAULT PRIVILEGES would give on new tables are not given on these.
DO $$
DECLARE
    given record;
BEGIN
    FOR given IN SELECT c.oid::pg_catalog.regclass AS relation, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS type,
                        CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS grantee
                 FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
                 WHERE c.relnamespace = 'toms'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p', 'S') AND a.grantee <> c.relowner
                       AND (c.relname LIKE 'audit\_%' OR c.relname IN ('dataset', 'actor_release')) LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s', given.type, given.relation, given.grantee);
    END LOOP;
END
$$;
GRANT SELECT ON toms.audit_period, toms.audit_pruning TO toms_admin, toms_auditor, toms_operator;
GRANT SELECT ON toms.audit_acknowledgement, toms.actor_release TO toms_admin, toms_auditor;

SELECT toms.make_audit_partitions();
