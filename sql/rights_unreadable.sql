--
-- rights_unreadable: a provider who holds data in a third country cannot read it
--
-- The promise: what goes to such a recipient is encrypted with the controller's key, which the controller has named before;
-- in clear, or with another key, it does not go.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION pgcrypto;
CREATE SCHEMA vault AUTHORIZATION regress_owner;
SET SESSION AUTHORIZATION regress_owner;
CREATE TABLE vault.item (id integer PRIMARY KEY, tenant text NOT NULL, person text NOT NULL, words text);
INSERT INTO vault.item VALUES (1, 'acme', '17', 'diary');
RESET SESSION AUTHORIZATION;
SELECT toms.protect('vault.item', tenant => 'tenant', subject => 'person');
-- two public keys, made for this test; their secret halves are gone
\set key `cat test/pgp/controller.asc`
\set other `cat test/pgp/provider.asc`
SET SESSION AUTHORIZATION regress_officer;
SELECT toms.add_recipient('vaults', 'other', 'IN', '{personal}', transfer_instrument => 'scc', unreadable => true);
SELECT unreadable FROM toms.recipients WHERE recipient = 'vaults';
SELECT toms.set_transfer_rule('acme', NULL, 'instrument');
SELECT toms.record_instruction('acme', 'export', given_by => 'CEO', wording => 'to the vault', single_use => false) AS export \gset
SELECT toms.confirm_instruction(:export);
SELECT toms.record_instruction('acme', 'export', given_by => 'CEO', wording => 'his data to the vault', subject => '17', single_use => false) AS export_one \gset
SELECT toms.confirm_instruction(:export_one);
-- to_vault(key): what becomes of an export
CREATE FUNCTION pg_temp.to_vault(instruction bigint, pgp_key bytea) RETURNS text LANGUAGE sql AS $$
    SELECT regress.verdict(format('SELECT toms.export_tenant(''acme'', %s, recipient => ''vaults'', pgp_key => %L)', instruction, pgp_key)) $$;

-- the controller has named no key
SELECT pg_temp.to_vault(:export, NULL), pg_temp.to_vault(:export, convert_to(:'key', 'UTF8'));
SELECT regress.verdict($$SELECT toms.set_export_key('acme', 'no key')$$) ~ '^refused', regress.verdict($$SELECT toms.set_export_key('acme', NULL)$$), regress.verdict($$SELECT toms.set_export_key('nobody', 'x')$$);
SELECT toms.set_export_key('acme', convert_to(:'key', 'UTF8'));
-- in clear, or so that the provider could read it, it does not go; encrypted for the controller it does
SELECT pg_temp.to_vault(:export, NULL);
SELECT pg_temp.to_vault(:export, convert_to(:'other', 'UTF8'));
SELECT pg_temp.to_vault(:export, convert_to(:'key', 'UTF8'));
-- an export of one person is never encrypted
SELECT regress.verdict(format($$SELECT toms.export_subject('acme', '17', instruction => %s, recipient => 'vaults')$$, :export_one)),
       regress.verdict(format($$SELECT * FROM toms.export_subject_csv('acme', '17', instruction => %s, recipient => 'vaults')$$, :export_one));
-- who may read what he gets gets it as before
SELECT toms.add_recipient('vaults', 'other', 'IN', '{personal}', transfer_instrument => 'scc');
SELECT pg_temp.to_vault(:export, NULL);
-- the application decides none of it
SET SESSION AUTHORIZATION regress_hr;
SELECT regress.verdict($$SELECT toms.set_export_key('acme', 'x')$$);
RESET SESSION AUTHORIZATION;
SELECT details ->> 'table', count(*) FROM toms.audit_trail(kind => 'declaration') WHERE details ->> 'table' = 'export_key' GROUP BY 1;

SET toms.reason = 'test';
DROP SCHEMA vault CASCADE;
DELETE FROM toms.disclosure WHERE recipient = 'vaults'; DELETE FROM toms.recipient WHERE NOT shipped; DELETE FROM toms.transfer_rule; DELETE FROM toms.export_key;
DELETE FROM toms.instruction_event WHERE instruction IN (:export, :export_one); DELETE FROM toms.instruction WHERE id IN (:export, :export_one);
DROP EXTENSION pgcrypto;
