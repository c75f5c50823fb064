-- A drill: a backup is restored on another node, and what can be seen there is signed; that it was done, and with which
-- result, is recorded where the backup was made.

CREATE FUNCTION toms.sign_text(words text) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_sign_text';
REVOKE ALL ON FUNCTION toms.sign_text(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.sign_text(text) IS 'internal: sign the result of a drill with the key that signs the trail; makes no key';

CREATE FUNCTION toms.open_key(key bigint) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_open_key';
REVOKE ALL ON FUNCTION toms.open_key(bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.open_key(bigint) IS 'internal: open a data key, and forget it';

CREATE FUNCTION toms.is_signed(words text, signature bytea, key bytea) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_is_signed';
REVOKE ALL ON FUNCTION toms.is_signed(text, bytea, bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.is_signed(text, bytea, bytea) IS 'internal: whether the result of a drill was signed so';

-- What an epoch is asked to open: a key, and a value that is stored; either may be missing.  NULL: they open.
CREATE FUNCTION toms.drill_epoch(epoch uuid, key bigint, value bytea)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    code text;
BEGIN
    RETURN CASE WHEN NOT toms.try_epoch(epoch) THEN 'the epoch''s key opens nothing' WHEN key IS NOT NULL AND NOT toms.open_key(key) THEN 'its key is gone'
                WHEN value IS NOT NULL AND NOT toms.sealed_opens(value) THEN 'a stored value does not open' END;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME;
    RETURN coalesce(nullif(code, ''), SQLSTATE);
END
$$;
REVOKE ALL ON FUNCTION toms.drill_epoch(uuid, bigint, bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.drill_epoch(uuid, bigint, bytea) IS 'internal: what keeps an epoch from opening a key and a value';

-- value_in: the table whose value was tried; null: none was met in the first rows of each.
CREATE FUNCTION toms.drill_epochs()
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    epochs constant uuid[] := ARRAY(SELECT k.id FROM toms.key_epoch k WHERE k.destroyed_at IS NULL ORDER BY k.tenant, k.number);
    stored bytea[];
    places regclass[];
    part record;
    found record;
BEGIN
    FOR part IN SELECT p.relation AS root, r AS relation FROM toms.protected_tables p, toms.relation_tree(p.relation) r WHERE p.root = p.relation ORDER BY p.relation::text, r::text LOOP
        FOR found IN SELECT s.epoch, s.value
                     FROM (SELECT array_agg(d.id) AS keys, array_agg(e.n::integer) AS epochs FROM unnest(epochs) WITH ORDINALITY e (id, n) JOIN toms.data_key d ON d.epoch = e.id
                           WHERE d.relation = part.root AND d.wrapped IS NOT NULL AND stored[e.n] IS NULL) k,
                          toms.sample_sealed(part.relation, k.keys, k.epochs, row_limit => 100000) s LOOP
            stored[found.epoch] := found.value;
            places[found.epoch] := part.root;
        END LOOP;
    END LOOP;
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('tenant', k.tenant, 'epoch', k.number, 'value_in', places[e.n]::text, 'fault', toms.drill_epoch(k.id, d.id, stored[e.n])) ORDER BY e.n), '[]')
            FROM unnest(epochs) WITH ORDINALITY e (id, n) JOIN toms.key_epoch k USING (id)
                 LEFT JOIN LATERAL (SELECT d.id FROM toms.data_key d WHERE d.epoch = k.id AND d.wrapped IS NOT NULL ORDER BY d.id LIMIT 1) d ON true);
END
$$;
REVOKE ALL ON FUNCTION toms.drill_epochs() FROM PUBLIC;
COMMENT ON FUNCTION toms.drill_epochs() IS 'internal: whether each epoch of key opens what it should';

-- It changes no protected table, and writes nothing outside; on any node, whether its tables are closed or not.
CREATE FUNCTION toms.restore_drill()
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    began timestamptz := clock_timestamp();
    part regclass;
    counts jsonb := '{}';
    faults jsonb;
    epochs jsonb;
    words text;
BEGIN
    FOR part IN SELECT p.relation FROM toms.protected_tables p WHERE p.root = p.relation ORDER BY p.relation::text LOOP
        counts := counts || jsonb_build_object(part::text, toms.ask_all_rows(format('SELECT count(*) FROM %s t', part))::bigint);
    END LOOP;
    faults := (SELECT coalesce(jsonb_agg(DISTINCT v.fault), '[]') FROM toms.verify_audit() v);
    epochs := toms.drill_epochs();
    words := jsonb_build_object('toms', 'restore drill', 'version', 2, 'dataset', (SELECT d.id FROM toms.dataset d), 'database', current_database(),
        'node', current_setting('toms.node'), 'place', toms.node_place(), 'in_recovery', pg_is_in_recovery(),
        'system', (SELECT s.system_identifier::text FROM pg_control_system() s), 'began', toms.iso_time(began), 'ended', toms.iso_time(clock_timestamp()),
        'last_entry', (SELECT toms.iso_time(max(b.sealed_at)) FROM toms.audit_block b), 'last_block', (SELECT max(b.number) FROM toms.audit_block b),
        'gate', (SELECT ('{open,restored,ledger,node}'::text[])[g.gate] FROM toms.judge_gate() g), 'rows', counts, 'epochs', epochs,
        'values', (SELECT jsonb_build_object('opened', count(*) FILTER (WHERE e -> 'value_in' <> 'null' AND e -> 'fault' = 'null'), 'epochs', count(*)) FROM jsonb_array_elements(epochs) e),
        'audit_faults', faults)::text;
    RETURN words || E'\n' || toms.to_base64url(toms.sign_text(words)) || ' ' || toms.to_base64url(toms.audit_public_key());
END
$$;
REVOKE ALL ON FUNCTION toms.restore_drill() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.restore_drill() TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.restore_drill() IS 'on a restored copy: count rows, open a stored value of each epoch, verify the trail; a signed text for record_restore_test()';

CREATE TABLE toms.restore_test (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tested_at   timestamptz NOT NULL,
    node        text NOT NULL,
    data_until  timestamptz,            -- the last block that was restored
    passed      boolean NOT NULL,       -- every epoch opened its key and value, and the trail was as it was sealed
    result      text NOT NULL UNIQUE,   -- as it was signed
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    recorded_by text NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('toms.restore_test', '');
SELECT pg_catalog.pg_extension_config_dump('toms.restore_test_id_seq', '');
COMMENT ON TABLE toms.restore_test IS 'drills: backups that were restored on another node, and what was found there';
GRANT SELECT ON toms.restore_test TO toms_admin, toms_auditor, toms_operator;
GRANT SELECT ON SEQUENCE toms.restore_test_id_seq TO toms_auditor;

CREATE FUNCTION toms.record_restore_test(result text)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts text[] := regexp_match(result, '^(\{[^\n]*\})\n([A-Za-z0-9_-]{86}) ([A-Za-z0-9_-]{43})\n?$');
    said jsonb;
    signer bytea;
    recorded bigint;
BEGIN
    signer := CASE WHEN parts IS NOT NULL THEN toms.from_base64url(parts[3]) END;
    IF signer IS NULL OR NOT toms.is_signed(parts[1], toms.from_base64url(parts[2]), signer)
       OR NOT (coalesce(signer = toms.audit_public_key(), false) OR EXISTS (SELECT FROM toms.audit_block b WHERE b.key = signer)) THEN
        RAISE EXCEPTION 'the text is not the result of a drill that was signed with our key' USING ERRCODE = 'data_exception',
            HINT = 'Take what toms.restore_drill() answers as it is: psql -XAtc ''SELECT toms.restore_drill()''.';
    END IF;
    said := parts[1]::jsonb;
    IF said ->> 'toms' IS DISTINCT FROM 'restore drill' OR (said ->> 'dataset')::uuid IS DISTINCT FROM (SELECT d.id FROM toms.dataset d) THEN
        RAISE EXCEPTION 'the drill was of another database' USING ERRCODE = 'data_exception';
    END IF;
    IF said ->> 'place' = toms.node_place() THEN
        RAISE EXCEPTION 'the drill was made on this node' USING ERRCODE = 'data_exception', HINT = 'Restore a backup on another one, and call toms.restore_drill() there.';
    END IF;
    INSERT INTO toms.restore_test (tested_at, node, data_until, passed, result, recorded_by)
    VALUES ((said ->> 'ended')::timestamptz, coalesce(nullif(said ->> 'node', ''), said ->> 'place'), (said ->> 'last_entry')::timestamptz,
            said -> 'audit_faults' <@ '["rewound", "outside_missing", "block_missing"]' AND NOT jsonb_path_exists(said, '$.epochs[*] ? (@.fault != null)'), record_restore_test.result, session_user)
    RETURNING id INTO recorded;
    RETURN recorded;
END
$$;
REVOKE ALL ON FUNCTION toms.record_restore_test(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_restore_test(text) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.record_restore_test(text) IS 'record what toms.restore_drill() has answered on a restored copy; its number';

-- Backups, as whoever makes them says.
CREATE TABLE toms.backup (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tier        text NOT NULL CHECK (tier <> ''),       -- of toms.declare_backup_tier()
    taken_at    timestamptz NOT NULL,                   -- as of when the data in it is
    place       text,
    destroyed_at timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    recorded_by text NOT NULL
);
CREATE INDEX backup_tier_idx ON toms.backup (tier, taken_at);
SELECT pg_catalog.pg_extension_config_dump('toms.backup', '');
SELECT pg_catalog.pg_extension_config_dump('toms.backup_id_seq', '');
COMMENT ON TABLE toms.backup IS 'backups that were made, of which tier, and when they were destroyed, as was recorded';
GRANT SELECT ON toms.backup TO toms_admin, toms_auditor, toms_operator;
GRANT SELECT ON SEQUENCE toms.backup_id_seq TO toms_auditor;

CREATE FUNCTION toms.record_backup(tier text, taken_at timestamptz DEFAULT pg_catalog.now(), place text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    recorded bigint;
BEGIN
    IF taken_at > clock_timestamp() OR NOT isfinite(taken_at) THEN
        RAISE EXCEPTION 'a backup has not been made in the future' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO toms.backup (tier, taken_at, place, recorded_by)
    VALUES (record_backup.tier, record_backup.taken_at, record_backup.place, session_user) RETURNING id INTO recorded;
    RETURN recorded;
END
$$;
REVOKE ALL ON FUNCTION toms.record_backup(text, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_backup(text, timestamptz, text) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.record_backup(text, timestamptz, text) IS 'record that a backup of a tier was made; its number';

CREATE FUNCTION toms.record_backup_destroyed(backup bigint, destroyed_at timestamptz DEFAULT pg_catalog.now())
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE toms.backup b SET destroyed_at = record_backup_destroyed.destroyed_at
    WHERE b.id = backup AND b.destroyed_at IS NULL AND record_backup_destroyed.destroyed_at BETWEEN b.taken_at AND clock_timestamp();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no backup % that could have been destroyed then', backup USING ERRCODE = 'undefined_object';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.record_backup_destroyed(bigint, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_backup_destroyed(bigint, timestamptz) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.record_backup_destroyed(bigint, timestamptz) IS 'record that a backup does not exist any more';

CREATE TRIGGER "~toms_declaration" AFTER INSERT OR UPDATE OR DELETE ON toms.restore_test FOR EACH ROW EXECUTE FUNCTION toms.audit_declaration('result');
CREATE TRIGGER "~toms_declaration_truncate" AFTER TRUNCATE ON toms.restore_test FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_declaration();
ALTER TABLE toms.restore_test ENABLE ALWAYS TRIGGER "~toms_declaration", ENABLE ALWAYS TRIGGER "~toms_declaration_truncate";

CREATE TRIGGER "~toms_declaration" AFTER INSERT OR UPDATE OR DELETE ON toms.backup FOR EACH ROW EXECUTE FUNCTION toms.audit_declaration('place');
CREATE TRIGGER "~toms_declaration_truncate" AFTER TRUNCATE ON toms.backup FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_declaration();
ALTER TABLE toms.backup ENABLE ALWAYS TRIGGER "~toms_declaration", ENABLE ALWAYS TRIGGER "~toms_declaration_truncate";
