/*
 * launcher.c - the background worker that sees to it that each database with the extension has
 * its workers.
 *
 * Started by the postmaster, on a standby after promotion.  It is connected to no database and
 * knows of the extension only what writers have found: at its start, and every TOMS_WORKER_ROUND_MS,
 * one looks into each database; in between into those that a backend announces.  Its list of
 * databases to look into is its own; everything else is in the slots, so that it may end at any
 * time and come again.
 */
#include "audit/worker.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Workers that look into a database at the same time. */
#define MOST_LOOKING 3
#define RETRY_MS 5000
#define LONGEST_RETRY_MS 60000

/* Of DROP DATABASE that did not come to its end; named only in later minor releases. */
#define LIMIT_OF_INVALID (-2)

typedef struct Database
{
	Oid			oid;
	bool		template;
} Database;

static volatile sig_atomic_t terminating = false;
static volatile sig_atomic_t reading = false;	/* the catalog, which may be locked */

/* Posts are numbered: those of a slot one after the other. */
#define POSTS (TOMS_WORKER_SLOTS * TOMS_WORKER_ROLES)

/* Of each post: the worker that was started for it, or NULL; when the last one was, and for what. */
static BackgroundWorkerHandle *handles[POSTS];
static TimestampTz started[POSTS];
static Oid	started_for[POSTS];

static const struct
{
	const char *type;
	const char *function;
}			roles[TOMS_WORKER_ROLES] = {
	[TOMS_WORKER_WRITER] = {"toms writer", "toms_writer_main"},
	[TOMS_WORKER_SEALER] = {"toms worker", "toms_worker_main"},
	[TOMS_WORKER_RETENTION] = {"toms retention", "toms_retention_main"},
};

/* Databases to look into, Oids; when all are next. */
static List *to_visit = NIL;
static TimestampTz next_round = 0;

/* No background worker could be started since; 0: none is missing. */
static TimestampTz lacking_since = 0;
static TimestampTz next_start = 0;

/* When it was last said that a database's retention has no sign of life. */
static TimestampTz said_silent[TOMS_WORKER_SLOTS];

extern PGDLLEXPORT void toms_launcher_main(Datum unused);

void
toms_launcher_init(void)
{
	BackgroundWorker worker = {.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
	.bgw_start_time = BgWorkerStart_RecoveryFinished,.bgw_restart_time = 1};

	/* pg_upgrade wants its databases to itself */
	if (IsBinaryUpgrade)
		return;
	strlcpy(worker.bgw_name, "toms launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "toms launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "toms", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "toms_launcher_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

static void
handle_terminate(SIGNAL_ARGS)
{
	int			save_errno = errno;

	terminating = true;
	if (reading)
		toms_die();
	SetLatch(MyLatch);
	errno = save_errno;
}

/* databases ------------------------------------------------------------------------------- */

/* Those that can be connected to, by us at least; in the current memory context. */
static List *
read_databases(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *databases = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database row = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old = MemoryContextSwitchTo(context);
		Database   *database = palloc(sizeof(Database));

		database->oid = row->oid;
		database->template = row->datistemplate;
		if (row->datconnlimit != LIMIT_OF_INVALID)
			databases = lappend(databases, database);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return databases;
}

static bool
is_member(List *databases, Oid oid)
{
	ListCell   *cell;

	foreach(cell, databases)
	{
		if (((Database *) lfirst(cell))->oid == oid)
			return true;
	}
	return false;
}

/* Templates are looked into only when somebody announces them: nobody works there. */
static void
begin_round(List *databases)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	ListCell   *cell;

	list_free(to_visit);
	to_visit = NIL;
	foreach(cell, databases)
	{
		Database   *database = lfirst(cell);

		if (!database->template)
			to_visit = lappend_oid(to_visit, database->oid);
	}
	MemoryContextSwitchTo(old);
	next_round = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TOMS_WORKER_ROUND_MS);
}

static void
read_slots(Oid databases[TOMS_WORKER_SLOTS])
{
	for (int i = 0; i < TOMS_WORKER_SLOTS; i++)
		databases[i] = pg_atomic_read_u32(&toms_workers->slots[i].database);
}

/* What was in the slots before the list was read: a database may have been created since. */
static void
forget_missing(const Oid before[TOMS_WORKER_SLOTS], List *databases)
{
	List	   *missing = NIL;
	ListCell   *cell;

	for (int i = 0; i < TOMS_WORKER_SLOTS; i++)
	{
		if (OidIsValid(before[i]) && !is_member(databases, before[i]))
			missing = lappend_oid(missing, before[i]);
	}
	if (missing == NIL)
		return;
	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	for (int i = 0; i < TOMS_WORKER_SLOTS; i++)
	{
		TomsWorkerSlot *slot = &toms_workers->slots[i];
		Oid			database = pg_atomic_read_u32(&slot->database);

		if (OidIsValid(database) && list_member_oid(missing, database) && !toms_worker_is_there(slot))
		{
			slot->wanted = slot->installed = slot->retains = false;
			toms_worker_free(slot);
		}
	}
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	foreach(cell, missing)
		(void) toms_queue_release(lfirst_oid(cell));
}

