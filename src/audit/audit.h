/*
 * audit.h - who did what: entries of the trail, the blocks that seal them, and the workers.
 */
#ifndef TOMS_AUDIT_H
#define TOMS_AUDIT_H

#include "postgres.h"

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
 * For hooks.c.  A statement that needs a database without sessions keeps its worker out, from
 * "before" until "after" is called, on error too, with what "kept_out" returned beforehand.
 */
extern int	toms_worker_kept_out(void);
extern void toms_worker_before_utility(Node *statement);
extern void toms_worker_after_utility(int kept_out);

/* An extension or a database is created or dropped. */
extern void toms_worker_object_access(ObjectAccessType access, Oid class, Oid object);

#endif							/* TOMS_AUDIT_H */
