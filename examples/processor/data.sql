-- What the back office holds, the same on every run. Run by a superuser with psql after protect.sql.
\set ON_ERROR_STOP on
SET toms.reason = 'first load';

INSERT INTO office.person (tenant_id, person_id, name, iban)
SELECT tenant, n, format('%s %s', (ARRAY['Alma', 'Bodo', 'Carla', 'Dirk', 'Edda', 'Falk', 'Gesa', 'Henk', 'Inga', 'Jost', 'Kira', 'Lars'])[n], initcap(left(tenant, 1)) || '.'),
       'DE' || lpad((n * 1000003)::text, 20, '0')
FROM unnest('{stadtwerke,wohnbau,sportverein}'::text[]) tenant, generate_series(1, 12) n ORDER BY tenant DESC, n;

-- Each person has a file; of the complaints two are overdue, which would tell who, were they told apart.
INSERT INTO office.case_file (tenant_id, person_id, topic, overdue, opened_on, closed_on)
SELECT tenant, n, CASE WHEN n <= 6 THEN 'contract' WHEN n <= 10 THEN 'payment' ELSE 'complaint' END, n % 5 = 1, '2025-11-03', CASE WHEN n IN (1, 7) THEN date '2025-12-01' END
FROM unnest('{stadtwerke,wohnbau,sportverein}'::text[]) tenant, generate_series(1, 12) n ORDER BY tenant DESC, n;

INSERT INTO office.letter (file_id, sent_on, words)
SELECT file_id, '2025-11-10', 'Sehr geehrte Damen und Herren, Ihre Nachricht haben wir erhalten.' FROM office.case_file ORDER BY file_id;

SELECT toms.password_hash('Aktenschrank 3') AS password \gset
INSERT INTO office.clerk (tenant_id, clerk_id, name, password)
SELECT 'backoffice', n, (ARRAY['Uta Nadel', 'Veit Klammer', 'Wim Lineal'])[n], :'password' FROM generate_series(1, 3) n;

SELECT setval(pg_get_serial_sequence('office.person', 'person_id'), 1000), setval(pg_get_serial_sequence('office.clerk', 'clerk_id'), 1000) \g /dev/null
ANALYZE office.person, office.case_file, office.letter, office.clerk;
RESET toms.reason;
