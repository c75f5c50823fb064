-- Many protected tables, a tenth of them partitioned, with permissions for many tenants: what toms.check() has to look at.
CREATE EXTENSION toms;
CREATE ROLE bench_owner;
CREATE ROLE bench_hr;
CREATE ROLE bench_app LOGIN IN ROLE bench_hr;
CREATE ROLE officer LOGIN;
SELECT toms.grant_officer('officer', 'auditor');
SELECT toms.add_purpose('bench', description => 'bench', legal_basis => 'none');
SELECT count(toms.add_tenant('tenant' || n, name => 'Tenant ' || n)) FROM generate_series(1, :tenants) n;

CREATE SCHEMA bench AUTHORIZATION bench_owner;
GRANT USAGE ON SCHEMA bench TO bench_hr;
SET ROLE bench_owner;
SELECT format('CREATE TABLE bench.t%s (id bigint, tenant text NOT NULL, who bigint NOT NULL, at date NOT NULL, hours integer, PRIMARY KEY (tenant, id, at)) %s', n,
              CASE WHEN n <= :tables / 10 THEN 'PARTITION BY RANGE (at)' END)
FROM generate_series(1, :tables) n \gexec
SELECT format('CREATE TABLE bench.t%1$s_%2$s PARTITION OF bench.t%1$s FOR VALUES FROM (%3$L) TO (%4$L)', n, p, date '2026-01-01' + p, date '2026-01-02' + p)
FROM generate_series(1, :tables / 10) n, generate_series(1, :partitions * 10 / :tables) p \gexec
SELECT format('GRANT SELECT, INSERT ON bench.t%s TO bench_hr', n) FROM generate_series(1, :tables) n \gexec
RESET ROLE;
SELECT format('SELECT toms.protect(%1$L, tenant => ''tenant'', subject => ''who'');
               SELECT toms.permit(role => ''bench_hr'', relation => %1$L, verbs => ''{select,insert}'', purposes => ''{bench}'', scope => ''tenant'');', 'bench.t' || n)
FROM generate_series(1, :tables) n \gexec
ANALYZE;
