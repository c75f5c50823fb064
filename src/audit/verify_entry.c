/*
 * verify_entry.c - are the entries of blocks those that were sealed?
 *
 * Called by verify.c for as many blocks as fit into memory.  The entries come sorted as a block's
 * manifest is, so that both are read once side by side: what is in one of them only was added or
 * is missing.  The root has the last word.
 */
#include "audit/verify.h"

#include "access/xlog.h"
#include "audit/swap.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "guard/guard.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

typedef struct Pruned
{
	uint64		start;
	uint64		size;
	uint8		hash[TOMS_HASH_BYTES];
} Pruned;

/* Where the comparison is. */
typedef struct Walk
{
	TomsVerification *run;
	const TomsCheckedBlock *blocks;
	const int  *indexes;		/* of blocks in the map */
	int			map_count;
	int			current;		/* in the map */
	int			open;
	MemoryContext context;		/* of a block */

	const TomsCheckedBlock *block;
	TomsBytes	manifest;
	bool		named;			/* the manifest is what was signed */
	bool		more;			/* it has an item that was not reached */
	TomsManifestItem item;
	Pruned	   *pruned;
	int			pruned_count;
	int			pruned_next;
	TomsTree	tree;
	bool		misfit;			/* a subtree does not fit */
	int64		faults;
	char		kind;			/* of the entry before */
	int64		id;
	const char *streak;			/* all entries up to here have this fault; NULL: not so */
	int64		streaked;
	TomsSwap	swap;

	int64		unsealed;
	int64		unsealed_id;
	TimestampTz unsealed_at;
} Walk;

static void
report(Walk *walk, const char *fault, int64 id, const char *detail)
{
	toms_verify_report(walk->run, (TomsFault) {.fault = fault,.block = walk->block->number,.entry = id,.detail = detail});
}

/* a fault of an entry --------------------------------------------------------------------- */

static void
name_fault(Walk *walk, const char *fault, int64 id)
{
	if (strcmp(fault, "changed") == 0 && toms_swap_keep(&walk->swap, id))
		return;
	report(walk, fault, id, NULL);
}

/* Not all have it: name those that had. */
static void
end_streak(Walk *walk)
{
	TomsManifestItem item = toms_manifest_start(walk->manifest);

	if (walk->streak)
		for (int64 i = 0; i < walk->streaked && toms_manifest_next(&item); i++)
			name_fault(walk, walk->streak, item.id);
	walk->streak = NULL;
	walk->streaked = -1;
}

static void
item_fault(Walk *walk, const char *fault)
{
	walk->faults++;
	if (walk->streaked == 0)
		walk->streak = fault;
	if (walk->streak && strcmp(walk->streak, fault) == 0)
	{
		walk->streaked++;
		return;
	}
	end_streak(walk);
	name_fault(walk, fault, walk->item.id);
}

static void
tell_streak(Walk *walk)
{
	if (walk->streaked < 2)
		end_streak(walk);
	else if (strcmp(walk->streak, "missing") == 0)
		report(walk, "missing", 0, psprintf("all " INT64_FORMAT " entries", walk->streaked));
	else
		report(walk, "block_changed", 0, psprintf("none of " INT64_FORMAT " entries is as it was sealed, or its secret has been changed", walk->streaked));
}

/* side by side ---------------------------------------------------------------------------- */

static void
add_leaf(Walk *walk, const uint8 *hash, uint64 size)
{
	if (!walk->misfit && !toms_tree_add(&walk->tree, hash, size))
		walk->misfit = true;
}

/* Entries that are gone with their period: the tree has their hash, the manifest still has their ids. */
static void
skip_pruned(Walk *walk)
{
	while (walk->pruned_next < walk->pruned_count && walk->pruned[walk->pruned_next].start == walk->tree.size && !walk->misfit)
	{
		const Pruned *pruned = &walk->pruned[walk->pruned_next++];

		add_leaf(walk, pruned->hash, pruned->size);
		for (uint64 i = 0; i < pruned->size && walk->more; i++)
			walk->more = toms_manifest_next(&walk->item);
	}
}

static void
next_item(Walk *walk)
{
	walk->more = toms_manifest_next(&walk->item);
	skip_pruned(walk);
}

static int
compare(char kind, int64 id, char other_kind, int64 other_id)
{
	if (kind != other_kind)
		return (uint8) kind < (uint8) other_kind ? -1 : 1;
	return id < other_id ? -1 : id > other_id;
}

/* A leaf that takes no part keeps the place of the one that was there, so that others stay in theirs. */
static void
miss_item(Walk *walk)
{
	static const uint8 nothing[TOMS_HASH_BYTES] = {0};

	item_fault(walk, "missing");
	add_leaf(walk, nothing, 1);
	next_item(walk);
}

