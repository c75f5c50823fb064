/*
 * place.c - which block an entry is in, and the leaf that stands for it there.
 *
 * Called when a block is closed and verified.  Both run one query over toms.audit_entry, which
 * PostgreSQL may spread over parallel workers: toms.audit_leaf() turns a row into few bytes that
 * are sorted.  All it has to know is in a map that the query brings along.
 *
 * An entry is of the segment whose ids its own is among; it is in the first block of that segment
 * whose snapshot sees its transaction, or else in the first block of any segment after that.
 */
#include "audit/block.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* What is sorted: the block's place in the map, the kind, the id; behind that the leaf. */
#define PLACE_BYTES (2 + 1 + sizeof(int64))
#define PLACED_BYTES (PLACE_BYTES + TOMS_HASH_BYTES)

typedef struct MapSegment
{
	int64		first_id;
	int64		number;
} MapSegment;

typedef struct MapBlock
{
	uint64		xmax;
	int64		first_xip;
	int32		xips;
	int32		segment;
	uint8		secret[TOMS_BLOCK_SECRET_BYTES];
} MapBlock;

/* A bytea; behind it segments, blocks, transactions in progress. */
typedef struct Map
{
	int32		header;
	int32		segments;
	int32		blocks;
	int32		before;
	int32		open;
	int32		unused;
	int64		xips;
	uint64		own;			/* the caller's transaction sees entries of its own: they are in no block yet */
} Map;

#define map_segments(map) ((MapSegment *) ((map) + 1))
#define map_blocks(map) ((MapBlock *) (map_segments(map) + (map)->segments))
#define map_xips(map) ((uint64 *) (map_blocks(map) + (map)->blocks))

PG_FUNCTION_INFO_V1(toms_audit_leaf);

/* the map --------------------------------------------------------------------------------- */

static Map *
make_map(const TomsMapParts *parts)
{
	int64		xips = 0;
	Size		size;
	Map		   *map;

	Assert(parts->count <= TOMS_MAP_LIMIT);
	for (int i = 0; i < parts->count; i++)
		xips += parts->blocks[i].snapshot->count;
	size = sizeof(Map) + parts->segment_count * sizeof(MapSegment) + parts->count * sizeof(MapBlock) + xips * sizeof(uint64);
	map = palloc0(size);
	SET_VARSIZE(map, size);
	map->segments = parts->segment_count;
	map->blocks = parts->count;
	map->before = parts->before;
	map->open = parts->open;
	map->own = U64FromFullTransactionId(GetTopFullTransactionIdIfAny());
	for (int i = 0; i < parts->segment_count; i++)
		map_segments(map)[i] = (MapSegment) {parts->segments[i].first_id, parts->segments[i].number};
	for (int i = 0; i < parts->count; i++)
	{
		const TomsSnapshot *snapshot = parts->blocks[i].snapshot;
		MapBlock   *block = &map_blocks(map)[i];

		block->xmax = snapshot->xmax;
		block->first_xip = map->xips;
		block->xips = snapshot->count;
		block->segment = parts->blocks[i].segment;
		memcpy(block->secret, parts->blocks[i].secret, TOMS_BLOCK_SECRET_BYTES);
		if (snapshot->count > 0)
			memcpy(map_xips(map) + map->xips, snapshot->xip, snapshot->count * sizeof(uint64));
		map->xips += snapshot->count;
	}
	return map;
}

/* The function can be called by hand, with any bytes. */
static bool
is_map(const Map *map)
{
	Size		size = VARSIZE(map);
	int64		first = 0;

	if (size < sizeof(Map) || map->segments < 0 || map->blocks < 0 || map->blocks > TOMS_MAP_LIMIT ||
		map->xips < 0 || map->xips > MaxAllocSize / sizeof(uint64) || map->segments > MaxAllocSize / sizeof(MapSegment) ||
		size != sizeof(Map) + map->segments * sizeof(MapSegment) + map->blocks * sizeof(MapBlock) + map->xips * sizeof(uint64))
		return false;
	for (int i = 0; i < map->blocks; i++)
	{
		const MapBlock *block = &map_blocks(map)[i];

		if (block->first_xip != first || block->xips < 0 || block->xips > map->xips - first)
			return false;
		first += block->xips;
	}
	return true;
}

/* an entry's place ------------------------------------------------------------------------ */

