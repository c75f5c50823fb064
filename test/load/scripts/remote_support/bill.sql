-- what was done is billed
\set minutes random(5, 90)
BEGIN;
SELECT toms.enter('autohaus', 'berta', 'support_billing', 'contract_billing');
INSERT INTO support.bill (contact, issued_on, minutes, cents) VALUES (101, current_date, :minutes, 150 * :minutes);
SELECT sum(cents) FROM support.bill WHERE issued_on = current_date;
INSERT INTO load.done VALUES ('bill');
COMMIT;
