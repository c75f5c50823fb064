--
-- rights_limited: what is about a restricted person is not reached by a way around his rows either
--
-- A sealed value that somebody took along while it was open to him: in a table of his own, a variable, a parameter.  A plan that
-- was made before.  Parallel workers.  A statistic.  The same for one who has objected to the purpose.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SET datestyle = 'ISO, YMD';
CREATE SCHEMA lim AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA lim TO PUBLIC;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE lim.person (tenant text NOT NULL, id integer NOT NULL, login text NOT NULL, UNIQUE (tenant, id), UNIQUE (tenant, login));
CREATE TABLE lim.sick (id integer GENERATED ALWAYS AS IDENTITY, tenant text NOT NULL, person integer NOT NULL, day date NOT NULL, team text, sick toms.health_flag, hours numeric);
CREATE TABLE lim.letter (tenant text NOT NULL, login text NOT NULL, words toms.sealed_text);
INSERT INTO lim.person SELECT 'acme', n, 'login' || n FROM generate_series(11, 18) n;
RESET SESSION AUTHORIZATION;
SELECT toms.protect('lim.person', tenant => 'tenant', subject => 'id');
SELECT toms.add_subject_alias('lim.person', canonical => 'id', alias => 'login');
SELECT toms.protect('lim.sick', tenant => 'tenant', subject => 'person', category => 'health');
SELECT toms.protect('lim.letter', tenant => 'tenant', subject => 'login', subject_alias => 'lim.person.login');
SELECT count(toms.add_purpose(p, description => 'test', legal_basis => 'test')) FROM unnest('{lim_care,lim_tax}'::text[]) p;
SELECT toms.add_purpose('lim_planning', description => 'test', legal_basis => 'test', granularity => 'aggregate', min_group => 5);
SELECT count(toms.permit('regress_hr', t, '{select,insert,update}', '{lim_care,lim_tax}', 'tenant')) FROM unnest('{lim.person,lim.sick,lim.letter}'::regclass[]) t;
SELECT toms.permit('regress_hr', 'lim.sick', '{select}', '{lim_planning}', 'tenant') > 0;
SELECT count(toms.permit('regress_employee', t, '{select}', '{lim_care}', 'own')) FROM unnest('{lim.sick,lim.letter}'::regclass[]) t;
SELECT count(toms.add_statistic('lim_' || m, relation => 'lim.sick', dimensions => '{team}', measure => m, purpose => 'lim_planning', period => 'day')) FROM unnest('{sick,hours}'::text[]) m;
CREATE FUNCTION lim.instruct(kind text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    id bigint := toms.record_instruction('acme', kind, given_by => 'D. Manager', wording => 'Do so.', subject => '17');
BEGIN
    PERFORM toms.confirm_instruction(id);
    RETURN id;
END
$$;

-- Eight persons of one team.  The application keeps values that it has read, and brings them again: of the database's own tables none
-- that is not protected takes them from a query.
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_care') \gset
INSERT INTO lim.sick (tenant, person, day, team, sick, hours) SELECT 'acme', n, '2020-01-10', 'north', n % 2 = 1, 30 + n FROM generate_series(11, 18) n;
INSERT INTO lim.letter SELECT 'acme', 'login' || n, 'words of ' || n FROM generate_series(17, 18) n;
COMMIT;
CREATE TEMPORARY TABLE taken (person integer, sick text, words text);
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_care') \gset
SELECT regress.verdict('INSERT INTO taken SELECT person, sick FROM lim.sick');                          -- refused
SELECT sick AS his, words AS his_words FROM lim.sick JOIN lim.letter ON login = 'login' || person WHERE person = 17 \gset
SELECT sick AS of_other, words AS words_of_other FROM lim.sick JOIN lim.letter ON login = 'login' || person WHERE person = 18 \gset
INSERT INTO taken VALUES (17, :'his', :'his_words'), (18, :'of_other', :'words_of_other');
SELECT person, toms.reveal(sick::toms.health_flag), toms.reveal(words::toms.sealed_text) FROM taken ORDER BY person;        -- both
COMMIT;
PREPARE look (integer) AS SELECT string_agg(toms.reveal(sick)::text, ',') FROM lim.sick WHERE person = $1;
PREPARE everybody AS SELECT count(*), count(*) FILTER (WHERE toms.reveal(sick)) FROM lim.sick;
PREPARE open (toms.health_flag) AS SELECT toms.reveal($1);
CREATE FUNCTION pg_temp.opened(value toms.health_flag) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN toms.reveal(value); END $$;
SET plan_cache_mode = force_generic_plan;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_care') \gset
EXECUTE look (17); EXECUTE everybody; EXECUTE open (:'his');                                            -- true; 8, 4; true
SELECT pg_temp.opened(:'his');                                                                          -- true
COMMIT;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_planning') \gset
SELECT dimensions, period, subjects, value FROM toms.statistic('lim_sick');                             -- 8 persons, of whom 4 were ill
COMMIT;

CREATE FUNCTION pg_temp.tries() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT s || ': ' || regress.verdict(s) FROM unnest(ARRAY[
        'SELECT toms.reveal(sick::toms.health_flag) FROM taken WHERE person = 18',
        'SELECT toms.reveal(sick::toms.health_flag) FROM taken WHERE person = 17',
        'SELECT toms.reveal(sick::toms.health_flag, ''lim.sick'', ''17'') FROM taken WHERE person = 17',
        'SELECT toms.reveal(words::toms.sealed_text) FROM taken WHERE person = 18',
        'SELECT toms.reveal(words::toms.sealed_text) FROM taken WHERE person = 17',
        'SELECT pg_temp.opened(sick::toms.health_flag) FROM taken WHERE person = 17']) s $$;

-- An open transaction meets the restriction with its next statement
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_care') \gset
SELECT toms.reveal(sick::toms.health_flag) FROM taken WHERE person = 17;
RESET SESSION AUTHORIZATION;
SELECT toms.restrict_subject('acme', '17', lim.instruct('restrict'), purposes => '{lim_tax}') -> 'rows' -> 'lim.sick';
SET SESSION AUTHORIZATION regress_job;
SELECT regress.verdict('SELECT toms.reveal(sick::toms.health_flag) FROM taken WHERE person = 17');      -- refused
COMMIT;

--
-- What was taken along is closed; other persons' values are not, nor his for a purpose that the restriction names
--
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_care') \gset
SELECT pg_temp.tries();
SELECT regress.verdict(format('EXECUTE open (%L)', :'his'));                                            -- refused
EXECUTE look (17); EXECUTE look (18); EXECUTE everybody;                                                -- his is gone; false; 7, 3
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_tax') \gset
SELECT pg_temp.tries();                                                                                 -- everything
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '17', 'regress_employee', 'lim_care') \gset
SELECT regress.verdict('SELECT toms.reveal(sick::toms.health_flag) FROM taken WHERE person = 17');      -- refused: by him too, for this purpose
ROLLBACK;
\set VERBOSITY default
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_care') \gset
SELECT toms.reveal(sick::toms.health_flag) FROM taken WHERE person = 17;
ROLLBACK;
\set VERBOSITY terse

