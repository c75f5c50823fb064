-- What no catalogue of PostgreSQL says and each report and record has to: who processes, for whom, about whom, and which copies
-- were made outside of the database.

CREATE TABLE toms.processor (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL CHECK (name <> ''),
    address        text NOT NULL CHECK (address <> ''),
    contact        text NOT NULL CHECK (contact <> ''),
    dpo            text,                -- name and contact
    representative text,                -- Art. 27
    set_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    set_by         text NOT NULL DEFAULT session_user
);
SELECT pg_catalog.pg_extension_config_dump('toms.processor', '');
SELECT pg_catalog.pg_extension_config_dump('toms.processor_id_seq', '');
COMMENT ON TABLE toms.processor IS 'who operates this database on behalf of its tenants; the newest row is in force';

-- A copy that concerns all tenants names none.
CREATE TABLE toms.copy_outside (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL CHECK (name <> ''),
    place        text NOT NULL CHECK (place <> ''),
    categories   text[] NOT NULL CHECK (cardinality(categories) > 0),
    tenants      text[] CHECK (cardinality(tenants) > 0),
    purpose      text,
    keep_until   date,
    declared_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    declared_by  text NOT NULL DEFAULT session_user,
    ended_at     timestamptz,           -- it is there no more
    ended_by     text,
    ended_reason text
);
CREATE UNIQUE INDEX copy_outside_name_idx ON toms.copy_outside (name) WHERE ended_at IS NULL;
SELECT pg_catalog.pg_extension_config_dump('toms.copy_outside', '');
SELECT pg_catalog.pg_extension_config_dump('toms.copy_outside_id_seq', '');
COMMENT ON TABLE toms.copy_outside IS 'copies of personal data that are kept outside of the database, now and in the past';

