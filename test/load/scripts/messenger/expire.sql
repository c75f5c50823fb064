-- a message whose period is over some seconds later
\set person random(11, 20)
BEGIN;
SELECT toms.enter('lindenpraxis', :person::text, 'messenger_patient', 'care');
INSERT INTO chat.message (patient, author, sent_at, body) VALUES (:person, :person, now() - interval '105 days' + interval '8 seconds', 'Das war schon alles.');
INSERT INTO load.done VALUES ('expire');
COMMIT;
