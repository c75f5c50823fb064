-- What toms is told about the time clock. Run by a superuser, or a toms officer of duty admin, after schema.sql.
\set ON_ERROR_STOP on

-- 1. Who processes, for which controllers, and what was agreed with them.
SELECT toms.set_processor('Stempelwerk GmbH', address => 'Uhrenweg 7, 1100 Wien', contact => 'kontakt@stempelwerk.example', dpo => 'Herr Pendel');
SELECT toms.add_tenant('werkhof', name => 'Werkhof Metallbau GmbH', contact => 'Frau Amboss', dpo => 'Herr Niet', country => 'DE');
SELECT toms.add_tenant('backstube', name => 'Backstube Sonnleitner KG', contact => 'Herr Brot', dpo => 'Frau Kipferl', country => 'AT');
SELECT toms.update_tenant(tenant, address => address)
FROM (VALUES ('werkhof', 'Schmiedeweg 3, 83022 Rosenheim'), ('backstube', 'Ofengasse 6, 5020 Salzburg')) a (tenant, address);
SELECT toms.adopt_agreement(tenant, 'Auftragsverarbeitung Zeiterfassung', '7', date '2026-01-01', (SELECT array_agg(measure ORDER BY position) FROM toms.measure WHERE system = 'timeclock'))
FROM unnest('{werkhof,backstube}'::text[]) tenant;

-- 2. Purposes, and what bookings are never for.
SELECT toms.add_purpose('time_recording', description => 'recording of working time', legal_basis => 'Art. 6(1)(c), 88 GDPR; § 16(2) ArbZG');
SELECT toms.add_purpose('payroll', description => 'hours for the payroll office', legal_basis => 'Art. 6(1)(b),(c) GDPR');
SELECT toms.add_purpose('infection_protection', description => 'proof of immunisation', legal_basis => 'Art. 9(2)(i) GDPR; § 20(9) IfSG');
SELECT toms.exclude_purpose('performance_evaluation', description => 'evaluation of performance or conduct');
SELECT toms.load_purposes('audit');

-- 3. The tables. GPS, fingerprints and immunisation are of categories that a tenant has to enable.
SELECT toms.protect('clock.employee', tenant => 'tenant_id', subject => 'employee_id');
SELECT toms.protect('clock.booking', tenant => 'tenant_id', subject => 'employee_id');
SELECT toms.protect('clock.hygiene', tenant => 'tenant_id', subject => 'employee_id', category => 'health', free_text => 'sealed');
SELECT toms.label_column('clock.booking', 'place', category => 'location', optional => true);
SELECT toms.label_column('clock.hygiene', 'immunised', category => 'health', optional => true);
SELECT toms.label_column('clock.hygiene', 'fingerprint', category => 'biometric', optional => true);
SELECT toms.label_provided('clock.employee', '{name,email}');
SELECT toms.label_provided('clock.booking', '{booked_at,kind,place}');

-- 4. Who may do what. What has been booked is not changed by him who booked it.
SELECT toms.permit('timeclock_employee', 'clock.employee', '{select}', '{time_recording}');
SELECT toms.permit('timeclock_employee', 'clock.booking', '{select,insert}', '{time_recording}');
SELECT toms.permit('timeclock_employee', 'toms.audit_entry', '{select}', '{subject_rights}');
SELECT toms.permit('timeclock_manager', 'clock.employee', '{select,insert,update}', '{time_recording}', scope => 'tenant');
SELECT toms.permit('timeclock_manager', 'clock.booking', '{select,insert,update}', '{time_recording}', scope => 'tenant');
SELECT toms.permit('timeclock_payroll', 'clock.booking', '{select}', '{payroll}', scope => 'tenant');
SELECT toms.permit('timeclock_hygiene', 'clock.hygiene', '{select,insert,update}', '{infection_protection}', scope => 'tenant');
SELECT toms.permit('timeclock_dpo', 'toms.audit_entry', '{select}', '{data_protection_control}', scope => 'tenant');
SELECT toms.separate('clock.hygiene', 'clock.booking');

-- 5. How long: bookings as the law on working time has it, names until three years after somebody has left.
SELECT toms.retain('clock.booking', period => 'de_working_time', since => 'booked_at', purposes => '{time_recording}');
SELECT toms.retain('clock.hygiene', keep => '0', since => 'needed_until', basis => '§ 20(9) IfSG');
SELECT toms.retain('clock.employee', keep => '3 years', since => 'left_on', starts => 'end_of_year', basis => '§§ 195, 199 BGB');

-- 6. Who else gets data, with what service, and where it may go: consent and an instrument.
SELECT toms.add_recipient('Rechenzentrum Wien GmbH', kind => 'processor', country => 'AT', categories => '{personal,health,biometric,location}', agreement => 'hosting, contract of 2025');
SELECT toms.add_recipient('Briefbote GmbH', kind => 'sub_processor', country => 'DE', categories => '{personal}', parent => 'Rechenzentrum Wien GmbH', agreement => 'e-mail, contract of 2025');
SELECT toms.add_recipient('Wolkenspeicher LLC', kind => 'processor', country => 'US', categories => '{personal}', transfer_instrument => 'certification', instrument_from => '2026-01-01',
                          instrument_expires => '2099-12-31', agreement => 'copies of backups, encrypted', unreadable => true);
SELECT toms.add_recipient('Lohnbüro Huber', kind => 'other', country => 'DE', categories => '{personal}', agreement => 'of the customers themselves');
SELECT toms.notify_recipient(name, tenant, notified_at => '2026-01-10', objection_period => '14 days')
FROM unnest('{werkhof,backstube}'::text[]) tenant, unnest('{Rechenzentrum Wien GmbH,Briefbote GmbH,Wolkenspeicher LLC}'::text[]) name;
SELECT toms.set_transfer_rule(tenant, NULL, 'instrument_and_consent') FROM unnest('{werkhof,backstube}'::text[]) tenant;

-- 7. Backups, as they are made: daily 2 months, weekly 12 months, monthly of this year and the last, yearly 7 years.
SELECT toms.declare_backup_tier(name, every::interval, keep::interval)
FROM (VALUES ('daily', '1 day', '2 months'), ('weekly', '7 days', '12 months'), ('monthly', '1 month', '2 years'), ('yearly', '1 year', '7 years')) t (name, every, keep);

-- 8. Jobs, which have no user whose token they could pass on.
SELECT toms.allow_enter('timeclock_job', tenants => '{werkhof,backstube}', roles => '{timeclock_employee,timeclock_manager,timeclock_payroll,timeclock_hygiene,timeclock_dpo}');
