-- Takes down a reference system with all that was declared for it, as act.sql remembers what was there before. Variables: the
-- prefix of its roles, and its schemas, with commas.
RESET SESSION AUTHORIZATION;
SET client_min_messages = error;
SET toms.reason = 'the test is over';
SELECT toms.release_hold(id, 'the test is over') FROM toms.holds WHERE released_at IS NULL \g /dev/null
SELECT format('DROP SCHEMA %s CASCADE', :'schemas') \gexec
SELECT format('DROP OWNED BY %I CASCADE', rolname) FROM pg_roles WHERE rolname ~ (:'roles') AND rolname !~ '^(toms|pg|regress)_' \gexec
-- as replicas do, since registers refer to each other; and caches are told afterwards
SET session_replication_role = replica;
SELECT format('DELETE FROM %s t WHERE NOT EXISTS (SELECT FROM before b WHERE b.relation = %L::regclass AND b.declared = to_jsonb(t))%s', relation, relation,
              CASE WHEN relation = 'toms.data_key'::regclass THEN ' AND destroyed_at IS NULL' END) FROM pg_temp.declarations() \gexec
RESET session_replication_role;
SELECT format('DELETE FROM %s WHERE false', tgrelid::regclass) FROM pg_trigger JOIN pg_temp.declarations() ON relation = tgrelid WHERE tgfoid = 'toms.invalidate'::regproc \gexec
SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE rolname ~ (:'roles') AND rolname !~ '^(toms|pg|regress)_' \gexec
RESET toms.reason;
