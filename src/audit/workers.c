/*
 * workers.c - what launcher, workers and backends share: the slots of databases, and what a
 * backend's transaction leaves to be done when it has committed.
 *
 * Announcements are called by slice audit and hooks.c in any backend.  They take effect after
 * the commit, when others see what was written: a worker that took its snapshot before would
 * otherwise count it as done.
 */
#include "audit/worker.h"

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

TomsWorkers *toms_workers = NULL;

/* This database's slot, if it is still that. */
static TomsWorkerSlot *own_slot = NULL;

/* For the end of this transaction. */
static struct
{
	bool		any;
	bool		written;
	bool		extension;		/* one was created or dropped */
	bool		rules;			/* of retention */
	Oid			created;		/* a database, from one that has a worker */
	Oid			dropped;		/* a database */
}			pending = {false};

PG_FUNCTION_INFO_V1(toms_worker_entries);

Size
toms_worker_shmem_size(void)
{
	return sizeof(TomsWorkers);
}

static void
clear_slot(TomsWorkerSlot *slot)
{
	slot->keep_out = 0;
	slot->wanted = slot->undecided = slot->installed = slot->retains = false;
	slot->retains_since = 0;
	memset(slot->posts, 0, sizeof(slot->posts));
	pg_atomic_write_u32(&slot->database, InvalidOid);
}

void
toms_worker_shmem_init(bool found, void *area)
{
	toms_workers = area;
	own_slot = NULL;
	if (found)
		return;
	toms_workers->launcher = NULL;
	ConditionVariableInit(&toms_workers->left);
	for (int i = 0; i < TOMS_WORKER_SLOTS; i++)
	{
		pg_atomic_init_u32(&toms_workers->slots[i].database, InvalidOid);
		pg_atomic_init_u64(&toms_workers->slots[i].written, 0);
		clear_slot(&toms_workers->slots[i]);
	}
}

/* slots --------------------------------------------------------------------------------- */

TomsWorkerSlot *
toms_worker_find(Oid database)
{
	for (int i = 0; i < TOMS_WORKER_SLOTS; i++)
	{
		if (pg_atomic_read_u32(&toms_workers->slots[i].database) == database)
			return &toms_workers->slots[i];
	}
	return NULL;
}

TomsWorkerSlot *
toms_worker_take(Oid database)
{
	TomsWorkerSlot *slot = toms_worker_find(database);

	if (slot == NULL && (slot = toms_worker_find(InvalidOid)) != NULL)
		pg_atomic_write_u32(&slot->database, database);
	return slot;
}

bool
toms_worker_is_there(const TomsWorkerSlot *slot)
{
	for (int i = 0; i < TOMS_WORKER_ROLES; i++)
	{
		if (slot->posts[i].pid != 0)
			return true;
	}
	return false;
}

void
toms_worker_wake_all(TomsWorkerSlot *slot)
{
	for (int i = 0; i < TOMS_WORKER_ROLES; i++)
	{
		if (slot->posts[i].pid != 0)
			SetLatch(slot->posts[i].latch);
	}
}

void
toms_worker_free(TomsWorkerSlot *slot)
{
	if (!toms_worker_is_there(slot) && slot->keep_out == 0 && !slot->wanted && !slot->installed)
		clear_slot(slot);
}

void
toms_worker_wake_launcher(void)
{
	if (toms_workers->launcher)
		SetLatch(toms_workers->launcher);
}

bool
toms_worker_want(Oid database)
{
	TomsWorkerSlot *slot;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	slot = toms_worker_take(database);
	/* one that is looking may have looked too early */
	if (slot && !slot->installed && !slot->wanted)
	{
		slot->wanted = true;
		toms_worker_wake_launcher();
	}
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	return slot != NULL;
}

/* announcements ------------------------------------------------------------------------- */

void
toms_worker_announce(void)
{
	pending.any = pending.written = true;
}

void
toms_worker_announce_rules(void)
{
	pending.any = pending.rules = true;
}

void
toms_worker_object_access(ObjectAccessType access, Oid class, Oid object)
{
	bool		created = access == OAT_POST_CREATE;

	if (!created && access != OAT_DROP)
		return;
	if (class == ExtensionRelationId)
		pending.any = pending.extension = true;
	if (class != DatabaseRelationId || (created && !toms_worker_keeps_installed()))
		return;
	pending.any = true;
	*(created ? &pending.created : &pending.dropped) = object;
}

