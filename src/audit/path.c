/*
 * path.c - where sealed entries stand in the trees of their blocks.
 *
 * Called by toms.audit_proof().  Which block an entry is in is found by its transaction: blocks
 * are in the order of segments, and within one in that of snapshots.  The block's leaves are then
 * made again from the entries; if they do not lead to the root that was signed, nothing is proved.
 */
#include "audit/proof.h"

#include "audit/block.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

/* A block, with what its header says. */
typedef struct Sealed
{
	TomsSealedBlock block;
	TomsBlockHeader header;
	TomsSnapshot snapshot;
} Sealed;

typedef struct Pruned
{
	int64		start;
	int64		size;
	const uint8 *hash;
} Pruned;

/* A block on its way from leaves to its root. */
typedef struct Climb
{
	TomsPath   *paths;
	int			count;
	const TomsSealedBlock *block;
	int			place;			/* of the block in the map */
	Pruned	   *pruned;
	int			pruned_count;
	int			pruned_next;
	char		kind;			/* of the entry before */
	int64		id;
	int64		leaves;
	int			depth;
	int64		sizes[TOMS_PATH_LIMIT];
	uint8		hashes[TOMS_PATH_LIMIT][TOMS_HASH_BYTES];
} Climb;

static void
refuse_block(int64 number)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("block " INT64_FORMAT " of the audit trail is not as it was sealed", number),
			 errhint("SELECT * FROM toms.verify_audit(); tells what is wrong.")));
}

/* blocks ---------------------------------------------------------------------------------- */

static TomsBytes
bytes_at(int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);
	struct varlena *bytes = isnull ? NULL : PG_DETOAST_DATUM_PACKED(value);

	return bytes ? (TomsBytes) {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)} : (TomsBytes) {NULL, 0};
}

