--
-- catalog_instruction: the registry of the controllers' instructions (Art. 28(3)(a) GDPR)
--
-- An instruction is recorded in text form, confirmed before it is carried out, and can be
-- suspended, refused or withdrawn.  Each change of state is kept, with who and why.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE ROLE regress_operator LOGIN;
CREATE ROLE regress_auditor LOGIN;
SELECT toms.grant_officer('regress_operator', 'operator');
SELECT toms.grant_officer('regress_auditor', 'auditor');

--
-- An operator takes an instruction down, an admin confirms it
--
SET SESSION AUTHORIZATION regress_operator;
SELECT toms.record_instruction('acme', kind => 'erase', given_by => 'D. Manager', wording => 'Erase employee 17.', subject => '17') AS id \gset
SELECT tenant, kind, given_by, wording, subject, single_use, state, informed_at, recorded_by FROM toms.instruction WHERE id = :id;
SELECT regress.verdict(format('SELECT toms.confirm_instruction(%s)', :id));                 -- refused: not by an operator
SELECT regress.verdict(format('SELECT toms.refuse_instruction(%s, reason => ''r'')', :id)); -- refused: not by an operator
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict(format('SELECT toms.confirm_instruction(%s)', :id));                 -- ok
SELECT state FROM toms.instruction WHERE id = :id;

-- an order that stands until it is taken back is not used up by being carried out once
SELECT toms.record_instruction('acme', kind => 'export', given_by => 'D. Manager', wording => 'Export monthly.', single_use => false) AS standing \gset
SELECT single_use, subject IS NULL FROM toms.instruction WHERE id = :standing;

-- what must be there
SELECT regress.verdict($$SELECT toms.record_instruction('hooli', kind => 'erase', given_by => 'x', wording => 'y')$$);       -- refused: no such tenant
SELECT regress.verdict($$SELECT toms.record_instruction('acme', kind => 'erase', given_by => '', wording => 'y')$$);         -- refused: given by nobody
SELECT regress.verdict($$SELECT toms.record_instruction('acme', kind => 'erase', given_by => 'x', wording => '')$$);         -- refused: says nothing
SELECT regress.verdict($$SELECT toms.record_instruction('acme', kind => 'Erase!', given_by => 'x', wording => 'y')$$);       -- refused: not a kind
SELECT regress.verdict($$SELECT toms.record_instruction('acme', kind => NULL, given_by => 'x', wording => 'y')$$);           -- refused: no kind
SELECT regress.verdict('SELECT toms.confirm_instruction(-1)');                                                               -- refused: there is none

