/*
 * background.c - runs a function in a background worker while the caller waits.
 *
 * Called by statistic/publish.c, audit/task.c and rights/ledger.c.  The caller's segment of shared memory lives until he
 * is done or fails.  He may hold a lock himself that the function needs, which no detector of deadlocks would notice: so
 * the worker waits for none for long.
 */
#include "base/background.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

/* the caller ------------------------------------------------------------------------------ */

dsm_segment *
toms_background_segment(Size size)
{
	dsm_segment *segment = dsm_create(size, 0);
	TomsBackgroundTask *task = dsm_segment_address(segment);

	Assert(size >= sizeof(TomsBackgroundTask));
	memset(task, 0, size);
	task->database = MyDatabaseId;
	return segment;
}

bool
toms_background_run(const char *name, const char *type, const char *function, dsm_segment *segment)
{
	BackgroundWorker worker = {.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,.bgw_restart_time = BGW_NEVER_RESTART,
	.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment)),.bgw_notify_pid = MyProcPid};
	BackgroundWorkerHandle *handle;

	strlcpy(worker.bgw_name, name, BGW_MAXLEN);
	strlcpy(worker.bgw_type, type, BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "toms", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
	return RegisterDynamicBackgroundWorker(&worker, &handle) && WaitForBackgroundWorkerShutdown(handle) == BGWH_STOPPED &&
		((TomsBackgroundTask *) dsm_segment_address(segment))->done;
}

/* the worker ------------------------------------------------------------------------------ */

static TomsBackgroundTask *
connect_to(Datum handle, const char *activity)
{
	dsm_segment *segment;
	TomsBackgroundTask *task;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	segment = dsm_attach(DatumGetUInt32(handle));
	if (segment == NULL)
		return NULL;
	task = dsm_segment_address(segment);
	/* the bootstrap superuser, may he log in or not */
	BackgroundWorkerInitializeConnectionByOid(task->database, InvalidOid, BGWORKER_BYPASS_ALLOWCONN);
	pgstat_report_activity(STATE_RUNNING, activity);
	/* what the caller relies on must not be gone after a crash */
	SetConfigOption("synchronous_commit", "on", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", "10s", PGC_SUSET, PGC_S_OVERRIDE);
	return task;
}

void
toms_background_work(Datum handle, const char *activity, void (*step) (void *task))
{
	TomsBackgroundTask *task = connect_to(handle, activity);
	MemoryContext context = CurrentMemoryContext;

	if (task == NULL)
		return;					/* nobody waits any more */
	PG_TRY();
	{
		step(task);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		strlcpy(task->problem, error->message, sizeof(task->problem));
		strlcpy(task->detail, error->detail ? error->detail : "", sizeof(task->detail));
		PG_RE_THROW();
	}
	PG_END_TRY();
	task->done = true;
}
