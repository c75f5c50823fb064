-- What does not balance since :'since', one line for each.  :killed is when the server was killed, as seconds since 1970, or 0: the last
-- transactions of :clients clients may have done without their clients' knowledge what they do, and what is not read strictly may have
-- been lost that happened in the second before (toms.audit_delay is 0.2 s).
\set ON_ERROR_STOP on
SET toms.reason = 'balance';

-- what was committed: the clients' word, and the transactions' own
SELECT format('%s: %s transactions have committed, the clients know of %s', script, coalesce(d.n, 0), l.n)
FROM (SELECT script, count(*) FROM load.logged GROUP BY 1) l (script, n) LEFT JOIN (SELECT script, count(*) FROM load.done GROUP BY 1) d (script, n) USING (script)
WHERE script NOT IN ('erase', 'take_back')          -- one also looks for nothing to do, the other commits nothing
  AND coalesce(d.n, 0) - l.n NOT BETWEEN 0 AND CASE WHEN :killed > 0 THEN :clients ELSE 0 END;

CREATE TEMP TABLE trail AS
SELECT relation::regclass, kind, sum(coalesce(times, 1)) AS entries FROM toms.audit_trail(since => :'since')
WHERE kind IN ('insert', 'update', 'delete', 'read', 'reveal', 'refusal') GROUP BY 1, 2;

-- changes: one entry for each that was committed
SELECT format('%s: %s entries of kind %s, %s were committed', relation, coalesce(t.entries, 0), kind, coalesce(c.entries, 0))
FROM (SELECT relation, kind, sum(entries) FROM load.done JOIN load.does USING (script) GROUP BY 1, 2) c (relation, kind, entries)
FULL JOIN trail t USING (relation, kind)
WHERE kind IN ('insert', 'update', 'delete') AND t.entries IS DISTINCT FROM c.entries;

-- reads, openings, refusals: one for each that a client knows of, also if it was rolled back
SELECT format('%s: %s entries of kind %s, %s to %s were to be', relation, coalesce(t.entries, 0), kind, e.at_least, e.at_most)
FROM (SELECT d.relation, d.kind,
             sum(d.entries) FILTER (WHERE p.read_audit = 'strict' AND d.kind <> 'refusal' OR l.at NOT BETWEEN :killed - 1 AND :killed),
             sum(d.entries) + CASE WHEN :killed > 0 THEN :clients * max(d.entries) ELSE 0 END
      FROM load.logged l JOIN load.does d USING (script) JOIN toms.protected_tables p USING (relation)
      WHERE d.kind IN ('read', 'reveal', 'refusal') GROUP BY 1, 2) e (relation, kind, at_least, at_most)
FULL JOIN trail t USING (relation, kind)
WHERE kind IN ('read', 'reveal', 'refusal') AND (coalesce(t.entries, 0) BETWEEN e.at_least AND e.at_most) IS NOT TRUE;

-- rows: those that were there, and came, and have not gone
SELECT format('%s: %s rows, %s were to be', relation, n.rows, b.rows + coalesce(i.entries, 0) - coalesce(d.rows, 0))
FROM load.count() n JOIN load.began b USING (relation)
LEFT JOIN (SELECT relation, entries FROM trail WHERE kind = 'insert') i USING (relation)
LEFT JOIN (SELECT relation::regclass, sum(rows) FROM toms.deletion_log WHERE at >= :'since' GROUP BY 1) d (relation, rows) USING (relation)
WHERE n.rows <> b.rows + coalesce(i.entries, 0) - coalesce(d.rows, 0);

-- erasures: each is done, and is the ledger's
SELECT format('%s erasures are done, %s were committed', n, d)
FROM (SELECT count(*) FILTER (WHERE state = 'done') FROM toms.erasure) e (n), (SELECT count(*) FROM load.done WHERE script = 'erase') c (d) WHERE n <> d;
SELECT format('erasure %s: %s', id, state) FROM toms.erasure WHERE state <> 'done';

-- keys: every value opens, none is without use
SELECT format('%s %s of %s: %s', v.column_name, v.row_id, v.part, v.problem)
FROM toms.protected_tables p, LATERAL (SELECT * FROM toms.verify_sealed(p.relation) LIMIT 5) v WHERE p.relation::text !~ '^toms\.';
SELECT format('%s: %s keys are of no use', p.relation, u.n)
FROM toms.protected_tables p, LATERAL (SELECT count(*) FROM toms.unused_keys(p.relation)) u (n) WHERE p.relation::text !~ '^toms\.' AND u.n > 0;

-- the trail, and whether its tables are open
SELECT toms.seal_audit() \g /dev/null
SELECT 'trail: ' || v FROM toms.verify_audit() v;
SELECT 'gate: ' || gate FROM toms.status WHERE gate <> 'open';
