-- The end of a contract: announced, then a window of 30 days in which the controller can have his data back, then deletion.
-- What a tenant's rows need until they are gone is kept until then; tenant_erase.sql deletes them.

-- An end comes with no rule, and needs the worker all the same.
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.tenant_end FOR EACH STATEMENT EXECUTE FUNCTION toms.announce_rules();

-- By an agreement that is in force, or by an instruction that is confirmed: it is used up when deletion begins.
CREATE FUNCTION toms.ground_of_end(tenant text, basis text, instruction bigint)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    agreement constant bigint := toms.agreement_in_force(tenant);
BEGIN
    IF num_nonnulls(basis, instruction) <> 1 OR basis <> 'agreement' THEN
        RAISE EXCEPTION 'a contract ends by the agreement, or by an instruction' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'basis => ''agreement'', or instruction => its number.';
    END IF;
    IF instruction IS NOT NULL THEN
        PERFORM toms.check_instruction(instruction, tenant, 'end_tenant', NULL);
    ELSIF agreement IS NULL THEN
        RAISE EXCEPTION 'there is no agreement with tenant "%" in force', tenant USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.adopt_agreement(%L, name => ''…'', version => ''…'', valid_from => ''…'', measures => ''{…}'');', tenant);
    END IF;
    RETURN CASE WHEN basis IS NOT NULL THEN agreement END;
END
$$;
REVOKE ALL ON FUNCTION toms.ground_of_end(text, text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.ground_of_end(text, text, bigint) IS 'internal: refuse unless a contract can end by this; the agreement, if it is by that';

-- Whoever says that it all was long ago gets the window all the same.
CREATE FUNCTION toms.open_window(id bigint, notified_at timestamptz)
RETURNS timestamptz LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    closes timestamptz;
BEGIN
    IF notified_at > clock_timestamp() THEN
        RAISE EXCEPTION 'the controller is told before it is recorded' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE toms.tenant_end e SET notified_at = open_window.notified_at, opens_at = greatest(e.ends_at, clock_timestamp(), open_window.notified_at),
        closes_at = greatest(e.ends_at, clock_timestamp(), open_window.notified_at) + interval '30 days'
    WHERE e.id = open_window.id RETURNING e.closes_at INTO closes;
    RETURN closes;
END
$$;
REVOKE ALL ON FUNCTION toms.open_window(bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.open_window(bigint, timestamptz) IS 'internal: the controller has been told of his right to have his data back: the clock runs';

CREATE FUNCTION toms.end_tenant(tenant text, ends_at timestamptz, notified_at timestamptz DEFAULT NULL, basis text DEFAULT NULL, instruction bigint DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    agreement bigint;
    announced bigint;
BEGIN
    IF tenant IS NULL OR isfinite(ends_at) IS NOT TRUE THEN
        RAISE EXCEPTION 'a tenant and the day on which the contract ends must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM FROM toms.tenant t WHERE t.tenant = end_tenant.tenant FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no tenant "%"', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    IF EXISTS (SELECT FROM toms.tenant_end e WHERE e.tenant = end_tenant.tenant AND e.state <> 'cancelled') THEN
        RAISE EXCEPTION 'the end of the contract with tenant "%" has been announced already', tenant USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT * FROM toms.tenant_ends; SELECT toms.notify_end(%1$L, notified_at => ''…''); SELECT toms.cancel_end_tenant(%1$L, reason => ''…'');', tenant);
    END IF;
    agreement := toms.ground_of_end(tenant, basis, instruction);
    INSERT INTO toms.tenant_end (state, tenant, ends_at, agreement, instruction, announced_by)
    VALUES ('announced', end_tenant.tenant, end_tenant.ends_at, agreement, end_tenant.instruction, session_user) RETURNING id INTO announced;
    IF notified_at IS NOT NULL THEN
        PERFORM toms.open_window(announced, notified_at);
    END IF;
    RETURN announced;
END
$$;
REVOKE ALL ON FUNCTION toms.end_tenant(text, timestamptz, timestamptz, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.end_tenant(text, timestamptz, timestamptz, text, bigint) TO toms_admin;
COMMENT ON FUNCTION toms.end_tenant(text, timestamptz, timestamptz, text, bigint) IS 'announce the end of a contract: 30 days after its end, and after the controller was told that he can have his data back, all of his data is deleted';

-- Its end as long as it can be taken back, locked.
CREATE FUNCTION toms.announced_end(tenant text)
RETURNS toms.tenant_end LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    announced toms.tenant_end;
BEGIN
    SELECT * INTO announced FROM toms.tenant_end e WHERE e.tenant = announced_end.tenant AND e.state <> 'cancelled' FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no end of a contract with tenant "%" has been announced', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenant_ends;';
    END IF;
    IF announced.state <> 'announced' OR announced.closes_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'the return window of tenant "%" has closed', tenant USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.hold(%L, reason => ''…''); keeps what is there still.', tenant);
    END IF;
    RETURN announced;
END
$$;
REVOKE ALL ON FUNCTION toms.announced_end(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.announced_end(text) IS 'internal: the end of a tenant''s contract, refused unless it can be taken back';

CREATE FUNCTION toms.notify_end(tenant text, notified_at timestamptz)
RETURNS timestamptz LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    announced constant toms.tenant_end := toms.announced_end(tenant);
BEGIN
    IF notified_at IS NULL THEN
        RAISE EXCEPTION 'when the controller was told must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF announced.notified_at IS NOT NULL THEN
        RAISE EXCEPTION 'the return window of tenant "%" is set already', tenant USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT * FROM toms.tenant_ends;';
    END IF;
    RETURN toms.open_window(announced.id, notified_at);
END
$$;
REVOKE ALL ON FUNCTION toms.notify_end(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.notify_end(text, timestamptz) TO toms_admin;
COMMENT ON FUNCTION toms.notify_end(text, timestamptz) IS 'record that the controller was told that he can have his data back; returns when the window closes';

CREATE FUNCTION toms.cancel_end_tenant(tenant text, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'a reason must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    UPDATE toms.tenant_end e SET state = 'cancelled', ended_at = clock_timestamp(), cancelled_by = session_user, reason = cancel_end_tenant.reason
    WHERE e.id = (toms.announced_end(cancel_end_tenant.tenant)).id;
END
$$;
REVOKE ALL ON FUNCTION toms.cancel_end_tenant(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.cancel_end_tenant(text, text) TO toms_admin;
COMMENT ON FUNCTION toms.cancel_end_tenant(text, text) IS 'take back the end of a contract, as long as the return window has not closed';

CREATE VIEW toms.tenant_ends AS
    SELECT e.id, e.tenant, CASE WHEN e.state = 'announced' AND e.closes_at <= pg_catalog.now() THEN 'closed' WHEN e.state = 'announced' AND e.opens_at <= pg_catalog.now() THEN 'open' ELSE e.state END AS state,
           e.ends_at, e.notified_at, e.opens_at, e.closes_at, e.agreement, e.instruction, e.erasure, e.problem, e.announced_at, e.announced_by, e.ended_at, e.cancelled_by, e.reason
    FROM toms.tenant_end e;
COMMENT ON VIEW toms.tenant_ends IS 'ends of contracts: announced, open for the return of data, closed, erasing, done or cancelled; and what an end waits for';
GRANT SELECT ON toms.tenant_ends TO toms_admin, toms_auditor, toms_operator;
