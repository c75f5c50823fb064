-- The sealed types.  What is written to a column of one is ciphertext, wherever it goes: tables,
-- dumps, WAL, replicas.  A plain value is sealed when it is read in; the trigger in bind.sql
-- seals it anew for the row.  There are no operators and no statistics, so that nothing can be
-- asked of ciphertext.  PostgreSQL asks who calls input and output where it
-- folds constants, so everybody may.

CREATE FUNCTION toms.sealed_typanalyze(internal) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_typanalyze';
REVOKE ALL ON FUNCTION toms.sealed_typanalyze(internal) FROM PUBLIC;
COMMENT ON FUNCTION toms.sealed_typanalyze(internal) IS 'internal: no statistics of sealed values';

CREATE FUNCTION toms.health_code_typmod_in(cstring[]) RETURNS integer
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_code_typmod_in';
REVOKE ALL ON FUNCTION toms.health_code_typmod_in(cstring[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.health_code_typmod_in(cstring[]) IS 'internal: a catalogue by name or number';

CREATE FUNCTION toms.health_code_typmod_out(integer) RETURNS cstring
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_code_typmod_out';
REVOKE ALL ON FUNCTION toms.health_code_typmod_out(integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.health_code_typmod_out(integer) IS 'internal: a catalogue by number';

CREATE TYPE toms.health_flag;

CREATE FUNCTION toms.health_flag_in(cstring, oid, integer) RETURNS toms.health_flag
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_in';
COMMENT ON FUNCTION toms.health_flag_in(cstring, oid, integer) IS 'internal: a plain value, or armoured ciphertext';

CREATE FUNCTION toms.health_flag_out(toms.health_flag) RETURNS cstring
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_out';
COMMENT ON FUNCTION toms.health_flag_out(toms.health_flag) IS 'internal: armoured ciphertext';

CREATE FUNCTION toms.health_flag_recv(internal, oid, integer) RETURNS toms.health_flag
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_recv';
REVOKE ALL ON FUNCTION toms.health_flag_recv(internal, oid, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.health_flag_recv(internal, oid, integer) IS 'internal: ciphertext';

CREATE FUNCTION toms.health_flag_send(toms.health_flag) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_send';
REVOKE ALL ON FUNCTION toms.health_flag_send(toms.health_flag) FROM PUBLIC;
COMMENT ON FUNCTION toms.health_flag_send(toms.health_flag) IS 'internal: ciphertext';

CREATE TYPE toms.health_flag (
    INPUT = toms.health_flag_in, OUTPUT = toms.health_flag_out, RECEIVE = toms.health_flag_recv, SEND = toms.health_flag_send,
    ANALYZE = toms.sealed_typanalyze, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = external
);
COMMENT ON TYPE toms.health_flag IS 'one boolean about somebodys health, as ciphertext';

CREATE TYPE toms.health_code;

CREATE FUNCTION toms.health_code_in(cstring, oid, integer) RETURNS toms.health_code
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_in';
COMMENT ON FUNCTION toms.health_code_in(cstring, oid, integer) IS 'internal: a plain value, or armoured ciphertext';

CREATE FUNCTION toms.health_code_out(toms.health_code) RETURNS cstring
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_out';
COMMENT ON FUNCTION toms.health_code_out(toms.health_code) IS 'internal: armoured ciphertext';

CREATE FUNCTION toms.health_code_recv(internal, oid, integer) RETURNS toms.health_code
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_recv';
REVOKE ALL ON FUNCTION toms.health_code_recv(internal, oid, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.health_code_recv(internal, oid, integer) IS 'internal: ciphertext';

CREATE FUNCTION toms.health_code_send(toms.health_code) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_send';
REVOKE ALL ON FUNCTION toms.health_code_send(toms.health_code) FROM PUBLIC;
COMMENT ON FUNCTION toms.health_code_send(toms.health_code) IS 'internal: ciphertext';

CREATE TYPE toms.health_code (
    INPUT = toms.health_code_in, OUTPUT = toms.health_code_out, RECEIVE = toms.health_code_recv, SEND = toms.health_code_send,
    TYPMOD_IN = toms.health_code_typmod_in, TYPMOD_OUT = toms.health_code_typmod_out,
    ANALYZE = toms.sealed_typanalyze, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = external
);
COMMENT ON TYPE toms.health_code IS 'a code of a closed catalogue, as ciphertext: health_code(catalogue)';

CREATE TYPE toms.health_date;

CREATE FUNCTION toms.health_date_in(cstring, oid, integer) RETURNS toms.health_date
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_in';
COMMENT ON FUNCTION toms.health_date_in(cstring, oid, integer) IS 'internal: a plain value, or armoured ciphertext';

CREATE FUNCTION toms.health_date_out(toms.health_date) RETURNS cstring
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_out';
COMMENT ON FUNCTION toms.health_date_out(toms.health_date) IS 'internal: armoured ciphertext';

CREATE FUNCTION toms.health_date_recv(internal, oid, integer) RETURNS toms.health_date
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_recv';
REVOKE ALL ON FUNCTION toms.health_date_recv(internal, oid, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.health_date_recv(internal, oid, integer) IS 'internal: ciphertext';

CREATE FUNCTION toms.health_date_send(toms.health_date) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_send';
REVOKE ALL ON FUNCTION toms.health_date_send(toms.health_date) FROM PUBLIC;
COMMENT ON FUNCTION toms.health_date_send(toms.health_date) IS 'internal: ciphertext';

CREATE TYPE toms.health_date (
    INPUT = toms.health_date_in, OUTPUT = toms.health_date_out, RECEIVE = toms.health_date_recv, SEND = toms.health_date_send,
    ANALYZE = toms.sealed_typanalyze, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = external
);
COMMENT ON TYPE toms.health_date IS 'a date about somebodys health, as ciphertext';

CREATE TYPE toms.sealed_text;

CREATE FUNCTION toms.sealed_text_in(cstring, oid, integer) RETURNS toms.sealed_text
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_in';
COMMENT ON FUNCTION toms.sealed_text_in(cstring, oid, integer) IS 'internal: a plain value, or armoured ciphertext';

CREATE FUNCTION toms.sealed_text_out(toms.sealed_text) RETURNS cstring
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_out';
COMMENT ON FUNCTION toms.sealed_text_out(toms.sealed_text) IS 'internal: armoured ciphertext';

CREATE FUNCTION toms.sealed_text_recv(internal, oid, integer) RETURNS toms.sealed_text
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_recv';
REVOKE ALL ON FUNCTION toms.sealed_text_recv(internal, oid, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.sealed_text_recv(internal, oid, integer) IS 'internal: ciphertext';

CREATE FUNCTION toms.sealed_text_send(toms.sealed_text) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_send';
REVOKE ALL ON FUNCTION toms.sealed_text_send(toms.sealed_text) FROM PUBLIC;
COMMENT ON FUNCTION toms.sealed_text_send(toms.sealed_text) IS 'internal: ciphertext';

CREATE TYPE toms.sealed_text (
    INPUT = toms.sealed_text_in, OUTPUT = toms.sealed_text_out, RECEIVE = toms.sealed_text_recv, SEND = toms.sealed_text_send,
    ANALYZE = toms.sealed_typanalyze, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = external
);
COMMENT ON TYPE toms.sealed_text IS 'a text, as ciphertext of padded length';

CREATE TYPE toms.sealed_bytea;

CREATE FUNCTION toms.sealed_bytea_in(cstring, oid, integer) RETURNS toms.sealed_bytea
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_in';
COMMENT ON FUNCTION toms.sealed_bytea_in(cstring, oid, integer) IS 'internal: a plain value, or armoured ciphertext';

CREATE FUNCTION toms.sealed_bytea_out(toms.sealed_bytea) RETURNS cstring
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_out';
COMMENT ON FUNCTION toms.sealed_bytea_out(toms.sealed_bytea) IS 'internal: armoured ciphertext';

CREATE FUNCTION toms.sealed_bytea_recv(internal, oid, integer) RETURNS toms.sealed_bytea
    LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_recv';
REVOKE ALL ON FUNCTION toms.sealed_bytea_recv(internal, oid, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.sealed_bytea_recv(internal, oid, integer) IS 'internal: ciphertext';

CREATE FUNCTION toms.sealed_bytea_send(toms.sealed_bytea) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_sealed_send';
REVOKE ALL ON FUNCTION toms.sealed_bytea_send(toms.sealed_bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.sealed_bytea_send(toms.sealed_bytea) IS 'internal: ciphertext';

CREATE TYPE toms.sealed_bytea (
    INPUT = toms.sealed_bytea_in, OUTPUT = toms.sealed_bytea_out, RECEIVE = toms.sealed_bytea_recv, SEND = toms.sealed_bytea_send,
    ANALYZE = toms.sealed_typanalyze, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = external
);
COMMENT ON TYPE toms.sealed_bytea IS 'bytes, as ciphertext of padded length';

-- Casts from plain types: volatile, since every row gets a ciphertext of its own.

CREATE FUNCTION toms.health_flag(text) RETURNS toms.health_flag
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_seal_text';
COMMENT ON FUNCTION toms.health_flag(text) IS 'internal: seal a text, or take armoured ciphertext';
CREATE CAST (text AS toms.health_flag) WITH FUNCTION toms.health_flag(text) AS ASSIGNMENT;
CREATE CAST (varchar AS toms.health_flag) WITH FUNCTION toms.health_flag(text) AS ASSIGNMENT;

CREATE FUNCTION toms.health_code(text) RETURNS toms.health_code
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_seal_text';
COMMENT ON FUNCTION toms.health_code(text) IS 'internal: seal a text, or take armoured ciphertext';
CREATE CAST (text AS toms.health_code) WITH FUNCTION toms.health_code(text) AS ASSIGNMENT;
CREATE CAST (varchar AS toms.health_code) WITH FUNCTION toms.health_code(text) AS ASSIGNMENT;

CREATE FUNCTION toms.health_date(text) RETURNS toms.health_date
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_seal_text';
COMMENT ON FUNCTION toms.health_date(text) IS 'internal: seal a text, or take armoured ciphertext';
CREATE CAST (text AS toms.health_date) WITH FUNCTION toms.health_date(text) AS ASSIGNMENT;
CREATE CAST (varchar AS toms.health_date) WITH FUNCTION toms.health_date(text) AS ASSIGNMENT;

CREATE FUNCTION toms.sealed_text(text) RETURNS toms.sealed_text
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_seal_text';
COMMENT ON FUNCTION toms.sealed_text(text) IS 'internal: seal a text, or take armoured ciphertext';
CREATE CAST (text AS toms.sealed_text) WITH FUNCTION toms.sealed_text(text) AS ASSIGNMENT;
CREATE CAST (varchar AS toms.sealed_text) WITH FUNCTION toms.sealed_text(text) AS ASSIGNMENT;

CREATE FUNCTION toms.sealed_bytea(text) RETURNS toms.sealed_bytea
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_seal_text';
COMMENT ON FUNCTION toms.sealed_bytea(text) IS 'internal: seal a text, or take armoured ciphertext';
CREATE CAST (text AS toms.sealed_bytea) WITH FUNCTION toms.sealed_bytea(text) AS ASSIGNMENT;
CREATE CAST (varchar AS toms.sealed_bytea) WITH FUNCTION toms.sealed_bytea(text) AS ASSIGNMENT;

CREATE FUNCTION toms.health_flag(boolean) RETURNS toms.health_flag
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_seal_boolean';
COMMENT ON FUNCTION toms.health_flag(boolean) IS 'internal: seal a boolean';
CREATE CAST (boolean AS toms.health_flag) WITH FUNCTION toms.health_flag(boolean) AS ASSIGNMENT;

CREATE FUNCTION toms.health_flag(integer) RETURNS toms.health_flag
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_seal_integer';
COMMENT ON FUNCTION toms.health_flag(integer) IS 'internal: seal 0 or 1 as a boolean';
CREATE CAST (integer AS toms.health_flag) WITH FUNCTION toms.health_flag(integer) AS ASSIGNMENT;

CREATE FUNCTION toms.health_date(date) RETURNS toms.health_date
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_seal_date';
COMMENT ON FUNCTION toms.health_date(date) IS 'internal: seal a date';
CREATE CAST (date AS toms.health_date) WITH FUNCTION toms.health_date(date) AS ASSIGNMENT;

CREATE FUNCTION toms.sealed_bytea(bytea) RETURNS toms.sealed_bytea
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_seal_bytea';
COMMENT ON FUNCTION toms.sealed_bytea(bytea) IS 'internal: seal bytes';
CREATE CAST (bytea AS toms.sealed_bytea) WITH FUNCTION toms.sealed_bytea(bytea) AS ASSIGNMENT;

CREATE FUNCTION toms.health_code(toms.health_code, integer, boolean) RETURNS toms.health_code
    LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'toms_code_of_catalogue';
COMMENT ON FUNCTION toms.health_code(toms.health_code, integer, boolean) IS 'internal: a code as one of a catalogue';
CREATE CAST (toms.health_code AS toms.health_code) WITH FUNCTION toms.health_code(toms.health_code, integer, boolean) AS IMPLICIT;
