-- What retention runs, by SQL; the worker takes the same steps.

CREATE TABLE toms.loose_key (
    key      bigint PRIMARY KEY,        -- of toms.data_key
    tenant   text COLLATE "C" NOT NULL,
    relation regclass NOT NULL
);
CREATE INDEX loose_key_tenant_idx ON toms.loose_key (tenant, relation);
SELECT pg_catalog.pg_extension_config_dump('toms.loose_key', '');
COMMENT ON TABLE toms.loose_key IS 'data keys of values that retention has deleted: they are destroyed as soon as no row carries them any more';

CREATE FUNCTION toms.is_held(relation oid, rule bigint, subject "any") RETURNS boolean
    LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_is_held';
REVOKE ALL ON FUNCTION toms.is_held(oid, bigint, "any") FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.is_held(oid, bigint, "any") TO PUBLIC;       -- retention runs as the owners of tables; nobody else gets an answer
COMMENT ON FUNCTION toms.is_held(oid, bigint, "any") IS 'internal: whether a hold keeps the rows of a person from retention';

CREATE FUNCTION toms.run_retention(as_of timestamptz DEFAULT pg_catalog.now(), dry_run boolean DEFAULT false)
RETURNS TABLE (rule bigint, relation text, tenant text, action text, due bigint, done bigint, cascaded bigint, held bigint, blocked bigint,
               more boolean, problem text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'toms_run_retention';
REVOKE ALL ON FUNCTION toms.run_retention(timestamptz, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.run_retention(timestamptz, boolean) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.run_retention(timestamptz, boolean) IS 'delete or pseudonymise one batch of rows of each rule and tenant whose period is over; dry_run: only tell how many are due at a time, which may lie ahead';

-- Read from the trail, which is not changed any more.
CREATE FUNCTION toms.list_deletions()
RETURNS TABLE (at timestamptz, rule bigint, relation text, tenant text, action text, rows bigint, cascaded jsonb, oldest text, newest text, entry bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.at, (s.said ->> 'rule')::bigint, s.said ->> 'relation', e.tenant, CASE WHEN e.verb = 'p' THEN 'pseudonymise' WHEN s.said ? 'partition' THEN 'drop partition' ELSE 'delete' END,
           (s.said ->> 'rows')::bigint, s.said -> 'cascaded', s.said ->> 'oldest', s.said ->> 'newest', e.id
    FROM toms.audit_entry e
         LEFT JOIN LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb AS said OFFSET 0) s ON true
    WHERE e.kind = 'd' AND s.said ? 'relation' ORDER BY e.at, e.id;     -- others tell of an erasure as a whole
$$;
REVOKE ALL ON FUNCTION toms.list_deletions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.list_deletions() TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.list_deletions() IS 'internal: the rows of toms.deletion_log';

CREATE VIEW toms.deletion_log AS
    SELECT d.at, d.rule, d.relation, d.tenant, d.action, d.rows, d.cascaded, d.oldest, d.newest, d.entry FROM toms.list_deletions() d;
COMMENT ON VIEW toms.deletion_log IS 'what retention has deleted or pseudonymised: how many rows of a table and tenant, by which rule, and of which months; no personal data; from the sealed trail';
GRANT SELECT ON toms.deletion_log TO toms_admin, toms_auditor, toms_operator;
