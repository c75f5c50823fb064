--
-- evidence_timeclock: what the operator of a time clock promises, measure by measure
--
-- The application is examples/timeclock: two companies, werkhof and backstube, each with a manager (1) and employees (2 to 8).
-- Promise and proof stand side by side, in the order of the list; act() and see() do what the application's roles do.
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
\set login timeclock_job
\i test/evidence/act.sql
\i examples/timeclock/schema.sql
\i examples/timeclock/protect.sql
\i examples/timeclock/data.sql
\unset ON_ERROR_STOP
\setenv PGDATABASE :DBNAME
\o
SET toms.reason = 'what the test looks up';
\set ECHO all

-- T-1.1  what is processed changes by a documented instruction in text form alone
SELECT pg_temp.act('backstube 2 timeclock_employee time_recording', $$INSERT INTO clock.booking (employee_id, kind, place) VALUES (2, 'in', '(47,13)')$$);     -- refused: not ordered
SELECT toms.record_instruction('backstube', 'enable_category', given_by => 'Herr Brot', wording => 'Record where our drivers book.') AS gps \gset
SELECT pg_temp.fault(format($$SELECT toms.enable_category('backstube', 'location', %s)$$, :gps));          -- refused: not confirmed
SELECT toms.confirm_instruction(:gps);
SELECT pg_temp.fault(format($$SELECT toms.enable_category('werkhof', 'location', %s)$$, :gps));            -- refused: another customer's
SELECT toms.enable_category('backstube', 'location', :gps);
SELECT pg_temp.act('backstube 2 timeclock_employee time_recording', $$INSERT INTO clock.booking (employee_id, kind, place) VALUES (2, 'in', '(47,13)')$$);

-- T-2.1  processed in the EU and EEA; elsewhere with the customer's consent and an adequacy decision or certification
CREATE FUNCTION pg_temp.recipient(name text, tenant text DEFAULT 'werkhof', categories text[] DEFAULT '{personal}') RETURNS text LANGUAGE sql AS $$
    SELECT regress.verdict(format('SELECT toms.check_recipient(%L, %L, %L, %L)', name, tenant, 'time_recording', categories)) $$;
SELECT pg_temp.recipient('Rechenzentrum Wien GmbH');
SELECT pg_temp.recipient('Wolkenspeicher LLC');                                                            -- refused: certified, but nobody has consented
SELECT toms.consent_to_recipient('Wolkenspeicher LLC', 'werkhof', 'letter of 2 March');
SELECT pg_temp.recipient('Wolkenspeicher LLC'), pg_temp.recipient('Wolkenspeicher LLC', 'backstube');      -- his consent is his alone
SELECT toms.add_recipient('Nirgendwo Ltd', kind => 'other', country => 'IN', categories => '{personal}');
SELECT toms.consent_to_recipient('Nirgendwo Ltd', 'werkhof');
SELECT pg_temp.recipient('Nirgendwo Ltd');                                                                 -- refused: consent alone is not enough

-- T-2.2  categories are listed; GPS, biometrics and immunisation are there only where they were ordered
SELECT relation, col, category, optional FROM toms.labelled_columns WHERE relation::text LIKE 'clock.%' ORDER BY 1, 2;
SELECT pg_temp.act('werkhof 2 timeclock_employee time_recording', $$INSERT INTO clock.booking (employee_id, kind, place) VALUES (2, 'in', '(53,10)')$$);
SELECT pg_temp.act('werkhof 2 timeclock_employee time_recording', $$INSERT INTO clock.booking (employee_id, kind) VALUES (2, 'in')$$);                      -- without a place it is taken
SELECT pg_temp.act('werkhof 1 timeclock_hygiene infection_protection', $$UPDATE clock.hygiene SET immunised = true WHERE employee_id = 2$$);
SELECT pg_temp.act('werkhof 1 timeclock_hygiene infection_protection', $$UPDATE clock.hygiene SET fingerprint = '\x00' WHERE employee_id = 2$$);
SELECT toms.enable_category('backstube', 'health', pg_temp.instruct('backstube', 'enable_category'));
SELECT pg_temp.act('backstube 1 timeclock_hygiene infection_protection', $$UPDATE clock.hygiene SET immunised = true WHERE employee_id IN (2, 3)$$);
SELECT pg_temp.act('backstube 1 timeclock_hygiene infection_protection', $$UPDATE clock.hygiene SET fingerprint = '\x00' WHERE employee_id = 2$$);           -- biometrics were not ordered

