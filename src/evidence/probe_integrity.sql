-- Probes of the trail as a thing of its own: is it whole, is it out of everybody's hands, does each controller get his part, how
-- long does it stay; and whether what leaves the database stands in it.

INSERT INTO toms.phrase VALUES
    ('trail_whole', 'en', 'Block %1$s of the trail was sealed at %2$s UTC. The last %3$s blocks, with %4$s entries, have been verified now: %5$s faults.'),
    ('trail_whole', 'de', 'Block %1$s des Protokolls wurde am %2$s UTC versiegelt. Soeben geprüfte Blöcke: %3$s, Einträge: %4$s, Fehler: %5$s.'),
    ('trail_empty', 'en', 'Nothing of the trail has been sealed yet.'),
    ('trail_empty', 'de', 'Vom Protokoll ist noch nichts versiegelt.'),
    ('trail_behind', 'en', 'Entries of the trail since %1$s UTC are not sealed.'),
    ('trail_behind', 'de', 'Einträge des Protokolls seit %1$s UTC sind nicht versiegelt.'),
    ('trail_fault', 'en', 'The trail is not as it was sealed: %1$s (block %2$s, entry %3$s).'),
    ('trail_fault', 'de', 'Das Protokoll ist nicht mehr so, wie es versiegelt wurde: %1$w (Block %2$s, Eintrag %3$s).'),
    ('trail_inside', 'en', 'Nothing outside the database knows the trail: who has the server and the keyring could write it anew (toms.outside is not set).'),
    ('trail_inside', 'de', 'Außerhalb der Datenbank ist nichts über das Protokoll hinterlegt: Wer Server und Schlüssel hat, könnte es neu schreiben (toms.outside ist nicht gesetzt).'),
    ('trail_outside', 'en', 'Its seals are told to a log outside the database (toms.outside).'),
    ('trail_outside', 'de', 'Die Siegel des Protokolls werden auch außerhalb der Datenbank abgelegt (toms.outside).'),
    ('trail_outside_lost', 'en', 'The log outside the database cannot be used: %1$s.'),
    ('trail_outside_lost', 'de', 'Die Ablage der Siegel außerhalb der Datenbank ist nicht nutzbar: %1$e.'),
    ('trail_unkeyed', 'en', 'There is no keyring: nothing can be sealed.'),
    ('trail_unkeyed', 'de', 'Es gibt keinen Schlüsselbund: Nichts kann versiegelt werden.'),
    ('trail_unused', 'en', 'Nothing has been written to the trail here yet: until then superusers may restore it.'),
    ('trail_unused', 'de', 'Hier wurde noch nichts in das Protokoll geschrieben: Bis dahin können Superuser es wiederherstellen.'),
    ('trail_own', 'en', 'Nobody but toms has a privilege on the %1$s tables of the trail, and none has a foreign trigger or rule.'),
    ('trail_own', 'de', 'Niemand außer toms hat Rechte an den %1$s Tabellen des Protokolls, und keine hat fremde Trigger oder Regeln.'),
    ('trail_granted', 'en', '%1$s has %2$s on %3$s, a table of the trail.'),
    ('trail_granted', 'de', '%1$s hat %2$s auf %3$s, einer Tabelle des Protokolls.'),
    ('trail_trigger', 'en', '%1$s, a table of the trail, has the foreign trigger or rule "%2$s".'),
    ('trail_trigger', 'de', '%1$s, eine Tabelle des Protokolls, hat den fremden Trigger oder die fremde Regel „%2$s“.');

-- As src/guard/trail.c knows them.
CREATE FUNCTION toms.trail_tables()
RETURNS SETOF pg_class LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c FROM pg_class c
    WHERE c.relnamespace = 'toms'::regnamespace AND c.relkind IN ('r', 'p')
      AND (c.relispartition AND c.relname LIKE 'audit\_%'
           OR c.relname IN ('audit_entry', 'audit_segment', 'audit_block', 'audit_pruned', 'audit_pruning', 'audit_period', 'audit_acknowledgement', 'audit_use', 'dataset',
                            'actor_release', 'audit_setting', 'break_glass_review'));
$$;
REVOKE ALL ON FUNCTION toms.trail_tables() FROM PUBLIC;
COMMENT ON FUNCTION toms.trail_tables() IS 'internal: the tables of the audit trail';