static void
meet_item(Walk *walk, const TomsPlaced *placed)
{
	if (memcmp(walk->item.prefix, placed->leaf, TOMS_MANIFEST_PREFIX) != 0)
		item_fault(walk, "changed");
	else if (walk->streaked >= 0)
		end_streak(walk);
	add_leaf(walk, placed->leaf, 1);
	next_item(walk);
}

static void
take_entry(Walk *walk, const TomsPlaced *placed)
{
	bool		again = walk->tree.size > 0 && walk->kind == placed->kind && walk->id == placed->id;

	Assert(walk->block != NULL);
	walk->kind = placed->kind;
	walk->id = placed->id;
	if (!walk->named)
	{
		add_leaf(walk, placed->leaf, 1);
		skip_pruned(walk);
		return;
	}
	while (walk->more && compare(walk->item.kind, walk->item.id, placed->kind, placed->id) < 0)
		miss_item(walk);
	if (walk->more && walk->item.kind == placed->kind && walk->item.id == placed->id)
		meet_item(walk, placed);
	else if (!walk->more && walk->manifest.length > TOMS_MANIFEST_LIMIT)
		add_leaf(walk, placed->leaf, 1);
	else if (!walk->block->after_gap || again)
	{
		walk->faults++;
		report(walk, "added", placed->id, NULL);
	}
}

/* a block --------------------------------------------------------------------------------- */

/* Whether some of its entries were deleted with their period. */
static bool
load_manifest(Walk *walk)
{
	bool		has_pruned;
	uint8		digest[TOMS_HASH_BYTES];
	MemoryContext spi;
	Datum		value;
	bool		isnull = true;

	SPI_connect();
	toms_verify_query(walk->run, TOMS_VERIFY_MANIFEST, walk->block->number);
	has_pruned = SPI_processed > 0 && DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	isnull = true;
	value = SPI_processed > 0 ? SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull) : (Datum) 0;
	spi = MemoryContextSwitchTo(walk->context);
	walk->manifest = (TomsBytes) {"", 0};
	if (!isnull)
	{
		struct varlena *bytes = PG_DETOAST_DATUM_COPY(value);

		walk->manifest = (TomsBytes) {VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ};
	}
	MemoryContextSwitchTo(spi);
	SPI_finish();
	toms_crypto_sha256(digest, walk->manifest.bytes, walk->manifest.length);
	walk->named = !walk->block->sealed || memcmp(digest, walk->block->manifest, sizeof(digest)) == 0;
	if (!walk->named)
		report(walk, "block_changed", 0, "its manifest is not what was signed");
	return has_pruned;
}

static void
load_pruned(Walk *walk)
{
	SPI_connect();
	toms_verify_query(walk->run, TOMS_VERIFY_PRUNED, walk->block->number);
	walk->pruned_count = (int) SPI_processed;
	walk->pruned = MemoryContextAlloc(walk->context, sizeof(Pruned) * (walk->pruned_count + 1));
	for (int i = 0; i < walk->pruned_count; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		bytea	   *hash;

		walk->pruned[i].start = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		walk->pruned[i].size = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull));
		hash = DatumGetByteaPP(SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &isnull));
		memcpy(walk->pruned[i].hash, VARDATA_ANY(hash), TOMS_HASH_BYTES);
	}
	SPI_finish();
}

static void
start_block(Walk *walk, int current)
{
	walk->current = current;
	walk->block = &walk->blocks[walk->indexes[current]];
	walk->faults = walk->streaked = walk->id = 0;
	walk->streak = NULL;
	walk->misfit = false;
	memset(&walk->tree, 0, offsetof(TomsTree, sizes));
	MemoryContextReset(walk->context);
	walk->pruned_count = walk->pruned_next = 0;
	if (load_manifest(walk))
		load_pruned(walk);
	toms_swap_start(&walk->swap);
	walk->item = toms_manifest_start(walk->manifest);
	walk->more = walk->named && toms_manifest_next(&walk->item);
	/* then the entries from the first to this one are not those of the manifest */
	if (walk->pruned_count > 0)
		walk->streaked = -1;
	skip_pruned(walk);
}

static void
check_root(Walk *walk)
{
	uint8		root[TOMS_HASH_BYTES];

	toms_tree_root(&walk->tree, root);
	if (memcmp(root, walk->block->root, sizeof(root)) != 0)
		report(walk, "changed", 0, (int64) walk->tree.size == walk->block->size ? "its entries are not those that were sealed"
			   : psprintf("it has " UINT64_FORMAT " entries, " INT64_FORMAT " were sealed", walk->tree.size, walk->block->size));
}

static void
finish_block(Walk *walk)
{
	while (walk->named && walk->more)
		miss_item(walk);
	if (walk->streak)
		tell_streak(walk);
	toms_swap_tell(&walk->swap, walk->run, walk->block, walk->manifest);
	if (walk->misfit || walk->pruned_next < walk->pruned_count)
		report(walk, "block_changed", 0, "hashes that stand for its deleted entries are not of its tree");
	else if (walk->faults == 0 && walk->block->sealed)
		check_root(walk);
}