/* What a statement keeps: entries of one transaction follow each other. */
typedef struct Placer
{
	const Map  *map;
	bool		known;
	uint64		xid;
	int64		segment;
	int			block;
} Placer;

static int64
segment_of(const Map *map, int64 id)
{
	for (int i = map->segments - 1; i > 0; i--)
		if (map_segments(map)[i].first_id <= id)
			return map_segments(map)[i].number;
	return map->segments > 0 ? map_segments(map)[0].number : 0;
}

static bool
in_progress(const Map *map, const MapBlock *block, uint64 xid)
{
	const uint64 *xips = map_xips(map) + block->first_xip;
	int			low = 0;
	int			high = block->xips;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (xips[middle] < xid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < block->xips && xips[low] == xid;
}

/* Index of the first block that may hold the entry: within a segment, snapshots ascend. */
static int
first_candidate(const Map *map, int64 segment, uint64 xid)
{
	const MapBlock *blocks = map_blocks(map);
	int			low = 0;
	int			high = map->blocks;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (blocks[middle].segment < segment || (blocks[middle].segment == segment && blocks[middle].xmax <= xid))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int
place(Placer *placer, int64 id, uint64 xid)
{
	const Map  *map = placer->map;
	const MapBlock *blocks = map_blocks(map);
	int64		segment = segment_of(map, id);
	int			block;

	if (placer->known && placer->xid == xid && placer->segment == segment)
		return placer->block;
	block = first_candidate(map, segment, xid);
	while (block < map->blocks && blocks[block].segment == segment && in_progress(map, &blocks[block], xid))
		block++;
	*placer = (Placer) {map, true, xid, segment, block};
	return block;
}

static Placer *
get_placer(FunctionCallInfo fcinfo)
{
	Placer	   *placer = fcinfo->flinfo->fn_extra;
	MemoryContext before;

	if (placer)
		return placer;
	if (PG_ARGISNULL(0))
		elog(ERROR, "no map of blocks");
	before = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	placer = palloc0(sizeof(Placer));
	placer->map = (const Map *) PG_GETARG_BYTEA_P_COPY(0);
	MemoryContextSwitchTo(before);
	if (!is_map(placer->map))
		elog(ERROR, "not a map of blocks");
	fcinfo->flinfo->fn_extra = placer;
	return placer;
}

static uint8 *
put_number(uint8 *at, uint64 number, int bytes)
{
	number = pg_hton64(number);
	memcpy(at, (uint8 *) &number + sizeof(number) - bytes, bytes);
	return at + bytes;
}

/* One that is in none of the blocks, or in one that is open: the id and the time take the leaf's place. */
static void
write_loose(uint8 *at, int block, const TomsEntry *entry)
{
	at = put_number(at, block, 2);
	at = put_number(at, (uint8) entry->kind, 1);
	at = put_number(at, 0, sizeof(int64));
	at = put_number(at, entry->id, sizeof(int64));
	(void) put_number(at, entry->at, sizeof(int64));
}

/* toms.audit_leaf(map, columns of an entry): what is sorted, or null for an entry that is not wanted. */
Datum
toms_audit_leaf(PG_FUNCTION_ARGS)
{
	Placer	   *placer = get_placer(fcinfo);
	const Map  *map = placer->map;
	Datum		values[TOMS_ENTRY_NATTS];
	bool		nulls[TOMS_ENTRY_NATTS];
	uint8		salt[TOMS_SALT_BYTES];
	struct varlena *result;
	TomsEntry	entry;
	int			block;

	for (int i = 0; i < TOMS_ENTRY_NATTS; i++)
	{
		values[i] = PG_GETARG_DATUM(i + 1);
		nulls[i] = PG_ARGISNULL(i + 1);
		if (nulls[i])
			values[i] = (Datum) 0;
	}
	entry = toms_entry_of_row(values, nulls);
	block = place(placer, entry.id, (uint64) entry.xid);
	/* no id that was ever given out: what bears it is in no block */
	if (entry.id <= 0)
		block = map->blocks;
	if (block < map->before || (block == map->blocks && map->open < 0) ||
		(map->open >= 0 && block >= map->open && map->own != 0 && (uint64) entry.xid == map->own))
		PG_RETURN_NULL();
	result = palloc0(VARHDRSZ + PLACED_BYTES);
	SET_VARSIZE(result, VARHDRSZ + PLACED_BYTES);
	if (block == map->blocks || block == map->open)
		write_loose((uint8 *) VARDATA(result), block == map->blocks ? TOMS_MAP_NOWHERE : block, &entry);
	else
	{
		uint8	   *at = put_number((uint8 *) VARDATA(result), block, 2);

		at = put_number(at, (uint8) entry.kind, 1);
		at = put_number(at, entry.id, sizeof(int64));
		toms_entry_salt(salt, map_blocks(map)[block].secret, entry.id);
		toms_entry_leaf(at, salt, &entry);
	}
	PG_RETURN_BYTEA_P(result);
}

/* the query ------------------------------------------------------------------------------- */

typedef struct Receiver
{
	DestReceiver dest;
	int			open;
	TomsPlacedVisit visit;
	void	   *arg;
	bool		marking;
	bool		with_bytes;
	MemoryContext context;		/* of one visit */
} Receiver;

static uint64
get_number(const uint8 *at, int bytes)
{
	uint64		number = 0;

	for (int i = 0; i < bytes; i++)
		number = number << 8 | at[i];
	return number;
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	Receiver   *receiver = (Receiver *) self;
	TomsPlaced	placed;
	const uint8 *at;
	MemoryContext before;
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);

	if (isnull)
		return true;
	at = (const uint8 *) VARDATA_ANY(DatumGetPointer(value));
	placed.block = (int) get_number(at, 2);
	placed.kind = (char) at[2];
	if (placed.block == TOMS_MAP_NOWHERE || placed.block == receiver->open)
	{
		placed.id = (int64) get_number(at + PLACE_BYTES, sizeof(int64));
		placed.at = (TimestampTz) get_number(at + PLACE_BYTES + sizeof(int64), sizeof(int64));
		placed.leaf = NULL;
	}
	else
	{
		placed.id = (int64) get_number(at + 3, sizeof(int64));
		placed.at = 0;
		placed.leaf = at + PLACE_BYTES;
	}
	placed.marked = receiver->marking && DatumGetBool(slot_getattr(slot, 2, &isnull)) && !isnull;
	placed.bytes = (TomsBytes) {NULL, 0};
	value = receiver->with_bytes ? slot_getattr(slot, 3, &isnull) : (Datum) 0;
	before = MemoryContextSwitchTo(receiver->context);
	if (receiver->with_bytes && !isnull)
	{
		bytea	   *bytes = DatumGetByteaPP(value);

		placed.bytes = (TomsBytes) {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
	}
	receiver->visit(receiver->arg, &placed);
	MemoryContextSwitchTo(before);
	return true;
}

static void
ignore_startup(DestReceiver *self, int operation, TupleDesc descriptor)
{
}

static void
ignore_end(DestReceiver *self)
{
}

static const char *
more_columns(const TomsMapParts *parts)
{
	if (!OidIsValid(parts->marked))
		return "";
	return psprintf(", tableoid = %u%s", parts->marked, parts->with_bytes ?
					psprintf(", CASE WHEN tableoid = %u THEN toms.audit_bytes(id, at, xid, who, object, key, kind, verb, tenant, columns, payload) END",
							 parts->marked) : "");
}

/* The rows are not kept: SPI hands them on one by one, and a plan may have parallel workers. */
void
toms_entries_walk(const TomsMapParts *parts, const char *condition, TomsPlacedVisit visit, void *arg)
{
	Receiver	receiver = {.dest = {receive, ignore_startup, ignore_end, ignore_end, DestTuplestore},
	.open = parts->open,.marking = OidIsValid(parts->marked),.with_bytes = parts->with_bytes,.visit = visit,.arg = arg,.context = CurrentMemoryContext};
	ParamListInfo params = makeParamList(1);
	SPIExecuteOptions options = {.params = params,.read_only = true,.dest = &receiver.dest};
	Map		   *map = make_map(parts);

	params->params[0] = (ParamExternData) {PointerGetDatum(map), false, 0, BYTEAOID};
	if (SPI_execute_extended(psprintf("SELECT toms.audit_leaf($1, id, at, xid, who, object, key, kind, verb, tenant, columns, payload)%s "
									  "FROM toms.audit_entry WHERE %s ORDER BY 1", more_columns(parts), condition), &options) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_entry");
	pfree(map);
}
