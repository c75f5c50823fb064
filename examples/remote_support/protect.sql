-- What toms is told about remote support. Run by a superuser, or a toms officer of duty admin, after schema.sql.
\set ON_ERROR_STOP on

-- 1. Who processes, for which controllers, and what was agreed with them.
SELECT toms.set_processor('Leitstelle GmbH', address => 'Am Schalter 1, 30159 Hannover', contact => 'kontakt@leitstelle.example', dpo => 'Frau Draht');
SELECT toms.add_tenant('kanzlei', name => 'Kanzlei am Markt PartG mbB', contact => 'RAin Paragraf', dpo => 'Herr Siegel', country => 'DE');
SELECT toms.add_tenant('autohaus', name => 'Autohaus Kolben GmbH', contact => 'Herr Kolben', dpo => 'Frau Felge', country => 'DE');
SELECT toms.update_tenant(tenant, address => address)
FROM (VALUES ('kanzlei', 'Am Markt 1, 30159 Hannover'), ('autohaus', 'Motorenstraße 8, 31134 Hildesheim')) a (tenant, address);
SELECT toms.adopt_agreement(tenant, 'Auftragsverarbeitung Fernwartung', '2', date '2026-01-01', (SELECT array_agg(measure ORDER BY position) FROM toms.measure WHERE system = 'remote_support'))
FROM unnest('{kanzlei,autohaus}'::text[]) tenant;

-- 2. Purposes: support itself, and what it is billed by.
SELECT toms.add_purpose('remote_support', description => 'help on devices of the customer, on a ticket of his', legal_basis => 'Art. 28 GDPR; the customer''s: Art. 6(1)(b),(f) GDPR');
SELECT toms.add_purpose('contract_billing', description => 'contract and business handling', legal_basis => 'Art. 6(1)(b),(c) GDPR');
SELECT toms.exclude_purpose('advertising', description => 'offers by what was seen in a session');
SELECT toms.load_purposes('audit');

-- 3. The tables.
SELECT toms.protect('support.device', tenant => 'tenant_id', subject => 'used_by');
SELECT toms.protect('support.session', tenant => 'tenant_id', subject => 'helped');
SELECT toms.protect('support.bill', tenant => 'tenant_id', subject => 'contact', category => 'billing');

-- 4. Who may do what. Technicians have no bill, billing has no session.
SELECT toms.permit('support_technician', 'support.device', '{select}', '{remote_support}', scope => 'tenant');
SELECT toms.permit('support_technician', 'support.session', '{select,insert,update}', '{remote_support}', scope => 'tenant');
SELECT toms.permit('support_billing', 'support.bill', '{select,insert}', '{contract_billing}', scope => 'tenant');
SELECT toms.permit('support_dpo', 'toms.audit_entry', '{select}', '{data_protection_control}', scope => 'tenant');

-- 5. How long.
SELECT toms.retain('support.session', keep => '1 year', since => 'began_at', basis => 'Auftragsverarbeitung, § 9');
SELECT toms.retain('support.bill', period => 'de_invoice', since => 'issued_on');

-- 6. Who else gets data.
SELECT toms.add_recipient('Serverhof AG', kind => 'processor', country => 'DE', categories => '{personal,billing}', agreement => 'hosting, contract of 2024');
SELECT toms.notify_recipient('Serverhof AG', tenant, notified_at => '2026-01-10', objection_period => '14 days') FROM unnest('{kanzlei,autohaus}'::text[]) tenant;
SELECT toms.set_transfer_rule(tenant, NULL, 'eu_only') FROM unnest('{kanzlei,autohaus}'::text[]) tenant;

-- 7. Backups, and whose the administrator's log-in is.
SELECT toms.declare_backup_tier('nightly', '1 day', '30 days');
SELECT toms.declare_backup_tier('tape', '7 days', '6 months');
SELECT toms.mark_login('support_dba_weber', owner => 'Anke Weber');

-- 8. Jobs, which have no user whose token they could pass on.
SELECT toms.allow_enter('support_job', tenants => '{kanzlei,autohaus}', roles => '{support_technician,support_billing,support_dpo}');
