-- What the guard says on request: access, refusals of observed tables, state.

CREATE FUNCTION toms.explain_access(relation regclass, verb text) RETURNS text
    LANGUAGE c VOLATILE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'toms_explain_access';
COMMENT ON FUNCTION toms.explain_access(regclass, text) IS 'whether this session may do that now: permitted, or the first reason why not and the SQL that helps';

-- observe mode -----------------------------------------------------------------------

CREATE FUNCTION toms.would_refuse_entries(OUT relation regclass, OUT verbs text, OUT login regrole, OUT role text, OUT purpose text,
                                          OUT reason text, OUT detail text, OUT remedy text, OUT query_id bigint,
                                          OUT count bigint, OUT first_seen timestamptz, OUT last_seen timestamptz)
RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_would_refuse';
REVOKE ALL ON FUNCTION toms.would_refuse_entries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.would_refuse_entries() TO toms_admin, toms_auditor, toms_operator;
COMMENT ON FUNCTION toms.would_refuse_entries() IS 'internal: findings of tables in observe mode since the server started';

CREATE VIEW toms.would_refuse AS SELECT * FROM toms.would_refuse_entries();
COMMENT ON VIEW toms.would_refuse IS 'what tables in observe mode would have refused, with the SQL that would permit it';
GRANT SELECT ON toms.would_refuse TO toms_admin, toms_auditor, toms_operator;

CREATE FUNCTION toms.reset_would_refuse() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_reset_would_refuse';
REVOKE ALL ON FUNCTION toms.reset_would_refuse() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.reset_would_refuse() TO toms_admin;
COMMENT ON FUNCTION toms.reset_would_refuse() IS 'forget what toms.would_refuse lists, to see whether it is still found';

-- state --------------------------------------------------------------------------------

CREATE FUNCTION toms.guard_state(OUT library_version text, OUT refusals bigint, OUT administrative_accesses bigint,
                                 OUT would_refuse integer, OUT keyring_configured boolean)
    LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_guard_state';
REVOKE ALL ON FUNCTION toms.guard_state() FROM PUBLIC;
COMMENT ON FUNCTION toms.guard_state() IS 'internal: counters since the server started';

-- what foreign keys do: carried.c -------------------------------------------------------------

CREATE FUNCTION toms.check_carried(relation regclass, ours boolean) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_check_carried';
COMMENT ON FUNCTION toms.check_carried(regclass, boolean) IS 'internal: refuse a row of another tenant, for what foreign keys do';

-- whether protected tables may be used: gate.c ------------------------------------------------

CREATE FUNCTION toms.gate_state(OUT gate text, OUT problem text)
    LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'toms_gate_state';
REVOKE ALL ON FUNCTION toms.gate_state() FROM PUBLIC;
COMMENT ON FUNCTION toms.gate_state() IS 'internal: whether protected tables of this database may be used, as last found: unknown (nobody has looked), open, restored, ledger, node, version; and why not';

CREATE FUNCTION toms.gate_look_again() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_gate_look_again';
REVOKE ALL ON FUNCTION toms.gate_look_again() FROM PUBLIC;
COMMENT ON FUNCTION toms.gate_look_again() IS 'internal: trigger of what tells whether protected tables may be used';

CREATE FUNCTION toms.forget_gate() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'toms_forget_gate';
REVOKE ALL ON FUNCTION toms.forget_gate() FROM PUBLIC;
COMMENT ON FUNCTION toms.forget_gate() IS 'internal: once this transaction has committed it is looked again whether protected tables may be used';

CREATE FUNCTION toms.pass_gate("on" boolean) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'toms_pass_gate';
REVOKE ALL ON FUNCTION toms.pass_gate(boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.pass_gate(boolean) IS 'internal: what this transaction does is not stopped by closed tables; until it is taken back';
