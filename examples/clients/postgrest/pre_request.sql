-- PostgREST: the back end mints a token for each request and sends it in a header of its own,
-- X-Toms-Token, beside the one that PostgREST takes its role from. In postgrest.conf:
--
--     db-pre-request = "auth.set_context"
CREATE FUNCTION auth.set_context() RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT set_config('toms.token', nullif(current_setting('request.headers', true), '')::json ->> 'x-toms-token', true);
$$;
