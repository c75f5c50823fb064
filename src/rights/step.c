/*
 * step.c - what rights are carried out by and by, in the rounds of the worker that carries out rules of retention.
 *
 * Called by retention/round.c; each call is one transaction.  Ends of contracts come first; with the last step of a round
 * come the erasures that waited for the end of a statutory period, whose rows this round may have deleted.
 */
#include "rights/rights.h"
#include "rights/tenant_end.h"

#include "executor/spi.h"

static int64
finish_erasures(void)
{
	int64		finished;
	bool		isnull;

	SPI_connect();
	if (SPI_execute("SELECT toms.finish_erasures()", false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not go on with erasures");
	finished = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return finished;
}

int64
toms_rights_step(int rows, bool *more)
{
	int64		done = toms_end_tenants_step(rows, more);

	return *more ? done : done + finish_erasures();
}
