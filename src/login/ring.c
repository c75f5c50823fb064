/*
 * ring.c - records on their way from sessions to the writers of the trail.
 *
 * Called by sessions, which never wait here, and by slice audit's writers.  TOMS_LOCK_LOGIN guards all of it.
 * A record names the database that the client asked for.  The writer of that database makes an entry of it; where
 * there is none, or the name means no database, the one of the lowest OID among those that are at work.  A record
 * stays until its entry is committed.  When all places are taken, what comes is counted: that is told too.
 */
#include "login/login_int.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "guard/guard.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "trail/trail.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define RECORDS 1024

/* A writer, or one that was. */
typedef struct Taker
{
	Oid			database;		/* InvalidOid: free */
	pid_t		pid;			/* 0: it has gone */
	Latch	   *latch;
	bool		is_ready;		/* its trail is in use: it takes records */
	bool		has_loaded;		/* its toms.login_lock has been read since the server was started */
	char		name[NAMEDATALEN];	/* of the database */
} Taker;

typedef struct Ring
{
	uint64		number;			/* of the last record */
	int64		lost;			/* since they were last told of */
	TimestampTz lost_until;
	int			waiting;
	TomsLoginRecord records[RECORDS];	/* number 0: free */
	Taker		takers[FLEXIBLE_ARRAY_MEMBER];
} Ring;

static Ring *shared = NULL;

/* This process's, if it is the writer of a database. */
static Taker *own = NULL;
static uint64 kept_changes = 0; /* of locks, that are in the table */

/* What it is writing now. */
static struct
{
	uint64		numbers[RECORDS];	/* ascending */
	int			count;
	int64		lost;
	uint64		changes;
}			taken;

Size
toms_login_ring_size(void)
{
	return add_size(offsetof(Ring, takers), mul_size(toms_queue_count(), sizeof(Taker)));
}

void
toms_login_ring_init(bool found, void *area)
{
	shared = area;
	if (!found)
		memset(shared, 0, toms_login_ring_size());
}

/* whose a record is ------------------------------------------------------------------- */

/* With the lock held; NULL: no writer is at work. */
static Taker *
home(void)
{
	Taker	   *lowest = NULL;

	for (int i = 0; i < toms_queue_count(); i++)
	{
		Taker	   *taker = &shared->takers[i];

		if (taker->is_ready && (lowest == NULL || taker->database < lowest->database))
			lowest = taker;
	}
	return lowest;
}

static Taker *
at_work_in(Oid database)
{
	for (int i = 0; i < toms_queue_count(); i++)
	{
		if (shared->takers[i].database == database && shared->takers[i].is_ready)
			return &shared->takers[i];
	}
	return NULL;
}

static Taker *
taker_for(const char *database)
{
	for (int i = 0; i < toms_queue_count(); i++)
	{
		if (shared->takers[i].is_ready && strcmp(shared->takers[i].name, database) == 0)
			return &shared->takers[i];
	}
	return home();
}

static Taker *
taker_of(const TomsLoginRecord *record)
{
	Taker	   *taker = OidIsValid(record->taker) ? at_work_in(record->taker) : NULL;

	return taker ? taker : taker_for(record->database);
}

static bool
is_ours(const Taker *taker)
{
	return taker && taker == own;
}

bool
toms_login_is_ours(const char *database)
{
	return is_ours(taker_for(database));
}

/* sessions ---------------------------------------------------------------------------- */

static void
write_to_log(const TomsLoginRecord *record)
{
	char		login[2 * TOMS_LOGIN_HASH_BYTES + 1];

	for (int i = 0; i < TOMS_LOGIN_HASH_BYTES; i++)
		snprintf(login + 2 * i, 3, "%02x", record->hash[i]);
	ereport(LOG_SERVER_ONLY,
			(errmsg("toms event: kind=%c verb=%c %s=%s database=%s address=%s method=%s tls=%s", TOMS_ENTRY_SESSION, record->verb,
					OidIsValid(record->role) ? "login" : "login_hash", OidIsValid(record->role) ? record->login : login,
					record->database[0] ? record->database : "-", record->address, record->method, record->tls),
			 errdetail_log("It is not in the audit trail: this is a standby."),
			 errhidestmt(true), errhidecontext(true)));
}

static void
lose(TimestampTz at)
{
	shared->lost++;
	shared->lost_until = at;
}

static TomsLoginRecord *
free_place(void)
{
	for (int i = 0; i < RECORDS && shared->waiting < RECORDS; i++)
	{
		if (shared->records[i].number == 0)
			return &shared->records[i];
	}
	return NULL;
}

/* One that is not ready looks whether its trail has come into use, if the record could be its own. */
static void
wake(const TomsLoginRecord *record)
{
	Taker	   *taker = taker_of(record);

	for (int i = 0; i < toms_queue_count(); i++)
	{
		Taker	   *other = &shared->takers[i];

		Assert(other != NULL);
		if (other == taker || (other->pid != 0 && !other->is_ready && (taker == NULL || strcmp(other->name, record->database) == 0)))
			SetLatch(other->latch);
	}
}

void
toms_login_push(TomsLoginRecord *record)
{
	TomsLoginRecord *place;

	if (RecoveryInProgress())
	{
		write_to_log(record);
		return;
	}
	record->id = toms_number_next(record->at);
	record->taker = InvalidOid;
	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_EXCLUSIVE);
	place = free_place();
	if (place)
	{
		record->number = ++shared->number;
		*place = *record;
		shared->waiting++;
	}
	else
		lose(record->at);
	wake(record);
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
}

