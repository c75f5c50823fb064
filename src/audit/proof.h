/*
 * proof.h - between proof.c and path.c: where sealed entries stand in their blocks.
 */
#ifndef TOMS_PROOF_H
#define TOMS_PROOF_H

#include "trail/trail.h"

#define TOMS_PATH_LIMIT 64

/* A block as it was sealed. */
typedef struct TomsSealedBlock
{
	int64		number;
	TomsBytes	header;
	TomsBytes	signature;
	TomsBytes	key;
	int64		size;
	const uint8 *secret;
} TomsSealedBlock;

/* An entry and, once it was located, its audit path (RFC 6962, section 2.1.1). */
typedef struct TomsPath
{
	TomsEntry	entry;
	TomsSealedBlock *block;
	bool		found;
	int64		index;
	int			length;
	uint8		hashes[TOMS_PATH_LIMIT][TOMS_HASH_BYTES];
	int			holder;			/* while hashes are collected: the subtree that the entry is in, or -1 */
} TomsPath;

/*
 * path.c: find the blocks of the entries and the paths in them.  A block is read through once for
 * all of its entries; memory is needed for a hash of each level.  An entry that is in no block is
 * an error (55000), so is a block that is not as it was sealed (XX001).  SPI is connected.
 */
extern void toms_paths_find(TomsPath *paths, int count);

#endif							/* TOMS_PROOF_H */
