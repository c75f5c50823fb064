-- a clerk opens a file, and writes two letters
\set person random(1, 12)
BEGIN;
SELECT toms.enter('wohnbau', '1', 'office_clerk', 'file_handling');
INSERT INTO office.case_file (person_id, topic) VALUES (:person, 'payment') RETURNING file_id AS file \gset
INSERT INTO office.letter (file_id, words) VALUES (:file, 'Ihre Zahlung ist eingegangen.'), (:file, 'Danke.');
INSERT INTO load.done VALUES ('open');
COMMIT;
