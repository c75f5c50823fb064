/*
 * tree.c - hash trees of RFC 6962, section 2.1.
 *
 * Called for proofs and archives.  Pure functions.
 */
#include "verify.h"

void
leaf_hash(uint8_t leaf[HASH_BYTES], const uint8_t salt[SALT_BYTES], Bytes entry)
{
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, (const uint8_t *) "\0", 1);
	crypto_hash_sha256_update(&state, salt, SALT_BYTES);
	crypto_hash_sha256_update(&state, entry.at, entry.size);
	crypto_hash_sha256_final(&state, leaf);
}

/* "into" may be one of the two. */
static void
node_hash(uint8_t into[HASH_BYTES], const uint8_t left[HASH_BYTES], const uint8_t right[HASH_BYTES])
{
	uint8_t		bytes[1 + 2 * HASH_BYTES] = {1};

	memcpy(bytes + 1, left, HASH_BYTES);
	memcpy(bytes + 1 + HASH_BYTES, right, HASH_BYTES);
	crypto_hash_sha256(into, bytes, sizeof(bytes));
}

bool
follow_path(uint8_t hash[HASH_BYTES], uint64_t index, uint64_t size, Bytes path)
{
	uint64_t	last = size - 1;	/* node of that level; so "index" */

	if (index >= size)
		return false;
	for (size_t i = 0; i + HASH_BYTES <= path.size; i += HASH_BYTES)
	{
		while (index == last && index != 0 && index % 2 == 0)	/* has no brother at this level */
		{
			index /= 2;
			last /= 2;
		}
		if (last == 0)
			return false;
		if (index % 2 == 1)
			node_hash(hash, path.at + i, hash);
		else
			node_hash(hash, hash, path.at + i);
		index /= 2;
		last /= 2;
	}
	return last == 0;
}

bool
add_subtree(Tree *tree, uint64_t start, uint64_t size, const uint8_t hash[HASH_BYTES])
{
	uint64_t	power = 1;

	if (start != tree->leaves || size == 0 || size > tree->total - start)
		return false;
	while (power < size)
		power *= 2;
	if (start % power != 0 || (size != power && start + size != tree->total))
		return false;
	memcpy(tree->hash[tree->depth], hash, HASH_BYTES);
	tree->size[tree->depth++] = size;
	tree->leaves += size;
	while (tree->depth > 1 && tree->size[tree->depth - 2] == tree->size[tree->depth - 1])
	{
		tree->depth--;
		node_hash(tree->hash[tree->depth - 1], tree->hash[tree->depth - 1], tree->hash[tree->depth]);
		tree->size[tree->depth - 1] *= 2;
	}
	return true;
}

bool
tree_root(const Tree *tree, uint8_t root[HASH_BYTES])
{
	if (tree->leaves != tree->total)
		return false;
	if (tree->total == 0)
		crypto_hash_sha256(root, (const uint8_t *) "", 0);
	else
		memcpy(root, tree->hash[tree->depth - 1], HASH_BYTES);
	for (int i = tree->depth - 2; i >= 0; i--)
		node_hash(root, tree->hash[i], root);
	return true;
}
