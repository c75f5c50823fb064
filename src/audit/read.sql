-- Reading the audit trail: one function, which asks who may, and opens what keys are left for.

CREATE FUNCTION toms.audit_reader(OUT tenant text) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_reader';
REVOKE ALL ON FUNCTION toms.audit_reader() FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_reader() IS 'internal: whose entries the caller may read: of one tenant, or of all (NULL); or refuse';

CREATE FUNCTION toms.audit_payload(entry toms.audit_entry, OUT payload jsonb, OUT subject text, OUT erased boolean)
RETURNS record LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_audit_payload';
REVOKE ALL ON FUNCTION toms.audit_payload(toms.audit_entry) FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_payload(toms.audit_entry) IS 'internal: what an entry says, and whom it is about; erased: its key has been destroyed';

CREATE FUNCTION toms.audit_referred(kind "char", id bigint, at timestamptz) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_audit_referred';
REVOKE ALL ON FUNCTION toms.audit_referred("char", bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_referred("char", bigint, timestamptz) IS 'internal: what an entry says to which others of the same month refer; looked up once in a statement';

CREATE FUNCTION toms.audit_block_of(id bigint, xid bigint, since timestamptz) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_block_of';
REVOKE ALL ON FUNCTION toms.audit_block_of(bigint, bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_block_of(bigint, bigint, timestamptz) IS 'internal: the block in which an entry was sealed';

CREATE FUNCTION toms.audit_keys(tenant text, subject text)
RETURNS bigint[] LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(k.id), '{}') FROM toms.data_key k
    WHERE (audit_keys.tenant IS NULL OR k.tenant = audit_keys.tenant) AND k.subject = audit_keys.subject
      AND k.relation = 'toms.audit_entry'::regclass;
$$;
REVOKE ALL ON FUNCTION toms.audit_keys(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_keys(text, text) IS 'internal: keys of the entries of a person, or of what he did';

-- These two go into the query that calls them, which has its own search_path.
CREATE FUNCTION toms.audit_columns(bits bytea, names jsonb)
RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN bits IS NOT NULL THEN
        ARRAY(SELECT coalesce(names ->> n, (n + 1)::text) FROM generate_series(0, 8 * length(bits) - 1) n WHERE get_bit(bits, n) = 1 ORDER BY n) END;
$$;
REVOKE ALL ON FUNCTION toms.audit_columns(bytea, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_columns(bytea, jsonb) IS 'internal: names of the columns of a change';

CREATE FUNCTION toms.audit_kind(letter "char", verb "char")
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE letter
        WHEN 'c' THEN CASE verb WHEN 'i' THEN 'insert' WHEN 'u' THEN 'update' WHEN 'd' THEN 'delete' WHEN 't' THEN 'truncate' END
        WHEN 'r' THEN CASE verb WHEN 's' THEN 'read' WHEN 'v' THEN 'reveal' WHEN 'e' THEN 'export' WHEN 'm' THEN 'import' WHEN 'a' THEN 'read_trail' END
        WHEN 'x' THEN CASE verb WHEN 'r' THEN 'refusal' WHEN 'w' THEN 'would_refuse' END
        WHEN 's' THEN CASE verb WHEN 'l' THEN 'login' WHEN 'f' THEN 'failed_login' WHEN 'k' THEN 'locked_login' WHEN 'U' THEN 'unlock_login'
                                WHEN 'g' THEN 'logout' WHEN 'y' THEN 'lost_events' END
        WHEN 'a' THEN CASE verb WHEN 'A' THEN 'admin_access' WHEN 'D' THEN 'ddl' WHEN 'S' THEN 'setting' WHEN 'C' THEN 'declaration'
                                WHEN 'O' THEN 'open_admin_session' WHEN 'Z' THEN 'close_admin_session' WHEN 'P' THEN 'approve_admin_session'
                                WHEN 'B' THEN 'break_glass' WHEN 'R' THEN 'release_actor' WHEN 'W' THEN 'writer_started' WHEN 'X' THEN 'writer_stopped' END
    END;
$$;
REVOKE ALL ON FUNCTION toms.audit_kind("char", "char") FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_kind("char", "char") IS 'internal: what an entry is called in toms.audit_trail()';

-- By its name, and under former names by its OID, which means something in one cluster only.
CREATE FUNCTION toms.audit_objects(relation regclass)
RETURNS bigint[] LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(e.id), '{}')
    FROM toms.audit_entry e, LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb AS described OFFSET 0) o
    WHERE e.kind = 'o' AND (o.described ->> 'relation' = audit_objects.relation::text OR o.described ->> 'partition' = audit_objects.relation::text
          OR (audit_objects.relation::oid::bigint IN ((o.described ->> 'oid')::bigint, e.object)
              AND e.id >= (SELECT coalesce(max(s.first_id), 0) FROM toms.audit_segment s WHERE s.number > (SELECT min(f.number) FROM toms.audit_segment f))));
$$;
REVOKE ALL ON FUNCTION toms.audit_objects(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_objects(regclass) IS 'internal: entries that describe a table, or a partition of it';

-- The names of parameters that the result has, too, are the callers'.
CREATE FUNCTION toms.read_audit(since_at timestamptz, until_at timestamptz, of_relation regclass, of_subject text, of_tenant text,
                                by_actor text, for_purpose text, of_kind text)
RETURNS TABLE (id bigint, at timestamptz, transaction bigint, tenant text, actor text, role text, login text, address text,
               application text, purpose text, function text, kind text, relation text, row_key jsonb, subject text, columns text[],
               old_values jsonb, new_values jsonb, reason text, block bigint, erased boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    reader constant text := toms.audit_reader();
    whose constant text := coalesce(reader, of_tenant);
    letters "char"[] := ARRAY(SELECT DISTINCT l FROM unnest('{c}'::"char"[]) l, unnest('{i,u,d,t,-}'::"char"[]) v
                              WHERE of_kind IS NULL OR toms.audit_kind(l, v) = of_kind);
    verbs "char"[] := ARRAY(SELECT DISTINCT v FROM unnest('{c}'::"char"[]) l, unnest('{i,u,d,t,-}'::"char"[]) v
                            WHERE of_kind IS NULL OR toms.audit_kind(l, v) = of_kind);
    subject_keys bigint[];
    actor_keys bigint[];
    objects bigint[];
    conditions text := '';
BEGIN
    IF cardinality(letters) = 0 THEN
        RAISE EXCEPTION 'there are no entries of kind "%"', of_kind USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Kinds are insert, update, delete and truncate.';
    END IF;
    IF of_tenant <> reader THEN
        RETURN;
    END IF;
    -- constants, so that partitions are pruned when the query is planned
    conditions := format('e.kind = ANY (%L::"char"[])', letters);
    conditions := conditions || coalesce(' AND e.at >= ' || quote_literal(since_at), '') || coalesce(' AND e.at < ' || quote_literal(until_at), '');
    IF of_kind IS NOT NULL THEN
        conditions := conditions || ' AND e.verb = ANY ($2)';
    END IF;
    IF whose IS NOT NULL THEN
        conditions := conditions || ' AND e.tenant = $3';
    END IF;
    IF of_subject IS NOT NULL THEN
        subject_keys := toms.audit_keys(whose, of_subject);
        conditions := conditions || ' AND e.key = ANY ($4)';
    END IF;
    IF of_relation IS NOT NULL THEN
        objects := toms.audit_objects(of_relation);
        conditions := conditions || ' AND e.object = ANY ($5)';
    END IF;
    IF by_actor IS NOT NULL THEN
        actor_keys := toms.audit_keys(whose, by_actor);
        conditions := conditions || ' AND e.who IN (SELECT w.id FROM toms.audit_entry w WHERE w.kind = ''w'' AND w.key = ANY ($6))';
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT e.id, e.at, e.xid, e.tenant, w.who ->> ''actor'', coalesce(w.who ->> ''role'', w.who ->> ''user''), w.who ->> ''login'',
                w.who ->> ''address'', w.who ->> ''application'', w.who ->> ''purpose'', w.who ->> ''function'', toms.audit_kind(e.kind, e.verb),
                o.object ->> ''relation'', nullif((x.opened).payload -> ''key'', ''{}''), (x.opened).subject, toms.audit_columns(e.columns, o.object -> ''columns''),
                (x.opened).payload -> ''old'', CASE WHEN (x.opened).payload ? ''new_key'' THEN coalesce((x.opened).payload -> ''new'', ''{}'') || ((x.opened).payload -> ''new_key'')
                                         ELSE (x.opened).payload -> ''new'' END,
                w.who ->> ''reason'', b.block, (x.opened).erased OR coalesce((w.who ->> ''erased'')::boolean, false)
         FROM toms.audit_entry e
              LEFT JOIN LATERAL (SELECT toms.audit_referred(''w'', e.who, e.at) AS who OFFSET 0) w ON true
              LEFT JOIN LATERAL (SELECT toms.audit_referred(''o'', e.object, e.at) AS object OFFSET 0) o ON true
              LEFT JOIN LATERAL (SELECT toms.audit_payload(e) AS opened OFFSET 0) x ON true
              LEFT JOIN LATERAL (SELECT toms.audit_block_of(e.id, e.xid, $7) AS block OFFSET 0) b ON true
         WHERE %s AND ($1 IS NULL OR w.who ->> ''purpose'' = $1)
         ORDER BY e.at, e.id', conditions)
    USING for_purpose, verbs, whose, subject_keys, objects, actor_keys, since_at;
END
$$;
REVOKE ALL ON FUNCTION toms.read_audit(timestamptz, timestamptz, regclass, text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.read_audit(timestamptz, timestamptz, regclass, text, text, text, text, text) IS 'internal: toms.audit_trail(), with other names of its parameters';

CREATE FUNCTION toms.audit_trail(since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, relation regclass DEFAULT NULL,
                                 subject text DEFAULT NULL, tenant text DEFAULT NULL, actor text DEFAULT NULL,
                                 purpose text DEFAULT NULL, kind text DEFAULT NULL)
RETURNS TABLE (id bigint, at timestamptz, transaction bigint, tenant text, actor text, role text, login text, address text,
               application text, purpose text, function text, kind text, relation text, row_key jsonb, subject text, columns text[],
               old_values jsonb, new_values jsonb, reason text, block bigint, erased boolean)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM toms.read_audit($1, $2, $3, $4, $5, $6, $7, $8);
$$;
GRANT EXECUTE ON FUNCTION toms.audit_trail(timestamptz, timestamptz, regclass, text, text, text, text, text) TO PUBLIC;
COMMENT ON FUNCTION toms.audit_trail(timestamptz, timestamptz, regclass, text, text, text, text, text) IS 'who changed what: since <= at < until, of a table, data subject, tenant, actor, purpose, kind; officers read all, others their tenant''s entries by a permission on toms.audit_entry';
