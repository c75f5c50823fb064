--
-- catalog: who may declare what: tenants, categories, officers and labels
--
-- What is protected, and for whom, is declared by officers alone: neither the owner of a
-- table nor anybody who may write to it can switch its protection on or off.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE SCHEMA hr AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
CREATE ROLE regress_auditor LOGIN;
CREATE ROLE regress_operator LOGIN;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.badge (id bigint, tenant_id text NOT NULL, employee_id integer NOT NULL, day date);
INSERT INTO hr.badge VALUES (1, 'acme', 17, '2025-03-03'), (2, 'acme', 18, '2025-03-04'), (3, 'globex', 17, '2025-03-05');
RESET SESSION AUTHORIZATION;

--
-- Tenants: an admin registers them, once
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.add_tenant('initech', name => 'Initech Ltd', address => '1 High Street', contact => 'C. Ontact', representative => 'R. Epresentative', dpo => 'D. Po', country => 'IE');  -- ok
SELECT tenant, name, address, contact, representative, dpo, country, ended_at, added_by FROM toms.tenant WHERE tenant = 'initech';
SELECT regress.verdict($$SELECT toms.add_tenant('initech', name => 'Initech again')$$);                 -- refused: registered already
SELECT regress.verdict($$SELECT toms.add_tenant('Initech', name => 'another one', country => 'IE')$$);  -- ok: tenants are told apart by case
SELECT regress.verdict($$SELECT toms.add_tenant('hooli', name => 'Hooli', country => 'Ireland')$$);     -- refused: a country has two capital letters
SELECT regress.verdict($$SELECT toms.add_tenant('hooli', name => 'Hooli', country => 'ie')$$);          -- refused: the same
SELECT regress.verdict($$SELECT toms.add_tenant('', name => 'Nobody')$$);                               -- refused: no identifier
SELECT regress.verdict($$SELECT toms.add_tenant(repeat('x', 201), name => 'Long')$$);                   -- refused: longer than an identifier can be
SELECT regress.verdict($$SELECT toms.add_tenant('hooli', name => NULL)$$);                              -- refused: no name
SELECT tenant, name, country, active FROM toms.tenants WHERE tenant IN ('acme', 'globex', 'initech', 'Initech', 'hooli') ORDER BY tenant;
RESET SESSION AUTHORIZATION;

-- a tenant whose end has come is no longer active
UPDATE toms.tenant SET ended_at = now() WHERE tenant = 'Initech';
SELECT tenant, active FROM toms.tenants WHERE lower(tenant) = 'initech' ORDER BY tenant;

--
-- Categories: seven are shipped, an admin adds more
--
SET SESSION AUTHORIZATION regress_officer;
SELECT category, article9 FROM toms.category ORDER BY category;
SELECT regress.verdict($$SELECT toms.add_category('union', description => 'trade-union membership', article9 => true)$$);  -- ok
SELECT regress.verdict($$SELECT toms.add_category('union', description => 'again')$$);      -- refused: exists
SELECT regress.verdict($$SELECT toms.add_category('health', description => 'harmless')$$);  -- refused: a shipped one stays as it is
SELECT regress.verdict($$SELECT toms.add_category('Union', description => 'capital')$$);    -- refused: lower case only
SELECT regress.verdict($$SELECT toms.add_category('a,mode', description => 'comma')$$);     -- refused: words only
SELECT category, article9, shipped FROM toms.category WHERE category = 'union';
RESET SESSION AUTHORIZATION;

--
-- Officers: three duties, given by superusers only, kept in history
--
SELECT regress.verdict($$SELECT toms.grant_officer('regress_auditor', 'auditor')$$);    -- ok
SELECT regress.verdict($$SELECT toms.grant_officer('regress_operator', 'operator')$$);  -- ok
SELECT regress.verdict($$SELECT toms.grant_officer('regress_operator', 'king')$$);      -- refused: no such duty
SELECT regress.verdict($$SELECT toms.grant_officer('regress_operator', NULL)$$);        -- refused: no such duty
SELECT regress.verdict($$SELECT toms.revoke_officer('regress_operator', 'auditor')$$);  -- refused: does not hold it
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.grant_officer('regress_stranger', 'admin')$$);     -- refused: an admin makes no admins
SELECT regress.verdict($$SELECT toms.revoke_officer('regress_auditor', 'auditor')$$);   -- refused: nor ends an auditor's duty
RESET SESSION AUTHORIZATION;

