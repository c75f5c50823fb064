/*
 * pace.c - how fast the worker goes: rows for each batch, pauses between them, and replicas that must not be left behind.
 *
 * Called by round.c around each batch.  The size of a batch follows how long the last ones took: a table with many
 * indexes or cascades gets small ones.  It pauses only where clients need the processors: one that sleeps and wakes
 * disturbs those who run on an otherwise idle one more than one that goes on.  What a walsender tells of its lag is of no use while replay stands still, so
 * it is asked whether it has come as far as the log was so long ago.
 */
#include "retention/worker.h"

#include "access/xlog.h"
#include "audit/audit.h"
#include "base/clock.h"
#include "executor/spi.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "utils/guc.h"

#include <limits.h>
#include <unistd.h>

#define FEWEST_ROWS 10
#define FIRST_ROWS 200
#define LAG_NAP_MS 200

static int	most_rows = 10000;
static int	batch_time = 100;
static int	duty = 50;
static int	max_lag = 10000;

static int	rows_next = FIRST_ROWS;
static TimestampTz began = 0;
static int64 took = 0;			/* microseconds; the last batch */
static bool is_busy = false;	/* no processor is to spare */

/* Where the log was, at two times; the former is max_lag ago at least. */
typedef struct Mark
{
	TimestampTz at;				/* 0: not yet */
	XLogRecPtr	log;
} Mark;

static Mark before,
			after;

void
toms_pace_init(void)
{
	DefineCustomIntVariable("toms.retention_batch",
							"How many rows a transaction of retention deletes at most.", NULL,
							&most_rows, 10000, 1, 1000000, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("toms.retention_batch_time",
							"How long a transaction of retention is to take: it deletes as many rows as that allows.", NULL,
							&batch_time, 100, 1, 60 * 1000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("toms.retention_duty",
							"Percentage of the time that retention works, while as many clients are at work as there are processors.",
							"After each transaction it pauses for the rest.",
							&duty, 50, 1, 100, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("toms.retention_max_lag",
							"Retention pauses while a replica is further behind than that.",
							"0: it does not matter.",
							&max_lag, 10000, 0, 24 * 60 * 60 * 1000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

int
toms_retention_batch_rows(void)
{
	return most_rows;
}

int
toms_pace_rows(void)
{
	return Min(rows_next, most_rows);
}

void
toms_pace_begin(void)
{
	began = toms_clock_steady();
}

void
toms_pace_end(int64 rows)
{
	int64		fitting;

	took = Max(toms_clock_steady() - began, 1);
	if (rows < 0)
		return;
	if (rows < toms_pace_rows() && took < batch_time * INT64CONST(1000))
		return;					/* there were no more: that says nothing */
	fitting = Max(rows, 1) * batch_time * INT64CONST(1000) / took;
	fitting = Min(Max(fitting, rows_next / 2), rows_next * INT64CONST(2));
	rows_next = (int) Min(Max(fitting, FEWEST_ROWS), most_rows);
}

/* clients --------------------------------------------------------------------------------- */

/* Those that wait for a lock or for time to pass need none. */
static const char active_clients[] =
"SELECT count(*) FROM pg_catalog.pg_stat_get_activity(NULL)"
" WHERE state = 'active' AND backend_type = 'client backend' AND coalesce(wait_event_type, 'IO') = 'IO'";

void
toms_pace_look(void)
{
	long		processors = sysconf(_SC_NPROCESSORS_ONLN);
	bool		isnull;

	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute(active_clients, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count active clients");
	is_busy = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) >= Max(processors, 1);
	SPI_finish();
}

/* replicas -------------------------------------------------------------------------------- */

/* How far the last of them has come; InvalidXLogRecPtr: there is none. */
static XLogRecPtr
farthest_behind(void)
{
	XLogRecPtr	behind = InvalidXLogRecPtr;

	for (int i = 0; i < max_wal_senders; i++)
	{
		WalSnd	   *sender = &WalSndCtl->walsnds[i];
		bool		sends;
		XLogRecPtr	applied;

		SpinLockAcquire(&sender->mutex);
		sends = sender->pid != 0 && (sender->state == WALSNDSTATE_STREAMING || sender->state == WALSNDSTATE_CATCHUP);
		applied = sender->apply;
		SpinLockRelease(&sender->mutex);
		/* who only receives the log applies nothing */
		if (sends && !XLogRecPtrIsInvalid(applied) && (XLogRecPtrIsInvalid(behind) || applied < behind))
			behind = applied;
	}
	return behind;
}

static void
set_marks(void)
{
	TimestampTz now = toms_clock_steady();

	if (after.at != 0 && !TimestampDifferenceExceeds(after.at, now, max_lag))
		return;
	before = after;
	after = (Mark) {now, GetFlushRecPtr(NULL)};
}

static bool
replica_lags(void)
{
	XLogRecPtr	behind;

	if (max_lag == 0)
		return false;
	set_marks();
	if (before.at == 0 || !TimestampDifferenceExceeds(before.at, toms_clock_steady(), max_lag))
		return false;
	behind = farthest_behind();
	return !XLogRecPtrIsInvalid(behind) && behind < before.log;
}

/* While there is nothing to do: where the log was is known when there is.  Returns milliseconds until it is to be called again. */
int64
toms_pace_watch(void)
{
	if (max_lag == 0 || XLogRecPtrIsInvalid(farthest_behind()))
		return INT_MAX;
	set_marks();
	return max_lag;
}

/* Not for ever in silence: the launcher says that there is no sign of life. */
static bool
wait_for_replicas(void)
{
	while (replica_lags())
	{
		if (!toms_retention_sleep(LAG_NAP_MS))
			return false;
	}
	return true;
}

bool
toms_pace_wait(void)
{
	int64		pause = is_busy ? took * (100 - duty) / duty / 1000 : 0;

	took = 0;
	if (pause > 0 && !toms_retention_sleep(pause))
		return false;
	return wait_for_replicas() && toms_retention_goes_on();
}
