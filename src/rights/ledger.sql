-- The ledger of erasures: what is going to be destroyed is told outside of the database before it is, so that a backup
-- that brings it back is known for what it is.  Whose it was stands in neither half: keyed hashes do.

-- One row for each line "erasure" of the log outside, committed before that is written; "erased" are those that an
-- erasure names, whether this says so already or not.
CREATE TABLE toms.ledger (
    id          uuid PRIMARY KEY,
    erasure     bigint NOT NULL,            -- of toms.erasure at that time: after a restore its numbers are given out again
    kind        text NOT NULL,
    key_check   bytea NOT NULL,             -- keyed hashes, as the next: of nobody, to know the key again
    tenant      bytea NOT NULL,
    subject     bytea,
    category    text,
    xid         xid8 NOT NULL,              -- of the transaction that erases
    system      text NOT NULL,              -- of the cluster and timeline it ran in
    timeline    integer NOT NULL,
    intended_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    state       text NOT NULL DEFAULT 'intended' CHECK (state IN ('intended', 'erased', 'void', 'replayed')),
    told        boolean NOT NULL DEFAULT false      -- the log outside has the line
);
CREATE INDEX ledger_unsettled_idx ON toms.ledger (intended_at) WHERE state = 'intended' OR NOT told;
SELECT pg_catalog.pg_extension_config_dump('toms.ledger', '');
COMMENT ON TABLE toms.ledger IS 'the half of the erasure ledger that lies inside: one row for each transaction that was to erase something, without whose it was';
GRANT SELECT ON toms.ledger TO toms_admin, toms_auditor;

ALTER TABLE toms.erasure ADD ledger uuid[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN toms.erasure.ledger IS 'rows of toms.ledger for the transactions that carried it out';

CREATE FUNCTION toms.ledger_intend(erasure bigint) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_ledger_intend';
REVOKE ALL ON FUNCTION toms.ledger_intend(bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.ledger_intend(bigint) IS 'internal: tell outside of the database, for good, that this transaction is going to erase; to be called in each one that destroys something, before it does';

CREATE FUNCTION toms.ledger_done(erasure bigint) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_ledger_done';
REVOKE ALL ON FUNCTION toms.ledger_done(bigint) FROM PUBLIC;
COMMENT ON FUNCTION toms.ledger_done(bigint) IS 'internal: the erasure is complete: once this transaction has committed that is told outside';

CREATE FUNCTION toms.ledger_hash(tenant text, subject text) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_ledger_hash_of';
REVOKE ALL ON FUNCTION toms.ledger_hash(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.ledger_hash(text, text) IS 'internal: how the erasure ledger writes a tenant, or a data subject of his';

-- With another key nobody would be found, and what came back would pass for not being there.
CREATE FUNCTION toms.check_ledger_key(key_check bytea) RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF toms.ledger_hash('', NULL) IS DISTINCT FROM key_check THEN
        RAISE EXCEPTION 'the key "ledger" of the keyring is not the one with which the erasure ledger was written' USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Bring the keyring back as it was last; it is not to be restored with the data.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.check_ledger_key(bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_ledger_key(bytea) IS 'internal: refuse where a line of the erasure ledger was written with another key than there is now';
