-- a sealed value is written anew, and all of them are opened
\set person random(1, 8)
BEGIN;
SELECT toms.enter('backstube', '1', 'timeclock_hygiene', 'infection_protection');
UPDATE clock.hygiene SET immunised = NOT toms.reveal(immunised) WHERE employee_id = :person;
SELECT count(*) FILTER (WHERE toms.reveal(immunised)) FROM clock.hygiene;
INSERT INTO load.done VALUES ('immunise');
COMMIT;
