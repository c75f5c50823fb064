/*
 * count.c - failed log-ins, counted by user and address, and the lock that follows.
 *
 * Called by login.c for each attempt and by lock.c.  A table of fixed size in shared memory under TOMS_LOCK_LOGIN: when
 * it is full, what protects least gives way, so that a client who tries made-up names cannot have his failures against
 * real ones forgotten.  Names are known by a hash under a secret that is drawn when the server starts and is nowhere else.
 */
#include "login/login_int.h"

#include "base/crypto.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#define COUNTS 2048

/* A client that may do without TLS tries again without it, with the same password. */
#define RETRY_MS 2000

typedef struct Counted
{
	uint8		secret[16];
	uint64		changes;		/* how often a lock began or ended */
	int64		forgotten;
	TomsLoginCount counts[COUNTS];
} Counted;

static Counted *shared = NULL;

static int	login_attempts = 10;
static int	login_window = 15 * 60;
static char *login_exempt = NULL;

Size
toms_login_count_size(void)
{
	return sizeof(Counted);
}

void
toms_login_count_init(bool found, void *area)
{
	shared = area;
	if (found)
		return;
	memset(shared, 0, sizeof(Counted));
	toms_crypto_random(shared->secret, sizeof(shared->secret));
}

/* settings ---------------------------------------------------------------------------- */

static bool
check_exempt(char **value, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*value);
	List	   *names;
	bool		is_list = SplitIdentifierString(copy, ',', &names);

	if (!is_list)
		GUC_check_errdetail("It is not a list of roles.");
	list_free(names);
	pfree(copy);
	return is_list;
}

