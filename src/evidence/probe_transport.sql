-- Probe: the server's certificate, as the file has it: X.509 (RFC 5280) in DER, of which only what is asked for is read.

INSERT INTO toms.phrase VALUES
    ('cert_off', 'en', 'The server offers no TLS (ssl is off).'),
    ('cert_off', 'de', 'Der Server bietet kein TLS an (ssl ist aus).'),
    ('cert_protocol', 'en', 'ssl_min_protocol_version is "%1$s".'),
    ('cert_protocol', 'de', 'ssl_min_protocol_version steht auf „%1$s“.'),
    ('cert_unreadable', 'en', 'The certificate %1$s cannot be read: %2$s.'),
    ('cert_unreadable', 'de', 'Das Zertifikat %1$s ist nicht lesbar: %3$e.'),
    ('cert_is', 'en', 'The certificate %1$s has a key of %2$s, is signed with %3$s and is valid until %4$s.'),
    ('cert_is', 'de', 'Das Zertifikat %1$s hat einen Schlüssel %2$s, ist mit %3$s signiert und gilt bis %4$s.'),
    ('cert_key', 'en', 'The key of the certificate %1$s is too short: %2$s; RSA 3072 or a curve of 256 bits at least is asked for.'),
    ('cert_key', 'de', 'Der Schlüssel des Zertifikats %1$s ist zu kurz: %2$s; verlangt sind mindestens RSA 3072 oder eine Kurve mit 256 Bit.'),
    ('cert_signature', 'en', 'The certificate %1$s is signed with %2$s; SHA-256 at least is asked for.'),
    ('cert_signature', 'de', 'Das Zertifikat %1$s ist mit %2$s signiert; verlangt ist mindestens SHA-256.'),
    ('cert_expired', 'en', 'The certificate %1$s is not valid now, but from %2$s until %3$s.'),
    ('cert_expired', 'de', 'Das Zertifikat %1$s gilt jetzt nicht, sondern von %2$s bis %3$s.'),
    ('cert_ends', 'en', 'The certificate %1$s ends on %2$s.'),
    ('cert_ends', 'de', 'Das Zertifikat %1$s endet am %2$s.'),
    ('cert_unloaded', 'en', 'The certificate %1$s was changed after it was last loaded.'),
    ('cert_unloaded', 'de', 'Das Zertifikat %1$s wurde geändert, nachdem es zuletzt geladen wurde.');;

