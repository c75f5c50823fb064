-- Once it is known what became of a transaction that was to erase, the log outside is told.

-- Called by the worker that seals; true: something is left to be told.  What this server cannot tell of is left to an officer.
CREATE FUNCTION toms.settle_ledger()
RETURNS boolean LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    can_tell boolean := toms.outside_fault() IS NULL;
    unsettled toms.ledger;
    ended text;
    fate text;
BEGIN
    FOR unsettled IN SELECT * FROM toms.ledger l WHERE l.state = 'intended' OR NOT l.told AND can_tell ORDER BY l.intended_at LIMIT 1000 LOOP
        ended := toms.ledger_fate(unsettled.xid, unsettled.system, unsettled.timeline);     -- before its row is looked for
        fate := CASE WHEN unsettled.state IN ('erased', 'void') THEN unsettled.state WHEN unsettled.state = 'replayed' THEN 'erased'
                     WHEN EXISTS (SELECT FROM toms.erasure e WHERE unsettled.id = ANY (e.ledger)) THEN 'erased'
                     WHEN ended NOT IN ('aborted', 'committed') THEN NULL
                     WHEN can_tell AND unsettled.told AND EXISTS (
                         SELECT FROM toms.outside_records(toms.ledger_dataset()) r WHERE r.type = 'erased' AND r.record::jsonb ->> 'id' = unsettled.id::text) THEN NULL
                     ELSE 'void' END;
        IF can_tell AND NOT unsettled.told THEN
            PERFORM toms.outside_write('erasure', toms.ledger_members(unsettled));
        END IF;
        CONTINUE WHEN fate IS NULL AND (unsettled.told OR NOT can_tell);
        IF fate IS NOT NULL AND can_tell THEN
            PERFORM toms.outside_write(fate, format('"id":"%s","erasure":%s,"at":"%s"', unsettled.id, unsettled.erasure, toms.iso_time(clock_timestamp())));
        END IF;
        UPDATE toms.ledger l SET state = CASE WHEN l.state = 'intended' THEN coalesce(fate, l.state) ELSE l.state END, told = l.told OR can_tell WHERE l.id = unsettled.id;
    END LOOP;
    RETURN EXISTS (SELECT FROM toms.ledger l WHERE l.state = 'intended' OR NOT l.told AND can_tell);
END
$$;
REVOKE ALL ON FUNCTION toms.settle_ledger() FROM PUBLIC;
COMMENT ON FUNCTION toms.settle_ledger() IS 'internal: tell the log outside what became of transactions that were to erase';

