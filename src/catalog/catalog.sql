-- Tenants, categories, permissions, officers and instructions: what several slices ask.
-- Rows of history are never deleted; what has ended says when and by whom.

CREATE FUNCTION toms.invalidate() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_invalidate';
REVOKE ALL ON FUNCTION toms.invalidate() FROM PUBLIC;
COMMENT ON FUNCTION toms.invalidate() IS 'internal: trigger that makes every session forget its cached configuration';

-- tenants -------------------------------------------------------------------------

CREATE TABLE toms.tenant (      -- the first two columns are read by position in catalog/cache.c
    tenant          text COLLATE "C" PRIMARY KEY CHECK (octet_length(tenant) BETWEEN 1 AND 200),
    ended_at        timestamptz,
    name            text NOT NULL,
    address         text,
    contact         text,
    representative  text,
    dpo             text,
    country         text CHECK (country ~ '^[A-Z]{2}$'),
    added_at        timestamptz NOT NULL DEFAULT pg_catalog.now(),
    added_by        text NOT NULL DEFAULT session_user
);
SELECT pg_catalog.pg_extension_config_dump('toms.tenant', '');
COMMENT ON TABLE toms.tenant IS 'controllers whose data this database holds';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.tenant
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.tenant ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.tenant TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.add_tenant(tenant text, name text, address text DEFAULT NULL, contact text DEFAULT NULL,
                                representative text DEFAULT NULL, dpo text DEFAULT NULL, country text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO toms.tenant (tenant, name, address, contact, representative, dpo, country, added_by)
    VALUES (add_tenant.tenant, add_tenant.name, add_tenant.address, add_tenant.contact,
            add_tenant.representative, add_tenant.dpo, add_tenant.country, session_user);
    IF toms.keyring_is_configured() THEN
        PERFORM toms.create_epoch(add_tenant.tenant);
    END IF;
    RETURN add_tenant.tenant;
END
$$;
REVOKE ALL ON FUNCTION toms.add_tenant(text, text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.add_tenant(text, text, text, text, text, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.add_tenant(text, text, text, text, text, text, text) IS 'register a tenant (controller); tokens of unregistered tenants are refused';

CREATE VIEW toms.tenants AS
    SELECT tenant, name, country, added_at, ended_at,
           ended_at IS NULL OR ended_at > pg_catalog.now() AS active
    FROM toms.tenant;
COMMENT ON VIEW toms.tenants IS 'registered tenants and whether they are active';
GRANT SELECT ON toms.tenants TO toms_admin, toms_auditor, toms_operator;

-- categories ----------------------------------------------------------------------

CREATE TABLE toms.category (    -- the first two columns are read by position in catalog/config.c
    category    text COLLATE "C" PRIMARY KEY CHECK (category ~ '^[a-z][a-z0-9_]{0,62}$'),
    article9    boolean NOT NULL,
    description text NOT NULL,
    shipped     boolean NOT NULL DEFAULT false
);
SELECT pg_catalog.pg_extension_config_dump('toms.category', 'WHERE NOT shipped');
COMMENT ON TABLE toms.category IS 'categories of personal data; article9: special ones (Art. 9 GDPR)';
INSERT INTO toms.category (category, article9, description, shipped) VALUES
    ('personal',   false, 'personal data', true),
    ('health',     true,  'data concerning health (Art. 4(15), 9 GDPR)', true),
    ('special',    true,  'other special categories (Art. 9 GDPR)', true),
    ('credential', false, 'passwords and other means of authentication', true),
    ('billing',    false, 'contract and billing data', true),
    ('location',   false, 'location data', true),
    ('biometric',  true,  'biometric data for identification (Art. 9 GDPR)', true);
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.category
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.category ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.category TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.add_category(category text, description text, article9 boolean DEFAULT false)
RETURNS text LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO toms.category (category, article9, description)
    VALUES (add_category.category, add_category.article9, add_category.description)
    RETURNING category.category;
$$;
REVOKE ALL ON FUNCTION toms.add_category(text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.add_category(text, text, boolean) TO toms_admin;
COMMENT ON FUNCTION toms.add_category(text, text, boolean) IS 'add a category of personal data of your own';

-- permissions: written by toms.permit() and toms.forbid() -----------------------------

CREATE TABLE toms.permission (  -- the first ten columns are read by position in catalog/config.c
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role          regrole NOT NULL,
    relation      regclass NOT NULL,
    verbs         text[] NOT NULL CHECK (verbs <@ '{select,insert,update,delete}' AND cardinality(verbs) > 0),
    purposes      text[] NOT NULL CHECK (cardinality(purposes) > 0 AND array_position(purposes, NULL) IS NULL),
    scope         text NOT NULL CHECK (scope IN ('own', 'tenant')),
    require_mfa   boolean NOT NULL,
    valid_from    timestamptz NOT NULL,
    valid_until   timestamptz,
    categories    text[] CHECK (cardinality(categories) > 0 AND array_position(categories, NULL) IS NULL),   -- NULL: the table's own
    relation_name text NOT NULL,
    granted       text[] NOT NULL,      -- privileges that permit() had to GRANT
    permitted_by  text NOT NULL,
    ended_by      text
);
CREATE INDEX permission_relation_idx ON toms.permission (relation);
-- A dropped role or table would be restored as a bare number and could mean another one.
SELECT pg_catalog.pg_extension_config_dump('toms.permission',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation) AND EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
SELECT pg_catalog.pg_extension_config_dump('toms.permission_id_seq', '');
COMMENT ON TABLE toms.permission IS 'who may do what for which purpose, now and in the past';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.permission
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.permission ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.permission TO toms_admin, toms_auditor;

CREATE VIEW toms.permissions AS
    SELECT id, role, relation_name AS relation, verbs, purposes, scope, categories, require_mfa, valid_from, valid_until,
           valid_from <= pg_catalog.now() AND (valid_until IS NULL OR valid_until > pg_catalog.now()) AS in_force,
           permitted_by, ended_by
    FROM toms.permission;
COMMENT ON VIEW toms.permissions IS 'permissions with their validity, ended ones included';
GRANT SELECT ON toms.permissions TO toms_admin, toms_auditor;

-- officers ------------------------------------------------------------------------

CREATE TABLE toms.officer (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role       regrole NOT NULL,
    duty       text NOT NULL CHECK (duty IN ('admin', 'auditor', 'operator')),
    granted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    granted_by text NOT NULL,
    revoked_at timestamptz,
    revoked_by text
);
SELECT pg_catalog.pg_extension_config_dump('toms.officer', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
SELECT pg_catalog.pg_extension_config_dump('toms.officer_id_seq', '');
COMMENT ON TABLE toms.officer IS 'history of officers'' duties';
GRANT SELECT ON toms.officer TO toms_admin, toms_auditor;

CREATE FUNCTION toms.grant_officer(role regrole, duty text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF duty IS NULL OR duty NOT IN ('admin', 'auditor', 'operator') THEN
        RAISE EXCEPTION 'there is no duty "%"', duty
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Duties are admin, auditor and operator.';
    END IF;
    EXECUTE format('GRANT %I TO %s', 'toms_' || duty, role);
    INSERT INTO toms.officer (role, duty, granted_by) VALUES (grant_officer.role, grant_officer.duty, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.grant_officer(regrole, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.grant_officer(regrole, text) IS 'give a role the duty admin, auditor or operator; superusers only';

CREATE FUNCTION toms.revoke_officer(role regrole, duty text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE toms.officer o SET revoked_at = clock_timestamp(), revoked_by = session_user
    WHERE o.role = revoke_officer.role AND o.duty = revoke_officer.duty AND o.revoked_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'role % does not hold the duty "%"', role, duty USING ERRCODE = 'undefined_object';
    END IF;
    EXECUTE format('REVOKE %I FROM %s', 'toms_' || duty, role);
END
$$;
REVOKE ALL ON FUNCTION toms.revoke_officer(regrole, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.revoke_officer(regrole, text) IS 'end a role''s duty; superusers only';

-- instructions (Art. 28(3)(a) GDPR) -----------------------------------------------

CREATE TABLE toms.instruction (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text COLLATE "C" NOT NULL,      -- of toms.tenant; a foreign key would hinder a parallel restore
    kind        text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
    given_by    text NOT NULL CHECK (given_by <> ''),
    wording     text NOT NULL CHECK (wording <> ''),
    subject     text,
    single_use  boolean NOT NULL,
    state       text NOT NULL DEFAULT 'given'
                CHECK (state IN ('given', 'confirmed', 'suspended', 'refused', 'withdrawn', 'carried_out')),
    informed_at timestamptz,            -- the controller was told of a suspension or refusal
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    recorded_by text NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('toms.instruction', '');
SELECT pg_catalog.pg_extension_config_dump('toms.instruction_id_seq', '');
COMMENT ON TABLE toms.instruction IS 'documented instructions of the controllers and their state';
GRANT SELECT ON toms.instruction TO toms_admin, toms_auditor, toms_operator;

CREATE TABLE toms.instruction_event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instruction bigint NOT NULL,                -- of toms.instruction
    state       text NOT NULL,
    reason      text,
    at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    by          text NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('toms.instruction_event', '');
SELECT pg_catalog.pg_extension_config_dump('toms.instruction_event_id_seq', '');
COMMENT ON TABLE toms.instruction_event IS 'every change of state of an instruction';
GRANT SELECT ON toms.instruction_event TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.record_instruction(tenant text, kind text, given_by text, wording text,
                                        subject text DEFAULT NULL, single_use boolean DEFAULT true)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    recorded bigint;
BEGIN
    IF tenant IS NOT NULL AND NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = record_instruction.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', tenant USING ERRCODE = 'foreign_key_violation',
            HINT = format('SELECT toms.add_tenant(%L, name => ''…'');', tenant);
    END IF;
    INSERT INTO toms.instruction (tenant, kind, given_by, wording, subject, single_use, recorded_by)
    VALUES (record_instruction.tenant, record_instruction.kind, record_instruction.given_by,
            record_instruction.wording, record_instruction.subject, record_instruction.single_use, session_user)
    RETURNING id INTO recorded;
    INSERT INTO toms.instruction_event (instruction, state, by) VALUES (recorded, 'given', session_user);
    RETURN recorded;
END
$$;
REVOKE ALL ON FUNCTION toms.record_instruction(text, text, text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_instruction(text, text, text, text, text, boolean) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.record_instruction(text, text, text, text, text, boolean) IS 'record an instruction of a controller, in text form; it has to be confirmed before it is carried out';

-- The states an instruction can go to from each state; "carried_out" is set by what carries it out.
CREATE FUNCTION toms.move_instruction(id bigint, state text, reason text, informed_at timestamptz)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moves constant jsonb := '{"given": ["confirmed", "suspended", "refused", "withdrawn"],
                              "confirmed": ["suspended", "refused", "withdrawn", "carried_out"],
                              "suspended": ["confirmed", "refused", "withdrawn"]}';
    today text;
BEGIN
    SELECT i.state INTO today FROM toms.instruction i WHERE i.id = move_instruction.id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no instruction %', id USING ERRCODE = 'undefined_object';
    END IF;
    IF NOT coalesce(moves -> today ? state, false) THEN
        RAISE EXCEPTION 'instruction % is % and cannot become %', id, today, state
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'SELECT * FROM toms.instruction_event WHERE instruction = ' || id || ' shows its history.';
    END IF;
    UPDATE toms.instruction i
    SET state = move_instruction.state, informed_at = coalesce(move_instruction.informed_at, i.informed_at)
    WHERE i.id = move_instruction.id;
    INSERT INTO toms.instruction_event (instruction, state, reason, by)
    VALUES (move_instruction.id, move_instruction.state, move_instruction.reason, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.move_instruction(bigint, text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.move_instruction(bigint, text, text, timestamptz) IS 'internal: change the state of an instruction';

CREATE FUNCTION toms.confirm_instruction(id bigint)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.move_instruction(id, 'confirmed', NULL, NULL);
$$;
REVOKE ALL ON FUNCTION toms.confirm_instruction(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.confirm_instruction(bigint) TO toms_admin;
COMMENT ON FUNCTION toms.confirm_instruction(bigint) IS 'confirm an instruction, so that it can be carried out';

CREATE FUNCTION toms.suspend_instruction(id bigint, reason text, informed_at timestamptz DEFAULT NULL)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.move_instruction(id, 'suspended', reason, informed_at);
$$;
REVOKE ALL ON FUNCTION toms.suspend_instruction(bigint, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.suspend_instruction(bigint, text, timestamptz) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.suspend_instruction(bigint, text, timestamptz) IS 'suspend an instruction believed unlawful; informed_at: when the controller was told (Art. 28(3) GDPR)';

CREATE FUNCTION toms.refuse_instruction(id bigint, reason text, informed_at timestamptz DEFAULT NULL)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.move_instruction(id, 'refused', reason, informed_at);
$$;
REVOKE ALL ON FUNCTION toms.refuse_instruction(bigint, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.refuse_instruction(bigint, text, timestamptz) TO toms_admin;
COMMENT ON FUNCTION toms.refuse_instruction(bigint, text, timestamptz) IS 'refuse a manifestly unlawful instruction for good';

CREATE FUNCTION toms.withdraw_instruction(id bigint, reason text DEFAULT NULL)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.move_instruction(id, 'withdrawn', reason, NULL);
$$;
REVOKE ALL ON FUNCTION toms.withdraw_instruction(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.withdraw_instruction(bigint, text) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.withdraw_instruction(bigint, text) IS 'the controller takes an instruction back';

-- Where that was not said when it was suspended or refused.
CREATE FUNCTION toms.record_controller_told(id bigint, informed_at timestamptz DEFAULT now())
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF informed_at IS NULL OR informed_at > clock_timestamp() THEN
        RAISE EXCEPTION 'the controller was told at a time that has passed' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE toms.instruction i SET informed_at = record_controller_told.informed_at WHERE i.id = record_controller_told.id AND i.state IN ('suspended', 'refused');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no instruction % that is suspended or refused', id USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.instruction WHERE state IN (''suspended'', ''refused'');';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.record_controller_told(bigint, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_controller_told(bigint, timestamptz) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.record_controller_told(bigint, timestamptz) IS 'the controller was told that an instruction of his is suspended or refused (Art. 28(3) GDPR)';

-- For what carries instructions out: it must ask for just that, and be confirmed.
CREATE FUNCTION toms.check_instruction(id bigint, tenant text, kind text, subject text)
RETURNS toms.instruction LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given toms.instruction;
BEGIN
    SELECT * INTO given FROM toms.instruction i WHERE i.id = check_instruction.id FOR UPDATE;
    IF NOT FOUND OR (given.tenant, given.kind, given.subject) IS DISTINCT FROM (tenant, kind, subject) THEN
        RAISE EXCEPTION 'no such instruction has been given' USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'An instruction must name the same tenant, kind and data subject.',
            HINT = format('SELECT toms.record_instruction(%L, kind => %L, given_by => ''…'', wording => ''…''%s);',
                          tenant, kind, CASE WHEN subject IS NOT NULL THEN ', subject => ''…''' END);
    END IF;
    IF given.state <> 'confirmed' THEN
        RAISE EXCEPTION 'instruction % is %, not confirmed', id, given.state USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = CASE WHEN given.state IN ('given', 'suspended') THEN format('SELECT toms.confirm_instruction(%s);', id)
                        ELSE 'SELECT * FROM toms.instruction_event; shows its history.' END;
    END IF;
    RETURN given;
END
$$;
REVOKE ALL ON FUNCTION toms.check_instruction(bigint, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_instruction(bigint, text, text, text) IS 'internal: refuse unless a confirmed instruction asks for this';

CREATE FUNCTION toms.carry_out_instruction(id bigint, tenant text, kind text, subject text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (toms.check_instruction(id, tenant, kind, subject)).single_use THEN
        PERFORM toms.move_instruction(id, 'carried_out', NULL, NULL);
    ELSE
        INSERT INTO toms.instruction_event (instruction, state, by) VALUES (carry_out_instruction.id, 'carried_out', session_user);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.carry_out_instruction(bigint, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.carry_out_instruction(bigint, text, text, text) IS 'internal: refuse unless a confirmed instruction asks for this; a single one is used up by it';
