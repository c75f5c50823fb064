--
-- policy_optional: columns of categories that a tenant has to enable first
--
-- A value is taken for tenants whose controller has instructed it; NULL is for all.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE SCHEMA op AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA op TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE op.trip (tenant text NOT NULL, employee integer NOT NULL, day date, place text, "Iban" text, note text, PRIMARY KEY (tenant, employee, day));
CREATE TABLE op.stop (id integer PRIMARY KEY, tenant text NOT NULL, place point);
CREATE TABLE op.stop_note (stop integer NOT NULL REFERENCES op.stop, spot point);
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.protect('op.trip', tenant => 'tenant', subject => 'employee');
SELECT toms.protect('op.stop', tenant => 'tenant');
SELECT toms.protect('op.stop_note', parent => 'op.stop', parent_key => 'stop');
SELECT count(toms.permit('regress_hr', r, '{select,insert,update,delete}', '{travel}', scope => 'tenant')) FROM unnest('{op.trip,op.stop,op.stop_note}'::regclass[]) r;
SELECT toms.permit('regress_employee', 'op.trip', '{select,insert,update}', '{travel}') > 0;

-- what can be labelled, and by whom
SELECT regress.verdict(s) FROM unnest(ARRAY[
    $$SELECT toms.label_column('op.trip', 'place', category => 'loc', optional => true)$$,              -- refused: no such category
    $$SELECT toms.label_column('op.trip', 'spot', category => 'location', optional => true)$$,          -- refused: no such column
    $$SELECT toms.label_column('op.trip', 'employee', category => 'location', optional => true)$$,      -- refused: whose the rows are
    $$SELECT toms.label_column('op.trip', 'place', category => NULL)$$,                                 -- refused
    $$SELECT toms.unlabel_column('op.trip', 'place')$$,                                                 -- refused: it has none
    $$SELECT toms.label_column('pg_class', 'relname', category => 'location')$$]) s;                    -- refused: not protected
SELECT toms.label_column('op.trip', 'place', category => 'location', optional => true);
SELECT toms.label_column('op.trip', 'Iban', category => 'billing');
SELECT toms.label_column('op.trip', 'tenant', category => 'billing');
SELECT toms.label_column('op.stop', 'place', category => 'location', optional => true);
SELECT toms.label_column('op.stop_note', 'spot', category => 'location', optional => true);
SET SESSION AUTHORIZATION regress_owner;
SELECT regress.verdict($$SELECT toms.unlabel_column('op.trip', 'place')$$);                             -- refused: not the owner
RESET SESSION AUTHORIZATION;
SELECT * FROM toms.labelled_columns ORDER BY relation::text, col;
SELECT kind, object, finding, remedy FROM toms.explain_protection('op.trip') WHERE kind = 'category';
SELECT relation, intact FROM toms.protected_tables WHERE relation::text LIKE 'op.%' ORDER BY 1;
SELECT pg_get_expr(polwithcheck, polrelid) FROM pg_policy WHERE polrelid = 'op.trip'::regclass AND polname = 'toms_insert';

-- a tenant that has not enabled it: NULL is taken, values are not
CREATE FUNCTION pg_temp.tries(role text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT s || ': ' || regress.verdict(s) FROM unnest(ARRAY[
        format('INSERT INTO op.trip VALUES (%L, 17, %L, %L)', toms.current_tenant(), '2026-01-01', 'Bonn'),
        format('INSERT INTO op.trip VALUES (%L, 17, %L, NULL, %L)', toms.current_tenant(), '2026-01-02', 'DE02'),
        format('INSERT INTO op.trip (tenant, employee, day) VALUES (%L, 17, %L)', toms.current_tenant(), '2026-01-03'),
        'UPDATE op.trip SET place = ''Ulm'' WHERE day = ''2026-01-03''',
        'UPDATE op.trip SET place = NULL, note = ''x'' WHERE true',
        format('INSERT INTO op.trip (tenant, employee, day) VALUES (%L, 17, %L) ON CONFLICT (tenant, employee, day) DO UPDATE SET place = ''Ulm''',
               toms.current_tenant(), '2026-01-03'),
        format('MERGE INTO op.trip t USING (VALUES (date %L)) s (day) ON t.day = s.day WHEN MATCHED THEN UPDATE SET place = ''Ulm''', '2026-01-02')]) s
    UNION ALL
    SELECT s || ': ' || regress.verdict(s) FROM unnest(ARRAY[
        format('INSERT INTO op.stop VALUES (%s, %L, ''(7,50)'')', CASE toms.current_tenant() WHEN 'acme' THEN 1 ELSE 2 END, toms.current_tenant()),
        format('INSERT INTO op.stop VALUES (%s, %L)', CASE toms.current_tenant() WHEN 'acme' THEN 3 ELSE 4 END, toms.current_tenant()),
        format('INSERT INTO op.stop_note VALUES (%s, ''(7,50)'')', CASE toms.current_tenant() WHEN 'acme' THEN 3 ELSE 4 END)]) s WHERE role = 'regress_hr' $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_temp TO PUBLIC;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'travel') \gset
