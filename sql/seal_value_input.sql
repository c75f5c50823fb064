--
-- seal_value_input: whatever a client sends as a sealed value is an error or a value, never a crash; and
-- a sealed value of which one bit was changed is none: it can be neither written nor opened
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset null '(null)'
\pset tuples_only on
\pset format unaligned
SET client_min_messages = warning;
CREATE SCHEMA regress_input;
GRANT USAGE ON SCHEMA regress_input TO PUBLIC;
SELECT setseed(0.20261122);
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"absence_management","exp":NOW+900}'`

SELECT toms.add_code_catalogue('input_kinds', '{sickness,vacation}') > 0;
CREATE TABLE regress_input.note (id integer PRIMARY KEY, tenant text NOT NULL, person integer NOT NULL, sick toms.health_flag,
    kind toms.health_code('input_kinds'), since toms.health_date, said toms.sealed_text, scan toms.sealed_bytea);
CREATE TABLE regress_input.column_type AS
    SELECT attnum - 4 AS number, attname AS name, format_type(atttypid, -1) AS type FROM pg_attribute WHERE attrelid = 'regress_input.note'::regclass AND attnum >= 4;
GRANT ALL ON regress_input.note, regress_input.column_type TO regress_hr;
SELECT toms.protect('regress_input.note', tenant => 'tenant', subject => 'person');
SELECT toms.permit('regress_hr', 'regress_input.note', '{select,insert,update}', '{absence_management}', 'tenant') > 0;

SET SESSION AUTHORIZATION regress_app;
BEGIN;
SET client_min_messages = error;
SELECT set_config('toms.token', :'token', true);
INSERT INTO regress_input.note VALUES (1, 'acme', 17, true, 'sickness', '2026-01-02', 'a note', '\x00ff');
COMMIT;
RESET SESSION AUTHORIZATION;
RESET client_min_messages;

