/*
 * merge.c - which groups of a statistic are published, and which are merged into "other".
 *
 * Called by statistic.c for each period, and by tests on plain input.  No state, no locks.
 *
 * A group can be published if it has min_group subjects or more and does not speak for each of
 * them: not all flags, or not all numbers, are alike, and of numbers none is more than half of
 * what all are together.  From the root down, the children of a node that cannot be published are
 * merged into one, "other", which takes the smallest of the others until it can.  If a child was
 * large enough but alike, at least one that was not is taken too: whoever knows the sizes of
 * groups would learn from a large one's absence what it is.  Where that leaves no other child,
 * the node is published without its children.
 *
 * Why no sum or difference of what is published tells of fewer than min_group subjects: each
 * subject has one path, and only leaves are published, a partition of the subjects.  A combination
 * of cells with any factors holds each cell wholly or not at all, so it is about no subject or
 * about those of one cell and more.  Parents are sums of leaves.  Facts of different periods
 * are different facts, and those of a period are published once (publish.c).
 */
#include "statistic/statistic_int.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(toms_merge_groups_of);

#define OTHER "other"

/* What decides whether a set of people can be published. */
typedef struct Tally
{
	int			count;
	double		least;
	double		most;
	double		total;			/* without signs */
	double		largest;		/* without its sign */
} Tally;

/* People of one value in a dimension: a stretch of the sorted array. */
typedef struct Child
{
	int			from;
	int			until;
	Tally		tally;
	bool		merged;
} Child;

static void
count_person(Tally *tally, double contribution)
{
	tally->least = tally->count == 0 ? contribution : Min(tally->least, contribution);
	tally->most = tally->count == 0 ? contribution : Max(tally->most, contribution);
	tally->total += fabs(contribution);
	tally->largest = Max(tally->largest, fabs(contribution));
	tally->count++;
}

static void
add_tally(Tally *to, const Tally *from)
{
	to->least = to->count == 0 ? from->least : Min(to->least, from->least);
	to->most = to->count == 0 ? from->most : Max(to->most, from->most);
	to->total += from->total;
	to->largest = Max(to->largest, from->largest);
	to->count += from->count;
}

static Tally
tally_of(const TomsPopulation *population, int from, int until)
{
	Tally		tally = {0};

	for (int i = from; i < until; i++)
		count_person(&tally, population->people[i].contribution);
	return tally;
}

/* What is no number is in no group. */
static bool
is_publishable(const TomsPopulation *population, const Tally *tally)
{
	return tally->count >= population->min_group && isfinite(tally->total) && tally->least != tally->most &&
		(!population->sums || tally->largest * 2 <= tally->total);
}

static int
compare_values(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a == NULL) - (b == NULL);
	return strcmp(a, b);
}

static int
compare_people(const void *a, const void *b, void *arg)
{
	const TomsPerson *first = a;
	const TomsPerson *second = b;
	int			depth = *(int *) arg;

	for (int i = 0; i < depth; i++)
	{
		int			order = compare_values(first->path[i], second->path[i]);

		if (order != 0)
			return order;
	}
	return first->index - second->index;
}

static int
compare_sizes(const void *a, const void *b)
{
	const Child *first = *(Child *const *) a;
	const Child *second = *(Child *const *) b;

	if (first->tally.count != second->tally.count)
		return first->tally.count < second->tally.count ? -1 : 1;
	return first->from < second->from ? -1 : 1;
}

static int
add_group(TomsPopulation *population, int of_person, int length, bool merged)
{
	TomsGroup  *group = &population->groups[population->ngroups];

	group->path = population->people[of_person].path;
	group->length = length;
	group->merged = merged;
	return population->ngroups++;
}

static void
assign_group(TomsPopulation *population, int from, int until, int group)
{
	for (int i = from; i < until; i++)
		population->people[i].group = group;
}

/* The children of a node, in the order of their values. */
static int
find_children(const TomsPopulation *population, int from, int until, int level, Child **children)
{
	int			count = 0;

	*children = palloc0(sizeof(Child) * (until - from));
	for (int i = from; i < until; i++)
	{
		if (i == from || compare_values(population->people[i - 1].path[level], population->people[i].path[level]) != 0)
			(*children)[count++].from = i;
		(*children)[count - 1].until = i + 1;
	}
	for (int i = 0; i < count; i++)
		(*children)[i].tally = tally_of(population, (*children)[i].from, (*children)[i].until);
	return count;
}

