-- A rule for each of twenty tables, a thousand tenants with rows in each of them, none of them due.
SELECT count(toms.add_tenant('tenant_' || n, name => 'Tenant ' || n)) FROM generate_series(1, :tenants) n;
SELECT format('CREATE TABLE bench.idle_%s AS SELECT n AS id, ''tenant_'' || (1 + n %% :tenants) AS tenant, n %% 100 AS employee, now() AS at FROM generate_series(1, 10 * :tenants) n', t),
       format('ALTER TABLE bench.idle_%s ADD PRIMARY KEY (id), ALTER tenant SET NOT NULL, ALTER employee SET NOT NULL', t),
       format('ALTER TABLE bench.idle_%s OWNER TO bench_owner', t),
       format('CREATE INDEX ON bench.idle_%s (tenant, at)', t),
       format('SELECT toms.protect(''bench.idle_%s'', tenant => ''tenant'', subject => ''employee'')', t),
       format('SELECT toms.retain(''bench.idle_%s'', keep => ''1 year'', since => ''at'')', t)
FROM generate_series(1, :tables) t \gexec
VACUUM (ANALYZE);
