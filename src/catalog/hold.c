/*
 * hold.c - the holds that are in force, cached in each backend.
 *
 * Called by audit for each row that is deleted, by guard before what deletes many at once, and by retention.
 * They are few: all are read at once, and thrown away with everything else that cache.c holds.  Whoever
 * deletes takes a lock on toms.hold first, which toms.hold() conflicts with: so a hold waits for deletions under
 * way, and none that begins later misses it.
 */
#include "catalog/catalog_int.h"

#include "access/xact.h"
#include "base/relcache.h"
#include "catalog/retention.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

enum
{
	HOLD_ID = 1,
	HOLD_RELATION = 3,
	HOLD_TENANT,
	HOLD_SUBJECT,
	HOLD_RULE
};

typedef struct Hold
{
	int64		id;
	Oid			relation;		/* InvalidOid: every table */
	char	   *tenant;			/* NULL: every one, as for the others */
	char	   *subject;
	int64		rule;			/* 0: every one */
} Hold;

static MemoryContext context = NULL;
static List *holds = NIL;
static uint64 forgotten = 1;	/* how often */
static uint64 known = 0;		/* what it was when they were read */
static Oid	kept_out_of = InvalidOid;	/* the table that is locked until the transaction ends */

void
toms_holds_forget(void)
{
	forgotten++;
}

static char *
text_or_null(const Datum *values, const bool *nulls, int column)
{
	return nulls[column - 1] ? NULL : TextDatumGetCString(values[column - 1]);
}

static void
take_hold(const Datum *values, const bool *nulls, void *answer)
{
	Hold	   *hold = palloc0(sizeof(Hold));

	hold->id = DatumGetInt64(values[HOLD_ID - 1]);
	hold->relation = nulls[HOLD_RELATION - 1] ? InvalidOid : DatumGetObjectId(values[HOLD_RELATION - 1]);
	hold->tenant = text_or_null(values, nulls, HOLD_TENANT);
	hold->subject = text_or_null(values, nulls, HOLD_SUBJECT);
	hold->rule = nulls[HOLD_RULE - 1] ? 0 : DatumGetInt64(values[HOLD_RULE - 1]);
	*(List **) answer = lappend(*(List **) answer, hold);
}

/* Into a fresh context: an error on the way leaves none behind; what was overtaken is read again. */
static void
read_holds(void)
{
	while (known != forgotten)
	{
		uint64		before = forgotten;
		List	   *fresh = NIL;
		MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "toms holds", ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(work);

		toms_config_scan(TOMS_CONFIG_HOLD, CStringGetTextDatum("held"), take_hold, &fresh);
		MemoryContextSwitchTo(old);
		if (context)
			MemoryContextDelete(context);
		MemoryContextSetParent(work, CacheMemoryContext);
		context = work;
		holds = fresh;
		known = before;
	}
}

static bool
is_for(const char *held, const char *asked)
{
	return held == NULL || (asked && strcmp(held, asked) == 0);
}

int64
toms_hold_on(Oid root, const char *tenant, const char *subject, int64 rule)
{
	ListCell   *cell;

	read_holds();
	foreach(cell, holds)
	{
		const Hold *hold = lfirst(cell);

		if ((!OidIsValid(hold->relation) || hold->relation == root) && is_for(hold->tenant, tenant) &&
			is_for(hold->subject, subject) && (hold->rule == 0 || rule == 0 || hold->rule == rule))
			return hold->id;
	}
	return 0;
}

List *
toms_hold_subjects(Oid root, const char *tenant)
{
	List	   *subjects = NIL;
	ListCell   *cell;

	read_holds();
	foreach(cell, holds)
	{
		const Hold *hold = lfirst(cell);

		if (hold->subject && (!OidIsValid(hold->relation) || hold->relation == root) && is_for(hold->tenant, tenant))
			subjects = lappend(subjects, pstrdup(hold->subject));
	}
	return subjects;
}

int64
toms_hold_concerning(Oid root, const char *tenant)
{
	ListCell   *cell;

	read_holds();
	foreach(cell, holds)
	{
		const Hold *hold = lfirst(cell);

		if ((!OidIsValid(hold->relation) || !OidIsValid(root) || hold->relation == root) &&
			(hold->tenant == NULL || tenant == NULL || strcmp(hold->tenant, tenant) == 0))
			return hold->id;
	}
	return 0;
}

void
toms_hold_keep_out(void)
{
	Oid			table = toms_config_table(TOMS_CONFIG_HOLD);

	if (!OidIsValid(table) || table == kept_out_of)
		return;
	LockRelationOid(table, RowShareLock);
	/* a subtransaction's lock goes with it */
	if (GetCurrentTransactionNestLevel() == 1)
		kept_out_of = table;
}

static void
transaction_callback(XactEvent event, void *arg)
{
	kept_out_of = InvalidOid;
}

void
toms_holds_init(void)
{
	RegisterXactCallback(transaction_callback, NULL);
}