-- T-4.1  rectified, erased and restricted on documented instruction alone
SELECT toms.record_instruction('werkhof', 'erase', given_by => 'Frau Amboss', wording => 'Erase Hedi.', subject => '8') AS given \gset
SELECT pg_temp.fault(format(s, :given)) FROM unnest(ARRAY[
    $$SELECT toms.erase_subject('werkhof', '8', NULL)$$,                                                   -- refused: by what?
    $$SELECT toms.erase_subject('werkhof', '8', %s)$$,                                                     -- refused: not confirmed
    $$SELECT toms.restrict_subject('werkhof', '8', %s)$$,                                                  -- refused: it says to erase
    $$SELECT toms.rectify_subject('werkhof', '8', 'clock.employee', '{"name": "Heidi"}', %s)$$]) s;
SELECT pg_temp.act('werkhof 1 timeclock_manager time_recording', $$SELECT toms.erase_subject('werkhof', '8', 1)$$);     -- nor by the application

-- T-4.2  access, portability, rectification, restriction and erasure are one call each
SELECT json_object_keys(toms.export_subject('werkhof', '8', pg_temp.instruct('werkhof', 'export', '8'))::json -> 'data');
SELECT json_object_keys(toms.export_subject('werkhof', '8', pg_temp.instruct('werkhof', 'portability', '8'), kind => 'portability')::json -> 'data');
SELECT toms.rectify_subject('werkhof', '8', 'clock.employee', '{"name": "Heidi"}', pg_temp.instruct('werkhof', 'rectify', '8'));
SELECT toms.restrict_subject('werkhof', '8', pg_temp.instruct('werkhof', 'restrict', '8'));
SELECT pg_temp.act('werkhof 1 timeclock_manager time_recording', 'SELECT FROM clock.booking WHERE employee_id = 8');
SELECT relation, deleted, restricted FROM toms.erase_subject('werkhof', '8', pg_temp.instruct('werkhof', 'erase', '8')) ORDER BY 1;     -- what the law keeps, restricted
SELECT relation, deleted FROM toms.erase_subject('werkhof', '7', pg_temp.instruct('werkhof', 'erase', '7'), dry_run => true) WHERE deleted > 0;

-- T-6.1  that the measures are kept can be proven to the customer
SELECT count(*) = 39 FROM toms.check('de') c JOIN toms.measure m USING (measure) WHERE m.system = 'timeclock' AND c.evidence <> '';
SELECT toms.report('json', 'werkhof', 'de') AS report \gset
SELECT position('Werkhof' IN :'report') > 0, position('Sonnleitner' IN :'report') > 0;                    -- his, with nothing of others

-- T-7.1  sub-processors are listed with service and categories; the customer can object before the first use
SELECT recipient, kind, country, categories, agreement FROM toms.recipients WHERE kind LIKE '%processor' ORDER BY recipient;
SELECT toms.add_recipient('Neuland AG', kind => 'processor', country => 'CH', categories => '{personal}', agreement => 'statistics of use');
SELECT pg_temp.recipient('Neuland AG');                                                                    -- refused: not announced
SELECT toms.notify_recipient('Neuland AG', 'werkhof', notified_at => now() - interval '13 days', objection_period => '14 days');
SELECT pg_temp.recipient('Neuland AG');                                                                    -- refused: a day is left
SELECT toms.object_to_recipient('Neuland AG', 'werkhof', reason => 'not needed');
SELECT pg_temp.recipient('Neuland AG');

-- T-8.1  the customer can audit: his own trail, with proofs, and nothing of others
SELECT pg_temp.see('werkhof 90 timeclock_dpo data_protection_control', 'SELECT DISTINCT tenant FROM toms.audit_trail()');
SELECT pg_temp.see('backstube 90 timeclock_dpo data_protection_control', 'SELECT DISTINCT tenant FROM toms.audit_trail()');
SELECT toms.seal_audit() > 0;
SELECT min(id) AS entry FROM toms.audit_trail(tenant => 'werkhof', kind => 'insert') \gset
SELECT pg_temp.act('werkhof 90 timeclock_dpo data_protection_control', format('SELECT toms.audit_proof(%s)', :entry));
SELECT regexp_replace(pg_temp.act('backstube 90 timeclock_dpo data_protection_control', format('SELECT toms.audit_proof(%s)', :entry)), '[0-9]{9,}', 'N');

