--
-- rights_agreement: what was agreed on with a controller is a standing instruction, and backups have tiers with a last day
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '(null)'
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE ROLE regress_duty_auditor LOGIN;
SELECT toms.grant_officer('regress_duty_auditor', 'auditor');
SELECT toms.add_tenant('initech', name => 'Initech Ltd');

--
-- Agreements: by an officer, version by version, and as they were adopted
--
SET SESSION AUTHORIZATION regress_hr;
SELECT regress.verdict($$SELECT toms.adopt_agreement('initech', 'dpa', '1', '2020-01-01', '{T-11.2}')$$);      -- refused: no officer
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_duty_auditor;
SELECT regress.verdict($$SELECT toms.adopt_agreement('initech', 'dpa', '1', '2020-01-01', '{T-11.2}')$$);      -- refused: he looks
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.adopt_agreement('nobody', 'dpa', '1', '2020-01-01', '{T-11.2}')$$);       -- refused: no such tenant
SELECT regress.verdict($$SELECT toms.adopt_agreement('initech', 'dpa', '1', NULL, '{T-11.2}')$$);              -- refused: since when?
SELECT regress.verdict($$SELECT toms.adopt_agreement('initech', 'dpa', '1', '2020-01-01', '{T-11.2,NULL}')$$); -- refused: an empty measure
SELECT regress.verdict($$SELECT toms.adopt_agreement('initech', 'dpa', '1', '2020-01-01', '{T-11.2,T-11.3}')$$);
SELECT regress.verdict($$SELECT toms.adopt_agreement('initech', 'dpa', '2', '2024-01-01', '{T-11.2,T-11.3,T-11.4}')$$);
SELECT regress.verdict($$SELECT toms.adopt_agreement('initech', 'dpa', '3', '2999-01-01', '{}')$$);            -- it begins later
SELECT regress.verdict($$SELECT toms.adopt_agreement('initech', 'dpa', '2', '2025-01-01', '{}')$$);            -- refused: what was agreed on stays
SELECT name, version, valid_from::date, valid_until::date, measures, adopted_by FROM toms.agreements WHERE tenant = 'initech' ORDER BY id;
SELECT regress.verdict($$UPDATE toms.agreement SET version = '4'$$);                                           -- refused: nobody changes them
RESET SESSION AUTHORIZATION;
SELECT a.version FROM toms.agreement a WHERE a.id = toms.agreement_in_force('initech');                        -- 2
SELECT toms.agreement_in_force('globex') IS NULL;                                                              -- t: none
SELECT (convert_from(payload, 'UTF8')::json -> 'new') ->> 'version' FROM toms.audit_entry
WHERE kind = 'a' AND verb = 'C' AND convert_from(payload, 'UTF8')::json ->> 'table' = 'agreement' ORDER BY id;    -- the trail has each

--
-- Tiers of backups: daily ones are kept for 2 months, weekly ones for 12, monthly ones for 2 years, yearly ones for 7
--
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.declare_backup_tier('odd', '1 week', '1 day')$$);      -- refused: days without any
SELECT regress.verdict($$SELECT toms.declare_backup_tier('odd', '-1 day', '1 day')$$);      -- refused
SELECT regress.verdict($$SELECT toms.declare_backup_tier(NULL, '1 day', '1 day')$$);        -- refused
SELECT count(toms.declare_backup_tier(name, every::interval, keep::interval))
FROM (VALUES ('daily', '1 day', '2 months'), ('weekly', '1 week', '12 months'), ('monthly', '1 month', '2 years'), ('yearly', '1 year', '7 years')) t (name, every, keep);
SELECT toms.declare_backup_tier('daily', '1 day', '2 months') = (SELECT min(id) FROM toms.backup_tier);     -- t: said already
SELECT name, in_force, horizon = (now() + keep)::date FROM toms.backup_tiers ORDER BY 1;
RESET SESSION AUTHORIZATION;
-- when what was erased on a day is in no backup any more
UPDATE toms.backup_tier SET declared_at = '2020-01-01';
SELECT name, until FROM toms.tier_horizons('2026-03-15 12:00+00');                          -- 7 years, at last
SELECT name, until FROM toms.tier_horizons('2027-12-31 23:59+00') WHERE name = 'daily';     -- the last day of February in a leap year
SELECT name, until FROM toms.tier_horizons('2024-02-29 10:00+00') WHERE name IN ('monthly', 'yearly') ORDER BY 1;
SET timezone = 'Pacific/Auckland';
SELECT name, until FROM toms.tier_horizons('2026-03-15 12:00+00') WHERE name = 'daily';     -- the same day, wherever one asks
SET timezone = 'UTC';

--
-- Whoever keeps them for less from now on still has those that were made before
--
SET SESSION AUTHORIZATION regress_officer;
SELECT regress.verdict($$SELECT toms.end_backup_tier('hourly')$$);                          -- refused: there is none
SELECT regress.verdict($$SELECT toms.end_backup_tier('yearly')$$);
SELECT regress.verdict($$SELECT toms.declare_backup_tier('daily', '1 day', '14 days')$$);
RESET SESSION AUTHORIZATION;
UPDATE toms.backup_tier SET ended_at = '2026-01-31 00:00+00' WHERE ended_at IS NOT NULL;
SELECT name, keep, until FROM toms.tier_horizons('2026-03-15 12:00+00');                    -- the last yearly one goes in 2033, the last daily one on the 31st of March
SELECT name, keep, until FROM toms.tier_horizons('2026-06-15 12:00+00') WHERE name = 'daily';   -- those of before have gone
SELECT name, keep, until FROM toms.tier_horizons('2034-06-15 12:00+00');                    -- nor are there any of the other tier

DELETE FROM toms.backup_tier;
DELETE FROM toms.agreement;
DELETE FROM toms.tenant WHERE tenant = 'initech';
SELECT toms.revoke_officer('regress_duty_auditor', 'auditor');
DROP ROLE regress_duty_auditor;
