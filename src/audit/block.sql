-- Sealing the trail: blocks, their digests, and whether everything is as it was sealed.

-- Most of it is random: nothing to compress.
ALTER TABLE toms.audit_block ALTER manifest SET STORAGE EXTERNAL;

CREATE FUNCTION toms.audit_leaf(map bytea, id bigint, at timestamptz, xid bigint, who bigint, object bigint, key bigint,
    kind "char", verb "char", tenant text, columns bytea, payload bytea) RETURNS bytea
    LANGUAGE c STABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'toms_audit_leaf';
REVOKE ALL ON FUNCTION toms.audit_leaf FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_leaf(bytea, bigint, timestamptz, bigint, bigint, bigint, bigint, "char", "char", text, bytea, bytea)
    IS 'internal: which block an entry is in, and the leaf that stands for it there, to be sorted';

CREATE FUNCTION toms.tree_root(hashes bytea[], sizes bigint[]) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sql_tree_root';
REVOKE ALL ON FUNCTION toms.tree_root(bytea[], bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.tree_root(bytea[], bigint[]) IS 'internal: root of an RFC 6962 tree, of subtrees from left to right';

CREATE FUNCTION toms.seal_audit() RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_seal_audit';
REVOKE ALL ON FUNCTION toms.seal_audit() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.seal_audit() TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.seal_audit() IS 'seal what the audit trail has so far in a block; number of the last block';

-- Officers sign off that the server went back to an older state.
CREATE TABLE toms.audit_acknowledgement (
    from_block bigint NOT NULL,
    to_block   bigint NOT NULL,
    line       bigint NOT NULL,         -- last record of the log outside at that time
    at         timestamptz NOT NULL,
    by         text NOT NULL,
    reason     text NOT NULL,
    key        bytea NOT NULL,          -- Ed25519, public
    signature  bytea NOT NULL           -- of all of the above and the dataset
);
SELECT pg_catalog.pg_extension_config_dump('toms.audit_acknowledgement', '');
REVOKE ALL ON toms.audit_acknowledgement FROM PUBLIC;
COMMENT ON TABLE toms.audit_acknowledgement IS 'rewinds to an older state that an officer has signed off, each signed';

CREATE FUNCTION toms.acknowledge_rewind(from_block bigint, to_block bigint, reason text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'toms_acknowledge_rewind';
REVOKE ALL ON FUNCTION toms.acknowledge_rewind(bigint, bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.acknowledge_rewind(bigint, bigint, text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.acknowledge_rewind(bigint, bigint, text) IS 'sign off that blocks which the log outside tells of were lost when the server went back to an older state';

CREATE FUNCTION toms.audit_faults(since timestamptz, until timestamptz,
    OUT fault text, OUT block bigint, OUT to_block bigint, OUT entry bigint, OUT timeline integer, OUT detail text) RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_faults';
REVOKE ALL ON FUNCTION toms.audit_faults(timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_faults(timestamptz, timestamptz) IS 'internal: faults of the trail as they are found';

CREATE FUNCTION toms.verify_audit(since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS TABLE (fault text, block bigint, to_block bigint, entry bigint, timeline integer, detail text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.fault, f.block, f.to_block, f.entry, f.timeline, f.detail
    FROM toms.audit_faults(verify_audit.since, verify_audit.until) f
    ORDER BY f.block, f.entry NULLS FIRST, f.fault, f.to_block
$$;
REVOKE ALL ON FUNCTION toms.verify_audit(timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.verify_audit(timestamptz, timestamptz) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.verify_audit(timestamptz, timestamptz) IS 'one row for each fault of the audit trail, in order; none: it is as it was sealed';
