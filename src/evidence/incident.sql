-- The register of incidents (Art. 33 GDPR): what happened, when somebody became aware of it, and when each controller was told.
--
-- A processor tells the controller without undue delay (Art. 33(2)): within the hours that are agreed on, counted through nights
-- and weekends, else within one working day. The 72 hours are the controller's own, from when he was told.

CREATE TABLE toms.incident (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind                text NOT NULL CHECK (kind IN ('disruption_or_suspicion', 'contract_breach', 'security_incident', 'authority_audit', 'third_party_threat')),
    description         text NOT NULL CHECK (description <> ''),
    aware_at            timestamptz NOT NULL,   -- somebody of the processor: the clocks run from here
    known_at            timestamptz,            -- it was certain; NULL: it is suspected
    began_at            timestamptz,            -- what happened, and until when: where the trail is searched
    ended_at            timestamptz,
    actors              text[],                 -- of the trail: who did it, as tokens write him
    logins              text[],                 -- or by which log-ins
    relations           text[],                 -- the tables concerned
    nature              text,                   -- Art. 33(3)(a)
    subject_categories  text,
    subjects            bigint,                 -- about how many
    record_categories   text,
    records             bigint,
    dpo_contact         text,                   -- Art. 33(3)(b)
    likely_consequences text,                   -- Art. 33(3)(c)
    measures_taken      text,                   -- Art. 33(3)(d)
    no_notice_because   text,                   -- why no controller has to be told of it
    outcome             text,
    closed_at           timestamptz,            -- NULL: open
    closed_by           text,
    recorded_at         timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    recorded_by         text NOT NULL DEFAULT session_user,
    CHECK (known_at >= aware_at AND ended_at >= began_at AND (closed_at IS NULL) = (outcome IS NULL) AND subjects >= 0 AND records >= 0)
);
SELECT pg_catalog.pg_extension_config_dump('toms.incident', '');
SELECT pg_catalog.pg_extension_config_dump('toms.incident_id_seq', '');
COMMENT ON TABLE toms.incident IS 'incidents, also those of which nobody has to be told: the facts of Art. 33(3) GDPR, when the processor became aware, and what came of it';

CREATE TABLE toms.incident_notice (
    incident    bigint NOT NULL,        -- of toms.incident
    tenant      text COLLATE "C" NOT NULL,
    aware_at    timestamptz NOT NULL,   -- that this tenant is concerned
    hours       integer,                -- as agreed at that time; NULL: one working day
    due         timestamptz NOT NULL,
    informed_at timestamptz,
    how         text,
    late_reason text,
    recorded_by text,
    PRIMARY KEY (incident, tenant),
    CHECK ((informed_at IS NULL) = (how IS NULL) AND (informed_at <= due OR late_reason <> ''))
);
SELECT pg_catalog.pg_extension_config_dump('toms.incident_notice', '');
COMMENT ON TABLE toms.incident_notice IS 'controllers to be told of an incident: until when, when and how they were';

CREATE TABLE toms.notice_hours (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text COLLATE "C" NOT NULL,
    hours       integer CHECK (hours BETWEEN 1 AND 720),     -- NULL: one working day
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    recorded_by text NOT NULL DEFAULT session_user
);
CREATE INDEX notice_hours_tenant_idx ON toms.notice_hours (tenant, id);
SELECT pg_catalog.pg_extension_config_dump('toms.notice_hours', '');
SELECT pg_catalog.pg_extension_config_dump('toms.notice_hours_id_seq', '');
COMMENT ON TABLE toms.notice_hours IS 'within how many hours a controller is told of an incident, as agreed with him; the newest row is in force';

REVOKE ALL ON toms.incident, toms.incident_notice, toms.notice_hours FROM PUBLIC;
GRANT SELECT ON toms.incident, toms.incident_notice, toms.notice_hours TO toms_admin, toms_auditor;
GRANT SELECT ON SEQUENCE toms.incident_id_seq, toms.notice_hours_id_seq TO toms_auditor;     -- a dump of the schema reads them

