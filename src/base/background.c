/*
 * background.c - runs a function in a background worker while the caller waits.
 *
 * Called by statistic/publish.c and audit/task.c.  The caller holds no lock that the function needs:
 * nobody would notice.  His segment lives until he is done or fails.
 */
#include "base/background.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"

bool
toms_run_in_background(const char *name, const char *type, const char *function, dsm_segment *segment)
{
	BackgroundWorker worker = {.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,.bgw_restart_time = BGW_NEVER_RESTART,
	.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment)),.bgw_notify_pid = MyProcPid};
	BackgroundWorkerHandle *handle;

	strlcpy(worker.bgw_name, name, BGW_MAXLEN);
	strlcpy(worker.bgw_type, type, BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "toms", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
	return RegisterDynamicBackgroundWorker(&worker, &handle) && WaitForBackgroundWorkerShutdown(handle) == BGWH_STOPPED;
}
