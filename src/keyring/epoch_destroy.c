/*
 * epoch_destroy.c - keys that are destroyed with the transaction that says so.
 *
 * Called by toms.destroy_epoch().  A key cannot be brought back, so it goes last: before
 * the commit, if the row says then that the epoch is destroyed (a savepoint may have been
 * rolled back since).  A key that cannot be destroyed fails the transaction.  A crash
 * between the two leaves a retired epoch without its key, and destroying it again is right.
 */
#include "keyring/keyring_int.h"

#include "access/xact.h"
#include "base/debug_point.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

static List *doomed = NIL;		/* of pg_uuid_t, in TopTransactionContext */

void
toms_epoch_destroy_at_commit(const pg_uuid_t *epoch)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	pg_uuid_t  *copy = palloc(sizeof(pg_uuid_t));

	*copy = *epoch;
	doomed = lappend(doomed, copy);
	MemoryContextSwitchTo(old);
}

static void
destroy_doomed(void)
{
	ListCell   *cell;

	TOMS_DEBUG_POINT("epoch-before-destroy");
	foreach(cell, doomed)
	{
		if (toms_epoch_is_destroyed(lfirst(cell)))
			toms_key_destroy(toms_epoch_key_name(lfirst(cell)));
	}
	TOMS_DEBUG_POINT("epoch-after-destroy");
}

static void
xact_callback(XactEvent event, void *arg)
{
	if (doomed == NIL)
		return;
	if (event == XACT_EVENT_PRE_COMMIT)
		destroy_doomed();
	else if (event == XACT_EVENT_PRE_PREPARE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a transaction that destroys a key epoch cannot be prepared")));
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		doomed = NIL;
}

void
toms_epoch_destroy_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
}