CREATE FUNCTION toms.check_incident_tenant(tenant text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = check_incident_tenant.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_incident_tenant(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_incident_tenant(text) IS 'internal: refuse a tenant that there is not; one whose contract has ended may still be concerned';

CREATE FUNCTION toms.set_notice_hours(tenant text, hours integer)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.check_incident_tenant(tenant);
    IF hours NOT BETWEEN 1 AND 720 THEN
        RAISE EXCEPTION 'a notice is due within 1 to 720 hours' USING ERRCODE = 'invalid_parameter_value', HINT = 'NULL stands for one working day.';
    END IF;
    INSERT INTO toms.notice_hours (tenant, hours) VALUES (set_notice_hours.tenant, set_notice_hours.hours);
END
$$;
REVOKE ALL ON FUNCTION toms.set_notice_hours(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.set_notice_hours(text, integer) TO toms_admin;
COMMENT ON FUNCTION toms.set_notice_hours(text, integer) IS 'within how many hours a controller is to be told of an incident, as agreed with him; NULL: one working day';

-- Saturdays and Sundays do not count, holidays do: they differ from place to place. Days are those of the session's time zone.
CREATE FUNCTION toms.working_day_after(at timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT b.start + CASE extract(isodow FROM b.start) WHEN 5 THEN interval '3 days' ELSE interval '1 day' END
    FROM (SELECT CASE extract(isodow FROM at) WHEN 6 THEN date_trunc('day', at) + interval '2 days' WHEN 7 THEN date_trunc('day', at) + interval '1 day' ELSE at END AS start) b;
$$;
REVOKE ALL ON FUNCTION toms.working_day_after(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.working_day_after(timestamptz) IS 'internal: when a working day has passed, Monday to Friday';

CREATE FUNCTION toms.add_incident_notices(incident bigint, tenants text[], aware_at timestamptz)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    concerned text;
    agreed integer;
BEGIN
    FOREACH concerned IN ARRAY tenants LOOP
        PERFORM toms.check_incident_tenant(concerned);
        agreed := (SELECT h.hours FROM toms.notice_hours h WHERE h.tenant = concerned ORDER BY h.id DESC LIMIT 1);
        INSERT INTO toms.incident_notice (incident, tenant, aware_at, hours, due)
        VALUES (add_incident_notices.incident, concerned, add_incident_notices.aware_at, agreed,
                CASE WHEN agreed IS NULL THEN toms.working_day_after(aware_at) ELSE aware_at + make_interval(hours => agreed) END)
        ON CONFLICT DO NOTHING;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.add_incident_notices(bigint, text[], timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.add_incident_notices(bigint, text[], timestamptz) IS 'internal: tenants that an incident concerns, and until when they are to be told';

CREATE FUNCTION toms.record_incident(kind text, aware_at timestamptz, tenants text[], description text, known_at timestamptz DEFAULT NULL,
                                     no_notice_because text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kinds constant text[] := '{disruption_or_suspicion,contract_breach,security_incident,authority_audit,third_party_threat}';
    recorded bigint;
BEGIN
    IF kind IS NULL OR kind <> ALL (kinds) THEN
        RAISE EXCEPTION 'there is no incident of kind "%"', kind USING ERRCODE = 'invalid_parameter_value', HINT = 'Kinds are ' || array_to_string(kinds, ', ') || '.';
    END IF;
    IF num_nulls(aware_at, tenants) > 0 OR coalesce(description, '') = '' OR array_position(tenants, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'of an incident it is told what it is, when somebody became aware of it, and which tenants it concerns' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF greatest(aware_at, known_at) > clock_timestamp() OR known_at < aware_at OR NOT isfinite(aware_at) THEN
        RAISE EXCEPTION 'one becomes aware of an incident in the past, and is certain of it later' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF (tenants = '{}') <> (coalesce(no_notice_because, '') <> '') THEN
        RAISE EXCEPTION 'an incident concerns tenants, or there is a reason why none of them has to be told' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'tenants => ''{acme}'', or tenants => ''{}'', no_notice_because => ''…''';
    END IF;
    INSERT INTO toms.incident (kind, description, aware_at, known_at, no_notice_because)
    VALUES (record_incident.kind, record_incident.description, record_incident.aware_at, record_incident.known_at, record_incident.no_notice_because)
    RETURNING id INTO recorded;
    PERFORM toms.add_incident_notices(recorded, tenants, aware_at);
    RETURN recorded;
END
$$;
REVOKE ALL ON FUNCTION toms.record_incident(text, timestamptz, text[], text, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_incident(text, timestamptz, text[], text, timestamptz, text) TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.record_incident(text, timestamptz, text[], text, timestamptz, text) IS 'take an incident into the register; from aware_at the clock of each tenant runs within which he is to be told';

CREATE FUNCTION toms.open_incident(id bigint)
RETURNS toms.incident LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    open toms.incident;
BEGIN
    SELECT * INTO open FROM toms.incident i WHERE i.id = open_incident.id AND i.closed_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no open incident %', id USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.incidents WHERE closed_at IS NULL;';
    END IF;
    RETURN open;
END
$$;
REVOKE ALL ON FUNCTION toms.open_incident(bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.open_incident(bigint) IS 'internal: an incident that has not been closed';

-- What comes to be known step by step (Art. 33(4)). Tenants that turn out to be concerned are to be told from now on.
CREATE FUNCTION toms.update_incident(incident bigint, known_at timestamptz DEFAULT NULL, tenants text[] DEFAULT NULL, began_at timestamptz DEFAULT NULL, ended_at timestamptz DEFAULT NULL,
                                     actors text[] DEFAULT NULL, logins text[] DEFAULT NULL, relations text[] DEFAULT NULL, nature text DEFAULT NULL,
                                     subject_categories text DEFAULT NULL, subjects bigint DEFAULT NULL, record_categories text DEFAULT NULL, records bigint DEFAULT NULL,
                                     dpo_contact text DEFAULT NULL, likely_consequences text DEFAULT NULL, measures_taken text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    open constant toms.incident := toms.open_incident(incident);
    unknown constant text := (SELECT r FROM unnest(relations) r WHERE to_regclass(r) IS NULL LIMIT 1);
BEGIN
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'there is no table "%"', unknown USING ERRCODE = 'undefined_table';
    END IF;
    IF greatest(known_at, began_at) > clock_timestamp() OR known_at < open.aware_at OR coalesce(ended_at, open.ended_at) < coalesce(began_at, open.began_at) THEN
        RAISE EXCEPTION 'an incident begins in the past, ends after that, and is certain after one has become aware of it' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM toms.add_incident_notices(incident, coalesce(tenants, '{}'), clock_timestamp());
    UPDATE toms.incident i SET
        known_at = coalesce(update_incident.known_at, i.known_at), began_at = coalesce(update_incident.began_at, i.began_at), ended_at = coalesce(update_incident.ended_at, i.ended_at),
        actors = coalesce(update_incident.actors, i.actors), logins = coalesce(update_incident.logins, i.logins), relations = coalesce(update_incident.relations, i.relations),
        nature = coalesce(update_incident.nature, i.nature), subject_categories = coalesce(update_incident.subject_categories, i.subject_categories),
        subjects = coalesce(update_incident.subjects, i.subjects), record_categories = coalesce(update_incident.record_categories, i.record_categories),
        records = coalesce(update_incident.records, i.records), dpo_contact = coalesce(update_incident.dpo_contact, i.dpo_contact),
        likely_consequences = coalesce(update_incident.likely_consequences, i.likely_consequences), measures_taken = coalesce(update_incident.measures_taken, i.measures_taken)
    WHERE i.id = incident;
END
$$;
REVOKE ALL ON FUNCTION toms.update_incident(bigint, timestamptz, text[], timestamptz, timestamptz, text[], text[], text[], text, text, bigint, text, bigint, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.update_incident(bigint, timestamptz, text[], timestamptz, timestamptz, text[], text[], text[], text, text, bigint, text, bigint, text, text, text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.update_incident(bigint, timestamptz, text[], timestamptz, timestamptz, text[], text[], text[], text, text, bigint, text, bigint, text, text, text) IS 'add to an incident what has become known: the facts of Art. 33(3) GDPR, further tenants, and where to look in the audit trail; what is left out stays';

CREATE FUNCTION toms.record_incident_notice(incident bigint, tenant text, informed_at timestamptz, how text, late_reason text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    notice toms.incident_notice;
BEGIN
    SELECT * INTO notice FROM toms.incident_notice n WHERE (n.incident, n.tenant) = (record_incident_notice.incident, record_incident_notice.tenant) FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'incident % does not concern tenant "%"', incident, tenant USING ERRCODE = 'undefined_object',
            HINT = format('SELECT toms.update_incident(%s, tenants => %L);', incident, ARRAY[tenant]);
    END IF;
    IF notice.informed_at IS NOT NULL THEN
        RAISE EXCEPTION 'tenant "%" was told of incident % already', tenant, incident USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF informed_at IS NULL OR coalesce(how, '') = '' OR informed_at > clock_timestamp() OR informed_at < (SELECT i.aware_at FROM toms.incident i WHERE i.id = incident) THEN
        RAISE EXCEPTION 'a tenant is told after one has become aware, and not in the future; it is said how' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF informed_at > notice.due AND coalesce(late_reason, '') = '' THEN
        RAISE EXCEPTION 'tenant "%" was told too late of incident %', tenant, incident USING ERRCODE = 'null_value_not_allowed',
            DETAIL = format('The notice was due at %s.', notice.due), HINT = 'Say why: late_reason => ''…''';
    END IF;
    UPDATE toms.incident_notice n SET informed_at = record_incident_notice.informed_at, how = record_incident_notice.how, late_reason = record_incident_notice.late_reason, recorded_by = session_user
    WHERE (n.incident, n.tenant) = (notice.incident, notice.tenant);
END
$$;
REVOKE ALL ON FUNCTION toms.record_incident_notice(bigint, text, timestamptz, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_incident_notice(bigint, text, timestamptz, text, text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.record_incident_notice(bigint, text, timestamptz, text, text) IS 'a controller was told of an incident: when and how, and why so late if it was too late';

-- An audit by the authority has no facts of a breach.
CREATE FUNCTION toms.close_incident(incident bigint, outcome text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    open constant toms.incident := toms.open_incident(incident);
    untold constant text := (SELECT min(n.tenant) FROM toms.incident_notice n WHERE n.incident = close_incident.incident AND n.informed_at IS NULL);
BEGIN
    IF coalesce(outcome, '') = '' THEN
        RAISE EXCEPTION 'an incident is closed with an outcome' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF untold IS NOT NULL THEN
        RAISE EXCEPTION 'tenant "%" has not been told of incident %', untold, incident USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.record_incident_notice(%s, %L, informed_at => now(), how => ''…'');', incident, untold);
    END IF;
    IF open.kind <> 'authority_audit' AND num_nulls(open.nature, open.likely_consequences, open.measures_taken) > 0 THEN
        RAISE EXCEPTION 'of incident % it is not documented what it was, what may come of it and what was done', incident USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'Art. 33(5) GDPR.', HINT = format('SELECT toms.update_incident(%s, nature => ''…'', likely_consequences => ''…'', measures_taken => ''…'');', incident);
    END IF;
    UPDATE toms.incident i SET outcome = close_incident.outcome, closed_at = clock_timestamp(), closed_by = session_user WHERE i.id = incident;
END
$$;
REVOKE ALL ON FUNCTION toms.close_incident(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.close_incident(bigint, text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.close_incident(bigint, text) IS 'an incident is over: everybody has been told, and what happened is documented; it stays in the register';

-- The controller's own 72 hours (Art. 33(1)) begin when he is told.
CREATE VIEW toms.incidents AS
    SELECT i.id AS incident, i.kind, i.description, i.aware_at, i.known_at, n.tenant, n.hours, n.due, n.informed_at, n.how, n.late_reason,
           n.informed_at IS NULL AND n.due OPERATOR(pg_catalog.<) pg_catalog.now() AS overdue,
           CASE WHEN i.kind OPERATOR(pg_catalog.<>) 'authority_audit' THEN n.informed_at OPERATOR(pg_catalog.+) '72 hours'::interval END AS controllers_due,
           i.nature, i.subject_categories, i.subjects, i.record_categories, i.records, i.dpo_contact, i.likely_consequences, i.measures_taken,
           i.no_notice_because, i.outcome, i.closed_at
    FROM toms.incident i LEFT JOIN toms.incident_notice n ON n.incident OPERATOR(pg_catalog.=) i.id;
COMMENT ON VIEW toms.incidents IS 'incidents, a row for each tenant concerned: until when he is to be told, whether that is overdue, and until when he tells the authority, by his own duty';
GRANT SELECT ON toms.incidents TO toms_admin, toms_auditor;

-- Whose rows were changed, and whose sealed values were opened. Reads of clear text do not say whose.
CREATE FUNCTION toms.incident_subjects(incident bigint)
RETURNS TABLE (tenant text, subject text, entries bigint, first_at timestamptz, last_at timestamptz, kinds text[], relations text[])
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    asked toms.incident;
BEGIN
    SELECT * INTO asked FROM toms.incident i WHERE i.id = $1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no incident %', $1 USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.incidents;';
    END IF;
    IF asked.began_at IS NULL THEN
        RAISE EXCEPTION 'it is not known when incident % began', $1 USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.update_incident(%s, began_at => ''…'', ended_at => ''…'', logins => ''{…}'');', $1);
    END IF;
    PERFORM toms.note_reading('r', 'a', jsonb_build_object('by', 'incident_subjects', 'incident', $1));
    RETURN QUERY
    SELECT n.tenant, l.subject, count(*), min(l.at), max(l.at), array_agg(DISTINCT l.kind ORDER BY l.kind), array_agg(DISTINCT l.relation ORDER BY l.relation)
    FROM toms.incident_notice n,
         LATERAL (SELECT to_regclass(r) AS relation FROM unnest(asked.relations) r WHERE to_regclass(r) IS NOT NULL UNION ALL SELECT NULL WHERE asked.relations IS NULL) r,
         LATERAL (SELECT a AS actor FROM unnest(asked.actors) a UNION ALL SELECT NULL WHERE asked.actors IS NULL) a,
         LATERAL toms.list_audit(asked.began_at, asked.ended_at, r.relation, NULL, n.tenant, a.actor, NULL, NULL) l
    WHERE n.incident = $1 AND (asked.logins IS NULL OR l.login = ANY (asked.logins))
      AND l.kind IN (SELECT k.kind FROM toms.audit_names() k WHERE k.letter IN ('c', 'r'))
    GROUP BY n.tenant, l.subject ORDER BY n.tenant, l.subject;
END
$$;
REVOKE ALL ON FUNCTION toms.incident_subjects(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.incident_subjects(bigint) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.incident_subjects(bigint) IS 'data subjects whom an incident concerns, from the audit trail: between its times, by its actors or log-ins, in its tables; subject NULL: entries that do not say whose rows they are about; it is recorded';

-- what the check says of it --------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('incidents_register', 'en', 'The register of incidents is kept. Tenants with whom a number of hours is agreed: %1$s; all others are told within one working day.'),
    ('incidents_register', 'de', 'Das Vorfallregister wird geführt. Mandanten mit vereinbarter Meldefrist in Stunden: %1$s; alle anderen werden binnen eines Arbeitstages unterrichtet.'),
    ('incidents_told', 'en', 'Tenant %1$s: incidents on record: %2$s; told of in time: %3$s; told of late, with a reason: %4$s.'),
    ('incidents_told', 'de', 'Mandant %1$s: verzeichnete Vorfälle: %2$s; fristgerecht unterrichtet: %3$s; verspätet, mit Begründung: %4$s.'),
    ('incidents_overdue', 'en', 'Tenant %1$s has not been told of incident %2$s; that was due on %3$s.'),
    ('incidents_overdue', 'de', 'Mandant %1$s ist über Vorfall %2$s nicht unterrichtet; fällig war das am %3$s.');

CREATE FUNCTION toms.probe_incidents()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.found('pass', 'incidents_register', ARRAY[(SELECT count(*) FROM (SELECT DISTINCT ON (h.tenant) h.hours FROM toms.notice_hours h ORDER BY h.tenant, h.id DESC) a
                                                           WHERE a.hours IS NOT NULL)::text])
    UNION ALL
    SELECT toms.found('pass', 'incidents_told', ARRAY[i.tenant, count(*)::text, (count(*) FILTER (WHERE i.informed_at <= i.due))::text, (count(*) FILTER (WHERE i.informed_at > i.due))::text], NULL, i.tenant)
    FROM toms.incidents i WHERE i.tenant IS NOT NULL GROUP BY i.tenant
    UNION ALL
    SELECT toms.found('overdue', 'incidents_overdue', ARRAY[i.tenant, i.incident::text, to_char(i.due AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')],
                      format('SELECT toms.record_incident_notice(%s, %L, informed_at => now(), how => ''…'', late_reason => ''…'');', i.incident, i.tenant), i.tenant)
    FROM toms.incidents i WHERE i.overdue;
$$;
REVOKE ALL ON FUNCTION toms.probe_incidents() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_incidents() IS 'internal: whether controllers have been told of incidents in time';
