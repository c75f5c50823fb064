/*
 * sample.h - proofs, logs, chains and archives made up for tests of toms-verify.
 *
 * Built from doc/trail-format.md and the recursive definitions of RFC 6962, without a line of what
 * is tested.  Everything is fixed: the same sample is the same bytes in each run.
 */
#ifndef TOMS_TEST_SAMPLE_H
#define TOMS_TEST_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#define SAMPLE_BLOCKS 40		/* block n has n - 1 entries: changes, then an object, then who */

typedef struct Sample
{
	char		text[1 << 18];
	int			size;
} Sample;

extern void sample_start(void);
extern const char *sample_key(void);

/* The proof of an entry of a block, with those to which it refers where the block has them. */
extern void sample_proof(Sample *sample, int block, int index);

#define SAMPLE_DELETION 36		/* index in the last block: an erasure that is done */

/* A certificate of it, signed as it is; what is not NULL or 0 is not what the entry says. */
typedef struct SampleLie
{
	const char *dataset;
	const char *tenant;
	const char *tables;
	int			index;			/* the proof of another entry */
	bool		unproved;
} SampleLie;

extern void sample_certificate(Sample *sample, const SampleLie *lie);

/* A report, as JSON or as a text that ends with a comment. */
extern void sample_report(Sample *sample, bool is_text);

/* Lines of the log, or of the chain, for these blocks. */
extern void sample_log(Sample *sample, int from, int to);
extern void sample_chain(Sample *sample, int from, int to);

/* Of some blocks the entries of an interval of indexes, and hashes for the others. */
extern void sample_archive(Sample *sample, int from, int to, int first, int behind);

/* RFC 6962: tree hash and audit path of hashes of leaves; path in "path", its length returned. */
extern void reference_root(uint8_t root[32], uint8_t leaves[][32], int count);
extern int	reference_path(uint8_t path[][32], int index, uint8_t leaves[][32], int count);

#endif							/* TOMS_TEST_SAMPLE_H */
