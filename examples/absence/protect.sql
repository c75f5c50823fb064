-- What toms is told about the application: whose data the tables hold, and who may do what
-- for which purpose. Run by a superuser, or a toms officer with the duty admin, after
-- schema.sql: from here on the tables are closed to everybody but those named below.
\set ON_ERROR_STOP on

-- 1. Who processes, and the controllers. Tokens of anybody else are refused. Each gets a key epoch: what is
--    sealed for one cannot be opened with the keys of another.
SELECT toms.set_processor('Abwesend GmbH', address => 'Kalenderweg 12, 80331 München', contact => 'kontakt@abwesend.example', dpo => 'Frau Urlaub') \g /dev/null
SELECT toms.add_tenant(tenant, name => name, country => country) FROM (VALUES
    ('acme', 'ACME GmbH', 'DE'),
    ('nordlicht', 'Nordlicht Logistik AG', 'DE'),
    ('bergblick', 'Bergblick Kliniken gGmbH', 'DE'),
    ('lindenhof', 'Lindenhof Pflege GmbH', 'DE'),
    ('kranich', 'Kranich Maschinenbau GmbH & Co. KG', 'DE'),
    ('seestern', 'Seestern Tourismus GmbH', 'DE'),
    ('falkenau', 'Stadtwerke Falkenau', 'DE'),
    ('eichwald', 'Eichwald Möbel GmbH', 'DE'),
    ('morgentau', 'Morgentau Biomarkt eG', 'DE'),
    ('silberbach', 'Silberbach Elektronik GmbH', 'DE'),
    ('wiesengrund', 'Kinderhaus Wiesengrund e. V.', 'DE'),
    ('donauhof', 'Donauhof Hotels GmbH', 'AT'),
    ('almrausch', 'Almrausch Sportartikel AG', 'AT'),
    ('hafenkante', 'Hafenkante Medien GmbH', 'DE'),
    ('sonnenhang', 'Sonnenhang Energie GmbH', 'DE'),
    ('muehlbach', 'Mühlbach Backwaren KG', 'DE'),
    ('steinfeld', 'Steinfeld Bau GmbH', 'DE'),
    ('tannhain', 'Tannhain Forst GmbH', 'DE'),
    ('vogelwiese', 'Apotheke an der Vogelwiese e. K.', 'DE'),
    ('zeitraum', 'Zeitraum Architekten PartG mbB', 'DE')) c (tenant, name, country) \g /dev/null

-- 2. The purposes: what the agreement allows, each with its legal basis, and what it rules
--    out. Nothing can permit the latter.
SELECT toms.load_purposes('absence');

-- 3. The tables. Partitions, present and future, are protected with their parent. What an
--    absence was for may be an illness: its table holds health data, and its sealed columns
--    are bound to tenant and person of their row.
SELECT toms.protect('hr.company', tenant => 'tenant_id', category => 'billing');
SELECT toms.protect('hr.department', tenant => 'tenant_id');
SELECT toms.protect('hr.employee', tenant => 'tenant_id', subject => 'employee_id');
SELECT toms.protect('hr.absence', tenant => 'tenant_id', subject => 'employee_id', category => 'health');
SELECT toms.protect('work.time_booking', tenant => 'tenant_id', subject => 'employee_id');

-- 4. Employees: rows of their own. They ask for leave and report that they are ill
--    (absence_management) and book their working time (employer_duties).
SELECT toms.permit('employee', 'hr.employee', '{select}', '{absence_management,employer_duties}', scope => 'own');
SELECT toms.permit('employee', 'hr.absence', '{select,insert}', '{absence_management}', scope => 'own');
SELECT toms.permit('employee', 'work.time_booking', '{select,insert}', '{employer_duties}', scope => 'own');

-- 5. HR: rows of its tenant. Who was ill is seen to manage absences and to keep paying
--    (§ 3 EFZG), not to plan staff; working time to see that nobody is away and at work.
--    Who may select a row for a purpose may also reveal what is sealed in it.
SELECT toms.permit('hr', 'hr.employee', '{select}', '{absence_management,continued_pay,employer_duties}', scope => 'tenant');
SELECT toms.permit('hr', 'hr.department', '{select}', '{absence_management,continued_pay,employer_duties}', scope => 'tenant');
SELECT toms.permit('hr', 'hr.absence', '{select,insert,update}', '{absence_management}', scope => 'tenant');
SELECT toms.permit('hr', 'hr.absence', '{select}', '{continued_pay}', scope => 'tenant');
SELECT toms.permit('hr', 'work.time_booking', '{select}', '{absence_management,continued_pay,employer_duties}', scope => 'tenant');

