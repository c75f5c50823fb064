/*
 * process.c - the coming and going of the background workers of a database.
 *
 * Called by worker.c, which seals, writing.c, which writes events, and by slice retention.  All are started by
 * launcher.c, which also starts them anew however they ended: they never restart by themselves, and end with 0
 * unless something is wrong.  They exist where the extension does, and leave when that is dropped,
 * when somebody wants the database to himself, or when another one needs the place.
 */
#include "audit/worker.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/pg_extension.h"
#include "guard/guard.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

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

TomsWorkerSlot *toms_process_slot = NULL;
TomsWorkerPost *toms_process_post = NULL;
MemoryContext toms_process_context = NULL;
volatile sig_atomic_t toms_process_terminating = false;

static bool
is_writer(void)
{
	return toms_process_post == &toms_process_slot->posts[TOMS_WORKER_WRITER];
}

/* After RemoveProcFromArray(): whoever waits for us finds the database free. */
static void
leave(int code, Datum arg)
{
	TomsWorkerSlot *slot = toms_process_slot;
	TomsWorkerPost *post = toms_process_post;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	post->pid = 0;
	post->latch = NULL;
	post->leave = false;
	post->ended_at = GetCurrentTimestamp();
	if (is_writer() && slot->undecided)
		slot->wanted = true;
	if (is_writer())
		slot->undecided = false;
	if (code != 0)
		post->failures++;
	toms_worker_free(slot);
	toms_worker_wake_launcher();
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	ConditionVariableBroadcast(&toms_workers->left);
}

/* False if the database has such a worker, needs none any more, or is to be left alone. */
static bool
arrive(Oid database, TomsWorkerRole role)
{
	TomsWorkerSlot *slot;
	bool		free;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	toms_process_slot = slot = toms_worker_find(database);
	free = slot && slot->posts[role].pid == 0 && slot->keep_out == 0;
	if (free)
	{
		toms_process_post = &slot->posts[role];
		toms_process_post->pid = MyProcPid;
		toms_process_post->latch = MyLatch;
		toms_process_post->started_at = GetCurrentTimestamp();
		toms_process_post->leave = false;
	}
	if (free && role == TOMS_WORKER_WRITER)
	{
		slot->wanted = false;
		slot->undecided = true;
	}
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	if (free)
		on_shmem_exit(leave, (Datum) 0);
	return free;
}

void
toms_process_begin(Oid database, TomsWorkerRole role, void (*on_terminate) (SIGNAL_ARGS))
{
	pqsignal(SIGTERM, on_terminate);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	if (!arrive(database, role))
		proc_exit(0);
	BackgroundWorkerUnblockSignals();
	/* no role is named: it is the bootstrap superuser, also where that may not log in */
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, BGWORKER_BYPASS_ALLOWCONN);
	for (int i = 0; i < lengthof(worker_settings); i++)
	{
		if (GetConfigOption(worker_settings[i][0], true, false))
			SetConfigOption(worker_settings[i][0], worker_settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	}
	if (role == TOMS_WORKER_SEALER)
		toms_gate_forget();		/* a standby may have been promoted */
	toms_process_context = AllocSetContextCreate(TopMemoryContext, "toms worker step", ALLOCSET_DEFAULT_SIZES);
	/* what code of a table's owner does while retention deletes is told like anybody's */
	if (role != TOMS_WORKER_RETENTION)
		toms_event_off();
}

void
toms_process_attend(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		toms_settings_look_again();
		toms_gate_forget();
	}
}

bool
toms_process_is_told(bool *leaving)
{
	bool		recheck;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	recheck = toms_process_post->recheck;
	toms_process_post->recheck = false;
	*leaving = toms_process_slot->keep_out > 0 || toms_process_post->leave;
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	return recheck;
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

/* Who has locked the table, to change the table itself, must not keep the trail from being written: then it stays as it was. */
static bool
has_work(TomsConfigTable which, bool (*exists) (void))
{
	Oid			table = toms_config_table(which);
	bool		exist;

	if (!OidIsValid(table) || !ConditionalLockRelationOid(table, AccessShareLock))
		return toms_process_slot->retains;
	exist = exists();
	UnlockRelationOid(table, AccessShareLock);
	return exist;
}

/* Rules, or ends of contracts. */
static bool
rules_exist(void)
{
	return has_work(TOMS_CONFIG_RETENTION_RULE, toms_rules_exist) || has_work(TOMS_CONFIG_TENANT_END, toms_tenant_ends_exist);
}

/* With the lock. */
static void
note_rules(bool exist)
{
	TomsWorkerSlot *slot = toms_process_slot;

	if (exist && !slot->retains)
	{
		slot->retains_since = GetCurrentTimestamp();
		slot->posts[TOMS_WORKER_RETENTION].problems = -1;
		toms_worker_wake_launcher();
	}
	slot->retains = exist;
}

void
toms_process_require_extension(void)
{
	bool		installed = extension_is_installed();
	bool		retains = installed && rules_exist();

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	if (installed && !toms_process_slot->installed)
		toms_worker_wake_launcher();	/* for the sealing worker */
	toms_process_slot->installed = installed;
	note_rules(retains);
	if (installed)
		toms_process_slot->wanted = false;
	if (is_writer())
		toms_process_slot->undecided = false;
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	if (installed && (retains || toms_process_post != &toms_process_slot->posts[TOMS_WORKER_RETENTION]))
		return;
	CommitTransactionCommand();
	/* what is waiting has nowhere to go; the other worker does not release what the writer uses */
	if (!installed)
		(void) toms_queue_release(MyDatabaseId);
	proc_exit(0);
}

/* An error may come from outside of a transaction too. */
void
toms_process_clean_up_error(void)
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
	MemoryContextSwitchTo(toms_process_context);
	FlushErrorState();
	RESUME_INTERRUPTS();
}

void
toms_process_count(bool succeeded)
{
	TomsWorkerPost *post = toms_process_post;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	if (succeeded)
	{
		post->steps++;
		post->failures = 0;
		post->last_step_at = GetCurrentTimestamp();
	}
	else
	{
		post->errors++;
		post->last_error_at = GetCurrentTimestamp();
	}
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
}

void
toms_process_tell_problems(int problems)
{
	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	toms_process_post->problems = problems;
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
}
