-- Forms of protection beside a tenant and a subject column: rows that belong to their parent
-- row's tenant, persons with two keys.  They are declared by toms.protect(), add_parent() and
-- add_subject_alias().  A row whose table has
-- been dropped would be restored as a bare number, so it is not dumped.

CREATE TABLE toms.parent (      -- the columns are read by position in catalog/config.c
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    child         regclass NOT NULL,
    parent        regclass NOT NULL,
    lookup        regclass NOT NULL,
    type_value    text,                 -- NULL: whatever the type
    parent_column name NOT NULL
);
CREATE UNIQUE INDEX parent_child_idx ON toms.parent (child, type_value) NULLS NOT DISTINCT;
CREATE INDEX parent_parent_idx ON toms.parent (parent);
SELECT pg_catalog.pg_extension_config_dump('toms.parent',
    'WHERE (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c WHERE c.oid = ANY (ARRAY[child, parent, lookup]::pg_catalog.oid[])) = 3');
SELECT pg_catalog.pg_extension_config_dump('toms.parent_id_seq', '');
COMMENT ON TABLE toms.parent IS 'tables whose rows belong to the tenant of a parent row, and through which view that is found';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.parent
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.parent ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.parent TO toms_admin, toms_auditor;

CREATE TABLE toms.subject_alias (   -- the first four columns are read by position in catalog/config.c
    id        bigint PRIMARY KEY,       -- random: the label of a table from elsewhere finds no declaration
    relation  regclass NOT NULL,
    canonical name NOT NULL,
    alias     name NOT NULL,
    UNIQUE (relation, alias)
);
SELECT pg_catalog.pg_extension_config_dump('toms.subject_alias', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');
COMMENT ON TABLE toms.subject_alias IS 'tables of persons with two keys: the canonical one, which tokens hold, and another';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.subject_alias
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.subject_alias ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.subject_alias TO toms_admin, toms_auditor;

-- Tables that no statement may bring together; each pair in both directions.
CREATE TABLE toms.separation (  -- the first four columns are read by position in catalog/config.c
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation regclass NOT NULL,
    other    regclass NOT NULL,
    unless   text[] NOT NULL CHECK (array_position(unless, NULL) IS NULL),
    UNIQUE (relation, other)
);
SELECT pg_catalog.pg_extension_config_dump('toms.separation',
    'WHERE (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c WHERE c.oid = ANY (ARRAY[relation, other]::pg_catalog.oid[])) = 2');
SELECT pg_catalog.pg_extension_config_dump('toms.separation_id_seq', '');
COMMENT ON TABLE toms.separation IS 'tables that are kept separate, and the purposes that may bring them together';
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.separation
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.separation ENABLE ALWAYS TRIGGER invalidate;
GRANT SELECT ON toms.separation TO toms_admin, toms_auditor;
