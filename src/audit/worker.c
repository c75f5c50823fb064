/*
 * worker.c - the background worker of one database: every toms.seal_interval it closes a block
 * of the trail and publishes its digest.
 *
 * Started by launcher.c, which also starts it anew however it ended: it never restarts by itself,
 * and ends with 0 unless something is wrong.  It exists where the extension does, and leaves when
 * that is dropped, when somebody wants the database to himself, or when another database needs the
 * place.
 *
 * SIGTERM while it waits makes it do what is left, within LAST_STEP_MS, and end; while it works,
 * or connects, it ends at the next chance: what is left undone is done first by whoever comes
 * next.
 */
#include "audit/worker.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "audit/block.h"
#include "catalog/pg_extension.h"
#include "guard/guard.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include <signal.h>

#define LAST_STEP_MS 3000
#define LONGEST_RETRY_MS (5 * 60 * 1000)

/* What is set for a database or for everybody does not change what the worker does. */
static const char *const worker_settings[][2] = {
	{"synchronous_commit", "on"},	/* what has been published must not be gone after a crash */
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"transaction_timeout", "0"},	/* since 17 */
	{"lock_timeout", "0"},
	{"session_replication_role", "origin"},
};

static int	seal_interval = 10000;

/* Of this worker. */
static TomsWorkerSlot *slot = NULL;
static MemoryContext step_context = NULL;
static volatile sig_atomic_t terminating = false;
static volatile sig_atomic_t working = true;	/* or connecting */

extern PGDLLEXPORT void toms_worker_main(Datum database);

int
toms_seal_interval(void)
{
	return seal_interval;
}

