-- Purposes (Art. 5(1)(b) GDPR): what personal data may be used for, on which legal basis, and
-- what it may never be used for.

CREATE TABLE toms.purpose (     -- the first three columns are read by position in catalog/purpose.c
    purpose     text COLLATE "C" PRIMARY KEY CHECK (octet_length(purpose) BETWEEN 1 AND 63),
    excluded    boolean NOT NULL,
    aggregate   boolean NOT NULL,       -- answers statistics alone, never a row
    min_group   integer CHECK (min_group >= 3),
    description text NOT NULL CHECK (description <> ''),
    legal_basis text CHECK (legal_basis <> ''),
    CHECK (excluded OR legal_basis IS NOT NULL),
    CHECK (NOT (excluded AND aggregate)),
    CHECK (aggregate = (min_group IS NOT NULL))
);
SELECT pg_catalog.pg_extension_config_dump('toms.purpose', '');
COMMENT ON TABLE toms.purpose IS 'purposes with their legal basis, and excluded ones, which nothing can permit';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.purpose
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.purpose ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.purpose TO toms_admin, toms_auditor, toms_operator;

CREATE TABLE toms.purpose_history (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    purpose     text NOT NULL,
    action      text NOT NULL       -- bind, unbind: the description is the function
                CHECK (action IN ('add', 'change', 'exclude', 'bind', 'unbind')),
    granularity text,
    min_group   integer,
    description text NOT NULL,
    legal_basis text,
    at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    by          text NOT NULL DEFAULT session_user
);
SELECT pg_catalog.pg_extension_config_dump('toms.purpose_history', '');
SELECT pg_catalog.pg_extension_config_dump('toms.purpose_history_id_seq', '');
COMMENT ON TABLE toms.purpose_history IS 'when which purpose was registered, changed or excluded, and by whom';
GRANT SELECT ON toms.purpose_history TO toms_admin, toms_auditor;

CREATE VIEW toms.purposes AS
    SELECT purpose, excluded, CASE WHEN NOT excluded THEN CASE WHEN aggregate THEN 'aggregate' ELSE 'person' END END AS granularity,
           min_group, description, legal_basis
    FROM toms.purpose;
COMMENT ON VIEW toms.purposes IS 'registered purposes: granularity person or aggregate, excluded ones without';
GRANT SELECT ON toms.purposes TO toms_admin, toms_auditor, toms_operator;

-- A purpose may get stricter, not more open: whoever planned with it was told what it answers.
CREATE FUNCTION toms.check_purpose_change(today toms.purpose, aggregate boolean, min_group integer)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF today.excluded THEN
        RAISE EXCEPTION 'purpose "%" is excluded', today.purpose USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'What is excluded stays excluded: those concerned have been told so.',
            HINT = 'Register what is really meant under a name and a legal basis of its own.';
    END IF;
    IF today.aggregate AND (NOT aggregate OR min_group < today.min_group) THEN
        RAISE EXCEPTION 'purpose "%" answers for groups of % and more', today.purpose, today.min_group
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'A purpose can get stricter only; add another one.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_purpose_change(toms.purpose, boolean, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_purpose_change(toms.purpose, boolean, integer) IS 'internal: refuse to open a purpose';

CREATE FUNCTION toms.add_purpose(purpose text, description text, legal_basis text, granularity text DEFAULT 'person',
                                 min_group integer DEFAULT NULL)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today toms.purpose;
    is_aggregate boolean := granularity = 'aggregate';
    group_size integer := coalesce(min_group, CASE granularity WHEN 'aggregate' THEN 5 END);
BEGIN
    IF granularity IS NULL OR granularity NOT IN ('person', 'aggregate') THEN
        RAISE EXCEPTION 'there is no granularity "%"', granularity USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Granularities are person and aggregate.';
    END IF;
    IF group_size IS NOT NULL AND (NOT is_aggregate OR group_size < 3) THEN
        RAISE EXCEPTION 'min_group is the least number of persons in a group, 3 or more, of an aggregate purpose'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF coalesce(legal_basis, '') = '' OR coalesce(description, '') = '' THEN
        RAISE EXCEPTION 'a purpose has a description and a legal basis' USING ERRCODE = 'null_value_not_allowed',
            HINT = 'legal_basis => ''Art. 6(1)(b) GDPR''';
    END IF;
    LOCK TABLE toms.purpose IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO today FROM toms.purpose p WHERE p.purpose = add_purpose.purpose;
    IF today.purpose IS NOT NULL THEN
        PERFORM toms.check_purpose_change(today, is_aggregate, group_size);
        IF (today.aggregate, today.min_group, today.description, today.legal_basis)
           IS NOT DISTINCT FROM (is_aggregate, group_size, description, legal_basis) THEN
            RETURN purpose;
        END IF;
    END IF;
    INSERT INTO toms.purpose_history (purpose, action, granularity, min_group, description, legal_basis)
    VALUES (add_purpose.purpose, CASE WHEN today.purpose IS NULL THEN 'add' ELSE 'change' END, granularity, group_size,
            add_purpose.description, add_purpose.legal_basis);
    INSERT INTO toms.purpose AS p (purpose, excluded, aggregate, min_group, description, legal_basis)
    VALUES (add_purpose.purpose, false, is_aggregate, group_size, add_purpose.description, add_purpose.legal_basis)
    ON CONFLICT ON CONSTRAINT purpose_pkey DO UPDATE
    SET aggregate = excluded.aggregate, min_group = excluded.min_group, description = excluded.description, legal_basis = excluded.legal_basis;
    RETURN purpose;
