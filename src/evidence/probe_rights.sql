-- Probes of instructions, of data subjects' rights, and of their requests.

INSERT INTO toms.phrase VALUES
    ('instructions_asked', 'en', 'Tried without a confirmed instruction: %1$s of %2$s kinds of orders were refused (%3$s). %4$s instructions are on record.'),
    ('instructions_asked', 'de', 'Versucht ohne bestätigte Weisung: %1$s von %2$s Arten von Aufträgen wurden verweigert (%3$w). %4$s Weisungen sind verzeichnet.'),
    ('instructions_untried', 'en', 'Nothing can be carried out in this transaction, which only reads: it was not tried. %1$s instructions are on record.'),
    ('instructions_untried', 'de', 'In dieser Transaktion, die nur liest, kann nichts ausgeführt werden: Es wurde nicht versucht. %1$s Weisungen sind verzeichnet.'),
    ('instructions_open', 'en', 'An order of kind "%1$s" would be carried out without an instruction.'),
    ('instructions_open', 'de', 'Ein Auftrag der Art „%1$w“ würde ohne Weisung ausgeführt.'),
    ('instructions_unfounded', 'en', 'Row %2$s of %1$s refers to instruction %3$s, which this tenant has not given and confirmed.'),
    ('instructions_unfounded', 'de', 'Zeile %2$s von %1$s beruft sich auf die Weisung %3$s, die dieser Mandant nicht erteilt und bestätigt hat.'),
    ('instructions_waiting', 'en', 'Instruction %1$s (%2$s) has been confirmed since %3$s and has not been carried out.'),
    ('instructions_waiting', 'de', 'Weisung %1$s (%2$w) ist seit %3$s bestätigt und nicht ausgeführt.');

-- In the function that everything asks which carries an instruction out. There is no instruction -1: no row is locked.
CREATE FUNCTION toms.try_without_instruction()
RETURNS TABLE (kind text, refused boolean) LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    FOREACH kind IN ARRAY '{audit_values,enable_category,end_tenant,erase,erase_category,export,rectify,restrict,unrestrict}'::text[] LOOP
        BEGIN
            PERFORM toms.check_instruction(-1, '…', kind, NULL);
            refused := false;
        EXCEPTION
            WHEN object_not_in_prerequisite_state THEN refused := true;
            WHEN read_only_sql_transaction THEN refused := NULL;    -- on a standby nothing is carried out at all
        END;
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.try_without_instruction() FROM PUBLIC;
COMMENT ON FUNCTION toms.try_without_instruction() IS 'internal: whether orders without an instruction are refused';

-- What says that it was done by an instruction. Instructions of tenants of whom nothing is left are gone with them.
CREATE FUNCTION toms.instructed()
RETURNS TABLE (register text, id bigint, tenant text, instruction bigint, founded boolean) LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.register, d.id, d.tenant, d.instruction,
           EXISTS (SELECT FROM toms.instruction i WHERE i.id = d.instruction AND i.tenant = d.tenant
                   AND (i.state IN ('confirmed', 'carried_out') OR EXISTS (SELECT FROM toms.instruction_event v WHERE v.instruction = i.id AND v.state = 'carried_out')))
    FROM (SELECT 'toms.erasure', e.id, e.tenant, e.instruction FROM toms.erasure e WHERE e.state <> 'void'
          UNION ALL SELECT 'toms.restriction', r.id, r.tenant, r.instruction FROM toms.restriction r WHERE r.kind = 'request'
          UNION ALL SELECT 'toms.rectification', c.id, c.tenant, c.instruction FROM toms.rectification c
          UNION ALL SELECT 'toms.disclosure', s.id, s.tenant, s.instruction FROM toms.disclosure s WHERE s.kind <> 'recorded'
          UNION ALL SELECT 'toms.audit_consent', a.id, a.tenant, a.instruction FROM toms.audit_consent a
          UNION ALL SELECT 'toms.tenant_end', t.id, t.tenant, t.instruction FROM toms.tenant_end t WHERE t.state <> 'cancelled') d (register, id, tenant, instruction)
    WHERE d.instruction IS NOT NULL AND NOT EXISTS (SELECT FROM toms.tenant_end t WHERE t.tenant = d.tenant AND t.state = 'done');
