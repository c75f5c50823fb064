--
-- evidence_remote_support: what a provider of remote support promises, measure by measure
--
-- The application is examples/remote_support: two customers, kanzlei and autohaus, technicians anton and berta, and Anke Weber,
-- who administers the database.  Promise and proof stand side by side, in the order of the list.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null -
SET client_min_messages = error;
SET TimeZone = 'UTC';
SET datestyle = 'ISO';
\set ECHO none
\o /dev/null
\set login support_job
\i test/evidence/act.sql
\i examples/remote_support/schema.sql
\i examples/remote_support/protect.sql
\i examples/remote_support/data.sql
\unset ON_ERROR_STOP
\o
\set ECHO all

-- R-1.1  rooms and devices are locked
SELECT pg_temp.reviewed('R-1.1', owner => 'Leitstelle', evidence => 'key register, clean-desk rule 3', result => 'walked through on 4 March');

-- R-2.1  administrators have log-ins of their own, and what they do with them is documented
SELECT login, owner, ended_at FROM toms.personal_logins WHERE login::text = 'support_dba_weber';
SET SESSION AUTHORIZATION support_dba_weber;
SELECT regress.verdict('SELECT FROM support.session');                                                     -- refused: who, and why?
SELECT toms.open_admin_session('Anke Weber', 'T-4711', 'session without an end') > 0;
SELECT regress.verdict('SELECT FROM support.session');
SELECT regress.verdict('UPDATE support.session SET ended_at = began_at WHERE session_id = 1');
SELECT toms.close_admin_session();
SELECT regress.verdict('SELECT FROM support.session');                                                     -- refused again
RESET SESSION AUTHORIZATION;
SELECT kind, login, details ->> 'person', details ->> 'ticket', details ->> 'reason' FROM toms.audit_trail(kind => 'administration') WHERE details ->> 'ticket' = 'T-4711' AND kind = 'open_admin_session';
SELECT kind, tenant, columns, login, details ->> 'person' FROM toms.audit_trail(relation => 'support.session', kind => 'update') ORDER BY tenant;

-- R-3.1  access is limited to the agreed purpose, to who needs to know
SELECT pg_temp.act('kanzlei anton support_technician remote_support', 'SELECT FROM support.session');
SELECT pg_temp.act('kanzlei anton support_technician contract_billing', 'SELECT FROM support.session');    -- refused: another purpose
SELECT pg_temp.act('kanzlei anton support_technician advertising', 'SELECT FROM support.session');         -- refused: ruled out
SELECT pg_temp.act('kanzlei anton support_technician remote_support', 'SELECT FROM support.bill');         -- refused: no need to know
SELECT pg_temp.act('kanzlei carla support_billing contract_billing', 'SELECT FROM support.session');

-- R-3.2  nothing is disclosed to third parties without authority
SELECT pg_temp.instruct('kanzlei', 'export', '101') AS export \gset
SELECT regress.verdict(format($$SELECT toms.export_subject('kanzlei', '101', %s, recipient => 'Neugier GmbH')$$, :export));      -- refused: nobody knows it
SELECT toms.add_recipient('Neugier GmbH', kind => 'other', country => 'DE', categories => '{billing}');
SELECT regress.verdict(format($$SELECT toms.export_subject('kanzlei', '101', %s, recipient => 'Neugier GmbH')$$, :export));      -- refused: for bills alone
SELECT pg_temp.act('kanzlei anton support_technician remote_support', $$SELECT toms.export_tenant('kanzlei', 1)$$);

-- R-4.1  transfers are always encrypted, mobile devices are protected
SELECT current_setting('toms.require_tls');                                                                -- no token is taken over a network without TLS
SELECT pg_temp.finds('tls');                                                            -- what pg_hba.conf and the server's settings allow
SELECT pg_temp.reviewed('R-4.1', owner => 'IT', evidence => 'list of notebooks, all encrypted', result => 'two new ones added');

-- R-5.1  remote sessions are documented: time, duration, systems, who answered for them
SELECT pg_temp.act('kanzlei berta support_technician remote_support', $$INSERT INTO support.session (device_id, helped, ticket) VALUES (2, 102, 'T-5000')$$);
SELECT pg_temp.see('kanzlei berta support_technician remote_support', $$SELECT technician, device_id, began_at <= now(), ended_at FROM support.session WHERE ticket = 'T-5000'$$);
SELECT details ->> 'person', (details ->> 'seconds')::numeric >= 0, details ->> 'tables', details ->> 'passes'
FROM toms.audit_trail(kind => 'close_admin_session') WHERE details ->> 'ticket' = 'T-4711';                -- and of administrators, whatever they write

