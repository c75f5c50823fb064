-- Probes of the audit trail: what goes into it, whether it is whole, who can read his part of it, how long it stays.

-- changes ----------------------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('audit_rows_all', 'en', 'Of %1$s protected tables and partitions, changes of rows of %2$s are recorded, each in the transaction that makes it, replicated ones too.'),
    ('audit_rows_all', 'de', 'Von %1$s geschützten Tabellen und Partitionen werden die Änderungen an Zeilen von %2$s aufgezeichnet, jede in der Transaktion, die sie vornimmt, auch replizierte.'),
    ('audit_rows_missing', 'en', '%1$s has no trigger "%2$s": what happens there is not recorded.'),
    ('audit_rows_missing', 'de', '%1$s hat keinen Trigger „%2$s“: Was dort geschieht, wird nicht aufgezeichnet.'),
    ('audit_rows_disabled', 'en', 'Trigger "%2$s" of %1$s does not fire always: not everything that happens there is recorded.'),
    ('audit_rows_disabled', 'de', 'Trigger „%2$s“ von %1$s feuert nicht immer: Nicht alles, was dort geschieht, wird aufgezeichnet.'),
    ('audit_rows_altered', 'en', 'Trigger "%2$s" of %1$s is not as toms has made it: not everything that happens there is recorded.'),
    ('audit_rows_altered', 'de', 'Trigger „%2$s“ von %1$s ist nicht so, wie toms ihn angelegt hat: Nicht alles, was dort geschieht, wird aufgezeichnet.'),
    ('audit_rows_elsewhere', 'en', 'Rows of foreign table %1$s are in another database: their changes are recorded there or nowhere.'),
    ('audit_rows_elsewhere', 'de', 'Die Zeilen der Fremdtabelle %1$s liegen in einer anderen Datenbank: Ihre Änderungen werden dort aufgezeichnet oder nirgends.');

-- The trigger types are those of pg_trigger.h: AFTER, row: INSERT, UPDATE, DELETE; AFTER, statement: TRUNCATE.
CREATE FUNCTION toms.audit_trigger_states()
RETURNS TABLE (relation regclass, root regclass, trigger name, state text) LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.relation, p.root, w.trigger,
           CASE WHEN t.oid IS NULL THEN 'missing'
                WHEN t.tgfoid <> w.function OR t.tgtype <> w.type OR t.tgqual IS NOT NULL OR t.tgattr::text <> '' THEN 'altered'
                WHEN t.tgenabled <> 'A' THEN 'disabled' END
    FROM toms.protected_tables p JOIN pg_class c ON c.oid = p.relation AND c.relkind IN ('r', 'p'),
         (VALUES ('~toms_audit'::name, 'toms.audit_row()'::regprocedure, 29), ('~toms_audit_truncate', 'toms.audit_truncate()', 32)) w (trigger, function, type)
         LEFT JOIN LATERAL (SELECT g.* FROM pg_trigger g WHERE g.tgrelid = p.relation AND g.tgname = w.trigger) t ON true
    WHERE p.mode = 'enforce';
$$;
REVOKE ALL ON FUNCTION toms.audit_trigger_states() FROM PUBLIC;
COMMENT ON FUNCTION toms.audit_trigger_states() IS 'internal: the triggers that take changes of protected tables into the trail, and what is wrong with them';

CREATE FUNCTION toms.probe_audit_rows()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT f FROM toms.found_unprotected() f
    UNION ALL
    SELECT f FROM toms.found_observed() f
    UNION ALL
    SELECT toms.found('fail', 'audit_rows_' || t.state, ARRAY[t.relation::text, t.trigger::text],
                      CASE t.state WHEN 'altered' THEN format('DROP TRIGGER %I ON %s; ', t.trigger, CASE WHEN g.tgparentid <> 0 THEN t.root ELSE t.relation END) ELSE '' END
                      || format('SELECT toms.audit_changes(%L);', t.root))
    FROM toms.audit_trigger_states() t LEFT JOIN pg_trigger g ON g.tgrelid = t.relation AND g.tgname = t.trigger
    WHERE t.state IS NOT NULL
    UNION ALL
    SELECT toms.found('partial', 'audit_rows_elsewhere', ARRAY[t.relid::text], format('DROP FOREIGN TABLE %s;', t.relid)) FROM toms.protected_tree(toms.protected_roots()) t WHERE t.kind = 'f'
    UNION ALL
    SELECT toms.found('pass', 'audit_rows_all', ARRAY[count(*)::text, (count(*) FILTER (WHERE s.whole))::text])
    FROM (SELECT bool_and(t.state IS NULL) AS whole FROM toms.audit_trigger_states() t GROUP BY t.relation) s HAVING count(*) > 0;
$$;
REVOKE ALL ON FUNCTION toms.probe_audit_rows() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_audit_rows() IS 'internal: whether every change of a protected row is recorded';

