/*
 * retire.h - entries of a partition on their way out, between the files that prune and archive.
 */
#ifndef TOMS_RETIRE_H
#define TOMS_RETIRE_H

#include "audit/block.h"

/* A subtree of a block's tree (RFC 6962): of "size" leaves from "start" on. */
typedef struct TomsSubtree
{
	int64		block;
	uint64		start;
	uint64		size;
	bool		covered;
	uint8		hash[TOMS_HASH_BYTES];
} TomsSubtree;

/* cover.c: the root of a tree, and the largest subtrees of which all leaves are covered. */
typedef struct TomsCover
{
	uint64		size;
	int			depth;
	TomsSubtree stack[64];
	int			count;
	int			room;
	TomsSubtree *found;			/* ascending once it is finished; palloc'd */
} TomsCover;

extern void toms_cover_add(TomsCover *cover, const uint8 hash[TOMS_HASH_BYTES], uint64 size, bool covered);
extern void toms_cover_finish(TomsCover *cover, uint8 root[TOMS_HASH_BYTES]);

/* An entry of the partition. */
typedef struct TomsRetiredEntry
{
	uint64		index;			/* of its leaf */
	int64		id;
	TomsBytes	bytes;			/* canonical; where they are asked for */
} TomsRetiredEntry;

/* A block that has some. */
typedef struct TomsRetiredBlock
{
	int64		number;
	TomsBytes	header;
	TomsBytes	signature;
	TomsBytes	key;
	uint8		secret[TOMS_BLOCK_SECRET_BYTES];
	TomsBlockHeader fields;
	TomsSnapshot snapshot;
	TomsCover	cover;
	int64		count;
	TomsRetiredEntry *entries;	/* where bytes are asked for */
} TomsRetiredBlock;

/*
 * retire.c: call "visit" for each block with entries of the partition, in order, once its root has
 * been found to be as it was signed.  Covered are the partition's entries and what is pruned; with
 * bytes, what is not the partition's.  Returns how many entries it has; an error if some are in
 * no block yet.  The caller holds toms_block_lock() and the partition; SPI is connected.
 */
typedef void (*TomsRetireVisit) (void *arg, const TomsRetiredBlock *block);
extern int64 toms_retire_walk(Oid partition, bool with_bytes, TomsRetireVisit visit, void *arg);

/* prune.c: the locks for both; an error if it is no month of the trail. */
extern void toms_retire_lock(Oid partition);

/* take the partition out, with a signed record; "archive": the file that has it now, or NULL. */
extern int64 toms_prune_partition(Oid partition, const char *archive);

#endif							/* TOMS_RETIRE_H */
