--
-- policy_calls: the functions of policies can be called by anybody, with any arguments
--
-- They are open to PUBLIC because whoever queries a protected table calls them.  Called by
-- hand they tell nothing but what the caller may do, and break nothing.
--
\set SHOW_CONTEXT never
SELECT current_user AS superuser \gset
CREATE SCHEMA calls AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA calls TO PUBLIC;
CREATE TABLE calls.open (tenant text);
CREATE TABLE calls.note (tenant text NOT NULL, employee integer NOT NULL);
SELECT toms.protect('calls.note', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('regress_employee', 'calls.note', '{select}', '{audit}') > 0 AS permitted;

CREATE FUNCTION regress.calls() RETURNS TABLE (call text, verdict text) LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    FOREACH call IN ARRAY ARRAY[
        $q$toms.in_scope(NULL, NULL, NULL, 1)$q$, $q$toms.in_scope(NULL::regclass, 'select', 'personal', NULL::text)$q$,
        $q$toms.in_scope('calls.note', NULL, 'personal', 17)$q$, $q$toms.in_scope('calls.note', 'no verb', 'personal', 17)$q$,
        $q$toms.in_scope('calls.open', 'select', 'personal', 17)$q$, $q$toms.in_scope('4000000000'::regclass, 'select', 'personal', 17)$q$,
        $q$toms.in_scope('calls.note', 'select', 'personal', 17)$q$, $q$toms.in_scope('calls.note', 'select', 'personal', 18)$q$,
        $q$toms.in_scope('calls.note', 'select', 'personal', NULL::integer)$q$, $q$toms.in_scope('calls.note', 'insert', 'personal', 17)$q$,
        $q$toms.in_scope('calls.note', 'select', 'health', 17)$q$, $q$toms.in_scope('calls.note', 'select', 'no category', 17)$q$,
        $q$toms.in_scope('calls.note', 'select', NULL, 17)$q$, $q$toms.in_scope('calls.note', 'select', 'personal', ARRAY[17])$q$,
        $q$toms.in_scope('calls.note', 'select', 'personal', ROW(17))$q$, $q$toms.in_scope('calls.note', 'select', 'personal', 17.0)$q$,
        $q$toms.in_scope('calls.note', 'select', 17)$q$, $q$toms.in_scope('calls.note', 'select', 18)$q$, $q$toms.in_scope('calls.open', NULL, NULL::uuid)$q$,
        $q$toms.scope_to('calls.note', 'select', NULL::integer)$q$, $q$toms.check_subject('calls.note', 'select', 18)$q$,
        $q$toms.in_category('calls.note', 'select', 'personal')$q$, $q$toms.in_category(NULL, NULL, NULL)$q$,
        $q$toms.scope_from('calls.note', 'select', 'personal', NULL::integer)$q$, $q$toms.scope_to('calls.note', 'select', 'personal', NULL::bigint)$q$,
        $q$toms.scope_to('calls.note', 'select', 'personal', NULL::integer[])$q$, $q$toms.scope_from(NULL, NULL, NULL, NULL::uuid)$q$,
        $q$toms.check_tenant(NULL, NULL, NULL::text)$q$, $q$toms.check_tenant(1::oid::regclass, 'insert', 'acme'::text)$q$,
        $q$toms.check_tenant('calls.open', 'insert', 'acme'::text)$q$, $q$toms.check_tenant('calls.note', 'insert', 'acme'::text)$q$,
        $q$toms.check_parent(NULL, NULL, NULL)$q$, $q$toms.check_parent('calls.note', 'select', NULL)$q$, $q$toms.check_parent('calls.note', 'select', true)$q$,
        $q$toms.check_subject(NULL, NULL, NULL, NULL::integer)$q$, $q$toms.check_subject('calls.note', 'select', 'personal', 17)$q$,
        $q$toms.check_subject('calls.note', 'select', 'personal', 18)$q$, $q$toms.check_category('calls.note', 'select', 'health')$q$,
        $q$toms.tenant_text()$q$, $q$toms.tenant_uuid()$q$, $q$toms.tenant_smallint()$q$]
    LOOP
        BEGIN
            EXECUTE 'SELECT ' || call INTO answer;
            verdict := coalesce(answer, 'null');
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS verdict = CONSTRAINT_NAME;
            verdict := coalesce(nullif(verdict, ''), SQLERRM);
        END;
        RETURN NEXT;
    END LOOP;
END
$$;
SET SESSION AUTHORIZATION regress_stranger;
SELECT * FROM regress.calls();                  -- without a context: no, null, or a refusal
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'audit');
SELECT * FROM regress.calls();                  -- an employee: his own rows, and what he may do with them
SELECT toms.in_category('calls.note', 'select', '');                                        -- no
SELECT regress.verdict('SELECT FROM calls.note');                                           -- ok
COMMIT;

