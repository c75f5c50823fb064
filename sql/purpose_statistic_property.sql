--
-- purpose_statistic_property: no sum or difference of published cells is about a few
--
-- Brute force over small populations, with the function that statistics merge groups by.  What is
-- published: the leaves, and every sum of them along the hierarchy, up to the whole.
-- The attacker knows who is in which cell, and takes every combination of the published cells with
-- factors -1, 0 and 1; he wins if one is about somebody, but fewer than min_group.  He also
-- wins if a cell, or a cell without another one, is of people who are all alike.
--
-- "every": each population of up to 12 persons, flag set or not, in a tree of three dimensions with the
-- leaves a/a/a, a/a/b, a/b/a, b/a/a: 125,969 of them, as persons have no names.
-- "wide": each population of up to 5 persons in the full tree of 2 * 2 * 2 leaves: 20,348.
-- "subset": each of the 4,095 subsets of 12 persons in that tree, of nine sets of flags and numbers.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET work_mem = '256MB';
CREATE SCHEMA stat;

-- kinds of persons: a leaf and a flag
CREATE TABLE stat.kind (family text, kind integer, path text[], contribution double precision);
INSERT INTO stat.kind
SELECT 'every', 2 * n - f, path, f FROM (VALUES (1, '{a,a,a}'::text[]), (2, '{a,a,b}'), (3, '{a,b,a}'), (4, '{b,a,a}')) l (n, path), generate_series(0, 1) f
UNION ALL
SELECT 'wide', 1 + n * 2 + f, ARRAY[chr(97 + n / 4), chr(97 + n / 2 % 2), chr(97 + n % 2)], f FROM generate_series(0, 7) n, generate_series(0, 1) f;

CREATE TABLE stat.population (id bigint GENERATED ALWAYS AS IDENTITY, family text, paths text[], contributions double precision[], sums boolean);
INSERT INTO stat.population (family, paths, contributions, sums)
WITH RECURSIVE drawn (family, kinds, last, most) AS (
    SELECT f.family, '{}'::integer[], 1, f.most FROM (VALUES ('every', 12), ('wide', 5)) f (family, most)
    UNION ALL
    SELECT d.family, d.kinds || k.kind, k.kind, d.most FROM drawn d JOIN stat.kind k ON k.family = d.family AND k.kind >= d.last WHERE cardinality(d.kinds) < d.most
)
SELECT d.family, array_agg(k.path), array_agg(k.contribution), false
FROM (SELECT row_number() OVER () AS n, * FROM drawn WHERE kinds <> '{}') d, unnest(d.kinds) u (kind) JOIN stat.kind k USING (kind)
WHERE k.family = d.family
GROUP BY d.n, d.family;

-- nine times twelve persons; of the last three, numbers
INSERT INTO stat.population (family, paths, contributions, sums)
SELECT 'subset', array_agg(ARRAY[chr(97 + leaf / 4), chr(97 + leaf / 2 % 2), chr(97 + leaf % 2)]), array_agg(contribution), twelve > 6
FROM generate_series(1, 4095) subset, generate_series(1, 9) twelve, generate_series(0, 11) person,
     LATERAL (SELECT (person * (twelve % 4 + 1) + person / 3 + twelve) % (2 + 2 * (twelve % 4)),
                     CASE WHEN twelve > 6 THEN (person * person * twelve) % 7 - 1 ELSE (person * twelve / 2 + person % 5) % 2 END) p (leaf, contribution)
WHERE (subset >> person) & 1 = 1
GROUP BY subset, twelve;
SELECT family, count(*), max(array_length(paths, 1)) FROM stat.population GROUP BY family ORDER BY family;

-- Published leaves, and their sums.  The persons of a cell are digits of a number, five bits each.
CREATE TABLE stat.cell (population bigint, min_group integer, sums boolean, persons bigint, size bigint, least double precision, most double precision,
                        largest double precision, total double precision, set double precision);
CREATE PROCEDURE stat.publish(min_group integer) LANGUAGE sql AS $$
    INSERT INTO stat.cell
    WITH leaf AS (
        SELECT p.id, p.sums, g.path, bit_or(1::bigint << 5 * (g.person - 1)) AS persons, count(*) AS size, min(c.value) AS least, max(c.value) AS most,
               max(abs(c.value)) AS largest, sum(abs(c.value)) AS total, sum(c.value) AS set
        FROM stat.population p, toms.merge_groups(p.paths, p.contributions, publish.min_group, p.sums) g,
             LATERAL (SELECT p.contributions[g.person]) c (value)
        GROUP BY p.id, p.sums, g.path, g.merged
    )
    SELECT id, publish.min_group, sums, bit_or(persons), sum(size), min(least), max(most), max(largest), sum(total), sum(set)
    FROM leaf, generate_series(0, cardinality(path)) n
    GROUP BY id, sums, n, path[:n];
$$;
CALL stat.publish(3);
CALL stat.publish(5);

