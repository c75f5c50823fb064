/*
 * tree.c - the root of a Merkle tree (RFC 6962, section 2.1), leaf by leaf.
 *
 * Called when a block is closed and verified.  What is kept are the roots of whole subtrees to the
 * left, one for each bit of the number of leaves.
 */
#include "audit/tree.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(toms_sql_tree_root);

bool
toms_tree_add(TomsTree *tree, const uint8 hash[TOMS_HASH_BYTES], uint64 size)
{
	uint64		lowest = tree->size & -tree->size;

	/* the last subtree of a tree need not be whole: then nothing may follow */
	if (size == 0 || size > PG_INT64_MAX || (lowest != 0 && size > lowest) || tree->size + size > PG_INT64_MAX ||
		tree->depth == lengthof(tree->sizes) ||
		(tree->depth > 0 && (tree->sizes[tree->depth - 1] & (tree->sizes[tree->depth - 1] - 1)) != 0))
		return false;
	memcpy(tree->hashes[tree->depth], hash, TOMS_HASH_BYTES);
	tree->sizes[tree->depth++] = size;
	tree->size += size;
	while (tree->depth > 1 && tree->sizes[tree->depth - 1] == tree->sizes[tree->depth - 2])
	{
		tree->depth--;
		toms_tree_node(tree->hashes[tree->depth - 1], tree->hashes[tree->depth - 1], tree->hashes[tree->depth]);
		tree->sizes[tree->depth - 1] *= 2;
	}
	return true;
}

void
toms_tree_root(const TomsTree *tree, uint8 root[TOMS_HASH_BYTES])
{
	if (tree->depth == 0)
	{
		toms_crypto_sha256(root, "", 0);
		return;
	}
	memcpy(root, tree->hashes[tree->depth - 1], TOMS_HASH_BYTES);
	for (int i = tree->depth - 2; i >= 0; i--)
		toms_tree_node(root, tree->hashes[i], root);
}

static bytea *
hash_of(Datum value)
{
	bytea	   *hash = DatumGetByteaPP(value);

	if (VARSIZE_ANY_EXHDR(hash) != TOMS_HASH_BYTES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a hash has %d bytes", TOMS_HASH_BYTES)));
	return hash;
}

/* toms.tree_root(hashes, sizes): of subtrees from left to right; null: no tree has them there. */
Datum
toms_sql_tree_root(PG_FUNCTION_ARGS)
{
	TomsTree	tree = {0};
	bytea	   *root = palloc(VARHDRSZ + TOMS_HASH_BYTES);
	Datum	   *hashes;
	Datum	   *sizes;
	int			count;
	int			size_count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), BYTEAOID, -1, false, TYPALIGN_INT, &hashes, NULL, &count);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &sizes, NULL, &size_count);
	if (count != size_count)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("each hash has a size")));
	for (int i = 0; i < count; i++)
		if (!toms_tree_add(&tree, (uint8 *) VARDATA_ANY(hash_of(hashes[i])), DatumGetInt64(sizes[i])))
			PG_RETURN_NULL();
	SET_VARSIZE(root, VARHDRSZ + TOMS_HASH_BYTES);
	toms_tree_root(&tree, (uint8 *) VARDATA(root));
	PG_RETURN_BYTEA_P(root);
}
