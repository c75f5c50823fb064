--
-- rights_recipient: personal data goes to registered recipients, under each controller's rules
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
SELECT count(*) > 0 FROM toms.load_purposes('absence');
SET SESSION AUTHORIZATION regress_officer;
CREATE FUNCTION pg_temp.ask(recipient text, tenant text DEFAULT 'acme', purpose text DEFAULT 'rights', categories text[] DEFAULT '{personal}') RETURNS text LANGUAGE sql AS $$
    SELECT regress.verdict(format('SELECT toms.check_recipient(%L, %L, %L, %L)', recipient, tenant, purpose, categories)) $$;

-- registered, with what is needed
SELECT regress.verdict($$SELECT toms.add_recipient('tax', 'other', 'DE', '{}')$$);
SELECT regress.verdict($$SELECT toms.add_recipient('tax', 'other', 'DE', '{gossip}')$$);
SELECT regress.verdict($$SELECT toms.add_recipient('tax', 'friend', 'DE', '{personal}')$$);
SELECT regress.verdict($$SELECT toms.add_recipient('tax', 'other', NULL, '{personal}')$$);
SELECT regress.verdict($$SELECT toms.add_recipient('tax', 'sub_processor', 'DE', '{personal}')$$);
SELECT regress.verdict($$SELECT toms.add_recipient('tax', 'sub_processor', 'DE', '{personal}', parent => 'tax')$$);
SELECT regress.verdict($$SELECT toms.add_recipient('controller', 'other', 'DE', '{personal}')$$);
SELECT toms.add_recipient('tax', 'other', 'DE', '{personal,billing}', agreement => 'contract 12', contact => 'office@tax.example');
SELECT recipient, kind, country, categories, agreement, transfer_instrument, active FROM toms.recipients;

-- unknown, a category that is not his, ended; the controller and the data subject get what is theirs
SELECT pg_temp.ask('nobody'), pg_temp.ask('tax'), pg_temp.ask('tax', categories => '{billing,health}');
SELECT pg_temp.ask('controller', categories => '{health}'), pg_temp.ask('data_subject', categories => '{health}');
SELECT toms.end_recipient('tax', 'contract ended');
SELECT pg_temp.ask('tax');
SELECT regress.verdict($$SELECT toms.end_recipient('tax', 'again')$$), regress.verdict($$SELECT toms.add_recipient('tax', 'other', 'DE', '{personal}')$$);

--
-- A processor is told of first; the controller may object
--
SELECT toms.add_recipient('host', 'processor', 'AT', '{personal,health}');
SELECT toms.add_recipient('storage', 'sub_processor', 'AT', '{personal}', parent => 'host');
SELECT pg_temp.ask('host');                                                         -- nobody was told
SELECT toms.notify_recipient('host', 'acme', now() - interval '13 days', '14 days');
SELECT pg_temp.ask('host');                                                         -- he may still object
SELECT toms.notify_recipient('host', 'acme', now() - interval '15 days', '14 days');
SELECT pg_temp.ask('host'), pg_temp.ask('host', 'globex'), pg_temp.ask('storage');
-- whom a processor takes in turn needs an express consent: that nobody objected is not enough
SELECT toms.notify_recipient('storage', 'acme', now() - interval '15 days', '14 days');
SELECT pg_temp.ask('storage');
SELECT toms.consent_to_recipient('storage', 'acme');
SELECT pg_temp.ask('storage');
SELECT toms.object_to_recipient('host', 'acme', 'not them');
SELECT pg_temp.ask('host'), pg_temp.ask('storage');                                 -- nor who works for it
SELECT toms.notify_recipient('host', 'acme', now() - interval '30 days', '14 days');
SELECT pg_temp.ask('host');                                                         -- a notice ends no objection
SELECT toms.consent_to_recipient('host', 'acme', 'after all');
SELECT pg_temp.ask('host'), pg_temp.ask('storage');
-- another country, or more categories: told anew; less, or another contact: not
SELECT toms.add_recipient('host', 'processor', 'AT', '{personal}', contact => 'x');
SELECT pg_temp.ask('host');
SELECT toms.add_recipient('host', 'processor', 'DE', '{personal}');
SELECT pg_temp.ask('host');
SELECT toms.consent_to_recipient('host', 'acme');
SELECT pg_temp.ask('host'), pg_temp.ask('storage');
SELECT toms.end_recipient('host', 'bankrupt');
SELECT pg_temp.ask('storage');
SELECT regress.verdict($$SELECT toms.notify_recipient('host', 'acme', now(), '1 day')$$), regress.verdict($$SELECT toms.object_to_recipient('storage', 'nobody', '')$$),
       regress.verdict($$SELECT toms.notify_recipient('storage', 'acme', now() + interval '1 day', '1 day')$$), regress.verdict($$SELECT toms.notify_recipient('storage', 'acme', NULL, '1 day')$$);

