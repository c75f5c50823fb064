--
-- rights_erase: one call erases a person in every protected table, and nobody else
--
-- Twelve tables: foreign keys, partitions, a history through its parents, a second key, sealed columns, columns
-- that name others, a hold on one and records that the law has kept in another.  What is not declared stops it.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
CREATE SCHEMA gone AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE gone.person (tenant text NOT NULL, employee integer NOT NULL, login text NOT NULL, name text, lead integer, PRIMARY KEY (tenant, employee), UNIQUE (tenant, login),
    FOREIGN KEY (tenant, lead) REFERENCES gone.person (tenant, employee));
CREATE TABLE gone.note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer, words text, answers integer REFERENCES gone.note);
CREATE TABLE gone.line (id integer PRIMARY KEY, note integer NOT NULL REFERENCES gone.note, words text);
CREATE TABLE gone.mark (id integer PRIMARY KEY, line integer NOT NULL REFERENCES gone.line ON DELETE CASCADE, words text);
CREATE TABLE gone.history (id integer PRIMARY KEY, kind text NOT NULL, of integer NOT NULL, words text);
CREATE TABLE gone.visit (id integer, tenant text NOT NULL, employee integer NOT NULL, words text, PRIMARY KEY (id), FOREIGN KEY (tenant, employee) REFERENCES gone.person) PARTITION BY RANGE (id);
CREATE TABLE gone.visit_1 PARTITION OF gone.visit FOR VALUES FROM (1) TO (100);
CREATE TABLE gone.visit_2 PARTITION OF gone.visit FOR VALUES FROM (100) TO (200);
CREATE TABLE gone.diary (id integer PRIMARY KEY, tenant text NOT NULL, login text, words text);
CREATE TABLE gone.sick (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, why toms.sealed_text);
CREATE TABLE gone.dossier (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, words text);
CREATE TABLE gone.account (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, name text);
CREATE TABLE gone.invoice (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, issued date, account integer REFERENCES gone.account, total integer);
CREATE TABLE gone.leave (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, approver integer, words text, FOREIGN KEY (tenant, approver) REFERENCES gone.person);
CREATE TABLE gone.ring (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, next integer);
CREATE TABLE gone.chain (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, ring integer NOT NULL REFERENCES gone.ring);
ALTER TABLE gone.ring ADD FOREIGN KEY (next) REFERENCES gone.chain;
RESET SESSION AUTHORIZATION;
SELECT toms.protect('gone.person', tenant => 'tenant', subject => 'employee');
SELECT toms.add_subject_alias('gone.person', canonical => 'employee', alias => 'login');
SELECT toms.protect(t, tenant => 'tenant', subject => 'employee') FROM unnest('{gone.note,gone.visit,gone.sick,gone.dossier,gone.account,gone.invoice,gone.leave,gone.ring,gone.chain}'::regclass[]) t;
SELECT toms.protect('gone.line', parent => 'gone.note', parent_key => 'note');
SELECT toms.protect('gone.mark', parent => 'gone.line', parent_key => 'line');
SELECT toms.protect('gone.history', parent => 'gone.note', parent_key => 'of', type_column => 'kind', type_value => 'note');
SELECT toms.add_parent('gone.history', parent => 'gone.visit', type_value => 'visit');
SELECT toms.protect('gone.diary', tenant => 'tenant', subject => 'login', subject_alias => 'gone.person.login');
SELECT count(toms.permit('regress_hr', p.relation, '{select,insert,update,delete}', '{absence_management}', 'tenant')) FROM toms.protected_tables p WHERE p.root = p.relation AND p.relation::text LIKE 'gone.%';
GRANT USAGE ON SCHEMA gone TO PUBLIC;

