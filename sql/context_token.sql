--
-- context_token: which tokens are accepted, and that each other one gets one clear error, which
-- does not show the token
--
-- A token is three parts, header.payload.signature, each in base64url.  test/mint.sh signs with
-- the one key that base.sql trusts; with --raw it signs header and payload as they stand here.
--
\set SHOW_CONTEXT never
\pset null '(null)'
\pset tuples_only on
\pset format unaligned
SET client_min_messages = error;        -- tokens stand in the statements' text here; see context_guc.sql
CREATE SCHEMA regress_token;
GRANT USAGE ON SCHEMA regress_token TO PUBLIC;

-- what comes of a token: what it says, or why it is refused; and whether any part of it can be
-- read in the error
CREATE FUNCTION regress_token.verdict(token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text; state text; message text; detail text; hint text; context text;
BEGIN
    PERFORM set_config('toms.token', token, true);
    RETURN coalesce((SELECT format('ok: tenant %s, subject %s, actor %s, role %s, purposes %s', c.tenant, c.subject, c.actor, c.role, c.purposes)
                     FROM toms.context() c), 'ok: no context');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
    RETURN format('refused: %s (%s): %s %s', code, state, message, detail)
        || (SELECT CASE WHEN bool_or(length(part) > 5 AND position(part IN concat(message, detail, hint, context)) > 0)
                        THEN ' THE ERROR SHOWS THE TOKEN' ELSE '' END
            FROM string_to_table(token, '.') part);
END
$$;
SET SESSION AUTHORIZATION regress_app;

--
-- Accepted
--
-- what is required, and nothing more
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- ok
-- several purposes
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":["audit","payroll"],"exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- ok
-- another one acts for the subject
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"act":{"sub":"assistant-9"}}'`
SELECT regress_token.verdict(:'token');      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"act":{}}'`
SELECT regress_token.verdict(:'token');      -- ok: the subject acts
-- an audience and an environment, where the server asks for none
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":"app"}'`
SELECT regress_token.verdict(:'token');      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":["app","other"]}'`
SELECT regress_token.verdict(:'token');      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":[],"env":"test","jti":"4711"}'`
SELECT regress_token.verdict(:'token');      -- ok
-- means of authentication, with a second factor (used below)
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"amr":["pwd","mfa"]}'`
SELECT regress_token.verdict(:'token');      -- ok
-- claims that are nobody's business here
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"iss":"https://id.example","x":{"y":[1,2,{"z":null}]},"big":1e400,"t":true}'`
SELECT regress_token.verdict(:'token');      -- ok
-- times that fit; clocks may differ by toms.clock_leeway, five seconds
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"nbf":NOW-10,"iat":NOW-10}'`
SELECT regress_token.verdict(:'token');      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"nbf":NOW+3,"iat":NOW+3}'`
SELECT regress_token.verdict(:'token');      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW-1}'`
SELECT regress_token.verdict(:'token');      -- ok
-- white space, another order, escapes
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '  { "exp" : NOW+300 , "purpose" : [ "audit" ] ,	"role":"regress\u005fhr", "sub":"17", "\u0074enant":"acme" }  '`
SELECT regress_token.verdict(:'token');      -- ok
-- a header without "kid": there is only one key; without, or with another, "typ"
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- ok
\set token `test/mint.sh --raw '{"typ":"at+jwt","alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- ok
-- names are bytes: an umlaut is one, however the JSON spells it
RESET SESSION AUTHORIZATION;
SELECT toms.add_tenant('Größe & Söhne', name => 'Größe & Söhne');
SET SESSION AUTHORIZATION regress_app;
\set token `test/mint.sh '{"tenant":"Größe & Söhne","sub":"Жанна 日本 😀","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- ok
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"Gr\u00f6\u00dfe & S\u00f6hne","sub":"\ud83d\ude00","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- ok
\set token `test/mint.sh '{"tenant":"Große & Söhne","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- no context: of another tenant, which is not registered
RESET SESSION AUTHORIZATION;
DELETE FROM toms.tenant WHERE tenant = 'Größe & Söhne';
SET SESSION AUTHORIZATION regress_app;
-- the empty token is none
SELECT regress_token.verdict('');      -- ok: no context

