-- Probes: whether what is here would still be there tomorrow: backups, tiers of them, restores that were tried, a standby, resilience.

INSERT INTO toms.phrase VALUES
    ('archive_off', 'en', 'WAL is not archived: archive_mode is "%1$s".'),
    ('archive_off', 'de', 'WAL wird nicht archiviert: archive_mode steht auf „%1$s“.'),
    ('archive_no_means', 'en', 'WAL is not archived: neither archive_command nor archive_library is set.'),
    ('archive_no_means', 'de', 'WAL wird nicht archiviert: Weder archive_command noch archive_library ist gesetzt.'),
    ('archive_never', 'en', 'Nothing has been archived yet.'),
    ('archive_never', 'de', 'Es wurde noch nichts archiviert.'),
    ('archive_fails', 'en', 'Archiving has failed since the last success: %1$s at %2$s (UTC); the server log says why.'),
    ('archive_fails', 'de', 'Die Archivierung schlägt seit dem letzten Erfolg fehl: %1$s um %2$s (UTC); der Grund steht im Log des Servers.'),
    ('archive_behind', 'en', 'WAL files that have waited for being archived for an hour or longer: %1$s, the first one is %2$s.'),
    ('archive_behind', 'de', 'WAL-Dateien, die seit einer Stunde oder länger auf ihre Archivierung warten: %1$s, die erste ist %2$s.'),
    ('archive_open', 'en', 'archive_timeout is 0: what was written last may wait for its archiving without a limit.'),
    ('archive_open', 'de', 'archive_timeout steht auf 0: Was zuletzt geschrieben wurde, wartet unbegrenzt auf seine Archivierung.'),
    ('archive_fresh', 'en', 'WAL is archived, last %1$s at %2$s (UTC), after %3$s at the latest.'),
    ('archive_fresh', 'de', 'WAL wird archiviert, zuletzt %1$s um %2$s (UTC), spätestens nach %3$p.'),
    ('backup_no_tier', 'en', 'No tier of backups is declared.'),
    ('backup_no_tier', 'de', 'Es ist keine Sicherungsstufe festgelegt.'),
    ('backup_none', 'en', 'No backup of tier "%1$s", which is due every %2$s, is recorded.'),
    ('backup_none', 'de', 'Von der Stufe „%1$s“ (Abstand: %4$s) ist keine Sicherung verzeichnet.'),
    ('backup_late', 'en', 'The last backup of tier "%1$s", which is due every %2$s, is of %3$s (UTC).'),
    ('backup_late', 'de', 'Die letzte Sicherung der Stufe „%1$s“ (Abstand: %4$s) ist vom %3$s (UTC).'),
    ('backup_fresh', 'en', 'The last backup of tier "%1$s", which is due every %2$s, is of %3$s (UTC).'),
    ('backup_fresh', 'de', 'Die letzte Sicherung der Stufe „%1$s“ (Abstand: %4$s) ist vom %3$s (UTC).'),
    ('tier_kept', 'en', 'Tier "%1$s": made every %2$s, kept for %3$s; what is erased now is in backups of it until %4$s.'),
    ('tier_kept', 'de', 'Stufe „%1$s“: Abstand %5$s, Aufbewahrung %6$s; was jetzt gelöscht wird, ist in Sicherungen dieser Stufe bis %4$s.'),
    ('tier_only_one', 'en', 'Only one tier is declared.'),
    ('tier_only_one', 'de', 'Es ist nur eine Sicherungsstufe festgelegt.'),
    ('tier_no_place', 'en', 'It is not recorded where the last backup of tier "%1$s" is kept.'),
    ('tier_no_place', 'de', 'Es ist nicht festgehalten, wo die letzte Sicherung der Stufe „%1$s“ liegt.'),
    ('tier_expired', 'en', 'Backups of tier "%2$s" that should be gone and are not recorded as destroyed: %1$s, the first since %3$s.'),
    ('tier_expired', 'de', 'Sicherungen der Stufe „%2$s“, die vernichtet sein sollten, ohne dass es festgehalten ist: %1$s, die erste seit %3$s.'),
    ('tier_sealed', 'en', 'Erased values of sealed columns open from no backup alone once the epoch of their keys is destroyed: %1$s after a rotation (toms.key_grace); clear columns are in backups for up to %2$s.'),
    ('tier_sealed', 'de', 'Gelöschte Werte versiegelter Spalten sind aus keiner Sicherung allein mehr zu öffnen, sobald die Epoche ihrer Schlüssel vernichtet ist: %1$p nach einem Wechsel (toms.key_grace); Klartextspalten bleiben so lange in Sicherungen, wie diese aufbewahrt werden (höchstens: %3$s).'),
    ('restore_none', 'en', 'No restore has been tried: none is recorded.'),
    ('restore_none', 'de', 'Es ist kein Wiederherstellungstest verzeichnet.'),
    ('restore_failed', 'en', 'The last restore that was tried, on %1$s on node "%2$s", did not pass.'),
    ('restore_failed', 'de', 'Der letzte Wiederherstellungstest, am %1$s auf Knoten „%2$s“, war nicht erfolgreich.'),
    ('restore_old', 'en', 'The last restore was tried on %1$s, more than a year ago.'),
    ('restore_old', 'de', 'Der letzte Wiederherstellungstest war am %1$s, vor mehr als einem Jahr.'),
    ('restore_passed', 'en', 'A backup was restored on %1$s on node "%2$s": every epoch of keys opened, the audit trail was whole.'),
    ('restore_passed', 'de', 'Am %1$s wurde auf Knoten „%2$s“ eine Sicherung wiederhergestellt: Jede Schlüsselepoche öffnete, das Protokoll war vollständig.'),
    ('standby_none', 'en', 'No standby streams from this server.'),
    ('standby_none', 'de', 'Kein Standby folgt diesem Server.'),
    ('standby_streams', 'en', 'Standby "%1$s" streams (%2$s), %3$s bytes behind.'),
    ('standby_streams', 'de', 'Der Standby „%1$s“ folgt (%2$w) mit einem Rückstand von %3$s Bytes.'),
    ('standby_behind', 'en', 'Standby "%1$s" is %2$s bytes and %3$s behind.'),
    ('standby_behind', 'de', 'Der Standby „%1$s“ liegt %2$s Bytes und %3$p zurück.'),
    ('standby_receives', 'en', 'This server is a standby and streams from %1$s, last heard at %2$s (UTC).'),
    ('standby_receives', 'de', 'Dieser Server ist ein Standby und folgt %1$s, letzte Nachricht um %2$s (UTC).'),
    ('standby_deaf', 'en', 'This server is a standby and does not stream; it was last current at %1$s (UTC).'),
    ('standby_deaf', 'de', 'Dieser Server ist ein Standby und empfängt nichts; auf aktuellem Stand war er zuletzt um %1$s (UTC).'),
    ('standby_paused', 'en', 'This server is a standby whose replay is paused; it was last current at %1$s (UTC).'),
    ('standby_paused', 'de', 'Dieser Server ist ein Standby, der Empfangenes nicht übernimmt (angehalten); auf aktuellem Stand war er zuletzt um %1$s (UTC).'),
    ('resilience_on', 'en', '%1$s is on.'),
    ('resilience_on', 'de', '%1$s ist eingeschaltet.'),
    ('resilience_off', 'en', '%1$s is off.'),
    ('resilience_off', 'de', '%1$s ist ausgeschaltet.'),
    ('checksums_off', 'en', 'Pages have no checksums.'),
    ('checksums_off', 'de', 'Datenseiten haben keine Prüfsummen.'),
    ('ids_free', 'en', 'Age of the oldest transaction id: %1$s of about 2,000,000,000 at most (database "%2$s").'),
    ('ids_free', 'de', 'Alter der ältesten Transaktionsnummer: %1$s von höchstens rund 2.000.000.000 (Datenbank „%2$s“).'),
    ('ids_used', 'en', 'Database "%1$s": the oldest transaction id is %2$s old; at 2,000,000,000 the server stops writing.'),
    ('ids_used', 'de', 'Datenbank „%1$s“: Die älteste Transaktionsnummer hat das Alter %2$s; bei 2.000.000.000 schreibt der Server nicht mehr.');

