-- Restriction of processing (Art. 18 GDPR): the rows stay, and are there for the purposes that the restriction names alone.

-- What concerns a person is declared about one whom tables can know.
CREATE FUNCTION toms.check_concerned(tenant text, subject text, relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    observed text;
BEGIN
    IF tenant IS NULL OR subject IS NULL THEN
        RAISE EXCEPTION 'tenant and subject must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = check_concerned.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    IF relation IS NOT NULL AND (toms.describe(relation)).root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', relation);
    END IF;
    IF relation IS NOT NULL AND (toms.describe(relation)).subject IS NULL THEN
        RAISE EXCEPTION 'rows of table % name no data subject themselves', relation USING ERRCODE = 'wrong_object_type',
            HINT = 'Name the table of their parents: rows below it are about whom these are about.';
    END IF;
    PERFORM toms.check_held_subject(subject, relation);
    SELECT string_agg(p.relation::text, ', ' ORDER BY p.relation::text) INTO observed FROM toms.protected_tables p
    WHERE p.mode = 'observe' AND p.root = p.relation AND p.relation = coalesce(check_concerned.relation, p.relation);
    IF observed IS NOT NULL THEN
        RAISE WARNING 'tables that are observed only refuse nothing: %', observed USING HINT = 'SELECT toms.enforce(''…'');';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_concerned(text, text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_concerned(text, text, regclass) IS 'internal: whether a data subject is one of a tenant''s, as tables write him';

-- {"crm.contact": 2}: where a person's rows are; reads what an index finds.
CREATE FUNCTION toms.count_rows(tenant text, subject text, relation regclass)
RETURNS jsonb LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_object_agg(f.root::text, f.n), '{}')
    FROM (SELECT r.root, sum(toms.ask_all_rows(format('SELECT count(*) FROM ONLY %s t WHERE %s', p.part, p.condition))::bigint) AS n
          FROM unnest(toms.tables_in_order()) r (root),
               LATERAL (SELECT l AS part, toms.rows_condition(l, count_rows.tenant, count_rows.subject) AS condition FROM toms.leaves(r.root) l) p
          WHERE r.root = coalesce(count_rows.relation, r.root) AND p.condition IS NOT NULL GROUP BY r.root) f
    WHERE f.n > 0;
