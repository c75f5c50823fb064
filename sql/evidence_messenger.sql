--
-- evidence_messenger: what a messenger for practices and patients promises, measure by measure
--
-- The application is examples/messenger: two practices, lindenpraxis and hafenklinik, with patients 11 to 20 each.  Promise
-- and proof stand side by side, in the order of the list; act() and see() do what the application's roles do.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null -
SET client_min_messages = error;
SET TimeZone = 'UTC';
SET datestyle = 'ISO';
\set ECHO none
\o /dev/null
\set login messenger_job
\i test/evidence/act.sql
\i examples/messenger/schema.sql
\i examples/messenger/protect.sql
\i examples/messenger/data.sql
\unset ON_ERROR_STOP
\o
SET toms.reason = 'what the test looks up';
\set ECHO all

-- M-3.1  processed for the contract, for what users ask for and on instruction; never for ends of our own
SELECT pg_temp.act('lindenpraxis 1 messenger_physician care', 'SELECT FROM chat.message');                 -- what it is for
SELECT pg_temp.act('lindenpraxis 1 messenger_physician account_management', 'SELECT FROM chat.message');   -- refused: not for that
SELECT pg_temp.act('lindenpraxis 1 messenger_physician advertising', 'SELECT FROM chat.message');          -- refused: ruled out
SELECT regress.verdict($$SELECT toms.permit('messenger_support', 'chat.message', '{select}', '{model_training}')$$);     -- nobody can permit it
SELECT count(*) > 0 FROM toms.audit_trail(kind => 'refusals') WHERE details ->> 'refused' = 'toms_purpose_excluded';     -- and it is on record

-- M-3.2  to a third country only by an adequacy decision or with guarantees
SELECT toms.add_recipient('Ohnevertrag Ltd', kind => 'other', country => 'IN', categories => '{personal}');
SELECT regress.verdict($$SELECT toms.check_recipient('Ohnevertrag Ltd', 'lindenpraxis', 'care', '{personal}')$$);        -- refused: India, nothing signed
SELECT regress.verdict($$SELECT toms.record_disclosure('lindenpraxis', 'Ohnevertrag Ltd', '{personal}', 'care', '11')$$);
SELECT regress.verdict($$SELECT toms.check_recipient('Videobruecke Inc', 'lindenpraxis', 'care', '{personal}')$$);       -- standard contractual clauses
SELECT toms.add_recipient('Videobruecke Inc', kind => 'processor', country => 'US', categories => '{personal,health}', transfer_instrument => 'scc', instrument_from => '2020-01-01',
                          instrument_expires => '2025-12-31', agreement => 'AVV of 12 January 2026');
SELECT regress.verdict($$SELECT toms.check_recipient('Videobruecke Inc', 'lindenpraxis', 'care', '{personal}')$$);       -- which have run out
SELECT toms.add_recipient('Videobruecke Inc', kind => 'processor', country => 'US', categories => '{personal,health}', transfer_instrument => 'scc', instrument_from => '2026-01-01',
                          instrument_expires => '2099-12-31', agreement => 'AVV of 12 January 2026');

-- M-4.1  the customer is told of disruptions, breaches, incidents, audits and threats within 48 hours
SELECT toms.set_notice_hours('lindenpraxis', 48);
SELECT count(toms.record_incident(kind, aware_at => now() - interval '1 hour', tenants => '{lindenpraxis}', description => 'of the kind ' || kind))
FROM unnest('{disruption_or_suspicion,contract_breach,security_incident,authority_audit,third_party_threat}'::text[]) kind;
SELECT kind, tenant, hours, due - aware_at, informed_at FROM toms.incidents ORDER BY incident;             -- the clock runs, weekends included
SELECT toms.record_incident('security_incident', aware_at => now() - interval '49 hours', tenants => '{lindenpraxis}', description => 'found too late') AS late \gset
SELECT pg_temp.finds('incidents');                                                                         -- overdue
SELECT pg_temp.fault(format($$SELECT toms.record_incident_notice(%s, 'lindenpraxis', now(), 'by telephone')$$, :late));       -- refused: why so late?
SELECT toms.record_incident_notice(:late, 'lindenpraxis', now(), 'by telephone', late_reason => 'the log was read on Monday');
SELECT pg_temp.finds('incidents');