-- reads -------------------------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('audit_reads_all', 'en', 'Reads of %1$s protected tables are recorded; of the %2$s that hold data of Art. 9 GDPR, %3$s let no row out before its reading is on disk.'),
    ('audit_reads_all', 'de', 'Lesezugriffe auf %1$s geschützte Tabellen werden aufgezeichnet; davon mit Daten nach Art. 9 DSGVO: %2$s; davon geben keine Zeile heraus, bevor der Zugriff auf der Platte festgehalten ist: %3$s.'),
    ('audit_reads_late', 'en', 'Table %1$s holds data of Art. 9 GDPR, and its rows are shown before their reading is recorded.'),
    ('audit_reads_late', 'de', 'Tabelle %1$s enthält Daten nach Art. 9 DSGVO, und ihre Zeilen werden gezeigt, bevor der Zugriff aufgezeichnet ist.'),
    ('audit_reads_volatile', 'en', 'toms.audit_synchronous_commit is off: a crash can lose reads that nobody waited for.'),
    ('audit_reads_volatile', 'de', 'toms.audit_synchronous_commit ist off: Ein Absturz kann Lesezugriffe verlieren, auf die niemand gewartet hat.'),
    ('audit_reads_standby', 'en', 'On standbys reads go to the server log instead of the trail (toms.standby_reads is log).'),
    ('audit_reads_standby', 'de', 'Auf Standby-Servern gehen Lesezugriffe in das Log des Servers statt in das Protokoll (toms.standby_reads ist log).');

-- As protect() would do it, with all else as it is.
CREATE FUNCTION toms.audit_reads_strictly(relation regclass)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today record;
BEGIN
    PERFORM toms.lock_relation(relation);
    SELECT * INTO today FROM toms.describe(relation);
    IF today.root IS DISTINCT FROM relation THEN
        RAISE EXCEPTION 'table % is not protected by itself', relation USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = format('SELECT toms.protect(%L, tenant => ''…'', read_audit => ''strict'');', relation);
    END IF;
    PERFORM toms.apply_protection(relation, toms.column_labels(relation), today.category, today.null_tenant, today.access, today.free_text, 'strict', today.mode);
    INSERT INTO toms.protection_history (relation_name, action, mode, tenant, subject, category, detail, by)
    VALUES (relation::text, 'protect', today.mode, today.tenant, today.subject, today.category, 'read audit strict', session_user);