static void
say_table_is_full(void)
{
	static bool said = false;

	if (!said)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("toms has background workers for at most %d databases", TOMS_WORKER_SLOTS),
				 errdetail("The audit trail of further databases is not sealed unless by toms.seal_audit().")));
	said = true;
}

/* A few at a time are given slots. */
static void
visit_next(void)
{
	int			looking = 0;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_SHARED);
	for (int i = 0; i < TOMS_WORKER_SLOTS; i++)
		looking += toms_workers->slots[i].wanted || toms_workers->slots[i].undecided;
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	for (; looking < MOST_LOOKING && to_visit != NIL; looking++)
	{
		if (!toms_worker_want(linitial_oid(to_visit)))
		{
			say_table_is_full();
			break;
		}
		to_visit = list_delete_first(to_visit);
	}
}

/* workers --------------------------------------------------------------------------------- */

static bool
is_running(int i)
{
	pid_t		pid;

	if (handles[i] && GetBackgroundWorkerPid(handles[i], &pid) == BGWH_STOPPED)
	{
		pfree(handles[i]);
		handles[i] = NULL;
	}
	return handles[i] != NULL;
}

static bool
start_worker(int i)
{
	Oid			database = pg_atomic_read_u32(&toms_workers->slots[i / TOMS_WORKER_ROLES].database);
	TomsWorkerRole role = i % TOMS_WORKER_ROLES;
	BackgroundWorker worker = {.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,.bgw_restart_time = BGW_NEVER_RESTART,
	.bgw_main_arg = ObjectIdGetDatum(database),.bgw_notify_pid = MyProcPid};
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	bool		registered;

	snprintf(worker.bgw_name, BGW_MAXLEN, "%s for database %u", roles[role].type, database);
	strlcpy(worker.bgw_type, roles[role].type, BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "toms", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, roles[role].function, BGW_MAXLEN);
	registered = RegisterDynamicBackgroundWorker(&worker, &handles[i]);
	MemoryContextSwitchTo(old);
	started[i] = registered ? GetCurrentTimestamp() : 0;
	started_for[i] = database;
	return registered;
}

/* A time that is yet to come is of a clock that was set back since. */
static TimestampTz
after(TimestampTz at, int milliseconds)
{
	return at > GetCurrentTimestamp() ? 1 : TimestampTzPlusMilliseconds(at, milliseconds);
}

/* When the worker of a post may be started, with the lock held; 0: it is not needed. */
static TimestampTz
start_time(int i)
{
	const TomsWorkerSlot *slot = &toms_workers->slots[i / TOMS_WORKER_ROLES];
	const TomsWorkerPost *post = &slot->posts[i % TOMS_WORKER_ROLES];
	TomsWorkerRole role = i % TOMS_WORKER_ROLES;
	bool		looks = role == TOMS_WORKER_WRITER && slot->wanted;
	bool		belongs = slot->installed && (role != TOMS_WORKER_RETENTION || slot->retains);

	if (post->pid != 0 || slot->keep_out > 0 || (!looks && !belongs))
		return 0;
	/* the last one did not get as far as the post */
	if (started_for[i] == pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &slot->database)) &&
		started[i] > post->started_at && started[i] > post->ended_at)
		return after(started[i], 1000);
	if (post->failures == 0)
		return Max(after(post->ended_at, 0), 1);
	return after(post->ended_at, Min(1000 << Min(post->failures - 1, 10), LONGEST_RETRY_MS));
}

/* The post whose worker has been missing for longest, or -1; *when: at the earliest, if it is not due yet. */
static int
next_due(TimestampTz *when)
{
	int			found = -1;

	*when = DT_NOEND;
	for (int i = 0; i < POSTS; i++)
	{
		TimestampTz start = 0;

		if (pg_atomic_read_u32(&toms_workers->slots[i / TOMS_WORKER_ROLES].database) == InvalidOid || is_running(i))
			continue;
		LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_SHARED);
		if (pg_atomic_read_u32(&toms_workers->slots[i / TOMS_WORKER_ROLES].database) != InvalidOid)
			start = start_time(i);
		LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
		if (start == 0 || start >= *when)
			continue;
		*when = start;
		found = i;
	}
	return found;
}

/* The worker of a role that has worked for longest, with the lock held. */
static TomsWorkerPost *
oldest_of(TomsWorkerRole role)
{
	TomsWorkerPost *oldest = NULL;

	for (int i = 0; i < TOMS_WORKER_SLOTS; i++)
	{
		TomsWorkerPost *post = &toms_workers->slots[i].posts[role];

		if (post->pid != 0 && post->last_step_at >= post->started_at && (oldest == NULL || post->started_at < oldest->started_at))
			oldest = post;
	}
	return oldest;
}

