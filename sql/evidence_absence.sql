--
-- evidence_absence: what the operator of an absence application promises, measure by measure
--
-- The application is examples/absence, of which two of the twenty companies have staff here: nordlicht and bergblick, with
-- employees 1 to 12 each; 1 works in HR.  Promise and proof stand side by side, in the order of the list.
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
\set login absence_staff
\i test/evidence/act.sql
\i examples/absence/schema.sql
\! sed "/('acme',/d" examples/absence/protect.sql >results/absence_protect.sql
\i results/absence_protect.sql
\i test/evidence/absence_data.sql
\unset ON_ERROR_STOP
\o
SET toms.reason = 'what the test looks up';
\set ECHO all

-- A-1.1  hosted in one region of the EU, in certified data centres
SELECT pg_temp.reviewed('A-1.1', owner => 'Betrieb', evidence => 'region eu-central, ISO 27001 of the operator', result => 'certificate valid until 2027');

-- A-2.1  roles and rights are managed
SELECT pg_temp.act('nordlicht 5 employee absence_management', 'SELECT FROM hr.absence');                   -- one's own: a holiday
SELECT pg_temp.act('nordlicht 5 employee absence_management', $$UPDATE hr.absence SET state = 'approved' WHERE employee_id = 5$$);
SELECT pg_temp.act('nordlicht 1 hr absence_management', $$UPDATE hr.absence SET state = 'approved' WHERE employee_id = 5$$);
SELECT pg_temp.act('nordlicht 9 administrator employer_duties', 'SELECT FROM hr.absence');                 -- refused: administrators have no absence
SELECT toms.explain_access('hr.absence', 'select') FROM pg_temp.enter('nordlicht 9 administrator employer_duties');

-- A-2.2  only who is authorised gets in; a refusal says why, and is on record
SET SESSION AUTHORIZATION absence_app;
SELECT * FROM hr.absence;
RESET SESSION AUTHORIZATION;
SELECT login, details ->> 'refused', relation FROM toms.audit_trail(since => :'since', kind => 'refusal') WHERE login = 'absence_app';

-- A-2.3  authentication is strong
\set mint `test/mint.sh '{"tenant":"nordlicht","sub":"5","role":"employee","purpose":"absence_management","exp":NOW+300}'`
\set other `test/mint.sh --other '{"tenant":"nordlicht","sub":"5","role":"employee","purpose":"absence_management","exp":NOW+300}'`
\set past `test/mint.sh '{"tenant":"nordlicht","sub":"5","role":"employee","purpose":"absence_management","exp":NOW-300}'`
SET SESSION AUTHORIZATION absence_app;
SELECT regress.verdict(format('SELECT set_config(''toms.token'', %L, true)', token)) FROM unnest(ARRAY[:'mint', :'other', :'past', :'mint' || 'x']) token;
RESET SESSION AUTHORIZATION;
SELECT pg_temp.finds('authentication');                                              -- pg_hba.conf and log-ins of this server

-- A-2.4  access rights are reviewed
SELECT pg_temp.reviewed('A-2.4', owner => 'Datenschutzbeauftragte', evidence => 'list of permissions of March, signed', result => 'no change');
SELECT role, relation_name, verbs, scope FROM toms.permission WHERE relation = 'hr.absence'::regclass ORDER BY id;

-- A-2.5  who was ill and who worked when are technically separate
SELECT pg_temp.act('nordlicht 1 hr absence_management', 'SELECT FROM hr.absence JOIN work.time_booking USING (tenant_id, employee_id)');
SELECT pg_temp.act('nordlicht 1 hr absence_management', 'SELECT FROM hr.absence WHERE EXISTS (SELECT FROM work.time_booking)');
SELECT pg_temp.act('nordlicht 1 hr continued_pay', 'SELECT FROM hr.absence JOIN work.time_booking USING (tenant_id, employee_id)');      -- to keep paying: § 3 EFZG

-- A-2.6  employees see their own sick notes alone; HR sees all of its company
SELECT pg_temp.see('nordlicht 2 employee absence_management', 'SELECT employee_id, toms.reveal(kind) FROM hr.absence ORDER BY first_day');
SELECT pg_temp.act('nordlicht 2 employee absence_management', 'SELECT FROM hr.absence WHERE employee_id = 3');
SELECT pg_temp.see('nordlicht 1 hr absence_management', 'SELECT count(*), count(DISTINCT employee_id), count(*) FILTER (WHERE toms.reveal(sick)) FROM hr.absence');