/* The first block at or above the number, or the last one below: NULL if there is none. */
static Sealed *
read_block(int64 number, bool below)
{
	Sealed	   *sealed = palloc0(sizeof(Sealed));
	TomsSealedBlock *block = &sealed->block;
	TomsBytes	secret;
	bool		isnull;

	if (SPI_execute_with_args(below ? "SELECT number, header, signature, key, secret FROM toms.audit_block WHERE number < $1 ORDER BY number DESC LIMIT 1" :
							  "SELECT number, header, signature, key, secret FROM toms.audit_block WHERE number >= $1 ORDER BY number LIMIT 1",
							  1, (Oid[]) {INT8OID}, (Datum[]) {Int64GetDatum(number)}, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_block");
	if (SPI_processed == 0)
		return NULL;
	block->number = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	block->header = bytes_at(2);
	block->signature = bytes_at(3);
	block->key = bytes_at(4);
	secret = bytes_at(5);
	block->secret = secret.bytes;
	if (!block->header.bytes || !toms_block_header_read(block->header, &sealed->header) || sealed->header.number != block->number ||
		!toms_snapshot_read(sealed->header.snapshot, &sealed->snapshot) || secret.length != TOMS_BLOCK_SECRET_BYTES ||
		block->key.length != TOMS_PUBLIC_KEY_BYTES || block->signature.length != TOMS_SIGNATURE_BYTES)
		refuse_block(block->number);
	block->size = sealed->header.size;
	return sealed;
}

static int
segment_of(int64 id, const TomsSegment *segments, int count)
{
	for (int i = count - 1; i > 0; i--)
	{
		if (segments[i].first_id <= id)
			return segments[i].number;
	}
	return count > 0 ? segments[0].number : 0;
}

static bool
in_progress(const TomsSnapshot *snapshot, uint64 xid)
{
	for (int i = 0; i < snapshot->count; i++)
	{
		if (snapshot->xip[i] == xid)
			return true;
	}
	return false;
}

static bool
comes_before(const Sealed *sealed, int segment, uint64 xid)
{
	return sealed->header.segment < segment || (sealed->header.segment == segment && sealed->snapshot.xmax <= xid);
}

/* The block that the entry is in; NULL: none yet. */
static Sealed *
block_of(const TomsEntry *entry, const TomsSegment *segments, int count)
{
	int			segment = segment_of(entry->id, segments, count);
	Sealed	   *sealed = read_block(PG_INT64_MAX, true);
	int64		low = 1;
	int64		high = sealed ? sealed->block.number : 0;

	if (!sealed || comes_before(sealed, segment, (uint64) entry->xid))
		return NULL;
	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (comes_before(read_block(middle, false), segment, (uint64) entry->xid))
			low = middle + 1;
		else
			high = middle;
	}
	sealed = read_block(low, false);
	while (sealed && sealed->header.segment == segment && in_progress(&sealed->snapshot, (uint64) entry->xid))
		sealed = read_block(sealed->block.number + 1, false);
	return sealed;
}

/* the way up ------------------------------------------------------------------------------ */

/* Joins the last two subtrees; for an entry in one of them, the other is the next hash of its path. */
static void
join(Climb *climb)
{
	int			right = --climb->depth;
	int			left = right - 1;

	for (int i = 0; i < climb->count; i++)
	{
		TomsPath   *path = &climb->paths[i];

		if (path->block != climb->block || path->holder < left)
			continue;
		if (path->length == TOMS_PATH_LIMIT)
			refuse_block(climb->block->number);
		memcpy(path->hashes[path->length++], climb->hashes[path->holder == left ? right : left], TOMS_HASH_BYTES);
		path->holder = left;
	}
	toms_tree_node(climb->hashes[left], climb->hashes[left], climb->hashes[right]);
	climb->sizes[left] += climb->sizes[right];
}

static void
add_subtree(Climb *climb, const uint8 *hash, int64 size)
{
	if (climb->depth == TOMS_PATH_LIMIT || size <= 0 || size > climb->block->size - climb->leaves)
		refuse_block(climb->block->number);
	memcpy(climb->hashes[climb->depth], hash, TOMS_HASH_BYTES);
	climb->sizes[climb->depth++] = size;
	climb->leaves += size;
}

static void
join_whole(Climb *climb)
{
	while (climb->depth > 1 && climb->sizes[climb->depth - 1] == climb->sizes[climb->depth - 2])
		join(climb);
}

static void
add_pruned(Climb *climb)
{
	while (climb->pruned_next < climb->pruned_count && climb->pruned[climb->pruned_next].start == climb->leaves)
	{
		const Pruned *pruned = &climb->pruned[climb->pruned_next++];

		add_subtree(climb, pruned->hash, pruned->size);
		join_whole(climb);
	}
}

static void
take_leaf(void *arg, const TomsPlaced *placed)
{
	Climb	   *climb = arg;

	/* the second of one number is somebody's copy: see block.c */
	if (placed->block != climb->place || (climb->kind == placed->kind && climb->id == placed->id))
		return;
	climb->kind = placed->kind;
	climb->id = placed->id;
	add_pruned(climb);
	for (int i = 0; i < climb->count; i++)
	{
		TomsPath   *path = &climb->paths[i];

		if (path->block == climb->block && path->entry.id == placed->id && path->entry.kind == placed->kind)
		{
			path->found = true;
			path->index = climb->leaves;
			path->holder = climb->depth;
		}
	}
	add_subtree(climb, placed->leaf, 1);
	join_whole(climb);
}

/* Rows that may be in the block; which of them are, toms.audit_leaf() says. */
static char *
candidates(const Sealed *sealed, const Sealed *before, const TomsSegment *segments, int count)
{
	StringInfoData condition;
	int64		first_id = 0;

	initStringInfo(&condition);
	if (!before)
		return psprintf("xid < " UINT64_FORMAT, sealed->snapshot.xmax);
	appendStringInfo(&condition, "(xid >= " UINT64_FORMAT, before->snapshot.xmax);
	for (int i = 0; i < before->snapshot.count; i++)
		appendStringInfo(&condition, i == 0 ? " OR xid IN (" UINT64_FORMAT : ", " UINT64_FORMAT, before->snapshot.xip[i]);
	appendStringInfoString(&condition, before->snapshot.count > 0 ? "))" : ")");
	if (before->header.segment == sealed->header.segment)
	{
		appendStringInfo(&condition, " AND xid < " UINT64_FORMAT, sealed->snapshot.xmax);
		return condition.data;
	}
	for (int i = 0; i < count; i++)
	{
		if (segments[i].number == sealed->header.segment)
			first_id = segments[i].first_id;
	}
	return psprintf("CASE WHEN id < " INT64_FORMAT " THEN id >= 0 ELSE xid < " UINT64_FORMAT " END", first_id, sealed->snapshot.xmax);
}

static void
read_pruned(Climb *climb)
{
	if (SPI_execute_with_args("SELECT start, size, hash FROM toms.audit_pruned WHERE block = $1 ORDER BY start",
							  1, (Oid[]) {INT8OID}, (Datum[]) {Int64GetDatum(climb->block->number)}, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_pruned");
	climb->pruned_count = (int) SPI_processed;
	climb->pruned = palloc(sizeof(Pruned) * (climb->pruned_count + 1));
	for (int i = 0; i < climb->pruned_count; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		struct varlena *hash = PG_DETOAST_DATUM_PACKED(SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &isnull));

		if (VARSIZE_ANY_EXHDR(hash) != TOMS_HASH_BYTES)
			refuse_block(climb->block->number);
		climb->pruned[i] = (Pruned)
		{
			DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull)),
				DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull)), (const uint8 *) VARDATA_ANY(hash)
		};
	}
}

