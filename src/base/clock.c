/*
 * clock.c - see clock.h.
 *
 * Called by what waits, for steady time, and by what deletes because of a time, as toms.require_clock() in SQL.
 *
 * By how much the clock is ahead of steady time is taken down when the postmaster loads the library, and inherited by all
 * processes.  Whoever starts the server says thereby that the clock is right.
 */
#include "base/clock.h"

#include <time.h>

#include "fmgr.h"
#include "utils/timestamp.h"

/* It counts while the machine sleeps, where the kernel can. */
#ifdef CLOCK_BOOTTIME
#define STEADY_CLOCK CLOCK_BOOTTIME
#else
#define STEADY_CLOCK CLOCK_MONOTONIC
#endif

PG_FUNCTION_INFO_V1(toms_sql_clock_require);

static TimestampTz ahead_at_start = 0;

TimestampTz
toms_clock_steady(void)
{
	struct timespec now;

	clock_gettime(STEADY_CLOCK, &now);
	return now.tv_sec * USECS_PER_SEC + now.tv_nsec / 1000;
}

static TimestampTz
ahead(void)
{
	return GetCurrentTimestamp() - toms_clock_steady();
}

void
toms_clock_init(void)
{
	ahead_at_start = ahead();
}

void
toms_clock_require(void)
{
	if (ahead() - ahead_at_start <= USECS_PER_DAY)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the clock of this server was set forward by more than a day while it ran"),
			 errdetail("Nothing is deleted because its period is over."),
			 errhint("Set the clock right. If it is right now, restart the server, which says so.")));
}

/* toms.require_clock(): for what is deleted in SQL. */
Datum
toms_sql_clock_require(PG_FUNCTION_ARGS)
{
	toms_clock_require();
	PG_RETURN_VOID();
}
