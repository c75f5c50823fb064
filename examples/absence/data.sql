-- What the application holds: 20 tenants, 2,000 employees, two years of absences, three
-- months of time bookings. The same on every run: no random(), arithmetic only.
-- Run by a superuser with psql after schema.sql and protect.sql: values are sealed for the
-- tenant and the person of their row, as they are written, so both have to be known by then.
-- A load of all tenants is administrative access, and states its reason.
\set ON_ERROR_STOP on
SET toms.reason = 'first load';
SET work_mem = '64MB';          -- no plain value of the absences below is to get into a temporary file

-- A number from 0 to sides - 1 that looks thrown but is computed from a and b.
CREATE FUNCTION pg_temp.dice(a bigint, b bigint, sides integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT ((((a * 2654435761 + b * 2246822519) % 4294967296 >> 9) * 374761393 % 4294967296 >> 11) % sides)::integer;
$$;

CREATE TEMPORARY TABLE staff (position, tenant_id, staff) AS VALUES
    (1, 'acme', 60), (2, 'nordlicht', 780), (3, 'bergblick', 210), (4, 'lindenhof', 150),
    (5, 'kranich', 130), (6, 'seestern', 90), (7, 'falkenau', 85), (8, 'eichwald', 75),
    (9, 'morgentau', 66), (10, 'silberbach', 58), (11, 'wiesengrund', 50), (12, 'donauhof', 46),
    (13, 'almrausch', 40), (14, 'hafenkante', 36), (15, 'sonnenhang', 32), (16, 'muehlbach', 26),
    (17, 'steinfeld', 22), (18, 'tannhain', 18), (19, 'vogelwiese', 14), (20, 'zeitraum', 12);

INSERT INTO hr.company (tenant_id, name, country)
SELECT tenant_id, t.name, t.country FROM staff JOIN toms.tenants t ON t.tenant = tenant_id ORDER BY position;

-- Two departments, and one more for every 25 employees.
INSERT INTO hr.department (tenant_id, name)
SELECT tenant_id, names[n]
FROM staff, generate_series(1, least(8, 2 + staff / 25)) n,
     (VALUES ('{Verwaltung,Betrieb,Vertrieb,Einkauf,Technik,Lager,Kundendienst,Entwicklung}'::text[])) d (names)
ORDER BY position, n;

INSERT INTO hr.employee (tenant_id, department_id, given_name, family_name, weekly_hours, joined_on)
SELECT tenant_id, departments[1 + pg_temp.dice(position, n, cardinality(departments))],
       given[1 + pg_temp.dice(n, position, cardinality(given))], family[1 + pg_temp.dice(n, position + 20, cardinality(family))],
       (ARRAY[40, 40, 38.5, 38.5, 30, 20])[1 + pg_temp.dice(n, position + 40, 6)],
       date '2008-01-01' + pg_temp.dice(n, position + 60, 190) * 30
FROM staff
JOIN (SELECT tenant_id, array_agg(department_id ORDER BY department_id) FROM hr.department GROUP BY 1) d (tenant_id, departments) USING (tenant_id),
     generate_series(1, staff) n,
     (VALUES ('{Aylin,Anna,Ben,Clara,David,Elif,Emil,Fatma,Finn,Greta,Hanna,Ida,Jakob,Jana,Karim,Lea,Luca,Marta,Mia,Milan,Nele,Noah,Olga,Paul,Rosa,Tim,Yusuf,Zoe}'::text[],
              '{Albers,Bauer,Becker,Brandt,Demir,Engel,Fischer,Fuchs,Graf,Haas,Horn,Jansen,Kaiser,Keller,Koch,Kowalski,Krüger,Lang,Lorenz,Maier,Nowak,Öztürk,Peters,Pohl,Richter,Roth,Schulz,Seidel,Sommer,Stein,Vogel,Wagner,Weiß,Yilmaz}'::text[])) p (given, family)
ORDER BY position, n;

-- Absences in plain, not kept: mostly one a month. It starts on the 1st to 11th, or the
-- Monday after, and lasts 16 days at most, so that no two overlap. One in four is an illness,
-- of which those of more than three days are certified. Of what was asked for last, some
-- still waits for an answer, illnesses too.
CREATE TEMPORARY VIEW plain AS
SELECT tenant_id, employee_id, month, kind, first_day, last_day,
       first_day < last_day AND pg_temp.dice(employee_id, month + 100, 18) = 0 AS starts_at_noon,
       pg_temp.dice(employee_id, month + 200, 18) = 0 AS ends_at_noon,
       CASE WHEN month = 24 AND pg_temp.dice(employee_id, 300, 3) > 0 THEN 'requested'
            WHEN kind = 'VACATION' AND pg_temp.dice(employee_id, month + 400, 30) = 0 THEN 'rejected'
            ELSE 'approved' END AS state,
       kind = 'SICK' AS sick, kind = 'SICK' AND last_day - first_day >= 3 AS certified
FROM hr.employee, generate_series(1, 24) month,
     LATERAL (SELECT pg_temp.dice(employee_id, month, 100)) thrown (d100),
     LATERAL (SELECT CASE WHEN d100 < 56 THEN 'VACATION' WHEN d100 < 81 THEN 'SICK' WHEN d100 < 86 THEN 'CHILD_SICK'
                          WHEN d100 < 94 THEN 'TRAINING' WHEN d100 < 98 THEN 'SPECIAL_LEAVE' ELSE 'PARENTAL' END) what (kind),
     LATERAL (SELECT (date '2023-12-01' + make_interval(months => month, days => pg_temp.dice(employee_id, month + 500, 11)))::date) thrown_day (day),
     LATERAL (SELECT day + (ARRAY[1, 0, 0, 0, 0, 0, 2])[1 + extract(dow FROM day)::integer]) start (first_day),
     LATERAL (SELECT first_day + CASE kind WHEN 'VACATION' THEN pg_temp.dice(employee_id, month + 600, 12)
                                           WHEN 'SICK' THEN pg_temp.dice(employee_id, month + 700, 4) * pg_temp.dice(employee_id, month + 800, 6)
                                           WHEN 'PARENTAL' THEN 13
                                           ELSE pg_temp.dice(employee_id, month + 900, 3) END) finish (last_day)
WHERE pg_temp.dice(employee_id, month + 1000, 25) > 0;

INSERT INTO hr.absence (tenant_id, employee_id, first_day, last_day, starts_at_noon, ends_at_noon, state, kind, sick, certificate_from, certificate_to)
SELECT tenant_id, employee_id, first_day, last_day, starts_at_noon, ends_at_noon, state::hr.decision, kind, sick,
       CASE WHEN certified THEN first_day ELSE 'infinity' END, CASE WHEN certified THEN last_day ELSE '-infinity' END
FROM plain ORDER BY employee_id, month;

-- Every working day of the last quarter on which its employee was not absent.
INSERT INTO work.time_booking (tenant_id, employee_id, booked_on, began_at, ended_at, break_minutes)
SELECT tenant_id, employee_id, day::date, began_at, began_at + make_interval(mins => worked + break_minutes), break_minutes
FROM hr.employee e, generate_series(date '2025-10-01', date '2025-12-31', interval '1 day') day,
     LATERAL (SELECT time '06:30' + make_interval(mins => 5 * pg_temp.dice(employee_id, extract(doy FROM day)::integer, 30)),
                     (weekly_hours * 12)::integer + pg_temp.dice(employee_id, extract(doy FROM day)::integer + 400, 50) - 25) b (began_at, worked),
     LATERAL (SELECT CASE WHEN worked > 360 THEN 30 ELSE 0 END) p (break_minutes)
WHERE extract(isodow FROM day) < 6
  AND NOT EXISTS (SELECT FROM hr.absence a WHERE a.tenant_id = e.tenant_id AND a.employee_id = e.employee_id
                                             AND day BETWEEN a.first_day AND a.last_day AND a.last_day >= '2025-10-01'
                                             AND a.state <> 'rejected')
ORDER BY day, employee_id;

ANALYZE hr.company, hr.department, hr.employee, hr.absence, work.time_booking;
RESET work_mem;
RESET toms.reason;
