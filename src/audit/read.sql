-- Reading the audit trail: one function, which asks who may, and opens what keys are left for.

CREATE FUNCTION toms.audit_reader(OUT tenant text) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_reader';
REVOKE ALL ON FUNCTION toms.audit_reader() FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_reader() IS 'internal: whose entries the caller may read: of one tenant, or of all (NULL); or refuse';

CREATE FUNCTION toms.audit_own(OUT tenant text, OUT subject text) RETURNS record
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_own';
REVOKE ALL ON FUNCTION toms.audit_own() FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_own() IS 'internal: the data subject who reads what concerns himself; or refuse';

CREATE FUNCTION toms.note_reading(kind "char", verb "char", details jsonb) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_note_reading';
REVOKE ALL ON FUNCTION toms.note_reading("char", "char", jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.note_reading("char", "char", jsonb) IS 'internal: record, durably, that the audit trail is read or worked on, and wait for what happened before';

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
                                WHEN 'B' THEN 'break_glass' WHEN 'R' THEN 'release_actor' WHEN 'L' THEN 'stopped_retention' WHEN 'F' THEN 'finding'
                                WHEN 'W' THEN 'writer_started' WHEN 'X' THEN 'writer_stopped' END
        WHEN 'd' THEN CASE verb WHEN 'd' THEN 'deletion' WHEN 'p' THEN 'pseudonymisation' END
    END;
$$;
REVOKE ALL ON FUNCTION toms.audit_kind("char", "char") FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_kind("char", "char") IS 'internal: what an entry is called in toms.audit_trail()';

-- Which entries a kind is, or a group of kinds; verb n is no entry of its own: it tells rows of another one.
CREATE FUNCTION toms.audit_names(OUT letter "char", OUT verb "char", OUT kind text, OUT kinds text)
RETURNS SETOF record LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.letter, v.verb::"char", toms.audit_kind(l.letter, v.verb::"char"), l.kinds
    FROM (VALUES ('c'::"char", 'changes'), ('r', 'reads'), ('x', 'refusals'), ('s', 'sessions'), ('a', 'administration'), ('d', 'deletions')) l (letter, kinds),
         regexp_split_to_table('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', '') v (verb)
    WHERE toms.audit_kind(l.letter, v.verb::"char") IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.audit_names() FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_names() IS 'internal: kinds of entries and their groups';

CREATE FUNCTION toms.check_audit_kind(kind text)
RETURNS void LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM toms.audit_names() n WHERE check_audit_kind.kind IN (n.kind, n.kinds)) THEN
        RAISE EXCEPTION 'there are no entries of kind "%"', kind USING ERRCODE = 'invalid_parameter_value',
            HINT = (SELECT format('Kinds are %s; %s stand for several.', string_agg(DISTINCT n.kind, ', '), string_agg(DISTINCT n.kinds, ', ')) FROM toms.audit_names() n);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_audit_kind(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_audit_kind(text) IS 'internal: refuse a kind of entries that there is not';

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

-- What is in no column of its own.
CREATE FUNCTION toms.audit_details(payload jsonb, who jsonb)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT nullif(coalesce(payload, '{}') - '{key,new_key,old,new,rows,times,of,login,address}'::text[]
                  || coalesce(who - '{actor,role,user,login,address,application,purpose,function,reason,erased}'::text[], '{}'), '{}');
$$;
REVOKE ALL ON FUNCTION toms.audit_details(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_details(jsonb, jsonb) IS 'internal: what an entry, and that of who acted, say beyond columns, rows and times';

-- The names of parameters that the result has, too, are the callers'.
CREATE FUNCTION toms.list_audit(since_at timestamptz, until_at timestamptz, of_relation regclass, of_subject text, of_tenant text,
                                by_actor text, for_purpose text, of_kind text)
RETURNS TABLE (id bigint, at timestamptz, transaction bigint, tenant text, actor text, role text, login text, address text,
               application text, purpose text, function text, kind text, relation text, row_key jsonb, subject text, columns text[],
               old_values jsonb, new_values jsonb, reason text, block bigint, erased boolean, rows bigint, times bigint, details jsonb)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    letters constant "char"[] := ARRAY(SELECT DISTINCT n.letter FROM toms.audit_names() n WHERE of_kind IS NULL OR of_kind IN (n.kind, n.kinds));
    verbs "char"[];
    subject_keys bigint[];
    actor_keys bigint[];
    objects bigint[];
    conditions text := '';
BEGIN
    IF of_kind IS NOT NULL THEN
        verbs := ARRAY(SELECT DISTINCT n.verb FROM toms.audit_names() n WHERE of_kind IN (n.kind, n.kinds));
    END IF;
    -- constants, so that partitions are pruned when the query is planned
    conditions := format('e.kind = ANY (%L::"char"[])', letters);
    conditions := conditions || coalesce(' AND e.at >= ' || quote_literal(since_at), '') || coalesce(' AND e.at < ' || quote_literal(until_at), '');
    IF of_kind IS NOT NULL THEN
        conditions := conditions || ' AND e.verb = ANY ($2)';
    END IF;
    IF of_tenant IS NOT NULL THEN
        conditions := conditions || ' AND e.tenant = $3';
    END IF;
    IF of_subject IS NOT NULL THEN
        subject_keys := toms.audit_keys(of_tenant, of_subject);
        conditions := conditions || ' AND e.key = ANY ($4)';
    END IF;
    IF of_relation IS NOT NULL THEN
        objects := toms.audit_objects(of_relation);
        conditions := conditions || ' AND e.object = ANY ($5)';
    END IF;
    IF by_actor IS NOT NULL THEN
        actor_keys := toms.audit_keys(of_tenant, by_actor);
        conditions := conditions || ' AND e.who IN (SELECT w.id FROM toms.audit_entry w WHERE w.kind = ''w'' AND w.key = ANY ($6))';
    END IF;
    -- rows are told when a statement has ended, which may be long after "until"
    RETURN QUERY EXECUTE format(
        'WITH told AS MATERIALIZED (SELECT (n.said ->> ''of'')::bigint AS of, sum((n.said ->> ''rows'')::bigint)::bigint AS rows
                       FROM (SELECT convert_from(t.payload, ''UTF8'')::jsonb AS said FROM toms.audit_entry t
                             WHERE t.kind = ''r'' AND t.verb = ''n'' AND %2$s) n GROUP BY 1)
         SELECT e.id, e.at, e.xid, e.tenant, w.who ->> ''actor'', coalesce(w.who ->> ''role'', w.who ->> ''user''), w.who ->> ''login'',
                w.who ->> ''address'', w.who ->> ''application'', w.who ->> ''purpose'', w.who ->> ''function'', toms.audit_kind(e.kind, e.verb),
                o.object ->> ''relation'', nullif((x.opened).payload -> ''key'', ''{}''), (x.opened).subject, toms.audit_columns(e.columns, o.object -> ''columns''),
                (x.opened).payload -> ''old'', CASE WHEN (x.opened).payload ? ''new_key'' THEN coalesce((x.opened).payload -> ''new'', ''{}'') || ((x.opened).payload -> ''new_key'')
                                         ELSE (x.opened).payload -> ''new'' END,
                w.who ->> ''reason'', b.block, (x.opened).erased OR coalesce((w.who ->> ''erased'')::boolean, false),
                CASE WHEN e.kind = ''r'' THEN coalesce(((x.opened).payload ->> ''rows'')::bigint + told.rows, ((x.opened).payload ->> ''rows'')::bigint, told.rows) END,
                CASE WHEN e.kind <> ''c'' THEN coalesce(((x.opened).payload ->> ''times'')::bigint, 1) END,
                toms.audit_details(CASE WHEN e.kind <> ''c'' THEN (x.opened).payload END, w.who)
         FROM toms.audit_entry e
              LEFT JOIN told ON told.of = e.id
              LEFT JOIN LATERAL (SELECT toms.audit_referred(''o'', e.object, e.at) AS object OFFSET 0) o ON true
              LEFT JOIN LATERAL (SELECT toms.audit_payload(e) AS opened OFFSET 0) x ON true
              LEFT JOIN LATERAL (SELECT CASE WHEN e.kind = ''s'' AND e.who IS NULL THEN (x.opened).payload
                                             ELSE toms.audit_referred(''w'', e.who, e.at) END AS who OFFSET 0) w ON true
              LEFT JOIN LATERAL (SELECT toms.audit_block_of(e.id, e.xid, $7) AS block OFFSET 0) b ON true
         WHERE %1$s AND NOT (e.kind = ''r'' AND e.verb = ''n'') AND ($1 IS NULL OR w.who ->> ''purpose'' = $1)
         ORDER BY e.at, e.id', conditions,
        CASE WHEN 'r' = ANY (letters) THEN concat_ws(' AND ', 'true', 't.at >= ' || quote_literal(since_at), CASE WHEN of_tenant IS NOT NULL THEN 't.tenant = $3' END) ELSE 'false' END)
    USING for_purpose, verbs, of_tenant, subject_keys, objects, actor_keys, since_at;
END
$$;
REVOKE ALL ON FUNCTION toms.list_audit(timestamptz, timestamptz, regclass, text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.list_audit(timestamptz, timestamptz, regclass, text, text, text, text, text) IS 'internal: entries of the trail, for who has asked whether they may be read, and recorded that they are; of reads, what statements of the tenant have told since, however soon until is';

-- Who asks, and that it was asked, before anything is shown.
CREATE FUNCTION toms.read_audit(since_at timestamptz, until_at timestamptz, of_relation regclass, of_subject text, of_tenant text,
                                by_actor text, for_purpose text, of_kind text)
RETURNS TABLE (id bigint, at timestamptz, transaction bigint, tenant text, actor text, role text, login text, address text,
               application text, purpose text, function text, kind text, relation text, row_key jsonb, subject text, columns text[],
               old_values jsonb, new_values jsonb, reason text, block bigint, erased boolean, rows bigint, times bigint, details jsonb)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    reader constant text := toms.audit_reader();
BEGIN
    IF of_kind IS NOT NULL THEN
        PERFORM toms.check_audit_kind(of_kind);
    END IF;
    -- for whose data is not told in clear: this is kept when he is erased
    PERFORM toms.note_reading('r', 'a', jsonb_strip_nulls(jsonb_build_object('by', 'audit_trail', 'since', since_at, 'until', until_at,
        'relation', of_relation::text, 'subject', nullif(of_subject IS NOT NULL, false), 'tenant', left(of_tenant, 256),
        'actor', nullif(by_actor IS NOT NULL, false), 'purpose', left(for_purpose, 64), 'kind', of_kind)));
    IF of_tenant <> reader THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM toms.list_audit(since_at, until_at, of_relation, of_subject, coalesce(reader, of_tenant), by_actor, for_purpose, of_kind);
END
$$;
REVOKE ALL ON FUNCTION toms.read_audit(timestamptz, timestamptz, regclass, text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.read_audit(timestamptz, timestamptz, regclass, text, text, text, text, text) IS 'internal: toms.audit_trail(), with other names of its parameters';

CREATE FUNCTION toms.audit_trail(since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, relation regclass DEFAULT NULL,
                                 subject text DEFAULT NULL, tenant text DEFAULT NULL, actor text DEFAULT NULL,
                                 purpose text DEFAULT NULL, kind text DEFAULT NULL)
RETURNS TABLE (id bigint, at timestamptz, transaction bigint, tenant text, actor text, role text, login text, address text,
               application text, purpose text, function text, kind text, relation text, row_key jsonb, subject text, columns text[],
               old_values jsonb, new_values jsonb, reason text, block bigint, erased boolean, rows bigint, times bigint, details jsonb)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM toms.read_audit($1, $2, $3, $4, $5, $6, $7, $8);
$$;
GRANT EXECUTE ON FUNCTION toms.audit_trail(timestamptz, timestamptz, regclass, text, text, text, text, text) TO PUBLIC;
COMMENT ON FUNCTION toms.audit_trail(timestamptz, timestamptz, regclass, text, text, text, text, text) IS 'who changed, read and was refused what, who logged in: since <= at < until, of a table, data subject, tenant, actor, purpose, kind; officers read all, others their tenant''s entries by a permission on toms.audit_entry; it is recorded';