-- A-3.1  transport is encrypted
SELECT current_setting('toms.require_tls');                                                                -- over a network no token is taken without TLS: test/t/context_tls.pl
SELECT pg_temp.finds('tls');                                                         -- what pg_hba.conf and the server's settings allow

-- A-3.2  what tells of health is encrypted in the database
SELECT bool_and(kind::text LIKE 'toms1:%' AND sick::text LIKE 'toms1:%' AND certificate_from::text LIKE 'toms1:%') FROM hr.absence;      -- what disks, dumps and backups have
SELECT count(*), count(DISTINCT sick::text) = count(*) FROM hr.absence;                                   -- equal values do not look alike
SELECT regress.verdict('SELECT toms.reveal(sick) FROM hr.absence');                                        -- a superuser opens nothing
SELECT pg_temp.act('bergblick 1 hr absence_management', format('SELECT toms.reveal(%L::toms.health_flag)', (SELECT sick::text FROM hr.absence WHERE tenant_id = 'nordlicht' LIMIT 1)));

-- A-3.3  companies are separated from each other
SELECT pg_temp.see('nordlicht 1 hr absence_management', 'SELECT DISTINCT tenant_id FROM hr.absence');
SELECT pg_temp.act('nordlicht 1 hr employer_duties', $$SELECT FROM work.time_booking WHERE tenant_id = 'bergblick'$$);
SELECT pg_temp.act('nordlicht 1 hr employer_duties', $$SELECT FROM work.time_booking_2025_10 WHERE tenant_id = 'bergblick'$$);      -- partitions too
SELECT count(DISTINCT fingerprint) = 2 FROM toms.key_epoch WHERE tenant IN ('nordlicht', 'bergblick');     -- and a key for each

-- A-4.1  administrative access is logged
RESET toms.reason;
SELECT regress.verdict('SELECT FROM hr.absence'), regress.verdict('ALTER TABLE hr.absence DISABLE ROW LEVEL SECURITY');
SET toms.reason = 'ticket 12, wrong year';
SELECT regress.verdict('SELECT FROM hr.absence');
SELECT DISTINCT kind, relation, reason FROM toms.audit_trail(since => :'since', kind => 'admin_access') WHERE reason = 'ticket 12, wrong year';
SET toms.reason = 'what the test looks up';

-- A-5.1  that is enforced by the database, whatever the application asks
SELECT pg_temp.act('nordlicht 2 employee absence_management', 'SELECT FROM hr.absence WHERE employee_id = 3 OR 1=1');              -- injected: still one's own
GRANT SELECT ON hr.absence TO administrator;
SELECT pg_temp.act('nordlicht 9 administrator employer_duties', 'SELECT FROM hr.absence');                 -- refused: a GRANT is no permission
REVOKE SELECT ON hr.absence FROM administrator;
SET SESSION AUTHORIZATION absence_deploy;
SELECT regress.verdict('SELECT FROM hr.absence');                                                          -- refused: the owner neither
RESET SESSION AUTHORIZATION;

-- A-6.1  processed on instruction alone
SELECT pg_temp.fault($$SELECT toms.erase_subject('nordlicht', '12', NULL)$$);
SELECT toms.record_instruction('nordlicht', 'erase', given_by => 'Frau Kompass', wording => 'letter of 3 May', subject => '12') AS erase \gset
SELECT pg_temp.fault(format($$SELECT toms.erase_subject('nordlicht', '12', %s)$$, :erase));
SELECT toms.confirm_instruction(:erase);
SELECT relation, deleted FROM toms.erase_subject('nordlicht', '12', :erase) ORDER BY relation;
SELECT pg_temp.fault(format($$SELECT toms.erase_subject('nordlicht', '11', %s)$$, :erase));                -- nor anybody else by it

-- A-7.1  backups are made regularly, by themselves
SELECT toms.declare_backup_tier('daily', '1 day', '30 days') > 0;
SELECT toms.record_backup('daily', now() - interval '5 hours', 'second zone') > 0;
SELECT tier, place FROM toms.backup;
SELECT pg_temp.finds('backups');                                                     -- this server archives nothing

