/*
 * wait.c - waits for those who are writing to tables already.
 *
 * Called by erasures before they look for rows: a row that another transaction has written and not committed yet is not
 * seen, and would be left behind.  Whoever begins to write later does not wait, nor is he waited for: his row is a new one.
 * No lock is kept; lock_timeout and the detection of deadlocks apply as ever.
 */
#include "rights/rights.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(toms_wait_for_writers);

/* toms.wait_for_writers(tables) */
Datum
toms_wait_for_writers(PG_FUNCTION_ARGS)
{
	Datum	   *tables;
	bool	   *nulls;
	int			count;
	List	   *tags = NIL;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT, &tables, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		LOCKTAG    *tag = palloc(sizeof(LOCKTAG));

		SET_LOCKTAG_RELATION(*tag, MyDatabaseId, DatumGetObjectId(tables[i]));
		tags = lappend(tags, tag);
	}
	WaitForLockersMultiple(tags, ShareLock, false);
	PG_RETURN_VOID();
}
