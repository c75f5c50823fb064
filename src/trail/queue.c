/*
 * queue.c - the rings of messages in shared memory.
 *
 * Called by event.c in sessions and by slice audit's writer.  The lock of a queue guards all of it
 * but the counters that are atomic; it is held for the copying of messages at most, and nothing is
 * allocated or reported meanwhile.  Positions are bytes since the queue was made and never
 * decrease: messages from "tail" to "taken" are being written, those from "taken" to "head" wait.
 */
#include "trail/queue_int.h"

#include "base/clock.h"
#include "base/lock.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

/* Room that is kept for how many rows came of what was told before, which cannot wait. */
#define RESERVE 8192

/* At most this is written in a transaction, unless a message is longer. */
#define LARGEST_BATCH (1024 * 1024)

void		(*toms_queue_want_writer) (void) = NULL;

static int	queues = 8;
static int	queue_size = 1024;	/* kB */

static Queue *shared = NULL;
static Queue *own = NULL;		/* this database's */

/* The last messages of this session, into which others may be merged; of "own". */
#define RECENT 8
static TomsMark recent[RECENT];
static uint32 nrecent = 0;		/* so far, counted on */

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
		ConditionVariableInit(&shared[i].durable[0]);
		ConditionVariableInit(&shared[i].durable[1]);
		ConditionVariableInit(&shared[i].room);
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

/* Those of the other turn would look in vain, and there may be many of them. */
static void
wake_waiters(Queue *queue, bool both, int turn)
{
	ConditionVariableBroadcast(&queue->durable[turn]);
	if (both)
		ConditionVariableBroadcast(&queue->durable[!turn]);
	ConditionVariableBroadcast(&queue->room);
}

/* Under TOMS_LOCK_QUEUES. */
static void
claim(Queue *queue)
{
	LWLockAcquire(lock_of(queue), LW_EXCLUSIVE);
	queue->told = queue->urgent = queue->idle = false;
	queue->added = queue->merged = queue->entries = queue->unended = 0;
	queue->committed_at = 0;
	pg_atomic_write_u64(&queue->waits, 0);
	pg_atomic_write_u64(&queue->timeouts, 0);
	pg_atomic_write_u32(&queue->database, MyDatabaseId);
	LWLockRelease(lock_of(queue));
}

bool
toms_queue_attach(void)
{
	if (!OidIsValid(MyDatabaseId))
		return false;
	if (own && pg_atomic_read_u32(&own->database) == MyDatabaseId)
		return true;
	memset(recent, 0, sizeof(recent));
	own = find(MyDatabaseId);
	if (own)
		return true;
	LWLockAcquire(toms_lock(TOMS_LOCK_QUEUES), LW_EXCLUSIVE);
	own = find(MyDatabaseId);
	if (own == NULL && (own = find(InvalidOid)) != NULL)
		claim(own);
	LWLockRelease(toms_lock(TOMS_LOCK_QUEUES));
	return own != NULL;
}

/* Positions are never set back: what a session remembers of the former database's messages is below all that come. */
bool
toms_queue_release(Oid database)
{
	Queue	   *queue;
	bool		released = false;

	LWLockAcquire(toms_lock(TOMS_LOCK_QUEUES), LW_EXCLUSIVE);
	queue = find(database);
	if (queue)
	{
		LWLockAcquire(lock_of(queue), LW_EXCLUSIVE);
		released = queue->writer == 0 || queue->writer == MyProcPid;
		if (released)
		{
			queue->tail = queue->taken = queue->head;
			pg_atomic_write_u32(&queue->database, InvalidOid);
		}
		LWLockRelease(lock_of(queue));
	}
	LWLockRelease(toms_lock(TOMS_LOCK_QUEUES));
	if (released)
		wake_waiters(queue, true, 0);
	return released || queue == NULL;
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
	mark->turn = queue->takes % 2;
}

/* The writer is told once, until it has looked; with the lock held. */
static void
wake_writer(Queue *queue, bool urgent)
{
	bool		wakes = queue->idle;

	if (queue->head - queue->tail > ring_size() / 2)
		urgent = true;
	wakes |= urgent && !queue->urgent;
	queue->urgent |= urgent;
	queue->idle = false;
	if (wakes && queue->latch)
		SetLatch(queue->latch);
}

