-- The audit trail: entries, and the blocks that seal them.  Rows are written by C alone; nobody
-- has a privilege on them, and the guard refuses owners and superusers what is not reading.

-- Which data this is, wherever it is restored to.
CREATE TABLE toms.dataset (
    id         uuid NOT NULL,
    only_one   boolean NOT NULL DEFAULT true UNIQUE CHECK (only_one)
);
SELECT pg_catalog.pg_extension_config_dump('toms.dataset', '');
COMMENT ON TABLE toms.dataset IS 'the name of this data, given with its first block, for files outside the database that speak of it';

CREATE TABLE toms.audit_entry (         -- the columns are read by position in trail/trail.h
    id      bigint NOT NULL,
    at      timestamptz NOT NULL,
    xid     bigint NOT NULL,
    who     bigint,                     -- entry of kind w
    object  bigint,                     -- entry of kind o; there, the OID of the table
    key     bigint,                     -- of toms.data_key
    kind    "char" NOT NULL,
    verb    "char" NOT NULL,
    tenant  text COLLATE "C",
    columns bytea,
    payload bytea
) PARTITION BY LIST (kind);
COMMENT ON TABLE toms.audit_entry IS 'the audit trail: who changed, read and was refused what, who logged in; read it by toms.audit_trail()';

CREATE TABLE toms.audit_who PARTITION OF toms.audit_entry FOR VALUES IN ('w') PARTITION BY RANGE (at);
COMMENT ON TABLE toms.audit_who IS 'entries that say who acted, once per session and context';
CREATE TABLE toms.audit_object PARTITION OF toms.audit_entry FOR VALUES IN ('o') PARTITION BY RANGE (at);
COMMENT ON TABLE toms.audit_object IS 'entries that describe a table, once per definition';
CREATE TABLE toms.audit_change PARTITION OF toms.audit_entry FOR VALUES IN ('c') PARTITION BY RANGE (at);
COMMENT ON TABLE toms.audit_change IS 'entries that say which row was changed';
CREATE TABLE toms.audit_read PARTITION OF toms.audit_entry FOR VALUES IN ('r') PARTITION BY RANGE (at);
COMMENT ON TABLE toms.audit_read IS 'entries that say who read which table or data subject';
CREATE TABLE toms.audit_refusal PARTITION OF toms.audit_entry FOR VALUES IN ('x') PARTITION BY RANGE (at);
COMMENT ON TABLE toms.audit_refusal IS 'entries that say who was refused what';
CREATE TABLE toms.audit_session PARTITION OF toms.audit_entry FOR VALUES IN ('s') PARTITION BY RANGE (at);
COMMENT ON TABLE toms.audit_session IS 'entries that say who logged in and out, or tried to';
CREATE TABLE toms.audit_admin PARTITION OF toms.audit_entry FOR VALUES IN ('a') PARTITION BY RANGE (at);
COMMENT ON TABLE toms.audit_admin IS 'entries that say what administrators did';
CREATE TABLE toms.audit_deletion PARTITION OF toms.audit_entry FOR VALUES IN ('d') PARTITION BY RANGE (at);
COMMENT ON TABLE toms.audit_deletion IS 'entries that say how many rows were deleted since their period was over';

-- What no partition of a month is there for.
CREATE TABLE toms.audit_who_default PARTITION OF toms.audit_who DEFAULT;
CREATE TABLE toms.audit_object_default PARTITION OF toms.audit_object DEFAULT;
CREATE TABLE toms.audit_change_default PARTITION OF toms.audit_change DEFAULT;
CREATE TABLE toms.audit_read_default PARTITION OF toms.audit_read DEFAULT;
CREATE TABLE toms.audit_refusal_default PARTITION OF toms.audit_refusal DEFAULT;
CREATE TABLE toms.audit_session_default PARTITION OF toms.audit_session DEFAULT;
CREATE TABLE toms.audit_admin_default PARTITION OF toms.audit_admin DEFAULT;
CREATE TABLE toms.audit_deletion_default PARTITION OF toms.audit_deletion DEFAULT;
-- What is moved out of them is deleted, which a publication of all tables refuses without this.
ALTER TABLE toms.audit_who_default REPLICA IDENTITY FULL;
ALTER TABLE toms.audit_object_default REPLICA IDENTITY FULL;
ALTER TABLE toms.audit_change_default REPLICA IDENTITY FULL;
ALTER TABLE toms.audit_read_default REPLICA IDENTITY FULL;
ALTER TABLE toms.audit_refusal_default REPLICA IDENTITY FULL;
ALTER TABLE toms.audit_session_default REPLICA IDENTITY FULL;
ALTER TABLE toms.audit_admin_default REPLICA IDENTITY FULL;
ALTER TABLE toms.audit_deletion_default REPLICA IDENTITY FULL;
SELECT pg_catalog.pg_extension_config_dump('toms.audit_who_default', '');
SELECT pg_catalog.pg_extension_config_dump('toms.audit_object_default', '');
SELECT pg_catalog.pg_extension_config_dump('toms.audit_change_default', '');
SELECT pg_catalog.pg_extension_config_dump('toms.audit_read_default', '');
SELECT pg_catalog.pg_extension_config_dump('toms.audit_refusal_default', '');
SELECT pg_catalog.pg_extension_config_dump('toms.audit_session_default', '');
SELECT pg_catalog.pg_extension_config_dump('toms.audit_admin_default', '');
SELECT pg_catalog.pg_extension_config_dump('toms.audit_deletion_default', '');
COMMENT ON TABLE toms.audit_who_default IS 'entries of months that no partition was made for';
COMMENT ON TABLE toms.audit_object_default IS 'entries of months that no partition was made for';
COMMENT ON TABLE toms.audit_change_default IS 'entries of months that no partition was made for';
COMMENT ON TABLE toms.audit_read_default IS 'entries of months that no partition was made for';
COMMENT ON TABLE toms.audit_refusal_default IS 'entries of months that no partition was made for';
COMMENT ON TABLE toms.audit_session_default IS 'entries of months that no partition was made for';
COMMENT ON TABLE toms.audit_admin_default IS 'entries of months that no partition was made for';
COMMENT ON TABLE toms.audit_deletion_default IS 'entries of months that no partition was made for';

