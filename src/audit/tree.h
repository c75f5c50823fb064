/*
 * tree.h - the Merkle tree of a block, and the list of its entries.
 */
#ifndef TOMS_TREE_H
#define TOMS_TREE_H

#include "trail/trail.h"

/* tree.c: the root of a tree of any size, leaf by leaf; a subtree may come as its hash. */
typedef struct TomsTree
{
	uint64		size;			/* leaves */
	int			depth;
	uint64		sizes[64];
	uint8		hashes[64][TOMS_HASH_BYTES];
} TomsTree;

/* False: the tree has no such subtree here. */
extern bool toms_tree_add(TomsTree *tree, const uint8 hash[TOMS_HASH_BYTES], uint64 size);
extern void toms_tree_root(const TomsTree *tree, uint8 root[TOMS_HASH_BYTES]);

/*
 * manifest.c: a block's entries in order: the id as zig-zag varint of the difference to the id
 * before, and the first bytes of the leaf.  A difference of 0 is followed by a byte, the kind of
 * the entries from there on, whose ids are counted from 0 again.  Of a block that is too large
 * for this, it is the first part.
 */
#define TOMS_MANIFEST_PREFIX 4

/* A value of PostgreSQL's has at most 1 GB, and two of them are in memory while it is stored. */
#define TOMS_MANIFEST_LIMIT ((Size) 512 * 1024 * 1024)

typedef struct TomsManifest
{
	struct varlena *bytes;		/* bytea */
	Size		room;
	int64		id;
	char		kind;
} TomsManifest;

extern void toms_manifest_add(TomsManifest *manifest, char kind, int64 id, const uint8 leaf[TOMS_HASH_BYTES]);

typedef struct TomsManifestItem
{
	const uint8 *next;
	const uint8 *end;
	char		kind;
	int64		id;
	const uint8 *prefix;
} TomsManifestItem;

extern TomsManifestItem toms_manifest_start(TomsBytes bytes);
extern bool toms_manifest_next(TomsManifestItem *item);

#endif							/* TOMS_TREE_H */
