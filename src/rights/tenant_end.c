/*
 * tenant_end.c - ends of contracts, in the rounds of the worker that carries out rules of retention.
 *
 * Called by retention/round.c.  What is to be done is toms.end_tenants()'s to know; each call is one transaction.
 */
#include "rights/rights.h"
#include "rights/tenant_end.h"

#include "base/debug_point.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

int64
toms_end_tenants_step(int rows, bool *more)
{
	int64		done;
	bool		isnull;

	SPI_connect();
	if (SPI_execute_with_args("SELECT coalesce(pg_catalog.sum(e.rows), 0)::pg_catalog.int8, coalesce(pg_catalog.bool_or(e.more), false) FROM toms.end_tenants($1) e",
							  1, (Oid[]) {INT4OID}, (Datum[]) {Int32GetDatum(rows)}, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not end contracts");
	done = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	*more = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	SPI_finish();
	TOMS_DEBUG_POINT("tenant-end-before-commit");
	return done;
}
