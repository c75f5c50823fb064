-- an employee of acme asks for a day off
\set person random(1, 60)
\set day random(1, 300)
BEGIN;
SELECT toms.enter('acme', :person::text, 'employee', 'absence_management');
INSERT INTO hr.absence (employee_id, first_day, last_day, kind, sick) VALUES (:person, current_date + :day::integer, current_date + :day::integer, 'VACATION', false);
INSERT INTO load.done VALUES ('ask');
COMMIT;
