-- Recipients of personal data (Art. 4(9) GDPR), sub-processors too: who they are, and what each controller said to them.

CREATE TABLE toms.recipient (
    recipient           text COLLATE "C" PRIMARY KEY CHECK (octet_length(recipient) BETWEEN 1 AND 200),
    kind                text NOT NULL CHECK (kind IN ('controller', 'processor', 'sub_processor', 'authority', 'data_subject', 'other')),
    country             text CHECK (country ~ '^[A-Z]{2}$'),
    categories          text[] NOT NULL,        -- of toms.category, that he may get
    contact             text,
    agreement           text,
    transfer_instrument text NOT NULL CHECK (transfer_instrument IN ('none', 'adequacy', 'scc', 'bcr', 'certification')),
    instrument_from     date,
    instrument_expires  date,
    parent              text COLLATE "C",       -- whose sub-processor he is
    unreadable          boolean NOT NULL DEFAULT false,     -- he holds it and must not be able to read it
    shipped             boolean NOT NULL DEFAULT false,     -- the controller, and the data subject himself: they get what is theirs
    changed_at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),     -- where he is, what he gets: controllers are told anew
    added_at            timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    added_by            text NOT NULL,
    ended_at            timestamptz,
    ended_by            text,
    ended_reason        text,
    CHECK (shipped OR country IS NOT NULL)
);
SELECT pg_catalog.pg_extension_config_dump('toms.recipient', 'WHERE NOT shipped');
COMMENT ON TABLE toms.recipient IS 'whoever gets personal data: where he is, which categories, by which agreement and transfer instrument';
INSERT INTO toms.recipient (recipient, kind, categories, transfer_instrument, shipped, added_by) VALUES
    ('controller', 'controller', '{}', 'none', true, 'toms'), ('data_subject', 'data_subject', '{}', 'none', true, 'toms');
GRANT SELECT ON toms.recipient TO toms_admin, toms_auditor, toms_operator;

-- What passed between us and a controller about a recipient; the last word counts.
CREATE TABLE toms.recipient_event (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient text COLLATE "C" NOT NULL,
    tenant    text COLLATE "C" NOT NULL,
    event     text NOT NULL CHECK (event IN ('notified', 'objected', 'consented')),
    at        timestamptz NOT NULL,
    until     timestamptz,              -- notified: he may object until then
    reason    text,
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    by        text NOT NULL,
    CHECK ((event = 'notified') = (until IS NOT NULL))
);
CREATE INDEX recipient_event_idx ON toms.recipient_event (tenant, recipient);
SELECT pg_catalog.pg_extension_config_dump('toms.recipient_event', '');
SELECT pg_catalog.pg_extension_config_dump('toms.recipient_event_id_seq', '');
COMMENT ON TABLE toms.recipient_event IS 'when a controller was told of a recipient, objected or consented';
GRANT SELECT ON toms.recipient_event TO toms_admin, toms_auditor, toms_operator;
GRANT SELECT ON SEQUENCE toms.recipient_event_id_seq TO toms_auditor;   -- a dump of the schema reads it

