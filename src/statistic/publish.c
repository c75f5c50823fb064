/*
 * publish.c - what a statistic has computed is stored in a transaction of its own.
 *
 * Called by statistic.c before it answers.  If the caller's transaction stored it, ROLLBACK would
 * take back that a period is published, but not that he has read it: he could ask again after a
 * row has changed and subtract.  So a background worker runs the statement that it finds in a
 * segment of shared memory, as the bootstrap superuser, and commits while the caller waits.
 */
#include "statistic/statistic_int.h"

#include "access/xact.h"
#include "base/background.h"
#include "base/debug_point.h"
#include "base/system_settings.h"
#include "executor/spi.h"
#include "utils/snapmgr.h"

/* What lies in the segment. */
typedef struct Task
{
	TomsBackgroundTask common;
	char		statement[FLEXIBLE_ARRAY_MEMBER];
} Task;

extern PGDLLEXPORT void toms_publish_main(Datum handle);

static void
refuse_worker(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("the statistic could not be published"),
			 errdetail("What is published is committed by a background worker before it is answered."),
			 errhint("Ask again; if that does not help, raise max_worker_processes or look into the server log.")));
}

void
toms_publish(const char *statement)
{
	Size		length = strlen(statement) + 1;
	dsm_segment *segment = toms_background_segment(offsetof(Task, statement) + length);
	Task	   *task = dsm_segment_address(segment);

	memcpy(task->statement, statement, length);
	if (!toms_background_run("toms publishes a statistic", "toms statistic", "toms_publish_main", segment))
		refuse_worker();
	TOMS_DEBUG_POINT("statistic-before-answer");
	dsm_detach(segment);
}

/* the worker ------------------------------------------------------------------------------ */

static void
run_task(void *task)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactReadOnly = false;
	(void) toms_use_system_settings();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute(((Task *) task)->statement, false, 0) < 0 || SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not store a statistic");
	PopActiveSnapshot();
	CommitTransactionCommand();
}

void
toms_publish_main(Datum handle)
{
	toms_background_work(handle, "toms.statistic()", run_task);
}
