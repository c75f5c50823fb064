-- What the support centre holds, the same on every run but that sessions are of the last weeks. Run by a superuser with psql
-- after protect.sql.
\set ON_ERROR_STOP on
SET toms.reason = 'first load';

INSERT INTO support.device (tenant_id, device_id, hostname, used_by)
SELECT tenant, n, format('%s-%s', tenant, n), 100 + n FROM unnest('{kanzlei,autohaus}'::text[]) tenant, generate_series(1, 6) n ORDER BY tenant DESC, n;

INSERT INTO support.session (tenant_id, session_id, device_id, helped, technician, ticket, began_at, ended_at)
SELECT tenant, n, 1 + n % 6, 101 + n % 6, (ARRAY['anton', 'berta'])[1 + n % 2], format('T-%s', 4000 + n),
       date_trunc('day', now()) - make_interval(days => n) + interval '10 hours', date_trunc('day', now()) - make_interval(days => n) + interval '10 hours' + make_interval(mins => 5 * n)
FROM unnest('{kanzlei,autohaus}'::text[]) tenant, generate_series(1, 12) n ORDER BY tenant DESC, n;

INSERT INTO support.bill (tenant_id, bill_id, contact, issued_on, minutes, cents)
SELECT tenant, n, 101, date '2026-01-31', 60 * n, 9000 * n FROM unnest('{kanzlei,autohaus}'::text[]) tenant, generate_series(1, 2) n ORDER BY tenant DESC, n;

SELECT setval(pg_get_serial_sequence('support.device', 'device_id'), 1000) \g /dev/null
SELECT setval(pg_get_serial_sequence('support.session', 'session_id'), 1000) \g /dev/null
SELECT setval(pg_get_serial_sequence('support.bill', 'bill_id'), 1000) \g /dev/null
ANALYZE support.device, support.session, support.bill;
RESET toms.reason;
