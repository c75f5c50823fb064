-- What "make bench-tenant" compares toms with: a policy with current_setting() in two forms, and one with
-- the tenant as a constant, which is the least that row security costs; each for a log-in of its own.
\set ON_ERROR_STOP on
\set QUIET on
GRANT SELECT ON ALL TABLES IN SCHEMA setting TO bench_setting, bench_subselect, bench_constant, bench_again;
DO $$
DECLARE
    t text;
    type text;
BEGIN
    FOREACH t IN ARRAY '{absence,person,team,absence_named}'::text[] LOOP
        type := CASE t WHEN 'absence_named' THEN 'text' ELSE 'bigint' END;
        EXECUTE format('ALTER TABLE setting.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format($f$CREATE POLICY plain ON setting.%I TO bench_setting
                          USING (tenant_id = current_setting('app.tenant_id')::%s)$f$, t, type);
        EXECUTE format($f$CREATE POLICY subselect ON setting.%I TO bench_subselect
                          USING (tenant_id = (SELECT current_setting('app.tenant_id')::%s))$f$, t, type);
        EXECUTE format('CREATE POLICY constant ON setting.%I TO bench_constant USING (tenant_id = %L)', t,
                       CASE type WHEN 'text' THEN 'tenant-17' ELSE '17' END);
    END LOOP;
END
$$;
ALTER TABLE setting.absence_note ENABLE ROW LEVEL SECURITY;
CREATE POLICY through_absence ON setting.absence_note USING (absence_id IN (SELECT id FROM setting.absence));
