/*
 * tally.c - counts the rows that toms itself deletes when their period is over, and gathers the keys of their values.
 *
 * Called by row.c for each row, and by retention around its statements.  Foreign keys fire the triggers of the rows that they
 * delete at the level of the statement that set them off, so these rows are counted too; what triggers of others
 * change by statements of their own is recorded as ever.  All of it lies in the transaction's memory.
 */
#include "audit/audit.h"
#include "audit/tally_int.h"

#include "access/xact.h"
#include "catalog/catalog.h"
#include "context/context.h"
#include "seal/seal.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

static MemoryContext memory = NULL; /* NULL: nothing is counted */
static List *tables;
static HTAB *keys;				/* NULL: none yet */

void
toms_tally_begin(void)
{
	memory = AllocSetContextCreate(TopTransactionContext, "toms tally", ALLOCSET_SMALL_SIZES);
	tables = NIL;
	keys = NULL;
}

void
toms_tally_end(void)
{
	MemoryContextDelete(memory);
	memory = NULL;
}

void
toms_tally_attempt(void)
{
	ListCell   *cell;

	foreach(cell, tables)
		((TomsTally *) lfirst(cell))->attempted = 0;
}

void
toms_tally_keep(void)
{
	ListCell   *cell;

	foreach(cell, tables)
	{
		TomsTally  *tally = lfirst(cell);

		tally->rows += tally->attempted;
		tally->attempted = 0;
	}
}

List *
toms_tally_tables(void)
{
	return tables;
}

/* What was only attempted may be among them: whoever destroys keys looks whether they are in use. */
int64 *
toms_tally_keys(int *count)
{
	HASH_SEQ_STATUS status;
	int64	   *id;
	int64	   *ids = NULL;

	*count = 0;
	if (keys == NULL)
		return NULL;
	ids = palloc(Max(hash_get_num_entries(keys), 1) * sizeof(int64));
	hash_seq_init(&status, keys);
	while ((id = hash_seq_search(&status)) != NULL)
		ids[(*count)++] = *id;
	return ids;
}

bool
toms_tally_is_asked(void)
{
	return memory != NULL && toms_context_is_own_work();
}

static TomsTally *
tally_of(Oid root)
{
	TomsTally  *tally;
	MemoryContext old;
	ListCell   *cell;

	foreach(cell, tables)
	{
		if (((TomsTally *) lfirst(cell))->root == root)
			return lfirst(cell);
	}
	old = MemoryContextSwitchTo(memory);
	tally = palloc0(sizeof(TomsTally));
	tally->root = root;
	tables = lappend(tables, tally);
	MemoryContextSwitchTo(old);
	return tally;
}

static void
note_key(int64 id)
{
	if (keys == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(int64),.hcxt = memory};

		keys = hash_create("toms tallied keys", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	(void) hash_search(keys, &id, HASH_ENTER, NULL);
}

void
toms_tally_add(Relation rel, TupleTableSlot *old)
{
	const TomsRelation *relation = toms_catalog_relation(RelationGetRelid(rel));

	tally_of(relation ? relation->root : RelationGetRelid(rel))->attempted++;
	for (int i = 0; relation && i < relation->nsealed; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(old, relation->sealed[i].column, &isnull);
		int64		id = isnull || relation->sealed[i].is_array ? 0 : toms_data_key_of_value(value);

		if (id != 0)
			note_key(id);
	}
}

static void
transaction_callback(XactEvent event, void *arg)
{
	/* its memory goes with the transaction */
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		memory = NULL;
}

void
toms_tally_init(void)
{
	RegisterXactCallback(transaction_callback, NULL);
}
