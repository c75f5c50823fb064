-- What the books are kept in, beside one of the examples and outside of what is protected.  :login runs the scripts.
\set ON_ERROR_STOP on
SET toms.reason = 'load';
CREATE SCHEMA load;
CREATE TABLE load.done (script text NOT NULL);                          -- a transaction says so if it commits
CREATE TABLE load.logged (script text NOT NULL, at numeric NOT NULL);    -- the client says when it has heard that, as seconds since 1970
CREATE TABLE load.does (script text NOT NULL, relation regclass NOT NULL, kind text NOT NULL, entries integer NOT NULL);   -- what it leaves in the trail
CREATE TABLE load.person (person integer NOT NULL);                     -- who has registered, and is to be erased
GRANT USAGE ON SCHEMA load TO :login, load_officer;
GRANT SELECT, INSERT, DELETE ON load.done, load.person TO :login, load_officer;
SELECT toms.grant_officer('load_officer', 'admin') \g /dev/null
CREATE FUNCTION load.count() RETURNS TABLE (relation regclass, rows bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR relation IN SELECT p.relation FROM toms.protected_tables p WHERE p.relation::text !~ '^toms\.' LOOP
        EXECUTE format('SELECT count(*) FROM %s', relation) INTO rows;
        RETURN NEXT;
    END LOOP;
END
$$;

SELECT current_database() = 'absence' AS absence, current_database() = 'timeclock' AS timeclock \gset
\if :absence
-- employees come by the job's log-in too
GRANT employee TO absence_job;
SELECT toms.allow_enter('absence_job', tenants => '{acme}', roles => '{employee,hr}') \g /dev/null
\endif
\if :timeclock
-- a company has ordered that it is known who is immunised
SELECT toms.record_instruction('backstube', 'enable_category', given_by => 'Herr Brot', wording => 'by letter') AS instruction \gset
SELECT toms.confirm_instruction(:instruction) \g /dev/null
SELECT toms.enable_category('backstube', 'health', :instruction) \g /dev/null
UPDATE clock.hygiene SET immunised = false WHERE tenant_id = 'backstube';
\endif
