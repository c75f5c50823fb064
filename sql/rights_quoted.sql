--
-- rights_quoted: how a client has names quoted makes no difference
--
-- The promise: with quote_all_identifiers = on, as pg_dump and some tools have it, a table is protected, declared, read, told of
-- and let go like with it off; and what toms keeps of a name is the name that everybody else looks for.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = error;
CREATE SCHEMA qid AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA qid TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE qid.person (tenant text NOT NULL, employee integer NOT NULL, login text NOT NULL, PRIMARY KEY (tenant, employee), UNIQUE (tenant, login));
CREATE TABLE qid.note (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL, kind text, day date, place text, sick boolean, FOREIGN KEY (tenant, employee) REFERENCES qid.person);
CREATE TABLE qid.line (id integer PRIMARY KEY, note integer NOT NULL REFERENCES qid.note, words text);
CREATE TABLE qid.diary (id integer PRIMARY KEY, tenant text NOT NULL, login text, words text);
CREATE TABLE qid.contract (id integer PRIMARY KEY, tenant text NOT NULL, ended_on date);
CREATE TABLE qid.account (id integer PRIMARY KEY, tenant text NOT NULL, contract integer REFERENCES qid.contract);
CREATE TABLE qid.booking (id integer, tenant text NOT NULL, employee integer NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE qid.booking_2026 PARTITION OF qid.booking FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE FUNCTION qid.notes() RETURNS SETOF qid.note LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT * FROM qid.note';
RESET SESSION AUTHORIZATION;
SELECT coalesce(max(id), 0) AS declared FROM toms.protection_history \gset
SELECT clock_timestamp() AS began \gset

SET quote_all_identifiers = on;
SELECT toms.protect('qid.person', tenant => 'tenant', subject => 'employee');
SELECT toms.add_subject_alias('qid.person', canonical => 'employee', alias => 'login');
SELECT toms.protect(t, tenant => 'tenant', subject => 'employee') FROM unnest('{qid.note,qid.booking}'::regclass[]) t;
SELECT toms.protect(t, tenant => 'tenant') FROM unnest('{qid.contract,qid.account}'::regclass[]) t;
SELECT toms.protect('qid.line', parent => 'qid.note', parent_key => 'note');
SELECT toms.protect('qid.diary', tenant => 'tenant', subject => 'login', subject_alias => 'qid.person.login');
SELECT toms.label_rows('qid.note', condition => $$kind = 'SICK'$$, category => 'health');
SELECT toms.label_column('qid.note', 'place', category => 'location');
SELECT count(toms.permit('regress_hr', p.relation, '{select,insert,update,delete}', '{absence_management}', 'tenant', categories => '{personal,health,location}')) FROM toms.protected_tables p WHERE p.root = p.relation AND p.relation::text LIKE '%qid%.%';
SELECT toms.separate('qid.booking', 'qid.diary');
SELECT toms.add_purpose('qid_notes', description => 'notes', legal_basis => 'contract');
SELECT toms.bind_purpose('qid.notes()', 'qid_notes');
SELECT toms.retain('qid.account', keep => '100 years', since => 'qid.contract.ended_on', through => 'contract', zone => 'UTC') AS through \gset
SELECT toms.retain('qid.booking', keep => '100 years', since => 'day', zone => 'UTC') AS kept \gset
SET SESSION AUTHORIZATION regress_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA qid TO regress_hr;
RESET SESSION AUTHORIZATION;
-- said again it is what it was
SELECT toms.protect('qid.note', tenant => 'tenant', subject => 'employee');
SELECT toms.seal_column('qid.note', 'sick') >= 0;
SELECT bool_and(intact) FROM toms.protected_tables WHERE relation::text LIKE '%qid%.%';
SET SESSION AUTHORIZATION regress_job;
BEGIN;
SELECT FROM toms.enter('acme', '17', 'regress_hr', 'absence_management');
INSERT INTO qid.person VALUES ('acme', 17, 'mia'), ('acme', 18, 'ben');
INSERT INTO qid.note VALUES (1, 'acme', 17, 'SICK', '2026-03-01', 'Bonn', true), (2, 'acme', 18, 'WORK', '2026-03-01', 'Bonn', false);
INSERT INTO qid.line VALUES (1, 1, 'hers'), (2, 2, 'his');
INSERT INTO qid.diary VALUES (1, 'acme', 'mia', 'hers'), (2, 'acme', 'ben', 'his');
INSERT INTO qid.booking VALUES (1, 'acme', 17, '2026-03-01'), (2, 'acme', 18, '2026-03-01');
SELECT (SELECT count(*) FROM qid.note), (SELECT count(*) FROM qid.line), (SELECT count(*) FROM qid.diary);
SELECT regress.verdict('SELECT FROM qid.diary, qid.booking');              -- refused: kept separate
COMMIT;
SELECT regress.verdict('SELECT FROM qid.note');                            -- refused: no context
RESET SESSION AUTHORIZATION;
-- migrations and holds look names up too
SET toms.reason = 'migration';
ALTER TABLE qid.note RENAME COLUMN day TO "of";
ALTER TABLE qid.diary ALTER COLUMN login TYPE varchar(40);
CREATE TABLE qid.booking_2027 PARTITION OF qid.booking FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
RESET toms.reason;
SELECT toms.hold('acme', '18', relation => 'qid.note', reason => 'court') AS hold \gset
SELECT bool_and(intact) FROM toms.protected_tables WHERE relation::text LIKE '%qid%.%';
-- one person is erased, in each table, and the other is not
SELECT toms.record_instruction('acme', kind => 'erase', given_by => 'D. Manager', wording => 'Erase 17.', subject => '17') AS instruction \gset
SELECT toms.confirm_instruction(:instruction);
SELECT relation, deleted FROM toms.erase_subject('acme', '17', instruction => :instruction) ORDER BY 1;
SET toms.reason = 'look';
SELECT (SELECT count(*) FROM qid.person), (SELECT count(*) FROM qid.note), (SELECT count(*) FROM qid.line), (SELECT count(*) FROM qid.diary), (SELECT count(*) FROM qid.booking);
RESET toms.reason;
-- what has been done since is found by the table, whose name is kept as it is
SELECT toms.seal_audit() IS NOT NULL;
SELECT count(*) > 0 FROM toms.audit_trail(since => :'began', relation => 'qid.note', kind => 'changes');
SELECT DISTINCT relation FROM toms.audit_trail(since => :'began', kind => 'deletions') WHERE relation LIKE '%qid%' ORDER BY 1;
SELECT toms.release_hold(:hold, reason => 'settled');
SELECT toms.unretain(id, reason => 'test') FROM unnest(ARRAY[:kept, :through]) id;
SELECT toms.unseparate('qid.booking', 'qid.diary', reason => 'test');
SELECT toms.unlabel_rows('qid.note', 'health');
SELECT toms.unlabel_column('qid.note', 'place');
SELECT toms.forbid('regress_hr', 'qid.line') > 0;
SELECT toms.unprotect('qid.line', reason => 'test');

-- nothing that is kept has names with quotes that they do not need
SELECT DISTINCT relation_name FROM toms.protection_history WHERE id > :declared ORDER BY 1;
SELECT DISTINCT action, detail FROM toms.protection_history WHERE id > :declared AND action LIKE 'label%' ORDER BY 1;
CREATE FUNCTION regress.quoted() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    kept regclass;
    n bigint;
BEGIN
    FOR kept IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'toms'::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE 'audit%' ORDER BY c.relname LOOP
        EXECUTE format('SELECT count(*) FROM %s t WHERE strpos(t::text, ''qid"'') > 0', kept) INTO n;
        IF n > 0 THEN
            RETURN NEXT kept;
        END IF;
    END LOOP;
    RETURN QUERY SELECT DISTINCT format('entry %s %s', kind, verb) FROM toms.audit_entry WHERE at >= (SELECT max(at) - interval '10 minutes' FROM toms.audit_entry) AND position('qid\\"'::bytea IN payload) > 0;
END
$$;
RESET quote_all_identifiers;
SELECT * FROM regress.quoted();                                            -- none

SET toms.reason = 'end of the test';
DROP SCHEMA qid CASCADE;
DROP FUNCTION regress.quoted();
DELETE FROM toms.hold;
DELETE FROM toms.erasure;
TRUNCATE toms.ledger;
DELETE FROM toms.instruction_event WHERE instruction = :instruction;
DELETE FROM toms.instruction WHERE id = :instruction;
DELETE FROM toms.purpose WHERE purpose = 'qid_notes';
DELETE FROM toms.purpose_history WHERE purpose = 'qid_notes';