-- Reading is permitted by toms.permit(), and by what the extension grants.
CREATE FUNCTION toms.found_in_trail_tables()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH grants AS (
        SELECT c.oid::regclass AS relation, toms.grantee(a.grantee) AS grantee,
               string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges
        FROM toms.trail_tables() c, aclexplode(c.relacl) a
        WHERE a.grantee <> c.relowner
          AND NOT EXISTS (SELECT FROM pg_init_privs i, aclexplode(i.initprivs) o WHERE i.objoid = c.oid AND i.classoid = 'pg_class'::regclass AND i.objsubid = 0
                              AND (o.grantee, o.privilege_type) = (a.grantee, a.privilege_type))
          AND NOT (a.privilege_type = 'SELECT' AND c.oid = 'toms.audit_entry'::regclass
                   AND EXISTS (SELECT FROM toms.permission p WHERE p.relation = 'toms.audit_entry'::regclass AND p.role = a.grantee AND coalesce(p.valid_until > now(), true)))
        GROUP BY 1, 2)
    SELECT toms.found('fail', 'trail_granted', ARRAY[g.grantee, g.privileges, g.relation::text], format('REVOKE ALL ON %s FROM %s;', g.relation, g.grantee)) FROM grants g
    UNION ALL
    SELECT toms.found('fail', 'trail_trigger', ARRAY[t.tgrelid::regclass::text, t.tgname::text], format('DROP TRIGGER %I ON %s;', t.tgname, t.tgrelid::regclass))
    FROM toms.trail_tables() c JOIN pg_trigger t ON t.tgrelid = c.oid JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND p.pronamespace <> 'toms'::regnamespace
    UNION ALL
    SELECT toms.found('fail', 'trail_trigger', ARRAY[r.ev_class::regclass::text, r.rulename::text], format('DROP RULE %I ON %s;', r.rulename, r.ev_class::regclass))
    FROM toms.trail_tables() c JOIN pg_rewrite r ON r.ev_class = c.oid
    UNION ALL
    SELECT toms.found('partial', 'trail_unused', NULL, NULL) WHERE NOT EXISTS (SELECT FROM toms.audit_use)
    UNION ALL
    SELECT toms.found('pass', 'trail_own', ARRAY[(SELECT count(*) FROM toms.trail_tables())::text]) WHERE NOT EXISTS (SELECT FROM grants);
$$;
REVOKE ALL ON FUNCTION toms.found_in_trail_tables() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_in_trail_tables() IS 'internal: whether anybody but toms gets at the tables of the trail';

-- What has been written since the last seal, longer ago than its interval allows.
CREATE FUNCTION toms.unsealed_since()
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT min(e.at)
    FROM toms.audit_entry e LEFT JOIN LATERAL (SELECT b.sealed_at, b.snapshot FROM toms.audit_block b ORDER BY b.number DESC LIMIT 1) b ON true
    WHERE e.at < now() - 2 * current_setting('toms.seal_interval')::interval - interval '1 minute'
      AND (b.snapshot IS NULL OR (e.at > b.sealed_at - interval '1 hour' AND NOT pg_visible_in_snapshot(e.xid::text::xid8, b.snapshot)));
$$;
REVOKE ALL ON FUNCTION toms.unsealed_since() FROM PUBLIC;
COMMENT ON FUNCTION toms.unsealed_since() IS 'internal: since when entries of the trail should have been sealed';

-- The newest blocks, as far as they are verified in a second or two.
CREATE FUNCTION toms.found_in_blocks()
RETURNS SETOF toms.probed LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET client_min_messages = error AS $$
DECLARE
    most constant bigint := 50000;      -- entries
    last toms.audit_block;
    tested record;
    fault record;
    faults integer := 0;
BEGIN
    SELECT * INTO last FROM toms.audit_block b ORDER BY b.number DESC LIMIT 1;
    IF last.number IS NULL THEN
        RETURN NEXT toms.found('partial', 'trail_empty', NULL, 'SELECT toms.seal_audit();');
        RETURN;
    END IF;
    SELECT min(n.sealed_at) AS since, count(*) AS blocks, sum(n.size) AS entries INTO tested
    FROM (SELECT b.*, sum(b.size) OVER (ORDER BY b.number DESC) AS so_far FROM (SELECT q.number, q.sealed_at, q.size FROM toms.audit_block q ORDER BY q.number DESC LIMIT 1000) b) n
    WHERE n.so_far <= most OR n.number = last.number;
    FOR fault IN SELECT * FROM toms.audit_faults(tested.since, NULL) f WHERE f.fault <> 'outside_missing' LOOP      -- told by who asks
        faults := faults + 1;
        IF faults <= 20 THEN
            RETURN NEXT toms.found('fail', 'trail_fault', ARRAY[fault.fault, coalesce(fault.block::text, '-'), coalesce(fault.entry::text, '-')], 'SELECT * FROM toms.verify_audit();');
        END IF;
    END LOOP;
    RETURN NEXT toms.found('pass', 'trail_whole', ARRAY[last.number::text, to_char(last.sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), tested.blocks::text, tested.entries::text, faults::text]);
