-- All personal data of a tenant, given back to the controller or handed to whom he names: file by file, part by part.

-- pgcrypto's, wherever its schema is; nobody but a superuser can have made it.
CREATE FUNCTION toms.pgp_function(source text, arguments integer)
RETURNS regprocedure LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_pgcrypto constant regprocedure := (SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c'
                                          WHERE p.probin = '$libdir/pgcrypto' AND p.prosrc = source AND p.pronargs = arguments LIMIT 1);
BEGIN
    IF of_pgcrypto IS NULL THEN
        RAISE EXCEPTION 'encrypting an export takes the extension pgcrypto' USING ERRCODE = 'undefined_function', HINT = 'CREATE EXTENSION pgcrypto;';
    END IF;
    RETURN of_pgcrypto;
END
$$;
REVOKE ALL ON FUNCTION toms.pgp_function(text, integer) FROM PUBLIC;
COMMENT ON FUNCTION toms.pgp_function(text, integer) IS 'internal: a function of the extension pgcrypto';

CREATE FUNCTION toms.call_name(function regprocedure)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('%I.%I', p.pronamespace::regnamespace::text, p.proname) FROM pg_proc p WHERE p.oid = function;
$$;
REVOKE ALL ON FUNCTION toms.call_name(regprocedure) FROM PUBLIC;
COMMENT ON FUNCTION toms.call_name(regprocedure) IS 'internal: a function''s name with its schema';

-- One OpenPGP message; the key is armoured or not.
CREATE FUNCTION toms.encrypt_part(data bytea, pgp_key bytea)
RETURNS bytea LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bare bytea := pgp_key;
    message bytea;
BEGIN
    IF pgp_key IS NULL THEN
        RETURN data;
    END IF;
    IF position('-----BEGIN PGP'::bytea IN pgp_key) > 0 THEN
        EXECUTE format('SELECT %s($1)', toms.call_name(toms.pgp_function('pg_dearmor', 1))) INTO bare USING convert_from(pgp_key, 'UTF8');
    END IF;
    EXECUTE format('SELECT %s($1, $2, $3)', toms.call_name(toms.pgp_function('pgp_pub_encrypt_bytea', 3))) INTO message USING data, bare, 'cipher-algo=aes256';
    RETURN message;
