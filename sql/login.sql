--
-- login: locks and personal log-ins as officers handle them; test/t/login.pl logs in
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
CREATE ROLE regress_operator LOGIN;
CREATE ROLE regress_auditor LOGIN;
CREATE ROLE regress_monitor LOGIN IN ROLE pg_monitor;
CREATE ROLE regress_anna LOGIN;
SELECT toms.grant_officer('regress_operator', 'operator'), toms.grant_officer('regress_auditor', 'auditor');

-- settings: who may change them is who may change the server's
SELECT name, setting, unit, context FROM pg_settings WHERE name ~ '^toms\.(login|audit_logins)' ORDER BY name;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict('SET toms.login_attempts = 0');                                  -- refused
SELECT right(regress.verdict('SHOW toms.login_exempt'), 7);                             -- refused: tells whom nothing stops
RESET SESSION AUTHORIZATION;
SELECT regress.verdict($$SELECT set_config('toms.login_exempt', 'x', false)$$);         -- refused: not for a session

-- locks, as they come back after a restart
CREATE FUNCTION regress.lock(login text, address inet, lasts interval) RETURNS void LANGUAGE sql AS $$
    SELECT toms.begin_login_lock(login, address, 10, now() - interval '1 minute', now() + lasts);
$$;
SELECT regress.lock('regress_anna', '192.0.2.7', '5 minutes'), regress.lock('regress_anna', '2001:db8:1:2:3:4:5:6', '1 hour'),
       regress.lock('regress_app', '192.0.2.7', '5 minutes'), regress.lock('regress_job', '192.0.2.7', '-1 second');
CREATE VIEW regress.locks AS SELECT login, login_hash, address, failures, until - since AS lasts FROM toms.locked_logins;
GRANT SELECT ON regress.locks TO PUBLIC;
SELECT * FROM regress.locks ORDER BY login COLLATE "C", family(address);                -- the one that is over is not there; /64 of IPv6

-- who sees them
CREATE FUNCTION regress.sees() RETURNS text LANGUAGE sql AS $$
    SELECT format('%s: %s', session_user, regress.verdict('SELECT * FROM toms.locked_logins'));
$$;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.sees();
SET SESSION AUTHORIZATION regress_auditor;
SELECT regress.sees();
SET SESSION AUTHORIZATION regress_operator;
SELECT regress.sees();
SET SESSION AUTHORIZATION regress_monitor;
SELECT regress.sees();
SELECT lost, forgotten FROM toms.login_state();
SET SESSION AUTHORIZATION regress_anna;
SELECT regress.sees();                                                                  -- refused
SELECT regress.verdict('SELECT toms.login_state()');                                    -- refused
SELECT regress.verdict('SELECT * FROM toms.login_lock');                                -- refused

-- who ends them
SELECT regress.verdict($$SELECT toms.unlock_login('regress_anna')$$);                   -- refused: not she
SET SESSION AUTHORIZATION regress_auditor;
SELECT regress.verdict($$SELECT toms.unlock_login('regress_anna')$$);                   -- refused: reads only
SET SESSION AUTHORIZATION regress_monitor;
SELECT regress.verdict($$SELECT toms.unlock_login('regress_anna')$$);                   -- refused
SET SESSION AUTHORIZATION regress_operator;
SELECT regress.verdict($$SELECT toms.unlock_login(NULL)$$);                             -- refused: whose
SELECT toms.unlock_login('regress_anna', '192.0.2.8');                                  -- none there
SELECT toms.unlock_login('regress_anna', '2001:db8:1:2:ffff::1');                       -- the same /64
SELECT login, address FROM toms.locked_logins ORDER BY login COLLATE "C", family(address);
BEGIN;
SELECT toms.unlock_login('regress_anna');
ROLLBACK;                                                                               -- it is done
SELECT login, address FROM toms.locked_logins;
SELECT regress.verdict($$SELECT toms.begin_login_lock('regress_anna', '192.0.2.7', 1, now(), now())$$);    -- refused: locks come of failures
SELECT regress.verdict('SELECT toms.keep_login_locks(false)');                          -- refused
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.unlock_login('regress_app');
SELECT toms.unlock_login('a password typed as name');                                   -- recorded by its hash
SELECT count(*) FROM toms.locked_logins;
RESET SESSION AUTHORIZATION;

-- what was ended is recorded with who did it, when that was rolled back too
SELECT count(toms.seal_audit()) > 0;
SELECT w.who ->> 'login', d.details ->> 'login', d.details ->> 'address', d.details ->> 'login_hash' ~ '^[0-9a-f]{32}$'
FROM toms.audit_entry e, LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS details) d,
     LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS who FROM toms.audit_entry WHERE kind = 'w' AND id = e.who) w
WHERE e.kind = 's' AND toms.audit_kind(e.kind, e.verb) = 'unlock_login' ORDER BY e.id;

-- personal log-ins
SET SESSION AUTHORIZATION regress_operator;
SELECT regress.verdict($$SELECT toms.mark_login('regress_anna', owner => 'Anna Smith')$$);         -- refused
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.mark_login('regress_anna')$$);                     -- refused: whose
SELECT regress.verdict($$SELECT toms.mark_login(NULL, owner => 'Anna Smith')$$);        -- refused
SELECT regress.verdict($$SELECT toms.mark_login(4711, owner => 'Anna Smith')$$);        -- refused: no role
SELECT toms.mark_login('regress_anna', owner => 'Anna Smith');
SELECT toms.mark_login('regress_anna', owner => 'Anna Smith');                          -- as it was
SELECT login, owner, marked_by, ended_by FROM toms.personal_logins ORDER BY id;
SELECT toms.mark_login('regress_anna', owner => 'Anna Jones');                          -- another owner: the former is kept
SELECT toms.mark_login('regress_app', owner => 'nobody yet');
SELECT toms.mark_login('regress_app', personal => false);
SELECT toms.mark_login('regress_app', personal => false);                               -- as it was
SELECT login, owner, marked_by, ended_by, marked_at <= ended_at FROM toms.personal_logins ORDER BY id;
SELECT regress.verdict('DELETE FROM toms.personal_login');                              -- refused: history stays
SET SESSION AUTHORIZATION regress_anna;
SELECT regress.verdict('SELECT * FROM toms.personal_logins');                           -- refused
RESET SESSION AUTHORIZATION;

-- dumps hold personal log-ins, and no locks
SELECT c.oid::regclass, x.condition FROM pg_extension e, unnest(e.extconfig, e.extcondition) x (oid, condition) JOIN pg_class c ON c.oid = x.oid
WHERE e.extname = 'toms' AND c.relname ~ 'login' ORDER BY c.relname;

SELECT toms.mark_login('regress_anna', personal => false);
SELECT toms.revoke_officer('regress_operator', 'operator'), toms.revoke_officer('regress_auditor', 'auditor');
DROP FUNCTION regress.sees(), regress.lock(text, inet, interval);
DROP VIEW regress.locks;
