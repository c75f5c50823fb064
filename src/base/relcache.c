/*
 * relcache.c - hands every message that a relation has changed to all who cache something.
 *
 * Filled by the slices' init functions in the postmaster, and inherited by all backends.
 */
#include "base/relcache.h"

#include "utils/inval.h"

#define MOST_CALLBACKS 16

static TomsRelcacheCallback callbacks[MOST_CALLBACKS];
static int	ncallbacks = 0;

static void
call_all(Datum arg, Oid relid)
{
	for (int i = 0; i < ncallbacks; i++)
		callbacks[i] (relid);
}

void
toms_on_relation_change(TomsRelcacheCallback callback)
{
	if (ncallbacks == MOST_CALLBACKS)
		elog(FATAL, "too many callbacks of relations");
	if (ncallbacks == 0)
		CacheRegisterRelcacheCallback(call_all, (Datum) 0);
	callbacks[ncallbacks++] = callback;
}