-- T-9.1  breaches are reported without delay, with all that is known
SELECT pg_temp.act('werkhof 1 timeclock_manager time_recording', 'UPDATE clock.booking SET kind = kind WHERE employee_id IN (3, 4)');
SELECT toms.record_incident('security_incident', aware_at => now(), tenants => '{werkhof}', description => 'a manager''s telephone was stolen') AS incident \gset
SELECT toms.update_incident(:incident, began_at => now() - interval '1 hour', ended_at => now(), actors => '{1}', nature => 'bookings were seen and changed', subject_categories => 'employees',
                            subjects => 2, record_categories => 'bookings', records => 40, dpo_contact => 'Herr Niet', likely_consequences => 'none known', measures_taken => 'account closed');
SELECT tenant, subject, kinds, relations FROM toms.incident_subjects(:incident) ORDER BY subject;        -- whose data it was, from the trail
SELECT toms.record_incident_notice(:incident, 'werkhof', now(), 'by e-mail');
SELECT informed_at <= due, controllers_due - informed_at, nature, subjects, records, dpo_contact, likely_consequences, measures_taken FROM toms.incidents WHERE incident = :incident;

-- T-10.1  an instruction believed unlawful is suspended until it is confirmed or changed
SELECT toms.record_instruction('werkhof', 'export', given_by => 'Frau Amboss', wording => 'Where was Cem last week?', subject => '3') AS doubtful \gset
SELECT toms.suspend_instruction(:doubtful, reason => '§ 26 BDSG', informed_at => now());
SELECT pg_temp.fault(format($$SELECT toms.export_subject('werkhof', '3', %s)$$, :doubtful));
SELECT toms.confirm_instruction(:doubtful);
SELECT pg_temp.fault(format($$SELECT toms.export_subject('werkhof', '3', %s)$$, :doubtful));               -- confirmed after all: carried out

-- T-11.1  no copy is made without the customer's knowledge
RESET toms.reason;
SELECT regress.verdict($$COPY clock.booking TO '/dev/null'$$);                                             -- refused: why?
SET toms.reason = 'ticket 31, copy for the customer';
COPY clock.booking TO '/dev/null';
SELECT relation, reason, rows > 0 FROM toms.audit_trail(relation => 'clock.booking', kind => 'export') WHERE reason LIKE 'ticket 31%';
SET toms.reason = 'what the test looks up';

-- T-11.2  the customer is told of, and has 30 days for, the return of all data in an open format
SELECT toms.end_tenant('backstube', ends_at => now() - interval '1 hour', basis => 'agreement') > 0;
SELECT state, closes_at FROM toms.tenant_ends WHERE tenant = 'backstube';                                  -- he has not been told: no clock
SELECT closes - now() BETWEEN '30 days' AND '30 days 1 minute' FROM toms.notify_end('backstube', now()) closes;
SELECT string_agg(DISTINCT file, ' ') FROM toms.export_tenant('backstube', pg_temp.instruct('backstube', 'export'));
SELECT string_agg(DISTINCT file, ' ') FROM toms.export_tenant('backstube', pg_temp.instruct('backstube', 'export'), format => 'csv');
CALL pg_temp.end_tenants();
SELECT count(*) FROM clock.employee WHERE tenant_id = 'backstube';                                         -- nothing goes before the window closes

-- T-11.3  30 days after the end all his data is deleted, and nobody else's
SELECT count(*) AS others FROM clock.booking WHERE tenant_id = 'werkhof' \gset
SELECT toms.unretain(id, 'bookings of the backstube are given back') FROM toms.retention_rules WHERE relation = 'clock.booking' AND in_force;      -- nothing that the law keeps
UPDATE toms.tenant_end SET ends_at = now() - interval '31 days', opens_at = now() - interval '31 days', closes_at = now() - interval '1 day' WHERE tenant = 'backstube';
CALL pg_temp.end_tenants();
SELECT state, problem FROM toms.tenant_ends WHERE tenant = 'backstube';
SELECT count(*) FILTER (WHERE tenant_id = 'backstube'), count(*) FILTER (WHERE tenant_id = 'werkhof') = :others FROM clock.booking;
SELECT bool_and(destroyed_at IS NOT NULL) FROM toms.key_epoch WHERE tenant = 'backstube';                  -- copies: nothing opens them
SELECT toms.retain('clock.booking', period => 'de_working_time', since => 'booked_at', purposes => '{time_recording}') > 0;