-- Three persons: 17 is to be erased; 18 works with him; the other tenant has a 17 too.
CREATE FUNCTION gone.fill(tenant text, employee integer, base integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    w text := format('words of %s of %s', employee, tenant);
BEGIN
    INSERT INTO gone.person VALUES (tenant, employee, format('login%s', base), w);
    INSERT INTO gone.note VALUES (base + 1, tenant, employee, w, NULL), (base + 2, tenant, employee, w, base + 1);
    INSERT INTO gone.line SELECT base + n, base + 1 + n % 2, w FROM generate_series(1, 4) n;
    INSERT INTO gone.mark SELECT base + n, base + n, w FROM generate_series(1, 3) n;
    INSERT INTO gone.visit VALUES (base + 1, tenant, employee, w), (base + 101, tenant, employee, w);
    INSERT INTO gone.history VALUES (base + 1, 'note', base + 1, w), (base + 2, 'visit', base + 1, w), (base + 3, 'visit', base + 101, w);
    INSERT INTO gone.diary VALUES (base + 1, tenant, format('login%s', base), w);
    INSERT INTO gone.sick VALUES (base + 1, tenant, employee, w), (base + 2, tenant, employee, w);
    INSERT INTO gone.dossier VALUES (base + 1, tenant, employee, w);
    INSERT INTO gone.account VALUES (base + 1, tenant, employee, w), (base + 2, tenant, employee, w);
    INSERT INTO gone.invoice VALUES (base + 1, tenant, employee, current_date - 10, base + 1, 100), (base + 2, tenant, employee, '2001-01-01', base + 2, 100);
    INSERT INTO gone.leave VALUES (base + 1, tenant, employee, NULL, w);
    INSERT INTO gone.ring VALUES (base + 1, tenant, employee, NULL);
    INSERT INTO gone.chain VALUES (base + 1, tenant, employee, base + 1);
    UPDATE gone.ring SET next = base + 1 WHERE id = base + 1;
END
$$;
GRANT EXECUTE ON FUNCTION gone.fill TO PUBLIC;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT gone.fill('acme', 17, 10), gone.fill('acme', 18, 20);
-- 17 is whose lead he is, and has approved
UPDATE gone.person SET lead = 17 WHERE employee = 18;
UPDATE gone.leave SET approver = 17 WHERE employee = 18;
COMMIT;
BEGIN;
SELECT toms.enter('globex', '90', 'regress_hr', 'absence_management');
SELECT gone.fill('globex', 17, 30);
COMMIT;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION gone.left(whose text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    rel regclass;
    n bigint;
BEGIN
    FOR rel IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'gone'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY relname LOOP
        EXECUTE format('SELECT count(*) FROM %s t WHERE CASE %L WHEN ''17'' THEN (id / 10) %% 10 = 1 ELSE (id / 10) %% 10 > 1 END',
                       CASE rel::text WHEN 'gone.person' THEN '(SELECT *, CASE tenant || employee WHEN ''acme17'' THEN 10 WHEN ''acme18'' THEN 20 ELSE 30 END AS id FROM gone.person)' ELSE rel::text END, whose) INTO n;
        RETURN NEXT format('%s %s', rel, n);
    END LOOP;
END
$$;
-- of all but the person, what a row says
CREATE FUNCTION gone.others() RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(t, E'\n' ORDER BY t COLLATE "C")) FROM (
        SELECT ROW(p.tenant, p.employee, p.login, p.name)::text FROM gone.person p WHERE (tenant, employee) <> ('acme', 17) UNION ALL SELECT n::text FROM gone.note n WHERE id > 20 UNION ALL
        SELECT l::text FROM gone.line l WHERE id > 20 UNION ALL SELECT m::text FROM gone.mark m WHERE id > 20 UNION ALL SELECT h::text FROM gone.history h WHERE id > 20 UNION ALL
        SELECT v::text FROM gone.visit v WHERE id NOT IN (11, 111) UNION ALL SELECT d::text FROM gone.diary d WHERE id > 20 UNION ALL SELECT id::text FROM gone.sick s WHERE id > 20 UNION ALL
        SELECT d::text FROM gone.dossier d WHERE id > 20 UNION ALL SELECT a::text FROM gone.account a WHERE id > 20 UNION ALL SELECT i::text FROM gone.invoice i WHERE id > 20 UNION ALL
        SELECT ROW(l.id, l.tenant, l.employee, l.words)::text FROM gone.leave l WHERE id > 20 UNION ALL SELECT r::text FROM gone.ring r WHERE id > 20 UNION ALL SELECT c::text FROM gone.chain c WHERE id > 20) s (t) $$;
SET toms.reason = 'look';
SELECT gone.others() AS others \gset
SELECT gone.left('17');

--
-- by an instruction alone, of that person, confirmed
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('acme', 'erase', given_by => 'acme', wording => 'erase him', subject => '17') AS erase \gset
SELECT regress.verdict(format($$SELECT * FROM toms.erase_subject('acme', '17', %s)$$, :erase)) ~ '^refused: instruction [0-9]+ is given, not confirmed';
SELECT toms.confirm_instruction(:erase);
SELECT * FROM toms.erase_subject('acme', '18', :erase);
SELECT * FROM toms.erase_subject('globex', '17', :erase);
SET SESSION AUTHORIZATION regress_job;
SELECT * FROM toms.erase_subject('acme', '17', :erase);
SET SESSION AUTHORIZATION regress_officer;

--
-- what leads to a person and is not declared stops it
--
SELECT * FROM toms.undeclared_ways();
SELECT * FROM toms.erase_subject('acme', '17', :erase);
SELECT toms.label_person('gone.leave', 'approver', role => '');
SELECT toms.label_person('gone.leave', 'employee', role => 'approver');
SELECT toms.label_person('gone.leave', 'nothing', role => 'approver');
SELECT toms.label_person('gone.leave', 'id', role => 'approver');
SELECT toms.label_person('gone.leave', 'approver', role => 'approver', on_erase => 'keep');
SELECT toms.label_person('gone.leave', 'approver', role => 'approver'), toms.label_person('gone.person', 'lead', role => 'lead');
-- labels follow their columns
RESET SESSION AUTHORIZATION;
ALTER TABLE gone.leave RENAME COLUMN approver TO approved_by;
ALTER TABLE gone.leave ADD COLUMN written_by integer;
SELECT toms.label_person('gone.leave', 'written_by', role => 'author', on_erase => 'keep');
SELECT relation, col, role, on_erase FROM toms.person_column ORDER BY relation::text, col;
ALTER TABLE gone.leave DROP COLUMN written_by;
ALTER TABLE gone.leave RENAME COLUMN approved_by TO approver;
SELECT relation, col, role, on_erase FROM toms.person_column ORDER BY relation::text, col;
SELECT toms.unlabel_person('gone.leave', 'written_by');
CREATE TABLE gone.open (id integer PRIMARY KEY, visit integer REFERENCES gone.visit);
CREATE TABLE gone.further (open integer REFERENCES gone.open);
SET SESSION AUTHORIZATION regress_officer;
SELECT relation, finding FROM toms.undeclared_ways();
SELECT * FROM toms.erase_subject('acme', '17', :erase);
RESET SESSION AUTHORIZATION;
DROP TABLE gone.open, gone.further;
-- nor are rows within reach that are elsewhere
CREATE TABLE gone.log (tenant text NOT NULL, employee integer NOT NULL) PARTITION BY LIST (tenant);
CREATE FOREIGN DATA WRAPPER gone_none;
CREATE SERVER gone_none FOREIGN DATA WRAPPER gone_none;
SELECT toms.protect('gone.log', tenant => 'tenant', subject => 'employee');
CREATE FOREIGN TABLE gone.log_far PARTITION OF gone.log FOR VALUES IN ('far') SERVER gone_none;
SELECT relation, finding FROM toms.undeclared_ways();
DROP TABLE gone.log;
DROP FOREIGN DATA WRAPPER gone_none CASCADE;

--
-- invoices are kept by law, the dossier by a court: first only told, then done
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.retain('gone.invoice', period => 'de_invoice', since => 'issued', zone => 'UTC') IS NOT NULL;
SELECT toms.hold('acme', '17', relation => 'gone.dossier', reason => 'court') AS held \gset
SET client_min_messages = notice;
SET client_min_messages = warning;      -- notices say numbers of erasures
SELECT * FROM toms.erase_subject('acme', '17', :erase, dry_run => true);
RESET SESSION AUTHORIZATION;
SELECT string_agg(l, ', ') = string_agg(l, ', ') FILTER (WHERE l !~ ' 0$') AS all_there FROM gone.left('17') l;
SELECT count(*) FROM toms.erasure WHERE tenant = 'acme';
SET SESSION AUTHORIZATION regress_officer;
SELECT state FROM toms.instruction WHERE id = :erase;
SELECT * FROM toms.erase_subject('acme', '17', :erase);
RESET SESSION AUTHORIZATION;
SELECT gone.left('17');
SELECT id FROM gone.invoice WHERE id < 20;
SELECT id FROM gone.account WHERE id < 20;
SELECT gone.others() = :'others' AS others_as_before;
SELECT employee, lead FROM gone.person ORDER BY tenant, employee;
SELECT id, approver FROM gone.leave ORDER BY id;
SELECT state, subject, result -> 'keys' AS keys, (result ->> 'until')::timestamptz > now() + '7 years' AS for_long FROM toms.erasure WHERE tenant = 'acme';
SELECT state FROM toms.instruction WHERE id = :erase;
SELECT count(*) > 0 AS keys_of_the_trail FROM toms.data_key k WHERE toms.is_audit_entry(k.relation) AND k.tenant = 'acme' AND k.subject IN ('17', 'login10');
SELECT DISTINCT format('%s of %s: %s', k.relation, coalesce(k.subject, 'nobody'), CASE WHEN k.wrapped IS NULL THEN 'destroyed' ELSE 'there' END) FROM toms.data_key k WHERE k.relation = 'gone.sick'::regclass ORDER BY 1;

-- a certificate says what stays
SELECT toms.seal_audit() IS NOT NULL;
SET SESSION AUTHORIZATION regress_officer;
SELECT id AS erasure FROM toms.erasure WHERE tenant = 'acme' \gset
SELECT r ->> 'table', r ->> 'restricted' AS restricted, r ->> 'held' AS held FROM (SELECT toms.certificate(:erasure)::json) c (said), json_array_elements(said -> 'rest') r;
RESET SESSION AUTHORIZATION;

--
-- the hold is released: it goes on by itself; the invoice waits for its period
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.release_hold(:held, reason => 'settled');
RESET SESSION AUTHORIZATION;
SELECT gone.left('17');
SELECT state FROM toms.instruction WHERE id = :erase;
SELECT state, subject, result -> 'tables' AS tables FROM toms.erasure WHERE tenant = 'acme';
SELECT count(*) AS keys_of_the_trail FROM toms.data_key k WHERE toms.is_audit_entry(k.relation) AND k.tenant = 'acme' AND k.subject IN ('17', 'login10');
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM toms.erase_subject('acme', '17', :erase);

--
-- the period is over
--
RESET SESSION AUTHORIZATION;
UPDATE gone.invoice SET issued = '2001-01-01' WHERE id = 11;
SELECT relation, kind, until > now() FROM toms.restriction WHERE tenant = 'acme' AND subject = '17' ORDER BY relation::text;
UPDATE toms.erasure SET result = result || '{"until": "2009-01-01"}' WHERE state = 'waiting';
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.finish_erasures();
RESET SESSION AUTHORIZATION;
SELECT l FROM gone.left('17') l WHERE l NOT LIKE '% 0';
SELECT gone.others() = :'others' AS others_as_before;
SELECT state, subject IS NULL AS nobody, ended_at IS NOT NULL AS ended, result -> 'tables' AS tables FROM toms.erasure WHERE tenant = 'acme';
SELECT toms.seal_audit() IS NOT NULL;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.certificate(:erasure) AS certificate \gset
SELECT said ->> 'state' AS state, said -> 'tables' = e.result -> 'tables' AS tables, said -> 'rest' AS rest, said ->> 'proof' IS NOT NULL AS proof, said::text ~ '"17"' AS tells_who
FROM (SELECT (:'certificate'::jsonb) - '{erased_at,requested_at,issued_at,backups,epochs,proof,dataset,signature,key,erasure,by}'::text[] || jsonb_build_object('proof', left(:'certificate'::jsonb ->> 'proof', 1))) c (said), toms.erasure e WHERE e.id = :erasure;
SELECT valid, problem FROM toms.verify_certificate(:'certificate');
SELECT valid FROM toms.verify_certificate(replace(:'certificate', '"gone.sick": {"deleted": 2}', '"gone.sick": {"deleted": 3}'));
RESET SESSION AUTHORIZATION;
-- done is done, for him alone; toms itself does not tell who it was
SET SESSION AUTHORIZATION regress_officer;
SELECT relation, deleted, restricted, held FROM toms.erase_subject('acme', '17', :erase) WHERE relation = 'gone.invoice';
SELECT * FROM toms.erase_subject('acme', '18', :erase);
RESET SESSION AUTHORIZATION;
SELECT i.subject LIKE 'erased:%' AS named FROM toms.instruction i WHERE i.id = :erase;
SELECT h.subject LIKE 'erased:%' AS named FROM toms.hold h WHERE h.id = :held;
SELECT count(*) FROM toms.restriction WHERE tenant = 'acme' AND subject = '17';
SELECT toms.seal_audit() IS NOT NULL;
SELECT string_agg(format('%s %s', d.relation, d.rows), ', ' ORDER BY d.relation, d.rows) FROM toms.deletion_log d WHERE d.relation LIKE 'gone.%';

--
-- rows of others that depend on one of his stop it, and those that he depends on nobody touches
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.unretain(r.id, reason => 'test') FROM toms.retention_rules r WHERE r.relation = 'gone.invoice' AND r.in_force;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
SELECT gone.fill('acme', 17, 10);
UPDATE gone.note SET answers = 12 WHERE id = 21;
UPDATE gone.note SET answers = 22 WHERE id = 11;
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('acme', 'erase', given_by => 'acme', wording => 'erase him again', subject => '17') AS erase \gset
SELECT toms.confirm_instruction(:erase);
SELECT * FROM toms.erase_subject('acme', '17', :erase);
RESET SESSION AUTHORIZATION;
UPDATE gone.note SET answers = NULL WHERE id = 21;
SET SESSION AUTHORIZATION regress_officer;
SELECT relation, deleted, restricted FROM toms.erase_subject('acme', '17', :erase) WHERE relation IN ('gone.note', 'gone.account', 'gone.person');
RESET SESSION AUTHORIZATION;
SELECT id, answers FROM gone.note ORDER BY id;
-- who has no rows is erased too
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('acme', 'erase', given_by => 'acme', wording => 'erase her', subject => '4711') AS erase \gset
SELECT toms.confirm_instruction(:erase);
SET client_min_messages = error;
SELECT * FROM toms.erase_subject('acme', '4711', :erase);
SELECT state, result FROM toms.erasure WHERE instruction = :erase;
-- not in a transaction that reads an older state
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM toms.erase_subject('acme', '4711', :erase);
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT toms.finish_erasures();
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM toms.end_tenants();
ROLLBACK;
RESET SESSION AUTHORIZATION;

--
-- a row that the law has kept goes on naming him, in a table that refers to itself: it is not deleted with his
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE gone.staff (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, hired date, lead integer REFERENCES gone.staff ON DELETE CASCADE, author text);
RESET SESSION AUTHORIZATION;
SELECT toms.protect('gone.staff', tenant => 'tenant', subject => 'employee');
SELECT toms.permit('regress_hr', 'gone.staff', '{select,insert,update}', '{absence_management}', 'tenant') IS NOT NULL;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO gone.staff VALUES (1, 'acme', 27, '2001-01-01', NULL, NULL), (2, 'acme', 28, current_date, 1, 'named alone');
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.label_person('gone.staff', 'lead', role => 'lead');
SELECT toms.label_person('gone.staff', 'author', role => 'author');
SELECT toms.retain('gone.staff', period => 'de_invoice', since => 'hired', zone => 'UTC') IS NOT NULL;
SELECT toms.record_instruction('acme', 'erase', given_by => 'acme', wording => 'erase her', subject => '27') AS erase \gset
SELECT toms.confirm_instruction(:erase);
SELECT * FROM toms.erase_subject('acme', '27', :erase);
RESET SESSION AUTHORIZATION;
SELECT id, lead FROM gone.staff ORDER BY id;
-- whom others' rows name alone is found when a backup brings that back
SELECT count(*) FROM toms.subjects_of_tenant('acme') s WHERE s = 'named alone';
-- once the law lets go of the name, it is cleared
UPDATE gone.staff SET hired = '2001-01-01';
SET SESSION AUTHORIZATION regress_officer;
SELECT * FROM toms.erase_subject('acme', '27', :erase);
RESET SESSION AUTHORIZATION;
SELECT id, lead FROM gone.staff ORDER BY id;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.unretain(r.id, reason => 'test') FROM toms.retention_rules r WHERE r.relation = 'gone.staff' AND r.in_force;
RESET SESSION AUTHORIZATION;

--
-- a bill that is issued while the erasure is under way is the law's from then on: here the owner's trigger issues it when it loses its
-- order
--
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE gone.bill (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, state text NOT NULL, issued date, its_order integer);
CREATE TABLE gone.order (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, its_bill integer REFERENCES gone.bill);
ALTER TABLE gone.bill ADD FOREIGN KEY (its_order) REFERENCES gone.order;
CREATE FUNCTION gone.issue() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.state := 'issued'; RETURN NEW; END$$;
CREATE TRIGGER issue BEFORE UPDATE OF its_order ON gone.bill FOR EACH ROW WHEN (NEW.its_order IS NULL) EXECUTE FUNCTION gone.issue();
RESET SESSION AUTHORIZATION;
SELECT toms.protect(t, tenant => 'tenant', subject => 'employee'), toms.permit('regress_hr', t, '{select,insert,update}', '{absence_management}', 'tenant') IS NOT NULL
FROM unnest('{gone.bill,gone.order}'::regclass[]) t;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.label_rows('gone.bill', condition => $$state = 'issued'$$, category => 'billing');
SELECT toms.retain('gone.bill', period => 'de_invoice', since => 'issued', category => 'billing', zone => 'UTC') IS NOT NULL;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO gone.bill VALUES (1, 'acme', 29, 'draft');
INSERT INTO gone.order VALUES (1, 'acme', 29, 1);
UPDATE gone.bill SET its_order = 1 WHERE id = 1;
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('acme', 'erase', given_by => 'acme', wording => 'erase him', subject => '29') AS erase \gset
SELECT toms.confirm_instruction(:erase);
SELECT * FROM toms.erase_subject('acme', '29', :erase);
RESET SESSION AUTHORIZATION;
SELECT id, state, its_order FROM gone.bill;
SELECT count(*) FROM gone.order;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.unretain(r.id, reason => 'test') FROM toms.retention_rules r WHERE r.relation = 'gone.bill' AND r.in_force;
RESET SESSION AUTHORIZATION;

-- nor what stays is lost sight of when a trigger changes it meanwhile: here the folder of a paper that the law keeps, which would take it along
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE gone.paper (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, state text NOT NULL, issued date, folder integer REFERENCES gone.paper ON DELETE CASCADE, papers integer)
    PARTITION BY RANGE (id);
CREATE TABLE gone.paper_1 PARTITION OF gone.paper FOR VALUES FROM (1) TO (10);
CREATE TABLE gone.paper_2 PARTITION OF gone.paper FOR VALUES FROM (10) TO (20);
CREATE FUNCTION gone.recount() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE gone.paper SET papers = papers - 1 WHERE id = OLD.folder; RETURN NULL; END$$;
CREATE TRIGGER recount AFTER DELETE ON gone.paper FOR EACH ROW EXECUTE FUNCTION gone.recount();
RESET SESSION AUTHORIZATION;
SELECT toms.protect('gone.paper', tenant => 'tenant', subject => 'employee'), toms.permit('regress_hr', 'gone.paper', '{select,insert}', '{absence_management}', 'tenant', categories => '{personal,billing}') IS NOT NULL,
       toms.permit('regress_owner', 'gone.paper', '{select,update}', '{rights}', 'tenant', categories => '{personal,billing}') IS NOT NULL;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.label_rows('gone.paper', condition => $$state = 'issued'$$, category => 'billing');
SELECT toms.retain('gone.paper', period => 'de_invoice', since => 'issued', category => 'billing', zone => 'UTC') IS NOT NULL;
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO gone.paper VALUES (10, 'acme', 29, 'folder', NULL, NULL, 2);
INSERT INTO gone.paper VALUES (1, 'acme', 29, 'draft', NULL, 10, 0), (11, 'acme', 29, 'issued', NULL, 10, 0);
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('acme', 'erase', given_by => 'acme', wording => 'erase him', subject => '29') AS erase \gset
SELECT toms.confirm_instruction(:erase);
SELECT * FROM toms.erase_subject('acme', '29', :erase);
RESET SESSION AUTHORIZATION;
SELECT id, state, papers FROM gone.paper ORDER BY id;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.unretain(r.id, reason => 'test') FROM toms.retention_rules r WHERE r.relation = 'gone.paper' AND r.in_force;
RESET SESSION AUTHORIZATION;

--
-- his entries in the trail under a second key go with him, though the table that was written by it has been dropped
--
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT toms.enter('acme', '90', 'regress_hr', 'absence_management');
INSERT INTO gone.person VALUES ('acme', 31, 'login31', 'words'), ('acme', 32, 'login32', 'words');
INSERT INTO gone.diary VALUES (131, 'acme', 'login31', 'words'), (132, 'acme', 'login32', 'words');
INSERT INTO gone.dossier VALUES (131, 'acme', 31, 'words');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.seal_audit() IS NOT NULL;
DROP TABLE gone.diary;
CREATE VIEW gone.trail AS SELECT DISTINCT k.subject FROM toms.data_key k WHERE toms.is_audit_entry(k.relation) AND k.tenant = 'acme' AND k.subject ~ '3[12]$';
SELECT * FROM gone.trail ORDER BY 1;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.hold('acme', '31', relation => 'gone.dossier', reason => 'court') AS held \gset
SELECT toms.record_instruction('acme', 'erase', given_by => 'acme', wording => 'erase him', subject => '31') AS erase \gset
SELECT toms.confirm_instruction(:erase);
SELECT * FROM toms.erase_subject('acme', '31', :erase);
-- held: they stay, and what told the key is gone
RESET SESSION AUTHORIZATION;
SELECT employee FROM gone.person WHERE employee IN (31, 32);
SELECT * FROM gone.trail ORDER BY 1;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.release_hold(:held, reason => 'settled');
RESET SESSION AUTHORIZATION;
SELECT * FROM gone.trail ORDER BY 1;
SELECT state, subject, result ?| '{names,in_trail}' AS tells_who FROM toms.erasure ORDER BY id DESC LIMIT 1;

-- clean up
SET client_min_messages = error;
DROP SCHEMA gone CASCADE;
SELECT count(*) FROM toms.person_column;
DELETE FROM toms.hold;
DELETE FROM toms.restriction;
DELETE FROM toms.erasure;
DELETE FROM toms.issued_certificate;
TRUNCATE toms.ledger;
DELETE FROM toms.instruction_event WHERE instruction IN (SELECT id FROM toms.instruction WHERE tenant = 'acme' AND kind LIKE 'erase%');
DELETE FROM toms.instruction WHERE tenant = 'acme' AND kind LIKE 'erase%';
