-- Objections and withdrawn consents (Art. 21, 7(3) GDPR): from then on nothing of a category is written about a person,
-- or his rows are there for every purpose but one.

-- One that is misspelt would be an objection to nothing.
CREATE FUNCTION toms.check_objection(category text, purpose text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unreached text;
BEGIN
    IF num_nonnulls(category, purpose) <> 1 THEN
        RAISE EXCEPTION 'an objection is to a purpose or to a category' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF category IS NOT NULL AND NOT EXISTS (SELECT FROM toms.category c WHERE c.category = check_objection.category) THEN
        RAISE EXCEPTION 'there is no category "%"', category USING ERRCODE = 'undefined_object', HINT = 'SELECT category FROM toms.category;';
    END IF;
    IF purpose IS NOT NULL AND NOT EXISTS (SELECT FROM toms.purpose p WHERE p.purpose = check_objection.purpose)
       AND NOT EXISTS (SELECT FROM toms.permission p WHERE check_objection.purpose = ANY (p.purposes)) THEN
        RAISE EXCEPTION 'nothing is permitted for purpose "%"', purpose USING ERRCODE = 'undefined_object', HINT = 'SELECT purpose FROM toms.purposes;';
    END IF;
    SELECT string_agg(p.relation::text, ', ' ORDER BY p.relation::text) INTO unreached
    FROM toms.protected_tables p
    WHERE p.root = p.relation AND (toms.describe(p.relation)).subject IS NULL
      AND (p.category = check_objection.category OR EXISTS (SELECT FROM toms.labelled_columns l WHERE l.relation = p.relation AND l.category = check_objection.category));
    IF unreached IS NOT NULL THEN
        RAISE WARNING 'tables whose rows name no data subject take values of the category all the same: %', unreached;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_objection(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_objection(text, text) IS 'internal: whether an objection is to something';

CREATE FUNCTION toms.record_objection(tenant text, subject text, category text DEFAULT NULL, purpose text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    recorded bigint;
BEGIN
    PERFORM toms.check_objection(category, purpose);
    PERFORM toms.check_concerned(tenant, subject, NULL);
    LOCK TABLE toms.objection IN SHARE ROW EXCLUSIVE MODE;
    SELECT o.id INTO recorded FROM toms.objection o
    WHERE o.tenant = record_objection.tenant AND o.subject = record_objection.subject AND o.category IS NOT DISTINCT FROM record_objection.category
      AND o.purpose IS NOT DISTINCT FROM record_objection.purpose AND o.ended_at IS NULL;
    IF FOUND THEN
        RAISE NOTICE 'objection % says so already', recorded;
        RETURN recorded;
    END IF;
    INSERT INTO toms.objection (tenant, subject, category, purpose, reason, recorded_by)
    VALUES (record_objection.tenant, record_objection.subject, record_objection.category, record_objection.purpose, record_objection.reason, session_user)
    RETURNING id INTO recorded;
    PERFORM toms.watch_limits();
    RETURN recorded;
END
$$;
REVOKE ALL ON FUNCTION toms.record_objection(text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_objection(text, text, text, text, text) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.record_objection(text, text, text, text, text) IS 'from now on no values of a category are written about a data subject, or his rows are not there for a purpose';

CREATE FUNCTION toms.end_objection(id bigint, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'a reason must be given' USING ERRCODE = 'null_value_not_allowed', HINT = 'He has taken it back, or compelling grounds override it (Art. 21(1) GDPR).';
    END IF;
    UPDATE toms.objection o SET ended_at = clock_timestamp(), ended_by = session_user, ended_reason = end_objection.reason
    WHERE o.id = end_objection.id AND o.ended_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no objection % in force', id USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.objections WHERE in_force;';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.end_objection(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.end_objection(bigint, text) TO toms_admin;
COMMENT ON FUNCTION toms.end_objection(bigint, text) IS 'a data subject has taken an objection back, or it is overridden';

CREATE VIEW toms.objections AS
    SELECT id, tenant, subject, category, purpose, reason, recorded_at, recorded_by, ended_at IS NULL AS in_force, ended_at, ended_by, ended_reason
    FROM toms.objection;
COMMENT ON VIEW toms.objections IS 'to what data subjects have objected, ended objections included';
GRANT SELECT ON toms.objections TO toms_admin, toms_auditor;
