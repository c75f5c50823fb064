-- Whether personal data may go to a recipient: the rules of each controller, and transfers to third countries (Art. 44 ff. GDPR).

-- Where no instrument is needed (Art. 45(3)); "partial": for those alone whom the decision covers, which his instrument "adequacy" says.
CREATE TABLE toms.adequacy (
    country     text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    decision    text NOT NULL,
    partial     boolean NOT NULL,
    valid_until date,
    as_of       date NOT NULL,          -- when it was compared with the decisions
    shipped     boolean NOT NULL DEFAULT false,     -- it comes with toms; a row of one's own goes before it
    PRIMARY KEY (country, shipped)
);
SELECT pg_catalog.pg_extension_config_dump('toms.adequacy', 'WHERE NOT shipped');
COMMENT ON TABLE toms.adequacy IS 'countries outside the EEA with an adequacy decision of the Commission';
INSERT INTO toms.adequacy VALUES
    ('AD', 'Decision 2010/625/EU', false, NULL, '2025-12-31', true), ('AR', 'Decision 2003/490/EC', false, NULL, '2025-12-31', true),
    ('CA', 'Decision 2002/2/EC (commercial organisations)', true, NULL, '2025-12-31', true), ('CH', 'Decision 2000/518/EC', false, NULL, '2025-12-31', true),
    ('FO', 'Decision 2010/146/EU', false, NULL, '2025-12-31', true), ('GB', 'Decision (EU) 2021/1772, prolonged', false, NULL, '2025-12-31', true),
    ('GG', 'Decision 2003/821/EC', false, NULL, '2025-12-31', true), ('IL', 'Decision 2011/61/EU (automated processing)', true, NULL, '2025-12-31', true),
    ('IM', 'Decision 2004/411/EC', false, NULL, '2025-12-31', true), ('JE', 'Decision 2008/393/EC', false, NULL, '2025-12-31', true),
    ('JP', 'Decision (EU) 2019/419 (private sector)', true, NULL, '2025-12-31', true), ('KR', 'Decision (EU) 2022/254', false, NULL, '2025-12-31', true),
    ('NZ', 'Decision 2013/65/EU', false, NULL, '2025-12-31', true), ('US', 'Decision (EU) 2023/1795 (Data Privacy Framework)', true, NULL, '2025-12-31', true),
    ('UY', 'Decision 2012/484/EU', false, NULL, '2025-12-31', true);
GRANT SELECT ON toms.adequacy TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.set_adequacy(country text, decision text, partial boolean DEFAULT false, valid_until date DEFAULT NULL, as_of date DEFAULT current_date)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO toms.adequacy (country, decision, partial, valid_until, as_of)
    VALUES (set_adequacy.country, set_adequacy.decision, set_adequacy.partial, set_adequacy.valid_until, set_adequacy.as_of)
    ON CONFLICT (country, shipped) DO UPDATE
    SET decision = excluded.decision, partial = excluded.partial, valid_until = excluded.valid_until, as_of = excluded.as_of;
