/*
 * swap.c - entries of a block that have changed: did some of them change places?
 *
 * Called by verify_entry.c at the end of a block.  An entry with the id of another one gives the
 * leaf of the manifest under its own.
 */
#include "audit/swap.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/memutils.h"

/* What the manifest has for an id. */
typedef struct Expected
{
	bool		found;
	bool		moved;
	uint8		prefix[TOMS_MANIFEST_PREFIX];
} Expected;

void
toms_swap_start(TomsSwap *swap)
{
	swap->count = 0;
}

bool
toms_swap_keep(TomsSwap *swap, int64 id)
{
	if (swap->count == TOMS_SWAP_LIMIT)
		return false;
	swap->ids[swap->count++] = id;
	return true;
}

static void
find_expected(const TomsSwap *swap, TomsBytes manifest, Expected *expected)
{
	TomsManifestItem item = toms_manifest_start(manifest);

	while (toms_manifest_next(&item))
		for (int i = 0; i < swap->count; i++)
			if (item.id == swap->ids[i])
			{
				memcpy(expected[i].prefix, item.prefix, TOMS_MANIFEST_PREFIX);
				expected[i].found = true;
			}
}

/* Whether the entry, under the id of another one, is what that was. */
static bool
is_other(TomsEntry entry, int64 id, const Expected *expected, const TomsCheckedBlock *block)
{
	uint8		salt[TOMS_SALT_BYTES];
	uint8		leaf[TOMS_HASH_BYTES];

	if (!expected->found || entry.id == id)
		return false;
	entry.id = id;
	toms_entry_salt(salt, block->secret, id);
	toms_entry_leaf(leaf, salt, &entry);
	return memcmp(leaf, expected->prefix, TOMS_MANIFEST_PREFIX) == 0;
}

static void
mark_moved(const TomsSwap *swap, const TomsCheckedBlock *block, Expected *expected, HeapTuple row, TupleDesc columns)
{
	Datum		values[TOMS_ENTRY_NATTS];
	bool		nulls[TOMS_ENTRY_NATTS];
	TomsEntry	entry;

	heap_deform_tuple(row, columns, values, nulls);
	entry = toms_entry_of_row(values, nulls);
	for (int i = 0; i < swap->count; i++)
		if (is_other(entry, swap->ids[i], &expected[i], block))
			for (int j = 0; j < swap->count; j++)
				if (swap->ids[j] == entry.id)
					expected[j].moved = true;
}

static void
read_rows(const TomsSwap *swap, const TomsCheckedBlock *block, Expected *expected)
{
	Datum		ids[TOMS_SWAP_LIMIT];
	Datum		array;

	for (int i = 0; i < swap->count; i++)
		ids[i] = Int64GetDatum(swap->ids[i]);
	SPI_connect();
	array = PointerGetDatum(construct_array(ids, swap->count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	if (SPI_execute_with_args("SELECT id, at, xid, who, object, key, coalesce(kind, ' '), coalesce(verb, ' '), tenant, columns, payload FROM toms.audit_entry WHERE id = ANY ($1)",
							  1, (Oid[]) {INT8ARRAYOID}, &array, NULL, true, 4 * TOMS_SWAP_LIMIT) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_entry");
	for (uint64 i = 0; i < SPI_processed; i++)
		mark_moved(swap, block, expected, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	SPI_finish();
}

void
toms_swap_tell(TomsSwap *swap, TomsVerification *run, const TomsCheckedBlock *block, TomsBytes manifest)
{
	Expected	expected[TOMS_SWAP_LIMIT] = {0};

	if (swap->count > 1)
	{
		find_expected(swap, manifest, expected);
		read_rows(swap, block, expected);
	}
	for (int i = 0; i < swap->count; i++)
		toms_verify_report(run, (TomsFault) {.fault = expected[i].moved ? "reordered" : "changed",.block = block->number,.entry = swap->ids[i],
			.detail = expected[i].moved ? "it stands under the number of another entry" : NULL});
}
