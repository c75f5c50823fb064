-- PL/Proxy, the router: where the tenant is. The cluster "tenants" is a foreign server with the nodes p0 and p1.
CREATE FUNCTION node_of(tenant text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$SELECT CASE WHEN tenant = 'acme' THEN 0 ELSE 1 END$$;
CREATE FUNCTION absences(tenant text, token text) RETURNS TABLE (id integer, employee_id integer, reason text) LANGUAGE plproxy AS $$
    CLUSTER 'tenants';
    RUN ON node_of(tenant);
$$;