-- M-5.1  a new sub-processor is announced, and the customer has 30 days to object
SELECT toms.add_recipient('Sprachnotiz SA', kind => 'sub_processor', country => 'LU', categories => '{health}', parent => 'Nordrechen GmbH');
SELECT regress.verdict($$SELECT toms.check_recipient('Sprachnotiz SA', 'lindenpraxis', 'care', '{health}')$$);           -- refused: not announced
SELECT toms.notify_recipient('Sprachnotiz SA', 'lindenpraxis', notified_at => now() - interval '29 days', objection_period => '30 days');
SELECT regress.verdict($$SELECT toms.check_recipient('Sprachnotiz SA', 'lindenpraxis', 'care', '{health}')$$);           -- refused: a day is left
SELECT toms.object_to_recipient('Sprachnotiz SA', 'lindenpraxis', reason => 'letter of the practice');
SELECT regress.verdict($$SELECT toms.check_recipient('Sprachnotiz SA', 'lindenpraxis', 'care', '{health}')$$);           -- refused: the customer objects

-- M-8.1  at the end data is returned or deleted as instructed; what the law keeps goes when its period is over
-- (the contract of the hafenklinik has ended; it is told, asks for its data, gets it, and the window of 30 days closes)
SELECT pg_temp.instruct('hafenklinik', 'end_tenant') AS ending \gset
SELECT toms.end_tenant('hafenklinik', ends_at => now(), notified_at => now(), instruction => :ending) > 0;
SELECT pg_temp.instruct('hafenklinik', 'export') AS returning \gset
SELECT file, count(*) > 0 FROM toms.export_tenant('hafenklinik', instruction => :returning) GROUP BY file ORDER BY file;
UPDATE toms.tenant_end SET ends_at = now() - interval '31 days', opens_at = now() - interval '31 days', closes_at = now() - interval '1 day' WHERE tenant = 'hafenklinik';
CALL pg_temp.end_tenants();                                                                                -- as the worker does
SELECT state, problem FROM toms.tenant_ends WHERE tenant = 'hafenklinik';
SELECT (SELECT count(*) FROM chat.message WHERE tenant_id = 'hafenklinik'), (SELECT count(*) FROM billing.invoice WHERE tenant_id = 'hafenklinik');     -- invoices, for the tax office
SELECT pg_temp.act('hafenklinik 1 messenger_physician care', 'SELECT FROM chat.message');                 -- refused: nobody acts for it any more

-- M-8.2  without an instruction within 30 days data is deleted, unless the law keeps it
SELECT toms.end_tenant('lindenpraxis', ends_at => now() + interval '10 days', notified_at => now(), basis => 'agreement') > 0;    -- the agreement is instruction enough
SELECT state, closes_at = ends_at + interval '30 days' FROM toms.tenant_ends WHERE tenant = 'lindenpraxis';
SELECT toms.cancel_end_tenant('lindenpraxis', 'the contract goes on');

-- M-A1.1  messages, recordings and transcripts are deleted after 105 days
UPDATE chat.message SET sent_at = sent_at - interval '20 days' WHERE tenant_id = 'lindenpraxis' AND sent_at < now() - interval '88 days';
SELECT pg_temp.act('lindenpraxis 1 messenger_physician care', 'SELECT FROM chat.message');                 -- gone at once for everybody
SELECT relation, tenant, action, due, done FROM toms.run_retention() WHERE due > 0;                        -- and from the disk with the next run
SELECT relation, tenant, due FROM toms.run_retention(now() + interval '84 days', dry_run => true) WHERE relation = 'chat.recording';     -- nothing is early
SELECT relation, tenant, due FROM toms.run_retention(now() + interval '86 days', dry_run => true) WHERE relation = 'chat.recording';     -- nor late

-- M-A1.2  master data is kept as long as the account is used
SELECT pg_temp.act('lindenpraxis 2 messenger_support account_management', $$UPDATE chat.account SET closed_on = current_date + 2 WHERE account_id = 20$$);     -- leaves in two days
SELECT pg_temp.act('lindenpraxis 2 messenger_support account_management', 'SELECT FROM chat.account WHERE account_id IN (19, 20)');
SELECT relation, tenant, due FROM toms.run_retention(now() + interval '50 years', dry_run => true) WHERE relation = 'chat.account';          -- in 50 years nobody else

-- M-A1.3  invoices are kept for as long as the law says, apart, and then deleted
SELECT pg_temp.see('lindenpraxis 1 messenger_billing invoicing', 'SELECT count(*), min(issued_on) = date_trunc(''year'', now())::date FROM billing.invoice');     -- this year's
SELECT pg_temp.see('lindenpraxis 1 messenger_billing tax_audit', 'SELECT count(*) FROM billing.invoice');                                                 -- the tax office: all
SELECT keep, starts, basis FROM toms.retention_rules WHERE relation = 'billing.invoice';