-- One element: its tag, where its contents begin and how long they are.  Lengths that cannot be are an error.
CREATE FUNCTION toms.der(bytes bytea, at integer, OUT tag integer, OUT start integer, OUT size integer)
RETURNS record LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    tag := get_byte(bytes, at);
    size := get_byte(bytes, at + 1);
    start := at + 2;
    IF size > 128 AND size <= 131 THEN
        start := start + size - 128;
        size := ('x' || lpad(encode(substr(bytes, at + 3, size - 128), 'hex'), 8, '0'))::bit(32)::integer;
    END IF;
    IF size < 0 OR size = 128 OR start + size > length(bytes) THEN
        RAISE EXCEPTION 'it is not DER' USING ERRCODE = 'data_exception';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION toms.der(bytea, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.der(bytea, integer) IS 'internal: an element of DER';

-- The elements within an element, in order.
CREATE FUNCTION toms.der_parts(bytes bytea)
RETURNS TABLE (n integer, tag integer, contents bytea) LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part record;
    at integer := 0;
BEGIN
    n := 0;
    WHILE at < length(bytes) LOOP
        part := toms.der(bytes, at);
        n := n + 1;
        tag := part.tag;
        contents := substr(bytes, part.start + 1, part.size);
        at := part.start + part.size;
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.der_parts(bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.der_parts(bytea) IS 'internal: the elements within an element of DER';

-- Object identifiers, as DER has them.
CREATE FUNCTION toms.der_name(identifier bytea)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN CASE encode(identifier, 'hex')
        WHEN '2a864886f70d010104' THEN 'MD5, RSA' WHEN '2a864886f70d010105' THEN 'SHA-1, RSA' WHEN '2a864886f70d01010b' THEN 'SHA-256, RSA'
        WHEN '2a864886f70d01010c' THEN 'SHA-384, RSA' WHEN '2a864886f70d01010d' THEN 'SHA-512, RSA'
        WHEN '2a8648ce3d0401' THEN 'SHA-1, ECDSA' WHEN '2a8648ce3d040302' THEN 'SHA-256, ECDSA' WHEN '2a8648ce3d040303' THEN 'SHA-384, ECDSA' WHEN '2a8648ce3d040304' THEN 'SHA-512, ECDSA'
        WHEN '608648016503040201' THEN 'SHA-256, RSA-PSS' WHEN '608648016503040202' THEN 'SHA-384, RSA-PSS' WHEN '608648016503040203' THEN 'SHA-512, RSA-PSS'
        WHEN '2b6570' THEN 'Ed25519' WHEN '2b6571' THEN 'Ed448'
        WHEN '2a8648ce3d030101' THEN 'EC 192' WHEN '2b81040021' THEN 'EC 224' WHEN '2a8648ce3d030107' THEN 'EC 256' WHEN '2b81040022' THEN 'EC 384' WHEN '2b81040023' THEN 'EC 521'
        ELSE 'OID ' || encode(identifier, 'hex') END;
REVOKE ALL ON FUNCTION toms.der_name(bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.der_name(bytea) IS 'internal: what an object identifier of a certificate means';

-- UTCTime (tag 23) has two digits of the year: 50 to 99 are of the last century.
CREATE FUNCTION toms.der_time(tag integer, contents bytea)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
    RETURN to_timestamp(CASE WHEN tag = 24 THEN '' WHEN convert_from(contents, 'SQL_ASCII') >= '50' THEN '19' ELSE '20' END || rtrim(convert_from(contents, 'SQL_ASCII'), 'Z'), 'YYYYMMDDHH24MISS');
REVOKE ALL ON FUNCTION toms.der_time(integer, bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.der_time(integer, bytea) IS 'internal: a time in a certificate';

-- What signs: the hash of RSA-PSS stands in its parameters, and is SHA-1 unless they name one.
CREATE FUNCTION toms.der_signature(algorithm bytea)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN p.contents <> '\x2a864886f70d01010a' THEN toms.der_name(p.contents)
                ELSE coalesce((SELECT toms.der_name(h.oid) FROM unnest('{"\\x608648016503040201","\\x608648016503040202","\\x608648016503040203"}'::bytea[]) h (oid)
                               WHERE position(h.oid IN algorithm) > 0 ORDER BY 1 LIMIT 1), 'SHA-1, RSA-PSS') END
    FROM toms.der_parts(algorithm) p WHERE p.n = 1;
$$;
REVOKE ALL ON FUNCTION toms.der_signature(bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.der_signature(bytea) IS 'internal: with what a certificate is signed';

-- Of subjectPublicKeyInfo.
CREATE FUNCTION toms.der_key(info bytea)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    algorithm bytea := (SELECT p.contents FROM toms.der_parts(info) p WHERE p.n = 1);
    key bytea := (SELECT p.contents FROM toms.der_parts(info) p WHERE p.n = 2);
    kind bytea := (SELECT p.contents FROM toms.der_parts(algorithm) p WHERE p.n = 1);
    modulus bytea;
BEGIN
    IF kind = '\x2a8648ce3d0201' THEN
        RETURN toms.der_name((SELECT p.contents FROM toms.der_parts(algorithm) p WHERE p.n = 2));
    ELSIF kind NOT IN ('\x2a864886f70d010101', '\x2a864886f70d01010a') THEN
        RETURN toms.der_name(kind);
    END IF;
    -- a bit string, its first byte the number of bits that are left over, of a sequence of modulus and exponent
    modulus := (SELECT m.contents FROM toms.der_parts(substr(key, 2)) s, toms.der_parts(s.contents) m WHERE s.n = 1 AND m.n = 1);
    RETURN 'RSA ' || length(ltrim(substr(modulus::text, 3), '0')) * 4;
END
$$;
REVOKE ALL ON FUNCTION toms.der_key(bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.der_key(bytea) IS 'internal: kind and length of the key of a certificate';

-- The first certificate of a file in PEM: the server's own.
CREATE FUNCTION toms.read_certificate(pem text, OUT key text, OUT signature text, OUT since timestamptz, OUT until timestamptz)
RETURNS record LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET bytea_output = 'hex' AS $$
DECLARE
    base64 constant text := (regexp_match(pem, '-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----\s*([A-Za-z0-9+/=\s]+)-----END'))[1];
    body bytea;
    fields bytea[];
BEGIN
    IF base64 IS NULL THEN
        RAISE EXCEPTION 'there is none in it' USING ERRCODE = 'data_exception';
    END IF;
    SELECT t.contents INTO body FROM toms.der_parts(decode(base64, 'base64')) c, toms.der_parts(c.contents) t WHERE c.n = 1 AND t.n = 1;
    -- serial number, signature, issuer, validity, subject, key; before them the version, unless it is the first
    fields := ARRAY(SELECT p.contents FROM toms.der_parts(body) p WHERE p.tag <> 160 ORDER BY p.n);
    signature := toms.der_signature(fields[2]);
    SELECT min(toms.der_time(p.tag, p.contents)) FILTER (WHERE p.n = 1), min(toms.der_time(p.tag, p.contents)) FILTER (WHERE p.n = 2) INTO since, until FROM toms.der_parts(fields[4]) p;
    key := toms.der_key(fields[6]);
END
$$;
REVOKE ALL ON FUNCTION toms.read_certificate(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.read_certificate(text) IS 'internal: key, signature and validity of a certificate';

CREATE FUNCTION toms.certificate_faults(file text)
RETURNS SETOF toms.probed LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    soon constant interval := '21 days';
    reload constant text := E'-- put another one in its place, then\nSELECT pg_reload_conf();';
    c record;
BEGIN
    c := toms.read_certificate(pg_read_file(file, 0, 1000000));
    RETURN QUERY
    SELECT 'pass', 'cert_is', ARRAY[file, c.key, c.signature, c.until::date::text], NULL, NULL
    UNION ALL
    SELECT 'fail', 'cert_key', ARRAY[file, c.key], reload, NULL
    WHERE NOT (c.key ~ '^Ed' OR (c.key ~ '^RSA \d+$' AND split_part(c.key, ' ', 2)::integer >= 3072) OR (c.key ~ '^EC \d+$' AND split_part(c.key, ' ', 2)::integer >= 256))
    UNION ALL
    SELECT 'fail', 'cert_signature', ARRAY[file, c.signature], reload, NULL WHERE c.signature !~ '^(SHA-(256|384|512)|Ed)'
    UNION ALL
    SELECT 'fail', 'cert_expired', ARRAY[file, c.since::date::text, c.until::date::text], reload, NULL WHERE now() NOT BETWEEN c.since AND c.until
    UNION ALL
    SELECT 'partial', 'cert_ends', ARRAY[file, c.until::date::text], reload, NULL WHERE now() BETWEEN greatest(c.since, c.until - soon) AND c.until
    UNION ALL
    SELECT 'partial', 'cert_unloaded', ARRAY[file], 'SELECT pg_reload_conf();', NULL WHERE (pg_stat_file(file)).modification > pg_conf_load_time();
EXCEPTION WHEN OTHERS THEN
    RETURN QUERY SELECT 'fail', 'cert_unreadable', ARRAY[file, SQLERRM, SQLSTATE], reload, NULL;
END
$$;
REVOKE ALL ON FUNCTION toms.certificate_faults(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.certificate_faults(text) IS 'internal: what the server''s certificate is, and what is wrong with it';

CREATE FUNCTION toms.probe_transport_encryption()
RETURNS SETOF toms.probed LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'fail', 'cert_off', NULL::text[], toms.set_server('ssl', 'on'), NULL WHERE current_setting('ssl') <> 'on'
    UNION ALL
    SELECT f.* FROM toms.certificate_faults(current_setting('ssl_cert_file')) f WHERE current_setting('ssl') = 'on'
    UNION ALL
    SELECT CASE WHEN p.is_old THEN 'fail' ELSE 'pass' END, 'cert_protocol', ARRAY[p.value], CASE WHEN p.is_old THEN toms.set_server('ssl_min_protocol_version', 'TLSv1.2') END, NULL
    FROM (SELECT s.value, s.value NOT IN ('TLSv1.2', 'TLSv1.3') AS is_old FROM (SELECT current_setting('ssl_min_protocol_version') AS value) s) p;
$$;
REVOKE ALL ON FUNCTION toms.probe_transport_encryption() FROM PUBLIC;
COMMENT ON FUNCTION toms.probe_transport_encryption() IS 'internal: the certificate of the server and the oldest protocol it speaks';
