-- Recipients who hold data and must not be able to read them: a provider of storage in a third country, for instance. What
-- goes to one is encrypted with a key of the controller's, which he has named before.

CREATE TABLE toms.export_key (
    tenant      text COLLATE "C" PRIMARY KEY,   -- of toms.tenant; a foreign key would hinder a parallel restore
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),      -- SHA-256 of the public key, as exports are given it
    set_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    set_by      text NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('toms.export_key', '');
COMMENT ON TABLE toms.export_key IS 'with which public key of a controller exports are encrypted that go to recipients who must not read them';
GRANT SELECT ON toms.export_key TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.set_export_key(tenant text, pgp_key bytea)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = set_export_key.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    IF pgp_key IS NULL THEN
        RAISE EXCEPTION 'the key must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.encrypt_part('', pgp_key);
    INSERT INTO toms.export_key AS k (tenant, fingerprint, set_by) VALUES (set_export_key.tenant, sha256(pgp_key), session_user)
    ON CONFLICT ON CONSTRAINT export_key_pkey DO UPDATE SET fingerprint = excluded.fingerprint, set_at = clock_timestamp(), set_by = excluded.set_by;
END
$$;
REVOKE ALL ON FUNCTION toms.set_export_key(text, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.set_export_key(text, bytea) TO toms_admin;
COMMENT ON FUNCTION toms.set_export_key(text, bytea) IS 'the controller''s public OpenPGP key: what goes to a recipient who must not read it is encrypted with it';

CREATE FUNCTION toms.check_unreadable(name text, tenant text, pgp_key bytea)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM toms.recipient r WHERE r.recipient = name AND r.unreadable)
       AND NOT EXISTS (SELECT FROM toms.export_key k WHERE k.tenant = check_unreadable.tenant AND k.fingerprint = sha256(pgp_key)) THEN
        PERFORM toms.refuse('toms_recipient_unreadable', format('Recipient "%s" holds data for others and must not be able to read them.', name),
                            format('SELECT toms.set_export_key(%L, pgp_key => ''…''); then toms.export_tenant(…, pgp_key => ''…'') with that key.', tenant));
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_unreadable(text, text, bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_unreadable(text, text, bytea) IS 'internal: refuse what a recipient could read who must not';

CREATE TRIGGER "~toms_declaration" AFTER INSERT OR UPDATE OR DELETE ON toms.export_key FOR EACH ROW EXECUTE FUNCTION toms.audit_declaration();
CREATE TRIGGER "~toms_declaration_truncate" AFTER TRUNCATE ON toms.export_key FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_declaration();
ALTER TABLE toms.export_key ENABLE ALWAYS TRIGGER "~toms_declaration", ENABLE ALWAYS TRIGGER "~toms_declaration_truncate";
