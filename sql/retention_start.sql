--
-- retention_start: a start event in another table, whose rows are numbered anew for each tenant
--
-- Two companies number their employees from 1 on, so that only tenant and number together tell who is meant.  Reviews
-- are kept for a year after their employee has left.  Whoever left, his reviews go, and never those of the other
-- company's employee of the same number.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE SCHEMA staff AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA staff TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE staff.employee (tenant text NOT NULL, number integer NOT NULL, left_on date, PRIMARY KEY (tenant, number));
CREATE TABLE staff.review (id integer PRIMARY KEY, tenant text, employee integer, FOREIGN KEY (tenant, employee) REFERENCES staff.employee);
GRANT SELECT, INSERT, UPDATE, DELETE ON staff.employee, staff.review TO regress_hr;
INSERT INTO staff.employee VALUES ('acme', 1, current_date - 400), ('acme', 2, NULL), ('acme', 3, current_date - 400),
    ('globex', 1, NULL), ('globex', 2, current_date - 400), ('globex', 3, current_date - 400);
INSERT INTO staff.review SELECT number, tenant, number FROM staff.employee WHERE tenant = 'acme';
INSERT INTO staff.review SELECT 10 + number, tenant, number FROM staff.employee WHERE tenant = 'globex';
INSERT INTO staff.review VALUES (4, 'acme', NULL);
RESET SESSION AUTHORIZATION;
SELECT count(toms.protect(t, tenant => 'tenant')) FROM unnest('{staff.employee,staff.review}'::regclass[]) t;
SELECT count(toms.permit('regress_hr', t, '{select,insert,update,delete}', '{support}', 'tenant')) FROM unnest('{staff.employee,staff.review}'::regclass[]) t;
CREATE FUNCTION regress.reviews() RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(id::text, ', ' ORDER BY id), 'none') FROM staff.review
$$;
CREATE FUNCTION regress.said(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN format('%s (%s)', SQLERRM, hint);
END
$$;

--
-- One company's employee 1 has left, the other's has not; with employee 2 it is the other way round
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.retain('staff.review', keep => '1 year', since => 'staff.employee.left_on', through => 'employee', basis => '§ 195 BGB', zone => 'UTC') AS rule \gset
SELECT since, keep FROM toms.retention_rules WHERE relation = 'staff.review';
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('globex', '90', 'regress_hr', 'support') \gset
SELECT regress.reviews();                                                                               -- 11
COMMIT;
BEGIN; SELECT toms.enter('acme', '90', 'regress_hr', 'support') \gset
SELECT regress.reviews();                                                                               -- 2, and 4, which is of nobody
SELECT regress.verdict($$INSERT INTO staff.review VALUES (5, 'acme', 2)$$), regress.verdict($$INSERT INTO staff.review VALUES (6, 'acme', 1)$$);        -- ok, refused
UPDATE staff.employee SET left_on = NULL WHERE number = 1;                                              -- she comes back
SELECT regress.reviews();                                                                               -- 1 as well, and what is new
ROLLBACK;
RESET SESSION AUTHORIZATION;

--
-- What is deleted: the reviews of those who left, and no others
--
SELECT relation, tenant, due, done FROM toms.run_retention() WHERE relation = 'staff.review' ORDER BY tenant;
SET toms.reason = 'what is left';
SELECT tenant, employee FROM staff.review ORDER BY tenant, employee;                                    -- acme 2 and nobody's, globex 1
RESET toms.reason;

--
-- Where a number is there twice in a company, or a row is of all companies, nobody could tell whose start event is meant
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE staff.contract (tenant text, number integer, ended date);
CREATE TABLE staff.note (tenant text, contract integer, ended date);
RESET SESSION AUTHORIZATION;
SELECT count(toms.protect(t, tenant => 'tenant')) FROM unnest('{staff.contract,staff.note}'::regclass[]) t;
\set contracts 'SELECT toms.retain(''staff.note'', keep => ''0'', since => ''staff.contract.ended'', through => ''contract'') > 0'
SELECT regress.said(:'contracts');                                                                      -- nothing says to which column
SET toms.reason = 'keys';
ALTER TABLE staff.contract ADD PRIMARY KEY (tenant, number, ended);
ALTER TABLE staff.note ADD FOREIGN KEY (tenant, contract, ended) REFERENCES staff.contract;
SELECT regress.said(:'contracts');                                                                      -- a contract has several ends
ALTER TABLE staff.contract DROP CONSTRAINT contract_pkey CASCADE;
ALTER TABLE staff.contract ADD PRIMARY KEY (number, tenant);
SELECT regress.said(:'contracts');                                                                      -- the primary key, the company left out
SELECT regress.said($$SELECT toms.protect('staff.note', tenant => 'tenant', null_tenant => 'shared')$$);
SELECT regress.said($$SELECT toms.protect('staff.contract', tenant => 'tenant', null_tenant => 'shared')$$);
SELECT toms.unretain(id, reason => 'test') FROM toms.retention_rules WHERE relation = 'staff.note' AND in_force;
SELECT toms.protect('staff.note', tenant => 'tenant', null_tenant => 'shared');
SELECT regress.said(:'contracts');
ALTER TABLE staff.contract ADD UNIQUE (number);
SELECT regress.said(:'contracts');                                                                      -- a number that is there once leaves no doubt

SELECT toms.unretain(id, reason => 'test') FROM toms.retention_rules WHERE relation LIKE 'staff.%' AND in_force;
SELECT count(toms.unprotect(t, reason => 'test')) FROM unnest('{staff.note,staff.contract,staff.review,staff.employee}'::regclass[]) t;
DROP SCHEMA staff CASCADE;
DELETE FROM toms.retention_rule;
DROP FUNCTION regress.reviews(), regress.said(text);
RESET toms.reason;