bool
toms_queue_add_last(const TomsMessage *message)
{
	Queue	   *queue = own;
	TomsMark	mark;
	bool		ours;
	bool		added;

	LWLockAcquire(lock_of(queue), LW_EXCLUSIVE);
	ours = is_ours(queue);
	added = ours && has_room(queue, message->size);
	if (added)
		append(queue, message, &mark);
	queue->added += added;
	queue->unended += ours && !added;
	if (ours)
		wake_writer(queue, !added);
	LWLockRelease(lock_of(queue));
	return added;
}

bool
toms_queue_add(const TomsMessage *message, bool urgent, TomsMark *mark)
{
	Queue	   *queue = own;
	bool		ours;
	bool		merged;
	bool		added;

	mark->id = 0;
	LWLockAcquire(lock_of(queue), LW_EXCLUSIVE);
	ours = is_ours(queue);
	merged = ours && !urgent && merge(queue, message, mark);
	added = merged || (ours && has_room(queue, message->size + RESERVE));
	if (added && !merged)
		append(queue, message, mark);
	queue->added += added ? message->times : 0;
	if (ours)
		wake_writer(queue, urgent || !added);
	LWLockRelease(lock_of(queue));
	if (added && !merged && !urgent)
		recent[nrecent++ % RECENT] = *mark;
	return added;
}

bool
toms_queue_end(const TomsMark *mark, int64 rows)
{
	Queue	   *queue = own;
	TomsMessage *message = message_at(queue, mark->start);
	bool		waiting;

	LWLockAcquire(lock_of(queue), LW_EXCLUSIVE);
	/* the number: the mark may be of a queue that was given away */
	waiting = is_ours(queue) && mark->start >= queue->taken && mark->end <= queue->head && message->id == mark->id;
	if (waiting)
	{
		message->rows = Max(message->rows, 0) + rows;
		message->is_open = false;
	}
	LWLockRelease(lock_of(queue));
	return waiting;
}

/* waiting ----------------------------------------------------------------------------- */

typedef enum Progress
{
	UNDER_WAY,
	DONE,
	GIVEN_AWAY					/* nobody will write it any more */
} Progress;

static Progress
progress_of(Queue *queue, const TomsMark *mark, Size size)
{
	bool		done;
	bool		ours;
	bool		has_writer;

	LWLockAcquire(lock_of(queue), LW_SHARED);
	done = mark ? queue->tail >= mark->end : has_room(queue, size + RESERVE);
	ours = is_ours(queue);
	has_writer = queue->writer != 0;
	LWLockRelease(lock_of(queue));
	if (ours && !done && !has_writer && toms_queue_want_writer)
		toms_queue_want_writer();
	return !ours ? GIVEN_AWAY : done ? DONE : UNDER_WAY;
}

