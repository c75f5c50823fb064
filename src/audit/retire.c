/*
 * retire.c - finds the leaves of a partition's entries in the trees of their blocks.
 *
 * Called by prune.c and archive.c before entries go.  All entries of the blocks concerned are read, in
 * order, and put together with what was pruned before: if that does not give the root that was
 * signed, nothing goes.  Memory is bounded by the blocks of one batch, and by one block's entries.
 */
#include "audit/retire.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define BATCH_BLOCKS 4000

typedef struct Range
{
	int64		entries;
	int64		first;			/* block */
	int64		last;
} Range;

typedef struct Walk
{
	Oid			partition;
	bool		with_bytes;
	TomsRetireVisit visit;
	void	   *arg;
	MemoryContext batch;		/* blocks and what was pruned of them */
	MemoryContext one;			/* of one block */
	TomsRetiredBlock *blocks;
	int			count;
	int			before;			/* the first is there for reference */
	TomsSubtree *pruned;
	int			npruned;
	int			next_pruned;
	int			current;		/* block that entries come of; -1: none yet */
	char		kind;			/* of the last entry */
	int64		id;
	int64		room;
	int64		entries;		/* of the partition, found so far */
} Walk;

static void
refuse_changed(int64 block)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("block " INT64_FORMAT " of the audit trail is not as it was sealed", block),
			 errdetail("What is in it is neither pruned nor archived."),
			 errhint("SELECT * FROM toms.verify_audit(); tells what is wrong.")));
}

/* numbers ------------------------------------------------------------------------------ */

static int64
number_of(HeapTuple row, TupleDesc columns, int column, int64 otherwise)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, columns, column, &isnull);

	return isnull ? otherwise : DatumGetInt64(value);
}

static TomsBytes
bytes_of(HeapTuple row, TupleDesc columns, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, columns, column, &isnull);
	struct varlena *bytes;

	if (isnull)
		return (TomsBytes) {NULL, 0};
	bytes = PG_DETOAST_DATUM_COPY(value);
	return (TomsBytes) {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
}

/*
 * Between which blocks the entries are: from the first that may see their first transaction to the
 * first that sees the last one for sure.  Where they are of several segments, all blocks from there.
 */
static const char find_range[] =
"WITH p AS (SELECT count(*) AS entries, min(xid) AS min_xid, max(xid) AS max_xid, min(id) AS min_id, max(id) AS max_id FROM %s),"
" s AS (SELECT p.*, coalesce((SELECT max(g.number) FROM toms.audit_segment g WHERE g.first_id <= p.min_id), 1) AS lowest,"
" coalesce((SELECT max(g.number) FROM toms.audit_segment g WHERE g.first_id <= p.max_id), 1) AS highest FROM p)"
" SELECT s.entries, (SELECT min(b.number) FROM toms.audit_block b WHERE b.segment > s.lowest OR (b.segment = s.lowest AND"
" (s.lowest <> s.highest OR pg_catalog.pg_snapshot_xmax(b.snapshot)::text::bigint > s.min_xid))),"
" coalesce((SELECT min(b.number) FROM toms.audit_block b WHERE s.lowest = s.highest AND (b.segment > s.lowest OR (b.segment = s.lowest AND"
" pg_catalog.pg_snapshot_xmin(b.snapshot)::text::bigint > s.max_xid))), (SELECT max(b.number) FROM toms.audit_block b)) FROM s";