-- M-A1.4  passwords are stored as hashes only
SELECT regexp_replace(pg_temp.act('lindenpraxis 2 messenger_support account_management', $$UPDATE chat.account SET password = 'Sonnenschein 7' WHERE account_id = 11$$), ' for relation .*', '');
SELECT pg_temp.act('lindenpraxis 2 messenger_support account_management', $$UPDATE chat.account SET password = toms.password_hash('Regenbogen 8') WHERE account_id = 11$$);
SELECT bool_and(password LIKE '$argon2id$%'), bool_and(toms.password_verify(password, 'Sonnenschein 7')) FROM chat.account WHERE account_id IN (12, 13);
SELECT pg_temp.finds('credentials');                                                    -- by the table's own constraint

-- M-A1.5  special categories of data, messages, transcripts, documents, are sealed
SELECT bool_and(body::text LIKE 'toms1:%'), bool_and(position('Rezept' IN body::text) = 0) FROM chat.message;     -- what administrators, dumps and backups have
SELECT bool_and(audio::text LIKE 'toms1:%' AND transcript::text LIKE 'toms1:%') FROM chat.recording;
SELECT count(*) FROM toms.run_probe('minimisation') WHERE phrase = 'minimisation_closed';                                  -- sealed text is free text: none is said to be closed
SELECT regress.verdict('SELECT toms.reveal(body) FROM chat.message');
SELECT pg_temp.see('lindenpraxis 11 messenger_patient care', 'SELECT toms.reveal(transcript) FROM chat.recording');
SELECT pg_temp.act('lindenpraxis 2 messenger_support account_management', 'SELECT toms.reveal(body) FROM chat.message');
SELECT regress.verdict('ALTER TABLE chat.message ADD note text');                                          -- no text in clear can be added

-- M-A2.2  a log-in is locked after failed attempts
SELECT current_setting('toms.login_attempts')::integer BETWEEN 1 AND 10, current_setting('toms.login_window'), current_setting('toms.login_exempt') = '';
SELECT toms.begin_login_lock('messenger_app', '192.0.2.7', 10, now(), now() + interval '15 minutes');      -- as the tenth failure does
SELECT login, address, failures FROM toms.locked_logins WHERE login = 'messenger_app';
SELECT toms.unlock_login('messenger_app');

-- M-A2.3  personal accounts; reading, writing and deleting are distinct rights; accesses are logged
SELECT pg_temp.act('lindenpraxis 1 messenger_physician care', $$DELETE FROM chat.message WHERE message_id = 1$$);
SELECT pg_temp.act('lindenpraxis 1 messenger_physician care', $$UPDATE chat.message SET body = 'x' WHERE message_id = 1$$);
SELECT pg_temp.act('lindenpraxis 1 messenger_physician care', $$INSERT INTO chat.message (patient, author, body) VALUES (12, 1, 'Gute Besserung!')$$);
SELECT kind, relation, actor FROM toms.audit_trail(tenant => 'lindenpraxis', actor => '1', kind => 'insert');
SELECT count(*) > 0 FROM toms.audit_trail(tenant => 'lindenpraxis', actor => '11', kind => 'reveal');

-- M-A2.4  purposes, practices, production and test are apart
SELECT pg_temp.see('lindenpraxis 1 messenger_physician care', 'SELECT DISTINCT tenant_id FROM chat.account');
SELECT pg_temp.act('lindenpraxis 1 messenger_physician care', $$INSERT INTO chat.message (tenant_id, patient, author, body) VALUES ('acme', 12, 1, 'x')$$);
SELECT pg_temp.act('acme 1 messenger_physician care', 'SELECT FROM chat.message');                         -- refused: the job works for other tenants
SELECT count(DISTINCT fingerprint) FROM toms.key_epoch WHERE tenant IN ('lindenpraxis', 'hafenklinik');    -- and each has its key
ALTER SYSTEM SET toms.environment = 'production';
SELECT pg_reload_conf(), pg_sleep(0.5) \g /dev/null
\set token `test/mint.sh '{"tenant":"lindenpraxis","sub":"1","role":"messenger_physician","purpose":"care","env":"test","exp":NOW+300}'`
SELECT regress.verdict(format('SELECT set_config(''toms.token'', %L, true)', :'token'));                   -- refused: a token of the test system
ALTER SYSTEM RESET toms.environment;
SELECT pg_reload_conf(), pg_sleep(0.5) \g /dev/null

