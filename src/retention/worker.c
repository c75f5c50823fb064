/*
 * worker.c - the background worker that carries out the rules of a database, every toms.retention_interval.
 *
 * Started by audit/launcher.c while there are rules; audit/process.c tells how it comes and goes.  Each step is
 * a transaction of its own, so it may end at any time and goes on with the next one: SIGTERM ends it at once.
 * It is connected as the bootstrap superuser, but what it does to rows is done as the tables' owners (batch.c).
 *
 * Locks: a statement that wants a table is not to wait for long, nor to be chosen as the victim of a deadlock:
 * this worker gives up first, and comes again.
 */
#include "retention/worker.h"

#include <limits.h>

#include "access/xact.h"
#include "audit/audit.h"
#include "base/clock.h"
#include "base/compat.h"
#include "fmgr.h"
#include "guard/guard.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define SHORTEST_PAUSE_MS 1000

int			toms_retention_interval = 600;
int			toms_retention_limit = 100000;

static const char *const worker_settings[][2] = {
	{"synchronous_commit", "local"},	/* what a crash takes back is done again */
	{"lock_timeout", TOMS_RETENTION_LOCK_TIMEOUT},
	{"deadlock_timeout", "50ms"},
	{"statement_timeout", "0"},
	{"vacuum_cost_delay", "2ms"},
	{"row_security", "on"},
	{"search_path", "pg_catalog, pg_temp"},
};

static volatile sig_atomic_t working = true;	/* or connecting */

extern PGDLLEXPORT void toms_retention_main(Datum database);

PG_FUNCTION_INFO_V1(toms_announce_rules);