static bool
wait_for(const TomsMark *mark, Size size, int timeout)
{
	Queue	   *queue = own;
	TimestampTz end = TimestampTzPlusMilliseconds(toms_clock_steady(), timeout);
	ConditionVariable *news = mark ? &queue->durable[mark->turn] : &queue->room;
	Progress	progress;

	pg_atomic_fetch_add_u64(&queue->waits, 1);
	ConditionVariablePrepareToSleep(news);
	while ((progress = progress_of(queue, mark, size)) == UNDER_WAY)
	{
		long		left = TimestampDifferenceMilliseconds(toms_clock_steady(), end);

		if (left <= 0)
			break;
		(void) ConditionVariableTimedSleep(news, left, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	if (progress == UNDER_WAY)
		pg_atomic_fetch_add_u64(&queue->timeouts, 1);
	return progress == DONE;
}

bool
toms_queue_wait_for_room(Size size, int timeout)
{
	return wait_for(NULL, size, timeout);
}

bool
toms_queue_wait_until_durable(const TomsMark *mark, int timeout)
{
	return wait_for(mark, 0, timeout);
}

/* Positions rise; of one that is older than all that are kept the worst is assumed. */
TomsQueueFlaw
toms_queue_flaw(const TomsMark *mark)
{
	TomsQueueFlaw flaw = TOMS_QUEUE_WHOLE;
	uint64		n;

	LWLockAcquire(lock_of(own), LW_SHARED);
	for (n = own->nlacking; n > 0 && own->nlacking - n < TOMS_QUEUE_LACKING && own->lacking[(n - 1) % TOMS_QUEUE_LACKING] > mark->end;)
		n--;
	if (n > 0 && (own->nlacking - n == TOMS_QUEUE_LACKING || own->lacking[(n - 1) % TOMS_QUEUE_LACKING] == mark->end))
		flaw = TOMS_QUEUE_NO_ACTOR;
	if (mark->end <= own->here_alone)
		flaw = TOMS_QUEUE_HERE_ALONE;
	LWLockRelease(lock_of(own));
	return flaw;
}

bool
toms_queue_flush(int timeout)
{
	TomsMark	mark = {0};
	bool		waiting;

	LWLockAcquire(lock_of(own), LW_EXCLUSIVE);
	waiting = is_ours(own) && own->head > own->tail;
	mark.end = own->head;
	mark.turn = (own->taken == own->head ? own->takes + 1 : own->takes) % 2;
	if (waiting)
		wake_writer(own, true);
	LWLockRelease(lock_of(own));
	return !waiting || wait_for(&mark, 0, timeout);
}

/* the writer -------------------------------------------------------------------------- */

static void
stop_writing(int code, Datum arg)
{
	LWLockAcquire(lock_of(own), LW_EXCLUSIVE);
	if (own->writer == MyProcPid)
	{
		own->writer = 0;
		own->latch = NULL;
		own->idle = false;
	}
	LWLockRelease(lock_of(own));
}

bool
toms_queue_start_writing(void)
{
	bool		free;

	if (!toms_queue_attach())
		return false;
	LWLockAcquire(lock_of(own), LW_EXCLUSIVE);
	free = is_ours(own) && own->writer == 0;
	if (free)
	{
		own->writer = MyProcPid;
		own->latch = MyLatch;
		own->taken = own->tail; /* what the one before has not committed */
		own->left_some = true;
		own->urgent = own->head > own->tail;
	}
	LWLockRelease(lock_of(own));
	if (free)
		before_shmem_exit(stop_writing, (Datum) 0);
	return free;
}

/* Where the messages that are written next end, with the lock held. */
static uint64
end_of_batch(void)
{
	uint64		end = own->tail;

	if (own->head - own->tail <= LARGEST_BATCH)
		return own->head;
	while (end < own->head && end - own->tail < LARGEST_BATCH)
		end += message_at(own, end)->size;
	return end;
}

bool
toms_queue_take(TomsBatch *batch)
{
	uint64		end;

	LWLockAcquire(lock_of(own), LW_EXCLUSIVE);
	end = end_of_batch();
	own->takes++;
	own->wakes_both = own->left_some || own->tail < own->taken;
	own->left_some = end < own->head;
	batch->start = own->tail;
	batch->length = end - own->tail;
	batch->urgent = own->urgent;
	/* what was taken by an attempt that failed may not be merged into any more */
	own->taken = Max(own->taken, end);
	own->urgent &= end < own->head;
	LWLockRelease(lock_of(own));
	if (batch->length == 0)
		return false;
	/* sessions write beyond "taken" alone, and nobody gives the queue away meanwhile */
	batch->messages = palloc(batch->length);
	for (uint64 copied = 0; copied < batch->length;)
	{
		uint64		from = (batch->start + copied) % ring_size();
		uint64		part = Min(batch->length - copied, ring_size() - from);

		memcpy(batch->messages + copied, own->ring + from, part);
		copied += part;
	}
	return true;
}

void
toms_queue_written(uint64 end, int64 entries, bool lacking, bool far_enough)
{
	LWLockAcquire(lock_of(own), LW_EXCLUSIVE);
	own->tail = end;
	own->told = true;
	own->entries += entries;
	if (lacking)
		own->lacking[own->nlacking++ % TOMS_QUEUE_LACKING] = end;
	if (!far_enough)
		own->here_alone = end;
	own->committed_at = GetCurrentTimestamp();
	LWLockRelease(lock_of(own));
	wake_waiters(own, own->wakes_both, (own->takes + 1) % 2);	/* those that were added before the last take, which is ours */
}

bool
toms_queue_is_told(void)
{
	return own->told;
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

bool
toms_queue_is_empty(void)
{
	bool		urgent;

	return is_empty(false, &urgent);
}

/* monitoring -------------------------------------------------------------------------- */

bool
toms_queue_state(int i, TomsQueueState *state)
{
	Queue	   *queue = &shared[i];

	LWLockAcquire(lock_of(queue), LW_SHARED);
	*state = (TomsQueueState) {.database = pg_atomic_read_u32(&queue->database),.writer = queue->writer,.size = ring_size(),
		.used = queue->head - queue->tail,.added = queue->added,.merged = queue->merged,.written = queue->entries,.unended = queue->unended,
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
