/*
 * block.h - blocks of the trail, between the files that close and verify them.
 *
 * Block n holds the entries that its snapshot sees and that of block n - 1 does not, sorted by
 * kind and id.  Which block an entry is in is a function of its id and xid alone (place.c), the
 * same when the block is closed and when it is verified.
 */
#ifndef TOMS_BLOCK_H
#define TOMS_BLOCK_H

#include "postgres.h"

#include "audit/audit.h"
#include "audit/place.h"
#include "audit/tree.h"
#include "trail/trail.h"

/*
 * block.c: close the next block, and answer its number; 0: there was nothing to close, or the trail
 * is not in use yet.  In a
 * transaction of the caller's, READ COMMITTED, as a superuser, with synchronous_commit on, which
 * he commits before he calls toms_block_publish(), outside of a transaction: that tells the
 * digest to the server log and to the outside log, also of blocks that a crash kept from there.
 */
extern int64 toms_block_close(void);
extern void toms_block_publish(void);

/* header.c: what of a block is signed. */
typedef struct TomsBlockHeader
{
	uint8		dataset[16];
	int64		number;
	int32		segment;
	int32		timeline;
	uint64		system;
	int64		size;
	TimestampTz sealed_at;
	uint8		previous[TOMS_HASH_BYTES];	/* digest of the block before, or zeros */
	uint8		root[TOMS_HASH_BYTES];
	uint8		manifest[TOMS_HASH_BYTES];	/* digest of the manifest */
	char	   *snapshot;		/* as pg_snapshot prints it */
} TomsBlockHeader;

extern TomsBytes toms_block_header_write(const TomsBlockHeader *header);
extern bool toms_block_header_read(TomsBytes bytes, TomsBlockHeader *header);

/* Palloc'd; false: this is none. */
extern bool toms_snapshot_read(const char *text, TomsSnapshot *snapshot);

/* segment.c */
/* The segment of this cluster, opened if need be; 0: somebody else is about to, and "wait" is false. */
extern int32 toms_segment_open(bool wait);

/*
 * Before ids are taken: where entries were restored, those that are written now are of a segment
 * of their own.  Others wait until the transaction that opens it ends.  *first_id: its first number, 0 for
 * the first segment.
 */
extern bool toms_segment_begin(int64 *first_id);

/* All of them in order, as the active snapshot sees them.  SPI is connected. */
extern int	toms_segments_read(TomsSegment **segments);

#endif							/* TOMS_BLOCK_H */
