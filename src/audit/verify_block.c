/*
 * verify_block.c - is a block as it was signed, and does it follow the one before?
 *
 * Called by verify.c for one block after the other.  What was signed is in its header; if that has
 * been changed, the columns tell which entries are to be expected.
 */
#include "audit/verify.h"

#include "access/xlog.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* A row of toms.audit_block; bytes are NULL and numbers 0 where it is null. */
typedef struct Row
{
	int64		number;
	int32		segment;
	int32		timeline;
	const char *snapshot;
	int64		size;
	TomsBytes	root;
	TomsBytes	previous;
	TomsBytes	secret;
	TimestampTz sealed_at;
	TomsBytes	key;
	TomsBytes	header;
	TomsBytes	signature;
	TomsBytes	digest;
} Row;

static TomsBytes
bytes_of(HeapTuple row, TupleDesc columns, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, columns, column, &isnull);
	struct varlena *bytes;

	if (isnull)
		return (TomsBytes) {NULL, 0};
	bytes = PG_DETOAST_DATUM_PACKED(value);
	return (TomsBytes) {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
}

static Datum
value_of(HeapTuple row, TupleDesc columns, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, columns, column, &isnull);

	return isnull ? (Datum) 0 : value;
}

static Row
read_row(HeapTuple row, TupleDesc columns)
{
	return (Row)
	{
		.number = DatumGetInt64(value_of(row, columns, 1)),
			.segment = DatumGetInt32(value_of(row, columns, 2)),
			.timeline = DatumGetInt32(value_of(row, columns, 3)),
			.snapshot = SPI_getvalue(row, columns, 4),
			.size = DatumGetInt64(value_of(row, columns, 5)),
			.root = bytes_of(row, columns, 6),
			.previous = bytes_of(row, columns, 7),
			.secret = bytes_of(row, columns, 8),
			.sealed_at = DatumGetTimestampTz(value_of(row, columns, 9)),
			.key = bytes_of(row, columns, 10),
			.header = bytes_of(row, columns, 11),
			.signature = bytes_of(row, columns, 12),
			.digest = bytes_of(row, columns, 13)
	};
}

static bool
is_same(TomsBytes bytes, const uint8 *other, size_t length)
{
	return bytes.length == length && bytes.bytes && memcmp(bytes.bytes, other, length) == 0;
}

static const TomsSegment *
find_segment(const TomsVerification *run, int32 number)
{
	for (int i = 0; i < run->segment_count; i++)
		if (run->segments[i].number == number)
			return &run->segments[i];
	return NULL;
}

/* Whose signature counts: the keyring's here; in a segment of another cluster, that of the block before. */
static const char *
key_fault(const TomsVerification *run, const TomsChain *chain, const Row *row, const TomsBlockHeader *header)
{
	if (run->has_key && header->system == GetSystemIdentifier())
		return is_same(row->key, run->key, sizeof(run->key)) ? NULL : "it is signed with another key than the keyring's";
	if (chain->has_key && chain->segment == header->segment)
		return is_same(row->key, chain->key, sizeof(chain->key)) ? NULL : "it is signed with another key than the block before";
	return NULL;
}

static bool
columns_are_signed(const Row *row, const TomsBlockHeader *header)
{
	return row->number == header->number && row->segment == header->segment && row->timeline == header->timeline &&
		row->size == header->size && row->sealed_at == header->sealed_at &&
		row->snapshot && strcmp(row->snapshot, header->snapshot) == 0 &&
		is_same(row->root, header->root, sizeof(header->root)) && is_same(row->previous, header->previous, sizeof(header->previous));
}

/* The first thing that is wrong with it, or NULL. */
static const char *
block_fault(const TomsVerification *run, const TomsChain *chain, const Row *row, const TomsBlockHeader *header)
{
	static const uint8 none[TOMS_HASH_BYTES] = {0};
	uint8		digest[TOMS_HASH_BYTES];
	const char *fault;
	bool		follows = chain->started && chain->number + 1 == header->number;

	if (header->snapshot == NULL)
		return "its header cannot be read";
	if (row->key.length != TOMS_PUBLIC_KEY_BYTES || row->signature.length != TOMS_SIGNATURE_BYTES ||
		!toms_crypto_verify(row->signature.bytes, row->header.bytes, row->header.length, row->key.bytes))
		return "its signature is not one of its header";
	fault = key_fault(run, chain, row, header);
	if (fault)
		return fault;
	toms_crypto_sha256(digest, row->header.bytes, row->header.length);
	if (!is_same(row->digest, digest, sizeof(digest)))
		return "its digest is not that of its header";
	if (!columns_are_signed(row, header))
		return "its columns are not what was signed";
	if (row->secret.length != TOMS_BLOCK_SECRET_BYTES)
		return "its secret has been changed";
	if (follows && !chain->changed && memcmp(header->previous, chain->digest, TOMS_HASH_BYTES) != 0)
		return "it does not follow the block before";
	if (header->number == 1 && memcmp(header->previous, none, sizeof(none)) != 0)
		return "it says that a block was before the first one";
	if (chain->started && header->segment < chain->segment)
		return "its segment was over";
	return NULL;
}

