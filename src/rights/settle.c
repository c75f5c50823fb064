/*
 * settle.c - once it is known what became of a transaction that was to erase, the log outside is told.
 *
 * Called by the database's worker that seals, after each of its steps, as the bootstrap superuser.
 */
#include "rights/rights.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "base/system_settings.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "guard/guard.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* True: a transaction is still under way, or what became of it cannot be told yet. */
static bool
settle(void)
{
	Oid			schema;
	bool		isnull;
	bool		unsettled = false;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) toms_use_system_settings();
	PushActiveSnapshot(GetTransactionSnapshot());
	/* also where nobody uses protected tables, monitoring is told */
	(void) toms_gate_is_open();
	schema = get_namespace_oid("toms", true);
	if (OidIsValid(schema) && OidIsValid(get_relname_relid("ledger", schema)))
	{
		SPI_connect();
		if (SPI_execute("SELECT toms.settle_ledger()", false, 0) != SPI_OK_SELECT || SPI_processed != 1)
			elog(ERROR, "could not settle the erasure ledger");
		unsettled = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		SPI_finish();
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return unsettled;
}

void
toms_settle_init(void)
{
	toms_worker_also = settle;
}
