--
-- base_public: what of toms everybody can reach, and how it is kept from being turned round
--

--
-- What PUBLIC can call: the context's readers, leave(), explain_access() and the functions
-- that policies call; nothing else.
--
SELECT p.proname AS function, count(*) AS variants
FROM pg_proc p
WHERE p.pronamespace = 'toms'::regnamespace AND has_function_privilege('regress_stranger', p.oid, 'EXECUTE')
GROUP BY p.proname ORDER BY p.proname COLLATE "C";

-- tables and views that PUBLIC can read or change: none
SELECT c.oid::regclass FROM pg_class c
WHERE c.relnamespace = 'toms'::regnamespace AND c.relkind IN ('r', 'v', 'S')
  AND has_table_privilege('regress_stranger', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE');

-- every SECURITY DEFINER function has a pinned search_path
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace = 'toms'::regnamespace AND p.prosecdef
  AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false);

-- every function, table and view is described
SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'toms'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
UNION ALL
SELECT NULL FROM pg_class c WHERE c.relnamespace = 'toms'::regnamespace AND c.relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL;

-- every table with content is dumped by pg_dump: partitions of the trail as tables, as they are no members of the extension.
-- That a trail is in use is not: it is not where it is restored. Nor are the settings of this server.
SELECT c.oid::regclass FROM pg_class c
WHERE c.relnamespace = 'toms'::regnamespace AND c.relkind IN ('r', 'S')
  AND c.oid <> ALL ((SELECT extconfig FROM pg_extension WHERE extname = 'toms')::oid[])
  AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AND c.oid NOT IN ('toms.audit_use'::regclass, 'toms.audit_setting'::regclass)
  AND c.oid::regclass::text <> ALL ('{toms.control,toms.measure,toms.measure_part,toms.phrase,toms.installed_function}');     -- these the extension brings
