--
-- context_claims: what the payload of a token must hold, and that each other one gets one clear
-- error, which does not show the token
--
-- All tokens here are signed well: by test/mint.sh, with the one key that base.sql trusts; with
-- --raw it signs header and payload as they stand here.  context_token.sql has the rest.
--
\set SHOW_CONTEXT never
\pset null '(null)'
\pset tuples_only on
\pset format unaligned
SET client_min_messages = error;        -- tokens stand in the statements' text here; see context_guc.sql
CREATE SCHEMA regress_claims;
GRANT USAGE ON SCHEMA regress_claims TO PUBLIC;

-- what comes of a token: what it says, or why it is refused; and whether any part of it can be
-- read in the error
CREATE FUNCTION regress_claims.verdict(token text) RETURNS text LANGUAGE plpgsql AS $$
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
-- Payload: one JSON object, no member twice, UTF-8, not deep
--
-- a member twice
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"tenant":"globex"}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"tenant":"acme"}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"\u0074enant":"globex"}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"act":{"sub":"1","sub":"2"}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"x":{"a":1,"a":1}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"x":[{"a":1,"a":1}]}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":"a","aud":"a"}'`
SELECT regress_claims.verdict(:'token');      -- refused
-- not an object, not only one, not JSON
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '[]'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '"acme"'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '1'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' 'null'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' 'true'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '[{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}]'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300} x'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":acme}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' 'tenant=acme'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' ' '`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"x":NaN}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"x":0x10}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"x":"\q"}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' "$(printf '\357\273\277')"'{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused: a byte order mark
-- a null byte, other control characters
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17\u0000","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"\u0000","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17\u0001","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17\n","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17\u007f","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17\u001b[2J","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"x\u0000":1}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme\t","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":["audit","pay\u0000roll"],"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr\u0000","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"ac'"$(printf '\001')"'me","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused: as a byte
-- not UTF-8: a lone byte, an overlong null byte, half a surrogate pair, a truncated character
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17'"$(printf '\377')"'","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17'"$(printf '\300\200')"'","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17'"$(printf '\355\240\200')"'","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17'"$(printf '\342\202')"'","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"\ud800","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"\udc00\ud800","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"\u00","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
-- nested: eight levels with the payload itself, not more
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"x":[[[[[[[1]]]]]]]}'`
SELECT regress_claims.verdict(:'token');      -- ok
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"x":[[[[[[[[1]]]]]]]]}'`
SELECT regress_claims.verdict(:'token');      -- refused: too deep
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"x":{"x":{"x":{"x":{"x":{"x":{"x":{"x":{}}}}}}}}}'`
SELECT regress_claims.verdict(:'token');      -- refused: too deep
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' "$(printf %05900d 0 | tr 0 '[')" `
SELECT regress_claims.verdict(:'token');      -- refused: much too deep
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"x":'"$(printf %05900d 0 | tr 0 '[')" `
SELECT regress_claims.verdict(:'token');      -- refused: much too deep

--
-- Times: whole seconds since 1970, in range
--
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":"NOW+300"}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":"2099-01-01"}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300.0}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300.5}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":2e9}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":2E9}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":1e400}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":-1}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":-NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":0}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":-0}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":99999999999999999999}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":9223372036854775807}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":9223372036854775808}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":-99999999999999999999}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":253402300800}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":null}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":true}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":[NOW+300]}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":{"exp":NOW+300}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"nbf":"NOW-10"}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"nbf":NOW-10.5}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"nbf":-1}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"nbf":1e3}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"nbf":99999999999999999999}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"nbf":null}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"iat":"NOW-10"}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"iat":NOW-10.5}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"iat":-1}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"iat":1e3}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"iat":99999999999999999999}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"iat":null}'`
SELECT regress_claims.verdict(:'token');      -- refused
-- expired, not yet valid, issued in the future
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW-60}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":1}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"nbf":NOW+60}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"iat":NOW+60}'`
SELECT regress_claims.verdict(:'token');      -- refused
-- too long: toms.max_token_age is an hour, from "iat", or from now
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+3600}'`
SELECT regress_claims.verdict(:'token');      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+3700}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"iat":NOW-3200}'`
SELECT regress_claims.verdict(:'token');      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"iat":NOW-3400}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":253402300799}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"iat":0}'`
SELECT regress_claims.verdict(:'token');      -- refused

