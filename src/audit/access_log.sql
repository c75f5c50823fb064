-- What a data subject is told: who had to do with his data, by function and purpose, without names.

CREATE FUNCTION toms.subject_access_log(since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS TABLE (entry bigint, at timestamptz, kind text, relation text, columns text[], rows bigint, times bigint, purpose text, description text,
               legal_basis text, role text, function text, recipient text, actor text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    reader constant record := toms.audit_own();
BEGIN
    PERFORM toms.note_reading('r', 'a', jsonb_strip_nulls(jsonb_build_object('by', 'subject_access_log',
        'since', to_jsonb($1 AT TIME ZONE 'UTC') #>> '{}' || 'Z', 'until', to_jsonb($2 AT TIME ZONE 'UTC') #>> '{}' || 'Z')));
    RETURN QUERY
    SELECT t.id, t.at, t.kind, t.relation, t.columns, t.rows, t.times, t.purpose, p.description, p.legal_basis, t.role, t.function, t.details ->> 'recipient',
           CASE WHEN EXISTS (SELECT FROM toms.actor_release r WHERE r.entry = t.id AND r.approved_at IS NOT NULL) THEN t.actor END
    FROM (SELECT * FROM toms.list_audit($1, $2, NULL, reader.subject, reader.tenant, NULL, NULL, NULL)
          UNION ALL      -- exports of the data of all
          SELECT * FROM toms.list_audit($1, $2, NULL, NULL, reader.tenant, NULL, NULL, 'export') e WHERE e.details -> 'of_all' = 'true') t
         LEFT JOIN toms.purpose p ON p.purpose = t.purpose
    WHERE t.kind IN (SELECT n.kind FROM toms.audit_names() n WHERE n.letter IN ('c', 'r'))
    ORDER BY t.at, t.id;
END
$$;
GRANT EXECUTE ON FUNCTION toms.subject_access_log(timestamptz, timestamptz) TO PUBLIC;      -- toms.audit_own() refuses who may not
COMMENT ON FUNCTION toms.subject_access_log(timestamptz, timestamptz) IS 'what was done with the data of the context''s own data subject, for which purpose and by which role; names only where toms.release_actor() has opened them; by a permission on toms.audit_entry; it is recorded';
