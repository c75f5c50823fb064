-- Probes of the end of a contract: that the controller is told and gets his data, that they go then, and that this is certified.

INSERT INTO toms.phrase VALUES
    ('return_ready', 'en', 'Of %1$s tenants the contract of %2$s ends; each can have all rows of %3$s protected tables as JSON Lines or CSV until 30 days after he was told, and nothing goes before.'),
    ('return_ready', 'de', 'Von %1$s Mandanten endet der Vertrag von %2$s; jeder kann alle Zeilen von %3$s geschützten Tabellen als JSON Lines oder CSV erhalten, bis 30 Tage nach der Mitteilung, und vorher wird nichts gelöscht.'),
    ('return_untold', 'en', 'The contract ends on %1$s, and the controller has not been told that he can have his data back.'),
    ('return_untold', 'de', 'Der Vertrag endet am %1$s, und dem Verantwortlichen ist noch nicht mitgeteilt, dass er seine Daten zurückerhalten kann.'),
    ('return_window', 'en', 'The contract ends on %1$s; the window for the return of data closes on %2$s.'),
    ('return_window', 'de', 'Der Vertrag endet am %1$s; die Frist für die Rückgabe der Daten läuft bis %2$s.'),
    ('return_early', 'en', 'End %1$s of a contract is carried out, although the window for the return of data has not closed.'),
    ('return_early', 'de', 'Das Vertragsende %1$s wird vollzogen, obwohl die Frist für die Rückgabe der Daten noch läuft.'),
    ('return_unencrypted', 'en', 'An export cannot be encrypted on request: the extension pgcrypto is not installed.'),
    ('return_unencrypted', 'de', 'Ein Export kann auf Wunsch nicht verschlüsselt werden: Die Erweiterung pgcrypto ist nicht installiert.');

