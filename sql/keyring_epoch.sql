--
-- keyring_epoch: the keys under which a tenant's data keys are wrapped come in epochs. Their keys
-- lie in the keyring alone; an epoch whose key is missing, exchanged or destroyed is not used.
--
-- base.sql registered acme and globex while a keyring was configured.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset null '(null)'
\pset tuples_only on
\pset format unaligned
SET client_min_messages = warning;
CREATE SCHEMA regress_epoch;

-- what is wrong, in the words of the error, without paths and ids
CREATE FUNCTION regress_epoch.problem(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text;
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN regexp_replace(regexp_replace(format(E'refused: %s %s: %s: %s\n    %s', state, code, message, detail, hint),
        '"/[^"]*/', '"…/', 'g'), '[0-9a-f]{8}-[0-9a-f-]{27}', '<id>', 'g');
END
$$;

-- the id of a tenant's epoch
CREATE FUNCTION regress_epoch.id(tenant text, number integer) RETURNS uuid LANGUAGE sql AS $$
    SELECT e.id FROM toms.key_epoch e WHERE e.tenant = $1 AND e.number = $2;
$$;

-- runs a shell command in the keyring; $1 stands for the key file of epoch 1 of acme
SELECT current_setting('toms.keyring') AS keyring \gset
CREATE TEMP TABLE shell (line text);
CREATE FUNCTION regress_epoch.shell(command text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    e toms.key_epoch;
BEGIN
    FOR e IN SELECT * FROM toms.key_epoch k WHERE k.tenant = 'acme' AND k.number < 10 LOOP
        command := replace(command, '$' || e.number, 'epoch-' || e.id || '.key');
    END LOOP;
    TRUNCATE shell;
    EXECUTE format('COPY shell FROM PROGRAM %L', format('cd %s && %s', current_setting('toms.keyring'), command));
    RETURN QUERY SELECT regexp_replace(line, '[0-9a-f]{8}-[0-9a-f-]{27}', '<id>') FROM shell;
END
$$;
-- another session
\setenv PGDATABASE :DBNAME

--
-- A tenant begins with an epoch
--
SELECT tenant, number, state, retired_at, destroyed_at, held FROM toms.key_epochs WHERE tenant IN ('acme', 'globex') ORDER BY tenant, number;
SELECT toms.current_epoch('acme') = regress_epoch.id('acme', 1);
SELECT * FROM toms.check_keyring();             -- none: the keyring is whole

-- what is wrapped under its key opens again, and nothing that was altered
SELECT toms.try_epoch(toms.current_epoch('acme'));

-- the key: a file of the server's user alone, one line of 32 random bytes
SELECT * FROM regress_epoch.shell($$stat -c '%n %a %s' $1$$);
SELECT * FROM regress_epoch.shell($$sed 's/[A-Za-z0-9_-]\{43\}$/<key>/' $1$$);
SELECT pg_read_file(:'keyring' || '/epoch-' || regress_epoch.id('acme', 1) || '.key') AS line \gset
SELECT trim(trailing E'\n' from split_part(:'line', ' ', 2)) AS key \gset
-- the database holds a fingerprint of it, and no part of it
SELECT octet_length(fingerprint) FROM toms.key_epoch WHERE id = regress_epoch.id('acme', 1);
SELECT position(substr(fingerprint, 1, 4) IN decode(translate(:'key', '-_', '+/') || '=', 'base64'))
FROM toms.key_epoch WHERE id = regress_epoch.id('acme', 1);
SELECT count(DISTINCT fingerprint) FROM toms.key_epoch WHERE tenant IN ('acme', 'globex');     -- 2: each its own

--
-- The next epoch
--
SELECT toms.create_epoch('acme') = toms.current_epoch('acme');
SELECT tenant, number, state, held FROM toms.key_epochs WHERE tenant = 'acme' ORDER BY number;
-- what was wrapped under the former one still opens, also when it is retired
SELECT toms.try_epoch(regress_epoch.id('acme', 1));
SELECT toms.retire_epoch(regress_epoch.id('acme', 1));
SELECT toms.try_epoch(regress_epoch.id('acme', 1));
SELECT tenant, number, state, held FROM toms.key_epochs WHERE tenant = 'acme' ORDER BY number;
-- the other tenant's does not change
SELECT toms.current_epoch('globex') = regress_epoch.id('globex', 1);

-- a transaction that is rolled back leaves no epoch, and what was current is so again
BEGIN;
SELECT toms.create_epoch('acme') = toms.current_epoch('acme');
ROLLBACK;
SELECT toms.current_epoch('acme') = regress_epoch.id('acme', 2);

-- of none that is retired is a new key wrapped
BEGIN;
SELECT toms.retire_epoch(regress_epoch.id('acme', 2));
SELECT regress_epoch.problem($$SELECT toms.current_epoch('acme')$$);
ROLLBACK;
SELECT toms.current_epoch('acme') = regress_epoch.id('acme', 2);

-- nor for nobody
SELECT regress_epoch.problem($$SELECT toms.create_epoch('vandelay')$$);
SELECT regress_epoch.problem($$SELECT toms.current_epoch('vandelay')$$);
SELECT regress_epoch.problem($$SELECT toms.retire_epoch('00000000-0000-0000-0000-000000000000')$$);
SELECT regress_epoch.problem($$SELECT toms.destroy_epoch('00000000-0000-0000-0000-000000000000')$$);
SELECT regress_epoch.problem($$SELECT toms.try_epoch('00000000-0000-0000-0000-000000000000')$$);

--
-- Destroying one
--
-- not one in use
SELECT regress_epoch.problem($$SELECT toms.destroy_epoch(toms.current_epoch('acme'))$$);

-- not by a transaction, or a part of one, that is rolled back
SELECT regress_epoch.id('acme', 1) AS first \gset
BEGIN;
SELECT toms.destroy_epoch(:'first');
ROLLBACK;
BEGIN;
SAVEPOINT before;
SELECT toms.destroy_epoch(:'first');
SELECT regress_epoch.problem(format('SELECT toms.try_epoch(%L)', :'first'));
ROLLBACK TO before;
SELECT toms.try_epoch(:'first');
COMMIT;
SELECT toms.try_epoch(:'first');

-- for good: the key is gone, the row stays
SELECT toms.destroy_epoch(:'first');
SELECT * FROM regress_epoch.shell($$ls | grep -c $1; true$$);
SELECT tenant, number, state, held, destroyed_at >= retired_at FROM toms.key_epochs WHERE tenant = 'acme' ORDER BY number;
SELECT regress_epoch.problem(format('SELECT toms.try_epoch(%L)', :'first'));
SELECT * FROM toms.check_keyring();             -- none: that is as it should be

-- nobody brings it back
SELECT * FROM regress_epoch.shell(format($$umask 077; printf 'epoch %%s\n' %s > $1$$, :'key'));
SELECT regress_epoch.problem(format('SELECT toms.try_epoch(%L)', :'first'));
SELECT tenant, number, problem, replace(remedy, :'first', '<id>') FROM toms.check_keyring() WHERE tenant IN ('acme', 'globex');
SELECT toms.destroy_epoch(:'first');
SELECT * FROM regress_epoch.shell($$ls | grep -c $1; true$$);
SELECT * FROM toms.check_keyring();

-- and its number is not given again
SELECT toms.create_epoch('acme') = regress_epoch.id('acme', 3);

--
-- A session that has used a key is told at once that it may not any more
--
SELECT toms.try_epoch(regress_epoch.id('acme', 3));
\! psql -X -q -Atc "SELECT toms.retire_epoch(id) FROM toms.key_epoch WHERE tenant = 'acme' AND number < 4" > /dev/null
\! psql -X -q -Atc "SELECT toms.create_epoch('acme')" > /dev/null
SELECT toms.current_epoch('acme') = regress_epoch.id('acme', 4);
\! psql -X -q -Atc "SELECT toms.destroy_epoch(id) FROM toms.key_epoch WHERE tenant = 'acme' AND number = 3" > /dev/null
SELECT regress_epoch.problem($$SELECT toms.try_epoch(regress_epoch.id('acme', 3))$$);

-- another keyring: its keys count, not those that were read before
SELECT toms.try_epoch(regress_epoch.id('acme', 4));
\set other :keyring '/other'
\set make_other 'mkdir -m 700 ' :other
COPY shell FROM PROGRAM :'make_other';
ALTER SYSTEM SET toms.keyring = :'other';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT regress_epoch.problem($$SELECT toms.try_epoch(regress_epoch.id('acme', 4))$$);
SELECT tenant, number, state, held FROM toms.key_epochs WHERE tenant IN ('acme', 'globex') ORDER BY tenant, number;
SELECT tenant, number, problem, regexp_replace(remedy, '[0-9a-f]{8}-[0-9a-f-]{27}', '<id>') FROM toms.check_keyring() WHERE tenant IN ('acme', 'globex');

-- none: a tenant begins without an epoch, what is wrapped stays closed
ALTER SYSTEM SET toms.keyring = '';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT toms.add_tenant('hooli', name => 'Hooli');
SELECT regress_epoch.problem($$SELECT toms.current_epoch('hooli')$$);
SELECT regress_epoch.problem($$SELECT toms.create_epoch('hooli')$$);
SELECT regress_epoch.problem($$SELECT toms.try_epoch(regress_epoch.id('acme', 4))$$);
SELECT tenant, number, problem, remedy FROM toms.check_keyring();

-- one that cannot be used: no tenant without the epoch that it should have
\set other :keyring '/not_there'
ALTER SYSTEM SET toms.keyring = :'other';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT regress_epoch.problem($$SELECT toms.add_tenant('umbrella', name => 'Umbrella')$$);
SELECT count(*) FROM toms.tenant WHERE tenant = 'umbrella';

-- the former one again
ALTER SYSTEM SET toms.keyring = :'keyring';
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SELECT * FROM regress_epoch.shell($$rmdir other$$);
SELECT toms.try_epoch(regress_epoch.id('acme', 4));
SELECT * FROM toms.check_keyring();

--
-- A key that is not the one that was made
--
-- another one, and the error says whose is missing
SELECT * FROM regress_epoch.shell(format($$cp -p $4 kept && cp -p epoch-%s.key $4$$, regress_epoch.id('globex', 1)));
SELECT toms.try_epoch(regress_epoch.id('acme', 4));         -- in this session's memory is the right one
\c -
\pset null '(null)'
\pset tuples_only on
\pset format unaligned
\set SHOW_CONTEXT never
CREATE TEMP TABLE shell (line text);
SELECT regress_epoch.problem($$SELECT toms.try_epoch(regress_epoch.id('acme', 4))$$);
SELECT tenant, number, held FROM toms.key_epochs WHERE state = 'current' AND tenant IN ('acme', 'globex') ORDER BY tenant;
SELECT tenant, number, problem, regexp_replace(remedy, '[0-9a-f]{8}-[0-9a-f-]{27}', '<id>') FROM toms.check_keyring() WHERE tenant IN ('acme', 'globex');
-- of another kind
SELECT * FROM regress_epoch.shell($$sed 's/epoch/ed25519/' kept > $4$$);
SELECT regress_epoch.problem($$SELECT toms.try_epoch(regress_epoch.id('acme', 4))$$);
-- cut
SELECT * FROM regress_epoch.shell($$head -c 40 kept > $4$$);
SELECT regress_epoch.problem($$SELECT toms.try_epoch(regress_epoch.id('acme', 4))$$);
-- that others can read
SELECT * FROM regress_epoch.shell($$mv kept $4 && chmod 640 $4$$);
SELECT regress_epoch.problem($$SELECT toms.try_epoch(regress_epoch.id('acme', 4))$$);
SELECT tenant, number, regexp_replace(problem, '".*"', '"…"'), remedy FROM toms.check_keyring() WHERE tenant IN ('acme', 'globex');
SELECT * FROM regress_epoch.shell($$chmod 600 $4$$);
SELECT toms.try_epoch(regress_epoch.id('acme', 4));
-- the other tenant could work all the time
SELECT toms.try_epoch(toms.current_epoch('globex'));

--
-- More epochs than a session remembers
--
BEGIN;
SELECT count(toms.create_epoch('acme')) FROM generate_series(1, 80);
SELECT count(*) FROM toms.key_epoch, generate_series(1, 2) WHERE tenant = 'acme' AND number > 4 AND toms.try_epoch(id);
SELECT toms.retire_epoch(id) FROM toms.key_epoch WHERE number > 4 \g /dev/null
SELECT toms.destroy_epoch(id) FROM toms.key_epoch WHERE number > 4 \g /dev/null
COMMIT;
SELECT number FROM toms.key_epochs WHERE tenant = 'acme' AND held;

--
-- Who may
--
-- officers look
SET SESSION AUTHORIZATION regress_officer;
SELECT tenant, number, held FROM toms.key_epochs WHERE state = 'current' AND tenant IN ('acme', 'globex') ORDER BY tenant;
SELECT count(*) FROM toms.check_keyring();
-- nobody writes the register, or does by hand what functions do in order
SELECT regress.verdict($$DELETE FROM toms.key_epoch$$);
SELECT regress.verdict($$UPDATE toms.key_epoch SET destroyed_at = NULL$$);
SELECT regress.verdict($$SELECT toms.create_epoch('acme')$$);
SELECT regress.verdict($$SELECT toms.destroy_epoch(gen_random_uuid())$$);
SELECT regress.verdict($$SELECT toms.destroy_epoch_key(gen_random_uuid())$$);
SELECT regress.verdict($$SELECT toms.create_epoch_key(gen_random_uuid())$$);
-- applications have nothing to do with it
SET SESSION AUTHORIZATION regress_app;
SELECT regress.verdict($$SELECT * FROM toms.key_epochs$$);
SELECT regress.verdict($$SELECT * FROM toms.key_epoch$$);
SELECT regress.verdict($$SELECT * FROM toms.check_keyring()$$);
SELECT regress.verdict($$SELECT toms.current_epoch('acme')$$);
SELECT regress.verdict($$SELECT toms.try_epoch(gen_random_uuid())$$);
RESET SESSION AUTHORIZATION;

SET client_min_messages = error;
DROP SCHEMA regress_epoch CASCADE;
DELETE FROM toms.tenant WHERE tenant = 'hooli';
-- keys of the trail that were wrapped under the epochs which this test has destroyed by itself
DELETE FROM toms.data_key k USING toms.key_epoch e WHERE e.id = k.epoch AND e.destroyed_at IS NOT NULL \g /dev/null
