/*
 * change.h - one counter of everything that may change an answer about "may they?".
 *
 * Settings, contexts and the catalogue's cache raise it, in this backend and for nobody
 * else; whoever keeps an answer keeps the count with it.  Reading it is all that the
 * functions of policies do per row.
 */
#ifndef TOMS_CHANGE_H
#define TOMS_CHANGE_H

#include "postgres.h"

extern uint64 toms_change_count;	/* never 0 */

static inline void
toms_note_change(void)
{
	toms_change_count++;
}

#endif							/* TOMS_CHANGE_H */
