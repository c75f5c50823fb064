-- a physician reads what a patient wrote last, and answers
\set person random(11, 20)
BEGIN;
SELECT toms.enter('hafenklinik', '1', 'messenger_physician', 'care');
SELECT toms.reveal(body) FROM chat.message WHERE patient = :person ORDER BY sent_at DESC LIMIT 3;
INSERT INTO chat.message (patient, author, body) VALUES (:person, 1, 'Bitte kommen Sie am Montag vorbei.');
INSERT INTO load.done VALUES ('answer');
COMMIT;
