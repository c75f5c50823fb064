-- the payroll office asks for names, which it is refused
BEGIN;
SELECT toms.enter('werkhof', '1', 'timeclock_payroll', 'payroll');
DO $$ BEGIN PERFORM name FROM clock.employee; RAISE 'not refused'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;
INSERT INTO load.done VALUES ('refuse');
COMMIT;
