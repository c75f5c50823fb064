-- What a database cannot see: who answers for a measure, what proves it, who looked at it and when somebody must again;
-- and which measures have nothing to do with this installation, who said so and why.

CREATE TABLE toms.measure_record (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    measure     text NOT NULL,
    owner       text NOT NULL,          -- the person, or office, who answers for it
    evidence    text NOT NULL,          -- where the proof is kept: a document, a certificate, a ticket
    recorded_at timestamptz NOT NULL DEFAULT now(),
    recorded_by text NOT NULL DEFAULT session_user
);
CREATE INDEX measure_record_measure_idx ON toms.measure_record (measure, id);
SELECT pg_catalog.pg_extension_config_dump('toms.measure_record', '');
SELECT pg_catalog.pg_extension_config_dump('toms.measure_record_id_seq', '');
COMMENT ON TABLE toms.measure_record IS 'who answers for a measure and what proves it; the newest row is in force';

CREATE TABLE toms.measure_review (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    measure     text NOT NULL,
    reviewer    text NOT NULL,
    result      text NOT NULL,
    reviewed_at timestamptz NOT NULL DEFAULT now(),
    next_due    date NOT NULL,
    recorded_by text NOT NULL DEFAULT session_user
);
CREATE INDEX measure_review_measure_idx ON toms.measure_review (measure, id);
SELECT pg_catalog.pg_extension_config_dump('toms.measure_review', '');
SELECT pg_catalog.pg_extension_config_dump('toms.measure_review_id_seq', '');
COMMENT ON TABLE toms.measure_review IS 'reviews of measures: by whom, with what result, and when the next one is due';

CREATE TABLE toms.measure_exclusion (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    measure    text NOT NULL,
    decided_by text NOT NULL,           -- the person who decided it
    reason     text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    recorded_by text NOT NULL DEFAULT session_user
);
CREATE UNIQUE INDEX measure_exclusion_measure_idx ON toms.measure_exclusion (measure) WHERE ended_at IS NULL;
SELECT pg_catalog.pg_extension_config_dump('toms.measure_exclusion', '');
SELECT pg_catalog.pg_extension_config_dump('toms.measure_exclusion_id_seq', '');
COMMENT ON TABLE toms.measure_exclusion IS 'measures that are not applicable here: since when, until when, who decided it and why';

REVOKE ALL ON toms.measure_record, toms.measure_review, toms.measure_exclusion FROM PUBLIC;
GRANT SELECT ON toms.measure_record, toms.measure_review, toms.measure_exclusion TO toms_admin, toms_auditor;
GRANT SELECT ON SEQUENCE toms.measure_record_id_seq, toms.measure_review_id_seq, toms.measure_exclusion_id_seq TO toms_auditor;     -- a dump of the schema reads them

CREATE VIEW toms.excluded_measures AS
    SELECT x.measure, x.decided_by, x.decided_at, x.reason FROM toms.measure_exclusion x WHERE x.ended_at IS NULL;
COMMENT ON VIEW toms.excluded_measures IS 'measures that are not applicable here, who decided it and why';
GRANT SELECT ON toms.excluded_measures TO toms_admin, toms_auditor;

CREATE VIEW toms.measure_reviews AS
    SELECT m.measure, m.kind, r.owner, r.evidence, v.reviewer, v.result, v.reviewed_at, v.next_due
    FROM (SELECT m.measure, m.kind FROM toms.measure m WHERE m.reviewed AND NOT EXISTS (SELECT FROM toms.measure_part p WHERE p.measure OPERATOR(pg_catalog.=) m.measure)
          UNION ALL
          SELECT p.part, CASE WHEN p.probed THEN m.kind ELSE 'recorded' END FROM toms.measure_part p JOIN toms.measure m ON m.measure OPERATOR(pg_catalog.=) p.measure WHERE p.reviewed) m
         LEFT JOIN LATERAL (SELECT * FROM toms.measure_record r WHERE r.measure OPERATOR(pg_catalog.=) m.measure ORDER BY r.id DESC LIMIT 1) r ON true
         LEFT JOIN LATERAL (SELECT * FROM toms.measure_review v WHERE v.measure OPERATOR(pg_catalog.=) m.measure ORDER BY v.id DESC LIMIT 1) v ON true;
COMMENT ON VIEW toms.measure_reviews IS 'measures, or parts of those that have several, that somebody has to look at: who answers for them, what proves them, the last review and when the next one is due';
GRANT SELECT ON toms.measure_reviews TO toms_admin, toms_auditor;