$$;
REVOKE ALL ON FUNCTION toms.instructed() FROM PUBLIC;
COMMENT ON FUNCTION toms.instructed() IS 'internal: what was done by instructions, and whether they were given';

CREATE FUNCTION toms.probe_instructions()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH tried AS MATERIALIZED (SELECT * FROM toms.try_without_instruction())
    SELECT toms.found('fail', 'instructions_open', ARRAY[t.kind]) FROM tried t WHERE NOT t.refused
    UNION ALL
    SELECT toms.found('fail', 'instructions_unfounded', ARRAY[d.register, d.id::text, d.instruction::text], NULL, d.tenant) FROM toms.instructed() d WHERE NOT d.founded
    UNION ALL
    SELECT f FROM toms.found_widened('{check_instruction,carry_out_instruction,move_instruction,confirm_instruction,record_instruction,erase_subject,erase_category,erase,carry_out_erasure,destroy_keys,
                                       restrict_subject,unrestrict_subject,rectify_subject,export_subject,export_subject_csv,export_tenant,end_tenant,enable_category,protect,declare_audit}') f
    UNION ALL
    SELECT toms.found('overdue', 'instructions_waiting', ARRAY[i.id::text, i.kind, v.at::date::text],
                      format(CASE i.kind WHEN 'erase' THEN 'SELECT toms.erase_subject(%2$L, ''…'', instruction => %1$s);' WHEN 'export' THEN 'SELECT toms.export_subject(%2$L, ''…'', instruction => %1$s);'
                                         WHEN 'restrict' THEN 'SELECT toms.restrict_subject(%2$L, ''…'', instruction => %1$s);' ELSE 'SELECT toms.withdraw_instruction(%1$s, reason => ''…'');' END, i.id, i.tenant), i.tenant)
    FROM toms.instruction i JOIN LATERAL (SELECT max(e.at) AS at FROM toms.instruction_event e WHERE e.instruction = i.id AND e.state = 'confirmed') v ON true
    WHERE i.state = 'confirmed' AND i.single_use AND v.at < now() - interval '30 days'
      AND NOT EXISTS (SELECT FROM toms.erasure e WHERE e.instruction = i.id) AND NOT EXISTS (SELECT FROM toms.tenant_end e WHERE e.instruction = i.id AND e.state <> 'cancelled')
    UNION ALL
    SELECT CASE WHEN bool_or(t.refused IS NULL) THEN toms.found('partial', 'instructions_untried', ARRAY[(SELECT count(*) FROM toms.instruction i)::text])
                ELSE toms.found('pass', 'instructions_asked', ARRAY[(count(*) FILTER (WHERE t.refused))::text, count(*)::text, string_agg(t.kind, ', ' ORDER BY t.kind),
                                                                    (SELECT count(*) FROM toms.instruction i)::text]) END
    FROM tried t;
$$;
REVOKE ALL ON FUNCTION toms.probe_instructions() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_instructions() IS 'internal: whether anything is carried out without a confirmed instruction';

INSERT INTO toms.phrase VALUES
    ('states_kept', 'en', 'Of %1$s instructions %2$s are suspended and %3$s were refused; none of these was carried out after it.'),
    ('states_kept', 'de', 'Von %1$s Weisungen sind %2$s ausgesetzt und %3$s abgelehnt; keine davon wurde danach ausgeführt.'),
    ('states_waiting', 'en', 'Instruction %1$s (%2$s) is suspended since %3$s; the controller was told on %4$s and has to confirm or change it.'),
    ('states_waiting', 'de', 'Weisung %1$s (%2$w) ist seit %3$s ausgesetzt; der Verantwortliche wurde am %4$s informiert und muss sie bestätigen oder ändern.'),
    ('states_untold', 'en', 'Instruction %1$s (%2$s) is believed unlawful since %3$s, and that the controller was told is not on record.'),
    ('states_untold', 'de', 'Weisung %1$s (%2$w) gilt seit %3$s als rechtswidrig, und dass der Verantwortliche informiert wurde, ist nicht verzeichnet.'),
    ('states_ignored', 'en', 'Instruction %1$s (%2$s) was carried out on %3$s, although it was %4$s.'),
    ('states_ignored', 'de', 'Weisung %1$s (%2$w) wurde am %3$s ausgeführt, obwohl sie im Zustand „%4$w“ war.');