/* Those before "current" have no entries left. */
static void
go_to_block(Walk *walk, int current)
{
	while (walk->current < current)
	{
		if (walk->block)
			finish_block(walk);
		walk->block = NULL;
		if (++walk->current < walk->map_count)
			start_block(walk, walk->current);
	}
}

/* the walk -------------------------------------------------------------------------------- */

static void
take(void *arg, const TomsPlaced *placed)
{
	Walk	   *walk = arg;

	if (placed->block == TOMS_MAP_NOWHERE)
		toms_verify_report(walk->run, (TomsFault) {.fault = "added",.entry = placed->id,.detail = "it is of no transaction that there has been"});
	else if (placed->block == walk->open)
	{
		if (walk->unsealed++ == 0 || placed->at < walk->unsealed_at)
		{
			walk->unsealed_at = placed->at;
			walk->unsealed_id = placed->id;
		}
	}
	else
	{
		if (placed->block != walk->current)
			go_to_block(walk, placed->block);
		take_entry(walk, placed);
	}
}

static void
check_unsealed(const Walk *walk)
{
	if (walk->unsealed > 0 && toms_guard_trail_is_used() && walk->unsealed_at < walk->run->overdue && walk->run->sealed_at < walk->run->overdue)
		toms_verify_report(walk->run, (TomsFault) {.fault = "unsealed",.entry = walk->unsealed_id,
			.detail = psprintf(INT64_FORMAT " entries, the first of %s", walk->unsealed, timestamptz_to_str(walk->unsealed_at))});
}

/* What is not in a block yet: the snapshot of this moment, in a segment that may not have been opened. */
static TomsSnapshot
add_open(TomsVerification *run, TomsMapParts *parts, TomsMapBlock *block)
{
	static const uint8 none[TOMS_BLOCK_SECRET_BYTES] = {0};
	TomsSegment *last = run->segment_count > 0 ? &run->segments[run->segment_count - 1] : NULL;
	TomsSnapshot snapshot;
	char	   *text;

	Assert(run->segments != NULL);	/* with room for one more */
	if (last == NULL || last->system != GetSystemIdentifier())
		run->segments[parts->segment_count++] = (TomsSegment) {last ? last->number + 1 : 1, GetSystemIdentifier(), PG_INT64_MAX};
	if (SPI_execute("SELECT pg_current_snapshot()::text", true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "no snapshot");
	text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (!toms_snapshot_read(text, &snapshot))
		elog(ERROR, "snapshot \"%s\"", text);
	*block = (TomsMapBlock) {run->segments[parts->segment_count - 1].number, NULL, none};
	parts->open = parts->count++;
	return snapshot;
}

/* Rows that may be in these blocks; toms.audit_leaf() knows better. */
static const char *
condition(const TomsMapParts *parts)
{
	const TomsMapBlock *last = &parts->blocks[parts->count - 1];
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "true");
	if (parts->count == 0 || parts->blocks[0].segment != last->segment)
		return text.data;
	if (parts->before > 0)
		appendStringInfo(&text, " AND xid >= " UINT64_FORMAT, parts->blocks[0].snapshot->xmin);
	if (parts->open < 0)
		appendStringInfo(&text, " AND xid < " UINT64_FORMAT, last->snapshot->xmax);
	return text.data;
}

void
toms_verify_entries(TomsVerification *run, const TomsCheckedBlock *blocks, int count, int before, bool open)
{
	TomsMapBlock *map = palloc(sizeof(TomsMapBlock) * (count + 1));
	int		   *indexes = palloc(sizeof(int) * (count + 1));
	TomsMapParts parts = {.segments = run->segments,.segment_count = run->segment_count,.blocks = map,.before = before,.open = -1};
	Walk		walk = {.run = run,.blocks = blocks,.indexes = indexes};
	TomsSnapshot snapshot;

	for (int i = 0; i < count; i++)
		if (blocks[i].placed)
		{
			indexes[parts.count] = i;
			map[parts.count++] = (TomsMapBlock) {blocks[i].segment, &blocks[i].snapshot, blocks[i].secret};
		}
	walk.map_count = parts.count;
	if (open)
	{
		snapshot = add_open(run, &parts, &map[parts.count]);
		map[parts.open].snapshot = &snapshot;
	}
	walk.open = parts.open;
	walk.current = before - 1;
	walk.context = AllocSetContextCreate(CurrentMemoryContext, "toms verified block", ALLOCSET_DEFAULT_SIZES);
	if (parts.count > before)
		toms_entries_walk(&parts, condition(&parts), take, &walk);
	go_to_block(&walk, walk.map_count);
	check_unsealed(&walk);
	MemoryContextDelete(walk.context);
	pfree(map);
	pfree(indexes);
}
