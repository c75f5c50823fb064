--
-- audit_declaration: what is declared to toms is in the trail, with who declared it
--
-- The promise: each change of what toms enforces is an entry, old and new, of the tenant that it concerns; it lives
-- and dies with the change; free text that may name persons is not told; and who writes to the tables of toms
-- himself, past its functions, is told of alike.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
CREATE SCHEMA decl;
CREATE TABLE decl.absence (id integer PRIMARY KEY, tenant text NOT NULL, employee integer NOT NULL);
-- numbers and times, which differ from run to run, and what is not there, are left out; and what protect() clears away of
-- tests before
CREATE FUNCTION regress.plain(value jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_object_agg(key, v) FROM jsonb_each(value) AS e (key, v)
    WHERE v <> 'null' AND key NOT IN ('id', 'instruction') AND key NOT LIKE '%\_at' AND key NOT LIKE '%\_by' AND key NOT IN ('at', 'by', 'valid_from')
$$;
CREATE FUNCTION regress.declared(since bigint) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', toms.audit_kind(e.kind, e.verb), e.tenant, p.details ->> 'table', p.details ->> 'verb',
                     regress.plain(p.details -> 'old')::text, regress.plain(p.details -> 'new')::text)
    FROM toms.audit_entry e, LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb AS details) p
    WHERE e.kind = 'a' AND e.verb = 'C' AND p.details ->> 'table' <> 'parent' AND e.id > since ORDER BY e.id
$$;
CREATE FUNCTION regress.mark() RETURNS bigint LANGUAGE sql AS 'SELECT coalesce(max(id), 0) FROM toms.audit_entry';
SELECT regress.mark() AS mark \gset

SELECT toms.add_tenant('initech', name => 'Initech SE', contact => 'P. Gibbons', dpo => 'M. Bolton') IS NOT NULL;
SELECT toms.protect('decl.absence', tenant => 'tenant', subject => 'employee', reason => 'asked by P. Gibbons');
SELECT toms.permit('regress_hr', 'decl.absence', '{select}', '{absence_management}', 'tenant') AS permission \gset
SELECT toms.grant_officer('regress_app', 'auditor');
SELECT toms.revoke_officer('regress_app', 'auditor');
SELECT toms.record_instruction('initech', 'erase', given_by => 'P. Gibbons', wording => 'erase all of L. Bergh', subject => '4711') AS instruction \gset
SELECT toms.confirm_instruction(:instruction);
-- past the functions
UPDATE toms.permission SET verbs = '{select,delete}' WHERE id = :permission;
DELETE FROM toms.permission WHERE id = :permission;
-- what is rolled back was not declared
BEGIN;
SELECT toms.add_tenant('nobody', name => 'nobody') IS NOT NULL;
ROLLBACK;
SELECT regress.declared(:mark);
-- each says who
SELECT DISTINCT convert_from(w.payload, 'UTF8')::jsonb ->> 'login' = session_user FROM toms.audit_entry e JOIN toms.audit_entry w ON w.kind = 'w' AND w.id = e.who
WHERE e.kind = 'a' AND e.verb = 'C' AND e.id > :mark;
-- nothing of what may name persons
SELECT count(*) FROM toms.audit_entry e WHERE e.kind = 'a' AND e.id > :mark AND convert_from(e.payload, 'UTF8') ~ 'Gibbons|Bolton|Bergh|4711';

-- it cannot be switched off unseen: who does is told of, and the tables are all covered
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'toms'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = '~toms_declaration' AND t.tgenabled = 'A') ORDER BY 1;

-- clean up
SET client_min_messages = error;
SET toms.reason = 'end of the test';
DROP SCHEMA decl CASCADE;
DELETE FROM toms.tenant WHERE tenant = 'initech';
DELETE FROM toms.instruction_event WHERE instruction = :instruction;
DELETE FROM toms.instruction WHERE id = :instruction;
DROP FUNCTION regress.declared(bigint);
DROP FUNCTION regress.plain(jsonb);
DROP FUNCTION regress.mark();
