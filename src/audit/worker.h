/*
 * worker.h - between the files of the background workers: launcher, workers and what they share.
 *
 * A database with the extension has two: the writer, which makes entries of queued events, and the
 * sealing worker; slice retention's is the third, where there are rules.  One slot for each database that has some, is to be looked at, or must be left alone.
 * TOMS_LOCK_WORKERS guards all of it but the atomics: a slot is given out, freed, and every
 * other field is written with the lock held exclusively.  Under it nothing is allocated,
 * reported or looked up.
 */
#ifndef TOMS_WORKER_H
#define TOMS_WORKER_H

#include "postgres.h"

#include "audit/audit_int.h"
#include "base/lock.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"

#include <signal.h>

#define TOMS_WORKER_SLOTS 512

/* Every database is looked at, and every step done whether or not something was written, this often. */
#define TOMS_WORKER_ROUND_MS (10 * 60 * 1000)

typedef struct TomsWorkerPost
{
	pid_t		pid;			/* of the worker, 0: none */
	Latch	   *latch;			/* of the worker */
	bool		recheck;		/* the extension may have been dropped */
	bool		leave;			/* another worker needs the place */
	int			failures;		/* workers that ended in an error since the last step that succeeded */
	TimestampTz started_at;
	TimestampTz ended_at;
	TimestampTz last_step_at;
	TimestampTz last_error_at;	/* 0: none, as for the others */
	int64		steps;
	int64		errors;
	int			problems;		/* as the worker counts them; -1: not yet */
} TomsWorkerPost;

typedef struct TomsWorkerSlot
{
	pg_atomic_uint32 database;	/* InvalidOid: the slot is free */
	pg_atomic_uint64 written;	/* transactions with entries that have been committed */
	int			keep_out;		/* transactions that want the database to themselves */
	bool		wanted;			/* a writer shall look whether the extension is there */
	bool		undecided;		/* one is looking */
	bool		installed;		/* it is there: workers belong here */
	bool		retains;		/* there are rules of retention */
	TimestampTz retains_since;	/* 0: never */
	TomsWorkerPost posts[TOMS_WORKER_ROLES];
} TomsWorkerSlot;

typedef struct TomsWorkers
{
	Latch	   *launcher;		/* NULL: none runs */
	ConditionVariable left;		/* broadcast when a worker has left its database */
	TomsWorkerSlot slots[TOMS_WORKER_SLOTS];
} TomsWorkers;

extern TomsWorkers *toms_workers;

/*
 * workers.c, with the lock held.  find returns NULL if there is none, take if the table is full;
 * free does nothing while the slot is needed.
 */
extern TomsWorkerSlot *toms_worker_find(Oid database);
extern TomsWorkerSlot *toms_worker_take(Oid database);
extern void toms_worker_free(TomsWorkerSlot *slot);
extern void toms_worker_wake_launcher(void);
extern bool toms_worker_is_there(const TomsWorkerSlot *slot);	/* one of them at least */
extern void toms_worker_wake_all(TomsWorkerSlot *slot);

/* Without the lock: let a database be looked at unless its workers run; false if the table is full. */
extern bool toms_worker_want(Oid database);

/* keep_out.c: whether the database that the statement under way has to itself has the extension; the end of the transaction. */
extern bool toms_worker_keeps_installed(void);
extern void toms_worker_let_in(void);

/* process.c: what workers of all roles do alike, beside what audit.h tells; of this process. */
extern TomsWorkerSlot *toms_process_slot;
extern TomsWorkerPost *toms_process_post;

/*
 * commit.c: before a transaction of the writer; after it, with interrupts held: false if standbys have it not as far as
 * toms.audit_synchronous_commit asks; end that, perhaps for ever: false if it was not waiting.
 */
extern void toms_commit_choose(bool urgent);
extern bool toms_commit_wait(void);
extern bool toms_commit_interrupt(bool give_up);

/* Each defines its part. */
extern void toms_workers_init(void);
extern void toms_worker_init(void);
extern void toms_launcher_init(void);
extern void toms_commit_init(void);

#endif							/* TOMS_WORKER_H */
