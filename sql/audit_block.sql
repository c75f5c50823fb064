--
-- audit_block: entries of the trail are closed into signed blocks
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset null '(null)'
SET client_min_messages = warning;
CREATE SCHEMA regress_audit;
SELECT count(*) AS entries FROM toms.audit_entry;
CREATE FUNCTION regress_audit.add(n bigint, kind "char" DEFAULT 'c') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    base bigint := nextval('toms.audit_chunk') * 1024;
BEGIN
    INSERT INTO toms.audit_entry SELECT base + i, clock_timestamp(), pg_current_xact_id()::text::bigint, NULL, NULL, NULL, kind, CASE kind WHEN 'c' THEN 'i'::"char" ELSE '-' END,
        'acme', NULL, convert_to('payload ' || i, 'UTF8') FROM generate_series(0, n - 1) i;
END
$$;
SELECT toms.seal_audit();
SELECT regress_audit.add(3);
SELECT regress_audit.add(2, 'w');
SELECT toms.seal_audit();
SELECT toms.seal_audit();
SELECT regress_audit.add(1000, 'o');
BEGIN;
SELECT regress_audit.add(1);
SELECT toms.seal_audit();
COMMIT;
SELECT toms.seal_audit();
SELECT number, segment, size, length(manifest), length(header) FROM toms.audit_block;
SELECT * FROM toms.verify_audit();
SELECT * FROM toms.verify_audit(now() - interval '1 s');
BEGIN;
DELETE FROM toms.audit_entry WHERE id = (SELECT min(id) FROM toms.audit_entry WHERE kind = 'c');
UPDATE toms.audit_entry SET payload = 'x' WHERE id = (SELECT max(id) FROM toms.audit_entry WHERE kind = 'w');
SELECT * FROM toms.verify_audit();
ROLLBACK;