/* What is not in the block's own row, told once. */
static void
check_surroundings(TomsVerification *run, TomsChain *chain, const TomsBlockHeader *header)
{
	const TomsSegment *segment = find_segment(run, header->segment);

	if (!chain->told_dataset && (!run->has_dataset || memcmp(run->dataset, header->dataset, sizeof(run->dataset)) != 0))
	{
		toms_verify_report(run, (TomsFault) {.fault = "dataset_changed",.block = header->number,.detail = "toms.dataset is not what was signed"});
		chain->told_dataset = true;
		run->has_dataset = true;
		memcpy(run->dataset, header->dataset, sizeof(run->dataset));
	}
	if (chain->told_segment != header->segment && (segment == NULL || segment->system != header->system))
	{
		toms_verify_report(run, (TomsFault) {.fault = "segment_changed",.block = header->number,
			.detail = psprintf("segment %d is not what was signed", header->segment)});
		chain->told_segment = header->segment;
	}
}

static void
check_gap(const TomsVerification *run, const TomsChain *chain, int64 number)
{
	int64		first = chain->started ? chain->number + 1 : 1;

	if (number <= first || (!chain->started && !run->begins))
		return;
	toms_verify_report(run, (TomsFault) {.fault = "block_missing",.block = first,.to_block = number - 1 > first ? number - 1 : 0});
}

/* What is expected of its entries: as its header says, or else its columns. */
static void
fill(const Row *row, const TomsBlockHeader *header, bool trusted, TomsCheckedBlock *block)
{
	const char *snapshot = trusted ? header->snapshot : row->snapshot;

	block->number = row->number;
	block->segment = trusted ? header->segment : row->segment;
	block->size = trusted ? header->size : row->size;
	block->placed = snapshot && row->secret.length == TOMS_BLOCK_SECRET_BYTES && toms_snapshot_read(snapshot, &block->snapshot);
	if (!block->placed)
		memset(&block->snapshot, 0, sizeof(block->snapshot));
	else
		memcpy(block->secret, row->secret.bytes, TOMS_BLOCK_SECRET_BYTES);
	block->sealed = trusted;
	if (trusted)
	{
		memcpy(block->root, header->root, TOMS_HASH_BYTES);
		memcpy(block->manifest, header->manifest, TOMS_HASH_BYTES);
	}
}

static void
follow(TomsChain *chain, const Row *row, const TomsBlockHeader *header, bool changed)
{
	chain->started = true;
	chain->changed = changed;
	chain->number = row->number;
	chain->segment = header->snapshot ? header->segment : row->segment;
	chain->has_key = row->key.length == TOMS_PUBLIC_KEY_BYTES;
	if (chain->has_key)
		memcpy(chain->key, row->key.bytes, TOMS_PUBLIC_KEY_BYTES);
	toms_crypto_sha256(chain->digest, row->header.bytes ? row->header.bytes : "", row->header.length);
}

bool
toms_verify_block(TomsVerification *run, TomsChain *chain, bool quiet, HeapTuple tuple, TupleDesc columns, TomsCheckedBlock *block)
{
	Row			row = read_row(tuple, columns);
	TomsBlockHeader header = {.snapshot = NULL};
	uint8		digest[TOMS_HASH_BYTES];
	const char *fault;
	bool		trusted;

	if ((chain->started && row.number <= chain->number) || row.number < 1)
	{
		toms_verify_report(run, (TomsFault) {.fault = "block_changed",.block = row.number,.detail = "there is another one of its number, or none could have it"});
		return false;
	}
	if (row.header.bytes == NULL || !toms_block_header_read(row.header, &header))
		header.snapshot = NULL;
	fault = block_fault(run, chain, &row, &header);
	toms_crypto_sha256(digest, row.header.bytes ? row.header.bytes : "", row.header.length);
	trusted = header.snapshot && (is_same(row.digest, digest, sizeof(digest)) ||
								  (row.key.length == TOMS_PUBLIC_KEY_BYTES && row.signature.length == TOMS_SIGNATURE_BYTES &&
								   toms_crypto_verify(row.signature.bytes, row.header.bytes, row.header.length, row.key.bytes)));
	memset(block, 0, sizeof(*block));
	block->after_gap = chain->started ? chain->number + 1 != row.number || !chain->placed : row.number != 1;
	if (!quiet)
	{
		check_gap(run, chain, row.number);
		if (fault)
			toms_verify_report(run, (TomsFault) {.fault = "block_changed",.block = row.number,.detail = fault});
		if (trusted && fault == NULL)
			check_surroundings(run, chain, &header);
	}
	fill(&row, &header, trusted, block);
	follow(chain, &row, &header, fault != NULL);
	chain->placed = block->placed;
	return true;
}
