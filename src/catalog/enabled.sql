-- Optional categories: a tenant has them once its controller has instructed it.

CREATE TABLE toms.enabled_category (    -- the first four columns are read by position in catalog/enabled.c
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text COLLATE "C" NOT NULL,      -- of toms.tenant; a foreign key would hinder a parallel restore
    category    text COLLATE "C" NOT NULL,
    disabled_at timestamptz,
    instruction bigint NOT NULL,                -- of toms.instruction
    enabled_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    enabled_by  text NOT NULL,
    disabled_by text
);
CREATE UNIQUE INDEX enabled_category_tenant_idx ON toms.enabled_category (tenant, category) WHERE disabled_at IS NULL;
SELECT pg_catalog.pg_extension_config_dump('toms.enabled_category', '');
SELECT pg_catalog.pg_extension_config_dump('toms.enabled_category_id_seq', '');
COMMENT ON TABLE toms.enabled_category IS 'which tenant has enabled which optional category, by which instruction, now and in the past';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.enabled_category
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.enabled_category ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.enabled_category TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.enable_category(tenant text, category text, instruction bigint)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM toms.category c WHERE c.category = enable_category.category) THEN
        RAISE EXCEPTION 'there is no category "%"', category USING ERRCODE = 'undefined_object',
            HINT = format('SELECT toms.add_category(%L, description => ''…'', article9 => false);', category);
    END IF;
    IF EXISTS (SELECT FROM toms.enabled_category e WHERE e.tenant = enable_category.tenant AND e.category = enable_category.category AND e.disabled_at IS NULL) THEN
        RAISE NOTICE 'tenant "%" has category "%" enabled', tenant, category;
        RETURN;
    END IF;
    PERFORM toms.carry_out_instruction(instruction, tenant, 'enable_category', NULL);
    INSERT INTO toms.enabled_category (tenant, category, instruction, enabled_by)
    VALUES (enable_category.tenant, enable_category.category, enable_category.instruction, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.enable_category(text, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.enable_category(text, text, bigint) TO toms_admin;
COMMENT ON FUNCTION toms.enable_category(text, text, bigint) IS 'from now on columns of an optional category take values of the tenant, as instructed';

CREATE FUNCTION toms.disable_category(tenant text, category text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE toms.enabled_category e SET disabled_at = clock_timestamp(), disabled_by = session_user
    WHERE e.tenant = disable_category.tenant AND e.category = disable_category.category AND e.disabled_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'tenant "%" has not enabled category "%"', tenant, category USING ERRCODE = 'undefined_object';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.disable_category(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.disable_category(text, text) TO toms_admin;
COMMENT ON FUNCTION toms.disable_category(text, text) IS 'from now on columns of an optional category take no values of the tenant; those that are there stay';
