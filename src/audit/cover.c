/*
 * cover.c - which subtrees of a block's tree stand for leaves that are not told.
 *
 * Called by retire.c leaf by leaf.  Like tree.c it keeps the whole subtrees to the left; where one
 * side of a node is covered and the other is not, the covered one is among the largest.
 */
#include "audit/retire.h"

static void
find(TomsCover *cover, const TomsSubtree *subtree)
{
	if (cover->count == cover->room)
	{
		cover->room = Max(16, 2 * cover->room);
		cover->found = cover->found ? repalloc_huge(cover->found, cover->room * sizeof(TomsSubtree)) :
			palloc(cover->room * sizeof(TomsSubtree));
	}
	cover->found[cover->count++] = *subtree;
}

/* The last two become one. */
static void
join(TomsCover *cover)
{
	TomsSubtree *left = &cover->stack[cover->depth - 2];
	TomsSubtree *right = &cover->stack[cover->depth - 1];

	if (left->covered != right->covered)
		find(cover, left->covered ? left : right);
	left->covered &= right->covered;
	left->size += right->size;
	toms_tree_node(left->hash, left->hash, right->hash);
	cover->depth--;
}

static bool
is_power(uint64 size)
{
	return (size & (size - 1)) == 0;
}

/* A subtree that does not fit leads to another root. */
void
toms_cover_add(TomsCover *cover, const uint8 hash[TOMS_HASH_BYTES], uint64 size, bool covered)
{
	TomsSubtree *added;

	if (cover->depth == lengthof(cover->stack))
		join(cover);
	added = &cover->stack[cover->depth++];
	*added = (TomsSubtree) {.start = cover->size,.size = size,.covered = covered};
	memcpy(added->hash, hash, TOMS_HASH_BYTES);
	cover->size += size;
	while (cover->depth > 1 && is_power(cover->stack[cover->depth - 1].size) &&
		   cover->stack[cover->depth - 1].size == cover->stack[cover->depth - 2].size)
		join(cover);
}

static int
compare(const void *left, const void *right)
{
	uint64		a = ((const TomsSubtree *) left)->start;
	uint64		b = ((const TomsSubtree *) right)->start;

	return a < b ? -1 : a > b;
}

void
toms_cover_finish(TomsCover *cover, uint8 root[TOMS_HASH_BYTES])
{
	while (cover->depth > 1)
		join(cover);
	if (cover->depth == 0)
	{
		toms_crypto_sha256(root, "", 0);
		return;
	}
	memcpy(root, cover->stack[0].hash, TOMS_HASH_BYTES);
	if (cover->stack[0].covered)
		find(cover, &cover->stack[0]);
	if (cover->count > 1)
		qsort(cover->found, cover->count, sizeof(TomsSubtree), compare);
}