--
-- Claims: each required one, as text that is an identifier
--
-- missing
\set token `test/mint.sh '{"sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit"}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh --raw '{"alg":"EdDSA"}' '{}'`
SELECT regress_claims.verdict(:'token');      -- refused
-- empty, null, of another type
\set token `test/mint.sh '{"tenant":"","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":null,"sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":17,"sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":["acme"],"sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":{"a":"b"},"sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":null,"role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":17,"role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":["acme"],"role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":{"a":"b"},"role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":null,"purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":17,"purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":["acme"],"purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":{"a":"b"},"purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":null,"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":17,"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":[],"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":[""],"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":["audit",""],"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":[1],"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":["audit",null],"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":[["audit"]],"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":{"a":"audit"},"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":[{"a":"audit"}],"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"jti":""}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"jti":null}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"jti":1}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"jti":["a"]}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"jti":{}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"env":""}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"env":null}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"env":1}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"env":["a"]}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"env":{}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":""}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":null}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":1}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":[1]}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":["a",""]}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":{"a":"b"}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":[["a"]]}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"act":{"sub":""}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"act":{"sub":null}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"act":{"sub":1}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"act":{"sub":["a"]}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"act":{"sub":{"sub":"a"}}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"amr":{"mfa":true}}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"amr":["pwd",["mfa"]]}'`
SELECT regress_claims.verdict(:'token');      -- refused
-- too long: 200 bytes for identifiers, 63 for names of PostgreSQL
\set token `test/mint.sh '{"tenant":"acme","sub":"'"$(printf %0200d 0)"'","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token') LIKE 'ok: tenant acme, subject 000%';      -- t: ok
\set token `test/mint.sh '{"tenant":"acme","sub":"'"$(printf %0201d 0)"'","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"'"$(printf %0201d 0)"'","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"'"$(printf %064d 0)"'","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"'"$(printf %064d 0)"'","exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"jti":"'"$(printf %0201d 0)"'"}'`
SELECT regress_claims.verdict(:'token');      -- refused
-- 32 purposes, and one more
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":['"$(seq -f '"p%g"' -s , 32)"'],"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token') LIKE 'ok: %,p31,p32}';      -- t: ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":['"$(seq -f '"p%g"' -s , 33)"'],"exp":NOW+300}'`
SELECT regress_claims.verdict(:'token');      -- refused

