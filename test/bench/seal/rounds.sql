-- All statements in turn, several rounds; run by bench_job.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET session.rounds = :rounds;
DO $$
DECLARE
    it record;
    began timestamptz;
BEGIN
    PERFORM toms.enter('acme', '1', 'bench_hr', 'bench');
    FOR round IN 1 .. current_setting('session.rounds')::integer LOOP
        FOR it IN SELECT * FROM (VALUES
            ('read', 'SELECT count(sick) FROM bench.source'),
            ('cast', 'SELECT count(sick::toms.health_flag) FROM bench.source'),
            ('read sealed', 'SELECT count(sick) FROM bench.stored'),
            ('reveal', 'SELECT count(toms.reveal(sick)) FROM bench.stored'),
            ('aes', 'SELECT count(encrypt(bytes, ''0123456789abcdef'', ''aes'')) FROM bench.source'),
            ('read bytes', 'SELECT count(bytes) FROM bench.source'),
            ('read aes', 'SELECT count(sick) FROM bench.aes'),
            ('open aes', 'SELECT count(decrypt(sick, ''0123456789abcdef'', ''aes'')) FROM bench.aes'),
            ('pgp', 'SELECT count(pgp_sym_encrypt(word, ''a password'')) FROM (SELECT word FROM bench.source LIMIT (SELECT count(*) FROM bench.pgp)) s'),
            ('open pgp', 'SELECT count(pgp_sym_decrypt(sick, ''a password'')) FROM bench.pgp'),
            ('insert plain', 'INSERT INTO bench.plain SELECT id, tenant, person, sick FROM bench.source'),
            ('insert protected', 'INSERT INTO bench.protected SELECT id, tenant, person, sick FROM bench.source'),
            ('insert sealed', 'INSERT INTO bench.sealed SELECT id, tenant, person, sick FROM bench.source')) v (name, statement)
        LOOP
            began := clock_timestamp();
            EXECUTE it.statement;
            INSERT INTO bench.time VALUES (it.name, round, extract(epoch FROM clock_timestamp() - began));
        END LOOP;
    END LOOP;
END
$$;
