/*
 * task.c - toms.seal_audit(): the step that closes a block, run by a background worker.
 *
 * A block is committed before its digest is told, which the caller's transaction could not do.  The
 * caller waits; he may have changed rows, which are not in the block, since they are not committed.
 */
#include "audit/block.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "base/background.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "guard/guard.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/snapmgr.h"

/* What lies in the segment of shared memory. */
typedef struct Task
{
	TomsBackgroundTask common;
	int64		number;			/* of the last block */
} Task;

PG_FUNCTION_INFO_V1(toms_seal_audit);

extern PGDLLEXPORT void toms_seal_main(Datum handle);

static void
refuse_worker(const TomsBackgroundTask *task)
{
	if (task->problem[0])
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the audit trail could not be sealed: %s", task->problem),
				 task->detail[0] ? errdetail("%s", task->detail) : 0));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("the audit trail could not be sealed"),
			 errdetail("A background worker closes the block."),
			 errhint("Try again; if that does not help, raise max_worker_processes or look into the server log.")));
}

/* toms.seal_audit(): number of the last block; null: there was never anything to close. */
Datum
toms_seal_audit(PG_FUNCTION_ARGS)
{
	dsm_segment *segment;
	Task	   *task;
	int64		number;

	PreventCommandDuringRecovery("toms.seal_audit()");
	/* what has happened so far is to be in the block */
	(void) toms_event_flush();
	segment = toms_background_segment(sizeof(Task));
	task = dsm_segment_address(segment);
	if (!toms_background_run("toms seals the audit trail", "toms seal", "toms_seal_main", segment))
		refuse_worker(&task->common);
	number = task->number;
	dsm_detach(segment);
	if (number == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(number);
}

/* the worker ------------------------------------------------------------------------------ */

static int64
last_number(void)
{
	int64		number;
	bool		isnull;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute("SELECT pg_catalog.max(number) FROM toms.audit_block", true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read toms.audit_block");
	number = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	return isnull ? 0 : number;
}

static void
run_step(void *arg)
{
	Task	   *task = arg;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactReadOnly = false;
	XactIsoLevel = XACT_READ_COMMITTED;
	/* who asks for it takes what there is for all that is coming */
	PushActiveSnapshot(GetTransactionSnapshot());
	toms_guard_trail_used();
	PopActiveSnapshot();
	task->number = toms_block_close();
	CommitTransactionCommand();
	toms_block_publish();
	if (task->number == 0)
		task->number = last_number();
}

void
toms_seal_main(Datum handle)
{
	toms_background_work(handle, "toms.seal_audit()", run_step);
}