-- Tiers in force with their last backup.  A tenth of the interval is what a backup may take.
CREATE FUNCTION toms.tier_states()
RETURNS TABLE (name text, every interval, keep interval, last_at timestamptz, place text, status text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.name, t.every, t.keep, b.taken_at, b.place, CASE WHEN b.taken_at IS NULL OR b.taken_at + t.every + t.every / 10 < now() THEN 'fail' ELSE 'pass' END
    FROM toms.backup_tier t
         LEFT JOIN LATERAL (SELECT * FROM toms.backup b WHERE b.tier = t.name AND b.destroyed_at IS NULL ORDER BY b.taken_at DESC, b.id DESC LIMIT 1) b ON true
    WHERE t.ended_at IS NULL;
$$;
REVOKE ALL ON FUNCTION toms.tier_states() FROM PUBLIC;
COMMENT ON FUNCTION toms.tier_states() IS 'internal: tiers of backups and the last one of each';

CREATE FUNCTION toms.tier_rows()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.status, CASE WHEN t.last_at IS NULL THEN 'backup_none' WHEN t.status = 'fail' THEN 'backup_late' ELSE 'backup_fresh' END,
           ARRAY[t.name, t.every::text, coalesce(toms.utc_second(t.last_at), '–'), toms.period_in_words(t.every, 'de')],
           CASE t.status WHEN 'fail' THEN format(E'-- make one, then\nSELECT toms.record_backup(%L, place => ''…'');', t.name) END, NULL
    FROM toms.tier_states() t
    UNION ALL
    SELECT 'fail', 'backup_no_tier', NULL, 'SELECT toms.declare_backup_tier(''daily'', every => ''1 day'', keep => ''60 days'');', NULL
    WHERE NOT EXISTS (SELECT FROM toms.tier_states());
$$;
REVOKE ALL ON FUNCTION toms.tier_rows() FROM PUBLIC;
COMMENT ON FUNCTION toms.tier_rows() IS 'internal: backups are as young as their tiers ask for';

-- Of files that wait the server keeps marks.
CREATE FUNCTION toms.archive_rows()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH s AS (SELECT current_setting('archive_mode') AS mode, current_setting('archive_command') NOT IN ('', '(disabled)') OR coalesce(current_setting('archive_library'), '') <> '' AS has_means),
         a AS MATERIALIZED (SELECT * FROM pg_stat_archiver),
         w AS MATERIALIZED (SELECT count(*) AS files, min(l.name) AS first FROM s, pg_ls_archive_statusdir() l
                            WHERE s.mode <> 'off' AND l.name LIKE '%.ready' AND l.modification < now() - interval '1 hour'),
         -- a standby archives nothing unless it is told to
         f AS (SELECT CASE WHEN s.mode = 'off' OR (s.mode = 'on' AND pg_is_in_recovery()) THEN 'archive_off' WHEN NOT s.has_means THEN 'archive_no_means'
                           WHEN a.last_failed_time > coalesce(a.last_archived_time, '-infinity') THEN 'archive_fails' WHEN w.files > 0 THEN 'archive_behind'
                           WHEN a.last_archived_time IS NULL THEN 'archive_never' WHEN current_setting('archive_timeout') = '0' THEN 'archive_open' ELSE 'archive_fresh' END AS phrase
               FROM s, a, w)
    SELECT CASE f.phrase WHEN 'archive_fresh' THEN 'pass' WHEN 'archive_open' THEN 'partial' ELSE 'fail' END, f.phrase,
           CASE f.phrase WHEN 'archive_off' THEN ARRAY[s.mode] WHEN 'archive_fails' THEN ARRAY[a.last_failed_wal, toms.utc_second(a.last_failed_time)]
                         WHEN 'archive_behind' THEN ARRAY[w.files::text, replace(w.first, '.ready', '')]
                         WHEN 'archive_fresh' THEN ARRAY[a.last_archived_wal, toms.utc_second(a.last_archived_time), current_setting('archive_timeout')] END,
           CASE f.phrase WHEN 'archive_off' THEN toms.set_server('archive_mode', CASE WHEN pg_is_in_recovery() THEN 'always' ELSE 'on' END, restart => true)
                         WHEN 'archive_no_means' THEN c.archive
                         WHEN 'archive_fails' THEN E'-- what it names does not take the file: mend it, or\n' || c.archive
                         WHEN 'archive_behind' THEN E'-- what it names hangs, or is too slow: mend it, or\n' || c.archive
                         WHEN 'archive_never' THEN 'SELECT pg_switch_wal();'
                         WHEN 'archive_open' THEN toms.set_server('archive_timeout', '5min') END, NULL
    FROM f, s, a, w, (VALUES (E'-- … copies %p to another machine under the name %f\nALTER SYSTEM SET archive_command = ''…'';\nSELECT pg_reload_conf();')) c (archive);
$$;
REVOKE ALL ON FUNCTION toms.archive_rows() FROM PUBLIC;
COMMENT ON FUNCTION toms.archive_rows() IS 'internal: whether WAL is archived, and how fresh';

CREATE FUNCTION toms.probe_backups()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM toms.archive_rows() UNION ALL SELECT * FROM toms.tier_rows();
$$;
REVOKE ALL ON FUNCTION toms.probe_backups() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_backups() IS 'internal: WAL is archived, and backups are made as often as was declared';

CREATE FUNCTION toms.probe_backup_tiers()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT * FROM toms.tier_rows()
    UNION ALL
    SELECT 'pass', 'tier_kept', ARRAY[t.name, t.every::text, t.keep::text, (now() + t.keep)::date::text, toms.period_in_words(t.every, 'de'), toms.period_in_words(t.keep, 'de')], NULL, NULL FROM toms.tier_states() t
    UNION ALL
    SELECT 'partial', 'tier_only_one', NULL, 'SELECT toms.declare_backup_tier(''monthly'', every => ''1 month'', keep => ''1 year'');', NULL WHERE (SELECT count(*) FROM toms.tier_states()) = 1
    UNION ALL
    SELECT 'partial', 'tier_no_place', ARRAY[t.name], format('SELECT toms.record_backup(%L, taken_at => %L, place => ''…'');', t.name, t.last_at), NULL
    FROM toms.tier_states() t WHERE t.last_at IS NOT NULL AND coalesce(t.place, '') = ''
    UNION ALL
    SELECT 'fail', 'tier_expired', ARRAY[count(*)::text, b.tier, min(b.taken_at + t.keep)::date::text],
           format('SELECT toms.record_backup_destroyed(id) FROM toms.backup WHERE tier = %L AND destroyed_at IS NULL AND taken_at + interval %L < now();', b.tier, t.keep), NULL
    FROM toms.backup b JOIN LATERAL (SELECT max(t.keep) AS keep FROM toms.backup_tier t WHERE t.name = b.tier) t ON b.taken_at + t.keep < now()
    WHERE b.destroyed_at IS NULL GROUP BY b.tier, t.keep
    UNION ALL
    SELECT 'pass', 'tier_sealed', ARRAY[current_setting('toms.key_grace'), max(t.keep)::text, toms.period_in_words(max(t.keep), 'de')], NULL, NULL FROM toms.tier_states() t HAVING count(*) > 0;
$$;
REVOKE ALL ON FUNCTION toms.probe_backup_tiers() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_backup_tiers() IS 'internal: tiers of backups, the last run of each, and until when each holds what has been erased';

CREATE FUNCTION toms.probe_restore_tests()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    WITH t AS (SELECT * FROM toms.restore_test t ORDER BY t.tested_at DESC, t.id DESC LIMIT 1),
         s AS (SELECT CASE WHEN t.id IS NULL THEN 'fail' WHEN NOT t.passed THEN 'fail' WHEN t.tested_at < now() - interval '1 year' THEN 'overdue' ELSE 'pass' END AS status, t.*
               FROM (SELECT) one LEFT JOIN t ON true)
    SELECT s.status, CASE WHEN s.id IS NULL THEN 'restore_none' WHEN NOT s.passed THEN 'restore_failed' WHEN s.status = 'overdue' THEN 'restore_old' ELSE 'restore_passed' END,
           CASE WHEN s.id IS NOT NULL THEN ARRAY[s.tested_at::date::text, s.node] END,
           CASE WHEN s.status <> 'pass' THEN E'-- restore a backup on another node, SELECT toms.restore_drill(); there, and here what it answers:\nSELECT toms.record_restore_test(''…'');' END, NULL
    FROM s;
$$;
REVOKE ALL ON FUNCTION toms.probe_restore_tests() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_restore_tests() IS 'internal: a restore was tried within a year, and passed';

-- A standby replays, other than a program that takes WAL or a backup; a subscriber has a logical slot.
CREATE FUNCTION toms.probe_standby()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH standby AS MATERIALIZED (
        SELECT r.application_name, r.sync_state, l.bytes, coalesce(r.replay_lag, '0') AS lag, l.bytes > 1024 ^ 3 OR r.replay_lag > interval '5 minutes' AS is_behind
        FROM pg_stat_replication r, LATERAL (SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, r.replay_lsn) AS bytes) l
        WHERE r.state = 'streaming' AND r.replay_lsn IS NOT NULL
          AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical'))
    SELECT CASE WHEN s.is_behind THEN 'fail' ELSE 'pass' END, CASE WHEN s.is_behind THEN 'standby_behind' ELSE 'standby_streams' END,
           CASE WHEN s.is_behind THEN ARRAY[s.application_name, s.bytes::text, s.lag::text] ELSE ARRAY[s.application_name, s.sync_state, s.bytes::text] END,
           CASE WHEN s.is_behind THEN toms.suggest_comment(format('on standby %s, whose log says what holds it up; if its replay is paused:', s.application_name)) || E'\n-- SELECT pg_wal_replay_resume();' END, NULL
    FROM standby s
    UNION ALL
    SELECT 'fail', 'standby_none', NULL, '-- on another machine: pg_basebackup --write-recovery-conf --dbname … --pgdata …; and start it', NULL WHERE NOT pg_is_in_recovery() AND NOT EXISTS (SELECT FROM standby)
    UNION ALL
    SELECT CASE WHEN w.status = 'streaming' THEN 'pass' ELSE 'fail' END, CASE WHEN w.status = 'streaming' THEN 'standby_receives' ELSE 'standby_deaf' END,
           CASE WHEN w.status = 'streaming' THEN ARRAY[coalesce(w.sender_host, '?'), toms.utc_second(w.last_msg_receipt_time)] ELSE ARRAY[coalesce(toms.utc_second(pg_last_xact_replay_timestamp()), '?')] END,
           CASE WHEN w.status IS DISTINCT FROM 'streaming' THEN E'-- start its primary, or name it\nALTER SYSTEM SET primary_conninfo = ''…'';\nSELECT pg_reload_conf();' END, NULL
    FROM (SELECT) one LEFT JOIN pg_stat_wal_receiver w ON true WHERE pg_is_in_recovery()
    UNION ALL
    SELECT 'fail', 'standby_paused', ARRAY[coalesce(toms.utc_second(pg_last_xact_replay_timestamp()), '?')], 'SELECT pg_wal_replay_resume();', NULL
    WHERE CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END;
$$;
REVOKE ALL ON FUNCTION toms.probe_standby() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_standby() IS 'internal: a standby streams and is not far behind';

CREATE FUNCTION toms.worker_rows()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT f FROM toms.found_worker() f
    UNION ALL
    SELECT f FROM toms.found_writer() f
    UNION ALL
    SELECT toms.found('fail', 'retention_still', NULL, toms.more_workers()) FROM toms.retention_worker() w WHERE NOT pg_is_in_recovery() AND w.wanted AND NOT toms.retention_is_alive();
$$;
REVOKE ALL ON FUNCTION toms.worker_rows() FROM PUBLIC;
COMMENT ON FUNCTION toms.worker_rows() IS 'internal: the background workers of this database give signs of life';

CREATE FUNCTION toms.probe_resilience()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE s.is_on WHEN true THEN 'pass' ELSE 'fail' END, CASE WHEN s.is_on THEN 'resilience_on' WHEN s.name = 'data_checksums' THEN 'checksums_off' ELSE 'resilience_off' END, ARRAY[s.name],
           CASE WHEN NOT s.is_on THEN CASE s.name WHEN 'data_checksums' THEN toms.suggest_comment('with the server stopped: pg_checksums --enable --pgdata ' || current_setting('data_directory'))
                                                  ELSE toms.set_server(s.name, 'on') END END, NULL
    FROM (SELECT n.name, current_setting(n.name) = 'on' AS is_on FROM unnest('{data_checksums,fsync,full_page_writes,autovacuum}'::text[]) n (name)) s
    UNION ALL
    (SELECT 'pass', 'ids_free', ARRAY[d.age::text, d.datname::text], NULL, NULL
     FROM (SELECT d.datname, age(d.datfrozenxid) AS age FROM pg_database d ORDER BY age(d.datfrozenxid) DESC LIMIT 1) d WHERE d.age <= 1000000000)
    UNION ALL
    SELECT 'fail', 'ids_used', ARRAY[d.datname::text, age(d.datfrozenxid)::text],
           CASE WHEN NOT d.datallowconn THEN format(E'ALTER DATABASE %I ALLOW_CONNECTIONS true;\n', d.datname) ELSE '' END || toms.suggest_comment(format('in database %I', d.datname)) || E'\nVACUUM (FREEZE);'
           || CASE WHEN NOT d.datallowconn THEN format(E'\n-- in another one\nALTER DATABASE %I ALLOW_CONNECTIONS false;', d.datname) ELSE '' END, NULL
    FROM pg_database d WHERE age(d.datfrozenxid) > 1000000000
    UNION ALL
    SELECT * FROM toms.worker_rows();
$$;
REVOKE ALL ON FUNCTION toms.probe_resilience() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_resilience() IS 'internal: what is written stays, and the background workers run';
