/*
 * tally_int.h - between the files of slice audit: rows are told to the tally instead of the trail.
 */
#ifndef TOMS_TALLY_INT_H
#define TOMS_TALLY_INT_H

#include "executor/tuptable.h"
#include "utils/relcache.h"

/* Whether the row that is being changed or deleted is counted, and not recorded. */
extern bool toms_tally_is_asked(void);

/* "old": what it was. */
extern void toms_tally_add(Relation rel, TupleTableSlot *old);

extern void toms_tally_init(void);

#endif							/* TOMS_TALLY_INT_H */
