/*
 * verified.c - which tokens this server has verified, and which ids were used.
 *
 * Called by token.c and context.c.  Both tables lie in shared memory and have a fixed
 * size.  A token's claims lie beside its digest, the token itself does not.  One that has
 * been forgotten, or has too much to say, is verified again; a used id is never forgotten
 * before its token has expired: when there is no room for it, the token is refused.
 */
#include "context/context_int.h"

#include "storage/shmem.h"

#include "base/lock.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "base/compat.h"

#define VERIFIED_SETS 1024
#define VERIFIED_WAYS 8
#define VERIFIED_BYTES 1024		/* for each */
#define REPLAY_SLOTS 32768
#define REPLAY_PROBES 64

/*
 * A token that has been verified.  How its claims were read depends on toms.audience, which
 * is the second text, and on the encoding of the database.
 */
typedef struct VerifiedFacts
{
	uint8		digest[TOMS_DIGEST_BYTES];	/* zeros: free */
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
	uint8		principal[TOMS_PRINCIPAL_BYTES];
	int64		exp;
	int64		nbf;
	int64		iat;
	bool		has_nbf;
	bool		has_iat;
	bool		mfa;
	int			npurposes;
	int			encoding;
	uint32		length;			/* of the texts */
} VerifiedFacts;

typedef struct Verified
{
	VerifiedFacts facts;
	char		texts[VERIFIED_BYTES - sizeof(VerifiedFacts)];	/* one after another; empty: none */
} Verified;

typedef struct VerifiedSet
{
	Verified	tokens[VERIFIED_WAYS];
	uint64		next;			/* the one that is overwritten next */
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

/* The text claims, in the order of their texts. */
static const size_t text_claims[] = {
	offsetof(TomsClaims, tenant), offsetof(TomsClaims, subject), offsetof(TomsClaims, actor),
	offsetof(TomsClaims, role), offsetof(TomsClaims, jti), offsetof(TomsClaims, environment),
	offsetof(TomsClaims, audience)
};

static char **
text_claim(const TomsClaims *claims, int i)
{
	return (char **) ((char *) claims + text_claims[i]);
}

/* The next text; NULL if it is empty. */
static char *
take_text(char **texts)
{
	char	   *text = *texts;

	*texts += strlen(text) + 1;
	return text[0] ? text : NULL;
}

static void
unpack(Verified *entry, char *texts, TomsClaims *claims)
{
	memset(claims, 0, sizeof(*claims));
	for (int i = 0; i < lengthof(text_claims); i++)
		*text_claim(claims, i) = take_text(&texts);
	while (claims->npurposes < entry->facts.npurposes)
		claims->purposes[claims->npurposes++] = take_text(&texts);
	claims->has_exp = true;
	claims->exp = entry->facts.exp;
	claims->has_nbf = entry->facts.has_nbf;
	claims->nbf = entry->facts.nbf;
	claims->has_iat = entry->facts.has_iat;
	claims->iat = entry->facts.iat;
	claims->mfa = entry->facts.mfa;
	memcpy(claims->principal, entry->facts.principal, TOMS_PRINCIPAL_BYTES);
}

/* The answer is in palloc'd memory. */
bool
toms_verified_find(const uint8 digest[TOMS_DIGEST_BYTES], const char **kid,
				   uint8 key[TOMS_PUBLIC_KEY_BYTES], TomsClaims *claims)
{
	const VerifiedSet *set = &verified[position(digest, VERIFIED_SETS)];
	Verified   *entry = palloc(sizeof(Verified));
	char	   *texts = entry->texts;
	const char *read_for;
	bool		found = false;

	LWLockAcquire(toms_lock(TOMS_LOCK_VERIFIED), LW_SHARED);
	for (int i = 0; i < VERIFIED_WAYS && !found; i++)
	{
		found = memcmp(set->tokens[i].facts.digest, digest, TOMS_DIGEST_BYTES) == 0;
		if (found)
			memcpy(entry, &set->tokens[i], offsetof(Verified, texts) + set->tokens[i].facts.length);
	}
	LWLockRelease(toms_lock(TOMS_LOCK_VERIFIED));
	if (!found || entry->facts.encoding != GetDatabaseEncoding())
		return false;
	*kid = take_text(&texts);
	read_for = take_text(&texts);
	if (strcmp(read_for ? read_for : "", toms_settings_audience()) != 0)
		return false;
	memcpy(key, entry->facts.key, TOMS_PUBLIC_KEY_BYTES);
	unpack(entry, texts, claims);
	return true;
}

/* Returns false if there is no room for it; NULL is an empty text. */
static bool
put_text(Verified *entry, const char *text)
{
	size_t		size = text ? strlen(text) + 1 : 1;

	if (size > sizeof(entry->texts) - entry->facts.length)
		return false;
	memcpy(entry->texts + entry->facts.length, text ? text : "", size);
	entry->facts.length += size;
	return true;
}

static bool
pack_texts(Verified *entry, const char *kid, const TomsClaims *claims)
{
	bool		fits = put_text(entry, kid) && put_text(entry, toms_settings_audience());

	for (int i = 0; fits && i < lengthof(text_claims); i++)
		fits = put_text(entry, *text_claim(claims, i));
	for (int i = 0; fits && i < claims->npurposes; i++)
		fits = put_text(entry, claims->purposes[i]);
	return fits;
}

/* The place of the same token, else the oldest one's. */
static Verified *
place_of(VerifiedSet *set, const uint8 *digest)
{
	for (int i = 0; i < VERIFIED_WAYS; i++)
	{
		if (memcmp(set->tokens[i].facts.digest, digest, TOMS_DIGEST_BYTES) == 0)
			return &set->tokens[i];
	}
	return &set->tokens[set->next++ % VERIFIED_WAYS];
}

void
toms_verified_add(const uint8 digest[TOMS_DIGEST_BYTES], const char *kid,
				  const uint8 key[TOMS_PUBLIC_KEY_BYTES], const TomsClaims *claims)
{
	Verified   *entry = palloc0(sizeof(Verified));

	entry->facts = (VerifiedFacts)
	{
		.exp = claims->exp,.nbf = claims->nbf,.iat = claims->iat,.has_nbf = claims->has_nbf,
			.has_iat = claims->has_iat,.mfa = claims->mfa,.npurposes = claims->npurposes,
			.encoding = GetDatabaseEncoding()
	};
	memcpy(entry->facts.digest, digest, TOMS_DIGEST_BYTES);
	memcpy(entry->facts.key, key, TOMS_PUBLIC_KEY_BYTES);
	memcpy(entry->facts.principal, claims->principal, TOMS_PRINCIPAL_BYTES);
	if (!pack_texts(entry, kid, claims))
		return;

	LWLockAcquire(toms_lock(TOMS_LOCK_VERIFIED), LW_EXCLUSIVE);
	memcpy(place_of(&verified[position(digest, VERIFIED_SETS)], digest), entry, sizeof(Verified));
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
