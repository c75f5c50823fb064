/*
 * verify.c - toms.verify_audit(): is the trail as it was sealed?
 *
 * Blocks are read in order and checked one by one; then their entries are read, many blocks at a
 * time, and compared with what was sealed; then the log outside of the database is.
 * Memory is bounded by the blocks of one batch and the manifest of one block.
 */
#include "audit/verify.h"

#include "access/xlog.h"
#include "audit/dataset.h"
#include "base/system_settings.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define BATCH_BLOCKS 16000
#define BATCH_XIPS (4 * 1024 * 1024)

/* Blocks are closed and told of within so many of toms.seal_interval. */
#define INTERVALS 10

/* Blocks whose entries are verified together. */
typedef struct Batch
{
	MemoryContext context;
	TomsCheckedBlock *blocks;
	int			count;
	int			before;
	int64		xips;
} Batch;

PG_FUNCTION_INFO_V1(toms_audit_faults);

void
toms_verify_report(const TomsVerification *run, TomsFault fault)
{
	Datum		values[6] = {CStringGetTextDatum(fault.fault), Int64GetDatum(fault.block), Int64GetDatum(fault.to_block),
		Int64GetDatum(fault.entry), Int32GetDatum(fault.timeline), (Datum) 0};
	bool		nulls[6] = {false, fault.block == 0, fault.to_block == 0, fault.entry == 0, fault.timeline == 0, fault.detail == NULL};

	if (fault.detail)
		values[5] = CStringGetTextDatum(fault.detail);
	tuplestore_putvalues(run->result->setResult, run->result->setDesc, values, nulls);
	pfree(DatumGetPointer(values[0]));
	if (fault.detail)
		pfree(DatumGetPointer(values[5]));
}

static const char *const statements[] = {
	[TOMS_VERIFY_MANIFEST] = "SELECT manifest, EXISTS (SELECT FROM toms.audit_pruned p WHERE p.block = b.number) FROM toms.audit_block b WHERE number = $1 LIMIT 1",
	[TOMS_VERIFY_PRUNED] = ("SELECT start, size, hash FROM toms.audit_pruned WHERE block = $1 AND start >= 0 AND size > 0 AND length(hash) = 32 "
						   "ORDER BY start LIMIT 1000000"),
	[TOMS_VERIFY_HEADER] = "SELECT header FROM toms.audit_block WHERE number = $1 LIMIT 1",
};