SELECT pg_temp.tries('regress_hr');
COMMIT;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'travel') \gset
SELECT regress.verdict($$INSERT INTO op.trip VALUES ('acme', 17, '2026-02-01', 'Bonn')$$);              -- refused
SELECT regress.verdict($$INSERT INTO op.trip VALUES ('globex', 17, '2026-02-01', 'Bonn')$$);            -- refused: other tenant, first of all
\set VERBOSITY default
INSERT INTO op.trip VALUES ('acme', 17, '2026-02-01', 'Bonn');                                          -- and is told what to do
\set VERBOSITY terse
COMMIT;

-- by instruction of the controller, of that tenant and kind, and confirmed
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.record_instruction('acme', kind => 'enable_category', given_by => 'D. Manager', wording => 'Record where our people are.') AS instruction \gset
SELECT regexp_replace(regress.verdict(format(s, :instruction)), '[0-9]+,? ?', 'N ') FROM unnest(ARRAY[
    $$SELECT toms.enable_category('acme', 'location', instruction => %s)$$,                             -- refused: not confirmed
    $$SELECT toms.enable_category('globex', 'location', instruction => %s)$$,                           -- refused: another tenant's
    $$SELECT toms.enable_category('acme', 'loc', instruction => %s)$$,                                  -- refused: no such category
    $$SELECT toms.enable_category('acme', 'location', instruction => 0)$$,                              -- refused: no such instruction
    $$SELECT toms.disable_category('acme', 'location')$$]) s;                                           -- refused: not enabled
SELECT toms.confirm_instruction(:instruction);
-- an open transaction of the tenant takes it from its next statement on, and ROLLBACK takes it back
BEGIN;
SELECT toms.enable_category('acme', 'location', instruction => :instruction);
SELECT category, enabled_by, disabled_at FROM toms.enabled_category;
ROLLBACK;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'travel') \gset
SELECT regress.verdict($$INSERT INTO op.trip VALUES ('acme', 17, '2026-02-01', 'Bonn')$$);              -- refused
COMMIT;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.enable_category('acme', 'location', instruction => :instruction);
SELECT toms.enable_category('acme', 'location', instruction => :instruction);                           -- nothing happens
SELECT state FROM toms.instruction WHERE id = :instruction;
SELECT kind, object, finding FROM toms.explain_protection('op.trip') WHERE kind = 'category';
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'travel') \gset
SELECT pg_temp.tries('regress_hr');                                                                     -- taken
ROLLBACK;
BEGIN; SELECT toms.enter('globex', '17', 'regress_hr', 'travel') \gset
SELECT pg_temp.tries('regress_hr');                                                                     -- another tenant's are not
COMMIT;
-- a prepared statement: each execution asks anew
PREPARE write(text, date) AS INSERT INTO op.trip VALUES ($1, 17, $2, 'Bonn');
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'travel') \gset
EXECUTE write('acme', '2026-03-01'); EXECUTE write('acme', '2026-03-02'); EXECUTE write('acme', '2026-03-03');
EXECUTE write('acme', '2026-03-04'); EXECUTE write('acme', '2026-03-05'); EXECUTE write('acme', '2026-03-06');
COMMIT;
BEGIN; SELECT toms.enter('globex', '17', 'regress_employee', 'travel') \gset
EXECUTE write('globex', '2026-03-01');                                                                  -- refused
ROLLBACK;
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.disable_category('acme', 'location');
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'travel') \gset
EXECUTE write('acme', '2026-03-07');                                                                    -- refused
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'travel') \gset
SELECT count(place) FROM op.trip;                                                                       -- what is there stays
SELECT regress.verdict($$UPDATE op.trip SET note = 'x' WHERE day = '2026-03-01'$$);                     -- refused: the row holds a value
SELECT regress.verdict($$UPDATE op.trip SET place = NULL, note = 'x' WHERE day = '2026-03-01'$$);       -- ok
COMMIT;
DEALLOCATE write;
RESET SESSION AUTHORIZATION;
SELECT tenant, category, instruction = :instruction, enabled_by, disabled_by, disabled_at >= enabled_at FROM toms.enabled_category ORDER BY id;

