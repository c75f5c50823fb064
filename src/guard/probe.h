/*
 * probe.h - what the guard would decide on statements other than of rows; between the files of slice guard.
 */
#ifndef TOMS_GUARD_PROBE_H
#define TOMS_GUARD_PROBE_H

#include "guard/guard_int.h"

/* loss.c: TRUNCATE and DROP of any table; raise no error and record nothing. */
extern TomsFinding toms_guard_examine_truncate(void);
extern TomsFinding toms_guard_examine_drop(void);

/* utility.c: whether the policies of a relation, and its triggers of toms, cannot be taken down now. */
extern bool toms_guard_keeps_policies(Oid relid);

#endif							/* TOMS_GUARD_PROBE_H */