--
-- Input that is made up
--
-- the text form of sealed bytes and back
CREATE FUNCTION regress_input.armour(bytes bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'toms1:' || translate(encode(bytes, 'base64'), E'+/=\n', '-_');
$$;
CREATE FUNCTION regress_input.bytes(armour text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT decode(rpad(t, (length(t) + 3) / 4 * 4, '='), 'base64') FROM translate(substr(armour, 7), '-_', '+/') t;
$$;

-- pieces of random bytes, and of characters of all lengths in UTF-8 but zero and surrogates
SELECT set_config('regress.bytes', string_agg(lpad(to_hex((random() * 255)::integer), 2, '0'), ''), false) = '' FROM generate_series(1, 4000);
SELECT set_config('regress.text', string_agg(chr(CASE WHEN c BETWEEN 55296 AND 57343 THEN 55295 ELSE c END), ''), false) = ''
FROM (SELECT 1 + (random() * CASE WHEN getdatabaseencoding() = 'UTF8' THEN (ARRAY[126, 126, 126, 2000, 65000, 1114110])[1 + (random() * 5)::integer] ELSE 126 END)::integer AS c FROM generate_series(1, 4000)) s;
CREATE FUNCTION regress_input.random_bytes(most integer) RETURNS bytea LANGUAGE sql VOLATILE AS $$
    SELECT decode(substr(current_setting('regress.bytes'), 1 + 2 * (random() * 3000)::integer, 2 * (random() * most)::integer), 'hex');
$$;
CREATE FUNCTION regress_input.random_text(most integer) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT substr(current_setting('regress.text'), 1 + (random() * 3000)::integer, (random() * most)::integer);
$$;

-- one of several kinds: anything, a good value that was cut or changed, an envelope that was cut, changed, or has a good beginning only
CREATE FUNCTION regress_input.made_up(i integer, stored bytea) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    plain constant text[] := '{true, off ,1,sickness,2026-01-02,infinity,now,2026-01-02 10:00:00+02,Mon 5. January 4714 BC,2026-01-02 Europe/Berlin,today Nowhere/Else,\\x00ff,\\x0,\\\\000,allballs}';
    chosen text := plain[1 + i / 8 % array_length(plain, 1)];
    at integer;
BEGIN
    CASE i % 8
        WHEN 0 THEN RETURN regress_input.random_text(40);
        WHEN 1 THEN RETURN regress_input.random_text(300);
        WHEN 2 THEN RETURN left(chosen, (random() * length(chosen))::integer) || regress_input.random_text(4);
        WHEN 3 THEN RETURN chosen;
        WHEN 4 THEN RETURN 'toms1:' || regress_input.random_text(120);
        WHEN 5 THEN RETURN left(regress_input.armour(stored), (random() * 120)::integer);
        WHEN 6 THEN
            at := (random() * (length(stored) - 1))::integer;
            RETURN regress_input.armour(set_byte(stored, at, (random() * 255)::integer));
        ELSE RETURN regress_input.armour(substr(stored, 1, (random() * 15)::integer) || regress_input.random_bytes(200));
    END CASE;
END
$$;

-- What comes of one: its SQLSTATE, "accepted", or what must not be.  The input function is called as PostgreSQL calls it.
CREATE FUNCTION regress_input.try_text(number integer, input text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    armour text;
    again text;
    state text;
    message text;
    detail text;
    context text;
BEGIN
    CASE number
        WHEN 0 THEN armour := toms.health_flag_in(textout(input), 'toms.health_flag'::regtype, -1);
                    again := toms.health_flag_in(textout(armour), 'toms.health_flag'::regtype, -1);
        WHEN 1 THEN armour := toms.health_code_in(textout(input), 'toms.health_code'::regtype, -1);
                    again := toms.health_code_in(textout(armour), 'toms.health_code'::regtype, -1);
        WHEN 2 THEN armour := toms.health_date_in(textout(input), 'toms.health_date'::regtype, -1);
                    again := toms.health_date_in(textout(armour), 'toms.health_date'::regtype, -1);
        WHEN 3 THEN armour := toms.sealed_text_in(textout(input), 'toms.sealed_text'::regtype, -1);
                    again := toms.sealed_text_in(textout(armour), 'toms.sealed_text'::regtype, -1);
        WHEN 4 THEN armour := toms.sealed_bytea_in(textout(input), 'toms.sealed_bytea'::regtype, -1);
                    again := toms.sealed_bytea_in(textout(armour), 'toms.sealed_bytea'::regtype, -1);
    END CASE;
    RETURN CASE WHEN armour ~ '^toms1:[-_A-Za-z0-9]{74,}$' AND armour = again THEN 'accepted' ELSE 'no ciphertext: ' || armour END;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
    IF length(input) > 12 AND strpos(message || detail || context, input) > 0 THEN
        RETURN 'shows the value: ' || message;
    END IF;
    RETURN state;
END
$$;

-- each type gets each kind of input, in time: longer only where the server is under observation
\set slower 1
\getenv slower TOMS_TEST_SLOWER
SELECT set_config('test.slower', :'slower', false) \g /dev/null
CREATE TABLE regress_input.result (number integer, what text, times bigint);
DO $$
DECLARE
    stored bytea[];
    started constant timestamptz := clock_timestamp();
BEGIN
    PERFORM set_config('toms.reason', 'test', true);
    SELECT array_agg(regress_input.bytes(s::text)) INTO stored
    FROM regress_input.note n, unnest(ARRAY[n.sick::text, n.kind::text, n.since::text, n.said::text, n.scan::text]) s;
    INSERT INTO regress_input.result
    SELECT i % 5, regress_input.try_text(i % 5, regress_input.made_up(i / 5, stored[1 + i % 5])), count(*)
    FROM generate_series(1, 100000) i GROUP BY 1, 2;
    IF clock_timestamp() - started > interval '5 min' * current_setting('test.slower')::integer THEN
        RAISE 'it took %', clock_timestamp() - started;
    END IF;
END
$$;
SELECT sum(times) FROM regress_input.result;
SELECT number, what FROM regress_input.result WHERE what NOT IN ('accepted', '22P02');     -- none: accepted, or an invalid text representation
SELECT c.type, count(*) FILTER (WHERE r.what = 'accepted' AND r.times > 1000), count(*) FILTER (WHERE r.what = '22P02' AND r.times > 1000)
FROM regress_input.result r JOIN regress_input.column_type c USING (number) GROUP BY c.number, c.type ORDER BY c.number;     -- some of both

-- no input at all, and long ones
SELECT number, regress_input.try_text(number, ''), regress_input.try_text(number, 'toms1:'), regress_input.try_text(number, repeat('x', 1000000)),
       regress_input.try_text(number, 'toms1:' || repeat('x', 1000000)), regress_input.try_text(number, '\x' || repeat('0', 999999))
FROM generate_series(0, 4) number;
SELECT number, regress_input.try_text(number, repeat('x', 16 * 1024 * 1024)), regress_input.try_text(number, repeat('x', 16 * 1024 * 1024 + 1))
FROM generate_series(0, 4) number;

--
-- The same in binary form: COPY gives it to the receive function
--
SET toms.reason = 'test';     -- columns of sealed types in tables without protection
SELECT current_setting('data_directory') || '/regress_input.bin' AS file \gset
CREATE TABLE regress_input.received (sick toms.health_flag, kind toms.health_code, since toms.health_date, said toms.sealed_text, scan toms.sealed_bytea);
CREATE FUNCTION regress_input.try_binary(name text, input bytea, file text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    EXECUTE format('COPY (SELECT %L::bytea) TO %L (FORMAT binary)', input, file);
    EXECUTE format('COPY regress_input.received (%I) FROM %L (FORMAT binary)', name, file);
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
TRUNCATE regress_input.result;
DO $$
DECLARE
    stored bytea[];
    bytes bytea;
    file constant text := current_setting('data_directory') || '/regress_input.bin';
    names constant text[] := '{sick,kind,since,said,scan}';
    started constant timestamptz := clock_timestamp();
BEGIN
    PERFORM set_config('toms.reason', 'test', true);
    SELECT array_agg(regress_input.bytes(s::text)) INTO stored
    FROM regress_input.note n, unnest(ARRAY[n.sick::text, n.kind::text, n.since::text, n.said::text, n.scan::text]) s;
    FOR i IN 1 .. 2000 LOOP
        bytes := stored[1 + i % 5];
        bytes := CASE i / 5 % 4 WHEN 0 THEN substr(bytes, 1, (random() * length(bytes))::integer)
                     WHEN 1 THEN set_byte(bytes, (random() * (length(bytes) - 1))::integer, (random() * 255)::integer)
                     WHEN 2 THEN substr(bytes, 1, (random() * 15)::integer) || regress_input.random_bytes(200)
                     ELSE regress_input.random_bytes(300) END;
        INSERT INTO regress_input.result SELECT i % 5, regress_input.try_binary(names[1 + i % 5], bytes, file), 1;
    END LOOP;
    IF clock_timestamp() - started > interval '5 min' * current_setting('test.slower')::integer THEN
        RAISE 'it took %', clock_timestamp() - started;
    END IF;
END
$$;
SELECT sum(times) FROM regress_input.result;
SELECT number, what FROM regress_input.result WHERE what NOT IN ('accepted', '22P03');     -- none: accepted, or an invalid binary representation
SELECT c.type, count(*) FILTER (WHERE r.what = 'accepted') > 20, count(*) FILTER (WHERE r.what = '22P03') > 100
FROM regress_input.result r JOIN regress_input.column_type c USING (number) GROUP BY c.number, c.type ORDER BY c.number;     -- some of both
-- what was accepted has the form of an envelope, and comes back as it was
SELECT count(*) FROM regress_input.received r WHERE r.sick::text !~ '^toms1:AQ[E-H]' OR r.kind::text !~ '^toms1:AQ[I-L]' OR r.since::text !~ '^toms1:AQ[M-P]'
    OR r.said::text !~ '^toms1:AQ[Q-T]' OR r.scan::text !~ '^toms1:AQ[U-X]';     -- 0
COPY regress_input.received TO :'file' (FORMAT binary);
CREATE TABLE regress_input.received_again AS SELECT * FROM regress_input.received LIMIT 0;
COPY regress_input.received_again FROM :'file' (FORMAT binary);
SELECT count(*) FROM (SELECT r::text FROM regress_input.received r EXCEPT ALL SELECT a::text FROM regress_input.received_again a) x;     -- 0

--
-- A stored value of which one bit was changed, or that was cut or lengthened, is refused when it
-- is written, by the row's own tenant for the same row, and when it is opened
--
CREATE FUNCTION regress_input.try_stored(name text, type text, bytes bytea) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    armour constant text := 'toms1:' || translate(encode(bytes, 'base64'), E'+/=\n', '-_');
    written text := 'written';
    opened text := 'opened';
BEGIN
    BEGIN
        EXECUTE format('INSERT INTO regress_input.note (id, tenant, person, %I) VALUES (2, ''acme'', 17, %L)', name, armour);
        RAISE unique_violation;
    EXCEPTION WHEN insufficient_privilege OR invalid_text_representation THEN
        written := 'refused';
    WHEN unique_violation THEN NULL;
    END;
    BEGIN
        EXECUTE format('UPDATE regress_input.note SET %I = %L WHERE id = 1', name, armour);
        written := 'written';
        RAISE unique_violation;
    EXCEPTION WHEN insufficient_privilege OR invalid_text_representation THEN NULL;
    WHEN unique_violation THEN NULL;
    END;
    BEGIN
        EXECUTE format('SELECT toms.reveal(%L::%s)', armour, type);
    EXCEPTION WHEN insufficient_privilege OR invalid_text_representation THEN
        opened := 'refused';
    END;
    RETURN written || ', ' || opened;
END
$$;
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SET LOCAL client_min_messages = error;
SELECT set_config('toms.token', :'token', true);
CREATE TEMP TABLE value AS
    SELECT c.*, decode(rpad(t, (length(t) + 3) / 4 * 4, '='), 'base64') AS bytes
    FROM regress_input.note n, regress_input.column_type c,
         translate(substr((ARRAY[n.sick::text, n.kind::text, n.since::text, n.said::text, n.scan::text])[1 + c.number], 7), '-_', '+/') t;
SELECT type, octet_length(bytes), regress_input.try_stored(name, type, bytes) FROM value ORDER BY number;     -- as they are
SELECT v.type, count(*), regress_input.try_stored(v.name, v.type, set_bit(v.bytes, bit, 1 - get_bit(v.bytes, bit))) AS changed
FROM value v, generate_series(0, octet_length(v.bytes) * 8 - 1) bit GROUP BY v.number, v.type, changed ORDER BY v.number;
SELECT v.type, count(*), regress_input.try_stored(v.name, v.type, substr(v.bytes, 1, size)) AS cut
FROM value v, generate_series(0, octet_length(v.bytes) - 1) size GROUP BY v.number, v.type, cut ORDER BY v.number;
SELECT v.type, regress_input.try_stored(v.name, v.type, v.bytes || '\x00') FROM value v ORDER BY v.number;
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- A default that PostgreSQL would seal when it is declared is refused, since no server could open it after a restart
--
CREATE DOMAIN regress_input.remark AS toms.sealed_text DEFAULT 'none';
CREATE TABLE regress_input.draft (id integer, tenant text NOT NULL, person integer NOT NULL, sick toms.health_flag DEFAULT 'false', said regress_input.remark);
SELECT toms.protect('regress_input.draft', tenant => 'tenant', subject => 'person', category => 'health');     -- refused
ALTER TABLE regress_input.draft ALTER COLUMN sick SET DEFAULT false;
SELECT toms.protect('regress_input.draft', tenant => 'tenant', subject => 'person', category => 'health');     -- refused: the domain's
ALTER TABLE regress_input.draft ALTER COLUMN said SET DEFAULT 'none'::text;
SELECT toms.protect('regress_input.draft', tenant => 'tenant', subject => 'person', category => 'health');
SET toms.reason = 'test';
ALTER TABLE regress_input.draft ALTER COLUMN sick SET DEFAULT 'true';     -- refused
ALTER TABLE regress_input.draft ALTER COLUMN sick SET DEFAULT true;
INSERT INTO regress_input.draft VALUES (1, 'acme', 17), (2, 'acme', 17);
SELECT count(DISTINCT sick::text), count(DISTINCT said::text) FROM regress_input.draft;     -- sealed for each row

\set remove 'rm ' :file
COPY (SELECT WHERE false) TO PROGRAM :'remove';
SET client_min_messages = warning;
DROP SCHEMA regress_input CASCADE;