$$;
REVOKE ALL ON FUNCTION toms.set_adequacy(text, text, boolean, date, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.set_adequacy(text, text, boolean, date, date) TO toms_admin;
COMMENT ON FUNCTION toms.set_adequacy(text, text, boolean, date, date) IS 'an adequacy decision on a country, or its end: valid_until';

CREATE FUNCTION toms.is_eea(country text)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT country IN ('AT', 'BE', 'BG', 'HR', 'CY', 'CZ', 'DK', 'EE', 'FI', 'FR', 'DE', 'GR', 'HU', 'IE', 'IT', 'LV', 'LT', 'LU', 'MT', 'NL', 'PL', 'PT',
                       'RO', 'SK', 'SI', 'ES', 'SE', 'IS', 'LI', 'NO');
$$;
REVOKE ALL ON FUNCTION toms.is_eea(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.is_eea(text) IS 'internal: whether a country is of the European Economic Area';

CREATE TABLE toms.transfer_rule (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   text COLLATE "C" NOT NULL,
    purpose  text COLLATE "C",          -- NULL: those that have no rule of their own
    rule     text NOT NULL CHECK (rule IN ('eu_only', 'adequacy_only', 'instrument', 'instrument_and_consent')),
    set_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    set_by   text NOT NULL,
    ended_at timestamptz,
    ended_by text
);
CREATE UNIQUE INDEX transfer_rule_in_force_idx ON toms.transfer_rule (tenant, purpose) NULLS NOT DISTINCT WHERE ended_at IS NULL;
SELECT pg_catalog.pg_extension_config_dump('toms.transfer_rule', '');
SELECT pg_catalog.pg_extension_config_dump('toms.transfer_rule_id_seq', '');
COMMENT ON TABLE toms.transfer_rule IS 'to which countries personal data of a controller may go, for which purpose, now and in the past; without a rule nowhere outside the EEA';
GRANT SELECT ON toms.transfer_rule TO toms_admin, toms_auditor, toms_operator;
GRANT SELECT ON SEQUENCE toms.transfer_rule_id_seq TO toms_auditor;   -- a dump of the schema reads it

CREATE FUNCTION toms.set_transfer_rule(tenant text, purpose text, rule text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = set_transfer_rule.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    IF purpose <> 'rights' AND NOT EXISTS (SELECT FROM toms.purpose p WHERE p.purpose = set_transfer_rule.purpose AND NOT p.excluded) THEN
        RAISE EXCEPTION 'there is no purpose "%"', purpose USING ERRCODE = 'undefined_object',
            HINT = 'SELECT * FROM toms.purposes; "rights" is that of exports, NULL stands for all that have no rule of their own.';
    END IF;
    IF rule IS NULL OR rule NOT IN ('eu_only', 'adequacy_only', 'instrument', 'instrument_and_consent') THEN
        RAISE EXCEPTION 'there is no rule "%"', rule USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Rules are eu_only, adequacy_only, instrument and instrument_and_consent.';
    END IF;
    UPDATE toms.transfer_rule r SET ended_at = clock_timestamp(), ended_by = session_user
    WHERE r.tenant = set_transfer_rule.tenant AND r.purpose IS NOT DISTINCT FROM set_transfer_rule.purpose AND r.ended_at IS NULL;
    INSERT INTO toms.transfer_rule (tenant, purpose, rule, set_by) VALUES (set_transfer_rule.tenant, set_transfer_rule.purpose, set_transfer_rule.rule, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.set_transfer_rule(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.set_transfer_rule(text, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.set_transfer_rule(text, text, text) IS 'to which countries personal data of a tenant may go for a purpose (NULL: every other): eu_only, adequacy_only, instrument, instrument_and_consent';

-- The country list says where no instrument is needed; a decision for some of a country's recipients needs the mark that he is one.
CREATE FUNCTION toms.transfer_is_covered(r toms.recipient, rule text)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.is_eea(r.country) OR CASE
        WHEN rule = 'eu_only' THEN false
        WHEN d.adequate THEN true
        ELSE rule IN ('instrument', 'instrument_and_consent') AND i.in_force AND r.transfer_instrument <> 'adequacy' END
    FROM (SELECT r.transfer_instrument <> 'none' AND coalesce(r.instrument_from <= current_date, true) AND coalesce(r.instrument_expires >= current_date, true) AS in_force) i,
         LATERAL (SELECT EXISTS (SELECT FROM toms.adequacy a
                                 WHERE a.country = r.country AND NOT (a.shipped AND EXISTS (SELECT FROM toms.adequacy o WHERE o.country = r.country AND NOT o.shipped))
                                   AND coalesce(a.valid_until >= current_date, true)
                                   AND (NOT a.partial OR (r.transfer_instrument = 'adequacy' AND i.in_force))) AS adequate) d;
$$;
REVOKE ALL ON FUNCTION toms.transfer_is_covered(toms.recipient, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.transfer_is_covered(toms.recipient, text) IS 'internal: whether a rule lets data go to the country of a recipient';

CREATE FUNCTION toms.check_transfer(r toms.recipient, of_tenant text, for_purpose text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rule constant text := coalesce((SELECT t.rule FROM toms.transfer_rule t
                                    WHERE t.tenant = of_tenant AND (t.purpose = for_purpose OR t.purpose IS NULL) AND t.ended_at IS NULL
                                    ORDER BY t.purpose NULLS LAST LIMIT 1), 'eu_only');
BEGIN
    IF NOT toms.transfer_is_covered(r, rule) THEN
        IF rule <> 'eu_only' AND (r.instrument_expires < current_date OR r.instrument_from > current_date) THEN
            PERFORM toms.refuse('toms_transfer_expired', format('Instrument "%s" of the recipient is in force from %s to %s.', r.transfer_instrument,
                                                                coalesce(r.instrument_from::text, '-'), coalesce(r.instrument_expires::text, '-')),
                                format('SELECT toms.add_recipient(%L, …, transfer_instrument => ''…'', instrument_expires => ''…'');', r.recipient));
        END IF;
        PERFORM toms.refuse('toms_transfer', format('The recipient is in %s, with instrument "%s"; the rule for the purpose is %s.', r.country, r.transfer_instrument, rule),
                            format('SELECT toms.set_transfer_rule(%L, %L, ''instrument''); or add_recipient(…, transfer_instrument => ''scc'').', of_tenant, for_purpose));
    END IF;
    IF rule = 'instrument_and_consent' AND NOT toms.is_eea(r.country) AND toms.recipient_state(r.recipient, of_tenant) IS DISTINCT FROM 'consented' THEN
        PERFORM toms.refuse('toms_transfer_consent', format('The recipient is in %s.', r.country),
                            format('SELECT toms.consent_to_recipient(%L, %L);', r.recipient, of_tenant));
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_transfer(toms.recipient, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_transfer(toms.recipient, text, text) IS 'internal: refuse a transfer to a third country that a controller''s rule does not cover';

-- Through those whose sub-processor he is, too.  Who is one needs consent (Art. 28(2)): that nobody objected is not enough.
CREATE FUNCTION toms.check_recipient_chain(r toms.recipient, of_tenant text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    link toms.recipient := r;
    said text;
BEGIN
    FOR depth IN 1 .. 10 LOOP
        said := toms.recipient_state(link.recipient, of_tenant);
        IF link.ended_at IS NOT NULL THEN
            PERFORM toms.refuse('toms_recipient_ended', format('Recipient "%s" ended at %s.', link.recipient, link.ended_at::date), 'SELECT * FROM toms.recipients WHERE active;');
        ELSIF said = 'objected' THEN
            PERFORM toms.refuse('toms_recipient_objected', format('Recipient "%s".', link.recipient), format('SELECT toms.consent_to_recipient(%L, %L);', link.recipient, of_tenant));
        ELSIF link.kind = 'sub_processor' AND said IS DISTINCT FROM 'consented' THEN
            PERFORM toms.refuse('toms_recipient_notice', format('Recipient "%s" is a sub-processor of "%s", and the controller''s express consent is not on record.', link.recipient, link.parent),
                                format('SELECT toms.consent_to_recipient(%L, %L);', link.recipient, of_tenant));
        ELSIF said = 'waiting' OR (said IS NULL AND link.kind = 'processor') THEN
            PERFORM toms.refuse('toms_recipient_notice', format(CASE WHEN said IS NULL THEN 'No notice of recipient "%s" is on record, as it is now.'
                                                                     ELSE 'The period for objections to recipient "%s" is not over.' END, link.recipient),
                                format('SELECT toms.notify_recipient(%L, %L, notified_at => ''…'', objection_period => ''…''); or toms.consent_to_recipient(%1$L, %2$L);',
                                       link.recipient, of_tenant));
        END IF;
        SELECT * INTO link FROM toms.recipient p WHERE p.recipient = link.parent;
        EXIT WHEN NOT FOUND;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.check_recipient_chain(toms.recipient, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_recipient_chain(toms.recipient, text) IS 'internal: refuse a recipient who has ended, or to whom a controller objected or may object';

CREATE FUNCTION toms.check_recipient(name text, tenant text, purpose text, categories text[])
RETURNS void LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r toms.recipient;
    beyond text;
BEGIN
    SELECT * INTO r FROM toms.recipient q WHERE q.recipient = name;
    IF NOT FOUND THEN
        PERFORM toms.refuse('toms_recipient_unknown', 'Personal data goes to registered recipients only.',
                            format('SELECT toms.add_recipient(%L, kind => ''…'', country => ''…'', categories => ''{…}'');', name));
    END IF;
    IF r.shipped THEN
        RETURN;
    END IF;
    PERFORM toms.check_recipient_chain(r, tenant);
    SELECT string_agg(u, ', ' ORDER BY u) INTO beyond FROM unnest(categories) u WHERE u <> ALL (r.categories);
    IF beyond IS NOT NULL THEN
        PERFORM toms.refuse('toms_recipient_category', format('It would get: %s.', beyond), format('SELECT toms.add_recipient(%L, …, categories => ''{…}'');', name));
    END IF;
    PERFORM toms.check_transfer(r, tenant, purpose);
END
$$;
REVOKE ALL ON FUNCTION toms.check_recipient(text, text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.check_recipient(text, text, text, text[]) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.check_recipient(text, text, text, text[]) IS 'refuse if a recipient must not get these categories of a tenant''s data for this purpose, now';

-- As src/audit/triggers.sql does for what is declared elsewhere; after the rows that the extension brings.
DO $$
DECLARE
    declared record;
BEGIN
    FOR declared IN SELECT * FROM (VALUES ('recipient', 'contact, ended_reason'), ('recipient_event', 'reason'), ('adequacy', ''), ('transfer_rule', ''),
                                          ('disclosure', 'person'), ('notice', 'remark'), ('provided_column', ''), ('automated_decision', '')) d (relation, untold) LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER "~toms_declaration" AFTER INSERT OR UPDATE OR DELETE ON toms.%I FOR EACH ROW EXECUTE FUNCTION toms.audit_declaration(%s)',
                       declared.relation, declared.untold);
        EXECUTE format('CREATE OR REPLACE TRIGGER "~toms_declaration_truncate" AFTER TRUNCATE ON toms.%I FOR EACH STATEMENT EXECUTE FUNCTION toms.audit_declaration()', declared.relation);
        EXECUTE format('ALTER TABLE toms.%I ENABLE ALWAYS TRIGGER "~toms_declaration", ENABLE ALWAYS TRIGGER "~toms_declaration_truncate"', declared.relation);
    END LOOP;
END
$$;
