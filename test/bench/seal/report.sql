-- Medians, and the differences and ratios that say something.
\set ON_ERROR_STOP on
SET toms.reason = 'bench';
CREATE TEMPORARY VIEW median AS
    SELECT statement, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS seconds FROM bench.time GROUP BY statement;
CREATE FUNCTION pg_temp.ns(work text, read text, divide_by bigint) RETURNS numeric LANGUAGE sql AS $$
    SELECT round((1e9 * ((SELECT seconds FROM median WHERE statement = work) - coalesce((SELECT seconds FROM median WHERE statement = read), 0)) / divide_by)::numeric);
$$;
CREATE FUNCTION pg_temp.ratio(of text, against text) RETURNS numeric LANGUAGE sql AS $$
    SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY o.seconds / a.seconds)::numeric, 2)
    FROM bench.time o JOIN bench.time a USING (round) WHERE o.statement = ratio.of AND a.statement = against;
$$;
\pset format aligned
\pset footer off
SELECT what, nanoseconds AS "ns per value", round(1e9 / nullif(nanoseconds, 0)) AS "values per second and core"
FROM (VALUES (1, 'libsodium: seal one byte', :sodium_seal),
             (2, 'toms: a plain value taken in (pending)', pg_temp.ns('cast', 'read', :rows)),
             (3, 'toms: a row''s value, from the client to the table', pg_temp.ns('insert sealed', 'insert protected', :rows)),
             (4, 'pgcrypto: encrypt(), AES without authentication', pg_temp.ns('aes', 'read bytes', :rows)),
             (5, 'pgcrypto: pgp_sym_encrypt()', pg_temp.ns('pgp', NULL, :few)),
             (6, 'libsodium: open one byte', :sodium_open),
             (7, 'toms: toms.reveal()', pg_temp.ns('reveal', 'read sealed', :rows)),
             (8, 'pgcrypto: decrypt(), AES without authentication', pg_temp.ns('open aes', 'read aes', :rows)),
             (9, 'pgcrypto: pgp_sym_decrypt()', pg_temp.ns('open pgp', NULL, :few))) v (n, what, nanoseconds)
ORDER BY n;
SELECT pg_temp.ratio('insert sealed', 'insert plain') AS "bulk insert, sealed : plain, not protected",
       pg_temp.ratio('insert sealed', 'insert protected') AS "sealed : plain, protected",
       (SELECT max(pg_column_size(sick)) FROM bench.stored) AS "bytes of a flag";