-- T-11.4  a record of the destruction is provided
SELECT toms.seal_audit() > 0;
SELECT id AS erasure FROM toms.erasure WHERE tenant = 'backstube' AND kind = 'tenant' \gset
SELECT toms.certificate(:erasure) AS certificate \gset
SELECT valid, problem, tenant FROM toms.verify_certificate(:'certificate');
SELECT valid FROM toms.verify_certificate(replace(:'certificate', 'backstube', 'backstuhe'));              -- nobody alters it

-- T-11.5  records that prove proper processing outlive the contract
SELECT kind, keep FROM toms.audit_periods WHERE kind IN ('change', 'deletion') ORDER BY kind;
SELECT count(*) > 0, bool_and(erased) FROM toms.audit_trail(tenant => 'backstube', kind => 'insert');      -- that it was, not whose
SELECT count(*) FROM toms.verify_audit(since => :'since') WHERE fault <> 'outside_missing';

-- T-A2.1  authentication, password rules, second factor, locking
SELECT current_setting('password_encryption'), current_setting('toms.login_attempts');
\set token `test/mint.sh --other '{"tenant":"werkhof","sub":"1","role":"timeclock_manager","purpose":"time_recording","exp":NOW+300}'`
SELECT regress.verdict(format('SELECT set_config(''toms.token'', %L, true)', :'token'));                   -- forged
SELECT toms.permit('timeclock_manager', 'clock.employee', '{delete}', '{time_recording}', scope => 'tenant', require_mfa => true) > 0;
SELECT pg_temp.act('werkhof 1 timeclock_manager time_recording', 'DELETE FROM clock.employee WHERE employee_id = 7');
SELECT pg_temp.finds('authentication');                                                 -- pg_hba.conf and log-ins of this server

-- T-A2.2  activities are recorded and looked at
SELECT kind, count(*) > 0 FROM toms.audit_trail(tenant => 'werkhof') WHERE kind IN ('insert', 'read', 'refusal') GROUP BY kind ORDER BY kind;
SELECT pg_temp.reviewed('T-A2.2', owner => 'Sicherheitsbeauftragter', evidence => 'minutes of the weekly review', result => 'nothing unusual');

-- T-A2.3  log-in, log-out, change and deletion are recorded
ALTER SYSTEM SET toms.audit_logins = 'all';
SELECT pg_reload_conf(), pg_sleep(0.5) \g /dev/null
SELECT toms.seal_audit() \g /dev/null
\! psql -XqAt -U timeclock_app -c 'SELECT 1'
SELECT pg_sleep(1) \g /dev/null
SELECT kind, login, address FROM toms.audit_trail(since => now() - interval '1 minute', kind => 'sessions') WHERE login = 'timeclock_app' ORDER BY id;
SELECT pg_temp.act('werkhof 1 timeclock_manager time_recording', $$UPDATE clock.employee SET left_on = NULL WHERE employee_id = 7$$);
SELECT kind, actor, columns FROM toms.audit_trail(tenant => 'werkhof', relation => 'clock.employee', kind => 'update') WHERE actor = '1';

-- T-A2.4  customers, their data, and development, staging and production are apart
SELECT pg_temp.see('werkhof 1 timeclock_manager time_recording', 'SELECT DISTINCT tenant_id FROM clock.employee');
SELECT pg_temp.act('werkhof 1 timeclock_manager time_recording', $$UPDATE clock.employee SET tenant_id = 'acme' WHERE employee_id = 7$$);
ALTER SYSTEM SET toms.environment = 'production';
SELECT pg_reload_conf(), pg_sleep(0.5) \g /dev/null
\set token `test/mint.sh '{"tenant":"werkhof","sub":"1","role":"timeclock_manager","purpose":"time_recording","env":"staging","exp":NOW+300}'`
SELECT regress.verdict(format('SELECT set_config(''toms.token'', %L, true)', :'token'));
ALTER SYSTEM RESET toms.environment;
SELECT pg_reload_conf(), pg_sleep(0.5) \g /dev/null