-- M-A3.1  what comes in and goes out is logged
SELECT pg_temp.instruct('lindenpraxis', 'export', '11') AS export \gset
SELECT regress.verdict(format('SELECT toms.export_subject(''lindenpraxis'', ''11'', %s)', :export));
COPY (SELECT email FROM chat.account WHERE account_id = 11) TO '/dev/null';
COPY chat.document (tenant_id, patient, content) FROM stdin;
lindenpraxis	16	Befund
\.
SELECT kind, relation, details ->> 'recipient', count(*) FROM toms.audit_trail(since => now() - interval '1 minute') t
WHERE kind IN ('export', 'import') AND relation LIKE 'chat.%' AND (details ->> 'recipient' IS DISTINCT FROM 'controller') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- M-A3.2  the protocol cannot be changed or lost unnoticed
SELECT regress.verdict('DELETE FROM toms.audit_entry'), regress.verdict('UPDATE toms.audit_change SET tenant = NULL');
SELECT toms.seal_audit() > 0;
SELECT count(*) FROM toms.verify_audit(since => :'since') WHERE fault <> 'outside_missing';
SELECT id AS entry FROM toms.audit_trail(relation => 'chat.message', kind => 'insert') ORDER BY id LIMIT 1 \gset
SELECT toms.audit_proof(:entry) IS NOT NULL;                                                               -- for toms-verify, in other hands

-- M-A4.1  daily, weekly and monthly backups, at another place
SELECT toms.record_backup(tier, taken_at => now() - interval '1 hour', place => 'Rechenzentrum Süd') > 0 FROM unnest('{daily,weekly,monthly}'::text[]) tier;
SELECT name, every, keep FROM toms.backup_tiers ORDER BY keep;
SELECT DISTINCT tier, place FROM toms.backup ORDER BY tier;

-- M-A4.2  that it can be recovered is tested and documented
SELECT * FROM pg_temp.drill('chat');                                                                      -- a copy signs what it found …
SELECT regress.verdict($$SELECT toms.record_restore_test('{"passed": true}')$$);                           -- … and nobody makes that up

-- M-A5.1  records are deleted, and nothing is left to read of what was sealed
SELECT pg_temp.instruct('lindenpraxis', 'erase', '13') AS erase \gset
SELECT count(*) AS keys FROM toms.data_key WHERE tenant = 'lindenpraxis' AND destroyed_at IS NOT NULL \gset
SELECT relation, deleted, held FROM toms.erase_subject('lindenpraxis', '13', :erase) ORDER BY relation;
SELECT count(*) > :keys FROM toms.data_key WHERE tenant = 'lindenpraxis' AND destroyed_at IS NOT NULL;     -- in backups neither: their keys are destroyed
SELECT pg_temp.act('lindenpraxis 1 messenger_physician care', 'SELECT FROM chat.message WHERE patient = 13');

-- M-A5.2  deletion is automatic after defined periods
SELECT relation, rule IS NOT NULL, state FROM toms.retention_progress p WHERE relation LIKE 'chat.%' OR relation LIKE 'billing.%' GROUP BY 1, 2, 3 ORDER BY 1;
SELECT count(*) > 0 FROM toms.deletion_concept('de') WHERE start_event LIKE '%sent_at%';

-- M-A5.3  deletions are logged
SELECT relation, tenant, action, sum(rows) FROM toms.deletion_log WHERE relation ~ '^(chat|billing)' GROUP BY 1, 2, 3 ORDER BY 2, 1, 3;
SELECT bool_or(details::text ~ '"(13|20)"') FROM toms.audit_trail(kind => 'deletion');                     -- of nobody in particular
SELECT toms.seal_audit() > 0;
SELECT id AS erasure FROM toms.erasure WHERE tenant = 'lindenpraxis' AND kind = 'subject' \gset
SELECT valid, problem FROM toms.verify_certificate(toms.certificate(:erasure));

-- M-A6.1  measures are reviewed regularly
SELECT toms.record_review('M-A6.1', by => 'Frau Falk', result => 'no objections', next_due => current_date + 365) > 0;
SELECT reviewer, result, next_due > current_date FROM toms.measure_review WHERE measure = 'M-A6.1';
SELECT regress.verdict($$SELECT toms.record_review('M-A6.1', by => 'Frau Falk', result => 'later', next_due => current_date - 1)$$);

