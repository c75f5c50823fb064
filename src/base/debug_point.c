/*
 * debug_point.c - see debug_point.h; empty unless built by "make debug".
 *
 * The wait is on PostgreSQL's advisory locks, so that a test session controls it with
 * SELECT pg_advisory_lock(hashtext('NAME')) and its release.
 */
#include "base/debug_point.h"

#include "postgres.h"

#ifdef TOMS_DEBUG
#include <signal.h>

#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"

static char *debug_point = NULL;

void
toms_debug_point_init(void)
{
	DefineCustomStringVariable("toms.debug_point",
							   "Where a debug build waits, fails or crashes: NAME:wait, NAME:fail, NAME:crash.",
							   NULL, &debug_point, "", PGC_SUSET, GUC_NOT_IN_SAMPLE,
							   NULL, NULL, NULL);
}

static void
wait_for_lock(const char *name)
{
	Datum		key = DirectFunctionCall1Coll(hashtext, DEFAULT_COLLATION_OID, CStringGetTextDatum(name));

	key = Int64GetDatum((int64) DatumGetInt32(key));
	DirectFunctionCall1(pg_advisory_lock_shared_int8, key);
	DirectFunctionCall1(pg_advisory_unlock_shared_int8, key);
}

void
toms_debug_point(const char *name)
{
	size_t		length = strlen(name);

	if (debug_point == NULL || strncmp(debug_point, name, length) != 0 || debug_point[length] != ':')
		return;
	if (strcmp(debug_point + length, ":wait") == 0)
		wait_for_lock(name);
	else if (strcmp(debug_point + length, ":crash") == 0)
		kill(MyProcPid, SIGKILL);
	else
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("debug point %s", name)));
}
#endif
