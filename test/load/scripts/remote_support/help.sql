-- a technician helps somebody: a session begins, and ends
\set device random(1, 6)
BEGIN;
SELECT toms.enter('kanzlei', 'anton', 'support_technician', 'remote_support');
SELECT hostname, used_by AS person FROM support.device WHERE device_id = :device \gset
INSERT INTO support.session (device_id, helped, ticket) VALUES (:device, :person, 'T-5000') RETURNING session_id AS session \gset
UPDATE support.session SET ended_at = clock_timestamp() WHERE session_id = :session;
INSERT INTO load.done VALUES ('help');
COMMIT;