-- each person is in one leaf at most, and the same combinations of cells come up again and again
CREATE TABLE stat.book AS
SELECT min_group, cells, count(*) AS populations
FROM (SELECT population, min_group, array_agg(DISTINCT persons ORDER BY persons) AS cells FROM stat.cell GROUP BY population, min_group) c
GROUP BY min_group, cells;

CREATE FUNCTION stat.isolated(cells bigint[], OUT combinations bigint, OUT fewest integer) LANGUAGE sql AS $$
    -- sixteen in each digit, so that none borrows from the next
    WITH RECURSIVE combination (n, sum) AS (
        SELECT 0, (SELECT sum(16::bigint << 5 * d)::bigint FROM generate_series(0, 11) d)
        UNION ALL
        SELECT n + 1, sum + f * cells[n + 1] FROM combination, generate_series(-1, 1) f WHERE n < cardinality(cells)
    )
    SELECT count(*), min(nullif(about, 0))
    FROM combination, LATERAL (SELECT count(*) FILTER (WHERE (sum >> 5 * d) & 31 <> 16)::integer FROM generate_series(0, 11) d) s (about)
    WHERE n = cardinality(cells);
$$;

-- The attacker wins where nothing is merged: two of seven in a department of their own.
SELECT fewest FROM stat.isolated(ARRAY[(SELECT sum(1::bigint << 5 * d)::bigint FROM generate_series(0, 6) d), (SELECT sum(1::bigint << 5 * d)::bigint FROM generate_series(0, 4) d)]);
-- Here he does not.
SELECT b.min_group, count(*) > 50 AS many_books, sum(b.populations) > 40000 AS of_many_populations, max(cardinality(b.cells)) AS cells,
       count(*) FILTER (WHERE i.fewest < b.min_group) AS isolated, min(i.fewest) AS fewest
FROM stat.book b, stat.isolated(b.cells) i GROUP BY b.min_group ORDER BY b.min_group;

-- nobody is told of by what is said of all
SELECT min_group, count(*) > 100000 AS many_cells,
       count(*) FILTER (WHERE size < min_group) AS small, count(*) FILTER (WHERE least = most) AS alike,
       count(*) FILTER (WHERE sums AND 2 * largest > total) AS dominated
FROM stat.cell GROUP BY min_group ORDER BY min_group;
-- nor by what is left of a cell without another one
SELECT a.min_group, count(*) > 50000 AS many_pairs, count(*) FILTER (WHERE a.size - b.size < a.min_group OR a.set - b.set IN (0, a.size - b.size)) AS alike
FROM stat.cell a JOIN stat.cell b ON b.population = a.population AND b.min_group = a.min_group AND b.persons & a.persons = b.persons AND b.persons <> a.persons
WHERE NOT a.sums GROUP BY a.min_group ORDER BY a.min_group;

-- What is merged, where it can be seen.  A number of persons in each leaf, and how many have the flag:
CREATE FUNCTION stat.shown(leaves text, min_group integer) RETURNS text LANGUAGE sql AS $$
    WITH person AS (
        SELECT row_number() OVER () AS n, string_to_array(split_part(l, ' ', 1), '/') AS path, (i <= split_part(l, ' ', 3)::integer)::integer::double precision AS flag
        FROM string_to_table(leaves, ', ') l, generate_series(1, split_part(l, ' ', 2)::integer) i
    )
    SELECT coalesce(string_agg(shown, ', ' ORDER BY shown COLLATE "C"), 'nothing')
    FROM (SELECT array_to_string(g.path, '/') || CASE WHEN g.merged THEN '*' ELSE '' END || ' ' || count(*) || ' ' || sum(p.flag)
          FROM (SELECT array_agg(path ORDER BY n) AS paths, array_agg(flag ORDER BY n) AS flags FROM person) a,
               toms.merge_groups(a.paths, a.flags, min_group, false) g JOIN person p ON p.n = g.person
          GROUP BY g.path, g.merged) s (shown);
$$;
SELECT stat.shown('a/x 6 3, b/x 7 2', 5);                       -- all large and mixed
SELECT stat.shown('a/x 6 3, b/x 2 1, c/x 3 1', 5);              -- two small ones are enough for each other
SELECT stat.shown('a/x 6 3, b/x 2 1, c/x 8 1', 5);              -- a small one takes the smallest large one
SELECT stat.shown('a/x 6 3, b/x 2 1', 5);                       -- nothing is left beside it: the whole
SELECT stat.shown('a/x 6 0, b/x 7 7, c/x 8 4, d/x 9 4', 5);     -- two that are alike hide behind one that is not
SELECT stat.shown('a/x 6 0, b/x 7 2', 5);
SELECT stat.shown('a/x 4 2', 5), stat.shown('a/x 9 9', 5), stat.shown('other/x 6 3, b/x 2 1, c/x 3 1', 5);
SELECT stat.shown('a/x 6 2, a/y 6 3, b/x 6 2, b/y 3 1, c/z 2 1, d/z 4 4', 5);
DROP SCHEMA stat CASCADE;
