-- What the application's database needs instead, for either recipe: the log-in app has a context per
-- check-out, app_tx one per transaction.
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH'), toms.add_tenant('globex', name => 'Globex AG');
DROP POLICY of_tenant ON absence;
ALTER TABLE absence ALTER tenant_id SET DEFAULT toms.current_tenant();
SELECT toms.protect('absence', tenant => 'tenant_id', subject => 'employee_id', category => 'health');
SELECT toms.permit('hr', 'absence', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant');
ALTER ROLE app SET toms.session_context = on;
CREATE ROLE app_tx LOGIN IN ROLE hr;

-- for a start-up or a pool's check that reads the table: no rows instead of an error
CREATE ROLE app_probe LOGIN IN ROLE hr;
ALTER ROLE app_probe SET toms.on_missing_context = empty;

-- a role that takes in absences and reads none
CREATE ROLE intake;
GRANT intake TO app, app_tx;
SELECT toms.permit('intake', 'absence', '{insert}', '{absence_management}', scope => 'tenant');
