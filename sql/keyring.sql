--
-- keyring: a job enters a context with toms.enter(), only as far as it was allowed to, with a
-- key that lies outside the data directory and that nobody but the server can read
--
-- base.sql allowed regress_job to enter acme and globex as regress_employee or regress_hr.
--
\set SHOW_CONTEXT never
\pset null '(null)'
\pset tuples_only on
\pset format unaligned
SET client_min_messages = warning;
CREATE SCHEMA regress_keyring;
GRANT USAGE ON SCHEMA regress_keyring TO PUBLIC;

-- what is wrong with the keyring, in the words of the error's detail, without the path
CREATE FUNCTION regress_keyring.problem(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text;
    state text;
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, state = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL;
    RETURN format('refused: %s (%s): %s', code, state, regexp_replace(detail, '^"[^"]*": ', ''));
END
$$;

--
-- A job enters what it was allowed to
--
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter(tenant => 'acme', subject => '17', role => 'regress_hr', purpose => 'absence_management');
SELECT tenant, subject, actor, role, purposes, purpose FROM toms.context();
-- five minutes, unless it says otherwise
SELECT expires_at BETWEEN now() + '4 min' AND now() + '6 min' FROM toms.context();
COMMIT;

-- the context ends with the transaction
SELECT count(*) FROM toms.context();            -- 0: none

-- somebody else acts for the subject; a shorter life
BEGIN;
SELECT toms.enter('globex', '4', 'regress_employee', 'payroll', actor => 'nightly_run', valid_for => '1 minute');
SELECT tenant, subject, actor, role, purposes, purpose FROM toms.context();
SELECT expires_at < now() + '2 min' FROM toms.context();
ROLLBACK;

-- is_local => false changes nothing about that: the context ends with the transaction
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'payroll', is_local => false);
SELECT tenant FROM toms.context();
COMMIT;
SELECT count(*) FROM toms.context();            -- 0: none

--
-- Nothing can be left open
--
SELECT regress.verdict($$SELECT toms.enter(NULL, '17', 'regress_hr', 'payroll')$$);                       -- refused
SELECT regress.verdict($$SELECT toms.enter('acme', NULL, 'regress_hr', 'payroll')$$);                     -- refused
SELECT regress.verdict($$SELECT toms.enter('acme', '17', NULL, 'payroll')$$);                             -- refused
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', NULL)$$);                          -- refused
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'payroll', valid_for => NULL)$$);  -- refused
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'payroll', is_local => NULL)$$);   -- refused
SELECT regress.verdict($$SELECT toms.enter('acme', '', 'regress_hr', 'payroll')$$);                       -- refused: an empty claim
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', '')$$);                            -- refused: an empty claim
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'payroll', actor => '')$$);        -- refused: an empty claim
-- what is entered obeys the rules of tokens: no context without end, none that has ended already
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'payroll', valid_for => '2 hours')$$);  -- refused: too long
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'payroll', valid_for => '-1 min')$$);   -- refused: expired
-- a name cannot smuggle in a claim
BEGIN;
SELECT toms.enter('acme', '17","tenant":"globex', 'regress_hr', 'payroll","x":"\');
SELECT tenant, subject, purposes FROM toms.context();
ROLLBACK;

--
-- Only tenants and roles that were allowed
--
SELECT regress.verdict($$SELECT toms.enter('initech', '17', 'regress_hr', 'payroll')$$);       -- refused: not this tenant
SELECT regress.verdict($$SELECT toms.enter('ACME', '17', 'regress_hr', 'payroll')$$);          -- refused: not this tenant
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_owner', 'payroll')$$);       -- refused: not this role
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'postgres', 'payroll')$$);            -- refused: not this role

