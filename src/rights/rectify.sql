-- Rectification (Art. 16 GDPR): values are changed in the name of the table's owner, as instructed. The trail records it
-- as any change: old and new where the controller has consented to values, else what was changed.

CREATE TABLE toms.rectification (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text COLLATE "C" NOT NULL,      -- of toms.tenant
    subject     text COLLATE "C",               -- as tokens write it; NULL: he has been erased
    relation    text NOT NULL,
    columns     name[] NOT NULL,
    rows        bigint NOT NULL,
    instruction bigint NOT NULL,                -- of toms.instruction
    at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    by          text NOT NULL
);
CREATE INDEX rectification_instruction_idx ON toms.rectification (instruction);
SELECT pg_catalog.pg_extension_config_dump('toms.rectification', '');
SELECT pg_catalog.pg_extension_config_dump('toms.rectification_id_seq', '');
COMMENT ON TABLE toms.rectification IS 'what has been rectified, by which instruction; no values';
GRANT SELECT ON toms.rectification TO toms_admin, toms_auditor;
GRANT SELECT ON SEQUENCE toms.rectification_id_seq TO toms_auditor;     -- a dump of the schema reads it
CREATE TRIGGER "~toms_declaration" AFTER INSERT OR UPDATE OR DELETE ON toms.rectification
    FOR EACH ROW EXECUTE FUNCTION toms.audit_declaration(subject);
CREATE TRIGGER "~toms_declaration_truncate" AFTER TRUNCATE ON toms.rectification FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_declaration();
ALTER TABLE toms.rectification ENABLE ALWAYS TRIGGER "~toms_declaration", ENABLE ALWAYS TRIGGER "~toms_declaration_truncate";