CREATE FUNCTION toms.check_measure(measure text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM toms.measure m WHERE m.measure = check_measure.measure) AND NOT EXISTS (SELECT FROM toms.measure_part p WHERE p.part = check_measure.measure) THEN
        RAISE EXCEPTION 'there is no measure "%"', measure USING ERRCODE = 'undefined_object', HINT = 'SELECT measure, title_en FROM toms.measure ORDER BY position;';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_measure(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_measure(text) IS 'internal: refuse a measure, or a part of one, that there is not';

-- What somebody says of several promises at once is evidence of none.
CREATE FUNCTION toms.check_single(measure text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.check_measure(measure);
    IF EXISTS (SELECT FROM toms.measure_part p WHERE p.measure = check_single.measure) THEN
        RAISE EXCEPTION 'measure "%" is several promises, each of which is answered for by itself', measure USING ERRCODE = 'invalid_parameter_value',
            HINT = format('SELECT part, title_en FROM toms.measure_part WHERE measure = %L AND reviewed;', measure);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_single(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_single(text) IS 'internal: refuse a measure that is several promises';

CREATE FUNCTION toms.record_measure(measure text, owner text, evidence text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.check_single(measure);
    IF num_nulls(owner, evidence) > 0 OR '' IN (owner, evidence) THEN
        RAISE EXCEPTION 'a measure has an owner and evidence' USING ERRCODE = 'null_value_not_allowed', HINT = 'Name the person or office who answers for it, and where its proof is kept.';
    END IF;
    INSERT INTO toms.measure_record (measure, owner, evidence) VALUES (record_measure.measure, record_measure.owner, record_measure.evidence);
END
$$;
REVOKE ALL ON FUNCTION toms.record_measure(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_measure(text, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.record_measure(text, text, text) IS 'record who answers for a measure, or a part of one, and where its proof is kept';

CREATE FUNCTION toms.record_review(measure text, by text, result text, next_due date)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    review bigint;
BEGIN
    PERFORM toms.check_single(measure);
    IF num_nulls(by, result, next_due) > 0 OR '' IN (by, result) THEN
        RAISE EXCEPTION 'a review has a person, a result and the day of the next one' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF next_due <= current_date THEN
        RAISE EXCEPTION 'the next review must be due after today' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO toms.measure_review (measure, reviewer, result, next_due) VALUES (record_review.measure, by, record_review.result, record_review.next_due) RETURNING id INTO review;
    RETURN review;
END
$$;
REVOKE ALL ON FUNCTION toms.record_review(text, text, text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.record_review(text, text, text, date) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.record_review(text, text, text, date) IS 'record that a person has reviewed a measure, or a part of one, with what result, and when the next review is due';

CREATE FUNCTION toms.exclude_measure(measure text, by text, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.check_measure(measure);
    IF num_nulls(by, reason) > 0 OR '' IN (by, reason) THEN
        RAISE EXCEPTION 'a measure is not applicable because a person says so, with a reason' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    INSERT INTO toms.measure_exclusion (measure, decided_by, reason) VALUES (exclude_measure.measure, by, exclude_measure.reason) ON CONFLICT DO NOTHING;
END
$$;
REVOKE ALL ON FUNCTION toms.exclude_measure(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.exclude_measure(text, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.exclude_measure(text, text, text) IS 'say that a measure, or a part of one, is not applicable here, who decided it and why';

CREATE FUNCTION toms.include_measure(measure text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.check_measure(measure);
    UPDATE toms.measure_exclusion x SET ended_at = now() WHERE x.measure = include_measure.measure AND x.ended_at IS NULL;
END
$$;
REVOKE ALL ON FUNCTION toms.include_measure(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.include_measure(text) TO toms_admin;
COMMENT ON FUNCTION toms.include_measure(text) IS 'take back that a measure is not applicable';

-- what the check says of it --------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('review_unowned', 'en', 'Nobody has been named who answers for it, and no evidence.'),
    ('review_unowned', 'de', 'Es sind weder eine zuständige Stelle noch ein Nachweis benannt.'),
    ('review_owned', 'en', 'Answered for by %1$s; evidence: %2$s.'),
    ('review_owned', 'de', 'Zuständig: %1$s; Nachweis: %2$s.'),
    ('review_none', 'en', 'It has never been reviewed.'),
    ('review_none', 'de', 'Eine Überprüfung hat noch nicht stattgefunden.'),
    ('review_overdue', 'en', 'The review due on %1$s is overdue; the last one was on %2$s.'),
    ('review_overdue', 'de', 'Die zum %1$s fällige Überprüfung steht aus; die letzte war am %2$s.'),
    ('review_done', 'en', 'Reviewed on %1$s by %2$s: %3$s. The next review is due on %4$s.'),
    ('review_done', 'de', 'Überprüft am %1$s (%2$s): %3$s. Die nächste Überprüfung ist am %4$s fällig.');

CREATE FUNCTION toms.review_state(measure text)
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH state AS (SELECT r.* FROM toms.measure_reviews r WHERE r.measure = review_state.measure)
    SELECT ROW(CASE WHEN s.owner IS NULL THEN 'fail' ELSE 'pass' END, CASE WHEN s.owner IS NULL THEN 'review_unowned' ELSE 'review_owned' END,
               CASE WHEN s.owner IS NOT NULL THEN ARRAY[s.owner, s.evidence] END,
               CASE WHEN s.owner IS NULL THEN format('SELECT toms.record_measure(%L, owner => ''…'', evidence => ''…'');', measure) END, NULL)::toms.probed
    FROM state s WHERE s.kind = 'recorded' OR s.owner IS NOT NULL
    UNION ALL
    SELECT ROW(CASE WHEN s.next_due >= current_date THEN 'pass' ELSE 'overdue' END,
               CASE WHEN s.next_due IS NULL THEN 'review_none' WHEN s.next_due < current_date THEN 'review_overdue' ELSE 'review_done' END,
               CASE WHEN s.next_due < current_date THEN ARRAY[s.next_due::text, s.reviewed_at::date::text]
                    ELSE ARRAY[s.reviewed_at::date::text, s.reviewer, s.result, s.next_due::text] END,
               CASE WHEN s.next_due IS NULL OR s.next_due < current_date
                    THEN format('SELECT toms.record_review(%L, by => ''…'', result => ''…'', next_due => current_date + 365);', measure) END, NULL)::toms.probed
    FROM state s;
$$;
REVOKE ALL ON FUNCTION toms.review_state(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.review_state(text) IS 'internal: what is known of the owner, the evidence and the reviews of a measure';
