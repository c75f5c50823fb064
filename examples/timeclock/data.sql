-- What the time clock holds, the same on every run but that bookings are of the last two weeks: two companies, each with a
-- manager (1) and seven employees (2 to 8). Run by a superuser with psql after protect.sql.
\set ON_ERROR_STOP on
SET toms.reason = 'first load';

INSERT INTO clock.employee (tenant_id, employee_id, name, email)
SELECT tenant, id, (ARRAY['Ada', 'Bruno', 'Cem', 'Dora', 'Emre', 'Frida', 'Gero', 'Hedi'])[id], lower((ARRAY['Ada', 'Bruno', 'Cem', 'Dora', 'Emre', 'Frida', 'Gero', 'Hedi'])[id]) || '@' || tenant || '.example'
FROM unnest('{werkhof,backstube}'::text[]) tenant, generate_series(1, 8) id ORDER BY tenant DESC, id;

-- Ten days of work, in at seven, out eight hours later.
INSERT INTO clock.booking (tenant_id, employee_id, booked_at, kind)
SELECT tenant, employee, date_trunc('day', now()) - make_interval(days => day) + make_interval(hours => CASE kind WHEN 'in' THEN 7 ELSE 15 END, mins => employee), kind
FROM unnest('{werkhof,backstube}'::text[]) tenant, generate_series(1, 8) employee, generate_series(1, 10) day, unnest('{in,out}'::text[]) kind
ORDER BY tenant DESC, day DESC, kind, employee;

INSERT INTO clock.hygiene (tenant_id, employee_id)
SELECT tenant, employee FROM unnest('{werkhof,backstube}'::text[]) tenant, generate_series(1, 8) employee ORDER BY tenant DESC, employee;

SELECT setval(pg_get_serial_sequence('clock.employee', 'employee_id'), 1000) \g /dev/null
ANALYZE clock.employee, clock.booking, clock.hygiene;
RESET toms.reason;
