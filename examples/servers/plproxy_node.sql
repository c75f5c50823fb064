-- PL/Proxy, each node: a call is a transaction of its own, which brings its token.
CREATE FUNCTION absences(tenant text, token text) RETURNS TABLE (id integer, employee_id integer, reason text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('toms.token', token, true);
    RETURN QUERY SELECT a.id, a.employee_id, a.reason FROM absence_plain a ORDER BY a.id;
END $$;
