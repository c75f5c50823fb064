-- protect(), unprotect(), enforce(), and what they record.

CREATE TABLE toms.protection_history (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation_name text NOT NULL,
    action        text NOT NULL CHECK (action IN ('protect', 'unprotect', 'add_parent', 'remove_parent', 'add_subject_alias',
                                                  'remove_subject_alias', 'label_rows', 'unlabel_rows', 'label_column', 'unlabel_column',
                                                  'separate', 'unseparate', 'seal_column', 'unseal_column')),
    mode          text,
    tenant        name,
    subject       name,
    category      text,
    detail        text,                 -- parent, alias, condition
    reason        text,
    at            timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    by            text NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('toms.protection_history', '');
SELECT pg_catalog.pg_extension_config_dump('toms.protection_history_id_seq', '');
COMMENT ON TABLE toms.protection_history IS 'when which table was protected and unprotected, how, by whom and why';
GRANT SELECT ON toms.protection_history TO toms_admin, toms_auditor;

-- Labels and policies of a table and all below it.  What has them already is left alone.
CREATE FUNCTION toms.apply_protection(relation regclass, columns jsonb, category text, null_tenant text, access text, free_text text, read_audit text, mode text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_is record;
    rel regclass;
BEGIN
    FOR rel IN SELECT r FROM toms.relation_tree(relation) r LOOP
        SELECT * INTO now_is FROM toms.describe(rel);
        CONTINUE WHEN (now_is.category, now_is.null_tenant, now_is.access, now_is.free_text, now_is.chosen_read_audit, now_is.mode)
                      IS NOT DISTINCT FROM (category, null_tenant, access, free_text, read_audit, mode)
            AND toms.column_labels(rel) = columns AND (mode = 'observe' OR now_is.intact);
        IF mode = 'observe' AND now_is.mode = 'enforce' THEN
            PERFORM toms.restore_row_security(rel);
        END IF;
        PERFORM toms.label_relation(rel, columns, toms.table_label(rel, category, null_tenant, access, free_text, read_audit, mode));
        IF mode = 'enforce' THEN
            PERFORM toms.sync_policies(rel);
        END IF;
    END LOOP;
    IF mode = 'observe' THEN
        PERFORM toms.drop_triggers(relation, only_audit => true);   -- not before: a partition that is enforced keeps its own
    END IF;
    PERFORM toms.bind_sealed_columns(relation);
    PERFORM toms.audit_changes(relation);
END
$$;
REVOKE ALL ON FUNCTION toms.apply_protection(regclass, jsonb, text, text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.apply_protection(regclass, jsonb, text, text, text, text, text, text) IS 'internal: label a table with all below it and make its policies';

-- Whether the arguments of protect() fit together.
CREATE FUNCTION toms.check_protect(relation regclass, tenant name, subject name, category text, parent regclass, parent_key name,
                                   null_tenant text, access text, mode text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    nobody constant text := 'such rows belong to nobody and are seen by nobody';
BEGIN
    IF mode IS NULL OR mode NOT IN ('enforce', 'observe') THEN
        RAISE EXCEPTION 'there is no mode "%"', mode USING ERRCODE = 'invalid_parameter_value', HINT = 'Modes are enforce and observe.';
    END IF;
    IF null_tenant IS NULL OR null_tenant NOT IN ('nobody', 'shared') THEN
        RAISE EXCEPTION 'rows without a tenant cannot be of "%"', null_tenant USING ERRCODE = 'invalid_parameter_value',
            HINT = 'They are of nobody, or shared by all tenants for reading.';
    END IF;
    IF access IS NULL OR access NOT IN ('statements', 'functions') THEN
        RAISE EXCEPTION 'there is no access by "%"', access USING ERRCODE = 'invalid_parameter_value',
            HINT = 'A table is reached by statements, or by functions that toms.bind_purpose() has bound only.';
    END IF;
    IF mode = 'enforce' AND NOT (SELECT s.keyring_configured FROM toms.status s) THEN
        RAISE EXCEPTION 'changes of table % cannot be recorded without a keyring', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'What the audit trail holds of a person is sealed under a key of that person.',
            HINT = 'ALTER SYSTEM SET toms.keyring = ''…''; SELECT pg_reload_conf(); and for tenants that are there already SELECT toms.create_epoch(''…'');';
    END IF;
    IF NOT EXISTS (SELECT FROM toms.category c WHERE c.category = check_protect.category) THEN
        RAISE EXCEPTION 'there is no category "%"', category USING ERRCODE = 'undefined_object',
            HINT = format('SELECT toms.add_category(%L, description => ''…'', article9 => false);', category);
    END IF;
    IF (tenant IS NULL) = (parent IS NULL) OR (parent IS NULL) <> (parent_key IS NULL) THEN
        RAISE EXCEPTION 'either tenant or parent and parent_key must be named' USING ERRCODE = 'null_value_not_allowed',
            HINT = 'A row''s tenant stands in a column of its own, or in the row that its parent key refers to.';
    END IF;
    IF parent IS NOT NULL AND null_tenant = 'shared' THEN
        RAISE EXCEPTION 'rows that belong to a parent''s tenant cannot be shared' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF tenant IS NOT NULL THEN
        PERFORM toms.check_identifier_column(relation, tenant, CASE null_tenant WHEN 'nobody' THEN nobody END);
    END IF;
    IF parent_key IS NOT NULL THEN
        PERFORM toms.check_identifier_column(relation, parent_key, nobody);
    END IF;
    IF subject IS NOT NULL AND subject IS DISTINCT FROM parent_key THEN
        PERFORM toms.check_identifier_column(relation, subject, 'such rows are about no person and seen in scope tenant only');
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_protect(regclass, name, name, text, regclass, name, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_protect(regclass, name, name, text, regclass, name, text, text, text) IS 'internal: whether the arguments of protect() fit together';

-- Free text in a table of Art. 9 data is for an officer to answer for.
CREATE FUNCTION toms.checked_free_text(relation regclass, category text, free_text text, reason text)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF free_text NOT IN ('refuse', 'sealed', 'accept') THEN
        RAISE EXCEPTION 'free text cannot be "%"', free_text USING ERRCODE = 'invalid_parameter_value',
            HINT = 'New columns of free text are to refuse, to accept, or to accept as sealed types only.';
    END IF;
    IF free_text = 'accept' AND toms.free_text_default(category) <> 'accept' AND coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'category "%" is of Art. 9 GDPR: that table % takes free text needs a reason', category, relation USING ERRCODE = 'null_value_not_allowed',
            HINT = format('SELECT toms.protect(%L, …, free_text => ''accept'', reason => ''…''); or free_text => ''sealed''.', relation);
    END IF;
    RETURN coalesce(free_text, toms.free_text_default(category));
END
$$;
REVOKE ALL ON FUNCTION toms.checked_free_text(regclass, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.checked_free_text(regclass, text, text, text) IS 'internal: what a table does with free text, by the arguments of protect()';

-- What the label says: a word where the table is to differ, or to stay as it is when rows are labelled.
CREATE FUNCTION toms.checked_read_audit(relation regclass, category text, read_audit text, reason text)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    special constant boolean := EXISTS (SELECT FROM toms.category c WHERE c.article9 AND (c.category = checked_read_audit.category
        OR c.category IN (SELECT l.category FROM toms.row_labels l WHERE l.relation = checked_read_audit.relation)));
BEGIN
    IF read_audit NOT IN ('strict', 'asynchronous') THEN
        RAISE EXCEPTION 'reads cannot be audited "%"', read_audit USING ERRCODE = 'invalid_parameter_value',
            HINT = 'They are in the audit trail before a statement''s first row (strict), or soon afterwards (asynchronous).';
    END IF;
    IF read_audit = 'asynchronous' AND special AND coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'rows of table % are of a category of Art. 9 GDPR: that a crash may lose who read them needs a reason', relation
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = format('SELECT toms.protect(%L, …, read_audit => ''asynchronous'', reason => ''…'');', relation);
    END IF;
    RETURN CASE WHEN read_audit = 'strict' OR special THEN read_audit END;
END
$$;
REVOKE ALL ON FUNCTION toms.checked_read_audit(regclass, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.checked_read_audit(regclass, text, text, text) IS 'internal: how reads of a table are audited, by the arguments of protect(); NULL: by its categories';

-- {column: words of its label}; a column may have several parts to play.
CREATE FUNCTION toms.protect_columns(tenant name, subject name, alias bigint, parent_key name, type_column name)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_object_agg(col, words)
    FROM (SELECT p.col, string_agg(p.word, ',' ORDER BY p.rank) AS words
          FROM (VALUES (1, tenant, 'tenant'), (2, subject, 'subject' || coalesce(',alias=' || alias, '')),
                       (3, parent_key, 'parent'), (4, type_column, 'parent_type')) p (rank, col, word)
          WHERE p.col IS NOT NULL GROUP BY p.col) labels;
$$;
REVOKE ALL ON FUNCTION toms.protect_columns(name, name, bigint, name, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.protect_columns(name, name, bigint, name, name) IS 'internal: labels of the columns of a protected table';

-- A policy that somebody made under a name of ours would be taken for a declaration.
CREATE FUNCTION toms.check_policy_names(relation regclass)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    planted record;
BEGIN
    FOR planted IN SELECT p.polname, p.polrelid::regclass AS on_table FROM pg_policy p
                   WHERE p.polrelid IN (SELECT r FROM toms.relation_tree(relation) r) AND p.polname LIKE 'toms\_%' ORDER BY 1
    LOOP
        RAISE EXCEPTION 'policy "%" of % has a name that toms gives its own', planted.polname, planted.on_table USING ERRCODE = 'reserved_name',
            HINT = format('DROP POLICY %I ON %s;', planted.polname, planted.on_table);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.check_policy_names(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_policy_names(regclass) IS 'internal: refuse policies under reserved names on a table that is to be protected';

-- A compared column that is dropped with its type takes the label of rows along.
CREATE FUNCTION toms.tell_of_lost_labels(relation regclass)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lost text;
BEGIN
    FOR lost IN SELECT DISTINCT ON (h.category) CASE h.action WHEN 'label_rows' THEN h.category END FROM toms.protection_history h
                WHERE h.relation_name = relation::text AND h.action IN ('label_rows', 'unlabel_rows')
                  AND NOT EXISTS (SELECT FROM toms.row_labels l WHERE l.relation = tell_of_lost_labels.relation AND l.category = h.category)
                ORDER BY h.category, h.id DESC
    LOOP
        IF lost IS NOT NULL THEN
            RAISE NOTICE 'rows of % were labelled "%" and are not any more', relation, lost
                USING HINT = format('SELECT toms.label_rows(%L, condition => ''…'', category => %L);', relation, lost);
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.tell_of_lost_labels(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.tell_of_lost_labels(regclass) IS 'internal: tell of row labels that DDL has taken along';

-- Without the table's policies and triggers rules and holds would be words.
CREATE FUNCTION toms.check_not_retained(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_id bigint;
BEGIN
    SELECT r.id INTO found_id FROM toms.retention_rule r WHERE r.relation = check_not_retained.relation AND r.valid_until IS NULL ORDER BY r.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'rows of % are kept by retention rule %', relation, found_id USING ERRCODE = 'dependent_objects_still_exist',
            HINT = format('SELECT toms.unretain(%s, reason => ''…'');', found_id);
    END IF;
    SELECT r.id INTO found_id FROM toms.retention_rule r WHERE r.elsewhere = check_not_retained.relation AND r.valid_until IS NULL ORDER BY r.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'periods of retention rule % count from rows of %', found_id, relation USING ERRCODE = 'dependent_objects_still_exist',
            HINT = format('SELECT toms.unretain(%s, reason => ''…'');', found_id);
    END IF;
    LOCK TABLE toms.hold IN ROW SHARE MODE;
    SELECT h.id INTO found_id FROM toms.hold h WHERE h.state = 'held' AND (h.relation IS NULL OR h.relation = check_not_retained.relation) ORDER BY h.id LIMIT 1;
    IF FOUND THEN
        PERFORM toms.refuse_held(relation, found_id);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_not_retained(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_not_retained(regclass) IS 'internal: refuse to open a table that has retention rules, or on which a hold is';

CREATE FUNCTION toms.protect(relation regclass, tenant name DEFAULT NULL, subject name DEFAULT NULL, category text DEFAULT 'personal',
                             parent regclass DEFAULT NULL, parent_key name DEFAULT NULL, parent_column name DEFAULT NULL,
                             type_column name DEFAULT NULL, type_value text DEFAULT NULL, subject_alias text DEFAULT NULL,
                             null_tenant text DEFAULT 'nobody', access text DEFAULT 'statements', free_text text DEFAULT NULL,
                             audit text DEFAULT 'changes', read_audit text DEFAULT NULL, mode text DEFAULT 'enforce', instruction bigint DEFAULT NULL, until timestamptz DEFAULT NULL,
                             reason text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    columns jsonb;
    has_children boolean;
BEGIN
    IF relation IS NULL THEN
        RAISE EXCEPTION 'relation must be named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_protectable(relation);
    PERFORM toms.lock_relation(relation);
    PERFORM toms.check_protectable(relation);      -- again: it may have been attached meanwhile
    PERFORM toms.check_protect(relation, tenant, subject, category, parent, parent_key, null_tenant, access, mode);
    free_text := toms.checked_free_text(relation, category, free_text, reason);
    read_audit := toms.checked_read_audit(relation, category, read_audit, reason);
    SELECT * INTO today FROM toms.describe(relation);
    IF today.mode = 'enforce' AND mode = 'observe' AND coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'table % is enforced and would be open while it is observed', relation
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('SELECT toms.protect(%L, …, mode => ''observe'', reason => ''…''); with the arguments it has now.', relation);
    END IF;
    IF today.mode = 'enforce' AND mode = 'observe' THEN
        PERFORM toms.check_not_retained(relation);
    END IF;
    IF today.root IS NULL THEN
        PERFORM toms.forget_namesake(relation);
        PERFORM toms.check_policy_names(relation);
    END IF;
    columns := toms.join_labels(toms.protect_columns(tenant, subject, toms.alias_id(subject_alias, relation, subject), parent_key, type_column),
                                toms.label_words(relation, true));
    has_children := EXISTS (SELECT FROM toms.parent p WHERE p.parent = protect.relation)
        OR EXISTS (SELECT FROM toms.retention_rule r WHERE r.elsewhere = protect.relation AND r.valid_until IS NULL);
    IF has_children THEN
        PERFORM toms.take_down(relation);
    END IF;
    PERFORM toms.declare_parent(relation, parent, parent_key, parent_column, type_column, type_value);
    PERFORM toms.declare_audit(relation, audit, instruction, until, reason);
    PERFORM toms.apply_protection(relation, columns, category, null_tenant, access, free_text, read_audit, mode);
    IF has_children THEN
        PERFORM toms.put_up(relation);
    END IF;
    PERFORM toms.check_start_shared(r.relation, r.elsewhere, toms.start_key(r.lookup))
    FROM toms.descendants(protect.relation) d JOIN toms.retention_rule r ON d.descendant IN (r.relation, r.elsewhere)
    WHERE r.elsewhere IS NOT NULL AND r.valid_until IS NULL;
    PERFORM toms.drop_unused_lookups();
    IF today.root IS NOT NULL THEN
        PERFORM toms.tell_of_lost_labels(relation);
    END IF;
    INSERT INTO toms.protection_history (relation_name, action, mode, tenant, subject, category, detail, reason, by)
    VALUES (relation::text, 'protect', protect.mode, protect.tenant, protect.subject, protect.category,
            nullif(concat_ws(', ', 'parent ' || parent::text || ' by ' || parent_key, 'subject alias ' || subject_alias, CASE access WHEN 'functions' THEN 'access by functions' END,
                            CASE audit WHEN 'values' THEN 'values in the audit trail until ' || until || ' by instruction ' || instruction END,
                             'free text ' || nullif(free_text, toms.free_text_default(category)), 'read audit ' || read_audit), ''), protect.reason, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.protect(regclass, name, name, text, regclass, name, name, name, text, text, text, text, text, text, text, text, bigint, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.protect(regclass, name, name, text, regclass, name, name, name, text, text, text, text, text, text, text, text, bigint, timestamptz, text) TO toms_admin;
COMMENT ON FUNCTION toms.protect(regclass, name, name, text, regclass, name, name, name, text, text, text, text, text, text, text, text, bigint, timestamptz, text) IS 'protect a table and all its partitions, present and future: closed until permitted';

CREATE FUNCTION toms.unprotect(relation regclass, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    child regclass;
    rel regclass;
BEGIN
    IF coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'a reason must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.lock_relation(relation);
    SELECT * INTO today FROM toms.describe(relation);
    IF today.root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT p.child INTO child FROM toms.parent p JOIN pg_class c ON c.oid = p.child WHERE p.parent = relation ORDER BY p.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'rows of % belong to the tenant of their row in %', child, relation USING ERRCODE = 'dependent_objects_still_exist',
            HINT = format('SELECT toms.unprotect(%L, reason => ''…''); first, or protect it with a tenant column.', child);
    END IF;
    SELECT u INTO child FROM toms.subject_alias s, toms.alias_users(s.id) u WHERE s.relation = unprotect.relation ORDER BY u::text LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the subjects of % are found in %', child, relation USING ERRCODE = 'dependent_objects_still_exist',
            HINT = format('SELECT toms.unprotect(%L, reason => ''…''); first, or protect it without subject_alias.', child);
    END IF;
    SELECT s.other INTO child FROM toms.separation s WHERE s.relation = unprotect.relation ORDER BY s.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% is kept separate from %', relation, child USING ERRCODE = 'dependent_objects_still_exist',
            HINT = format('SELECT toms.unseparate(%L, %L, reason => ''…'');', relation, child);
    END IF;
    PERFORM toms.check_not_retained(relation);
    PERFORM toms.check_no_sealed_column(relation);
    PERFORM toms.forbid(p.role, relation) FROM (
        SELECT DISTINCT h.role FROM toms.permission h
        WHERE h.relation = unprotect.relation AND (h.valid_until IS NULL OR h.valid_until > clock_timestamp())) p;
    PERFORM toms.unlabel_rows(unprotect.relation, l.category) FROM toms.row_labels l WHERE l.relation = unprotect.relation;
    FOR rel IN SELECT r FROM toms.relation_tree(relation) r JOIN pg_class c ON c.oid = r WHERE c.relkind <> 'f' LOOP
        IF (toms.describe(rel)).mode = 'enforce' THEN
            PERFORM toms.restore_row_security(rel);
        END IF;
        PERFORM toms.label_relation(rel, NULL, NULL);
    END LOOP;
    PERFORM toms.drop_triggers(relation);
    PERFORM toms.declare_audit(relation, 'changes', NULL, NULL, NULL);
    PERFORM toms.forget_namesake(relation);
    PERFORM toms.drop_unused_lookups();
    INSERT INTO toms.protection_history (relation_name, action, reason, by)
    VALUES (relation::text, 'unprotect', unprotect.reason, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.unprotect(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.unprotect(regclass, text) TO toms_admin;
COMMENT ON FUNCTION toms.unprotect(regclass, text) IS 'end the protection of a table and all permissions on it, with a reason on record';

CREATE VIEW toms.protected_tables AS
    SELECT c.oid::pg_catalog.regclass AS relation, d.mode, d.tenant, d.subject, d.category, d.intact, d.root,
           (SELECT pg_catalog.array_agg(DISTINCT p.parent::text) FROM toms.parent p WHERE p.child OPERATOR(pg_catalog.=) d.root) AS parents,
           d.parent_key, d.null_tenant, d.access, d.free_text, d.read_audit
    FROM pg_catalog.pg_seclabel l
    JOIN pg_catalog.pg_class c ON c.oid = l.objoid, LATERAL toms.describe(c.oid::pg_catalog.regclass) d
    WHERE l.provider = 'toms' AND l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND l.objsubid = 0;
COMMENT ON VIEW toms.protected_tables IS 'protected tables and partitions, how, and whether their row security is intact';
GRANT SELECT ON toms.protected_tables TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.enforce_relation(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
BEGIN
    PERFORM toms.lock_relation(relation);
    SELECT * INTO today FROM toms.describe(relation);
    IF today.root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', mode => ''observe'');', relation);
    END IF;
    PERFORM toms.make_lookup(p.parent, p.parent_column) FROM toms.parent p WHERE p.child = relation;
    PERFORM toms.apply_protection(relation, toms.column_labels(relation), today.category, today.null_tenant, today.access, today.free_text, today.chosen_read_audit, 'enforce');
    INSERT INTO toms.protection_history (relation_name, action, mode, tenant, subject, category, by)
    VALUES (relation::text, 'protect', 'enforce', today.tenant, today.subject, today.category, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.enforce_relation(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.enforce_relation(regclass) TO toms_admin;
COMMENT ON FUNCTION toms.enforce_relation(regclass) IS 'internal: end observation of one table';

-- Resolves the name on the caller's search path, so it is not SECURITY DEFINER.
CREATE FUNCTION toms.enforce(relation_or_schema text)
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
DECLARE
    rel pg_catalog.regclass := pg_catalog.to_regclass(relation_or_schema);
    enforced integer := 0;
BEGIN
    IF rel IS NOT NULL THEN
        PERFORM toms.enforce_relation(rel);
        RETURN 1;
    END IF;
    IF pg_catalog.to_regnamespace(relation_or_schema) IS NULL THEN
        RAISE EXCEPTION 'there is no table or schema %', relation_or_schema USING ERRCODE = 'undefined_object';
    END IF;
    FOR rel IN SELECT p.relation FROM toms.protected_tables p
               JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) p.relation
               WHERE p.mode OPERATOR(pg_catalog.=) 'observe' AND p.root OPERATOR(pg_catalog.=) p.relation
                 AND c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace(relation_or_schema)
    LOOP
        PERFORM toms.enforce_relation(rel);
        enforced := enforced OPERATOR(pg_catalog.+) 1;
    END LOOP;
    RETURN enforced;
END
$$;
REVOKE ALL ON FUNCTION toms.enforce(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.enforce(text) TO toms_admin;
COMMENT ON FUNCTION toms.enforce(text) IS 'end observation of a table, or of all tables of a schema; from now on refusals are errors';
