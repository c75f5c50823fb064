-- a new patient registers, then writes; the officer erases him later
BEGIN;
SELECT toms.enter('hafenklinik', '2', 'messenger_support', 'account_management');
INSERT INTO chat.account (email, name, password)
SELECT gen_random_uuid() || '@example', 'Kai', '$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g'
RETURNING account_id AS person \gset
INSERT INTO load.done VALUES ('register');
COMMIT;
BEGIN;
SELECT toms.enter('hafenklinik', :person::text, 'messenger_patient', 'care');
INSERT INTO chat.message (patient, author, body) VALUES (:person, :person, 'Guten Tag.'), (:person, :person, 'Ich habe eine Frage.');
INSERT INTO load.person VALUES (:person);
INSERT INTO load.done VALUES ('greet');
COMMIT;
