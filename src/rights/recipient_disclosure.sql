-- Who got whose personal data: what exports gave, and what an application says that it gave.  From it follows who
-- is told when data is rectified, erased or restricted (Art. 19 GDPR), and what a data subject is told (Art. 15(1)(c)).

CREATE TABLE toms.disclosure (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    tenant       text COLLATE "C" NOT NULL,
    of_all       boolean NOT NULL,      -- of all of his data subjects
    person       text COLLATE "C",      -- pseudonym of the data subject; NULL: of none, or he is erased
    recipient    text COLLATE "C" NOT NULL,
    categories   text[] NOT NULL,
    purpose      text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('access', 'portability', 'tenant', 'recorded')),
    instruction  bigint,                -- of toms.instruction
    rows         jsonb NOT NULL DEFAULT '{}',       -- by table
    disclosed_by text NOT NULL
);
CREATE INDEX disclosure_idx ON toms.disclosure (tenant, person);
SELECT pg_catalog.pg_extension_config_dump('toms.disclosure', '');
SELECT pg_catalog.pg_extension_config_dump('toms.disclosure_id_seq', '');
COMMENT ON TABLE toms.disclosure IS 'what personal data went to which recipient, when, for which purpose and by which instruction; whose it was as a pseudonym, until he is erased';
GRANT SELECT ON toms.disclosure TO toms_admin, toms_auditor;
GRANT SELECT ON SEQUENCE toms.disclosure_id_seq TO toms_auditor;   -- a dump of the schema reads it

