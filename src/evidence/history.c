/*
 * history.c - once a day the worker that seals runs the check and keeps what it found.
 *
 * Called by the database's worker that seals, after each of its steps, as the bootstrap superuser.  A run is due once in each
 * toms.check_interval as the clock counts it, days being those of UTC; the tables say whether it has been there, so that neither
 * a restart nor another process makes a second one.  An error in it is written to the server log, and sealing goes on.
 */
#include "evidence/evidence.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "base/system_settings.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "guard/guard.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* After an error, and before the next is due, the worker comes by itself. */
#define SOON_MS (10 * 60 * 1000)

static int	check_interval = 24 * 60 * 60;

static bool (*next_also) (void) = NULL;
static int	known_interval = 0;	/* for which next_check was found */
static TimestampTz next_check = 0;

/* Returns when the next run is due. */
static TimestampTz
run_if_due(void)
{
	TimestampTz next;
	bool		isnull;

	SPI_connect();
	if (SPI_execute("SELECT toms.check_if_due()", false, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not run the check");
	next = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return next;
}

static void
look(void)
{
	TimestampTz next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SOON_MS);
	Oid			schema;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) toms_use_system_settings();
	PushActiveSnapshot(GetTransactionSnapshot());
	schema = get_namespace_oid("toms", true);
	/* what is shown while tables are closed tells nothing of the measures */
	if (OidIsValid(schema) && OidIsValid(get_relname_relid("check_run", schema)) && toms_gate_is_open())
		next = run_if_due();
	PopActiveSnapshot();
	CommitTransactionCommand();
	next_check = next;
}

static void
describe_check(void *arg)
{
	errcontext("background worker of database %u, running the check", MyDatabaseId);
}

static void
try_look(void)
{
	ErrorContextCallback callback = {.previous = error_context_stack,.callback = describe_check};

	error_context_stack = &callback;
	pgstat_report_activity(STATE_RUNNING, "toms runs the check");
	PG_TRY();
	{
		look();
	}
	PG_CATCH();
	{
		toms_process_clean_up_error();
		next_check = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SOON_MS);
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(toms_process_context);
}

/* A next one that is farther away than an interval is of a clock that was set back since. */
static bool
is_due(void)
{
	TimestampTz now = GetCurrentTimestamp();

	return now >= next_check || known_interval != check_interval ||
		next_check - now > Max(check_interval * USECS_PER_SEC, SOON_MS * INT64CONST(1000));
}

static bool
check_also(void)
{
	bool		again = next_also && next_also();

	if (toms_process_terminating)
		return again;
	if (is_due())
		try_look();
	known_interval = check_interval;
	return again || TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next_check) < SOON_MS;
}

void
toms_evidence_init(void)
{
	DefineCustomIntVariable("toms.check_interval",
							"How often the background worker runs the check and keeps what it found.",
							"Intervals are counted from midnight, UTC; the first run is at the end of the one in which the audit trail came into use.",
							&check_interval, 24 * 60 * 60, 1, 10 * 366 * 24 * 60 * 60, PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
	next_also = toms_worker_also;
	toms_worker_also = check_also;
}
