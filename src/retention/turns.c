/*
 * turns.c - the rules of this database, in the order in which they can be carried out.
 *
 * Called at the beginning of each run.  What refers to rows comes before what it refers to, so that foreign keys do not
 * keep rows that are due; a circle is broken where it is met first.
 */
#include "retention/retention_int.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* Tables of rules in force, those that refer to others first: by the length of the longest path that leads to them. */
static const char find_roots[] =
"WITH RECURSIVE root AS MATERIALIZED ("
"  SELECT DISTINCT r.relation::oid AS oid FROM toms.retention_rule r WHERE r.valid_until IS NULL OR r.valid_until > pg_catalog.now()),"
" reference AS MATERIALIZED ("
"  SELECT DISTINCT c.conrelid AS child, c.confrelid AS parent FROM pg_catalog.pg_constraint c"
"  WHERE c.contype = 'f' AND c.conrelid <> c.confrelid AND c.conparentid = 0),"
" path AS ("
"  SELECT oid, 0 AS length, ARRAY[oid] AS nodes FROM root"
"  UNION ALL"
"  SELECT f.parent, p.length + 1, p.nodes || f.parent FROM path p JOIN reference f ON f.child = p.oid"
"  WHERE f.parent <> ALL (p.nodes) AND p.length < 20)"
" SELECT r.oid FROM root r JOIN path p ON p.oid = r.oid GROUP BY r.oid ORDER BY max(p.length), r.oid";

/* Those who have ended too: what they left is kept no longer than anything else. */
static const char find_tenants[] = "SELECT t.tenant FROM toms.tenant t ORDER BY t.tenant";

static const char find_loose[] = "SELECT DISTINCT l.tenant FROM toms.loose_key l ORDER BY l.tenant";

/* The first column of all rows: OIDs, or texts. */
static List *
query_list(const char *query, bool texts, MemoryContext memory)
{
	List	   *list = NIL;

	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the rules of retention");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
		MemoryContext old = MemoryContextSwitchTo(memory);

		list = texts ? lappend(list, TextDatumGetCString(value)) : lappend_oid(list, DatumGetObjectId(value));
		MemoryContextSwitchTo(old);
	}
	SPI_freetuptable(SPI_tuptable);
	return list;
}

/* One that somebody has locked does not keep the others waiting: it has its turn in the next run. */
static bool
can_be_read(Oid root)
{
	if (ConditionalLockRelationOid(root, AccessShareLock))
		return true;
	ereport(MyBackendType == B_BG_WORKER ? LOG : WARNING,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("toms retention leaves out table %u, which is locked", root)));
	return false;
}

static List *
add_turns(List *turns, const TomsRelation *relation, const TomsRule *rule, List *tenants)
{
	ListCell   *cell;

	foreach(cell, tenants)
	{
		TomsRuleTurn *turn;

		if (toms_rule_for(relation, lfirst(cell), rule->category) != rule)
			continue;
		turn = palloc(sizeof(TomsRuleTurn));
		turn->root = relation->root;
		turn->rule = rule->id;
		turn->tenant = lfirst(cell);
		turns = lappend(turns, turn);
	}
	return turns;
}

List *
toms_retention_turns(void)
{
	MemoryContext memory = CurrentMemoryContext;
	List	   *turns = NIL;
	List	   *roots;
	List	   *tenants;
	ListCell   *cell;

	SPI_connect();
	roots = query_list(find_roots, false, memory);
	tenants = query_list(find_tenants, true, memory);
	SPI_finish();
	foreach(cell, roots)
	{
		const TomsRelation *relation = can_be_read(lfirst_oid(cell)) ? toms_catalog_relation(lfirst_oid(cell)) : NULL;

		for (int i = 0; relation && relation->mode == TOMS_MODE_ENFORCE && i < relation->nrules; i++)
			turns = add_turns(turns, relation, &relation->rules[i], tenants);
	}
	return turns;
}

List *
toms_retention_loose_tenants(void)
{
	List	   *tenants;
	MemoryContext memory = CurrentMemoryContext;

	SPI_connect();
	tenants = query_list(find_loose, true, memory);
	SPI_finish();
	return tenants;
}