-- only the log-in that was allowed: not the one that serves requests, ...
SET SESSION AUTHORIZATION regress_app;
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'payroll')$$);          -- refused: no right to call it
SET SESSION AUTHORIZATION regress_stranger;
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'payroll')$$);          -- refused: no right to call it
-- ... not one that inherits the job's privileges, ...
RESET SESSION AUTHORIZATION;
CREATE ROLE regress_heir LOGIN IN ROLE regress_job;
SET SESSION AUTHORIZATION regress_heir;
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'payroll')$$);          -- refused
-- ... not one that becomes the job by SET ROLE, and not the superuser
SET ROLE regress_job;
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'payroll')$$);          -- refused
RESET SESSION AUTHORIZATION;
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'payroll')$$);          -- refused
DROP ROLE regress_heir;

-- being allowed does not help a log-in that is not a member of the role
SELECT toms.allow_enter('regress_job', '{acme,initech}', '{regress_owner,regress_nobody,regress_hr}') > 0;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_owner', 'payroll')$$);       -- refused: not a member
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_nobody', 'payroll')$$);      -- refused: no such role
-- and one permission's tenants do not go with another one's roles
SELECT regress.verdict($$SELECT toms.enter('globex', '17', 'regress_owner', 'payroll')$$);     -- refused: not allowed

-- a tenant that is not registered has no context, whoever allowed it
BEGIN;
SELECT toms.enter('initech', '17', 'regress_hr', 'payroll');
SELECT count(*) FROM toms.context();            -- 0: none
ROLLBACK;

--
-- toms.enter() opens a transaction's only context: it never exchanges one
--
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'payroll');
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'payroll')$$);      -- refused: a second time
SELECT regress.verdict($$SELECT toms.enter('globex', '17', 'regress_hr', 'payroll')$$);    -- refused: another tenant
SELECT regress.verdict($$SELECT toms.enter('acme', '18', 'regress_hr', 'payroll')$$);      -- refused: another subject
SELECT toms.leave();
SELECT regress.verdict($$SELECT toms.enter('globex', '17', 'regress_hr', 'payroll')$$);    -- refused: also after leaving
ROLLBACK;

BEGIN;
SAVEPOINT before;
SELECT toms.enter('acme', '17', 'regress_hr', 'payroll');
ROLLBACK TO before;
SELECT count(*) FROM toms.context();            -- 0: none
SELECT regress.verdict($$SELECT toms.enter('globex', '17', 'regress_hr', 'payroll')$$);    -- refused: also after ROLLBACK TO
ROLLBACK;

-- nor the context that a token gave: who has injected a statement into a request gains nothing
SET client_min_messages = error;
\set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"regress_hr","purpose":"payroll","exp":NOW+300}'`
BEGIN;
SELECT set_config('toms.token', :'token', true);
SELECT regress.verdict($$SELECT toms.enter('acme', '1', 'regress_hr', 'payroll')$$);       -- refused
ROLLBACK;
SET client_min_messages = warning;

-- the next transaction may
BEGIN;
SELECT toms.enter('globex', '17', 'regress_hr', 'payroll');
SELECT tenant FROM toms.context();
ROLLBACK;

--
-- The context expires
--
RESET SESSION AUTHORIZATION;
ALTER SYSTEM SET toms.clock_leeway = 0;
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '17', 'regress_hr', 'payroll', valid_for => '2 seconds');
SELECT pg_sleep(2.2);
SELECT count(*) FROM toms.context();            -- 0: none
-- an expired context is a context too: no other one in this transaction
SELECT regress.verdict($$SELECT toms.enter('acme', '17', 'regress_hr', 'payroll')$$);      -- refused
ROLLBACK;
RESET SESSION AUTHORIZATION;
ALTER SYSTEM RESET toms.clock_leeway;