void
toms_login_count_settings(void)
{
	DefineCustomIntVariable("toms.login_attempts",
							"How many failed log-ins of a user from an address lock them out.",
							"0: none ever does.",
							&login_attempts, 10, 0, 100000, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("toms.login_window",
							"Within what time failed log-ins are counted, and how long after the last one the lock ends.",
							NULL, &login_window, 15 * 60, 1, 7 * 24 * 60 * 60, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomStringVariable("toms.login_exempt",
							   "Roles that are never locked out.",
							   "For log-ins of poolers and of programs that many clients stand behind.",
							   &login_exempt, "", PGC_SIGHUP, GUC_LIST_INPUT | GUC_SUPERUSER_ONLY,
							   check_exempt, NULL, NULL);
}

static bool
is_exempt(const char *login)
{
	char	   *copy;
	List	   *names;
	ListCell   *cell;
	bool		found = false;

	if (login[0] == '\0' || login_exempt[0] == '\0')
		return false;
	copy = pstrdup(login_exempt);
	if (SplitIdentifierString(copy, ',', &names))
	{
		foreach(cell, names)
			found |= strcmp(lfirst(cell), login) == 0;
	}
	list_free(names);
	pfree(copy);
	return found;
}

/* counts ------------------------------------------------------------------------------ */

void
toms_login_hash(uint8 hash[TOMS_LOGIN_HASH_BYTES], const char *name)
{
	toms_crypto_short_hash(hash, name, strlen(name), shared->secret);
}

static bool
is_locked(const TomsLoginCount *count, TimestampTz now)
{
	return count->failures > 0 && count->until > now;
}

static bool
is_over(const TomsLoginCount *count, TimestampTz now)
{
	TimestampTz end = count->until != 0 ? count->until : TimestampTzPlusMilliseconds(count->first, login_window * INT64CONST(1000));

	return count->failures == 0 || end <= now;
}

static void
clear(TomsLoginCount *count)
{
	if (count->until != 0)
		shared->changes++;
	memset(count, 0, sizeof(*count));
}

/* What has passed is forgotten by the way. */
static TomsLoginCount *
find(const TomsLoginPair *pair, TimestampTz now)
{
	TomsLoginCount *found = NULL;

	for (int i = 0; i < COUNTS; i++)
	{
		TomsLoginCount *count = &shared->counts[i];

		if (count->failures > 0 && is_over(count, now))
			clear(count);
		if (count->failures > 0 && memcmp(&count->pair, pair, sizeof(*pair)) == 0)
			found = count;
	}
	return found;
}

/* The least goes first: made-up names before roles, counts before locks, then the older. */
static bool
goes_before(const TomsLoginCount *one, const TomsLoginCount *other)
{
	int			weight = (one->until != 0 ? 1 : 0) + (one->login[0] != '\0' ? 2 : 0);
	int			other_weight = (other->until != 0 ? 1 : 0) + (other->login[0] != '\0' ? 2 : 0);

	return weight != other_weight ? weight < other_weight : one->last < other->last;
}

/* NULL: there is none for a made-up name. */
static TomsLoginCount *
make_room(bool is_role)
{
	TomsLoginCount *least = &shared->counts[0];

	for (int i = 0; i < COUNTS; i++)
	{
		if (shared->counts[i].failures == 0)
			return &shared->counts[i];
		if (goes_before(&shared->counts[i], least))
			least = &shared->counts[i];
	}
	shared->forgotten++;
	if (!is_role && least->login[0] != '\0')
		return NULL;
	clear(least);
	return least;
}

/* Each failure with TLS excuses one without. */
static bool
is_retry(TomsLoginCount *count, bool tls, TimestampTz now)
{
	TimestampTz with_tls = count ? count->with_tls : 0;

	if (tls || with_tls == 0)
		return false;
	count->with_tls = 0;
	return TimestampDifferenceMilliseconds(with_tls, now) <= RETRY_MS;
}

static void
add_failure(TomsLoginCount *count, bool tls, TimestampTz now)
{
	if (count->failures < PG_INT32_MAX)
		count->failures++;
	if (count->first == 0)
		count->first = now;
	count->last = now;
	count->with_tls = tls ? now : 0;
	if (count->failures < login_attempts)
		return;
	if (count->since == 0)
		count->since = now;
	count->until = TimestampTzPlusMilliseconds(now, login_window * INT64CONST(1000));
	shared->changes++;
}

/* Returns whether the pair is locked.  Then nothing is counted: whatever comes meanwhile, the lock ends when it was said to end. */
static bool
count_attempt(TomsLoginRecord *record, const TomsLoginPair *pair)
{
	bool		failed = record->outcome != TOMS_LOGIN_AUTHENTICATED;
	bool		tls = strcmp(record->tls, "none") != 0;
	TomsLoginCount *count = find(pair, record->at);

	if (count && is_locked(count, record->at))
	{
		record->locked_until = count->until;
		return true;
	}
	if (failed)
		record->retry = is_retry(count, tls, record->at);
	if (failed && count == NULL)
	{
		count = make_room(record->login[0] != '\0');
		if (count)
		{
			count->pair = *pair;
			strlcpy(count->login, record->login, NAMEDATALEN);
		}
	}
	if (failed && count && !record->retry)
		add_failure(count, tls, record->at);
	if (count)
	{
		record->failures = failed ? count->failures : 0;
		record->locked_until = count->until;
	}
	if (count && !failed)
		clear(count);
	return false;
}

bool
toms_login_count(TomsLoginRecord *record, const TomsLoginPair *pair)
{
	bool		locked;

	if (login_attempts == 0 || pair->place.family == 0 || is_exempt(record->login))
		return false;
	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_EXCLUSIVE);
	locked = count_attempt(record, pair);
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
	return locked;
}

/* locks ------------------------------------------------------------------------------- */

TomsLoginCount *
toms_login_locks(int *count)
{
	TomsLoginCount *locks = palloc(sizeof(shared->counts));
	TimestampTz now = GetCurrentTimestamp();

	*count = 0;
	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_SHARED);
	for (int i = 0; i < COUNTS; i++)
	{
		if (is_locked(&shared->counts[i], now))
			locks[(*count)++] = shared->counts[i];
	}
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
	return locks;
}

void
toms_login_restore_lock(const TomsLoginCount *lock)
{
	TimestampTz now = GetCurrentTimestamp();
	TomsLoginCount *count;

	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_EXCLUSIVE);
	count = find(&lock->pair, now);
	if (lock->until > now && (count == NULL || count->until < lock->until))
	{
		*(count ? count : make_room(true)) = *lock;
		shared->changes++;
	}
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
}

int
toms_login_end_locks(const char *name, const TomsLoginPlace *place)
{
	uint8		hash[TOMS_LOGIN_HASH_BYTES];
	TimestampTz now = GetCurrentTimestamp();
	int			ended = 0;

	toms_login_hash(hash, name);
	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_EXCLUSIVE);
	for (int i = 0; i < COUNTS; i++)
	{
		TomsLoginCount *count = &shared->counts[i];

		if (count->failures == 0 || memcmp(count->pair.hash, hash, sizeof(hash)) != 0 ||
			(place && memcmp(&count->pair.place, place, sizeof(*place)) != 0))
			continue;
		ended += is_locked(count, now) ? 1 : 0;
		clear(count);
	}
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
	return ended;
}

uint64
toms_login_lock_changes(void)
{
	uint64		changes;

	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_SHARED);
	changes = shared->changes;
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
	return changes;
}

int64
toms_login_forgotten(void)
{
	int64		forgotten;

	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_SHARED);
	forgotten = shared->forgotten;
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
	return forgotten;
}