--
-- The second factor: a permission may demand "mfa" among the token's "amr"
--
RESET SESSION AUTHORIZATION;
CREATE TABLE regress_claims.sick_note (tenant_id text NOT NULL, employee_id integer NOT NULL);
SELECT toms.protect('regress_claims.sick_note', tenant => 'tenant_id', subject => 'employee_id');
SELECT toms.permit('regress_hr', 'regress_claims.sick_note', '{select}', '{audit}', scope => 'tenant', require_mfa => true) > 0;
SET SESSION AUTHORIZATION regress_app;
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"amr":["pwd","mfa"]}'`
BEGIN \; SELECT regress_claims.verdict(:'token') LIKE 'ok: %' \; SELECT regress.verdict('SELECT FROM regress_claims.sick_note') \; COMMIT;      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"amr":["mfa"]}'`
BEGIN \; SELECT regress_claims.verdict(:'token') LIKE 'ok: %' \; SELECT regress.verdict('SELECT FROM regress_claims.sick_note') \; COMMIT;      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
BEGIN \; SELECT regress_claims.verdict(:'token') LIKE 'ok: %' \; SELECT regress.verdict('SELECT FROM regress_claims.sick_note') \; COMMIT;      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"amr":[]}'`
BEGIN \; SELECT regress_claims.verdict(:'token') LIKE 'ok: %' \; SELECT regress.verdict('SELECT FROM regress_claims.sick_note') \; COMMIT;      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"amr":["pwd"]}'`
BEGIN \; SELECT regress_claims.verdict(:'token') LIKE 'ok: %' \; SELECT regress.verdict('SELECT FROM regress_claims.sick_note') \; COMMIT;      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"amr":["MFA"]}'`
BEGIN \; SELECT regress_claims.verdict(:'token') LIKE 'ok: %' \; SELECT regress.verdict('SELECT FROM regress_claims.sick_note') \; COMMIT;      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"amr":["mfa "]}'`
BEGIN \; SELECT regress_claims.verdict(:'token') LIKE 'ok: %' \; SELECT regress.verdict('SELECT FROM regress_claims.sick_note') \; COMMIT;      -- refused
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"amr":"mfa"}'`
BEGIN \; SELECT regress_claims.verdict(:'token') LIKE 'ok: %' \; SELECT regress.verdict('SELECT FROM regress_claims.sick_note') \; COMMIT;      -- refused: not a list
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"amr":[{"x":"mfa"}]}'`
BEGIN \; SELECT regress_claims.verdict(:'token') LIKE 'ok: %' \; SELECT regress.verdict('SELECT FROM regress_claims.sick_note') \; COMMIT;      -- refused: not a list of strings
RESET SESSION AUTHORIZATION;
SELECT toms.unprotect('regress_claims.sick_note', reason => 'end of test');
SET SESSION AUTHORIZATION regress_app;

--
-- Audience and environment, where the server asks for them
--
\set before `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300}'`
SELECT regress_claims.verdict(:'before');      -- ok
RESET SESSION AUTHORIZATION;
ALTER SYSTEM SET toms.audience = 'personnel';
ALTER SYSTEM SET toms.environment = 'production';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SET SESSION AUTHORIZATION regress_app;
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":"personnel","env":"production"}'`
SELECT regress_claims.verdict(:'token');      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":["payroll","personnel"],"env":"production"}'`
SELECT regress_claims.verdict(:'token');      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":["personnel","payroll"],"env":"production"}'`
SELECT regress_claims.verdict(:'token');      -- ok
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"env":"production"}'`
SELECT regress_claims.verdict(:'token');      -- refused: without audience
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":"payroll","env":"production"}'`
SELECT regress_claims.verdict(:'token');      -- refused: another audience
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":["a","b"],"env":"production"}'`
SELECT regress_claims.verdict(:'token');      -- refused: other audiences
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":[],"env":"production"}'`
SELECT regress_claims.verdict(:'token');      -- refused: without audience
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":"PERSONNEL","env":"production"}'`
SELECT regress_claims.verdict(:'token');      -- refused: another audience
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":"personnel ","env":"production"}'`
SELECT regress_claims.verdict(:'token');      -- refused: another audience
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":"personnel"}'`
SELECT regress_claims.verdict(:'token');      -- refused: without environment
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":"personnel","env":"staging"}'`
SELECT regress_claims.verdict(:'token');      -- refused: another environment
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"audit","exp":NOW+300,"aud":"personnel","env":["production"]}'`
SELECT regress_claims.verdict(:'token');      -- refused: not text
-- a token that was good before, and verified, is not any more
SELECT regress_claims.verdict(:'before');      -- refused
-- toms.enter() makes its tokens for this server
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'audit')$$);
RESET SESSION AUTHORIZATION;
ALTER SYSTEM RESET toms.audience;
ALTER SYSTEM RESET toms.environment;
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SET toms.reason = 'end of the test';
DROP SCHEMA regress_claims CASCADE;