-- however much somebody asks, a session keeps the answers to the last questions on a table, and of so many tenants, and they stay right
RESET SESSION AUTHORIZATION;
CREATE FUNCTION regress.kept(what text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name = what';
CREATE FUNCTION regress.answers(first integer, last integer) RETURNS TABLE (answer boolean) LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN first .. last LOOP
        RETURN QUERY EXECUTE format('SELECT toms.in_category(''calls.note'', ''select'', %L)', 'category ' || n);
    END LOOP;
END
$$;
CREATE PROCEDURE regress.ask(first integer, last integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN first .. last LOOP
        PERFORM toms.enter(CASE n WHEN 2000 THEN 'acme' ELSE 'nobody ' || n END, '17', 'regress_employee', 'audit');
        IF toms.in_category('calls.note', 'select', 'personal') THEN
            RAISE NOTICE 'tenant % is one', n;
        END IF;
        COMMIT;
    END LOOP;
END
$$;
CREATE ROLE regress_curious LOGIN IN ROLE regress_employee;
SET client_min_messages = warning;
SELECT toms.allow_enter('regress_curious', 'acme'::text || ARRAY(SELECT 'nobody ' || n FROM generate_series(1, 4000) n), '{regress_employee}') > 0;
RESET client_min_messages;
SET SESSION AUTHORIZATION regress_curious;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_employee', 'audit');
SELECT answer, count(*) FROM regress.answers(1, 200) GROUP BY answer;                      -- no
SELECT regress.kept('toms relation') AS kept \gset
SELECT answer, count(*) FROM regress.answers(201, 2000) GROUP BY answer;                   -- no
SELECT regress.kept('toms relation') <= :kept AS no_more;
SELECT toms.in_category('calls.note', 'select', 'personal'), toms.in_category('calls.note', 'select', 'category 1');
COMMIT;
CALL regress.ask(1, 1900);
SELECT regress.kept('toms tenants') AS kept \gset
CALL regress.ask(1901, 4000);                                                               -- tenant 2000, which is acme
SELECT regress.kept('toms tenants') <= :kept AS no_more;
CALL regress.ask(1999, 2001);                                                               -- tenant 2000
RESET SESSION AUTHORIZATION;
SELECT toms.disallow_enter('regress_curious');
DROP ROLE regress_curious;
DROP FUNCTION regress.kept, regress.answers;
DROP PROCEDURE regress.ask;

-- what a client sets freely cannot look like a line of the log
SELECT regress.verdict($$SELECT set_config('toms.purpose', E'audit\nLOG: forged', true)$$);     -- refused
SELECT regress.verdict($$SELECT set_config('toms.reason', E'audit\nLOG: forged', true)$$);      -- refused

-- an officer who owns a table cannot label it past toms.protect() and its history
RESET SESSION AUTHORIZATION;
CREATE TABLE calls.mine (tenant text NOT NULL);
ALTER TABLE calls.mine OWNER TO regress_officer;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('calls.mine', tenant => 'tenant');
SELECT regress.verdict('SECURITY LABEL FOR toms ON TABLE calls.mine IS ''category=personal,mode=observe''');  -- refused
SELECT regress.verdict('SECURITY LABEL FOR toms ON TABLE calls.mine IS NULL');                                -- refused

-- the condition of a row label is one expression, whatever is written into it
SELECT condition, regress.verdict(format('SELECT toms.label_rows(''calls.mine'', condition => %L, category => ''health'')', condition))
FROM unnest(ARRAY['*', 'tenant = ''x'') UNION SELECT (true', 'tenant = ''x'') FROM pg_class WHERE (true', 'tenant = ''x''), (true',
                  'tenant = ''x''); DROP TABLE calls.mine; --', 'tenant = ''x'') WITH CHECK (true', '', 'true', 'calls.mine IS NOT NULL',
                  'tenant = (SELECT ''x'')', 'tenant > random()::text', 'nobody = 1']) condition;
SELECT regress.verdict('SELECT toms.label_rows(''calls.mine'', condition => NULL, category => ''health'')');

-- a check of a domain would be tested on the rows of every tenant
RESET SESSION AUTHORIZATION;
CREATE DOMAIN calls.iban AS text;
ALTER DOMAIN calls.iban OWNER TO regress_stranger;
CREATE TABLE calls.account (tenant text NOT NULL, iban calls.iban, former calls.iban[]);
SELECT toms.protect('calls.account', tenant => 'tenant');
SET SESSION AUTHORIZATION regress_stranger;
SELECT regress.verdict('ALTER DOMAIN calls.iban ADD CHECK (VALUE <> '''')');                -- refused
SELECT regress.verdict('ALTER DOMAIN calls.iban SET DEFAULT ''none''');                     -- ok

-- a foreign key whose actions reach in from a table that is not protected is told
RESET SESSION AUTHORIZATION;
CREATE TABLE calls.kind (id text PRIMARY KEY);
CREATE TABLE calls.item (tenant text NOT NULL, kind text REFERENCES calls.kind ON UPDATE CASCADE);
SELECT toms.protect('calls.item', tenant => 'tenant');
SELECT kind, object, finding FROM toms.explain_protection('calls.item') WHERE kind LIKE 'leak%';

-- a session's context and another tenant's cannot both be used in one transaction
ALTER ROLE regress_job SET toms.session_context = on;
\c - regress_job
SELECT toms.enter('acme', '17', 'regress_employee', 'audit', is_local => false);
BEGIN;
SAVEPOINT a;
SELECT toms.enter('globex', '17', 'regress_employee', 'audit');
SELECT toms.current_tenant();
ROLLBACK TO a;
SELECT toms.current_tenant();                                                               -- none
SELECT regress.verdict('SELECT FROM calls.note');                                           -- refused
COMMIT;
SELECT toms.current_tenant();                                                               -- acme again
\c - :superuser
ALTER ROLE regress_job RESET toms.session_context;
SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA calls CASCADE;
DROP FUNCTION regress.calls;
