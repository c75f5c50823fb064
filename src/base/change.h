/*
 * change.h - counters of what may change an answer about "may they?".
 *
 * The catalogue's cache raises both, settings and contexts the first alone, in this backend
 * and for nobody else.  An answer about the context in force is kept with toms_change_count,
 * for the most part of a transaction; one that holds for every context, or for the role and
 * purpose that are kept with it, with toms_configuration_count, for as long as nobody
 * configures anything.  Reading a count is all that the functions of policies do per row.
 * Where an access function has run the count goes back to what it was, and so do the answers.
 */
#ifndef TOMS_CHANGE_H
#define TOMS_CHANGE_H

#include "postgres.h"

extern uint64 toms_change_count;	/* never 0, nor what it was for another answer */
extern uint64 toms_configuration_count; /* never 0 */
extern uint64 toms_last_change; /* the highest that toms_change_count has been */

static inline void
toms_note_change(void)
{
	toms_change_count = ++toms_last_change;
}

static inline void
toms_note_configuration(void)
{
	toms_configuration_count++;
	toms_note_change();
}

#endif							/* TOMS_CHANGE_H */
