-- Probes of periods: what nothing would delete, what did not go in time, what the law keeps, and whether deletions can be proven.

INSERT INTO toms.phrase VALUES
    ('retention_runs', 'en', '%1$s of %2$s protected tables have a rule for all of their rows, %3$s rules in all; last run (UTC): %4$s; interval of runs: %5$s.'),
    ('retention_runs', 'de', '%1$s von %2$s geschützten Tabellen haben eine Regel für alle ihre Zeilen, insgesamt %3$s Regeln; letzter Lauf (UTC): %4$s; Abstand der Läufe: %5$p.'),
    ('retention_none', 'en', 'Nothing ever deletes all rows of table %1$s: no rule says how long they are kept.'),
    ('retention_none', 'de', 'Für die Tabelle %1$s ist nicht vollständig geregelt, wann gelöscht wird: Keine Regel erfasst alle ihre Zeilen.'),
    ('retention_broken', 'en', 'Rule %1$s of %2$s cannot be carried out: %3$s.'),
    ('retention_broken', 'de', 'Regel %1$s von %2$s ist nicht ausführbar: %3$e.'),
    ('retention_failed', 'en', 'Rule %1$s of %2$s has failed: %3$s.'),
    ('retention_failed', 'de', 'Regel %1$s von %2$s ist gescheitert: %3$e.'),
    ('retention_stopped', 'en', 'Rule %1$s of %2$s has stopped at toms.retention_limit: at least %3$s rows wait for approval.'),
    ('retention_stopped', 'de', 'Regel %1$s von %2$s hat bei toms.retention_limit angehalten: Mindestens %3$s Zeilen warten auf Freigabe.'),
    ('retention_overdue', 'en', 'Rule %1$s of %2$s is not carried out: the background worker of retention gives no sign of life.'),
    ('retention_overdue', 'de', 'Regel %1$s von %2$s wird nicht ausgeführt: Der Hintergrundprozess der Löschung gibt kein Lebenszeichen.'),
    ('retention_still', 'en', 'The background worker that deletes by rule, and at the end of a contract, gives no sign of life.'),
    ('retention_still', 'de', 'Der Hintergrundprozess, der nach Regeln und am Ende eines Vertrags löscht, gibt kein Lebenszeichen.');

-- Tables of which some rows are in no rule of all tenants.
CREATE FUNCTION toms.tables_without_rule()
RETURNS SETOF regclass LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.relation FROM toms.protected_tables p
    WHERE p.relation = p.root AND NOT EXISTS (SELECT FROM toms.retention_rule r WHERE r.relation = p.relation AND r.valid_until IS NULL
                                                  AND r.tenant IS NULL AND coalesce(r.category, p.category) = p.category);
$$;
REVOKE ALL ON FUNCTION toms.tables_without_rule() FROM PUBLIC;
COMMENT ON FUNCTION toms.tables_without_rule() IS 'internal: protected tables of which nothing deletes all rows';

-- A rule as toms.retain() would declare it again, with something else.
CREATE FUNCTION toms.retain_call(rule toms.retention_rule, period text, more text DEFAULT NULL)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('SELECT toms.retain(%s);', concat_ws(', ',
        quote_literal(rule.relation::regclass::text), CASE WHEN period IS NULL THEN format('keep => %L', rule.keep) END,
        format('since => %L', CASE WHEN rule.elsewhere IS NULL THEN quote_ident(rule.since) ELSE format('%s.%I', rule.elsewhere, rule.since) END),
        'through => ' || quote_literal(rule.through), CASE WHEN period IS NULL THEN format('starts => %L', rule.starts) END,
        CASE WHEN more IS NULL OR more NOT LIKE 'restrict\_after%' THEN 'restrict_after => ' || quote_literal(rule.restrict_after) END,
        CASE WHEN more IS NULL OR more NOT LIKE 'basis%' THEN 'basis => ' || quote_literal(rule.basis) END,
        CASE WHEN rule.purposes <> '{}' THEN format('purposes => %L', rule.purposes) END,
        'tenant => ' || quote_literal(rule.tenant), 'category => ' || quote_literal(rule.category), CASE WHEN rule.action <> 'delete' THEN format('action => %L, clear => %L', rule.action, rule.clear) END,
        'period => ' || quote_literal(period), format('zone => %L', rule.zone), CASE WHEN rule.locked THEN 'locked => true' END, more));
