/*
 * child.h - partitions and inheritance children.
 */
#ifndef TOMS_GUARD_CHILD_H
#define TOMS_GUARD_CHILD_H

#include "postgres.h"

/* Before a table gets a parent; InvalidOid: there is no such table. */
extern void toms_guard_check_new_parent(Oid child, Oid parent);
extern void toms_guard_hand_triggers_over(Oid child, Oid parent);

/* After it has lost it. */
extern void toms_guard_partition_detached(Oid parent, Oid relid);
extern void toms_guard_child_let_go(Oid parent, Oid relid);	/* NO INHERIT */

#endif							/* TOMS_GUARD_CHILD_H */