-- Of each leaf by itself: what a dump's partitions bring would meet those that a parent's index makes.
CREATE INDEX audit_who_default_order ON toms.audit_who_default USING brin (at, xid, id) WITH (pages_per_range = 32);
CREATE INDEX audit_object_default_order ON toms.audit_object_default USING brin (at, xid, id) WITH (pages_per_range = 32);
CREATE INDEX audit_change_default_order ON toms.audit_change_default USING brin (at, xid, id) WITH (pages_per_range = 32);
CREATE INDEX audit_read_default_order ON toms.audit_read_default USING brin (at, xid, id) WITH (pages_per_range = 32);
CREATE INDEX audit_refusal_default_order ON toms.audit_refusal_default USING brin (at, xid, id) WITH (pages_per_range = 32);
CREATE INDEX audit_session_default_order ON toms.audit_session_default USING brin (at, xid, id) WITH (pages_per_range = 32);
CREATE INDEX audit_admin_default_order ON toms.audit_admin_default USING brin (at, xid, id) WITH (pages_per_range = 32);
CREATE INDEX audit_deletion_default_order ON toms.audit_deletion_default USING brin (at, xid, id) WITH (pages_per_range = 32);
CREATE INDEX audit_who_default_id ON toms.audit_who_default (id);
CREATE INDEX audit_object_default_id ON toms.audit_object_default (id);
CREATE INDEX audit_object_default_table ON toms.audit_object_default (object, id);

-- Not in dumps: a restored trail is not in use before something is recorded.
CREATE TABLE toms.audit_use (
    since timestamptz NOT NULL
);
COMMENT ON TABLE toms.audit_use IS 'since when this trail is written here: from then on by toms alone, before that superusers can restore it';

-- Numbers of transactions mean something in one cluster only: entries from a dump are of a segment before.
CREATE TABLE toms.audit_segment (
    number            integer NOT NULL PRIMARY KEY,
    system_identifier text NOT NULL,
    first_id          bigint NOT NULL,  -- entries below it are of segments before
    opened_at         timestamptz NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('toms.audit_segment', '');
COMMENT ON TABLE toms.audit_segment IS 'the clusters in which entries of this trail were written, in order';

-- Block n holds the entries that its snapshot sees and that of block n - 1 does not.
CREATE TABLE toms.audit_block (
    number     bigint NOT NULL PRIMARY KEY,
    segment    integer NOT NULL,        -- of toms.audit_segment
    timeline   integer NOT NULL,
    snapshot   pg_snapshot NOT NULL,
    size       bigint NOT NULL,         -- entries
    root       bytea NOT NULL,          -- RFC 6962
    previous   bytea NOT NULL,          -- digest of the block before
    manifest   bytea NOT NULL,          -- ids and the first bytes of their leaves: which entry a fault is in
    secret     bytea NOT NULL,          -- of salts
    sealed_at  timestamptz NOT NULL,
    key        bytea NOT NULL,          -- Ed25519, public
    header     bytea NOT NULL,          -- what is signed: all of the above but the secret
    signature  bytea NOT NULL,
    digest     bytea NOT NULL           -- of the header
);
SELECT pg_catalog.pg_extension_config_dump('toms.audit_block', '');
COMMENT ON TABLE toms.audit_block IS 'sealed blocks of the audit trail, each chained to the one before and signed';

-- Hashes of whole subtrees whose entries are gone with their period.
CREATE TABLE toms.audit_pruned (
    block bigint NOT NULL,
    start bigint NOT NULL,              -- index of the first leaf
    size  bigint NOT NULL,              -- leaves
    hash  bytea NOT NULL,
    PRIMARY KEY (block, start)
);
SELECT pg_catalog.pg_extension_config_dump('toms.audit_pruned', '');
COMMENT ON TABLE toms.audit_pruned IS 'what stands in sealed blocks for entries that were deleted when their period ended';

REVOKE ALL ON toms.dataset, toms.audit_entry, toms.audit_who, toms.audit_object, toms.audit_change, toms.audit_who_default,
    toms.audit_read, toms.audit_refusal, toms.audit_session, toms.audit_admin, toms.audit_deletion, toms.audit_object_default, toms.audit_change_default,
    toms.audit_read_default, toms.audit_refusal_default, toms.audit_session_default, toms.audit_admin_default, toms.audit_deletion_default, toms.audit_segment, toms.audit_block, toms.audit_pruned, toms.audit_use FROM PUBLIC;
