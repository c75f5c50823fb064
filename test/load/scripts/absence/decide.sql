-- HR looks at an employee's absences, and decides on one
\set person random(1, 60)
\set absence random(1, 1000)
BEGIN;
SELECT toms.enter('acme', '61', 'hr', 'absence_management');
SELECT first_day, toms.reveal(kind) FROM hr.absence WHERE employee_id = :person ORDER BY first_day DESC LIMIT 10;
UPDATE hr.absence SET state = 'approved' WHERE absence_id = :absence;
INSERT INTO load.done VALUES ('decide');
COMMIT;
