-- Plain values, for who is permitted the table.  Whoever queries it calls these; without a
-- context and a permission they refuse.

CREATE FUNCTION toms.reveal(value toms.health_flag) RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_reveal';
COMMENT ON FUNCTION toms.reveal(toms.health_flag) IS 'the plain value of a sealed one, if the context permits its table';

CREATE FUNCTION toms.reveal(value toms.health_flag, relation regclass, subject text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_reveal_in';
COMMENT ON FUNCTION toms.reveal(toms.health_flag, regclass, text) IS 'the same, if the value was sealed for this table and data subject';

CREATE FUNCTION toms.is_erased(value toms.health_flag) RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_is_erased';
COMMENT ON FUNCTION toms.is_erased(toms.health_flag) IS 'whether the key of a value of the context''s tenant has been destroyed';

CREATE FUNCTION toms.reveal(value toms.health_code) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_reveal';
COMMENT ON FUNCTION toms.reveal(toms.health_code) IS 'the plain value of a sealed one, if the context permits its table';

CREATE FUNCTION toms.reveal(value toms.health_code, relation regclass, subject text) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_reveal_in';
COMMENT ON FUNCTION toms.reveal(toms.health_code, regclass, text) IS 'the same, if the value was sealed for this table and data subject';

CREATE FUNCTION toms.is_erased(value toms.health_code) RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_is_erased';
COMMENT ON FUNCTION toms.is_erased(toms.health_code) IS 'whether the key of a value of the context''s tenant has been destroyed';

CREATE FUNCTION toms.reveal(value toms.health_date) RETURNS date
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_reveal';
COMMENT ON FUNCTION toms.reveal(toms.health_date) IS 'the plain value of a sealed one, if the context permits its table';

CREATE FUNCTION toms.reveal(value toms.health_date, relation regclass, subject text) RETURNS date
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_reveal_in';
COMMENT ON FUNCTION toms.reveal(toms.health_date, regclass, text) IS 'the same, if the value was sealed for this table and data subject';

CREATE FUNCTION toms.is_erased(value toms.health_date) RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_is_erased';
COMMENT ON FUNCTION toms.is_erased(toms.health_date) IS 'whether the key of a value of the context''s tenant has been destroyed';

CREATE FUNCTION toms.reveal(value toms.sealed_text) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_reveal';
COMMENT ON FUNCTION toms.reveal(toms.sealed_text) IS 'the plain value of a sealed one, if the context permits its table';

CREATE FUNCTION toms.reveal(value toms.sealed_text, relation regclass, subject text) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_reveal_in';
COMMENT ON FUNCTION toms.reveal(toms.sealed_text, regclass, text) IS 'the same, if the value was sealed for this table and data subject';

CREATE FUNCTION toms.is_erased(value toms.sealed_text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_is_erased';
COMMENT ON FUNCTION toms.is_erased(toms.sealed_text) IS 'whether the key of a value of the context''s tenant has been destroyed';

CREATE FUNCTION toms.reveal(value toms.sealed_bytea) RETURNS bytea
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_reveal';
COMMENT ON FUNCTION toms.reveal(toms.sealed_bytea) IS 'the plain value of a sealed one, if the context permits its table';

CREATE FUNCTION toms.reveal(value toms.sealed_bytea, relation regclass, subject text) RETURNS bytea
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_reveal_in';
COMMENT ON FUNCTION toms.reveal(toms.sealed_bytea, regclass, text) IS 'the same, if the value was sealed for this table and data subject';

CREATE FUNCTION toms.is_erased(value toms.sealed_bytea) RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_is_erased';
COMMENT ON FUNCTION toms.is_erased(toms.sealed_bytea) IS 'whether the key of a value of the context''s tenant has been destroyed';