END
$$;
REVOKE ALL ON FUNCTION toms.found_in_blocks() FROM PUBLIC;
COMMENT ON FUNCTION toms.found_in_blocks() IS 'internal: whether the newest part of the trail is as it was sealed';

CREATE FUNCTION toms.probe_trail_integrity()
RETURNS SETOF toms.probed LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fault constant text := toms.outside_fault();
    since constant timestamptz := toms.unsealed_since();
BEGIN
    RETURN QUERY SELECT * FROM toms.found_worker();
    RETURN QUERY SELECT * FROM toms.found_writer();
    RETURN QUERY SELECT * FROM toms.found_in_trail_tables();
    IF NOT toms.keyring_is_configured() THEN
        RETURN NEXT toms.found('fail', 'trail_unkeyed', NULL, 'ALTER SYSTEM SET toms.keyring = ''…''; SELECT pg_reload_conf();');
    ELSE
        RETURN QUERY SELECT * FROM toms.found_in_blocks();
    END IF;
    IF since IS NOT NULL AND NOT pg_is_in_recovery() THEN
        RETURN NEXT toms.found('fail', 'trail_behind', ARRAY[to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')], 'SELECT toms.seal_audit();');
    END IF;
    RETURN NEXT CASE WHEN fault IS NULL THEN toms.found('pass', 'trail_outside')
                     WHEN fault = '' THEN toms.found('partial', 'trail_inside', NULL, 'ALTER SYSTEM SET toms.outside = ''…''; SELECT pg_reload_conf();')
                     ELSE toms.found('fail', 'trail_outside_lost', ARRAY[fault], 'ALTER SYSTEM SET toms.outside = ''…''; SELECT pg_reload_conf();') END;
END
$$;
REVOKE ALL ON FUNCTION toms.probe_trail_integrity() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_trail_integrity() IS 'internal: whether the trail is sealed, whole, anchored outside and in nobody''s hands';

-- the controller's part ---------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('tenant_audit_read', 'en', 'Role %1$s reads the trail of its own tenant for the purposes %2$s; proofs of inclusion show the hashes of others'' entries alone.'),
    ('tenant_audit_read', 'de', 'Rolle %1$s liest das Protokoll des eigenen Mandanten für die Zwecke %2$s; Einschlussbeweise zeigen von Einträgen anderer nur Prüfsummen.'),
    ('tenant_audit_closed', 'en', 'No role reads the trail of its own tenant: controllers have to ask an officer for it.'),
    ('tenant_audit_closed', 'de', 'Keine Rolle liest das Protokoll ihres eigenen Mandanten: Verantwortliche müssen einen Beauftragten danach fragen.'),
    ('tenant_audit_wide', 'en', 'Permission %1$s lets role %2$s do more with the trail than read it.'),
    ('tenant_audit_wide', 'de', 'Berechtigung %1$s lässt Rolle %2$s mit dem Protokoll mehr tun, als es zu lesen.');

CREATE FUNCTION toms.probe_tenant_audit()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH permitted AS (SELECT p.* FROM toms.permission p WHERE p.relation = 'toms.audit_entry'::regclass AND p.valid_from <= now() AND coalesce(p.valid_until > now(), true))
    SELECT CASE WHEN p.verbs = '{select}' THEN toms.found('pass', 'tenant_audit_read', ARRAY[p.role::text, array_to_string(p.purposes, ', ')])
                ELSE toms.found('fail', 'tenant_audit_wide', ARRAY[p.id::text, p.role::text], format('SELECT toms.forbid(%L, ''toms.audit_entry'');', p.role)) END
    FROM permitted p
    UNION ALL
    SELECT toms.found('partial', 'tenant_audit_closed', NULL, 'SELECT toms.permit(''…'', ''toms.audit_entry'', ''{select}'', ''{…}'', scope => ''tenant'');')
    WHERE NOT EXISTS (SELECT FROM permitted)
    UNION ALL
    SELECT f FROM toms.found_widened('{audit_trail,audit_proof,verify_audit,export_blocks,archive_audit,prune_audit,list_audit,read_audit,release_actor}') f;
$$;
REVOKE ALL ON FUNCTION toms.probe_tenant_audit() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_tenant_audit() IS 'internal: whether a controller can read his part of the trail, and no other';

-- periods -----------------------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('records_period', 'en', 'Entries of kind %1$s are kept for %2$s, whatever becomes of the data that they are about.'),
    ('records_period', 'de', 'Einträge der Art %1$k werden %3$s aufbewahrt, unabhängig davon, was aus den betroffenen Daten wird.'),
    ('records_short', 'en', 'Entries of kind %1$s are kept for %2$s only; the least is %4$s.'),
    ('records_short', 'de', 'Einträge der Art %1$k werden nur %3$s aufbewahrt; vorgeschrieben sind mindestens: %5$s.'),
    ('records_over', 'en', '%1$s, whose period ended on %2$s, has not been taken out.'),
    ('records_over', 'de', '%1$s, dessen Frist am %2$s endete, ist nicht entfernt worden.'),
    ('records_no_month', 'en', 'There is no table for next month''s entries of kind %1$s.'),
    ('records_no_month', 'de', 'Für die Einträge der Art %1$k im nächsten Monat gibt es keine Tabelle.');

CREATE FUNCTION toms.probe_records_kept()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN p.keep < p.minimum
                THEN toms.found('fail', 'records_short', ARRAY[p.kind, w.en, w.de, toms.period_in_words(p.minimum, 'en'), toms.period_in_words(p.minimum, 'de')], format('SELECT toms.set_audit_period(%L, keep => %L, reason => ''…'');', p.kind, p.minimum))
                ELSE toms.found('pass', 'records_period', ARRAY[p.kind, w.en, w.de]) END
    FROM toms.audit_periods p, LATERAL (SELECT toms.period_in_words(p.keep, 'en') AS en, toms.period_in_words(p.keep, 'de') AS de) w
    UNION ALL
    SELECT toms.found('partial', 'records_over', ARRAY['toms.' || a.partition, (a.until + k.keep)::date::text], 'SELECT * FROM toms.prune_audit();')
    FROM toms.audit_partitions a JOIN toms.audit_periods k ON k.kind = a.kind WHERE a.until + k.keep < now() - interval '2 days'
    UNION ALL
    SELECT toms.found('partial', 'records_no_month', ARRAY[k.kind], 'SELECT toms.make_audit_partitions();')
    FROM toms.audit_kinds() k
    WHERE NOT EXISTS (SELECT FROM toms.audit_partitions a WHERE a.kind = k.kind AND a.until > date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '1 month');
$$;
REVOKE ALL ON FUNCTION toms.probe_records_kept() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_records_kept() IS 'internal: whether the trail is kept for its own periods';

-- what leaves -------------------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('exports_noted', 'en', '%1$s exports are on record, the last of %2$s; dumps and COPY of protected tables by administrators need a reason and are entries of the trail.'),
    ('exports_noted', 'de', 'Verzeichnete Exporte: %1$s, der letzte vom %2$s; Dumps und COPY geschützter Tabellen durch Administratoren brauchen eine Begründung und stehen im Protokoll.'),
    ('exports_none', 'en', 'No export is on record; dumps and COPY of protected tables by administrators need a reason and are entries of the trail.'),
    ('exports_none', 'de', 'Es ist kein Export verzeichnet; Dumps und COPY geschützter Tabellen durch Administratoren brauchen eine Begründung und stehen im Protokoll.'),
    ('exports_published', 'en', 'Publication %1$s sends rows of %2$s to whoever subscribes, and no export is on record of it.'),
    ('exports_published', 'de', 'Publikation %1$s sendet Zeilen von %2$s an jeden Abonnenten, ohne dass ein Export verzeichnet wird.');

CREATE FUNCTION toms.probe_exports()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT f FROM toms.found_unprotected() f
    UNION ALL
    SELECT f FROM toms.found_observed() f
    UNION ALL
    SELECT f FROM toms.found_writer() f
    UNION ALL
    SELECT toms.found('partial', 'exports_published', ARRAY[l.object, l.relation::text], l.remedy)
    FROM toms.publication_leaks(ARRAY(SELECT p.relation FROM toms.protected_tables p WHERE p.root = p.relation)) l
    UNION ALL
    SELECT f FROM toms.found_widened('{export_tenant,export_subject,export_subject_csv,record_disclosure,read_portion,find_portions}') f
    UNION ALL
    SELECT CASE count(*) WHEN 0 THEN toms.found('pass', 'exports_none') ELSE toms.found('pass', 'exports_noted', ARRAY[count(*)::text, max(d.at)::date::text]) END
    FROM toms.disclosure d;
$$;
REVOKE ALL ON FUNCTION toms.probe_exports() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_exports() IS 'internal: whether what leaves the database is on record';