END
$$;
REVOKE ALL ON FUNCTION toms.audit_reads_strictly(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.audit_reads_strictly(regclass) TO toms_admin;
COMMENT ON FUNCTION toms.audit_reads_strictly(regclass) IS 'from now on no row of a protected table is shown before its reading is recorded; all else stays as toms.protect() has it';

CREATE FUNCTION toms.special_tables()
RETURNS SETOF regclass LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.relation FROM toms.protected_tables p
    WHERE p.root = p.relation AND EXISTS (SELECT FROM toms.category c WHERE c.article9
              AND (c.category = p.category OR c.category IN (SELECT l.category FROM toms.row_labels l WHERE l.relation = p.relation)));
$$;
REVOKE ALL ON FUNCTION toms.special_tables() FROM PUBLIC;
COMMENT ON FUNCTION toms.special_tables() IS 'internal: protected tables of which rows are of a category of Art. 9 GDPR';

CREATE FUNCTION toms.probe_audit_reads()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH tables AS MATERIALIZED (SELECT p.*, p.relation IN (SELECT s FROM toms.special_tables() s) AS special FROM toms.protected_tables p WHERE p.root = p.relation AND p.mode = 'enforce')
    SELECT f FROM toms.found_unprotected() f
    UNION ALL
    SELECT f FROM toms.found_observed() f
    UNION ALL
    SELECT f FROM toms.found_writer() f
    UNION ALL
    SELECT toms.found('partial', 'audit_reads_late', ARRAY[t.relation::text], format('SELECT toms.audit_reads_strictly(%L);', t.relation))
    FROM tables t WHERE t.special AND t.read_audit <> 'strict'
    UNION ALL
    SELECT toms.found('partial', 'audit_reads_volatile', NULL, toms.set_server('toms.audit_synchronous_commit', 'on'))
    WHERE current_setting('toms.audit_synchronous_commit') = 'off'
    UNION ALL
    SELECT toms.found('partial', 'audit_reads_standby', NULL, toms.set_server('toms.standby_reads', 'refuse'))
    WHERE current_setting('toms.standby_reads') = 'log'
    UNION ALL
    SELECT toms.found('pass', 'audit_reads_all', ARRAY[count(*)::text, (count(*) FILTER (WHERE t.special))::text, (count(*) FILTER (WHERE t.special AND t.read_audit = 'strict'))::text])
    FROM tables t HAVING count(*) > 0;
$$;
REVOKE ALL ON FUNCTION toms.probe_audit_reads() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_audit_reads() IS 'internal: whether every read of protected rows is recorded';

-- log-ins -----------------------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('audit_sessions_all', 'en', 'Log-ins, failed ones too, and log-outs are recorded with user name and address; %1$s in the last 24 hours.'),
    ('audit_sessions_all', 'de', 'Anmeldungen, auch fehlgeschlagene, und Abmeldungen werden mit Benutzername und Adresse aufgezeichnet; %1$s in den letzten 24 Stunden.'),
    ('audit_sessions_some', 'en', 'Only failed log-ins are recorded (toms.audit_logins is failed).'),
    ('audit_sessions_some', 'de', 'Nur fehlgeschlagene Anmeldungen werden aufgezeichnet (toms.audit_logins ist failed).'),
    ('audit_sessions_none', 'en', 'Log-ins are not recorded (toms.audit_logins is none).'),
    ('audit_sessions_none', 'de', 'Anmeldungen werden nicht aufgezeichnet (toms.audit_logins ist none).'),
    ('audit_sessions_lost', 'en', '%1$s log-ins found no room and are not in the trail one by one.'),
    ('audit_sessions_lost', 'de', '%1$s Anmeldungen fanden keinen Platz und stehen nicht einzeln im Protokoll.');

CREATE FUNCTION toms.probe_audit_sessions()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT f FROM toms.found_writer() f
    UNION ALL
    SELECT CASE current_setting('toms.audit_logins')
        WHEN 'all' THEN toms.found('pass', 'audit_sessions_all', ARRAY[(SELECT count(*) FROM toms.audit_entry e WHERE e.kind = 's' AND e.at > now() - interval '1 day')::text])
        WHEN 'failed' THEN toms.found('partial', 'audit_sessions_some', NULL, m.remedy)
        ELSE toms.found('fail', 'audit_sessions_none', NULL, m.remedy) END
    FROM (VALUES ('ALTER SYSTEM SET toms.audit_logins = ''all''; SELECT pg_reload_conf();')) m (remedy)
    UNION ALL
    SELECT toms.found('partial', 'audit_sessions_lost', ARRAY[l.lost::text]) FROM toms.login_state() l WHERE l.lost > 0;
$$;
REVOKE ALL ON FUNCTION toms.probe_audit_sessions() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_audit_sessions() IS 'internal: whether log-ins and log-outs are recorded';

-- values ------------------------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('audit_values_none', 'en', 'The trail holds which columns of %1$s protected tables were changed, and no value without a consent; %2$s consents are in force.'),
    ('audit_values_none', 'de', 'Das Protokoll enthält, welche Spalten von %1$s geschützten Tabellen geändert wurden, und ohne Zustimmung keinen Wert; %2$s Zustimmungen gelten zurzeit.'),
    ('audit_values_consented', 'en', 'Values of table %1$s are recorded until %2$s, by instruction %3$s.'),
    ('audit_values_consented', 'de', 'Werte der Tabelle %1$s werden bis %2$s aufgezeichnet, aufgrund der Weisung %3$s.'),
    ('audit_values_unfounded', 'en', 'Values of table %1$s are recorded, and instruction %2$s, which is said to allow it, does not.'),
    ('audit_values_unfounded', 'de', 'Werte der Tabelle %1$s werden aufgezeichnet, und die Weisung %2$s, die das erlauben soll, tut es nicht.');

CREATE FUNCTION toms.probe_audit_values()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH consents AS MATERIALIZED (
        SELECT c.*, EXISTS (SELECT FROM toms.instruction i WHERE i.id = c.instruction AND i.tenant = c.tenant AND i.kind = 'audit_values'
                            AND i.state IN ('confirmed', 'carried_out')) AS founded
        FROM toms.audit_consent c WHERE c.ended_at IS NULL AND c.until > now())
    SELECT f FROM toms.found_unprotected() f
    UNION ALL
    SELECT CASE WHEN c.founded THEN toms.found('pass', 'audit_values_consented', ARRAY[c.relation::text, c.until::date::text, c.instruction::text], NULL, c.tenant)
                ELSE toms.found('fail', 'audit_values_unfounded', ARRAY[c.relation::text, c.instruction::text],
                                format('SELECT toms.declare_audit(%L, ''changes'', NULL, NULL, NULL);', c.relation), c.tenant) END
    FROM consents c
    UNION ALL
    SELECT toms.found('pass', 'audit_values_none', ARRAY[count(*)::text, (SELECT count(*) FROM consents)::text])
    FROM toms.protected_tables p WHERE p.root = p.relation AND p.mode = 'enforce' HAVING count(*) > 0;
$$;
REVOKE ALL ON FUNCTION toms.probe_audit_values() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_audit_values() IS 'internal: whether the trail holds values only where the controller has consented';
