-- a physician writes, reads, and takes all of it back: the reading stays
\set person random(11, 20)
BEGIN;
SELECT toms.enter('lindenpraxis', '1', 'messenger_physician', 'care');
INSERT INTO chat.message (patient, author, body) VALUES (:person, 1, 'Vergessen Sie es.');
SELECT toms.reveal(body) FROM chat.message WHERE patient = :person LIMIT 1;
ROLLBACK;
