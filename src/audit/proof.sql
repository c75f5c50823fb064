-- What controllers and auditors check by themselves with toms-verify: see doc/trail-format.md.

CREATE FUNCTION toms.audit_proof(entry_id bigint) RETURNS json
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_proof';
REVOKE ALL ON FUNCTION toms.audit_proof(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.audit_proof(bigint) TO PUBLIC;      -- toms.audit_reader() refuses who may not read the trail
COMMENT ON FUNCTION toms.audit_proof(bigint) IS 'proof that an entry of the audit trail was sealed, for toms-verify';

CREATE FUNCTION toms.audit_key() RETURNS text
    LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_key_text';
REVOKE ALL ON FUNCTION toms.audit_key() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.audit_key() TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.audit_key() IS 'the public key with which blocks of the audit trail are signed, Ed25519 in base64url';

CREATE FUNCTION toms.base64url(bytes bytea) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN pg_catalog.translate(pg_catalog.encode(bytes, 'base64'), E'+/=\n', '-_');
REVOKE ALL ON FUNCTION toms.base64url(bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.base64url(bytea) IS 'internal: RFC 4648, section 5, without padding';

CREATE FUNCTION toms.export_blocks(first bigint DEFAULT NULL, last bigint DEFAULT NULL) RETURNS SETOF json
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT format('{"block":%s,"header":"%s","signature":"%s","key":"%s"}', b.number,
            toms.base64url(b.header), toms.base64url(b.signature), toms.base64url(b.key))::json
        FROM toms.audit_block b
        WHERE b.number >= coalesce(export_blocks.first, 0) AND b.number <= coalesce(export_blocks.last, 9223372036854775807)
        ORDER BY b.number;
    END;
REVOKE ALL ON FUNCTION toms.export_blocks(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.export_blocks(bigint, bigint) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.export_blocks(bigint, bigint) IS 'headers and signatures of sealed blocks as lines of JSON, for toms-verify chain';