void
toms_worker_init(void)
{
	DefineCustomIntVariable("toms.seal_interval",
							"How often entries of the audit trail are sealed into a block.",
							"Without new ones there is no new block.",
							&seal_interval, 10000, 100, 24 * 60 * 60 * 1000, PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
}

/* coming and going ------------------------------------------------------------------------ */

static void
handle_terminate(SIGNAL_ARGS)
{
	int			save_errno = errno;

	terminating = true;
	if (working)
		die(postgres_signal_arg);
	SetLatch(MyLatch);
	errno = save_errno;
}

/* After RemoveProcFromArray(): whoever waits for us finds the database free. */
static void
leave(int code, Datum arg)
{
	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	slot->pid = 0;
	slot->latch = NULL;
	slot->leave = false;
	slot->ended_at = GetCurrentTimestamp();
	if (slot->undecided)
		slot->wanted = true;
	slot->undecided = false;
	if (code != 0)
		slot->failures++;
	toms_worker_free(slot);
	toms_worker_wake_launcher();
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	ConditionVariableBroadcast(&toms_workers->left);
}

/* False if the database has a worker, needs none any more, or is to be left alone. */
static bool
arrive(Oid database)
{
	bool		free;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	slot = toms_worker_find(database);
	free = slot && slot->pid == 0 && slot->keep_out == 0;
	if (free)
	{
		slot->pid = MyProcPid;
		slot->latch = MyLatch;
		slot->started_at = GetCurrentTimestamp();
		slot->wanted = slot->leave = false;
		slot->undecided = true;
	}
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	if (free)
		on_shmem_exit(leave, (Datum) 0);
	return free;
}

static void
connect_to(Oid database)
{
	/* no role is named: it is the bootstrap superuser, also where that may not log in */
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, BGWORKER_BYPASS_ALLOWCONN);
	for (int i = 0; i < lengthof(worker_settings); i++)
	{
		if (GetConfigOption(worker_settings[i][0], true, false))
			SetConfigOption(worker_settings[i][0], worker_settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	}
	step_context = AllocSetContextCreate(TopMemoryContext, "toms worker step", ALLOCSET_DEFAULT_SIZES);
}

/*
 * Read from the table: who has dropped it tells us when that is committed, but just before caches
 * are told, and get_extension_oid() asks one since 18.
 */
static bool
extension_is_installed(void)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("toms"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* In a transaction.  Ends the worker if nobody needs it here. */
static void
require_extension(void)
{
	bool		installed = extension_is_installed();

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	slot->installed = installed;
	slot->undecided = false;
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	if (installed)
		return;
	CommitTransactionCommand();
	proc_exit(0);
}

/* the step -------------------------------------------------------------------------------- */

static void
do_step(void)
{
	bool		used;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	require_extension();
	/* a trail becomes in use with its first entry: until then a dump may be being restored into it */
	used = toms_guard_trail_is_used();
	if (used)
		(void) toms_block_close();
	CommitTransactionCommand();
	MemoryContextSwitchTo(step_context);
	if (used)
		toms_block_publish();
}

static void
count_step(bool succeeded)
{
	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	if (succeeded)
	{
		slot->steps++;
		slot->failures = 0;
		slot->last_step_at = GetCurrentTimestamp();
	}
	else
	{
		slot->errors++;
		slot->last_error_at = GetCurrentTimestamp();
	}
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
}

/* An error may come from outside of a transaction too. */
static void
clean_up_error(void)
{
	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	EmitErrorReport();
	AbortOutOfAnyTransaction();
	LWLockReleaseAll();
	AtEOXact_Files(false);
	ConditionVariableCancelSleep();
	pgstat_report_wait_end();
	MemoryContextSwitchTo(step_context);
	FlushErrorState();
	RESUME_INTERRUPTS();
}

/* Events are written more often than blocks are closed. */
static void
write_events(void)
{
	PG_TRY();
	{
		while (toms_writer_drain())
			MemoryContextReset(step_context);
		(void) toms_settings_compare();
	}
	PG_CATCH();
	{
		clean_up_error();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(step_context);
	MemoryContextReset(step_context);
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
	MemoryContextSwitchTo(step_context);
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
		clean_up_error();
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(step_context);
	MemoryContextReset(step_context);
	count_step(succeeded);
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

/* Takes the requests out of the slot. */
static bool
is_asked(bool *leaving)
{
	bool		asked;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	asked = slot->asked || slot->recheck;
	slot->asked = slot->recheck = false;
	*leaving = slot->keep_out > 0 || slot->leave;
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	return asked;
}

static bool
is_due(const Schedule *schedule, bool asked)
{
	TimestampTz now = GetCurrentTimestamp();

	/* after an error nobody makes it hurry */
	if (schedule->failed > 0)
		return now >= schedule->next;
	return asked || now >= schedule->round ||
		(now >= schedule->next && pg_atomic_read_u64(&slot->written) != schedule->written);
}

static void
step_once(Schedule *schedule, int limit)
{
	uint64		written = pg_atomic_read_u64(&slot->written);
	int64		delay = seal_interval;

	if (run_step(limit))
	{
		schedule->failed = 0;
		schedule->written = written;
		schedule->round = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TOMS_WORKER_ROUND_MS);
	}
	else
	{
		schedule->failed++;
		delay = Min(Max(delay, 1000) << Min(schedule->failed - 1, 10), Max(delay, LONGEST_RETRY_MS));
	}
	schedule->next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), delay);
}

static void
wait_until_next(Schedule *schedule)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz latest = TimestampTzPlusMilliseconds(now, seal_interval);

	/* nothing was written, or the setting was lowered */
	if (now >= schedule->next || (schedule->failed == 0 && schedule->next > latest))
		schedule->next = latest;
	toms_queue_sleep(toms_audit_delay(), TimestampDifferenceMilliseconds(now, schedule->next));
}

/*
 * The server shuts down, or somebody ends the worker.  Backends that got the signal at the same
 * time may still write: issue 7's writer waits here, for a bounded time, until they are gone.
 */
static void
finish(Schedule *schedule)
{
	if (schedule->failed == 0 && pg_atomic_read_u64(&slot->written) != schedule->written)
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

		/* also when idle: else whoever waits for a barrier, DROP DATABASE anywhere, waits for ever */
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			toms_settings_look_again();
		}
		asked = is_asked(&leaving);
		if (leaving)
			return;
		/* in this order: a signal must find it waiting, or be seen here */
		working = true;
		if (terminating)
		{
			(void) is_asked(&leaving);
			if (!leaving)
				finish(&schedule);
			return;
		}
		write_events();
		due = is_due(&schedule, asked);
		if (due)
			step_once(&schedule, 0);
		working = false;
		/* the step may have used up what the latch was set for */
		if (!due && !terminating)
			wait_until_next(&schedule);
	}
}

void
toms_worker_main(Datum database)
{
	pqsignal(SIGTERM, handle_terminate);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	if (!arrive(DatumGetObjectId(database)))
		proc_exit(0);
	BackgroundWorkerUnblockSignals();
	connect_to(DatumGetObjectId(database));
	toms_event_off();
	if (!toms_queue_start_writing())
		proc_exit(0);
	work();
	proc_exit(0);
}
