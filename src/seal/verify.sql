-- Do the sealed values of a table belong where they stand?

CREATE FUNCTION toms.verify_table(part regclass, OUT row_id tid, OUT column_number smallint, OUT problem text) RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_verify_table';
REVOKE ALL ON FUNCTION toms.verify_table(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.verify_table(regclass) IS 'internal: sealed values of one table that do not belong where they stand';

CREATE FUNCTION toms.verify_sealed(relation regclass)
RETURNS TABLE (part regclass, row_id tid, column_name name, problem text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (toms.describe(relation)).root IS NULL THEN
        RAISE EXCEPTION 'table % is not protected', relation USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('SELECT toms.protect(%L, …);', relation);
    END IF;
    PERFORM toms.check_readable(relation);
    RETURN QUERY SELECT r, v.row_id, a.attname, v.problem
                 FROM toms.relation_tree(relation) r, toms.verify_table(r) v, pg_attribute a
                 WHERE a.attrelid = r AND a.attnum = v.column_number;
END
$$;
REVOKE ALL ON FUNCTION toms.verify_sealed(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.verify_sealed(regclass) TO toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.verify_sealed(regclass) IS 'one row for each sealed value of a table that does not belong where it stands, or that nobody can open any more';

-- One value of each epoch that a table holds, for a drill.

CREATE FUNCTION toms.sample_sealed(part regclass, keys bigint[], epochs integer[], row_limit bigint, OUT epoch integer, OUT value bytea) RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_sample_sealed';
REVOKE ALL ON FUNCTION toms.sample_sealed(regclass, bigint[], integer[], bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.sample_sealed(regclass, bigint[], integer[], bigint) IS 'internal: the first sealed value under keys of each epoch, as one table has it stored';

CREATE FUNCTION toms.sealed_opens(value bytea) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_opens';
REVOKE ALL ON FUNCTION toms.sealed_opens(bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.sealed_opens(bytea) IS 'internal: whether a stored value opens, without showing it';
