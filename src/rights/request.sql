-- The register of what data subjects have asked for: received, forwarded to the controller, due, closed.

CREATE TABLE toms.request (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant       text COLLATE "C" NOT NULL,     -- of toms.tenant
    subject      text COLLATE "C",              -- as tokens write it; NULL: nobody knows yet, or he has been erased
    kind         text NOT NULL CHECK (kind IN ('access', 'portability', 'rectify', 'erase', 'restrict', 'object', 'withdraw', 'decision', 'other')),     -- decision: Art. 22
    received_at  timestamptz NOT NULL,
    due          date NOT NULL,                 -- Art. 12(3)
    extended_at  timestamptz,                   -- by two months; he was told then
    extended_for text,
    forwarded_at timestamptz,
    forwarded_to text,
    closed_at    timestamptz,                   -- NULL: open
    outcome      text CHECK (outcome IN ('fulfilled', 'partly', 'refused', 'withdrawn')),
    remark       text,
    instruction  bigint,                        -- of toms.instruction: by which it was carried out
    recorded_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    recorded_by  text NOT NULL,
    closed_by    text,
    CHECK ((closed_at IS NULL) = (outcome IS NULL))
);
SELECT pg_catalog.pg_extension_config_dump('toms.request', '');
SELECT pg_catalog.pg_extension_config_dump('toms.request_id_seq', '');
COMMENT ON TABLE toms.request IS 'requests of data subjects, with the day on which an answer is due';
GRANT SELECT ON toms.request TO toms_admin, toms_auditor;
GRANT SELECT ON SEQUENCE toms.request_id_seq TO toms_auditor;   -- a dump of the schema reads it
CREATE TRIGGER "~toms_declaration" AFTER INSERT OR UPDATE OR DELETE ON toms.request
    FOR EACH ROW EXECUTE FUNCTION toms.audit_declaration(subject, extended_for, forwarded_to, remark);
CREATE TRIGGER "~toms_declaration_truncate" AFTER TRUNCATE ON toms.request FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_declaration();
ALTER TABLE toms.request ENABLE ALWAYS TRIGGER "~toms_declaration", ENABLE ALWAYS TRIGGER "~toms_declaration_truncate";

-- A month after the day on which it came: the same day of the next month, or that month's last. Days are those of the
-- session's time zone.
CREATE FUNCTION toms.record_request(tenant text, subject text, kind text, received_at timestamptz DEFAULT now())
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    recorded bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = record_request.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    IF received_at IS NULL OR received_at > clock_timestamp() OR NOT isfinite(received_at) THEN
        RAISE EXCEPTION 'a request was received in the past' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF subject IS NOT NULL THEN
        PERFORM toms.check_held_subject(subject, NULL);
    END IF;
    INSERT INTO toms.request (tenant, subject, kind, received_at, due, recorded_by)
    VALUES (record_request.tenant, record_request.subject, record_request.kind, record_request.received_at,
            record_request.received_at::date + interval '1 month', session_user)
    RETURNING id INTO recorded;
    RETURN recorded;
EXCEPTION WHEN check_violation THEN
    RAISE EXCEPTION 'there is no request of kind "%"', kind USING ERRCODE = 'invalid_parameter_value',
        HINT = 'Kinds are access, portability, rectify, erase, restrict, object, withdraw (a consent), decision (Art. 22 GDPR) and other.';
