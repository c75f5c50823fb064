-- Probes of recipients: that data goes to registered ones alone, of whom the controller was told, in countries where it may go, and
-- unreadable where it must be.

INSERT INTO toms.phrase VALUES
    ('recipients_kept', 'en', '%1$s recipients are registered, %2$s of them processors or sub-processors: an export to anybody else, or against a controller''s word, is refused.'),
    ('recipients_kept', 'de', 'Verzeichnete Empfänger: %1$s, davon weitere Auftragsverarbeiter und deren Unterauftragsverarbeiter: %2$s. Ein Export an andere oder gegen den Willen eines Verantwortlichen wird verweigert.'),
    ('recipients_state', 'en', 'Recipient %1$s, %2$s in %3$s, for %4$s: %5$s.'),
    ('recipients_state', 'de', 'Empfänger %1$s, %6$s in %3$s, für %4$w: %7$s.'),
    ('recipients_no_agreement', 'en', 'No agreement with %2$s %1$s is on record.'),
    ('recipients_no_agreement', 'de', 'Zu Empfänger %1$s (%2$w) ist kein Vertrag verzeichnet.'),
    ('recipients_unknown', 'en', 'Export %1$s of %2$s went to "%3$s", who is not registered.'),
    ('recipients_unknown', 'de', 'Export %1$s vom %2$s ging an „%3$s“, der nicht verzeichnet ist.'),
    ('recipients_ended', 'en', 'Export %1$s of %2$s went to %3$s, who had ended before.'),
    ('recipients_ended', 'de', 'Export %1$s vom %2$s ging an %3$s, dessen Eintrag vorher beendet war.'),
    ('recipients_against', 'en', 'Export %1$s of %2$s went to %3$s, to whom the controller had objected.'),
    ('recipients_against', 'de', 'Export %1$s vom %2$s ging an %3$s, dem der Verantwortliche widersprochen hatte.');

