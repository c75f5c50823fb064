-- How long entries are kept, by kind.  What is declared is recorded: the last declaration counts.

CREATE TABLE toms.audit_period (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind   text NOT NULL,
    keep   interval NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    set_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    set_by text NOT NULL,
    CHECK (timestamp '2001-01-01' + keep >= timestamp '2001-01-01' +
           CASE kind WHEN 'change' THEN interval '1 year' WHEN 'read' THEN interval '1 year' WHEN 'refusal' THEN interval '90 days'
                     WHEN 'session' THEN interval '30 days' WHEN 'admin' THEN interval '1 year' WHEN 'deletion' THEN interval '3 years' END IS TRUE)
);
SELECT pg_catalog.pg_extension_config_dump('toms.audit_period', '');
SELECT pg_catalog.pg_extension_config_dump('toms.audit_period_id_seq', '');
REVOKE ALL ON toms.audit_period FROM PUBLIC;
COMMENT ON TABLE toms.audit_period IS 'history of how long entries of the audit trail are to be kept';

CREATE TABLE toms.audit_pruning (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition text NOT NULL,
    entries   bigint NOT NULL,
    record    text NOT NULL,            -- what is signed
    key       bytea NOT NULL,           -- Ed25519, public
    signature bytea NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('toms.audit_pruning', '');
SELECT pg_catalog.pg_extension_config_dump('toms.audit_pruning_id_seq', '');
REVOKE ALL ON toms.audit_pruning FROM PUBLIC;
COMMENT ON TABLE toms.audit_pruning IS 'signed records of what was taken out of the audit trail, when, and by whom';

-- Who acted and on which table is kept a month longer than what refers to it.
CREATE VIEW toms.audit_periods AS
    WITH declared AS (
        SELECT k.kind, coalesce(p.keep, k.usual) AS keep, k.minimum, p.reason, p.set_at, p.set_by
        FROM (VALUES ('change'::text, interval '3 years', interval '1 year'), ('read', '3 years', '1 year'), ('refusal', '1 year', '90 days'),
                     ('session', '90 days', '30 days'), ('admin', '3 years', '1 year'),
                     ('deletion', '10 years', '3 years')) k (kind, usual, minimum)
             LEFT JOIN LATERAL (SELECT * FROM toms.audit_period d WHERE d.kind = k.kind ORDER BY d.id DESC LIMIT 1) p ON true)
    SELECT kind, keep, minimum, reason, set_at, set_by FROM declared
    UNION ALL
    SELECT k.kind, m.keep + interval '1 month', NULL, 'one month longer than entries that refer to them', NULL, NULL
    FROM (VALUES ('who'::text), ('object')) k (kind), (SELECT max(keep) AS keep FROM declared WHERE declared.kind <> 'deletion') m;
COMMENT ON VIEW toms.audit_periods IS 'how long entries of the audit trail are kept, by kind, and since whose declaration';
GRANT SELECT ON toms.audit_periods TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.put_audit_period(kind text, keep interval, reason text, set_by text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_put_audit_period';
REVOKE ALL ON FUNCTION toms.put_audit_period(text, interval, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.put_audit_period(text, interval, text, text) IS 'internal: record how long entries are kept';

CREATE FUNCTION toms.set_audit_period(kind text, keep interval, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today toms.audit_periods;
BEGIN
    IF keep IS NULL OR coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'a period has a length and a reason' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT * INTO today FROM toms.audit_periods p WHERE p.kind = set_audit_period.kind;
    IF today.minimum IS NULL THEN
        RAISE EXCEPTION 'no period can be set for entries of kind "%"', kind USING ERRCODE = 'invalid_parameter_value',
            HINT = format('Periods can be set for: %s.', (SELECT string_agg(p.kind, ', ' ORDER BY p.kind) FROM toms.audit_periods p WHERE p.minimum IS NOT NULL));
    END IF;
    IF timestamp '2001-01-01' + keep < timestamp '2001-01-01' + today.minimum THEN
        RAISE EXCEPTION 'entries of kind "%" are kept for % at least', kind, today.minimum USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM toms.put_audit_period(kind, keep, reason, session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.set_audit_period(text, interval, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.set_audit_period(text, interval, text) TO toms_admin;
COMMENT ON FUNCTION toms.set_audit_period(text, interval, text) IS 'keep entries of a kind for so long, its minimum at least; recorded with the reason';
