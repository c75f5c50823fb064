/*
 * queue.c - the rings of messages in shared memory.
 *
 * Called by event.c in sessions and by slice audit's writer.  The lock of a queue guards all of it
 * but the counters that are atomic; it is held for the copying of messages at most, and nothing is
 * allocated or reported meanwhile.  Positions are bytes since the queue was made and never
 * decrease: messages from "tail" to "taken" are being written, those from "taken" to "head" wait.
 */
#include "trail/trail.h"

#include "base/lock.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

typedef struct Queue
{
	pg_atomic_uint32 database;	/* InvalidOid: free; written under TOMS_LOCK_QUEUES */
	uint64		head;
	uint64		taken;
	uint64		tail;
	pid_t		writer;
	Latch	   *latch;			/* of the writer */
	bool		idle;			/* the writer sleeps until there is something */
	bool		urgent;			/* somebody waits, or the ring is half full */
	ConditionVariable written;	/* "tail" has moved */
	TimestampTz committed_at;
	int64		added;
	int64		merged;
	int64		entries;
	pg_atomic_uint64 waits;
	pg_atomic_uint64 timeouts;
	char	   *ring;
} Queue;

static int	queues = 8;
static int	queue_size = 1024;	/* kB */

static Queue *shared = NULL;
static Queue *own = NULL;		/* this database's */

/* The last messages of this session, into which others may be merged; of "own". */
#define RECENT 8
static TomsMark recent[RECENT];
static int	nrecent = 0;		/* so far, counted on */