$$;
REVOKE ALL ON FUNCTION toms.retain_call(toms.retention_rule, text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.retain_call(toms.retention_rule, text, text) IS 'internal: the SQL that declares a rule anew';

CREATE FUNCTION toms.probe_retention()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT f FROM toms.found_unprotected() f
    UNION ALL
    SELECT toms.found('fail', 'retention_none', ARRAY[t::text], format('SELECT toms.retain(%L, keep => ''…'', since => ''…'');', t)) FROM toms.tables_without_rule() t
    UNION ALL
    SELECT toms.found(CASE s.state WHEN 'stopped' THEN 'overdue' ELSE 'fail' END, 'retention_' || s.state,
                      ARRAY[s.rule::text, s.relation, CASE s.state WHEN 'stopped' THEN coalesce(s.due, 0)::text ELSE s.problem END],
                      CASE s.state WHEN 'stopped' THEN format('SELECT toms.approve_retention(%s, tenant => %L, reason => ''…'');', s.rule, s.tenant)
                                   WHEN 'broken' THEN format('SELECT toms.unretain(%s, reason => ''…'');', s.rule)
                                   WHEN 'failed' THEN 'SELECT * FROM toms.run_retention();'
                                   ELSE toms.more_workers() END, s.tenant)
    FROM toms.retention_progress s WHERE s.state IN ('broken', 'failed', 'stopped', 'overdue')
    UNION ALL
    SELECT toms.found('pass', 'retention_runs', ARRAY[(count(*) - (SELECT count(*) FROM toms.tables_without_rule()))::text, count(*)::text,
                                                      (SELECT count(*) FROM toms.retention_rule r WHERE r.valid_until IS NULL)::text,
                                                      coalesce((SELECT to_char(o.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM toms.retention_round o), '–'),
                                                      current_setting('toms.retention_interval')])
    FROM toms.protected_tables p WHERE p.relation = p.root HAVING count(*) > 0;
$$;
REVOKE ALL ON FUNCTION toms.probe_retention() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_retention() IS 'internal: whether rows go when their period is over';

-- the concept ---------------------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('concept_written', 'en', 'The deletion concept (DIN 66398) has %1$s entries, from the rules that run: toms.deletion_concept().'),
    ('concept_written', 'de', 'Das Löschkonzept (DIN 66398) hat %1$s Einträge, erzeugt aus den geltenden Regeln: toms.deletion_concept().'),
    ('concept_gap', 'en', 'The deletion concept does not cover all rows of table %1$s.'),
    ('concept_gap', 'de', 'Das Löschkonzept erfasst nicht alle Zeilen der Tabelle %1$s.'),
    ('concept_unfounded', 'en', 'Rule %1$s of %2$s names no legal basis.'),
    ('concept_unfounded', 'de', 'Regel %1$s von %2$s nennt keine Rechtsgrundlage.');

CREATE FUNCTION toms.probe_deletion_concept()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT f FROM toms.found_unprotected() f
    UNION ALL
    SELECT toms.found('fail', 'concept_gap', ARRAY[t::text], format('SELECT toms.retain(%L, keep => ''…'', since => ''…'', basis => ''…'');', t)) FROM toms.tables_without_rule() t
    UNION ALL
    SELECT toms.found('partial', 'concept_unfounded', ARRAY[r.id::text, r.relation_name], toms.retain_call(r, r.period, 'basis => ''…'''), r.tenant)
    FROM toms.retention_rule r WHERE r.valid_until IS NULL AND r.period IS NULL AND coalesce(r.basis, '') = '' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = r.relation)
    UNION ALL
    SELECT toms.found('pass', 'concept_written', ARRAY[count(*)::text]) FROM toms.deletion_concept() c;
$$;
REVOKE ALL ON FUNCTION toms.probe_deletion_concept() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_deletion_concept() IS 'internal: whether the deletion concept is complete';

-- accounts ------------------------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('master_until', 'en', 'Rows of %1$s are kept until %2$s; deletion after that: %3$s.'),
    ('master_until', 'de', 'Zeilen von %1$s werden aufbewahrt bis %2$s; Löschung danach: %4$s.'),
    ('master_fixed', 'en', 'Table of persons %1$s: its rule counts from %2$s, which every row has, and not from the end of use.'),
    ('master_fixed', 'de', 'Personentabelle %1$s: Ihre Regel rechnet ab %2$s, das jede Zeile hat, und nicht ab dem Ende der Nutzung.'),
    ('master_forever', 'en', 'Table of persons %1$s has no rule: whoever is in it stays.'),
    ('master_forever', 'de', 'Personentabelle %1$s hat keine Regel: Wer darin steht, bleibt.'),
    ('master_none', 'en', 'No rule counts from the end of use of an account.'),
    ('master_none', 'de', 'Keine Regel rechnet ab dem Ende der Nutzung eines Kontos.');

-- A start event that need not have come yet: in another table, or in a column that may be null.
CREATE FUNCTION toms.master_data_rules()
RETURNS TABLE (relation regclass, is_master boolean, rule toms.retention_rule, open_ended boolean) LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.relation, coalesce(p.subject IS NOT NULL AND toms.is_key_in_tenant(p.relation, p.subject), false), r,
           r.elsewhere IS NOT NULL OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = r.relation AND a.attname = r.since AND NOT a.attnotnull)
    FROM toms.protected_tables p LEFT JOIN toms.retention_rule r ON r.relation = p.relation AND r.valid_until IS NULL
    WHERE p.relation = p.root;
