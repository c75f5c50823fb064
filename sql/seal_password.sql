--
-- seal_password: passwords of an application's users are kept as Argon2id hashes, which other
-- programs can read, and which nobody can use to keep the server busy
--
-- The application calls these as its own log-in, before there is a context.
--
\set SHOW_CONTEXT never
\pset null '(null)'
\pset tuples_only on
\pset format unaligned

CREATE FUNCTION regress.password_error(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement INTO result;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    IF message || detail || hint ~ 'tr0ub4dor|c29tZXNhbHQ' THEN
        RETURN 'quotes what it was given: ' || message;
    END IF;
    RETURN format('%s: %s', SQLSTATE, message);
END
$$;
CREATE TABLE regress.account (name text PRIMARY KEY, hash text NOT NULL);
GRANT SELECT, INSERT, UPDATE ON regress.account TO regress_stranger;

-- what a call costs by default
SELECT name, setting, unit, context FROM pg_settings WHERE name LIKE 'toms.password%' ORDER BY name COLLATE "C";

-- from here on cheap, so that the test is quick
SET toms.password_memory = '8MB';
SET toms.password_iterations = 1;

--
-- An application stores and checks passwords
--
SET ROLE regress_stranger;
INSERT INTO regress.account VALUES ('anna', toms.password_hash('tr0ub4dor&3')), ('bert', toms.password_hash('tr0ub4dor&3'));

-- the form of RFC 9106's reference implementation: salt of 16 bytes, tag of 32
SELECT bool_and(hash ~ '^\$argon2id\$v=19\$m=8192,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$') FROM regress.account;
-- the same password twice shows nothing: each has its own salt
SELECT count(DISTINCT hash), count(DISTINCT split_part(hash, '$', 5)) FROM regress.account;

SELECT name, toms.password_verify(hash, 'tr0ub4dor&3') FROM regress.account ORDER BY name;     -- right
SELECT toms.password_verify(hash, 'tr0ub4dor&4') FROM regress.account WHERE name = 'anna';     -- wrong
SELECT toms.password_verify(hash, 'TR0UB4DOR&3') FROM regress.account WHERE name = 'anna';     -- wrong
SELECT toms.password_verify(hash, 'tr0ub4dor&3 ') FROM regress.account WHERE name = 'anna';    -- wrong
SELECT toms.password_verify(hash, '') FROM regress.account WHERE name = 'anna';                -- wrong
SELECT toms.password_verify(hash, hash) FROM regress.account WHERE name = 'anna';              -- wrong
SELECT toms.password_verify(toms.password_hash(E'Gr\u00fc\u00dfe, \u4f60\u597d'), E'Gr\u00fc\u00dfe, \u4f60\u597d'); -- right

-- no password, no answer: such a user is not let in
SELECT toms.password_hash(NULL), toms.password_verify(NULL, 'tr0ub4dor&3'), toms.password_needs_rehash(NULL);
SELECT toms.password_verify(hash, NULL) FROM regress.account WHERE name = 'anna';

-- a prepared statement, as drivers send it: the password is a parameter
PREPARE log_in(text, text) AS SELECT toms.password_verify(hash, $2) FROM regress.account WHERE name = $1;
EXECUTE log_in('bert', 'tr0ub4dor&3');         -- right
EXECUTE log_in('bert', 'tr0ub4dor&4');         -- wrong
EXECUTE log_in('carl', 'tr0ub4dor&3');         -- no row
DEALLOCATE log_in;

--
-- Hashes of other programs: these two are from the reference implementation's own tests
--
SELECT toms.password_verify('$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc', 'password');
SELECT toms.password_verify('$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc', 'password');
SELECT toms.password_verify('$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc', 'passwort');

--
-- Stronger settings: old hashes still open, and say that they are to be renewed
--
SELECT name, toms.password_needs_rehash(hash) FROM regress.account ORDER BY name;              -- no
RESET ROLE;
SET toms.password_iterations = 2;
SELECT name, toms.password_needs_rehash(hash), toms.password_verify(hash, 'tr0ub4dor&3') FROM regress.account ORDER BY name;
UPDATE regress.account SET hash = toms.password_hash('tr0ub4dor&3') WHERE name = 'anna' AND toms.password_needs_rehash(hash);
SELECT name, toms.password_needs_rehash(hash), toms.password_verify(hash, 'tr0ub4dor&3') FROM regress.account ORDER BY name;
SET toms.password_memory = '9MB';
SELECT name, toms.password_needs_rehash(hash), toms.password_verify(hash, 'tr0ub4dor&3') FROM regress.account ORDER BY name;
-- one lane is what toms makes: with two it is another program's
SET toms.password_memory = '8MB';
SELECT toms.password_needs_rehash('$argon2id$v=19$m=8192,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc');

--
-- What is no password
--
SELECT regress.password_error($$SELECT toms.password_hash('')$$);
SELECT regress.password_error($$SELECT length(toms.password_hash(repeat('x', 1024)))$$);       -- 96: taken
SELECT regress.password_error($$SELECT toms.password_hash(repeat('x', 1025))$$);
SELECT regress.password_error($$SELECT toms.password_hash(repeat('tr0ub4dor', 1000000))$$);
SELECT regress.password_error($$SELECT toms.password_verify(hash, repeat('x', 1025)) FROM regress.account WHERE name = 'bert'$$);  -- wrong
-- one that was compressed in a table is read whole
CREATE TEMPORARY TABLE typed (password text, filler text);
ALTER TABLE typed ALTER filler SET STORAGE PLAIN;
INSERT INTO typed VALUES (repeat('tr0ub4dor', 100), repeat('x', 3000));
SELECT pg_column_size(password) < 100 AS compressed, toms.password_verify(toms.password_hash(password), repeat('tr0ub4dor', 100)) FROM typed;

--
-- What is no hash is an error, not a wrong password; neither is quoted
--
SELECT f.problem, regress.password_error(format('SELECT toms.password_verify(%L, %L)', f.hash, 'tr0ub4dor&3')) AS verified,
       regress.password_error(format('SELECT toms.password_needs_rehash(%L)', f.hash)) AS needs_rehash
FROM (VALUES
    ('empty', ''),
    ('a password', 'tr0ub4dor&3'),
    ('crypt()', '$2a$06$c29tZXNhbHQ'),
    ('Argon2i', '$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
    ('version 16', '$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
    ('no version', '$argon2id$m=256,t=2,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
    ('other order', '$argon2id$v=19$t=2,m=256,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
    ('leading zero', '$argon2id$v=19$m=0256,t=2,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
    ('negative', '$argon2id$v=19$m=-256,t=2,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
    ('beyond 32 bits', '$argon2id$v=19$m=4294967552,t=2,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
    ('no iterations', '$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
    ('no lanes', '$argon2id$v=19$m=256,t=2,p=0$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
    ('too little memory for its lanes', '$argon2id$v=19$m=15,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
    ('no tag', '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$'),
    ('no salt', '$argon2id$v=19$m=256,t=2,p=1$$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
    ('padded', '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ=$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc='),
    ('a line end below', E'$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc\n'),
    ('something below', '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc$x'),
    ('longer than any', '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$' || repeat('bQk8UB/V', 20))
) AS f(problem, hash);
-- bits left over and a tag too short to be one are seen by libsodium, when it is asked
SELECT regress.password_error($$SELECT toms.password_verify('$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDd', 'password')$$);
SELECT regress.password_error($$SELECT toms.password_verify('$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8', 'password')$$);

--
-- Whoever can write a hash cannot make the server compute for ever, or take all its memory
--
SELECT demand, regress.password_error(format('SELECT toms.password_verify(%L, %L)',
    '$argon2id$v=19$' || demand || '$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc', 'tr0ub4dor&3'))
FROM unnest(ARRAY['m=262145,t=1,p=1', 'm=256,t=11,p=1', 'm=256,t=1,p=17', 'm=999999999,t=999999999,p=1']) AS demand;
-- asking whether it is to be renewed computes nothing
SELECT toms.password_needs_rehash('$argon2id$v=19$m=999999999,t=999999999,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc');

-- the settings have bounds, and are the administrator's
\set VERBOSITY sqlstate
SET toms.password_memory = '1MB';              -- refused
SET toms.password_memory = '257MB';            -- refused
SET toms.password_iterations = 0;              -- refused
SET toms.password_iterations = 11;             -- refused
SET ROLE regress_stranger;
SET toms.password_memory = '8MB';              -- refused
SET toms.password_iterations = 1;              -- refused
RESET ROLE;
\set VERBOSITY default

-- a query takes the memory once, not once more per worker; and what it looks for comes first
SELECT proname, provolatile, proparallel, proisstrict, proleakproof, procost
FROM pg_proc WHERE pronamespace = 'toms'::regnamespace AND proname LIKE 'password%' ORDER BY proname COLLATE "C";
EXPLAIN (COSTS off) SELECT FROM regress.account WHERE toms.password_verify(hash, 'x') AND name <> 'bert';

DROP TABLE regress.account, typed;
DROP FUNCTION regress.password_error(text);
RESET toms.password_memory;
RESET toms.password_iterations;
