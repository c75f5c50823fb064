-- Holds: what nothing may delete until they are released.  Whoever deletes holds a lock on toms.hold that
-- hold() conflicts with: it waits for deletions under way, and none that begins later misses it.

-- A misspelt one would hold nothing: 017 where ids are numbers, capitals where they are UUIDs. Of tables with another key of
-- persons counts the one that tokens hold.
CREATE FUNCTION toms.check_held_subject(subject text, relation regclass)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM toms.protected_tables p
        LEFT JOIN toms.subject_alias s ON s.id = substring(toms.label_words(p.relation, false) ->> p.subject::text FROM 'alias=([0-9]+)')::bigint
        JOIN pg_attribute a ON a.attrelid = coalesce(s.relation, p.relation) AND a.attname = coalesce(s.canonical, p.subject) JOIN pg_type t ON t.oid = a.atttypid
        WHERE p.root = p.relation AND p.relation = coalesce(check_held_subject.relation, p.relation)
          AND check_held_subject.subject ~ CASE coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text WHEN 'uuid' THEN '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                                           WHEN 'text' THEN '.' WHEN 'character varying' THEN '.' ELSE '^(0|-?[1-9][0-9]{0,18})$' END) THEN
        RAISE EXCEPTION 'no protected table can hold rows of that data subject' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Write it as tokens do: numbers without leading zeros, UUIDs in small letters.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_held_subject(text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_held_subject(text, regclass) IS 'internal: whether a data subject is written as tables write them';

CREATE FUNCTION toms.check_hold(tenant text, subject text, relation regclass, kind text, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    observed text;
BEGIN
    IF kind IS NULL OR kind NOT IN ('legal', 'suspension', 'dispute', 'other') THEN
        RAISE EXCEPTION 'there is no hold of kind "%"', kind USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Kinds are legal, suspension (of expiry: § 147(3) AO), dispute and other.';
    END IF;
    IF num_nonnulls(tenant, relation) = 0 OR (subject IS NOT NULL AND tenant IS NULL) THEN
        RAISE EXCEPTION 'a hold is of a tenant, of a subject of a tenant, of a table or of a rule' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'a reason must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF tenant IS NOT NULL AND NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = check_hold.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    IF relation IS NOT NULL AND (toms.describe(relation)).root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', relation);
    END IF;
    IF subject IS NOT NULL THEN
        PERFORM toms.check_held_subject(subject, CASE WHEN (toms.describe(relation)).subject IS NOT NULL THEN relation END);
    END IF;
    SELECT string_agg(p.relation::text, ', ' ORDER BY p.relation::text) INTO observed FROM toms.protected_tables p
    WHERE p.mode = 'observe' AND p.root = p.relation AND p.relation = coalesce(check_hold.relation, p.relation);
    IF observed IS NOT NULL THEN
        RAISE WARNING 'tables that are observed only keep nothing: %', observed USING HINT = 'SELECT toms.enforce(''…'');';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_hold(text, text, regclass, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_hold(text, text, regclass, text, text) IS 'internal: whether a hold can be set as asked';

CREATE FUNCTION toms.hold(tenant text DEFAULT NULL, subject text DEFAULT NULL, relation regclass DEFAULT NULL, rule bigint DEFAULT NULL,
                          kind text DEFAULT 'legal', reason text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_rule toms.retention_rule;
    held bigint;
BEGIN
    LOCK TABLE toms.hold IN EXCLUSIVE MODE;
    IF rule IS NOT NULL THEN
        SELECT * INTO of_rule FROM toms.retention_rule r WHERE r.id = hold.rule AND r.valid_until IS NULL FOR SHARE;     -- it is not replaced meanwhile
        IF NOT FOUND OR relation <> of_rule.relation OR tenant <> of_rule.tenant THEN
            RAISE EXCEPTION 'there is no rule % in force for these rows', rule USING ERRCODE = 'undefined_object',
                HINT = 'SELECT * FROM toms.retention_rules WHERE in_force;';
        END IF;
        relation := of_rule.relation;
        tenant := coalesce(tenant, of_rule.tenant);
    END IF;
    PERFORM toms.check_hold(tenant, subject, relation, kind, reason);
    INSERT INTO toms.hold (state, relation, tenant, subject, rule, kind, reason, held_by)
    VALUES ('held', hold.relation, hold.tenant, hold.subject, hold.rule, hold.kind, hold.reason, session_user)
    RETURNING id INTO held;
    RETURN held;
END
$$;
REVOKE ALL ON FUNCTION toms.hold(text, text, regclass, bigint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.hold(text, text, regclass, bigint, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.hold(text, text, regclass, bigint, text, text) IS 'nothing deletes rows of a tenant, a subject of his, a table or a rule until the hold is released; waits for deletions under way';

-- Erasures that waited for it are carried out.
CREATE FUNCTION toms.release_hold(id bigint, reason text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE toms.hold h SET state = 'released', released_at = clock_timestamp(), released_by = session_user, released_for = release_hold.reason
    WHERE h.id = release_hold.id AND h.state = 'held';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no hold % in force', id USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.holds WHERE state = ''held'';';
    END IF;
    PERFORM toms.finish_pending_erasures();
    PERFORM toms.finish_erasures();
END
$$;
REVOKE ALL ON FUNCTION toms.release_hold(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.release_hold(bigint, text) TO toms_admin;
COMMENT ON FUNCTION toms.release_hold(bigint, text) IS 'end a hold, and carry out the erasures that waited for it';

-- Whom a hold is about, and why, is not an operator's to know.
CREATE VIEW toms.holds WITH (security_barrier) AS
    SELECT h.id, h.state, c.oid::pg_catalog.regclass AS relation, h.tenant, h.subject IS NOT NULL AS of_subject, CASE WHEN r.may THEN h.subject END AS subject,
           h.rule, h.kind, CASE WHEN r.may THEN h.reason END AS reason, h.held_at, h.held_by, h.released_at, h.released_by,
           CASE WHEN r.may THEN h.released_for END AS released_for
    FROM toms.hold h LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) h.relation,
         LATERAL (SELECT pg_catalog.pg_has_role(current_user, 'toms_admin', 'usage') OR pg_catalog.pg_has_role(current_user, 'toms_auditor', 'usage') AS may) r;
COMMENT ON VIEW toms.holds IS 'what may not be deleted until it is released, released ones included; subject and reasons for admins and auditors only';
GRANT SELECT ON toms.holds TO toms_admin, toms_auditor, toms_operator;
