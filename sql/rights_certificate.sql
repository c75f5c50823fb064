--
-- rights_certificate: an erasure that is done is told to the trail, and certified: signed, with what went, what stays and
-- until when backups may hold it
--
-- The erasures are put into toms.erasure as what carries them out does.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT toms.add_tenant('ash', name => 'Ash KG');
CREATE ROLE regress_paper_auditor LOGIN;
SELECT toms.grant_officer('regress_paper_auditor', 'auditor');
SELECT toms.seal_audit() >= 0;
INSERT INTO toms.erasure (kind, tenant, subject, instruction, state, requested_by) VALUES ('subject', 'ash', '4711', 99, 'running', 'test') RETURNING id AS erasure \gset

--
-- For whom, and of what
--
SET SESSION AUTHORIZATION regress_hr;
SELECT regress.verdict(format('SELECT toms.certificate(%s)', :erasure));                                    -- refused: no officer
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict('SELECT toms.certificate(-1)');                                                      -- refused: there is none
SELECT regress.verdict(format('SELECT toms.certificate(%s)', :erasure)) LIKE 'refused: erasure % is running: there is nothing to certify (55000)';          -- refused: it is not done
RESET SESSION AUTHORIZATION;

--
-- It waits: what is left, and until when
--
UPDATE toms.erasure SET state = 'waiting', result = '{"tables": {"hr.note": {"deleted": 3, "restricted": 0}, "hr.bill": {"restricted": 2, "until": "2034-12-31"}, "hr.file": {"held": 1}}, "keys": 2}'
WHERE id = :erasure;
SET SESSION AUTHORIZATION regress_officer;
SELECT said ->> 'state', said ->> 'rest', said ->> 'backups', said ->> 'proof', said ->> 'erased_at' FROM (SELECT toms.certificate(:erasure)::json) c (said);
RESET SESSION AUTHORIZATION;

--
-- It is done: the trail has it, and it is not known any more whose it was
--
UPDATE toms.erasure SET state = 'done', result = '{"tables": {"hr.note": {"deleted": 3}, "hr.bill": {"deleted": 2}, "hr.file": {"deleted": 1}}, "keys": 2}' WHERE id = :erasure;
SELECT subject, entry IS NOT NULL, ended_at IS NOT NULL FROM toms.erasure WHERE id = :erasure;
SELECT e.kind, e.verb, e.tenant, convert_from(e.payload, 'UTF8')::jsonb - 'erasure', convert_from(e.payload, 'UTF8') LIKE '%4711%'
FROM toms.audit_entry e JOIN toms.erasure x ON x.entry = e.id WHERE x.id = :erasure;
SELECT count(*) FROM toms.deletion_log WHERE tenant = 'ash';                                                -- that tells of rows by their tables
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.certificate(:erasure) AS early \gset
RESET SESSION AUTHORIZATION;
SELECT :'early'::json ->> 'proof', :'early'::json #>> '{backups,clear_until}';                              -- no block has it, no tier is declared
SELECT toms.seal_audit() > 0;
SELECT toms.declare_backup_tier('daily', '1 day', '2 months') > 0, toms.declare_backup_tier('yearly', '1 year', '7 years') > 0;
SET SESSION AUTHORIZATION regress_paper_auditor;
SELECT toms.certificate(:erasure) AS certificate \gset
SELECT toms.certificate(:erasure) = :'certificate';                                                         -- t: the same text, byte by byte
RESET SESSION AUTHORIZATION;
SELECT said ->> 'type', said ->> 'kind', said ->> 'tenant', said #>> '{by,instruction}', said ->> 'tables', said ->> 'keys', said ->> 'rest' FROM (SELECT :'certificate'::json) c (said);
SELECT said #>> '{backups,sealed_until}' = said #>> '{backups,clear_until}', (said #>> '{backups,clear_until}')::date = ((said ->> 'erased_at')::timestamptz + interval '7 years')::date,
       json_array_length(said #> '{backups,tiers}'), said #>> '{epochs,0,destroyed_at}' FROM (SELECT :'certificate'::json) c (said);   -- sealed values too: their epoch lives
SELECT said ->> 'entry' = x.entry::text, said #>> '{proof,header}' = toms.base64url(b.header)
FROM (SELECT :'certificate'::json) c (said), toms.erasure x, toms.audit_block b WHERE x.id = :erasure AND b.number = (SELECT max(number) FROM toms.audit_block);
SELECT count(*), count(DISTINCT certificate) FROM toms.issued_certificate WHERE erasure = :erasure;       -- the one while it waited, the one before sealing, and this

--
-- Its text alone is what is signed
--
SET SESSION AUTHORIZATION regress_officer;
SELECT valid, problem, erasure = :erasure, tenant, issued_at IS NOT NULL FROM toms.verify_certificate(:'certificate');
SELECT valid FROM toms.verify_certificate(:'early');                                                        -- t: that one as well
SELECT valid, problem FROM toms.verify_certificate(:'certificate'::json::jsonb::text);                      -- the same, written otherwise
SELECT valid, problem FROM toms.verify_certificate(:'certificate' || ' ');
SELECT valid, problem FROM toms.verify_certificate(replace(:'certificate', '"hr.note": {"deleted": 3}', '"hr.note": {"deleted": 4}'));
SELECT valid, problem FROM toms.verify_certificate('{}');
SELECT valid, problem FROM toms.verify_certificate('');
SELECT valid, problem FROM toms.verify_certificate(NULL);
-- every byte of it, made another one
SELECT count(*) = length(:'certificate'), count(*) FILTER (WHERE v.valid)
FROM generate_series(1, length(:'certificate')) at, LATERAL toms.verify_certificate(overlay(:'certificate' PLACING CASE substr(:'certificate', at, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM at FOR 1)) v;
RESET SESSION AUTHORIZATION;
-- signed by this database, but no certificate; of another database
SELECT valid, problem FROM toms.verify_certificate(toms.sign_certificate('{"type" : "note"'));
SELECT valid, problem FROM toms.verify_certificate(toms.sign_certificate('{"type" : "certificate", "dataset" : "00000000-0000-0000-0000-000000000000"'));

--
-- Sealed values are gone from backups when the epochs are that their keys were wrapped under
--
SELECT count(toms.rotate_keys('ash')) FROM generate_series(1, 2);
UPDATE toms.key_epoch SET retired_at = now() - interval '1 year' WHERE tenant = 'ash' AND number = 1;       -- the grace is over
SET SESSION AUTHORIZATION regress_officer;
SELECT number, destroyed FROM toms.destroy_old_epochs('ash', confirm => true);
SELECT (said #>> '{backups,sealed_until}')::date = now()::date, said #>> '{backups,clear_until}' = :'certificate'::json #>> '{backups,clear_until}', said #>> '{epochs,0,destroyed_at}' IS NOT NULL
FROM (SELECT toms.certificate(:erasure)::json) c (said);
RESET SESSION AUTHORIZATION;

DELETE FROM toms.backup_tier;
SELECT toms.revoke_officer('regress_paper_auditor', 'auditor');
DROP ROLE regress_paper_auditor;
