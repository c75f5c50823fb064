-- What takes changes of protected tables into the trail: triggers, put up wherever protection is.

CREATE FUNCTION toms.audit_row() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_row';
REVOKE ALL ON FUNCTION toms.audit_row() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.audit_row() TO PUBLIC;      -- who adds a partition makes its trigger
COMMENT ON FUNCTION toms.audit_row() IS 'internal: trigger that takes the change of a row into the audit trail';

CREATE FUNCTION toms.audit_truncate() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_truncate';
REVOKE ALL ON FUNCTION toms.audit_truncate() FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_truncate() IS 'internal: trigger that takes TRUNCATE into the audit trail';

-- Of a table with all below it. Partitions get the row trigger from their table; inheritance children have their own. A
-- transaction whose snapshot is too old to see a trigger replaces it.
CREATE FUNCTION toms.audit_changes(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
    rel regclass;
BEGIN
    SELECT * INTO today FROM toms.describe(relation);
    IF today.mode IS DISTINCT FROM 'enforce' THEN
        RETURN;
    END IF;
    FOR rel IN SELECT r FROM toms.relation_tree(relation) r JOIN pg_class c ON c.oid = r WHERE c.relkind IN ('r', 'p')
               ORDER BY c.relispartition LOOP
        IF (rel = today.root OR NOT (SELECT c.relispartition FROM pg_class c WHERE c.oid = rel))
           AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = rel AND t.tgname = '~toms_audit') THEN
            EXECUTE format('CREATE OR REPLACE TRIGGER "~toms_audit" AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION toms.audit_row()', rel);
        END IF;
        IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = rel AND t.tgname = '~toms_audit_truncate') THEN
            EXECUTE format('CREATE OR REPLACE TRIGGER "~toms_audit_truncate" AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_truncate()', rel);
        END IF;
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER "~toms_audit", ENABLE ALWAYS TRIGGER "~toms_audit_truncate"', rel);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.audit_changes(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_changes(regclass) IS 'internal: put up the triggers that take changes of a table into the audit trail';

-- All triggers of toms that a table and what is below it have of themselves.
CREATE FUNCTION toms.drop_triggers(relation regclass, only_audit boolean DEFAULT false)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT t.tgrelid::regclass AS rel, t.tgname FROM toms.relation_tree(relation) r JOIN pg_trigger t ON t.tgrelid = r
                 WHERE t.tgname IN ('~toms_audit', '~toms_audit_truncate') OR (t.tgname = '~toms_seal' AND NOT only_audit)
                 ORDER BY t.tgparentid LOOP
        -- a parent takes those of its partitions along
        IF EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = found.rel AND t.tgname = found.tgname) THEN
            EXECUTE format('DROP TRIGGER %I ON %s', found.tgname, found.rel);
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.drop_triggers(regclass, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.drop_triggers(regclass, boolean) IS 'internal: take triggers of toms down';

CREATE FUNCTION toms.audit_number() RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_number';
REVOKE ALL ON FUNCTION toms.audit_number() FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_number() IS 'internal: a number for an entry of the audit trail';