END
$$;
REVOKE ALL ON FUNCTION toms.add_purpose(text, text, text, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.add_purpose(text, text, text, text, integer) TO toms_admin;
COMMENT ON FUNCTION toms.add_purpose(text, text, text, text, integer) IS 'register a purpose with its legal basis; aggregate: it answers statistics of groups of min_group persons and more, never a row';

CREATE FUNCTION toms.exclude_purpose(purpose text, description text)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    permitted bigint;
BEGIN
    IF coalesce(description, '') = '' THEN
        RAISE EXCEPTION 'an excluded purpose has a description' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    LOCK TABLE toms.purpose IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM toms.purpose p WHERE p.purpose = exclude_purpose.purpose AND p.excluded AND p.description = exclude_purpose.description) THEN
        RETURN purpose;
    END IF;
    INSERT INTO toms.purpose_history (purpose, action, description)
    VALUES (exclude_purpose.purpose, 'exclude', exclude_purpose.description);
    INSERT INTO toms.purpose (purpose, excluded, aggregate, description)
    VALUES (exclude_purpose.purpose, true, false, exclude_purpose.description)
    ON CONFLICT ON CONSTRAINT purpose_pkey DO UPDATE
    SET excluded = true, aggregate = false, min_group = NULL, legal_basis = NULL, description = excluded.description;
    SELECT count(*) INTO permitted FROM toms.permission p
    WHERE exclude_purpose.purpose = ANY (p.purposes) AND (p.valid_until IS NULL OR p.valid_until > clock_timestamp());
    IF permitted > 0 THEN
        RAISE NOTICE 'permissions that name purpose "%": %; they are of no use for it any more', purpose, permitted
            USING HINT = 'SELECT * FROM toms.permissions; toms.forbid() ends them.';
    END IF;
    RETURN purpose;
END
$$;
REVOKE ALL ON FUNCTION toms.exclude_purpose(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.exclude_purpose(text, text) TO toms_admin;
COMMENT ON FUNCTION toms.exclude_purpose(text, text) IS 'name a purpose that nothing can permit, choose or bind, for good; its use is refused and recorded';

-- Purposes of whole applications, as their agreements name them.
CREATE FUNCTION toms.load_purposes(application text)
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF application IS NULL OR application NOT IN ('absence', 'audit') THEN
        RAISE EXCEPTION 'there is no set of purposes "%"', application USING ERRCODE = 'invalid_parameter_value', HINT = 'There are: absence, audit.';
    END IF;
    IF application = 'audit' THEN
        PERFORM toms.add_purpose('security_control', description => 'detecting and looking into breaches of security',
            legal_basis => 'Art. 6(1)(c),(f), 32(1), 33 GDPR');
        PERFORM toms.add_purpose('data_protection_control', description => 'checking that data is used lawfully, by the data protection officer above all',
            legal_basis => 'Art. 6(1)(c), 5(2), 24(1), 39(1)(b) GDPR');
        PERFORM toms.add_purpose('subject_rights', description => 'answering data subjects who ask about the use of their data',
            legal_basis => 'Art. 6(1)(c), 12, 15 GDPR');
        RETURN 3;
    END IF;
    PERFORM toms.add_purpose('absence_management', description => 'planning, approving and recording absences',
        legal_basis => 'Art. 6(1)(b),(c), 9(2)(b) GDPR; §§ 26(3), 22(2) BDSG');
    PERFORM toms.add_purpose('continued_pay', description => 'continued pay during sickness',
        legal_basis => 'Art. 6(1)(c), 9(2)(b) GDPR; § 26(3) BDSG; §§ 3, 5 EFZG');
    PERFORM toms.add_purpose('employer_duties', description => 'duties of the employer under labour and social law',
        legal_basis => 'Art. 6(1)(c), 9(2)(b) GDPR; § 26(3) BDSG; § 167(2) SGB IX');
    PERFORM toms.add_purpose('staff_planning', description => 'planning of staff by groups of five and more',
        legal_basis => 'Art. 6(1)(f), 9(2)(j), 89(1) GDPR; § 27(1) BDSG', granularity => 'aggregate', min_group => 5);
    PERFORM toms.exclude_purpose('performance_evaluation', description => 'evaluation of performance or conduct');
    PERFORM toms.exclude_purpose('health_profile', description => 'profiles of the health of persons');
    PERFORM toms.exclude_purpose('person_statistics', description => 'statistics of single persons');
    RETURN 7;
END
$$;
REVOKE ALL ON FUNCTION toms.load_purposes(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.load_purposes(text) TO toms_admin;
COMMENT ON FUNCTION toms.load_purposes(text) IS 'register the purposes of an application, and what it excludes: absence; or those for reading the audit trail: audit';

-- For what gives a purpose to somebody or something.
CREATE FUNCTION toms.check_not_excluded(purpose text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM toms.purpose p WHERE p.purpose = check_not_excluded.purpose AND p.excluded) THEN
        PERFORM toms.refuse('toms_purpose_excluded', format('Purpose "%s" is excluded.', purpose), 'SELECT * FROM toms.purposes WHERE NOT excluded;');
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_not_excluded(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_not_excluded(text) IS 'internal: refuse an excluded purpose, and record that it was asked for';
