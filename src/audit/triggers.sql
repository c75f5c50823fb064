-- What is declared to toms, taken into the audit trail when it changes.

CREATE FUNCTION toms.audit_declaration() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_audit_declaration';
REVOKE ALL ON FUNCTION toms.audit_declaration() FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_declaration() IS 'internal: trigger that takes what is declared to toms into the audit trail; its arguments are columns whose text is not told';

-- After the rows that the extension brings. Of epochs only the end: they begin by themselves, with the first value.
DO $$
DECLARE
    declared record;
BEGIN
    FOR declared IN SELECT * FROM (VALUES
        ('tenant', 'address, contact, representative, dpo'), ('category', ''), ('permission', ''), ('officer', ''),
        ('instruction', 'given_by, wording, subject'), ('audit_consent', 'reason'), ('enabled_category', ''), ('parent', ''), ('subject_alias', ''),
        ('separation', ''), ('purpose', ''), ('enter_permission', ''), ('trusted_function', 'reason, end_reason'), ('trustable_function', ''),
        ('refused_function', ''), ('key_epoch', ''), ('protection_history', 'reason'), ('statistic_definition', 'reason'), ('code_catalogue', ''),
        ('audit_period', 'reason'), ('statutory_period', ''), ('retention_rule', 'ended_reason'), ('hold', 'subject, reason, released_for'), ('pending_erasure', 'subject'),
        ('agreement', ''), ('backup_tier', ''), ('tenant_end', 'reason'),
        ('restriction', 'subject, reason'), ('objection', 'subject, reason, ended_reason'), ('personal_login', 'owner'), ('break_glass_review', 'result')) AS d (relation, untold) LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER "~toms_declaration" AFTER %sUPDATE OR DELETE ON toms.%I FOR EACH ROW EXECUTE FUNCTION toms.audit_declaration(%s)',
                       CASE WHEN declared.relation <> 'key_epoch' THEN 'INSERT OR ' END, declared.relation, declared.untold);
        EXECUTE format('CREATE OR REPLACE TRIGGER "~toms_declaration_truncate" AFTER TRUNCATE ON toms.%I FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_declaration()',
                       declared.relation);
        EXECUTE format('ALTER TABLE toms.%I ENABLE ALWAYS TRIGGER "~toms_declaration", ENABLE ALWAYS TRIGGER "~toms_declaration_truncate"', declared.relation);
    END LOOP;
END
$$;