CREATE TABLE toms.person_group (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation    regclass NOT NULL,
    persons     text NOT NULL CHECK (persons <> ''),
    declared_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    declared_by text NOT NULL DEFAULT session_user
);
SELECT pg_catalog.pg_extension_config_dump('toms.person_group', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');
SELECT pg_catalog.pg_extension_config_dump('toms.person_group_id_seq', '');
COMMENT ON TABLE toms.person_group IS 'whom the rows of protected tables are about: employees, patients, customers; the newest row of a table is in force';

REVOKE ALL ON toms.processor, toms.copy_outside, toms.person_group FROM PUBLIC;
GRANT SELECT ON toms.processor, toms.copy_outside, toms.person_group TO toms_admin, toms_auditor;
GRANT SELECT ON SEQUENCE toms.processor_id_seq, toms.copy_outside_id_seq, toms.person_group_id_seq TO toms_auditor;     -- a dump of the schema reads them

CREATE FUNCTION toms.set_processor(name text, address text, contact text, dpo text DEFAULT NULL, representative text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF num_nulls(name, address, contact) > 0 OR '' IN (name, address, contact) THEN
        RAISE EXCEPTION 'a processor has a name, an address and a contact' USING ERRCODE = 'null_value_not_allowed', HINT = 'Art. 30(2)(a) GDPR asks for them.';
    END IF;
    INSERT INTO toms.processor (name, address, contact, dpo, representative)
    SELECT set_processor.name, set_processor.address, set_processor.contact, nullif(set_processor.dpo, ''), nullif(set_processor.representative, '')
    WHERE NOT EXISTS (SELECT FROM (SELECT * FROM toms.processor p ORDER BY p.id DESC LIMIT 1) p
                      WHERE (p.name, p.address, p.contact, p.dpo, p.representative)
                            IS NOT DISTINCT FROM (set_processor.name, set_processor.address, set_processor.contact, nullif(set_processor.dpo, ''), nullif(set_processor.representative, '')));
END
$$;
REVOKE ALL ON FUNCTION toms.set_processor(text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.set_processor(text, text, text, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.set_processor(text, text, text, text, text) IS 'say who operates this database on behalf of its tenants; dpo: the data protection officer with contact, or that none is needed';

CREATE FUNCTION toms.processor_at(at timestamptz)
RETURNS SETOF toms.processor LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.* FROM toms.processor p WHERE p.set_at <= at ORDER BY p.id DESC LIMIT 1;
$$;
REVOKE ALL ON FUNCTION toms.processor_at(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.processor_at(timestamptz) IS 'internal: who operated this database at a time';

CREATE FUNCTION toms.update_tenant(tenant text, name text DEFAULT NULL, address text DEFAULT NULL, contact text DEFAULT NULL,
                                   representative text DEFAULT NULL, dpo text DEFAULT NULL, country text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE toms.tenant t
    SET name = coalesce(update_tenant.name, t.name), address = coalesce(update_tenant.address, t.address), contact = coalesce(update_tenant.contact, t.contact),
        representative = coalesce(update_tenant.representative, t.representative), dpo = coalesce(update_tenant.dpo, t.dpo), country = coalesce(update_tenant.country, t.country)
    WHERE t.tenant = update_tenant.tenant AND (t.ended_at IS NULL OR t.ended_at > now());
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no tenant "%" whose contract goes on', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.update_tenant(text, text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.update_tenant(text, text, text, text, text, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.update_tenant(text, text, text, text, text, text, text) IS 'change how a tenant (controller) is reached; what is NULL stays as it is';

CREATE FUNCTION toms.describe_persons(relation regclass, persons text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (toms.describe(relation)).root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT relation FROM toms.protected_tables WHERE relation = root;';
    END IF;
    IF coalesce(persons, '') = '' THEN
        RAISE EXCEPTION 'say whom the rows are about' USING ERRCODE = 'null_value_not_allowed', HINT = 'persons => ''employees''';
    END IF;
    INSERT INTO toms.person_group (relation, persons) VALUES (describe_persons.relation, describe_persons.persons);
END
$$;
REVOKE ALL ON FUNCTION toms.describe_persons(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.describe_persons(regclass, text) TO toms_admin;
COMMENT ON FUNCTION toms.describe_persons(regclass, text) IS 'say whom the rows of a protected table are about, for the record of processing: employees, patients, customers';

-- copies outside --------------------------------------------------------------------------------------

CREATE FUNCTION toms.declare_copy(name text, place text, categories text[], tenants text[] DEFAULT NULL, purpose text DEFAULT NULL, keep_until date DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unknown text;
    declared bigint;
BEGIN
    IF num_nulls(name, place, categories) > 0 OR '' IN (name, place) OR cardinality(categories) = 0 THEN
        RAISE EXCEPTION 'a copy has a name, a place and categories' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT u INTO unknown FROM unnest(categories) u WHERE u IS NULL OR NOT EXISTS (SELECT FROM toms.category c WHERE c.category = u) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no category "%"', unknown USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.category; toms.add_category() adds one.';
    END IF;
    SELECT u INTO unknown FROM unnest(tenants) u WHERE u IS NULL OR NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = u) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no tenant "%"', unknown USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants; without tenants the copy concerns all.';
    END IF;
    IF EXISTS (SELECT FROM toms.copy_outside c WHERE c.name = declare_copy.name AND c.ended_at IS NULL) THEN
        RAISE EXCEPTION 'copy "%" has been declared already', name USING ERRCODE = 'duplicate_object', HINT = format('SELECT toms.end_copy(%L, reason => ''…'');', name);
    END IF;
    INSERT INTO toms.copy_outside (name, place, categories, tenants, purpose, keep_until)
    VALUES (declare_copy.name, declare_copy.place, declare_copy.categories, declare_copy.tenants, declare_copy.purpose, declare_copy.keep_until)
    RETURNING id INTO declared;
    RETURN declared;
END
$$;
REVOKE ALL ON FUNCTION toms.declare_copy(text, text, text[], text[], text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.declare_copy(text, text, text[], text[], text, date) TO toms_admin;
COMMENT ON FUNCTION toms.declare_copy(text, text, text[], text[], text, date) IS 'say that personal data is kept outside of the database too: a data warehouse, a log, a file; each report names it. tenants: those concerned, NULL all';

CREATE FUNCTION toms.end_copy(name text, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(reason, '') !~ '\S' THEN
        RAISE EXCEPTION 'the end of a copy has a reason' USING ERRCODE = 'null_value_not_allowed', HINT = 'Say how and by whom it was deleted.';
    END IF;
    UPDATE toms.copy_outside c SET ended_at = clock_timestamp(), ended_by = session_user, ended_reason = end_copy.reason WHERE c.name = end_copy.name AND c.ended_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no copy "%"', name USING ERRCODE = 'undefined_object', HINT = 'SELECT name FROM toms.copy_outside WHERE ended_at IS NULL;';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.end_copy(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.end_copy(text, text) TO toms_admin;
COMMENT ON FUNCTION toms.end_copy(text, text) IS 'a copy that was declared is there no more; reason: how it was deleted';
