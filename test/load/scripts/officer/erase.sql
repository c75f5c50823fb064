-- an officer erases who registered first
SELECT coalesce(min(person), 0) AS person FROM load.person \gset
\if :person > 0
BEGIN;
DELETE FROM load.person WHERE person = :person;
SELECT toms.record_instruction('hafenklinik', 'erase', given_by => 'Herr Deich', wording => 'by letter', subject => :person::text, single_use => true) AS instruction \gset
SELECT toms.confirm_instruction(:instruction);
SELECT sum(deleted) FROM toms.erase_subject('hafenklinik', :person::text, :instruction);
INSERT INTO load.done VALUES ('erase');
COMMIT;
\endif
\sleep 200 ms
