/*
 * tree.c - the root of a Merkle tree (RFC 6962, section 2.1), leaf by leaf.
 *
 * Called when a block is closed and verified.  What is kept are the roots of whole subtrees to the
 * left, one for each bit of the number of leaves.
 */
#include "audit/block.h"

bool
toms_tree_add(TomsTree *tree, const uint8 hash[TOMS_HASH_BYTES], uint64 size)
{
	uint64		lowest = tree->size & -tree->size;

	/* the last subtree of a tree need not be whole: then nothing may follow */
	if (size == 0 || (lowest != 0 && size > lowest) || tree->size + size < size ||
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
