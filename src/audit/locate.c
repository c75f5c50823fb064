/*
 * locate.c - in which block an entry was sealed, for who reads many of them.
 *
 * Called by toms.audit_trail() for each entry.  The call site keeps where blocks end, as the columns
 * of toms.audit_block say; toms.verify_audit() and proofs go by what was signed.
 */
#include "audit/block.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

typedef struct Sealed
{
	int64		number;
	int32		segment;
	uint64		xmax;
	TomsSnapshot *snapshot;		/* NULL: not read yet */
} Sealed;

typedef struct Located
{
	MemoryContext memory;
	TomsSegment *segments;
	int			segment_count;
	Sealed	   *blocks;
	int64		count;
	bool		known;			/* the last question and its answer: entries of a transaction follow each other */
	int32		segment;
	uint64		xid;
	int64		number;
} Located;

PG_FUNCTION_INFO_V1(toms_audit_block_of);

/* Blocks that may have entries since then; a clock that was put back is not a day off. */
static const char read_blocks[] =
"SELECT number, segment, pg_catalog.pg_snapshot_xmax(snapshot)::text::bigint FROM toms.audit_block"
" WHERE $1 IS NULL OR sealed_at >= $1 - interval '1 day' ORDER BY number";

static void
read_all(Located *located, NullableDatum since)
{
	bool		isnull;
	MemoryContext before;

	SPI_connect();
	located->segment_count = toms_segments_read(&located->segments);
	before = MemoryContextSwitchTo(located->memory);
	located->segments = memcpy(palloc(sizeof(TomsSegment) * (located->segment_count + 1)), located->segments, sizeof(TomsSegment) * located->segment_count);
	MemoryContextSwitchTo(before);
	if (SPI_execute_with_args(read_blocks, 1, (Oid[]) {TIMESTAMPTZOID}, &since.value, since.isnull ? "n" : " ", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_block");
	located->count = (int64) SPI_processed;
	located->blocks = MemoryContextAllocHuge(located->memory, sizeof(Sealed) * (located->count + 1));
	for (int64 i = 0; i < located->count; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	columns = SPI_tuptable->tupdesc;

		located->blocks[i] = (Sealed)
		{
			DatumGetInt64(SPI_getbinval(row, columns, 1, &isnull)), DatumGetInt32(SPI_getbinval(row, columns, 2, &isnull)),
				(uint64) DatumGetInt64(SPI_getbinval(row, columns, 3, &isnull)), NULL
		};
	}
	SPI_finish();
}

static const TomsSnapshot *
snapshot_of(Located *located, Sealed *block)
{
	Datum		number = Int64GetDatum(block->number);
	MemoryContext before;
	const char *text = NULL;

	if (block->snapshot)
		return block->snapshot;
	SPI_connect();
	if (SPI_execute_with_args("SELECT snapshot::text FROM toms.audit_block WHERE number = $1", 1, (Oid[]) {INT8OID}, &number, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_block");
	if (SPI_processed == 1)
		text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	before = MemoryContextSwitchTo(located->memory);
	block->snapshot = palloc0(sizeof(TomsSnapshot));
	if (text == NULL || !toms_snapshot_read(text, block->snapshot))
		memset(block->snapshot, 0, sizeof(TomsSnapshot));
	MemoryContextSwitchTo(before);
	SPI_finish();
	return block->snapshot;
}

static bool
in_progress(Located *located, Sealed *block, uint64 xid)
{
	const TomsSnapshot *snapshot = snapshot_of(located, block);

	for (int i = 0; i < snapshot->count; i++)
	{
		if (snapshot->xip[i] == xid)
			return true;
	}
	return false;
}

static int32
segment_of(const Located *located, int64 id)
{
	for (int i = located->segment_count - 1; i > 0; i--)
	{
		if (located->segments[i].first_id <= id)
			return located->segments[i].number;
	}
	return located->segment_count > 0 ? located->segments[0].number : 0;
}

/* 0: it is in none yet. */
static int64
find(Located *located, int32 segment, uint64 xid)
{
	int64		low = 0;
	int64		high = located->count;

	while (low < high)
	{
		int64		middle = low + (high - low) / 2;
		const Sealed *block = &located->blocks[middle];

		if (block->segment < segment || (block->segment == segment && block->xmax <= xid))
			low = middle + 1;
		else
			high = middle;
	}
	while (low < located->count && located->blocks[low].segment == segment && in_progress(located, &located->blocks[low], xid))
		low++;
	return low < located->count ? located->blocks[low].number : 0;
}

static Located *
kept_by(FunctionCallInfo fcinfo, NullableDatum since)
{
	Located    *located = fcinfo->flinfo->fn_extra;

	if (located)
		return located;
	located = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Located));
	located->memory = fcinfo->flinfo->fn_mcxt;
	read_all(located, since);
	fcinfo->flinfo->fn_extra = located;
	return located;
}

/* toms.audit_block_of(id, xid, since): null: it has not been sealed; no entry asked for is from before "since". */
Datum
toms_audit_block_of(PG_FUNCTION_ARGS)
{
	NullableDatum since = {PG_GETARG_DATUM(2), PG_ARGISNULL(2)};
	Located    *located = kept_by(fcinfo, since);
	int32		segment = segment_of(located, PG_GETARG_INT64(0));
	uint64		xid = (uint64) PG_GETARG_INT64(1);

	if (!located->known || located->segment != segment || located->xid != xid)
		located->number = find(located, segment, xid);
	located->known = true;
	located->segment = segment;
	located->xid = xid;
	if (located->number == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(located->number);
}