--
-- Every move from every state.  carried_out is set by what carries an instruction out, so
-- officers cannot move there; from refused, withdrawn and carried_out nothing leads back.
--
CREATE FUNCTION pg_temp.try(start text, move text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n bigint := toms.record_instruction('acme', kind => 'test', given_by => 'x', wording => 'y');
    step text;
    verdict text;
BEGIN
    FOREACH step IN ARRAY string_to_array(start, ' then ') LOOP
        EXECUTE CASE step WHEN 'given' THEN 'SELECT $1' WHEN 'confirmed' THEN 'SELECT toms.confirm_instruction($1)'
                          ELSE format('SELECT toms.%s_instruction($1, reason => ''on the way'')',
                                      CASE step WHEN 'suspended' THEN 'suspend' WHEN 'refused' THEN 'refuse' ELSE 'withdraw' END) END
        USING n;
    END LOOP;
    verdict := regress.verdict(format(CASE move WHEN 'confirm' THEN 'SELECT toms.confirm_instruction(%s)'
                                                ELSE 'SELECT toms.' || move || '_instruction(%s, reason => ''because'')' END, n));
    RETURN format('%s, %s: %s', start, move, CASE WHEN verdict LIKE 'refused%' THEN 'refused, it '
                  ELSE 'ok, it ' END || 'is ' || (SELECT state FROM toms.instruction WHERE id = n));
END
$$;
SELECT pg_temp.try(start, move)
FROM unnest('{given,confirmed,suspended,refused,withdrawn,given then suspended then confirmed}'::text[]) WITH ORDINALITY s (start, i),
     unnest('{confirm,suspend,refuse,withdraw}'::text[]) WITH ORDINALITY m (move, j)
ORDER BY i, j;

-- the refusal says what is the matter
SELECT toms.withdraw_instruction(:standing);
SELECT regexp_replace(regress.verdict(format('SELECT toms.confirm_instruction(%s)', :standing)), '[0-9]+', 'N');    -- refused: withdrawn

-- an instruction that was carried out is at its end
RESET SESSION AUTHORIZATION;
SELECT toms.move_instruction(:id, 'carried_out', 'by erasure 1', NULL);                     -- as what carries it out does
SET SESSION AUTHORIZATION regress_officer;
SELECT move, regexp_replace(regress.verdict(format('SELECT toms.%s_instruction(%s, reason => ''late'')', move, :id)), '[0-9]+', 'N')   -- refused, each
FROM unnest('{suspend,refuse,withdraw}'::text[]) move;
SELECT regexp_replace(regress.verdict(format('SELECT toms.confirm_instruction(%s)', :id)), '[0-9]+', 'N');         -- refused: not a second time
SELECT regress.verdict(format('SELECT toms.move_instruction(%s, ''given'', NULL, NULL)', :id));  -- refused: internal

--
-- Of a suspension the controller has to be told (Art. 28(3), last sentence): when is kept
--
SELECT toms.record_instruction('globex', kind => 'export', given_by => 'G. Manager', wording => 'Send all health data to the press.') AS unlawful \gset
SET SESSION AUTHORIZATION regress_operator;
SELECT toms.suspend_instruction(:unlawful, reason => 'believed to infringe Art. 9 GDPR', informed_at => '2025-03-03 12:00+00');
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.refuse_instruction(:unlawful, reason => 'manifestly unlawful');
SELECT state, informed_at = '2025-03-03 12:00+00' FROM toms.instruction WHERE id = :unlawful;   -- refusing keeps when the controller was told

--
-- The history of each, and who can read it
--
SET SESSION AUTHORIZATION regress_auditor;
SELECT state, reason, by FROM toms.instruction_event WHERE instruction = :unlawful ORDER BY id;
SELECT state, reason, by = 'regress_operator' FROM toms.instruction_event WHERE instruction = :id AND state <> 'carried_out' ORDER BY id;
SELECT regress.verdict($$SELECT toms.record_instruction('acme', kind => 'erase', given_by => 'x', wording => 'y')$$);   -- refused: an auditor reads
SELECT regress.verdict(format('SELECT toms.withdraw_instruction(%s)', :id));                -- refused
SELECT regress.verdict('UPDATE toms.instruction SET state = ''confirmed''');                -- refused
SELECT regress.verdict('DELETE FROM toms.instruction_event');                               -- refused
SET SESSION AUTHORIZATION regress_stranger;
SELECT regress.verdict('SELECT FROM toms.instruction');                                     -- refused
SELECT regress.verdict('SELECT FROM toms.instruction_event');                               -- refused
SELECT regress.verdict($$SELECT toms.record_instruction('acme', kind => 'erase', given_by => 'x', wording => 'y')$$);   -- refused
SELECT move, regress.verdict(format('SELECT toms.%s_instruction(%s, reason => ''mine'')', move, :id))  -- refused, each
FROM unnest('{suspend,refuse,withdraw}'::text[]) move;
RESET SESSION AUTHORIZATION;

-- every state that an instruction has had is in its history
SELECT count(*) FROM toms.instruction i
WHERE i.state IS DISTINCT FROM (SELECT e.state FROM toms.instruction_event e WHERE e.instruction = i.id ORDER BY e.id DESC LIMIT 1)
   OR (SELECT e.state FROM toms.instruction_event e WHERE e.instruction = i.id ORDER BY e.id LIMIT 1) IS DISTINCT FROM 'given';

--
-- clean up
--
DELETE FROM toms.instruction_event;
DELETE FROM toms.instruction;
SELECT toms.revoke_officer('regress_operator', 'operator');
SELECT toms.revoke_officer('regress_auditor', 'auditor');
DELETE FROM toms.officer WHERE role IN ('regress_auditor'::regrole, 'regress_operator'::regrole);
DROP ROLE regress_operator, regress_auditor;