void
toms_verify_query(TomsVerification *run, TomsVerifyStatement statement, int64 number)
{
	Datum		value = Int64GetDatum(number);

	if (run->plans[statement] == NULL)
	{
		Oid			type = INT8OID;
		SPIPlanPtr	plan = SPI_prepare(statements[statement], 1, &type);

		/* it outlives this level of SPI */
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare what verifies the trail");
		run->plans[statement] = plan;
	}
	if (SPI_execute_plan(run->plans[statement], &value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the trail");
}

static void
free_plans(void *arg)
{
	TomsVerification *run = arg;

	for (int i = 0; i < lengthof(run->plans); i++)
		if (run->plans[i])
			SPI_freeplan(run->plans[i]);
}

/* batches --------------------------------------------------------------------------------- */

static void
start_batch(Batch *batch, const TomsCheckedBlock *before)
{
	MemoryContext former = batch->context;

	batch->context = AllocSetContextCreate(CurrentMemoryContext, "toms verified blocks", ALLOCSET_DEFAULT_SIZES);
	batch->count = batch->before = 0;
	batch->xips = 0;
	if (before)
	{
		TomsCheckedBlock kept = *before;
		Size		size = sizeof(uint64) * kept.snapshot.count;

		batch->blocks = MemoryContextAlloc(batch->context, sizeof(TomsCheckedBlock) * (BATCH_BLOCKS + 1));
		kept.snapshot.xip = memcpy(MemoryContextAlloc(batch->context, size + 1), kept.snapshot.xip, size);
		batch->blocks[batch->count++] = kept;
		batch->before = 1;
	}
	else
		batch->blocks = MemoryContextAlloc(batch->context, sizeof(TomsCheckedBlock) * (BATCH_BLOCKS + 1));
	if (former)
		MemoryContextDelete(former);
}

static void
finish_batch(TomsVerification *run, Batch *batch, bool open)
{
	const TomsCheckedBlock *last = NULL;

	toms_verify_entries(run, batch->blocks, batch->count, batch->before, open);
	for (int i = 0; i < batch->count; i++)
		if (batch->blocks[i].placed)
			last = &batch->blocks[i];
	start_batch(batch, last);
}

static void
take_row(TomsVerification *run, TomsChain *chain, Batch *batch, HeapTuple row, TupleDesc columns)
{
	MemoryContext before = MemoryContextSwitchTo(batch->context);
	TomsCheckedBlock *block = &batch->blocks[batch->count];
	bool		isnull;
	bool		quiet = DatumGetInt64(SPI_getbinval(row, columns, 1, &isnull)) < run->first;

	if (toms_verify_block(run, chain, quiet, row, columns, block))
	{
		if (quiet && block->placed)
			batch->before = 1;
		if (!quiet || block->placed)
			batch->count++;
		batch->xips += block->snapshot.count;
	}
	MemoryContextSwitchTo(before);
}

/* The blocks of the range in order, and one before them. */
static void
verify_blocks(TomsVerification *run)
{
	TomsChain	chain = {0};
	Batch		batch = {0};
	Datum		values[] = {Int64GetDatum(run->first), Int64GetDatum(run->last)};
	Portal		portal = SPI_cursor_open_with_args(NULL, "SELECT " TOMS_BLOCK_COLUMNS " FROM toms.audit_block "
												   "WHERE number >= coalesce((SELECT max(number) FROM toms.audit_block WHERE number < $1), $1) AND number <= $2 "
												   "ORDER BY number", 2, (Oid[]) {INT8OID, INT8OID}, values, NULL, true, 0);

	start_batch(&batch, NULL);
	for (SPI_cursor_fetch(portal, true, 100); SPI_processed > 0; SPI_cursor_fetch(portal, true, 100))
	{
		SPITupleTable *rows = SPI_tuptable;

		for (uint64 i = 0; i < rows->numvals; i++)
		{
			if (batch.count >= BATCH_BLOCKS || batch.xips >= BATCH_XIPS)
				finish_batch(run, &batch, false);
			take_row(run, &chain, &batch, rows->vals[i], rows->tupdesc);
		}
		SPI_freetuptable(rows);
	}
	SPI_cursor_close(portal);
	finish_batch(run, &batch, run->ends);
	MemoryContextDelete(batch.context);
}

/* the range ------------------------------------------------------------------------------- */

static int64
number_of(const char *query, NullableDatum time, int64 otherwise)
{
	bool		isnull = true;
	int64		number = 0;

	if (time.isnull)
		return otherwise;
	if (SPI_execute_with_args(query, 1, (Oid[]) {TIMESTAMPTZOID}, &time.value, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_block");
	if (SPI_processed > 0)
		number = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	return isnull ? otherwise : number;
}

static void
find_range(TomsVerification *run, NullableDatum since, NullableDatum until)
{
	bool		isnull;

	if (SPI_execute("SELECT max(number), max(sealed_at) FROM toms.audit_block", true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read toms.audit_block");
	run->last = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	run->last = isnull ? 0 : run->last;
	run->sealed_at = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	run->sealed_at = isnull ? DT_NOBEGIN : run->sealed_at;
	run->begins = since.isnull;
	run->ends = until.isnull;
	run->first = since.isnull ? 1 : number_of("SELECT min(number) FROM toms.audit_block WHERE sealed_at >= $1", since, run->last == PG_INT64_MAX ? run->last : run->last + 1);
	run->last = number_of("SELECT coalesce(max(number), 0) FROM toms.audit_block WHERE sealed_at <= $1", until, run->last);
}

/* In microseconds. */
static int64
patience(void)
{
	const char *interval = GetConfigOption("toms.seal_interval", true, false);

	return interval ? (int64) atoi(interval) * 1000 * INTERVALS : 5 * USECS_PER_MINUTE;
}

static void
prepare(TomsVerification *run, NullableDatum since, NullableDatum until)
{
	find_range(run, since, until);
	run->has_dataset = toms_dataset_get(run->dataset);
	run->has_key = toms_audit_key(run->key);
	run->segment_count = toms_segments_read(&run->segments);
	run->overdue = GetCurrentTimestamp() - patience();
	/* while the server was down, or did not know of the log outside, nothing could be done */
	if (PgStartTime > run->overdue || PgReloadTime > run->overdue)
		run->overdue = DT_NOBEGIN;
}

/* toms.audit_faults(since, until): one row for each fault. */
Datum
toms_audit_faults(PG_FUNCTION_ARGS)
{
	TomsVerification *run = palloc0(sizeof(TomsVerification));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	NullableDatum since = {PG_GETARG_DATUM(0), PG_ARGISNULL(0)};
	NullableDatum until = {PG_GETARG_DATUM(1), PG_ARGISNULL(1)};
	int			level = toms_use_system_settings();

	InitMaterializedSRF(fcinfo, 0);
	run->result = (ReturnSetInfo *) fcinfo->resultinfo;
	/* also when it fails */
	callback->func = free_plans;
	callback->arg = run;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	SPI_connect();
	prepare(run, since, until);
	verify_blocks(run);
	if (run->begins && run->ends)
		toms_verify_prunings(run);
	toms_verify_outside(run);
	SPI_finish();
	AtEOXact_GUC(true, level);
	return (Datum) 0;
}
