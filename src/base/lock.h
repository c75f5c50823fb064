/*
 * lock.h - names of the LWLocks of toms, one tranche.
 */
#ifndef TOMS_LOCK_H
#define TOMS_LOCK_H

#include "postgres.h"

#include "storage/lwlock.h"

typedef enum TomsLock
{
	TOMS_LOCK_JWKS,				/* the key set: exclusive to replace it */
	TOMS_LOCK_VERIFIED,			/* tokens that were verified */
	TOMS_LOCK_REPLAY,			/* ids of tokens that were used */
	TOMS_LOCK_OBSERVED,			/* what tables in observe mode would have refused */
	TOMS_LOCK_QUEUES,			/* which database has which audit queue */
	TOMS_LOCK_ADMIN,			/* administrative sessions */
	TOMS_LOCK_LOGIN,			/* attempts to log in, and records of them */
	TOMS_LOCK_WORKERS,			/* which database has which background worker */
	TOMS_LOCK_GATE,				/* whether protected tables may be used */
	TOMS_LOCK_COUNT
} TomsLock;

static inline LWLock *
toms_lock(TomsLock which)
{
	return &GetNamedLWLockTranche("toms")[which].lock;
}

#endif							/* TOMS_LOCK_H */