--
-- Form: three parts, each in the one correct spelling of base64url
--
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT split_part(:'token', '.', 1) AS h, split_part(:'token', '.', 2) AS p, split_part(:'token', '.', 3) AS s \gset
SELECT regress_token.verdict('nonsense');      -- refused: one part
SELECT regress_token.verdict(:'h' || '.' || :'p');      -- refused: two parts
SELECT regress_token.verdict(:'token' || '.' || :'s');      -- refused: four parts
SELECT regress_token.verdict(:'token' || '.');      -- refused: four, the last one empty
SELECT regress_token.verdict('.' || :'p' || '.' || :'s');      -- refused: no header
SELECT regress_token.verdict(:'h' || '..' || :'s');      -- refused: no payload
SELECT regress_token.verdict(:'h' || '.' || :'p' || '.');      -- refused: no signature
SELECT regress_token.verdict('..');      -- refused: nothing
SELECT regress_token.verdict('.');      -- refused: nothing
SELECT regress_token.verdict(' ' || :'token');      -- refused: a space before it
SELECT regress_token.verdict(:'token' || ' ');      -- refused: a space behind it
SELECT regress_token.verdict(:'token' || E'\n');      -- refused: a newline behind it
SELECT regress_token.verdict('Bearer ' || :'token');      -- refused: not the token alone
-- header: padding, white space, the alphabet of plain base64, a character that is none
SELECT regress_token.verdict(:'h' || '=.' || :'p' || '.' || :'s');      -- refused: padding
SELECT regress_token.verdict(overlay(:'token' placing ' ' from 5 for 0));      -- refused: white space
SELECT regress_token.verdict(overlay(:'token' placing E'\n' from 5 for 0));      -- refused: white space
SELECT regress_token.verdict(overlay(:'token' placing '+' from 5 for 1));      -- refused: plain base64
SELECT regress_token.verdict(overlay(:'token' placing '/' from 5 for 1));      -- refused: plain base64
SELECT regress_token.verdict(overlay(:'token' placing 'ä' from 5 for 1));      -- refused: not ASCII
-- header: bits behind its end that are not zero, or half a byte
\set odd `test/mint.sh --raw '{"alg":"EdDSA"} ' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'odd');      -- ok: 16 bytes, 22 characters
SELECT strpos(:'odd', '.') - 1 AS last \gset
SELECT regress_token.verdict(overlay(:'odd' placing chr(ascii(substr(:'odd', :last, 1)) + 1) from :last for 1));      -- bits behind its end
SELECT regress_token.verdict(overlay(:'odd' placing '' from :last for 1));      -- half a byte
-- payload: signed are its characters, so each change is a forgery (context_signed_bytes.pl signs such)
SELECT regress_token.verdict(:'h' || '.' || :'p' || '=.' || :'s');      -- refused: padding
SELECT regress_token.verdict(:'h' || '. ' || :'p' || '.' || :'s');      -- refused: white space
SELECT regress_token.verdict(:'h' || '.+' || substr(:'p', 2) || '.' || :'s');      -- refused: plain base64
-- signature: bytes that are not ASCII are not underscores; the loop looks for a signature with two of these
\set underscores `for i in $(seq 1000); do t=$(test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"jti":"'$i'"}'); case ${t##*.} in *__*) break;; esac; done; echo "$t"`
SELECT regress_token.verdict(:'underscores');      -- ok
SELECT regress_token.verdict(regexp_replace(:'underscores', '__([^.]*)$', 'é\1'));      -- refused: not ASCII
-- signature: padding, white space, plain base64, bits behind its end, too short, too long
SELECT regress_token.verdict(:'token' || '==');      -- refused: padding
SELECT regress_token.verdict(:'token' || '=');      -- refused: padding
SELECT regress_token.verdict(overlay(:'token' placing ' ' from length(:'token') - 4 for 0));      -- refused: white space
SELECT regress_token.verdict(overlay(:'token' placing '+' from length(:'token') - 4 for 1));      -- refused: plain base64
SELECT regress_token.verdict(left(:'token', -1) || translate(right(:'token', 1), 'AQgw', 'BRhx'));      -- refused: bits behind its end
SELECT regress_token.verdict(left(:'token', -1));      -- refused: too short
SELECT regress_token.verdict(left(:'token', -4));      -- refused: too short
SELECT regress_token.verdict(:'token' || 'A');      -- refused: too long
SELECT regress_token.verdict(:'token' || 'AAAA');      -- refused: too long

--
-- Size: 8192 bytes are looked at, not more
--
SELECT regress_token.verdict(repeat('a', 8192));      -- refused: not because it is too large
SELECT regress_token.verdict(repeat('a', 8193));      -- refused: too large
SELECT regress_token.verdict(repeat('a', 10000000));      -- refused: too large
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"x":"'"$(printf %05900d 0)"'"}'`
SELECT regress_token.verdict(:'token');      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"x":"'"$(printf %07000d 0)"'"}'`
SELECT regress_token.verdict(:'token');      -- refused: too large