-- T-A2.5  the payroll office gets pseudonyms
SELECT pg_temp.see('werkhof 1 timeclock_payroll payroll', 'SELECT count(DISTINCT person), bool_and(person ~ ''^[0-9a-f]{32}$'') FROM clock.payroll_export');
SELECT pg_temp.act('werkhof 1 timeclock_payroll payroll', 'SELECT name FROM clock.employee');              -- and no names
SELECT pg_temp.see('werkhof 1 timeclock_payroll payroll', $$SELECT toms.pseudonym('3', 'payroll') <> toms.pseudonym('3', 'statistics')$$);
SELECT person AS pseudonym FROM pg_temp.see('werkhof 1 timeclock_payroll payroll', $$SELECT toms.pseudonym('3', 'payroll')$$) person \gset
SELECT pg_temp.fault(format('SELECT toms.resolve_pseudonym(%L, ''payroll'', ''werkhof'', ''clock.employee'', NULL)', :'pseudonym'));
SELECT toms.resolve_pseudonym(:'pseudonym', 'payroll', tenant => 'werkhof', relation => 'clock.employee', instruction => pg_temp.instruct('werkhof', 'resolve_pseudonym', :'pseudonym'));

-- T-A2.6  whether, by whom and when data was added, changed, deleted or read
SELECT pg_temp.act('werkhof 1 timeclock_manager time_recording', $$INSERT INTO clock.employee (employee_id, name, email) VALUES (30, 'Ivo', 'ivo@werkhof.example')$$);
SELECT pg_temp.act('werkhof 1 timeclock_manager time_recording', $$UPDATE clock.employee SET email = 'i@werkhof.example' WHERE employee_id = 30$$);
SELECT pg_temp.act('werkhof 1 timeclock_manager time_recording', 'SELECT FROM clock.employee WHERE employee_id = 30');
DELETE FROM clock.employee WHERE employee_id = 30;
SELECT kind, actor, role, purpose, columns, reason FROM toms.audit_trail(tenant => 'werkhof', subject => '30', relation => 'clock.employee') ORDER BY id;
SELECT kind, actor, rows, times FROM toms.audit_trail(tenant => 'werkhof', relation => 'clock.employee', kind => 'read') WHERE role = 'timeclock_manager' AND rows = 1 ORDER BY id DESC LIMIT 1;

-- T-A2.7  attempts to get in are recorded with address and user name
\! psql -XqAt -U timeclock_owner -c 'SELECT 1' 2>/dev/null
SELECT pg_sleep(1) \g /dev/null
SELECT kind, login, address, details ->> 'method', details ->> 'outcome' FROM toms.audit_trail(since => now() - interval '1 minute', kind => 'sessions') WHERE login = 'timeclock_owner' ORDER BY id;
ALTER SYSTEM RESET toms.audit_logins;
SELECT pg_reload_conf(), pg_sleep(0.5) \g /dev/null

-- T-A2.8  rights prevent that data is tampered with
SELECT pg_temp.act('werkhof 2 timeclock_employee time_recording', $$UPDATE clock.booking SET booked_at = now() WHERE employee_id = 2$$);      -- one's own
SELECT pg_temp.act('werkhof 2 timeclock_employee time_recording', $$INSERT INTO clock.booking (employee_id, kind) VALUES (3, 'in')$$);         -- for a colleague
SELECT pg_temp.act('werkhof 1 timeclock_manager time_recording', 'DELETE FROM clock.booking WHERE employee_id = 2');
SET SESSION AUTHORIZATION timeclock_owner;
SELECT regress.verdict('ALTER TABLE clock.booking DISABLE ROW LEVEL SECURITY'), regress.verdict('ALTER TABLE clock.booking DISABLE TRIGGER ALL');
RESET SESSION AUTHORIZATION;