-- what each duty can do: the function declares, the table tells
CREATE FUNCTION regress.duties() RETURNS TABLE (asked text, verdict text) LANGUAGE sql AS $$
    VALUES ('register a tenant', regress.verdict('SELECT toms.add_tenant(''umbrella'', name => ''U'')')),
           ('add a category', regress.verdict('SELECT toms.add_category(''umbrella'', description => ''U'')')),
           ('protect', regress.verdict('SELECT toms.protect(''hr.badge'', tenant => ''tenant_id'', subject => ''employee_id'')')),
           ('permit', regress.verdict('SELECT toms.permit(''regress_hr'', ''hr.badge'', ''{select}'', ''{absence_management}'')')),
           ('forbid', regress.verdict('SELECT toms.forbid(''regress_hr'', ''hr.badge'')')),
           ('enforce', regress.verdict('SELECT toms.enforce(''hr.badge'')')),
           ('unprotect', regress.verdict('SELECT toms.unprotect(''hr.badge'', reason => ''test'')')),
           ('allow entering', regress.verdict('SELECT toms.allow_enter(''regress_job'', ''{acme}'', ''{regress_hr}'')')),
           ('explain protection', regress.verdict('SELECT FROM toms.explain_protection(''hr.badge'')')),
           ('see tenants', regress.verdict('SELECT FROM toms.tenants WHERE tenant = ''acme''')),
           ('see permissions', regress.verdict('SELECT FROM toms.permissions WHERE false')),
           ('see protected tables', regress.verdict('SELECT FROM toms.protected_tables WHERE false')),
           ('see who is officer', regress.verdict('SELECT FROM toms.officer WHERE duty = ''admin''')),
           ('see instructions', regress.verdict('SELECT FROM toms.instruction WHERE false'));
$$;
SET SESSION AUTHORIZATION regress_officer;
BEGIN;
SELECT * FROM regress.duties();     -- admin: all but what is a superuser's
ROLLBACK;
SET SESSION AUTHORIZATION regress_auditor;
SELECT * FROM regress.duties();     -- auditor: sees, changes nothing
SET SESSION AUTHORIZATION regress_operator;
SELECT * FROM regress.duties();     -- operator: the less so
SET SESSION AUTHORIZATION regress_owner;
SELECT * FROM regress.duties();     -- the owner of the table: nothing
SET SESSION AUTHORIZATION regress_stranger;
SELECT * FROM regress.duties();     -- anybody: nothing
RESET SESSION AUTHORIZATION;

-- a duty that has ended is of no use, and stays in history
SELECT toms.revoke_officer('regress_operator', 'operator');
SET SESSION AUTHORIZATION regress_operator;
SELECT regress.verdict('SELECT FROM toms.tenants');     -- refused
RESET SESSION AUTHORIZATION;
SELECT role, duty, granted_by = session_user, revoked_at >= granted_at, revoked_by = session_user FROM toms.officer
WHERE role IN ('regress_auditor', 'regress_operator') ORDER BY id;

--
-- The configuration is changed by toms' functions only, which record who and when: an
-- officer cannot write to its tables, not even an admin
--
SET SESSION AUTHORIZATION regress_officer;
SELECT c.relname, regress.verdict(format('INSERT INTO %s DEFAULT VALUES', c.oid::regclass)),
       regress.verdict(format('UPDATE %s SET %I = DEFAULT', c.oid::regclass, a.attname)),
       regress.verdict(format('DELETE FROM %s', c.oid::regclass)), regress.verdict(format('TRUNCATE %s', c.oid::regclass))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 2
WHERE c.relnamespace = 'toms'::regnamespace AND c.relkind = 'r'
  AND c.relname IN ('tenant', 'category', 'permission', 'officer', 'instruction', 'instruction_event', 'protection_history')
ORDER BY c.relname COLLATE "C";
SELECT regress.verdict('ALTER TABLE toms.tenant DISABLE TRIGGER ALL');                      -- refused
SELECT regress.verdict($$SELECT setval('toms.permission_id_seq', 1)$$);                     -- refused
RESET SESSION AUTHORIZATION;

--
-- An officer who is no superuser and owns nothing protects a table of somebody else
--
SET SESSION AUTHORIZATION regress_officer;
SELECT rolsuper, pg_has_role('regress_owner', 'MEMBER') FROM pg_roles WHERE rolname = current_user;                 -- f, f
SELECT regress.verdict($$SELECT toms.protect('hr.badge', tenant => 'tenant_id', subject => 'employee_id')$$);     -- ok
SELECT regress.verdict($$SELECT toms.permit('regress_hr', 'hr.badge', '{select}', '{absence_management}', scope => 'tenant')$$);  -- ok
SELECT relation, mode, tenant, subject, category, intact FROM toms.protected_tables;
SELECT regress.verdict('SELECT FROM hr.badge');       -- refused: protecting is not reading
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'absence_management') \gset
SELECT id, tenant_id, employee_id FROM hr.badge ORDER BY id;                              -- ok: the tenant's rows
COMMIT;
RESET SESSION AUTHORIZATION;

