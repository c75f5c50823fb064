-- The name of who acted, for the data subject: two officers open it, one entry at a time.

CREATE TABLE toms.actor_release (
    entry           bigint NOT NULL PRIMARY KEY,
    requested_by    text NOT NULL,
    requested_at    timestamptz NOT NULL,
    reason          text NOT NULL CHECK (reason <> ''),
    approved_by     text CHECK (approved_by <> requested_by),
    approved_at     timestamptz,
    approval_reason text CHECK (approval_reason <> ''),
    CHECK ((approved_by IS NULL) = (approved_at IS NULL) AND (approved_by IS NULL) = (approval_reason IS NULL))
);
SELECT pg_catalog.pg_extension_config_dump('toms.actor_release', '');
REVOKE ALL ON toms.actor_release FROM PUBLIC;
COMMENT ON TABLE toms.actor_release IS 'entries of the audit trail whose actor officers ask to name to the data subject, and who approved it';

CREATE FUNCTION toms.put_actor_release(entry bigint, by text, reason text, approves boolean) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_put_actor_release';
REVOKE ALL ON FUNCTION toms.put_actor_release(bigint, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.put_actor_release(bigint, text, text, boolean) IS 'internal: record that an officer asks for a name, or approves it';

CREATE FUNCTION toms.release_actor(entry bigint, reason text)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today toms.actor_release;
    officer constant text := toms.officer_login();         -- who logged in: nobody is two by SET SESSION AUTHORIZATION
    step text;
BEGIN
    IF entry IS NULL OR coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'an entry and a reason are needed' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF NOT EXISTS (SELECT FROM toms.audit_entry e WHERE e.id = release_actor.entry AND e.kind IN ('c', 'r', 'x', 's', 'a')) THEN
        RAISE EXCEPTION 'there is no entry % in the audit trail', entry USING ERRCODE = 'undefined_object',
            DETAIL = 'Entries whose period has ended are deleted.';
    END IF;
    LOCK TABLE toms.actor_release IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO today FROM toms.actor_release r WHERE r.entry = release_actor.entry;
    IF today.approved_by IS NOT NULL THEN
        RETURN 'released';
    END IF;
    IF today.requested_by = officer THEN
        RAISE EXCEPTION 'another officer has to approve the release of entry %', entry USING ERRCODE = 'insufficient_privilege',
            DETAIL = format('You asked for it at %s.', today.requested_at), HINT = format('The other officer calls toms.release_actor(%s, ''…'').', entry);
    END IF;
    step := CASE WHEN today.entry IS NULL THEN 'requested' ELSE 'released' END;
    PERFORM toms.note_reading('a', 'R', jsonb_build_object('of_entry', entry, 'step', step, 'reason', left(reason, 1024)));
    PERFORM toms.put_actor_release(entry, officer, reason, today.entry IS NOT NULL);
    RETURN step;
END
$$;
REVOKE ALL ON FUNCTION toms.release_actor(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.release_actor(bigint, text) TO toms_admin, toms_auditor;
COMMENT ON FUNCTION toms.release_actor(bigint, text) IS 'name the actor of an entry to the data subject, and in toms.findings: one officer asks, another one approves; returns requested or released';
