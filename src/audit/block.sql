-- Sealing the trail: blocks, their digests, and whether everything is as it was sealed.

-- Most of it is random: nothing to compress.
ALTER TABLE toms.audit_block ALTER manifest SET STORAGE EXTERNAL;

CREATE FUNCTION toms.audit_leaf(map bytea, id bigint, at timestamptz, xid bigint, who bigint, object bigint, key bigint,
    kind "char", verb "char", tenant text, columns bytea, payload bytea) RETURNS bytea
    LANGUAGE c STABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'toms_audit_leaf';
REVOKE ALL ON FUNCTION toms.audit_leaf FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_leaf(bytea, bigint, timestamptz, bigint, bigint, bigint, bigint, "char", "char", text, bytea, bytea)
    IS 'internal: which block an entry is in, and the leaf that stands for it there, to be sorted';

CREATE FUNCTION toms.seal_audit() RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_seal_audit';
REVOKE ALL ON FUNCTION toms.seal_audit() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.seal_audit() TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.seal_audit() IS 'seal what the audit trail has so far in a block; number of the last block';