CREATE FUNCTION toms.probe_instruction_states()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH events AS MATERIALIZED (
        SELECT e.*, lag(e.state) OVER (PARTITION BY e.instruction ORDER BY e.id) AS before, max(e.at) FILTER (WHERE e.state IN ('suspended', 'refused')) OVER (PARTITION BY e.instruction) AS doubted_at
        FROM toms.instruction_event e),
    ignored AS MATERIALIZED (SELECT e.* FROM events e WHERE e.state = 'carried_out' AND e.before IN ('given', 'suspended', 'refused', 'withdrawn')),
    doubted AS MATERIALIZED (
        SELECT i.*, (SELECT max(e.doubted_at) FROM events e WHERE e.instruction = i.id) AS doubted_at FROM toms.instruction i WHERE i.state IN ('suspended', 'refused'))
    SELECT toms.found('fail', 'states_ignored', ARRAY[g.instruction::text, i.kind, g.at::date::text, g.before], NULL, i.tenant) FROM ignored g JOIN toms.instruction i ON i.id = g.instruction
    UNION ALL
    SELECT CASE WHEN d.informed_at IS NULL
                THEN toms.found('overdue', 'states_untold', ARRAY[d.id::text, d.kind, d.doubted_at::date::text], format('SELECT toms.record_controller_told(%s);', d.id), d.tenant)
                ELSE toms.found('pass', 'states_waiting', ARRAY[d.id::text, d.kind, d.doubted_at::date::text, d.informed_at::date::text], NULL, d.tenant) END
    FROM doubted d WHERE d.informed_at IS NULL OR d.state = 'suspended'
    UNION ALL
    SELECT f FROM toms.found_widened('{confirm_instruction,suspend_instruction,refuse_instruction,withdraw_instruction,record_controller_told,move_instruction}') f
    UNION ALL
    SELECT toms.found('pass', 'states_kept', ARRAY[count(*)::text, (count(*) FILTER (WHERE i.state = 'suspended'))::text, (count(*) FILTER (WHERE i.state = 'refused'))::text])
    FROM toms.instruction i WHERE NOT EXISTS (SELECT FROM ignored);
$$;
REVOKE ALL ON FUNCTION toms.probe_instruction_states() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_instruction_states() IS 'internal: whether instructions believed unlawful wait, and the controller is told';

-- rights ----------------------------------------------------------------------------------------------

INSERT INTO toms.phrase VALUES
    ('rights_reach', 'en', 'Access, portability, rectification, restriction and erasure of a data subject reach %1$s protected tables in one call each.'),
    ('rights_reach', 'de', 'Auskunft, Übertragung, Berichtigung, Einschränkung und Löschung erreichen zu einer betroffenen Person %1$s geschützte Tabellen mit je einem Aufruf.'),
    ('rights_nobody', 'en', 'No protected table says whose its rows are: no data subject''s right can be carried out.'),
    ('rights_nobody', 'de', 'Bei keiner geschützten Tabelle ist angegeben, wem ihre Zeilen zuzuordnen sind: Kein Recht einer betroffenen Person lässt sich erfüllen.'),
    ('rights_undeclared', 'en', 'A way from %1$s to data subjects is not declared: until it is, erasures and exports are refused.'),
    ('rights_undeclared', 'de', 'Die Beziehung von %1$s zu betroffenen Personen ist nicht festgelegt: Bis dahin werden Löschungen und Exporte verweigert.'),
    ('rights_waiting', 'en', 'Erasure %1$s should have been finished: nothing keeps it since %2$s.'),
    ('rights_waiting', 'de', 'Löschung %1$s müsste ausgeführt sein: Seit %2$s steht ihr nichts mehr entgegen.'),
    ('rights_kept', 'en', 'Erasure %1$s waits for a hold or for the end of a period.'),
    ('rights_kept', 'de', 'Löschung %1$s wartet auf das Ende einer Sperre oder Frist.'),
    ('rights_untold', 'en', 'Recipient %1$s has to be told of what was done by instruction %2$s (%3$s) since %4$s.'),
    ('rights_untold', 'de', 'Empfänger %1$s ist seit %4$s darüber zu unterrichten, was aufgrund der Weisung %2$s geschehen ist (%3$w).');

