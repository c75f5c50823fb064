-- toms.suggest(): kinds of data, and the lines of the script.

-- kinds of data ------------------------------------------------------------------------

CREATE FUNCTION toms.suggest_category(word text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.category FROM (VALUES
        (1, 'health', 'sick\w*|illness|krank\w*|health|diagnos\w*|medical|medication|patient|therap\w*|allerg\w*|disab\w*|schwerbehind\w*'
                      || '|pregnan\w*|schwanger\w*|vaccin\w*|impf\w*'),
        (2, 'credential', 'password|passwd|passwort|pwd|token|credential|secret|api_key'),
        (3, 'billing', 'invoice|billing|iban|bic|bank_account|payment|rechnung|salary|gehalt|lohn|payroll'),
        (4, 'location', 'location|gps|latitude|longitude|lat|lng|geo|standort')) c (rank, category, words)
    WHERE word ~ ('(^|_)(' || c.words || ')(_|$)') ORDER BY c.rank LIMIT 1;
$$;
REVOKE ALL ON FUNCTION toms.suggest_category(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_category(text) IS 'internal: the category that a table or column of this name holds, NULL: none in particular';

-- Columns that tell of a person, whatever the keys say.
CREATE FUNCTION toms.suggest_is_personal(word text, type regtype) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT type IN ('json'::regtype, 'jsonb'::regtype, 'xml'::regtype, 'bytea'::regtype, 'inet'::regtype)
        OR toms.suggest_category(word) IS NOT NULL OR toms.suggest_person_rank(word, 'user') IS NOT NULL
        OR word ~ ('(^|_)(e?mail|phone|telefon|telephone|mobile|fax|first_?name|last_?name|surname|full_?name|vorname|nachname|birth\w*|geburt\w*|dob'
                   || '|address|street|strasse|ip|login|username|nick|nickname|jid|payload|message|body|recipient|sender|ssn|tax_id|steuer\w*)(_|$)');
$$;
REVOKE ALL ON FUNCTION toms.suggest_is_personal(text, regtype) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_is_personal(text, regtype) IS 'internal: whether a column of this name and type may tell of a person';

-- The category of each table: by its own name, else by its columns' names and types.  Columns
-- that only refer to such a table do not count, nor does a person's password make persons
-- credentials; a boolean labels rows and not the table.
CREATE FUNCTION toms.suggest_categories(facts toms.suggest_facts) RETURNS TABLE (relation regclass, category text, because text)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH found AS (
        SELECT t.relation, 0 AS attnum, '' AS word, toms.suggest_category(t.word) AS category, 'name' AS because FROM unnest(facts.tables) t
        UNION ALL
        SELECT c.relation, c.attnum, c.word, CASE WHEN c.type = 'point'::regtype THEN 'location' ELSE toms.suggest_category(c.word) END, format('column %I', c.col)
        FROM unnest(facts.columns) c WHERE c.type <> 'boolean'::regtype
    )
    SELECT DISTINCT ON (f.relation) f.relation, f.category, f.because
    FROM found f
    WHERE f.category IS NOT NULL
      AND (f.attnum = 0 OR f.category = 'health'
           OR f.word !~ '_(id|uuid|key|no)$' AND f.relation NOT IN (SELECT p.relation FROM unnest(facts.persons) p))
    ORDER BY f.relation, f.attnum > 0, f.category <> 'health', f.attnum;
$$;
REVOKE ALL ON FUNCTION toms.suggest_categories(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_categories(toms.suggest_facts) IS 'internal: the category of tables, where it is not personal';

CREATE FUNCTION toms.suggest_is_health(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.suggest_word(value) ~ ('(^|_)(sick\w*|ill|illness|krank\w*|au|kur|reha\w*|mutterschutz|maternity|pregnan\w*|schwanger\w*|disab\w*'
        || '|schwerbehind\w*|medical|therap\w*|quarant\w*|health|diagnos\w*|injur\w*|accident|unfall|arzt\w*|doctor|hospital\w*)(_|$)');
$$;
REVOKE ALL ON FUNCTION toms.suggest_is_health(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_is_health(text) IS 'internal: whether a row of this kind tells of somebody''s health';

-- Rows that are health data by value: a column that names a kind has values which say so, or
-- a boolean does.  What one column can hold, another of that name can hold later if they have
-- values in common, or if it is empty so far and of persons.
CREATE FUNCTION toms.suggest_row_labels(facts toms.suggest_facts) RETURNS TABLE (relation regclass, condition text, compares_enum boolean)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH columns AS MATERIALIZED (
        SELECT c.relation, c.attnum, c.col, c.word, y.typtype = 'e' AS is_enum, toms.suggest_values(c.relation, c.col) AS values,
               c.relation IN (SELECT s.relation FROM unnest(facts.subjects) s) AS of_persons
        FROM unnest(facts.columns) c JOIN pg_type y ON y.oid = c.type
        WHERE c.word ~ '(^|_)(kind|type|reason|category|art|grund)$' AND (c.family = 'text' OR y.typtype = 'e')
    ), health AS MATERIALIZED (
        SELECT DISTINCT c.relation, c.col, c.word, c.values, v AS value FROM columns c, unnest(c.values) v WHERE toms.suggest_is_health(v)
    ), labelled AS (
        SELECT DISTINCT c.relation, c.attnum, c.col, c.is_enum, h.value
        FROM columns c JOIN health h ON h.word = c.word AND CASE WHEN c.is_enum THEN h.value = ANY (c.values)
                                                                 ELSE c.values && h.values OR c.values = '{}' AND c.of_persons END
    ), conditions AS (
        SELECT c.relation, c.attnum, format('%I IN (%s)', c.col, string_agg(quote_literal(c.value), ', ' ORDER BY c.value COLLATE "C")) AS condition, c.is_enum
        FROM labelled c GROUP BY c.relation, c.attnum, c.col, c.is_enum
        UNION ALL
        SELECT c.relation, c.attnum, quote_ident(c.col), false FROM unnest(facts.columns) c
        WHERE c.type = 'boolean'::regtype AND toms.suggest_category(c.word) = 'health'
    )
    SELECT c.relation, string_agg(c.condition, ' OR ' ORDER BY c.attnum), bool_or(c.is_enum) FROM conditions c
    WHERE c.relation NOT IN (SELECT k.relation FROM toms.suggest_categories(facts) k WHERE k.category = 'health')
    GROUP BY c.relation;
$$;
REVOKE ALL ON FUNCTION toms.suggest_row_labels(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_row_labels(toms.suggest_facts) IS 'internal: rows that are health data by value';

-- What becomes of rows without a tenant, and of those that belong to them: 'shared' if none tells
-- of a person, else 'nobody'; NULL if there are none.  A table that is not to be read shares nothing.
CREATE FUNCTION toms.suggest_null_tenant(relation regclass, tenant name, personal name[], personal_below boolean) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH queries AS (
        SELECT format('SELECT FROM %s WHERE %I IS NULL', relation, tenant) AS without_tenant,
               coalesce((SELECT string_agg(format('%I IS NOT NULL', p), ' OR ') FROM unnest(personal) p), 'false') AS of_person
    )
    SELECT CASE toms.suggest_any(ARRAY[relation], without_tenant)
               WHEN false THEN NULL
               WHEN true THEN CASE WHEN personal_below OR toms.suggest_any(ARRAY[relation], format('%s AND (%s)', without_tenant, of_person)) THEN 'nobody' ELSE 'shared' END
               ELSE 'nobody' END
    FROM queries;
$$;
REVOKE ALL ON FUNCTION toms.suggest_null_tenant(regclass, name, name[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_null_tenant(regclass, name, name[], boolean) IS 'internal: what becomes of rows without a tenant';

-- One row for each table, in the order in which the script can run.  phase 0: the tenants, and
-- parents of the persons' table, which cannot use its aliases; 1: the persons; 2: all else that
-- is protected, parents first; 3: the rest.
CREATE FUNCTION toms.suggest_protections(facts toms.suggest_facts)
RETURNS TABLE (phase integer, level integer, relation regclass, tenant name, subject name, subject_alias text, lost_alias boolean,
               category text, because text, null_tenant text, condition text, compares_enum boolean, fate text)
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE persons AS MATERIALIZED (SELECT * FROM unnest(facts.persons)),
    ways AS MATERIALIZED (SELECT DISTINCT w.relation, w.parent, w.level FROM unnest(facts.ways) w),
    early AS (
        SELECT w.parent AS relation FROM ways w WHERE w.relation IN (SELECT p.relation FROM persons p)
        UNION
        SELECT w.parent FROM ways w JOIN early e ON e.relation = w.relation
    ), personal AS MATERIALIZED (
        SELECT c.relation, array_agg(c.col ORDER BY c.attnum) AS columns
        FROM unnest(facts.columns) c LEFT JOIN unnest(facts.subjects) s ON s.relation = c.relation AND s.col = c.col
        WHERE s.col IS NOT NULL OR toms.suggest_is_personal(c.word, c.type) GROUP BY c.relation
    ), vague AS (
        SELECT c.relation, min(c.col::text) AS col FROM unnest(facts.columns) c
        WHERE c.family IS NOT NULL AND c.parent IS NULL AND NOT c.is_key AND c.word ~ '_(id|uuid)$'
          AND (c.relation, c.col) NOT IN (SELECT n.relation, n.col FROM toms.suggest_namesakes(facts) n) GROUP BY c.relation
    ), above_personal AS (
        SELECT w.parent AS relation FROM ways w JOIN personal p ON p.relation = w.relation
        UNION
        SELECT w.parent FROM ways w JOIN above_personal a ON a.relation = w.relation
    ), judged AS (
        SELECT t.relation, c.col AS tenant, c.not_null, w.level, s.col AS subject, s.key, p.columns AS personal,
               t.relation IN (SELECT p.relation FROM persons p) AS is_persons,
               CASE WHEN t.fate IS NOT NULL THEN t.fate
                    WHEN c.col IS NOT NULL AND c.family IS NULL THEN format('decide: the type of its tenant column %I holds no id', c.col)
                    WHEN c.col IS NOT NULL OR w.level IS NOT NULL THEN NULL
                    WHEN p.relation IS NOT NULL THEN 'decide: it may hold personal data, but has no tenant column and no way to one'
                    WHEN v.relation IS NOT NULL THEN format('decide: it is not known what %I refers to, and it has no other way to a tenant', v.col)
                    ELSE 'not protected: it has no tenant column, no way to one, and no column that tells of a person' END AS fate
        FROM unnest(facts.tables) t
        LEFT JOIN unnest(facts.tenant_columns) c ON c.relation = t.relation
        LEFT JOIN (SELECT DISTINCT w.relation, w.level FROM ways w) w ON w.relation = t.relation
        LEFT JOIN unnest(facts.subjects) s ON s.relation = t.relation
        LEFT JOIN personal p ON p.relation = t.relation
        LEFT JOIN vague v ON v.relation = t.relation
    ), phased AS (
        SELECT j.*, CASE WHEN j.is_persons THEN 1
                         WHEN j.fate IS NOT NULL THEN 3
                         WHEN j.relation = (facts.tenant).hub OR j.relation IN (SELECT e.relation FROM early e) THEN 0
                         ELSE 2 END AS phase
        FROM judged j
    )
    SELECT j.phase, coalesce(j.level, 0), j.relation, j.tenant, CASE WHEN j.phase > 0 OR a.key IS NULL THEN j.subject END,
           CASE WHEN j.phase > 0 THEN a.relation || '.' || quote_ident(a.key) END, j.phase = 0 AND a.key IS NOT NULL,
           coalesce(k.category, 'personal'), k.because,
           CASE WHEN j.fate IS NULL AND NOT j.not_null
                THEN toms.suggest_null_tenant(j.relation, j.tenant, j.personal, j.relation IN (SELECT b.relation FROM above_personal b)) END,
           l.condition, l.compares_enum, j.fate
    FROM phased j
    LEFT JOIN persons a ON a.key = j.key AND NOT a.is_canonical
    LEFT JOIN toms.suggest_categories(facts) k ON k.relation = j.relation
    LEFT JOIN toms.suggest_row_labels(facts) l ON l.relation = j.relation;
$$;
REVOKE ALL ON FUNCTION toms.suggest_protections(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_protections(toms.suggest_facts) IS 'internal: what is suggested for each table';

-- lines ----------------------------------------------------------------------------------

-- A comment stays one line, whatever names and conditions hold.
CREATE FUNCTION toms.suggest_comment(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT '-- ' || regexp_replace(words, '[[:cntrl:]]+', ' ', 'g');
$$;
REVOKE ALL ON FUNCTION toms.suggest_comment(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_comment(text) IS 'internal: words as one line of comment';

-- A call of a function of toms, without the arguments that are NULL.
CREATE FUNCTION toms.suggest_call(function text, names text[], arguments text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('SELECT toms.%s(%s);', function,
                  string_agg(CASE WHEN names[n] = '' THEN '' ELSE names[n] || ' => ' END || quote_literal(arguments[n]), ', ' ORDER BY n))
    FROM generate_subscripts(arguments, 1) n WHERE arguments[n] IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.suggest_call(text, text[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_call(text, text[], text[]) IS 'internal: a call as it stands in a script';

-- The calls that protect one table.
CREATE FUNCTION toms.suggest_protect_lines(relation regclass, tenant name, subject name, subject_alias text, category text,
                                           null_tenant text, condition text, ways toms.suggest_way[]) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH way AS (
        SELECT w.*, row_number() OVER (ORDER BY w.type_value COLLATE "C") AS n,
               nullif(w.parent_column, toms.referred_column(w.relation, w.parent, w.key)) AS named_column
        FROM unnest(ways) w WHERE w.parent IS NOT NULL
    )
    SELECT toms.suggest_call('protect', '{"",tenant,parent,parent_key,parent_column,type_column,type_value,subject,subject_alias,category,null_tenant,mode}',
        ARRAY[suggest_protect_lines.relation::text, tenant, w.parent::text, w.key, w.named_column, w.type_column, w.type_value, subject, subject_alias,
              nullif(category, 'personal'), nullif(null_tenant, 'nobody'), 'observe'])
    FROM (SELECT) one LEFT JOIN way w ON w.n = 1
    UNION ALL
    (SELECT toms.suggest_call('add_parent', '{"",parent,type_value,parent_column}', ARRAY[w.relation::text, w.parent::text, w.type_value, w.named_column])
     FROM way w WHERE w.n > 1 ORDER BY w.n)
    UNION ALL
    SELECT toms.suggest_call('label_rows', '{"",condition,category}', ARRAY[relation::text, condition, 'health']) WHERE condition IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.suggest_protect_lines(regclass, name, name, text, text, text, text, toms.suggest_way[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_protect_lines(regclass, name, name, text, text, text, text, toms.suggest_way[]) IS 'internal: calls that protect a table';

-- What the grants of a table become: permissions for the whole tenant, to be narrowed by hand.
CREATE FUNCTION toms.suggest_permit_lines(relation regclass, purpose text, categories text[]) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH table_owner AS (
        SELECT r.oid, r.rolname, r.rolcanlogin AND NOT r.rolsuper AND NOT r.rolbypassrls AS may_act
        FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = relation
    ), grants AS (
        SELECT g.grantee, lower(g.privilege_type) AS verb FROM pg_class c, aclexplode(c.relacl) g WHERE c.oid = relation
        UNION
        SELECT g.grantee, lower(g.privilege_type) FROM pg_attribute a, aclexplode(a.attacl) g WHERE a.attrelid = relation AND NOT a.attisdropped
    ), holders AS (
        SELECT g.grantee, r.rolname, r.rolsuper OR r.rolbypassrls AS bypasses,
               array_agg(g.verb ORDER BY array_position('{select,insert,update,delete}', g.verb)) AS verbs
        FROM grants g LEFT JOIN pg_roles r ON r.oid = g.grantee
        WHERE g.verb IN ('select', 'insert', 'update', 'delete') AND g.grantee NOT IN (SELECT o.oid FROM table_owner o)
          AND r.rolname IS DISTINCT FROM 'toms_lookup'
        GROUP BY g.grantee, r.rolname, r.rolsuper, r.rolbypassrls
    ), permitted AS (
        SELECT h.rolname, h.verbs FROM holders h WHERE h.grantee <> 0 AND NOT h.bypasses
        UNION ALL
        SELECT o.rolname, '{select,insert,update,delete}' FROM table_owner o WHERE o.may_act AND NOT EXISTS (SELECT FROM holders h WHERE NOT h.bypasses)
    )
    SELECT line FROM (
        SELECT 1 AS place, p.rolname, toms.suggest_call('permit', '{role,relation,verbs,purposes,scope,categories}',
            ARRAY[quote_ident(p.rolname), relation::text, p.verbs::text, ARRAY[purpose]::text, 'tenant', categories::text]) AS line FROM permitted p
        UNION ALL
        SELECT 2, '', toms.suggest_comment(format('decide: PUBLIC holds %s on it: grant and permit that to roles instead', array_to_string(h.verbs, ', ')))
        FROM holders h WHERE h.grantee = 0
        UNION ALL
        SELECT 3, '', toms.suggest_comment(format('its owner %I has all privileges on it and may log in: permit that only if the application is who logs in so', o.rolname))
        FROM table_owner o JOIN permitted p ON p.rolname = o.rolname
        UNION ALL
        SELECT DISTINCT 4, g.rolname, toms.suggest_comment(format('decide: role %I holds privileges on a part of it only, and can be permitted the whole', g.rolname))
        FROM toms.relation_tree(relation) r JOIN pg_class c ON c.oid = r AND r <> relation,
             LATERAL (SELECT o.rolname FROM aclexplode(c.relacl) a JOIN pg_roles o ON o.oid = a.grantee WHERE a.grantee <> c.relowner AND NOT o.rolsuper AND NOT o.rolbypassrls) g
        WHERE g.rolname NOT IN (SELECT p.rolname FROM permitted p)
        UNION ALL
        SELECT 5, '', toms.suggest_comment('decide: no role but its owner holds privileges on it, so nothing is permitted')
        WHERE NOT EXISTS (SELECT FROM permitted) AND NOT EXISTS (SELECT FROM holders h WHERE h.grantee = 0)) lines
    ORDER BY place, rolname COLLATE "C";
$$;
REVOKE ALL ON FUNCTION toms.suggest_permit_lines(regclass, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_permit_lines(regclass, text, text[]) IS 'internal: permissions from grants';

-- What policies ask the session for.  A setting or function that is compared with a tenant
-- column is the tenant's everywhere; one that is compared with nothing but canonical keys of
-- persons is the subject's.
CREATE FUNCTION toms.suggest_replacements(facts toms.suggest_facts) RETURNS SETOF toms.suggest_replacement
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH compared AS (
        SELECT p.source, substring(p.source FROM '^current_setting\(''((?:[^'']|'''')+)''') AS setting, t.col IS NOT NULL AS is_tenant,
               s.col IS NOT NULL AND coalesce(k.is_canonical, true) AS is_subject
        FROM unnest(facts.policies) p
        LEFT JOIN unnest(facts.tenant_columns) t ON t.relation = p.root AND t.col = p.col
        LEFT JOIN unnest(facts.subjects) s ON s.relation = p.root AND s.col = p.col
        LEFT JOIN unnest(facts.persons) k ON k.key = s.key
        WHERE p.source IS NOT NULL
    ), uses AS (
        SELECT c.setting, CASE WHEN c.setting IS NULL THEN c.source END AS call,
               CASE WHEN bool_or(c.is_tenant) THEN 'toms.current_tenant()' WHEN bool_and(c.is_subject) THEN 'toms.current_subject()' END AS by_token
        FROM compared c GROUP BY 1, 2
    )
    SELECT CASE WHEN u.setting IS NOT NULL THEN format('current_setting\(''%s''::text(?:, (?:true|false))?\)', e.escaped) ELSE e.escaped END,
           format('COALESCE(%s%s, \&)', u.by_token, '::' || nullif(format_type(f.prorettype, NULL), 'text')), u.setting
    FROM uses u
    CROSS JOIN LATERAL regexp_replace(coalesce(u.setting, u.call), '([^[:alnum:]_ ])', '\\\1', 'g') e (escaped)
    LEFT JOIN pg_proc f ON f.oid >= 16384 AND starts_with(u.call, f.oid::regproc || '(') AND f.pronargs = (u.call !~ '\(\)$')::integer
    WHERE u.by_token IS NOT NULL AND (u.setting IS NOT NULL OR f.oid IS NOT NULL);
$$;
REVOKE ALL ON FUNCTION toms.suggest_replacements(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_replacements(toms.suggest_facts) IS 'internal: what the application''s policies ask the session for';

-- An expression that asks the token first, and the setting as before without one.
CREATE FUNCTION toms.suggest_replaced(expression text, replacements toms.suggest_replacement[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    replaced text := expression;
    r toms.suggest_replacement;
BEGIN
    IF expression ~ 'COALESCE\(toms\.current_' THEN
        RETURN expression;      -- has been done
    END IF;
    FOREACH r IN ARRAY replacements LOOP
        replaced := regexp_replace(replaced, r.pattern, r.replacement, 'g');
    END LOOP;
    RETURN replaced;
END
$$;
REVOKE ALL ON FUNCTION toms.suggest_replaced(text, toms.suggest_replacement[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_replaced(text, toms.suggest_replacement[]) IS 'internal: an expression that asks the token first';

CREATE FUNCTION toms.suggest_look(schema regnamespace, tenant text) RETURNS toms.suggest_facts
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    facts toms.suggest_facts;
BEGIN
    facts.tables := ARRAY(SELECT t FROM toms.suggest_tables(schema) t);
    facts.columns := ARRAY(SELECT c FROM toms.suggest_columns(facts) c);
    facts.policies := ARRAY(SELECT p FROM toms.suggest_policies(facts) p);
    facts.named := coalesce(toms.suggest_word(tenant), toms.suggest_declared(facts));
    facts.tenant := (SELECT t FROM toms.suggest_tenant(facts) t);
    facts.tenant_columns := ARRAY(SELECT c FROM toms.suggest_tenant_columns(facts) c);
    facts.persons := ARRAY(SELECT p FROM toms.suggest_persons(facts) p);
    facts.pairs := ARRAY(SELECT p FROM toms.suggest_pairs(facts) p);
    facts.subjects := ARRAY(SELECT s FROM toms.suggest_subjects(facts) s);
    facts.ways := ARRAY(SELECT w FROM toms.suggest_ways(facts) w);
    facts.replacements := ARRAY(SELECT p FROM toms.suggest_replacements(facts) p);
    RETURN facts;
END
$$;
REVOKE ALL ON FUNCTION toms.suggest_look(regnamespace, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_look(regnamespace, text) IS 'internal: all that is found out about a schema';

-- Policies that compare with a setting would hide every row from an application that sets
-- toms.token instead, and a DEFAULT would fail.  They get the token's tenant or subject first,
-- the setting after it: so they say the same with either, and show nobody more than the
-- policies of toms let through.
CREATE FUNCTION toms.suggest_policy_lines(root regclass, policies toms.suggest_policy[], replacements toms.suggest_replacement[]) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH clauses AS (
        SELECT DISTINCT p.relation, p.policy, p.clause, p.condition, toms.suggest_replaced(p.condition, replacements) AS replaced FROM unnest(policies) p
    ), changes AS (
        SELECT c.relation, c.policy, string_agg(format('%s (%s)', c.clause, c.condition), ' ' ORDER BY c.clause) AS was,
               string_agg(format('%s (%s)', c.clause, c.replaced), ' ' ORDER BY c.clause) AS becomes, bool_or(c.replaced <> c.condition) AS is_changed,
               bool_or(regexp_replace(c.replaced, 'COALESCE\(toms\.current_\w+\(\), current_setting\(', '', 'g') ~ 'current_setting\(') AS reads_on
        FROM clauses c GROUP BY c.relation, c.policy
    ), defaults AS (
        SELECT r AS relation, a.attname, pg_get_expr(d.adbin, d.adrelid) AS was
        FROM toms.relation_tree(root) r JOIN pg_attrdef d ON d.adrelid = r JOIN pg_attribute a ON a.attrelid = r AND a.attnum = d.adnum AND a.attgenerated = ''
    ), lines AS (
        SELECT 1 AS part, p.relation, p.policy AS object, n.n, n.line FROM changes p, LATERAL (VALUES
            (1, toms.suggest_comment(format('policy %I on %s goes by the token, without one by the setting as before: %s', p.policy, p.relation, p.was)), p.is_changed),
            (2, format('ALTER POLICY %I ON %s %s;', p.policy, p.relation, p.becomes), p.is_changed),
            (3, toms.suggest_comment(format('decide: policy %I on %s reads settings that no token replaces, go on setting them: %s', p.policy, p.relation, p.was)), p.reads_on)
        ) n (n, line, is_due) WHERE n.is_due
        UNION ALL
        SELECT 2, d.relation, d.attname, 1, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET DEFAULT %s;', d.relation, d.attname, x.replaced)
        FROM defaults d, toms.suggest_replaced(d.was, replacements) x (replaced) WHERE x.replaced <> d.was
    )
    SELECT l.line FROM lines l ORDER BY l.part, l.relation::text COLLATE "C", l.object, l.n;
$$;
REVOKE ALL ON FUNCTION toms.suggest_policy_lines(regclass, toms.suggest_policy[], toms.suggest_replacement[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_policy_lines(regclass, toms.suggest_policy[], toms.suggest_replacement[]) IS 'internal: policies and defaults of the application, so that they go by the token';

-- A table's owner, as whom its views and some functions read, is not subject to its policies
-- unless row security is forced, as toms.enforce() does: a policy of his own keeps that.
CREATE FUNCTION toms.suggest_owner_lines(root regclass) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.line
    FROM toms.relation_tree(root) r JOIN pg_class c ON c.oid = r JOIN pg_roles o ON o.oid = c.relowner, LATERAL (VALUES
        (1, toms.suggest_comment(format('views and functions read %s as its owner, who is not subject to its policies so far; to those of toms he will be', r))),
        (2, format('CREATE POLICY owner_as_before ON %s TO %I USING (true);', r, o.rolname))) l (n, line)
    WHERE c.relrowsecurity AND NOT c.relforcerowsecurity AND NOT o.rolsuper AND NOT o.rolbypassrls
      AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = r AND p.polpermissive AND p.polname !~ '^toms_')
      AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = r AND p.polname = 'owner_as_before')
    ORDER BY r::text COLLATE "C", l.n;
$$;
REVOKE ALL ON FUNCTION toms.suggest_owner_lines(regclass) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_owner_lines(regclass) IS 'internal: the owner''s place beside the application''s policies';

-- What is noteworthy about a table: first how it is protected, then what an officer decides.
CREATE FUNCTION toms.suggest_notes(relation regclass, tenant name, subject name, subject_alias text, category text, because text,
                                   null_tenant text, ways toms.suggest_way[]) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH way AS (SELECT * FROM unnest(ways) w ORDER BY w.type_value COLLATE "C" LIMIT 1)
    SELECT suggest_notes.relation || ': ' || concat_ws('; ',
           CASE WHEN tenant IS NOT NULL THEN format('tenant in %I', tenant)
                WHEN w.type_column IS NOT NULL THEN format('no tenant column, that of the row counts which %I and %I name', w.type_column, w.key)
                ELSE format('no tenant column, that of its row in %s counts', w.parent) END,
           CASE WHEN null_tenant = 'shared' THEN 'rows without one are about nobody, all tenants read them' END,
           'subject in ' || quote_ident(subject) || coalesce(', by ' || subject_alias, ''),
           category || ' by its ' || because,
           (SELECT format('with its %s partitions or children', count(*) - 1) FROM toms.relation_tree(suggest_notes.relation) HAVING count(*) > 1))
    FROM (SELECT) one LEFT JOIN way w ON true
    UNION ALL
    SELECT 'decide: its rows without a tenant, or those that belong to them, may be about persons, or could not be looked at: nobody will see them' WHERE null_tenant = 'nobody'
    UNION ALL
    SELECT format('decide: rows that find no parent by %I, or could not be looked at, belong to nobody', w.key) FROM way w WHERE NOT w.is_whole
    UNION ALL
    SELECT format('decide: only whoever wrote a row leads to its tenant, by %I', w.key) FROM way w WHERE toms.suggest_person_rank(toms.suggest_word(w.key), 'user') > 7
    UNION ALL
    SELECT format('decide: no protected table goes by the name %L in %I: such rows belong to nobody', w.type_value, w.type_column)
    FROM unnest(ways) w WHERE w.parent IS NULL;
$$;
REVOKE ALL ON FUNCTION toms.suggest_notes(regclass, name, name, text, text, text, text, toms.suggest_way[]) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_notes(regclass, name, name, text, text, text, text, toms.suggest_way[]) IS 'internal: comments on a table';

-- Functions and views that read a setting which the token replaces, and log-ins with privileges.
CREATE FUNCTION toms.suggest_warnings(schema regnamespace, facts toms.suggest_facts) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH sources AS (
        SELECT 'function ' || f.oid::regprocedure AS what, coalesce(pg_get_function_sqlbody(f.oid), f.prosrc) AS source
        FROM pg_proc f WHERE f.pronamespace = schema AND f.prokind IN ('f', 'p')
        UNION ALL
        SELECT 'view ' || c.oid::regclass, pg_get_viewdef(c.oid) FROM pg_class c WHERE c.relnamespace = schema AND c.relkind IN ('v', 'm')
    )
    SELECT * FROM (
        SELECT DISTINCT format('decide: %s reads %s: let it ask toms.current_tenant() or toms.current_subject() first', s.what, r.setting) AS words
        FROM sources s JOIN unnest(facts.replacements) r ON position('''' || r.setting || '''' IN s.source) > 0
        UNION
        SELECT format('role %I logs in and holds privileges itself: let tokens rather name roles that it is a member of', o.rolname)
        FROM unnest(facts.tables) t JOIN pg_class c ON c.oid = t.relation, aclexplode(c.relacl) g JOIN pg_roles o ON o.oid = g.grantee
        WHERE o.rolcanlogin AND NOT o.rolsuper AND NOT o.rolbypassrls AND g.grantee <> c.relowner AND g.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')) warnings
    ORDER BY words COLLATE "C";
$$;
REVOKE ALL ON FUNCTION toms.suggest_warnings(regnamespace, toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_warnings(regnamespace, toms.suggest_facts) IS 'internal: comments on a schema';

-- Most likely it is what leads the keys of most tables.
CREATE FUNCTION toms.suggest_unknown_tenant(schema regnamespace, facts toms.suggest_facts) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH likely AS (
        SELECT c.col FROM unnest(facts.columns) c WHERE c.family IS NOT NULL AND c.not_null AND c.leads_key AND NOT c.is_key AND c.parent IS NULL
        GROUP BY c.col HAVING count(*) > 1 ORDER BY count(*) DESC, c.col LIMIT 1
    )
    SELECT CASE WHEN facts.named IS NOT NULL THEN format('decide: no column %s is there yet', facts.named)
                ELSE format('decide: no column holds a tenant; if %s does, say so: SELECT toms.suggest(%L, tenant => %L);',
                            coalesce((SELECT quote_ident(l.col) FROM likely l), 'one'), schema::text, coalesce((SELECT l.col FROM likely l), '…')) END;
$$;
REVOKE ALL ON FUNCTION toms.suggest_unknown_tenant(regnamespace, toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_unknown_tenant(regnamespace, toms.suggest_facts) IS 'internal: what to ask where no column says that it holds a tenant';

-- What gives a tenant to a table that has none: a table that it refers to, once that has one; else a
-- column like those of the others, which the application need not fill.
CREATE FUNCTION toms.suggest_new_column(relation regclass, fate text, facts toms.suggest_facts) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH known AS (
        SELECT c.col, c.type FROM unnest(facts.columns) c JOIN unnest(facts.tenant_columns) t ON t.relation = c.relation AND t.col = c.col
        WHERE c.word = (facts.tenant).word AND c.family IS NOT NULL GROUP BY c.col, c.type ORDER BY count(*) DESC, c.col LIMIT 1
    ), wanted AS (
        SELECT k.col, k.type FROM known k
        UNION ALL SELECT facts.named::name, 'text' WHERE facts.named IS NOT NULL AND NOT EXISTS (SELECT FROM known)
    ), parent AS (
        SELECT c.parent FROM unnest(facts.columns) c JOIN toms.suggest_lost(facts) l ON l = c.parent
        WHERE c.relation = suggest_new_column.relation AND c.parent <> c.relation AND c.parent_is_key AND c.family IS NOT NULL ORDER BY c.attnum LIMIT 1
    )
    SELECT CASE WHEN p.parent IS NOT NULL THEN format('it goes with %s, once that has one', p.parent)
                ELSE format('%5$s, give it one and suggest again: ALTER TABLE %1$s ADD COLUMN %2$I %3$s DEFAULT toms.current_tenant()%4$s; UPDATE %1$s SET %2$I = …;',
                            suggest_new_column.relation, w.col, w.type, '::' || nullif(w.type::text, 'text'),
                            CASE WHEN fate ~ '^decide' THEN 'so that it finds its tenant' ELSE 'if its rows belong to tenants all the same' END) END
    FROM wanted w LEFT JOIN parent p ON true;
$$;
REVOKE ALL ON FUNCTION toms.suggest_new_column(regclass, text, toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_new_column(regclass, text, toms.suggest_facts) IS 'internal: the tenant column that a table lacks';

-- Tenants and persons of the schema, at the head of the script.
CREATE FUNCTION toms.suggest_head(schema regnamespace, purpose text, facts toms.suggest_facts) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT toms.suggest_comment(w) FROM (VALUES
        (format('Adopts toms for schema %s, in observe mode: nothing is refused yet. Read it, then run it in one transaction,', schema)),
        ('as a superuser, or as an officer who owns the tables: their policies and defaults are their owner''s to alter.'),
        (CASE WHEN facts.tenant IS NULL THEN toms.suggest_unknown_tenant(schema, facts)
              ELSE format('%s: column %s; tables: %s; policies that compare it: %s', CASE WHEN facts.named IS NOT NULL OR (facts.tenant).policies > 0 OR toms.suggest_tenant_rank((facts.tenant).word) > 0
                          THEN 'tenants' ELSE 'decide whether these are tenants' END, (facts.tenant).word, (facts.tenant).tables, (facts.tenant).policies)
                   || coalesce('; the tenants themselves: ' || (facts.tenant).hub::text, '') END),
        (coalesce((SELECT format('persons: %s; tokens carry its %I as "sub"', p.relation, p.key) FROM unnest(facts.persons) p WHERE p.is_canonical),
                  'decide: no table holds persons; tokens carry as "sub" what the subject columns hold')),
        (format('purpose: tokens name %L; replace it by the purposes that you have', purpose))) head (w)
    WHERE w IS NOT NULL
    UNION ALL
    SELECT toms.suggest_comment(w) FROM toms.suggest_warnings(schema, facts) w
    UNION ALL
    (SELECT format('SELECT toms.add_tenant(t.%1$I::text, name => t.%2$I::text) FROM %3$s t WHERE NOT EXISTS (SELECT FROM toms.tenant k WHERE k.tenant = t.%1$I::text);',
                   (facts.tenant).hub_key, c.col, c.relation)
     FROM unnest(facts.columns) c JOIN unnest(facts.tables) t ON t.relation = c.relation AND t.fate IS NULL
     WHERE c.relation = (facts.tenant).hub AND c.family IS NOT NULL
     ORDER BY c.family = 'text' DESC, c.word ~ '(^|_)name$' DESC, c.col <> (facts.tenant).hub_key DESC, c.attnum LIMIT 1)
    UNION ALL
    SELECT toms.suggest_comment('decide: register each tenant: SELECT toms.add_tenant(''…'', name => ''…'');') WHERE (facts.tenant).hub IS NULL
    UNION ALL
    SELECT toms.suggest_call('trust_function', '{"",reason}', ARRAY['pg_catalog.enum_eq(anyenum,anyenum)', 'toms.label_rows() compares labels of enums'])
    WHERE EXISTS (SELECT FROM toms.suggest_row_labels(facts) l WHERE l.compares_enum)
      AND NOT (SELECT p.proleakproof FROM pg_proc p WHERE p.oid = 'enum_eq'::regproc);
$$;
REVOKE ALL ON FUNCTION toms.suggest_head(regnamespace, text, toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_head(regnamespace, text, toms.suggest_facts) IS 'internal: the head of the script of suggest()';

-- Until the end: nobody adds an index or constraint with code of his to a table that is read.
CREATE FUNCTION toms.suggest_lock(schema regnamespace) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rel regclass;
BEGIN
    FOR rel IN SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = schema AND c.relkind IN ('r', 'p') ORDER BY c.oid LOOP
        EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', rel);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION toms.suggest_lock(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_lock(regnamespace) IS 'internal: keep DDL off the tables that are looked at';

CREATE FUNCTION toms.suggest(schema regnamespace, purpose text DEFAULT 'application', tenant text DEFAULT NULL)
RETURNS SETOF text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    facts toms.suggest_facts;
    ways toms.suggest_way[];
    t record;
BEGIN
    IF schema IS NULL OR coalesce(octet_length(purpose), 0) NOT BETWEEN 1 AND 63 THEN
        RAISE EXCEPTION 'a schema must be named, and a purpose of 1 to 63 bytes' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'SELECT toms.suggest(''public'', purpose => ''application'');';
    END IF;
    PERFORM toms.suggest_lock(schema);
    facts := toms.suggest_look(schema, suggest.tenant);
    RETURN QUERY SELECT toms.suggest_head(schema, purpose, facts);
    FOR t IN SELECT * FROM toms.suggest_protections(facts) p ORDER BY p.phase, p.level, p.relation::text COLLATE "C" LOOP
        IF t.fate IS NULL THEN
            ways := ARRAY(SELECT w FROM unnest(facts.ways) w WHERE w.relation = t.relation);
            RETURN QUERY SELECT toms.suggest_comment(n) FROM toms.suggest_notes(t.relation, t.tenant, t.subject, t.subject_alias, t.category, t.because, t.null_tenant, ways) n;
            RETURN QUERY SELECT toms.suggest_comment('decide: its subject is left out, since persons find their tenant through it') WHERE t.lost_alias;
            RETURN QUERY SELECT toms.suggest_protect_lines(t.relation, t.tenant, t.subject, t.subject_alias, t.category, t.null_tenant, t.condition, ways);
            RETURN QUERY SELECT toms.suggest_permit_lines(t.relation, purpose, CASE WHEN t.condition IS NOT NULL THEN ARRAY[t.category, 'health'] END);
            RETURN QUERY SELECT toms.suggest_owner_lines(t.relation);
        ELSE
            RETURN NEXT toms.suggest_comment(split_part(t.fate, ': ', 1) || ': ' || t.relation || coalesce(': ' || substring(t.fate FROM ': (.*)$'), ''));
            RETURN QUERY SELECT toms.suggest_comment(c) FROM toms.suggest_new_column(t.relation, t.fate, facts) c WHERE t.fate ~ 'way to (one|a tenant)';
        END IF;
        RETURN QUERY SELECT toms.suggest_policy_lines(t.relation, ARRAY(SELECT p FROM unnest(facts.policies) p WHERE p.root = t.relation), facts.replacements);
        RETURN QUERY SELECT toms.suggest_call('add_subject_alias', '{"",canonical,alias}', ARRAY[t.relation::text, c.key, a.key])
                     FROM unnest(facts.persons) c, unnest(facts.persons) a
                     WHERE t.relation = c.relation AND c.is_canonical AND NOT a.is_canonical AND a.key IN (SELECT s.key FROM unnest(facts.subjects) s)
                       AND NOT EXISTS (SELECT FROM toms.subject_alias k WHERE k.relation = t.relation AND k.alias = a.key) ORDER BY a.key;
    END LOOP;
    RETURN QUERY SELECT toms.suggest_comment(w) FROM unnest(ARRAY[
        'Now run the application with its tokens, and read what would be refused, with what would permit it: SELECT * FROM toms.would_refuse;',
        format('When nothing legitimate is left there: SELECT toms.enforce(%L);', schema)]) w;
END
$$;
REVOKE ALL ON FUNCTION toms.suggest(regnamespace, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION toms.suggest(regnamespace, text, text) TO toms_admin;
COMMENT ON FUNCTION toms.suggest(regnamespace, text, text) IS 'print the script that adopts toms for a schema: read it, then run it';