-- T-A2.9  encrypted at rest, in transfer and in backups
SELECT pg_temp.act('werkhof 1 timeclock_hygiene infection_protection', 'SELECT immunised FROM clock.hygiene WHERE employee_id = 2');
SELECT toms.enable_category('werkhof', 'biometric', pg_temp.instruct('werkhof', 'enable_category'));
SELECT pg_temp.act('werkhof 1 timeclock_hygiene infection_protection', $$UPDATE clock.hygiene SET fingerprint = '\x0123456789' WHERE employee_id = 2$$);
SELECT fingerprint::text LIKE 'toms1:%', position('123456789' IN fingerprint::text) FROM clock.hygiene WHERE tenant_id = 'werkhof' AND employee_id = 2;       -- what a disk or a backup has
SELECT current_setting('toms.require_tls');                                                                -- no token is taken over a network without TLS
SELECT pg_temp.finds('transport_encryption');                                           -- key and versions of this server's certificate
SELECT pg_temp.reviewed('T-A2.9', owner => 'Rechenzentrum Wien GmbH', evidence => 'LUKS AES-XTS 512, backups AES-256-GCM: certificate of 2026', result => 'seen on site');

-- T-A3.1  several data centres, backups elsewhere, quick recovery
SELECT pg_temp.reviewed('T-A3.1', owner => 'Rechenzentrum Wien GmbH', evidence => 'emergency plan 4.2, penetration test of May', result => 'recovery in 48 minutes');
SELECT * FROM pg_temp.drill('clock');

