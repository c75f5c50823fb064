-- Certificates: what an erasure has done, signed, for the controller (Art. 28(3)(g), 30-day windows of agreements).
-- They name the tenant, tables and counts, and no person.

CREATE FUNCTION toms.record_erasure(tenant text, details text) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_record_erasure';
REVOKE ALL ON FUNCTION toms.record_erasure(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.record_erasure(text, text) IS 'internal: take into the trail that an erasure is done; the number of the entry';

CREATE FUNCTION toms.sign_certificate(body text) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_sign_certificate';
REVOKE ALL ON FUNCTION toms.sign_certificate(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.sign_certificate(text) IS 'internal: JSON without its last brace, signed with the key of the audit trail';

CREATE FUNCTION toms.certificate_key(certificate text) RETURNS bytea
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_certificate_key';
REVOKE ALL ON FUNCTION toms.certificate_key(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.certificate_key(text) IS 'internal: the key that has signed a certificate as it stands; NULL: none has';

-- Whoever carries out an erasure says so in toms.erasure alone, with its result.
CREATE FUNCTION toms.finish_erasure() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.subject := NULL;
    NEW.ended_at := coalesce(NEW.ended_at, clock_timestamp());
    NEW.entry := toms.record_erasure(NEW.tenant, json_build_object('erasure', NEW.id, 'kind', NEW.kind, 'instruction', NEW.instruction,
                                                                   'tables', coalesce(NEW.result -> 'tables', '{}'), 'keys', coalesce(NEW.result -> 'keys', '0'))::text);
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION toms.finish_erasure() FROM PUBLIC;
COMMENT ON FUNCTION toms.finish_erasure() IS 'internal: trigger that takes into the trail that an erasure is done, and forgets whose it was';
CREATE TRIGGER finish BEFORE UPDATE ON toms.erasure FOR EACH ROW WHEN (OLD.state <> 'done' AND NEW.state = 'done') EXECUTE FUNCTION toms.finish_erasure();

CREATE TABLE toms.issued_certificate (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    erasure     bigint NOT NULL,        -- of toms.erasure
    content     text NOT NULL,          -- what it says; another one is issued when that has changed
    certificate text NOT NULL,
    issued_at   timestamptz NOT NULL,
    issued_by   text NOT NULL
);
CREATE INDEX issued_certificate_erasure_idx ON toms.issued_certificate (erasure);
SELECT pg_catalog.pg_extension_config_dump('toms.issued_certificate', '');
SELECT pg_catalog.pg_extension_config_dump('toms.issued_certificate_id_seq', '');
COMMENT ON TABLE toms.issued_certificate IS 'certificates of erasures, as they were given out';
GRANT SELECT ON SEQUENCE toms.issued_certificate_id_seq TO toms_auditor;     -- a dump of the schema reads it
GRANT SELECT ON toms.issued_certificate TO toms_admin, toms_auditor;

CREATE FUNCTION toms.utc(at timestamptz)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN pg_catalog.to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
REVOKE ALL ON FUNCTION toms.utc(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.utc(timestamptz) IS 'internal: a time as files of toms have it';

-- what it says -----------------------------------------------------------------------------------

CREATE FUNCTION toms.certified_ground(done toms.erasure)
RETURNS json LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN done.instruction IS NOT NULL THEN json_build_object('instruction', done.instruction)
                ELSE (SELECT json_build_object('agreement', a.id, 'name', a.name, 'version', a.version)
                      FROM toms.tenant_end e JOIN toms.agreement a ON a.id = e.agreement WHERE e.erasure = done.id) END;
$$;
REVOKE ALL ON FUNCTION toms.certified_ground(toms.erasure) FROM PUBLIC;
COMMENT ON FUNCTION toms.certified_ground(toms.erasure) IS 'internal: by which instruction, or agreement, an erasure was carried out';

CREATE FUNCTION toms.certified_epochs(tenant text, erased_at timestamptz)
RETURNS json LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(json_agg(json_build_object('epoch', e.id, 'number', e.number, 'retired_at', toms.utc(e.retired_at), 'destroyed_at', toms.utc(e.destroyed_at))
                             ORDER BY e.number), '[]')
    FROM toms.key_epoch e WHERE e.tenant = certified_epochs.tenant AND e.created_at <= erased_at;
$$;
REVOKE ALL ON FUNCTION toms.certified_epochs(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.certified_epochs(text, timestamptz) IS 'internal: under which key epochs the keys were wrapped that are destroyed, and what has become of these';

-- Sealed values are gone with the first of both; NULL: nobody can tell.
CREATE FUNCTION toms.certified_backups(tenant text, erased_at timestamptz)
RETURNS json LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT json_build_object('sealed_until', least(toms.keys_horizon(tenant, erased_at), max(h.until)), 'clear_until', max(h.until),
                             'tiers', coalesce(json_agg(json_build_object('name', h.name, 'every', h.every::text, 'keep', h.keep::text, 'until', h.until) ORDER BY h.until, h.name), '[]'))
    FROM toms.tier_horizons(erased_at) h;
$$;
REVOKE ALL ON FUNCTION toms.certified_backups(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION toms.certified_backups(text, timestamptz) IS 'internal: until when backups may hold what was erased: values that were sealed, and all others';

-- Rows that are there still: under a hold, or a period that the law demands.
CREATE FUNCTION toms.certified_rest(done toms.erasure)
RETURNS json LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(json_agg(json_build_object('table', t.key, 'restricted', coalesce(t.value -> 'restricted', '0'), 'held', coalesce(t.value -> 'held', '0'), 'until',
                                               coalesce(t.value -> 'until', to_jsonb(r.periods), '["as long as rows of other tables refer to them, or a hold keeps them"]')) ORDER BY t.key), '[]')
    FROM jsonb_each(coalesce(done.result -> 'tables', '{}')) t
         LEFT JOIN LATERAL (SELECT array_agg(concat_ws(' ', u.keep, 'from', replace(u.starts, '_', ' '), 'of', u.since, coalesce('(' || coalesce(u.period, u.basis) || ')', '')) ORDER BY u.id) AS periods
                            FROM toms.retention_rules u WHERE u.relation = t.key AND u.in_force AND (u.tenant IS NULL OR u.tenant = done.tenant) AND (u.period IS NOT NULL OR u.locked)) r ON true
    WHERE coalesce((t.value ->> 'restricted')::bigint, 0) + coalesce((t.value ->> 'held')::bigint, 0) > 0;
$$;
REVOKE ALL ON FUNCTION toms.certified_rest(toms.erasure) FROM PUBLIC;
COMMENT ON FUNCTION toms.certified_rest(toms.erasure) IS 'internal: what an erasure has left, and until when';

-- NULL until the entry is sealed, and once its period is over.
CREATE FUNCTION toms.certified_proof(entry bigint)
RETURNS json LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN toms.audit_proof(entry);
EXCEPTION WHEN object_not_in_prerequisite_state OR undefined_object THEN
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION toms.certified_proof(bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.certified_proof(bigint) IS 'internal: the proof that an entry is in a sealed block of the trail';

CREATE FUNCTION toms.certificate_content(done toms.erasure)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erased_at constant timestamptz := coalesce(done.ended_at, now());
BEGIN
    RETURN json_build_object(
        'type', 'certificate', 'version', 1, 'dataset', (SELECT d.id FROM toms.dataset d), 'erasure', done.id, 'kind', done.kind, 'tenant', done.tenant,
        'category', done.category, 'state', done.state, 'by', toms.certified_ground(done), 'requested_at', toms.utc(done.requested_at), 'erased_at', toms.utc(done.ended_at),
        'tables', coalesce(done.result -> 'tables', '{}'), 'keys', coalesce(done.result -> 'keys', '0'), 'epochs', toms.certified_epochs(done.tenant, erased_at),
        'rest', toms.certified_rest(done), 'backups', CASE WHEN done.state = 'done' THEN toms.certified_backups(done.tenant, erased_at) END,
        'entry', done.entry, 'proof', toms.certified_proof(done.entry))::text;
END
$$;
REVOKE ALL ON FUNCTION toms.certificate_content(toms.erasure) FROM PUBLIC;
COMMENT ON FUNCTION toms.certificate_content(toms.erasure) IS 'internal: what a certificate says';

-- giving it out -------------------------------------------------------------------------------------

CREATE FUNCTION toms.check_certifiable(done toms.erasure, asked bigint)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF done.id IS NULL THEN
        RAISE EXCEPTION 'there is no erasure %', asked USING ERRCODE = 'undefined_object', HINT = 'SELECT id, kind, tenant, state FROM toms.erasure;';
    END IF;
    IF done.state NOT IN ('done', 'waiting') THEN
        RAISE EXCEPTION 'erasure % is %: there is nothing to certify', done.id, done.state USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF NOT EXISTS (SELECT FROM toms.dataset) THEN
        RAISE EXCEPTION 'the audit trail has not been sealed yet' USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT toms.seal_audit();';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_certifiable(toms.erasure, bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_certifiable(toms.erasure, bigint) IS 'internal: refuse where there is nothing to certify';

-- The same text as before unless there is something else to say: the proof comes when the trail is sealed, and goes with its period.
CREATE FUNCTION toms.certificate(erasure_id bigint)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET intervalstyle = 'postgres' SET datestyle = 'ISO' AS $$
DECLARE
    done toms.erasure;
    last toms.issued_certificate;
    content text;
    at constant timestamptz := clock_timestamp();
BEGIN
    SELECT * INTO done FROM toms.erasure e WHERE e.id = erasure_id FOR UPDATE;
    PERFORM toms.check_certifiable(done, erasure_id);
    content := toms.certificate_content(done);
    SELECT * INTO last FROM toms.issued_certificate c WHERE c.erasure = done.id ORDER BY c.id DESC LIMIT 1;
    IF last.content = content OR (last.content::json ->> 'proof' IS NOT NULL AND content::json ->> 'proof' IS NULL) THEN
        RETURN last.certificate;
    END IF;
    INSERT INTO toms.issued_certificate (erasure, content, certificate, issued_at, issued_by)
    VALUES (done.id, content, toms.sign_certificate(format('%s,"issued_at":"%s"', left(content, -1), toms.utc(at))), at, session_user)
    RETURNING * INTO last;
    RETURN last.certificate;
END
$$;
REVOKE ALL ON FUNCTION toms.certificate(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.certificate(bigint) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.certificate(bigint) IS 'what an erasure has done, as signed JSON: exact bytes for toms.verify_certificate() and toms-verify';

-- Signed by this database: with the key that it has now, or one that has signed a block of its trail.
CREATE FUNCTION toms.is_own_key(key bytea)
RETURNS boolean LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM toms.audit_block b WHERE b.key = is_own_key.key) OR (toms.keyring_is_configured() AND toms.base64url(key) = toms.audit_key());
$$;
REVOKE ALL ON FUNCTION toms.is_own_key(bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.is_own_key(bytea) IS 'internal: whether a public key is that of this database''s trail';

CREATE FUNCTION toms.verify_certificate(certificate text, OUT valid boolean, OUT problem text, OUT erasure bigint, OUT tenant text, OUT issued_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key constant bytea := toms.certificate_key(certificate);
    said json;
BEGIN
    said := CASE WHEN key IS NOT NULL AND certificate LIKE '{"type" : "certificate"%' THEN certificate END;
    problem := CASE
        WHEN key IS NULL THEN 'the signature does not fit: something was altered, added or left out'
        WHEN NOT toms.is_own_key(key) THEN 'signed with another key than those of this database'
        WHEN said IS NULL THEN 'signed by this database, but not a certificate'
        WHEN NOT EXISTS (SELECT FROM toms.dataset d WHERE d.id::text = said ->> 'dataset') THEN 'of another database'
        WHEN said #>> '{proof,header}' IS NOT NULL AND NOT EXISTS (SELECT FROM toms.audit_block b WHERE toms.base64url(b.header) = said #>> '{proof,header}')
            THEN 'the block that proves it is not in the audit trail of this database' END;
    valid := problem IS NULL;
    IF valid THEN
        erasure := said ->> 'erasure';
        tenant := said ->> 'tenant';
        issued_at := said ->> 'issued_at';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.verify_certificate(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.verify_certificate(text) TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.verify_certificate(text) IS 'whether a certificate is, byte by byte, one that this database has given out';
