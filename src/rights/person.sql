-- Columns that name another person than the row is about: declared here, asked by exports and erasures.

CREATE TABLE toms.person_column (
    relation    regclass NOT NULL,
    col         name NOT NULL,
    role        text NOT NULL CHECK (role <> ''),       -- what an export says instead of the person
    on_erase    text NOT NULL CHECK (on_erase IN ('clear', 'keep')),    -- when that person is erased
    declared_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    declared_by text NOT NULL,
    PRIMARY KEY (relation, col)
);
SELECT pg_catalog.pg_extension_config_dump('toms.person_column', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');
COMMENT ON TABLE toms.person_column IS 'columns that name another person than the row is about, in which role, and what becomes of the name when that person is erased';
GRANT SELECT ON toms.person_column TO toms_admin, toms_auditor, toms_operator;
-- Who has declared it is on record.
CREATE TRIGGER "~toms_declaration" AFTER INSERT OR UPDATE OR DELETE ON toms.person_column FOR EACH ROW EXECUTE FUNCTION toms.audit_declaration();
CREATE TRIGGER "~toms_declaration_truncate" AFTER TRUNCATE ON toms.person_column FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_declaration();
ALTER TABLE toms.person_column ENABLE ALWAYS TRIGGER "~toms_declaration", ENABLE ALWAYS TRIGGER "~toms_declaration_truncate";

CREATE FUNCTION toms.check_person_column(relation regclass, col name, on_erase text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    attribute pg_attribute;
    hindering name;
BEGIN
    SELECT * INTO today FROM toms.describe(relation);
    IF today.root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', relation);
    END IF;
    SELECT * INTO attribute FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = col AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'table % has no column "%"', relation, col USING ERRCODE = 'undefined_column';
    END IF;
    IF col IN (today.tenant, today.subject, today.parent_key, today.type_column) THEN
        RAISE EXCEPTION 'column "%" of % says whose a row is', col, relation USING ERRCODE = 'invalid_column_reference';
    END IF;
    IF on_erase IS NULL OR on_erase NOT IN ('clear', 'keep') THEN
        RAISE EXCEPTION 'a name can be cleared or kept when the person is erased' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'on_erase is ''clear'' or ''keep''.';
    END IF;
    IF on_erase = 'clear' AND (attribute.attnotnull OR attribute.attgenerated <> '') THEN
        RAISE EXCEPTION 'column "%" of % cannot be cleared', col, relation USING ERRCODE = 'not_null_violation',
            HINT = CASE WHEN attribute.attnotnull THEN format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL;', relation, col) END;
    END IF;
    SELECT f.conname INTO hindering FROM pg_constraint f
    WHERE f.contype = 'f' AND f.conrelid = relation AND attribute.attnum = ANY (f.conkey) AND f.conparentid = 0 ORDER BY 1 LIMIT 1;
    IF on_erase = 'keep' AND FOUND THEN
        RAISE EXCEPTION 'foreign key "%" does not let a name stay whose person is gone', hindering USING ERRCODE = 'invalid_foreign_key',
            HINT = 'on_erase => ''clear'', or drop the foreign key.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_person_column(regclass, name, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_person_column(regclass, name, text) IS 'internal: whether a column can name another person, and be treated so when he is erased';

CREATE FUNCTION toms.label_person(relation regclass, col name, role text, on_erase text DEFAULT 'clear')
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF relation IS NULL OR col IS NULL OR coalesce(role, '') = '' THEN
        RAISE EXCEPTION 'table, column and role must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_person_column(relation, col, on_erase);
    INSERT INTO toms.person_column (relation, col, role, on_erase, declared_by)
    VALUES (label_person.relation, label_person.col, label_person.role, label_person.on_erase, session_user)
    ON CONFLICT ON CONSTRAINT person_column_pkey DO UPDATE SET role = excluded.role, on_erase = excluded.on_erase, declared_at = clock_timestamp(), declared_by = excluded.declared_by;
END
$$;
REVOKE ALL ON FUNCTION toms.label_person(regclass, name, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.label_person(regclass, name, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.label_person(regclass, name, text, text) IS 'a column names another person than the row is about: in which role, and whether the name is cleared or kept when that person is erased';

CREATE FUNCTION toms.unlabel_person(relation regclass, col name)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM toms.person_column p WHERE p.relation = unlabel_person.relation AND p.col = unlabel_person.col;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'column "%" of % is not labelled as a person''s', col, relation USING ERRCODE = 'undefined_object',
            HINT = 'SELECT * FROM toms.person_column;';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.unlabel_person(regclass, name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.unlabel_person(regclass, name) TO toms_admin;
COMMENT ON FUNCTION toms.unlabel_person(regclass, name) IS 'a column does not name a person any more';