static void
climb_block(Climb *climb, const Sealed *sealed, const TomsSegment *segments, int count)
{
	Sealed	   *before = read_block(sealed->block.number, true);
	TomsMapBlock blocks[2];
	TomsMapParts parts = {.segments = segments,.segment_count = count,.open = -1};

	if (sealed->block.number > 1 && (!before || before->block.number != sealed->block.number - 1))
		refuse_block(sealed->block.number - 1);
	if (before)
		blocks[0] = (TomsMapBlock) {before->header.segment, &before->snapshot, before->block.secret};
	blocks[1] = (TomsMapBlock) {sealed->header.segment, &sealed->snapshot, sealed->block.secret};
	parts.before = climb->place = before ? 1 : 0;
	parts.blocks = before ? blocks : blocks + 1;
	parts.count = parts.before + 1;
	read_pruned(climb);
	toms_entries_walk(&parts, candidates(sealed, before, segments, count), take_leaf, climb);
	add_pruned(climb);
	while (climb->depth > 1)
		join(climb);
	if (climb->depth != 1 || climb->leaves != sealed->header.size || memcmp(climb->hashes[0], sealed->header.root, TOMS_HASH_BYTES) != 0)
		refuse_block(sealed->block.number);
}

static void
locate(TomsPath *path, const TomsSegment *segments, int count, Sealed **sealed)
{
	*sealed = block_of(&path->entry, segments, count);
	if (*sealed == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("entry " INT64_FORMAT " of the audit trail is not sealed yet", path->entry.id),
				 errhint("SELECT toms.seal_audit();")));
	path->found = false;
	path->holder = -1;
	path->length = 0;
}

void
toms_paths_find(TomsPath *paths, int count)
{
	TomsSegment *segments;
	int			segment_count = toms_segments_read(&segments);
	Sealed	  **sealed = palloc(sizeof(Sealed *) * count);

	for (int i = 0; i < count; i++)
	{
		locate(&paths[i], segments, segment_count, &sealed[i]);
		for (int j = 0; j < i && sealed[j] != sealed[i]; j++)
		{
			if (sealed[j]->block.number == sealed[i]->block.number)
				sealed[i] = sealed[j];
		}
		paths[i].block = &sealed[i]->block;
	}
	for (int i = 0; i < count; i++)
	{
		Climb	   *climb;

		if (paths[i].found)
			continue;
		climb = palloc0(sizeof(Climb));
		climb->paths = paths;
		climb->count = count;
		climb->block = paths[i].block;
		climb_block(climb, sealed[i], segments, segment_count);
		if (!paths[i].found)
			refuse_block(paths[i].block->number);
	}
}