$$;
REVOKE ALL ON FUNCTION toms.master_data_rules() FROM PUBLIC;
COMMENT ON FUNCTION toms.master_data_rules() IS 'internal: rules, and which of them end with an account';

CREATE FUNCTION toms.probe_master_data()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH rules AS MATERIALIZED (SELECT * FROM toms.master_data_rules())
    SELECT CASE WHEN (r.rule).id IS NULL THEN toms.found('fail', 'master_forever', ARRAY[r.relation::text], format('SELECT toms.retain(%L, keep => ''0'', since => ''…'');', r.relation))
                WHEN r.open_ended THEN toms.found('pass', 'master_until', ARRAY[r.relation::text, quote_ident((r.rule).since), toms.period_in_words((r.rule).keep, 'en'), toms.period_in_words((r.rule).keep, 'de')])
                ELSE toms.found('partial', 'master_fixed', ARRAY[r.relation::text, quote_ident((r.rule).since)], format('SELECT toms.retain(%L, keep => ''0'', since => ''…'');', r.relation)) END
    FROM rules r WHERE r.is_master OR r.open_ended
    UNION ALL
    SELECT toms.found('fail', 'master_none', NULL, 'SELECT toms.retain(''…'', keep => ''0'', since => ''…'', through => ''…'');')
    WHERE NOT EXISTS (SELECT FROM rules r WHERE r.is_master OR r.open_ended);
$$;
REVOKE ALL ON FUNCTION toms.probe_master_data() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_master_data() IS 'internal: whether master data end with the account';

-- what the law keeps --------------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('statutory_kept', 'en', 'Rows of %1$s are kept for %2$s (%3$s; %4$s); they are restricted after %5$s, and then deleted.'),
    ('statutory_kept', 'de', 'Zeilen von %1$s werden %6$s aufbewahrt (%3$w; %4$a), eingeschränkt (Frist: %7$s) und dann gelöscht.'),
    ('statutory_open', 'en', 'Rows of %1$s are kept by law (%2$s) and stay open to every purpose until they are deleted.'),
    ('statutory_open', 'de', 'Zeilen von %1$s werden von Gesetzes wegen aufbewahrt (%2$a) und bleiben bis zur Löschung für jeden Zweck zugänglich.'),
    ('statutory_short', 'en', 'Rule %1$s of %2$s keeps rows for %3$s; the law (%5$s) demands %6$s.'),
    ('statutory_short', 'de', 'Regel %1$s von %2$s bewahrt Zeilen %4$s auf; das Gesetz (%5$a) verlangt: %7$s.'),
    ('statutory_stale', 'en', 'Period %1$s, by which rule %2$s of %3$s goes, was last compared with the law on %4$s.'),
    ('statutory_stale', 'de', 'Die Frist %1$s, nach der sich Regel %2$s von %3$s richtet, wurde zuletzt am %4$s mit dem Gesetz verglichen.'),
    ('statutory_gone', 'en', 'Rule %1$s of %2$s goes by the statutory period %3$s, which is not there any more.'),
    ('statutory_gone', 'de', 'Regel %1$s von %2$s richtet sich nach der gesetzlichen Frist %3$s, die es nicht mehr gibt.'),
    ('statutory_none', 'en', 'No rule goes by a statutory period.'),
    ('statutory_none', 'de', 'Keine Regel richtet sich nach einer gesetzlichen Frist.');

