/*
 * verify.h - between the files that verify the trail.
 *
 * What they read may have been changed by a superuser to anything: nothing is believed, no count
 * is allocated by, and what cannot be read is a fault.
 */
#ifndef TOMS_VERIFY_H
#define TOMS_VERIFY_H

#include "audit/block.h"
#include "nodes/execnodes.h"

/* A fault of the trail; 0 and NULL: does not apply. */
typedef struct TomsFault
{
	const char *fault;
	int64		block;
	int64		to_block;		/* of several in a row */
	int64		entry;
	int32		timeline;
	const char *detail;
} TomsFault;

typedef struct TomsVerification
{
	ReturnSetInfo *result;
	bool		begins;			/* the range has the first block, */
	bool		ends;			/* and what comes after the last one */
	int64		first;
	int64		last;
	bool		has_dataset;
	uint8		dataset[16];
	bool		has_key;		/* of the keyring */
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
	TomsSegment *segments;
	int			segment_count;
	TimestampTz overdue;		/* what is older should have been sealed, and told outside */
	TimestampTz sealed_at;		/* of the last block */
	void	   *plans[3];		/* of statements that are run for each block, or line */
} TomsVerification;

/* Run such a statement, of one number; SPI is connected. */
typedef enum TomsVerifyStatement
{
	TOMS_VERIFY_MANIFEST,
	TOMS_VERIFY_PRUNED,
	TOMS_VERIFY_HEADER
} TomsVerifyStatement;

extern void toms_verify_query(TomsVerification *run, TomsVerifyStatement statement, int64 number);

extern void toms_verify_report(const TomsVerification *run, TomsFault fault);

/* verify_block.c: a block, as far as it can be read. */
typedef struct TomsCheckedBlock
{
	int64		number;
	int32		segment;
	int64		size;
	bool		after_gap;		/* entries of blocks that are missing may seem to be in it */
	bool		placed;			/* snapshot and secret are known */
	bool		sealed;			/* root, size and digest of the manifest are known */
	TomsSnapshot snapshot;
	uint8		secret[TOMS_BLOCK_SECRET_BYTES];
	uint8		root[TOMS_HASH_BYTES];
	uint8		manifest[TOMS_HASH_BYTES];
} TomsCheckedBlock;

/* The blocks before one, as the chain is followed. */
typedef struct TomsChain
{
	bool		started;
	bool		changed;		/* the last one: that the next does not fit says nothing new */
	bool		placed;
	int64		number;			/* of the last one */
	int32		segment;
	bool		has_key;
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
	uint8		digest[TOMS_HASH_BYTES];
	bool		told_dataset;
	int32		told_segment;
} TomsChain;

#define TOMS_BLOCK_COLUMNS "number, segment, timeline, snapshot::text, size, root, previous, secret, sealed_at, key, header, signature, digest"

/* With quiet, nothing is reported: it is before the range.  False: it has been there already. */
extern bool toms_verify_block(TomsVerification *run, TomsChain *chain, bool quiet, HeapTuple row, TupleDesc columns, TomsCheckedBlock *block);

/* verify_entry.c: the entries of blocks; the first "before" of them are there for reference. */
extern void toms_verify_entries(TomsVerification *run, const TomsCheckedBlock *blocks, int count, int before, bool open);

/* verify_outside.c: the blocks of the range against the log outside of the data directory. */
extern void toms_verify_outside(TomsVerification *run);

/* verify_pruning.c: what was pruned, against the signed records of it. */
extern void toms_verify_prunings(TomsVerification *run);

/* acknowledge.c: whether blocks of this trail are signed with a key. */
extern bool toms_verify_is_our_key(const TomsVerification *run, const bytea *key);

/* acknowledge.c: rewinds that an officer has signed off; a record of the log outside is one if it is up to this line. */
typedef struct TomsAcknowledgement
{
	int64		from_block;
	int64		to_block;
	int64		line;
} TomsAcknowledgement;

extern int	toms_acknowledgements(TomsVerification *run, TomsAcknowledgement **acknowledgements);

#endif							/* TOMS_VERIFY_H */
