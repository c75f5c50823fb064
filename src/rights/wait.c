/*
 * wait.c - waits for those who are writing to tables already.
 *
 * Called by erasures before they look for rows: a row that another transaction has written and not committed yet is not
 * seen, and would be left behind.  Whoever begins to write later does not wait, nor is he waited for: his row is a new one.
 * VACUUM, ANALYZE and CREATE INDEX CONCURRENTLY write no rows: an erasure neither waits for them nor has autovacuum end.
 * No lock is kept; lock_timeout and the detection of deadlocks apply as ever.
 */
#include "rights/rights.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/array.h"

/* One of these is held by whoever has written. */
#define WRITES (LOCKBIT_ON(RowExclusiveLock) | LOCKBIT_ON(ShareRowExclusiveLock) | LOCKBIT_ON(ExclusiveLock) | LOCKBIT_ON(AccessExclusiveLock))

PG_FUNCTION_INFO_V1(toms_wait_for_writers);

static bool
is_held_on(const LockInstanceData *lock, const Datum *tables, int count)
{
	if (lock->locktag.locktag_type != LOCKTAG_RELATION || lock->locktag.locktag_field1 != MyDatabaseId)
		return false;
	for (int i = 0; i < count; i++)
	{
		if (lock->locktag.locktag_field2 == DatumGetObjectId(tables[i]))
			return true;
	}
	return false;
}

/* toms.wait_for_writers(tables) */
Datum
toms_wait_for_writers(PG_FUNCTION_ARGS)
{
	Datum	   *tables;
	bool	   *nulls;
	int			count;
	LockData   *held;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT, &tables, &nulls, &count);
	held = GetLockStatusData();
	for (int i = 0; i < held->nelements; i++)
	{
		const LockInstanceData *lock = &held->locks[i];

		if ((lock->holdMask & WRITES) != 0 && lock->pid != MyProcPid && is_held_on(lock, tables, count) &&
			VirtualTransactionIdIsValid(toms_lock_holder(lock)))
			(void) VirtualXactLock(toms_lock_holder(lock), true);
	}
	PG_RETURN_VOID();
}