-- As add_recipient() would declare one again, with something else.
CREATE FUNCTION toms.add_recipient_call(r toms.recipient, more text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('SELECT toms.add_recipient(%s);', concat_ws(', ', quote_literal(r.recipient), 'kind => ' || quote_literal(r.kind), 'country => ' || quote_literal(r.country),
        format('categories => %L', r.categories),
        CASE WHEN more NOT LIKE '%transfer\_instrument%' THEN 'transfer_instrument => ' || quote_literal(r.transfer_instrument) END,
        CASE WHEN more NOT LIKE '%instrument\_expires%' THEN 'instrument_expires => ' || quote_literal(r.instrument_expires) END,
        CASE WHEN more NOT LIKE '%agreement%' THEN 'agreement => ' || quote_literal(r.agreement) END, 'parent => ' || quote_literal(r.parent),
        'contact => ' || quote_literal(r.contact), 'instrument_from => ' || quote_literal(r.instrument_from),
        CASE WHEN more NOT LIKE '%unreadable%' AND r.unreadable THEN 'unreadable => true' END, more));
$$;
REVOKE ALL ON FUNCTION toms.add_recipient_call(toms.recipient, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.add_recipient_call(toms.recipient, text) IS 'internal: the SQL that registers a recipient anew';

CREATE FUNCTION toms.probe_recipients()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH active AS MATERIALIZED (SELECT r.* FROM toms.recipient r WHERE NOT r.shipped AND r.ended_at IS NULL),
    exports AS MATERIALIZED (
        SELECT d.id, d.tenant, d.recipient, d.at, r.recipient IS NULL AS unknown, r.ended_at <= d.at AS ended,
               NOT r.shipped AND (SELECT (array_agg(e.event ORDER BY e.id DESC))[1] FROM toms.recipient_event e
                                  WHERE e.recipient = d.recipient AND e.tenant = d.tenant AND e.event <> 'notified' AND e.recorded_at <= d.at) = 'objected' AS against
        FROM toms.disclosure d LEFT JOIN toms.recipient r USING (recipient))
    SELECT CASE WHEN x.unknown THEN toms.found('fail', 'recipients_unknown', ARRAY[x.id::text, x.at::date::text, x.recipient],
                                               format('SELECT toms.add_recipient(%L, kind => ''…'', country => ''…'', categories => ''{…}'');', x.recipient), x.tenant)
                WHEN x.ended THEN toms.found('fail', 'recipients_ended', ARRAY[x.id::text, x.at::date::text, x.recipient], NULL, x.tenant)
                ELSE toms.found('fail', 'recipients_against', ARRAY[x.id::text, x.at::date::text, x.recipient], NULL, x.tenant) END
    FROM exports x WHERE x.unknown OR x.ended OR x.against
    UNION ALL
    SELECT toms.found('partial', 'recipients_no_agreement', ARRAY[a.recipient, a.kind], toms.add_recipient_call(r, 'agreement => ''…'''))
    FROM active a JOIN toms.recipient r USING (recipient) WHERE a.kind IN ('processor', 'sub_processor') AND coalesce(a.agreement, '') = ''
    UNION ALL
    SELECT f FROM toms.found_widened('{add_recipient,end_recipient,notify_recipient,object_to_recipient,consent_to_recipient,note_recipient_event,check_recipient,check_recipient_chain,record_disclosure}') f
    UNION ALL
    SELECT toms.found('pass', 'recipients_state', ARRAY[a.recipient, a.kind, a.country, array_to_string(a.categories, ', '), s.state,
                                                      CASE a.kind WHEN 'processor' THEN 'Auftragsverarbeiter' ELSE 'Unterauftragsverarbeiter' END,
                                                      CASE s.state WHEN 'objected' THEN 'Widerspruch des Verantwortlichen' WHEN 'consented' THEN 'Zustimmung des Verantwortlichen'
                                                                   WHEN 'waiting' THEN 'angekündigt, die Widerspruchsfrist läuft' ELSE 'angekündigt, kein Widerspruch innerhalb der Frist' END], NULL, t.tenant)
    FROM active a, toms.tenants t, LATERAL toms.recipient_state(a.recipient, t.tenant) s (state) WHERE t.active AND a.kind IN ('processor', 'sub_processor') AND s.state IS NOT NULL
    UNION ALL
    SELECT toms.found('pass', 'recipients_kept', ARRAY[count(*)::text, (count(*) FILTER (WHERE a.kind IN ('processor', 'sub_processor')))::text]) FROM active a;
$$;
REVOKE ALL ON FUNCTION toms.probe_recipients() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_recipients() IS 'internal: whether data goes to recipients of whom the controller knows';

INSERT INTO toms.phrase VALUES
    ('subprocessors_kept', 'en', '%1$s sub-processors of processors are registered; each is refused as a recipient of a tenant''s data without this tenant''s express consent.'),
    ('subprocessors_kept', 'de', 'Verzeichnete Unterauftragsverarbeiter: %1$s; jeder wird als Empfänger der Daten eines Mandanten abgewiesen, solange dieser nicht ausdrücklich zugestimmt hat.'),
    ('subprocessors_orphan', 'en', 'Sub-processor %1$s works for %2$s, who is not registered, or has ended.'),
    ('subprocessors_orphan', 'de', 'Unterauftragsverarbeiter %1$s arbeitet für %2$s, der nicht verzeichnet oder beendet ist.');

CREATE FUNCTION toms.probe_subprocessors()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH children AS MATERIALIZED (SELECT r.* FROM toms.recipient r WHERE r.kind = 'sub_processor' AND r.ended_at IS NULL)
    SELECT toms.found('fail', 'subprocessors_orphan', ARRAY[c.recipient, coalesce(c.parent, '-')], format('SELECT toms.end_recipient(%L, reason => ''…'');', c.recipient))
    FROM children c WHERE NOT EXISTS (SELECT FROM toms.recipient p WHERE p.recipient = c.parent AND p.ended_at IS NULL AND NOT p.shipped)
    UNION ALL
    SELECT toms.found('pass', 'subprocessors_kept', ARRAY[count(*)::text]) FROM children c;
$$;
REVOKE ALL ON FUNCTION toms.probe_subprocessors() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_subprocessors() IS 'internal: whether sub-processors of processors have been consented to';

-- third countries -----------------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('transfers_held', 'en', 'Of %1$s recipients %2$s are outside the EEA; of %3$s tenants, %4$s allow a transfer there at all, all others none.'),
    ('transfers_held', 'de', 'Empfänger: %1$s, davon außerhalb des EWR: %2$s. Mandanten: %3$s, davon lassen eine Übermittlung dorthin zu: %4$s; alle anderen lassen keine zu.'),
    ('transfers_covered', 'en', 'Recipient %1$s in %2$s is covered by an adequacy decision, or by its instrument "%3$s".'),
    ('transfers_covered', 'de', 'Empfänger %1$s in %2$s ist durch einen Angemessenheitsbeschluss oder sein Instrument „%3$w“ gedeckt.'),
    ('transfers_bare', 'en', 'Recipient %1$s is in %2$s, without an adequacy decision and without an instrument: every transfer to it is refused.'),
    ('transfers_bare', 'de', 'Empfänger %1$s sitzt in %2$s, ohne Angemessenheitsbeschluss und ohne Instrument: Jede Übermittlung an ihn wird verweigert.'),
    ('transfers_expired', 'en', 'The instrument "%3$s" of recipient %1$s in %2$s ended on %4$s: every transfer by it is refused.'),
    ('transfers_expired', 'de', 'Das Instrument „%3$w“ des Empfängers %1$s in %2$s lief am %4$s ab: Jede darauf gestützte Übermittlung wird verweigert.'),
    ('transfers_stale', 'en', 'The adequacy decision on %1$s, on which recipient %2$s relies, was last looked up on %3$s.'),
    ('transfers_stale', 'de', 'Der Angemessenheitsbeschluss zu %1$s, auf den sich Empfänger %2$s stützt, wurde zuletzt am %3$s überprüft.'),
    ('transfers_open', 'en', 'A recipient in a third country with instrument "%1$s", which is not in force, would be let through by rule %2$s.'),
    ('transfers_open', 'de', 'Ein Empfänger in einem Drittland mit dem Instrument „%1$w“, das nicht gilt, würde von der Regel %2$w durchgelassen.'),
    ('transfers_tried', 'en', 'Tried with recipients that there are not, in a country without an adequacy decision: %1$s of %2$s ways to get data there are refused.'),
    ('transfers_tried', 'de', 'Versucht mit erfundenen Empfängern in einem Land ohne Angemessenheitsbeschluss: %1$s von %2$s Wegen, Daten dorthin zu bringen, werden verweigert.'),
    ('transfers_rule', 'en', 'Rule for purpose %1$s: %2$s.'),
    ('transfers_rule', 'de', 'Übermittlung für %3$s: %4$s.'),
    ('transfers_against', 'en', 'Export %1$s of %2$s went to %3$s in %4$s, where data of this tenant must not go.'),
    ('transfers_against', 'de', 'Export %1$s vom %2$s ging an %3$s in %4$s, wohin Daten dieses Mandanten nicht gelangen dürfen.');

CREATE FUNCTION toms.probe_transfers()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH active AS MATERIALIZED (SELECT r.* FROM toms.recipient r WHERE NOT r.shipped AND r.ended_at IS NULL),
    abroad AS MATERIALIZED (
        SELECT r AS row, r.*, toms.transfer_is_covered(r, 'adequacy_only') AS adequate, toms.transfer_is_covered(r, 'instrument') AS covered,
               d.decision, d.partial, d.valid_until, d.as_of
        FROM toms.recipient r
             LEFT JOIN LATERAL (SELECT * FROM toms.adequacy a WHERE a.country = r.country ORDER BY a.shipped LIMIT 1) d ON true
        WHERE NOT r.shipped AND r.ended_at IS NULL AND NOT toms.is_eea(r.country)),
    rules AS MATERIALIZED (SELECT * FROM toms.transfer_rule t WHERE t.ended_at IS NULL),
    -- XX is no country's code
    tried AS MATERIALIZED (
        SELECT i.instrument, u.rule, toms.transfer_is_covered(jsonb_populate_record(NULL::toms.recipient, jsonb_build_object('country', 'XX', 'transfer_instrument', i.instrument,
                                                              'instrument_expires', CASE WHEN i.instrument <> 'none' THEN current_date - 1 END)), u.rule) AS covered
        FROM unnest('{none,adequacy,scc,bcr,certification}'::text[]) i (instrument), unnest('{eu_only,adequacy_only,instrument,instrument_and_consent}'::text[]) u (rule))
    SELECT CASE WHEN a.covered THEN toms.found('pass', 'transfers_covered', ARRAY[a.recipient, a.country, a.transfer_instrument])
                WHEN a.instrument_expires < current_date THEN toms.found('overdue', 'transfers_expired', ARRAY[a.recipient, a.country, a.transfer_instrument, a.instrument_expires::text],
                                                                         toms.add_recipient_call(a.row, 'instrument_expires => ''…'''))
                ELSE toms.found('partial', 'transfers_bare', ARRAY[a.recipient, a.country], format('SELECT toms.end_recipient(%L, reason => ''…'');', a.recipient)) END
    FROM abroad a
    UNION ALL
    SELECT toms.found('overdue', 'transfers_stale', ARRAY[a.country, a.recipient, a.as_of::text],
                      format('SELECT toms.set_adequacy(%L, decision => %L, partial => %L%s);', a.country, a.decision, a.partial, ', valid_until => ' || quote_literal(a.valid_until)))
    FROM abroad a WHERE a.adequate AND a.as_of < current_date - 365
    UNION ALL
    SELECT toms.found('fail', 'transfers_against', ARRAY[d.id::text, d.at::date::text, d.recipient, r.country], NULL, d.tenant)
    FROM toms.disclosure d JOIN toms.recipient r USING (recipient)
    WHERE NOT r.shipped AND NOT toms.is_eea(r.country) AND d.at >= r.changed_at
      AND coalesce((SELECT t.rule FROM toms.transfer_rule t WHERE t.tenant = d.tenant AND (t.purpose = d.purpose OR t.purpose IS NULL) AND t.set_at <= d.at AND coalesce(t.ended_at > d.at, true)
                    ORDER BY t.purpose NULLS LAST LIMIT 1), 'eu_only') = 'eu_only'
    UNION ALL
    SELECT toms.found('fail', 'transfers_open', ARRAY[t.instrument, t.rule]) FROM tried t WHERE t.covered
    UNION ALL
    SELECT toms.found('pass', 'transfers_tried', ARRAY[(count(*) FILTER (WHERE NOT t.covered))::text, count(*)::text]) FROM tried t
    UNION ALL
    SELECT f FROM toms.found_widened('{set_transfer_rule,set_adequacy,check_transfer,transfer_is_covered}') f
    UNION ALL
    SELECT toms.found('pass', 'transfers_rule', ARRAY[coalesce(r.purpose, '*'), r.rule, coalesce('den Zweck ' || r.purpose, 'alle anderen Zwecke'),
                                                      CASE r.rule WHEN 'eu_only' THEN 'nur in der EU und im EWR' WHEN 'adequacy_only' THEN 'nur mit Angemessenheitsbeschluss' WHEN 'instrument' THEN 'nur mit Angemessenheitsbeschluss oder geeigneten Garantien'
                                                                  ELSE 'nur mit Angemessenheitsbeschluss oder geeigneten Garantien und mit Zustimmung' END], NULL, r.tenant) FROM rules r
    UNION ALL
    SELECT toms.found('pass', 'transfers_held', ARRAY[(SELECT count(*) FROM active)::text, (SELECT count(*) FROM abroad)::text, count(*)::text,
                                                      (count(*) FILTER (WHERE EXISTS (SELECT FROM rules r WHERE r.tenant = t.tenant AND r.rule <> 'eu_only')))::text])
    FROM toms.tenants t WHERE t.active;
$$;
REVOKE ALL ON FUNCTION toms.probe_transfers() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_transfers() IS 'internal: whether data stays where it may be';

INSERT INTO toms.phrase VALUES
    ('unreadable_kept', 'en', '%1$s recipients must not be able to read what they hold: an export to them is refused unless it is encrypted with the controller''s key; %2$s of %3$s tenants have named one.'),
    ('unreadable_kept', 'de', 'Empfänger, die nicht lesen können sollen, was sie aufbewahren: %1$s. Ein Export an sie wird verweigert, wenn er nicht mit dem Schlüssel des Verantwortlichen verschlüsselt ist; einen solchen benannt haben %2$s von %3$s Mandanten.'),
    ('unreadable_clear', 'en', 'Sub-processor %1$s is in the third country %2$s and can be sent data that it can read.'),
    ('unreadable_clear', 'de', 'Unterauftragsverarbeiter %1$s sitzt im Drittland %2$s und kann Daten erhalten, die er lesen kann.'),
    ('unreadable_impossible', 'en', 'No export can be encrypted: the extension pgcrypto is not installed.'),
    ('unreadable_impossible', 'de', 'Kein Export kann verschlüsselt werden: Die Erweiterung pgcrypto ist nicht installiert.');

CREATE FUNCTION toms.probe_encrypted_exports()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.found('partial', 'unreadable_clear', ARRAY[r.recipient, r.country], toms.add_recipient_call(r, 'unreadable => true'))
    FROM toms.recipient r WHERE r.kind IN ('processor', 'sub_processor') AND r.ended_at IS NULL AND NOT r.unreadable AND NOT toms.is_eea(r.country)
    UNION ALL
    SELECT toms.found('partial', 'unreadable_impossible', NULL, 'CREATE EXTENSION pgcrypto;')
    WHERE NOT EXISTS (SELECT FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c' WHERE p.probin = '$libdir/pgcrypto' AND p.prosrc = 'pgp_pub_encrypt_bytea')
    UNION ALL
    SELECT f FROM toms.found_widened('{set_export_key,check_unreadable,encrypt_part,check_tenant_export}') f
    UNION ALL
    SELECT toms.found('pass', 'unreadable_kept', ARRAY[(SELECT count(*) FROM toms.recipient r WHERE r.unreadable AND r.ended_at IS NULL)::text,
                                                       (count(*) FILTER (WHERE EXISTS (SELECT FROM toms.export_key k WHERE k.tenant = t.tenant)))::text, count(*)::text])
    FROM toms.tenants t WHERE t.active;
$$;
REVOKE ALL ON FUNCTION toms.probe_encrypted_exports() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_encrypted_exports() IS 'internal: whether recipients who must not read data get it encrypted';
