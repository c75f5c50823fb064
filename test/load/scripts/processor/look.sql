-- a clerk looks for what he has written to somebody, and marks a file
\set person random(2, 6)
BEGIN;
SELECT toms.enter('stadtwerke', '1', 'office_clerk', 'file_handling');
SELECT f.topic, l.words FROM office.case_file f JOIN office.letter l USING (file_id) WHERE f.person_id = :person ORDER BY l.letter_id DESC LIMIT 5;
UPDATE office.case_file SET overdue = NOT overdue WHERE file_id = 12 + :person;
INSERT INTO load.done VALUES ('look');
COMMIT;
