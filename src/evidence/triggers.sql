-- What is declared of measures, taken into the audit trail when it changes; see audit/triggers.sql.  What measures are, and how they
-- are spoken of, comes with the extension: whoever changes that changes what the check finds.

DO $$
DECLARE
    declared record;
BEGIN
    FOR declared IN SELECT * FROM (VALUES
        ('control', ''),
        ('measure', ''),
        ('measure_part', ''),
        ('phrase', ''),
        ('measure_record', ''),
        ('measure_review', ''),
        ('measure_exclusion', ''),
        ('incident', 'description, actors, logins, nature, dpo_contact, likely_consequences, measures_taken, no_notice_because, outcome'),
        ('incident_notice', 'how, late_reason'),
        ('notice_hours', ''),
        ('agreement_level', ''),
        ('finding_note', 'person, reason'),
        ('check_run', ''),
        ('supported_version', ''),
        ('processor', ''),
        ('copy_outside', ''),
        ('person_group', ''),
        ('installed_function', '')) AS d (relation, untold) LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER "~toms_declaration" AFTER INSERT OR UPDATE OR DELETE ON toms.%I FOR EACH ROW EXECUTE FUNCTION toms.audit_declaration(%s)', declared.relation, declared.untold);
        EXECUTE format('CREATE OR REPLACE TRIGGER "~toms_declaration_truncate" AFTER TRUNCATE ON toms.%I FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_declaration()', declared.relation);
        EXECUTE format('ALTER TABLE toms.%I ENABLE ALWAYS TRIGGER "~toms_declaration", ENABLE ALWAYS TRIGGER "~toms_declaration_truncate"', declared.relation);
    END LOOP;
END
$$;
