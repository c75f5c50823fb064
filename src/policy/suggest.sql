-- toms.suggest(): what it finds out about a schema that nobody here designed.  How tables find
-- their tenant through others is in suggest_reference.sql, what is printed in suggest_script.sql.
--
-- It asks the catalog: keys, names, grants, policies.  Of the data it asks three things: is
-- there a NULL, is there a row without its parent, and what are the few values of a column
-- that names a kind.  No other value is read, none of a person is printed.

-- names --------------------------------------------------------------------------------

-- 'AppUsers', 'App\Models\AppUser' and 'app_user' are one word.
CREATE FUNCTION toms.suggest_word(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH last_part AS (SELECT regexp_replace(name, '^.*[\\:./]', '') AS part),
         snake AS (SELECT lower(regexp_replace(regexp_replace(part, '([a-z0-9])([A-Z])', '\1_\2', 'g'), '[^[:alnum:]]+', '_', 'g')) AS word FROM last_part)
    SELECT CASE WHEN word ~ '[^aeiou]ies$' THEN left(word, -3) || 'y'
                WHEN word ~ '(ss|x|ch|sh)es$' THEN left(word, -2)
                WHEN word ~ '[^sui]s$' THEN left(word, -1)
                ELSE word END
    FROM snake;
$$;
REVOKE ALL ON FUNCTION toms.suggest_word(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_word(text) IS 'internal: a name in small letters, words parted by _, in the singular';

-- What a column of this name refers to: 'user_id' to 'user'.
CREATE FUNCTION toms.suggest_stem(word text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT regexp_replace(word, '_(id|uuid|key|no|nr|number|ref)$', '');
$$;
REVOKE ALL ON FUNCTION toms.suggest_stem(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_stem(text) IS 'internal: what a column of this name refers to';

-- How surely a column of this name says whose row it is: 1 most, 8 and 9 whoever wrote it,
-- NULL not at all.
CREATE FUNCTION toms.suggest_person_rank(word text, persons text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN stem IN (persons, regexp_replace(persons, '^.*_', '')) THEN 1
                WHEN stem IN ('user', 'app_user', 'employee', 'person', 'member', 'worker', 'staff', 'subject', 'data_subject',
                              'mitarbeiter', 'benutzer', 'nutzer', 'patient') THEN 2
                WHEN stem IN ('owner', 'assignee', 'driver', 'besitzer', 'inhaber') THEN 3
                WHEN stem IN ('created_by', 'author', 'creator', 'erstellt_von') THEN 8
                WHEN stem ~ '_(by|von)$' THEN 9 END
    FROM toms.suggest_stem(word) stem;
$$;
REVOKE ALL ON FUNCTION toms.suggest_person_rank(text, text) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_person_rank(text, text) IS 'internal: how surely a column of this name holds the data subject';

-- How surely a column of this name holds the tenant.
CREATE FUNCTION toms.suggest_tenant_rank(word text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN stem IN ('tenant', 'mandant', 'mandanten', 'mandator', 'tenantid', 'mandantid') THEN 1
                WHEN stem = word THEN NULL
                WHEN stem IN ('company', 'organisation', 'organization', 'org', 'workspace', 'firm', 'firma', 'betrieb', 'unternehmen') THEN 2
                WHEN stem IN ('account', 'client', 'customer', 'kunde', 'kunden') THEN 3 END
    FROM toms.suggest_stem(word) stem;
$$;
REVOKE ALL ON FUNCTION toms.suggest_tenant_rank(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_tenant_rank(text) IS 'internal: how surely a column of this name holds the tenant';

-- The setting or function of the application that a policy's condition compares a column
-- with, as it stands in the condition.
CREATE FUNCTION toms.suggest_source(condition text, col name) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH pattern AS (
        SELECT '\(?' || regexp_replace(quote_ident(col), '([^[:alnum:]_ ])', '\\\1', 'g') || '\)?(?:::[a-z ]+(?:\(\d+\))?)?' AS this,
               $p$(current_setting\('(?:[^']|'')+'::text(?:, (?:true|false))?\)|(?:"(?:[^"]|"")+"|\w+)\.(?:"(?:[^"]|"")+"|\w+)\((?:'(?:[^']|'')*'::text)?\))$p$ AS source,
               '(?:(?! AND | OR )[^=<>])*?' AS gap
    )
    SELECT coalesce((regexp_match(condition, '(?:^|[( ])' || this || ' = ' || gap || source))[1],
                    (regexp_match(condition, source || gap || ' = ' || this || '(?:[) ]|$)'))[1])
    FROM pattern;
$$;
REVOKE ALL ON FUNCTION toms.suggest_source(text, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_source(text, name) IS 'internal: the setting or function a condition compares a column with';

-- what is known, step by step -------------------------------------------------------------

CREATE TYPE toms.suggest_table AS (relation regclass, word text, fate text);
COMMENT ON TYPE toms.suggest_table IS 'internal: a table to decide about; fate says why it is none of ours';

CREATE TYPE toms.suggest_column AS (
    relation      regclass,
    attnum        smallint,
    col           name,
    word          text,
    type          regtype,
    family        text,         -- what ids are compared as; NULL: the type holds no id
    not_null      boolean,
    is_key        boolean,      -- unique by itself
    in_primary    boolean,
    leads_key     boolean,      -- first of several columns that are unique together
    parent        regclass,     -- by foreign key: of several the one of fewest columns
    parent_column name,
    parent_is_key boolean,
    is_owned      boolean       -- deleted with its parent
);
COMMENT ON TYPE toms.suggest_column IS 'internal: a column with what its keys say';

CREATE TYPE toms.suggest_policy AS (root regclass, relation regclass, policy name, clause text, condition text, col name, source text);
COMMENT ON TYPE toms.suggest_policy IS 'internal: a condition of a policy of the application, and one column that it compares with a setting or function';

CREATE TYPE toms.suggest_tenant AS (word text, tables bigint, policies bigint, hub regclass, hub_key name);
COMMENT ON TYPE toms.suggest_tenant IS 'internal: the name of the tenant column, and the tenants'' own table';

CREATE TYPE toms.suggest_tenant_column AS (relation regclass, col name, family text, not_null boolean);
COMMENT ON TYPE toms.suggest_tenant_column IS 'internal: the tenant column of a table';

CREATE TYPE toms.suggest_person AS (relation regclass, word text, key name, family text, is_canonical boolean);
COMMENT ON TYPE toms.suggest_person IS 'internal: the persons'' table with one of its keys';

CREATE TYPE toms.suggest_pair AS (relation regclass, type_column name, key name, family text, not_null boolean);
COMMENT ON TYPE toms.suggest_pair IS 'internal: a reference to one of several tables: a column with its name, one with its key';

CREATE TYPE toms.suggest_subject AS (relation regclass, col name, key name);
COMMENT ON TYPE toms.suggest_subject IS 'internal: the subject column of a table, and the persons'' key that it holds';

CREATE TYPE toms.suggest_way AS (
    relation      regclass,
    key           name,
    parent        regclass,     -- NULL: this type leads nowhere
    parent_column name,
    type_column   name,
    type_value    text,
    strength      integer,      -- 1: each row finds its parent; 2: so it does, but by its person; 3: some may not, or whoever wrote the row leads on
    rank          integer,
    is_whole      boolean,
    level         integer       -- parents come before their children
);
COMMENT ON TYPE toms.suggest_way IS 'internal: a reference by which rows without a tenant column may find their tenant';

CREATE TYPE toms.suggest_replacement AS (pattern text, replacement text, setting text);
COMMENT ON TYPE toms.suggest_replacement IS 'internal: what a policy asks the session for, and what to ask before that';

CREATE TYPE toms.suggest_facts AS (
    tables         toms.suggest_table[],
    columns        toms.suggest_column[],
    policies       toms.suggest_policy[],
    named          text,        -- the word of the tenant column, as an officer says or has declared of other tables
    tenant         toms.suggest_tenant,
    tenant_columns toms.suggest_tenant_column[],
    persons        toms.suggest_person[],
    pairs          toms.suggest_pair[],
    subjects       toms.suggest_subject[],
    ways           toms.suggest_way[],
    replacements   toms.suggest_replacement[]
);
COMMENT ON TYPE toms.suggest_facts IS 'internal: what is known about a schema; each step finds one of these from those before it';

-- the catalog ------------------------------------------------------------------------------

-- By the names that tools for migrations give it: which of them have run is about nobody.
CREATE FUNCTION toms.suggest_is_history(table_name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT table_name ~* ('^(flyway_schema_history|databasechangelog(lock)?|migrations?|ar_internal_metadata|alembic_version|sequelizemeta|__efmigrationshistory'
                          || '|(schema|django|knex|sequelize|doctrine|_prisma|goose|typeorm)_?(migrations?|versions?|migration_versions)(_lock)?)$');
$$;
REVOKE ALL ON FUNCTION toms.suggest_is_history(text) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_is_history(text) IS 'internal: whether a table tells which migrations have run';

-- Partitions and inheritance children go with their root.
CREATE FUNCTION toms.suggest_tables(schema regnamespace) RETURNS SETOF toms.suggest_table
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.oid::regclass, toms.suggest_word(c.relname), CASE
        WHEN (toms.describe(c.oid::regclass)).root IS NOT NULL THEN 'protected already'
        WHEN e.extname IS NOT NULL THEN format('not protected: it belongs to the extension %I', e.extname)
        WHEN c.relkind = 'm' THEN 'decide: a materialised view holds rows of all tenants, and no policy applies to it'
        WHEN c.relkind = 'f' THEN 'decide: a foreign table cannot be protected here'
        WHEN i.inhparent IS NOT NULL THEN format('not protected by itself: it goes with %s', i.inhparent::regclass)
        WHEN toms.suggest_is_history(c.relname) THEN 'not protected: it tells which migrations have run' END
    FROM pg_class c
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
    LEFT JOIN pg_extension e ON e.oid = d.refobjid
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhseqno = 1
    LEFT JOIN pg_class p ON p.oid = i.inhparent
    WHERE c.relnamespace = schema AND c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't'
      AND (i.inhparent IS NULL OR p.relnamespace <> schema);
$$;
REVOKE ALL ON FUNCTION toms.suggest_tables(regnamespace) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_tables(regnamespace) IS 'internal: tables of a schema that suggest() decides about';

CREATE FUNCTION toms.suggest_columns(facts toms.suggest_facts) RETURNS SETOF toms.suggest_column
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH keys AS (
        SELECT i.indrelid, array_agg(i.indkey[0]) FILTER (WHERE i.indnkeyatts = 1) AS alone,
               array_agg(i.indkey[0]) FILTER (WHERE i.indnkeyatts > 1) AS first, array_agg(k.columns) FILTER (WHERE i.indisprimary) AS in_primary
        FROM pg_index i, LATERAL (SELECT (i.indkey::smallint[])[0:i.indnkeyatts - 1] AS columns) k
        WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
        GROUP BY i.indrelid
    ), foreign_keys AS (
        SELECT DISTINCT ON (f.conrelid, k.attnum) f.conrelid, k.attnum, f.confrelid, k.confattnum, f.confdeltype = 'c' AS is_owned
        FROM pg_constraint f, unnest(f.conkey, f.confkey) k (attnum, confattnum)
        WHERE f.contype = 'f' AND f.conparentid = 0
        ORDER BY f.conrelid, k.attnum, cardinality(f.conkey), f.conname
    ), columns AS (
        SELECT t.relation, a.attnum, a.attname, a.attnotnull, coalesce(nullif(y.typbasetype, 0), y.oid)::regtype AS type,
               coalesce(l.collisdeterministic, true) AS is_deterministic
        FROM unnest(facts.tables) t
        JOIN pg_attribute a ON a.attrelid = t.relation AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type y ON y.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
        WHERE t.fate IS NULL OR t.fate = 'protected already'
    )
    SELECT c.relation, c.attnum, c.attname, toms.suggest_word(c.attname), c.type,
           CASE WHEN c.type IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) THEN 'integer'
                WHEN c.type = 'uuid'::regtype THEN 'uuid'
                WHEN c.type IN ('text'::regtype, 'varchar'::regtype) AND c.is_deterministic THEN 'text' END,
           c.attnotnull, coalesce(c.attnum = ANY (k.alone), false), coalesce(c.attnum = ANY (k.in_primary), false),
           coalesce(c.attnum = ANY (k.first), false),
           f.confrelid::regclass, r.attname, coalesce(f.confattnum = ANY (p.alone), false), coalesce(f.is_owned, false)
    FROM columns c
    LEFT JOIN keys k ON k.indrelid = c.relation
    LEFT JOIN foreign_keys f ON f.conrelid = c.relation AND f.attnum = c.attnum
    LEFT JOIN keys p ON p.indrelid = f.confrelid
    LEFT JOIN pg_attribute r ON r.attrelid = f.confrelid AND r.attnum = f.confattnum;
$$;
REVOKE ALL ON FUNCTION toms.suggest_columns(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_columns(toms.suggest_facts) IS 'internal: columns with what their keys say';

-- A condition stands on one line, unless a literal or a name in it may hold a line break.
CREATE FUNCTION toms.suggest_policies(facts toms.suggest_facts) RETURNS SETOF toms.suggest_policy
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH clauses AS (
        SELECT t.relation AS root, r AS relation, p.oid, p.polname, c.clause,
               CASE WHEN e.text ~ '^[^'']*(''[^'']*''[^'']*)*''[^'']*\n' OR e.text ~ '"' THEN e.text
                    ELSE regexp_replace(e.text, '\s*\n\s*', ' ', 'g') END AS condition
        FROM unnest(facts.tables) t, toms.relation_tree(t.relation) r
        JOIN pg_policy p ON p.polrelid = r AND p.polname !~ '^toms_',
        LATERAL (VALUES ('USING', p.polqual), ('WITH CHECK', p.polwithcheck)) c (clause, tree),
        LATERAL (SELECT pg_get_expr(c.tree, r) AS text) e
        WHERE (t.fate IS NULL OR t.fate = 'protected already') AND c.tree IS NOT NULL
    ), compared AS MATERIALIZED (
        SELECT DISTINCT c.oid, c.clause, c.condition, a.attname
        FROM clauses c
        JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = c.oid AND d.refobjid = c.relation
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    ), sources AS MATERIALIZED (
        SELECT c.oid, c.clause, c.attname, toms.suggest_source(c.condition, c.attname) AS source FROM compared c
    )
    SELECT c.root, c.relation, c.polname, c.clause, c.condition, s.attname, s.source
    FROM clauses c LEFT JOIN sources s ON s.oid = c.oid AND s.clause = c.clause AND s.source IS NOT NULL;
$$;
REVOKE ALL ON FUNCTION toms.suggest_policies(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_policies(toms.suggest_facts) IS 'internal: conditions of the application''s policies and what they compare';

-- tenants and persons ------------------------------------------------------------------

-- What tables are protected by counts for the others.  A hub's own key is not what others call it.
CREATE FUNCTION toms.suggest_declared(facts toms.suggest_facts) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT mode() WITHIN GROUP (ORDER BY c.word) FROM unnest(facts.columns) c WHERE NOT c.is_key AND c.col = (toms.describe(c.relation)).tenant;
$$;
REVOKE ALL ON FUNCTION toms.suggest_declared(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_declared(toms.suggest_facts) IS 'internal: the tenant column of tables that are protected already';

-- The name that an officer gives wins.  Else every table votes for the name of its tenant column, twice for one that says tenant; account,
-- client and customer count where they lead a key; and so does every policy that compares it
-- with a setting or function.  Without any vote it is the column by which at least half of the
-- tables must refer to one that itself refers to none.
CREATE FUNCTION toms.suggest_tenant(facts toms.suggest_facts) RETURNS SETOF toms.suggest_tenant
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH columns AS MATERIALIZED (
        SELECT c.*, toms.suggest_tenant_rank(c.word) AS rank FROM unnest(facts.columns) c
        WHERE c.family IS NOT NULL AND toms.suggest_person_rank(c.word, 'user') IS NULL
    ), compared AS (
        SELECT c.word, count(DISTINCT (p.relation, p.policy)) AS policies
        FROM unnest(facts.policies) p JOIN columns c ON c.relation = p.root AND c.col = p.col GROUP BY c.word
    ), votes AS (
        SELECT c.word, count(*) AS tables, coalesce(max(p.policies), 0) AS policies,
               sum(CASE WHEN c.rank = 1 THEN 2 WHEN c.rank = 2 OR c.rank = 3 AND c.leads_key THEN 1 ELSE 0 END)
                   + coalesce(max(p.policies), 0) AS votes,
               count(*) FILTER (WHERE c.not_null AND c.parent_is_key AND c.parent NOT IN (
                   SELECT r.relation FROM columns r WHERE r.parent <> r.relation)) AS referring,
               mode() WITHIN GROUP (ORDER BY c.family) AS family
        FROM columns c LEFT JOIN compared p ON p.word = c.word GROUP BY c.word
    ), winner AS (
        SELECT * FROM votes v WHERE CASE WHEN facts.named IS NOT NULL THEN v.word = facts.named ELSE v.votes > 0 OR 2 * v.referring >= greatest((SELECT count(DISTINCT c.relation) FROM columns c) - 1, 4) END
        ORDER BY v.votes DESC, v.referring DESC, v.tables DESC, v.word COLLATE "C" LIMIT 1
    ), hubs AS (
        SELECT c.parent AS hub, c.parent_column AS hub_key, 1 AS rank, count(*) AS votes
        FROM columns c JOIN winner w ON c.word = w.word WHERE c.parent_is_key GROUP BY c.parent, c.parent_column
        UNION ALL
        SELECT c.relation, c.col, CASE WHEN c.in_primary THEN 2 ELSE 3 END, 0
        FROM winner w JOIN unnest(facts.tables) t ON t.word = toms.suggest_stem(w.word)
        JOIN columns c ON c.relation = t.relation AND c.is_key AND c.family = w.family
    )
    SELECT w.word, w.tables, w.policies, h.hub, h.hub_key
    FROM winner w LEFT JOIN (SELECT * FROM hubs ORDER BY rank, votes DESC, hub::text COLLATE "C", hub_key LIMIT 1) h ON true;
$$;
REVOKE ALL ON FUNCTION toms.suggest_tenant(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_tenant(toms.suggest_facts) IS 'internal: name of the tenant column, and the tenants'' table';

-- By name, by a foreign key to the tenants' table, by a policy that compares a column with what
-- others compare the winner with, or because another table's tenant column has the same name
-- or is referred to.
CREATE FUNCTION toms.suggest_tenant_columns(facts toms.suggest_facts) RETURNS SETOF toms.suggest_tenant_column
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH columns AS MATERIALIZED (SELECT * FROM unnest(facts.columns)),
    policies AS MATERIALIZED (
        SELECT DISTINCT p.root, p.col, c.word, coalesce(nullif(split_part(p.source, '''', 2), ''), p.source) AS source
        FROM unnest(facts.policies) p JOIN columns c ON c.relation = p.root AND c.col = p.col
    ), compared AS MATERIALIZED (
        SELECT DISTINCT p.root, p.col FROM policies p JOIN policies w ON w.source = p.source AND w.word = (facts.tenant).word
    ), direct AS MATERIALIZED (
        SELECT c.*, CASE WHEN c.relation = (facts.tenant).hub THEN CASE WHEN c.col = (facts.tenant).hub_key THEN 0 END
                         WHEN c.word = (facts.tenant).word THEN 1
                         WHEN c.parent = (facts.tenant).hub AND c.parent_column = (facts.tenant).hub_key THEN 2
                         WHEN p.root IS NOT NULL THEN 3 END AS rank
        FROM columns c LEFT JOIN compared p ON p.root = c.relation AND p.col = c.col
    ), known AS MATERIALIZED (SELECT * FROM direct d WHERE d.rank IS NOT NULL),
    derived AS (
        SELECT d.*, coalesce(d.rank, CASE WHEN d.word IN (SELECT k.word FROM known k WHERE k.rank IN (2, 3)) THEN 4
                                          WHEN (d.parent, d.parent_column) IN (SELECT k.relation, k.col FROM known k) THEN 5
                                          WHEN toms.suggest_tenant_rank(d.word) = 1 THEN 6 END) AS any_rank
        FROM direct d WHERE d.relation IS DISTINCT FROM (facts.tenant).hub OR d.rank = 0
    )
    SELECT DISTINCT ON (d.relation) d.relation, d.col, d.family, d.not_null
    FROM derived d WHERE d.any_rank IS NOT NULL
    ORDER BY d.relation, d.any_rank, d.family IS NULL, NOT d.not_null, d.attnum;
$$;
REVOKE ALL ON FUNCTION toms.suggest_tenant_columns(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_tenant_columns(toms.suggest_facts) IS 'internal: the tenant column of each table that has one';

-- Of the tables whose name says persons it is the one that most others refer to.  Tokens carry
-- its canonical key: a uuid if it has one.
CREATE FUNCTION toms.suggest_persons(facts toms.suggest_facts) RETURNS SETOF toms.suggest_person
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH keys AS MATERIALIZED (
        SELECT c.relation, c.col, c.family, c.is_key,
               row_number() OVER (PARTITION BY c.relation ORDER BY c.is_key AND c.family = 'uuid' DESC, c.is_key AND c.in_primary DESC,
                                  c.is_key DESC, c.family = 'uuid' DESC, c.attnum) AS place
        FROM unnest(facts.columns) c
        WHERE c.family IS NOT NULL AND (c.is_key OR c.in_primary)
          AND (c.relation, c.col) NOT IN (SELECT t.relation, t.col FROM unnest(facts.tenant_columns) t)
    ), candidates AS (
        SELECT t.relation, t.word, t.word ~ '^(app_|sys_|auth_)?(user|person|people|employee|mitarbeiter|benutzer)$' AS is_plain,
               (SELECT count(DISTINCT c.relation) FROM unnest(facts.columns) c WHERE c.relation <> t.relation
                  AND (c.parent = t.relation OR c.parent IS NULL AND toms.suggest_person_rank(c.word, t.word) = 1)) AS referred
        FROM unnest(facts.tables) t
        WHERE t.word ~ '(^|_)(user|user_account|person|people|employee|member|staff|worker|mitarbeiter|benutzer|nutzer|patient)$'
          AND t.relation IS DISTINCT FROM (facts.tenant).hub
          AND t.relation IN (SELECT k.relation FROM keys k)
    ), persons AS (
        SELECT * FROM candidates ORDER BY referred DESC, is_plain DESC, word COLLATE "C", relation::text COLLATE "C" LIMIT 1
    )
    SELECT p.relation, p.word, k.col, k.family, k.place = 1
    FROM persons p JOIN keys k ON k.relation = p.relation AND (k.is_key OR k.place = 1);
$$;
REVOKE ALL ON FUNCTION toms.suggest_persons(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_persons(toms.suggest_facts) IS 'internal: the persons'' table and its keys';

CREATE FUNCTION toms.suggest_pairs(facts toms.suggest_facts) RETURNS SETOF toms.suggest_pair
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.relation, t.col, k.col, k.family, t.not_null AND k.not_null
    FROM unnest(facts.columns) t
    JOIN unnest(facts.columns) k ON k.relation = t.relation AND k.family IS NOT NULL AND k.parent IS NULL AND k.word ~ '_(id|uuid|key)$'
        AND toms.suggest_stem(k.word) = regexp_replace(t.word, '_(type|kind|class|table|model)$', '') AND k.col <> t.col
    JOIN pg_type y ON y.oid = t.type
    WHERE t.word ~ '_(type|kind|class|table|model)$' AND (y.oid IN ('text'::regtype, 'varchar'::regtype) OR y.typtype = 'e');
$$;
REVOKE ALL ON FUNCTION toms.suggest_pairs(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_pairs(toms.suggest_facts) IS 'internal: references to one of several tables';

-- Whether a column is called like a key of another table, and that is not what keys of many tables are called.
CREATE FUNCTION toms.suggest_has_name_of(word text, key name) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT word = toms.suggest_word(key) AND word NOT IN ('id', 'uuid', 'key', 'code', 'name', 'type');
$$;
REVOKE ALL ON FUNCTION toms.suggest_has_name_of(text, name) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_has_name_of(text, name) IS 'internal: whether a column is called like a key of another table';

-- By a foreign key, else by name and type, unless the name is that of another table.
CREATE FUNCTION toms.suggest_subjects(facts toms.suggest_facts) RETURNS SETOF toms.suggest_subject
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
    WITH columns AS MATERIALIZED (
        SELECT c.* FROM unnest(facts.columns) c
        WHERE c.family IS NOT NULL
          AND (c.relation, c.col) NOT IN (SELECT t.relation, t.col FROM unnest(facts.tenant_columns) t)
          AND (c.relation, c.col) NOT IN (SELECT p.relation, p.key FROM unnest(facts.pairs) p)
    ), persons AS MATERIALIZED (SELECT * FROM unnest(facts.persons)),
    found AS (
        SELECT c.relation, c.col, p.key, coalesce(toms.suggest_person_rank(c.word, p.word), 5) AS rank, c.parent IS NOT NULL AS by_key,
               c.attnum, p.is_canonical
        FROM columns c JOIN persons p ON c.relation <> p.relation AND c.parent = p.relation AND c.parent_column = p.key
        UNION ALL
        SELECT c.relation, c.col, p.key, CASE WHEN toms.suggest_has_name_of(c.word, p.key) THEN 1 ELSE toms.suggest_person_rank(c.word, p.word) END, false, c.attnum, p.is_canonical
        FROM columns c JOIN persons p ON c.relation <> p.relation AND c.parent IS NULL AND c.family = p.family
        WHERE toms.suggest_stem(c.word) NOT IN (SELECT t.word FROM unnest(facts.tables) t WHERE t.relation NOT IN (SELECT o.relation FROM persons o))
        UNION ALL   -- a schema without a persons' table
        SELECT c.relation, c.col, NULL, toms.suggest_person_rank(c.word, 'user'), false, c.attnum, true
        FROM columns c WHERE NOT EXISTS (SELECT FROM persons)
        UNION ALL   -- the persons themselves
        SELECT p.relation, p.key, p.key, 0, true, 0, true FROM persons p WHERE p.is_canonical
    )
    SELECT DISTINCT ON (f.relation) f.relation, f.col, f.key FROM found f
    WHERE f.rank IS NOT NULL ORDER BY f.relation, f.rank, NOT f.by_key, f.attnum, NOT f.is_canonical, f.key;
$$;
REVOKE ALL ON FUNCTION toms.suggest_subjects(toms.suggest_facts) FROM PUBLIC;
COMMENT ON FUNCTION toms.suggest_subjects(toms.suggest_facts) IS 'internal: the subject column of each table that has one';