-- T-A3.2  backups of the last days, weeks, months and years, and erased stays erased
SELECT name, every, keep FROM toms.backup_tiers ORDER BY keep;
SELECT toms.record_backup(tier, now() - interval '1 hour', 'Graz') > 0 FROM unnest('{daily,weekly,monthly,yearly}'::text[]) tier;
SELECT (toms.certificate(:erasure)::json #>> '{backups,sealed_until}')::date = now()::date, (toms.certificate(:erasure)::json #>> '{backups,clear_until}')::date = (now() + interval '7 years')::date;
SELECT gate FROM toms.status;                                                                              -- a restored backup is closed until it has erased again

-- T-A4.1  data protection is managed, incidents are answered, defaults are privacy's
SELECT pg_temp.reviewed('T-A4.1', owner => 'Geschäftsführung', evidence => 'handbook, version 9', result => 'no deviation');

-- T-2.3  who objects to location data has none, from then on
SELECT toms.enable_category('werkhof', 'location', pg_temp.instruct('werkhof', 'enable_category'));
SELECT pg_temp.act('werkhof 4 timeclock_employee time_recording', $$INSERT INTO clock.booking (employee_id, kind, place) VALUES (4, 'in', '(53,10)')$$);
SELECT toms.record_objection('werkhof', '4', category => 'location') > 0;
SELECT pg_temp.act('werkhof 4 timeclock_employee time_recording', $$INSERT INTO clock.booking (employee_id, kind, place) VALUES (4, 'out', '(53,10)')$$);
SELECT pg_temp.act('werkhof 4 timeclock_employee time_recording', $$INSERT INTO clock.booking (employee_id, kind) VALUES (4, 'out')$$);
SELECT pg_temp.act('werkhof 5 timeclock_employee time_recording', $$INSERT INTO clock.booking (employee_id, kind, place) VALUES (5, 'in', '(53,10)')$$);      -- others are not concerned

-- T-3.3  measures do not fall below what was agreed, and what changes is documented
SELECT name, version, cardinality(measures) FROM toms.agreement WHERE tenant = 'werkhof';
SELECT toms.forbid('timeclock_payroll', 'clock.booking');
SELECT role, valid_until IS NOT NULL FROM toms.permission WHERE relation = 'clock.booking'::regclass ORDER BY id;                 -- what was permitted, then and now
SELECT count(*) > 0 FROM toms.audit_trail(since => now() - interval '1 minute', kind => 'declaration') WHERE details ->> 'table' = 'permission';
SELECT pg_temp.finds('agreements');

-- T-4.3  requests that reach the operator are forwarded at once
SELECT toms.record_request('werkhof', '5', 'access', received_at => now() - interval '40 days') AS request \gset
SELECT kind, forwarded_at, overdue FROM toms.requests WHERE id = :request;
SELECT toms.forward_request(:request, forwarded_to => 'Frau Amboss');
SELECT kind, forwarded_at IS NOT NULL, forwarded_to FROM toms.requests WHERE id = :request;
SELECT toms.close_request(:request, 'fulfilled');

-- T-6.2  an officer is appointed, staff is bound to confidentiality, the authority's actions are told
SELECT pg_temp.reviewed('T-6.2', owner => 'Geschäftsführung', evidence => 'appointment of 1 February 2024', result => 'no action of the authority');

-- T-7.2  at a sub-processor in a third country only the operator can read it
\set copied `psql -XqAt -c "SET toms.reason = 'copy for Wolkenspeicher LLC'; COPY (SELECT fingerprint FROM clock.hygiene WHERE tenant_id = 'werkhof' AND employee_id = 2) TO STDOUT"`
SELECT :'copied' LIKE 'toms1:%', regress.verdict(format('SELECT toms.reveal(%L::toms.sealed_bytea)', :'copied'));
SELECT pg_temp.recipient('Wolkenspeicher LLC', categories => '{biometric}');                               -- nor is it registered for that in clear
SELECT pg_temp.finds('encrypted_exports');

-- T-7.3  who works for a sub-processor needs the customer's express consent
SELECT toms.add_recipient('Subsub GmbH', kind => 'sub_processor', country => 'DE', categories => '{personal}', parent => 'Rechenzentrum Wien GmbH');
SELECT pg_temp.recipient('Subsub GmbH');
SELECT toms.consent_to_recipient('Subsub GmbH', 'werkhof', 'letter of 4 April');
SELECT pg_temp.recipient('Subsub GmbH');
SELECT toms.object_to_recipient('Rechenzentrum Wien GmbH', 'werkhof', reason => 'moved');
SELECT pg_temp.recipient('Subsub GmbH');                                                                   -- refused: nor by whose sub-processor it is

-- T-9.2  violations are detected at once
SELECT count(pg_temp.act('werkhof 3 timeclock_employee time_recording', 'SELECT FROM clock.hygiene')) FROM generate_series(1, 50);
SELECT DISTINCT finding FROM toms.findings WHERE tenant = 'werkhof';
SELECT pg_temp.finds('detection');

-- T-9.3  an impact assessment is supported: what is processed, what for, by what right
SELECT relation::text, category FROM toms.protected_tables WHERE relation::text LIKE 'clock.%' ORDER BY 1;
SELECT purpose, legal_basis FROM toms.purposes WHERE purpose IN ('time_recording', 'payroll', 'infection_protection') ORDER BY purpose;
SELECT pg_temp.reviewed('T-9.3', owner => 'Datenschutzbeauftragter', evidence => 'assessment of the terminal, 2025', result => 'handed over to two customers');

-- T-A1.1  premises, visitors, fire detection
SELECT pg_temp.reviewed('T-A1.1', owner => 'Rechenzentrum Wien GmbH', evidence => 'ISO 27001 certificate', result => 'visited in March');

-- T-A2.10  transfers are recorded, and the officer looks at them
SELECT kind, relation, details ->> 'recipient', rows FROM toms.audit_trail(tenant => 'werkhof', kind => 'export') WHERE details ->> 'recipient' IS NOT NULL ORDER BY id;
SELECT pg_temp.reviewed('T-A2.10', owner => 'Datenschutzbeauftragter', evidence => 'log of exports', result => 'each has its instruction');

-- T-A2.11  sessions that do nothing are locked, servers are reached by key pairs
SELECT count(*) FROM pg_settings WHERE name IN ('idle_session_timeout', 'idle_in_transaction_session_timeout');
SELECT pg_temp.finds('idle_sessions');                                               -- this server has set neither: the check says so
SELECT pg_temp.reviewed('T-A2.11', owner => 'IT', evidence => 'configuration of the jump host', result => 'keys only');

-- T-A2.12  staff is trained, bound, taken on and let go by procedure
SELECT pg_temp.reviewed('T-A2.12', owner => 'Personalabteilung', evidence => 'list of trainings', result => 'two are due in autumn');

-- That is all
\set ECHO none
\o /dev/null
\set roles ^timeclock_
\set schemas clock
\i test/evidence/undo.sql
\o
\set ECHO all
SELECT relation FROM toms.protected_tables;
SELECT count(*) FROM toms.tenant WHERE tenant IN ('werkhof', 'backstube');
