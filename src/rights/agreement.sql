-- Agreements (Art. 28(3) GDPR): what a controller and the processor agreed on stands as an instruction for as long as it is
-- in force: for what retention does by its rules, and for the end of the contract. They are adopted in slice evidence.

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
