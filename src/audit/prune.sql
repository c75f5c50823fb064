-- What leaves the audit trail: months whose period is over, and months that are archived.

CREATE FUNCTION toms.prune_audit_partition(partition regclass) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_prune_audit_partition';
REVOKE ALL ON FUNCTION toms.prune_audit_partition(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.prune_audit_partition(regclass) IS 'internal: take a month whose period is over out of the audit trail; how many entries it had';

CREATE FUNCTION toms.archive_audit_partition(partition regclass, directory text) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_archive_audit_partition';
REVOKE ALL ON FUNCTION toms.archive_audit_partition(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.archive_audit_partition(regclass, text) IS 'internal: write a month of the audit trail to a file, and take it out';

CREATE FUNCTION toms.check_archive_directory(directory text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_check_archive_directory';
REVOKE ALL ON FUNCTION toms.check_archive_directory(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_archive_directory(text) IS 'internal: whether the caller may write archives, and there';

CREATE FUNCTION toms.audit_bytes(id bigint, at timestamptz, xid bigint, who bigint, object bigint, key bigint,
    kind "char", verb "char", tenant text, columns bytea, payload bytea) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_audit_bytes';
REVOKE ALL ON FUNCTION toms.audit_bytes(bigint, timestamptz, bigint, bigint, bigint, bigint, "char", "char", text, bytea, bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_bytes(bigint, timestamptz, bigint, bigint, bigint, bigint, "char", "char", text, bytea, bytea) IS 'internal: the bytes that stand for an entry';

-- Nothing is left, here or in an archive within its period, that they would open.
CREATE FUNCTION toms.bury_audit_keys()
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- entries of deletions have none; a month of sealing lasts as long as its longest transaction: another one is added
    over constant date := date_trunc('month', now() AT TIME ZONE 'UTC' - (SELECT max(p.keep) FROM toms.audit_periods p WHERE p.kind <> 'deletion') - interval '2 months');
    owner text;
    buried bigint := 0;
BEGIN
    FOR owner IN SELECT DISTINCT k.tenant FROM toms.data_key k
                 WHERE k.relation = 'toms.audit_entry'::regclass AND k.month < over AND k.wrapped IS NOT NULL ORDER BY 1 LOOP
        PERFORM toms.lock_keys(owner, exclusive => true);
        buried := buried + toms.bury_keys(ARRAY(SELECT k.id FROM toms.data_key k
            WHERE k.tenant = owner AND k.relation = 'toms.audit_entry'::regclass AND k.month < over AND k.wrapped IS NOT NULL));
    END LOOP;
    RETURN buried;
END
$$;
REVOKE ALL ON FUNCTION toms.bury_audit_keys() FROM PUBLIC;
COMMENT ON FUNCTION toms.bury_audit_keys() IS 'internal: destroy data keys of entries whose period is over, which reaches backups and archives';

CREATE FUNCTION toms.prune_audit()
RETURNS TABLE (partition text, entries bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
BEGIN
    PERFORM toms.require_clock();
    FOR partition IN SELECT p.partition FROM toms.audit_partitions p JOIN toms.audit_periods k ON k.kind = p.kind
                     WHERE p.until + k.keep <= now() ORDER BY p.month, p.kind LOOP
        entries := toms.prune_audit_partition(('toms.' || partition)::regclass);
        RETURN NEXT;
    END LOOP;
    PERFORM toms.bury_audit_keys();
END
$$;
REVOKE ALL ON FUNCTION toms.prune_audit() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.prune_audit() TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.prune_audit() IS 'take months out of the audit trail whose period is over; hashes of their entries stay, so that proofs hold';

CREATE FUNCTION toms.archive_audit(before timestamptz, directory text)
RETURNS TABLE (file text, partition text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
BEGIN
    IF before IS NULL OR directory IS NULL THEN
        RAISE EXCEPTION 'before and directory must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_archive_directory(directory);
    PERFORM toms.note_reading('r', 'e', jsonb_build_object('by', 'archive_audit', 'before', before, 'directory', left(directory, 1024)));
    FOR partition IN SELECT p.partition FROM toms.audit_partitions p WHERE p.until <= least(before, now()) ORDER BY p.month, p.kind LOOP
        file := toms.archive_audit_partition(('toms.' || partition)::regclass, directory);
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.archive_audit(timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.archive_audit(timestamptz, text) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.archive_audit(timestamptz, text) IS 'write months before a date to signed files in a directory of the server, one each, and take them out of the trail';

-- In this order: what waits for a lock on the default partition comes last, and comes even if nothing can be pruned.
CREATE FUNCTION toms.maintain_audit()
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    BEGIN
        PERFORM toms.prune_audit();
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'the audit trail could not be pruned: %', SQLERRM USING ERRCODE = SQLSTATE,
            HINT = 'SELECT * FROM toms.prune_audit(); tells more.';
    END;
    PERFORM toms.index_audit();
    PERFORM toms.make_audit_partitions();
    PERFORM toms.gather_audit_defaults();
END
$$;
REVOKE ALL ON FUNCTION toms.maintain_audit() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.maintain_audit() TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.maintain_audit() IS 'the daily work on the audit trail: prune what is over, index months that are closed, make partitions ahead';