END
$$;
REVOKE ALL ON FUNCTION toms.encrypt_part(bytea, bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.encrypt_part(bytea, bytea) IS 'internal: a part of an export as one OpenPGP message, or as it is if there is no key';

-- Of about a megabyte, by what a row of the table takes, and a thousand rows at most; few where that is not known yet.
CREATE FUNCTION toms.rows_in_portion(part regclass)
RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN c.reltuples > 0 THEN least(1000, greatest(1, 1048576 / greatest(1, pg_table_size(part) / c.reltuples))) ELSE 100 END::integer
    FROM pg_class c WHERE c.oid = part;
$$;
REVOKE ALL ON FUNCTION toms.rows_in_portion(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.rows_in_portion(regclass) IS 'internal: how many rows of a table a part of an export has';

CREATE FUNCTION toms.check_tenant_export(tenant text, recipient text, format text, pgp_key bytea)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM toms.tenant t WHERE t.tenant = check_tenant_export.tenant) THEN
        RAISE EXCEPTION 'there is no tenant "%"', tenant USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM toms.tenants;';
    END IF;
    IF format IS NULL OR format NOT IN ('jsonl', 'csv') THEN
        RAISE EXCEPTION 'there is no format "%"', format USING ERRCODE = 'invalid_parameter_value', HINT = 'Formats are jsonl and csv.';
    END IF;
    PERFORM toms.check_recipient(recipient, tenant, 'rights', '{}');
    PERFORM toms.check_unreadable(recipient, tenant, pgp_key);
    PERFORM toms.encrypt_part('', pgp_key);
END
$$;
REVOKE ALL ON FUNCTION toms.check_tenant_export(text, text, text, bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.check_tenant_export(text, text, text, bytea) IS 'internal: whether a tenant can be exported as asked';

CREATE FUNCTION toms.tenant_categories(tenant text)
RETURNS text[] LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_categories text[] := '{}';
    rel regclass;
    part regclass;
    condition text;
BEGIN
    FOREACH rel IN ARRAY toms.tables_in_order() LOOP
        FOR part IN SELECT l FROM toms.leaves(rel) l LOOP
            condition := toms.rows_condition(part, tenant, NULL);
            IF condition IS NOT NULL AND toms.ask_all_rows(format('SELECT 1 FROM ONLY %s t WHERE %s LIMIT 1', part, condition)) IS NOT NULL THEN
                found_categories := found_categories || toms.labelled_categories(rel) || ARRAY(SELECT l.category FROM toms.row_labels l WHERE l.relation = rel);
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
    RETURN ARRAY(SELECT DISTINCT u FROM unnest(found_categories) u ORDER BY u);
END
$$;
REVOKE ALL ON FUNCTION toms.tenant_categories(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.tenant_categories(text) IS 'internal: the categories of tables that hold rows of a tenant';

CREATE FUNCTION toms.begin_tenant_export(tenant text, instruction bigint, recipient text, format text, pgp_key bytea)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    all_categories text[];
BEGIN
    PERFORM toms.check_tenant_export(tenant, recipient, format, pgp_key);
    PERFORM toms.check_complete_for_tenants();
    PERFORM toms.carry_out_instruction(instruction, tenant, 'export', NULL);
    all_categories := toms.tenant_categories(tenant);
    PERFORM toms.check_recipient(recipient, tenant, 'rights', all_categories);
    INSERT INTO toms.disclosure (tenant, of_all, recipient, categories, purpose, kind, instruction, disclosed_by)
    VALUES (begin_tenant_export.tenant, true, begin_tenant_export.recipient, all_categories, 'rights', 'tenant', begin_tenant_export.instruction, session_user);
    RAISE LOG 'toms tenant exported: tenant=% format=% encrypted=% instruction=% login=%', tenant, format, pgp_key IS NOT NULL, instruction, session_user;
END
$$;
REVOKE ALL ON FUNCTION toms.begin_tenant_export(text, bigint, text, text, bytea) FROM PUBLIC;
COMMENT ON FUNCTION toms.begin_tenant_export(text, bigint, text, text, bytea) IS 'internal: refuse an export to who must not get it, or record it';

-- The portions of one file; of the snapshot of the statement which calls it.
CREATE FUNCTION toms.tenant_portions(tenant text, format text)
RETURNS TABLE (root regclass, file text, part regclass, rows tid[], expression text, columns name[])
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    condition text;
    in_order constant regclass[] := toms.tables_in_order();
BEGIN
    -- as they can be written back: what is referred to before what refers to it
    FOR n IN REVERSE cardinality(in_order) .. 1 LOOP
        root := in_order[n];
        FOR part IN SELECT l FROM toms.leaves(root) l LOOP
            condition := toms.rows_condition(part, $1, NULL);
            CONTINUE WHEN condition IS NULL;
            SELECT array_agg(c.col), toms.line_expression(array_agg(c.col), array_agg(c.expression), $2) INTO columns, expression
            FROM toms.exported_columns(part, $1, NULL, 'tenant', true) c;
            file := toms.exported_as(part);
            FOR rows IN SELECT p FROM toms.find_portions(part, condition, toms.rows_in_portion(part)) p LOOP
                RETURN NEXT;
            END LOOP;
        END LOOP;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.tenant_portions(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.tenant_portions(text, text) IS 'internal: the rows of a tenant, in portions';

-- Before anything is shown: each table is on record, with as many rows as will be.
CREATE FUNCTION toms.export_manifest(tenant text, instruction bigint, recipient text, details jsonb, portions jsonb)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    noted record;
    files jsonb := '[]';
BEGIN
    FOR noted IN SELECT p ->> 'file' AS file, (p ->> 'root')::regclass AS root, sum((p ->> 'rows')::bigint) AS rows, count(*) AS parts, min((p ->> 'n')::bigint) AS n,
                        (array_agg(p -> 'columns'))[1] AS columns
                 FROM jsonb_array_elements(portions) p GROUP BY 1, 2 ORDER BY 5 LOOP
        PERFORM toms.note_export(tenant, NULL, noted.root, details || jsonb_build_object('recipient', recipient, 'kind', 'tenant', 'of_all', true, 'instruction', instruction,
                                 'rows', noted.rows, 'categories', toms.labelled_categories(noted.root)));
        files := files || jsonb_build_object('file', noted.file, 'table', noted.root::text, 'columns', noted.columns, 'rows', noted.rows, 'parts', noted.parts);
    END LOOP;
    IF jsonb_array_length(files) = 0 THEN
        PERFORM toms.note_export(tenant, NULL, 0, details || jsonb_build_object('recipient', recipient, 'kind', 'tenant', 'of_all', true, 'instruction', instruction, 'rows', 0));
    END IF;
    RETURN jsonb_build_object('format', 'toms export 1', 'kind', 'tenant', 'tenant', tenant, 'exported_at', statement_timestamp(), 'instruction', instruction, 'files', files)::text || E'\n';
END
$$;
REVOKE ALL ON FUNCTION toms.export_manifest(text, bigint, text, jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION toms.export_manifest(text, bigint, text, jsonb, jsonb) IS 'internal: what files an export has, once they are on record';

-- Stable, so that it reads the rows as they were when they were found.
CREATE FUNCTION toms.export_part(part regclass, tenant text, rows tid[], expression text, header text)
RETURNS bytea LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET timezone = 'UTC' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
    SELECT convert_to(coalesce(header || E'\n', '') || toms.read_portion(part, tenant, rows, expression, E'\n') || E'\n', 'UTF8');
$$;
REVOKE ALL ON FUNCTION toms.export_part(regclass, text, tid[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.export_part(regclass, text, tid[], text, text) IS 'internal: a part of an export';

-- In a select list it is streamed: each part is read when the one before has been taken. In FROM all is gathered first.
CREATE FUNCTION toms.export_tenant(tenant text, instruction bigint, recipient text DEFAULT 'controller', format text DEFAULT 'jsonl', pgp_key bytea DEFAULT NULL)
RETURNS TABLE (file text, part integer, data bytea) LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.begin_tenant_export($1, $2, $3, $4, $5);
    WITH p AS MATERIALIZED (
        SELECT q.*, (row_number() OVER (PARTITION BY q.file ORDER BY q.ordinality))::integer AS number FROM toms.tenant_portions($1, $4) WITH ORDINALITY q ORDER BY q.ordinality)
    SELECT 'manifest.json' || CASE WHEN $5 IS NULL THEN '' ELSE '.pgp' END, 1, toms.encrypt_part(convert_to(toms.export_manifest($1, $2, $3,
               jsonb_build_object('by', 'export_tenant', 'format', $4, 'encrypted', $5 IS NOT NULL),
               (SELECT coalesce(jsonb_agg(jsonb_build_object('n', p.ordinality, 'file', p.file || '.' || $4, 'root', p.root, 'rows', cardinality(p.rows), 'columns', p.columns)), '[]') FROM p)),
               'UTF8'), $5)
    UNION ALL
    SELECT p.file || '.' || $4 || CASE WHEN $5 IS NULL THEN '' ELSE '.pgp' END, p.number,
           toms.encrypt_part(toms.export_part(p.part, $1, p.rows, p.expression, CASE WHEN p.number = 1 AND $4 = 'csv' THEN toms.csv_header(p.columns) END), $5)
    FROM p;
$$;
REVOKE ALL ON FUNCTION toms.export_tenant(text, bigint, text, text, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.export_tenant(text, bigint, text, text, bytea) TO toms_admin;
COMMENT ON FUNCTION toms.export_tenant(text, bigint, text, text, bytea) IS 'all rows of a tenant in protected tables, with sealed values in plain, as JSON Lines or CSV in parts; each part one OpenPGP message if a public key is given; by a confirmed instruction of kind export';
