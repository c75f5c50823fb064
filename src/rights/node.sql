-- Which nodes work with the data: named in the log outside, which a copy of the data directory does not bring along.
-- As long as none is named all do.

CREATE FUNCTION toms.ledger_members(l toms.ledger) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('"id":"%s","erasure":%s,"kind":"%s","check":"%s","tenant":"%s"', l.id, l.erasure, l.kind, toms.to_base64url(l.key_check), toms.to_base64url(l.tenant))
        || coalesce(format(',"subject":"%s"', toms.to_base64url(l.subject)), '') || coalesce(',"category":' || to_json(l.category), '')
        || format(',"system":"%s","database":%s,"timeline":%s,"xid":"%s","at":"%s"', l.system,
                  (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()), l.timeline, l.xid, toms.iso_time(l.intended_at));
$$;
REVOKE ALL ON FUNCTION toms.ledger_members(toms.ledger) FROM PUBLIC;
COMMENT ON FUNCTION toms.ledger_members(toms.ledger) IS 'internal: what the log outside is told of a row of the ledger';

CREATE FUNCTION toms.named_nodes()
RETURNS TABLE (node text, place text, at timestamptz, by text, reason text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT n.said ->> 'node', n.said ->> 'place', (n.said ->> 'at')::timestamptz, n.said ->> 'by', n.said ->> 'reason'
    FROM (SELECT DISTINCT ON (r.record::jsonb ->> 'node') r.record::jsonb AS said, r.type
          FROM toms.outside_records(toms.ledger_dataset()) r WHERE r.type IN ('node', 'node_dismissed') AND r.signed
          ORDER BY r.record::jsonb ->> 'node', r.n DESC) n
    WHERE n.type = 'node' ORDER BY 1;
END
$$;
REVOKE ALL ON FUNCTION toms.named_nodes() FROM PUBLIC;
COMMENT ON FUNCTION toms.named_nodes() IS 'internal: the nodes that work with the data, as the log outside names them';

CREATE FUNCTION toms.list_nodes()
RETURNS TABLE (node text, place text, at timestamptz, by text, reason text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF toms.outside_fault() IS NULL THEN
        RETURN QUERY SELECT * FROM toms.named_nodes();
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.list_nodes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.list_nodes() TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.list_nodes() IS 'internal: the rows of toms.nodes';

CREATE VIEW toms.nodes AS SELECT * FROM toms.list_nodes();
COMMENT ON VIEW toms.nodes IS 'nodes that work with the data of this database, as the log outside names them; none: all do';
GRANT SELECT ON toms.nodes TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.node_problem()
RETURNS text LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mine text := current_setting('toms.node');
    here text := toms.node_place();
    named integer;
    is_here boolean;
BEGIN
    SELECT count(*), bool_or(n.node = mine AND coalesce(n.place, here) = here) INTO named, is_here FROM toms.named_nodes() n;
    RETURN CASE WHEN named = 0 OR is_here THEN NULL
                WHEN mine = '' THEN 'toms.node is not set, and nodes are named outside of the database.'
                ELSE format('Node "%s" at %s is none of those that are named outside of the database.', mine, here) END;
END
$$;
REVOKE ALL ON FUNCTION toms.node_problem() FROM PUBLIC;
COMMENT ON FUNCTION toms.node_problem() IS 'internal: why this node is none of those that work with the data; NULL: it is one';

CREATE FUNCTION toms.write_node(type text, node text, place text, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(btrim(reason), '') = '' THEN
        RAISE EXCEPTION 'a reason is needed' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'It says what happened and who decided, for whoever verifies the log later.';
    END IF;
    IF coalesce(node, '') = '' THEN
        RAISE EXCEPTION 'a node needs a name' USING ERRCODE = 'invalid_parameter_value', HINT = 'toms.node names this one.';
    END IF;
    PERFORM toms.pass_gate(true);
    PERFORM toms.outside_write(type, format('"node":%s,"place":%s,"system":"%s","database":%s,"by":%s,"reason":%s,"at":"%s"', to_json(node), coalesce(to_json(place)::text, 'null'),
        (SELECT s.system_identifier FROM pg_control_system() s), (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
        to_json(session_user::text), to_json(reason), toms.iso_time(clock_timestamp())));
    PERFORM toms.pass_gate(false);
    PERFORM toms.forget_gate();
END
$$;
REVOKE ALL ON FUNCTION toms.write_node(text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.write_node(text, text, text, text) IS 'internal: name a node in the log outside, or take its name back';

-- Without a name: this one, where it is.  Another one may be named without its place, for instance a standby before it is promoted.
CREATE FUNCTION toms.admit_node(reason text, node text DEFAULT NULL, place text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.write_node('node', coalesce(node, current_setting('toms.node')), CASE WHEN node IS NULL THEN coalesce(place, toms.node_place()) ELSE place END, reason);
END
$$;
REVOKE ALL ON FUNCTION toms.admit_node(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.admit_node(text, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.admit_node(text, text, text) IS 'let a node work with the data: its name as in toms.node, and where it is; without a name this one';

CREATE FUNCTION toms.dismiss_node(node text, reason text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM toms.write_node('node_dismissed', node, NULL, reason);
END
$$;
REVOKE ALL ON FUNCTION toms.dismiss_node(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.dismiss_node(text, text) TO toms_admin;
COMMENT ON FUNCTION toms.dismiss_node(text, text) IS 'a node does not work with the data any more';

-- What the gate's answer comes from; rows of a dump arrive in replica mode.
CREATE TRIGGER "~toms_gate" AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.ledger FOR EACH STATEMENT EXECUTE FUNCTION toms.gate_look_again();
CREATE TRIGGER "~toms_gate" AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.dataset FOR EACH STATEMENT EXECUTE FUNCTION toms.gate_look_again();
ALTER TABLE toms.ledger ENABLE ALWAYS TRIGGER "~toms_gate";
ALTER TABLE toms.dataset ENABLE ALWAYS TRIGGER "~toms_gate";