CREATE FUNCTION toms.probe_tenant_return()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT f FROM toms.found_unprotected() f
    UNION ALL
    SELECT CASE WHEN e.notified_at IS NOT NULL THEN toms.found('pass', 'return_window', ARRAY[e.ends_at::date::text, e.closes_at::date::text], NULL, e.tenant)
                ELSE toms.found('overdue', 'return_untold', ARRAY[e.ends_at::date::text], format('SELECT toms.notify_end(%L, notified_at => now());', e.tenant), e.tenant) END
    FROM toms.tenant_end e WHERE e.state = 'announced'
    UNION ALL
    SELECT toms.found('fail', 'return_early', ARRAY[e.id::text], NULL, e.tenant)
    FROM toms.tenant_end e WHERE e.state IN ('erasing', 'done') AND num_nonnulls(e.agreement, e.instruction) > 0 AND coalesce(e.closes_at > coalesce(e.ended_at, now()), true)
    UNION ALL
    SELECT toms.found('partial', 'return_unencrypted', NULL, 'CREATE EXTENSION pgcrypto;')
    WHERE NOT EXISTS (SELECT FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c' WHERE p.probin = '$libdir/pgcrypto' AND p.prosrc = 'pgp_pub_encrypt_bytea')
    UNION ALL
    SELECT f FROM toms.found_widened('{export_tenant,end_tenant,notify_end,cancel_end_tenant,end_tenants}') f
    UNION ALL
    SELECT toms.found('pass', 'return_ready', ARRAY[count(*)::text, (count(*) FILTER (WHERE EXISTS (SELECT FROM toms.tenant_end e WHERE e.tenant = t.tenant AND e.state IN ('announced', 'erasing'))))::text,
                                                    (SELECT count(*) FROM toms.protected_tables p WHERE p.root = p.relation)::text])
    FROM toms.tenants t WHERE t.active;
$$;
REVOKE ALL ON FUNCTION toms.probe_tenant_return() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_tenant_return() IS 'internal: whether controllers are told of, and can have, the return of their data';

INSERT INTO toms.phrase VALUES
    ('tenant_end_done', 'en', 'Of %1$s contracts that ended, %2$s are carried out: no row, no key and no register entry is left but those that the law or a hold keeps.'),
    ('tenant_end_done', 'de', 'Von %1$s beendeten Verträgen sind %2$s vollzogen: Keine Zeile, kein Schlüssel und kein Registereintrag ist übrig außer dem, was das Gesetz oder eine Sperre bewahrt.'),
    ('tenant_end_overdue', 'en', 'The data should have been gone since %1$s: %2$s.'),
    ('tenant_end_overdue', 'de', 'Die Daten müssten seit %1$s gelöscht sein: %2$e.'),
    ('tenant_end_kept', 'en', 'Since %1$s only what a hold or the law keeps is left: %2$s.'),
    ('tenant_end_kept', 'de', 'Seit %1$s ist nur noch da, was eine Sperre oder das Gesetz bewahrt: %2$e.'),
    ('tenant_end_keys', 'en', 'Everything of the tenant is said to be gone, and %1$s of his keys are still there.'),
    ('tenant_end_keys', 'de', 'Alles von diesem Mandanten soll gelöscht sein, und %1$s seiner Schlüssel sind noch da.'),
    ('tenant_end_unannounced', 'en', 'The tenant is closed since %1$s, and no end of his contract has been announced: nothing deletes his data.'),
    ('tenant_end_unannounced', 'de', 'Der Mandant ist seit %1$s geschlossen, ohne dass das Ende seines Vertrags angekündigt wurde: Nichts löscht seine Daten.');

CREATE FUNCTION toms.probe_tenant_end()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT f FROM toms.found_unprotected() f
    UNION ALL
    SELECT CASE WHEN e.problem ~ 'of them under a hold or for as long as the law demands$'
                     OR e.problem ~ '^a hold keeps' AND EXISTS (SELECT FROM toms.hold h WHERE h.state = 'held' AND h.tenant = e.tenant)
                THEN toms.found('pass', 'tenant_end_kept', ARRAY[e.closes_at::date::text, e.problem], NULL, e.tenant)
                ELSE toms.found('overdue', 'tenant_end_overdue', ARRAY[e.closes_at::date::text, coalesce(e.problem, '-')], 'SELECT * FROM toms.end_tenants();', e.tenant) END
    FROM toms.tenant_end e WHERE e.state IN ('announced', 'erasing') AND e.closes_at < now() - interval '1 day'
    UNION ALL
    SELECT toms.found('fail', 'retention_still', NULL, toms.more_workers())
    WHERE NOT pg_is_in_recovery() AND EXISTS (SELECT FROM toms.tenant_end e WHERE e.state IN ('announced', 'erasing')) AND NOT toms.retention_is_alive()
    UNION ALL
    SELECT toms.found('fail', 'tenant_end_keys', ARRAY[count(*)::text],
                      format('SELECT toms.bury_keys(ARRAY(SELECT k.id FROM toms.data_key k WHERE k.tenant = %L AND k.wrapped IS NOT NULL));', k.tenant), k.tenant)
    FROM toms.data_key k JOIN toms.tenant_end e ON e.tenant = k.tenant AND e.state = 'done' WHERE k.wrapped IS NOT NULL GROUP BY k.tenant
    UNION ALL
    SELECT toms.found('overdue', 'tenant_end_unannounced', ARRAY[t.ended_at::date::text], format('SELECT toms.end_tenant(%L, ends_at => %L, notified_at => now(), basis => ''agreement'');', t.tenant, t.ended_at), t.tenant)
    FROM toms.tenants t WHERE NOT t.active AND NOT EXISTS (SELECT FROM toms.tenant_end e WHERE e.tenant = t.tenant AND e.state <> 'cancelled')
    UNION ALL
    SELECT toms.found('pass', 'tenant_end_done', ARRAY[count(*)::text, (count(*) FILTER (WHERE e.state = 'done'))::text]) FROM toms.tenant_end e WHERE e.state <> 'cancelled' AND e.ends_at < now();
$$;
REVOKE ALL ON FUNCTION toms.probe_tenant_end() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_tenant_end() IS 'internal: whether the data of a tenant go when his contract has ended';

INSERT INTO toms.phrase VALUES
    ('certificates_valid', 'en', 'Of the last %1$s certificates, %2$s are signed by this database and unaltered; %3$s erasures are done.'),
    ('certificates_valid', 'de', 'Von den letzten %1$s Bescheinigungen sind %2$s von dieser Datenbank signiert und unverändert; %3$s Löschungen sind ausgeführt.'),
    ('certificates_altered', 'en', 'Certificate %1$s of erasure %2$s is not as it was given out.'),
    ('certificates_altered', 'de', 'Bescheinigung %1$s über Löschung %2$s ist nicht mehr so, wie sie ausgestellt wurde.'),
    ('certificates_owed', 'en', 'The data of the tenant are gone since %1$s (erasure %2$s), and no certificate of it has been given out.'),
    ('certificates_owed', 'de', 'Die Daten des Mandanten sind seit %1$s gelöscht (Löschung %2$s), ohne dass dies bescheinigt worden wäre.'),
    ('certificates_unkeyed', 'en', 'No certificate can be signed: there is no keyring.'),
    ('certificates_unkeyed', 'de', 'Keine Bescheinigung kann signiert werden: Es gibt keinen Schlüsselbund.');

CREATE FUNCTION toms.probe_certificates()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH given AS MATERIALIZED (
        SELECT c.id, c.erasure, e.tenant, toms.verify_certificate(c.certificate) AS verdict
        FROM (SELECT * FROM toms.issued_certificate i ORDER BY i.id DESC LIMIT 100) c LEFT JOIN toms.erasure e ON e.id = c.erasure)
    SELECT toms.found('fail', 'certificates_unkeyed', NULL, 'ALTER SYSTEM SET toms.keyring = ''…''; SELECT pg_reload_conf();') WHERE NOT toms.keyring_is_configured()
    UNION ALL
    SELECT toms.found('fail', 'certificates_altered', ARRAY[g.id::text, g.erasure::text],
                      format('DELETE FROM toms.issued_certificate WHERE id = %s; SELECT toms.certificate(%s);', g.id, g.erasure), g.tenant)
    FROM given g WHERE NOT (g.verdict).valid
    UNION ALL
    SELECT toms.found('overdue', 'certificates_owed', ARRAY[e.ended_at::date::text, e.id::text], format('SELECT toms.certificate(%s);', e.id), e.tenant)
    FROM toms.erasure e WHERE e.kind = 'tenant' AND e.state = 'done' AND NOT EXISTS (SELECT FROM toms.issued_certificate c WHERE c.erasure = e.id)
    UNION ALL
    SELECT toms.found('pass', 'certificates_valid', ARRAY[count(*)::text, (count(*) FILTER (WHERE (g.verdict).valid))::text, (SELECT count(*) FROM toms.erasure e WHERE e.state = 'done')::text])
    FROM given g WHERE toms.keyring_is_configured();
$$;
REVOKE ALL ON FUNCTION toms.probe_certificates() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_certificates() IS 'internal: whether erasures can be certified, and certificates are as they were given out';
