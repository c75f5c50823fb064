/*
 * place.h - which block an entry is in, by its id and transaction.
 */
#ifndef TOMS_PLACE_H
#define TOMS_PLACE_H

#include "trail/trail.h"

typedef struct TomsSnapshot
{
	uint64		xmin;
	uint64		xmax;
	uint64	   *xip;			/* ascending */
	int			count;
} TomsSnapshot;

typedef struct TomsSegment
{
	int32		number;
	uint64		system;
	int64		first_id;
} TomsSegment;

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

#endif							/* TOMS_PLACE_H */
