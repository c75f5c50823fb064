-- What the messenger holds, the same on every run but that messages are of the last weeks: two practices, each with a
-- physician (1), the support's account (2) and ten patients (11 to 20). Run by a superuser with psql after protect.sql.
\set ON_ERROR_STOP on
SET toms.reason = 'first load';

-- Argon2id of "Sonnenschein 7", made once with a salt of its own, since making one takes its time.
SELECT toms.password_hash('Sonnenschein 7') AS password \gset
INSERT INTO chat.account (tenant_id, account_id, email, name, password, opened_on)
SELECT tenant, id, CASE id WHEN 1 THEN 'arzt' WHEN 2 THEN 'hilfe' ELSE 'p' || id END || '@' || tenant || '.example',
       CASE id WHEN 1 THEN 'Dr. Anders' WHEN 2 THEN 'Support' ELSE (ARRAY['Aylin', 'Ben', 'Clara', 'David', 'Elif', 'Finn', 'Greta', 'Hanna', 'Ida', 'Jakob'])[id - 10] END, :'password', '2026-01-05'
FROM unnest('{lindenpraxis,hafenklinik}'::text[]) tenant, unnest('{1,2,11,12,13,14,15,16,17,18,19,20}'::integer[]) id
ORDER BY tenant DESC, id;

-- Each patient has four messages, one every fourth week, and an answer to each of them. None is older than 90 days.
INSERT INTO chat.message (tenant_id, patient, author, sent_at, body)
SELECT tenant, patient, CASE n % 2 WHEN 0 THEN patient ELSE 1 END, date_trunc('day', now()) - make_interval(days => 90 - 12 * n) + interval '9 hours',
       (ARRAY['Wann kann ich mein Rezept abholen?', 'Es liegt ab morgen bereit.', 'Der Husten ist noch da.', 'Bitte kommen Sie am Montag vorbei.'])[1 + n % 4]
FROM unnest('{lindenpraxis,hafenklinik}'::text[]) tenant, generate_series(11, 20) patient, generate_series(0, 7) n
ORDER BY tenant DESC, n, patient;

INSERT INTO chat.recording (tenant_id, patient, recorded_at, audio, transcript)
SELECT tenant, patient, now() - interval '20 days', decode(repeat(lpad(to_hex(patient), 2, '0'), 64), 'hex'), 'Ich möchte einen Termin verschieben.'
FROM unnest('{lindenpraxis,hafenklinik}'::text[]) tenant, generate_series(11, 13) patient ORDER BY tenant DESC, patient;

INSERT INTO chat.document (tenant_id, patient, received_at, content)
SELECT tenant, patient, now() - interval '10 days', convert_to('Überweisung ' || patient, 'UTF8')
FROM unnest('{lindenpraxis,hafenklinik}'::text[]) tenant, generate_series(14, 15) patient ORDER BY tenant DESC, patient;

-- One invoice of this year, one of two years ago, for the physicians' accounts and for some patients.
INSERT INTO billing.invoice (tenant_id, account, issued_on, cents)
SELECT tenant, account, (date_trunc('year', now()) - make_interval(years => ago))::date, 4900 + 100 * account
FROM unnest('{lindenpraxis,hafenklinik}'::text[]) tenant, unnest('{1,11,12}'::integer[]) account, unnest('{0,2}'::integer[]) ago
ORDER BY tenant DESC, ago, account;

SELECT setval(pg_get_serial_sequence('chat.account', 'account_id'), 1000) \g /dev/null
ANALYZE chat.account, chat.message, chat.recording, chat.document, billing.invoice;
RESET toms.reason;
