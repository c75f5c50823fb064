/*
 * queue.h - events on their way from sessions to the writer of their database; part of trail.h.
 *
 * What a session tells here outlives its transaction: the writer makes entries of it and commits them.  Each database has a queue of toms.audit_queue_size in shared
 * memory, a ring of messages.  A message is gone from it when its entry has been committed, so
 * that one writer can go on where another has ended; a crash of the server loses what is in it.
 */
#ifndef TOMS_QUEUE_H
#define TOMS_QUEUE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/latch.h"
#include "trail/message.h"

/* What the writer takes at a time. */
typedef struct TomsBatch
{
	char	   *messages;		/* in the current memory context */
	uint64		start;			/* where they are, as in a mark */
	uint64		length;
	bool		urgent;			/* somebody waits until they are durable, perhaps */
} TomsBatch;

/* For monitoring, of queue "i" of toms_queue_count(); numbers since the server was started. */
typedef struct TomsQueueState
{
	Oid			database;
	pid_t		writer;			/* 0: none is at work */
	uint64		size;			/* bytes */
	uint64		used;
	int64		added;			/* events */
	int64		merged;			/* of these, into a message that was waiting */
	int64		written;		/* entries, committed */
	int64		waits;			/* for room, or until durable */
	int64		timeouts;		/* of these, in vain */
	int64		unended;		/* counts of rows for which there was no room */
	TimestampTz oldest;			/* of the messages in it; 0: it is empty */
	TimestampTz committed_at;	/* by the writer; 0: not yet */
} TomsQueueState;

extern Size toms_queue_shmem_size(void);
extern void toms_queue_shmem_init(bool found, void *area);
extern void toms_queue_init(void);
extern int	toms_queue_count(void);		/* toms.audit_queues */

/* Have a queue for this database; false if all are taken by others. */
extern bool toms_queue_attach(void);

/*
 * Add a message, or merge it into one of this session that is waiting and says the same; false if
 * there is no room.  "urgent" has it written at once.
 */
extern bool toms_queue_add(const TomsMessage *message, bool urgent, TomsMark *mark);

/* The same for a short one that must not wait: some room is kept for these.  If there is none, that is counted. */
extern bool toms_queue_add_last(const TomsMessage *message);

/* What a message tells of has ended with so many rows; false if it is being written, or has been. */
extern bool toms_queue_end(const TomsMark *mark, int64 rows);

/* Set by slice audit: this database's writer is missing, and somebody waits. */
extern void (*toms_queue_want_writer) (void);

/*
 * Wait until there is room, or until the message is durable; false after "timeout" milliseconds, or if the queue
 * was given away.  Can be cancelled.
 */
extern bool toms_queue_wait_for_room(Size size, int timeout);
extern bool toms_queue_flush(int timeout);	/* all that is in it now */
extern bool toms_queue_wait_until_durable(const TomsMark *mark, int timeout);

/* What there is to say of a message that is durable. */
typedef enum TomsQueueFlaw
{
	TOMS_QUEUE_WHOLE,
	TOMS_QUEUE_NO_ACTOR,		/* its entry tells that it happened, but not who acted, since that could not be sealed */
	TOMS_QUEUE_HERE_ALONE		/* the standbys have it not, although that is asked */
} TomsQueueFlaw;

extern TomsQueueFlaw toms_queue_flaw(const TomsMark *mark);

/* This process writes the messages of its database, from now on until it ends; false if there is no queue, or another writer. */
extern bool toms_queue_start_writing(void);

/* Messages that are waiting, those added first; false: none. */
extern bool toms_queue_take(TomsBatch *batch);
extern void toms_queue_written(uint64 end, int64 entries, bool lacking, bool far_enough);	/* committed, as so many entries */

/* Whether some have been written since the server was started: then the trail tells that it was. */
extern bool toms_queue_is_told(void);

/*
 * Sleep until messages are waiting, "longest" milliseconds at most, and "delay" milliseconds more unless
 * they are urgent or many.  Returns early when the process's latch is set by others.
 */
extern void toms_queue_sleep(int delay, int longest);
extern bool toms_queue_is_empty(void);

/* Another database may have it, with what is in it gone; false if its writer is another process: nothing is done. */
extern bool toms_queue_release(Oid database);

extern bool toms_queue_state(int i, TomsQueueState *state);

#endif							/* TOMS_QUEUE_H */
