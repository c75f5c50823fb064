-- What toms is told about the back office. Run by a superuser, or a toms officer of duty admin, after schema.sql.
\set ON_ERROR_STOP on

-- 1. Who processes, for which three controllers, his own staff beside them, and what was agreed.
SELECT toms.set_processor('Backoffice GmbH', address => 'Registerstraße 4, 04109 Leipzig', contact => 'kontakt@backoffice.example', dpo => 'Herr Locher');
SELECT toms.add_tenant('stadtwerke', name => 'Stadtwerke Brunnental', contact => 'Frau Quell', dpo => 'Herr Rohr', country => 'DE');
SELECT toms.add_tenant('wohnbau', name => 'Wohnbau Giebel eG', contact => 'Herr First', dpo => 'Frau Traufe', country => 'DE');
SELECT toms.add_tenant('sportverein', name => 'Sportverein Anstoss e. V.', contact => 'Herr Abseits', dpo => 'Frau Pfiff', country => 'DE');
SELECT toms.add_tenant('backoffice', name => 'Backoffice GmbH, own staff', contact => 'Frau Ordner', dpo => 'Herr Locher', country => 'DE');
SELECT toms.update_tenant(tenant, address => address)
FROM (VALUES ('stadtwerke', 'Pumpenweg 2, 06108 Halle'), ('wohnbau', 'Giebelplatz 5, 04315 Leipzig'), ('sportverein', 'Am Mittelkreis 11, 04159 Leipzig'), ('backoffice', 'Registerstraße 4, 04109 Leipzig')) a (tenant, address);
SELECT toms.adopt_agreement(tenant, 'Auftragsverarbeitung Sachbearbeitung', '4', date '2026-01-01', (SELECT array_agg(measure ORDER BY position) FROM toms.measure WHERE system = 'processor'))
FROM unnest('{stadtwerke,wohnbau,sportverein}'::text[]) tenant;

-- 2. Purposes, for each controller the same ones.
SELECT toms.add_purpose('file_handling', description => 'files are handled for the controller', legal_basis => 'Art. 28 GDPR; the controller''s: Art. 6(1)(b) GDPR');
SELECT toms.add_purpose('archive_duty', description => 'kept for the tax office alone', legal_basis => 'Art. 6(1)(c) GDPR; § 147 AO');
SELECT toms.add_purpose('staff_accounts', description => 'clerks log in', legal_basis => 'Art. 6(1)(b) GDPR');
SELECT toms.add_purpose('workload', description => 'how much there is to do', legal_basis => 'Art. 6(1)(f) GDPR', granularity => 'aggregate', min_group => 5);
SELECT toms.exclude_purpose('own_marketing', description => 'marketing of the processor''s own');
SELECT toms.load_purposes('audit');

-- 3. The tables.
SELECT toms.protect('office.person', tenant => 'tenant_id', subject => 'person_id');
SELECT toms.protect('office.case_file', tenant => 'tenant_id', subject => 'person_id');
SELECT toms.protect('office.letter', parent => 'office.case_file', parent_key => 'file_id');
SELECT toms.protect('office.clerk', tenant => 'tenant_id', subject => 'clerk_id');
SELECT toms.label_column('office.person', 'iban', category => 'billing');
SELECT toms.label_column('office.clerk', 'password', category => 'credential');
SELECT toms.label_provided('office.person', '{name,iban}');

-- 4. Who may do what. Deleting takes a second factor; permissions of temporary staff end by themselves.
SELECT toms.permit('office_clerk', t, '{select,insert,update}', '{file_handling}', scope => 'tenant') FROM unnest('{office.person,office.case_file,office.letter}'::regclass[]) t;
SELECT toms.permit('office_clerk', 'office.case_file', '{delete}', '{file_handling}', scope => 'tenant', require_mfa => true);
SELECT toms.permit('office_archive', t, '{select}', '{archive_duty}', scope => 'tenant') FROM unnest('{office.case_file,office.letter}'::regclass[]) t;
SELECT toms.permit('office_planner', 'office.case_file', '{select}', '{workload}', scope => 'tenant');
SELECT toms.permit('office_clerk', 'office.clerk', '{select,update}', '{staff_accounts}');
SELECT toms.permit('office_dpo', 'toms.audit_entry', '{select}', '{data_protection_control}', scope => 'tenant');
SELECT toms.separate('office.clerk', 'office.case_file');
SELECT toms.add_statistic('files_by_topic', relation => 'office.case_file', dimensions => '{topic}', measure => 'overdue', purpose => 'workload', period => 'opened_on');

-- 5. How long, and from when on for the tax office alone.
SELECT toms.retain('office.case_file', period => 'de_letter', since => 'closed_on', restrict_after => '6 months', purposes => '{archive_duty}');
SELECT toms.retain('office.letter', period => 'de_letter', since => 'office.case_file.closed_on', through => 'file_id', restrict_after => '6 months', purposes => '{archive_duty}');
SELECT toms.retain('office.person', keep => '7 years', since => 'ended_on', starts => 'end_of_year', basis => 'Art. 5(1)(e) GDPR: no longer than the last file');
SELECT toms.retain('office.clerk', keep => '0', since => 'left_on', basis => 'Art. 5(1)(e) GDPR');

-- 6. Who else gets data.
SELECT toms.add_recipient('Druckstrasse GmbH', kind => 'processor', country => 'DE', categories => '{personal}', agreement => 'letters, contract of 2025', contact => 'datenschutz@druckstrasse.example');
SELECT toms.add_recipient('Rechenkeller GmbH', kind => 'processor', country => 'DE', categories => '{personal,billing,credential}', agreement => 'hosting, contract of 2023');
SELECT toms.notify_recipient(name, tenant, notified_at => '2026-01-10', objection_period => '14 days')
FROM unnest('{stadtwerke,wohnbau,sportverein}'::text[]) tenant, unnest('{Druckstrasse GmbH,Rechenkeller GmbH}'::text[]) name;
SELECT toms.set_transfer_rule(tenant, NULL, 'eu_only') FROM unnest('{stadtwerke,wohnbau,sportverein}'::text[]) tenant;

-- 7. Backups, and whose the administrator's log-in is.
SELECT toms.declare_backup_tier('daily', '1 day', '30 days');
SELECT toms.declare_backup_tier('monthly', '1 month', '12 months');
SELECT toms.mark_login('office_dba_kranz', owner => 'Udo Kranz');
SELECT format('ALTER ROLE office_dba_kranz VALID UNTIL %L', current_date + 365) \gexec

-- 8. Jobs, which have no user whose token they could pass on.
SELECT toms.allow_enter('office_job', tenants => '{stadtwerke,wohnbau,sportverein,backoffice}', roles => '{office_clerk,office_planner,office_archive,office_dpo}');