-- M-3.3  video consultations take place in the EEA, or where an adequacy decision holds
SELECT regress.verdict($$SELECT toms.check_recipient('Videobruecke Inc', 'lindenpraxis', 'video_consultation', '{personal}')$$);     -- refused: clauses are not enough for that
SELECT regress.verdict($$SELECT toms.record_disclosure('lindenpraxis', 'Videobruecke Inc', '{personal}', 'video_consultation', '11')$$);
SELECT purpose, rule FROM toms.transfer_rule WHERE tenant = 'lindenpraxis' AND ended_at IS NULL ORDER BY purpose;

-- M-3.5  the customer is told of unlawful instructions, which are suspended; what is manifestly unlawful is refused
SELECT toms.record_instruction('lindenpraxis', 'export', given_by => 'Dr. Anders', wording => 'Send me what all of them wrote.', subject => '14') AS doubtful \gset
SELECT toms.suspend_instruction(:doubtful, reason => 'for a third person', informed_at => now());
SELECT pg_temp.fault(format('SELECT toms.export_subject(''lindenpraxis'', ''14'', %s)', :doubtful));
SELECT toms.refuse_instruction(:doubtful, reason => '§ 203 StGB', informed_at => now());
SELECT pg_temp.fault(format('SELECT toms.confirm_instruction(%s)', :doubtful));
SELECT string_agg(state, ' ' ORDER BY id) FROM toms.instruction_event WHERE instruction = :doubtful;
SELECT informed_at IS NOT NULL FROM toms.instruction WHERE id = :doubtful;

-- M-4.3  staff is bound to professional secrecy
SELECT pg_temp.reviewed('M-4.3', owner => 'Personalabteilung', evidence => 'declarations under § 203 StGB, folder P-4', result => 'all 14 are there');

-- M-5.2  a third country needs guarantees, and the customer is told before and may object
SELECT regress.verdict($$SELECT toms.check_recipient('Videobruecke Inc', 'lindenpraxis', 'care', '{personal}')$$);
SELECT toms.object_to_recipient('Videobruecke Inc', 'lindenpraxis', reason => 'not there');
SELECT regress.verdict($$SELECT toms.check_recipient('Videobruecke Inc', 'lindenpraxis', 'care', '{personal}')$$);

-- M-A1.6  the language model neither stores nor learns from what it is given
SELECT agreement FROM toms.recipients WHERE recipient = 'Sprachmodell SE';
SELECT regress.verdict($$SELECT toms.record_disclosure('lindenpraxis', 'Sprachmodell SE', '{health}', 'care', '11')$$);          -- that something went there, not what
SELECT regress.verdict($$SELECT toms.record_disclosure('lindenpraxis', 'Sprachmodell SE', '{personal}', 'care', '11')$$);        -- no names
SELECT pg_temp.act('lindenpraxis 1 messenger_physician model_training', 'SELECT FROM chat.recording');
SELECT pg_temp.reviewed('M-A1.6', owner => 'Produktleitung', evidence => 'AVV of 9 January 2026, § 5', result => 'operator asked on 3 March');

-- M-A2.1  premises, second factor for remote work, passwords and devices
SELECT pg_temp.reviewed('M-A2.1', owner => 'IT', evidence => 'ISMS 8.1, audit of March', result => 'one device not encrypted, mended');
SELECT toms.permit('messenger_support', 'chat.account', '{delete}', '{account_management}', scope => 'tenant', require_mfa => true) > 0;     -- for the database: a second factor
SELECT pg_temp.act('lindenpraxis 2 messenger_support account_management', 'DELETE FROM chat.account WHERE account_id = 19');

-- M-O.1  data protection is managed: officer, audits, training, contractors
SELECT pg_temp.reviewed('M-O.1', owner => 'Geschäftsführung', evidence => 'data-protection manual, 2026', result => 'training of 12 May, two contractors re-checked');
SELECT owner, evidence, reviewer, next_due > current_date FROM toms.measure_reviews WHERE measure = 'M-O.1/4';

-- That is all
\set ECHO none
\o /dev/null
\set roles ^messenger_
\set schemas 'chat, billing'
\i test/evidence/undo.sql
\o
\set ECHO all
SELECT relation FROM toms.protected_tables;
SELECT count(*) FROM toms.tenant WHERE tenant IN ('lindenpraxis', 'hafenklinik');
