/*
 * tally.h - rows that toms itself deletes when their period is over, counted instead of recorded one by one;
 * part of audit.h.
 */
#ifndef TOMS_TALLY_H
#define TOMS_TALLY_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* Rows of one table that were deleted or changed, by a statement of retention's or by a foreign key. */
typedef struct TomsTally
{
	Oid			root;
	int64		rows;
	int64		attempted;		/* since the last attempt began */
} TomsTally;

/*
 * From begin to end, of one transaction at most: what the own statements of toms' work (context/work.h) delete or
 * change is counted.  Each attempt is kept, or given up when its subtransaction is rolled back.
 */
extern void toms_tally_begin(void);
extern void toms_tally_attempt(void);
extern void toms_tally_keep(void);
extern void toms_tally_end(void);

/* Until then: of TomsTally *; and the data keys of the values that were in the rows, each once. */
extern List *toms_tally_tables(void);
extern int64 *toms_tally_keys(int *count);

/*
 * deletion.c: the entry about one batch.  "details" are JSON members that name nobody; they are not sealed, so that the
 * entry outlives the tenant's keys.
 */
extern void toms_audit_deletion(Oid root, char verb, const char *tenant, const char *details);

/* The same about an erasure as a whole, of all tables; the entry's number. */
extern int64 toms_audit_erasure(const char *tenant, const char *details);

#endif							/* TOMS_TALLY_H */