--
-- Signature: EdDSA, by a key that is trusted, over just these bytes
--
-- made with another key that bears the same name
\set token `test/mint.sh --other '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused: forged
-- one bit changed in each part
CREATE FUNCTION pg_temp.flip(part text, at integer) RETURNS text LANGUAGE sql AS $$
    SELECT overlay(part placing translate(substr(part, at, 1), 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
                                                               'BADCFEHGJILKNMPORQTSVUXWZYbadcfehgjilknmporqtsvuxwzy1032547698_-') from at for 1)
$$;
SELECT regress_token.verdict(pg_temp.flip(:'h', 6) || '.' || :'p' || '.' || :'s') LIKE 'refused: toms\_token\_%';      -- t: header
SELECT regress_token.verdict(:'h' || '.' || pg_temp.flip(:'p', 20) || '.' || :'s');      -- payload
SELECT regress_token.verdict(:'h' || '.' || :'p' || '.' || pg_temp.flip(:'s', 20));      -- signature
-- the signature of another token
\set other `test/mint.sh '{"tenant":"acme","sub":"18","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'h' || '.' || :'p' || '.' || split_part(:'other', '.', 3));      -- refused
SELECT regress_token.verdict(split_part(:'other', '.', 1) || '.' || split_part(:'other', '.', 2) || '.' || :'s');      -- refused
SELECT regress_token.verdict(rtrim(:'h' || '.' || :'p' || '.' || repeat('A', 86)));      -- refused: zeros
-- another algorithm, or none: signed all the same, refused all the same
\set token `test/mint.sh --raw '{"alg":"none"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"None"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"HS256"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"ES256"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"RS256"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"eddsa"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EDDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA "}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":""}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"typ":"JWT"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":null}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":["EdDSA"]}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":{"alg":"EdDSA"}}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSAEdDSAEdDSAEdDSAEdDSAEdDSAEdDSAEdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
SELECT regress_token.verdict('eyJhbGciOiJub25lIn0.' || :'p' || '.' || :'s');      -- refused: none, unsigned
SELECT regress_token.verdict('eyJhbGciOiJub25lIn0.' || :'p' || '.');      -- refused: none, unsigned
-- a header extension that must be understood: none is
\set token `test/mint.sh --raw '{"alg":"EdDSA","crit":["exp"]}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","crit":["b64"],"b64":false}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","crit":[]}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","crit":null}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","crit":"exp"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
-- a key that is not trusted; the header cannot bring its own
\set token `test/mint.sh --raw '{"alg":"EdDSA","kid":"of-somebody-else"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","kid":""}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","kid":1}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","kid":null}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","kid":["a"]}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","kid":"'"$(printf %0200d 0)"'"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --other '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}' | sed 's/^[^.]*/eyJhbGciOiJFZERTQSIsImp3ayI6eyJrdHkiOiJPS1AiLCJjcnYiOiJFZDI1NTE5IiwieCI6IjExcVlBWUt4Q3JmVlNfN1R5V1FIT2c3aGN2UGFwaU1scndJYWFQY0hVUm8ifX0/'`
SELECT regress_token.verdict(:'token');      -- refused: brings a jwk
-- the name that toms.enter() signs under is not the application's
\set token `test/mint.sh --raw '{"alg":"EdDSA","kid":"toms-enter"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused

--
-- Header: one JSON object, no member twice
--
\set token `test/mint.sh --raw '{"alg":"EdDSA","alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"none","alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","\u0061lg":"none"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","x":{"a":1,"a":2}}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}{}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"} x' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '["EdDSA"]' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '"EdDSA"' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw 'null' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","x":"\u0000"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA","x":[[[[[[[[1]]]]]]]]}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{alg:EdDSA}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- refused

--
-- 2,000 tokens with one change each: none is accepted, each is refused as any other is
--
SET SESSION AUTHORIZATION regress_app;
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_token.verdict(:'token');      -- ok
-- one change, at a place and of a kind that the random numbers choose
CREATE FUNCTION pg_temp.mutate(token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    at integer := 1 + floor(random() * length(token));
    kind integer := floor(random() * 6);
    alphabet text := 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ~';
    c text := substr(alphabet, 1 + floor(random() * length(alphabet))::integer, 1);
BEGIN
    RETURN CASE kind
        WHEN 0 THEN overlay(token placing '' from at for 1)                                 -- a character less
        WHEN 1 THEN overlay(token placing c from at for 0)                                  -- one more
        WHEN 2 THEN left(token, at - 1)                                                     -- cut off
        WHEN 3 THEN substr(token, at + 1)                                                   -- cut off in front
        WHEN 4 THEN left(token, at) || substr(token, at)                                    -- one twice
        ELSE overlay(token placing c from at for 1) END;                                    -- another one
END
$$;
CREATE FUNCTION pg_temp.trial(token text) RETURNS TABLE (verdict text, tokens bigint) LANGUAGE plpgsql AS $$
DECLARE
    mutant text;
    code text;
    accepted bigint := 0;
    refused bigint := 0;
    surprising bigint := 0;
BEGIN
    PERFORM setseed(0.42);
    WHILE accepted + refused + surprising < 2000 LOOP
        mutant := pg_temp.mutate(token);
        CONTINUE WHEN mutant IN (token, '');
        BEGIN
            PERFORM set_config('toms.token', mutant, true);
            accepted := accepted + 1;
        EXCEPTION
            WHEN invalid_authorization_specification OR object_not_in_prerequisite_state THEN
                GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME;
                refused := refused + (code LIKE 'toms\_token\_%')::integer;
                surprising := surprising + (code NOT LIKE 'toms\_token\_%')::integer;
            WHEN OTHERS THEN
                surprising := surprising + 1;
        END;
    END LOOP;
    RETURN QUERY VALUES ('accepted', accepted), ('refused', refused), ('surprising', surprising);
END
$$;
SELECT * FROM pg_temp.trial(:'token');
SELECT regress_token.verdict(:'token');      -- ok: still
RESET SESSION AUTHORIZATION;
DROP SCHEMA regress_token CASCADE;