static Range
range_of(Oid partition)
{
	char	   *name = quote_qualified_identifier("toms", get_rel_name(partition));
	HeapTuple	row;
	TupleDesc	columns;

	if (SPI_execute(psprintf(find_range, name), true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read the audit trail");
	row = SPI_tuptable->vals[0];
	columns = SPI_tuptable->tupdesc;
	return (Range) {number_of(row, columns, 1, 0), number_of(row, columns, 2, 0), number_of(row, columns, 3, -1)};
}

/* a block ------------------------------------------------------------------------------ */

static void
add_leaf(Walk *walk, TomsRetiredBlock *block, const TomsPlaced *placed)
{
	MemoryContext before = MemoryContextSwitchTo(walk->one);

	if (placed->marked && walk->with_bytes)
	{
		TomsRetiredEntry *entry;

		if (block->count == walk->room)
		{
			walk->room = Max(64, 2 * walk->room);
			block->entries = block->entries ? repalloc_huge(block->entries, walk->room * sizeof(TomsRetiredEntry)) :
				palloc(walk->room * sizeof(TomsRetiredEntry));
		}
		entry = &block->entries[block->count];
		*entry = (TomsRetiredEntry) {block->cover.size, placed->id, {palloc(placed->bytes.length), placed->bytes.length}};
		memcpy((void *) entry->bytes.bytes, placed->bytes.bytes, placed->bytes.length);
	}
	block->count += placed->marked;
	toms_cover_add(&block->cover, placed->leaf, 1, placed->marked != walk->with_bytes);
	MemoryContextSwitchTo(before);
}

/* What was pruned at this place of the block. */
static void
add_pruned(Walk *walk, TomsRetiredBlock *block)
{
	MemoryContext before = MemoryContextSwitchTo(walk->one);

	while (walk->next_pruned < walk->npruned && walk->pruned[walk->next_pruned].block < block->number)
		walk->next_pruned++;
	while (walk->next_pruned < walk->npruned && walk->pruned[walk->next_pruned].block == block->number &&
		   walk->pruned[walk->next_pruned].start == block->cover.size)
	{
		const TomsSubtree *subtree = &walk->pruned[walk->next_pruned++];

		toms_cover_add(&block->cover, subtree->hash, subtree->size, true);
	}
	MemoryContextSwitchTo(before);
}

static void
finish_block(Walk *walk)
{
	TomsRetiredBlock *block = &walk->blocks[walk->current];
	uint8		root[TOMS_HASH_BYTES];
	MemoryContext before;

	add_pruned(walk, block);
	before = MemoryContextSwitchTo(walk->one);
	toms_cover_finish(&block->cover, root);
	if (block->count > 0)
	{
		if (block->cover.size != (uint64) block->fields.size || memcmp(root, block->fields.root, TOMS_HASH_BYTES) != 0)
			refuse_changed(block->number);
		walk->visit(walk->arg, block);
		walk->entries += block->count;
	}
	MemoryContextSwitchTo(before);
	MemoryContextReset(walk->one);
	memset(&block->cover, 0, sizeof(block->cover));
	block->entries = NULL;
	walk->room = 0;
}

static void
take_entry(void *arg, const TomsPlaced *placed)
{
	Walk	   *walk = arg;

	if (walk->current != placed->block)
	{
		if (walk->current >= 0)
			finish_block(walk);
		walk->current = placed->block;
	}
	else if (placed->kind == walk->kind && placed->id == walk->id)
		refuse_changed(walk->blocks[walk->current].number);
	walk->kind = placed->kind;
	walk->id = placed->id;
	add_pruned(walk, &walk->blocks[walk->current]);
	add_leaf(walk, &walk->blocks[walk->current], placed);
}

/* batches ------------------------------------------------------------------------------ */

static void
read_block(HeapTuple row, TupleDesc columns, TomsRetiredBlock *block)
{
	TomsBytes	secret = bytes_of(row, columns, 5);

	memset(block, 0, sizeof(*block));
	block->number = number_of(row, columns, 1, 0);
	block->header = bytes_of(row, columns, 2);
	block->signature = bytes_of(row, columns, 3);
	block->key = bytes_of(row, columns, 4);
	if (block->header.bytes == NULL || block->signature.length != TOMS_SIGNATURE_BYTES || block->key.length != TOMS_PUBLIC_KEY_BYTES ||
		secret.length != TOMS_BLOCK_SECRET_BYTES || !toms_block_header_read(block->header, &block->fields) ||
		block->fields.number != block->number || !toms_snapshot_read(block->fields.snapshot, &block->snapshot) ||
		!toms_crypto_verify(block->signature.bytes, block->header.bytes, block->header.length, block->key.bytes))
		refuse_changed(block->number);
	memcpy(block->secret, secret.bytes, TOMS_BLOCK_SECRET_BYTES);
}

/* Blocks "first" to "last", and the one before. */
static void
read_blocks(Walk *walk, int64 first, int64 last)
{
	Datum		values[] = {Int64GetDatum(first - 1), Int64GetDatum(last)};
	MemoryContext before;

	if (SPI_execute_with_args("SELECT number, header, signature, key, secret FROM toms.audit_block WHERE number BETWEEN $1 AND $2 ORDER BY number",
							  2, (Oid[]) {INT8OID, INT8OID}, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_block");
	before = MemoryContextSwitchTo(walk->batch);
	walk->count = (int) SPI_processed;
	walk->blocks = palloc(sizeof(TomsRetiredBlock) * (walk->count + 1));
	for (int i = 0; i < walk->count; i++)
		read_block(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, &walk->blocks[i]);
	walk->before = walk->count > 0 && walk->blocks[0].number < first ? 1 : 0;
	walk->current = -1;
	MemoryContextSwitchTo(before);
	SPI_freetuptable(SPI_tuptable);
}

static void
read_pruned(Walk *walk, int64 first, int64 last)
{
	Datum		values[] = {Int64GetDatum(first), Int64GetDatum(last)};
	MemoryContext before;

	if (SPI_execute_with_args("SELECT block, start, size, hash FROM toms.audit_pruned WHERE block BETWEEN $1 AND $2 ORDER BY block, start",
							  2, (Oid[]) {INT8OID, INT8OID}, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_pruned");
	before = MemoryContextSwitchTo(walk->batch);
	walk->npruned = (int) SPI_processed;
	walk->next_pruned = 0;
	walk->pruned = palloc0(sizeof(TomsSubtree) * (walk->npruned + 1));
	for (int i = 0; i < walk->npruned; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TomsBytes	hash = bytes_of(row, SPI_tuptable->tupdesc, 4);

		walk->pruned[i].block = number_of(row, SPI_tuptable->tupdesc, 1, 0);
		walk->pruned[i].start = (uint64) number_of(row, SPI_tuptable->tupdesc, 2, 0);
		walk->pruned[i].size = (uint64) number_of(row, SPI_tuptable->tupdesc, 3, 0);
		if (hash.length != TOMS_HASH_BYTES || walk->pruned[i].size == 0)
			refuse_changed(walk->pruned[i].block);
		memcpy(walk->pruned[i].hash, hash.bytes, TOMS_HASH_BYTES);
	}
	MemoryContextSwitchTo(before);
	SPI_freetuptable(SPI_tuptable);
}

/* Rows that may be in these blocks. */
static const char *
candidates(const Walk *walk)
{
	const TomsRetiredBlock *last = &walk->blocks[walk->count - 1];

	if (walk->before == 0 || walk->blocks[0].fields.segment != last->fields.segment)
		return "true";
	return psprintf("xid >= " UINT64_FORMAT " AND xid < " UINT64_FORMAT, walk->blocks[0].snapshot.xmin, last->snapshot.xmax);
}

static void
walk_batch(Walk *walk, int64 first, int64 last)
{
	TomsSegment *segments;
	TomsMapParts parts = {.open = -1,.marked = walk->partition,.with_bytes = walk->with_bytes};
	TomsMapBlock *blocks;

	read_blocks(walk, first, last);
	if (walk->count == walk->before)
		return;
	read_pruned(walk, first, last);
	parts.segment_count = toms_segments_read(&segments);
	parts.segments = segments;
	blocks = palloc(sizeof(TomsMapBlock) * walk->count);
	for (int i = 0; i < walk->count; i++)
		blocks[i] = (TomsMapBlock) {walk->blocks[i].fields.segment, &walk->blocks[i].snapshot, walk->blocks[i].secret};
	parts.blocks = blocks;
	parts.count = walk->count;
	parts.before = walk->before;
	toms_entries_walk(&parts, candidates(walk), take_entry, walk);
	if (walk->current >= 0)
		finish_block(walk);
	MemoryContextReset(walk->batch);
}

int64
toms_retire_walk(Oid partition, bool with_bytes, TomsRetireVisit visit, void *arg)
{
	Walk		walk = {.partition = partition,.with_bytes = with_bytes,.visit = visit,.arg = arg};
	Range		range = range_of(partition);

	walk.batch = AllocSetContextCreate(CurrentMemoryContext, "toms retired blocks", ALLOCSET_DEFAULT_SIZES);
	walk.one = AllocSetContextCreate(CurrentMemoryContext, "toms retired block", ALLOCSET_DEFAULT_SIZES);
	for (int64 first = range.first; range.entries > 0 && range.first > 0 && first <= range.last; first += BATCH_BLOCKS)
		walk_batch(&walk, first, Min(range.last, first + BATCH_BLOCKS - 1));
	if (walk.entries != range.entries)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("entries of table \"%s\" have not been sealed", get_rel_name(partition)),
				 errdetail(INT64_FORMAT " of " INT64_FORMAT " are in no block.", range.entries - walk.entries, range.entries),
				 errhint("SELECT toms.seal_audit();")));
	MemoryContextDelete(walk.one);
	MemoryContextDelete(walk.batch);
	return walk.entries;
}