CREATE FUNCTION toms.probe_rights()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH waiting AS MATERIALIZED (
        SELECT e.id, e.tenant, coalesce((e.result ->> 'until')::timestamptz, e.requested_at) AS free_at,
               e.state = 'running' OR NOT ((e.result ->> 'until')::timestamptz > now() IS TRUE
                   OR EXISTS (SELECT FROM toms.hold h WHERE h.state = 'held' AND coalesce(h.tenant = e.tenant, true) AND coalesce(h.subject = e.subject, true))) AS free
        FROM toms.erasure e WHERE e.state IN ('waiting', 'running') AND e.kind IN ('subject', 'category'))
    SELECT f FROM toms.found_unprotected() f
    UNION ALL
    SELECT toms.found('fail', 'rights_undeclared', ARRAY[w.relation::text], w.remedy) FROM toms.undeclared_ways() w
    UNION ALL
    SELECT toms.found('overdue', 'rights_waiting', ARRAY[w.id::text, w.free_at::date::text], 'SELECT toms.finish_erasures();', w.tenant)
    FROM waiting w WHERE w.free AND w.free_at < now() - interval '1 day'
    UNION ALL
    SELECT toms.found('pass', 'rights_kept', ARRAY[w.id::text], NULL, w.tenant) FROM waiting w WHERE NOT w.free
    UNION ALL
    SELECT toms.found('overdue', 'rights_untold', ARRAY[n.recipient, n.instruction::text, n.about, n.since::date::text], format('SELECT toms.record_informed(%s);', n.id), n.tenant)
    FROM toms.notice n WHERE n.informed_at IS NULL AND n.since < now() - interval '30 days'
    UNION ALL
    SELECT CASE count(*) WHEN 0 THEN toms.found('fail', 'rights_nobody', NULL, 'SELECT toms.protect(''…'', tenant => ''…'', subject => ''…'');')
                ELSE toms.found('pass', 'rights_reach', ARRAY[count(*)::text]) END
    FROM toms.tables_of_persons() t;
$$;
REVOKE ALL ON FUNCTION toms.probe_rights() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_rights() IS 'internal: whether the rights of data subjects can be carried out, and are';

INSERT INTO toms.phrase VALUES
    ('requests_kept', 'en', 'Of %1$s requests of data subjects %2$s are open; %3$s were forwarded to the controller.'),
    ('requests_kept', 'de', 'Von %1$s Anträgen betroffener Personen sind %2$s offen; %3$s wurden dem Verantwortlichen weitergeleitet.'),
    ('requests_unforwarded', 'en', 'Request %1$s (%2$s) came on %3$s and has not been forwarded to the controller.'),
    ('requests_unforwarded', 'de', 'Antrag %1$s (%2$w) ging am %3$s ein und ist dem Verantwortlichen nicht weitergeleitet.'),
    ('requests_overdue', 'en', 'Request %1$s (%2$s) should have been answered by %3$s.'),
    ('requests_overdue', 'de', 'Antrag %1$s (%2$w) hätte bis %3$s beantwortet sein müssen.');

CREATE FUNCTION toms.probe_requests()
RETURNS SETOF toms.probed LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.found('overdue', 'requests_unforwarded', ARRAY[r.id::text, r.kind, r.received_at::date::text], format('SELECT toms.forward_request(%s, forwarded_to => ''…'');', r.id), r.tenant)
    FROM toms.request r WHERE r.closed_at IS NULL AND r.forwarded_at IS NULL AND r.received_at < now() - interval '1 day'
    UNION ALL
    SELECT toms.found('overdue', 'requests_overdue', ARRAY[r.id::text, r.kind, r.due::text], format('SELECT toms.close_request(%s, outcome => ''…'');', r.id), r.tenant)
    FROM toms.request r WHERE r.closed_at IS NULL AND r.due < current_date
    UNION ALL
    SELECT toms.found('pass', 'requests_kept', ARRAY[count(*)::text, (count(*) FILTER (WHERE r.closed_at IS NULL))::text, (count(*) FILTER (WHERE r.forwarded_at IS NOT NULL))::text]) FROM toms.request r;
$$;
REVOKE ALL ON FUNCTION toms.probe_requests() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_requests() IS 'internal: whether requests of data subjects are forwarded and answered in time';
