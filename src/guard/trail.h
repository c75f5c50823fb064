/*
 * trail.h - the audit trail is append-only; between the files of slice guard.
 */
#ifndef TOMS_GUARD_TRAIL_H
#define TOMS_GUARD_TRAIL_H

#include "guard/guard.h"

extern void toms_guard_trail_init(void);

/* Whether a table belongs to the audit trail. */
extern bool toms_guard_is_trail(Oid relid);

/* Whether a table holds entries of a trail in use, and it is not toms itself that reads them; asked for every table. */
extern bool toms_guard_reads_trail(Oid relid);

/* Refuse what writes to it; false instead where the caller only asks. */
extern bool toms_guard_check_trail(Oid relid, AclMode verbs, bool refuse);

/* Before a utility statement: refuse what would change its tables. */
extern void toms_guard_trail_utility(Node *statement);

#endif							/* TOMS_GUARD_TRAIL_H */
