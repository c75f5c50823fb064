--
-- seal_visible: explain_protection() tells what is sealed, and what sealing cannot hide
--
-- A NULL in a sealed column, and the existence of a row, are in clear text.  Where that can be
-- data of a special category (Art. 9 GDPR) it is told, with what helps.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
CREATE SCHEMA hr;
GRANT USAGE ON SCHEMA hr TO PUBLIC;
SELECT toms.add_code_catalogue('visible_kind', '{SICK,VACATION}') > 0;
SELECT toms.add_category('visible_union', 'membership of a trade union', article9 => true);
-- found(relation): what is told of sealed columns and of rows
CREATE FUNCTION regress.found(relation regclass) RETURNS TABLE (kind text, object text, finding text, remedy text) LANGUAGE sql AS $$
    SELECT * FROM toms.explain_protection(relation) e WHERE e.kind IN ('sealed', 'leak: existence')
$$;

CREATE TABLE hr.absence (
    id          integer,
    tenant      text NOT NULL,
    employee    integer NOT NULL,
    kind        toms.health_code('visible_kind') NOT NULL,
    certificate toms.health_date,
    "No note"   toms.sealed_text,
    remark      text
);
SELECT * FROM regress.found('hr.absence');                                              -- nothing: not protected
SELECT toms.protect('hr.absence', tenant => 'tenant', subject => 'employee', category => 'health');
SELECT toms.permit('regress_hr', 'hr.absence', '{select,insert,update}', '{absence_management}', 'tenant') > 0;
GRANT SELECT, INSERT, UPDATE ON hr.absence TO regress_hr;

--
-- Sealed columns; those that may be NULL
--
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM regress.found('hr.absence');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '1', 'regress_hr', 'absence_management');
INSERT INTO hr.absence VALUES (1, 'acme', 17, 'SICK', '2026-11-02', 'by telephone'), (2, 'acme', 18, 'VACATION', NULL, NULL);
COMMIT;
RESET SESSION AUTHORIZATION;
-- who holds the disk need not open anything to know of whom there is a certificate
SET toms.reason = 'what the disk holds';
SELECT employee FROM hr.absence WHERE certificate IS NOT NULL;                          -- 17
-- the remedies, as printed, once a value stands for none
SELECT regress.verdict(remedy) FROM regress.found('hr.absence') WHERE kind = 'sealed' AND remedy IS NOT NULL;   -- not yet
UPDATE hr.absence SET certificate = '-infinity', "No note" = '' WHERE id = 2;
SELECT regress.verdict(remedy) FROM regress.found('hr.absence') WHERE kind = 'sealed' AND remedy IS NOT NULL;
RESET toms.reason;
SELECT kind, object, finding, remedy FROM regress.found('hr.absence') WHERE kind = 'sealed';

--
-- Rows: of special categories, with a data subject
--
CREATE TABLE hr.member (tenant text NOT NULL, employee integer NOT NULL, branch text) PARTITION BY LIST (branch);
CREATE TABLE hr.member_a PARTITION OF hr.member FOR VALUES IN ('a');
SELECT toms.protect('hr.member', tenant => 'tenant', subject => 'employee');
SELECT * FROM regress.found('hr.member');                                               -- none: personal data
-- by a label of rows too, in partitions too
SELECT toms.label_rows('hr.member', $$branch = 'a'$$, 'visible_union');
SELECT kind, object, finding FROM regress.found('hr.member') UNION ALL SELECT kind, object, finding FROM regress.found('hr.member_a');
SELECT toms.label_rows('hr.member', $$branch = 'b'$$, 'health');
SELECT finding FROM regress.found('hr.member');
SELECT toms.unlabel_rows('hr.member', 'health');
SELECT toms.unlabel_rows('hr.member', 'visible_union');
SELECT * FROM regress.found('hr.member');                                               -- none
SELECT toms.protect('hr.member', tenant => 'tenant', category => 'visible_union');
SELECT * FROM regress.found('hr.member');                                               -- none: nobody's
SELECT toms.protect('hr.member', tenant => 'tenant', subject => 'employee', category => 'visible_union');
SELECT kind, object FROM regress.found('hr.member');

SET toms.reason = 'the end of the test';
DROP TABLE hr.absence, hr.member;
RESET toms.reason;
DELETE FROM toms.category WHERE category = 'visible_union';
DROP FUNCTION regress.found;
DROP SCHEMA hr;
