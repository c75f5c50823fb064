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

#include "trail/trail.h"

/*
 * block.c: close the next block, and answer its number; 0: there was nothing to close.  In a
 * transaction of the caller's, READ COMMITTED, as a superuser, with synchronous_commit on, which
 * he commits before he calls toms_block_publish(), outside of a transaction: that tells the
 * digest to the server log and to the outside log, also of blocks that a crash kept from there.
 */
extern int64 toms_block_close(void);
extern void toms_block_publish(void);

/* Until the transaction ends: nobody closes a block, nor takes entries out of some. */
extern void toms_block_lock(void);

/* As the outside log and archives write it. */
extern char *toms_iso_time(TimestampTz at);

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

typedef struct TomsSnapshot
{
	uint64		xmin;
	uint64		xmax;
	uint64	   *xip;			/* ascending */
	int			count;
} TomsSnapshot;

/* Palloc'd; false: this is none. */
extern bool toms_snapshot_read(const char *text, TomsSnapshot *snapshot);

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

/* segment.c */
typedef struct TomsSegment
{
	int32		number;
	uint64		system;
	int64		first_id;
} TomsSegment;

/* The segment of this cluster, opened if need be; 0: somebody else is about to, and "wait" is false. */
extern int32 toms_segment_open(bool wait);

/*
 * Before ids are taken: where entries were restored, those that are written now are of a segment
 * of their own.  Others wait until the transaction that opens it ends.
 */
extern void toms_segment_begin(void);

/* All of them in order, as the active snapshot sees them.  SPI is connected. */
extern int	toms_segments_read(TomsSegment **segments);

/*
 * place.c: the query that gives the entries of some blocks, in order.  A map is what it needs to
 * know of these blocks and of the one before them.
 */
typedef struct TomsMapBlock
{
	int32		segment;
	const TomsSnapshot *snapshot;
	const uint8 *secret;
} TomsMapBlock;

typedef struct TomsMapParts
{
	const TomsSegment *segments;
	const TomsMapBlock *blocks;
	int			segment_count;
	int			count;			/* at most TOMS_MAP_LIMIT */
	int			before;			/* the first are told for reference: their entries are not wanted */
	int			open;			/* index of one that is not closed: entries come with their time, those in no block too; or -1 */
	Oid			marked;			/* a partition: its entries are marked, and come with their bytes where "with_bytes" is true */
	bool		with_bytes;
} TomsMapParts;

#define TOMS_MAP_LIMIT 32000
#define TOMS_MAP_NOWHERE 0xFFFF

/* An entry as the query gives it: sorted by the first three. */
typedef struct TomsPlaced
{
	int			block;			/* index in the map, or TOMS_MAP_NOWHERE */
	char		kind;
	int64		id;
	TimestampTz at;				/* of the block that is open, and nowhere */
	const uint8 *leaf;			/* else */
	bool		marked;
	TomsBytes	bytes;			/* canonical, of those that are marked */
} TomsPlaced;

/* "visit" is called for each entry, in the memory context of the caller.  SPI is connected. */
typedef void (*TomsPlacedVisit) (void *arg, const TomsPlaced *placed);
extern void toms_entries_walk(const TomsMapParts *parts, const char *condition, TomsPlacedVisit visit, void *arg);

#endif							/* TOMS_BLOCK_H */