--
-- The parts that toms.enter() is made of cannot be used without its rules
--
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict($$SELECT toms.mint_context('acme', '17', 'regress_owner', 'payroll', NULL, 60, true)$$);
SELECT regress.verdict($$SELECT toms.create_enter_key()$$);
SELECT regress.verdict($$SELECT * FROM toms.enter_permission$$);
SELECT regress.verdict($$INSERT INTO toms.enter_permission (login, tenants, roles, allowed_by) VALUES ('regress_job', '{initech}', '{regress_hr}', 'me')$$);
SELECT regress.verdict($$SELECT toms.allow_enter('regress_job', '{initech}', '{regress_hr}')$$);
SELECT regress.verdict($$SELECT toms.disallow_enter('regress_app')$$);

--
-- An officer allows and disallows; it is on record by whom
--
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.allow_enter('regress_stranger', '{}', '{regress_hr}')$$);      -- refused: names none
SELECT regress.verdict($$SELECT toms.allow_enter('regress_stranger', NULL, '{regress_hr}')$$);      -- refused: names none
SELECT toms.allow_enter('regress_stranger', '{acme}', '{regress_stranger}') > 0;
SET SESSION AUTHORIZATION regress_stranger;
SELECT regress.verdict($$SELECT toms.enter('acme', '1', 'regress_stranger', 'audit')$$);            -- ok
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.disallow_enter('regress_stranger');
SET SESSION AUTHORIZATION regress_stranger;
SELECT regress.verdict($$SELECT toms.enter('acme', '1', 'regress_stranger', 'audit')$$);            -- refused
SET SESSION AUTHORIZATION regress_officer;
SELECT login, tenants, roles, allowed_by, ended_at IS NOT NULL AS ended, ended_by
FROM toms.enter_permission WHERE login = 'regress_stranger'::regrole;

--
-- The key: outside the data directory, its owner's alone, and shown by nothing
--
RESET SESSION AUTHORIZATION;
SELECT current_setting('data_directory') AS data, current_setting('toms.keyring') AS keyring \gset
CREATE TEMP TABLE shell (line text);
\set list 'cd ' :keyring ' && stat -c ''%n %a'' . enter.key'
COPY shell FROM PROGRAM :'list';
SELECT * FROM shell ORDER BY line COLLATE "C";

SELECT split_part(trim(trailing E'\n' from pg_read_file(:'keyring' || '/enter.key')), ' ', 2) AS seed \gset
SELECT length(:'seed');                                                                 -- 32 bytes in base64url
SELECT count(*) FROM pg_settings s WHERE s::text LIKE '%' || :'seed' || '%';            -- 0
SELECT count(*) FROM toms.status s WHERE s::text LIKE '%' || :'seed' || '%';            -- 0
SELECT count(*) FROM toms.enter_permission s WHERE s::text LIKE '%' || :'seed' || '%';  -- 0

-- allowing once more does not make another key: contexts of running jobs stay good
SELECT toms.allow_enter('regress_job', '{acme}', '{regress_hr}') > 0;
SELECT pg_read_file(:'keyring' || '/enter.key') = 'ed25519 ' || :'seed' || E'\n';

-- log-ins neither choose another keyring nor set one for their sessions
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict($$SET toms.keyring = '/tmp'$$);                                   -- refused
SELECT regress.verdict($$ALTER ROLE regress_job SET toms.keyring = '/tmp'$$);            -- refused
ALTER SYSTEM SET toms.keyring = '/tmp';                                                 -- refused
RESET SESSION AUTHORIZATION;
SELECT regress.verdict($$SET toms.keyring = '/tmp'$$);                                   -- refused: only in the server's configuration

--
-- A keyring that cannot be trusted is not used, and the error says what is wrong with it
--
\set enter 'SELECT toms.enter(''acme'', ''17'', ''regress_hr'', ''payroll'')'
\set allow 'SELECT toms.allow_enter(''regress_job'', ''{acme}'', ''{regress_hr}'')'