-- 6. Administrators: the staff list, with a second factor. No absence.
SELECT toms.permit('administrator', 'hr.company', '{select}', '{employer_duties}', scope => 'tenant');
SELECT toms.permit('administrator', 'hr.department', '{select,insert,update,delete}', '{employer_duties}', scope => 'tenant', require_mfa => true);
SELECT toms.permit('administrator', 'hr.employee', '{select,insert,update}', '{employer_duties}', scope => 'tenant', require_mfa => true);

-- 7. Who was ill and who worked when do not meet, but to keep paying. How long somebody was
--    ill in a year is for that purpose too: a function answers it, whatever HR does besides.
SELECT toms.separate('hr.absence', 'work.time_booking', unless => '{continued_pay}');
SELECT toms.bind_purpose('hr.sick_days(integer,integer)', 'continued_pay');

-- 8. Planning staff sees no row. It is told how many absences were illness, by department and
--    quarter, for groups of five and more. The view brings the department's name along.
CREATE VIEW hr.absence_by_department WITH (security_invoker = true) AS
    SELECT d.name AS department, a.employee_id, a.first_day, a.sick
    FROM hr.absence a JOIN hr.employee e USING (tenant_id, employee_id) JOIN hr.department d USING (tenant_id, department_id);
GRANT SELECT ON hr.absence_by_department TO hr;
SELECT toms.add_statistic('illness', relation => 'hr.absence_by_department', dimensions => '{department}', measure => 'sick',
                          purpose => 'staff_planning', period => 'first_day', subject => 'employee_id', period_unit => 'quarter');
SELECT toms.permit('hr', relation, '{select}', '{staff_planning}', scope => 'tenant')
FROM unnest('{hr.absence,hr.employee,hr.department}'::regclass[]) relation;

-- 9. The payroll job has no user whose token it could pass on: it may enter, as HR, for
--    the tenants that ordered it.
SELECT toms.allow_enter('absence_job', tenants => '{acme,bergblick}', roles => '{hr}');

-- 10. The audit trail has every change of these tables without being told. Its auditor reads
--     what there is of all tenants, a tenant's data protection officer what there is of his.
SELECT toms.grant_officer('absence_auditor', 'auditor');
SELECT toms.load_purposes('audit');
SELECT toms.permit('data_protection', 'toms.audit_entry', '{select}', '{data_protection_control}', scope => 'tenant');

-- 11. How long. Leave that was not taken, and pay, can be claimed for three years after the end of the year, of leave that in
--     which somebody left: so absences wait for what stands in another table. Employees are numbered for each company.
SELECT toms.retain('hr.absence', keep => '3 years', since => 'hr.employee.left_on', through => 'employee_id', starts => 'end_of_year', basis => '§§ 195, 199 BGB');
SELECT toms.retain('hr.employee', keep => '3 years', since => 'left_on', starts => 'end_of_year', basis => '§§ 195, 199 BGB');
SELECT toms.retain('work.time_booking', keep => '3 years', since => 'booked_on', starts => 'end_of_year', basis => '§§ 195, 199 BGB; § 16(2) ArbZG');
SELECT toms.retain('hr.department', keep => '0', since => 'hr.company.ended_on', through => 'tenant_id', basis => 'Art. 28(3)(g) GDPR');
SELECT toms.retain('hr.company', keep => '0', since => 'ended_on', basis => 'Art. 28(3)(g) GDPR');

-- 12. Backups, as they are made.
SELECT toms.declare_backup_tier('weekly', every => '7 days', keep => '12 weeks');

-- 13. What was agreed on with the first customer: each measure of the agreement stands in his report, as it held today and as it holds.
SELECT toms.adopt_agreement('acme', 'Auftragsverarbeitung Abwesenheiten', '1', date '2026-01-01', ARRAY(SELECT measure FROM toms.measure WHERE system = 'absence' ORDER BY position)) \g /dev/null