void
toms_retention_worker_init(void)
{
	DefineCustomIntVariable("toms.retention_interval",
							"How often the rules of retention are carried out.", NULL,
							&toms_retention_interval, 600, 1, 24 * 60 * 60, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("toms.retention_limit",
							"How many rows of one rule and tenant a run of retention deletes at most.",
							"If more are due it deletes none, and says so, until toms.approve_retention() has been called. -1: there is no limit.",
							&toms_retention_limit, 100000, -1, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	toms_pace_init();
}

/* Trigger of toms.retention_rule. */
Datum
toms_announce_rules(PG_FUNCTION_ARGS)
{
	toms_worker_announce_rules();
	PG_RETURN_POINTER(NULL);
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

/* steps ----------------------------------------------------------------------------------- */

static void
describe_step(void *arg)
{
	errcontext("background worker of database %u, carrying out rules of retention", MyDatabaseId);
}

/* What runs inside of the error handler. */
typedef struct Attempt
{
	TomsRetentionStep step;
	void	   *arg;
	const char *statement;		/* instead: a utility statement at top level */
} Attempt;

/* As a client would have sent it: it may commit by itself. */
static void
run_utility(const char *text)
{
	RawStmt    *raw = linitial_node(RawStmt, pg_parse_query(text));
	PlannedStmt *statement = makeNode(PlannedStmt);

	statement->commandType = CMD_UTILITY;
	statement->canSetTag = true;
	statement->utilityStmt = raw->stmt;
	statement->stmt_location = -1;
	if (PlannedStmtRequiresSnapshot(statement))
		PushActiveSnapshot(GetTransactionSnapshot());
	ProcessUtility(statement, text, false, PROCESS_UTILITY_TOPLEVEL, NULL, NULL, None_Receiver, NULL);
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
}

static void
run_attempt(const Attempt *attempt)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	toms_process_require_extension();
	if (attempt->step)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		attempt->step(attempt->arg);
		PopActiveSnapshot();
	}
	else
	{
		/* what it keeps across its transactions */
		MemoryContextSwitchTo(toms_process_context);
		run_utility(attempt->statement);
	}
	CommitTransactionCommand();
}

/* No message: that may have values in it. */
static void
describe_error(char problem[TOMS_PROBLEM_BYTES])
{
	MemoryContext old = MemoryContextSwitchTo(toms_process_context);
	ErrorData  *error = CopyErrorData();

	strlcpy(problem, toms_retention_describe(error), TOMS_PROBLEM_BYTES);
	MemoryContextSwitchTo(old);
}

static bool
try_attempt(const Attempt *attempt, char problem[TOMS_PROBLEM_BYTES])
{
	volatile bool succeeded = false;
	ErrorContextCallback callback = {.previous = error_context_stack,.callback = describe_step};

	error_context_stack = &callback;
	MemoryContextSwitchTo(toms_process_context);
	PortalContext = toms_process_context;
	PG_TRY();
	{
		run_attempt(attempt);
		succeeded = true;
	}
	PG_CATCH();
	{
		describe_error(problem);
		toms_process_clean_up_error();
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(toms_process_context);
	MemoryContextReset(toms_process_context);
	toms_process_count(succeeded);
	return succeeded;
}

bool
toms_retention_try(TomsRetentionStep step, void *arg, char problem[TOMS_PROBLEM_BYTES])
{
	return try_attempt(&(Attempt) {.step = step,.arg = arg}, problem);
}

bool
toms_retention_try_utility(const char *statement, char problem[TOMS_PROBLEM_BYTES])
{
	return try_attempt(&(Attempt) {.statement = statement}, problem);
}

/* when ------------------------------------------------------------------------------------ */

bool
toms_retention_goes_on(void)
{
	bool		leaving;

	toms_process_attend();
	(void) toms_process_is_told(&leaving);
	return !leaving && !toms_process_terminating;
}

static void
nap(int64 milliseconds)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, (long) milliseconds, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

bool
toms_retention_sleep(int64 milliseconds)
{
	TimestampTz until = TimestampTzPlusMilliseconds(toms_clock_steady(), milliseconds);
	long		rest;

	while (toms_retention_goes_on() && (rest = TimestampDifferenceMilliseconds(toms_clock_steady(), until)) > 0)
		nap(rest);
	return !toms_process_terminating && toms_retention_goes_on();
}

static void
nothing(void *arg)
{
}

/* Waits until the next run is due, as the setting is meanwhile; false if the worker is to leave. */
static bool
wait_for_run(TimestampTz began)
{
	TimestampTz earliest = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TIMESTAMP_IS_NOBEGIN(began) ? 0 : SHORTEST_PAUSE_MS);

	for (;;)
	{
		TimestampTz now;
		TimestampTz next;
		char		problem[TOMS_PROBLEM_BYTES];
		bool		leaving;
		bool		told;
		long		rest;

		toms_process_attend();
		told = toms_process_is_told(&leaving);
		if (leaving || toms_process_terminating)
			return false;
		/* ends the worker if there are no rules any more, or no extension */
		if (told)
		{
			working = true;
			(void) toms_retention_try(nothing, NULL, problem);
			working = false;
			continue;
		}
		/* the clock may have been set back */
		now = GetCurrentTimestamp();
		began = Min(began, now);
		earliest = Min(earliest, TimestampTzPlusMilliseconds(now, SHORTEST_PAUSE_MS));
		next = Max(earliest, TimestampTzPlusMilliseconds(began, toms_retention_interval * INT64CONST(1000)));
		rest = TimestampDifferenceMilliseconds(now, next);
		if (rest <= 0)
			return true;
		nap(Min(rest, toms_pace_watch()));
	}
}

/*
 * When the last run began.  Without one it counts from the first rule on: there is time to take back what was a mistake.
 * One that was broken off goes on at once.
 */
static void
read_last_run(void *began)
{
	toms_progress_last_run(began);
}

static void
ask_gate(void *open)
{
	toms_clock_require();
	*(bool *) open = toms_gate_is_open();
}

/* Nothing is deleted while the tables are closed: they are a restored state, or another node's; nor by a clock that jumped. */
static bool
may_delete(void)
{
	char		problem[TOMS_PROBLEM_BYTES];
	bool		open = false;

	return toms_retention_try(ask_gate, &open, problem) && open;
}

static void
work(void)
{
	TimestampTz began = GetCurrentTimestamp();
	char		problem[TOMS_PROBLEM_BYTES];

	(void) toms_retention_try(read_last_run, &began, problem);
	working = false;
	while (wait_for_run(began))
	{
		began = GetCurrentTimestamp();
		/* in this order: a signal must find it waiting, or be seen here */
		working = true;
		if (toms_process_terminating)
			return;
		if (!may_delete())
		{
			working = false;
			continue;
		}
		pgstat_report_activity(STATE_RUNNING, "toms carries out rules of retention");
		if (!toms_retention_run())
			return;
		working = false;
		pgstat_report_stat(true);
		pgstat_report_activity(STATE_IDLE, NULL);
	}
}

void
toms_retention_main(Datum database)
{
	toms_process_begin(DatumGetObjectId(database), TOMS_WORKER_RETENTION, handle_terminate);
	for (int i = 0; i < lengthof(worker_settings); i++)
		SetConfigOption(worker_settings[i][0], worker_settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	work();
	proc_exit(0);
}
