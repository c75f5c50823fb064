-- Closed catalogues of codes for health_code columns.  A code can be added, and never removed or
-- given to another meaning: values that hold its number outlive any change here.

CREATE TABLE toms.code_catalogue (      -- the columns are read by position in seal/catalogue.c
    id         integer PRIMARY KEY CHECK (id BETWEEN 1 AND 65535),
    name       text COLLATE "C" NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
SELECT pg_catalog.pg_extension_config_dump('toms.code_catalogue', '');
COMMENT ON TABLE toms.code_catalogue IS 'catalogues of codes, whose number is the modifier of health_code';
GRANT SELECT ON toms.code_catalogue TO toms_admin, toms_auditor, toms_operator;

CREATE TABLE toms.code (                -- the columns are read by position in seal/catalogue.c
    catalogue integer NOT NULL,         -- of toms.code_catalogue
    number    integer NOT NULL CHECK (number BETWEEN 1 AND 65535),
    word      text COLLATE "C" NOT NULL CHECK (pg_catalog.octet_length(word) BETWEEN 1 AND 63),
    PRIMARY KEY (catalogue, number),
    UNIQUE (catalogue, word)
);
SELECT pg_catalog.pg_extension_config_dump('toms.code', '');
COMMENT ON TABLE toms.code IS 'codes of the catalogues';
GRANT SELECT ON toms.code TO toms_admin, toms_auditor, toms_operator;
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON toms.code
    FOR EACH STATEMENT EXECUTE FUNCTION toms.invalidate();
ALTER TABLE toms.code ENABLE ALWAYS TRIGGER invalidate;

CREATE FUNCTION toms.keep_codes()
RETURNS trigger LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'codes are added, never changed or removed' USING ERRCODE = 'object_not_in_prerequisite_state',
        HINT = 'SELECT toms.add_codes(…); sealed values hold the number of the code they were written with.';
END
$$;
REVOKE ALL ON FUNCTION toms.keep_codes() FROM PUBLIC;
COMMENT ON FUNCTION toms.keep_codes() IS 'internal: trigger that keeps codes as they are';
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON toms.code FOR EACH STATEMENT EXECUTE FUNCTION toms.keep_codes();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON toms.code_catalogue FOR EACH STATEMENT EXECUTE FUNCTION toms.keep_codes();

CREATE FUNCTION toms.add_codes(catalogue text, codes text[])
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    into_catalogue integer;
    new_word text;
    added integer := 0;
BEGIN
    SELECT c.id INTO into_catalogue FROM toms.code_catalogue c WHERE c.name = add_codes.catalogue;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no catalogue of codes "%"', catalogue USING ERRCODE = 'undefined_object',
            HINT = format('SELECT toms.add_code_catalogue(%L, ''{…}'');', catalogue);
    END IF;
    LOCK TABLE toms.code IN SHARE ROW EXCLUSIVE MODE;
    FOREACH new_word IN ARRAY codes LOOP
        IF new_word IS NULL OR octet_length(new_word) NOT BETWEEN 1 AND 63 THEN
            RAISE EXCEPTION 'a code has 1 to 63 bytes' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        CONTINUE WHEN EXISTS (SELECT FROM toms.code k WHERE k.catalogue = into_catalogue AND k.word = new_word);
        INSERT INTO toms.code (catalogue, number, word)
        SELECT into_catalogue, coalesce(max(k.number), 0) + 1, new_word FROM toms.code k WHERE k.catalogue = into_catalogue;
        added := added + 1;
    END LOOP;
    RETURN added;
END
$$;
REVOKE ALL ON FUNCTION toms.add_codes(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.add_codes(text, text[]) TO toms_admin;
COMMENT ON FUNCTION toms.add_codes(text, text[]) IS 'add codes to a catalogue; those it has already are left alone; returns how many were added';

CREATE FUNCTION toms.add_code_catalogue(name text, codes text[])
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added integer;
BEGIN
    IF name IS NULL OR name !~ '^[a-z][a-z0-9_]{0,62}$' THEN
        RAISE EXCEPTION '"%" cannot be the name of a catalogue of codes', name USING ERRCODE = 'invalid_name',
            HINT = 'Small letters, digits and underscores, a letter first.';
    END IF;
    LOCK TABLE toms.code_catalogue IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM toms.code_catalogue c WHERE c.name = add_code_catalogue.name) THEN
        RAISE EXCEPTION 'there is a catalogue of codes "%" already', name USING ERRCODE = 'duplicate_object',
            HINT = format('SELECT toms.add_codes(%L, ''{…}''); adds codes to it.', name);
    END IF;
    INSERT INTO toms.code_catalogue (id, name) SELECT coalesce(max(c.id), 0) + 1, add_code_catalogue.name FROM toms.code_catalogue c
    RETURNING id INTO added;
    PERFORM toms.add_codes(name, codes);
    RETURN added;
END
$$;
REVOKE ALL ON FUNCTION toms.add_code_catalogue(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.add_code_catalogue(text, text[]) TO toms_admin;
COMMENT ON FUNCTION toms.add_code_catalogue(text, text[]) IS 'make a closed catalogue of codes for health_code columns; returns its number';
