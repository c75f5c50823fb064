-- Whether protected tables may be used: what the log outside of the database says is compared with the ledger inside.
-- Called through gate.c after a start, when the ledger changes, when settings are read again, and while they may not.

CREATE FUNCTION toms.outside_records(dataset uuid, OUT n bigint, OUT type text, OUT record text, OUT signed boolean, OUT key bytea)
    RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_outside_records';
REVOKE ALL ON FUNCTION toms.outside_records(uuid) FROM PUBLIC;
COMMENT ON FUNCTION toms.outside_records(uuid) IS 'internal: records of the log outside of the database that are not of blocks';

CREATE FUNCTION toms.outside_fault() RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_outside_fault';
REVOKE ALL ON FUNCTION toms.outside_fault() FROM PUBLIC;
COMMENT ON FUNCTION toms.outside_fault() IS 'internal: what hinders the log outside from being read; empty: toms.outside is not set';

CREATE FUNCTION toms.outside_other(dataset uuid) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_outside_other';
REVOKE ALL ON FUNCTION toms.outside_other(uuid) FROM PUBLIC;
COMMENT ON FUNCTION toms.outside_other(uuid) IS 'internal: another dataset that a log of this database is of';

CREATE FUNCTION toms.outside_write(type text, members text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_outside_write';
REVOKE ALL ON FUNCTION toms.outside_write(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.outside_write(text, text) IS 'internal: write a record into the log outside; it stays there if the transaction is rolled back';

CREATE FUNCTION toms.audit_public_key() RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_public_key';
REVOKE ALL ON FUNCTION toms.audit_public_key() FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_public_key() IS 'internal: the key with which blocks and the log outside are signed';

CREATE FUNCTION toms.node_place() RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_node_place';
REVOKE ALL ON FUNCTION toms.node_place() FROM PUBLIC;
COMMENT ON FUNCTION toms.node_place() IS 'internal: host and data directory of this node';

-- As the log writes 32 bytes.
CREATE FUNCTION toms.from_base64url(encoded text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT decode(rpad(translate(encoded, '-_', '+/'), 4 * ((length(encoded) + 3) / 4), '='), 'base64');
$$;
REVOKE ALL ON FUNCTION toms.from_base64url(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.from_base64url(text) IS 'internal: bytes of base64url';

CREATE FUNCTION toms.to_base64url(bytes bytea) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT rtrim(translate(replace(encode(bytes, 'base64'), E'\n', ''), '+/', '-_'), '=');
$$;
REVOKE ALL ON FUNCTION toms.to_base64url(bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.to_base64url(bytea) IS 'internal: base64url of bytes';

-- The data that this is; where it has no name yet, it was perhaps restored to before it got one.
CREATE FUNCTION toms.ledger_dataset() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce((SELECT d.id FROM toms.dataset d), toms.outside_other(NULL));
END
$$;
REVOKE ALL ON FUNCTION toms.ledger_dataset() FROM PUBLIC;
COMMENT ON FUNCTION toms.ledger_dataset() IS 'internal: which log outside is this database''s';

CREATE FUNCTION toms.ledger_is_begun() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM toms.ledger) THEN
        RETURN true;
    END IF;
    RETURN toms.outside_fault() IS NULL AND EXISTS (SELECT FROM toms.outside_records(toms.ledger_dataset()) r WHERE r.type = 'erasure');
END
$$;
REVOKE ALL ON FUNCTION toms.ledger_is_begun() FROM PUBLIC;
COMMENT ON FUNCTION toms.ledger_is_begun() IS 'internal: whether an erasure has been told of, inside or outside';

-- Of a transaction of this cluster: aborted, in progress, committed, which a savepoint may have made nothing of; unknown where it is of another one, or of before a promotion.
CREATE FUNCTION toms.ledger_fate(xid xid8, system text, timeline integer)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    status text;
BEGIN
    IF system <> (SELECT s.system_identifier::text FROM pg_control_system() s) THEN
        RETURN 'unknown';
    END IF;
    status := pg_xact_status(xid);
    IF status = 'in progress' OR pg_is_in_recovery() THEN
        RETURN coalesce(status, 'unknown');
    END IF;
    RETURN CASE WHEN timeline = ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::integer THEN coalesce(status, 'unknown') ELSE 'unknown' END;
EXCEPTION WHEN invalid_parameter_value THEN     -- it has not begun yet: this is an older state
    RETURN 'unknown';
END
$$;
REVOKE ALL ON FUNCTION toms.ledger_fate(xid8, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.ledger_fate(xid8, text, integer) IS 'internal: what became of a transaction that was to erase, if this server can tell';

-- came_back: it was erased, and is not any more.  unresolved: nobody can tell whether it was.  missing, untrusted: the log
-- itself is not as it was written.
CREATE FUNCTION toms.ledger_differences()
RETURNS TABLE (line bigint, id uuid, erasure bigint, kind text, tenant bytea, subject bytea, category text, at timestamptz, difference text, key_check bytea)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH records AS MATERIALIZED (
        SELECT r.n, r.type, r.record::jsonb AS said, r.signed, r.key FROM toms.outside_records(toms.ledger_dataset()) r),
    keys AS MATERIALIZED (
        SELECT k.key, coalesce(k.key = toms.audit_public_key(), false) OR EXISTS (SELECT FROM toms.audit_block b WHERE b.key = k.key) AS ours
        FROM (SELECT DISTINCT r.key FROM records r) k),
    intents AS (
        SELECT DISTINCT ON (r.said ->> 'id') r.n, r.said, r.signed AND k.ours AS trusted, (r.said ->> 'id')::uuid AS id
        FROM records r JOIN keys k USING (key) WHERE r.type = 'erasure' ORDER BY r.said ->> 'id', r.n),
    fates AS (
        SELECT (r.said ->> 'id')::uuid AS id, (array_agg(r.type ORDER BY r.n DESC))[1] AS fate
        FROM records r JOIN keys k USING (key) WHERE r.type IN ('erased', 'void') AND r.signed AND k.ours GROUP BY r.said ->> 'id'),
    compared AS (
        SELECT i.n, i.id, i.said,
               CASE WHEN NOT i.trusted THEN 'untrusted'
                    WHEN i.said ->> 'again' IN (SELECT o.id::text FROM intents o) THEN NULL     -- a replay of one that stands here itself
                    WHEN f.fate = 'void' OR l.state IN ('erased', 'replayed') OR i.id IN (SELECT unnest(e.ledger) FROM toms.erasure e) THEN NULL
                    WHEN f.fate = 'erased' THEN 'came_back'
                    WHEN l.state = 'void' OR toms.ledger_fate(l.xid, l.system, l.timeline) IN ('in progress', 'aborted', 'committed') THEN NULL
                    ELSE 'unresolved' END AS difference
        FROM intents i LEFT JOIN fates f ON f.id = i.id LEFT JOIN toms.ledger l ON l.id = i.id)
    SELECT c.n, c.id, (c.said ->> 'erasure')::bigint, c.said ->> 'kind', toms.from_base64url(c.said ->> 'tenant'), toms.from_base64url(c.said ->> 'subject'),
           c.said ->> 'category', (c.said ->> 'at')::timestamptz, c.difference, toms.from_base64url(c.said ->> 'check')
    FROM compared c WHERE c.difference IS NOT NULL
    UNION ALL
    SELECT NULL, l.id, l.erasure, l.kind, l.tenant, l.subject, l.category, l.intended_at, 'missing', l.key_check
    FROM toms.ledger l WHERE l.told AND NOT EXISTS (SELECT FROM intents i WHERE i.id = l.id)
    ORDER BY 8, 1;
END
$$;
REVOKE ALL ON FUNCTION toms.ledger_differences() FROM PUBLIC;
COMMENT ON FUNCTION toms.ledger_differences() IS 'internal: erasures of which the log outside and this database tell different things';

-- The numbers are those of guard/gate.h.
CREATE FUNCTION toms.judge_gate(OUT gate integer, OUT problem text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fault text := toms.outside_fault();
    mine uuid := (SELECT d.id FROM toms.dataset d);
    other uuid;
    differing record;
BEGIN
    gate := 1;
    IF fault IS NOT NULL THEN
        IF fault = '' AND EXISTS (SELECT FROM toms.ledger l WHERE l.told) THEN
            gate := 3;
            problem := 'toms.outside is not set, and erasures have been told there.';
        ELSIF fault <> '' THEN
            gate := 3;
            problem := fault;
        END IF;
        RETURN;
    END IF;
    problem := toms.node_problem();
    IF problem IS NOT NULL THEN
        gate := 4;
        RETURN;
    END IF;
    other := CASE WHEN mine IS NOT NULL THEN toms.outside_other(mine) END;
    IF other IS NOT NULL AND EXISTS (SELECT FROM toms.outside_records(other) r WHERE r.type = 'erasure') THEN
        gate := 3;
        problem := format('%s.log tells of erasures in this database, which has another name now.', other);
        RETURN;
    END IF;
    SELECT count(*) FILTER (WHERE d.difference = 'came_back') AS back, count(*) FILTER (WHERE d.difference = 'unresolved') AS unresolved,
           count(*) FILTER (WHERE d.difference = 'missing') AS missing, count(*) FILTER (WHERE d.difference = 'untrusted') AS untrusted
    INTO differing FROM toms.ledger_differences() d;
    IF differing.missing + differing.untrusted > 0 THEN
        gate := 3;
        problem := format('Of lines of the log outside %s are missing and %s are not signed with our key.', differing.missing, differing.untrusted);
    ELSIF differing.back + differing.unresolved > 0 THEN
        gate := 2;
        problem := format('The log outside tells of erasures that this database does not have: %s came back, of %s nobody can tell.', differing.back, differing.unresolved);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.judge_gate() FROM PUBLIC;
COMMENT ON FUNCTION toms.judge_gate() IS 'internal: whether protected tables may be used';

CREATE FUNCTION toms.iso_time(at timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
$$;
REVOKE ALL ON FUNCTION toms.iso_time(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.iso_time(timestamptz) IS 'internal: a time as the log outside writes it';