-- R-5.2  contents are not recorded unless the controller has consented before
SELECT pg_temp.act('kanzlei berta support_technician remote_support', $$UPDATE support.session SET ticket = 'T-5001' WHERE ticket = 'T-5000'$$);
SELECT columns, old_values, new_values FROM toms.audit_trail(tenant => 'kanzlei', actor => 'berta', kind => 'update');      -- which column, not what
SELECT regress.verdict($$SELECT toms.protect('support.session', tenant => 'tenant_id', subject => 'helped', audit => 'values')$$);           -- refused: who consented?
SELECT toms.protect('support.session', tenant => 'tenant_id', subject => 'helped', audit => 'values', instruction => pg_temp.instruct('kanzlei', 'audit_values'), until => now() + interval '1 day');
SELECT pg_temp.act('kanzlei berta support_technician remote_support', $$UPDATE support.session SET ticket = 'T-5002' WHERE session_id = 2$$);
SELECT pg_temp.act('autohaus berta support_technician remote_support', $$UPDATE support.session SET ticket = 'T-5002' WHERE session_id = 2$$);
SELECT tenant, columns, old_values ->> 'ticket', new_values ->> 'ticket' FROM toms.audit_trail(actor => 'berta', kind => 'update') ORDER BY id;     -- of the one who did
SELECT toms.protect('support.session', tenant => 'tenant_id', subject => 'helped');                        -- and it has ended

-- R-5.3  it is in the record of processing activities
SELECT purpose, legal_basis FROM toms.purposes WHERE purpose IN ('remote_support', 'contract_billing') ORDER BY purpose;
SELECT role, relation_name, purposes FROM toms.permission WHERE relation::text LIKE 'support.%' ORDER BY id;
SELECT * FROM toms.processing_record('kanzlei') WHERE section = 'Categories of processing';             -- and by tenant (Art. 30(2))

-- R-6.1  instructions are documented; sub-processors are agreed to; there is a list
SELECT toms.record_instruction('autohaus', 'restrict', given_by => 'Herr Kolben', wording => 'by letter', subject => '103') AS given \gset
SELECT pg_temp.fault(format($$SELECT toms.restrict_subject('autohaus', '103', %s)$$, :given));
SELECT toms.confirm_instruction(:given);
SELECT toms.restrict_subject('autohaus', '103', :given) -> 'rows';
SELECT recipient, kind, country, agreement FROM toms.recipients WHERE kind LIKE '%processor' AND active;
SELECT toms.add_recipient('Aushilfe GmbH', kind => 'sub_processor', country => 'DE', categories => '{personal}', parent => 'Serverhof AG');
SELECT regress.verdict($$SELECT toms.check_recipient('Aushilfe GmbH', 'autohaus', 'remote_support', '{personal}')$$);

-- R-7.1  what business depends on is backed up, encrypted, on separate media too; restoring is tested
SELECT toms.record_backup('nightly', now() - interval '3 hours', 'Serverhof, Halle 2') > 0, toms.record_backup('tape', now() - interval '3 days', 'Bankschließfach') > 0;
SELECT tier, place FROM toms.backup ORDER BY tier;
SELECT toms.seal_audit() > 0;
SELECT * FROM pg_temp.drill('support');
SELECT toms.record_measure('R-7.1', owner => 'IT', evidence => 'tapes are encrypted by the drive, key in the safe');

-- R-8.1  customers are separated; bills serve contract and business handling, and nothing is mixed
SELECT pg_temp.see('kanzlei anton support_technician remote_support', 'SELECT DISTINCT tenant_id FROM support.device');
SELECT pg_temp.see('autohaus anton support_technician remote_support', 'SELECT DISTINCT tenant_id FROM support.device');
SELECT pg_temp.act('kanzlei anton support_technician remote_support', $$UPDATE support.session SET tenant_id = 'autohaus' WHERE session_id = 3$$);
SELECT pg_temp.act('kanzlei carla support_billing remote_support', 'SELECT FROM support.bill');            -- refused: not for that
SELECT pg_temp.see('kanzlei carla support_billing contract_billing', 'SELECT count(*), count(DISTINCT tenant_id) FROM support.bill');

-- That is all
\set ECHO none
\o /dev/null
\set roles ^support_
\set schemas support
\i test/evidence/undo.sql
\o
\set ECHO all
SELECT relation FROM toms.protected_tables;
SELECT count(*) FROM toms.tenant WHERE tenant IN ('kanzlei', 'autohaus');