$$;
REVOKE ALL ON FUNCTION toms.count_rows(text, text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.count_rows(text, text, regclass) IS 'internal: how many rows of which protected tables are about a data subject';

-- Whom the controller has to tell (Art. 19): those who were given data of this person.
CREATE FUNCTION toms.inform(tenant text, subject text)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce((SELECT jsonb_agg(DISTINCT r.recipient ORDER BY r.recipient) FROM toms.recipients_to_inform(inform.tenant, inform.subject) r), '[]');
END
$$;
REVOKE ALL ON FUNCTION toms.inform(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.inform(text, text) IS 'internal: the recipients of a data subject''s data, by name';

-- A further instruction changes for which purposes the rows are there.
CREATE FUNCTION toms.restrict_subject(tenant text, subject text, instruction bigint, purposes text[] DEFAULT '{}', relation regclass DEFAULT NULL,
                                      dry_run boolean DEFAULT false)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today toms.restriction;
BEGIN
    IF purposes IS NULL OR array_position(purposes, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'purposes must be given; {} is none' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_concerned(tenant, subject, relation);
    LOCK TABLE toms.restriction IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO today FROM toms.restriction r
    WHERE r.tenant = restrict_subject.tenant AND r.subject = restrict_subject.subject AND r.relation IS NOT DISTINCT FROM restrict_subject.relation
      AND r.kind = 'request' AND r.ended_at IS NULL;
    IF today.instruction = instruction THEN
        RAISE NOTICE 'instruction % has been carried out', instruction;
    ELSIF dry_run IS NOT FALSE THEN
        PERFORM toms.check_instruction(instruction, tenant, 'restrict', subject);
    ELSE
        PERFORM toms.carry_out_instruction(instruction, tenant, 'restrict', subject);
        PERFORM toms.owe_notices(tenant, subject, 'restrict', instruction);
        UPDATE toms.restriction r SET purposes = restrict_subject.purposes, instruction = restrict_subject.instruction WHERE r.id = today.id;
        IF NOT FOUND THEN
            INSERT INTO toms.restriction (tenant, subject, relation, purposes, kind, instruction, restricted_by)
            VALUES (restrict_subject.tenant, restrict_subject.subject, restrict_subject.relation, restrict_subject.purposes, 'request',
                    restrict_subject.instruction, session_user);
        END IF;
        PERFORM toms.watch_limits();
    END IF;
    RETURN jsonb_build_object('rows', toms.count_rows(tenant, subject, relation), 'inform', toms.inform(tenant, subject));
END
$$;
REVOKE ALL ON FUNCTION toms.restrict_subject(text, text, bigint, text[], regclass, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.restrict_subject(text, text, bigint, text[], regclass, boolean) TO toms_admin;
COMMENT ON FUNCTION toms.restrict_subject(text, text, bigint, text[], regclass, boolean) IS 'from now on a data subject''s rows are there for these purposes alone (Art. 18 GDPR); tells which rows, and the recipients to inform';

CREATE FUNCTION toms.unrestrict_subject(tenant text, subject text, instruction bigint, told_at timestamptz, relation regclass DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today toms.restriction;
BEGIN
    IF told_at IS NULL OR told_at > clock_timestamp() THEN
        RAISE EXCEPTION 'the data subject is told before a restriction ends' USING ERRCODE = 'null_value_not_allowed',
            DETAIL = 'Art. 18(3) GDPR.', HINT = 'told_at => when the controller told him.';
    END IF;
    LOCK TABLE toms.restriction IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO today FROM toms.restriction r
    WHERE r.tenant = unrestrict_subject.tenant AND r.subject = unrestrict_subject.subject AND r.relation IS NOT DISTINCT FROM unrestrict_subject.relation
      AND r.kind = 'request' AND (r.ended_at IS NULL OR r.ended_instruction = unrestrict_subject.instruction)
    ORDER BY r.id DESC LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the data subject is not restricted so' USING ERRCODE = 'undefined_object',
            DETAIL = 'What an erasure has restricted stays so until it is deleted.', HINT = 'SELECT * FROM toms.restrictions WHERE in_force;';
    END IF;
    IF today.ended_at IS NOT NULL THEN
        RAISE NOTICE 'instruction % has been carried out', instruction;
    ELSIF told_at < today.restricted_at THEN
        RAISE EXCEPTION 'the data subject was told before he was restricted' USING ERRCODE = 'invalid_parameter_value';
    ELSE
        PERFORM toms.carry_out_instruction(instruction, tenant, 'unrestrict', subject);
        PERFORM toms.owe_notices(tenant, subject, 'unrestrict', instruction);
        UPDATE toms.restriction r SET ended_at = clock_timestamp(), ended_by = session_user, told_at = unrestrict_subject.told_at,
               ended_instruction = unrestrict_subject.instruction
        WHERE r.id = today.id;
    END IF;
    RETURN jsonb_build_object('rows', toms.count_rows(tenant, subject, relation), 'inform', toms.inform(tenant, subject));
END
$$;
REVOKE ALL ON FUNCTION toms.unrestrict_subject(text, text, bigint, timestamptz, regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.unrestrict_subject(text, text, bigint, timestamptz, regclass) TO toms_admin;
COMMENT ON FUNCTION toms.unrestrict_subject(text, text, bigint, timestamptz, regclass) IS 'end a restriction, of which the data subject has been told (Art. 18(3) GDPR)';

-- what erasures have to leave -------------------------------------------------------------

-- The tables whose rows say themselves whom those of a table are about.
CREATE FUNCTION toms.subject_tables(relation regclass)
RETURNS SETOF regclass LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE above (relid, subject) AS (
        SELECT d.root, d.subject FROM toms.describe(subject_tables.relation) d
        UNION
        SELECT d.root, d.subject FROM above a JOIN toms.parent p ON p.child = a.relid, LATERAL toms.describe(p.parent) d WHERE a.subject IS NULL)
    SELECT relid FROM above WHERE subject IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.subject_tables(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.subject_tables(regclass) IS 'internal: a table, or those of its parents, that name the data subject';

-- The purposes are those that rules of retention name for restricted rows: taxes, claims. It ends with the erasure, when the
-- last row of it is gone, never by the clock (forget_person()).
CREATE FUNCTION toms.restrict_rows(relation regclass, tenant text, subject text, reason text, until timestamptz)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO toms.restriction AS r (tenant, subject, relation, purposes, kind, reason, until, restricted_by)
    SELECT restrict_rows.tenant, restrict_rows.subject, s,
           ARRAY(SELECT DISTINCT u FROM toms.retention_rule x, unnest(x.purposes) u
                 WHERE x.relation = s AND x.valid_until IS NULL AND coalesce(x.tenant, restrict_rows.tenant) = restrict_rows.tenant ORDER BY u),
           'statutory', restrict_rows.reason, restrict_rows.until, session_user
    FROM toms.subject_tables(restrict_rows.relation) s
    ON CONFLICT (tenant, subject, relation, kind) WHERE ended_at IS NULL
    DO UPDATE SET purposes = excluded.purposes, reason = excluded.reason, until = greatest(r.until, excluded.until);
    PERFORM toms.watch_limits();
END
$$;
REVOKE ALL ON FUNCTION toms.restrict_rows(regclass, text, text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.restrict_rows(regclass, text, text, text, timestamptz) IS 'internal: what the law keeps of an erased data subject''s rows in a table is there for the purposes of its rule alone';

CREATE VIEW toms.restrictions AS
    SELECT r.id, r.tenant, r.subject, c.oid::pg_catalog.regclass AS relation, r.purposes, r.kind, r.instruction, r.reason, r.until, r.restricted_at, r.restricted_by,
           r.ended_at IS NULL AS in_force, r.told_at, r.ended_at, r.ended_by
    FROM toms.restriction r LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.relation;
COMMENT ON VIEW toms.restrictions IS 'whose rows are there for some purposes only, ended restrictions included';
GRANT SELECT ON toms.restrictions TO toms_admin, toms_auditor;
