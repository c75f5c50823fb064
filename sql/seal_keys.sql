--
-- seal_keys: what is sealed opens with its data key alone; that is wrapped anew by rotation, and
-- destroyed for a data subject, for a tenant, or when no row carries it any more. A destroyed
-- key stays destroyed.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET datestyle = 'ISO, YMD';
SET client_min_messages = warning;
CREATE SCHEMA vault AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA vault TO PUBLIC;
CREATE ROLE regress_keeper LOGIN;           -- the officer who runs things
CREATE ROLE regress_examiner LOGIN;         -- the one who looks
SELECT toms.grant_officer('regress_keeper', 'operator'), toms.grant_officer('regress_examiner', 'auditor');
SELECT toms.add_tenant('stark', name => 'Stark AG'), toms.add_tenant('wayne', name => 'Wayne SE'), toms.add_tenant('queen', name => 'Queen KG');
SELECT toms.allow_enter(login => 'regress_job', tenants => '{stark,wayne}', roles => '{regress_hr}') \g /dev/null

SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE vault.note (id integer, tenant text NOT NULL, employee integer NOT NULL, sick toms.health_flag, words toms.sealed_text);
CREATE TABLE vault.visit (id integer, tenant text NOT NULL, employee integer NOT NULL, day toms.health_date) PARTITION BY RANGE (id);
CREATE TABLE vault.visit_1 PARTITION OF vault.visit FOR VALUES FROM (1) TO (100);
CREATE TABLE vault.visit_2 PARTITION OF vault.visit FOR VALUES FROM (100) TO (200);
CREATE TABLE vault.person (tenant text NOT NULL, employee integer NOT NULL, login text NOT NULL, UNIQUE (tenant, employee), UNIQUE (tenant, login));
CREATE TABLE vault.diary (id integer, tenant text NOT NULL, login text NOT NULL, words toms.sealed_text);
CREATE TABLE vault.twin (id integer, tenant text NOT NULL, employee integer NOT NULL, sick toms.health_flag, again toms.health_flag);
CREATE TABLE vault.plain (id integer);
GRANT ALL ON ALL TABLES IN SCHEMA vault TO regress_hr, regress_migration;
RESET SESSION AUTHORIZATION;
-- a transaction that destroys keys would wait for itself if it read strictly: the trail seals under the same keys
SELECT toms.protect(t, tenant => 'tenant', subject => 'employee', category => 'health', read_audit => 'asynchronous', reason => 'test') FROM (VALUES ('vault.note'::regclass), ('vault.visit'), ('vault.person'), ('vault.twin')) v (t);
SELECT toms.add_subject_alias('vault.person', canonical => 'employee', alias => 'login') \g /dev/null
SELECT toms.protect('vault.diary', tenant => 'tenant', subject => 'login', subject_alias => 'vault.person.login', category => 'health', read_audit => 'asynchronous', reason => 'test');
SELECT toms.permit('regress_hr', t, '{select,insert,update,delete}', '{absence_management}', 'tenant') > 0
FROM (VALUES ('vault.note'::regclass), ('vault.visit'), ('vault.person'), ('vault.diary')) v (t);

-- what HR of a tenant reads of it all, each value by itself
CREATE FUNCTION vault.try(value anyelement) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plain text;
    code text;
BEGIN
    EXECUTE 'SELECT toms.reveal($1)' INTO plain USING value;
    RETURN plain;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME;
    RETURN coalesce(nullif(code, ''), SQLERRM);
