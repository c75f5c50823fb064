-- Who has looked at what was found unasked: in the audit trail, and in tables that nobody has protected.

CREATE TABLE toms.finding_note (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    finding     text NOT NULL,          -- id of toms.findings or toms.coverage()
    state       text NOT NULL CHECK (state IN ('seen', 'acknowledged', 'escalated')),
    person      text NOT NULL,          -- who has looked at it
    reason      text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    recorded_by text NOT NULL DEFAULT session_user
);
CREATE INDEX finding_note_finding_idx ON toms.finding_note (finding, id);
SELECT pg_catalog.pg_extension_config_dump('toms.finding_note', '');
SELECT pg_catalog.pg_extension_config_dump('toms.finding_note_id_seq', '');
REVOKE ALL ON toms.finding_note FROM PUBLIC;
GRANT SELECT ON toms.finding_note TO toms_admin, toms_auditor;
GRANT SELECT ON SEQUENCE toms.finding_note_id_seq TO toms_auditor;      -- a dump of the schema reads it
COMMENT ON TABLE toms.finding_note IS 'who has looked at a finding, with what result and why; the newest row is in force';

CREATE FUNCTION toms.note_of_finding(finding text, OUT state text, OUT person text, OUT reason text, OUT recorded_at timestamptz)
RETURNS record LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.state, n.person, n.reason, n.recorded_at FROM toms.finding_note n WHERE n.finding = note_of_finding.finding ORDER BY n.id DESC LIMIT 1;
$$;
REVOKE ALL ON FUNCTION toms.note_of_finding(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.note_of_finding(text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.note_of_finding(text) IS 'internal: who has looked at a finding last';

CREATE VIEW toms.findings AS
    SELECT f.at, f.finding, f.tenant, f.pseudonym, f.details, f.entry, f.name, f.id, coalesce(n.state, 'open') AS state, n.person AS looked_at_by, n.recorded_at AS looked_at, n.reason
    FROM toms.find_unusual() f, LATERAL toms.note_of_finding(f.id) n;
COMMENT ON VIEW toms.findings IS 'unusual entries of the audit trail of the last 90 days; who it was as a pseudonym of that month, by name once toms.release_actor() has opened the entry; and who has looked at it';
GRANT SELECT ON toms.findings TO toms_admin, toms_auditor;

CREATE FUNCTION toms.acknowledge_finding(id text, by text, reason text, state text DEFAULT 'acknowledged')
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF num_nulls(by, reason) > 0 OR '' IN (by, reason) THEN
        RAISE EXCEPTION 'a person looks at a finding, and says what he thinks of it' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF state IS NULL OR state NOT IN ('seen', 'acknowledged', 'escalated') THEN
        RAISE EXCEPTION 'a finding is not "%"', state USING ERRCODE = 'invalid_parameter_value', HINT = 'seen, acknowledged or escalated.';
    END IF;
    IF id IS NULL OR NOT EXISTS (SELECT FROM toms.found_unusual() f WHERE f.id = acknowledge_finding.id) AND NOT EXISTS (SELECT FROM toms.coverage() c WHERE c.id = acknowledge_finding.id) THEN
        RAISE EXCEPTION 'there is no finding "%"', id USING ERRCODE = 'undefined_object', HINT = 'SELECT id FROM toms.findings; SELECT id FROM toms.coverage();';
    END IF;
    IF state <> 'escalated' AND EXISTS (SELECT FROM toms.found_unusual() f WHERE f.id = acknowledge_finding.id AND f.name = session_user AND f.finding NOT IN ('measure_worse', 'retention_limit')) THEN
        RAISE EXCEPTION 'the finding is about your own log-in' USING ERRCODE = 'insufficient_privilege',
            HINT = format('Another officer looks at it: SELECT toms.acknowledge_finding(%L, by => ''…'', reason => ''…'', state => ''escalated'');', id);
    END IF;
    INSERT INTO toms.finding_note (finding, state, person, reason) VALUES (id, acknowledge_finding.state, by, acknowledge_finding.reason);
END
$$;
REVOKE ALL ON FUNCTION toms.acknowledge_finding(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.acknowledge_finding(text, text, text, text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.acknowledge_finding(text, text, text, text) IS 'record that a person has looked at a finding of toms.findings or toms.coverage(): seen, acknowledged or escalated, and why';

-- what the check says of it --------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('findings_none', 'en', 'The audit trail of the last 90 days was searched for unusual entries; there are none.'),
    ('findings_none', 'de', 'Das Protokoll der letzten 90 Tage wurde auf Auffälligkeiten durchsucht; es gibt keine.'),
    ('findings_looked', 'en', 'The audit trail of the last 90 days was searched for unusual entries: found: %1$s; looked at by named persons: %2$s; of these escalated: %3$s; still to be looked at within seven days: %4$s.'),
    ('findings_looked', 'de', 'Das Protokoll der letzten 90 Tage wurde auf Auffälligkeiten durchsucht: gefunden: %1$s; von benannten Personen bewertet: %2$s; davon eskaliert: %3$s; noch binnen sieben Tagen zu bewerten: %4$s.'),
    ('findings_unseen', 'en', 'Nobody has looked at finding %1$s of %2$s for more than seven days.'),
    ('findings_unseen', 'de', 'Auffälligkeit %1$s vom %2$s hat seit mehr als sieben Tagen niemand bewertet.');

CREATE FUNCTION toms.probe_findings_evaluated()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH found AS MATERIALIZED (
        SELECT f.id, f.at, f.tenant, n.state, n.state IS NULL AND f.at < now() - interval '7 days' AS late FROM toms.found_unusual() f, LATERAL toms.note_of_finding(f.id) n)
    SELECT CASE WHEN count(*) = 0 THEN toms.found('pass', 'findings_none')
                ELSE toms.found('pass', 'findings_looked', ARRAY[count(*)::text, count(f.state)::text, (count(*) FILTER (WHERE f.state = 'escalated'))::text,
                                                                 (count(*) FILTER (WHERE f.state IS NULL AND NOT f.late))::text]) END
    FROM found f
    UNION ALL
    SELECT toms.found('overdue', 'findings_unseen', ARRAY[f.id, to_char(f.at AT TIME ZONE 'UTC', 'YYYY-MM-DD')],
                      format('SELECT toms.acknowledge_finding(%L, by => ''…'', reason => ''…'');', f.id), f.tenant)
    FROM found f WHERE f.late;
$$;
REVOKE ALL ON FUNCTION toms.probe_findings_evaluated() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_findings_evaluated() IS 'internal: whether somebody has looked at what is unusual in the trail';
