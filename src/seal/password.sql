-- Passwords of an application's users.  A call takes memory, and a worker takes it once more:
-- hence not PARALLEL SAFE, and dear, so that other conditions of a query come first.

CREATE FUNCTION toms.password_hash(password text) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED COST 1000000 AS 'MODULE_PATHNAME', 'toms_password_hash';
COMMENT ON FUNCTION toms.password_hash(text) IS 'Argon2id hash of a password, with a salt of its own';

CREATE FUNCTION toms.password_verify(hash text, password text) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000000 AS 'MODULE_PATHNAME', 'toms_password_verify';
COMMENT ON FUNCTION toms.password_verify(text, text) IS 'is this the password of that hash?';

CREATE FUNCTION toms.password_needs_rehash(hash text) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_password_needs_rehash';
COMMENT ON FUNCTION toms.password_needs_rehash(text) IS 'was the hash made with other settings than those in force?';