/* Merge what cannot be published with as few others as do; the number of children left, "other" not counted. */
static int
merge_children(const TomsPopulation *population, Child *children, int count)
{
	Child	  **others = palloc(sizeof(Child *) * count);
	Tally		merged = {0};
	bool		is_covered = true;
	int			nothers = 0;
	int			taken = 0;

	for (int i = 0; i < count; i++)
	{
		if (is_publishable(population, &children[i].tally))
			others[nothers++] = &children[i];
		else
		{
			children[i].merged = true;
			add_tally(&merged, &children[i].tally);
			is_covered &= children[i].tally.count < population->min_group;
		}
	}
	if (nothers == count)
		return count;
	qsort(others, nothers, sizeof(Child *), compare_sizes);
	while (taken < nothers && !(is_publishable(population, &merged) && (is_covered || taken > 0)))
	{
		others[taken]->merged = true;
		add_tally(&merged, &others[taken++]->tally);
	}
	return nothers - taken;
}

static void
split(TomsPopulation *population, int from, int until, int level)
{
	Child	   *children = NULL;
	int			other = -1;
	int			count = level < population->depth ? find_children(population, from, until, level, &children) : 0;

	if (count == 0 || merge_children(population, children, count) == 0)
	{
		assign_group(population, from, until, add_group(population, from, level, false));
		return;
	}
	for (int i = 0; i < count; i++)
	{
		if (!children[i].merged)
		{
			split(population, children[i].from, children[i].until, level + 1);
			continue;
		}
		if (other < 0)
			other = add_group(population, children[i].from, level + 1, true);
		assign_group(population, children[i].from, children[i].until, other);
	}
	pfree(children);
}

void
toms_merge_groups(TomsPopulation *population)
{
	Tally		all;

	qsort_arg(population->people, population->count, sizeof(TomsPerson), compare_people, &population->depth);
	population->groups = palloc(sizeof(TomsGroup) * Max(population->count, 1));
	population->ngroups = 0;
	assign_group(population, 0, population->count, -1);
	all = tally_of(population, 0, population->count);
	if (is_publishable(population, &all))
		split(population, 0, population->count, 0);
}

/* on plain input ----------------------------------------------------------------------- */

static void
take_paths(TomsPopulation *population, ArrayType *paths)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(paths, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	population->depth = ARR_NDIM(paths) == 2 ? ARR_DIMS(paths)[1] : 0;
	for (int i = 0; i < population->count; i++)
	{
		population->people[i].path = palloc(sizeof(char *) * Max(population->depth, 1));
		for (int j = 0; j < population->depth; j++)
		{
			int			place = i * population->depth + j;

			population->people[i].path[j] = nulls[place] ? NULL : TextDatumGetCString(values[place]);
		}
	}
}

static Datum
published_path(const TomsGroup *group)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(group->length, 1));
	bool	   *nulls = palloc0(sizeof(bool) * Max(group->length, 1));
	int			length = group->length;
	int			lower = 1;

	for (int i = 0; i < length; i++)
	{
		const char *value = group->merged && i == length - 1 ? OTHER : group->path[i];

		nulls[i] = value == NULL;
		values[i] = value ? CStringGetTextDatum(value) : (Datum) 0;
	}
	return PointerGetDatum(construct_md_array(values, nulls, length > 0 ? 1 : 0, &length, &lower,
											  TEXTOID, -1, false, TYPALIGN_INT));
}

/* toms.merge_groups(paths, contributions, min_group, sums): person, path, merged; of nobody who is in no group */
Datum
toms_merge_groups_of(PG_FUNCTION_ARGS)
{
	ArrayType  *paths = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType  *contributions = PG_GETARG_ARRAYTYPE_P(1);
	TomsPopulation population = {.min_group = PG_GETARG_INT32(2),.sums = PG_GETARG_BOOL(3)};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum	   *values;

	deconstruct_array(contributions, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, NULL, &population.count);
	if (population.count > 0 && (ARR_NDIM(paths) != 2 || ARR_DIMS(paths)[0] != population.count))
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("a path and a contribution are needed of each person")));
	population.people = palloc0(sizeof(TomsPerson) * Max(population.count, 1));
	take_paths(&population, paths);
	for (int i = 0; i < population.count; i++)
	{
		population.people[i].contribution = DatumGetFloat8(values[i]);
		population.people[i].index = i;
	}
	toms_merge_groups(&population);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < population.count; i++)
	{
		const TomsPerson *person = &population.people[i];
		Datum		row[3];
		bool		nulls[3] = {false};

		if (person->group < 0)
			continue;
		row[0] = Int32GetDatum(person->index + 1);
		row[1] = published_path(&population.groups[person->group]);
		row[2] = BoolGetDatum(population.groups[person->group].merged);
		tuplestore_putvalues(result->setResult, result->setDesc, row, nulls);
	}
	return (Datum) 0;
}
