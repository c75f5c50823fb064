--
-- guard_leakproof: trust_function() lets an index be used below a policy, for functions that
-- were reviewed, on record and until distrust_function(); those that tell are refused
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE TEMPORARY TABLE leakproof AS SELECT oid FROM pg_proc WHERE proleakproof;
CREATE SCHEMA lp AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA lp TO PUBLIC;

-- The job is HR of acme; globex's rows come first.
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE lp.absence (id integer, tenant_id text NOT NULL, code text, during daterange, note json, on_day date, at timestamptz);
INSERT INTO lp.absence VALUES (2, 'globex', 'secret', '[2026-02-01,2026-02-10)', '{}', '2026-02-01', '2026-02-01');
INSERT INTO lp.absence SELECT n, 'acme', 'x' || n, daterange('2020-01-01'::date + n, '2020-01-03'::date + n) FROM generate_series(100, 399) n;
CREATE INDEX absence_during_idx ON lp.absence USING gist (during);
CREATE INDEX absence_code_idx ON lp.absence (code);
ANALYZE lp.absence;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('lp.absence', tenant => 'tenant_id');
SELECT toms.permit('regress_hr', 'lp.absence', '{select}', '{absence_management}', scope => 'tenant') > 0 AS permitted;
RESET SESSION AUTHORIZATION;
-- plan(condition): how the job's query finds its rows
CREATE FUNCTION regress.explain(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
        IF line NOT LIKE '% Disabled: %' THEN       -- told since 18
            RETURN NEXT line;
        END IF;
    END LOOP;
END
$$;
CREATE FUNCTION regress.plan(condition text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM toms.enter('acme', '17', 'regress_hr', 'absence_management');
    SET LOCAL enable_seqscan = off;
    RETURN QUERY SELECT e FROM regress.explain('SELECT FROM lp.absence WHERE ' || condition) e WHERE e NOT LIKE '% Filter: %';
END
$$;
-- asked(condition): what the job is told
CREATE FUNCTION regress.asked(condition text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM toms.enter('acme', '17', 'regress_hr', 'absence_management');
    RETURN regress.verdict('SELECT FROM lp.absence WHERE ' || condition);
END
$$;

--
-- Before: the policy comes first, for each row
--
SET SESSION AUTHORIZATION regress_job;
SELECT regress.plan($$during && '[2020-05-01,2020-05-03)'$$);
SELECT regress.asked($$during && '[2020-05-01,2020-05-03)'$$);
SET SESSION AUTHORIZATION regress_officer;
SELECT finding FROM toms.explain_protection('lp.absence') WHERE kind = 'slow: index';

--
-- Trusted: the index is used, also by a plan that was made before
--
SET SESSION AUTHORIZATION regress_job;
SET enable_seqscan = off;
SET plan_cache_mode = force_generic_plan;
PREPARE overlapping AS SELECT FROM lp.absence WHERE during && $1;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT regress.explain($$EXECUTE overlapping ('[2020-05-01,2020-05-03)')$$);
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.trust_function('range_overlaps(anyrange,anyrange)', reason => 'overlapping absences are looked for all the time') > 0 AS trusted;
SELECT function, in_force, reason, trusted_by, ended_at, review LIKE 'Compares bounds %' FROM toms.trusted_functions WHERE in_force;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.plan($$during && '[2020-05-01,2020-05-03)'$$);
SELECT regress.asked($$during && '[2020-05-01,2020-05-03)'$$);                      -- the same rows
SELECT regress.asked($$during && '[2026-02-01,2026-02-03)'$$);                      -- none of globex's
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT regress.explain($$EXECUTE overlapping ('[2020-05-01,2020-05-03)')$$);
COMMIT;
-- a further call changes nothing
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.trust_function('range_overlaps(anyrange,anyrange)', reason => 'again') > 0 AS trusted;
SELECT count(*) FROM toms.trusted_functions WHERE function LIKE '%range%';
-- what is left is told, without the one that is trusted; the remedy trusts the rest
SELECT finding, remedy FROM toms.explain_protection('lp.absence') WHERE kind = 'slow: index' \gset
\echo :finding
\o /dev/null
:remedy
\o
SELECT finding FROM toms.explain_protection('lp.absence') WHERE kind = 'slow: index';

--
-- A restore or an upgrade of PostgreSQL loses the mark; that is told, and the next call renews it
--
RESET SESSION AUTHORIZATION;
ALTER FUNCTION range_overlaps(anyrange, anyrange) NOT LEAKPROOF;
SET SESSION AUTHORIZATION regress_officer;
SELECT in_force, reason FROM toms.trusted_functions WHERE function LIKE '%range_overlaps(%';
SELECT finding FROM toms.explain_protection('lp.absence') WHERE kind = 'slow: index';
SELECT toms.trust_function('range_overlaps(anyrange,anyrange)', reason => 'after the upgrade') > 0 AS trusted;
SELECT in_force, reason, ended_by, end_reason FROM toms.trusted_functions WHERE function LIKE '%range_overlaps(%' ORDER BY id;
SELECT finding FROM toms.explain_protection('lp.absence') WHERE kind = 'slow: index';

--
-- Distrusted: the policy comes first again, at once
--
SELECT toms.distrust_function('range_overlaps(anyrange,anyrange)', reason => 'not needed any more');
SELECT in_force, reason, ended_by, end_reason FROM toms.trusted_functions WHERE function LIKE '%range_overlaps(%' ORDER BY id;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.plan($$during && '[2020-05-01,2020-05-03)'$$);
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT regress.explain($$EXECUTE overlapping ('[2020-05-01,2020-05-03)')$$);
COMMIT;
RESET enable_seqscan;
RESET plan_cache_mode;

--
-- Refused
--
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.distrust_function('range_overlaps(anyrange,anyrange)', reason => 'twice')$$);
SELECT regress.verdict($$SELECT toms.distrust_function('range_contains(anyrange,anyrange)', reason => '')$$);
SELECT regress.verdict($$SELECT toms.trust_function('range_overlaps(anyrange,anyrange)', reason => '')$$);
SELECT regress.verdict($$SELECT toms.trust_function('range_overlaps(anyrange,anyrange)', reason => NULL)$$);
SELECT regress.verdict($$SELECT toms.trust_function(NULL, reason => 'test')$$);
SELECT toms.trust_function('int8pl(bigint,bigint)', reason => 'test');                                  -- overflows
SELECT toms.trust_function('textlike(text,text)', reason => 'test');
SELECT toms.trust_function('pg_sleep(double precision)', reason => 'test');                             -- not reviewed
SELECT regress.verdict(format('SELECT toms.trust_function(%L, reason => ''test'')', function)) LIKE 'refused: function % cannot be trusted (22023)' AS refused, count(*) > 40
FROM toms.refused_function GROUP BY refused;
-- one of a user's, of the same name, even if it is found first
RESET SESSION AUTHORIZATION;
CREATE FUNCTION lp.range_overlaps(anyrange, anyrange) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
SELECT toms.trust_function('lp.range_overlaps(anyrange,anyrange)', reason => 'test');
SET search_path = lp, pg_catalog;
SELECT regress.verdict($$SELECT toms.trust_function('range_overlaps(anyrange,anyrange)', reason => 'test')$$);
RESET search_path;
SELECT proleakproof FROM pg_proc WHERE oid = 'lp.range_overlaps(anyrange,anyrange)'::regprocedure;
-- who is no officer
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict($$SELECT toms.trust_function('range_overlaps(anyrange,anyrange)', reason => 'test')$$);
SELECT regress.verdict($$SELECT toms.distrust_function('range_contains(anyrange,anyrange)', reason => 'test')$$);
SELECT regress.verdict('SELECT FROM toms.trusted_functions');
SELECT regress.verdict('SELECT toms.mark_leakproof(''textlike(text,text)'', true)');
RESET SESSION AUTHORIZATION;

--
-- Why they are refused: were they marked, the job would be told of globex's row
--
CREATE FUNCTION regress.were_leakproof(functions regprocedure[], VARIADIC conditions text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    f regprocedure;
    condition text;
BEGIN
    FOREACH f IN ARRAY functions LOOP
        EXECUTE format('ALTER FUNCTION %s LEAKPROOF', f);
    END LOOP;
    SET SESSION AUTHORIZATION regress_job;
    PERFORM toms.enter('acme', '17', 'regress_hr', 'absence_management');
    SET LOCAL enable_seqscan = off;
    FOREACH condition IN ARRAY conditions LOOP
        RETURN NEXT condition || ': ' || regress.verdict('SELECT FROM lp.absence WHERE ' || condition);
    END LOOP;
    RESET SESSION AUTHORIZATION;
    FOREACH f IN ARRAY functions LOOP
        EXECUTE format('ALTER FUNCTION %s NOT LEAKPROOF', f);
    END LOOP;
END
$$;
SELECT regress.were_leakproof('{}', $$code LIKE '_ecr\'$$, $$id < 100 AND id + 2147483646 > 0$$, $$code = 'secret' AND date_trunc('?', at) IS NULL$$,
                              $$code = 'secret' AND ARRAY[note] && '{}'$$, $$code = 'secret' AND daterange(on_day, '2026-01-01') && during$$);   -- nothing
SELECT regress.were_leakproof('{"textlike(text,text)"}', $$code LIKE '_ecr\'$$, $$code LIKE '_ect\'$$);
SELECT regress.were_leakproof('{"int4pl(integer,integer)"}', $$id < 100 AND id + 2147483646 > 0$$, $$id < 100 AND id + 2147483645 > 0$$);
SELECT regress.were_leakproof('{"date_trunc(text,timestamp with time zone)"}',
                              $$code = 'secret' AND date_trunc('?', at) IS NULL$$, $$code = 'public' AND date_trunc('?', at) IS NULL$$);
SELECT regress.were_leakproof('{"arrayoverlap(anyarray,anyarray)"}', $$code = 'secret' AND ARRAY[note] && '{}'$$, $$code = 'public' AND ARRAY[note] && '{}'$$);
SELECT regress.were_leakproof('{"daterange(date,date)","range_overlaps(anyrange,anyrange)"}',
                              $$code = 'secret' AND daterange(on_day, '2026-01-01') && during$$, $$code = 'secret' AND daterange(on_day, '2026-12-31') && during$$);

--
-- The list: built-in functions that are there, under the name by which they are known, and that
-- return for any values, in any time zone
--
SELECT l.function FROM (SELECT function FROM toms.trustable_function UNION ALL SELECT function FROM toms.refused_function) l
LEFT JOIN pg_proc p ON p.oid = to_regprocedure(l.function) AND p.pronamespace = 'pg_catalog'::regnamespace
WHERE p.oid IS NULL OR 'pg_catalog.' || p.oid::regprocedure::text <> l.function OR p.provolatile = 'v';
SELECT t.function FROM toms.trustable_function t JOIN toms.refused_function r ON to_regprocedure(r.function) = to_regprocedure(t.function);
CREATE TYPE lp.mood AS ENUM ('good', 'bad');
ALTER TYPE lp.mood ADD VALUE 'worst' AFTER 'bad';
ALTER TYPE lp.mood ADD VALUE 'fair' BEFORE 'bad';
ALTER TYPE lp.mood ADD VALUE 'none' BEFORE 'good';
CREATE TYPE lp.textrange AS RANGE (subtype = text, collation = "C");
CREATE FUNCTION regress.samples(type text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT v FROM (VALUES
        ('date', '{-infinity,infinity,4713-01-01 BC,5874897-12-31,2000-01-01}'::text[]),
        ('timestamp without time zone', '{-infinity,infinity,4713-01-01 00:00 BC,294276-12-31 23:59:59.999999,2000-01-01}'),
        ('timestamp with time zone', '{-infinity,infinity,4713-01-02 00:00+00 BC,294276-12-30 23:59:59.999999+00,2000-01-01}'),
        ('integer', '{-2147483648,2147483647,0}'),
        ('numeric', '{NaN,-Infinity,Infinity,0,1e131071,-1e131071,1e-16383,-0.5}'),
        ('text', '{"",a,"\\\\",ä}'),
        ('daterange', '{empty,"(,)","[-infinity,infinity]","[4713-01-01 BC,5874897-12-31)","[2000-01-01,2000-01-02)","[2000-01-02,)"}'),
        ('int4range', '{empty,"(,)","[-2147483648,2147483647)","(,2147483647)","[0,1)","[1,2)"}'),
        ('numrange', '{empty,"(,)","[NaN,NaN]","(-Infinity,Infinity)","[-1e131071,1e131071]","(0,1)","[1,2)"}'),
        ('tstzrange', '{empty,"(,)","[-infinity,infinity]","[4713-01-02 00:00+00 BC,294276-12-30 00:00+00]","(,2000-01-01]"}'),
        ('lp.textrange', '{empty,"(,)","[\"\",a)","[a,b]"}'),
        ('datemultirange', '{"{}","{(,)}","{[4713-01-01 BC,2000-01-01),[2001-01-01,5874897-12-31)}","{[2000-01-01,2000-01-02),[2001-01-01,)}"}'),
        ('nummultirange', '{"{}","{(,)}","{[NaN,NaN]}","{(,0],(1,2),[Infinity,]}"}'),
        ('lp.mood', '{none,good,fair,bad,worst}'),
        ('inet', '{0.0.0.0/0,255.255.255.255,10.1.0.0/16,::/0,ffff::/128,::ffff:10.1.0.0/112}'),
        ('jsonb', '{"null",1e131071,"\"a\"","{}","[]","[\"a\", null, [[]]]","{\"a\": {\"a\": []}}"}'),
        ('text[]', '{"{}","{NULL}","{a,b}","{{a},{b}}","[-5:-4]={a,b}"}')) s (type, samples), unnest(s.samples) v
    WHERE s.type = samples.type
$$;
-- every function with every pair of values of every set of types that it takes
CREATE FUNCTION regress.try_all(time_zone text, OUT functions bigint, OUT calls bigint, OUT errors text) LANGUAGE plpgsql AS $$
DECLARE
    call record;
BEGIN
    PERFORM set_config('timezone', time_zone, true);
    calls := 0;
    FOR call IN
        SELECT t.function, format('SELECT %s(%s)', split_part(t.function, '(', 1),
                                  concat_ws(', ', format('%L::%s', a, types[1]), format('%L::', b) || types[2])) AS statement
        FROM toms.trustable_function t
             CROSS JOIN LATERAL regexp_split_to_table(CASE WHEN t.function LIKE '%multirange%' THEN 'datemultirange date,nummultirange numeric'
                                                           WHEN t.function LIKE '%anyrange%' THEN 'daterange date,int4range integer,numrange numeric,tstzrange timestamp with time zone,lp.textrange text'
                                                           ELSE 'none none' END, ',') kind
             CROSS JOIN LATERAL (SELECT array_agg(CASE WHEN g IN ('anyrange', 'anymultirange') THEN split_part(kind, ' ', 1)
                                                       WHEN g = 'anyelement' THEN substr(kind, strpos(kind, ' ') + 1)
                                                       WHEN g = 'anyenum' THEN 'lp.mood' ELSE g END ORDER BY n) AS types
                                 FROM unnest(string_to_array(rtrim(split_part(t.function, '(', 2), ')'), ',')) WITH ORDINALITY u (g, n)) p
             CROSS JOIN LATERAL regress.samples(types[1]) a LEFT JOIN LATERAL regress.samples(types[2]) b ON true
    LOOP
        BEGIN
            EXECUTE call.statement;
            calls := calls + 1;
        EXCEPTION WHEN OTHERS THEN
            errors := concat_ws(E'\n', errors, call.statement || ': ' || SQLERRM);
        END;
    END LOOP;
    SELECT count(*) INTO functions FROM toms.trustable_function;
END
$$;
SELECT z, t.functions, t.calls > 2500 AS many, t.errors FROM unnest('{UTC,Pacific/Kiritimati,Etc/GMT+12,Europe/Berlin}'::text[]) z, regress.try_all(z) t;

--
-- clean up: nothing stays trusted
--
SET SESSION AUTHORIZATION regress_officer;
SELECT count(*) FROM (SELECT toms.distrust_function(function::regprocedure, reason => 'end of test') FROM toms.trusted_functions WHERE in_force) f;
SELECT count(*) FROM toms.trusted_functions WHERE in_force;                         -- 0
RESET SESSION AUTHORIZATION;
SELECT oid::regprocedure FROM pg_proc WHERE proleakproof <> (oid IN (SELECT oid FROM leakproof));        -- none
DROP TABLE leakproof;
SELECT toms.unprotect('lp.absence', reason => 'end of test');
SET client_min_messages = warning;
DROP SCHEMA lp CASCADE;
DROP FUNCTION regress.plan, regress.explain, regress.asked, regress.were_leakproof, regress.samples, regress.try_all;