CREATE FUNCTION toms.probe_statutory()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH rules AS MATERIALIZED (
        SELECT r AS rule, r.id, r.relation_name, p.*, p.period IS NULL AS gone, r.period AS named, p.as_of < current_date - 365 AS stale,
               coalesce(toms.is_shorter(r.keep, p.keep) OR toms.start_rank(r.starts) < toms.start_rank(p.starts), false) AS short, p.period || '_' || to_char(now(), 'YYYY') AS anew
        FROM toms.retention_rule r LEFT JOIN toms.statutory_period p USING (period)
        WHERE r.valid_until IS NULL AND r.period IS NOT NULL AND EXISTS (SELECT FROM pg_class c WHERE c.oid = r.relation))
    SELECT toms.found('fail', 'statutory_gone', ARRAY[r.id::text, r.relation_name, r.named], 'SELECT toms.add_statutory_period(' || quote_literal(r.named) || ', country => ''…'', records => ''…'', keep => ''…'', source => ''…'');', (r.rule).tenant)
    FROM rules r WHERE r.gone
    UNION ALL
    SELECT toms.found('fail', 'statutory_short', ARRAY[r.id::text, r.relation_name, toms.period_in_words((r.rule).keep, 'en'), toms.period_in_words((r.rule).keep, 'de'), r.source,
                                                         toms.period_in_words(r.keep, 'en'), toms.period_in_words(r.keep, 'de')],
                      toms.retain_call(r.rule, r.named), (r.rule).tenant)
    FROM rules r WHERE r.short
    UNION ALL
    SELECT toms.found('overdue', 'statutory_stale', ARRAY[r.named, r.id::text, r.relation_name, r.as_of::text],
                      format('SELECT toms.add_statutory_period(%L, country => %L, records => %L, keep => %L, source => %L, starts => %L);', CASE WHEN r.shipped THEN r.anew ELSE r.named END,
                             r.country, r.records, r.keep, r.source, r.starts)
                      || CASE WHEN r.shipped THEN ' ' || toms.retain_call(r.rule, r.anew) ELSE '' END, (r.rule).tenant)
    FROM rules r WHERE r.stale
    UNION ALL
    SELECT CASE WHEN (r.rule).restrict_after IS NULL
                THEN toms.found('partial', 'statutory_open', ARRAY[r.relation_name, r.source], toms.retain_call(r.rule, r.named, 'restrict_after => ''…'''), (r.rule).tenant)
                ELSE toms.found('pass', 'statutory_kept', ARRAY[r.relation_name, toms.period_in_words((r.rule).keep, 'en'), (r.rule).since || ', ' || (r.rule).starts, r.source, toms.period_in_words((r.rule).restrict_after, 'en'),
                                                                 toms.period_in_words((r.rule).keep, 'de'), toms.period_in_words((r.rule).restrict_after, 'de')], NULL, (r.rule).tenant) END
    FROM rules r WHERE NOT (r.gone OR r.short)
    UNION ALL
    SELECT toms.found('fail', 'statutory_none', NULL, 'SELECT toms.retain(''…'', period => ''…'', since => ''…'', restrict_after => ''…'');') WHERE NOT EXISTS (SELECT FROM rules);
$$;
REVOKE ALL ON FUNCTION toms.probe_statutory() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_statutory() IS 'internal: whether what the law keeps is kept as long as it says, and restricted';

