-- an employee comes, and looks at his bookings
\set person random(1, 8)
BEGIN;
SELECT toms.enter('werkhof', :person::text, 'timeclock_employee', 'time_recording');
INSERT INTO clock.booking (employee_id, kind) VALUES (:person, 'in');
SELECT count(*) FROM clock.booking WHERE employee_id = :person;
INSERT INTO load.done VALUES ('book');
COMMIT;
