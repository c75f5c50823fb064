/*
 * queue_int.h - what a queue is; for queue.c, which tells of its lock.
 */
#ifndef TOMS_QUEUE_INT_H
#define TOMS_QUEUE_INT_H

#include "trail/trail.h"

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"

#define TOMS_QUEUE_LACKING 256

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
	bool		told;			/* the trail tells that the server was started */
	uint32		takes;			/* by the writer */
	bool		wakes_both;		/* what is being written is of both turns */
	bool		left_some;		/* what was added before the last take is not all in it */
	ConditionVariable durable[2];	/* "tail" has moved: for who waits for the batch under way, and for the next */
	ConditionVariable room;		/* likewise, for others */
	TimestampTz committed_at;
	int64		added;
	int64		merged;
	int64		entries;
	int64		unended;
	pg_atomic_uint64 waits;
	pg_atomic_uint64 timeouts;
	uint64		lacking[TOMS_QUEUE_LACKING];	/* ends of messages whose entries do not say who acted, the last ones */
	uint64		nlacking;		/* so far */
	uint64		here_alone;		/* end of the last messages whose entries standbys had not as far as is asked */
	char	   *ring;
} Queue;

#endif							/* TOMS_QUEUE_INT_H */