-- means ---------------------------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('erasure_sealed', 'en', '%1$s columns of %2$s protected tables are sealed: destroying their keys takes the place of overwriting, in backups too.'),
    ('erasure_sealed', 'de', 'Versiegelte Spalten: %1$s, geschützte Tabellen: %2$s. Die Vernichtung der Schlüssel tritt an die Stelle des Überschreibens, auch in Sicherungen.'),
    ('erasure_clear', 'en', 'Deviation: of %1$s, columns in clear (%2$s) are removed with their row and the space is vacuumed; they are not overwritten.'),
    ('erasure_clear', 'de', 'Abweichung: Klartextspalten von %1$s (%2$s) werden mit ihrer Zeile entfernt, und der Platz wird durch VACUUM freigegeben; überschrieben werden sie nicht.'),
    ('erasure_unvacuumed', 'en', 'Table %1$s is not vacuumed by itself: deleted rows stay in its file.'),
    ('erasure_unvacuumed', 'de', 'Tabelle %1$s wird nicht selbsttätig bereinigt: Gelöschte Zeilen bleiben in ihrer Datei.'),
    ('erasure_no_vacuum', 'en', 'No table is vacuumed by itself (autovacuum is off): deleted rows stay in their files.'),
    ('erasure_no_vacuum', 'de', 'Keine Tabelle wird selbsttätig bereinigt (autovacuum ist ausgeschaltet): Gelöschte Zeilen bleiben in ihren Dateien.');

-- Of columns in clear those that are neither keys nor say whose the row is; only what holds text or bytes in tables of Art. 9 has a remedy.
CREATE FUNCTION toms.clear_columns()
RETURNS TABLE (relation regclass, special boolean, col name, sealable boolean) LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH special AS MATERIALIZED (SELECT x AS relation FROM toms.special_tables() x), sealed AS MATERIALIZED (SELECT y.type FROM toms.sealed_types() y)
    SELECT p.relation, s.special, a.attname, s.special AND coalesce(nullif(t.typbasetype, 0), t.oid) IN ('text'::regtype, 'varchar'::regtype, 'bytea'::regtype)
    FROM toms.protected_tables p CROSS JOIN LATERAL (SELECT p.relation IN (SELECT x.relation FROM special x)) s (special)
         JOIN pg_attribute a ON a.attrelid = p.relation AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid
    WHERE p.root = p.relation AND a.atttypid NOT IN (SELECT y.type FROM sealed y) AND a.attname <> ALL (array_remove(ARRAY[p.tenant, p.subject, p.parent_key], NULL))
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = p.relation AND k.contype IN ('p', 'f') AND a.attnum = ANY (k.conkey));
$$;
REVOKE ALL ON FUNCTION toms.clear_columns() FROM PUBLIC;
COMMENT ON FUNCTION toms.clear_columns() IS 'internal: columns of protected tables that are not sealed';

CREATE FUNCTION toms.probe_erasure_means()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT f FROM toms.found_unprotected() f
    UNION ALL
    SELECT toms.found('partial', 'erasure_clear', ARRAY[c.relation::text, string_agg(c.col, ', ' ORDER BY c.col)],
                      string_agg(format('SELECT toms.seal_column(%L, %L);', c.relation, c.col), ' ' ORDER BY c.col) FILTER (WHERE c.sealable))
    FROM toms.clear_columns() c GROUP BY c.relation
    UNION ALL
    SELECT toms.found('fail', 'erasure_unvacuumed', ARRAY[p.relation::text], format('ALTER TABLE %s RESET (autovacuum_enabled);', p.relation))
    FROM toms.protected_tables p JOIN pg_class c ON c.oid = p.relation, pg_options_to_table(c.reloptions) o
    WHERE o.option_name = 'autovacuum_enabled' AND o.option_value IN ('false', 'off', 'no', '0')
    UNION ALL
    SELECT toms.found('fail', 'erasure_no_vacuum', NULL, toms.set_server('autovacuum', 'on')) WHERE current_setting('autovacuum') = 'off'
    UNION ALL
    SELECT toms.found('pass', 'erasure_sealed', ARRAY[coalesce(sum(n.sealed), 0)::text, (count(*) FILTER (WHERE n.sealed > 0))::text])
    FROM (SELECT count(y.type) AS sealed
          FROM toms.protected_tables p JOIN pg_attribute a ON a.attrelid = p.relation AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN toms.sealed_types() y ON y.type = a.atttypid
          WHERE p.root = p.relation GROUP BY p.relation) n
    HAVING count(*) > 0;