--
-- Third countries: one rule for a purpose, one for all others; without a rule nowhere
--
SELECT toms.add_recipient(n, 'other', c, '{personal}', i, e::date)
FROM (VALUES ('no', 'NO', 'none', NULL), ('ch', 'CH', 'none', NULL), ('us', 'US', 'none', NULL), ('us_dpf', 'US', 'adequacy', '2099-12-31'), ('us_old', 'US', 'adequacy', '2020-12-31'),
             ('in', 'IN', 'none', NULL), ('in_scc', 'IN', 'scc', '2099-12-31'), ('in_old', 'IN', 'scc', '2020-12-31'), ('in_adequacy', 'IN', 'adequacy', NULL)) v (n, c, i, e) ORDER BY 1;
CREATE FUNCTION pg_temp.ask_all(purpose text DEFAULT 'rights') RETURNS TABLE (recipient text, verdict text) LANGUAGE sql AS $$
    SELECT u, pg_temp.ask(u, 'acme', purpose) FROM unnest('{no,ch,us,us_dpf,us_old,in,in_scc,in_old,in_adequacy}'::text[]) u $$;
SELECT * FROM pg_temp.ask_all();
SELECT toms.set_transfer_rule('acme', NULL, 'adequacy_only');
SELECT * FROM pg_temp.ask_all();
SELECT toms.set_transfer_rule('acme', 'rights', 'instrument');
SELECT * FROM pg_temp.ask_all();
SELECT pg_temp.ask('in_scc', purpose => 'absence_management'), pg_temp.ask('in_scc', 'globex');     -- those for others are as they were
SELECT toms.set_transfer_rule('acme', 'rights', 'instrument_and_consent');
SELECT * FROM pg_temp.ask_all();
SELECT count(toms.consent_to_recipient(r, 'acme')) FROM unnest('{ch,us_dpf,in,in_scc,in_old}'::text[]) r;
SELECT * FROM pg_temp.ask_all();
SELECT toms.object_to_recipient('in_scc', 'acme', 'no');
SELECT pg_temp.ask('in_scc');
SELECT toms.set_transfer_rule('acme', 'rights', 'eu_only');
SELECT * FROM pg_temp.ask_all() WHERE verdict NOT LIKE '%toms_transfer %' AND verdict NOT LIKE '%objected%';
SELECT regress.verdict($$SELECT toms.set_transfer_rule('acme', 'rights', 'anything')$$), regress.verdict($$SELECT toms.set_transfer_rule('acme', 'no_such', 'eu_only')$$),
       regress.verdict($$SELECT toms.set_transfer_rule('nobody', NULL, 'eu_only')$$);
SELECT purpose, rule, ended_at IS NULL FROM toms.transfer_rule WHERE tenant = 'acme' ORDER BY id;
-- an adequacy decision ends, another one begins
SELECT toms.set_transfer_rule('acme', 'rights', 'adequacy_only');
SELECT toms.set_adequacy('CH', 'repealed', valid_until => current_date - 1);
SELECT toms.set_adequacy('IN', 'made up');
SELECT * FROM pg_temp.ask_all();

-- all of it is in the trail; the application decides nothing of it
RESET SESSION AUTHORIZATION;
SELECT details ->> 'table', count(*) > 0 FROM toms.audit_trail(kind => 'declaration') WHERE details ->> 'table' IN ('recipient', 'recipient_event', 'transfer_rule', 'adequacy') GROUP BY 1 ORDER BY 1;
SELECT count(*) > 0 FROM toms.audit_trail(kind => 'refusal') WHERE details ->> 'refused' = 'toms_transfer';
SET SESSION AUTHORIZATION regress_hr;
SELECT regress.verdict($$SELECT toms.add_recipient('me', 'other', 'DE', '{personal}')$$), regress.verdict($$SELECT toms.set_transfer_rule('acme', NULL, 'instrument')$$),
       regress.verdict($$SELECT toms.consent_to_recipient('in_scc', 'acme')$$), regress.verdict('SELECT * FROM toms.recipients');
RESET SESSION AUTHORIZATION;
DELETE FROM toms.recipient WHERE NOT shipped; DELETE FROM toms.recipient_event; DELETE FROM toms.transfer_rule; DELETE FROM toms.adequacy WHERE NOT shipped;