END
$$;
REVOKE ALL ON FUNCTION toms.record_request(text, text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_request(text, text, text, timestamptz) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.record_request(text, text, text, timestamptz) IS 'take a data subject''s request into the register; an answer is due within a month (Art. 12(3) GDPR)';

CREATE FUNCTION toms.open_request(id bigint)
RETURNS toms.request LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    open toms.request;
BEGIN
    SELECT * INTO open FROM toms.request r WHERE r.id = open_request.id AND r.closed_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no open request %', id USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.requests WHERE closed_at IS NULL;';
    END IF;
    RETURN open;
END
$$;
REVOKE ALL ON FUNCTION toms.open_request(bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.open_request(bigint) IS 'internal: a request that has not been closed';

-- A processor answers nobody: he forwards at once.
CREATE FUNCTION toms.forward_request(id bigint, forwarded_to text DEFAULT NULL, forwarded_at timestamptz DEFAULT now())
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF forwarded_at IS NULL OR forwarded_at > clock_timestamp() OR forwarded_at < (toms.open_request(id)).received_at THEN
        RAISE EXCEPTION 'a request is forwarded after it was received, and not in the future' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE toms.request r SET forwarded_at = forward_request.forwarded_at, forwarded_to = forward_request.forwarded_to WHERE r.id = forward_request.id;
END
$$;
REVOKE ALL ON FUNCTION toms.forward_request(bigint, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.forward_request(bigint, text, timestamptz) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.forward_request(bigint, text, timestamptz) IS 'a request was forwarded to the controller';

CREATE FUNCTION toms.extend_request(id bigint, reason text, told_at timestamptz DEFAULT now())
RETURNS date LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    open toms.request := toms.open_request(id);
    later date := open.received_at::date + interval '3 months';
BEGIN
    IF coalesce(reason, '') = '' OR told_at IS NULL OR open.extended_at IS NOT NULL OR told_at > clock_timestamp() OR told_at::date > open.due THEN
        RAISE EXCEPTION 'request % cannot be extended so', id USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'Once, by two months, with reasons that the data subject is told within the first month (Art. 12(3) GDPR).';
    END IF;
    UPDATE toms.request r SET due = later, extended_at = told_at, extended_for = reason WHERE r.id = extend_request.id;
    RETURN later;
END
$$;
REVOKE ALL ON FUNCTION toms.extend_request(bigint, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.extend_request(bigint, text, timestamptz) TO toms_admin;
COMMENT ON FUNCTION toms.extend_request(bigint, text, timestamptz) IS 'a request is complex: it is due two months later, as the data subject has been told';

CREATE FUNCTION toms.close_request(id bigint, outcome text, remark text DEFAULT NULL, instruction bigint DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    open toms.request := toms.open_request(id);
BEGIN
    IF outcome IS NULL OR outcome NOT IN ('fulfilled', 'partly', 'refused', 'withdrawn') THEN
        RAISE EXCEPTION 'a request does not end as "%"', outcome USING ERRCODE = 'invalid_parameter_value', HINT = 'fulfilled, partly, refused or withdrawn.';
    END IF;
    IF outcome IN ('partly', 'refused') AND coalesce(remark, '') = '' THEN
        RAISE EXCEPTION 'a refusal has reasons' USING ERRCODE = 'null_value_not_allowed', DETAIL = 'Art. 12(4) GDPR.', HINT = 'remark => ''…''';
    END IF;
    IF instruction IS NOT NULL AND NOT EXISTS (SELECT FROM toms.instruction i WHERE i.id = close_request.instruction AND i.tenant = open.tenant) THEN
        RAISE EXCEPTION 'there is no instruction % of the request''s tenant', instruction USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.instruction;';
    END IF;
    UPDATE toms.request r SET closed_at = clock_timestamp(), closed_by = session_user, outcome = close_request.outcome, remark = close_request.remark,
           instruction = close_request.instruction
    WHERE r.id = close_request.id;
END
$$;
REVOKE ALL ON FUNCTION toms.close_request(bigint, text, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.close_request(bigint, text, text, bigint) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.close_request(bigint, text, text, bigint) IS 'a request has been answered';

-- Whom one is about is not an operator's to know.
CREATE VIEW toms.requests WITH (security_barrier) AS
    SELECT q.id, q.tenant, CASE WHEN r.may THEN q.subject END AS subject, q.kind, q.received_at, q.forwarded_at, CASE WHEN r.may THEN q.forwarded_to END AS forwarded_to,
           q.due, q.extended_at, q.closed_at, q.outcome, CASE WHEN r.may THEN q.remark END AS remark, q.instruction,
           coalesce(q.closed_at::date, current_date) > q.due AS overdue
    FROM toms.request q,
         LATERAL (SELECT pg_catalog.pg_has_role(current_user, 'toms_admin', 'usage') OR pg_catalog.pg_has_role(current_user, 'toms_auditor', 'usage') AS may) r;
COMMENT ON VIEW toms.requests IS 'requests of data subjects, open and closed, and whether they are overdue; who asked for admins and auditors only';
GRANT SELECT ON toms.requests TO toms_admin, toms_auditor, toms_operator;

-- For erasures, when no row of him is left: nothing of what this file and its neighbours keep names the person any more.
CREATE FUNCTION toms.forget_person(tenant text, subject text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE toms.request r SET subject = NULL, forwarded_to = NULL, extended_for = NULL, remark = NULL WHERE r.tenant = forget_person.tenant AND r.subject = forget_person.subject;
    UPDATE toms.rectification r SET subject = NULL WHERE r.tenant = forget_person.tenant AND r.subject = forget_person.subject;
    DELETE FROM toms.objection o WHERE o.tenant = forget_person.tenant AND o.subject = forget_person.subject;
    DELETE FROM toms.restriction r WHERE r.tenant = forget_person.tenant AND r.subject = forget_person.subject;
END
$$;
REVOKE ALL ON FUNCTION toms.forget_person(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.forget_person(text, text) IS 'internal: an erased data subject''s requests, objections and restrictions name him no more';
