-- What a check tries: see guard/probe.c.

CREATE FUNCTION toms.try_access(relation regclass, verb text, role oid) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_try_access';
REVOKE ALL ON FUNCTION toms.try_access(regclass, text, oid) FROM PUBLIC;
COMMENT ON FUNCTION toms.try_access(regclass, text, oid) IS 'internal: with which code a role without a context would be refused; empty: he would get no rows; NULL: nothing refuses it. Verbs: those of permissions, truncate, drop, ddl';