$$;
REVOKE ALL ON FUNCTION toms.probe_erasure_means() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_erasure_means() IS 'internal: what erasure does to values that are sealed, and to those that are not';

INSERT INTO toms.phrase VALUES
    ('deletion_log_kept', 'en', '%1$s deletions by rule and %2$s erasures are in the sealed trail, by table, tenant and number of rows; no entry names a person.'),
    ('deletion_log_kept', 'de', '%1$s Löschungen nach Regel und %2$s Löschungen auf Weisung stehen im versiegelten Protokoll, nach Tabelle, Mandant und Zahl der Zeilen; kein Eintrag nennt eine Person.'),
    ('deletion_log_silent', 'en', 'Rule %1$s has deleted %2$s rows since %3$s, and the trail does not tell of it.'),
    ('deletion_log_silent', 'de', 'Regel %1$s hat seit %3$s %2$s Zeilen gelöscht, und das Protokoll enthält davon nichts.'),
    ('deletion_log_erasure', 'en', 'Erasure %1$s is done, and the trail does not tell of it.'),
    ('deletion_log_erasure', 'de', 'Löschung %1$s ist ausgeführt, und das Protokoll enthält davon nichts.'),
    ('deletion_log_off', 'en', 'What takes erasures into the trail is off: trigger "finish" of toms.erasure.'),
    ('deletion_log_off', 'de', 'Was Löschungen in das Protokoll aufnimmt, ist ausgeschaltet: Trigger „finish“ von toms.erasure.'),
    ('deletion_log_personal', 'en', '%1$s entries on deletions are about a person.'),
    ('deletion_log_personal', 'de', '%1$s Einträge über Löschungen betreffen eine Person.');

CREATE FUNCTION toms.probe_deletion_log()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH told AS MATERIALIZED (SELECT d.* FROM toms.deletion_log d),
    entries AS MATERIALIZED (SELECT e.id, e.key FROM toms.audit_entry e WHERE e.kind = 'd'),
    gone AS MATERIALIZED (SELECT e.* FROM toms.erasure e WHERE e.state = 'done' AND e.ended_at > now() - (SELECT p.keep FROM toms.audit_periods p WHERE p.kind = 'deletion'))
    SELECT toms.found('fail', 'deletion_log_silent', ARRAY[r.rule::text, r.rows::text, r.began_at::date::text], NULL, r.tenant)
    FROM toms.retention_run r
    WHERE r.rows > 0 AND r.ended_at > now() - (SELECT p.keep FROM toms.audit_periods p WHERE p.kind = 'deletion')
      AND NOT EXISTS (SELECT FROM told t WHERE (t.rule, t.tenant) = (r.rule, r.tenant) AND t.at >= r.began_at - interval '1 minute')
    UNION ALL
    SELECT toms.found('fail', 'deletion_log_erasure', ARRAY[g.id::text], NULL, g.tenant) FROM gone g WHERE NOT EXISTS (SELECT FROM entries e WHERE e.id = g.entry)
    UNION ALL
    SELECT toms.found('fail', 'deletion_log_off', NULL, 'ALTER TABLE toms.erasure ENABLE TRIGGER finish;')
    WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = 'toms.erasure'::regclass AND t.tgname = 'finish' AND t.tgfoid = 'toms.finish_erasure()'::regprocedure AND t.tgenabled IN ('O', 'A'))
    UNION ALL
    SELECT toms.found('fail', 'deletion_log_personal', ARRAY[count(*)::text]) FROM entries e WHERE e.key IS NOT NULL HAVING count(*) > 0
    UNION ALL
    SELECT toms.found('pass', 'deletion_log_kept', ARRAY[(SELECT count(*) FROM told)::text, (SELECT count(*) FROM gone)::text]);
$$;
REVOKE ALL ON FUNCTION toms.probe_deletion_log() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_deletion_log() IS 'internal: whether deletions are in the trail';
