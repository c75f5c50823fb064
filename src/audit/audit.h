/*
 * audit.h - who did what: entries of the trail, the blocks that seal them, and the workers.
 */
#ifndef TOMS_AUDIT_H
#define TOMS_AUDIT_H

#include "postgres.h"

#include "audit/dataset.h"
#include "audit/outside.h"
#include "audit/tally.h"
#include "catalog/objectaccess.h"
#include "datatype/timestamp.h"
#include "nodes/nodes.h"

#include <signal.h>

extern void toms_audit_init(void);

/* workers.c, for shmem.c */
extern Size toms_worker_shmem_size(void);
extern void toms_worker_shmem_init(bool found, void *area);

/*
 * This transaction writes entries: once it has committed, a worker shall seal them.  To be called
 * in each transaction that does, as often as one likes: it sets a flag.
 */
extern void toms_worker_announce(void);

/*
 * For hooks.c.  Before a statement that needs a database without sessions: its worker is sent away
 * and kept out until the transaction ends, in whichever way.
 */
extern void toms_worker_before_utility(Node *statement);

/* An extension or a database is created or dropped. */
extern void toms_worker_object_access(ObjectAccessType access, Oid class, Oid object);

/* Rules of retention have changed: once this transaction has committed, a worker shall be there for them, or go. */
extern void toms_worker_announce_rules(void);

/* The writer looks whether the extension is there: sessions may be waiting for it.  The others follow. */
typedef enum TomsWorkerRole
{
	TOMS_WORKER_WRITER,
	TOMS_WORKER_SEALER,
	TOMS_WORKER_RETENTION,		/* slice retention's, while there are rules */
	TOMS_WORKER_ROLES
} TomsWorkerRole;

/* process.c: the life of a background worker that launcher.c has started for a database; of this process. */
extern MemoryContext toms_process_context;
extern volatile sig_atomic_t toms_process_terminating;	/* SIGTERM has come */

extern void toms_process_begin(Oid database, TomsWorkerRole role, void (*on_terminate) (SIGNAL_ARGS));
extern void toms_process_attend(void);	/* to interrupts and new settings: also when idle, else barriers wait for ever */
extern bool toms_process_is_told(bool *leaving);	/* to look whether the extension is still there */
extern void toms_process_require_extension(void);	/* in a transaction; ends the worker if nobody needs it here */
extern void toms_process_clean_up_error(void);
extern void toms_process_count(bool succeeded);

/* What the worker of a role has last done in this database; 0: nothing, as for each. */
typedef struct TomsWorkerState
{
	int			pid;
	TimestampTz started_at;
	TimestampTz ended_at;
	TimestampTz last_step_at;
	TimestampTz wanted_since;	/* of retention: since when the server knows of rules */
	bool		wanted;			/* there are some */
	int			problems;		/* of the last run; -1: there was none yet */
} TomsWorkerState;

extern void toms_process_tell_problems(int problems);
extern TomsWorkerState toms_worker_state(TomsWorkerRole role);

/* Set by slice rights: what the worker that seals does after each step, outside of a transaction; whether it has to come again soon. */
extern bool (*toms_worker_also) (void);

/* block.c: until the transaction ends nobody closes a block, nor gives the data a name; a time as the outside log writes it. */
extern void toms_block_lock(void);
extern char *toms_iso_time(TimestampTz at);

#endif							/* TOMS_AUDIT_H */