-- What says whose a row is, or who is meant by it, is not a value to be corrected.
CREATE FUNCTION toms.check_changes(relation regclass, changes jsonb)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    wrong text;
BEGIN
    SELECT * INTO today FROM toms.describe(relation);
    IF today.root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', subject => ''…'');', relation);
    END IF;
    IF jsonb_typeof(changes) IS DISTINCT FROM 'object' OR changes = '{}' THEN
        RAISE EXCEPTION 'changes are an object of columns and values' USING ERRCODE = 'invalid_parameter_value', HINT = 'changes => ''{"street": "…"}''';
    END IF;
    SELECT k INTO wrong FROM jsonb_object_keys(changes) k
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = k AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')
    ORDER BY k LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'table % has no column "%" that can be written', relation, wrong USING ERRCODE = 'undefined_column';
    END IF;
    SELECT k INTO wrong FROM jsonb_object_keys(changes) k
    WHERE toms.label_words(relation, false) ? k OR k IN (today.tenant, today.subject, today.parent_key, today.type_column)
       OR EXISTS (SELECT FROM toms.subject_alias s WHERE s.relation = check_changes.relation AND k IN (s.canonical, s.alias))
       OR EXISTS (SELECT FROM toms.person_column p WHERE p.relation = check_changes.relation AND p.col = k)
    ORDER BY k LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'column "%" of table % says who is meant', wrong, relation USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_changes(regclass, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_changes(regclass, jsonb) IS 'internal: whether columns can be rectified';

-- Rows that have these values: of types whose comparison runs nobody's code.
CREATE FUNCTION toms.rows_that_are(relation regclass, which jsonb)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked record;
    conditions text := '';
BEGIN
    FOR asked IN SELECT e.key, e.value, coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text AS type
                 FROM jsonb_each_text(which) e LEFT JOIN (pg_attribute a JOIN pg_type t ON t.oid = a.atttypid)
                      ON a.attrelid = relation AND a.attname = e.key AND a.attnum > 0 AND NOT a.attisdropped ORDER BY e.key LOOP
        IF asked.type IS NULL OR asked.type NOT IN ('uuid', 'text', 'character varying', 'smallint', 'integer', 'bigint') OR asked.value IS NULL THEN
            RAISE EXCEPTION 'rows of table % cannot be told by column "%"', relation, asked.key USING ERRCODE = 'invalid_parameter_value',
                HINT = 'By whole numbers, texts and UUIDs: which => ''{"id": 17}''.';
        END IF;
        conditions := conditions || ' AND ' || toms.equals(relation, asked.key, asked.value, 't');
    END LOOP;
    RETURN conditions;
END
$$;
REVOKE ALL ON FUNCTION toms.rows_that_are(regclass, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.rows_that_are(regclass, jsonb) IS 'internal: a further condition on a data subject''s rows, as SQL';

CREATE FUNCTION toms.change_subject_rows(tenant text, subject text, relation regclass, changes jsonb, which jsonb, dry_run boolean)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part regclass;
    found tid[];
    n bigint := 0;
    assignments text;
    new_values text[];
BEGIN
    SELECT string_agg(format('%I = ($2)[%s]::%s', a.attname, c.n, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY c.n),
           array_agg(CASE WHEN coalesce(nullif(t.typbasetype, 0), t.oid) IN ('json'::regtype, 'jsonb'::regtype) THEN changes -> c.key #>> '{}' ELSE changes ->> c.key END ORDER BY c.n)
    INTO assignments, new_values
    FROM (SELECT k AS key, row_number() OVER (ORDER BY k) AS n FROM jsonb_object_keys(changes) k) c
         JOIN pg_attribute a ON a.attrelid = relation AND a.attname = c.key JOIN pg_type t ON t.oid = a.atttypid;
    FOR part IN SELECT l FROM toms.leaves(relation) l LOOP
        found := toms.find_rows(part, toms.rows_condition(part, tenant, subject) || toms.rows_that_are(relation, which));
        IF cardinality(found) > 0 AND NOT dry_run THEN
            PERFORM toms.change_rows(part, tenant, found, assignments, new_values);
        END IF;
        n := n + coalesce(cardinality(found), 0);
    END LOOP;
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION toms.change_subject_rows(text, text, regclass, jsonb, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.change_subject_rows(text, text, regclass, jsonb, jsonb, boolean) IS 'internal: change values in a data subject''s rows of one table';

CREATE FUNCTION toms.rectify_subject(tenant text, subject text, relation regclass, changes jsonb, instruction bigint, which jsonb DEFAULT '{}', dry_run boolean DEFAULT false)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done toms.rectification;
    n bigint;
BEGIN
    PERFORM toms.check_changes(relation, changes);
    PERFORM FROM toms.instruction i WHERE i.id = rectify_subject.instruction FOR UPDATE;
    SELECT * INTO done FROM toms.rectification r
    WHERE r.instruction = rectify_subject.instruction AND r.tenant = rectify_subject.tenant AND r.subject = rectify_subject.subject
      AND r.relation = rectify_subject.relation::text AND (SELECT i.single_use FROM toms.instruction i WHERE i.id = rectify_subject.instruction);
    IF FOUND THEN
        RAISE NOTICE 'instruction % has been carried out', instruction;
        n := done.rows;
    ELSIF dry_run IS NOT FALSE THEN
        PERFORM toms.check_instruction(instruction, tenant, 'rectify', subject);
        n := toms.change_subject_rows(tenant, subject, relation, changes, which, true);
    ELSE
        PERFORM toms.carry_out_instruction(instruction, tenant, 'rectify', subject);
        n := toms.change_subject_rows(tenant, subject, relation, changes, which, false);
        PERFORM toms.owe_notices(tenant, subject, 'rectify', instruction);
        INSERT INTO toms.rectification (tenant, subject, relation, columns, rows, instruction, by)
        VALUES (rectify_subject.tenant, rectify_subject.subject, rectify_subject.relation::text, ARRAY(SELECT k::name FROM jsonb_object_keys(changes) k ORDER BY k), n,
                rectify_subject.instruction, session_user);
    END IF;
    IF n = 0 THEN
        RAISE EXCEPTION 'no row of table % is about that data subject', relation USING ERRCODE = 'no_data_found', HINT = 'Nothing has been changed, and the instruction stands.';
    END IF;
    RETURN jsonb_build_object('rows', jsonb_build_object(relation::text, n), 'inform', toms.inform(tenant, subject));
END
$$;
REVOKE ALL ON FUNCTION toms.rectify_subject(text, text, regclass, jsonb, bigint, jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.rectify_subject(text, text, regclass, jsonb, bigint, jsonb, boolean) TO toms_admin;
COMMENT ON FUNCTION toms.rectify_subject(text, text, regclass, jsonb, bigint, jsonb, boolean) IS 'change values in a data subject''s rows of a table, as instructed (Art. 16 GDPR); tells how many, and the recipients to inform';
