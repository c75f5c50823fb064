/*
 * worker.c - the worker that seals: every toms.seal_interval it closes a block of the trail of its
 * database and publishes its digest.
 *
 * Started by launcher.c once the writer has found the extension; process.c tells how it comes and goes.
 *
 * SIGTERM while it waits makes it do what is left, within LAST_STEP_MS, and end; while it works,
 * or connects, it ends at the next chance: what is left undone is done first by whoever comes
 * next.
 */
#include "audit/worker.h"

#include "access/xact.h"
#include "audit/block.h"
#include "base/clock.h"
#include "base/compat.h"
#include "guard/guard.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#define LAST_STEP_MS 3000
#define LONGEST_RETRY_MS (5 * 60 * 1000)

bool		(*toms_worker_also) (void) = NULL;

static int	seal_interval = 10000;

static bool comes_again = false;	/* after seal_interval, also if nothing was written */

static volatile sig_atomic_t working = true;	/* or connecting */

extern PGDLLEXPORT void toms_worker_main(Datum database);

void
toms_worker_init(void)
{
	DefineCustomIntVariable("toms.seal_interval",
							"How often entries of the audit trail are sealed into a block.",
							"Without new ones there is no new block.",
							&seal_interval, 10000, 100, 24 * 60 * 60 * 1000, PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
}

static void
handle_terminate(SIGNAL_ARGS)
{
	int			save_errno = errno;

	toms_process_terminating = true;
	if (working)
		toms_die();
	SetLatch(MyLatch);
	errno = save_errno;
}

/* the step -------------------------------------------------------------------------------- */

static void
do_step(void)
{
	bool		used;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	toms_process_require_extension();
	/* a trail becomes in use with its first entry: until then a dump may be being restored into it */
	used = toms_guard_trail_is_used() && !toms_gate_is_foreign();
	if (used)
		(void) toms_block_close();
	CommitTransactionCommand();
	MemoryContextSwitchTo(toms_process_context);
	if (used)
		toms_block_publish();
	comes_again = used && toms_worker_also && toms_worker_also();
}

static void
describe_step(void *arg)
{
	errcontext("background worker of database %u, sealing the audit trail", MyDatabaseId);
}

/* Returns whether it succeeded.  limit: milliseconds, or 0. */
static bool
run_step(int limit)
{
	volatile bool succeeded = false;
	ErrorContextCallback callback = {.previous = error_context_stack,.callback = describe_step};

	error_context_stack = &callback;
	pgstat_report_activity(STATE_RUNNING, "toms seals the audit trail");
	MemoryContextSwitchTo(toms_process_context);
	PG_TRY();
	{
		if (limit > 0)
			enable_timeout_after(STATEMENT_TIMEOUT, limit);
		do_step();
		disable_all_timeouts(false);
		succeeded = true;
	}
	PG_CATCH();
	{
		toms_process_clean_up_error();
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(toms_process_context);
	MemoryContextReset(toms_process_context);
	toms_process_count(succeeded);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return succeeded;
}

/* when ------------------------------------------------------------------------------------ */

/* What this worker knows of its own steps; 0 at first: one is due. */
typedef struct Schedule
{
	uint64		written;		/* counter before the last step that succeeded */
	TimestampTz next;			/* look whether something was written */
	TimestampTz round;			/* step in any case */
	int			failed;			/* in a row */
} Schedule;

static bool
is_due(const Schedule *schedule, bool asked)
{
	TimestampTz now = toms_clock_steady();

	/* after an error nobody makes it hurry */
	if (schedule->failed > 0)
		return now >= schedule->next;
	return asked || now >= schedule->round ||
		(now >= schedule->next && pg_atomic_read_u64(&toms_process_slot->written) != schedule->written);
}

static void
step_once(Schedule *schedule, int limit)
{
	uint64		written = pg_atomic_read_u64(&toms_process_slot->written);
	int64		delay = seal_interval;

	if (run_step(limit))
	{
		schedule->failed = 0;
		schedule->written = written;
		schedule->round = TimestampTzPlusMilliseconds(toms_clock_steady(), comes_again ? delay : TOMS_WORKER_ROUND_MS);
	}
	else
	{
		schedule->failed++;
		delay = Min(Max(delay, 1000) << Min(schedule->failed - 1, 10), Max(delay, LONGEST_RETRY_MS));
	}
	schedule->next = TimestampTzPlusMilliseconds(toms_clock_steady(), delay);
}

static void
wait_until_next(Schedule *schedule)
{
	TimestampTz now = toms_clock_steady();
	TimestampTz latest = TimestampTzPlusMilliseconds(now, seal_interval);

	/* nothing was written, or the setting was lowered */
	if (now >= schedule->next || (schedule->failed == 0 && schedule->next > latest))
		schedule->next = latest;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 TimestampDifferenceMilliseconds(now, schedule->next), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

/*
 * The server shuts down, or somebody ends the worker.  What the writer adds after that, when the last
 * backends have gone, is sealed when the server starts again.
 */
static void
finish(Schedule *schedule)
{
	if (schedule->failed == 0 && pg_atomic_read_u64(&toms_process_slot->written) != schedule->written)
		step_once(schedule, LAST_STEP_MS);
}

static void
work(void)
{
	Schedule	schedule = {0};

	for (;;)
	{
		bool		leaving;
		bool		asked;
		bool		due;

		toms_process_attend();
		asked = toms_process_is_told(&leaving);
		if (leaving)
			return;
		/* in this order: a signal must find it waiting, or be seen here */
		working = true;
		if (toms_process_terminating)
		{
			(void) toms_process_is_told(&leaving);
			if (!leaving)
				finish(&schedule);
			return;
		}
		due = is_due(&schedule, asked);
		if (due)
			step_once(&schedule, 0);
		working = false;
		/* the step may have used up what the latch was set for */
		if (!due && !toms_process_terminating)
			wait_until_next(&schedule);
	}
}

void
toms_worker_main(Datum database)
{
	toms_process_begin(DatumGetObjectId(database), TOMS_WORKER_SEALER, handle_terminate);
	work();
	proc_exit(0);
}