--
-- Parallel workers see no more
--
RESET SESSION AUTHORIZATION;
ANALYZE lim.sick;
SET SESSION AUTHORIZATION regress_job;
SELECT set_config(name, 'on', false) AS parallel FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \gset
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2; SET parallel_leader_participation = off;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_care') \gset
EXPLAIN (COSTS OFF) SELECT count(*), count(*) FILTER (WHERE person = 17) FROM lim.sick;
SELECT count(*), count(*) FILTER (WHERE person = 17) FROM lim.sick;                                     -- 7, 0
SELECT count(*) FILTER (WHERE toms.reveal(sick)) FROM lim.sick;                                         -- 3
ROLLBACK;
SELECT set_config(name, 'off', false) AS parallel FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \gset
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather; RESET parallel_leader_participation;

--
-- A statistic counts him no more; what it published before stays as it is
--
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_planning') \gset
SELECT dimensions, period, subjects, value FROM toms.statistic('lim_hours');                            -- 7 persons, without the 47 hours of his
SELECT dimensions, period, subjects, value FROM toms.statistic('lim_sick');                             -- 8, 4
COMMIT;

--
-- It ends with the restriction; an objection does the same
--
RESET SESSION AUTHORIZATION;
SELECT toms.unrestrict_subject('acme', '17', lim.instruct('unrestrict'), clock_timestamp()) -> 'rows' -> 'lim.sick';
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_care') \gset
EXECUTE look (17); EXECUTE everybody; EXECUTE open (:'his');                                            -- true; 8, 4; true
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT toms.record_objection('acme', '17', purpose => 'lim_care') > 0;
SET SESSION AUTHORIZATION regress_job;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_care') \gset
SELECT pg_temp.tries();
EXECUTE look (17); EXECUTE everybody;
ROLLBACK;
BEGIN; SELECT toms.enter('acme', '1', 'regress_hr', 'lim_tax') \gset
SELECT regress.verdict('SELECT toms.reveal(sick::toms.health_flag) FROM taken WHERE person = 17');      -- he has objected to the other purpose
ROLLBACK;

RESET SESSION AUTHORIZATION;
DEALLOCATE ALL;
DROP TABLE taken;
SELECT toms.drop_statistic(name, reason => 'end of the test') FROM toms.statistics WHERE dropped_at IS NULL;
SET toms.reason = 'end of the test';
DROP SCHEMA lim CASCADE;
DELETE FROM toms.objection; DELETE FROM toms.restriction; DELETE FROM toms.instruction_event; DELETE FROM toms.instruction;
DELETE FROM toms.purpose WHERE purpose LIKE 'lim%';
