/*
 * stored.c - walks through the sealed values that a table holds, whatever row security says.
 *
 * Called by verify.c and sample.c.  It reads the table itself and evaluates nothing, so that no code of the
 * table's owner runs.  What is visible to the statement's snapshot is visited, row by row, with
 * memory that is given back after each; rows may be written meanwhile.
 */
#include "seal/seal_int.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "seal/stored.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

typedef struct Columns
{
	int			count;
	TomsSealedColumn *columns;
} Columns;

/* The catalogue's own may be renewed while values are looked at. */
static Columns
sealed_columns(Oid relid)
{
	const TomsRelation *relation = toms_catalog_relation(relid);
	Columns		found = {.count = relation ? relation->nsealed : 0};

	if (found.count)
		found.columns = memcpy(palloc(found.count * sizeof(TomsSealedColumn)), relation->sealed,
							   found.count * sizeof(TomsSealedColumn));
	return found;
}

static bool
visit_row(const Columns *columns, TupleTableSlot *row, TomsStoredVisit visit, void *arg)
{
	for (int i = 0; i < columns->count; i++)
	{
		TomsStored	stored = {.column = &columns->columns[i],.row = row};
		bool		isnull;

		stored.value = slot_getattr(row, stored.column->column, &isnull);
		if (!isnull && !stored.column->is_array && !visit(&stored, arg))
			return false;
	}
	return true;
}

static void
scan_rows(Relation rel, const Columns *columns, TomsStoredVisit visit, void *arg)
{
	TupleTableSlot *row = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan_strat(rel, GetActiveSnapshot(), 0, NULL, true, true);
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "toms sealed row", ALLOCSET_DEFAULT_SIZES);

	bool		more = true;

	while (more && table_scan_getnextslot(scan, ForwardScanDirection, row))
	{
		MemoryContext old = MemoryContextSwitchTo(work);

		CHECK_FOR_INTERRUPTS();
		more = visit_row(columns, row, visit, arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
	MemoryContextDelete(work);
}

void
toms_stored_scan(Oid relid, TomsStoredVisit visit, void *arg)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Columns		columns = sealed_columns(relid);

	if (columns.count && RELKIND_HAS_TABLE_AM(rel->rd_rel->relkind))
		scan_rows(rel, &columns, visit, arg);
	table_close(rel, NoLock);
}