-- A-7.2  the architecture is redundant
SELECT count(*) FROM pg_stat_replication;
SELECT pg_temp.finds('standby');                                                     -- this server has no standby, and the check says so

-- A-7.3  systems are available and resilient
SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') ORDER BY name;
SELECT replace(pg_temp.finds('resilience'), 'checksums_off, ', '');         -- this server runs without fsync, and until 17 without checksums: the check says so

-- A-8.1  each customer's data is apart
SELECT pg_temp.act('nordlicht 1 hr absence_management', $$UPDATE hr.absence SET tenant_id = 'bergblick' WHERE employee_id = 5$$);
SELECT pg_temp.act('nordlicht 1 hr absence_management', $$INSERT INTO hr.absence (tenant_id, employee_id, first_day, last_day, kind) VALUES ('bergblick', 5, '2025-12-01', '2025-12-01', 'VACATION')$$);
BEGIN;
SELECT pg_temp.enter('nordlicht 1 hr absence_management');
SELECT regress.verdict($$SELECT toms.enter('bergblick', '1', 'hr', 'absence_management')$$);               -- no context is swapped
ROLLBACK;

-- A-9.1  privacy by design and by default
CREATE TABLE hr.wish (tenant_id text NOT NULL, employee_id integer NOT NULL, day date NOT NULL);
ALTER TABLE hr.wish OWNER TO absence_owner;
GRANT ALL ON hr.wish TO hr;
SELECT toms.protect('hr.wish', tenant => 'tenant_id', subject => 'employee_id');
SELECT pg_temp.act('nordlicht 1 hr absence_management', 'SELECT FROM hr.wish');                            -- closed until somebody opens it
CREATE TABLE work.time_booking_2026_01 PARTITION OF work.time_booking FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
SELECT mode FROM toms.protected_tables WHERE relation = 'work.time_booking_2026_01'::regclass;             -- so is a partition of tomorrow

-- A-9.2  no more data than needed, for no other purpose
SELECT regress.verdict('ALTER TABLE hr.absence ADD remark text');
SELECT pg_temp.act('nordlicht 1 hr staff_planning', 'SELECT FROM hr.absence');

-- A-9.3  data is held per tenant
SELECT pg_temp.act('nordlicht 1 hr absence_management', $$INSERT INTO hr.absence (tenant_id, employee_id, first_day, last_day, kind) VALUES (NULL, 5, '2025-12-01', '2025-12-01', 'VACATION')$$) LIKE 'refused%';
SELECT relation, tenant FROM toms.protected_tables WHERE root = relation AND relation::text ~ '^(hr|work)' ORDER BY relation::text;

-- A-9.4  there are concepts of deletion and retention, in writing
SELECT data_kind, start_event, standard_period, legal_basis FROM toms.deletion_concept('de') WHERE data_kind ~ '^(hr|work)\.' AND rule IS NOT NULL ORDER BY data_kind;
SELECT data_kind, implementation FROM toms.deletion_concept('de') WHERE data_kind = 'hr.wish';             -- what has no rule is told as well
SELECT pg_temp.finds('deletion_concept');
SELECT toms.retain('hr.wish', keep => '3 months', since => 'day', basis => 'Art. 5(1)(e) GDPR') > 0;
SELECT pg_temp.finds('deletion_concept');

-- A-10.1  there is no free text in sick notes
SELECT regress.verdict(format('ALTER TABLE hr.absence ADD remark %s', type)) FROM unnest('{text,varchar(20),json,bytea,toms.sealed_text}'::text[]) type;

-- A-10.2  no diagnosis, no medical detail
SELECT regress.verdict($$ALTER TABLE hr.absence ADD diagnosis toms.sealed_bytea$$);
SELECT pg_temp.act('nordlicht 1 hr absence_management', $$INSERT INTO hr.absence (employee_id, first_day, last_day, kind) VALUES (5, '2025-12-01', '2025-12-01', 'J06.9')$$);      -- not of the catalogue
SELECT string_agg(c.word, ' ' ORDER BY c.word) FROM toms.code c JOIN toms.code_catalogue k ON k.id = c.catalogue WHERE k.name = 'absence_kind';