-- it is not set
ALTER SYSTEM SET toms.keyring = '';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT keyring_configured FROM toms.status;
SELECT regress_keyring.problem(:'allow');
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
-- tokens of the application do not need it
SET client_min_messages = error;
BEGIN;
SELECT set_config('toms.token', :'token', true);
SELECT tenant FROM toms.context();
ROLLBACK;
SET client_min_messages = warning;
RESET SESSION AUTHORIZATION;

-- it is not an absolute path
ALTER SYSTEM SET toms.keyring = 'keyring';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT regress_keyring.problem(:'allow');
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;

-- it is not there
\set directory :keyring '_gone'
ALTER SYSTEM SET toms.keyring = :'directory';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;

-- it is a file
\set directory :keyring '/enter.key'
ALTER SYSTEM SET toms.keyring = :'directory';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;

-- it belongs to somebody else
ALTER SYSTEM SET toms.keyring = '/usr';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;

-- it lies inside the data directory, where a base backup would take the key along
\set directory :data '/toms_keyring'
\set make_directory 'mkdir -p -m 700 ' :directory ' && cp -p ' :keyring '/enter.key ' :directory
COPY shell FROM PROGRAM :'make_directory';
ALTER SYSTEM SET toms.keyring = :'directory';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT regress_keyring.problem(:'allow');
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;

-- a link outside leads inside
\set link :data '_toms_link'
\set make_link 'ln -s ' :directory ' ' :link
COPY shell FROM PROGRAM :'make_link';
ALTER SYSTEM SET toms.keyring = :'link';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;
\set remove 'rm -r ' :link ' ' :directory
COPY shell FROM PROGRAM :'remove';

-- others can enter the directory: it is named by base.sql again, but open to its group
ALTER SYSTEM SET toms.keyring = :'keyring';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
\set change 'chmod 750 ' :keyring
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;
\set change 'chmod 701 ' :keyring
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;
\set change 'chmod 700 ' :keyring
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');       -- ok

-- others can read the key
RESET SESSION AUTHORIZATION;
\set change 'chmod 640 ' :keyring '/enter.key'
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;
\set change 'chmod 604 ' :keyring '/enter.key'
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;

-- the key is broken: cut off, of another kind, with something behind it, empty, too long
\set change 'cd ' :keyring ' && mv enter.key good && umask 077 && head -c 40 good > enter.key'
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;
\set change 'cd ' :keyring ' && sed s/ed25519/ed448/ good > enter.key'
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;
\set change 'cd ' :keyring ' && (cat good; echo more) > enter.key'
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;
\set change 'cd ' :keyring ' && : > enter.key'
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;
\set change 'cd ' :keyring ' && (cat good; head -c 500 /dev/zero) > enter.key'
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;

-- the key is a link, a directory, or not there; a broken one is never replaced silently
\set change 'cd ' :keyring ' && rm enter.key && chmod 600 good && ln -s good enter.key'
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter') LIKE 'refused: toms_keyring (55000)%';
RESET SESSION AUTHORIZATION;
\set change 'cd ' :keyring ' && rm enter.key && mkdir -m 700 enter.key'
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;
\set change 'cd ' :keyring ' && rmdir enter.key'
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');
RESET SESSION AUTHORIZATION;
\set change 'cd ' :keyring ' && mv good enter.key'
COPY shell FROM PROGRAM :'change';
SET SESSION AUTHORIZATION regress_job;
SELECT regress_keyring.problem(:'enter');       -- ok: the key is back
RESET SESSION AUTHORIZATION;

--
-- What was allowed can be ended
--
SELECT toms.disallow_enter('regress_job');
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict(:'enter');               -- refused
RESET SESSION AUTHORIZATION;
-- the right to call alone does not bring it back
GRANT EXECUTE ON FUNCTION toms.enter TO regress_job;
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict(:'enter');               -- refused
RESET SESSION AUTHORIZATION;

-- as base.sql left it
SELECT toms.allow_enter('regress_job', '{acme,globex}', '{regress_employee,regress_hr}') > 0;
DROP SCHEMA regress_keyring CASCADE;
