--
-- evidence_server_reason: a connection to another server that always begins with a reason, as that of a superuser there, is found by
-- the check, named, and mended by what it prints
--
\set objects 'regress_there'
\i test/evidence/sabotage.sql

CREATE FOREIGN DATA WRAPPER regress_there;
CREATE SERVER regress_there FOREIGN DATA WRAPPER regress_there OPTIONS (host '/tmp', dbname 'app');
CREATE USER MAPPING FOR regress_owner SERVER regress_there OPTIONS (user 'postgres', password_required 'false');
SELECT * FROM regress.faults('administrators');             -- none: whoever uses it has to say his own reason there
-- one for all who use the server
ALTER SERVER regress_there OPTIONS (ADD options '-c toms.reason=nightly');
SELECT * FROM regress.faults('administrators');
SELECT * FROM regress.mend('administrators');
-- one for a role, or for everybody
ALTER USER MAPPING FOR regress_owner SERVER regress_there OPTIONS (ADD options '-c statement_timeout=0 -c toms.reason=nightly');
CREATE USER MAPPING FOR PUBLIC SERVER regress_there OPTIONS (options '-c toms.reason=always');
SELECT * FROM regress.faults('administrators');
SELECT * FROM regress.mend('administrators');
DROP FOREIGN DATA WRAPPER regress_there CASCADE;
DROP FUNCTION regress.faults(text), regress.mend(text);