CREATE FUNCTION toms.check_recipient_form(name text, kind text, categories text[], parent text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unknown text;
BEGIN
    IF EXISTS (SELECT FROM toms.recipient r WHERE r.recipient = name AND (r.shipped OR r.ended_at IS NOT NULL)) THEN
        RAISE EXCEPTION 'recipient "%" comes with toms, or has ended', name USING ERRCODE = 'duplicate_object', HINT = 'Register another one under a name of its own.';
    END IF;
    IF kind NOT IN ('controller', 'processor', 'sub_processor', 'authority', 'other') THEN
        RAISE EXCEPTION 'there is no kind of recipients "%"', kind USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Kinds are controller (another one), processor, sub_processor, authority and other.';
    END IF;
    IF kind = 'sub_processor' AND parent IS NULL THEN
        RAISE EXCEPTION 'a sub-processor has a processor' USING ERRCODE = 'null_value_not_allowed', HINT = 'parent => ''…'' names the recipient that uses it.';
    END IF;
    IF parent IS NOT NULL AND NOT EXISTS (SELECT FROM toms.recipient r WHERE r.recipient = check_recipient_form.parent AND r.ended_at IS NULL AND NOT r.shipped AND r.recipient <> name) THEN
        RAISE EXCEPTION 'there is no recipient "%" whose sub-processor it could be', parent USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.recipients;';
    END IF;
    SELECT u INTO unknown FROM unnest(categories) u WHERE u IS NULL OR NOT EXISTS (SELECT FROM toms.category c WHERE c.category = u) LIMIT 1;
    IF FOUND OR coalesce(cardinality(categories), 0) = 0 THEN
        RAISE EXCEPTION 'a recipient has categories that there are' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'SELECT * FROM toms.category; toms.add_category() adds one.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_recipient_form(text, text, text[], text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_recipient_form(text, text, text[], text) IS 'internal: whether a recipient can be registered as asked';

-- What changes where data goes, or which, makes notices and consents of before worth nothing; objections stay.
CREATE FUNCTION toms.add_recipient(name text, kind text, country text, categories text[], transfer_instrument text DEFAULT 'none', instrument_expires date DEFAULT NULL,
                                   agreement text DEFAULT NULL, parent text DEFAULT NULL, contact text DEFAULT NULL, instrument_from date DEFAULT NULL, unreadable boolean DEFAULT false)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF num_nulls(name, kind, country, categories, transfer_instrument, unreadable) > 0 THEN
        RAISE EXCEPTION 'a recipient has a name, a kind, a country and categories' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    LOCK TABLE toms.recipient IN SHARE ROW EXCLUSIVE MODE;
    PERFORM toms.check_recipient_form(name, kind, categories, parent);
    INSERT INTO toms.recipient AS r (recipient, kind, country, categories, contact, agreement, transfer_instrument, instrument_from, instrument_expires, parent, unreadable, added_by)
    VALUES (add_recipient.name, add_recipient.kind, add_recipient.country, add_recipient.categories, add_recipient.contact, add_recipient.agreement,
            add_recipient.transfer_instrument, add_recipient.instrument_from, add_recipient.instrument_expires, add_recipient.parent, add_recipient.unreadable, session_user)
    ON CONFLICT ON CONSTRAINT recipient_pkey DO UPDATE
    SET changed_at = CASE WHEN (r.kind, r.country, r.parent) IS NOT DISTINCT FROM (excluded.kind, excluded.country, excluded.parent)
                               AND r.categories @> excluded.categories AND excluded.unreadable >= r.unreadable THEN r.changed_at ELSE clock_timestamp() END,
        kind = excluded.kind, country = excluded.country, categories = excluded.categories, contact = excluded.contact, agreement = excluded.agreement,
        transfer_instrument = excluded.transfer_instrument, instrument_from = excluded.instrument_from, instrument_expires = excluded.instrument_expires,
        parent = excluded.parent, unreadable = excluded.unreadable;
    RETURN name;
END
$$;
REVOKE ALL ON FUNCTION toms.add_recipient(text, text, text, text[], text, date, text, text, text, date, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.add_recipient(text, text, text, text[], text, date, text, text, text, date, boolean) TO toms_admin;
COMMENT ON FUNCTION toms.add_recipient(text, text, text, text[], text, date, text, text, text, date, boolean) IS 'register a recipient of personal data, or change one: country, categories, agreement, transfer instrument (none, adequacy, scc, bcr, certification) and its expiry; unreadable: he only gets what is encrypted with the controller''s key';

CREATE FUNCTION toms.end_recipient(name text, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE toms.recipient r SET ended_at = clock_timestamp(), ended_by = session_user, ended_reason = end_recipient.reason
    WHERE r.recipient = name AND r.ended_at IS NULL AND NOT r.shipped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no recipient "%" that could end', name USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.recipients;';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.end_recipient(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.end_recipient(text, text) TO toms_admin;
COMMENT ON FUNCTION toms.end_recipient(text, text) IS 'a recipient, and who is his sub-processor, gets nothing any more; what he got stays on record';

CREATE FUNCTION toms.note_recipient_event(event toms.recipient_event)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM toms.recipient r WHERE r.recipient = event.recipient AND r.ended_at IS NULL AND NOT r.shipped) THEN
        RAISE EXCEPTION 'there is no recipient "%"', event.recipient USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.recipients;';
    END IF;
    IF NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = event.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', event.tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    IF event.at > clock_timestamp() THEN
        RAISE EXCEPTION 'that is in the future' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO toms.recipient_event (recipient, tenant, event, at, until, reason, by)
    VALUES (event.recipient, event.tenant, event.event, event.at, event.until, event.reason, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.note_recipient_event(toms.recipient_event) FROM PUBLIC;
COMMENT ON FUNCTION toms.note_recipient_event(toms.recipient_event) IS 'internal: take down what passed between us and a controller about a recipient';

CREATE FUNCTION toms.notify_recipient(name text, tenant text, notified_at timestamptz, objection_period interval)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF num_nulls(notified_at, objection_period) > 0 OR objection_period < interval '0' THEN
        RAISE EXCEPTION 'a notice has a date and a period in which the controller may object' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM toms.note_recipient_event(ROW(NULL, name, tenant, 'notified', notified_at, notified_at + objection_period, NULL, NULL, NULL)::toms.recipient_event);
END
$$;
REVOKE ALL ON FUNCTION toms.notify_recipient(text, text, timestamptz, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.notify_recipient(text, text, timestamptz, interval) TO toms_admin;
COMMENT ON FUNCTION toms.notify_recipient(text, text, timestamptz, interval) IS 'a controller was told of a recipient, and may object for so long; until then the recipient gets nothing of his';

CREATE FUNCTION toms.object_to_recipient(name text, tenant text, reason text)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.note_recipient_event(ROW(NULL, name, tenant, 'objected', clock_timestamp(), NULL, reason, NULL, NULL)::toms.recipient_event);
$$;
REVOKE ALL ON FUNCTION toms.object_to_recipient(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.object_to_recipient(text, text, text) TO toms_admin, toms_operator;
COMMENT ON FUNCTION toms.object_to_recipient(text, text, text) IS 'a controller objects to a recipient: he gets nothing of this controller''s until he consents';

CREATE FUNCTION toms.consent_to_recipient(name text, tenant text, reason text DEFAULT NULL)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.note_recipient_event(ROW(NULL, name, tenant, 'consented', clock_timestamp(), NULL, reason, NULL, NULL)::toms.recipient_event);
$$;
REVOKE ALL ON FUNCTION toms.consent_to_recipient(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.consent_to_recipient(text, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.consent_to_recipient(text, text, text) IS 'a controller consents to a recipient as he is now: ends an objection, and the period for one';

-- objected | consented | notified (the period is over) | waiting | NULL: nothing was said of him as he is now
CREATE FUNCTION toms.recipient_state(of_recipient text, of_tenant text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN said.last = 'objected' THEN 'objected'
                WHEN said.last = 'consented' AND said.consented_at >= r.changed_at THEN 'consented'
                WHEN said.until <= clock_timestamp() THEN 'notified'
                WHEN said.until IS NOT NULL THEN 'waiting' END
    FROM toms.recipient r,
         LATERAL (SELECT (array_agg(e.event ORDER BY e.id DESC) FILTER (WHERE e.event <> 'notified'))[1] AS last,
                         max(e.recorded_at) FILTER (WHERE e.event = 'consented') AS consented_at,
                         (array_agg(e.until ORDER BY e.id DESC) FILTER (WHERE e.event = 'notified' AND e.recorded_at >= r.changed_at))[1] AS until
                  FROM toms.recipient_event e WHERE e.recipient = r.recipient AND e.tenant = of_tenant) said
    WHERE r.recipient = of_recipient;
$$;
REVOKE ALL ON FUNCTION toms.recipient_state(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.recipient_state(text, text) IS 'internal: what a controller has said to a recipient, last';

CREATE VIEW toms.recipients AS
    SELECT r.recipient, r.kind, r.country, r.categories, r.parent, r.agreement, r.contact, r.transfer_instrument, r.instrument_from, r.instrument_expires,
           r.unreadable, r.ended_at IS NULL AS active, r.added_at, r.added_by, r.changed_at, r.ended_at, r.ended_by, r.ended_reason
    FROM toms.recipient r WHERE NOT r.shipped;
COMMENT ON VIEW toms.recipients IS 'recipients of personal data, with country, agreement and transfer instrument, ended ones included';
GRANT SELECT ON toms.recipients TO toms_admin, toms_auditor, toms_operator;
