-- Search by equality: a keyed digest of the plain value, to be stored beside the sealed one.

CREATE FUNCTION toms.blind_index(value text, domain text) RETURNS bytea
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_blind_index';
COMMENT ON FUNCTION toms.blind_index(text, text) IS 'what a value is found by, of the context''s tenant: the same for the same value and domain';

CREATE FUNCTION toms.blind_index(value boolean, domain text) RETURNS bytea
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_refuse_blind_index';
COMMENT ON FUNCTION toms.blind_index(boolean, text) IS 'internal: refused, there are two';

CREATE FUNCTION toms.blind_index(value date, domain text) RETURNS bytea
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_refuse_blind_index';
COMMENT ON FUNCTION toms.blind_index(date, text) IS 'internal: refused, there are few';

CREATE FUNCTION toms.blind_index(value integer, domain text) RETURNS bytea
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_refuse_blind_index';
COMMENT ON FUNCTION toms.blind_index(integer, text) IS 'internal: refused, there are few';

CREATE FUNCTION toms.blind_index(value toms.health_flag, domain text) RETURNS bytea
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_refuse_blind_index';
COMMENT ON FUNCTION toms.blind_index(toms.health_flag, text) IS 'internal: refused, there are two';

CREATE FUNCTION toms.blind_index(value toms.health_code, domain text) RETURNS bytea
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_refuse_blind_index';
COMMENT ON FUNCTION toms.blind_index(toms.health_code, text) IS 'internal: refused, there are few';

CREATE FUNCTION toms.blind_index(value toms.health_date, domain text) RETURNS bytea
    LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_refuse_blind_index';
COMMENT ON FUNCTION toms.blind_index(toms.health_date, text) IS 'internal: refused, there are few';
