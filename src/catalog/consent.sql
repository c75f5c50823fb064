-- Consents to hold values in the audit trail: the controller's, for a table and a time.

CREATE TABLE toms.audit_consent (       -- the first five columns are read by position in catalog/config.c
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation    regclass NOT NULL,
    tenant      text COLLATE "C" NOT NULL,      -- of toms.tenant; a foreign key would hinder a parallel restore
    until       timestamptz NOT NULL,
    ended_at    timestamptz,
    instruction bigint NOT NULL,                -- of toms.instruction
    reason      text,
    given_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    given_by    text NOT NULL,
    ended_by    text
);
CREATE INDEX audit_consent_relation_idx ON toms.audit_consent (relation);
SELECT pg_catalog.pg_extension_config_dump('toms.audit_consent', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');
SELECT pg_catalog.pg_extension_config_dump('toms.audit_consent_id_seq', '');
COMMENT ON TABLE toms.audit_consent IS 'which tenant has consented, by which instruction, that the audit trail holds values of his rows of a table, and until when';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.audit_consent
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.audit_consent ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.audit_consent TO toms_admin, toms_auditor, toms_operator;

-- What protect() does with its argument audit: values as a tenant's instruction allows, or none of anybody's.
CREATE FUNCTION toms.declare_audit(relation regclass, audit text, instruction bigint, until timestamptz, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    consenting text := (SELECT i.tenant FROM toms.instruction i WHERE i.id = declare_audit.instruction);
BEGIN
    IF audit IS NULL OR audit NOT IN ('changes', 'values') THEN
        RAISE EXCEPTION 'there is no audit of "%"', audit USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Every change is recorded: as changes, or with values where the controller has consented.';
    END IF;
    IF (audit = 'changes') AND (instruction IS NOT NULL OR until IS NOT NULL) THEN
        RAISE EXCEPTION 'an instruction and its end are of an audit of values' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE toms.audit_consent c SET ended_at = clock_timestamp(), ended_by = session_user
    WHERE c.relation = declare_audit.relation AND c.ended_at IS NULL AND (audit = 'changes' OR c.tenant = consenting);
    IF audit = 'changes' THEN
        RETURN;
    END IF;
    until := coalesce(until, clock_timestamp() + interval '7 days');
    IF until <= clock_timestamp() OR NOT isfinite(until) THEN
        RAISE EXCEPTION 'a consent ends, and not in the past' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM toms.carry_out_instruction(instruction, coalesce(consenting, '…'), 'audit_values', NULL);
    INSERT INTO toms.audit_consent (relation, tenant, until, instruction, reason, given_by)
    VALUES (declare_audit.relation, consenting, declare_audit.until, declare_audit.instruction, declare_audit.reason, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.declare_audit(regclass, text, bigint, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.declare_audit(regclass, text, bigint, timestamptz, text) IS 'internal: whether the audit trail holds values of a table';