/*
 * All places for background workers are taken, by ours perhaps: that which has worked for longest
 * makes room for those that wait, and waits itself.  Nobody waits for retention or sealing.
 */
static void
take_turns(void)
{
	TomsWorkerPost *oldest;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	oldest = oldest_of(TOMS_WORKER_RETENTION);
	if (oldest == NULL)
		oldest = oldest_of(TOMS_WORKER_SEALER);
	if (oldest == NULL)
		oldest = oldest_of(TOMS_WORKER_WRITER);
	if (oldest)
	{
		oldest->leave = true;
		SetLatch(oldest->latch);
	}
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
}

static void
note_lack(void)
{
	if (lacking_since == 0)
	{
		lacking_since = GetCurrentTimestamp();
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("toms could not start the background worker of a database"),
				 errdetail("All places for background workers are taken; it is tried again every %d seconds.", RETRY_MS / 1000),
				 errhint("Raise max_worker_processes: it must have room for two workers for each database with the extension, three where there are rules of retention, and for the launcher.")));
	}
	else
		take_turns();
	next_start = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_MS);
}

/* Returns when the next one is due. */
static TimestampTz
start_due(void)
{
	TimestampTz when;
	int			i;

	if (GetCurrentTimestamp() < next_start)
		return next_start;
	while ((i = next_due(&when)) >= 0 && when <= GetCurrentTimestamp())
	{
		if (!start_worker(i))
		{
			note_lack();
			return next_start;
		}
	}
	if (i < 0)
		lacking_since = 0;
	return when;
}

/* Of retention that must not fail in silence: no sign of life for longer than twice its interval. */
static void
say_silent(int i, int interval)
{
	const TomsWorkerSlot *slot = &toms_workers->slots[i];
	const TomsWorkerPost *post = &slot->posts[TOMS_WORKER_RETENTION];
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz last;
	Oid			database;
	bool		runs;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_SHARED);
	database = pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &slot->database));
	runs = post->pid != 0;
	last = slot->retains ? Max(post->last_step_at, slot->retains_since) : now;
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	if (!TimestampDifferenceExceeds(Max(last, said_silent[i]), now, (runs ? 2 : 1) * interval))
		return;
	said_silent[i] = now;
	ereport(LOG,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("toms retention is overdue in database %u", database),
			 errdetail("Its background worker %s.", runs ? "has not finished a step" : "does not run"),
			 errhint("SELECT * FROM toms.retention_progress; there tells of each rule.")));
}

/* Returns when to look again. */
static TimestampTz
watch_retention(void)
{
	const char *setting = GetConfigOption("toms.retention_interval", true, false);
	int			interval = setting ? atoi(setting) * 1000 : 0;
	bool		any = false;

	for (int i = 0; interval > 0 && i < TOMS_WORKER_SLOTS; i++)
	{
		if (!toms_workers->slots[i].retains)
			continue;
		any = true;
		say_silent(i, interval);
	}
	return any ? TimestampTzPlusMilliseconds(GetCurrentTimestamp(), Max(interval / 2, 1000)) : DT_NOEND;
}

/* the launcher ---------------------------------------------------------------------------- */

static void
say_goodbye(int code, Datum arg)
{
	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	toms_workers->launcher = NULL;
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
}

static void
arrive(void)
{
	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	toms_workers->launcher = MyLatch;
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	before_shmem_exit(say_goodbye, (Datum) 0);
}

/* Returns when there is something to do. */
static TimestampTz
run_lap(void)
{
	TimestampTz when;
	TimestampTz now = GetCurrentTimestamp();

	next_round = Min(next_round, TimestampTzPlusMilliseconds(now, TOMS_WORKER_ROUND_MS));
	next_start = Min(next_start, TimestampTzPlusMilliseconds(now, RETRY_MS));
	if (now >= next_round || (next_due(&when) >= 0 && when <= now && now >= next_start))
	{
		Oid			before[TOMS_WORKER_SLOTS];
		List	   *databases;

		read_slots(before);
		reading = true;
		databases = read_databases();
		reading = false;
		forget_missing(before, databases);
		if (now >= next_round)
			begin_round(databases);
	}
	visit_next();
	when = start_due();
	when = Min(when, next_round);
	return Min(when, watch_retention());
}

void
toms_launcher_main(Datum unused)
{
	MemoryContext context;

	pqsignal(SIGTERM, handle_terminate);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	arrive();
	context = AllocSetContextCreate(TopMemoryContext, "toms launcher lap", ALLOCSET_DEFAULT_SIZES);
	while (!terminating)
	{
		TimestampTz next;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		MemoryContextSwitchTo(context);
		next = run_lap();
		MemoryContextReset(context);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Max(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next), 10), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	/* not 0: an administrator may have ended it, and it must come again */
	proc_exit(1);
}
