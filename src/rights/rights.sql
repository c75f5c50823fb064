-- Erasures, and what the functions of this slice have in common.

-- One of them, from the moment it is under way; whose it was is not kept once it is done.
CREATE TABLE toms.erasure (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('subject', 'category', 'tenant', 'keys')),     -- keys: by toms.destroy_keys() alone, rows stay
    tenant       text COLLATE "C" NOT NULL,
    subject      text COLLATE "C",      -- as tokens write it; NULL: it is done, or of no one person
    category     text,
    instruction  bigint,                -- of toms.instruction; NULL: by the agreement
    state        text NOT NULL CHECK (state IN ('running', 'waiting', 'done', 'void')),     -- waiting: for a hold, or a period
    requested_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    requested_by text NOT NULL,
    ended_at     timestamptz,
    entry        bigint,                -- of the trail, which says that it is done
    result       jsonb NOT NULL DEFAULT '{}'    -- {"tables": {"name": {"deleted": 3, "restricted": 1, "held": 0, …}}, "keys": 4, …}: counts and names of tables alone once it is done
);
CREATE INDEX erasure_tenant_idx ON toms.erasure (tenant, subject) WHERE state IN ('running', 'waiting');
SELECT pg_catalog.pg_extension_config_dump('toms.erasure', '');
SELECT pg_catalog.pg_extension_config_dump('toms.erasure_id_seq', '');
COMMENT ON TABLE toms.erasure IS 'erasures of data subjects, categories and tenants: by which instruction, what became of which table; whose it was only until it is done';
GRANT SELECT ON SEQUENCE toms.erasure_id_seq TO toms_auditor;     -- a dump of the schema reads it
GRANT SELECT ON toms.erasure TO toms_admin, toms_auditor;
CREATE TRIGGER "~toms_declaration" AFTER INSERT OR UPDATE OR DELETE ON toms.erasure FOR EACH ROW EXECUTE FUNCTION toms.audit_declaration('subject, result');
CREATE TRIGGER "~toms_declaration_truncate" AFTER TRUNCATE ON toms.erasure FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_declaration();
ALTER TABLE toms.erasure ENABLE ALWAYS TRIGGER "~toms_declaration", ENABLE ALWAYS TRIGGER "~toms_declaration_truncate";

-- rows, as their owner: work.c ----------------------------------------------------------------

CREATE FUNCTION toms.delete_rows(part regclass, tenant text, rows tid[], erasure bigint, OUT cascaded jsonb, OUT keys bigint[])
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_delete_rows';
REVOKE ALL ON FUNCTION toms.delete_rows(regclass, text, tid[], bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.delete_rows(regclass, text, tid[], bigint) IS 'internal: delete rows of a tenant in one table, as its owner; tells what went with them, and the data keys of their values';

CREATE FUNCTION toms.change_rows(part regclass, tenant text, rows tid[], assignments text, "values" text[]) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_change_rows';
REVOKE ALL ON FUNCTION toms.change_rows(regclass, text, tid[], text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.change_rows(regclass, text, tid[], text, text[]) IS 'internal: update rows of a tenant in one table, as its owner; assignments refer to the values as $2';

-- Runs none of the owner's code.  The rows stay locked until the transaction ends.
CREATE FUNCTION toms.find_rows(part regclass, condition text, most bigint DEFAULT NULL)
RETURNS tid[] LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(toms.ask_all_rows(format('SELECT array_agg(s.row) FROM (SELECT t.ctid AS row FROM ONLY %s t WHERE %s LIMIT %s FOR UPDATE OF t) s',
                                             part, condition, coalesce(most::text, 'ALL')))::tid[], '{}');
$$;
REVOKE ALL ON FUNCTION toms.find_rows(regclass, text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.find_rows(regclass, text, bigint) IS 'internal: rows of one table, of whichever tenant, that satisfy a condition on "t"; locks them';

-- Rows that others have written since would be left behind, and pass for erased.
CREATE FUNCTION toms.check_reads_latest()
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'nothing can be erased in a transaction that reads an older state' USING ERRCODE = 'active_sql_transaction', HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED;';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_reads_latest() FROM PUBLIC;
COMMENT ON FUNCTION toms.check_reads_latest() IS 'internal: refuse to erase in a transaction that reads an older state';