void
toms_login_ring_state(int *waiting, int64 *lost)
{
	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_SHARED);
	*waiting = shared->waiting;
	*lost = shared->lost;
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
}

/* writers ----------------------------------------------------------------------------- */

static void
stop_writing(int code, Datum arg)
{
	Taker	   *next;

	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_EXCLUSIVE);
	own->pid = 0;
	own->is_ready = false;
	next = home();
	if (next)
		SetLatch(next->latch);	/* what was ours is another's now */
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
}

/* With the lock held: this database's place, or one that is free, or that of a database that has no writer. */
static Taker *
find_place(void)
{
	Taker	   *place = NULL;

	for (int i = 0; i < toms_queue_count(); i++)
	{
		Taker	   *taker = &shared->takers[i];

		if (taker->database == MyDatabaseId)
			return taker;
		if (taker->pid == 0 && (place == NULL || (OidIsValid(place->database) && !OidIsValid(taker->database))))
			place = taker;
	}
	return place;
}

/* False if there is no place: there are as many as queues, which writers have before they come here. */
static bool
join(void)
{
	const char *name = get_database_name(MyDatabaseId);
	bool		has_loaded;

	if (name == NULL)
		return false;
	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_EXCLUSIVE);
	own = find_place();
	if (own)
	{
		has_loaded = own->database == MyDatabaseId && own->has_loaded;
		*own = (Taker) {.database = MyDatabaseId,.pid = MyProcPid,.latch = MyLatch,.has_loaded = has_loaded};
		strlcpy(own->name, name, NAMEDATALEN);
	}
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
	if (own)
		before_shmem_exit(stop_writing, (Datum) 0);
	return own != NULL;
}

/* What was there before the only trail of this server was in use is nobody's. */
static void
discard_before(TimestampTz since)
{
	if (home() != NULL)
		return;
	for (int i = 0; i < RECORDS; i++)
	{
		if (shared->records[i].number == 0 || shared->records[i].at >= since)
			continue;
		shared->records[i].number = 0;
		shared->waiting--;
	}
	if (shared->lost_until < since)
		shared->lost = 0;
}

static void
start_writing(void)
{
	TimestampTz since = toms_login_trail_since();

	/* once after the server has started: what has been unlocked since then stays so */
	if (!own->has_loaded)
		toms_login_lock_load();
	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_EXCLUSIVE);
	discard_before(since);
	own->is_ready = own->has_loaded = true;
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
}

bool
toms_login_is_waiting(void)
{
	bool		waiting;

	if (own == NULL || !own->is_ready)
		return true;
	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_SHARED);
	waiting = is_ours(home()) && shared->lost > 0;
	for (int i = 0; i < RECORDS && shared->waiting > 0 && !waiting; i++)
		waiting = shared->records[i].number != 0 && is_ours(taker_of(&shared->records[i]));
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
	return waiting || kept_changes != toms_login_lock_changes();
}

static int
compare_numbers(const void *one, const void *other)
{
	uint64		a = *(const uint64 *) one;
	uint64		b = *(const uint64 *) other;

	return a < b ? -1 : a > b;
}

static int
by_number(const void *one, const void *other)
{
	return compare_numbers(&((const TomsLoginRecord *) one)->number, &((const TomsLoginRecord *) other)->number);
}

/* Returns whether what belongs to no database is told in this one. */
static bool
take(TomsLogins *logins)
{
	bool		at_home;

	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_EXCLUSIVE);
	for (int i = 0; i < RECORDS && shared->waiting > 0; i++)
	{
		TomsLoginRecord *record = &shared->records[i];

		if (record->number == 0 || !is_ours(taker_of(record)))
			continue;
		record->taker = MyDatabaseId;
		logins->records[logins->count++] = *record;
	}
	at_home = is_ours(home());
	logins->lost = at_home ? shared->lost : 0;
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
	return at_home;
}

bool
toms_login_take(TomsLogins *logins)
{
	bool		at_home;

	*logins = (TomsLogins) {0};
	/* the first entry of a trail is not ours: a dump may be being restored into it */
	if ((own == NULL && !join()) || (!own->is_ready && !toms_guard_trail_is_used()))
		return false;
	if (!own->is_ready)
		start_writing();
	logins->records = palloc(RECORDS * sizeof(TomsLoginRecord));
	at_home = take(logins);
	qsort(logins->records, logins->count, sizeof(TomsLoginRecord), by_number);
	for (int i = 0; i < logins->count; i++)
		taken.numbers[i] = logins->records[i].number;
	taken.count = logins->count;
	taken.lost = logins->lost;
	taken.changes = toms_login_lock_changes();
	if (kept_changes != taken.changes)
		toms_login_lock_keep(at_home);
	return true;
}

void
toms_login_written(void)
{
	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_EXCLUSIVE);
	for (int i = 0; i < RECORDS && shared->waiting > 0; i++)
	{
		TomsLoginRecord *record = &shared->records[i];

		if (record->number == 0 || bsearch(&record->number, taken.numbers, taken.count, sizeof(uint64), compare_numbers) == NULL)
			continue;
		record->number = 0;
		shared->waiting--;
	}
	shared->lost -= taken.lost;
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
	kept_changes = taken.changes;
}