CREATE FUNCTION toms.disclosed_person(tenant text, subject text)
RETURNS text LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.pseudonym_in(tenant, subject, 'toms_disclosure');
$$;
REVOKE ALL ON FUNCTION toms.disclosed_person(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.disclosed_person(text, text) IS 'internal: as toms.disclosure names a data subject';

-- Where there is no key, nobody is named.
CREATE FUNCTION toms.forget_disclosures(tenant text, subject text)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    forgotten bigint := 0;
BEGIN
    IF EXISTS (SELECT FROM toms.disclosure d WHERE d.tenant = forget_disclosures.tenant AND d.person IS NOT NULL) THEN
        UPDATE toms.disclosure d SET person = NULL
        WHERE d.tenant = forget_disclosures.tenant AND d.person = toms.disclosed_person(forget_disclosures.tenant, forget_disclosures.subject);
        GET DIAGNOSTICS forgotten = ROW_COUNT;
    END IF;
    RETURN forgotten;
END
$$;
REVOKE ALL ON FUNCTION toms.forget_disclosures(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.forget_disclosures(text, text) IS 'internal: whose disclosures they were goes with an erasure, once it is known who is to be told';

CREATE FUNCTION toms.record_disclosure(tenant text, recipient text, categories text[], purpose text, subject text DEFAULT NULL, disclosed_at timestamptz DEFAULT now())
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    recorded bigint;
BEGIN
    IF num_nulls(tenant, recipient, categories, purpose, disclosed_at) > 0 OR NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = record_disclosure.tenant) THEN
        RAISE EXCEPTION 'a disclosure has a tenant, a recipient, categories and a purpose' USING ERRCODE = 'null_value_not_allowed', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    PERFORM toms.check_not_excluded(purpose);
    PERFORM toms.check_recipient(recipient, tenant, purpose, categories);
    INSERT INTO toms.disclosure (at, tenant, of_all, person, recipient, categories, purpose, kind, disclosed_by)
    VALUES (disclosed_at, record_disclosure.tenant, subject IS NULL, toms.disclosed_person(record_disclosure.tenant, subject), record_disclosure.recipient,
            record_disclosure.categories, record_disclosure.purpose, 'recorded', session_user)
    RETURNING id INTO recorded;
    PERFORM toms.note_export(tenant, subject, 0, jsonb_build_object('by', 'record_disclosure', 'recipient', recipient, 'for', purpose,
                                                                    'categories', categories) || CASE WHEN subject IS NULL THEN '{"of_all": true}' ELSE '{}' END::jsonb);
    RETURN recorded;
END
$$;
REVOKE ALL ON FUNCTION toms.record_disclosure(text, text, text[], text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_disclosure(text, text, text[], text, text, timestamptz) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.record_disclosure(text, text, text[], text, text, timestamptz) IS 'an application gave personal data to a recipient by itself, of one data subject or of all; refused as an export to him would be';

-- The trail knows of exports too whose transaction was rolled back after the rows had been sent.
CREATE FUNCTION toms.disclosures_of(of_tenant text, of_subject text)
RETURNS TABLE (recipient text, category text, at timestamptz) LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT d.recipient, u.category, d.at FROM toms.disclosure d, unnest(d.categories) u (category)
    WHERE d.tenant = of_tenant AND (d.of_all OR (d.person IS NOT NULL AND d.person = toms.disclosed_person(of_tenant, of_subject)))
    UNION ALL
    SELECT a.details ->> 'recipient', c.category, a.at
    FROM toms.list_audit(NULL, NULL, NULL, of_subject, of_tenant, NULL, NULL, 'export') a, jsonb_array_elements_text(a.details -> 'categories') c (category)
    WHERE a.details ? 'recipient' AND a.details ->> 'by' <> 'record_disclosure';
END
$$;
REVOKE ALL ON FUNCTION toms.disclosures_of(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.disclosures_of(text, text) IS 'internal: who got personal data of a data subject';

CREATE FUNCTION toms.recipients_to_inform(tenant text, subject text)
RETURNS TABLE (recipient text, kind text, country text, contact text, categories text[], first_at timestamptz, last_at timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT d.recipient, r.kind, r.country, r.contact, array_agg(DISTINCT d.category ORDER BY d.category), min(d.at), max(d.at)
    FROM toms.disclosures_of($1, $2) d LEFT JOIN toms.recipient r ON r.recipient = d.recipient
    WHERE r.shipped IS NOT TRUE
    GROUP BY d.recipient, r.kind, r.country, r.contact ORDER BY d.recipient;
END
$$;
REVOKE ALL ON FUNCTION toms.recipients_to_inform(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.recipients_to_inform(text, text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.recipients_to_inform(text, text) IS 'who got personal data of a data subject, in exports of his or of all data of the tenant (Art. 19 GDPR)';

-- notices ---------------------------------------------------------------------------------------

CREATE TABLE toms.notice (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text COLLATE "C" NOT NULL,
    about       text NOT NULL CHECK (about IN ('erase', 'rectify', 'restrict', 'unrestrict')),
    instruction bigint,                 -- of toms.instruction: says whom it is about
    recipient   text COLLATE "C" NOT NULL,
    categories  text[] NOT NULL,        -- that he got
    since       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    informed_at timestamptz,            -- NULL: he has not been told yet
    informed_by text,
    remark      text
);
SELECT pg_catalog.pg_extension_config_dump('toms.notice', '');
SELECT pg_catalog.pg_extension_config_dump('toms.notice_id_seq', '');
COMMENT ON TABLE toms.notice IS 'recipients that have to be told of an erasure, rectification or restriction, and when they were';
GRANT SELECT ON toms.notice TO toms_admin, toms_auditor;
GRANT SELECT ON SEQUENCE toms.notice_id_seq TO toms_auditor;   -- a dump of the schema reads it

CREATE FUNCTION toms.owe_notices(tenant text, subject text, about text, instruction bigint)
RETURNS SETOF text LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH told AS (
        INSERT INTO toms.notice (tenant, about, instruction, recipient, categories)
        SELECT owe_notices.tenant, owe_notices.about, owe_notices.instruction, r.recipient, r.categories
        FROM toms.recipients_to_inform(owe_notices.tenant, owe_notices.subject) r
        WHERE NOT EXISTS (SELECT FROM toms.notice n WHERE n.tenant = owe_notices.tenant AND n.about = owe_notices.about AND n.instruction = owe_notices.instruction
                                                      AND n.recipient = r.recipient AND (n.informed_at IS NULL OR n.about = 'erase'))
        RETURNING recipient)
    SELECT recipient FROM told ORDER BY recipient;
$$;
REVOKE ALL ON FUNCTION toms.owe_notices(text, text, text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.owe_notices(text, text, text, bigint) IS 'internal: recipients are to be told of what has been done by an instruction; before a data subject is erased';

CREATE FUNCTION toms.record_informed(notice bigint, informed_at timestamptz DEFAULT now(), remark text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF informed_at IS NULL OR informed_at > clock_timestamp() THEN
        RAISE EXCEPTION 'a recipient has been told at a time that has passed' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE toms.notice n SET informed_at = record_informed.informed_at, informed_by = session_user, remark = record_informed.remark
    WHERE n.id = notice AND n.informed_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no notice % to be given', notice USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.notices WHERE informed_at IS NULL;';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.record_informed(bigint, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_informed(bigint, timestamptz, text) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.record_informed(bigint, timestamptz, text) IS 'a recipient was told of an erasure, rectification or restriction; or the remark says why that is impossible (Art. 19 GDPR)';

CREATE VIEW toms.notices AS
    SELECT n.id, n.tenant, n.about, n.instruction, n.recipient, r.contact, n.categories, n.since, n.informed_at, n.informed_by, n.remark
    FROM toms.notice n LEFT JOIN toms.recipient r ON r.recipient OPERATOR(pg_catalog.=) n.recipient;
COMMENT ON VIEW toms.notices IS 'which recipients have to be told of an erasure, rectification or restriction, and which were; the instruction says whom it is about';
GRANT SELECT ON toms.notices TO toms_admin, toms_auditor, toms_operator;
