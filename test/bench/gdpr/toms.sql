-- toms: signed contexts, permissions by purpose, a period that ends with expires_at, objections, every change and read on
-- the trail.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION toms;
SELECT toms.add_tenant('acme', name => 'ACME GmbH');
SELECT toms.add_purpose('p' || n, description => 'purpose ' || n, legal_basis => 'Art. 6(1)(f)') FROM generate_series(0, 24) n;
SELECT toms.add_purpose(p, description => p, legal_basis => 'Art. 6(1)(c)') FROM unnest('{self_service,administration,supervision}'::text[]) p;
SELECT toms.protect('bench.record', tenant => 'tenant', subject => 'usr', read_audit => 'asynchronous');
SELECT toms.permit('bench_customer', 'bench.record', '{select,update,delete}', '{self_service}', scope => 'own');
SELECT toms.permit('bench_processor', 'bench.record', '{select}', (SELECT array_agg('p' || n) FROM generate_series(0, 24) n), scope => 'tenant');
SELECT toms.permit('bench_controller', 'bench.record', '{select,insert,update,delete}', '{administration}', scope => 'tenant');
SELECT toms.permit('bench_regulator', 'bench.record', '{select}', '{supervision}', scope => 'tenant');
SELECT toms.permit('bench_regulator', 'toms.audit_entry', '{select}', '{supervision}', scope => 'tenant');
SELECT toms.retain('bench.record', keep => '1 day', since => 'expires_at');
SELECT toms.record_objection('acme', n::text, purpose => 'p1') FROM generate_series(0, 9900, 100) n;
