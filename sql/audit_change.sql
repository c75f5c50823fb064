--
-- audit_change: draft
--
CREATE SCHEMA au;
GRANT USAGE ON SCHEMA au TO PUBLIC;
CREATE TABLE au.note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, body text);
GRANT ALL ON au.note TO regress_hr;
SELECT toms.protect('au.note', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('regress_hr', 'au.note', '{select,insert,update,delete}', '{absence_management}', 'tenant') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
INSERT INTO au.note VALUES (1, 'acme', 17, 'true'), (2, 'acme', 18, 'false');
SAVEPOINT a;
UPDATE au.note SET body = 'x' WHERE id = 1;
ROLLBACK TO a;
UPDATE au.note SET body = 'y' WHERE id = 2;
DELETE FROM au.note WHERE id = 1;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT kind, verb, tenant, columns, length(payload), tableoid::regclass FROM toms.audit_entry ORDER BY id;
SELECT pg_column_size(e.*) FROM toms.audit_change e;
SELECT convert_from(payload, 'utf8') FROM toms.audit_entry WHERE kind = 'o';
SELECT toms.unprotect('au.note', 'x');
DROP TABLE au.note;
