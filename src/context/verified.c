/*
 * verified.c - which tokens this server has verified, and which ids were used.
 *
 * Called by token.c and context.c.  Both tables lie in shared memory and have a fixed
 * size.  A forgotten verification costs another one; a used id is never forgotten before
 * its token has expired: when there is no room for it, the token is refused.
 */
#include "context/context_int.h"

#include "storage/shmem.h"

#include "base/lock.h"
#include "miscadmin.h"
#include "base/compat.h"

#define VERIFIED_SETS 1024
#define VERIFIED_WAYS 4
#define REPLAY_SLOTS 32768
#define REPLAY_PROBES 64

typedef struct VerifiedSet
{
	uint8		digests[VERIFIED_WAYS][TOMS_DIGEST_BYTES];
	uint32		next;			/* way that is overwritten next */
} VerifiedSet;

/* A token id and the one transaction that may use it. */
typedef struct UsedToken
{
	uint8		digest[TOMS_PRINCIPAL_BYTES];
	int64		forget_after;	/* seconds since 1970; 0: free */
	int			pid;
	pg_time_t	started;		/* of the backend: a pid may come back */
	LocalTransactionId lxid;
} UsedToken;

static VerifiedSet *verified = NULL;	/* TOMS_LOCK_VERIFIED */
static UsedToken *used = NULL;	/* TOMS_LOCK_REPLAY */

Size
toms_verified_shmem_size(void)
{
	return add_size(mul_size(VERIFIED_SETS, sizeof(VerifiedSet)), mul_size(REPLAY_SLOTS, sizeof(UsedToken)));
}

void
toms_verified_shmem_init(bool found, void *area)
{
	verified = area;
	used = (UsedToken *) (verified + VERIFIED_SETS);
	if (!found)
		memset(area, 0, toms_verified_shmem_size());
}

static uint32
position(const uint8 *digest, uint32 size)
{
	uint32		number;

	memcpy(&number, digest, sizeof(number));
	return number % size;
}

bool
toms_verified_seen(const uint8 digest[TOMS_DIGEST_BYTES])
{
	const VerifiedSet *set = &verified[position(digest, VERIFIED_SETS)];
	bool		seen = false;

	LWLockAcquire(toms_lock(TOMS_LOCK_VERIFIED), LW_SHARED);
	for (int i = 0; i < VERIFIED_WAYS; i++)
		seen |= memcmp(set->digests[i], digest, TOMS_DIGEST_BYTES) == 0;
	LWLockRelease(toms_lock(TOMS_LOCK_VERIFIED));
	return seen;
}

void
toms_verified_remember(const uint8 digest[TOMS_DIGEST_BYTES])
{
	VerifiedSet *set = &verified[position(digest, VERIFIED_SETS)];

	LWLockAcquire(toms_lock(TOMS_LOCK_VERIFIED), LW_EXCLUSIVE);
	memcpy(set->digests[set->next], digest, TOMS_DIGEST_BYTES);
	set->next = (set->next + 1) % VERIFIED_WAYS;
	LWLockRelease(toms_lock(TOMS_LOCK_VERIFIED));
}

static bool
is_mine(const UsedToken *slot)
{
	return slot->pid == MyProcPid && slot->started == (pg_time_t) MyStartTime &&
		slot->lxid == toms_proc_lxid(MyProc);
}

/*
 * Take the token id for this transaction.  Looks at all probes before it takes a free
 * one, since an id may lie behind a slot that has become free since.
 */
static bool
claim_slot(const uint8 *digest, int64 forget_after)
{
	uint32		start = position(digest, REPLAY_SLOTS);
	int64		now = (int64) time(NULL);
	UsedToken  *room = NULL;

	for (int i = 0; i < REPLAY_PROBES; i++)
	{
		UsedToken  *slot = &used[(start + i) % REPLAY_SLOTS];

		if (slot->forget_after != 0 && memcmp(slot->digest, digest, TOMS_PRINCIPAL_BYTES) == 0)
			return is_mine(slot);
		if (room == NULL && slot->forget_after < now)
			room = slot;
	}
	if (room == NULL)
		return false;
	memcpy(room->digest, digest, TOMS_PRINCIPAL_BYTES);
	room->forget_after = forget_after;
	room->pid = MyProcPid;
	room->started = (pg_time_t) MyStartTime;
	room->lxid = toms_proc_lxid(MyProc);
	return true;
}

bool
toms_replay_claim(const char *jti, int64 forget_after)
{
	uint8		digest[TOMS_DIGEST_BYTES];
	bool		claimed;

	toms_crypto_digest(digest, jti, strlen(jti), NULL, 0);
	LWLockAcquire(toms_lock(TOMS_LOCK_REPLAY), LW_EXCLUSIVE);
	claimed = claim_slot(digest, forget_after);
	LWLockRelease(toms_lock(TOMS_LOCK_REPLAY));
	return claimed;
}