-- protect() again, a new name, a new type, a partition: the category stays
SELECT toms.protect('op.trip', tenant => 'tenant', subject => 'employee', category => 'personal', mode => 'observe', reason => 'test');
SELECT toms.enforce('op.trip');
SELECT toms.protect('op.trip', tenant => 'tenant', subject => 'employee');
SET toms.reason = 'test';
ALTER TABLE op.trip RENAME COLUMN place TO "Where";
ALTER TABLE op.trip ALTER COLUMN "Where" TYPE varchar(100), ALTER COLUMN tenant TYPE varchar(200);
RESET toms.reason;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE op.trip_abroad (country char(2)) INHERITS (op.trip);
GRANT INSERT ON op.trip_abroad TO regress_hr;
RESET SESSION AUTHORIZATION;
SELECT * FROM toms.labelled_columns WHERE relation::text LIKE 'op.trip%' ORDER BY relation::text, col;
SELECT relation, intact FROM toms.protected_tables WHERE relation::text LIKE 'op.trip%' ORDER BY 1;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '17', 'regress_hr', 'travel') \gset
SELECT regress.verdict(format($$INSERT INTO %s VALUES ('acme', 17, '2026-04-01', 'Bonn')$$, r)) FROM unnest('{op.trip,op.trip_abroad}'::regclass[]) r;     -- refused, both
COMMIT;
RESET SESSION AUTHORIZATION;
SET toms.reason = 'migration';
SELECT regress.verdict(s) FROM unnest(ARRAY['ALTER TABLE op.trip DROP COLUMN "Where"',                  -- refused, with what to do
    'ALTER TABLE op.trip DROP COLUMN "Iban"', 'ALTER TABLE op.trip DROP COLUMN note']) s;
\set VERBOSITY default
ALTER TABLE op.trip DROP COLUMN "Where";
\set VERBOSITY terse
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.unlabel_column('op.trip', 'Where');
SELECT toms.label_column('op.stop', 'id', category => 'location', optional => false);
SELECT action, category, detail FROM toms.protection_history WHERE action LIKE '%label_column' AND relation_name = 'op.trip' ORDER BY id;
RESET SESSION AUTHORIZATION;
SELECT regress.verdict('ALTER TABLE op.trip DROP COLUMN "Where"');                                      -- ok
-- a policy that says otherwise closes the table
RESET SESSION AUTHORIZATION;
SET toms.reason = 'test';
DROP POLICY toms_insert ON op.stop;
CREATE POLICY toms_insert ON op.stop AS RESTRICTIVE FOR INSERT WITH CHECK (true);
RESET toms.reason;
SELECT intact FROM toms.protected_tables WHERE relation = 'op.stop'::regclass;
-- anybody may call the function, and learns no more than by writing
SET SESSION AUTHORIZATION regress_stranger;
SELECT regress.verdict($$SELECT toms.check_enabled('op.stop', 'insert', 'location')$$), regress.verdict($$SELECT toms.check_enabled(NULL, NULL, NULL)$$);
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
SET toms.reason = 'end of the test';
DROP SCHEMA op CASCADE;
DELETE FROM toms.enabled_category;
DELETE FROM toms.instruction_event WHERE instruction = :instruction;
DELETE FROM toms.instruction WHERE id = :instruction;
