-- What toms protects in "make bench-tenant", in the schemas toms_tenant, toms_subject and toms_kept.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION toms;
SELECT count(toms.add_tenant(n::text, name => 'Tenant ' || n)) FROM generate_series(1, 1000) n \g /dev/null
SELECT toms.add_tenant('tenant-17', name => 'Tenant 17') \g /dev/null

SELECT toms.protect('toms_tenant.absence', tenant => 'tenant_id') \g /dev/null
SELECT toms.protect('toms_subject.absence', tenant => 'tenant_id', subject => 'subject_id', category => 'health') \g /dev/null
SELECT toms.protect('toms_kept.absence', tenant => 'tenant_id', subject => 'subject_id', category => 'health') \g /dev/null
SELECT toms.protect('toms_subject.absence_named', tenant => 'tenant_id', subject => 'subject_id') \g /dev/null
SELECT toms.protect('toms_subject.person', tenant => 'tenant_id') \g /dev/null
SELECT toms.add_subject_alias('toms_subject.person', canonical => 'id', alias => 'number') \g /dev/null
SELECT toms.protect('toms_subject.booking', tenant => 'tenant_id', subject => 'user_number', subject_alias => 'toms_subject.person.number') \g /dev/null
SELECT toms.protect('toms_subject.team', tenant => 'tenant_id') \g /dev/null
SELECT toms.protect('toms_subject.absence_note', parent => 'toms_subject.absence', parent_key => 'absence_id') \g /dev/null

SELECT count(toms.permit('bench_hr', relation, '{select}', '{absence_management}', scope => 'tenant'))
FROM toms.protected_tables \g /dev/null
SELECT toms.permit('bench_employee', relation, '{select}', '{absence_management}', scope => 'own')
FROM unnest('{toms_subject.absence,toms_subject.booking}'::regclass[]) relation \g /dev/null

SELECT toms.add_purpose('absence_management', description => 'absences', legal_basis => 'Art. 6(1)(b) GDPR') \g /dev/null
SELECT toms.bind_purpose('toms_tenant.access(bigint)', 'absence_management') \g /dev/null

-- rows are kept for as long as the law demands, which hides none of these
SELECT toms.retain('toms_kept.absence', keep => '100 years', since => 'created_at', starts => 'end_of_year', zone => 'Europe/Berlin') \g /dev/null
