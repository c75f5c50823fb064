/*
 * audit.h - who did what: entries of the trail, the blocks that seal them, and the workers.
 */
#ifndef TOMS_AUDIT_H
#define TOMS_AUDIT_H

#include "postgres.h"

#include "audit/tally.h"
#include "catalog/objectaccess.h"
#include "nodes/nodes.h"

extern void toms_audit_init(void);

/* workers.c, for shmem.c */
extern Size toms_worker_shmem_size(void);
extern void toms_worker_shmem_init(bool found, void *area);

/*
 * This transaction writes entries: once it has committed, a worker shall seal them.  To be called
 * in each transaction that does, as often as one likes: it sets a flag.
 */
extern void toms_worker_announce(void);

/* The worker of this database shall do its step at once. */
extern void toms_worker_wake(void);

/*
 * For hooks.c.  Before a statement that needs a database without sessions: its worker is sent away
 * and kept out until the transaction ends, in whichever way.
 */
extern void toms_worker_before_utility(Node *statement);

/* An extension or a database is created or dropped. */
extern void toms_worker_object_access(ObjectAccessType access, Oid class, Oid object);

#endif							/* TOMS_AUDIT_H */
