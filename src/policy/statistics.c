/*
 * statistics.c - what the planner is told about the columns that say whose a row is.
 *
 * Called by hooks.c for every table and every column of a condition.  Of tenant, subject and parent-key
 * columns the planner gets the statistics without most common values and histogram.  So
 * each tenant and person is taken for an average one: a cached plan suits all of them
 * equally, and EXPLAIN tells nobody how large another one is.
 */
#include "policy/policy_int.h"

#include "access/htup_details.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_statistic_ext.h"
#include "nodes/pathnodes.h"
#include "utils/syscache.h"

static HeapTuple
neutral_copy(HeapTuple statistics)
{
	HeapTuple	copy = heap_copytuple(statistics);
	int16	   *kinds = &((Form_pg_statistic) GETSTRUCT(copy))->stakind1;

	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
	{
		if (kinds[i] == STATISTIC_KIND_MCV || kinds[i] == STATISTIC_KIND_HISTOGRAM)
			kinds[i] = 0;
	}
	return copy;
}

static bool
is_neutral(const TomsRelation *relation, AttrNumber column)
{
	return column == relation->tenant || column == relation->subject || column == relation->parent_key;
}

/* Most common combinations of values, of extended statistics. */
void
toms_policy_neutral_extended(Oid relid, RelOptInfo *rel)
{
	TomsRelation *relation = rel->statlist == NIL ? NULL : toms_catalog_relation(relid);
	ListCell   *cell;

	if (relation == NULL)
		return;
	foreach(cell, rel->statlist)
	{
		StatisticExtInfo *statistics = lfirst_node(StatisticExtInfo, cell);
		bool		telling = false;

		for (int column = -1; (column = bms_next_member(statistics->keys, column)) >= 0;)
			telling |= is_neutral(relation, column);
		if (telling && statistics->kind == STATS_EXT_MCV)
			rel->statlist = foreach_delete_current(rel->statlist, cell);
	}
}

bool
toms_policy_neutral_statistics(RangeTblEntry *rte, AttrNumber column, VariableStatData *variable)
{
	TomsRelation *relation = rte->rtekind == RTE_RELATION && column > 0 ? toms_catalog_relation(rte->relid) : NULL;
	HeapTuple	statistics;

	if (relation == NULL || !is_neutral(relation, column))
		return false;
	statistics = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(rte->relid), Int16GetDatum(column),
								 BoolGetDatum(rte->inh));
	variable->statsTuple = HeapTupleIsValid(statistics) ? neutral_copy(statistics) : NULL;
	variable->freefunc = heap_freetuple;
	if (HeapTupleIsValid(statistics))
		ReleaseSysCache(statistics);

	/* what is left may be used with operators that are leakproof */
	variable->acl_ok = false;
	return true;
}