-- A-10.3  nobody has to upload a certificate
SELECT pg_temp.act('nordlicht 5 employee absence_management', $$INSERT INTO hr.absence (employee_id, first_day, last_day, kind, sick) VALUES (5, '2025-12-01', '2025-12-02', 'SICK', true)$$);
SELECT regress.verdict('ALTER TABLE hr.absence ADD certificate bytea NOT NULL');                           -- and none can be demanded later

-- A-11.1  for what absences are processed, and by what right
SELECT purpose, legal_basis FROM toms.purposes WHERE purpose IN ('absence_management', 'continued_pay', 'staff_planning', 'employer_duties') ORDER BY purpose;
SELECT pg_temp.act('nordlicht 1 hr tax_audit', 'SELECT FROM hr.absence');                                  -- any other is refused
SELECT pg_temp.see('nordlicht 1 hr continued_pay', 'SELECT hr.sick_days(2, 2025)');

-- A-11.2  never to evaluate performance or conduct
SELECT pg_temp.act('nordlicht 1 hr performance_evaluation', 'SELECT FROM hr.absence');
SELECT regress.verdict($$SELECT toms.permit('hr', 'hr.absence', '{select}', '{performance_evaluation}')$$);
SELECT count(*) > 0 FROM toms.audit_trail(since => :'since', kind => 'refusal') WHERE details ->> 'refused' = 'toms_purpose_excluded';
\set token `test/mint.sh '{"tenant":"nordlicht","sub":"1","role":"hr","purpose":"performance_evaluation","exp":NOW+300}'`
SET SESSION AUTHORIZATION absence_app;
BEGIN;
SELECT set_config('toms.token', :'token', true) \g /dev/null
SELECT regress.verdict('SELECT FROM hr.absence');                                                          -- nor does a token that the application signs
ROLLBACK;
RESET SESSION AUTHORIZATION;

-- A-11.3  never for health profiles
SELECT pg_temp.act('nordlicht 1 hr health_profile', 'SELECT FROM hr.absence');
SELECT regress.verdict($$SELECT toms.permit('hr', 'hr.absence', '{select}', '{health_profile}')$$);
SELECT pg_temp.act('nordlicht 1 hr absence_management', 'CREATE TEMPORARY TABLE profile AS SELECT employee_id, first_day FROM hr.absence');      -- nor is anything copied out

-- A-11.4  no statistics at person level
SELECT pg_temp.act('nordlicht 1 hr staff_planning', 'SELECT employee_id, count(*) FROM hr.absence GROUP BY employee_id');
SELECT pg_temp.see('nordlicht 1 hr staff_planning', $$SELECT dimensions ->> 'department', period, subjects, value, suppressed FROM toms.statistic('illness') ORDER BY 1, 2$$);
SELECT regress.verdict($$SELECT toms.permit('hr', 'hr.absence', '{select}', '{person_statistics}')$$);

-- A-12.1  deletion is supported technically
DELETE FROM work.time_booking WHERE tenant_id = 'bergblick' AND employee_id IN (4, 5);
UPDATE hr.employee SET left_on = '2020-03-31' WHERE tenant_id = 'bergblick' AND employee_id IN (4, 5);
SELECT pg_temp.see('bergblick 1 hr absence_management', 'SELECT count(*) FROM hr.absence WHERE employee_id IN (4, 5)');                   -- past: nobody sees it any more
SELECT pg_temp.see('nordlicht 1 hr absence_management', 'SELECT count(*) FROM hr.absence WHERE employee_id IN (4, 5)');                   -- employees 4 and 5 of another company are still there
SELECT relation, tenant, due, done FROM toms.run_retention() WHERE due > 0 ORDER BY relation;
SELECT relation, tenant, rows, oldest, newest FROM toms.deletion_log WHERE relation LIKE 'hr.%' ORDER BY relation;
SELECT pg_temp.finds('retention');

-- That is all
\set ECHO none
\o /dev/null
SELECT toms.drop_statistic('illness', 'the test is over');
\set roles '^(absence_|employee$|hr$|administrator$|data_protection$)'
\set schemas 'hr, work'
\i test/evidence/undo.sql
\o
\set ECHO all
SELECT relation FROM toms.protected_tables;
SELECT count(*) FROM toms.tenant WHERE tenant IN ('nordlicht', 'bergblick');
