-- What toms is told about the messenger. Run by a superuser, or a toms officer of duty admin, after schema.sql.
\set ON_ERROR_STOP on

-- 1. Who processes, for which controllers, and what was agreed with them.
SELECT toms.set_processor('Botenfunk GmbH', address => 'Kabelgasse 2, 20457 Hamburg', contact => 'kontakt@botenfunk.example', dpo => 'Frau Falk');
SELECT toms.add_tenant('lindenpraxis', name => 'Praxis an den Linden', contact => 'Dr. Anders', dpo => 'Herr Lindner', country => 'DE');
SELECT toms.add_tenant('hafenklinik', name => 'Hafenklinik gGmbH', contact => 'Herr Boje', dpo => 'Herr Deich', country => 'DE');
SELECT toms.update_tenant(tenant, address => address)
FROM (VALUES ('lindenpraxis', 'Unter den Kronen 9, 20099 Hamburg'), ('hafenklinik', 'Kaimauer 1, 20457 Hamburg')) a (tenant, address);
SELECT toms.adopt_agreement(tenant, 'Auftragsverarbeitung Messenger', '3', date '2026-01-01', (SELECT array_agg(measure ORDER BY position) FROM toms.measure WHERE system = 'messenger'))
FROM unnest('{lindenpraxis,hafenklinik}'::text[]) tenant;
SELECT toms.set_notice_hours(tenant, 48) FROM unnest('{lindenpraxis,hafenklinik}'::text[]) tenant;       -- § 4

-- 2. Purposes: care, running the contract, invoices; and what they are never for. Nothing can permit the latter.
SELECT toms.add_purpose('care', description => 'messages between patients and their practice', legal_basis => 'Art. 9(2)(h) GDPR; § 22(1) no. 1 lit. b BDSG; § 203 StGB');
SELECT toms.add_purpose('video_consultation', description => 'appointments by video', legal_basis => 'Art. 9(2)(h) GDPR; § 365 SGB V');
SELECT toms.add_purpose('account_management', description => 'accounts of those who use the messenger', legal_basis => 'Art. 6(1)(b) GDPR');
SELECT toms.add_purpose('invoicing', description => 'invoices for its use', legal_basis => 'Art. 6(1)(b),(c) GDPR');
SELECT toms.add_purpose('tax_audit', description => 'what is kept for the tax office', legal_basis => 'Art. 6(1)(c) GDPR; § 147 AO');
SELECT toms.exclude_purpose('advertising', description => 'advertising, to patients and by what they wrote');
SELECT toms.exclude_purpose('model_training', description => 'training of language models');
SELECT toms.load_purposes('audit');

-- 3. The tables. Free text is what a messenger is for: sealed it is taken, otherwise refused.
SELECT toms.protect('chat.account', tenant => 'tenant_id', subject => 'account_id');
SELECT toms.protect('chat.message', tenant => 'tenant_id', subject => 'patient', category => 'health', free_text => 'sealed');
SELECT toms.protect('chat.recording', tenant => 'tenant_id', subject => 'patient', category => 'health', free_text => 'sealed');
SELECT toms.protect('chat.document', tenant => 'tenant_id', subject => 'patient', category => 'health', free_text => 'sealed');
SELECT toms.protect('billing.invoice', tenant => 'tenant_id', subject => 'account', category => 'billing');
SELECT toms.label_column('chat.account', 'password', category => 'credential');
SELECT toms.label_person('chat.message', 'author', role => 'author');
SELECT toms.label_provided('chat.account', '{email,name}');

-- 4. Who may do what. Patients have what is theirs; physicians write and read, and delete nothing; billing has no message.
SELECT toms.permit('messenger_patient', 'chat.account', '{select,update}', '{account_management}');
SELECT toms.permit('messenger_patient', t, '{select,insert}', '{care}') FROM unnest('{chat.message,chat.recording,chat.document}'::regclass[]) t;
SELECT toms.permit('messenger_physician', t, '{select,insert}', '{care}', scope => 'tenant') FROM unnest('{chat.message,chat.recording,chat.document}'::regclass[]) t;
SELECT toms.permit('messenger_physician', 'chat.account', '{select}', '{care}', scope => 'tenant');
SELECT toms.permit('messenger_billing', 'billing.invoice', '{select,insert}', '{invoicing}', scope => 'tenant');
SELECT toms.permit('messenger_billing', 'billing.invoice', '{select}', '{tax_audit}', scope => 'tenant');
SELECT toms.permit('messenger_support', 'chat.account', '{select,insert,update}', '{account_management}', scope => 'tenant');
SELECT toms.permit('messenger_dpo', 'toms.audit_entry', '{select}', '{data_protection_control}', scope => 'tenant');

-- 5. How long: 105 days what was said, accounts until they are closed, invoices as the law has it.
SELECT toms.retain('chat.message', keep => '105 days', since => 'sent_at', basis => 'Anlage 1: 105 Tage');
SELECT toms.retain('chat.recording', keep => '105 days', since => 'recorded_at', basis => 'Anlage 1: 105 Tage');
SELECT toms.retain('chat.document', keep => '105 days', since => 'received_at', basis => 'Anlage 1: 105 Tage');
SELECT toms.retain('chat.account', keep => '0', since => 'closed_on', basis => 'Anlage 1: Dauer der Nutzung');
SELECT toms.retain('billing.invoice', period => 'de_invoice', since => 'issued_on', restrict_after => '1 year', purposes => '{tax_audit}');

-- 6. Who else gets data, and where it may go.
SELECT toms.add_recipient('Nordrechen GmbH', kind => 'processor', country => 'DE', categories => '{personal,health,billing}', agreement => 'AVV of 7 January 2026');
SELECT toms.add_recipient('Sprachmodell SE', kind => 'processor', country => 'FR', categories => '{health}', agreement => 'AVV of 9 January 2026: input and output are neither stored nor used for training');
SELECT toms.add_recipient('Videobruecke Inc', kind => 'processor', country => 'US', categories => '{personal,health}', transfer_instrument => 'scc', instrument_from => '2026-01-01',
                          instrument_expires => '2099-12-31', agreement => 'AVV of 12 January 2026');
SELECT toms.notify_recipient('Nordrechen GmbH', tenant, notified_at => '2026-01-10', objection_period => '30 days') FROM unnest('{lindenpraxis,hafenklinik}'::text[]) tenant;
SELECT toms.notify_recipient('Sprachmodell SE', tenant, notified_at => '2026-01-10', objection_period => '30 days') FROM unnest('{lindenpraxis,hafenklinik}'::text[]) tenant;
SELECT toms.notify_recipient('Videobruecke Inc', tenant, notified_at => '2026-01-12', objection_period => '30 days') FROM unnest('{lindenpraxis,hafenklinik}'::text[]) tenant;
SELECT toms.set_transfer_rule(tenant, NULL, 'instrument') FROM unnest('{lindenpraxis,hafenklinik}'::text[]) tenant;
SELECT toms.set_transfer_rule(tenant, 'video_consultation', 'adequacy_only') FROM unnest('{lindenpraxis,hafenklinik}'::text[]) tenant;

-- 7. Backups, as they are made.
SELECT toms.declare_backup_tier('daily', '1 day', '14 days');
SELECT toms.declare_backup_tier('weekly', '7 days', '8 weeks');
SELECT toms.declare_backup_tier('monthly', '1 month', '6 months');

-- 8. Jobs, which have no user whose token they could pass on.
SELECT toms.allow_enter('messenger_job', tenants => '{lindenpraxis,hafenklinik}', roles => '{messenger_patient,messenger_physician,messenger_billing,messenger_support,messenger_dpo}');