END
$$;
CREATE FUNCTION vault.read(tenant text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM toms.enter(tenant, '1', 'regress_hr', 'absence_management');
    RETURN QUERY SELECT format('note %s of %s: %s, %s', n.id, n.employee, vault.try(n.sick), vault.try(n.words)) FROM vault.note n ORDER BY n.id;
    RETURN QUERY SELECT format('visit %s of %s: %s', v.id, v.employee, vault.try(v.day)) FROM vault.visit v ORDER BY v.id;
    RETURN QUERY SELECT format('diary %s of %s: %s', d.id, d.login, vault.try(d.words)) FROM vault.diary d ORDER BY d.id;
END
$$;
CREATE FUNCTION vault.write(tenant text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM toms.enter(tenant, '1', 'regress_hr', 'absence_management');
    RETURN regress.verdict(statement);
END
$$;
-- the error of a statement, with its detail and hint
CREATE FUNCTION vault.problem(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN regexp_replace(format(E'%s: %s %s\n    %s', state, message, detail, hint), '(key|instruction) -?\d{5,}', '\1 <id>');
END
$$;
-- what stands in the register: keys alive and destroyed, by table and epoch, but for those of the audit trail
CREATE VIEW vault.keys AS
    SELECT tenant, relation, epoch, count(*) FILTER (WHERE destroyed_at IS NULL) AS alive, count(destroyed_at) AS destroyed
    FROM toms.data_keys WHERE tenant IN ('stark', 'wayne') AND relation <> 'toms.audit_entry'::regclass GROUP BY tenant, relation, epoch ORDER BY tenant, relation::text, epoch;
GRANT SELECT ON vault.keys TO regress_keeper, regress_officer;

SET SESSION AUTHORIZATION regress_job;
SELECT vault.write('stark', $$INSERT INTO vault.note SELECT n, 'stark', 16 + n, n % 2, 'of ' || 16 + n FROM generate_series(1, 5) n$$);
SELECT vault.write('stark', $$INSERT INTO vault.visit SELECT n * 50, 'stark', 17, '2026-07-01' FROM generate_series(1, 3) n$$);
SELECT vault.write('stark', $$INSERT INTO vault.person VALUES ('stark', 17, 'pepper'), ('stark', 18, '17')$$);   -- 18's other key is like 17's own
SELECT vault.write('stark', $$INSERT INTO vault.diary VALUES (1, 'stark', 'pepper', 'of pepper'), (2, 'stark', '17', 'of 18')$$);
SELECT vault.write('wayne', $$INSERT INTO vault.note VALUES (11, 'wayne', 17, 'true', 'of wayne')$$);
SELECT vault.write('wayne', $$INSERT INTO vault.visit VALUES (51, 'wayne', 17, '2026-07-02')$$);
SELECT vault.read('stark');
SELECT vault.read('wayne');
RESET SESSION AUTHORIZATION;
SELECT * FROM vault.keys;

--
-- Rotation: a new epoch, and batch by batch what is wrapped under the former one
--
SELECT md5(string_agg(k::text, ',' ORDER BY id)) AS of_wayne FROM toms.data_key k WHERE tenant = 'wayne' \gset
SET SESSION AUTHORIZATION regress_keeper;
SELECT * FROM toms.rotate_keys('stark', batch => 6);
SELECT * FROM vault.keys WHERE tenant = 'stark';                                            -- the rotation is on its way
SELECT number, state FROM toms.key_epochs WHERE tenant = 'stark' ORDER BY number;
SELECT * FROM toms.rotate_keys('stark', batch => 6);                                        -- goes on with it
-- new keys are of the new epoch
SET SESSION AUTHORIZATION regress_job;
SELECT vault.write('stark', $$INSERT INTO vault.note VALUES (6, 'stark', 22, 'true', 'of 22')$$);
SELECT vault.read('stark');
SET SESSION AUTHORIZATION regress_keeper;
SELECT * FROM toms.rotate_keys('stark', batch => 6);
SELECT * FROM vault.keys;
SELECT number, state, retired_at IS NOT NULL FROM toms.key_epochs WHERE tenant = 'stark' ORDER BY number;
SELECT md5(string_agg(k::text, ',' ORDER BY id)) = :'of_wayne' FROM toms.data_key k WHERE tenant = 'wayne';     -- refused: whose keys they are is not told
RESET SESSION AUTHORIZATION;
SELECT md5(string_agg(k::text, ',' ORDER BY id)) = :'of_wayne' FROM toms.data_key k WHERE tenant = 'wayne';     -- another tenant's are as they were
SET SESSION AUTHORIZATION regress_job;
SELECT count(*) FROM vault.read('stark') WHERE read !~ 'toms_';
-- the next one, in one go
SET SESSION AUTHORIZATION regress_keeper;
CALL toms.rotate_all_keys('stark', batch => 4);
SELECT * FROM vault.keys WHERE tenant = 'stark';
SELECT number, state FROM toms.key_epochs WHERE tenant = 'stark' ORDER BY number;
-- a tenant without keys has epochs all the same
SELECT * FROM toms.rotate_keys('queen');
SELECT number, state FROM toms.key_epochs WHERE tenant = 'queen' ORDER BY number;
SELECT vault.problem($$SELECT toms.rotate_keys('hooli')$$);
SELECT vault.problem($$SELECT toms.rotate_keys('stark', batch => 0)$$);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT vault.problem($$SELECT toms.rotate_keys('stark')$$);
ROLLBACK;
RESET SESSION AUTHORIZATION;
-- a key that is damaged is named, and nothing else of the batch is lost
SELECT id AS damaged FROM toms.data_key WHERE tenant = 'stark' AND subject = '22' AND relation = 'vault.note'::regclass \gset
BEGIN;
UPDATE toms.data_key SET wrapped = set_byte(wrapped, 70, 255 - get_byte(wrapped, 70)) WHERE id = :damaged;
SELECT vault.problem($$SELECT toms.rotate_keys('stark')$$);
ROLLBACK;

--
-- The keys of former epochs are destroyed when toms.key_grace is over, and somebody has confirmed it
--
SET SESSION AUTHORIZATION regress_officer;
SHOW toms.key_grace;
SELECT number, destroyed, regexp_replace(effect, '\d\d\d\d-\S+ \S+', '<time>', 'g') FROM toms.destroy_old_epochs('stark', confirm => true);
RESET SESSION AUTHORIZATION;
ALTER SYSTEM SET toms.key_grace = 0;
SELECT pg_reload_conf();
SELECT pg_sleep(0.5);
SET SESSION AUTHORIZATION regress_officer;
SELECT number, destroyed, regexp_replace(effect, '\d\d\d\d-\S+ \S+', '<time>', 'g') FROM toms.destroy_old_epochs('stark');
SELECT number, state, held FROM toms.key_epochs WHERE tenant = 'stark' ORDER BY number;     -- still there
SELECT number, destroyed FROM toms.destroy_old_epochs('stark', confirm => true);
SELECT number, state, held FROM toms.key_epochs WHERE tenant = 'stark' ORDER BY number;
SELECT * FROM toms.destroy_old_epochs('stark', confirm => true);                            -- none is left
SELECT * FROM toms.check_keyring() WHERE tenant = 'stark';
SET SESSION AUTHORIZATION regress_job;
SELECT count(*) FROM vault.read('stark') WHERE read !~ 'toms_';
RESET SESSION AUTHORIZATION;
-- not one under which a key has been wrapped since: by a transaction that was open during the rotation
SELECT * FROM toms.rotate_keys('stark');
UPDATE toms.data_key k SET epoch = e.id, wrapped = toms.rewrap_key(k.id, k.tenant, k.subject, k.month, k.epoch, k.wrapped, e.id)
FROM toms.key_epoch e WHERE k.id = :damaged AND e.tenant = 'stark' AND e.number = 3;
SELECT number, destroyed, effect FROM toms.destroy_old_epochs('stark', confirm => true);
SELECT * FROM toms.rotate_keys('stark');                                                    -- it is wrapped again, without a new epoch
SELECT number, destroyed FROM toms.destroy_old_epochs('stark', confirm => true);
SELECT number, state FROM toms.key_epochs WHERE tenant = 'stark' ORDER BY number;

--
-- A data subject is erased
--
-- what a backup of before has
CREATE TEMP TABLE backup AS SELECT * FROM toms.data_key WHERE tenant IN ('stark', 'wayne');
SET SESSION AUTHORIZATION regress_officer;
-- by an instruction that says so
SELECT vault.problem($$SELECT toms.destroy_keys('stark', instruction => -1, subject => '17')$$);
SELECT toms.record_instruction('stark', kind => 'erase', given_by => 'D. Manager', wording => 'Erase employee 17.', subject => '17') AS erase \gset
SELECT vault.problem(format($$SELECT toms.destroy_keys('stark', instruction => %s, subject => '17')$$, :erase)) ~ 'is given, not confirmed';
SELECT toms.confirm_instruction(:erase);
SELECT vault.problem(format($$SELECT toms.destroy_keys('wayne', instruction => %s, subject => '17')$$, :erase)) ~ 'no such instruction';
SELECT vault.problem(format($$SELECT toms.destroy_keys('stark', instruction => %s, subject => '18')$$, :erase)) ~ 'no such instruction';
SELECT vault.problem(format($$SELECT toms.destroy_keys('stark', instruction => %s)$$, :erase)) ~ 'no such instruction';     -- not the whole tenant
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT vault.problem(format($$SELECT toms.destroy_keys('stark', instruction => %s, subject => '17')$$, :erase));
ROLLBACK;
-- not by a transaction that is rolled back
BEGIN;
SELECT toms.destroy_keys('stark', instruction => :erase, subject => '17');
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM toms.data_key WHERE tenant = 'stark' AND destroyed_at IS NOT NULL;     -- meanwhile no read of the tenant's can be recorded
ROLLBACK;
SET SESSION AUTHORIZATION regress_job;
SELECT count(*) FROM vault.read('stark') WHERE read !~ 'toms_';
-- not while a row of the tenant is on its way, were it in a transaction that has been prepared
BEGIN;
SELECT vault.write('stark', $$INSERT INTO vault.note VALUES (9, 'stark', 23, 'true', 'of 23')$$);
PREPARE TRANSACTION 'vault';
SET SESSION AUTHORIZATION regress_keeper;
SET lock_timeout = '100ms';
SELECT vault.problem(format($$SELECT toms.destroy_keys('stark', instruction => %s, subject => '17')$$, :erase));
RESET lock_timeout;
RESET SESSION AUTHORIZATION;
ROLLBACK PREPARED 'vault';
-- for good: in every table, under his other key too, and nobody else
SET SESSION AUTHORIZATION regress_keeper;
SELECT toms.destroy_keys('stark', instruction => :erase, subject => '17');
SELECT state FROM toms.instruction WHERE id = :erase;                                       -- used up
SELECT vault.problem(format($$SELECT toms.destroy_keys('stark', instruction => %s, subject => '17')$$, :erase)) ~ 'is carried_out, not confirmed';
SET SESSION AUTHORIZATION regress_job;
SELECT vault.read('stark');
SELECT vault.read('wayne');
-- what is written of him afterwards has new keys
SELECT vault.write('stark', $$INSERT INTO vault.note VALUES (7, 'stark', 17, 'false', 'again of 17')$$);
SELECT * FROM vault.read('stark') WHERE read ~ 'of 17' AND read ~ 'note';
RESET SESSION AUTHORIZATION;
-- the register keeps number, tenant, table and month of what is destroyed, and forgets whose it was
SELECT relation, month = date_trunc('month', month), subject, wrapped FROM toms.data_key WHERE tenant = 'stark' AND destroyed_at IS NOT NULL ORDER BY relation::text;

-- nobody brings a key back: not by its number, not by what a backup has, and none is removed to make room
SELECT DISTINCT regress.verdict(format('INSERT INTO toms.data_key SELECT * FROM backup WHERE id = %s', id))
FROM toms.data_key WHERE tenant = 'stark' AND destroyed_at IS NOT NULL;
SELECT DISTINCT vault.problem(format('UPDATE toms.data_key k SET (subject, wrapped, destroyed_at) = (SELECT b.subject, b.wrapped, b.destroyed_at FROM backup b WHERE b.id = k.id) WHERE id = %s', id))
FROM toms.data_key WHERE tenant = 'stark' AND destroyed_at IS NOT NULL;
SELECT DISTINCT regress.verdict(format('DELETE FROM toms.data_key WHERE id = %s', id)) ~ 'stays so' FROM toms.data_key WHERE tenant = 'stark' AND destroyed_at IS NOT NULL;
SET toms.reason = 'test';
SET session_replication_role = replica;
SELECT DISTINCT regress.verdict(format('DELETE FROM toms.data_key WHERE id = %s', id)) ~ 'stays so' FROM toms.data_key WHERE tenant = 'stark' AND destroyed_at IS NOT NULL;
RESET session_replication_role;
RESET toms.reason;

-- a person who is not in the table of persons any more: his other key is not known, and that is told
SET SESSION AUTHORIZATION regress_job;
SELECT vault.write('stark', $$DELETE FROM vault.person WHERE employee = 18$$);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('stark', kind => 'erase', given_by => 'D. Manager', wording => 'Erase employee 18.', subject => '18', single_use => false) AS erase \gset
SELECT toms.confirm_instruction(:erase);
SELECT toms.destroy_keys('stark', instruction => :erase, subject => '18');
SELECT i.state, e.state FROM toms.instruction i JOIN toms.instruction_event e ON e.instruction = i.id WHERE i.id = :erase ORDER BY e.id;     -- it stands
SET SESSION AUTHORIZATION regress_job;
SELECT * FROM vault.read('stark') WHERE read ~ '(note|diary) 2';

--
-- Keys that no row carries any more
--
SELECT vault.write('stark', 'DELETE FROM vault.diary WHERE true');
SELECT vault.write('stark', 'DELETE FROM vault.note WHERE id = 4');
SELECT vault.write('stark', $$INSERT INTO vault.visit SELECT n * 50, 'stark', 30 + n, '2026-07-03' FROM generate_series(1, 3) n$$);
SET SESSION AUTHORIZATION regress_keeper;
SELECT toms.destroy_unused_keys('vault.diary');         -- the key of 18's other name, which nobody knew
SELECT toms.destroy_unused_keys('vault.note');          -- 20's
SELECT toms.destroy_unused_keys('vault.note');
SELECT toms.destroy_unused_keys('vault.visit');         -- none
RESET SESSION AUTHORIZATION;
-- a part of a table that went its own way carries the keys of the whole
ALTER TABLE vault.visit DETACH PARTITION vault.visit_2;
SELECT toms.destroy_unused_keys('vault.visit');         -- none
SELECT * FROM toms.verify_sealed('vault.visit_2');      -- and has no values of its own
SET toms.reason = 'test';
DELETE FROM vault.visit_2 WHERE employee = 33;
RESET toms.reason;
SELECT toms.destroy_unused_keys('vault.visit');         -- 33's
SELECT toms.destroy_unused_keys('vault.visit_1');       -- a part means the whole
SET SESSION AUTHORIZATION regress_job;
SELECT vault.read('stark');
RESET SESSION AUTHORIZATION;
-- a table that is gone
SELECT 'vault.diary'::regclass::oid AS diary \gset
SET SESSION AUTHORIZATION regress_job;
SELECT vault.write('wayne', $$INSERT INTO vault.diary VALUES (3, 'wayne', 'pepper', 'of pepper')$$);
RESET SESSION AUTHORIZATION;
BEGIN;
SET toms.reason = 'migration';
DROP TABLE vault.diary;
RESET toms.reason;
SELECT toms.destroy_unused_keys(:diary);
ROLLBACK;
-- the tenant's own secret belongs to no table, and is not unused
BEGIN;
INSERT INTO toms.data_key VALUES (1, 'wayne', '', 0, '2000-01-01', gen_random_uuid(), '\x00', now());
SELECT toms.destroy_unused_keys(0);
SELECT count(*) FROM toms.keys_of_subject('wayne', '');
ROLLBACK;

--
-- Do the values belong where they stand?
--
SET SESSION AUTHORIZATION regress_examiner;
SELECT * FROM toms.verify_sealed('vault.note');                     -- of 17 and 18, who are erased
SELECT * FROM toms.verify_sealed('vault.visit');
RESET SESSION AUTHORIZATION;
-- somebody with the disk in hand: values copied about without the trigger, a key taken away
SET toms.reason = 'test';
DELETE FROM vault.note WHERE tenant = 'stark' AND employee IN (17, 18);
DELETE FROM vault.visit WHERE tenant = 'stark';
SET session_replication_role = replica;
SELECT sick AS foreign_flag, words AS foreign_words FROM vault.note WHERE id = 11 \gset
SELECT sick AS flag, words AS words FROM vault.note WHERE id = 3 \gset
INSERT INTO vault.note VALUES (101, 'stark', 17, :'foreign_flag', NULL);                -- another tenant's
INSERT INTO vault.note VALUES (102, 'stark', 21, :'flag', NULL);                        -- another person's
ALTER TABLE vault.note DISABLE TRIGGER "~toms_seal";
INSERT INTO vault.note VALUES (103, 'stark', 19, 'true', NULL);                         -- never bound
ALTER TABLE vault.note ENABLE ALWAYS TRIGGER "~toms_seal";
INSERT INTO vault.note SELECT 104, 'stark', 19, NULL, left(:'words', -3) || CASE right(:'words', 3) WHEN 'AAA' THEN 'BBB' ELSE 'AAA' END;      -- changed
INSERT INTO vault.note VALUES (105, 'stark', 19, :'flag', :'words');                    -- another row of his: not found
INSERT INTO vault.twin VALUES (106, 'stark', 19, :'flag', :'flag');                     -- another table's, another column's
UPDATE toms.data_key SET id = id # 1 WHERE tenant = 'stark' AND subject = '22' AND relation = 'vault.note'::regclass;
RESET session_replication_role;
SELECT n.id, n.tenant, n.employee, v.column_name, v.problem FROM toms.verify_sealed('vault.note') v JOIN vault.note n ON n.ctid = v.row_id ORDER BY n.id, v.column_name;
SELECT v.column_name, v.problem FROM toms.verify_sealed('vault.twin') v ORDER BY v.column_name;
UPDATE toms.data_key SET id = id # 1 WHERE tenant = 'stark' AND subject = '22' AND relation = 'vault.note'::regclass;
DELETE FROM vault.note WHERE id > 100;
RESET toms.reason;
SELECT count(*) FROM toms.verify_sealed('vault.note');
SELECT vault.problem($$SELECT * FROM toms.verify_sealed('vault.plain')$$);
-- values that lie elsewhere cannot be looked at, and so are not taken for good, or for gone
BEGIN;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE vault.visit_3 PARTITION OF vault.visit FOR VALUES FROM (200) TO (300) SERVER elsewhere;
SELECT vault.problem($$SELECT * FROM toms.verify_sealed('vault.visit')$$);
SELECT vault.problem($$SELECT toms.destroy_unused_keys('vault.visit')$$);
ROLLBACK;

--
-- An older state of the database: here its register of keys, brought back
--
SELECT k AS export FROM toms.export_keys('stark') k \gset
SELECT k AS export_of_wayne FROM toms.export_keys('wayne') k \gset
SELECT :'export' ~ 'subject';                                       -- it names nobody
BEGIN;
ALTER TABLE toms.data_key DISABLE TRIGGER keep;
DELETE FROM toms.data_key WHERE tenant = 'stark';
INSERT INTO toms.data_key SELECT * FROM backup WHERE tenant = 'stark';
ALTER TABLE toms.data_key ENABLE ALWAYS TRIGGER keep;
COMMIT;
SELECT * FROM vault.keys WHERE tenant = 'stark';
SET SESSION AUTHORIZATION regress_keeper;
SELECT toms.rotate_keys('stark') \g /dev/null
SELECT regress.verdict(format('SELECT toms.adopt_keys(%L)', :'export'));                                            -- refused: not by an operator
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.adopt_keys(:'export');
SELECT * FROM vault.keys WHERE tenant = 'stark';                    -- those who have been erased are so here
SET SESSION AUTHORIZATION regress_job;
SELECT vault.read('stark');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.adopt_keys(:'export');                                  -- once more: nothing comes back
-- an export as nobody made it
SELECT vault.problem(format('SELECT toms.adopt_keys(%L)', jsonb_set(:'export', '{export,keys}', '[]')));
SELECT vault.problem(format('SELECT toms.adopt_keys(%L)', jsonb_set(:'export', '{export,tenant}', '"wayne"')));
SELECT vault.problem(format('SELECT toms.adopt_keys(%L)', jsonb_set(jsonb_set(:'export', '{export,tenant}', '"wayne"'), '{export,epochs}', '[]')));
SELECT vault.problem(format('SELECT toms.adopt_keys(%L)', jsonb_set(:'export_of_wayne', '{export,tenant}', '"stark"')));
SELECT vault.problem(format('SELECT toms.adopt_keys(%L)', :'export'::jsonb - 'proof'));
SELECT vault.problem($$SELECT toms.adopt_keys('{}')$$);
SELECT vault.problem($$SELECT toms.adopt_keys('{"export": {"tenant": "stark"}}')$$);
RESET SESSION AUTHORIZATION;
-- one of yesterday
SELECT jsonb_set(:'export', '{export,exported_at}', to_jsonb(now() - interval '25 hours')) AS old \gset
SELECT jsonb_set(:'old', '{proof}', to_jsonb(encode(toms.authenticate_export((:'old'::jsonb ->> 'epoch')::uuid, :'old'::jsonb ->> 'export'), 'hex'))) AS old \gset
SELECT regexp_replace(vault.problem(format('SELECT toms.adopt_keys(%L)', :'old')), '\d\d\d\d-\S+', '<time>');
-- keys of other owners under the same numbers
BEGIN;
UPDATE toms.data_key SET tenant = 'wayne' WHERE tenant = 'stark' AND subject = '19';
SELECT vault.problem(format('SELECT toms.adopt_keys(%L)', :'export'));
ROLLBACK;
BEGIN;
UPDATE toms.data_key SET subject = '191' WHERE tenant = 'stark' AND subject = '19';
SELECT vault.problem(format('SELECT toms.adopt_keys(%L)', :'export'));
ROLLBACK;
-- where another epoch has the number of one of the live database
BEGIN;
UPDATE toms.key_epoch SET id = gen_random_uuid() WHERE tenant = 'stark' AND number = 4;
SELECT vault.problem(format('SELECT toms.adopt_keys(%L)', :'export'));
ROLLBACK;

--
-- A whole tenant
--
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('stark', kind => 'erase', given_by => 'D. Manager', wording => 'Erase all.') AS erase \gset
SELECT toms.confirm_instruction(:erase);
SELECT toms.destroy_keys('stark', instruction => :erase);
SELECT DISTINCT state, held FROM toms.key_epochs WHERE tenant = 'stark';
SELECT alive FROM vault.keys WHERE tenant = 'stark' AND alive > 0;
SET SESSION AUTHORIZATION regress_job;
SELECT vault.read('stark');
SELECT vault.read('wayne');
SELECT vault.write('stark', $$INSERT INTO vault.note VALUES (8, 'stark', 17, 'false', 'of 17')$$);      -- refused
RESET SESSION AUTHORIZATION;
SELECT vault.problem($$SELECT toms.export_keys('stark')$$);

--
-- Who may
--
CREATE TABLE vault.call (n integer GENERATED ALWAYS AS IDENTITY, statement text);
GRANT SELECT ON vault.call TO PUBLIC;
INSERT INTO vault.call (statement) VALUES
    ($$SELECT toms.rotate_keys('wayne')$$),
    ($$CALL toms.rotate_all_keys('wayne')$$),
    ($$SELECT toms.destroy_old_epochs('wayne')$$),
    ($$SELECT toms.destroy_keys('wayne', -1, '17')$$),
    ($$SELECT toms.destroy_unused_keys('vault.note')$$),
    ($$SELECT toms.export_keys('wayne')$$),
    ($$SELECT toms.adopt_keys('{}')$$),
    ($$SELECT toms.verify_sealed('vault.note')$$),
    ($$SELECT FROM toms.data_keys$$),
    ($$SELECT FROM toms.data_key$$),
    ($$UPDATE toms.data_key SET wrapped = NULL$$),
    ($$SELECT toms.bury_keys('{}')$$),
    ($$SELECT toms.rewrap_key(1, '', '', '2026-01-01', gen_random_uuid(), '', gen_random_uuid())$$),
    ($$SELECT toms.authenticate_export(gen_random_uuid(), '')$$),
    ($$SELECT toms.carry_out_instruction(1, '', '', '')$$);
GRANT EXECUTE ON FUNCTION regress.verdict(text) TO PUBLIC;
CREATE FUNCTION vault.may() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT statement FROM vault.call WHERE regress.verdict(statement) NOT LIKE 'refused: permission denied%' ORDER BY n;
$$;
SET SESSION AUTHORIZATION regress_officer;
SELECT vault.may();
SET SESSION AUTHORIZATION regress_keeper;
SELECT vault.may();
SET SESSION AUTHORIZATION regress_examiner;
SELECT vault.may();
SET SESSION AUTHORIZATION regress_app;
SELECT vault.may();
RESET SESSION AUTHORIZATION;

-- each time the ledger of erasures was told, so that a backup that brings keys back is known for it (test/t/rights_keys.pl); nobody is named
SELECT e.kind, e.tenant, e.subject, e.state, e.result -> 'keys' AS keys, l.kind, l.subject IS NOT NULL AS of_a_person FROM toms.erasure e JOIN toms.ledger l ON l.id = ANY (e.ledger) ORDER BY e.id;

ALTER SYSTEM RESET toms.key_grace;
SELECT pg_reload_conf();
SET client_min_messages = error;
SET toms.reason = 'end of the test';
DROP SCHEMA vault CASCADE;
ALTER TABLE toms.data_key DISABLE TRIGGER keep;
DELETE FROM toms.data_key WHERE tenant IN ('stark', 'wayne');
ALTER TABLE toms.data_key ENABLE ALWAYS TRIGGER keep;
DELETE FROM toms.enter_permission WHERE 'stark' = ANY (tenants);
DELETE FROM toms.key_epoch WHERE tenant IN ('stark', 'wayne', 'queen');
DELETE FROM toms.tenant WHERE tenant IN ('stark', 'wayne', 'queen');
SELECT toms.revoke_officer('regress_keeper', 'operator'), toms.revoke_officer('regress_examiner', 'auditor');
DROP ROLE regress_keeper, regress_examiner;
DELETE FROM toms.erasure;
TRUNCATE toms.ledger;