void
toms_queue_init(void)
{
	DefineCustomIntVariable("toms.audit_queues",
							"How many databases can have an audit queue at the same time.",
							"Each takes toms.audit_queue_size of shared memory.",
							&queues, 8, 1, 512, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("toms.audit_queue_size",
							"Size of the queue in which reads, refusals and log-ins of a database wait for being written.",
							"Sessions wait when it is full, for toms.audit_timeout at most.",
							&queue_size, 1024, 64, 1024 * 1024, PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
}

int
toms_queue_count(void)
{
	return queues;
}

static uint64
ring_size(void)
{
	return (uint64) queue_size * 1024;
}

Size
toms_queue_shmem_size(void)
{
	return mul_size(queues, add_size(MAXALIGN(sizeof(Queue)), ring_size()));
}

void
toms_queue_shmem_init(bool found, void *area)
{
	shared = area;
	for (int i = 0; !found && i < queues; i++)
	{
		memset(&shared[i], 0, sizeof(Queue));
		pg_atomic_init_u32(&shared[i].database, InvalidOid);
		pg_atomic_init_u64(&shared[i].waits, 0);
		pg_atomic_init_u64(&shared[i].timeouts, 0);
		ConditionVariableInit(&shared[i].written);
		shared[i].ring = (char *) area + MAXALIGN(queues * sizeof(Queue)) + i * ring_size();
	}
}

static LWLock *
lock_of(const Queue *queue)
{
	return &GetNamedLWLockTranche("toms_queue")[queue - shared].lock;
}

/* queues of databases ----------------------------------------------------------------- */

static Queue *
find(Oid database)
{
	for (int i = 0; i < queues; i++)
	{
		if (pg_atomic_read_u32(&shared[i].database) == database)
			return &shared[i];
	}
	return NULL;
}

bool
toms_queue_attach(void)
{
	if (own && pg_atomic_read_u32(&own->database) == MyDatabaseId)
		return true;
	memset(recent, 0, sizeof(recent));
	own = find(MyDatabaseId);
	if (own || !OidIsValid(MyDatabaseId))
		return own != NULL;
	LWLockAcquire(toms_lock(TOMS_LOCK_QUEUES), LW_EXCLUSIVE);
	own = find(MyDatabaseId);
	if (own == NULL)
		own = find(InvalidOid);
	if (own)
		pg_atomic_write_u32(&own->database, MyDatabaseId);
	LWLockRelease(toms_lock(TOMS_LOCK_QUEUES));
	return own != NULL;
}

void
toms_queue_release(Oid database)
{
	Queue	   *queue;

	LWLockAcquire(toms_lock(TOMS_LOCK_QUEUES), LW_EXCLUSIVE);
	queue = find(database);
	if (queue)
	{
		LWLockAcquire(lock_of(queue), LW_EXCLUSIVE);
		queue->tail = queue->taken = queue->head;
		pg_atomic_write_u32(&queue->database, InvalidOid);
		LWLockRelease(lock_of(queue));
	}
	LWLockRelease(toms_lock(TOMS_LOCK_QUEUES));
	if (queue)
		ConditionVariableBroadcast(&queue->written);
}

/* With the lock held. */
static bool
is_ours(Queue *queue)
{
	return pg_atomic_read_u32(&queue->database) == MyDatabaseId;
}

/* messages ---------------------------------------------------------------------------- */

static TomsMessage *
message_at(const Queue *queue, uint64 position)
{
	return (TomsMessage *) (queue->ring + position % ring_size());
}

/* Bytes that a message needs at the head: it does not go beyond the ring's end, but begins anew. */
static uint64
needed(const Queue *queue, Size size)
{
	uint64		left = ring_size() - queue->head % ring_size();

	return left < size ? left + size : size;
}

static bool
has_room(const Queue *queue, Size size)
{
	return queue->head - queue->tail + needed(queue, size) <= ring_size();
}

static void
skip_to(Queue *queue, Size size)
{
	uint64		left = ring_size() - queue->head % ring_size();
	TomsMessage *filler = message_at(queue, queue->head);

	if (left >= size)
		return;
	filler->size = (uint32) left;
	if (left >= offsetof(TomsMessage, texts))
		filler->is_filler = true;
	queue->head += left;
}

static bool
says_the_same(const TomsMessage *one, const TomsMessage *other)
{
	return one->size == other->size && one->kind == other->kind && one->verb == other->verb && one->object == other->object &&
		one->of == other->of && one->is_filler == other->is_filler &&
		memcmp(one->lengths, other->lengths, sizeof(one->lengths)) == 0 && memcmp(one->who, other->who, sizeof(one->who)) == 0 &&
		memcmp(one->texts, other->texts, one->size - offsetof(TomsMessage, texts)) == 0;
}

static bool
merge(Queue *queue, const TomsMessage *message, TomsMark *mark)
{
	for (int i = 0; i < RECENT; i++)
	{
		TomsMessage *waiting = message_at(queue, recent[i].start);

		if (recent[i].id == 0 || recent[i].start < queue->taken || waiting->is_open || !says_the_same(waiting, message))
			continue;
		waiting->times += message->times;
		waiting->until = message->until;
		waiting->is_open = message->is_open;
		*mark = recent[i];
		queue->merged++;
		return true;
	}
	return false;
}

static void
append(Queue *queue, const TomsMessage *message, TomsMark *mark)
{
	skip_to(queue, message->size);
	memcpy(message_at(queue, queue->head), message, message->size);
	mark->start = queue->head;
	mark->end = queue->head += message->size;
	mark->id = message->id;
}

/* The writer is told once, until it has looked; with the lock held. */
static Latch *
writer_to_wake(Queue *queue, bool urgent)
{
	bool		wakes = queue->idle;

	if (queue->head - queue->tail > ring_size() / 2)
		urgent = true;
	wakes |= urgent && !queue->urgent;
	queue->urgent |= urgent;
	queue->idle = false;
	return wakes ? queue->latch : NULL;
}

bool
toms_queue_add(const TomsMessage *message, bool urgent, TomsMark *mark)
{
	Queue	   *queue = own;
	Latch	   *latch;
	bool		merged;
	bool		added;

	mark->id = 0;
	LWLockAcquire(lock_of(queue), LW_EXCLUSIVE);
	merged = !urgent && is_ours(queue) && merge(queue, message, mark);
	added = merged || (is_ours(queue) && has_room(queue, message->size));
	if (added && !merged)
		append(queue, message, mark);
	queue->added += added ? message->times : 0;
	latch = writer_to_wake(queue, urgent || !added);
	if (latch)
		SetLatch(latch);
	LWLockRelease(lock_of(queue));
	if (added && !merged && !urgent)
		recent[nrecent++ % RECENT] = *mark;
	return added;
}

bool
toms_queue_end(const TomsMark *mark, int64 rows)
{
	Queue	   *queue = own;
	bool		waiting;

	LWLockAcquire(lock_of(queue), LW_EXCLUSIVE);
	waiting = is_ours(queue) && mark->start >= queue->taken;
	if (waiting)
	{
		TomsMessage *message = message_at(queue, mark->start);

		message->rows = Max(message->rows, 0) + rows;
		message->is_open = false;
	}
	LWLockRelease(lock_of(queue));
	return waiting;
}

/* waiting ----------------------------------------------------------------------------- */

static bool
is_done(Queue *queue, const TomsMark *mark, Size size)
{
	bool		done;

	LWLockAcquire(lock_of(queue), LW_SHARED);
	done = mark ? queue->tail >= mark->end : has_room(queue, size);
	done |= !is_ours(queue);
	LWLockRelease(lock_of(queue));
	return done;
}

static bool
wait_for(const TomsMark *mark, Size size, int timeout)
{
	Queue	   *queue = own;
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);
	bool		done;

	pg_atomic_fetch_add_u64(&queue->waits, 1);
	ConditionVariablePrepareToSleep(&queue->written);
	while (!(done = is_done(queue, mark, size)))
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);

		if (left <= 0)
			break;
		(void) ConditionVariableTimedSleep(&queue->written, left, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	if (!done)
		pg_atomic_fetch_add_u64(&queue->timeouts, 1);
	return done;
}

bool
toms_queue_wait_for_room(Size size, int timeout)
{
	return wait_for(NULL, size, timeout);
}

bool
toms_queue_wait_until_durable(const TomsMark *mark, int timeout)
{
	return is_done(own, mark, 0) || wait_for(mark, 0, timeout);
}

bool
toms_queue_flush(int timeout)
{
	TomsMark	mark;
	Latch	   *latch;

	LWLockAcquire(lock_of(own), LW_EXCLUSIVE);
	mark.end = own->head;
	latch = mark.end > own->tail ? writer_to_wake(own, true) : NULL;
	if (latch)
		SetLatch(latch);
	LWLockRelease(lock_of(own));
	return toms_queue_wait_until_durable(&mark, timeout);
}

/* the writer -------------------------------------------------------------------------- */

static void
stop_writing(int code, Datum arg)
{
	LWLockAcquire(lock_of(own), LW_EXCLUSIVE);
	own->writer = 0;
	own->latch = NULL;
	LWLockRelease(lock_of(own));
}

bool
toms_queue_start_writing(void)
{
	if (!toms_queue_attach())
		return false;
	LWLockAcquire(lock_of(own), LW_EXCLUSIVE);
	own->writer = MyProcPid;
	own->latch = MyLatch;
	own->taken = own->tail;		/* what the one before has not committed */
	LWLockRelease(lock_of(own));
	before_shmem_exit(stop_writing, (Datum) 0);
	return true;
}

char *
toms_queue_take(uint64 *start, uint64 *end)
{
	uint64		length;
	char	   *messages;

	LWLockAcquire(lock_of(own), LW_EXCLUSIVE);
	*start = own->tail;
	*end = own->taken = own->head;
	own->urgent = false;
	LWLockRelease(lock_of(own));
	length = *end - *start;
	if (length == 0)
		return NULL;
	/* sessions write beyond "taken" alone */
	messages = palloc(length);
	for (uint64 copied = 0; copied < length;)
	{
		uint64		from = (*start + copied) % ring_size();
		uint64		part = Min(length - copied, ring_size() - from);

		memcpy(messages + copied, own->ring + from, part);
		copied += part;
	}
	return messages;
}

void
toms_queue_written(uint64 end, int64 entries)
{
	LWLockAcquire(lock_of(own), LW_EXCLUSIVE);
	own->tail = end;
	own->entries += entries;
	own->committed_at = GetCurrentTimestamp();
	LWLockRelease(lock_of(own));
	ConditionVariableBroadcast(&own->written);
}

static void
nap(int milliseconds)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

/* Whether there is nothing to write; sessions wake the writer from now on if "to_sleep". */
static bool
is_empty(bool to_sleep, bool *urgent)
{
	bool		empty;

	LWLockAcquire(lock_of(own), LW_EXCLUSIVE);
	empty = own->head == own->tail;
	own->idle = empty && to_sleep;
	*urgent = own->urgent;
	LWLockRelease(lock_of(own));
	return empty;
}

void
toms_queue_sleep(int delay, int longest)
{
	bool		urgent;

	if (is_empty(true, &urgent))
		nap(longest);
	if (!is_empty(false, &urgent) && !urgent)
		nap(delay);
}

/* monitoring -------------------------------------------------------------------------- */

bool
toms_queue_state(int i, TomsQueueState *state)
{
	Queue	   *queue = &shared[i];

	LWLockAcquire(lock_of(queue), LW_SHARED);
	*state = (TomsQueueState) {.database = pg_atomic_read_u32(&queue->database),.writer = queue->writer,.size = ring_size(),
		.used = queue->head - queue->tail,.added = queue->added,.merged = queue->merged,.written = queue->entries,
		.waits = pg_atomic_read_u64(&queue->waits),.timeouts = pg_atomic_read_u64(&queue->timeouts),.committed_at = queue->committed_at};
	for (uint64 position = queue->tail; position < queue->head && state->oldest == 0; position += message_at(queue, position)->size)
	{
		const TomsMessage *message = message_at(queue, position);

		if (!toms_message_is_filler(message))
			state->oldest = message->at;
	}
	LWLockRelease(lock_of(queue));
	return OidIsValid(state->database);
}
