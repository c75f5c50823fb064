-- Rules are declared here: retain(), unretain(), and the periods that the law sets.

CREATE FUNCTION toms.zone_is_known(zone text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_zone_is_known';
REVOKE ALL ON FUNCTION toms.zone_is_known(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.zone_is_known(text) IS 'internal: whether periods can be counted in a time zone';

-- A period of years and one of days are compared from a date that has no leap day near.
CREATE FUNCTION toms.is_shorter(one interval, other interval) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT timestamp '2001-01-01' + one < timestamp '2001-01-01' + other;
$$;
REVOKE ALL ON FUNCTION toms.is_shorter(interval, interval) FROM PUBLIC;
COMMENT ON FUNCTION toms.is_shorter(interval, interval) IS 'internal: whether one period ends before the other one';

-- event, end_of_month, end_of_year: the later in this order, the later a period begins.
CREATE FUNCTION toms.start_rank(starts text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_position('{event,end_of_month,end_of_year}'::text[], starts);
$$;
REVOKE ALL ON FUNCTION toms.start_rank(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.start_rank(text) IS 'internal: how late a period begins to count';

CREATE FUNCTION toms.check_length(keep interval, starts text)
RETURNS void LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF starts IS NOT NULL AND toms.start_rank(starts) IS NULL THEN
        RAISE EXCEPTION 'a period cannot start with "%"', starts USING ERRCODE = 'invalid_parameter_value',
            HINT = 'It starts with the event, or at the end_of_month or end_of_year in which that lies.';
    END IF;
    IF NOT isfinite(keep) OR extract(year FROM keep) NOT BETWEEN 0 AND 1000 OR extract(day FROM keep) NOT BETWEEN 0 AND 400000
       OR least(extract(month FROM keep), extract(epoch FROM keep - date_trunc('day', keep))) < 0 THEN
        RAISE EXCEPTION 'a period is between nothing and 1000 years long' USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_length(interval, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_length(interval, text) IS 'internal: whether rows can be kept for so long';

-- statutory periods ------------------------------------------------------------------------------

INSERT INTO toms.statutory_period (period, country, records, keep, starts, source, as_of, shipped) VALUES
    ('de_books', 'DE', 'books and records, inventories, annual accounts, management reports, and what is needed to understand them',
     '10 years', 'end_of_year', '§ 147(1) no. 1, (3), (4) AO; § 257(1) no. 1, (4), (5) HGB', '2025-01-01', true),
    ('de_voucher', 'DE', 'accounting vouchers', '8 years', 'end_of_year', '§ 147(1) no. 4, (3), (4) AO; § 257(1) no. 4, (4), (5) HGB', '2025-01-01', true),
    ('de_invoice', 'DE', 'invoices that were issued and received', '8 years', 'end_of_year', '§ 14b(1) UStG; § 147(3), (4) AO', '2025-01-01', true),
    ('de_letter', 'DE', 'commercial and business letters that were received, and copies of those that were sent; other papers of importance for taxation',
     '6 years', 'end_of_year', '§ 147(1) nos. 2, 3, 5, (3), (4) AO; § 257(1) nos. 2, 3, (4), (5) HGB', '2025-01-01', true),
    ('de_payroll', 'DE', 'payroll accounts, from the last payment entered', '6 years', 'end_of_year', '§ 41(1) sentence 9 EStG', '2025-01-01', true),
    ('de_social_security', 'DE', 'payroll records for social insurance, from the last audit (§ 28p SGB IV)', '1 year', 'end_of_year', '§ 28f(1) SGB IV', '2025-01-01', true),
    ('de_working_time', 'DE', 'records of working time beyond eight hours', '2 years', 'event', '§ 16(2) ArbZG', '2025-01-01', true),
    ('de_minimum_wage', 'DE', 'beginning, end and duration of daily work, where it has to be recorded', '2 years', 'event', '§ 17(1) MiLoG', '2025-01-01', true),
    ('de_patient', 'DE', 'patients'' records, from the end of the treatment', '10 years', 'event', '§ 630f(3) BGB', '2025-01-01', true),
    ('de_money_laundering', 'DE', 'records of due diligence, from the end of the business relation', '5 years', 'end_of_year', '§ 8(4) GwG', '2025-01-01', true),
    ('at_books', 'AT', 'books, records, vouchers, and business papers of importance for taxation', '7 years', 'end_of_year', '§ 132(1) BAO; § 212(1) UGB', '2025-01-01', true),
    ('at_invoice', 'AT', 'invoices that were issued and received', '7 years', 'end_of_year', '§ 11(2) UStG 1994; § 132(1) BAO', '2025-01-01', true),
    ('at_real_estate', 'AT', 'records and documents of turnover with real estate', '22 years', 'end_of_year', '§ 18(10) UStG 1994', '2025-01-01', true),
    ('at_patient', 'AT', 'physicians'' records of patients', '10 years', 'event', '§ 51(3) ÄrzteG 1998', '2025-01-01', true),
    ('at_hospital', 'AT', 'hospitals'' records of in-patients', '30 years', 'event', '§ 10(1) no. 3 KAKuG', '2025-01-01', true);

CREATE FUNCTION toms.add_statutory_period(period text, country text, records text, keep interval, source text, starts text DEFAULT 'event',
                                          as_of date DEFAULT current_date)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF num_nulls(period, country, records, keep, source, starts, as_of) > 0 OR source = '' THEN
        RAISE EXCEPTION 'a statutory period says for which records, how long, and by which law' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_length(keep, starts);
    IF EXISTS (SELECT FROM toms.statutory_period p WHERE p.period = add_statutory_period.period AND p.shipped) THEN
        RAISE EXCEPTION 'period "%" comes with toms and is not changed', period USING ERRCODE = 'duplicate_object',
            HINT = 'Add it as the law has it now, under a name of your own.';
    END IF;
    INSERT INTO toms.statutory_period AS p (period, country, records, keep, starts, source, as_of)
    VALUES (add_statutory_period.period, add_statutory_period.country, add_statutory_period.records, add_statutory_period.keep,
            add_statutory_period.starts, add_statutory_period.source, add_statutory_period.as_of)
    ON CONFLICT ON CONSTRAINT statutory_period_pkey DO UPDATE
    SET country = excluded.country, records = excluded.records, keep = excluded.keep, starts = excluded.starts, source = excluded.source, as_of = excluded.as_of;
    RETURN period;
END
$$;
REVOKE ALL ON FUNCTION toms.add_statutory_period(text, text, text, interval, text, text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.add_statutory_period(text, text, text, interval, text, text, date) TO toms_admin;
COMMENT ON FUNCTION toms.add_statutory_period(text, text, text, interval, text, text, date) IS 'add a period that a law sets, or change one of your own; as_of: when it was compared with the law';

-- what a rule may be -------------------------------------------------------------------------------

CREATE FUNCTION toms.check_retainable(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.check_declarable(relation);
    IF (toms.describe(relation)).mode <> 'enforce' THEN
        RAISE EXCEPTION 'table % is observed only', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'What a policy hides and a trigger keeps takes an enforced table.', HINT = format('SELECT toms.enforce(%L);', relation);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_retainable(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_retainable(regclass) IS 'internal: lock a table for a rule or a hold';

-- A start event may have a time of day or none.
CREATE FUNCTION toms.check_start_column(relation regclass, col name)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    type regtype := (SELECT coalesce(nullif(t.typbasetype, 0), t.oid) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                     WHERE a.attrelid = relation AND a.attname = col AND a.attnum > 0 AND NOT a.attisdropped);
BEGIN
    IF type IS NULL THEN
        RAISE EXCEPTION 'column "%" of table % does not exist', col, relation USING ERRCODE = 'undefined_column';
    END IF;
    IF type NOT IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN
        RAISE EXCEPTION 'column "%" of table % cannot hold a start event: its type is %', col, relation, type
            USING ERRCODE = 'datatype_mismatch', HINT = 'Start events are of type date, timestamp or timestamptz.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_start_column(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_start_column(regclass, name) IS 'internal: whether a column can hold start events';

-- 'ended_on' is a column of the rows themselves, 'crm.contract.ended_on' one of the rows that they refer to.
CREATE FUNCTION toms.find_start_event(relation regclass, since text, through name, OUT elsewhere regclass, OUT col name, OUT key name)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts text[];
BEGIN
    IF since IS NULL THEN
        RAISE EXCEPTION 'a rule names the start event from which its period counts' USING ERRCODE = 'null_value_not_allowed',
            HINT = format('SELECT toms.retain(%L, …, since => ''…'');', relation);
    END IF;
    IF through IS NULL THEN
        PERFORM toms.check_start_column(relation, since::name);
        col := since;
        RETURN;
    END IF;
    parts := parse_ident(since);
    elsewhere := CASE cardinality(parts) WHEN 3 THEN to_regclass(format('%I.%I', parts[1], parts[2])) END;
    IF elsewhere IS NULL OR (toms.describe(elsewhere)).root IS DISTINCT FROM elsewhere OR (toms.describe(elsewhere)).mode <> 'enforce' THEN
        RAISE EXCEPTION 'a start event elsewhere is in a column of a protected table' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Name it with its schema: since => ''crm.contract.ended_on'', through => ''contract_id''.';
    END IF;
    col := parts[3];
    key := toms.referred_start(relation, elsewhere, through);
    PERFORM toms.check_start_column(elsewhere, col);
    PERFORM toms.check_start_reference(relation, through, elsewhere, key);
END
$$;
REVOKE ALL ON FUNCTION toms.find_start_event(regclass, text, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.find_start_event(regclass, text, name) IS 'internal: the column that holds the start event of rows';

CREATE FUNCTION toms.check_cleared_column(rule toms.retention_rule, col name)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_column record;
    part text := toms.label_words(rule.relation, false) ->> col;
BEGIN
    SELECT a.attnotnull, a.attgenerated INTO found_column FROM pg_attribute a
    WHERE a.attrelid = rule.relation AND a.attname = col AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'column "%" of table % does not exist', col, rule.relation USING ERRCODE = 'undefined_column';
    END IF;
    IF found_column.attnotnull OR found_column.attgenerated <> '' THEN
        RAISE EXCEPTION 'column "%" of table % cannot be emptied', col, rule.relation USING ERRCODE = 'not_null_violation',
            HINT = format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL;', rule.relation, col);
    END IF;
    IF part ~ '\m(tenant|parent|parent_type)\M' OR col IN (rule.since, rule.through) THEN
        RAISE EXCEPTION 'column "%" of table % says whose the rows are, or from when their period counts', col, rule.relation
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_cleared_column(toms.retention_rule, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_cleared_column(toms.retention_rule, name) IS 'internal: whether pseudonymising can empty a column';

-- What is sealed is the subject's: it cannot stay when he is taken out.
CREATE FUNCTION toms.check_action(rule toms.retention_rule)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    subject constant name := (toms.describe(rule.relation)).subject;
    left_over name;
BEGIN
    IF rule.action IS NULL OR rule.action NOT IN ('delete', 'pseudonymise') THEN
        RAISE EXCEPTION 'there is no action "%"', rule.action USING ERRCODE = 'invalid_parameter_value', HINT = 'Actions are delete and pseudonymise.';
    END IF;
    IF (rule.action = 'pseudonymise') <> (coalesce(cardinality(rule.clear), 0) > 0) OR array_position(rule.clear, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'pseudonymising empties columns, deleting does not' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'action => ''pseudonymise'', clear => ''{name,email}''';
    END IF;
    PERFORM toms.check_cleared_column(rule, c) FROM unnest(rule.clear) c;
    SELECT s.name INTO left_over FROM toms.sealed_columns(rule.relation) s WHERE subject = ANY (rule.clear) AND s.name <> ALL (rule.clear) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'column "%" of table % is sealed for the data subject that would be taken out', left_over, rule.relation
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Empty it too, or keep the data subject.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_action(toms.retention_rule) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_action(toms.retention_rule) IS 'internal: whether a rule can do what it says with rows';

CREATE FUNCTION toms.check_concerned(rule toms.retention_rule)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unknown text;
BEGIN
    IF rule.tenant IS NOT NULL AND NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = rule.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', rule.tenant USING ERRCODE = 'undefined_object',
            HINT = format('SELECT toms.add_tenant(%L, name => ''…'');', rule.tenant);
    END IF;
    IF rule.category IS NOT NULL AND NOT EXISTS (SELECT FROM toms.row_labels l WHERE l.relation = rule.relation AND l.category = rule.category) THEN
        RAISE EXCEPTION 'no rows of % are labelled "%"', rule.relation, rule.category USING ERRCODE = 'undefined_object',
            HINT = format('SELECT toms.label_rows(%L, condition => ''…'', category => %L);', rule.relation, rule.category);
    END IF;
    IF rule.purposes IS NULL OR array_position(rule.purposes, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'no purpose is NULL' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_not_excluded(u) FROM unnest(rule.purposes) u;
    SELECT u INTO unknown FROM unnest(rule.purposes) u WHERE NOT EXISTS (SELECT FROM toms.purpose p WHERE p.purpose = u) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no purpose "%"', unknown USING ERRCODE = 'undefined_object',
            HINT = format('SELECT toms.add_purpose(%L, description => ''…'', legal_basis => ''…'');', unknown);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_concerned(toms.retention_rule) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_concerned(toms.retention_rule) IS 'internal: whether there are the tenant, the category and the purposes that a rule names';

-- Length and start come from a statutory period where they are not given; they may go beyond it.
CREATE FUNCTION toms.set_length(rule toms.retention_rule)
RETURNS toms.retention_rule LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    law toms.statutory_period;
BEGIN
    PERFORM toms.check_length(rule.keep, rule.starts);
    PERFORM toms.check_length(rule.restrict_after, NULL);
    SELECT * INTO law FROM toms.statutory_period p WHERE p.period = rule.period;
    IF rule.period IS NOT NULL AND NOT FOUND THEN
        RAISE EXCEPTION 'there is no statutory period "%"', rule.period USING ERRCODE = 'undefined_object',
            HINT = 'SELECT * FROM toms.statutory_period; toms.add_statutory_period() adds one.';
    END IF;
    IF toms.is_shorter(rule.keep, law.keep) OR toms.start_rank(rule.starts) < toms.start_rank(law.starts) THEN
        RAISE EXCEPTION 'the law has "%" kept for % at least, from %', law.period, law.keep, law.starts USING ERRCODE = 'invalid_parameter_value',
            DETAIL = law.source;
    END IF;
    rule.keep := coalesce(rule.keep, law.keep);
    rule.starts := coalesce(rule.starts, law.starts, 'event');
    rule.basis := coalesce(rule.basis, law.source);
    IF rule.keep IS NULL THEN
        RAISE EXCEPTION 'a rule says how long rows are kept' USING ERRCODE = 'null_value_not_allowed',
            HINT = format('SELECT toms.retain(%L, keep => ''105 days'', since => ''…''); or period => ''…'' of toms.statutory_period.', rule.relation);
    END IF;
    IF NOT coalesce(toms.is_shorter(rule.restrict_after, rule.keep), true) THEN
        RAISE EXCEPTION 'rows are restricted before they are deleted, not afterwards' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT toms.zone_is_known(rule.zone) THEN
        RAISE EXCEPTION 'there is no time zone "%"', rule.zone USING ERRCODE = 'invalid_parameter_value', HINT = 'SELECT name FROM pg_timezone_names;';
    END IF;
    RETURN rule;
END
$$;
REVOKE ALL ON FUNCTION toms.set_length(toms.retention_rule) FROM PUBLIC;
COMMENT ON FUNCTION toms.set_length(toms.retention_rule) IS 'internal: how long a rule keeps rows, in which time zone';

-- rules among each other ----------------------------------------------------------------------------

-- Rules in force that would lose rows to a new one: its own predecessor, and those that it goes before.
CREATE FUNCTION toms.rules_before(rule toms.retention_rule)
RETURNS SETOF toms.retention_rule LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.* FROM toms.retention_rule r
    WHERE r.valid_until IS NULL AND r.relation = rule.relation AND (r.category IS NULL OR r.category = rule.category)
      AND (r.tenant IS NULL OR r.tenant = rule.tenant OR (rule.tenant IS NULL AND r.category IS DISTINCT FROM rule.category))
    ORDER BY r.id;
$$;
REVOKE ALL ON FUNCTION toms.rules_before(toms.retention_rule) FROM PUBLIC;
COMMENT ON FUNCTION toms.rules_before(toms.retention_rule) IS 'internal: rules whose rows a new one would take over';

CREATE FUNCTION toms.lengthens(old toms.retention_rule, new toms.retention_rule) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT toms.is_shorter(new.keep, old.keep) AND toms.start_rank(new.starts) >= toms.start_rank(old.starts)
           AND (new.since, new.elsewhere, new.through, new.zone) IS NOT DISTINCT FROM (old.since, old.elsewhere, old.through, old.zone)
           AND (new.action = old.action OR old.action = 'delete') AND coalesce(new.clear <@ old.clear, true);
$$;
REVOKE ALL ON FUNCTION toms.lengthens(toms.retention_rule, toms.retention_rule) FROM PUBLIC;
COMMENT ON FUNCTION toms.lengthens(toms.retention_rule, toms.retention_rule) IS 'internal: whether a new rule keeps all rows at least as long as the old one, from the same event';

-- Neither a locked period nor a hold is to be got round by another rule for the same rows.
CREATE FUNCTION toms.check_rules_before(rule toms.retention_rule)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old toms.retention_rule;
    held_by bigint;
BEGIN
    FOR old IN SELECT * FROM toms.rules_before(rule) LOOP
        IF old.locked AND NOT toms.lengthens(old, rule) THEN
            RAISE EXCEPTION 'the period of rule % is locked: it can get longer only', old.id USING ERRCODE = 'object_not_in_prerequisite_state',
                DETAIL = 'Start event, time zone and columns to be emptied stay as they are too.';
        END IF;
        SELECT h.id INTO held_by FROM toms.hold h WHERE h.rule = old.id AND h.state = 'held' ORDER BY h.id LIMIT 1;
        IF FOUND AND (old.tenant, old.category) IS DISTINCT FROM (rule.tenant, rule.category) THEN
            RAISE EXCEPTION 'rows of rule %, which is held, would come under another one', old.id USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = format('SELECT toms.release_hold(%s); or hold the table or the tenant instead.', held_by);
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.check_rules_before(toms.retention_rule) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_rules_before(toms.retention_rule) IS 'internal: refuse a rule that would shorten a locked period or take rows from a held rule';

-- Returns the new rule; the one in force if that says the same.  Holds on the former one pass on.
CREATE FUNCTION toms.put_rule(rule toms.retention_rule)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old toms.retention_rule;
    fresh bigint;
BEGIN
    SELECT * INTO old FROM toms.retention_rule r
    WHERE r.relation = rule.relation AND (r.tenant, r.category) IS NOT DISTINCT FROM (rule.tenant, rule.category) AND r.valid_until IS NULL;
    rule.locked := rule.locked OR coalesce(old.locked, false);
    IF (old.since, old.elsewhere, old.through, old.keep, old.starts, old.restrict_after, old.action, old.clear, old.purposes, old.zone, old.basis, old.period, old.locked)
       IS NOT DISTINCT FROM
       (rule.since, rule.elsewhere, rule.through, rule.keep, rule.starts, rule.restrict_after, rule.action, rule.clear, rule.purposes, rule.zone, rule.basis, rule.period, rule.locked) THEN
        UPDATE toms.retention_rule r SET lookup = rule.lookup WHERE r.id = old.id AND r.lookup IS DISTINCT FROM rule.lookup;
        RETURN old.id;
    END IF;
    UPDATE toms.retention_rule r SET valid_until = clock_timestamp(), ended_by = session_user, ended_reason = 'replaced' WHERE r.id = old.id;
    INSERT INTO toms.retention_rule (relation, tenant, category, since, elsewhere, through, lookup, keep, starts, restrict_after, action, clear,
                                     purposes, zone, basis, period, locked, relation_name, retained_by)
    VALUES (rule.relation, rule.tenant, rule.category, rule.since, rule.elsewhere, rule.through, rule.lookup, rule.keep, rule.starts, rule.restrict_after,
            rule.action, rule.clear, rule.purposes, rule.zone, rule.basis, rule.period, rule.locked, rule.relation::text, session_user)
    RETURNING id INTO fresh;
    IF EXISTS (SELECT FROM toms.hold h WHERE h.rule = old.id AND h.state = 'held') THEN
        UPDATE toms.hold h SET rule = fresh WHERE h.rule = old.id AND h.state = 'held';
    END IF;
    RETURN fresh;
END
$$;
REVOKE ALL ON FUNCTION toms.put_rule(toms.retention_rule) FROM PUBLIC;
COMMENT ON FUNCTION toms.put_rule(toms.retention_rule) IS 'internal: put a rule in force, in the place of the one that there was';

CREATE FUNCTION toms.retain(relation regclass, keep interval DEFAULT NULL, since text DEFAULT NULL, through name DEFAULT NULL, starts text DEFAULT NULL,
                            restrict_after interval DEFAULT NULL, basis text DEFAULT NULL, purposes text[] DEFAULT '{}', tenant text DEFAULT NULL,
                            category text DEFAULT NULL, action text DEFAULT 'delete', clear name[] DEFAULT NULL, period text DEFAULT NULL,
                            zone text DEFAULT NULL, locked boolean DEFAULT false)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rule toms.retention_rule;
    key name;
    id bigint;
BEGIN
    IF relation IS NULL OR locked IS NULL THEN
        RAISE EXCEPTION 'relation must be named, and locked is true or false' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.check_retainable(relation);
    LOCK TABLE toms.hold IN ROW SHARE MODE;     -- one of the rule that is being set is waited for, or waits
    LOCK TABLE toms.retention_rule IN SHARE ROW EXCLUSIVE MODE;
    rule.relation := relation;
    SELECT f.elsewhere, f.col, f.key INTO rule.elsewhere, rule.since, key FROM toms.find_start_event(relation, since, through) f;
    rule.through := through;
    rule.tenant := tenant;
    rule.category := nullif(category, (toms.describe(relation)).category);
    rule.keep := keep;
    rule.starts := starts;
    rule.restrict_after := restrict_after;
    rule.action := action;
    rule.clear := nullif(clear, '{}');
    rule.purposes := purposes;
    rule.basis := basis;
    rule.period := period;
    rule.zone := coalesce(zone, current_setting('TimeZone'));
    rule.locked := locked;
    rule := toms.set_length(rule);
    PERFORM toms.check_concerned(rule);
    PERFORM toms.check_action(rule);
    PERFORM toms.check_rules_before(rule);
    IF rule.elsewhere IS NOT NULL THEN
        rule.lookup := toms.make_start_lookup(rule.elsewhere, key, rule.since);
    END IF;
    id := toms.put_rule(rule);
    PERFORM toms.sync_policies(r) FROM toms.relation_tree(relation) r;
    PERFORM toms.drop_unused_lookups();
    RETURN id;
END
$$;
REVOKE ALL ON FUNCTION toms.retain(regclass, interval, text, name, text, interval, text, text[], text, text, text, name[], text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.retain(regclass, interval, text, name, text, interval, text, text[], text, text, text, name[], text, text, boolean) TO toms_admin;
COMMENT ON FUNCTION toms.retain(regclass, interval, text, name, text, interval, text, text[], text, text, text, name[], text, text, boolean) IS 'how long rows of a protected table are kept, of all tenants or one, of all rows or those of a category; in the place of the rule that there was';

CREATE FUNCTION toms.unretain(id bigint, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rule toms.retention_rule;
    held_by bigint;
BEGIN
    IF coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'a reason must be given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT * INTO rule FROM toms.retention_rule r WHERE r.id = unretain.id AND r.valid_until IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no rule % in force', id USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.retention_rules WHERE in_force;';
    END IF;
    IF rule.locked THEN
        RAISE EXCEPTION 'the period of rule % is locked: it can get longer only', id USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM toms.check_declarable(rule.relation);
    LOCK TABLE toms.hold IN ROW SHARE MODE;
    LOCK TABLE toms.retention_rule IN SHARE ROW EXCLUSIVE MODE;
    SELECT h.id INTO held_by FROM toms.hold h WHERE h.rule = unretain.id AND h.state = 'held' ORDER BY h.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'rule % is held: its rows would come under another one, or under none', id USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.release_hold(%s);', held_by);
    END IF;
    UPDATE toms.retention_rule r SET valid_until = clock_timestamp(), ended_by = session_user, ended_reason = unretain.reason
    WHERE r.id = unretain.id AND r.valid_until IS NULL;
    PERFORM toms.sync_policies(r) FROM toms.relation_tree(rule.relation) r;
    PERFORM toms.drop_unused_lookups();
END
$$;
REVOKE ALL ON FUNCTION toms.unretain(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.unretain(bigint, text) TO toms_admin;
COMMENT ON FUNCTION toms.unretain(bigint, text) IS 'end a rule, with a reason on record: its rows come under the more general rule, or are kept';

CREATE VIEW toms.retention_rules AS
    SELECT id, relation_name AS relation, tenant, category,
           CASE WHEN elsewhere IS NULL THEN pg_catalog.quote_ident(since) ELSE elsewhere::text || '.' || pg_catalog.quote_ident(since) || ' through ' || pg_catalog.quote_ident(through) END AS since,
           keep, starts, restrict_after, action, clear, purposes, basis, period, zone, locked,
           valid_until IS NULL OR valid_until > pg_catalog.now() AS in_force, retained_at, retained_by, valid_until, ended_by, ended_reason
    FROM toms.retention_rule;
COMMENT ON VIEW toms.retention_rules IS 'how long rows are kept, by which rule, ended ones included';
GRANT SELECT ON toms.retention_rules TO toms_admin, toms_auditor, toms_operator;