--
-- Labels are the truth about protection: the owner of a table can neither set nor end them
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE hr.draft (tenant_id text NOT NULL, t text);
SELECT regress.verdict($$SECURITY LABEL FOR toms ON TABLE hr.draft IS 'category=health,mode=enforce'$$);    -- refused: no officer
SELECT regress.verdict($$SECURITY LABEL FOR toms ON COLUMN hr.draft.tenant_id IS 'tenant'$$);               -- refused
SELECT regress.verdict($$SECURITY LABEL FOR toms ON TABLE hr.badge IS 'category=health,mode=observe'$$);  -- refused
SELECT regress.verdict($$SECURITY LABEL FOR toms ON TABLE hr.badge IS NULL$$);                            -- refused
SELECT regress.verdict($$SECURITY LABEL FOR toms ON COLUMN hr.badge.tenant_id IS NULL$$);                 -- refused
SELECT regress.verdict($$SECURITY LABEL FOR toms ON COLUMN hr.badge.day IS 'tenant'$$);                   -- refused
RESET SESSION AUTHORIZATION;
-- nor can an officer label what is not his: toms.protect() does it for him, and records it
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SECURITY LABEL FOR toms ON TABLE hr.badge IS NULL$$);                            -- refused: not the owner
RESET SESSION AUTHORIZATION;
SELECT objsubid, label FROM pg_seclabel WHERE provider = 'toms' AND objoid = 'hr.badge'::regclass ORDER BY objsubid;

-- a label is made of words that toms knows, on tables and their columns
SELECT regress.verdict($$SECURITY LABEL FOR toms ON TABLE hr.draft IS 'mode=off'$$);                        -- refused: unknown
SELECT regress.verdict($$SECURITY LABEL FOR toms ON TABLE hr.draft IS 'category=health,public'$$);          -- refused: unknown
SELECT regress.verdict($$SECURITY LABEL FOR toms ON TABLE hr.draft IS 'category='$$);                       -- refused: no category
SELECT regress.verdict($$SECURITY LABEL FOR toms ON TABLE hr.draft IS 'category=he alth'$$);                -- refused: not a list
SELECT regress.verdict($$SECURITY LABEL FOR toms ON TABLE hr.draft IS 'tenant'$$);                          -- refused: a column's word
SELECT regress.verdict($$SECURITY LABEL FOR toms ON COLUMN hr.draft.t IS 'mode=enforce'$$);                 -- refused: a table's word
SELECT regress.verdict($$SECURITY LABEL FOR toms ON COLUMN hr.draft.t IS 'tenant,owner'$$);                 -- refused: unknown
SELECT regress.verdict($$SECURITY LABEL FOR toms ON FUNCTION regress.verdict(text) IS 'category=health'$$); -- refused: no access function
SELECT regress.verdict($$SECURITY LABEL FOR toms ON SCHEMA hr IS 'category=health'$$);                      -- refused: a schema
SELECT regress.verdict($$SECURITY LABEL FOR toms ON ROLE regress_hr IS 'category=health'$$);                -- refused: a role
SELECT count(*) FROM pg_seclabel WHERE provider = 'toms' AND objoid = 'hr.draft'::regclass;                 -- 0

-- what a label says is protected, is closed, even before it has policies: so a restore that
-- stops half-way leaves nothing open
SECURITY LABEL FOR toms ON TABLE hr.draft IS 'category=personal,mode=enforce';
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict('SELECT FROM hr.draft');         -- refused: incomplete
RESET SESSION AUTHORIZATION;

--
-- clean up
--
SELECT toms.unprotect('hr.badge', reason => 'end of test');
SET toms.reason = 'end of the test';
DROP SCHEMA hr CASCADE;
DELETE FROM toms.tenant WHERE tenant IN ('initech', 'Initech');
DELETE FROM toms.category WHERE NOT shipped;
SELECT toms.revoke_officer('regress_auditor', 'auditor');
DELETE FROM toms.officer WHERE role IN ('regress_auditor'::regrole, 'regress_operator'::regrole);
DROP FUNCTION regress.duties();
DROP ROLE regress_auditor, regress_operator;
