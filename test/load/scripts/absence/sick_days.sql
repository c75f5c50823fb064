-- the payroll job asks how long somebody was ill
\set person random(1, 60)
BEGIN;
SELECT toms.enter('acme', '61', 'hr', 'continued_pay');
SELECT hr.sick_days(:person, 2025);
INSERT INTO load.done VALUES ('sick_days');
COMMIT;