static void
count_written(void)
{
	if (own_slot == NULL || pg_atomic_read_u32(&own_slot->database) != MyDatabaseId || !own_slot->installed)
	{
		(void) toms_worker_want(MyDatabaseId);
		LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_SHARED);
		own_slot = toms_worker_find(MyDatabaseId);
		LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	}
	if (own_slot)
		pg_atomic_fetch_add_u64(&own_slot->written, 1);
}

/* Whether the extension is there, and has rules, is the worker's to find out; with rules there is nothing new to seal. */
static void
look_again(bool seal)
{
	TomsWorkerSlot *slot;

	(void) toms_worker_want(MyDatabaseId);
	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	slot = toms_worker_find(MyDatabaseId);
	for (int i = 0; slot && i < TOMS_WORKER_ROLES; i++)
		slot->posts[i].recheck |= seal || i != TOMS_WORKER_SEALER;
	if (slot)
		toms_worker_wake_all(slot);
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
}

static void
forget_dropped(Oid database)
{
	TomsWorkerSlot *slot;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	slot = toms_worker_find(database);
	if (slot)
	{
		slot->wanted = slot->installed = slot->retains = false;
		toms_worker_free(slot);
	}
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	(void) toms_queue_release(database);
}

static void
announce_pending(void)
{
	if (pending.written)
		count_written();
	if (pending.extension || pending.rules)
		look_again(pending.extension);
	if (OidIsValid(pending.created))
		(void) toms_worker_want(pending.created);
	if (OidIsValid(pending.dropped))
		forget_dropped(pending.dropped);
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (pending.any && event == XACT_EVENT_COMMIT)
		announce_pending();
	memset(&pending, 0, sizeof(pending));
	toms_worker_let_in();
}

/* Who adds an event waits for its writer: it shall not be looked for in turn. */
static void
want_writer(void)
{
	(void) toms_worker_want(MyDatabaseId);
}

void
toms_workers_init(void)
{
	RegisterXactCallback(at_transaction_event, NULL);
	toms_queue_want_writer = want_writer;
}

TomsWorkerState
toms_worker_state(TomsWorkerRole role)
{
	TomsWorkerState state = {0};
	const TomsWorkerSlot *slot;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_SHARED);
	slot = toms_worker_find(MyDatabaseId);
	if (slot)
	{
		const TomsWorkerPost *post = &slot->posts[role];

		state = (TomsWorkerState) {post->pid, post->started_at, post->ended_at, post->last_step_at, slot->retains_since, slot->retains, post->problems};
	}
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	return state;
}

/* toms.worker_entries() ----------------------------------------------------------------- */

static Datum
time_or_null(TimestampTz time, bool *isnull)
{
	*isnull = time == 0;
	return TimestampTzGetDatum(time);
}

static void
put_row(ReturnSetInfo *result, const TomsWorkerSlot *slot)
{
	Datum		values[7];
	bool		nulls[7] = {false};
	const TomsWorkerPost *post = &slot->posts[TOMS_WORKER_SEALER];
	bool		runs = post->pid != 0;

	values[0] = ObjectIdGetDatum(pg_atomic_read_u32((volatile pg_atomic_uint32 *) &slot->database));
	values[1] = Int32GetDatum(post->pid);
	nulls[1] = !runs;
	values[2] = time_or_null(runs ? post->started_at : 0, &nulls[2]);
	values[3] = time_or_null(post->last_step_at, &nulls[3]);
	values[4] = time_or_null(post->last_error_at, &nulls[4]);
	values[5] = Int64GetDatum(post->steps);
	values[6] = Int64GetDatum(post->errors);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
toms_worker_entries(PG_FUNCTION_ARGS)
{
	TomsWorkerSlot *copies = palloc(sizeof(toms_workers->slots));

	InitMaterializedSRF(fcinfo, 0);
	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_SHARED);
	memcpy(copies, toms_workers->slots, sizeof(toms_workers->slots));
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	for (int i = 0; i < TOMS_WORKER_SLOTS; i++)
	{
		if (copies[i].installed)
			put_row((ReturnSetInfo *) fcinfo->resultinfo, &copies[i]);
	}
	return (Datum) 0;
}
