-- Agreements (Art. 28(3) GDPR): what a controller and the processor agreed on stands as an instruction for as long as it is
-- in force: for what retention does by its rules, and for the end of the contract.

CREATE FUNCTION toms.adopt_agreement(tenant text, name text, version text, valid_from timestamptz, measures text[])
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    adopted bigint;
BEGIN
    IF num_nulls(tenant, name, version, valid_from, measures) > 0 OR '' IN (name, version) OR array_position(measures, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'an agreement has a tenant, a name, a version, a first day and measures' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = adopt_agreement.tenant AND (t.ended_at IS NULL OR t.ended_at > now())) THEN
        RAISE EXCEPTION 'there is no tenant "%" whose contract goes on', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    IF EXISTS (SELECT FROM toms.agreement a WHERE (a.tenant, a.name, a.version) = (adopt_agreement.tenant, adopt_agreement.name, adopt_agreement.version)) THEN
        RAISE EXCEPTION 'version "%" of agreement "%" has been adopted already', version, name USING ERRCODE = 'duplicate_object',
            HINT = 'What has been agreed on stays as it was: adopt another version.';
    END IF;
    INSERT INTO toms.agreement (tenant, name, version, valid_from, measures, adopted_by)
    VALUES (adopt_agreement.tenant, adopt_agreement.name, adopt_agreement.version, adopt_agreement.valid_from, adopt_agreement.measures, session_user)
    RETURNING id INTO adopted;
    RETURN adopted;
END
$$;
REVOKE ALL ON FUNCTION toms.adopt_agreement(text, text, text, timestamptz, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.adopt_agreement(text, text, text, timestamptz, text[]) TO toms_admin;
COMMENT ON FUNCTION toms.adopt_agreement(text, text, text, timestamptz, text[]) IS 'record a version of an agreement with a controller; from its first day it takes the place of the version before';

-- Of each name the version that began last.
CREATE VIEW toms.agreements AS
    SELECT a.id, a.tenant, a.name, a.version, a.valid_from,
           pg_catalog.lead(a.valid_from) OVER (PARTITION BY a.tenant, a.name ORDER BY a.valid_from, a.id) AS valid_until,
           a.measures, a.adopted_at, a.adopted_by
    FROM toms.agreement a;
COMMENT ON VIEW toms.agreements IS 'versions of agreements with controllers, and from when until when each is in force';
GRANT SELECT ON toms.agreements TO toms_admin, toms_auditor, toms_operator;

-- The one that was adopted last, if there are several of other names.
CREATE FUNCTION toms.agreement_in_force(tenant text)
RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT max(a.id) FROM toms.agreements a
    WHERE a.tenant = agreement_in_force.tenant AND a.valid_from <= now() AND (a.valid_until IS NULL OR a.valid_until > now());
$$;
REVOKE ALL ON FUNCTION toms.agreement_in_force(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.agreement_in_force(text) IS 'internal: the agreement that instructs what is done with a tenant''s data; NULL: there is none';
