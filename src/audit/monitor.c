/*
 * monitor.c - the state of this database's audit queue, as a row.
 *
 * Called by the view toms.audit_queue.
 */
#include "audit/audit_int.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define COLUMNS 13

PG_FUNCTION_INFO_V1(toms_audit_queue_state);

static Datum
number_or_null(int64 number, bool none, bool *isnull)
{
	*isnull = none;
	return Int64GetDatum(number);
}

static void
put_row(ReturnSetInfo *result, const TomsQueueState *state)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	values[0] = Int32GetDatum(state->writer);
	nulls[0] = state->writer == 0;
	values[1] = Int64GetDatum((int64) state->size);
	values[2] = Int64GetDatum((int64) state->used);
	values[3] = Int64GetDatum(state->added);
	values[4] = Int64GetDatum(state->merged);
	values[5] = Int64GetDatum(state->written);
	values[6] = Int64GetDatum(state->waits);
	values[7] = Int64GetDatum(state->timeouts);
	values[8] = Int64GetDatum(state->unended);
	values[9] = number_or_null(TimestampDifferenceMilliseconds(state->oldest, GetCurrentTimestamp()), state->oldest == 0, &nulls[9]);
	values[10] = TimestampTzGetDatum(state->committed_at);
	nulls[10] = state->committed_at == 0;
	values[11] = Int32GetDatum(toms_audit_delay());
	values[12] = Int32GetDatum(toms_audit_timeout());
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
toms_audit_queue_state(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < toms_queue_count(); i++)
	{
		TomsQueueState state;

		if (toms_queue_state(i, &state) && state.database == MyDatabaseId)
			put_row((ReturnSetInfo *) fcinfo->resultinfo, &state);
	}
	return (Datum) 0;
}
