-- What two companies of the absence application hold, for sql/evidence_absence.sql: examples/absence/data.sql is of all twenty.
\set ON_ERROR_STOP on
SET toms.reason = 'first load';
CREATE ROLE absence_staff LOGIN IN ROLE employee, hr, administrator, data_protection;
SELECT toms.allow_enter('absence_staff', tenants => '{nordlicht,bergblick}', roles => '{employee,hr,administrator,data_protection}');

INSERT INTO hr.company SELECT tenant, name, country FROM toms.tenants WHERE tenant IN ('nordlicht', 'bergblick');
INSERT INTO hr.department (tenant_id, department_id, name) VALUES ('nordlicht', 1, 'Lager'), ('nordlicht', 2, 'Vertrieb'), ('bergblick', 3, 'Pflege');
INSERT INTO hr.employee (tenant_id, employee_id, department_id, given_name, family_name, weekly_hours, joined_on)
SELECT tenant, n, CASE WHEN tenant = 'bergblick' THEN 3 WHEN n <= 6 THEN 1 ELSE 2 END, 'Person', n::text, 40, '2020-01-01'
FROM unnest('{nordlicht,bergblick}'::text[]) tenant, generate_series(1, 12) n ORDER BY 1 DESC, 2;
-- each employee has a holiday, and 1 to 3 and 7 to 9 were ill, all in the same quarter
INSERT INTO hr.absence (tenant_id, employee_id, first_day, last_day, state, kind, sick, certificate_from, certificate_to)
SELECT tenant, n, '2025-07-07', '2025-07-11', 'approved', 'VACATION', false, date 'infinity', date '-infinity'
FROM unnest('{nordlicht,bergblick}'::text[]) tenant, generate_series(1, 12) n ORDER BY 1 DESC, 2;
INSERT INTO hr.absence (tenant_id, employee_id, first_day, last_day, state, kind, sick, certificate_from, certificate_to)
SELECT tenant, n, '2025-09-01', '2025-09-05', 'approved', 'SICK', true, '2025-09-01', '2025-09-05'
FROM unnest('{nordlicht,bergblick}'::text[]) tenant, unnest('{1,2,3,7,8,9}'::integer[]) n ORDER BY 1 DESC, 2;
INSERT INTO work.time_booking (tenant_id, employee_id, booked_on, began_at, ended_at, break_minutes)
SELECT tenant, n, '2025-10-01', '07:00', '15:30', 30 FROM unnest('{nordlicht,bergblick}'::text[]) tenant, generate_series(1, 12) n ORDER BY 1 DESC, 2;
SELECT setval(pg_get_serial_sequence('hr.absence', 'absence_id'), 1000);
RESET toms.reason;
