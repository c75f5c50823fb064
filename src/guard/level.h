/*
 * level.h - the level of execution; between the files of slice guard.
 */
#ifndef TOMS_GUARD_LEVEL_H
#define TOMS_GUARD_LEVEL_H

#include "guard/guard_int.h"

extern TomsLevel toms_level;	/* in which something is going on now */

extern void toms_level_init(void);

/* A statement is asked about before its level is pushed: what is asked belongs to that level. */
extern void toms_level_asking(bool is_asking);

#endif							/* TOMS_GUARD_LEVEL_H */
