-- a patient writes, and reads the last messages
\set person random(11, 20)
BEGIN;
SELECT toms.enter('lindenpraxis', :person::text, 'messenger_patient', 'care');
INSERT INTO chat.message (patient, author, body) VALUES (:person, :person, 'Wann kann ich vorbeikommen?');
SELECT toms.reveal(body) FROM chat.message WHERE patient = :person ORDER BY sent_at DESC LIMIT 5;
INSERT INTO load.done VALUES ('write');
COMMIT;
