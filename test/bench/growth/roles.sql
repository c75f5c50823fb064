-- A log-in that serves a hundred roles.
CREATE ROLE bench_job LOGIN;
SELECT format('CREATE ROLE bench_%s', n) FROM generate_series(1, 100) n \gexec
SELECT format('GRANT bench_%s TO bench_job', n) FROM generate_series(1, 100) n \gexec
